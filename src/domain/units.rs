//! Numbers with a meaning: money, prices, quantities, ratios and model values.
//!
//! Decimals carry what a person would write and are exact; [`Real`] carries what a model computes. The two meet in
//! [`to_real`] and [`from_real`] and nowhere else. Raw token amounts stay `U256` and become decimals in
//! [`from_raw`] and [`to_raw`], which state their rounding, or model values in [`raw_to_real`].

mod exact;
mod raw;
mod real;

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

pub use exact::{fraction, product, quotient, rounded};
pub use raw::{from_raw, raw_to_nearest, raw_to_real, to_raw, to_raw_up};
pub use real::{from_real, power_of_ten, to_real};

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
                product(self.0, factor.0).map(Self).ok_or(NumberError::Overflow)
            }

            /// How many times `other` goes into it.
            ///
            /// # Errors
            /// [`NumberError::Overflow`] on overflow or where `other` is zero.
            pub fn over(self, other: Self) -> Checked<Ratio> {
                quotient(self.0, other.0, QUOTIENT_PLACES).map(Ratio).ok_or(NumberError::Overflow)
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
        product(self.0, units.0).map(Usd).ok_or(NumberError::Overflow)
    }

    /// How many units `value` buys at this price, rounded to 18 places.
    ///
    /// # Errors
    /// [`NumberError::Overflow`] on overflow or a zero price.
    pub fn units_for(self, value: Usd) -> Checked<Units> {
        quotient(value.0, self.0, QUOTIENT_PLACES).map(Units).ok_or(NumberError::Overflow)
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
        fn a_raw_amount_is_the_model_value_of_its_decimal(mantissa in any::<u128>(), drop in 32_u32..128, decimals in 0_u8..19) {
            let amount = U256::from(mantissa >> drop);
            let (short, long) = (raw_to_real(amount, decimals).unwrap(), to_real(from_raw(amount, decimals).unwrap()));
            prop_assert!((short - long).abs() <= 3e-16 * long, "{short} {long}");
        }

        #[test]
        fn a_raw_amount_is_the_nearest_to_its_decimal(mantissa in any::<u128>(), drop in 32_u32..128, decimals in 0_u8..29) {
            let amount = U256::from(mantissa >> drop);
            prop_assert_eq!(raw_to_nearest(amount, decimals).unwrap(), to_real(from_raw(amount, decimals).unwrap()));
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
