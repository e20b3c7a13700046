//! Reading the journal back.

use std::str::FromStr;

use alloy::primitives::{Address, B256, Bytes};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row};

use super::content::{address_text, hash_text};
use super::ledger::packed_texts;
use super::{
    AttemptKind, AttemptRecord, CycleEntry, CycleRecord, EventRecord, Fault, IntentEntry, IntentId,
    IntentRecord, IntentState, Journal, JournalError, ReasonCount, SubmissionClass, Urgency,
};

/// Intents with their cycle and last event; a condition follows.
pub(super) const INTENTS: &str = "SELECT i.id, i.chain_id, i.sender, i.nonce, i.vault, i.vault_nonce, i.recipient, i.calldata, \
     i.deadline, i.gas_limit, i.planned, i.urgency, c.decision_hash, c.block_number, \
     e.state, e.detail, e.block_hash AS event_block, e.fee, e.recorded_at AS event_at, \
     EXISTS (SELECT 1 FROM intent_events w WHERE w.intent_id = i.id AND w.state = 'cancelling') AS withdrawn \
     FROM intents i JOIN cycles c ON c.id = i.cycle_id \
     JOIN intent_events e ON e.id = (SELECT max(id) FROM intent_events WHERE intent_id = i.id)";

/// Cycles with their places in the ledger and what their texts are packed with; a condition follows.
pub(super) const CYCLES: &str = "SELECT c.*, b.packed AS base_packed, l.seq FROM cycles c CROSS JOIN ledger l ON l.kind = 'cycle' AND l.record = +c.id \
     LEFT JOIN cycles b ON b.id = c.base";

/// The condition that an intent is not final.
pub(super) const OPEN: &str = "e.state NOT IN ('executed', 'reverted', 'cancelled', 'superseded')";

/// The condition that a transaction of an intent is mined for good.
const ENDED: &str = "e.state IN ('executed', 'reverted', 'cancelled')";

