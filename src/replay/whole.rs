//! A journal from its beginning to its end, or a part of it.

mod sent;

use std::ops::RangeInclusive;

use alloy::primitives::{Address, B256};
use eyre::{Result, WrapErr, eyre};
use serde::{Deserialize, Serialize};

use super::execution::Anvil;
use super::fault::Fault;
use super::record::{Held, Records, Tally, on_chain};
use super::replayed::{Place, Progress, Replayed};
use super::subtree::Beside;
use super::{Source, Subject};
use crate::journal::{Absence, BlockEntry, CycleEntry, Journal};

/// Which records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// Those about blocks of these heights.
    Heights(RangeInclusive<u64>),
    /// The decision of this hash.
    Decision(B256),
}

/// Replays the records of one vault.
#[derive(Debug)]
pub struct Replay<'a> {
    source: &'a Source,
    journal: &'a Journal,
    subject: &'a Subject,
    beside: Option<&'a Beside>,
    /// How transactions are executed again; absent where they are not.
    anvil: Option<Anvil<'a>>,
    records: Option<Records<'a>>,
    /// Number in the ledger of the last record of a decision or a block that is looked at.
    last: i64,
    progress: Progress,
}

impl<'a> Replay<'a> {
    /// A replay of what `journal` has of `subject`.
    #[must_use]
    pub fn new(
        source: &'a Source,
        journal: &'a Journal,
        subject: &'a Subject,
        anvil: Option<Anvil<'a>>,
    ) -> Self {
        let progress = Progress::begin(subject.name.clone(), subject.vault);
        Self { source, journal, subject, beside: None, anvil, records: None, last: i64::MAX, progress }
    }

    /// With the policies of the vaults beside it, which a block with more vaults than leaves are kept of takes.
    #[must_use]
    pub fn beside(self, beside: &'a Beside) -> Self {
        Self { beside: Some(beside), ..self }
    }

    /// Of the records of decisions and blocks up to this number of the ledger alone: what is written meanwhile is of another replay.
    #[must_use]
    pub fn up_to(self, last: i64) -> Self {
        Self { last, ..self }
    }

    /// Going on from where another replay of the same came to.
    #[must_use]
    pub fn from(self, progress: Progress) -> Self {
        Self { progress, ..self }
    }

    /// How far it has come.
    #[must_use]
    pub const fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Replays a part of the records; `watch` is told of each record.
    ///
    /// # Errors
    /// A failed read, a decision that is not in the journal.
    pub async fn run(mut self, part: &Part, watch: &(dyn Fn() + Sync)) -> Result<Replayed> {
        while self.stretch(part, watch).await? {}
        Ok(self.progress.replayed)
    }

    /// Goes on for some records; whether there is more.
    ///
    /// # Errors
    /// As [`Self::run`]; then, and where this is dropped before its end, this replay is at its end, and what [`Self::progress`]
    /// said before is where another goes on from.
    pub async fn stretch(&mut self, part: &Part, watch: &(dyn Fn() + Sync)) -> Result<bool> {
        let mut records = match self.records.take() {
            Some(records) => records,
            None => Records::of(self.source, self.journal, self.subject, self.beside).await?,
        };
        let next = match (part, self.progress.place) {
            (_, Place::Done) => Place::Done,
            (Part::Decision(hash), _) => {
                self.decision(&mut records, *hash).await?;
                Place::Done
            }
            (Part::Heights(heights), Place::Cycles { after }) => {
                self.cycles(&mut records, (heights, after), watch).await?
            }
            (Part::Heights(heights), Place::Blocks { after }) => {
                self.blocks(&mut records, (heights, after), watch).await?
            }
            (Part::Heights(heights), Place::Intents { after }) => {
                self.intents((heights, after), watch).await?
            }
        };
        (self.progress.place, self.records) = (next, Some(records));
        Ok(next != Place::Done)
    }

    fn key(&self) -> (u64, Address) {
        (self.source.chain_id(), self.subject.vault)
    }

    async fn cycles(
        &mut self,
        records: &mut Records<'a>,
        (heights, after): (&RangeInclusive<u64>, i64),
        watch: &(dyn Fn() + Sync),
    ) -> Result<Place> {
        let page = self.journal.cycles(self.key(), heights.clone(), after).await.wrap_err("the journal")?;
        let Some(last) = page.last() else { return Ok(Place::Blocks { after: None }) };
        let newest = self.last;
        for cycle in page.iter().filter(|cycle| cycle.seq <= newest) {
            self.cycle(records, cycle).await?;
            watch();
        }
        Ok(Place::Cycles { after: last.id })
    }

    async fn cycle(&mut self, records: &mut Records<'a>, cycle: &CycleEntry) -> Result<()> {
        if cycle.orphaned && self.has_left((cycle.record.block_number, cycle.record.block_hash)).await? {
            one(&mut self.progress.replayed.decisions.orphaned);
            return Ok(());
        }
        let held = records.cycle(cycle).await;
        let held =
            held.wrap_err_with(|| format!("record {}, of block {}", cycle.seq, cycle.record.block_number))?;
        let equal = self.noted(held.err().into_iter().collect());
        self.progress.replayed.decisions.count(equal);
        Ok(())
    }

