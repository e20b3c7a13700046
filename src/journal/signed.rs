//! Whether the bytes of an attempt are what the journal says of them.

use alloy::consensus::{Transaction, TxEnvelope};
use alloy::eips::eip2718::Decodable2718;
use alloy::primitives::{Address, B256, Bytes, keccak256};

use super::AttemptKind;
use super::ledger::LedgerEntry;
use super::rules::{optional, parsed};

/// What an intent wants signed.
#[derive(Debug)]
pub(super) struct Call {
    chain_id: u64,
    sender: Address,
    pub(super) nonce: u64,
    to: Address,
    calldata: Bytes,
    gas_limit: u64,
}

impl Call {
    pub(super) fn of(intent: &LedgerEntry) -> Result<Self, String> {
        Ok(Self {
            chain_id: parsed(intent, "chain_id")?,
            sender: parsed(intent, "sender")?,
            nonce: parsed(intent, "nonce")?,
            to: parsed(intent, "recipient")?,
            calldata: Bytes::copy_from_slice(intent.column("calldata").unwrap_or_default()),
            gas_limit: parsed(intent, "gas_limit")?,
        })
    }
}

/// Checks that the bytes hash to the attempt's hash, are signed by the intent's sender for its chain id and nonce, and
/// carry its call, or nothing for a cancel, at the fees of the attempt.
pub(super) fn check(attempt: &LedgerEntry, kind: AttemptKind, call: &Call) -> Result<(), String> {
    let raw = attempt.column("raw").unwrap_or_default();
    if keccak256(raw) != parsed::<B256>(attempt, "hash")? {
        return Err("its bytes do not hash to its hash".to_owned());
    }
    let signed = TxEnvelope::decode_2718_exact(raw)
        .map_err(|error| format!("its bytes are no transaction: {error}"))?;
    let TxEnvelope::Eip1559(signed) = signed else {
        return Err("its bytes are of another type than 2".to_owned());
    };
    let signer = signed.signature().recover_address_from_prehash(&signed.signature_hash());
    let signer = signer.map_err(|_| "its signature is none".to_owned())?;
    let signed = signed.tx();
    let calldata = if kind == AttemptKind::Cancel { &Bytes::new() } else { &call.calldata };
    let facts = [
        ("sender", signer == call.sender),
        ("chain id", signed.chain_id() == Some(call.chain_id)),
        ("nonce", signed.nonce() == call.nonce),
        ("recipient", signed.to() == Some(optional(attempt, "recipient")?.unwrap_or(call.to))),
        ("gas limit", signed.gas_limit() == optional(attempt, "gas_limit")?.unwrap_or(call.gas_limit)),
        ("calldata", signed.input() == calldata),
        ("value", signed.value().is_zero()),
        ("fee cap", signed.max_fee_per_gas() == parsed::<u128>(attempt, "max_fee_per_gas")?),
        ("tip cap", signed.max_priority_fee_per_gas() == Some(parsed(attempt, "max_priority_fee_per_gas")?)),
    ];
    match facts.iter().find(|(_, right)| !right) {
        None => Ok(()),
        Some((what, _)) => Err(format!("its bytes are signed with another {what}")),
    }
}
