//! The search for the parameter at which a contestant takes a given risk.

use super::Comparison;
use crate::backtest::BacktestError;
use crate::backtest::contestant::{Kind, Scale};

/// Most evaluations of one search.
const MOST_EVALUATIONS: u32 = 10;
/// The search ends this near, in the logarithm of risk.
const NEAR: f64 = 0.02;
/// Costs are measured this far on both sides, in the logarithm of risk: near, since a threshold's cost has bends.
const ASIDE: f64 = 0.05;
/// The same of whole numbers, of which neighbours hardly differ in risk.
const ASIDE_WHOLE: f64 = 0.2;
/// What is trusted of a measured elasticity, beside the expected one.
const STEEPEST: f64 = 4.0;
/// Largest step of the search, in the logarithm of the parameter.
const FARTHEST: f64 = 2.0;

/// What a search found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Tuned {
    /// Where the risk is about that, on the tuning paths.
    At(Centre),
    /// No parameter takes that risk; this comes nearest.
    OutOfReach(f64),
}

/// A parameter and how risk answers to it there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Centre {
    /// The parameter.
    pub(super) parameter: f64,
    /// About `d ln risk/d ln parameter`.
    pub(super) elasticity: f64,
}

/// One evaluation.
#[derive(Debug, Clone, Copy)]
struct Tried {
    parameter: f64,
    /// `ln` of its risk over the risk that is searched for.
    miss: f64,
}

/// Searches on the tuning paths by the secant method in logarithms, in which risk is nearly a power of the parameter.
pub(super) fn tune(comparison: &Comparison<'_>, kind: Kind, risk: f64) -> Result<Tuned, BacktestError> {
    let miss = |parameter: f64| -> Result<f64, BacktestError> {
        let sums = comparison.sums(kind, parameter, comparison.tuning_paths)?.all();
        Ok(libm::log(sums.risk(comparison.measure) / risk))
    };
    search(kind.is_whole(), kind.scale(comparison.scenario), miss)
}

fn search(
    whole: bool,
    scale: Scale,
    miss: impl Fn(f64) -> Result<f64, BacktestError>,
) -> Result<Tuned, BacktestError> {
    let allowed = |parameter: f64| {
        let within = parameter.clamp(scale.least, scale.most);
        if whole { within.round() } else { within }
    };
    let mut elasticity = scale.elasticity;
    let mut last: Option<Tried> = None;
    let mut parameter = allowed(scale.guess);
    for _ in 0..MOST_EVALUATIONS {
        let tried = Tried { parameter, miss: miss(parameter)? };
        if let Some(last) = last {
            elasticity = measured(last, tried, scale.elasticity);
        }
        let step = (-tried.miss / elasticity).clamp(-FARTHEST, FARTHEST);
        let wished = parameter * libm::exp(step);
        let next = allowed(wished);
        if tried.miss.abs() < NEAR {
            return Ok(Tuned::At(Centre { parameter: wished, elasticity }));
        }
        if next == parameter {
            // A whole number next to the one that is wished, or an end of the range.
            let inside = wished > scale.least * (1.0 - NEAR) && wished < scale.most * (1.0 + NEAR);
            return Ok(if inside {
                Tuned::At(Centre { parameter: wished, elasticity })
            } else {
                Tuned::OutOfReach(parameter)
            });
        }
        last = Some(tried);
        parameter = next;
    }
    Ok(Tuned::At(Centre { parameter, elasticity }))
}

/// The elasticity between two evaluations, where it makes sense beside the `expected` one.
fn measured(last: Tried, tried: Tried, expected: f64) -> f64 {
    let between = (tried.miss - last.miss) / libm::log(tried.parameter / last.parameter);
    let relative = between / expected;
    if (1.0 / STEEPEST..=STEEPEST).contains(&relative) { between } else { expected }
}

