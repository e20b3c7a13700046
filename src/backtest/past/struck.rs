//! Pools whose price or liquidity changes at once, to the last unit of their integers.

use alloy::primitives::{U256, U512};
use rust_decimal::Decimal;

use crate::domain::snapshot::Pool;
use crate::domain::venues::{uniswap_v2, uniswap_v3};

/// The pool where a risky unit costs `kept` of what it does; `None` beyond what is known of it.
pub(super) fn struck(pool: &Pool, kept: Decimal, risky_is_token0: bool) -> Option<Pool> {
    if kept == Decimal::ONE {
        return Some(pool.clone());
    }
    let moved = |sqrt_price: U256| moved_root(sqrt_price, kept, risky_is_token0);
    match pool {
        Pool::UniswapV3 { state, twap, observations } => {
            let state = state.moved_to(moved(state.sqrt_price_x96)?)?;
            Some(Pool::UniswapV3 { state, twap: *twap, observations: observations.clone() })
        }
        Pool::UniswapV2 { state } => {
            let square =
                U512::from(state.reserve1).checked_shl(192)?.checked_div(U512::from(state.reserve0))?;
            let root = U256::checked_from_limbs_slice(square.root(2).as_limbs())?;
            state.moved_to(moved(root)?).map(|state| Pool::UniswapV2 { state })
        }
    }
}

/// The root of a pool's price where the risky token's is `kept` of what it was.
fn moved_root(root: U256, kept: Decimal, risky_is_token0: bool) -> Option<U256> {
    let part = U512::from(u128::try_from(kept.mantissa()).ok().filter(|part| *part > 0)?);
    let whole = U512::from(10_u128.checked_pow(kept.scale())?);
    let (up, down) = if risky_is_token0 { (part, whole) } else { (whole, part) };
    let square = U512::from(root).checked_mul(U512::from(root))?.checked_mul(up)?.checked_div(down)?;
    U256::checked_from_limbs_slice(square.root(2).as_limbs())
}

/// The pool with `depth` of its liquidity at every price, rounded down.
pub(super) fn thinned(pool: &Pool, depth: Decimal) -> Option<Pool> {
    if depth == Decimal::ONE {
        return Some(pool.clone());
    }
    match pool {
        Pool::UniswapV3 { state, twap, observations } => {
            let state = thinned_v3(state, depth)?;
            Some(Pool::UniswapV3 { state, twap: *twap, observations: observations.clone() })
        }
        Pool::UniswapV2 { state } => {
            let (reserve0, reserve1) = (part(state.reserve0, depth)?, part(state.reserve1, depth)?);
            Some(Pool::UniswapV2 { state: uniswap_v2::Pool { reserve0, reserve1, ..*state } })
        }
    }
}

/// Liquidity between two ticks is rounded on its own, and a tick is what it changes by there, so that it adds up.
fn thinned_v3(pool: &uniswap_v3::Pool, depth: Decimal) -> Option<uniswap_v3::Pool> {
    let mut thin = pool.clone();
    thin.liquidity = part(pool.liquidity, depth)?;
    let first_above = pool.ticks.partition_point(|tick| tick.index <= pool.tick);
    let (below, above) = thin.ticks.split_at_mut(first_above);
    let mut level = pool.liquidity;
    for tick in above {
        let next = level.checked_add_signed(tick.liquidity_net)?;
        thin_tick(tick, (level, next), depth)?;
        level = next;
    }
    level = pool.liquidity;
    for tick in below.iter_mut().rev() {
        let next = level.checked_add_signed(tick.liquidity_net.checked_neg()?)?;
        thin_tick(tick, (next, level), depth)?;
        level = next;
    }
    thin.validate().ok().map(|()| thin)
}

/// A tick over which liquidity goes from one level to another, upwards.
fn thin_tick(tick: &mut uniswap_v3::Tick, (from, to): (u128, u128), depth: Decimal) -> Option<()> {
    // Of such a tick nothing is known.
    if tick.liquidity_gross == 0 {
        return Some(());
    }
    let (from, to) = (part(from, depth)?, part(to, depth)?);
    tick.liquidity_net = to.cast_signed().checked_sub(from.cast_signed())?;
    tick.liquidity_gross = part(tick.liquidity_gross, depth)?.max(tick.liquidity_net.unsigned_abs()).max(1);
    Some(())
}

/// `depth` of an amount, rounded down.
fn part(amount: u128, depth: Decimal) -> Option<u128> {
    let (part, whole) =
        (u128::try_from(depth.mantissa()).ok()?, U256::from(10_u128.checked_pow(depth.scale())?));
    U256::from(amount).checked_mul(U256::from(part))?.checked_div(whole)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Address;

    use super::*;

    fn pool() -> uniswap_v3::Pool {
        let tick = |index, liquidity_net: i128| uniswap_v3::Tick {
            index,
            liquidity_net,
            liquidity_gross: liquidity_net.unsigned_abs(),
        };
        uniswap_v3::Pool {
            address: Address::ZERO,
            token0: Address::with_last_byte(1),
            token1: Address::with_last_byte(2),
            fee: 500,
            tick_spacing: 10,
            sqrt_price_x96: uniswap_v3::sqrt_price_at_tick(0).unwrap(),
            tick: 0,
            liquidity: 1_000_000_000_019,
            window: uniswap_v3::Window { lower: -20_000, upper: 20_000 },
            ticks: vec![
                tick(-5_000, 333_333_333_337),
                tick(-10, 666_666_666_667),
                tick(10, -999_999_999_999),
            ],
        }
    }

    #[test]
    fn a_price_moves_by_its_part_in_either_order_of_the_tokens() {
        let whole = |state| Pool::UniswapV3 { state, twap: None, observations: None };
        let root = |pool: Pool| {
            let Pool::UniswapV3 { state, .. } = pool else { panic!("a v3 pool") };
            state.sqrt_price_x96
        };
        let fifth: Decimal = "0.64".parse().unwrap();
        // The root of 0.64 is 0.8, and that of its inverse 1.25.
        let one = U256::from(1) << 96;
        assert_eq!(root(struck(&whole(pool()), fifth, true).unwrap()), one * U256::from(8) / U256::from(10));
        assert_eq!(root(struck(&whole(pool()), fifth, false).unwrap()), one * U256::from(5) / U256::from(4));
        let far: Decimal = "0.1".parse().unwrap();
        assert_eq!(struck(&whole(pool()), far, true), None, "beyond what is known");
    }

    #[test]
    fn a_tenth_of_the_liquidity_is_left_at_every_price_and_adds_up() {
        // Between the ticks 15, 333,333,333,352, 1,000,000,000,019 and 20, of each a tenth: 1, 33,333,333,335, 100,000,000,001 and 2.
        let thin = thinned_v3(&pool(), "0.1".parse().unwrap()).unwrap();
        assert_eq!(thin.liquidity, 100_000_000_001);
        assert_eq!(
            thin.ticks.iter().map(|tick| tick.liquidity_net).collect::<Vec<_>>(),
            [33_333_333_334, 66_666_666_666, -99_999_999_999]
        );
    }
}
