//! Uniswap v2 swaps in exact integers: constant product with a fee of 0.3 % on the amount in, equal to the pair's own
//! arithmetic to the last unit.
//!
//! The formulas are `getAmountOut` and `getAmountIn` of `UniswapV2Library` (Adams, Zinsmeister, Robinson, "Uniswap v2
//! Core", 2020, §3.2.1); the bounds are those of `UniswapV2Pair`, which holds its reserves as uint112 and refuses a
//! swap that pays nothing. The fee is a constant of the pair's code, so no fork with another fee is quoted.

use alloy::primitives::{Address, U256, U512};
use libm::sqrt;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_with::{DisplayFromStr, serde_as};
use thiserror::Error;

use super::stretch::Stretch;
use crate::domain::units::from_raw;

/// Fee on the amount in, hundredths of a basis point.
pub const FEE: u32 = 3000;
/// What the fee leaves of [`FEE_BASE`].
const FEE_KEPT: U256 = U256::from_limbs([997, 0, 0, 0]);
const FEE_BASE: U256 = U256::from_limbs([1000, 0, 0, 0]);
/// Largest reserve a pair can hold: uint112.
const MOST_RESERVE: u128 = (1 << 112) - 1;
/// Decimal places of a price.
const PRICE_PLACES: u8 = 18;

/// A pair's state.
///
/// Rules it keeps once [`Pool::validate`] passed: the tokens are in order; both reserves are positive and fit 112 bits.
/// The reserves are those the pair has accounted for: a gift that it has not yet synced can only add to what a swap
/// pays.
#[serde_as]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// The pair.
    pub address: Address,
    /// The token with the lower address.
    pub token0: Address,
    /// The token with the higher address.
    pub token1: Address,
    /// Raw units of token0 held.
    #[serde_as(as = "DisplayFromStr")]
    pub reserve0: u128,
    /// Raw units of token1 held.
    #[serde_as(as = "DisplayFromStr")]
    pub reserve1: u128,
}

/// What a swap would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote {
    /// Raw units in, fee included.
    pub amount_in: U256,
    /// Raw units out.
    pub amount_out: U256,
    /// Raw units of token0 held afterwards.
    pub reserve0_after: u128,
    /// Raw units of token1 held afterwards.
    pub reserve1_after: u128,
}

/// Why there is no quote.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QuoteError {
    /// The swap asks for all of a reserve, or gives more than the pair can hold.
    #[error("the swap is beyond what pair {pool} holds or can hold")]
    NoLiquidity {
        /// The pair.
        pool: Address,
    },
    /// Nothing is to be swapped.
    #[error("the amount is zero")]
    ZeroAmount,
    /// The amount in is worth less than one raw unit out, which the pair refuses.
    #[error("the amount in is worth less than one unit out")]
    NothingOut,
    /// The state breaks a rule of the pair.
    #[error("pair {pool} is in no valid state: {why}")]
    InvalidPool {
        /// The pair.
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
        let held = |reserve: u128| (1..=MOST_RESERVE).contains(&reserve);
        let rules = [
            (self.token0 < self.token1, "its tokens are not in order"),
            (held(self.reserve0) && held(self.reserve1), "a reserve is empty or beyond 112 bits"),
        ];
        match rules.into_iter().find(|(kept, _)| !kept) {
            Some((_, why)) => Err(QuoteError::InvalidPool { pool: self.address, why }),
            None => Ok(()),
        }
    }

    /// The same product of reserves with the price elsewhere, its square root times 2^96; `None` beyond the pair's bounds.
    #[must_use]
    pub fn moved_to(&self, sqrt_price_x96: U256) -> Option<Self> {
        let depth = U512::from(self.reserve0).checked_mul(U512::from(self.reserve1))?.root(2);
        let root = U512::from(sqrt_price_x96);
        let reserve0 = depth.checked_shl(96)?.checked_div(root)?;
        let reserve1 = depth.checked_mul(root)?.wrapping_shr(96);
        let (reserve0, reserve1) = (u128::try_from(reserve0).ok()?, u128::try_from(reserve1).ok()?);
        let moved = Self { reserve0, reserve1, ..*self };
        moved.validate().ok().map(|()| moved)
    }

    /// The pair ready to be quoted, once [`Pool::validate`] passed.
    ///
    /// # Errors
    /// As [`Pool::validate`].
    pub fn quoter(&self) -> Result<Quoter<'_>, QuoteError> {
        self.validate().map(|()| Quoter { pool: self })
    }
}

/// A pair that passed [`Pool::validate`]: only such a one is quoted.
#[derive(Debug, Clone, Copy)]
pub struct Quoter<'a> {
    pool: &'a Pool,
}

