//! What every walk through recorded prices is asked for.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::Args;
use eyre::WrapErr;
use rust_decimal::Decimal;

use super::Format;
use crate::backtest::past::beside::{of_fees, unused};
use crate::backtest::past::prices::{Order, Tick};
use crate::backtest::past::setting::Setting;
use crate::cli::{Failure, threads};
use crate::stage::path::files::{BaseFee, read_base_fees};
use crate::stage::path::time::unix_seconds;

/// The world beside the prices, the part of the past, and how it is walked.
#[derive(Debug, Args)]
pub(in crate::cli) struct PastArgs {
    /// Base fees: CSV with timestamp,baseFee or timestamp,basefee_gwei or unix_time,value; the last one known stands.
    #[arg(long, value_name = "FILE")]
    gas: Option<PathBuf>,
    /// The world beside the prices: pools, feed, delay, outages, deposits and withdrawals, in TOML.
    #[arg(long, value_name = "FILE")]
    setting: Option<PathBuf>,
    /// Time from which on bars open that are taken: a date, a date and time in UTC, or Unix seconds.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(in crate::cli) start: Option<u64>,
    /// Time by which the last bar is over, written as that of --start: a bar that ends later is left out.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(in crate::cli) end: Option<u64>,
    /// First net asset value, units of the asset.
    #[arg(long, default_value = "1000000", value_parser = capital)]
    pub(in crate::cli) capital: Decimal,
    /// In which order the prices of a bar are taken to have come.
    #[arg(long, value_enum, default_value_t = Order::Olhc)]
    pub(in crate::cli) order: Order,
    /// Threads; no part of the result. Without it all processors.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// What to print; --json is --format json.
    #[arg(long, value_enum, default_value_t = Format::Table, conflicts_with = "json")]
    format: Format,
}

impl PastArgs {
    /// Reads the setting, or the default one, and base fees, or none.
    pub(in crate::cli) fn world(&self) -> Result<(Setting, Vec<BaseFee>), Failure> {
        let setting = self.setting.as_deref().map(Setting::read).transpose().map_err(Failure::usage)?;
        let base_fees = self.gas.as_deref().map(read_base_fees).transpose().map_err(Failure::usage)?;
        Ok((setting.unwrap_or_default(), base_fees.unwrap_or_default()))
    }

    /// What is to be known of what stands beside the prices.
    ///
    /// # Errors
    /// Wrong usage: base fees of another time or unit, or a setting in which nothing can begin at the first tick.
    pub(in crate::cli) fn beside(
        &self,
        (setting, base_fees): (&Setting, &[BaseFee]),
        ticks: &[Tick],
    ) -> Result<Vec<String>, Failure> {
        let (Some(first), Some(last)) = (ticks.first(), ticks.last()) else { return Ok(Vec::new()) };
        setting.opens_at(first.time).map_err(Failure::usage)?;
        let prices = (first.time, last.time);
        let gas = self.gas.as_deref().unwrap_or_else(|| Path::new("--gas"));
        let of_file = |note: String| format!("{}: {note}", gas.display());
        let fees = of_fees(base_fees, prices, setting)
            .wrap_err_with(|| gas.display().to_string())
            .map_err(Failure::usage)?;
        Ok(fees.into_iter().map(of_file).chain(unused(setting, prices)).collect())
    }

    /// On how many threads.
    pub(in crate::cli) fn threads(&self) -> NonZeroUsize {
        threads(self.threads)
    }

    /// What to print.
    pub(in crate::cli) const fn format(&self, json: bool) -> Format {
        if json { Format::Json } else { self.format }
    }
}

fn time(text: &str) -> Result<u64, String> {
    let expected = "expected a time in UTC, such as 2020-03-12 or 2020-03-12 10:00:00";
    unix_seconds(text).map_err(|error| format!("{expected}: this {error}"))
}

/// An amount from one, so that the vault is one, to a thousand million, which the accounts have digits for.
fn capital(text: &str) -> Result<Decimal, String> {
    let fits = |amount: &Decimal| *amount >= Decimal::ONE && *amount <= Decimal::from(1_000_000_000);
    let amount = text.parse().ok().filter(fits);
    amount.ok_or_else(|| "expected an amount from 1 to 1,000,000,000".to_owned())
}
