//! Files that are put in their places together, once all of them are on the disk.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use super::{Table, TableError};

/// How the names of files begin and end that are not in their places yet.
const UNPLACED: (&str, &str) = (".keeper-", ".part");

/// Files that are on the disk beside their places. What is dropped leaves what was there before; what a run leaves that is killed,
/// the next one that writes into the directory removes. While a file is written it is locked, so that another run leaves it.
#[derive(Debug, Default)]
pub struct Files {
    written: Vec<(NamedTempFile, PathBuf)>,
    absent: Vec<PathBuf>,
}

impl Files {
    /// Writes a text beside `path`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn text(&mut self, path: &Path, text: &str) -> Result<(), TableError> {
        self.add(path, |file| file.write_all(text.as_bytes()))
    }

    /// Writes a table beside `path`, in the form that its name says, as [`Table::write`].
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn table(&mut self, path: &Path, table: &Table) -> Result<(), TableError> {
        self.add(path, |file| table.write_as(path, file))
    }

    /// What an earlier run may have left at `path` is not of this one, and goes.
    pub fn absent(&mut self, path: &Path) {
        self.absent.push(path.to_owned());
    }

    /// Puts all of them in their places, once it is sure that none of these is a directory.
    ///
    /// # Errors
    /// A place is a directory: all is as it was. A file cannot be put there for another reason: what was there before is as it
    /// was, as are those after it.
    pub fn put(self) -> Result<(), TableError> {
        let places = self.written.iter().map(|(_, path)| path).chain(&self.absent);
        if let Some(path) = places.into_iter().find(|path| path.is_dir()) {
            let error = io::Error::from(io::ErrorKind::IsADirectory);
            return Err(TableError::Unwritable { path: path.clone(), error });
        }
        for (file, path) in self.written {
            file.persist(&path).map_err(|error| TableError::Unwritable { path, error: error.error })?;
        }
        for path in self.absent {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(TableError::Unwritable { path, error });
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        path: &Path,
        write: impl FnOnce(&mut BufWriter<&mut NamedTempFile>) -> io::Result<()>,
    ) -> Result<(), TableError> {
        let file = beside(path, write);
        let file = file.map_err(|error| TableError::Unwritable { path: path.to_owned(), error })?;
        self.written.push((file, path.to_owned()));
        Ok(())
    }
}

/// A whole file on the disk, in the directory of `path`.
fn beside(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&mut NamedTempFile>) -> io::Result<()>,
) -> io::Result<NamedTempFile> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or_else(|| Path::new("."));
    clear(directory);
    let mut file = locked(directory)?;
    let mut buffer = BufWriter::new(&mut file);
    write(&mut buffer)?;
    buffer.flush()?;
    drop(buffer);
    file.as_file().sync_all()?;
    Ok(file)
}

/// A new file that no other run takes for left behind.
fn locked(directory: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(UNPLACED.0).suffix(UNPLACED.1);
    // Those of any new file, less the user's mask: a temporary file would be its owner's alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    loop {
        let file = builder.tempfile_in(directory)?;
        // Where nothing can be locked, nothing can be found unlocked either.
        let held = file.as_file().lock();
        if held.is_err() || file.path().exists() {
            return Ok(file);
        }
        // Another run removed it before it was locked.
    }
}

/// Removes what runs have left that were killed. What cannot be removed stands in nobody's way.
fn clear(directory: &Path) {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let left = entries.filter(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with(UNPLACED.0) && name.ends_with(UNPLACED.1)
    });
    for path in left.map(|entry| entry.path()) {
        // The lock is held until the file is gone: who is about to take it then sees that it is.
        let free = File::options().write(true).open(&path).ok().filter(|file| file.try_lock().is_ok());
        if free.is_some() {
            let _stays = std::fs::remove_file(&path);
        }
    }
}
