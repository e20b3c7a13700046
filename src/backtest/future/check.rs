//! What was generated, held against what it should be: moments of the price, and how often a frictionless CPPI breaks its floor.

use serde::Serialize;

use super::closed::{history, resampled};
use super::market::Market;
use super::statistics::{binomial_deviation, moments, real};
use crate::backtest::BacktestError;
use crate::backtest::paths::{Path, Process};
use crate::domain::models::{normal, years};

/// Standard errors from which on paths are not what they should be: one in 16,000 of sound figures is as far off.
pub const LIMIT: f64 = 4.0;
/// Standard errors beyond which a figure is marked: one in 370 of sound figures is as far off.
pub const MARKED: f64 = 3.0;
/// Variance of `ln S_T/S₀` up to which the mean of `S_T/S₀` says something: beyond it the mean is made by a few paths.
const TELLING_VARIANCE: f64 = 1.0;

/// One figure of the paths beside its closed form.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// What it is.
    pub name: String,
    /// As it was simulated.
    pub simulated: f64,
    /// As it should be.
    pub closed_form: f64,
    /// The difference, in standard errors of the simulated one.
    pub standard_errors: f64,
    /// Beyond [`MARKED`]: the probability that a sound figure is as far off, either way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chance: Option<f64>,
    /// Where there are jumps: what the closed form comes to if the floor is traded without pause (Cont and Tankov 2009).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without_pause: Option<f64>,
}

impl Row {
    /// A figure that is so many standard errors from its closed form.
    #[must_use]
    pub fn of(name: impl Into<String>, (simulated, closed_form): (f64, f64), standard_errors: f64) -> Self {
        let off = standard_errors.abs();
        let chance = (off > MARKED).then(|| 2.0 * normal::cdf(-off));
        Self { name: name.into(), simulated, closed_form, standard_errors, chance, without_pause: None }
    }
}

/// What a check asks of every path.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Multipliers of the frictionless CPPIs: that of the policy, if it has one, and one that breaks on every second path.
    multipliers: Vec<f64>,
}

/// What one path tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// `ln S_T/S₀`.
    log: f64,
    /// Sum of `(ln S′/S)²`.
    squares: f64,
    /// Mean of `S′/S − 1`.
    step: f64,
    /// Variance at the end, where it moves by itself.
    variance: Option<f64>,
    /// For each multiplier the steps that broke the floor, and whether the first of them was reached.
    broken: Vec<u64>,
}

impl Check {
    /// A check of this market, and of a CPPI with the multiplier of the policy.
    ///
    /// # Errors
    /// A number outside the domain of a closed form.
    pub fn of(market: &Market, multiplier: Option<f64>) -> Result<Self, BacktestError> {
        let multipliers = multiplier.into_iter().chain(market.telling_multiplier()?).collect();
        Ok(Self { multipliers })
    }

    /// Looks at a path.
    #[must_use]
    pub fn see(&self, path: &Path) -> Seen {
        let pairs = path.moments.iter().zip(path.moments.iter().skip(1));
        let ratios: Vec<f64> = pairs.map(|(before, after)| after.price / before.price).collect();
        let n = real(u64::try_from(ratios.len()).unwrap_or(u64::MAX)).max(1.0);
        let logs = || ratios.iter().map(|ratio| libm::log(*ratio));
        // The cushion of a CPPI without costs: `C′ = C·(1 + m·R)`, which falls below zero where this factor does.
        let broken = |multiplier: &f64| {
            let factors = ratios.iter().map(|ratio| 1.0 + multiplier * (ratio - 1.0));
            u64::try_from(factors.filter(|factor| *factor < 0.0).count()).unwrap_or(u64::MAX)
        };
        Seen {
            log: logs().sum(),
            squares: logs().map(|log| log * log).sum(),
            step: ratios.iter().map(|ratio| ratio - 1.0).sum::<f64>() / n,
            variance: path.variance,
            broken: self.multipliers.iter().map(broken).collect(),
        }
    }

    /// Everything that was seen beside its closed form.
    ///
    /// # Errors
    /// A number outside the domain of a closed form.
    pub fn rows(&self, market: &Market, seen: &[Seen]) -> Result<Vec<Row>, BacktestError> {
        let mut rows = match history(market) {
            Some(_) => of_history(market, seen),
            None => of_model(market, seen),
        };
        for (at, multiplier) in self.multipliers.iter().enumerate() {
            rows.extend(breaches(market, seen, (at, *multiplier))?);
        }
        Ok(rows)
    }
}

/// The rows that are further off than chance explains.
#[must_use]
pub fn failed(rows: &[Row]) -> Vec<&Row> {
    // What is no number has failed as well.
    let sound = |row: &Row| row.standard_errors.abs() <= LIMIT;
    rows.iter().filter(|row| !sound(row)).collect()
}

