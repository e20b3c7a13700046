//! Whatever is recorded keeps the rules, and whatever is changed afterwards is found.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails where it stands"
)]

#[path = "support/records.rs"]
mod records;

use std::path::{Path, PathBuf};

use alloy::primitives::{Address, B256, Bytes};
use proptest::prelude::*;
use proptest::test_runner::Config;
use records::{
    CHAIN, VAULT, attempt, begun, beside, block, cycle, event, intent, prepared, raw_connection, sender,
    signed, taken_over, transaction, verified,
};
use sqlx::{AssertSqlSafe, Row, SqliteConnection};
use tempfile::TempDir;
use vault_keeper::journal::{
    Absence, AttemptKind, AttemptRecord, Fault, IntentId, IntentRecord, IntentState, Journal, JournalError,
};

/// One record of every kind and more: two intents that share a nonce and have ended, one that is open, blocks with all
/// leaves, with one and with none, two orphaned blocks, of which one is back.
async fn example(path: &Path) {
    let journal = Journal::open(path).await.unwrap();
    journal.record_cycle(&cycle(1)).await.unwrap();
    let routine = prepared(&journal, 5).await;
    let bump = attempt(&intent(5), AttemptKind::Bump, 40);
    journal.record_attempt(routine, &bump, &event(IntentState::Live)).await.unwrap();
    let urgent = taken_over(&journal, 5).await;
    let (executed, superseded) = (event(IntentState::Executed), event(IntentState::Superseded));
    journal.append_events(&[(urgent, &executed), (routine, &superseded)]).await.unwrap();
    let open = prepared(&journal, 6).await;
    let cancel = attempt(&intent(6), AttemptKind::Cancel, 50);
    journal.record_attempt(open, &cancel, &event(IntentState::Cancelling)).await.unwrap();
    let roster = begun(&journal, [VAULT, sender()]).await;
    let leaf = |vault: Address| Ok(alloy::primitives::keccak256(vault));
    let of_one = |vault: Address| if vault == VAULT { leaf(vault) } else { Err(Absence::Unread) };
    for block in
        [block(1, &roster, leaf), block(2, &roster, of_one), block(3, &roster, |_| Err(Absence::NoVerdict))]
    {
        journal.record_block(&roster, &block).await.unwrap();
    }
    journal.mark_orphaned(CHAIN, cycle(1).block_hash).await.unwrap();
    journal.mark_orphaned(CHAIN, cycle(2).block_hash).await.unwrap();
    assert!(journal.mark_returned(CHAIN, cycle(2).block_hash).await.unwrap());
    journal.close().await;
}

/// A journal whose records can be changed by one who is determined to, and looks as before.
struct Forger {
    connection: SqliteConnection,
    triggers: Vec<String>,
    path: PathBuf,
}

impl Forger {
    async fn of(original: &Path, directory: &TempDir) -> Self {
        let path = directory.path().join("forged.db");
        drop(std::fs::remove_file(beside(&path, "-wal")));
        std::fs::copy(original, &path).unwrap();
        let mut connection = raw_connection(&path).await;
        // Nothing here has to outlive the machine, and a journal is forged hundreds of times.
        let pragmas = "PRAGMA ignore_check_constraints = 1; PRAGMA synchronous = OFF; BEGIN";
        sqlx::raw_sql(pragmas).execute(&mut connection).await.unwrap();
        let rows = sqlx::query("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'");
        let mut triggers = Vec::new();
        for row in rows.fetch_all(&mut connection).await.unwrap() {
            let drop = format!("DROP TRIGGER {}", row.get::<String, _>("name"));
            sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut connection).await.unwrap();
            triggers.push(row.get("sql"));
        }
        Self { connection, triggers, path }
    }

    async fn run(&mut self, statement: &str) -> u64 {
        let done = sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&mut self.connection).await;
        done.unwrap_or_else(|error| panic!("{statement}: {error}")).rows_affected()
    }

    /// Puts the triggers back and verifies.
    async fn verdict(mut self) -> Result<u64, Fault> {
        for trigger in std::mem::take(&mut self.triggers) {
            self.run(&trigger).await;
        }
        sqlx::raw_sql("COMMIT").execute(&mut self.connection).await.unwrap();
        sqlx::Connection::close(self.connection).await.unwrap();
        verified(&self.path).await
    }
}

