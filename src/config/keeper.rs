//! `keeper.toml`: where the vaults are, who signs for them and what sending may cost.
//!
//! Nothing here reaches a decision; what does is in the policies.

mod assembly;
mod format;
mod signer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::{Address, B256};
use alloy::signers::local::PrivateKeySigner;
use url::Url;

use super::{ConfigError, Environment, Secret, read_file};
use crate::domain::policy::{ChainKind, PublishedPolicy};
pub use signer::{
    AwsKmsKey, GoogleKmsKey, KeySource, LedgerKey, Password, RemoteKey, SignerConfig, Unlocked,
};

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
    /// JSON-RPC endpoints: where all are healthy the first public one is read.
    pub endpoints: Vec<Endpoint>,
    /// When a block is taken to be final.
    pub finality: Finality,
    /// Milliseconds between two looks for a new block.
    pub poll_interval_ms: u64,
    /// Milliseconds after which a request has failed.
    pub request_timeout_ms: u64,
    /// Milliseconds after which sending a transaction has failed.
    pub send_timeout_ms: u64,
    /// Milliseconds that a block takes; absent is what is usual for the kind of chain.
    pub block_time_ms: Option<u64>,
    /// What makes an endpoint healthy.
    pub health: HealthConfig,
}

/// What makes an endpoint of a chain healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthConfig {
    /// Milliseconds between two looks at all endpoints.
    pub interval_ms: u64,
    /// Blocks that an endpoint may be behind the best.
    pub max_lag_blocks: u64,
    /// Blocks below the head at which the endpoints must agree; absent is 0 for one and 1 for several.
    pub agreement_depth: Option<u64>,
    /// Failed calls in a row after which an endpoint is unreachable.
    pub failures: u32,
    /// Good looks in a row after which one that lagged or disagreed is healthy again.
    pub good_looks: u32,
    /// Seconds that an endpoint stays away which told what cannot be true; each time twice as long, up to a day.
    pub quarantine_seconds: u64,
    /// Seconds after which the same head is an alarm; absent is ten blocks, and at least a minute.
    pub frozen_after_seconds: Option<u64>,
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self {
            interval_ms: 5_000,
            max_lag_blocks: 3,
            agreement_depth: None,
            failures: 3,
            good_looks: 2,
            quarantine_seconds: 600,
            frozen_after_seconds: None,
        }
    }
}

impl ChainConfig {
    /// The endpoints' addresses, those in the environment included: `http` or `https`, with a host.
    ///
    /// # Errors
    /// [`ConfigError::MissingSecret`] or [`ConfigError::BadSecret`], naming the variable.
    pub fn urls(&self, environment: &Environment) -> Result<Vec<Secret>, ConfigError> {
        self.endpoints.iter().map(|endpoint| endpoint.url(&self.name, environment)).collect()
    }

    /// What a block takes.
    #[must_use]
    pub fn block_time(&self) -> Duration {
        let usual = match self.kind {
            ChainKind::Ethereum => 12_000,
            ChainKind::OpStack => 2_000,
            ChainKind::Arbitrum => 250,
        };
        Duration::from_millis(self.block_time_ms.unwrap_or(usual))
    }

    /// After how long the same head is an alarm.
    #[must_use]
    pub fn frozen_after(&self) -> Duration {
        let usual = || self.block_time().saturating_mul(10).max(Duration::from_secs(60));
        self.health.frozen_after_seconds.map_or_else(usual, Duration::from_secs)
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

/// A node, and who may see what is sent to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it answers.
    pub location: Location,
    /// What it is for.
    pub class: EndpointClass,
}

/// What an endpoint is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointClass {
    /// Reading, and transactions that anyone may see.
    Public {
        /// Where it tells of new blocks by itself, if it does: `ws` or `wss`.
        socket: Option<Location>,
    },
    /// Transactions that it keeps from the public.
    Private {
        /// How it takes them.
        method: RelayMethod,
        /// The environment variable with the key that signs its requests, if they are signed.
        credentials: Option<String>,
    },
}

/// How a private relay takes a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelayMethod {
    /// `eth_sendPrivateTransaction`.
    PrivateTransaction,
    /// `eth_sendBundle`.
    Bundle,
    /// `eth_sendRawTransaction`.
    RawTransaction,
}

