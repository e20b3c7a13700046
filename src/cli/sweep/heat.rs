//! One figure over two parameters.

use serde::Serialize;

use super::Swept;
use super::view::Others;
use crate::report::sweep::{Heat, HeatMap};

/// What `--json` prints.
#[derive(Serialize)]
pub(super) struct Printed<'a> {
    x: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<&'a str>,
    figure: &'a str,
    others: Others,
    /// From the first value of `y` to the last, each from the first of `x` to the last.
    values: Vec<Vec<Option<f64>>>,
}

impl Swept {
    /// The heat map; none where nothing varies.
    pub(super) fn heat_map(&self) -> Option<HeatMap> {
        let (across, up) =
            (self.dimensions.get(self.view.x?)?, self.view.y.and_then(|y| self.dimensions.get(y)));
        let (id, name, _, unit, _) = self.view.figure;
        let (columns, rows) = (across.values.len(), up.map_or(1, |up| up.values.len()));
        let mut found: Vec<Vec<Vec<f64>>> = vec![vec![Vec::new(); columns]; rows];
        let mut broken = vec![vec![false; columns]; rows];
        for (cell, metrics) in self.walked() {
            let places = self.inputs.plan.places(cell);
            let place = |of: Option<usize>| of.and_then(|of| places.get(of).copied()).unwrap_or(0);
            let (x, y) = (place(self.view.x), place(self.view.y));
            if let Some(values) = found.get_mut(y).and_then(|row| row.get_mut(x)) {
                values.extend((self.view.figure.4)(metrics));
            }
            if let Some(broken) = broken.get_mut(y).and_then(|row| row.get_mut(x)) {
                *broken |= metrics.floor_breaches > 0;
            }
        }
        let each = found.iter().flatten().map(Vec::len).max().unwrap_or(0);
        let cell = |(values, broken): (&Vec<f64>, &bool)| {
            self.view.others.of(values).map(|value| Heat { value, broken: *broken })
        };
        let cells = found.iter().zip(&broken).map(|(row, broken)| row.iter().zip(broken).map(cell).collect());
        Some(HeatMap {
            id,
            figure: name,
            unit: *unit,
            x: (across.name.clone(), across.values.clone()),
            y: up.map(|up| (up.name.clone(), up.values.clone())),
            cells: cells.collect(),
            each: match self.view.others {
                Others::Mean => "the mean",
                Others::Lowest => "the lowest",
                Others::Highest => "the highest",
            },
            of: each,
        })
    }

    pub(super) fn heat_printed<'a>(&'a self, map: &HeatMap) -> Option<Printed<'a>> {
        let name = |of: Option<usize>| Some(self.dimensions.get(of?)?.name.as_str());
        let values = map.cells.iter().map(|row| row.iter().map(|cell| cell.map(|cell| cell.value)).collect());
        Some(Printed {
            x: name(self.view.x)?,
            y: name(self.view.y),
            figure: self.view.figure.0,
            others: self.view.others,
            values: values.collect(),
        })
    }
}
