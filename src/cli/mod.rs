//! The commands: one file each, all of the same shape.
//!
//! Every command prints a table for people and, with `--json`, one JSON document; messages go to standard error.
//! Exit codes: 0 done, 1 it failed, 2 wrong usage or configuration, 3 what was simulated is not to be trusted.

mod audit;
mod backtest;
mod band;
mod check;
mod checkpoint;
mod clock;
mod connect;
mod decide;
mod demo;
mod greeks;
mod journal;
mod keys;
mod look_back;
mod output;
mod pause;
mod policy;
mod quote;
mod replay;
mod run;
mod show;
mod signals;
mod simulate;
mod snapshot;
mod status;
mod stress;
mod sweep;
mod tx;

use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread::available_parallelism;

use clap::{Args, Parser, Subcommand};

use crate::config::Environment;
use output::Output;

/// Keeps vaults: reads one block, decides by one published policy, acts, records.
#[derive(Debug, Parser)]
#[command(name = "keeper", version, about, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
struct Global {
    /// Configuration file.
    #[arg(long, global = true, value_name = "FILE", default_value = "keeper.toml")]
    config: PathBuf,
    /// Print one JSON document instead of a table.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Audit(audit::Audit),
    Backtest(backtest::Backtest),
    Band(band::Band),
    Check(check::Check),
    Decide(decide::Decide),
    Demo(demo::Demo),
    Greeks(greeks::Greeks),
    Journal(journal::Journal),
    Pause(pause::Pause),
    Policy(policy::Policy),
    Quote(quote::Quote),
    Replay(replay::Replay),
    Run(run::Run),
    Simulate(simulate::Simulate),
    Snapshot(snapshot::Snapshot),
    Status(status::Status),
    Stress(stress::Stress),
    Sweep(sweep::Sweep),
    Tx(tx::Tx),
}

/// How a command ends when it does not end well.
#[derive(Debug)]
enum Failure {
    /// Wrong usage or configuration: exit code 2.
    Usage(eyre::Report),
    /// It failed: exit code 1.
    Failed(eyre::Report),
    /// What was simulated fails its own check: exit code 3.
    Untrusted(eyre::Report),
}

/// What a command returns: a code, or a failure with its message.
type Outcome = Result<ExitCode, Failure>;

impl From<eyre::Report> for Failure {
    fn from(report: eyre::Report) -> Self {
        Self::Failed(report)
    }
}

impl Failure {
    /// A failure that correct usage or configuration avoids.
    fn usage(error: impl Into<eyre::Report>) -> Self {
        Self::Usage(error.into())
    }

    /// What went wrong, whatever it is.
    fn into_report(self) -> eyre::Report {
        match self {
            Self::Usage(report) | Self::Failed(report) | Self::Untrusted(report) => report,
        }
    }
}

/// As many threads as are asked for, or as there are processors.
fn threads(asked: Option<u16>) -> NonZeroUsize {
    let asked = asked.and_then(|threads| NonZeroUsize::new(threads.into()));
    asked.or_else(|| available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
}

/// What every command is given.
struct Context {
    config: PathBuf,
    environment: Environment,
    output: Output,
}

/// Runs the program and says how it ended.
pub async fn run(cli: Cli) -> ExitCode {
    start_log(if matches!(cli.command, Command::Demo(_)) { "warn" } else { "info,sqlx=warn" });
    let (code, report) = match dispatch(cli).await {
        Ok(code) => return code,
        Err(Failure::Usage(report)) => (2, report),
        Err(Failure::Failed(report)) => (1, report),
        Err(Failure::Untrusted(report)) => (3, report),
    };
    tracing::debug!(?report, "failed");
    complain(&format!("keeper: {report:#}"));
    ExitCode::from(code)
}

async fn dispatch(cli: Cli) -> Outcome {
    let Global { config, json } = cli.global;
    let directory = config.parent().unwrap_or_else(|| Path::new("")).to_owned();
    let environment = Environment::of_process(&directory).map_err(Failure::usage)?;
    let context = Context { config, environment, output: Output { json } };
    match cli.command {
        Command::Audit(command) => command.run(&context).await,
        Command::Backtest(command) => command.run(&context).await,
        Command::Band(command) => command.run(&context),
        Command::Check(command) => command.run(&context).await,
        Command::Decide(command) => command.run(&context).await,
        Command::Demo(command) => command.run(&context).await,
        Command::Greeks(command) => command.run(&context),
        Command::Journal(command) => command.run(&context).await,
        Command::Pause(command) => command.run(&context).await,
        Command::Policy(command) => command.run(&context).await,
        Command::Quote(command) => command.run(&context).await,
        Command::Replay(command) => command.run(&context).await,
        Command::Run(command) => command.run(&context).await,
        Command::Simulate(command) => command.run(&context).await,
        Command::Snapshot(command) => command.run(&context).await,
        Command::Status(command) => command.run(&context).await,
        Command::Stress(command) => command.run(&context).await,
        Command::Sweep(command) => command.run(&context).await,
        Command::Tx(command) => command.run(&context).await,
    }
}

/// Log lines go to standard error, coloured on a terminal that allows it; `RUST_LOG` chooses them, otherwise `default` does.
fn start_log(default: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    let colours = std::io::stderr().is_terminal() && Environment::of_variables().allows_colours();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    log.with_ansi(colours).init();
}

/// The last words of a command that failed.
fn complain(text: &str) {
    use std::io::Write;
    // Nothing can be said where standard error is closed.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
