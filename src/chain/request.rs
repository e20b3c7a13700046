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

/// Events of some contracts in a range of blocks, its ends included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFilter {
    /// The contracts; never none, since that would be all.
    pub addresses: Vec<Address>,
    /// Hash of the event's signature; where absent, every event.
    pub event: Option<B256>,
    /// First block.
    pub from: u64,
    /// Last block.
    pub to: u64,
}

impl LogFilter {
    /// Whether it asks for `log` of the block at this height.
    pub(super) fn asks_for(&self, log: &Log, height: u64) -> bool {
        let topic = log.topics().first();
        self.addresses.contains(&log.address)
            && (self.from..=self.to).contains(&height)
            && self.event.is_none_or(|event| topic == Some(&event))
    }
}

impl Serialize for LogFilter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("address", &self.addresses)?;
        if let Some(event) = self.event {
            map.serialize_entry("topics", &[event])?;
        }
        map.serialize_entry("fromBlock", &U64::from(self.from))?;
        map.serialize_entry("toBlock", &U64::from(self.to))?;
        map.end()
    }
}

/// An event and where it was mined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
