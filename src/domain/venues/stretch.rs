//! A pool between two marginal prices, as a stretch of constant liquidity.

/// Part of a pool on which its liquidity is constant, for a trade in one direction.
///
/// Measured by the level `u = 1/√r`, `r` the raw units out that one more raw unit in brings after the fee: the level
/// rises as a trade goes on, and at equal levels all pools pay the same. Between levels `a` and `b` the pool takes
/// `depth·(b − a)` in, fee included, and pays `depth·(1/a − 1/b)` out (Uniswap v3 Core, Adams et al. 2021, eq. 6.14 and
/// 6.16, with `depth = L/√(1 − fee)`). Rules it keeps: `0 < from ≤ to`, `depth ≥ 0`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stretch {
    /// Level at which it begins.
    pub from: f64,
    /// Level at which it ends.
    pub to: f64,
    /// Raw units in for each unit of level.
    pub depth: f64,
}

impl Stretch {
    /// By how much the level rises until `raw` units are given, or received where the trade is no `sell`; `None` where it has not so
    /// many, wherever it ended.
    #[must_use]
    pub fn rise_for(&self, raw: f64, sell: bool) -> Option<f64> {
        if sell {
            return Some(raw / self.depth);
        }
        let part = self.from * raw / self.depth;
        (part < 1.0).then(|| self.from * part / (1.0 - part))
    }
}
