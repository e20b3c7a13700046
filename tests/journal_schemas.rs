//! Journals of earlier schemas: they open, keep what they have, hashes and all, and go on.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails where it stands"
)]

#[path = "support/program.rs"]
mod program;
#[path = "support/records.rs"]
mod records;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use alloy::primitives::{B256, keccak256};
use records::{
    CHAIN, attempt, begun, block, cycle, event, intent, prepared, raw_connection, sender, verified,
};
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};
use tempfile::TempDir;
use vault_keeper::journal::{AttemptKind, IntentState, Journal, JournalError, SubmissionClass, Urgency};

/// The schema after so many migrations, known to the driver as such.
async fn schema(path: &Path, migrations: usize) -> SqliteConnection {
    let mut connection = raw_connection(path).await;
    sqlx::raw_sql(
        "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
         installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum BLOB NOT NULL, \
         execution_time BIGINT NOT NULL)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    for migration in sqlx::migrate!("src/journal/migrations").iter().take(migrations) {
        sqlx::raw_sql(AssertSqlSafe(migration.sql.as_str().to_owned()))
            .execute(&mut connection)
            .await
            .unwrap();
        let known = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES (?, ?, 1, ?, 0)";
        sqlx::query(known)
            .bind(migration.version)
            .bind(migration.description.to_string())
            .bind(migration.checksum.to_vec())
            .execute(&mut connection)
            .await
            .unwrap();
    }
    connection
}

