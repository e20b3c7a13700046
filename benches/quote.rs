//! Time of one exact quote, by the number of initialised ticks it crosses (goal 1 µs for none, 3 µs for the seven steps of
//! six), of a size search on such quotes, and of a trade split over several pools.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "a benchmark may fail by panicking; its figures are within known bounds"
)]

use std::hint::black_box;

use alloy::primitives::{Address, U256};
use criterion::{Criterion, criterion_group, criterion_main};
use vault_keeper::domain::venues::curve::Curve;
use vault_keeper::domain::venues::search::least_average_cost;
use vault_keeper::domain::venues::split::{amount_in_for, split_exact_in};
use vault_keeper::domain::venues::uniswap_v2;
use vault_keeper::domain::venues::uniswap_v3::{Pool, Tick, Window, mid_price};

/// One token of 18 decimals, and the liquidity of one position.
const ONE: u64 = 1_000_000_000_000_000_000;

/// Price 1 in the middle of 200 nested positions, so that every 60 ticks the liquidity changes.
fn pool() -> Pool {
    let tick = |step: i32| {
        let net = i128::from(ONE);
        let liquidity_net = if step > 0 { -net } else { net };
        Tick { index: step * 60, liquidity_net, liquidity_gross: net.unsigned_abs() }
    };
    Pool {
        address: Address::ZERO,
        token0: Address::with_last_byte(1),
        token1: Address::with_last_byte(2),
        fee: 3000,
        tick_spacing: 60,
        sqrt_price_x96: U256::ONE << 96,
        tick: 0,
        liquidity: 100 * u128::from(ONE),
        window: Window { lower: -15_360, upper: 15_359 },
        ticks: (-100..=100).filter(|step| *step != 0).map(tick).collect(),
    }
}

fn quotes(criterion: &mut Criterion) {
    let pool = pool();
    let quoter = pool.quoter().unwrap();
    let mut group = criterion.benchmark_group("quote");
    for (crossed, amount) in [(0, ONE / 10), (3, ONE), (6, ONE / 10 * 19), (10, 3 * ONE)] {
        let amount = U256::from(amount);
        assert_eq!(quoter.quote_exact_in(true, amount).unwrap().ticks_crossed, crossed);
        group.bench_function(format!("in/{crossed} ticks"), |bencher| {
            bencher.iter(|| quoter.quote_exact_in(black_box(true), black_box(amount)));
        });
        group.bench_function(format!("out/{crossed} ticks"), |bencher| {
            bencher.iter(|| quoter.quote_exact_out(black_box(true), black_box(amount)));
        });
    }
    group.bench_function("mid price", |bencher| {
        bencher.iter(|| mid_price(black_box(pool.sqrt_price_x96), false, (18, 6)));
    });
    group.bench_function("validate 200 ticks", |bencher| bencher.iter(|| black_box(&pool).validate()));
    group.bench_function("size search", |bencher| {
        let cost = |size: f64| {
            let quote = quoter.quote_exact_in(true, U256::from(size * 1e18)).ok()?;
            Some(size - f64::from(quote.amount_out) / 1e18)
        };
        bencher.iter(|| least_average_cost(black_box(0.001), 5.0, cost));
    });
    group.finish();
}

fn constant_product(criterion: &mut Criterion) {
    let (token0, token1) = (Address::with_last_byte(1), Address::with_last_byte(2));
    let reserve = 100_000 * u128::from(ONE);
    let pair =
        uniswap_v2::Pool { address: Address::ZERO, token0, token1, reserve0: reserve, reserve1: reserve };
    let quoter = pair.quoter().unwrap();
    let mut group = criterion.benchmark_group("quote");
    let amount = U256::from(3 * ONE);
    group.bench_function("in/constant product", |bencher| {
        bencher.iter(|| quoter.quote_exact_in(black_box(true), black_box(amount)));
    });
    group.bench_function("out/constant product", |bencher| {
        bencher.iter(|| quoter.quote_exact_out(black_box(true), black_box(amount)));
    });
    group.finish();
}

/// Three v3 pools of different fees and a pair, all at a price of 1.
fn splits(criterion: &mut Criterion) {
    let fees = [500, 3000, 10_000].map(|fee| Pool { fee, ..pool() });
    let (token0, token1) = (Address::with_last_byte(1), Address::with_last_byte(2));
    let reserve = 100 * u128::from(ONE);
    let pair =
        uniswap_v2::Pool { address: Address::ZERO, token0, token1, reserve0: reserve, reserve1: reserve };
    let mut curves: Vec<_> = fees.iter().map(|pool| Curve::UniswapV3(pool.quoter().unwrap())).collect();
    curves.push(Curve::UniswapV2(pair.quoter().unwrap()));
    let mut group = criterion.benchmark_group("split");
    for (name, amount, parts) in [("near the price", 3 * ONE / 10, 3), ("across ticks", 9 * ONE, 4)] {
        let amount = U256::from(amount);
        assert_eq!(split_exact_in(&curves, true, amount, U256::ZERO).unwrap().parts.len(), parts, "{name}");
        group.bench_function(format!("in/4 pools, {name}"), |bencher| {
            bencher.iter(|| split_exact_in(black_box(&curves), true, black_box(amount), U256::ZERO));
        });
        group.bench_function(format!("out/4 pools, {name}"), |bencher| {
            bencher.iter(|| amount_in_for(black_box(&curves), true, black_box(amount), U256::ZERO));
        });
    }
    group.finish();
}

criterion_group!(benches, quotes, constant_product, splits);
criterion_main!(benches);
