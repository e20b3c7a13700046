//! The trade size of least average cost on an exact cost curve, found with few quotes.
//!
//! A venue's cost is convex and starts at zero. The size that minimises `(F + cost(z))/z` is then where a line from
//! the point `(0, −F)` touches the curve, and every chord between two known points bounds the curve from below
//! outside of them (Kelley 1960, cutting planes). The search starts with a fitted power law (exact for constant
//! liquidity), then narrows the bracket around the touching point by golden sections (Kiefer 1953) and, every third
//! time, at the corner of the two bounding chords (exact at a kink); it ends when the bounds leave nothing to gain.

use libm::{log, pow, sqrt};

/// Most quotes that one search asks for.
pub const MAX_QUOTES: u32 = 12;
/// The search ends when no size can beat the best one by more than this share of its average cost.
const TOLERANCE: f64 = 2e-4;
/// Two sizes closer than this ratio count as one.
const APART: f64 = 1.004;
/// Smallest size looked at, relative to the largest.
const SMALLEST: f64 = 1e-6;
/// The second size quoted, relative to the largest: small enough to show the marginal cost.
const SECOND: f64 = 1e-2;
/// Gaps wider than this ratio are split at their geometric mean.
const WIDE: f64 = 10.0;
/// Quotes after which the fitted curve gives way to the bounds.
const FITTED: u32 = 4;
/// `2 − φ`, where a golden section cuts.
const GOLDEN: f64 = 0.381_966_011_250_105_1;

/// The size that a search settled on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SizeSearch {
    /// Units to trade.
    pub size: f64,
    /// Quotes asked for.
    pub quotes: u32,
}

/// Finds `argmin (fixed + cost(z))/z` over `0 < z ≤ most` with at most [`MAX_QUOTES`] calls of `cost`.
///
/// `fixed` in USD, `most` in units, `cost` in USD, convex and zero at zero, or `None` where the pool cannot quote the
/// size. Where the average cost still falls at `most`, as it does for a linear cost, the answer is `most`. It is
/// within 0.5 % of the least average cost on smooth curves and at a kink, and within 1 % where liquidity thins out a
/// thousandfold in steps. Without a fixed cost a convex curve has no best size; the answer then is a hundredth of
/// `most`, or `most` if the cost is linear.
///
/// `None` where not even `most` can be quoted, or an input is no positive number.
pub fn least_average_cost(
    fixed: f64,
    most: f64,
    mut cost: impl FnMut(f64) -> Option<f64>,
) -> Option<SizeSearch> {
    if !(most.is_finite() && most > 0.0 && fixed.is_finite() && fixed >= 0.0) {
        return None;
    }
    let mut ask = |size: f64| {
        let cost = cost(size).filter(|cost| cost.is_finite() && *cost >= 0.0)?;
        Some(Point { size, cost })
    };
    let mut search = Search::new(fixed, ask(most)?);
    let mut quotes: u32 = 1;
    let mut next = Some(most * SECOND);
    while let Some(size) = next.filter(|size| quotes < MAX_QUOTES && *size > 0.0 && *size < most) {
        quotes = quotes.saturating_add(1);
        next = ask(size).and_then(|point| {
            search.insert(point);
            search.next_size(quotes)
        });
    }
    Some(SizeSearch { size: search.best().1.size, quotes })
}

/// A quoted size and its cost in USD.
#[derive(Debug, Clone, Copy)]
struct Point {
    size: f64,
    cost: f64,
}

/// A line `intercept + slope·size` below the cost curve.
#[derive(Debug, Clone, Copy)]
struct Line {
    slope: f64,
    intercept: f64,
}

/// Two neighbouring points between which a better size may lie.
struct Gap {
    low: f64,
    high: f64,
    /// Where the two bounding lines meet.
    corner: f64,
    /// No size in the gap has an average cost below this.
    bound: f64,
}

struct Search {
    fixed: f64,
    smallest: f64,
    /// Ascending; the first is the origin.
    points: Vec<Point>,
}

