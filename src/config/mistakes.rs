//! What is wrong in a file, and where.

use std::fmt;
use std::path::{Path, PathBuf};

/// Most mistakes that are listed; the rest are counted.
const MOST_LISTED: usize = 50;

/// One thing wrong in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The file, as it was named.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The key at fault, as in `chain[0].endpoints[1].url`; empty where the text is not TOML.
    pub key: String,
    /// What is wrong and what is expected.
    pub message: String,
}

impl Mistake {
    /// One at an offset of the `text` of `file`.
    pub(crate) fn at(file: &Path, text: &str, offset: usize, key: String, message: String) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
        let line = before.matches('\n').count().saturating_add(1);
        let column = before.get(line_start..).unwrap_or_default().chars().count().saturating_add(1);
        Self { file: file.to_owned(), line, column, key, message }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file.display(), self.line, self.column)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// Every mistake in the files that were read, in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "{count} {} in the configuration", if count == 1 { "mistake" } else { "mistakes" })?;
        for mistake in self.0.iter().take(MOST_LISTED) {
            write!(f, "\n  {mistake}")?;
        }
        match count.saturating_sub(MOST_LISTED) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

/// A mistake before its offset is turned into a line.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) offset: usize,
    pub(super) key: String,
    pub(super) message: String,
}

/// Turns offsets into lines and columns, in the order of the text.
pub(super) fn placed(file: &Path, text: &str, mut found: Vec<Found>) -> Vec<Mistake> {
    found.sort_by_key(|found| found.offset);
    let place = |Found { offset, key, message }| Mistake::at(file, text, offset, key, message);
    found.into_iter().map(place).collect()
}
