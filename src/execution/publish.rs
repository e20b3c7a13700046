//! Handing bytes to a node, and what its answer means.

use alloy::primitives::{B256, Bytes};

use super::classify::classify;
use crate::chain::{ChainError, Endpoint};

/// What became of one publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// The node has the bytes.
    Accepted,
    /// The bytes may be live.
    Ambiguous(Doubt),
    /// The node did not take the bytes, and says why in words that are known.
    Rejected(Rejection),
}

/// Why it is not known whether bytes are live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// The node has another transaction at this nonce.
    ReplacementUnderpriced,
    /// The nonce is consumed, perhaps by these very bytes.
    NonceTooLow,
    /// The node misses earlier nonces.
    NonceTooHigh,
    /// The node takes nothing of the kind for now: a full pool, a limit on requests, a sync.
    NotNow,
    /// The node answered another hash than that of the bytes.
    WrongHash {
        /// The answered hash.
        returned: B256,
    },
    /// No answer, or one in words that are not known.
    Unclear {
        /// The failure.
        message: String,
    },
}

impl Doubt {
    /// Stable name for records.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ReplacementUnderpriced => "replacement_underpriced",
            Self::NonceTooLow => "nonce_too_low",
            Self::NonceTooHigh => "nonce_too_high",
            Self::NotNow => "not_now",
            Self::WrongHash { .. } => "wrong_hash",
            Self::Unclear { .. } => "unclear",
        }
    }
}

/// Why a node certainly did not take the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The balance of the key does not cover gas limit times fee cap.
    #[error("the key has too little ether; refill it")]
    InsufficientFunds,
    /// The fee cap or the tip is below what the node takes now.
    #[error("its fee cap or tip is below what the node takes now")]
    Underpriced,
    /// The gas limit does not fit the block or the call.
    #[error("its gas limit does not fit")]
    GasLimit,
    /// The node takes no such transaction.
    #[error("the node takes no such transaction (type, chain id, size or signature)")]
    Invalid,
}

impl Rejection {
    /// Stable name for records.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::InsufficientFunds => "insufficient_funds",
            Self::Underpriced => "underpriced",
            Self::GasLimit => "gas_limit",
            Self::Invalid => "invalid",
        }
    }
}

/// Sends signed bytes; total, because no failure here is evidence.
pub(super) async fn publish(endpoint: &Endpoint, hash: B256, raw: &Bytes) -> Published {
    match endpoint.send_raw_transaction(raw).await {
        Ok(returned) if returned == hash => Published::Accepted,
        Ok(returned) => Published::Ambiguous(Doubt::WrongHash { returned }),
        Err(ChainError::Rpc { message, .. }) => classify(&message),
        Err(error) => Published::Ambiguous(Doubt::Unclear { message: error.to_string() }),
    }
}
