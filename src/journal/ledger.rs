//! The ledger: the order of all records and the hash of each over all before it.

use std::collections::BTreeMap;

use alloy::primitives::B256;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _, Sqlite, SqliteConnection};

use super::content::{Digest, Field, Kind, Row, Value};
use super::packing::{CycleTexts, NO_DECISION, Packed, Packer, unpack};

type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

/// Records that are read at a time.
const PAGE: i64 = 500;

/// The end of the ledger: what the next record follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tip {
    /// Number of the last record; 0 where there is none.
    pub(super) seq: i64,
    /// Its hash; zero where there is none.
    pub(super) hash: B256,
    /// Number of the newest record of each kind, in the order of [`Kind::ALL`].
    newest: [i64; Kind::COUNT],
}

/// A record with its number, ready to be written.
#[derive(Debug)]
pub(super) struct Numbered {
    kind: Kind,
    id: i64,
    seq: i64,
    hash: B256,
    /// The columns that the ledger hashes.
    values: Vec<Value>,
    /// The texts of a cycle, packed, and the number of the record that they are packed with.
    packed: Option<Packed>,
}

impl Numbered {
    /// Packs the texts of a full record.
    pub(super) fn packed_by(self, packer: &mut Packer) -> Self {
        let packed = self.texts().and_then(|texts| packer.pack(self.id, &texts));
        Self { packed, ..self }
    }

    fn texts(&self) -> Option<CycleTexts> {
        let text = |name| match self.value(name) {
            Some(Value::Text(text)) => Some(text.clone()),
            Some(Value::Null | Value::Integer(_) | Value::Bytes(_)) | None => None,
        };
        let cycle = self.kind == Kind::Cycle;
        let (decision, snapshot) = (text("decision"), text("snapshot"));
        cycle.then(|| Some(CycleTexts { decision: decision?, snapshot: snapshot? })).flatten()
    }

    fn value(&self, name: &str) -> Option<&Value> {
        let mut columns = self.kind.columns().iter().zip(&self.values);
        columns.find(|(column, _)| **column == name).map(|(_, value)| value)
    }

    /// The columns as they are stored.
    fn stored(self) -> Vec<(&'static str, Value)> {
        let columns = self.kind.columns().iter().copied().zip(self.values);
        let Some(packed) = self.packed else { return columns.collect() };
        let unpacked = columns.map(|(column, value)| match column {
            "decision" => (column, Value::Text(NO_DECISION.to_owned())),
            "snapshot" => (column, Value::Null),
            _ => (column, value),
        });
        let base = packed.base.map_or(Value::Null, Value::Integer);
        unpacked.chain([("packed", Value::Bytes(packed.bytes.into())), ("base", base)]).collect()
    }
}

impl Tip {
    pub(super) const EMPTY: Self = Self { seq: 0, hash: B256::ZERO, newest: [0; Kind::COUNT] };

    pub(super) async fn read(connection: &mut SqliteConnection) -> Result<Self, sqlx::Error> {
        let mut tip = Self::EMPTY;
        let last = sqlx::query("SELECT seq, hash FROM ledger ORDER BY seq DESC LIMIT 1");
        if let Some(row) = last.fetch_optional(&mut *connection).await? {
            tip.seq = row.try_get("seq")?;
            tip.hash = hash_of(&row)?;
        }
        for (kind, newest) in Kind::ALL.into_iter().zip(&mut tip.newest) {
            let query = format!("SELECT coalesce(max(id), 0) AS newest FROM {}", kind.table());
            *newest =
                sqlx::query(AssertSqlSafe(query)).fetch_one(&mut *connection).await?.try_get("newest")?;
        }
        Ok(tip)
    }

    /// The end as it was after record `seq`, which is there, by what has followed since.
    pub(super) async fn before(
        mut self,
        connection: &mut SqliteConnection,
        seq: i64,
    ) -> Result<Self, sqlx::Error> {
        let since = "SELECT count(*) AS records FROM ledger WHERE seq > ? AND kind = ?";
        for (kind, newest) in Kind::ALL.into_iter().zip(&mut self.newest) {
            let row = sqlx::query(since).bind(seq).bind(kind.name()).fetch_one(&mut *connection).await?;
            *newest = newest.saturating_sub(row.try_get("records")?);
        }
        let query = sqlx::query("SELECT hash FROM ledger WHERE seq = ?").bind(seq);
        self.hash = hash_of(&query.fetch_one(connection).await?)?;
        self.seq = seq;
        Ok(self)
    }

