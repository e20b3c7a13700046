//! Implied volatility from the points of a smile, between them by what leaves no arbitrage.
//!
//! In terms of the log-moneyness `k = ln(K/F)` and the total variance `w = σ²·T` (Gatheral & Jacquier 2014, §2):
//!
//! - At one expiry `w(k)` is the natural cubic spline through the points. Beyond them it goes on as a straight line:
//!   with the slope it ends with where it rises outward, below 2 (Lee 2004), and flat where it falls, a kink that is
//!   convex. There is no butterfly arbitrage where `w > 0` and (eq. 2.1)
//!   `g(k) = (1 − k·w′/(2w))² − w′²/4·(1/w + 1/4) + w″/2 ≥ 0`.
//! - Between two expiries `w` is linear in time at constant `k`, so there is no calendar arbitrage where it nowhere falls
//!   from one to the next. Before the first it is `w·T/T₁`: with `θ = T/T₁` this makes `g` concave in `θ`, at least 0 at
//!   `θ = 0` and at 1, and so between. After the last there is no volatility.
//!
//! `k` and the time to expiry are all that it depends on: a smile without arbitrage once has none at any block.

mod slice;

use super::{ModelError, finite, normal, positive};
use slice::{Shape, Slice, lowest};

/// Where a point stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Moneyness {
    /// At the strike whose undiscounted delta on the forward is this: of a call above 0, of a put below.
    Delta(f64),
    /// At the strike that is this much of the forward.
    Strike(f64),
}

/// One point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Where.
    pub at: Moneyness,
    /// Annualised volatility there.
    pub volatility: f64,
}

/// The points of one expiry.
#[derive(Debug, Clone, PartialEq)]
pub struct Expiry {
    /// Years to it.
    pub years: f64,
    /// In any order.
    pub points: Vec<Point>,
}

/// A smile without arbitrage.
///
/// Rules it keeps: every number is finite; total variance is above 0 everywhere and nowhere falls with time; `g ≥ 0`.
#[derive(Debug, Clone, PartialEq)]
pub struct Smile {
    /// The shortest first, at least one.
    slices: Vec<Slice>,
}

/// What keeps points from being a smile, and the point nearest to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Position among the expiries; the later one where it lies between two.
    pub expiry: usize,
    /// Position among its points.
    pub point: usize,
    /// What it is.
    pub kind: FaultKind,
}

/// What keeps points from being a smile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum FaultKind {
    /// A number is out of its domain, or there is none.
    #[error("no number that a smile can be made of")]
    Number,
    /// Another point of the expiry stands at the same strike.
    #[error("at the strike of another point")]
    Twice,
    /// Total variance between the points is not positive.
    #[error("total variance falls to 0 beside it")]
    Variance,
    /// The wing rises faster than any distribution allows (Lee 2004).
    #[error(
        "the wing beyond it is too steep: total variance may rise by less than 2 per unit of log-moneyness"
    )]
    Wing,
    /// A butterfly around it would cost less than nothing.
    #[error("butterfly arbitrage beside it")]
    Butterfly,
    /// Total variance is less than at the expiry before.
    #[error("calendar arbitrage: total variance is below that of the expiry before")]
    Calendar,
}

/// Values of `g` taken between two knots.
const SAMPLES: u32 = 64;
/// Least value of `g` accepted there, so that none is negative between the samples.
const LEAST: f64 = 1e-3;
/// Parts of the way from one expiry to the next at which `g` is looked at too.
const BETWEEN: [f64; 3] = [0.25, 0.5, 0.75];

