//! Paths from files: prices as exchanges give them, base fees as block headers or daily averages.

use std::{borrow::Cow, ops::RangeInclusive, path::Path};

use csv::StringRecord;
use eyre::{Context, Result, bail, eyre};
use rust_decimal::{Decimal, prelude::ToPrimitive};

use super::{Tick, time::unix_seconds};

/// How many bad rows a message names at most.
const NAMED_BAD_ROWS: usize = 5;
/// Base fee where no gas file is given: 20 gwei, in wei per gas.
const DEFAULT_BASE_FEE: u128 = 20_000_000_000;
/// Seconds for which the last base fee of a file stands: daily averages are dated at the day's beginning.
const DAY: u64 = 86_400;

const NO_TIME: &str = "has no time in whole seconds";

/// A close of a price bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// Unix seconds at which the bar opens.
    pub opened: u64,
    /// USD per unit of the risky asset.
    pub price: Decimal,
}

/// A base fee known from some time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaseFee {
    /// Unix seconds.
    pub timestamp: u64,
    /// Wei per gas.
    pub wei: u128,
}

/// A path and the file it was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePath {
    /// One tick per step.
    pub ticks: Vec<Tick>,
    /// Rows of the price file.
    pub rows: usize,
}

/// A path of at most `steps` ticks from a price file with the columns `ts,open,high,low,close,volume` and,
/// if given, a gas file; without one the base fee is 20 gwei throughout. Prices must be among those that are
/// `believed` by the contracts that are to see them, USD.
///
/// # Errors
/// A file cannot be read or has a bad row; each is named by its line.
pub fn path_from_files(
    prices: &Path,
    gas: Option<&Path>,
    steps: usize,
    believed: &RangeInclusive<Decimal>,
) -> Result<FilePath> {
    let rows = read_prices(prices, believed)?;
    let closes = sample(&rows, steps).ok_or_else(|| {
        eyre!("{}: fewer than two bars, or fewer than two steps asked for", prices.display())
    })?;
    let gas = gas.map(read_base_fees).transpose()?;
    let constant = [BaseFee { timestamp: 0, wei: DEFAULT_BASE_FEE }];
    let ticks = with_base_fees(&closes, gas.as_deref().unwrap_or(&constant));
    Ok(FilePath { ticks, rows: rows.len() })
}

/// Reads the closes of a price file. Prices must be positive and the close `believed` (USD), within low and high;
/// times ascending.
///
/// # Errors
/// The file cannot be read, lacks a column, is empty, or has a bad row; each is named by its line.
pub fn read_prices(path: &Path, believed: &RangeInclusive<Decimal>) -> Result<Vec<Close>> {
    let (mut last, (lowest, highest)) = (None, (believed.start(), believed.end()));
    read(path, &["ts", "high", "low", "close"], |fields| {
        let &[ts, high, low, close] = fields else { return Err("is short".into()) };
        let close = Close { opened: unix_seconds(ts).map_err(|_| NO_TIME)?, price: positive(close)? };
        if close.price < positive(low)? || close.price > positive(high)? {
            return Err("closes outside its low and high".into());
        }
        if !believed.contains(&close.price) {
            let why = format!("closes at {}, vault and feed believe {lowest} to {highest} USD", close.price);
            return Err(why.into());
        }
        if last.replace(close.opened).is_some_and(|last| close.opened <= last) {
            return Err("is not after the row before".into());
        }
        Ok(Some(close))
    })
}

/// Reads a gas file, in ascending order of time: `timestamp` with `baseFee` (wei; rows before EIP-1559, where it
/// is empty, are passed over), `timestamp` with `basefee_gwei`, or daily averages as `unix_time` with `value` (wei).
///
/// # Errors
/// The file cannot be read, has none of these pairs of columns, is empty, or has a bad row; each is named by its line.
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
    let mut base_fees = read(path, &[time, fee], |fields| match *fields {
        [_, ""] => Ok(None),
        [time, fee] => base_fee(time, fee, wei).map(Some),
        _ => Err("is short".into()),
    })?;
    base_fees.sort_by_key(|base_fee| base_fee.timestamp);
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

fn positive(text: &str) -> Result<Decimal, Bad> {
    Decimal::from_str_exact(text)
        .ok()
        .filter(|price| *price > Decimal::ZERO)
        .ok_or(Cow::Borrowed("has no positive price"))
}

