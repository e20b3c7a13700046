//! Walks a policy through recorded prices with the library, and prints what came of it as JSON:
//!
//! ```text
//! cargo run --release --example backtest_policy -- PRICES POLICY [SETTING]
//! ```
//!
//! `PRICES` is CSV or Parquet, `POLICY` a policy file such as `examples/policies/cppi.toml`, `SETTING` the world beside the prices
//! (see docs/backtest.md). Decisions are taken at the closes of the bars. `walk_seconds` is the time of the walk alone.

#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use eyre::{Result, eyre};
use rust_decimal::Decimal;
use vault_keeper::backtest::bars::Bars;
use vault_keeper::backtest::past::metrics::Gauge;
use vault_keeper::backtest::past::opening::Start;
use vault_keeper::backtest::past::prices::{Order, Tick, ticks};
use vault_keeper::backtest::past::run::{Keeper, Past, walk};
use vault_keeper::backtest::past::setting::Setting;
use vault_keeper::config::load_policy;

fn main() -> Result<()> {
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let (prices, policy, setting) = match files.as_slice() {
        [prices, policy] => (prices, policy, None),
        [prices, policy, setting] => (prices, policy, Some(setting)),
        _ => return Err(eyre!("expected PRICES POLICY [SETTING]")),
    };
    println!("{}", serde_json::to_string_pretty(&walked(prices, policy, setting.map(PathBuf::as_path))?)?);
    Ok(())
}

/// What came of it, as JSON.
pub(crate) fn walked(prices: &Path, policy: &Path, setting: Option<&Path>) -> Result<serde_json::Value> {
    // What happened, and the world in which it is to happen again.
    let bars = Bars::read(prices)?;
    let way: Vec<Tick> = ticks(bars.bars(), bars.step_seconds(), Order::Close).collect();
    let setting = setting.map(Setting::read).transpose()?.unwrap_or_default();
    let start = Start::Capital(Decimal::from(1_000_000));
    let past = Past { ticks: &way, base_fees: &[], setting: &setting, start };

    // The policy decides at every tick, and the gauge sees every step.
    let keeper = Keeper::Policy(load_policy(policy)?);
    let (mut gauge, began) = (Gauge::default(), Instant::now());
    let outcome = walk(&past, &keeper, |step| gauge.see(step))?;
    let seconds = began.elapsed().as_secs_f64();

    let mut told = serde_json::to_value(gauge.metrics(&outcome))?;
    if let Some(told) = told.as_object_mut() {
        told.insert("steps".to_owned(), way.len().into());
        told.insert("walk_seconds".to_owned(), seconds.into());
        told.insert("reasons".to_owned(), serde_json::to_value(&outcome.reasons)?);
    }
    Ok(told)
}
