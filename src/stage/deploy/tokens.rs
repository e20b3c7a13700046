//! The two tokens, and Multicall3.

use alloy::{
    primitives::{Address, TxKind},
    providers::{MULTICALL3_ADDRESS, Provider, bindings::IMulticall3, ext::AnvilApi},
};
use eyre::{Context, Result, eyre};

use super::Deployer;
use crate::stage::price::Pair;

/// Decimals of the test stable, as USDC has.
pub const STABLE_DECIMALS: u8 = 6;
/// Decimals of WETH.
pub const RISKY_DECIMALS: u8 = 18;

/// The vault's asset and its risky token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// The vault's asset.
    pub stable: Address,
    /// WETH9.
    pub weth: Address,
    /// Which of the two has the lower address, and their decimals.
    pub pair: Pair,
}

/// Creates WETH9 and a stable with 6 decimals, the stable with the lower address if so told: nonces are used up
/// until the next creation has an address on the right side.
///
/// # Errors
/// An artifact is missing or a transaction fails.
pub async fn tokens(deployer: &mut Deployer<'_>, stable_is_token0: bool) -> Result<Tokens> {
    let weth = deployer.artifacts.package("@uniswap/v2-periphery/build/WETH9.json")?.creation_code()?;
    let weth = deployer.create("WETH9", weth, &[]).await?;
    while (deployer.account.address().create(deployer.account.nonce()) < weth) != stable_is_token0 {
        deployer.skip_nonce().await?;
    }
    let stable = deployer.artifacts.ours("TestStable")?.creation_code()?;
    let stable = deployer.create("TestStable", stable, &[]).await?;
    let pair = Pair { stable_is_token0, stable_decimals: STABLE_DECIMALS, risky_decimals: RISKY_DECIMALS };
    Ok(Tokens { stable, weth, pair })
}

/// Puts Multicall3 at the address it has everywhere.
///
/// # Errors
/// The chain does not answer.
pub async fn multicall3(deployer: &Deployer<'_>) -> Result<Address> {
    let provider = deployer.chain.provider();
    let creation = alloy::rpc::types::TransactionRequest { to: Some(TxKind::Create), ..Default::default() }
        .input(IMulticall3::BYTECODE.clone().into());
    let code = provider.call(creation).await.wrap_err("run the creation code of Multicall3")?;
    if code.is_empty() {
        return Err(eyre!("the creation code of Multicall3 left no code"));
    }
    provider.anvil_set_code(MULTICALL3_ADDRESS, code).await.wrap_err("put Multicall3 in its place")?;
    Ok(MULTICALL3_ADDRESS)
}

impl Deployer<'_> {
    async fn skip_nonce(&mut self) -> Result<()> {
        let to = self.account.address().into();
        let raw =
            self.account.sign(crate::stage::account::Call { to, input: Default::default(), gas: 21_000 })?;
        self.chain.execute(&raw).await.map(drop)
    }
}
