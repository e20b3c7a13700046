//! Constant proportion portfolio insurance (Black and Jones 1987, Perold 1986): exposure is a multiple of the cushion
//! over the floor, never more than the vault can carry through a gap. With a floor that follows the peak it is
//! time-invariant portfolio protection (TIPP; Estep and Kritzman 1988).

use super::bounds::Gap;
use super::{Position, Response, Strategy, Wanted};
use crate::domain::models::cppi;
use crate::domain::reason::Reason;
use crate::domain::units::{Ratio, Usd};

/// The strategy with its two parameters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cppi {
    /// `m`.
    pub(super) multiplier: Ratio,
    /// Largest exposure over net asset value.
    pub(super) cap: Ratio,
}

impl Strategy for Cppi {
    fn wanted(&self, position: &Position<'_>, gap: &Gap) -> Result<Wanted, Reason> {
        let (books, cushion) = (position.books, position.cushion);
        let effective = gap.effective(self.multiplier);
        let exposure = if cushion.net <= Usd::ZERO {
            Usd::ZERO
        } else {
            cushion.net.times(effective)?.at_most(books.nav.times(self.cap)?)
        };
        let response = Response::Cppi(cppi::Cppi {
            multiplier: effective.real(),
            cap: self.cap.real(),
            cushion: cushion.net.real(),
            protected: books.floor.plus(cushion.reserve)?.real(),
        });
        Ok(Wanted { exposure, response, multiplier: Some(effective) })
    }
}
