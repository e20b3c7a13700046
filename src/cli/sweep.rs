//! `keeper sweep`: a policy at many parameters in many worlds.

mod files;
mod front;
mod heat;
mod inputs;
mod swept;
mod text;
mod view;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use eyre::{WrapErr, eyre};

use super::backtest::{Format, PastArgs};
use super::look_back::bar_over;
use super::output::make_directory;
use super::signals::interrupted;
use super::{Context, Failure, Outcome};
use crate::backtest::sweep::kept::{Kept, KeptError};
use crate::backtest::sweep::run::{Halt, Work, run};
use inputs::Inputs;
use swept::Swept;
use view::{Others, Risk, View};

const NOTES: &str = "\
The file of --grid says what varies, and every value is combined with all others:

  capital = [\"100000\", \"10000000\"]
  [policy]
  \"strategy.multiplier\" = [\"2\", \"3\", \"4\"]
  \"gap.floor_weight\" = { from = \"1\", to = \"100\", steps = 5, scale = \"log\" }
  [setting]
  \"pools.depth\" = [\"500000\", \"2000000\"]
  [[period]]
  name = \"spring 2020\"
  start = 2020-02-01
  end = 2020-05-01

What is done is kept in cells.jsonl of --out as it comes; the same command goes on from there, whatever ended it. results.csv, \
results.parquet and report.html are written at the end, and do not depend on the number of threads. See docs/sweep.md.

Examples:
  keeper sweep --prices eth_1h.csv --policy cppi.toml --grid grid.toml --out result
  keeper sweep --prices eth_1h.csv --policy cppi.toml --grid grid.toml --out result --x trigger --risk max-drawdown";

/// Walks every combination of a grid through the past, and says which are worth having.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(super) struct Sweep {
    /// Prices, as of `keeper backtest`; not needed where every period of the grid has its own.
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// The policy that is varied.
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// What varies, in TOML.
    #[arg(long, value_name = "FILE")]
    grid: PathBuf,
    #[command(flatten)]
    past: PastArgs,
    /// Directory for cells.jsonl, results.csv, results.parquet and report.html.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    shown: Shown,
}

/// What is shown of the results; no part of them.
#[derive(Debug, Args)]
struct Shown {
    /// Parameter across the heat map; without it the one with the most values.
    #[arg(long, value_name = "KEY")]
    x: Option<String>,
    /// Parameter up the heat map; without it the one with the most of the rest.
    #[arg(long, value_name = "KEY")]
    y: Option<String>,
    /// Figure of the heat map, by its name in results.csv.
    #[arg(long, value_name = "NAME", default_value = "cost_bps")]
    figure: String,
    /// What the heat map takes of the combinations that differ in other parameters.
    #[arg(long, value_enum, default_value_t = Others::Mean)]
    others: Others,
    /// Shows those combinations alone; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    fix: Vec<String>,
    /// Risk that cost is set against.
    #[arg(long, value_enum, default_value_t = Risk::TrackingError)]
    risk: Risk,
}

impl Sweep {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
        let inputs = Arc::new(Inputs::read(self)?);
        let dimensions = inputs.plan.grid().dimensions();
        let view = View::of(&self.shown, &dimensions).map_err(Failure::usage)?;
        make_directory(&self.out)?;
        let kept = Kept::open(&self.out.join("cells.jsonl"), &inputs.origin, inputs.keys.clone());
        let kept = self.walked(Arc::clone(&inputs), kept.map_err(refused)?).await?;
        let swept = Swept { inputs, dimensions, kept, view };
        if swept.walked().next().is_none() {
            return Err(nothing(&swept).into());
        }
        files::write(&self.out, &swept)?;
        match self.past.format(context.output.json) {
            Format::Table => context.output.text(&text::text(&swept, &self.out))?,
            Format::Json => context.output.json(&swept.printed())?,
            Format::Csv => {
                context.output.text(files::results(&swept)?.to_text().wrap_err("the results")?.trim_end())?
            }
            Format::Html => context.output.text(&files::page(&swept)?)?,
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Walks what is left on threads of its own; a signal ends it once what is under way is done and kept, a second one at once.
    async fn walked(&self, inputs: Arc<Inputs>, kept: Kept) -> Result<Kept, Failure> {
        tell(&kept, &self.out);
        let halt = Arc::new(Halt::default());
        let threads = self.past.threads();
        let watched = Arc::clone(&halt);
        let mut job = tokio::task::spawn_blocking(move || walk_all(&inputs, kept, threads, &watched));
        let done = tokio::select! {
            biased;
            signal = interrupted() => {
                signal?;
                halt.ask();
                tracing::warn!("ends once the combinations that are under way are done; another signal ends it at once");
                tokio::select! {
                    done = &mut job => done,
                    _ = interrupted() => std::process::exit(1),
                }
            }
            done = &mut job => done,
        };
        let kept = done.wrap_err("the sweep broke off")?.map_err(refused)?;
        let left = kept.left().len();
        if left > 0 {
            let done = kept.outcomes().len();
            return Err(eyre!(
                "stopped by a signal: {done} combinations are kept and {left} are left; the same command goes on from there"
            )
            .into());
        }
        Ok(kept)
    }
}

fn walk_all(inputs: &Inputs, mut kept: Kept, threads: NonZeroUsize, halt: &Halt) -> Result<Kept, KeptError> {
    let left = kept.left();
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    let bar = bar_over(count(kept.outcomes().len().saturating_add(left.len())), "combinations");
    bar.set_position(count(kept.outcomes().len()));
    bar.reset_eta();
    let work = Work { plan: &inputs.plan, shared: inputs.shared(), left: &left, threads, halt };
    let ended = run(&work, |done| {
        let many = count(done.len());
        kept.keep(done)?;
        bar.inc(many);
        Ok(())
    });
    bar.finish_and_clear();
    ended.map(|()| kept)
}

/// Says what was there already.
fn tell(kept: &Kept, out: &Path) {
    let (done, left) = (kept.outcomes().len(), kept.left().len());
    if kept.torn() > 0 {
        let bytes = kept.torn();
        tracing::warn!(
            "the last {bytes} bytes of cells.jsonl were no whole line, as a crash leaves it, and were taken off"
        );
    }
    if done > 0 {
        tracing::info!("{done} combinations are in {} already, {left} are left", out.display());
    }
}

/// A file of something else is wrong usage; a disk that refuses is a failure.
fn refused(error: KeptError) -> Failure {
    match error {
        KeptError::Busy(_) | KeptError::Other { .. } | KeptError::Foreign { .. } => Failure::usage(error),
        KeptError::Unwritable { .. } => Failure::Failed(error.into()),
    }
}

fn nothing(swept: &Swept) -> eyre::Report {
    let why = swept.failed().next().map(|(_, why)| why.to_owned()).unwrap_or_default();
    eyre!("none of the combinations that --fix leaves could be walked through these prices; the first: {why}")
}
