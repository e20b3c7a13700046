//! A backtest for people.

use super::super::output::grid;
use super::figures::figures;
use super::files::undecided;
use super::{Tested, options};
use crate::backtest::past::contest::Entry;
use crate::backtest::past::prices::Tick;
use crate::report::backtest::Unit;
use crate::report::number;
use crate::stage::path::time::utc;

/// Notes that are shown; of more the number is.
const MOST_NOTES: usize = 5;

/// The figures side by side, and what the policy said.
pub(super) fn text(tested: &Tested) -> String {
    let names = tested.entries.iter().map(|entry| entry.entrant.name());
    let heads: Vec<&str> = std::iter::once("").chain(names).collect();
    let rows = figures(&tested.entries).into_iter().map(|figure| {
        let values = figure
            .values
            .iter()
            .map(|value| value.map_or_else(|| "–".to_owned(), |value| written(value, figure.unit)));
        std::iter::once(figure.name.to_owned()).chain(values).collect()
    });
    let mut parts = vec![about(tested), grid(&heads, rows.collect())];
    if let Some(policy) = tested.entries.first() {
        parts.push(reasons(policy));
        parts.extend(undecided(policy).told());
        parts.extend(options::unrolled(&policy.outcome.unrolled));
        parts.extend(options::undone(&policy.outcome));
    }
    parts.join("\n\n")
}

fn about(tested: &Tested) -> String {
    let (first, last) = (tested.ticks.first(), tested.ticks.last());
    let time = |tick: Option<&Tick>| utc(tick.map_or(0, |tick| tick.time));
    let policy = &tested.published.policy().name;
    let mut lines = vec![format!(
        "{policy} at the prices of {} from {} to {} UTC, {} ticks",
        tested.name,
        time(first),
        time(last),
        tested.ticks.len(),
    )];
    lines.extend(tested.notes.iter().take(MOST_NOTES).cloned());
    let more = tested.notes.len().saturating_sub(MOST_NOTES);
    if more > 0 {
        lines.push(format!("and {more} notes more, which --format json has"));
    }
    lines.join("\n")
}

fn reasons(policy: &Entry) -> String {
    let mut reasons: Vec<_> = policy.outcome.reasons.iter().collect();
    reasons.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let rows = reasons.into_iter().map(|(reason, times)| vec![reason.clone(), times.to_string()]);
    grid(&["decided", "times"], rows.collect())
}

/// A value with its unit.
pub(in crate::cli) fn written(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Usd => number(value, 2),
        Unit::Percent => format!("{} %", number(100.0 * value, 2)),
        Unit::Count => number(value, 0),
        Unit::Ratio => number(value, 3),
        Unit::Bps => format!("{} bps", number(value, 1)),
    }
}
