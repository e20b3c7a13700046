//! The pools of a policy, as deep as the setting says: trades move them, and arbitrage brings them back.

use std::collections::VecDeque;

use alloy::primitives::{Address, U256};
use rust_decimal::Decimal;

use super::pair::Pair;
use super::setting::{Arbitrage, Concentrated, Pools as Rule};
use super::struck::{struck, thinned};
use crate::backtest::BacktestError;
use crate::backtest::market::{ASSET, RISKY};
use crate::domain::policy::{Policy, Source, VenuePolicy};
use crate::domain::snapshot::{Observations, Pool, Twap};
use crate::domain::units::{from_real, to_raw, to_real};
use crate::domain::venues::{uniswap_v2, uniswap_v3};

/// The tick range of a v3 pool's integers.
const WHOLE: uniswap_v3::Window = uniswap_v3::Window { lower: -887_272, upper: 887_272 };
/// Part of a pool's price that a hundredth of a basis point is.
const PIP: f64 = 1e-6;
/// `√1.01 − 1`: what a root of a price moves by where the price moves by 1 %.
const HUNDREDTH: f64 = 0.004_987_562_112_089_03;
/// Raw units of the asset in one.
const ASSET_UNIT: f64 = 1e6;

/// The pools of one policy.
#[derive(Debug, Clone)]
pub(super) struct Pools {
    rule: Rule,
    pair: Pair,
    /// Liquidity around the price, raw.
    liquidity: u128,
    /// Centre of concentrated liquidity, a tick.
    centre: i32,
    /// What each pool knows of its past, in their order.
    pasts: Vec<Known>,
}

/// What a pool knows of its past.
#[derive(Debug, Clone, Default)]
struct Known {
    twap: Option<Averaged>,
    observed: Option<Averaged>,
}

/// Ticks of the past, of which a pool tells means.
#[derive(Debug, Clone)]
struct Averaged {
    /// Seconds between two points that are asked for, and how many of them beside the last.
    step: u32,
    points: u32,
    /// Times with the tick times seconds up to them.
    past: VecDeque<(u64, i64)>,
}

impl Pools {
    /// The pools of `policy` in a vault that is made up, at a first price, USD.
    ///
    /// # Errors
    /// [`BacktestError::Number`] for a price or depth out of range.
    pub(super) fn made_up(
        rule: Rule,
        pair: Pair,
        policy: &Policy,
        (price, time): (f64, u64),
    ) -> Result<(Self, Vec<Pool>), BacktestError> {
        let root = libm::sqrt(price) * 1e-6;
        let liquidity = to_real(rule.depth) * ASSET_UNIT / (HUNDREDTH * root);
        let liquidity = to_raw(from_real(liquidity.floor(), 0)?, 0)?;
        let liquidity =
            u128::try_from(liquidity).map_err(|_| BacktestError::Number("the depth of a pool"))?;
        let mut pools = Self { rule, pair, liquidity, centre: 0, pasts: Vec::new() };
        let sqrt_price = pair.sqrt_price(price)?;
        let made = policy.venues.iter().map(|venue| pools.pool(venue, sqrt_price));
        let mut made: Vec<Pool> = made.collect::<Result<_, _>>()?;
        let observed = match policy.volatility.source {
            Source::Pool { step_seconds } => {
                let rounds = policy.volatility.estimator.history().map_or(0, |history| history.rounds);
                Some((step_seconds, rounds.saturating_sub(1)))
            }
            Source::Feed => None,
        };
        pools.pasts.extend(made.iter().map(|pool| {
            let Some(tick) = tick(pool) else { return Known::default() };
            let since = |step, points| Averaged::since(step, points, (time, tick));
            let twap = policy.limits.twap.as_ref().map(|rule| since(rule.window_seconds, 1));
            Known { twap, observed: observed.map(|(step, points)| since(step, points)) }
        }));
        pools.tell(&mut made, time);
        Ok((pools, made))
    }

    /// Those that were read at `time`, with the liquidity that they have.
    pub(super) fn standing(rule: &Rule, pair: Pair, read: &[Pool], time: u64) -> Self {
        let pasts = read.iter().map(|pool| match pool {
            Pool::UniswapV3 { twap, observations, .. } => Known {
                twap: twap.map(|twap| Averaged::meant(twap, time)),
                observed: observations.as_ref().map(|seen| Averaged::seen(seen, time)),
            },
            Pool::UniswapV2 { .. } => Known::default(),
        });
        // Liquidity that was read stays where it is.
        let rule = Rule { concentrated: None, ..rule.clone() };
        Self { rule, pair, liquidity: 0, centre: 0, pasts: pasts.collect() }
    }

