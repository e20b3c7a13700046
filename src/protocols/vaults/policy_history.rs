//! Which policy a vault followed when, from its own state and its events: what an owner approved, block by block.

use alloy::primitives::{Address, B256};
use alloy::sol_types::SolEvent;

use super::rebalancing_vault::{PolicyHashChanged, state};
use crate::chain::{ChainError, Endpoint, LogFilter, MinedLog};

/// The policy hashes that a vault stored over a range of blocks.
///
/// Rules it keeps: its entries are in the order of the chain, the first is what held at the start of the range or, where
/// the vault came later, what it was deployed with; the last is what the vault stores at the end of the range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyHistory {
    entries: Vec<PolicyEntry>,
}

/// A policy hash and since when the vault stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PolicyEntry {
    /// Block after which it is stored.
    pub block: u64,
    /// How it came to be there.
    pub origin: Origin,
    /// The hash.
    pub hash: B256,
}

/// How a policy hash came to be in the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It was there before the range began.
    Before,
    /// The vault was deployed with it, of which no event tells.
    Deployed,
    /// The owner set it.
    Set {
        /// In this transaction.
        transaction: B256,
    },
}

/// Why there is no history.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// The endpoint failed on events.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The endpoint does not say what the vault stored at a block.
    #[error(
        "what the vault stored at block {block} cannot be read: a node without old states answers for recent blocks \
         alone; begin at one of those, or use a node that keeps them all"
    )]
    State {
        /// The block.
        block: u64,
        /// What the endpoint answered.
        source: ChainError,
    },
    /// The range ends beyond the chain.
    #[error("block {0} is not on this chain yet")]
    NoBlock(u64),
    /// There is no vault of ours at the end of the range.
    #[error("{0} does not answer state() at block {1}: check the vault's address and the range")]
    NotAVault(Address, u64),
    /// State and events do not go together: a node that left out an event, or a chain that was reorganised meanwhile.
    #[error(
        "the events end with policy {told} and the vault stores {stored} at block {block}: the endpoint left events out, \
         or the chain was reorganised meanwhile; ask again, or another endpoint"
    )]
    Incomplete {
        /// Last block of the range.
        block: u64,
        /// By the events.
        told: B256,
        /// By the state.
        stored: B256,
    },
}

impl PolicyHistory {
    /// The history of `vault` from block `from` to block `to`, both included. Reads the vault's state at both ends, and
    /// its events between them.
    ///
    /// # Errors
    /// [`HistoryError`]; then nothing is known of the range.
    pub async fn read(
        endpoint: &Endpoint,
        vault: Address,
        (from, to): (u64, u64),
    ) -> Result<Self, HistoryError> {
        let vault = Stored { endpoint, vault };
        let stored = vault.at(to).await?.ok_or(HistoryError::NotAVault(vault.vault, to))?;
        let first = vault.first(from, to).await?;
        let after = first.block.saturating_add(1);
        let mut entries = vec![first];
        if after <= to {
            let event = PolicyHashChanged::SIGNATURE_HASH;
            let filter = LogFilter { addresses: vec![vault.vault], event: Some(event), from: after, to };
            let logs = endpoint.all_logs(&filter).await?;
            let set = logs.iter().map(|mined| set(endpoint, mined));
            entries.extend(set.collect::<Result<Vec<_>, _>>()?);
        }
        let told = entries.last().map_or(first.hash, |entry| entry.hash);
        if told != stored {
            return Err(HistoryError::Incomplete { block: to, told, stored });
        }
        Ok(Self { entries })
    }

    /// Every hash, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[PolicyEntry] {
        &self.entries
    }

    /// The hash that the vault stores after block `height`: the one that a decision on that block follows. `None` before
    /// the vault was there; beyond the range it means nothing.
    #[must_use]
    pub fn in_force(&self, height: u64) -> Option<B256> {
        let until = self.entries.partition_point(|entry| entry.block <= height);
        let last = until.checked_sub(1)?;
        self.entries.get(last).map(|entry| entry.hash)
    }
}

/// The hash that a vault stores, by its state.
struct Stored<'a> {
    endpoint: &'a Endpoint,
    vault: Address,
}

impl Stored<'_> {
    /// After the block; `None` where there is no vault yet.
    async fn at(&self, block: u64) -> Result<Option<B256>, HistoryError> {
        let unread = |source| HistoryError::State { block, source };
        let header = self.endpoint.header_by_number(block).await.map_err(unread)?;
        let hash = header.ok_or(HistoryError::NoBlock(block))?.hash;
        let state = state(self.endpoint, hash, self.vault).await.map_err(unread)?;
        Ok(state.map(|state| state.identity.policyHash))
    }

    /// What is stored after block `from`, or after the first block that has the vault, which block `to` does.
    async fn first(&self, from: u64, to: u64) -> Result<PolicyEntry, HistoryError> {
        if let Some(hash) = self.at(from).await? {
            return Ok(PolicyEntry { block: from, origin: Origin::Before, hash });
        }
        // The vault is not there after `without`, and it is after `with`.
        let (mut without, mut with) = (from, to);
        while with.saturating_sub(without) > 1 {
            let middle = without.midpoint(with);
            if self.at(middle).await?.is_some() {
                with = middle;
            } else {
                without = middle;
            }
        }
        let hash = self.at(with).await?.ok_or(HistoryError::NotAVault(self.vault, with))?;
        Ok(PolicyEntry { block: with, origin: Origin::Deployed, hash })
    }
}

fn set(endpoint: &Endpoint, mined: &MinedLog) -> Result<PolicyEntry, ChainError> {
    let event = PolicyHashChanged::decode_log(&mined.log).map_err(|_| ChainError::BadResponse {
        endpoint: endpoint.name().to_owned(),
        method: "eth_getLogs",
        reason: format!("the event of {} is not that of a RebalancingVault", mined.transaction_hash),
    })?;
    let origin = Origin::Set { transaction: mined.transaction_hash };
    Ok(PolicyEntry { block: mined.block_number, origin, hash: event.policyHash })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_in_force_from_its_own_block_on() {
        let entry =
            |block, byte| PolicyEntry { block, origin: Origin::Before, hash: B256::repeat_byte(byte) };
        let history = PolicyHistory { entries: vec![entry(10, 1), entry(20, 2), entry(20, 3), entry(21, 4)] };
        let expected = [(9, None), (10, Some(1)), (19, Some(1)), (20, Some(3)), (21, Some(4)), (99, Some(4))];
        for (height, byte) in expected {
            assert_eq!(history.in_force(height), byte.map(B256::repeat_byte), "{height}");
        }
    }
}
