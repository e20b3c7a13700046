//! What a vault as it stands is a block after a shock.

use rust_decimal::Decimal;

use super::moment::Moment;
use super::opening::{Standing, Start};
use super::setting::Setting;
use super::world::World;
use crate::backtest::BacktestError;
use crate::domain::policy::PublishedPolicy;
use crate::domain::snapshot::Snapshot;

/// What happens to a market within one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strike {
    /// Change of the price of the risky asset, a part of it: -0.2 is a fall by 20 %. Market, feed and pools are there at once.
    pub price: Decimal,
    /// Part of the pools' liquidity that is left.
    pub depth: Decimal,
    /// Base fee of the next block, wei.
    pub base_fee: u64,
}

impl Standing<'_> {
    /// The facts a block later, after a strike.
    ///
    /// # Errors
    /// [`BacktestError::Number`] out of range, or beyond what is known of a pool.
    pub fn struck(&self, published: &PublishedPolicy, strike: &Strike) -> Result<Snapshot, BacktestError> {
        let (setting, price) = (Setting::default(), self.price()?);
        let block = &self.snapshot.block;
        let first = Moment { time: block.timestamp, price, reference: price, base_fee: block.next_base_fee };
        let mut world = World::open(&setting, published, &Start::Vault(*self), &first)?;
        world.strike(strike.price, strike.depth, strike.base_fee)?;
        Ok(world.snapshot().clone())
    }
}
