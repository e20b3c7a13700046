//! The `keeper` program: arguments, tracing, run.

use std::process::ExitCode;

use clap::Parser;
use vault_keeper::cli::{self, Cli};

// One thread: a keeper waits far more than it computes, and a second thread would make every answer change hands.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    cli::run(Cli::parse()).await
}
