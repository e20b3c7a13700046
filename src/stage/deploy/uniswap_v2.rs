//! Uniswap v2: the published factory and a pair with reserves on both sides of a price.

use alloy::primitives::{Address, U256};
use alloy::sol_types::SolValue;
use eyre::{Result, eyre};
use rust_decimal::Decimal;

use super::Deployer;
use super::tokens::{RISKY_DECIMALS, Tokens};
use crate::stage::interfaces::{IERC20, IUniswapV2Factory, IUniswapV2Pair};
use crate::stage::price::raw_units;

/// A pair and the factory it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// UniswapV2Factory.
    pub factory: Address,
    /// The pair.
    pub address: Address,
}

/// Creates the factory and a pair of the two tokens that `provider` fills with `risky` whole tokens and as much of the
/// stable as `price` (stable per risky) asks for.
///
/// # Errors
/// An artifact is missing, an amount does not fit or a transaction fails.
pub async fn pair(
    provider: &mut Deployer<'_>,
    tokens: &Tokens,
    price: Decimal,
    risky: Decimal,
) -> Result<Pair> {
    let code = provider.artifacts.package("@uniswap/v2-core/build/UniswapV2Factory.json")?.creation_code()?;
    let factory = provider.create("UniswapV2Factory", code, &provider.address().abi_encode()).await?;
    let (token0, token1) = tokens.sorted();
    provider.call(factory, &IUniswapV2Factory::createPairCall { tokenA: token0, tokenB: token1 }).await?;
    let lookup = IUniswapV2Factory::getPairCall { tokenA: token0, tokenB: token1 };
    let address = provider.read(factory, &lookup).await?;
    let stable = risky.checked_mul(price).ok_or_else(|| eyre!("no reserves of {risky} at {price}"))?;
    let sides = [(tokens.stable, stable, tokens.pair.stable_decimals), (tokens.weth, risky, RISKY_DECIMALS)];
    for (token, whole, decimals) in sides {
        let amount: U256 = raw_units(whole, decimals).ok_or_else(|| eyre!("no reserve of {whole}"))?;
        provider.chain.deal(token, provider.address(), amount).await?;
        provider.call(token, &IERC20::transferCall { to: address, amount }).await?;
    }
    provider.call(address, &IUniswapV2Pair::mintCall { to: provider.address() }).await?;
    Ok(Pair { factory, address })
}
