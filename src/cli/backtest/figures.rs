//! The figures of a backtest with their definitions.

use crate::backtest::past::contest::Entry;
use crate::backtest::past::metrics::Metrics;
use crate::report::backtest::{Figure, Unit};

/// A figure's name among [`Metrics`] and for people, what it is, how it is written and where it stands.
pub(in crate::cli) type Definition =
    (&'static str, &'static str, &'static str, Unit, fn(&Metrics) -> Option<f64>);

pub(in crate::cli) const DEFINITIONS: &[Definition] = &[
    ("start", "Value at the beginning", "Net asset value with which it began.", Unit::Usd, |m| Some(m.start)),
    (
        "end",
        "Value at the end",
        "Net asset value at the market's price, less the gas that was paid for it.",
        Unit::Usd,
        |m| Some(m.end),
    ),
    ("flows", "Deposits less withdrawals", "After the start.", Unit::Usd, |m| Some(m.flows)),
    (
        "total_return",
        "Return",
        "Of value per share, gas taken off: the product of the returns of all bars.",
        Unit::Percent,
        |m| Some(m.total_return),
    ),
    (
        "annual_return",
        "Return a year",
        "The same, compounded to a year; below a week there is none.",
        Unit::Percent,
        |m| m.annual_return,
    ),
    (
        "volatility",
        "Volatility",
        "Standard deviation of the log returns of bars, times the root of bars a year.",
        Unit::Percent,
        |m| Some(m.volatility),
    ),
    (
        "sharpe",
        "Sharpe",
        "Mean over standard deviation of the returns of bars, times the root of bars a year; the asset itself earns nothing. None where returns do not differ.",
        Unit::Ratio,
        |m| m.sharpe,
    ),
    (
        "sortino",
        "Sortino",
        "The same over the root of the mean square of the losses; without a loss there is none.",
        Unit::Ratio,
        |m| m.sortino,
    ),
    (
        "max_drawdown",
        "Largest drawdown",
        "Largest fall of value per share from a peak before it, at any tick.",
        Unit::Percent,
        |m| Some(m.max_drawdown),
    ),
    (
        "calmar",
        "Calmar",
        "Return a year over the largest drawdown; without either there is none.",
        Unit::Ratio,
        |m| m.calmar,
    ),
    ("lowest_cushion", "Lowest cushion", "Lowest of value less floor, at any tick.", Unit::Usd, |m| {
        Some(m.lowest_cushion)
    }),
    (
        "lowest_cushion_share",
        "Lowest cushion over the floor",
        "The same as a part of the floor there.",
        Unit::Percent,
        |m| Some(m.lowest_cushion_share),
    ),
    ("last_cushion", "Cushion at the end", "Value less floor.", Unit::Usd, |m| Some(m.last_cushion)),
    ("floor_breaches", "Floor breaches", "Times that value fell below the floor.", Unit::Count, |m| {
        Some(count(m.floor_breaches))
    }),
    ("breach_depth", "Depth of breaches", "Deepest that value was below the floor.", Unit::Usd, |m| {
        Some(m.breach_depth)
    }),
    ("cash_lock", "Time in cash-lock", "Part of the time.", Unit::Percent, |m| Some(m.cash_lock)),
    (
        "tracking_error",
        "Tracking error",
        "Root of the sum of squares of what the drift from the target earned, over value, per year; of the time with a target.",
        Unit::Percent,
        |m| m.tracking_error,
    ),
    (
        "hedging_error",
        "Earned off the target",
        "Sum of drift from the target times relative move of the price, of the time with a target.",
        Unit::Usd,
        |m| m.hedging_error,
    ),
    ("rebalances", "Rebalances", "Trades that were carried out.", Unit::Count, |m| Some(count(m.rebalances))),
    ("mandatory", "Mandatory ones", "Those that were made whatever they cost.", Unit::Count, |m| {
        Some(count(m.mandatory))
    }),
    (
        "reverted",
        "Reverted",
        "Transactions that paid gas for nothing, since the price had moved on.",
        Unit::Count,
        |m| Some(count(m.reverted)),
    ),
    (
        "turnover",
        "Turnover a year",
        "Value traded over net asset value, its mean over time before gas.",
        Unit::Ratio,
        |m| Some(m.turnover),
    ),
    ("gas", "Gas", "At the base fee of the time and the policy's tip.", Unit::Usd, |m| Some(m.gas)),
    ("fees", "Fees of pools", "What stayed with the pools.", Unit::Usd, |m| Some(m.fees)),
    (
        "impact",
        "Depth and lag of pools",
        "What trades got less than the market's price beside the fee.",
        Unit::Usd,
        |m| Some(m.impact),
    ),
    (
        "cost_bps",
        "Cost a year",
        "Gas, fees, depth and lag over the same mean of net asset value.",
        Unit::Bps,
        |m| Some(m.cost_bps),
    ),
    ("options", "Options opened", "Positions of the option book that were opened.", Unit::Count, |m| {
        m.options.map(count)
    }),
    ("unopened", "Ticks without a series", "At which one was due and was not opened.", Unit::Count, |m| {
        m.unopened.map(count)
    }),
    ("undone", "Options undone", "Positions that no answer of the feed settled.", Unit::Count, |m| {
        m.undone.map(count)
    }),
    ("premiums", "Premiums", "Received less paid, at the openings.", Unit::Usd, |m| m.premiums),
    ("payoffs", "Payoffs", "Received less owed, at the settlements.", Unit::Usd, |m| m.payoffs),
    (
        "book_profit",
        "Earned by the book",
        "Premiums, payoffs, and what the open options are worth by the policy's model.",
        Unit::Usd,
        |m| m.book_profit,
    ),
    (
        "hedge_profit",
        "Earned by the hedge",
        "What prices did to the risky units, before what trading cost.",
        Unit::Usd,
        |m| m.hedge_profit,
    ),
    (
        "hedged_profit",
        "Earned by both",
        "Book and hedge together: the error of the hedge, and volatility sold dear or cheap.",
        Unit::Usd,
        |m| m.hedged_profit,
    ),
];

/// The first of those that only a policy with an option book has.
const OF_BOOKS: &str = "options";

/// All that these entries have: those of an option book where there is one.
pub(super) fn defined(entries: &[Entry]) -> impl Iterator<Item = &'static Definition> + Clone {
    let booked = entries.iter().any(|entry| entry.metrics.options.is_some());
    DEFINITIONS.iter().take_while(move |(id, ..)| booked || *id != OF_BOOKS)
}

