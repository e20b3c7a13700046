//! What a delta hedge is told of its option book: where the book and its implied volatilities are, and how large its
//! Greeks may become.

use alloy::primitives::Address;
use serde::{Deserialize, Serialize};

use super::rules::Rules;
use crate::domain::models::smile::{Expiry, Fault, FaultKind, Moneyness, Point, Smile};
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
        ImpliedPolicy::Smile { expiries } => smile(rules, &format!("{path}.expiries"), expiries),
        ImpliedPolicy::Estimate => {}
    }
}

fn smile(rules: &mut Rules, path: &str, expiries: &[SmileExpiry]) {
    let count = (1..=MOST_EXPIRIES).contains(&expiries.len());
    rules.require(count, path, "expected 1 to 16 expiries");
    let mut shortest = 0;
    let mut read = Vec::with_capacity(expiries.len());
    for (i, expiry) in expiries.iter().enumerate() {
        read.push(smile_expiry(rules, &format!("{path}[{i}]"), expiry, shortest));
        shortest = shortest.max(expiry.days.saturating_add(1));
    }
    if count {
        arbitrage(rules, path, &read);
    }
}

/// The expiry as its model reads it, and whether its numbers are right. Wrong ones stand there as numbers that make no
/// smile: what would be made of them would only mislead.
fn smile_expiry(rules: &mut Rules, path: &str, expiry: &SmileExpiry, shortest: u32) -> (Expiry, bool) {
    let before = rules.broken.len();
    let days = format!("{path}.days");
    rules.require((1..=MOST_DAYS).contains(&expiry.days), &days, "expected 1 to 3650 days");
    rules.require(expiry.days >= shortest, &days, "expected more days than every expiry before it");
    let points = format!("{path}.points");
    let count = (1..=MOST_POINTS).contains(&expiry.points.len());
    rules.require(count, &points, "expected 1 to 32 points");
    let mut model = expiry.model();
    if rules.broken.len() > before {
        model.years = 0.0;
    }
    for (j, (point, read)) in expiry.points.iter().zip(&mut model.points).enumerate() {
        let before = rules.broken.len();
        smile_point(rules, &format!("{points}[{j}]"), point);
        if rules.broken.len() > before {
            read.volatility = 0.0;
        }
    }
    (model, rules.broken.len() == before)
}

