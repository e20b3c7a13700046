//! `keeper simulate`: what decisions cost over generated or resampled prices.

mod setup;
mod table;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use clap::{Args, ValueEnum};
use eyre::{WrapErr, eyre};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::signals::interrupted;
use super::{Context, Failure, Outcome};
use crate::backtest::BacktestError;
use crate::backtest::compare::{Comparison, Level, Result as Compared};
use crate::backtest::contestant::Kind;
use crate::backtest::ensemble::Watch;
use crate::backtest::risk::Measure;
use crate::backtest::scenario::Scenario;

const NOTES: &str = "\
Costs are means per path of fees and gas. Of a delta hedge risk is the standard deviation of the profit after costs, \
compared at a share of the premium; of other strategies, and of a hedge on resampled prices, it is the root of the mean \
quadratic variation of what the vault earns beside its target. Strategies without options are compared at the risk of \
the trigger `economic` at its default risk aversion.

Examples:
  keeper simulate --compare --strategy delta-hedge --model gbm --gas-usd 5 --fee-bps 10 --paths 2000
  keeper simulate --compare --strategy constant-weight --days 365 --paths 200 --json
  keeper simulate --compare --strategy delta-hedge --model bootstrap --prices eth_1h.csv --gas-prices gas.csv";

/// Decides along many simulated paths and compares the keeper's trigger with others at equal risk.
#[derive(Debug, Args)]
#[command(after_help = NOTES, allow_negative_numbers = true)]
pub(super) struct Simulate {
    /// Compare the keeper's own trigger with what others run, each tuned to the same risk on the same paths.
    #[arg(long, required = true)]
    compare: bool,
    /// What the vault should hold.
    #[arg(long, value_enum, default_value_t = StrategyName::DeltaHedge)]
    strategy: StrategyName,
    /// How prices move.
    #[arg(long, value_enum, default_value_t = ModelName::Gbm)]
    model: ModelName,
    /// Paths that costs are measured on.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    paths: u32,
    /// Paths, the first of them, that parameters are tuned on.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    tuning_paths: u32,
    /// Seed of the paths.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads; no part of the result. Without it all processors.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    #[command(flatten)]
    market: MarketArgs,
    #[command(flatten)]
    vault: VaultArgs,
}

/// The market.
#[derive(Debug, Args)]
struct MarketArgs {
    /// Days of a path; 30 for a hedge, otherwise 365.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    days: Option<u32>,
    /// Minutes between two decisions.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=1_440))]
    step_minutes: u32,
    /// Price at the start, USD.
    #[arg(long, default_value_t = 100.0, value_parser = positive)]
    price: f64,
    /// Annualised volatility, jumps included.
    #[arg(long, default_value_t = 0.8, value_parser = positive)]
    volatility: f64,
    /// Fee of the pool in basis points.
    #[arg(long, default_value_t = 10.0, value_parser = fee)]
    fee_bps: f64,
    /// Gas of a trade in USD.
    #[arg(long, default_value_t = 5.0, value_parser = not_negative, conflicts_with = "gas_prices")]
    gas_usd: f64,
    /// Jumps per year of the model `merton`.
    #[arg(long, default_value_t = 4.0, value_parser = not_negative)]
    jumps_per_year: f64,
    /// Mean of the logarithm of a jump's factor.
    #[arg(long, default_value_t = -0.08)]
    jump_mean: f64,
    /// Its standard deviation.
    #[arg(long, default_value_t = 0.08, value_parser = not_negative)]
    jump_deviation: f64,
    /// Hourly prices that the model `bootstrap` resamples: CSV with the columns ts,open,high,low,close,volume.
    #[arg(long, value_name = "FILE", required_if_eq("model", "bootstrap"))]
    prices: Option<PathBuf>,
    /// Gas prices of the same time, resampled with them: CSV with unix_time,value in wei.
    #[arg(long, value_name = "FILE", requires = "prices")]
    gas_prices: Option<PathBuf>,
    /// Gas of a trade where gas prices are given.
    #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u64).range(21_000..=30_000_000))]
    gas_units: u64,
    /// Hours of a resampled block.
    #[arg(long, default_value_t = 168, value_parser = clap::value_parser!(u32).range(1..=8_760))]
    block_hours: u32,
    /// Half-life in hours of the volatility estimate on resampled prices.
    #[arg(long, default_value_t = 168, value_parser = clap::value_parser!(u32).range(1..=8_760))]
    half_life_hours: u32,
    /// Rounds of the feed, one at each step, that the estimate reads.
    #[arg(long, default_value_t = 336, value_parser = clap::value_parser!(u32).range(24..=1_000))]
    rounds: u32,
}

/// The vault.
#[derive(Debug, Args)]
struct VaultArgs {
    /// Units of the risky asset that the written calls of a hedge are on.
    #[arg(long, default_value_t = 1_000.0, value_parser = positive)]
    calls: f64,
    /// Risk of a hedge at which costs are compared, over the premium.
    #[arg(long, default_value_t = 0.15, value_parser = positive)]
    risk_share: f64,
    /// First net asset value of the other strategies, USD.
    #[arg(long, default_value_t = 1_000_000.0, value_parser = positive)]
    capital: f64,
    /// Exposure per unit of cushion of CPPI.
    #[arg(long, default_value_t = 3.0, value_parser = positive)]
    multiplier: f64,
    /// Floor of CPPI over the first net asset value.
    #[arg(long, default_value_t = 0.8, value_parser = positive)]
    floor: f64,
    /// Exposure of constant weight over net asset value.
    #[arg(long, default_value_t = 0.5, value_parser = positive)]
    weight: f64,
}