/// Where a node answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// At this address, which holds no credentials.
    Url(Url),
    /// At the address in this environment variable.
    Variable(String),
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
    /// Largest fee cap of a cancel, wei per gas; absent is twice that of any other transaction.
    pub max_cancel_fee_per_gas_wei: Option<u128>,
    /// Seconds, at the chain's block time, after which a transaction that is not mined bids more.
    pub bump_after_seconds: u64,
    /// Seconds, at the chain's block time, after which a nonce that nothing is decided of is parked.
    pub park_after_seconds: u64,
    /// Most signatures of one nonce, cancels left out.
    pub max_attempts: u32,
    /// Most nonces of a signer that are under way at once.
    pub max_in_flight: u32,
    /// Seconds, at the chain's block time, after a mined revert before which its vault sends nothing routine.
    pub revert_cooldown_seconds: u64,
    /// Which endpoints hear of a transaction.
    pub submission: SubmissionPolicy,
    /// Transactions at the present price that a signer's balance must be good for, or an alert tells.
    pub runway_transactions: u32,
}

/// Which endpoints hear of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SubmissionPolicy {
    /// All public ones.
    #[default]
    Public,
    /// Private relays alone.
    Private,
    /// Private relays, and after so many blocks all public ones, with the same bytes.
    PrivateThenPublic {
        /// Blocks.
        blocks: u64,
    },
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
    /// Who may sign for it, at least one: at each block the one whose account the vault obeys there.
    pub signers: Vec<Arc<SignerConfig>>,
    /// Who pauses it, if that is configured: never one who signs for it.
    pub guardian: Option<Arc<SignerConfig>>,
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

impl Endpoint {
    /// The address, wherever it stands; `chain` is named where it is missing.
    ///
    /// # Errors
    /// [`ConfigError::MissingSecret`] or [`ConfigError::BadSecret`], naming the variable.
    pub fn url(&self, chain: &str, environment: &Environment) -> Result<Secret, ConfigError> {
        let expected = "an address that starts with http:// or https://";
        self.location.read(chain, environment, (is_http, expected))
    }

    /// Where it tells of new blocks by itself, if it does.
    ///
    /// # Errors
    /// As [`Endpoint::url`].
    pub fn socket(&self, chain: &str, environment: &Environment) -> Result<Option<Secret>, ConfigError> {
        let EndpointClass::Public { socket: Some(socket) } = &self.class else { return Ok(None) };
        let expected = "an address that starts with ws:// or wss://";
        socket.read(chain, environment, (is_socket, expected)).map(Some)
    }

    /// The key that signs its requests, if they are signed.
    ///
    /// # Errors
    /// As [`Endpoint::url`].
    pub fn credentials(
        &self,
        chain: &str,
        environment: &Environment,
    ) -> Result<Option<PrivateKeySigner>, ConfigError> {
        let EndpointClass::Private { credentials: Some(variable), .. } = &self.class else { return Ok(None) };
        let wanted_by = format!("chain `{chain}`");
        let secret = environment.secret(variable, &wanted_by)?;
        let expected = "a private key of 64 hexadecimal digits";
        let unusable = |_| ConfigError::BadSecret { variable: variable.clone(), wanted_by, expected };
        secret.expose().parse().map(Some).map_err(unusable)
    }
}

impl Location {
    fn read(
        &self,
        chain: &str,
        environment: &Environment,
        (is_usable, expected): (impl Fn(&Url) -> bool, &'static str),
    ) -> Result<Secret, ConfigError> {
        match self {
            Self::Url(url) => Ok(Secret::new(url.as_str())),
            Self::Variable(variable) => {
                let wanted_by = format!("chain `{chain}`");
                let text = environment.secret(variable, &wanted_by)?;
                let usable = Url::parse(text.expose()).is_ok_and(|url| is_usable(&url));
                let unusable = || ConfigError::BadSecret { variable: variable.clone(), wanted_by, expected };
                if usable { Ok(text) } else { Err(unusable()) }
            }
        }
    }
}

fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

fn is_socket(url: &Url) -> bool {
    matches!(url.scheme(), "ws" | "wss") && url.has_host()
}
