//! Base fees from files, as block headers or daily averages.

use std::{borrow::Cow, path::Path};

use csv::StringRecord;
use eyre::{Context, Result, bail, eyre};
use rust_decimal::{Decimal, prelude::ToPrimitive};

use super::time::unix_seconds;

/// How many bad rows a message names at most.
const NAMED_BAD_ROWS: usize = 5;
const NO_TIME: &str = "has no time in whole seconds";

/// A base fee known from some time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseFee {
    /// Unix seconds.
    pub timestamp: u64,
    /// Wei per gas.
    pub wei: u128,
}

/// Reads a gas file, in ascending order of time: `timestamp` with `baseFee` (wei; rows before EIP-1559, where it
/// is empty, are passed over), `timestamp` with `basefee_gwei`, or daily averages as `unix_time` with `value` (wei). A row that is
/// there twice counts once.
///
/// # Errors
/// The file cannot be read, has none of these pairs of columns, is empty, or has a bad row, or two base fees at one time; each is
/// named by its line.
pub fn read_base_fees(path: &Path) -> Result<Vec<BaseFee>> {
    let headers = csv::Reader::from_path(path)
        .and_then(|mut reader| reader.headers().cloned())
        .wrap_err_with(|| format!("read {}", path.display()))?;
    let formats = [
        ("timestamp", "baseFee", 1),
        ("timestamp", "basefee_gwei", 1_000_000_000),
        ("unix_time", "value", 1),
    ];
    let known = |name: &str| headers.iter().any(|header| header == name);
    let Some((time, fee, wei)) = formats.into_iter().find(|(time, fee, _)| known(time) && known(fee)) else {
        bail!(
            "{}: no columns timestamp,baseFee or timestamp,basefee_gwei or unix_time,value",
            path.display()
        );
    };
    let mut rows = read(path, &[time, fee], |fields| match *fields {
        [_, ""] => Ok(None),
        [time, fee] => base_fee(time, fee, wei).map(Some),
        _ => Err("is short".into()),
    })?;
    rows.sort_by_key(|(line, base_fee)| (base_fee.timestamp, *line));
    once(path, &rows)
}

/// One base fee for each time, of rows in its order with their lines.
fn once(path: &Path, rows: &[(u64, BaseFee)]) -> Result<Vec<BaseFee>> {
    let mut base_fees: Vec<BaseFee> = Vec::with_capacity(rows.len());
    let (mut bad, mut first) = (Vec::new(), 0);
    for &(line, base_fee) in rows {
        match base_fees.last() {
            Some(last) if last.timestamp != base_fee.timestamp => {}
            Some(last) if *last == base_fee => continue,
            Some(_) => {
                bad.push((line, format!("has another base fee of the time of line {first}").into()));
                continue;
            }
            None => {}
        }
        base_fees.push(base_fee);
        first = line;
    }
    if !bad.is_empty() {
        bail!("{}: {}", path.display(), list(&bad));
    }
    Ok(base_fees)
}

/// Why a row is bad, to follow its line number.
type Bad = Cow<'static, str>;

fn base_fee(time: &str, fee: &str, wei: u32) -> Result<BaseFee, Bad> {
    let fee = Decimal::from_str_exact(fee).ok().and_then(|fee| fee.checked_mul(Decimal::from(wei)));
    Ok(BaseFee {
        timestamp: unix_seconds(time).map_err(|_| NO_TIME)?,
        wei: fee.and_then(|fee| fee.to_u128()).ok_or("has no base fee")?,
    })
}

