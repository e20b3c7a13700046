//! Constant weight (constant mix; Perold and Sharpe 1988): exposure is a share of net asset value.

use super::bounds::Gap;
use super::{Position, Response, Strategy, Wanted};
use crate::domain::reason::Reason;
use crate::domain::units::Ratio;

/// The strategy with its parameter.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConstantWeight {
    /// `w`.
    pub(super) weight: Ratio,
}

impl Strategy for ConstantWeight {
    fn wanted(&self, position: &Position<'_>, _: &Gap) -> Result<Wanted, Reason> {
        let exposure = position.books.nav.times(self.weight)?;
        let response = Response::Weight { weight: self.weight.real(), own_volatility: 0.0 };
        Ok(Wanted { exposure, response, multiplier: None })
    }
}
