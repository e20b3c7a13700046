//! What of a sweep is shown: which parameters the heat map has, which combinations count, and what risk is.

use clap::ValueEnum;
use eyre::{Result, eyre};
use serde::Serialize;

use super::Shown;
use crate::backtest::past::metrics::Metrics;
use crate::backtest::sweep::grid::Dimension;
use crate::cli::backtest::figures::{DEFINITIONS, Definition};
use crate::report::backtest::Unit;

/// What the heat map takes of several combinations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Others {
    /// Their mean.
    Mean,
    /// The lowest of them.
    Lowest,
    /// The highest of them.
    Highest,
}

/// What cost is set against; more of it is worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Risk {
    /// What the drift from the target earned or lost, a year.
    TrackingError,
    /// Largest fall of value per share from a peak.
    MaxDrawdown,
    /// How far the lowest cushion was below the floor, as a part of it: negative where it held.
    LowestCushion,
    /// How deep value fell below the floor, as a part of the first value.
    BreachDepth,
}

/// What is shown.
pub(super) struct View {
    /// Dimensions across and up the heat map.
    pub(super) x: Option<usize>,
    pub(super) y: Option<usize>,
    pub(super) figure: &'static Definition,
    pub(super) others: Others,
    pub(super) risk: Risk,
    /// Dimensions that are held at one of their values.
    fixed: Vec<(usize, usize)>,
}

impl View {
    /// From arguments.
    ///
    /// # Errors
    /// A name that means nothing, or several things.
    pub(super) fn of(shown: &Shown, dimensions: &[Dimension]) -> Result<Self> {
        let figure = DEFINITIONS.iter().find(|(id, ..)| *id == shown.figure).ok_or_else(|| {
            let names: Vec<&str> = DEFINITIONS.iter().map(|(id, ..)| *id).collect();
            eyre!("there is no figure {}; there are {}", shown.figure, names.join(", "))
        })?;
        let fixed = shown.fix.iter().map(|text| fixed(text, dimensions)).collect::<Result<Vec<_>>>()?;
        once(&fixed, dimensions)?;
        let [x, y] = [("--x", &shown.x), ("--y", &shown.y)].map(|(option, name)| {
            name.as_deref().map(|name| dimension(option, name, dimensions)).transpose()
        });
        let (x, y) = (x?, y?);
        if x.is_some() && x == y {
            return Err(eyre!("--x and --y are one parameter"));
        }
        let most = |taken: Option<usize>| {
            let free = dimensions.iter().enumerate().filter(|(at, dimension)| {
                let held = fixed.iter().any(|(fixed, _)| fixed == at);
                dimension.values.len() > 1 && Some(*at) != taken && !held
            });
            // Of equals the first.
            free.rev().max_by_key(|(_, dimension)| dimension.values.len()).map(|(at, _)| at)
        };
        let x = x.or_else(|| most(y));
        let y = y.or_else(|| most(x));
        Ok(Self { x, y, figure, others: shown.others, risk: shown.risk, fixed })
    }

    /// Whether a combination is shown, by the places of its values.
    pub(super) fn shows(&self, places: &[usize]) -> bool {
        self.fixed.iter().all(|(dimension, place)| places.get(*dimension) == Some(place))
    }

    /// What is held, for people.
    pub(super) fn held(&self, dimensions: &[Dimension]) -> Vec<String> {
        let name = |(at, place): &(usize, usize)| {
            let dimension = dimensions.get(*at)?;
            Some(format!("{} = {}", dimension.name, dimension.values.get(*place)?))
        };
        self.fixed.iter().filter_map(name).collect()
    }
}

/// The number of the dimension of that name, with or without what it is of.
fn dimension(option: &str, name: &str, dimensions: &[Dimension]) -> Result<usize> {
    let bare = |full: &str| full.split_once('.').map_or(full, |(_, bare)| bare).to_owned();
    let exact = dimensions.iter().position(|dimension| dimension.name == name);
    let found: Vec<usize> = match exact {
        Some(at) => vec![at],
        None => (0..).zip(dimensions).filter(|(_, one)| bare(&one.name) == name).map(|(at, _)| at).collect(),
    };
    match found.as_slice() {
        [at] => Ok(*at),
        [] => {
            let names: Vec<&str> = dimensions.iter().map(|dimension| dimension.name.as_str()).collect();
            Err(eyre!("{option}: the grid does not vary {name}; it varies {}", names.join(", ")))
        }
        _ => Err(eyre!(
            "{option}: {name} is of the policy and of the setting: write policy.{name} or setting.{name}"
        )),
    }
}

fn fixed(text: &str, dimensions: &[Dimension]) -> Result<(usize, usize)> {
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| eyre!("--fix: expected a key and its value, as in period=crash"))?;
    let at = dimension("--fix", name.trim(), dimensions)?;
    let values = dimensions.get(at).map(|dimension| dimension.values.as_slice()).unwrap_or_default();
    let place = values.iter().position(|known| known == value.trim());
    let place =
        place.ok_or_else(|| eyre!("--fix: {} has no value {}; it has {}", name, value, values.join(", ")))?;
    Ok((at, place))
}

/// Refuses a dimension that is held at two values, with which nothing would be left.
fn once(fixed: &[(usize, usize)], dimensions: &[Dimension]) -> Result<()> {
    let twice =
        (0..).zip(fixed).find(|(place, (at, _))| fixed.iter().take(*place).any(|(before, _)| before == at));
    let Some((_, (at, _))) = twice else { return Ok(()) };
    let name = dimensions.get(*at).map_or("", |dimension| dimension.name.as_str());
    Err(eyre!("--fix: {name} stands twice: name one of its values, or none"))
}

impl Risk {
    /// What it is called, and how it is written.
    pub(super) const fn name(self) -> (&'static str, Unit) {
        match self {
            Self::TrackingError => ("Tracking error", Unit::Percent),
            Self::MaxDrawdown => ("Largest drawdown", Unit::Percent),
            Self::LowestCushion => ("Lowest cushion below the floor, part of it", Unit::Percent),
            Self::BreachDepth => ("Depth of breaches, part of the first value", Unit::Percent),
        }
    }

    /// Of one combination.
    pub(super) fn of(self, metrics: &Metrics) -> f64 {
        match self {
            Self::TrackingError => metrics.tracking_error.unwrap_or_default(),
            Self::MaxDrawdown => metrics.max_drawdown,
            Self::LowestCushion => -metrics.lowest_cushion_share,
            Self::BreachDepth => metrics.breach_depth / metrics.start.max(f64::MIN_POSITIVE),
        }
    }
}

impl Others {
    /// What it takes of values, of which there is at least one.
    pub(super) fn of(self, values: &[f64]) -> Option<f64> {
        let first = *values.first()?;
        let rest = values.iter().copied().skip(1);
        Some(match self {
            Self::Mean => mean(values),
            Self::Lowest => rest.fold(first, f64::min),
            Self::Highest => rest.fold(first, f64::max),
        })
    }
}

/// The mean; of none zero.
pub(super) fn mean(values: &[f64]) -> f64 {
    let count = values.iter().fold(0.0, |count, _| count + 1.0);
    values.iter().sum::<f64>() / f64::max(count, 1.0)
}
