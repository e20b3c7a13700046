//! What a policy must satisfy beyond its types: ranges, orders and counts.
//!
//! The rules are pure and total: they never stop at the first violation and never fail, so a person sees all of them
//! at once. Rules that need a vault, a chain or a market belong to `keeper check`.

use alloy::primitives::Address;
use rust_decimal::Decimal;

use super::limits::Limits;
use super::policy::{
    Estimator, ExecutionPolicy, FeedPolicy, FeedsPolicy, FloorPolicy, GapPolicy, GasPolicy, Policy,
    ReservePolicy, RiskPolicy, StrategyPolicy, Trigger, VenuePolicy, VolatilityPolicy,
};
use super::units::{Price, Ratio, Usd};

/// One rule that a policy breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The key at fault, as in `feeds.risky_usd.min` or `venues[0].pool`.
    pub path: String,
    /// A second key that the rule compares it with.
    pub against: Option<String>,
    /// What is expected; the value at fault is not repeated.
    pub message: String,
}

impl Violation {
    /// A violation by one key.
    #[must_use]
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), against: None, message: message.into() }
    }

    /// A violation by one key in view of another.
    #[must_use]
    pub fn between(path: impl Into<String>, against: impl Into<String>, message: impl Into<String>) -> Self {
        Self { against: Some(against.into()), ..Self::new(path, message) }
    }
}

/// Most feed rounds that one reading may ask for; beyond it providers refuse the call.
const MOST_ROUNDS: u32 = 1_000;
/// Longest half-life of a volatility estimate.
const HOURS_OF_A_YEAR: u32 = 8_760;
/// Most bitmap words on each side of the price; 256 tick spacings each, so this covers any pool.
const MOST_TICK_WORDS: u16 = 256;
/// Basis points in one.
const WHOLE_BPS: u32 = 10_000;
/// Gas that any transaction costs.
const LEAST_GAS: u64 = 21_000;
/// Largest annualised volatility that a model is given, 1000 %.
const MOST_VOLATILITY: i64 = 10;

/// Every rule that `policy` breaks, in the order of its keys; empty for a valid policy.
#[must_use]
pub fn violations(policy: &Policy) -> Vec<Violation> {
    let mut rules = Rules::default();
    rules.require(
        !policy.name.trim().is_empty() && policy.name.len() <= 64,
        "name",
        "expected 1 to 64 characters",
    );
    rules.positive("chain_id", policy.chain_id);
    strategy(&mut rules, &policy.strategy);
    floor(&mut rules, &policy.floor);
    risk(&mut rules, &policy.risk);
    gap(&mut rules, &policy.gap);
    reserve(&mut rules, &policy.reserve);
    volatility(&mut rules, &policy.volatility);
    trigger(&mut rules, &policy.trigger);
    gas(&mut rules, &policy.gas, &policy.limits);
    feeds(&mut rules, &policy.feeds);
    venues(&mut rules, &policy.venues);
    limits(&mut rules, &policy.limits);
    execution(&mut rules, &policy.execution);
    rules.broken
}

fn strategy(rules: &mut Rules, strategy: &StrategyPolicy) {
    match strategy {
        StrategyPolicy::Cppi { multiplier, cap } => {
            rules.require(*multiplier > Ratio::ONE, "strategy.multiplier", "expected a number above 1");
            let cap_fits = *cap > Ratio::ZERO && *cap <= Ratio::ONE;
            rules.require(
                cap_fits,
                "strategy.cap",
                "expected a share above 0 and at most 1: the vault cannot borrow",
            );
        }
    }
}

fn floor(rules: &mut Rules, floor: &FloorPolicy) {
    match *floor {
        FloorPolicy::Fixed { share } => rules.inner_share("floor.share", share),
        FloorPolicy::Accruing { share, rate } => {
            rules.inner_share("floor.share", share);
            let fits = rate >= Ratio::ZERO && rate <= Ratio::ONE;
            rules.require(fits, "floor.rate", "expected a rate per year from 0 to 1 (0.03 is 3 %)");
        }
        FloorPolicy::Ratchet { share, peak_share } => {
            rules.inner_share("floor.share", share);
            rules.inner_share("floor.peak_share", peak_share);
        }
    }
}

