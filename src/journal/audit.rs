//! Verifying the journal: that every record is what was written, in its order, and that together they keep the rules.

use std::collections::BTreeSet;
use std::fmt;

use alloy::primitives::B256;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection, Row as _};

use super::content::{Digest, Kind};
use super::ledger::{self, LedgerEntry, Tip};
use super::rules::Rules;
use super::store::MIGRATIONS;
use super::{Journal, JournalError, wal};

/// Records that are verified whenever the journal is opened for writing: the newest ones.
const NEWEST: i64 = 10_000;

/// A journal in which nothing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// How many records it has.
    pub records: u64,
    /// The hash of all of them. Noted elsewhere, it shows later that none of them was taken away.
    pub hash: B256,
}

/// The first thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The record, by its number in the ledger; `None` where it is a matter of the file.
    pub seq: Option<i64>,
    /// What it is: `intent 7`.
    pub record: Option<String>,
    /// What is wrong with it.
    pub what: String,
}

impl Fault {
    fn of(entry: &LedgerEntry, what: impl Into<String>) -> Self {
        let record = Some(format!("{} {}", entry.kind(), entry.id));
        Self { seq: Some(entry.seq), record, what: what.into() }
    }

    fn of_file(what: impl Into<String>) -> Self {
        Self { seq: None, record: None, what: what.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(seq) = self.seq {
            write!(f, "record {seq}")?;
        }
        if let Some(record) = &self.record {
            write!(f, " ({record})")?;
        }
        let colon = if self.seq.is_some() { ": " } else { "" };
        write!(f, "{colon}{}", self.what)
    }
}

/// Why verifying stops.
enum Stop {
    Fault(Fault),
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Stop {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Journal {
    /// Verifies everything: the hash of every record, that none is missing, added or out of order, references, states and
    /// nonces, that every attempt's bytes are signed by its sender for its chain and nonce, the database's own structure,
    /// and the log. Reads alone, at one state of the journal, also while another process writes it.
    ///
    /// # Errors
    /// Where the journal cannot be read at all; what is wrong in it is a [`Fault`].
    pub async fn verify(&self) -> Result<Result<Verified, Fault>, JournalError> {
        match wal::check(&self.path) {
            Ok(()) => {}
            Err(JournalError::Corrupt { reason, .. }) => return Ok(Err(Fault::of_file(reason))),
            Err(other) => return Err(other),
        }
        let expected = expected_schema().await.map_err(|error| self.error(&error))?;
        let mut connection = self.pool.acquire().await.map_err(|error| self.error(&error))?;
        let mut tx = connection.begin().await.map_err(|error| self.error(&error))?;
        let mut reached = 0;
        match whole(&mut tx, &expected, &mut reached).await {
            Ok(verified) => Ok(Ok(verified)),
            Err(Stop::Fault(fault)) => Ok(Err(fault)),
            Err(Stop::Database(error)) => self.unreadable(&error, reached).map(Err),
        }
    }

    /// What cannot be read is a fault of the record after the last that could be; what is no matter of the file is none.
    fn unreadable(&self, error: &sqlx::Error, reached: i64) -> Result<Fault, JournalError> {
        let error = self.error(error);
        let JournalError::Corrupt { reason, .. } = error else { return Err(error) };
        let seq = Some(reached.saturating_add(1));
        Ok(Fault { seq, record: None, what: format!("unreadable from here: {reason}") })
    }

    /// The records after number `after`, some hundreds at most, in their order; none after the last.
    ///
    /// # Errors
    /// What the disk or the file does not allow.
    pub async fn entries_after(&self, after: i64) -> Result<Vec<LedgerEntry>, JournalError> {
        let mut connection = self.pool.acquire().await.map_err(|error| self.error(&error))?;
        let page = ledger::page(&mut connection, after).await.map_err(|error| self.error(&error))?;
        match page.iter().find_map(|entry| Some((entry, entry.damage.as_ref()?))) {
            None => Ok(page),
            Some((entry, damage)) => Err(self.damaged(&Fault::of(entry, damage))),
        }
    }

    /// Verifies the newest 10,000 records, as opening for writing does; also while another process writes.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] where one of them is not what was written, otherwise what the disk or the file does not
    /// allow.
    pub async fn check_newest(&self) -> Result<(), JournalError> {
        let mut connection = self.pool.acquire().await.map_err(|error| self.error(&error))?;
        match newest(&mut connection).await {
            Ok(()) => Ok(()),
            Err(Stop::Database(error)) => Err(self.error(&error)),
            Err(Stop::Fault(fault)) => Err(self.damaged(&fault)),
        }
    }

    pub(super) fn damaged(&self, fault: &Fault) -> JournalError {
        let reason = format!("{fault}; `keeper journal verify` looks at all of it");
        JournalError::Corrupt { path: self.path.clone(), reason }
    }
}

async fn whole(
    connection: &mut SqliteConnection,
    expected: &BTreeSet<[String; 3]>,
    reached: &mut i64,
) -> Result<Verified, Stop> {
    let mut rules = Rules::default();
    let tip = walk(connection, Tip::EMPTY, |entry| {
        *reached = entry.seq;
        rules.admit(entry)
    });
    let tip = tip.await?;
    rules.at_the_end().map_err(Fault::of_file)?;
    complete(connection, &tip).await?;
    orphans(connection).await?;
    if schema(connection).await? != *expected {
        return Err(Fault::of_file("tables, indices or triggers are not those that the keeper made").into());
    }
    structure(connection).await?;
    Ok(Verified { records: u64::try_from(tip.seq).unwrap_or_default(), hash: tip.hash })
}

async fn newest(connection: &mut SqliteConnection) -> Result<(), Stop> {
    let last = Tip::read(connection).await?;
    let after = last.seq.saturating_sub(NEWEST).max(0);
    let from = if after == 0 { Tip::EMPTY } else { last.before(connection, after).await? };
    let reached = walk(connection, from, |_| Ok(())).await?;
    let equal = reached == last;
    if equal { Ok(()) } else { Err(Fault::of_file("there are records that are not in the ledger").into()) }
}

/// Follows the ledger from `tip` to its end.
async fn walk(
    connection: &mut SqliteConnection,
    mut tip: Tip,
    mut and: impl FnMut(&LedgerEntry) -> Result<(), String>,
) -> Result<Tip, Stop> {
    loop {
        let page = ledger::page(connection, tip.seq).await?;
        if page.is_empty() {
            return Ok(tip);
        }
        for entry in &page {
            follow(&mut tip, entry)?;
            and(entry).map_err(|what| Fault::of(entry, what))?;
        }
    }
}

fn follow(tip: &mut Tip, entry: &LedgerEntry) -> Result<(), Fault> {
    let before = tip.hash;
    let (seq, id) = tip.advance(entry.kind);
    if entry.seq != seq {
        return Err(Fault { seq: Some(seq), record: None, what: "it is missing".to_owned() });
    }
    if entry.id != id {
        return Err(Fault::of(entry, format!("{} {id} should stand here", entry.kind())));
    }
    if let Some(damage) = &entry.damage {
        return Err(Fault::of(entry, damage));
    }
    if entry.columns.is_empty() {
        return Err(Fault::of(entry, "it is missing"));
    }
    let mut digest = Digest::new(before, seq, entry.kind);
    entry.columns.iter().for_each(|column| digest.add(column.as_deref()));
    tip.hash = digest.finish();
    if tip.hash != entry.hash {
        return Err(Fault::of(entry, "its hash is not that of its content and the hash before it"));
    }
    Ok(())
}

/// Every record is in the ledger: their numbers rise one by one there, so it is enough to count them.
async fn complete(connection: &mut SqliteConnection, tip: &Tip) -> Result<(), Stop> {
    for kind in Kind::ALL {
        let query = format!("SELECT count(*) AS records FROM {} NOT INDEXED", kind.table());
        let row = sqlx::query(AssertSqlSafe(query)).fetch_one(&mut *connection).await?;
        let records: i64 = row.try_get("records")?;
        let known = tip.newest(kind);
        if records != known {
            let what = format!("{records} records of kind {} are there, the ledger has {known}", kind.name());
            return Err(Fault::of_file(what).into());
        }
    }
    let adopted = sqlx::query("SELECT count(*) AS adopted FROM adopted").fetch_one(connection).await?;
    let adopted: i64 = adopted.try_get("adopted")?;
    if adopted == 1 {
        Ok(())
    } else {
        Err(Fault::of_file("it is not said that the ledger is complete").into())
    }
}

async fn orphans(connection: &mut SqliteConnection) -> Result<(), Stop> {
    let query = "SELECT min(c.id) AS cycle FROM cycles c WHERE c.orphaned <> EXISTS (SELECT 1 FROM orphans o \
         WHERE o.chain_id = c.chain_id AND o.block_hash = c.block_hash AND o.last_cycle >= c.id AND NOT EXISTS (\
         SELECT 1 FROM returns r \
         WHERE r.chain_id = o.chain_id AND r.block_hash = o.block_hash AND r.last_orphan >= o.id))";
    let wrong: Option<i64> = sqlx::query(query).fetch_one(connection).await?.try_get("cycle")?;
    match wrong {
        None => Ok(()),
        Some(cycle) => {
            let what = format!("the mark of an orphaned block on cycle {cycle} is not what was recorded");
            Err(Fault::of_file(what).into())
        }
    }
}

async fn structure(connection: &mut SqliteConnection) -> Result<(), Stop> {
    let row = sqlx::query("PRAGMA integrity_check(1)").fetch_one(&mut *connection).await?;
    let said: String = row.try_get(0)?;
    if said != "ok" {
        return Err(Fault::of_file(format!("the database is damaged: {said}")).into());
    }
    let row = sqlx::query("PRAGMA foreign_key_check").fetch_optional(connection).await?;
    let Some(row) = row else { return Ok(()) };
    let table: String = row.try_get(0)?;
    Err(Fault::of_file(format!("a record of {table} refers to one that is not there")).into())
}

/// Tables, indices and triggers by type and name.
async fn schema(connection: &mut SqliteConnection) -> Result<BTreeSet<[String; 3]>, sqlx::Error> {
    // The list of migrations belongs to the driver.
    let query =
        "SELECT type, name, coalesce(sql, '') AS sql FROM sqlite_schema WHERE tbl_name <> '_sqlx_migrations'";
    let rows = sqlx::query(query).fetch_all(connection).await?;
    rows.iter().map(|row| Ok([row.try_get("type")?, row.try_get("name")?, row.try_get("sql")?])).collect()
}

/// Those that the migrations make.
async fn expected_schema() -> Result<BTreeSet<[String; 3]>, sqlx::Error> {
    let mut connection = SqliteConnection::connect("sqlite::memory:").await?;
    MIGRATIONS
        .run_direct(None, &mut connection, false)
        .await
        .map_err(|error| sqlx::Error::Migrate(Box::new(error)))?;
    schema(&mut connection).await
}
