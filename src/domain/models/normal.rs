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
