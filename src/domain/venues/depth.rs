//! How far prices give way: the depth of several pools together, for what a trade costs at its margin.
//!
//! Between two ticks a pool takes and pays as its level says (see [`Stretch`]), so what a trade of the pools together
//! loses beyond the price of its first unit is known in closed form at every level, without a quote. It is floating
//! point and serves the model of the band alone; what is traded is quoted in exact integers.

use super::curve::{Curve, Stretches};
use super::stretch::Stretch;

/// Which way a trade goes, and what its raw units are.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    /// Whether token0 is given.
    pub zero_for_one: bool,
    /// Whether the token given is the risky one.
    pub sell: bool,
    /// Decimal places of the risky token and of the asset.
    pub decimals: (u8, u8),
}

/// The pools of a market in the order in which a trade of one direction begins to use them.
#[derive(Debug, Clone)]
pub struct Depth<'a> {
    lanes: Vec<Lane<'a>>,
    /// Level of the first unit, `u₀`.
    begin: f64,
    sell: bool,
    /// Whole risky tokens, and whole asset tokens, of one raw unit.
    scales: (f64, f64),
    /// Cost of each swap after the first, units of the asset.
    per_swap: f64,
}

/// One pool, as far as it was looked at.
#[derive(Debug, Clone)]
struct Lane<'a> {
    known: Vec<Stretch>,
    rest: Stretches<'a>,
}

/// A trade that ends at one level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Margin {
    /// Risky units that change hands.
    pub size: f64,
    /// What it loses beyond `size` times the price of the first unit, units of the asset.
    pub impact: f64,
    /// What one more unit loses beyond that price, units of the asset.
    pub slope: f64,
}

impl<'a> Depth<'a> {
    /// Of `curves`, for trades that go one `way`; `per_swap` in units of the asset. `None` where nothing is known of any
    /// of them.
    #[must_use]
    pub fn of(curves: &[Curve<'a>], way: Way, per_swap: f64) -> Option<Self> {
        let stretches = curves.iter().map(|curve| curve.stretches(way.zero_for_one));
        let mut lanes: Vec<Lane<'a>> = stretches.filter_map(Lane::new).collect();
        lanes.sort_by(|one, other| one.begin().total_cmp(&other.begin()));
        let begin = lanes.first()?.begin();
        let (risky, asset) = way.decimals;
        Some(Self { lanes, begin, sell: way.sell, scales: (one_raw(risky), one_raw(asset)), per_swap })
    }

    /// How many pools there are.
    #[must_use]
    pub const fn pools(&self) -> usize {
        self.lanes.len()
    }

    /// What `pools` of them cost in gas beyond one, units of the asset.
    #[must_use]
    pub fn further(&self, pools: usize) -> f64 {
        let further = u32::try_from(pools.saturating_sub(1)).unwrap_or(u32::MAX);
        self.per_swap * f64::from(further)
    }

    /// The rise of the level at which the first `pools` are all in use; infinite where there are fewer.
    #[must_use]
    pub fn joins(&self, pools: usize) -> f64 {
        let last = pools.checked_sub(1).and_then(|at| self.lanes.get(at));
        last.map_or(f64::INFINITY, |lane| lane.begin() - self.begin)
    }

    /// The rise of the level that `size` units need if the best pool's depth never changes.
    #[must_use]
    pub fn rise_for(&self, size: f64) -> f64 {
        let raw = size / self.scales.0;
        let depth = self.lanes.first().and_then(|lane| lane.known.first()).map_or(0.0, |first| first.depth);
        if self.sell {
            return raw / depth;
        }
        let part = self.begin * raw / depth;
        if part < 0.5 { self.begin * part / (1.0 - part) } else { self.begin }
    }

    /// The trade of the first `pools` that ends where the level has risen by `rise`. Behind the end of what is known no
    /// unit more can be had; what one would cost rises on without bound.
    pub fn at(&mut self, rise: f64, pools: usize) -> Margin {
        let (begin, end) = (self.begin, self.begin + rise);
        let (mut given, mut received, mut lost) = (0.0, 0.0, 0.0);
        let mut known = begin;
        for lane in self.lanes.iter_mut().take(pools) {
            known = lane.look_to(end).max(known);
            for stretch in lane.known.iter().take_while(|stretch| stretch.from - begin < rise) {
                // Rises are figures of their own: beside the level a small one would lose its digits.
                let (below, above) = (stretch.from - begin, rise.min(stretch.to - begin));
                let (from, to) = (stretch.from, begin + above);
                let part = stretch.depth * (above - below);
                // from·to − u₀², free of cancellation.
                let beyond = below * to + begin * above;
                given += part;
                received += part / (from * to);
                lost += part * beyond / (from * to);
            }
        }
        let square = begin * begin;
        let (risky, asset) = self.scales;
        // Price of the first unit, and by how much of it the price has changed.
        let first = asset / risky * if self.sell { 1.0 / square } else { square };
        let above = rise.min(known - begin);
        let reached = begin + above;
        let change = above * (begin + reached) / if self.sell { reached * reached } else { square };
        let slope = first * (change + (rise - above) / begin);
        if self.sell {
            Margin { size: given * risky, impact: lost / square * asset, slope }
        } else {
            Margin { size: received * risky, impact: lost * asset, slope }
        }
    }
}

impl<'a> Lane<'a> {
    fn new(mut rest: Stretches<'a>) -> Option<Self> {
        let first = rest.next()?;
        Some(Self { known: vec![first], rest })
    }

