//! Every combination of a grid, made before anything runs, so that what cannot be is known at once.

mod unfit;

use rust_decimal::Decimal;
use serde_json::Value;

use unfit::NOWHERE;
pub use unfit::Unfit;

use super::grid::{Grid, GridError, Parameter};
use crate::backtest::past::setting::Setting;
use crate::config::{Amendment, Mistake, amend, amended_policy};
use crate::domain::policy::{Policy, PublishedPolicy};

/// What a grid varies.
#[derive(Debug, Clone, Copy)]
pub struct Base<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// The setting.
    pub setting: &'a Setting,
    /// First net asset value where the grid has none, units of the asset.
    pub capital: Decimal,
}

/// All combinations, numbered from 0; the last dimension of the grid changes fastest.
#[derive(Debug)]
pub struct Plan {
    grid: Grid,
    policies: Vec<Result<PublishedPolicy, Unfit>>,
    settings: Vec<Result<Setting, Unfit>>,
    capitals: Vec<Decimal>,
}

/// A combination that can be walked.
#[derive(Debug, Clone, Copy)]
pub struct Cell<'a> {
    /// The policy.
    pub policy: &'a PublishedPolicy,
    /// The setting.
    pub setting: &'a Setting,
    /// First net asset value, units of the asset.
    pub capital: Decimal,
    /// Number of its period; 0 where there are none.
    pub period: usize,
}

impl Plan {
    /// Makes every combination of the policy's keys, and of the setting's, and calls `made` after each, of which there are
    /// [`Grid::documents`].
    ///
    /// # Errors
    /// [`GridError::Mistakes`]: a value that fits into no combination, with what is wrong with it. What does not fit into some of
    /// them is no mistake: those are told by [`Plan::cell`].
    pub fn of(grid: Grid, base: Base<'_>, made: impl Fn()) -> Result<Self, GridError> {
        let policy = |amendments: &[Amendment]| {
            let policy =
                amended_policy(base.policy, amendments).map_err(|mistakes| Unfit::of_policy(&mistakes));
            made();
            policy
        };
        let setting = |amendments: &[Amendment]| {
            let setting = amended_setting(base.setting, amendments);
            made();
            setting
        };
        let policies = combined(&grid.policy, policy);
        let settings = combined(&grid.setting, setting);
        let mut mistakes = unfit::mistakes(("policy", &grid.policy), &policies);
        mistakes.extend(unfit::mistakes(("setting", &grid.setting), &settings));
        if !mistakes.is_empty() {
            let placed = |(offset, key, message)| Mistake::at(&grid.file, &grid.text, offset, key, message);
            let mut mistakes: Vec<Mistake> = mistakes.into_iter().map(placed).collect();
            mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
            return Err(GridError::Mistakes(mistakes));
        }
        let capitals = grid.capitals(base.capital);
        Ok(Self { grid, policies, settings, capitals })
    }

    /// The grid.
    #[must_use]
    pub const fn grid(&self) -> &Grid {
        &self.grid
    }

    /// How many combinations there are.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.sizes().into_iter().product()
    }

    /// How many of them walk one policy: combinations of setting, capital and period.
    #[must_use]
    pub fn worlds(&self) -> usize {
        self.sizes().into_iter().skip(1).product()
    }

    /// The combination of that number, or why there is none.
    ///
    /// # Errors
    /// The policy or the setting would be refused.
    pub fn cell(&self, number: usize) -> Result<Cell<'_>, &Unfit> {
        if number >= self.cells() {
            return Err(&NOWHERE);
        }
        let places = digits(number, &self.sizes());
        let [policy, setting, capital, period] = places.as_slice() else { return Err(&NOWHERE) };
        let policy = self.policies.get(*policy).ok_or(&NOWHERE)?.as_ref()?;
        let setting = self.settings.get(*setting).ok_or(&NOWHERE)?.as_ref()?;
        let capital = self.capitals.get(*capital).copied().ok_or(&NOWHERE)?;
        Ok(Cell { policy, setting, capital, period: *period })
    }

    /// The number of the value that a combination has in each dimension.
    #[must_use]
    pub fn places(&self, number: usize) -> Vec<usize> {
        digits(number, &self.grid.sizes())
    }

    fn sizes(&self) -> [usize; 4] {
        [self.policies.len(), self.settings.len(), self.capitals.len(), self.grid.periods.len().max(1)]
    }
}

/// What `make` makes of every combination of the parameters.
fn combined<T>(parameters: &[Parameter], make: impl Fn(&[Amendment]) -> T) -> Vec<T> {
    let sizes = sizes(parameters);
    let amendments = |number: usize| -> Vec<Amendment> {
        let places = digits(number, &sizes);
        parameters.iter().zip(places).filter_map(|(parameter, place)| parameter.amendment(place)).collect()
    };
    (0..sizes.iter().product()).map(|number| make(&amendments(number))).collect()
}

fn sizes(parameters: &[Parameter]) -> Vec<usize> {
    parameters.iter().map(|parameter| parameter.values.len()).collect()
}

/// A number in places of these sizes, the last one the lowest.
fn digits(number: usize, sizes: &[usize]) -> Vec<usize> {
    let mut left = number;
    let mut places: Vec<usize> = sizes
        .iter()
        .rev()
        .map(|size| {
            let place = left.checked_rem(*size).unwrap_or(0);
            left = left.checked_div(*size).unwrap_or(0);
            place
        })
        .collect();
    places.reverse();
    places
}

/// The setting with these changes, checked as its file would be.
fn amended_setting(setting: &Setting, amendments: &[Amendment]) -> Result<Setting, Unfit> {
    let change = |amendments: &[Amendment]| -> Result<Setting, String> {
        let mut document: Value = serde_json::to_value(setting).map_err(|error| error.to_string())?;
        amend(&mut document, amendments).map_err(|mistake| mistake.message)?;
        let setting: Setting = serde_json::from_value(document).map_err(|error| error.to_string())?;
        setting.check().map_err(|error| format!("{error:#}"))?;
        Ok(setting)
    };
    change(amendments).map_err(|message| {
        let alone = amendments.iter().filter_map(|amendment| {
            let message = change(std::slice::from_ref(amendment)).err()?;
            Some((amendment.path.to_string(), message))
        });
        Unfit::of_setting(alone.collect(), &message)
    })
}

#[cfg(test)]
mod tests;
