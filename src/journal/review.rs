//! Reading the journal from its beginning, for those who look at all of it: page by page, each with its place in the ledger.
//!
//! A page is empty after the last record. What is held in memory does not grow with the journal.

use std::ops::RangeInclusive;

use alloy::primitives::{Address, B256};
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _};

use super::content::address_text;
use super::heads::{Absences, Roster, RunRecord, split};
use super::read::{CYCLES, INTENTS};
use super::{CycleEntry, IntentEntry, IntentId, Journal, JournalError};
use crate::domain::merkle::TreeHead;

/// Records of a page; rosters and cycles are large.
const PAGE: i64 = 200;

/// Blocks with their places in the ledger; a condition follows. The records are looked up first, whatever SQLite holds for
/// better: `CROSS JOIN` and the `+` say so (<https://www.sqlite.org/optoverview.html>). A block is orphaned where it left the chain after it was
/// recorded, and is not back.
pub(super) const BLOCKS: &str = "SELECT b.*, b.leaves > 0 AS agreed, bl.seq, bl.hash AS ledger_hash, EXISTS (\
     SELECT 1 FROM orphans o CROSS JOIN ledger ol ON ol.kind = 'orphaned' AND ol.record = +o.id \
     WHERE o.chain_id = b.chain_id AND o.block_hash = '0x' || lower(hex(b.block_hash)) AND ol.seq > bl.seq \
     AND NOT EXISTS (SELECT 1 FROM returns r \
     WHERE r.chain_id = o.chain_id AND r.block_hash = o.block_hash AND r.last_orphan >= o.id)\
     ) AS orphaned FROM blocks b CROSS JOIN ledger bl ON bl.kind = 'block' AND bl.record = +b.id";

/// Blocks of a chain at some heights.
const AT_HEIGHTS: &str = "WHERE b.chain_id = ?1 AND b.block_number BETWEEN ?2 AND ?3 \
     AND (b.block_number, b.id) > (?2, ?4) ORDER BY b.block_number, b.id LIMIT ?5";

/// The highest block of a chain below a height that is not orphaned.
const BELOW: &str = "WHERE b.chain_id = ?1 AND b.block_number < ?2 AND NOT orphaned \
     ORDER BY b.block_number DESC, b.id DESC LIMIT 1";

/// The block of a chain that was recorded last.
const NEWEST: &str = "WHERE +b.chain_id = ?1 ORDER BY b.id DESC LIMIT 1";

/// Cycles of a vault at some heights.
const OF_VAULT: &str = "WHERE c.vault = ?1 AND c.id > ?2 AND c.chain_id = ?3 AND c.block_number BETWEEN ?4 AND ?5 \
     ORDER BY c.id LIMIT ?6";

/// How many full records and intents of a vault, and records of blocks of its chain, there are about some heights.
const COUNT: &str = "SELECT (SELECT count(*) FROM cycles WHERE vault = ?1 AND chain_id = ?2 AND block_number BETWEEN ?3 AND ?4) \
     + (SELECT count(*) FROM blocks WHERE chain_id = ?2 AND block_number BETWEEN ?3 AND ?4) \
     + (SELECT count(*) FROM intents i JOIN cycles c ON c.id = i.cycle_id \
     WHERE i.vault = ?1 AND i.chain_id = ?2 AND c.block_number BETWEEN ?3 AND ?4) AS records";

/// A process as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEntry {
    /// Its number among processes.
    pub id: i64,
    /// Its number in the ledger.
    pub seq: i64,
    /// Wall-clock time of its beginning, seconds since the Unix epoch. For the reader's orientation alone.
    pub recorded_at: i64,
    /// The record.
    pub record: RunRecord,
}

/// The vaults of a process on a chain, as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RosterEntry {
    /// Its number in the ledger.
    pub seq: i64,
    /// Number of the process among processes.
    pub run: i64,
    /// The vaults.
    pub roster: Roster,
}

/// A head as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockEntry {
    id: i64,
    /// Its number in the ledger.
    pub seq: i64,
    /// Hash of the ledger up to it.
    pub ledger_hash: B256,
    /// Wall-clock time of the write, seconds since the Unix epoch. For the reader's orientation alone.
    pub recorded_at: i64,
    /// Whether the block is known to have left the canonical chain since.
    pub orphaned: bool,
    /// Chain id.
    pub chain_id: u64,
    /// Height of the block.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Its time, seconds since the Unix epoch.
    pub timestamp: u64,
    /// Number of the roster among rosters.
    pub roster: i64,
    /// Number of leaves, and the root over them.
    pub head: TreeHead,
    /// The nodes of the lowest level that has [`crate::domain::merkle::STORED_NODES`] at most.
    pub level: Vec<B256>,
    /// The vaults of the roster without a leaf.
    pub absences: Absences,
}

