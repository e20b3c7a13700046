//! GARCH(1,1) of Bollerslev (1986).

use super::super::YEAR_SECONDS;
use super::{Observation, VolatilityError, check, grid, mean, real, require};

/// Fewest closed steps to fit parameters to.
pub const MIN_FIT_STEPS: usize = 100;

/// Largest persistence `α + β` that a fit may find: a half-life of 693 steps.
const MOST_PERSISTENCE: f64 = 0.999;

/// Steps whose variances are multiplied before one logarithm is taken. Relative to the long-run variance each lies
/// between 0.001 and [`grid::MOST_STEPS`], so that sixteen of them stay far inside the range of `f64`.
const LOG_BLOCK: usize = 16;

/// Rounds of the search, and the step at which it ends: whatever the likelihood, it does.
const MOST_ROUNDS: u32 = 200;
const LEAST_STEP: f64 = 1.0 / 4_096.0;

/// How to estimate by GARCH(1,1), `h ← ω + α·r² + β·h` per step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Garch {
    /// Seconds of one step.
    pub step_seconds: u64,
    /// Steps ahead over which variance is averaged; 1 is the next step alone.
    pub horizon_steps: u32,
    /// The parameters, or how to find them.
    pub parameters: GarchParameters,
}

/// Parameters of GARCH(1,1).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum GarchParameters {
    /// Fitted to the observations.
    Fitted,
    /// Known.
    Stated {
        /// Annualised volatility in the long run, from which `ω = (1 − α − β)·v` with `v` its variance per step.
        long_run: f64,
        /// Weight of the newest squared return.
        alpha: f64,
        /// Weight of the last variance.
        beta: f64,
    },
}

/// Parameters in use: variance per step in the long run, `α` and `β`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Model {
    long_run: f64,
    alpha: f64,
    beta: f64,
}

/// Annualised volatility that GARCH(1,1) expects after `now`, the mean over `horizon_steps`.
///
/// Prices are put on a grid of steps that ends at `now` (see `grid`); a step without a price shares the next return.
/// The variance starts at its long-run level, and over open steps at the end it reverts as expected.
///
/// [`GarchParameters::Fitted`] maximises the Gaussian quasi-likelihood (QMLE; Francq & Zakoïan 2004), which is
/// consistent whatever the distribution of returns, with variance targeting (Engle & Mezrich 1996; Francq, Horváth &
/// Zakoïan 2011): the long-run variance is the mean of the squared returns. The mean return is taken as zero. Start,
/// steps and end of the search are fixed, so that the same prices give the same bits.
///
/// # Errors
/// As for [`super::ewma`]; a parameter outside its domain (`α + β` must be below 1, so that the variance is
/// stationary); [`VolatilityError::TooShort`] with no closed step, or fewer than [`MIN_FIT_STEPS`] to fit to.
pub fn garch11(observations: &[Observation], now: u64, garch: &Garch) -> Result<f64, VolatilityError> {
    require(garch.step_seconds > 0, "step", "above 0 seconds")?;
    require(garch.horizon_steps > 0, "horizon", "at least 1 step")?;
    check(observations, now)?;
    let grid::Returns { squared, open } = grid::returns(observations, now, garch.step_seconds);
    let model = match garch.parameters {
        GarchParameters::Fitted => fitted(&squared)?,
        GarchParameters::Stated { long_run, alpha, beta } => {
            stated(squared.len(), long_run * long_run * real(garch.step_seconds) / YEAR_SECONDS, alpha, beta)?
        }
    };
    let variance = model.expected(&squared, open, garch.horizon_steps);
    Ok(libm::sqrt(variance / real(garch.step_seconds) * YEAR_SECONDS))
}

fn stated(steps: usize, long_run: f64, alpha: f64, beta: f64) -> Result<Model, VolatilityError> {
    require(long_run > 0.0 && long_run.is_finite(), "long-run volatility", "positive")?;
    require((0.0..1.0).contains(&alpha), "alpha", "from 0 to below 1")?;
    require((0.0..1.0).contains(&beta), "beta", "from 0 to below 1")?;
    require(alpha + beta < 1.0, "sum of alpha and beta", "below 1")?;
    if steps == 0 {
        Err(VolatilityError::TooShort { found: 0, needed: 1 })
    } else {
        Ok(Model { long_run, alpha, beta })
    }
}

