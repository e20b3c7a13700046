//! The numbers behind a decision.

use serde::{Deserialize, Serialize};
use serde_with::{DisplayFromStr, serde_as};

use super::super::cost::Economics;
use super::super::cushion::Cushion;
use super::super::options::Book;
use super::super::reason::Reason;
use super::super::strategies::Multiplier;
use super::super::units::{Price, Real, Units, Usd};

/// The numbers behind a decision.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Appraisal {
    /// Oracle price of a risky unit in units of the asset.
    pub price: Price,
    /// Price of the pool that is best for the first unit towards the target.
    pub pool_price: Price,
    /// Why other pools of the policy are not in use.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub left_out: Vec<Reason>,
    /// Net asset value, `V`.
    pub nav: Usd,
    /// Exposure, `E`.
    pub exposure: Usd,
    /// Floor of all shares.
    pub floor: Usd,
    /// Cushion net of the reserve, with the parts of the reserve.
    pub cushion: Cushion,
    /// Annualised volatility, `σ`.
    pub volatility: Real,
    /// Multiplier in force and its bound.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub multiplier: Option<Multiplier>,
    /// Units held, `q`.
    pub held: Units,
    /// Target units, `q*`; negative where a hedge needs a short position, of which the vault can only come as near as
    /// nothing.
    pub target: Units,
    /// `y = q − q*`.
    pub drift: Units,
    /// Wei per gas reckoned with.
    #[serde_as(as = "DisplayFromStr")]
    pub gas_price: u64,
    /// Band and costs.
    pub economics: Economics,
    /// The option book, where the policy hedges one and it is known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub options: Option<Book>,
}

impl Appraisal {
    /// What the vault lacks for its target: [`Reason::NeedsBorrowing`] where that is a short position,
    /// [`Reason::NeedsLeverage`] where it costs more than net asset value.
    #[must_use]
    pub fn missing(&self) -> Option<Reason> {
        self.lack().map(|(_, reason)| reason)
    }

    /// The same with its units.
    fn lack(&self) -> Option<(Units, Reason)> {
        if self.target < Units::ZERO {
            let units = self.target.abs();
            return Some((units, Reason::NeedsBorrowing { units }));
        }
        let payable = self.price.units_for(self.nav).ok()?;
        let units = self.target.minus(payable).ok().filter(|units| *units > Units::ZERO)?;
        Some((units, Reason::NeedsLeverage { units }))
    }

    /// What people should hear of whatever is decided: every bound of the policy that the option book crosses, every leg
    /// that waits to be settled, and what the vault lacks for its target, unless without that it is inside its band.
    pub fn alerts(&self) -> impl Iterator<Item = Reason> + '_ {
        let crossed = self.options.iter().flat_map(|book| &book.crossed).cloned();
        let legs = self.options.iter().flat_map(|book| &book.legs);
        let unsettled =
            legs.filter(|leg| leg.open.is_none()).map(|leg| Reason::OptionUnsettled { leg: leg.id });
        let lack = self.lack().filter(|(units, _)| units.real() >= self.economics.outer.get());
        crossed.chain(unsettled).chain(lack.map(|(_, reason)| reason))
    }
}
