//! Heston's stochastic volatility, by the scheme of Andersen.

use crate::backtest::random::Random;

/// `dS = S·√v·dW`, `dv = κ(θ − v)·dt + ξ·√v·dB`, `d⟨W, B⟩ = ρ·dt` (Heston 1993).
///
/// Steps are those of the quadratic-exponential scheme (Andersen 2008, §3.2.4): the variance has its exact conditional mean and
/// variance at every step, and the price is a martingale by the correction of his §4.2, whatever the step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heston {
    /// `κ`, speed at which the variance comes back, per year; above 0.
    pub reversion: f64,
    /// `θ`, variance that it comes back to, per year; above 0.
    pub long_run: f64,
    /// `ξ`, volatility of the variance; above 0.
    pub vol_of_vol: f64,
    /// `ρ`, correlation of price and variance, −1 to 1.
    pub correlation: f64,
    /// `v₀`, variance at the start, per year.
    pub initial: f64,
}

/// `ψ = s²/m²` up to which the variance is taken for a square of a normal number; above it for an exponential one with a mass
/// at zero (Andersen 2008, §3.2.3).
const SWITCH: f64 = 1.5;

/// Constants of a step: `ln S′ = ln S + K₀ + K₁v + K₂v′ + √(K₃(v + v′))·Z` with the central discretisation, `γ₁ = γ₂ = ½`.
struct Step {
    decay: f64,
    /// Variance of `v′` per unit of `v`, and beside it.
    spread: (f64, f64),
    k1: f64,
    k2: f64,
    k3: f64,
}

/// What the variance is drawn from at a step.
enum Next {
    /// `a·(b + Z)²`.
    Square { a: f64, b: f64 },
    /// Zero with probability `p`, beyond it exponential with the rate `β`.
    Tail { p: f64, beta: f64 },
}

impl Heston {
    /// `count` steps of `years`: `ln` of each price over the one before, and the variance at the end.
    pub(super) fn returns(&self, years: f64, count: usize, random: &mut Random) -> (Vec<f64>, f64) {
        let step = self.step(years);
        let mut variance = self.initial;
        let mut returns = Vec::with_capacity(count);
        for _ in 0..count {
            let next = self.next(&step, variance);
            let later = next.draw(random);
            let moved = step.k1 * variance + step.k2 * later;
            let deviation = libm::sqrt((step.k3 * (variance + later)).max(0.0));
            returns.push(self.correction(&step, &next, variance) + moved + deviation * random.normal());
            variance = later;
        }
        (returns, variance)
    }

    /// `E[v]` after `years`.
    #[must_use]
    pub fn expected_variance(&self, years: f64) -> f64 {
        self.long_run + (self.initial - self.long_run) * libm::exp(-self.reversion * years)
    }

    /// `Var[v]` after `years` (Cox, Ingersoll and Ross 1985, equation 19).
    #[must_use]
    pub fn variance_of_variance(&self, years: f64) -> f64 {
        let Self { reversion: kappa, long_run: theta, vol_of_vol: xi, initial, .. } = *self;
        let decay = libm::exp(-kappa * years);
        let passed = 1.0 - decay;
        xi * xi / kappa * (initial * decay * passed + 0.5 * theta * passed * passed)
    }

    /// `E[∫v]` over `years`.
    #[must_use]
    pub fn expected_total(&self, years: f64) -> f64 {
        let passed = -libm::expm1(-self.reversion * years) / self.reversion;
        self.long_run * years + (self.initial - self.long_run) * passed
    }

    fn step(&self, years: f64) -> Step {
        let Self { reversion: kappa, long_run: theta, vol_of_vol: xi, correlation: rho, .. } = *self;
        let decay = libm::exp(-kappa * years);
        let passed = 1.0 - decay;
        let own = 0.5 * years * (kappa * rho / xi - 0.5);
        Step {
            decay,
            spread: (xi * xi * decay * passed / kappa, theta * xi * xi * passed * passed / (2.0 * kappa)),
            k1: own - rho / xi,
            k2: own + rho / xi,
            k3: 0.5 * years * (1.0 - rho * rho),
        }
    }

    fn next(&self, step: &Step, variance: f64) -> Next {
        let mean = self.long_run + (variance - self.long_run) * step.decay;
        let spread = step.spread.0 * variance + step.spread.1;
        let psi = spread / (mean * mean);
        if psi <= SWITCH {
            let twice = 2.0 / psi;
            let square = twice - 1.0 + libm::sqrt(twice * (twice - 1.0));
            Next::Square { a: mean / (1.0 + square), b: libm::sqrt(square) }
        } else {
            let p = (psi - 1.0) / (psi + 1.0);
            Next::Tail { p, beta: (1.0 - p) / mean }
        }
    }

