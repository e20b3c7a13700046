//! A sweep for people.

use std::path::Path;

use super::super::backtest::text::written;
use super::super::output::grid;
use super::front::Point;
use super::swept::Swept;
use crate::report::backtest::Unit;

/// Rows of the front, notes, and combinations without a result that are shown; of more the number is.
const MOST_ROWS: usize = 20;
const MOST_NOTES: usize = 5;

/// What was swept, and the front of cost against risk.
pub(super) fn text(swept: &Swept, out: &Path) -> String {
    let (points, front) = swept.points();
    let mut parts = vec![about(swept)];
    let rows: Vec<Vec<String>> = front
        .iter()
        .filter_map(|at| points.get(*at))
        .take(MOST_ROWS)
        .map(|point| row(swept, point))
        .collect();
    if let Some(point) = points.first() {
        let (risk, _) = swept.view.risk.name();
        let names: Vec<&str> = swept.told_apart(point).into_iter().map(|(name, _)| name).collect();
        let heads = [
            &names[..],
            &["Floor", "Cost a year", risk, "Return", "Rebalances", "Lowest cushion", "Breaches"],
        ];
        parts.push(grid(&heads.concat(), rows));
    }
    let more = front.len().saturating_sub(MOST_ROWS);
    if more > 0 {
        parts.push(format!("and {more} more of the front, which the report has"));
    }
    parts.push(format!("Results are in {}: results.csv, results.parquet, report.html.", out.display()));
    parts.join("\n\n")
}

fn about(swept: &Swept) -> String {
    let counts = swept.counts();
    let inputs = &swept.inputs;
    let mut lines = vec![format!(
        "{} at the prices of {}: {} combinations walked, {} of them below the floor at some time",
        inputs.policy, inputs.name, counts.walked, counts.below_floor,
    )];
    let held = swept.view.held(&swept.dimensions);
    if !held.is_empty() {
        lines.push(format!("those with {} alone", held.join(", ")));
    }
    let without = swept.impossible().map(|(cell, unfit)| format!("{}: {unfit}", swept.values(cell)));
    let without = without.chain(swept.failed().map(|(cell, why)| format!("{}: {why}", swept.values(cell))));
    let without: Vec<String> = without.map(|line| format!("without a result: {line}")).collect();
    lines.extend(without.iter().take(MOST_NOTES).cloned());
    let more = without.len().saturating_sub(MOST_NOTES);
    if more > 0 {
        lines.push(format!("and {more} more without a result, which results.csv has"));
    }
    lines.extend(inputs.notes.iter().take(MOST_NOTES).cloned());
    let more = inputs.notes.len().saturating_sub(MOST_NOTES);
    if more > 0 {
        lines.push(format!("and {more} notes more, which --format json has"));
    }
    lines.push(String::new());
    let of = if swept.by_policy() { "policies" } else { "combinations" };
    lines.push(format!("The {of} that no other one beats in both cost and risk:"));
    lines.join("\n")
}

fn row(swept: &Swept, point: &Point) -> Vec<String> {
    let (_, unit) = swept.view.risk.name();
    let figures = [
        if point.breaches > 0 { "BROKEN" } else { "held" }.to_owned(),
        written(point.cost, Unit::Bps),
        written(point.risk, unit),
        written(point.earned, Unit::Percent),
        format!("{:.1}", point.rebalances),
        written(point.lowest, Unit::Percent),
        point.breaches.to_string(),
    ];
    swept.told_apart(point).into_iter().map(|(_, value)| value.to_owned()).chain(figures).collect()
}
