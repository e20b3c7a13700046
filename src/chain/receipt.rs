//! The receipt of a transaction, as one node tells it.

use alloy::primitives::{Address, B256, Log, U256};
use serde::{Deserialize, Serialize};

/// Facts of one receipt. It counts only once its block hash is known to be canonical.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// Hash of the transaction.
    pub transaction_hash: B256,
    /// Hash of the block that holds it.
    pub block_hash: B256,
    /// Height of that block.
    pub block_number: u64,
    /// Sender.
    pub from: Address,
    /// Whether the transaction succeeded; a reverted one still costs its gas.
    pub success: bool,
    /// Gas used.
    pub gas_used: u64,
    /// Price paid, wei per gas.
    pub effective_gas_price: u128,
    /// Fee for the data on the layer below, wei; zero where there is none.
    pub l1_fee: U256,
    /// The part of the gas that an Arbitrum chain takes for data; zero where there is none.
    pub gas_used_for_l1: u64,
    /// Events, in their order.
    pub logs: Vec<Log>,
}

impl Receipt {
    /// Everything that the sender paid for it, in wei; an operator's fee is not in it, since no receipt says it.
    #[must_use]
    pub fn fee(&self) -> U256 {
        U256::from(self.gas_used)
            .saturating_mul(U256::from(self.effective_gas_price))
            .saturating_add(self.l1_fee)
    }
}

/// The receipt on the wire. Some nodes answer one without a block for a transaction in their pool.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireReceipt {
    transaction_hash: B256,
    block_hash: Option<B256>,
    #[serde(default, with = "alloy::serde::quantity::opt")]
    block_number: Option<u64>,
    from: Address,
    #[serde(with = "alloy::serde::quantity")]
    status: u64,
    #[serde(with = "alloy::serde::quantity")]
    gas_used: u64,
    #[serde(with = "alloy::serde::quantity")]
    effective_gas_price: u128,
    #[serde(default)]
    l1_fee: Option<U256>,
    #[serde(default, rename = "gasUsedForL1", with = "alloy::serde::quantity::opt")]
    gas_used_for_l1: Option<u64>,
    logs: Vec<alloy::rpc::types::Log>,
}

impl WireReceipt {
    pub(super) fn included(self) -> Option<Receipt> {
        Some(Receipt {
            transaction_hash: self.transaction_hash,
            block_hash: self.block_hash?,
            block_number: self.block_number?,
            from: self.from,
            success: self.status == 1,
            gas_used: self.gas_used,
            effective_gas_price: self.effective_gas_price,
            l1_fee: self.l1_fee.unwrap_or_default(),
            gas_used_for_l1: self.gas_used_for_l1.unwrap_or_default(),
            logs: self.logs.into_iter().map(|log| log.inner).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A receipt of 200,000 gas at 10 wei with another field.
    fn receipt(field: &str, value: &str) -> Receipt {
        let mut receipt: Value = json!({
            "transactionHash": B256::repeat_byte(1), "blockHash": B256::repeat_byte(2), "blockNumber": "0x7",
            "from": Address::repeat_byte(3), "status": "0x1", "gasUsed": "0x30d40", "effectiveGasPrice": "0xa",
            "logs": [],
        });
        receipt[field] = value.into();
        serde_json::from_value::<WireReceipt>(receipt).unwrap().included().unwrap()
    }

    #[test]
    fn what_a_rollup_takes_for_data_is_beside_gas_or_part_of_it() {
        let plain = receipt("type", "0x2");
        assert_eq!((plain.fee(), plain.gas_used_for_l1), (U256::from(2_000_000), 0));
        // An OP-stack chain takes it beside gas, Arbitrum as gas.
        assert_eq!(receipt("l1Fee", "0x64").fee(), U256::from(2_000_100));
        let arbitrum = receipt("gasUsedForL1", "0x2710");
        assert_eq!((arbitrum.fee(), arbitrum.gas_used_for_l1), (U256::from(2_000_000), 10_000));
    }
}
