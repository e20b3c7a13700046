//! Bars from Parquet.

mod column;

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::basic::Type;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};

use super::Bars;
use super::cell::Cell;
use super::columns::Columns;
use super::fault::{BarsError, Place};
use super::gather::Gathering;
use column::Source;

/// Rows that are taken out of the columns at a time.
const BATCH: usize = 4_096;

/// Reads the columns that are known.
pub(super) fn read(file: File) -> Result<Bars, BarsError> {
    // The library panics where offsets or encodings of a damaged file contradict one another; all it had is dropped.
    let read = catch_unwind(AssertUnwindSafe(|| read_columns(file)));
    read.unwrap_or_else(|_| Err(BarsError::Parquet("its parts contradict one another".to_owned())))
}

/// Takes the rows out of the columns, a batch at a time.
fn read_columns(file: File) -> Result<Bars, BarsError> {
    let file = SerializedFileReader::new(file)?;
    let schema = file.metadata().file_metadata().schema_descr();
    let mut columns = Columns::find(&names(schema))?;
    // It has 24 bits: around today that is every two minutes.
    if schema.column(columns.time).physical_type() == Type::FLOAT {
        return Err(unsuited(&schema.column(columns.time), "too coarse for a time: write it as a timestamp"));
    }
    let mut gathering = Gathering::new(Place::Row);
    let mut row = 0_u64;
    for group in 0..file.num_row_groups() {
        let group = file.get_row_group(group)?;
        let mut sources = columns
            .try_map(|column| Source::new(group.get_column_reader(*column)?, &schema.column(*column)))?;
        loop {
            let mut batch = sources.try_map(|source| Ok::<_, BarsError>(source.next(BATCH)?.into_iter()))?;
            if batch.time.len() == 0 {
                break;
            }
            for _ in 0..batch.time.len() {
                row = row.saturating_add(1);
                gathering.row(row, &batch.map(|cells| cells.next().unwrap_or(Cell::Empty)));
            }
        }
    }
    gathering.finish()
}

/// Names of the columns; none for those with parts or lists of values.
fn names(schema: &SchemaDescriptor) -> Vec<String> {
    let name = |column: &ColumnDescriptor| {
        let simple = column.path().parts().len() == 1 && column.max_rep_level() == 0;
        if simple { column.name().to_owned() } else { String::new() }
    };
    schema.columns().iter().map(|column| name(column)).collect()
}

fn unsuited(column: &ColumnDescriptor, reason: &'static str) -> BarsError {
    BarsError::Unsuited { name: column.name().to_owned(), kind: column.physical_type().to_string(), reason }
}

impl From<ParquetError> for BarsError {
    fn from(error: ParquetError) -> Self {
        Self::Parquet(error.to_string())
    }
}
