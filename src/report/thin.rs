//! Fewer points for the same picture.

/// Time in seconds since 1970, and a value.
pub(super) type Point = (f64, f64);

/// Of the points that fall into one of `columns` equal parts of `from..to`, the first, the last, the lowest and the
/// highest, in their order. With a part for each column of pixels the drawn line is the same (M4: Jugel, Jerzak,
/// Hackenbroich and Markl, 2014).
///
/// The points are in the order of time; the four are all that is kept of a part.
pub(super) fn thinned(points: &[Point], (from, to): (f64, f64), columns: f64) -> Vec<Point> {
    let column = |point: &Point| ((point.0 - from) / (to - from) * columns).floor();
    let mut out = Vec::new();
    for part in points.chunk_by(|a, b| column(a) == column(b)) {
        keep(part, &mut out);
    }
    out
}

fn keep(part: &[Point], out: &mut Vec<Point>) {
    let places = || part.iter().map(|point| point.1).enumerate();
    let lowest = places().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(place, _)| place);
    let highest = places().max_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(place, _)| place);
    let mut kept = [0, lowest, highest, part.len().saturating_sub(1)].to_vec();
    kept.sort_unstable();
    kept.dedup();
    out.extend(kept.iter().filter_map(|&place| part.get(place)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(steps: u32) -> Vec<Point> {
        (0..steps).map(|step| (f64::from(step), (f64::from(step) * 0.37).sin() * f64::from(step))).collect()
    }

    #[test]
    fn extremes_and_ends_are_kept_and_at_most_four_points_a_column() {
        let mut points = wave(10_000);
        points[4_321].1 = 1e6;
        points[7_007].1 = -1e6;
        let thin = thinned(&points, (0.0, 10_000.0), 50.0);
        assert!(thin.len() <= 200, "{}", thin.len());
        assert!(thin.contains(&(4_321.0, 1e6)));
        assert!(thin.contains(&(7_007.0, -1e6)));
        assert_eq!(thin.first(), points.first());
        assert_eq!(thin.last(), points.last());
        assert!(thin.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn every_column_keeps_its_own_extremes() {
        let points = wave(10_000);
        let thin = thinned(&points, (0.0, 10_000.0), 50.0);
        for part in points.chunks(200) {
            let highest = part.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
            let lowest = part.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
            assert!(thin.contains(&highest) && thin.contains(&lowest));
        }
    }

    #[test]
    fn few_points_are_all_kept() {
        let points = wave(40);
        assert_eq!(thinned(&points, (0.0, 40.0), 100.0), points);
        assert_eq!(thinned(&[], (0.0, 40.0), 100.0), []);
        assert_eq!(thinned(&[(3.0, 1.0)], (0.0, 40.0), 100.0), [(3.0, 1.0)]);
    }
}
