//! The `keeper` program: arguments, tracing, run.

use std::process::ExitCode;

use clap::Parser;
use vault_keeper::cli::{self, Cli};

#[tokio::main]
async fn main() -> ExitCode {
    cli::run(Cli::parse()).await
}
