//! Which of many points are worth having, where less is better in both of two ways.

use std::cmp::Ordering;

/// The places of those points that no other one is better than: none has less of one figure and no more of the other. In the
/// order of the first figure; equal points all belong to it, or none. A point with a figure that is not a number does not.
///
/// It sorts once: `O(n log n)` (Kung, Luccio and Preparata 1975).
#[must_use]
pub fn front(points: &[(f64, f64)]) -> Vec<usize> {
    let there = points.iter().enumerate().filter(|(_, (first, second))| !first.is_nan() && !second.is_nan());
    let mut there: Vec<(usize, (f64, f64))> = there.map(|(at, point)| (at, *point)).collect();
    there.sort_by(|(_, a), (_, b)| order(a.0, b.0).then(order(a.1, b.1)));
    let mut front = Vec::new();
    let mut last: Option<(f64, f64)> = None;
    for (at, point) in there {
        if last.is_none_or(|last| point.1 < last.1 || point == last) {
            front.push(at);
            last = Some(point);
        }
    }
    front
}

/// Of two numbers; both zeros are equal.
fn order(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn better(one: (f64, f64), other: (f64, f64)) -> bool {
        one.0 <= other.0 && one.1 <= other.1 && one != other
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        /// Few values, so that there are ties and equal points; some are not numbers.
        #[test]
        fn no_point_of_the_front_is_beaten_and_every_other_one_is(
            points in prop::collection::vec((-8i8..9, -8i8..9), 0..80),
        ) {
            let real = |value: i8| if value == 8 { f64::NAN } else { f64::from(value) / 3.0 };
            let points: Vec<(f64, f64)> = points.into_iter().map(|(a, b)| (real(a), real(b))).collect();
            let front = front(&points);
            for (at, point) in points.iter().enumerate() {
                let is_number = !point.0.is_nan() && !point.1.is_nan();
                let beaten = points.iter().any(|other| better(*other, *point));
                prop_assert_eq!(front.contains(&at), is_number && !beaten, "{:?}", point);
            }
            prop_assert!(front.is_sorted_by(|a, b| points[*a].0 <= points[*b].0));
        }

        #[test]
        fn the_order_of_the_points_does_not_matter(
            points in prop::collection::vec((0u8..20, 0u8..20), 0..40).prop_flat_map(|points| {
                (Just(points.clone()), Just(points).prop_shuffle())
            }),
        ) {
            let of = |points: &[(u8, u8)]| {
                let points: Vec<_> = points.iter().map(|(a, b)| (f64::from(*a), f64::from(*b))).collect();
                front(&points).into_iter().map(|at| points[at]).collect::<Vec<_>>()
            };
            prop_assert_eq!(of(&points.0), of(&points.1));
        }
    }

    #[test]
    fn of_three_points_the_one_that_is_dearer_and_riskier_is_left_out() {
        assert_eq!(front(&[(3.0, 1.0), (3.0, 2.0), (1.0, 5.0), (3.0, 1.0), (f64::NAN, 0.0)]), [2, 0, 3]);
        assert_eq!(front(&[(0.0, 1.0), (-0.0, 1.0)]), [0, 1]);
        assert!(front(&[]).is_empty());
    }
}
