//! Cost against risk: which policies no other one beats in both.
//!
//! What an owner chooses is the policy; setting, capital and period are worlds that come as they come. So a point is a policy:
//! its cost is the mean over the worlds that are shown, its risk the highest. Where the grid varies no policy, each combination is
//! a point.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Swept;
use super::view::mean;
use crate::backtest::past::metrics::Metrics;
use crate::backtest::sweep::pareto;

/// A policy in all worlds that are shown.
#[derive(Debug, Clone)]
pub(super) struct Point {
    /// Its first combination.
    pub(super) cell: usize,
    /// How many there are of it.
    pub(super) worlds: usize,
    /// Mean cost a year, basis points.
    pub(super) cost: f64,
    /// Highest risk.
    pub(super) risk: f64,
    /// Mean return.
    pub(super) earned: f64,
    /// Mean number of rebalances.
    pub(super) rebalances: f64,
    /// Lowest cushion over the floor.
    pub(super) lowest: f64,
    /// Breaches of the floor, all together.
    pub(super) breaches: u64,
}

/// What `--json` prints.
#[derive(Serialize)]
pub(super) struct Printed<'a> {
    cell: usize,
    values: BTreeMap<&'a str, &'a str>,
    worlds: usize,
    cost_bps: f64,
    risk: f64,
    total_return: f64,
    rebalances: f64,
    lowest_cushion_share: f64,
    floor_breaches: u64,
}

impl Swept {
    /// Every point, and the places of those on the front, from the cheapest on. A policy that could not be walked in one of the
    /// worlds is none.
    pub(super) fn points(&self) -> (Vec<Point>, Vec<usize>) {
        let mut groups: BTreeMap<usize, (usize, Vec<&Metrics>)> = BTreeMap::new();
        for (cell, metrics) in self.walked() {
            let (_, all) = groups.entry(self.group(cell)).or_insert_with(|| (cell, Vec::new()));
            all.push(metrics);
        }
        for (cell, _) in self.failed() {
            groups.remove(&self.group(cell));
        }
        let points: Vec<Point> = groups.into_values().map(|(cell, all)| self.point(cell, &all)).collect();
        let pairs: Vec<(f64, f64)> = points.iter().map(|point| (point.cost, point.risk)).collect();
        let front = pareto::front(&pairs);
        (points, front)
    }

    fn point(&self, cell: usize, all: &[&Metrics]) -> Point {
        let each = |of: fn(&Metrics) -> f64| -> Vec<f64> { all.iter().map(|metrics| of(metrics)).collect() };
        let risks = all.iter().map(|metrics| self.view.risk.of(metrics));
        Point {
            cell,
            worlds: all.len(),
            cost: mean(&each(|metrics| metrics.cost_bps)),
            risk: risks.fold(f64::NEG_INFINITY, f64::max),
            earned: mean(&each(|metrics| metrics.total_return)),
            rebalances: mean(&each(|metrics| count(metrics.rebalances))),
            lowest: all.iter().map(|metrics| metrics.lowest_cushion_share).fold(f64::INFINITY, f64::min),
            breaches: all.iter().map(|metrics| metrics.floor_breaches).sum(),
        }
    }

    /// What is one point: all combinations of a policy, or each of them.
    fn group(&self, cell: usize) -> usize {
        let worlds = self.inputs.plan.worlds();
        if self.by_policy() { cell.checked_div(worlds).unwrap_or(0) } else { cell }
    }

    /// Whether a point is a policy.
    pub(super) fn by_policy(&self) -> bool {
        !self.inputs.plan.grid().policy.is_empty()
    }

    /// The dimensions that tell points apart, and the value of a point in each.
    pub(super) fn told_apart(&self, point: &Point) -> Vec<(&str, &str)> {
        let places = self.inputs.plan.places(point.cell);
        let of = |dimension: &str| !self.by_policy() || dimension.starts_with("policy.");
        let named = self.dimensions.iter().zip(places).filter(|(dimension, _)| of(&dimension.name));
        named
            .map(|(dimension, place)| {
                (dimension.name.as_str(), dimension.values.get(place).map_or("", String::as_str))
            })
            .collect()
    }

    pub(super) fn front_printed(&self) -> Vec<Printed<'_>> {
        let (points, front) = self.points();
        let printed = |point: &Point| Printed {
            cell: point.cell,
            values: self.told_apart(point).into_iter().collect(),
            worlds: point.worlds,
            cost_bps: point.cost,
            risk: point.risk,
            total_return: point.earned,
            rebalances: point.rebalances,
            lowest_cushion_share: point.lowest,
            floor_breaches: point.breaches,
        };
        front.into_iter().filter_map(|at| points.get(at)).map(printed).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
const fn count(count: u64) -> f64 {
    count as f64
}
