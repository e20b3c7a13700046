//! A smile passes through its points, is free of arbitrage where it is accepted, and names the point where it is not.

use proptest::prelude::*;

use super::super::shortfall::put;
use super::super::testing::{NASTY, assert_close, fixed_seed, nasty_tuples};
use super::*;

const MONTH: f64 = 30.0 / 365.0;

fn strikes(years: f64, points: &[(f64, f64)]) -> Expiry {
    let point = |&(share, volatility)| Point { at: Moneyness::Strike(share), volatility };
    Expiry { years, points: points.iter().map(point).collect() }
}

fn deltas(years: f64, points: &[(f64, f64)]) -> Expiry {
    let point = |&(delta, volatility)| Point { at: Moneyness::Delta(delta), volatility };
    Expiry { years, points: points.iter().map(point).collect() }
}

/// Ether-like: 10 and 25 delta puts, at the money, 25 and 10 delta calls, of 7, 30 and 90 days.
fn realistic() -> Vec<Expiry> {
    vec![
        deltas(7.0 / 365.0, &[(-0.10, 0.81), (-0.25, 0.72), (0.5, 0.66), (0.25, 0.65), (0.10, 0.69)]),
        deltas(MONTH, &[(-0.10, 0.80), (-0.25, 0.72), (0.5, 0.68), (0.25, 0.68), (0.10, 0.73)]),
        deltas(3.0 * MONTH, &[(-0.10, 0.79), (-0.25, 0.73), (0.5, 0.70), (0.25, 0.71), (0.10, 0.76)]),
    ]
}

fn faults(expiries: &[Expiry]) -> Vec<Fault> {
    Smile::new(expiries).unwrap_err()
}

fn at(smile: &Smile, k: f64, years: f64) -> f64 {
    smile.volatility(k, years).unwrap().unwrap()
}

/// The log-moneyness at which a call has this delta by the smile itself, by bisection.
fn strike_of(call: f64, smile: &Smile, years: f64) -> f64 {
    let delta = |k: f64| {
        let s = at(smile, k, years) * libm::sqrt(years);
        normal::cdf(-k / s + 0.5 * s)
    };
    let halved = |(low, high): (f64, f64), _| {
        let k = 0.5 * (low + high);
        if delta(k) > call { (k, high) } else { (low, k) }
    };
    (0..200).fold((-2.0, 2.0), halved).0
}

#[test]
fn one_point_is_one_volatility_up_to_its_expiry_and_none_after() {
    let smile = Smile::new(&[strikes(MONTH, &[(1.1, 0.7)])]).unwrap();
    for (k, years) in [(0.0, MONTH), (-3.0, MONTH / 7.0), (2.0, 1e-6)] {
        assert_close(at(&smile, k, years), 0.7, 1e-14);
    }
    assert_eq!(smile.volatility(0.0, MONTH * 1.000_001), Ok(None));
}

#[test]
fn a_smile_passes_through_its_points_by_strike_and_by_delta() {
    let points = [(0.8, 0.75), (1.2, 0.72), (1.0, 0.68), (0.9, 0.70)];
    let smile = Smile::new(&[strikes(MONTH, &points)]).unwrap();
    for (share, volatility) in points {
        assert_close(at(&smile, libm::log(share), MONTH), volatility, 1e-14);
    }
    let smile = Smile::new(&realistic()).unwrap();
    for expiry in realistic() {
        for Point { at: place, volatility } in expiry.points {
            let Moneyness::Delta(delta) = place else { unreachable!() };
            let call = if delta < 0.0 { 1.0 + delta } else { delta };
            let k = strike_of(call, &smile, expiry.years);
            assert_close(at(&smile, k, expiry.years), volatility, 1e-12);
        }
    }
}

