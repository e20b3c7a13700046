//! What `keeper simulate` is told.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::backtest::paths::{Heston, Jumps};
use crate::backtest::scenario::Strategy;

/// The market.
#[derive(Debug, Args)]
pub(super) struct MarketArgs {
    /// Days of a path; 30 for a hedge, otherwise 365.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub(super) days: Option<u32>,
    /// Minutes between two decisions; 60, or those of the prices that are resampled.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=43_200))]
    pub(super) step_minutes: Option<u32>,
    /// Price at the start, USD; 100, or with a policy 2000.
    #[arg(long, value_parser = positive)]
    pub(super) price: Option<f64>,
    /// Annualised volatility, jumps included; of the model `heston` the root of the variance that it comes back to; 0.8 where
    /// absent.
    #[arg(long, value_parser = positive)]
    pub(super) volatility: Option<f64>,
    /// Fee of the pool in basis points.
    #[arg(long, default_value_t = 10.0, value_parser = fee, conflicts_with = "policy")]
    pub(super) fee_bps: f64,
    /// Gas of a trade in USD.
    #[arg(long, default_value_t = 5.0, value_parser = not_negative, conflicts_with_all = ["gas_prices", "policy"])]
    pub(super) gas_usd: f64,
    /// Jumps per year of the model `merton`; 4 where absent.
    #[arg(long, value_parser = not_negative)]
    pub(super) jumps_per_year: Option<f64>,
    /// Of the model `merton` the mean of the logarithm of a jump's factor; -0.08 where absent.
    #[arg(long, value_parser = number)]
    pub(super) jump_mean: Option<f64>,
    /// Its standard deviation; 0.08 where absent.
    #[arg(long, value_parser = not_negative)]
    pub(super) jump_deviation: Option<f64>,
    /// Prices that the model `bootstrap` resamples: CSV or Parquet with a time and a close; hourly ones for --compare.
    #[arg(long, value_name = "FILE", required_if_eq("model", "bootstrap"))]
    pub(super) prices: Option<PathBuf>,
    /// Gas prices of the same time, resampled with them: CSV with unix_time,value in wei.
    #[arg(long, value_name = "FILE", requires = "prices", conflicts_with = "policy")]
    pub(super) gas_prices: Option<PathBuf>,
    /// Gas of a trade where gas prices are given.
    #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u64).range(21_000..=30_000_000),
          conflicts_with = "policy", requires = "gas_prices")]
    pub(super) gas_units: u64,
    /// Hours of a block that the model `bootstrap` draws, in whole steps of the prices, which have to be two blocks long; 168
    /// where absent.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=8_760))]
    pub(super) block_hours: Option<u32>,
    /// Half-life in hours of the volatility estimate on resampled prices; 168 where absent.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=8_760), conflicts_with = "policy")]
    pub(super) half_life_hours: Option<u32>,
    /// Rounds of the feed, one at each step, that the estimate reads; 336 where absent.
    #[arg(long, value_parser = clap::value_parser!(u32).range(24..=1_000), conflicts_with = "policy")]
    pub(super) rounds: Option<u32>,
}

/// How a price moves for a policy, beside what a comparison has.
#[derive(Debug, Args)]
pub(super) struct ModelArgs {
    /// Growth of the mean price per year, continuously compounded; recorded prices have their own. 0 where absent.
    #[arg(long, value_parser = drift, conflicts_with = "compare")]
    pub(super) drift: Option<f64>,
    /// Speed at which the variance of the model `heston` comes back, per year; 3 where absent.
    #[arg(long, value_parser = positive, conflicts_with = "compare")]
    pub(super) kappa: Option<f64>,
    /// Volatility of that variance; 1.2 where absent.
    #[arg(long, value_parser = positive, conflicts_with = "compare")]
    pub(super) xi: Option<f64>,
    /// Correlation of price and variance; -0.4 where absent.
    #[arg(long, value_parser = correlation, conflicts_with = "compare")]
    pub(super) rho: Option<f64>,
    /// Variance of the model `heston` at the start, per year; without it the one that it comes back to.
    #[arg(long, value_parser = not_negative, conflicts_with = "compare")]
    pub(super) v0: Option<f64>,
}

impl MarketArgs {
    pub(super) fn volatility(&self) -> f64 {
        self.volatility.unwrap_or(0.8)
    }

    pub(super) fn jumps(&self) -> Jumps {
        Jumps {
            rate: self.jumps_per_year.unwrap_or(4.0),
            mean: self.jump_mean.unwrap_or(-0.08),
            deviation: self.jump_deviation.unwrap_or(0.08),
        }
    }
}

impl ModelArgs {
    pub(super) fn drift(&self) -> f64 {
        self.drift.unwrap_or(0.0)
    }

