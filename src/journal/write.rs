//! Adding to the journal. Every method is one durable commit.

use std::sync::atomic::Ordering;

use alloy::primitives::{Address, B256};
use sqlx::sqlite::SqliteArguments;
use sqlx::{Connection, Row, Sqlite, SqliteConnection};

use super::{
    AttemptRecord, CycleRecord, EventRecord, IntentId, IntentRecord, IntentState, Journal, JournalError,
};

type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

/// Commits between two write-backs of the log: a few megabytes of it.
pub(super) const CHECKPOINT_EVERY: u32 = 64;

const INSERT_CYCLE: &str = "INSERT INTO cycles (chain_id, vault, block_number, block_hash, block_timestamp, policy_hash, \
     snapshot_hash, decision_hash, verdict, reason, decision, snapshot, dispatch) \
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// A cycle, its intent, attempt and first event: one message to the database's thread instead of four.
const INSERT_PREPARED: &str = "INSERT INTO cycles (chain_id, vault, block_number, block_hash, block_timestamp, \
     policy_hash, snapshot_hash, decision_hash, verdict, reason, decision, snapshot, dispatch) \
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?); \
     INSERT INTO intents (cycle_id, chain_id, sender, nonce, vault, vault_nonce, recipient, calldata, \
     deadline, gas_limit, planned) VALUES (last_insert_rowid(), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?); \
     INSERT INTO attempts (intent_id, hash, raw, max_fee_per_gas, max_priority_fee_per_gas, kind) \
     VALUES (last_insert_rowid(), ?, ?, ?, ?, ?); \
     INSERT INTO intent_events (intent_id, state, detail, block_hash, fee) \
     SELECT intent_id, ?, ?, ?, ? FROM attempts WHERE id = last_insert_rowid() RETURNING intent_id";

impl Journal {
    /// Records a cycle that sends nothing.
    ///
    /// # Errors
    /// What the disk or the file does not allow; then nothing is recorded.
    pub async fn record_cycle(&self, cycle: &CycleRecord) -> Result<(), JournalError> {
        let query = self.bind_cycle(sqlx::query(INSERT_CYCLE), cycle)?;
        self.commit(async |tx: &mut SqliteConnection| {
            query.execute(tx).await.map(drop).map_err(|error| self.error(&error))
        })
        .await?;
        self.checkpoint_if_due().await;
        Ok(())
    }

    /// Records a cycle together with the intent and the signed bytes that come of it: one commit, on the disk when
    /// this returns. Only then may the bytes leave.
    ///
    /// # Errors
    /// What the disk or the file does not allow; then nothing may be sent.
    pub async fn record_prepared(
        &self,
        cycle: &CycleRecord,
        intent: &IntentRecord,
        attempt: &AttemptRecord,
    ) -> Result<IntentId, JournalError> {
        let prepared = EventRecord {
            state: IntentState::Prepared,
            detail: serde_json::json!({ "attempt": attempt.hash }),
            block_hash: None,
            fee: None,
        };
        let query = self.bind_cycle(sqlx::query(INSERT_PREPARED), cycle)?;
        let query = bind_attempt(self.bind_intent(query, intent)?, attempt);
        let query = bind_event(query, &prepared);
        self.commit(async |tx: &mut SqliteConnection| {
            let rows = query.fetch_all(tx).await.map_err(|error| self.error(&error))?;
            let id = rows.first().ok_or(sqlx::Error::RowNotFound).and_then(|row| row.try_get("intent_id"));
            id.map(IntentId).map_err(|error| self.error(&error))
        })
        .await
    }

    /// Records what happened to an intent.
    ///
    /// # Errors
    /// [`JournalError::Refused`] for an intent that is final, otherwise what the disk or the file does not allow.
    pub async fn append_event(&self, intent: IntentId, event: &EventRecord) -> Result<(), JournalError> {
        self.commit(async |tx: &mut SqliteConnection| self.insert_event(tx, intent, event).await).await?;
        self.checkpoint_if_due().await;
        Ok(())
    }

