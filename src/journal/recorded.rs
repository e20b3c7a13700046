//! Recorded blocks by their heights, and whether the chain has left them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use alloy::primitives::{Address, B256};
use sqlx::AssertSqlSafe;

use super::content::address_text;
use super::review::{BLOCKS, bounds};
use super::{Journal, JournalError};

/// Heights that are told at most, and blocks of full records: no chain goes back further.
const MOST: i64 = 256;

/// Full records of a page.
const PAGE: i64 = 1_000;

/// The lowest of the highest heights that records of blocks are about.
const LOWEST: &str = "SELECT min(block_number) AS lowest FROM (SELECT DISTINCT block_number FROM blocks \
     WHERE chain_id = ?1 AND block_number BETWEEN ?2 AND ?3 ORDER BY block_number DESC LIMIT ?4)";

/// Full records with their places in the ledger.
const FULL: &str = "SELECT c.id, l.seq, c.block_hash, c.verdict, c.reason, c.policy_hash FROM cycles c \
     CROSS JOIN ledger l ON l.kind = 'cycle' AND l.record = +c.id \
     WHERE c.vault = ?1 AND c.id > ?2 AND c.chain_id = ?3 ORDER BY c.id LIMIT ?4";

/// Whether a process began, or a block of a chain was recorded, between two places of the ledger.
const BETWEEN: &str = "SELECT EXISTS (SELECT 1 FROM ledger l LEFT JOIN blocks b ON l.kind = 'block' AND b.id = l.record \
     WHERE l.seq > ?1 AND l.seq < ?2 AND (l.kind = 'run' OR b.chain_id = ?3)) AS looked";

/// Those of full records.
pub(super) const OF_CYCLES: &str = "SELECT DISTINCT block_number, unhex(substr(block_hash, 3)) AS block_hash, 0 AS agreed, orphaned \
     FROM cycles WHERE chain_id = ?1 AND block_number BETWEEN ?2 AND ?3 ORDER BY block_number DESC LIMIT ?4";

/// Those of records of blocks.
pub(super) const OF_BLOCKS: &str =
    "WHERE b.chain_id = ?1 AND b.block_number BETWEEN ?2 AND ?3 ORDER BY b.block_number DESC";

/// A block of which there are records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// Its hash.
    pub hash: B256,
    /// Whether anything was decided on it, and the record of the block has that and is not marked: the endpoints agreed on it then.
    pub agreed: bool,
    /// Whether a record of it is not marked as one of a block that left the chain.
    pub stands: bool,
    /// Whether a record of it is.
    pub left: bool,
}

/// What a full record says, without its texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullRecord {
    /// Its number among full records.
    pub id: i64,
    /// Its number in the ledger.
    pub seq: i64,
    /// Hash of the block that was decided on.
    pub block_hash: B256,
    /// The kind of decision.
    pub verdict: String,
    /// Its reason code.
    pub reason: Option<String>,
    /// Hash of the policy that was followed.
    pub policy_hash: B256,
}

impl Recorded {
    fn and(&mut self, other: &Self) {
        self.agreed |= other.agreed;
        self.stands |= other.stands;
        self.left |= other.left;
    }
}

impl Journal {
    /// The blocks of a chain at these heights of which there are records, by height; those of the highest 256 heights of records of
    /// blocks, and of the highest 256 blocks with full records.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn recorded(
        &self,
        chain_id: u64,
        heights: RangeInclusive<u64>,
    ) -> Result<BTreeMap<u64, Vec<Recorded>>, JournalError> {
        let ((first, last), chain) = (bounds(&heights), self.integer(chain_id, "chain id")?);
        let mut recorded: BTreeMap<u64, Vec<Recorded>> = BTreeMap::new();
        let query = sqlx::query(LOWEST).bind(chain).bind(first).bind(last).bind(MOST);
        let row = query.fetch_one(&self.pool).await.map_err(|error| self.error(&error))?;
        let lowest = self.column::<Option<i64>>(&row, "lowest")?.unwrap_or(first);
        for (query, first) in [(format!("{BLOCKS} {OF_BLOCKS}"), lowest), (OF_CYCLES.to_owned(), first)] {
            let query = sqlx::query(AssertSqlSafe(query)).bind(chain).bind(first).bind(last).bind(MOST);
            let rows = query.fetch_all(&self.pool).await.map_err(|error| self.error(&error))?;
            for row in &rows {
                let left: bool = self.column(row, "orphaned")?;
                let agreed = !left && self.column(row, "agreed")?;
                let block = Recorded { hash: self.hash(row, "block_hash")?, agreed, stands: !left, left };
                let at_height = recorded.entry(self.unsigned_column(row, "block_number")?).or_default();
                match at_height.iter_mut().find(|known| known.hash == block.hash) {
                    Some(known) => known.and(&block),
                    None => at_height.push(block),
                }
            }
        }
        Ok(recorded)
    }

    /// What the full records of a vault say, in the order of their writing; after the one of number `after` among full records.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn full_records(
        &self,
        (chain_id, vault): (u64, Address),
        after: i64,
    ) -> Result<Vec<FullRecord>, JournalError> {
        let query = sqlx::query(FULL).bind(address_text(&vault)).bind(after);
        let query = query.bind(self.integer(chain_id, "chain id")?).bind(PAGE);
        let rows = query.fetch_all(&self.pool).await.map_err(|error| self.error(&error))?;
        let record = |row| {
            Ok(FullRecord {
                id: self.column(row, "id")?,
                seq: self.column(row, "seq")?,
                block_hash: self.parsed(row, "block_hash")?,
                verdict: self.column(row, "verdict")?,
                reason: self.column(row, "reason")?,
                policy_hash: self.parsed(row, "policy_hash")?,
            })
        };
        rows.iter().map(record).collect()
    }

    /// Whether a process began, or a block of a chain was recorded, between two places of the ledger: then what was written at both
    /// was not written at one sight of a block.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn looked_between(
        &self,
        chain_id: u64,
        (after, before): (i64, i64),
    ) -> Result<bool, JournalError> {
        let query = sqlx::query(BETWEEN).bind(after).bind(before).bind(self.integer(chain_id, "chain id")?);
        let row = query.fetch_one(&self.pool).await.map_err(|error| self.error(&error))?;
        self.column(&row, "looked")
    }
}
