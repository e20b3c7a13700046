//! What a vault holds and what it cost, in exact decimals of the tokens' own digits.

mod options;

pub use options::OptionAccount;

use rust_decimal::Decimal;
use serde::Serialize;

use crate::backtest::BacktestError;
use crate::domain::units::{product, rounded};

/// Holdings, and where they come from, units of the asset.
///
/// Rules it keeps, to the last digit, whatever happened in whatever order:
///
/// - [`Account::net`] is `cash + value − gas`, with `value` the risky units at the last price, rounded to 18 places;
/// - it is also `flows + earned − fees − impact − gas`: what came in, what the price did to what was held, and what trading cost.
/// - With an option book what that is worth stands beside `value`, and what it has earned beside `earned`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Asset held.
    pub cash: Decimal,
    /// Risky units held.
    pub units: Decimal,
    /// Value of the risky units at the last price.
    pub value: Decimal,
    /// Deposits less withdrawals, fees of entering and leaving included.
    pub flows: Decimal,
    /// What prices did to what was held.
    pub earned: Decimal,
    /// What pools kept as fees.
    pub fees: Decimal,
    /// What trades got less than the market's price beside the fee: depth, and a pool that lags behind.
    pub impact: Decimal,
    /// Gas, which the keeper's key pays.
    pub gas: Decimal,
    /// Value that changed hands in trades.
    pub turnover: Decimal,
    /// The option book, where the policy hedges one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<OptionAccount>,
}

/// What changed hands in a trade, in whole tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traded {
    /// Whether risky was sold.
    pub sell: bool,
    /// Asset.
    pub cash: Decimal,
    /// Risky units.
    pub units: Decimal,
    /// What stayed with the pool of the token that was given.
    pub fee: Decimal,
}

/// Places to which a value is rounded.
const PLACES: u32 = 18;

impl Account {
    /// Net asset value with what the option book is worth, units of the asset.
    #[must_use]
    pub fn nav(&self) -> Decimal {
        let held = self.counted();
        self.options.map_or(held, |options| sum(held, options.worth()))
    }

    /// Net asset value as the vault's contract counts it, to which an open option is nothing.
    #[must_use]
    pub fn counted(&self) -> Decimal {
        sum(self.cash, self.value)
    }

    /// The same less the gas that was paid for it: what is held against the floor.
    #[must_use]
    pub fn counted_net(&self) -> Decimal {
        less(self.counted(), self.gas)
    }

    /// Net asset value less the gas that was paid for it.
    #[must_use]
    pub fn net(&self) -> Decimal {
        less(self.nav(), self.gas)
    }

    /// All that trading cost.
    #[must_use]
    pub fn costs(&self) -> Decimal {
        sum(sum(self.fees, self.impact), self.gas)
    }

    /// The market comes to `price`, units of the asset per risky unit.
    ///
    /// # Errors
    /// [`BacktestError::Number`] out of range.
    pub fn mark(&mut self, price: Decimal) -> Result<(), BacktestError> {
        let value = valued(self.units, price)?;
        self.earned = sum(self.earned, less(value, self.value));
        self.value = value;
        Ok(())
    }

    /// Somebody brings asset, or takes it where negative, and risky units likewise, at `price`.
    ///
    /// # Errors
    /// [`BacktestError::Number`] out of range.
    pub fn flow(&mut self, (cash, units): (Decimal, Decimal), price: Decimal) -> Result<(), BacktestError> {
        let before = self.nav();
        self.cash = sum(self.cash, cash);
        self.units = sum(self.units, units);
        self.value = valued(self.units, price)?;
        self.flows = sum(self.flows, less(self.nav(), before));
        Ok(())
    }

    /// A trade at the market's `price`.
    ///
    /// # Errors
    /// [`BacktestError::Number`] out of range.
    pub fn trade(&mut self, traded: &Traded, price: Decimal) -> Result<(), BacktestError> {
        let Traded { sell, cash, units, fee } = *traded;
        let before = self.nav();
        (self.cash, self.units) = if sell {
            (sum(self.cash, cash), less(self.units, units))
        } else {
            (less(self.cash, cash), sum(self.units, units))
        };
        self.value = valued(self.units, price)?;
        let lost = less(before, self.nav());
        let fee = if sell { valued(fee, price)? } else { fee };
        self.fees = sum(self.fees, fee);
        self.impact = sum(self.impact, less(lost, fee));
        self.turnover = sum(self.turnover, valued(units, price)?);
        Ok(())
    }

    /// The keeper's key pays gas.
    pub fn pay(&mut self, gas: Decimal) {
        self.gas = sum(self.gas, gas);
    }
}

/// Of at most 18 places and below 10^10, both of which every amount here is: nothing is rounded.
fn sum(a: Decimal, b: Decimal) -> Decimal {
    a.checked_add(b).unwrap_or(Decimal::MAX)
}

fn less(a: Decimal, b: Decimal) -> Decimal {
    a.checked_sub(b).unwrap_or(Decimal::MIN)
}

fn valued(units: Decimal, price: Decimal) -> Result<Decimal, BacktestError> {
    let value = product(units, price).ok_or(BacktestError::Number("the value of a holding"))?;
    // So that sums of them have room for all of their digits.
    if value.abs() >= MOST {
        return Err(BacktestError::Number("the value of a holding"));
    }
    Ok(rounded(value, PLACES))
}

/// Ten thousand million: with 18 places 28 digits.
const MOST: Decimal = Decimal::from_parts(1_410_065_408, 2, 0, false, 0);
