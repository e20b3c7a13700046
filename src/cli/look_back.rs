//! What the commands that look back have in common: whose blocks, through what, and how far they are.

use std::path::{Path, PathBuf};

use alloy::primitives::Address;
use clap::Args;
use eyre::{WrapErr, eyre};
use indicatif::{ProgressBar, ProgressStyle};

use super::connect::{configuration, endpoint_name, open, reach};
use super::{Context, Failure};
use crate::chain::Endpoint;
use crate::config::{ChainConfig, EndpointClass, Secret, load_policy};
use crate::domain::policy::PublishedPolicy;
use crate::journal::Journal;
use crate::reader::Mode;
use crate::replay::{Beside, Source, Subject};

/// Through what is looked, and at which vaults.
#[derive(Debug, Args)]
pub(super) struct Sight {
    /// Vault: a name of the configuration, or an address with --policy and --rpc, for which no configuration is needed. May be
    /// given several times, for vaults of one chain.
    #[arg(long, value_name = "VAULT")]
    vault: Vec<String>,
    /// A published policy; where absent those of the configuration. May be given several times: the one whose hash the
    /// vault stores at a block is in force there.
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// JSON-RPC endpoint of a node that keeps the states of old blocks; where absent the first one that is configured. Where
    /// several are given all have to tell the same.
    #[arg(long, value_name = "URL")]
    rpc: Vec<String>,
    /// How to read: by code override, by Multicall3, or the first with the second as its fallback.
    #[arg(long, value_enum, default_value_t = Mode::Auto)]
    reader: Mode,
}

/// What is looked at, and through what.
pub(super) struct View {
    pub(super) subjects: Vec<Subject>,
    /// These, and all other vaults of the configuration where it has their chain.
    pub(super) beside: Beside,
    pub(super) source: Source,
    /// Where the endpoints are, in the order of the source.
    pub(super) urls: Vec<Secret>,
}

impl Sight {
    pub(super) async fn view(&self, context: &Context) -> Result<View, Failure> {
        let policies = self.policies()?;
        let (subjects, chain) = self.subjects(context, &policies)?;
        let first = subjects.first().and_then(|subject| subject.policies.first());
        let policy =
            first.ok_or_else(|| Failure::usage(eyre!("no policy is given: name one with --policy")))?;
        let (kind, chain_id) = (policy.policy().gas.chain, policy.policy().chain_id);
        let (endpoints, urls) = self.endpoints(context, chain.as_ref()).await?;
        if let Some(other) = endpoints.iter().find(|endpoint| endpoint.chain_id() != chain_id) {
            let (name, served) = (other.name(), other.chain_id());
            return Err(Failure::usage(eyre!(
                "{name} serves chain {served}, the policy is for chain {chain_id}"
            )));
        }
        let source = Source::new(endpoints, kind, self.reader).map_err(Failure::usage)?;
        let beside = beside(context, &subjects, chain.as_ref())?;
        Ok(View { subjects, beside, source, urls })
    }

    fn policies(&self) -> Result<Vec<PublishedPolicy>, Failure> {
        self.policy.iter().map(|file| load_policy(file).map_err(Failure::usage)).collect()
    }

    /// The vaults, and the chain of the configuration that they are on, where one is.
    fn subjects(
        &self,
        context: &Context,
        given: &[PublishedPolicy],
    ) -> Result<(Vec<Subject>, Option<ChainConfig>), Failure> {
        let (mut subjects, mut chain) = (Vec::new(), None);
        let every = if self.vault.is_empty() { names(context)? } else { self.vault.clone() };
        for name in every {
            if let Ok(vault) = name.parse::<Address>() {
                once(&subjects, &name, vault)?;
                subjects.push(by_address(name, vault, given)?);
                continue;
            }
            let config = super::connect::vault(context, &name)?;
            let policies = if given.is_empty() { config.policies.clone() } else { given.to_vec() };
            once(&subjects, &name, config.address)?;
            subjects.push(Subject { name, vault: config.address, policies });
            let other =
                chain.replace(ChainConfig::clone(&config.chain)).filter(|other| other.id != config.chain.id);
            if let Some(other) = other {
                let (a, b) = (other.name, &config.chain.name);
                return Err(Failure::usage(eyre!(
                    "the vaults are on chains `{a}` and `{b}`: name those of one"
                )));
            }
        }
        Ok((subjects, chain))
    }

