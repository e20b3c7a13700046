//! From a target and its price sensitivity to the band around it: penalty, diffusion and edges in one place.

mod insured;
mod leeway;

use super::band::{Costs, Drift, OuterBounds, Tangent, Terms, residual_gain};
use super::cppi::{Cppi, Holding, Sensitivity, Tracking, kinked};
use super::shortfall::{GapRisk, penalty_with_floor};
use super::{ModelError, in_range, non_negative, positive};
use crate::domain::venues::depth::Depth;
use crate::domain::venues::near::Near;

pub use insured::{GapBound, Insured};
pub use leeway::Leeway;

/// How a target moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Response {
    /// As CPPI's, with its kink at the cap.
    Cppi(Cppi),
    /// As a share of net asset value: `Γ = |w − 1|·q/S`, and `q*²·ν²` units² per year of its own.
    Weight {
        /// `w`.
        weight: f64,
        /// `ν`, annualised volatility of `ln w` that does not come from the price.
        own_volatility: f64,
    },
    /// As a delta hedge's: with the option book, whatever is held.
    Hedge {
        /// `|Σ nᵢ·Γᵢ|`, units per USD.
        gamma: f64,
        /// How long the drift lasts before legs expire, years; absent where none ends it.
        life: Option<f64>,
    },
}

/// Where a vault stands beside its target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stand {
    /// How the target moves.
    pub response: Response,
    /// `C`, USD.
    pub cushion: f64,
    /// What is held, at which price and volatility.
    pub holding: Holding,
    /// `q*`, units.
    pub target: f64,
    /// Net asset value, USD.
    pub nav: f64,
}

/// A position whose drift is to be appraised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tracked {
    /// How the target moves.
    pub response: Response,
    /// `C`, USD.
    pub cushion: f64,
    /// What is held, at which price and volatility.
    pub holding: Holding,
    /// `q*`, units.
    pub target: f64,
    /// What a trade costs.
    pub costs: Costs,
    /// Net asset value, USD.
    pub nav: f64,
    /// Relative risk aversion `R`.
    pub aversion: f64,
    /// How long a better position pays at most, years.
    pub horizon: f64,
    /// Time between two chances to decide, years.
    pub interval: f64,
    /// The risk that the floor runs through a gap.
    pub gap: GapRisk,
    /// Price of a dollar below the floor, `w_floor`.
    pub floor_weight: f64,
}

/// What holding and trading a drift is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Appraised {
    /// `c_eff`, USD per unit² and year.
    pub penalty: f64,
    /// `Γ`, units per USD.
    pub gamma: f64,
    /// `s²`, units² per year.
    pub variance_rate: f64,
    /// `y₀`, units.
    pub inner: f64,
    /// `Y`, units.
    pub outer: f64,
    /// Running cost of the optimal policy, USD per year.
    pub cost_rate: f64,
    /// The size that the band trades at its outer edge where nothing bends it, units, and what its last unit costs.
    pub tangent: Tangent,
    /// How long a better position pays, years.
    horizon: f64,
}

/// What holding a drift costs and how fast it diffuses: all that the band depends on beside the cost of a trade.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Pace {
    /// `c`, above 0.
    penalty: f64,
    /// Residual life of the target, years.
    horizon: f64,
    sensitivity: Sensitivity,
    /// `s²`
    variance_rate: f64,
}

