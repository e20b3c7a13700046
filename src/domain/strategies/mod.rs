//! What a vault should hold: one file per strategy, and the bounds that hold for all of them.

mod bounds;
mod constant_weight;
mod cppi;
mod delta_hedge;
mod volatility_target;

use serde::{Deserialize, Serialize};

use super::cushion::Cushion;
use super::options::Book;
use super::policy::{Policy, StrategyPolicy};
use super::reason::Reason;
use super::units::{Ratio, Real, Units, Usd};
use super::valuation::Valuation;

pub use super::models::tracking::Response;
pub use bounds::Gap;

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
    /// The option book, where the policy hedges one and it is known.
    pub options: Option<&'a Book>,
}

/// What the vault should hold, and how that moves.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// `q*`; negative where a short position is wanted, which the vault cannot borrow.
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

/// What a strategy wants, before the bounds that hold for every vault.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Exposure in units of the asset; negative where a short position is wanted.
    pub exposure: Usd,
    /// How it moves with the price.
    pub response: Response,
    /// Exposure per unit of cushion, where the strategy states one.
    pub multiplier: Option<Ratio>,
}

/// One strategy: pure, from a position to what is wanted there.
pub trait Strategy: std::fmt::Debug + Send + Sync {
    /// What is wanted at `position`, where a gap allows `gap`.
    ///
    /// # Errors
    /// A reason to refuse, [`Reason::Numbers`] out of range.
    fn wanted(&self, position: &Position<'_>, gap: &Gap) -> Result<Wanted, Reason>;
}

/// The target of a strategy: bounds first (cash-lock and reserve, then the gap), and what is wanted clipped into them. A bound
/// can only take risk away.
///
/// # Errors
/// As [`Strategy::wanted`].
pub fn target(position: &Position<'_>, policy: &Policy, strategy: &dyn Strategy) -> Result<Target, Reason> {
    let gap = Gap::measure(position, &policy.gap)?;
    let locked = bounds::locked(position);
    let mut wanted = strategy.wanted(position, &gap)?;
    if let Some(survivable) = gap.survivable(position, wanted.exposure)? {
        wanted = survivable;
    }
    let exposure = if locked.is_some() { Usd::ZERO } else { wanted.exposure };
    let units = position.books.price.units_for(exposure)?;
    let multiplier = gap.multiplier(wanted.multiplier);
    let mandate = locked.or_else(|| gap.at_risk(position));
    Ok(Target { units, multiplier, mandate, response: wanted.response })
}

impl Strategy for StrategyPolicy {
    fn wanted(&self, position: &Position<'_>, gap: &Gap) -> Result<Wanted, Reason> {
        match self {
            Self::Cppi { multiplier, cap } => {
                cppi::Cppi { multiplier: *multiplier, cap: *cap }.wanted(position, gap)
            }
            Self::ConstantWeight { weight } => {
                constant_weight::ConstantWeight { weight: *weight }.wanted(position, gap)
            }
            Self::VolatilityTarget { annual, cap, vol_of_vol } => {
                volatility_target::VolatilityTarget { annual: *annual, cap: *cap, vol_of_vol: *vol_of_vol }
                    .wanted(position, gap)
            }
            Self::DeltaHedge { .. } => delta_hedge::DeltaHedge.wanted(position, gap),
            Self::Combined { primary, bounds } => {
                let wanted = primary.wanted(position, gap);
                bounds.iter().try_fold(wanted?, |wanted, bound| {
                    Ok(wanted.within(bounds::bound(bound, position, gap)?))
                })
            }
        }
    }
}

impl Wanted {
    /// The lesser of the two.
    fn within(self, bound: Self) -> Self {
        if bound.exposure < self.exposure { bound } else { self }
    }
}
