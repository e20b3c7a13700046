//! Irregular prices on a regular grid whose last point is the block time.
//!
//! Between two prices variance is taken as steady: nothing is known of its course. So the squared return of an
//! interval that touches several steps is spread over them, and its quadratic variation is kept however long the gap.
//! Nothing is said of the open interval after the newest price.

use super::{Observation, elapsed, real};

/// Most steps that are looked at; older ones are left out. Far beyond what a thousand rounds can speak of.
pub(super) const MOST_STEPS: usize = 10_000;

/// What is known of one step of a grid.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Step {
    /// Quadratic variation of the logarithm of the price in the part that is covered.
    pub(super) variation: f64,
    /// Seconds of the step between the oldest and the newest price.
    pub(super) covered: u64,
}

/// The quadratic variation of every step of `seconds` before `now`, from the newest step to the oldest that is touched,
/// at most `most`. `observations` are in order and not after `now`; `seconds` is not 0.
pub(super) fn variation(observations: &[Observation], now: u64, seconds: u64, most: usize) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut newer: Option<(u64, f64)> = None;
    for observation in observations.iter().rev() {
        let log_price = libm::log(observation.price);
        if let Some((time, newer_log)) = newer {
            let log_return = newer_log - log_price;
            let rate = log_return * log_return / elapsed(observation.time, time);
            let ages = (now.saturating_sub(time), now.saturating_sub(observation.time));
            spread(&mut steps, ages, rate, (seconds, most));
        }
        newer = Some((observation.time, log_price));
    }
    steps
}

/// Adds an interval between two ages, the smaller first, with a variance of `rate` per second.
fn spread(steps: &mut Vec<Step>, (newer, older): (u64, u64), rate: f64, (seconds, most): (u64, usize)) {
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    let index = |age: u64| age.checked_div(seconds).unwrap_or(u64::MAX);
    let end = index(older.saturating_sub(1)).saturating_add(1).min(most);
    for at in index(newer)..end {
        let Ok(place) = usize::try_from(at) else { return };
        if steps.len() <= place {
            steps.resize(place.saturating_add(1), Step::default());
        }
        let begin = at.saturating_mul(seconds);
        let overlap = older.min(begin.saturating_add(seconds)).saturating_sub(newer.max(begin));
        if let Some(step) = steps.get_mut(place) {
            step.variation += rate * real(overlap);
            step.covered = step.covered.saturating_add(overlap);
        }
    }
}

/// Squared log-returns between the points of a grid.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Returns {
    /// One for every closed step, oldest first.
    pub(super) squared: Vec<f64>,
    /// Steps between the newest of them and the block, of which nothing is known yet.
    pub(super) open: u64,
}

/// Returns between the points `seconds` apart whose last is `now`; the price at a point is the last one at or before
/// it (previous tick). Where steps pass without a price, the next return is shared among them: each has an equal part
/// of its square, so that a gap is neither calm followed by a shock nor lost.
pub(super) fn returns(observations: &[Observation], now: u64, seconds: u64) -> Returns {
    let (mut squared, mut open) = (Vec::new(), 0);
    let mut newer: Option<(u64, f64)> = None;
    for observation in observations.iter().rev() {
        // Points between this price and now: the first of them at or after the price is so many steps back.
        let back = now.saturating_sub(observation.time).checked_div(seconds).unwrap_or(0);
        let log_price = libm::log(observation.price);
        match newer {
            None => open = back,
            Some((point, _)) if point == back => continue,
            Some((point, newer_log)) => {
                let steps = back.saturating_sub(point);
                let share = (newer_log - log_price) * (newer_log - log_price) / real(steps);
                let room = MOST_STEPS.saturating_sub(squared.len());
                let count = usize::try_from(steps).unwrap_or(usize::MAX).min(room);
                squared.extend(core::iter::repeat_n(share, count));
            }
        }
        newer = Some((back, log_price));
    }
    squared.reverse();
    Returns { squared, open }
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "test arithmetic within known bounds")]
mod tests {
    use super::super::testing::{brownian, hourly, steady};
    use super::*;
    use crate::domain::models::YEAR_SECONDS;
    use crate::domain::models::testing::assert_close;

    fn at(time: u64, price: f64) -> Observation {
        Observation { time, price }
    }

    fn square(from: f64, to: f64) -> f64 {
        libm::log(to / from) * libm::log(to / from)
    }

    #[test]
    fn an_interval_over_several_steps_is_spread_evenly_and_the_open_one_is_not_counted() {
        // Steps of 100 s end at 1000: closed are 650 to 990.
        let path = [at(650, 10.0), at(860, 11.0), at(950, 12.0), at(990, 12.5)];
        let steps = variation(&path, 1_000, 100, 10);
        let (first, second, third) = (square(10.0, 11.0), square(11.0, 12.0), square(12.0, 12.5));
        let expected = [
            (50.0 / 90.0 * second + third, 90),
            (60.0 / 210.0 * first + 40.0 / 90.0 * second, 100),
            (100.0 / 210.0 * first, 100),
            (50.0 / 210.0 * first, 50),
        ];
        assert_eq!(steps.len(), 4);
        for (step, (variation, covered)) in steps.iter().zip(expected) {
            assert_close(step.variation, variation, 1e-12);
            assert_eq!(step.covered, covered);
        }
        assert_eq!(variation(&path, 1_000, 100, 2), steps[..2]);
    }

    #[test]
    fn the_price_at_a_point_is_the_last_before_it_and_steps_without_one_share_the_next_return() {
        // Points at 500, 600, …, 1000.
        let path = [at(480, 10.0), at(490, 10.5), at(600, 11.0), at(601, 11.5), at(899, 12.0)];
        let Returns { squared, open } = returns(&path, 1_000, 100);
        // 500: 10.5; 600: 11; 700 and 800 without: a third each with 900, of 12 over 11.5 as known at 700.
        let expected =
            [square(10.5, 11.0), square(11.0, 11.5), square(11.5, 12.0) / 2.0, square(11.5, 12.0) / 2.0];
        assert_eq!((squared.len(), open), (4, 1));
        for (found, expected) in squared.iter().zip(expected) {
            assert_close(*found, expected, 1e-12);
        }
    }

    #[test]
    fn both_grids_keep_the_quadratic_variation() {
        let (path, now) = brownian(5, 5_000, 0.7);
        let direct: f64 = path.windows(2).map(|pair| square(pair[0].price, pair[1].price)).sum();
        let spread: f64 = variation(&path, now, 3_600, MOST_STEPS).iter().map(|step| step.variation).sum();
        assert_close(spread, direct, 1e-9);
        // Of the returns of the same path the grid sees other ones, as volatile.
        let seconds = (now - path[0].time) as f64;
        let gridded: f64 = returns(&path, now, 3_600).squared.iter().sum();
        assert_close(libm::sqrt(gridded / seconds * YEAR_SECONDS), 0.7, 0.03);
    }

    #[test]
    fn a_history_far_beyond_the_grid_is_cut_at_its_old_end() {
        let mut path = steady(&hourly(9), 0.5);
        path[0].time = 1;
        let now = path[8].time;
        assert_eq!(variation(&path, now, 1, MOST_STEPS).len(), MOST_STEPS);
        let Returns { squared, open } = returns(&path, now, 1);
        assert_eq!((squared.len(), open), (MOST_STEPS, 0));
    }
}
