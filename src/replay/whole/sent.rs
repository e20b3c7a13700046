//! What was sent, by the journal and by the chain.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use alloy::primitives::B256;
use eyre::{Result, WrapErr};

use super::super::audit::asked_otherwise;
use super::super::execution::{Anvil, execute, explain};
use super::super::fault::Fault;
use super::super::outcome::{Settled, ended, settled, unknown};
use super::super::replayed::Place;
use super::super::{Recomputed, recompute};
use super::{Replay, one};
use crate::chain::Receipt;
use crate::journal::IntentEntry;

impl Replay<'_> {
    /// What was sent: how it ended, and the same again on a fork, which takes its time and is a stretch of its own; at the end
    /// what the chain holds beside it.
    pub(super) async fn intents(
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

    pub(super) async fn intent(&mut self, intent: &IntentEntry) -> Result<()> {
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
        let recorded = intent.record.deadline;
        let other = again.plan.as_ref().map(|plan| plan.deadline).filter(|decided| *decided != recorded);
        let deadline =
            || other.map(|decided| format!("its deadline is {recorded} in the journal, decided {decided}"));
        asked_otherwise(again, &intent.record.calldata).or_else(deadline).map(asked)
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
}

/// An intent by each of its transactions.
fn attempts(intent: &IntentEntry) -> Vec<(B256, IntentEntry)> {
    intent.attempts.iter().map(|attempt| (attempt.hash, intent.clone())).collect()
}
