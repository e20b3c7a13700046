//! Bars from delimited text.

use std::str;

use csv::{ByteRecord, Position, ReaderBuilder};

use super::Bars;
use super::cell::Cell;
use super::columns::Columns;
use super::fault::{BarsError, Fault, Place};
use super::gather::Gathering;

/// What a field that is not UTF-8 reads as.
const NOT_UTF8: &str = "\u{fffd}";

/// Reads the whole file; what does not belong to a column that is known may be anything.
pub(super) fn read(text: &[u8]) -> Result<Bars, BarsError> {
    let mut reader = ReaderBuilder::new().delimiter(delimiter(text)).flexible(true).from_reader(text);
    let names = reader.byte_headers().map_err(unreadable)?;
    let names: Vec<String> = names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
    if names.iter().all(|name| name.trim().is_empty()) {
        return Err(BarsError::Empty);
    }
    let mut columns = Columns::find(&names)?;
    let mut gathering = Gathering::new(Place::Line);
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(unreadable)? {
        let line = record.position().map_or(0, |position| line(text, position));
        if record.len() == names.len() {
            gathering.row(line, &columns.map(|column| cell(&record, *column)));
        } else {
            gathering.fault(line, Fault::Fields { found: record.len(), expected: names.len() });
        }
    }
    gathering.finish()
}

fn cell(record: &ByteRecord, column: usize) -> Cell<'_> {
    record.get(column).map_or(Cell::Empty, |field| Cell::of_text(str::from_utf8(field).unwrap_or(NOT_UTF8)))
}

/// The line of a record whose position is before the empty lines that it was looked for in.
fn line(text: &[u8], position: &Position) -> u64 {
    let from = usize::try_from(position.byte()).ok().and_then(|byte| text.get(byte..)).unwrap_or_default();
    let empty = from.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).filter(|byte| **byte == b'\n');
    (position.line()..).zip(empty).last().map_or(position.line(), |(line, _)| line.saturating_add(1))
}

/// The one of comma, semicolon and tab that the first line with anything in it has most of.
fn delimiter(text: &[u8]) -> u8 {
    let header =
        text.split(|byte| *byte == b'\n').find(|line| !line.trim_ascii().is_empty()).unwrap_or_default();
    let count = |delimiter: u8| header.iter().filter(|byte| **byte == delimiter).count();
    // Of equals the last is the largest.
    [b'\t', b';', b','].into_iter().max_by_key(|delimiter| count(*delimiter)).unwrap_or(b',')
}

fn unreadable(error: csv::Error) -> BarsError {
    BarsError::Unreadable(error.into())
}