impl Smile {
    /// The smile through the points of `expiries`, the shortest first.
    ///
    /// # Errors
    /// Every fault, once for each point and kind. An expiry with numbers that make no smile is looked at no further, and
    /// calendar arbitrage is looked for between neighbours that have no fault alone.
    pub fn new(expiries: &[Expiry]) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut drawn: Vec<Option<Slice>> = Vec::with_capacity(expiries.len());
        for (position, expiry) in expiries.iter().enumerate() {
            let (slice, found) = sound(expiry);
            faults.extend(found.into_iter().map(|(point, kind)| Fault { expiry: position, point, kind }));
            drawn.push(slice);
        }
        let ordered = drawn.iter().flatten().is_sorted_by(|near, far| near.years < far.years);
        if expiries.is_empty() || !ordered {
            faults.push(Fault { expiry: 0, point: 0, kind: FaultKind::Number });
        } else {
            faults.extend(calendar(&drawn));
        }
        faults.sort_unstable();
        faults.dedup();
        if faults.is_empty() {
            Ok(Self { slices: drawn.into_iter().flatten().collect() })
        } else {
            Err(faults)
        }
    }

    /// Annualised volatility at a log-moneyness `k` and `years` to expiry; `None` after the last expiry.
    ///
    /// # Errors
    /// An input that is not finite, no time, or a volatility beyond the range of `f64`.
    pub fn volatility(&self, log_moneyness: f64, years: f64) -> Result<Option<f64>, ModelError> {
        let k = finite("log-moneyness", log_moneyness)?;
        let years = positive("time to expiry", years)?;
        let next = self.slices.iter().position(|slice| slice.years >= years);
        let Some((next, far)) = next.and_then(|next| Some((next, self.slices.get(next)?))) else {
            return Ok(None);
        };
        let variance = match next.checked_sub(1).and_then(|before| self.slices.get(before)) {
            None => far.at(k).variance * (years / far.years),
            Some(near) => {
                let part = (years - near.years) / (far.years - near.years);
                near.at(k).toward(far.at(k), part).variance
            }
        };
        let volatility = libm::sqrt(variance / years);
        positive("implied volatility", volatility).map(Some)
    }
}

/// The spline through the points of one expiry if it is free of arbitrage, and what is wrong with it, by point.
fn sound(expiry: &Expiry) -> (Option<Slice>, Vec<(usize, FaultKind)>) {
    match slice(expiry) {
        Ok(slice) => {
            let wrong = alone(&slice);
            (wrong.is_empty().then_some(slice), wrong)
        }
        Err(wrong) => (None, wrong),
    }
}

/// The spline through the points, or every point that there is none through.
fn slice(expiry: &Expiry) -> Result<Slice, Vec<(usize, FaultKind)>> {
    let years = positive("years", expiry.years).map_err(|_| vec![(0, FaultKind::Number)])?;
    let mut points = Vec::with_capacity(expiry.points.len());
    let mut wrong = Vec::new();
    for (position, point) in expiry.points.iter().enumerate() {
        match placed(point, years) {
            Some(placed) => points.push((placed, position)),
            None => wrong.push((position, FaultKind::Number)),
        }
    }
    // Of points at one strike all but the first written are named.
    let twice = |&((k, _), position): &((f64, f64), usize)| {
        points.iter().any(|((other, _), before)| *before < position && (k - other).abs() <= SAME)
    };
    wrong.extend(
        points.iter().filter(|point| twice(point)).map(|(_, position)| (*position, FaultKind::Twice)),
    );
    points.sort_by(|((a, _), _), ((b, _), _)| a.total_cmp(b));
    if wrong.is_empty() {
        Slice::through(years, &points).ok_or_else(|| vec![(0, FaultKind::Number)])
    } else {
        Err(wrong)
    }
}

/// Log-moneyness by which two points are told apart.
const SAME: f64 = 1e-9;

/// Log-moneyness and total variance of a point.
fn placed(point: &Point, years: f64) -> Option<(f64, f64)> {
    let deviation = positive("volatility", point.volatility).ok()? * libm::sqrt(years);
    let moneyness = match point.at {
        Moneyness::Strike(share) => libm::log(share),
        Moneyness::Delta(delta) => {
            // Φ(d₁) of the call at the same strike.
            let call = if delta < 0.0 { 1.0 + delta } else { delta };
            if !(call > 0.0 && call < 1.0) {
                return None;
            }
            deviation * (0.5 * deviation - normal::quantile(call))
        }
    };
    let variance = deviation * deviation;
    (moneyness.is_finite() && variance.is_finite() && variance > 0.0).then_some((moneyness, variance))
}

