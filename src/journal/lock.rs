//! One writer: advisory locks on files, held as long as the process lives. One file beside each journal, and one for
//! each key wherever keepers of this machine look for it.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use alloy::primitives::Address;

use super::JournalError;
use crate::defence::defended;

/// A key on a chain.
type Key = (u64, Address);

/// The exclusive lock of a journal. The system releases it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct WriterLock {
    _file: File,
}

impl WriterLock {
    pub(super) fn acquire(journal: &Path) -> Result<Self, JournalError> {
        match locked(&lock_path(journal)) {
            Ok(Ok(file)) => Ok(Self { _file: file }),
            Ok(Err(holder)) => Err(JournalError::InUse { path: journal.to_owned(), holder }),
            Err(error) => Err(cannot_open(journal, &error)),
        }
    }
}

/// The locks of the keys that a journal writes for.
#[derive(Debug, Default)]
pub(super) struct KeyLocks {
    held: Mutex<BTreeMap<Key, Vec<File>>>,
}

impl KeyLocks {
    /// Locks `key` in every directory that is there or can be made; a key that is held already stays so.
    pub(super) fn claim(&self, key: Key, directories: &[PathBuf]) -> Result<(), JournalError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.contains_key(&key) {
            return Ok(());
        }
        let mut files = Vec::new();
        // By their real paths, each once: a second lock on one file would meet the first.
        let mut real: Vec<_> =
            directories.iter().map(|directory| made(directory)).collect::<Result<_, _>>()?;
        real.sort();
        real.dedup();
        for directory in real {
            files.push(key_file(key, &directory)?);
        }
        held.insert(key, files);
        Ok(())
    }
}

/// The directory by its real path, made for this user alone where it is missing.
fn made(directory: &Path) -> Result<PathBuf, JournalError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(directory)
        .and_then(|()| directory.canonicalize())
        .map_err(|error| cannot_open(directory, &error))
}

fn key_file((chain_id, sender): Key, directory: &Path) -> Result<File, JournalError> {
    let path = directory.join(format!("{chain_id}-{sender:#x}.lock"));
    match locked(&path) {
        Ok(Ok(file)) => Ok(file),
        Ok(Err(holder)) => Err(JournalError::KeyInUse { sender, chain_id, path, holder }),
        Err(error) => Err(cannot_open(&path, &error)),
    }
}

/// The file, locked; the holder where another has it.
fn locked(path: &Path) -> std::io::Result<Result<File, String>> {
    let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) if defended(9) => return Ok(Err(holder(&mut file))),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(error),
    }
    name_holder(&mut file)?;
    Ok(Ok(file))
}

fn cannot_open(path: &Path, error: &std::io::Error) -> JournalError {
    JournalError::CannotOpen { path: path.to_owned(), reason: error.to_string() }
}

fn lock_path(journal: &Path) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

fn name_holder(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "process {}", std::process::id())
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        Ok(_) | Err(_) => "another process".to_owned(),
    }
}
