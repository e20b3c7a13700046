//! Why a keeper missed what its policy wanted, by its own journal.
//!
//! What is missed needs no journal to be found; why it was needs one, and rests on its word.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::{Range, RangeInclusive};

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
    /// The keeper that ran did not keep the vault.
    NotKept,
    /// The keeper that was to start held not its key: another process did, at its last start before the block.
    LeaseLost,
    /// The journal ends before the block: no keeper ran any more, or the one that did heard of no block.
    Silent,
    /// No endpoint told of the block in time, or they disagreed, or the facts could not be read.
    Endpoint,
    /// The keeper ran, and the block passed between two of its looks for a head, none of which failed.
    Passed,
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

/// Heights of which the journal's records are held at once.
const WINDOW: u64 = 8_192;

/// Why nothing was done at the blocks of an episode, the most frequent first.
///
/// # Errors
/// A journal that cannot be read.
pub async fn causes(journal: &Journal, key: (u64, Address), episode: &Episode) -> Result<Vec<Caused>> {
    if !was_kept(journal, key).await? {
        let blocks = episode.to.saturating_sub(episode.from).saturating_add(1);
        return Ok(vec![Caused { cause: Cause::NotKept, blocks }]);
    }
    let before = last_before(journal, key, episode.from).await?;
    let mut tally = Tally::new(episode, runs(journal).await?, before);
    let mut from = episode.from;
    while from <= episode.to {
        let to = episode.to.min(from.saturating_add(WINDOW).saturating_sub(1));
        for (height, known) in heights(journal, key, from..=to).await? {
            tally.take(height, known);
        }
        from = to.saturating_add(1);
    }
    Ok(tally.causes(following(journal, key, episode.to).await?))
}

/// Whether a process that wrote the journal ever kept the vault.
async fn was_kept(journal: &Journal, (chain_id, vault): (u64, Address)) -> Result<bool> {
    let mut after = 0;
    loop {
        let page = journal.rosters(chain_id, after).await.wrap_err("the journal")?;
        let Some(last) = page.last() else { break };
        after = last.roster.id();
        if page.iter().any(|entry| entry.roster.vaults().contains(&vault)) {
            return Ok(true);
        }
    }
    // An earlier version recorded no rosters.
    Ok(!journal.full_records((chain_id, vault), 0).await.wrap_err("the journal")?.is_empty())
}

/// The last record of a block below this height.
async fn last_before(journal: &Journal, key: (u64, Address), height: u64) -> Result<Option<Last>> {
    let Some(block) = journal.block_below(key.0, height).await.wrap_err("the journal")? else {
        return Ok(None);
    };
    let known = heights(journal, key, block.number..=block.number).await?;
    Ok(known.into_values().next().map(|known| known.last))
}

/// The record of the lowest block above a height, however far it is.
async fn following(
    journal: &Journal,
    (chain_id, vault): (u64, Address),
    height: u64,
) -> Result<Option<Last>> {
    let above = height.saturating_add(1)..=u64::MAX;
    let mut last = None;
    loop {
        let page = journal
            .blocks(chain_id, above.clone(), last.as_ref().map(BlockEntry::place))
            .await
            .wrap_err("the journal")?;
        if let Some(block) = page.iter().find(|block| !block.orphaned) {
            let kept = keeps(journal, block.roster, vault).await?;
            return Ok(Some(Last::of(block, vault, kept)));
        }
        let Some(newest) = page.into_iter().next_back() else { return Ok(None) };
        last = Some(newest);
    }
}

/// The record that nothing follows for some heights.
#[derive(Debug, Clone, Copy)]
struct Last {
    /// Its number in the ledger.
    seq: i64,
    /// Whether its process kept the vault.
    kept: bool,
    /// Whether its process did not start, because another held the vault's key.
    refused: bool,
    /// Whether no endpoint told of the blocks down to the record before it.
    unheard: bool,
}

impl Last {
    fn of(block: &BlockEntry, vault: Address, kept: bool) -> Self {
        let absence = block.absences.of(vault);
        Self {
            seq: block.seq,
            kept,
            refused: kept && absence == Some(Absence::KeyHeld),
            unheard: absence == Some(Absence::Unheard),
        }
    }

    /// The record of a cycle whose block has none.
    const fn of_cycle(seq: i64) -> Self {
        Self { seq, kept: true, refused: false, unheard: false }
    }
}

