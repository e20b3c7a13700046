//! Chainlink price feeds: the real FluxAggregator with one oracle, behind the real EACAggregatorProxy.

use alloy::{
    primitives::{Address, I256, U256},
    sol_types::SolValue,
};
use eyre::{Result, eyre};
use rust_decimal::Decimal;

use super::Deployer;
use crate::stage::{
    account::Actor,
    interfaces::IFluxAggregator,
    price::{FEED_DECIMALS, feed_answer},
};

/// One price feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feed {
    /// What readers ask.
    pub proxy: Address,
    /// What the oracle reports to.
    pub aggregator: Address,
}

/// Seconds after which an oracle may leave an unfinished round behind.
const ROUND_TIMEOUT: u32 = 1_800;

/// Creates a feed with 8 decimals and reports its first round.
///
/// # Errors
/// An artifact is missing, a transaction fails, or the price is out of range.
pub async fn feed(deployer: &mut Deployer<'_>, description: &str, price: Decimal) -> Result<Feed> {
    let link = Address::ZERO; // The oracle works for nothing, so no LINK is ever moved.
    let validator = Address::ZERO;
    let (lowest, highest) = (I256::ONE, I256::try_from(i128::MAX)?);
    let (payment, timeout, decimals) = (U256::ZERO, U256::from(ROUND_TIMEOUT), U256::from(FEED_DECIMALS));
    let arguments =
        (link, payment, timeout, validator, lowest, highest, decimals, description).abi_encode_params();
    let code = deployer.artifacts.chainlink("FluxAggregator")?.creation_code()?;
    let aggregator = deployer.create("FluxAggregator", code, &arguments).await?;
    let oracle = deployer.chain.address(Actor::Oracle)?;
    deployer
        .call(
            aggregator,
            &IFluxAggregator::changeOraclesCall {
                removed: vec![],
                added: vec![oracle],
                addedAdmins: vec![oracle],
                minSubmissions: 1,
                maxSubmissions: 1,
                restartDelay: 0,
            },
        )
        .await?;
    let code = deployer.artifacts.chainlink("EACAggregatorProxy")?.creation_code()?;
    let access_controller = Address::ZERO; // Anyone may read.
    let proxy = deployer
        .create("EACAggregatorProxy", code, &(aggregator, access_controller).abi_encode_params())
        .await?;
    let feed = Feed { proxy, aggregator };
    let mut oracle = Deployer::new(deployer.chain, deployer.artifacts, Actor::Oracle).await?;
    feed.report(&mut oracle, price).await?;
    Ok(feed)
}

impl Feed {
    /// Reports `price` as the next round, in a block of its own; `oracle` acts as [`Actor::Oracle`].
    ///
    /// # Errors
    /// The transaction fails or the price is out of range.
    pub async fn report(&self, oracle: &mut Deployer<'_>, price: Decimal) -> Result<()> {
        let submission = feed_answer(price).ok_or_else(|| eyre!("{price} is no answer of a feed"))?;
        let round = oracle.read(self.aggregator, &IFluxAggregator::latestRoundCall {}).await?;
        let next = round.checked_add(U256::ONE).ok_or_else(|| eyre!("rounds are used up"))?;
        oracle.call(self.aggregator, &IFluxAggregator::submitCall { roundId: next, submission }).await
    }
}
