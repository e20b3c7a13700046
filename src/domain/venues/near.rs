//! What the best pool is around its price: enough to say how far it gives way to a small trade, without a look at where exactly its
//! liquidity changes.

use super::curve::Curve;
use super::depth::{Way, one_raw};
use super::stretch::Stretch;

/// The pool that is best for the first unit of a trade, up to where its liquidity surely does not change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Near {
    stretch: Stretch,
    sell: bool,
    /// Whole risky tokens, and whole asset tokens, of one raw unit.
    scales: (f64, f64),
    /// What the swaps of all other pools cost, units of the asset.
    pub further: f64,
}

impl Near {
    /// Of `curves`, for trades that go one `way`; `per_swap` in units of the asset. `None` where a pool has no liquidity at its price.
    #[must_use]
    pub fn of(curves: &[Curve<'_>], way: Way, per_swap: f64) -> Option<Self> {
        let nearest = |best: Option<Stretch>, curve: &Curve<'_>| {
            let stretch = curve.near(way.zero_for_one)?;
            Some(Some(best.filter(|best| best.from <= stretch.from).unwrap_or(stretch)))
        };
        let stretch = curves.iter().try_fold(None, nearest)??;
        let pools = u32::try_from(curves.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let scales = (one_raw(way.decimals.0), one_raw(way.decimals.1));
        Some(Self { stretch, sell: way.sell, scales, further: per_swap * f64::from(pools) })
    }

    /// What the last of `size` units loses beyond the price of the first one with this pool alone, units of the asset per unit; `None`
    /// where its liquidity may change before.
    #[must_use]
    pub fn slope_within(&self, size: f64) -> Option<f64> {
        let (begin, (risky, asset)) = (self.stretch.from, self.scales);
        let rise = self.stretch.rise_for(size / risky, self.sell)?;
        let (end, square) = (begin + rise, begin * begin);
        let first = asset / risky * if self.sell { 1.0 / square } else { square };
        let change = rise * (begin + end) / if self.sell { end * end } else { square };
        (end <= self.stretch.to).then_some(first * change)
    }

    /// What giving `size` risky units brings in this pool alone, and how much the exact quote may be off that, units of the asset; `None`
    /// where its liquidity may change before, or it may bring nothing.
    ///
    /// A quote rounds fee and amounts to raw units and the price to 2⁻⁹⁶ of a root, and again at every word of the tick
    /// bitmap, which are at least 256 ticks.
    #[must_use]
    pub fn proceeds(&self, size: f64) -> Option<(f64, f64)> {
        let (begin, depth, (risky, asset)) = (self.stretch.from, self.stretch.depth, self.scales);
        let given = size / risky;
        let end = begin + self.stretch.rise_for(given, true).filter(|_| self.sell)?;
        let (received, first) = (given / (begin * end), 1.0 / (begin * begin));
        let words = 2.0 + WORDS * (end / begin - 1.0);
        let rounded = words * (1.0 + 2.0 * first + ROOT * depth * first.max(1.0));
        let proceeds = asset * received;
        let sure = end < self.stretch.to * (1.0 - 1e-9) && received > rounded;
        sure.then_some((proceeds, asset * rounded + 1e-12 * proceeds))
    }
}

/// `2⁻⁹⁶`, the last place of a root.
const ROOT: f64 = 1.262177448353619e-29;
/// Words of one tick each in a level that grows by all of itself, `2/(256·ln 1.0001)`, and more.
const WORDS: f64 = 79.0;
