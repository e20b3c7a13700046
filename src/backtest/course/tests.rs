use std::num::NonZeroUsize;

use super::*;
use crate::backtest::contestant::Kind;
use crate::backtest::ensemble::{Paths, Watch, gather};
use crate::backtest::paths::{Process, Span};
use crate::backtest::risk::Measure;
use crate::backtest::scenario::Gas;

/// A million at half weight for ten days of hours, at 10 basis points and `gas` USD.
fn constant_weight(fee_pips: u32, gas: f64) -> Scenario {
    Scenario {
        strategy: Strategy::ConstantWeight { capital: 1e6, weight: 0.5 },
        process: Process::Gbm { volatility: 0.8 },
        span: Span { start: 100.0, before: 0, steps: 240, step_seconds: 3_600 },
        fee_pips,
        gas: Gas::Stated(gas),
        volatility: Volatility::Known(0.8),
    }
}

fn path(scenario: &Scenario, number: u64) -> Path {
    scenario.process.path(&scenario.span, 3, number)
}

fn sample(scenario: &Scenario, kind: Kind, parameter: f64) -> Sample {
    let contestant = kind.enter(scenario, parameter).unwrap();
    walk(scenario, &contestant, &path(scenario, 0), 0).unwrap()
}

#[test]
fn without_costs_a_constant_weight_compounds_at_half_the_return() {
    let scenario = constant_weight(0, 0.0);
    let moments = path(&scenario, 0).moments;
    let returns = moments.iter().zip(moments.iter().skip(1)).map(|(a, b)| b.price / a.price - 1.0);
    let frictionless = 1e6 * returns.map(|r| 1.0 + 0.5 * r).product::<f64>() - 1e6;
    for (kind, parameter) in [(Kind::Time, 1.0), (Kind::WhalleyWilmott, 4e-6)] {
        let walked = sample(&scenario, kind, parameter);
        assert!((walked.profit - frictionless).abs() < 0.01, "{kind:?}: {walked:?}, not {frictionless}");
        assert!(walked.cost.abs() < 0.01 && walked.gas == 0.0 && walked.variation < 1e-3, "{walked:?}");
    }
}

#[test]
fn a_vault_that_never_trades_keeps_what_it_had() {
    let scenario = constant_weight(1_000, 5.0);
    let end = path(&scenario, 0).moments.last().unwrap().price;
    for (kind, parameter) in [(Kind::Time, 240.0), (Kind::ThresholdToTarget, 0.9)] {
        let walked = sample(&scenario, kind, parameter);
        assert_eq!((walked.trades, walked.cost), (0.0, 0.0), "{kind:?}");
        assert!((walked.profit - 5_000.0 * (end - 100.0)).abs() < 0.01, "{kind:?}: {walked:?}");
    }
}

#[test]
fn every_trade_costs_its_gas_and_its_fee() {
    let scenario = constant_weight(1_000, 5.0);
    let daily = sample(&scenario, Kind::Time, 24.0);
    assert_eq!((daily.trades, daily.gas), (9.0, 45.0));
    // A day moves the weight by about 80 %·√(1/365)·1/4 of a million: 8,000 to 11,000 USD at 10 basis points.
    assert!((20.0..200.0).contains(&(daily.cost - daily.gas)), "{daily:?}");
    let free = sample(&constant_weight(1_000, 0.0), Kind::Time, 24.0);
    assert!((daily.profit - free.profit + 45.0).abs() < 1e-6, "gas is no part of the decision here");
}

#[test]
fn a_threshold_trades_from_its_edge_to_where_it_says() {
    let scenario = constant_weight(1_000, 5.0);
    let (target, edge) =
        (sample(&scenario, Kind::ThresholdToTarget, 0.01), sample(&scenario, Kind::ThresholdToEdge, 0.01));
    assert!(edge.trades > 2.0 * target.trades, "{edge:?} {target:?}");
    assert!(edge.cost - edge.gas < target.cost - target.gas, "{edge:?} {target:?}");
}

#[test]
fn a_vault_at_its_cap_buys_with_the_cash_that_it_has() {
    let strategy = Strategy::Cppi { capital: 1e6, multiplier: 3.0, floor: 0.8 };
    let scenario = Scenario { strategy, ..constant_weight(1_000, 0.0) };
    let rising = (0..=240_u32).map(|hour| 100.0 * (0.004 * f64::from(hour)).exp());
    let moments = rising.map(|price| Moment { price, gas_price: 0 }).collect();
    let path = Path { past: Vec::new(), moments, variance: None };
    for kind in [Kind::WhalleyWilmott, Kind::Zakamouline, Kind::Economic] {
        let contestant = kind.enter(&scenario, 4e-4).unwrap();
        let walked = walk(&scenario, &contestant, &path, 0).unwrap();
        // Three fifths, then all of a million rides a price that rises to 2.61 times itself.
        assert!((900_000.0..1_700_000.0).contains(&walked.profit), "{kind:?}: {walked:?}");
    }
}

