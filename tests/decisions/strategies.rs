//! Every strategy, alone and within bounds; and the example of each.

use std::collections::BTreeMap;

use proptest::prelude::*;
use vault_keeper::config::load_policy;
use vault_keeper::domain::policy::{BoundPolicy, Estimator, Policy, StrategyPolicy, TradeTo, Trigger};
use vault_keeper::domain::snapshot::OptionKind;
use vault_keeper::domain::units::Ratio;

use crate::arbitrary::{fixed, realistic};
use crate::facts::*;

fn ratio(text: &str) -> Ratio {
    text.parse().unwrap()
}

fn weight(share: &str) -> StrategyPolicy {
    StrategyPolicy::ConstantWeight { weight: ratio(share) }
}

fn volatility(annual: &str, cap: &str) -> StrategyPolicy {
    StrategyPolicy::VolatilityTarget { annual: ratio(annual), cap: ratio(cap), vol_of_vol: ratio("1") }
}

fn within(primary: StrategyPolicy, bounds: Vec<BoundPolicy>) -> StrategyPolicy {
    StrategyPolicy::Combined { primary: Box::new(primary), bounds }
}

/// The target as a share of net asset value, under `strategy` and a floor of 20 %.
fn target(facts: &Facts, strategy: StrategyPolicy) -> f64 {
    let facts = facts.clone().with(|s, p| {
        s.vault.floor = alloy::primitives::U256::from(200_000_000_000_u64);
        p.strategy = strategy;
    });
    let appraisal = facts.decide().appraisal.unwrap();
    appraisal.target.real() * appraisal.price.real() / appraisal.nav.real()
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
}

#[test]
fn a_constant_weight_is_a_share_of_net_asset_value() {
    for facts in [Facts::all_stable(), Facts::holding("100", "800000"), Facts::holding("500", "0")] {
        close(target(&facts, weight("0.6")), 0.6);
    }
    let bought = Facts::all_stable().with(|_, p| p.strategy = weight("0.3"));
    assert_eq!(bought.code(), "worth");
    assert!(!bought.trade().sell_risky);
    // 31 % of a million: the drift is far within the band.
    assert_eq!(Facts::holding("155", "690000").with(|_, p| p.strategy = weight("0.3")).code(), "within_band");
    let over = Facts::holding("300", "400000").with(|_, p| p.strategy = weight("0.3"));
    assert!(over.trade().sell_risky && !over.trade().mandatory);
}

#[test]
fn a_volatility_target_scales_with_the_estimate_up_to_its_cap() {
    let facts = Facts::all_stable();
    let estimate = facts.decide().appraisal.unwrap().volatility.get();
    close(target(&facts, volatility("0.1", "1")), 0.1 / estimate);
    close(target(&facts, volatility("0.1", "0.05")), 0.05);
    close(target(&facts, volatility("5", "0.7")), 0.7);
    // Below its cap the target moves by itself, so the band around it is wider than around a constant weight.
    let held = Facts::holding("60", "880000");
    let outer = |strategy: StrategyPolicy| {
        held.clone().with(|_, p| p.strategy = strategy).decide().appraisal.unwrap().economics
    };
    let share = (0.12 / estimate).to_string();
    let (moving, still) = (outer(volatility("0.12", "1")), outer(weight(&share[..8])));
    assert!(moving.variance_rate > still.variance_rate && moving.outer > still.outer, "{moving:?} {still:?}");
}

#[test]
fn a_combination_is_its_primary_clipped_by_the_tightest_bound() {
    let facts = Facts::all_stable();
    let estimate = facts.decide().appraisal.unwrap().volatility.get();
    close(target(&facts, within(weight("0.9"), vec![BoundPolicy::Weight { most: ratio("0.45") }])), 0.45);
    close(target(&facts, within(weight("0.3"), vec![BoundPolicy::Weight { most: ratio("0.45") }])), 0.3);
    let calm = BoundPolicy::Volatility { annual: ratio("0.1") };
    close(target(&facts, within(weight("0.9"), vec![calm.clone()])), 0.1 / estimate);
    let cushion = BoundPolicy::Cushion { multiplier: ratio("1.1") };
    let bounded = target(&facts, within(weight("0.9"), vec![cushion.clone()]));
    let cppi = StrategyPolicy::Cppi { multiplier: ratio("1.1"), cap: ratio("1") };
    close(bounded, target(&facts, cppi));
    close(target(&facts, within(weight("0.9"), vec![cushion, calm])), 0.1 / estimate);
}

