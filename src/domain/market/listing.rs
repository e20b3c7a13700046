//! One pool of a market: its price, its fee, and what both are held against.

use alloy::primitives::Address;
use rust_decimal::Decimal;

use super::{Pair, Side};
use crate::domain::limits::Limits;
use crate::domain::reason::{PriceReference, Reason};
use crate::domain::snapshot::Twap;
use crate::domain::units::{Checked, Price, Ratio};
use crate::domain::venues::curve::Standing;
use crate::domain::venues::uniswap_v3;

/// One pool of a market.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listing {
    /// The pool.
    pub pool: Address,
    /// The adapter the vault trades through.
    pub venue: Address,
    /// Its price in units of the asset per risky unit.
    pub mid: Price,
    /// The mean it is held against; a pair's is that of the first pool that has one.
    pub(super) mean: Option<Twap>,
    /// What is left of an amount after its fee.
    pub(super) kept: Decimal,
}

impl Listing {
    /// See [`Market::steady`](super::Market::steady).
    pub(super) fn steady(&self, pair: &Pair, limits: &Limits) -> Result<(), Reason> {
        let Some(rule) = &limits.twap else { return Ok(()) };
        let twap = self.mean.filter(|t| t.window_seconds == rule.window_seconds);
        let mean = twap.and_then(|t| uniswap_v3::sqrt_price_at_tick(t.mean_tick));
        let mean = mean.ok_or(Reason::NoTwap { pool: self.pool })?;
        self.near(pair.spot(&Standing::Root(mean))?, PriceReference::Twap, rule.max_deviation_bps)
    }

    /// Whether its price stands within `limit_bps` of `price`.
    pub(super) fn near(&self, price: Price, reference: PriceReference, limit_bps: u32) -> Result<(), Reason> {
        if self.mid.minus(price)?.abs() > price.times(Ratio::from_bps(limit_bps))? {
            let (pool, spot) = (self.pool, self.mid);
            return Err(Reason::PriceDeviation { pool, spot, reference, price, limit_bps });
        }
        Ok(())
    }
}

/// What a little more given to a pool at a price and with what its fee keeps brings, both valued at the oracle's price.
pub(super) fn rate(side: Side, (mid, kept): (Price, Decimal), price: Price) -> Checked<Ratio> {
    let rate = match side {
        Side::Sell => mid.over(price)?,
        Side::Buy => price.over(mid)?,
    };
    rate.times(Ratio::new(kept))
}
