//! Realised volatility over a window.

use super::super::YEAR_SECONDS;
use super::{Observation, VolatilityError, check, grid, real, require};

/// Annualised realised volatility: the quadratic variation within the last `window_seconds` before `now`, over the true
/// time that it took.
///
/// The sum of squared returns estimates quadratic variation whatever the times at which prices were set (Andersen,
/// Bollerslev, Diebold & Labys 2003; Barndorff-Nielsen & Shephard 2002). Of an interval that began before the window
/// the part inside counts, as if its variance was steady; the open interval after the newest price does not count, and
/// a history that begins inside the window is used as far as it goes. This is [`super::ewma`] with a weight of one
/// inside the window and none before it.
///
/// # Errors
/// As for [`super::ewma`]; a window of nothing; [`VolatilityError::TooOld`] where no closed interval reaches into it.
pub fn realised(observations: &[Observation], now: u64, window_seconds: u64) -> Result<f64, VolatilityError> {
    require(window_seconds > 0, "window", "above 0 seconds")?;
    check(observations, now)?;
    let newest = observations.last().map_or(0, |newest| newest.time);
    let too_old = VolatilityError::TooOld { seconds: now.saturating_sub(newest), limit: window_seconds };
    let steps = grid::variation(observations, now, window_seconds, 1);
    let window = steps.first().filter(|step| step.covered > 0).ok_or(too_old)?;
    Ok(libm::sqrt(window.variation / real(window.covered) * YEAR_SECONDS))
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "test arithmetic within known bounds")]
mod tests {
    use super::super::testing::{brownian, hourly, steady};
    use super::*;
    use crate::domain::models::testing::{assert_close, fixed_seed};
    use proptest::prelude::*;

    #[test]
    fn a_brownian_path_gives_its_volatility_back() {
        let (path, now) = brownian(1998, 20_000, 0.65);
        // 20,000 squared returns of unequal weight: a standard error of 0.6 %.
        assert_close(realised(&path, now, now).unwrap(), 0.65, 0.015);
    }

    #[test]
    fn only_the_window_counts_and_of_the_interval_over_its_edge_the_part_inside() {
        let mut path = steady(&hourly(20), 0.0);
        let now = path[19].time + 600;
        let change =
            |path: &mut [Observation], from: usize| path[from..].iter_mut().for_each(|o| o.price *= 1.01);
        change(&mut path, 10);
        let squared = libm::log(1.01) * libm::log(1.01);
        // The move took the hour that ended 9 h 10 min before the block.
        let of = |path: &[Observation], minutes: u64| realised(path, now, minutes * 60).unwrap();
        assert_eq!(of(&path, 9 * 60), 0.0);
        let seen = |share: f64, closed: f64| libm::sqrt(squared * share / closed * 8_760.0);
        assert_close(of(&path, 9 * 60 + 40), seen(0.5, 9.5), 1e-12);
        assert_close(of(&path, 12 * 60), seen(1.0, 12.0 - 1.0 / 6.0), 1e-12);
        // A window longer than the history takes what there is.
        assert_close(of(&path, 60_000), seen(1.0, 19.0), 1e-12);
    }

    #[test]
    fn a_window_that_no_closed_interval_reaches_is_refused() {
        let path = steady(&hourly(8), 0.5);
        let now = path[7].time + 7_200;
        let refused = Err(VolatilityError::TooOld { seconds: 7_200, limit: 7_200 });
        assert_eq!(realised(&path, now, 7_200), refused);
        assert!(realised(&path, now, 7_201).is_ok());
        assert!(matches!(realised(&path, now, 0), Err(VolatilityError::BadParameter { .. })));
    }

    proptest! {
        #![proptest_config(fixed_seed())]

        #[test]
        fn irregular_sampling_of_the_same_quadratic_variation_gives_the_same_number(
            gaps in prop::collection::vec(1_u64..50_000, 7..60), window in 100..1_000_000_u64, volatility in 0.1..2.0_f64,
        ) {
            let mut times = vec![1_700_000_000];
            for gap in &gaps {
                times.push(times[times.len() - 1] + gap);
            }
            let now = times[times.len() - 1] + 77;
            assert_close(realised(&steady(&times, volatility), now, window).unwrap(), volatility, 1e-8);
        }
    }
}
