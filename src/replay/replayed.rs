//! What a replay comes to, and how far it is.

use alloy::primitives::Address;
use serde::{Deserialize, Serialize};

use super::execution::Executed;
use super::fault::Fault;
use super::record::Tally;

/// Faults that are told; of more the number is.
const MOST_FAULTS: usize = 1_000;

/// What replaying the records of one vault came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Replayed {
    /// What the vault is called here.
    pub name: String,
    /// Its contract.
    pub vault: Address,
    /// Full records of decisions.
    pub decisions: Tally,
    /// Records of blocks, of which each holds a leaf of the vault.
    pub blocks: Tally,
    /// Heights between the first and the last record of a block that was looked at, of which there is no record at all: no
    /// keeper was there, or heard of them, or somebody took them out.
    pub unrecorded: u64,
    /// Records of blocks that hold no decision on the vault: it was not kept, or absent for a reason that is recorded.
    pub without_leaf: u64,
    /// Records of blocks that could not be held against the chain, since they hold the decisions on several vaults under one hash and
    /// not all of their policies are given.
    pub not_checked: u64,
    /// The first vault whose policies are missing for that.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub missing: Option<Address>,
    /// Actions that are on the chain as recorded.
    pub actions: Tally,
    /// Intents of which the journal does not say how they ended and of which the chain has no call: there is nothing to compare yet.
    pub open: u64,
    /// What was executed again.
    pub executed: Vec<Executed>,
    /// What is wrong.
    pub faults: Vec<Fault>,
    /// How much more is wrong, that is not told.
    pub further_faults: u64,
}

/// How far the replay of one vault has come: what it goes on from after an interruption.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Progress {
    /// What it came to so far.
    pub replayed: Replayed,
    pub(super) place: Place,
    /// Height of the last record of a block.
    pub(super) height: Option<u64>,
}

/// The next records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Place {
    /// Full records after the one of this number among them.
    Cycles { after: i64 },
    /// Records of blocks after the one of this height and number among them.
    Blocks { after: Option<(u64, i64)> },
    /// Intents after the one of this number.
    Intents { after: i64 },
    /// None.
    Done,
}

impl Replayed {
    /// Whether anything was looked at, nothing was left out for want of a policy, and all of it is equal.
    #[must_use]
    pub const fn is_equal(&self) -> bool {
        !self.is_empty() && self.not_checked == 0 && self.faults.is_empty() && self.further_faults == 0
    }

    /// Whether no record of a decision was looked at.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.decisions.checked == 0 && self.blocks.checked == 0 && self.not_checked == 0
    }

    /// Takes faults in; whether there are none.
    pub(super) fn noted(&mut self, faults: Vec<Fault>) -> bool {
        let none = faults.is_empty();
        for fault in faults {
            if self.faults.len() < MOST_FAULTS {
                self.faults.push(fault);
            } else {
                self.further_faults = self.further_faults.saturating_add(1);
            }
        }
        none
    }
}

impl Progress {
    /// At the beginning.
    pub(super) fn begin(name: String, vault: Address) -> Self {
        let replayed = Replayed {
            name,
            vault,
            decisions: Tally::default(),
            blocks: Tally::default(),
            unrecorded: 0,
            without_leaf: 0,
            not_checked: 0,
            missing: None,
            actions: Tally::default(),
            open: 0,
            executed: Vec::new(),
            faults: Vec::new(),
            further_faults: 0,
        };
        Self { replayed, place: Place::Cycles { after: 0 }, height: None }
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.place == Place::Done
    }

    /// Counts the heights between the last record of a block and one at `height`; of one height there may be several.
    pub(super) fn count_unrecorded(&mut self, height: u64) {
        let between = self.height.map_or(0, |before| height.saturating_sub(before).saturating_sub(1));
        self.replayed.unrecorded = self.replayed.unrecorded.saturating_add(between);
        self.height = self.height.max(Some(height));
    }
}