fn arbitrage(rules: &mut Rules, path: &str, expiries: &[(Expiry, bool)]) {
    let read: Vec<Expiry> = expiries.iter().map(|(expiry, _)| expiry.clone()).collect();
    for Fault { expiry, point, kind } in Smile::new(&read).err().unwrap_or_default() {
        let named = kind == FaultKind::Number && expiries.get(expiry).is_some_and(|(_, right)| !right);
        let path = format!("{path}[{expiry}].points[{point}]");
        rules.require(named, &path, &format!("expected a smile without arbitrage: {kind}"));
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

#[cfg(test)]
mod tests {
    use super::super::{BoundPolicy, Policy, PublishedPolicy, StrategyPolicy};
    use super::*;

    fn valid() -> Policy {
        toml::from_str(include_str!("../../../examples/policies/delta-hedge.toml")).unwrap()
    }

    fn ratio(text: &str) -> Ratio {
        text.parse().unwrap()
    }

    /// What `change` breaks in the example, by key and message.
    fn broken(change: impl FnOnce(&mut StrategyPolicy)) -> Vec<(String, String)> {
        let mut policy = valid();
        change(&mut policy.strategy);
        policy.violations().into_iter().map(|violation| (violation.path, violation.message)).collect()
    }

    fn paths(change: impl FnOnce(&mut StrategyPolicy)) -> Vec<String> {
        broken(change).into_iter().map(|(path, _)| path).collect()
    }

    fn smile_of(strategy: &mut StrategyPolicy) -> &mut Vec<SmileExpiry> {
        let StrategyPolicy::DeltaHedge { implied: ImpliedPolicy::Smile { expiries }, .. } = strategy else {
            panic!("the example has a smile")
        };
        expiries
    }

    #[test]
    fn a_policy_says_which_contracts_its_hedge_needs() {
        let mut policy = valid();
        let book = policy.option_book().unwrap();
        assert_eq!(policy.volatility_feed(), None);
        let feed = Address::with_last_byte(5);
        let StrategyPolicy::DeltaHedge { implied, .. } = &mut policy.strategy else { panic!() };
        *implied = ImpliedPolicy::Feed { address: feed, max_age_seconds: 60 };
        assert_eq!(policy.violations(), []);
        assert_eq!(policy.volatility_feed(), Some(feed));
        policy.strategy = StrategyPolicy::Combined {
            primary: Box::new(policy.strategy),
            bounds: vec![BoundPolicy::Weight { most: ratio("0.5") }],
        };
        assert_eq!((policy.option_book(), policy.volatility_feed()), (Some(book), Some(feed)));
        policy.strategy = StrategyPolicy::ConstantWeight { weight: ratio("0.5") };
        assert_eq!((policy.option_book(), policy.volatility_feed()), (None, None));
    }

    #[test]
    fn every_term_of_a_hedge_is_bounded_and_all_that_is_wrong_is_named() {
        let wrong = |s: &mut StrategyPolicy| {
            let StrategyPolicy::DeltaHedge { book, rate, carry, implied, bounds, .. } = s else { panic!() };
            (*book, *rate, *carry) = (Address::ZERO, ratio("1.01"), ratio("-1.01"));
            *implied = ImpliedPolicy::Feed { address: Address::ZERO, max_age_seconds: 0 };
            let zero = Some(Usd::ZERO);
            *bounds = Some(GreekBounds { vega: zero, gamma: Some("-1".parse().unwrap()), theta: zero });
        };
        let of = |path: &str| {
            let keys = ["book", "rate", "carry", "implied.address", "implied.max_age_seconds"];
            let greeks = ["bounds.vega", "bounds.gamma", "bounds.theta"];
            keys.iter().chain(&greeks).map(|key| format!("{path}.{key}")).collect::<Vec<_>>()
        };
        assert_eq!(paths(wrong), of("strategy"));
        let primary = |s: &mut StrategyPolicy| {
            wrong(s);
            let bounds = vec![BoundPolicy::Weight { most: ratio("0.5") }];
            *s = StrategyPolicy::Combined { primary: Box::new(s.clone()), bounds };
        };
        assert_eq!(paths(primary), of("strategy.primary"));
        let nothing = |s: &mut StrategyPolicy| {
            let StrategyPolicy::DeltaHedge { bounds, .. } = s else { panic!() };
            *bounds = Some(GreekBounds::default());
        };
        assert_eq!(paths(nothing), ["strategy.bounds"]);
    }

    #[test]
    fn a_smile_has_ordered_expiries_and_points_by_delta_or_by_strike() {
        let at = |key: &str| format!("strategy.implied.expiries{key}");
        assert_eq!(paths(|s| smile_of(s).clear()), [at("")]);
        assert_eq!(paths(|s| smile_of(s)[0].points.clear()), [at("[0].points")]);
        assert_eq!(paths(|s| smile_of(s)[1].days = 7), [at("[1].days")]);
        assert_eq!(paths(|s| smile_of(s)[2].days = 3_651), [at("[2].days")]);
        assert_eq!(paths(|s| smile_of(s)[0].days = 0), [at("[0].days")]);
        let point = |change: fn(&mut SmilePoint)| paths(|s| change(&mut smile_of(s)[0].points[1]));
        assert_eq!(point(|p| p.delta = None), [at("[0].points[1]")]);
        assert_eq!(point(|p| p.strike = Some(ratio("1"))), [at("[0].points[1]")]);
        assert_eq!(point(|p| p.delta = Some(ratio("0"))), [at("[0].points[1].delta")]);
        assert_eq!(point(|p| p.delta = Some(ratio("-1"))), [at("[0].points[1].delta")]);
        assert_eq!(point(|p| p.volatility = ratio("0")), [at("[0].points[1].volatility")]);
        assert_eq!(point(|p| p.volatility = ratio("10.1")), [at("[0].points[1].volatility")]);
        let strike = |p: &mut SmilePoint| (p.delta, p.strike) = (None, Some(ratio("0")));
        assert_eq!(point(strike), [at("[0].points[1].strike")]);
    }

    #[test]
    fn a_smile_with_arbitrage_is_refused_by_its_point() {
        let at = |place: &str, what: &str| {
            (
                format!("strategy.implied.expiries{place}"),
                format!("expected a smile without arbitrage: {what}"),
            )
        };
        let calendar = broken(|s| {
            for point in &mut smile_of(s)[1].points {
                point.volatility = ratio("0.3");
            }
        });
        let expected =
            at("[1].points[0]", "calendar arbitrage: total variance is below that of the expiry before");
        assert!(calendar.contains(&expected), "{calendar:?}");
        let peak = broken(|s| smile_of(s)[2].points[2].volatility = ratio("1.2"));
        assert!(peak.contains(&at("[2].points[2]", "butterfly arbitrage beside it")), "{peak:?}");
        let twice = broken(|s| smile_of(s)[0].points[4].delta = Some(ratio("0.25")));
        assert!(
            !twice.is_empty()
                && twice.iter().all(|(path, _)| path.starts_with("strategy.implied.expiries[0]"))
        );
    }

    #[test]
    fn all_faults_of_a_smile_are_named_at_once() {
        let at = |place: &str| format!("strategy.implied.expiries{place}");
        // Nothing is made of numbers that are wrong themselves; what is wrong with the others is named all the same.
        let found = paths(|s| {
            smile_of(s)[2].points[2].volatility = ratio("1.2");
            smile_of(s)[0].days = 0;
        });
        assert_eq!(found[0], at("[0].days"));
        assert!(found.contains(&at("[2].points[2]")), "{found:?}");
        assert!(found[1..].iter().all(|path| path.starts_with(&at("[2]"))), "{found:?}");
        // Within one expiry: two numbers, and two points at strikes of others.
        let found = broken(|s| {
            let points = &mut smile_of(s)[1].points;
            points[0].volatility = ratio("10.1");
            points[1].strike = Some(ratio("1"));
            (points[2].delta, points[3].delta) = (Some(ratio("0.10")), Some(ratio("-0.90")));
            (points[2].volatility, points[3].volatility) = (points[4].volatility, points[4].volatility);
        });
        let found: Vec<_> = found.iter().map(|(path, message)| (path.as_str(), message.as_str())).collect();
        let twice = "expected a smile without arbitrage: at the strike of another point";
        let expected = [
            (at("[1].points[0].volatility"), "expected an annualised volatility from 0 to 10 (0.80 is 80 %)"),
            (at("[1].points[1]"), "expected either `delta` or `strike`"),
            (at("[1].points[3]"), twice),
            (at("[1].points[4]"), twice),
        ];
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, (path, message)) in found.iter().zip(&expected) {
            assert_eq!(found, &(path.as_str(), *message));
        }
    }

    #[test]
    fn what_is_not_said_is_not_part_of_the_hash() {
        let hash = |change: fn(&mut StrategyPolicy)| {
            let mut policy = valid();
            let StrategyPolicy::DeltaHedge { target_delta, rate, carry, .. } = &mut policy.strategy else {
                panic!()
            };
            (*target_delta, *rate, *carry) = (Units::ZERO, Ratio::ZERO, Ratio::ZERO);
            change(&mut policy.strategy);
            PublishedPolicy::new(policy).unwrap().hash()
        };
        let mut unsaid: toml::Table =
            toml::from_str(include_str!("../../../examples/policies/delta-hedge.toml")).unwrap();
        let strategy = unsaid["strategy"].as_table_mut().unwrap();
        ["target_delta", "rate", "carry"].iter().for_each(|key| drop(strategy.remove(*key)));
        let unsaid: Policy = unsaid.try_into().unwrap();
        assert_eq!(PublishedPolicy::new(unsaid).unwrap().hash(), hash(|_| ()));
        let rate = |s: &mut StrategyPolicy| {
            let StrategyPolicy::DeltaHedge { rate, .. } = s else { panic!() };
            *rate = "0.01".parse().unwrap();
        };
        assert_ne!(hash(rate), hash(|_| ()));
    }

    #[test]
    fn a_published_policy_has_its_smile_drawn_unless_that_has_arbitrage() {
        assert!(PublishedPolicy::new(valid()).unwrap().smile().is_some());
        let mut policy = valid();
        smile_of(&mut policy.strategy)[2].points[2].volatility = ratio("1.2");
        assert!(PublishedPolicy::new(policy).unwrap().smile().is_none());
    }
}
