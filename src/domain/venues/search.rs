//! The size of least average cost on an exact cost curve.

/// A size and how many quotes it took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SizeSearch {
    /// Units to trade.
    pub size: f64,
    /// Quotes asked for.
    pub quotes: u32,
}

/// Most quotes that a search asks for.
pub const MAX_QUOTES: u32 = 10;

/// Smallest size considered, as a share of the largest.
const SMALLEST: f64 = 1e-4;

/// `1/φ`, the share of a bracket that golden section keeps (Kiefer 1953).
const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// Finds `argmin (fixed + cost(z))/z` over `0 < z ≤ most`, by golden section on `ln z`: with convex cost the average has
/// one minimum there. Where it still falls at `most` (linear cost) the answer is `most`.
///
/// `fixed` in USD, `most` in units, `cost` in USD or `None` where the pool cannot quote the size. `None` where not
/// even `most` can be quoted or an input is no positive number.
pub fn least_average_cost(
    fixed: f64,
    most: f64,
    mut cost: impl FnMut(f64) -> Option<f64>,
) -> Option<SizeSearch> {
    if !(most.is_finite() && most > 0.0 && fixed.is_finite() && fixed >= 0.0) {
        return None;
    }
    let mut average = |size: f64| cost(size).map(|c| (fixed + c) / size);
    let at_most = average(most)?;
    let nearly = most * 0.9;
    if average(nearly)? >= at_most {
        return Some(SizeSearch { size: most, quotes: 2 });
    }
    let (mut low, mut high) = (libm::log(most * SMALLEST), libm::log(most));
    let mut best = (nearly, average(nearly)?);
    let mut left = high - GOLDEN * (high - low);
    let mut right = low + GOLDEN * (high - low);
    let (mut at_left, mut at_right) = (average(libm::exp(left))?, average(libm::exp(right))?);
    for _ in 4..MAX_QUOTES {
        if at_left < at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - GOLDEN * (high - low);
            at_left = average(libm::exp(left))?;
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + GOLDEN * (high - low);
            at_right = average(libm::exp(right))?;
        }
        for (at, value) in [(left, at_left), (right, at_right)] {
            if value < best.1 {
                best = (libm::exp(at), value);
            }
        }
    }
    Some(SizeSearch { size: best.0, quotes: MAX_QUOTES })
}
