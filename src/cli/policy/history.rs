//! `keeper policy history`: which policy a vault followed when.

use std::process::ExitCode;

use alloy::primitives::{Address, B256};
use clap::Args;
use eyre::WrapErr;
use serde::Serialize;

use super::super::connect::{connect, vault};
use super::super::output::grid;
use super::super::snapshot::At;
use super::super::{Context, Failure, Outcome};
use crate::chain::Endpoint;
use crate::config::VaultConfig;
use crate::demo::report::second;
use crate::protocols::vaults::policy_history::{Origin, PolicyEntry, PolicyHistory};

/// Every policy hash that a vault stored in a range of blocks, oldest first, from its state and its events.
#[derive(Debug, Args)]
pub(super) struct History {
    /// Vault of the configuration.
    #[arg(long, value_name = "NAME")]
    vault: String,
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
    /// Name of the configured policy with this hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(skip)]
    seconds: u64,
}

impl History {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
        let vault = vault(context, &self.vault)?;
        let endpoint = connect(&vault.chain, &context.environment).await?;
        let to = match self.to {
            Some(to) => to,
            None => At(None).header(&endpoint).await?.number,
        };
        if self.from > to {
            let text = format!("the range ends at block {to}, before its first block {}", self.from);
            return Err(Failure::usage(eyre::eyre!(text)));
        }
        let history = PolicyHistory::read(&endpoint, vault.address, (self.from, to)).await;
        let history = history.wrap_err_with(|| format!("vault `{}`", vault.name))?;
        let mut policies = Vec::new();
        for entry in history.entries() {
            policies.push(printed(&endpoint, &vault, entry).await?);
        }
        let (from, to) = (self.from.to_string(), to.to_string());
        let (name, chain) = (&vault.name, &vault.chain.name);
        context
            .output
            .show(&Printed { vault: name, address: vault.address, chain, from, to, policies }, |printed| {
                table(&printed.policies)
            })?;
        Ok(ExitCode::SUCCESS)
    }
}

async fn printed(endpoint: &Endpoint, vault: &VaultConfig, entry: &PolicyEntry) -> eyre::Result<Entry> {
    let seconds = At(Some(entry.block)).header(endpoint).await?.timestamp;
    let (origin, transaction) = match entry.origin {
        Origin::Before => ("before", None),
        Origin::Deployed => ("deployed", None),
        Origin::Set { transaction } => ("set", Some(transaction)),
    };
    let known = vault.policies.iter().find(|policy| policy.hash() == entry.hash);
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
            format!("{} UTC", second(entry.seconds)),
            entry.transaction.map_or_else(|| entry.origin.to_owned(), |hash| hash.to_string()),
            entry.hash.to_string(),
            entry.policy.clone().unwrap_or_else(|| "(not configured)".to_owned()),
        ]
    };
    grid(&["block", "time", "transaction", "policy hash", "policy"], entries.iter().map(row).collect())
}
