//! The loop of `UniswapV3Pool.swap`, over a list of ticks instead of a bitmap.

use std::ops::ControlFlow;

use alloy::primitives::{I256, U160, U256};
use uniswap_v3_sdk::prelude::{
    MAX_SQRT_RATIO, MAX_TICK_I32, MIN_SQRT_RATIO, MIN_TICK_I32, get_tick_at_sqrt_ratio,
};

use super::step::{Remaining, Step, Stretch};
use super::{HALF_LOG_BASE, Pool, Quote, QuoteError, TWO_POW_96, Tick};

/// Tick spacings in one word of the bitmap.
const WORD_BITS: i32 = 256;

/// A swap under way.
struct Swap {
    remaining: Remaining,
    /// Sum of the other side.
    calculated: U256,
    fee: U256,
    sqrt_price: U256,
    /// Of the price, where it is known: between two ticks it is only worked out for a further step.
    tick: Option<i32>,
    liquidity: u128,
    crossed: u32,
}

impl Pool {
    /// Gives or receives exactly `amount`. The pool is valid: from a price outside its tick the first step could run
    /// backwards.
    pub(super) fn swap(&self, zero_for_one: bool, amount: Remaining) -> Result<Quote, QuoteError> {
        // The pool's amounts are signed.
        if amount.left() > I256::MAX.into_raw() {
            return Err(QuoteError::AmountTooLarge);
        }
        if amount.left().is_zero() {
            return Err(QuoteError::ZeroAmount);
        }
        let mut swap = self.start(amount);
        while let ControlFlow::Continue(()) = self.step(&mut swap, zero_for_one)? {}
        let (amount_in, amount_out) = match amount {
            Remaining::In(given) => (given, swap.calculated),
            Remaining::Out(received) => (swap.calculated, received),
        };
        Ok(Quote {
            amount_in,
            amount_out,
            fee: swap.fee,
            sqrt_price_after: swap.sqrt_price,
            reached: swap.tick,
            liquidity_after: swap.liquidity,
            ticks_crossed: swap.crossed,
        })
    }

