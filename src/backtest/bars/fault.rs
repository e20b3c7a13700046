//! What is wrong with a price file, and where.

use std::{fmt, io, path::PathBuf};

use rust_decimal::Decimal;
use thiserror::Error;

use super::columns::Column;
use crate::stage::path::time::utc;

/// Faults that a message names.
const NAMED: usize = 10;
/// Characters of a file's text that a message repeats.
const REPEATED: usize = 40;

/// Why a file makes no bars.
#[derive(Debug, Error)]
pub enum BarsError {
    /// What is wrong with which file.
    #[error("{}: {error}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: Box<Self>,
    },
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It is Parquet, and cannot be read as such.
    #[error("cannot be read as Parquet: {0}; if it is whole, write it again with snappy or as CSV")]
    Parquet(String),
    /// A column of a Parquet file has a type that says no time and no number.
    #[error("has a column {name} of type {kind}, which is {reason}")]
    Unsuited {
        /// The column.
        name: String,
        /// Its type.
        kind: String,
        /// Why it does not do.
        reason: &'static str,
    },
    /// There is nothing in it.
    #[error(
        "is empty: expected a line with the names of its columns, time, open, high, low and close, and a row for each bar"
    )]
    Empty,
    /// Columns are missing.
    #[error("{}; its columns are: {}", missing_columns(missing), shortened(&found.join(", "), 200))]
    NoColumn {
        /// Those that are needed.
        missing: Vec<Column>,
        /// Names of those that are there.
        found: Vec<String>,
    },
    /// Two columns have one name.
    #[error("has two columns {0}: leave the one that is meant")]
    Twice(String),
    /// Rows are faulty.
    #[error(transparent)]
    Rows(#[from] Faults),
    /// There is nothing between two bars to decide on.
    #[error("has {0} bars, where at least two are needed")]
    TooFew(usize),
    /// A part of the bars has fewer than two.
    #[error(
        "fewer than two bars are wholly between {} and {}: the bars open from {} to {} UTC", utc(*start),
        if *end == u64::MAX { "their end".to_owned() } else { utc(*end) }, utc(*first), utc(*last)
    )]
    Part {
        /// Unix seconds.
        start: u64,
        /// Unix seconds; the largest number for no end.
        end: u64,
        /// When the first bar opens, unix seconds.
        first: u64,
        /// When the last bar opens, unix seconds.
        last: u64,
    },
}

/// Where something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// In this line of a text file, from 1, at which the row begins.
    Line(u64),
    /// In this row of a table, from 1.
    Row(u64),
    /// In this bar of a list, from 1.
    Bar(u64),
}

/// Faulty rows: the first ten faults in the order of the file, and how many there are.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct Faults {
    first: Vec<Faulty>,
    count: usize,
}

/// A fault and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faulty {
    /// Where.
    pub place: Place,
    /// What.
    pub fault: Fault,
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// It has more or fewer fields than the header.
    #[error("has {found} fields where the header has {expected}")]
    Fields {
        /// So many.
        found: usize,
        /// So many as the header.
        expected: usize,
    },
    /// A field is empty.
    #[error("has no {0}")]
    Absent(Column),
    /// It says no time.
    #[error("time `{0}` is none: write unix time or 2021-05-19T13:05:00Z")]
    NoTime(String),
    /// Its time lies between two seconds.
    #[error("time `{0}` is not at a whole second")]
    FractionOfSecond(String),
    /// A field is no finite number.
    #[error("{0} `{1}` is no number: write it as 1234.5 or 1e-3")]
    NoNumber(Column, String),
    /// A number does not fit.
    #[error("{0} `{1}` has too many digits: 28 are kept, as many of them after the point")]
    TooManyDigits(Column, String),
    /// A price is zero or below.
    #[error("{0} {1} is not above zero")]
    NotPositive(Column, Decimal),
    /// A volume is below zero.
    #[error("volume {0} is below zero")]
    NegativeVolume(Decimal),
    /// The high is not the highest.
    #[error("high {high} is below {column} {price}")]
    HighBelow {
        /// The high.
        high: Decimal,
        /// What is above it.
        column: Column,
        /// The price there.
        price: Decimal,
    },
    /// The low is not the lowest.
    #[error("low {low} is above {column} {price}")]
    LowAbove {
        /// The low.
        low: Decimal,
        /// What is below it.
        column: Column,
        /// The price there.
        price: Decimal,
    },
    /// Another row of the same time differs.
    #[error("differs from {other}, which has the same time, {}", utc(*opened))]
    Contradiction {
        /// The other row.
        other: Place,
        /// The time of both, unix seconds.
        opened: u64,
    },
}

impl Faults {
    /// None.
    pub(super) const EMPTY: Self = Self { first: Vec::new(), count: 0 };

    /// The first ten in the order of the file.
    #[must_use]
    pub fn first(&self) -> &[Faulty] {
        &self.first
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Adds one, of whatever place.
    pub(super) fn add(&mut self, place: Place, fault: Fault) {
        self.count = self.count.saturating_add(1);
        let at = self.first.partition_point(|other| other.place <= place);
        if at < NAMED {
            self.first.insert(at, Faulty { place, fault });
            self.first.truncate(NAMED);
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, Faulty { place, fault }) in self.first.iter().enumerate() {
            let between = if number == 0 { "" } else { "; " };
            write!(formatter, "{between}{place} {fault}")?;
        }
        match self.count.saturating_sub(self.first.len()) {
            0 => Ok(()),
            more => write!(formatter, "; and {more} more"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(number) => write!(formatter, "line {number}"),
            Self::Row(number) => write!(formatter, "row {number}"),
            Self::Bar(number) => write!(formatter, "bar {number}"),
        }
    }
}

/// As much of a file's text as a message repeats.
pub(super) fn repeated(text: &str) -> String {
    shortened(text, REPEATED)
}

fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn missing_columns(missing: &[Column]) -> String {
    let each =
        missing.iter().map(|column| format!("has no column for {column} ({})", column.names().join(", ")));
    each.collect::<Vec<_>>().join("; ")
}
