//! A simulation for people.

use super::Done;
use super::figures::figures;
use crate::backtest::future::check::{LIMIT, MARKED};
use crate::cli::backtest::{unrolled, written};
use crate::cli::output::grid;

const CHECKED: [&str; 5] =
    ["of the paths", "simulated", "closed form", "standard errors", "traded without pause"];

/// The paths beside what they should be, and the figures side by side.
pub(super) fn text(done: &Done) -> String {
    let names = done.figures.iter().map(|(entrant, _)| entrant.name());
    let heads: Vec<&str> = std::iter::once("").chain(names).collect();
    let rows = figures(&done.figures).into_iter().map(|figure| {
        let values = figure
            .values
            .iter()
            .map(|value| value.map_or_else(|| "–".to_owned(), |value| written(value, figure.unit)));
        std::iter::once(figure.name.to_owned()).chain(values).collect()
    });
    let about = format!("{} on {}", done.plan.published.policy().name, done.about());
    let mut parts = vec![about, check(done), grid(&heads, rows.collect())];
    parts.extend(unrolled(&done.simulated.unrolled));
    parts.join("\n\n")
}

fn check(done: &Done) -> String {
    let check = &done.simulated.check;
    let rows = check.iter().map(|row| {
        vec![
            row.name.clone(),
            significant(row.simulated),
            significant(row.closed_form),
            format!("{:+.2}{}", row.standard_errors, row.chance.map(one_in).unwrap_or_default()),
            row.without_pause.map(significant).unwrap_or_default(),
        ]
    });
    let grid = grid(&CHECKED, rows.collect());
    let marked = check.iter().filter(|row| row.chance.is_some()).count();
    if marked == 0 {
        return grid;
    }
    format!(
        "{grid}\n{marked} of {} are more than {MARKED} standard errors off, in brackets how seldom chance takes a sound figure so far; \
         beyond {LIMIT} nothing is told",
        check.len()
    )
}

/// How seldom a probability comes to pass.
fn one_in(chance: f64) -> String {
    format!(" (one in {:.0})", 1.0 / chance)
}

/// With six digits after the point, or as a power of ten where they would say nothing.
fn significant(value: f64) -> String {
    if value == 0.0 || value.abs() >= 1e-3 { format!("{value:.6}") } else { format!("{value:.4e}") }
}
