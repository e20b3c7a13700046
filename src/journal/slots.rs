//! What is recorded of a nonce: the intents that share it, and what it costs.

use std::collections::BTreeMap;

use alloy::primitives::{Address, U256};
use sqlx::AssertSqlSafe;

use super::content::address_text;
use super::read::{INTENTS, OPEN};
use super::{IntentEntry, Journal, JournalError, SlotEntry};

/// What a nonce may still cost, or did.
#[derive(Debug, Default)]
struct Fees {
    cap: U256,
    paid: Option<U256>,
}

impl Journal {
    /// All that is recorded of one nonce; `None` for one that no intent ever had.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn slot(
        &self,
        chain_id: u64,
        sender: Address,
        nonce: u64,
    ) -> Result<Option<SlotEntry>, JournalError> {
        let nonce = self.integer(nonce, "nonce")?;
        let entries = self.of_key(chain_id, sender, "AND i.nonce = ?", Some(nonce)).await?;
        Ok(by_nonce(entries).pop())
    }

    /// The nonces of `sender` of which something is not final, ascending, each with all of its intents.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn open_slots(&self, chain_id: u64, sender: Address) -> Result<Vec<SlotEntry>, JournalError> {
        let open = format!(
            "AND EXISTS (SELECT 1 FROM intents o JOIN intent_events e \
             ON e.id = (SELECT max(id) FROM intent_events WHERE intent_id = o.id) \
             WHERE o.chain_id = i.chain_id AND o.sender = i.sender AND o.nonce = i.nonce AND {OPEN})"
        );
        Ok(by_nonce(self.of_key(chain_id, sender, &open, None).await?))
    }

    async fn of_key(
        &self,
        chain_id: u64,
        sender: Address,
        condition: &str,
        nonce: Option<i64>,
    ) -> Result<Vec<IntentEntry>, JournalError> {
        let query =
            format!("{INTENTS} WHERE i.chain_id = ? AND i.sender = ? {condition} ORDER BY i.nonce, i.id");
        let query = sqlx::query(AssertSqlSafe(query)).bind(self.integer(chain_id, "chain id")?);
        let query =
            nonce.into_iter().fold(query.bind(address_text(&sender)), |query, nonce| query.bind(nonce));
        let rows = query.fetch_all(&self.pool).await.map_err(|error| self.error(&error))?;
        self.intent_entries(&rows).await
    }

    /// Wei that `sender` has spent or may still spend on nonces whose end was seen at `since` (seconds since the Unix epoch,
    /// chain time) or later, or that have not ended, `except` for one nonce. One transaction of a nonce can be mined: it
    /// counts with the fee paid where that is final, and with the highest cap among its attempts where it is not. Where
    /// nothing says when it ended it is the time of the decision.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn committed_fees(
        &self,
        chain_id: u64,
        sender: Address,
        since: u64,
        except: Option<u64>,
    ) -> Result<U256, JournalError> {
        // One row: the database's thread wakes the reader for each.
        let query = "SELECT json_group_array(json_array(i.nonce, coalesce(a.gas_limit, i.gas_limit), a.max_fee_per_gas, \
             CASE WHEN e.state IN ('executed', 'reverted', 'cancelled') THEN e.fee END)) AS fees \
             FROM (SELECT DISTINCT n.nonce FROM intents n JOIN cycles c ON c.id = n.cycle_id \
                   JOIN intent_events l ON l.id = (SELECT max(id) FROM intent_events WHERE intent_id = n.id) \
                   WHERE n.chain_id = ?1 AND n.sender = ?2 AND n.nonce IS NOT ?4 \
                   AND (coalesce(json_extract(l.detail, '$.ended_at'), c.block_timestamp) >= ?3 \
                        OR l.state NOT IN ('executed', 'reverted', 'cancelled', 'superseded'))) recent \
             JOIN intents i ON i.chain_id = ?1 AND i.sender = ?2 AND i.nonce = recent.nonce \
             JOIN attempts a ON a.intent_id = i.id \
             JOIN intent_events e ON e.id = (SELECT max(id) FROM intent_events WHERE intent_id = i.id)";
        let row = sqlx::query(query)
            .bind(self.integer(chain_id, "chain id")?)
            .bind(address_text(&sender))
            .bind(self.integer(since, "time")?)
            .bind(except.map(|nonce| self.integer(nonce, "nonce")).transpose()?)
            .fetch_one(&self.pool)
            .await
            .map_err(|error| self.error(&error))?;
        let fees: Vec<(u64, u64, String, Option<String>)> =
            serde_json::from_str(&self.column::<String>(&row, "fees")?)
                .map_err(|_| self.out_of_range("fee"))?;
        let parsed = |text: &str| text.parse::<U256>().map_err(|_| self.out_of_range("fee"));
        let mut nonces = BTreeMap::<u64, Fees>::new();
        for (nonce, gas_limit, cap, fee) in &fees {
            let fees = nonces.entry(*nonce).or_default();
            fees.cap = fees.cap.max(parsed(cap)?.saturating_mul(U256::from(*gas_limit)));
            fees.paid = fee.as_deref().map(parsed).transpose()?.or(fees.paid);
        }
        let of_nonce = |fees: &Fees| fees.paid.unwrap_or(fees.cap);
        Ok(nonces.values().map(of_nonce).fold(U256::ZERO, U256::saturating_add))
    }
}

fn by_nonce(entries: Vec<IntentEntry>) -> Vec<SlotEntry> {
    let mut slots = Vec::<SlotEntry>::new();
    for entry in entries {
        match slots.last_mut() {
            Some(slot) if slot.nonce == entry.record.nonce => slot.intents.push(entry),
            _ => slots.push(SlotEntry { nonce: entry.record.nonce, intents: vec![entry] }),
        }
    }
    slots
}
