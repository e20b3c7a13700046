//! Quotes on a complete real pool state, and against a day of swaps that really happened.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test may fail by panicking; its figures are within known bounds"
)]

#[path = "support/data.rs"]
mod data;

use std::collections::BTreeMap;
use std::fs;

use alloy::primitives::aliases::U24;
use alloy::primitives::{Address, I256, U160, U256, address};
use serde_json::Value;
use uniswap_v3_sdk::prelude::compute_swap_step;
use vault_keeper::domain::venues::search::least_average_cost;
use vault_keeper::domain::venues::uniswap_v3::{Pool, Quote, QuoteError, Tick, Window, mid_price};

const USDC: Address = address!("a0b86991c6218b36c1d19d4a2e9eb0ce3606eb48");
const WETH: Address = address!("c02aaa39b223fe8d0a0e5c4f27ead9083c756cc2");
const WHOLE_RANGE: Window = Window { lower: -887_272, upper: 887_272 };

fn pool(fee: u32, tick_spacing: i32, state: (U256, i32, u128), ticks: Vec<Tick>) -> Pool {
    let (sqrt_price_x96, tick, liquidity) = state;
    Pool {
        address: address!("8ad599c3a0ff1de082011efddc58f1908eb6e6d8"),
        token0: USDC,
        token1: WETH,
        fee,
        tick_spacing,
        sqrt_price_x96,
        tick,
        liquidity,
        ticks,
        window: WHOLE_RANGE,
    }
}

/// The data states net liquidity alone; its size is the least that the gross one can be.
fn tick(index: i32, liquidity_net: i128) -> Tick {
    Tick { index, liquidity_net, liquidity_gross: liquidity_net.unsigned_abs() }
}

fn usdc_weth_3000() -> Option<Pool> {
    let file = data::data("uniswap_v3/usdc_weth_3000_full_ticks.json")?;
    let json: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let index = |value: &Value| i32::try_from(value.as_i64().unwrap()).unwrap();
    let ticks = json["ticks"].as_array().unwrap();
    let ticks = ticks
        .iter()
        .map(|row| tick(index(&row["index"]), row["liquidity_net"].as_str().unwrap().parse().unwrap()));
    let state = (
        json["sqrt_price_x96"].as_str().unwrap().parse().unwrap(),
        index(&json["tick"]),
        json["liquidity"].as_str().unwrap().parse().unwrap(),
    );
    Some(pool(3000, 60, state, ticks.collect()))
}

/// Whole tokens of 18 decimals.
fn e18(whole: u64) -> U256 {
    U256::from(whole) * U256::from(10u64).pow(U256::from(18))
}

#[test]
fn liquidity_of_the_real_pool_adds_up_over_its_693_ticks() {
    let Some(pool) = usdc_weth_3000() else { return };
    assert_eq!(pool.validate(), Ok(()));
    assert_eq!(pool.ticks.len(), 693);
    assert_eq!(pool.ticks.iter().map(|tick| tick.liquidity_net).sum::<i128>(), 0);
    let below: i128 =
        pool.ticks.iter().filter(|tick| tick.index <= pool.tick).map(|tick| tick.liquidity_net).sum();
    assert_eq!(u128::try_from(below), Ok(pool.liquidity));
}

#[test]
fn sales_on_the_real_pool_have_the_figures_of_unbounded_integers() {
    let Some(pool) = usdc_weth_3000() else { return };
    // Whole WETH sold; raw USDC paid out, ticks crossed, impact in basis points.
    let expected = [
        (1, 2_721_264_084, 0, 0.444_055),
        (10, 27_201_769_753, 0, 4.438_744),
        (100, 270_935_342_691, 2, 44.210_951),
        (1_000, 2_594_000_672_166, 18, 468.086_139),
        (10_000, 7_504_339_373_988_u64, 351, 7_242.455_746),
    ];
    for (whole, out, crossed, impact) in expected {
        let quote = pool.quote_exact_in(false, e18(whole)).unwrap();
        assert_eq!((quote.amount_out, quote.ticks_crossed), (U256::from(out), crossed), "{whole}");
        assert!((pool.price_impact_bps(&quote, false) - impact).abs() < 2e-6, "{whole}");
    }
}

#[test]
fn purchases_on_the_real_pool_have_the_figures_of_unbounded_integers() {
    let Some(pool) = usdc_weth_3000() else { return };
    // Whole USDC paid; wei of WETH paid out, ticks crossed.
    let expected = [
        (1_000_u64, 365_252_566_244_055_534, 0),
        (100_000, 36_466_523_843_432_380_481, 0),
        (1_000_000, 359_662_365_568_553_057_779, 5),
        (10_000_000, 3_295_642_682_188_510_394_345_u128, 28),
    ];
    for (whole, out, crossed) in expected {
        let quote = pool.quote_exact_in(true, U256::from(whole * 1_000_000)).unwrap();
        assert_eq!((quote.amount_out, quote.ticks_crossed), (U256::from(out), crossed), "{whole}");
        let asked = pool.quote_exact_out(true, quote.amount_out).unwrap();
        assert!(asked.amount_in <= quote.amount_in, "{whole}");
    }
}

#[test]
fn the_real_pool_has_an_end_and_says_so() {
    let Some(pool) = usdc_weth_3000() else { return };
    // The positions above the price hold 7,514,362.85 USDC.
    let end = Err(QuoteError::NoLiquidity { pool: pool.address, tick: 887_272 });
    assert_eq!(pool.quote_exact_in(false, U256::MAX >> 1), end);
    assert_eq!(pool.quote_exact_out(false, U256::from(7_514_363_000_000u64)), end);
    assert!(pool.quote_exact_out(false, U256::from(7_514_362_000_000u64)).is_ok());
}

