//! What gas costs a decision, and how a plan is carried out.

use serde::{Deserialize, Serialize};

use super::chain::ChainKind;
use super::rules::{Rules, whole};
use crate::domain::limits::Limits;
use crate::domain::units::Ratio;

/// Gas that any transaction costs.
const LEAST_GAS: u64 = 21_000;

/// Largest factor on predicted costs.
const MOST_COST_MARGIN: i64 = 10;

/// Most slices of one drift.
const MOST_SLICES: u32 = 1_000;

/// Gas of each swap after the first where the policy does not say.
const SWAP_UNITS: u64 = 115_000;

/// What gas costs a decision: constants and the kind of the chain, so that the decision can be computed again from the
/// block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GasPolicy {
    /// How the chain charges; keeper and policy must agree on it.
    #[serde(default, skip_serializing_if = "ChainKind::is_ethereum")]
    pub chain: ChainKind,
    /// Gas of one rebalance with one swap.
    pub rebalance_units: u64,
    /// Gas of each further swap in the same rebalance. A pool that brings less than this costs is not used.
    #[serde(
        default = "GasPolicy::default_swap_units",
        skip_serializing_if = "GasPolicy::is_default_swap_units"
    )]
    pub swap_units: u64,
    /// Tip assumed in wei per gas.
    pub reference_tip_wei: u64,
}

impl GasPolicy {
    /// Gas of each further swap where the policy does not say: 115,000, the most that was measured on a chain (a test
    /// measures it again). Through the vault's adapters one on Uniswap v3 used 102,000 to 104,000, one on v2 80,000 to
    /// 114,000; a v3 swap that crosses many ticks uses more.
    #[must_use]
    pub const fn default_swap_units() -> u64 {
        SWAP_UNITS
    }

    /// Wei per gas that a decision reckons with: next base fee plus reference tip.
    #[must_use]
    pub const fn price(&self, next_base_fee: u64) -> u64 {
        next_base_fee.saturating_add(self.reference_tip_wei)
    }

    /// What is not said is not part of the hash either.
    const fn is_default_swap_units(units: &u64) -> bool {
        *units == SWAP_UNITS
    }
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
    /// Factor on all predicted costs, at least 1, where it is asked whether a trade pays; how much is traded does not
    /// depend on it. So a larger one never makes a vault act that held.
    #[serde(skip_serializing_if = "ExecutionPolicy::is_without_margin")]
    pub cost_margin: Ratio,
    /// In one trade or in slices.
    #[serde(skip_serializing_if = "ExecutionStyle::is_once")]
    pub style: ExecutionStyle,
}

/// How a routine trade is spread over time. A mandatory one never is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ExecutionStyle {
    /// As large as limits and costs let it be; convex impact alone makes slices.
    #[default]
    Once,
    /// In slices over time. Each trade is at most one part in `slices` of what the trigger asks for at its own block,
    /// and follows the vault's last rebalance by at least `interval_seconds`. So a slice depends on nothing but the
    /// block: there is no series to remember, the slices shrink with the drift, and the trigger decides on each of them
    /// anew, its gas included.
    Twap {
        /// Parts.
        slices: u32,
        /// Seconds of block time between two of them.
        interval_seconds: u64,
    },
}

impl ExecutionStyle {
    /// What is not said is not part of the hash either.
    const fn is_once(&self) -> bool {
        matches!(self, Self::Once)
    }
}

impl ExecutionPolicy {
    /// What is not said is not part of the hash either.
    fn is_without_margin(margin: &Ratio) -> bool {
        *margin == Ratio::ONE
    }
}

impl Default for ExecutionPolicy {
    fn default() -> Self {
        Self {
            deadline_seconds: 120,
            tolerance_bps: 10,
            monitoring_seconds: 12,
            cost_margin: Ratio::ONE,
            style: ExecutionStyle::Once,
        }
    }
}

pub(super) fn gas(rules: &mut Rules, gas: &GasPolicy, limits: &Limits) {
    rules.require(
        gas.rebalance_units >= LEAST_GAS,
        "gas.rebalance_units",
        "expected at least 21000 units of gas",
    );
    rules.positive("gas.swap_units", gas.swap_units);
    rules.compare(
        gas.reference_tip_wei <= limits.max_gas_price_wei,
        "gas.reference_tip_wei",
        "limits.max_gas_price_wei",
        "expected at most `limits.max_gas_price_wei`: no trade could pass otherwise",
    );
}

pub(super) fn execution(rules: &mut Rules, execution: &ExecutionPolicy) {
    rules.positive("execution.deadline_seconds", execution.deadline_seconds);
    rules.bps("execution.tolerance_bps", execution.tolerance_bps);
    rules.positive("execution.monitoring_seconds", execution.monitoring_seconds);
    let margin_fits = execution.cost_margin >= Ratio::ONE && execution.cost_margin <= whole(MOST_COST_MARGIN);
    rules.require(margin_fits, "execution.cost_margin", "expected a factor from 1 to 10");
    match execution.style {
        ExecutionStyle::Once => {}
        ExecutionStyle::Twap { slices, interval_seconds } => {
            let fits = (2..=MOST_SLICES).contains(&slices);
            rules.require(fits, "execution.style.slices", "expected 2 to 1000 slices");
            rules.positive("execution.style.interval_seconds", interval_seconds);
        }
    }
}
