//! Results as a table of typed columns, in a file that is there whole or not at all.

mod csv;
mod files;
mod parquet;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use thiserror::Error;

pub use files::Files;

use super::format::is_parquet;

/// Columns of equal length, no two of one name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    columns: Vec<Column>,
}

#[derive(Clone, Debug, PartialEq)]
struct Column {
    name: String,
    values: Values,
}

/// What a column holds, row by row; absent values are `None`.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Floating-point numbers, any of them.
    Reals(Vec<Option<f64>>),
    /// Whole numbers from zero.
    Counts(Vec<Option<u64>>),
    /// Whole numbers.
    Integers(Vec<Option<i64>>),
    /// Texts.
    Texts(Vec<Option<String>>),
    /// True or false.
    Flags(Vec<Option<bool>>),
}

/// Why there is no table, or no file of it.
#[derive(Debug, Error)]
pub enum TableError {
    /// A column has no name.
    #[error("column {0} of the table has no name")]
    Nameless(usize),
    /// Two columns have one name.
    #[error("the table has two columns {0}")]
    Twice(String),
    /// Columns differ in length.
    #[error("column {name} of the table has {rows} rows, those before it {expected}")]
    Ragged {
        /// The column.
        name: String,
        /// Its rows.
        rows: usize,
        /// Rows of the others.
        expected: usize,
    },
    /// The file cannot be written; what was there before is as it was.
    #[error("{} cannot be written: {error}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl Table {
    /// A table of these columns, from left to right.
    ///
    /// # Errors
    /// A column has no name, that of another, or another length.
    pub fn of<N: Into<String>>(columns: impl IntoIterator<Item = (N, Values)>) -> Result<Self, TableError> {
        columns.into_iter().try_fold(Self::default(), |table, (name, values)| table.with(name.into(), values))
    }

    fn with(mut self, name: String, values: Values) -> Result<Self, TableError> {
        if name.is_empty() {
            return Err(TableError::Nameless(self.columns.len().saturating_add(1)));
        }
        if self.columns.iter().any(|column| column.name == name) {
            return Err(TableError::Twice(name));
        }
        let (rows, expected) = (values.len(), self.rows());
        if !self.columns.is_empty() && rows != expected {
            return Err(TableError::Ragged { name, rows, expected });
        }
        self.columns.push(Column { name, values });
        Ok(self)
    }

    /// Rows below the header.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |column| column.values.len())
    }

    /// The table as CSV.
    ///
    /// # Errors
    /// None that a table of this kind has.
    pub fn to_text(&self) -> io::Result<String> {
        let mut text = Vec::new();
        csv::write(self, &mut text)?;
        String::from_utf8(text).map_err(io::Error::other)
    }

    /// Writes the table to `path`, in place of what is there: as Parquet if the name ends in `.parquet` or `.pq`, as CSV
    /// otherwise. A reader finds the old file or the new one, whole.
    ///
    /// Both have the same names and values. In CSV numbers have as many digits as bring them back; what is absent is an
    /// empty field, as is an empty text.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), TableError> {
        let mut files = Files::default();
        files.table(path, self)?;
        files.put()
    }

    fn write_as(&self, path: &Path, file: impl Write + Send) -> io::Result<()> {
        if is_parquet(path) { parquet::write(self, file) } else { csv::write(self, file) }
    }
}

impl Values {
    /// A column of floating-point numbers, each there or not.
    pub fn reals<T: Into<Option<f64>>>(values: impl IntoIterator<Item = T>) -> Self {
        Self::Reals(values.into_iter().map(Into::into).collect())
    }

    /// A column of whole numbers from zero, each there or not.
    pub fn counts<T: Into<Option<u64>>>(values: impl IntoIterator<Item = T>) -> Self {
        Self::Counts(values.into_iter().map(Into::into).collect())
    }

    /// A column of whole numbers, each there or not.
    pub fn integers<T: Into<Option<i64>>>(values: impl IntoIterator<Item = T>) -> Self {
        Self::Integers(values.into_iter().map(Into::into).collect())
    }

    /// A column of texts, each there or not.
    pub fn texts<T: Into<Option<String>>>(values: impl IntoIterator<Item = T>) -> Self {
        Self::Texts(values.into_iter().map(Into::into).collect())
    }

    /// A column of true and false, each there or not.
    pub fn flags<T: Into<Option<bool>>>(values: impl IntoIterator<Item = T>) -> Self {
        Self::Flags(values.into_iter().map(Into::into).collect())
    }

    const fn len(&self) -> usize {
        match self {
            Self::Reals(values) => values.len(),
            Self::Counts(values) => values.len(),
            Self::Integers(values) => values.len(),
            Self::Texts(values) => values.len(),
            Self::Flags(values) => values.len(),
        }
    }
}