impl Search {
    fn new(fixed: f64, top: Point) -> Self {
        let points = vec![Point { size: 0.0, cost: 0.0 }, top];
        Self { fixed, smallest: top.size * SMALLEST, points }
    }

    fn insert(&mut self, point: Point) {
        let at = self.points.partition_point(|known| known.size < point.size);
        self.points.insert(at, point);
    }

    fn average(&self, point: Point) -> f64 {
        (self.fixed + point.cost) / point.size
    }

    /// The point of least average cost, the largest where several agree but for rounding, and its position.
    fn best(&self) -> (usize, Point) {
        let origin = (0, Point { size: 0.0, cost: f64::INFINITY });
        self.points.iter().copied().enumerate().skip(1).fold(origin, |best, (at, point)| {
            let better = best.0 == 0 || self.average(point) <= self.average(best.1) * (1.0 + 1e-12);
            if better { (at, point) } else { best }
        })
    }

    /// The next size to quote after `quotes` of them; `None` once nothing is left to gain.
    fn next_size(&self, quotes: u32) -> Option<f64> {
        let (at, best) = self.best();
        let gap = self.widest_promise(at, self.average(best) * (1.0 - TOLERANCE))?;
        let low = at
            .checked_sub(1)
            .and_then(|below| self.size(below))
            .map_or(self.smallest, |size| self.at_least(size));
        let high = self.size(at.saturating_add(1)).unwrap_or(best.size);
        if quotes >= FITTED && !quotes.is_multiple_of(3) {
            return Some(golden_section(low, best.size, high));
        }
        let fitted = self.touching_point(at).filter(|size| quotes < FITTED && *size > low && *size < high);
        fitted.filter(|size| self.is_apart(*size)).or_else(|| Some(gap.split()))
    }

    /// Of the two gaps beside the best point, the one with the lower bound, if that is below `worth`.
    fn widest_promise(&self, best: usize, worth: f64) -> Option<Gap> {
        let below = best.checked_sub(1).and_then(|at| self.gap(at));
        let above = self.gap(best);
        let open = |gap: &Gap| gap.bound < worth && gap.high / gap.low > APART;
        let gaps = [below, above].into_iter().flatten().filter(open);
        gaps.min_by(|one, other| one.bound.total_cmp(&other.bound))
    }

    /// The gap above the point at `at`, unless the bounds show that the average cost only rises or only falls in it.
    fn gap(&self, at: usize) -> Option<Gap> {
        let (low, high) = (self.size(at)?, self.size(at.saturating_add(1))?);
        let before =
            at.checked_sub(1).map_or(Some(Line { slope: 0.0, intercept: 0.0 }), |from| self.chord(from))?;
        let after = self.chord(at.saturating_add(1));
        let rises = self.fixed + before.intercept <= 0.0;
        let falls = after.is_some_and(|line| self.fixed + line.intercept >= 0.0);
        if rises || falls {
            return None;
        }
        let meeting = after.filter(|line| line.slope > before.slope);
        let corner = meeting.map_or(high, |line| {
            ((before.intercept - line.intercept) / (line.slope - before.slope)).clamp(low, high)
        });
        let bound = (self.fixed + before.intercept) / self.at_least(corner) + before.slope;
        Some(Gap { low: self.at_least(low), high, corner, bound })
    }

    /// Where the line from `(0, −F)` touches a curve fitted to the three points around the best one: a power law
    /// for `z·c′(z) − c(z)`, which minus the intercept of a chord estimates, or a parabola where only one chord
    /// shows any curvature.
    fn touching_point(&self, best: usize) -> Option<f64> {
        let middle = best.clamp(1, self.points.len().saturating_sub(2));
        let first = middle.checked_sub(1)?;
        let (one, two) = (self.chord(first)?, self.chord(middle)?);
        let (low, mid, high) = (self.size(first)?, self.size(middle)?, self.size(middle.saturating_add(1))?);
        if one.intercept < 0.0 && two.intercept < one.intercept {
            let (from, to) = (sqrt(low * mid), sqrt(mid * high));
            let power = (log(two.intercept / one.intercept) / log(to / from)).clamp(1.05, 6.0);
            return Some(to * pow(self.fixed / -two.intercept, 1.0 / power));
        }
        let curvature = (two.slope - one.slope) / (high - low);
        let rest = self.fixed + one.intercept + curvature * low * mid;
        (curvature > 0.0 && rest > 0.0).then(|| sqrt(rest / curvature))
    }

