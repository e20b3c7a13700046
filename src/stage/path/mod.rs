//! What the market does, block by block: prices and base fees, generated from a seed or read from files.

pub mod files;
pub mod scenario;
pub mod time;

use rust_decimal::{Decimal, prelude::ToPrimitive};

/// Most steps a path has unless asked otherwise: 36 hours of minutes.
pub const DEFAULT_STEPS: usize = 2_160;

/// One block of the market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// Unix seconds.
    pub timestamp: u64,
    /// USD per unit of the risky asset.
    pub price: Decimal,
    /// Wei per gas.
    pub base_fee: u128,
}

/// The figures by which paths are told apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Last price over first, less 1.
    pub final_return: f64,
    /// The most negative return over at most 3,600 seconds; 0 when the price never falls.
    pub worst_hour: f64,
    /// Highest base fee over the first.
    pub gas_ratio: f64,
}

/// Summarises a path; `None` for one without steps or with a price or base fee of zero at its start.
#[must_use]
pub fn summary(path: &[Tick]) -> Option<Summary> {
    let first = path.first()?;
    let final_return = path.last()?.price.checked_div(first.price)?.to_f64()? - 1.0;
    let highest = path.iter().map(|tick| tick.base_fee).max()?;
    let gas_ratio = Decimal::from(highest).checked_div(Decimal::from(first.base_fee))?.to_f64()?;
    Some(Summary { final_return, worst_hour: worst_hour(path)?, gas_ratio })
}

fn worst_hour(path: &[Tick]) -> Option<f64> {
    let mut worst = Decimal::ONE;
    for (position, end) in path.iter().enumerate() {
        let earliest = end.timestamp.saturating_sub(3_600);
        let before = path.get(..=position)?.iter().rev().take_while(|tick| tick.timestamp >= earliest);
        let highest = before.map(|tick| tick.price).max()?;
        worst = worst.min(end.price.checked_div(highest)?);
    }
    Some(worst.to_f64()? - 1.0)
}
