//! Between prices a person writes and the numbers of contracts.

use alloy::primitives::{I256, U256, U512, aliases::U160};
use rust_decimal::{Decimal, RoundingStrategy, prelude::ToPrimitive};

/// Decimals of the feeds' answers, as Chainlink's USD feeds have.
pub const FEED_DECIMALS: u8 = 8;

/// The order of the two tokens in a pool, which their addresses decide, and their decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Whether the stable has the lower address.
    pub stable_is_token0: bool,
    /// Decimals of the stable.
    pub stable_decimals: u8,
    /// Decimals of the risky token.
    pub risky_decimals: u8,
}

impl Pair {
    /// `⌊√(token1/token0)·2⁹⁶⌋` in raw units for a price in stable per risky, exact in integers (Uniswap v3 Core,
    /// Adams et al. 2021, §6.1). `None` for a price that is not positive or beyond 160 bits.
    #[must_use]
    pub fn sqrt_price_x96(self, price: Decimal) -> Option<U160> {
        let mantissa = U512::from(u128::try_from(price.mantissa()).ok().filter(|&mantissa| mantissa > 0)?);
        let stable = mantissa.checked_mul(power_of_ten(u32::from(self.stable_decimals))?)?;
        let risky = power_of_ten(price.scale().checked_add(u32::from(self.risky_decimals))?)?;
        let (amount1, amount0) = if self.stable_is_token0 { (risky, stable) } else { (stable, risky) };
        let ratio = amount1.checked_shl(192)?.checked_div(amount0)?;
        U160::checked_from_limbs_slice(ratio.root(2).as_limbs())
    }
}

/// A feed's answer for a price: rounded to 8 decimals, half away from zero. `None` beyond 128 bits.
#[must_use]
pub fn feed_answer(price: Decimal) -> Option<I256> {
    let scaled = price.checked_mul(Decimal::from(100_000_000_u32))?;
    let rounded = scaled.round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero);
    I256::try_from(rounded.to_i128()?).ok()
}

/// `10^exponent` below 2⁵¹².
fn power_of_ten(exponent: u32) -> Option<U512> {
    U512::from(10).checked_pow(U512::from(exponent))
}

/// Raw units of `amount` in a token with `decimals`, rounded down. `None` for a negative amount.
#[must_use]
pub fn raw_units(amount: Decimal, decimals: u8) -> Option<U256> {
    let mantissa = U512::from(u128::try_from(amount.mantissa()).ok()?);
    let scaled = mantissa.checked_mul(power_of_ten(u32::from(decimals))?)?;
    U256::checked_from_limbs_slice(scaled.checked_div(power_of_ten(amount.scale())?)?.as_limbs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(stable_is_token0: bool) -> Pair {
        Pair { stable_is_token0, stable_decimals: 6, risky_decimals: 18 }
    }

    #[test]
    fn both_orders_of_tokens_give_inverse_prices() {
        let price = Decimal::new(2000, 0);
        let low = pair(false).sqrt_price_x96(price).unwrap();
        let high = pair(true).sqrt_price_x96(price).unwrap();
        // sqrt(2000e6/1e18)·2⁹⁶ = sqrt(2e-9)·2⁹⁶ and its inverse, from 60-digit arithmetic.
        assert_eq!(low.to_string(), "3543191142285914205922034");
        assert_eq!(high.to_string(), "1771595571142957102961017161607260");
    }

    #[test]
    fn a_price_that_is_not_positive_has_no_square_root_price() {
        assert_eq!(pair(true).sqrt_price_x96(Decimal::ZERO), None);
        assert_eq!(pair(true).sqrt_price_x96(Decimal::NEGATIVE_ONE), None);
    }

    #[test]
    fn answers_have_eight_decimals_rounded_half_away_from_zero() {
        assert_eq!(
            feed_answer(Decimal::new(20_005, 1)).unwrap(),
            I256::try_from(200_050_000_000_i64).unwrap()
        );
        assert_eq!(feed_answer(Decimal::new(15, 9)).unwrap(), I256::try_from(2).unwrap());
    }

    #[test]
    fn raw_units_are_rounded_down() {
        assert_eq!(raw_units(Decimal::new(19_999_999, 7), 6).unwrap(), U256::from(1_999_999));
        assert_eq!(raw_units(Decimal::NEGATIVE_ONE, 6), None);
    }
}
