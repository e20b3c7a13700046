//! What can go wrong with the record.

use std::path::PathBuf;

/// A failed journal operation. After a failed write nothing may be broadcast that the write was to record.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process has the journal open for writing.
    #[error(
        "journal {} is in use by {holder}; one key has one writer: stop that process, or give this one a journal of \
         its own with a key of its own", path.display()
    )]
    InUse {
        /// The journal file.
        path: PathBuf,
        /// The holder, as it wrote itself into the lock file.
        holder: String,
    },
    /// Another process writes for the same key, with a journal of its own.
    #[error(
        "key {sender} of chain {chain_id} is in use by {holder} ({}); one key has one writer: stop that process, or \
         give this one a key of its own", path.display()
    )]
    KeyInUse {
        /// The key's account.
        sender: alloy::primitives::Address,
        /// Chain id.
        chain_id: u64,
        /// The lock file.
        path: PathBuf,
        /// The holder, as it wrote itself into the lock file.
        holder: String,
    },
    /// A write failed before, so what the disk holds is known only after opening again.
    #[error(
        "journal {} takes no further write after one that failed ({first}); nothing is signed or sent that it does not \
         hold: check the disk, then start again", path.display()
    )]
    WriteFailed {
        /// The journal file.
        path: PathBuf,
        /// The first failure.
        first: String,
    },
    /// The file or its directory cannot be opened.
    #[error("journal {} cannot be opened ({reason}); check that its directory exists and is writable", path.display())]
    CannotOpen {
        /// The journal file.
        path: PathBuf,
        /// What the system answered.
        reason: String,
    },
    /// No room for the write. What was committed before is intact.
    #[error(
        "the disk of journal {} is full; nothing was sent that is not recorded, and no record is lost: free space, \
         then start again", path.display()
    )]
    DiskFull {
        /// The journal file.
        path: PathBuf,
    },
    /// Reading, writing or syncing failed.
    #[error(
        "journal {} could not be read or written ({reason}); nothing was sent that is not recorded: check the disk, \
         and any limit on the size of files, before starting again",
        path.display()
    )]
    Io {
        /// The journal file.
        path: PathBuf,
        /// What SQLite answered.
        reason: String,
    },
    /// The file is no journal, or a damaged one.
    #[error(
        "journal {} is damaged or not a journal ({reason}); keep the file, restore a copy, and make sure no \
         transaction of its keys is pending before starting", path.display()
    )]
    Corrupt {
        /// The journal file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another program holds a database lock on the file.
    #[error("journal {} is locked by another program; close what has it open (a database browser?)", path.display())]
    Locked {
        /// The journal file.
        path: PathBuf,
    },
    /// A newer keeper wrote the journal.
    #[error(
        "journal {} has schema {found}, this program knows up to {known}; use the newer program", path.display()
    )]
    SchemaNewer {
        /// The journal file.
        path: PathBuf,
        /// Schema version of the file.
        found: i64,
        /// Newest schema version that this program knows.
        known: i64,
    },
    /// An older keeper wrote the journal, and a reader may not bring it up to date.
    #[error(
        "journal {} has schema {found}, this program reads {known}; start `keeper run` once to bring it up to date",
        path.display()
    )]
    SchemaOlder {
        /// The journal file.
        path: PathBuf,
        /// Schema version of the file.
        found: i64,
        /// Schema version that this program reads.
        known: i64,
    },
    /// An older keeper wrote the journal, and there is no copy of it that could be brought up to date.
    #[error(
        "journal {} is of an older keeper and is read from a copy, which cannot be made in {} ({reason}): free as much space \
         there as it takes, or set TMPDIR", path.display(), directory.display()
    )]
    NotCopied {
        /// The journal file.
        path: PathBuf,
        /// Where the copy was to be.
        directory: PathBuf,
        /// What the system answered.
        reason: String,
    },
    /// The journal was opened for reading only, or the file is write-protected.
    #[error("journal {} is open for reading only", path.display())]
    ReadOnly {
        /// The journal file.
        path: PathBuf,
    },
    /// The write contradicts what is recorded: a change of evidence, a second use of a nonce or hash.
    #[error("journal {} refused a write ({reason}); this is a fault of the keeper: report it", path.display())]
    Refused {
        /// The journal file.
        path: PathBuf,
        /// Which rule refused it.
        reason: String,
    },
    /// A value does not fit its column, or a column does not hold what it should.
    #[error("journal {}: {what} is out of range", path.display())]
    OutOfRange {
        /// The journal file.
        path: PathBuf,
        /// Which value.
        what: &'static str,
    },
}

impl JournalError {
    /// Whether what is recorded, and that the next write can be trusted, is as certain as before.
    pub(super) const fn leaves_the_journal_sound(&self) -> bool {
        match self {
            Self::InUse { .. }
            | Self::KeyInUse { .. }
            | Self::Locked { .. }
            | Self::ReadOnly { .. }
            | Self::NotCopied { .. }
            | Self::Refused { .. }
            | Self::OutOfRange { .. } => true,
            Self::WriteFailed { .. }
            | Self::CannotOpen { .. }
            | Self::DiskFull { .. }
            | Self::Io { .. }
            | Self::Corrupt { .. }
            | Self::SchemaNewer { .. }
            | Self::SchemaOlder { .. } => false,
        }
    }
}
