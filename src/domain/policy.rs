//! The published policy: everything besides the snapshot that a decision may read.
//!
//! A policy is written in TOML, hashed in its canonical form, and approved by the vault's owner through that hash.
//! Secrets, endpoints and paths have no place in it.

use alloy::primitives::{Address, B256};
use serde::{Deserialize, Serialize};

use super::canonical::{self, CanonicalError};
use super::limits::Limits;
use super::units::{Price, Ratio};

/// One policy for one vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// A name for people; part of the hash.
    pub name: String,
    /// The chain this policy is for (EIP-155).
    pub chain_id: u64,
    /// What the vault should hold.
    pub strategy: StrategyPolicy,
    /// The floor the vault keeps on chain; the policy states what its owner agreed to.
    pub floor: FloorPolicy,
    /// The owner's attitude to risk.
    #[serde(default)]
    pub risk: RiskPolicy,
    /// What happens between two chances to act.
    #[serde(default)]
    pub gap: GapPolicy,
    /// What the last exit may cost.
    pub reserve: ReservePolicy,
    /// Where volatility comes from.
    pub volatility: VolatilityPolicy,
    /// When to act.
    #[serde(default)]
    pub trigger: Trigger,
    /// What gas costs a decision.
    pub gas: GasPolicy,
    /// The feeds, as the chain knows them.
    pub feeds: FeedsPolicy,
    /// The pools to trade with.
    pub venues: Vec<VenuePolicy>,
    /// What no strategy may pass.
    pub limits: Limits,
    /// How a plan is carried out.
    #[serde(default)]
    pub execution: ExecutionPolicy,
}

/// What the vault should hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum StrategyPolicy {
    /// Constant proportion portfolio insurance (Black and Jones 1987, Perold 1986).
    Cppi {
        /// Exposure per unit of cushion (above 1).
        multiplier: Ratio,
        /// Largest exposure as a share of net asset value, in (0, 1] (the vault cannot borrow).
        cap: Ratio,
    },
}

/// How the floor per share moves; kept on chain, repeated here so that a difference is a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum FloorPolicy {
    /// Stays where it was set.
    Fixed {
        /// Share of the first net asset value per share.
        share: Ratio,
    },
    /// Grows like a bond.
    Accruing {
        /// Share of the first net asset value per share.
        share: Ratio,
        /// Growth per year (0.03 is 3 %).
        rate: Ratio,
    },
    /// Follows the peak of net asset value per share (TIPP; Estep and Kritzman 1988).
    Ratchet {
        /// Share of the first net asset value per share.
        share: Ratio,
        /// Share of the peak below which the floor never stands.
        peak_share: Ratio,
    },
}

/// The owner's attitude to risk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RiskPolicy {
    /// Relative risk aversion `R`, 1 to 20.
    pub aversion: Ratio,
    /// Residual life of the target, in seconds: how long a better position pays.
    pub horizon_seconds: u64,
}

/// What happens between two chances to act (`model.md` §3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GapPolicy {
    /// Time between one chance to act and the next, `τ`: inclusion plus the outage to survive, in seconds.
    pub outage_seconds: u64,
    /// Normal quantile of the diffusion over `τ`; 0 with `jump` 0 switches the multiplier's bound off.
    pub quantile: Ratio,
    /// Loss in one jump on top of the diffusion (0.10 is 10 %).
    pub jump: Ratio,
    /// Share of the largest safe multiplier that is used.
    pub safety: Ratio,
    /// Jumps per year, `λ`.
    pub jumps_per_year: Ratio,
    /// Mean loss of a jump, `μ`.
    pub jump_mean: Ratio,
    /// Price the owner puts on a dollar below the floor, `w_floor`.
    pub floor_weight: Ratio,
}

/// What the last exit may cost, held back from the cushion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReservePolicy {
    /// Gas price of the last exit in wei per gas: a constant, so that a gas spike neither locks nor flaps.
    pub exit_gas_price_wei: u64,
    /// Distance the feed may stand from the market before it updates, in basis points.
    pub feed_deviation_bps: u32,
}

/// Where volatility comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolatilityPolicy {
    /// Annualised volatility is never taken to be below this (0.20 is 20 %).
    #[serde(default = "VolatilityPolicy::default_floor")]
    pub floor: Ratio,
    /// How it is estimated.
    pub estimator: Estimator,
}

/// How volatility is estimated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Estimator {
    /// A stated number.
    Fixed {
        /// Annualised volatility (0.80 is 80 %).
        annual: Ratio,
    },
    /// Exponentially weighted squared returns of the price feed's rounds over irregular times.
    Ewma {
        /// Half-life in hours.
        half_life_hours: u32,
        /// Rounds to read, `K`.
        rounds: u32,
        /// Fewest rounds that make an estimate, `K_min`.
        min_rounds: u32,
        /// Annualised volatility with fewer; absent is a refusal.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        fallback: Option<Ratio>,
    },
}

