//! Numbers with a meaning: money, prices, quantities, ratios and model values.
//!
//! Decimals carry what a person would write and are exact; [`Real`] carries what a model computes. The two meet in
//! [`to_real`] and [`from_real`] and nowhere else. Raw token amounts stay `U256` and become decimals in
//! [`from_raw`] and [`to_raw`], which state their rounding, or model values in [`raw_to_real`].

mod raw;

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

pub use raw::{from_raw, raw_to_real, to_raw, to_raw_up};

/// Why a number cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NumberError {
    /// The result does not fit the 28 digits of a decimal (or a division by zero).
    #[error("a decimal overflowed or was divided by zero")]
    Overflow,
    /// A model value is not a finite number.
    #[error("a model value is not finite")]
    NotFinite,
    /// A raw token amount does not fit.
    #[error("a token amount is negative or too large")]
    Amount,
}

/// Shorthand for arithmetic that may leave the range of its type.
pub type Checked<T> = Result<T, NumberError>;

/// Decimal places of every stored quotient; products keep what fits.
const QUOTIENT_PLACES: u32 = 18;

macro_rules! decimal_unit {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(Decimal);

        impl $name {
            /// Nothing of it.
            pub const ZERO: Self = Self(Decimal::ZERO);

            /// Wraps a decimal.
            #[must_use]
            pub const fn new(value: Decimal) -> Self {
                Self(value)
            }

            /// The decimal inside.
            #[must_use]
            pub const fn get(self) -> Decimal {
                self.0
            }

            /// Sum.
            ///
            /// # Errors
            /// [`NumberError::Overflow`].
            pub fn plus(self, other: Self) -> Checked<Self> {
                self.0.checked_add(other.0).map(Self).ok_or(NumberError::Overflow)
            }

            /// Difference; may be negative.
            ///
            /// # Errors
            /// [`NumberError::Overflow`].
            pub fn minus(self, other: Self) -> Checked<Self> {
                self.0.checked_sub(other.0).map(Self).ok_or(NumberError::Overflow)
            }

            /// This much of it, rounded half to even where the digits do not fit.
            ///
            /// # Errors
            /// [`NumberError::Overflow`].
            pub fn times(self, factor: Ratio) -> Checked<Self> {
                self.0.checked_mul(factor.0).map(Self).ok_or(NumberError::Overflow)
            }

            /// How many times `other` goes into it.
            ///
            /// # Errors
            /// [`NumberError::Overflow`] on overflow or where `other` is zero.
            pub fn over(self, other: Self) -> Checked<Ratio> {
                self.0.checked_div(other.0).map(|q| Ratio(q.round_dp(QUOTIENT_PLACES))).ok_or(NumberError::Overflow)
            }

            /// The smaller of the two.
            #[must_use]
            pub fn at_most(self, other: Self) -> Self {
                self.min(other)
            }

            /// Never below zero.
            #[must_use]
            pub fn or_zero(self) -> Self {
                self.max(Self::ZERO)
            }

            /// Magnitude.
            #[must_use]
            pub fn abs(self) -> Self {
                Self(self.0.abs())
            }

            /// As a model value.
            #[must_use]
            pub fn real(self) -> f64 {
                to_real(self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&canonical_decimal(self.0))
            }
        }

        impl FromStr for $name {
            type Err = rust_decimal::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Decimal::from_str_exact(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&canonical_decimal(self.0))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(DecimalText).map(Self)
            }
        }
    };
}

decimal_unit! {
    /// Money in units of the vault's asset (one USDC, not its millionth).
    Usd
}
decimal_unit! {
    /// Units of the vault's asset for one unit of something else (risky asset, native coin).
    Price
}
decimal_unit! {
    /// Whole units of the risky asset (one ETH, not a wei).
    Units
}
decimal_unit! {
    /// A pure number: weight, multiplier, probability, annual rate (0.05 is 5 %).
    Ratio
}

