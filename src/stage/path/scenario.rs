//! The built-in paths: 36 hours in steps of one minute, the same on every machine.
//!
//! A path goes through given points exactly; between them it is a Brownian bridge in the logarithm, from the
//! generator xorshift64* (Vigna, 2016) with a fixed seed.

use clap::ValueEnum;
use rust_decimal::{Decimal, prelude::FromPrimitive, prelude::ToPrimitive};

use super::Tick;

/// A built-in path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// −45 % in 36 hours, −12 % of it in one hour, while gas rises tenfold.
    Crash,
    /// +40 % in 36 hours with pullbacks.
    Rally,
    /// Sideways within about ±5 %, ending where it began.
    Chop,
}

/// Hours from the start, and the value there as a multiple of the first.
type Points = &'static [(u32, f64)];

/// Everything that shapes one path.
struct Shape {
    prices: Points,
    base_fees: Points,
    /// Standard deviation of the logarithm of the price per minute.
    volatility: f64,
    seed: u64,
}

const FIRST_PRICE: f64 = 3_000.0;
/// Wei per gas.
const FIRST_BASE_FEE: f64 = 20e9;
const MINUTES_PER_HOUR: u32 = 60;
/// Standard deviation of the logarithm of the base fee per minute.
const BASE_FEE_VOLATILITY: f64 = 0.01;

const CRASH: Shape = Shape {
    prices: &[
        (0, 1.0),
        (6, 1.02),
        (12, 0.95),
        (17, 0.865),
        (18, 0.86),
        (19, 0.7568),
        (20, 0.775),
        (24, 0.72),
        (30, 0.60),
        (36, 0.55),
    ],
    base_fees: &[
        (0, 1.0),
        (12, 1.5),
        (17, 3.0),
        (18, 5.0),
        (19, 10.0),
        (21, 7.0),
        (24, 4.0),
        (30, 3.0),
        (36, 2.0),
    ],
    volatility: 0.0010,
    seed: 0x1BAD_5EED_0000_0001,
};

const RALLY: Shape = Shape {
    prices: &[(0, 1.0), (8, 1.10), (12, 1.07), (20, 1.22), (24, 1.19), (32, 1.37), (36, 1.40)],
    base_fees: &[(0, 1.0), (12, 1.6), (24, 2.5), (36, 1.5)],
    volatility: 0.0008,
    seed: 0x1BAD_5EED_0000_0002,
};

const CHOP: Shape = Shape {
    prices: &[
        (0, 1.0),
        (4, 1.04),
        (8, 0.97),
        (12, 1.03),
        (16, 0.96),
        (20, 1.035),
        (24, 0.965),
        (28, 1.03),
        (32, 0.97),
        (36, 1.0),
    ],
    base_fees: &[(0, 1.0), (18, 1.25), (36, 1.0)],
    volatility: 0.0008,
    seed: 0x1BAD_5EED_0000_0003,
};

impl Scenario {
    /// Its 2,160 steps, the first at `start` (unix seconds); prices in whole cents.
    #[must_use]
    pub fn path(self, start: u64) -> Vec<Tick> {
        let shape = match self {
            Self::Crash => CRASH,
            Self::Rally => RALLY,
            Self::Chop => CHOP,
        };
        let mut random = Xorshift(shape.seed);
        let prices = bridge(shape.prices, shape.volatility, &mut random);
        let base_fees = bridge(shape.base_fees, BASE_FEE_VOLATILITY, &mut random);
        let minutes = (0_u64..).map(|minute| start.saturating_add(minute.saturating_mul(60)));
        minutes
            .zip(prices.iter().zip(&base_fees))
            .filter_map(|(timestamp, (price, base_fee))| {
                tick(timestamp, price * FIRST_PRICE, base_fee * FIRST_BASE_FEE)
            })
            .collect()
    }
}

fn tick(timestamp: u64, price: f64, base_fee: f64) -> Option<Tick> {
    let base_fee = Decimal::from_f64(base_fee)?.to_u128()?;
    Some(Tick { timestamp, price: Decimal::from_f64(price)?.round_dp(2), base_fee })
}

/// Values from the first point to the last, one per minute, without the very last: 60 per hour.
fn bridge(points: Points, volatility: f64, random: &mut Xorshift) -> Vec<f64> {
    let mut values = Vec::new();
    for (&(from, start), &(to, end)) in points.iter().zip(points.iter().skip(1)) {
        let minutes = to.saturating_sub(from).saturating_mul(MINUTES_PER_HOUR);
        let noise: Vec<f64> = (0..minutes).map(|_| volatility * random.normal()).collect();
        let drift = (libm::log(end / start) - noise.iter().sum::<f64>()) / f64::from(minutes);
        let mut logarithm = libm::log(start);
        for step in noise {
            values.push(libm::exp(logarithm));
            logarithm += drift + step;
        }
    }
    values
}

/// The generator xorshift64* (Vigna, 2016, "An experimental exploration of Marsaglia's xorshift generators").
struct Xorshift(u64);

impl Xorshift {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Uniform in [0, 1), from the upper 32 bits.
    fn uniform(&mut self) -> f64 {
        let upper = u32::try_from(self.next() >> 32).unwrap_or_default();
        f64::from(upper) / 4_294_967_296.0
    }

    /// Nearly standard normal: the sum of twelve uniforms less six (Irwin, 1927; Hall, 1927).
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::path::{DEFAULT_STEPS, Summary, summary};

    fn figures(scenario: Scenario) -> Summary {
        let path = scenario.path(1_700_000_000);
        assert_eq!(path.len(), DEFAULT_STEPS);
        assert!(path.windows(2).all(|pair| pair[1].timestamp.checked_sub(pair[0].timestamp) == Some(60)));
        summary(&path).unwrap()
    }

    fn assert_near(value: f64, expected: f64, tolerance: f64) {
        assert!((value - expected).abs() <= tolerance, "{value} is not {expected} ± {tolerance}");
    }

    #[test]
    fn the_crash_falls_45_percent_with_a_12_percent_hour_while_gas_rises_tenfold() {
        let crash = figures(Scenario::Crash);
        println!("{crash:?}");
        assert_near(crash.final_return, -0.45, 0.001);
        assert_near(crash.worst_hour, -0.12, 0.01);
        assert_near(crash.gas_ratio, 10.0, 0.5);
    }

    #[test]
    fn the_rally_gains_40_percent_without_a_bad_hour() {
        let rally = figures(Scenario::Rally);
        println!("{rally:?}");
        assert_near(rally.final_return, 0.40, 0.002);
        assert!(rally.worst_hour > -0.05);
        assert!(rally.gas_ratio < 4.0);
    }

    #[test]
    fn the_chop_ends_where_it_began() {
        let chop = figures(Scenario::Chop);
        println!("{chop:?}");
        assert_near(chop.final_return, 0.0, 0.002);
        assert!(chop.worst_hour > -0.05);
        let prices: Vec<f64> = Scenario::Chop.path(0).iter().filter_map(|tick| tick.price.to_f64()).collect();
        assert!(prices.iter().all(|price| (2_700.0..3_300.0).contains(price)));
    }

    #[test]
    fn a_scenario_is_the_same_every_time_and_starts_when_told() {
        assert_eq!(Scenario::Crash.path(60), Scenario::Crash.path(60));
        assert_eq!(Scenario::Crash.path(60).first().unwrap().timestamp, 60);
    }

    #[test]
    fn the_generator_gives_the_published_sequence() {
        // First outputs of xorshift64* from state 1.
        let mut random = Xorshift(1);
        assert_eq!(random.next(), 5_180_492_295_206_395_165);
    }
}
