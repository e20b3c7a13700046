//! `keeper journal export`: all records in their order, as text.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use eyre::WrapErr;

use super::super::{Context, Outcome};
use super::Source;
use crate::journal::LedgerEntry;

/// Writes all records in the order of their writing, with stable names (docs/journal.md).
#[derive(Debug, Args)]
pub(super) struct Export {
    /// One JSON object a line, or one table with a column `kind`.
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// Number of the first record.
    #[arg(long, value_name = "SEQ", default_value_t = 1, value_parser = clap::value_parser!(i64).range(1..))]
    from: i64,
    /// File to write; standard output where absent. It must not be there yet.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    source: Source,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Jsonl,
    Csv,
}

/// What stands before the columns of a record.
const LEADING: [&str; 3] = ["seq", "kind", "ledger_hash"];

impl Export {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
        let journal = self.source.open(context).await?;
        let mut sheet = Sheet::new(self.format, self.target()?);
        let (mut after, names) = (self.from.saturating_sub(1), crate::journal::LedgerEntry::names());
        let mut written = sheet.begin(&names);
        while written.is_ok() {
            let page = journal.entries_after(after).await.wrap_err("the journal cannot be read")?;
            let Some(last) = page.last() else { break };
            after = last.seq();
            written = page.iter().try_for_each(|entry| sheet.add(entry, &names));
        }
        match written.and_then(|()| sheet.end()) {
            // A reader that has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            other => other.wrap_err("the export cannot be written")?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn target(&self) -> eyre::Result<Box<dyn Write>> {
        let Some(path) = &self.out else { return Ok(Box::new(io::stdout().lock())) };
        let file = File::create_new(path).wrap_err_with(|| format!("{} cannot be made", path.display()))?;
        Ok(Box::new(file))
    }
}

/// A file of records.
enum Sheet {
    Jsonl(BufWriter<Box<dyn Write>>),
    Csv(Box<csv::Writer<Box<dyn Write>>>),
}

impl Sheet {
    fn new(format: Format, target: Box<dyn Write>) -> Self {
        match format {
            Format::Jsonl => Self::Jsonl(BufWriter::new(target)),
            Format::Csv => Self::Csv(Box::new(csv::Writer::from_writer(target))),
        }
    }

    fn begin(&mut self, names: &[&'static str]) -> io::Result<()> {
        match self {
            Self::Jsonl(_) => Ok(()),
            Self::Csv(csv) => csv.write_record(LEADING.iter().chain(names)).map_err(io::Error::from),
        }
    }

    fn add(&mut self, entry: &LedgerEntry, names: &[&'static str]) -> io::Result<()> {
        let leading = [entry.seq().to_string(), entry.kind().to_owned(), entry.hash().to_string()];
        match self {
            Self::Jsonl(lines) => {
                let mut object = serde_json::Map::new();
                let leading = LEADING.into_iter().zip(leading).map(|(name, value)| (name, Some(value)));
                for (name, value) in leading.chain(entry.fields()) {
                    object.insert(name.to_owned(), value.map_or(serde_json::Value::Null, Into::into));
                }
                writeln!(lines, "{}", serde_json::Value::Object(object))
            }
            Self::Csv(csv) => {
                let fields: BTreeMap<_, _> = entry.fields().collect();
                let cell = |name: &&str| fields.get(*name).cloned().flatten().unwrap_or_default();
                csv.write_record(leading.into_iter().chain(names.iter().map(cell))).map_err(io::Error::from)
            }
        }
    }

    fn end(&mut self) -> io::Result<()> {
        match self {
            Self::Jsonl(lines) => lines.flush(),
            Self::Csv(csv) => csv.flush(),
        }
    }
}
