//! The rule against the optimum: a drift on a lattice, its cheapest control by dynamic programming, and what the rule
//! costs there (`model.md` §2).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test fails where it stands, and its figures are small"
)]

use vault_keeper::domain::models::band::{Band, Costs, Drift};

/// Lattice steps from the target to the outer edge.
const EDGE: usize = 30;
/// Lattice steps from the target to where a trade is forced.
const END: usize = 3 * EDGE;

/// A drift of variance rate 1 that costs `c·y²` a year, on a lattice of step `h`: it stays with probability ½ and moves
/// by `h` either way with ¼, so a step is `h²/2` years. By symmetry only `y ≥ 0` is kept.
struct Lattice<C: Fn(f64) -> f64> {
    h: f64,
    penalty: f64,
    /// Cost of a trade of so many units.
    cost: C,
}

impl<C: Fn(f64) -> f64> Lattice<C> {
    fn y(&self, state: usize) -> f64 {
        self.h * state as f64
    }

    /// Cost of one step from each state, and of all that follow.
    fn hold(&self, values: &[f64]) -> Vec<f64> {
        let dt = 0.5 * self.h * self.h;
        let next = |i: usize| 0.25 * (values[i.abs_diff(1)] + values[(i + 1).min(END)]) + 0.5 * values[i];
        (0..=END).map(|i| self.penalty * self.y(i) * self.y(i) * dt + next(i)).collect()
    }

    /// Cost per year in the long run where `act` chooses the cost from a state, given those of holding in each.
    fn cost_rate(&self, act: impl Fn(usize, &[f64]) -> f64) -> f64 {
        let mut values = vec![0.0; END + 1];
        loop {
            let hold = self.hold(&values);
            let next: Vec<f64> = (0..=END).map(|i| act(i, &hold)).collect();
            let gains: Vec<f64> = next.iter().zip(&values).map(|(new, old)| new - old).collect();
            let (least, most) = (
                gains.iter().copied().fold(f64::MAX, f64::min),
                gains.iter().copied().fold(f64::MIN, f64::max),
            );
            if most - least < 1e-4 * most {
                return 0.5 * (least + most) / (0.5 * self.h * self.h);
            }
            values = next.iter().map(|value| value - next[0]).collect();
        }
    }

    fn optimum(&self) -> f64 {
        let costs: Vec<f64> = (0..=END).map(|size| (self.cost)(self.y(size))).collect();
        self.cost_rate(|i, hold| {
            let traded = (1..=i).map(|size| costs[size] + hold[i - size]);
            let best = traded.fold(f64::MAX, f64::min);
            if i == END { best } else { best.min(hold[i]) }
        })
    }

    /// The cost of trading `size(y)` units wherever that is positive.
    fn rule(&self, size: impl Fn(f64) -> f64) -> f64 {
        let sizes: Vec<usize> =
            (0..=END).map(|i| ((size(self.y(i)) / self.h).round() as usize).min(i)).collect();
        self.cost_rate(|i, hold| match sizes[i] {
            0 => hold[i],
            size => (self.cost)(self.y(size)) + hold[i - size],
        })
    }
}

/// How much more the rule costs than the optimum, under costs of `fixed + proportional·z`.
fn excess(fixed: f64, proportional: f64) -> f64 {
    let penalty = 1.0;
    let band = Band::solve(Costs { fixed, proportional }, Drift { variance_rate: 1.0, penalty }).unwrap();
    let cost = |size: f64| fixed + proportional * size;
    let lattice = Lattice { h: band.outer / EDGE as f64, penalty, cost };
    let rule = lattice.rule(|y| if y < band.outer * (1.0 - 1e-9) { 0.0 } else { y - band.inner });
    rule / lattice.optimum() - 1.0
}

/// Fixed and proportional cost.
const SETTINGS: [(f64, f64); 5] = [(0.02, 0.0), (0.02, 0.05), (0.10, 0.05), (0.005, 0.20), (1.0, 0.01)];

#[test]
fn without_impact_the_rule_is_within_one_percent_of_the_optimum() {
    for (fixed, proportional) in SETTINGS {
        let excess = excess(fixed, proportional);
        assert!((-1e-3..0.01).contains(&excess), "{fixed} {proportional}: {excess}");
    }
}

#[test]
fn the_check_can_fail() {
    // A band half as wide, and one that trades to the target, are told from the optimum.
    let (fixed, proportional) = (0.02, 0.05);
    let band =
        Band::solve(Costs { fixed, proportional }, Drift { variance_rate: 1.0, penalty: 1.0 }).unwrap();
    let cost = |size: f64| fixed + proportional * size;
    let lattice = Lattice { h: band.outer / EDGE as f64, penalty: 1.0, cost };
    let optimum = lattice.optimum();
    let narrow = lattice.rule(|y| if y >= 0.5 * band.outer { y - 0.5 * band.inner } else { 0.0 });
    let to_target = lattice.rule(|y| if y >= band.outer { y } else { 0.0 });
    assert!(narrow > 1.2 * optimum, "{narrow} {optimum}");
    assert!(to_target > 1.02 * optimum, "{to_target} {optimum}");
}
