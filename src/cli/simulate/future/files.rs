//! A simulation as files.

use std::path::Path;

use eyre::{Result, WrapErr};

use super::Done;
use super::figures::figures as all_figures;
use crate::backtest::future::fan::Spread;
use crate::backtest::future::figures::{Sample, Series};
use crate::backtest::past::contest::Entrant;
use crate::backtest::table::{Files, Table, Values};
use crate::cli::backtest::unopened;
use crate::domain::units::to_real;
use crate::report::future::{Checked, Fan, Future, Kept, html};

/// Writes everything into a directory; where something cannot be written, what was there is as it was.
pub(super) fn write(directory: &Path, done: &Done) -> Result<()> {
    let mut files = Files::default();
    files.text(&directory.join("report.html"), &page(done)?)?;
    files.table(&directory.join("figures.csv"), &figures(done)?)?;
    files.table(&directory.join("check.csv"), &check(done)?)?;
    files.table(&directory.join("fan.csv"), &fan(done)?)?;
    files.table(&directory.join("paths.csv"), &paths(done)?)?;
    Ok(files.put()?)
}

/// A row for each figure, a column for each of those who keep the vault.
pub(super) fn figures(done: &Done) -> Result<Table> {
    let figures = all_figures(&done.figures);
    let names = figures.iter().map(|figure| Some(figure.name.to_owned())).collect();
    let mut columns = vec![("figure", Values::Texts(names))];
    for (at, (entrant, _)) in done.figures.iter().enumerate() {
        let values = figures.iter().map(|figure| figure.values.get(at).copied().flatten());
        columns.push((entrant.name(), Values::reals(values)));
    }
    Ok(Table::of(columns)?)
}

fn check(done: &Done) -> Result<Table> {
    let rows = &done.simulated.check;
    Ok(Table::of([
        ("figure", Values::texts(rows.iter().map(|row| row.name.clone()))),
        ("simulated", Values::reals(rows.iter().map(|row| row.simulated))),
        ("closed_form", Values::reals(rows.iter().map(|row| row.closed_form))),
        ("standard_errors", Values::reals(rows.iter().map(|row| row.standard_errors))),
        ("chance", Values::reals(rows.iter().map(|row| row.chance))),
        ("without_pause", Values::reals(rows.iter().map(|row| row.without_pause))),
    ])?)
}

fn fan(done: &Done) -> Result<Table> {
    let of = |value: fn(&Spread) -> f64| Values::reals(done.simulated.fan.iter().map(value));
    Ok(Table::of([
        ("day", of(|at| at.day)),
        ("lowest", of(|at| at.lowest)),
        ("p01", of(|at| at.p01)),
        ("p05", of(|at| at.p05)),
        ("p25", of(|at| at.p25)),
        ("median", of(|at| at.median)),
        ("p75", of(|at| at.p75)),
        ("p95", of(|at| at.p95)),
        ("p99", of(|at| at.p99)),
        ("floor", of(|at| at.floor)),
    ])?)
}

/// A row for each path of each of those who keep the vault.
fn paths(done: &Done) -> Result<Table> {
    let kept = || Entrant::ALL.iter().zip(&done.simulated.samples);
    let every = || kept().flat_map(|(_, samples)| samples);
    let numbers = kept().flat_map(|(_, samples)| (0_u64..).zip(samples).map(|(number, _)| number));
    let names = kept().flat_map(|(entrant, samples)| samples.iter().map(|_| entrant.name().to_owned()));
    let reals = |of: fn(&Sample) -> f64| Values::reals(every().map(of));
    let mut columns = vec![
        ("kept_by", Values::texts(names)),
        ("path", Values::counts(numbers)),
        ("end", reals(|one| one.end)),
        ("floor", reals(|one| one.floor)),
        ("lowest_cushion", reals(|one| one.lowest_cushion)),
        ("return", reals(|one| one.total_return)),
        ("max_drawdown", reals(|one| one.max_drawdown)),
        ("cost_a_year", reals(|one| one.cost)),
        ("cost_bps", reals(|one| one.cost_bps)),
        ("rebalances", Values::counts(every().map(|one| one.rebalances))),
        ("reverted", Values::counts(every().map(|one| one.reverted))),
        ("cash_lock", reals(|one| one.cash_lock)),
    ];
    if every().any(|one| one.series.is_some()) {
        let counts = |of: fn(&Series) -> u64| Values::counts(every().map(|one| one.series.as_ref().map(of)));
        columns.extend([
            ("options", counts(|series| series.options)),
            ("unopened", counts(|series| series.unopened)),
            ("undone", counts(|series| series.undone)),
        ]);
    }
    Ok(Table::of(columns)?)
}

/// One page.
pub(super) fn page(done: &Done) -> Result<String> {
    let start = to_real(done.plan.capital);
    let kept: Vec<Kept<'_>> =
        Entrant::ALL.iter().zip(&done.simulated.samples).map(|kept| held(kept, start)).collect();
    let fan: Vec<Fan> = done.simulated.fan.iter().map(drawn).collect();
    let check: Vec<Checked<'_>> = done
        .simulated
        .check
        .iter()
        .map(|row| Checked {
            name: &row.name,
            simulated: row.simulated,
            closed_form: row.closed_form,
            standard_errors: row.standard_errors,
            chance: row.chance,
            without_pause: row.without_pause,
        })
        .collect();
    let policy = done.figures.first().map(|(_, figures)| figures);
    let (name, about) = (&done.plan.published.policy().name, done.about());
    let figures = all_figures(&done.figures);
    let future = Future {
        name,
        about: &about,
        start,
        floor: done.floor(),
        kept: &kept,
        fan: &fan,
        figures: &figures,
        unopened: &unopened(&done.simulated.unrolled),
        check: &check,
        breach: policy
            .map_or((0.0, 0.0, 1.0), |policy| (policy.breach.value, policy.breach.low, policy.breach.high)),
        shortfall: policy.and_then(|policy| policy.shortfall.given),
    };
    html(&future).wrap_err("the report cannot be drawn")
}

fn held<'a>((entrant, samples): (&Entrant, &Vec<Sample>), start: f64) -> Kept<'a> {
    Kept {
        name: entrant.name(),
        ends: samples.iter().map(|one| 100.0 * one.end / start).collect(),
        cushions: samples.iter().map(|one| 100.0 * one.lowest_share).collect(),
    }
}

const fn drawn(spread: &Spread) -> Fan {
    Fan {
        day: spread.day,
        lowest: spread.lowest,
        p01: spread.p01,
        p05: spread.p05,
        p25: spread.p25,
        median: spread.median,
        p75: spread.p75,
        p95: spread.p95,
        floor: spread.floor,
    }
}
