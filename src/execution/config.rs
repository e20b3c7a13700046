//! How to send; none of it is part of a decision.

use std::time::Duration;

use alloy::primitives::U256;

/// When a mined transaction counts as final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finality {
    /// With this many blocks on top of its own.
    Depth(u64),
    /// When its block is at or below the node's `finalized` block.
    Finalized,
}

/// Limits on what is paid for gas, all in wei.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeeCaps {
    /// Most per gas, base fee and tip together.
    pub max_fee_per_gas: u128,
    /// Least tip per gas.
    pub min_tip: u128,
    /// Most tip per gas, whatever a node suggests.
    pub max_tip: u128,
    /// Most per transaction: gas limit times fee cap.
    pub max_per_transaction: U256,
    /// Most within any 86,400 seconds of chain time.
    pub max_per_day: U256,
}

/// Limits and patience of the sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendingConfig {
    /// Limits on fees.
    pub fees: FeeCaps,
    /// Gas limit above what the call needs, in basis points of that.
    pub gas_margin_bps: u16,
    /// Highest gas limit that is signed.
    pub max_gas_limit: u64,
    /// What the data of the very bytes may cost above what was reckoned with on a rollup, in basis points of that.
    pub data_fee_margin_bps: u16,
    /// When a mined transaction counts as final.
    pub finality: Finality,
    /// Pause between two looks at the chain while waiting for an outcome.
    pub poll_interval: Duration,
    /// Looks at the chain before an intent that is not mined counts as parked.
    pub max_polls: u32,
}

impl SendingConfig {
    /// Most that the data of the very bytes may cost where `reckoned` wei were reckoned with, wei, rounded down.
    #[must_use]
    pub fn most_data_fee(&self, reckoned: U256) -> U256 {
        const BPS: u32 = 10_000;
        let kept = U256::from(BPS.saturating_add(u32::from(self.data_fee_margin_bps)));
        reckoned.saturating_mul(kept).checked_div(U256::from(BPS)).unwrap_or_default()
    }
}