/// What the journal has of a height.
#[derive(Debug, Clone)]
struct Known {
    last: Last,
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
    let (mut last, mut rosters) = (None, BTreeMap::new());
    loop {
        let page = journal
            .blocks(chain_id, range.clone(), last.as_ref().map(BlockEntry::place))
            .await
            .wrap_err("the journal")?;
        for block in page.iter().filter(|block| !block.orphaned) {
            let kept = match rosters.entry(block.roster) {
                Entry::Occupied(kept) => *kept.get(),
                Entry::Vacant(place) => *place.insert(keeps(journal, block.roster, vault).await?),
            };
            let cause = if kept { of_block(block, vault) } else { Cause::NotKept };
            let last = Last::of(block, vault, kept);
            match heights.entry(block.number) {
                // What an earlier process did at the block stands; that a later one did not is true of what follows.
                Entry::Occupied(mut known) if last.refused || !kept => known.get_mut().last = last,
                Entry::Occupied(mut known) => *known.get_mut() = Known { last, cause },
                Entry::Vacant(place) => drop(place.insert(Known { last, cause })),
            }
        }
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
                    place.insert(Known { last: Last::of_cycle(seq), cause });
                }
            }
        }
    }
}

/// Whether the vault is of the roster of this number.
async fn keeps(journal: &Journal, roster: i64, vault: Address) -> Result<bool> {
    let roster = journal.roster(roster).await.wrap_err("the journal")?;
    Ok(roster.is_some_and(|entry| entry.roster.vaults().contains(&vault)))
}

/// Counts the blocks of an episode by their causes, along the heights of which there is a record. Pure.
struct Tally {
    /// The next block that is not counted, and the last one.
    left: (u64, u64),
    /// Numbers in the ledger of the processes that began.
    runs: Vec<i64>,
    /// The last record.
    before: Option<Last>,
    counted: BTreeMap<Cause, u64>,
}

impl Tally {
    /// `before` is the last record before the episode.
    fn new(episode: &Episode, runs: Vec<RunEntry>, before: Option<Last>) -> Self {
        let runs = runs.into_iter().map(|run| run.seq).collect();
        Self { left: (episode.from, episode.to), runs, before, counted: BTreeMap::new() }
    }

    /// Whether every block of the episode is counted.
    const fn is_done(&self) -> bool {
        self.left.0 > self.left.1
    }

    /// Takes the next height of which there is a record in.
    fn take(&mut self, height: u64, known: Known) {
        if let Some(end) = height.checked_sub(1).filter(|end| *end >= self.left.0) {
            self.count(self.unseen(known.last), end);
        }
        self.count(known.cause, height);
        self.before = Some(known.last);
    }

    /// Counts the blocks up to `end`.
    fn count(&mut self, cause: Cause, end: u64) {
        let following = end.saturating_add(1);
        let count = self.counted.entry(cause).or_default();
        *count = count.saturating_add(following.saturating_sub(self.left.0));
        self.left.0 = following;
    }

    /// Why there is no record between the last one and `after`: a process that began between them was not there before; one that
    /// went on over it heard nothing, or had no reason to. After a start that was refused nobody was there until the next one; where
    /// more than one followed, nothing says when that was.
    fn unseen(&self, after: Last) -> Cause {
        let Some(before) = self.before else { return Cause::Stopped };
        match (before.refused, self.begun(before.seq..after.seq)) {
            (true, 0 | 1) => Cause::LeaseLost,
            (true, _) | (false, 1..) => Cause::Stopped,
            (false, 0) if !before.kept => Cause::NotKept,
            (false, 0) if after.unheard => Cause::Endpoint,
            (false, 0) => Cause::Passed,
        }
    }

    /// How many processes began at these places of the ledger.
    fn begun(&self, places: Range<i64>) -> usize {
        self.runs.iter().filter(|run| places.contains(run)).count()
    }

    /// Why there is no record after the last one, with which the journal ends, or a process that began and recorded none.
    fn ended(&self) -> Cause {
        match self.before {
            Some(last) if last.refused && self.begun(last.seq..i64::MAX) == 0 => Cause::LeaseLost,
            Some(_) | None => Cause::Silent,
        }
    }

    /// The causes, the most frequent first, where this is the first record after the episode.
    fn causes(mut self, after: Option<Last>) -> Vec<Caused> {
        if !self.is_done() {
            let cause = after.map_or_else(|| self.ended(), |after| self.unseen(after));
            self.count(cause, self.left.1);
        }
        let counted = self.counted.into_iter().map(|(cause, blocks)| Caused { cause, blocks });
        let mut causes: Vec<_> = counted.collect();
        causes.sort_by_key(|caused| Reverse(caused.blocks));
        causes
    }
}

fn of_block(block: &BlockEntry, vault: Address) -> Cause {
    match block.absences.of(vault) {
        Some(Absence::NoVerdict | Absence::Unheard | Absence::Unread) => Cause::Endpoint,
        Some(Absence::GivenUp) => Cause::GivenUp,
        Some(Absence::Failed) => Cause::Unknown,
        Some(Absence::KeyHeld) => Cause::LeaseLost,
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
        (Some("failed"), Some("key")) => Cause::Key,
        (Some("failed"), Some("node")) => Cause::Endpoint,
        (Some("dry_run"), _) => Cause::DryRun,
        // A cycle that sent is recorded together with its signed bytes, and tells no dispatch.
        (Some("in_flight" | "sent" | "withdrawn") | None, _) => Cause::InFlight,
        (Some(_), _) => Cause::Unknown,
    }
}