#[test]
fn between_expiries_total_variance_is_linear_in_time_and_before_the_first_volatility_stays() {
    let smile = Smile::new(&realistic()).unwrap();
    for k in [-0.4, -0.05, 0.0, 0.1, 0.5] {
        let variance = |years: f64| at(&smile, k, years) * at(&smile, k, years) * years;
        let (near, far) = (variance(MONTH), variance(3.0 * MONTH));
        assert_close(variance(2.0 * MONTH), 0.5 * (near + far), 1e-13);
        assert_close(variance(1.5 * MONTH), 0.75 * near + 0.25 * far, 1e-13);
        assert_close(at(&smile, k, 1.0 / 365.0), at(&smile, k, 7.0 / 365.0), 1e-13);
    }
}

#[test]
fn wings_rise_straight_or_stay_flat() {
    // Falls to the right throughout: flat there, straight to the left.
    let smile = Smile::new(&[strikes(MONTH, &[(0.8, 0.9), (1.0, 0.7), (1.2, 0.6)])]).unwrap();
    assert_close(at(&smile, 1.0, MONTH), 0.6, 1e-13);
    assert_close(at(&smile, 9.0, MONTH), 0.6, 1e-13);
    let variance = |k: f64| at(&smile, k, MONTH) * at(&smile, k, MONTH) * MONTH;
    let end = libm::log(0.8);
    let slope = variance(end) - variance(end + 1e-7);
    assert_close(variance(end - 1.0) - variance(end), slope * 1e7, 1e-5);
}

#[test]
fn what_is_no_smile_is_refused_by_its_point() {
    let fault = |expiry, point, kind| Fault { expiry, point, kind };
    // A peak in the middle.
    let peak = strikes(MONTH, &[(0.9, 0.5), (1.0, 0.9), (1.1, 0.5)]);
    let found = faults(&[peak]);
    assert!(found.contains(&fault(0, 1, FaultKind::Butterfly)), "{found:?}");
    // Less total variance later on: 0.9²·30 days against 0.5²·60.
    let (near, far) = (strikes(MONTH, &[(1.0, 0.9)]), strikes(2.0 * MONTH, &[(1.0, 0.5)]));
    assert_eq!(faults(&[near.clone(), far]), [fault(1, 0, FaultKind::Calendar)]);
    assert!(Smile::new(&[near.clone(), strikes(2.0 * MONTH, &[(1.0, 0.64)])]).is_ok());
    // Only in the right wing: the far one is flat where the near one rises.
    let rising = strikes(MONTH, &[(0.9, 0.6), (1.0, 0.6), (1.2, 0.7)]);
    let flat = strikes(1.2 * MONTH, &[(0.9, 0.66), (1.0, 0.66), (1.3, 0.66)]);
    let found = faults(&[rising, flat]);
    assert!(found.contains(&fault(1, 2, FaultKind::Calendar)), "{found:?}");
    // Of calls and of puts at the same strike.
    let twice = deltas(MONTH, &[(0.25, 0.7), (0.5, 0.7), (-0.75, 0.7)]);
    assert_eq!(faults(&[twice]), [fault(0, 2, FaultKind::Twice)]);
    // 2.5 of total variance per unit of log-moneyness.
    let steep = strikes(1.0, &[(1.0, 0.5), (2.0, 1.5), (4.0, 2.0)]);
    let found = faults(&[steep]);
    assert!(found.contains(&fault(0, 2, FaultKind::Wing)), "{found:?}");
    // Between two distant points the spline falls below 0.
    let deep = strikes(MONTH, &[(0.2, 3.0), (0.9, 0.05), (1.1, 0.9), (1.15, 0.05)]);
    assert!(faults(&[deep]).iter().any(|fault| fault.kind == FaultKind::Variance));
    assert_eq!(faults(&[]), [fault(0, 0, FaultKind::Number)]);
    assert_eq!(faults(&[near.clone(), near]), [fault(0, 0, FaultKind::Number)]);
    for bad in
        [Moneyness::Strike(0.0), Moneyness::Strike(-1.0), Moneyness::Delta(0.0), Moneyness::Delta(-1.0)]
    {
        let points =
            vec![Point { at: Moneyness::Strike(1.0), volatility: 0.5 }, Point { at: bad, volatility: 0.5 }];
        assert_eq!(faults(&[Expiry { years: 1.0, points }]), [fault(0, 1, FaultKind::Number)]);
    }
}

