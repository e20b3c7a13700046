//! When to act.

use serde::{Deserialize, Serialize};

use super::rules::Rules;
use crate::domain::units::Ratio;

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

pub(super) fn trigger(rules: &mut Rules, trigger: &Trigger) {
    match trigger {
        Trigger::Economic => {}
        Trigger::Threshold { fraction, to: _ } => rules.inner_share("trigger.fraction", *fraction),
        Trigger::Interval { seconds } => rules.positive("trigger.seconds", *seconds),
    }
}
