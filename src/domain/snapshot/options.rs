//! The open legs of the vault's option book.

use alloy::primitives::{Address, I256, U256};
use serde::{Deserialize, Serialize};
use serde_with::{DisplayFromStr, serde_as};

pub use crate::domain::models::greeks::OptionKind;

/// The vault's option book, with every leg that is not settled yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptionBook {
    /// The contract, an `IOptionBook`.
    pub address: Address,
    /// Its open legs, in its order; an expired one is open until it is settled.
    pub legs: Vec<OptionLeg>,
}

/// One European option on the risky asset, settled in the vault's asset.
#[serde_as]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptionLeg {
    /// Its number in the book.
    #[serde_as(as = "DisplayFromStr")]
    pub id: u64,
    /// The right that it gives.
    pub kind: OptionKind,
    /// Price of a whole risky token in whole tokens of the asset, 18 decimals.
    #[serde_as(as = "DisplayFromStr")]
    pub strike: U256,
    /// Seconds since 1970; from then on it is worth what the feed said at that time.
    #[serde_as(as = "DisplayFromStr")]
    pub expiry: u64,
    /// Raw units of the risky asset that it is on; negative where the vault has written it.
    #[serde_as(as = "DisplayFromStr")]
    pub size: I256,
    /// What the policy's volatility feed says of it, where the policy names one and it answers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub implied: Option<ImpliedVolatility>,
}

/// A volatility feed's answer for one strike and expiry, an `IVolatilityFeed`.
#[serde_as]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImpliedVolatility {
    /// Annualised volatility, 18 decimals.
    #[serde_as(as = "DisplayFromStr")]
    pub annual: U256,
    /// When it was updated, seconds since 1970; 0 is no answer.
    #[serde_as(as = "DisplayFromStr")]
    pub updated_at: u64,
}
