//! Exponentially weighted variance over irregular times (RiskMetrics 1996).

use super::super::YEAR_SECONDS;
use super::series::numbered;
use super::{Observation, Series, VolatilityError, Window, check_after, elapsed};

/// Half-lives that are accepted, hours: from four seconds to a century, which keeps every weight in range.
const HALF_LIFE_HOURS: core::ops::RangeInclusive<f64> = 1e-3..=1e6;

/// Annualised volatility as an exponentially weighted mean of variance over true time.
///
/// Between two observations at `t₁ < t₂` the variance rate is `ln(p₂/p₁)²/(t₂ − t₁)`; it counts with the integral of
/// `2^(−(now − t)/half-life)` over that interval. So a feed that reports more often when the price moves is not
/// overstated, as it would be by an average of squared returns, and splitting an interval of steady variance changes
/// nothing. (RiskMetrics 1996, for irregular times.)
///
/// `observations` from the oldest to the newest; `now` is the block time in seconds. The interval from the newest
/// observation to `now` is open and does not count; its length scales all weights alike. A floor is the caller's.
///
/// # Errors
/// Too few observations, times out of order, equal or after the block, a price that is not positive, or a half-life
/// out of range.
pub fn ewma(observations: &[Observation], now: u64, half_life_hours: f64) -> Result<f64, VolatilityError> {
    ewma_remembering(Series::new(observations), now, half_life_hours, &mut Intervals::default())
}

/// What the estimate before made of its observations.
#[derive(Debug, Clone, Default)]
pub struct Intervals {
    /// Per second.
    decay: f64,
    /// Numbers of the first observation that is known, and of the one after the last.
    begin: u64,
    end: u64,
    /// Between two known observations each, oldest first.
    known: Window<Interval>,
    /// The estimate of all of them.
    estimate: Option<f64>,
}

/// What an interval contributes.
#[derive(Debug, Clone, Copy)]
struct Interval {
    seconds: f64,
    /// Part of the weight left that falls on it.
    share: f64,
    log_return: f64,
    /// Logarithm of its last price.
    log_price: f64,
}

/// [`ewma`], where intervals that are known from before are not worked out again. It is the same whatever was known.
///
/// # Errors
/// As [`ewma`].
pub fn ewma_remembering(
    series: Series<'_>,
    now: u64,
    half_life_hours: f64,
    intervals: &mut Intervals,
) -> Result<f64, VolatilityError> {
    if !HALF_LIFE_HOURS.contains(&half_life_hours) {
        return Err(VolatilityError::BadHalfLife { hours: half_life_hours });
    }
    let known = intervals.keep(series, core::f64::consts::LN_2 / (half_life_hours * 3600.0));
    check_after(series.observations, known, now)?;
    intervals.learn(series, known);
    Ok(intervals.estimate())
}

impl Intervals {
    /// Keeps what is known of these observations, and says of how many.
    fn keep(&mut self, series: Series<'_>, decay: f64) -> usize {
        let Series { first, observations } = series;
        let same = self.decay.to_bits() == decay.to_bits() && (self.begin..self.end).contains(&first);
        if !same {
            *self = Self { decay, begin: first, end: first, ..Self::default() };
        }
        let size = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let (left, known) = (first.saturating_sub(self.begin), size(self.end.saturating_sub(first)));
        let kept = known.min(observations.len());
        if left > 0 || kept < known {
            self.estimate = None;
            self.known.leave(size(left));
            self.known.truncate(kept.saturating_sub(1));
            self.begin = first;
            self.end = numbered(first, kept);
        }
        kept
    }

    /// Adds the observations after the `known` ones, all of which keep the rules.
    fn learn(&mut self, series: Series<'_>, known: usize) {
        let Series { observations, .. } = series;
        if known == observations.len() {
            return;
        }
        let from = known.saturating_sub(1);
        let pairs = observations.iter().skip(from).zip(observations.iter().skip(from.saturating_add(1)));
        for (before, after) in pairs {
            let last = self.known.as_slice().last();
            let log_before = last.map_or_else(|| libm::log(before.price), |last| last.log_price);
            self.known.push(Interval::between((before.time, log_before), after, self.decay));
        }
        self.end = series.end();
        self.estimate = None;
    }

    fn estimate(&mut self) -> f64 {
        *self.estimate.get_or_insert_with(|| mean(self.known.as_slice()))
    }
}

