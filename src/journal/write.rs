//! Adding to the journal. Every method is one durable commit.

use std::sync::atomic::Ordering;

use alloy::primitives::{Address, B256};
use sqlx::AssertSqlSafe;

use super::content::{Field, Kind, Row, hash_text};
use super::ledger::Tip;
use super::review::BLOCKS;
use super::{
    AttemptRecord, CycleRecord, EventRecord, IntentId, IntentRecord, IntentState, Journal, JournalError,
    Orphaned,
};

/// Commits between two write-backs of the log: a few megabytes of it.
pub(super) const CHECKPOINT_EVERY: u32 = 64;

impl Journal {
    /// Takes a key for this journal, until it is closed or dropped: no other process of this machine that can be told of
    /// may write for it meanwhile, whatever journal it has. The key is locked beside the journal and in each of
    /// `directories`, which are created where they are missing.
    ///
    /// # Errors
    /// [`JournalError::KeyInUse`] while another process has it, [`JournalError::CannotOpen`] where a lock file cannot be
    /// written.
    pub fn claim(
        &self,
        chain_id: u64,
        sender: Address,
        directories: &[std::path::PathBuf],
    ) -> Result<(), JournalError> {
        self.writer()?.claim(chain_id, sender, directories)
    }

    /// Waits for the end of a commit under way whose caller was dropped: what is read after it has all that was handed in.
    ///
    /// # Errors
    /// [`JournalError::ReadOnly`].
    pub async fn settled(&self) -> Result<(), JournalError> {
        self.writer()?.settled().await;
        Ok(())
    }

    /// Records a cycle that sends nothing.
    ///
    /// # Errors
    /// What the disk or the file does not allow; then nothing is recorded.
    pub async fn record_cycle(&self, cycle: &CycleRecord) -> Result<(), JournalError> {
        self.append(vec![self.cycle_row(cycle)?]).await?;
        self.checkpoint_if_due().await;
        Ok(())
    }

    /// Records a cycle together with the intent and the signed bytes that come of it, at a nonce that no intent has had:
    /// one commit, on the disk when this returns. Only then may the bytes leave.
    ///
    /// # Errors
    /// What the disk or the file does not allow; then nothing may be sent. [`JournalError::Refused`] for a nonce that was
    /// used or lies below the highest of its key.
    pub async fn record_prepared(
        &self,
        cycle: &CycleRecord,
        intent: &IntentRecord,
        attempt: &AttemptRecord,
    ) -> Result<IntentId, JournalError> {
        self.prepare(cycle, intent, attempt, None).await
    }

    /// Records a cycle together with an intent that takes an open nonce over, and its signed bytes: one commit, on the
    /// disk when this returns. Only then may the bytes leave. Of the intents of the nonce one can take effect.
    ///
    /// # Errors
    /// What the disk or the file does not allow; then nothing may be sent. [`JournalError::Refused`] for a nonce that no
    /// intent has, or of which anything is final.
    pub async fn record_takeover(
        &self,
        cycle: &CycleRecord,
        intent: &IntentRecord,
        attempt: &AttemptRecord,
    ) -> Result<IntentId, JournalError> {
        let slot = self.slot(intent.chain_id, intent.sender, intent.nonce).await?;
        let newest = slot.and_then(|slot| slot.intents.last().map(|newest| newest.id));
        let newest = newest.ok_or_else(|| self.refused("a nonce that no intent has cannot be taken over"))?;
        self.prepare(cycle, intent, attempt, Some(newest)).await
    }

    /// Records further signed bytes of an intent, a bump or a cancel, with what that makes of it: one commit, on the disk
    /// when this returns. Only then may the bytes leave.
    ///
    /// # Errors
    /// [`JournalError::Refused`] for an intent that is final, otherwise what the disk or the file does not allow; then
    /// nothing may be sent.
    pub async fn record_attempt(
        &self,
        intent: IntentId,
        attempt: &AttemptRecord,
        event: &EventRecord,
    ) -> Result<(), JournalError> {
        let rows = vec![self.attempt_row(intent.0.into(), attempt)?, event_row(intent.0.into(), event)];
        self.append(rows).await.map(drop)
    }