    fn begin(&self) -> f64 {
        self.known.first().map_or(f64::INFINITY, |first| first.from)
    }

    /// Looks at the pool up to `level`, and returns to where it is known.
    fn look_to(&mut self, level: f64) -> f64 {
        let end = |known: &[Stretch]| known.last().map_or(0.0, |last| last.to);
        while end(&self.known) < level
            && let Some(next) = self.rest.next()
        {
            self.known.push(next);
        }
        end(&self.known)
    }
}

/// Whole tokens of one raw unit.
pub(super) fn one_raw(decimals: u8) -> f64 {
    // Exact to 10^22.
    1.0 / (0..decimals).fold(1.0, |power, _| power * 10.0)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "test arithmetic within known bounds")]
mod tests {
    use std::cell::Cell;

    use alloy::primitives::{Address, U256};
    use proptest::prelude::*;
    use proptest::test_runner::{RngSeed, TestRunner};

    use super::super::near::Near;
    use super::super::uniswap_v3::{Tick, Window, sqrt_price_at_tick};
    use super::super::{uniswap_v2, uniswap_v3};
    use super::*;

    const E18: u128 = 10_u128.pow(18);

    fn pair(reserve0: u128, reserve1: u128) -> uniswap_v2::Pool {
        let (token0, token1) = (Address::with_last_byte(1), Address::with_last_byte(2));
        uniswap_v2::Pool { address: Address::with_last_byte(3), token0, token1, reserve0, reserve1 }
    }

    /// A pool at `tick` with three ranges, the widest known to its end.
    fn pool(fee: u32, tick: i32, liquidity: [u128; 3]) -> uniswap_v3::Pool {
        let middle = tick.div_euclid(60) * 60;
        let sides = [60_i32, 600, 6_000].into_iter().zip(liquidity).flat_map(|(half, liquidity)| {
            let net = i128::try_from(liquidity).unwrap();
            [(middle - half, net), (middle + half, -net)]
        });
        let mut ticks: Vec<Tick> = sides
            .map(|(index, liquidity_net)| Tick {
                index,
                liquidity_net,
                liquidity_gross: liquidity_net.unsigned_abs(),
            })
            .collect();
        ticks.sort_by_key(|tick| tick.index);
        uniswap_v3::Pool {
            address: Address::with_last_byte(4),
            token0: Address::with_last_byte(1),
            token1: Address::with_last_byte(2),
            fee,
            tick_spacing: 60,
            sqrt_price_x96: sqrt_price_at_tick(tick).unwrap(),
            tick,
            liquidity: liquidity.iter().sum(),
            window: Window { lower: middle - 30_720, upper: middle + 30_660 },
            ticks,
        }
    }

    fn raw(amount: f64) -> U256 {
        U256::try_from(libm::floor(amount)).unwrap()
    }

    /// What a trade of that size really loses beyond the price of its first unit, by exact quotes.
    fn lost(curve: &Curve<'_>, way: Way, size: f64) -> f64 {
        let square = {
            let begin = curve.stretches(way.zero_for_one).next().unwrap().from;
            begin * begin
        };
        let (risky, asset) = (one_raw(way.decimals.0), one_raw(way.decimals.1));
        if way.sell {
            let given = raw(size / risky);
            let paid = f64::from(curve.quote_exact_in(way.zero_for_one, given).unwrap().amount_out);
            (f64::from(given) / square - paid) * asset
        } else {
            let got = raw(size / risky);
            let paid = f64::from(curve.quote_exact_out(way.zero_for_one, got).unwrap().amount_in);
            (paid - f64::from(got) * square) * asset
        }
    }