async fn forged(original: &Path, directory: &TempDir, statement: &str) -> Result<u64, Fault> {
    let mut forger = Forger::of(original, directory).await;
    assert_ne!(forger.run(statement).await, 0, "{statement} changes nothing");
    forger.verdict().await
}

/// The index that a copied intent does not fit into, without its uniqueness.
const INDEX: &str =
    "CREATE INDEX intents_by_nonce ON intents (chain_id, sender, nonce, coalesce(takes_over, 0))";

/// Tables with their columns and the numbers of their rows.
async fn tables(path: &Path) -> Vec<(String, Vec<String>, Vec<i64>)> {
    let mut connection = raw_connection(path).await;
    let mut tables = Vec::new();
    for table in [
        "cycles",
        "intents",
        "attempts",
        "intent_events",
        "orphans",
        "runs",
        "rosters",
        "blocks",
        "returns",
        "ledger",
    ] {
        let columns = format!("SELECT name FROM pragma_table_info('{table}')");
        let columns = sqlx::query(AssertSqlSafe(columns)).fetch_all(&mut connection).await.unwrap();
        let rows = format!("SELECT rowid AS number FROM {table} ORDER BY rowid");
        let rows = sqlx::query(AssertSqlSafe(rows)).fetch_all(&mut connection).await.unwrap();
        let columns = columns.iter().map(|row| row.get("name")).collect();
        tables.push((table.to_owned(), columns, rows.iter().map(|row| row.get("number")).collect()));
    }
    tables
}

/// Another value than `column` of `table` has: a higher number, one other character, one other byte, or a value where there
/// was none.
fn other(table: &str, column: &str) -> String {
    format!(
        "CASE typeof({column}) WHEN 'integer' THEN {column} + 1000 \
         WHEN 'text' THEN substr({column}, 1, length({column}) - 1) || iif(substr({column}, -1) = '~', '!', '~') \
         WHEN 'blob' THEN CAST(iif(substr({column}, 1, 1) = x'ff', x'00', x'ff') || coalesce(substr({column}, 2), x'') AS BLOB) \
         ELSE (SELECT CASE type WHEN 'INTEGER' THEN 999 WHEN 'BLOB' THEN x'00' ELSE 'x' END \
               FROM pragma_table_info('{table}') WHERE name = '{column}') END"
    )
}

#[tokio::test]
async fn a_changed_value_is_another_whatever_it_was() {
    let directory = TempDir::new().unwrap();
    let mut connection = raw_connection(&directory.path().join("values.db")).await;
    let create = "CREATE TABLE held (value); INSERT INTO held VALUES (5), ('a~'), ('ab'), (x'ff01'), (x'0203'), (x''), (NULL)";
    sqlx::raw_sql(create).execute(&mut connection).await.unwrap();
    // The hash of a record begins with 255 once in 256 times.
    let changed =
        format!("UPDATE held SET value = {} RETURNING quote(value) AS value", other("held", "value"));
    let rows = sqlx::query(AssertSqlSafe(changed)).fetch_all(&mut connection).await.unwrap();
    let values: Vec<String> = rows.iter().map(|row| row.get("value")).collect();
    assert_eq!(values, ["1005", "'a!'", "'a~'", "X'0001'", "X'FF03'", "X'FF'", "'x'"]);
}

#[tokio::test]
async fn every_single_changed_value_is_found() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("keeper.db");
    example(&path).await;
    assert_eq!(verified(&path).await, Ok(27));
    let mut changes = 0;
    for (table, columns, rows) in tables(&path).await {
        for (column, row) in columns.iter().flat_map(|column| rows.iter().map(move |row| (column, row))) {
            let statement =
                format!("UPDATE {table} SET {column} = {} WHERE rowid = {row}", other(&table, column));
            let found = forged(&path, &directory, &statement).await;
            assert!(found.is_err(), "{table}.{column} of row {row}: {found:?}");
            changes += 1;
        }
    }
    assert_eq!(changes, 4 * 19 + 3 * 14 + 5 * 12 + 7 * 7 + 2 * 5 + 4 + 5 + 3 * 11 + 5 + 27 * 4);
}