/// The root of the weighted mean of variance over intervals, the oldest first, per year.
fn mean(intervals: &[Interval]) -> f64 {
    // What is left of all weight before the interval looked at. Ages count from the newest one: any common factor
    // cancels, and an old series cannot vanish.
    let (mut variance, mut weight, mut left) = (0.0, 0.0, 1.0);
    for Interval { seconds, share, log_return, .. } in intervals.iter().rev() {
        let time_weight = left * share;
        variance += time_weight * log_return * log_return / seconds;
        weight += time_weight;
        left *= 1.0 - share;
    }
    libm::sqrt(variance / weight * YEAR_SECONDS)
}

impl Interval {
    fn between((time, log_before): (u64, f64), to: &Observation, decay: f64) -> Self {
        let seconds = elapsed(time, to.time);
        let log_price = libm::log(to.price);
        Self { seconds, share: -libm::expm1(-decay * seconds), log_return: log_price - log_before, log_price }
    }
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    reason = "test arithmetic within known bounds"
)]
mod tests {
    use super::super::testing::{brownian, hourly, steady};
    use super::*;
    use crate::domain::models::testing::{NASTY, assert_close, fixed_seed};
    use proptest::prelude::*;

    #[test]
    fn a_brownian_path_gives_its_volatility_back() {
        let (path, time) = brownian(2023, 20_000, 0.65);
        // About 10,000 effective returns: a standard error of 0.7 %.
        assert_close(ewma(&path, time, 24.0 * 365.0).unwrap(), 0.65, 0.02);
    }

    #[test]
    fn the_weights_are_those_of_the_formula() {
        let mut path = steady(&hourly(9), 0.0);
        path[0].price = 1900.0;
        path[8].price = 2100.0;
        let (old, new) = (libm::log(2000.0 / 1900.0), libm::log(2100.0 / 2000.0));
        // Half-life of an hour: the newest of eight intervals weighs 1, the oldest 2^-7.
        let weights = 2.0 - libm::pow(2.0, -7.0);
        let variance = (new * new + old * old / 128.0) / weights * 8760.0;
        assert_close(ewma(&path, path[8].time + 900, 1.0).unwrap(), libm::sqrt(variance), 1e-12);
    }

    #[test]
    fn the_age_of_the_series_does_not_matter_however_old() {
        let path = steady(&hourly(10), 0.7);
        let fresh = ewma(&path, path[9].time, 0.5);
        assert_eq!(ewma(&path, u64::MAX, 0.5), fresh);
        assert_close(fresh.unwrap(), 0.7, 1e-11);
    }

    #[test]
    fn prices_that_do_not_move_have_no_volatility() {
        assert_eq!(ewma(&steady(&hourly(8), 0.0), 1_800_000_000, 24.0), Ok(0.0));
    }

    #[test]
    fn what_cannot_be_estimated_from_is_refused() {
        let now = 1_800_000_000;
        let good = steady(&hourly(8), 0.5);
        let with = |index: usize, time: u64, price: f64| {
            let mut path = good.clone();
            path[index] = Observation { time, price };
            ewma(&path, now, 24.0)
        };
        assert_eq!(ewma(&[], now, 24.0), Err(VolatilityError::TooFew { found: 0 }));
        assert_eq!(ewma(&good[1..], now, 24.0), Err(VolatilityError::TooFew { found: 7 }));
        assert_eq!(with(3, good[2].time, 2000.0), Err(VolatilityError::Unordered { time: good[2].time }));
        assert_eq!(with(3, 5, 2000.0), Err(VolatilityError::Unordered { time: 5 }));
        assert_eq!(with(7, now + 1, 2000.0), Err(VolatilityError::AfterBlock { time: now + 1 }));
        for price in [0.0, -1.0, f64::INFINITY] {
            let time = good[4].time;
            assert_eq!(with(4, time, price), Err(VolatilityError::BadPrice { time, price }));
        }
        assert!(matches!(with(4, good[4].time, f64::NAN), Err(VolatilityError::BadPrice { .. })));
        for hours in [0.0, -1.0, 1e-4, 1e7, f64::NAN, f64::INFINITY] {
            assert!(matches!(ewma(&good, now, hours), Err(VolatilityError::BadHalfLife { .. })));
        }
    }

