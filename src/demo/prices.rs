//! The market of a demo from files: recorded bars sampled to so many steps, with their base fees.

use std::ops::RangeInclusive;
use std::path::Path;

use eyre::{Result, bail, eyre};
use rust_decimal::Decimal;

use crate::backtest::bars::{Bar, Bars};
use crate::stage::path::Tick;
use crate::stage::path::files::{BaseFee, read_base_fees};
use crate::stage::path::time::utc;

/// How many prices that nobody believes a message names at most.
const NAMED: usize = 5;
/// Base fee where no gas file is given: 20 gwei, in wei per gas.
const DEFAULT_BASE_FEE: u128 = 20_000_000_000;
/// Seconds for which the last base fee of a file stands: daily averages are dated at the day's beginning.
const DAY: u64 = 86_400;

/// A path and the file it was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePath {
    /// One tick per step.
    pub ticks: Vec<Tick>,
    /// Bars of the price file.
    pub rows: usize,
    /// What is to be known of them.
    pub notes: Vec<String>,
}

/// A path of at most `steps` ticks from a price file, as [`Bars::read`] reads it, and, if given, a gas file; without one the base
/// fee is 20 gwei throughout. Closes must be among those that are `believed` by the contracts that are to see them, USD.
///
/// # Errors
/// A file cannot be read or has a bad row, each of which is named; a close is not believed; fewer than two steps are asked for.
pub fn path_from_files(
    prices: &Path,
    gas: Option<&Path>,
    steps: usize,
    believed: &RangeInclusive<Decimal>,
) -> Result<FilePath> {
    let bars = Bars::read(prices)?;
    if let Some(strange) = unbelieved(bars.bars(), believed) {
        bail!("{}: {strange}", prices.display());
    }
    let closes = sample(&bars, steps)
        .ok_or_else(|| eyre!("{}: fewer than two steps are asked for", prices.display()))?;
    let gas = gas.map(read_base_fees).transpose()?;
    let constant = [BaseFee { timestamp: 0, wei: DEFAULT_BASE_FEE }];
    let ticks = with_base_fees(&closes, gas.as_deref().unwrap_or(&constant));
    let notes = bars.notes().iter().map(ToString::to_string).collect();
    Ok(FilePath { ticks, rows: bars.bars().len(), notes })
}

/// What nobody would believe, if there is any.
fn unbelieved(bars: &[Bar], believed: &RangeInclusive<Decimal>) -> Option<String> {
    let (lowest, highest) = (believed.start(), believed.end());
    let strange: Vec<&Bar> = bars.iter().filter(|bar| !believed.contains(&bar.close)).collect();
    let named = strange.iter().take(NAMED).map(|bar| {
        let opened = utc(bar.opened);
        format!(
            "the bar of {opened} UTC closes at {}, vault and feed believe {lowest} to {highest} USD",
            bar.close
        )
    });
    let mut named: Vec<String> = named.collect();
    match strange.len().saturating_sub(NAMED) {
        0 => {}
        more => named.push(format!("and {more} more")),
    }
    (!named.is_empty()).then(|| named.join("; "))
}

/// A price known at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    /// Unix seconds.
    time: u64,
    /// USD per unit of the risky asset.
    price: Decimal,
}

/// Closes at regular times, at most `steps` of them, from the first bar's end to the last's: each is the latest
/// close at or before its time, so that every price was really paid; falls between two of them are not seen, which
/// [`summary`](crate::stage::path::summary) of the whole file shows. `None` for fewer than two steps.
fn sample(bars: &Bars, steps: usize) -> Option<Vec<Known>> {
    let (rows, bar) = (bars.bars(), bars.step_seconds());
    let (first, last) = (rows.first()?.opened, rows.last()?.opened);
    let intervals = u64::try_from(steps).ok()?.checked_sub(1).filter(|&intervals| intervals > 0)?;
    let taken = last.checked_sub(first)?.div_ceil(bar).div_ceil(intervals);
    let spacing = bar.checked_mul(taken)?;
    let mut sampled = Vec::new();
    let mut opened = first;
    while opened <= last {
        let known = rows.partition_point(|row| row.opened <= opened);
        let close = rows.get(known.checked_sub(1)?)?;
        sampled.push(Known { time: opened.checked_add(bar)?, price: close.close });
        opened = opened.checked_add(spacing)?;
    }
    Some(sampled)
}