#[test]
fn the_floor_stands_behind_every_strategy() {
    for strategy in [
        weight("0.9"),
        volatility("9", "1"),
        within(weight("0.9"), vec![BoundPolicy::Weight { most: ratio("1") }]),
    ] {
        let locked = Facts::holding("100", "600000").with(|_, p| p.strategy = strategy.clone());
        assert_eq!(locked.code(), "cash_lock", "net asset value is at the floor");
        assert!(locked.trade().mandatory);
        let thin = Facts::holding("400", "20000").with(|_, p| p.strategy = strategy.clone());
        assert_eq!(thin.code(), "floor_at_risk");
        // Down to what a gap lets it survive, never just to the bound.
        let appraisal = thin.decide().appraisal.unwrap();
        let (multiplier, cushion) = (appraisal.multiplier.unwrap(), appraisal.cushion.net.real());
        close(appraisal.target.real() * appraisal.price.real(), multiplier.effective.real() * cushion);
        assert!(multiplier.effective < multiplier.largest_safe.unwrap());
    }
}

/// The facts of a vault of nothing but cash that is kept under an example.
fn kept_under(example: &Policy) -> Facts {
    let facts = match example.option_book() {
        None => Facts::all_stable(),
        Some(_) => Facts::all_stable().hedging(vec![leg(1, OptionKind::Call, PRICE, 30, "-200")]),
    };
    facts.with(|_, p| {
        let (feeds, venues) = (p.feeds.clone(), p.venues.clone());
        *p = Policy { feeds, venues, ..example.clone() };
    })
}

#[test]
fn every_example_decides() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/policies");
    let mut codes = BTreeMap::new();
    for file in std::fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let example = load_policy(&path).unwrap_or_else(|error| panic!("{name}: {error}")).policy().clone();
        let facts = kept_under(&example);
        assert!(!facts.trade().sell_risky, "{name} buys");
        codes.insert(name, facts.code());
    }
    let expected = [
        ("combined.toml", "worth"),
        ("constant-weight.toml", "worth"),
        ("cppi.toml", "worth"),
        ("delta-hedge.toml", "worth"),
        ("tipp.toml", "worth"),
        ("volatility-target.toml", "threshold"),
    ];
    assert_eq!(codes, expected.map(|(name, code)| (name.to_owned(), code.to_owned())).into());
}

fn any_bound() -> impl Strategy<Value = BoundPolicy> {
    let share = |k: u32| Ratio::from_bps(k);
    prop_oneof![
        (10_001..80_000_u32).prop_map(move |k| BoundPolicy::Cushion { multiplier: share(k) }),
        (1..20_000_u32).prop_map(move |k| BoundPolicy::Volatility { annual: share(k) }),
        (1..10_000_u32).prop_map(move |k| BoundPolicy::Weight { most: share(k) }),
    ]
}

fn any_primary() -> impl Strategy<Value = StrategyPolicy> {
    let share = |k: u32| Ratio::from_bps(k);
    prop_oneof![
        (1..10_000_u32).prop_map(move |k| StrategyPolicy::ConstantWeight { weight: share(k) }),
        (1..20_000_u32, 1..10_000_u32).prop_map(move |(annual, cap)| StrategyPolicy::VolatilityTarget {
            annual: share(annual),
            cap: share(cap),
            vol_of_vol: Ratio::ONE
        }),
        (10_001..80_000_u32, 1..10_000_u32)
            .prop_map(move |(m, cap)| StrategyPolicy::Cppi { multiplier: share(m), cap: share(cap) }),
    ]
}

proptest! {
    #![proptest_config(fixed(600))]

    #[test]
    fn adding_a_bound_never_raises_exposure(
        facts in realistic(),
        primary in any_primary(),
        bounds in prop::collection::vec(any_bound(), 1..4),
        more in any_bound(),
    ) {
        let decided = |strategy| facts.clone().with(|_, p| p.strategy = strategy).decide();
        let units = |strategy| decided(strategy).appraisal.map(|a| a.target);
        let alone = units(primary.clone());
        let bounded = units(within(primary.clone(), bounds.clone()));
        let tighter = units(within(primary, [bounds, vec![more]].concat()));
        prop_assert!(bounded <= alone, "{bounded:?} {alone:?}");
        prop_assert!(tighter <= bounded, "{tighter:?} {bounded:?}");
    }
}

