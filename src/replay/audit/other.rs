//! The walk of another policy beside the published ones.

use std::sync::Arc;

use eyre::Result;

use super::super::{Source, Subject};
use super::Action;
use super::counterfactual::{Beside, Counterfactual, Wish};
use super::walk::{News, Reading, Seen, Walk};
use super::watch::Sources;
use crate::chain::Header;
use crate::domain::decision::{Decision, decide};
use crate::domain::policy::PublishedPolicy;
use crate::domain::snapshot::Snapshot;

/// A vault as if its owner had approved another policy.
#[derive(Debug)]
pub(super) struct Other<'p> {
    policy: &'p PublishedPolicy,
    subject: &'p Subject,
    walk: Walk<'p>,
}

impl<'p> Other<'p> {
    /// Of a subject that has the other policy alone.
    pub(super) fn new(subject: &'p Subject, reading: Reading) -> Option<Self> {
        let policy = subject.policies.first()?;
        Some(Self { policy, subject, walk: Walk::new(subject, reading) })
    }

    /// What its facts come from, by what is known at `snapshot`.
    pub(super) fn sources(&self, snapshot: &Snapshot) -> Sources {
        self.walk.sources(snapshot)
    }

    /// What it wants at each of the blocks.
    pub(super) async fn along(
        &mut self,
        source: &Source,
        headers: &[Header],
        news: &News,
    ) -> Result<Vec<Option<Wish>>> {
        let seen = self.walk.along(source, headers, news).await?;
        Ok(seen.iter().map(|Seen { snapshot, .. }| Wish::of(&self.decided(Arc::clone(snapshot)))).collect())
    }

    /// What it makes of an action that the published policy decided on as `published`.
    pub(super) async fn beside(
        &self,
        source: &Source,
        action: &Action,
        published: Option<Wish>,
    ) -> Result<Beside> {
        let header = source.header(action.decision_block).await?;
        let (facts, _) = source.facts(&header, self.subject.vault, &self.subject.policies).await?;
        let other = Wish::of(&self.decided(Arc::new(facts)));
        Ok(Beside::of(action, published, other))
    }

    /// Decides as if the vault's owner had approved it.
    fn decided(&self, mut snapshot: Arc<Snapshot>) -> Decision {
        Arc::make_mut(&mut snapshot).vault.policy_hash = self.policy.hash();
        decide(&snapshot, self.policy)
    }

    /// What is told of it before anything is seen.
    pub(super) fn begun(subject: &Subject) -> Option<Counterfactual> {
        let policy = subject.policies.first()?;
        Some(Counterfactual::new(policy.policy().name.clone(), policy.hash()))
    }
}
