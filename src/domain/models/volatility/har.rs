//! HAR-RV of Corsi (2009): the next realised variance from those of a short, a medium and a long past.

use super::super::YEAR_SECONDS;
use super::{Observation, VolatilityError, check, grid, mean, real, require};

/// Fewest rows to regress on: five for each of the four coefficients.
pub const MIN_ROWS: usize = 20;

/// A regressor of which less than this part is new beside those before it is left out.
const LEAST_NEW: f64 = 1e-10;

/// The horizons of HAR-RV. Corsi's are a day, a week of 5 and a month of 22 days; shorter ones suit what a feed keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Har {
    /// Seconds of one period, the short horizon.
    pub period_seconds: u64,
    /// Periods of the medium horizon.
    pub medium: usize,
    /// Periods of the long horizon, not fewer than of the medium one.
    pub long: usize,
}

/// Annualised volatility that HAR-RV expects of the period after `now`.
///
/// `RV⁺ = c + b₁·RV + b₂·RV_medium + b₃·RV_long` by least squares, each horizon's realised variance the mean of its
/// periods' (Corsi 2009; in variances, as Andersen, Bollerslev & Diebold 2007). Periods end at `now` and hold the
/// quadratic variation inside them; an interval over several periods is spread evenly (see `grid`). The newest
/// period is taken at the rate of its closed part, which must be at least half of it; an oldest one that is not covered
/// whole is left out.
///
/// A forecast below all realised variances that it was made from is replaced by their mean, as Bollerslev, Patton &
/// Quaedvlieg (2016) do, so that it is never negative; one above them all is the largest of them.
///
/// # Errors
/// As for [`super::ewma`]; horizons out of order; [`VolatilityError::TooOld`] where less than half of the newest
/// period is closed; [`VolatilityError::TooShort`] with fewer than [`MIN_ROWS`] periods beyond the long horizon.
pub fn har(observations: &[Observation], now: u64, har: &Har) -> Result<f64, VolatilityError> {
    require(har.period_seconds > 0, "period", "above 0 seconds")?;
    require(har.medium > 0, "medium horizon", "at least 1 period")?;
    require(har.long >= har.medium, "long horizon", "at least the medium one")?;
    check(observations, now)?;
    let variances = variances(observations, now, har.period_seconds)?;
    let needed = har.long.saturating_add(MIN_ROWS);
    if variances.len() < needed {
        return Err(VolatilityError::TooShort { found: variances.len(), needed });
    }
    let level = mean(&variances);
    if level == 0.0 {
        return Ok(0.0);
    }
    let relative: Vec<f64> = variances.iter().map(|variance| variance / level).collect();
    let variance = forecast(&relative, har) * level;
    Ok(libm::sqrt(variance * YEAR_SECONDS))
}

/// Variance per second of every period that is covered, oldest first.
fn variances(observations: &[Observation], now: u64, seconds: u64) -> Result<Vec<f64>, VolatilityError> {
    let steps = grid::variation(observations, now, seconds, grid::MOST_STEPS);
    let half = seconds.div_ceil(2);
    let newest = observations.last().map_or(0, |newest| newest.time);
    let age = now.saturating_sub(newest);
    if steps.first().is_none_or(|step| step.covered < half) {
        return Err(VolatilityError::TooOld { seconds: age, limit: seconds.saturating_sub(half) });
    }
    let whole = steps.iter().enumerate().filter(|(back, step)| *back == 0 || step.covered == seconds);
    let mut variances: Vec<f64> = whole.map(|(_, step)| step.variation / real(step.covered)).collect();
    variances.reverse();
    Ok(variances)
}

/// The regression's forecast of the next of `variances`. Regressors are made orthogonal one after another (modified Gram
/// and Schmidt), each with its newest value as last element; so nothing is inverted, and what repeats others drops out.
fn forecast(variances: &[f64], har: &Har) -> f64 {
    let targets: Vec<f64> = variances.iter().skip(har.long).copied().collect();
    let mut predicted = mean(&targets);
    let mut basis: Vec<Vec<f64>> = Vec::new();
    for horizon in [1, har.medium, har.long] {
        let means = variances.windows(horizon).map(mean).skip(har.long.saturating_sub(horizon));
        let mut regressor: Vec<f64> = means.collect();
        let level = mean(regressor.split_last().map_or(&[], |(_, known)| known));
        regressor.iter_mut().for_each(|value| *value -= level);
        let whole = product(&regressor, &regressor, targets.len());
        for earlier in &basis {
            let share =
                product(earlier, &regressor, targets.len()) / product(earlier, earlier, targets.len());
            regressor.iter_mut().zip(earlier).for_each(|(value, other)| *value -= share * other);
        }
        let new = product(&regressor, &regressor, targets.len());
        if new > LEAST_NEW * whole {
            let coefficient = product(&regressor, &targets, targets.len()) / new;
            predicted += coefficient * regressor.last().copied().unwrap_or(0.0);
            basis.push(regressor);
        }
    }
    let least = variances.iter().copied().fold(f64::INFINITY, f64::min);
    let most = variances.iter().copied().fold(0.0, f64::max);
    if predicted < least { mean(variances) } else { predicted.min(most) }
}

/// The scalar product of the first `rows` elements.
fn product(a: &[f64], b: &[f64], rows: usize) -> f64 {
    a.iter().zip(b).take(rows).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "test arithmetic within known bounds")]
mod tests {
    use super::super::testing::{brownian, hourly, of_returns, steady};
    use super::*;
    use crate::domain::models::testing::{Xorshift, assert_close};

