//! Decisions to hold that are certain before all of their numbers are.

use super::super::models::tracking::Surely;
use super::super::units::{Price, Real};
use super::Decision;

/// A decision, or what it comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Glance {
    /// It holds.
    Quiet(Quiet),
    /// The decision.
    Decided(Box<Decision>),
}

/// What a decision to hold comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quiet {
    /// Why it holds.
    pub surely: Surely,
    /// Oracle price of a risky unit in units of the asset.
    pub price: Price,
    /// Target units, `q*`, but for what an exact quote of the exit rounds, and to eleven digits of what is held or aimed at.
    pub target: Real,
}

impl Quiet {
    /// Code of the reason that the decision gives.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self.surely {
            Surely::Inside => "within_band",
            Surely::Futile => "not_worth",
        }
    }
}
