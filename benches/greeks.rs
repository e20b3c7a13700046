//! Options per second on one thread, price and all Greeks: goal 12 million.
#![expect(clippy::arithmetic_side_effects, reason = "arithmetic of small numbers")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use vault_keeper::domain::models::greeks::{Contract, OptionKind, Underlying};

/// Strikes, expiries and volatilities of a wide chain.
const SIDE: u32 = 10;

/// Calls and puts over a grid of strikes from 30 % to 250 % of spot, a day to two years, volatilities of 20 to 150 %, in
/// an order that branch prediction does not learn.
fn chain(underlying: impl Fn(f64) -> Underlying) -> Vec<Contract> {
    let count = SIDE * SIDE * SIDE;
    let scattered = (0..count).map(|i| i * 367 % count);
    let level = |n: u32| f64::from(n % SIDE) / f64::from(SIDE - 1);
    scattered
        .map(|n| Contract {
            kind: if n * 7 % 13 < 6 { OptionKind::Call } else { OptionKind::Put },
            underlying: underlying(3_000.0 + level(n * 3)),
            strike: 3_000.0 * (0.3 + 2.2 * level(n)),
            years: (1.0 + 729.0 * level(n / SIDE)) / 365.0,
            volatility: 0.2 + 1.3 * level(n / SIDE / SIDE),
            rate: 0.05,
        })
        .collect()
}

fn value(criterion: &mut Criterion) {
    let spot = chain(|price| Underlying::Spot { price, carry: 0.03 });
    let forward = chain(|price| Underlying::Forward { price });
    for (name, options) in [("spot", spot), ("forward", forward)] {
        let mut group = criterion.benchmark_group("greeks");
        group.throughput(Throughput::Elements(options.len() as u64));
        let all = || {
            for option in black_box(&options) {
                let _ = black_box(option.greeks());
            }
        };
        group.bench_function(name, |b| b.iter(all));
        group.finish();
    }
}

criterion_group!(benches, value);
criterion_main!(benches);