#[test]
fn a_purchase_takes_no_more_cash_than_there_is_to_the_last_raw_unit() {
    let strategy = Strategy::Cppi { capital: 1e6, multiplier: 3.0, floor: 0.8 };
    let scenario = Scenario { strategy, ..constant_weight(1_000, 0.0) };
    let contestant = Kind::WhalleyWilmott.enter(&scenario, 4e-4).unwrap();
    for raw in [0_u64, 1, 2, 3, 7, 1_000_003, 999_999_999_999] {
        let market = Market::open(&scenario, &contestant.published, scenario.floor(1e6), &[]).unwrap();
        let ledger = Ledger::new(U256::from(raw), to_risky(9_999.0).unwrap());
        let (contestant, scenario) = (&contestant, &scenario);
        let mut course = Course { scenario, contestant, number: 0, market, ledger, variation: 0.0 };
        course.arrive(0, &Moment { price: 100.0, gas_price: 0 }).unwrap();
        let paid = course.bought(20_000.0).unwrap().map_or_else(Default::default, |bought| bought.amount_in);
        assert!(paid <= course.ledger.asset, "{paid} of {raw}");
        // Nearly all of what is more than dust.
        assert!(
            raw < 1_000 || f64::from(paid) > 0.999_99 * f64::from(course.ledger.asset),
            "{paid} of {raw}"
        );
    }
}

#[test]
fn a_rival_that_sells_all_sells_no_more_than_that() {
    let strategy = Strategy::Cppi { capital: 1e6, multiplier: 3.0, floor: 0.8 };
    let scenario = Scenario { strategy, ..constant_weight(1_000, 0.0) };
    for number in 0..4_u32 {
        // At once below the floor, by odd amounts.
        let falling = (0..=240_u32).map(|hour| if hour < 3 { 100.0 } else { 55.0 - f64::from(number) / 7.0 });
        let moments = falling.map(|price| Moment { price, gas_price: 0 }).collect();
        let path = Path { past: Vec::new(), moments, variance: None };
        for kind in [Kind::WhalleyWilmott, Kind::Zakamouline] {
            let contestant = kind.enter(&scenario, 4e-4).unwrap();
            let walked = walk(&scenario, &contestant, &path, u64::from(number)).unwrap();
            assert!(walked.profit < -200_000.0 && walked.trades >= 1.0, "{kind:?}: {walked:?}");
        }
    }
}

#[test]
fn a_floor_sells_everything_where_it_is_reached() {
    let strategy = Strategy::Cppi { capital: 1e6, multiplier: 3.0, floor: 0.8 };
    let scenario = Scenario { strategy, ..constant_weight(1_000, 5.0) };
    let contestant = Kind::Economic.enter(&scenario, 4e-6).unwrap();
    let falling = (0..=240_u32).map(|hour| 100.0 * (-0.004 * f64::from(hour)).exp());
    let moments = falling.map(|price| Moment { price, gas_price: 0 }).collect();
    let walked =
        walk(&scenario, &contestant, &Path { past: Vec::new(), moments, variance: None }, 0).unwrap();
    // The price loses 62 %; the vault stays above 80 % of its million, its gas paid elsewhere.
    assert!(walked.profit + walked.gas > -200_000.0, "{walked:?}");
    assert!(walked.profit < -150_000.0 && walked.trades > 5.0, "{walked:?}");
}

#[test]
fn the_result_does_not_depend_on_the_number_of_threads() {
    let scenario = constant_weight(1_000, 5.0);
    let contestant = Kind::Economic.enter(&scenario, 4e-6).unwrap();
    let on = |threads| {
        let threads = NonZeroUsize::new(threads).unwrap();
        gather(&scenario, &contestant, &Paths { seed: 3, count: 21, threads, watch: &Watch::default() })
            .unwrap()
    };
    let one = on(1);
    assert_eq!(one, on(3));
    assert!(one.all().risk(Measure::Tracking) > 0.0);
}

#[test]
fn a_simulation_ends_when_it_is_asked_to() {
    let scenario = constant_weight(1_000, 5.0);
    let contestant = Kind::Economic.enter(&scenario, 4e-6).unwrap();
    let watch = Watch::default();
    watch.stop();
    let threads = NonZeroUsize::MIN;
    let ended = gather(&scenario, &contestant, &Paths { seed: 3, count: 21, threads, watch: &watch });
    assert_eq!(ended, Err(BacktestError::Stopped));
    assert_eq!(watch.walked(), 0);
}

#[test]
fn a_policy_that_nobody_could_publish_is_named() {
    let strategy = Strategy::ConstantWeight { capital: 1e6, weight: 1.5 };
    let scenario = Scenario { strategy, ..constant_weight(1_000, 5.0) };
    let Err(BacktestError::Policy(why)) = Kind::Economic.enter(&scenario, 4e-6) else { panic!() };
    assert!(why.contains("strategy.weight"), "{why}");
}

