//! What the commands that look back have in common: whose blocks, through what, and how far they are.

use std::path::{Path, PathBuf};

use alloy::primitives::{Address, B256, keccak256};
use clap::Args;
use eyre::{WrapErr, eyre};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

use super::connect::{configuration, connect_at, open};
use super::{Context, Failure};
use crate::chain::Endpoint;
use crate::config::{ChainConfig, Config, ConfigError, Secret, load_policy};
use crate::domain::policy::{ChainKind, PublishedPolicy};
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
    #[command(flatten)]
    glass: Glass,
}

/// Through what is looked.
#[derive(Debug, Args)]
pub(super) struct Glass {
    /// JSON-RPC endpoint of a node that keeps the states of old blocks; where absent a healthy one of the configuration. Where
    /// several are given all have to tell the same.
    #[arg(long, value_name = "URL")]
    rpc: Vec<String>,
    /// How to read: by code override, by Multicall3, or the first with the second as its fallback.
    #[arg(long, value_enum, default_value_t = Mode::Auto)]
    reader: Mode,
}

/// Vaults of one chain with their policies, before anything is asked of a node.
pub(super) struct Named {
    /// At least one, each with a policy.
    pub(super) subjects: Vec<Subject>,
    /// The chain of the configuration that they are on, where one is.
    chain: Option<ChainConfig>,
    pub(super) chain_id: u64,
    kind: ChainKind,
}

/// The endpoints that are read.
struct Reached {
    endpoints: Vec<Endpoint>,
    /// Where they are, in the same order.
    urls: Vec<Secret>,
    /// Where those are among which they were chosen.
    all: Vec<Secret>,
}

/// What is looked at, and through what.
pub(super) struct View {
    pub(super) subjects: Vec<Subject>,
    /// These, and all other vaults of the configuration where it has their chain.
    pub(super) beside: Beside,
    pub(super) source: Source,
    /// Where the endpoints are, in the order of the source.
    pub(super) urls: Vec<Secret>,
    pub(super) through: Through,
}

/// Which nodes are read, and how, as far as another process has to read the same ones in the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Through {
    /// Hash over those of the endpoints' URLs, in ascending order: of those given, or of all that the configuration has for the chain. URLs
    /// hold secrets.
    endpoints: B256,
    reader: Mode,
}

impl Through {
    fn of(urls: &[Secret], reader: Mode) -> Self {
        let mut hashes: Vec<_> = urls.iter().map(|url| keccak256(url.expose())).collect();
        hashes.sort_unstable();
        Self { endpoints: keccak256(hashes.concat()), reader }
    }

    /// What is looked through otherwise than was noted: whether it is the same, and what differs where not.
    pub(super) fn against(&self, noted: &Self) -> [(bool, &'static str); 2] {
        [
            (self.endpoints == noted.endpoints, "through other endpoints"),
            (self.reader == noted.reader, "by another --reader"),
        ]
    }
}

impl Sight {
    pub(super) async fn view(&self, context: &Context) -> Result<View, Failure> {
        let policies = published(&self.policy)?;
        self.glass.view(context, Named::of(context, &self.vault, &policies)?).await
    }
}

impl Glass {
    /// Whether an endpoint is given.
    pub(super) const fn is_given(&self) -> bool {
        !self.rpc.is_empty()
    }

    /// Connects to what these vaults are looked at through.
    pub(super) async fn view(&self, context: &Context, named: Named) -> Result<View, Failure> {
        let Named { subjects, chain, chain_id, kind } = named;
        let Reached { endpoints, urls, all } = self.endpoints(context, chain.as_ref()).await?;
        if let Some(other) = endpoints.iter().find(|endpoint| endpoint.chain_id() != chain_id) {
            let (name, served) = (other.name(), other.chain_id());
            return Err(Failure::usage(eyre!(
                "{name} serves chain {served}, the policy is for chain {chain_id}"
            )));
        }
        let source = Source::new(endpoints, kind, self.reader).map_err(Failure::usage)?;
        let beside = beside(context, &subjects, chain.as_ref())?;
        Ok(View { subjects, beside, source, urls, through: Through::of(&all, self.reader) })
    }

