//! What of a sweep is done, in a file that only grows: a line for what it is of, and one for each combination.
//!
//! Rules it keeps: a line is there whole or is taken for not there; what [`Kept::keep`] has taken is on the disk; the file of
//! other inputs is left as it is; two sweeps never write one file.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use alloy::primitives::B256;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::origin::Origin;
use super::outcome::{Done, Outcome};

/// First line of a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    sweep: Origin,
}

/// Any other line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    cell: usize,
    key: B256,
    outcome: Outcome,
}

/// Why nothing can be kept. What was kept before is as it was.
#[derive(Debug, Error)]
pub enum KeptError {
    /// Another sweep writes the file.
    #[error("another sweep is writing {}: wait for it, or name another --out", .0.display())]
    Busy(PathBuf),
    /// The file is of something else.
    #[error(
        "{} is of a sweep with other inputs ({what}): name another --out, or remove the file to begin anew",
        path.display()
    )]
    Other {
        /// The file.
        path: PathBuf,
        /// What is otherwise.
        what: String,
    },
    /// The file was changed, or is none of a sweep.
    #[error(
        "{}:{line}: is no line of this sweep: name another --out, or remove the file to begin anew",
        path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
    },
    /// The disk refuses.
    #[error(
        "{} cannot be written: {error}; {done} combinations are kept: once it can be, the same command goes on from there",
        path.display()
    )]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
        /// How many are kept.
        done: usize,
    },
}

/// The file, and what it holds.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    file: File,
    /// What each combination is kept under.
    keys: Vec<Option<B256>>,
    outcomes: BTreeMap<usize, Outcome>,
    /// Bytes that are whole lines.
    end: u64,
    /// Bytes of an end that was not whole, and was taken off.
    torn: usize,
}

impl Kept {
    /// Opens the file of the sweep of `origin`, or begins it. An end that is not whole, as a crash leaves it, is taken off.
    ///
    /// # Errors
    /// [`KeptError`], and the file is as it was.
    pub fn open(path: &Path, origin: &Origin, keys: Vec<Option<B256>>) -> Result<Self, KeptError> {
        let unwritable = |error| KeptError::Unwritable { path: path.to_owned(), error, done: 0 };
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).open(path).map_err(unwritable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(KeptError::Busy(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(unwritable(error)),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(unwritable)?;
        let mut kept = Self { path: path.to_owned(), file, keys, outcomes: BTreeMap::new(), end: 0, torn: 0 };
        kept.read(&bytes, origin)?;
        Ok(kept)
    }

    /// What is done, by number.
    #[must_use]
    pub const fn outcomes(&self) -> &BTreeMap<usize, Outcome> {
        &self.outcomes
    }

    /// The numbers of what can be walked and is not done.
    #[must_use]
    pub fn left(&self) -> Vec<usize> {
        let open = |(number, key): (usize, &Option<B256>)| {
            (key.is_some() && !self.outcomes.contains_key(&number)).then_some(number)
        };
        self.keys.iter().enumerate().filter_map(open).collect()
    }

    /// Bytes of an end that was not whole when the file was opened.
    #[must_use]
    pub const fn torn(&self) -> usize {
        self.torn
    }

    /// Takes what was done in, and comes back once it is on the disk.
    ///
    /// # Errors
    /// [`KeptError::Unwritable`]: none of it is kept.
    pub fn keep(&mut self, done: Vec<Done>) -> Result<(), KeptError> {
        let mut text = String::new();
        for (cell, outcome) in &done {
            let key = self.keys.get(*cell).copied().flatten().unwrap_or_default();
            let line = Line { cell: *cell, key, outcome: outcome.clone() };
            text.push_str(&json(&line).map_err(|error| self.unwritable(error))?);
        }
        self.append(text.as_bytes())?;
        self.outcomes.extend(done);
        Ok(())
    }

    fn read(&mut self, bytes: &[u8], origin: &Origin) -> Result<(), KeptError> {
        let head = json(&Head { sweep: origin.clone() }).map_err(|error| self.unwritable(error))?;
        let first = bytes.iter().position(|byte| *byte == b'\n').map(|end| end.saturating_add(1));
        let Some((line, rest)) = first.and_then(|end| bytes.split_at_checked(end)) else {
            // Nothing, or what a crash left of the first line.
            if !head.as_bytes().starts_with(bytes) {
                return Err(KeptError::Foreign { path: self.path.clone(), line: 1 });
            }
            self.torn = bytes.len();
            return self.append(head.as_bytes());
        };
        let Ok(Head { sweep }) = serde_json::from_slice(line) else {
            return Err(KeptError::Foreign { path: self.path.clone(), line: 1 });
        };
        let what = sweep.other_than(origin).join(", ");
        if !what.is_empty() {
            return Err(KeptError::Other { path: self.path.clone(), what });
        }
        self.end = length(line);
        self.lines(rest)
    }

    /// Reads all lines but the first. Of those that are none, the last ones are the end that a crash left.
    fn lines(&mut self, rest: &[u8]) -> Result<(), KeptError> {
        let mut bad: Option<usize> = None;
        for (number, line) in (2..).zip(rest.split_inclusive(|byte| *byte == b'\n')) {
            let whole = line.ends_with(b"\n");
            match serde_json::from_slice::<Line>(line).ok().filter(|_| whole) {
                Some(read) if bad.is_none() && self.keys.get(read.cell) == Some(&Some(read.key)) => {
                    self.outcomes.insert(read.cell, read.outcome);
                    self.end = self.end.saturating_add(length(line));
                }
                Some(_) => {
                    let line = bad.unwrap_or(number);
                    return Err(KeptError::Foreign { path: self.path.clone(), line });
                }
                None => {
                    bad = bad.or(Some(number));
                    self.torn = self.torn.saturating_add(line.len());
                }
            }
        }
        if bad.is_some() { self.cut().map_err(|error| self.unwritable(error)) } else { Ok(()) }
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), KeptError> {
        let written =
            self.cut().and_then(|()| self.file.write_all(bytes)).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => {
                self.end = self.end.saturating_add(length(bytes));
                Ok(())
            }
            Err(error) => {
                // Where that fails too, the next sweep takes the end off.
                let _ = self.cut();
                Err(self.unwritable(error))
            }
        }
    }

    /// Takes off what is beyond the whole lines.
    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.end)?;
        self.file.seek(SeekFrom::Start(self.end)).map(drop)
    }

    fn unwritable(&self, error: io::Error) -> KeptError {
        KeptError::Unwritable { path: self.path.clone(), error, done: self.outcomes.len() }
    }
}

fn json<T: Serialize>(line: &T) -> io::Result<String> {
    let mut text = serde_json::to_string(line).map_err(io::Error::other)?;
    text.push('\n');
    Ok(text)
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
