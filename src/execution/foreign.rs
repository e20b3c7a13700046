//! Whether someone else has consumed the nonce of an intent: judged slowly, because the verdict halts the key.

use alloy::primitives::B256;

use super::{Engine, ExecutionError, Finality, Halt};
use crate::chain::{At, Block, ChainError, Header};
use crate::journal::{EventRecord, IntentEntry, IntentId, IntentState};

/// The first of two observations that a nonce is consumed while no own transaction is seen: the intent, and the head
/// at which it was made.
#[derive(Debug, Default)]
pub(super) struct Consumption(Option<(IntentId, B256)>);

impl Engine {
    /// Looks for proof that the nonce of `entry`, none of whose transactions is seen mined, was consumed by another:
    /// consumed at final depth, seen so at two different heads, and the consuming block holds none of our hashes. A
    /// node whose receipts lag behind its state can therefore not cause the verdict.
    pub(super) async fn check_foreign(
        &self,
        entry: &IntentEntry,
        head: &Header,
        consumption: &mut Consumption,
    ) -> Result<(), ExecutionError> {
        let Some(deep) = self.final_header(head).await? else { return Ok(()) };
        let nonce = entry.record.nonce;
        if self.endpoint.transaction_count(self.sender(), At::Hash(deep.hash)).await? <= nonce {
            consumption.0 = None;
            return Ok(());
        }
        let first = consumption.0.filter(|(id, seen_at)| *id == entry.id && *seen_at != head.hash);
        if first.is_none() {
            consumption.0 = Some((entry.id, head.hash));
            return Ok(());
        }
        let Some(block) = self.consuming_block(entry, &deep).await? else { return Ok(()) };
        if entry.attempts.iter().any(|attempt| block.transactions.contains(&attempt.hash)) {
            return Ok(());
        }
        let foreign = EventRecord {
            state: IntentState::Foreign,
            detail: serde_json::json!({ "consumed_in_block": block.header.number.to_string() }),
            block_hash: Some(block.header.hash),
            fee: None,
        };
        self.journal.append_event(entry.id, &foreign).await?;
        Err(self.foreign(entry).into())
    }

    /// A foreign nonce stays a halt, also after a restart.
    pub(super) fn halt_if_foreign(&self, entry: &IntentEntry) -> Result<(), Halt> {
        if entry.last_event.state == IntentState::Foreign { Err(self.foreign(entry)) } else { Ok(()) }
    }

    /// The newest header that counts as final; `None` on a chain that is shorter than the depth asked for, or whose
    /// node tells no finalized block: then nothing is final.
    pub(super) async fn final_header(&self, head: &Header) -> Result<Option<Header>, ChainError> {
        match self.config.finality {
            Finality::Finalized => Ok(self.endpoint.finalized_header().await.ok()),
            Finality::Depth(depth) => match head.number.checked_sub(depth) {
                Some(number) => self.endpoint.header_by_number(number).await,
                None => Ok(None),
            },
        }
    }

    fn foreign(&self, entry: &IntentEntry) -> Halt {
        Halt::ForeignNonce { sender: self.sender(), nonce: entry.record.nonce, intent: entry.id }
    }

    /// The block that consumed the nonce, by bisection between the block of the decision and `deep`. `None` where
    /// the chain does not show that it was consumed between the two.
    async fn consuming_block(&self, entry: &IntentEntry, deep: &Header) -> Result<Option<Block>, ChainError> {
        let (mut before, mut after) = (entry.decision_block, deep.number);
        if before >= after || self.consumed_at(before, entry).await? != Some(false) {
            return Ok(None);
        }
        while let Some(middle) = middle(before, after) {
            match self.consumed_at(middle, entry).await? {
                Some(true) => after = middle,
                Some(false) => before = middle,
                None => return Ok(None),
            }
        }
        self.endpoint.block_by_number(after).await
    }

    /// Whether the nonce is consumed after the canonical block at this height; `None` if there is none.
    async fn consumed_at(&self, number: u64, entry: &IntentEntry) -> Result<Option<bool>, ChainError> {
        let Some(header) = self.endpoint.header_by_number(number).await? else { return Ok(None) };
        let count = self.endpoint.transaction_count(self.sender(), At::Hash(header.hash)).await?;
        Ok(Some(count > entry.record.nonce))
    }
}

/// A height strictly between the two, if there is one.
fn middle(before: u64, after: u64) -> Option<u64> {
    let half = after.checked_sub(before)?.checked_div(2)?;
    if half == 0 { None } else { before.checked_add(half) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_strictly_between_or_absent() {
        assert_eq!(middle(10, 20), Some(15));
        assert_eq!(middle(10, 12), Some(11));
        assert_eq!(middle(10, 11), None);
        assert_eq!(middle(10, 10), None);
        assert_eq!(middle(11, 10), None);
    }
}
