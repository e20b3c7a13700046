//! What became of open intents: receipts at canonical hashes, otherwise the same bytes again.

use serde_json::{Value, json};
use tracing::{Instrument, debug_span};

use super::foreign::Consumption;
use super::publish::{Published, publish};
use super::{Doubt, Engine, ExecutionError, Inclusion, Outcome, ParkReason};
use crate::chain::{ChainError, Header, Receipt};
use crate::journal::{AttemptRecord, EventRecord, IntentEntry, IntentId, IntentState};

/// What one look at the chain shows of an intent.
enum Sighting {
    /// Mined in a canonical block.
    Mined { receipt: Receipt, is_final: bool },
    /// No receipt in a canonical block. That proves nothing.
    Unseen,
    /// The chain changed while it was looked at.
    Unsettled,
}

impl Engine {
    /// Takes up what an earlier process left: the bytes of every open intent are sent again first, because they may
    /// never have left, then resolved. Call it before anything is planned.
    ///
    /// # Errors
    /// As [`Engine::resolve`].
    pub async fn recover(&self) -> Result<Vec<(IntentId, Outcome)>, ExecutionError> {
        self.pass(true).await
    }

    /// Looks once at every open intent of the key and returns where each stands. An intent that is not seen in a
    /// canonical block is kept alive by sending its bytes again.
    ///
    /// # Errors
    /// [`ExecutionError::Halted`] once a nonce is proven to be consumed by someone else; a failure of node or journal,
    /// which says nothing about the intents.
    pub async fn resolve(&self) -> Result<Vec<(IntentId, Outcome)>, ExecutionError> {
        self.pass(false).await
    }

    async fn pass(&self, publish_first: bool) -> Result<Vec<(IntentId, Outcome)>, ExecutionError> {
        let mut consumption = self.turn.lock().await;
        let mut outcomes = Vec::new();
        let open = self.journal.open_intents(self.endpoint.chain_id(), self.sender()).await?;
        if !open.is_empty() {
            self.endpoint.verify_chain_id().await?;
        }
        for entry in open {
            self.halt_if_foreign(&entry)?;
            let published = if publish_first { Some(self.publish_best(&entry).await) } else { None };
            let outcome = self.look(&entry, published, &mut consumption).await?;
            outcomes.push((entry.id, outcome));
        }
        Ok(outcomes)
    }

    /// Publishes bytes that were just made durable.
    pub(super) async fn first_publication(
        &self,
        intent: IntentId,
        attempt: &AttemptRecord,
    ) -> Result<Outcome, ExecutionError> {
        let published = self.publish(intent, attempt).instrument(debug_span!("publish")).await;
        let state = state_after(IntentState::Prepared, &published);
        self.journal.append_event(intent, &event(state, publication(&published))).await?;
        Ok(standing(intent, state, &published))
    }

    /// Records that an intent is parked.
    pub(super) async fn park(&self, intent: IntentId, reason: &ParkReason) -> Result<(), ExecutionError> {
        tracing::error!(%intent, %reason, "intent parked");
        let parked = event(IntentState::Parked, json!({ "parked": reason.to_string() }));
        Ok(self.journal.append_event(intent, &parked).await?)
    }

    async fn look(
        &self,
        entry: &IntentEntry,
        published: Option<Published>,
        consumption: &mut Consumption,
    ) -> Result<Outcome, ExecutionError> {
        let head = self.endpoint.latest_header().await?;
        match self.sight(entry, &head).await? {
            Sighting::Mined { receipt, is_final } => self.mined(entry, &receipt, is_final).await,
            Sighting::Unsettled => Ok(Outcome::Pending { intent: entry.id, state: entry.last_event.state }),
            Sighting::Unseen => {
                let published = match published {
                    Some(published) => published,
                    None => self.publish_best(entry).await,
                };
                self.keep_alive(entry, &head, published, consumption).await
            }
        }
    }

    /// Looks for a receipt of any attempt. It counts when its block is the canonical one at its height, on a chain
    /// whose head did not change meanwhile.
    async fn sight(&self, entry: &IntentEntry, head: &Header) -> Result<Sighting, ChainError> {
        for attempt in &entry.attempts {
            let Some(receipt) = self.endpoint.receipt(attempt.hash).await? else { continue };
            if !self.is_canonical(receipt.block_number, receipt.block_hash).await? {
                continue;
            }
            let deep = self.final_header(head).await;
            if !self.is_canonical(head.number, head.hash).await? {
                return Ok(Sighting::Unsettled);
            }
            // A node without a finalized block yet has finalized nothing.
            let is_final =
                deep.is_ok_and(|deep| deep.is_some_and(|deep| receipt.block_number <= deep.number));
            return Ok(Sighting::Mined { receipt, is_final });
        }
        Ok(Sighting::Unseen)
    }

    async fn is_canonical(&self, number: u64, hash: alloy::primitives::B256) -> Result<bool, ChainError> {
        let header = self.endpoint.header_by_number(number).await?;
        Ok(header.is_some_and(|header| header.hash == hash))
    }

