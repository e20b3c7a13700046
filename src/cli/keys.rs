//! The keys that a command signs with.

use std::collections::BTreeMap;

use super::{Context, Failure};
use crate::config::{ChainConfig, SignerConfig};
use crate::execution::KeeperKey;
use crate::signers::{self, SignerError};

/// The keys of the configuration's signers: each is opened once, however many vaults and chains it is for.
pub(super) struct Keys<'a> {
    context: &'a Context,
    opened: BTreeMap<String, KeeperKey>,
}

impl<'a> Keys<'a> {
    pub(super) const fn new(context: &'a Context) -> Self {
        Self { context, opened: BTreeMap::new() }
    }

    /// The key of `signer` for `chain`.
    ///
    /// # Errors
    /// [`Failure::Usage`] where the configuration or a secret is wrong, [`Failure::Failed`] where the key is elsewhere and
    /// cannot be had now.
    pub(super) async fn key(
        &mut self,
        signer: &SignerConfig,
        chain: &ChainConfig,
    ) -> Result<KeeperKey, Failure> {
        if let Some(key) = self.opened.get(&signer.name) {
            return Ok(key.clone().for_chain(chain.id));
        }
        let key = signers::open(signer, &self.context.environment).await.map_err(unopened)?;
        self.opened.insert(signer.name.clone(), key.clone());
        Ok(key.for_chain(chain.id))
    }
}

fn unopened(error: SignerError) -> Failure {
    if error.is_of_the_configuration() { Failure::usage(error) } else { Failure::Failed(error.into()) }
}
