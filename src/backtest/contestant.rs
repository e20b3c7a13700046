//! Who decides along a path: the keeper by one of its triggers, or a rival's band.

use serde::Serialize;

use super::BacktestError;
use super::rivals::Rule;
use super::scenario::{Scenario, Strategy, ratio};
use crate::domain::policy::{PublishedPolicy, TradeTo, Trigger};

/// First net asset value of a hedging vault whose capital is no part of its decisions, USD for each unit hedged and USD
/// of its price.
const HEDGE_CAPITAL: f64 = 10.0;
/// Least capital that can hold a hedge wherever the price goes within reason, in the same measure.
const LEAST_HEDGE_CAPITAL: f64 = 1.5;
/// Largest relative risk aversion of a policy.
const MOST_AVERSION: f64 = 20.0;
/// The owner's default relative risk aversion.
pub const DEFAULT_AVERSION: f64 = 4.0;

/// A way to decide with one free parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Back to the target when a time has passed: the keeper's trigger `interval`. Parameter: steps.
    Time,
    /// Back to the target beyond a drift: the keeper's trigger `threshold`. Parameter: drift over net asset value.
    ThresholdToTarget,
    /// Back to the edge of the same. Parameter: drift over net asset value.
    ThresholdToEdge,
    /// [`Rule::WhalleyWilmott`]. Parameter: absolute risk aversion at the start, 1/USD.
    WhalleyWilmott,
    /// [`Rule::Zakamouline`]. Parameter: absolute risk aversion at the start, 1/USD.
    Zakamouline,
    /// The keeper's own: the trigger `economic`. Parameter: absolute risk aversion at the start, 1/USD.
    Economic,
}

/// A contestant with its parameter set.
#[derive(Debug, Clone)]
pub struct Contestant {
    /// Its policy; of a rival the one whose target it follows.
    pub published: PublishedPolicy,
    /// The rival's rule and its absolute risk aversion at the start, 1/USD.
    pub rival: Option<(Rule, f64)>,
    /// First net asset value, USD.
    pub capital: f64,
}

/// How risk answers to a parameter, for a search.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// Least value.
    pub least: f64,
    /// Largest value.
    pub most: f64,
    /// Where to begin.
    pub guess: f64,
    /// About `d ln risk/d ln parameter`.
    pub elasticity: f64,
}

impl Kind {
    /// All of them, the keeper's own last.
    pub const ALL: [Self; 6] = [
        Self::Time,
        Self::ThresholdToTarget,
        Self::ThresholdToEdge,
        Self::WhalleyWilmott,
        Self::Zakamouline,
        Self::Economic,
    ];

    /// For people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::ThresholdToTarget => "threshold to target",
            Self::ThresholdToEdge => "threshold to edge",
            Self::WhalleyWilmott => "Whalley-Wilmott",
            Self::Zakamouline => "Zakamouline",
            Self::Economic => "economic (ours)",
        }
    }

    /// Whether the parameter is a whole number.
    #[must_use]
    pub const fn is_whole(self) -> bool {
        matches!(self, Self::Time)
    }

    /// The contestant of this kind with its parameter set.
    ///
    /// # Errors
    /// [`BacktestError::Policy`] for a parameter that no policy can have.
    pub fn enter(self, scenario: &Scenario, parameter: f64) -> Result<Contestant, BacktestError> {
        let capital = self.capital(scenario, parameter);
        let (trigger, rival) = match self {
            Self::Time => (Trigger::Interval { seconds: seconds(scenario, parameter) }, None),
            Self::ThresholdToTarget => (threshold(parameter, TradeTo::Target)?, None),
            Self::ThresholdToEdge => (threshold(parameter, TradeTo::Edge)?, None),
            Self::WhalleyWilmott => (Trigger::Economic, Some((Rule::WhalleyWilmott, parameter))),
            Self::Zakamouline => (Trigger::Economic, Some((Rule::Zakamouline, parameter))),
            Self::Economic => (Trigger::Economic, None),
        };
        let aversion = match self {
            // Rounding must not lead out of the policy's range.
            Self::Economic => match scenario.strategy {
                Strategy::DeltaHedge { .. } => parameter * capital,
                Strategy::Cppi { .. } | Strategy::ConstantWeight { .. } => {
                    (parameter * capital).clamp(1.0, MOST_AVERSION)
                }
            },
            Self::Time
            | Self::ThresholdToTarget
            | Self::ThresholdToEdge
            | Self::WhalleyWilmott
            | Self::Zakamouline => DEFAULT_AVERSION,
        };
        Ok(Contestant { published: scenario.policy(trigger, aversion)?, rival, capital })
    }

    /// First net asset value. A hedge only needs as much as holds it, so the capital sets the absolute risk aversion of
    /// `economic` at the largest relative one that a policy may have; where even the least capital is too much for that,
    /// the relative one is larger than in any published policy.
    fn capital(self, scenario: &Scenario, parameter: f64) -> f64 {
        match scenario.strategy {
            Strategy::DeltaHedge { calls } => {
                let value = calls * scenario.span.start;
                if self == Self::Economic {
                    (MOST_AVERSION / parameter).max(LEAST_HEDGE_CAPITAL * value)
                } else {
                    HEDGE_CAPITAL * value
                }
            }
            Strategy::Cppi { capital, .. } | Strategy::ConstantWeight { capital, .. } => capital,
        }
    }

    /// The range of the parameter, and where a search begins.
    #[must_use]
    pub fn scale(self, scenario: &Scenario) -> Scale {
        let steps = u32::try_from(scenario.span.steps).map_or(f64::MAX, f64::from);
        let (least, most, guess) = match scenario.strategy {
            Strategy::DeltaHedge { calls } => {
                let value = calls * scenario.span.start;
                (1e-3 / value, 1e6 / value, 5.0 / value)
            }
            Strategy::Cppi { capital, .. } | Strategy::ConstantWeight { capital, .. } => {
                (1.0 / capital, MOST_AVERSION / capital, DEFAULT_AVERSION / capital)
            }
        };
        match self {
            Self::Time => Scale { least: 1.0, most: steps, guess: 12.0, elasticity: 0.5 },
            Self::ThresholdToTarget => Scale { least: 1e-5, most: 0.9, guess: 0.01, elasticity: 1.0 },
            Self::ThresholdToEdge => Scale { least: 1e-5, most: 0.9, guess: 0.007, elasticity: 1.0 },
            Self::Economic => Scale { least, most, guess, elasticity: -0.3 },
            // A rival's aversion is bounded by nothing but the search.
            Self::WhalleyWilmott | Self::Zakamouline => {
                Scale { least: least * 1e-3, most: most * 1e6, guess, elasticity: -0.35 }
            }
        }
    }
}

fn threshold(fraction: f64, to: TradeTo) -> Result<Trigger, BacktestError> {
    Ok(Trigger::Threshold { fraction: ratio(fraction)?, to })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of steps between one and the length of a path"
)]
const fn seconds(scenario: &Scenario, steps: f64) -> u64 {
    (steps.round() as u64).saturating_mul(scenario.span.step_seconds)
}
