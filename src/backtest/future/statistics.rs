//! Statistics of samples: shares with intervals, quantiles, tails, and how far a count is from what it should be.

use crate::backtest::risk::{Estimate, NORMAL_95};
use crate::domain::models::normal;

/// `k` of `n` as a share with its 95 % interval by the score (Wilson 1927), which holds its level at small counts, where that of
/// Wald does not (Brown, Cai and DasGupta 2001). Of nothing any share.
#[must_use]
pub fn wilson(k: u64, n: u64) -> Estimate {
    let (k, n) = (real(k), real(n));
    if n == 0.0 {
        return Estimate { value: 0.0, low: 0.0, high: 1.0 };
    }
    let (value, z2) = (k / n, NORMAL_95 * NORMAL_95);
    let centre = (k + 0.5 * z2) / (n + z2);
    let half = NORMAL_95 / (n + z2) * libm::sqrt(k * (n - k) / n + 0.25 * z2);
    // At the ends the formula meets the end, up to the last digit.
    let low = if k == 0.0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if k == n { 1.0 } else { (centre + half).min(1.0) };
    Estimate { value, low, high }
}

/// A mean with its 95 % interval by the normal distribution; of one value it has no ends.
#[must_use]
pub fn mean(values: &[f64]) -> Estimate {
    let (value, deviation) = moments(values);
    let n = length(values);
    let half = if n > 1.0 { NORMAL_95 * deviation / libm::sqrt(n) } else { f64::MAX };
    Estimate { value, low: value - half, high: value + half }
}

/// Mean and standard deviation of a sample; 0 where there are too few.
#[must_use]
pub fn moments(values: &[f64]) -> (f64, f64) {
    let n = length(values);
    if n == 0.0 {
        return (0.0, 0.0);
    }
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    (mean, if n > 1.0 { libm::sqrt(squares / (n - 1.0)) } else { 0.0 })
}

/// In ascending order.
#[must_use]
pub fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    values
}

/// The quantile of ascending values, linear between two of them (type 7 of Hyndman and Fan 1996); 0 of none.
#[must_use]
pub fn quantile(ascending: &[f64], probability: f64) -> f64 {
    let at = (length(ascending) - 1.0).max(0.0) * probability.clamp(0.0, 1.0);
    let below = place(at);
    let Some(lower) = ascending.get(below) else { return 0.0 };
    let upper = ascending.get(below.saturating_add(1)).unwrap_or(lower);
    lower + (upper - lower) * (at - libm::floor(at))
}

/// Mean of the lowest `share` of ascending values, the last of them in part (Acerbi and Tasche 2002, equation 4.12 and around);
/// 0 of none.
#[must_use]
pub fn lowest_mean(ascending: &[f64], share: f64) -> f64 {
    let count = length(ascending) * share;
    if count <= 0.0 {
        return 0.0;
    }
    let whole = place(count).min(ascending.len());
    let sum: f64 = ascending.iter().take(whole).sum();
    let part = ascending.get(whole).map_or(0.0, |next| next * (count - libm::floor(count)));
    (sum + part) / count
}

/// How far `k` of `n` is from a probability, in standard deviations of a normal distribution: the quantile of the probability of
/// less, half of that of as much included (mid-p: Lancaster 1961). For counts that are not small it is the score
/// `(k − np)/√(np(1 − p))`, and for those that are it is still right, where the score is not.
#[must_use]
pub fn binomial_deviation(k: u64, n: u64, probability: f64) -> f64 {
    let (k_real, n_real) = (real(k), real(n));
    let mean = n_real * probability;
    let spread = mean * (1.0 - probability);
    if spread > EXACT_TO {
        return (k_real - mean) / libm::sqrt(spread);
    }
    let at = |i: u64| binomial(i, n, probability);
    let half = 0.5 * at(k);
    // The smaller tail, so that nothing cancels.
    let tail = |sum: f64| (sum + half).clamp(f64::MIN_POSITIVE, 0.5);
    if k_real > mean {
        let last = n.min(k.saturating_add(FAR));
        -normal::quantile(tail((k.saturating_add(1)..=last).map(at).sum()))
    } else {
        normal::quantile(tail((k.saturating_sub(FAR)..k).map(at).sum()))
    }
}

