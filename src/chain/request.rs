//! What is asked of a node: the block of a read, and a call to simulate.

use alloy::primitives::{Address, B256, Bytes, Log, U64};
use serde::{Serialize, Serializer, ser::SerializeMap};

/// The state that a read is made on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The state after the block with this hash, which must be canonical (EIP-1898).
    Hash(B256),
    /// The state that the next block starts from, in the environment of that block. Serves simulation only: inside
    /// it `blockhash` of the newest block is known, while at the newest block itself it reads zero.
    Pending,
}

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Hash(hash) => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("blockHash", hash)?;
                map.serialize_entry("requireCanonical", &true)?;
                map.end()
            }
            Self::Pending => serializer.serialize_str("pending"),
        }
    }
}

/// A call without value, to be executed by a node without a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallRequest {
    /// Account that the call comes from; the zero address when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Address>,
    /// Contract called.
    pub to: Address,
    /// Calldata. Sent as `data`, the one name that every client understands.
    pub data: Bytes,
}

/// Events of one contract and one signature in a range of blocks, its ends included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter {
    /// The contract.
    pub address: Address,
    /// Hash of the event's signature.
    pub event: B256,
    /// First block.
    pub from: u64,
    /// Last block.
    pub to: u64,
}

impl Serialize for LogFilter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("address", &self.address)?;
        map.serialize_entry("topics", &[self.event])?;
        map.serialize_entry("fromBlock", &U64::from(self.from))?;
        map.serialize_entry("toBlock", &U64::from(self.to))?;
        map.end()
    }
}

/// An event and where it was mined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinedLog {
    /// Height of the block.
    pub block_number: u64,
    /// Hash of the transaction.
    pub transaction_hash: B256,
    /// The event.
    pub log: Log,
}

/// What became of a call executed by a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Simulated<T> {
    /// It succeeded.
    Success(T),
    /// It reverted, with this data (empty when the contract or the node gave none).
    Reverted(Bytes),
}
