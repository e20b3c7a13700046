//! The keeper's own decision on generated paths, in a world where nothing costs anything, breaks its floor as often as the closed
//! forms of its mathematics say.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails where it stands"
)]

#[path = "support/frictionless.rs"]
mod free;

use std::num::NonZeroUsize;
use std::path::Path;

use free::frictionless;
use rust_decimal::Decimal;
use vault_keeper::backtest::ensemble::{Paths, Watch};
use vault_keeper::backtest::future::check::{Row, failed};
use vault_keeper::backtest::future::market::Market;
use vault_keeper::backtest::future::run::{Future, Simulated, simulate};
use vault_keeper::backtest::future::statistics::binomial_deviation;
use vault_keeper::backtest::past::contest::Entrant;
use vault_keeper::backtest::past::setting::Setting;
use vault_keeper::backtest::paths::{Heston, Jumps, Process, Span};
use vault_keeper::config::load_policy;
use vault_keeper::domain::policy::{
    Estimator, FloorPolicy, GapPolicy, Policy, PublishedPolicy, StrategyPolicy, Trigger,
};
use vault_keeper::domain::units::{Ratio, Usd};

fn published(change: impl FnOnce(&mut Policy)) -> PublishedPolicy {
    let mut policy = load_policy(Path::new("examples/policies/cppi.toml")).unwrap().policy().clone();
    change(&mut policy);
    PublishedPolicy::new(policy).unwrap()
}

/// So many times the cushion at every step, whatever it costs; a floor so close to the capital that exposure never comes near the
/// vault's cap, however much the cushion grows.
fn textbook(multiplier: &str) -> PublishedPolicy {
    published(|policy| {
        let zero = Ratio::ZERO;
        policy.strategy = StrategyPolicy::Cppi { multiplier: multiplier.parse().unwrap(), cap: Ratio::ONE };
        policy.floor = FloorPolicy::Fixed { share: "0.9999".parse().unwrap() };
        policy.gap =
            GapPolicy { quantile: zero, jump: zero, jumps_per_year: zero, floor_weight: zero, ..policy.gap };
        policy.reserve.exit_gas_price_wei = 0;
        policy.reserve.feed_deviation_bps = 0;
        policy.volatility.estimator = Estimator::Fixed { annual: "0.8".parse().unwrap() };
        policy.trigger = Trigger::Interval { seconds: 1 };
        policy.gas.reference_tip_wei = 0;
        policy.limits.min_trade = Usd::ZERO;
        policy.limits.max_trade = Usd::new(Decimal::from(1_000_000_000));
        policy.limits.twap = None;
    })
}

/// A year in so many steps.
fn year(process: Process, drift: f64, steps: u64) -> Market {
    let span = Span {
        start: 2_000.0,
        before: 0,
        steps: usize::try_from(steps).unwrap(),
        step_seconds: 31_536_000 / steps,
    };
    Market { process, drift, span }
}

struct Asked<'a> {
    market: &'a Market,
    setting: &'a Setting,
    published: &'a PublishedPolicy,
    capital: u64,
    entrants: &'a [Entrant],
    paths: u64,
    threads: usize,
}

fn simulated(asked: &Asked<'_>) -> Simulated {
    let future = Future {
        market: asked.market,
        setting: asked.setting,
        published: asked.published,
        capital: Decimal::from(asked.capital),
        entrants: asked.entrants,
    };
    let watch = Watch::default();
    let threads = NonZeroUsize::new(asked.threads).unwrap();
    let paths = Paths { seed: 2_009, count: asked.paths, threads, watch: &watch };
    let simulated = simulate(&future, &paths, || ()).unwrap();
    assert_eq!(watch.walked(), asked.paths);
    simulated
}

/// The row of the frictionless reference with the multiplier of the policy.
fn reference<'a>(check: &'a [Row], multiplier: &str) -> &'a Row {
    let name = format!("paths that break CPPI with m = {multiplier}");
    check.iter().find(|row| row.name == name).unwrap_or_else(|| panic!("no {name}: {check:#?}"))
}

/// Share of the paths whose vault, kept by the keeper's own decision, fell below its floor.
fn broken(market: &Market, multiplier: &str, paths: u64) -> (f64, Simulated) {
    let (setting, published) = (frictionless(), textbook(multiplier));
    let simulated = simulated(&Asked {
        market,
        setting: &setting,
        published: &published,
        capital: 100_000_000,
        entrants: &[Entrant::Policy],
        paths,
        threads: 2,
    });
    let below = simulated.samples[0].iter().filter(|one| one.lowest_cushion < 0.0).count();
    let below = u64::try_from(below).unwrap();
    let closed = market.path_breach(multiplier.parse().unwrap()).unwrap().unwrap();
    let off = binomial_deviation(below, paths, closed);
    assert!(off.abs() <= 3.0, "{below} of {paths} broke, {closed} in closed form: {off} standard errors");
    (f64::from(u32::try_from(below).unwrap()) / f64::from(u32::try_from(paths).unwrap()), simulated)
}

