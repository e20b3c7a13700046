//! Reference values, parity, differences, limits and extremes of the Greeks.

use super::super::testing::{NASTY, Xorshift, assert_close, fixed_seed};
use super::OptionKind::{Call, Put};
use super::*;
use proptest::prelude::*;

const fn spot(price: f64, carry: f64) -> Underlying {
    Underlying::Spot { price, carry }
}

const fn forward(price: f64) -> Underlying {
    Underlying::Forward { price }
}

/// `terms` are strike, years, volatility and rate.
fn contract(kind: OptionKind, underlying: Underlying, terms: [f64; 4]) -> Contract {
    let [strike, years, volatility, rate] = terms;
    Contract { kind, underlying, strike, years, volatility, rate }
}

fn greeks(kind: OptionKind, underlying: Underlying, terms: [f64; 4]) -> Greeks {
    contract(kind, underlying, terms).greeks().unwrap()
}

const NAMES: [&str; 7] = ["price", "delta", "gamma", "vega", "theta", "vanna", "charm"];

fn values(greeks: Greeks) -> [f64; 7] {
    let Greeks { price, delta, gamma, vega, theta, vanna, charm } = greeks;
    [price, delta, gamma, vega, theta, vanna, charm]
}

/// Kind, underlying, strike, years, volatility and rate, and the values in the order of [`NAMES`], by mpmath in 120
/// digits: the price by its formula, every Greek as a difference quotient of prices (five points, relative step 1e-22).
#[rustfmt::skip]
const REFERENCE: [(OptionKind, Underlying, [f64; 4], [f64; 7]); 28] = [
    (Call, spot(100.0, 0.0), [100.0, 1.0, 0.2, 0.05], [10.450583572185568, 0.6368306511756191, 0.01876201734584689, 37.524034691693785, -6.414027546438196, -0.2814302601877034, -0.06566706071046413]),
    (Put, spot(100.0, 0.0), [100.0, 1.0, 0.2, 0.05], [5.573526022256968, -0.3631693488243809, 0.01876201734584689, 37.524034691693785, -1.6578804239346259, -0.2814302601877034, -0.06566706071046413]),
    (Call, spot(3000.0, 0.03), [3300.0, 0.25, 0.8, 0.04], [363.242934432398, 0.48358535271516, 0.0003297986689792986, 593.6376041627376, -949.798009864539, 0.21372212732077353, -0.33734180320116186]),
    (Put, spot(3000.0, 0.03), [3300.0, 0.25, 0.8, 0.04], [652.8232213472373, -0.5089427021039784, 0.0003297986689792986, 593.6376041627376, -908.4389567433713, 0.21372212732077353, -0.367117644845736]),
    (Call, spot(3000.0, -0.02), [1000.0, 0.5, 0.6, 0.05], [2055.67183289752, 1.0080676570729297, 4.946299348680236e-06, 13.355008241436638, -116.92362128530121, -0.02581009391856881, -0.005714019653540157]),
    (Put, spot(3000.0, -0.02), [1000.0, 0.5, 0.6, 0.05], [0.8312436733484316, -0.00198251001123846, 4.946299348680236e-06, 13.355008241436638, -7.5551156588344845, -0.02581009391856881, 0.014486983688143206]),
    (Call, spot(3000.0, 0.0), [9000.0, 0.1, 0.7, 0.05], [8.379628006113757e-05, 6.834988337836541e-07, 5.168853175561359e-09, 0.0032563775006036566, -0.011495656263177287, 2.4768678231070024e-05, -8.746570178507927e-05]),
    (Put, spot(3000.0, 0.0), [9000.0, 0.1, 0.7, 0.05], [5955.1123965304205, -0.9999993165011662, 5.168853175561359e-09, 0.0032563775006036566, 447.7441199804439, 2.4768678231070024e-05, -8.746570178507927e-05]),
    (Call, spot(3000.0, 0.0), [3001.0, 0.00011415525114155251, 0.5, 0.0], [5.907154253768137, 0.4761912735783636, 0.024848291662902155, 12.764533388477135, -27954.328120764927, 0.0518157246334837, -113.4764369473293]),
    (Put, spot(3000.0, 0.01), [2999.0, 1.902587519025875e-06, 0.9, 0.02], [1.0387308519950142, -0.3938906046548216, 0.10330906561630779, 1.5920917646348802, -376549.7066786852, -0.1145481894362212, 27089.834554580506]),
    (Call, spot(3000.0, 0.06), [2500.0, 30.0, 0.45, 0.03], [345.09875980185546, 0.13665235041680598, 5.7269649961214265e-06, 695.8262470287533, 17.432977478852553, 0.14337183665620518, 0.007639279099737749]),
    (Put, spot(3000.0, 0.06), [2500.0, 30.0, 0.45, 0.03], [865.6262444885937, -0.028646537804780554, 5.7269649961214265e-06, 695.8262470287533, 18.17190207951191, 0.14337183665620518, -0.0022786541935574437]),
    (Call, spot(3000.0, 0.02), [3000.0, 2.0, 5.0, 0.05], [2881.230034949874, 0.9606001268513158, 3.384909398367297e-08, 3.0464184585305674, 53.79946725771207, 0.0005065178423716823, 0.01857580881560318]),
    (Put, spot(3000.0, 0.0), [12000.0, 1.0, 9.0, 0.0], [11999.959670207096, -6.933161575990824e-06, 1.1700181972975942e-09, 0.09477147398110512, -0.4264716329149731, 1.6335908873291293e-05, -7.351158992981082e-05]),
    (Call, spot(3000.0, 0.0), [3100.0, 0.5, 0.01, -0.02], [2.4469557787970877e-09, 7.339155321568669e-10, 2.1468204660036371e-10, 9.660692097016367e-06, -5.26209281563276e-08, 2.7574721365414925e-06, -1.4693798569393102e-08]),
    (Put, spot(3000.0, 0.01), [3100.0, 0.5, 0.01, -0.02], [146.11808038289544, -0.9950124791855744, 2.3109895241044144e-12, 1.0399452858469866e-07, -92.47348473539957, 3.314986639225217e-08, -0.009950124915365352]),
    (Call, spot(0.0004, -0.1), [0.0005, 0.7, 1.3, -0.05], [0.00015395683862238043, 0.691365421154353, 918.1092082091603, 0.00013367670071525375, -0.00014565351530408457, 0.22024551494845138, -0.29201241873175193]),
    (Put, spot(1000000000.0, 0.0), [800000000.0, 0.7, 0.3, 0.1], [12916054.230198674, -0.09793449665711855, 6.886073230119796e-10, 144607537.8325157, -19902274.446807355, -0.6005655515127517, 0.05983188588010597]),
    (Call, spot(3000.0, 0.0), [60000.0, 0.05, 1.0, 0.05], [8.016917102478011e-39, 1.6306968048368908e-40, 3.2449685036669066e-42, 1.460235826650108e-36, -1.4626417872718508e-35, 2.938220599330098e-38, -2.943088052085598e-37]),
    (Put, spot(3000.0, 0.0), [150.0, 0.05, 1.0, 0.05], [2.961064907847045e-40, -5.934075597804405e-42, 1.2024789721672845e-43, 5.411155374752781e-38, -5.402106208110682e-37, -1.0725747864953406e-39, 1.0707710680370895e-38]),
    (Call, spot(3000.0, 0.0), [3000.000001, 1e-06, 0.3, 0.0], [0.35904755107498026, 0.500059398072692, 0.4432691955328624, 1.1968268279387284, -179524.02419080926, 0.00020094870180294128, -30.142305270441195]),
    (Call, forward(9100.0), [9000.0, 0.08, 0.85, 0.0], [916.8297825542385, 0.5659881848575674, 0.00017984933041765972, 1012.7459675282754, -5380.212952493963, 0.03436952245666225, -0.18258808805101817]),
    (Put, forward(9100.0), [9000.0, 0.08, 0.85, 0.0], [816.8297825542385, -0.43401181514243253, 0.00017984933041765972, 1012.7459675282754, -5380.212952493963, 0.03436952245666225, -0.18258808805101817]),
    (Call, forward(3000.0), [5000.0, 0.9, 0.65, 0.05], [253.70038307849183, 0.2882389561895019, 0.00018008502793737357, 948.147672090272, -329.70164021200696, 0.5826032892166979, -0.19597257329655468]),
    (Put, forward(3000.0), [5000.0, 0.9, 0.65, 0.05], [2165.6953467446915, -0.6677585256435979, 0.00018008502793737357, 948.147672090272, -234.10189202869697, 0.5826032892166979, -0.2437724473882097]),
    (Call, forward(3000.0), [2000.0, 10.0, 0.4, -0.01], [1916.373865183989, 0.9169668741312682, 7.378050064859802e-05, 2656.098023349529, -72.28569911883046, 0.218317363853401, -0.013536016018380703]),
    (Put, forward(3000.0), [2000.0, 10.0, 0.4, -0.01], [811.2029471083413, -0.18820404394437942, 7.378050064859802e-05, 2656.098023349529, -61.23398993807399, 0.218317363853401, -0.002484306837624226]),
    (Put, forward(3000.0), [300.0, 0.02, 1.2, 0.03], [3.6182457371473506e-41, -9.685543125045377e-43, 2.611156416075147e-44, 5.640097858722318e-39, -1.692018502879484e-37, -1.4937022966847275e-40, 4.481077833424807e-39]),
];

