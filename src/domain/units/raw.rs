//! Raw token amounts as decimals and as model values, and back.

use alloy::primitives::U256;
use rust_decimal::{Decimal, RoundingStrategy};

use super::real::{POWERS_OF_TEN, power_of_ten, to_real};
use super::{Checked, NumberError};

/// A raw token amount of `decimals` places as a decimal, rounded down where it has more than 28 digits.
///
/// # Errors
/// [`NumberError::Amount`] where it does not fit.
pub fn from_raw(amount: U256, decimals: u8) -> Checked<Decimal> {
    let [low, high, 0, 0] = *amount.as_limbs() else { return cut(amount, decimals) };
    let mantissa = i128::try_from(u128::from(high) << u64::BITS | u128::from(low)).ok();
    match mantissa.map(|mantissa| Decimal::try_from_i128_with_scale(mantissa, decimals.into())) {
        Some(Ok(exact)) => Ok(exact),
        Some(Err(_)) | None => cut(amount, decimals),
    }
}

/// [`from_raw`] of what has too many digits.
fn cut(mut amount: U256, decimals: u8) -> Checked<Decimal> {
    let mut scale = u32::from(decimals);
    let ten = U256::from(10u8);
    let limit = U256::from(Decimal::MAX.mantissa().unsigned_abs());
    while amount > limit || scale > Decimal::MAX_SCALE {
        scale = scale.checked_sub(1).ok_or(NumberError::Amount)?;
        amount = amount.checked_div(ten).ok_or(NumberError::Amount)?;
    }
    let mantissa = i128::try_from(amount).map_err(|_| NumberError::Amount)?;
    Decimal::try_from_i128_with_scale(mantissa, scale).map_err(|_| NumberError::Amount)
}

/// A raw amount of `decimals` places as a model value, to the last bit or two: for facts that no money is made of.
///
/// # Errors
/// [`NumberError::Amount`] above 2^128 or with more than 22 places.
pub fn raw_to_real(amount: U256, decimals: u8) -> Checked<f64> {
    let amount = u128::try_from(amount).map_err(|_| NumberError::Amount)?;
    let power = POWERS_OF_TEN.get(usize::from(decimals)).ok_or(NumberError::Amount)?;
    #[expect(clippy::cast_precision_loss, reason = "rounded to nearest, and so is the quotient")]
    Ok(amount as f64 / power)
}

/// A raw amount of `decimals` places as the model value of its decimal: the nearest to what [`from_raw`] makes of it.
///
/// # Errors
/// As [`from_raw`].
pub fn raw_to_nearest(amount: U256, decimals: u8) -> Checked<f64> {
    let small = u64::try_from(amount).ok().filter(|amount| *amount < 1 << 53);
    match small.zip(POWERS_OF_TEN.get(usize::from(decimals))) {
        #[expect(clippy::cast_precision_loss, reason = "below 2^53, and the power of ten is exact")]
        Some((amount, power)) => Ok(amount as f64 / power),
        None => Ok(to_real(from_raw(amount, decimals)?)),
    }
}

/// A decimal as a raw token amount of `decimals` places, rounded down.
///
/// # Errors
/// [`NumberError::Amount`] where it is negative or too large.
pub fn to_raw(value: Decimal, decimals: u8) -> Checked<U256> {
    raw(value, decimals, RoundingStrategy::ToNegativeInfinity)
}

/// A decimal as a raw token amount of `decimals` places, rounded up.
///
/// # Errors
/// [`NumberError::Amount`] where it is negative or too large.
pub fn to_raw_up(value: Decimal, decimals: u8) -> Checked<U256> {
    raw(value, decimals, RoundingStrategy::ToPositiveInfinity)
}

fn raw(value: Decimal, decimals: u8, rounding: RoundingStrategy) -> Checked<U256> {
    let places = u32::from(decimals);
    let cut = if value.scale() > places { value.round_dp_with_strategy(places, rounding) } else { value };
    let mantissa = u128::try_from(cut.mantissa()).map_err(|_| NumberError::Amount)?;
    let missing = places.checked_sub(cut.scale()).ok_or(NumberError::Amount)?;
    let factor = power_of_ten(missing).ok_or(NumberError::Amount)?;
    match mantissa.checked_mul(factor) {
        Some(short) => Ok(U256::from(short)),
        None => U256::from(mantissa).checked_mul(U256::from(factor)).ok_or(NumberError::Amount),
    }
}
