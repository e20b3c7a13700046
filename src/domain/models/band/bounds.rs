//! Between what the outer edge of a band lies, without solving for it.
//!
//! Let `d = Y − y₀`, `p = Y + y₀`, and `F′ + κ′·z` the tangent that the band is made for (see [`super::Tangent`]). The two
//! conditions of the band are `d³·p = 4F′/B` and `p·(p² − d²) = 4κ′/B`, so that `d·p³ = 4·(F′ + κ′·d)/B`. Impact only adds
//! to cost, so `F′ + κ′·d ≥ F + κ·d`, and with `2Y = p + d`
//!
//! ```text
//! Y ≥ ½·min_d (d + (4·(F/d + κ)/B)^⅓) ≥ max((κ/2B)^⅓, 2·3^(−¾)·(4F/B)^¼)
//! ```
//!
//! A tangent's fixed part never exceeds the fixed cost, so `d⁴ ≤ d³·p ≤ 4F/B = D⁴`: no trade of the band is larger than `D`,
//! and `κ′` at most what the last unit of such a trade costs. With that `p³ = 4κ′/B + p·d² ≤ 4κ′/B + p·D²`, so one of the
//! two is at least half of it:
//!
//! ```text
//! Y ≤ p ≤ max((8κ′/B)^⅓, √2·D)
//! ```

use super::{Costs, Drift, MONITORING_SHIFT};
use crate::domain::venues::near::Near;

/// Costs of a trade without its impact, and the drift that it ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OuterBounds {
    /// `F` and `κ` of the first unit.
    pub costs: Costs,
    /// The least that `s²` may be, and the most that `c` may be, above 0.
    pub slow: Drift,
    /// The most that `s²` may be, and the least that `c` may be, above 0.
    pub fast: Drift,
}

/// `2·3^(−¾)`, and less.
const OF_FIXED: f64 = 0.877;
/// What the rounding of a band, and the last step of the search for its tangent, cannot bridge.
const SLACK: f64 = 1e-3;
/// Numbers that are no further from one lose nothing in products of a few of them.
const SANE: core::ops::Range<f64> = 1e-40..1e40;

impl OuterBounds {
    /// A width that the outer edge is surely above, units, for a keeper that decides every `interval_years`; `None` where the
    /// numbers are too far from each other to say.
    #[must_use]
    pub fn least(&self, interval_years: f64) -> Option<f64> {
        let (fixed, proportional) = widths(self.costs, self.slow, 1.0)?;
        let shift = MONITORING_SHIFT * libm::sqrt(self.fast.variance_rate) * libm::sqrt(interval_years);
        let least = libm::cbrt(proportional / 8.0).max(OF_FIXED * libm::sqrt(libm::sqrt(fixed)));
        Some((1.0 - SLACK) * least - (1.0 + SLACK) * shift)
    }

    /// A width that it is surely below, units, where all costs count `margin` times or once and prices give way as those of pools
    /// that are `near`; `None` where the liquidity of the best pool may end too soon to say, or the numbers are too far from each
    /// other.
    #[must_use]
    pub fn most(&self, margin: f64, near: Option<Near>) -> Option<f64> {
        let (margin, mut costs) = (margin.max(1.0), self.costs);
        if let Some(near) = near {
            costs.fixed += near.further;
            let largest = widths(costs, self.fast, 1.0).map(|(fixed, _)| libm::sqrt(libm::sqrt(fixed)))?;
            costs.proportional += near.slope_within(largest * (1.0 + SLACK))?;
        }
        let (fixed, proportional) = widths(costs, self.fast, margin)?;
        let most =
            libm::cbrt(2.0 * proportional).max(core::f64::consts::SQRT_2 * libm::sqrt(libm::sqrt(fixed)));
        Some((1.0 + SLACK) * most)
    }
}

/// `4F/B` in units⁴ and `4κ/B` in units³.
fn widths(costs: Costs, drift: Drift, margin: f64) -> Option<(f64, f64)> {
    let (Costs { fixed, proportional }, Drift { variance_rate, penalty }) = (costs, drift);
    let sane = |number: f64| number == 0.0 || SANE.contains(&number);
    let all = [fixed, proportional, margin].into_iter().all(sane) && SANE.contains(&penalty);
    let pace = 6.0 * margin * variance_rate / penalty;
    (all && variance_rate < SANE.end).then_some((pace * fixed, pace * proportional))
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "test arithmetic within known bounds")]
mod tests {
    use alloy::primitives::{Address, U256};
    use proptest::prelude::*;

    use super::super::super::testing::fixed_seed;
    use super::super::{Band, Tangent};
    use super::*;
    use crate::domain::venues::curve::Curve;
    use crate::domain::venues::depth::{Depth, Way};
    use crate::domain::venues::uniswap_v2;
    use crate::domain::venues::uniswap_v3::{self, Tick, Window, sqrt_price_at_tick};

    fn pair(whole: u128) -> uniswap_v2::Pool {
        let (token0, token1) = (Address::with_last_byte(1), Address::with_last_byte(2));
        let reserve = whole * 10_u128.pow(18);
        let address = Address::with_last_byte(3);
        uniswap_v2::Pool { address, token0, token1, reserve0: reserve, reserve1: 2_000 * reserve }
    }