    fn pool(&mut self, venue: &VenuePolicy, sqrt_price: U256) -> Result<Pool, BacktestError> {
        match venue {
            VenuePolicy::UniswapV3 { pool, .. } => {
                let state = self.concentrated(*pool, sqrt_price)?;
                Ok(Pool::UniswapV3 { state, twap: None, observations: None })
            }
            VenuePolicy::UniswapV2 { pair } => {
                let far = uniswap_v2::Pool {
                    address: *pair,
                    token0: RISKY,
                    token1: ASSET,
                    reserve0: self.liquidity,
                    reserve1: self.liquidity,
                };
                let state =
                    far.moved_to(sqrt_price).ok_or(BacktestError::Number("the reserves of a pair"))?;
                Ok(Pool::UniswapV2 { state })
            }
        }
    }

    /// A v3 pool with its liquidity around this price.
    fn concentrated(
        &mut self,
        address: Address,
        sqrt_price: U256,
    ) -> Result<uniswap_v3::Pool, BacktestError> {
        let tick_spacing = spacing(self.rule.fee_pips);
        let beyond = self.rule.concentrated.map_or(self.liquidity, |rule| self.part(rule));
        let end = WHOLE.upper.saturating_sub(WHOLE.upper.checked_rem(tick_spacing).unwrap_or_default());
        let begins = |index, liquidity: u128, sign: i128| uniswap_v3::Tick {
            index,
            liquidity_net: liquidity.cast_signed().saturating_mul(sign),
            liquidity_gross: liquidity,
        };
        let empty = uniswap_v3::Pool {
            address,
            token0: RISKY,
            token1: ASSET,
            fee: self.rule.fee_pips,
            tick_spacing,
            sqrt_price_x96: uniswap_v3::sqrt_price_at_tick(0).unwrap_or_default(),
            tick: 0,
            liquidity: beyond,
            window: WHOLE,
            ticks: vec![begins(end.saturating_neg(), beyond, 1), begins(end, beyond, -1)],
        };
        let moved = |pool: &uniswap_v3::Pool| {
            pool.moved_to(sqrt_price).ok_or(BacktestError::Number("a pool's price"))
        };
        let mut pool = moved(&empty)?;
        let Some(rule) = self.rule.concentrated else { return Ok(pool) };
        self.centre = pool.tick;
        let half = ticks_of(rule.within_bps);
        let on = |tick: i32| tick.div_euclid(tick_spacing).saturating_mul(tick_spacing);
        let (lower, upper) = (
            on(pool.tick.saturating_sub(half)),
            on(pool.tick.saturating_add(half)).saturating_add(tick_spacing),
        );
        let within = self.liquidity.saturating_sub(beyond);
        pool.ticks.insert(1, begins(lower, within, 1));
        pool.ticks.insert(2, begins(upper, within, -1));
        pool.liquidity = self.liquidity;
        Ok(pool)
    }

    fn part(&self, rule: Concentrated) -> u128 {
        let whole = Decimal::from(self.liquidity);
        let part = whole.checked_mul(rule.beyond).and_then(|part| u128::try_from(part.floor()).ok());
        part.unwrap_or(self.liquidity).max(1)
    }

    /// Brings the pools to where arbitrage leaves them at the market's `reference` price, USD, and lets them tell their means at
    /// `time`.
    ///
    /// # Errors
    /// [`BacktestError::Number`] for a price out of range.
    pub(super) fn follow(
        &mut self,
        pools: &mut [Pool],
        (reference, time): (Decimal, u64),
    ) -> Result<(), BacktestError> {
        self.remember(pools, time);
        for pool in &mut *pools {
            match pool {
                Pool::UniswapV3 { state, .. } => self.arbitrage_v3(state, reference)?,
                Pool::UniswapV2 { state } => self.arbitrage_v2(state, reference)?,
            }
        }
        self.tell(pools, time);
        Ok(())
    }

