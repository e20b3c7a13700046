//! Total variance at one expiry: a natural cubic spline in log-moneyness with straight wings.

/// A point of the spline.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Knot {
    /// `k`.
    moneyness: f64,
    /// `w`.
    variance: f64,
    /// `w″`.
    curvature: f64,
    /// Position of the point that it was.
    point: usize,
}

/// Total variance at one expiry.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Slice {
    pub(super) years: f64,
    /// From left to right, at least one.
    knots: Vec<Knot>,
    /// `−w′` on the left and `w′` on the right, each at least 0.
    slopes: [f64; 2],
}

/// Total variance somewhere, and its first two derivatives by log-moneyness.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shape {
    pub(super) variance: f64,
    pub(super) slope: f64,
    pub(super) curvature: f64,
}

/// A straight wing in the direction in which it leads away from the smile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wing {
    /// Log-moneyness at which it begins.
    pub(super) end: f64,
    /// 1 to the right, −1 to the left.
    side: f64,
    /// Total variance there.
    variance: f64,
    /// By which that rises outward.
    pub(super) slope: f64,
}

impl Shape {
    /// A `part` of the way from here to `other`.
    pub(super) fn toward(self, other: Self, part: f64) -> Self {
        let mix = |a: f64, b: f64| a + part * (b - a);
        Self {
            variance: mix(self.variance, other.variance),
            slope: mix(self.slope, other.slope),
            curvature: mix(self.curvature, other.curvature),
        }
    }

    pub(super) fn minus(self, other: Self) -> Self {
        Self {
            variance: self.variance - other.variance,
            slope: self.slope - other.slope,
            curvature: self.curvature - other.curvature,
        }
    }
}

impl Wing {
    /// The same wing from `end` on, which lies on it.
    pub(super) fn from(self, end: f64) -> Self {
        Self { end, variance: self.variance + self.slope * self.side * (end - self.end), ..self }
    }

    pub(super) fn toward(self, other: Self, part: f64) -> Self {
        let mix = |a: f64, b: f64| a + part * (b - a);
        Self { variance: mix(self.variance, other.variance), slope: mix(self.slope, other.slope), ..self }
    }

    /// The least `g` on it. With `w = a + b·|k|` and `x = 1/w`, `4g = a²x² + (2a − b²)·x + 1 − b²/4`, for `x` from 0 to
    /// its value at the end.
    pub(super) fn least_butterfly(self) -> f64 {
        let b = self.slope;
        let a = self.variance - b * self.side * self.end;
        let four_g = |x: f64| (a * x) * (a * x) + (2.0 * a - b * b) * x + 1.0 - 0.25 * b * b;
        let last = 1.0 / self.variance;
        let vertex = (b * b - 2.0 * a) / (2.0 * a * a);
        let vertex = if vertex > 0.0 && vertex < last { vertex } else { last };
        0.25 * four_g(0.0).min(four_g(last)).min(four_g(vertex))
    }
}

impl Slice {
    /// The natural cubic spline through `points` of `((k, w), position)` with increasing `k`; `None` where there are none
    /// or the numbers leave their range.
    pub(super) fn through(years: f64, points: &[((f64, f64), usize)]) -> Option<Self> {
        let places: Vec<(f64, f64)> = points.iter().map(|(place, _)| *place).collect();
        let curvatures = curvatures(&places);
        let knots: Vec<Knot> = points
            .iter()
            .zip(&curvatures)
            .map(|(&((moneyness, variance), point), &curvature)| Knot {
                moneyness,
                variance,
                curvature,
                point,
            })
            .collect();
        let mut slice = Self { years, knots, slopes: [0.0, 0.0] };
        let (first, last) = (slice.knots.first()?.moneyness, slice.knots.last()?.moneyness);
        if last > first {
            slice.slopes = [(-slice.at(first).slope).max(0.0), slice.before(last).slope.max(0.0)];
        }
        let numbers = slice.slopes.iter().chain(&curvatures);
        numbers.into_iter().all(|number| number.is_finite()).then_some(slice)
    }

    /// Total variance at `k`, with the derivatives of what lies to its right.
    pub(super) fn at(&self, k: f64) -> Shape {
        self.shape(k, |knot| knot.moneyness <= k)
    }

    /// The same with the derivatives of what lies to its left.
    pub(super) fn before(&self, k: f64) -> Shape {
        self.shape(k, |knot| knot.moneyness < k)
    }

