//! What the journal has of each head: one record for all vaults, read back as it was written, in little room.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails where it stands"
)]

#[path = "support/records.rs"]
mod records;

use std::collections::BTreeMap;
use std::path::PathBuf;

use alloy::primitives::{Address, B256, U256, keccak256};
use records::{CHAIN, VAULT, begun, block, cycle, prepared, run, sender, verified};
use tempfile::TempDir;
use vault_keeper::domain::merkle::{Tree, TreeHead, stored_height, width};
use vault_keeper::journal::{
    Absence, BlockEntry, BlockRecord, CycleRecord, Journal, JournalError, Orphaned, Recorded, Standing,
};

struct Place {
    directory: TempDir,
    journal: Journal,
}

impl Place {
    async fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let journal = Journal::open(&directory.path().join("keeper.db")).await.unwrap();
        Self { directory, journal }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("keeper.db")
    }

    async fn blocks(&self) -> Vec<BlockEntry> {
        self.journal.blocks(CHAIN, 0..=u64::MAX, None).await.unwrap()
    }

    /// Closes the journal and verifies it.
    async fn verified(self) -> u64 {
        let path = self.path();
        self.journal.close().await;
        verified(&path).await.unwrap()
    }
}

/// So many vaults, ascending.
fn vaults(count: u64) -> Vec<Address> {
    (0..count).map(|at| Address::left_padding_from(&(at + 1).to_be_bytes())).collect()
}

fn decided(vault: Address) -> Standing {
    Ok(keccak256(vault))
}

#[tokio::test]
async fn a_head_is_read_back_with_its_leaves_its_root_and_who_is_absent() {
    let place = Place::new().await;
    let (first, second, third) = (vaults(3)[0], vaults(3)[1], vaults(3)[2]);
    // The order of a configuration, and a vault twice.
    let roster = begun(&place.journal, [third, first, second, first]).await;
    assert_eq!(roster.vaults(), vaults(3));
    let standing = |vault| if vault == second { Err(Absence::Unread) } else { decided(vault) };
    let head = place.journal.record_block(&roster, &block(7, &roster, standing)).await.unwrap();
    let leaves = vec![keccak256(first), keccak256(third)];
    assert_eq!(head, TreeHead { leaves: 2, root: Tree::over(leaves.clone()).root() });

    let seen = place.blocks().await;
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].number, seen[0].hash, seen[0].timestamp), (7, cycle(7).block_hash, 1_007));
    assert_eq!((seen[0].seq, seen[0].orphaned, seen[0].roster), (3, false, roster.id()));
    assert_eq!((seen[0].head, &seen[0].level), (head, &leaves));
    assert_eq!(seen[0].absences.of(second), Some(Absence::Unread));
    assert_eq!(seen[0].absences.decided(roster.vaults()).collect::<Vec<_>>(), [&first, &third]);
    assert_eq!(place.journal.newest_block(CHAIN).await.unwrap().as_ref(), Some(&seen[0]));
    assert_eq!(place.journal.newest_block(1).await.unwrap(), None);
    let last = place.journal.verify().await.unwrap().unwrap();
    assert_eq!(seen[0].ledger_hash, last.hash);

    let runs = place.journal.runs(0).await.unwrap();
    assert_eq!(
        runs.iter().map(|entry| (entry.id, entry.seq, &entry.record)).collect::<Vec<_>>(),
        [(1, 1, &run())]
    );
    let rosters = place.journal.rosters(CHAIN, 0).await.unwrap();
    assert_eq!((rosters.len(), rosters[0].seq, rosters[0].run, &rosters[0].roster), (1, 2, 1, &roster));
    assert_eq!(place.journal.roster(roster.id()).await.unwrap().as_ref(), Some(&rosters[0]));
    assert_eq!(place.journal.rosters(1, 0).await.unwrap(), []);
    assert_eq!(place.verified().await, 3);
}

