//! Between what penalty and pace of a drift surely lie where the position is known but nearly.
//!
//! Let the cushion be off by at most `ε` USD, the target by `η` units, `S·η ≥ m·ε`, and the multiplier by [`MULTIPLIER`] of one and
//! itself. With less than the target held the penalty depends on neither. With more, `ES(E) − ES(E*)` is off by no more than
//!
//! ```text
//! (2ε + Sη)·(λ·max(1, μ) + p/τ)        p = exp(−d²/2) ≥ Φ(−d₂)        d = (C/E)/(σ√τ) − σ√τ/2 ≤ d₂
//! ```
//!
//! for `|∂ES/∂C| ≤ λ + Φ(−d₂)/τ` and `0 ≤ ∂ES/∂E ≤ λμ + Φ(−d₂)/τ`, see [`GapRisk::shortfall_rate`] (of a put `P(E, E − C)` both
//! derivatives are differences of two probabilities, the greater of them `Φ(−d₂)`, and `−ln(1 − x) ≥ x`).
//!
//! The outer edge `Y₁` falls with the penalty at most as its cube root, so the time `θ` and the deviation `σE√θ` of [`Cppi`] do not
//! move by more than half of what the penalty does, and with them and the kink the argument `x` of its weight `w = Φ(x)` by `Δ`. Since
//! `(ln Φ)′ ≤ 1 + max(0, −x)`, `w` changes by no more than the factor `exp(g)`, `g = Δ·(1 + max(0, Δ − x))`.

use super::super::cppi::{Cppi, Sensitivity};
use super::super::shortfall::GapRisk;
use super::{Pace, Response, Tracked, penalty};

/// How far what is said of a position may be off what it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Leeway {
    /// Of the cushion, and of floor and reserve together, USD.
    pub cushion: f64,
    /// Of the target, units; at least what the cushion moves it.
    pub target: f64,
}

/// Two numbers that another one lies between.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Between {
    pub(super) least: f64,
    pub(super) most: f64,
}

/// Part of one and itself that a multiplier is off: it is rounded to twelve places.
const MULTIPLIER: f64 = 2e-12;
/// What is further apart than this many times the leeway of a multiplier is so for certain, and to the part [`ROUNDING`] known.
const CLEAR: f64 = 1e7;
/// More than all roundings of numbers that do not cancel.
const ROUNDING: f64 = 1e-6;
/// Part of an expected shortfall that is lost where two of them cancel.
const CANCELLED: f64 = 1e-13;
/// More than the normal distribution has 39 deviations below its mean.
const NOTHING: f64 = 1e-300;
const NOTHING_BELOW: f64 = -39.0;
/// Up to here half of what the penalty changes by is more than what its cube root does.
const MOST_STRETCH: f64 = 0.2;
/// A weight that grows by no more in its logarithm grows by no more than 1.3 times that.
const MOST_GROWN: f64 = 0.5;

impl Leeway {
    /// Of decimals that are `held` and aimed at as the nearest doubles.
    #[must_use]
    pub fn of_decimals(held: f64, target: f64) -> Self {
        Self { cushion: 0.0, target: 4e-16 * held.max(target) }
    }
}

impl Between {
    const fn just(number: f64) -> Self {
        Self { least: number, most: number }
    }

    fn wider(self, part: f64) -> Self {
        Self { least: self.least * (1.0 - part), most: self.most * (1.0 + part) }
    }
}

impl Tracked {
    /// What is held beyond the target, the nearest and the furthest that it may be, units; `None` where the side is not certain.
    pub(super) fn drift(&self, leeway: &Leeway) -> Option<Between> {
        let drift = (self.holding.units - self.target).abs();
        let between = Between { least: drift - leeway.target, most: drift + leeway.target };
        (between.least > 0.0).then_some(between)
    }

    /// `c` and `s²` of a `drift`; `None` where they may be anything.
    pub(super) fn around(&self, pace: &Pace, leeway: &Leeway, drift: Between) -> Option<(Between, Between)> {
        if leeway.cushion == 0.0 {
            return Some((Between::just(pace.penalty), Between::just(pace.variance_rate)));
        }
        let Response::Cppi(cppi) = self.response else { return None };
        let penalties = self.penalties(pace.penalty, leeway, drift)?;
        let (up, down) = (penalties.most / pace.penalty - 1.0, 1.0 - penalties.least / pace.penalty);
        let stretch = 0.5 * up.max(down) + ROUNDING;
        let slopes =
            (stretch <= MOST_STRETCH).then(|| cppi.slopes(&pace.sensitivity, leeway.cushion, stretch))??;
        let speed = self.holding.units * self.holding.volatility;
        let variances = Between { least: slopes.least * speed * speed, most: slopes.most * speed * speed };
        Some((penalties, variances.wider(ROUNDING)))
    }

