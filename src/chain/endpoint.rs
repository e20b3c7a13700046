//! One endpoint of one chain: typed calls, each at a stated block.

use std::collections::BTreeMap;
use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes, U64, U128, U256};
use alloy::rpc::types::state::StateOverride;

use super::pulse::Pulse;
use super::receipt::WireReceipt;
use super::transaction::{FullBlock, Transaction, WireBlock, WireTransaction};
use super::transport::Transport;
use super::{At, Block, CallRequest, ChainError, Header, LogFilter, MinedLog, Receipt, SecretUrl, Simulated};
use crate::domain::policy::ChainKind;

/// How long to wait for a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For the connection to stand.
    pub connect: Duration,
    /// For a whole call, connection and body included.
    pub request: Duration,
}

/// One JSON-RPC endpoint, known to serve the configured chain when it was connected.
#[derive(Debug)]
pub struct Endpoint {
    transport: Transport,
    chain_id: u64,
    kind: ChainKind,
}

impl Endpoint {
    /// Connects to `url` and checks that it serves `chain_id`. `name` stands for the endpoint in every message.
    ///
    /// # Errors
    /// [`ChainError::WrongChainId`] for another chain, otherwise the failure of the call.
    pub async fn connect(
        name: &str,
        url: SecretUrl,
        chain_id: u64,
        timeouts: Timeouts,
    ) -> Result<Self, ChainError> {
        let endpoint = Self::unverified(name, url, chain_id, timeouts)?;
        endpoint.verify_chain_id().await?;
        Ok(endpoint)
    }

    /// The endpoint at `url` before anything was asked: its first call asks first whether it serves `chain_id`.
    ///
    /// # Errors
    /// [`ChainError::BadUrl`].
    pub fn unverified(
        name: &str,
        url: SecretUrl,
        chain_id: u64,
        timeouts: Timeouts,
    ) -> Result<Self, ChainError> {
        let transport = Transport::new(name, url, timeouts, Some(chain_id))?;
        Ok(Self { transport, chain_id, kind: ChainKind::default() })
    }

    /// Connects to `url` and takes whatever chain it serves: for reading alone, where no configuration says better.
    ///
    /// # Errors
    /// The failure of the call.
    pub async fn discover(name: &str, url: SecretUrl, timeouts: Timeouts) -> Result<Self, ChainError> {
        let mut transport = Transport::new(name, url, timeouts, None)?;
        let chain_id: U64 = transport.call("eth_chainId", NO_PARAMS).await?;
        let chain_id = chain_id.to();
        transport.serves(chain_id);
        Ok(Self { transport, chain_id, kind: ChainKind::default() })
    }

    /// The same endpoint of a chain that charges as `kind` does; without this call as Ethereum does.
    #[must_use]
    pub fn of_kind(self, kind: ChainKind) -> Self {
        Self { kind, ..self }
    }

    /// The same endpoint with another time-out for sending transactions; without this call that of all calls.
    #[must_use]
    pub fn sending_within(mut self, send: Duration) -> Self {
        self.transport.patience.send = send;
        self
    }

    /// The same endpoint whose calls wait, within their time-outs, while it limits its callers: where no other can be
    /// asked meanwhile. Without this call they fail at once.
    #[must_use]
    pub fn waiting_out_limits(mut self) -> Self {
        self.transport.patience.waits = true;
        self
    }

    /// What its calls say about it.
    pub(super) const fn pulse(&self) -> &Pulse {
        &self.transport.pulse
    }

    /// How long a call that reads may take, its connection included.
    pub(super) const fn patience(&self) -> Duration {
        self.transport.patience.read
    }

