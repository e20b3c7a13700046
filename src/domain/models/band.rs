//! The gas-aware no-trade band: how far a vault may drift from its target before trading pays.
//!
//! Holding a drift of `y` units costs `c·y²` USD per year, the drift diffuses with variance rate `s²`, and a trade of
//! `z` units costs `F + κ·z` USD. The policy of least cost per year does nothing while `|y| < Y` and at `|y| ≥ Y`
//! trades back to `y₀` on the same side (impulse control with fixed and proportional cost: Constantinides & Richard
//! 1978, Korn 1998). With `B = 2c/(3s²)`
//!
//! ```text
//! y₀·Y·(y₀ + Y) = κ/B          (Y − y₀)³·(Y + y₀) = 4F/B
//! ```
//!
//! Without a fixed cost this is the band of Whalley & Wilmott (1997), without a proportional one `Y = (4F/B)^¼`.

mod bounds;
mod edges;
mod tangent;

use super::{ModelError, finite, in_range, non_negative, positive};

use edges::Pace;

pub use bounds::OuterBounds;
pub use tangent::Tangent;

/// Shift of a barrier that is watched at intervals instead of continuously, in standard deviations per interval:
/// `−ζ(½)/√(2π)` (Broadie, Glasserman & Kou 1997).
const MONITORING_SHIFT: f64 = 0.5826;

/// What a trade of `z` units costs: `fixed + proportional·z`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Costs {
    /// `F`, USD per trade: gas for execution and for the data of a rollup.
    pub fixed: f64,
    /// `κ`, USD per unit traded: price × (pool fee + half spread + first-order impact).
    pub proportional: f64,
}

/// How the drift moves and what holding it costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Drift {
    /// `s²`, units² per year.
    pub variance_rate: f64,
    /// `c`, USD per unit² and year: `½·γ·σ²·S²`, the certainty equivalent of the tracking risk.
    pub penalty: f64,
}

/// The optimal band of one set of costs and one drift.
///
/// Keeps `outer ≥ inner ≥ 0`, all finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Band {
    /// `y₀`, units: where a trade ends.
    pub inner: f64,
    /// `Y`, units: the drift at which trading begins to pay. Zero where nothing diffuses or trading is free; then
    /// the residual-life test alone decides.
    pub outer: f64,
    /// Running cost of the optimal policy under continuous monitoring, `A·s²/2` USD per year.
    pub cost_rate: f64,
    costs: Costs,
    drift: Drift,
    value: Value,
}

/// `H(y) = A·y²/2 − B·y⁴/4`, held relative to its edge: `H = scale·t²·(shape/2 − t²/4)` with `t = |y|/edge`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Value {
    /// `Y` before any correction for monitoring, units.
    edge: f64,
    /// `B·Y⁴`, USD.
    scale: f64,
    /// `A/(B·Y²) = 1 + b + b²` with `b = y₀/Y`.
    shape: f64,
}

/// What a trade costs and what a drift does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    costs: Costs,
    penalty: f64,
}

impl Terms {
    /// Terms of trade under `costs` where holding a drift costs `penalty`, USD per unit² and year.
    ///
    /// # Errors
    /// An input that is not finite or negative, or a penalty of zero (drift would cost nothing and the band have no
    /// end).
    pub fn new(costs: Costs, penalty: f64) -> Result<Self, ModelError> {
        non_negative("fixed cost", costs.fixed)?;
        non_negative("proportional cost", costs.proportional)?;
        positive("penalty of the drift", penalty)?;
        Ok(Self { costs, penalty })
    }

    /// What a trade costs.
    #[must_use]
    pub const fn costs(&self) -> Costs {
        self.costs
    }

    /// The optimal band of a drift of `variance_rate` units² per year.
    ///
    /// # Errors
    /// An input that is not finite or negative, or a band beyond the range of `f64`.
    pub fn band(&self, variance_rate: f64) -> Result<Band, ModelError> {
        let drift = Drift { variance_rate, penalty: self.penalty };
        let (inner, outer) = self.edges(variance_rate)?;
        if outer == 0.0 {
            return Ok(Band::empty(self.costs, drift));
        }
        Band::within_edges(inner, outer, self.costs, drift)
    }

    /// `(y₀, Y)` of [`Terms::band`] alone, units.
    ///
    /// With `p = Y + y₀` and `w = Y − y₀ = (4F/(B·p))^⅓` what remains is the single root of
    /// `p³ − p^⅓·(4F/B)^⅔ − 4κ/B = 0` above `(4F/B)^¼`.
    ///
    /// # Errors
    /// As [`Terms::band`].
    pub fn edges(&self, variance_rate: f64) -> Result<(f64, f64), ModelError> {
        non_negative("variance rate of the drift", variance_rate)?;
        Pace::of(variance_rate, self.penalty).edges(self.costs)
    }
}