#[tokio::test]
async fn every_row_that_is_missing_added_or_out_of_order_is_found() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("keeper.db");
    example(&path).await;
    for (table, columns, rows) in tables(&path).await {
        let id = columns[0].clone();
        for row in &rows {
            let found = forged(&path, &directory, &format!("DELETE FROM {table} WHERE rowid = {row}")).await;
            assert!(found.is_err(), "{table} without row {row}: {found:?}");
        }
        for (first, second) in rows.iter().zip(&rows[1..]) {
            let swap = format!(
                "UPDATE {table} SET {id} = -1 WHERE {id} = {first}; \
                 UPDATE {table} SET {id} = {first} WHERE {id} = {second}; \
                 UPDATE {table} SET {id} = {second} WHERE {id} = -1"
            );
            let found = forged(&path, &directory, &swap).await;
            assert!(found.is_err(), "{table} with rows {first} and {second} swapped: {found:?}");
        }
        // The hash of an attempt is of one attempt alone, and a block is back once from when it left.
        let copied = |column: &String| match (table.as_str(), column.as_str()) {
            ("attempts", "hash") => "substr(hash, 1, 65) || 'g'".to_owned(),
            ("returns", "last_orphan") => "last_orphan - 1".to_owned(),
            _ => column.clone(),
        };
        let others: Vec<_> = columns[1..].iter().map(copied).collect();
        let add = format!(
            "DROP INDEX intents_by_nonce; INSERT INTO {table} SELECT {id} + 1000, {} FROM {table} LIMIT 1; {INDEX}",
            others.join(", ")
        );
        // Found by its records, before the other index is.
        let fault = forged(&path, &directory, &add).await.unwrap_err();
        assert!(!fault.what.contains("indices"), "{table} with a row more: {fault}");
    }
}

#[tokio::test]
async fn the_first_wrong_record_is_named() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("keeper.db");
    example(&path).await;
    let change = "UPDATE attempts SET max_fee_per_gas = '31' WHERE id = 1";
    let fault = forged(&path, &directory, change).await.unwrap_err();
    assert_eq!(
        fault.to_string(),
        "record 4 (attempt 1): its hash is not that of its content and the hash before it"
    );
    let fault = forged(&path, &directory, "DELETE FROM intent_events WHERE id = 2").await.unwrap_err();
    assert_eq!(fault.to_string(), "record 7 (event 2): it is missing");
    let fault = forged(&path, &directory, "DELETE FROM ledger WHERE seq = 7").await.unwrap_err();
    assert_eq!(fault.to_string(), "record 7: it is missing");
    let fault = forged(&path, &directory, "UPDATE cycles SET orphaned = 1 WHERE id = 2").await.unwrap_err();
    assert_eq!(fault.to_string(), "the mark of an orphaned block on cycle 2 is not what was recorded");

    let mut forger = Forger::of(&path, &directory).await;
    forger.triggers.pop();
    let fault = forger.verdict().await.unwrap_err();
    assert!(fault.to_string().contains("triggers are not those"), "{fault}");
}

#[tokio::test]
async fn a_changed_byte_of_the_file_is_found_or_changes_no_record() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("keeper.db");
    example(&path).await;
    let bytes = std::fs::read(&path).unwrap();
    let forged = directory.path().join("forged.db");
    let before = exported(&path).await.unwrap();
    let (mut found, mut without_effect) = (0, 0);
    for at in (0..bytes.len()).step_by(397) {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x55;
        std::fs::write(&forged, bytes).unwrap();
        let sound = match Journal::open_read_only(&forged).await {
            Ok(journal) => matches!(journal.verify().await, Ok(Ok(_))),
            Err(_) => false,
        };
        if sound {
            assert_eq!(exported(&forged).await.as_ref(), Some(&before), "byte {at}");
            without_effect += 1;
        } else {
            found += 1;
        }
    }
    // Most of a young file is empty.
    assert!(found > 20 && without_effect > 20, "{found} {without_effect}");
}

async fn exported(path: &Path) -> Option<Vec<vault_keeper::journal::LedgerEntry>> {
    Journal::open_read_only(path).await.ok()?.entries_after(0).await.ok()
}

