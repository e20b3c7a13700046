//! `keeper policy history`: which policy a vault followed when.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use alloy::primitives::{Address, B256};
use clap::Args;
use eyre::{WrapErr, eyre};
use serde::Serialize;

use super::super::connect::{connect, open, vault};
use super::super::output::grid;
use super::super::snapshot::At;
use super::super::{Context, Failure, Outcome};
use crate::chain::Endpoint;
use crate::config::{VaultConfig, load_policy};
use crate::domain::policy::PublishedPolicy;
use crate::protocols::vaults::policy_history::{Origin, PolicyEntry, PolicyHistory};
use crate::stage::path::time::utc;

/// Every policy hash that a vault stored in a range of blocks, oldest first, from its state and its events.
#[derive(Debug, Args)]
pub(super) struct History {
    /// Vault: a name of the configuration, or an address with --rpc, for which no configuration is needed.
    #[arg(long, value_name = "VAULT")]
    vault: String,
    /// JSON-RPC endpoint; where absent that of the configuration.
    #[arg(long, value_name = "URL")]
    rpc: Option<String>,
    /// A published policy, to be named where its hash is stored; where absent those of the configuration. May be given several
    /// times.
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// First block.
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,
    /// Last block; the newest where absent.
    #[arg(long, value_name = "N")]
    to: Option<u64>,
}

/// What is printed.
#[derive(Serialize)]
struct Printed<'a> {
    vault: &'a str,
    address: Address,
    chain: &'a str,
    from: String,
    to: String,
    policies: Vec<Entry>,
}

/// One hash and since when it is stored.
#[derive(Serialize)]
struct Entry {
    /// Block after which it is stored, or the first of the range.
    block: String,
    /// Time of that block, seconds since 1970.
    time: String,
    origin: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<B256>,
    hash: B256,
    /// Name of the policy with this hash, among those given.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(skip)]
    seconds: u64,
}

/// Whose history it is, and through what it is read.
struct Followed {
    address: Address,
    chain: String,
    policies: Vec<PublishedPolicy>,
    endpoint: Arc<Endpoint>,
}

impl History {
    async fn followed(&self, context: &Context) -> Result<Followed, Failure> {
        let given = self.policy.iter().map(|file| load_policy(file).map_err(Failure::usage));
        let given: Vec<_> = given.collect::<Result<_, _>>()?;
        let opened = match &self.rpc {
            Some(url) => Some(open("--rpc", url).await?),
            None => None,
        };
        if let Ok(address) = self.vault.parse() {
            let endpoint = opened.ok_or_else(|| Failure::usage(eyre!("name an endpoint with --rpc")))?;
            return Ok(Followed {
                address,
                chain: endpoint.chain_id().to_string(),
                policies: given,
                endpoint: endpoint.into(),
            });
        }
        let VaultConfig { address, chain, policies, .. } = vault(context, &self.vault)?;
        let endpoint = match opened {
            Some(endpoint) => endpoint.into(),
            None => connect(&chain, &context.environment).await?.into(),
        };
        let policies = if given.is_empty() { policies } else { given };
        Ok(Followed { address, chain: chain.name.clone(), policies, endpoint })
    }

    pub(super) async fn run(&self, context: &Context) -> Outcome {
        let followed = self.followed(context).await?;
        let endpoint = &followed.endpoint;
        let to = match self.to {
            Some(to) => to,
            None => At(None).header(endpoint).await?.number,
        };
        if self.from > to {
            let text = format!("the range ends at block {to}, before its first block {}", self.from);
            return Err(Failure::usage(eyre!(text)));
        }
        let history = PolicyHistory::read(endpoint, followed.address, (self.from, to)).await;
        let history = history.wrap_err_with(|| format!("vault `{}`", self.vault))?;
        let mut policies = Vec::new();
        for entry in history.entries() {
            policies.push(printed(&followed, entry).await?);
        }
        let (from, to) = (self.from.to_string(), to.to_string());
        let (vault, chain, address) = (&self.vault, &followed.chain, followed.address);
        let printed = Printed { vault, address, chain, from, to, policies };
        context.output.show(&printed, |printed| table(&printed.policies))?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn printed(followed: &Followed, entry: &PolicyEntry) -> eyre::Result<Entry> {
    let seconds = At(Some(entry.block)).header(&followed.endpoint).await?.timestamp;
    let (origin, transaction) = match entry.origin {
        Origin::Before => ("before", None),
        Origin::Deployed => ("deployed", None),
        Origin::Set { transaction } => ("set", Some(transaction)),
    };
    let known = followed.policies.iter().find(|policy| policy.hash() == entry.hash);
    Ok(Entry {
        block: entry.block.to_string(),
        time: seconds.to_string(),
        origin,
        transaction,
        hash: entry.hash,
        policy: known.map(|policy| policy.policy().name.clone()),
        seconds,
    })
}

fn table(entries: &[Entry]) -> String {
    let row = |entry: &Entry| {
        vec![
            entry.block.clone(),
            format!("{} UTC", utc(entry.seconds)),
            entry.transaction.map_or_else(|| entry.origin.to_owned(), |hash| hash.to_string()),
            entry.hash.to_string(),
            entry.policy.clone().unwrap_or_else(|| "(not given)".to_owned()),
        ]
    };
    grid(&["block", "time", "transaction", "policy hash", "policy"], entries.iter().map(row).collect())
}
