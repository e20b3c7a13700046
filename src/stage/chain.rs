//! Starting, driving and stopping the local chain.

use std::path::Path;

use alloy::{
    eips::BlockId,
    network::TransactionResponse,
    node_bindings::{Anvil, AnvilInstance},
    primitives::{Address, B256, Bytes, U64, U256},
    providers::{DynProvider, Provider, ProviderBuilder, ext::AnvilApi},
    rpc::client::BatchRequest,
    rpc::types::{BlockNumberOrTag, TransactionReceipt, TransactionRequest},
    sol_types::SolCall,
};
use eyre::{Context, Result, bail, eyre};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    account::{Account, Actor},
    artifacts::Artifacts,
    slice::Slice,
};

/// How many of the latest states stay readable without history: enough for whoever reads the head by its hash.
const RECENT_STATES: &str = "128";

/// How the chain begins.
#[derive(Clone, Debug)]
pub struct Genesis {
    /// Chain id.
    pub chain_id: u64,
    /// Number of the first block.
    pub number: u64,
    /// Unix seconds of the first block.
    pub timestamp: u64,
    /// Wei per gas.
    pub base_fee: u128,
    /// A file with the state to begin with; empty otherwise.
    pub state: Option<std::path::PathBuf>,
    /// Whether the states of earlier blocks can be read; without it long runs need no space on disk.
    pub history: bool,
}

impl Genesis {
    /// An empty chain with id 31337 and history, at `timestamp` (unix seconds) and a base fee of 1 gwei.
    #[must_use]
    pub const fn empty(timestamp: u64) -> Self {
        Self { chain_id: 31_337, number: 0, timestamp, base_fee: 1_000_000_000, state: None, history: true }
    }

    /// The real state of mainnet at a block.
    #[must_use]
    pub fn of_slice(slice: &Slice) -> Self {
        Self {
            chain_id: 1,
            number: slice.block,
            timestamp: slice.timestamp,
            base_fee: slice.base_fee,
            state: Some(slice.file.clone()),
            history: true,
        }
    }
}

/// A running anvil that mines only when told to. Stopped, and its files removed, when dropped.
#[derive(Debug)]
pub struct Chain {
    // Declared before the directory it writes to: fields are dropped in order.
    instance: AnvilInstance,
    states: TempDir,
    provider: DynProvider,
    chain_id: u64,
}