fn row(name: impl Into<String>, (simulated, closed_form): (f64, f64), error: f64) -> Row {
    let off = simulated - closed_form;
    // Where nothing is random, the last digits may differ.
    let nothing = off.abs() <= 1e-9 * closed_form.abs().max(1e-9);
    let standard_errors = if nothing && error < 1e-12 { 0.0 } else { off / error };
    Row::of(name, (simulated, closed_form), standard_errors)
}

/// Means of a generated price; standard errors are those of the closed form where it has them.
fn of_model(market: &Market, seen: &[Seen]) -> Vec<Row> {
    let (years, n) = (market.years(), count(seen));
    let of = |value: fn(&Seen) -> f64| seen.iter().map(value).collect::<Vec<f64>>();
    let sampled = |values: &[f64]| {
        let (mean, deviation) = moments(values);
        (mean, deviation / libm::sqrt(n))
    };
    let mut rows = Vec::new();
    let step = libm::expm1(market.drift * self::years(market.span.step_seconds));
    let (mean, error) = sampled(&of(|seen| seen.step));
    rows.push(row("mean return of a step", (mean, step), error));
    let logs = of(|seen| seen.log);
    let (log_mean, log_error) = sampled(&logs);
    let log_variance = moments(&logs).1 * moments(&logs).1;
    let (ends, growth) = (of(|seen| libm::exp(seen.log)), libm::exp(market.drift * years));
    let (mean, error) = sampled(&ends);
    let error = market.relative_variance().map_or(error, |variance| growth * libm::sqrt(variance / n));
    if market.log_moments().map_or(log_variance, |moments| moments.variance) <= TELLING_VARIANCE {
        rows.push(row("mean of S_T/S_0", (mean, growth), error));
    }
    if let Some(closed) = market.log_moments() {
        rows.push(row("mean of ln S_T/S_0", (log_mean, closed.mean), libm::sqrt(closed.variance / n)));
        let error = libm::sqrt((closed.fourth - closed.variance * closed.variance) / n);
        rows.push(row("variance of ln S_T/S_0", (log_variance, closed.variance), error));
    }
    if let Process::Heston(heston) = &market.process {
        let closed = market.drift * years - 0.5 * heston.expected_total(years);
        rows.push(row("mean of ln S_T/S_0", (log_mean, closed), log_error));
        let ends = of(|seen| seen.variance.unwrap_or(f64::NAN));
        let error = libm::sqrt(heston.variance_of_variance(years) / n);
        rows.push(row("mean of v_T", (moments(&ends).0, heston.expected_variance(years)), error));
    }
    rows
}

/// Means of resampled rows, with the standard errors that the history itself gives.
fn of_history(market: &Market, seen: &[Seen]) -> Vec<Row> {
    let Some((history, block)) = history(market) else { return Vec::new() };
    let returns: Vec<f64> = history.log_returns().collect();
    let squares: Vec<f64> = returns.iter().map(|log| log * log).collect();
    let held = |name, values: &[f64], of: fn(&Seen) -> f64| {
        let (mean, variance) = resampled(values, market.span.steps, block);
        let sampled: Vec<f64> = seen.iter().map(of).collect();
        row(name, (moments(&sampled).0, mean), libm::sqrt(variance / count(seen)))
    };
    vec![
        held("mean of ln S_T/S_0", &returns, |seen| seen.log),
        held("mean of the sum of squared log returns", &squares, |seen| seen.squares),
    ]
}

/// Paths, and where they are independent steps, that broke the floor of a frictionless CPPI.
fn breaches(
    market: &Market,
    seen: &[Seen],
    (at, multiplier): (usize, f64),
) -> Result<Vec<Row>, BacktestError> {
    let times = |seen: &Seen| seen.broken.get(at).copied().unwrap_or_default();
    let paths = u64::try_from(seen.len()).unwrap_or(u64::MAX);
    let steps = paths.saturating_mul(u64::try_from(market.span.steps).unwrap_or(u64::MAX));
    let counted = |name: String, (k, n): (u64, u64), closed_form: f64| {
        Row::of(name, (real(k) / real(n), closed_form), binomial_deviation(k, n, closed_form))
    };
    let mut rows = Vec::new();
    if let Some(step) = market.step_breach(multiplier)? {
        let broken = seen.iter().map(times).fold(0_u64, u64::saturating_add);
        rows.push(counted(format!("steps that break CPPI with m = {multiplier:.2}"), (broken, steps), step));
    }
    if let Some(path) = market.path_breach(multiplier)? {
        let broken = seen.iter().filter(|seen| times(seen) > 0).count();
        let broken = u64::try_from(broken).unwrap_or(u64::MAX);
        let name = format!("paths that break CPPI with m = {multiplier:.2}");
        let without_pause = market.jump_breach(multiplier)?;
        rows.push(Row { without_pause, ..counted(name, (broken, paths), path) });
    }
    Ok(rows)
}