impl BlockEntry {
    /// Its place among the heads of its chain, which one that is looked for can come after: its height, and its number among
    /// heads.
    #[must_use]
    pub const fn place(&self) -> (u64, i64) {
        (self.number, self.id)
    }
}

impl Journal {
    /// The heads of a chain at these heights by their heights, those of one height in the order of their writing; after
    /// the place given, that of the last one of the page before.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn blocks(
        &self,
        chain_id: u64,
        heights: RangeInclusive<u64>,
        after: Option<(u64, i64)>,
    ) -> Result<Vec<BlockEntry>, JournalError> {
        let (first, last) = bounds(&heights);
        let from = after.map_or((first, 0), |(number, id)| (bound(number), id));
        let query = format!("{BLOCKS} {AT_HEIGHTS}");
        let query = sqlx::query(AssertSqlSafe(query)).bind(self.integer(chain_id, "chain id")?);
        let query = query.bind(from.0).bind(last).bind(from.1).bind(PAGE);
        let rows = query.fetch_all(&self.pool).await.map_err(|error| self.error(&error))?;
        rows.iter().map(|row| self.block_entry(row)).collect()
    }

    /// The head of a chain that was recorded last, orphaned or not; `None` where none was.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn newest_block(&self, chain_id: u64) -> Result<Option<BlockEntry>, JournalError> {
        let query = format!("{BLOCKS} {NEWEST}");
        let query = sqlx::query(AssertSqlSafe(query)).bind(self.integer(chain_id, "chain id")?);
        let row = query.fetch_optional(&self.pool).await.map_err(|error| self.error(&error))?;
        row.map(|row| self.block_entry(&row)).transpose()
    }

    /// The head of a chain at the greatest height below this one, however far below, that is not orphaned; of several
    /// the one that was recorded last. `None` where there is none.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn block_below(&self, chain_id: u64, height: u64) -> Result<Option<BlockEntry>, JournalError> {
        let query = format!("{BLOCKS} {BELOW}");
        let query = sqlx::query(AssertSqlSafe(query)).bind(self.integer(chain_id, "chain id")?);
        let row = query.bind(bound(height)).fetch_optional(&self.pool).await;
        row.map_err(|error| self.error(&error))?.map(|row| self.block_entry(&row)).transpose()
    }

    /// Height of the highest block of a chain that is recorded and not orphaned; `None` where there is none.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn highest_block(&self, chain_id: u64) -> Result<Option<u64>, JournalError> {
        // An earlier version recorded cycles alone.
        let query = format!(
            "SELECT max(block) AS block FROM (\
             SELECT max(block_number) AS block FROM cycles WHERE chain_id = ?1 AND orphaned = 0 \
             UNION ALL SELECT * FROM (SELECT block_number FROM ({BLOCKS} WHERE b.chain_id = ?1) \
             WHERE orphaned = 0 ORDER BY block_number DESC LIMIT 1))"
        );
        let query = sqlx::query(AssertSqlSafe(query)).bind(self.integer(chain_id, "chain id")?);
        let row = query.fetch_one(&self.pool).await.map_err(|error| self.error(&error))?;
        let block: Option<i64> = self.column(&row, "block")?;
        block.map(|block| self.unsigned(block, "block number")).transpose()
    }

    /// The lowest and the highest block of a chain that anything is recorded of, orphaned or not; `None` where nothing is.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn reach(&self, chain_id: u64) -> Result<Option<RangeInclusive<u64>>, JournalError> {
        let query = "SELECT min(block) AS first, max(block) AS last FROM (\
             SELECT block_number AS block FROM cycles WHERE chain_id = ?1 \
             UNION ALL SELECT block_number FROM blocks WHERE chain_id = ?1)";
        let query = sqlx::query(query).bind(self.integer(chain_id, "chain id")?);
        let row = query.fetch_one(&self.pool).await.map_err(|error| self.error(&error))?;
        let ends: (Option<i64>, Option<i64>) = (self.column(&row, "first")?, self.column(&row, "last")?);
        let (Some(first), Some(last)) = ends else { return Ok(None) };
        Ok(Some(self.unsigned(first, "block number")?..=self.unsigned(last, "block number")?))
    }

    /// The chains that anything is recorded of, ascending.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn chains(&self) -> Result<Vec<u64>, JournalError> {
        let query = "SELECT chain_id FROM rosters UNION SELECT chain_id FROM cycles ORDER BY chain_id";
        let rows = sqlx::query(query).fetch_all(&self.pool).await.map_err(|error| self.error(&error))?;
        rows.iter().map(|row| self.unsigned_column(row, "chain_id")).collect()
    }

    /// The processes that wrote this journal, oldest first; after the one of number `after` among processes.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn runs(&self, after: i64) -> Result<Vec<RunEntry>, JournalError> {
        let query = "SELECT r.*, l.seq FROM runs r CROSS JOIN ledger l ON l.kind = 'run' AND l.record = +r.id \
             WHERE r.id > ? ORDER BY r.id LIMIT ?";
        let query = sqlx::query(query).bind(after).bind(PAGE);
        let rows = query.fetch_all(&self.pool).await.map_err(|error| self.error(&error))?;
        rows.iter().map(|row| self.run_entry(row)).collect()
    }

    /// The rosters of a chain, oldest first; after the one of number `after` among rosters.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn rosters(&self, chain_id: u64, after: i64) -> Result<Vec<RosterEntry>, JournalError> {
        let query = "SELECT r.*, l.seq FROM rosters r CROSS JOIN ledger l ON l.kind = 'roster' AND l.record = +r.id \
             WHERE r.chain_id = ? AND r.id > ? ORDER BY r.id LIMIT ?";
        let query = sqlx::query(query).bind(self.integer(chain_id, "chain id")?).bind(after).bind(PAGE / 10);
        let rows = query.fetch_all(&self.pool).await.map_err(|error| self.error(&error))?;
        rows.iter().map(|row| self.roster_entry(row)).collect()
    }

    /// The roster of this number; `None` where there is none.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn roster(&self, id: i64) -> Result<Option<RosterEntry>, JournalError> {
        let query = "SELECT r.*, l.seq FROM rosters r CROSS JOIN ledger l ON l.kind = 'roster' AND l.record = +r.id \
             WHERE r.id = ?";
        let row = sqlx::query(query).bind(id).fetch_optional(&self.pool).await;
        row.map_err(|error| self.error(&error))?.map(|row| self.roster_entry(&row)).transpose()
    }

    /// The full records of a vault's cycles at these heights, in the order of their writing; after the one of number `after`
    /// among cycles.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn cycles(
        &self,
        (chain_id, vault): (u64, Address),
        heights: RangeInclusive<u64>,
        after: i64,
    ) -> Result<Vec<CycleEntry>, JournalError> {
        let (first, last) = bounds(&heights);
        let query = format!("{CYCLES} {OF_VAULT}");
        let query = sqlx::query(AssertSqlSafe(query)).bind(address_text(&vault)).bind(after);
        let query = query.bind(self.integer(chain_id, "chain id")?).bind(first).bind(last).bind(PAGE);
        let rows = query.fetch_all(&self.pool).await.map_err(|error| self.error(&error))?;
        rows.iter().map(|row| self.cycle_entry(row)).collect()
    }

    /// The intents for a vault of a chain with their attempts, oldest first; after the one given.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn intents_after(
        &self,
        (chain_id, vault): (u64, Address),
        after: Option<IntentId>,
    ) -> Result<Vec<IntentEntry>, JournalError> {
        let query =
            format!("{INTENTS} WHERE i.vault = ? AND i.id > ? AND i.chain_id = ? ORDER BY i.id LIMIT ?");
        let query = sqlx::query(AssertSqlSafe(query)).bind(address_text(&vault));
        let query =
            query.bind(after.map_or(0, i64::from)).bind(self.integer(chain_id, "chain id")?).bind(PAGE);
        let rows = query.fetch_all(&self.pool).await.map_err(|error| self.error(&error))?;
        self.intent_entries(&rows).await
    }

    /// How many records there are about a vault at these heights: full ones, those of blocks, and intents.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn records_about(
        &self,
        (chain_id, vault): (u64, Address),
        heights: RangeInclusive<u64>,
    ) -> Result<u64, JournalError> {
        let (first, last) = bounds(&heights);
        let query = sqlx::query(COUNT).bind(address_text(&vault)).bind(self.integer(chain_id, "chain id")?);
        let row = query.bind(first).bind(last).fetch_one(&self.pool).await;
        self.unsigned_column(&row.map_err(|error| self.error(&error))?, "records")
    }

    fn block_entry(&self, row: &SqliteRow) -> Result<BlockEntry, JournalError> {
        let absences: Option<String> = self.column(row, "absences")?;
        Ok(BlockEntry {
            id: self.column(row, "id")?,
            seq: self.column(row, "seq")?,
            ledger_hash: self.hash(row, "ledger_hash")?,
            recorded_at: self.column(row, "recorded_at")?,
            orphaned: self.column(row, "orphaned")?,
            chain_id: self.unsigned_column(row, "chain_id")?,
            number: self.unsigned_column(row, "block_number")?,
            hash: self.hash(row, "block_hash")?,
            timestamp: self.unsigned_column(row, "block_timestamp")?,
            roster: self.column(row, "roster_id")?,
            head: TreeHead { leaves: self.unsigned_column(row, "leaves")?, root: self.hash(row, "root")? },
            level: self.parts(row, "level")?,
            absences: Absences::parse(absences.as_deref()).ok_or_else(|| self.out_of_range("absences"))?,
        })
    }

    fn run_entry(&self, row: &SqliteRow) -> Result<RunEntry, JournalError> {
        Ok(RunEntry {
            id: self.column(row, "id")?,
            seq: self.column(row, "seq")?,
            recorded_at: self.column(row, "recorded_at")?,
            record: RunRecord {
                program_version: self.column(row, "program_version")?,
                decision_version: self.column(row, "decision_version")?,
            },
        })
    }

    fn roster_entry(&self, row: &SqliteRow) -> Result<RosterEntry, JournalError> {
        let chain_id = self.unsigned_column(row, "chain_id")?;
        let roster = Roster { id: self.column(row, "id")?, chain_id, vaults: self.parts(row, "vaults")? };
        Ok(RosterEntry { seq: self.column(row, "seq")?, run: self.column(row, "run_id")?, roster })
    }

    pub(super) fn hash(&self, row: &SqliteRow, name: &'static str) -> Result<B256, JournalError> {
        B256::try_from(self.column::<&[u8]>(row, name)?).map_err(|_| self.out_of_range(name))
    }

    fn parts<const N: usize, T: From<[u8; N]>>(
        &self,
        row: &SqliteRow,
        name: &'static str,
    ) -> Result<Vec<T>, JournalError> {
        split(row.try_get(name).map_err(|error| self.error(&error))?).ok_or_else(|| self.out_of_range(name))
    }
}

