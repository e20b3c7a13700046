//! What a simulated vault holds and what its trades cost, in exact token amounts.

use alloy::primitives::U256;

use super::BacktestError;
use crate::domain::units::{Units, Usd, from_raw, to_real};

/// Decimal places of the simulated asset, as USDC has.
pub const ASSET_DECIMALS: u8 = 6;
/// Decimal places of the simulated risky asset, as ether has.
pub const RISKY_DECIMALS: u8 = 18;

/// What changed hands, raw units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange {
    /// Whether the risky asset was sold.
    pub sell_risky: bool,
    /// Given.
    pub amount_in: U256,
    /// Received.
    pub amount_out: U256,
}

/// Holdings and costs.
///
/// Rules it keeps: holdings change by what was exchanged and nothing else; `venue` is what exchanges lost against the
/// price at which they were booked, so at one price net asset value falls by exactly that. Gas is paid by the keeper's
/// key and is no part of the holdings.
#[derive(Debug, Clone, PartialEq)]
pub struct Ledger {
    /// Raw units of the asset.
    pub asset: U256,
    /// Raw units of the risky asset.
    pub risky: U256,
    /// Lost to fees and impact so far, USD.
    pub venue: f64,
    /// Gas so far, USD.
    pub gas: f64,
    /// Exchanges so far.
    pub trades: u32,
}

impl Ledger {
    /// Opens with these holdings, raw.
    #[must_use]
    pub const fn new(asset: U256, risky: U256) -> Self {
        Self { asset, risky, venue: 0.0, gas: 0.0, trades: 0 }
    }

    /// Books an exchange at `price` (USD per unit) that took `gas` USD.
    ///
    /// # Errors
    /// [`BacktestError::Overdrawn`] where more is given than held; [`BacktestError::Number`] out of range.
    pub fn book(&mut self, exchange: &Exchange, price: f64, gas: f64) -> Result<(), BacktestError> {
        let Exchange { sell_risky, amount_in, amount_out } = *exchange;
        let (given, received) = if sell_risky { (self.risky, self.asset) } else { (self.asset, self.risky) };
        let given = given.checked_sub(amount_in).ok_or(BacktestError::Overdrawn)?;
        let received = received.checked_add(amount_out).ok_or(BacktestError::Number("a holding"))?;
        (self.risky, self.asset) = if sell_risky { (given, received) } else { (received, given) };
        self.venue += if sell_risky {
            units(amount_in)? * price - usd(amount_out)?
        } else {
            usd(amount_in)? - units(amount_out)? * price
        };
        self.gas += gas;
        self.trades = self.trades.saturating_add(1);
        Ok(())
    }

    /// Units of the risky asset.
    ///
    /// # Errors
    /// [`BacktestError::Number`] out of range.
    pub fn units(&self) -> Result<f64, BacktestError> {
        units(self.risky)
    }

    /// Net asset value at `price`, USD.
    ///
    /// # Errors
    /// [`BacktestError::Number`] out of range.
    pub fn value(&self, price: f64) -> Result<f64, BacktestError> {
        Ok(usd(self.asset)? + self.units()? * price)
    }

    /// What trading cost so far, USD.
    #[must_use]
    pub fn cost(&self) -> f64 {
        self.venue + self.gas
    }
}

fn usd(raw: U256) -> Result<f64, BacktestError> {
    let value = from_raw(raw, ASSET_DECIMALS).map_err(|_| BacktestError::Number("an amount of the asset"))?;
    Ok(Usd::new(value).real())
}

fn units(raw: U256) -> Result<f64, BacktestError> {
    let value = from_raw(raw, RISKY_DECIMALS).map_err(|_| BacktestError::Number("an amount of the risky"))?;
    Ok(to_real(Units::new(value).get()))
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    reason = "test arithmetic within known bounds"
)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    fn raw(value: u64, decimals: u8) -> U256 {
        U256::from(value).checked_mul(U256::from(10).pow(U256::from(decimals))).unwrap()
    }

    #[test]
    fn a_sale_costs_what_it_brings_less_than_the_price() {
        let mut ledger = Ledger::new(raw(1_000, 6), raw(10, 18));
        let sale = Exchange { sell_risky: true, amount_in: raw(4, 18), amount_out: raw(399, 6) };
        ledger.book(&sale, 100.0, 5.0).unwrap();
        assert_eq!((ledger.asset, ledger.risky), (raw(1_399, 6), raw(6, 18)));
        assert_eq!((ledger.venue, ledger.gas, ledger.trades), (1.0, 5.0, 1));
        assert_eq!(ledger.value(100.0).unwrap(), 1_999.0);
    }

    #[test]
    fn nothing_is_given_that_is_not_held() {
        let mut ledger = Ledger::new(raw(10, 6), U256::ZERO);
        let before = ledger.clone();
        let buy = Exchange { sell_risky: false, amount_in: raw(11, 6), amount_out: raw(1, 18) };
        assert_eq!(ledger.book(&buy, 10.0, 0.0), Err(BacktestError::Overdrawn));
        assert_eq!(ledger, before);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, rng_seed: RngSeed::Fixed(2), failure_persistence: None, ..ProptestConfig::default() })]

        /// NAV after = NAV before + holdings × what the price moved − costs, over any series of trades and prices.
        #[test]
        fn value_is_what_the_price_moved_less_what_trading_cost(
            steps in prop::collection::vec((any::<bool>(), 1_u64..1_000, 50_u64..200, 0_u64..100), 1..40),
        ) {
            let mut ledger = Ledger::new(raw(10_000_000, 6), raw(100_000, 18));
            let (mut price, mut expected) = (100.0, ledger.value(100.0).unwrap());
            for (sell_risky, size, next, fee) in steps {
                expected += ledger.units().unwrap() * (next as f64 - price);
                price = next as f64;
                let money = |bps: u64| raw(size * next * bps, 2);
                let exchange = if sell_risky {
                    Exchange { sell_risky, amount_in: raw(size, 18), amount_out: money(10_000 - fee) }
                } else {
                    Exchange { sell_risky, amount_in: money(10_000 + fee), amount_out: raw(size, 18) }
                };
                let before = ledger.venue;
                ledger.book(&exchange, price, 3.0).unwrap();
                let cost = size as f64 * price * fee as f64 / 10_000.0;
                prop_assert!((ledger.venue - before - cost).abs() < 1e-6);
                expected -= cost;
            }
            prop_assert!((ledger.value(price).unwrap() - expected).abs() < 1e-5);
            prop_assert_eq!(ledger.gas, 3.0 * f64::from(ledger.trades));
        }
    }
}