fn count(seen: &[Seen]) -> f64 {
    real(u64::try_from(seen.len()).unwrap_or(u64::MAX)).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backtest::paths::{Heston, History, Jumps, Span};

    fn market(process: Process, drift: f64) -> Market {
        // A year of days.
        Market { process, drift, span: Span { start: 2_000.0, before: 0, steps: 365, step_seconds: 86_400 } }
    }

    fn checked(made: &Market, told: &Market, paths: u64) -> Vec<Row> {
        let check = Check::of(told, Some(3.0)).unwrap();
        let seen: Vec<Seen> = (0..paths).map(|number| check.see(&made.path(5, number))).collect();
        check.rows(told, &seen).unwrap()
    }

    const JUMPS: Jumps = Jumps { rate: 25.0, mean: -0.03, deviation: 0.06 };

    fn swinging() -> History {
        let log = |i: u32| 0.03 * (f64::from(i) * 0.31).sin() * f64::from(i % 11) / 5.0 + 0.001;
        History::of_returns(&(0..700).map(log).collect::<Vec<_>>())
    }

    #[test]
    fn every_model_is_within_three_standard_errors_of_its_closed_forms() {
        let heston =
            Heston { reversion: 3.0, long_run: 0.4, vol_of_vol: 1.2, correlation: -0.4, initial: 0.6 };
        for (market, rows) in [
            (market(Process::Gbm { volatility: 0.8 }, 0.0), 8),
            (market(Process::Gbm { volatility: 0.3 }, 0.1), 8),
            (market(Process::Merton { volatility: 0.6, jumps: JUMPS }, -0.2), 8),
            (market(Process::Heston(heston), 0.05), 4),
            (market(Process::Bootstrap { history: swinging(), block: 30 }, 0.0), 4),
        ] {
            let told = checked(&market, &market, 2_000);
            assert_eq!(told.len(), rows, "{told:#?}");
            for row in &told {
                assert!(row.standard_errors.abs() <= 3.0, "{row:?} of {:?}", market.process);
            }
            let breaking = told.iter().rfind(|row| row.name.starts_with("paths"));
            if let Some(row) = breaking {
                assert!((0.3..0.7).contains(&row.simulated), "{row:?}");
            }
        }
    }

    #[test]
    fn paths_of_another_market_are_found_out() {
        let gbm = |volatility| Process::Gbm { volatility };
        let told = market(gbm(0.5), 0.0);
        let hours =
            History::of_returns(&(0..700).map(|i| if i == 0 { -0.5 } else { 0.004 }).collect::<Vec<_>>());
        let resampled = |block| market(Process::Bootstrap { history: hours.clone(), block }, 0.0);
        for (made, told) in [
            (market(gbm(0.54), 0.0), told.clone()),
            (market(gbm(0.5), 0.3), told.clone()),
            (market(Process::Merton { volatility: 0.5, jumps: JUMPS }, 0.0), told),
            // As many falls, but other ones in one path.
            (resampled(350), resampled(1)),
        ] {
            let rows = checked(&made, &told, 2_000);
            assert!(!failed(&rows).is_empty(), "{rows:#?}");
        }
    }

    #[test]
    fn what_is_further_off_than_three_standard_errors_has_its_probability_by_chance() {
        let of = |off: f64| row("a", (1.0 + off, 1.0), 1.0).chance;
        assert_eq!((of(0.0), of(2.99), of(-3.0)), (None, None, None));
        // erfc(3.2/√2) and erfc(4/√2).
        for (off, chance) in [(3.2, 0.001_374_276), (-3.2, 0.001_374_276), (4.0, 0.000_063_342)] {
            assert!((of(off).unwrap() - chance).abs() < 1e-9, "{off}: {:?}", of(off));
        }
    }

    #[test]
    fn what_is_no_number_has_failed_and_what_does_not_move_has_not() {
        let nan = row("a", (f64::NAN, 1.0), 0.1);
        assert_eq!(failed(&[nan]).len(), 1);
        let still = checked(
            &market(Process::Gbm { volatility: 0.0 }, 0.1),
            &market(Process::Gbm { volatility: 0.0 }, 0.1),
            20,
        );
        assert!(failed(&still).is_empty(), "{still:#?}");
        let off = row("b", (1.1, 1.0), 0.0);
        assert_eq!(failed(&[off]).len(), 1);
    }
}
