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
    /// When one of several asks for a trade; of those that do, the one that asks for the largest, and a rule before
    /// `economic`, which may find that the trade does not pay.
    Any {
        /// Which.
        of: Vec<Self>,
    },
    /// When all of several ask for a trade, and only as much as each of them asks for; it must pay if one of them is
    /// `economic`.
    All {
        /// Which.
        of: Vec<Self>,
    },
    /// Thresholds shrink as volatility rises, and intervals with its square, so that the drift between two trades
    /// carries the same risk: `fraction·σ₀/σ` and `seconds·(σ₀/σ)²`.
    VolatilityScaled {
        /// Annualised volatility at which `trigger` is as stated, `σ₀`.
        reference: Ratio,
        /// What is scaled.
        trigger: Box<Self>,
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

/// Most triggers of one combination.
const MOST_TRIGGERS: usize = 8;
/// How deep triggers may stand inside one another.
const DEEPEST: usize = 4;

pub(super) fn trigger(rules: &mut Rules, trigger: &Trigger) {
    one(rules, "trigger", trigger, 0);
}

fn one(rules: &mut Rules, path: &str, trigger: &Trigger, depth: usize) {
    let at = |key: &str| format!("{path}.{key}");
    if depth > DEEPEST {
        rules.require(false, path, "expected triggers that stand at most four deep in one another");
        return;
    }
    match trigger {
        Trigger::Economic => {}
        Trigger::Threshold { fraction, to: _ } => rules.inner_share(&at("fraction"), *fraction),
        Trigger::Interval { seconds } => rules.positive(&at("seconds"), *seconds),
        Trigger::Any { of } | Trigger::All { of } => {
            let count = (1..=MOST_TRIGGERS).contains(&of.len());
            rules.require(count, &at("of"), "expected 1 to 8 triggers");
            for (i, trigger) in of.iter().enumerate() {
                one(rules, &at(&format!("of[{i}]")), trigger, depth.saturating_add(1));
            }
        }
        Trigger::VolatilityScaled { reference, trigger } => {
            rules.require(
                *reference > Ratio::ZERO,
                &at("reference"),
                "expected an annualised volatility above 0",
            );
            rules.annual_volatility(&at("reference"), *reference);
            one(rules, &at("trigger"), trigger, depth.saturating_add(1));
        }
    }
}