impl Price {
    /// What `units` are worth.
    ///
    /// # Errors
    /// [`NumberError::Overflow`].
    pub fn value_of(self, units: Units) -> Checked<Usd> {
        self.0.checked_mul(units.0).map(Usd).ok_or(NumberError::Overflow)
    }

    /// How many units `value` buys at this price, rounded to 18 places.
    ///
    /// # Errors
    /// [`NumberError::Overflow`] on overflow or a zero price.
    pub fn units_for(self, value: Usd) -> Checked<Units> {
        value.0.checked_div(self.0).map(|q| Units(q.round_dp(QUOTIENT_PLACES))).ok_or(NumberError::Overflow)
    }
}

impl Ratio {
    /// One.
    pub const ONE: Self = Self(Decimal::ONE);

    /// Hundredths of a percent as a ratio.
    #[must_use]
    pub fn from_bps(bps: u32) -> Self {
        Self(Decimal::new(i64::from(bps), 4))
    }
}

/// A model's value: finite, hashed with 12 significant digits and shown with 6.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
pub struct Real(f64);

impl Real {
    /// Accepts a finite value; minus zero becomes zero.
    ///
    /// # Errors
    /// [`NumberError::NotFinite`].
    pub fn new(value: f64) -> Checked<Self> {
        if value.is_finite() { Ok(Self(value + 0.0)) } else { Err(NumberError::NotFinite) }
    }

    /// The value.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl Real {
    /// The one text of a value: scientific, with at most 12 significant digits and no trailing zeros,
    /// `1.38912345678e-1`, `0e0`.
    fn canonical(self) -> String {
        scientific(self.0, 11)
    }
}

impl fmt::Display for Real {
    /// For people: 6 significant digits, or all before the point, without trailing zeros: `32.6997`, `20446080`, `0`.
    /// Scientific where zeros alone would fill a line: `1.5e-12`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded = scientific(self.0, 5);
        let exponent = rounded.split_once('e').and_then(|(_, exponent)| exponent.parse::<i32>().ok());
        match exponent {
            Some(exponent @ -9..=20) => {
                let places = usize::try_from(5_i32.saturating_sub(exponent)).unwrap_or_default();
                f.write_str(trimmed(&format!("{:.places$}", self.0)))
            }
            _ => f.write_str(&rounded),
        }
    }
}

/// Scientific with at most `places` decimal places.
fn scientific(value: f64, places: usize) -> String {
    let text = format!("{value:.places$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    format!("{}e{exponent}", trimmed(mantissa))
}

/// Without zeros at the end of the decimal places.
fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

impl Serialize for Real {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.canonical())
    }
}

impl<'de> Deserialize<'de> for Real {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let value = text.parse::<f64>().map_err(de::Error::custom)?;
        Self::new(value).map_err(de::Error::custom)
    }
}

/// A decimal as the nearest model value.
#[must_use]
pub fn to_real(value: Decimal) -> f64 {
    let (mantissa, scale) = (value.mantissa(), value.scale());
    if mantissa.unsigned_abs() < (1 << 53)
        && let Some(power) = POWERS_OF_TEN.get(scale as usize)
    {
        #[expect(
            clippy::cast_precision_loss,
            reason = "the mantissa is below 2^53 and the power of ten exact"
        )]
        return mantissa as f64 / power;
    }
    let magnitude = quotient(mantissa.unsigned_abs(), scale)
        .or_else(|| nearest(mantissa.unsigned_abs(), scale))
        .unwrap_or(f64::NAN);
    if mantissa < 0 { -magnitude } else { magnitude }
}

