//! What an audit is about, as far as another one goes on from it.

use std::path::Path;

use alloy::primitives::{Address, B256};
use serde::{Deserialize, Serialize};

use super::super::look_back::Through;
use super::super::{Failure, checkpoint};
use super::View;
use crate::domain::decision::DECISION_VERSION;
use crate::replay::Subject;
use crate::replay::audit::{Progress, Question};

/// How far an audit is.
pub(super) type Checkpoint = checkpoint::Checkpoint<About, Progress>;

/// What an audit is about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct About {
    decision_version: String,
    chain_id: u64,
    through: Through,
    pub(super) question: Question,
    /// The vaults with the hashes of the policies given for each.
    vaults: Vec<(Address, Vec<B256>)>,
    /// Hash of the policy that they are compared with.
    counterfactual: Option<B256>,
}

impl checkpoint::About for About {
    fn difference(&self, noted: &Self) -> String {
        let (ours, theirs) = (&self.question, &noted.question);
        let [endpoints, reader] = self.through.against(&noted.through);
        let same = [
            (self.decision_version == noted.decision_version, "by another version of the decision"),
            (self.chain_id == noted.chain_id, "of another chain"),
            ((ours.from, ours.to) == (theirs.from, theirs.to), "of another range of blocks"),
            (ours == theirs, "with another grace or another way of reading"),
            endpoints,
            reader,
            (self.vaults == noted.vaults, "of other vaults, or by other policies"),
        ];
        let different = same.into_iter().find(|(same, _)| !same);
        different
            .map_or("with another policy beside the published ones", |(_, difference)| difference)
            .to_owned()
    }
}

/// What `file` has of an audit of `question`; where the file is there and no last block is asked for, the question is to its
/// last one.
pub(super) fn of(
    file: &Path,
    view: &View,
    (question, counterfactual): (Question, Option<B256>),
    to: Option<u64>,
) -> Result<Checkpoint, Failure> {
    Checkpoint::of(file, "an audit", |noted| {
        let last = to.or_else(|| Some(noted?.question.to)).unwrap_or(question.to);
        About {
            decision_version: DECISION_VERSION.to_owned(),
            chain_id: view.source.chain_id(),
            through: view.through.clone(),
            question: Question { to: last, ..question },
            vaults: view.subjects.iter().map(Subject::hashes).collect(),
            counterfactual,
        }
    })
}
