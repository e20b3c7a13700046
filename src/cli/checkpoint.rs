//! How far a long command is, on disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use eyre::{WrapErr, eyre};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Failure;
use crate::backtest::table::Files;

/// What a command is about.
pub(super) trait About: PartialEq + Serialize + DeserializeOwned {
    /// How what is noted in a file differs from this, where it does: `of another range of blocks`.
    fn difference(&self, noted: &Self) -> String;
}

/// A file that holds how far a command is, and what it is about: only of the same does another go on from it.
pub(super) struct Checkpoint<A, P> {
    file: PathBuf,
    about: A,
    /// Where another one about the same came to.
    noted: Option<P>,
}

#[derive(Deserialize)]
struct Noted<A, P> {
    about: A,
    progress: P,
}

/// The same, to be written.
#[derive(Serialize)]
struct Noting<'a, A, P> {
    about: &'a A,
    progress: &'a P,
}

impl<A, P> Checkpoint<A, P>
where
    A: About,
    P: Clone + Serialize + DeserializeOwned,
{
    /// What `file` has of `what`, such as `an audit`. What that is about may depend on what is noted there.
    pub(super) fn of(file: &Path, what: &str, about: impl FnOnce(Option<&A>) -> A) -> Result<Self, Failure> {
        let noted: Option<Noted<A, P>> = load(file, what)?;
        let about = about(noted.as_ref().map(|noted| &noted.about));
        if let Some(Noted { about: other, .. }) = noted.as_ref().filter(|noted| noted.about != about) {
            let why = about.difference(other);
            let (file, what) =
                (file.display(), what.replacen("an ", "another ", 1).replacen("a ", "another ", 1));
            return Err(Failure::usage(eyre!("{file} is of {what}, {why}: name another file, or remove it")));
        }
        Ok(Self { file: file.to_owned(), about, noted: noted.map(|noted| noted.progress) })
    }

    /// What `file` is about, where it is there.
    pub(super) fn about_in(file: &Path, what: &str) -> Result<Option<A>, Failure> {
        Ok(load::<Noted<A, P>>(file, what)?.map(|noted| noted.about))
    }

    /// What it is about.
    pub(super) const fn about(&self) -> &A {
        &self.about
    }

    /// How far it was; nothing where the file was not there.
    pub(super) fn noted(&self) -> Option<P> {
        self.noted.clone()
    }

    /// Notes how far it is: the whole of it or nothing.
    pub(super) fn save(&self, progress: &P) -> eyre::Result<()> {
        let noted = Noting { about: &self.about, progress };
        let mut files = Files::default();
        files.text(&self.file, &serde_json::to_string(&noted)?)?;
        files.put()?;
        Ok(())
    }
}

/// Why a command ends before its end, at `place`; with a checkpoint that was asked for, and whether anything is noted there.
pub(super) fn stopped(place: &str, (asked, noted): (bool, bool)) -> eyre::Report {
    match (asked, noted) {
        (true, true) => eyre!("stopped at {place}: the same command goes on from there"),
        (true, false) => eyre!("stopped before the first stretch was done: the same command begins anew"),
        (false, _) => eyre!("stopped at {place}; with --checkpoint it can be gone on with"),
    }
}

fn load<T: DeserializeOwned>(file: &Path, what: &str) -> Result<Option<T>, Failure> {
    let name = file.display();
    let text = match fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.wrap_err_with(|| format!("{name} cannot be read")).map_err(Failure::usage)?,
    };
    let noted = serde_json::from_slice(&text)
        .wrap_err_with(|| format!("{name} is no checkpoint of {what}: name another file"));
    noted.map(Some).map_err(Failure::usage)
}
