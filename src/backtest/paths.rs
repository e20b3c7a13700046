//! Generated prices: geometric Brownian motion, jumps, a volatility that moves by itself, and blocks of a recorded history. A
//! path is known by its seed and number alone, so every contestant sees the same one.

mod heston;
mod history;

pub use heston::Heston;
pub use history::History;

use super::random::Random;
use crate::domain::models::years;

/// How prices move. All but a history are martingales: nobody earns anything by waiting.
#[derive(Debug, Clone)]
pub enum Process {
    /// Geometric Brownian motion.
    Gbm {
        /// Annualised volatility.
        volatility: f64,
    },
    /// Jumps on top (Merton 1976); `ln` of a jump's factor is normal.
    Merton {
        /// Annualised volatility, jumps included.
        volatility: f64,
        /// How prices jump.
        jumps: Jumps,
    },
    /// A variance that moves by itself (Heston 1993).
    Heston(Heston),
    /// Blocks of a recorded history, each from a place of its own (circular block bootstrap: Politis and Romano 1992).
    Bootstrap {
        /// What is drawn from.
        history: History,
        /// Steps of a block.
        block: usize,
    },
}

/// Jumps of a price.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jumps {
    /// Jumps per year.
    pub rate: f64,
    /// Mean of `ln` of a jump's factor.
    pub mean: f64,
    /// Its standard deviation.
    pub deviation: f64,
}

/// One step of a path, in a history one row; an hour where nothing else is said.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Hour {
    /// `ln` of the price over the price before.
    log_return: f64,
    /// Wei per gas.
    gas_price: u64,
}

/// What a path is to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// Price at the start, USD.
    pub start: f64,
    /// Steps before the start, for what is estimated from the past.
    pub before: usize,
    /// Steps after it.
    pub steps: usize,
    /// Seconds of a step.
    pub step_seconds: u64,
}

/// One moment of a path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// Price, USD.
    pub price: f64,
    /// Wei per gas that the history had then; 0 where the process has none.
    pub gas_price: u64,
}

/// A path: the past of its start, then start and every step.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// Oldest first; the start is not among them.
    pub past: Vec<Moment>,
    /// The start and what follows.
    pub moments: Vec<Moment>,
    /// Variance per year that the process has come to, where it moves by itself.
    pub variance: Option<f64>,
}

impl Process {
    /// The path of this number under `seed`.
    #[must_use]
    pub fn path(&self, span: &Span, seed: u64, number: u64) -> Path {
        let mut random = Random::stream(seed, number);
        let (hours, variance) = self.hours(span, &mut random);
        let (past, future) = hours.split_at(span.before.min(hours.len()));
        // Backwards from the start, so that it is at its price whatever came before.
        let mut price = span.start;
        let mut before: Vec<Moment> = past.iter().rev().fold(Vec::new(), |mut moments, hour| {
            price /= libm::exp(hour.log_return);
            moments.push(Moment { price, gas_price: hour.gas_price });
            moments
        });
        before.reverse();
        let mut price = span.start;
        let first = past.last().or(future.first()).map_or(0, |hour| hour.gas_price);
        let start = Moment { price, gas_price: first };
        let after = future.iter().map(|hour| {
            price *= libm::exp(hour.log_return);
            Moment { price, gas_price: hour.gas_price }
        });
        Path { past: before, moments: std::iter::once(start).chain(after).collect(), variance }
    }

    /// Every step of a path, past first, and the variance at its end.
    fn hours(&self, span: &Span, random: &mut Random) -> (Vec<Hour>, Option<f64>) {
        let count = span.before.saturating_add(span.steps);
        let years = years(span.step_seconds);
        let hours = match self {
            Self::Heston(heston) => {
                let (returns, variance) = heston.returns(years, count, random);
                let hour = |log_return| Hour { log_return, gas_price: 0 };
                return (returns.into_iter().map(hour).collect(), Some(variance));
            }
            Self::Gbm { volatility } => diffusion(*volatility, years, count, random),
            Self::Merton { volatility, jumps } => {
                let own = libm::sqrt((volatility * volatility - jumps.variance_rate()).max(0.0));
                let mut hours = diffusion(own, years, count, random);
                for hour in &mut hours {
                    hour.log_return += jumps.of(years, random);
                }
                hours
            }
            Self::Bootstrap { history, block } => {
                let mut drawn = Vec::with_capacity(count);
                while drawn.len() < count && !history.is_empty() {
                    let from = random.below(history.len());
                    let left = count.saturating_sub(drawn.len());
                    drawn.extend(history.block(from, (*block).max(1).min(left)));
                }
                drawn
            }
        };
        (hours, None)
    }
}

/// Steps of a martingale without jumps.
fn diffusion(volatility: f64, years: f64, count: usize, random: &mut Random) -> Vec<Hour> {
    let deviation = volatility * libm::sqrt(years);
    let mean = -0.5 * volatility * volatility * years;
    (0..count).map(|_| Hour { log_return: mean + deviation * random.normal(), gas_price: 0 }).collect()
}

impl Jumps {
    /// Variance per year that jumps bring to the logarithm.
    #[must_use]
    pub fn variance_rate(&self) -> f64 {
        self.rate * (self.mean * self.mean + self.deviation * self.deviation)
    }

    /// Expected relative move of the price in one jump: `E[e^J] − 1`.
    #[must_use]
    pub fn expected(&self) -> f64 {
        libm::expm1(self.mean + 0.5 * self.deviation * self.deviation)
    }

    /// What a step of `years` jumps, less what keeps the price a martingale.
    fn of(&self, years: f64, random: &mut Random) -> f64 {
        let count = random.poisson(self.rate * years);
        let jumped: f64 = (0..count).map(|_| self.mean + self.deviation * random.normal()).sum();
        jumped - self.rate * years * self.expected()
    }
}

impl Path {
    /// Annualised volatility of the last `count` steps of its past; 0 where there is none.
    #[must_use]
    pub fn trailing_volatility(&self, count: usize, step_seconds: u64) -> f64 {
        let start = self.moments.first();
        let prices: Vec<f64> =
            self.past.iter().chain(start).rev().take(count.saturating_add(1)).map(|m| m.price).collect();
        let squares = prices.iter().zip(prices.iter().skip(1)).map(|(later, earlier)| {
            let log_return = libm::log(later / earlier);
            log_return * log_return
        });
        let (sum, seconds) =
            squares.fold((0.0, 0_u64), |(sum, seconds), s| (sum + s, seconds.saturating_add(step_seconds)));
        if seconds == 0 { 0.0 } else { libm::sqrt(sum / years(seconds)) }
    }
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "test arithmetic within known bounds")]
mod tests;
