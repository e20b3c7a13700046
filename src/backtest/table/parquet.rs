//! A table as Parquet: one row group, every column optional.

use std::io::{self, Write};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;

use super::{Column, Table, Values};

/// Writes the whole file.
pub(super) fn write(table: &Table, file: impl Write + Send) -> io::Result<()> {
    written(table, file).map_err(io::Error::other)
}

fn written(table: &Table, file: impl Write + Send) -> Result<(), ParquetError> {
    let fields = table.columns.iter().map(|column| field(column).map(Arc::new));
    let schema = Type::group_type_builder("table").with_fields(fields.collect::<Result<_, _>>()?).build()?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties))?;
    let mut group = writer.next_row_group()?;
    for column in &table.columns {
        let Some(mut writer) = group.next_column()? else { break };
        values(&mut writer, &column.values)?;
        writer.close()?;
    }
    group.close()?;
    writer.close().map(drop)
}

fn field(column: &Column) -> Result<Type, ParquetError> {
    let (physical, logical) = match column.values {
        Values::Reals(_) => (Physical::DOUBLE, None),
        Values::Counts(_) => (Physical::INT64, Some(LogicalType::integer(64, false))),
        Values::Integers(_) => (Physical::INT64, Some(LogicalType::integer(64, true))),
        Values::Texts(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Values::Flags(_) => (Physical::BOOLEAN, None),
    };
    Type::primitive_type_builder(&column.name, physical)
        .with_logical_type(logical)
        .with_repetition(Repetition::OPTIONAL)
        .build()
}

fn values(writer: &mut SerializedColumnWriter<'_>, values: &Values) -> Result<(), ParquetError> {
    match values {
        Values::Reals(values) => present::<DoubleType, _>(writer, values, |value| *value),
        // The bits are those of the signed number.
        Values::Counts(values) => present::<Int64Type, _>(writer, values, |value| value.cast_signed()),
        Values::Integers(values) => present::<Int64Type, _>(writer, values, |value| *value),
        Values::Texts(values) => {
            present::<ByteArrayType, _>(writer, values, |text| ByteArray::from(text.as_str()))
        }
        Values::Flags(values) => present::<BoolType, _>(writer, values, |value| *value),
    }
}

/// Writes which values are there, and those.
fn present<D: DataType, T>(
    writer: &mut SerializedColumnWriter<'_>,
    values: &[Option<T>],
    stored: impl FnMut(&T) -> D::T,
) -> Result<(), ParquetError> {
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<D::T> = values.iter().flatten().map(stored).collect();
    writer.typed::<D>().write_batch(&values, Some(&levels), None).map(drop)
}
