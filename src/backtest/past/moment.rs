//! A moment of the market, which everything in the past is moved to.

use rust_decimal::Decimal;

/// A moment of the market.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moment {
    /// Seconds since 1970.
    pub(super) time: u64,
    /// USD per unit.
    pub(super) price: Decimal,
    /// The price that arbitrage brings the pools to.
    pub(super) reference: Decimal,
    /// Wei per gas.
    pub(super) base_fee: u64,
}
