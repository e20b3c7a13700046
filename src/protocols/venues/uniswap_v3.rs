//! Uniswap v3 pools as read.

use alloy::primitives::{I256, Log, U256};
use alloy::sol;
use alloy::sol_types::SolEvent;

use crate::domain::snapshot::{Observations, Pool, Twap};
use crate::domain::venues::uniswap_v3;
use crate::protocols::Grid;
use crate::protocols::abi::ISnapshotReader;

sol! {
    /// What a pool says of a swap; what it paid out is negative.
    #[derive(Debug)]
    event Swap(
        address indexed sender, address indexed recipient, int256 amount0, int256 amount1, uint160 sqrtPriceX96,
        uint128 liquidity, int24 tick
    );
}

/// Raw amount that a pool paid out, by its event of a swap.
pub(super) fn paid_out(log: &Log) -> Option<U256> {
    let swap = Swap::decode_log(log).ok()?;
    let paid = swap.amount0.min(swap.amount1);
    paid.is_negative().then(|| paid.unsigned_abs())
}

/// The pool's state as a fact; `None` where it could not be read. `twap_window` in seconds and `grid` as the policy asks.
#[must_use]
pub fn facts(pool: &ISnapshotReader::Pool, twap_window: Option<u32>, grid: Option<Grid>) -> Option<Pool> {
    if !pool.ok {
        return None;
    }
    let ticks = pool.ticks.iter().map(|tick| uniswap_v3::Tick {
        index: tick.index.as_i32(),
        liquidity_net: tick.liquidityNet,
        liquidity_gross: tick.liquidityGross,
    });
    let state = uniswap_v3::Pool {
        address: pool.pool,
        token0: pool.token0,
        token1: pool.token1,
        fee: pool.fee.to(),
        tick_spacing: pool.tickSpacing.as_i32(),
        sqrt_price_x96: U256::from(pool.sqrtPriceX96),
        tick: pool.tick.as_i32(),
        liquidity: pool.liquidity,
        window: uniswap_v3::Window { lower: pool.windowLower.as_i32(), upper: pool.windowUpper.as_i32() },
        ticks: ticks.collect(),
    };
    let twap = twap_window.and_then(|window| mean_tick(pool, window));
    Some(Pool::UniswapV3 { state, twap, observations: grid.and_then(|grid| observations(pool, grid)) })
}

/// The cumulative ticks of every point; `None` where the pool does not look back so far.
fn observations(pool: &ISnapshotReader::Pool, grid: Grid) -> Option<Observations> {
    let tick_cumulatives: Vec<i64> = pool.gridCumulatives.iter().map(|tick| tick.as_i64()).collect();
    let whole = tick_cumulatives.len() == usize::from(grid.steps).saturating_add(1);
    whole.then_some(Observations { step_seconds: grid.step_seconds, tick_cumulatives })
}

/// The mean tick over the window, rounded towards minus infinity like `OracleLibrary.consult`.
fn mean_tick(pool: &ISnapshotReader::Pool, window_seconds: u32) -> Option<Twap> {
    if !pool.twapOk || window_seconds == 0 {
        return None;
    }
    let delta = I256::from(pool.tickCumulativeNow).checked_sub(I256::from(pool.tickCumulativeThen))?;
    let window = I256::try_from(window_seconds).ok()?;
    let mean = delta.checked_div_euclid(window)?;
    Some(Twap { window_seconds, mean_tick: i32::try_from(mean.as_i64()).ok()? })
}
