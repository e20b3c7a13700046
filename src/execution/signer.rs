//! The keeper's key, wherever it is kept: what it signs is checked before anyone sees it.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy::eips::eip2718::Encodable2718;
use alloy::network::TxSigner;
use alloy::primitives::{Address, B256, Bytes, ChainId, Signature};
use alloy::signers::local::PrivateKeySigner;

/// For each signature, where the key is in this process: it answers at once.
const AT_ONCE: Duration = Duration::from_secs(10);

/// Nothing was signed that counts. Holds no part of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The signer answered with an error.
    #[error("the key of {address} could not sign: {reason}")]
    Failed {
        /// The key's account.
        address: Address,
        /// What the signer says.
        reason: String,
    },
    /// The signer did not answer.
    #[error(
        "the signer of {address} did not answer within {} s: check that it can be reached, or raise timeout_seconds of \
         its [[signer]]", after.as_secs_f64()
    )]
    TimedOut {
        /// The key's account.
        address: Address,
        /// How long it was waited for.
        after: Duration,
    },
    /// The transaction is for a chain that the key does not sign for.
    #[error("the key of {address} does not sign for chain {asked}: it signs for {}", allowed(*own))]
    ForeignChain {
        /// The key's account.
        address: Address,
        /// The chain it signs for; none before it is given one.
        own: Option<ChainId>,
        /// The transaction's.
        asked: ChainId,
    },
    /// The signature is not that of the key over these bytes.
    #[error(
        "the signer of {address} signed with another key or signed other bytes{}: the signature is thrown away; check \
         which key it holds, then restart the keeper",
        recovered.map(|other| format!(" (they say {other})")).unwrap_or_default()
    )]
    OtherSignature {
        /// The key's account.
        address: Address,
        /// Whose signature it would be; none where it is no signature at all.
        recovered: Option<Address>,
    },
}

fn allowed(chain: Option<ChainId>) -> String {
    chain.map_or_else(|| "none yet".to_owned(), |id| format!("{id} alone"))
}

/// A key that signs transactions of the keeper on one chain. `Debug` shows its address alone.
///
/// Rules it keeps: it signs for the one chain it was given, and returns no bytes that do not recover to its address.
#[derive(Clone)]
pub struct KeeperKey {
    signer: Arc<dyn TxSigner<Signature> + Send + Sync>,
    address: Address,
    chain_id: Option<ChainId>,
    timeout: Duration,
}

impl KeeperKey {
    /// The key behind `signer`, which has `timeout` for each signature.
    #[must_use]
    pub fn new(signer: impl TxSigner<Signature> + Send + Sync + 'static, timeout: Duration) -> Self {
        Self { address: signer.address(), signer: Arc::new(signer), chain_id: None, timeout }
    }

    /// The same key for this chain. Where it is for a chain already it stays with that one, and signs nothing for another.
    #[must_use]
    pub fn for_chain(self, chain_id: ChainId) -> Self {
        Self { chain_id: self.chain_id.or(Some(chain_id)), ..self }
    }

    /// Account of the key.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Signs a transaction; returns its hash and its network encoding (EIP-2718).
    ///
    /// # Errors
    /// [`KeyError`]; then there is no signature that anyone could send.
    pub(super) async fn sign(&self, transaction: TxEip1559) -> Result<(B256, Bytes), KeyError> {
        let (address, own, asked) = (self.address, self.chain_id, transaction.chain_id);
        if own != Some(asked) {
            return Err(KeyError::ForeignChain { address, own, asked });
        }
        let signature = self.verified(&transaction, self.asked(transaction.clone()).await?)?;
        let envelope = TxEnvelope::from(transaction.into_signed(signature));
        Ok((*envelope.tx_hash(), envelope.encoded_2718().into()))
    }

    /// What the signer answers to a copy: whatever it does with it, these are not the bytes that are sent.
    async fn asked(&self, mut copy: TxEip1559) -> Result<Signature, KeyError> {
        let address = self.address;
        let answer = tokio::time::timeout(self.timeout, self.signer.sign_transaction(&mut copy)).await;
        let signature = answer.map_err(|_| KeyError::TimedOut { address, after: self.timeout })?;
        // With its causes: a service's own words come last.
        signature
            .map_err(|error| KeyError::Failed { address, reason: format!("{:#}", eyre::Report::new(error)) })
    }

    /// The signature in the form that the chain takes (EIP-2), where it is this key's over this transaction.
    fn verified(&self, transaction: &TxEip1559, signature: Signature) -> Result<Signature, KeyError> {
        let signature = signature.normalized_s();
        let recovered = signature.recover_address_from_prehash(&transaction.signature_hash()).ok();
        if recovered == Some(self.address) {
            Ok(signature)
        } else {
            Err(KeyError::OtherSignature { address: self.address, recovered })
        }
    }
}

impl From<PrivateKeySigner> for KeeperKey {
    fn from(signer: PrivateKeySigner) -> Self {
        Self::new(signer, AT_ONCE)
    }
}

impl fmt::Debug for KeeperKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeeperKey({})", self.address())
    }
}
