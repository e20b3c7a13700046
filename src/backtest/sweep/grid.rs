//! What a sweep varies, as it stands in a file: keys of the policy and of the setting with the values that they take, capitals,
//! and periods of the past.

mod notes;
mod period;
mod range;
mod reading;

use std::path::{Path, PathBuf};

use rust_decimal::Decimal;
use serde::Serialize;
use thiserror::Error;

pub use period::Period;

use crate::config::{Amendment, KeyPath, Mistake};

/// Most combinations of one sweep.
pub const MOST_CELLS: usize = 100_000;

/// What is varied. Every value of each is combined with every value of all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    /// The file, as it was named.
    pub file: PathBuf,
    /// Keys of the policy, in the order of the file.
    pub policy: Vec<Parameter>,
    /// Keys of the setting.
    pub setting: Vec<Parameter>,
    /// First net asset values, units of the asset; absent where that does not vary.
    pub capital: Option<Parameter>,
    /// Parts of the past, none where it is walked through as a whole.
    pub periods: Vec<Period>,
    /// The text, for the places of mistakes that show later.
    pub(super) text: String,
}

/// A key and the values that it takes, no two of them equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Where it stands in the policy or in the setting.
    pub path: KeyPath,
    /// One or more.
    pub values: Vec<Choice>,
}

/// A value of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// For people: a text without its quotes.
    pub shown: String,
    /// As it would stand in the file of the policy or of the setting.
    pub text: String,
    /// Offset in the file of the grid.
    pub(super) offset: usize,
}

/// Something that varies, for people and tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dimension {
    /// `policy.strategy.multiplier`, `setting.pools.depth`, `capital` or `period`.
    pub name: String,
    /// Its values.
    pub values: Vec<String>,
}

/// Why there is no grid.
#[derive(Debug, Error)]
pub enum GridError {
    /// The file cannot be read.
    #[error("the grid {} cannot be read: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Keys or values are wrong; all of them are listed.
    #[error("{}", listed(.0))]
    Mistakes(Vec<Mistake>),
    /// There are too many combinations.
    #[error(
        "{}: {cells} combinations are more than {MOST_CELLS}: give fewer values, or sweep a part of them at a time",
        path.display()
    )]
    TooMany {
        /// The file.
        path: PathBuf,
        /// How many.
        cells: u128,
    },
}

impl Grid {
    /// Reads a file; whether its values fit is found out by [`Plan::of`](super::plan::Plan::of).
    ///
    /// # Errors
    /// It cannot be read, is no TOML, has a key that means nothing, a list without values or with two that are equal, or makes
    /// more than [`MOST_CELLS`] combinations.
    pub fn read(path: &Path) -> Result<Self, GridError> {
        let unreadable = |error| GridError::Unreadable { path: path.to_owned(), error };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        Self::parse(path, &text)
    }

    /// The same of a text; `file` names it in mistakes.
    ///
    /// # Errors
    /// As [`Grid::read`].
    pub fn parse(file: &Path, text: &str) -> Result<Self, GridError> {
        let grid = reading::read(file, text).map_err(GridError::Mistakes)?;
        let sizes = grid.dimensions().into_iter().map(|dimension| dimension.values.len());
        let cells =
            sizes.fold(1_u128, |cells, size| cells.saturating_mul(u128::try_from(size).unwrap_or(u128::MAX)));
        let too_many = usize::try_from(cells).map_or(true, |cells| cells > MOST_CELLS);
        if too_many { Err(GridError::TooMany { path: file.to_owned(), cells }) } else { Ok(grid) }
    }

    /// Everything that varies: keys of the policy, of the setting, capital, periods. The last one changes fastest from one
    /// combination to the next.
    #[must_use]
    pub fn dimensions(&self) -> Vec<Dimension> {
        let named = |of: &'static str| {
            move |parameter: &Parameter| Dimension {
                name: format!("{of}.{}", parameter.path),
                values: parameter.shown(),
            }
        };
        let capital = self
            .capital
            .as_ref()
            .map(|capital| Dimension { name: "capital".to_owned(), values: capital.shown() });
        let names: Vec<String> = self.periods.iter().map(|period| period.name.clone()).collect();
        let periods = (!names.is_empty()).then(|| Dimension { name: "period".to_owned(), values: names });
        let keys = self.policy.iter().map(named("policy")).chain(self.setting.iter().map(named("setting")));
        keys.chain(capital).chain(periods).collect()
    }

    /// How many values each dimension has.
    #[must_use]
    pub fn sizes(&self) -> Vec<usize> {
        let keys = self.policy.iter().chain(&self.setting).chain(&self.capital);
        let periods = (!self.periods.is_empty()).then_some(self.periods.len());
        keys.map(|parameter| parameter.values.len()).chain(periods).collect()
    }

    /// How many policies and settings it makes, which is what a check of it takes.
    #[must_use]
    pub fn documents(&self) -> usize {
        let of = |parameters: &[Parameter]| -> usize {
            parameters.iter().map(|parameter| parameter.values.len()).product()
        };
        of(&self.policy).saturating_add(of(&self.setting))
    }

    /// The capitals, units of the asset; `otherwise` where they do not vary.
    #[must_use]
    pub fn capitals(&self, otherwise: Decimal) -> Vec<Decimal> {
        let Some(capital) = &self.capital else { return vec![otherwise] };
        capital.values.iter().filter_map(|choice| choice.shown.parse().ok()).collect()
    }
}

impl Parameter {
    fn shown(&self) -> Vec<String> {
        self.values.iter().map(|choice| choice.shown.clone()).collect()
    }

    /// Its value of that number as a change of the document.
    pub(super) fn amendment(&self, number: usize) -> Option<Amendment> {
        let value = self.values.get(number)?.text.clone();
        Some(Amendment { path: self.path.clone(), value })
    }
}

fn listed(mistakes: &[Mistake]) -> String {
    /// Mistakes that are listed; the rest are counted.
    const MOST: usize = 50;
    let count = mistakes.len();
    let mut lines = vec![format!("{count} {} in the grid", if count == 1 { "mistake" } else { "mistakes" })];
    lines.extend(mistakes.iter().take(MOST).map(|mistake| format!("  {mistake}")));
    if count > MOST {
        lines.push(format!("  and {} more", count.saturating_sub(MOST)));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests;