    #[test]
    fn a_rise_that_is_lost_beside_the_level_still_has_its_size() {
        let pool = pool(500, -200_000, [E18, E18, E18]);
        let curve = Curve::UniswapV3(pool.quoter().unwrap());
        let way = Way { zero_for_one: true, sell: true, decimals: (18, 6) };
        let mut depth = Depth::of(&[curve], way, 0.0).unwrap();
        for size in [1e-3, 1e-30, 1e-90] {
            let found = depth.at(depth.rise_for(size), 1);
            assert!((found.size - size).abs() <= 1e-12 * size && found.slope > 0.0, "{size} {found:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 256, failure_persistence: None, rng_seed: RngSeed::Fixed(0x5eed), ..ProptestConfig::default()
        })]

        #[test]
        fn every_trade_loses_what_exact_quotes_say(
            tick in -30_000..30_000_i32,
            liquidity in prop::array::uniform3(1_000_000_u128..1_000_000_000),
            reserves in (1_000_u128..1_000_000, 1_000_u128..1_000_000),
            fee in prop_oneof![Just(100), Just(500), Just(3_000)],
            (up, sell) in any::<(bool, bool)>(),
            rise in 1e-4..0.2_f64,
        ) {
            let (pool, pair) = (pool(fee, tick, liquidity.map(|whole| whole * E18)), pair(reserves.0 * E18, reserves.1 * E18));
            for curve in [Curve::UniswapV3(pool.quoter().unwrap()), Curve::UniswapV2(pair.quoter().unwrap())] {
                let way = Way { zero_for_one: up, sell, decimals: (18, 18) };
                let mut depth = Depth::of(&[curve], way, 0.0).unwrap();
                let margin = depth.at(rise * depth.begin, 1);
                let expected = lost(&curve, way, margin.size);
                let worth = margin.size * if sell { 1.0 / (depth.begin * depth.begin) } else { depth.begin * depth.begin };
                prop_assert!((margin.impact - expected).abs() <= 1e-9 * worth, "{margin:?} {expected} of {worth}");
                // The slope is the change of the loss.
                let more = depth.at(rise * depth.begin * (1.0 + 1e-6), 1);
                let slope = (more.impact - margin.impact) / (more.size - margin.size);
                prop_assert!(more.size == margin.size || (slope / margin.slope - 1.0).abs() < 1e-2, "{slope} {margin:?}");
            }
        }

        #[test]
        fn what_is_near_gives_way_as_the_depth_does_up_to_where_that_changes(
            tick in -30_000..30_000_i32, reserves in (1_000_u128..1_000_000, 1_000_u128..1_000_000),
            (up, sell) in any::<(bool, bool)>(), size in -3.0..6.0_f64,
        ) {
            let (pool, pair) = (pool(500, tick, [E18, 20 * E18, 300 * E18].map(|whole| whole * 1_000)), pair(reserves.0 * E18, reserves.1 * E18));
            let (v3, v2) = (Curve::UniswapV3(pool.quoter().unwrap()), Curve::UniswapV2(pair.quoter().unwrap()));
            let (way, size) = (Way { zero_for_one: up, sell, decimals: (18, 18) }, libm::pow(10.0, size));
            for curves in [vec![v3], vec![v2], vec![v2, v3]] {
                let (near, mut depth) = (Near::of(&curves, way, 7.0).unwrap(), Depth::of(&curves, way, 7.0).unwrap());
                prop_assert_eq!(near.further, depth.further(depth.pools()));
                let first = depth.lanes[0].known[0];
                let rise = first.rise_for(size / one_raw(18), sell).unwrap_or(f64::INFINITY);
                let end = depth.begin + rise;
                match near.slope_within(size) {
                    Some(slope) => {
                        let there = depth.at(rise, 1).slope;
                        prop_assert!(end <= first.to && (slope - there).abs() <= 1e-9 * there, "{slope} {there}");
                    }
                    None => prop_assert!(end >= first.to * (1.0 - 1e-9), "{end} of {}", first.to),
                }
            }
        }

