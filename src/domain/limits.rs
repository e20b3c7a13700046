//! Limits of one policy that no strategy can pass and that can only take risk away.

use alloy::primitives::U256;
use serde::{Deserialize, Serialize};

use super::units::Usd;

/// What a decision may not exceed, whatever its strategy wants. Part of the published policy.
///
/// Rules it keeps: a limit never turns a trade around and never makes one larger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Largest value of one trade in units of the asset.
    pub max_trade: Usd,
    /// Smallest value worth a transaction in units of the asset; below it the answer is `too_small`: to hold where less is
    /// wanted, a refusal where another limit left less of it. A trade may be a smaller part of such a value where parts are
    /// cheaper.
    pub min_trade: Usd,
    /// Largest loss of a trade against the oracle, fees and impact included, in basis points.
    pub max_slippage_bps: u32,
    /// Largest distance of the pool's price from the oracle's, in basis points of the oracle's.
    pub max_price_deviation_bps: u32,
    /// The pool's spot price is compared with its time-weighted price before a routine trade; absent is no check.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub twap: Option<TwapLimit>,
    /// Largest distance of the asset from one dollar, in basis points.
    pub max_depeg_bps: u32,
    /// Largest next base fee plus reference tip for a routine trade, in wei of the native coin per gas.
    pub max_gas_price_wei: u64,
    /// The same for a mandatory trade (floor at risk, cash-lock).
    pub max_urgent_gas_price_wei: u64,
}

/// How far a pool's prices may stand apart in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TwapLimit {
    /// Seconds over which the pool's observations are averaged.
    pub window_seconds: u32,
    /// Largest distance of spot from the average, in basis points of the average.
    pub max_deviation_bps: u32,
}

/// An amount that several limits cut, remembering which one cut deepest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// What is left, raw units of the token given.
    pub amount: U256,
    /// The limit that bound, if any did.
    pub by: Option<SizeLimit>,
}

/// Why a trade is smaller than its strategy wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SizeLimit {
    /// The policy's largest trade.
    MaxTrade,
    /// The vault's largest value per call.
    VaultCall,
    /// What is left of the vault's turnover per day.
    VaultTurnover,
    /// What the vault holds of the token to sell.
    Holdings,
    /// The vault's largest exposure after a buy.
    VaultExposure,
    /// The vault's largest loss of net asset value in one call.
    VaultLoss,
    /// The largest loss against the oracle, of policy or vault.
    Slippage,
    /// What is known of the pool's liquidity.
    KnownLiquidity,
}

impl SizeLimit {
    /// As in the record.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MaxTrade => "max_trade",
            Self::VaultCall => "vault_call",
            Self::VaultTurnover => "vault_turnover",
            Self::Holdings => "holdings",
            Self::VaultExposure => "vault_exposure",
            Self::VaultLoss => "vault_loss",
            Self::Slippage => "slippage",
            Self::KnownLiquidity => "known_liquidity",
        }
    }
}

impl Cut {
    /// The wanted amount, cut by nothing yet.
    #[must_use]
    pub const fn whole(amount: U256) -> Self {
        Self { amount, by: None }
    }

    /// Cuts to `limit` where that is smaller.
    #[must_use]
    pub fn to(self, limit: U256, by: SizeLimit) -> Self {
        if limit < self.amount { Self { amount: limit, by: Some(by) } } else { self }
    }
}
