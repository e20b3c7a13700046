//! Blocks with more vaults than leaves are kept of: the decisions below one stored node, taken again together.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use alloy::primitives::{Address, B256};
use eyre::{Result, WrapErr};

use super::fulls::Stated;
use super::record::{first, orders};
use super::{Source, Subject, recompute};
use crate::chain::Header;
use crate::domain::merkle::{Tree, leaf, stored_height};
use crate::journal::BlockEntry;

/// Nodes whose end is remembered: a day of 10,000 vaults has a quarter as many.
const MOST_NODES: usize = 1 << 20;

/// Ways of putting the leaves below one node together that are tried: of more, those beyond are not.
const MOST_WAYS: usize = 4_096;

/// The leaves below one node of the level that is stored of a block.
#[derive(Debug)]
pub struct Subtree<'a> {
    /// Vaults of the leaves, ascending.
    pub vaults: &'a [Address],
    /// Place of the node in the level.
    pub number: usize,
    /// Place of the leaf asked for among those below the node.
    pub place: usize,
    /// The node as recorded.
    pub node: B256,
}

/// A leaf, and the hashes of snapshot and decision that it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The leaf.
    pub leaf: B256,
    /// Of the snapshot and of the decision.
    pub hashes: (B256, B256),
    /// What the decision says.
    pub(super) stated: Stated,
    /// Hash of the policy of the vault that came first.
    pub(super) first: B256,
}

/// What came out of a node.
#[derive(Debug, Clone)]
pub(super) struct Recalled {
    /// What it hashes to again.
    pub(super) node: B256,
    /// The policy that came first for a vault, where it is not the one that is given first.
    firsts: BTreeMap<Address, B256>,
}

impl<'a> Subtree<'a> {
    /// That of the leaf at `index`, where `decided` are the vaults of all leaves; `None` where the record does not have it.
    #[must_use]
    pub fn of(block: &BlockEntry, decided: &'a [Address], index: usize) -> Option<Self> {
        let size = 1_usize.checked_shl(stored_height(block.head.leaves))?;
        let number = index.checked_div(size)?;
        let vaults = decided.chunks(size).nth(number)?;
        let (place, node) = (index.checked_rem(size)?, *block.level.get(number)?);
        Some(Self { vaults, number, place, node })
    }

    /// The vaults with their policies as `known` has them, or the first of which it has none.
    ///
    /// # Errors
    /// That vault.
    pub fn subjects<'s>(
        &self,
        known: impl Fn(Address) -> Option<&'s Subject>,
    ) -> Result<Vec<&'s Subject>, Address> {
        self.vaults.iter().map(|vault| known(*vault).ok_or(*vault)).collect()
    }
}

/// Reads and decides on all of `subjects` at the block of `header`, so that the leaves hash to the node `recorded` if they can:
/// where a vault stores the hash of none of its policies the keeper decided by the one that it had first, which may be any of
/// them. Where the leaves hash to the node in none of 4,096 ways at most, the order is the given one.
///
/// # Errors
/// One of them cannot be read.
pub async fn decided_again(
    source: &Source,
    header: &Header,
    subjects: &[&Subject],
    recorded: B256,
) -> Result<Vec<Made>> {
    let mut all = Vec::with_capacity(subjects.len());
    for subject in subjects {
        let made = by_any_order(source, header, subject).await;
        all.push(made.wrap_err_with(|| {
            format!("vault `{}` cannot be read at block {}", subject.name, header.number)
        })?);
    }
    Ok(put_together(&all, recorded))
}

/// The leaf of a vault; where it stores the hash of none of its policies, with each of them first.
async fn by_any_order(source: &Source, header: &Header, subject: &Subject) -> Result<Vec<Made>> {
    let mut made = Vec::new();
    for order in orders(subject) {
        let again = recompute(source, header, &order).await?;
        let hashes = (again.snapshot_hash, again.decision_hash);
        let leaf = leaf(subject.vault, hashes.0, hashes.1);
        made.push(Made { leaf, hashes, stated: Stated::of(&again), first: first(&order) });
        if subject.policies.iter().any(|policy| policy.hash() == again.snapshot.vault.policy_hash) {
            break;
        }
    }
    Ok(made)
}

/// One leaf of each vault, such that they hash to `recorded`; the first of each where none do.
fn put_together(all: &[Vec<Made>], recorded: B256) -> Vec<Made> {
    let ways = all.iter().fold(1_usize, |ways, made| ways.saturating_mul(made.len())).min(MOST_WAYS);
    let found = (0..ways).map(|way| together(all, way)).find(|made| node_over(made) == recorded);
    found.unwrap_or_else(|| together(all, 0))
}

/// The way of this number: the places of the vaults are its digits, each to the base of how many leaves there are of the vault.
fn together(all: &[Vec<Made>], way: usize) -> Vec<Made> {
    let mut rest = way;
    let digit = |made: &Vec<Made>| {
        let place = rest.checked_rem(made.len())?;
        rest = rest.checked_div(made.len())?;
        made.get(place).cloned()
    };
    all.iter().filter_map(digit).collect()
}

/// The node over leaves.
#[must_use]
pub fn node_over(made: &[Made]) -> B256 {
    Tree::over(made.iter().map(|made| made.leaf).collect()).root()
}

impl Recalled {
    /// Of the leaves of `subjects`.
    pub(super) fn of(subjects: &[&Subject], made: &[Made]) -> Self {
        let both = subjects.iter().zip(made).filter(|(subject, made)| first(subject) != made.first);
        Self {
            node: node_over(made),
            firsts: both.map(|(subject, made)| (subject.vault, made.first)).collect(),
        }
    }

    /// The policy that came first for a vault.
    pub(super) fn first(&self, subject: &Subject) -> B256 {
        self.firsts.get(&subject.vault).copied().unwrap_or_else(|| first(subject))
    }
}

/// Vaults whose policies are known, beside the one in question, and what came out of the nodes over them.
#[derive(Debug, Default)]
pub struct Beside {
    subjects: BTreeMap<Address, Subject>,
    /// What each node hashes to again, by the number of the record in the ledger and the node's place in it: it says the same
    /// of all vaults below it.
    nodes: Mutex<BTreeMap<(i64, usize), Recalled>>,
}

impl Beside {
    /// These vaults; of two entries of one vault the first counts.
    #[must_use]
    pub fn of(subjects: impl IntoIterator<Item = Subject>) -> Self {
        let mut known = BTreeMap::new();
        for subject in subjects {
            known.entry(subject.vault).or_insert(subject);
        }
        Self { subjects: known, nodes: Mutex::default() }
    }

    /// The vault at an address, where its policies are known.
    #[must_use]
    pub fn subject(&self, vault: Address) -> Option<&Subject> {
        self.subjects.get(&vault)
    }

    /// The vaults with the hashes of their policies.
    #[must_use]
    pub fn vaults(&self) -> Vec<(Address, Vec<B256>)> {
        self.subjects.values().map(Subject::hashes).collect()
    }

    pub(super) fn recalled(&self, node: (i64, usize)) -> Option<Recalled> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner).get(&node).cloned()
    }

    pub(super) fn remember(&self, node: (i64, usize), again: Recalled) {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if nodes.len() < MOST_NODES {
            nodes.insert(node, again);
        }
    }
}