impl Tracked {
    /// `c = ½·(R/V)·σ²·S²`, raised on the risky side by the price of the gap; `s² = Γ²σ²S²`; the band between them for
    /// the tangent to the cost, with the kink and the monitoring interval (`model.md` §1–3). Without a depth the cost is
    /// linear.
    ///
    /// # Errors
    /// An input outside the domain of the formulas, or a result beyond the range of `f64`.
    pub fn appraise(&self, depth: Option<&mut Depth<'_>>) -> Result<Appraised, ModelError> {
        let linear = Tangent { costs: self.costs, size: 0.0 };
        let Some(Pace { penalty, horizon, sensitivity, variance_rate }) = self.pace()? else {
            // No volatility and no priced gap: a drift costs nothing, so no trade pays.
            return Ok(Appraised {
                penalty: 0.0,
                gamma: 0.0,
                variance_rate: 0.0,
                inner: 0.0,
                outer: 0.0,
                cost_rate: 0.0,
                tangent: linear,
                horizon: self.residual_life()?,
            });
        };
        let gamma = sensitivity.gamma;
        let tangent = match depth {
            Some(depth) => Tangent::find(self.costs, Drift { variance_rate, penalty }, depth)?,
            None => linear,
        };
        let terms = Terms::new(tangent.costs, penalty)?;
        let band = terms.band(variance_rate)?;
        let band = match self.response {
            Response::Cppi(_) => {
                let inner = self.inner_at_target(&Tracking { terms, horizon })?;
                kinked(band, sensitivity.multiplier_weight, inner)?
            }
            Response::Weight { .. } | Response::Hedge { .. } => band,
        };
        let band = band.with_interval(self.interval)?;
        let (inner, outer, cost_rate) = (band.inner, band.outer, band.cost_rate);
        Ok(Appraised { penalty, gamma, variance_rate, inner, outer, cost_rate, tangent, horizon })
    }

    /// Until the target ends, at most to the horizon.
    /// `None` where a drift costs nothing.
    fn pace(&self) -> Result<Option<Pace>, ModelError> {
        let (penalty, horizon) = (self.penalty()?, self.residual_life()?);
        if penalty == 0.0 {
            return Ok(None);
        }
        let tracking = Tracking { terms: Terms::new(self.costs, penalty)?, horizon };
        let sensitivity = self.sensitivity(&self.holding, &tracking)?;
        let variance_rate = self.variance_rate(sensitivity.gamma)?;
        Ok(Some(Pace { penalty, horizon, sensitivity, variance_rate }))
    }

    /// What surely comes of the drift under costs times `margin`, without solving for the band, where cushion and target may be
    /// off by a `leeway`; `None` where that needs to be solved, or may be one thing or another. What the pools are `near` their price is
    /// asked for only where it matters.
    ///
    /// The bounds of `Y` are those of [`OuterBounds`]. Beyond them a trade is wanted, and pays for no size where
    /// all of the drift is not worth its gas: `c·y²·T ≤ margin·F`.
    #[must_use]
    pub fn surely(
        &self,
        margin: f64,
        leeway: &Leeway,
        near: impl FnOnce() -> Option<Near>,
    ) -> Option<Surely> {
        let drift = self.drift(leeway)?;
        // What is as near as the rounding of the cost is left to be seen.
        let gas = self.costs.fixed * margin * (1.0 - 1e-12);
        let futile = |penalty, horizon| Some(residual_gain(penalty, drift.most, 0.0, horizon).ok()? <= gas);
        let Some(pace) = self.pace().ok()? else {
            let costs_nothing = leeway.cushion == 0.0 && futile(0.0, self.residual_life().ok()?)?;
            return costs_nothing.then_some(Surely::Futile);
        };
        let (penalty, variance_rate) = self.around(&pace, leeway, drift)?;
        let bounds = OuterBounds {
            costs: self.costs,
            slow: Drift { variance_rate: variance_rate.least, penalty: penalty.most },
            fast: Drift { variance_rate: variance_rate.most, penalty: penalty.least },
        };
        if drift.most < bounds.least(self.interval)? {
            return Some(Surely::Inside);
        }
        let pays_not = futile(penalty.most, pace.horizon)?;
        (pays_not && drift.least > bounds.most(margin, Some(near()?))?).then_some(Surely::Futile)
    }

    fn residual_life(&self) -> Result<f64, ModelError> {
        match self.response {
            Response::Hedge { life: Some(life), .. } => {
                Ok(non_negative("life of the target", life)?.min(self.horizon))
            }
            Response::Cppi(_) | Response::Weight { .. } | Response::Hedge { life: None, .. } => {
                Ok(self.horizon)
            }
        }
    }