    /// `K₀` that makes the step a martingale: `−ln E[exp(A·v′)] − (K₁ + K₃/2)·v` with `A = K₂ + K₃/2` (Andersen 2008, §4.2).
    /// Where that expectation is infinite, which takes a correlation above zero and steps that are far too long, the one of the
    /// continuous process, `−ρκθ·Δ/ξ`.
    fn correction(&self, step: &Step, next: &Next, variance: f64) -> f64 {
        let a_star = step.k2 + 0.5 * step.k3;
        let log_mean = match *next {
            Next::Square { a, b } => {
                let left = 1.0 - 2.0 * a_star * a;
                (left > 0.0).then(|| a_star * b * b * a / left - 0.5 * libm::log(left))
            }
            Next::Tail { p, beta } => {
                (a_star < beta).then(|| libm::log(p + beta * (1.0 - p) / (beta - a_star)))
            }
        };
        let own = (step.k1 + 0.5 * step.k3) * variance;
        let plain = || self.correlation * self.long_run * libm::log(step.decay) / self.vol_of_vol;
        log_mean.map_or_else(plain, |log_mean| -log_mean - own)
    }
}

impl Next {
    fn draw(&self, random: &mut Random) -> f64 {
        match *self {
            Self::Square { a, b } => {
                let root = b + random.normal();
                a * root * root
            }
            Self::Tail { p, beta } => {
                let uniform = random.uniform();
                if uniform <= p { 0.0 } else { libm::log((1.0 - p) / (1.0 - uniform)) / beta }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feller's condition fails by far: the variance reaches zero again and again.
    const WILD: Heston =
        Heston { reversion: 1.0, long_run: 0.64, vol_of_vol: 2.0, correlation: -0.6, initial: 0.9 };
    const CALM: Heston =
        Heston { reversion: 4.0, long_run: 0.5, vol_of_vol: 0.6, correlation: 0.4, initial: 0.3 };

    /// `ln S` and `v` after `years` in so many steps, of each path.
    fn ends(heston: &Heston, years: f64, steps: u32, paths: u32) -> Vec<(f64, f64)> {
        let end = |number: u32| {
            let mut random = Random::stream(17, u64::from(number));
            let count = usize::try_from(steps).unwrap();
            let (returns, variance) = heston.returns(years / f64::from(steps), count, &mut random);
            (returns.iter().sum(), variance)
        };
        (0..paths).map(end).collect()
    }

    /// Mean of a sample less what it is to be, in standard errors.
    fn off(sample: impl Iterator<Item = f64>, expected: f64) -> f64 {
        let sample: Vec<f64> = sample.collect();
        let n = sample.iter().fold(0.0, |n, _| n + 1.0);
        let mean = sample.iter().sum::<f64>() / n;
        let variance = sample.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
        (mean - expected) / (variance / n).sqrt()
    }

    /// `ln E[S²]` of a price that starts at one: the Riccati equations of the affine process, `D′ = ½ξ²D² + (2ρξ − κ)D + 1` and
    /// `C′ = κθD`, by the method of Runge and Kutta.
    fn log_second_moment(heston: &Heston, years: f64) -> f64 {
        let Heston { reversion, long_run, vol_of_vol: xi, correlation, initial } = *heston;
        let slope = |d: f64| 0.5 * xi * xi * d * d + (2.0 * correlation * xi - reversion) * d + 1.0;
        let (mut c, mut d) = (0.0, 0.0);
        let h = years / 1_000.0;
        for _ in 0..1_000 {
            let k1 = slope(d);
            let k2 = slope(d + 0.5 * h * k1);
            let k3 = slope(d + 0.5 * h * k2);
            let k4 = slope(d + h * k3);
            c += h * reversion * long_run * (d + h * (k1 + k2 + k3) / 6.0);
            d += h * (k1 + 2.0 * k2 + 2.0 * k3 + k4) / 6.0;
        }
        c + d * initial
    }

    /// Of variance, its square, the price and its logarithm, how far the sample is off.
    fn all_off(heston: &Heston, years: f64, ends: &[(f64, f64)]) -> [f64; 4] {
        let variance = heston.expected_variance(years);
        let squares = variance * variance + heston.variance_of_variance(years);
        [
            off(ends.iter().map(|end| end.1), variance),
            off(ends.iter().map(|end| end.1 * end.1), squares),
            off(ends.iter().map(|end| end.0.exp()), 1.0),
            off(ends.iter().map(|end| end.0), -0.5 * heston.expected_total(years)),
        ]
    }

    #[test]
    fn price_and_variance_have_the_moments_of_the_process_in_few_steps_as_in_many() {
        let years = 0.25;
        for (heston, steps) in [(WILD, 5), (WILD, 50), (CALM, 5), (CALM, 50)] {
            let all = all_off(&heston, years, &ends(&heston, years, steps, 20_000));
            assert!(
                all.iter().all(|off| off.abs() < 3.0),
                "{all:?} standard errors, {steps} steps of {heston:?}"
            );
        }
        for heston in [WILD, CALM] {
            let ends = ends(&heston, years, 50, 20_000);
            let second = log_second_moment(&heston, years).exp();
            let off = off(ends.iter().map(|end| (2.0 * end.0).exp()), second);
            assert!(off.abs() < 3.0, "S squared is {off} standard errors off: {heston:?}");
        }
    }

    #[test]
    fn the_variance_is_never_below_zero_and_often_zero_where_it_is_wild() {
        let (mut zeros, mut all) = (0_u32, 0_u32);
        for (_, variance) in ends(&WILD, 1.0, 100, 2_000) {
            assert!(variance >= 0.0);
            zeros += u32::from(variance == 0.0);
            all += 1;
        }
        assert!((100..1_000).contains(&zeros), "{zeros} of {all}");
    }
}
