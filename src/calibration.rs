//! What rebalances were predicted to cost against what they did cost, from the events and receipts of the chain.
//!
//! The chain is the source: the decision behind an event is taken again at its own block, and counts where its hash is
//! the one that the vault emitted. Where the node has lost that state the journal's record of the same decision stands
//! in, by the same hash, and is marked so.

mod past;
mod statistics;

use alloy::primitives::{Address, B256};
use serde::{Deserialize, Serialize, Serializer};

use crate::chain::Endpoint;
use crate::domain::policy::PublishedPolicy;
use crate::domain::units::Usd;
use crate::journal::Journal;

pub use past::past;
pub(crate) use past::{Decided, comparison, operator_fee, worth};
pub use statistics::{Calibration, GasErrors, Spread, Suggested, VenueErrors, calibrate};

/// Whose rebalances are looked at, and through what.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The vault.
    pub vault: Address,
    /// The policies held for it.
    pub policies: &'a [PublishedPolicy],
    /// The chain.
    pub endpoint: &'a Endpoint,
    /// The record, where there is one.
    pub journal: Option<&'a Journal>,
}

/// A range of blocks, its ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// First block.
    pub from: u64,
    /// Last block.
    pub to: u64,
}

/// One past rebalance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Past {
    /// Block that holds it.
    pub block: u64,
    /// Its transaction.
    pub transaction: B256,
    /// Block decided on.
    pub decision_block: u64,
    /// Hash of the decision, as the vault emitted it.
    pub decision_hash: B256,
    /// Predicted against realised, or why nothing can be compared.
    #[serde(flatten)]
    pub compared: Compared,
}

/// Whether a rebalance can be compared with its decision.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "compared", rename_all = "snake_case")]
pub enum Compared {
    /// It can.
    Known(Box<Comparison>),
    /// It cannot.
    Unknown {
        /// Why.
        why: Unknown,
    },
}

/// Why a rebalance cannot be compared with its decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// The policy that it followed is not held.
    #[error("the policy that it followed is not held: add its file to `policies`")]
    Policy,
    /// The node does not have the state that was decided on, and the journal has no record of the decision.
    #[error(
        "the node does not have the state of the decision's block, and the journal does not have the decision"
    )]
    State,
    /// The decision at that block under that policy is another one.
    #[error("the facts and the policy give another decision than the vault emitted: look into it")]
    OtherDecision,
    /// The receipt is not there, or does not hold the swaps that were decided on.
    #[error("the receipt is missing, or does not hold the swaps that were decided on")]
    Receipt,
}

/// Where a prediction comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The decision was taken again on the state of its block.
    Chain,
    /// The journal's record of it.
    Journal,
}

/// One rebalance, predicted and realised. Money is in units of the vault's asset at the prices of the decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Where the prediction comes from.
    pub source: Source,
    /// What changed hands.
    #[serde(serialize_with = "money")]
    pub value: Usd,
    /// Units of gas.
    pub gas_units: Pair<u64>,
    /// Gas, and what a rollup takes beside it.
    pub gas: Pair<Usd>,
    /// What the venues took: fee and impact.
    pub venue: Pair<Usd>,
    /// Every swap, in its order.
    pub swaps: Vec<SwapComparison>,
}

/// A prediction and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair<T> {
    /// By the decision.
    pub predicted: T,
    /// By receipt and events.
    pub realised: T,
}

/// One swap, predicted and realised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SwapComparison {
    /// The pool.
    pub pool: Address,
    /// What the decision expected to receive.
    #[serde(serialize_with = "money")]
    pub quoted: Usd,
    /// What the pool paid less than that; negative where it paid more.
    #[serde(serialize_with = "money")]
    pub shortfall: Usd,
}

/// To a millionth of a unit.
fn money<S: Serializer>(value: &Usd, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&value.get().round_dp(6).normalize())
}
