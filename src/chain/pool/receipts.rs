//! Receipts that count: from a canonical block, and told so by a second endpoint where there is one.

use alloy::primitives::B256;

use super::standing::Lie;
use super::{Lease, Pool};
use crate::chain::{ChainError, Endpoint, Receipt};

/// What a second endpoint says to a receipt.
enum Witness {
    Confirms,
    /// It has not seen the block or the transaction yet, or has another block there.
    Unaware,
    /// It tells the same transaction in the same block with another outcome.
    Contradicts,
}

impl Pool {
    /// The receipt of a transaction where it counts: its block is canonical by its hash at the leased endpoint, and a
    /// second one, where there is one, tells the same. `None` proves nothing: it may come.
    ///
    /// An endpoint that tells a receipt from a block which neither it nor another knows is quarantined.
    ///
    /// # Errors
    /// The failure of a call to the leased endpoint; [`ChainError::NoVerdict`] where two endpoints tell its outcome
    /// differently.
    pub async fn receipt(&self, lease: &Lease, hash: B256) -> Result<Option<Receipt>, ChainError> {
        let Some(receipt) = lease.receipt(hash).await? else { return Ok(None) };
        let canonical = lease.header_by_number(receipt.block_number).await?;
        if canonical.is_none_or(|header| header.hash != receipt.block_hash) {
            if lease.header_by_hash(receipt.block_hash).await?.is_none() {
                self.lied(lease.place, Lie::ForgedReceipt { transaction: hash });
            }
            return Ok(None);
        }
        let mut witnesses = self.others(lease).into_iter().peekable();
        if witnesses.peek().is_none() {
            return Ok(Some(receipt));
        }
        let mut silent = true;
        for (_, witness) in witnesses {
            match testimony(&witness, &receipt).await {
                Err(_) => {}
                Ok(Witness::Confirms) => return Ok(Some(receipt)),
                Ok(Witness::Unaware) => silent = false,
                Ok(Witness::Contradicts) => return Err(contradicted(lease, &witness, hash)),
            }
        }
        // Where no other answers there is no second one.
        Ok(silent.then_some(receipt))
    }
}

async fn testimony(witness: &Endpoint, receipt: &Receipt) -> Result<Witness, ChainError> {
    let (theirs, canonical) = tokio::join!(
        witness.receipt(receipt.transaction_hash),
        witness.header_by_number(receipt.block_number)
    );
    let (theirs, canonical) = (theirs?, canonical?);
    if canonical.is_none_or(|header| header.hash != receipt.block_hash) {
        return Ok(Witness::Unaware);
    }
    Ok(match theirs {
        None => Witness::Unaware,
        Some(theirs) if theirs.block_hash != receipt.block_hash => Witness::Unaware,
        Some(theirs) if theirs.success == receipt.success && theirs.logs == receipt.logs => Witness::Confirms,
        Some(_) => Witness::Contradicts,
    })
}

fn contradicted(lease: &Endpoint, witness: &Endpoint, hash: B256) -> ChainError {
    let (ours, theirs) = (lease.name(), witness.name());
    let reason = format!("`{ours}` and `{theirs}` tell the outcome of {hash} differently; check both nodes");
    ChainError::NoVerdict { reason }
}
