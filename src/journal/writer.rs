//! The one place that writes: whole commits, numbered and hashed, and none after one whose end is not known to be good.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use alloy::primitives::Address;
use sqlx::{SqliteConnection, SqlitePool};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::JournalError;
use super::content::Row;
use super::ledger::{self, Tip};
use super::lock::{KeyLocks, WriterLock};
use super::packing::Packer;
use super::store::classify;

/// The writer of an open journal. It outlives the callers that it works for.
#[derive(Debug)]
pub(super) struct Writer {
    pool: SqlitePool,
    path: PathBuf,
    state: Arc<Mutex<State>>,
    keys: KeyLocks,
    _lock: WriterLock,
}

#[derive(Debug)]
struct State {
    /// The end of the ledger; read again when absent.
    tip: Option<Tip>,
    /// Knows the records before.
    packer: Packer,
    /// How a write failed, or that its end was never seen: what the disk holds is then known only after reopening.
    failed: Option<String>,
}

impl Writer {
    pub(super) fn new(pool: SqlitePool, path: PathBuf, lock: WriterLock) -> Self {
        let state = Arc::new(Mutex::new(State { tip: None, packer: Packer::default(), failed: None }));
        Self { pool, path, state, keys: KeyLocks::default(), _lock: lock }
    }

    /// Appends `rows` in one commit, which is on the disk when this returns. It goes to its end even where the caller is
    /// dropped: a commit whose outcome nobody saw would leave open whether the next may be made.
    pub(super) async fn append(self: &Arc<Self>, rows: Vec<Row>) -> Result<Tip, JournalError> {
        let (writer, state) = (self.clone(), self.state.clone().lock_owned().await);
        let task = tokio::spawn(async move { writer.appended(state, rows).await });
        task.await.unwrap_or_else(|end| {
            Err(JournalError::Io { path: self.path.clone(), reason: format!("a write was cut off: {end}") })
        })
    }

    /// Waits for the end of a commit under way whose caller was dropped.
    pub(super) async fn settled(&self) {
        drop(self.state.lock().await);
    }

    async fn appended(&self, mut state: OwnedMutexGuard<State>, rows: Vec<Row>) -> Result<Tip, JournalError> {
        if let Some(first) = &state.failed {
            return Err(JournalError::WriteFailed { path: self.path.clone(), first: first.clone() });
        }
        state.failed = Some("its end was not seen".to_owned());
        let (tip, mut packer) = (state.tip, std::mem::take(&mut state.packer));
        let outcome = self.commit(tip, &mut packer, rows).await;
        // What was not written is nothing to pack others with.
        state.packer = if outcome.is_ok() { packer } else { Packer::default() };
        state.tip = outcome.as_ref().ok().copied();
        state.failed = outcome.as_ref().err().and_then(unsound);
        outcome
    }

    async fn commit(
        &self,
        tip: Option<Tip>,
        packer: &mut Packer,
        rows: Vec<Row>,
    ) -> Result<Tip, JournalError> {
        let mut connection = self.pool.acquire().await.map_err(|error| self.error(&error))?;
        let outcome = commit_on(&mut connection, tip, packer, rows).await;
        if outcome.is_err() {
            // The transaction may be open still, or not: a full disk makes SQLite roll back by itself. Closing ends it
            // either way, and a fresh connection knows nothing of it.
            drop(connection.close().await);
        }
        outcome.map_err(|error| self.error(&error))
    }

    /// Writes the log back into the main file. A failure loses nothing, since the log has everything; but a disk that
    /// fails here takes no further write.
    pub(super) async fn write_back(&self) {
        let mut state = self.state.lock().await;
        let Err(error) = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&self.pool).await else {
            return;
        };
        let error = self.error(&error);
        tracing::error!(%error, "the journal's log is not written back");
        let State { failed, .. } = &mut *state;
        *failed = failed.take().or_else(|| unsound(&error));
    }

    /// Takes the key for this journal until it is closed, as [`super::Journal::claim`] says.
    pub(super) fn claim(
        &self,
        chain_id: u64,
        sender: Address,
        directories: &[PathBuf],
    ) -> Result<(), JournalError> {
        let beside = self.path.parent().map(std::path::Path::to_owned);
        let all: Vec<_> = beside.into_iter().chain(directories.iter().cloned()).collect();
        self.keys.claim((chain_id, sender), &all)
    }

    fn error(&self, error: &sqlx::Error) -> JournalError {
        classify(&self.path, error)
    }
}

/// What an error says after which no write can be trusted.
fn unsound(error: &JournalError) -> Option<String> {
    (!error.leaves_the_journal_sound()).then(|| error.to_string())
}

/// All of `rows` in one transaction: on the disk when this returns, otherwise none of it counts once the connection is
/// closed.
async fn commit_on(
    connection: &mut SqliteConnection,
    tip: Option<Tip>,
    packer: &mut Packer,
    rows: Vec<Row>,
) -> Result<Tip, sqlx::Error> {
    let mut tip = match tip {
        Some(tip) => tip,
        // Nobody else writes meanwhile: the journal is locked.
        None => Tip::read(connection).await?,
    };
    let now = now();
    let records = rows.into_iter().map(|row| tip.number(row, now).packed_by(packer)).collect();
    ledger::commit(connection, records).await?;
    Ok(tip)
}

/// Seconds since the Unix epoch by this machine, for the reader's orientation alone.
fn now() -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "the time of a record is shown to people; no decision reads it"
    )]
    let now = SystemTime::now();
    i64::try_from(now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
}
