//! The two edges of the band, from what its costs are beside the drift's own pace.

use libm::{cbrt, frexp, ldexp, sqrt};

use super::super::{ModelError, in_range};
use super::Costs;

/// The start is within 3 % of the root and each step cubes the error, so three do; a test counts them.
const STEPS: u32 = 4;
/// A change whose cube is lost in rounding is the last.
const LAST_CHANGE: f64 = 1e-6;
/// Exponent of zero: below that of any number, and of any product of three.
const ZERO: i32 = -100_000;

/// `6·s²/c`: times a fixed cost it is `4F/B` (units⁴), times a proportional one `4κ/B` (units³).
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace(Scaled);

/// `mantissa·2^exponent` with the mantissa from ½ to 1, or 0: the products of any numbers.
#[derive(Debug, Clone, Copy)]
struct Scaled {
    mantissa: f64,
    exponent: i32,
}

impl Pace {
    /// Of a drift with `variance_rate` in units² per year, whose holding costs `penalty` USD per unit² and year.
    pub(super) fn of(variance_rate: f64, penalty: f64) -> Self {
        let (rate, cost) = (Scaled::of(variance_rate), Scaled::of(penalty));
        let exponent = rate.exponent.saturating_sub(cost.exponent);
        Self(Scaled { mantissa: 6.0 * rate.mantissa / cost.mantissa, exponent }.normal())
    }

    /// `(y₀, Y)`, units; both 0 where nothing diffuses or trading is free.
    ///
    /// # Errors
    /// Beyond the range of `f64`.
    pub(super) fn edges(self, costs: Costs) -> Result<(f64, f64), ModelError> {
        let (fixed, proportional) = (self.times(costs.fixed), self.times(costs.proportional));
        // A power of two near the larger of (4F/B)^¼ and (4κ/B)^⅓, so that scaling rounds nothing.
        let scale = fixed.root(4).max(proportional.root(3));
        if scale <= ZERO / 8 {
            return Ok((0.0, 0.0));
        }
        let (inner, outer) = scaled_edges(fixed.over(scale, 4), proportional.over(scale, 3));
        Ok((ldexp(inner, scale), in_range("band", ldexp(outer, scale))?))
    }

    fn times(self, cost: f64) -> Scaled {
        let cost = Scaled::of(cost);
        let exponent = cost.exponent.saturating_add(self.0.exponent);
        Scaled { mantissa: cost.mantissa * self.0.mantissa, exponent }.normal()
    }
}

impl Scaled {
    fn of(number: f64) -> Self {
        let (mantissa, exponent) = frexp(number);
        Self { mantissa, exponent: if mantissa == 0.0 { ZERO } else { exponent } }
    }

    fn normal(self) -> Self {
        let inner = Self::of(self.mantissa);
        Self { exponent: inner.exponent.saturating_add(self.exponent), ..inner }
    }

    /// The least exponent whose `power`-th multiple is not below this.
    const fn root(self, power: i32) -> i32 {
        self.exponent.saturating_neg().div_euclid(power).saturating_neg()
    }

    /// What is left of it over `2^(scale·power)`, at most 1.
    fn over(self, scale: i32, power: i32) -> f64 {
        ldexp(self.mantissa, self.exponent.saturating_sub(scale.saturating_mul(power)))
    }
}

/// `(y₀, Y)` for `4F/B = fixed` and `4κ/B = proportional`, neither above 1 and one of them not far below.
///
/// With `v = p^⅓` and `g = (4F/B)^⅓` the equation of [`super::Terms::edges`] is `v⁹ − g²·v − 4κ/B = 0`, and `w = g/v`:
/// no root inside the loop.
fn scaled_edges(fixed: f64, proportional: f64) -> (f64, f64) {
    let g = cbrt(fixed);
    let (v, _) = halley(g * g, proportional);
    let sum = v * v * v;
    let outer = 0.5 * (sum + g / v);
    // From the product y₀·Y·p, not from the difference p − w, which cancels where κ is small.
    let inner = proportional / (4.0 * sum * outer);
    (inner.min(outer), outer)
}

/// The positive root of `v⁹ − a·v − b`, and the steps taken, by Halley's method from `(a + b)^⅛`, which is the root
/// where `b` is 0.
pub(super) fn halley(a: f64, b: f64) -> (f64, u32) {
    let mut v = sqrt(sqrt(sqrt(a + b)));
    for step in 1..=STEPS {
        let square = v * v;
        let seventh = square * square * square * v;
        let eighth = seventh * v;
        let value = v * (eighth - a) - b;
        let slope = 9.0 * eighth - a;
        let change = 2.0 * value * slope / (2.0 * slope * slope - 72.0 * value * seventh);
        v -= change;
        if change.abs() <= LAST_CHANGE * v {
            return (v, step);
        }
    }
    (v, STEPS)
}
