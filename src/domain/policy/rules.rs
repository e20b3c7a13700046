//! How a policy's rules are checked: total, so that a person sees every violation at once.

use alloy::primitives::Address;
use rust_decimal::Decimal;

use crate::domain::units::Ratio;

/// Basis points in one.
const WHOLE_BPS: u32 = 10_000;
/// Largest annualised volatility that a model is given, 1000 %.
const MOST_VOLATILITY: i64 = 10;

/// One rule that a policy breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The key at fault, as in `feeds.risky_usd.min` or `venues[0].pool`.
    pub path: String,
    /// A second key that the rule compares it with.
    pub against: Option<String>,
    /// What is expected; the value at fault is not repeated.
    pub message: String,
}

impl Violation {
    /// A violation by one key.
    #[must_use]
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), against: None, message: message.into() }
    }

    /// A violation by one key in view of another.
    #[must_use]
    pub fn between(path: impl Into<String>, against: impl Into<String>, message: impl Into<String>) -> Self {
        Self { against: Some(against.into()), ..Self::new(path, message) }
    }
}

/// Collects what does not hold.
#[derive(Default)]
pub(super) struct Rules {
    pub(super) broken: Vec<Violation>,
}

impl Rules {
    pub(super) fn require(&mut self, holds: bool, path: &str, message: &str) {
        if !holds {
            self.broken.push(Violation::new(path, message));
        }
    }

    pub(super) fn compare(&mut self, holds: bool, path: &str, against: &str, message: &str) {
        if !holds {
            self.broken.push(Violation::between(path, against, message));
        }
    }

    pub(super) fn positive(&mut self, path: &str, value: u64) {
        self.require(value > 0, path, "expected a number above 0");
    }

    pub(super) fn bps(&mut self, path: &str, value: u32) {
        self.require(value <= WHOLE_BPS, path, "expected 0 to 10000 basis points");
    }

    pub(super) fn inner_share(&mut self, path: &str, value: Ratio) {
        let fits = value > Ratio::ZERO && value < Ratio::ONE;
        self.require(fits, path, "expected a share above 0 and below 1 (0.80 is 80 %)");
    }

    pub(super) fn annual_volatility(&mut self, path: &str, value: Ratio) {
        let fits = value >= Ratio::ZERO && value <= whole(MOST_VOLATILITY);
        self.require(fits, path, "expected an annualised volatility from 0 to 10 (0.80 is 80 %)");
    }

    pub(super) fn address(&mut self, path: &str, value: Address) {
        self.require(value != Address::ZERO, path, "expected an address other than zero");
    }
}

pub(super) fn whole(number: i64) -> Ratio {
    Ratio::new(Decimal::from(number))
}
