//! What a keeper's journal says of one vault, to be written anew with changes; and what replaying it tells.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeMap;
use std::time::Duration;

use alloy::primitives::Address;
use tempfile::TempDir;
use vault_keeper::chain::{Endpoint, SecretUrl, Timeouts};
use vault_keeper::domain::decision::DECISION_VERSION;
use vault_keeper::domain::policy::ChainKind;
use vault_keeper::journal::{BlockRecord, CycleRecord, IntentEntry, Journal, Roster, RunRecord, Standing};
use vault_keeper::keeper::Dispatch;
use vault_keeper::reader::Mode;
use vault_keeper::replay::{Fault, Part, Replay, Replayed, Source, Subject};

use super::keeper_process::published;
use super::rig::Rig;

/// All that a journal holds of a vault, to be written anew with changes that its own hashes do not show.
pub(crate) struct Story {
    pub(crate) runs: Vec<RunRecord>,
    pub(crate) cycles: Vec<CycleRecord>,
    pub(crate) intents: Vec<IntentEntry>,
    pub(crate) blocks: Vec<BlockRecord>,
}

/// A rig whose keeper has bought once, and then held for some blocks.
pub(crate) async fn lived() -> Rig {
    let mut rig = Rig::set().await;
    let vault = rig.scene.vault;
    rig.journal.record_run(&run(DECISION_VERSION)).await.unwrap();
    let roster = rig.journal.record_roster(31_337, [vault]).await.unwrap();
    for at in 0..6 {
        let dispatch = block(&mut rig, &roster).await;
        assert_eq!(matches!(dispatch, Dispatch::Sent { .. }), at == 0, "{dispatch:?}");
    }
    rig.assert_executed_once().await;
    rig
}

/// A block with its record, and what was done at it.
pub(crate) async fn block(rig: &mut Rig, roster: &Roster) -> Dispatch {
    let head = rig.head().await;
    let cycle = rig.cycle().await.unwrap();
    let (number, hash, timestamp) = (head.number, head.hash, head.timestamp);
    let vaults = BTreeMap::from([(rig.scene.vault, Ok(cycle.leaf))]);
    rig.journal.record_block(roster, &BlockRecord { number, hash, timestamp, vaults }).await.unwrap();
    rig.mine_and_resolve(1).await;
    cycle.dispatch
}

pub(crate) fn run(version: &str) -> RunRecord {
    RunRecord { program_version: "0.1.0".to_owned(), decision_version: version.to_owned() }
}

impl Story {
    pub(crate) async fn of(rig: &Rig) -> Self {
        let (journal, key) = (&rig.journal, (31_337, rig.scene.vault));
        let all = 0..=u64::MAX;
        let cycles = journal.cycles(key, all.clone(), 0).await.unwrap();
        let blocks = journal.blocks(key.0, all, None).await.unwrap();
        let block = |block: vault_keeper::journal::BlockEntry| BlockRecord {
            number: block.number,
            hash: block.hash,
            timestamp: block.timestamp,
            vaults: BTreeMap::from([(key.1, Ok(block.level[0]) as Standing)]),
        };
        Self {
            runs: vec![run(DECISION_VERSION)],
            cycles: cycles.into_iter().map(|cycle| cycle.record).collect(),
            intents: journal.intents_after(key, None).await.unwrap(),
            blocks: blocks.into_iter().map(block).collect(),
        }
    }

    /// What replaying a journal that says this tells.
    pub(crate) async fn told(&self, rig: &Rig) -> (Vec<String>, String) {
        told(&self.replayed(rig).await)
    }

    pub(crate) async fn replayed(&self, rig: &Rig) -> Replayed {
        let (_directory, journal) = self.written(rig.scene.vault).await;
        replayed(rig, &journal, &rig.scene.policy).await
    }

    async fn write(&self, journal: &Journal, at: usize, cycle: &CycleRecord) {
        let Some(intent) = self.intents.get(at) else {
            journal.record_cycle(cycle).await.unwrap();
            return;
        };
        let id = journal.record_prepared(cycle, &intent.record, &intent.attempts[0]).await.unwrap();
        journal.append_event(id, &intent.last_event).await.unwrap();
    }

    /// A journal that says this, and is whole in itself.
    pub(crate) async fn written(&self, vault: Address) -> (TempDir, Journal) {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::open(&directory.path().join("keeper.db")).await.unwrap();
        for run in &self.runs {
            journal.record_run(run).await.unwrap();
        }
        let roster = journal.record_roster(31_337, [vault]).await.unwrap();
        // Each block follows what was decided on it.
        let mut left: Vec<_> = self.cycles.iter().enumerate().collect();
        for block in &self.blocks {
            let due = |(_, cycle): &(usize, &CycleRecord)| cycle.block_timestamp <= block.timestamp;
            let (now, later): (Vec<_>, Vec<_>) = left.into_iter().partition(due);
            for (at, cycle) in now {
                self.write(&journal, at, cycle).await;
            }
            journal.record_block(&roster, block).await.unwrap();
            left = later;
        }
        for (at, cycle) in left {
            self.write(&journal, at, cycle).await;
        }
        assert!(journal.verify().await.unwrap().is_ok());
        (directory, journal)
    }
}

pub(crate) async fn source(rig: &Rig) -> Source {
    source_of(&rig.scene.stage.chain.endpoint()).await
}

/// The node at `url`.
pub(crate) async fn source_of(url: &str) -> Source {
    let time = Duration::from_secs(20);
    let timeouts = Timeouts { connect: time, request: time };
    let endpoint = Endpoint::discover("archive", SecretUrl::parse(url).unwrap(), timeouts).await.unwrap();
    Source::new(vec![endpoint], ChainKind::Ethereum, Mode::Auto).unwrap()
}

pub(crate) fn subject(rig: &Rig, policy: &str) -> Subject {
    Subject { name: "main".to_owned(), vault: rig.scene.vault, policies: vec![published(policy)] }
}

pub(crate) async fn replayed(rig: &Rig, journal: &Journal, policy: &str) -> Replayed {
    let (source, subject) = (source(rig).await, subject(rig, policy));
    let part = Part::Heights(0..=u64::MAX);
    Replay::new(&source, journal, &subject, None).run(&part, &|| {}).await.unwrap()
}

/// The names of the faults, and the first one's words.
pub(crate) fn told(replayed: &Replayed) -> (Vec<String>, String) {
    let name = |fault: &Fault| serde_json::to_value(fault).unwrap()["fault"].as_str().unwrap().to_owned();
    let first = replayed.faults.first().map(ToString::to_string).unwrap_or_default();
    (replayed.faults.iter().map(name).collect(), first)
}
