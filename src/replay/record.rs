//! The records of a journal, held against the chain one after the other.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256};
use eyre::{Result, WrapErr};
use serde::{Deserialize, Serialize};

use super::compared::compared;
use super::fault::Fault;
use super::fulls::{Fulls, Last, Stated};
use super::subtree::{Beside, Recalled, Subtree, decided_again};
use super::{Recomputed, Source, Subject, recompute};
use crate::chain::Header;
use crate::domain::decision::DECISION_VERSION;
use crate::domain::merkle::{self, stored_height};
use crate::domain::policy::PublishedPolicy;
use crate::journal::{BlockEntry, CycleEntry, Journal, RosterEntry, RunEntry};

/// How many records were looked at, and how many of them say what the chain says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Looked at.
    pub checked: u64,
    /// As the chain and the policy say.
    pub equal: u64,
    /// On blocks that have left the chain, by the journal and by the chain itself: not looked at.
    pub orphaned: u64,
}

/// How a record of a block stands to the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// It holds no decision on the vault: the vault was not kept, or there is a reason for its absence.
    WithoutLeaf,
    /// It holds what facts and policy make.
    Equal,
    /// It does not.
    Other(Fault),
    /// It holds the decisions on several vaults under one hash, and the policies of this one of them are not given.
    NotChecked(Address),
}

/// The records of one vault, in a range of heights.
#[derive(Debug)]
pub struct Records<'a> {
    source: &'a Source,
    journal: &'a Journal,
    subject: &'a Subject,
    beside: Option<&'a Beside>,
    /// The processes that wrote the journal, oldest first.
    runs: Vec<RunEntry>,
    rosters: BTreeMap<i64, RosterEntry>,
    /// The policies given, each before the others once: where the vault stores the hash of none of them, the keeper read
    /// the facts for the first one that it had, and refused.
    orders: Vec<Subject>,
    /// What was decided last, by its block and the policy that came first: a full record and the record of its block are
    /// about the same.
    last: Option<((B256, B256), Recomputed)>,
    /// What the decision on the vault says that was taken again last, with the block of it.
    stated: Option<(B256, Stated)>,
    /// The full records of the vault.
    fulls: Fulls,
    /// The last one that is missing: the number of the one before it, and what it would have said.
    missing: Option<(i64, Stated)>,
}

impl<'a> Records<'a> {
    /// Those of `subject` in `journal`, where the policies of the vaults `beside` it are known.
    ///
    /// # Errors
    /// A journal that cannot be read.
    pub async fn of(
        source: &'a Source,
        journal: &'a Journal,
        subject: &'a Subject,
        beside: Option<&'a Beside>,
    ) -> Result<Self> {
        let (runs, orders) = (runs(journal).await?, orders(subject));
        let (rosters, last, stated) = (BTreeMap::new(), None, None);
        let fulls = Fulls::of(journal, (source.chain_id(), subject.vault)).await?;
        let missing = None;
        Ok(Self { source, journal, subject, beside, runs, rosters, orders, last, stated, fulls, missing })
    }

    /// The last full record when `block` was recorded, and whether its process wrote that; `None` where there was none.
    ///
    /// # Errors
    /// A journal that cannot be read.
    pub(super) async fn last_full(&self, block: &BlockEntry) -> Result<Option<(Last<'_>, bool)>> {
        let last = self.fulls.before(self.journal, block).await?;
        let begun = self.run(block.seq).map_or(0, |run| run.seq);
        Ok(last.map(|last| {
            let own = last.seq > begun;
            (last, own)
        }))
    }

    /// Whether a full record that is missing was not told of before.
    pub(super) fn is_news(&mut self, missing: (i64, Stated)) -> bool {
        self.missing.replace(missing.clone()) != Some(missing)
    }

    /// The process that wrote a record.
    fn run(&self, seq: i64) -> Option<&RunEntry> {
        self.runs.iter().rev().find(|run| run.seq < seq)
    }

