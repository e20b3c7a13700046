//! A table as comma-separated text.

use std::io::{self, Write};

use csv::Writer;

use super::{Table, Values};

/// Writes the header and every row.
pub(super) fn write(table: &Table, file: impl Write) -> io::Result<()> {
    let mut writer = Writer::from_writer(file);
    writer.write_record(table.columns.iter().map(|column| &column.name))?;
    for row in 0..table.rows() {
        writer.write_record(table.columns.iter().map(|column| field(&column.values, row)))?;
    }
    writer.flush()
}

fn field(values: &Values, row: usize) -> String {
    match values {
        // The shortest digits that read back as the number, with an exponent where it is very large or small.
        Values::Reals(values) => text(values, row, |value| format!("{value:?}")),
        Values::Counts(values) => text(values, row, u64::to_string),
        Values::Integers(values) => text(values, row, i64::to_string),
        Values::Texts(values) => text(values, row, String::clone),
        Values::Flags(values) => text(values, row, bool::to_string),
    }
}

fn text<T>(values: &[Option<T>], row: usize, write: impl FnOnce(&T) -> String) -> String {
    values.get(row).and_then(Option::as_ref).map_or_else(String::new, write)
}
