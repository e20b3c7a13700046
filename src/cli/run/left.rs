//! Recorded blocks that the chain has left, also while no keeper was there to see it.
//!
//! One rule: what is recorded at the height of a block on which the endpoints agree, or of one of its ancestors, and is another
//! block, has left the chain.

use std::collections::BTreeMap;

use alloy::primitives::B256;
use eyre::{Result, WrapErr};

use crate::chain::pool::{Lease, Pool};
use crate::chain::{ChainError, Header};
use crate::journal::{Journal, Unmarked};

/// Records of the chain below which all was marked when they were written, as long as no node failed then: a process that ended
/// before it could look again wrote some for which that is not so. Those of as many heads are no harm.
const PROOFS: usize = 16;

/// Whether everything that is recorded up to the last head, and is not of its chain, is marked.
pub(super) struct Left {
    marked: bool,
    /// Heads in a row at which a node failed. What was recorded of them is no proof that all below is marked.
    failed: usize,
}

impl Left {
    /// At the start of a process nothing is known.
    pub(super) const fn unknown() -> Self {
        Self { marked: false, failed: 0 }
    }

    /// After a head that is not joined to the one before, or on which the endpoints did not agree, more may have left than was told.
    pub(super) const fn doubt(&mut self) {
        self.marked = false;
    }

    /// Marks what has left by the word of `header`, on which the endpoints agree, and of the headers `between` it and the head
    /// before. Where more may have left the recorded heights below are asked for; a node that fails is asked at the next head.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub(super) async fn mark(
        &mut self,
        journal: &Journal,
        (pool, lease): (&Pool, &Lease),
        (header, between): (&Header, &[Header]),
    ) -> Result<()> {
        let chain_id = pool.chain_id();
        let lowest = between.first().map_or(header.number, |first| first.number.min(header.number));
        let heights = if self.marked { lowest..=header.number } else { 0..=header.number };
        let recorded = journal.unmarked(chain_id, heights).await.wrap_err("the journal")?;
        let told: BTreeMap<u64, B256> =
            between.iter().chain([header]).map(|header| (header.number, header.hash)).collect();
        let mut gone = others(&recorded, &told);
        if !self.marked {
            let proofs = PROOFS.saturating_add(self.failed);
            match below((&recorded, proofs), (pool, lease), told).await {
                Ok(asked) => {
                    gone = others(&recorded, &asked);
                    *self = Self { marked: true, failed: 0 };
                }
                Err(error) => {
                    self.failed = self.failed.saturating_add(1);
                    let block = header.number;
                    tracing::warn!(block, %error, "whether the chain has left earlier heads is not known");
                }
            }
        }
        for (block, hash) in gone {
            let marked = journal.mark_orphaned(chain_id, hash).await.wrap_err("the journal")?;
            tracing::warn!(block, %hash, ?marked, "the chain has left it");
        }
        Ok(())
    }
}

/// What is recorded at the heights of `there` and is not of its chain, by height.
fn others(recorded: &BTreeMap<u64, Vec<Unmarked>>, there: &BTreeMap<u64, B256>) -> Vec<(u64, B256)> {
    let other = |(number, hash): (&u64, &B256)| {
        let at_height = recorded.get(number).into_iter().flatten();
        let gone = at_height.filter(|known| known.hash != *hash).map(|known| (*number, known.hash));
        gone.collect::<Vec<_>>()
    };
    there.iter().flat_map(other).collect()
}

/// The hashes that the chain has at recorded heights, `told` among them: from the highest height down past as many `proofs`, records
/// on which the endpoints agreed and which are of the chain, since all below was marked before those were written where no node
/// failed; and those of which there is more than one record.
async fn below(
    (recorded, proofs): (&BTreeMap<u64, Vec<Unmarked>>, usize),
    (pool, lease): (&Pool, &Lease),
    told: BTreeMap<u64, B256>,
) -> Result<BTreeMap<u64, B256>, ChainError> {
    let (mut there, mut found) = (told, 0_usize);
    for (number, at_height) in recorded.iter().rev() {
        if found >= proofs && at_height.len() < 2 {
            continue;
        }
        let hash = match there.get(number) {
            Some(hash) => *hash,
            None => asked((pool, lease), *number, at_height).await?,
        };
        there.insert(*number, hash);
        if at_height.iter().any(|known| known.agreed && known.hash == hash) {
            found = found.saturating_add(1);
        }
    }
    Ok(there)
}

/// The hash of the chain's block at a height; where another is recorded the endpoints have to agree on it.
async fn asked(
    (pool, lease): (&Pool, &Lease),
    number: u64,
    at_height: &[Unmarked],
) -> Result<B256, ChainError> {
    let header = lease.header_by_number(number).await?;
    let missing = || ChainError::NoVerdict { reason: format!("`{}` has no block {number}", lease.name()) };
    let header = header.ok_or_else(missing)?;
    if at_height.iter().any(|known| known.hash != header.hash) {
        pool.agree(lease, &header).await?;
    }
    Ok(header.hash)
}
