//! geth's rule for replacements before a node that has another: both fields at least a tenth higher.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use alloy::consensus::{Transaction, TxEnvelope};
use alloy::eips::eip2718::Decodable2718;
use alloy::primitives::{B256, Bytes, U256};

use super::proxy::Act;

/// The transaction in the request that hands it over.
pub(crate) fn transaction(request: &serde_json::Value) -> TxEnvelope {
    let raw: Bytes = serde_json::from_value(request["params"][0].clone()).unwrap();
    decoded(&raw)
}

/// The transaction in signed bytes.
pub(crate) fn decoded(raw: &Bytes) -> TxEnvelope {
    TxEnvelope::decode_2718(&mut raw.as_ref()).unwrap()
}

/// What geth's pool holds at a nonce of the one key.
type Held = BTreeMap<u64, (B256, [u128; 2])>;

/// Refuses what geth (`core/txpool/legacypool/list.go`) refuses as a replacement, and remembers what it takes.
pub(crate) fn replacement_rule() -> Act {
    let held = Arc::new(Mutex::new(Held::new()));
    Act::Judge(Arc::new(move |request| {
        let transaction = transaction(request);
        let hash = *transaction.tx_hash();
        let fees = [transaction.max_fee_per_gas(), transaction.max_priority_fee_per_gas().unwrap()];
        let mut held = held.lock().unwrap();
        let replaces = |(other, old): &(B256, [u128; 2])| {
            *other == hash || old.iter().zip(fees).all(|(old, new)| new > *old && new >= tenth_above(*old))
        };
        if !held.get(&transaction.nonce()).is_none_or(replaces) {
            return Some((-32_000, "replacement transaction underpriced"));
        }
        held.insert(transaction.nonce(), (hash, fees));
        None
    }))
}

fn tenth_above(fee: u128) -> u128 {
    (U256::from(fee) * U256::from(110) / U256::from(100)).saturating_to()
}
