//! What became of recorded intents, held against the chain.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::B256;
use alloy::sol_types::SolEvent;
use eyre::{Result, WrapErr};

use super::fault::Fault;
use super::{Source, Subject};
use crate::chain::{LogFilter, MinedLog, Receipt};
use crate::domain::plan::Plan;
use crate::journal::{IntentEntry, IntentState};
use crate::protocols::vaults::rebalancing_vault::{Rebalanced, rebalanced};

/// The transaction that an intent ended with, and how the journal has it; `None` where it is not final, or another of its
/// nonce took effect.
pub(super) fn ended(intent: &IntentEntry) -> Option<(B256, IntentState)> {
    let state = intent.last_event.state;
    let mined = matches!(state, IntentState::Executed | IntentState::Reverted);
    let hash = intent.last_event.detail.get("transaction")?.as_str()?.parse().ok()?;
    mined.then_some((hash, state))
}

/// The receipt of the transaction that an intent ended with, held against the journal; `None` where it ended with none of its
/// calls.
///
/// # Errors
/// A failed read.
pub async fn settled(
    source: &Source,
    subject: &Subject,
    intent: &IntentEntry,
) -> Result<Option<(Option<Receipt>, Vec<Fault>)>> {
    let Some((transaction, state)) = ended(intent) else { return Ok(None) };
    let outcome = |chain: String| Fault::Outcome { transaction, state: state.name().into(), chain };
    let Some((_, receipt)) = source.transaction(transaction).await? else {
        return Ok(Some((None, vec![outcome("the chain does not have it".to_owned())])));
    };
    let mut faults = Vec::new();
    if Some(receipt.block_hash) != intent.last_event.block_hash {
        faults.push(outcome(format!("the chain has it in block {}", receipt.block_hash)));
    }
    if receipt.success != (state == IntentState::Executed) {
        let success = if receipt.success { "succeeded" } else { "reverted" };
        faults.push(outcome(format!("on the chain it {success}")));
    }
    match rebalanced(subject.vault, &receipt.logs) {
        Some(event) => faults.extend(events(transaction, intent, &event)),
        None if receipt.success => faults.push(outcome("it has no event of the vault".to_owned())),
        None => {}
    }
    Ok(Some((Some(receipt), faults)))
}

fn events(transaction: B256, intent: &IntentEntry, event: &Rebalanced) -> Vec<Fault> {
    let (decision, nonce) = (intent.decision_hash, intent.record.vault_nonce);
    let plan: Option<Plan> = serde_json::from_str(&intent.record.planned_json).ok();
    let policy = plan.map(|plan| plan.policy_hash.to_string()).unwrap_or_default();
    let fields = [
        ("the policy hash", policy, event.policyHash.to_string()),
        ("the decision hash", decision.to_string(), event.decisionHash.to_string()),
        ("the block decided on", intent.decision_block.to_string(), event.decisionBlock.to_string()),
        ("the vault's nonce", nonce.to_string(), event.nonce.to_string()),
    ];
    let differ = fields.into_iter().filter(|(_, recorded, chain)| recorded != chain);
    differ
        .map(|(what, recorded, chain)| Fault::Event { transaction, what: what.into(), recorded, chain })
        .collect()
}

/// Actions on the chain from `from` to `to` whose transactions are not among `known`, or whose events say otherwise than the
/// intent among `unmined` of which the journal has no transaction as mined: it is not final there, or it has it as never mined.
///
/// # Errors
/// A failed read.
pub async fn unknown(
    source: &Source,
    subject: &Subject,
    (from, to): (u64, u64),
    (known, unmined): (&BTreeSet<B256>, &BTreeMap<B256, IntentEntry>),
) -> Result<Vec<Fault>> {
    let filter =
        LogFilter { addresses: vec![subject.vault], event: Some(Rebalanced::SIGNATURE_HASH), from, to };
    let logs = source.logs(&filter).await.wrap_err("the vault's events")?;
    let strange = logs.iter().filter(|log| !known.contains(&log.transaction_hash));
    let fault =
        |log: &MinedLog| Fault::NotRecorded { block: log.block_number, transaction: log.transaction_hash };
    let mut faults: Vec<_> = strange.map(fault).collect();
    for log in &logs {
        let transaction = log.transaction_hash;
        let (Some(intent), Ok(event)) = (unmined.get(&transaction), Rebalanced::decode_log(&log.log)) else {
            continue;
        };
        let state = intent.last_event.state;
        if state.is_final() {
            let chain = "on the chain it succeeded".to_owned();
            faults.push(Fault::Outcome { transaction, state: state.name().into(), chain });
        }
        faults.extend(events(transaction, intent, &event));
    }
    Ok(faults)
}