    pub(super) fn newest(&self, kind: Kind) -> i64 {
        Kind::ALL.into_iter().zip(self.newest).find(|(of, _)| *of == kind).map_or(0, |(_, newest)| newest)
    }

    /// The next record of a kind: its number in the ledger and among its kind.
    pub(super) fn advance(&mut self, kind: Kind) -> (i64, i64) {
        self.seq = self.seq.saturating_add(1);
        let id = self.newest(kind).saturating_add(1);
        for (of, newest) in Kind::ALL.into_iter().zip(&mut self.newest) {
            *newest = if of == kind { id } else { *newest };
        }
        (self.seq, id)
    }

    /// Gives a record its numbers and its hash.
    pub(super) fn number(&mut self, row: Row, now: i64) -> Numbered {
        let kind = row.kind;
        let (seq, id) = self.advance(kind);
        let resolve = |field| match field {
            Field::Value(value) => value,
            Field::Newest(kind) => Value::Integer(self.newest(kind)),
            Field::Now => Value::Integer(now),
        };
        let values: Vec<_> =
            std::iter::once(Value::Integer(id)).chain(row.fields.into_iter().map(resolve)).collect();
        let mut digest = Digest::new(self.hash, seq, kind);
        values.iter().for_each(|value| digest.add_value(value));
        self.hash = digest.finish();
        Numbered { kind, id, seq, hash: self.hash, values, packed: None }
    }
}

/// Writes the records and their places in the ledger in one transaction, which is one message to the database's thread:
/// each costs its waking and ours. Where it fails the connection must be closed, since the transaction may be open.
pub(super) async fn commit(
    connection: &mut SqliteConnection,
    records: Vec<Numbered>,
) -> Result<(), sqlx::Error> {
    let mut text = "BEGIN IMMEDIATE; ".to_owned();
    let (mut values, mut places) = (Vec::new(), Vec::new());
    for record in records {
        places.push((record.seq, record.kind, record.id, record.hash));
        let table = record.kind.table();
        let (columns, stored): (Vec<_>, Vec<_>) = record.stored().into_iter().unzip();
        let marks = vec!["?"; columns.len()].join(", ");
        text.push_str(&format!("INSERT INTO {table} ({}) VALUES ({marks}); ", columns.join(", ")));
        values.extend(stored);
    }
    let marks = vec!["(?, ?, ?, ?)"; places.len()].join(", ");
    text.push_str(&format!("INSERT INTO ledger (seq, kind, record, hash) VALUES {marks}; COMMIT"));
    let query = values.into_iter().fold(sqlx::query(AssertSqlSafe(text)), bind);
    let query = places.into_iter().fold(query, |query, (seq, kind, id, hash)| {
        query.bind(seq).bind(kind.name()).bind(id).bind(hash.to_vec())
    });
    query.execute(connection).await.map(drop)
}

fn bind(query: Query<'_>, value: Value) -> Query<'_> {
    match value {
        Value::Null => query.bind(None::<i64>),
        Value::Integer(integer) => query.bind(integer),
        Value::Text(text) => query.bind(text),
        Value::Bytes(bytes) => query.bind(bytes.to_vec()),
    }
}

/// A record as it stands in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    pub(super) seq: i64,
    pub(super) kind: Kind,
    pub(super) id: i64,
    pub(super) hash: B256,
    /// The columns of its kind; empty where the record is missing.
    pub(super) columns: Columns,
    /// Why they cannot be read, where they cannot.
    pub(super) damage: Option<String>,
}

/// The columns of a record that the ledger hashes, as bytes.
type Columns = Vec<Option<Vec<u8>>>;

/// Those of a record of a kind by its number, or why they cannot be read.
type Content = (i64, Result<Columns, String>);

