//! `keeper demo`: a crash on a local chain, with the real keeper in it.

mod summary;
mod verdict;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use eyre::WrapErr;
use rust_decimal::Decimal;
use serde::Serialize;

use super::signals::interrupted;
use super::{Context, Failure, Outcome};
use crate::report::course::{Contestant, Course, Outcome as Result};
use crate::stage::artifacts::Artifacts;
use crate::stage::path::scenario::Scenario;
use crate::stage::path::{DEFAULT_STEPS, Tick};
use crate::{demo, report};
use summary::summary;
use verdict::verdict;

/// Notes of the price file that are shown.
const MOST_NOTES: usize = 5;
/// Unix time at which a built-in scenario begins: 12 March 2020, 00:00 UTC.
const SCENARIO_START: u64 = 1_583_971_200;

/// Drives a market through real contracts on a local chain and keeps a vault in it, beside three simpler bots.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  keeper demo\n  keeper demo --scenario chop\n  keeper demo --prices eth_1m.csv --gas gas.csv"
)]
pub(super) struct Demo {
    /// Built-in market.
    #[arg(long, value_enum, default_value_t = Scenario::Crash, conflicts_with = "prices")]
    scenario: Scenario,
    /// Market from a file of prices, CSV or Parquet with time, open, high, low and close.
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// Gas prices from a CSV file; without one gas stays at 20 gwei.
    #[arg(long, value_name = "FILE", requires = "prices")]
    gas: Option<PathBuf>,
    /// Most steps that a file is sampled to.
    #[arg(long, default_value_t = DEFAULT_STEPS, requires = "prices")]
    steps: usize,
    /// First deposit of each vault, in whole units of the asset.
    #[arg(long, default_value = "1000000", value_parser = positive, allow_negative_numbers = true)]
    capital: Decimal,
    /// Where the report is written.
    #[arg(long, value_name = "FILE", default_value = "demo-report.html")]
    report: PathBuf,
    /// Directory with `node_modules` and `out`, as `scripts/setup` makes them.
    #[arg(long, value_name = "DIR", default_value = ".")]
    root: PathBuf,
}

/// What `--json` prints; money in USD.
#[derive(Serialize)]
struct Printed<'a> {
    scenario: &'a str,
    contestants: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    floor_broken: bool,
    #[serde(flatten)]
    result: &'a Result,
}

impl<'a> Printed<'a> {
    fn of(course: &'a Course) -> Self {
        let row = |c: &'a Contestant| Row {
            name: &c.name,
            floor_broken: c.result.floor_broken(),
            result: &c.result,
        };
        Self { scenario: &course.scenario, contestants: course.contestants.iter().map(row).collect() }
    }
}

impl Demo {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
        let (path, sampled_from, notes) = self.path().map_err(Failure::usage)?;
        let unwritable = || format!("the report {} cannot be written", self.report.display());
        writable(&self.report).wrap_err_with(unwritable).map_err(Failure::usage)?;
        let artifacts = Artifacts::new(&self.root);
        let demo =
            demo::Demo { scenario: self.market(), path, sampled_from, capital: self.capital, artifacts };
        let course = tokio::select! {
            // First, so that signals are waited for before there is a chain that they must stop.
            biased;
            signal = interrupted() => {
                signal?;
                return Err(eyre::eyre!("stopped by a signal, and its chain with it").into());
            }
            course = demo::drive(&demo) => course?,
        };
        self.print(context, &course)?;
        if !context.output.json {
            for note in notes.iter().take(MOST_NOTES) {
                context.output.text(&format!("{}: {note}", self.market()))?;
            }
        }
        let html = report::html(&course).wrap_err("the report cannot be drawn")?;
        std::fs::write(&self.report, html).wrap_err_with(unwritable)?;
        if !context.output.json {
            context.output.text(&format!("report: {}", self.report.display()))?;
        }
        verdict(&course, self.prices.is_none() && self.scenario == Scenario::Crash)?;
        Ok(ExitCode::SUCCESS)
    }

    /// What the market is called.
    fn market(&self) -> String {
        match &self.prices {
            None => self.scenario.to_possible_value().map_or_else(String::new, |v| v.get_name().to_owned()),
            Some(file) => file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        }
    }

    /// The market, the rows that it was sampled from where some were left out, and what is to be known of the file.
    fn path(&self) -> eyre::Result<(Vec<Tick>, Option<usize>, Vec<String>)> {
        let Some(prices) = &self.prices else {
            return Ok((self.scenario.path(SCENARIO_START), None, Vec::new()));
        };
        let believed = demo::believed_prices()?;
        let path = demo::path_from_files(prices, self.gas.as_deref(), self.steps, &believed)?;
        let sampled = path.ticks.len() < path.rows;
        Ok((path.ticks, sampled.then_some(path.rows), path.notes))
    }

    fn print(&self, context: &Context, course: &Course) -> eyre::Result<()> {
        if context.output.json {
            return context.output.json(&Printed::of(course));
        }
        context.output.text(&summary(course))
    }
}

/// An amount above zero.
fn positive(text: &str) -> std::result::Result<Decimal, String> {
    let amount = text.parse().ok().filter(|amount| *amount > Decimal::ZERO);
    amount.ok_or_else(|| "expected an amount above 0".to_owned())
}

/// Whether a file can be written, found out without leaving one: a run of some minutes must not end in nothing.
fn writable(file: &Path) -> std::io::Result<()> {
    match std::fs::OpenOptions::new().append(true).open(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
            tempfile::tempfile_in(directory.unwrap_or(Path::new("."))).map(drop)
        }
        other => other.map(drop),
    }
}