/// Heights as the database orders them.
pub(super) fn bounds(heights: &RangeInclusive<u64>) -> (i64, i64) {
    (bound(*heights.start()), bound(*heights.end()))
}

fn bound(height: u64) -> i64 {
    i64::try_from(height).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection, SqliteConnection};

    use super::super::recorded::{OF_BLOCKS, OF_CYCLES};
    use super::super::store::MIGRATIONS;
    use super::*;

    /// How SQLite goes about a query.
    async fn plan(query: &str) -> Vec<String> {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        MIGRATIONS.run_direct(None, &mut connection, false).await.unwrap();
        let explain = format!("EXPLAIN QUERY PLAN {query}");
        let rows = sqlx::query(AssertSqlSafe(explain)).fetch_all(&mut connection).await.unwrap();
        rows.iter().map(|row| row.get("detail")).collect()
    }

    #[tokio::test]
    async fn no_page_reads_more_than_its_records_and_their_places() {
        for (first, query) in [
            ("b USING INDEX blocks_by_number", format!("{BLOCKS} {AT_HEIGHTS}")),
            ("b USING INDEX blocks_by_number", format!("{BLOCKS} {BELOW}")),
            ("b USING INDEX blocks_by_number", format!("{BLOCKS} {OF_BLOCKS}")),
            ("b", format!("{BLOCKS} {NEWEST}")),
            ("c USING INDEX cycles_by_vault (vault=? AND id>?)", format!("{CYCLES} {OF_VAULT}")),
        ] {
            let plan = plan(&query).await;
            let starts = [format!("SEARCH {first}"), format!("SCAN {first}")];
            assert!(starts.iter().any(|start| plan[0].starts_with(start)), "{plan:#?}");
            assert!(plan[1].contains("ledger_by_record (kind=? AND record=?"), "{plan:#?}");
            assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:#?}");
        }
        let expected =
            "SEARCH cycles USING INDEX cycles_by_number (chain_id=? AND block_number>? AND block_number<?)";
        let plan = plan(OF_CYCLES).await;
        assert_eq!(plan[0], expected);
        assert!(!plan.iter().any(|step| step.contains("ORDER BY")), "{plan:#?}");
    }
}
