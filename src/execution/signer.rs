//! The keeper's key, unlocked elsewhere.

use std::fmt;

use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy::eips::eip2718::Encodable2718;
use alloy::primitives::{Address, B256, Bytes};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;

/// The key could not sign. Holds no part of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the key could not sign: {reason}")]
pub struct KeyError {
    /// Why.
    reason: String,
}

/// A key that signs transactions of the keeper. `Debug` shows its address alone.
pub struct KeeperKey(PrivateKeySigner);

impl KeeperKey {
    /// Account of the key.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.0.address()
    }

    /// Signs a transaction; returns its hash and its network encoding (EIP-2718).
    #[expect(clippy::unused_async, reason = "a key that is elsewhere is asked over the network")]
    pub(super) async fn sign(&self, transaction: TxEip1559) -> Result<(B256, Bytes), KeyError> {
        let signature = self
            .0
            .sign_hash_sync(&transaction.signature_hash())
            .map_err(|error| KeyError { reason: error.to_string() })?;
        let envelope = TxEnvelope::from(transaction.into_signed(signature));
        Ok((*envelope.tx_hash(), envelope.encoded_2718().into()))
    }
}

impl From<PrivateKeySigner> for KeeperKey {
    fn from(signer: PrivateKeySigner) -> Self {
        Self(signer)
    }
}

impl fmt::Debug for KeeperKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeeperKey({})", self.address())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_shows_its_address_alone() {
        let secret = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
        let key = KeeperKey::from(secret.parse::<PrivateKeySigner>().unwrap());
        assert_eq!(format!("{key:?}"), "KeeperKey(0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266)");
    }
}
