//! What a keeper did, held against what its policy said.

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::{SolCall, SolEvent};
use eyre::{Result, WrapErr, eyre};
use serde::{Deserialize, Serialize};
use serde_with::{DisplayFromStr, serde_as};

use super::super::{Recomputed, Source, Subject, recompute};
use super::Wish;
use crate::chain::{MinedLog, Transaction};
use crate::domain::decision::Verdict;
use crate::domain::plan::Plan;
use crate::protocols::abi::RebalancingVault::rebalanceCall;
use crate::protocols::vaults::rebalancing_vault::Rebalanced;

/// A rebalance on the chain.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Height of its block.
    pub block: u64,
    /// Its transaction.
    pub transaction: B256,
    /// Height of the block that it says it was decided on.
    pub decision_block: u64,
    /// Hash of the decision that it says it carries out.
    pub decision_hash: B256,
    /// Hash of the policy that it says it follows.
    pub policy_hash: B256,
    /// The vault's nonce.
    pub nonce: u64,
    /// Whether the risky asset was sold (otherwise it was bought).
    pub sell_risky: bool,
    /// Raw units of the token given.
    #[serde_as(as = "DisplayFromStr")]
    pub amount_in: U256,
}

/// What an action is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "class", rename_all = "snake_case")]
pub enum Class {
    /// The policy said this, in this size.
    ActedAsPolicy,
    /// The policy said this, but the hash is not that of the decision.
    WrongDecisionHash {
        /// What it is.
        expected: B256,
    },
    /// The policy did not say this.
    UnexplainedAction {
        /// Why not.
        why: String,
    },
    /// The policy that it follows is not among those given.
    UnknownPolicy,
}

/// Reads an action from its event.
///
/// # Errors
/// The event is not that of a vault.
pub(super) fn action(mined: &MinedLog) -> Result<Action> {
    let transaction = mined.transaction_hash;
    let event = Rebalanced::decode_log(&mined.log);
    let event =
        event.wrap_err_with(|| format!("the event of {transaction} is not that of a vault of ours"))?;
    Ok(Action {
        block: mined.block_number,
        transaction,
        decision_block: event.decisionBlock,
        decision_hash: event.decisionHash,
        policy_hash: event.policyHash,
        nonce: event.nonce,
        sell_risky: event.sellRisky,
        amount_in: event.amountIn,
    })
}

/// Takes the decision again that an action says it carries out, and holds both against one another; with what the decision
/// wants.
///
/// # Errors
/// A failed read.
pub(super) async fn classify(
    source: &Source,
    subject: &Subject,
    action: &Action,
) -> Result<(Class, Option<Wish>)> {
    if !subject.policies.iter().any(|policy| policy.hash() == action.policy_hash) {
        return Ok((Class::UnknownPolicy, None));
    }
    let header = source.header(action.decision_block).await?;
    let (recomputed, told) =
        tokio::try_join!(recompute(source, &header, subject), source.transaction(action.transaction))?;
    let (transaction, _) = told.ok_or_else(|| {
        eyre!("the node has its event, and does not know transaction {}", action.transaction)
    })?;
    let wish = Wish::of(&recomputed.decision);
    Ok((class(&recomputed, action, &calls(&transaction, subject.vault)), wish))
}

/// The rebalance that a transaction asks of the vault; nothing where it calls another contract first.
fn calls(transaction: &Transaction, vault: Address) -> Option<rebalanceCall> {
    let direct = transaction.to == Some(vault);
    direct.then(|| rebalanceCall::abi_decode(&transaction.input).ok()).flatten()
}

fn class(recomputed: &Recomputed, action: &Action, call: &Option<rebalanceCall>) -> Class {
    let unexplained = |why: String| Class::UnexplainedAction { why };
    let verdict = &recomputed.decision.verdict;
    let Some(plan) = &recomputed.plan else {
        let name = match verdict {
            Verdict::Refuse { .. } => "refuses",
            Verdict::Hold { .. } | Verdict::Rebalance { .. } => "holds",
        };
        return unexplained(format!(
            "at block {} the policy {name}: {}",
            action.decision_block,
            verdict.reason()
        ));
    };
    let Some(call) = call else {
        return unexplained(
            "the vault was called through another contract, so that what was asked is not known".into(),
        );
    };
    if let Some(difference) = difference(plan, call) {
        return unexplained(difference);
    }
    let expected = recomputed.decision_hash;
    if action.decision_hash == expected {
        Class::ActedAsPolicy
    } else {
        Class::WrongDecisionHash { expected }
    }
}

/// What calldata asks of the vault otherwise than was decided.
pub(in crate::replay) fn asked_otherwise(recomputed: &Recomputed, calldata: &Bytes) -> Option<String> {
    let Ok(call) = rebalanceCall::abi_decode(calldata) else {
        return Some("its calldata is no rebalance".to_owned());
    };
    match &recomputed.plan {
        Some(plan) => difference(plan, &call).or_else(|| terms(plan, &call)),
        None => Some(format!("the policy wanted no trade: {}", recomputed.decision.verdict.reason())),
    }
}

/// What a call says otherwise of itself than the plan, which the vault refuses.
fn terms(plan: &Plan, call: &rebalanceCall) -> Option<String> {
    let asked = &call.r;
    let terms = [
        ("nonce", plan.nonce.to_string(), asked.nonce.to_string()),
        ("policy hash", plan.policy_hash.to_string(), asked.policyHash.to_string()),
        ("decision hash", plan.decision_hash.to_string(), asked.decisionHash.to_string()),
        ("decision block", plan.decision_block.to_string(), asked.decisionBlock.to_string()),
        ("hash of it", plan.decision_block_hash.to_string(), asked.decisionBlockHash.to_string()),
    ];
    let odd = terms.into_iter().find(|(_, plan, asked)| plan != asked);
    odd.map(|(what, plan, asked)| format!("the {what} asked is {asked}, decided {plan}"))
}

/// What was asked otherwise than decided.
fn difference(plan: &Plan, call: &rebalanceCall) -> Option<String> {
    let asked = &call.r;
    if plan.swaps.len() != asked.swaps.len() {
        return Some(format!("{} swaps were asked, {} decided", asked.swaps.len(), plan.swaps.len()));
    }
    let odd = plan.swaps.iter().zip(&asked.swaps).position(|(plan, swap)| {
        let pools = (plan.pool, plan.venue) == (swap.pool, swap.venue);
        let amounts = (plan.amount_in, plan.min_amount_out) == (swap.amountIn, swap.minAmountOut);
        !pools || !amounts || plan.sell_risky != swap.sellRisky
    });
    let Some((plan, asked)) = odd.and_then(|odd| plan.swaps.get(odd).zip(asked.swaps.get(odd))) else {
        let (asked, decided) = (asked.deadline, plan.deadline);
        return (asked != decided).then(|| format!("the deadline asked is {asked}, decided {decided}"));
    };
    let odd = odd.unwrap_or_default();
    Some(format!(
        "swap {odd}: asked to {} {} through {} for {} at least, decided to {} {} through {} for {}",
        side(asked.sellRisky),
        asked.amountIn,
        asked.pool,
        asked.minAmountOut,
        side(plan.sell_risky),
        plan.amount_in,
        plan.pool,
        plan.min_amount_out,
    ))
}

const fn side(sells: bool) -> &'static str {
    if sells { "sell" } else { "buy" }
}
