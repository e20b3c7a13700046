use proptest::prelude::*;

use super::super::testing::{NASTY, assert_close, fixed_seed};
use super::*;

const SPOT: Spot = Spot { price: 2_000.0, rate: 0.04, carry: 0.03 };

fn leg(kind: OptionKind, strike: f64, size: f64) -> Leg {
    Leg { kind, strike, years: 30.0 / 365.0, size }
}

#[test]
fn the_total_of_a_leg_is_its_size_times_its_greeks_and_those_are_slopes() {
    let written = leg(OptionKind::Call, 2_100.0, -12.5);
    let total = SPOT.total(&written, 0.8).unwrap();
    let value = |price: f64, volatility: f64, years: f64| {
        let spot = Spot { price, ..SPOT };
        spot.total(&Leg { years, ..written }, volatility).unwrap().value
    };
    let years = written.years;
    assert!(total.value < 0.0 && total.gamma < 0.0 && total.vega < 0.0 && total.theta > 0.0);
    assert_close(total.delta, (value(2_000.1, 0.8, years) - value(1_999.9, 0.8, years)) / 0.2, 1e-7);
    let (up, middle, down) =
        (value(2_001.0, 0.8, years), value(2_000.0, 0.8, years), value(1_999.0, 0.8, years));
    assert_close(total.gamma, up + down - 2.0 * middle, 1e-5);
    assert_close(total.vega, (value(2_000.0, 0.801, years) - value(2_000.0, 0.799, years)) / 0.002, 1e-5);
    assert_close(
        total.theta,
        (value(2_000.0, 0.8, years - 1e-5) - value(2_000.0, 0.8, years + 1e-5)) / 2e-5,
        1e-4,
    );
}

#[test]
fn a_bought_and_a_written_leg_cancel() {
    let (bought, written) = (leg(OptionKind::Put, 1_900.0, 3.0), leg(OptionKind::Put, 1_900.0, -3.0));
    let both = SPOT.total(&bought, 0.7).unwrap().plus(SPOT.total(&written, 0.7).unwrap()).unwrap();
    assert_eq!(both, Total::default());
}

#[test]
fn log_moneyness_is_against_the_forward() {
    let call = leg(OptionKind::Call, 2_000.0, 1.0);
    assert_close(SPOT.log_moneyness(&call).unwrap(), -0.01 * 30.0 / 365.0, 1e-13);
    assert!(SPOT.log_moneyness(&leg(OptionKind::Call, 0.0, 1.0)).is_err());
    assert!(Spot { price: 0.0, ..SPOT }.log_moneyness(&call).is_err());
}

#[test]
fn an_expired_leg_is_worth_what_it_pays() {
    assert_eq!(leg(OptionKind::Call, 2_000.0, -2.0).payoff(2_150.0), Ok(-300.0));
    assert_eq!(leg(OptionKind::Call, 2_000.0, -2.0).payoff(1_850.0), Ok(-0.0));
    assert_eq!(leg(OptionKind::Put, 2_000.0, 2.0).payoff(1_850.0), Ok(300.0));
    assert!(leg(OptionKind::Put, 2_000.0, f64::MAX).payoff(0.0).is_err());
}

#[test]
fn a_drift_lasts_as_long_as_the_legs_that_matter_to_it() {
    let day = 1.0 / 365.0;
    let of = |drift: f64, parts: &[(f64, f64)]| life(drift, &mut parts.to_vec()).unwrap();
    assert_eq!(of(5.0, &[]), None);
    assert_eq!(of(5.0, &[(30.0 * day, 50.0)]), Some(30.0 * day));
    // A small leg that ends tomorrow takes 2·1/10 of what the rest of the month brings.
    assert_close(of(10.0, &[(day, 1.0), (30.0 * day, 50.0)]).unwrap(), day + 29.0 * day * 0.8, 1e-14);
    assert_close(of(-10.0, &[(30.0 * day, 50.0), (day, -1.0)]).unwrap(), day + 29.0 * day * 0.8, 1e-14);
    // One whose end moves the target by more than half of the drift ends it.
    assert_eq!(of(10.0, &[(day, 5.0), (30.0 * day, 50.0)]), Some(day));
    // Legs that cancel end nothing.
    assert_close(of(10.0, &[(day, 70.0), (day, -70.0), (30.0 * day, 5.0)]).unwrap(), 30.0 * day, 1e-14);
    assert_eq!(of(0.0, &[(day, 5.0), (30.0 * day, 50.0)]), Some(day));
}

#[test]
fn no_number_whatever_makes_a_life_panic_or_be_none() {
    for a in NASTY {
        for b in NASTY {
            for c in NASTY {
                let found = life(a, &mut [(b, c), (1.0, 2.0), (c, a)]);
                assert!(found.is_err() || found.is_ok_and(|l| l.is_some_and(|l| l >= 0.0)), "{a} {b} {c}");
                let one = Leg { kind: OptionKind::Call, strike: a, years: b, size: c };
                assert!(
                    SPOT.total(&one, 0.5).is_err()
                        || SPOT.total(&one, 0.5).is_ok_and(|t| t.value.is_finite())
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(fixed_seed())]

    #[test]
    fn a_life_is_between_the_first_and_the_last_expiry_and_longer_for_a_larger_drift(
        drift in 0.01..100.0_f64,
        more in 1.0..10.0_f64,
        parts in prop::collection::vec((0.001..2.0_f64, -40.0..40.0_f64), 1..20),
    ) {
        let years = |pick: fn(f64, f64) -> f64, from: f64| parts.iter().map(|(years, _)| *years).fold(from, pick);
        let (first, last) = (years(f64::min, 9.0), years(f64::max, 0.0));
        let short = life(drift, &mut parts.clone()).unwrap().unwrap();
        let long = life(drift * more, &mut parts.clone()).unwrap().unwrap();
        prop_assert!(short >= first * (1.0 - 1e-12) && long <= last * (1.0 + 1e-12), "{first} {short} {long} {last}");
        prop_assert!(long >= short * (1.0 - 1e-12), "{short} {long}");
    }
}
