//! `keeper decide`: the decision at a block, or on a stored snapshot.

mod explain;
mod what_if;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use eyre::WrapErr;
use serde::Serialize;

use super::look_back::Glass;
use super::output::{Row, table};
use super::show::decision_rows;
use super::snapshot::{At, read};
use super::{Context, Failure, Outcome};
use crate::config::load_policy;
use crate::domain::decision::{Recorded, decide};
use crate::domain::policy::PublishedPolicy;
use crate::domain::snapshot::Snapshot;
use what_if::{Change, Changed};

/// What the policy decides at a block, with all its numbers. Never acts.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  keeper decide --vault main\n  keeper decide --vault main --what-if price=1800 --what-if gas=120\n  \
                        keeper decide --vault main --policy other.toml --as-approved\n  \
                        keeper decide --vault 0x5FbD… --policy published.json --rpc http://127.0.0.1:8545 --block 21000000\n  \
                        keeper decide --snapshot snapshot.json --policy examples/policies/cppi.toml --json"
)]
pub(super) struct Decide {
    /// Vault: a name of the configuration, or an address with --policy and --rpc, for which no configuration is needed.
    #[arg(long, value_name = "VAULT", required_unless_present = "snapshot", conflicts_with = "snapshot")]
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
    as_approved: bool,
    /// Decide again with a fact or a policy value changed, and show both: price (USD), gas (gwei), volatility
    /// (annualised, 0.9 is 90 %), or the path of a value in the policy, whether its file states it or not, such as
    /// strategy.implied.expiries[0].days. May be given several times, once for each key.
    #[arg(long, value_name = "KEY=VALUE")]
    what_if: Vec<Change>,
    #[command(flatten)]
    glass: Glass,
}

/// What the command prints.
#[derive(Serialize)]
struct Printed {
    #[serde(flatten)]
    decided: Decided,
    /// The same with the changes made.
    #[serde(skip_serializing_if = "Option::is_none")]
    what_if: Option<WhatIf>,
}

#[derive(Serialize)]
struct WhatIf {
    changes: Vec<String>,
    /// What a person might not expect of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    #[serde(flatten)]
    decided: Decided,
}

/// A decision, where it comes from, and what it means.
#[derive(Serialize)]
struct Decided {
    #[serde(flatten)]
    recorded: Recorded,
    block: String,
    /// Whether the vault's owner approved another policy.
    as_approved: bool,
    explanation: String,
}

impl Decide {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
        let (snapshot, policy) = self.inputs(context).await?;
        let what_if = self.what_if(&snapshot, &policy)?;
        let printed = Printed { decided: decided(snapshot, &policy, self.as_approved)?, what_if };
        context.output.show(&printed, text)?;
        Ok(ExitCode::SUCCESS)
    }

    fn what_if(&self, snapshot: &Snapshot, policy: &PublishedPolicy) -> Result<Option<WhatIf>, Failure> {
        if self.what_if.is_empty() {
            return Ok(None);
        }
        let Changed { snapshot, policy, notes } =
            what_if::changed(snapshot, policy, &self.what_if).map_err(Failure::usage)?;
        let changes = self.what_if.iter().map(ToString::to_string).collect();
        Ok(Some(WhatIf { changes, notes, decided: decided(snapshot, &policy, true)? }))
    }

    async fn inputs(&self, context: &Context) -> Result<(Snapshot, PublishedPolicy), Failure> {
        let policy = self.policy.as_deref().map(load_policy).transpose().map_err(Failure::usage)?;
        match (&self.snapshot, &self.vault, policy) {
            (Some(_), _, Some(_)) if self.glass.is_given() => Err(Failure::usage(eyre::eyre!(
                "--snapshot needs no node: leave out --rpc, or name a --vault"
            ))),
            (Some(file), _, Some(policy)) => Ok((stored(file)?, policy)),
            (_, Some(vault), policy) => {
                read(context, (vault, policy.as_slice()), At(self.block), &self.glass).await
            }
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

fn decided(mut snapshot: Snapshot, policy: &PublishedPolicy, as_approved: bool) -> eyre::Result<Decided> {
    let as_approved = as_approved && snapshot.vault.policy_hash != policy.hash();
    if as_approved {
        snapshot.vault.policy_hash = policy.hash();
    }
    let decision = decide(&snapshot, policy);
    Ok(Decided {
        block: snapshot.block.number.to_string(),
        as_approved,
        explanation: explain::explain(&decision),
        recorded: Recorded::of(&snapshot, policy, decision).wrap_err("the decision")?,
    })
}

fn text(printed: &Printed) -> String {
    let as_it_is = section(&printed.decided);
    match &printed.what_if {
        None => as_it_is,
        Some(what_if) => {
            let (changes, changed) = (what_if.changes.join(", "), section(&what_if.decided));
            let notes: String = what_if.notes.iter().map(|note| format!("Mind that {note}.\n\n")).collect();
            format!("As it is\n\n{as_it_is}\n\nWith {changes}\n\n{notes}{changed}")
        }
    }
}

fn section(decided: &Decided) -> String {
    format!("{}\n\n{}", decided.explanation, table(rows(decided)))
}

fn rows(decided: &Decided) -> Vec<Row> {
    let mut rows = vec![("block", decided.block.clone())];
    let recorded = &decided.recorded;
    rows.extend(decision_rows(&recorded.decision));
    rows.push(("policy hash", recorded.policy_hash.to_string()));
    rows.push(("decision hash", recorded.decision_hash.to_string()));
    rows
}