/// All of them, with a value for each entry.
pub(super) fn figures(entries: &[Entry]) -> Vec<Figure> {
    let figure = |(_, name, meaning, unit, of): &Definition| Figure {
        name,
        meaning,
        unit: *unit,
        values: entries.iter().map(|entry| of(&entry.metrics)).collect(),
    };
    defined(entries).map(figure).collect()
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
const fn count(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_but_the_length_of_the_course_has_a_definition_and_stands_where_it_says() {
        let some = Some(0.1);
        let metrics = Metrics {
            annual_return: some,
            calmar: some,
            options: Some(1),
            unopened: Some(1),
            undone: Some(1),
            premiums: some,
            payoffs: some,
            book_profit: some,
            hedge_profit: some,
            hedged_profit: some,
            ..Metrics::default()
        };
        let mut told = serde_json::to_value(metrics).unwrap();
        let figures = told.as_object_mut().unwrap();
        for (number, (_, figure)) in (1_u64..).zip(figures.iter_mut()) {
            *figure = number.into();
        }
        let mut names: Vec<String> = figures.keys().cloned().collect();
        names.retain(|id| id != "seconds");
        let metrics: Metrics = serde_json::from_value(told.clone()).unwrap();
        let mut defined: Vec<&str> = DEFINITIONS.iter().map(|(id, ..)| *id).collect();
        for (id, _, _, _, of) in DEFINITIONS {
            assert_eq!(of(&metrics), told[*id].as_f64(), "{id}");
        }
        defined.sort_unstable();
        assert_eq!(names, defined);
    }

    #[test]
    fn the_documentation_has_every_figure_by_both_of_its_names() {
        let page = include_str!("../../../docs/backtest.md");
        for (id, name, _, unit, _) in DEFINITIONS {
            let row = format!("| {name} | `{id}` | {} |", unit.name());
            assert!(page.contains(&row), "{row}");
        }
    }
}
