//! A feed as it reports: when the market has moved far enough from its last round, or when it has been silent for long.

use alloy::primitives::{I256, U256};
use rust_decimal::Decimal;

use super::setting;
use crate::backtest::BacktestError;
use crate::backtest::market::report;
use crate::domain::snapshot::Feed;
use crate::domain::units::{rounded, to_raw};

/// Lets the feed see the market's `price` at `time`; it keeps `rounds` rounds. Whether it reported.
///
/// # Errors
/// [`BacktestError::Number`] for a price out of range.
pub(super) fn watch(
    feed: &mut Feed,
    rule: &setting::Feed,
    (price, time): (Decimal, u64),
    rounds: usize,
) -> Result<bool, BacktestError> {
    let raw = to_raw(rounded(price, feed.decimals.into()), feed.decimals)?;
    let answer = I256::try_from(raw).map_err(|_| BacktestError::Number("a price"))?;
    let due = match &feed.latest {
        None => true,
        Some(last) if last.updated_at.saturating_add(rule.heartbeat_seconds) <= time => true,
        Some(last) => deviates(last.answer.unsigned_abs(), raw, rule.deviation_bps),
    };
    if due {
        report(feed, rounds, answer, time);
    }
    Ok(due)
}

fn deviates(last: U256, now: U256, bps: u32) -> bool {
    let moved = now.abs_diff(last).checked_mul(U256::from(10_000));
    moved.zip(last.checked_mul(U256::from(bps))).is_none_or(|(moved, bound)| moved >= bound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backtest::market::FEED_DECIMALS;
    use crate::domain::snapshot::History;
    use alloy::primitives::Address;

    #[test]
    fn a_feed_reports_when_the_price_has_moved_or_it_was_silent_for_long() {
        let mut feed = Feed {
            address: Address::ZERO,
            decimals: FEED_DECIMALS,
            latest: None,
            history: History::default(),
        };
        let rule = setting::Feed { heartbeat_seconds: 3_600, deviation_bps: 50 };
        let mut told = |price: i64, time| watch(&mut feed, &rule, (Decimal::new(price, 2), time), 3).unwrap();
        assert!(told(200_000, 1_000));
        // Half of a hundredth is 10 USD.
        assert!(!told(200_999, 1_100) && told(201_000, 1_200));
        assert!(!told(200_500, 4_799) && told(200_500, 4_800));
        assert!(told(150_000, 4_801));
        let times = feed.history.iter().chain(&feed.latest).map(|round| round.updated_at);
        assert_eq!(times.collect::<Vec<_>>(), [1_200, 4_800, 4_801]);
    }
}
