//! Handing bytes to a node, and what its answer means.

use alloy::primitives::{B256, Bytes};

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

/// What the refusal of `eth_sendRawTransaction` means, by its text.
///
/// Codes differ by client (geth −32000, anvil −32003 and −32602, others −32010), texts are what they share. The first
/// line that matches counts, so the more special ones come first; an unknown text is ambiguous.
#[must_use]
pub fn classify(message: &str) -> Published {
    const TABLE: [(&str, Meaning); 32] = [
        ("already known", Meaning::Known),
        ("alreadyknown", Meaning::Known),
        ("already imported", Meaning::Known),
        ("known transaction", Meaning::Known),
        ("already in mempool", Meaning::Known),
        ("already exists in mempool", Meaning::Known),
        ("replacement transaction underpriced", Meaning::Replacement),
        ("replacement fee too low", Meaning::Replacement),
        ("replacementnotallowed", Meaning::Replacement),
        ("gas price too low to replace", Meaning::Replacement),
        ("nonce too low", Meaning::Low),
        ("nonce is too low", Meaning::Low),
        ("oldnonce", Meaning::Low),
        ("nonce has already been used", Meaning::Low),
        ("nonce too high", Meaning::High),
        ("nonce is too high", Meaning::High),
        ("nonce too distant", Meaning::High),
        ("nonce gap", Meaning::High),
        ("insufficient funds", Meaning::Reject(Rejection::InsufficientFunds)),
        ("insufficientfunds", Meaning::Reject(Rejection::InsufficientFunds)),
        ("insufficient balance", Meaning::Reject(Rejection::InsufficientFunds)),
        ("transaction underpriced", Meaning::Reject(Rejection::Underpriced)),
        ("less than block base fee", Meaning::Reject(Rejection::Underpriced)),
        ("feetoolow", Meaning::Reject(Rejection::Underpriced)),
        ("intrinsic gas too low", Meaning::Reject(Rejection::GasLimit)),
        ("exceeds block gas limit", Meaning::Reject(Rejection::GasLimit)),
        ("gas limit is too high", Meaning::Reject(Rejection::GasLimit)),
        ("greater than the block's gas limit", Meaning::Reject(Rejection::GasLimit)),
        ("transaction type not supported", Meaning::Reject(Rejection::Invalid)),
        ("invalid sender", Meaning::Reject(Rejection::Invalid)),
        ("invalid chain id", Meaning::Reject(Rejection::Invalid)),
        ("oversized data", Meaning::Reject(Rejection::Invalid)),
    ];
    let text = message.to_lowercase();
    let meaning = TABLE.iter().find(|(words, _)| text.contains(words)).map(|(_, meaning)| *meaning);
    match meaning {
        Some(Meaning::Known) => Published::Accepted,
        Some(Meaning::Replacement) => Published::Ambiguous(Doubt::ReplacementUnderpriced),
        Some(Meaning::Low) => Published::Ambiguous(Doubt::NonceTooLow),
        Some(Meaning::High) => Published::Ambiguous(Doubt::NonceTooHigh),
        Some(Meaning::Reject(rejection)) => Published::Rejected(rejection),
        None => Published::Ambiguous(Doubt::Unclear { message: message.to_owned() }),
    }
}

#[derive(Clone, Copy)]
enum Meaning {
    Known,
    Replacement,
    Low,
    High,
    Reject(Rejection),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dialect_of_already_known_is_acceptance() {
        for text in [
            "already known",
            "transaction already imported",
            "AlreadyKnown",
            "known transaction: 0xabc",
            "Transaction with the same hash was already imported.",
            "ALREADY KNOWN",
        ] {
            assert_eq!(classify(text), Published::Accepted, "{text}");
        }
    }

    #[test]
    fn nonce_and_replacement_answers_leave_the_bytes_possibly_live() {
        for (text, doubt) in [
            ("nonce too low: next nonce 5, tx nonce 4", Doubt::NonceTooLow),
            ("nonce too low", Doubt::NonceTooLow),
            ("OldNonce", Doubt::NonceTooLow),
            ("Nonce too high", Doubt::NonceTooHigh),
            ("replacement transaction underpriced", Doubt::ReplacementUnderpriced),
            ("ReplacementNotAllowed", Doubt::ReplacementUnderpriced),
        ] {
            assert_eq!(classify(text), Published::Ambiguous(doubt), "{text}");
        }
    }

    #[test]
    fn deterministic_refusals_are_told_apart() {
        for (text, rejection) in [
            ("insufficient funds for gas * price + value: balance 0", Rejection::InsufficientFunds),
            ("Insufficient funds for gas * price + value", Rejection::InsufficientFunds),
            ("transaction underpriced: gas tip cap 0", Rejection::Underpriced),
            ("max fee per gas less than block base fee: address 0x..", Rejection::Underpriced),
            ("FeeTooLow, MaxFeePerGas too low", Rejection::Underpriced),
            ("intrinsic gas too low", Rejection::GasLimit),
            ("exceeds block gas limit", Rejection::GasLimit),
            ("transaction type not supported", Rejection::Invalid),
            ("invalid chain id for signer", Rejection::Invalid),
        ] {
            assert_eq!(classify(text), Published::Rejected(rejection), "{text}");
        }
    }

    #[test]
    fn unknown_words_are_ambiguous() {
        for text in ["", "internal error", "execution reverted", "limit exceeded", "txpool is full"] {
            let unclear = Doubt::Unclear { message: text.to_owned() };
            assert_eq!(classify(text), Published::Ambiguous(unclear), "{text}");
        }
    }
}
