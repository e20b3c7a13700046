//! Uniswap v3 swaps in exact integers over a pool state that was read: equal to the pool's own arithmetic to the last
//! unit, and silent about what was not read.
//!
//! The loop is that of `UniswapV3Pool.swap` (Adams, Zinsmeister, Salem, Keefer, Robinson, "Uniswap v3 Core", 2021),
//! word boundaries of the tick bitmap included: each step rounds on its own,
//! so a step more or less would change the result. Tick arithmetic is that of the `uniswap-v3-sdk` crate.

mod step;
mod stretches;
mod swap;

use alloy::primitives::aliases::I24;
use alloy::primitives::{Address, U160, U256, U512};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_with::{DisplayFromStr, serde_as};
use thiserror::Error;
use uniswap_v3_sdk::prelude::{
    MAX_SQRT_RATIO, MAX_TICK_I32, MIN_SQRT_RATIO, MIN_TICK_I32, get_sqrt_ratio_at_tick,
};

use crate::domain::units::{from_raw, power_of_ten};

use step::Remaining;
pub use stretches::Stretches;

/// A whole, in the hundredths of a basis point that fees are stated in.
const PIPS: u32 = 1_000_000;

/// 2^96, exactly.
const TWO_POW_96: f64 = 79_228_162_514_264_337_593_543_950_336.0;

/// A pool's state around its price.
///
/// Rules it keeps once [`Pool::validate`] passed:
/// - the tokens are in order, the fee is below one, the tick spacing positive;
/// - the price stands in its tick, the tick in the window;
/// - the ticks are in order, on the spacing, inside the window, none with more net than gross liquidity;
/// - the liquidity in range, followed through the ticks that are known, stays an amount, and is zero at both ends of
///   the tick range where the window reaches them.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// The pool.
    pub address: Address,
    /// The token with the lower address.
    pub token0: Address,
    /// The token with the higher address.
    pub token1: Address,
    /// Fee on the amount in, hundredths of a basis point.
    #[serde_as(as = "DisplayFromStr")]
    pub fee: u32,
    /// Ticks are multiples of this.
    #[serde_as(as = "DisplayFromStr")]
    pub tick_spacing: i32,
    /// Square root of the price of token0 in token1 (raw units), times 2^96.
    #[serde_as(as = "DisplayFromStr")]
    pub sqrt_price_x96: U256,
    /// Tick of the price.
    #[serde_as(as = "DisplayFromStr")]
    pub tick: i32,
    /// Liquidity in range.
    #[serde_as(as = "DisplayFromStr")]
    pub liquidity: u128,
    /// The part of the tick range that was read; what lies outside is unknown.
    pub window: Window,
    /// Initialised ticks in the window, ascending.
    pub ticks: Vec<Tick>,
}

/// A range of ticks, both ends in it.
#[serde_as]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// Lowest tick known.
    #[serde_as(as = "DisplayFromStr")]
    pub lower: i32,
    /// Highest tick known.
    #[serde_as(as = "DisplayFromStr")]
    pub upper: i32,
}

/// An initialised tick.
#[serde_as]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tick {
    /// Its index.
    #[serde_as(as = "DisplayFromStr")]
    pub index: i32,
    /// Liquidity that comes into range when the price rises over it (negative: leaves).
    #[serde_as(as = "DisplayFromStr")]
    pub liquidity_net: i128,
    /// All liquidity that references it; 0 says that the node does not know this tick.
    #[serde_as(as = "DisplayFromStr")]
    pub liquidity_gross: u128,
}

/// What a swap would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// Raw units in, fee included.
    pub amount_in: U256,
    /// Raw units out.
    pub amount_out: U256,
    /// Raw units of the amount in that stay as fee.
    pub fee: U256,
    /// Square root price afterwards, times 2^96.
    pub sqrt_price_after: U256,
    /// Tick afterwards, where no price between two ticks was reached.
    reached: Option<i32>,
    /// Liquidity in range afterwards.
    pub liquidity_after: u128,
    /// Initialised ticks crossed.
    pub ticks_crossed: u32,
}