/// A JSON-RPC request: method and parameters.
pub type Request = (&'static str, Value);

impl Chain {
    /// Starts anvil on a free port of the loopback interface.
    ///
    /// # Errors
    /// anvil is not there, does not start, or does not answer.
    pub async fn start(artifacts: &Artifacts, genesis: &Genesis) -> Result<Self> {
        let states = tempfile::tempdir().wrap_err("directory for the chain's states")?;
        let program = artifacts.anvil();
        let instance = Anvil::at(&program)
            .host("127.0.0.1")
            .args(arguments(genesis, states.path()))
            .try_spawn()
            .wrap_err_with(|| format!("start {}; if it is missing, run scripts/setup", program.display()))?;
        let provider = ProviderBuilder::new()
            .disable_recommended_fillers()
            .connect_http(instance.endpoint_url())
            .erased();
        provider.anvil_set_logging(false).await.wrap_err("anvil does not answer")?;
        Ok(Self { instance, states, provider, chain_id: genesis.chain_id })
    }

    /// Where the chain answers JSON-RPC over HTTP.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.instance.endpoint()
    }

    /// The directory in which anvil keeps the states of earlier blocks.
    #[must_use]
    pub fn states(&self) -> &Path {
        self.states.path()
    }

    /// Its chain id.
    #[must_use]
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// A provider without fillers: it adds nothing to what it is given.
    #[must_use]
    pub const fn provider(&self) -> &DynProvider {
        &self.provider
    }

    /// The account of `actor`, with its nonce as mined so far.
    ///
    /// # Errors
    /// The chain does not answer.
    pub async fn account(&self, actor: Actor) -> Result<Account> {
        let key = self.instance.keys().get(actor.index()).ok_or_else(|| eyre!("no key for {actor:?}"))?;
        let signer = alloy::signers::local::PrivateKeySigner::from(key.clone());
        let nonce = self.provider.get_transaction_count(signer.address()).await.wrap_err("nonce")?;
        Ok(Account::new(signer, self.chain_id, nonce))
    }

    /// The address of `actor`.
    ///
    /// # Errors
    /// anvil was started without that key.
    pub fn address(&self, actor: Actor) -> Result<Address> {
        self.instance.addresses().get(actor.index()).copied().ok_or_else(|| eyre!("no key for {actor:?}"))
    }

    /// Timestamp (unix seconds) and base fee (wei per gas) of the latest block.
    ///
    /// # Errors
    /// The chain does not answer.
    pub async fn head(&self) -> Result<(u64, u128)> {
        let block =
            self.provider.get_block_by_number(BlockNumberOrTag::Latest).await.wrap_err("latest block")?;
        let header = block.ok_or_else(|| eyre!("there is no latest block"))?.header;
        Ok((header.timestamp, u128::from(header.base_fee_per_gas.unwrap_or_default())))
    }

    /// Fixes timestamp (unix seconds) and base fee (wei per gas) of the next block, without mining it.
    ///
    /// # Errors
    /// The timestamp is not after the head's, or the chain does not answer.
    pub async fn set_next(&self, timestamp: u64, base_fee: u128) -> Result<()> {
        self.batch(vec![
            ("evm_setNextBlockTimestamp", json!([timestamp])),
            ("anvil_setNextBlockBaseFeePerGas", json!([U256::from(base_fee)])),
        ])
        .await
        .wrap_err_with(|| format!("next block at timestamp {timestamp}"))?;
        Ok(())
    }

    /// Mines one block with what waits in the pool, in order of arrival, at `timestamp` (unix seconds) and
    /// `base_fee` (wei per gas).
    ///
    /// # Errors
    /// As [`Self::set_next`].
    pub async fn mine(&self, timestamp: u64, base_fee: u128) -> Result<()> {
        self.set_next(timestamp, base_fee).await?;
        self.mine_next().await
    }

    /// Mines the block prepared by [`Self::set_next`].
    ///
    /// # Errors
    /// The chain does not answer.
    pub async fn mine_next(&self) -> Result<()> {
        self.batch(vec![("evm_mine", json!([]))]).await.wrap_err("mine a block")?;
        Ok(())
    }

    /// Mines one block `seconds` after the head, at the head's base fee.
    ///
    /// # Errors
    /// As [`Self::mine`].
    pub async fn mine_after(&self, seconds: u64) -> Result<()> {
        let (timestamp, base_fee) = self.head().await?;
        let timestamp = timestamp.checked_add(seconds).ok_or_else(|| eyre!("the clock is at its end"))?;
        self.mine(timestamp, base_fee).await
    }

    /// Sends a signed transaction, mines it one second after the head, and returns its receipt, whatever its
    /// status.
    ///
    /// # Errors
    /// The transaction is refused or not mined.
    pub async fn execute(&self, raw: &Bytes) -> Result<TransactionReceipt> {
        let hash = *self.provider.send_raw_transaction(raw).await.wrap_err("send")?.tx_hash();
        self.mine_after(1).await?;
        let receipt = self.provider.get_transaction_receipt(hash).await.wrap_err("receipt")?;
        receipt.ok_or_else(|| eyre!("transaction {hash} was not mined"))
    }

    /// The revert reason of a mined transaction, as the node words it when the same call is made again.
    ///
    /// # Errors
    /// The transaction is unknown.
    pub async fn failure(&self, hash: B256) -> Result<String> {
        let transaction = self.provider.get_transaction_by_hash(hash).await.wrap_err("transaction")?;
        let transaction = transaction.ok_or_else(|| eyre!("transaction {hash} is unknown"))?;
        let before = transaction.block_number().and_then(|number| number.checked_sub(1)).unwrap_or_default();
        // Without fees: what the sender could pay for at that block is not the question.
        let sender = transaction.inner.signer();
        let mut request = transaction.into_request().from(sender);
        (request.max_fee_per_gas, request.max_priority_fee_per_gas, request.gas_price) = (None, None, None);
        let again = self.provider.call(request).number(before).await;
        Ok(again.err().map_or_else(|| "ran out of gas".to_owned(), |error| error.to_string()))
    }

    /// Gives `account` so many whole native coins; on a slice the development accounts own what they own on mainnet.
    ///
    /// # Errors
    /// The chain does not answer.
    pub async fn endow(&self, account: Address, coins: u64) -> Result<()> {
        let wei = U256::from(coins).saturating_mul(U256::from(10).saturating_pow(U256::from(18)));
        self.batch(vec![("anvil_setBalance", json!([account, wei]))]).await?;
        Ok(())
    }

    /// Gives `holder` a balance of `amount` raw units of `token`, whatever it had.
    ///
    /// # Errors
    /// anvil does not find where the token keeps its balances.
    pub async fn deal(&self, token: Address, holder: Address, amount: U256) -> Result<()> {
        self.provider
            .anvil_deal_erc20(holder, token, amount)
            .await
            .wrap_err_with(|| format!("deal {token}"))?;
        Ok(())
    }

    /// Sends requests in one HTTP round trip; the node may run them in any order, so none may need another.
    ///
    /// # Errors
    /// The first request that fails, by its method.
    pub async fn batch(&self, requests: Vec<Request>) -> Result<Vec<Value>> {
        let client = self.provider.client();
        let mut batch = BatchRequest::new(client);
        let mut waiting = Vec::with_capacity(requests.len());
        for (method, parameters) in requests {
            waiting.push((method, batch.add_call::<Value, Value>(method, &parameters)?));
        }
        batch.send().await?;
        let mut answers = Vec::with_capacity(waiting.len());
        for (method, answer) in waiting {
            answers.push(answer.await.wrap_err(method)?);
        }
        Ok(answers)
    }

    /// Calls a function of the contract at `from` at the latest block.
    ///
    /// # Errors
    /// The call reverts or answers with another shape.
    pub async fn read<C: SolCall>(&self, from: Address, call: &C) -> Result<C::Return> {
        let request = TransactionRequest::default().to(from).input(call.abi_encode().into());
        let answer = self.provider.call(request).block(BlockId::latest()).await.wrap_err(C::SIGNATURE)?;
        C::abi_decode_returns(&answer).wrap_err_with(|| format!("answer to {} from {from}", C::SIGNATURE))
    }

    /// Number of the latest block.
    ///
    /// # Errors
    /// The chain does not answer.
    pub async fn block_number(&self) -> Result<u64> {
        let number: U64 =
            self.provider.client().request_noparams("eth_blockNumber").await.wrap_err("block number")?;
        Ok(number.to())
    }
}