impl LedgerEntry {
    /// Its number in the journal, from 1.
    #[must_use]
    pub const fn seq(&self) -> i64 {
        self.seq
    }

    /// `cycle`, `intent`, `attempt`, `event`, `orphaned`, `run`, `roster`, `block` or `returned`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.kind.name()
    }

    /// The hash of this record and all before it.
    #[must_use]
    pub const fn hash(&self) -> B256 {
        self.hash
    }

    /// Names and values of its columns in their order; bytes in hexadecimal.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, Option<String>)> {
        let shown = |(name, bytes): (&&'static str, &Option<Vec<u8>>)| {
            let text = |bytes: &Vec<u8>| match self.kind.is_bytes(name) {
                true => alloy::primitives::hex::encode_prefixed(bytes),
                false => String::from_utf8_lossy(bytes).into_owned(),
            };
            (self.kind.exported(name), bytes.as_ref().map(text))
        };
        self.kind.columns().iter().zip(&self.columns).map(shown)
    }

    /// The names of all columns of all kinds, each once.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        let all = Kind::ALL
            .into_iter()
            .flat_map(|kind| kind.columns().iter().map(move |column| kind.exported(column)));
        all.fold(Vec::new(), |mut names, name| {
            if !names.contains(&name) {
                names.push(name);
            }
            names
        })
    }

    /// The bytes of a column; `None` where it is null.
    pub(super) fn column(&self, name: &str) -> Option<&[u8]> {
        let mut columns = self.kind.columns().iter().zip(&self.columns);
        columns.find(|(column, _)| **column == name).and_then(|(_, bytes)| bytes.as_deref())
    }
}

/// The records after number `after`, [`PAGE`] at most.
pub(super) async fn page(
    connection: &mut SqliteConnection,
    after: i64,
) -> Result<Vec<LedgerEntry>, sqlx::Error> {
    let query =
        "SELECT seq, CAST(kind AS BLOB) AS kind, record, hash FROM ledger WHERE seq > ? ORDER BY seq LIMIT ?";
    let rows = sqlx::query(query).bind(after).bind(PAGE).fetch_all(&mut *connection).await?;
    let mut entries = rows.iter().map(place).collect::<Result<Vec<_>, _>>()?;
    let mut found = BTreeMap::new();
    for kind in Kind::ALL {
        let ids = || entries.iter().filter(|entry| entry.kind == kind).map(|entry| entry.id);
        let (Some(first), Some(last)) = (ids().min(), ids().max()) else { continue };
        // Numbers of a kind follow each other: a range that is wider than the page holds what is not in the ledger.
        for (id, columns) in contents(connection, kind, (first, last), PAGE).await? {
            found.insert((kind, id), columns);
        }
    }
    for entry in &mut entries {
        match found.remove(&(entry.kind, entry.id)).unwrap_or_else(|| Ok(Vec::new())) {
            Ok(columns) => entry.columns = columns,
            Err(damage) => entry.damage = Some(damage),
        }
    }
    Ok(entries)
}

/// The contents of the records of a kind with numbers from `first` to `last`, `most` at most, by their numbers. A column
/// is taken as bytes: what it holds need not be what it should.
pub(super) async fn contents(
    connection: &mut SqliteConnection,
    kind: Kind,
    (first, last): (i64, i64),
    most: i64,
) -> Result<Vec<Content>, sqlx::Error> {
    let columns: Vec<_> = kind.columns().iter().map(|column| format!("CAST(r.{column} AS BLOB)")).collect();
    let (packed, joined) = match kind {
        Kind::Cycle => (", r.packed, r.base, b.packed AS base_packed", "LEFT JOIN cycles b ON b.id = r.base"),
        Kind::Intent
        | Kind::Attempt
        | Kind::Event
        | Kind::Orphaned
        | Kind::Run
        | Kind::Roster
        | Kind::Block
        | Kind::Returned => ("", ""),
    };
    let query = format!(
        "SELECT {}, r.id{packed} FROM {} r {joined} WHERE r.id BETWEEN ? AND ? ORDER BY r.id LIMIT ?",
        columns.join(", "),
        kind.table()
    );
    let query = sqlx::query(AssertSqlSafe(query)).bind(first).bind(last).bind(most);
    let rows = query.fetch_all(connection).await?;
    rows.iter().map(|row| content(row, kind)).collect()
}

