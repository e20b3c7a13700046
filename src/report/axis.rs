//! Ranges of the axes and where their ticks stand.

use std::ops::Range;

use plotters::{
    coord::{
        ranged1d::{DefaultFormatting, KeyPointHint},
        types::RangedCoordf64,
    },
    prelude::Ranged,
};

use super::{calendar, text, thin::Point};

/// A range, its ticks and how they are written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    /// Where it begins.
    pub(super) from: f64,
    /// Where it ends, above where it begins.
    pub(super) to: f64,
    /// Values with a tick, ascending.
    pub(super) ticks: Vec<f64>,
    /// Distance between two.
    step: f64,
}

/// Distances between ticks of time that a reader can count in, seconds.
const TIME_STEPS: [f64; 14] = [
    60.0,
    300.0,
    900.0,
    1_800.0,
    3_600.0,
    7_200.0,
    10_800.0,
    21_600.0,
    43_200.0,
    86_400.0,
    172_800.0,
    604_800.0,
    2_592_000.0,
    31_536_000.0,
];

impl Axis {
    /// From the first to the last time of the points, with at most `most` ticks.
    pub(super) fn of_time<'a>(points: impl Iterator<Item = &'a Point>, most: f64) -> Self {
        let (from, to) = extent(points.map(|point| point.0), 60.0);
        let step = TIME_STEPS.into_iter().find(|step| (to - from) / step < most);
        Self::new(from, to, step.unwrap_or_else(|| round_step(to - from, most)))
    }

    /// From the first to the last place of the points, with about `most` ticks.
    pub(super) fn across<'a>(points: impl Iterator<Item = &'a Point>, most: f64) -> Self {
        let (from, to) = extent(points.map(|point| point.0), 1.0);
        Self::new(from, to, round_step(to - from, most))
    }

    /// Of the values of the points, with a little air and about `most` ticks; down to zero if `from_zero` and no
    /// value is below.
    pub(super) fn of_values<'a>(points: impl Iterator<Item = &'a Point>, most: f64, from_zero: bool) -> Self {
        let (mut from, mut to) = extent(points.map(|point| point.1), 1.0);
        let air = (to - from) * 0.05;
        to += air;
        from = if from_zero && from >= 0.0 { 0.0 } else { from - air };
        Self::new(from, to, round_step(to - from, most))
    }

    fn new(from: f64, to: f64, step: f64) -> Self {
        let first = (from / step).ceil();
        let ticks = (0..100u32).map(|tick| (first + f64::from(tick)) * step).take_while(|tick| *tick <= to);
        Self { from, to, ticks: ticks.collect(), step }
    }

    /// A tick of a value: as many decimals as the steps have.
    pub(super) fn value_label(&self, tick: f64) -> String {
        let decimals = (0..9usize).find(|&decimals| {
            let scaled = (0..decimals).fold(self.step, |scaled, _| scaled * 10.0);
            (scaled - scaled.round()).abs() < 1e-6 * scaled
        });
        text::number(tick, decimals.unwrap_or(9))
    }

    /// A tick of time.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "ticks are whole seconds since 1970, and the cast saturates"
    )]
    pub(super) fn time_label(tick: f64) -> String {
        calendar::tick(tick as u64)
    }
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        RangedCoordf64::from(self.range()).map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // Light points are the lines between those of the ticks; there are none.
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.from..self.to
    }
}

/// Lowest and highest; where they are equal, or too near for floating point to divide, as much as `least` apart.
fn extent(values: impl Iterator<Item = f64>, least: f64) -> (f64, f64) {
    let (from, to) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(from, to), value| (from.min(value), to.max(value)));
    if from > to {
        return (0.0, least);
    }
    if to - from > 1e-9 * from.abs().max(to.abs()) {
        return (from, to);
    }
    let half = (from.abs() * 0.01).max(least / 2.0);
    (from - half, to + half)
}

/// The least of 1, 2 and 5 times a power of ten of which at most `most` fit into the span.
fn round_step(span: f64, most: f64) -> f64 {
    let least = span / most;
    let power = 10f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0].into_iter().map(|round| round * power).find(|step| *step >= least);
    step.unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_few() {
        for (span, most, step) in
            [(10.0, 5.0, 2.0), (11.0, 5.0, 5.0), (0.34, 4.0, 0.1), (9_000.0, 6.0, 2_000.0), (6.0, 1.0, 10.0)]
        {
            assert!((round_step(span, most) - step).abs() < 1e-9 * step, "{span} {most}");
        }
    }

    #[test]
    fn time_has_its_ticks_at_round_hours() {
        // 36 hours from 2020-03-12 00:30.
        let points = [(1_583_973_000.0, 0.0), (1_584_102_600.0, 0.0)];
        let axis = Axis::of_time(points.iter(), 8.0);
        let labels: Vec<String> = axis.ticks.iter().map(|tick| Axis::time_label(*tick)).collect();
        assert_eq!(labels, ["06:00", "12:00", "18:00", "13 Mar", "06:00", "12:00"]);
    }

    #[test]
    fn labels_have_the_decimals_of_their_steps() {
        let axis = |low: f64, high: f64| Axis::of_values([(0.0, low), (0.0, high)].iter(), 5.0, false);
        let labels = |axis: &Axis| axis.ticks.iter().map(|tick| axis.value_label(*tick)).collect::<Vec<_>>();
        assert_eq!(labels(&axis(8_000.0, 10_500.0)), ["8,000", "9,000", "10,000"]);
        assert_eq!(labels(&axis(0.1, 0.3)), ["0.10", "0.15", "0.20", "0.25", "0.30"]);
        assert_eq!(labels(&axis(-1.0, 1.0)), ["−1.0", "−0.5", "0.0", "0.5", "1.0"]);
    }

    #[test]
    fn zero_is_the_foot_only_where_nothing_is_below() {
        let foot = |low: f64| Axis::of_values([(0.0, low), (0.0, 10.0)].iter(), 5.0, true).from;
        assert!(foot(5.0).abs() < 1e-12);
        assert!(foot(-5.0) < -5.0);
    }

    #[test]
    fn a_range_of_one_value_or_none_is_not_empty() {
        for value in [0.0, 1.0, -3.0, 1e-12, 1e12] {
            let axis = Axis::of_values([(0.0, value)].iter(), 5.0, false);
            assert!(axis.from < value && value < axis.to && !axis.ticks.is_empty(), "{axis:?}");
        }
        let none = Axis::of_values([].iter(), 5.0, false);
        assert!(none.from < none.to && none.ticks.len() < 10);
    }
}
