//! What is asked of a node: the block of a read, and a call to simulate.

use alloy::primitives::{Address, B256, Bytes};
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

/// What became of a call executed by a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Simulated<T> {
    /// It succeeded.
    Success(T),
    /// It reverted, with this data (empty when the contract or the node gave none).
    Reverted(Bytes),
}
