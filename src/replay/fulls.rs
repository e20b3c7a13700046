//! The full records of a vault in the order of their writing: which was the last one when a block was recorded.

use alloy::primitives::{Address, B256};
use eyre::{Result, WrapErr};

use super::Recomputed;
use crate::domain::decision::Verdict;
use crate::journal::{BlockEntry, FullRecord, Journal};

/// What a decision says, as far as a full record is due for it: for each to trade, and where it says otherwise than the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stated {
    pub(super) trades: bool,
    verdict: String,
    reason: String,
    policy_hash: B256,
}

impl Stated {
    /// What this decision says.
    pub(super) fn of(again: &Recomputed) -> Self {
        let verdict = &again.decision.verdict;
        Self {
            trades: matches!(verdict, Verdict::Rebalance { .. }),
            verdict: verdict.name().to_owned(),
            reason: verdict.reason().code(),
            policy_hash: again.policy_hash,
        }
    }

    /// What a full record says.
    pub(super) fn by(record: &FullRecord) -> Self {
        Self {
            trades: record.verdict == "rebalance",
            verdict: record.verdict.clone(),
            reason: record.reason.clone().unwrap_or_default(),
            policy_hash: record.policy_hash,
        }
    }
}

/// The full records of one vault, as far as a keeper looks at them when it decides whether there is to be another one.
#[derive(Debug, Default)]
pub(super) struct Fulls {
    /// Number in the ledger, block, and which of `said`, in the order of the ledger.
    records: Vec<(i64, B256, usize)>,
    /// What they say, each once.
    said: Vec<Stated>,
}

/// The last full record before the record of a block.
pub(super) struct Last<'a> {
    /// Its number in the ledger.
    pub(super) seq: i64,
    /// What it says.
    pub(super) stated: &'a Stated,
    /// Whether it was written at the same sight of the same block.
    pub(super) here: bool,
}

impl Fulls {
    /// Those in `journal` of a vault of a chain.
    ///
    /// # Errors
    /// A journal that cannot be read.
    pub(super) async fn of(journal: &Journal, key: (u64, Address)) -> Result<Self> {
        let (mut fulls, mut after) = (Self::default(), 0);
        loop {
            let page = journal.full_records(key, after).await.wrap_err("the journal")?;
            let Some(last) = page.last() else { return Ok(fulls) };
            after = last.id;
            page.iter().for_each(|record| fulls.push(record));
        }
    }

    fn push(&mut self, record: &FullRecord) {
        let stated = Stated::by(record);
        let known = self.said.iter().position(|said| *said == stated);
        let said = known.unwrap_or(self.said.len());
        if known.is_none() {
            self.said.push(stated);
        }
        self.records.push((record.seq, record.block_hash, said));
    }

    /// The last one when `block` was recorded; `None` where there was none.
    ///
    /// # Errors
    /// A journal that cannot be read.
    pub(super) async fn before(&self, journal: &Journal, block: &BlockEntry) -> Result<Option<Last<'_>>> {
        let count = self.records.partition_point(|(seq, ..)| *seq < block.seq);
        let last = count.checked_sub(1).and_then(|last| self.records.get(last));
        let Some((seq, hash, said)) = last else { return Ok(None) };
        let Some(stated) = self.said.get(*said) else { return Ok(None) };
        // Of the same block there may be one from when it was seen before.
        let here = *hash == block.hash
            && !journal.looked_between(block.chain_id, (*seq, block.seq)).await.wrap_err("the journal")?;
        Ok(Some(Last { seq: *seq, stated, here }))
    }
}
