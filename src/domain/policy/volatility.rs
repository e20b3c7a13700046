//! Where volatility comes from.

use serde::{Deserialize, Serialize};

use super::ratio;
use super::rules::Rules;
use crate::domain::units::Ratio;

/// Most feed rounds that one reading may ask for; beyond it providers refuse the call.
const MOST_ROUNDS: u32 = 1_000;
/// Fewest rounds that the model makes an estimate of: `MIN_OBSERVATIONS` of `models::volatility`, a later stage.
const LEAST_ROUNDS: u32 = 8;
/// Most steps of a pool's observations that one reading may ask for: each costs the node a search.
const MOST_STEPS: u32 = 500;
/// Longest half-life and longest window of a volatility estimate.
const HOURS_OF_A_YEAR: u32 = 8_760;
/// Longest step of a grid.
const SECONDS_OF_A_DAY: u32 = 86_400;
/// Longest horizon over which a forecast is averaged, steps.
const MOST_HORIZON: u32 = 10_000;
/// Longest past that a forecast is made from, periods.
const MOST_PERIODS: u32 = 365;

/// Where volatility comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolatilityPolicy {
    /// Annualised volatility is never taken to be below this (0.20 is 20 %).
    #[serde(default = "VolatilityPolicy::default_floor")]
    pub floor: Ratio,
    /// What it is estimated from.
    #[serde(skip_serializing_if = "Source::is_feed", default)]
    pub source: Source,
    /// How it is estimated.
    pub estimator: Estimator,
}

/// What volatility is estimated from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    /// The rounds of the risky asset's feed.
    #[default]
    Feed,
    /// The first pool's own observations: its mean price over each step of a grid that ends at the block. What the
    /// estimator calls rounds are these steps.
    Pool {
        /// Seconds of a step.
        step_seconds: u32,
    },
}

impl Source {
    const fn is_feed(&self) -> bool {
        matches!(self, Self::Feed)
    }
}

/// How volatility is estimated. All but `fixed` take prices of the past at the block; four keys mean the same in each,
/// see [`History`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Estimator {
    /// A stated number.
    Fixed {
        /// Annualised volatility (0.80 is 80 %).
        annual: Ratio,
    },
    /// Exponentially weighted squared returns over irregular times.
    Ewma {
        /// Half-life in hours.
        half_life_hours: u32,
        /// Rounds to read, `K`.
        rounds: u32,
        /// Fewest rounds that make an estimate, `K_min`; at least 8.
        min_rounds: u32,
        /// Longest time between two rounds in seconds.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        max_gap_seconds: Option<u64>,
        /// Annualised volatility where there is no estimate; absent is a refusal.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        fallback: Option<Ratio>,
    },
    /// Quadratic variation over a window that ends at the block.
    Realised {
        /// Hours of the window.
        window_hours: u32,
        /// Rounds to read, `K`.
        rounds: u32,
        /// Fewest rounds that make an estimate, `K_min`; of those before the window the newest counts.
        min_rounds: u32,
        /// Longest time between two of these rounds in seconds.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        max_gap_seconds: Option<u64>,
        /// Annualised volatility where there is no estimate; absent is a refusal.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        fallback: Option<Ratio>,
    },
    /// GARCH(1,1) on a regular grid that ends at the block.
    Garch11 {
        /// Seconds of a step of the grid. Below the feed's heartbeat a fit finds its own sharing of returns among steps
        /// without a round.
        step_seconds: u32,
        /// Steps ahead over which variance is averaged; 1 is the next alone.
        horizon_steps: u32,
        /// Its parameters.
        parameters: GarchPolicy,
        /// Rounds to read, `K`.
        rounds: u32,
        /// Fewest rounds that make an estimate, `K_min`.
        min_rounds: u32,
        /// Longest time between two rounds in seconds.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        max_gap_seconds: Option<u64>,
        /// Annualised volatility where there is no estimate; absent is a refusal.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        fallback: Option<Ratio>,
    },
    /// HAR-RV: realised variance of the next period from those of the last one, of `medium` and of `long` periods.
    Har {
        /// Seconds of a period; Corsi's is a day.
        period_seconds: u32,
        /// Periods of the medium horizon; Corsi's is a week of 5.
        medium: u32,
        /// Periods of the long horizon; Corsi's is a month of 22.
        long: u32,
        /// Rounds to read, `K`.
        rounds: u32,
        /// Fewest rounds that make an estimate, `K_min`.
        min_rounds: u32,
        /// Longest time between two rounds in seconds.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        max_gap_seconds: Option<u64>,
        /// Annualised volatility where there is no estimate; absent is a refusal.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        fallback: Option<Ratio>,
    },
}

/// Where the parameters of GARCH(1,1) come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum GarchPolicy {
    /// Fitted to the rounds by quasi-maximum likelihood with variance targeting.
    Fitted,
    /// Stated.
    Stated {
        /// Annualised volatility in the long run (0.80 is 80 %).
        long_run: Ratio,
        /// Weight of the newest squared return, per step.
        alpha: Ratio,
        /// Weight of the last variance, per step.
        beta: Ratio,
    },
}

/// What an estimator asks of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// Rounds to read, `K`.
    pub rounds: u32,
    /// Fewest rounds that make an estimate, `K_min`.
    pub min_rounds: u32,
    /// Longest time between two rounds in seconds, where the policy bounds it.
    pub max_gap_seconds: Option<u64>,
    /// Annualised volatility where there is no estimate; absent is a refusal.
    pub fallback: Option<Ratio>,
}