impl Journal {
    /// Intents of `sender` that are not final, lowest nonce first.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn open_intents(
        &self,
        chain_id: u64,
        sender: Address,
    ) -> Result<Vec<IntentEntry>, JournalError> {
        let query = format!("{INTENTS} WHERE i.chain_id = ? AND i.sender = ? AND {OPEN} ORDER BY i.nonce");
        let rows = sqlx::query(AssertSqlSafe(query))
            .bind(self.integer(chain_id, "chain id")?)
            .bind(address_text(&sender))
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(&error))?;
        self.intent_entries(&rows).await
    }

    /// Intents for `vault` that are not final, whoever signed them, oldest first.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn unsettled(&self, vault: Address) -> Result<Vec<IntentEntry>, JournalError> {
        let query = format!("{INTENTS} WHERE i.vault = ? AND {OPEN} ORDER BY i.id");
        let rows = sqlx::query(AssertSqlSafe(query))
            .bind(address_text(&vault))
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(&error))?;
        self.intent_entries(&rows).await
    }

    /// The last `count` intents of `sender` that took effect, newest first.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn ended_intents(
        &self,
        chain_id: u64,
        sender: Address,
        count: u32,
    ) -> Result<Vec<IntentEntry>, JournalError> {
        let query = format!(
            "{INTENTS} WHERE i.chain_id = ? AND i.sender = ? AND {ENDED} ORDER BY i.nonce DESC, i.id DESC LIMIT ?"
        );
        let rows = sqlx::query(AssertSqlSafe(query))
            .bind(self.integer(chain_id, "chain id")?)
            .bind(address_text(&sender))
            .bind(i64::from(count))
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(&error))?;
        self.intent_entries(&rows).await
    }

    /// The last `count` intents of `vault`, newest first.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn intents(&self, vault: Address, count: u32) -> Result<Vec<IntentEntry>, JournalError> {
        let query = format!("{INTENTS} WHERE i.vault = ? ORDER BY i.id DESC LIMIT ?");
        let rows = sqlx::query(AssertSqlSafe(query))
            .bind(address_text(&vault))
            .bind(count)
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(&error))?;
        self.intent_entries(&rows).await
    }

    /// One intent; `None` when there is none of this number.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn intent(&self, id: IntentId) -> Result<Option<IntentEntry>, JournalError> {
        let query = format!("{INTENTS} WHERE i.id = ?");
        let rows = sqlx::query(AssertSqlSafe(query))
            .bind(id.0)
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(&error))?;
        Ok(self.intent_entries(&rows).await?.pop())
    }

    /// The signed bytes of this hash, and the id of their chain; `None` where there are none.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn attempt(&self, hash: B256) -> Result<Option<(u64, AttemptRecord)>, JournalError> {
        let query = format!("{INTENTS} WHERE i.id = (SELECT intent_id FROM attempts WHERE hash = ?)");
        let rows = sqlx::query(AssertSqlSafe(query))
            .bind(hash_text(&hash))
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(&error))?;
        let entry = self.intent_entries(&rows).await?.pop();
        Ok(entry.and_then(|entry| {
            let attempt = entry.attempts.into_iter().find(|attempt| attempt.hash == hash)?;
            Some((entry.record.chain_id, attempt))
        }))
    }

    /// The events of an intent, oldest first.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn events(&self, intent: IntentId) -> Result<Vec<EventRecord>, JournalError> {
        let query = "SELECT state, detail, block_hash AS event_block, fee FROM intent_events \
             WHERE intent_id = ? ORDER BY id";
        let rows = sqlx::query(query)
            .bind(intent.0)
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(&error))?;
        rows.iter().map(|row| self.event_record(row)).collect()
    }

    /// The nonce after the highest that `sender` ever used here; `None` for a sender that never did.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn next_nonce(&self, chain_id: u64, sender: Address) -> Result<Option<u64>, JournalError> {
        let query = "SELECT max(nonce) + 1 AS next FROM intents WHERE chain_id = ? AND sender = ?";
        let row = sqlx::query(query)
            .bind(self.integer(chain_id, "chain id")?)
            .bind(address_text(&sender))
            .fetch_one(&self.pool)
            .await
            .map_err(|error| self.error(&error))?;
        let next: Option<i64> = row.try_get("next").map_err(|error| self.error(&error))?;
        next.map(|next| self.unsigned(next, "nonce")).transpose()
    }

    /// The last `count` full records of cycles of `vault`, newest first.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn recent_cycles(&self, vault: Address, count: u32) -> Result<Vec<CycleEntry>, JournalError> {
        let query = format!("{CYCLES} WHERE c.vault = ? ORDER BY c.id DESC LIMIT ?");
        let rows = sqlx::query(AssertSqlSafe(query))
            .bind(address_text(&vault))
            .bind(count)
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(&error))?;
        rows.iter().map(|row| self.cycle_entry(row)).collect()
    }

    /// The newest cycle of `vault` that took the decision of this hash and kept its snapshot.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn cycle_of(
        &self,
        vault: Address,
        decision_hash: B256,
    ) -> Result<Option<CycleEntry>, JournalError> {
        let query = format!(
            "{CYCLES} WHERE c.vault = ? AND c.decision_hash = ? AND coalesce(c.packed, c.snapshot) IS NOT NULL ORDER BY c.id DESC LIMIT 1"
        );
        let row = sqlx::query(AssertSqlSafe(query))
            .bind(address_text(&vault))
            .bind(hash_text(&decision_hash))
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| self.error(&error))?;
        row.map(|row| self.cycle_entry(&row)).transpose()
    }

    /// How often each decision was taken for `vault` among the cycles that have a full record, the most frequent first.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn reasons(&self, vault: Address) -> Result<Vec<ReasonCount>, JournalError> {
        let query = "SELECT verdict, reason, count(*) AS cycles, max(block_number) AS last_block FROM cycles \
             WHERE vault = ? GROUP BY verdict, reason ORDER BY cycles DESC, last_block DESC";
        let rows = sqlx::query(query)
            .bind(address_text(&vault))
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(&error))?;
        let count = |row: &SqliteRow| {
            Ok(ReasonCount {
                verdict: self.column(row, "verdict")?,
                reason: self.column(row, "reason")?,
                cycles: self.unsigned_column(row, "cycles")?,
                last_block: self.unsigned_column(row, "last_block")?,
            })
        };
        rows.iter().map(count).collect()
    }

    pub(super) fn cycle_entry(&self, row: &SqliteRow) -> Result<CycleEntry, JournalError> {
        let (decision_json, snapshot_json) = self.cycle_texts(row)?;
        Ok(CycleEntry {
            id: self.column(row, "id")?,
            seq: self.column(row, "seq")?,
            recorded_at: self.column(row, "recorded_at")?,
            orphaned: self.column::<i64>(row, "orphaned")? == 1,
            record: CycleRecord {
                chain_id: self.unsigned_column(row, "chain_id")?,
                vault: self.parsed(row, "vault")?,
                block_number: self.unsigned_column(row, "block_number")?,
                block_hash: self.parsed(row, "block_hash")?,
                block_timestamp: self.unsigned_column(row, "block_timestamp")?,
                policy_hash: self.parsed(row, "policy_hash")?,
                snapshot_hash: self.parsed(row, "snapshot_hash")?,
                decision_hash: self.parsed(row, "decision_hash")?,
                verdict: self.column(row, "verdict")?,
                reason: self.column(row, "reason")?,
                decision_json,
                snapshot_json,
                dispatch: self.column(row, "dispatch")?,
                urgency: self.urgency(row)?,
            },
        })
    }

    /// Decision and snapshot, as they are or packed.
    fn cycle_texts(&self, row: &SqliteRow) -> Result<(String, Option<String>), JournalError> {
        match packed_texts(row).map_err(|error| self.error(&error))? {
            None => Ok((self.column(row, "decision")?, self.column(row, "snapshot")?)),
            Some(Ok(texts)) => Ok((texts.decision, Some(texts.snapshot))),
            Some(Err(what)) => {
                let record = Some(format!("cycle {}", self.column::<i64>(row, "id")?));
                Err(self.damaged(&Fault { seq: Some(self.column(row, "seq")?), record, what }))
            }
        }
    }

    pub(super) async fn intent_entries(&self, rows: &[SqliteRow]) -> Result<Vec<IntentEntry>, JournalError> {
        let mut entries = Vec::with_capacity(rows.len());
        for row in rows {
            let id = IntentId(self.column(row, "id")?);
            entries.push(IntentEntry {
                id,
                decision_hash: self.parsed(row, "decision_hash")?,
                decision_block: self.unsigned_column(row, "block_number")?,
                record: self.intent_record(row)?,
                attempts: self.attempts(id).await?,
                last_event: self.event_record(row)?,
                last_event_at: self.column(row, "event_at")?,
                withdrawn: self.column(row, "withdrawn")?,
            });
        }
        Ok(entries)
    }

    fn intent_record(&self, row: &SqliteRow) -> Result<IntentRecord, JournalError> {
        Ok(IntentRecord {
            chain_id: self.unsigned_column(row, "chain_id")?,
            sender: self.parsed(row, "sender")?,
            nonce: self.unsigned_column(row, "nonce")?,
            vault: self.parsed(row, "vault")?,
            vault_nonce: self.parsed(row, "vault_nonce")?,
            to: self.parsed(row, "recipient")?,
            calldata: Bytes::from(self.column::<Vec<u8>>(row, "calldata")?),
            deadline: self.unsigned_column(row, "deadline")?,
            gas_limit: self.unsigned_column(row, "gas_limit")?,
            planned_json: self.column(row, "planned")?,
            urgency: self.urgency(row)?,
        })
    }

    fn urgency(&self, row: &SqliteRow) -> Result<Urgency, JournalError> {
        Urgency::from_name(&self.column::<String>(row, "urgency")?)
            .ok_or_else(|| self.out_of_range("urgency"))
    }

    async fn attempts(&self, intent: IntentId) -> Result<Vec<AttemptRecord>, JournalError> {
        let query = "SELECT hash, raw, max_fee_per_gas, max_priority_fee_per_gas, kind, submission, public_from, \
             signed_at, gas_limit, recipient FROM attempts WHERE intent_id = ? ORDER BY id";
        let rows = sqlx::query(query)
            .bind(intent.0)
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(&error))?;
        rows.iter().map(|row| self.attempt_record(row)).collect()
    }

    fn attempt_record(&self, row: &SqliteRow) -> Result<AttemptRecord, JournalError> {
        let public_from = self.optional_unsigned(row, "public_from")?;
        Ok(AttemptRecord {
            hash: self.parsed(row, "hash")?,
            raw: Bytes::from(self.column::<Vec<u8>>(row, "raw")?),
            max_fee_per_gas: self.parsed(row, "max_fee_per_gas")?,
            max_priority_fee_per_gas: self.parsed(row, "max_priority_fee_per_gas")?,
            kind: AttemptKind::from_name(&self.column::<String>(row, "kind")?)
                .ok_or_else(|| self.out_of_range("kind"))?,
            submission: SubmissionClass::from_parts(&self.column::<String>(row, "submission")?, public_from)
                .ok_or_else(|| self.out_of_range("submission"))?,
            signed_at: self.unsigned_column(row, "signed_at")?,
            gas_limit: self.optional_unsigned(row, "gas_limit")?,
            to: self.optional_parsed(row, "recipient")?,
        })
    }

    fn optional_unsigned(&self, row: &SqliteRow, name: &'static str) -> Result<Option<u64>, JournalError> {
        self.column::<Option<i64>>(row, name)?.map(|value| self.unsigned(value, name)).transpose()
    }

    pub(super) fn event_record(&self, row: &SqliteRow) -> Result<EventRecord, JournalError> {
        let detail: String = self.column(row, "detail")?;
        Ok(EventRecord {
            state: IntentState::from_name(&self.column::<String>(row, "state")?)
                .ok_or_else(|| self.out_of_range("state"))?,
            detail: serde_json::from_str(&detail).map_err(|_| self.out_of_range("detail"))?,
            block_hash: self.optional_parsed::<B256>(row, "event_block")?,
            fee: self.optional_parsed(row, "fee")?,
        })
    }

    pub(super) fn column<'r, T>(&self, row: &'r SqliteRow, name: &'static str) -> Result<T, JournalError>
    where
        T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
    {
        row.try_get(name).map_err(|error| self.error(&error))
    }

    pub(super) fn unsigned_column(&self, row: &SqliteRow, name: &'static str) -> Result<u64, JournalError> {
        self.unsigned(self.column(row, name)?, name)
    }

    pub(super) fn unsigned(&self, value: i64, what: &'static str) -> Result<u64, JournalError> {
        u64::try_from(value).map_err(|_| self.out_of_range(what))
    }

    pub(super) fn parsed<T: FromStr>(&self, row: &SqliteRow, name: &'static str) -> Result<T, JournalError> {
        self.column::<String>(row, name)?.parse().map_err(|_| self.out_of_range(name))
    }

    fn optional_parsed<T: FromStr>(
        &self,
        row: &SqliteRow,
        name: &'static str,
    ) -> Result<Option<T>, JournalError> {
        let text: Option<String> = self.column(row, name)?;
        text.map(|text| text.parse().map_err(|_| self.out_of_range(name))).transpose()
    }
}
