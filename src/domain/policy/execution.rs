//! What gas costs a decision, and how a plan is carried out.

use serde::{Deserialize, Serialize};

use super::rules::Rules;
use crate::domain::limits::Limits;

/// Gas that any transaction costs.
const LEAST_GAS: u64 = 21_000;

/// What gas costs a decision. Constants, so that the decision can be computed again from the block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GasPolicy {
    /// Gas of one rebalance with one swap.
    pub rebalance_units: u64,
    /// Tip assumed in wei per gas.
    pub reference_tip_wei: u64,
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

impl Default for ExecutionPolicy {
    fn default() -> Self {
        Self { deadline_seconds: 120, tolerance_bps: 10, monitoring_seconds: 12 }
    }
}

pub(super) fn gas(rules: &mut Rules, gas: &GasPolicy, limits: &Limits) {
    rules.require(
        gas.rebalance_units >= LEAST_GAS,
        "gas.rebalance_units",
        "expected at least 21000 units of gas",
    );
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
}
