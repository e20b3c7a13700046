//! The keys of one chain, and what they sign through: the endpoint that is read.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy::signers::local::PrivateKeySigner;

use crate::chain::pool::Lease;
use crate::execution::{Engine, KeeperKey, SendingConfig};
use crate::journal::Journal;
use crate::keeper::Hand;

/// The signers of one chain by name; none in a dry run.
pub(super) struct Crew {
    journal: Arc<Journal>,
    sending: SendingConfig,
    keys: BTreeMap<String, PrivateKeySigner>,
    /// Whether each waits for the outcome of what it sends.
    waits: bool,
    lease: Lease,
    engines: BTreeMap<String, Arc<Engine>>,
}

impl Crew {
    pub(super) fn new(
        journal: Arc<Journal>,
        sending: SendingConfig,
        keys: BTreeMap<String, PrivateKeySigner>,
        waits: bool,
        lease: Lease,
    ) -> Self {
        let mut crew = Self { journal, sending, keys, waits, lease, engines: BTreeMap::new() };
        crew.assemble();
        crew
    }

    /// The endpoint that is read.
    pub(super) const fn lease(&self) -> &Lease {
        &self.lease
    }

    pub(super) fn engines(&self) -> impl Iterator<Item = &Arc<Engine>> {
        self.engines.values()
    }

    /// What the keeper of a vault of `signer` does with a plan.
    pub(super) fn hand(&self, signer: &str) -> Hand {
        let sending = self.sending.clone();
        match self.engines.get(signer) {
            None => Hand::Dry(sending),
            Some(engine) if self.waits => Hand::SendAndWait(engine.clone(), sending),
            Some(engine) => Hand::Send(engine.clone(), sending),
        }
    }

    /// Signs through another endpoint from now on. What is under way is in the journal, where the new engines find it.
    pub(super) fn change_over(&mut self, lease: Lease) {
        self.lease = lease;
        self.assemble();
    }

    fn assemble(&mut self) {
        let engine = |key: &PrivateKeySigner| {
            let key = KeeperKey::from(key.clone());
            Arc::new(Engine::new(
                self.lease.endpoint().clone(),
                self.journal.clone(),
                key,
                self.sending.clone(),
            ))
        };
        self.engines = self.keys.iter().map(|(name, key)| (name.clone(), engine(key))).collect();
    }
}
