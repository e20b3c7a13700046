//! The records of a journal, held against the chain one after the other.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, keccak256};
use eyre::{Result, WrapErr};
use serde::Serialize;
use serde_json::Value;

use super::fault::Fault;
use super::{Difference, Recomputed, Source, Subject, first_difference, recompute};
use crate::chain::Header;
use crate::domain::decision::DECISION_VERSION;
use crate::domain::merkle;
use crate::domain::policy::PublishedPolicy;
use crate::domain::snapshot::Snapshot;
use crate::journal::{BlockEntry, CycleEntry, Journal, RosterEntry, RunEntry};

/// How many records were looked at, and how many of them say what the chain says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Looked at.
    pub checked: u64,
    /// As the chain and the policy say.
    pub equal: u64,
    /// On blocks that have left the chain, by the journal and by the chain itself: not looked at.
    pub orphaned: u64,
}

/// The records of one vault, in a range of heights.
#[derive(Debug)]
pub struct Records<'a> {
    source: &'a Source,
    journal: &'a Journal,
    subject: &'a Subject,
    /// The processes that wrote the journal, oldest first.
    runs: Vec<RunEntry>,
    rosters: BTreeMap<i64, RosterEntry>,
    /// The policies given, each before the others once: where the vault stores the hash of none of them, the keeper read
    /// the facts for the first one that it had, and refused.
    orders: Vec<Subject>,
    /// What was decided last, by its block and the policy that came first: a full record and the record of its block are
    /// about the same.
    last: Option<((B256, B256), Recomputed)>,
}

impl<'a> Records<'a> {
    /// Those of `subject` in `journal`.
    ///
    /// # Errors
    /// A journal that cannot be read.
    pub async fn of(source: &'a Source, journal: &'a Journal, subject: &'a Subject) -> Result<Self> {
        let (runs, orders) = (runs(journal).await?, orders(subject));
        Ok(Self { source, journal, subject, runs, rosters: BTreeMap::new(), orders, last: None })
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
        let header = self.source.header(block).await?;
        if header.hash != record.block_hash {
            return Ok(Err(Fault::OtherBlock { block, recorded: record.block_hash, chain: header.hash }));
        }
        let recomputed = self.recomputed(&header, record.policy_hash).await?;
        Ok(compared(cycle, &recomputed))
    }

    /// Holds what the record of a block says of the vault against the chain. `None` where it holds no leaf of the vault: it was
    /// not kept, or there is a reason for its absence; or where it holds more vaults than it keeps leaves of.
    ///
    /// # Errors
    /// A failed read.
    pub async fn block(&mut self, block: &BlockEntry) -> Result<Option<Result<(), Fault>>> {
        let Some(recorded) = self.leaf(block).await? else { return Ok(None) };
        if let Some(fault) = self.version(block.seq) {
            return Ok(Some(Err(fault)));
        }
        let header = self.source.header(block.number).await?;
        if header.hash != block.hash {
            let (recorded, chain) = (block.hash, header.hash);
            return Ok(Some(Err(Fault::OtherBlock { block: block.number, recorded, chain })));
        }
        let mut made = None;
        for first in self.orders.iter().map(first).collect::<Vec<_>>() {
            let again = self.recomputed(&header, first).await?;
            let leaf = merkle::leaf(self.subject.vault, again.snapshot_hash, again.decision_hash);
            if leaf == recorded {
                return Ok(Some(Ok(())));
            }
            made = made.or(Some(leaf));
            if self.orders.iter().any(|order| first_is(order, again.snapshot.vault.policy_hash)) {
                break;
            }
        }
        let fault = |recomputed| Fault::Leaf { block: block.number, recorded, recomputed };
        Ok(made.map(|recomputed| Err(fault(recomputed))))
    }

    async fn leaf(&mut self, block: &BlockEntry) -> Result<Option<B256>> {
        let vault = self.subject.vault;
        if !self.rosters.contains_key(&block.roster) {
            let roster = self.journal.roster(block.roster).await.wrap_err("the journal")?;
            self.rosters.extend(roster.map(|roster| (block.roster, roster)));
        }
        let Some(roster) = self.rosters.get(&block.roster) else { return Ok(None) };
        let stored = u64::try_from(block.level.len()).is_ok_and(|stored| stored == block.head.leaves);
        let place = block.absences.decided(roster.roster.vaults()).position(|decided| *decided == vault);
        Ok(place.filter(|_| stored).and_then(|place| block.level.get(place).copied()))
    }

