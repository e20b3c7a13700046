//! What a sweep is made of, by its hashes: results are kept under them, and belong to nothing else.

use std::collections::BTreeMap;

use alloy::primitives::{B256, Keccak256, keccak256};
use serde::{Deserialize, Serialize};

use super::plan::{Base, Cell, Plan};
use crate::backtest::past::prices::Tick;
use crate::domain::canonical::{self, CanonicalError};
use crate::domain::decision::DECISION_VERSION;
use crate::stage::path::files::BaseFee;

/// Every input by a name for people: its hash, or itself where it is short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Origin(BTreeMap<String, String>);

/// What is shared by all combinations besides the plan.
#[derive(Debug, Clone, Copy)]
pub struct Shared<'a> {
    /// The prices of each period, at least one.
    pub ticks: &'a [Vec<Tick>],
    /// Base fees, in the order of time.
    pub base_fees: &'a [BaseFee],
}

/// The program whose accounts these are.
const KEEPER: &str = env!("CARGO_PKG_VERSION");

impl Origin {
    /// That of a sweep.
    ///
    /// # Errors
    /// [`CanonicalError`]: the policy or the setting has no canonical form.
    pub fn of(base: &Base<'_>, plan: &Plan, shared: Shared<'_>) -> Result<Self, CanonicalError> {
        let dimensions: Vec<(String, Vec<String>)> =
            plan.grid().dimensions().into_iter().map(|one| (one.name, one.values)).collect();
        let prices: Vec<B256> = shared.ticks.iter().map(|ticks| prices_hash(ticks)).collect();
        let parts = [
            ("capital", base.capital.normalize().to_string()),
            ("decision version", DECISION_VERSION.to_owned()),
            ("gas", gas_hash(shared.base_fees).to_string()),
            ("grid", canonical::hash(&dimensions)?.to_string()),
            ("keeper", KEEPER.to_owned()),
            ("policy", canonical::hash(base.policy)?.to_string()),
            ("prices", canonical::hash(&prices)?.to_string()),
            ("setting", canonical::hash(base.setting)?.to_string()),
        ];
        Ok(Self(parts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
    }

    /// The inputs in which another one differs, by their names.
    #[must_use]
    pub fn other_than<'o>(&'o self, other: &'o Self) -> Vec<&'o str> {
        let names = self.0.keys().chain(other.0.keys());
        let mut names: Vec<&str> =
            names.filter(|name| self.0.get(*name) != other.0.get(*name)).map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// What the result of each combination is kept under: the hash of everything it follows from. None of what cannot be. Calls
/// `made` after each.
///
/// # Errors
/// [`CanonicalError`]: a setting has no canonical form.
pub fn keys(plan: &Plan, shared: Shared<'_>, made: impl Fn()) -> Result<Vec<Option<B256>>, CanonicalError> {
    let prices: Vec<B256> = shared.ticks.iter().map(|ticks| prices_hash(ticks)).collect();
    let gas = gas_hash(shared.base_fees);
    let key = |number| match plan.cell(number) {
        Ok(cell) => key(&cell, prices.get(cell.period).copied().unwrap_or_default(), gas).map(Some),
        Err(_) => Ok(None),
    };
    (0..plan.cells()).map(key).inspect(|_| made()).collect()
}

fn key(cell: &Cell<'_>, prices: B256, gas: B256) -> Result<B256, CanonicalError> {
    #[derive(Serialize)]
    struct Inputs {
        capital: String,
        decision_version: &'static str,
        gas: B256,
        keeper: &'static str,
        policy: B256,
        prices: B256,
        setting: B256,
    }
    canonical::hash(&Inputs {
        capital: cell.capital.normalize().to_string(),
        decision_version: DECISION_VERSION,
        gas,
        keeper: KEEPER,
        policy: cell.policy.hash(),
        prices,
        setting: canonical::hash(cell.setting)?,
    })
}

fn prices_hash(ticks: &[Tick]) -> B256 {
    let mut hash = Keccak256::new();
    for tick in ticks {
        hash.update(tick.time.to_be_bytes());
        hash.update(tick.price.normalize().serialize());
        hash.update([u8::from(tick.closes), u8::from(tick.jumps)]);
    }
    hash.finalize()
}

fn gas_hash(base_fees: &[BaseFee]) -> B256 {
    let bytes = |fee: &BaseFee| [&fee.timestamp.to_be_bytes()[..], &fee.wei.to_be_bytes()].concat();
    keccak256(base_fees.iter().flat_map(bytes).collect::<Vec<u8>>())
}
