//! Golden values, optimality, limits and extremes of the no-trade band.

use super::super::testing::{Xorshift, assert_close, assert_printed, fixed_seed, nasty_tuples};
use super::*;
use proptest::prelude::*;

fn solve(fixed: f64, proportional: f64, variance_rate: f64, penalty: f64) -> Band {
    Band::solve(Costs { fixed, proportional }, Drift { variance_rate, penalty }).unwrap()
}

/// Long-run cost per year of any band policy, by renewal: from `y₀` the drift leaves `(−Y, Y)` after
/// `(Y² − y₀²)/s²` years on average and holds `c·(Y⁴ − y₀⁴)/(6s²)` until then (Dynkin's formula).
fn stationary_cost(inner: f64, outer: f64, costs: Costs, drift: Drift) -> f64 {
    let trade = costs.fixed + costs.proportional * (outer - inner);
    let years = (outer * outer - inner * inner) / drift.variance_rate;
    trade / years + drift.penalty * (outer * outer + inner * inner) / 6.0
}

/// The same, by simulating a random walk on a lattice of step 1/`steps` units with s² = 1: cost per year.
fn simulated_cost(inner: i64, outer: i64, steps: f64, costs: Costs, penalty: f64) -> f64 {
    let (mut random, mut position, mut trades, mut squares) = (Xorshift(42), inner, 0_u32, 0_i64);
    let count = 4_000_000_u32;
    let mut bits = 0;
    for i in 0..count {
        if i % 64 == 0 {
            bits = random.bits();
        }
        position += if bits & 1 == 1 { 1 } else { -1 };
        bits >>= 1;
        squares += position * position;
        if position.abs() >= outer {
            position = inner * position.signum();
            trades += 1;
        }
    }
    let years = f64::from(count) / (steps * steps);
    let trade = costs.fixed + costs.proportional * (outer - inner) as f64 / steps;
    f64::from(trades) * trade / years + penalty * squares as f64 / (steps * steps) / f64::from(count)
}

/// F, κ, y₀, Y, predicted cost rate, simulated cost rate; s² = 1, c = 1.
const SIMULATED: [[f64; 6]; 5] = [
    [0.02, 0.0, 0.0000, 0.5886, 0.1155, 0.1151],
    [0.0, 0.05, 0.3347, 0.3347, 0.1120, 0.1118],
    [0.02, 0.05, 0.1389, 0.6686, 0.1864, 0.1862],
    [0.10, 0.05, 0.0809, 0.9232, 0.3112, 0.3101],
    [0.005, 0.20, 0.3947, 0.6965, 0.3053, 0.3046],
];

/// φ = F/(κL), η = Y/L, β = y₀/L, J/(cL²).
const SCALED: [[f64; 4]; 7] = [
    [1e-4, 1.03728702933, 0.963617503773, 1.00135700423],
    [1e-2, 1.18013315569, 0.839234853422, 1.02914609343],
    [0.1, 1.40709554854, 0.680774101047, 1.13376182217],
    [1.0, 1.93555343614, 0.435750257315, 1.59322109958],
    [10.0, 3.09358325676, 0.196499463879, 3.40558561907],
    [100.0, 5.35308165636, 0.0689076549528, 9.67636659609],
    [1000.0, 9.46856357321, 0.0222557477607, 29.9549738069],
];

#[test]
fn the_table_checked_by_simulation_is_met() {
    for [fixed, proportional, inner, outer, predicted, simulated] in SIMULATED {
        let band = solve(fixed, proportional, 1.0, 1.0);
        assert_printed(band.inner, inner, 1e-4);
        assert_printed(band.outer, outer, 1e-4);
        assert_printed(band.cost_rate, predicted, 1e-4);
        assert_close(band.cost_rate, simulated, 0.005);
    }
}

#[test]
fn the_scaled_form_is_met_to_nine_digits_in_any_units() {
    for (penalty, variance_rate, proportional) in [(0.75, 1.0, 1.0), (3.2e-7, 41.0, 6.5), (9e4, 2e-9, 1e-3)] {
        let length = libm::cbrt(0.75 * proportional * variance_rate / penalty);
        for [ratio, outer, inner, cost] in SCALED {
            let band = solve(ratio * proportional * length, proportional, variance_rate, penalty);
            assert_close(band.outer, outer * length, 1e-9);
            assert_close(band.inner, inner * length, 1e-9);
            assert_close(band.cost_rate, cost * penalty * length * length, 1e-9);
        }
    }
}

/// A hedge at price S with gamma Γ, risk aversion γ, volatility 0.8 (which cancels): costs F and k·S.
fn hedge(price: f64, gamma: f64, aversion: f64, costs: Costs) -> Band {
    let variance = 0.8 * 0.8 * price * price;
    Band::solve(costs, Drift { variance_rate: gamma * gamma * variance, penalty: 0.5 * aversion * variance })
        .unwrap()
}

