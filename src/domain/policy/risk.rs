//! The owner's attitude to risk, to gaps and to the last exit.

use serde::{Deserialize, Serialize};

use super::chain::ChainKind;
use super::ratio;
use super::rules::{Rules, whole};
use crate::domain::units::Ratio;

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
    /// What the chain takes for the data of the last exit, all its swaps together, in wei: a constant like the gas price
    /// and for the same reason. Only rollups have one, and there it must be said.
    #[serde(default, skip_serializing_if = "ReservePolicy::is_without_data_fee")]
    pub exit_data_fee_wei: u64,
    /// Distance the feed may stand from the market before it updates, in basis points.
    pub feed_deviation_bps: u32,
}

impl ReservePolicy {
    /// What is not said is not part of the hash either.
    const fn is_without_data_fee(wei: &u64) -> bool {
        *wei == 0
    }
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

pub(super) fn risk(rules: &mut Rules, risk: &RiskPolicy) {
    let fits = risk.aversion >= Ratio::ONE && risk.aversion <= whole(20);
    rules.require(fits, "risk.aversion", "expected a relative risk aversion from 1 to 20");
    rules.positive("risk.horizon_seconds", risk.horizon_seconds);
}

pub(super) fn gap(rules: &mut Rules, gap: &GapPolicy) {
    rules.positive("gap.outage_seconds", gap.outage_seconds);
    let quantile_fits = gap.quantile >= Ratio::ZERO && gap.quantile <= whole(10);
    rules.require(quantile_fits, "gap.quantile", "expected a normal quantile from 0 to 10");
    let jump_fits = gap.jump >= Ratio::ZERO && gap.jump < Ratio::ONE;
    rules.require(jump_fits, "gap.jump", "expected a loss of at least 0 and below 1 (0.10 is 10 %)");
    let safety_fits = gap.safety > Ratio::ZERO && gap.safety <= Ratio::ONE;
    rules.require(safety_fits, "gap.safety", "expected a share above 0 and at most 1");
    rules.require(gap.jumps_per_year >= Ratio::ZERO, "gap.jumps_per_year", "expected at least 0");
    rules.inner_share("gap.jump_mean", gap.jump_mean);
    rules.require(gap.floor_weight >= Ratio::ZERO, "gap.floor_weight", "expected at least 0");
}

pub(super) fn reserve(rules: &mut Rules, reserve: &ReservePolicy, chain: ChainKind) {
    rules.positive("reserve.exit_gas_price_wei", reserve.exit_gas_price_wei);
    rules.bps("reserve.feed_deviation_bps", reserve.feed_deviation_bps);
    let expected = match chain {
        ChainKind::Ethereum => "expected no such key: a chain of kind `ethereum` has no data fee",
        ChainKind::OpStack | ChainKind::Arbitrum => {
            "expected wei above 0 on a rollup: what the data of the last exit may cost"
        }
    };
    let fits = (reserve.exit_data_fee_wei > 0) == chain.is_rollup();
    rules.compare(fits, "reserve.exit_data_fee_wei", "gas.chain", expected);
}
