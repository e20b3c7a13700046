//! What a delta hedge is told of its option book: where the book and its implied volatilities are, and how large its
//! Greeks may become.

use alloy::primitives::Address;
use serde::{Deserialize, Serialize};

use super::rules::Rules;
use crate::domain::models::smile::{Expiry, Fault, Moneyness, Point, Smile};
use crate::domain::models::years;
use crate::domain::units::{Ratio, Units, Usd};

/// Most legs of a book: what one reading can take, and one decision.
pub const MOST_LEGS: usize = 64;
/// Most expiries of a smile.
const MOST_EXPIRIES: usize = 16;
/// Most points of one expiry.
const MOST_POINTS: usize = 32;
/// Longest expiry of a smile.
const MOST_DAYS: u32 = 3_650;

/// The terms of a delta hedge, as a strategy of the policy states them.
#[derive(Debug, Clone, Copy)]
pub struct HedgePolicy<'a> {
    /// The book.
    pub book: Address,
    /// Delta of book and holding together that is aimed at.
    pub target_delta: Units,
    /// Riskless rate per year.
    pub rate: Ratio,
    /// What holding the risky asset earns per year.
    pub carry: Ratio,
    /// Where implied volatility comes from.
    pub implied: &'a ImpliedPolicy,
    /// What the book's Greeks may not pass unseen.
    pub bounds: Option<&'a GreekBounds>,
}

/// Where the volatility of an option leg comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ImpliedPolicy {
    /// A contract that answers for a strike and an expiry, an `IVolatilityFeed`.
    Feed {
        /// The contract.
        address: Address,
        /// Age in seconds up to which an answer is believed.
        max_age_seconds: u64,
    },
    /// A smile for each of several times to expiry, in terms of the forward: it is the same at every block, and free of
    /// arbitrage there if it is so once.
    Smile {
        /// The shortest first.
        expiries: Vec<SmileExpiry>,
    },
    /// The policy's own estimate of the risky asset's volatility, for every leg alike.
    Estimate,
}

/// The smile at one time to expiry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmileExpiry {
    /// Days to expiry.
    pub days: u32,
    /// In any order.
    pub points: Vec<SmilePoint>,
}

/// Seconds of a day.
const DAY_SECONDS: u64 = 86_400;

impl ImpliedPolicy {
    /// The smile through its points, where it states one.
    ///
    /// # Errors
    /// What keeps them from being one, by point.
    pub(super) fn smile(&self) -> Option<Result<Smile, Vec<Fault>>> {
        match self {
            Self::Smile { expiries } => {
                let expiries: Vec<Expiry> = expiries.iter().map(SmileExpiry::model).collect();
                Some(Smile::new(&expiries))
            }
            Self::Feed { .. } | Self::Estimate => None,
        }
    }
}

impl SmileExpiry {
    fn model(&self) -> Expiry {
        let years = years(u64::from(self.days).saturating_mul(DAY_SECONDS));
        Expiry { years, points: self.points.iter().map(SmilePoint::model).collect() }
    }
}

impl SmilePoint {
    fn model(&self) -> Point {
        // Without either it stands at a delta that there is not, which is a fault.
        let at = match (self.strike, self.delta) {
            (Some(strike), _) => Moneyness::Strike(strike.real()),
            (None, delta) => Moneyness::Delta(delta.unwrap_or_default().real()),
        };
        Point { at, volatility: self.volatility.real() }
    }
}

/// One point of a smile, by delta or by strike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmilePoint {
    /// Undiscounted delta on the forward, as exchanges quote it: of a call above 0, of a put below.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub delta: Option<Ratio>,
    /// Strike over forward: 1 is at the money.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub strike: Option<Ratio>,
    /// Annualised volatility (0.80 is 80 %).
    pub volatility: Ratio,
}

/// What the magnitudes of the book's Greeks may reach before people are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GreekBounds {
    /// USD per 1.00 of volatility.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub vega: Option<Usd>,
    /// Units per USD.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub gamma: Option<Units>,
    /// USD per year that passes.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub theta: Option<Usd>,
}

pub(super) fn is_zero_units(units: &Units) -> bool {
    *units == Units::ZERO
}

pub(super) fn is_zero_ratio(ratio: &Ratio) -> bool {
    *ratio == Ratio::ZERO
}