#[test]
fn without_gas_it_is_the_band_of_whalley_and_wilmott() {
    let band = hedge(100.0, 0.02, 1.0, Costs { fixed: 0.0, proportional: 0.01 * 100.0 });
    assert_printed(band.outer, 0.084_343_266_530_2, 1e-13);
    assert_close(band.inner, band.outer, 1e-15);
    let band = hedge(5000.0, 0.02, 1.0, Costs { fixed: 0.0, proportional: 5e-4 * 5000.0 });
    assert_printed(band.outer, 0.114_471, 1e-6);
}

#[test]
fn with_gas_alone_trades_go_back_to_the_target() {
    let band = hedge(100.0, 0.02, 1.0, Costs { fixed: 1.0, proportional: 0.0 });
    assert_printed(band.outer, 0.263_214_802_590, 1e-12);
    assert_eq!(band.inner, 0.0);
}

#[test]
fn constant_mix_has_its_known_half_width() {
    let (weight, volatility) = (0.5, 0.7);
    let sensitivity = (weight - 1.0) * weight;
    let variance_rate = sensitivity * sensitivity * volatility * volatility;
    let band = solve(0.0, 0.003, variance_rate, 0.5 * 3.0 * volatility * volatility);
    assert_printed(band.outer, 0.045_428_014_8, 1e-10);
}

#[test]
fn cppi_has_its_known_half_widths() {
    let (multiplier, exposure, volatility) = (4.0, 40_000.0, 0.6);
    let spread = (multiplier - 1.0) * exposure * volatility;
    let penalty = 0.5 * 1e-4 * volatility * volatility;
    assert_close(solve(0.0, 0.001, spread * spread, penalty).outer, 6_000.0, 1e-13);
    assert_printed(solve(5.0, 0.0, spread * spread, penalty).outer, 9_641.14, 0.01);
}

#[test]
fn the_limits_of_small_costs_are_reached_without_a_jump() {
    let (wide, narrow) = (solve(0.0, 0.05, 1.0, 1.0), solve(1e-30, 0.05, 1.0, 1.0));
    assert_close(narrow.outer, wide.outer, 1e-7);
    let (fixed, nearly) = (solve(0.02, 0.0, 1.0, 1.0), solve(0.02, 1e-30, 1.0, 1.0));
    assert_close(nearly.outer, fixed.outer, 1e-14);
    // y₀ = κ/(B·p·Y) with Y = p: no cancellation however small κ is.
    assert_close(nearly.inner, 1e-30 * 1.5 / (fixed.outer * fixed.outer), 1e-14);
}

#[test]
fn free_trading_or_a_drift_at_rest_leaves_an_empty_band() {
    let (free, still) = (solve(0.0, 0.0, 1.0, 1.0), solve(5.0, 2.0, 0.0, 1.0));
    for band in [free, still] {
        assert_eq!((band.inner, band.outer, band.cost_rate), (0.0, 0.0, 0.0));
        assert_eq!((band.value(0.0), band.excess_cost_rate(2.0)), (Ok(0.0), Ok(4.0)));
    }
    assert_eq!((free.value(3.0), still.value(-3.0)), (Ok(0.0), Ok(11.0)));
}

#[test]
fn simulated_paths_cost_what_the_band_predicts() {
    for [fixed, proportional, ..] in SIMULATED {
        let band = solve(fixed, proportional, 1.0, 1.0);
        let steps = 40.0;
        let (inner, outer) = ((band.inner * steps).round() as i64, (band.outer * steps).round() as i64);
        let inner = inner.min(outer - 1);
        let simulated = simulated_cost(inner, outer, steps, Costs { fixed, proportional }, 1.0);
        assert_close(simulated, band.cost_rate, 0.04);
    }
}

#[test]
fn bands_forty_percent_wider_or_narrower_cost_more() {
    for [fixed, proportional, ..] in SIMULATED {
        let band = solve(fixed, proportional, 1.0, 1.0);
        for (inner, outer) in [(1.0, 0.6), (1.0, 1.4), (0.6, 0.6), (1.4, 1.4)] {
            let outer = band.outer * outer;
            // Without gas the edges coincide, the limit of ever smaller trades: a hair apart is that limit.
            let inner = (band.inner * inner).min(outer * (1.0 - 1e-9));
            let cost = stationary_cost(inner, outer, band.costs, band.drift);
            assert!(cost > band.cost_rate * 1.03, "{cost} against {} at {inner}, {outer}", band.cost_rate);
        }
    }
}

