//! A sweep at its end.

use std::sync::Arc;

use serde::Serialize;

use super::inputs::Inputs;
use super::view::{Risk, View};
use super::{front, heat};
use crate::backtest::past::metrics::Metrics;
use crate::backtest::sweep::grid::Dimension;
use crate::backtest::sweep::kept::Kept;
use crate::backtest::sweep::outcome::Outcome;
use crate::backtest::sweep::plan::Unfit;

/// Everything that is known at the end.
pub(super) struct Swept {
    pub(super) inputs: Arc<Inputs>,
    pub(super) dimensions: Vec<Dimension>,
    pub(super) kept: Kept,
    pub(super) view: View,
}

/// Combinations that are shown, by what came of them.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Counts {
    /// All of them.
    pub(super) cells: usize,
    pub(super) walked: usize,
    /// Walked, and at some time below the floor.
    pub(super) below_floor: usize,
    /// Not walked to their end.
    pub(super) failed: usize,
    /// Those that no policy or setting can have.
    pub(super) impossible: usize,
}

/// What `--json` prints.
#[derive(Serialize)]
pub(super) struct Printed<'a> {
    policy: &'a str,
    prices: &'a str,
    #[serde(flatten)]
    counts: Counts,
    dimensions: &'a [Dimension],
    held: Vec<String>,
    risk: Risk,
    front: Vec<front::Printed<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heat_map: Option<heat::Printed<'a>>,
    impossible_cells: Vec<Why>,
    failed_cells: Vec<Why>,
    notes: &'a [String],
}

#[derive(Serialize)]
struct Why {
    cell: usize,
    why: String,
}

impl Swept {
    /// The combinations that are shown and were walked.
    pub(super) fn walked(&self) -> impl Iterator<Item = (usize, &Metrics)> {
        self.done().filter_map(|(cell, outcome)| match outcome {
            Outcome::Walked(metrics) => Some((cell, &**metrics)),
            Outcome::Failed(_) => None,
        })
    }

    /// The combinations that are shown and could not be walked to their end, and why.
    pub(super) fn failed(&self) -> impl Iterator<Item = (usize, &str)> {
        self.done().filter_map(|(cell, outcome)| match outcome {
            Outcome::Walked(_) => None,
            Outcome::Failed(why) => Some((cell, why.as_str())),
        })
    }

    fn done(&self) -> impl Iterator<Item = (usize, &Outcome)> {
        let all = self.kept.outcomes().iter().map(|(cell, outcome)| (*cell, outcome));
        all.filter(|(cell, _)| self.view.shows(&self.inputs.plan.places(*cell)))
    }

    /// The combinations that are shown and that no policy or setting can have, and why.
    pub(super) fn impossible(&self) -> impl Iterator<Item = (usize, &Unfit)> {
        let plan = &self.inputs.plan;
        let all = (0..plan.cells()).filter_map(|cell| plan.cell(cell).err().map(|unfit| (cell, unfit)));
        all.filter(|(cell, _)| self.view.shows(&plan.places(*cell)))
    }

    pub(super) fn counts(&self) -> Counts {
        let (walked, failed) = (self.walked().count(), self.failed().count());
        let impossible = self.impossible().count();
        Counts {
            cells: walked.saturating_add(failed).saturating_add(impossible),
            walked,
            below_floor: self.walked().filter(|(_, metrics)| metrics.floor_breaches > 0).count(),
            failed,
            impossible,
        }
    }

    /// The values of a combination, `key = value` for each dimension.
    pub(super) fn values(&self, cell: usize) -> String {
        let places = self.inputs.plan.places(cell);
        let value = |(dimension, place): (&Dimension, usize)| {
            format!("{} = {}", dimension.name, dimension.values.get(place).map_or("", String::as_str))
        };
        self.dimensions.iter().zip(places).map(value).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn printed(&self) -> Printed<'_> {
        Printed {
            policy: &self.inputs.policy,
            prices: &self.inputs.name,
            counts: self.counts(),
            dimensions: &self.dimensions,
            held: self.view.held(&self.dimensions),
            risk: self.view.risk,
            front: self.front_printed(),
            heat_map: self.heat_map().and_then(|map| self.heat_printed(&map)),
            impossible_cells: self
                .impossible()
                .map(|(cell, unfit)| Why { cell, why: unfit.to_string() })
                .collect(),
            failed_cells: self.failed().map(|(cell, why)| Why { cell, why: why.to_owned() }).collect(),
            notes: &self.inputs.notes,
        }
    }
}
