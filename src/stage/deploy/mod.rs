//! Putting the contracts on the chain: tokens, Uniswap v3, Chainlink feeds, the vault, its option book.

pub mod chainlink;
pub mod options;
pub mod tokens;
pub mod uniswap;
pub mod uniswap_v2;
pub mod vault;

use alloy::{
    primitives::{Address, Bytes, TxKind},
    sol_types::SolCall,
};
use eyre::{Context, Result, eyre};

use super::{
    account::{Account, Actor, Call},
    artifacts::Artifacts,
    chain::{Chain, succeeded},
};

/// Gas limit of a creation: below the cap of 2²⁴ per transaction (EIP-7825).
const CREATION_GAS: u64 = 16_000_000;
/// Gas limit of a call while setting up.
const CALL_GAS: u64 = 8_000_000;

/// One account that creates and calls, one block per transaction, each a second after the one before.
#[derive(Debug)]
pub struct Deployer<'a> {
    /// The chain deployed to.
    pub chain: &'a Chain,
    /// Where bytecode comes from.
    pub artifacts: &'a Artifacts,
    account: Account,
}

impl<'a> Deployer<'a> {
    /// Deploys and calls as `actor`.
    ///
    /// # Errors
    /// The chain does not answer.
    pub async fn new(chain: &'a Chain, artifacts: &'a Artifacts, actor: Actor) -> Result<Self> {
        Ok(Self { chain, artifacts, account: chain.account(actor).await? })
    }

    /// The account's address.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.account.address()
    }

    /// Creates a contract from its creation code and encoded constructor arguments.
    ///
    /// # Errors
    /// The constructor reverts.
    pub async fn create(&mut self, what: &str, code: Bytes, arguments: &[u8]) -> Result<Address> {
        let input = [code.as_ref(), arguments].concat().into();
        let raw = self.account.sign(Call { to: TxKind::Create, input, gas: CREATION_GAS })?;
        let receipt = self.chain.execute(&raw).await.wrap_err_with(|| format!("create {what}"))?;
        succeeded(self.chain, &format!("creation of {what}"), &receipt).await?;
        receipt.contract_address.ok_or_else(|| eyre!("creation of {what} left no address"))
    }

    /// Creates one of our contracts, and before it every library it links.
    ///
    /// # Errors
    /// An artifact is missing or a constructor reverts.
    pub async fn create_ours(&mut self, name: &str, arguments: &[u8]) -> Result<Address> {
        let mut artifact = self.artifacts.ours(name)?;
        for library in artifact.libraries() {
            let code = self.artifacts.ours(&library)?.creation_code()?;
            let address = self.create(&library, code, &[]).await?;
            artifact = artifact.link(&library, address)?;
        }
        self.create(name, artifact.creation_code()?, arguments).await
    }

    /// Calls a contract.
    ///
    /// # Errors
    /// The call reverts; the message is the node's.
    pub async fn call<C: SolCall>(&mut self, to: Address, call: &C) -> Result<()> {
        let raw =
            self.account.sign(Call { to: to.into(), input: call.abi_encode().into(), gas: CALL_GAS })?;
        let receipt = self.chain.execute(&raw).await.wrap_err(C::SIGNATURE)?;
        succeeded(self.chain, C::SIGNATURE, &receipt).await
    }

    /// Reads from a contract at the latest block.
    ///
    /// # Errors
    /// The call reverts or answers with another shape.
    pub async fn read<C: SolCall>(&self, from: Address, call: &C) -> Result<C::Return> {
        self.chain.read(from, call).await
    }
}