#[test]
fn the_decision_breaks_its_floor_as_often_as_balder_brandl_and_mahayni_say() {
    // Monthly, m = 4: the vault itself lets nobody buy beyond five times the cushion.
    let market = year(Process::Gbm { volatility: 0.6 }, 0.0, 12);
    let closed = market.path_breach(4.0).unwrap().unwrap();
    // Φ((ln 0.75 + 0.18/12)/(0.6/√12)) = Φ(−1.57433) = 0.0577055, and 1 − (1 − p)¹² of it.
    assert!((closed - 0.509_951).abs() < 1e-5, "{closed}");
    let (share, simulated) = broken(&market, "4", 300);
    // Not only as often: on the very paths on which the reference does.
    assert_eq!(share, reference(&simulated.check, "4.00").simulated);
    assert!(failed(&simulated.check).is_empty(), "{:#?}", simulated.check);
}

#[test]
fn the_decision_breaks_its_floor_as_often_as_jumps_make_it() {
    // The jumps of the golden values, monthly: two and more of them in a step.
    let jumps = Jumps { rate: 25.0, mean: -0.03, deviation: 0.06 };
    let market = year(Process::Merton { volatility: 0.6, jumps }, 0.0, 12);
    let (share, simulated) = broken(&market, "4", 300);
    let row = reference(&simulated.check, "4.00");
    assert_eq!(share, row.simulated);
    // Traded without pause, by Cont and Tankov, it is 0.0002186371.
    assert!((row.without_pause.unwrap() - 2.186_371e-4).abs() < 1e-10, "{row:?}");
    assert!((0.3..0.9).contains(&row.closed_form), "{row:?}");
}

/// Ten days in steps of six hours.
fn days(process: Process) -> Market {
    let span = Span { start: 2_000.0, before: 0, steps: 40, step_seconds: 21_600 };
    Market { process, drift: 0.0, span }
}

#[test]
fn a_result_is_that_of_any_number_of_threads_and_of_the_paths_alone() {
    let heston = Heston { reversion: 3.0, long_run: 1.0, vol_of_vol: 2.0, correlation: -0.5, initial: 1.0 };
    let (market, setting, published) = (days(Process::Heston(heston)), Setting::default(), published(|_| ()));
    let on = |threads, paths| {
        simulated(&Asked {
            market: &market,
            setting: &setting,
            published: &published,
            capital: 1_000_000,
            entrants: &Entrant::ALL,
            paths,
            threads,
        })
    };
    let one = on(1, 40);
    assert_eq!(on(3, 40), one);
    // A path is what it is, however many there are.
    let fewer = on(2, 16);
    for (all, some) in one.samples.iter().zip(&fewer.samples) {
        assert_eq!(all[..16], some[..]);
    }
    let cash = Entrant::ALL.iter().position(|entrant| *entrant == Entrant::Cash).unwrap();
    assert!(one.samples[cash].iter().all(|one| one.end == 1_000_000.0 && one.rebalances == 0));
    assert!(one.samples[0].iter().all(|one| one.cost > 0.0 && one.rebalances > 0));
    let (first, last) = (one.fan[0], one.fan[one.fan.len() - 1]);
    assert_eq!((first.day, last.day, last.floor), (0.0, 10.0, 800_000.0));
    assert!(last.lowest <= last.p01 && last.p05 < last.median && last.median < last.p95);
}

#[test]
fn what_costs_nothing_earns_what_the_exposure_does_and_friction_takes_from_it() {
    let market = days(Process::Gbm { volatility: 0.8 });
    let published = published(|_| ());
    let mean = |setting: &Setting| {
        let simulated = simulated(&Asked {
            market: &market,
            setting,
            published: &published,
            capital: 1_000_000,
            entrants: &[Entrant::Policy],
            paths: 48,
            threads: 2,
        });
        let samples = &simulated.samples[0];
        let n = f64::from(u32::try_from(samples.len()).unwrap());
        let mean = |of: fn(&vault_keeper::backtest::future::figures::Sample) -> f64| {
            samples.iter().map(of).sum::<f64>() / n
        };
        (mean(|one| one.end), mean(|one| one.cost_bps))
    };
    let (free, nothing) = mean(&frictionless());
    let (paid, cost) = mean(&Setting::default());
    // The policy's tip alone, a gwei.
    assert!(nothing.abs() < 5.0, "{nothing}");
    assert!(cost > 50.0 && paid < free, "{cost} {paid} {free}");
}
