//! `keeper replay`: what a journal says, held against the chain.

mod checkpoint;
pub(super) mod html;
mod text;

use std::path::PathBuf;
use std::process::ExitCode;

use alloy::primitives::B256;
use clap::{Args, ValueEnum};
use eyre::{WrapErr, eyre};
use indicatif::ProgressBar;
use serde::Serialize;

use super::checkpoint::stopped;
use super::look_back::{Sight, View, bar_over, recorded};
use super::signals::interrupted;
use super::{Context, Failure, Outcome};
use crate::journal::{Fault as Broken, Journal};
use crate::replay::{Anvil, Fault, Part, Replayed, Subject, check_anvil};
use checkpoint::{About, Asked, Checkpoint, Noted, Records};

/// Reads the facts of every recorded decision again, decides again, executes what was sent again on a fork, and compares.
///
/// Exits with 0 only where everything is equal.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  keeper replay --journal keeper.db --vault main\n  \
    keeper replay --journal copy.db --vault 0x5FbD… --policy published.json --rpc http://127.0.0.1:8545 --from 100 --to 600\n  \
    keeper replay --journal keeper.db --vault main --decision 0x3a1f… --format html > decision.html")]
pub(super) struct Replay {
    /// The journal.
    #[arg(long, value_name = "FILE")]
    journal: PathBuf,
    #[command(flatten)]
    sight: Sight,
    /// One decision alone, by its hash.
    #[arg(long, value_name = "HASH", conflicts_with_all = ["from", "to"])]
    decision: Option<B256>,
    /// First block decided on; the first that is recorded where absent.
    #[arg(long, value_name = "N")]
    from: Option<u64>,
    /// Last block decided on; the last that is recorded where absent.
    #[arg(long, value_name = "N")]
    to: Option<u64>,
    /// Compare decisions and events, and execute nothing again.
    #[arg(long)]
    no_execution: bool,
    /// Program of anvil, on which transactions are executed again.
    #[arg(long, value_name = "FILE", default_value = "anvil")]
    anvil: PathBuf,
    /// Where to note how far the replay is. Where the file is there, of the same question, it goes on from there, with the records
    /// that the journal had when it was begun.
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
    /// What to print; --json is --format json.
    #[arg(long, value_enum, default_value_t = Format::Table, conflicts_with = "json")]
    format: Format,
}

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Tables for a terminal.
    Table,
    /// One JSON document.
    Json,
    /// One page that needs no network.
    Html,
}

/// What the command prints.
#[derive(Serialize)]
struct Printed {
    chain_id: String,
    journal: String,
    /// Records of the journal, which were verified first.
    records: String,
    /// Hash of all of them.
    records_hash: Option<B256>,
    /// Records that were added since the checkpoint was begun, which are not looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    later: Option<String>,
    /// Whether everything is equal.
    equal: bool,
    /// What is wrong with the journal itself: then nothing in it is looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    broken: Option<Fault>,
    vaults: Vec<Replayed>,
}