#[test]
fn reference_values_are_met() {
    let mut worst = [0.0_f64; 7];
    for (kind, underlying, terms, expected) in REFERENCE {
        let found = values(greeks(kind, underlying, terms));
        for (i, (found, expected)) in found.into_iter().zip(expected).enumerate() {
            let error = (found - expected).abs() / expected.abs();
            worst[i] = worst[i].max(error);
            assert!(
                error <= 1e-12,
                "{} {found} is not {expected}: {error:e} of {kind:?} {underlying:?} {terms:?}",
                NAMES[i]
            );
        }
    }
    println!("greatest relative errors of {NAMES:?}: {worst:?}");
}

#[test]
fn what_is_shown_to_people_is_per_point_and_per_day() {
    let per_year = greeks(Call, spot(100.0, 0.0), [100.0, 1.0, 0.2, 0.05]);
    assert_close(per_year.vega_per_point(), 0.375_240_346_916_937_9, 1e-14);
    assert_close(per_year.theta_per_day(), -6.414_027_546_438_197 / 365.0, 1e-13);
    assert_close(per_year.vanna_per_point(), -0.002_814_302_601_877_034, 1e-12);
    assert_close(per_year.charm_per_day(), -0.065_667_060_710_464_13 / 365.0, 1e-12);
}