    #[test]
    fn no_input_whatever_panics_or_gives_a_number_that_is_not_finite() {
        let spread = [0, 1 << 40, 1 << 41, 1 << 42, 1 << 43, 1 << 44, 1 << 62, u64::MAX];
        let late = [0, 1, 2, 3, 4, 5, 6, u64::MAX];
        for (price, times) in [(f64::MAX, spread), (f64::MAX, late), (1e-300, spread), (1.0, late)] {
            let path: Vec<_> = times
                .iter()
                .map(|&time| Observation { time, price: if time % 2 == 0 { price } else { 5e-324 } })
                .collect();
            for hours in NASTY.into_iter().chain([1e-3, 24.0, 1e6]) {
                let result = ewma(&path, u64::MAX, hours);
                assert!(result.map_or(true, |v| v.is_finite() && v >= 0.0), "{result:?} with {hours}");
            }
        }
    }

    proptest! {
        #![proptest_config(fixed_seed())]

        #[test]
        fn irregular_sampling_of_the_same_quadratic_variation_gives_the_same_number(
            gaps in prop::collection::vec(1_u64..50_000, 7..60), hours in 0.1..1000.0_f64, volatility in 0.1..2.0_f64,
        ) {
            let mut times = vec![1_700_000_000];
            for gap in &gaps {
                times.push(times[times.len() - 1] + gap);
            }
            let now = times[times.len() - 1] + 77;
            assert_close(ewma(&steady(&times, volatility), now, hours).unwrap(), volatility, 1e-8);
        }

        #[test]
        fn splitting_intervals_of_a_changing_variance_changes_nothing(
            rates in prop::collection::vec(0.1..2.0_f64, 8..30), parts in 2_u64..6, hours in 0.1..100.0_f64,
        ) {
            let sample = |parts: u64| {
                let (mut log_price, mut time, mut sign) = (7.0, 1_700_000_000, 1.0);
                let mut path = vec![Observation { time, price: libm::exp(log_price) }];
                for rate in &rates {
                    for _ in 0..parts {
                        time += 3600 / parts;
                        log_price += sign * rate * libm::sqrt((3600 / parts) as f64 / YEAR_SECONDS);
                        sign = -sign;
                        path.push(Observation { time, price: libm::exp(log_price) });
                    }
                }
                ewma(&path, time, hours).unwrap()
            };
            assert_close(sample(parts), sample(1), 1e-9);
        }

        #[test]
        fn an_interval_without_a_move_lowers_the_estimate(gap in 1_u64..500_000, hours in 0.1..1000.0_f64) {
            let mut path = steady(&hourly(12), 0.6);
            let before = ewma(&path, 1_800_000_000, hours).unwrap();
            let last = path[path.len() - 1];
            path.push(Observation { time: last.time + gap, ..last });
            prop_assert!(ewma(&path, 1_800_000_000, hours).unwrap() < before);
        }

        #[test]
        fn the_unit_of_price_does_not_matter(k in 1e-12..1e12_f64, hours in 0.1..1000.0_f64) {
            let path = steady(&hourly(12), 0.6);
            let scaled: Vec<_> = path.iter().map(|o| Observation { price: o.price * k, ..*o }).collect();
            let now = 1_800_000_000;
            assert_close(ewma(&scaled, now, hours).unwrap(), ewma(&path, now, hours).unwrap(), 1e-10);
        }

        #[test]
        fn what_was_estimated_before_changes_no_estimate(
            moves in prop::collection::vec((1_u64..9_000, -0.05..0.05_f64), 24..60), windows in prop::collection::vec((0_usize..50, 6_usize..20, 0.1..50.0_f64), 1..12),
        ) {
            let mut path = vec![Observation { time: 1_700_000_000, price: 2_000.0 }];
            for (seconds, move_) in moves {
                let last = path[path.len() - 1];
                path.push(Observation { time: last.time + seconds, price: last.price * (1.0 + move_) });
            }
            let mut intervals = Intervals::default();
            for (from, count, hours) in windows {
                let from = from.min(path.len() - 8);
                let seen = &path[from..(from + count).min(path.len())];
                let series = Series { first: 7 + from as u64, observations: seen };
                for hours in [hours, hours, 24.0] {
                    let remembered = ewma_remembering(series, 1_800_000_000, hours, &mut intervals);
                    prop_assert_eq!(remembered, ewma(seen, 1_800_000_000, hours));
                }
            }
        }
    }
}
