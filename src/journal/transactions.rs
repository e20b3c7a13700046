//! What the journal says of transactions to a person: by vault, nonce or hash, with the times of what happened.

use alloy::primitives::{Address, B256};
use sqlx::AssertSqlSafe;

use super::content::{address_text, hash_text};
use super::read::{INTENTS, OPEN};
use super::{EventRecord, IntentEntry, IntentId, Journal, JournalError};

/// Which intents are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IntentFilter {
    /// Those for this vault alone.
    pub vault: Option<Address>,
    /// Those that are not final alone.
    pub open: bool,
}

impl Journal {
    /// The last `count` intents of all keys that the filter lets pass, newest first.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn last_intents(
        &self,
        filter: IntentFilter,
        count: u32,
    ) -> Result<Vec<IntentEntry>, JournalError> {
        let open = if filter.open { OPEN } else { "1" };
        let query =
            format!("{INTENTS} WHERE (?1 IS NULL OR i.vault = ?1) AND {open} ORDER BY i.id DESC LIMIT ?2");
        let rows = sqlx::query(AssertSqlSafe(query))
            .bind(filter.vault.as_ref().map(address_text))
            .bind(count)
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(&error))?;
        self.intent_entries(&rows).await
    }

    /// The intents of all keys with this nonce, oldest first.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn intents_of_nonce(&self, nonce: u64) -> Result<Vec<IntentEntry>, JournalError> {
        let query = format!("{INTENTS} WHERE i.nonce = ? ORDER BY i.id");
        let rows = sqlx::query(AssertSqlSafe(query))
            .bind(self.integer(nonce, "nonce")?)
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(&error))?;
        self.intent_entries(&rows).await
    }

    /// The intent that signed the transaction of this hash; `None` where none did.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn intent_of(&self, transaction: B256) -> Result<Option<IntentEntry>, JournalError> {
        let query = format!("{INTENTS} WHERE i.id = (SELECT intent_id FROM attempts WHERE hash = ?)");
        let rows = sqlx::query(AssertSqlSafe(query))
            .bind(hash_text(&transaction))
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.error(&error))?;
        Ok(self.intent_entries(&rows).await?.pop())
    }

    /// The events of an intent, oldest first, each with the wall-clock time of its record, seconds since the Unix epoch.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn history(&self, intent: IntentId) -> Result<Vec<(i64, EventRecord)>, JournalError> {
        let query = "SELECT recorded_at, state, detail, block_hash AS event_block, fee FROM intent_events \
             WHERE intent_id = ? ORDER BY id";
        let query = sqlx::query(query).bind(i64::from(intent));
        let rows = query.fetch_all(&self.pool).await.map_err(|error| self.error(&error))?;
        rows.iter().map(|row| Ok((self.column(row, "recorded_at")?, self.event_record(row)?))).collect()
    }
}