#[test]
fn all_faults_of_an_expiry_are_named_at_once_and_those_of_the_others_too() {
    let fault = |expiry, point, kind| Fault { expiry, point, kind };
    // Two numbers that are none, and two points at strikes of others.
    let bad = strikes(MONTH, &[(0.0, 0.5), (1.0, 0.5), (1.0, 0.6), (1.2, 0.5), (1.2, 0.5), (1.3, -0.5)]);
    let numbers = [
        fault(0, 0, FaultKind::Number),
        fault(0, 2, FaultKind::Twice),
        fault(0, 4, FaultKind::Twice),
        fault(0, 5, FaultKind::Number),
    ];
    assert_eq!(faults(std::slice::from_ref(&bad)), numbers);
    // What is wrong with a later expiry is not hidden by them, nor by one between.
    let peak = strikes(2.0 * MONTH, &[(0.9, 0.5), (1.0, 0.9), (1.1, 0.5)]);
    let peaks = faults(std::slice::from_ref(&peak));
    let found = faults(&[bad, peak]);
    assert_eq!(found[..4], numbers);
    assert_eq!(found[4..], peaks.iter().map(|f| Fault { expiry: 1, ..*f }).collect::<Vec<_>>());
    // Total variance is less than before at every point, not only at the first of them.
    let near = strikes(MONTH, &[(0.9, 0.9), (1.0, 0.9), (1.1, 0.9)]);
    let far = strikes(2.0 * MONTH, &[(0.9, 0.5), (1.0, 0.5), (1.1, 0.5)]);
    let calendar: Vec<_> = (0..3).map(|point| fault(1, point, FaultKind::Calendar)).collect();
    assert_eq!(faults(&[near.clone(), far.clone()]), calendar);
    // Between the last two as well, with a first that is none.
    let found = faults(&[strikes(0.5 * MONTH, &[(1.0, -1.0)]), near, far]);
    let calendar: Vec<_> = (0..3).map(|point| fault(2, point, FaultKind::Calendar)).collect();
    assert_eq!(found, [vec![fault(0, 0, FaultKind::Number)], calendar].concat());
    // Two peaks.
    let points = [(0.8, 0.5), (0.9, 0.9), (1.0, 0.5), (1.1, 0.9), (1.2, 0.5)];
    let found = faults(&[strikes(MONTH, &points)]);
    for point in [1, 3] {
        assert!(found.contains(&fault(0, point, FaultKind::Butterfly)), "{found:?}");
    }
}

#[test]
fn no_number_whatever_makes_a_smile_panic_or_answer_with_none() {
    let fine = |smile: &Smile, k: f64, years: f64| {
        let found = smile.volatility(k, years);
        found.is_err() || found.is_ok_and(|volatility| volatility.is_none_or(f64::is_finite))
    };
    for pair in nasty_tuples(2) {
        let [a, b] = pair[..] else { unreachable!() };
        let made = [strikes(1.0, &[(a, b), (1.0, 0.5), (2.0, 0.6)]), deltas(a, &[(b, 0.5), (0.3, a)])];
        for smile in made.into_iter().filter_map(|expiry| Smile::new(&[expiry]).ok()) {
            assert!(NASTY.iter().all(|k| fine(&smile, *k, b)), "{a} {b}");
        }
    }
}

#[test]
fn the_least_of_a_cubic_is_found_wherever_it_is() {
    let shape = |t: f64| {
        let (variance, slope) = (t * t * t - 3.0 * t, 3.0 * t * t - 3.0);
        Shape { variance, slope, curvature: 6.0 * t }
    };
    assert_close(lowest(shape(-1.5), shape(1.5), 3.0), -2.0, 1e-14);
    assert_close(lowest(shape(-3.0), shape(1.5), 4.5), -18.0, 1e-14);
    assert_close(lowest(shape(-1.9), shape(0.0), 1.9), -1.9 * 1.9 * 1.9 + 5.7, 1e-13);
    let line = |variance| Shape { variance, slope: 1.0, curvature: 0.0 };
    assert_close(lowest(line(1.0), line(3.0), 2.0), 1.0, 1e-15);
}

