//! The keys of one chain, and what signs with each.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy::signers::local::PrivateKeySigner;

use crate::chain::pool::Pool;
use crate::execution::{Engine, KeeperKey, SendingConfig};
use crate::journal::Journal;
use crate::keeper::Hand;

/// The signers of one chain by name; none in a dry run.
pub(super) struct Crew {
    sending: SendingConfig,
    /// Whether each waits for the outcome of what it sends.
    waits: bool,
    engines: BTreeMap<String, Arc<Engine>>,
}

impl Crew {
    pub(super) fn new(
        (pool, journal): (&Arc<Pool>, &Arc<Journal>),
        sending: &SendingConfig,
        keys: BTreeMap<String, PrivateKeySigner>,
        waits: bool,
    ) -> Self {
        let engine =
            |key| Arc::new(Engine::new(pool.clone(), journal.clone(), KeeperKey::from(key), sending.clone()));
        let engines = keys.into_iter().map(|(name, key)| (name, engine(key))).collect();
        Self { sending: sending.clone(), waits, engines }
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
}
