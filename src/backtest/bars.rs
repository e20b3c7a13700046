//! Recorded prices as bars of one step, from files as exchanges and data vendors write them.
//!
//! A reader of each format turns a row into cells by the names of their columns, and `gather` makes bars
//! of them: in order, no two of one time, everything that is wrong named at once.

mod cell;
mod columns;
mod csv;
mod fault;
mod gather;
mod note;
mod parquet;

use std::{
    fs::File,
    io::{Read, Seek},
    path::Path,
};

use rust_decimal::Decimal;

pub use columns::Column;
pub use fault::{BarsError, Fault, Faults, Faulty, Place};
pub use note::Note;

use super::format::is_parquet;
use gather::Gathering;

/// What a Parquet file begins with.
const PARQUET: &[u8] = b"PAR1";

/// A bar: prices over the step that begins when it opens. All of them are above zero and in one unit, USD or units of
/// the asset per unit of the risky asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bar {
    /// Unix seconds.
    pub opened: u64,
    /// First price.
    pub open: Decimal,
    /// Highest price.
    pub high: Decimal,
    /// Lowest price.
    pub low: Decimal,
    /// Last price.
    pub close: Decimal,
    /// Risky units traded, where the source says it; not negative.
    pub volume: Option<Decimal>,
}

/// Bars in the order of time, no two of one time, at least two.
#[derive(Clone, Debug)]
pub struct Bars {
    bars: Vec<Bar>,
    step_seconds: u64,
    notes: Vec<Note>,
}

/// By bars and step: notes tell of the file, whose rows may stand in any order.
impl PartialEq for Bars {
    fn eq(&self, other: &Self) -> bool {
        self.step_seconds == other.step_seconds && self.bars == other.bars
    }
}

impl Eq for Bars {}

impl Bars {
    /// Reads a Parquet file, known by its ending (`.parquet`, `.pq`) or its first four bytes, or CSV otherwise.
    ///
    /// Columns are found by name, whatever their case: a time ([`Column::names`]), `open`, `high`, `low`, `close` or
    /// their first letters, and `volume` or `v` if there is one. A file with a time and a `close` or `price` alone makes
    /// bars whose four prices are equal. CSV is delimited by commas, semicolons or tabs. Times are those of
    /// [`unix_seconds`](crate::stage::path::time::unix_seconds), or timestamps and dates of Parquet. Prices are kept
    /// exactly; a float is the shortest decimal that reads back as it.
    ///
    /// # Errors
    /// The file cannot be read, lacks a column, has faulty rows, each of which is named by its line or row, or has fewer
    /// than two bars.
    pub fn read(path: &Path) -> Result<Self, BarsError> {
        let in_file = |error| BarsError::InFile { path: path.to_owned(), error: Box::new(error) };
        read(path).map_err(in_file)
    }

    /// The same of bars in memory, with the same checks.
    ///
    /// # Errors
    /// Bars are faulty, each named by its position from 1, or there are fewer than two.
    pub fn of(bars: Vec<Bar>) -> Result<Self, BarsError> {
        let mut gathering = Gathering::new(Place::Bar);
        for (number, bar) in (1..).zip(bars) {
            gathering.bar(number, bar);
        }
        gathering.finish()
    }

    /// The bars, in the order of time.
    #[must_use]
    pub fn bars(&self) -> &[Bar] {
        &self.bars
    }

    /// Seconds from one bar to the next: the most frequent distance, the shortest of those that are.
    #[must_use]
    pub const fn step_seconds(&self) -> u64 {
        self.step_seconds
    }

    /// What was set right on the way, and what is to be known of the bars.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The bars that open at or after `start` and are over at or before `end`, unix seconds. The step stays that of the
    /// whole.
    ///
    /// # Errors
    /// Fewer than two bars are between them.
    pub fn between(mut self, start: Option<u64>, end: Option<u64>) -> Result<Self, BarsError> {
        let (first, last) = (self.first(), self.last());
        let (start, end) = (start.unwrap_or(0), end.unwrap_or(u64::MAX));
        let step = self.step_seconds;
        self.bars.retain(|bar| bar.opened >= start && bar.opened.saturating_add(step) <= end);
        if self.bars.len() < 2 {
            return Err(BarsError::Part { start, end, first, last });
        }
        let part = self.first()..=self.last();
        self.notes.retain(|note| note.is_within(&part));
        Ok(self)
    }

    fn first(&self) -> u64 {
        self.bars.first().map_or(0, |bar| bar.opened)
    }

    fn last(&self) -> u64 {
        self.bars.last().map_or(0, |bar| bar.opened)
    }
}

fn read(path: &Path) -> Result<Bars, BarsError> {
    let mut file = File::open(path)?;
    let mut beginning = Vec::new();
    file.by_ref().take(4).read_to_end(&mut beginning)?;
    file.rewind()?;
    if is_parquet(path) || beginning == PARQUET {
        return parquet::read(file);
    }
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    csv::read(&text)
}
