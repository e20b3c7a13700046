//! Volatility from time-stamped prices, reproducible by anyone who can read them at the same block.
//!
//! Every estimator takes prices from the oldest to the newest and the block time, counts closed intervals only, and
//! leaves a floor to its caller. What it cannot estimate from is a [`VolatilityError`], never a guess.

mod ewma;
mod garch;
mod grid;
mod har;
mod means;
mod realised;
mod series;
mod window;

use thiserror::Error;

pub use ewma::{Intervals, ewma, ewma_remembering};
pub use garch::{Garch, GarchParameters, MIN_FIT_STEPS, garch11};
pub use har::{Har, MIN_ROWS, har};
pub use means::of_means;
pub use realised::realised;
pub use series::{Series, numbered};
pub use window::Window;

/// Fewest prices that make an estimate: seven returns.
pub const MIN_OBSERVATIONS: usize = 8;

/// One price of a feed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// When it was set, seconds of block time.
    pub time: u64,
    /// The price, in any unit: only ratios count.
    pub price: f64,
}

/// Why there is no estimate.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum VolatilityError {
    /// Fewer than [`MIN_OBSERVATIONS`] prices.
    #[error("{found} price observations are too few, at least {MIN_OBSERVATIONS} are needed")]
    TooFew {
        /// How many there are.
        found: usize,
    },
    /// The prices reach over too few steps of a regular grid.
    #[error("the price observations cover {found} steps of the grid, at least {needed} are needed")]
    TooShort {
        /// Closed steps that they cover.
        found: usize,
        /// How many the model needs.
        needed: usize,
    },
    /// The newest price is too old for the model's newest step.
    #[error("the newest price observation is {seconds} s old, at most {limit} s are allowed")]
    TooOld {
        /// Seconds from it to the block.
        seconds: u64,
        /// Most the model takes.
        limit: u64,
    },
    /// Two prices of the same time, or one older than the price before it.
    #[error("price observations are not in order of time at {time}")]
    Unordered {
        /// The time that is not later than the one before.
        time: u64,
    },
    /// A price set after the block.
    #[error("a price observation at {time} lies after the block time")]
    AfterBlock {
        /// Its time.
        time: u64,
    },
    /// A price that is zero, negative or not finite.
    #[error("the price {price} observed at {time} is not positive")]
    BadPrice {
        /// Its time.
        time: u64,
        /// The price.
        price: f64,
    },
    /// A half-life outside the accepted range.
    #[error("a half-life of {hours} hours is not between 0.001 and 1000000")]
    BadHalfLife {
        /// The half-life.
        hours: f64,
    },
    /// A parameter of a model outside its domain.
    #[error("the {parameter} of the volatility model must be {domain}")]
    BadParameter {
        /// Which parameter.
        parameter: &'static str,
        /// What it must be.
        domain: &'static str,
    },
}

/// The longest time between two neighbours of `observations`, seconds; 0 with fewer than two.
#[must_use]
pub fn widest_gap(observations: &[Observation]) -> u64 {
    let later = observations.iter().skip(1);
    let gaps = observations.iter().zip(later).map(|(from, to)| to.time.saturating_sub(from.time));
    gaps.max().unwrap_or(0)
}

/// Whether all observations keep the rules.
fn check(observations: &[Observation], now: u64) -> Result<(), VolatilityError> {
    check_after(observations, 0, now)
}

/// The same, where the first `known` keep them for sure.
fn check_after(observations: &[Observation], known: usize, now: u64) -> Result<(), VolatilityError> {
    let newest = match observations.last() {
        Some(last) if observations.len() >= MIN_OBSERVATIONS => last.time,
        _ => return Err(VolatilityError::TooFew { found: observations.len() }),
    };
    let mut new = observations.iter().skip(known);
    if let Some(bad) = new.find(|o| !(o.price.is_finite() && o.price > 0.0)) {
        return Err(VolatilityError::BadPrice { time: bad.time, price: bad.price });
    }
    let later = observations.iter().skip(known.max(1));
    let mut pairs = observations.iter().skip(known.saturating_sub(1)).zip(later);
    if let Some((_, bad)) = pairs.find(|(from, to)| to.time <= from.time) {
        return Err(VolatilityError::Unordered { time: bad.time });
    }
    if newest > now { Err(VolatilityError::AfterBlock { time: newest }) } else { Ok(()) }
}

/// A parameter that must hold `domain`.
fn require(holds: bool, parameter: &'static str, domain: &'static str) -> Result<(), VolatilityError> {
    if holds { Ok(()) } else { Err(VolatilityError::BadParameter { parameter, domain }) }
}

/// Seconds from `from` to `to`.
fn elapsed(from: u64, to: u64) -> f64 {
    real(to.saturating_sub(from))
}

/// A count or a time in seconds as a real number.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53, and beyond that only a weight")]
fn real(count: u64) -> f64 {
    count as f64
}

