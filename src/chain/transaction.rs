//! Mined transactions with the bytes that were signed.

use alloy::consensus::proofs::ordered_trie_root_with_encoder;
use alloy::consensus::{Transaction as _, TxEip4844Variant};
use alloy::eips::eip2718::Encodable2718;
use alloy::primitives::bytes::BufMut;
use alloy::primitives::{Address, B256, Bytes, keccak256};
use serde::{Deserialize, Serialize};

use super::Header;

/// A signed transaction, checked: its bytes hash to its hash, and its signature is that of its sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Transaction {
    /// Its hash.
    pub hash: B256,
    /// Who signed it.
    pub from: Address,
    /// Who was called; absent for a creation.
    pub to: Option<Address>,
    /// Calldata.
    pub input: Bytes,
    /// The signed bytes, as a block holds them: a node takes them as they are, but for those of blobs.
    pub raw: Bytes,
}

/// A block with its transactions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FullBlock {
    /// The header.
    pub header: Header,
    /// Account that its tips go to.
    pub producer: Address,
    /// The signed transactions, in their order.
    pub transactions: Vec<Transaction>,
    /// Those that a rollup put in by itself, which nobody signs.
    pub unsigned: Vec<Unsigned>,
}

/// A transaction that has no signature: it cannot be sent again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsigned {
    /// Its hash.
    pub hash: B256,
    /// Its EIP-2718 type.
    #[serde(rename = "type", with = "alloy::serde::quantity")]
    pub kind: u8,
}

/// A block on the wire.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireBlock {
    #[serde(flatten)]
    pub(super) header: Header,
    #[serde(rename = "miner")]
    pub(super) producer: Address,
    transactions_root: B256,
    transactions: Vec<WireEntry>,
}

/// A transaction among those of a block.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum WireEntry {
    Signed(Box<WireTransaction>),
    Unsigned(Unsigned),
}

impl WireBlock {
    /// The block, where the bytes and the signatures of its transactions say the same as the node, and, where all of them are
    /// signed and none comes with its blobs, are those of the header's root; otherwise what is wrong.
    pub(super) fn verified(self) -> Result<FullBlock, String> {
        /// EIP-7702: the last one of those that accounts sign.
        const LAST_SIGNED: u8 = 4;
        let Self { header, producer, transactions_root, transactions: wire } = self;
        let (mut transactions, mut unsigned) = (Vec::new(), Vec::new());
        // Of blocks with blobs some nodes make another root, of transactions together with their blobs.
        let mut rooted = true;
        for entry in wire {
            rooted &= !matches!(&entry, WireEntry::Signed(wire) if wire.tells_blobs());
            match entry {
                WireEntry::Signed(wire) => transactions.push(wire.verified()?),
                WireEntry::Unsigned(other) if other.kind > LAST_SIGNED => unsigned.push(other),
                WireEntry::Unsigned(Unsigned { hash, kind }) => {
                    return Err(format!("transaction {hash} is no transaction of type {kind}"));
                }
            }
        }
        let root = ordered_trie_root_with_encoder(&transactions, |transaction: &Transaction, bytes| {
            bytes.put_slice(&transaction.raw);
        });
        if rooted && unsigned.is_empty() && transactions_root != root {
            let (number, hash) = (header.number, header.hash);
            return Err(format!(
                "the transactions of block {number} ({hash}) are not those of its transactions root"
            ));
        }
        Ok(FullBlock { header, producer, transactions, unsigned })
    }
}

/// A transaction on the wire.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct WireTransaction(alloy::rpc::types::Transaction);

impl WireTransaction {
    /// Whether it is in a block.
    pub(super) const fn is_mined(&self) -> bool {
        self.0.block_number.is_some()
    }

    /// Whether the node tells its blobs, which are no part of a block and of the hash (EIP-4844).
    fn tells_blobs(&self) -> bool {
        self.0.inner.inner().as_eip4844().is_some_and(|blobs| blobs.tx().as_with_sidecar().is_some())
    }

    /// The transaction, where its bytes and its signature say the same as the node; otherwise what is wrong.
    pub(super) fn verified(self) -> Result<Transaction, String> {
        let (envelope, from) = self.0.inner.into_parts();
        let envelope = envelope.map_eip4844(TxEip4844Variant::drop_sidecar);
        let (hash, raw) = (*envelope.tx_hash(), Bytes::from(envelope.encoded_2718()));
        if keccak256(&raw) != hash {
            return Err(format!("the bytes of transaction {hash} have another hash"));
        }
        let signer = envelope.signature().recover_address_from_prehash(&envelope.signature_hash());
        if signer.ok() != Some(from) {
            return Err(format!("transaction {hash} was not signed by {from}"));
        }
        Ok(Transaction { hash, from, to: envelope.to(), input: envelope.input().clone(), raw })
    }
}