#[test]
fn three_steps_find_the_edges_everywhere() {
    let mut most = 0;
    for i in 0..=300 {
        let small = if i == 300 { 0.0 } else { libm::pow(10.0, -f64::from(i) / 15.0) };
        for large in [1.0, 0.5, 0.3, 0.125, 0.0625] {
            for (fixed, proportional) in [(large, small), (small, large)] {
                let a = libm::pow(fixed, 2.0 / 3.0);
                let (root, steps) = edges::halley(a, proportional);
                let residual = libm::pow(root, 9.0) - a * root - proportional;
                assert!(
                    residual.abs() < 1e-14,
                    "{residual:e} after {steps} steps at {fixed}, {proportional}"
                );
                most = most.max(steps);
            }
        }
    }
    assert!(most <= 3, "{most} steps");
}

#[test]
fn seldom_decisions_narrow_the_band_by_the_monitoring_shift() {
    let band = solve(0.02, 0.05, 4.0, 1.0);
    let hourly = band.with_interval(1e-4).unwrap();
    assert_close(hourly.outer, band.outer - 0.5826 * 2.0 * 0.01, 1e-14);
    assert_eq!((hourly.inner, hourly.cost_rate), (band.inner, band.cost_rate));
    let yearly = band.with_interval(1.0).unwrap();
    assert_eq!((yearly.inner, yearly.outer), (0.0, 0.0));
    assert!(matches!(band.with_interval(-1.0), Err(ModelError::Negative { .. })));
    assert!(matches!(band.with_interval(f64::NAN), Err(ModelError::NotFinite { .. })));
}

#[test]
fn a_raised_inner_edge_never_passes_the_outer_one() {
    let band = solve(0.02, 0.05, 1.0, 1.0);
    assert_eq!(band.with_inner_at_least(0.0).unwrap(), band);
    assert_eq!(band.with_inner_at_least(0.3).unwrap().inner, 0.3);
    assert_eq!(band.with_inner_at_least(9.0).unwrap().inner, band.outer);
    assert!(band.with_inner_at_least(f64::NAN).is_err());
}

#[test]
fn waiting_costs_nothing_inside_and_the_difference_to_the_optimum_beyond() {
    let band = solve(0.02, 0.05, 1.0, 1.0);
    assert_eq!(band.excess_cost_rate(0.66), Ok(0.0));
    assert_close(band.excess_cost_rate(-2.0).unwrap(), 4.0 - band.cost_rate, 1e-15);
    let no_gas = solve(0.0, 0.05, 1.0, 1.0);
    assert!(
        no_gas.excess_cost_rate(no_gas.outer).unwrap() < 1e-15,
        "waiting at the edge is free without gas"
    );
}

#[test]
fn the_residual_gain_is_the_penalty_saved_over_the_time_left() {
    assert_close(residual_gain(2.0, -3.0, 1.0, 0.25).unwrap(), 4.0, 1e-15);
    assert_eq!(residual_gain(2.0, 1.0, -1.0, 0.25), Ok(0.0));
    assert_eq!(residual_gain(2.0, 1.0, 3.0, 0.25), Ok(-4.0));
    assert!(matches!(residual_gain(-2.0, 1.0, 0.0, 1.0), Err(ModelError::Negative { .. })));
}

#[test]
fn no_input_whatever_panics_or_gives_a_number_that_is_not_finite() {
    for input in nasty_tuples(4) {
        let costs = Costs { fixed: input[0], proportional: input[1] };
        let result = Band::solve(costs, Drift { variance_rate: input[2], penalty: input[3] });
        let valid = input.iter().all(|x| x.is_finite() && *x >= 0.0) && input[3] > 0.0;
        match result {
            Ok(band) => {
                assert!(valid, "{input:?} was accepted");
                check_finite(band);
            }
            Err(ModelError::OutOfRange { .. }) => assert!(valid),
            Err(_) => assert!(!valid, "{input:?} was refused"),
        }
        if let Ok(gain) = residual_gain(input[0], input[1], input[2], input[3]) {
            assert!(gain.is_finite());
        }
    }
}

fn check_finite(band: Band) {
    assert!(band.inner >= 0.0 && band.outer >= band.inner && band.cost_rate >= 0.0, "{band:?}");
    for x in super::super::testing::NASTY {
        for result in [band.value(x), band.excess_cost_rate(x)] {
            assert!(result.map_or(true, |v| v.is_finite() && v >= 0.0 && x.is_finite()), "{result:?} at {x}");
        }
        if let (Ok(watched), Ok(raised)) = (band.with_interval(x), band.with_inner_at_least(x)) {
            assert!(watched.inner >= 0.0 && watched.outer >= watched.inner && watched.outer.is_finite());
            assert!(raised.inner >= 0.0 && raised.outer >= raised.inner);
        }
    }
}