    /// All of them move to `kept` of their prices at once, and keep `depth` of their liquidity.
    ///
    /// # Errors
    /// [`BacktestError::Number`] beyond what is known of a pool.
    pub(super) fn strike(
        &mut self,
        pools: &mut [Pool],
        (kept, depth): (Decimal, Decimal),
        time: u64,
    ) -> Result<(), BacktestError> {
        self.remember(pools, time);
        for pool in &mut *pools {
            let struck = struck(pool, kept, self.pair.risky_is_token0);
            let struck = struck.and_then(|pool| thinned(&pool, depth));
            *pool = struck.ok_or(BacktestError::Number("a pool's price, or what is known of the pool,"))?;
        }
        self.tell(pools, time);
        Ok(())
    }

    fn arbitrage_v3(
        &mut self,
        state: &mut uniswap_v3::Pool,
        reference: Decimal,
    ) -> Result<(), BacktestError> {
        let root = libm::ldexp(f64::from(state.sqrt_price_x96), -96);
        let Some(sqrt_price) = self.aimed(root, reference, state.fee)? else { return Ok(()) };
        *state = state.moved_to(sqrt_price).ok_or(BacktestError::Number("a pool's price"))?;
        if let Some(rule) = self.rule.concentrated
            && state.tick.abs_diff(self.centre) > ticks_of(rule.within_bps).unsigned_abs() / 2
        {
            *state = self.concentrated(state.address, sqrt_price)?;
        }
        Ok(())
    }

    fn arbitrage_v2(&self, state: &mut uniswap_v2::Pool, reference: Decimal) -> Result<(), BacktestError> {
        let root = libm::sqrt(to_f64(state.reserve1) / to_f64(state.reserve0));
        let Some(sqrt_price) = self.aimed(root, reference, uniswap_v2::FEE)? else { return Ok(()) };
        *state = state.moved_to(sqrt_price).ok_or(BacktestError::Number("the reserves of a pair"))?;
        Ok(())
    }

    /// The root that arbitrage brings a pool to that stands at the raw root `root`, times 2^96.
    fn aimed(&self, root: f64, reference: Decimal, fee: u32) -> Result<Option<U256>, BacktestError> {
        match self.rule.arbitrage {
            Arbitrage::Exact => self.pair.exact_sqrt_price(reference).map(Some),
            Arbitrage::WithinFee => {
                let price = aimed(self.pair.price(root), to_real(reference), f64::from(fee) * PIP);
                price.map(|price| self.pair.sqrt_price(price)).transpose()
            }
        }
    }

    /// Adds the time that each pool stood at its tick.
    fn remember(&mut self, pools: &[Pool], time: u64) {
        for (known, pool) in self.pasts.iter_mut().zip(pools) {
            let Some(tick) = tick(pool) else { continue };
            for averaged in [&mut known.twap, &mut known.observed].into_iter().flatten() {
                averaged.stood(tick, time);
            }
        }
    }

    fn tell(&self, pools: &mut [Pool], time: u64) {
        for (known, pool) in self.pasts.iter().zip(pools) {
            let Pool::UniswapV3 { state, twap, observations } = pool else { continue };
            *twap = known.twap.as_ref().map(|averaged| averaged.mean(state.tick, time));
            *observations = known.observed.as_ref().map(|averaged| averaged.grid(state.tick, time));
        }
    }
}

impl Averaged {
    /// Of a pool that has stood at its tick for as long as is asked for.
    fn since(step: u32, points: u32, (time, tick): (u64, i32)) -> Self {
        let mut averaged = Self { step, points, past: VecDeque::new() };
        let span = averaged.reach().saturating_add(1);
        averaged.past.extend([(time.saturating_sub(span), 0), (time, grown(0, tick, span))]);
        averaged
    }

    /// Of a pool that said its mean tick at `time`.
    fn meant(twap: Twap, time: u64) -> Self {
        let from = time.saturating_sub(twap.window_seconds.into());
        let past = [(from, 0), (time, grown(0, twap.mean_tick, twap.window_seconds.into()))];
        Self { step: twap.window_seconds, points: 1, past: VecDeque::from(past) }
    }

