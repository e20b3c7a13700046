//! How net value spreads over time: percentiles over all paths at some of the steps.

use serde::Serialize;

use super::statistics::{quantile, sorted};

/// Moments at which percentiles are taken, at most.
const MOMENTS: usize = 97;

/// Which steps are looked at: the first, the last and some between, as far apart as they can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid(Vec<usize>);

/// Net value and floor of one path at each of these steps, units of the asset.
pub type Course = Vec<(f64, f64)>;

/// Net value at one step over all paths, units of the asset.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Days since the start.
    pub day: f64,
    /// The lowest of all paths.
    pub lowest: f64,
    /// Percentiles.
    pub p01: f64,
    /// 5 %.
    pub p05: f64,
    /// 25 %.
    pub p25: f64,
    /// 50 %.
    pub median: f64,
    /// 75 %.
    pub p75: f64,
    /// 95 %.
    pub p95: f64,
    /// 99 %.
    pub p99: f64,
    /// The median floor.
    pub floor: f64,
}

impl Grid {
    /// Of paths with so many steps after the start.
    #[must_use]
    pub fn of(steps: usize) -> Self {
        let parts = steps.clamp(1, MOMENTS - 1);
        let mut at: Vec<usize> = (0..=parts)
            .map(|part| part.saturating_mul(steps).checked_div(parts).unwrap_or_default())
            .collect();
        at.dedup();
        Self(at)
    }

    /// Whether this step is looked at.
    #[must_use]
    pub fn has(&self, step: usize) -> bool {
        self.0.binary_search(&step).is_ok()
    }

    /// The percentiles, of every path's net value and floor at each of these steps.
    #[must_use]
    pub fn spreads(&self, paths: &[Course], step_days: f64) -> Vec<Spread> {
        let spread = |(at, step): (usize, &usize)| {
            let values = sorted(paths.iter().filter_map(|path| path.get(at)).map(|(net, _)| *net));
            let floors = sorted(paths.iter().filter_map(|path| path.get(at)).map(|(_, floor)| *floor));
            let of = |probability| quantile(&values, probability);
            let steps = u32::try_from(*step).unwrap_or(u32::MAX);
            Spread {
                day: f64::from(steps) * step_days,
                lowest: of(0.0),
                p01: of(0.01),
                p05: of(0.05),
                p25: of(0.25),
                median: of(0.5),
                p75: of(0.75),
                p95: of(0.95),
                p99: of(0.99),
                floor: quantile(&floors, 0.5),
            }
        };
        self.0.iter().enumerate().map(spread).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_has_its_ends_and_no_step_twice() {
        assert_eq!(Grid::of(3), Grid(vec![0, 1, 2, 3]));
        let long = Grid::of(8_760);
        assert_eq!((long.0.len(), long.0.last()), (97, Some(&8_760)));
        assert!(long.has(0) && long.has(8_760) && !long.has(1));
        assert_eq!(Grid::of(0), Grid(vec![0]));
    }

    #[test]
    fn a_spread_is_that_of_all_paths_at_one_step() {
        let path =
            |number: u32| vec![(1_000.0, 800.0), (f64::from(number) * 10.0, 800.0 + f64::from(number))];
        let spreads = Grid::of(1).spreads(&(0..=100).rev().map(path).collect::<Vec<_>>(), 0.5);
        let last = spreads[1];
        assert_eq!((spreads[0].p01, spreads[0].p99, last.day), (1_000.0, 1_000.0, 0.5));
        assert_eq!(
            (last.lowest, last.p01, last.p25, last.median, last.p99),
            (0.0, 10.0, 250.0, 500.0, 990.0)
        );
        assert_eq!(last.floor, 850.0);
    }
}