    /// A pool at a price of 2,000 whose liquidity ends `half` ticks away, and then is a tenth.
    fn concentrated(liquidity: u128, half: i32) -> uniswap_v3::Pool {
        let middle = 76_020;
        let tick = |index, liquidity_net: i128| Tick {
            index,
            liquidity_net,
            liquidity_gross: liquidity_net.unsigned_abs(),
        };
        let (all, wide) = (liquidity.cast_signed(), (liquidity / 10).cast_signed());
        uniswap_v3::Pool {
            address: Address::with_last_byte(4),
            token0: Address::with_last_byte(1),
            token1: Address::with_last_byte(2),
            fee: 500,
            tick_spacing: 60,
            sqrt_price_x96: sqrt_price_at_tick(middle).unwrap() + U256::from(12_345),
            tick: middle,
            liquidity,
            window: Window { lower: middle - 30_720, upper: middle + 30_660 },
            ticks: vec![
                tick(middle - 24_000, wide),
                tick(middle - half, all - wide),
                tick(middle + half, wide - all),
                tick(middle + 24_000, -wide),
            ],
        }
    }

    proptest! {
        #![proptest_config(fixed_seed())]

        #[test]
        fn the_outer_edge_lies_between_its_bounds(
            (fixed, proportional) in (-4.0..4.0_f64, -3.0..2.0_f64),
            (rate, penalty) in (prop_oneof![-12.0..8.0_f64, -200.0..-12.0_f64], -9.0..3.0_f64),
            (whole, bits, half) in (10_u128..10_000_000, 66_u32..90, 1_i32..40),
            (sell, margin, further, interval) in (any::<bool>(), 1.0..3.0_f64, 0.0..50.0_f64, prop_oneof![Just(0.0), 0.0..1e-3_f64]),
        ) {
            let ten = |power: f64| libm::pow(10.0, power);
            let costs = Costs { fixed: ten(fixed), proportional: ten(proportional) };
            let drift = Drift { variance_rate: ten(rate), penalty: ten(penalty) };
            let (pair, pool) = (pair(whole), concentrated(1 << bits, half * 60));
            let v2 = Curve::UniswapV2(pair.quoter().unwrap());
            let v3 = Curve::UniswapV3(pool.quoter().unwrap());
            let way = Way { zero_for_one: sell, sell, decimals: (18, 18) };
            for curves in [vec![v2], vec![v3], vec![v2, v3]] {
                let depth = || Depth::of(&curves, way, further).unwrap();
                let tangent = Tangent::find(costs, drift, &mut depth()).unwrap();
                let outer = |margin: f64| {
                    let Costs { fixed, proportional } = tangent.costs;
                    let costs = Costs { fixed: margin * fixed, proportional: margin * proportional };
                    Band::solve(costs, drift).unwrap()
                };
                let bounds = OuterBounds { costs, slow: drift, fast: drift };
                let seldom = outer(1.0).with_interval(interval).unwrap().outer;
                let least = bounds.least(interval).unwrap();
                prop_assert!(least <= seldom, "{least} above {seldom}");
                let near = Near::of(&curves, way, further).unwrap();
                if let Some(most) = bounds.most(margin, Some(near)) {
                    prop_assert!(most >= outer(margin).outer, "{most} below {:?}", outer(margin));
                }
            }
        }
    }

    #[test]
    fn without_impact_the_bounds_are_near() {
        let drift = Drift { variance_rate: 4.0, penalty: 3.0 };
        for (fixed, proportional, least, most) in
            [(0.5, 0.0, 0.876, 1.416), (0.0, 0.1, 0.999, 2.522), (0.5, 0.1, 0.848, 1.371)]
        {
            let costs = Costs { fixed, proportional };
            let outer = Band::solve(costs, drift).unwrap().outer;
            let bounds = OuterBounds { costs, slow: drift, fast: drift };
            let (low, high) = (bounds.least(0.0).unwrap() / outer, bounds.most(1.0, None).unwrap() / outer);
            assert!((low - least).abs() < 0.002 && (high - most).abs() < 0.01, "{low} {high} at {costs:?}");
        }
    }

    #[test]
    fn where_the_numbers_are_too_far_apart_nothing_is_said() {
        let bounds = |fixed, variance_rate, penalty| {
            let drift = Drift { variance_rate, penalty };
            OuterBounds { costs: Costs { fixed, proportional: 1.0 }, slow: drift, fast: drift }
        };
        assert!(
            bounds(1.0, 1.0, 1.0).least(0.0).is_some() && bounds(0.0, 0.0, 1.0).most(1.0, None).is_some()
        );
        for odd in [
            bounds(1e41, 1.0, 1.0),
            bounds(1.0, 1e41, 1.0),
            bounds(1.0, 1.0, 1e-41),
            bounds(f64::NAN, 1.0, 1.0),
        ] {
            assert_eq!((odd.least(0.0), odd.most(1.0, None)), (None, None));
        }
    }
}