/// The mean of `values`, 0 of none.
fn mean(values: &[f64]) -> f64 {
    let count = u64::try_from(values.len()).unwrap_or(u64::MAX).max(1);
    values.iter().sum::<f64>() / real(count)
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    reason = "test arithmetic within known bounds"
)]
mod testing {
    //! Paths of prices that the tests of the estimators share.

    use super::Observation;
    use crate::domain::models::YEAR_SECONDS;
    use crate::domain::models::testing::Xorshift;

    /// Prices at `times` after which the logarithm has moved by ±√(σ²·Δt): quadratic variation σ² per year exactly.
    pub(super) fn steady(times: &[u64], volatility: f64) -> Vec<Observation> {
        let (mut log_price, mut last, mut sign) = (libm::log(2000.0), times[0], 1.0);
        times
            .iter()
            .map(|&time| {
                log_price += sign * volatility * libm::sqrt((time - last) as f64 / YEAR_SECONDS);
                (last, sign) = (time, -sign);
                Observation { time, price: libm::exp(log_price) }
            })
            .collect()
    }

    pub(super) fn hourly(count: u64) -> Vec<u64> {
        (0..count).map(|i| 1_700_000_000 + 3600 * i).collect()
    }

    /// A Brownian path observed every one to 121 minutes, and the time of its last observation.
    pub(super) fn brownian(seed: u64, count: usize, volatility: f64) -> (Vec<Observation>, u64) {
        let (mut random, mut log_price, mut time) = (Xorshift(seed), 0.0, 1_700_000_000);
        let path: Vec<_> = (0..count)
            .map(|_| {
                let seconds = 60 + random.bits() % 7200;
                time += seconds;
                log_price += volatility * libm::sqrt(seconds as f64 / YEAR_SECONDS) * random.normal();
                Observation { time, price: 1800.0 * libm::exp(log_price) }
            })
            .collect();
        (path, time)
    }

    /// Prices of every `seconds` from returns per step.
    pub(super) fn of_returns(returns: &[f64], seconds: u64) -> Vec<Observation> {
        let (mut log_price, mut time) = (7.5, 1_700_000_000);
        let mut path = vec![Observation { time, price: libm::exp(log_price) }];
        for log_return in returns {
            log_price += log_return;
            time += seconds;
            path.push(Observation { time, price: libm::exp(log_price) });
        }
        path
    }

    /// Returns of GARCH(1,1) with variance 1 in the long run, times `scale`, after a thousand that are dropped.
    pub(super) fn simulated(seed: u64, count: usize, (alpha, beta): (f64, f64), scale: f64) -> Vec<f64> {
        let (mut random, mut variance) = (Xorshift(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15)), 1.0);
        let mut returns = Vec::new();
        for _ in 0..count + 1_000 {
            let shock = libm::sqrt(variance) * random.normal();
            variance = (1.0 - alpha - beta) + alpha * shock * shock + beta * variance;
            returns.push(shock * scale);
        }
        returns.split_off(1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{brownian, hourly, steady};
    use super::*;
    use crate::domain::models::testing::{assert_close, fixed_seed};
    use proptest::prelude::*;

    type Named = (&'static str, Result<f64, VolatilityError>);

    const STATED: GarchParameters = GarchParameters::Stated { long_run: 0.7, alpha: 0.1, beta: 0.85 };

    fn hourly_garch(parameters: GarchParameters) -> Garch {
        Garch { step_seconds: 3_600, horizon_steps: 24, parameters }
    }

    /// Every estimator.
    fn all(path: &[Observation], now: u64) -> [Named; 5] {
        [
            ("ewma", ewma(path, now, 24.0)),
            ("realised", realised(path, now, 7 * 86_400)),
            ("garch11 fitted", garch11(path, now, &hourly_garch(GarchParameters::Fitted))),
            ("garch11 stated", garch11(path, now, &hourly_garch(STATED))),
            ("har", har(path, now, &Har { period_seconds: 21_600, medium: 4, long: 28 })),
        ]
    }

    #[test]
    fn every_estimator_finds_the_volatility_of_a_brownian_path() {
        let (path, now) = brownian(2009, 1_000, 0.65);
        for (name, found) in all(&path, now) {
            let found = found.unwrap();
            // Of 1,000 rounds a few dozen to all of them count.
            assert!((found / 0.65 - 1.0).abs() < 0.15, "{name}: {found}");
        }
    }

    #[test]
    fn every_estimator_refuses_what_it_cannot_estimate_from() {
        let good = steady(&hourly(1_000), 0.5);
        let now = good[999].time;
        for (_, refused) in all(&good[..7], now) {
            assert_eq!(refused, Err(VolatilityError::TooFew { found: 7 }));
        }
        for (_, refused) in all(&good, now - 1) {
            assert_eq!(refused, Err(VolatilityError::AfterBlock { time: now }));
        }
        let mut wrong = good.clone();
        wrong[5].time = wrong[4].time;
        for (_, refused) in all(&wrong, now) {
            assert_eq!(refused, Err(VolatilityError::Unordered { time: good[4].time }));
        }
        wrong[5] = Observation { time: good[5].time, price: 0.0 };
        for (_, refused) in all(&wrong, now) {
            assert_eq!(refused, Err(VolatilityError::BadPrice { time: good[5].time, price: 0.0 }));
        }
    }

    #[test]
    fn prices_that_do_not_move_have_no_volatility_but_that_of_stated_parameters() {
        let still = steady(&hourly(1_000), 0.0);
        let [ewma, realised, fitted, stated, har] =
            all(&still, still[999].time).map(|(_, found)| found.unwrap());
        assert_eq!([ewma, realised, fitted, har], [0.0; 4]);
        // 1/(1 − β) of its 5 %: what is left of 0.7² after a long calm, mean over 24 steps of reversion at 0.95.
        let calm = 0.05 / 0.15 - 1.0;
        let left = (1.0 - libm::pow(0.95, 24.0)) / (24.0 * 0.05);
        assert_close(stated, 0.7 * libm::sqrt(1.0 + calm * left), 1e-9);
    }

    #[test]
    fn the_widest_gap_is_that_between_two_neighbours() {
        let times = [10, 20, 95, 100];
        assert_eq!(widest_gap(&steady(&times, 0.5)), 75);
        assert_eq!((widest_gap(&steady(&times[..1], 0.5)), widest_gap(&[])), (0, 0));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..fixed_seed() })]

