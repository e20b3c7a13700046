//! Why a keeper missed what its policy wanted, by its own journal.
//!
//! What is missed needs no journal to be found; why it was needs one, and rests on its word.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::RangeInclusive;

use alloy::primitives::Address;
use eyre::{Result, WrapErr};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::record::runs;
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

/// Blocks before and after an episode in which it is looked for whether the keeper ran.
const AROUND: u64 = 1_000;

/// Heights of which the journal's records are held at once.
const WINDOW: u64 = 8_192;

/// Why nothing was done at the blocks of an episode, the most frequent first.
///
/// # Errors
/// A journal that cannot be read.
pub async fn causes(journal: &Journal, key: (u64, Address), episode: &Episode) -> Result<Vec<Caused>> {
    let mut tally = Tally::new(episode, runs(journal).await?);
    let last = episode.to.saturating_add(AROUND);
    let mut from = episode.from.saturating_sub(AROUND);
    while from <= last && !tally.is_done() {
        let to = last.min(from.saturating_add(WINDOW).saturating_sub(1));
        for (height, known) in heights(journal, key, from..=to).await? {
            tally.take(height, known);
        }
        from = to.saturating_add(1);
    }
    Ok(tally.causes())
}

/// What the journal has of a height.
#[derive(Debug, Clone)]
struct Known {
    /// Number of the record in the ledger.
    seq: i64,
    /// Why nothing was done, by the record.
    cause: Cause,
}

/// What the journal has of some heights, by height; what left the chain is left out.
async fn heights(
    journal: &Journal,
    (chain_id, vault): (u64, Address),
    range: RangeInclusive<u64>,
) -> Result<BTreeMap<u64, Known>> {
    let mut heights: BTreeMap<u64, Known> = BTreeMap::new();
    let mut last = None;
    loop {
        let page = journal.blocks(chain_id, range.clone(), last.as_ref()).await.wrap_err("the journal")?;
        let known = page.iter().filter(|block| !block.orphaned);
        heights.extend(known.map(|block| {
            let cause = of_block(block, vault);
            (block.number, Known { seq: block.seq, cause })
        }));
        let Some(newest) = page.into_iter().next_back() else { break };
        last = Some(newest);
    }
    let mut after = 0;
    loop {
        let page = journal.cycles((chain_id, vault), range.clone(), after).await.wrap_err("the journal")?;
        let Some(newest) = page.last() else { return Ok(heights) };
        after = newest.id;
        for cycle in page.iter().filter(|cycle| !cycle.orphaned) {
            let (seq, cause) = (cycle.seq, of_cycle(cycle));
            // A full record says more than that of the whole block.
            match heights.entry(cycle.record.block_number) {
                Entry::Occupied(mut known) => known.get_mut().cause = cause,
                Entry::Vacant(place) => {
                    place.insert(Known { seq, cause });
                }
            }
        }
    }
}

/// Counts the blocks of an episode by their causes, along the heights of which there is a record. Pure.
struct Tally {
    /// The next block that is not counted, and the last one.
    left: (u64, u64),
    /// Numbers in the ledger of the processes that began.
    runs: Vec<i64>,
    /// Number in the ledger of the last record.
    before: Option<i64>,
    counted: BTreeMap<Cause, u64>,
}

impl Tally {
    fn new(episode: &Episode, runs: Vec<RunEntry>) -> Self {
        let runs = runs.into_iter().map(|run| run.seq).collect();
        Self { left: (episode.from, episode.to), runs, before: None, counted: BTreeMap::new() }
    }

    /// Whether every block of the episode is counted.
    const fn is_done(&self) -> bool {
        self.left.0 > self.left.1
    }

    /// Takes the next height of which there is a record in.
    fn take(&mut self, height: u64, known: Known) {
        let (next, last) = self.left;
        if let Some(end) = height.checked_sub(1).filter(|end| *end >= next) {
            self.count(self.unseen(known.seq), end.min(last));
        }
        if height >= next && !self.is_done() {
            self.count(known.cause, height);
        }
        self.before = Some(known.seq);
    }

    /// Counts the blocks up to `end`.
    fn count(&mut self, cause: Cause, end: u64) {
        let following = end.saturating_add(1);
        let count = self.counted.entry(cause).or_default();
        *count = count.saturating_add(following.saturating_sub(self.left.0));
        self.left.0 = following;
    }

    /// Why there is no record between the last one and that of number `after`: a process that began between them was not there
    /// before; one that went on over it heard nothing.
    fn unseen(&self, after: i64) -> Cause {
        let Some(before) = self.before else { return Cause::Stopped };
        let begun = self.runs.iter().any(|run| (before..after).contains(run));
        if begun { Cause::Stopped } else { Cause::Endpoint }
    }

    /// The causes, the most frequent first; no process was there after the last record.
    fn causes(mut self) -> Vec<Caused> {
        if !self.is_done() {
            self.count(Cause::Stopped, self.left.1);
        }
        let counted = self.counted.into_iter().map(|(cause, blocks)| Caused { cause, blocks });
        let mut causes: Vec<_> = counted.collect();
        causes.sort_by_key(|caused| Reverse(caused.blocks));
        causes
    }
}

fn of_block(block: &BlockEntry, vault: Address) -> Cause {
    match block.absences.of(vault) {
        Some(Absence::NoVerdict | Absence::Unread) => Cause::Endpoint,
        Some(Absence::GivenUp) => Cause::GivenUp,
        Some(Absence::Failed) => Cause::Unknown,
        // A leaf alone: what it decided was nothing new, and not to trade.
        None => Cause::DecidedOtherwise,
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
