//! The journal keeps what it was given, whatever happens to its process or disk.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails where it stands"
)]

use std::path::{Path, PathBuf};

use alloy::primitives::{Address, B256, Bytes, U256};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tempfile::TempDir;
use vault_keeper::journal::{
    AttemptKind, AttemptRecord, CycleRecord, EventRecord, IntentId, IntentRecord, IntentState, Journal,
    JournalError, JournalOptions, SubmissionClass, Urgency,
};

const CHAIN: u64 = 31_337;
const VAULT: Address = Address::repeat_byte(0xaa);
const SENDER: Address = Address::repeat_byte(0xbb);

fn cycle(block: u64) -> CycleRecord {
    CycleRecord {
        chain_id: CHAIN,
        vault: VAULT,
        block_number: block,
        block_hash: B256::from(U256::from(block)),
        block_timestamp: 1_000 + block,
        policy_hash: B256::repeat_byte(1),
        snapshot_hash: B256::repeat_byte(2),
        decision_hash: B256::repeat_byte(3),
        verdict: "rebalance".to_owned(),
        reason: None,
        decision_json: r#"{"sell":"1"}"#.to_owned(),
        snapshot_json: Some(r#"{"block":"1"}"#.to_owned()),
        dispatch: Some("send".to_owned()),
        urgency: Urgency::Routine,
    }
}

fn intent(nonce: u64) -> IntentRecord {
    IntentRecord {
        chain_id: CHAIN,
        sender: SENDER,
        nonce,
        vault: VAULT,
        vault_nonce: U256::MAX,
        to: VAULT,
        calldata: Bytes::from(vec![1, 2, 3]),
        deadline: 2_000,
        gas_limit: 100_000,
        planned_json: "{}".to_owned(),
        urgency: Urgency::Routine,
    }
}

fn attempt(nonce: u64) -> AttemptRecord {
    AttemptRecord {
        hash: B256::repeat_byte(u8::try_from(nonce).unwrap()),
        raw: Bytes::from(vec![2, 0xff]),
        max_fee_per_gas: u128::MAX,
        max_priority_fee_per_gas: 7,
        kind: AttemptKind::Original,
        submission: SubmissionClass::Public,
        signed_at: nonce,
        gas_limit: None,
        to: None,
    }
}

fn event(state: IntentState) -> EventRecord {
    EventRecord { state, detail: serde_json::json!({"why": "test"}), block_hash: None, fee: None }
}

async fn prepared(journal: &Journal, nonce: u64) -> IntentId {
    journal.record_prepared(&cycle(nonce), &intent(nonce), &attempt(nonce)).await.unwrap()
}

/// The files of a journal as a killed process would leave them: nothing closed, nothing written back.
fn copy_as_after_a_kill(journal: &Path, into: &TempDir) -> PathBuf {
    let copy = into.path().join("copy.db");
    std::fs::copy(journal, &copy).unwrap();
    let wal = |path: &Path| PathBuf::from(format!("{}-wal", path.display()));
    std::fs::copy(wal(journal), wal(&copy)).unwrap();
    copy
}

async fn raw_connection(path: &Path) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path)).await.unwrap()
}

#[tokio::test]
async fn everything_recorded_is_read_back_as_it_was() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("keeper.db");
    let journal = Journal::open(&path).await.unwrap();
    journal.record_cycle(&CycleRecord { reason: Some("within_band".to_owned()), ..cycle(4) }).await.unwrap();
    let id = prepared(&journal, 5).await;
    let included = EventRecord {
        block_hash: Some(B256::repeat_byte(9)),
        fee: Some(U256::from(u128::MAX)),
        ..event(IntentState::Executed)
    };
    journal.append_event(id, &included).await.unwrap();
    journal.close().await;

    let journal = Journal::open(&path).await.unwrap();
    let cycles = journal.recent_cycles(VAULT, 10).await.unwrap();
    assert_eq!(cycles.len(), 2);
    assert_eq!((&cycles[0].record, cycles[0].orphaned), (&cycle(5), false));
    assert_eq!(cycles[1].record.reason.as_deref(), Some("within_band"));
    let intents = journal.intents(VAULT, 10).await.unwrap();
    assert_eq!(intents.len(), 1);
    assert_eq!((intents[0].id, &intents[0].record), (id, &intent(5)));
    assert_eq!((intents[0].attempts.as_slice(), intents[0].decision_block), ([attempt(5)].as_slice(), 5));
    assert_eq!(intents[0].last_event, included);
    assert_eq!(journal.recent_cycles(SENDER, 10).await.unwrap(), vec![]);
}