impl Centre {
    /// Parameters a little less and a little more risky; whole numbers where only such make sense.
    pub(super) fn sides(self, whole: bool, scale: Scale) -> (f64, f64) {
        let aside = if whole { ASIDE_WHOLE } else { ASIDE } / self.elasticity;
        let at = |factor: f64| (self.parameter * factor).clamp(scale.least, scale.most);
        let (low, high) = (at(libm::exp(-aside)), at(libm::exp(aside)));
        if whole { (low.floor(), high.ceil()) } else { (low, high) }
    }

    /// The centre for parameters whose risk misses the one searched for by so much, in its logarithm; `None` where that
    /// lies between the two, or nothing can be told from them.
    pub(super) fn moved(self, (low, high): (f64, f64), (below, above): (f64, f64)) -> Option<Self> {
        if below <= 0.0 && above >= 0.0 {
            return None;
        }
        let between = (above - below) / libm::log(high / low);
        let relative = between / self.elasticity;
        let elasticity =
            if (1.0 / STEEPEST..=STEEPEST).contains(&relative) { between } else { self.elasticity };
        let miss = 0.5 * (below + above);
        let step = (-miss / elasticity).clamp(-FARTHEST, FARTHEST);
        let parameter = libm::sqrt(low * high) * libm::exp(step);
        (parameter.is_finite() && parameter > 0.0).then_some(Self { parameter, elasticity })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCALE: Scale = Scale { least: 1e-3, most: 1e3, guess: 1.0, elasticity: 1.0 };

    fn power(level: f64, exponent: f64) -> impl Fn(f64) -> Result<f64, BacktestError> {
        move |parameter| Ok(level + exponent * libm::log(parameter))
    }

    #[test]
    fn a_power_is_found_from_far_away() {
        for exponent in [0.4, 1.0, 2.0] {
            let Tuned::At(centre) = search(false, SCALE, power(-2.5, exponent)).unwrap() else { panic!() };
            let (low, high) = centre.sides(false, SCALE);
            let miss = |parameter| power(-2.5, exponent)(parameter).unwrap();
            assert!(
                (miss(low) + ASIDE).abs() < 0.01 && (miss(high) - ASIDE).abs() < 0.01,
                "{exponent}: {centre:?}"
            );
        }
    }

    #[test]
    fn a_parameter_that_lowers_risk_is_searched_the_other_way() {
        let scale = Scale { elasticity: -0.3, ..SCALE };
        let Tuned::At(centre) = search(false, scale, power(0.7, -0.4)).unwrap() else { panic!() };
        let (first, second) = centre.sides(false, scale);
        // Less risky first: the larger parameter.
        assert!(first > second && first < 1.5 * second, "{first} {second}");
    }

    #[test]
    fn whole_numbers_are_taken_far_enough_apart() {
        let scale = Scale { least: 1.0, ..SCALE };
        let Tuned::At(centre) = search(true, scale, power(-0.5 * 20.4_f64.ln(), 0.5)).unwrap() else {
            panic!()
        };
        // 20.4·e^∓0.4 is 13.67 and 30.43.
        assert_eq!(centre.sides(true, scale), (13.0, 31.0));
    }

    #[test]
    fn a_bracket_that_all_paths_find_wide_of_the_risk_is_moved_onto_it() {
        let centre = Centre { parameter: 10.0, elasticity: 0.5 };
        let (low, high) = centre.sides(false, SCALE);
        // On all paths risk is a power of the parameter that is met at 12.
        let miss = |parameter: f64| 0.6 * libm::log(parameter / 12.0);
        let moved = centre.moved((low, high), (miss(low), miss(high))).unwrap();
        assert!((moved.parameter - 12.0).abs() < 1e-9 && (moved.elasticity - 0.6).abs() < 1e-9, "{moved:?}");
        let (low, high) = moved.sides(false, SCALE);
        assert_eq!(moved.moved((low, high), (miss(low), miss(high))), None);
    }

    #[test]
    fn what_no_parameter_reaches_is_said() {
        assert_eq!(search(false, SCALE, power(20.0, 1.0)).unwrap(), Tuned::OutOfReach(1e-3));
        let hourly = search(true, Scale { least: 1.0, ..SCALE }, power(0.3, 0.5)).unwrap();
        assert_eq!(hourly, Tuned::OutOfReach(1.0));
    }
}