/// A term structure of parabolas in volatility over standardised moneyness, by strike, some of them rough; many have
/// arbitrage.
fn any_smile() -> impl Strategy<Value = Vec<Expiry>> {
    let places = prop::collection::vec((-2.2..2.2_f64, -1.0..1.0_f64), 1..7);
    let one = (0.0..0.15_f64, -0.12..0.12_f64, -0.01..0.07_f64, places);
    let rough = prop_oneof![Just(0.0), 0.0..0.06_f64];
    let all = prop::collection::vec(one, 1..4);
    (0.2..1.2_f64, 0.01..0.3_f64, rough, all).prop_map(|(level, first, rough, expiries)| {
        let mut years = first;
        let of = |(rise, skew, curve, places): (f64, f64, f64, Vec<(f64, f64)>)| {
            years *= 1.7 + rise;
            let deviation = level * libm::sqrt(years);
            let points = places.iter().map(|(x, noise)| {
                let shape = 1.0 + skew * x + curve * x * x + rough * noise;
                (libm::exp(x * deviation), level * shape)
            });
            strikes(years, &points.collect::<Vec<_>>())
        };
        expiries.into_iter().map(of).collect()
    })
}

/// Puts on a forward of 1 are convex in the strike and rise with time: by prices alone, whatever the formulas say.
fn assert_free_of_arbitrage(smile: &Smile, last: f64) {
    let price =
        |strike: f64, years: f64| put(1.0, strike, at(smile, libm::log(strike), years), years).unwrap();
    for part in 1..=20_u32 {
        let years = (last * (f64::from(part) / 20.0)).min(last);
        let step = 2e-3;
        for i in 1..=800_u32 {
            let strike = libm::exp(f64::from(i) / 160.0 - 2.5);
            let h = step * strike;
            let (low, middle, high) =
                (price(strike - h, years), price(strike, years), price(strike + h, years));
            let butterfly = (low + high - 2.0 * middle) / h;
            assert!(butterfly >= -1e-11, "a butterfly at {strike} and {years} costs {butterfly}");
            let later = (years + last / 100.0).min(last);
            assert!(
                price(strike, later) >= middle - 1e-14,
                "{strike} is worth less at {later} than at {years}"
            );
        }
    }
}

#[test]
fn the_realistic_smile_is_free_of_arbitrage() {
    assert_free_of_arbitrage(&Smile::new(&realistic()).unwrap(), 3.0 * MONTH);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..fixed_seed() })]

    #[test]
    fn an_accepted_smile_is_free_of_arbitrage_on_a_dense_grid(expiries in any_smile()) {
        if let Ok(smile) = Smile::new(&expiries) {
            assert_free_of_arbitrage(&smile, expiries.last().unwrap().years);
        }
    }

    #[test]
    fn the_order_of_the_points_makes_no_difference(expiries in any_smile()) {
        let turned = expiries.iter().map(|expiry| {
            let points = expiry.points.iter().rev().copied().collect();
            Expiry { points, ..*expiry }
        });
        let turned: Vec<_> = turned.collect();
        match (Smile::new(&expiries), Smile::new(&turned)) {
            (Ok(one), Ok(other)) => {
                let last = expiries.last().unwrap().years;
                for i in -10..=10 {
                    let k = f64::from(i) / 8.0;
                    prop_assert_eq!(one.volatility(k, 0.7 * last), other.volatility(k, 0.7 * last));
                }
            }
            (one, other) => prop_assert_eq!(one.is_ok(), other.is_ok()),
        }
    }
}

#[test]
fn the_random_smiles_are_accepted_and_refused_often_enough_to_say_something() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::new(fixed_seed());
    let made = (0..400).map(|_| Smile::new(&any_smile().new_tree(&mut runner).unwrap().current()));
    let (good, bad): (Vec<_>, Vec<_>) = made.partition(Result::is_ok);
    assert!(good.len() > 60 && bad.len() > 60, "{} accepted, {} refused", good.len(), bad.len());
}