    /// Holds a full record against the chain.
    ///
    /// # Errors
    /// A failed read.
    pub async fn cycle(&mut self, cycle: &CycleEntry) -> Result<Result<(), Fault>> {
        let record = &cycle.record;
        if let Some(fault) = self.version(cycle.seq) {
            return Ok(Err(fault));
        }
        let block = record.block_number;
        let known = |policy: &PublishedPolicy| policy.hash() == record.policy_hash;
        if !self.subject.policies.iter().any(known) {
            return Ok(Err(Fault::UnknownPolicy { block, recorded: record.policy_hash }));
        }
        let header = match on_chain(self.source, (block, record.block_hash)).await? {
            Ok(header) => header,
            Err(fault) => return Ok(Err(fault)),
        };
        let recomputed = self.recomputed(&header, record.policy_hash).await?;
        let held = compared(cycle, &recomputed);
        // The keeper may not have had the policy that the vault stored.
        let otherwise = recomputed.policy_hash != record.policy_hash;
        if otherwise && compared(cycle, &self.alone(&header, record.policy_hash).await?).is_ok() {
            return Ok(Ok(()));
        }
        Ok(held)
    }

    /// Holds what the record of a block says of the vault against the chain: its leaf, or where there are more vaults than
    /// leaves are kept of, the node over it.
    ///
    /// # Errors
    /// A failed read.
    pub async fn block(&mut self, block: &BlockEntry) -> Result<Held> {
        let Some((decided, index)) = self.place(block).await? else { return Ok(Held::WithoutLeaf) };
        let Some(subtree) = Subtree::of(block, &decided, index) else { return Ok(Held::WithoutLeaf) };
        if let Some(fault) = self.version(block.seq) {
            return Ok(Held::Other(fault));
        }
        let header = match on_chain(self.source, (block.number, block.hash)).await? {
            Ok(header) => header,
            Err(fault) => return Ok(Held::Other(fault)),
        };
        if header.timestamp != block.timestamp {
            let (recorded, recomputed) = (block.timestamp.to_string(), header.timestamp.to_string());
            let (block, what) = (block.number, "the block's time".into());
            return Ok(Held::Other(Fault::Column { block, what, recorded, recomputed }));
        }
        if stored_height(block.head.leaves) == 0 {
            self.leaf(&header, subtree.node).await
        } else {
            self.node(block, &header, &subtree).await
        }
    }

    /// What the decision that was taken again last says, where it is about the block of this hash.
    pub(super) fn stated(&self, block: B256) -> Option<Stated> {
        self.stated.as_ref().filter(|(about, _)| *about == block).map(|(_, stated)| stated.clone())
    }

    /// The vaults with a leaf in the record of a block, and the place of this one among them.
    async fn place(&mut self, block: &BlockEntry) -> Result<Option<(Vec<Address>, usize)>> {
        if !self.rosters.contains_key(&block.roster) {
            let roster = self.journal.roster(block.roster).await.wrap_err("the journal")?;
            self.rosters.extend(roster.map(|roster| (block.roster, roster)));
        }
        let Some(roster) = self.rosters.get(&block.roster) else { return Ok(None) };
        let decided: Vec<_> = block.absences.decided(roster.roster.vaults()).copied().collect();
        let place = decided.binary_search(&self.subject.vault).ok();
        Ok(place.map(|place| (decided, place)))
    }

    /// Holds a leaf against the decision on the vault, whichever of its policies came first, and whichever its keeper had alone.
    async fn leaf(&mut self, header: &Header, recorded: B256) -> Result<Held> {
        let (mut made, mut stored) = (None, B256::ZERO);
        let policies: Vec<_> = self.orders.iter().map(first).collect();
        let is = |again: &Recomputed, vault| {
            merkle::leaf(vault, again.snapshot_hash, again.decision_hash) == recorded
        };
        let vault = self.subject.vault;
        for policy in &policies {
            let again = self.recomputed(header, *policy).await?;
            if is(&again, vault) {
                return Ok(Held::Equal);
            }
            stored = again.snapshot.vault.policy_hash;
            made = made.or(Some(merkle::leaf(vault, again.snapshot_hash, again.decision_hash)));
            if policies.contains(&stored) {
                break;
            }
        }
        for policy in policies.iter().filter(|policy| **policy != stored) {
            if is(&self.alone(header, *policy).await?, vault) {
                return Ok(Held::Equal);
            }
        }
        let (block, recomputed) = (header.number, made.unwrap_or_default());
        Ok(Held::Other(match policies.contains(&stored) {
            true => Fault::Leaf { block, recorded, recomputed },
            false => Fault::UnknownPolicy { block, recorded: stored },
        }))
    }