#[tokio::test]
async fn reasons_are_counted_by_vault_the_most_frequent_first() {
    let dir = TempDir::new().unwrap();
    let journal = Journal::open(&dir.path().join("keeper.db")).await.unwrap();
    for (block, reason) in [(4, "within_band"), (5, "stale_price"), (7, "within_band"), (6, "within_band")] {
        let record = CycleRecord { reason: Some(reason.to_owned()), ..cycle(block) };
        journal.record_cycle(&record).await.unwrap();
    }
    let other = CycleRecord { vault: SENDER, ..cycle(9) };
    journal.record_cycle(&other).await.unwrap();
    let counted = journal.reasons(VAULT).await.unwrap();
    let counted: Vec<_> =
        counted.iter().map(|c| (c.reason.as_deref().unwrap(), c.cycles, c.last_block)).collect();
    assert_eq!(counted, [("within_band", 3, 7), ("stale_price", 1, 5)]);
    assert_eq!(journal.reasons(Address::ZERO).await.unwrap(), vec![]);
}

#[tokio::test]
async fn what_is_unsettled_for_a_vault_is_found_whoever_signed_it() {
    let dir = TempDir::new().unwrap();
    let journal = Journal::open(&dir.path().join("keeper.db")).await.unwrap();
    let (first, second) = (prepared(&journal, 5).await, prepared(&journal, 6).await);
    journal.append_event(first, &event(IntentState::Executed)).await.unwrap();
    let open = journal.unsettled(VAULT).await.unwrap();
    assert_eq!(open.iter().map(|open| open.id).collect::<Vec<_>>(), [second]);
    assert_eq!(journal.unsettled(SENDER).await.unwrap(), vec![]);
}

#[tokio::test]
async fn an_open_intent_closes_only_with_a_final_event() {
    let dir = TempDir::new().unwrap();
    let journal = Journal::open(&dir.path().join("keeper.db")).await.unwrap();
    let id = prepared(&journal, 5).await;
    for state in [IntentState::Live, IntentState::Included, IntentState::Live, IntentState::Parked] {
        journal.append_event(id, &event(state)).await.unwrap();
        let open = journal.open_intents(CHAIN, SENDER).await.unwrap();
        assert_eq!((open.len(), open[0].last_event.state), (1, state));
    }
    assert_eq!(journal.open_intents(CHAIN + 1, SENDER).await.unwrap(), vec![]);
    journal.append_event(id, &event(IntentState::Reverted)).await.unwrap();
    assert_eq!(journal.open_intents(CHAIN, SENDER).await.unwrap(), vec![]);
    let undone = journal.append_event(id, &event(IntentState::Live)).await.unwrap_err();
    assert!(matches!(&undone, JournalError::Refused { reason, .. } if reason.contains("final")), "{undone}");
    assert_eq!(journal.events(id).await.unwrap().len(), 6);
}

#[tokio::test]
async fn the_next_nonce_follows_the_highest_used_and_one_nonce_has_one_intent() {
    let dir = TempDir::new().unwrap();
    let journal = Journal::open(&dir.path().join("keeper.db")).await.unwrap();
    assert_eq!(journal.next_nonce(CHAIN, SENDER).await.unwrap(), None);
    prepared(&journal, 7).await;
    assert_eq!(journal.next_nonce(CHAIN, SENDER).await.unwrap(), Some(8));
    assert_eq!(journal.next_nonce(CHAIN, VAULT).await.unwrap(), None);

    let other = AttemptRecord { hash: B256::repeat_byte(99), ..attempt(7) };
    let second = journal.record_prepared(&cycle(8), &intent(7), &other).await.unwrap_err();
    assert!(matches!(second, JournalError::Refused { .. }), "{second}");
    assert_eq!(
        journal.recent_cycles(VAULT, 10).await.unwrap().len(),
        1,
        "a refused commit leaves no part of it"
    );
}

#[tokio::test]
async fn committed_fees_count_the_cap_until_the_fee_is_known() {
    let dir = TempDir::new().unwrap();
    let journal = Journal::open(&dir.path().join("keeper.db")).await.unwrap();
    let cheap = AttemptRecord { max_fee_per_gas: 30, ..attempt(5) };
    let id = journal.record_prepared(&cycle(5), &intent(5), &cheap).await.unwrap();
    let fees = async |since| journal.committed_fees(CHAIN, SENDER, since, None).await.unwrap();
    // Open, it may still cost, whenever it was decided on.
    assert_eq!((fees(1_005).await, fees(1_006).await), (U256::from(3_000_000), U256::from(3_000_000)));
    let paid = EventRecord { fee: Some(U256::from(21_000)), ..event(IntentState::Executed) };
    journal.append_event(id, &paid).await.unwrap();
    assert_eq!((fees(1_005).await, fees(1_006).await), (U256::from(21_000), U256::ZERO));
}

