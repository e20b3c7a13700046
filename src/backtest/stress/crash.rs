//! A crash that was, from a file of prices, as it would go on from the vault's price.

use std::path::Path;

use rust_decimal::Decimal;

use crate::backtest::BacktestError;
use crate::backtest::bars::{Bars, BarsError};
use crate::backtest::past::prices::{Order, Tick, ticks};

/// Prices of the past.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crash {
    /// What it is called.
    pub name: String,
    /// At least one, in the order of time.
    ticks: Vec<Tick>,
    /// What is to be known of the file.
    pub notes: Vec<String>,
}

impl Crash {
    /// Reads bars, CSV or Parquet, which are walked through open, low, high and close; it is called as the file is.
    ///
    /// # Errors
    /// As [`Bars::read`].
    pub fn read(path: &Path) -> Result<Self, BarsError> {
        let bars = Bars::read(path)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let notes = bars.notes().iter().map(ToString::to_string).collect();
        Ok(Self { name, ticks: ticks(bars.bars(), bars.step_seconds(), Order::Olhc).collect(), notes })
    }

    /// How far it falls and rises from its first price, parts of it: (-0.4, 0.1) is 40 % below it and 10 % above.
    #[must_use]
    pub fn reach(&self) -> (Decimal, Decimal) {
        let first = self.ticks.first().map_or(Decimal::ONE, |tick| tick.price);
        let change =
            |price: Decimal| price.checked_div(first).unwrap_or(Decimal::ONE).saturating_sub(Decimal::ONE);
        let prices = || self.ticks.iter().map(|tick| change(tick.price));
        (prices().min().unwrap_or_default(), prices().max().unwrap_or_default())
    }

    /// The same moves from another price and time on.
    pub(super) fn from(&self, price: Decimal, time: u64) -> Result<Vec<Tick>, BacktestError> {
        let Some(first) = self.ticks.first() else { return Ok(Vec::new()) };
        let tick = |tick: &Tick| {
            let moved = tick.price.checked_mul(price).and_then(|whole| whole.checked_div(first.price));
            Ok(Tick {
                time: time.saturating_add(tick.time.saturating_sub(first.time)),
                price: moved.ok_or(BacktestError::Number("a price"))?.round_dp(PLACES),
                closes: tick.closes,
                jumps: tick.jumps,
            })
        };
        self.ticks.iter().map(tick).collect()
    }
}

/// Decimal places of a price.
const PLACES: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_goes_on_from_another_price_and_time_by_the_same_parts() {
        let tick = |time, price: i64| Tick { time, price: Decimal::from(price), closes: false, jumps: false };
        let ticks = vec![tick(1_000, 200), tick(1_060, 120), tick(1_120, 210)];
        let crash = Crash { name: String::new(), ticks, notes: Vec::new() };
        assert_eq!(crash.reach(), (Decimal::new(-4, 1), Decimal::new(5, 2)));
        assert_eq!(
            crash.from(Decimal::from(3_000), 9_000).unwrap(),
            [tick(9_000, 3_000), tick(9_060, 1_800), tick(9_120, 3_150)]
        );
    }
}
