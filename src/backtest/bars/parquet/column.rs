//! A column of a Parquet file, as cells.

use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{DataType, Int96};
use parquet::errors::ParquetError;
use parquet::schema::types::ColumnDescriptor;

use super::unsuited;
use crate::backtest::bars::cell::Cell;
use crate::backtest::bars::fault::BarsError;

/// Seconds of a day.
const DAY: i64 = 86_400;
/// Julian day of 1970-01-01.
const JULIAN_1970: i64 = 2_440_588;
/// Nanoseconds of a second.
const NANOSECONDS: u64 = 1_000_000_000;

/// The rest of a column.
pub(super) struct Source {
    reader: ColumnReader,
    meaning: Meaning,
    /// The level at which a value is there.
    present: i16,
}

/// What the stored values mean.
#[derive(Clone, Copy)]
enum Meaning {
    /// What they are.
    Plain,
    /// Whole numbers from zero.
    Unsigned,
    /// Times since 1970, so many units per second.
    Instants(u64),
    /// Days since 1970.
    Days,
    /// Whole numbers over 10 to this power.
    Decimals(i32),
}

impl Source {
    /// # Errors
    /// Values of the column's type are neither times nor numbers nor texts.
    pub(super) fn new(reader: ColumnReader, column: &ColumnDescriptor) -> Result<Self, BarsError> {
        let meaning = meaning(column).filter(|meaning| match (column.physical_type(), meaning) {
            (Type::BOOLEAN, _) => false,
            (Type::FIXED_LEN_BYTE_ARRAY, meaning) => matches!(meaning, Meaning::Decimals(_)),
            _ => true,
        });
        let meaning = meaning.ok_or_else(|| unsuited(column, "no time and no number"))?;
        Ok(Self { reader, meaning, present: column.max_def_level() })
    }

    /// The next cells, at most `most`; fewer only where there are no more.
    pub(super) fn next(&mut self, most: usize) -> Result<Vec<Cell<'static>>, ParquetError> {
        let (present, meaning) = (self.present, self.meaning);
        match &mut self.reader {
            ColumnReader::BoolColumnReader(_) => Ok(Vec::new()),
            ColumnReader::Int32ColumnReader(reader) => {
                cells(reader, most, present, |value| integer((*value).into(), u32::MAX.into(), meaning))
            }
            ColumnReader::Int64ColumnReader(reader) => {
                cells(reader, most, present, |value| integer(*value, u64::MAX.into(), meaning))
            }
            ColumnReader::Int96ColumnReader(reader) => cells(reader, most, present, julian),
            ColumnReader::FloatColumnReader(reader) => {
                cells(reader, most, present, |value| Cell::Single(*value))
            }
            ColumnReader::DoubleColumnReader(reader) => {
                cells(reader, most, present, |value| Cell::Double(*value))
            }
            ColumnReader::ByteArrayColumnReader(reader) => {
                cells(reader, most, present, |value| bytes(value.data(), meaning))
            }
            ColumnReader::FixedLenByteArrayColumnReader(reader) => {
                cells(reader, most, present, |value| bytes(value.data(), meaning))
            }
        }
    }
}

