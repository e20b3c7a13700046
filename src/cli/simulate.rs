//! `keeper simulate`: a policy in generated or resampled futures, and what decisions cost in them.

mod arguments;
mod comparison;
mod future;
mod setup;
mod table;
mod taken;

use std::num::NonZeroUsize;
use std::process::ExitCode;

use clap::{ArgGroup, Args};

use super::{Context, Outcome, threads};
use arguments::{MarketArgs, ModelArgs, ModelName, PolicyArgs, StrategyName, VaultArgs};

const NOTES: &str = "\
With --policy the vault is walked through every path as `keeper backtest` walks it through recorded prices, beside hold, cash, a \
threshold and daily trading on the same paths; the paths are held against their closed forms first: a figure that is more than three \
standard errors off is marked with how seldom chance takes a sound one so far (one in 370 or fewer), and of paths that are further off \
than four nothing is told (exit code 3). See docs/simulate.md.

With --compare costs are means per path of fees and gas. Of a delta hedge risk is the standard deviation of the profit after \
costs, compared at a share of the premium; of other strategies, and of a hedge on resampled prices, it is the root of the mean \
quadratic variation of what the vault earns beside its target. Strategies without options are compared at the risk of \
the trigger `economic` at its default risk aversion.

Examples:
  keeper simulate --policy cppi.toml --model merton --volatility 0.9 --paths 2000 --out result
  keeper simulate --policy cppi.toml --model heston --drift 0.1 --format html > heston.html
  keeper simulate --policy cppi.toml --model bootstrap --prices eth_1h.csv --gas gas.csv --block-hours 72
  keeper simulate --compare --strategy delta-hedge --model gbm --gas-usd 5 --fee-bps 10 --paths 2000
  keeper simulate --compare --strategy constant-weight --days 365 --paths 200 --json
  keeper simulate --compare --strategy delta-hedge --model bootstrap --prices eth_1h.csv --gas-prices gas.csv";

/// Decides along many simulated paths: how likely a policy breaks its floor, or its trigger beside others at equal risk.
#[derive(Debug, Args)]
#[command(after_help = NOTES, allow_negative_numbers = true)]
#[command(group = ArgGroup::new("question").args(["policy", "compare"]).required(true))]
pub(super) struct Simulate {
    /// Compare the keeper's own trigger with what others run, each tuned to the same risk on the same paths.
    #[arg(long)]
    compare: bool,
    #[command(flatten)]
    policy: PolicyArgs,
    /// What the vault should hold.
    #[arg(long, value_enum, default_value_t = StrategyName::DeltaHedge, conflicts_with = "policy")]
    strategy: StrategyName,
    /// How prices move.
    #[arg(long, value_enum, default_value_t = ModelName::Gbm)]
    model: ModelName,
    /// Paths that are walked: 100 to 1000000 for --compare, 2000 where absent; 100 to 100000 for --policy, 1000 where absent.
    #[arg(long)]
    paths: Option<u32>,
    /// Paths, the first of them, that parameters are tuned on.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(10..=1_000_000), conflicts_with = "policy")]
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
    moves: ModelArgs,
    #[command(flatten)]
    vault: VaultArgs,
}

impl Simulate {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
        taken::check(self)?;
        match &self.policy.policy {
            Some(policy) => self.simulate(context, policy).await?,
            None => self.compare(context).await?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn threads(&self) -> NonZeroUsize {
        threads(self.threads)
    }
}