    async fn endpoints(&self, context: &Context, chain: Option<&ChainConfig>) -> Result<Reached, Failure> {
        if self.rpc.is_empty() {
            let chain = chain.ok_or_else(|| Failure::usage(eyre!("name an endpoint with --rpc")))?;
            let (endpoint, url) = connect_at(chain, &context.environment).await?;
            let all = chain.urls(&context.environment).map_err(Failure::usage)?;
            return Ok(Reached { endpoints: vec![endpoint], urls: vec![url], all });
        }
        let mut endpoints = Vec::new();
        for (number, url) in self.rpc.iter().enumerate() {
            let name = rpc_name(self.rpc.len(), number);
            endpoints.push(open(&name, url).await?.waiting_out_limits());
        }
        let urls: Vec<_> = self.rpc.iter().map(Secret::new).collect();
        Ok(Reached { endpoints, all: urls.clone(), urls })
    }
}

impl Named {
    /// The vaults of these names or addresses, all of the configuration where none is named; with the policies that are given,
    /// or with those of the configuration.
    pub(super) fn of(
        context: &Context,
        vaults: &[String],
        given: &[PublishedPolicy],
    ) -> Result<Self, Failure> {
        let (mut subjects, mut chain) = (Vec::new(), None);
        for name in if vaults.is_empty() { names(context)? } else { vaults.to_vec() } {
            if let Ok(vault) = name.parse::<Address>() {
                once(&subjects, &name, vault)?;
                subjects.push(by_address(name, vault, given)?);
                continue;
            }
            let config = super::connect::vault(context, &name)?;
            let policies = if given.is_empty() { config.policies.clone() } else { given.to_vec() };
            let other =
                chain.replace(ChainConfig::clone(&config.chain)).filter(|other| other.id != config.chain.id);
            if let Some(other) = other {
                let (a, b) = (other.name, &config.chain.name);
                return Err(Failure::usage(eyre!(
                    "the vaults are on chains `{a}` and `{b}`: name those of one"
                )));
            }
            once(&subjects, &name, config.address)?;
            subjects.push(Subject { name, vault: config.address, policies });
        }
        let first = subjects.first().and_then(|subject| subject.policies.first());
        let policy =
            first.ok_or_else(|| Failure::usage(eyre!("no policy is given: name one with --policy")))?;
        let chain_id = policy.policy().chain_id;
        // A policy of another kind is no way around the configuration.
        let kind = chain.as_ref().map_or(policy.policy().gas.chain, |chain| chain.kind);
        Ok(Self { subjects, chain, chain_id, kind })
    }

    /// The first of them.
    pub(super) fn first(&self) -> Result<&Subject, Failure> {
        first(&self.subjects)
    }
}

impl View {
    /// The first of the vaults.
    pub(super) fn first(&self) -> Result<&Subject, Failure> {
        first(&self.subjects)
    }
}

fn first(subjects: &[Subject]) -> Result<&Subject, Failure> {
    subjects.first().ok_or_else(|| Failure::usage(eyre!("no vault is given: name one with --vault")))
}

/// The policies in files, as published.
pub(super) fn published(files: &[PathBuf]) -> Result<Vec<PublishedPolicy>, Failure> {
    files.iter().map(|file| load_policy(file).map_err(Failure::usage)).collect()
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

/// Those of the configuration; where there is none, nor a vault named, what to name.
fn names(context: &Context) -> Result<Vec<String>, Failure> {
    let config = Config::load(&context.config).map_err(|error| {
        let missing = matches!(error, ConfigError::Missing { .. });
        let told = eyre::Report::from(error);
        if !missing {
            return Failure::usage(told);
        }
        Failure::usage(eyre!(
            "no vault is named: name its address with --vault, its policy with --policy and a node with --rpc; or for vaults \
             of a configuration: {told}"
        ))
    })?;
    Ok(config.vaults.iter().map(|vault| vault.name.clone()).collect())
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