pub(super) fn hedge(rules: &mut Rules, path: &str, hedge: &HedgePolicy<'_>) {
    let at = |key: &str| format!("{path}.{key}");
    rules.address(&at("book"), hedge.book);
    for (key, rate) in [("rate", hedge.rate), ("carry", hedge.carry)] {
        let fits = rate.abs() <= Ratio::ONE;
        rules.require(fits, &at(key), "expected a rate per year from -1 to 1 (0.03 is 3 %)");
    }
    implied(rules, &at("implied"), hedge.implied);
    if let Some(bounds) = hedge.bounds {
        greeks(rules, &at("bounds"), bounds);
    }
}

fn greeks(rules: &mut Rules, path: &str, bounds: &GreekBounds) {
    let GreekBounds { vega, gamma, theta } = *bounds;
    let stated = [
        ("vega", vega.map(|v| v > Usd::ZERO)),
        ("gamma", gamma.map(|g| g > Units::ZERO)),
        ("theta", theta.map(|t| t > Usd::ZERO)),
    ];
    let some = stated.iter().any(|(_, positive)| positive.is_some());
    rules.require(some, path, "expected at least one of `vega`, `gamma`, `theta`");
    for (key, positive) in stated {
        rules.require(positive != Some(false), &format!("{path}.{key}"), "expected a number above 0");
    }
}

fn implied(rules: &mut Rules, path: &str, implied: &ImpliedPolicy) {
    match implied {
        ImpliedPolicy::Feed { address, max_age_seconds } => {
            rules.address(&format!("{path}.address"), *address);
            rules.positive(&format!("{path}.max_age_seconds"), *max_age_seconds);
        }
        ImpliedPolicy::Smile { expiries } => {
            let path = format!("{path}.expiries");
            let before = rules.broken.len();
            smile(rules, &path, expiries);
            // What is made of numbers that are wrong themselves would only mislead.
            if rules.broken.len() == before {
                arbitrage(rules, &path, implied);
            }
        }
        ImpliedPolicy::Estimate => {}
    }
}

fn smile(rules: &mut Rules, path: &str, expiries: &[SmileExpiry]) {
    let count = (1..=MOST_EXPIRIES).contains(&expiries.len());
    rules.require(count, path, "expected 1 to 16 expiries");
    let mut shortest = 1;
    for (i, expiry) in expiries.iter().enumerate() {
        let days = format!("{path}[{i}].days");
        rules.require((1..=MOST_DAYS).contains(&expiry.days), &days, "expected 1 to 3650 days");
        rules.require(expiry.days >= shortest, &days, "expected more days than the expiry before it");
        shortest = expiry.days.saturating_add(1);
        let points = format!("{path}[{i}].points");
        let count = (1..=MOST_POINTS).contains(&expiry.points.len());
        rules.require(count, &points, "expected 1 to 32 points");
        for (j, point) in expiry.points.iter().enumerate() {
            smile_point(rules, &format!("{points}[{j}]"), point);
        }
    }
}

fn arbitrage(rules: &mut Rules, path: &str, implied: &ImpliedPolicy) {
    for Fault { expiry, point, kind } in implied.smile().and_then(Result::err).unwrap_or_default() {
        let path = format!("{path}[{expiry}].points[{point}]");
        rules.require(false, &path, &format!("expected a smile without arbitrage: {kind}"));
    }
}

fn smile_point(rules: &mut Rules, path: &str, point: &SmilePoint) {
    let volatility = format!("{path}.volatility");
    rules.annual_volatility(&volatility, point.volatility);
    rules.require(point.volatility != Ratio::ZERO, &volatility, "expected a volatility above 0");
    match (point.delta, point.strike) {
        (Some(delta), None) => {
            let fits = delta != Ratio::ZERO && delta.abs() < Ratio::ONE;
            let message = "expected a delta between -1 (puts) and 1 (calls), not 0";
            rules.require(fits, &format!("{path}.delta"), message);
        }
        (None, Some(strike)) => {
            let fits = strike > Ratio::ZERO;
            rules.require(fits, &format!("{path}.strike"), "expected a share of the forward above 0");
        }
        (None, None) | (Some(_), Some(_)) => {
            rules.require(false, path, "expected either `delta` or `strike`");
        }
    }
}