/// What is wrong between each two neighbours that are sound alone.
fn calendar(drawn: &[Option<Slice>]) -> Vec<Fault> {
    let between = |(expiry, pair): (usize, &[Option<Slice>])| {
        let [Some(near), Some(far)] = pair else { return Vec::new() };
        let found = together(near, far).into_iter();
        found.map(|(point, kind)| Fault { expiry, point, kind }).collect()
    };
    (1..).zip(drawn.windows(2)).flat_map(between).collect()
}

/// What is wrong with one expiry, by point.
fn alone(slice: &Slice) -> Vec<(usize, FaultKind)> {
    let mut wrong = Vec::new();
    for (left, right) in slice.stretches() {
        let (start, end) = (slice.at(left), slice.before(right));
        if lowest(start, end, right - left) <= 0.0 {
            wrong.push((slice.nearest(left), FaultKind::Variance));
        } else {
            let negative = samples(left, right).filter(|k| butterfly(*k, slice.at(*k)) < LEAST);
            wrong.extend(negative.map(|k| (slice.nearest(k), FaultKind::Butterfly)));
        }
    }
    for wing in slice.wings() {
        if wing.slope >= 2.0 {
            wrong.push((slice.nearest(wing.end), FaultKind::Wing));
        } else if wing.least_butterfly() < LEAST {
            wrong.push((slice.nearest(wing.end), FaultKind::Butterfly));
        }
    }
    wrong
}

/// What is wrong between two expiries, by point of the later.
fn together(near: &Slice, far: &Slice) -> Vec<(usize, FaultKind)> {
    let mut wrong = Vec::new();
    let mut knots: Vec<f64> = near.moneyness().chain(far.moneyness()).collect();
    knots.sort_by(f64::total_cmp);
    let below = |k: &f64| far.at(*k).variance < near.at(*k).variance;
    wrong.extend(knots.iter().filter(|k| below(k)).map(|k| (far.nearest(*k), FaultKind::Calendar)));
    for pair in knots.windows(2) {
        let [left, right] = *pair else { continue };
        let start = far.at(left).minus(near.at(left));
        let end = far.before(right).minus(near.before(right));
        // Where it is less at an end already, that is the place.
        if !below(&left) && !below(&right) && lowest(start, end, right - left) < 0.0 {
            wrong.push((far.nearest(left), FaultKind::Calendar));
        }
        let part_wrong =
            |k: &f64| BETWEEN.iter().any(|part| butterfly(*k, near.at(*k).toward(far.at(*k), *part)) < LEAST);
        let found = samples(left, right).filter(part_wrong);
        wrong.extend(found.map(|k| (far.nearest(k), FaultKind::Butterfly)));
    }
    let ends = [knots.first(), knots.last()];
    for ((before, after), end) in near.wings().into_iter().zip(far.wings()).zip(ends) {
        let Some(end) = end.copied() else { continue };
        if after.slope < before.slope {
            wrong.push((far.nearest(end), FaultKind::Calendar));
        }
        let (before, after) = (before.from(end), after.from(end));
        if BETWEEN.iter().any(|part| before.toward(after, *part).least_butterfly() < LEAST) {
            wrong.push((far.nearest(end), FaultKind::Butterfly));
        }
    }
    wrong
}

/// `g(k)`.
fn butterfly(k: f64, shape: Shape) -> f64 {
    let Shape { variance, slope, curvature } = shape;
    let first = 1.0 - k * slope / (2.0 * variance);
    first * first - 0.25 * slope * slope * (1.0 / variance + 0.25) + 0.5 * curvature
}

fn samples(left: f64, right: f64) -> impl Iterator<Item = f64> {
    (0..SAMPLES).map(move |i| left + (right - left) * (f64::from(i) / f64::from(SAMPLES)))
}

#[cfg(test)]
mod tests;
