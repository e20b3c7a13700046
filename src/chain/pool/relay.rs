//! A private relay: it takes transactions, and keeps them from the public.

use std::time::Duration;

use alloy::primitives::{B256, U64, keccak256};
use serde::Serialize;
use serde::de::IgnoredAny;

use super::outgoing::PrivateBytes;
use crate::chain::transport::Transport;
use crate::chain::{ChainError, Credentials, SecretUrl, Timeouts};

/// How a relay takes a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RelayMethod {
    /// `eth_sendPrivateTransaction`, with the last block that it is for.
    #[default]
    Private,
    /// `eth_sendBundle`: the transaction alone, for the next block; to be sent again for the one after it.
    Bundle,
    /// `eth_sendRawTransaction`, at an address that keeps it private.
    Raw,
}

/// A relay and how it is spoken to.
#[derive(Debug)]
pub struct Relay {
    transport: Transport,
    method: RelayMethod,
}

/// What `eth_sendPrivateTransaction` takes (Flashbots, "eth_sendPrivateTransaction").
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct PrivateTransaction {
    tx: alloy::primitives::Bytes,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_block_number: Option<U64>,
}

/// What `eth_sendBundle` takes (Flashbots, "eth_sendBundle").
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    txs: [alloy::primitives::Bytes; 1],
    block_number: U64,
}

impl Relay {
    /// The relay at `url`, which signs every request where there are credentials.
    ///
    /// # Errors
    /// [`ChainError::BadUrl`].
    pub fn new(
        (name, url): (&str, SecretUrl),
        chain_id: u64,
        timeouts: Timeouts,
        method: RelayMethod,
        credentials: Option<Credentials>,
    ) -> Result<Self, ChainError> {
        let transport = Transport::new(name, url, timeouts, Some(chain_id))?.signed_by(credentials);
        Ok(Self { transport, method })
    }

    /// The same relay with another time-out for sending.
    #[must_use]
    pub fn sending_within(mut self, send: Duration) -> Self {
        self.transport.patience.send = send;
        self
    }

    /// Name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        self.transport.endpoint()
    }

    /// Asks which chain it serves. Many relays take transactions and answer nothing else: one that refuses the question
    /// is taken at the operator's word.
    ///
    /// # Errors
    /// [`ChainError::WrongChainId`] for another chain, otherwise the failure of the call.
    pub async fn verify_chain_id(&self) -> Result<(), ChainError> {
        match self.transport.verify_chain_id().await {
            Err(refused @ ChainError::Rpc { .. }) if !refused.is_limit() => {
                self.transport.pulse.verified();
                Ok(())
            }
            other => other,
        }
    }

    /// The other chain that it was found to serve.
    pub(super) fn foreign(&self) -> Option<u64> {
        self.transport.pulse.foreign()
    }

    /// Hands it the bytes and returns the hash that it answers; that of the bytes where it answers one of its own kind.
    ///
    /// # Errors
    /// The failure of the call, which says nothing about whether the bytes are live.
    pub async fn send(&self, bytes: &PrivateBytes) -> Result<B256, ChainError> {
        if self.transport.pulse.is_doubtful() {
            self.verify_chain_id().await?;
        }
        let tx = bytes.bytes().clone();
        match self.method {
            RelayMethod::Raw => self.transport.call("eth_sendRawTransaction", (tx,)).await,
            RelayMethod::Bundle => {
                let hash = keccak256(&tx);
                let bundle = Bundle { txs: [tx], block_number: U64::from(bytes.next_block()) };
                let answer: Result<IgnoredAny, ChainError> =
                    self.transport.call("eth_sendBundle", (bundle,)).await;
                answer.map(|_| hash)
            }
            RelayMethod::Private => {
                let transaction =
                    PrivateTransaction { tx, max_block_number: bytes.last_block().map(U64::from) };
                self.transport.call("eth_sendPrivateTransaction", (transaction,)).await
            }
        }
    }
}