    /// Of a pool that told its observations up to `time`.
    fn seen(seen: &Observations, time: u64) -> Self {
        let back = (0_u64..).map(|steps| time.saturating_sub(steps.saturating_mul(seen.step_seconds.into())));
        let mut past: VecDeque<_> =
            back.zip(seen.tick_cumulatives.iter().rev()).map(|(at, sum)| (at, *sum)).collect();
        past.make_contiguous().reverse();
        let points = u32::try_from(past.len()).unwrap_or(u32::MAX).saturating_sub(1);
        Self { step: seen.step_seconds, points, past }
    }

    fn reach(&self) -> u64 {
        u64::from(self.step).saturating_mul(self.points.into())
    }

    fn stood(&mut self, tick: i32, time: u64) {
        let Some((last, sum)) = self.past.back().copied() else { return };
        if time <= last {
            return;
        }
        self.past.push_back((time, grown(sum, tick, time.saturating_sub(last))));
        let needed = time.saturating_sub(self.reach());
        while self.past.get(1).is_some_and(|(second, _)| *second <= needed) {
            self.past.pop_front();
        }
    }

    /// Tick times seconds up to `time`; since the last point the pool is `standing` at its tick.
    fn cumulative(&self, time: u64, standing: i32) -> i64 {
        let known = self.past.partition_point(|(at, _)| *at <= time);
        let (before, after) =
            (known.checked_sub(1).and_then(|last| self.past.get(last)), self.past.get(known));
        match (before.copied(), after.copied()) {
            (Some(before), Some(after)) => part(before, after, time),
            (Some((at, sum)), None) => grown(sum, standing, time.saturating_sub(at)),
            (None, first) => first.map_or(0, |(_, sum)| sum),
        }
    }

    fn mean(&self, standing: i32, time: u64) -> Twap {
        let from = time.saturating_sub(self.step.into());
        let moved = self.cumulative(time, standing).saturating_sub(self.cumulative(from, standing));
        let mean = moved.checked_div_euclid(self.step.into()).unwrap_or_default();
        Twap { window_seconds: self.step, mean_tick: i32::try_from(mean).unwrap_or(standing) }
    }

    fn grid(&self, standing: i32, time: u64) -> Observations {
        let back = (0..=self.points).rev();
        let at = |steps: u32| time.saturating_sub(u64::from(self.step).saturating_mul(steps.into()));
        let tick_cumulatives = back.map(|steps| self.cumulative(at(steps), standing)).collect();
        Observations { step_seconds: self.step, tick_cumulatives }
    }
}

/// The tick of a v3 pool.
const fn tick(pool: &Pool) -> Option<i32> {
    match pool {
        Pool::UniswapV3 { state, .. } => Some(state.tick),
        Pool::UniswapV2 { .. } => None,
    }
}

fn grown(sum: i64, tick: i32, seconds: u64) -> i64 {
    sum.saturating_add(i64::from(tick).saturating_mul(i64::try_from(seconds).unwrap_or(i64::MAX)))
}

/// On the straight line from one sum to a later one.
fn part((at, sum): (u64, i64), (end, whole): (u64, i64), time: u64) -> i64 {
    let share = |seconds: u64| i128::from(seconds);
    let moved =
        i128::from(whole).saturating_sub(i128::from(sum)).saturating_mul(share(time.saturating_sub(at)));
    let moved = moved.checked_div_euclid(share(end.saturating_sub(at))).unwrap_or_default();
    sum.saturating_add(i64::try_from(moved).unwrap_or_default())
}

/// The price to which arbitrage brings a pool at `price`; nothing where its fee takes more than it brings.
fn aimed(price: f64, reference: f64, fee: f64) -> Option<f64> {
    let (low, high) = (reference * (1.0 - fee), reference / (1.0 - fee));
    if price < low {
        Some(low)
    } else if price > high {
        Some(high)
    } else {
        None
    }
}

/// Ticks of a relative distance: one is a basis point.
#[expect(clippy::cast_possible_truncation, reason = "at most ln(1.9)/ln(1.0001)")]
fn ticks_of(bps: u32) -> i32 {
    (libm::log1p(f64::from(bps) * 1e-4) / libm::log1p(1e-4)) as i32
}

/// Tick spacing that Uniswap's factory has for a fee.
const fn spacing(fee_pips: u32) -> i32 {
    match fee_pips {
        0..=100 => 1,
        101..=500 => 10,
        501..=3_000 => 60,
        _ => 200,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a price needs no more")]
const fn to_f64(reserve: u128) -> f64 {
    reserve as f64
}
