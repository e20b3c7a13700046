//! Recorded blocks that the chain has left, or is back at, also while no keeper was there to see it.
//!
//! One rule: what is recorded at the height of a block on which the endpoints agree, or of one of its ancestors, has left the chain
//! where it is another block, and where it is this one it has not, or is back.

use std::collections::BTreeMap;

use alloy::primitives::B256;
use eyre::{Result, WrapErr};

use crate::chain::pool::{Lease, Pool};
use crate::chain::{ChainError, Header};
use crate::journal::{Journal, Recorded};

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

    /// Marks what has left, and what is back, by the word of `header`, on which the endpoints agree, and of the headers `between` it and
    /// the head before. Where more may have left the recorded heights below are asked for; a node that fails is asked at the next head.
    /// Returns the blocks that have left.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub(super) async fn mark(
        &mut self,
        journal: &Journal,
        (pool, lease): (&Pool, &Lease),
        (header, between): (&Header, &[Header]),
    ) -> Result<Vec<B256>> {
        let chain_id = pool.chain_id();
        let lowest = between.first().map_or(header.number, |first| first.number.min(header.number));
        let heights = if self.marked { lowest..=header.number } else { 0..=u64::MAX };
        let recorded = journal.recorded(chain_id, heights).await.wrap_err("the journal")?;
        let mut there: BTreeMap<u64, B256> =
            between.iter().chain([header]).map(|header| (header.number, header.hash)).collect();
        if !self.marked {
            let proofs = PROOFS.saturating_add(self.failed);
            match below((&recorded, proofs), (pool, lease), there.clone()).await {
                Ok(asked) => (there, *self) = (asked, Self { marked: true, failed: 0 }),
                Err(error) => {
                    self.failed = self.failed.saturating_add(1);
                    let block = header.number;
                    tracing::warn!(block, %error, "whether the chain has left earlier heads is not known");
                }
            }
        }
        for (block, hash) in told(&recorded, &there, |known, hash| known.left && known.hash == hash) {
            journal.mark_returned(chain_id, hash).await.wrap_err("the journal")?;
            tracing::warn!(block, %hash, "the chain is back at it");
        }
        let left = told(&recorded, &there, |known, hash| known.stands && known.hash != hash);
        let mut gone = Vec::new();
        for (block, hash) in left.into_iter().chain(above(&recorded, &there, header.number)) {
            let marked = journal.mark_orphaned(chain_id, hash).await.wrap_err("the journal")?;
            tracing::warn!(block, %hash, ?marked, "the chain has left it");
            gone.push(hash);
        }
        Ok(gone)
    }
}

/// Of what is recorded at the heights of `there` that which `is` so beside the hash that the chain has, by height.
fn told(
    recorded: &BTreeMap<u64, Vec<Recorded>>,
    there: &BTreeMap<u64, B256>,
    is: impl Fn(&Recorded, B256) -> bool,
) -> Vec<(u64, B256)> {
    let at_height = |(number, hash): (&u64, &B256)| {
        let blocks = recorded.get(number).into_iter().flatten().filter(|known| is(known, *hash));
        blocks.map(|known| (*number, known.hash)).collect::<Vec<_>>()
    };
    there.iter().flat_map(at_height).collect()
}

/// What stands above the head, where that of the highest recorded height up to the head on which the endpoints agreed has left: it
/// came after that. Otherwise it may be to come.
fn above(
    recorded: &BTreeMap<u64, Vec<Recorded>>,
    there: &BTreeMap<u64, B256>,
    head: u64,
) -> Vec<(u64, B256)> {
    let agreed = |known: &&Recorded| known.agreed;
    let below = recorded.range(..=head).rev().find(|(_, blocks)| blocks.iter().any(|known| known.agreed));
    let there = below.and_then(|(number, blocks)| Some((blocks, there.get(number)?)));
    let left =
        there.is_some_and(|(blocks, hash)| blocks.iter().filter(agreed).all(|known| known.hash != *hash));
    let higher = recorded.range(head.saturating_add(1)..).filter(|_| left);
    let standing = higher.flat_map(|(number, blocks)| {
        blocks.iter().filter(|known| known.stands).map(|known| (*number, known.hash))
    });
    standing.collect()
}

/// The hashes that the chain has at recorded heights, `told` among them: from the highest height down past as many `proofs`, records
/// on which the endpoints agreed and which are of the chain, since all below was marked before those were written where no node
/// failed; and those at which several blocks stand.
async fn below(
    (recorded, proofs): (&BTreeMap<u64, Vec<Recorded>>, usize),
    (pool, lease): (&Pool, &Lease),
    told: BTreeMap<u64, B256>,
) -> Result<BTreeMap<u64, B256>, ChainError> {
    let (mut there, mut found) = (told, 0_usize);
    let head = there.keys().next_back().copied().unwrap_or_default();
    for (number, at_height) in recorded.range(..=head).rev() {
        if found >= proofs && at_height.iter().filter(|known| known.stands).count() < 2 {
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
    // What was told one after the other is of one chain where that still has the head.
    let still = lease.header_by_number(head).await?.map(|header| header.hash);
    if still.as_ref() == there.get(&head) {
        Ok(there)
    } else {
        Err(ChainError::NoVerdict { reason: format!("`{}` has left block {head} meanwhile", lease.name()) })
    }
}

/// The hash of the chain's block at a height; where that says that something left or is back the endpoints have to agree on it.
async fn asked(
    (pool, lease): (&Pool, &Lease),
    number: u64,
    at_height: &[Recorded],
) -> Result<B256, ChainError> {
    let header = lease.header_by_number(number).await?;
    let missing = || ChainError::NoVerdict { reason: format!("`{}` has no block {number}", lease.name()) };
    let header = header.ok_or_else(missing)?;
    if at_height.iter().any(|known| known.left || known.hash != header.hash) {
        pool.agree(lease, &header).await?;
    }
    Ok(header.hash)
}