fn arguments(genesis: &Genesis, states: &Path) -> Vec<std::ffi::OsString> {
    let mut arguments: Vec<std::ffi::OsString> = [
        "--no-mining",
        "--order",
        "fifo",
        "--gas-limit",
        "60000000",
        "--balance",
        "1000000000",
        "--chain-id",
        &genesis.chain_id.to_string(),
        "--number",
        &genesis.number.to_string(),
        "--timestamp",
        &genesis.timestamp.to_string(),
        "--base-fee",
        &genesis.base_fee.to_string(),
        "--cache-path",
    ]
    .map(Into::into)
    .into();
    arguments.push(states.into());
    if !genesis.history {
        arguments.extend(["--prune-history", RECENT_STATES].map(Into::into));
    }
    if let Some(state) = &genesis.state {
        arguments.push("--load-state".into());
        arguments.push(state.into());
    }
    arguments
}

/// Fails with the node's own words when a transaction did not succeed.
///
/// # Errors
/// The transaction reverted.
pub async fn succeeded(chain: &Chain, what: &str, receipt: &TransactionReceipt) -> Result<()> {
    if receipt.status() {
        return Ok(());
    }
    let reason = chain.failure(receipt.transaction_hash).await?;
    bail!("{what} reverted: {reason}")
}
