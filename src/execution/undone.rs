//! Reorganisations deeper than what counted as final: what ended may be undone, and then a person has to look.

use super::book::inclusion;
use super::{Engine, ExecutionError, Halt};
use crate::chain::ChainError;
use crate::chain::pool::Lease;
use crate::defence::defended;
use crate::journal::IntentEntry;

/// Ended intents that are looked at: those whose blocks may still be near the head.
const WATCHED: u32 = 16;

impl Engine {
    /// Looks whether the blocks in which the newest intents ended are still on the chain. Where one is not, and none of the
    /// transactions of its nonce is in another block, the key signs nothing more until one is, and nothing is sent again
    /// by itself: the journal said that it was final, and what was built on that only a person can know.
    ///
    /// To be asked at the start, and when the chain left heads.
    ///
    /// # Errors
    /// A failure of node or journal.
    pub async fn check_ended(&self) -> Result<Option<Halt>, ExecutionError> {
        let mut book = self.opened().await?;
        let ended = self.journal.ended_intents(self.pool.chain_id(), self.sender(), WATCHED).await?;
        let lease = self.pool.reader()?;
        let mut undone = None;
        for intent in &ended {
            if let Some(halt) = self.undone(&lease, intent).await? {
                tracing::error!(alert = "reorg_beyond_finality", intent = %intent.id, %halt, "a final intent is undone");
                undone = Some(halt);
            }
        }
        // Not before all were looked at: a call that fails lifts no halt.
        book.undone.clone_from(&undone);
        Ok(undone)
    }

    /// Whether this key was found to be undone, and may not be any more.
    pub async fn is_undone(&self) -> bool {
        self.book.lock().await.undone.is_some()
    }

    async fn undone(&self, lease: &Lease, intent: &IntentEntry) -> Result<Option<Halt>, ExecutionError> {
        let Some(mined) = inclusion(&intent.last_event) else { return Ok(None) };
        let canonical = lease.header_by_number(mined.number).await?;
        if canonical.is_some_and(|header| header.hash == mined.block) || !defended(24) {
            return Ok(None);
        }
        let nonce = intent.record.nonce;
        if self.is_included(lease, nonce).await? {
            let (intent, state) = (intent.id, intent.last_event.state.name());
            tracing::error!(
                alert = "reorg_beyond_finality", %intent, state,
                "its final block left the chain, and a transaction of its nonce is in another: compare its outcome"
            );
            return Ok(None);
        }
        let (sender, intent, transaction) = (self.sender(), intent.id, mined.attempt);
        Ok(Some(Halt::Undone { sender, nonce, intent, block: mined.number, transaction }))
    }

    /// Whether any transaction of a nonce is in a canonical block.
    async fn is_included(&self, lease: &Lease, nonce: u64) -> Result<bool, ExecutionError> {
        let slot = self.journal.slot(self.pool.chain_id(), self.sender(), nonce).await?;
        let attempts = slot.iter().flat_map(|slot| &slot.intents).flat_map(|intent| &intent.attempts);
        for attempt in attempts {
            let receipt: Result<_, ChainError> = self.pool.receipt(lease, attempt.hash).await;
            if receipt?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