/// [`nearest`] by a division of doubles and one of what that leaves, some hundred bits in all; `None` where they leave a
/// doubt how to round the last of 53.
fn quotient(mantissa: u128, scale: u32) -> Option<f64> {
    let (power, power_rest) = *SPLIT_POWERS_OF_TEN.get(scale as usize)?;
    let (high, low) = split(mantissa)?;
    let first = high / power;
    // What `first·power` is short of `high`, to some hundred bits (Dekker 1971).
    let (product, product_rest) = two_product(first, power);
    let rest = (high - product) - product_rest + low - first * power_rest;
    let second = rest / power;
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
fn two_product(a: f64, b: f64) -> (f64, f64) {
    let halves = |x: f64| {
        let high = f64::from_bits(x.to_bits() & (u64::MAX << 27));
        (high, x - high)
    };
    let (product, (a_high, a_low), (b_high, b_low)) = (a * b, halves(a), halves(b));
    (product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low)
}

/// Bits of a mantissa of 96 below the first 53.
const LOW_BITS: u32 = 43;
/// Exponent bits of a double.
const EXPONENT: u64 = 0x7ff << 52;
/// A part of half a unit in the last place that no error of [`quotient`] carries over it.
const SURELY_LESS: f64 = 1.0 - 1e-9;

/// The powers of ten as two doubles each.
#[expect(
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "done by the compiler, which would refuse to pass the end; the powers are below 2^94"
)]
const SPLIT_POWERS_OF_TEN: [(f64, f64); 29] = {
    let mut powers = [(1.0, 0.0); 29];
    let mut scale = 0;
    while scale < powers.len() {
        let power = WHOLE_POWERS_OF_TEN[scale];
        let near = power as f64;
        powers[scale] = (near, (power as i128).wrapping_sub(near as u128 as i128) as f64);
        scale += 1;
    }
    powers
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

/// The powers of ten that a decimal may be scaled by.
#[expect(clippy::indexing_slicing, reason = "done by the compiler, which would refuse to pass the end")]
const WHOLE_POWERS_OF_TEN: [u128; 29] = {
    let mut powers = [1_u128; 29];
    let mut scale = 1;
    while scale < powers.len() {
        powers[scale] = powers[scale - 1].saturating_mul(10);
        scale += 1;
    }
    powers
};

/// The powers of ten that a double holds exactly.
const POWERS_OF_TEN: [f64; 23] = [
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
    let below =
        u32::try_from(53_i32.checked_sub(exponent)?).ok().filter(|below| (1..u128::BITS).contains(below))?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a mantissa times 2^53 is a whole number below that"
    )]
    let whole = libm::ldexp(mantissa, 53) as u64;
    let product = u128::from(whole).checked_mul(*WHOLE_POWERS_OF_TEN.get(places as usize)?)?;
    let (quotient, rest) = (product >> below, product & !(u128::MAX << below));
    let half = 1_u128 << below.saturating_sub(1);
    let up = rest > half || (rest == half && quotient & 1 == 1);
    let rounded = i128::try_from(quotient.saturating_add(u128::from(up))).ok()?;
    let signed = if value < 0.0 { rounded.saturating_neg() } else { rounded };
    Decimal::try_from_i128_with_scale(signed, places).ok()
}

/// The one text of a decimal: no exponent, no trailing zeros, no minus zero.
fn canonical_decimal(value: Decimal) -> String {
    let value = value.normalize();
    if value.is_zero() { "0".into() } else { value.to_string() }
}

/// Reads a decimal from text alone: a TOML or JSON float has already lost digits.
struct DecimalText;

