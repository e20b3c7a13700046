//! How to send; none of it is part of a decision.

use std::time::Duration;

use alloy::primitives::U256;

use super::machine::{Limits, Rules};
use crate::journal::SubmissionClass;

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
    /// Most within any 86,400 seconds of chain time. A cancel may pass it: it costs the least of all that can be done.
    pub max_per_day: U256,
    /// Most per gas of a cancel, which may have to outbid a call at its cap.
    pub max_cancel_fee_per_gas: u128,
}

impl FeeCaps {
    /// A tip that a node suggests, held between the least and the most, wei per gas.
    #[must_use]
    pub fn tip(&self, suggested: Option<u128>) -> u128 {
        suggested.unwrap_or_default().max(self.min_tip).min(self.max_tip)
    }

    /// What calls may bid where so much is spent or promised already within the day, wei.
    pub(super) fn calls(&self, committed_today: U256) -> Limits {
        let today = self.max_per_day.saturating_sub(committed_today);
        Limits { per_gas: self.max_fee_per_gas, in_all: self.max_per_transaction.min(today) }
    }

    const fn cancels(&self) -> Limits {
        Limits { per_gas: self.max_cancel_fee_per_gas, in_all: self.max_per_transaction }
    }
}

/// Which endpoints hear of a transaction. A cancel is for all: it shows nothing, and must not be late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClassPolicy {
    /// All public ones.
    #[default]
    Public,
    /// Private relays alone.
    Private,
    /// Private relays, and after some blocks all public ones, with the same bytes.
    PrivateThenPublic {
        /// Blocks after the head at which it was signed.
        blocks: u64,
    },
}

/// When a nonce that is not mined is bid more for, cancelled or parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Blocks after which bytes that are not mined are raised.
    pub bump_after: u64,
    /// Most signatures of one nonce, cancels left out.
    pub most_attempts: usize,
    /// Blocks after its first signature at which a nonce that nothing is decided of is parked.
    pub park_after: u64,
    /// Most nonces of a key that are under way at once.
    pub most_in_flight: usize,
    /// Blocks after a mined revert before which the same vault sends nothing routine.
    pub cool_down: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self { bump_after: 3, most_attempts: 8, park_after: 300, most_in_flight: 4, cool_down: 25 }
    }
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
    /// When a nonce that is not mined is bid more for, or parked.
    pub patience: Patience,
    /// Which endpoints hear of a transaction.
    pub class: ClassPolicy,
    /// Transactions at the present price that the balance of the key must be good for, or somebody is told.
    pub runway: u32,
    /// Pause between two looks at the chain while waiting for an outcome.
    pub poll_interval: Duration,
    /// Looks at the chain that are waited for an outcome.
    pub max_polls: u32,
}

impl SendingConfig {
    /// Patience and limits for one nonce, where so much is spent or promised for the others of the day, and its call costs so
    /// much beside its gas, wei.
    pub(super) fn rules(&self, committed_today: U256, beside_gas: U256) -> Rules {
        let Patience { bump_after, most_attempts, park_after, .. } = self.patience;
        let (mut calls, cancels) = (self.fees.calls(committed_today), self.fees.cancels());
        calls.in_all = calls.in_all.saturating_sub(beside_gas);
        Rules { bump_after, most_attempts, park_after, calls, cancels }
    }

    /// How the first bytes of an intent may leave that are signed at this height.
    pub(super) fn submission(&self, height: u64) -> SubmissionClass {
        match self.class {
            ClassPolicy::Public => SubmissionClass::Public,
            ClassPolicy::Private => SubmissionClass::Private { public_from: None },
            ClassPolicy::PrivateThenPublic { blocks } => {
                SubmissionClass::Private { public_from: Some(height.saturating_add(blocks)) }
            }
        }
    }

    /// Most that the data of the very bytes may cost where `reckoned` wei were reckoned with, wei, rounded down.
    #[must_use]
    pub fn most_data_fee(&self, reckoned: U256) -> U256 {
        const BPS: u32 = 10_000;
        let kept = U256::from(BPS.saturating_add(u32::from(self.data_fee_margin_bps)));
        reckoned.saturating_mul(kept).checked_div(U256::from(BPS)).unwrap_or_default()
    }
}
