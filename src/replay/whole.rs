//! A journal from its beginning to its end, or a part of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use alloy::primitives::{Address, B256};
use eyre::{Result, WrapErr, eyre};
use serde::{Deserialize, Serialize};

use super::audit::asked_otherwise;
use super::execution::{Anvil, execute, explain};
use super::fault::Fault;
use super::outcome::{Settled, ended, settled, unknown};
use super::record::{Held, Records, Tally, on_chain};
use super::replayed::{Place, Progress, Replayed};
use super::subtree::Beside;
use super::{Recomputed, Source, Subject, recompute};
use crate::chain::Receipt;
use crate::journal::{Absence, BlockEntry, CycleEntry, IntentEntry, Journal};

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
            self.noted(there.err().into_iter().collect());
        }
        let Some(absence) = absence.filter(|absence| *absence != Absence::Failed) else { return Ok(()) };
        if records.last_full(block).await?.is_some_and(|(last, _)| last.here) {
            self.noted(vec![Fault::Absent { block: block.number, absence: absence.name().into() }]);
        }
        Ok(())
    }

    /// A full record that is due and not there: of each decision to trade, of the first one of a process, and where the last full
    /// record says otherwise.
    async fn hidden(&self, records: &Records<'_>, block: &BlockEntry) -> Result<Option<Fault>> {
        let Some(stated) = records.stated(block.hash) else { return Ok(None) };
        let why = match records.last_full(block).await? {
            Some((last, _)) if last.here => return Ok(None),
            _ if stated.trades => "a trade was decided",
            Some((last, true)) if *last.stated == stated => return Ok(None),
            Some((_, true)) => "it was decided otherwise than before",
            Some((_, false)) | None => "it was the first decision of a process",
        };
        Ok(Some(Fault::NoFullRecord { block: block.number, why: why.into() }))
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

    /// What was sent: how it ended, and the same again on a fork, which takes its time and is a stretch of its own; at the end
    /// what the chain holds beside it.
    async fn intents(
        &mut self,
        (heights, after): (&RangeInclusive<u64>, i64),
        watch: &(dyn Fn() + Sync),
    ) -> Result<Place> {
        let page =
            self.journal.intents_after(self.key(), Some(after.into())).await.wrap_err("the journal")?;
        let due = |intent: &IntentEntry| heights.contains(&intent.decision_block);
        let first = page.iter().position(due).filter(|_| self.anvil.is_some());
        let end = first.map_or(page.len(), |at| at.saturating_add(1));
        let Some(last) = page.iter().take(end).next_back() else {
            self.strangers(heights).await?;
            return Ok(Place::Done);
        };
        for intent in page.iter().take(end).filter(|intent| due(intent)) {
            self.intent(intent).await?;
            watch();
        }
        Ok(Place::Intents { after: last.id.into() })
    }

    /// What the chain holds beside what the journal knows of.
    async fn strangers(&mut self, heights: &RangeInclusive<u64>) -> Result<()> {
        let (mut after, mut known, mut unmined) = (None, BTreeSet::new(), BTreeMap::new());
        loop {
            let page = self.journal.intents_after(self.key(), after).await.wrap_err("the journal")?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            known.extend(page.iter().flat_map(|intent| &intent.attempts).map(|attempt| attempt.hash));
            let without = page
                .into_iter()
                .filter(|intent| intent.last_event.state.is_final() && ended(intent).is_none());
            unmined.extend(without.flat_map(|intent| attempts(&intent)));
        }
        let newest = self.source.height().await?;
        let last = newest.min(*heights.end());
        if *heights.start() <= last {
            let range = (*heights.start(), last);
            let strange = unknown(self.source, self.subject, range, (&known, &unmined)).await?;
            self.noted(strange);
        }
        Ok(())
    }

    async fn intent(&mut self, intent: &IntentEntry) -> Result<()> {
        let held = settled(self.source, self.subject, intent).await;
        let held = held.wrap_err_with(|| format!("intent {}", intent.id))?;
        let (transaction, receipt, mut faults) = match held {
            Settled::With(transaction, receipt, faults) => (transaction, receipt, faults),
            Settled::Open => {
                one(&mut self.progress.replayed.open);
                return Ok(());
            }
            Settled::Without => return Ok(()),
        };
        let reverted = receipt.as_ref().is_some_and(|receipt| !receipt.success);
        // The vault takes none that was decided on a block of another branch, and what was decided there cannot be read again.
        if reverted && faults.is_empty() && self.decision_left(intent).await? {
            one(&mut self.progress.replayed.actions.orphaned);
            return Ok(());
        }
        let recomputed = self.decided(intent).await.wrap_err_with(|| format!("intent {}", intent.id))?;
        faults.extend(self.asked((transaction, intent), recomputed.as_ref()));
        let equal = self.noted(faults);
        self.progress.replayed.actions.count(equal);
        match (recomputed, receipt, self.anvil) {
            (Some(recomputed), Some(receipt), Some(anvil)) => {
                self.executed(&recomputed, &receipt, anvil).await
            }
            _ => Ok(()),
        }
    }

    /// What the call of an intent asks otherwise than was decided.
    fn asked(
        &self,
        (transaction, intent): (B256, &IntentEntry),
        again: Option<&Recomputed>,
    ) -> Option<Fault> {
        let asked = |what| Fault::Asked { transaction, what };
        let Some(again) = again else {
            return Some(asked("its decision is of a height at which the chain has no block".to_owned()));
        };
        let (block, stored) = (intent.decision_block, again.snapshot.vault.policy_hash);
        if !self.subject.policies.iter().any(|policy| policy.hash() == stored) {
            return Some(Fault::UnknownPolicy { block, recorded: stored });
        }
        asked_otherwise(again, &intent.record.calldata).map(asked)
    }

    /// Whether the block that an intent was decided on has left the chain, by the journal and by the chain itself.
    async fn decision_left(&self, intent: &IntentEntry) -> Result<bool> {
        let cycle = self.journal.cycle_of(self.subject.vault, intent.decision_hash).await;
        let Some(cycle) = cycle.wrap_err("the journal")?.filter(|cycle| cycle.orphaned) else {
            return Ok(false);
        };
        let there = self.source.header_if_any(cycle.record.block_number).await?;
        Ok(there.is_none_or(|header| header.hash != cycle.record.block_hash))
    }

    /// The decision that an intent says it carries out, taken again; `None` where the chain does not have its block.
    async fn decided(&self, intent: &IntentEntry) -> Result<Option<Recomputed>> {
        let Some(header) = self.source.header_if_any(intent.decision_block).await? else { return Ok(None) };
        recompute(self.source, &header, self.subject).await.map(Some)
    }

    async fn executed(&mut self, decided: &Recomputed, receipt: &Receipt, anvil: Anvil<'_>) -> Result<()> {
        let transaction = receipt.transaction_hash;
        let about = || format!("transaction {transaction}, executed again");
        let mut executed = execute(self.source, anvil, self.subject, receipt).await.wrap_err_with(about)?;
        executed.explained =
            explain(self.source, self.subject, decided, receipt).await.wrap_err_with(about)?;
        let fault = |what: &String| Fault::Execution { transaction, what: what.clone() };
        self.noted(executed.differences.iter().map(fault).collect());
        self.progress.replayed.executed.push(executed);
        Ok(())
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

/// An intent by each of its transactions.
fn attempts(intent: &IntentEntry) -> Vec<(B256, IntentEntry)> {
    intent.attempts.iter().map(|attempt| (attempt.hash, intent.clone())).collect()
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
