//! The part of a block header that the keeper uses.

use alloy::primitives::B256;
use serde::Deserialize;

use super::fees;

/// Facts of one block header.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Height.
    #[serde(with = "alloy::serde::quantity")]
    pub number: u64,
    /// Hash of the block.
    pub hash: B256,
    /// Hash of the block before.
    pub parent_hash: B256,
    /// Block time, seconds since the Unix epoch.
    #[serde(with = "alloy::serde::quantity")]
    pub timestamp: u64,
    /// Most gas that the block could use.
    #[serde(with = "alloy::serde::quantity")]
    pub gas_limit: u64,
    /// Gas that the block used.
    #[serde(with = "alloy::serde::quantity")]
    pub gas_used: u64,
    /// Base fee in wei per gas; absent before London.
    #[serde(default, with = "alloy::serde::quantity::opt")]
    pub base_fee_per_gas: Option<u64>,
}

impl Header {
    /// Base fee of the next block, wei per gas, by EIP-1559 as on Ethereum mainnet.
    ///
    /// `None` before London and for a header that breaks the rules of EIP-1559.
    #[must_use]
    pub fn next_base_fee(&self) -> Option<u64> {
        fees::next_base_fee(self.base_fee_per_gas?, self.gas_used, self.gas_limit)
    }
}

/// A header with the hashes of its transactions.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Block {
    /// The header.
    #[serde(flatten)]
    pub header: Header,
    /// Hashes of the transactions, in their order.
    pub transactions: Vec<B256>,
}
