//! Prices from the mean ticks of a pool.

use super::{Observation, real};

/// `√(3/2)`: what the logarithm of means has to be stretched by to be as volatile as the price.
const STRETCH: f64 = 1.224_744_871_391_589;

/// Observations, one at the end of every step, from a pool's cumulative ticks at points `step_seconds` apart, oldest
/// first and the last at `now`. Their logarithm is the mean tick's, stretched, so that only ratios mean anything;
/// which token is priced does not matter to a volatility.
///
/// The return from the mean over one step to that over the next has the variance `2/3·σ²·Δt` (Working 1960), since
/// averaging smooths the path. Stretching the logarithm by `√(3/2)` undoes that for every estimator that looks from
/// one step to the next. `ln 1.0001` is the logarithm of one tick (Uniswap v3 whitepaper, §6.1).
#[must_use]
pub fn of_means(tick_cumulatives: &[i64], now: u64, step_seconds: u32) -> Vec<Observation> {
    let tick = libm::log(1.0001) * STRETCH / f64::from(step_seconds);
    let steps = tick_cumulatives.len().saturating_sub(1);
    let mut base = None;
    (0..steps)
        .rev()
        .zip(tick_cumulatives.iter().zip(tick_cumulatives.iter().skip(1)))
        .map(|(back, (from, to))| {
            let sum = to.saturating_sub(*from);
            // Relative to the first mean, so that no price leaves the range of `f64`.
            let moved = sum.saturating_sub(*base.get_or_insert(sum));
            let age = u64::try_from(back).unwrap_or(u64::MAX).saturating_mul(step_seconds.into());
            let log_price = signed(moved) * tick;
            Observation { time: now.saturating_sub(age), price: libm::exp(log_price) }
        })
        .collect()
}

fn signed(value: i64) -> f64 {
    let size = real(value.unsigned_abs());
    if value < 0 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::super::{ewma, realised};
    use super::*;
    use crate::domain::models::testing::{Xorshift, assert_close, fixed_seed};
    use crate::domain::models::{YEAR_SECONDS, volatility::VolatilityError};
    use proptest::prelude::*;

    const NOW: u64 = 1_700_000_000;

    #[test]
    fn a_mean_stands_at_the_end_of_its_step_and_is_stretched() {
        let means = of_means(&[-5_000, 1_000, 13_000, 1_000], NOW, 600);
        let times: Vec<u64> = means.iter().map(|mean| mean.time).collect();
        assert_eq!(times, [NOW - 1_200, NOW - 600, NOW]);
        // Means of 10, 20 and −20 ticks.
        let moved = |i: usize| libm::log(means[i].price / means[0].price) / libm::log(1.0001);
        assert_close(moved(1), 10.0 * libm::sqrt(1.5), 1e-9);
        assert_close(moved(2), -30.0 * libm::sqrt(1.5), 1e-9);
        assert!(of_means(&[], NOW, 600).is_empty() && of_means(&[7], NOW, 600).is_empty());
    }

    #[test]
    fn means_of_a_brownian_path_have_its_volatility() {
        // Sixty moves a minute for 5,000 steps of ten minutes: a standard error of about 1.2 %.
        let (mut random, mut log_price, mut cumulative) = (Xorshift(1960), 0.0, 0.0);
        let per_second = 0.7 / libm::sqrt(YEAR_SECONDS);
        let mut cumulatives = vec![0];
        for _ in 0..5_000 {
            for _ in 0..600 {
                log_price += per_second * random.normal();
                cumulative += log_price / libm::log(1.0001);
            }
            cumulatives.push(format!("{cumulative:.0}").parse().unwrap());
        }
        let means = of_means(&cumulatives, NOW, 600);
        assert_close(realised(&means, NOW, NOW).unwrap(), 0.7, 0.03);
        assert_close(ewma(&means, NOW, 10_000.0).unwrap(), 0.7, 0.03);
    }

    proptest! {
        #![proptest_config(fixed_seed())]

        #[test]
        fn no_cumulatives_whatever_panic_or_give_a_number_that_is_not_finite(
            cumulatives in prop::collection::vec(prop_oneof![any::<i64>(), -1_000_000..1_000_000_i64], 0..40),
            now in any::<u64>(), step in prop_oneof![0..100_u32, any::<u32>()],
        ) {
            let found: Result<f64, VolatilityError> = ewma(&of_means(&cumulatives, now, step), now, 24.0);
            prop_assert!(found.is_err() || found.is_ok_and(|v| v.is_finite() && v >= 0.0), "{found:?}");
        }
    }
}
