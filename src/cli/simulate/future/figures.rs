//! The figures of a simulation with their definitions.

use crate::backtest::future::figures::Figures;
use crate::backtest::past::contest::Entrant;
use crate::report::backtest::{Figure, Unit};

/// A figure's name, what it is, how it is written and where it stands.
type Definition = (&'static str, &'static str, Unit, fn(&Figures) -> Option<f64>);

const FLOOR: &[Definition] = &[
    (
        "Floor broken",
        "Share of the paths on which net value was below the floor at any step.",
        Unit::Percent,
        |f| Some(f.breach.value),
    ),
    ("Floor broken at least", "Lower end of its 95 % interval (Wilson 1927).", Unit::Percent, |f| {
        Some(f.breach.low)
    }),
    ("Floor broken at most", "Upper end of it.", Unit::Percent, |f| Some(f.breach.high)),
    ("Ended below the floor", "Share of the paths.", Unit::Percent, |f| Some(f.breach_at_end.value)),
    ("Ended below at least", "Lower end of its 95 % interval.", Unit::Percent, |f| Some(f.breach_at_end.low)),
    ("Ended below at most", "Upper end of it.", Unit::Percent, |f| Some(f.breach_at_end.high)),
    (
        "Shortfall where broken",
        "Mean over the paths that broke the floor of the deepest below it.",
        Unit::Usd,
        |f| f.shortfall.given,
    ),
    ("Shortfall where broken over the floor", "The same over the floor there.", Unit::Percent, |f| {
        f.shortfall.given_share
    }),
    ("Shortfall", "The same over all paths.", Unit::Usd, |f| Some(f.shortfall.expected)),
    ("Shortfall over the floor", "The same over all paths, over the floor.", Unit::Percent, |f| {
        Some(f.shortfall.expected_share)
    }),
    ("Deepest", "Deepest below the floor on any path.", Unit::Usd, |f| Some(f.shortfall.deepest)),
    ("Deepest over the floor", "The same over the floor there.", Unit::Percent, |f| {
        Some(f.shortfall.deepest_share)
    }),
    ("Shortfall at the end where below", "Mean over the paths that ended below the floor.", Unit::Usd, |f| {
        f.shortfall_at_end.given
    }),
    ("Shortfall at the end", "The same over all paths.", Unit::Usd, |f| Some(f.shortfall_at_end.expected)),
    ("Deepest at the end", "Of any path.", Unit::Usd, |f| Some(f.shortfall_at_end.deepest)),
    ("Lowest cushion at 1 %", "A hundredth of the paths came closer to the floor.", Unit::Usd, |f| {
        Some(f.lowest_cushion.p01)
    }),
    ("Lowest cushion at the median", "Half of them did.", Unit::Usd, |f| Some(f.lowest_cushion.median)),
    ("Came into cash-lock", "Share of the paths.", Unit::Percent, |f| Some(f.locked.value)),
    ("Time in cash-lock", "Mean part of the time.", Unit::Percent, |f| Some(f.cash_lock)),
];

const RETURN: &[Definition] = &[
    ("Mean return", "Of value per share over a path, gas taken off.", Unit::Percent, |f| {
        Some(f.mean_return.value)
    }),
    ("Mean return at least", "Lower end of its 95 % interval.", Unit::Percent, |f| Some(f.mean_return.low)),
    ("Mean return at most", "Upper end of it.", Unit::Percent, |f| Some(f.mean_return.high)),
    ("Deviation", "Standard deviation of the return over paths.", Unit::Percent, |f| Some(f.deviation)),
    ("Return at 1 %", "Percentile over paths.", Unit::Percent, |f| Some(f.total_return.p01)),
    ("Return at 5 %", "Percentile over paths.", Unit::Percent, |f| Some(f.total_return.p05)),
    ("Return at 25 %", "Percentile over paths.", Unit::Percent, |f| Some(f.total_return.p25)),
    ("Return at the median", "Percentile over paths.", Unit::Percent, |f| Some(f.total_return.median)),
    ("Return at 75 %", "Percentile over paths.", Unit::Percent, |f| Some(f.total_return.p75)),
    ("Return at 95 %", "Percentile over paths.", Unit::Percent, |f| Some(f.total_return.p95)),
    ("Return at 99 %", "Percentile over paths.", Unit::Percent, |f| Some(f.total_return.p99)),
    ("Value at risk at 95 %", "The loss that one path in twenty exceeds.", Unit::Percent, |f| {
        Some(f.tail_95.value_at_risk)
    }),
    ("Expected shortfall at 95 %", "Mean loss of the worst twentieth.", Unit::Percent, |f| {
        Some(f.tail_95.expected_shortfall)
    }),
    ("Value at risk at 99 %", "The loss that one path in a hundred exceeds.", Unit::Percent, |f| {
        Some(f.tail_99.value_at_risk)
    }),
    ("Expected shortfall at 99 %", "Mean loss of the worst hundredth.", Unit::Percent, |f| {
        Some(f.tail_99.expected_shortfall)
    }),
    (
        "Largest drawdown at the median",
        "Largest fall of value per share from a peak before it.",
        Unit::Percent,
        |f| Some(f.max_drawdown.median),
    ),
    ("Largest drawdown at 95 %", "One path in twenty fell further.", Unit::Percent, |f| {
        Some(f.max_drawdown.p95)
    }),
    ("Cost a year", "Mean of gas, fees, depth and lag of pools over mean net asset value.", Unit::Bps, |f| {
        Some(f.cost_bps.value)
    }),
    ("Cost a year in money", "Mean of the same.", Unit::Usd, |f| Some(f.cost)),
    ("Rebalances", "Mean number of trades that were carried out.", Unit::Ratio, |f| Some(f.rebalances)),
    ("Reverted", "Mean number of transactions that paid gas for nothing.", Unit::Ratio, |f| Some(f.reverted)),
];

const SERIES: &[Definition] = &[
    ("Options opened", "Mean number of positions of the option book that were opened.", Unit::Ratio, |f| {
        f.series.map(|series| series.options)
    }),
    ("Never opened", "Share of the paths on which no series ever was.", Unit::Percent, |f| {
        f.series.map(|series| series.never.value)
    }),
    ("Never opened at least", "Lower end of its 95 % interval.", Unit::Percent, |f| {
        f.series.map(|series| series.never.low)
    }),
    ("Never opened at most", "Upper end of it.", Unit::Percent, |f| f.series.map(|series| series.never.high)),
    (
        "Steps without a series",
        "Mean number of steps at which one was due and was not opened.",
        Unit::Ratio,
        |f| f.series.map(|series| series.unopened),
    ),
    ("Options undone", "Mean number of positions that no answer of the feed settled.", Unit::Ratio, |f| {
        f.series.map(|series| series.undone)
    }),
];

/// All of them, with a value for each of those who keep the vault; those of an option book where there is one.
pub(super) fn figures(all: &[(Entrant, Figures)]) -> Vec<Figure> {
    let figure = |(name, meaning, unit, of): &Definition| Figure {
        name,
        meaning,
        unit: *unit,
        values: all.iter().map(|(_, figures)| of(figures)).collect(),
    };
    let booked = all.iter().any(|(_, figures)| figures.series.is_some());
    FLOOR.iter().chain(RETURN).chain(SERIES.iter().filter(|_| booked)).map(figure).collect()
}