/// Reads the `columns` of every row through `parse`, collecting what is wrong.
fn read<T>(
    path: &Path,
    columns: &[&str],
    mut parse: impl FnMut(&[&str]) -> Result<Option<T>, Bad>,
) -> Result<Vec<T>> {
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
        match parse(&fields) {
            Ok(row) => rows.extend(row),
            Err(reason) => bad.push((record.position().map_or(0, csv::Position::line), reason)),
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

/// Closes at regular times, at most `steps` of them, from the first bar's end to the last's: each is the latest
/// close at or before its time, so that every price was really paid; falls between two of them are not seen, which
/// [`super::summary`] of the whole file shows. Bars are taken
/// to be as long as the shortest distance between two. `None` for fewer than two bars or steps.
fn sample(closes: &[Close], steps: usize) -> Option<Vec<Close>> {
    let gaps = closes.iter().zip(closes.iter().skip(1));
    let bar = gaps.filter_map(|(earlier, later)| later.opened.checked_sub(earlier.opened)).min()?;
    let (first, last) = (closes.first()?.opened, closes.last()?.opened);
    let intervals = u64::try_from(steps).ok()?.checked_sub(1).filter(|&intervals| intervals > 0)?;
    let bars = last.checked_sub(first)?.div_ceil(bar).div_ceil(intervals);
    let spacing = bar.checked_mul(bars)?;
    let mut sampled = Vec::new();
    let mut opened = first;
    while opened <= last {
        let known = closes.partition_point(|close| close.opened <= opened);
        let close = closes.get(known.checked_sub(1)?)?;
        sampled.push(Close { opened: opened.checked_add(bar)?, price: close.price });
        opened = opened.checked_add(spacing)?;
    }
    Some(sampled)
}

/// Joins closes with base fees: by time (the latest known) where the base fees cover the whole period, otherwise
/// with their rows stretched evenly over it, because gas of another day still has a shape worth testing.
fn with_base_fees(closes: &[Close], base_fees: &[BaseFee]) -> Vec<Tick> {
    let (first, last) = (closes.first().map(|close| close.opened), closes.last().map(|close| close.opened));
    let ends = base_fees.last().map(|fee| fee.timestamp.saturating_add(DAY));
    let covers =
        base_fees.len() == 1 || (base_fees.first().map(|fee| fee.timestamp) <= first && ends >= last);
    let position = |index: usize, close: &Close| {
        if covers {
            base_fees.partition_point(|fee| fee.timestamp <= close.opened).checked_sub(1)
        } else {
            index.checked_mul(base_fees.len())?.checked_div(closes.len())
        }
    };
    closes
        .iter()
        .enumerate()
        .filter_map(|(index, close)| {
            let base_fee = base_fees.get(position(index, close)?)?.wei;
            Some(Tick { timestamp: close.opened, price: close.price, base_fee })
        })
        .collect()
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

    const BELIEVED: RangeInclusive<Decimal> = Decimal::ONE..=Decimal::ONE_HUNDRED;

    fn path(prices: &tempfile::NamedTempFile, steps: usize) -> Result<Vec<Tick>> {
        path_from_files(prices.path(), None, steps, &BELIEVED).map(|path| path.ticks)
    }

    fn minutes(rows: &[(&str, &str)]) -> tempfile::NamedTempFile {
        let mut text = "ts,open,high,low,close,volume\n".to_owned();
        for (minute, close) in rows {
            text.push_str(&format!("2021-05-19 13:{minute}:00+00:00,{close},{close},{close},{close},1\n"));
        }
        file(&text)
    }

    const OPENED: u64 = 1_621_429_200;

    #[test]
    fn closes_are_sampled_at_regular_times_across_a_gap() {
        let prices = minutes(&[("00", "10"), ("01", "11"), ("02", "12"), ("05", "15"), ("06", "16")]);
        let path = path(&prices, 4).unwrap();
        let got: Vec<_> = path.iter().map(|tick| (tick.timestamp - OPENED, tick.price.to_string())).collect();
        // Times are ends of bars; at 13:04 the last known close is that of 13:02.
        assert_eq!(got, [(60, "10".into()), (180, "12".into()), (300, "12".into()), (420, "16".into())]);
        assert!(path.iter().all(|tick| tick.base_fee == 20_000_000_000));
    }

    #[test]
    fn a_short_file_is_taken_whole() {
        let prices = minutes(&[("00", "10"), ("01", "11"), ("02", "12")]);
        assert_eq!(path(&prices, 2_160).unwrap().len(), 3);
    }

    #[test]
    fn every_bad_row_is_named_by_its_line() {
        let prices = minutes(&[("00", "10"), ("00", "11"), ("02", "-1"), ("03", "x"), ("xx", "3")]);
        let error = path(&prices, 4).unwrap_err().to_string();
        let (_, reasons) = error.split_once(": ").unwrap();
        assert_eq!(
            reasons,
            "line 3 is not after the row before; line 4 has no positive price; line 5 has no positive price; \
             line 6 has no time in whole seconds"
        );
    }

    #[test]
    fn a_close_outside_its_bar_is_bad() {
        let prices = file("ts,open,high,low,close,volume\n0,1,2,1,3,0\n60,1,2,1,1,0\n");
        let error = read_prices(prices.path(), &BELIEVED).unwrap_err().to_string();
        assert!(error.ends_with("line 2 closes outside its low and high"), "{error}");
    }

    #[test]
    fn a_price_that_no_contract_believes_is_named_with_the_bounds() {
        let prices = minutes(&[("00", "10"), ("01", "0.99"), ("02", "100"), ("03", "100.01")]);
        let error = read_prices(prices.path(), &BELIEVED).unwrap_err().to_string();
        let (_, reasons) = error.split_once(": ").unwrap();
        assert_eq!(
            reasons,
            "line 3 closes at 0.99, vault and feed believe 1 to 100 USD; \
             line 5 closes at 100.01, vault and feed believe 1 to 100 USD"
        );
    }

    #[test]
    fn a_file_without_a_needed_column_or_rows_is_refused() {
        let without = file("ts,open\n1,2\n");
        assert!(
            read_prices(without.path(), &BELIEVED).unwrap_err().to_string().ends_with("has no column high")
        );
        let empty = file("ts,open,high,low,close,volume\n");
        assert!(read_prices(empty.path(), &BELIEVED).unwrap_err().to_string().ends_with("has no rows"));
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
    fn base_fees_are_joined_by_time_when_they_cover_the_prices_and_stretched_otherwise() {
        let closes: Vec<Close> =
            (1_u64..=4).map(|hour| Close { opened: hour * 3_600, price: Decimal::ONE }).collect();
        let fees = |from: u64| {
            [(from, 1), (from + 7_200, 2), (from + 14_400, 3)]
                .map(|(timestamp, wei)| BaseFee { timestamp, wei })
        };
        let joined =
            |from| with_base_fees(&closes, &fees(from)).iter().map(|tick| tick.base_fee).collect::<Vec<_>>();
        assert_eq!(joined(3_600), [1, 1, 2, 2]);
        assert_eq!(joined(1_000_000), [1, 1, 2, 3]);
    }
}
