//! What the option book of a vault holds in a backtest: a series of positions of one expiry, and after it the next one.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_with::{DisplayFromStr, serde_as};

use super::Setting;
use crate::backtest::BacktestError;
pub use crate::domain::models::greeks::OptionKind;
use crate::domain::policy::{Policy, Violation};

/// Longest series, days: the vault's contract opens none that is longer.
const MOST_DAYS: u32 = 92;
/// Most positions of a series: the book keeps no more for one vault.
const MOST_POSITIONS: usize = 32;
/// Seconds that a vault is open for between two series, as its contract has it.
const WINDOW_SECONDS: u64 = 86_400;
/// Age of a feed's answer at an expiry that is believed, seconds: the heartbeat of ETH/USD with a margin.
pub(in crate::backtest::past) const MAX_AGE_SECONDS: u64 = 4_500;

/// Series of options, one after another. Who deals with the vault stands outside of it, and takes whatever the terms are.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// Days from the opening of a series to the expiry of its positions.
    pub tenor_days: u32,
    /// Seconds from the settlement of a series to the opening of the next.
    #[serde(default = "window")]
    pub window_seconds: u64,
    /// Annualised implied volatility that premiums are made with. Absent: that of the policy's model.
    #[serde_as(as = "Option<DisplayFromStr>")]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub volatility: Option<Decimal>,
    /// What premiums are made with less where the vault writes, and more where it buys, of annualised volatility.
    #[serde_as(as = "DisplayFromStr")]
    #[serde(default)]
    pub spread: Decimal,
    /// Age in seconds up to which the feed's answer at an expiry settles.
    #[serde(default = "max_age")]
    pub max_age_seconds: u64,
    /// What every series is made of.
    pub positions: Vec<Position>,
}

/// One option of a series. Its payoff stops growing at a limit, as the book has it, so that nobody owes more than lies there.
#[serde_as]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Call or put.
    pub kind: OptionKind,
    /// Whether the vault writes or buys it.
    pub side: Side,
    /// Strike over the market's price at the opening.
    #[serde_as(as = "Option<DisplayFromStr>")]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub strike: Option<Decimal>,
    /// The strike at which the delta of the option has this magnitude, in place of `strike`.
    #[serde_as(as = "Option<DisplayFromStr>")]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub delta: Option<Decimal>,
    /// Where the payoff stops growing, over the market's price at the opening; of a put 0 where absent.
    #[serde_as(as = "Option<DisplayFromStr>")]
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub limit: Option<Decimal>,
    /// How many units it is on.
    pub size: Size,
}

/// Which side of an option the vault has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// It receives the premium, and owes.
    Written,
    /// It pays the premium, and is owed.
    Bought,
}

/// How many units of the risky asset an option is on.
#[serde_as]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// Worth this part of net asset value at the opening.
    Nav(#[serde_as(as = "DisplayFromStr")] Decimal),
    /// This part of the units that are held at the opening.
    Held(#[serde_as(as = "DisplayFromStr")] Decimal),
    /// So many.
    Units(#[serde_as(as = "DisplayFromStr")] Decimal),
}

pub(super) const fn window() -> u64 {
    WINDOW_SECONDS
}

pub(super) const fn max_age() -> u64 {
    MAX_AGE_SECONDS
}

impl Setting {
    /// Whether a vault that is made up can be walked by this policy: options are said where it hedges some, and there alone.
    ///
    /// # Errors
    /// [`BacktestError::Options`] with what to write.
    pub fn suits(&self, policy: &Policy) -> Result<(), BacktestError> {
        let why = match (policy.option_book(), &self.options) {
            (None, None) => return Ok(()),
            (Some(_), None) => {
                "the policy hedges an option book, and no setting says what that holds: give one that has [options] with \
                 tenor_days, and [[options.positions]] with kind, side, strike, limit and size (see docs/backtest.md)"
            }
            (None, Some(_)) => {
                "the setting has [options], and the policy hedges no option book: take them out of the setting, or let the \
                 policy's strategy be a delta_hedge"
            }
            (Some(_), Some(options))
                if options.volatility.is_none() && policy.volatility_feed().is_some() =>
            {
                "the policy reads implied volatilities from a feed, which a backtest does not have: let options.volatility \
                 in the setting say what it answers"
            }
            (Some(_), Some(_)) => return Ok(()),
        };
        Err(BacktestError::Options(why))
    }
}

impl Options {
    /// Whether a size is a part of what is held, which a vault without a hedge does not have.
    #[must_use]
    pub fn are_of_holdings(&self) -> bool {
        self.positions.iter().any(|position| matches!(position.size, Size::Held(_)))
    }

    /// Every value that is out of its range.
    pub(super) fn violations(&self) -> Vec<Violation> {
        let Self { tenor_days, volatility, spread, positions, .. } = self;
        let known = |volatility: Decimal| volatility > Decimal::ZERO && volatility <= Decimal::TEN;
        let rules = [
            ((1..=MOST_DAYS).contains(tenor_days), "options.tenor_days", "expected 1 to 92 days"),
            (
                volatility.is_none_or(known),
                "options.volatility",
                "expected an annualised volatility above 0 and at most 10 (0.80 is 80 %)",
            ),
            (
                (1..=MOST_POSITIONS).contains(&positions.len()),
                "options.positions",
                "expected 1 to 32 positions",
            ),
        ];
        let mut broken = broken("", &rules);
        // Against a volatility that cannot be there is no spread to say anything of.
        if volatility.is_none_or(known) && spread.abs() >= volatility.unwrap_or(Decimal::ONE) {
            let message = "expected a part of the volatility, such as 0.02";
            broken.push(Violation::between("options.spread", "options.volatility", message));
        }
        for (number, position) in positions.iter().enumerate() {
            broken.extend(position.violations(&format!("options.positions[{number}]")));
        }
        broken
    }
}

impl Position {
    fn violations(&self, path: &str) -> Vec<Violation> {
        let Self { kind, strike, delta, limit, size, .. } = *self;
        let (zero, one) = (Decimal::ZERO, Decimal::ONE);
        let (limited, ends) = match kind {
            OptionKind::Call => (
                limit.is_some_and(|limit| limit > strike.unwrap_or(zero)),
                "expected where the payoff of a call ends, above its strike",
            ),
            OptionKind::Put => {
                let limit = limit.unwrap_or_default();
                (
                    limit >= zero && strike.is_none_or(|strike| limit < strike),
                    "expected where the payoff of a put ends, from 0 to below its strike",
                )
            }
        };
        let (Size::Nav(size) | Size::Held(size) | Size::Units(size)) = size;
        let rules = [
            (strike.is_none_or(|strike| strike > zero), ".strike", "expected a part of the price above 0"),
            (
                delta.is_none_or(|delta| delta > zero && delta < one),
                ".delta",
                "expected a magnitude above 0 and below 1",
            ),
            (limited, ".limit", ends),
            (size > zero, ".size", "expected an amount above 0"),
        ];
        let mut broken = broken(path, &rules);
        if strike.is_some() == delta.is_some() {
            let (delta, strike) = (format!("{path}.delta"), format!("{path}.strike"));
            broken.push(Violation::between(delta, strike, "expected either `strike` or `delta`"));
        }
        broken
    }
}

/// Those of the rules at a path that are not kept.
fn broken(path: &str, rules: &[(bool, &str, &str)]) -> Vec<Violation> {
    let broken = rules.iter().filter(|(kept, ..)| !kept);
    broken.map(|(_, key, message)| Violation::new(format!("{path}{key}"), *message)).collect()
}
