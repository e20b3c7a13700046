//! `keeper audit`: whether a keeper did what its policy says, at every block, without its word.

mod checkpoint;
mod requests;
mod text;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use eyre::{WrapErr, eyre};
use serde::Serialize;

use super::checkpoint::stopped;
use super::look_back::{Sight, View, bar, recorded, verified};
use super::signals::interrupted;
use super::{Context, Failure, Outcome};
use crate::config::load_policy;
use crate::domain::policy::PublishedPolicy;
use crate::replay::Subject;
use crate::replay::audit::{self, Comparison, Counterfactual, Found, Question, Reading, Totals};
use checkpoint::Checkpoint;
use requests::Requests;

/// Takes the decision of every block again and holds what was done against it. Trusts no record.
///
/// Exits with 0 only where every action and every inaction is as the policy says.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  keeper audit --vault main --from 21000000 --to 21007200\n  \
    keeper audit --vault 0x5FbD… --policy published.json --rpc http://127.0.0.1:8545 --from 100 --to 600 --json")]
pub(super) struct Audit {
    #[command(flatten)]
    sight: Sight,
    /// First block.
    #[arg(long, value_name = "N")]
    from: u64,
    /// Last block; where absent the newest, or that of the checkpoint that is gone on from.
    #[arg(long, value_name = "N")]
    to: Option<u64>,
    /// Blocks that an action may come late: what is decided at one block can be in the next.
    #[arg(long, value_name = "BLOCKS", default_value_t = 5)]
    grace: u64,
    /// Which blocks are read: those before which something happened, or every one. Both find the same.
    #[arg(long, value_enum, default_value_t = Reading::Changes)]
    read: Reading,
    /// The keeper's journal: then the cause of what was missed is looked up there.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Another policy: what it would have done at each of the blocks, on the vault as it was kept, as if its owner had approved
    /// it. Its trades are not carried out, so that this is no backtest. An option of its own, since --policy names the
    /// published ones; `keeper decide` does it for one block with --policy and --as-approved.
    #[arg(long, value_name = "FILE")]
    counterfactual: Option<PathBuf>,
    /// Where to note how far the audit is. Where the file is there, of the same question, it goes on from there.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
}

/// What the command prints.
#[derive(Serialize)]
struct Printed {
    chain_id: String,
    #[serde(flatten)]
    question: Question,
    /// Whether everything is as the policy says.
    clean: bool,
    /// What was asked of the nodes.
    requests: Requests,
    vaults: Vec<PrintedVault>,
}

#[derive(Serialize)]
struct PrintedVault {
    #[serde(flatten)]
    found: Found,
    totals: Totals,
    /// What the counterfactual comes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<Comparison>,
}

impl Audit {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
        let view = self.sight.view(context).await?;
        let newest = view.source.height().await?;
        let to = self.to.unwrap_or(newest);
        if self.from > to || to > newest {
            let (from, what) = (self.from, "there are no such blocks");
            return Err(Failure::usage(eyre!("{what}: from {from} to {to}, the newest is {newest}")));
        }
        let question = Question { from: self.from, to, grace: self.grace, reading: self.read };
        let others = self.others(&view)?;
        let checkpoint = self.checkpoint(&view, question, &others)?;
        let question = checkpoint.as_ref().map_or(question, |checkpoint| checkpoint.about().question);
        let (mut found, blocks) = found(&view, (question, &others), checkpoint.as_ref()).await?;
        if let Some(file) = &self.journal {
            let journal = recorded(file).await?;
            verified(&journal).await?;
            for found in &mut found {
                found.look_up(&journal, view.source.chain_id()).await?;
            }
            journal.close().await;
        }
        let clean = found.iter().all(Found::is_clean);
        let vaults = found.into_iter().map(printed).collect();
        let requests = Requests::over(blocks, view.source.requests());
        let chain_id = view.source.chain_id().to_string();
        let printed = Printed { chain_id, question, clean, requests, vaults };
        context.output.show(&printed, text::text)?;
        Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// The same vaults with the policy that the published ones are compared with; none where none is given.
    fn others(&self, view: &View) -> Result<Vec<Subject>, Failure> {
        let Some(file) = &self.counterfactual else { return Ok(Vec::new()) };
        let policy = load_policy(file).map_err(Failure::usage)?;
        let of = |policy: &PublishedPolicy| (policy.policy().chain_id, policy.policy().gas.chain);
        let mut published = view.subjects.iter().flat_map(|subject| &subject.policies);
        if published.any(|published| of(published) != of(&policy)) {
            let file = file.display();
            return Err(Failure::usage(eyre!("{file} is for another chain, or another kind of chain")));
        }
        let other = |subject: &Subject| Subject { policies: vec![policy.clone()], ..subject.clone() };
        Ok(view.subjects.iter().map(other).collect())
    }

    fn checkpoint(
        &self,
        view: &View,
        question: Question,
        others: &[Subject],
    ) -> Result<Option<Checkpoint>, Failure> {
        let Some(file) = &self.checkpoint else { return Ok(None) };
        let other = others.first().and_then(|other| other.policies.first()).map(PublishedPolicy::hash);
        checkpoint::of(file, view, (question, other), self.to).map(Some)
    }
}

/// What was found, and over how many blocks since the checkpoint.
async fn found(
    view: &View,
    (question, others): (Question, &[Subject]),
    checkpoint: Option<&Checkpoint>,
) -> Result<(Vec<Found>, u64), Failure> {
    let progress = checkpoint.and_then(Checkpoint::noted);
    let mut noted = progress.is_some();
    let mut audit = audit::Audit::new(&view.source, question, (&view.subjects, others), progress);
    let begun = audit.progress().next;
    let bar = bar(question.to.saturating_sub(question.from).saturating_add(1));
    let mut signal = std::pin::pin!(interrupted());
    loop {
        bar.set_position(audit.progress().next.saturating_sub(question.from));
        // Dropped in the midst of a stretch it is as far as before.
        let more = tokio::select! {
            more = audit.stretch() => more?,
            signal = &mut signal => {
                signal?;
                let place = format!("block {}", audit.progress().next);
                return Err(stopped(&place, (checkpoint.is_some(), noted)).into());
            }
        };
        if let Some(checkpoint) = checkpoint {
            checkpoint.save(audit.progress()).wrap_err("how far the audit is cannot be noted")?;
            noted = true;
        }
        if !more {
            bar.finish_and_clear();
            return Ok((audit.found(), audit.progress().next.saturating_sub(begun)));
        }
    }
}

fn printed(found: Found) -> PrintedVault {
    let comparison = found.counterfactual.as_ref().map(Counterfactual::comparison);
    PrintedVault { totals: found.totals(), comparison, found }
}
