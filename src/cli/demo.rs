//! `keeper demo`: a crash on a local chain, with the real keeper in it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use comfy_table::{CellAlignment, Table, presets};
use eyre::WrapErr;
use rust_decimal::Decimal;
use serde::Serialize;

use super::{Context, Failure, Outcome};
use crate::demo::course::{Contestant, Course, Outcome as Result};
use crate::demo::{self, report};
use crate::stage::artifacts::Artifacts;
use crate::stage::path::files::path_from_files;
use crate::stage::path::scenario::Scenario;
use crate::stage::path::{DEFAULT_STEPS, Tick};

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
    /// Market from a CSV file with the columns ts,open,high,low,close,volume.
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// Gas prices from a CSV file; without one gas stays at 20 gwei.
    #[arg(long, value_name = "FILE", requires = "prices")]
    gas: Option<PathBuf>,
    /// Most steps that a file is sampled to.
    #[arg(long, default_value_t = DEFAULT_STEPS, requires = "prices")]
    steps: usize,
    /// First deposit of each vault, in whole units of the asset.
    #[arg(long, default_value = "1000000")]
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
        let path = self.path().map_err(Failure::usage)?;
        let scenario = match &self.prices {
            None => self.scenario.to_possible_value().map_or_else(String::new, |v| v.get_name().to_owned()),
            Some(file) => file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        };
        let artifacts = Artifacts::new(&self.root);
        let demo = demo::Demo { scenario, path, capital: self.capital, artifacts };
        let course = demo::drive(&demo).await?;
        let html = report::html(&course).wrap_err("the report cannot be drawn")?;
        std::fs::write(&self.report, html)
            .wrap_err_with(|| format!("the report {} cannot be written", self.report.display()))?;
        if context.output.json {
            context.output.json(&Printed::of(&course))?;
        } else {
            context.output.text(&summary(&course))?;
            context.output.text(&format!("report: {}", self.report.display()))?;
        }
        self.verdict(&course)
    }

    fn path(&self) -> eyre::Result<Vec<Tick>> {
        match &self.prices {
            None => Ok(self.scenario.path(SCENARIO_START)),
            Some(prices) => path_from_files(prices, self.gas.as_deref(), self.steps),
        }
    }

    /// The demo fails where the floor broke, and where the crash demonstrated nothing.
    fn verdict(&self, course: &Course) -> Outcome {
        let keeper = course.contestants.first().ok_or_else(|| eyre::eyre!("nobody took part"))?;
        if keeper.result.floor_broken() {
            let below = -keeper.result.lowest_cushion;
            return Err(eyre::eyre!("the floor was broken: {below:.2} below it").into());
        }
        let crash = self.prices.is_none() && self.scenario == Scenario::Crash;
        if crash {
            demonstrates(keeper)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// At least half of net asset value exposed at some time, and at least three rebalances after the first.
fn demonstrates(keeper: &Contestant) -> eyre::Result<()> {
    let exposed = keeper.points.iter().any(|p| p.exposure >= 0.5 * p.nav);
    let sales = keeper.trades.iter().filter(|t| t.sell).count();
    eyre::ensure!(exposed, "nothing is demonstrated: exposure never reached half of net asset value");
    eyre::ensure!(sales >= 3, "nothing is demonstrated: {sales} sales in the crash, at least 3 expected");
    Ok(())
}

fn summary(course: &Course) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header([
        "",
        "NAV",
        "return %",
        "floor",
        "lowest cushion",
        "rebalances",
        "gas USD",
        "slippage + fees USD",
        "reverted",
    ]);
    for contestant in &course.contestants {
        let r = &contestant.result;
        table.add_row([
            contestant.name.clone(),
            format!("{:.0}", r.end),
            format!("{:.2}", 100.0 * (r.end / r.start - 1.0)),
            format!("{:.0}", r.floor),
            format!("{:.0}{}", r.lowest_cushion, if r.floor_broken() { " (broken)" } else { "" }),
            r.rebalances.to_string(),
            format!("{:.2}", r.gas),
            format!("{:.2}", r.slippage),
            r.reverted.to_string(),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}
