//! What bounds every strategy: the floor's latch, the reserve, the gap, and the bounds a policy states.

use super::Strategy;
use super::{Multiplier, Position, Response, Wanted, constant_weight, cppi, volatility_target};
use crate::domain::models::{cppi as model, years};
use crate::domain::policy::{BoundPolicy, GapPolicy};
use crate::domain::reason::Reason;
use crate::domain::units::{Ratio, Usd, from_real};

/// Decimal places of the bound on the multiplier.
const MULTIPLIER_PLACES: u32 = 12;

/// How much exposure per unit of cushion survives from one chance to act to the next (`model.md` §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// `m_max`; absent where the policy assumes no gap.
    largest: Option<Ratio>,
    /// The part of it that is used.
    allowed: Option<Ratio>,
    /// `m_max·C`.
    bound: Option<Usd>,
}

impl Gap {
    /// Measures it at the position's volatility.
    ///
    /// # Errors
    /// [`Reason::Numbers`] out of range.
    pub(super) fn measure(position: &Position<'_>, gap: &GapPolicy) -> Result<Self, Reason> {
        let Some(largest) = largest_safe(position, gap)? else {
            return Ok(Self { largest: None, allowed: None, bound: None });
        };
        Ok(Self {
            largest: Some(largest),
            allowed: Some(largest.times(gap.safety)?),
            bound: Some(position.cushion.net.or_zero().times(largest)?),
        })
    }

    /// `m_eff = min(m, safety·m_max)`.
    #[must_use]
    pub fn effective(&self, multiplier: Ratio) -> Ratio {
        self.allowed.map_or(multiplier, |allowed| multiplier.at_most(allowed))
    }

    /// The multiplier in force, as recorded: the strategy's own within the gap's, or the gap's.
    pub(super) fn multiplier(&self, wanted: Option<Ratio>) -> Option<Multiplier> {
        let effective = wanted.or(self.allowed)?;
        Some(Multiplier { effective, largest_safe: self.largest, bound: self.bound })
    }

    /// The most that a gap lets any strategy hold, where that is less than is `wanted`.
    pub(super) fn survivable(&self, position: &Position<'_>, wanted: Usd) -> Result<Option<Wanted>, Reason> {
        let Some(allowed) = self.allowed else { return Ok(None) };
        let exposure = position.cushion.net.or_zero().times(allowed)?;
        if exposure < wanted { Ok(Some(of_cushion(position, allowed, exposure)?)) } else { Ok(None) }
    }

    /// `E > m_max·C`: a sale is mandatory, down to what is wanted and never just to the bound.
    pub(super) fn at_risk(&self, position: &Position<'_>) -> Option<Reason> {
        let bound = self.bound.filter(|bound| position.books.exposure > *bound)?;
        Some(Reason::FloorAtRisk { exposure: position.books.exposure, bound })
    }
}

fn largest_safe(position: &Position<'_>, gap: &GapPolicy) -> Result<Option<Ratio>, Reason> {
    if gap.quantile == Ratio::ZERO && gap.jump == Ratio::ZERO {
        return Ok(None);
    }
    let outage = years(gap.outage_seconds);
    let largest = model::largest_safe_multiplier(
        gap.quantile.real(),
        position.volatility.get(),
        outage,
        gap.jump.real(),
    );
    let largest = largest.map_err(|e| Reason::Numbers { what: e.to_string() })?;
    Ok(Some(Ratio::new(from_real(largest, MULTIPLIER_PLACES)?)))
}

/// Why nothing may be held, if that is so: the latch, or a cushion that the exit itself would use up.
pub(super) fn locked(position: &Position<'_>) -> Option<Reason> {
    let (books, cushion) = (position.books, position.cushion);
    if position.cash_lock || books.nav <= books.floor {
        return Some(Reason::CashLock { nav: books.nav, floor: books.floor });
    }
    (cushion.net <= Usd::ZERO).then_some(Reason::Reserve { reserve: cushion.reserve })
}

/// What a bound of the policy allows at `position`, as if it were wanted.
pub(super) fn bound(bound: &BoundPolicy, position: &Position<'_>, gap: &Gap) -> Result<Wanted, Reason> {
    match bound {
        BoundPolicy::Cushion { multiplier } => {
            cppi::Cppi { multiplier: *multiplier, cap: Ratio::ONE }.wanted(position, gap)
        }
        BoundPolicy::Volatility { annual } => volatility_target::VolatilityTarget {
            annual: *annual,
            cap: Ratio::ONE,
            vol_of_vol: crate::domain::policy::default_vol_of_vol(),
        }
        .wanted(position, gap),
        BoundPolicy::Weight { most } => {
            constant_weight::ConstantWeight { weight: *most }.wanted(position, gap)
        }
    }
}

/// A multiple of the cushion.
fn of_cushion(position: &Position<'_>, multiplier: Ratio, exposure: Usd) -> Result<Wanted, Reason> {
    let (books, cushion) = (position.books, position.cushion);
    let response = Response::Cppi(model::Cppi {
        multiplier: multiplier.real(),
        cap: 1.0,
        cushion: cushion.net.real(),
        protected: books.floor.plus(cushion.reserve)?.real(),
    });
    Ok(Wanted { exposure, response, multiplier: Some(multiplier) })
}
