//! What a trade costs and what a drift costs: the economics of one target at one block (`model.md` §2 to §4).

use serde::{Deserialize, Serialize};

use super::gas::Sending;
use super::market::{Market, Side};
use super::models::band::Costs;
use super::models::cppi::Holding;
use super::models::shortfall::GapRisk;
use super::models::tracking::{Appraised, Leeway, Stand, Surely, Tracked};
use super::models::{ModelError, years};
use super::policy::Policy;
use super::reason::Reason;
use super::strategies::{Position, Target};
use super::units::{Price, Ratio, Real, Units, Usd};

/// The economics of the drift, as recorded.
///
/// Rules it keeps: `outer ≥ inner ≥ 0`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Economics {
    /// `F`: gas of one rebalance at the next base fee plus the policy's tip, and on a rollup its data.
    pub fixed: Usd,
    /// The part of it that a rollup charges beside gas; absent where the chain takes nothing beside it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub data_fee: Option<Usd>,
    /// `κ`: venue cost of the first unit, in units of the asset.
    pub proportional: Price,
    /// `c_eff`, USD per unit² and year.
    pub penalty: Real,
    /// `Γ`, units per USD.
    pub sensitivity: Real,
    /// `s²`, units² per year.
    pub variance_rate: Real,
    /// `y₀`, units.
    pub inner: Real,
    /// `Y`, units.
    pub outer: Real,
    /// Running cost of the optimal policy, USD per year.
    pub cost_rate: Real,
    /// The size that the band is made for, units: what a continuous watch would trade at `Y`.
    pub size: Real,
    /// `κ′`: venue cost of the last unit of that size, units of the asset per unit.
    pub marginal: Real,
}

/// The economics together with the model that answers questions about sizes.
#[derive(Debug, Clone, Copy)]
pub struct Costing {
    /// What is recorded.
    pub economics: Economics,
    appraised: Appraised,
    margin: Ratio,
}

/// What one trade brings and costs, USD.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Balance {
    /// Over the target's residual life.
    pub benefit: Real,
    /// Gas, fee and impact, times the policy's margin.
    pub cost: Real,
    /// What waiting costs beyond the optimum, per year.
    pub excess: Real,
}

impl Balance {
    /// Whether the trade brings more than it costs.
    #[must_use]
    pub fn pays(&self) -> bool {
        self.benefit > self.cost
    }
}

/// A drift and what a trade against it costs, before its band is solved for.
#[derive(Debug, Clone, Copy)]
pub struct Priced {
    tracked: Tracked,
    side: Side,
    sending: Sending,
    /// Units of the asset per unit.
    proportional: Price,
    margin: Ratio,
}

impl Priced {
    /// Prices the drift of `position` from `target`.
    ///
    /// # Errors
    /// [`Reason::Numbers`] out of range.
    pub fn of(
        position: &Position<'_>,
        target: &Target,
        market: &Market<'_>,
        policy: &Policy,
    ) -> Result<Self, Reason> {
        let books = position.books;
        let side = if books.held > target.units { Side::Sell } else { Side::Buy };
        let proportional = books.price.times(market.marginal_cost(side))?;
        let stand = Stand {
            response: target.response,
            cushion: position.cushion.net.real(),
            holding: Holding {
                units: books.held.real(),
                price: books.price.real(),
                volatility: position.volatility.get(),
            },
            target: target.units.real(),
            nav: books.nav.real(),
        };
        Ok(Self::at(&stand, (side, proportional), *market.sending(), policy))
    }

    /// Prices a drift that `stand` is in, where a unit costs so much on its side.
    pub(super) fn at(
        stand: &Stand,
        (side, proportional): (Side, Price),
        sending: Sending,
        policy: &Policy,
    ) -> Self {
        let Stand { response, cushion, holding, target, nav } = *stand;
        let tracked = Tracked {
            response,
            cushion,
            holding,
            target,
            costs: Costs { fixed: sending.rebalance.real(), proportional: proportional.real() },
            nav,
            aversion: policy.risk.aversion.real(),
            horizon: years(policy.risk.horizon_seconds),
            interval: years(policy.execution.monitoring_seconds),
            gap: GapRisk {
                jump_rate: policy.gap.jumps_per_year.real(),
                jump_mean: policy.gap.jump_mean.real(),
                volatility: holding.volatility,
                interval: years(policy.gap.outage_seconds),
            },
            floor_weight: policy.gap.floor_weight.real(),
        };
        Self { tracked, side, sending, proportional, margin: policy.execution.cost_margin }
    }

    /// What [`Costing`] would surely say of the drift under an economic trigger, where what it was priced by may be off by a `leeway`; see
    /// [`Tracked::surely`].
    #[must_use]
    pub fn surely(&self, leeway: &Leeway, market: &Market<'_>) -> Option<Surely> {
        self.tracked.surely(self.margin.real(), leeway, || market.near(self.side))
    }
}

impl Costing {
    /// Solves for the band of a drift.
    ///
    /// # Errors
    /// [`Reason::Numbers`] out of range.
    pub fn of(priced: &Priced, market: &Market<'_>) -> Result<Self, Reason> {
        let Priced { tracked, side, sending, proportional, margin } = *priced;
        let appraised = tracked.appraise(market.depth(side).as_mut()).map_err(numbers)?;
        let economics = Economics {
            fixed: sending.rebalance,
            data_fee: sending.data_fee,
            proportional,
            penalty: Real::new(appraised.penalty)?,
            sensitivity: Real::new(appraised.gamma)?,
            variance_rate: Real::new(appraised.variance_rate)?,
            inner: Real::new(appraised.inner)?,
            outer: Real::new(tracked.outer_at(&appraised, margin.real()).map_err(numbers)?)?,
            cost_rate: Real::new(appraised.cost_rate)?,
            size: Real::new(appraised.tangent.size)?,
            marginal: Real::new(appraised.tangent.costs.proportional)?,
        };
        Ok(Self { economics, appraised, margin })
    }

    /// Why no trade against a drift pays, if that is certain before its size is known: no size of it brings more than all of
    /// it does, or costs less than gas.
    ///
    /// # Errors
    /// As [`Costing::balance`].
    pub fn futile(&self, drift: Units) -> Result<Option<Reason>, Reason> {
        let all = self.balance(drift, drift.abs(), Usd::ZERO)?;
        let Balance { benefit, cost, .. } = all;
        Ok((!all.pays()).then_some(Reason::NotWorth { benefit, cost }))
    }

    /// What trading `size` units away from a drift of `drift` units brings, and costs with `venue` for fee and impact.
    /// The venue's cost is measured against the pool's own price, since the distance to the oracle is a limit and not
    /// a cost.
    ///
    /// # Errors
    /// [`Reason::Numbers`] out of range.
    pub fn balance(&self, drift: Units, size: Units, venue: Usd) -> Result<Balance, Reason> {
        let from = drift.abs();
        let to = from.minus(size)?.abs();
        let benefit = self.appraised.gain(from.real(), to.real()).map_err(numbers)?;
        Ok(Balance {
            benefit: Real::new(benefit)?,
            cost: Real::new(self.economics.fixed.plus(venue.or_zero())?.times(self.margin)?.real())?,
            excess: Real::new(self.appraised.excess(from.real()).map_err(numbers)?)?,
        })
    }
}

fn numbers(error: ModelError) -> Reason {
    Reason::Numbers { what: error.to_string() }
}
