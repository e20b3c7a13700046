//! `keeper.toml`: where the vaults are, who signs for them and what sending may cost.
//!
//! Nothing here reaches a decision; what does is in the policies.

mod assembly;
mod format;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use alloy::primitives::{Address, B256};
use alloy::signers::local::{LocalSigner, PrivateKeySigner};
use url::Url;

use super::{ConfigError, Environment, Secret, read_file};
use crate::domain::policy::{ChainKind, PublishedPolicy};

/// A keeper's configuration: every name in it resolved, every file it names read.
#[derive(Debug, Clone)]
pub struct Config {
    /// The journal's database file.
    pub journal: PathBuf,
    /// The chains, each with a name and an id of its own.
    pub chains: Vec<Arc<ChainConfig>>,
    /// The keys that sign, each with a name of its own.
    pub signers: Vec<Arc<SignerConfig>>,
    /// What sending may cost.
    pub sending: SendingConfig,
    /// The vaults to keep.
    pub vaults: Vec<VaultConfig>,
}

impl Config {
    /// Reads and checks `path` and every policy it names. Paths in it are relative to its directory. No secret is read.
    ///
    /// # Errors
    /// [`ConfigError::Mistakes`] with every wrong key in all of these files; [`ConfigError::Missing`] or
    /// [`ConfigError::Unreadable`] for `path` itself.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = read_file(path, "copy keeper.example.toml to keeper.toml, or name another with --config")?;
        Ok(assembly::parse(path, &text)?)
    }

    /// The vault called `name`.
    ///
    /// # Errors
    /// [`ConfigError::UnknownVault`], with the names there are.
    pub fn vault(&self, name: &str) -> Result<&VaultConfig, ConfigError> {
        self.vaults.iter().find(|vault| vault.name == name).ok_or_else(|| {
            let known: Vec<_> = self.vaults.iter().map(|vault| vault.name.as_str()).collect();
            ConfigError::UnknownVault { name: name.to_owned(), known: known.join(", ") }
        })
    }
}

/// A chain and the endpoints to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainConfig {
    /// Its name in this file.
    pub name: String,
    /// Its id (EIP-155); every endpoint must answer with it.
    pub id: u64,
    /// How it charges.
    pub kind: ChainKind,
    /// JSON-RPC endpoints, in the order in which they are tried.
    pub endpoints: Vec<Endpoint>,
    /// When a block is taken to be final.
    pub finality: Finality,
    /// Milliseconds between two looks for a new block.
    pub poll_interval_ms: u64,
    /// Milliseconds after which a request has failed.
    pub request_timeout_ms: u64,
}

impl ChainConfig {
    /// The endpoints' addresses, those in the environment included: `http` or `https`, with a host.
    ///
    /// # Errors
    /// [`ConfigError::MissingSecret`] or [`ConfigError::BadSecret`], naming the variable.
    pub fn urls(&self, environment: &Environment) -> Result<Vec<Secret>, ConfigError> {
        self.endpoints.iter().map(|endpoint| endpoint.url(&self.name, environment)).collect()
    }
}

/// When a block is taken to be final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finality {
    /// When this many blocks stand on top of it.
    Depth(u64),
    /// When the chain's consensus says so.
    Finalized,
}

/// Where a node answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// At this address, which holds no credentials.
    Url(Url),
    /// At the address in this environment variable.
    Variable(String),
}

/// A key that signs, and where it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignerConfig {
    /// Its name in this file.
    pub name: String,
    /// The only chain it signs for, by name; absent is any.
    pub chain: Option<String>,
    /// Where the key is kept.
    pub key: KeySource,
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
        /// The environment variable with its password.
        password_variable: String,
    },
}

/// What sending may cost, in wei of the native coin, whatever a decision wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendingConfig {
    /// Largest fee cap, wei per gas.
    pub max_fee_per_gas_wei: u128,
    /// Largest tip, wei per gas.
    pub max_priority_fee_wei: u128,
    /// Smallest tip, wei per gas.
    pub min_priority_fee_wei: u128,
    /// Largest cost of one transaction at its fee cap, wei.
    pub max_transaction_cost_wei: u128,
    /// Largest cost of all transactions of a signer within 24 hours, wei.
    pub max_daily_cost_wei: u128,
    /// Gas limit above what the call needs, percent of that, at most 600.
    pub gas_limit_margin_percent: u32,
    /// What the data of a signed transaction may cost on a rollup above what was decided on, percent of that, at most 600.
    pub data_fee_margin_percent: u32,
}

/// One vault to keep.
#[derive(Debug, Clone)]
pub struct VaultConfig {
    /// Its name in this file.
    pub name: String,
    /// The chain it is on.
    pub chain: Arc<ChainConfig>,
    /// Its address there.
    pub address: Address,
    /// Who signs for it.
    pub signer: Arc<SignerConfig>,
    /// The policies held for it, all for its chain, each with a hash of its own.
    pub policies: Vec<PublishedPolicy>,
}

impl VaultConfig {
    /// The policy with the hash that the vault stores, if it is held.
    #[must_use]
    pub fn policy(&self, hash: B256) -> Option<&PublishedPolicy> {
        self.policies.iter().find(|policy| policy.hash() == hash)
    }
}

impl SignerConfig {
    /// Reads the key. Takes a moment for a keystore, whose password is stretched on purpose.
    ///
    /// # Errors
    /// [`ConfigError::MissingSecret`], [`ConfigError::BadSecret`], [`ConfigError::Missing`] or
    /// [`ConfigError::Keystore`]; none repeats a secret.
    pub fn unlock(&self, environment: &Environment) -> Result<PrivateKeySigner, ConfigError> {
        let wanted_by = format!("signer `{}`", self.name);
        match &self.key {
            KeySource::Variable(variable) => {
                let secret = environment.secret(variable, &wanted_by)?;
                secret.expose().parse().map_err(|_| ConfigError::BadSecret {
                    variable: variable.clone(),
                    wanted_by,
                    expected: "a private key of 64 hexadecimal digits",
                })
            }
            KeySource::Keystore { path, password_variable } => {
                let password = environment.secret(password_variable, &wanted_by)?;
                if !path.exists() {
                    let remedy = "name the keystore's file in [[signer]], relative to keeper.toml";
                    return Err(ConfigError::Missing { path: path.clone(), remedy });
                }
                LocalSigner::decrypt_keystore(path, password.expose()).map_err(|error| {
                    ConfigError::Keystore {
                        path: path.clone(),
                        wanted_by,
                        variable: password_variable.clone(),
                        reason: error.to_string(),
                    }
                })
            }
        }
    }
}

impl Endpoint {
    /// The address, wherever it stands; `chain` is named where it is missing.
    ///
    /// # Errors
    /// [`ConfigError::MissingSecret`] or [`ConfigError::BadSecret`], naming the variable.
    pub fn url(&self, chain: &str, environment: &Environment) -> Result<Secret, ConfigError> {
        match self {
            Self::Url(url) => Ok(Secret::new(url.as_str())),
            Self::Variable(variable) => {
                let wanted_by = format!("chain `{chain}`");
                let text = environment.secret(variable, &wanted_by)?;
                let expected = "an address that starts with http:// or https://";
                let usable = Url::parse(text.expose()).is_ok_and(|url| is_http(&url));
                let unusable = || ConfigError::BadSecret { variable: variable.clone(), wanted_by, expected };
                if usable { Ok(text) } else { Err(unusable()) }
            }
        }
    }
}

fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}
