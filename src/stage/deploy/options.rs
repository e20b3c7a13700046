//! The option book: its contract, a volatility feed, positions from the offer to the settlement.

use alloy::{
    primitives::{Address, I256, U256, aliases::U80, keccak256},
    sol_types::SolValue,
};
use eyre::{Result, ensure, eyre};

use super::Deployer;
use crate::{
    protocols::abi::{AggregatorV3, IOptionBook, OptionBook},
    stage::{
        Stage,
        account::Actor,
        interfaces::{IERC20, IVaultOwner},
    },
};

/// Age in seconds up to which the book believes the feed at an expiry: the heartbeat of ETH/USD, and a margin.
const MAX_AGE: u32 = 4_500;

/// States of a position, in the order of `IOptionBook.Status`.
const NONE: u8 = 0;
const CLOSED: u8 = 4;

/// What a position is on; the vault deals with [`Actor::Stranger`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Call or put.
    pub is_call: bool,
    /// Where the payoff begins, whole asset per whole risky, 18 decimals.
    pub strike: U256,
    /// Where it stops growing, likewise.
    pub limit: U256,
    /// Raw units of the risky asset, negative where the vault writes it.
    pub size: I256,
    /// What the long side pays the short side, raw units of the asset.
    pub premium: U256,
    /// Unix seconds.
    pub expiry: u64,
}

/// Creates the reference book for the stage's tokens and its risky/USD feed.
///
/// # Errors
/// The artifact is missing or a transaction fails.
pub async fn book(stage: &Stage) -> Result<Address> {
    let (tokens, feed) = (&stage.venue.tokens, stage.venue.risky_usd.proxy);
    let arguments = (tokens.stable, tokens.weth, feed, U256::from(MAX_AGE)).abi_encode();
    stage.act_as(Actor::Owner).await?.create_ours("OptionBook", &arguments).await
}

/// Creates a volatility feed that answers what anyone sets.
///
/// # Errors
/// The artifact is missing or a transaction fails.
pub async fn volatility_feed(stage: &Stage) -> Result<Address> {
    stage.act_as(Actor::Owner).await?.create_ours("TestVolatilityFeed", &[]).await
}

/// Lets the owner of `vault` name the book.
///
/// # Errors
/// The vault refuses it.
pub async fn name_book(stage: &Stage, vault: Address, book: Address) -> Result<()> {
    stage.act_as(Actor::Owner).await?.call(vault, &IVaultOwner::setOptionBookCall { book }).await
}

/// Offers a position to `vault` as [`Actor::Stranger`] and opens it as its owner; returns its number.
///
/// # Errors
/// The book or the vault refuses it.
pub async fn open(stage: &Stage, vault: Address, book: Address, position: &Position) -> Result<u64> {
    let mut maker = stage.act_as(Actor::Stranger).await?;
    let terms = terms(&maker, vault, position).await?;
    let id = next(&maker, book).await?;
    let (asset, most) = (stage.venue.tokens.stable, collateral(position));
    maker.chain.deal(asset, maker.address(), most).await?;
    maker.call(asset, &IERC20::approveCall { spender: book, amount: most }).await?;
    maker.call(book, &OptionBook::offerCall { terms: terms.clone() }).await?;
    let agreed = keccak256(terms.abi_encode());
    let call = IVaultOwner::openOptionCall { id, terms: agreed, maxCost: most };
    stage.act_as(Actor::Owner).await?.call(vault, &call).await?;
    Ok(id)
}

/// Settles a position as [`Actor::Stranger`], at the last round that began at or before its expiry.
///
/// # Errors
/// The feed has no such round, or the book refuses it.
pub async fn settle(stage: &Stage, book: Address, id: u64) -> Result<()> {
    let mut anyone = stage.act_as(Actor::Stranger).await?;
    let expiry = anyone.read(book, &OptionBook::positionCall { id }).await?.terms.expiry;
    let feed = stage.venue.risky_usd.proxy;
    let mut round = anyone.read(feed, &AggregatorV3::latestRoundDataCall {}).await?.id;
    let one = U80::from(1);
    while anyone.read(feed, &AggregatorV3::getRoundDataCall { roundId: round }).await?.updatedAt
        > U256::from(expiry)
    {
        round = round.checked_sub(one).ok_or_else(|| eyre!("no round before {expiry}"))?;
    }
    anyone.call(book, &OptionBook::settleCall { id, roundId: round }).await?;
    let status = anyone.read(book, &OptionBook::positionCall { id }).await?.status;
    ensure!(status == CLOSED, "the vault did not take what position {id} paid");
    Ok(())
}

async fn terms(maker: &Deployer<'_>, vault: Address, position: &Position) -> Result<IOptionBook::Terms> {
    let (now, _) = maker.chain.head().await?;
    Ok(IOptionBook::Terms {
        vault,
        counterparty: maker.address(),
        isCall: position.is_call,
        strike: position.strike,
        limit: position.limit,
        size: position.size,
        premium: position.premium,
        expiry: position.expiry,
        validUntil: now.saturating_add(3_600),
    })
}

/// The number of the next offer.
async fn next(maker: &Deployer<'_>, book: Address) -> Result<u64> {
    let mut id = 1_u64;
    while maker.read(book, &OptionBook::positionCall { id }).await?.status != NONE {
        id = id.saturating_add(1);
    }
    Ok(id)
}

/// At least what either side has to pay: the stage's stable has 6 decimals, its risky token 18.
fn collateral(position: &Position) -> U256 {
    let width = position.limit.abs_diff(position.strike);
    let scale = U256::from(10).saturating_pow(U256::from(30));
    let owed = position.size.unsigned_abs().saturating_mul(width).checked_div(scale).unwrap_or_default();
    owed.saturating_add(U256::ONE)
}
