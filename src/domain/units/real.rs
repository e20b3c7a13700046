//! Decimals as model values, rounded once, and back.

use rust_decimal::Decimal;

use super::{Checked, NumberError};

/// A decimal as the nearest model value.
#[must_use]
pub fn to_real(value: Decimal) -> f64 {
    let parts = value.unpack();
    if parts.hi == 0
        && parts.mid < (1 << 21)
        && let Some(power) = POWERS_OF_TEN.get(parts.scale as usize)
    {
        let whole = u64::from(parts.mid) << 32 | u64::from(parts.lo);
        #[expect(clippy::cast_precision_loss, reason = "it is below 2^53 and the power of ten exact")]
        let magnitude = whole as f64 / power;
        // Of zero there is one.
        return if parts.negative { 0.0 - magnitude } else { magnitude };
    }
    let (mantissa, scale) = (value.mantissa(), value.scale());
    let magnitude = quotient(mantissa.unsigned_abs(), scale)
        .or_else(|| nearest(mantissa.unsigned_abs(), scale))
        .unwrap_or(f64::NAN);
    if mantissa < 0 { -magnitude } else { magnitude }
}

/// [`nearest`] by a product of pairs of doubles, some hundred bits in all (Dekker 1971); `None` where they leave a doubt how to round the
/// last of 53.
fn quotient(mantissa: u128, scale: u32) -> Option<f64> {
    let (inverse, inverse_rest) = *INVERSE_POWERS_OF_TEN.get(scale as usize)?;
    let (high, low) = split(mantissa)?;
    let (first, first_rest) = two_product(high, inverse);
    let second = first_rest + (high * inverse_rest + low * inverse);
    let sum = first + second;
    let lost = second - (sum - first);
    let bits = sum.to_bits();
    let half_ulp = f64::from_bits((bits & EXPONENT).checked_sub(53 << 52)?);
    let clear = bits & !EXPONENT != 0 && lost.abs() < half_ulp * SURELY_LESS;
    clear.then_some(sum)
}

/// Two doubles that are `mantissa` together, the first of at most 53 bits; `None` above 96 bits.
#[expect(clippy::cast_precision_loss, reason = "both are below 2^53")]
fn split(mantissa: u128) -> Option<(f64, f64)> {
    if let Ok(whole) = u64::try_from(mantissa)
        && whole < (1 << 53)
    {
        return Some((whole as f64, 0.0));
    }
    let high = u64::try_from(mantissa >> LOW_BITS).ok().filter(|high| *high < (1 << 53))?;
    let low = u64::try_from(mantissa & ((1 << LOW_BITS) - 1)).ok()?;
    Some((high as f64 * (1_u64 << LOW_BITS) as f64, low as f64))
}

/// `a·b` as the nearest double and what is missing, to some 105 bits together.
const fn two_product(a: f64, b: f64) -> (f64, f64) {
    let (product, (a_high, a_low), (b_high, b_low)) = (a * b, halves(a), halves(b));
    (product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low)
}

const fn halves(number: f64) -> (f64, f64) {
    let high = f64::from_bits(number.to_bits() & (u64::MAX << 27));
    (high, number - high)
}

/// Bits of a mantissa of 96 below the first 53.
const LOW_BITS: u32 = 43;
/// Exponent bits of a double.
const EXPONENT: u64 = 0x7ff << 52;
/// A part of half a unit in the last place that no error of [`quotient`] carries over it.
const SURELY_LESS: f64 = 1.0 - 1e-9;

/// One over the powers of ten as two doubles each.
#[expect(
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "done by the compiler, which would refuse to pass the end; the powers are below 2^94"
)]
const INVERSE_POWERS_OF_TEN: [(f64, f64); 29] = {
    let mut inverses = [(1.0, 0.0); 29];
    let mut scale = 0;
    while scale < inverses.len() {
        let power = WHOLE_POWERS_OF_TEN[scale];
        let near = power as f64;
        let power_rest = (power as i128).wrapping_sub(near as u128 as i128) as f64;
        let inverse = 1.0 / near;
        // What both are short of one together.
        let (product, product_rest) = two_product(inverse, near);
        let short = (1.0 - product) - product_rest - inverse * power_rest;
        inverses[scale] = (inverse, short / near);
        scale += 1;
    }
    inverses
};

