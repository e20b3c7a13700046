//! Steps a second of a policy in the past on one thread, with the full decision, accounts and figures: the default policy, whose
//! volatility is estimated of 120 rounds, and the same with one that is stated. The goal is 300,000.
#![expect(
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    reason = "a measurement of nothing is worth nothing"
)]

use std::hint::black_box;
use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rust_decimal::Decimal;
use vault_keeper::backtest::past::metrics::Gauge;
use vault_keeper::backtest::past::opening::Start;
use vault_keeper::backtest::past::prices::Tick;
use vault_keeper::backtest::past::run::{Keeper, Past, walk};
use vault_keeper::backtest::past::setting::Setting;
use vault_keeper::config::load_policy;
use vault_keeper::domain::policy::{Estimator, PublishedPolicy};

/// Hours of a price that goes up and down by up to 2 % an hour.
fn hours(count: u64) -> Vec<Tick> {
    let mut price = 2_000.0_f64;
    let mut tick = |hour: u64| {
        let at = f64::from(u32::try_from(hour).expect("few"));
        price *= 1.0 + 0.012 * (at * 0.9).sin() + 0.008 * (at * 0.37).cos();
        let price = Decimal::try_from(price).expect("a price").round_dp(2);
        Tick { time: 1_600_000_000 + 3_600 * hour, price, closes: true, jumps: true }
    };
    (0..count).map(&mut tick).collect()
}

fn bench(c: &mut Criterion) {
    let default = load_policy(Path::new("examples/policies/cppi.toml")).expect("the example is valid");
    let mut stated = default.policy().clone();
    stated.volatility.estimator = Estimator::Fixed { annual: "0.8".parse().expect("a ratio") };
    let stated = PublishedPolicy::new(stated).expect("a policy");
    let (ticks, setting) = (hours(8_760), Setting::default());
    let past = Past {
        ticks: &ticks,
        base_fees: &[],
        setting: &setting,
        start: Start::Capital(Decimal::from(1_000_000)),
    };
    let mut group = c.benchmark_group("backtest");
    group.throughput(Throughput::Elements(ticks.len().try_into().expect("few"))).sample_size(10);
    for (name, policy) in [("default policy", default), ("stated volatility", stated)] {
        let keeper = Keeper::Policy(policy);
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut gauge = Gauge::default();
                let outcome = walk(&past, &keeper, |step| gauge.see(step)).expect("it walks");
                black_box(gauge.metrics(&outcome))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
