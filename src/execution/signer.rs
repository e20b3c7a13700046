//! The keeper's key.

use std::fmt;
use std::path::{Path, PathBuf};

use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy::eips::eip2718::Encodable2718;
use alloy::primitives::{Address, B256, Bytes};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;

/// Why there is no usable key. No variant holds any part of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The variable that should hold the key is unset or empty.
    #[error(
        "no key: set the environment variable {variable} to a private key of 32 bytes in hex, or use a keystore"
    )]
    Missing {
        /// Name of the variable.
        variable: String,
    },
    /// The variable does not hold a private key.
    #[error("{variable} does not hold a private key: it must be 32 bytes in hex (64 digits, 0x optional)")]
    NotAKey {
        /// Name of the variable.
        variable: String,
    },
    /// The keystore file cannot be read.
    #[error("keystore {} cannot be read ({reason}); check its path and permissions", path.display())]
    Keystore {
        /// Path of the file.
        path: PathBuf,
        /// What the system answered.
        reason: String,
    },
    /// The keystore file is not one, or the password is not its own.
    #[error(
        "keystore {} cannot be opened ({reason}); check the password in {variable}, and that the file is a V3 keystore",
        path.display()
    )]
    KeystoreLocked {
        /// Path of the file.
        path: PathBuf,
        /// Name of the variable with the password.
        variable: String,
        /// What the keystore answered.
        reason: String,
    },
    /// Signing failed.
    #[error("the key could not sign: {reason}")]
    Signing {
        /// Why.
        reason: String,
    },
}

/// A key that signs transactions of the keeper. `Debug` shows its address alone.
pub struct KeeperKey(PrivateKeySigner);

impl KeeperKey {
    /// Takes the key from the value of the environment variable `variable`.
    ///
    /// # Errors
    /// [`KeyError::Missing`] or [`KeyError::NotAKey`].
    pub fn from_hex(variable: &str, value: Option<&str>) -> Result<Self, KeyError> {
        let variable = variable.to_owned();
        match value.map(str::trim).filter(|value| !value.is_empty()) {
            None => Err(KeyError::Missing { variable }),
            Some(value) => value.parse().map(Self).map_err(|_| KeyError::NotAKey { variable }),
        }
    }

    /// Opens the V3 keystore at `path` with the password from the environment variable `variable`.
    ///
    /// # Errors
    /// [`KeyError::Missing`] without a password, [`KeyError::Keystore`] or [`KeyError::KeystoreLocked`].
    pub fn from_keystore(path: &Path, variable: &str, password: Option<&str>) -> Result<Self, KeyError> {
        let Some(password) = password else {
            return Err(KeyError::Missing { variable: variable.to_owned() });
        };
        if let Err(error) = std::fs::File::open(path) {
            return Err(KeyError::Keystore { path: path.to_owned(), reason: error.to_string() });
        }
        let opened = PrivateKeySigner::decrypt_keystore(path, password);
        opened.map(Self).map_err(|error| KeyError::KeystoreLocked {
            path: path.to_owned(),
            variable: variable.to_owned(),
            reason: error.to_string(),
        })
    }

    /// Account of the key.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.0.address()
    }

    /// Signs a transaction; returns its hash and its network encoding (EIP-2718).
    pub(super) fn sign(&self, transaction: TxEip1559) -> Result<(B256, Bytes), KeyError> {
        let signature = self
            .0
            .sign_hash_sync(&transaction.signature_hash())
            .map_err(|error| KeyError::Signing { reason: error.to_string() })?;
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

    const SECRET: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

    #[test]
    fn a_key_in_hex_is_taken_and_never_shown() {
        let key = KeeperKey::from_hex("KEEPER_KEY", Some(&format!(" 0x{SECRET}\n"))).unwrap();
        assert_eq!(format!("{key:?}"), "KeeperKey(0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266)");
    }

    #[test]
    fn a_missing_or_malformed_key_names_its_variable_and_no_part_of_the_secret() {
        let missing = KeeperKey::from_hex("KEEPER_KEY", Some("")).unwrap_err();
        assert_eq!(missing, KeyError::Missing { variable: "KEEPER_KEY".to_owned() });
        let malformed = KeeperKey::from_hex("KEEPER_KEY", Some(&SECRET[1..])).unwrap_err().to_string();
        assert!(malformed.contains("KEEPER_KEY") && !malformed.contains("0974"), "{malformed}");
    }

    #[test]
    fn a_keystore_opens_with_its_own_password_alone() {
        let dir = tempfile::tempdir().unwrap();
        let absent = dir.path().join("absent.json");
        let error = KeeperKey::from_keystore(&absent, "KEEPER_PASSWORD", Some("x")).unwrap_err();
        assert!(matches!(error, KeyError::Keystore { .. }), "{error}");
        let file = dir.path().join("key.json");
        std::fs::write(&file, KEYSTORE).unwrap();
        let key = KeeperKey::from_keystore(&file, "KEEPER_PASSWORD", Some("testpassword")).unwrap();
        assert_eq!(key.address().to_string().to_lowercase(), "0x008aeeda4d805471df9b2a5b0f38a0c3bcba786b");
        let error = KeeperKey::from_keystore(&file, "KEEPER_PASSWORD", Some("other")).unwrap_err();
        assert!(matches!(&error, KeyError::KeystoreLocked { variable, .. } if variable == "KEEPER_PASSWORD"));
    }

    /// Test vector (PBKDF2) of the Web3 Secret Storage definition, encrypted again with one round, to be fast.
    const KEYSTORE: &str = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},
        "ciphertext":"2bf4aacce1be4c2d156d85ea8acec6a07d81bb5835d80a977a94a2515c0e831e","kdf":"pbkdf2",
        "kdfparams":{"c":1,"dklen":32,"prf":"hmac-sha256",
        "salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},
        "mac":"74d823bf9806963e681f87edd6930b888eabe06b2d663a2e5fea5dbd82d0c038"},
        "id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#;
}