#[tokio::test]
async fn a_head_without_a_verdict_has_no_leaf_and_one_word_for_all() {
    let place = Place::new().await;
    let roster = begun(&place.journal, vaults(1_000)).await;
    let none = block(7, &roster, |_| Err(Absence::NoVerdict));
    let head = place.journal.record_block(&roster, &none).await.unwrap();
    assert_eq!(head, TreeHead { leaves: 0, root: keccak256([]) });
    let seen = place.blocks().await.remove(0);
    assert_eq!((seen.absences.of(vaults(9)[8]), seen.level.len()), (Some(Absence::NoVerdict), 0));
    let entries = place.journal.entries_after(2).await.unwrap();
    let fields: Vec<_> = entries[0].fields().collect();
    assert!(fields.contains(&("absences", Some(r#"[{"code":"no_verdict"}]"#.to_owned()))), "{fields:?}");
    assert_eq!(place.verified().await, 3);
}

#[tokio::test]
async fn more_than_64_leaves_are_one_level_of_64_nodes_at_most() {
    let place = Place::new().await;
    let roster = begun(&place.journal, vaults(1_000)).await;
    let head = place.journal.record_block(&roster, &block(7, &roster, decided)).await.unwrap();
    let seen = place.blocks().await.remove(0);
    assert_eq!((seen.head, seen.head.leaves, stored_height(1_000)), (head, 1_000, 4));
    assert_eq!(u64::try_from(seen.level.len()), Ok(width(1_000, 4)));
    assert_eq!((seen.level.len(), Tree::over(seen.level).root()), (63, head.root));
    assert_eq!(place.verified().await, 3);
}

#[tokio::test]
async fn a_head_tells_of_every_vault_of_the_newest_roster_and_of_no_other() {
    let place = Place::new().await;
    let refused = |result: Result<_, JournalError>, why: &str| {
        let error = result.map(drop).unwrap_err();
        assert!(matches!(&error, JournalError::Refused { reason, .. } if reason.contains(why)), "{error}");
    };
    let early = place.journal.record_roster(CHAIN, [VAULT]).await;
    refused(early.map(|_| TreeHead { leaves: 0, root: B256::ZERO }), "newest run");
    let old = begun(&place.journal, vaults(2)).await;
    let other = place.journal.record_roster(1, [VAULT]).await.unwrap();
    let missing = BlockRecord { vaults: [(vaults(1)[0], Ok(B256::ZERO))].into(), ..block(7, &old, decided) };
    refused(place.journal.record_block(&old, &missing).await, "each vault of its roster");
    let roster = place.journal.record_roster(CHAIN, vaults(3)).await.unwrap();
    refused(place.journal.record_block(&old, &block(7, &old, decided)).await, "newest roster of its chain");
    place.journal.record_block(&roster, &block(7, &roster, decided)).await.unwrap();
    place.journal.record_block(&other, &block(7, &other, decided)).await.unwrap();
    assert_eq!((place.blocks().await.len(), place.verified().await), (1, 6));
}

#[tokio::test]
async fn a_block_is_orphaned_from_when_the_chain_left_it_until_it_is_back() {
    let place = Place::new().await;
    let roster = begun(&place.journal, [VAULT]).await;
    let hash = cycle(7).block_hash;
    let see = async || place.journal.record_block(&roster, &block(7, &roster, decided)).await.unwrap();
    let orphaned = async || place.blocks().await.iter().map(|block| block.orphaned).collect::<Vec<_>>();
    see().await;
    assert_eq!(place.journal.highest_block(CHAIN).await.unwrap(), Some(7));
    // No cycle of it has a full record.
    let left = async || place.journal.mark_orphaned(CHAIN, hash).await.unwrap();
    assert_eq!(left().await, Orphaned { cycles: 0, blocks: 1 });
    assert_eq!(left().await, Orphaned { cycles: 0, blocks: 0 }, "nothing is marked twice");
    assert_eq!((orphaned().await, place.journal.highest_block(CHAIN).await.unwrap()), (vec![true], None));
    // The chain comes back to it, and leaves it again.
    place.journal.record_cycle(&cycle(7)).await.unwrap();
    see().await;
    assert_eq!(orphaned().await, [true, false]);
    assert!(!place.journal.newest_block(CHAIN).await.unwrap().unwrap().orphaned);
    assert_eq!(left().await, Orphaned { cycles: 1, blocks: 1 });
    assert_eq!(orphaned().await, [true, true]);
    assert_eq!(place.journal.mark_orphaned(1, hash).await.unwrap(), Orphaned { cycles: 0, blocks: 0 });

    // The chain comes back to it, and that is recorded: then all that was recorded of it stands, until it leaves once more.
    let back = async || place.journal.mark_returned(CHAIN, hash).await.unwrap();
    let cycle = async || place.journal.recent_cycles(VAULT, 1).await.unwrap()[0].orphaned;
    assert!(cycle().await && !place.journal.mark_returned(1, hash).await.unwrap());
    assert_eq!((back().await, back().await), (true, false), "nothing is back twice");
    assert_eq!((orphaned().await, cycle().await), (vec![false, false], false));
    assert_eq!(place.journal.highest_block(CHAIN).await.unwrap(), Some(7));
    assert_eq!(left().await, Orphaned { cycles: 1, blocks: 2 });
    assert_eq!((orphaned().await, cycle().await), (vec![true, true], true));
    assert!(back().await);
    see().await;
    assert_eq!((orphaned().await, cycle().await), (vec![false; 3], false));
    assert_eq!(left().await, Orphaned { cycles: 1, blocks: 3 });
    // The run, the roster, three heads, a cycle, four ends and two returns.
    assert_eq!(place.verified().await, 12);
}

#[tokio::test]
async fn what_is_recorded_of_a_height_is_told_with_whether_it_was_agreed_on_and_whether_it_left() {
    let place = Place::new().await;
    let roster = begun(&place.journal, [VAULT]).await;
    let see = async |number: u64, hash, standing: Standing| {
        let record = BlockRecord { hash, ..block(number, &roster, |_| standing) };
        place.journal.record_block(&roster, &record).await.unwrap();
    };
    let (one, two) = (B256::repeat_byte(1), B256::repeat_byte(2));
    see(7, one, Err(Absence::NoVerdict)).await;
    see(7, two, Ok(B256::ZERO)).await;
    see(8, one, Err(Absence::NoVerdict)).await;
    see(8, one, Ok(B256::ZERO)).await;
    // The process ended between this and the record of the block.
    place.journal.record_cycle(&cycle(9)).await.unwrap();
    place.journal.record_cycle(&CycleRecord { block_hash: two, ..cycle(7) }).await.unwrap();
    let recorded = async |heights| place.journal.recorded(CHAIN, heights).await.unwrap();
    let known = |hash, agreed| Recorded { hash, agreed, stands: true, left: false };
    let all = [
        (7, vec![known(two, true), known(one, false)]),
        (8, vec![known(one, true)]),
        (9, vec![known(cycle(9).block_hash, false)]),
    ];
    let sorted = |told: BTreeMap<u64, Vec<Recorded>>| {
        let by_hash = |mut at: Vec<Recorded>| {
            at.sort_by_key(|known| std::cmp::Reverse(known.hash));
            at
        };
        told.into_iter().map(|(number, at)| (number, by_hash(at))).collect::<Vec<_>>()
    };
    assert_eq!(sorted(recorded(0..=u64::MAX).await), all);
    assert_eq!(sorted(recorded(8..=8).await), all[1..2]);
    assert_eq!(place.journal.recorded(1, 0..=u64::MAX).await.unwrap(), BTreeMap::new());
    for hash in [two, cycle(9).block_hash] {
        place.journal.mark_orphaned(CHAIN, hash).await.unwrap();
    }
    let gone = |hash| Recorded { hash, agreed: false, stands: false, left: true };
    let left = [
        (7, vec![gone(two), known(one, false)]),
        (8, vec![known(one, true)]),
        (9, vec![gone(cycle(9).block_hash)]),
    ];
    assert_eq!(sorted(recorded(0..=u64::MAX).await), left);
    // Recorded again without a word that the chain is back: one record of it stands.
    see(7, two, Ok(B256::ZERO)).await;
    let both = Recorded { hash: two, agreed: true, stands: true, left: true };
    assert_eq!(sorted(recorded(7..=7).await), [(7, vec![both, known(one, false)])]);
    for number in 100..400 {
        see(number, B256::from(U256::from(number)), Ok(B256::ZERO)).await;
    }
    // However often one of them was seen.
    for _ in 0..300 {
        see(399, B256::from(U256::from(399)), Ok(B256::ZERO)).await;
    }
    let newest = recorded(0..=u64::MAX).await;
    // Blocks with full records are counted for themselves.
    let newest: Vec<_> = newest.into_keys().collect();
    assert_eq!((newest.len(), &newest[..3], newest.last()), (258, &[7, 9, 144][..], Some(&399)));
}

#[tokio::test]
async fn blocks_cycles_and_intents_are_read_page_by_page_from_their_beginning() {
    let place = Place::new().await;
    let roster = begun(&place.journal, [VAULT]).await;
    // Heights fall and repeat, as after a reorganisation.
    for number in (1..=250).chain(240..=260) {
        place.journal.record_block(&roster, &block(number, &roster, decided)).await.unwrap();
        place.journal.record_cycle(&cycle(number)).await.unwrap();
    }
    let (mut heights, mut after) = (Vec::new(), None);
    loop {
        let page = place.journal.blocks(CHAIN, 3..=255, after.as_ref().map(BlockEntry::place)).await.unwrap();
        let Some(last) = page.last() else { break };
        assert!(page.len() <= 200);
        heights.extend(page.iter().map(|block| (block.number, block.seq)));
        after = Some(last.clone());
    }
    assert_eq!((heights.len(), heights[0].0, heights.last().unwrap().0), (264, 3, 255));
    assert!(heights.is_sorted_by(|one, next| one < next), "by height, then in the order of writing");

    let (mut numbers, mut after) = (Vec::new(), 0);
    loop {
        let page = place.journal.cycles((CHAIN, VAULT), 3..=255, after).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.id;
        numbers.extend(page.iter().map(|cycle| (cycle.seq, cycle.record.block_number)));
    }
    assert_eq!((numbers.len(), numbers[0], numbers[247], numbers[248].1), (264, (8, 3), (502, 250), 240));
    assert!(place.journal.cycles((1, VAULT), 0..=300, 0).await.unwrap().is_empty());

    let (first, second) = (prepared(&place.journal, 5).await, prepared(&place.journal, 6).await);
    let all = place.journal.intents_after((CHAIN, VAULT), None).await.unwrap();
    assert_eq!(
        all.iter().map(|entry| (entry.id, entry.attempts.len())).collect::<Vec<_>>(),
        [(first, 1), (second, 1)]
    );
    let about = async |key, heights| place.journal.records_about(key, heights).await.unwrap();
    // Of each height a block and a cycle, of some two; at two of them an intent with a cycle of its own.
    assert_eq!(about((CHAIN, VAULT), 3..=255).await, 2 * 264 + 2 * 2);
    assert_eq!((about((CHAIN, sender()), 3..=255).await, about((1, VAULT), 0..=300).await), (264, 0));
    let rest = place.journal.intents_after((CHAIN, VAULT), Some(first)).await.unwrap();
    assert_eq!(rest.iter().map(|entry| entry.id).collect::<Vec<_>>(), [second]);
    assert!(place.journal.intents_after((1, VAULT), None).await.unwrap().is_empty());
    assert!(place.journal.intents_after((CHAIN, sender()), None).await.unwrap().is_empty());
}
