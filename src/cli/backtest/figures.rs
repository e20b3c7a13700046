//! The figures of a backtest with their definitions.

use crate::backtest::past::contest::Entry;
use crate::backtest::past::metrics::Metrics;
use crate::report::backtest::{Figure, Unit};

/// A figure's name, what it is, how it is written and where it stands.
type Definition = (&'static str, &'static str, Unit, fn(&Metrics) -> Option<f64>);

const DEFINITIONS: &[Definition] = &[
    (
        "Value at the end",
        "Net asset value at the market's price, less the gas that was paid for it.",
        Unit::Usd,
        |m| Some(m.end),
    ),
    ("Deposits less withdrawals", "After the start.", Unit::Usd, |m| Some(m.flows)),
    (
        "Return",
        "Of value per share, gas taken off: the product of the returns of all bars.",
        Unit::Percent,
        |m| Some(m.total_return),
    ),
    ("Return a year", "The same, compounded to a year; below a week there is none.", Unit::Percent, |m| {
        m.annual_return
    }),
    (
        "Volatility",
        "Standard deviation of the log returns of bars, times the root of bars a year.",
        Unit::Percent,
        |m| Some(m.volatility),
    ),
    (
        "Sharpe",
        "Mean over standard deviation of the returns of bars, times the root of bars a year; the asset itself earns nothing.",
        Unit::Ratio,
        |m| Some(m.sharpe),
    ),
    ("Sortino", "The same over the root of the mean square of the losses.", Unit::Ratio, |m| Some(m.sortino)),
    (
        "Largest drawdown",
        "Largest fall of value per share from a peak before it, at any tick.",
        Unit::Percent,
        |m| Some(-m.max_drawdown),
    ),
    ("Calmar", "Return a year over the largest drawdown.", Unit::Ratio, |m| m.calmar),
    ("Lowest cushion", "Lowest of value less floor, at any tick.", Unit::Usd, |m| Some(m.lowest_cushion)),
    ("Lowest cushion over the floor", "The same as a part of the floor there.", Unit::Percent, |m| {
        Some(m.lowest_cushion_share)
    }),
    ("Cushion at the end", "Value less floor.", Unit::Usd, |m| Some(m.last_cushion)),
    ("Floor breaches", "Times that value fell below the floor.", Unit::Count, |m| {
        Some(count(m.floor_breaches))
    }),
    ("Depth of breaches", "Deepest that value was below the floor.", Unit::Usd, |m| Some(m.breach_depth)),
    ("Time in cash-lock", "Part of the time.", Unit::Percent, |m| Some(m.cash_lock)),
    (
        "Tracking error",
        "Root of the sum of squares of what the drift from the target earned, over value, per year.",
        Unit::Percent,
        |m| Some(m.tracking_error),
    ),
    ("Earned off the target", "Sum of drift times relative move of the price.", Unit::Usd, |m| {
        Some(m.hedging_error)
    }),
    ("Rebalances", "Trades that were carried out.", Unit::Count, |m| Some(count(m.rebalances))),
    ("Mandatory ones", "Those that were made whatever they cost.", Unit::Count, |m| Some(count(m.mandatory))),
    ("Reverted", "Transactions that paid gas for nothing, since the price had moved on.", Unit::Count, |m| {
        Some(count(m.reverted))
    }),
    ("Turnover a year", "Value traded over mean net asset value.", Unit::Ratio, |m| Some(m.turnover)),
    ("Gas", "At the base fee of the time and the policy's tip.", Unit::Usd, |m| Some(m.gas)),
    ("Fees of pools", "What stayed with the pools.", Unit::Usd, |m| Some(m.fees)),
    (
        "Depth and lag of pools",
        "What trades got less than the market's price beside the fee.",
        Unit::Usd,
        |m| Some(m.impact),
    ),
    ("Cost a year", "Gas, fees, depth and lag over mean net asset value.", Unit::Bps, |m| Some(m.cost_bps)),
];

/// All of them, with a value for each entry.
pub(super) fn figures(entries: &[Entry]) -> Vec<Figure> {
    let figure = |(name, meaning, unit, of): &Definition| Figure {
        name,
        meaning,
        unit: *unit,
        values: entries.iter().map(|entry| of(&entry.metrics)).collect(),
    };
    DEFINITIONS.iter().map(figure).collect()
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
const fn count(count: u64) -> f64 {
    count as f64
}
