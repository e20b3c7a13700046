//! The standard normal distribution.

use core::f64::consts::{PI, SQRT_2};

/// Probability that a standard normal variable is at most `x`: `Φ(x) = erfc(−x/√2)/2`, accurate in both tails.
#[must_use]
pub fn cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x / SQRT_2)
}

/// Density of the standard normal distribution at `x`: `exp(−x²/2)/√(2π)`.
#[must_use]
pub fn pdf(x: f64) -> f64 {
    libm::exp(-0.5 * x * x) / libm::sqrt(2.0 * PI)
}

/// Where [`cdf`] is `probability`, above 0 and below 1: Newton's method on `ln Φ`, which is concave, so that from
/// `Φ(x) ≤ e^(−x²/2)/2` on its left it only ever rises to the root.
#[must_use]
pub fn quantile(probability: f64) -> f64 {
    let tail = probability.min(1.0 - probability);
    let mut x = -libm::sqrt((-2.0 * libm::log(2.0 * tail)).max(0.0));
    for _ in 0..QUANTILE_STEPS {
        let step = (libm::log(tail) - libm::log(cdf(x))) * mills(-x);
        x = (x + step).min(0.0);
        if step.abs() <= 1e-15 * x.abs() {
            break;
        }
    }
    if probability > 0.5 { -x } else { x }
}

/// Newton takes four to seven from its start, for any probability from 1e-299 on.
const QUANTILE_STEPS: u32 = 12;

/// Density at zero, `1/√(2π)`.
pub(super) const PEAK: f64 = 0.398_942_280_401_432_7;

/// Numerator of [`mills`], lowest power first.
const MILLS_NUMERATOR: [f64; 12] = [
    1.2533141373155003,
    2.150407282842601,
    1.8227958963879194,
    0.9892198303876817,
    0.37755439977775146,
    0.10550330985000102,
    0.021846953580380038,
    0.0033171597489896724,
    0.00035519748828067297,
    2.4435334956438683e-5,
    8.331877225396954e-7,
    0.0,
];

/// Denominator of [`mills`], lowest power first.
const MILLS_DENOMINATOR: [f64; 12] = [
    1.0,
    2.513661331221019,
    2.9599922704910986,
    2.1601462172850922,
    1.0883331961315132,
    0.398699289523483,
    0.10877159894646458,
    0.022200484692942547,
    0.0033415950839487014,
    0.00035603067600319994,
    2.4435334956438707e-5,
    8.331877225396954e-7,
];

/// Mills' ratio `Φ(−x)/φ(x)` for `x` of 0 to 1e20 (Mills 1926): the tail of a distribution whose density is at hand,
/// without a second exponential and accurate however far out.
///
/// One rational function over the whole half-line, least in its greatest relative error (Lawson's iteration on 88
/// Chebyshev points of `(x − 3)/(x + 3)`, in 120 digits by mpmath): 1.2e-17 before rounding. All coefficients are
/// positive, so nothing cancels.
pub(super) fn mills(x: f64) -> f64 {
    polynomial(&MILLS_NUMERATOR, x) / polynomial(&MILLS_DENOMINATOR, x)
}

/// By Estrin's scheme (1960), whose products do not wait for each other as Horner's do.
fn polynomial(coefficients: &[f64; 12], x: f64) -> f64 {
    let [c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11] = coefficients;
    let square = x * x;
    let fourth = square * square;
    let low = (c0 + c1 * x) + (c2 + c3 * x) * square;
    let middle = (c4 + c5 * x) + (c6 + c7 * x) * square;
    let high = (c8 + c9 * x) + (c10 + c11 * x) * square;
    low + (middle + high * fourth) * fourth
}

#[cfg(test)]
mod tests {
    use super::super::testing::assert_close;
    use super::*;

    #[test]
    fn known_quantiles_and_tails_are_met() {
        assert_close(cdf(1.0), 0.841_344_746_068_542_9, 1e-15);
        assert_close(cdf(-1.959_963_984_540_054), 0.025, 1e-14);
        assert_close(cdf(-10.0), 7.619_853_024_160_527e-24, 1e-13);
        assert_close(cdf(-37.0), 5.725_571_222_524_2e-300, 1e-12);
        assert_close(pdf(0.0), 0.398_942_280_401_432_7, 1e-15);
        assert_close(pdf(2.0), 0.053_990_966_513_188_06, 1e-15);
    }

    /// `Φ(−x)/φ(x)` by mpmath with 50 digits.
    const MILLS: [(f64, f64); 10] = [
        (0.0, 1.2533141373155003),
        (0.25, 1.0378245758537268),
        (0.5, 0.8763644564536923),
        (1.0, 0.6556795424187984),
        (2.0, 0.4213692292880545),
        (5.0, 0.19280810471531576),
        (7.5, 0.13107935580449176),
        (12.0, 0.08276628650136918),
        (30.0, 0.03329641907249721),
        (1500.0, 0.0006666663703707654),
    ];

    #[test]
    fn the_ratio_of_tail_and_density_is_met_however_far_out() {
        for (x, expected) in MILLS {
            assert_close(mills(x), expected, 1.5e-15);
        }
        // Far out both are as exact as the exponent of the density, which reaches 700.
        for i in 0..=3_700 {
            let x = f64::from(i) / 100.0;
            assert_close(mills(x) * pdf(x), cdf(-x), 5e-13);
        }
    }

    #[test]
    fn the_quantile_is_where_the_distribution_is() {
        assert_close(quantile(0.975), 1.959_963_984_540_054, 1e-14);
        assert_close(quantile(0.25), -0.674_489_750_196_081_7, 1e-14);
        assert_close(quantile(1e-20), -9.262_340_089_798_408, 1e-14);
        assert_eq!(quantile(0.5), 0.0);
        for i in 1..=299 {
            let tail = libm::exp10(-f64::from(i));
            assert_close(cdf(quantile(tail)), tail, 2e-12);
            let middle = f64::from(i) / 300.0;
            assert_close(cdf(quantile(middle)), middle, 1e-15);
            assert_eq!(quantile(1.0 - middle), -quantile(1.0 - (1.0 - middle)));
        }
    }

    #[test]
    fn limits_are_reached() {
        assert_eq!((cdf(0.0), cdf(f64::INFINITY), cdf(f64::NEG_INFINITY)), (0.5, 1.0, 0.0));
        assert_eq!((pdf(f64::INFINITY), pdf(f64::MIN)), (0.0, 0.0));
    }

    #[test]
    fn the_density_is_the_slope_of_the_distribution() {
        for i in -40..=40 {
            let x = f64::from(i) / 10.0;
            let slope = (cdf(x + 1e-5) - cdf(x - 1e-5)) / 2e-5;
            assert!((slope - pdf(x)).abs() < 1e-9, "at {x}: {slope} against {}", pdf(x));
        }
    }
}