fn content(row: &SqliteRow, kind: Kind) -> Result<Content, sqlx::Error> {
    let columns = (0..kind.columns().len()).map(|at| row.try_get(at));
    let columns = columns.collect::<Result<Columns, _>>()?;
    let texts = if kind == Kind::Cycle { packed_texts(row)? } else { None };
    let read = match texts {
        None => Ok(columns),
        Some(texts) => texts.and_then(|texts| with_texts(columns, texts)),
    };
    Ok((row.try_get("id")?, read))
}

/// The columns of a cycle with the texts that were packed.
fn with_texts(mut columns: Columns, texts: CycleTexts) -> Result<Columns, String> {
    let (decision, snapshot) = (Some(texts.decision.into_bytes()), Some(texts.snapshot.into_bytes()));
    for (name, held, text) in
        [("decision", Some(NO_DECISION.as_bytes()), decision), ("snapshot", None, snapshot)]
    {
        let mut named = Kind::Cycle.columns().iter().zip(&mut columns);
        let column = named.find_map(|(column, value)| (*column == name).then_some(value));
        let column = column.filter(|column| column.as_deref() == held);
        *column.ok_or("it has its texts twice, packed and as they are")? = text;
    }
    Ok(columns)
}

/// The texts of a cycle with these columns of its row, where they are packed, or why they cannot be read.
pub(super) fn packed_texts(row: &SqliteRow) -> Result<Option<Result<CycleTexts, String>>, sqlx::Error> {
    let Some(packed) = row.try_get::<Option<&[u8]>, _>("packed")? else { return Ok(None) };
    let base: Option<i64> = row.try_get("base")?;
    let bytes: Option<&[u8]> = row.try_get("base_packed")?;
    Ok(Some(match (base, bytes) {
        (Some(base), None) => {
            Err(format!("cycle {base}, with which its texts are packed, is missing or not packed"))
        }
        (_, bytes) => unpack(packed, bytes),
    }))
}

fn place(row: &SqliteRow) -> Result<LedgerEntry, sqlx::Error> {
    let name: Vec<u8> = row.try_get("kind")?;
    let kind = std::str::from_utf8(&name).ok().and_then(Kind::from_name);
    let kind = kind.ok_or_else(|| strange("kind", "no kind of record"))?;
    let (seq, id, hash) = (row.try_get("seq")?, row.try_get("record")?, hash_of(row)?);
    Ok(LedgerEntry { seq, kind, id, hash, columns: Vec::new(), damage: None })
}

fn hash_of(row: &SqliteRow) -> Result<B256, sqlx::Error> {
    B256::try_from(row.try_get::<&[u8], _>("hash")?).map_err(|_| strange("hash", "no hash"))
}

fn strange(column: &str, what: &str) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: format!("ledger.{column}"), source: what.into() }
}

/// Enters what an earlier schema recorded into the ledger: kind by kind, each in the order of its numbers.
pub(super) async fn adopt(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let done = sqlx::query("SELECT id FROM adopted").fetch_optional(&mut *connection).await?;
    if done.is_some() {
        return Ok(());
    }
    let mut tip = Tip::EMPTY;
    for kind in Kind::ALL {
        let mut after = 0_i64;
        loop {
            let page = contents(connection, kind, (after.saturating_add(1), i64::MAX), PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            for (id, columns) in page {
                let columns = columns.map_err(|damage| strange("record", &damage))?;
                tip.seq = tip.seq.saturating_add(1);
                let mut digest = Digest::new(tip.hash, tip.seq, kind);
                columns.iter().for_each(|column| digest.add(column.as_deref()));
                tip.hash = digest.finish();
                let query = sqlx::query("INSERT INTO ledger (seq, kind, record, hash) VALUES (?, ?, ?, ?)");
                let query = query.bind(tip.seq).bind(kind.name()).bind(id).bind(tip.hash.to_vec());
                query.execute(&mut *connection).await?;
            }
        }
    }
    sqlx::query("INSERT INTO adopted (id) VALUES (1)").execute(connection).await.map(drop)
}
