//! Triggers compared at equal risk.

use std::sync::Arc;
use std::time::Duration;

use eyre::{WrapErr, eyre};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::arguments::{ModelName, StrategyName};
use super::{Simulate, setup, table};
use crate::backtest::BacktestError;
use crate::backtest::compare::{Comparison, Level, Result as Compared};
use crate::backtest::contestant::Kind;
use crate::backtest::ensemble::Watch;
use crate::backtest::risk::Measure;
use crate::backtest::scenario::Scenario;
use crate::cli::signals::interrupted;
use crate::cli::{Context, Failure};

/// Paths where the arguments do not say.
const PATHS: u32 = 2_000;

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
    pub(super) async fn compare(&self, context: &Context) -> Result<(), Failure> {
        let scenario = setup::scenario(self)?;
        let compared = self.compared(scenario).await?;
        let printed = Printed {
            seed: self.seed,
            paths: self.compared_paths(),
            tuning_paths: self.tuning_paths,
            compared: &compared,
        };
        context.output.show(&printed, |printed| table::table(printed.compared))?;
        Ok(())
    }

    fn compared_paths(&self) -> u32 {
        self.paths.unwrap_or(PATHS)
    }

    /// Compares on threads of its own, so that a signal is answered.
    async fn compared(&self, scenario: Scenario) -> Result<Compared, Failure> {
        let watch = Arc::new(Watch::default());
        let work = self.work(scenario, watch.clone());
        let mut job = tokio::task::spawn_blocking(work);
        tokio::select! {
            biased;
            signal = interrupted() => {
                // What is under way is not waited for: nothing of it is kept.
                watch.stop();
                signal?;
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
        let (seed, tuning_paths) = (self.seed, u64::from(self.tuning_paths));
        let (paths, threads) = (u64::from(self.compared_paths()), self.threads());
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
    fn risk(&self) -> (Measure, Level) {
        match (self.strategy, self.model) {
            (StrategyName::DeltaHedge, ModelName::Gbm | ModelName::Merton | ModelName::Heston) => {
                (Measure::Profit, Level::OfPremium(self.vault.risk_share()))
            }
            (StrategyName::DeltaHedge, ModelName::Bootstrap) => {
                (Measure::Tracking, Level::OfPremium(self.vault.risk_share()))
            }
            (StrategyName::Cppi | StrategyName::ConstantWeight, _) => (Measure::Tracking, Level::OfDefault),
        }
    }
}

/// A scenario that cannot be is wrong usage; what happens later is a failure.
pub(super) fn failure(error: BacktestError) -> Failure {
    match error {
        BacktestError::Policy(_) | BacktestError::Options(_) | BacktestError::Priceless { .. } => {
            Failure::usage(error)
        }
        BacktestError::Refused { .. }
        | BacktestError::Overdrawn
        | BacktestError::At { .. }
        | BacktestError::Number(_)
        | BacktestError::Model(_)
        | BacktestError::Emptied(_)
        | BacktestError::Owed(_)
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
