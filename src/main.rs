//! The `keeper` program: arguments, tracing, run.

use std::io;
use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Builder;
use vault_keeper::cli::{self, Cli};

// One thread: a keeper waits far more than it computes, and a second thread would make every answer change hands.
fn main() -> io::Result<ExitCode> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(cli::run(Cli::parse()));
    // What a command that was interrupted still reckons is wanted by nobody.
    runtime.shutdown_background();
    Ok(code)
}