    /// The outer edge of `appraised` with all costs `margin` times as high and everything else as it was: sensitivity,
    /// penalty, tangent and inner edge are those of the costs themselves. So it never falls with the margin, and what is
    /// traded beyond it does not depend on the margin. A margin of at most 1 changes nothing.
    ///
    /// # Errors
    /// A band beyond the range of `f64`.
    pub fn outer_at(&self, appraised: &Appraised, margin: f64) -> Result<f64, ModelError> {
        let Appraised { penalty, variance_rate, outer, .. } = *appraised;
        if margin <= 1.0 || penalty == 0.0 {
            return Ok(outer);
        }
        let Costs { fixed, proportional } = appraised.tangent.costs;
        let costs = Costs { fixed: margin * fixed, proportional: margin * proportional };
        let wider = Terms::new(costs, penalty)?.band(variance_rate)?.with_interval(self.interval)?;
        Ok(wider.outer.max(outer))
    }

    fn penalty(&self) -> Result<f64, ModelError> {
        let Holding { units, price, volatility } = self.holding;
        let penalty = penalty(self.aversion, self.nav, volatility * price)?;
        let cushion = self.cushion;
        let held = self.gap.shortfall_rate(units * price, cushion)?;
        // Where a short position is wanted nothing is the nearest that can be held.
        let target = self.gap.shortfall_rate(self.target.max(0.0) * price, cushion)?;
        penalty_with_floor(penalty, self.floor_weight, held, target, units - self.target)
    }

    fn sensitivity(&self, holding: &Holding, tracking: &Tracking) -> Result<Sensitivity, ModelError> {
        match self.response {
            Response::Cppi(cppi) => cppi.sensitivity(holding, tracking),
            Response::Weight { weight, .. } => {
                let weight = non_negative("weight", weight)?;
                let slope = (weight - 1.0).abs() * (holding.units / holding.price);
                Ok(Sensitivity {
                    gamma: in_range("sensitivity of the target", slope)?,
                    multiplier_weight: 0.0,
                    spread: 0.0,
                })
            }
            Response::Hedge { gamma, .. } => Ok(Sensitivity {
                gamma: non_negative("gamma of the option book", gamma)?,
                multiplier_weight: 0.0,
                spread: 0.0,
            }),
        }
    }

    /// `s² = Γ²σ²S² + v_other`.
    fn variance_rate(&self, gamma: f64) -> Result<f64, ModelError> {
        let speed = gamma * self.holding.volatility * self.holding.price;
        let own = match self.response {
            Response::Cppi(_) | Response::Hedge { .. } => 0.0,
            Response::Weight { own_volatility, .. } => self.target * own_volatility,
        };
        in_range("variance rate", speed * speed + own * own)
    }

    /// `y₀` of the band where the vault holds its target.
    fn inner_at_target(&self, tracking: &Tracking) -> Result<f64, ModelError> {
        let holding = Holding { units: self.target, ..self.holding };
        let variance_rate = self.variance_rate(self.sensitivity(&holding, tracking)?.gamma)?;
        Ok(tracking.terms.edges(variance_rate)?.0)
    }
}

/// `c = ½·(R/V)·(σS)²`, USD per unit² and year: the certainty equivalent of a drift's risk, without what it does to a floor, of
/// relative risk aversion `R`, net asset value `V`, and `σS`, the deviation of a unit's price, USD per year.
///
/// # Errors
/// An input that is not finite, a net asset value that is not positive, or a penalty beyond the range of `f64`.
pub fn penalty(aversion: f64, nav: f64, deviation: f64) -> Result<f64, ModelError> {
    let penalty = 0.5 * (aversion / positive("net asset value", nav)?) * deviation * deviation;
    in_range("penalty of the drift", penalty)
}

/// What comes of a drift whatever its band is in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surely {
    /// It is inside the outer edge.
    Inside,
    /// It is beyond the outer edge, and all of it is not worth the gas of a trade.
    Futile,
}

impl Appraised {
    /// What trading a drift of `from` units back to `to` brings over the residual life, USD.
    ///
    /// # Errors
    /// As [`residual_gain`].
    pub fn gain(&self, from: f64, to: f64) -> Result<f64, ModelError> {
        residual_gain(self.penalty, from, to, self.horizon)
    }

    /// What waiting at `drift` units costs beyond the optimum, USD per year: `c·y² − A·s²/2`, zero where a band that
    /// was narrowed lets a trade pay before that.
    ///
    /// # Errors
    /// Beyond the range of `f64`.
    pub fn excess(&self, drift: f64) -> Result<f64, ModelError> {
        in_range("excess cost of the drift", (self.penalty * drift * drift - self.cost_rate).max(0.0))
    }
}
