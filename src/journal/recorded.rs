//! Recorded blocks by their heights, and whether the chain has left them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use alloy::primitives::B256;
use sqlx::AssertSqlSafe;

use super::review::{BLOCKS, bounds};
use super::{Journal, JournalError};

/// Blocks of either kind of record that are told at most: no chain goes back further.
const MOST: i64 = 256;

/// Those of full records.
pub(super) const OF_CYCLES: &str = "SELECT DISTINCT block_number, unhex(substr(block_hash, 3)) AS block_hash, 0 AS agreed, orphaned \
     FROM cycles WHERE chain_id = ?1 AND block_number BETWEEN ?2 AND ?3 ORDER BY block_number DESC LIMIT ?4";

/// Those of records of blocks.
pub(super) const OF_BLOCKS: &str =
    "WHERE b.chain_id = ?1 AND b.block_number BETWEEN ?2 AND ?3 ORDER BY b.block_number DESC LIMIT ?4";

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

impl Recorded {
    fn and(&mut self, other: &Self) {
        self.agreed |= other.agreed;
        self.stands |= other.stands;
        self.left |= other.left;
    }
}

impl Journal {
    /// The blocks of a chain at these heights of which there are records, by height; those of the highest 256 records of blocks and
    /// of the highest 256 blocks with full records.
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
        for query in [format!("{BLOCKS} {OF_BLOCKS}"), OF_CYCLES.to_owned()] {
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
}