/// The double nearest to `mantissa/10^scale`: a quotient of at least 66 bits whose last one also stands for the
/// remainder, so that the one rounding is that of the conversion. Divided as doubles it would round three times.
#[expect(clippy::cast_precision_loss, reason = "this is the one rounding, to nearest")]
fn nearest(mantissa: u128, scale: u32) -> Option<f64> {
    let power = *WHOLE_POWERS_OF_TEN.get(scale as usize)?;
    if mantissa == 0 {
        return Some(0.0);
    }
    let first = mantissa.leading_zeros();
    let scaled = mantissa.checked_shl(first)?;
    let (mut quotient, mut rest) = (scaled.checked_div(power)?, scaled.checked_rem(power)?);
    let mut shift = first;
    if quotient >> ENOUGH_BITS == 0 {
        // The remainder is below the power, which leaves this much room above both.
        let more = power.leading_zeros().min(u128::BITS.saturating_sub(ENOUGH_BITS));
        let scaled = rest.checked_shl(more)?;
        quotient = quotient.checked_shl(more)? | scaled.checked_div(power)?;
        rest = scaled.checked_rem(power)?;
        shift = shift.saturating_add(more);
    }
    let quotient = quotient | u128::from(rest != 0);
    Some(libm::ldexp(quotient as f64, i32::try_from(shift).ok()?.checked_neg()?))
}

/// Bits of a quotient that leave no doubt how to round 53 of them.
const ENOUGH_BITS: u32 = 66;

/// The powers of ten of 128 bits.
#[expect(clippy::indexing_slicing, reason = "done by the compiler, which would refuse to pass the end")]
pub(super) const WHOLE_POWERS_OF_TEN: [u128; 39] = {
    let mut powers = [1_u128; 39];
    let mut scale = 1;
    while scale < powers.len() {
        powers[scale] = powers[scale - 1].saturating_mul(10);
        scale += 1;
    }
    powers
};

/// A power of ten of 128 bits.
#[must_use]
pub fn power_of_ten(exponent: u32) -> Option<u128> {
    WHOLE_POWERS_OF_TEN.get(exponent as usize).copied()
}

/// The powers of ten that a double holds exactly.
pub(super) const POWERS_OF_TEN: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
    1e19, 1e20, 1e21, 1e22,
];

/// A model value as a decimal of `places` decimal places, rounded half to even.
///
/// # Errors
/// [`NumberError::NotFinite`], or [`NumberError::Overflow`] beyond 28 digits.
pub fn from_real(value: f64, places: u32) -> Checked<Decimal> {
    if !value.is_finite() {
        return Err(NumberError::NotFinite);
    }
    match scaled(value, places) {
        Some(rounded) => Ok(rounded),
        None => Decimal::from_f64_retain(value).map(|d| d.round_dp(places)).ok_or(NumberError::Overflow),
    }
}

/// [`from_real`] of most numbers: what a double is made of times a power of ten, in one product of integers.
fn scaled(value: f64, places: u32) -> Option<Decimal> {
    let (mantissa, exponent) = libm::frexp(value.abs());
    let below = u32::try_from(53_i32.checked_sub(exponent)?).ok().filter(|below| *below > 0)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a mantissa times 2^53 is a whole number below that"
    )]
    let whole = libm::ldexp(mantissa, 53) as u64;
    let product = u128::from(whole).checked_mul(*WHOLE_POWERS_OF_TEN.get(places as usize)?)?;
    if below >= u128::BITS {
        // Less than half of the last place, or too near to say.
        return (below > u128::BITS).then(|| Decimal::new(0, places));
    }
    let (quotient, rest) = (product >> below, product & !(u128::MAX << below));
    let half = 1_u128 << below.saturating_sub(1);
    let up = rest > half || (rest == half && quotient & 1 == 1);
    let rounded = i128::try_from(quotient.saturating_add(u128::from(up))).ok()?;
    let signed = if value < 0.0 { rounded.saturating_neg() } else { rounded };
    Decimal::try_from_i128_with_scale(signed, places).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::super::trimmed;
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_decimal_becomes_the_nearest_double(mantissa in -(1_i128 << 95)..(1 << 95), drop in 0u32..95, scale in 0u32..=28) {
            let value = Decimal::from_i128_with_scale(mantissa >> drop, scale);
            prop_assert_eq!(to_real(value), value.to_string().parse::<f64>().unwrap());
        }

        #[test]
        fn a_double_is_rounded_half_to_even_at_its_places(mantissa in -(1_i64 << 53)..(1 << 53), down in 0u32..90, places in 0u32..=18) {
            #[expect(clippy::cast_precision_loss, reason = "it is exact")]
            let value = libm::ldexp(mantissa as f64, 0_i32.saturating_sub_unsigned(down));
            let places_wide = usize::try_from(places).unwrap();
            let text = format!("{value:.places_wide$}");
            let digits = trimmed(&text).bytes().filter(u8::is_ascii_digit).count();
            if digits <= 27 {
                prop_assert_eq!(from_real(value, places).unwrap(), text.parse::<Decimal>().unwrap(), "{}", text);
            }
        }
    }
}
