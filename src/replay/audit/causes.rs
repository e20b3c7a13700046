//! Why a keeper missed what its policy wanted, by its own journal.
//!
//! What is missed needs no journal to be found; why it was needs one, and rests on its word.

use std::collections::BTreeMap;

use alloy::primitives::Address;
use eyre::{Result, WrapErr};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Episode;
use crate::journal::{Absence, BlockEntry, CycleEntry, Journal, RunEntry};

/// Why nothing was done at a block.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum Cause {
    /// No keeper ran.
    Stopped,
    /// No endpoint told of the block, or they disagreed, or the facts could not be read.
    Endpoint,
    /// The vault was given up until the next start.
    GivenUp,
    /// The sender's caps on gas left less than the next block cost.
    GasCap,
    /// An earlier transaction was under way, or the one of this decision was sent and not mined.
    InFlight,
    /// The key was halted, or could not sign.
    Key,
    /// It was refused before anything was signed.
    Refused {
        /// Stable name of the reason.
        code: String,
    },
    /// Nothing is ever sent in a dry run.
    DryRun,
    /// The keeper decided otherwise.
    DecidedOtherwise,
    /// The journal does not say.
    Unknown,
}

/// A cause and at how many blocks it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caused {
    /// The cause.
    #[serde(flatten)]
    pub cause: Cause,
    /// Blocks.
    pub blocks: u64,
}

/// Why nothing was done at the blocks of an episode, the most frequent first.
///
/// # Errors
/// A journal that cannot be read.
pub async fn causes(journal: &Journal, key: (u64, Address), episode: &Episode) -> Result<Vec<Caused>> {
    let runs = runs(journal).await?;
    let heights = heights(journal, key, episode).await?;
    let mut counted: BTreeMap<Cause, u64> = BTreeMap::new();
    for height in episode.from..=episode.to {
        let cause = match heights.get(&height) {
            Some(known) => known.cause(key.1),
            None => unseen(&heights, &runs, height),
        };
        let count = counted.entry(cause).or_default();
        *count = count.saturating_add(1);
    }
    let mut causes: Vec<_> = counted.into_iter().map(|(cause, blocks)| Caused { cause, blocks }).collect();
    causes.sort_by_key(|caused| std::cmp::Reverse(caused.blocks));
    Ok(causes)
}

/// What the journal has of a height.
#[derive(Debug, Default)]
struct Known {
    block: Option<BlockEntry>,
    cycle: Option<CycleEntry>,
}

/// What the journal has of the heights of an episode and around it, by height; what left the chain is left out.
async fn heights(
    journal: &Journal,
    (chain_id, vault): (u64, Address),
    episode: &Episode,
) -> Result<BTreeMap<u64, Known>> {
    /// Blocks around it in which it is looked for whether the keeper ran.
    const AROUND: u64 = 1_000;
    let range = episode.from.saturating_sub(AROUND)..=episode.to.saturating_add(AROUND);
    let mut heights: BTreeMap<u64, Known> = BTreeMap::new();
    let mut last = None;
    loop {
        let page = journal.blocks(chain_id, range.clone(), last.as_ref()).await.wrap_err("the journal")?;
        let Some(newest) = page.last().cloned() else { break };
        last = Some(newest);
        for block in page.into_iter().filter(|block| !block.orphaned) {
            let number = block.number;
            heights.entry(number).or_default().block = Some(block);
        }
    }
    let mut after = 0;
    loop {
        let page = journal.cycles((chain_id, vault), range.clone(), after).await.wrap_err("the journal")?;
        let Some(newest) = page.last() else { return Ok(heights) };
        after = newest.id;
        for cycle in page.into_iter().filter(|cycle| !cycle.orphaned) {
            let number = cycle.record.block_number;
            heights.entry(number).or_default().cycle = Some(cycle);
        }
    }
}

async fn runs(journal: &Journal) -> Result<Vec<RunEntry>> {
    let mut runs: Vec<RunEntry> = Vec::new();
    loop {
        let page = journal.runs(runs.last().map_or(0, |run| run.id)).await.wrap_err("the journal")?;
        if page.is_empty() {
            return Ok(runs);
        }
        runs.extend(page);
    }
}

/// Why there is no record of a height: a process that began between the records around it was not there before; one that
/// went on over it heard nothing.
fn unseen(heights: &BTreeMap<u64, Known>, runs: &[RunEntry], height: u64) -> Cause {
    let before = heights.range(..height).next_back().and_then(|(_, known)| known.seq());
    let after = heights.range(height..).find_map(|(_, known)| known.seq());
    let Some(after) = after else { return Cause::Stopped };
    let begun = runs.iter().any(|run| run.seq < after && before.is_none_or(|before| run.seq > before));
    if begun || before.is_none() { Cause::Stopped } else { Cause::Endpoint }
}

impl Known {
    fn seq(&self) -> Option<i64> {
        self.block.as_ref().map(|block| block.seq).or_else(|| self.cycle.as_ref().map(|cycle| cycle.seq))
    }

    fn cause(&self, vault: Address) -> Cause {
        if let Some(cycle) = &self.cycle {
            return of_cycle(cycle);
        }
        match self.block.as_ref().and_then(|block| block.absences.of(vault)) {
            Some(Absence::NoVerdict | Absence::Unread) => Cause::Endpoint,
            Some(Absence::GivenUp) => Cause::GivenUp,
            Some(Absence::Failed) => Cause::Unknown,
            // A leaf alone: what it decided was nothing new, and not to trade.
            None => Cause::DecidedOtherwise,
        }
    }
}

fn of_cycle(cycle: &CycleEntry) -> Cause {
    if cycle.record.verdict != "rebalance" {
        return Cause::DecidedOtherwise;
    }
    let dispatch: Option<Value> =
        cycle.record.dispatch.as_ref().and_then(|text| serde_json::from_str(text).ok());
    let field = |name: &str| dispatch.as_ref().and_then(|value| value.get(name)?.as_str());
    match (field("dispatch"), field("code")) {
        (Some("refused"), Some("fee_over_cap")) => Cause::GasCap,
        (Some("refused"), code) => Cause::Refused { code: code.unwrap_or_default().to_owned() },
        (Some("failed"), _) if field("message").is_some_and(|message| message.contains("halted")) => {
            Cause::Key
        }
        (Some("failed"), _) => Cause::Endpoint,
        (Some("dry_run"), _) => Cause::DryRun,
        // A cycle that sent is recorded together with its signed bytes, and tells no dispatch.
        (Some("in_flight" | "sent" | "withdrawn") | None, _) => Cause::InFlight,
        (Some(_), _) => Cause::Unknown,
    }
}
