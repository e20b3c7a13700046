//! What stands beside the prices: whether it is of their time and of its unit.

use thiserror::Error;

use super::setting::{Absent, Setting};
use crate::stage::path::files::BaseFee;
use crate::stage::path::time::utc;

/// Seconds for which a base fee is taken to be known: daily averages are dated at the day's beginning.
const DAY: u64 = 86_400;
/// Least and most that half of the base fees may be, wei per gas: 0.001 and 100,000 gwei.
const FEES: std::ops::RangeInclusive<u128> = 1_000_000..=100_000_000_000_000;

/// Why base fees cannot be those of the prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Strange {
    /// They are of another time.
    #[error(
        "its base fees are from {} to {} UTC, the prices from {} to {} UTC: give those of the prices' time, or none, so that \
         gas.base_fee_wei of the setting stands", utc(fees.0), utc(fees.1), utc(prices.0), utc(prices.1)
    )]
    Elsewhere {
        /// Times of the first and the last base fee, seconds since 1970.
        fees: (u64, u64),
        /// Those of the first and the last price.
        prices: (u64, u64),
    },
    /// They are no wei per gas.
    #[error(
        "the median of its base fees is {} gwei, which is no base fee: expected wei per gas in a column baseFee or value, \
         or gwei in a column basefee_gwei", gwei(*median)
    )]
    Unit {
        /// The median, wei per gas, of an even number the mean of the middle two, rounded down.
        median: u128,
    },
}

/// What is to be known of base fees, in the order of time, at prices `from` one time `to` another; nothing of none.
///
/// # Errors
/// They are of another time, or of another unit. One base fee alone is taken for one that always stands.
pub fn of_fees(fees: &[BaseFee], (from, to): (u64, u64), setting: &Setting) -> Result<Vec<String>, Strange> {
    let (Some(first), Some(last)) = (fees.first(), fees.last()) else { return Ok(Vec::new()) };
    let over = last.timestamp.saturating_add(DAY) < from;
    if first.timestamp > to || (over && fees.len() > 1) {
        return Err(Strange::Elsewhere { fees: (first.timestamp, last.timestamp), prices: (from, to) });
    }
    let begin = fees.partition_point(|fee| fee.timestamp <= from).saturating_sub(1);
    let end = fees.partition_point(|fee| fee.timestamp <= to);
    let mut used: Vec<u128> = fees.get(begin..end).unwrap_or_default().iter().map(|fee| fee.wei).collect();
    used.sort_unstable();
    let at = |place: usize| used.get(place).copied().unwrap_or_default();
    let (below, above) = (at(used.len().saturating_sub(1) / 2), at(used.len() / 2));
    let median = below.midpoint(above);
    if !FEES.contains(&median) {
        return Err(Strange::Unit { median });
    }
    let (lowest, highest) = (gwei(at(0)), gwei(at(used.len().saturating_sub(1))));
    let mut notes =
        vec![format!("base fees are {lowest} to {highest} gwei, their median is {}", gwei(median))];
    if first.timestamp > from {
        let stands = gwei(setting.gas.base_fee_wei.into());
        notes.push(format!(
            "base fees begin at {} UTC: before it {stands} gwei of the setting stand",
            utc(first.timestamp)
        ));
    }
    if last.timestamp.saturating_add(DAY) < to {
        let stands = gwei(last.wei);
        notes.push(format!("base fees end at {} UTC: after it {stands} gwei stand", utc(last.timestamp)));
    }
    Ok(notes)
}

/// What of a setting does not fit prices `from` one time `to` another: outages and flows outside of them, and options that a feed
/// may be too slow to settle.
#[must_use]
pub fn unused(setting: &Setting, (from, to): (u64, u64)) -> Vec<String> {
    let prices = format!("the prices are from {} to {} UTC", utc(from), utc(to));
    let outages =
        (0_usize..).zip(&setting.outages).filter(|(_, outage)| outage.to <= from || outage.from > to);
    let outages = outages.map(|(number, outage)| {
        let who = match outage.of {
            Absent::Keeper => "keeper",
            Absent::Feed => "feed",
        };
        let (from, to) = (utc(outage.from), utc(outage.to));
        format!("outages[{number}] of the {who}, from {from} to {to} UTC, is not used: {prices}")
    });
    let flows = (0_usize..).zip(&setting.flows).filter(|(_, flow)| flow.at < from || flow.at > to);
    let flows = flows.map(|(number, flow)| {
        format!("flows[{number}] of {}, at {} UTC, is not used: {prices}", flow.amount, utc(flow.at))
    });
    let slow =
        setting.options.iter().filter(|options| options.max_age_seconds < setting.feed.heartbeat_seconds);
    let slow = slow.map(|options| {
        let (age, heartbeat) = (options.max_age_seconds, setting.feed.heartbeat_seconds);
        format!(
            "options.max_age_seconds is {age} and feed.heartbeat_seconds {heartbeat}: where the feed's answer at an expiry is older, \
             a series is not settled but undone"
        )
    });
    outages.chain(flows).chain(slow).collect()
}