#[test]
fn the_size_found_on_the_real_pool_is_as_good_as_any_of_a_grid() {
    let Some(pool) = usdc_weth_3000() else { return };
    let mid = mid_price(pool.sqrt_price_x96, false, (18, 6)).unwrap();
    assert_eq!(mid.to_string(), "2729.573649344054647536");
    let mid: f64 = mid.to_string().parse().unwrap();
    for sell in [true, false] {
        let cost = |size: f64| {
            let wei = U256::from(size * 1e18);
            let usd = |raw: U256| f64::from(raw) / 1e6;
            Some(if sell {
                size * mid - usd(pool.quote_exact_in(false, wei).ok()?.amount_out)
            } else {
                usd(pool.quote_exact_out(true, wei).ok()?.amount_in) - size * mid
            })
        };
        for (fixed, max) in [(0.05, 10.0), (5.0, 100.0), (30.0, 1_000.0), (300.0, 2_000.0), (30.0, 3_000.0)] {
            let found = least_average_cost(fixed, max, cost).unwrap();
            let average = |size: f64| (fixed + cost(size).unwrap()) / size;
            for step in 0..=32 {
                let size = max * 10f64.powf(-4.0 * f64::from(step) / 32.0);
                assert!(
                    average(found.size) <= average(size) * 1.005,
                    "{sell} {fixed} {max}: {found:?} {size}"
                );
            }
        }
    }
}

/// How a real swap was asked for.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Asked {
    /// A given input: our quote must be the swap, to the wei.
    Input,
    /// A given input, with one initialised tick on the way.
    InputThroughTick,
    /// A given output: likewise.
    Output,
    /// A price to stop at, which is no swap the keeper asks for.
    Price,
    /// Several ticks may have been crossed and the events alone do not say which.
    TicksUnknown,
    /// None of these explains the event.
    Unexplained,
}

struct Event {
    is_swap: bool,
    amounts: (I256, I256),
    state: (U256, i32, u128),
}

fn events() -> Option<Vec<Event>> {
    let file = data::data("uniswap_v3/usdc_weth_500_2024-01-05.events.csv")?;
    let mut reader = csv::Reader::from_path(file).unwrap();
    let rows = reader.deserialize::<BTreeMap<String, String>>().map(Result::unwrap);
    Some(
        rows.map(|row| Event {
            is_swap: row["tx_type"] == "SWAP",
            amounts: (row["amount0"].parse().unwrap(), row["amount1"].parse().unwrap()),
            state: (
                row["sqrtPriceX96"].parse().unwrap(),
                row["current_tick"].trim_end_matches(".0").parse().unwrap(),
                row["total_liquidity"].parse().unwrap(),
            ),
        })
        .collect(),
    )
}

fn classify(before: &Event, swap: &Event) -> Asked {
    let (from, to) = (before.state.1, swap.state.1);
    let zero_for_one = swap.amounts.0.is_positive();
    let (paid, got) = if zero_for_one { swap.amounts } else { (swap.amounts.1, swap.amounts.0) };
    let (amount_in, amount_out) = (paid.into_raw(), got.wrapping_neg().into_raw());
    let passed: Vec<i32> = (from.min(to) + 1..=from.max(to)).filter(|tick| tick % 10 == 0).collect();
    let change = i128::try_from(swap.state.2).unwrap() - i128::try_from(before.state.2).unwrap();
    let ticks = match passed.as_slice() {
        _ if change == 0 => vec![],
        [crossed] => vec![tick(*crossed, if zero_for_one { -change } else { change })],
        _ => return Asked::TicksUnknown,
    };
    let crosses = !ticks.is_empty();
    // The events say nothing of the ticks far away.
    let near = Window { lower: from.min(to) - 10_000, upper: from.max(to) + 10_000 };
    let pool = Pool { window: near, ..pool(500, 10, before.state, ticks) };
    let by_input = pool.quote_exact_in(zero_for_one, amount_in).unwrap();
    let by_output = pool.quote_exact_out(zero_for_one, amount_out).unwrap();
    let is_swap = |quote: &Quote| {
        (quote.amount_in, quote.amount_out) == (amount_in, amount_out)
            && (quote.sqrt_price_after, quote.tick_after(), quote.liquidity_after) == swap.state
    };
    match (is_swap(&by_input), is_swap(&by_output)) {
        (true, _) if crosses => Asked::InputThroughTick,
        (true, _) => Asked::Input,
        (false, true) => Asked::Output,
        (false, false) if crosses => Asked::TicksUnknown,
        (false, false) if stops_at_price(before, swap, (amount_in, amount_out)) => Asked::Price,
        (false, false) => Asked::Unexplained,
    }
}

/// Whether one step of the contract's arithmetic to the price that was reached gives the event's amounts.
fn stops_at_price(before: &Event, swap: &Event, amounts: (U256, U256)) -> bool {
    let (from, to) = (U160::from(before.state.0), U160::from(swap.state.0));
    let step = compute_swap_step(from, to, before.state.2, I256::MAX, U24::from(500));
    let (reached, paid, out, fee) = step.unwrap();
    (reached, paid + fee, out) == (to, amounts.0, amounts.1)
}

#[test]
fn every_swap_of_a_day_that_its_events_determine_is_quoted_to_the_wei() {
    let Some(events) = events() else { return };
    let mut counts = BTreeMap::new();
    for pair in events.windows(2).filter(|pair| pair[1].is_swap) {
        *counts.entry(classify(&pair[0], &pair[1])).or_insert(0) += 1;
    }
    let expected = [
        (Asked::Input, 4743),
        (Asked::InputThroughTick, 394),
        (Asked::Output, 595),
        (Asked::Price, 124),
        (Asked::TicksUnknown, 189),
    ];
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected);
}
