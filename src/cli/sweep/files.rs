//! A sweep as files.

use std::path::Path;

use eyre::{Result, WrapErr};

use super::swept::Swept;
use crate::backtest::past::metrics::Metrics;
use crate::backtest::sweep::grid::Dimension;
use crate::backtest::sweep::outcome::Outcome;
use crate::backtest::table::{Files, Table, Values};
use crate::cli::backtest::figures::DEFINITIONS;
use crate::report::backtest::Unit;
use crate::report::sweep::{FrontRow, Mark, Parameter, Sweep, html};

/// Rows that a table of the page has at most.
const MOST_LISTED: usize = 200;

/// Writes everything into a directory; where something cannot be written, what was there is as it was.
pub(super) fn write(directory: &Path, swept: &Swept) -> Result<()> {
    let results = results(swept)?;
    let mut files = Files::default();
    files.table(&directory.join("results.csv"), &results)?;
    files.table(&directory.join("results.parquet"), &results)?;
    files.text(&directory.join("report.html"), &page(swept)?)?;
    Ok(files.put()?)
}

/// A row for each combination, in their order: its values, what came of it, and its figures.
pub(super) fn results(swept: &Swept) -> Result<Table> {
    let plan = &swept.inputs.plan;
    let cells = 0..plan.cells();
    let mut columns: Vec<(String, Values)> =
        vec![("cell".to_owned(), Values::counts(cells.clone().map(number)))];
    for (at, dimension) in swept.dimensions.iter().enumerate() {
        let place = |cell: usize| plan.places(cell).get(at).copied();
        let values = cells.clone().map(|cell| dimension.values.get(place(cell)?).map(String::as_str));
        columns.push((dimension.name.clone(), typed(dimension, values)));
    }
    let outcome = |cell: &usize| swept.kept.outcomes().get(cell);
    let metrics = |cell: usize| match outcome(&cell) {
        Some(Outcome::Walked(metrics)) => Some(&**metrics),
        Some(Outcome::Failed(_)) | None => None,
    };
    let hash = |cell| plan.cell(cell).ok().map(|cell| cell.policy.hash().to_string());
    let said = |cell| match (plan.cell(cell), outcome(&cell)) {
        (Err(unfit), _) => ("impossible", Some(unfit.to_string())),
        (Ok(_), Some(Outcome::Failed(why))) => ("failed", Some(why.clone())),
        (Ok(_), Some(Outcome::Walked(_))) => ("walked", None),
        (Ok(_), None) => ("left", None),
    };
    columns.push(("policy_hash".to_owned(), Values::texts(cells.clone().map(hash))));
    columns.push(("outcome".to_owned(), Values::texts(cells.clone().map(|cell| said(cell).0.to_owned()))));
    columns.push(("why".to_owned(), Values::texts(cells.clone().map(|cell| said(cell).1))));
    let all: Vec<Option<&Metrics>> = cells.map(metrics).collect();
    columns.push(("seconds".to_owned(), Values::counts(all.iter().map(|one| one.map(|one| one.seconds)))));
    columns.extend(DEFINITIONS.iter().map(|(id, _, _, unit, of)| {
        let values = all.iter().map(|one| one.and_then(of));
        ((*id).to_owned(), if *unit == Unit::Count { whole(values) } else { Values::reals(values) })
    }));
    Ok(Table::of(columns)?)
}

/// Numbers where all values of the dimension are some, texts otherwise.
fn typed<'a>(dimension: &Dimension, values: impl Iterator<Item = Option<&'a str>>) -> Values {
    if dimension.values.iter().all(|value| value.parse::<i64>().is_ok()) {
        return Values::integers(values.map(|value| value?.parse::<i64>().ok()));
    }
    let real = |value: &str| value.parse::<f64>().ok().filter(|value| value.is_finite());
    if dimension.values.iter().all(|value| real(value).is_some()) {
        return Values::reals(values.map(|value| real(value?)));
    }
    Values::texts(values.map(|value| value.map(str::to_owned)))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts, which are whole, not negative and far below 2^53"
)]
fn whole(values: impl Iterator<Item = Option<f64>>) -> Values {
    Values::counts(values.map(|value| value.map(|value| value as u64)))
}

fn number(cell: usize) -> u64 {
    u64::try_from(cell).unwrap_or(u64::MAX)
}

/// One page.
pub(super) fn page(swept: &Swept) -> Result<String> {
    let (points, front) = swept.points();
    let mark = |(at, point): (usize, &super::front::Point)| Mark {
        risk: point.risk,
        cost: point.cost,
        front: front.contains(&at),
        broken: point.breaches > 0,
    };
    let marks: Vec<Mark> = points.iter().enumerate().map(mark).collect();
    let rows = front.iter().filter_map(|at| points.get(*at)).map(|point| FrontRow {
        values: swept.told_apart(point).into_iter().map(|(_, value)| value.to_owned()).collect(),
        cost: point.cost,
        risk: point.risk,
        earned: point.earned,
        rebalances: point.rebalances,
        lowest: point.lowest,
        breaches: point.breaches,
    });
    let names = points
        .first()
        .map(|point| swept.told_apart(point).into_iter().map(|(name, _)| name.to_owned()).collect());
    let parameters: Vec<Parameter> = swept
        .dimensions
        .iter()
        .map(|Dimension { name, values }| Parameter { name: name.clone(), values: values.clone() })
        .collect();
    let refused = swept.impossible().map(|(cell, unfit)| (swept.values(cell), unfit.to_string()));
    let failed = swept.failed().map(|(cell, why)| (swept.values(cell), why.to_owned()));
    let counts = swept.counts();
    let mut notes = swept.inputs.notes.clone();
    let held = swept.view.held(&swept.dimensions);
    if !held.is_empty() {
        notes.insert(0, format!("Shown are the combinations with {} alone.", held.join(", ")));
    }
    let sweep = Sweep {
        name: format!("{} at {}", swept.inputs.policy, swept.inputs.name),
        walked: counts.walked,
        below_floor: counts.below_floor,
        without: counts.failed.saturating_add(counts.impossible),
        by_policy: swept.by_policy(),
        risk: swept.view.risk.name(),
        names: names.unwrap_or_default(),
        marks,
        front: rows.collect(),
        heat: swept.heat_map(),
        parameters,
        refused: refused.chain(failed).take(MOST_LISTED).collect(),
        notes,
    };
    html(&sweep).wrap_err("the report cannot be drawn")
}
