//! Why a series of options that was due was not opened.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::backtest::BacktestError;
use crate::domain::units::NumberError;

/// Why a series that was due was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unopened {
    /// One of its positions has no terms.
    Terms {
        /// Its place among `options.positions` of the setting, from 0.
        position: usize,
        /// What it lacks.
        lack: Lack,
    },
    /// The vault's contract opens nothing at a feed's answer of that age.
    StalePrice,
    /// Nor in cash-lock.
    CashLock,
    /// The series takes more than the vault has idle.
    TooLittleAsset,
    /// It would leave the vault no cushion over its floor.
    Floor,
    /// It would leave the vault's exposure beyond cap or bound of what is left.
    Exposure,
}

/// What a position lacks to have terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lack {
    /// The policy's model has no volatility for it.
    Volatility,
    /// The spread is all of its volatility, or more.
    Spread,
    /// Its size is nothing.
    Size,
    /// Its strike is nothing, or no strike has the delta.
    Strike,
    /// Its delta has put the strike beyond the limit.
    Limit,
}

impl Unopened {
    /// Why, for people.
    #[must_use]
    pub const fn why(self) -> &'static str {
        match self {
            Self::Terms { lack: Lack::Volatility, .. } => "the policy's model has no volatility for it",
            Self::Terms { lack: Lack::Spread, .. } => "options.spread is all of its volatility, or more",
            Self::Terms { lack: Lack::Size, .. } => "its size is nothing, of what the vault has",
            Self::Terms { lack: Lack::Strike, .. } => "its strike is nothing, or none has its delta",
            Self::Terms { lack: Lack::Limit, .. } => "its delta puts the strike beyond its limit",
            Self::StalePrice => "the feed's answer is too old for the vault",
            Self::CashLock => "the vault is in cash-lock",
            Self::TooLittleAsset => "it takes more than the vault has idle",
            Self::Floor => "it would leave no cushion over the floor",
            Self::Exposure => "exposure would be beyond cap or bound of what is left",
        }
    }
}

/// Its code, behind the path of the position in the setting where it is of one: `options.positions[0]: no_size`.
impl fmt::Display for Unopened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = match self {
            Self::Terms { position, lack } => {
                let lack = match lack {
                    Lack::Volatility => "no_volatility",
                    Lack::Spread => "no_volatility_left",
                    Lack::Size => "no_size",
                    Lack::Strike => "no_strike",
                    Lack::Limit => "beyond_limit",
                };
                return write!(f, "options.positions[{position}]: {lack}");
            }
            Self::StalePrice => "stale_price",
            Self::CashLock => "cash_lock",
            Self::TooLittleAsset => "too_little_asset",
            Self::Floor => "floor",
            Self::Exposure => "exposure",
        };
        f.write_str(code)
    }
}

impl Serialize for Unopened {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why a position has no terms: it lacks something, or a number is out of range.
#[derive(Debug)]
pub(super) enum NoTerms {
    Lack(Lack),
    Error(BacktestError),
}

impl From<Lack> for NoTerms {
    fn from(lack: Lack) -> Self {
        Self::Lack(lack)
    }
}

impl From<BacktestError> for NoTerms {
    fn from(error: BacktestError) -> Self {
        Self::Error(error)
    }
}

impl From<NumberError> for NoTerms {
    fn from(error: NumberError) -> Self {
        Self::Error(error.into())
    }
}