/// Wei in gwei.
#[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
fn gwei(wei: u128) -> String {
    let gwei = wei as f64 / 1e9;
    if gwei == 0.0 || gwei >= 0.01 { format!("{gwei:.2}") } else { format!("{gwei:.1e}") }
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;

    use super::super::setting::{Flow, Outage};
    use super::*;

    const PRICES: (u64, u64) = (1_600_000_000, 1_601_000_000);

    fn fees(rows: &[(u64, u128)]) -> Vec<BaseFee> {
        rows.iter().map(|(timestamp, wei)| BaseFee { timestamp: *timestamp, wei: *wei }).collect()
    }

    fn told(rows: &[(u64, u128)]) -> Result<Vec<String>, String> {
        of_fees(&fees(rows), PRICES, &Setting::default()).map_err(|strange| strange.to_string())
    }

    #[test]
    fn base_fees_are_told_with_their_figures_and_where_others_stand() {
        assert_eq!(told(&[]), Ok(vec![]));
        let gwei = 1_000_000_000;
        let whole = [(1_599_990_000, 900 * gwei), (1_599_999_000, 30 * gwei), (1_600_500_000, 50 * gwei)];
        let ends = "base fees end at 2020-09-19 07:20:00 UTC: after it 50.00 gwei stand".to_owned();
        // Of two, between them.
        let figures = "base fees are 30.00 to 50.00 gwei, their median is 40.00".to_owned();
        assert_eq!(told(&whole), Ok(vec![figures, ends]));
        let late = [(1_600_900_000, 40 * gwei), (1_600_990_000, 10 * gwei)];
        let begins = "base fees begin at 2020-09-23 22:26:40 UTC: before it 20.00 gwei of the setting stand";
        assert_eq!(told(&late).unwrap()[1..], [begins]);
        let odd = [(1_600_000_000, 20 * gwei), (1_600_400_000, 21 * gwei), (1_600_990_000, 90 * gwei)];
        assert_eq!(told(&odd).unwrap(), ["base fees are 20.00 to 90.00 gwei, their median is 21.00"]);
    }

    #[test]
    fn base_fees_of_another_time_or_unit_are_refused() {
        let gwei = 1_000_000_000;
        let after = told(&[(1_601_000_001, gwei), (1_602_000_000, gwei)]).unwrap_err();
        assert_eq!(
            after,
            "its base fees are from 2020-09-25 02:13:21 to 2020-10-06 16:00:00 UTC, the prices from 2020-09-13 12:26:40 to \
             2020-09-25 02:13:20 UTC: give those of the prices' time, or none, so that gas.base_fee_wei of the setting stands"
        );
        assert!(told(&[(1, gwei), (1_599_913_599, gwei)]).is_err());
        assert!(told(&[(1, gwei), (1_599_913_600, gwei)]).is_ok(), "an average of the day before");
        assert!(told(&[(1, gwei)]).is_ok(), "one that always stands");
        let small = told(&[(1_600_000_000, 20), (1_600_100_000, 31)]).unwrap_err();
        assert!(
            small.starts_with("the median of its base fees is 2.5e-8 gwei, which is no base fee"),
            "{small}"
        );
        let none = told(&[(1_600_000_000, 0), (1_600_100_000, 0)]).unwrap_err();
        assert!(none.starts_with("the median of its base fees is 0.00 gwei"), "{none}");
        let large = told(&[(1_600_000_000, 20_000_000_000_000_000_000)]).unwrap_err();
        assert!(large.contains("20000000000.00 gwei"), "{large}");
        // A gas limit is a base fee that may have been: it is told.
        let limit = told(&[(1_600_000_000, 30_000_000), (1_600_950_000, 30_000_000)]).unwrap();
        assert_eq!(limit, ["base fees are 0.03 to 0.03 gwei, their median is 0.03"]);
    }

    #[test]
    fn outages_and_flows_outside_the_prices_are_named() {
        let outage = |from, to| Outage { of: Absent::Keeper, from, to };
        let flow = |at| Flow { at, amount: Decimal::from(5) };
        let setting = Setting {
            outages: vec![outage(PRICES.0 - 9, PRICES.0), outage(PRICES.0 - 9, PRICES.0 + 1)],
            flows: vec![flow(PRICES.0), flow(PRICES.1), flow(PRICES.1 + 1)],
            ..Setting::default()
        };
        let told = unused(&setting, PRICES);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("outages[0] of the keeper, from 2020-09-13 12:26:31 to"), "{}", told[0]);
        assert!(told[1].starts_with("flows[2] of 5, at 2020-09-25 02:13:21 UTC, is not used"), "{}", told[1]);
    }
}
