//! A decision as it is exported: with the version of its rules and every hash.

use std::borrow::Cow;

use alloy::primitives::{B256, keccak256};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::super::canonical::CanonicalError;
use super::super::policy::PublishedPolicy;
use super::super::snapshot::Snapshot;
use super::{DECISION_VERSION, Decision, Texts};

/// A decision with what identifies it, as `keeper decide --json` prints it among other things.
///
/// Rules it keeps: it is of [`DECISION_VERSION`]; one of another version is refused where it is read, with that version
/// named.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Version of the canonical form and of the rules.
    pub decision_version: Version,
    /// Hash of the facts.
    pub snapshot_hash: B256,
    /// Hash of the policy.
    pub policy_hash: B256,
    /// Hash of it all; what the vault emits.
    pub decision_hash: B256,
    /// The decision.
    #[serde(flatten)]
    pub decision: Decision,
}

/// [`DECISION_VERSION`], in writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version;

impl Recorded {
    /// The decision on `snapshot` under `published`, with its hashes.
    ///
    /// # Errors
    /// As [`super::decision_hash`].
    pub fn of(
        snapshot: &Snapshot,
        published: &PublishedPolicy,
        decision: Decision,
    ) -> Result<Self, CanonicalError> {
        let texts = Texts::of(snapshot, &decision)?;
        Ok(Self {
            decision_version: Version,
            snapshot_hash: keccak256(texts.snapshot.as_bytes()),
            policy_hash: published.hash(),
            decision_hash: texts.hash(published.hash())?,
            decision,
        })
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(DECISION_VERSION)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let found = Cow::<'_, str>::deserialize(deserializer)?;
        if found == DECISION_VERSION {
            return Ok(Self);
        }
        Err(D::Error::custom(format!(
            "it is of decision version {found:?} and this program decides version {DECISION_VERSION:?} alone: use a \
             release that decides the other"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_of_another_version_is_refused_and_the_version_named() {
        let of = |version: &str| {
            let hash = B256::ZERO;
            let text = format!(
                r#"{{"decision_version":"{version}","snapshot_hash":"{hash}","policy_hash":"{hash}",
                "decision_hash":"{hash}","verdict":"hold","reason":{{"code":"on_target"}}}}"#
            );
            serde_json::from_str::<Recorded>(&text)
        };
        assert_eq!(of(DECISION_VERSION).unwrap().decision_version, Version);
        for other in ["2", "30", "", "three"] {
            let refused = of(other).unwrap_err().to_string();
            assert!(
                refused.starts_with(&format!("it is of decision version {other:?} and this")),
                "{refused}"
            );
        }
    }
}