    /// That a record was written by a process of another version of the decision.
    fn version(&self, seq: i64) -> Option<Fault> {
        let run = self.runs.iter().rev().find(|run| run.seq < seq)?;
        let (recorded, program) = (run.record.decision_version.clone(), run.record.program_version.clone());
        (recorded != DECISION_VERSION).then_some(Fault::OtherVersion {
            seq,
            recorded,
            program,
            ours: DECISION_VERSION,
        })
    }

    /// The decision at a block, where the policy of this hash comes first.
    async fn recomputed(&mut self, header: &Header, policy: B256) -> Result<Recomputed> {
        let key = (header.hash, policy);
        if let Some((last, recomputed)) = &self.last
            && *last == key
        {
            return Ok(recomputed.clone());
        }
        let subject = self.orders.iter().find(|order| first_is(order, policy)).unwrap_or(self.subject);
        let recomputed = recompute(self.source, header, subject).await?;
        self.last = Some((key, recomputed.clone()));
        Ok(recomputed)
    }
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
fn orders(subject: &Subject) -> Vec<Subject> {
    let first = |at| {
        let mut policies = subject.policies.clone();
        policies.rotate_left(at);
        Subject { policies, ..subject.clone() }
    };
    (0..subject.policies.len()).map(first).collect()
}

fn first(order: &Subject) -> B256 {
    order.policies.first().map(PublishedPolicy::hash).unwrap_or_default()
}

fn first_is(order: &Subject, policy: B256) -> bool {
    first(order) == policy
}

/// A full record against what facts and policy make of the same block.
fn compared(cycle: &CycleEntry, again: &Recomputed) -> Result<(), Fault> {
    let record = &cycle.record;
    let block = record.block_number;
    if let Some(of) = foreign(record.snapshot_json.as_deref(), record.vault) {
        return Err(Fault::OtherVault { block, vault: record.vault, of });
    }
    if record.policy_hash != again.policy_hash {
        let stored = again.snapshot.vault.policy_hash;
        return Err(Fault::OtherPolicy { block, recorded: record.policy_hash, stored });
    }
    if let Some(recorded) = &record.snapshot_json
        && let Some(difference) = difference(recorded, &again.texts.snapshot)
    {
        return Err(Fault::Facts { block, difference });
    }
    if record.snapshot_hash != again.snapshot_hash {
        let (recorded, read) = (record.snapshot_hash, again.snapshot_hash);
        return Err(Fault::FactsHash { block, recorded, read });
    }
    if let Some(difference) = difference(&record.decision_json, &again.texts.decision) {
        return Err(Fault::Decision { block, difference });
    }
    let columns = [
        ("the verdict", record.verdict.clone(), again.decision.verdict.name().to_owned()),
        ("the reason", record.reason.clone().unwrap_or_default(), again.decision.verdict.reason().code()),
        ("the block's time", record.block_timestamp.to_string(), again.snapshot.block.timestamp.to_string()),
    ];
    if let Some((what, recorded, recomputed)) =
        columns.into_iter().find(|(_, recorded, recomputed)| recorded != recomputed)
    {
        return Err(Fault::Column { block, what, recorded, recomputed });
    }
    if record.decision_hash != again.decision_hash {
        let (recorded, recomputed) = (record.decision_hash, again.decision_hash);
        return Err(Fault::DecisionHash { block, recorded, recomputed });
    }
    Ok(())
}

/// The vault that recorded facts are of, where it is another.
fn foreign(snapshot: Option<&str>, vault: Address) -> Option<Address> {
    let facts: Snapshot = serde_json::from_str(snapshot?).ok()?;
    Some(facts.vault.address).filter(|of| *of != vault)
}

/// Where two canonical texts differ.
fn difference(recorded: &str, again: &str) -> Option<Difference> {
    if keccak256(recorded) == keccak256(again) {
        return None;
    }
    let value = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    first_difference(&value(recorded), &value(again)).or_else(|| {
        let (first, second) = (Some("another form".to_owned()), Some("the canonical form".to_owned()));
        Some(Difference { path: String::new(), first, second })
    })
}
