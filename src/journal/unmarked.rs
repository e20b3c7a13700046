//! Recorded blocks of which nothing says that they have left the chain.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use alloy::primitives::B256;
use sqlx::AssertSqlSafe;

use super::review::{BLOCKS, bounds};
use super::{Journal, JournalError};

/// Blocks of either kind of record that are told at most: no chain goes back further.
const MOST: i64 = 256;

/// Those of full records.
pub(super) const OF_CYCLES: &str = "SELECT DISTINCT block_number, unhex(substr(block_hash, 3)) AS block_hash, 0 AS agreed FROM cycles \
     WHERE chain_id = ?1 AND orphaned = 0 AND block_number BETWEEN ?2 AND ?3 ORDER BY block_number DESC LIMIT ?4";

/// Those of records of blocks, among which a condition follows.
pub(super) const OF_BLOCKS: &str = "WHERE b.chain_id = ?1 AND b.block_number BETWEEN ?2 AND ?3 AND NOT orphaned \
     ORDER BY b.block_number DESC LIMIT ?4";

/// A block that is recorded and not marked as one that left the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unmarked {
    /// Its hash.
    pub hash: B256,
    /// Whether anything was decided on it and the record of the block has that: the endpoints agreed on it then.
    pub agreed: bool,
}

impl Journal {
    /// The blocks of a chain at these heights that are recorded and not marked as ones that left it, by height; those of the
    /// highest 256 records of blocks and of the highest 256 blocks with full records.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn unmarked(
        &self,
        chain_id: u64,
        heights: RangeInclusive<u64>,
    ) -> Result<BTreeMap<u64, Vec<Unmarked>>, JournalError> {
        let ((first, last), chain) = (bounds(&heights), self.integer(chain_id, "chain id")?);
        let mut unmarked: BTreeMap<u64, Vec<Unmarked>> = BTreeMap::new();
        for query in [format!("{BLOCKS} {OF_BLOCKS}"), OF_CYCLES.to_owned()] {
            let query = sqlx::query(AssertSqlSafe(query)).bind(chain).bind(first).bind(last).bind(MOST);
            let rows = query.fetch_all(&self.pool).await.map_err(|error| self.error(&error))?;
            for row in &rows {
                let (hash, agreed) = (self.hash(row, "block_hash")?, self.column(row, "agreed")?);
                let at_height = unmarked.entry(self.unsigned_column(row, "block_number")?).or_default();
                match at_height.iter_mut().find(|known| known.hash == hash) {
                    Some(known) => known.agreed |= agreed,
                    None => at_height.push(Unmarked { hash, agreed }),
                }
            }
        }
        Ok(unmarked)
    }
}
