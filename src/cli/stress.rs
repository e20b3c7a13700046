//! `keeper stress`: what shocks and crashes would do to a vault as it stands.

mod files;
mod html;
mod read;
mod text;

use std::path::PathBuf;
use std::process::ExitCode;

use alloy::primitives::{Address, B256};
use clap::{Args, ValueEnum};
use eyre::{WrapErr, eyre};
use rust_decimal::Decimal;
use serde::Serialize;

use super::look_back::Sight;
use super::output::make_directory;
use super::signals::interrupted;
use super::{Context, Failure, Outcome};
use crate::backtest::stress::crash::Crash;
use crate::backtest::stress::multiplier::largest;
use crate::backtest::stress::shock::{Falls, Shock};
use crate::backtest::stress::trial::{Decided, Trial, crashed, decided, shocked, standing};
use crate::backtest::stress::{Found, Stand};
use crate::domain::decision::decide;
use crate::domain::policy::{Policy, StrategyPolicy};
use crate::domain::units::Ratio;
use read::Read;

const NOTES: &str = "\
Nothing is sent. The vault is read at one block, and the keeper's own decision walks it on from there, as in `keeper backtest`, \
with the vault's real holdings, floor, guards and pools. Exit code 0 says that the floor holds in all, 1 that it breaks in one, or \
that something failed. See docs/stress.md.

Examples:
  keeper stress --vault main
  keeper stress --vault 0x… --policy cppi.toml --rpc \"$ETH_RPC_URL\" --crash march-2020.csv --crash may-2021.parquet --out result
  keeper stress --vault main --fall-keeper -0.15 --format html > stress.html";

/// What shocks and crashes would do to a vault as it stands now: its floor, what the keeper would do, and which guard would act.
#[derive(Debug, Args)]
#[command(after_help = NOTES)]
pub(super) struct Stress {
    #[command(flatten)]
    sight: Sight,
    /// Prices of a crash that was: CSV or Parquet with time, open, high, low and close. They go on from the vault's price by the
    /// same parts. May be given several times.
    #[arg(long, value_name = "FILE")]
    crash: Vec<PathBuf>,
    /// Block number; the newest where absent.
    #[arg(long)]
    block: Option<u64>,
    /// Change of the price while the feed is stuck for 1 h, a part of it such as -0.05; absent: by as many standard deviations as
    /// the policy's gap.quantile, at the volatility of now.
    #[arg(long, value_name = "PART", value_parser = fall, allow_hyphen_values = true)]
    fall_feed: Option<Decimal>,
    /// The same while the keeper is down for 6 h.
    #[arg(long, value_name = "PART", value_parser = fall, allow_hyphen_values = true)]
    fall_keeper: Option<Decimal>,
    /// What to print; --json is --format json.
    #[arg(long, value_enum, default_value_t = Format::Table, conflicts_with = "json")]
    format: Format,
    /// Directory for stress.html, stress.json and stress.csv; what is there of these is replaced.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Tables for a terminal.
    Table,
    /// One JSON document.
    Json,
    /// The shocks and crashes.
    Csv,
    /// One page that needs no network.
    Html,
}

/// What `--json` prints; money in units of the asset.
#[derive(Debug, Serialize)]
struct Printed {
    vault: Address,
    chain_id: u64,
    block: u64,
    block_hash: B256,
    policy: String,
    policy_hash: B256,
    /// Price of one risky unit in units of the asset.
    price: Decimal,
    /// Where the vault stands.
    stand: Stand,
    /// What is decided on it as it stands.
    decision: Decided,
    /// What is to be known of the files.
    notes: Vec<String>,
    multiplier: Multiplier,
    /// Whether the floor holds in all.
    holds: bool,
    shocks: Vec<Trial>,
    crashes: Vec<Trial>,
}

/// The policy's multiplier beside the largest safe one.
#[derive(Debug, Serialize)]
struct Multiplier {
    /// The policy's own; absent where its strategy has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<Ratio>,
    /// The one in force: the policy's within what a gap allows.
    #[serde(skip_serializing_if = "Option::is_none")]
    effective: Option<Ratio>,
    /// `m_max` at the volatility of now; absent where the policy assumes no gap.
    #[serde(skip_serializing_if = "Option::is_none")]
    by_formula: Option<Ratio>,
    /// The largest with which no shock and no crash breaks the floor.
    #[serde(skip_serializing_if = "Option::is_none")]
    by_search: Option<Found>,
}

