//! Volatility target (Moreira and Muir 2017): the share of net asset value whose volatility is constant,
//! `w = min(cap, σ_target/σ̂)`.

use super::bounds::Gap;
use super::{Position, Response, Strategy, Wanted};
use crate::domain::reason::Reason;
use crate::domain::units::{Ratio, from_real};

/// Decimal places of a computed weight.
const WEIGHT_PLACES: u32 = 12;

/// The strategy with its parameters.
#[derive(Debug, Clone, Copy)]
pub(super) struct VolatilityTarget {
    /// `σ_target`, annualised.
    pub(super) annual: Ratio,
    /// Largest exposure over net asset value.
    pub(super) cap: Ratio,
    /// Annualised volatility of `ln σ̂`.
    pub(super) vol_of_vol: Ratio,
}

impl Strategy for VolatilityTarget {
    fn wanted(&self, position: &Position<'_>, _: &Gap) -> Result<Wanted, Reason> {
        let volatility = position.volatility.get();
        let capped = volatility * self.cap.real() <= self.annual.real();
        let weight = if capped {
            self.cap
        } else {
            Ratio::new(from_real(self.annual.real() / volatility, WEIGHT_PLACES)?).at_most(self.cap)
        };
        let exposure = position.books.nav.times(weight)?;
        // At the cap the target no longer moves with the estimate.
        let own_volatility = if capped { 0.0 } else { self.vol_of_vol.real() };
        let response = Response::Weight { weight: weight.real(), own_volatility };
        Ok(Wanted { exposure, response, multiplier: None })
    }
}
