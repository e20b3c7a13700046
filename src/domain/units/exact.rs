//! Products and quotients of decimals, each equal to that of [`Decimal`] in value and places, in fewer steps: those work on words of 32
//! bits, and a decision is made of decimals of 20 to 28 digits above all.
//!
//! What does not fit the words here, or is rare, is left to [`Decimal`].

use alloy::primitives::U256;
use rust_decimal::Decimal;

use super::real::{WHOLE_POWERS_OF_TEN, power_of_ten};

/// Bits of a decimal's mantissa.
const BITS: u32 = 96;
/// The powers of ten of 64 bits.
#[expect(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "done by the compiler, which would refuse to pass the end; the powers are below 2^64"
)]
const SHORT_POWERS_OF_TEN: [u64; 20] = {
    let mut powers = [1; 20];
    let mut exponent = 0;
    while exponent < powers.len() {
        powers[exponent] = WHOLE_POWERS_OF_TEN[exponent] as u64;
        exponent += 1;
    }
    powers
};

/// As [`Decimal::checked_mul`].
#[must_use]
pub fn product(one: Decimal, other: Decimal) -> Option<Decimal> {
    let negative = one.is_sign_negative() != other.is_sign_negative();
    let short = Wide::product(mantissa(one), mantissa(other));
    let short = short.reduced(one.scale().saturating_add(other.scale()), negative);
    short.or_else(|| one.checked_mul(other))
}

/// Without its sign.
fn mantissa(value: Decimal) -> u128 {
    let parts = value.unpack();
    u128::from(parts.lo) | u128::from(parts.mid) << 32 | u128::from(parts.hi) << 64
}

/// As [`Decimal::round_dp`].
#[must_use]
pub fn rounded(value: Decimal, places: u32) -> Decimal {
    let Some(cut) = value.scale().checked_sub(places).filter(|cut| *cut > 0) else { return value };
    let whole = Wide { high: 0, low: mantissa(value) };
    whole.cut(cut, places, value.is_sign_negative()).unwrap_or_else(|| value.round_dp(places))
}

/// As [`Decimal::checked_div`], rounded again to `places`.
#[must_use]
pub fn quotient(one: Decimal, other: Decimal, places: u32) -> Option<Decimal> {
    short_quotient(one, other, places).or_else(|| one.checked_div(other).map(|q| rounded(q, places)))
}

/// [`quotient`] where the first of its roundings surely changes nothing: that is to four places more at the least, and the rest is
/// further from a half.
fn short_quotient(one: Decimal, other: Decimal, places: u32) -> Option<Decimal> {
    let raise = places.checked_add(other.scale())?.checked_sub(one.scale())?;
    let divisor = U256::from(mantissa(other));
    let dividend = U256::from(mantissa(one)).checked_mul(U256::from(power_of_ten(raise)?))?;
    if divisor.is_zero() {
        return None;
    }
    let (quotient, rest) = dividend.div_rem(divisor);
    let quotient = u128::try_from(quotient).ok()?;
    let few = quotient < power_of_ten(MOST_PLACES)? && places <= MOST_PLACES;
    let twice = rest.checked_mul(U256::from(2))?;
    let off = twice.abs_diff(divisor).checked_mul(U256::from(1_000))?;
    if !few || quotient == 0 || rest.is_zero() || off <= divisor {
        return None;
    }
    let quotient = quotient.checked_add(u128::from(twice > divisor))?;
    decimal(quotient, places, one.is_sign_negative() != other.is_sign_negative())
}

/// `part/whole` as [`Decimal::checked_div`], of a part that is less.
#[must_use]
pub fn fraction(part: Decimal, whole: Decimal) -> Option<Decimal> {
    short_fraction(part, whole).or_else(|| part.checked_div(whole))
}

/// [`fraction`] of two short numbers of the same places.
fn short_fraction(part: Decimal, whole: Decimal) -> Option<Decimal> {
    let alike = part.scale() == whole.scale() && part.is_sign_positive() && whole.is_sign_positive();
    let (less, more) = (mantissa(part), mantissa(whole));
    let dividend = less.checked_mul(power_of_ten(Decimal::MAX_SCALE)?).filter(|_| alike && less < more)?;
    let quotient = dividend.checked_div(more)?;
    let twice = dividend.checked_sub(quotient.checked_mul(more)?)?.checked_mul(2)?;
    let up = twice > more || (twice == more && quotient & 1 == 1);
    let quotient = quotient.checked_add(u128::from(up))?;
    // What is exact, or ends in zeros, has fewer places.
    let all = twice > 0 && quotient.checked_rem(10)? > 0;
    decimal(quotient, Decimal::MAX_SCALE, false).filter(|_| all)
}

/// Digits and places of a quotient that leave four of a decimal's 28.
const MOST_PLACES: u32 = 24;

/// `high·2^128 + low`.
#[derive(Clone, Copy)]
struct Wide {
    high: u64,
    low: u128,
}

#[expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "mantissas are below 2^96 and divisors powers of ten, so no sum or product passes its word"
)]
impl Wide {
    /// Of two mantissas.
    const fn product(a: u128, b: u128) -> Self {
        let ((a_high, a_low), (b_high, b_low)) = (words(a), words(b));
        let middle = a_low * b_high + a_high * b_low;
        let (low, carries) = (a_low * b_low).overflowing_add(middle << 64);
        Self { high: (a_high * b_high + (middle >> 64) + carries as u128) as u64, low }
    }