#[test]
fn an_estimate_reads_the_rounds_before_the_start_and_moves_on() {
    let volatility = Volatility::Estimated { half_life_hours: 24, rounds: 48 };
    let scenario = constant_weight(1_000, 5.0);
    let span = Span { before: Scenario::past(volatility), ..scenario.span };
    let scenario = Scenario { volatility, span, ..scenario };
    let contestant = Kind::Economic.enter(&scenario, 2e-5).unwrap();
    let path = path(&scenario, 0);
    let mut market = Market::open(&scenario, &contestant.published, 0.0, &path.past).unwrap();
    for (step, moment) in path.moments.iter().take(3).enumerate() {
        market.advance(START + 3_600 * step as u64, moment.price, 0).unwrap();
        let feed = &market.snapshot().feeds.risky_usd;
        assert_eq!(feed.history.len(), 47, "with the latest 48 rounds");
        let latest = feed.latest.unwrap();
        assert_eq!(latest.updated_at - feed.history[46].updated_at, 3_600);
        assert_eq!(latest.updated_at - feed.history[0].updated_at, 47 * 3_600);
    }
    let walked = walk(&scenario, &contestant, &path, 0).unwrap();
    assert!(walked.trades > 0.0, "{walked:?}");
    // Twice the volatility, half the width or less: the same path with every price squared trades more often.
    let squared = |m: &Moment| Moment { price: m.price * m.price / 100.0, ..*m };
    let wild = Path {
        past: path.past.iter().map(squared).collect(),
        moments: path.moments.iter().map(squared).collect(),
        variance: None,
    };
    let wild = walk(&scenario, &contestant, &wild, 0).unwrap();
    assert!(wild.trades > walked.trades, "{wild:?} {walked:?}");
}

/// A thousand calls for a week of hours.
fn hedge(fee_pips: u32, gas: f64) -> Scenario {
    let strategy = Strategy::DeltaHedge { calls: 1_000.0 };
    let span = Span { start: 100.0, before: 0, steps: 168, step_seconds: 3_600 };
    Scenario { strategy, span, ..constant_weight(fee_pips, gas) }
}

#[test]
fn a_free_hedge_every_hour_leaves_what_hours_leave_open() {
    let scenario = hedge(0, 0.0);
    let contestant = Kind::Time.enter(&scenario, 1.0).unwrap();
    let profit = |number| walk(&scenario, &contestant, &path(&scenario, number), number).unwrap().profit;
    let profits: Vec<f64> = (0..60).map(profit).collect();
    let mean = profits.iter().sum::<f64>() / 60.0;
    let deviation = (profits.iter().map(|p| (p - mean) * (p - mean)).sum::<f64>() / 59.0).sqrt();
    // √(π/4)·vega·σ/√n of Derman and Kamal (1999), at the money about √(π/4)·premium/√n: 303 USD.
    let premium = scenario.premium(0.8).unwrap();
    let expected = (std::f64::consts::PI / 4.0).sqrt() * premium / 168_f64.sqrt();
    assert!((premium - 4_417.0).abs() < 5.0, "{premium}");
    assert!((deviation / expected - 1.0).abs() < 0.3, "{deviation}, not about {expected}");
    assert!(mean.abs() < 3.0 * deviation / 60_f64.sqrt(), "{mean} ± {deviation}/√60");
}

#[test]
fn a_vault_that_hedges_begins_at_the_delta_of_its_calls_and_settles_them() {
    let scenario = hedge(1_000, 5.0);
    let contestant = Kind::ThresholdToTarget.enter(&scenario, 0.9).unwrap();
    let path = path(&scenario, 1);
    let walked = walk(&scenario, &contestant, &path, 1).unwrap();
    let delta = scenario.call(100.0, scenario.years(), 0.8).greeks().unwrap().delta;
    let end = path.moments.last().unwrap().price;
    let settled = 1_000.0 * (delta * (end - 100.0) - (end - 100.0).max(0.0));
    assert_eq!(walked.trades, 0.0);
    assert!((walked.profit - scenario.premium(0.8).unwrap() - settled).abs() < 0.01, "{walked:?}");
}

#[test]
fn the_free_parameter_of_a_hedge_is_its_absolute_risk_aversion() {
    let scenario = hedge(1_000, 5.0);
    let of = |parameter| Kind::Economic.enter(&scenario, parameter).unwrap();
    for parameter in [1e-5, 1e-4, 1e-3] {
        let contestant = of(parameter);
        let aversion = contestant.published.policy().risk.aversion.real();
        assert!((aversion / contestant.capital / parameter - 1.0).abs() < 1e-9);
    }
    let trades = |parameter| walk(&scenario, &of(parameter), &path(&scenario, 0), 0).unwrap().trades;
    assert!(trades(1e-4) > trades(1e-5));
}
