//! Everything a sweep reads, each file once, and all of it checked before anything runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use alloy::primitives::B256;
use eyre::{WrapErr, eyre};
use indicatif::ProgressBar;

use super::Sweep;
use crate::backtest::bars::Bars;
use crate::backtest::past::prices::{Tick, ticks};
use crate::backtest::sweep::grid::{Grid, Period};
use crate::backtest::sweep::origin::{Origin, Shared, keys};
use crate::backtest::sweep::plan::{Base, Plan};
use crate::cli::Failure;
use crate::cli::look_back::bar_over;
use crate::config::load_policy;
use crate::stage::path::files::BaseFee;

/// What a sweep is of.
pub(super) struct Inputs {
    /// What the policy is called.
    pub(super) policy: String,
    /// What the prices are called.
    pub(super) name: String,
    pub(super) notes: Vec<String>,
    pub(super) plan: Plan,
    pub(super) origin: Origin,
    pub(super) keys: Vec<Option<B256>>,
    /// The prices of each period.
    ticks: Vec<Vec<Tick>>,
    base_fees: Vec<BaseFee>,
}

/// Bars by the file that they come from, and what is to be known of them.
#[derive(Default)]
struct Read {
    bars: BTreeMap<PathBuf, Bars>,
    notes: Vec<String>,
}

impl Inputs {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// Wrong usage: a file that cannot be read, or that says what cannot be.
    pub(super) fn read(arguments: &Sweep) -> Result<Self, Failure> {
        let published = load_policy(&arguments.policy).map_err(Failure::usage)?;
        let (setting, base_fees) = arguments.past.world()?;
        setting.suits(published.policy()).map_err(Failure::usage)?;
        let grid = Grid::read(&arguments.grid).map_err(Failure::usage)?;
        let base = Base { policy: published.policy(), setting: &setting, capital: arguments.past.capital };
        let bar = checking(&grid);
        let plan = Plan::of(grid, base, || bar.inc(1)).map_err(Failure::usage)?;
        let mut read = Read::default();
        let ticks = parts(arguments, &plan.grid().periods, &mut read).map_err(Failure::usage)?;
        let shared = Shared { ticks: &ticks, base_fees: &base_fees };
        for part in &ticks {
            read.note(arguments.past.beside((&setting, &base_fees), part)?);
        }
        let origin = Origin::of(&base, &plan, shared).wrap_err("the inputs have no hash")?;
        let keys = keys(&plan, shared, || bar.inc(1)).wrap_err("the inputs have no hash")?;
        bar.finish_and_clear();
        let stem = |file: &PathBuf| file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let name = read.bars.keys().map(stem).collect::<Vec<_>>().join(", ");
        let policy = published.policy().name.clone();
        Ok(Self { policy, name, notes: read.notes, plan, origin, keys, ticks, base_fees })
    }

    /// What all combinations share.
    pub(super) fn shared(&self) -> Shared<'_> {
        Shared { ticks: &self.ticks, base_fees: &self.base_fees }
    }
}

/// A bar over what is checked of a grid: its policies and settings, and then its combinations.
fn checking(grid: &Grid) -> ProgressBar {
    let checks = grid.sizes().into_iter().product::<usize>().saturating_add(grid.documents());
    bar_over(u64::try_from(checks).unwrap_or(u64::MAX), "checked")
}

/// The prices of each period, or of the whole past.
fn parts(arguments: &Sweep, periods: &[Period], read: &mut Read) -> eyre::Result<Vec<Vec<Tick>>> {
    let needed = || {
        arguments
            .prices
            .clone()
            .ok_or_else(|| eyre!("--prices is needed: not every period of the grid names its own"))
    };
    if periods.is_empty() {
        let file = needed()?;
        return Ok(vec![read.part(arguments, &file, (arguments.past.start, arguments.past.end))?]);
    }
    if arguments.past.start.is_some() || arguments.past.end.is_some() {
        return Err(eyre!("the periods stand in the grid: leave --start and --end out"));
    }
    let folder = arguments.grid.parent().unwrap_or_else(|| Path::new(""));
    let part = |period: &Period| {
        let file = period.prices.as_ref().map_or_else(needed, |own| Ok(folder.join(own)))?;
        read.part(arguments, &file, (period.start, period.end))
            .wrap_err_with(|| format!("the period {}", period.name))
    };
    periods.iter().map(part).collect()
}

impl Read {
    /// Takes what is not known yet.
    fn note(&mut self, notes: impl IntoIterator<Item = String>) {
        for note in notes {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
    }

    /// The prices of a part of the past.
    fn part(
        &mut self,
        arguments: &Sweep,
        file: &Path,
        (start, end): (Option<u64>, Option<u64>),
    ) -> eyre::Result<Vec<Tick>> {
        if !self.bars.contains_key(file) {
            let bars = Bars::read(file)?;
            self.bars.insert(file.to_owned(), bars);
        }
        let bars = self.bars.get(file).cloned().ok_or_else(|| eyre!("{} is gone", file.display()))?;
        let bars = bars.between(start, end).wrap_err_with(|| file.display().to_string())?;
        self.note(bars.notes().iter().map(|note| format!("{}: {note}", file.display())));
        Ok(ticks(bars.bars(), bars.step_seconds(), arguments.past.order).collect())
    }
}
