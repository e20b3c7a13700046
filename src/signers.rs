//! From a configured signer to a key that signs, wherever that is kept: the clients of key management services and of
//! the Ledger, each behind a cargo feature.

#[cfg(feature = "aws-kms")]
mod aws_kms;
#[cfg(feature = "gcp-kms")]
mod google_kms;
#[cfg(feature = "ledger")]
mod ledger;

use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::config::{ConfigError, Environment, RemoteKey, SignerConfig, Unlocked};
use crate::execution::KeeperKey;

/// Why a configured signer gives no key.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// What the configuration says cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// This program was built without the client that it needs.
    #[error(
        "signer `{signer}` is a key of {kind}, and this keeper was built without it: build one with `cargo build --release \
         --features {feature}`"
    )]
    NotBuilt {
        /// Its name.
        signer: String,
        /// Where the key is.
        kind: &'static str,
        /// The cargo feature.
        feature: &'static str,
    },
    /// Where the key is said to be gives none.
    #[error("signer `{signer}`: {kind} gives no key: {reason}")]
    Failed {
        /// Its name.
        signer: String,
        /// Where the key is.
        kind: &'static str,
        /// What it says; holds no secret.
        reason: String,
    },
    /// Where the key is said to be does not answer.
    #[error("signer `{signer}`: {kind} did not answer within {} s: {remedy}", after.as_secs())]
    TimedOut {
        /// Its name.
        signer: String,
        /// Where the key is.
        kind: &'static str,
        /// How long it was waited for.
        after: Duration,
        /// What to look at.
        remedy: &'static str,
    },
}

impl SignerError {
    /// Whether what is configured has to change; otherwise what is configured may be out of reach for now.
    #[must_use]
    pub const fn is_of_the_configuration(&self) -> bool {
        matches!(self, Self::Config(_) | Self::NotBuilt { .. })
    }
}

/// A signer's kind for people, the feature that it needs, and what to look at when it does not answer.
struct Kind {
    name: &'static str,
    feature: &'static str,
    remedy: &'static str,
}

const fn kind(key: &RemoteKey) -> Kind {
    match key {
        RemoteKey::AwsKms(_) => Kind {
            name: "AWS KMS",
            feature: "aws-kms",
            remedy: "check region, endpoint_url and the way there, or raise timeout_seconds",
        },
        RemoteKey::GoogleKms(_) => Kind {
            name: "Google KMS",
            feature: "gcp-kms",
            remedy: "check the way to cloudkms.googleapis.com, or raise timeout_seconds",
        },
        RemoteKey::Ledger(_) => Kind {
            name: "a Ledger",
            feature: "ledger",
            remedy: "connect and unlock it, open its Ethereum app, or raise timeout_seconds",
        },
    }
}

/// Unlocks a key, or asks where it is for its account. It is for no chain yet.
///
/// # Errors
/// [`SignerError`]; none repeats a secret.
pub async fn open(signer: &SignerConfig, environment: &Environment) -> Result<KeeperKey, SignerError> {
    match signer.unlock(environment)? {
        Unlocked::Local(key) => Ok(KeeperKey::from(key)),
        Unlocked::Remote(key, timeout) => remote(&signer.name, key, timeout).await,
    }
}

async fn remote(signer: &str, key: &RemoteKey, timeout: Duration) -> Result<KeeperKey, SignerError> {
    let Kind { name: kind, feature, remedy } = kind(key);
    let signer = signer.to_owned();
    let Some(connecting) = connect(key, timeout) else {
        return Err(SignerError::NotBuilt { signer, kind, feature });
    };
    match tokio::time::timeout(timeout, connecting).await {
        Err(_) => Err(SignerError::TimedOut { signer, kind, after: timeout, remedy }),
        // With its causes: a service's own words come last.
        Ok(Err(error)) => Err(SignerError::Failed { signer, kind, reason: format!("{error:#}") }),
        Ok(Ok(key)) => {
            tracing::info!(signer, address = %key.address(), kind, "signer");
            Ok(key)
        }
    }
}

/// Asks for the key; nothing where this program was built without its client.
#[cfg_attr(
    not(any(feature = "aws-kms", feature = "gcp-kms", feature = "ledger")),
    expect(unused_variables, reason = "only a client has to be told how long it may take")
)]
fn connect(key: &RemoteKey, timeout: Duration) -> Option<BoxFuture<'_, eyre::Result<KeeperKey>>> {
    match key {
        #[cfg(feature = "aws-kms")]
        RemoteKey::AwsKms(key) => Some(Box::pin(aws_kms::connect(key, timeout))),
        #[cfg(feature = "gcp-kms")]
        RemoteKey::GoogleKms(key) => Some(Box::pin(google_kms::connect(key, timeout))),
        #[cfg(feature = "ledger")]
        RemoteKey::Ledger(key) => Some(Box::pin(ledger::connect(key, timeout))),
        #[cfg(not(feature = "aws-kms"))]
        RemoteKey::AwsKms(_) => None,
        #[cfg(not(feature = "gcp-kms"))]
        RemoteKey::GoogleKms(_) => None,
        #[cfg(not(feature = "ledger"))]
        RemoteKey::Ledger(_) => None,
    }
}
