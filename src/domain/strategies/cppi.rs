//! Constant proportion portfolio insurance (Black and Jones 1987, Perold 1986): exposure is a multiple of the cushion
//! over the floor, never more than the vault can carry through a gap.

use super::{Multiplier, Position, Response, Strategy, Target};
use crate::domain::models::{cppi, years};
use crate::domain::policy::{GapPolicy, Policy};
use crate::domain::reason::Reason;
use crate::domain::units::{Ratio, Usd, from_real};

/// The strategy with its two parameters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cppi {
    /// `m`.
    pub(super) multiplier: Ratio,
    /// Largest exposure over net asset value.
    pub(super) cap: Ratio,
}

/// Decimal places of the bound on the multiplier.
const MULTIPLIER_PLACES: u32 = 12;

impl Strategy for Cppi {
    fn target(&self, position: &Position<'_>, policy: &Policy) -> Result<Target, Reason> {
        let (books, cushion) = (position.books, position.cushion);
        let multiplier = self.safe_multiplier(position, &policy.gap)?;
        let locked = position.cash_lock || books.nav <= books.floor;
        let exposure = if locked || cushion.net <= Usd::ZERO {
            Usd::ZERO
        } else {
            cushion.net.times(multiplier.effective)?.at_most(books.nav.times(self.cap)?)
        };
        let mandate = mandate(position, locked, &multiplier);
        let response = Response::Cppi(cppi::Cppi {
            multiplier: multiplier.effective.real(),
            cap: self.cap.real(),
            cushion: cushion.net.real(),
            protected: books.floor.plus(cushion.reserve)?.real(),
        });
        let units = books.price.units_for(exposure)?;
        Ok(Target { units, multiplier: Some(multiplier), mandate, response })
    }
}

impl Cppi {
    /// `m_eff = min(m, safety·m_max)`, with the exposure that `m_max` bounds.
    fn safe_multiplier(&self, position: &Position<'_>, gap: &GapPolicy) -> Result<Multiplier, Reason> {
        let Some(largest) = largest_safe(position, gap)? else {
            return Ok(Multiplier { effective: self.multiplier, largest_safe: None, bound: None });
        };
        let effective = self.multiplier.at_most(largest.times(gap.safety)?);
        let bound = position.cushion.net.or_zero().times(largest)?;
        Ok(Multiplier { effective, largest_safe: Some(largest), bound: Some(bound) })
    }
}

fn largest_safe(position: &Position<'_>, gap: &GapPolicy) -> Result<Option<Ratio>, Reason> {
    if gap.quantile == Ratio::ZERO && gap.jump == Ratio::ZERO {
        return Ok(None);
    }
    let outage = years(gap.outage_seconds);
    let largest = cppi::largest_safe_multiplier(
        gap.quantile.real(),
        position.volatility.get(),
        outage,
        gap.jump.real(),
    );
    let largest = largest.map_err(|e| Reason::Numbers { what: e.to_string() })?;
    Ok(Some(Ratio::new(from_real(largest, MULTIPLIER_PLACES)?)))
}

/// Why acting is not a question of cost, if it is not. Needs something to sell.
fn mandate(position: &Position<'_>, locked: bool, multiplier: &Multiplier) -> Option<Reason> {
    let (books, cushion) = (position.books, position.cushion);
    if locked {
        return Some(Reason::CashLock { nav: books.nav, floor: books.floor });
    }
    if cushion.net <= Usd::ZERO {
        return Some(Reason::Reserve { reserve: cushion.reserve });
    }
    let bound = multiplier.bound.filter(|bound| books.exposure > *bound)?;
    Some(Reason::FloorAtRisk { exposure: books.exposure, bound })
}