impl Band {
    /// Solves for the optimal band of one drift.
    ///
    /// # Errors
    /// As [`Terms::new`] and [`Terms::band`].
    pub fn solve(costs: Costs, drift: Drift) -> Result<Self, ModelError> {
        Terms::new(costs, drift.penalty)?.band(drift.variance_rate)
    }

    /// The band where the drift stands still or trading is free.
    fn empty(costs: Costs, drift: Drift) -> Self {
        let value = Value { edge: 0.0, scale: 0.0, shape: 3.0 };
        Self { inner: 0.0, outer: 0.0, cost_rate: 0.0, costs, drift, value }
    }

    fn within_edges(inner: f64, outer: f64, costs: Costs, drift: Drift) -> Result<Self, ModelError> {
        let ratio = inner / outer;
        let shape = 1.0 + ratio + ratio * ratio;
        let root_penalty = libm::sqrt(drift.penalty);
        let cost_root = root_penalty * outer;
        let value_root = root_penalty * outer * (outer / libm::sqrt(drift.variance_rate));
        Ok(Self {
            inner,
            outer: in_range("band", outer)?,
            cost_rate: in_range("cost rate of the band", cost_root * cost_root * shape / 3.0)?,
            costs,
            drift,
            value: Value {
                edge: outer,
                scale: in_range("value of a drift", value_root * value_root * 2.0 / 3.0)?,
                shape,
            },
        })
    }

    /// `H(y)`: what being rid of a drift of `y` units is worth, USD. At `|y| = Y` the gain `H(Y) − H(y₀)` is the cost
    /// of the trade `F + κ·(Y − y₀)` exactly; beyond, `H` has slope `κ`.
    ///
    /// # Errors
    /// A drift that is not finite, or a value beyond the range of `f64`.
    pub fn value(&self, drift: f64) -> Result<f64, ModelError> {
        let distance = finite("drift", drift)?.abs();
        let Value { edge, scale, shape } = self.value;
        if distance == 0.0 {
            return Ok(0.0);
        }
        if distance <= edge {
            let t = distance / edge;
            return Ok(scale * t * t * (shape / 2.0 - t * t / 4.0));
        }
        let at_edge = if edge > 0.0 { scale * (shape / 2.0 - 0.25) } else { self.costs.fixed };
        in_range("value of a drift", at_edge + self.costs.proportional * (distance - edge))
    }

    /// What waiting at a drift of `y` units costs more than the optimum, USD per year: `c·y² − A·s²/2` from the outer
    /// edge on, zero inside. The number to show people.
    ///
    /// # Errors
    /// A drift that is not finite, or a cost beyond the range of `f64`.
    pub fn excess_cost_rate(&self, drift: f64) -> Result<f64, ModelError> {
        let distance = finite("drift", drift)?.abs();
        if distance < self.outer {
            return Ok(0.0);
        }
        let holding = in_range("excess cost rate", self.drift.penalty * distance * distance)?;
        Ok((holding - self.cost_rate).max(0.0))
    }

    /// The band for a keeper that can decide only every `interval_years`: `Y ← max(Y − 0.5826·s·√Δt, 0)`,
    /// `y₀ ← min(y₀, Y)`. To be applied once.
    ///
    /// # Errors
    /// An interval that is not finite or negative.
    pub fn with_interval(self, interval_years: f64) -> Result<Self, ModelError> {
        let interval = non_negative("monitoring interval", interval_years)?;
        let step = libm::sqrt(self.drift.variance_rate) * libm::sqrt(interval);
        let outer = (self.outer - MONITORING_SHIFT * step).max(0.0);
        Ok(Self { inner: self.inner.min(outer), outer, ..self })
    }

    /// The band whose trades end no nearer to the target than `inner` units where `Y` allows:
    /// `y₀ ← min(Y, max(y₀, inner))`.
    ///
    /// # Errors
    /// An edge that is not finite or negative.
    pub fn with_inner_at_least(self, inner: f64) -> Result<Self, ModelError> {
        let inner = non_negative("inner edge", inner)?;
        Ok(Self { inner: self.inner.max(inner).min(self.outer), ..self })
    }
}

/// What a trade from drift `from` to drift `to` (units) saves over the `years` for which the target lasts, USD:
/// `c·(y² − y′²)·t`, to be compared with the cost of the trade. `penalty` is `c` in USD per unit² and year.
///
/// # Errors
/// An input that is not finite, a negative penalty or time, or a gain beyond the range of `f64`.
pub fn residual_gain(penalty: f64, from: f64, to: f64, years: f64) -> Result<f64, ModelError> {
    let penalty = non_negative("penalty of the drift", penalty)?;
    let from = finite("drift", from)?.abs();
    let to = finite("drift after the trade", to)?.abs();
    let years = non_negative("residual life", years)?;
    in_range("residual gain", penalty * years * (from - to) * (from + to))
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "test arithmetic within known bounds"
)]
mod tests;
