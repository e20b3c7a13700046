//! The band under convex cost: that of the tangent to the cost at the band's own trade.
//!
//! A trade of `z` units costs `F + κ·z + I(z)` with a convex impact `I`, `I(0) = I′(0) = 0`. Every tangent
//! `F + I(x) − x·I′(x) + (κ + I′(x))·z` lies below that, so the least cost under it is a lower bound; the tangent at
//! `x = Y − y₀` of its own band touches at the only size that this band ever trades, so its policy costs what its bound
//! says and no other costs less. As `x` grows the fixed part falls and the proportional one rises, both of which narrow
//! `Y − y₀`: the root is single.

use std::cmp::Ordering;

use super::super::{ModelError, in_range};
use super::{Costs, Drift, Terms};
use crate::domain::venues::depth::{Depth, Margin};

/// A root is found when the bracket, or the step, is this part of it.
const CLOSE: f64 = 1e-9;
/// Steps of the search for one root; far fewer are needed.
const STEPS: u32 = 64;

/// The linear cost that a convex one is as good as.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tangent {
    /// Its fixed and proportional parts, `F′` and `κ′`.
    pub costs: Costs,
    /// The size it is right for, units: what the band trades at its outer edge.
    pub size: f64,
}

impl Tangent {
    /// Finds the tangent of `costs` and the impact of `depth` for a drift; of one pool, or of as many as are worth
    /// their swaps.
    ///
    /// # Errors
    /// As [`Terms::band`].
    pub fn find(costs: Costs, drift: Drift, depth: &mut Depth<'_>) -> Result<Self, ModelError> {
        let mut best: Option<(Self, f64)> = None;
        for pools in 1..=depth.pools() {
            let fixed = costs.fixed + depth.further(pools);
            let mut search = Search { costs: Costs { fixed, ..costs }, drift, depth: &mut *depth, pools };
            let (found, rise) = search.run()?;
            let (inner, outer) = found.edges(drift)?;
            // c/3 times this is the cost per year.
            let rate = in_range("cost rate of the band", outer * outer + outer * inner + inner * inner)?;
            if best.is_none_or(|(_, least)| rate < least) {
                best = Some((found, rate));
            }
            if rise <= depth.joins(pools.saturating_add(1)) {
                break;
            }
        }
        Ok(best.map_or(Self { costs, size: 0.0 }, |(found, _)| found))
    }

    fn edges(&self, drift: Drift) -> Result<(f64, f64), ModelError> {
        Terms::new(self.costs, drift.penalty)?.edges(drift.variance_rate)
    }
}

/// The search for `Y − y₀ = z` over the level at which a trade ends, at which all of `z`, `I` and `I′` are known.
struct Search<'d, 'a> {
    costs: Costs,
    drift: Drift,
    depth: &'d mut Depth<'a>,
    pools: usize,
}

/// A rise of the level, the tangent there, and by how much the band's trade is larger than the tangent's size.
#[derive(Clone, Copy)]
struct Point {
    rise: f64,
    tangent: Tangent,
    missing: f64,
}

impl Search<'_, '_> {
    /// The tangent and the rise of the level at which its trade ends.
    fn run(&mut self) -> Result<(Tangent, f64), ModelError> {
        let mut low = self.point(0.0)?;
        if low.missing <= 0.0 {
            return Ok((low.tangent, 0.0));
        }
        let mut high = self.point(self.depth.rise_for(low.missing))?;
        for _ in 0..STEPS {
            if high.missing <= 0.0 {
                break;
            }
            low = high;
            high = self.point(2.0 * low.rise)?;
        }
        self.narrow(low, high)
    }

    /// Regula falsi with the Illinois correction (Dowell and Jarratt 1971): an end that stays twice counts half.
    fn narrow(&mut self, mut low: Point, mut high: Point) -> Result<(Tangent, f64), ModelError> {
        let (mut below, mut above) = (low.missing, -high.missing);
        let mut last = Ordering::Equal;
        for _ in 0..STEPS {
            let width = high.rise - low.rise;
            if above <= 0.0 || width <= CLOSE * high.rise {
                break;
            }
            let next = self.point(low.rise + width * (below / (below + above)))?;
            if next.missing.abs() <= CLOSE * next.tangent.size {
                return Ok((next.tangent, next.rise));
            }
            let side = next.missing.total_cmp(&0.0);
            let counts = if last == side { 0.5 } else { 1.0 };
            last = side;
            if side == Ordering::Greater {
                (low, below, above) = (next, next.missing, above * counts);
            } else {
                (high, above, below) = (next, -next.missing, below * counts);
            }
        }
        Ok((high.tangent, high.rise))
    }

    fn point(&mut self, rise: f64) -> Result<Point, ModelError> {
        let Margin { size, impact, slope } = self.depth.at(rise, self.pools);
        let fixed = (self.costs.fixed + impact - size * slope).max(0.0);
        let costs = Costs { fixed, proportional: self.costs.proportional + slope };
        let tangent = Tangent { costs, size };
        let (inner, outer) = tangent.edges(self.drift)?;
        Ok(Point { rise, tangent, missing: outer - inner - size })
    }
}
