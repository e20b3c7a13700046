//! One decision, taken again from the chain.

use alloy::primitives::{Address, B256, keccak256};
use eyre::{Result, WrapErr};

use super::Source;
use crate::chain::Header;
use crate::domain::decision::{Decision, Texts, decide};
use crate::domain::plan::Plan;
use crate::domain::policy::PublishedPolicy;
use crate::domain::snapshot::Snapshot;

/// A vault and the policies that were published for it.
#[derive(Debug, Clone)]
pub struct Subject {
    /// What it is called here.
    pub name: String,
    /// Its contract.
    pub vault: Address,
    /// The policies; the one whose hash the vault stores at a block is in force there.
    pub policies: Vec<PublishedPolicy>,
}

impl Subject {
    /// The vault with the hashes of its policies.
    #[must_use]
    pub fn hashes(&self) -> (Address, Vec<B256>) {
        (self.vault, self.policies.iter().map(PublishedPolicy::hash).collect())
    }
}

/// A decision as anyone can take it.
#[derive(Debug, Clone)]
pub struct Recomputed {
    /// The facts.
    pub snapshot: Snapshot,
    /// Keccak-256 of their canonical form.
    pub snapshot_hash: B256,
    /// Hash of the policy that was decided by.
    pub policy_hash: B256,
    /// The decision.
    pub decision: Decision,
    /// Its hash, as the vault's event carries it.
    pub decision_hash: B256,
    /// What it would have sent; absent where it is not to trade.
    pub plan: Option<Plan>,
    /// Canonical form of facts and decision.
    pub texts: Texts,
}

/// Reads the facts of `subject` at the block of `header` and decides.
///
/// # Errors
/// What [`Source::facts`] returns.
pub async fn recompute(source: &Source, header: &Header, subject: &Subject) -> Result<Recomputed> {
    let (snapshot, policy) = source.facts(header, subject.vault, &subject.policies).await?;
    decided(snapshot, policy)
}

/// Decides on facts that are known.
///
/// # Errors
/// They have no canonical form, which facts from a chain have.
pub(super) fn decided(snapshot: Snapshot, policy: &PublishedPolicy) -> Result<Recomputed> {
    let decision = decide(&snapshot, policy);
    let texts = Texts::of(&snapshot, &decision).wrap_err("the decision")?;
    let (policy_hash, snapshot_hash) = (policy.hash(), keccak256(texts.snapshot.as_bytes()));
    let decision_hash = texts.hash(policy_hash).wrap_err("the decision")?;
    let plan = Plan::of(&snapshot, policy, &decision, decision_hash);
    Ok(Recomputed { snapshot, snapshot_hash, policy_hash, decision, decision_hash, plan, texts })
}