fn drifted() -> Facts {
    // 12 % of net asset value above the target of 30 %.
    Facts::holding("210", "580000").with(|s, p| {
        s.vault.floor = alloy::primitives::U256::from(200_000_000_000_u64);
        s.vault.last_rebalance = NOW - 3_600;
        p.strategy = weight("0.3");
    })
}

fn threshold(fraction: &str) -> Trigger {
    Trigger::Threshold { fraction: ratio(fraction), to: TradeTo::Target }
}

fn interval(seconds: u64) -> Trigger {
    Trigger::Interval { seconds }
}

fn scaled(reference: &str, trigger: Trigger) -> Trigger {
    Trigger::VolatilityScaled { reference: ratio(reference), trigger: Box::new(trigger) }
}

#[test]
fn triggers_combine() {
    let code = |trigger: Trigger| drifted().with(|_, p| p.trigger = trigger).code();
    let any = |of: Vec<Trigger>| code(Trigger::Any { of });
    let all = |of: Vec<Trigger>| code(Trigger::All { of });
    assert_eq!(any(vec![threshold("0.5"), interval(86_400)]), "below_threshold");
    assert_eq!(any(vec![threshold("0.5"), interval(600)]), "interval");
    assert_eq!(any(vec![Trigger::Economic, threshold("0.05")]), "threshold");
    assert_eq!(any(vec![Trigger::Economic, threshold("0.5")]), "worth");
    assert_eq!(all(vec![threshold("0.05"), interval(86_400)]), "not_due");
    assert_eq!(all(vec![threshold("0.05"), interval(600)]), "threshold");
    // What is all of them must also pay where one of them is economic.
    assert_eq!(all(vec![threshold("0.05"), Trigger::Economic]), "worth");
    let dear = |trigger: Trigger| {
        let poor = drifted().with(|_, p| (p.risk.horizon_seconds, p.trigger) = (1, trigger));
        poor.code()
    };
    assert_eq!(dear(Trigger::All { of: vec![threshold("0.05"), Trigger::Economic] }), "not_worth");
    assert_eq!(dear(threshold("0.05")), "threshold");
}

#[test]
fn all_of_several_trade_only_as_much_as_each_of_them_asks_for() {
    let edge = Trigger::Threshold { fraction: ratio("0.10"), to: TradeTo::Edge };
    let size = |trigger: Trigger| drifted().with(|_, p| p.trigger = trigger).trade().size.real();
    let (to_edge, to_target) = (size(edge.clone()), size(threshold("0.10")));
    assert!(to_edge < 0.5 * to_target, "{to_edge} {to_target}");
    assert_eq!(size(Trigger::All { of: vec![threshold("0.10"), edge.clone()] }), to_edge);
    assert_eq!(size(Trigger::Any { of: vec![edge, threshold("0.10")] }), to_target);
}

#[test]
fn thresholds_and_intervals_shrink_as_volatility_rises() {
    let code = |annual: &str, trigger: Trigger| {
        let fixed = Estimator::Fixed { annual: ratio(annual) };
        drifted().with(|_, p| (p.volatility.estimator, p.trigger) = (fixed, trigger)).code()
    };
    // 12 % of drift against 20 % at a volatility of 60 %.
    for (annual, expected) in
        [("0.60", "below_threshold"), ("0.90", "below_threshold"), ("1.10", "threshold")]
    {
        assert_eq!(code(annual, scaled("0.60", threshold("0.20"))), expected, "{annual}");
    }
    // An hour has passed; two hours at 60 % are half an hour at 120 %.
    for (annual, expected) in
        [("0.60", "not_due"), ("0.80", "not_due"), ("0.90", "interval"), ("1.20", "interval")]
    {
        assert_eq!(code(annual, scaled("0.60", interval(7_200))), expected, "{annual}");
    }
    let still = drifted().with(|_, p| {
        p.volatility.floor = Ratio::ZERO;
        p.volatility.estimator = Estimator::Fixed { annual: Ratio::ZERO };
        p.trigger = scaled("0.60", threshold("0.05"));
    });
    assert_eq!(still.code(), "below_threshold", "no volatility, no risk, no trade");
}
