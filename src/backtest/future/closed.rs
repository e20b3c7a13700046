//! What is known in closed form of the paths of a market: moments of the logarithm of the price, and how likely a frictionless
//! CPPI that trades at every step falls through its floor.

use crate::backtest::BacktestError;
use crate::backtest::paths::{History, Jumps, Process};
use crate::domain::models::shortfall::{Market as Diffusion, MertonJumps, over_steps};
use crate::domain::models::{normal, years};

use super::market::Market;
use super::statistics::real;

/// Mean, variance and fourth central moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moments {
    pub(super) mean: f64,
    pub(super) variance: f64,
    pub(super) fourth: f64,
}

/// Jumps in a step beyond which nothing is left of their distribution, over their mean: `P(N ≥ 40 + 3·E[N])` is below 1e-17.
const MOST_JUMPS: f64 = 40.0;

impl Market {
    /// Of `ln S_T/S₀`, where it has a closed form.
    ///
    /// A diffusion: `(μ − σ²/2)·T` and `σ²·T`. With jumps the cumulants add up: `λT·E[Jᵏ]` (Merton 1976; Cont and Tankov 2004,
    /// proposition 3.13).
    pub(super) fn log_moments(&self) -> Option<Moments> {
        let years = self.years();
        match &self.process {
            Process::Gbm { volatility } => {
                let variance = volatility * volatility * years;
                let mean = self.drift * years - 0.5 * variance;
                Some(Moments { mean, variance, fourth: 3.0 * variance * variance })
            }
            Process::Merton { volatility, jumps } => {
                let own = diffusion_variance(*volatility, jumps);
                let expected = jumps.rate * years;
                let (m2, d2) = (jumps.mean * jumps.mean, jumps.deviation * jumps.deviation);
                let mean = (self.drift - 0.5 * own) * years + expected * (jumps.mean - jumps.expected());
                let variance = volatility * volatility * years;
                let excess = expected * (m2 * m2 + 6.0 * m2 * d2 + 3.0 * d2 * d2);
                Some(Moments { mean, variance, fourth: excess + 3.0 * variance * variance })
            }
            Process::Heston(_) | Process::Bootstrap { .. } => None,
        }
    }

    /// Variance of `S_T/S₀` over the square of its mean: `e^(σ²T) − 1` of a diffusion, and with jumps
    /// `exp((σ_d² + λ·E[(e^J − 1)²])·T) − 1`.
    pub(super) fn relative_variance(&self) -> Option<f64> {
        let rate = match &self.process {
            Process::Gbm { volatility } => volatility * volatility,
            Process::Merton { volatility, jumps } => {
                let d2 = jumps.deviation * jumps.deviation;
                let square =
                    libm::exp(2.0 * jumps.mean + 2.0 * d2) - 2.0 * libm::exp(jumps.mean + 0.5 * d2) + 1.0;
                diffusion_variance(*volatility, jumps) + jumps.rate * square
            }
            Process::Heston(_) | Process::Bootstrap { .. } => return None,
        };
        Some(libm::expm1(rate * self.years()))
    }

    /// Probability that the price falls in one step by more than a frictionless CPPI of this multiplier survives, `R < −1/m`;
    /// none where steps are not independent of each other.
    ///
    /// A diffusion: Balder, Brandl and Mahayni 2009. With jumps, given so many of them in the step the logarithm is normal (Merton
    /// 1976), and their number is Poisson's.
    ///
    /// # Errors
    /// A number outside the domain of the formula.
    pub fn step_breach(&self, multiplier: f64) -> Result<Option<f64>, BacktestError> {
        let step = years(self.span.step_seconds);
        match &self.process {
            Process::Gbm { volatility } => {
                let diffusion = Diffusion { drift: self.drift, rate: 0.0, volatility: *volatility };
                Ok(Some(diffusion.breach_probability(multiplier, step)?))
            }
            Process::Merton { volatility, jumps } if multiplier > 1.0 => {
                let own = diffusion_variance(*volatility, jumps);
                let growth = self.drift - 0.5 * own - jumps.rate * jumps.expected();
                let distance = libm::log1p(-1.0 / multiplier) - growth * step;
                Ok(Some(jumped(jumps, step, own * step, distance)))
            }
            Process::Merton { .. } => Ok(Some(0.0)),
            Process::Heston(_) | Process::Bootstrap { .. } => Ok(None),
        }
    }

