//! Quantitative models in `f64`, through `libm` so that every platform computes the same bits.
//!
//! One rule holds for all of them: an input that is not finite, or outside the stated domain, is a [`ModelError`],
//! and so is a result beyond the range of `f64`; what is returned is always a finite number. Times are in years of
//! [`YEAR_SECONDS`] and money is in units of the vault's asset ("USD") unless a name says otherwise.

pub mod band;
pub mod cppi;
pub mod greeks;
pub mod hedge;
pub mod normal;
pub mod shortfall;
pub mod smile;
pub mod tracking;
pub mod volatility;

use thiserror::Error;

/// Seconds in the year of every annualised number here: 365 days.
pub const YEAR_SECONDS: f64 = 365.0 * 86_400.0;

/// Seconds as years.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 seconds")]
pub fn years(seconds: u64) -> f64 {
    seconds as f64 / YEAR_SECONDS
}

/// Why a model has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum ModelError {
    /// An input is NaN or infinite.
    #[error("{input} is {value}, not a finite number")]
    NotFinite {
        /// Which input.
        input: &'static str,
        /// What it was.
        value: f64,
    },
    /// An input that cannot be negative is.
    #[error("{input} is {value} and must not be negative")]
    Negative {
        /// Which input.
        input: &'static str,
        /// What it was.
        value: f64,
    },
    /// An input lies outside the domain of the formula.
    #[error("{input} is {value} and must be {domain}")]
    OutOfDomain {
        /// Which input.
        input: &'static str,
        /// What it was.
        value: f64,
        /// What it must be.
        domain: &'static str,
    },
    /// The inputs are valid but the result is beyond the range of `f64`.
    #[error("{result} is beyond the range of a floating-point number")]
    OutOfRange {
        /// Which result.
        result: &'static str,
    },
}

fn finite(input: &'static str, value: f64) -> Result<f64, ModelError> {
    if value.is_finite() { Ok(value) } else { Err(ModelError::NotFinite { input, value }) }
}

fn non_negative(input: &'static str, value: f64) -> Result<f64, ModelError> {
    let value = finite(input, value)?;
    if value < 0.0 { Err(ModelError::Negative { input, value }) } else { Ok(value) }
}

fn positive(input: &'static str, value: f64) -> Result<f64, ModelError> {
    let value = non_negative(input, value)?;
    if value > 0.0 { Ok(value) } else { Err(ModelError::OutOfDomain { input, value, domain: "positive" }) }
}

fn fraction(input: &'static str, value: f64) -> Result<f64, ModelError> {
    let value = non_negative(input, value)?;
    if value <= 1.0 { Ok(value) } else { Err(ModelError::OutOfDomain { input, value, domain: "at most 1" }) }
}

fn in_range(result: &'static str, value: f64) -> Result<f64, ModelError> {
    if value.is_finite() { Ok(value) } else { Err(ModelError::OutOfRange { result }) }
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    reason = "test arithmetic within known bounds"
)]
mod testing {
    //! What the model tests share: fixed seeds, a small generator, and the numbers that break things.

    use proptest::test_runner::{Config, RngSeed};

    pub(super) fn fixed_seed() -> Config {
        Config { cases: 512, rng_seed: RngSeed::Fixed(1987), failure_persistence: None, ..Config::default() }
    }

    pub(super) const NASTY: [f64; 13] = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        5e-324,
        1e-300,
        1e-160,
        1e160,
        f64::MAX,
        f64::MIN,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ];

    /// Every tuple of `count` values of [`NASTY`].
    pub(super) fn nasty_tuples(count: u32) -> impl Iterator<Item = Vec<f64>> {
        let base = NASTY.len();
        (0..base.pow(count)).map(move |n| (0..count).map(|i| NASTY[n / base.pow(i) % base]).collect())
    }

    pub(super) fn assert_close(actual: f64, expected: f64, relative: f64) {
        let error = (actual - expected).abs() / expected.abs();
        assert!(error <= relative, "{actual} is not {expected}: relative error {error:e} over {relative:e}");
    }

    /// For figures that are known as printed: at most half a unit of the last digit off.
    pub(super) fn assert_printed(actual: f64, printed: f64, last_digit: f64) {
        assert!((actual - printed).abs() <= 0.5 * last_digit, "{actual} does not print as {printed}");
    }

    /// Marsaglia's xorshift64 (2003).
    pub(super) struct Xorshift(pub(super) u64);

    impl Xorshift {
        pub(super) fn bits(&mut self) -> u64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0
        }

        /// Uniform on (0, 1).
        pub(super) fn uniform(&mut self) -> f64 {
            ((self.bits() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
        }

        /// Standard normal, by Box and Muller (1958).
        pub(super) fn normal(&mut self) -> f64 {
            let radius = libm::sqrt(-2.0 * libm::log(self.uniform()));
            radius * libm::cos(2.0 * std::f64::consts::PI * self.uniform())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_guard_names_the_input_and_what_was_wrong() {
        assert_eq!(finite("x", 1.0), Ok(1.0));
        assert!(matches!(finite("x", f64::NAN), Err(ModelError::NotFinite { input: "x", .. })));
        assert_eq!(non_negative("x", -1.0), Err(ModelError::Negative { input: "x", value: -1.0 }));
        assert_eq!(positive("x", 0.0).unwrap_err().to_string(), "x is 0 and must be positive");
        assert_eq!(fraction("x", 1.5).unwrap_err().to_string(), "x is 1.5 and must be at most 1");
        assert_eq!(in_range("x", f64::INFINITY), Err(ModelError::OutOfRange { result: "x" }));
    }
}