/// Joins closes with base fees: by time (the latest known) where the base fees cover the whole period, otherwise
/// with their rows stretched evenly over it, because gas of another day still has a shape worth testing.
fn with_base_fees(closes: &[Known], base_fees: &[BaseFee]) -> Vec<Tick> {
    let (first, last) = (closes.first().map(|close| close.time), closes.last().map(|close| close.time));
    let ends = base_fees.last().map(|fee| fee.timestamp.saturating_add(DAY));
    let covers =
        base_fees.len() == 1 || (base_fees.first().map(|fee| fee.timestamp) <= first && ends >= last);
    let position = |index: usize, close: &Known| {
        if covers {
            base_fees.partition_point(|fee| fee.timestamp <= close.time).checked_sub(1)
        } else {
            index.checked_mul(base_fees.len())?.checked_div(closes.len())
        }
    };
    closes
        .iter()
        .enumerate()
        .filter_map(|(index, close)| {
            let base_fee = base_fees.get(position(index, close)?)?.wei;
            Some(Tick { timestamp: close.time, price: close.price, base_fee })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const BELIEVED: RangeInclusive<Decimal> = Decimal::ONE..=Decimal::ONE_HUNDRED;

    fn path(prices: &tempfile::NamedTempFile, steps: usize) -> Result<FilePath> {
        path_from_files(prices.path(), None, steps, &BELIEVED)
    }

    fn minutes(rows: &[(&str, &str)]) -> tempfile::NamedTempFile {
        let mut text = "ts,open,high,low,close,volume\n".to_owned();
        for (minute, close) in rows {
            text.push_str(&format!("2021-05-19 13:{minute}:00+00:00,{close},{close},{close},{close},1\n"));
        }
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    const OPENED: u64 = 1_621_429_200;

    #[test]
    fn closes_are_sampled_at_regular_times_across_a_gap() {
        let prices = minutes(&[("06", "16"), ("00", "10"), ("01", "11"), ("02", "12"), ("05", "15")]);
        let path = path(&prices, 4).unwrap();
        let got: Vec<_> =
            path.ticks.iter().map(|tick| (tick.timestamp - OPENED, tick.price.to_string())).collect();
        // Times are ends of bars; at 13:04 the last known close is that of 13:02.
        assert_eq!(got, [(60, "10".into()), (180, "12".into()), (300, "12".into()), (420, "16".into())]);
        assert!(path.ticks.iter().all(|tick| tick.base_fee == 20_000_000_000));
        assert_eq!((path.rows, path.notes.len()), (5, 2), "{:?}", path.notes);
    }

    #[test]
    fn a_short_file_is_taken_whole() {
        let prices = minutes(&[("00", "10"), ("01", "11"), ("02", "12")]);
        assert_eq!(path(&prices, 2_160).unwrap().ticks.len(), 3);
        assert!(path(&prices, 1).unwrap_err().to_string().ends_with("fewer than two steps are asked for"));
    }

    #[test]
    fn a_price_that_no_contract_believes_is_named_with_the_bounds() {
        let prices = minutes(&[("00", "10"), ("01", "0.99"), ("02", "100"), ("03", "100.01")]);
        let error = path(&prices, 4).unwrap_err().to_string();
        let (_, reasons) = error.split_once(": ").unwrap();
        assert_eq!(
            reasons,
            "the bar of 2021-05-19 13:01:00 UTC closes at 0.99, vault and feed believe 1 to 100 USD; \
             the bar of 2021-05-19 13:03:00 UTC closes at 100.01, vault and feed believe 1 to 100 USD"
        );
    }

    #[test]
    fn base_fees_are_joined_by_time_when_they_cover_the_prices_and_stretched_otherwise() {
        let closes: Vec<Known> =
            (1_u64..=4).map(|hour| Known { time: hour * 3_600, price: Decimal::ONE }).collect();
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