impl Stress {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
        let crashes = crashes(&self.crash)?;
        let falls = (self.fall_feed, self.fall_keeper);
        let read = read::read(context, &self.sight, self.block, (&crashes, falls)).await?;
        if let Some(directory) = &self.out {
            make_directory(directory)?;
        }
        let job = tokio::task::spawn_blocking(move || stressed(&read, &crashes, falls));
        let printed = tokio::select! {
            biased;
            signal = interrupted() => {
                signal?;
                return Err(eyre!("stopped by a signal").into());
            }
            done = job => done.wrap_err("the stress broke off")??,
        };
        match if context.output.json { Format::Json } else { self.format } {
            Format::Table => context.output.text(&text::text(&printed))?,
            Format::Json => context.output.json(&printed)?,
            Format::Csv => {
                let trials = files::trials(&printed)?.to_text().wrap_err("the shocks and crashes")?;
                context.output.text(trials.trim_end())?;
            }
            Format::Html => context.output.text(&html::html(&printed)?)?,
        }
        if let Some(directory) = &self.out {
            files::write(directory, &printed)?;
        }
        Ok(if printed.holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// The crashes in files, each with a name of its own: the file's, or its whole path where several are called the same.
fn crashes(files: &[PathBuf]) -> Result<Vec<Crash>, Failure> {
    let mut crashes: Vec<Crash> = Vec::with_capacity(files.len());
    for (number, file) in files.iter().enumerate() {
        if files.iter().take(number).any(|before| before == file) {
            return Err(Failure::usage(eyre!("--crash {} is given twice", file.display())));
        }
        crashes.push(Crash::read(file).map_err(Failure::usage)?);
    }
    let names: Vec<String> = crashes.iter().map(|crash| crash.name.clone()).collect();
    for (crash, file) in crashes.iter_mut().zip(files) {
        if names.iter().filter(|name| **name == crash.name).count() > 1 {
            crash.name = file.display().to_string();
        }
    }
    Ok(crashes)
}

/// Puts the vault through everything.
fn stressed(
    read: &Read,
    crashes: &[Crash],
    (feed, keeper): (Option<Decimal>, Option<Decimal>),
) -> eyre::Result<Printed> {
    let subject = read.subject();
    let (snapshot, policy) = (&read.snapshot, read.published.policy());
    let decision = decide(snapshot, &read.published);
    let Some(appraisal) = &decision.appraisal else {
        let reason = decision.verdict.reason();
        return Err(eyre!("the vault cannot be appraised as it stands: {reason}"));
    };
    let usual = Falls::of_volatility(quantile(policy), appraisal.volatility.get());
    let falls = Falls { feed: feed.unwrap_or(usual.feed), keeper: keeper.unwrap_or(usual.keeper) };
    let shocks = Shock::standard(&falls);
    let trials = shocks.iter().map(|shock| shocked(&subject, shock).wrap_err_with(|| shock.name.clone()));
    let trials = trials.collect::<eyre::Result<Vec<_>>>()?;
    let walked = crashes.iter().map(|crash| crashed(&subject, crash).wrap_err_with(|| crash.name.clone()));
    let walked = walked.collect::<eyre::Result<Vec<_>>>()?;
    let multiplier = Multiplier {
        policy: own_multiplier(&policy.strategy),
        effective: appraisal.multiplier.map(|multiplier| multiplier.effective),
        by_formula: appraisal.multiplier.and_then(|multiplier| multiplier.largest_safe),
        by_search: largest(&subject, &shocks, crashes).wrap_err("the search of the multiplier")?,
    };
    let notes =
        crashes.iter().flat_map(|crash| crash.notes.iter().map(|note| format!("{}: {note}", crash.name)));
    Ok(Printed {
        vault: snapshot.vault.address,
        chain_id: snapshot.block.chain_id,
        block: snapshot.block.number,
        block_hash: snapshot.block.hash,
        policy: policy.name.clone(),
        policy_hash: read.published.hash(),
        price: subject.price()?,
        stand: standing(&subject)?,
        decision: decided(&decision),
        notes: notes.collect(),
        multiplier,
        holds: trials.iter().chain(&walked).all(Trial::holds),
        shocks: trials,
        crashes: walked,
    })
}

/// Standard deviations of a fall where the policy states none.
const QUANTILE: f64 = 3.1;

fn quantile(policy: &Policy) -> f64 {
    if policy.gap.quantile == Ratio::ZERO { QUANTILE } else { policy.gap.quantile.real() }
}

fn own_multiplier(strategy: &StrategyPolicy) -> Option<Ratio> {
    match strategy {
        StrategyPolicy::Cppi { multiplier, .. } => Some(*multiplier),
        StrategyPolicy::Combined { primary, .. } => own_multiplier(primary),
        StrategyPolicy::ConstantWeight { .. }
        | StrategyPolicy::VolatilityTarget { .. }
        | StrategyPolicy::DeltaHedge { .. } => None,
    }
}

/// The lowest that a price is followed to, part of it less one.
const LOWEST: Decimal = Decimal::from_parts(999, 0, 0, true, 3);

fn fall(text: &str) -> Result<Decimal, String> {
    let fits = |part: &Decimal| *part >= LOWEST && *part <= Decimal::ZERO;
    let part = Decimal::from_str_exact(text).ok().filter(fits);
    part.ok_or_else(|| format!("expected a part from {LOWEST} to 0, such as -0.05 for a fall by 5 %"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crashes_whose_files_are_called_the_same_have_their_whole_paths() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "ts,open,high,low,close\n1600000000,9,9,9,9\n1600003600,9,9,5,6\n")
                .unwrap();
            path
        };
        let files = [file("march.csv"), file("may.csv"), file("other/march.csv")];
        let names: Vec<String> = crashes(&files).unwrap().into_iter().map(|crash| crash.name).collect();
        let whole = |file: &PathBuf| file.display().to_string();
        assert_eq!(names, [whole(&files[0]), "may".to_owned(), whole(&files[2])]);
        let [first, ..] = files;
        let Err(Failure::Usage(twice)) = crashes(&[first.clone(), first.clone()]) else {
            panic!("it is taken")
        };
        assert_eq!(twice.to_string(), format!("--crash {} is given twice", first.display()));
    }
}