    const QUARTER_DAYS: Har = Har { period_seconds: 21_600, medium: 4, long: 28 };

    /// Realised variances that follow HAR with noise, and what HAR expects next without.
    fn simulated(seed: u64, count: usize, [c, short, medium, long]: [f64; 4], noise: f64) -> (Vec<f64>, f64) {
        let mut random = Xorshift(seed);
        let mut variances = vec![1.0; 30];
        let expected = |v: &[f64]| {
            let n = v.len();
            c + short * v[n - 1] + medium * mean(&v[n - 4..]) + long * mean(&v[n - 28..])
        };
        for _ in 0..count {
            let next = expected(&variances) * libm::exp(noise * random.normal() - noise * noise / 2.0);
            variances.push(next);
        }
        let next = expected(&variances);
        (variances.split_off(30), next)
    }

    #[test]
    fn the_regression_recovers_the_forecast_of_simulated_variances() {
        let mut errors: Vec<f64> = (1..=40)
            .map(|seed| {
                let (variances, expected) = simulated(seed, 4_000, [0.1, 0.35, 0.3, 0.25], 0.3);
                (forecast(&variances, &QUARTER_DAYS) / expected - 1.0).abs()
            })
            .collect();
        errors.sort_by(f64::total_cmp);
        println!("error of the forecast: median {:.4}, worst of 40 {:.4}", errors[20], errors[39]);
        assert!(errors[20] < 0.02 && errors[39] < 0.1, "{errors:?}");
    }

    #[test]
    fn without_noise_the_forecast_is_that_of_least_squares_by_normal_equations() {
        // An exact linear law from an uneven start: least squares must find it to the last digits.
        let mut variances: Vec<f64> = (0..40).map(|i| 1.0 + 0.5 * libm::sin(i as f64 * 1.7)).collect();
        let law = |v: &[f64]| {
            0.2 + 0.5 * v[v.len() - 1] - 0.3 * mean(&v[v.len() - 4..]) + 0.55 * mean(&v[v.len() - 28..])
        };
        for _ in 0..60 {
            let next = law(&variances);
            variances.push(next);
        }
        let recent = &variances[12..];
        assert_close(forecast(recent, &QUARTER_DAYS), law(recent), 1e-6);
    }

    #[test]
    fn a_steady_path_gives_its_volatility_back() {
        let path = steady(&hourly(600), 0.6);
        let now = path[599].time + 3_000;
        assert_close(har(&path, now, &QUARTER_DAYS).unwrap(), 0.6, 1e-9);
        // Horizons that repeat each other drop out.
        let one = Har { period_seconds: 21_600, medium: 1, long: 1 };
        assert_close(har(&path, now, &one).unwrap(), 0.6, 1e-9);
    }

    #[test]
    fn a_forecast_outside_what_was_realised_is_the_mean_below_and_the_largest_above() {
        let falling: Vec<f64> = (0..60).map(|i| 3.0 - f64::from(i * i) / 1_240.0).collect();
        assert_close(forecast(&falling, &QUARTER_DAYS), mean(&falling), 1e-12);
        let rising: Vec<f64> = falling.iter().map(|v| 4.0 - v).collect();
        assert_eq!(forecast(&rising, &QUARTER_DAYS), rising[59]);
    }

    #[test]
    fn too_few_whole_periods_or_too_old_a_newest_round_is_refused() {
        let path = steady(&hourly(600), 0.6);
        let now = path[599].time;
        // 287 hours are 47 whole quarter days and five hours; one hour more makes the 48th.
        let refused = har(&path[312..], now, &QUARTER_DAYS);
        assert_eq!(refused, Err(VolatilityError::TooShort { found: 47, needed: 48 }));
        assert!(har(&path[311..], now, &QUARTER_DAYS).is_ok());
        assert!(har(&path, now + 10_800, &QUARTER_DAYS).is_ok());
        let old = har(&path, now + 10_801, &QUARTER_DAYS);
        assert_eq!(old, Err(VolatilityError::TooOld { seconds: 10_801, limit: 10_800 }));
        for wrong in [
            Har { period_seconds: 0, ..QUARTER_DAYS },
            Har { medium: 0, ..QUARTER_DAYS },
            Har { long: 3, ..QUARTER_DAYS },
        ] {
            assert!(matches!(har(&path, now, &wrong), Err(VolatilityError::BadParameter { .. })));
        }
    }

    #[test]
    fn unequal_spacing_and_gaps_of_several_periods_are_spread() {
        let (path, now) = brownian(11, 1_000, 0.7);
        let whole = har(&path, now, &QUARTER_DAYS).unwrap();
        let holed: Vec<_> =
            path.iter().enumerate().filter(|(i, _)| !(400..440).contains(i)).map(|(_, o)| *o).collect();
        let found = har(&holed, now, &QUARTER_DAYS).unwrap();
        assert!((found / whole - 1.0).abs() < 0.1, "{found} {whole}");
    }

    #[test]
    fn a_day_of_storm_raises_the_forecast() {
        let calm: Vec<f64> = (0..600).map(|i| if i % 2 == 0 { 0.004 } else { -0.004 }).collect();
        let mut storms = calm.clone();
        for start in [100, 300, 480] {
            storms[start..start + 24].iter_mut().for_each(|r| *r *= 4.0);
        }
        storms[590..].iter_mut().for_each(|r| *r *= 4.0);
        let of = |returns: &[f64]| {
            let path = of_returns(returns, 3_600);
            har(&path, path[600].time, &QUARTER_DAYS).unwrap()
        };
        assert!(of(&storms) > 2.0 * of(&calm), "{} {}", of(&storms), of(&calm));
    }
}
