//! The exact call, executed by a node before it is signed.

use alloy::primitives::{Address, Bytes};
use alloy::sol_types::decode_revert_reason;

use super::{DataFee, Refusal, SendingConfig};
use crate::chain::{At, CallRequest, ChainError, Endpoint, Simulated};
use crate::defence::defended;

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
#[derive(Debug, Clone)]
pub struct Preflight {
    pub(super) from: Address,
    pub(super) to: Address,
    pub(super) calldata: Bytes,
    pub(super) gas_limit: u64,
    pub(super) data_fee: Option<DataFee>,
}

impl Preflight {
    /// Gas limit: what the call needs, estimated or measured, and its margin.
    #[must_use]
    pub const fn gas_limit(&self) -> u64 {
        self.gas_limit
    }

    /// The same call on a rollup, which takes `data_fee`; without this call nothing is taken beside gas.
    #[must_use]
    pub fn with_data_fee(self, data_fee: Option<DataFee>) -> Self {
        Self { data_fee, ..self }
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
    Ok(match endpoint.estimate_gas(&request, *at).await? {
        Simulated::Success(estimate) => limited(simulation, (estimate, config.gas_margin_bps), config),
        Simulated::Reverted(data) => reverted(simulation, data, config),
    })
}

/// What [`preflight`] answers, for a call that a node has run once and measured: `call` is the gas that it used by
/// itself, refunds not deducted, or its revert data.
///
/// # Errors
/// A refusal when the call reverts or needs more gas than allowed.
pub fn measured(
    simulation: &Simulation,
    call: Simulated<u64>,
    config: &SendingConfig,
) -> Result<Preflight, Refusal> {
    match call {
        Simulated::Success(used) => {
            let margin = config.gas_margin_bps.max(LEAST_MEASURED_MARGIN_BPS);
            limited(simulation, (transaction_gas(&simulation.calldata, used), margin), config)
        }
        Simulated::Reverted(data) => reverted(simulation, data, config),
    }
}

/// A call may pass on 63/64 of its gas at most (EIP-150), so a transaction needs more than it uses: at four calls inside
/// one another, which are a vault, its venue, a pool and a token, at most 4/64. An estimate holds this already.
const LEAST_MEASURED_MARGIN_BPS: u16 = 625;

/// Gas of a transaction whose call uses `used`: its base and calldata before (EIP-2028), and never less than the floor
/// that calldata sets (EIP-7623).
fn transaction_gas(calldata: &[u8], used: u64) -> u64 {
    const BASE: u64 = 21_000;
    const PER_TOKEN: u64 = 4;
    const FLOOR_PER_TOKEN: u64 = 10;
    // A byte that is zero counts as one token, any other as four.
    let tokens = calldata.iter().map(|byte| if *byte == 0 { 1 } else { 4 }).fold(0, u64::saturating_add);
    let used = tokens.saturating_mul(PER_TOKEN).saturating_add(used);
    BASE.saturating_add(used.max(tokens.saturating_mul(FLOOR_PER_TOKEN)))
}

fn reverted(simulation: &Simulation, data: Bytes, config: &SendingConfig) -> Result<Preflight, Refusal> {
    if !defended(34) {
        return limited(simulation, (config.max_gas_limit, 0), config);
    }
    let standard = || decode_revert_reason(&data).filter(|reason| !reason.is_empty());
    let reason = (simulation.decode)(&data).or_else(standard);
    Err(Refusal::SimulationReverted { data, reason })
}

fn limited(simulation: &Simulation, gas: (u64, u16), config: &SendingConfig) -> Result<Preflight, Refusal> {
    let Simulation { from, to, calldata, block_gas_limit, .. } = simulation;
    let gas_limit = gas_limit(gas, *block_gas_limit, config)?;
    Ok(Preflight { from: *from, to: *to, calldata: calldata.clone(), gas_limit, data_fee: None })
}

/// The gas needed with its margin in basis points, rounded up. State may grow between simulation and inclusion: a pool
/// that writes an oracle observation needs more gas one second later.
fn gas_limit(
    (gas, margin_bps): (u64, u16),
    block_gas_limit: u64,
    config: &SendingConfig,
) -> Result<u64, Refusal> {
    const BPS: u128 = 10_000;
    let margin_bps = if defended(36) { margin_bps } else { 0 };
    let margined = u128::from(gas).saturating_mul(BPS.saturating_add(u128::from(margin_bps))).div_ceil(BPS);
    let needed = u64::try_from(margined).unwrap_or(u64::MAX);
    let allowed = config.max_gas_limit.min(block_gas_limit);
    if needed > allowed { Err(Refusal::GasOverCap { needed, allowed }) } else { Ok(needed) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use alloy::primitives::U256;

    use super::*;
    use crate::execution::{ClassPolicy, FeeCaps, Finality, Patience};

    fn config() -> SendingConfig {
        SendingConfig {
            fees: FeeCaps {
                max_fee_per_gas: 1,
                min_tip: 1,
                max_tip: 1,
                max_per_transaction: U256::MAX,
                max_per_day: U256::MAX,
                max_cancel_fee_per_gas: 10_000_000_000_000,
            },
            gas_margin_bps: 2_500,
            max_gas_limit: 1_000_000,
            data_fee_margin_bps: 2_500,
            finality: Finality::Depth(1),
            patience: Patience::default(),
            class: ClassPolicy::Public,
            runway: 0,
            poll_interval: Duration::ZERO,
            max_polls: 1,
        }
    }

    #[test]
    fn the_gas_limit_is_the_estimate_and_its_margin_rounded_up() {
        assert_eq!(gas_limit((100_000, 2_500), 30_000_000, &config()), Ok(125_000));
        assert_eq!(gas_limit((21_001, 2_500), 30_000_000, &config()), Ok(26_252));
    }

    #[test]
    fn a_gas_limit_above_the_own_cap_or_the_block_is_refused() {
        let own = Refusal::GasOverCap { needed: 1_000_002, allowed: 1_000_000 };
        assert_eq!(gas_limit((800_001, 2_500), 30_000_000, &config()), Err(own));
        let block = Refusal::GasOverCap { needed: 125_000, allowed: 30_000 };
        assert_eq!(gas_limit((100_000, 2_500), 30_000, &config()), Err(block));
        assert!(gas_limit((u64::MAX, 2_500), u64::MAX, &config()).is_err());
    }

    #[test]
    fn a_measured_call_pays_for_its_calldata_and_never_less_than_the_floor() {
        // Two bytes that are zero and three that are not: 14 tokens.
        let calldata = [0, 1, 0, 2, 3];
        assert_eq!(transaction_gas(&[], 0), 21_000);
        assert_eq!(transaction_gas(&calldata, 100_000), 21_000 + 56 + 100_000);
        assert_eq!(transaction_gas(&calldata, 84), 21_000 + 140);
        assert_eq!(transaction_gas(&calldata, 85), 21_000 + 141);
        assert_eq!(transaction_gas(&calldata, u64::MAX), u64::MAX);
    }

    #[test]
    fn a_measured_call_has_a_margin_for_calls_inside_calls_even_where_none_is_configured() {
        let simulation = Simulation {
            from: Address::repeat_byte(1),
            to: Address::repeat_byte(2),
            calldata: Bytes::new(),
            at: At::Pending,
            block_gas_limit: 30_000_000,
            decode: |_| None,
        };
        for (gas_margin_bps, limit) in [(0, 106_250), (625, 106_250), (626, 106_260), (2_500, 125_000)] {
            let config = SendingConfig { gas_margin_bps, ..config() };
            let ready = measured(&simulation, Simulated::Success(79_000), &config).unwrap();
            assert_eq!(ready.gas_limit(), limit);
        }
    }
}