    /// The decision at a block of a keeper that has the policy of this hash alone: it refuses where the vault stores another.
    async fn alone(&mut self, header: &Header, policy: B256) -> Result<Recomputed> {
        let policies = self.subject.policies.iter().filter(|known| known.hash() == policy).cloned().collect();
        let again = recompute(self.source, header, &Subject { policies, ..self.subject.clone() }).await?;
        self.stated = Some((header.hash, Stated::of(&again)));
        Ok(again)
    }

    /// Holds a node against the decisions on all vaults below it. Where that was done for another of them, this one alone is
    /// decided on again, for what it says.
    async fn node(&mut self, block: &BlockEntry, header: &Header, subtree: &Subtree<'_>) -> Result<Held> {
        let known = |vault| {
            let beside = || self.beside.and_then(|beside| beside.subject(vault));
            Some(self.subject).filter(|subject| subject.vault == vault).or_else(beside)
        };
        let subjects = match subtree.subjects(known) {
            Ok(subjects) => subjects,
            Err(unknown) => return Ok(Held::NotChecked(unknown)),
        };
        let key = (block.seq, subtree.number);
        let (vaults, recorded) = (subjects.len(), subtree.node);
        let recalled = match self.beside.and_then(|beside| beside.recalled(key)) {
            Some(recalled) => {
                self.recomputed(header, recalled.first(self.subject)).await?;
                recalled
            }
            None => {
                let made = decided_again(self.source, header, &subjects, recorded).await?;
                self.stated = made.get(subtree.place).map(|made| (header.hash, made.stated.clone()));
                Recalled::of(&subjects, &made)
            }
        };
        let (block, recomputed) = (block.number, recalled.node);
        if let Some(beside) = self.beside {
            beside.remember(key, recalled);
        }
        Ok(if recomputed == recorded {
            Held::Equal
        } else {
            Held::Other(Fault::Node { block, vaults, recorded, recomputed })
        })
    }

    /// That a record was written by a process of another version of the decision.
    fn version(&self, seq: i64) -> Option<Fault> {
        let run = self.run(seq)?;
        let (recorded, program) = (run.record.decision_version.clone(), run.record.program_version.clone());
        (recorded != DECISION_VERSION).then_some(Fault::OtherVersion {
            seq,
            recorded,
            program,
            ours: DECISION_VERSION.into(),
        })
    }

    /// The decision at a block, where the policy of this hash comes first.
    async fn recomputed(&mut self, header: &Header, policy: B256) -> Result<Recomputed> {
        let key = (header.hash, policy);
        if let Some((last, recomputed)) = &self.last
            && *last == key
        {
            self.stated = Some((header.hash, Stated::of(recomputed)));
            return Ok(recomputed.clone());
        }
        let subject = self.orders.iter().find(|order| first_is(order, policy)).unwrap_or(self.subject);
        let recomputed = recompute(self.source, header, subject).await?;
        self.stated = Some((header.hash, Stated::of(&recomputed)));
        self.last = Some((key, recomputed.clone()));
        Ok(recomputed)
    }
}

/// The header of the block that was decided on, where the chain has it at its height.
pub(super) async fn on_chain(
    source: &Source,
    (block, recorded): (u64, B256),
) -> Result<Result<Header, Fault>> {
    Ok(match source.header_if_any(block).await? {
        None => Err(Fault::NoSuchBlock { block, recorded }),
        Some(header) if header.hash != recorded => {
            Err(Fault::OtherBlock { block, recorded, chain: header.hash })
        }
        Some(header) => Ok(header),
    })
}

/// The processes that wrote a journal, oldest first.
///
/// # Errors
/// A journal that cannot be read.
pub(super) async fn runs(journal: &Journal) -> Result<Vec<RunEntry>> {
    let mut runs: Vec<RunEntry> = Vec::new();
    loop {
        let page = journal.runs(runs.last().map_or(0, |run| run.id)).await.wrap_err("the journal")?;
        if page.is_empty() {
            return Ok(runs);
        }
        runs.extend(page);
    }
}

/// The same vault with each of its policies first once.
pub(super) fn orders(subject: &Subject) -> Vec<Subject> {
    let first = |at| {
        let mut policies = subject.policies.clone();
        policies.rotate_left(at);
        Subject { policies, ..subject.clone() }
    };
    (0..subject.policies.len()).map(first).collect()
}

/// Hash of the policy that comes first.
pub(super) fn first(order: &Subject) -> B256 {
    order.policies.first().map(PublishedPolicy::hash).unwrap_or_default()
}

fn first_is(order: &Subject, policy: B256) -> bool {
    first(order) == policy
}
