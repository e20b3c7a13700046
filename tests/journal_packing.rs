//! The texts of full records are packed in the file, and nowhere else: what is read, exported and verified is what was written.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails where it stands"
)]

#[path = "support/records.rs"]
mod records;

use std::path::{Path, PathBuf};

use alloy::primitives::Address;
use records::{CHAIN, cycle, raw_connection, verified};
use sqlx::{AssertSqlSafe, Connection, Row};
use tempfile::TempDir;
use vault_keeper::journal::{CycleRecord, Journal};

/// A full record of a vault of its own at this block.
fn full(block: u64) -> CycleRecord {
    let vault = Address::left_padding_from(&block.to_be_bytes());
    let snapshot = include_str!("fixtures/snapshot.json").trim_end();
    CycleRecord {
        vault,
        decision_json: include_str!("fixtures/decision.json").trim_end().to_owned(),
        snapshot_json: Some(
            snapshot.replace("0x000000000000000000000000000000000000fade", &format!("{vault:#x}")),
        ),
        ..cycle(block)
    }
}

/// A journal with three full records, the second and third packed with the first, and one of which no snapshot is kept.
async fn example(directory: &TempDir) -> PathBuf {
    let path = directory.path().join("keeper.db");
    let journal = Journal::open(&path).await.unwrap();
    for block in 1..=3 {
        journal.record_cycle(&full(block)).await.unwrap();
    }
    journal.record_cycle(&CycleRecord { snapshot_json: None, ..full(4) }).await.unwrap();
    journal.close().await;
    path
}

async fn read(journal: &Journal, block: u64) -> CycleRecord {
    journal.recent_cycles(full(block).vault, 1).await.unwrap().remove(0).record
}

/// What the file holds of the cycles: the lengths of their columns, and their bases.
async fn held(path: &Path) -> Vec<(String, i64, Option<i64>)> {
    let mut connection = raw_connection(path).await;
    let query = "SELECT decision, coalesce(length(packed), 0) AS packed, base FROM cycles ORDER BY id";
    let rows = sqlx::query(query).fetch_all(&mut connection).await.unwrap();
    let held = rows.iter().map(|row| (row.get("decision"), row.get("packed"), row.get("base"))).collect();
    connection.close().await.unwrap();
    held
}

