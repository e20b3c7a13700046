//! `keeper backtest`: what a policy would have done at recorded prices.

pub(super) mod figures;
mod files;
mod kept;
mod options;
mod past;
pub(super) mod text;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use alloy::primitives::B256;
use clap::{Args, ValueEnum};
use eyre::{WrapErr, eyre};
use rust_decimal::Decimal;
use serde::Serialize;

pub(super) use options::{unopened, unrolled};
pub(super) use text::written;

pub(super) use past::PastArgs;

use figures::{Definition, defined};

use super::output::make_directory;
use super::signals::interrupted;
use super::{Context, Failure, Outcome};
use crate::backtest::bars::Bars;
use crate::backtest::past::contest::{Entrant, Entry, contest};
use crate::backtest::past::metrics::Metrics;
use crate::backtest::past::opening::Start;
use crate::backtest::past::prices::{Tick, ticks};
use crate::backtest::past::rolls::Roll;
use crate::backtest::past::run::Past;
use crate::backtest::past::setting::Setting;
use crate::backtest::past::unopened::Unopened;
use crate::config::load_policy;
use crate::domain::policy::PublishedPolicy;
use crate::stage::path::files::BaseFee;

const NOTES: &str = "\
The decision is that of `keeper run`, on facts made from the prices: a feed with heartbeat and deviation, pools that trades move \
and arbitrage brings back, the floor, cash-lock and guards of the vault's contract, gas, and a delay until inclusion. What of that \
is otherwise, outages, deposits, withdrawals and the series of an option book stand in the file of --setting. See docs/backtest.md.

Examples:
  keeper backtest --prices eth_1h.csv --policy cppi.toml
  keeper backtest --prices eth_1m.parquet --policy cppi.toml --gas gas.csv --capital 10000000 --out result
  keeper backtest --prices eth_1h.csv --policy cppi.toml --start 2020-03-01 --end 2020-04-01 --format html > march.html";

/// Decides at recorded prices as the keeper would have, and says what came of it.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(super) struct Backtest {
    /// Prices: CSV or Parquet with time, open, high, low and close, of any step.
    #[arg(long, value_name = "FILE")]
    prices: PathBuf,
    /// The policy.
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    #[command(flatten)]
    past: PastArgs,
    /// Directory for report.html, figures.csv, rebalances.csv, options.csv and course.csv; what is there of these is replaced.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A table for a terminal.
    Table,
    /// One JSON document.
    Json,
    /// The figures.
    Csv,
    /// One page that needs no network.
    Html,
}

/// What was walked through, and what came of it.
struct Tested {
    /// What the prices are called.
    name: String,
    notes: Vec<String>,
    base_fees: Vec<BaseFee>,
    setting: Setting,
    published: PublishedPolicy,
    ticks: Vec<Tick>,
    entries: Vec<Entry>,
}

/// What `--json` prints; money in units of the asset.
#[derive(Serialize)]
struct Printed<'a> {
    prices: &'a str,
    policy: &'a str,
    policy_hash: B256,
    capital: Decimal,
    ticks: usize,
    from: u64,
    to: u64,
    notes: &'a [String],
    figures: Vec<Told>,
    entrants: Vec<Row<'a>>,
}

/// A figure among `metrics`, what people call it, and its unit.
#[derive(Serialize)]
struct Told {
    id: &'static str,
    name: &'static str,
    unit: &'static str,
    meaning: &'static str,
}

#[derive(Serialize)]
struct Row<'a> {
    entrant: Entrant,
    metrics: &'a Metrics,
    /// How often each reason was given: all that was decided.
    reasons: &'a BTreeMap<String, u64>,
    /// Ticks with a transaction under way, at which nothing was decided anew.
    under_way: u64,
    /// Ticks with the keeper absent.
    absent: u64,
    /// Positions of the option book.
    #[serde(skip_serializing_if = "<[Roll]>::is_empty")]
    options: &'a [Roll],
    /// Ticks at which none were opened that were due, by the reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    unrolled: &'a BTreeMap<Unopened, u64>,
}