impl Quote {
    /// Tick afterwards.
    #[must_use]
    pub fn tick_after(&self) -> i32 {
        self.reached.unwrap_or_else(|| swap::tick_of(self.sqrt_price_after))
    }
}

/// Why there is no quote.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QuoteError {
    /// The swap would reach a tick that was not read, or the end of all liquidity.
    #[error("the swap would pass tick {tick}, beyond what is known of pool {pool}")]
    NoLiquidity {
        /// The pool.
        pool: Address,
        /// First tick that is not known.
        tick: i32,
    },
    /// Nothing is to be swapped.
    #[error("the amount is zero")]
    ZeroAmount,
    /// The amount is beyond the pool's integers.
    #[error("the amount is beyond the pool's integers")]
    AmountTooLarge,
    /// The state breaks a rule of the pool.
    #[error("pool {pool} is in no valid state: {why}")]
    InvalidPool {
        /// The pool.
        pool: Address,
        /// The rule.
        why: &'static str,
    },
}

impl Pool {
    /// Checks the rules that [`Pool`] states.
    ///
    /// # Errors
    /// [`QuoteError::InvalidPool`] with the first that is broken.
    pub fn validate(&self) -> Result<(), QuoteError> {
        let price = self.price()?;
        let inside = |tick: i32| (self.window.lower..=self.window.upper).contains(&tick);
        let ordered = self.ticks.iter().zip(self.ticks.iter().skip(1)).all(|(a, b)| a.index < b.index);
        let rules = [
            (self.token0 < self.token1, "its tokens are not in order"),
            (self.fee < PIPS, "the fee is not below one"),
            (
                self.tick_spacing > 0 && self.tick_spacing <= i32::from(i16::MAX),
                "the tick spacing is not positive",
            ),
            (
                self.window.lower >= MIN_TICK_I32 && self.window.upper <= MAX_TICK_I32,
                "the window is too wide",
            ),
            (inside(self.tick), "the price lies outside the window"),
            (self.price_in_tick(price), "the price is not in its tick"),
            (ordered, "the ticks are not in order"),
            (self.ticks.iter().all(|t| inside(t.index)), "a tick lies outside the window"),
            (
                self.ticks.iter().all(|t| t.index.checked_rem(self.tick_spacing) == Some(0)),
                "a tick is off the spacing",
            ),
            (
                self.ticks.iter().all(|t| t.liquidity_net.unsigned_abs() <= t.liquidity_gross),
                "a tick has more net than gross liquidity",
            ),
            (self.liquidity_adds_up(), "its liquidity does not add up"),
        ];
        match rules.into_iter().find(|(kept, _)| !kept) {
            Some((_, why)) => Err(self.invalid(why)),
            None => Ok(()),
        }
    }