fn risk(rules: &mut Rules, risk: &RiskPolicy) {
    let fits = risk.aversion >= Ratio::ONE && risk.aversion <= whole(20);
    rules.require(fits, "risk.aversion", "expected a relative risk aversion from 1 to 20");
    rules.positive("risk.horizon_seconds", risk.horizon_seconds);
}

fn gap(rules: &mut Rules, gap: &GapPolicy) {
    rules.positive("gap.outage_seconds", gap.outage_seconds);
    let quantile_fits = gap.quantile >= Ratio::ZERO && gap.quantile <= whole(10);
    rules.require(quantile_fits, "gap.quantile", "expected a normal quantile from 0 to 10");
    let jump_fits = gap.jump >= Ratio::ZERO && gap.jump < Ratio::ONE;
    rules.require(jump_fits, "gap.jump", "expected a loss of at least 0 and below 1 (0.10 is 10 %)");
    let safety_fits = gap.safety > Ratio::ZERO && gap.safety <= Ratio::ONE;
    rules.require(safety_fits, "gap.safety", "expected a share above 0 and at most 1");
    rules.require(gap.jumps_per_year >= Ratio::ZERO, "gap.jumps_per_year", "expected at least 0");
    rules.inner_share("gap.jump_mean", gap.jump_mean);
    rules.require(gap.floor_weight >= Ratio::ZERO, "gap.floor_weight", "expected at least 0");
}

fn reserve(rules: &mut Rules, reserve: &ReservePolicy) {
    rules.positive("reserve.exit_gas_price_wei", reserve.exit_gas_price_wei);
    rules.bps("reserve.feed_deviation_bps", reserve.feed_deviation_bps);
}