    async fn mined(
        &self,
        entry: &IntentEntry,
        receipt: &Receipt,
        is_final: bool,
    ) -> Result<Outcome, ExecutionError> {
        let detail = json!({
            "transaction": receipt.transaction_hash,
            "block_number": receipt.block_number.to_string(),
            "success": receipt.success,
            "gas_used": receipt.gas_used.to_string(),
            "effective_gas_price": receipt.effective_gas_price.to_string(),
        });
        let seen = |state, fee| EventRecord {
            state,
            detail: detail.clone(),
            block_hash: Some(receipt.block_hash),
            fee,
        };
        self.note(entry, seen(IntentState::Included, None)).await?;
        if !is_final {
            return Ok(Outcome::Pending { intent: entry.id, state: IntentState::Included });
        }
        let inclusion = Inclusion::new(entry.id, receipt);
        let (state, outcome) = if receipt.success {
            (IntentState::Executed, Outcome::Executed(inclusion))
        } else {
            (IntentState::Reverted, Outcome::Reverted(inclusion))
        };
        self.journal.append_event(entry.id, &seen(state, Some(receipt.fee()))).await?;
        Ok(outcome)
    }

    async fn keep_alive(
        &self,
        entry: &IntentEntry,
        head: &Header,
        published: Published,
        consumption: &mut Consumption,
    ) -> Result<Outcome, ExecutionError> {
        if entry.last_event.state == IntentState::Included {
            tracing::warn!(intent = %entry.id, "its block left the chain; sent again");
            let vanished = json!({ "vanished": entry.last_event.block_hash });
            self.journal.append_event(entry.id, &event(IntentState::Live, vanished)).await?;
        }
        let state = state_after(entry.last_event.state, &published);
        self.note(entry, event(state, publication(&published))).await?;
        if matches!(published, Published::Ambiguous(_)) {
            self.check_foreign(entry, head, consumption).await?;
        }
        Ok(standing(entry.id, state, &published))
    }

    /// Sends the newest bytes of an intent again.
    async fn publish_best(&self, entry: &IntentEntry) -> Published {
        match entry.attempts.last() {
            Some(attempt) => self.publish(entry.id, attempt).await,
            None => Published::Ambiguous(Doubt::Unclear { message: "no signed bytes".to_owned() }),
        }
    }

    async fn publish(&self, intent: IntentId, attempt: &AttemptRecord) -> Published {
        let published = publish(&self.endpoint, attempt.hash, &attempt.raw).await;
        match &published {
            Published::Accepted => tracing::info!(%intent, hash = %attempt.hash, "accepted"),
            Published::Ambiguous(Doubt::WrongHash { returned }) => {
                tracing::error!(%intent, hash = %attempt.hash, %returned, "the node answered a wrong hash");
            }
            Published::Ambiguous(doubt) => {
                tracing::warn!(%intent, hash = %attempt.hash, ?doubt, "possibly live");
            }
            Published::Rejected(rejection) => {
                tracing::error!(%intent, hash = %attempt.hash, %rejection, "held: the node refuses it");
            }
        }
        published
    }

    /// Records an event unless it repeats the last one.
    async fn note(&self, entry: &IntentEntry, event: EventRecord) -> Result<(), ExecutionError> {
        let last = &entry.last_event;
        let repeats = last.state == event.state
            && last.block_hash == event.block_hash
            && without_message(&last.detail) == without_message(&event.detail);
        if !repeats {
            self.journal.append_event(entry.id, &event).await?;
        }
        Ok(())
    }
}

/// Where an intent stands after a publication. What may once have been live never becomes reusable again.
const fn state_after(before: IntentState, published: &Published) -> IntentState {
    match (before, published) {
        (IntentState::Prepared, Published::Rejected(_)) => IntentState::Prepared,
        _ => IntentState::Live,
    }
}

fn standing(intent: IntentId, state: IntentState, published: &Published) -> Outcome {
    match published {
        Published::Accepted | Published::Ambiguous(_) => Outcome::Pending { intent, state },
        Published::Rejected(rejection) => {
            Outcome::Parked { intent, reason: ParkReason::Rejected(*rejection) }
        }
    }
}

fn publication(published: &Published) -> Value {
    match published {
        Published::Accepted => json!({ "publish": "accepted" }),
        Published::Rejected(rejection) => json!({ "publish": "rejected", "why": rejection.code() }),
        Published::Ambiguous(Doubt::WrongHash { returned }) => {
            json!({ "publish": "ambiguous", "why": "wrong_hash", "returned": returned })
        }
        Published::Ambiguous(Doubt::Unclear { message }) => {
            json!({ "publish": "ambiguous", "why": "unclear", "message": message })
        }
        Published::Ambiguous(doubt) => json!({ "publish": "ambiguous", "why": doubt.code() }),
    }
}

const fn event(state: IntentState, detail: Value) -> EventRecord {
    EventRecord { state, detail, block_hash: None, fee: None }
}

/// The detail without the words of a node, which may differ from answer to answer.
fn without_message(detail: &Value) -> Value {
    let mut detail = detail.clone();
    if let Some(fields) = detail.as_object_mut() {
        fields.remove("message");
    }
    detail
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execution::Rejection;

    #[test]
    fn only_an_intent_that_was_never_possibly_live_stays_prepared() {
        let refused = Published::Rejected(Rejection::InsufficientFunds);
        let doubt = Published::Ambiguous(Doubt::NonceTooLow);
        assert_eq!(state_after(IntentState::Prepared, &refused), IntentState::Prepared);
        assert_eq!(state_after(IntentState::Prepared, &doubt), IntentState::Live);
        assert_eq!(state_after(IntentState::Live, &refused), IntentState::Live);
        assert_eq!(state_after(IntentState::Included, &refused), IntentState::Live);
    }
}