/// A journal as the first schema left it: an executed intent, an open one, a cycle on a block that left the chain.
async fn of_the_first_schema(path: &Path) {
    let mut connection = schema(path, 1).await;
    for nonce in [5, 6] {
        recorded_first(&mut connection, nonce).await;
    }
    let events = "INSERT INTO intent_events (intent_id, state, detail) VALUES \
         (1, 'prepared', '{}'), (2, 'prepared', '{}'), (1, 'executed', '{}'), (2, 'live', '{}')";
    sqlx::raw_sql(events).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

/// A journal as the second schema left it: two cycles, one of them with an executed intent, and an orphaned block. Returns
/// the hash of its ledger, reckoned as docs/journal.md says.
async fn of_the_second_schema(path: &Path) -> B256 {
    let mut connection = schema(path, 2).await;
    recorded_first(&mut connection, 6).await;
    let rest = "INSERT INTO intent_events (recorded_at, intent_id, state, detail) VALUES \
         (9, 1, 'prepared', '{}'), (9, 1, 'executed', '{}'); \
         INSERT INTO orphans (recorded_at, chain_id, block_hash, last_cycle) \
         SELECT 9, chain_id, block_hash, id FROM cycles";
    sqlx::raw_sql(rest).execute(&mut connection).await.unwrap();
    let mut hash = B256::ZERO;
    for (at, (kind, table, record)) in [
        ("cycle", "cycles", 1),
        ("intent", "intents", 1),
        ("attempt", "attempts", 1),
        ("event", "intent_events", 1),
        ("event", "intent_events", 2),
        ("orphaned", "orphans", 1),
    ]
    .into_iter()
    .enumerate()
    {
        let seq = i64::try_from(at).unwrap() + 1;
        hash = entered(&mut connection, hash, (seq, kind), (table, record)).await;
    }
    connection.close().await.unwrap();
    hash
}

/// Enters a record into the ledger and returns its hash.
async fn entered(
    connection: &mut SqliteConnection,
    before: B256,
    (seq, kind): (i64, &str),
    (table, record): (&str, i64),
) -> B256 {
    let columns = format!("SELECT name FROM pragma_table_info('{table}') WHERE name <> 'orphaned'");
    let columns = sqlx::query(AssertSqlSafe(columns)).fetch_all(&mut *connection).await.unwrap();
    let columns: Vec<String> =
        columns.iter().map(|row| format!("CAST({} AS BLOB)", row.get::<String, _>("name"))).collect();
    let content = format!("SELECT {} FROM {table} WHERE id = {record}", columns.join(", "));
    let content = sqlx::query(AssertSqlSafe(content)).fetch_one(&mut *connection).await.unwrap();
    let values = (0..columns.len()).map(|at| content.get::<Option<Vec<u8>>, _>(at));
    let mut bytes = before.to_vec();
    for value in [Some(seq.to_string().into_bytes()), Some(kind.into())].into_iter().chain(values) {
        match value {
            None => bytes.push(b'-'),
            Some(value) => {
                bytes.extend(format!("{}:", value.len()).bytes());
                bytes.extend(value);
            }
        }
    }
    let hash = keccak256(bytes);
    let enter = "INSERT INTO ledger (seq, kind, record, hash) VALUES (?, ?, ?, ?)";
    let enter = sqlx::query(enter).bind(seq).bind(kind).bind(record).bind(hash.to_vec());
    enter.execute(connection).await.unwrap();
    hash
}

/// A cycle, an intent and its attempt.
async fn recorded_first(connection: &mut SqliteConnection, nonce: u64) {
    let (cycle, intent) = (cycle(nonce), intent(nonce));
    let attempt = attempt(&intent, AttemptKind::Original, 30);
    let hash = |hash: B256| format!("{hash:#x}");
    sqlx::query(
        "INSERT INTO cycles (chain_id, vault, block_number, block_hash, block_timestamp, policy_hash, \
         snapshot_hash, decision_hash, verdict, decision, orphaned) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'x', '{}', ?)",
    )
    .bind(31_337_i64)
    .bind(format!("{:#x}", cycle.vault))
    .bind(i64::try_from(nonce).unwrap())
    .bind(hash(cycle.block_hash))
    .bind(7_i64)
    .bind(hash(cycle.policy_hash))
    .bind(hash(cycle.snapshot_hash))
    .bind(hash(cycle.decision_hash))
    .bind(i64::from(nonce == 5))
    .execute(&mut *connection)
    .await
    .unwrap();
    sqlx::query(
        "INSERT INTO intents (cycle_id, chain_id, sender, nonce, vault, vault_nonce, recipient, calldata, \
         deadline, gas_limit, planned) SELECT max(id), 31337, ?1, ?2, ?3, ?2, ?3, x'010203', 2000, 100000, '{}' \
         FROM cycles",
    )
    .bind(format!("{:#x}", intent.sender))
    .bind(i64::try_from(nonce).unwrap())
    .bind(format!("{:#x}", intent.vault))
    .execute(&mut *connection)
    .await
    .unwrap();
    // The second schema tells how an attempt may leave, and when it was signed.
    let second = "SELECT count(*) AS there FROM pragma_table_info('attempts') WHERE name = 'submission'";
    let second: i64 = sqlx::query(second).fetch_one(&mut *connection).await.unwrap().get("there");
    let [names, values] = if second == 1 { [", submission, signed_at", ", 'public', 6"] } else { ["", ""] };
    sqlx::query(AssertSqlSafe(format!(
        "INSERT INTO attempts (intent_id, hash, raw, max_fee_per_gas, max_priority_fee_per_gas, kind{names}) \
         SELECT max(id), ?, ?, '30', '1', 'original'{values} FROM intents"
    )))
    .bind(hash(attempt.hash))
    .bind(attempt.raw.to_vec())
    .execute(&mut *connection)
    .await
    .unwrap();
}

#[tokio::test]
async fn a_journal_of_the_first_schema_opens_and_all_of_it_is_in_the_ledger() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("keeper.db");
    of_the_first_schema(&path).await;
    let old = Journal::open_read_only(&path).await.unwrap_err();
    assert!(matches!(old, JournalError::SchemaOlder { found: 1, known: 6, .. }), "{old}");

    let journal = Journal::open(&path).await.unwrap();
    let open = journal.open_slots(CHAIN, sender()).await.unwrap();
    assert_eq!((open.len(), open[0].nonce, open[0].intents[0].record.urgency), (1, 6, Urgency::Routine));
    let attempt = &open[0].intents[0].attempts[0];
    assert_eq!((attempt.submission, attempt.signed_at), (SubmissionClass::Public, 6));
    assert!(journal.recent_cycles(records::VAULT, 5).await.unwrap()[1].orphaned);
    journal.append_event(open[0].intents[0].id, &event(IntentState::Included)).await.unwrap();
    prepared(&journal, 7).await;
    journal.close().await;
    // Two cycles, intents and attempts, four events, the orphaned block; an event; four for the new intent.
    assert_eq!(verified(&path).await, Ok(16));

    let again = Journal::open(&path).await.unwrap();
    again.close().await;
    assert_eq!(verified(&path).await, Ok(16), "it is entered once");
}

