//! The canonical texts of a decision and of its facts, and the hash of both.

use alloy::primitives::{B256, keccak256};

use super::super::canonical::{self, CanonicalError};
use super::super::policy::PublishedPolicy;
use super::super::snapshot::Snapshot;
use super::{DECISION_VERSION, Decision};

/// `keccak256(canonical {decision, decision_version, policy_hash, snapshot})`: what the vault emits.
///
/// # Errors
/// [`CanonicalError`]; the types here always have a canonical form.
pub fn decision_hash(
    snapshot: &Snapshot,
    published: &PublishedPolicy,
    decision: &Decision,
) -> Result<B256, CanonicalError> {
    Texts::of(snapshot, decision)?.hash(published.hash())
}

/// The canonical texts of a decision and of its facts, for those who hash and keep them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    /// Of the snapshot.
    pub snapshot: String,
    /// Of the decision.
    pub decision: String,
}

impl Texts {
    /// Writes both.
    ///
    /// # Errors
    /// As [`decision_hash`].
    pub fn of(snapshot: &Snapshot, decision: &Decision) -> Result<Self, CanonicalError> {
        Ok(Self { snapshot: canonical::json(snapshot)?, decision: canonical::json(decision)? })
    }

    /// The [`decision_hash`] under the policy of this hash.
    ///
    /// # Errors
    /// As [`decision_hash`].
    pub fn hash(&self, policy_hash: B256) -> Result<B256, CanonicalError> {
        let text = canonical::object([
            ("decision", &self.decision),
            ("decision_version", &canonical::json(DECISION_VERSION)?),
            ("policy_hash", &canonical::json(&policy_hash)?),
            ("snapshot", &self.snapshot),
        ])?;
        Ok(keccak256(text.as_bytes()))
    }
}
