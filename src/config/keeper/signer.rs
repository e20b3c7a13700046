//! `[[signer]]`: the keys that sign, and where each is kept.

mod format;
mod password;

use std::path::{Path, PathBuf};
use std::time::Duration;

use alloy::signers::local::{LocalSigner, PrivateKeySigner};
use url::Url;

use super::super::{ConfigError, Environment};
pub use password::Password;

/// A key that signs, and where it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignerConfig {
    /// Its name in this file.
    pub name: String,
    /// The only chain it signs for, by name; absent is any.
    pub chain: Option<String>,
    /// Where the key is kept.
    pub key: KeySource,
    /// Seconds within which a key that is elsewhere must answer; absent is what is usual for its kind.
    pub timeout_seconds: Option<u64>,
}

/// Where a private key is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// In this environment variable, as 64 hexadecimal digits.
    Variable(String),
    /// In an encrypted file (Web3 Secret Storage, version 3).
    Keystore {
        /// The file.
        path: PathBuf,
        /// Where its password is.
        password: Password,
    },
    /// Elsewhere; it never leaves there.
    Remote(RemoteKey),
}

/// A key that is asked for signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteKey {
    /// AWS Key Management Service. Credentials are found as every AWS program finds them.
    AwsKms(AwsKmsKey),
    /// Google Cloud Key Management Service, with the application default credentials.
    GoogleKms(GoogleKmsKey),
    /// A Ledger on USB, whose owner confirms each transaction.
    Ledger(LedgerKey),
}

/// An asymmetric key of AWS KMS, of the kind `ECC_SECG_P256K1` and for `SIGN_VERIFY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsKmsKey {
    /// Its id, ARN or alias.
    pub key_id: String,
    /// Where it is, as in `eu-central-1`.
    pub region: String,
    /// Another address than that of the region: a VPC endpoint, or an emulator.
    pub endpoint_url: Option<Url>,
}

/// A version of a key of Google Cloud KMS, of the algorithm `EC_SIGN_SECP256K1_SHA256`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GoogleKmsKey {
    /// The project.
    pub project: String,
    /// Its location, as in `europe-west3`.
    pub location: String,
    /// The key ring.
    pub key_ring: String,
    /// The key.
    pub key: String,
    /// Its version.
    pub version: u64,
}

/// An account of a Ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerKey {
    /// The account of this number, counted from 0, as Ledger's own program derives them: `m/44'/60'/N'/0/0`.
    Index(u32),
    /// The account at this derivation path.
    Path(String),
}

/// A key in this process, or where one is to be asked.
#[derive(Debug)]
pub enum Unlocked<'a> {
    /// The key.
    Local(PrivateKeySigner),
    /// Where it is, and how long it has for a signature.
    Remote(&'a RemoteKey, Duration),
}

impl SignerConfig {
    /// Reads the key, where it is not elsewhere. Takes a moment for a keystore, whose password is stretched on purpose and
    /// may be asked for on the terminal.
    ///
    /// # Errors
    /// [`ConfigError::MissingSecret`], [`ConfigError::BadSecret`], [`ConfigError::Missing`],
    /// [`ConfigError::NoPassword`] or [`ConfigError::Keystore`]; none repeats a secret.
    pub fn unlock(&self, environment: &Environment) -> Result<Unlocked<'_>, ConfigError> {
        let wanted_by = format!("signer `{}`", self.name);
        match &self.key {
            KeySource::Variable(variable) => {
                let secret = environment.secret(variable, &wanted_by)?;
                secret.expose().parse().map(Unlocked::Local).map_err(|_| ConfigError::BadSecret {
                    variable: variable.clone(),
                    wanted_by,
                    expected: "a private key of 64 hexadecimal digits",
                })
            }
            KeySource::Keystore { path, password } => {
                opened(path, password, environment, wanted_by).map(Unlocked::Local)
            }
            KeySource::Remote(key) => Ok(Unlocked::Remote(key, self.timeout(key))),
        }
    }

    /// The key, where it can be read without asking anybody for anything.
    #[must_use]
    pub fn at_hand(&self, environment: &Environment) -> Option<PrivateKeySigner> {
        if matches!(self.key, KeySource::Keystore { password: Password::Prompt, .. }) {
            return None;
        }
        match self.unlock(environment) {
            Ok(Unlocked::Local(key)) => Some(key),
            Ok(Unlocked::Remote(..)) | Err(_) => None,
        }
    }

    fn timeout(&self, key: &RemoteKey) -> Duration {
        let usual = match key {
            RemoteKey::AwsKms(_) | RemoteKey::GoogleKms(_) => 10,
            // A person looks and presses.
            RemoteKey::Ledger(_) => 60,
        };
        Duration::from_secs(self.timeout_seconds.unwrap_or(usual))
    }

    /// The same with its files in the directory `base`, unless they have a place of their own.
    pub(super) fn beside(&self, base: &Path) -> Self {
        let mut beside = self.clone();
        if let KeySource::Keystore { path, password } = &mut beside.key {
            *path = base.join(&*path);
            if let Password::File(file) = password {
                *file = base.join(&*file);
            }
        }
        beside
    }
}

fn opened(
    path: &Path,
    password: &Password,
    environment: &Environment,
    wanted_by: String,
) -> Result<PrivateKeySigner, ConfigError> {
    if !path.exists() {
        let remedy = "name the keystore's file in [[signer]], relative to keeper.toml";
        return Err(ConfigError::Missing { path: path.to_owned(), remedy });
    }
    let secret = password.read(path, environment, &wanted_by)?;
    LocalSigner::decrypt_keystore(path, secret.expose()).map_err(|error| ConfigError::Keystore {
        path: path.to_owned(),
        wanted_by,
        password: password.to_string(),
        reason: error.to_string(),
    })
}
