//! What was done with a decision, as it is printed and recorded.

use alloy::primitives::{Address, B256};
use serde::Serialize;

use crate::domain::decision::Verdict;
use crate::domain::plan::Plan;
use crate::execution::{InFlight, Inclusion, Outcome, Refusal};
use crate::journal::{IntentState, Urgency};
use crate::protocols::vaults::rebalancing_vault;

/// What was done with a decision.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "dispatch", rename_all = "snake_case")]
pub enum Dispatch {
    /// The decision was not to trade.
    Nothing,
    /// An earlier intent of this key is still under way; the plan waits for the next cycle.
    InFlight {
        /// The intent.
        intent: String,
    },
    /// The decision that an intent carries out has changed: it is cancelled at its nonce.
    Withdrawn {
        /// The intent.
        intent: String,
        /// Why, for people.
        why: String,
    },
    /// The plan was simulated with this gas limit and not sent.
    DryRun {
        /// Gas limit with its margin.
        gas_limit: u64,
    },
    /// The plan was refused before anything was signed.
    Refused {
        /// Stable name of the reason.
        code: &'static str,
        /// The reason for people.
        message: String,
    },
    /// The node failed, or the key must not sign, before anything was signed.
    Failed {
        /// Stable name of what failed: [`CycleError::part`](super::CycleError::part).
        code: &'static str,
        /// What failed, for people.
        message: String,
    },
    /// Sent; the outcome is not final yet.
    Sent {
        /// The intent.
        intent: String,
        /// What holds it up, if something does.
        #[serde(skip_serializing_if = "Option::is_none")]
        held_up: Option<String>,
    },
    /// Final on chain.
    Executed(Execution),
    /// Final on chain and reverted.
    Reverted(Execution),
    /// Final on chain: its cancel was mined in its place, or another intent of its nonce.
    Displaced(Execution),
}

/// What a new decision means for the intent of the same vault that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stance {
    /// It may go on.
    Keep,
    /// It is not wanted any more.
    Withdraw(String),
    /// The new plan takes its nonce over.
    TakeOver,
}

impl Stance {
    /// A floor at risk takes over from what can wait; a trade in the same direction goes on; what is not wanted any more
    /// is withdrawn. A cancel under way goes on, but for a floor at risk.
    pub(super) fn towards(flight: &InFlight, verdict: &Verdict) -> Self {
        let cancelling = flight.state == IntentState::Cancelling;
        match verdict {
            Verdict::Rebalance { trade, .. }
                if trade.mandatory && (cancelling || flight.urgency == Urgency::Routine) =>
            {
                Self::TakeOver
            }
            _ if cancelling => Self::Keep,
            Verdict::Rebalance { trade, .. } => match sells(flight) {
                Some(sells) if sells != trade.sell_risky => {
                    Self::Withdraw("the trade goes the other way now".to_owned())
                }
                Some(_) | None => Self::Keep,
            },
            Verdict::Hold { reason } | Verdict::Refuse { reason } => {
                Self::Withdraw(format!("no trade is wanted any more: {reason}"))
            }
        }
    }
}

/// The direction of an intent; `None` for a plan that cannot be read.
fn sells(flight: &InFlight) -> Option<bool> {
    let plan: Plan = serde_json::from_str(&flight.planned_json).ok()?;
    plan.swaps.first().map(|swap| swap.sell_risky)
}

/// A transaction in a final block.
#[derive(Debug, Clone, Serialize)]
pub struct Execution {
    /// Hash of the transaction.
    pub transaction: B256,
    /// Height of its block.
    pub block: u64,
    /// Gas used.
    pub gas_used: u64,
    /// Everything paid for gas, wei.
    pub fee_wei: String,
    /// Raw amount that the vault gave, as its event says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount_in: Option<String>,
    /// Raw amount that it received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount_out: Option<String>,
}

/// Says that none of the keys of `senders` is the one that a vault with this `keeper` obeys.
#[must_use]
pub fn wrong_key(senders: &[Address], keeper: Address) -> String {
    let ours: Vec<_> = senders.iter().map(Address::to_string).collect();
    let are = if ours.len() == 1 { "this key is" } else { "the keys here are" };
    format!("the vault's keeper is {keeper}, {are} {}: let the owner call setKeeper", ours.join(", "))
}

/// The vault obeys none of the keys.
pub(super) fn not_authorised(senders: &[Address], keeper: Address) -> Dispatch {
    Dispatch::Refused { code: "not_authorised", message: wrong_key(senders, keeper) }
}

/// The plan was refused before anything was signed.
pub(super) fn refused(refusal: &Refusal) -> Dispatch {
    Dispatch::Refused { code: refusal.code(), message: refusal.to_string() }
}

/// Where a submitted plan stands.
pub(super) fn settled(outcome: &Outcome, vault: Address) -> Dispatch {
    match outcome {
        Outcome::Executed(inclusion) => Dispatch::Executed(Execution::of(inclusion, vault)),
        Outcome::Reverted(inclusion) => Dispatch::Reverted(Execution::of(inclusion, vault)),
        Outcome::Cancelled(inclusion) | Outcome::Superseded(inclusion) => {
            Dispatch::Displaced(Execution::of(inclusion, vault))
        }
        Outcome::Pending { intent, .. } => Dispatch::Sent { intent: intent.to_string(), held_up: None },
        Outcome::Parked { intent, reason } => {
            Dispatch::Sent { intent: intent.to_string(), held_up: Some(reason.to_string()) }
        }
        Outcome::Refused(refusal) => refused(refusal),
    }
}

impl Execution {
    fn of(inclusion: &Inclusion, vault: Address) -> Self {
        let event = rebalancing_vault::rebalanced(vault, &inclusion.logs);
        Self {
            transaction: inclusion.transaction_hash,
            block: inclusion.block_number,
            gas_used: inclusion.gas_used,
            fee_wei: inclusion.fee.to_string(),
            amount_in: event.as_ref().map(|e| e.amountIn.to_string()),
            amount_out: event.as_ref().map(|e| e.amountOut.to_string()),
        }
    }
}