    /// The pool ready to be quoted, once [`Pool::validate`] passed.
    ///
    /// # Errors
    /// As [`Pool::validate`].
    pub fn quoter(&self) -> Result<Quoter<'_>, QuoteError> {
        self.validate().map(|()| Quoter { pool: self })
    }

    /// One quote of a pool that is validated for it; see [`Quoter::quote_exact_in`].
    ///
    /// # Errors
    /// [`QuoteError`].
    pub fn quote_exact_in(&self, zero_for_one: bool, amount_in: U256) -> Result<Quote, QuoteError> {
        self.quoter()?.quote_exact_in(zero_for_one, amount_in)
    }

    /// One quote of a pool that is validated for it; see [`Quoter::quote_exact_out`].
    ///
    /// # Errors
    /// [`QuoteError`].
    pub fn quote_exact_out(&self, zero_for_one: bool, amount_out: U256) -> Result<Quote, QuoteError> {
        self.quoter()?.quote_exact_out(zero_for_one, amount_out)
    }

    /// The same liquidity with the price elsewhere; `None` beyond what is known of it.
    #[must_use]
    pub fn moved_to(&self, sqrt_price_x96: U256) -> Option<Self> {
        let tick = swap::tick_of(sqrt_price_x96);
        let between =
            |t: &&Tick| (self.tick.min(tick).saturating_add(1)..=self.tick.max(tick)).contains(&t.index);
        // All at once: in the order of the ticks what is left on the way down would be taken before it was added.
        let net = self.ticks.iter().filter(between).try_fold(0_i128, |sum, crossed| {
            sum.checked_add(crossed.liquidity_net).filter(|_| crossed.liquidity_gross > 0)
        })?;
        let liquidity =
            self.liquidity.checked_add_signed(if tick > self.tick { net } else { net.checked_neg()? })?;
        let moved = Self { sqrt_price_x96, tick, liquidity, ..self.clone() };
        moved.validate().ok().map(|()| moved)
    }

    /// How far the average price of a swap stays behind the price before it, the fee left out, in basis points.
    #[must_use]
    pub fn price_impact_bps(&self, quote: &Quote, zero_for_one: bool) -> f64 {
        let root = f64::from(self.sqrt_price_x96) / TWO_POW_96;
        let price = if zero_for_one { root * root } else { 1.0 / (root * root) };
        let ideal = f64::from(quote.amount_in.saturating_sub(quote.fee)) * price;
        let share = f64::from(quote.amount_out) / ideal;
        if share.is_finite() { (10_000.0 * (1.0 - share)).max(0.0) } else { 0.0 }
    }

    fn price(&self) -> Result<U160, QuoteError> {
        let price: U160 = self.sqrt_price_x96.saturating_to();
        if price < MIN_SQRT_RATIO || price >= MAX_SQRT_RATIO {
            return Err(self.invalid("its price is out of range"));
        }
        Ok(price)
    }

    /// A price on the upper edge of its tick is what a downward swap leaves that ends there.
    fn price_in_tick(&self, price: U160) -> bool {
        // Nearly every price stands clear of both edges, which a double can tell.
        let root = f64::from(self.sqrt_price_x96) / TWO_POW_96;
        let lower = root_at(self.tick.into());
        if root > lower * (1.0 + CLEAR) && root < lower * ROOT_STEP * (1.0 - CLEAR) {
            return true;
        }
        let upper = self.tick.checked_add(1).and_then(sqrt_ratio).unwrap_or(MAX_SQRT_RATIO);
        sqrt_ratio(self.tick).is_some_and(|lower| lower <= price && price <= upper)
    }

    /// Follows the liquidity from the price to the ends of the window, or to a tick that is not known.
    fn liquidity_adds_up(&self) -> bool {
        let (below, above) = self.ticks.split_at(self.ticks.partition_point(|t| t.index <= self.tick));
        let known = |tick: &&Tick| tick.liquidity_gross > 0;
        let top = above
            .iter()
            .take_while(known)
            .try_fold(self.liquidity, |sum, tick| sum.checked_add_signed(tick.liquidity_net));
        let bottom =
            below.iter().rev().take_while(known).try_fold(self.liquidity, |sum, tick| {
                sum.checked_add_signed(tick.liquidity_net.checked_neg()?)
            });
        let (whole_above, whole_below) = (above.iter().all(|t| known(&t)), below.iter().all(|t| known(&t)));
        let ends = |end: Option<u128>, to_the_end: bool| end.is_some_and(|left| left == 0 || !to_the_end);
        ends(top, whole_above && self.window.upper == MAX_TICK_I32)
            && ends(bottom, whole_below && self.window.lower == MIN_TICK_I32)
    }

    fn sqrt_price_at(&self, tick: i32) -> Result<U256, QuoteError> {
        sqrt_price_at_tick(tick).ok_or_else(|| self.invalid("a tick is out of range"))
    }

    const fn invalid(&self, why: &'static str) -> QuoteError {
        QuoteError::InvalidPool { pool: self.address, why }
    }

    const fn unknown(&self, tick: i32) -> QuoteError {
        QuoteError::NoLiquidity { pool: self.address, tick }
    }
}

/// A pool that passed [`Pool::validate`]: only such a one is quoted.
#[derive(Debug, Clone, Copy)]
pub struct Quoter<'a> {
    pool: &'a Pool,
}

