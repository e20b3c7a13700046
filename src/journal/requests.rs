//! What a person asks of the keeper that writes a journal: one file each, in a directory beside it.
//!
//! A journal has one writer, so another process cannot act for it. Who may write beside the journal may ask.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::IntentId;

/// What a person asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Cancel an intent at its nonce.
    Cancel {
        /// Number of the intent.
        intent: i64,
    },
    /// Bid more for an intent at once.
    SpeedUp {
        /// Number of the intent.
        intent: i64,
    },
}

impl Request {
    /// The intent that it is about.
    #[must_use]
    pub const fn intent(&self) -> IntentId {
        match *self {
            Self::Cancel { intent } | Self::SpeedUp { intent } => IntentId(intent),
        }
    }
}

/// The requests to the keeper of one chain.
#[derive(Debug, Clone)]
pub struct Requests(PathBuf);

/// A request that lies there until it is removed.
#[derive(Debug, PartialEq, Eq)]
pub struct Lying {
    /// What is asked for.
    pub request: Request,
    path: PathBuf,
}

impl Lying {
    /// Removes it: it is done, or cannot be.
    ///
    /// # Errors
    /// What the file system does not allow.
    pub fn remove(self) -> io::Result<()> {
        fs::remove_file(self.path)
    }
}

impl Requests {
    /// Those beside the journal at `path`, of the chain of this id.
    #[must_use]
    pub fn beside(path: &Path, chain_id: u64) -> Self {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".requests");
        Self(path.with_file_name(name).join(chain_id.to_string()))
    }

    /// Leaves a request, whole or not at all.
    ///
    /// # Errors
    /// What the file system does not allow.
    pub fn leave(&self, request: &Request) -> io::Result<()> {
        fs::create_dir_all(&self.0)?;
        let numbers = self.names()?.into_iter().filter_map(|name| name.parse::<u64>().ok());
        let number = numbers.max().unwrap_or_default();
        let (hidden, name) =
            (format!(".{}", std::process::id()), format!("{:020}", number.saturating_add(1)));
        let (hidden, name) = (self.0.join(hidden), self.0.join(name));
        fs::write(&hidden, serde_json::to_vec(request)?)?;
        // Fails where another process took the number meanwhile: then nothing of theirs is lost.
        let left = fs::hard_link(&hidden, name);
        fs::remove_file(&hidden)?;
        left
    }

    /// All requests, oldest first; each lies there until it is removed, so that none is lost where this process ends before it
    /// is done. One that cannot be read is told, and removed where that is possible.
    ///
    /// # Errors
    /// What the file system does not allow.
    pub fn lying(&self) -> io::Result<Vec<Lying>> {
        let mut lying = Vec::new();
        for name in self.names()? {
            let path = self.0.join(name);
            match read(&path) {
                Ok(request) => lying.push(Lying { request, path }),
                // It stops none of the others.
                Err(error) => {
                    let removed = fs::remove_file(&path).is_ok();
                    tracing::error!(path = %path.display(), %error, removed, "a request that cannot be read");
                }
            }
        }
        Ok(lying)
    }

    /// Names of the files, ascending; of no directory none.
    fn names(&self) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let mut names: Vec<String> = names.collect::<io::Result<_>>()?;
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        Ok(names)
    }
}

/// The request in a file. Nothing is read of one that is too large to be a request.
fn read(path: &Path) -> io::Result<Request> {
    const MOST_BYTES: u64 = 4_096;
    let file = fs::symlink_metadata(path)?;
    // Whoever reads from a pipe waits.
    let bytes = if file.is_file() && file.len() <= MOST_BYTES { fs::read(path)? } else { Vec::new() };
    Ok(serde_json::from_slice(&bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked_of(requests: &Requests) -> Vec<Request> {
        requests.lying().unwrap().into_iter().map(|lying| lying.request).collect()
    }

    #[test]
    fn requests_lie_in_their_order_until_they_are_removed_and_what_cannot_be_read_stops_none() {
        let directory = tempfile::tempdir().unwrap();
        let journal = directory.path().join("keeper.db");
        let requests = Requests::beside(&journal, 7);
        assert_eq!(asked_of(&requests), []);
        let asked = [Request::Cancel { intent: 3 }, Request::SpeedUp { intent: 4 }];
        requests.leave(&asked[0]).unwrap();
        fs::write(directory.path().join("keeper.db.requests/7/00000000000000000001x"), "torn").unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(
            "/dev/zero",
            directory.path().join("keeper.db.requests/7/00000000000000000001w"),
        )
        .unwrap();
        fs::create_dir(directory.path().join("keeper.db.requests/7/00000000000000000001y")).unwrap();
        fs::write(directory.path().join("keeper.db.requests/7/00000000000000000001z"), vec![b' '; 5_000])
            .unwrap();
        requests.leave(&asked[1]).unwrap();
        assert_eq!(asked_of(&Requests::beside(&journal, 8)), [], "another chain");
        for _ in 0..2 {
            assert_eq!(asked_of(&requests), asked);
        }
        requests.lying().unwrap().remove(0).remove().unwrap();
        assert_eq!(asked_of(&requests), asked[1..]);
        assert_eq!(
            fs::read_dir(directory.path().join("keeper.db.requests/7")).unwrap().count(),
            2,
            "the directory stays"
        );
    }
}