    /// Records what happened to an intent.
    ///
    /// # Errors
    /// [`JournalError::Refused`] for an intent that is final, otherwise what the disk or the file does not allow.
    pub async fn append_event(&self, intent: IntentId, event: &EventRecord) -> Result<(), JournalError> {
        self.append_events(&[(intent, event)]).await
    }

    /// Records what happened to several intents in one commit, as where a nonce ends: one of them took effect, and the
    /// others are superseded.
    ///
    /// # Errors
    /// As [`Journal::append_event`]; then none of it is recorded.
    pub async fn append_events(&self, events: &[(IntentId, &EventRecord)]) -> Result<(), JournalError> {
        self.append(events.iter().map(|(intent, event)| event_row(intent.0.into(), event)).collect()).await?;
        self.checkpoint_if_due().await;
        Ok(())
    }

    /// Marks what is recorded of this block as orphaned: the cycles that were decided on it, and the block itself. Returns how
    /// much was newly marked.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn mark_orphaned(&self, chain_id: u64, block_hash: B256) -> Result<Orphaned, JournalError> {
        let chain_id = self.integer(chain_id, "chain id")?;
        let query = format!(
            "SELECT count(*) AS cycles, max(id) AS last, (\
             SELECT count(*) FROM ({BLOCKS} WHERE b.chain_id = ?1 AND b.block_hash = ?3) WHERE NOT orphaned) AS blocks \
             FROM cycles WHERE chain_id = ?1 AND block_hash = ?2 AND orphaned = 0"
        );
        let query = sqlx::query(AssertSqlSafe(query)).bind(chain_id);
        let query = query.bind(hash_text(&block_hash)).bind(block_hash.to_vec());
        let row = query.fetch_one(&self.pool).await.map_err(|error| self.error(&error))?;
        let marked = Orphaned {
            cycles: self.unsigned_column(&row, "cycles")?,
            blocks: self.unsigned_column(&row, "blocks")?,
        };
        if marked.cycles > 0 || marked.blocks > 0 {
            let last: Option<i64> = self.column(&row, "last")?;
            let fields = vec![Field::Now, chain_id.into(), (&block_hash).into(), last.into()];
            self.append(vec![Row { kind: Kind::Orphaned, fields }]).await?;
        }
        Ok(marked)
    }

    /// Records that the chain is back at a block that it had left: then what is recorded of it is orphaned no more. Returns whether
    /// the block had left.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn mark_returned(&self, chain_id: u64, block_hash: B256) -> Result<bool, JournalError> {
        let chain_id = self.integer(chain_id, "chain id")?;
        let query = "SELECT max(o.id) AS last FROM orphans o WHERE o.chain_id = ?1 AND o.block_hash = ?2 AND NOT EXISTS (\
             SELECT 1 FROM returns r WHERE r.chain_id = ?1 AND r.block_hash = ?2 AND r.last_orphan >= o.id)";
        let query = sqlx::query(query).bind(chain_id).bind(hash_text(&block_hash));
        let row = query.fetch_one(&self.pool).await.map_err(|error| self.error(&error))?;
        let last: Option<i64> = self.column(&row, "last")?;
        if let Some(last) = last {
            let fields = vec![Field::Now, chain_id.into(), (&block_hash).into(), last.into()];
            self.append(vec![Row { kind: Kind::Returned, fields }]).await?;
        }
        Ok(last.is_some())
    }

    async fn prepare(
        &self,
        cycle: &CycleRecord,
        intent: &IntentRecord,
        attempt: &AttemptRecord,
        takes_over: Option<IntentId>,
    ) -> Result<IntentId, JournalError> {
        let prepared = EventRecord {
            state: IntentState::Prepared,
            detail: serde_json::json!({ "attempt": attempt.hash }),
            block_hash: None,
            fee: None,
        };
        let rows = vec![
            self.cycle_row(cycle)?,
            self.intent_row(intent, takes_over)?,
            self.attempt_row(Field::Newest(Kind::Intent), attempt)?,
            event_row(Field::Newest(Kind::Intent), &prepared),
        ];
        Ok(IntentId(self.append(rows).await?.newest(Kind::Intent)))
    }

    pub(super) async fn append(&self, rows: Vec<Row>) -> Result<Tip, JournalError> {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.writer()?.append(rows).await
    }

    /// Writes the log back into the main file every [`CHECKPOINT_EVERY`] commits. Never called between a decision and
    /// its transaction: it forces the disk twice more.
    pub(super) async fn checkpoint_if_due(&self) {
        let due = self.commits.load(Ordering::Relaxed) >= CHECKPOINT_EVERY;
        if let (true, Ok(writer)) = (due, self.writer()) {
            self.commits.store(0, Ordering::Relaxed);
            writer.write_back().await;
        }
    }

    fn cycle_row(&self, cycle: &CycleRecord) -> Result<Row, JournalError> {
        let fields = vec![
            Field::Now,
            self.integer(cycle.chain_id, "chain id")?.into(),
            (&cycle.vault).into(),
            self.integer(cycle.block_number, "block number")?.into(),
            (&cycle.block_hash).into(),
            self.integer(cycle.block_timestamp, "block time")?.into(),
            (&cycle.policy_hash).into(),
            (&cycle.snapshot_hash).into(),
            (&cycle.decision_hash).into(),
            cycle.verdict.clone().into(),
            cycle.reason.clone().into(),
            cycle.decision_json.clone().into(),
            cycle.snapshot_json.clone().into(),
            cycle.dispatch.clone().into(),
            cycle.urgency.name().into(),
        ];
        Ok(Row { kind: Kind::Cycle, fields })
    }

    fn intent_row(&self, intent: &IntentRecord, takes_over: Option<IntentId>) -> Result<Row, JournalError> {
        let fields = vec![
            Field::Newest(Kind::Cycle),
            self.integer(intent.chain_id, "chain id")?.into(),
            (&intent.sender).into(),
            self.integer(intent.nonce, "nonce")?.into(),
            (&intent.vault).into(),
            intent.vault_nonce.to_string().into(),
            (&intent.to).into(),
            intent.calldata.clone().into(),
            self.integer(intent.deadline, "deadline")?.into(),
            self.integer(intent.gas_limit, "gas limit")?.into(),
            intent.planned_json.clone().into(),
            intent.urgency.name().into(),
            takes_over.map(|intent| intent.0).into(),
        ];
        Ok(Row { kind: Kind::Intent, fields })
    }

    fn attempt_row(&self, intent: Field, attempt: &AttemptRecord) -> Result<Row, JournalError> {
        let optional = |value: Option<u64>, what| value.map(|value| self.integer(value, what)).transpose();
        let fields = vec![
            intent,
            (&attempt.hash).into(),
            attempt.raw.clone().into(),
            attempt.max_fee_per_gas.to_string().into(),
            attempt.max_priority_fee_per_gas.to_string().into(),
            attempt.kind.name().into(),
            attempt.submission.name().into(),
            optional(attempt.submission.public_from(), "block number")?.into(),
            self.integer(attempt.signed_at, "block number")?.into(),
            optional(attempt.gas_limit, "gas limit")?.into(),
            attempt.to.as_ref().map(super::content::address_text).into(),
        ];
        Ok(Row { kind: Kind::Attempt, fields })
    }

    pub(super) fn integer(&self, value: u64, what: &'static str) -> Result<i64, JournalError> {
        i64::try_from(value).map_err(|_| self.out_of_range(what))
    }
}

fn event_row(intent: Field, event: &EventRecord) -> Row {
    let fields = vec![
        Field::Now,
        intent,
        event.state.name().into(),
        event.detail.to_string().into(),
        event.block_hash.as_ref().map(hash_text).into(),
        event.fee.map(|fee| fee.to_string()).into(),
    ];
    Row { kind: Kind::Event, fields }
}
