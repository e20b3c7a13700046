//! What a vault should hold: one file per strategy.

mod cppi;

use serde::{Deserialize, Serialize};

use super::cushion::Cushion;
use super::policy::{Policy, StrategyPolicy};
use super::reason::Reason;
use super::units::{Ratio, Real, Units, Usd};
use super::valuation::Valuation;

/// Where the vault stands when a strategy is asked.
#[derive(Debug, Clone)]
pub struct Position<'a> {
    /// Books by the oracle.
    pub books: &'a Valuation,
    /// Cushion net of the reserve.
    pub cushion: &'a Cushion,
    /// Whether the vault's latch is set.
    pub cash_lock: bool,
    /// Annualised volatility, `σ`.
    pub volatility: Real,
}

/// What the vault should hold, and how that moves.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// `q*`.
    pub units: Units,
    /// The multiplier in force and the bound it comes from, where the strategy has one.
    pub multiplier: Option<Multiplier>,
    /// Set where acting is not a question of cost.
    pub mandate: Option<Reason>,
    /// How the target moves with the price.
    pub response: Response,
}

/// A multiplier and the largest safe one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Multiplier {
    /// `m_eff`.
    pub effective: Ratio,
    /// `m_max`; absent where the policy assumes no gap.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub largest_safe: Option<Ratio>,
    /// `E ≤ m_max·C`: the exposure above which a sale is mandatory; absent like `m_max`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bound: Option<Usd>,
}

/// How a target moves with the price, for the band.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Response {
    /// CPPI with its kink at the cap.
    Cppi(super::models::cppi::Cppi),
}

/// One strategy: pure, from a position to a target.
pub trait Strategy {
    /// The target at `position`.
    ///
    /// # Errors
    /// A reason to refuse, [`Reason::Numbers`] out of range.
    fn target(&self, position: &Position<'_>, policy: &Policy) -> Result<Target, Reason>;
}

/// The target of the policy's strategy.
///
/// # Errors
/// As [`Strategy::target`].
pub fn target(position: &Position<'_>, policy: &Policy) -> Result<Target, Reason> {
    match policy.strategy {
        StrategyPolicy::Cppi { multiplier, cap } => cppi::Cppi { multiplier, cap }.target(position, policy),
    }
}