/// Magnitudes spread evenly over `10^low..10^high`.
fn magnitude(low: f64, high: f64) -> impl Strategy<Value = f64> {
    (low..high).prop_map(|exponent| libm::pow(10.0, exponent))
}

prop_compose! {
    fn problem()(
        fixed in magnitude(-6.0, 4.0), proportional in magnitude(-6.0, 4.0),
        variance_rate in magnitude(-6.0, 6.0), penalty in magnitude(-8.0, 6.0),
    ) -> [f64; 4] {
        [fixed, proportional, variance_rate, penalty]
    }
}

fn of([fixed, proportional, variance_rate, penalty]: [f64; 4]) -> Band {
    solve(fixed, proportional, variance_rate, penalty)
}

proptest! {
    #![proptest_config(fixed_seed())]

    #[test]
    fn both_first_order_conditions_hold(problem in problem()) {
        let [fixed, proportional, variance_rate, penalty] = problem;
        let Band { inner, outer, .. } = of(problem);
        let b = 2.0 * penalty / (3.0 * variance_rate);
        assert_close(inner * outer * (inner + outer) * b, proportional, 1e-12);
        // The width cancels where gas is small beside the proportional cost.
        let width = outer - inner;
        let noise = 4.0 * 8.0 * f64::EPSILON * outer / width;
        assert_close(width * width * width * (outer + inner) * b / 4.0, fixed, 1e-12 + noise);
    }

    #[test]
    fn at_the_edge_the_gain_is_the_cost_of_the_trade(problem in problem()) {
        let [fixed, proportional, ..] = problem;
        let band = of(problem);
        prop_assert!(band.outer >= band.inner && band.inner >= 0.0);
        let at_edge = band.value(band.outer).unwrap();
        let gain = at_edge - band.value(band.inner).unwrap();
        let cost = fixed + proportional * (band.outer - band.inner);
        prop_assert!((gain - cost).abs() <= 1e-13 * at_edge, "{gain} against {cost}");
        let beyond = band.value(-3.0 * band.outer).unwrap();
        assert_close(beyond, at_edge + proportional * 2.0 * band.outer, 1e-14);
    }

    #[test]
    fn the_predicted_cost_is_the_stationary_cost_and_no_band_costs_less(
        problem in problem(), wider in magnitude(-1.0, 1.0), ratio in 0.0..0.999_f64,
    ) {
        let band = of(problem);
        let own = stationary_cost(band.inner, band.outer, band.costs, band.drift);
        let noise = 1e-14 * band.outer / (band.outer - band.inner);
        assert_close(own, band.cost_rate, 1e-12 + noise);
        let outer = band.outer * wider;
        let other = stationary_cost(outer * ratio, outer, band.costs, band.drift);
        prop_assert!(other >= band.cost_rate * (1.0 - 1e-12), "{other} under {}", band.cost_rate);
    }

    #[test]
    fn every_cost_moves_the_band_as_theory_says(problem in problem(), factor in 1.01..100.0_f64) {
        let raised = |index: usize| {
            let mut more = problem;
            more[index] *= factor;
            of(more)
        };
        let band = of(problem);
        let [fixed, proportional, variance, penalty] = [raised(0), raised(1), raised(2), raised(3)];
        let slack = 1.0 + 1e-14;
        prop_assert!(fixed.outer >= band.outer && fixed.inner <= band.inner * slack, "more gas");
        prop_assert!(proportional.outer >= band.outer && proportional.inner >= band.inner, "dearer venue");
        prop_assert!(variance.outer > band.outer && variance.inner > band.inner, "more variance");
        prop_assert!(penalty.outer < band.outer && penalty.inner < band.inner, "more penalty");
        for dearer in [fixed, proportional, variance, penalty] {
            prop_assert!(dearer.cost_rate * slack >= band.cost_rate, "{} under {}", dearer.cost_rate, band.cost_rate);
        }
    }

    #[test]
    fn units_of_quantity_money_and_time_do_not_matter(problem in problem(), k in magnitude(-30.0, 30.0)) {
        let [fixed, proportional, variance_rate, penalty] = problem;
        let band = of(problem);
        let quantity = solve(fixed, proportional / k, variance_rate * k * k, penalty / (k * k));
        assert_close(quantity.outer, band.outer * k, 1e-13);
        assert_close(quantity.inner, band.inner * k, 1e-13);
        assert_close(quantity.cost_rate, band.cost_rate, 1e-13);
        let money = solve(fixed * k, proportional * k, variance_rate, penalty * k);
        assert_close(money.outer, band.outer, 1e-13);
        assert_close(money.cost_rate, band.cost_rate * k, 1e-13);
        let time = solve(fixed, proportional, variance_rate * k, penalty * k);
        assert_close(time.inner, band.inner, 1e-13);
        assert_close(time.cost_rate, band.cost_rate * k, 1e-13);
    }
}