#[tokio::test]
async fn bytes_that_are_not_what_the_attempt_says_are_found() {
    let record = intent(5);
    let original = |change: &dyn Fn(&mut alloy::consensus::TxEip1559)| {
        let mut transaction = transaction(&record, AttemptKind::Original, 30);
        change(&mut transaction);
        let (hash, raw) = signed(transaction);
        AttemptRecord { hash, raw, ..attempt(&record, AttemptKind::Original, 30) }
    };
    let cases: [(&str, AttemptRecord); 9] = [
        ("another nonce", original(&|transaction| transaction.nonce = 6)),
        ("another chain id", original(&|transaction| transaction.chain_id = 1)),
        ("another recipient", original(&|transaction| transaction.to = sender().into())),
        ("another calldata", original(&|transaction| transaction.input = Bytes::new())),
        ("another gas limit", original(&|transaction| transaction.gas_limit = 1)),
        ("another fee cap", original(&|transaction| transaction.max_fee_per_gas = 31)),
        ("another value", original(&|transaction| transaction.value = alloy::primitives::U256::ONE)),
        ("do not hash", AttemptRecord { hash: B256::ZERO, ..original(&|_| {}) }),
        ("no transaction", {
            let raw = Bytes::from(vec![2, 0xff]);
            AttemptRecord { hash: alloy::primitives::keccak256(&raw), raw, ..original(&|_| {}) }
        }),
    ];
    for (what, attempt) in cases {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("keeper.db");
        let journal = Journal::open(&path).await.unwrap();
        journal.record_prepared(&cycle(5), &record, &attempt).await.unwrap();
        journal.close().await;
        let fault = verified(&path).await.unwrap_err();
        assert_eq!((fault.seq, fault.record.as_deref()), (Some(3), Some("attempt 1")));
        assert!(fault.what.contains(what), "{what}: {fault}");
    }
    let other = vault_keeper::journal::IntentRecord { sender: records::VAULT, ..record.clone() };
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("keeper.db");
    let journal = Journal::open(&path).await.unwrap();
    journal.record_prepared(&cycle(5), &other, &original(&|_| {})).await.unwrap();
    journal.close().await;
    assert!(verified(&path).await.unwrap_err().what.contains("another sender"));
}

#[tokio::test]
async fn a_changed_record_stops_the_journal_from_being_written() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("keeper.db");
    example(&path).await;
    let mut forger = Forger::of(&path, &directory).await;
    forger.run("UPDATE cycles SET verdict = 'hold' WHERE id = 1").await;
    let path = forger.path.clone();
    forger.verdict().await.unwrap_err();
    let refused = Journal::open(&path).await.unwrap_err();
    assert!(matches!(refused, JournalError::Corrupt { .. }), "{refused}");
    let text = refused.to_string();
    assert!(text.contains("record 1 (cycle 1)") && text.contains("keeper journal verify"), "{text}");
    assert!(text.contains("make sure no transaction of its keys is pending"), "{text}");
    assert!(Journal::open_read_only(&path).await.is_ok(), "it can still be read");
}

/// What may be asked of the journal, in the rules or not.
#[derive(Debug, Clone)]
enum Deed {
    Cycle,
    Prepare(u64),
    TakeOver(u64),
    Sign(usize, AttemptKind),
    Event(usize, IntentState),
    Orphan,
    Return,
    Start,
    Block(bool),
}

fn deed() -> impl Strategy<Value = Deed> {
    use IntentState::{
        Cancelled, Cancelling, Executed, Foreign, Included, Live, Parked, Prepared, Reverted, Superseded,
    };
    let states =
        [Prepared, Live, Cancelling, Included, Executed, Reverted, Cancelled, Superseded, Foreign, Parked];
    let kinds = [AttemptKind::Original, AttemptKind::Bump, AttemptKind::Cancel];
    prop_oneof![
        Just(Deed::Cycle),
        Just(Deed::Orphan),
        Just(Deed::Return),
        Just(Deed::Start),
        any::<bool>().prop_map(Deed::Block),
        (0_u64..5).prop_map(Deed::Prepare),
        (0_u64..5).prop_map(Deed::TakeOver),
        (0_usize..8, prop::sample::select(kinds.to_vec())).prop_map(|(at, kind)| Deed::Sign(at, kind)),
        (0_usize..8, prop::sample::select(states.to_vec())).prop_map(|(at, state)| Deed::Event(at, state)),
        (0_usize..8, prop::sample::select(states.to_vec())).prop_map(|(at, state)| Deed::Event(at, state)),
    ]
}

fn call(nonce: u64, cap: u128) -> (IntentRecord, AttemptRecord) {
    let record = intent(nonce);
    let first = attempt(&record, AttemptKind::Original, cap);
    (record, first)
}