        #[test]
        fn more_is_dearer_and_more_pools_are_cheaper(
            reserves in prop::array::uniform3(1_000_u128..1_000_000), rise in 1e-4..0.2_f64,
        ) {
            let pairs = reserves.map(|reserve| pair(reserve * E18, 2 * reserve * E18));
            let curves = pairs.each_ref().map(|pair| Curve::UniswapV2(pair.quoter().unwrap()));
            let way = Way { zero_for_one: false, sell: true, decimals: (18, 6) };
            let mut depth = Depth::of(&curves, way, 7.0).unwrap();
            prop_assert_eq!((depth.pools(), depth.further(1), depth.further(3)), (3, 0.0, 14.0));
            let rise = rise * depth.begin;
            let each: Vec<Margin> = (1..=3).map(|pools| depth.at(rise, pools)).collect();
            prop_assert!(each.windows(2).all(|w| w[0].size < w[1].size && w[0].slope == w[1].slope), "{each:?}");
            let half = depth.at(0.5 * rise, 3);
            prop_assert!(half.size < each[2].size && half.slope < each[2].slope && half.impact < each[2].impact);
        }
    }

    /// What a pool says that giving so much brings, how far off, what an exact quote says, and what it is at the first price.
    fn sold(curve: Curve<'_>, way: Way, given: U256) -> Option<[f64; 4]> {
        let (risky, asset) = (one_raw(way.decimals.0), one_raw(way.decimals.1));
        let (proceeds, off) = Near::of(&[curve], way, 0.0)?.proceeds(f64::from(given) * risky)?;
        let exact = asset * f64::from(curve.quote_exact_in(way.zero_for_one, given).unwrap().amount_out);
        let level = curve.near(way.zero_for_one)?.from;
        Some([proceeds, off, exact, asset * f64::from(given) / (level * level)])
    }

    /// Liquidity of any size, with ticks near or with none for many words, prices far from one, tokens of few and many decimals,
    /// amounts of a few raw units and of all there is.
    #[test]
    fn what_is_sold_near_the_price_brings_what_an_exact_quote_says() {
        let config = ProptestConfig {
            cases: 4_000,
            failure_persistence: None,
            rng_seed: RngSeed::Fixed(0x5eed),
            ..ProptestConfig::default()
        };
        let pools = (-700_000..700_000_i32, 8_u32..30, prop::sample::select(vec![100, 500, 3_000, 500_000]));
        let decimals = (prop::sample::select(vec![18_u8, 8, 6]), prop::sample::select(vec![18_u8, 6]));
        let sales = (pools, (7_u32..32, 7_u32..32), decimals, any::<(bool, bool)>(), 0.0..30.0_f64);
        let counts = [0_u32; 3].map(Cell::new);
        let checked =
            TestRunner::new(config).run(&sales, |(pools, reserves, decimals, (up, empty), given)| {
                let (tick, digits, fee) = pools;
                let mut pool = pool(fee, tick, [10_u128.pow(digits); 3]);
                if empty {
                    (pool.ticks, pool.tick_spacing) = (vec![pool.ticks[0], pool.ticks[5]], 1);
                    pool.liquidity = pool.ticks[0].liquidity_gross;
                }
                let pair = pair(10_u128.pow(reserves.0), 10_u128.pow(reserves.1));
                let curves =
                    [Curve::UniswapV3(pool.quoter().unwrap()), Curve::UniswapV2(pair.quoter().unwrap())];
                let way = Way { zero_for_one: up, sell: true, decimals };
                let given = raw(libm::pow(10.0, given));
                let mut sold = curves.into_iter().filter_map(|curve| sold(curve, way, given));
                sold.try_for_each(|sold| {
                    let [proceeds, off, exact, first] = sold;
                    prop_assert!((proceeds - exact).abs() <= off && exact > 0.0, "{sold:?}");
                    let kinds = [true, off > 1e-9 * proceeds, proceeds < 0.9 * first].map(u32::from);
                    counts.iter().zip(kinds).for_each(|(count, kind)| count.set(count.get() + kind));
                    Ok(())
                })
            });
        checked.unwrap();
        assert!(counts.iter().all(|count| count.get() > 500), "{counts:?}");
    }

    #[test]
    fn behind_the_end_of_what_is_known_nothing_more_is_had_at_any_price() {
        let pool = pool(500, 0, [1_000, 1_000, 1_000].map(|whole| whole * E18));
        let curve = Curve::UniswapV3(pool.quoter().unwrap());
        for sell in [true, false] {
            let mut depth =
                Depth::of(&[curve], Way { zero_for_one: true, sell, decimals: (18, 18) }, 0.0).unwrap();
            let (near, far) = (depth.at(10.0, 1), depth.at(1_000.0, 1));
            assert_eq!((near.size, near.impact), (far.size, far.impact));
            assert!(far.slope > 90.0 * near.slope, "{near:?} {far:?}");
        }
    }
}
