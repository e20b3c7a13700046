//! The band under convex cost: that of the tangent to the cost at the band's own trade.
//!
//! A trade of `z` units costs `F + κ·z + I(z)` with a convex impact `I`, `I(0) = I′(0) = 0`. Every tangent
//! `F + I(x) − x·I′(x) + (κ + I′(x))·z` lies below that, so the least cost under it is a lower bound; the tangent at
//! `x = Y − y₀` of its own band touches at the only size that this band ever trades, so its policy costs what its bound
//! says and no other costs less. As `x` grows the fixed part falls and the proportional one rises, both of which narrow
//! `Y − y₀`: the root is single.

use std::cmp::Ordering;

use super::super::{ModelError, in_range, non_negative};
use super::edges::Pace;
use super::{Costs, Drift, Terms};
use crate::domain::venues::depth::{Depth, Margin};

/// Where the trade of the band is this close to the tangent's size, one more step of the secant is the last: it leaves
/// the product of the last two errors.
const CLOSE: f64 = 1e-7;
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
        Terms::new(costs, drift.penalty)?;
        non_negative("variance rate of the drift", drift.variance_rate)?;
        let pace = Pace::of(drift.variance_rate, drift.penalty);
        let mut best: Option<(Self, f64)> = None;
        for pools in 1..=depth.pools() {
            let fixed = costs.fixed + depth.further(pools);
            let mut search = Search { costs: Costs { fixed, ..costs }, pace, depth: &mut *depth, pools };
            let (found, rise) = search.run()?;
            if pools == 1 && rise <= depth.joins(2) {
                return Ok(found);
            }
            let (inner, outer) = pace.edges(found.costs)?;
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
}

/// The search for `Y − y₀ = z` over the level at which a trade ends, at which all of `z`, `I` and `I′` are known.
struct Search<'d, 'a> {
    costs: Costs,
    pace: Pace,
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

    /// The secant through the last two points (Regula falsi with the Illinois correction, Dowell and Jarratt 1971: an
    /// end that stays twice counts half).
    fn narrow(&mut self, mut low: Point, mut high: Point) -> Result<(Tangent, f64), ModelError> {
        let (mut below, mut above) = (low.missing, -high.missing);
        let mut last = Ordering::Equal;
        for _ in 0..STEPS {
            let rise = low.rise + (high.rise - low.rise) * (below / (below + above));
            let next = self.point(rise)?;
            let other = if last == Ordering::Greater { low } else { high };
            if next.missing.abs() <= CLOSE * next.tangent.size || rise == low.rise || rise == high.rise {
                return Ok(self.tangent(secant(next, other)));
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
        Ok(self.tangent(high.rise))
    }

    fn point(&mut self, rise: f64) -> Result<Point, ModelError> {
        let (tangent, rise) = self.tangent(rise);
        let (inner, outer) = self.pace.edges(tangent.costs)?;
        Ok(Point { rise, tangent, missing: outer - inner - tangent.size })
    }

    fn tangent(&mut self, rise: f64) -> (Tangent, f64) {
        let Margin { size, impact, slope } = self.depth.at(rise, self.pools);
        let fixed = (self.costs.fixed + impact - size * slope).max(0.0);
        (Tangent { costs: Costs { fixed, proportional: self.costs.proportional + slope }, size }, rise)
    }
}

/// Where the line through both points meets zero.
fn secant(one: Point, other: Point) -> f64 {
    let slope = (other.missing - one.missing) / (other.rise - one.rise);
    if slope < 0.0 { one.rise - one.missing / slope } else { one.rise }
}