    fn penalties(&self, found: f64, leeway: &Leeway, drift: Between) -> Option<Between> {
        if self.holding.units < self.target {
            return Some(Between::just(found));
        }
        let price = self.holding.price;
        let plain = penalty(self.aversion, self.nav, self.holding.volatility * price).ok()?;
        let (exposure, moved) = (self.holding.units * price, leeway.target * price);
        let steepness = self.gap.steepness(exposure + moved, self.cushion - leeway.cushion);
        let off = self.floor_weight * steepness * (2.0 * leeway.cushion + moved + CANCELLED * exposure);
        let middle = self.holding.units - self.target;
        let floor = (found - plain) * middle * middle;
        let most = plain + (floor + off) / (drift.least * drift.least);
        let least = plain + (floor - off).max(0.0) / (drift.most * drift.most);
        Some(Between { least, most }.wider(ROUNDING))
    }
}

impl GapRisk {
    /// More than the expected shortfall changes with exposure or cushion, a year, up to an `exposure` and down to a `cushion`.
    fn steepness(&self, exposure: f64, cushion: f64) -> f64 {
        let deviation = self.volatility * libm::sqrt(self.interval);
        let distance = cushion / exposure / deviation - 0.5 * deviation;
        let reached = if distance > 0.0 { libm::exp(-0.5 * distance * distance) } else { 1.0 };
        self.jump_rate * self.jump_mean.max(1.0) + reached / self.interval
    }
}

impl Cppi {
    /// `w·(m − 1)² + (1 − w)·(cap − 1)²` where the cushion is `off` USD off and its deviation the part `stretch` of itself.
    fn slopes(&self, found: &Sensitivity, off: f64, stretch: f64) -> Option<Between> {
        let (inside, at_cap, beyond) = (self.multiplier - 1.0, self.cap - 1.0, self.multiplier - self.cap);
        let loose = MULTIPLIER * (1.0 + self.multiplier);
        if inside.abs().min(beyond.abs()) < CLEAR * loose {
            return None;
        }
        let weights = if beyond < 0.0 {
            Between::just(1.0)
        } else {
            let kink = self.cap * self.protected / beyond;
            let rounding = 1e-14 * (kink + self.cushion.abs());
            let off = off * (1.0 + self.cap / beyond) + 2.0 * kink * loose / beyond + rounding;
            weights(found, (kink - self.cushion, off), stretch)?
        };
        let slope = |weight: f64| weight * inside * inside + (1.0 - weight) * at_cap * at_cap;
        let (one, other) = (slope(weights.least), slope(weights.most));
        Some(Between { least: one.min(other), most: one.max(other) }.wider(ROUNDING))
    }
}

