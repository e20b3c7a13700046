//! The format of a table's file, by its name.

use std::path::Path;

/// Endings of Parquet files, in any case; everything else is CSV.
const PARQUET: [&str; 2] = ["parquet", "pq"];

/// Whether a file of that name is Parquet.
pub(super) fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|ending| PARQUET.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}