    /// What a swap without end gives before it leaves what is known, less a unit: the last one would already cross.
    pub(super) fn reach(&self, zero_for_one: bool) -> Option<U256> {
        let most = I256::MAX.into_raw();
        let mut swap = self.start(Remaining::In(most));
        loop {
            match self.step(&mut swap, zero_for_one) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => return Some(most),
                Err(QuoteError::NoLiquidity { .. }) => {
                    return Some(most.checked_sub(swap.remaining.left())?.saturating_sub(U256::ONE));
                }
                Err(_) => return None,
            }
        }
    }

    const fn start(&self, amount: Remaining) -> Swap {
        Swap {
            remaining: amount,
            calculated: U256::ZERO,
            fee: U256::ZERO,
            sqrt_price: self.sqrt_price_x96,
            tick: Some(self.tick),
            liquidity: self.liquidity,
            crossed: 0,
        }
    }

    /// To the next initialised tick or word boundary, or to the end of the amount.
    fn step(&self, swap: &mut Swap, zero_for_one: bool) -> Result<ControlFlow<()>, QuoteError> {
        let tick = swap.tick.unwrap_or_else(|| tick_of(swap.sqrt_price));
        let (next, initialised) = self.next_tick(tick, zero_for_one)?;
        let target = self.sqrt_price_at(next)?;
        let limit = if zero_for_one { lowest_price() } else { highest_price() };
        let target = if zero_for_one { target.max(limit) } else { target.min(limit) };
        let Swap { sqrt_price: started, liquidity, remaining, .. } = *swap;
        let stretch = Stretch { sqrt_price: started, target, liquidity, fee: self.fee };
        let step = stretch.step(remaining).ok_or_else(|| self.invalid("its arithmetic overflows"))?;
        swap.account(&step)?;
        if swap.sqrt_price == target {
            if target == limit {
                return Err(self.unknown(next));
            }
            if let Some(tick) = initialised {
                swap.cross(tick, zero_for_one).ok_or_else(|| self.unknown(next))?;
            }
            swap.tick = Some(if zero_for_one { next.saturating_sub(1) } else { next });
        } else if swap.sqrt_price != started {
            swap.tick = None;
        }
        let done = swap.remaining.left().is_zero();
        Ok(if done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    /// The next initialised tick within the word of the bitmap, or the word's last tick.
    fn next_tick(&self, tick: i32, down: bool) -> Result<(i32, Option<&Tick>), QuoteError> {
        let compressed = tick.div_euclid(self.tick_spacing);
        let from = if down { compressed } else { compressed.saturating_add(1) };
        let word = from.div_euclid(WORD_BITS).saturating_mul(WORD_BITS);
        let last = if down { word } else { word.saturating_add(WORD_BITS).saturating_sub(1) };
        let boundary = last.saturating_mul(self.tick_spacing).clamp(MIN_TICK_I32, MAX_TICK_I32);
        let start = from.saturating_mul(self.tick_spacing);
        let first_above =
            self.ticks.partition_point(|t| if down { t.index <= start } else { t.index < start });
        let found = if down {
            first_above.checked_sub(1).and_then(|i| self.ticks.get(i))
        } else {
            self.ticks.get(first_above)
        };
        let reach = if down { boundary..=start } else { start..=boundary };
        let found = found.filter(|t| reach.contains(&t.index));
        let next = found.map_or(boundary, |t| t.index);
        if (self.window.lower..=self.window.upper).contains(&next) {
            Ok((next, found))
        } else {
            Err(self.unknown(next))
        }
    }
}

impl Swap {
    fn account(&mut self, step: &Step) -> Result<(), QuoteError> {
        let paid = step.amount_in.checked_add(step.fee);
        let (remaining, other) = match self.remaining {
            Remaining::In(left) => {
                (paid.and_then(|paid| left.checked_sub(paid)).map(Remaining::In), Some(step.amount_out))
            }
            Remaining::Out(left) => (left.checked_sub(step.amount_out).map(Remaining::Out), paid),
        };
        let calculated = other.and_then(|other| self.calculated.checked_add(other));
        let fee = self.fee.checked_add(step.fee);
        let (Some(remaining), Some(calculated), Some(fee)) = (remaining, calculated, fee) else {
            return Err(QuoteError::AmountTooLarge);
        };
        *self = Self { remaining, calculated, fee, sqrt_price: step.sqrt_price, ..*self };
        Ok(())
    }

    /// Crosses an initialised tick; `None` where it is not known or does not fit the liquidity in range.
    fn cross(&mut self, tick: &Tick, down: bool) -> Option<()> {
        if tick.liquidity_gross == 0 {
            return None;
        }
        let net = if down { tick.liquidity_net.checked_neg()? } else { tick.liquidity_net };
        self.liquidity = self.liquidity.checked_add_signed(net)?;
        self.crossed = self.crossed.saturating_add(1);
        Some(())
    }
}

/// The tick of a price that a swap has reached, which is never out of range.
pub(super) fn tick_of(sqrt_price: U256) -> i32 {
    let exact = || get_tick_at_sqrt_ratio(U160::saturating_from(sqrt_price));
    clear_tick(sqrt_price).unwrap_or_else(|| exact().map_or(MIN_TICK_I32, |tick| tick.as_i32()))
}

/// The same where a double can tell it: nearly every price stands clear of both edges of its tick.
#[expect(clippy::cast_possible_truncation, reason = "a whole number within the range of ticks")]
fn clear_tick(sqrt_price: U256) -> Option<i32> {
    let position = libm::log(f64::from(sqrt_price) / TWO_POW_96) / HALF_LOG_BASE;
    let tick = libm::floor(position);
    let within = f64::from(MIN_TICK_I32) < tick && tick < f64::from(MAX_TICK_I32) - 1.0;
    let clear = (CLEAR_OF_EDGE..1.0 - CLEAR_OF_EDGE).contains(&(position - tick));
    (within && clear).then_some(tick as i32)
}

/// Part of a tick; thousands of times over what a position in ticks may be off, whose logarithm is at most 45 and right to some
/// `1e-14`.
const CLEAR_OF_EDGE: f64 = 1e-6;

fn lowest_price() -> U256 {
    U256::from(MIN_SQRT_RATIO).saturating_add(U256::ONE)
}

fn highest_price() -> U256 {
    U256::from(MAX_SQRT_RATIO).saturating_sub(U256::ONE)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "test arithmetic within known bounds")]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;
    use crate::domain::venues::uniswap_v3::sqrt_price_at_tick;

    fn of_the_crate(sqrt_price: U256) -> i32 {
        get_tick_at_sqrt_ratio(U160::from(sqrt_price)).unwrap().as_i32()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_tick_is_that_of_the_pool_also_beside_its_edges(tick in MIN_TICK_I32..MAX_TICK_I32, part in 0_u32..=1_000, off in 0_u64..3) {
            let (floor, ceiling) = (sqrt_price_at_tick(tick).unwrap(), sqrt_price_at_tick(tick + 1).unwrap());
            let between = floor + (ceiling - floor) * U256::from(part) / U256::from(1_000);
            for price in [between, floor + U256::from(off), ceiling - U256::from(off + 1), ceiling + U256::from(off)] {
                if (U256::from(MIN_SQRT_RATIO)..U256::from(MAX_SQRT_RATIO)).contains(&price) {
                    prop_assert_eq!(tick_of(price), of_the_crate(price), "{}", price);
                }
            }
        }
    }

    #[test]
    fn most_prices_are_clear_of_the_edges_of_their_tick() {
        let clear = |tick: &i32| {
            clear_tick(sqrt_price_at_tick(*tick).unwrap() + (sqrt_price_at_tick(*tick).unwrap() >> 16))
        };
        assert!((-887_000..887_000).step_by(1_000).all(|tick| clear(&tick) == Some(tick)));
        assert_eq!(clear_tick(sqrt_price_at_tick(200_000).unwrap()), None);
    }
}