impl Backtest {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
        let mut tested = self.read()?;
        if let Some(directory) = &self.out {
            make_directory(directory)?;
        }
        tested.entries = self.walked(&tested).await?;
        let last = tested.ticks.last().map_or(0, |tick| tick.time);
        if let Some(policy) = tested.entries.first() {
            let kept = kept::notes(&policy.outcome, &tested.ticks, tested.published.policy());
            tested.notes.extend(kept.into_iter().chain(options::notes(&policy.outcome, last)));
        }
        match self.past.format(context.output.json) {
            Format::Table => context.output.text(&text::text(&tested))?,
            Format::Json => context.output.json(&self.printed(&tested))?,
            Format::Csv => {
                context.output.text(files::figures(&tested)?.to_text().wrap_err("the figures")?.trim_end())?
            }
            Format::Html => context.output.text(&files::page(&tested)?)?,
        }
        if let Some(directory) = &self.out {
            files::write(directory, &tested)?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Everything that is read, and nothing decided yet.
    fn read(&self) -> Result<Tested, Failure> {
        let published = load_policy(&self.policy).map_err(Failure::usage)?;
        let (setting, base_fees) = self.past.world()?;
        setting.suits(published.policy()).map_err(Failure::usage)?;
        let name = self.prices.display().to_string();
        let bars = Bars::read(&self.prices).map_err(Failure::usage)?;
        let bars =
            bars.between(self.past.start, self.past.end).wrap_err_with(|| name).map_err(Failure::usage)?;
        let ticks: Vec<Tick> = ticks(bars.bars(), bars.step_seconds(), self.past.order).collect();
        let mut notes = self.past.beside((&setting, &base_fees), &ticks)?;
        notes.extend(bars.notes().iter().map(ToString::to_string));
        let file = self.prices.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Tested { name: file, notes, base_fees, setting, published, ticks, entries: Vec::new() })
    }

    /// Walks on threads of its own, so that a signal is answered.
    async fn walked(&self, tested: &Tested) -> Result<Vec<Entry>, Failure> {
        let threads = self.past.threads();
        let (ticks, base_fees) = (tested.ticks.clone(), tested.base_fees.clone());
        let (setting, published, capital) =
            (tested.setting.clone(), tested.published.clone(), self.past.capital);
        let job = tokio::task::spawn_blocking(move || {
            let past = Past {
                ticks: &ticks,
                base_fees: &base_fees,
                setting: &setting,
                start: Start::Capital(capital),
            };
            contest(&past, &published, &Entrant::ALL, threads)
        });
        tokio::select! {
            biased;
            signal = interrupted() => {
                signal?;
                Err(eyre!("stopped by a signal").into())
            }
            done = job => Ok(done.wrap_err("the backtest broke off")?.map_err(eyre::Report::from)?),
        }
    }

    fn printed<'a>(&self, tested: &'a Tested) -> Printed<'a> {
        let row = |entry: &'a Entry| Row {
            entrant: entry.entrant,
            metrics: &entry.metrics,
            reasons: &entry.outcome.reasons,
            options: &entry.outcome.rolls,
            unrolled: &entry.outcome.unrolled,
            under_way: entry.outcome.under_way,
            absent: entry.outcome.absent,
        };
        let time = |tick: Option<&Tick>| tick.map_or(0, |tick| tick.time);
        Printed {
            prices: &tested.name,
            policy: &tested.published.policy().name,
            policy_hash: tested.published.hash(),
            capital: self.past.capital,
            ticks: tested.ticks.len(),
            from: time(tested.ticks.first()),
            to: time(tested.ticks.last()),
            notes: &tested.notes,
            figures: defined(&tested.entries).map(told).collect(),
            entrants: tested.entries.iter().map(row).collect(),
        }
    }
}

const fn told(&(id, name, meaning, unit, _): &Definition) -> Told {
    Told { id, name, unit: unit.name(), meaning }
}
