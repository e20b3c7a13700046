//! Receipts that count: from a canonical block, and told so by a second endpoint where there is one.

use std::sync::Arc;

use alloy::primitives::B256;

use super::standing::Lie;
use super::{Lease, Pool};
use crate::chain::{ChainError, Endpoint, Receipt};
use crate::defence::defended;

/// Who can bear out what the leased endpoint says.
#[derive(Debug, Clone)]
pub enum Second {
    /// This one.
    Endpoint(Arc<Endpoint>),
    /// There are others, and none of them is healthy.
    Silent,
    /// There is only one endpoint.
    Needless,
}

/// What a second endpoint says to a receipt.
enum Testimony {
    Confirms,
    /// It has not seen the block or the transaction yet, or has another block there.
    Unaware,
    /// It tells the same transaction in the same block with another outcome.
    Contradicts,
}

impl Pool {
    /// Who can bear out what `lease` says.
    #[must_use]
    pub fn second(&self, lease: &Lease) -> Second {
        if self.members.len() == 1 {
            return Second::Needless;
        }
        let other = self.others(lease).into_iter().next();
        other.map_or(Second::Silent, |(_, endpoint)| Second::Endpoint(endpoint))
    }

    /// The receipt of a transaction by the leased endpoint, where its block is canonical there. `None` proves nothing: it
    /// may come.
    ///
    /// An endpoint that tells a receipt from a block which it does not know is quarantined.
    ///
    /// # Errors
    /// The failure of a call.
    pub async fn receipt(&self, lease: &Lease, hash: B256) -> Result<Option<Receipt>, ChainError> {
        let Some(receipt) = lease.receipt(hash).await? else { return Ok(None) };
        let canonical = lease.header_by_number(receipt.block_number).await?;
        if canonical.is_some_and(|header| header.hash == receipt.block_hash) {
            return Ok(Some(receipt));
        }
        if lease.header_by_hash(receipt.block_hash).await?.is_none() && defended(29) {
            self.lied(lease.place, Lie::ForgedReceipt { transaction: hash });
        }
        Ok(None)
    }

    /// Whether a second endpoint, where there is one, tells the same of a transaction as the leased one's `receipt`.
    ///
    /// # Errors
    /// [`ChainError::NoVerdict`] where one tells its outcome differently.
    pub async fn is_borne_out(&self, lease: &Lease, receipt: &Receipt) -> Result<bool, ChainError> {
        if self.members.len() == 1 {
            return Ok(true);
        }
        for (_, witness) in self.others(lease) {
            match testimony(&witness, receipt).await {
                Err(_) | Ok(Testimony::Unaware) => {}
                Ok(Testimony::Confirms) => return Ok(true),
                Ok(Testimony::Contradicts) => {
                    return Err(contradicted(lease, &witness, receipt.transaction_hash));
                }
            }
        }
        Ok(false)
    }
}

async fn testimony(witness: &Endpoint, receipt: &Receipt) -> Result<Testimony, ChainError> {
    let (theirs, canonical) = tokio::join!(
        witness.receipt(receipt.transaction_hash),
        witness.header_by_number(receipt.block_number)
    );
    let (theirs, canonical) = (theirs?, canonical?);
    if canonical.is_none_or(|header| header.hash != receipt.block_hash) {
        return Ok(Testimony::Unaware);
    }
    Ok(match theirs {
        None => Testimony::Unaware,
        Some(theirs) if theirs.block_hash != receipt.block_hash => Testimony::Unaware,
        Some(theirs) if theirs.success == receipt.success && theirs.logs == receipt.logs => {
            Testimony::Confirms
        }
        Some(_) => Testimony::Contradicts,
    })
}

fn contradicted(lease: &Endpoint, witness: &Endpoint, hash: B256) -> ChainError {
    let (ours, theirs) = (lease.name(), witness.name());
    let reason = format!("`{ours}` and `{theirs}` tell the outcome of {hash} differently; check both nodes");
    ChainError::NoVerdict { reason }
}