    /// The same at any step of a path: `1 − (1 − p)ⁿ` of independent steps; of a history, whose blocks are drawn each from any place,
    /// `1 − (1 − f)ᵇ` with `f` the share of places from which a block has such a fall in it.
    ///
    /// # Errors
    /// As [`Market::step_breach`].
    pub fn path_breach(&self, multiplier: f64) -> Result<Option<f64>, BacktestError> {
        if let Process::Bootstrap { history, block } = &self.process {
            let falls: Vec<bool> =
                history.log_returns().map(|r| 1.0 + multiplier * libm::expm1(r) < 0.0).collect();
            let (blocks, rest) = divided(self.span.steps, *block);
            let kept = |length: usize| 1.0 - struck(&falls, length);
            return Ok(Some(1.0 - libm::pow(kept(*block), blocks) * kept(rest)));
        }
        let steps = u32::try_from(self.span.steps).unwrap_or(u32::MAX);
        let step = self.step_breach(multiplier)?;
        Ok(step.map(|step| over_steps(step.min(1.0), steps)).transpose()?)
    }

    /// Probability that a jump alone breaks the floor, were it traded without pause (Cont and Tankov 2009): what
    /// [`Market::path_breach`] comes to as its steps become short. None without jumps.
    ///
    /// # Errors
    /// A number outside the domain of the formula.
    pub fn jump_breach(&self, multiplier: f64) -> Result<Option<f64>, BacktestError> {
        let Process::Merton { jumps: Jumps { rate, mean, deviation }, .. } = self.process else {
            return Ok(None);
        };
        let jumps = MertonJumps { rate, mean, deviation };
        Ok(Some(jumps.loss_probability(multiplier, self.years())?))
    }

    /// A multiplier that breaks its floor on about every second path, so that a sample says most of it; none where no multiplier
    /// does, or nothing is known.
    ///
    /// # Errors
    /// As [`Market::step_breach`].
    pub fn telling_multiplier(&self) -> Result<Option<f64>, BacktestError> {
        let likely = |m: f64| Ok::<_, BacktestError>(self.path_breach(m)?.is_some_and(|p| p >= 0.5));
        let (mut low, mut high) = (0.0, libm::log(MOST_MULTIPLIER));
        if !likely(MOST_MULTIPLIER)? {
            return Ok(None);
        }
        for _ in 0..HALVINGS {
            let middle = 0.5 * (low + high);
            if likely(libm::exp(middle))? { high = middle } else { low = middle }
        }
        // Off the edge where a row of a history just falls far enough.
        Ok(Some(libm::exp(high) * (1.0 + 1e-9)))
    }
}

const MOST_MULTIPLIER: f64 = 1e6;
const HALVINGS: u32 = 60;

fn diffusion_variance(volatility: f64, jumps: &Jumps) -> f64 {
    (volatility * volatility - jumps.variance_rate()).max(0.0)
}

/// `Σ P(N = k)·Φ((distance − k·E[J])/√(variance + k·Var[J]))`.
fn jumped(jumps: &Jumps, years: f64, variance: f64, distance: f64) -> f64 {
    let mean = jumps.rate * years;
    let (mut weight, mut sum, mut k) = (libm::exp(-mean), 0.0, 0.0);
    while k <= MOST_JUMPS + 3.0 * mean {
        let left = distance - k * jumps.mean;
        let spread = libm::sqrt(variance + k * jumps.deviation * jumps.deviation);
        let below = if left >= 0.0 { 1.0 } else { 0.0 };
        sum += weight * if spread > 0.0 { normal::cdf(left / spread) } else { below };
        k += 1.0;
        weight *= mean / k;
    }
    sum
}

