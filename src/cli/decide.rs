//! `keeper decide`: the decision at a block, or on a stored snapshot.

use std::path::PathBuf;
use std::process::ExitCode;

use alloy::primitives::B256;
use clap::Args;
use eyre::WrapErr;
use serde::Serialize;

use super::output::Row;
use super::show::decision_rows;
use super::snapshot::{At, read};
use super::{Context, Failure, Outcome};
use crate::config::load_policy;
use crate::domain::canonical;
use crate::domain::decision::{DECISION_VERSION, Decision, decide, decision_hash};
use crate::domain::policy::PublishedPolicy;
use crate::domain::snapshot::Snapshot;

/// What the policy decides at a block, with all its numbers. Never acts.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  keeper decide --vault main\n  keeper decide --vault main --policy other.toml --what-if\n  \
                        keeper decide --snapshot snapshot.json --policy examples/policies/cppi.toml --json"
)]
pub(super) struct Decide {
    /// Vault of the configuration.
    #[arg(long, value_name = "NAME", required_unless_present = "snapshot", conflicts_with = "snapshot")]
    vault: Option<String>,
    /// Block number; the newest where absent.
    #[arg(long, requires = "vault")]
    block: Option<u64>,
    /// Snapshot as printed by `keeper snapshot`; then no network is needed.
    #[arg(long, value_name = "FILE", requires = "policy")]
    snapshot: Option<PathBuf>,
    /// Policy to decide by; where absent, the one whose hash the vault stores.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Decide as if the vault's owner had approved this policy.
    #[arg(long, requires = "policy")]
    what_if: bool,
}

/// What the command prints.
#[derive(Serialize)]
struct Printed<'a> {
    decision_version: &'static str,
    snapshot_hash: B256,
    policy_hash: B256,
    decision_hash: B256,
    block: String,
    what_if: bool,
    #[serde(flatten)]
    decision: &'a Decision,
}

impl Decide {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
        let (mut snapshot, policy) = self.inputs(context).await?;
        let what_if = self.what_if && snapshot.vault.policy_hash != policy.hash();
        if what_if {
            snapshot.vault.policy_hash = policy.hash();
        }
        let decision = decide(&snapshot, &policy);
        let printed = Printed {
            decision_version: DECISION_VERSION,
            snapshot_hash: canonical::hash(&snapshot).wrap_err("the snapshot")?,
            policy_hash: policy.hash(),
            decision_hash: decision_hash(&snapshot, &policy, &decision).wrap_err("the decision")?,
            block: snapshot.block.number.to_string(),
            what_if,
            decision: &decision,
        };
        context.output.print(&printed, rows)?;
        Ok(ExitCode::SUCCESS)
    }

    async fn inputs(&self, context: &Context) -> Result<(Snapshot, PublishedPolicy), Failure> {
        let policy = self.policy.as_deref().map(load_policy).transpose().map_err(Failure::usage)?;
        match (&self.snapshot, &self.vault, policy) {
            (Some(file), _, Some(policy)) => Ok((stored(file)?, policy)),
            (_, Some(vault), policy) => read(context, vault, At(self.block), policy).await,
            _ => Err(Failure::usage(eyre::eyre!("give --vault, or --snapshot with --policy"))),
        }
    }
}

fn stored(file: &PathBuf) -> Result<Snapshot, Failure> {
    let text = std::fs::read_to_string(file)
        .wrap_err_with(|| format!("the snapshot {} cannot be read", file.display()))
        .map_err(Failure::usage)?;
    serde_json::from_str(&text)
        .wrap_err_with(|| format!("{} is no snapshot as `keeper snapshot --json` prints it", file.display()))
        .map_err(Failure::usage)
}

fn rows(printed: &Printed<'_>) -> Vec<Row> {
    let mut rows = vec![("block", printed.block.clone())];
    rows.extend(decision_rows(printed.decision));
    rows.push(("policy hash", printed.policy_hash.to_string()));
    rows.push(("decision hash", printed.decision_hash.to_string()));
    rows
}
