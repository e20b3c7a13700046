//! A pool's liquidity from its price to the end of what is known, as stretches.

use alloy::primitives::U256;
use libm::sqrt;

use super::{CLEAR, PIPS, Pool, TWO_POW_96, Tick, root_at, sqrt_price_at_tick};
use crate::domain::venues::stretch::Stretch;

/// The stretches of a pool in the order in which a trade goes through them. Asking for the next one computes one tick's
/// price, so a trade that stays near the price looks at no other tick.
#[derive(Debug, Clone)]
pub struct Stretches<'a> {
    zero_for_one: bool,
    /// Square root of what the fee leaves of one.
    kept: f64,
    /// Level reached.
    level: f64,
    liquidity: u128,
    /// Ticks ahead, ascending.
    ahead: &'a [Tick],
    /// The last tick that is known.
    end: i32,
    over: bool,
}

impl<'a> Stretches<'a> {
    pub(super) fn of(pool: &'a Pool, zero_for_one: bool) -> Self {
        let (below, above) = pool.ticks.split_at(pool.ticks.partition_point(|t| t.index <= pool.tick));
        let (ahead, end) = if zero_for_one {
            (below, pool.window.lower)
        } else {
            // As in the swap: a trade moves from tick to tick of the spacing.
            let over = pool.window.upper.checked_rem_euclid(pool.tick_spacing).unwrap_or_default();
            (above, pool.window.upper.saturating_sub(over))
        };
        let kept = sqrt(1.0 - f64::from(pool.fee) / f64::from(PIPS));
        let mut stretches =
            Self { zero_for_one, kept, level: 0.0, liquidity: pool.liquidity, ahead, end, over: false };
        stretches.level = stretches.level_of(pool.sqrt_price_x96);
        stretches
    }

    /// The first of them, up to where it surely reaches; `None` where there is no liquidity at the price.
    pub(in crate::domain::venues) fn near(&self) -> Option<Stretch> {
        let next = if self.zero_for_one { self.ahead.last() } else { self.ahead.first() };
        let edge = root_at(next.map_or(self.end, |tick| tick.index).into());
        let (from, to) = (self.level, self.level_at(edge) * (1.0 - CLEAR));
        (self.liquidity > 0 && to > from).then(|| Stretch { from, to, depth: self.depth() })
    }

    fn depth(&self) -> f64 {
        f64::from(U256::from(self.liquidity)) / self.kept
    }

    fn level_of(&self, sqrt_price_x96: U256) -> f64 {
        self.level_at(f64::from(sqrt_price_x96) / TWO_POW_96)
    }

    fn level_at(&self, root: f64) -> f64 {
        if self.zero_for_one { 1.0 / (root * self.kept) } else { root / self.kept }
    }

    fn take_tick(&mut self) -> Option<&'a Tick> {
        let taken = if self.zero_for_one { self.ahead.split_last() } else { self.ahead.split_first() };
        let (tick, rest) = taken?;
        self.ahead = rest;
        Some(tick)
    }

    /// Liquidity behind `tick`; `None` where it is not known or does not add up.
    fn behind(&self, tick: &Tick) -> Option<u128> {
        let net = if self.zero_for_one { tick.liquidity_net.checked_neg()? } else { tick.liquidity_net };
        self.liquidity.checked_add_signed(net).filter(|_| tick.liquidity_gross > 0)
    }
}

impl Iterator for Stretches<'_> {
    type Item = Stretch;

    fn next(&mut self) -> Option<Stretch> {
        while !self.over {
            let tick = self.take_tick();
            let (from, depth) = (self.level, self.depth());
            let edge = sqrt_price_at_tick(tick.map_or(self.end, |tick| tick.index))?;
            self.level = self.level_of(edge).max(from);
            match tick.and_then(|tick| self.behind(tick)) {
                Some(liquidity) => self.liquidity = liquidity,
                None => self.over = true,
            }
            if depth > 0.0 && self.level > from {
                return Some(Stretch { from, to: self.level, depth });
            }
        }
        None
    }
}