/// Of a multiplier whose kink is so far away, and that distance so far off.
fn weights(found: &Sensitivity, (distance, off): (f64, f64), stretch: f64) -> Option<Between> {
    let x = distance / found.spread;
    let shift = (off / found.spread + x.abs() * stretch) / (1.0 - MOST_STRETCH);
    if x + shift < NOTHING_BELOW {
        return Some(Between { least: 0.0, most: NOTHING });
    }
    let grown = shift * (1.0 + (shift - x).max(0.0));
    let weight = found.multiplier_weight;
    // Where nothing spreads the quotients are no numbers, and no number is within.
    let least = (weight * (1.0 - grown) - NOTHING).max(0.0);
    let most = (weight * (1.0 + 1.3 * grown)).min(1.0) + NOTHING;
    (grown <= MOST_GROWN).then_some(Between { least, most })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};

    use super::super::super::band::Costs;
    use super::super::super::cppi::Holding;
    use super::super::super::testing::fixed_seed;
    use super::*;

    /// A vault in numbers: multiplier, cap, net asset value, floor and reserve as parts of it, price, units.
    #[derive(Debug, Clone, Copy)]
    struct Vault {
        multiplier: f64,
        cap: f64,
        nav: f64,
        cushion: f64,
        protected: f64,
        price: f64,
        units: f64,
    }

    impl Vault {
        fn target(&self) -> f64 {
            (self.multiplier * self.cushion).min(self.cap * self.nav) / self.price
        }

        fn tracked(&self, gap: GapRisk, costs: Costs, floor_weight: f64) -> Tracked {
            let Self { multiplier, cap, nav, cushion, protected, price, units } = *self;
            Tracked {
                response: Response::Cppi(Cppi { multiplier, cap, cushion, protected }),
                cushion,
                holding: Holding { units, price, volatility: gap.volatility },
                target: self.target(),
                costs,
                nav,
                aversion: 4.0,
                horizon: 1.0,
                interval: 0.0,
                gap,
                floor_weight,
            }
        }
    }

    fn ten(power: f64) -> f64 {
        libm::pow(10.0, power)
    }

    /// What is said of a position, what it is, and the leeway between them.
    fn positions() -> impl Strategy<Value = (Tracked, Tracked, Leeway)> {
        let cap = prop_oneof![Just(1.0), 0.2..1.0_f64];
        let vault = (1.0..8.0_f64, cap, 2.0..9.0_f64, 1e-3..0.95_f64, -6.0..6.0_f64);
        let (jumps, weight) = (prop_oneof![Just(0.0), 0.1..20.0_f64], prop_oneof![Just(0.0), 1.0..10.0_f64]);
        let world = (0.05..2.0_f64, -6.0..-1.0_f64, jumps, 0.01..0.5_f64, weight);
        let moves = prop::array::uniform3(prop_oneof![Just(-1.0), Just(1.0), -1.0..1.0_f64]);
        let drift = prop_oneof![-0.5..0.5_f64, -1e-2..1e-2_f64, -1e-5..1e-5_f64];
        let costs = (-2.0..3.0_f64, -5.0..-2.0_f64);
        (vault, world, costs, (-13.0..-2.0_f64, moves, drift)).prop_map(|(vault, world, costs, off)| {
            let (multiplier, cap, nav, share, price) = vault;
            let (volatility, interval, jump_rate, jump_mean, floor_weight) = world;
            let (nav, price) = (ten(nav), ten(price));
            let gap = GapRisk { jump_rate, jump_mean, volatility, interval: ten(interval) };
            let (within, moves, drift) = (ten(off.0) * nav, off.1, off.2);
            let (cushion, protected) = (share * nav, (1.0 - share) * nav);
            let mut said = Vault { multiplier, cap, nav, cushion, protected, price, units: 0.0 };
            said.units = said.target() * (1.0 + drift);
            let is = Vault {
                multiplier: multiplier + MULTIPLIER * (1.0 + multiplier) * moves[2],
                cushion: said.cushion + within * moves[0],
                protected: said.protected + within * moves[1],
                ..said
            };
            let costs = Costs { fixed: ten(costs.0), proportional: ten(costs.1) * price };
            let target = (multiplier + 2.0) * within / price + 4e-12 * said.units.max(said.target());
            let tracked = |vault: &Vault| vault.tracked(gap, costs, floor_weight);
            (tracked(&said), tracked(&is), Leeway { cushion: within, target })
        })
    }

    /// What is told of a position within a leeway, held against what is so.
    fn told(said: &Tracked, is: &Tracked, leeway: &Leeway) -> Option<[bool; 5]> {
        let (drift, true_drift) = (said.drift(leeway)?, (is.holding.units - is.target).abs());
        let (pace, true_pace) = (said.pace().ok()??, is.pace().ok()??);
        let (penalty, variance) = said.around(&pace, leeway, drift)?;
        let inside = |between: Between, number: f64| between.least <= number && number <= between.most;
        let narrow = |between: Between| between.most <= between.least * 1.001;
        Some([
            inside(drift, true_drift),
            inside(penalty, true_pace.penalty),
            inside(variance, true_pace.variance_rate),
            narrow(penalty) && narrow(variance),
            said.holding.units > said.target && !narrow(penalty),
        ])
    }

    /// Whatever the position is within its leeway, penalty and variance rate are where they are said to be; and where they are said to
    /// be is near where the leeway is small.
    #[test]
    fn what_a_drift_costs_and_how_it_moves_lie_within_the_leeway() {
        let counts = [0_u32; 3].map(Cell::new);
        let config = Config { cases: 20_000, ..fixed_seed() };
        let checked = TestRunner::new(config).run(&positions(), |(said, is, leeway)| {
            let Some([drift, penalty, variance, near, wide]) = told(&said, &is, &leeway) else {
                return Ok(());
            };
            prop_assert!(drift && penalty && variance, "{drift} {penalty} {variance}");
            for (count, kind) in counts.iter().zip([true, near, wide].map(u32::from)) {
                count.set(count.get().saturating_add(kind));
            }
            Ok(())
        });
        checked.unwrap();
        let counts = counts.map(|count| count.get());
        assert!(counts[0] > 12_000 && counts[1] > 8_000 && counts[2] > 300, "{counts:?}");
    }
}
