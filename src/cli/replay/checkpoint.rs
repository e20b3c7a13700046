//! What a replay is about, as far as another one goes on from it.

use std::path::Path;

use alloy::primitives::{Address, B256};
use serde::{Deserialize, Serialize};

use super::super::{Failure, checkpoint};
use super::{Printed, View};
use crate::domain::decision::DECISION_VERSION;
use crate::replay::{Part, Progress, Replayed, Subject};

/// How far a replay is.
pub(super) type Checkpoint = checkpoint::Checkpoint<About, Noted>;

/// What a replay is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct About {
    decision_version: String,
    chain_id: u64,
    /// Number of the journal's records and their hash: of one that was written since another replay has to begin.
    records: (String, Option<B256>),
    part: Part,
    /// Whether what was sent is executed again.
    execution: bool,
    /// The vaults with the hashes of the policies given for each.
    vaults: Vec<(Address, Vec<B256>)>,
    /// All whose policies are known, in the same way.
    beside: Vec<(Address, Vec<B256>)>,
}

/// How far the replay of several vaults has come.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Noted {
    /// The vaults that are done.
    pub(super) done: Vec<Replayed>,
    /// The one that is under way.
    pub(super) under_way: Option<Progress>,
    /// Records that were looked at.
    pub(super) records: u64,
}

/// What `file` has of a replay of a part of the journal whose records are those of `printed`.
pub(super) fn of(
    file: &Path,
    view: &View,
    (printed, part): (&Printed, &Part),
    execution: bool,
) -> Result<Checkpoint, Failure> {
    Checkpoint::of(file, "a replay", |_| About {
        decision_version: DECISION_VERSION.to_owned(),
        chain_id: view.source.chain_id(),
        records: (printed.records.clone(), printed.records_hash),
        part: part.clone(),
        execution,
        vaults: view.subjects.iter().map(Subject::hashes).collect(),
        beside: view.beside.vaults(),
    })
}