    async fn blocks(
        &mut self,
        records: &mut Records<'a>,
        (heights, after): (&RangeInclusive<u64>, Option<(u64, i64)>),
        watch: &(dyn Fn() + Sync),
    ) -> Result<Place> {
        let page = self.journal.blocks(self.source.chain_id(), heights.clone(), after).await;
        let page = page.wrap_err("the journal")?;
        let Some(last) = page.last() else { return Ok(Place::Intents { after: 0 }) };
        let newest = self.last;
        for block in page.iter().filter(|block| block.seq <= newest) {
            self.progress.count_unrecorded(block.number);
            self.block(records, block).await?;
            watch();
        }
        Ok(Place::Blocks { after: Some(last.place()) })
    }

    async fn block(&mut self, records: &mut Records<'a>, block: &BlockEntry) -> Result<()> {
        if block.orphaned && self.has_left((block.number, block.hash)).await? {
            one(&mut self.progress.replayed.blocks.orphaned);
            return Ok(());
        }
        let held = records.block(block).await;
        let held = held.wrap_err_with(|| format!("record {}, of block {}", block.seq, block.number))?;
        match held {
            Held::WithoutLeaf => {
                one(&mut self.progress.replayed.without_leaf);
                return self.absent(records, block).await;
            }
            Held::NotChecked(missing) => {
                one(&mut self.progress.replayed.not_checked);
                self.progress.replayed.missing.get_or_insert(missing);
            }
            Held::Equal => {
                let fault = self.hidden(records, block).await?;
                let equal = self.noted(fault.into_iter().collect());
                self.progress.replayed.blocks.count(equal);
            }
            Held::Other(fault) => {
                self.noted(vec![fault]);
                self.progress.replayed.blocks.count(false);
            }
        }
        Ok(())
    }

    /// Where a record of a block has no decision on the vault, there is no full record of one; but where the cycle failed on its
    /// way, there may be.
    async fn absent(&mut self, records: &Records<'_>, block: &BlockEntry) -> Result<()> {
        let absence = block.absences.of(self.subject.vault);
        // The endpoints agreed on the block then.
        if matches!(absence, Some(Absence::Unread | Absence::Failed | Absence::GivenUp)) {
            let there = on_chain(self.source, (block.number, block.hash)).await?;
            // A node may have told of a block that never was.
            let other = there.err().filter(|fault| matches!(fault, Fault::OtherBlock { .. }));
            self.noted(other.into_iter().collect());
        }
        let Some(absence) = absence.filter(|absence| *absence != Absence::Failed) else { return Ok(()) };
        if records.last_full(block).await?.is_some_and(|(last, _)| last.here) {
            self.noted(vec![Fault::Absent { block: block.number, absence: absence.name().into() }]);
        }
        Ok(())
    }

    /// A full record that is due and not there: of each decision to trade, of the first one of a process, and where the last full
    /// record says otherwise.
    async fn hidden(&self, records: &mut Records<'_>, block: &BlockEntry) -> Result<Option<Fault>> {
        let Some(stated) = records.stated(block.hash) else { return Ok(None) };
        let last = records.last_full(block).await?;
        let why = match &last {
            Some((last, _)) if last.here => return Ok(None),
            _ if stated.trades => "a trade was decided",
            Some((last, true)) if *last.stated == stated => return Ok(None),
            Some((_, true)) => "it was decided otherwise than before",
            Some((_, false)) | None => "it was the first decision of a process",
        };
        let since = last.map(|(last, _)| last.seq).unwrap_or_default();
        let fault = Fault::NoFullRecord { block: block.number, why: why.into() };
        // Of those that follow alike the first alone had one.
        Ok((stated.trades || records.is_news((since, stated))).then_some(fault))
    }

    /// Whether a block that the journal says has left the chain is not on it: nothing is believed that hides a record.
    async fn has_left(&mut self, (block, recorded): (u64, B256)) -> Result<bool> {
        let there = self.source.header_if_any(block).await?;
        if there.is_none_or(|header| header.hash != recorded) {
            return Ok(true);
        }
        self.noted(vec![Fault::NotOrphaned { block, recorded }]);
        Ok(false)
    }

    async fn decision(&mut self, records: &mut Records<'a>, hash: B256) -> Result<()> {
        let cycle = self.journal.cycle_of(self.subject.vault, hash).await.wrap_err("the journal")?;
        let cycle = cycle
            .ok_or_else(|| eyre!("the journal has no decision {hash} of vault {}", self.subject.name))?;
        self.cycle(records, &cycle).await?;
        let mut after = None;
        loop {
            let page = self.journal.intents_after(self.key(), after).await.wrap_err("the journal")?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id);
            for intent in page.iter().filter(|intent| intent.decision_hash == hash) {
                self.intent(intent).await?;
            }
        }
    }

    /// Takes faults in; whether there are none.
    fn noted(&mut self, faults: Vec<Fault>) -> bool {
        self.progress.replayed.noted(faults)
    }
}

impl Tally {
    fn count(&mut self, equal: bool) {
        one(&mut self.checked);
        if equal {
            one(&mut self.equal);
        }
    }
}

const fn one(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}