    /// With that variance in the long run.
    pub(super) fn heston(&self, long_run: f64) -> Heston {
        Heston {
            reversion: self.kappa.unwrap_or(3.0),
            long_run,
            vol_of_vol: self.xi.unwrap_or(1.2),
            correlation: self.rho.unwrap_or(-0.4),
            initial: self.v0.unwrap_or(long_run),
        }
    }
}

impl VaultArgs {
    pub(super) fn capital(&self) -> f64 {
        self.capital.unwrap_or(1_000_000.0)
    }

    pub(super) fn risk_share(&self) -> f64 {
        self.risk_share.unwrap_or(0.15)
    }

    pub(super) fn strategy(&self, name: StrategyName) -> Strategy {
        match name {
            StrategyName::DeltaHedge => Strategy::DeltaHedge { calls: self.calls.unwrap_or(1_000.0) },
            StrategyName::Cppi => Strategy::Cppi {
                capital: self.capital(),
                multiplier: self.multiplier.unwrap_or(3.0),
                floor: self.floor.unwrap_or(0.8),
            },
            StrategyName::ConstantWeight => {
                Strategy::ConstantWeight { capital: self.capital(), weight: self.weight.unwrap_or(0.5) }
            }
        }
    }
}

/// What is simulated of a policy, and what is told of it.
#[derive(Debug, Args)]
pub(super) struct PolicyArgs {
    /// The policy whose future is simulated.
    #[arg(long, value_name = "FILE", conflicts_with = "compare")]
    pub(super) policy: Option<PathBuf>,
    /// The world beside the prices: pools, feed, delay, outages, deposits and withdrawals, in TOML; paths begin on 2024-01-01.
    #[arg(long, value_name = "FILE", conflicts_with = "compare")]
    pub(super) setting: Option<PathBuf>,
    /// Base fees of the time of --prices, resampled with them: CSV with timestamp,baseFee or timestamp,basefee_gwei or
    /// unix_time,value.
    #[arg(long, value_name = "FILE", conflicts_with = "compare", requires = "prices")]
    pub(super) gas: Option<PathBuf>,
    /// What to print; --json is --format json.
    #[arg(long, value_enum, default_value_t = Format::Table, conflicts_with_all = ["json", "compare"])]
    pub(super) format: Format,
    /// Directory for report.html, figures.csv, check.csv, fan.csv and paths.csv; what is there of these is replaced.
    #[arg(long, value_name = "DIR", conflicts_with = "compare")]
    pub(super) out: Option<PathBuf>,
}

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Tables for a terminal.
    Table,
    /// One JSON document.
    Json,
    /// The figures.
    Csv,
    /// One page that needs no network.
    Html,
}

/// The vault.
#[derive(Debug, Args)]
pub(super) struct VaultArgs {
    /// Units of the risky asset that the written calls of a hedge are on; 1000 where absent.
    #[arg(long, value_parser = positive, conflicts_with = "policy")]
    pub(super) calls: Option<f64>,
    /// Risk of a hedge at which costs are compared, over the premium; 0.15 where absent.
    #[arg(long, value_parser = positive, conflicts_with = "policy")]
    pub(super) risk_share: Option<f64>,
    /// First net asset value, USD, of a policy or of another strategy than a hedge; 1000000 where absent.
    #[arg(long, value_parser = positive)]
    pub(super) capital: Option<f64>,
    /// Exposure per unit of cushion of CPPI; 3 where absent.
    #[arg(long, value_parser = positive, conflicts_with = "policy")]
    pub(super) multiplier: Option<f64>,
    /// Floor of CPPI over the first net asset value; 0.8 where absent.
    #[arg(long, value_parser = positive, conflicts_with = "policy")]
    pub(super) floor: Option<f64>,
    /// Exposure of constant weight over net asset value; 0.5 where absent.
    #[arg(long, value_parser = positive, conflicts_with = "policy")]
    pub(super) weight: Option<f64>,
}

/// [`crate::backtest::scenario::Strategy`] as an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum StrategyName {
    /// Calls written at the money, hedged to their end.
    DeltaHedge,
    /// Constant proportion portfolio insurance.
    Cppi,
    /// A constant share of net asset value.
    ConstantWeight,
}

/// [`crate::backtest::paths::Process`] as an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ModelName {
    /// Geometric Brownian motion.
    Gbm,
    /// With jumps.
    Merton,
    /// With a variance that moves by itself.
    Heston,
    /// Blocks of recorded prices.
    Bootstrap,
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

fn drift(text: &str) -> Result<f64, String> {
    let wrong = || "expected a growth from -10 to 10".to_owned();
    number(text).and_then(|value| if value.abs() <= 10.0 { Ok(value) } else { Err(wrong()) })
}

fn correlation(text: &str) -> Result<f64, String> {
    let wrong = || "expected a correlation from -1 to 1".to_owned();
    number(text).and_then(|value| if value.abs() <= 1.0 { Ok(value) } else { Err(wrong()) })
}
