//! Where volatility comes from.

use serde::{Deserialize, Serialize};

use super::ratio;
use super::rules::Rules;
use crate::domain::units::Ratio;

/// Most feed rounds that one reading may ask for; beyond it providers refuse the call.
const MOST_ROUNDS: u32 = 1_000;
/// Fewest rounds that the model makes an estimate of: `MIN_OBSERVATIONS` of `models::volatility`, a later stage.
const LEAST_ROUNDS: u32 = 8;
/// Longest half-life of a volatility estimate.
const HOURS_OF_A_YEAR: u32 = 8_760;

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
        /// Fewest rounds that make an estimate, `K_min`; at least 8.
        min_rounds: u32,
        /// Annualised volatility with fewer; absent is a refusal.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        fallback: Option<Ratio>,
    },
}

impl VolatilityPolicy {
    /// The floor where a policy states none: 20 % a year.
    #[must_use]
    pub fn default_floor() -> Ratio {
        ratio(20, 2)
    }
}

pub(super) fn volatility(rules: &mut Rules, volatility: &VolatilityPolicy) {
    rules.annual_volatility("volatility.floor", volatility.floor);
    match &volatility.estimator {
        Estimator::Fixed { annual } => rules.annual_volatility("volatility.estimator.annual", *annual),
        Estimator::Ewma { half_life_hours, rounds, min_rounds, fallback } => {
            let memory = (1..=HOURS_OF_A_YEAR).contains(half_life_hours);
            rules.require(memory, "volatility.estimator.half_life_hours", "expected 1 to 8760 hours");
            let rounds_fit = (LEAST_ROUNDS..=MOST_ROUNDS).contains(rounds);
            rules.require(rounds_fit, "volatility.estimator.rounds", "expected 8 to 1000 rounds");
            let fewest = "volatility.estimator.min_rounds";
            rules.require(
                *min_rounds >= LEAST_ROUNDS,
                fewest,
                "expected at least 8: the model makes no estimate of fewer",
            );
            rules.compare(
                min_rounds <= rounds,
                fewest,
                "volatility.estimator.rounds",
                "expected at most `rounds`",
            );
            if let Some(annual) = fallback {
                rules.annual_volatility("volatility.estimator.fallback", *annual);
            }
        }
    }
}