/// Mean and variance of a sum over a path of the values of a history's rows.
///
/// Blocks begin at any row with equal probability and go round, so that every row is as likely at every step, and blocks are
/// independent of each other (Politis and Romano 1992): the variance is that of a block's sum, times their number.
pub(super) fn resampled(values: &[f64], steps: usize, block: usize) -> (f64, f64) {
    let rows = real(u64::try_from(values.len()).unwrap_or(u64::MAX));
    let (blocks, rest) = divided(steps, block);
    let mean = values.iter().sum::<f64>() / rows;
    let variance = |length: usize| {
        let expected = mean * real(u64::try_from(length).unwrap_or(u64::MAX));
        let squares = sums(values, length).map(|sum| (sum - expected) * (sum - expected));
        squares.sum::<f64>() / rows
    };
    let steps = real(u64::try_from(steps).unwrap_or(u64::MAX));
    (mean * steps, blocks * variance(block) + variance(rest))
}

/// Share of places from which so many rows have a `true` among them.
fn struck(falls: &[bool], length: usize) -> f64 {
    let ones: Vec<f64> = falls.iter().map(|fall| if *fall { 1.0 } else { 0.0 }).collect();
    let rows = real(u64::try_from(falls.len()).unwrap_or(u64::MAX));
    sums(&ones, length).map(|sum| if sum > 0.5 { 1.0 } else { 0.0 }).sum::<f64>() / rows
}

/// Sums of so many values from each place on, after the last of which comes the first.
fn sums(values: &[f64], length: usize) -> impl Iterator<Item = f64> {
    let mut sum: f64 = values.iter().cycle().take(length).sum();
    values.iter().zip(values.iter().cycle().skip(length)).map(move |(leaves, comes)| {
        let now = sum;
        sum += comes - leaves;
        now
    })
}

/// Whole blocks of a path, and steps of the last one.
fn divided(steps: usize, block: usize) -> (f64, usize) {
    let block = block.max(1);
    let whole = steps.checked_div(block).unwrap_or_default();
    let rest = steps.checked_rem(block).unwrap_or_default();
    (real(u64::try_from(whole).unwrap_or(u64::MAX)), rest)
}

/// A history of a market, and the steps of its blocks.
pub(super) const fn history(market: &Market) -> Option<(&History, usize)> {
    match &market.process {
        Process::Bootstrap { history, block } => Some((history, *block)),
        Process::Gbm { .. } | Process::Merton { .. } | Process::Heston(_) => None,
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "test arithmetic within known bounds")]
mod tests {
    use super::*;
    use crate::backtest::paths::Span;

    fn market(process: Process, drift: f64, steps: u32) -> Market {
        let seconds = 31_536_000 / u64::from(steps);
        let steps = usize::try_from(steps).unwrap();
        Market { process, drift, span: Span { start: 100.0, before: 0, steps, step_seconds: seconds } }
    }

    #[track_caller]
    fn assert_close(a: f64, b: f64, relative: f64) {
        assert!((a - b).abs() <= relative * b.abs(), "{a}, not {b}");
    }

    #[test]
    fn a_diffusion_breaks_as_balder_brandl_and_mahayni_say() {
        // Their rate of 5 % taken off the drift of 8.5 %: what is left of a market in units of the riskless asset.
        for (volatility, multiplier, steps, expected) in [
            (0.2, 12.0, 12, 0.542_959),
            (0.2, 15.0, 12, 0.759_166),
            (0.3, 12.0, 12, 0.876_315),
            (0.8, 8.0, 365, 0.242_758),
        ] {
            let market = market(Process::Gbm { volatility }, 0.035, steps);
            assert_close(market.path_breach(multiplier).unwrap().unwrap(), expected, 1e-5);
        }
        let monthly = market(Process::Gbm { volatility: 0.2 }, 0.035, 12);
        assert_close(monthly.step_breach(12.0).unwrap().unwrap(), 0.063_165_46, 1e-6);
    }

