//! What can go wrong between the keeper and a node.

use std::time::Duration;

use alloy::primitives::Bytes;

/// A failed call to a node.
///
/// It says something about the endpoint, never about the chain: a transaction whose sending failed in any way other
/// than a recognised refusal may be live.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// The URL of an endpoint cannot be used. The URL itself is not repeated, it may hold a key.
    #[error("endpoint URL cannot be used: {reason}; give one like `https://host/path`")]
    BadUrl {
        /// What is wrong with it.
        reason: String,
    },
    /// No complete answer within the time-out of the endpoint.
    #[error(
        "endpoint `{endpoint}` did not answer {method} in time; check the node, or raise the request time-out"
    )]
    Timeout {
        /// Name of the endpoint in the configuration.
        endpoint: String,
        /// JSON-RPC method.
        method: &'static str,
    },
    /// The request could not be delivered, or the connection broke before the answer was complete.
    #[error(
        "endpoint `{endpoint}` cannot be reached for {method} ({reason}); check that the node is up and its URL"
    )]
    Connection {
        /// Name of the endpoint in the configuration.
        endpoint: String,
        /// JSON-RPC method.
        method: &'static str,
        /// Why, without the URL.
        reason: String,
    },
    /// An HTTP status other than success, without a JSON-RPC answer in the body.
    #[error(
        "endpoint `{endpoint}` answered {method} with HTTP status {status}; 401 and 403 mean a wrong key in its URL, \
         429 a spent quota, 5xx a fault of the provider"
    )]
    Http {
        /// Name of the endpoint in the configuration.
        endpoint: String,
        /// JSON-RPC method.
        method: &'static str,
        /// HTTP status code.
        status: u16,
    },
    /// The node understood the request and refused it.
    #[error("endpoint `{endpoint}` refused {method}: {message} (code {code})")]
    Rpc {
        /// Name of the endpoint in the configuration.
        endpoint: String,
        /// JSON-RPC method.
        method: &'static str,
        /// JSON-RPC error code.
        code: i64,
        /// The node's message, as [`super::shown`].
        message: String,
        /// Revert data, when the call was executed and reverted.
        revert: Option<Bytes>,
    },
    /// The provider does not support state overrides in `eth_call`: read without them.
    #[error(
        "endpoint `{endpoint}` does not accept state overrides ({message}): read without them, by `--reader auto` or `--reader \
         multicall`"
    )]
    OverridesRefused {
        /// Name of the endpoint in the configuration.
        endpoint: String,
        /// The node's message, as [`super::shown`].
        message: String,
    },
    /// The endpoint serves another chain than the configuration says.
    #[error(
        "endpoint `{endpoint}` serves chain {actual}, the configuration says {expected}; nothing is signed for it: \
         correct its URL or the chain id"
    )]
    WrongChainId {
        /// Name of the endpoint in the configuration.
        endpoint: String,
        /// Chain id of the configuration.
        expected: u64,
        /// Chain id that the endpoint answered.
        actual: u64,
    },
    /// The answer is not what the method may answer: not JSON, another id, missing fields, or too large.
    #[error(
        "endpoint `{endpoint}` gave an unusable answer to {method}: {reason}; use another provider if it persists"
    )]
    BadResponse {
        /// Name of the endpoint in the configuration.
        endpoint: String,
        /// JSON-RPC method.
        method: &'static str,
        /// What is wrong with the answer, as [`super::shown`].
        reason: String,
    },
    /// The endpoint refuses calls for its quota, for longer than this call may wait.
    #[error(
        "endpoint `{endpoint}` is left alone for {} ms more, it limits its callers; {method} was not sent: use another \
         plan of the provider, or another endpoint",
        .wait.as_millis()
    )]
    RateLimited {
        /// Name of the endpoint in the configuration.
        endpoint: String,
        /// JSON-RPC method.
        method: &'static str,
        /// How long it is still left alone.
        wait: Duration,
    },
    /// No endpoint of the chain may be read for a verdict now.
    #[error("no endpoint gives a verdict: {reason}")]
    NoVerdict {
        /// Why, endpoint by endpoint, and what to do about it.
        reason: String,
    },
}

impl ChainError {
    /// Whether the endpoint refused the call for its quota: HTTP status 429, or JSON-RPC code −32005 (EIP-1474), which
    /// some use for an answer of too many results as well.
    #[must_use]
    pub fn is_limit(&self) -> bool {
        match self {
            Self::Http { status: 429, .. } => true,
            Self::Rpc { code: -32005 | 429, message, .. } => !message.contains("query returned more than"),
            Self::BadUrl { .. }
            | Self::Timeout { .. }
            | Self::Connection { .. }
            | Self::Http { .. }
            | Self::Rpc { .. }
            | Self::OverridesRefused { .. }
            | Self::WrongChainId { .. }
            | Self::BadResponse { .. }
            | Self::RateLimited { .. }
            | Self::NoVerdict { .. } => false,
        }
    }

    /// Whether the endpoint failed, not the call: no answer, or none that can be used.
    #[must_use]
    pub const fn is_of_endpoint(&self) -> bool {
        match self {
            Self::Timeout { .. }
            | Self::Connection { .. }
            | Self::Http { .. }
            | Self::BadResponse { .. }
            | Self::BadUrl { .. } => true,
            Self::Rpc { .. }
            | Self::OverridesRefused { .. }
            | Self::WrongChainId { .. }
            | Self::RateLimited { .. }
            | Self::NoVerdict { .. } => false,
        }
    }
}