/// Reads the `columns` of every row through `parse`, each with its line, collecting what is wrong.
fn read<T>(
    path: &Path,
    columns: &[&str],
    mut parse: impl FnMut(&[&str]) -> Result<Option<T>, Bad>,
) -> Result<Vec<(u64, T)>> {
    let name = path.display();
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).from_path(path).wrap_err_with(|| format!("read {name}"))?;
    let positions = positions(reader.headers().wrap_err_with(|| format!("read {name}"))?, columns)
        .map_err(|column| eyre!("{name} has no column {column}"))?;
    let mut rows = Vec::new();
    let mut bad = Vec::new();
    for record in reader.records() {
        let record = record.wrap_err_with(|| format!("read {name}"))?;
        let fields: Vec<&str> =
            positions.iter().filter_map(|&position| record.get(position).map(str::trim)).collect();
        let line = record.position().map_or(0, csv::Position::line);
        match parse(&fields) {
            Ok(row) => rows.extend(row.map(|row| (line, row))),
            Err(reason) => bad.push((line, reason)),
        }
    }
    if !bad.is_empty() {
        bail!("{name}: {}", list(&bad));
    }
    if rows.is_empty() {
        bail!("{name} has no rows");
    }
    Ok(rows)
}

fn positions<'a>(headers: &StringRecord, columns: &[&'a str]) -> Result<Vec<usize>, &'a str> {
    columns.iter().map(|&column| headers.iter().position(|header| header == column).ok_or(column)).collect()
}

fn list(bad: &[(u64, Bad)]) -> String {
    let named = bad.iter().take(NAMED_BAD_ROWS).map(|(line, reason)| format!("line {line} {reason}"));
    let mut text = named.collect::<Vec<_>>().join("; ");
    let rest = bad.len().saturating_sub(NAMED_BAD_ROWS);
    if rest > 0 {
        text.push_str(&format!("; and {rest} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn the_three_gas_formats_are_told_apart_by_their_columns() {
        let headers = file("number,timestamp,baseFee\n1,20,\n2,40,7\n3,30,5\n");
        let fees = |file: &tempfile::NamedTempFile| {
            let fees = read_base_fees(file.path()).unwrap();
            fees.iter().map(|fee| (fee.timestamp, fee.wei)).collect::<Vec<_>>()
        };
        assert_eq!(fees(&headers), [(30, 5), (40, 7)]);
        assert_eq!(fees(&file("block,timestamp,basefee_gwei\n1,20,11.189797\n")), [(20, 11_189_797_000)]);
        assert_eq!(
            fees(&file("unix_time,value\n1438214400,17377901165\n")),
            [(1_438_214_400, 17_377_901_165)]
        );
        assert!(
            read_base_fees(file("a,b\n1,2\n").path())
                .unwrap_err()
                .to_string()
                .contains("no columns timestamp")
        );
    }

    #[test]
    fn a_time_has_one_base_fee_and_another_one_is_refused_with_both_lines() {
        let twice = file("timestamp,baseFee\n20,7\n10,5\n20,7\n");
        let fees = read_base_fees(twice.path()).unwrap();
        assert_eq!(fees.iter().map(|fee| (fee.timestamp, fee.wei)).collect::<Vec<_>>(), [(10, 5), (20, 7)]);
        let two = file("timestamp,baseFee\n20,7\n10,5\n20,8\n20,7\n20,9\n");
        let error = read_base_fees(two.path()).unwrap_err().to_string();
        assert!(
            error.ends_with(
                ": line 4 has another base fee of the time of line 2; line 6 has another base fee of the time of line 2"
            ),
            "{error}"
        );
    }

    #[test]
    fn every_bad_row_is_named_by_its_line() {
        let bad = file("timestamp,baseFee\n1,5\nx,5\n3,y\n4,-1\n5\n");
        let error = read_base_fees(bad.path()).unwrap_err().to_string();
        let (_, reasons) = error.split_once(": ").unwrap();
        assert_eq!(
            reasons,
            "line 3 has no time in whole seconds; line 4 has no base fee; line 5 has no base fee; line 6 is short"
        );
        let empty = read_base_fees(file("timestamp,baseFee\n").path()).unwrap_err().to_string();
        assert!(empty.ends_with("has no rows"), "{empty}");
    }
}
