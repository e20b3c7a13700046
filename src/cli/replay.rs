//! `keeper replay`: what a journal says, held against the chain.

mod html;
mod text;

use std::path::PathBuf;
use std::process::ExitCode;

use alloy::primitives::B256;
use clap::{Args, ValueEnum};
use eyre::{WrapErr, eyre};
use serde::Serialize;

use super::look_back::{Sight, View, bar, recorded};
use super::{Context, Failure, Outcome};
use crate::journal::{Fault as Broken, Journal, Verified};
use crate::replay::{Anvil, Fault, Part, Replayed};

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
    /// What to print; --json is --format json.
    #[arg(long, value_enum, default_value_t = Format::Table)]
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
    /// Whether everything is equal.
    equal: bool,
    /// What is wrong with the journal itself: then nothing in it is looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    broken: Option<Fault>,
    vaults: Vec<Replayed>,
}

impl Replay {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
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
            equal: false,
            broken: None,
            vaults: Vec::new(),
        };
        match journal.verify().await.wrap_err("the journal cannot be verified")? {
            Err(Broken { seq, what, .. }) => {
                printed.broken = Some(Fault::Journal { seq, what });
                return Ok(printed);
            }
            Ok(Verified { records, hash }) => {
                (printed.records, printed.records_hash) = (records.to_string(), Some(hash));
            }
        }
        printed.vaults = self.replayed(view, journal).await?;
        printed.equal = printed.vaults.iter().all(Replayed::is_equal);
        Ok(printed)
    }

    async fn replayed(&self, view: &View, journal: &Journal) -> Result<Vec<Replayed>, Failure> {
        let part = self.part(view, journal).await?;
        let bar = bar(0);
        let watch = || bar.inc(1);
        let urls: Vec<_> = view.urls.iter().map(|url| url.expose()).collect();
        let anvil = (!self.no_execution).then_some(Anvil { program: &self.anvil, urls: &urls });
        let mut replayed = Vec::new();
        for subject in &view.subjects {
            let replay = crate::replay::Replay::new(&view.source, journal, subject, anvil);
            let done = replay.beside(&view.beside).run(&part, &watch).await;
            replayed.push(done.wrap_err_with(|| format!("vault {}", subject.name))?);
        }
        bar.finish_and_clear();
        Ok(replayed)
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