#[tokio::test]
async fn a_journal_of_the_second_schema_keeps_its_hashes_and_goes_on() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("keeper.db");
    let hash = of_the_second_schema(&path).await;
    let old = Journal::open_read_only(&path).await.unwrap_err();
    assert!(matches!(old, JournalError::SchemaOlder { found: 2, known: 6, .. }), "{old}");

    let journal = Journal::open(&path).await.unwrap();
    let found = journal.verify().await.unwrap().unwrap();
    assert_eq!((found.records, found.hash), (6, hash));
    let cycle = journal.recent_cycles(records::VAULT, 1).await.unwrap().remove(0);
    assert_eq!((cycle.seq, cycle.orphaned), (1, true));
    assert_eq!(journal.newest_block(CHAIN).await.unwrap(), None);
    let roster = begun(&journal, [records::VAULT]).await;
    journal.record_block(&roster, &block(6, &roster, |_| Ok(B256::ZERO))).await.unwrap();
    let seen = journal.newest_block(CHAIN).await.unwrap().unwrap();
    // Its block left the chain before, and is there again.
    assert_eq!((seen.number, seen.seq, seen.orphaned), (6, 9, false));
    journal.close().await;
    assert_eq!(verified(&path).await, Ok(9));
}

/// Every file of a directory with its bytes.
fn files(directory: &Path) -> BTreeMap<OsString, Vec<u8>> {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    files.map(|file| (file.file_name(), std::fs::read(file.path()).unwrap())).collect()
}

#[tokio::test]
async fn a_journal_of_an_earlier_schema_is_read_as_evidence_from_a_copy_and_its_file_stays_as_it_is() {
    let directory = TempDir::new().unwrap();
    let paths = ["first.db", "second.db"].map(|name| directory.path().join(name));
    of_the_first_schema(&paths[0]).await;
    let hash = of_the_second_schema(&paths[1]).await;
    let before = files(directory.path());
    for (path, records, cycles) in [(&paths[0], 11, 2), (&paths[1], 6, 1)] {
        let journal = Journal::open_evidence(path).await.unwrap();
        assert!(journal.is_copy());
        let found = journal.verify().await.unwrap().unwrap();
        assert_eq!(found.records, records);
        assert!(found.hash == hash || records == 11, "the hashes of a ledger are those that were written");
        let read = journal.cycles((CHAIN, records::VAULT), 0..=u64::MAX, 0).await.unwrap();
        assert_eq!((read.len(), read[0].record.decision_json.as_str()), (cycles, "{}"));
        assert_eq!(journal.entries_after(0).await.unwrap().len(), usize::try_from(records).unwrap());
        let refused = journal.record_cycle(&cycle(9)).await.unwrap_err();
        assert!(matches!(refused, JournalError::ReadOnly { .. }), "{refused}");
        journal.close().await;
    }
    let place = program::Place::with(
        include_str!("../keeper.example.toml"),
        include_str!("../examples/policies/cppi.toml"),
    );
    let second = paths[1].to_str().unwrap();
    let verified = place.run(&["journal", "verify", "--file", second, "--json"]);
    assert_eq!((verified.code, &verified.json()["hash"]), (0, &serde_json::json!(hash)), "{verified:?}");
    let exported = place.run(&["journal", "export", "--file", second]);
    assert_eq!((exported.code, exported.out.lines().count()), (0, 6), "{exported:?}");
    assert_eq!(files(directory.path()), before, "nothing beside it either");

    // One of this version is no copy, and a damaged one is refused as before.
    let newest = directory.path().join("newest.db");
    Journal::open(&newest).await.unwrap().close().await;
    assert!(!Journal::open_evidence(&newest).await.unwrap().is_copy());
    std::fs::write(&paths[0], "no journal").unwrap();
    let damaged = Journal::open_evidence(&paths[0]).await.unwrap_err();
    assert!(matches!(damaged, JournalError::Corrupt { .. }), "{damaged}");
}
