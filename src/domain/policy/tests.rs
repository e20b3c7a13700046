//! Every rule of a policy can be broken, and is named by its key.

use alloy::primitives::Address;

use super::*;
use crate::domain::limits::TwapLimit;
use crate::domain::units::{Price, Ratio, Usd};

fn ratio(text: &str) -> Ratio {
    text.parse().unwrap()
}

fn valid() -> Policy {
    toml::from_str(include_str!("../../../examples/policies/cppi.toml")).unwrap()
}

/// The paths that `change` breaks in a valid policy.
fn broken(change: impl FnOnce(&mut Policy)) -> Vec<String> {
    let mut policy = valid();
    change(&mut policy);
    policy.violations().into_iter().map(|violation| violation.path).collect()
}

#[test]
fn the_default_policy_breaks_no_rule() {
    assert_eq!(valid().violations(), []);
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
fn an_estimator_needs_the_eight_rounds_of_the_model_and_no_more_than_it_reads() {
    let ewma = |half_life_hours, rounds, min_rounds, fallback: &str| {
        let (max_gap_seconds, fallback) = (None, Some(ratio(fallback)));
        let estimator = Estimator::Ewma { half_life_hours, rounds, min_rounds, max_gap_seconds, fallback };
        broken(|p| p.volatility.estimator = estimator)
    };
    let least = u32::try_from(crate::domain::models::volatility::MIN_OBSERVATIONS).unwrap();
    assert!(ewma(1, least, least, "0").is_empty());
    assert_eq!(ewma(1, 120, least - 1, "0"), ["volatility.estimator.min_rounds"]);
    assert_eq!(ewma(0, 1_001, 1, "11").len(), 4);
    assert!(ewma(8_760, 8, 8, "0").is_empty());
    assert_eq!(ewma(8_761, 8, 8, "0"), ["volatility.estimator.half_life_hours"]);
    assert_eq!(ewma(1, 10, 11, "1"), ["volatility.estimator.min_rounds"]);
    let fixed = Estimator::Fixed { annual: ratio("-0.1") };
    assert_eq!(broken(|p| p.volatility.estimator = fixed), ["volatility.estimator.annual"]);
    assert_eq!(broken(|p| p.volatility.floor = ratio("10.1")), ["volatility.floor"]);
}

#[test]
fn a_name_is_short_and_can_be_printed() {
    let name = |name: &str| broken(|p| p.name = name.to_owned());
    assert!(name("ETH, cautious (3×)").is_empty());
    for bad in ["", "  ", "red \u{1b}[31m", "two\nlines", "nul \0", &"x".repeat(65)] {
        assert_eq!(name(bad), ["name"], "{bad:?}");
    }
}

#[test]
fn a_window_and_a_longest_gap_are_times_above_zero() {
    let realised = |window_hours, rounds, max_gap_seconds| {
        let (min_rounds, fallback, max_gap_seconds) = (8, None, Some(max_gap_seconds));
        let estimator = Estimator::Realised { window_hours, rounds, min_rounds, max_gap_seconds, fallback };
        broken(|p| p.volatility.estimator = estimator)
    };
    assert!(realised(1, 8, 1).is_empty() && realised(8_760, 1_000, u64::MAX).is_empty());
    let keys = ["window_hours", "rounds", "max_gap_seconds"].map(|key| format!("volatility.estimator.{key}"));
    assert_eq!(realised(0, 1_001, 0), keys);
    assert_eq!(realised(8_761, 8, 1), keys[..1]);
}

#[test]
fn garch_is_stationary_and_its_grid_within_a_day() {
    let garch = |step_seconds, horizon_steps, parameters| {
        let (rounds, min_rounds, max_gap_seconds, fallback) = (8, 8, None, None);
        let estimator = Estimator::Garch11 {
            step_seconds,
            horizon_steps,
            parameters,
            rounds,
            min_rounds,
            max_gap_seconds,
            fallback,
        };
        broken(|p| p.volatility.estimator = estimator)
    };
    let stated = |long_run: &str, alpha: &str, beta: &str| {
        let parameters =
            GarchPolicy::Stated { long_run: ratio(long_run), alpha: ratio(alpha), beta: ratio(beta) };
        garch(3_600, 24, parameters)
    };
    assert!(garch(60, 1, GarchPolicy::Fitted).is_empty());
    assert!(garch(86_400, 10_000, GarchPolicy::Fitted).is_empty());
    let grid = ["volatility.estimator.step_seconds", "volatility.estimator.horizon_steps"];
    assert_eq!(garch(59, 0, GarchPolicy::Fitted), grid);
    assert_eq!(garch(86_401, 10_001, GarchPolicy::Fitted), grid);
    assert!(stated("0.8", "0.1", "0.899999").is_empty() && stated("10", "0", "0").is_empty());
    let [level, alpha, beta] =
        ["long_run", "alpha", "beta"].map(|key| format!("volatility.estimator.parameters.{key}"));
    assert_eq!(stated("0.8", "0.1", "0.9"), [beta.as_str()]);
    assert_eq!(stated("0", "-0.1", "0.9"), [level.clone(), alpha.clone()]);
    assert_eq!(stated("10.1", "1", "-0.1"), [level, alpha, beta]);
}

#[test]
fn a_pools_steps_are_bounded_and_those_of_its_garch() {
    let pool = |step_seconds, rounds, estimator: fn(u32) -> Estimator| {
        broken(|p| {
            p.volatility.source = Source::Pool { step_seconds };
            p.volatility.estimator = estimator(rounds);
        })
    };
    let realised = |rounds| {
        let (window_hours, min_rounds, max_gap_seconds, fallback) = (24, 8, None, None);
        Estimator::Realised { window_hours, rounds, min_rounds, max_gap_seconds, fallback }
    };
    assert!(pool(60, 500, realised).is_empty() && pool(86_400, 8, realised).is_empty());
    let keys = ["volatility.estimator.rounds", "volatility.source.step_seconds"];
    assert_eq!(pool(59, 500, realised), keys[1..]);
    assert_eq!(pool(86_401, 8, realised), keys[1..]);
    assert_eq!(pool(60, 501, realised), keys[..1]);
    let garch = |rounds| Estimator::Garch11 {
        step_seconds: 1_800,
        horizon_steps: 1,
        parameters: GarchPolicy::Fitted,
        rounds,
        min_rounds: 8,
        max_gap_seconds: None,
        fallback: None,
    };
    assert!(pool(1_800, 400, garch).is_empty());
    assert_eq!(pool(3_600, 400, garch), ["volatility.estimator.step_seconds"]);
    assert_eq!(pool(60, 8, |_| Estimator::Fixed { annual: ratio("0.8") }), ["volatility.source"]);
}

#[test]
fn the_horizons_of_har_grow() {
    let har = |period_seconds, medium, long| {
        let (rounds, min_rounds, max_gap_seconds, fallback) = (8, 8, None, None);
        let estimator =
            Estimator::Har { period_seconds, medium, long, rounds, min_rounds, max_gap_seconds, fallback };
        broken(|p| p.volatility.estimator = estimator)
    };
    assert!(har(600, 2, 3).is_empty() && har(86_400, 5, 22).is_empty());
    let keys = ["period_seconds", "medium", "long"].map(|key| format!("volatility.estimator.{key}"));
    assert_eq!(har(599, 1, 1), keys);
    assert_eq!(har(86_401, 2, 365), keys[..1]);
    assert_eq!(har(600, 2, 366), keys[2..]);
    assert_eq!(har(600, 3, 3), keys[2..]);
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
    assert_eq!(broken(|p| p.gas.swap_units = 0), ["gas.swap_units"]);
    let urgent = |p: &mut Policy| p.limits.max_urgent_gas_price_wei = p.limits.max_gas_price_wei - 1;
    assert_eq!(broken(urgent), ["limits.max_urgent_gas_price_wei"]);
    assert_eq!(broken(|p| p.reserve.exit_gas_price_wei = 0), ["reserve.exit_gas_price_wei"]);
}

#[test]
fn gas_of_a_further_swap_is_part_of_the_hash_only_where_it_is_said() {
    let hash = |policy: Policy| PublishedPolicy::new(policy).unwrap().hash();
    let said = |units| {
        let mut policy = valid();
        policy.gas.swap_units = units;
        hash(policy)
    };
    assert_eq!(said(GasPolicy::default_swap_units()), hash(valid()));
    assert_ne!(said(GasPolicy::default_swap_units() + 1), hash(valid()));
}

#[test]
fn the_kind_of_the_chain_and_a_cost_margin_are_part_of_the_hash_only_where_they_are_said() {
    let hash = |change: fn(&mut Policy)| {
        let mut policy = valid();
        change(&mut policy);
        PublishedPolicy::new(policy).unwrap().hash()
    };
    assert_eq!(hash(|p| p.gas.chain = ChainKind::Ethereum), hash(|_| {}));
    assert_eq!(hash(|p| p.execution.cost_margin = ratio("1.00")), hash(|_| {}));
    let said = [
        hash(|_| {}),
        hash(|p| p.gas.chain = ChainKind::OpStack),
        hash(|p| p.gas.chain = ChainKind::Arbitrum),
        hash(|p| p.reserve.exit_data_fee_wei = 1),
        hash(|p| p.execution.cost_margin = ratio("1.01")),
    ];
    let distinct: std::collections::BTreeSet<_> = said.into_iter().collect();
    assert_eq!(distinct.len(), said.len());
}

#[test]
fn the_data_of_the_last_exit_is_reckoned_with_on_a_rollup_and_nowhere_else() {
    let exit = |chain, wei| broken(|p| (p.gas.chain, p.reserve.exit_data_fee_wei) = (chain, wei));
    assert!(exit(ChainKind::OpStack, 1).is_empty() && exit(ChainKind::Arbitrum, 1).is_empty());
    for wrong in [(ChainKind::Ethereum, 1), (ChainKind::OpStack, 0), (ChainKind::Arbitrum, 0)] {
        assert_eq!(exit(wrong.0, wrong.1), ["reserve.exit_data_fee_wei"]);
    }
}

#[test]
fn a_cost_margin_is_a_factor_from_one_to_ten() {
    let margin = |text: &str| broken(|p| p.execution.cost_margin = ratio(text));
    assert!(margin("1").is_empty() && margin("1.25").is_empty() && margin("10").is_empty());
    assert_eq!(margin("0.999"), ["execution.cost_margin"]);
    assert_eq!(margin("10.001"), ["execution.cost_margin"]);
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
        let nothing = FeedPolicy { address: Address::ZERO, heartbeat_seconds: 0, min: Price::ZERO, ..feed };
        p.feeds.native_usd = Some(nothing);
        p.feeds.sequencer = Some(SequencerPolicy { address: Address::ZERO, grace_seconds: 0 });
    };
    assert_eq!(broken(native).len(), 5);
    let pool =
        |p: &mut Policy| p.venues = vec![VenuePolicy::UniswapV3 { pool: Address::ZERO, tick_words: 0 }];
    assert_eq!(broken(pool), ["venues[0].pool", "venues[0].tick_words"]);
    assert_eq!(broken(|p| p.venues.clear()), ["venues"]);
    assert_eq!(broken(|p| p.venues.extend(p.venues.clone())), ["venues[1].pool"]);
    let pairs = |count: u8| {
        let pair = |last: u8| VenuePolicy::UniswapV2 { pair: Address::with_last_byte(last) };
        broken(|p| p.venues = (1..=count).map(pair).collect())
    };
    assert!(pairs(8).is_empty());
    assert_eq!(pairs(9), ["venues"]);
    let same = |p: &mut Policy| {
        let pair = p.venues[0].pool();
        p.venues.push(VenuePolicy::UniswapV2 { pair });
    };
    assert_eq!(broken(same), ["venues[1].pair"]);
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
        p.execution = ExecutionPolicy {
            deadline_seconds: 0,
            tolerance_bps: 0,
            monitoring_seconds: 0,
            cost_margin: ratio("0.99"),
            style: ExecutionStyle::Twap { slices: 1, interval_seconds: 0 },
        };
    };
    assert_eq!(
        broken(nothing),
        [
            "name",
            "chain_id",
            "execution.deadline_seconds",
            "execution.monitoring_seconds",
            "execution.cost_margin",
            "execution.style.slices",
            "execution.style.interval_seconds",
        ]
    );
}
