//! The keys of one chain, and what signs with each.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy::primitives::Address;

use crate::chain::pool::Pool;
use crate::config::SignerConfig;
use crate::execution::{Engine, KeeperKey, SendingConfig};
use crate::journal::Journal;
use crate::keeper::{Hand, Hands};

/// The signers of one chain; none in a dry run.
pub(super) struct Crew {
    sending: SendingConfig,
    /// Whether each waits for the outcome of what it sends.
    waits: bool,
    /// The account of each signer by its name.
    accounts: BTreeMap<String, Address>,
    /// One engine for each account, however many signers have its key.
    engines: BTreeMap<Address, Arc<Engine>>,
}

impl Crew {
    pub(super) fn new(
        (pool, journal): (&Arc<Pool>, &Arc<Journal>),
        sending: &SendingConfig,
        keys: BTreeMap<String, KeeperKey>,
        waits: bool,
    ) -> Self {
        let engine = |key| Arc::new(Engine::new(pool.clone(), journal.clone(), key, sending.clone()));
        let accounts = keys.iter().map(|(name, key)| (name.clone(), key.address())).collect();
        let engines = keys.into_values().map(|key| (key.address(), engine(key))).collect();
        Self { sending: sending.clone(), waits, accounts, engines }
    }

    pub(super) fn engines(&self) -> impl Iterator<Item = &Arc<Engine>> {
        self.engines.values()
    }

    /// What the keeper of a vault of these `signers` does with a plan.
    pub(super) fn hands(&self, signers: &[Arc<SignerConfig>]) -> Hands {
        let hands = signers.iter().filter_map(|signer| self.hand(&signer.name)).collect();
        Hands::new(hands).unwrap_or_else(|| Hand::Dry(self.sending.clone()).into())
    }

    fn hand(&self, signer: &str) -> Option<Hand> {
        let (engine, sending) = (self.engines.get(self.accounts.get(signer)?)?.clone(), self.sending.clone());
        Some(if self.waits { Hand::SendAndWait(engine, sending) } else { Hand::Send(engine, sending) })
    }
}