impl Estimator {
    /// What it asks of its source; `None` where it needs none.
    #[must_use]
    pub const fn history(&self) -> Option<History> {
        match *self {
            Self::Fixed { .. } => None,
            Self::Ewma { rounds, min_rounds, max_gap_seconds, fallback, .. }
            | Self::Realised { rounds, min_rounds, max_gap_seconds, fallback, .. }
            | Self::Garch11 { rounds, min_rounds, max_gap_seconds, fallback, .. }
            | Self::Har { rounds, min_rounds, max_gap_seconds, fallback, .. } => {
                Some(History { rounds, min_rounds, max_gap_seconds, fallback })
            }
        }
    }
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
        Estimator::Ewma { half_life_hours, .. } => {
            let memory = (1..=HOURS_OF_A_YEAR).contains(half_life_hours);
            rules.require(memory, "volatility.estimator.half_life_hours", "expected 1 to 8760 hours");
        }
        Estimator::Realised { window_hours, .. } => {
            let window = (1..=HOURS_OF_A_YEAR).contains(window_hours);
            rules.require(window, "volatility.estimator.window_hours", "expected 1 to 8760 hours");
        }
        Estimator::Garch11 { step_seconds, horizon_steps, parameters, .. } => {
            garch(rules, *step_seconds, *horizon_steps, parameters);
        }
        Estimator::Har { period_seconds, medium, long, .. } => har(rules, *period_seconds, *medium, *long),
    }
    let asked = volatility.estimator.history();
    if let Some(asked) = asked {
        history(rules, &asked);
    }
    if let Source::Pool { step_seconds } = volatility.source {
        pool(rules, step_seconds, &volatility.estimator);
    }
}

fn pool(rules: &mut Rules, step_seconds: u32, estimator: &Estimator) {
    let step = "volatility.source.step_seconds";
    rules.require((60..=SECONDS_OF_A_DAY).contains(&step_seconds), step, "expected 60 to 86400 seconds");
    let rounds = "volatility.estimator.rounds";
    match estimator.history() {
        Some(asked) => rules.require(asked.rounds <= MOST_STEPS, rounds, "expected at most 500 of a pool"),
        None => rules.require(false, "volatility.source", "expected no source beside a stated volatility"),
    }
    match estimator {
        Estimator::Garch11 { step_seconds: grid, .. } => rules.compare(
            *grid == step_seconds,
            "volatility.estimator.step_seconds",
            step,
            "expected the step of the pool's means",
        ),
        Estimator::Fixed { .. }
        | Estimator::Ewma { .. }
        | Estimator::Realised { .. }
        | Estimator::Har { .. } => {}
    }
}

fn garch(rules: &mut Rules, step_seconds: u32, horizon_steps: u32, parameters: &GarchPolicy) {
    let step = (60..=SECONDS_OF_A_DAY).contains(&step_seconds);
    rules.require(step, "volatility.estimator.step_seconds", "expected 60 to 86400 seconds");
    let horizon = (1..=MOST_HORIZON).contains(&horizon_steps);
    rules.require(horizon, "volatility.estimator.horizon_steps", "expected 1 to 10000 steps");
    let GarchPolicy::Stated { long_run, alpha, beta } = parameters else { return };
    let level = "volatility.estimator.parameters.long_run";
    rules.annual_volatility(level, *long_run);
    rules.require(*long_run != Ratio::ZERO, level, "expected a volatility above 0");
    let (newest, last) = ("volatility.estimator.parameters.alpha", "volatility.estimator.parameters.beta");
    for (path, weight) in [(newest, *alpha), (last, *beta)] {
        let fits = weight >= Ratio::ZERO && weight < Ratio::ONE;
        rules.require(fits, path, "expected a weight of at least 0 and below 1");
    }
    let stationary = alpha.get().checked_add(beta.get()).is_some_and(|sum| sum < Ratio::ONE.get());
    rules.compare(stationary, last, newest, "expected alpha and beta to sum to less than 1");
}

fn har(rules: &mut Rules, period_seconds: u32, medium: u32, long: u32) {
    let period = (600..=SECONDS_OF_A_DAY).contains(&period_seconds);
    rules.require(period, "volatility.estimator.period_seconds", "expected 600 to 86400 seconds");
    rules.require(medium > 1, "volatility.estimator.medium", "expected at least 2 periods");
    let last = "volatility.estimator.long";
    rules.require(long <= MOST_PERIODS, last, "expected at most 365 periods");
    rules.compare(long > medium, last, "volatility.estimator.medium", "expected more periods than `medium`");
}

fn history(rules: &mut Rules, history: &History) {
    let rounds_fit = (LEAST_ROUNDS..=MOST_ROUNDS).contains(&history.rounds);
    rules.require(rounds_fit, "volatility.estimator.rounds", "expected 8 to 1000 rounds");
    let fewest = "volatility.estimator.min_rounds";
    let enough = history.min_rounds >= LEAST_ROUNDS;
    rules.require(enough, fewest, "expected at least 8: the model makes no estimate of fewer");
    rules.compare(
        history.min_rounds <= history.rounds,
        fewest,
        "volatility.estimator.rounds",
        "expected at most `rounds`",
    );
    if let Some(gap) = history.max_gap_seconds {
        rules.positive("volatility.estimator.max_gap_seconds", gap);
    }
    if let Some(annual) = history.fallback {
        rules.annual_volatility("volatility.estimator.fallback", annual);
    }
}
