//! What the refusal of `eth_sendRawTransaction` means, by its text.
//!
//! Codes differ by client (geth −32000, anvil −32003 and −32602, Besu −32001 to −32009, others −32010); words are what they share.
//! A text that is not in the table proves nothing, and so is a doubt.

use super::{Doubt, Published, Rejection};
use crate::defence::defended;

/// What words mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Known,
    Replacement,
    Low,
    High,
    NotNow,
    Reject(Rejection),
}

use Meaning::{High, Known, Low, NotNow, Reject, Replacement};
use Rejection::{GasLimit, InsufficientFunds, Invalid, Underpriced};

/// Words in small letters. The first line that matches counts, so of two where one holds the other the longer comes first.
const TABLE: &[(&str, Meaning)] = &[
    // geth and what descends from it (bor, bsc, op-geth, nitro, coreth).
    ("already known", Known),
    ("future transaction tries to replace pending", Replacement),
    ("replacement transaction underpriced", Replacement),
    // Some providers; before the shorter words of Erigon.
    ("replacement fee too low", Replacement),
    ("nonce too low", Low),
    ("nonce too high", High),
    ("gapped-nonce tx from delegated accounts", High),
    ("nonce has max value", Reject(Invalid)),
    ("insufficient funds", Reject(InsufficientFunds)),
    ("transaction underpriced", Reject(Underpriced)),
    ("transaction gas price below minimum", Reject(Underpriced)),
    ("max fee per gas less than block base fee", Reject(Underpriced)),
    ("fee cap less than block base fee", Reject(Underpriced)),
    ("max priority fee per gas higher than max fee per gas", Reject(Invalid)),
    ("fee per gas higher than 2^256-1", Reject(Invalid)),
    ("exceeds the configured cap", Reject(Invalid)),
    ("exceeds block gas limit", Reject(GasLimit)),
    ("intrinsic gas too low", Reject(GasLimit)),
    ("insufficient gas for floor data gas cost", Reject(GasLimit)),
    ("transaction gas limit too high", Reject(GasLimit)),
    ("gas uint64 overflow", Reject(GasLimit)),
    ("gas limit reached", NotNow),
    ("txpool is full", NotNow),
    ("account limit exceeded", NotNow),
    ("in-flight transaction limit reached", NotNow),
    ("address already reserved", NotNow),
    ("transaction type not supported", Reject(Invalid)),
    ("invalid sender", Reject(Invalid)),
    ("invalid chain id", Reject(Invalid)),
    ("only replay-protected", Reject(Invalid)),
    ("oversized data", Reject(Invalid)),
    ("negative value", Reject(Invalid)),
    ("max initcode size exceeded", Reject(Invalid)),
    ("sender not an eoa", Reject(Invalid)),
    ("invalid transaction v, r, s values", Reject(Invalid)),
    ("rlp: ", Reject(Invalid)),
    ("typed transaction too short", Reject(Invalid)),
    // Erigon.
    ("existing tx with same hash", Known),
    ("could not replace existing tx", Replacement),
    ("replacement tx underpriced", Replacement),
    ("pending sub-pool is full", NotNow),
    ("basefee sub-pool is full", NotNow),
    ("queued sub-pool is full", NotNow),
    ("transaction pool is not ready", NotNow),
    ("fee too low", Reject(Underpriced)),
    ("tip too low", Reject(Underpriced)),
    ("gas limit is too high", Reject(GasLimit)),
    ("rlp too long", Reject(Invalid)),
    // Nethermind.
    ("alreadyknown", Known),
    ("ownnoncealreadyused", Low),
    ("oldnonce", Low),
    ("noncegap", High),
    ("noncetoofarinfuture", High),
    ("replacementnotallowed", Replacement),
    ("insufficientfunds", Reject(InsufficientFunds)),
    ("feetoolowtocompete", NotNow),
    ("feetoolow", Reject(Underpriced)),
    ("gaslimitexceeded", Reject(GasLimit)),
    ("failedtoresolvesender", Reject(Invalid)),
    ("senderiscontract", Reject(Invalid)),
    ("int256overflow", Reject(Invalid)),
    ("notsupportedtxtype", Reject(Invalid)),
    ("maxtxsizeexceeded", Reject(Invalid)),
    ("pendingtxsofconflictingtype", NotNow),
    ("syncing", NotNow),
    // Besu.
    ("known transaction", Known),
    ("nonce below sender account nonce", Low),
    ("nonce is too distant", High),
    ("nonce too distant", High),
    ("invalid transaction with a lower nonce exists", High),
    ("upfront cost exceeds account balance", Reject(InsufficientFunds)),
    ("gas price below configured minimum", Reject(Underpriced)),
    ("gas price below current base fee", Reject(Underpriced)),
    ("intrinsic gas exceeds gas limit", Reject(GasLimit)),
    ("wrong chainid", Reject(Invalid)),
    ("chainid not supported", Reject(Invalid)),
    ("transaction fee cap exceeded", Reject(Invalid)),
    ("invalid signature", Reject(Invalid)),
    ("not authorized to send transactions", Reject(Invalid)),
    ("initial sync is still in progress", NotNow),
    // reth, and anvil on the same engine.
    ("transaction already imported", Known),
    ("transaction already exists in the blockchain", Low),
    ("gas price is less than basefee", Reject(Underpriced)),
    ("gas required exceeds allowance", Reject(GasLimit)),
    ("call gas cost exceeds the gas limit", Reject(GasLimit)),
    ("greater than the block's gas limit", Reject(GasLimit)),
    ("intrinsic gas too high", Reject(GasLimit)),
    ("signer account has bytecode set", Reject(Invalid)),
    ("unsupported transaction type", Reject(Invalid)),
    ("failed to decode signed transaction", Reject(Invalid)),
    ("incompatible eip-1559", Reject(Invalid)),
    // Hardhat, Ganache.
    ("is too low for the next block", Reject(Underpriced)),
    ("doesn't have enough funds to send tx", Reject(InsufficientFunds)),
    ("exceeds transaction gas cap", Reject(GasLimit)),
    // OpenEthereum, zkSync, and providers before any of these.
    ("with the same hash was already imported", Known),
    ("is already in the system", Known),
    ("already in mempool", Known),
    ("already exists in mempool", Known),
    ("transaction already in pool", Known),
    ("same nonce in the queue", Replacement),
    ("gas price too low to replace", Replacement),
    ("nonce is too low", Low),
    ("nonce has already been used", Low),
    ("nonce is too high", High),
    ("nonce gap", High),
    ("does not have enough funds", Reject(InsufficientFunds)),
    ("insufficient balance", Reject(InsufficientFunds)),
    ("not enough balance to cover", Reject(InsufficientFunds)),
    ("transaction cost exceeds current gas limit", Reject(GasLimit)),
    ("too many transactions in the queue", NotNow),
    ("too many requests", NotNow),
    ("rate limit", NotNow),
    ("request limit", NotNow),
    ("daily request count exceeded", NotNow),
    ("capacity exceeded", NotNow),
    ("limit exceeded", NotNow),
];

