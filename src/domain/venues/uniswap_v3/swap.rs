//! The loop of `UniswapV3Pool.swap`, over a list of ticks instead of a bitmap.

use std::ops::ControlFlow;

use alloy::primitives::aliases::U24;
use alloy::primitives::{I256, U160, U256};
use uniswap_v3_sdk::prelude::{
    MAX_SQRT_RATIO, MAX_TICK_I32, MIN_SQRT_RATIO, MIN_TICK_I32, compute_swap_step, get_tick_at_sqrt_ratio,
};

use super::{Pool, Quote, QuoteError, Tick};

/// Tick spacings in one word of the bitmap.
const WORD_BITS: i32 = 256;

/// A swap under way.
struct Swap {
    /// Positive: left to give; negative: left to receive.
    remaining: I256,
    /// Sum of the other side.
    calculated: U256,
    fee: U256,
    sqrt_price: U160,
    /// Of the price, where it is known: between two ticks it is only worked out for a further step.
    tick: Option<i32>,
    liquidity: u128,
    crossed: u32,
}

impl Pool {
    /// Positive `amount` is given, negative is to be received. The pool is valid: from a price outside its tick the
    /// first step could run backwards.
    pub(super) fn swap(&self, zero_for_one: bool, amount: I256) -> Result<Quote, QuoteError> {
        if amount.is_zero() {
            return Err(QuoteError::ZeroAmount);
        }
        let mut swap = self.start(amount)?;
        while let ControlFlow::Continue(()) = self.step(&mut swap, zero_for_one)? {}
        let given = amount.unsigned_abs();
        let (amount_in, amount_out) =
            if amount.is_positive() { (given, swap.calculated) } else { (swap.calculated, given) };
        Ok(Quote {
            amount_in,
            amount_out,
            fee: swap.fee,
            sqrt_price_after: U256::from(swap.sqrt_price),
            reached: swap.tick,
            liquidity_after: swap.liquidity,
            ticks_crossed: swap.crossed,
        })
    }

    /// What a swap without end gives before it leaves what is known, less a unit: the last one would already cross.
    pub(super) fn reach(&self, zero_for_one: bool) -> Option<U256> {
        let mut swap = self.start(I256::MAX).ok()?;
        loop {
            match self.step(&mut swap, zero_for_one) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => return Some(I256::MAX.into_raw()),
                Err(QuoteError::NoLiquidity { .. }) => {
                    let given = I256::MAX.checked_sub(swap.remaining)?.into_raw();
                    return Some(given.saturating_sub(U256::ONE));
                }
                Err(_) => return None,
            }
        }
    }

    fn start(&self, amount: I256) -> Result<Swap, QuoteError> {
        Ok(Swap {
            remaining: amount,
            calculated: U256::ZERO,
            fee: U256::ZERO,
            sqrt_price: self.price()?,
            tick: Some(self.tick),
            liquidity: self.liquidity,
            crossed: 0,
        })
    }

    /// To the next initialised tick or word boundary, or to the end of the amount.
    fn step(&self, swap: &mut Swap, zero_for_one: bool) -> Result<ControlFlow<()>, QuoteError> {
        let tick = swap.tick.unwrap_or_else(|| tick_of(swap.sqrt_price));
        let (next, initialised) = self.next_tick(tick, zero_for_one)?;
        let target = self.sqrt_price_at(next)?;
        let limit = if zero_for_one { lowest_price() } else { highest_price() };
        let target = if zero_for_one { target.max(limit) } else { target.min(limit) };
        let fee = U24::from(self.fee);
        let (price, amount_in, amount_out, fee) =
            compute_swap_step(swap.sqrt_price, target, swap.liquidity, swap.remaining, fee)
                .map_err(|_| self.invalid("its arithmetic overflows"))?;
        swap.account(amount_in, amount_out, fee)?;
        let started = swap.sqrt_price;
        swap.sqrt_price = price;
        if price == target {
            if price == limit {
                return Err(self.unknown(next));
            }
            if let Some(tick) = initialised {
                swap.cross(tick, zero_for_one).ok_or_else(|| self.unknown(next))?;
            }
            swap.tick = Some(if zero_for_one { next.saturating_sub(1) } else { next });
        } else if price != started {
            swap.tick = None;
        }
        Ok(if swap.remaining.is_zero() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
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
    fn account(&mut self, amount_in: U256, amount_out: U256, fee: U256) -> Result<(), QuoteError> {
        let paid = amount_in.checked_add(fee).ok_or(QuoteError::AmountTooLarge)?;
        let (settled, other) =
            if self.remaining.is_positive() { (paid, amount_out) } else { (amount_out, paid) };
        let settled = I256::try_from(settled).map_err(|_| QuoteError::AmountTooLarge)?;
        let left = if self.remaining.is_positive() {
            self.remaining.checked_sub(settled)
        } else {
            self.remaining.checked_add(settled)
        };
        self.remaining = left.ok_or(QuoteError::AmountTooLarge)?;
        self.calculated = self.calculated.checked_add(other).ok_or(QuoteError::AmountTooLarge)?;
        self.fee = self.fee.checked_add(fee).ok_or(QuoteError::AmountTooLarge)?;
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
pub(super) fn tick_of(sqrt_price: U160) -> i32 {
    get_tick_at_sqrt_ratio(sqrt_price).map_or(MIN_TICK_I32, |tick| tick.as_i32())
}

fn lowest_price() -> U160 {
    MIN_SQRT_RATIO.saturating_add(U160::ONE)
}

fn highest_price() -> U160 {
    MAX_SQRT_RATIO.saturating_sub(U160::ONE)
}