fn fitted(squared: &[f64]) -> Result<Model, VolatilityError> {
    if squared.len() < MIN_FIT_STEPS {
        return Err(VolatilityError::TooShort { found: squared.len(), needed: MIN_FIT_STEPS });
    }
    let long_run = mean(squared);
    if long_run == 0.0 {
        return Ok(Model { long_run, alpha: 0.0, beta: 0.0 });
    }
    let relative: Vec<f64> = squared.iter().map(|square| square / long_run).collect();
    let place = fit(&relative);
    Ok(Model { long_run, alpha: place.alpha(), beta: place.beta() })
}

impl Model {
    /// Mean variance per step over the `horizon` steps after now, after `squared` and `open` steps more without news.
    fn expected(&self, squared: &[f64], open: u64, horizon: u32) -> f64 {
        let Self { long_run, alpha, beta } = *self;
        let persistence = alpha + beta;
        let omega = (1.0 - persistence) * long_run;
        let next = squared.iter().fold(long_run, |variance, square| omega + alpha * square + beta * variance);
        let reverting = (next - long_run) * libm::pow(persistence, real(open));
        // The mean of 1, p, p², …, p^(horizon − 1).
        let horizon = f64::from(horizon);
        let left = (1.0 - libm::pow(persistence, horizon)) / (horizon * (1.0 - persistence));
        (long_run + reverting * left).max(0.0)
    }
}

/// A place of the search: `ln(1 − α − β)`, since what tells persistences apart is their distance from one, and
/// the share of `α` in the persistence. Every place inside the box is stationary.
#[derive(Debug, Clone, Copy)]
struct Place {
    log_reversion: f64,
    share: f64,
}

impl Place {
    fn new(log_reversion: f64, share: f64) -> Self {
        let least = libm::log(1.0 - MOST_PERSISTENCE);
        Self { log_reversion: log_reversion.clamp(least, 0.0), share: share.clamp(0.0, 1.0) }
    }

    fn persistence(self) -> f64 {
        -libm::expm1(self.log_reversion)
    }

    fn alpha(self) -> f64 {
        self.share * self.persistence()
    }

    fn beta(self) -> f64 {
        (1.0 - self.share) * self.persistence()
    }

    /// `Σ ln h + x/h`, twice the negative quasi-log-likelihood, of squared returns `x` over their mean.
    fn loss(self, relative: &[f64]) -> f64 {
        let (omega, alpha, beta) = (libm::exp(self.log_reversion), self.alpha(), self.beta());
        let (mut variance, mut loss) = (1.0, 0.0);
        for block in relative.chunks(LOG_BLOCK) {
            let mut product = 1.0;
            for square in block {
                product *= variance;
                loss += square / variance;
                variance = omega + alpha * square + beta * variance;
            }
            loss += libm::log(product);
        }
        loss
    }
}

/// The place of least loss: the best of a few starts, then a pattern search (Hooke & Jeeves 1961; Torczon 1997 shows
/// that it converges): the best of the eight neighbours, or where none is better, half the step.
fn fit(relative: &[f64]) -> Place {
    let starts = STARTS.map(|(persistence, share)| Place::new(libm::log(1.0 - persistence), share));
    let (mut best, mut least) = (Place::new(0.0, 0.0), f64::INFINITY);
    for place in starts {
        consider(place, relative, (&mut best, &mut least));
    }
    let mut step = 1.0;
    for _ in 0..MOST_ROUNDS {
        let (centre, before) = (best, least);
        for (down, across) in NEIGHBOURS {
            let place = Place::new(centre.log_reversion + down * step, centre.share + across * step * 0.1);
            consider(place, relative, (&mut best, &mut least));
        }
        if least == before {
            step /= 2.0;
        }
        if step < LEAST_STEP {
            break;
        }
    }
    best
}