    /// The line through the points at `at` and after it.
    fn chord(&self, at: usize) -> Option<Line> {
        let (one, two) = (self.points.get(at)?, self.points.get(at.saturating_add(1))?);
        let slope = (two.cost - one.cost) / (two.size - one.size);
        Some(Line { slope, intercept: one.cost - slope * one.size })
    }

    fn size(&self, at: usize) -> Option<f64> {
        self.points.get(at).map(|point| point.size)
    }

    fn at_least(&self, size: f64) -> f64 {
        size.max(self.smallest)
    }

    fn is_apart(&self, size: f64) -> bool {
        let ratio = |point: &Point| if point.size > size { point.size / size } else { size / point.size };
        self.points.iter().all(|point| ratio(point) > sqrt(APART))
    }
}

impl Gap {
    fn split(&self) -> f64 {
        if self.high / self.low > WIDE {
            return sqrt(self.low * self.high);
        }
        let inset = sqrt(APART);
        self.corner.clamp(self.low * inset, self.high / inset)
    }
}

/// A point of the (logarithmically) longer side of `low < best < high`, at the golden section from `best`.
fn golden_section(low: f64, best: f64, high: f64) -> f64 {
    let end = if high / best > best / low { high } else { low };
    best * pow(end / best, GOLDEN)
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test counts its quotes")]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    fn search(fixed: f64, max: f64, cost: impl Fn(f64) -> f64) -> SizeSearch {
        let mut asked = 0;
        let found = least_average_cost(fixed, max, |size| {
            asked += 1;
            Some(cost(size))
        })
        .unwrap();
        assert_eq!(found.quotes, asked);
        assert!(asked <= MAX_QUOTES);
        found
    }

    #[test]
    fn a_quadratic_cost_is_traded_in_sizes_of_the_root_of_fixed_over_curvature() {
        for (fixed, curvature) in [(5.0, 0.02), (0.05, 1e-4), (300.0, 1e-3), (30.0, 2e-4), (1e-3, 1e-3)] {
            let found = search(fixed, 1_000.0, |z| 0.9 * z + curvature * z * z);
            let exact = (fixed / curvature).sqrt();
            assert!((found.size / exact - 1.0).abs() < 0.01, "{fixed} {curvature}: {} {exact}", found.size);
        }
    }

    #[test]
    fn a_linear_cost_is_traded_in_one_piece() {
        for max in [1e-9, 0.3, 7e5] {
            let found = search(12.0, max, |z| 9.0 * z);
            assert_eq!((found.size, found.quotes), (max, 2));
            assert_eq!(search(0.0, max, |z| 9.0 * z).size, max);
        }
    }

    #[test]
    fn a_best_size_beyond_the_largest_is_the_largest() {
        let found = search(1_000.0, 50.0, |z| 2.0 * z + 0.1 * z * z);
        assert_eq!(found.size, 50.0);
    }

    #[test]
    fn a_kink_is_found_exactly_enough() {
        let found = search(1.0, 100.0, |z| 3.0 * z + 0.5 * (z - 7.0).max(0.0));
        assert!((found.size / 7.0 - 1.0).abs() < 0.005, "{}", found.size);
        let found = search(1.0, 100.0, |z| 3.0 * z + 0.02 * (z - 7.0).max(0.0));
        assert_eq!(found.size, 100.0);
    }

    #[test]
    fn the_largest_size_without_a_quote_has_no_answer_and_a_smaller_one_ends_the_search() {
        assert_eq!(least_average_cost(10.0, 64.0, |z| (z <= 10.0).then_some(z)), None);
        let found = least_average_cost(10.0, 64.0, |z| (z > 1.0).then_some(z + z * z)).unwrap();
        assert_eq!(found, SizeSearch { size: 64.0, quotes: 2 });
    }

    #[test]
    fn inputs_that_are_no_amounts_have_no_answer() {
        for (fixed, max) in
            [(-1.0, 1.0), (f64::NAN, 1.0), (1.0, 0.0), (1.0, f64::INFINITY), (f64::INFINITY, 1.0)]
        {
            assert_eq!(least_average_cost(fixed, max, Some), None, "{fixed} {max}");
        }
    }

    #[test]
    fn the_same_curve_gives_the_same_bits() {
        let run = || search(3.7, 900.0, |z| 0.4 * z + 0.003 * z.powf(1.7));
        assert_eq!(run().size.to_bits(), run().size.to_bits());
    }

    /// Convex curves of a market with pools: `proportional` cost, then marginal cost rising by `rate` from each
    /// `start`, at `power − 1` (2: constant liquidity).
    fn curve(proportional: f64, pieces: &[(f64, f64)], power: f64) -> impl Fn(f64) -> f64 {
        move |z| {
            let impact = |(start, rate): &(f64, f64)| rate * (z - start).max(0.0).powf(power);
            proportional * z + pieces.iter().map(impact).sum::<f64>()
        }
    }

    fn ten(exponent: f64) -> f64 {
        10f64.powf(exponent)
    }

    /// By how much the best of 33 sizes over four decades beats the size found.
    fn worst_gap(fixed: f64, cost: impl Fn(f64) -> f64) -> f64 {
        let found = search(fixed, 1.0, &cost);
        let average = |z: f64| (fixed + cost(z)) / z;
        let least =
            (0..=32).map(|step| average(ten(-4.0 * f64::from(step) / 32.0))).fold(f64::INFINITY, f64::min);
        average(found.size) / least - 1.0
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 4000, rng_seed: RngSeed::Fixed(7), failure_persistence: None, ..ProptestConfig::default()
        })]

        #[test]
        fn on_a_smooth_curve_no_size_of_a_fine_grid_is_better_by_half_a_percent(
            fixed in -7.0..-1.0f64, proportional in -4.0..-2.0f64, power in 1.1..4.0f64, rate in -6.0..0.0f64,
        ) {
            let gap = worst_gap(ten(fixed), curve(ten(proportional), &[(0.0, ten(rate))], power));
            prop_assert!(gap <= 0.005, "{gap}");
        }

        #[test]
        fn nor_on_a_curve_with_one_kink(
            fixed in -7.0..-1.0f64, proportional in -4.0..-2.0f64, start in -3.0..0.0f64, rate in -5.0..0.0f64,
        ) {
            let gap = worst_gap(ten(fixed), curve(ten(proportional), &[(ten(start), ten(rate))], 1.0));
            prop_assert!(gap <= 0.005, "{gap}");
        }

        #[test]
        fn where_liquidity_thins_out_a_thousandfold_in_steps_it_is_at_most_one_percent(
            fixed in -6.0..-1.0f64, proportional in -4.0..-2.0f64, first in -4.0..-1.0f64,
            pieces in prop::collection::vec((-2.0..0.0f64, -3.0..-1.0f64), 0..8),
        ) {
            let mut bends = vec![(0.0, ten(first))];
            bends.extend(pieces.iter().map(|(start, rate)| (ten(*start), ten(*rate))));
            let gap = worst_gap(ten(fixed), curve(ten(proportional), &bends, 2.0));
            prop_assert!(gap <= 0.01, "{gap}");
        }

        #[test]
        fn any_answers_end_the_search(answers in prop::collection::vec(any::<Option<f64>>(), 12), fixed in any::<f64>(), max in any::<f64>()) {
            let mut answers = answers.into_iter();
            if let Some(found) = least_average_cost(fixed, max, |_| answers.next().unwrap()) {
                prop_assert!(found.size > 0.0 && found.size <= max);
            }
        }
    }
}
