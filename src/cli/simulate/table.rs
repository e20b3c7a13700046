//! The comparison for people.

use crate::backtest::compare::{Result, Row, Standing};
use crate::backtest::contestant::Kind;
use crate::backtest::risk::Estimate;
use crate::cli::output::grid;

const HEADINGS: [&str; 7] = [
    "trades",
    "tuned to",
    "cost (USD, 95 %)",
    "to threshold (95 %)",
    "to best threshold (95 %)",
    "gas (USD)",
    "trades per path",
];

/// Each contestant at the same risk.
pub(super) fn table(compared: &Result) -> String {
    let rows = compared.rows.iter().map(cells).collect();
    format!("at a risk of {:.2} USD\n\n{}", compared.risk, grid(&HEADINGS, rows))
}

fn cells(row: &Row) -> Vec<String> {
    match row {
        Row::Tuned(standing) => tuned(standing),
        Row::OutOfReach { kind, parameter: at, nearest_risk, cost } => {
            let reached = format!("out of reach: {nearest_risk:.2} USD at the nearest, cost {cost:.2}");
            let nothing = || "-".to_owned();
            vec![
                kind.name().to_owned(),
                parameter(*kind, *at),
                reached,
                nothing(),
                nothing(),
                nothing(),
                nothing(),
            ]
        }
    }
}

fn tuned(standing: &Standing) -> Vec<String> {
    let Estimate { value, low, high } = standing.cost;
    let ratio = |ratio: &Option<Estimate>| ratio.as_ref().map_or_else(|| "-".to_owned(), percent);
    vec![
        standing.kind.name().to_owned(),
        parameter(standing.kind, standing.parameter),
        format!("{value:.2} ({low:.2} to {high:.2})"),
        ratio(&standing.to_threshold),
        ratio(&standing.to_best_threshold),
        format!("{:.2}", standing.gas),
        format!("{:.1}", standing.trades),
    ]
}

/// How much more or less than the same cost.
fn percent(ratio: &Estimate) -> String {
    let more = |ratio: f64| 100.0 * (ratio - 1.0);
    format!("{:+.1} % ({:+.1} to {:+.1})", more(ratio.value), more(ratio.low), more(ratio.high))
}

fn parameter(kind: Kind, value: f64) -> String {
    match kind {
        Kind::Time => format!("{value:.1} steps"),
        Kind::ThresholdToTarget | Kind::ThresholdToEdge => format!("{:.3} % of NAV", 100.0 * value),
        Kind::WhalleyWilmott | Kind::Zakamouline | Kind::Economic => format!("{value:.3e} per USD"),
    }
}
