//! How far an audit is, on disk.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use alloy::primitives::{Address, B256};
use eyre::{WrapErr, eyre};
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::super::Failure;
use super::View;
use crate::domain::decision::DECISION_VERSION;
use crate::domain::policy::PublishedPolicy;
use crate::replay::audit::{Progress, Question};

/// A file that holds how far an audit is.
pub(super) struct Checkpoint {
    file: PathBuf,
    about: About,
    /// Where another audit of the same question came to.
    noted: Option<Progress>,
}

/// What an audit is about: only of the same does another go on from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct About {
    decision_version: String,
    chain_id: u64,
    question: Question,
    /// The vaults with the hashes of the policies given for each.
    vaults: Vec<(Address, Vec<B256>)>,
    /// Hash of the policy that they are compared with.
    counterfactual: Option<B256>,
}

#[derive(Serialize, Deserialize)]
struct Noted {
    about: About,
    progress: Progress,
}

impl Checkpoint {
    /// What `file` has of an audit of `question`; where the file is there and no last block is asked for, the question is to its
    /// last one.
    pub(super) fn of(
        file: &Path,
        view: &View,
        (question, counterfactual): (Question, Option<B256>),
        to: Option<u64>,
    ) -> Result<Self, Failure> {
        let hashes = |policies: &[PublishedPolicy]| policies.iter().map(PublishedPolicy::hash).collect();
        let vaults = view.subjects.iter().map(|subject| (subject.vault, hashes(&subject.policies)));
        let mut about = About {
            decision_version: DECISION_VERSION.to_owned(),
            chain_id: view.source.chain_id(),
            question,
            vaults: vaults.collect(),
            counterfactual,
        };
        let mut progress = None;
        if let Some(noted) = load(file)? {
            about.question.to = to.unwrap_or(noted.about.question.to);
            if noted.about != about {
                let file = file.display();
                return Err(Failure::usage(eyre!(
                    "{file} is of another audit: name another file, or remove it"
                )));
            }
            progress = Some(noted.progress);
        }
        Ok(Self { file: file.to_owned(), about, noted: progress })
    }

    /// What is asked.
    pub(super) const fn question(&self) -> Question {
        self.about.question
    }

    /// How far it was; nothing where the file was not there.
    pub(super) fn noted(&self) -> Option<Progress> {
        self.noted.clone()
    }

    /// Notes how far it is: the whole of it or nothing.
    pub(super) fn save(&self, progress: &Progress) -> eyre::Result<()> {
        let noted = Noted { about: self.about.clone(), progress: progress.clone() };
        let directory = self.file.parent().filter(|parent| !parent.as_os_str().is_empty());
        let mut file = NamedTempFile::new_in(directory.unwrap_or_else(|| Path::new(".")))?;
        file.write_all(&serde_json::to_vec(&noted)?)?;
        file.as_file().sync_all()?;
        file.persist(&self.file)?;
        Ok(())
    }
}

fn load(file: &Path) -> Result<Option<Noted>, Failure> {
    let name = file.display();
    let text = match fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.wrap_err_with(|| format!("{name} cannot be read")).map_err(Failure::usage)?,
    };
    let noted = serde_json::from_slice(&text)
        .wrap_err_with(|| format!("{name} is no checkpoint of an audit: name another file"));
    noted.map(Some).map_err(Failure::usage)
}
