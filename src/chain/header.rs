//! The part of a block header that the keeper uses.

use alloy::primitives::{B256, Bytes};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use super::fees::Rule;
use crate::domain::policy::ChainKind;

/// Facts of one block header.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
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
    /// Blob gas that the block used; on an OP-stack chain from Jovian on the footprint of its data.
    #[serde(default, with = "alloy::serde::quantity::opt")]
    pub blob_gas_used: Option<u64>,
    /// What the producer wrote, at most 32 bytes; on an OP-stack chain the parameters of the next base fee.
    #[serde(default)]
    pub extra_data: Bytes,
}

impl Header {
    /// Base fee of the next block, wei per gas, as a chain of `kind` derives it from this one: Ethereum by EIP-1559; an
    /// OP-stack chain by EIP-1559 with the parameters in this header, where from Jovian on the data footprint counts as
    /// gas (specification, Jovian, "DA footprint block limit"); Arbitrum by the time and gas that the next block will
    /// have seen, which nobody knows, so that of this block stands for it.
    ///
    /// `None` before London and for a header that does not say enough or breaks the rules.
    #[must_use]
    pub fn next_base_fee(&self, kind: ChainKind) -> Option<u64> {
        let base_fee = self.base_fee_per_gas?;
        match kind {
            ChainKind::Ethereum => Rule::ETHEREUM.next_base_fee(base_fee, self.gas_used, self.gas_limit),
            ChainKind::OpStack => {
                let rule = Rule::of_op_stack(&self.extra_data)?;
                rule.next_base_fee(base_fee, self.gas_metered(), self.gas_limit)
            }
            ChainKind::Arbitrum => Some(base_fee),
        }
    }

    /// Gas that an OP-stack block is priced by. Before Jovian blobs are of no account, and their field is zero.
    fn gas_metered(&self) -> u64 {
        const JOVIAN: u8 = 1;
        let footprint = self.blob_gas_used.filter(|_| self.extra_data.first() == Some(&JOVIAN));
        self.gas_used.max(footprint.unwrap_or_default())
    }

    /// Why there is no [`Self::next_base_fee`], where there is none.
    #[must_use]
    pub fn base_fee_fault(&self, kind: ChainKind) -> Option<String> {
        let Self { gas_limit, gas_used, extra_data, .. } = self;
        let silent = kind == ChainKind::OpStack && Rule::of_op_stack(extra_data).is_none();
        match (self.base_fee_per_gas, self.next_base_fee(kind)) {
            (_, Some(_)) => None,
            (None, None) => Some("the header has no base fee; the chain must have EIP-1559".to_owned()),
            (Some(_), None) if silent => Some(format!(
                "extraData {extra_data} of the header states no base fee parameters: an OP-stack chain must have Holocene"
            )),
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
            blob_gas_used: None,
            extra_data: Bytes::new(),
        }
    }

    #[test]
    fn a_missing_base_fee_and_an_impossible_header_are_told_apart() {
        assert_eq!(header(30_000_000, Some(7)).base_fee_fault(ChainKind::Ethereum), None);
        let missing = header(30_000_000, None).base_fee_fault(ChainKind::Ethereum).unwrap();
        assert_eq!(missing, "the header has no base fee; the chain must have EIP-1559");
        let impossible = header(0, Some(7)).base_fee_fault(ChainKind::Ethereum).unwrap();
        assert_eq!(
            impossible,
            "the header breaks the rules of EIP-1559: gas limit 0, gas used 0, base fee 7"
        );
    }

    /// A header of an OP-stack chain with a target of 15 M gas and a denominator of 8.
    fn op_stack(gas_used: u64, blob_gas_used: u64, extra_data: &[u8]) -> Header {
        Header {
            gas_used,
            blob_gas_used: Some(blob_gas_used),
            extra_data: Bytes::copy_from_slice(extra_data),
            ..header(30_000_000, Some(1_000_000_000))
        }
    }

    #[test]
    fn each_kind_of_chain_prices_its_next_block_its_own_way() {
        let extra = [0, 0, 0, 0, 8, 0, 0, 0, 2];
        let next = |kind| op_stack(20_000_000, 0, &extra).next_base_fee(kind);
        assert_eq!(next(ChainKind::Ethereum), Some(1_041_666_666));
        assert_eq!(next(ChainKind::OpStack), Some(1_041_666_666));
        assert_eq!(next(ChainKind::Arbitrum), Some(1_000_000_000));
        let canyon = op_stack(10_000_000, 0, &[0, 0, 0, 0, 250, 0, 0, 0, 6]);
        assert_eq!(canyon.next_base_fee(ChainKind::OpStack), Some(1_004_000_000));
    }

    #[test]
    fn from_jovian_on_a_data_footprint_counts_as_gas() {
        let jovian = [1, 0, 0, 0, 8, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0];
        let next = |used, footprint, extra: &[u8]| {
            op_stack(used, footprint, extra).next_base_fee(ChainKind::OpStack)
        };
        assert_eq!(next(5_000_000, 20_000_000, &jovian), Some(1_041_666_666));
        assert_eq!(next(20_000_000, 5_000_000, &jovian), Some(1_041_666_666));
        // Before it, blobs are none of the chain's business.
        assert_eq!(next(5_000_000, 20_000_000, &jovian[..9]), None);
        assert_eq!(next(5_000_000, 20_000_000, &[0, 0, 0, 0, 8, 0, 0, 0, 2]), Some(916_666_667));
    }

    #[test]
    fn a_block_before_holocene_has_no_next_base_fee_and_says_why() {
        let before = op_stack(0, 0, &[]);
        assert_eq!(before.next_base_fee(ChainKind::OpStack), None);
        let fault = before.base_fee_fault(ChainKind::OpStack).unwrap();
        assert_eq!(
            fault,
            "extraData 0x of the header states no base fee parameters: an OP-stack chain must have Holocene"
        );
        assert_eq!(before.base_fee_fault(ChainKind::Arbitrum), None);
    }
}
