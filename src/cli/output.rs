//! What commands print: a table for people or one JSON document, always on standard output.

use std::io::{self, Write};
use std::path::Path;

use comfy_table::{ContentArrangement, Table, presets};
use eyre::{WrapErr, eyre};
use serde::Serialize;

use super::Failure;

/// Where a command prints its result.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    /// JSON instead of a table.
    pub(super) json: bool,
}

impl Output {
    /// Prints `value`: as JSON, or as the rows that `rows` makes of it.
    ///
    /// # Errors
    /// Where standard output cannot be written.
    pub(super) fn print<T: Serialize>(
        self,
        value: &T,
        rows: impl FnOnce(&T) -> Vec<Row>,
    ) -> eyre::Result<()> {
        self.show(value, |value| table(rows(value)))
    }

    /// Prints `value`: as JSON, or as the text that `text` makes of it.
    ///
    /// # Errors
    /// Where standard output cannot be written.
    pub(super) fn show<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) -> eyre::Result<()> {
        if self.json { self.json(value) } else { self.text(&text(value)) }
    }

    /// Prints `value` as one line of JSON.
    ///
    /// # Errors
    /// Where standard output cannot be written.
    pub(super) fn json<T: Serialize>(self, value: &T) -> eyre::Result<()> {
        let text = serde_json::to_string(value).wrap_err("the result has no JSON form")?;
        self.text(&text)
    }

    /// Prints a line.
    ///
    /// # Errors
    /// Where standard output cannot be written; a reader that has seen enough is none.
    pub(super) fn text(self, text: &str) -> eyre::Result<()> {
        self.exactly(&format!("{text}\n"))
    }

    /// Prints `text` and nothing more, not even the end of a line.
    ///
    /// # Errors
    /// As [`Output::text`].
    pub(super) fn exactly(self, text: &str) -> eyre::Result<()> {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.wrap_err("standard output cannot be written"),
        }
    }
}

/// Makes the directory of `--out` where it is not there yet.
///
/// # Errors
/// It cannot be made, or it is a file.
pub(super) fn make_directory(directory: &Path) -> Result<(), Failure> {
    let name = directory.display();
    if directory.exists() && !directory.is_dir() {
        return Err(Failure::usage(eyre!("{name} is a file: --out takes a directory")));
    }
    std::fs::create_dir_all(directory)
        .wrap_err_with(|| format!("{name} cannot be made"))
        .map_err(Failure::usage)
}

/// A name and its value.
pub(super) type Row = (&'static str, String);

/// Columns under their headings, as wide as the terminal at most.
pub(super) fn grid(headings: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(headings.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    table.trim_fmt()
}

/// Names and values, one to a line.
pub(super) fn table(rows: Vec<Row>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for (name, value) in rows {
        table.add_row([name.to_owned(), value]);
    }
    table.trim_fmt()
}
