//! Files that are put in their places together, once all of them are on the disk.

use std::{
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use super::{Table, TableError};

/// Files that are on the disk beside their places. What is dropped leaves what was there before.
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
    let mut builder = tempfile::Builder::new();
    // Those of any new file, less the user's mask: a temporary file would be its owner's alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(directory.unwrap_or_else(|| Path::new(".")))?;
    let mut buffer = BufWriter::new(&mut file);
    write(&mut buffer)?;
    buffer.flush()?;
    drop(buffer);
    file.as_file().sync_all()?;
    Ok(file)
}