/// Variance of a count from which on it is normal enough.
const EXACT_TO: f64 = 1_000.0;
/// Counts beyond which nothing is left of a tail, where the variance is at most [`EXACT_TO`].
const FAR: u64 = 2_000;

/// Probability of `k` of `n`.
fn binomial(k: u64, n: u64, probability: f64) -> f64 {
    let (left, k_real) = (real(n.saturating_sub(k)), real(k));
    if probability <= 0.0 || probability >= 1.0 {
        let certain = if probability <= 0.0 { 0 } else { n };
        return if k == certain { 1.0 } else { 0.0 };
    }
    let ways = libm::lgamma(real(n) + 1.0) - libm::lgamma(k_real + 1.0) - libm::lgamma(left + 1.0);
    libm::exp(ways + k_real * libm::log(probability) + left * libm::log1p(-probability))
}

fn length(values: &[f64]) -> f64 {
    real(u64::try_from(values.len()).unwrap_or(u64::MAX))
}

/// A count as a number.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of paths and steps are far below 2^53")]
pub const fn real(count: u64) -> f64 {
    count as f64
}

/// The whole part of a number from zero on.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the whole part is what is wanted"
)]
fn place(at: f64) -> usize {
    libm::floor(at.max(0.0)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64, within: f64) {
        assert!((a - b).abs() <= within, "{a}, not {b}");
    }

    #[test]
    fn the_interval_of_a_share_is_that_of_wilson() {
        // By hand: z = 1.96, (k + z²/2)/(n + z²) ± z/(n + z²)·√(k(n − k)/n + z²/4).
        let none = wilson(0, 20);
        assert_eq!((none.value, none.low), (0.0, 0.0));
        close(none.high, 0.161_125, 1e-6);
        let some = wilson(15, 50);
        close(some.low, 0.191_036, 1e-6);
        close(some.high, 0.437_504, 1e-6);
        assert_eq!((wilson(7, 7).high, wilson(0, 0).high), (1.0, 1.0));
    }

    #[test]
    fn quantiles_and_tails_are_those_computed_by_hand() {
        let ascending = sorted([40.0, 10.0, 30.0, 20.0]);
        assert_eq!(ascending, [10.0, 20.0, 30.0, 40.0]);
        for (probability, expected) in [(0.0, 10.0), (0.25, 17.5), (0.5, 25.0), (1.0, 40.0)] {
            close(quantile(&ascending, probability), expected, 1e-12);
        }
        // A half: 10 and 20; three eighths: 10 and half of 20, over 1.5.
        close(lowest_mean(&ascending, 0.5), 15.0, 1e-12);
        close(lowest_mean(&ascending, 0.375), 20.0 / 1.5, 1e-12);
        assert_eq!((quantile(&[], 0.5), lowest_mean(&[], 0.5), mean(&[3.0]).value), (0.0, 0.0, 3.0));
        let ends = mean(&[1.0, 3.0]);
        close(ends.high - 2.0, 1.959_963_985, 1e-9);
    }

    #[test]
    fn a_count_is_as_far_off_as_its_probability_says() {
        // Nothing of what is hardly possible is no surprise, and one of it is a large one.
        close(binomial_deviation(0, 1_000, 1e-12), 0.0, 1e-6);
        assert!(binomial_deviation(1, 1_000, 1e-12) > 5.9);
        assert_eq!((binomial_deviation(0, 1_000, 0.0), binomial_deviation(5, 5, 1.0)), (0.0, 0.0));
        // P(X < 1) + P(X = 1)/2 of ten at 0.3: 0.0282475 + 0.0605304.
        close(binomial_deviation(1, 10, 0.3), normal::quantile(0.088_777_9), 1e-6);
        close(binomial_deviation(5, 10, 0.5), 0.0, 1e-9);
        close(binomial_deviation(1, 10, 0.3), -binomial_deviation(9, 10, 0.7), 1e-9);
        // It goes over into the score.
        close(binomial_deviation(2_090, 4_000, 0.499), 94.0 / (4_000.0_f64 * 0.499 * 0.501).sqrt(), 1e-2);
        close(binomial_deviation(11_000, 20_000, 0.5), 1_000.0 / 5_000.0_f64.sqrt(), 1e-9);
    }
}