/// [`crate::backtest::scenario::Strategy`] as an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StrategyName {
    /// Calls written at the money, hedged to their end.
    DeltaHedge,
    /// Constant proportion portfolio insurance.
    Cppi,
    /// A constant share of net asset value.
    ConstantWeight,
}

/// [`crate::backtest::paths::Process`] as an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ModelName {
    /// Geometric Brownian motion.
    Gbm,
    /// With jumps.
    Merton,
    /// Blocks of recorded hours, volatility estimated.
    Bootstrap,
}

/// What `--json` prints; money in USD.
#[derive(Serialize)]
struct Printed<'a> {
    seed: u64,
    paths: u32,
    tuning_paths: u32,
    #[serde(flatten)]
    compared: &'a Compared,
}

impl Simulate {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
        if self.market.prices.is_some() && !matches!(self.model, ModelName::Bootstrap) {
            return Err(Failure::usage(eyre!("--prices are for --model bootstrap alone")));
        }
        let scenario = setup::scenario(self)?;
        let compared = self.compared(scenario).await?;
        let printed = Printed {
            seed: self.seed,
            paths: self.paths,
            tuning_paths: self.tuning_paths,
            compared: &compared,
        };
        context.output.show(&printed, |printed| table::table(printed.compared))?;
        Ok(ExitCode::SUCCESS)
    }

    /// Compares on threads of its own, so that a signal is answered.
    async fn compared(&self, scenario: Scenario) -> Result<Compared, Failure> {
        let watch = Arc::new(Watch::default());
        let work = self.work(scenario, watch.clone());
        let mut job = tokio::task::spawn_blocking(work);
        tokio::select! {
            biased;
            signal = interrupted() => {
                watch.stop();
                signal?;
                // The threads end at their next path.
                let _ = job.await;
                Err(eyre!("stopped by a signal").into())
            }
            done = &mut job => done.wrap_err("the simulation broke off")?.map_err(failure),
        }
    }

    fn work(
        &self,
        scenario: Scenario,
        watch: Arc<Watch>,
    ) -> impl FnOnce() -> Result<Compared, BacktestError> + Send + use<> {
        let (seed, paths, tuning_paths) = (self.seed, u64::from(self.paths), u64::from(self.tuning_paths));
        let asked = self.threads.and_then(|threads| NonZeroUsize::new(threads.into()));
        let threads = asked.or_else(|| available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
        let (measure, level) = self.risk();
        move || {
            let comparison = Comparison {
                scenario: &scenario,
                measure,
                level,
                seed,
                paths,
                tuning_paths: tuning_paths.min(paths),
                threads,
                watch: &watch,
            };
            let bar = progress();
            let compared = comparison.run(|kind| {
                bar.inc(1);
                bar.set_message(kind.name());
            });
            bar.finish_and_clear();
            compared
        }
    }

    /// What risk is measured by, and where costs are compared.
    const fn risk(&self) -> (Measure, Level) {
        match (self.strategy, self.model) {
            (StrategyName::DeltaHedge, ModelName::Gbm | ModelName::Merton) => {
                (Measure::Profit, Level::OfPremium(self.vault.risk_share))
            }
            (StrategyName::DeltaHedge, ModelName::Bootstrap) => {
                (Measure::Tracking, Level::OfPremium(self.vault.risk_share))
            }
            (StrategyName::Cppi | StrategyName::ConstantWeight, _) => (Measure::Tracking, Level::OfDefault),
        }
    }
}

/// A scenario that cannot be is wrong usage; what happens later is a failure.
fn failure(error: BacktestError) -> Failure {
    match error {
        BacktestError::Policy(_) => Failure::usage(error),
        BacktestError::Refused { .. }
        | BacktestError::Overdrawn
        | BacktestError::Number(_)
        | BacktestError::Model(_)
        | BacktestError::Idle
        | BacktestError::Stopped => Failure::Failed(error.into()),
    }
}

/// A bar on a terminal, nothing elsewhere.
fn progress() -> ProgressBar {
    let length = u64::try_from(Kind::ALL.len()).unwrap_or(u64::MAX);
    let bar = ProgressBar::new(length);
    let style = ProgressStyle::with_template("{spinner} {bar:30} {pos}/{len} {elapsed}  {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn number(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "expected a number".to_owned())?;
    if value.is_finite() && value.abs() <= 1e12 {
        Ok(value)
    } else {
        Err("expected a number up to 10^12".into())
    }
}

fn positive(text: &str) -> Result<f64, String> {
    number(text)
        .and_then(|value| if value > 0.0 { Ok(value) } else { Err("expected a number above 0".into()) })
}

fn not_negative(text: &str) -> Result<f64, String> {
    number(text).and_then(|value| if value >= 0.0 { Ok(value) } else { Err("expected at least 0".into()) })
}

fn fee(text: &str) -> Result<f64, String> {
    let fits = |value: f64| (0.0..=1_000.0).contains(&value);
    let wrong = || "expected a fee from 0 to 1000 basis points".to_owned();
    number(text).and_then(|value| if fits(value) { Ok(value) } else { Err(wrong()) })
}
