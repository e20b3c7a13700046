//! A full record against what facts and policy make of the same block.

use alloy::primitives::{Address, keccak256};
use serde_json::Value;

use super::fault::Fault;
use super::{Difference, Recomputed, first_difference};
use crate::domain::decision::Verdict;
use crate::domain::snapshot::Snapshot;
use crate::journal::{CycleEntry, CycleRecord, Urgency};

/// A full record against what facts and policy make of the same block.
pub(super) fn compared(cycle: &CycleEntry, again: &Recomputed) -> Result<(), Fault> {
    let record = &cycle.record;
    let block = record.block_number;
    if let Some(of) = foreign(record.snapshot_json.as_deref(), record.vault) {
        return Err(Fault::OtherVault { block, vault: record.vault, of });
    }
    if record.policy_hash != again.policy_hash {
        let stored = again.snapshot.vault.policy_hash;
        return Err(Fault::OtherPolicy { block, recorded: record.policy_hash, stored });
    }
    if let Some(recorded) = &record.snapshot_json
        && let Some(difference) = difference(recorded, &again.texts.snapshot)
    {
        return Err(Fault::Facts { block, difference });
    }
    if record.snapshot_hash != again.snapshot_hash {
        let (recorded, read) = (record.snapshot_hash, again.snapshot_hash);
        return Err(Fault::FactsHash { block, recorded, read });
    }
    if let Some(difference) = difference(&record.decision_json, &again.texts.decision) {
        return Err(Fault::Decision { block, difference });
    }
    columns(record, again)?;
    if record.decision_hash != again.decision_hash {
        let (recorded, recomputed) = (record.decision_hash, again.decision_hash);
        return Err(Fault::DecisionHash { block, recorded, recomputed });
    }
    Ok(())
}

/// What a full record says in words, against the decision.
fn columns(record: &CycleRecord, again: &Recomputed) -> Result<(), Fault> {
    let verdict = &again.decision.verdict;
    let urgency = Urgency::of(again.plan.as_ref().is_some_and(|plan| plan.mandatory));
    let columns = [
        ("the verdict", record.verdict.clone(), verdict.name().to_owned()),
        ("the reason", record.reason.clone().unwrap_or_default(), verdict.reason().code()),
        ("the block's time", record.block_timestamp.to_string(), again.snapshot.block.timestamp.to_string()),
        ("the urgency", record.urgency.name().to_owned(), urgency.name().to_owned()),
        ("what was done with it", done(record.dispatch.as_deref(), verdict), String::new()),
    ];
    let block = record.block_number;
    match columns.into_iter().find(|(_, recorded, recomputed)| recorded != recomputed) {
        None => Ok(()),
        Some((what, recorded, recomputed)) => {
            Err(Fault::Column { block, what: what.into(), recorded, recomputed })
        }
    }
}

/// What was done with a decision, where it is nothing that can be done with such a one: with one not to trade what is under way
/// can be withdrawn, and nothing else.
fn done(dispatch: Option<&str>, verdict: &Verdict) -> String {
    let trades = matches!(verdict, Verdict::Rebalance { .. });
    let Some(dispatch) = dispatch.filter(|_| !trades) else { return String::new() };
    let told: Option<Value> = serde_json::from_str(dispatch).ok();
    let name = told.as_ref().and_then(|told| told.get("dispatch")?.as_str()).unwrap_or(dispatch);
    if name == "withdrawn" { String::new() } else { name.to_owned() }
}

/// The vault that recorded facts are of, where it is another.
fn foreign(snapshot: Option<&str>, vault: Address) -> Option<Address> {
    let facts: Snapshot = serde_json::from_str(snapshot?).ok()?;
    Some(facts.vault.address).filter(|of| *of != vault)
}

/// Where two canonical texts differ.
fn difference(recorded: &str, again: &str) -> Option<Difference> {
    if keccak256(recorded) == keccak256(again) {
        return None;
    }
    let value = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    first_difference(&value(recorded), &value(again)).or_else(|| {
        let (first, second) = (Some("another form".to_owned()), Some("the canonical form".to_owned()));
        Some(Difference { path: String::new(), first, second })
    })
}