fn volatility(rules: &mut Rules, volatility: &VolatilityPolicy) {
    rules.annual_volatility("volatility.floor", volatility.floor);
    match &volatility.estimator {
        Estimator::Fixed { annual } => rules.annual_volatility("volatility.estimator.annual", *annual),
        Estimator::Ewma { half_life_hours, rounds, min_rounds, fallback } => {
            let memory = (1..=HOURS_OF_A_YEAR).contains(half_life_hours);
            rules.require(memory, "volatility.estimator.half_life_hours", "expected 1 to 8760 hours");
            let rounds_fit = (2..=MOST_ROUNDS).contains(rounds);
            rules.require(rounds_fit, "volatility.estimator.rounds", "expected 2 to 1000 rounds");
            let fewest = "volatility.estimator.min_rounds";
            rules.require(*min_rounds >= 2, fewest, "expected at least 2: one return needs two rounds");
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

fn trigger(rules: &mut Rules, trigger: &Trigger) {
    match trigger {
        Trigger::Economic => {}
        Trigger::Threshold { fraction, to: _ } => rules.inner_share("trigger.fraction", *fraction),
        Trigger::Interval { seconds } => rules.positive("trigger.seconds", *seconds),
    }
}

fn gas(rules: &mut Rules, gas: &GasPolicy, limits: &Limits) {
    rules.require(
        gas.rebalance_units >= LEAST_GAS,
        "gas.rebalance_units",
        "expected at least 21000 units of gas",
    );
    rules.compare(
        gas.reference_tip_wei <= limits.max_gas_price_wei,
        "gas.reference_tip_wei",
        "limits.max_gas_price_wei",
        "expected at most `limits.max_gas_price_wei`: no trade could pass otherwise",
    );
}

fn feeds(rules: &mut Rules, feeds: &FeedsPolicy) {
    feed(rules, "feeds.risky_usd", &feeds.risky_usd);
    feed(rules, "feeds.asset_usd", &feeds.asset_usd);
    rules.compare(
        feeds.risky_usd.address != feeds.asset_usd.address,
        "feeds.asset_usd.address",
        "feeds.risky_usd.address",
        "expected another feed than `feeds.risky_usd`",
    );
    if let Some(native) = &feeds.native_usd {
        feed(rules, "feeds.native_usd", native);
    }
    if let Some(sequencer) = &feeds.sequencer {
        rules.address("feeds.sequencer.address", sequencer.address);
        rules.positive("feeds.sequencer.grace_seconds", sequencer.grace_seconds);
    }
}

fn feed(rules: &mut Rules, path: &str, feed: &FeedPolicy) {
    rules.address(&format!("{path}.address"), feed.address);
    rules.positive(&format!("{path}.heartbeat_seconds"), feed.heartbeat_seconds);
    let (min, max) = (format!("{path}.min"), format!("{path}.max"));
    rules.require(feed.min > Price::ZERO, &min, "expected a price above 0");
    rules.compare(feed.min < feed.max, &max, &min, "expected a price above `min`");
}

fn venues(rules: &mut Rules, venues: &[VenuePolicy]) {
    rules.require(
        venues.len() == 1,
        "venues",
        "expected exactly one venue: this version trades with one pool",
    );
    for (i, venue) in venues.iter().enumerate() {
        match venue {
            VenuePolicy::UniswapV3 { pool, tick_words } => {
                rules.address(&format!("venues[{i}].pool"), *pool);
                let fits = (1..=MOST_TICK_WORDS).contains(tick_words);
                rules.require(fits, &format!("venues[{i}].tick_words"), "expected 1 to 256 words");
            }
        }
    }
}

fn limits(rules: &mut Rules, limits: &Limits) {
    rules.require(limits.max_trade > Usd::ZERO, "limits.max_trade", "expected a value above 0");
    rules.require(limits.min_trade >= Usd::ZERO, "limits.min_trade", "expected at least 0");
    rules.compare(
        limits.min_trade <= limits.max_trade,
        "limits.min_trade",
        "limits.max_trade",
        "expected at most `max_trade`",
    );
    rules.bps("limits.max_slippage_bps", limits.max_slippage_bps);
    rules.bps("limits.max_price_deviation_bps", limits.max_price_deviation_bps);
    rules.bps("limits.max_depeg_bps", limits.max_depeg_bps);
    if let Some(twap) = &limits.twap {
        rules.positive("limits.twap.window_seconds", u64::from(twap.window_seconds));
        rules.bps("limits.twap.max_deviation_bps", twap.max_deviation_bps);
    }
    rules.positive("limits.max_gas_price_wei", limits.max_gas_price_wei);
    rules.compare(
        limits.max_urgent_gas_price_wei >= limits.max_gas_price_wei,
        "limits.max_urgent_gas_price_wei",
        "limits.max_gas_price_wei",
        "expected at least `max_gas_price_wei`",
    );
}

fn execution(rules: &mut Rules, execution: &ExecutionPolicy) {
    rules.positive("execution.deadline_seconds", execution.deadline_seconds);
    rules.bps("execution.tolerance_bps", execution.tolerance_bps);
    rules.positive("execution.monitoring_seconds", execution.monitoring_seconds);
}

/// Collects what does not hold.
#[derive(Default)]
struct Rules {
    broken: Vec<Violation>,
}

impl Rules {
    fn require(&mut self, holds: bool, path: &str, message: &str) {
        if !holds {
            self.broken.push(Violation::new(path, message));
        }
    }

    fn compare(&mut self, holds: bool, path: &str, against: &str, message: &str) {
        if !holds {
            self.broken.push(Violation::between(path, against, message));
        }
    }

    fn positive(&mut self, path: &str, value: u64) {
        self.require(value > 0, path, "expected a number above 0");
    }

    fn bps(&mut self, path: &str, value: u32) {
        self.require(value <= WHOLE_BPS, path, "expected 0 to 10000 basis points");
    }

    fn inner_share(&mut self, path: &str, value: Ratio) {
        let fits = value > Ratio::ZERO && value < Ratio::ONE;
        self.require(fits, path, "expected a share above 0 and below 1 (0.80 is 80 %)");
    }

    fn annual_volatility(&mut self, path: &str, value: Ratio) {
        let fits = value >= Ratio::ZERO && value <= whole(MOST_VOLATILITY);
        self.require(fits, path, "expected an annualised volatility from 0 to 10 (0.80 is 80 %)");
    }

    fn address(&mut self, path: &str, value: Address) {
        self.require(value != Address::ZERO, path, "expected an address other than zero");
    }
}

fn whole(number: i64) -> Ratio {
    Ratio::new(Decimal::from(number))
}

#[cfg(test)]
mod tests {
    use super::super::limits::TwapLimit;
    use super::super::policy::{SequencerPolicy, TradeTo};
    use super::*;

    fn ratio(text: &str) -> Ratio {
        text.parse().unwrap()
    }

    fn valid() -> Policy {
        toml::from_str(include_str!("../../examples/policies/cppi.toml")).unwrap()
    }

    /// The paths that `change` breaks in a valid policy.
    fn broken(change: impl FnOnce(&mut Policy)) -> Vec<String> {
        let mut policy = valid();
        change(&mut policy);
        violations(&policy).into_iter().map(|violation| violation.path).collect()
    }

    #[test]
    fn the_default_policy_breaks_no_rule() {
        assert_eq!(violations(&valid()), []);
    }

    #[test]
    fn a_multiplier_or_cap_outside_its_range_is_a_violation() {
        for (multiplier, cap, paths) in [
            ("1", "1", vec!["strategy.multiplier"]),
            ("1.0000001", "0", vec!["strategy.cap"]),
            ("1.1", "1", vec![]),
            ("-3", "1.01", vec!["strategy.multiplier", "strategy.cap"]),
        ] {
            let strategy = StrategyPolicy::Cppi { multiplier: ratio(multiplier), cap: ratio(cap) };
            assert_eq!(broken(|p| p.strategy = strategy), paths);
        }
    }

    #[test]
    fn every_floor_is_a_share_inside_zero_and_one() {
        let accruing = FloorPolicy::Accruing { share: ratio("1"), rate: ratio("-0.01") };
        assert_eq!(broken(|p| p.floor = accruing), ["floor.share", "floor.rate"]);
        let ratchet = FloorPolicy::Ratchet { share: ratio("0"), peak_share: ratio("1") };
        assert_eq!(broken(|p| p.floor = ratchet), ["floor.share", "floor.peak_share"]);
    }

    #[test]
    fn risk_and_gap_stay_in_their_ranges() {
        assert_eq!(broken(|p| p.risk = RiskPolicy { aversion: ratio("0.9"), horizon_seconds: 0 }).len(), 2);
        assert_eq!(broken(|p| p.risk.aversion = ratio("20.01")), ["risk.aversion"]);
        let gap = GapPolicy {
            outage_seconds: 0,
            quantile: ratio("-1"),
            jump: ratio("1"),
            safety: ratio("0"),
            jumps_per_year: ratio("-1"),
            jump_mean: ratio("1"),
            floor_weight: ratio("-1"),
        };
        assert_eq!(broken(|p| p.gap = gap).len(), 7);
        let bound_off = |p: &mut Policy| (p.gap.quantile, p.gap.jump) = (Ratio::ZERO, Ratio::ZERO);
        assert!(broken(bound_off).is_empty());
    }

    #[test]
    fn an_estimator_needs_two_rounds_and_no_more_than_it_reads() {
        let ewma = |half_life_hours, rounds, min_rounds, fallback: &str| {
            let fallback = Some(ratio(fallback));
            broken(|p| {
                p.volatility.estimator = Estimator::Ewma { half_life_hours, rounds, min_rounds, fallback }
            })
        };
        assert!(ewma(1, 2, 2, "0").is_empty());
        assert_eq!(ewma(0, 1_001, 1, "11").len(), 4);
        assert!(ewma(8_760, 2, 2, "0").is_empty());
        assert_eq!(ewma(8_761, 2, 2, "0"), ["volatility.estimator.half_life_hours"]);
        assert_eq!(ewma(1, 10, 11, "1"), ["volatility.estimator.min_rounds"]);
        let fixed = Estimator::Fixed { annual: ratio("-0.1") };
        assert_eq!(broken(|p| p.volatility.estimator = fixed), ["volatility.estimator.annual"]);
        assert_eq!(broken(|p| p.volatility.floor = ratio("10.1")), ["volatility.floor"]);
    }

    #[test]
    fn a_trigger_states_a_share_or_a_time() {
        let threshold = Trigger::Threshold { fraction: ratio("0"), to: TradeTo::Edge };
        assert_eq!(broken(|p| p.trigger = threshold), ["trigger.fraction"]);
        assert_eq!(broken(|p| p.trigger = Trigger::Interval { seconds: 0 }), ["trigger.seconds"]);
    }

    #[test]
    fn gas_and_its_caps_are_ordered() {
        let tip = |p: &mut Policy| p.gas.reference_tip_wei = p.limits.max_gas_price_wei + 1;
        assert_eq!(broken(tip), ["gas.reference_tip_wei"]);
        assert_eq!(broken(|p| p.gas.rebalance_units = 20_999), ["gas.rebalance_units"]);
        let urgent = |p: &mut Policy| p.limits.max_urgent_gas_price_wei = p.limits.max_gas_price_wei - 1;
        assert_eq!(broken(urgent), ["limits.max_urgent_gas_price_wei"]);
        assert_eq!(broken(|p| p.reserve.exit_gas_price_wei = 0), ["reserve.exit_gas_price_wei"]);
    }

    #[test]
    fn feeds_and_pools_have_addresses_and_bounds() {
        let swapped = |p: &mut Policy| {
            let feed = &mut p.feeds.risky_usd;
            (feed.min, feed.max) = (feed.max, feed.min);
        };
        assert_eq!(broken(swapped), ["feeds.risky_usd.max"]);
        let same = |p: &mut Policy| p.feeds.asset_usd.address = p.feeds.risky_usd.address;
        assert_eq!(broken(same), ["feeds.asset_usd.address"]);
        let native = |p: &mut Policy| {
            let feed = p.feeds.risky_usd.clone();
            let nothing =
                FeedPolicy { address: Address::ZERO, heartbeat_seconds: 0, min: Price::ZERO, ..feed };
            p.feeds.native_usd = Some(nothing);
            p.feeds.sequencer = Some(SequencerPolicy { address: Address::ZERO, grace_seconds: 0 });
        };
        assert_eq!(broken(native).len(), 5);
        let pool =
            |p: &mut Policy| p.venues = vec![VenuePolicy::UniswapV3 { pool: Address::ZERO, tick_words: 0 }];
        assert_eq!(broken(pool), ["venues[0].pool", "venues[0].tick_words"]);
        assert_eq!(broken(|p| p.venues.clear()), ["venues"]);
        assert_eq!(broken(|p| p.venues.extend(p.venues.clone())), ["venues"]);
    }

    #[test]
    fn limits_are_ordered_and_within_basis_points() {
        let sizes = |p: &mut Policy| p.limits.min_trade = "1000000.01".parse().unwrap();
        assert_eq!(broken(sizes), ["limits.min_trade"]);
        let bps = |p: &mut Policy| {
            p.limits.max_slippage_bps = 10_001;
            p.limits.max_price_deviation_bps = 10_001;
            p.limits.max_depeg_bps = 10_001;
            p.limits.twap = Some(TwapLimit { window_seconds: 0, max_deviation_bps: 10_001 });
            p.execution.tolerance_bps = 10_001;
            p.reserve.feed_deviation_bps = 10_001;
        };
        assert_eq!(broken(bps).len(), 7);
        let nothing = |p: &mut Policy| (p.limits.max_trade, p.limits.max_gas_price_wei) = (Usd::ZERO, 0);
        assert_eq!(
            broken(nothing),
            ["gas.reference_tip_wei", "limits.max_trade", "limits.min_trade", "limits.max_gas_price_wei"]
        );
    }

    #[test]
    fn names_ids_and_times_are_stated() {
        let nothing = |p: &mut Policy| {
            p.name = " ".into();
            p.chain_id = 0;
            p.execution = ExecutionPolicy { deadline_seconds: 0, tolerance_bps: 0, monitoring_seconds: 0 };
        };
        assert_eq!(
            broken(nothing),
            ["name", "chain_id", "execution.deadline_seconds", "execution.monitoring_seconds"]
        );
    }
}
