//! The band under convex cost: that of the tangent to the cost at the band's own trade.
//!
//! A trade of `z` units costs `F + κ·z + I(z)` with a convex impact `I`, `I(0) = I′(0) = 0`. Every tangent
//! `F + I(x) − x·I′(x) + (κ + I′(x))·z` lies below that, so the least cost under it is a lower bound; the tangent at
//! `x = Y − y₀` of its own band touches at the only size that this band ever trades, so its policy costs what its bound
//! says and no other costs less. As `x` grows the fixed part falls and the proportional one rises, both of which narrow
//! `Y − y₀`: the root is single.

use super::super::{ModelError, in_range, non_negative};
use super::edges::Pace;
use super::{Costs, Drift, Terms};
use crate::domain::venues::depth::{Depth, Margin};

/// Where the trade of the band is this close to the tangent's size, one more step is the last: it leaves the product of
/// the last three errors.
const CLOSE: f64 = 1e-6;
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
        if costs.fixed == 0.0 {
            // Trades without end, each too small to move a price.
            return Ok(Self { costs, size: 0.0 });
        }
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

    /// The curve through the last three points, or the middle where that is not to be trusted (Chandrupatla 1997),
    /// from the secant on.
    fn narrow(&mut self, low: Point, high: Point) -> Result<(Tangent, f64), ModelError> {
        let (mut near, mut far) = (high, low);
        let secant = |near: Point, far: Point| near.missing / (near.missing - far.missing);
        let mut part = Some(secant(near, far));
        for _ in 0..STEPS {
            let rise = near.rise + part.unwrap_or(0.5) * (far.rise - near.rise);
            let next = self.point(rise)?;
            let same_side = (next.missing > 0.0) == (near.missing > 0.0);
            let oldest = if same_side { near } else { std::mem::replace(&mut far, near) };
            let stuck = rise == near.rise || rise == far.rise;
            near = next;
            part = inverse(near, far, oldest);
            if stuck || near.missing.abs() <= CLOSE * near.tangent.size {
                break;
            }
        }
        let part = part.unwrap_or_else(|| secant(near, far));
        Ok(self.tangent(near.rise + part * (far.rise - near.rise)))
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

/// Which part of the way from `near` to `far` the inverse quadratic through three points meets zero; `None` where that
/// may leave the bracket.
fn inverse(near: Point, far: Point, oldest: Point) -> Option<f64> {
    let (a, b, c) = (near.missing, far.missing, oldest.missing);
    let way = (near.rise - far.rise) / (oldest.rise - far.rise);
    let drop = (a - b) / (c - b);
    let safe = drop * drop < way && (1.0 - drop) * (1.0 - drop) < 1.0 - way;
    let quadratic = (oldest.rise - near.rise) / (far.rise - near.rise) * (a / (c - a)) * (b / (c - b));
    safe.then_some(a / (b - a) * (c / (b - c)) + quadratic)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "test arithmetic within known bounds")]
mod tests {
    use alloy::primitives::Address;
    use proptest::prelude::*;

    use super::super::super::testing::fixed_seed;
    use super::super::Band;
    use super::*;
    use crate::domain::venues::curve::Curve;
    use crate::domain::venues::depth::Way;
    use crate::domain::venues::uniswap_v2::Pool;

    fn pair(whole: u128) -> Pool {
        let (token0, token1) = (Address::with_last_byte(1), Address::with_last_byte(2));
        let reserve = whole * 10_u128.pow(18);
        Pool {
            address: Address::with_last_byte(3),
            token0,
            token1,
            reserve0: reserve,
            reserve1: 2_000 * reserve,
        }
    }

    proptest! {
        #![proptest_config(fixed_seed())]

        #[test]
        fn the_band_of_the_tangent_trades_the_size_that_it_is_tangent_at(
            (fixed, proportional) in (-4.0..4.0_f64, -3.0..2.0_f64),
            (rate, penalty) in (-6.0..8.0_f64, -9.0..3.0_f64),
            wholes in prop::array::uniform2(10_u128..10_000_000),
            sell: bool, further in 0.0..50.0_f64,
        ) {
            let ten = |power: f64| libm::pow(10.0, power);
            let costs = Costs { fixed: ten(fixed), proportional: ten(proportional) };
            let drift = Drift { variance_rate: ten(rate), penalty: ten(penalty) };
            let pairs = wholes.map(pair);
            let curves = pairs.each_ref().map(|pair| Curve::UniswapV2(pair.quoter().unwrap()));
            let way = Way { zero_for_one: sell, sell, decimals: (18, 18) };
            let mut depth = Depth::of(&curves, way, further).unwrap();
            let tangent = Tangent::find(costs, drift, &mut depth).unwrap();
            let band = Band::solve(tangent.costs, drift).unwrap();
            let traded = band.outer - band.inner;
            prop_assert!((traded - tangent.size).abs() <= 1e-8 * band.outer, "{tangent:?} {band:?}");
            prop_assert!((0.0..=costs.fixed + further).contains(&tangent.costs.fixed), "{tangent:?}");
            prop_assert!(tangent.costs.proportional >= costs.proportional, "{tangent:?}");
            // What a trade really costs is never below the tangent, and neither is then the cost per year.
            let linear = Band::solve(costs, drift).unwrap();
            prop_assert!(band.cost_rate >= linear.cost_rate * (1.0 - 1e-9), "{band:?} {linear:?}");
        }
    }

    #[test]
    fn without_gas_or_diffusion_there_is_no_size_and_the_cost_is_that_of_the_first_unit() {
        let pair = pair(1_000);
        let curve = Curve::UniswapV2(pair.quoter().unwrap());
        let way = Way { zero_for_one: true, sell: true, decimals: (18, 18) };
        let mut depth = Depth::of(&[curve], way, 0.0).unwrap();
        for (fixed, variance_rate) in [(0.0, 1.0), (5.0, 0.0), (0.0, 0.0)] {
            let costs = Costs { fixed, proportional: 0.1 };
            let tangent = Tangent::find(costs, Drift { variance_rate, penalty: 1.0 }, &mut depth).unwrap();
            assert_eq!((tangent.size, tangent.costs), (0.0, costs));
        }
    }
}