/// What a node's words about bytes mean for them.
#[must_use]
pub fn classify(message: &str) -> Published {
    let text = message.to_lowercase();
    let meaning = TABLE.iter().find(|(words, _)| text.contains(words)).map(|(_, meaning)| *meaning);
    match meaning {
        Some(Known) if !defended(10) => Published::Rejected(Invalid),
        Some(Reject(GasLimit)) if !defended(37) => Published::unclear(message),
        Some(Known) => Published::Accepted,
        Some(Replacement) => Published::Ambiguous(Doubt::ReplacementUnderpriced),
        Some(Low) => Published::Ambiguous(Doubt::NonceTooLow),
        Some(High) => Published::Ambiguous(Doubt::NonceTooHigh),
        Some(NotNow) => Published::Ambiguous(Doubt::NotNow),
        Some(Reject(rejection)) => Published::Rejected(rejection),
        None => Published::unclear(message),
    }
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
            ("intrinsic gas too high -- tx.gas_limit > env.block.gas_limit", Rejection::GasLimit),
            ("transaction type not supported", Rejection::Invalid),
            ("invalid chain id for signer", Rejection::Invalid),
        ] {
            assert_eq!(classify(text), Published::Rejected(rejection), "{text}");
        }
    }

    #[test]
    fn unknown_words_are_ambiguous() {
        for text in ["", "internal error", "execution reverted", "header not found"] {
            let unclear = Doubt::Unclear { message: text.to_owned() };
            assert_eq!(classify(text), Published::Ambiguous(unclear), "{text}");
        }
    }

    #[test]
    fn a_node_that_is_full_or_busy_has_said_nothing_of_the_bytes() {
        for text in [
            "txpool is full",
            "Too Many Requests",
            "daily request count exceeded, request rate limited",
            "Syncing",
        ] {
            assert_eq!(classify(text), Published::Ambiguous(Doubt::NotNow), "{text}");
        }
    }

    #[test]
    fn every_line_of_the_table_can_match() {
        assert!(TABLE.len() >= 90, "{}", TABLE.len());
        for (at, (words, _)) in TABLE.iter().enumerate() {
            assert_eq!(*words, words.to_lowercase(), "texts are compared in small letters");
            let hidden = TABLE.iter().take(at).find(|(earlier, _)| words.contains(earlier));
            assert_eq!(hidden, None, "{words} never matches");
        }
    }
}