fn consider(place: Place, relative: &[f64], (best, least): (&mut Place, &mut f64)) {
    let loss = place.loss(relative);
    if loss < *least {
        (*best, *least) = (place, loss);
    }
}

/// Persistences and the shares of `α` in them.
const STARTS: [(f64, f64); 7] =
    [(0.0, 0.0), (0.5, 0.1), (0.5, 0.4), (0.9, 0.05), (0.9, 0.15), (0.98, 0.05), (0.98, 0.15)];

/// Directions to the eight neighbours.
const NEIGHBOURS: [(f64, f64); 8] =
    [(-1.0, 0.0), (1.0, 0.0), (0.0, -1.0), (0.0, 1.0), (-1.0, -1.0), (1.0, 1.0), (-1.0, 1.0), (1.0, -1.0)];

#[cfg(test)]
mod tests {
    use super::super::testing::{hourly, of_returns, simulated, steady};
    use super::*;
    use crate::domain::models::testing::{assert_close, fixed_seed};
    use proptest::prelude::*;

    fn hours(horizon_steps: u32, parameters: GarchParameters) -> Garch {
        Garch { step_seconds: 3_600, horizon_steps, parameters }
    }

    fn of(returns: &[f64]) -> Model {
        fitted(&returns.iter().map(|r| r * r).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_fit_recovers_the_parameters_of_simulated_paths() {
        for (alpha, beta) in [(0.08, 0.9), (0.05, 0.9), (0.15, 0.7), (0.3, 0.3)] {
            let models: Vec<Model> =
                (1..=8).map(|seed| of(&simulated(seed, 10_000, (alpha, beta), 0.01))).collect();
            let off = |of: fn(&Model) -> f64, truth: f64| {
                let off: Vec<f64> = models.iter().map(|model| of(model) - truth).collect();
                (mean(&off), off.iter().fold(0.0, |worst: f64, one| worst.max(one.abs())))
            };
            let (mean_alpha, worst_alpha) = off(|model| model.alpha, alpha);
            let (mean_beta, worst_beta) = off(|model| model.beta, beta);
            println!("alpha {alpha}: mean error {mean_alpha:+.4}, worst {worst_alpha:.4}");
            println!("beta {beta}: mean error {mean_beta:+.4}, worst {worst_beta:.4}");
            assert!(mean_alpha.abs() < 0.01 && worst_alpha < 0.04, "{models:?}");
            assert!(mean_beta.abs() < 0.02 && worst_beta < 0.12, "{models:?}");
            models.iter().for_each(|model| assert_close(model.long_run, 1e-4, 0.25));
        }
    }

    #[test]
    fn a_fit_to_one_month_of_hours_forecasts_nearly_as_the_true_parameters_do() {
        // What matters is the forecast, not the parameters, which 720 hours tell apart badly.
        let mut errors: Vec<f64> = (1..=40)
            .map(|seed| {
                let returns = simulated(seed, 720, (0.1, 0.85), 0.008);
                let path = of_returns(&returns, 3_600);
                let now = path[720].time;
                let long_run = 0.008 * libm::sqrt(8_760.0);
                let truth = GarchParameters::Stated { long_run, alpha: 0.1, beta: 0.85 };
                let known = garch11(&path, now, &hours(1, truth)).unwrap();
                (garch11(&path, now, &hours(1, GarchParameters::Fitted)).unwrap() / known - 1.0).abs()
            })
            .collect();
        errors.sort_by(f64::total_cmp);
        println!("error of the forecast: median {:.3}, worst of 40 {:.3}", errors[20], errors[39]);
        assert!(errors[20] < 0.06 && errors[39] < 0.35, "{errors:?}");
    }

    #[test]
    fn no_neighbour_of_a_fit_is_more_likely() {
        let returns = simulated(7, 2_000, (0.1, 0.85), 1.0);
        let squared: Vec<f64> = returns.iter().map(|r| r * r).collect();
        let level = mean(&squared);
        let relative: Vec<f64> = squared.iter().map(|square| square / level).collect();
        let place = fit(&relative);
        let least = place.loss(&relative);
        for (down, across) in NEIGHBOURS {
            let other = Place::new(place.log_reversion + down * 0.01, place.share + across * 0.001);
            assert!(other.loss(&relative) >= least);
        }
        // The loss is Σ ln h + x/h, however its logarithms are taken together.
        let (mut variance, mut plain) = (1.0, 0.0);
        for x in &relative {
            plain += libm::log(variance) + x / variance;
            variance = 1.0 - place.alpha() - place.beta() + place.alpha() * x + place.beta() * variance;
        }
        assert_close(least, plain, 1e-12);
    }

    #[test]
    fn a_steady_path_gives_its_volatility_back_whatever_the_horizon() {
        let path = steady(&hourly(500), 0.6);
        for horizon in [1, 24, 10_000] {
            let found = garch11(&path, path[499].time + 1_800, &hours(horizon, GarchParameters::Fitted));
            assert_close(found.unwrap(), 0.6, 1e-9);
        }
    }

    #[test]
    fn stated_parameters_follow_the_recursion_and_the_horizon_reverts() {
        let returns = [0.01, -0.02, 0.005, 0.0, 0.015, -0.03, 0.002, 0.012];
        let path = of_returns(&returns, 3_600);
        let (alpha, beta, long_run) = (0.1, 0.8, 0.9);
        let level = long_run * long_run / 8_760.0;
        let mut variance = level;
        for log_return in returns {
            variance = 0.1 * level + alpha * log_return * log_return + beta * variance;
        }
        let of = |late: u64, horizon| {
            let parameters = GarchParameters::Stated { long_run, alpha, beta };
            garch11(&path, path[8].time + late, &hours(horizon, parameters)).unwrap()
        };
        let annual = |variance: f64| libm::sqrt(variance * 8_760.0);
        assert_close(of(0, 1), annual(variance), 1e-12);
        // Two open steps revert by 0.9 each; a horizon of two is the mean of the next two.
        assert_close(of(7_200, 1), annual(level + 0.81 * (variance - level)), 1e-12);
        assert_close(of(0, 2), annual(level + 0.95 * (variance - level)), 1e-12);
        assert_close(of(0, u32::MAX), long_run, 1e-6);
    }

    #[test]
    fn short_histories_and_parameters_that_are_not_stationary_are_refused() {
        let path = steady(&hourly(100), 0.5);
        let fitted = garch11(&path, path[99].time, &hours(1, GarchParameters::Fitted));
        assert_eq!(fitted, Err(VolatilityError::TooShort { found: 99, needed: 100 }));
        let day = Garch {
            step_seconds: 4_000_000,
            ..hours(1, GarchParameters::Stated { long_run: 0.5, alpha: 0.1, beta: 0.1 })
        };
        assert_eq!(
            garch11(&path, path[99].time, &day),
            Err(VolatilityError::TooShort { found: 0, needed: 1 })
        );
        for (long_run, alpha, beta) in [
            (0.5, 0.2, 0.8),
            (0.5, -0.1, 0.8),
            (0.5, 0.1, -0.1),
            (0.5, f64::NAN, 0.5),
            (0.0, 0.1, 0.8),
            (f64::INFINITY, 0.1, 0.8),
        ] {
            let refused =
                garch11(&path, path[99].time, &hours(1, GarchParameters::Stated { long_run, alpha, beta }));
            assert!(matches!(refused, Err(VolatilityError::BadParameter { .. })), "{refused:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..fixed_seed() })]

        #[test]
        fn a_fit_is_stationary_and_the_same_every_time(
            squared in prop::collection::vec(prop_oneof![Just(0.0), 0.0..1.0_f64, 0.0..1e-300_f64, 0.0..1e6_f64], 100..300),
        ) {
            let model = fitted(&squared).unwrap();
            prop_assert!(model.alpha >= 0.0 && model.beta >= 0.0 && model.alpha + model.beta <= MOST_PERSISTENCE + 1e-12);
            prop_assert_eq!(fitted(&squared).unwrap(), model);
        }
    }
}
