//! The exact call, executed by a node before it is signed.

use alloy::primitives::{Address, Bytes};
use alloy::sol_types::decode_revert_reason;

use super::{Refusal, SendingConfig};
use crate::chain::{At, CallRequest, ChainError, Endpoint, Simulated};

/// Puts revert data in words where it knows the contract's errors.
pub type RevertDecoder = fn(&[u8]) -> Option<String>;

/// A call to simulate.
#[derive(Debug, Clone)]
pub struct Simulation {
    /// Account that will sign.
    pub from: Address,
    /// Contract called.
    pub to: Address,
    /// Calldata.
    pub calldata: Bytes,
    /// State to execute it on.
    pub at: At,
    /// Gas limit of the newest block.
    pub block_gas_limit: u64,
    /// Reads the contract's errors.
    pub decode: RevertDecoder,
}

/// A call that was simulated and succeeded: the only kind that can be submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preflight {
    pub(super) from: Address,
    pub(super) to: Address,
    pub(super) calldata: Bytes,
    pub(super) gas_limit: u64,
}

impl Preflight {
    /// Gas limit: the estimate and its margin.
    #[must_use]
    pub const fn gas_limit(&self) -> u64 {
        self.gas_limit
    }
}

/// Executes the call without a transaction, by asking for its gas: a node answers that by running exactly this call,
/// and says why where it reverts.
///
/// The inner result is a refusal when the call reverts or needs more gas than allowed.
///
/// # Errors
/// A failure of the node.
pub async fn preflight(
    endpoint: &Endpoint,
    simulation: &Simulation,
    config: &SendingConfig,
) -> Result<Result<Preflight, Refusal>, ChainError> {
    let Simulation { from, to, calldata, at, .. } = simulation;
    let request = CallRequest { from: Some(*from), to: *to, data: calldata.clone() };
    let estimate = match endpoint.estimate_gas(&request, *at).await? {
        Simulated::Success(estimate) => estimate,
        Simulated::Reverted(data) => {
            let standard = || decode_revert_reason(&data).filter(|reason| !reason.is_empty());
            let reason = (simulation.decode)(&data).or_else(standard);
            return Ok(Err(Refusal::SimulationReverted { data, reason }));
        }
    };
    let limited = gas_limit(estimate, simulation.block_gas_limit, config);
    Ok(limited.map(|gas_limit| Preflight { from: *from, to: *to, calldata: calldata.clone(), gas_limit }))
}

/// The estimate with its margin, rounded up. State may grow between simulation and inclusion: a pool that writes an
/// oracle observation needs more gas one second later.
fn gas_limit(estimate: u64, block_gas_limit: u64, config: &SendingConfig) -> Result<u64, Refusal> {
    const BPS: u128 = 10_000;
    let margined = u128::from(estimate)
        .saturating_mul(BPS.saturating_add(u128::from(config.gas_margin_bps)))
        .div_ceil(BPS);
    let needed = u64::try_from(margined).unwrap_or(u64::MAX);
    let allowed = config.max_gas_limit.min(block_gas_limit);
    if needed > allowed { Err(Refusal::GasOverCap { needed, allowed }) } else { Ok(needed) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use alloy::primitives::U256;

    use super::*;
    use crate::execution::{FeeCaps, Finality};

    fn config() -> SendingConfig {
        SendingConfig {
            fees: FeeCaps {
                max_fee_per_gas: 1,
                min_tip: 1,
                max_tip: 1,
                max_per_transaction: U256::MAX,
                max_per_day: U256::MAX,
            },
            gas_margin_bps: 2_500,
            max_gas_limit: 1_000_000,
            finality: Finality::Depth(1),
            poll_interval: Duration::ZERO,
            max_polls: 1,
        }
    }

    #[test]
    fn the_gas_limit_is_the_estimate_and_its_margin_rounded_up() {
        assert_eq!(gas_limit(100_000, 30_000_000, &config()), Ok(125_000));
        assert_eq!(gas_limit(21_001, 30_000_000, &config()), Ok(26_252));
    }

    #[test]
    fn a_gas_limit_above_the_own_cap_or_the_block_is_refused() {
        let own = Refusal::GasOverCap { needed: 1_000_002, allowed: 1_000_000 };
        assert_eq!(gas_limit(800_001, 30_000_000, &config()), Err(own));
        let block = Refusal::GasOverCap { needed: 125_000, allowed: 30_000 };
        assert_eq!(gas_limit(100_000, 30_000, &config()), Err(block));
        assert!(gas_limit(u64::MAX, u64::MAX, &config()).is_err());
    }
}