    /// The shape at `k` in the stretch that begins with the last knot of which `passed` holds.
    fn shape(&self, k: f64, passed: impl Fn(&Knot) -> bool) -> Shape {
        let right = self.knots.partition_point(passed);
        let left = right.checked_sub(1).and_then(|left| self.knots.get(left));
        let [falling, rising] = self.slopes;
        match (left, self.knots.get(right)) {
            (Some(left), Some(right)) => between(left, right, k),
            (None, Some(first)) => first.straight(k, -falling),
            (Some(last), None) => last.straight(k, rising),
            (None, None) => Shape { variance: 0.0, slope: 0.0, curvature: 0.0 },
        }
    }

    /// Left and right.
    pub(super) fn wings(&self) -> Vec<Wing> {
        let [falling, rising] = self.slopes;
        let ends = [(self.knots.first(), -1.0, falling), (self.knots.last(), 1.0, rising)];
        let wing = |(knot, side, slope): (Option<&Knot>, f64, f64)| {
            knot.map(|knot| Wing { end: knot.moneyness, side, variance: knot.variance, slope })
        };
        ends.into_iter().filter_map(wing).collect()
    }

    /// The log-moneyness of its knots, from left to right.
    pub(super) fn moneyness(&self) -> impl Iterator<Item = f64> + '_ {
        self.knots.iter().map(|knot| knot.moneyness)
    }

    /// Between each two of them.
    pub(super) fn stretches(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.moneyness().zip(self.moneyness().skip(1))
    }

    /// Position of the point nearest to `k`.
    pub(super) fn nearest(&self, k: f64) -> usize {
        let distance = |knot: &Knot| (knot.moneyness - k).abs();
        let nearest = self.knots.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
        nearest.map_or(0, |knot| knot.point)
    }
}

impl Knot {
    fn straight(&self, k: f64, slope: f64) -> Shape {
        Shape { variance: self.variance + slope * (k - self.moneyness), slope, curvature: 0.0 }
    }
}

fn between(left: &Knot, right: &Knot, k: f64) -> Shape {
    let width = right.moneyness - left.moneyness;
    let (a, b) = ((right.moneyness - k) / width, (k - left.moneyness) / width);
    let sixth = width * width / 6.0;
    Shape {
        variance: a * left.variance
            + b * right.variance
            + ((a * a * a - a) * left.curvature + (b * b * b - b) * right.curvature) * sixth,
        slope: (right.variance - left.variance) / width
            + ((3.0 * b * b - 1.0) * right.curvature - (3.0 * a * a - 1.0) * left.curvature) * width / 6.0,
        curvature: a * left.curvature + b * right.curvature,
    }
}

/// Second derivatives of the natural cubic spline at its points: the tridiagonal system of the continuous first
/// derivatives, by elimination (Press et al. 2007, §3.3).
fn curvatures(points: &[(f64, f64)]) -> Vec<f64> {
    // Each row says curvature = constant − factor·(curvature of the next).
    let mut rows: Vec<(f64, f64)> = vec![(0.0, 0.0)];
    for window in points.windows(3) {
        let [(k0, w0), (k1, w1), (k2, w2)] = *window else { continue };
        let (before, after) = (k1 - k0, k2 - k1);
        let (constant, factor) = rows.last().copied().unwrap_or_default();
        let change = 6.0 * ((w2 - w1) / after - (w1 - w0) / before);
        let pivot = 2.0 * (before + after) - before * factor;
        rows.push(((change - before * constant) / pivot, after / pivot));
    }
    let mut next = 0.0;
    let mut found: Vec<f64> = vec![0.0];
    for (constant, factor) in rows.into_iter().skip(1).rev() {
        next = constant - factor * next;
        found.push(next);
    }
    if points.len() > 1 {
        found.push(0.0);
    }
    found.reverse();
    found
}

/// The least value between two ends of a cubic that is `width` long, from its shapes there.
pub(super) fn lowest(start: Shape, end: Shape, width: f64) -> f64 {
    // Slope at t: s + c·t + d·t²/2 with d the third derivative.
    let third = (end.curvature - start.curvature) / width;
    let value = |t: f64| {
        let taylor = start.slope + t * (0.5 * start.curvature + t * third / 6.0);
        start.variance + t * taylor
    };
    let root = libm::sqrt(start.curvature * start.curvature - 2.0 * third * start.slope);
    // The larger of the two in magnitude first, the other from their product: nothing cancels.
    let q = -(start.curvature + if start.curvature < 0.0 { -root } else { root });
    let turns = [q / third, 2.0 * start.slope / q];
    let inside = turns.into_iter().filter(|t| *t > 0.0 && *t < width).map(value);
    inside.fold(start.variance.min(end.variance), f64::min)
}
