//! Opening the journal, and the errors of its database.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, Row, SqlitePool};
use tempfile::TempDir;

use super::lock::WriterLock;
use super::write::CHECKPOINT_EVERY;
use super::writer::Writer;
use super::{JournalError, ledger, wal};

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("src/journal/migrations");

/// How long to wait for another program that has the database locked.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The journal of one keeper. It has one writer; others may read it meanwhile.
#[derive(Debug)]
pub struct Journal {
    pub(super) pool: SqlitePool,
    /// Commits since the log was last written back.
    pub(super) commits: AtomicU32,
    pub(super) path: PathBuf,
    /// Absent where the journal is open for reading.
    writer: Option<Arc<Writer>>,
    /// Where the copy is that is read in place of the file.
    copy: Option<TempDir>,
}

/// How to open a journal for writing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JournalOptions {
    /// Most pages of 4 KiB that the file may have; unlimited when absent.
    pub max_pages: Option<u32>,
}

impl Journal {
    /// Opens the journal at `path` for writing, creating it if there is none and bringing its schema up to date.
    ///
    /// # Errors
    /// [`JournalError::InUse`] while another process writes it, [`JournalError::SchemaNewer`] when a newer keeper
    /// wrote it, [`JournalError::Corrupt`] where its log is damaged before its end or its newest records are not what was
    /// written, otherwise what the disk or the file does not allow.
    pub async fn open(path: &Path) -> Result<Self, JournalError> {
        Self::open_with(path, JournalOptions::default()).await
    }

    /// Opens the journal at `path` for writing, as `options` say.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub async fn open_with(path: &Path, options: JournalOptions) -> Result<Self, JournalError> {
        let path = resolved(path)?;
        let lock = WriterLock::acquire(&path)?;
        // Before SQLite sees it: what it cannot read of its log it silently drops.
        wal::check(&path)?;
        let mut connect = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // Written back by `checkpoint_if_due`, never within a commit that a transaction waits for.
            .pragma("wal_autocheckpoint", "0")
            .busy_timeout(BUSY_TIMEOUT);
        if let Some(pages) = options.max_pages {
            connect = connect.pragma("max_page_count", pages.to_string());
        }
        let mut journal = Self::connect(path, connect).await?;
        journal.bring_up_to_date().await?;
        journal.check_newest().await?;
        journal.writer = Some(Arc::new(Writer::new(journal.pool.clone(), journal.path.clone(), lock)));
        Ok(journal)
    }

    /// Opens the journal at `path` for reading, also while another process writes it.
    ///
    /// # Errors
    /// [`JournalError::CannotOpen`] when there is none, [`JournalError::SchemaNewer`] and
    /// [`JournalError::SchemaOlder`] when another version wrote it, otherwise what the disk or the file does not
    /// allow.
    pub async fn open_read_only(path: &Path) -> Result<Self, JournalError> {
        let path = resolved(path)?;
        let connect = SqliteConnectOptions::new().filename(&path).read_only(true).busy_timeout(BUSY_TIMEOUT);
        let journal = Self::connect(path, connect).await?;
        journal.check_schema().await?;
        Ok(journal)
    }

    /// Opens the journal at `path` as evidence: for reading, and where an older keeper wrote it, a copy of it in the directory for
    /// temporary files that is brought up to date. The file itself is never written. A keeper must not write an older journal
    /// meanwhile.
    ///
    /// # Errors
    /// As [`Journal::open_read_only`], and [`JournalError::NotCopied`] where there is no room for the copy.
    pub async fn open_evidence(path: &Path) -> Result<Self, JournalError> {
        match Self::open_read_only(path).await {
            Err(JournalError::SchemaOlder { path, .. }) => Self::open_copy(path).await,
            other => other,
        }
    }

    async fn open_copy(path: PathBuf) -> Result<Self, JournalError> {
        wal::check(&path)?;
        let not_copied = |error: io::Error| JournalError::NotCopied {
            path: path.clone(),
            directory: std::env::temp_dir(),
            reason: error.to_string(),
        };
        let directory = TempDir::with_prefix("keeper-journal-").map_err(not_copied)?;
        let copy = directory.path().join("keeper.db");
        std::fs::copy(&path, &copy).map_err(not_copied)?;
        let log = wal::log_path(&path);
        if log.exists() {
            std::fs::copy(log, wal::log_path(&copy)).map_err(not_copied)?;
        }
        // It lives no longer than this process.
        let connect = SqliteConnectOptions::new()
            .filename(&copy)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Off)
            .foreign_keys(true);
        // Messages are about the file that was asked for.
        let mut journal = Self::connect(path.clone(), connect).await?;
        journal.bring_up_to_date().await?;
        journal.copy = Some(directory);
        Ok(journal)
    }

    /// Migrates what an earlier version wrote, and enters it into the ledger.
    async fn bring_up_to_date(&self) -> Result<(), JournalError> {
        MIGRATIONS.run(&self.pool).await.map_err(|error| self.migration_error(&error))?;
        self.adopt().await.map_err(|error| self.error(&error))
    }

    /// Whether a copy is read, since an older keeper wrote the file.
    #[must_use]
    pub const fn is_copy(&self) -> bool {
        self.copy.is_some()
    }

    /// What people ask of the keeper of this chain that writes this journal.
    #[must_use]
    pub fn requests(&self, chain_id: u64) -> super::Requests {
        super::Requests::beside(&self.path, chain_id)
    }

    /// Closes the journal, writing its log back into the main file.
    pub async fn close(self) {
        self.pool.close().await;
    }

    async fn connect(path: PathBuf, options: SqliteConnectOptions) -> Result<Self, JournalError> {
        // One connection: writes come one after the other, and each read sees them all.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await
            .map_err(|error| classify(&path, &error))?;
        // Due at once: an earlier process may have left a log.
        let commits = AtomicU32::new(CHECKPOINT_EVERY);
        Ok(Self { pool, commits, path, writer: None, copy: None })
    }

    /// Enters what an earlier schema recorded into the ledger, all of it or nothing.
    async fn adopt(&self) -> Result<(), sqlx::Error> {
        let mut connection = self.pool.acquire().await?;
        let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
        ledger::adopt(&mut tx).await?;
        tx.commit().await
    }

    pub(super) fn writer(&self) -> Result<&Arc<Writer>, JournalError> {
        self.writer.as_ref().ok_or_else(|| JournalError::ReadOnly { path: self.path.clone() })
    }

    pub(super) fn refused(&self, reason: &str) -> JournalError {
        JournalError::Refused { path: self.path.clone(), reason: reason.to_owned() }
    }

    async fn check_schema(&self) -> Result<(), JournalError> {
        let row = sqlx::query("SELECT max(version) AS version FROM _sqlx_migrations WHERE success")
            .fetch_one(&self.pool)
            .await
            .map_err(|error| self.error(&error))?;
        let found: i64 = row.try_get("version").map_err(|error| self.error(&error))?;
        let (path, known) = (self.path.clone(), known_schema());
        match found.cmp(&known) {
            std::cmp::Ordering::Greater => Err(JournalError::SchemaNewer { path, found, known }),
            std::cmp::Ordering::Less => Err(JournalError::SchemaOlder { path, found, known }),
            std::cmp::Ordering::Equal => Ok(()),
        }
    }

    pub(super) fn error(&self, error: &sqlx::Error) -> JournalError {
        classify(&self.path, error)
    }

    pub(super) fn out_of_range(&self, what: &'static str) -> JournalError {
        JournalError::OutOfRange { path: self.path.clone(), what }
    }

    fn migration_error(&self, error: &MigrateError) -> JournalError {
        let path = self.path.clone();
        if let MigrateError::VersionMissing(found) | MigrateError::VersionTooNew(found, _) = error {
            return JournalError::SchemaNewer { path, found: *found, known: known_schema() };
        }
        if let MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) = error {
            return self.error(error);
        }
        JournalError::Corrupt { path, reason: error.to_string() }
    }
}