impl<'a> Quoter<'a> {
    /// The pair.
    #[must_use]
    pub const fn pool(&self) -> &'a Pool {
        self.pool
    }

    /// Reserves of the token given and of the token received.
    #[must_use]
    pub const fn reserves(&self, zero_for_one: bool) -> (u128, u128) {
        let Pool { reserve0, reserve1, .. } = *self.pool;
        if zero_for_one { (reserve0, reserve1) } else { (reserve1, reserve0) }
    }

    /// Quotes giving exactly `amount_in`: of token0 where `zero_for_one`, otherwise of token1. The amount out is rounded
    /// down.
    ///
    /// # Errors
    /// [`QuoteError`]; beyond the pair's integers there is no quote.
    pub fn quote_exact_in(&self, zero_for_one: bool, amount_in: U256) -> Result<Quote, QuoteError> {
        if amount_in.is_zero() {
            return Err(QuoteError::ZeroAmount);
        }
        let (reserve_in, reserve_out) = self.reserves(zero_for_one);
        let kept = self.within(amount_in, MOST_RESERVE)?.checked_mul(FEE_KEPT);
        let amount_out = kept.and_then(|kept| {
            let base = U256::from(reserve_in).checked_mul(FEE_BASE)?.checked_add(kept)?;
            kept.checked_mul(U256::from(reserve_out))?.checked_div(base)
        });
        let amount_out = amount_out.ok_or_else(|| self.dry())?;
        if amount_out.is_zero() {
            return Err(QuoteError::NothingOut);
        }
        self.after(zero_for_one, amount_in, amount_out)
    }

    /// Quotes receiving exactly `amount_out`: of token1 where `zero_for_one`, otherwise of token0. The amount in is the
    /// library's, rounded up and at times a unit more than the least that would do.
    ///
    /// # Errors
    /// As [`Quoter::quote_exact_in`].
    pub fn quote_exact_out(&self, zero_for_one: bool, amount_out: U256) -> Result<Quote, QuoteError> {
        if amount_out.is_zero() {
            return Err(QuoteError::ZeroAmount);
        }
        let (reserve_in, reserve_out) = self.reserves(zero_for_one);
        let left = U256::from(reserve_out).checked_sub(amount_out).filter(|left| !left.is_zero());
        let amount_in = left.and_then(|left| {
            let worth = U256::from(reserve_in).checked_mul(amount_out)?.checked_mul(FEE_BASE)?;
            worth.checked_div(left.checked_mul(FEE_KEPT)?)?.checked_add(U256::ONE)
        });
        self.after(zero_for_one, amount_in.ok_or_else(|| self.dry())?, amount_out)
    }

    /// The pair in the direction of a trade: one stretch, as far as its reserves fit. `None` where nothing fits.
    #[must_use]
    pub fn stretch(&self, zero_for_one: bool) -> Option<Stretch> {
        let most = f64::from(self.most_in(zero_for_one)?);
        let (reserve_in, reserve_out) = self.reserves(zero_for_one);
        let (reserve_in, reserve_out) =
            (f64::from(U256::from(reserve_in)), f64::from(U256::from(reserve_out)));
        let kept = sqrt(f64::from(FEE_KEPT) / f64::from(FEE_BASE));
        let depth = sqrt(reserve_in) * sqrt(reserve_out) / kept;
        let from = sqrt(reserve_in) / (sqrt(reserve_out) * kept);
        Some(Stretch { from, to: from + most / depth, depth })
    }

    /// The largest amount in that is still quoted, raw units; `None` where that is nothing.
    #[must_use]
    pub fn most_in(&self, zero_for_one: bool) -> Option<U256> {
        let most = MOST_RESERVE.checked_sub(self.reserves(zero_for_one).0)?;
        Some(U256::from(most)).filter(|most| !most.is_zero())
    }

    fn after(&self, zero_for_one: bool, amount_in: U256, amount_out: U256) -> Result<Quote, QuoteError> {
        let (reserve_in, reserve_out) = self.reserves(zero_for_one);
        let sum = U256::from(reserve_in).checked_add(amount_in).ok_or_else(|| self.dry())?;
        let grown = self.within(sum, MOST_RESERVE)?.saturating_to();
        let shrunk =
            U256::from(reserve_out).checked_sub(amount_out).ok_or_else(|| self.dry())?.saturating_to();
        let (reserve0_after, reserve1_after) = if zero_for_one { (grown, shrunk) } else { (shrunk, grown) };
        Ok(Quote { amount_in, amount_out, reserve0_after, reserve1_after })
    }

    fn within(&self, amount: U256, most: u128) -> Result<U256, QuoteError> {
        if amount <= U256::from(most) { Ok(amount) } else { Err(self.dry()) }
    }

    const fn dry(&self) -> QuoteError {
        QuoteError::NoLiquidity { pool: self.pool.address }
    }
}

/// Price of one whole base token in whole quote tokens where the reserves of both are these, rounded down at 18 places;
/// `None` where it does not fit. `decimals` are those of base and quote.
#[must_use]
pub fn mid_price(base: u128, quote: u128, decimals: (u8, u8)) -> Option<Decimal> {
    let places = i32::from(PRICE_PLACES).saturating_add(decimals.0.into()).saturating_sub(decimals.1.into());
    let ten = U512::from(10_u128.checked_pow(places.unsigned_abs())?);
    let (up, down) = if places < 0 { (U512::ONE, ten) } else { (ten, U512::ONE) };
    let (base, quote) = (U512::from(base), U512::from(quote));
    let scaled = quote.checked_mul(up)?.checked_div(base.checked_mul(down)?)?;
    from_raw(scaled.saturating_to(), PRICE_PLACES).ok()
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "test arithmetic within known bounds")]
mod tests;