    /// Name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        self.transport.endpoint()
    }

    /// Chain id of the configuration.
    #[must_use]
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// How its chain charges, by the configuration.
    #[must_use]
    pub const fn kind(&self) -> ChainKind {
        self.kind
    }

    /// Requests that were sent to it so far, by their method; one that was sent again counts again.
    #[must_use]
    pub fn requests(&self) -> BTreeMap<&'static str, u64> {
        self.transport.sent()
    }

    /// Asks again which chain the endpoint serves. Where it is another, every later call fails with that as well: the
    /// endpoint is dropped for good.
    ///
    /// # Errors
    /// [`ChainError::WrongChainId`] for another chain, otherwise the failure of the call.
    pub async fn verify_chain_id(&self) -> Result<(), ChainError> {
        self.transport.verify_chain_id().await
    }

    /// The newest header.
    ///
    /// # Errors
    /// The failure of the call.
    pub async fn latest_header(&self) -> Result<Header, ChainError> {
        self.tagged_header("latest").await
    }

    /// The newest finalized header.
    ///
    /// # Errors
    /// The failure of the call, also where the chain has no finalized block yet or does not know the tag.
    pub async fn finalized_header(&self) -> Result<Header, ChainError> {
        self.tagged_header("finalized").await
    }

    /// The header with this hash, canonical or not; `None` when the node does not know it.
    ///
    /// # Errors
    /// The failure of the call.
    pub async fn header_by_hash(&self, hash: B256) -> Result<Option<Header>, ChainError> {
        const METHOD: &str = "eth_getBlockByHash";
        let header: Option<Header> = self.transport.call(METHOD, (hash, false)).await?;
        match header {
            Some(header) if header.hash != hash => {
                Err(self.unusable(METHOD, "it is another block than asked for"))
            }
            other => Ok(other),
        }
    }

    /// The canonical header at this height; `None` above the head.
    ///
    /// # Errors
    /// The failure of the call.
    pub async fn header_by_number(&self, number: u64) -> Result<Option<Header>, ChainError> {
        Ok(self.block_by_number(number).await?.map(|block| block.header))
    }

    /// The canonical block at this height with the hashes of its transactions; `None` above the head.
    ///
    /// # Errors
    /// The failure of the call.
    pub async fn block_by_number(&self, number: u64) -> Result<Option<Block>, ChainError> {
        const METHOD: &str = "eth_getBlockByNumber";
        let block: Option<Block> = self.transport.call(METHOD, (U64::from(number), false)).await?;
        match block {
            Some(block) if block.header.number != number => {
                Err(self.unusable(METHOD, "it is another height than asked for"))
            }
            other => Ok(other),
        }
    }

    /// Executes a call.
    ///
    /// # Errors
    /// The failure of the call; a revert is a value.
    pub async fn call(&self, request: &CallRequest, at: At) -> Result<Simulated<Bytes>, ChainError> {
        simulated(self.transport.call("eth_call", (request, at)).await)
    }

    /// Executes a call with accounts replaced as `overrides` says.
    ///
    /// # Errors
    /// [`ChainError::OverridesRefused`] when the provider does not take them, otherwise the failure of the call. A
    /// provider that ignores them silently returns what the real accounts return: for an address without code, no
    /// bytes at all.
    pub async fn call_with_overrides(
        &self,
        request: &CallRequest,
        at: At,
        overrides: &StateOverride,
    ) -> Result<Simulated<Bytes>, ChainError> {
        let answer = self.transport.call("eth_call", (request, at, overrides)).await;
        let refused = match simulated(answer.map_err(override_refusal)) {
            Err(refused @ ChainError::OverridesRefused { .. }) => refused,
            other => return other,
        };
        // A node may refuse a block that it does not have in the same words: then it refuses the plain call as well.
        match self.call(request, at).await {
            Err(plain @ ChainError::Rpc { .. }) => Err(plain),
            _ => Err(refused),
        }
    }

    /// Least gas limit with which the call succeeds, as the node estimates it.
    ///
    /// # Errors
    /// The failure of the call; a revert is a value.
    pub async fn estimate_gas(&self, request: &CallRequest, at: At) -> Result<Simulated<u64>, ChainError> {
        let answer: Result<U64, _> = self.transport.call("eth_estimateGas", (request, at)).await;
        simulated(answer.map(|gas| gas.to()))
    }

    /// Number of transactions that `account` has sent, so its next nonce.
    ///
    /// # Errors
    /// The failure of the call.
    pub async fn transaction_count(&self, account: Address, at: At) -> Result<u64, ChainError> {
        let count: U64 = self.transport.call("eth_getTransactionCount", (account, at)).await?;
        Ok(count.to())
    }

    /// Balance of `account` in wei.
    ///
    /// # Errors
    /// The failure of the call.
    pub async fn balance(&self, account: Address, at: At) -> Result<U256, ChainError> {
        self.transport.call("eth_getBalance", (account, at)).await
    }

    /// Code of `account`; empty when it is no contract.
    ///
    /// # Errors
    /// The failure of the call.
    pub async fn code(&self, account: Address, at: At) -> Result<Bytes, ChainError> {
        self.transport.call("eth_getCode", (account, at)).await
    }

    /// Tip that the node suggests, wei per gas. A hint for sending, never a fact.
    ///
    /// # Errors
    /// The failure of the call.
    pub async fn suggested_tip(&self) -> Result<u128, ChainError> {
        let tip: U128 = self.transport.call("eth_maxPriorityFeePerGas", NO_PARAMS).await?;
        Ok(tip.to())
    }

    /// Hands signed bytes to the node and returns the hash that it answers.
    ///
    /// # Errors
    /// The failure of the call, which says nothing about whether the bytes are live.
    pub async fn send_raw_transaction(&self, bytes: &Bytes) -> Result<B256, ChainError> {
        self.transport.call("eth_sendRawTransaction", (bytes,)).await
    }

    /// The receipt of a transaction; `None` when this node knows none, which proves nothing.
    ///
    /// # Errors
    /// The failure of the call, also when the answer is the receipt of another transaction.
    pub async fn receipt(&self, hash: B256) -> Result<Option<Receipt>, ChainError> {
        const METHOD: &str = "eth_getTransactionReceipt";
        let receipt: Option<WireReceipt> = self.transport.call(METHOD, (hash,)).await?;
        match receipt.and_then(WireReceipt::included) {
            Some(receipt) if receipt.transaction_hash != hash => {
                Err(self.unusable(METHOD, "it is the receipt of another transaction"))
            }
            other => Ok(other),
        }
    }

    /// A transaction that is mined; `None` where this node knows none or it waits.
    ///
    /// # Errors
    /// The failure of the call, also when the answer is another transaction, or its bytes are not what its hash says.
    pub async fn transaction(&self, hash: B256) -> Result<Option<Transaction>, ChainError> {
        const METHOD: &str = "eth_getTransactionByHash";
        let wire: Option<WireTransaction> = self.transport.call(METHOD, (hash,)).await?;
        let Some(wire) = wire.filter(WireTransaction::is_mined) else { return Ok(None) };
        match wire.verified() {
            Ok(transaction) if transaction.hash == hash => Ok(Some(transaction)),
            Ok(_) => Err(self.unusable(METHOD, "it is another transaction than asked for")),
            Err(reason) => Err(self.transport.bad_response(METHOD, &reason)),
        }
    }

    /// The block of this hash with its transactions in their order; `None` where the node does not know it.
    ///
    /// # Errors
    /// The failure of the call, also when the answer is another block, or the bytes of a signed transaction are not what its
    /// hash says.
    pub async fn full_block(&self, hash: B256) -> Result<Option<FullBlock>, ChainError> {
        const METHOD: &str = "eth_getBlockByHash";
        let block: Option<WireBlock> = self.transport.call(METHOD, (hash, true)).await?;
        let Some(block) = block else { return Ok(None) };
        if block.header.hash != hash {
            return Err(self.unusable(METHOD, "it is another block than asked for"));
        }
        let bad = |reason: String| self.transport.bad_response(METHOD, &reason);
        block.verified().map(Some).map_err(bad)
    }

    /// Mined events in the order of the chain.
    ///
    /// # Errors
    /// The failure of the call, also when an event was not asked for.
    pub async fn logs(&self, filter: &LogFilter) -> Result<Vec<MinedLog>, ChainError> {
        const METHOD: &str = "eth_getLogs";
        let logs: Vec<alloy::rpc::types::Log> = self.transport.call(METHOD, (filter,)).await?;
        let mined = |log: alloy::rpc::types::Log| {
            let mined = (log.block_number?, log.transaction_hash?);
            filter.asks_for(&log.inner, mined.0).then_some(MinedLog {
                block_number: mined.0,
                transaction_hash: mined.1,
                log: log.inner,
            })
        };
        let unasked = || self.unusable(METHOD, "it holds an event that was not asked for");
        logs.into_iter().map(|log| mined(log).ok_or_else(unasked)).collect()
    }

    async fn tagged_header(&self, tag: &'static str) -> Result<Header, ChainError> {
        const METHOD: &str = "eth_getBlockByNumber";
        let header: Option<Header> = self.transport.call(METHOD, (tag, false)).await?;
        let none = "there is no such block";
        // A chain may have no finalized block yet; there is always a latest one.
        let missing = || match tag {
            "latest" => self.unusable(METHOD, none),
            _ => self.transport.bad_response(METHOD, none),
        };
        header.ok_or_else(missing)
    }

    /// An answer that is well formed and cannot be: a failure of the endpoint like any other.
    fn unusable(&self, method: &'static str, reason: &str) -> ChainError {
        let error = self.transport.bad_response(method, reason);
        self.pulse().note::<()>(&Err(error.clone()), None);
        error
    }
}

const NO_PARAMS: [(); 0] = [];

fn simulated<T>(answer: Result<T, ChainError>) -> Result<Simulated<T>, ChainError> {
    match answer {
        Ok(value) => Ok(Simulated::Success(value)),
        Err(ChainError::Rpc { revert: Some(data), .. }) => Ok(Simulated::Reverted(data)),
        Err(error) => Err(error),
    }
}

/// Recognises that it was the third parameter that a provider refused.
fn override_refusal(error: ChainError) -> ChainError {
    /// Invalid request, method not found, invalid params.
    const REFUSALS: [i64; 3] = [-32600, -32601, -32602];
    let ChainError::Rpc { endpoint, code, message, revert: None, .. } = &error else { return error };
    if !REFUSALS.contains(code) && !message.to_lowercase().contains("override") {
        return error;
    }
    ChainError::OverridesRefused { endpoint: endpoint.clone(), message: format!("{message}, code {code}") }
}