/// When to act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Trigger {
    /// When it pays: the gas-aware no-trade band of `model.md` §2.
    #[default]
    Economic,
    /// When the drift is a share of net asset value.
    Threshold {
        /// Drift over net asset value (0.05 is 5 %).
        fraction: Ratio,
        /// How far to trade back.
        to: TradeTo,
    },
    /// When this long has passed since the vault's last rebalance.
    Interval {
        /// Seconds of block time.
        seconds: u64,
    },
}

/// How far a threshold trigger trades back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TradeTo {
    /// To the target.
    Target,
    /// To the edge of the threshold.
    Edge,
}

/// What gas costs a decision. Constants, so that the decision can be computed again from the block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GasPolicy {
    /// Gas of one rebalance with one swap.
    pub rebalance_units: u64,
    /// Tip assumed in wei per gas.
    pub reference_tip_wei: u64,
}

/// The feeds, as the chain knows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedsPolicy {
    /// Price of the risky asset in dollars.
    pub risky_usd: FeedPolicy,
    /// Price of the vault's asset in dollars.
    pub asset_usd: FeedPolicy,
    /// Price of the native coin in dollars; absent where the risky asset is the wrapped native coin.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub native_usd: Option<FeedPolicy>,
    /// On rollups: the sequencer's uptime feed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sequencer: Option<SequencerPolicy>,
}

/// One Chainlink-style feed and what it must satisfy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedPolicy {
    /// The proxy's address.
    pub address: Address,
    /// Seconds after which the feed promises a new round.
    pub heartbeat_seconds: u64,
    /// Seconds of grace on top of the heartbeat.
    pub margin_seconds: u64,
    /// Lowest price believed, in dollars.
    pub min: Price,
    /// Highest price believed, in dollars.
    pub max: Price,
}

/// A rollup's sequencer feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SequencerPolicy {
    /// The feed's address.
    pub address: Address,
    /// Seconds to wait after the sequencer came back.
    pub grace_seconds: u64,
}

/// One pool the policy trades with; the vault must allow it too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum VenuePolicy {
    /// A Uniswap v3 pool.
    UniswapV3 {
        /// The pool's address.
        pool: Address,
        /// Words of the tick bitmap (256 tick spacings each) read on each side of the price.
        tick_words: u16,
    },
}

/// How a plan is carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExecutionPolicy {
    /// Seconds of block time after which the transaction reverts on chain.
    pub deadline_seconds: u64,
    /// What the executed amount may fall short of the exact quote, in basis points.
    pub tolerance_bps: u32,
    /// Seconds between two chances to decide, `Δt`.
    pub monitoring_seconds: u64,
}

/// A policy together with the hash its owner approved: what a decision takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedPolicy {
    policy: Policy,
    hash: B256,
}

impl PublishedPolicy {
    /// Hashes the canonical form once.
    ///
    /// # Errors
    /// [`CanonicalError`]; a policy read from TOML always has a canonical form.
    pub fn new(policy: Policy) -> Result<Self, CanonicalError> {
        let hash = canonical::hash(&policy)?;
        Ok(Self { policy, hash })
    }

    /// The policy.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Keccak-256 of its canonical form.
    #[must_use]
    pub const fn hash(&self) -> B256 {
        self.hash
    }
}

impl VolatilityPolicy {
    /// The floor where a policy states none: 20 % a year.
    #[must_use]
    pub fn default_floor() -> Ratio {
        ratio(20, 2)
    }
}

/// `mantissa / 10^places`.
fn ratio(mantissa: i64, places: u32) -> Ratio {
    Ratio::new(rust_decimal::Decimal::new(mantissa, places))
}

impl Default for RiskPolicy {
    fn default() -> Self {
        Self { aversion: ratio(4, 0), horizon_seconds: 365 * 86_400 }
    }
}

impl Default for GapPolicy {
    fn default() -> Self {
        Self {
            outage_seconds: 3_600,
            quantile: ratio(31, 1),
            jump: ratio(10, 2),
            safety: ratio(8, 1),
            jumps_per_year: ratio(4, 0),
            jump_mean: ratio(8, 2),
            floor_weight: ratio(5, 0),
        }
    }
}

impl Default for ExecutionPolicy {
    fn default() -> Self {
        Self { deadline_seconds: 120, tolerance_bps: 10, monitoring_seconds: 12 }
    }
}