/// Price, delta, gamma, vega, theta, vanna, charm.
#[track_caller]
fn assert_values(kind: OptionKind, underlying: Underlying, terms: [f64; 4], expected: [f64; 7]) {
    let found = values(greeks(kind, underlying, terms));
    for ((name, found), expected) in NAMES.into_iter().zip(found).zip(expected) {
        let slack = 1e-15 * expected.abs();
        assert!((found - expected).abs() <= slack, "{name} {found} is not {expected}");
    }
}

#[test]
fn an_expired_option_is_its_payoff() {
    let nothing = [0.0; 7];
    assert_values(Call, spot(110.0, 0.0), [100.0, 0.0, 0.5, 0.0], [10.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert_values(Call, spot(90.0, 0.0), [100.0, 0.0, 0.5, 0.0], nothing);
    assert_values(Put, spot(90.0, 0.0), [100.0, 0.0, 0.5, 0.0], [10.0, -1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert_values(Put, forward(110.0), [100.0, 0.0, 0.5, 0.0], nothing);
    // At the kink half of it; carry and rate earn on that half.
    assert_values(Call, spot(100.0, 0.0), [100.0, 0.0, 0.5, 0.0], [0.0, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert_values(Put, spot(100.0, 0.0), [100.0, -0.0, 0.0, 0.0], [0.0, -0.5, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert_values(
        Call,
        spot(110.0, 0.02),
        [100.0, 0.0, 0.5, 0.04],
        [10.0, 1.0, 0.0, 0.0, 2.2 - 4.0, 0.0, 0.02],
    );
}

#[test]
fn an_option_without_volatility_is_worth_the_forward_over_the_strike() {
    let (rate, carry) = (0.05_f64, 0.02_f64);
    let (paid, lost) = (libm::exp(-rate * 2.0), libm::exp(-carry * 2.0));
    let price = 110.0 * lost - 100.0 * paid;
    let theta = carry * (110.0 * lost) - rate * (100.0 * paid);
    assert_values(
        Call,
        spot(110.0, carry),
        [100.0, 2.0, 0.0, rate],
        [price, lost, 0.0, 0.0, theta, 0.0, carry * lost],
    );
    assert_values(Put, spot(110.0, carry), [100.0, 2.0, 0.0, rate], [0.0; 7]);
    // Where forward and strike are equal vega and vanna still have limits: φ(0) and φ(0)/2 times √T.
    let peak = normal::PEAK * 2.0;
    let limits = [0.0, 0.5, 0.0, 100.0 * peak, 0.0, 0.5 * peak, 0.0];
    assert_values(Call, spot(100.0, 0.0), [100.0, 4.0, 0.0, 0.0], limits);
    let near = values(greeks(Call, spot(100.0, 0.0), [100.0, 4.0, 1e-9, 0.0]));
    for i in [0, 1, 3, 4, 5, 6] {
        assert!((near[i] - limits[i]).abs() < 1e-6, "{} {} is not near {}", NAMES[i], near[i], limits[i]);
    }
}

#[test]
fn limits_of_spot_strike_and_volatility_are_reached() {
    let discount = libm::exp(-0.05_f64);
    assert_values(Call, spot(100.0, 0.0), [0.0, 1.0, 0.5, 0.05], [100.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert_values(Put, spot(100.0, 0.0), [0.0, 1.0, 0.5, 0.05], [0.0; 7]);
    assert_values(Call, spot(0.0, 0.0), [100.0, 1.0, 0.5, 0.05], [0.0; 7]);
    let owed = [100.0 * discount, -1.0, 0.0, 0.0, 5.0 * discount, 0.0, 0.0];
    assert_values(Put, spot(0.0, 0.0), [100.0, 1.0, 0.5, 0.05], owed);
    assert_values(Call, spot(0.0, 0.0), [0.0, 1.0, 0.5, 0.05], [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    // Without end to the volatility a call is worth its underlying and a put its strike.
    for volatility in [1e2, 1e10, 1e200, f64::MAX] {
        let bought = [100.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        assert_values(Call, spot(100.0, 0.0), [120.0, 1.0, volatility, 0.0], bought);
        assert_values(
            Put,
            spot(100.0, 0.0),
            [120.0, 1.0, volatility, 0.0],
            [120.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        );
    }
    // Deep legs.
    assert_values(Call, spot(1e-300, 0.0), [1e300, 1.0, 0.5, 0.0], [0.0; 7]);
    assert_values(Call, spot(1e300, 0.0), [1e-300, 1.0, 0.5, 0.0], [1e300, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert_values(Put, spot(3_000.0, 0.0), [1.0, 1e-9, 0.5, 0.0], [0.0; 7]);
}

#[test]
fn what_is_no_option_is_refused_by_name() {
    let good = contract(Call, spot(100.0, 0.0), [100.0, 1.0, 0.2, 0.05]);
    let refused = |option: Contract| option.greeks().unwrap_err().to_string();
    assert_eq!(refused(Contract { strike: -1.0, ..good }), "strike is -1 and must not be negative");
    assert_eq!(refused(Contract { years: -0.5, ..good }), "time to expiry is -0.5 and must not be negative");
    assert_eq!(refused(Contract { volatility: f64::NAN, ..good }), "volatility is NaN, not a finite number");
    assert_eq!(refused(Contract { rate: f64::INFINITY, ..good }), "rate is inf, not a finite number");
    assert_eq!(
        refused(Contract { underlying: spot(-1.0, 0.0), ..good }),
        "spot price is -1 and must not be negative"
    );
    assert_eq!(
        refused(Contract { underlying: spot(1.0, f64::NAN), ..good }),
        "carry is NaN, not a finite number"
    );
    assert_eq!(
        refused(Contract { underlying: forward(-1.0), ..good }),
        "forward price is -1 and must not be negative"
    );
    let beyond = "price is beyond the range of a floating-point number";
    assert_eq!(refused(Contract { kind: Put, rate: -1_000.0, ..good }), beyond);
    let gamma = contract(Call, spot(1e-200, 0.0), [1e-200, 1.0, 1e-200, 0.0]);
    assert_eq!(refused(gamma), "gamma is beyond the range of a floating-point number");
}

#[test]
fn no_input_whatever_panics_or_gives_a_number_that_is_not_finite() {
    let mut random = Xorshift(1973);
    let plausible = [0.25, 0.8, 100.0, 3_000.0];
    let mut draw = || match random.bits() % 4 {
        0 => f64::from_bits(random.bits()),
        1 => f64::from_bits(random.bits()).abs().min(1e9),
        2 => NASTY[usize::try_from(random.bits()).unwrap() % NASTY.len()],
        _ => plausible[usize::try_from(random.bits()).unwrap() % plausible.len()],
    };
    let mut answered = 0;
    for i in 0..200_000 {
        let (price, carry, terms) = (draw(), draw(), [draw(), draw(), draw(), draw()]);
        let underlying = if i % 2 == 0 { spot(price, carry) } else { forward(price) };
        let kind = if i % 3 == 0 { Call } else { Put };
        let result = contract(kind, underlying, terms).greeks();
        let valid = values_of(underlying, terms).iter().all(|v| v.is_finite())
            && [price, terms[0], terms[1], terms[2]].iter().all(|v| *v >= 0.0);
        match result {
            Ok(found) => {
                assert!(
                    valid && values(found).iter().all(|v| v.is_finite()),
                    "{found:?} {underlying:?} {terms:?}"
                );
                answered += 1;
            }
            Err(ModelError::OutOfRange { .. }) => assert!(valid),
            Err(error) => assert!(!valid, "{error} of {underlying:?} {terms:?}"),
        }
    }
    assert!(answered > 10_000, "only {answered} had an answer");
}

fn values_of(underlying: Underlying, [a, b, c, d]: [f64; 4]) -> [f64; 6] {
    match underlying {
        Underlying::Spot { price, carry } => [price, carry, a, b, c, d],
        Underlying::Forward { price } => [price, 0.0, a, b, c, d],
    }
}

/// A market in which every Greek is of ordinary size, on 1,000 USD.
fn ordinary() -> impl Strategy<Value = (OptionKind, Underlying, [f64; 4])> {
    let kind = prop_oneof![Just(Call), Just(Put)];
    let underlying =
        prop_oneof![(-0.1..0.1_f64).prop_map(|carry| spot(1_000.0, carry)), Just(forward(1_000.0))];
    let terms = (300.0..3_000.0_f64, 0.01..3.0_f64, 0.05..2.0_f64, -0.1..0.1_f64);
    (kind, underlying, terms.prop_map(|(strike, years, volatility, rate)| [strike, years, volatility, rate]))
}

/// `e^(−qT)` and `e^(−rT)`.
fn discounts(option: &Contract) -> (f64, f64) {
    let carry = match option.underlying {
        Underlying::Spot { carry, .. } => carry,
        Underlying::Forward { .. } => option.rate,
    };
    (libm::exp(-carry * option.years), libm::exp(-option.rate * option.years))
}

fn with_price(option: Contract, price: f64) -> Contract {
    let underlying = match option.underlying {
        Underlying::Spot { carry, .. } => spot(price, carry),
        Underlying::Forward { .. } => forward(price),
    };
    Contract { underlying, ..option }
}

/// `step` times the derivative of `f` at `x`, by five points.
fn difference(f: impl Fn(f64) -> f64, x: f64, step: f64) -> f64 {
    (8.0 * (f(x + step) - f(x - step)) - (f(x + 2.0 * step) - f(x - 2.0 * step))) / 12.0
}

/// Steps of price, volatility and time that move `d₁` and `d₂` by 0.01 at most.
fn steps(option: &Contract) -> [f64; 3] {
    let (spot_discount, discount) = discounts(option);
    let distance = libm::log(1_000.0 * spot_discount / (option.strike * discount));
    let deviation = option.volatility * libm::sqrt(option.years);
    let pace = 1.0 + deviation + (distance / deviation).abs() + 0.2 * option.years / deviation;
    [10.0 * deviation.min(1.0), 0.01 * option.volatility / pace, 0.01 * option.years / pace]
}

proptest! {
    #![proptest_config(fixed_seed())]

    #[test]
    fn call_and_put_keep_their_parity((_, underlying, terms) in ordinary()) {
        let (call, put) = (greeks(Call, underlying, terms), greeks(Put, underlying, terms));
        let (spot_discount, discount) = discounts(&contract(Call, underlying, terms));
        let [strike, .., rate] = terms;
        let forward_value = 1_000.0 * spot_discount - strike * discount;
        prop_assert!((call.price - put.price - forward_value).abs() <= 1e-12 * (1_000.0 + strike));
        prop_assert!((call.delta - put.delta - spot_discount).abs() <= 1e-14);
        prop_assert_eq!(call.gamma, put.gamma);
        prop_assert_eq!(call.vega, put.vega);
        prop_assert_eq!(call.vanna, put.vanna);
        let carry = match underlying {
            Underlying::Spot { carry, .. } => carry,
            Underlying::Forward { .. } => rate,
        };
        let theta = carry * 1_000.0 * spot_discount - rate * strike * discount;
        let slack = 1e-13 * (1_000.0 + strike + call.theta.abs());
        prop_assert!((call.theta - put.theta - theta).abs() <= slack);
        prop_assert!((call.charm - put.charm - carry * spot_discount).abs() <= 1e-13 * (1.0 + call.charm.abs()));
    }

    #[test]
    fn every_greek_is_the_difference_it_stands_for((kind, underlying, terms) in ordinary()) {
        let option = contract(kind, underlying, terms);
        let [price_step, volatility_step, time_step] = steps(&option);
        let found = option.greeks().unwrap();
        let moved = |of: fn(Greeks) -> f64| {
            let price = difference(|price| of(with_price(option, price).greeks().unwrap()), 1_000.0, price_step);
            let by_volatility = |volatility| of(Contract { volatility, ..option }.greeks().unwrap());
            let by_time = |years| of(Contract { years, ..option }.greeks().unwrap());
            [
                price,
                difference(by_volatility, option.volatility, volatility_step),
                -difference(by_time, option.years, time_step),
            ]
        };
        let steps = [price_step, volatility_step, time_step];
        let first = [found.delta, found.vega, found.theta];
        let second = [found.gamma, found.vanna, found.charm];
        for i in 0..3 {
            let (price, delta) = (moved(|g| g.price)[i], moved(|g| g.delta)[i]);
            prop_assert!((first[i] * steps[i] - price).abs() <= 1e-9 * 1_000.0, "{} {price}", first[i] * steps[i]);
            prop_assert!((second[i] * steps[i] - delta).abs() <= 1e-9, "{} {delta}", second[i] * steps[i]);
        }
    }

    #[test]
    fn greeks_stay_within_their_bounds((kind, underlying, terms) in ordinary()) {
        let option = contract(kind, underlying, terms);
        let (spot_discount, discount) = discounts(&option);
        let found = option.greeks().unwrap();
        let sign = f64::from(kind as i8);
        let (spot_value, strike_value) = (1_000.0 * spot_discount, option.strike * discount);
        let most = if kind == Call { spot_value } else { strike_value };
        let least = (sign * (spot_value - strike_value)).max(0.0);
        prop_assert!(found.price >= least && found.price <= most * (1.0 + 1e-15));
        prop_assert!((0.0..=spot_discount).contains(&(sign * found.delta)));
        prop_assert!(found.gamma >= 0.0 && found.vega >= 0.0);
    }

    #[test]
    fn prices_rise_with_volatility_and_with_what_the_right_is_worth(
        (kind, underlying, terms) in ordinary(), more in 1.0..2.0_f64,
    ) {
        let option = contract(kind, underlying, terms);
        let worth = |option: Contract| option.greeks().unwrap().price;
        let (price, sign) = (worth(option), f64::from(kind as i8));
        let wilder = worth(Contract { volatility: option.volatility * more, ..option });
        prop_assert!(wilder >= price - 1e-11);
        let dearer = worth(with_price(option, 1_000.0 * more));
        prop_assert!(sign * (dearer - price) >= -1e-11);
        let higher = worth(Contract { strike: option.strike * more, ..option });
        prop_assert!(sign * (higher - price) <= 1e-11);
    }

    #[test]
    fn a_forward_is_a_price_that_carries_the_rate((kind, _, terms) in ordinary()) {
        let [.., rate] = terms;
        prop_assert_eq!(greeks(kind, forward(1_000.0), terms), greeks(kind, spot(1_000.0, rate), terms));
    }
}
