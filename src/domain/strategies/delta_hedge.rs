//! Delta hedge (Black and Scholes 1973; between two trades as in Whalley and Wilmott 1997): what makes the delta of the
//! option book and of the holding together the target, `q* = Δ_target − Σ nᵢ·Δᵢ`.
//!
//! The bounds of every strategy hold for it as they stand: they are about what the vault itself holds, which is all that
//! its contract can value and guard. Anyone may sell what is over them, options or not, so a hedge beyond them would not
//! last. An owner who wants the options to be what protects a hedge sets floor and gap accordingly.

use super::bounds::Gap;
use super::{Position, Response, Strategy, Wanted};
use crate::domain::models::hedge::life;
use crate::domain::reason::Reason;
use crate::domain::units::{Units, from_real};

/// Decimal places of a target.
const UNIT_PLACES: u32 = 18;

/// The strategy; its terms stand in the book.
#[derive(Debug, Clone, Copy)]
pub(super) struct DeltaHedge;

impl Strategy for DeltaHedge {
    /// Negative where a short position is wanted. Without a book, which is a refusal unless a sale is mandatory whatever
    /// the book says, what is held is the most that can be wanted.
    fn wanted(&self, position: &Position<'_>, _: &Gap) -> Result<Wanted, Reason> {
        let Some(book) = position.options else {
            let response = Response::Hedge { gamma: 0.0, life: None };
            return Ok(Wanted { exposure: position.books.exposure, response, multiplier: None });
        };
        let of_legs = Units::new(from_real(book.delta.get(), UNIT_PLACES)?);
        let units = book.target_delta.minus(of_legs)?;
        let drift = position.books.held.minus(units)?;
        let open = book.legs.iter().filter_map(|leg| leg.open);
        let mut parts: Vec<_> = open.map(|leg| (leg.years.get(), leg.delta.get())).collect();
        let life = life(drift.real(), &mut parts).map_err(|e| Reason::Numbers { what: e.to_string() })?;
        let response = Response::Hedge { gamma: book.gamma.get().abs(), life };
        Ok(Wanted { exposure: position.books.price.value_of(units)?, response, multiplier: None })
    }
}
