//! A recorded history, of which paths are made again.

use std::path::Path as File;

use eyre::{Result, eyre};

use super::Hour;
use crate::backtest::bars::{Bar, Bars};
use crate::domain::units::to_real;
use crate::stage::path::files::{BaseFee, read_base_fees};

/// A recorded history, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    pub(super) hours: Vec<Hour>,
    step_seconds: u64,
}

impl History {
    /// Reads a price file, in any of the forms of [`Bars::read`], and, if given, a gas file, whose price stands until its next
    /// row. Rows follow one another as they stand: across an outage the price moves in one step, as it did for those who traded.
    ///
    /// # Errors
    /// A file cannot be read or has bad rows, the gas file begins after the prices, or there are fewer than two prices.
    pub fn read(prices: &File, gas: Option<&File>) -> Result<Self> {
        Self::of(&Bars::read(prices)?, gas)
    }

    /// The same of bars that were read.
    ///
    /// # Errors
    /// The gas file cannot be read, has bad rows, or begins after the prices.
    pub fn of(bars: &Bars, gas: Option<&File>) -> Result<Self> {
        let fees = gas.map(read_base_fees).transpose()?.unwrap_or_default();
        let known = |opened: u64| -> Result<u64> {
            let Some(gas) = gas else { return Ok(0) };
            let later = fees.partition_point(|fee: &BaseFee| fee.timestamp <= opened);
            let fee = later.checked_sub(1).and_then(|at| fees.get(at));
            let wei = fee.and_then(|fee| u64::try_from(fee.wei).ok());
            wei.ok_or_else(|| eyre!("{}: no gas price for {opened}", gas.display()))
        };
        let rows = bars.bars();
        let hour = |(before, bar): (&Bar, &Bar)| {
            let log_return = libm::log(to_real(bar.close) / to_real(before.close));
            Ok(Hour { log_return, gas_price: known(bar.opened)? })
        };
        let hours = rows.iter().zip(rows.iter().skip(1)).map(hour).collect::<Result<Vec<_>>>()?;
        Ok(Self { hours, step_seconds: bars.step_seconds() })
    }

    /// Of these rows, an hour apart.
    #[cfg(test)]
    pub(super) const fn stated(hours: Vec<Hour>) -> Self {
        Self { hours, step_seconds: 3_600 }
    }

    /// Of these `ln` of a price over the price before, a day apart.
    #[cfg(test)]
    pub(in crate::backtest) fn of_returns(returns: &[f64]) -> Self {
        let hour = |log_return: &f64| Hour { log_return: *log_return, gas_price: 0 };
        Self { hours: returns.iter().map(hour).collect(), step_seconds: 86_400 }
    }

    /// Steps that it has.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.hours.len()
    }

    /// Whether it has none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.hours.is_empty()
    }

    /// Seconds from one row to the next.
    #[must_use]
    pub const fn step_seconds(&self) -> u64 {
        self.step_seconds
    }

    /// `ln` of the price over the price before, row by row.
    pub fn log_returns(&self) -> impl Iterator<Item = f64> {
        self.hours.iter().map(|hour| hour.log_return)
    }

    /// So many rows from one on; after the last comes the first.
    pub(super) fn block(&self, from: usize, count: usize) -> impl Iterator<Item = Hour> {
        self.hours.iter().cycle().skip(from).take(count).copied()
    }
}