    /// The jumps of the golden values, with hardly any diffusion.
    fn jumpy(deviation_of_diffusion: f64, steps: u32) -> Market {
        let jumps = Jumps { rate: 25.0, mean: -0.03, deviation: 0.06 };
        let volatility = (jumps.variance_rate() + deviation_of_diffusion * deviation_of_diffusion).sqrt();
        market(Process::Merton { volatility, jumps }, 0.0, steps)
    }

    #[test]
    fn jumps_break_as_cont_and_tankov_say_where_steps_are_short() {
        for (multiplier, expected) in
            [(4.0, 2.186_371e-4), (5.0, 0.015_947_95), (6.0, 0.129_845_4), (8.0, 0.651_952_1)]
        {
            let market = jumpy(0.1, 31_536_000);
            assert_close(market.jump_breach(multiplier).unwrap().unwrap(), expected, 1e-6);
            // Seconds: a jump and the diffusion of a second, and hardly ever two jumps, of which a floor that one jump leaves alone
            // would break 400 times as often.
            assert_close(market.path_breach(multiplier).unwrap().unwrap(), expected, 5e-4);
        }
        // In weeks there are two and more of them in a step, and a diffusion beside: the sum over their number in another language.
        assert_close(jumpy(0.2, 52).path_breach(6.0).unwrap().unwrap(), 0.367_623_877_124, 1e-9);
    }

    #[test]
    fn without_jumps_a_jump_diffusion_is_a_diffusion() {
        let none = Jumps { rate: 0.0, mean: -0.1, deviation: 0.1 };
        let [with, without] =
            [Process::Merton { volatility: 0.5, jumps: none }, Process::Gbm { volatility: 0.5 }]
                .map(|process| market(process, 0.1, 52));
        assert_close(
            with.path_breach(9.0).unwrap().unwrap(),
            without.path_breach(9.0).unwrap().unwrap(),
            1e-12,
        );
        let [with_moments, without_moments] = [&with, &without].map(|market| market.log_moments().unwrap());
        assert_close(with_moments.mean, without_moments.mean, 1e-12);
        assert_close(with_moments.variance, without_moments.variance, 1e-12);
        assert_close(with_moments.fourth, without_moments.fourth, 1e-12);
        assert_close(with.relative_variance().unwrap(), without.relative_variance().unwrap(), 1e-12);
    }

    #[test]
    fn a_telling_multiplier_breaks_every_second_path() {
        for market in [market(Process::Gbm { volatility: 0.8 }, 0.0, 365), jumpy(0.2, 52)] {
            let multiplier = market.telling_multiplier().unwrap().unwrap();
            assert_close(market.path_breach(multiplier).unwrap().unwrap(), 0.5, 1e-7);
        }
        assert_eq!(market(Process::Gbm { volatility: 0.0 }, 0.0, 12).telling_multiplier().unwrap(), None);
    }

    #[test]
    fn a_sum_over_resampled_blocks_has_its_mean_and_variance() {
        // Blocks of two of the ring 1, 2, 6: sums 3, 8, 7 about 6; a last block of one about 3.
        let (mean, variance) = resampled(&[1.0, 2.0, 6.0], 5, 2);
        assert_close(mean, 15.0, 1e-12);
        assert_close(variance, 2.0 * 14.0 / 3.0 + 14.0 / 3.0, 1e-12);
        assert_close(struck(&[false, true, false, false], 2), 0.5, 1e-12);
        assert_eq!((struck(&[false, true], 0), struck(&[false, true], 5)), (0.0, 1.0));
    }
}
