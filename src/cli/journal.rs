//! `keeper journal`: the record, verified, exported and proved.

mod export;
mod prove;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use eyre::WrapErr;
use serde::Serialize;

use super::connect::configuration;
use super::output::Row;
use super::{Context, Failure, Outcome};
use crate::journal::{Fault, Verified};
use export::Export;
use prove::Prove;

/// The record of all decisions and transactions: verify, export or prove it, also while a keeper runs.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  keeper journal verify\n  \
    keeper journal export --format jsonl --from 1200 --out journal.jsonl\n  \
    keeper journal prove --vault main --block 21000000\n  \
    keeper journal verify --file copy.db")]
pub(super) struct Journal {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Verify(Verify),
    Export(Export),
    Prove(Prove),
}

/// Proves that nothing in the journal was changed, removed or put in since it was written, and that it keeps its rules.
///
/// Exits with 1 and names the first record that is wrong.
#[derive(Debug, Args)]
struct Verify {
    #[command(flatten)]
    source: Source,
}

/// Which journal.
#[derive(Debug, Args)]
struct Source {
    /// Journal file; that of the configuration where absent.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// What verifying found.
#[derive(Serialize)]
struct Printed {
    valid: bool,
    records: Option<String>,
    /// Hash of all records.
    hash: Option<String>,
    /// Number of the first wrong record, where it is one.
    seq: Option<String>,
    record: Option<String>,
    fault: Option<String>,
}

impl Journal {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
        match &self.action {
            Action::Verify(command) => command.run(context).await,
            Action::Export(command) => command.run(context).await,
            Action::Prove(command) => command.run(context).await,
        }
    }
}

impl Source {
    async fn open(&self, context: &Context) -> Result<crate::journal::Journal, Failure> {
        let path = match &self.file {
            Some(file) => file.clone(),
            None if !context.config.exists() => {
                let config = context.config.display();
                return Err(Failure::usage(eyre::eyre!(
                    "there is no {config} that names the journal: name the journal with --file, or a configuration with --config"
                )));
            }
            None => configuration(context)?.journal,
        };
        if !path.exists() {
            let text = format!("there is no journal {}: `keeper run` creates it", path.display());
            return Err(Failure::usage(eyre::eyre!(text)));
        }
        let opened = crate::journal::Journal::open_evidence(&path).await;
        Ok(opened.wrap_err("it cannot be read")?)
    }
}

impl Verify {
    async fn run(&self, context: &Context) -> Outcome {
        let journal = self.source.open(context).await?;
        let found = journal.verify().await.wrap_err("it cannot be verified")?;
        let code = if found.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        context.output.print(&printed(found), rows)?;
        Ok(code)
    }
}

fn printed(found: Result<Verified, Fault>) -> Printed {
    match found {
        Ok(Verified { records, hash }) => Printed {
            valid: true,
            records: Some(records.to_string()),
            hash: Some(hash.to_string()),
            seq: None,
            record: None,
            fault: None,
        },
        Err(Fault { seq, record, what }) => Printed {
            valid: false,
            records: None,
            hash: None,
            seq: seq.map(|seq| seq.to_string()),
            record,
            fault: Some(what),
        },
    }
}

fn rows(printed: &Printed) -> Vec<Row> {
    let mut rows = vec![("valid", if printed.valid { "yes" } else { "no" }.to_owned())];
    let fields = [
        ("records", &printed.records),
        ("hash of all", &printed.hash),
        ("first wrong record", &printed.seq),
        ("which is", &printed.record),
        ("fault", &printed.fault),
    ];
    rows.extend(fields.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
    if !printed.valid {
        let remedy = "keep the file as it is, stop the keeper, and make sure that no transaction of its keys is pending \
                      before it writes to a sound copy";
        rows.push(("what to do", remedy.to_owned()));
    }
    rows
}
