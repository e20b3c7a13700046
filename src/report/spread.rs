//! Plots of many paths: how often what came of them, and how they spread over time.

use super::future::{Fan, Future, Kept};
use super::plots::{Across, Layer, Plot, Run, Shape};
use super::style;

/// Bars of a histogram.
const BARS: u32 = 50;
/// Share of the paths beyond which they stand in the last bar.
const MOST: f64 = 0.99;

const FANNED: &str =
    "Half of all paths are within the inner band at any one time, nine of ten within the outer one.";
const COLLECTED: &str = "What is beyond the right end stands in the last bar.";

/// The plots of the page, in their order.
pub(super) fn all(future: &Future<'_>) -> Vec<Plot> {
    let floor = 100.0 * future.floor / future.start;
    vec![
        fan(future.fan),
        histogram(("Value at the end", "% of the first value"), &told(future, |kept| &kept.ends), floor),
        histogram(("Lowest cushion on the way", "% of the floor"), &told(future, |kept| &kept.cushions), 0.0),
    ]
}

/// The values of all of them but those whose paths all came to the same, which would be one bar as high as all others together.
fn told<'a>(future: &'a Future<'_>, of: impl Fn(&'a Kept<'_>) -> &'a [f64]) -> Vec<(&'a str, &'a [f64])> {
    let kept = future.kept.iter().map(|kept| (kept.name, of(kept)));
    kept.enumerate().filter(|(at, (_, values))| *at == 0 || differ(values)).map(|(_, kept)| kept).collect()
}

fn differ(values: &[f64]) -> bool {
    values.iter().zip(values.iter().skip(1)).any(|(a, b)| a != b)
}

fn fan(fan: &[Fan]) -> Plot {
    let run = |of: fn(&Fan) -> f64| vec![fan.iter().map(|at| (at.day, of(at))).collect::<Run>()];
    let layers = vec![
        Layer::new("floor", style::FLOOR, Shape::Bound(run(|at| at.floor))),
        Layer::new(
            "from 5 to 95 % of the paths",
            style::OTHERS[0],
            Shape::Between(run(|at| at.p95), run(|at| at.p05)),
        ),
        Layer::new("from 25 to 75 %", style::TARGET, Shape::Between(run(|at| at.p75), run(|at| at.p25))),
        Layer::new("1 %", style::OTHERS[1], Shape::Line(run(|at| at.p01))),
        Layer::new("lowest of all", style::SELL, Shape::Line(run(|at| at.lowest))),
        Layer::new("median", style::KEEPER, Shape::Strong(run(|at| at.median))),
    ];
    Plot {
        title: "Net value of the policy over time",
        unit: "USD",
        across: Across::Value("days"),
        note: Some(FANNED),
        from_zero: false,
        layers,
    }
}

/// How many of the paths of each came to what: of the first as an area, of the others as lines.
fn histogram((title, unit): (&'static str, &'static str), kept: &[(&str, &[f64])], floor: f64) -> Plot {
    let (from, to) = reach(kept, floor);
    let inks = std::iter::once(style::KEEPER).chain(style::OTHERS);
    let mut layers = Vec::new();
    let mut highest = 0.0_f64;
    for (at, ((name, values), ink)) in kept.iter().zip(inks.cycle()).enumerate() {
        let outline = stairs(values, (from, to));
        highest = outline.iter().map(|point| point.1).fold(highest, f64::max);
        let shape = if at == 0 {
            Shape::Between(vec![outline], vec![vec![(from, 0.0), (to, 0.0)]])
        } else {
            Shape::Line(vec![outline])
        };
        layers.push(Layer::new(*name, ink, shape));
    }
    layers.reverse();
    let line = vec![vec![(floor, 0.0), (floor, highest)]];
    layers.push(Layer::new("floor", style::FLOOR, Shape::Strong(line)));
    let across = Across::Value(unit);
    Plot { title, unit: "% of the paths", across, note: Some(COLLECTED), from_zero: true, layers }
}

/// From the lowest, or the floor, to what most paths of each stay below.
fn reach(kept: &[(&str, &[f64])], floor: f64) -> (f64, f64) {
    let values = kept.iter().flat_map(|(_, values)| values.iter().copied());
    let lowest = values.filter(|value| value.is_finite()).fold(floor, f64::min);
    let highest = kept.iter().map(|(_, values)| most_below(values)).fold(floor, f64::max);
    let width = if highest > lowest { highest - lowest } else { 1.0 };
    (lowest, lowest + 1.02 * width)
}

fn most_below(values: &[f64]) -> f64 {
    let mut ascending: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    ascending.sort_unstable_by(f64::total_cmp);
    let at = place(MOST * to_f64(ascending.len()), ascending.len().saturating_sub(1));
    ascending.get(at).copied().unwrap_or(f64::NEG_INFINITY)
}

/// The outline of the bars, % of the values.
fn stairs(values: &[f64], (from, to): (f64, f64)) -> Run {
    let width = (to - from) / f64::from(BARS);
    let last = usize::try_from(BARS).unwrap_or(1).saturating_sub(1);
    let mut counts = vec![0.0; last.saturating_add(1)];
    for value in values.iter().filter(|value| value.is_finite()) {
        if let Some(count) = counts.get_mut(place((value - from) / width, last)) {
            *count += 1.0;
        }
    }
    let share = 100.0 / to_f64(values.len()).max(1.0);
    let bar = |(at, count): (u32, &f64)| {
        let left = from + width * f64::from(at);
        [(left, count * share), (left + width, count * share)]
    };
    (0..).zip(&counts).flat_map(bar).collect()
}

/// The whole part, at most `last`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is cut off")]
fn place(at: f64, last: usize) -> usize {
    (at.max(0.0) as usize).min(last)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
const fn to_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_shares_of_the_paths_and_the_last_holds_what_is_beyond() {
        let outline = stairs(&[0.0, 0.5, 10.0, 99.0, 1e9, f64::NAN, 50.0, 51.0], (0.0, 100.0));
        assert_eq!(outline.len(), 100);
        // Half open: 0 and 0.5 in the first two units.
        assert_eq!(outline[..2], [(0.0, 25.0), (2.0, 25.0)]);
        assert_eq!(outline[50], (50.0, 25.0));
        assert_eq!(outline[98..], [(98.0, 25.0), (100.0, 25.0)]);
    }

    #[test]
    fn a_histogram_reaches_from_the_lowest_value_or_mark_to_what_most_stay_below() {
        let values: Vec<f64> = (0..200).map(f64::from).chain([1e9]).collect();
        let (from, to) = reach(&[("policy", &values)], -10.0);
        assert_eq!(from, -10.0);
        assert!((198.0..220.0).contains(&to), "{to}");
        assert_eq!(reach(&[("policy", &[5.0, 5.0])], 5.0), (5.0, 6.02));
        assert_eq!(reach(&[], 0.0), (0.0, 1.02));
    }
}
