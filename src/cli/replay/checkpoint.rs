//! What a replay is about, as far as another one goes on from it.

use std::path::{Path, PathBuf};

use alloy::primitives::{Address, B256};
use eyre::WrapErr;
use serde::{Deserialize, Serialize};

use super::super::look_back::Through;
use super::super::{Failure, checkpoint};
use super::View;
use crate::domain::decision::DECISION_VERSION;
use crate::journal::{Journal, Verified};
use crate::replay::{Part, Progress, Replayed, Subject};

/// How far a replay is.
pub(super) type Checkpoint = checkpoint::Checkpoint<About, Noted>;

/// What a replay is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct About {
    decision_version: String,
    chain_id: u64,
    through: Through,
    /// The records that the journal had: those that were added since are of another replay.
    records: Records,
    asked: Asked,
    /// What that came to of these records.
    part: Part,
    /// The vaults with the hashes of the policies given for each.
    vaults: Vec<(Address, Vec<B256>)>,
    /// All whose policies are known, in the same way.
    beside: Vec<(Address, Vec<B256>)>,
}

/// What is asked for on the command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) decision: Option<B256>,
    pub(super) from: Option<u64>,
    pub(super) to: Option<u64>,
    /// The program on which what was sent is executed again; nothing is where there is none.
    pub(super) anvil: Option<PathBuf>,
}

/// The first records of a journal: how many, and their hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Records {
    pub(super) count: u64,
    pub(super) hash: B256,
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

impl checkpoint::About for About {
    fn difference(&self, noted: &Self) -> String {
        let [endpoints, reader] = self.through.against(&noted.through);
        let (ours, theirs) = (&self.asked.anvil, &noted.asked.anvil);
        let same = [
            (self.decision_version == noted.decision_version, "by another version of the decision"),
            (self.chain_id == noted.chain_id, "of another chain"),
            (
                ours.is_some() == theirs.is_some(),
                "with or without --no-execution otherwise than asked for now",
            ),
            (ours == theirs, "by another --anvil"),
            (self.asked == noted.asked, "of another range or decision"),
            endpoints,
            reader,
            (self.vaults == noted.vaults, "of other vaults, or by other policies"),
            (self.beside == noted.beside, "with other policies of the vaults beside"),
        ];
        match same.into_iter().find(|(same, _)| !same) {
            Some((_, difference)) => difference.to_owned(),
            None => format!(
                "of a journal that begins with {} records which this one does not begin with",
                noted.records.count
            ),
        }
    }
}

impl About {
    /// The records that are looked at.
    pub(super) const fn records(&self) -> Records {
        self.records
    }

    /// The part of them.
    pub(super) const fn part(&self) -> &Part {
        &self.part
    }

    /// Of what is asked of a journal with these records, of which `part` is that.
    pub(super) fn of(view: &View, verified: Verified, (asked, part): (Asked, Part)) -> Self {
        Self {
            decision_version: DECISION_VERSION.to_owned(),
            chain_id: view.source.chain_id(),
            through: view.through.clone(),
            records: Records { count: verified.records, hash: verified.hash },
            asked,
            part,
            vaults: view.subjects.iter().map(Subject::hashes).collect(),
            beside: view.beside.vaults(),
        }
    }
}

/// What `file` has of a replay that is about the same; where records were added to the journal since, it goes on with those that
/// there were.
pub(super) async fn of(file: &Path, journal: &Journal, about: About) -> Result<Checkpoint, Failure> {
    const WHAT: &str = "a replay";
    let mut about = about;
    if let Some(noted) = Checkpoint::about_in(file, WHAT)?
        && begins_with(journal, about.records, noted.records).await?
    {
        (about.records, about.part) = (noted.records, noted.part);
    }
    Checkpoint::of(file, WHAT, |_| about)
}

/// Whether the journal, which has the records `now`, begins with those of `before`.
async fn begins_with(journal: &Journal, now: Records, before: Records) -> Result<bool, Failure> {
    let last = i64::try_from(before.count).unwrap_or(i64::MAX);
    if before.count >= now.count || last == 0 {
        return Ok(now == before);
    }
    let entries = journal.entries_after(last.saturating_sub(1)).await.wrap_err("the journal")?;
    Ok(entries.first().is_some_and(|entry| entry.hash() == before.hash))
}
