//! The part of a block header that the keeper uses.

use alloy::primitives::B256;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::fees;

/// Facts of one block header.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Height, below 2⁶³.
    #[serde(deserialize_with = "recordable")]
    pub number: u64,
    /// Hash of the block.
    pub hash: B256,
    /// Hash of the block before.
    pub parent_hash: B256,
    /// Block time, seconds since the Unix epoch, below 2⁶³.
    #[serde(deserialize_with = "recordable")]
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

    /// Why there is no [`Self::next_base_fee`], where there is none.
    #[must_use]
    pub fn base_fee_fault(&self) -> Option<String> {
        let Self { gas_limit, gas_used, .. } = self;
        match (self.base_fee_per_gas, self.next_base_fee()) {
            (_, Some(_)) => None,
            (None, None) => Some("the header has no base fee; the chain must have EIP-1559".to_owned()),
            (Some(fee), None) => Some(format!(
                "the header breaks the rules of EIP-1559: gas limit {gas_limit}, gas used {gas_used}, base fee {fee}"
            )),
        }
    }
}

/// A height or time that a record can hold: no chain gets further, only a broken answer does.
fn recordable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let value: u64 = alloy::serde::quantity::deserialize(deserializer)?;
    let fits = i64::try_from(value).is_ok();
    if fits { Ok(value) } else { Err(D::Error::custom(format!("{value} is no height or time of a block"))) }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn header(gas_limit: u64, base_fee_per_gas: Option<u64>) -> Header {
        Header {
            number: 1,
            hash: B256::ZERO,
            parent_hash: B256::ZERO,
            timestamp: 1,
            gas_limit,
            gas_used: 0,
            base_fee_per_gas,
        }
    }

    #[test]
    fn a_missing_base_fee_and_an_impossible_header_are_told_apart() {
        assert_eq!(header(30_000_000, Some(7)).base_fee_fault(), None);
        let missing = header(30_000_000, None).base_fee_fault().unwrap();
        assert_eq!(missing, "the header has no base fee; the chain must have EIP-1559");
        let impossible = header(0, Some(7)).base_fee_fault().unwrap();
        assert_eq!(
            impossible,
            "the header breaks the rules of EIP-1559: gas limit 0, gas used 0, base fee 7"
        );
    }
}