    /// Marks all cycles that were decided on this block as orphaned; returns how many were newly marked.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn mark_orphaned(&self, chain_id: u64, block_hash: B256) -> Result<u64, JournalError> {
        let chain_id = self.integer(chain_id, "chain id")?;
        self.commit(async |tx: &mut SqliteConnection| {
            let query =
                "UPDATE cycles SET orphaned = 1 WHERE chain_id = ? AND block_hash = ? AND orphaned = 0";
            let done = sqlx::query(query).bind(chain_id).bind(hash_text(&block_hash)).execute(tx).await;
            done.map(|done| done.rows_affected()).map_err(|error| self.error(&error))
        })
        .await
    }

    /// Writes the log back into the main file every [`CHECKPOINT_EVERY`] commits. Never called between a decision and
    /// its transaction: it forces the disk twice more. A failure loses nothing, the log has everything.
    async fn checkpoint_if_due(&self) {
        if self.commits.load(Ordering::Relaxed) < CHECKPOINT_EVERY {
            return;
        }
        self.commits.store(0, Ordering::Relaxed);
        if let Err(error) = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&self.pool).await {
            tracing::warn!(%error, "the journal's log is not written back");
        }
    }

    /// Does `work` in one transaction: all of it is on the disk when this returns `Ok`, otherwise none of it counts.
    async fn commit<T>(
        &self,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let mut connection = self.pool.acquire().await.map_err(|error| self.error(&error))?;
        let outcome = self.commit_on(&mut connection, work).await;
        self.commits.fetch_add(1, Ordering::Relaxed);
        if outcome.is_err() {
            // A full disk makes SQLite roll back by itself, after which the driver's count of open transactions is
            // wrong for good. A fresh connection knows nothing of that, and closing has nothing left to lose.
            drop(connection.close().await);
        }
        outcome
    }

    async fn commit_on<T>(
        &self,
        connection: &mut SqliteConnection,
        work: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let begun = connection.begin_with("BEGIN IMMEDIATE").await;
        let mut tx = begun.map_err(|error| self.error(&error))?;
        let value = work(&mut tx).await?;
        tx.commit().await.map_err(|error| self.error(&error))?;
        Ok(value)
    }

    fn bind_cycle<'q>(&self, query: Query<'q>, cycle: &'q CycleRecord) -> Result<Query<'q>, JournalError> {
        Ok(query
            .bind(self.integer(cycle.chain_id, "chain id")?)
            .bind(address_text(&cycle.vault))
            .bind(self.integer(cycle.block_number, "block number")?)
            .bind(hash_text(&cycle.block_hash))
            .bind(self.integer(cycle.block_timestamp, "block time")?)
            .bind(hash_text(&cycle.policy_hash))
            .bind(hash_text(&cycle.snapshot_hash))
            .bind(hash_text(&cycle.decision_hash))
            .bind(&cycle.verdict)
            .bind(&cycle.reason)
            .bind(&cycle.decision_json)
            .bind(&cycle.snapshot_json)
            .bind(&cycle.dispatch))
    }

    fn bind_intent<'q>(&self, query: Query<'q>, intent: &'q IntentRecord) -> Result<Query<'q>, JournalError> {
        Ok(query
            .bind(self.integer(intent.chain_id, "chain id")?)
            .bind(address_text(&intent.sender))
            .bind(self.integer(intent.nonce, "nonce")?)
            .bind(address_text(&intent.vault))
            .bind(intent.vault_nonce.to_string())
            .bind(address_text(&intent.to))
            .bind(intent.calldata.as_ref())
            .bind(self.integer(intent.deadline, "deadline")?)
            .bind(self.integer(intent.gas_limit, "gas limit")?)
            .bind(&intent.planned_json))
    }

    async fn insert_event(
        &self,
        tx: &mut SqliteConnection,
        intent: IntentId,
        event: &EventRecord,
    ) -> Result<(), JournalError> {
        let query = sqlx::query(
            "INSERT INTO intent_events (intent_id, state, detail, block_hash, fee) VALUES (?, ?, ?, ?, ?)",
        );
        bind_event(query.bind(intent.0), event).execute(tx).await.map_err(|error| self.error(&error))?;
        Ok(())
    }

    pub(super) fn integer(&self, value: u64, what: &'static str) -> Result<i64, JournalError> {
        i64::try_from(value).map_err(|_| self.out_of_range(what))
    }
}

fn bind_attempt<'q>(query: Query<'q>, attempt: &'q AttemptRecord) -> Query<'q> {
    query
        .bind(hash_text(&attempt.hash))
        .bind(attempt.raw.as_ref())
        .bind(attempt.max_fee_per_gas.to_string())
        .bind(attempt.max_priority_fee_per_gas.to_string())
        .bind(attempt.kind.name())
}

fn bind_event<'q>(query: Query<'q>, event: &EventRecord) -> Query<'q> {
    query
        .bind(event.state.name())
        .bind(event.detail.to_string())
        .bind(event.block_hash.as_ref().map(hash_text))
        .bind(event.fee.map(|fee| fee.to_string()))
}

/// Lower case, so that one address has one spelling.
pub(super) fn address_text(address: &Address) -> String {
    format!("{address:#x}")
}

pub(super) fn hash_text(hash: &B256) -> String {
    format!("{hash:#x}")
}
