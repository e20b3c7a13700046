//! A block executed again: on a fork of the chain at its parent, with the same transactions in the same order at the same time
//! and base fee.
//!
//! The fork is a local anvil. Its own `--fork-transaction-hash` mines earlier transactions of the block at another time and
//! base fee, so that they are sent here one by one and mined together. The address of the endpoint goes to it by its
//! environment: arguments are for everybody to see.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use alloy::primitives::{B256, U256};
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use eyre::{Result, WrapErr, bail, eyre};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::chain::{Endpoint, FullBlock, Receipt, SecretUrl, Timeouts, Unsigned};

/// How long anvil may take to start, and one call to it, which may fetch much state.
const PATIENCE: Duration = Duration::from_secs(120);

/// Environment variable that the address is handed over in.
const URL: &str = "KEEPER_FORK_URL";

/// A local chain at the parent of a block; ended when dropped.
#[derive(Debug)]
pub struct Fork {
    // Declared before the directory that it works in: fields are dropped in order.
    _anvil: Child,
    _directory: TempDir,
    provider: DynProvider,
    endpoint: Endpoint,
}

/// A transaction of the block that the fork did not take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its hash.
    pub transaction: B256,
    /// Why.
    pub why: String,
}

impl LeftOut {
    fn of(unsigned: &Unsigned) -> Self {
        let Unsigned { hash, kind } = unsigned;
        let why = format!("the chain put it in by itself, as type {kind:#x}, and nobody can send it");
        Self { transaction: *hash, why }
    }
}

/// Whether `anvil` is a program that can be started.
///
/// # Errors
/// It cannot.
pub async fn check_anvil(anvil: &Path) -> Result<()> {
    let mut command = Command::new(anvil);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let ended = command.kill_on_drop(true).status().await;
    let program = anvil.display();
    let advice = "name anvil's program with --anvil, or execute nothing again with --no-execution";
    let status = ended.wrap_err_with(|| format!("{program} cannot be started: {advice}"))?;
    if status.success() { Ok(()) } else { bail!("{program} is not anvil: {advice}") }
}

impl Fork {
    /// Starts `anvil` at the block `height` of the chain that `url` serves.
    ///
    /// # Errors
    /// It is not there, does not start, or cannot read the chain.
    pub async fn at(anvil: &Path, url: &str, height: u64) -> Result<Self> {
        let program = anvil.display();
        let directory = tempfile::tempdir().wrap_err("no directory for the fork")?;
        let alias = format!("[rpc_endpoints]\narchive = \"${{{URL}}}\"\n");
        std::fs::write(directory.path().join("foundry.toml"), alias).wrap_err("no directory for the fork")?;
        let number = height.to_string();
        let arguments = ["--no-mining", "--order", "fifo", "--no-storage-caching", "--port", "0"];
        let mut command = Command::new(anvil);
        command.args(arguments).args(["--fork-url", "archive", "--fork-block-number", &number]);
        command.current_dir(directory.path()).env(URL, url).env("FOUNDRY_DISABLE_NIGHTLY_WARNING", "1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let started = command.spawn();
        let mut child = started
            .wrap_err_with(|| format!("{program} cannot be started: name anvil's program with --anvil"))?;
        let url = tokio::time::timeout(PATIENCE, listening(&mut child)).await;
        let url = url.map_err(|_| eyre!("{program} does not start"))??;
        let provider =
            ProviderBuilder::new().disable_recommended_fillers().connect_http(url.parse()?).erased();
        let timeouts = Timeouts { connect: PATIENCE, request: PATIENCE };
        let endpoint = Endpoint::discover("the fork", SecretUrl::parse(&url)?, timeouts).await?;
        Ok(Self { _anvil: child, _directory: directory, provider, endpoint })
    }

    /// The chain of the fork, to be read.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Executes the transactions of `block`, whose parent the fork is at, in their order. What it does not take is left out:
    /// blobs are not part of what a node tells of a transaction, and what a rollup puts in by itself nobody can send.
    ///
    /// # Errors
    /// The fork does not answer.
    pub async fn execute(&self, block: &FullBlock) -> Result<Vec<LeftOut>> {
        let FullBlock { header, producer, .. } = block;
        let base_fee = U256::from(header.base_fee_per_gas.unwrap_or_default());
        self.ask("evm_setNextBlockTimestamp", json!([header.timestamp])).await?;
        self.ask("anvil_setNextBlockBaseFeePerGas", json!([base_fee])).await?;
        self.ask("evm_setBlockGasLimit", json!([U256::from(header.gas_limit)])).await?;
        self.ask("anvil_setCoinbase", json!([producer])).await?;
        let mut left_out: Vec<_> = block.unsigned.iter().map(LeftOut::of).collect();
        for transaction in &block.transactions {
            if let Err(error) = self.ask("eth_sendRawTransaction", json!([transaction.raw])).await {
                left_out.push(LeftOut { transaction: transaction.hash, why: format!("{error:#}") });
            }
        }
        self.ask("evm_mine", json!([])).await?;
        Ok(left_out)
    }

    /// The receipt of a transaction that was executed.
    ///
    /// # Errors
    /// The fork does not answer; the transaction is not in its block.
    pub async fn receipt(&self, hash: B256) -> Result<Receipt> {
        let receipt = self.endpoint.receipt(hash).await.wrap_err("the fork")?;
        match receipt {
            Some(receipt) => Ok(receipt),
            None => bail!("the fork did not mine {hash}"),
        }
    }

    async fn ask(&self, method: &'static str, parameters: Value) -> Result<Value> {
        self.provider.raw_request(method.into(), parameters).await.wrap_err(method)
    }
}

/// Where it listens, as it says itself.
async fn listening(child: &mut Child) -> Result<String> {
    let output = child.stdout.take().ok_or_else(|| eyre!("anvil says nothing"))?;
    let mut lines = BufReader::new(output).lines();
    while let Some(line) = lines.next_line().await.wrap_err("anvil")? {
        if let Some(address) = line.trim().strip_prefix("Listening on ") {
            // Somebody has to read what it goes on to say.
            tokio::spawn(drained(lines));
            return Ok(format!("http://{address}"));
        }
    }
    bail!("anvil ended before it listened: can it read the endpoint at that block?")
}

async fn drained(mut lines: Lines<BufReader<ChildStdout>>) {
    while let Ok(Some(_)) = lines.next_line().await {}
}