#[tokio::test]
async fn evidence_cannot_be_changed_or_deleted() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("keeper.db");
    let journal = Journal::open(&path).await.unwrap();
    prepared(&journal, 5).await;
    assert_eq!(journal.mark_orphaned(CHAIN, cycle(5).block_hash).await.unwrap().cycles, 1);
    assert_eq!(journal.mark_orphaned(CHAIN, cycle(5).block_hash).await.unwrap().cycles, 0);
    assert!(journal.recent_cycles(VAULT, 1).await.unwrap()[0].orphaned);
    journal.close().await;

    let mut connection = raw_connection(&path).await;
    for statement in [
        "UPDATE cycles SET verdict = 'hold'",
        "UPDATE cycles SET reason = 'invented'",
        "UPDATE cycles SET orphaned = 0",
        "DELETE FROM cycles",
        "UPDATE intents SET nonce = 6",
        "DELETE FROM intents",
        "UPDATE attempts SET raw = x'00'",
        "DELETE FROM attempts",
        "UPDATE intent_events SET state = 'executed'",
        "DELETE FROM intent_events",
    ] {
        let refused = sqlx::query(statement).execute(&mut connection).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{statement}: {refused}");
    }
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_was_committed() {
    let (dir, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = dir.path().join("keeper.db");
    let journal = Journal::open(&path).await.unwrap();
    prepared(&journal, 5).await;
    let copy = copy_as_after_a_kill(&path, &other);

    let reopened = Journal::open(&copy).await.unwrap();
    let open = reopened.open_intents(CHAIN, SENDER).await.unwrap();
    assert_eq!((open.len(), open[0].last_event.state), (1, IntentState::Prepared));
    assert_eq!(open[0].attempts, vec![attempt(5)]);
}

#[tokio::test]
async fn a_torn_last_write_is_dropped_and_all_before_it_kept() {
    let (dir, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = dir.path().join("keeper.db");
    let journal = Journal::open(&path).await.unwrap();
    prepared(&journal, 5).await;
    let wal = PathBuf::from(format!("{}-wal", path.display()));
    let before = std::fs::metadata(&wal).unwrap().len();
    prepared(&journal, 6).await;
    let after = std::fs::metadata(&wal).unwrap().len();
    assert!(after > before, "the second commit is in the log");

    let copy = copy_as_after_a_kill(&path, &other);
    let torn = std::fs::OpenOptions::new().write(true).open(format!("{}-wal", copy.display())).unwrap();
    torn.set_len(after - 100).unwrap();
    let reopened = Journal::open(&copy).await.unwrap();
    assert_eq!(reopened.next_nonce(CHAIN, SENDER).await.unwrap(), Some(6));
    assert_eq!(reopened.recent_cycles(VAULT, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_prepared_intent_is_recorded_whole_or_not_at_all() {
    let dir = TempDir::new().unwrap();
    let journal = Journal::open(&dir.path().join("keeper.db")).await.unwrap();
    let first = prepared(&journal, 1).await;
    // The hash of the first attempt again: the third of four rows is refused.
    let refused = journal.record_prepared(&cycle(2), &intent(2), &attempt(1)).await.unwrap_err();
    assert!(matches!(refused, JournalError::Refused { .. }), "{refused}");
    assert_eq!(journal.recent_cycles(VAULT, 10).await.unwrap().len(), 1);
    assert_eq!(journal.next_nonce(CHAIN, SENDER).await.unwrap(), Some(2));

    let second = prepared(&journal, 2).await;
    let open = journal.open_intents(CHAIN, SENDER).await.unwrap();
    let told: Vec<_> = open.iter().map(|open| (open.id, open.decision_block, &*open.attempts)).collect();
    assert_eq!(told, [(first, 1, &[attempt(1)][..]), (second, 2, &[attempt(2)][..])]);
    assert!(open.iter().all(|open| open.last_event.state == IntentState::Prepared));
}

#[tokio::test]
async fn the_log_is_written_back_and_does_not_grow_with_the_journal() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("keeper.db");
    let journal = Journal::open(&path).await.unwrap();
    let mut sizes = Vec::new();
    for block in 0..500 {
        journal.record_cycle(&cycle(block)).await.unwrap();
        if block % 250 == 249 {
            sizes.push(std::fs::metadata(dir.path().join("keeper.db-wal")).unwrap().len());
        }
    }
    let [half, whole] = sizes[..] else { unreachable!("{sizes:?}") };
    assert!(whole <= half + half / 4, "{half} {whole}");
    assert!(std::fs::metadata(&path).unwrap().len() > 200_000, "the file itself has grown");
}

#[tokio::test]
async fn a_full_disk_is_named_and_what_was_committed_stays() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("keeper.db");
    let journal = Journal::open_with(&path, JournalOptions { max_pages: Some(40) }).await.unwrap();
    let large = CycleRecord { snapshot_json: Some(format!("\"{}\"", "x".repeat(8_192))), ..cycle(1) };
    let mut written = 0;
    let full = loop {
        match journal.record_cycle(&large).await {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 100, "the page limit must be met");
    };
    assert!(matches!(full, JournalError::DiskFull { .. }), "{full}");
    assert!(full.to_string().contains("free space"), "{full}");
    let refused = journal.record_prepared(&large, &intent(5), &attempt(5)).await.unwrap_err();
    assert!(matches!(refused, JournalError::WriteFailed { .. }), "{refused}");
    assert!(refused.to_string().contains("check the disk, then start again"), "{refused}");
    assert!(refused.to_string().contains(&full.to_string()), "it names the first failure: {refused}");
    assert_eq!(journal.open_intents(CHAIN, SENDER).await.unwrap(), vec![]);
    journal.close().await;

    let journal = Journal::open(&path).await.unwrap();
    assert!(written > 0);
    assert_eq!(journal.recent_cycles(VAULT, 1_000).await.unwrap().len(), written);
    journal.record_cycle(&large).await.unwrap();
}

#[tokio::test]
async fn a_second_writer_is_refused_by_name_and_a_reader_is_not() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("keeper.db");
    let journal = Journal::open(&path).await.unwrap();
    prepared(&journal, 5).await;
    let link = dir.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    for second in [&path, &link] {
        let error = Journal::open(second).await.unwrap_err();
        let holder = format!("process {}", std::process::id());
        assert!(matches!(&error, JournalError::InUse { holder: named, .. } if *named == holder), "{error}");
    }

    let reader = Journal::open_read_only(&path).await.unwrap();
    assert_eq!(reader.intents(VAULT, 10).await.unwrap().len(), 1);
    prepared(&journal, 6).await;
    assert_eq!(reader.intents(VAULT, 10).await.unwrap().len(), 2, "a reader sees what is written meanwhile");
    let write = reader.record_cycle(&cycle(9)).await.unwrap_err();
    assert!(matches!(write, JournalError::ReadOnly { .. }), "{write}");
    reader.close().await;

    journal.close().await;
    let reader = Journal::open_read_only(&path).await.unwrap();
    assert_eq!(reader.intents(VAULT, 10).await.unwrap().len(), 2, "a reader needs no writer");
    let again = Journal::open(&path).await.unwrap();
    assert_eq!(again.next_nonce(CHAIN, SENDER).await.unwrap(), Some(7));
}

#[tokio::test]
async fn a_journal_of_another_version_is_refused() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("keeper.db");
    Journal::open(&path).await.unwrap().close().await;
    let mut connection = raw_connection(&path).await;
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (99, 'later', 1, x'00', 0)";
    sqlx::query(newer).execute(&mut connection).await.unwrap();
    for error in [Journal::open(&path).await.unwrap_err(), Journal::open_read_only(&path).await.unwrap_err()]
    {
        assert!(matches!(error, JournalError::SchemaNewer { found: 99, known: 6, .. }), "{error}");
    }
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 99").execute(&mut connection).await.unwrap();
    sqlx::query("UPDATE _sqlx_migrations SET version = version - 6").execute(&mut connection).await.unwrap();
    let older = Journal::open_read_only(&path).await.unwrap_err();
    assert!(matches!(older, JournalError::SchemaOlder { found: 0, known: 6, .. }), "{older}");
}

#[tokio::test]
async fn a_file_that_is_no_journal_and_a_missing_directory_are_named() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("keeper.db");
    std::fs::write(&path, "this is a letter, not a database, and long enough to be taken for one".repeat(20))
        .unwrap();
    let error = Journal::open(&path).await.unwrap_err();
    assert!(matches!(error, JournalError::Corrupt { .. }), "{error}");

    let missing = dir.path().join("nowhere").join("keeper.db");
    let error = Journal::open(&missing).await.unwrap_err();
    assert!(matches!(error, JournalError::CannotOpen { .. }), "{error}");
    let error = Journal::open_read_only(&dir.path().join("none.db")).await.unwrap_err();
    assert!(matches!(error, JournalError::CannotOpen { .. }), "{error}");
}
