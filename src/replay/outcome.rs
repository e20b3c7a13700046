//! What became of recorded intents, held against the chain.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::B256;
use alloy::sol_types::SolEvent;
use eyre::{Result, WrapErr};

use super::fault::Fault;
use super::{Source, Subject};
use crate::chain::{LogFilter, MinedLog, Receipt};
use crate::domain::plan::Plan;
use crate::journal::{AttemptKind, IntentEntry, IntentState};
use crate::protocols::vaults::rebalancing_vault::{Rebalanced, rebalanced};

/// The transaction that an intent ended with, and how the journal has it; `None` where it is not final, or another of its
/// nonce took effect.
pub(super) fn ended(intent: &IntentEntry) -> Option<(B256, IntentState)> {
    let state = intent.last_event.state;
    let mined = matches!(state, IntentState::Executed | IntentState::Reverted);
    let hash = intent.last_event.detail.get("transaction")?.as_str()?.parse().ok()?;
    mined.then_some((hash, state))
}

/// What became of a recorded intent.
#[derive(Debug)]
pub(super) enum Settled {
    /// This transaction of it took effect, by the journal or by the chain, with what is wrong about it. Where the chain does not have
    /// it there is no receipt.
    With(B256, Option<Box<Receipt>>, Vec<Fault>),
    /// The journal does not say how it ended, and the chain has none of its calls.
    Open,
    /// It ended with none of its calls.
    Without,
}

/// What became of a recorded intent, held against the chain.
///
/// # Errors
/// A failed read.
pub(super) async fn settled(source: &Source, subject: &Subject, intent: &IntentEntry) -> Result<Settled> {
    match ended(intent) {
        Some(end) => closed(source, subject, (intent, end)).await,
        None if intent.last_event.state.is_final() => Ok(Settled::Without),
        None => open(source, subject, intent).await,
    }
}

/// An intent that ended with a transaction by the journal.
async fn closed(
    source: &Source,
    subject: &Subject,
    (intent, (transaction, state)): (&IntentEntry, (B256, IntentState)),
) -> Result<Settled> {
    let outcome = |chain: String| Fault::Outcome { transaction, state: state.name().into(), chain };
    let Some((_, receipt)) = source.transaction(transaction).await? else {
        let faults = vec![outcome("the chain does not have it".to_owned())];
        return Ok(Settled::With(transaction, None, faults));
    };
    let mut faults = Vec::new();
    if Some(receipt.block_hash) != intent.last_event.block_hash {
        faults.push(outcome(format!("the chain has it in block {}", receipt.block_hash)));
    }
    if receipt.success != (state == IntentState::Executed) {
        let success = if receipt.success { "succeeded" } else { "reverted" };
        faults.push(outcome(format!("on the chain it {success}")));
    }
    if intent.last_event.fee.is_some_and(|fee| fee != receipt.fee()) {
        faults.push(outcome(format!("on the chain it cost {} wei", receipt.fee())));
    }
    let gas = intent.last_event.detail.get("gas_used").and_then(|gas| gas.as_str());
    if gas.is_some_and(|gas| gas != receipt.gas_used.to_string()) {
        faults.push(outcome(format!("on the chain it used {} gas", receipt.gas_used)));
    }
    faults.extend(told((subject, intent), &receipt));
    Ok(Settled::With(transaction, Some(Box::new(receipt)), faults))
}

/// An intent whose end the journal does not know: a call of it may be on the chain all the same.
async fn open(source: &Source, subject: &Subject, intent: &IntentEntry) -> Result<Settled> {
    for attempt in intent.attempts.iter().filter(|attempt| attempt.kind != AttemptKind::Cancel) {
        if let Some((_, receipt)) = source.transaction(attempt.hash).await? {
            let faults = told((subject, intent), &receipt);
            return Ok(Settled::With(attempt.hash, Some(Box::new(receipt)), faults));
        }
    }
    Ok(Settled::Open)
}

/// What the vault's event in a receipt says otherwise than the intent.
fn told((subject, intent): (&Subject, &IntentEntry), receipt: &Receipt) -> Vec<Fault> {
    let (transaction, state) = (receipt.transaction_hash, intent.last_event.state);
    match rebalanced(subject.vault, &receipt.logs) {
        Some(event) => events(transaction, intent, &event),
        None if receipt.success => {
            let chain = "it has no event of the vault".to_owned();
            vec![Fault::Outcome { transaction, state: state.name().into(), chain }]
        }
        None => Vec::new(),
    }
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

/// Actions on the chain from `from` to `to` whose transactions are not among `known`, or are of an intent among `unmined`, which the
/// journal has as ended without them.
///
/// # Errors
/// A failed read.
pub(super) async fn unknown(
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
        let (state, chain) = (intent.last_event.state, "on the chain it succeeded".to_owned());
        faults.push(Fault::Outcome { transaction, state: state.name().into(), chain });
        faults.extend(events(transaction, intent, &event));
    }
    Ok(faults)
}