impl de::Visitor<'_> for DecimalText {
    type Value = Decimal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a decimal number in quotes, such as \"0.05\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Decimal, E> {
        Decimal::from_str_exact(text).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::U256;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    fn usd(text: &str) -> Usd {
        text.parse().unwrap()
    }

    #[test]
    fn a_decimal_has_one_text() {
        for (given, text) in [("0.80", "0.8"), ("-0.0", "0"), ("100", "100"), ("1e0", "")] {
            match Usd::from_str(given) {
                Ok(value) => assert_eq!(value.to_string(), text),
                Err(_) => assert_eq!(given, "1e0"),
            }
        }
    }

    #[test]
    fn a_decimal_is_read_from_text_only() {
        assert!(serde_json::from_str::<Ratio>("0.1").is_err());
        assert!(serde_json::from_str::<Ratio>("3").is_err());
        assert_eq!(serde_json::from_str::<Ratio>("\"0.10\"").unwrap(), "0.1".parse().unwrap());
    }

    #[test]
    fn a_real_is_recorded_with_twelve_significant_digits() {
        let recorded: Vec<_> = [0.1 + 0.2, -0.0, 1234567.891234567, 5e-324]
            .into_iter()
            .map(|x| serde_json::to_value(Real::new(x).unwrap()).unwrap())
            .collect();
        assert_eq!(recorded, ["3e-1", "0e0", "1.23456789123e6", "4.94065645841e-324"]);
        assert_eq!(Real::new(f64::NAN), Err(NumberError::NotFinite));
    }

    #[test]
    fn a_real_is_shown_to_people_plainly() {
        for (value, text) in [
            (32.699_743_638_8, "32.6997"),
            (20_446.080_103_4, "20446.1"),
            (-1_234_567.891, "-1234568"),
            (0.1 + 0.2, "0.3"),
            (0.000_123_456_78, "0.000123457"),
            (9.999_999_9, "10"),
            (100.0, "100"),
            (-0.0, "0"),
            (1.5e-12, "1.5e-12"),
            (1e21, "1e21"),
        ] {
            assert_eq!(Real::new(value).unwrap().to_string(), text);
        }
    }

    #[test]
    fn raw_amounts_round_down_and_up() {
        let third = Decimal::ONE / Decimal::from(3);
        assert_eq!(to_raw(third, 6).unwrap(), U256::from(333_333));
        assert_eq!(to_raw_up(third, 6).unwrap(), U256::from(333_334));
        assert_eq!(to_raw(Decimal::NEGATIVE_ONE, 6), Err(NumberError::Amount));
        assert_eq!(from_raw(U256::MAX, 18), Err(NumberError::Amount));
    }

    #[test]
    fn overflow_is_an_error_and_not_a_panic() {
        let large = Usd::new(Decimal::MAX);
        assert_eq!(large.plus(large), Err(NumberError::Overflow));
        assert_eq!(usd("1").over(Usd::ZERO), Err(NumberError::Overflow));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_raw_amount_survives_the_way_there_and_back(amount in 0u128..(1 << 96), decimals in 0u8..=18) {
            let value = from_raw(U256::from(amount), decimals).unwrap();
            prop_assert_eq!(to_raw(value, decimals).unwrap(), U256::from(amount));
            prop_assert_eq!(to_raw_up(value, decimals).unwrap(), U256::from(amount));
        }

        #[test]
        fn a_decimal_becomes_the_nearest_double(mantissa in -(1_i128 << 95)..(1 << 95), drop in 0u32..95, scale in 0u32..=28) {
            let value = Decimal::from_i128_with_scale(mantissa >> drop, scale);
            prop_assert_eq!(to_real(value), value.to_string().parse::<f64>().unwrap());
        }

        #[test]
        fn a_raw_amount_is_the_model_value_of_its_decimal(mantissa in any::<u128>(), drop in 32_u32..128, decimals in 0_u8..19) {
            let amount = U256::from(mantissa >> drop);
            let (short, long) = (raw_to_real(amount, decimals).unwrap(), to_real(from_raw(amount, decimals).unwrap()));
            prop_assert!((short - long).abs() <= 3e-16 * long, "{short} {long}");
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

        #[test]
        fn no_bits_make_the_conversions_panic(bits in any::<u64>(), raw in any::<[u8; 32]>(), decimals in any::<u8>()) {
            let _ = from_real(f64::from_bits(bits), 18);
            let _ = Real::new(f64::from_bits(bits)).map(|r| r.to_string());
            let _ = from_raw(U256::from_be_bytes(raw), decimals).map(|d| to_raw(d, decimals));
            prop_assert!(raw_to_real(U256::from_be_bytes(raw), decimals).is_ok_and(f64::is_finite) || U256::from_be_bytes(raw) > U256::from(u128::MAX) || decimals > 22);
        }
    }
}
