//! The market of a simulation: a process of prices, how they grow, and how long.

use crate::backtest::BacktestError;
use crate::backtest::past::prices::Tick;
use crate::backtest::paths::{Moment, Path, Process, Span};
use crate::domain::models::years;
use crate::domain::units::from_real;
use crate::stage::path::files::BaseFee;

/// Time of the first step of every path: 2024-01-01 in UTC, seconds since 1970.
pub const BEGIN: u64 = 1_704_067_200;
/// Decimal places of a price, those of a feed.
const PLACES: u32 = 8;

/// Where prices come from.
#[derive(Debug, Clone)]
pub struct Market {
    /// How they move; what generates them is a martingale.
    pub process: Process,
    /// Growth of their mean per year, continuously compounded: `E[S_T] = S₀·e^(drift·T)`. Zero of a history, which has its own.
    pub drift: f64,
    /// From where, how long and in which steps.
    pub span: Span,
}

/// A path as it is walked through.
#[derive(Debug, Clone, PartialEq)]
pub struct Walk {
    /// A tick for each step. Between two of them the price goes straight, so that what follows it with a lag is close behind where
    /// it is decided; all that moves in a step moves between two decisions.
    pub ticks: Vec<Tick>,
    /// Base fees that a history had then; none where the process has none.
    pub base_fees: Vec<BaseFee>,
}

impl Market {
    /// The path of this number under `seed`.
    #[must_use]
    pub fn path(&self, seed: u64, number: u64) -> Path {
        let mut path = self.process.path(&self.span, seed, number);
        if self.drift != 0.0 {
            let growth = self.drift * years(self.span.step_seconds);
            for (step, moment) in (0_u32..).zip(&mut path.moments) {
                moment.price *= libm::exp(growth * f64::from(step));
            }
        }
        path
    }

    /// The same as ticks.
    ///
    /// # Errors
    /// [`BacktestError::Number`] for a price that has no eight places.
    pub fn walk(&self, path: &Path) -> Result<Walk, BacktestError> {
        let time = |step: u64| BEGIN.saturating_add(step.saturating_mul(self.span.step_seconds));
        let tick = |(step, moment): (u64, &Moment)| {
            let price = from_real(moment.price, PLACES)?;
            if price.is_zero() { Err(BacktestError::Number("a price")) } else { Ok((time(step), price)) }
        };
        let ticks = (0..).zip(&path.moments).map(tick);
        let last = self.span.steps.saturating_add(1);
        let ticks = (1..).zip(ticks).map(|(number, tick)| {
            // One bar from the start to the end, whose return is that of the path.
            tick.map(|(time, price)| Tick { time, price, closes: number == last, jumps: false })
        });
        let recorded = (0..).zip(&path.moments).filter(|(_, moment)| moment.gas_price > 0);
        let base_fees =
            recorded.map(|(step, moment)| BaseFee { timestamp: time(step), wei: moment.gas_price.into() });
        Ok(Walk { ticks: ticks.collect::<Result<_, _>>()?, base_fees: base_fees.collect() })
    }

    /// Years of a path.
    #[must_use]
    pub fn years(&self) -> f64 {
        let steps = u64::try_from(self.span.steps).unwrap_or(u64::MAX);
        years(steps.saturating_mul(self.span.step_seconds))
    }
}
