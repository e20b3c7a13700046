//! What a full record says that another one of the same would not add to.

use alloy::primitives::B256;

use crate::journal::CycleRecord;

/// What a full record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stated {
    verdict: String,
    reason: Option<String>,
    policy_hash: B256,
}

impl Stated {
    pub(super) fn by(cycle: &CycleRecord) -> Self {
        let (verdict, reason) = (cycle.verdict.clone(), cycle.reason.clone());
        Self { verdict, reason, policy_hash: cycle.policy_hash }
    }
}