/// `None` for those that are no times, numbers or texts.
fn meaning(column: &ColumnDescriptor) -> Option<Meaning> {
    let decimals = || Meaning::Decimals(column.type_scale());
    // Older files say it by the converted type alone.
    match column.logical_type_ref() {
        Some(LogicalType::Timestamp(timestamp)) => Some(Meaning::Instants(per_second(timestamp.unit))),
        Some(LogicalType::Date) => Some(Meaning::Days),
        Some(LogicalType::Decimal(_)) => Some(decimals()),
        Some(LogicalType::Integer(integer)) if !integer.is_signed => Some(Meaning::Unsigned),
        Some(LogicalType::Integer(_) | LogicalType::String | LogicalType::Enum) => Some(Meaning::Plain),
        Some(_) => None,
        None => match column.converted_type() {
            ConvertedType::TIMESTAMP_MILLIS => Some(Meaning::Instants(1_000)),
            ConvertedType::TIMESTAMP_MICROS => Some(Meaning::Instants(1_000_000)),
            ConvertedType::DATE => Some(Meaning::Days),
            ConvertedType::DECIMAL => Some(decimals()),
            ConvertedType::UINT_8
            | ConvertedType::UINT_16
            | ConvertedType::UINT_32
            | ConvertedType::UINT_64 => Some(Meaning::Unsigned),
            ConvertedType::NONE
            | ConvertedType::UTF8
            | ConvertedType::ENUM
            | ConvertedType::INT_8
            | ConvertedType::INT_16
            | ConvertedType::INT_32
            | ConvertedType::INT_64 => Some(Meaning::Plain),
            ConvertedType::TIME_MILLIS
            | ConvertedType::TIME_MICROS
            | ConvertedType::INTERVAL
            | ConvertedType::MAP
            | ConvertedType::MAP_KEY_VALUE
            | ConvertedType::LIST
            | ConvertedType::JSON
            | ConvertedType::BSON => None,
        },
    }
}

const fn per_second(unit: TimeUnit) -> u64 {
    match unit {
        TimeUnit::MILLIS => 1_000,
        TimeUnit::MICROS => 1_000_000,
        TimeUnit::NANOS => NANOSECONDS,
    }
}

/// The next values of a typed column, and where there are none.
fn cells<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    most: usize,
    present: i16,
    cell: impl Fn(&T::T) -> Cell<'static>,
) -> Result<Vec<Cell<'static>>, ParquetError> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    reader.read_records(most, Some(&mut levels), None, &mut values)?;
    let mut values = values.iter().map(cell);
    if present == 0 {
        return Ok(values.collect());
    }
    let next = |level: i16| if level == present { values.next() } else { None };
    Ok(levels.into_iter().map(next).map(|cell| cell.unwrap_or(Cell::Empty)).collect())
}

/// Of a type whose bits are those of `ones`.
fn integer(value: i64, ones: i128, meaning: Meaning) -> Cell<'static> {
    match meaning {
        Meaning::Plain => Cell::Integer(value.into()),
        Meaning::Unsigned => Cell::Integer(i128::from(value) & ones),
        Meaning::Instants(per_second) => Cell::Instant { count: value, per_second },
        Meaning::Days => Cell::Instant { count: value.saturating_mul(DAY), per_second: 1 },
        Meaning::Decimals(places) => Cell::Scaled { mantissa: value.into(), places },
    }
}

/// Days of the Julian calendar and nanoseconds of the day, as older programs write times.
fn julian(value: &Int96) -> Cell<'static> {
    let &[low, high, day] = value.data() else { return Cell::Empty };
    let nanoseconds = i64::from(high) << 32 | i64::from(low);
    let midnight = i64::from(day).saturating_sub(JULIAN_1970).saturating_mul(DAY);
    let count = midnight.checked_mul(1_000_000_000).and_then(|midnight| midnight.checked_add(nanoseconds));
    count.map_or(Cell::Empty, |count| Cell::Instant { count, per_second: NANOSECONDS })
}

/// Text, or a big-endian number of any length.
fn bytes(value: &[u8], meaning: Meaning) -> Cell<'static> {
    let Meaning::Decimals(places) = meaning else {
        let text = String::from_utf8_lossy(value);
        return if text.trim().is_empty() { Cell::Empty } else { Cell::Text(text.trim().to_owned().into()) };
    };
    let negative = value.first().is_some_and(|byte| byte.leading_ones() > 0);
    let fill = if negative { u8::MAX } else { 0 };
    let mut number = [fill; 16];
    let (beginning, end) = value.split_at(value.len().saturating_sub(number.len()));
    if beginning.iter().any(|byte| *byte != fill) {
        return Cell::Text("a decimal of more than 38 digits".into());
    }
    for (digit, byte) in number.iter_mut().rev().zip(end.iter().rev()) {
        *digit = *byte;
    }
    Cell::Scaled { mantissa: i128::from_be_bytes(number), places }
}