    async fn endpoints(
        &self,
        context: &Context,
        chain: Option<&ChainConfig>,
    ) -> Result<(Vec<Endpoint>, Vec<Secret>), Failure> {
        if self.rpc.is_empty() {
            let chain = chain.ok_or_else(|| Failure::usage(eyre!("name an endpoint with --rpc")))?;
            let (endpoint, url) = configured(context, chain).await?;
            return Ok((vec![endpoint], vec![url]));
        }
        let mut endpoints = Vec::new();
        for (number, url) in self.rpc.iter().enumerate() {
            let name = rpc_name(self.rpc.len(), number);
            endpoints.push(open(&name, url).await?.waiting_out_limits());
        }
        Ok((endpoints, self.rpc.iter().map(Secret::new).collect()))
    }
}

/// A vault that no configuration is needed for.
fn by_address(name: String, vault: Address, given: &[PublishedPolicy]) -> Result<Subject, Failure> {
    if given.is_empty() {
        return Err(Failure::usage(eyre!("no policy is given for vault {name}: name one with --policy")));
    }
    Ok(Subject { name, vault, policies: given.to_vec() })
}

/// Refuses a vault that is among `subjects` already, by whatever name.
fn once(subjects: &[Subject], name: &str, vault: Address) -> Result<(), Failure> {
    match subjects.iter().find(|subject| subject.vault == vault) {
        Some(same) if same.name == name => Err(Failure::usage(eyre!("vault {name} is named twice"))),
        Some(same) => Err(Failure::usage(eyre!("vault {name} is named twice: {} is the same", same.name))),
        None => Ok(()),
    }
}

/// What an endpoint of the command line is called in messages.
fn rpc_name(of: usize, number: usize) -> String {
    if of == 1 { "--rpc".to_owned() } else { format!("--rpc {}", number.saturating_add(1)) }
}

/// The vaults, and those that are configured on their chain.
fn beside(context: &Context, subjects: &[Subject], chain: Option<&ChainConfig>) -> Result<Beside, Failure> {
    let mut all = subjects.to_vec();
    if let Some(chain) = chain {
        let here = configuration(context)?.vaults.into_iter().filter(|vault| vault.chain.id == chain.id);
        all.extend(here.map(|vault| Subject {
            name: vault.name,
            vault: vault.address,
            policies: vault.policies,
        }));
    }
    Ok(Beside::of(all))
}

fn names(context: &Context) -> Result<Vec<String>, Failure> {
    let config = configuration(context)?;
    Ok(config.vaults.iter().map(|vault| vault.name.clone()).collect())
}

/// The first public endpoint of a configured chain.
async fn configured(context: &Context, chain: &ChainConfig) -> Result<(Endpoint, Secret), Failure> {
    let mut all = chain.endpoints.iter().enumerate();
    let first = all.find(|(_, endpoint)| matches!(endpoint.class, EndpointClass::Public { .. }));
    let (number, endpoint) =
        first.ok_or_else(|| Failure::usage(eyre!("chain `{}` has no public endpoint", chain.name)))?;
    let url = endpoint.url(&chain.name, &context.environment).map_err(Failure::usage)?;
    let reached = reach(chain, number, &url).await;
    let name = endpoint_name(chain, number);
    let endpoint = reached.wrap_err_with(|| format!("{name} cannot be used"))?.waiting_out_limits();
    Ok((endpoint, url))
}

/// A bar over `blocks` blocks with the time that is left, on a terminal.
pub(super) fn bar(blocks: u64) -> ProgressBar {
    bar_over(blocks, "blocks")
}

/// A bar over so many of what is named, with the time that is left, on a terminal.
pub(super) fn bar_over(count: u64, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(count);
    let template = format!("{{wide_bar}} {{pos}}/{{len}} {what}, {{per_sec}}, {{eta}} left");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar
}

/// The journal in a file, to be read.
pub(super) async fn recorded(file: &Path) -> Result<Journal, Failure> {
    if !file.exists() {
        return Err(Failure::usage(eyre!("there is no journal {}", file.display())));
    }
    Ok(Journal::open_evidence(file).await.wrap_err("the journal cannot be read")?)
}

/// Refuses a journal that is not what was written: whatever is looked up in it proves nothing.
pub(super) async fn verified(journal: &Journal) -> Result<(), Failure> {
    match journal.verify().await.wrap_err("the journal cannot be verified")? {
        Ok(_) => Ok(()),
        Err(fault) => {
            Err(eyre!("the journal is not what was written: {fault}; see `keeper journal verify`").into())
        }
    }
}