impl Replay {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
        if !self.no_execution {
            check_anvil(&self.anvil).await.map_err(Failure::usage)?;
        }
        let view = self.sight.view(context).await?;
        let journal = recorded(&self.journal).await?;
        let printed = self.printed(&view, &journal).await?;
        journal.close().await;
        match if context.output.json { Format::Json } else { self.format } {
            Format::Table => context.output.text(&text::text(&printed))?,
            Format::Json => context.output.json(&printed)?,
            Format::Html => context.output.text(&html::html(&printed))?,
        }
        Ok(if printed.equal { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    async fn printed(&self, view: &View, journal: &Journal) -> Result<Printed, Failure> {
        let mut printed = Printed {
            chain_id: view.source.chain_id().to_string(),
            journal: self.journal.display().to_string(),
            records: String::new(),
            records_hash: None,
            later: None,
            equal: false,
            broken: None,
            vaults: Vec::new(),
        };
        let verified = match journal.verify().await.wrap_err("the journal cannot be verified")? {
            Err(Broken { seq, what, .. }) => {
                printed.broken = Some(Fault::Journal { seq, what });
                return Ok(printed);
            }
            Ok(verified) => verified,
        };
        let about = About::of(view, verified, (self.asked(), self.part(view, journal).await?));
        let checkpoint = match &self.checkpoint {
            Some(file) => Some(checkpoint::of(file, journal, about.clone()).await?),
            None => None,
        };
        let about = checkpoint.as_ref().map_or(&about, Checkpoint::about);
        let Records { count, hash } = about.records();
        (printed.records, printed.records_hash) = (count.to_string(), Some(hash));
        let later = verified.records.saturating_sub(count);
        printed.later = Some(later.to_string()).filter(|_| later > 0);
        printed.vaults = self.replayed(view, journal, (about, checkpoint.as_ref())).await?;
        printed.equal = printed.vaults.iter().all(Replayed::is_equal);
        Ok(printed)
    }

    async fn replayed(
        &self,
        view: &View,
        journal: &Journal,
        (about, checkpoint): (&About, Option<&Checkpoint>),
    ) -> Result<Vec<Replayed>, Failure> {
        let mut at = checkpoint.and_then(Checkpoint::noted).unwrap_or_default();
        let (part, last) = (about.part(), i64::try_from(about.records().count).unwrap_or(i64::MAX));
        let subjects = concerned(part, view, journal).await?;
        let bar = bar_over(records(part, &subjects, journal, view.source.chain_id()).await?, "records");
        bar.set_position(at.records);
        let urls: Vec<_> = view.urls.iter().map(|url| url.expose()).collect();
        let anvil = (!self.no_execution).then_some(Anvil { program: &self.anvil, urls: &urls });
        for subject in subjects.into_iter().skip(at.done.len()) {
            let replay = crate::replay::Replay::new(&view.source, journal, subject, anvil);
            let replay = replay.beside(&view.beside).up_to(last);
            let done = on(replay, part, (&mut at, checkpoint), &bar).await;
            done.wrap_err_with(|| format!("vault {}", subject.name))?;
        }
        bar.finish_and_clear();
        Ok(at.done)
    }

    fn asked(&self) -> Asked {
        let anvil = (!self.no_execution).then(|| self.anvil.clone());
        Asked { decision: self.decision, from: self.from, to: self.to, anvil }
    }

    async fn part(&self, view: &View, journal: &Journal) -> Result<Part, Failure> {
        if let Some(hash) = self.decision {
            return Ok(Part::Decision(hash));
        }
        let recorded = journal.reach(view.source.chain_id()).await.wrap_err("the journal")?;
        let (first, last) = recorded.map_or((0, 0), std::ops::RangeInclusive::into_inner);
        let (from, to) = (self.from.unwrap_or(first), self.to.unwrap_or(last));
        if from > to {
            return Err(Failure::usage(eyre!(
                "there are no such blocks in the journal: from {from} to {to}"
            )));
        }
        Ok(Part::Heights(from..=to))
    }
}

/// Replays one vault to its end, from where it was.
async fn on(
    mut replay: crate::replay::Replay<'_>,
    part: &Part,
    (at, checkpoint): (&mut Noted, Option<&Checkpoint>),
    bar: &ProgressBar,
) -> eyre::Result<()> {
    if let Some(progress) = at.under_way.take() {
        replay = replay.from(progress);
    }
    let mut signal = std::pin::pin!(interrupted());
    let watch = || bar.inc(1);
    loop {
        // Dropped in the midst of a stretch the checkpoint is as far as before.
        let more = tokio::select! {
            more = replay.stretch(part, &watch) => more?,
            signal = &mut signal => {
                signal?;
                let place = format!("record {} of {}", at.records, bar.length().unwrap_or_default());
                return Err(stopped(&place, (checkpoint.is_some(), at.records > 0)));
            }
        };
        at.records = bar.position();
        if more {
            at.under_way = Some(replay.progress().clone());
        } else {
            at.under_way = None;
            at.done.push(replay.progress().replayed.clone());
        }
        if let Some(checkpoint) = checkpoint {
            checkpoint.save(at).wrap_err("how far the replay is cannot be noted")?;
        }
        if !more {
            return Ok(());
        }
    }
}

/// The vaults that a part of the journal is about: of a decision the one that it was taken on.
async fn concerned<'v>(part: &Part, view: &'v View, journal: &Journal) -> Result<Vec<&'v Subject>, Failure> {
    let Part::Decision(hash) = part else { return Ok(view.subjects.iter().collect()) };
    let mut concerned = Vec::new();
    for subject in &view.subjects {
        let recorded = journal.cycle_of(subject.vault, *hash).await.wrap_err("the journal")?;
        concerned.extend(recorded.map(|_| subject));
    }
    if concerned.is_empty() {
        let names: Vec<_> = view.subjects.iter().map(|subject| subject.name.as_str()).collect();
        return Err(Failure::usage(eyre!(
            "the journal has no full record of a decision {hash} of {}: one that changed nothing is there as a leaf alone, from \
             which it cannot be found; replay its block with --from N --to N, or prove it with `keeper journal prove --block N`",
            names.join(", ")
        )));
    }
    Ok(concerned)
}

/// How many records will be looked at.
async fn records(
    part: &Part,
    subjects: &[&Subject],
    journal: &Journal,
    chain_id: u64,
) -> Result<u64, Failure> {
    let Part::Heights(heights) = part else { return Ok(1) };
    let mut records = 0_u64;
    for subject in subjects {
        let about = journal.records_about((chain_id, subject.vault), heights.clone()).await;
        records = records.saturating_add(about.wrap_err("the journal")?);
    }
    Ok(records)
}
