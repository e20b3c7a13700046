//! Generated and recorded prices through the same `decide` as a live vault, and what that decides better than others.
//!
//! A [`scenario::Scenario`] says what is simulated. Along each [`paths::Path`] a contestant decides on a synthetic
//! snapshot ([`market`]), its trades are booked at the quoted amounts ([`ledger`]), and what the path brought is a
//! [`risk::Sample`]. [`compare`] tunes every contestant to the same risk on the same paths. [`bars`] are
//! recorded prices, [`table`] is what results are written as. [`past`] walks one policy through recorded prices, [`future`] through
//! generated ones.

pub mod bars;
pub mod compare;
pub mod contestant;
pub mod course;
pub mod ensemble;
mod format;
pub mod future;
pub mod ledger;
pub mod market;
pub mod past;
pub mod paths;
pub mod random;
pub mod risk;
pub mod rivals;
pub mod scenario;
pub mod stress;
pub mod sweep;
pub mod table;

use rust_decimal::Decimal;
use thiserror::Error;

use crate::backtest::past::setting::Outage;
use crate::domain::canonical::CanonicalError;
use crate::domain::models::ModelError;
use crate::domain::reason::Reason;
use crate::domain::units::NumberError;
use crate::stage::path::time::utc;

/// Why a simulation has no result.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum BacktestError {
    /// A decision was refused, which no scenario means to happen.
    #[error("a decision was refused at step {step} of path {path}: {reason}")]
    Refused {
        /// The path's number.
        path: u64,
        /// Steps from the start.
        step: usize,
        /// Why.
        reason: Box<Reason>,
    },
    /// A trade gives more than is held.
    #[error("a trade gives more than the simulated vault holds: give it more capital")]
    Overdrawn,
    /// A written call without a limit comes to more than the vault has idle.
    #[error(
        "option {0} owes more than the vault has idle: nothing lies in its book for a written call without a limit"
    )]
    Owed(u64),
    /// Setting and policy do not say the same of options.
    #[error("{0}")]
    Options(&'static str),
    /// The feed is absent at the first tick, so that a vault that is made up would begin without a price.
    #[error(
        "outages[{number}] of the feed, from {} to {} UTC, has the first tick, at {} UTC: there is no price to open the vault with. \
         Let its `from` be later than that tick, or its `to` no later",
        utc(outage.from), utc(outage.to), utc(*first)
    )]
    Priceless {
        /// Number of the outage in the setting.
        number: usize,
        /// The outage.
        outage: Outage,
        /// Time of the first tick, seconds since 1970.
        first: u64,
    },
    /// A withdrawal of all that there is, or more.
    #[error("a withdrawal of {0} would leave no shares in the vault: let it take less")]
    Emptied(Decimal),
    /// A number left the range of its type.
    #[error("{0} is out of range")]
    Number(&'static str),
    /// The scenario makes a policy that nobody could publish.
    #[error("the scenario makes no valid policy: {0}")]
    Policy(String),
    /// A model has no answer.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Somebody trades nothing, or nothing that costs.
    #[error(
        "a contestant pays nothing on these paths, so that costs cannot be compared: take longer ones, or costs above 0"
    )]
    Idle,
    /// What it was, and when in the past.
    #[error("at {} UTC: {error}", utc(*time))]
    At {
        /// Time of the tick, seconds since 1970.
        time: u64,
        /// What it was.
        error: Box<Self>,
    },
    /// Somebody asked for an end.
    #[error("stopped before its end")]
    Stopped,
}

impl BacktestError {
    /// The same with when it was.
    #[must_use]
    fn at(self, time: u64) -> Self {
        Self::At { time, error: Box::new(self) }
    }
}

impl From<NumberError> for BacktestError {
    fn from(_: NumberError) -> Self {
        Self::Number("an amount")
    }
}

impl From<CanonicalError> for BacktestError {
    fn from(error: CanonicalError) -> Self {
        Self::Policy(error.to_string())
    }
}