        #[test]
        fn no_prices_whatever_panic_or_give_a_number_that_is_not_finite(
            steps in prop::collection::vec(
                (prop_oneof![1..20_000_u64, 1..u64::MAX >> 11], prop_oneof![1e3..2e3_f64, 5e-324..f64::MAX]), 8..300,
            ),
            age in prop_oneof![0..4_000_u64, any::<u64>()],
            seconds in prop_oneof![1..100_000_u64, any::<u64>()],
            horizons in (0..50_usize, 0..50_usize),
            weights in (0.0..1.1_f64, 0.0..1.1_f64, prop_oneof![0.0..3.0_f64, any::<f64>()]),
        ) {
            let mut time = 0_u64;
            let path: Vec<_> = steps
                .iter()
                .map(|&(gap, price)| {
                    time = time.saturating_add(gap);
                    Observation { time, price }
                })
                .collect();
            let now = time.saturating_add(age);
            let (alpha, beta, long_run) = weights;
            let stated = GarchParameters::Stated { long_run, alpha, beta };
            let garch = |parameters| Garch { step_seconds: seconds, horizon_steps: 3, parameters };
            let own = [
                ("realised", realised(&path, now, seconds)),
                ("garch11 fitted", garch11(&path, now, &garch(GarchParameters::Fitted))),
                ("garch11 stated", garch11(&path, now, &garch(stated))),
                ("har", har(&path, now, &Har { period_seconds: seconds, medium: horizons.0, long: horizons.1 })),
            ];
            for (name, found) in all(&path, now).into_iter().chain(own) {
                prop_assert!(found.is_err() || found.is_ok_and(|v| v.is_finite() && v >= 0.0), "{name}: {found:?}");
            }
        }

        #[test]
        fn neither_the_unit_of_price_nor_its_direction_matters(k in 1e-12..1e12_f64, seed in 1..u64::MAX) {
            let (path, now) = brownian(seed, 700, 0.8);
            let changed = |change: fn(f64, f64) -> f64| -> Vec<_> {
                path.iter().map(|o| Observation { price: change(o.price, k), ..*o }).collect()
            };
            let found = all(&path, now);
            for other in [changed(|price, k| price * k), changed(|price, k| k / price)] {
                for ((name, found), (_, same)) in found.iter().zip(all(&other, now)) {
                    let (found, same) = (found.unwrap(), same.unwrap());
                    prop_assert!((found / same - 1.0).abs() < 1e-6, "{name}: {found} and {same}");
                }
            }
        }

        #[test]
        fn returns_twice_as_large_are_twice_the_volatility_where_nothing_is_stated(seed in 1..u64::MAX) {
            let (path, now) = brownian(seed, 700, 0.4);
            let doubled: Vec<_> = path
                .iter()
                .map(|o| Observation { price: path[0].price * libm::pow(o.price / path[0].price, 2.0), ..*o })
                .collect();
            for ((name, single), (_, double)) in all(&path, now).into_iter().zip(all(&doubled, now)) {
                let ratio = double.unwrap() / single.unwrap();
                prop_assert!(name == "garch11 stated" || (ratio / 2.0 - 1.0).abs() < 1e-6, "{name}: {ratio}");
            }
        }
    }
}