    /// With as many of its `scale` places as fit a decimal, half rounded to even; `None` for zero, and for what leaves the words here.
    fn reduced(self, scale: u32, negative: bool) -> Option<Decimal> {
        // What is over: less than the power of ten of as many digits as have to go.
        let over = (u128::from(self.high) << (u128::BITS - BITS)) | (self.low >> BITS);
        if over == 0 && scale <= Decimal::MAX_SCALE {
            return decimal(self.low, scale, negative);
        }
        let bits = u128::BITS - over.leading_zeros();
        let digits = if over == 0 { 0 } else { 1 + (((bits - 1) * 77) >> 8) };
        let digits = digits + u32::from(over >= *WHOLE_POWERS_OF_TEN.get(digits as usize)?);
        let digits = digits.max(scale.saturating_sub(Decimal::MAX_SCALE));
        self.cut(digits, scale.checked_sub(digits)?, negative)
    }

    /// Without its last `digits`, half rounded to even, with `scale` places.
    fn cut(self, digits: u32, scale: u32, negative: bool) -> Option<Decimal> {
        let power = *SHORT_POWERS_OF_TEN.get(digits as usize)?;
        let (high, low) = words(self.low);
        let (first, rest) = divided(u128::from(self.high) << 64 | high, power);
        let (second, rest) = divided(u128::from(rest) << 64 | low, power);
        let up = rest > power - rest || (rest == power - rest && second & 1 == 1);
        let quotient = (first << 64) + second + u128::from(up);
        decimal(quotient, scale, negative).filter(|_| first >> 32 == 0)
    }
}

/// Quotient and rest.
#[expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a power of ten is not zero, and a rest is less than it"
)]
const fn divided(number: u128, power: u64) -> (u128, u64) {
    if number < power as u128 {
        return (0, number as u64);
    }
    let quotient = number / power as u128;
    (quotient, (number - quotient * power as u128) as u64)
}

const fn words(number: u128) -> (u128, u128) {
    (number >> 64, number & (u64::MAX as u128))
}

/// `None` for zero, which has no sign, and above 96 bits.
#[expect(clippy::cast_possible_truncation, reason = "three words of 32 bits each")]
fn decimal(mantissa: u128, scale: u32, negative: bool) -> Option<Decimal> {
    let fits = mantissa >> BITS == 0 && mantissa > 0;
    fits.then(|| {
        let (low, middle, high) = (mantissa as u32, (mantissa >> 32) as u32, (mantissa >> 64) as u32);
        Decimal::from_parts(low, middle, high, negative, scale)
    })
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "test arithmetic within known bounds")]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    /// Of any length in digits, at times with zeros or a half at its end, and any places.
    fn any_decimal() -> impl Strategy<Value = Decimal> {
        let mantissa =
            (-(1_i128 << 96) + 1..1 << 96, 0_u32..96).prop_map(|(mantissa, drop)| mantissa >> drop);
        let few = (1_i128..1_000, 0_u32..26).prop_map(|(few, zeros)| few * 10_i128.pow(zeros));
        (prop_oneof![4 => mantissa, 1 => few], 0_u32..=28)
            .prop_map(|(mantissa, scale)| Decimal::from_i128_with_scale(mantissa, scale))
    }

    fn with_places(value: Option<Decimal>) -> Option<(Decimal, u32)> {
        value.map(|value| (value, value.scale()))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40_000, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn arithmetic_is_that_of_the_decimal_to_the_last_place(one in any_decimal(), other in any_decimal(), places in 0_u32..28) {
            prop_assert_eq!(with_places(product(one, other)), with_places(one.checked_mul(other)));
            prop_assert_eq!(with_places(Some(rounded(one, places))), with_places(Some(one.round_dp(places))));
            let divided = one.checked_div(other).map(|quotient| quotient.round_dp(places));
            prop_assert_eq!(with_places(quotient(one, other, places)), with_places(divided));
        }

        /// Beside a half, where two roundings are not one.
        #[test]
        fn a_quotient_beside_a_half_is_rounded_twice_as_it_was(
            mantissa in 1_i128..1 << 80, off in -3_i128..=3, divisor in 1_i128..1 << 40, places in 0_u32..=18, further in 1_u32..10,
        ) {
            let (whole, divisor) = (Decimal::from_i128_with_scale(mantissa, places), Decimal::from(divisor));
            let half = Decimal::from_i128_with_scale(5 * 10_i128.pow(further) + off, (places + further + 1).min(28));
            if let Some(dividend) = whole.checked_add(half).and_then(|near| near.checked_mul(divisor)) {
                let divided = dividend.checked_div(divisor).map(|quotient| quotient.round_dp(places));
                prop_assert_eq!(with_places(quotient(dividend, divisor, places)), with_places(divided));
            }
        }
    }

    #[test]
    fn a_fraction_is_that_of_the_decimal_to_the_last_place() {
        for pips in (0..1_000_000).step_by(7).chain([500, 3_000, 10_000, 999_999]) {
            let part = Decimal::new(pips, 6);
            let kept = Decimal::ONE - part;
            assert_eq!(with_places(fraction(part, kept)), with_places(part.checked_div(kept)), "{pips}");
        }
    }

    #[test]
    fn most_numbers_of_a_decision_do_not_need_the_decimal() {
        let number = |text: &str| Decimal::from_str_exact(text).unwrap();
        let (price, units, reserve) = (
            number("2034.561234567890123456"),
            number("491.023456789012345678"),
            number("412.3456789012345678901234"),
        );
        let short = |a: Decimal, b: Decimal| {
            Wide::product(mantissa(a), mantissa(b)).reduced(a.scale() + b.scale(), false)
        };
        assert_eq!(short(price, units).unwrap().to_string(), "999017.2904464460071595703490");
        assert_eq!(short(reserve, number("7.935123456789")), reserve.checked_mul(number("7.935123456789")));
        assert!(short_quotient(number("999017.2890104631018667"), price, 18).is_some());
    }
}