async fn change(path: &Path, statement: &str) {
    let mut connection = raw_connection(path).await;
    let triggers = "DROP TRIGGER cycles_keep; DROP TRIGGER cycles_base; PRAGMA ignore_check_constraints = 1;";
    let statement = format!("{triggers} {statement}");
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn what_is_read_and_exported_is_what_was_written_whatever_the_file_holds() {
    let directory = TempDir::new().unwrap();
    let path = example(&directory).await;
    let held = held(&path).await;
    let texts = full(1).decision_json.len() + full(1).snapshot_json.unwrap().len();
    assert_eq!(texts, 8_994);
    assert!(held[..3].iter().all(|(decision, _, _)| decision == "null"), "{held:?}");
    assert_eq!(held.iter().map(|(_, _, base)| *base).collect::<Vec<_>>(), [None, Some(1), Some(1), None]);
    assert!((1_000..2_500).contains(&held[0].1) && held[1].1 < 250 && held[2].1 < 250, "{held:?}");
    assert_eq!((&held[3].0, held[3].1), (&full(4).decision_json, 0), "without a snapshot it is as it was");

    let journal = Journal::open_read_only(&path).await.unwrap();
    for block in 1..=3 {
        assert_eq!(read(&journal, block).await, full(block));
        let of = journal.cycle_of(full(block).vault, full(block).decision_hash).await.unwrap().unwrap();
        assert_eq!((of.seq, of.record), (i64::try_from(block).unwrap(), full(block)));
    }
    assert_eq!(journal.cycle_of(full(4).vault, full(4).decision_hash).await.unwrap(), None);
    let entries = journal.entries_after(0).await.unwrap();
    for (block, entry) in (1..).zip(&entries[..3]) {
        let fields: Vec<_> = entry.fields().collect();
        assert!(fields.contains(&("decision", Some(full(block).decision_json))), "{block}");
        assert!(fields.contains(&("snapshot", full(block).snapshot_json)), "{block}");
        assert_eq!(fields.len(), 16, "nothing of the packing is exported");
    }
    assert_eq!(verified(&path).await, Ok(4));
}

#[tokio::test]
async fn a_journal_that_is_opened_again_packs_anew_and_reads_what_it_packed_before() {
    let directory = TempDir::new().unwrap();
    let path = example(&directory).await;
    let journal = Journal::open(&path).await.unwrap();
    for block in 5..=6 {
        journal.record_cycle(&full(block)).await.unwrap();
    }
    for block in [1, 2, 5, 6] {
        assert_eq!(read(&journal, block).await, full(block));
    }
    journal.close().await;
    let bases: Vec<_> = held(&path).await.into_iter().map(|(_, _, base)| base).collect();
    assert_eq!(bases, [None, Some(1), Some(1), None, None, Some(5)]);
    assert_eq!(verified(&path).await, Ok(6));
}

#[tokio::test]
async fn texts_that_an_earlier_version_did_not_pack_have_the_same_hashes() {
    let directory = TempDir::new().unwrap();
    let path = example(&directory).await;
    let journal = Journal::open_read_only(&path).await.unwrap();
    let packed = journal.verify().await.unwrap().unwrap();
    journal.close().await;
    let mut connection = raw_connection(&path).await;
    let trigger = "SELECT sql FROM sqlite_schema WHERE name = 'cycles_keep'";
    let trigger: String = sqlx::query(trigger).fetch_one(&mut connection).await.unwrap().get("sql");
    sqlx::raw_sql("DROP TRIGGER cycles_keep").execute(&mut connection).await.unwrap();
    // From the last on: the others are packed with the first.
    for block in (1..=3).rev() {
        let unpack = "UPDATE cycles SET decision = ?, snapshot = ?, packed = NULL, base = NULL WHERE id = ?";
        let CycleRecord { decision_json, snapshot_json, .. } = full(block);
        let unpack = sqlx::query(unpack).bind(decision_json).bind(snapshot_json);
        unpack.bind(i64::try_from(block).unwrap()).execute(&mut connection).await.unwrap();
    }
    sqlx::raw_sql(AssertSqlSafe(trigger)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();

    let journal = Journal::open(&path).await.unwrap();
    assert_eq!(journal.verify().await.unwrap().unwrap(), packed);
    assert_eq!(read(&journal, 2).await, full(2));
    journal.record_cycle(&full(5)).await.unwrap();
    journal.close().await;
    assert_eq!(verified(&path).await, Ok(5));
}

#[tokio::test]
async fn packed_bytes_that_are_not_what_was_written_are_named_and_stop_nothing_else_from_being_read() {
    let whole = "X'01' || zeroblob(20)";
    for (statement, record, what) in [
        ("UPDATE cycles SET packed = substr(packed, 1, 20) WHERE id = 2", 2, "the packed texts are damaged"),
        ("UPDATE cycles SET packed = x'' WHERE id = 3", 3, "the packed texts are empty"),
        (
            "UPDATE cycles SET packed = x'09' WHERE id = 3",
            3,
            "packed with dictionary 9, and this program has 1",
        ),
        ("UPDATE cycles SET packed = CAST(WHOLE AS BLOB) WHERE id = 1", 1, "the packed texts are damaged"),
        ("UPDATE cycles SET base = NULL WHERE id = 2", 2, ""),
        (
            "UPDATE cycles SET base = 2 WHERE id = 3",
            3,
            "the packed texts are not a decision and its snapshot",
        ),
        (
            "UPDATE cycles SET base = 4 WHERE id = 3",
            3,
            "cycle 4, with which its texts are packed, is missing or not packed",
        ),
        ("UPDATE cycles SET decision = '{}' WHERE id = 2", 2, "it has its texts twice"),
        ("UPDATE cycles SET snapshot = '{}' WHERE id = 2", 2, "it has its texts twice"),
        (
            "UPDATE cycles SET packed = (SELECT packed FROM cycles WHERE id = 2) WHERE id = 3",
            3,
            "its hash is not that",
        ),
    ] {
        let directory = TempDir::new().unwrap();
        let path = example(&directory).await;
        change(&path, &statement.replace("WHOLE", whole)).await;
        let fault = verified(&path).await.unwrap_err();
        assert_eq!((fault.seq, fault.record), (Some(record), Some(format!("cycle {record}"))), "{statement}");
        assert!(fault.what.contains(what), "{statement}: {}", fault.what);
        let opened = Journal::open(&path).await.unwrap_err().to_string();
        assert!(opened.contains(&format!("record {record} (cycle {record})")), "{opened}");
        let journal = Journal::open_read_only(&path).await.unwrap();
        assert_eq!(journal.recent_cycles(full(4).vault, 1).await.unwrap().len(), 1, "the others can be read");
        if what.contains("packed") {
            let block = u64::try_from(record).unwrap();
            let read = journal.cycles((CHAIN, full(block).vault), 0..=9, 0).await.unwrap_err().to_string();
            assert!(read.contains(what) && read.contains("`keeper journal verify`"), "{read}");
            let exported = journal.entries_after(0).await.unwrap_err().to_string();
            assert!(exported.contains(&format!("record {record} (cycle {record})")), "{exported}");
        }
    }
}

#[tokio::test]
async fn a_record_is_packed_with_a_record_that_is_packed_with_none() {
    let directory = TempDir::new().unwrap();
    let path = example(&directory).await;
    let mut connection = raw_connection(&path).await;
    let copy = |base: &str| {
        format!(
            "INSERT INTO cycles (chain_id, vault, block_number, block_hash, block_timestamp, policy_hash, snapshot_hash, \
             decision_hash, verdict, decision, packed, base) SELECT chain_id, vault, block_number, block_hash, block_timestamp, \
             policy_hash, snapshot_hash, decision_hash, verdict, 'null', x'01', {base} FROM cycles WHERE id = 1"
        )
    };
    for base in ["2", "4", "99"] {
        let refused = sqlx::raw_sql(AssertSqlSafe(copy(base))).execute(&mut connection).await.unwrap_err();
        assert!(refused.to_string().contains("packed with one that is packed with none"), "{refused}");
    }
    sqlx::raw_sql(AssertSqlSafe(copy("1"))).execute(&mut connection).await.unwrap();
}