/// Does it; `false` where the journal refuses.
async fn done(journal: &Journal, deed: &Deed, intents: &mut Vec<(IntentId, u64)>, cap: u128) -> bool {
    let outcome = match deed {
        Deed::Cycle => journal.record_cycle(&cycle(3)).await,
        Deed::Orphan => journal.mark_orphaned(CHAIN, cycle(3).block_hash).await.map(drop),
        Deed::Return => journal.mark_returned(CHAIN, cycle(3).block_hash).await.map(drop),
        Deed::Start => {
            begun(journal, [VAULT]).await;
            Ok(())
        }
        Deed::Block(decided) => {
            let Some(newest) = journal.rosters(CHAIN, 0).await.unwrap().pop() else { return false };
            let standing = |_| if *decided { Ok(B256::ZERO) } else { Err(Absence::Failed) };
            let block = block(3, &newest.roster, standing);
            journal.record_block(&newest.roster, &block).await.map(drop)
        }
        Deed::Prepare(nonce) => {
            let (record, first) = call(*nonce, cap);
            let outcome = journal.record_prepared(&cycle(3), &record, &first).await;
            outcome.map(|id| intents.push((id, *nonce)))
        }
        Deed::TakeOver(nonce) => {
            let (record, first) = call(*nonce, cap);
            let outcome = journal.record_takeover(&cycle(3), &record, &first).await;
            outcome.map(|id| intents.push((id, *nonce)))
        }
        Deed::Sign(at, kind) => {
            let Some((id, nonce)) = intents.get(*at) else { return false };
            let next = attempt(&intent(*nonce), *kind, cap);
            journal.record_attempt(*id, &next, &event(IntentState::Live)).await
        }
        Deed::Event(at, state) => {
            let Some((id, _)) = intents.get(*at) else { return false };
            journal.append_event(*id, &event(*state)).await
        }
    };
    match outcome {
        Ok(()) => true,
        Err(JournalError::Refused { .. }) => false,
        Err(other) => panic!("{other}"),
    }
}

/// One change to one row of one table, chosen by number.
async fn one_change(path: &Path, (table, row, column): (usize, usize, usize)) -> String {
    let tables = tables(path).await;
    let tables: Vec<_> = tables.iter().filter(|(_, _, rows)| !rows.is_empty()).collect();
    let (table, columns, rows) = tables[table % tables.len()];
    let (row, column) = (rows[row % rows.len()], &columns[column % columns.len()]);
    format!(
        "UPDATE {table} SET {column} = CASE typeof({column}) WHEN 'integer' THEN {column} + 1000 \
         WHEN 'text' THEN {column} || ' ' WHEN 'blob' THEN CAST({column} || x'00' AS BLOB) \
         ELSE (SELECT CASE type WHEN 'INTEGER' THEN 999 WHEN 'BLOB' THEN x'00' ELSE '' END FROM pragma_table_info('{table}') \
               WHERE name = '{column}') END WHERE rowid = {row}"
    )
}

proptest! {
    #![proptest_config(Config { cases: 40, ..Config::default() })]

    #[test]
    fn what_is_accepted_keeps_the_rules_and_one_change_is_found(
        deeds in prop::collection::vec(deed(), 1..40),
        change in (any::<usize>(), any::<usize>(), any::<usize>()),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let directory = TempDir::new().unwrap();
            let path = directory.path().join("keeper.db");
            let journal = Journal::open(&path).await.unwrap();
            journal.record_cycle(&cycle(1)).await.unwrap();
            let mut intents = Vec::new();
            for (at, deed) in deeds.iter().enumerate() {
                done(&journal, deed, &mut intents, 100 + u128::try_from(at).unwrap()).await;
            }
            for slot in 0..5 {
                let Some(slot) = journal.slot(CHAIN, sender(), slot).await.unwrap() else { continue };
                let states = slot.intents.iter().map(|intent| intent.last_event.state);
                assert!(states.filter(|state| state.took_effect()).count() <= 1, "{slot:?}");
            }
            journal.close().await;
            let found = verified(&path).await;
            assert!(found.is_ok(), "{found:?}");
            let change = one_change(&path, change).await;
            let found = forged(&path, &directory, &change).await;
            assert!(found.is_err(), "{change}");
        });
    }
}