fn known_schema() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// The real path, so that one file has one lock whatever links lead to it.
fn resolved(path: &Path) -> Result<PathBuf, JournalError> {
    let cannot_open = |reason: String| JournalError::CannotOpen { path: path.to_owned(), reason };
    if let Ok(real) = path.canonicalize() {
        return Ok(real);
    }
    let name = path.file_name().ok_or_else(|| cannot_open("it names no file".to_owned()))?;
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let directory = directory.canonicalize().map_err(|error| cannot_open(error.to_string()))?;
    Ok(directory.join(name))
}

/// Primary result codes of SQLite (<https://www.sqlite.org/rescode.html>).
mod code {
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const READONLY: i32 = 8;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const CANTOPEN: i32 = 14;
    pub(super) const CONSTRAINT: i32 = 19;
    pub(super) const NOTADB: i32 = 26;
}

pub(super) fn classify(path: &Path, error: &sqlx::Error) -> JournalError {
    let path = path.to_owned();
    let reason = error.to_string();
    let extended =
        error.as_database_error().and_then(|error| error.code()).and_then(|code| code.parse().ok());
    // The low byte of an extended result code is the primary one.
    match extended.map(|extended: i32| extended & 0xff) {
        Some(code::FULL) => JournalError::DiskFull { path },
        Some(code::BUSY | code::LOCKED) => JournalError::Locked { path },
        Some(code::READONLY) => JournalError::ReadOnly { path },
        Some(code::CANTOPEN) => JournalError::CannotOpen { path, reason },
        Some(code::CORRUPT | code::NOTADB) => JournalError::Corrupt { path, reason },
        Some(code::CONSTRAINT) => JournalError::Refused { path, reason },
        None if matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::ColumnNotFound(_)) => {
            JournalError::Corrupt { path, reason }
        }
        Some(_) | None => JournalError::Io { path, reason },
    }
}