impl<'a> Quoter<'a> {
    /// The pool.
    #[must_use]
    pub const fn pool(&self) -> &'a Pool {
        self.pool
    }

    /// Quotes giving exactly `amount_in`: of token0 where `zero_for_one`, otherwise of token1.
    ///
    /// # Errors
    /// [`QuoteError`]; beyond the window there is no quote, never an extrapolation.
    pub fn quote_exact_in(&self, zero_for_one: bool, amount_in: U256) -> Result<Quote, QuoteError> {
        self.pool.swap(zero_for_one, Remaining::In(amount_in))
    }

    /// Quotes receiving exactly `amount_out`: of token1 where `zero_for_one`, otherwise of token0.
    ///
    /// # Errors
    /// As [`Quoter::quote_exact_in`].
    pub fn quote_exact_out(&self, zero_for_one: bool, amount_out: U256) -> Result<Quote, QuoteError> {
        self.pool.swap(zero_for_one, Remaining::Out(amount_out))
    }

    /// The pool's liquidity in the direction of a trade, stretch by stretch, to the last price that is known.
    #[must_use]
    pub fn stretches(&self, zero_for_one: bool) -> Stretches<'a> {
        Stretches::of(self.pool, zero_for_one)
    }

    /// The largest amount in that is still quoted, raw units: to the last price that is known. `None` where that is
    /// nothing.
    #[must_use]
    pub fn most_in(&self, zero_for_one: bool) -> Option<U256> {
        self.pool.reach(zero_for_one).filter(|amount| !amount.is_zero())
    }
}

/// The square root price at a tick, times 2^96; `None` outside ±887,272.
#[must_use]
pub fn sqrt_price_at_tick(tick: i32) -> Option<U256> {
    sqrt_ratio(tick).map(U256::from)
}

/// Half the logarithm of 1.0001, by which a tick raises that of the square root of the price.
const HALF_LOG_BASE: f64 = 4.999_750_016_664_583e-5;

/// `√1.0001`, by which a tick raises the square root of the price.
const ROOT_STEP: f64 = 1.000_049_998_750_062_5;
/// Many times over what [`root_at`] may be off.
const CLEAR: f64 = 1e-12;

/// The square root of the price at a tick, to some `1e-14` of it.
fn root_at(tick: f64) -> f64 {
    libm::exp(tick * HALF_LOG_BASE)
}

fn sqrt_ratio(tick: i32) -> Option<U160> {
    get_sqrt_ratio_at_tick(I24::try_from(tick).ok()?).ok()
}

/// Decimal places of a price.
const PRICE_PLACES: u8 = 18;

/// Price of one whole base token in whole quote tokens, rounded down at 18 places; `None` where it does not fit.
/// `decimals` are those of base and quote.
#[must_use]
pub fn mid_price(sqrt_price_x96: U256, base_is_token0: bool, decimals: (u8, u8)) -> Option<Decimal> {
    let places = i32::from(PRICE_PLACES).saturating_add(decimals.0.into()).saturating_sub(decimals.1.into());
    if base_is_token0 && let Some(scaled) = scaled_square(sqrt_price_x96, places) {
        return from_raw(scaled, PRICE_PLACES).ok();
    }
    let root = U512::from(sqrt_price_x96);
    let square = root.checked_mul(root)?;
    let ten = U512::from(power_of_ten(places.unsigned_abs())?);
    // Square over 2^192, or the reverse; a shift is the cheapest division there is.
    let scaled = match (base_is_token0, places < 0) {
        (true, false) => square.checked_mul(ten)?.wrapping_shr(192),
        (true, true) => square.wrapping_shr(192).checked_div(ten)?,
        (false, false) => ten.checked_shl(192)?.checked_div(square)?,
        (false, true) => U512::ONE.checked_shl(192)?.checked_div(square.checked_mul(ten)?)?,
    };
    from_raw(scaled.saturating_to(), PRICE_PLACES).ok()
}

/// `root²·10^places/2^192` rounded down, where that fits: the twos in a power of ten need not be multiplied first.
fn scaled_square(root: U256, places: i32) -> Option<U256> {
    let places = u32::try_from(places).ok()?;
    let fives = U256::from(power_of_ten(places)?.checked_shr(places)?);
    let product = root.checked_mul(root)?.checked_mul(fives)?;
    Some(product.wrapping_shr(192_usize.checked_sub(usize::try_from(places).ok()?)?))
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "test arithmetic within known bounds")]
mod tests;
