//! The market: each step an arbitrageur swaps the pool to the market's price and an oracle updates the feeds.
//!
//! The pool is brought to the market's price exactly (not merely to within its fee, where a real arbitrageur
//! would stop), so that what the keeper pays is the pool's fee and price impact, and nothing that depends on the
//! way the price came. The feeds report like Chainlink's: the price of the moment when it deviates enough from the
//! last answer, or when the heartbeat is over; between two reports the last answer stands.

use alloy::{
    primitives::{
        Address, Bytes, U256,
        aliases::{U24, U160},
    },
    sol_types::SolCall,
};
use eyre::{Context, Result, bail, eyre};
use rust_decimal::Decimal;
use serde_json::json;

use crate::protocols::abi::AggregatorV3;

use super::{
    account::{Account, Actor, Call},
    chain::Chain,
    deploy::{
        chainlink::Feed,
        tokens::Tokens,
        uniswap::{Pool, Uniswap},
    },
    interfaces::{IERC20, IFluxAggregator, ISwapRouter, IUniswapV3Pool},
    path::Tick,
    price::feed_answer,
};

/// Gas limit of a swap that may cross many ticks.
const SWAP_GAS: u64 = 5_000_000;
/// Gas limit of a report.
const REPORT_GAS: u64 = 400_000;

/// When a feed reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedRule {
    /// Relative deviation from the last answer that calls for a report.
    pub deviation: Decimal,
    /// Seconds after which it reports in any case.
    pub heartbeat: u64,
}

impl FeedRule {
    /// Chainlink's ETH/USD on mainnet: 0.5 % or one hour.
    pub const ETH_USD: Self = Self { deviation: Decimal::from_parts(5, 0, 0, false, 3), heartbeat: 3_600 };
    /// Chainlink's USDC/USD on mainnet: 0.25 % or one day.
    pub const STABLE_USD: Self =
        Self { deviation: Decimal::from_parts(25, 0, 0, false, 4), heartbeat: 86_400 };
}

/// What the market is made of.
#[derive(Clone, Copy, Debug)]
pub struct Venue {
    /// The two tokens.
    pub tokens: Tokens,
    /// The router the arbitrageur uses.
    pub uniswap: Uniswap,
    /// The pool it keeps at the market's price.
    pub pool: Pool,
    /// Risky in USD.
    pub risky_usd: Feed,
    /// Stable in USD.
    pub stable_usd: Feed,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The pool's price after the block, `√(token1/token0)·2⁹⁶`.
    pub sqrt_price_x96: U160,
    /// Whether the arbitrageur had to swap.
    pub swapped: bool,
    /// Whether the risky asset's feed reported.
    pub risky_reported: bool,
}

/// The market, to be driven block by block.
#[derive(Debug)]
pub struct Market<'a> {
    chain: &'a Chain,
    venue: Venue,
    arbitrageur: Account,
    oracle: Account,
    risky: Reporter,
    stable: Reporter,
    stable_price: Decimal,
    reporting: bool,
}

impl<'a> Market<'a> {
    /// A market on `venue`; gives the arbitrageur deep balances and approvals.
    ///
    /// # Errors
    /// The chain does not answer or a contract is not what it should be.
    pub async fn open(chain: &'a Chain, venue: Venue) -> Result<Self> {
        let mut arbitrageur = chain.account(Actor::Arbitrageur).await?;
        for token in [venue.tokens.stable, venue.tokens.weth] {
            chain.deal(token, arbitrageur.address(), U256::from(u128::MAX)).await?;
            let approve = IERC20::approveCall { spender: venue.uniswap.router, amount: U256::MAX };
            let raw = arbitrageur.sign(call(token, &approve, REPORT_GAS))?;
            let receipt = chain.execute(&raw).await?;
            super::chain::succeeded(chain, "approval of the router", &receipt).await?;
        }
        Ok(Self {
            chain,
            venue,
            arbitrageur,
            oracle: chain.account(Actor::Oracle).await?,
            risky: Reporter::new(chain, venue.risky_usd, FeedRule::ETH_USD).await?,
            stable: Reporter::new(chain, venue.stable_usd, FeedRule::STABLE_USD).await?,
            stable_price: Decimal::ONE,
            reporting: true,
        })
    }

    /// Lets the feeds fall silent, as when their oracles are down, or report again.
    pub const fn set_reporting(&mut self, reporting: bool) {
        self.reporting = reporting;
    }

    /// Sets the stable's price in USD from the next step on; it begins at 1.
    pub const fn set_stable_price(&mut self, usd: Decimal) {
        self.stable_price = usd;
    }

    /// Mines one block at the tick's time and base fee, after which the pool stands exactly at the tick's price
    /// and the feeds have reported if they had to. Transactions already waiting come first in the block.
    ///
    /// # Errors
    /// The tick is not after the head, its price is out of range, or the pool did not reach it.
    pub async fn step(&mut self, tick: Tick) -> Result<Step> {
        let target = self.target(tick.price)?;
        self.chain.set_next(tick.timestamp, tick.base_fee).await?;
        let mut sends = Vec::with_capacity(3);
        let (risky_report, stable_report) = self.reports(tick)?;
        let risky_reported = risky_report.is_some();
        for report in [risky_report, stable_report].into_iter().flatten() {
            sends.push(self.oracle.sign(report)?);
        }
        let swap = self.swap(self.sqrt_price("pending").await?, target);
        let swapped = swap.is_some();
        if let Some(swap) = swap {
            sends.push(self.arbitrageur.sign(swap)?);
        }
        if !sends.is_empty() {
            let sends = sends.iter().map(|raw| ("eth_sendRawTransaction", json!([raw])));
            self.chain.batch(sends.collect()).await.wrap_err("send the market's transactions")?;
        }
        self.chain.mine_next().await?;
        let reached = self.sqrt_price("latest").await?;
        if reached != target {
            bail!("the pool stands at {reached} instead of {target} at timestamp {}", tick.timestamp);
        }
        Ok(Step { sqrt_price_x96: reached, swapped, risky_reported })
    }

    /// The pool's price for a price of the risky asset in USD.
    fn target(&self, price: Decimal) -> Result<U160> {
        let in_stable = price.checked_div(self.stable_price);
        in_stable
            .and_then(|price| self.venue.tokens.pair.sqrt_price_x96(price))
            .ok_or_else(|| eyre!("no pool price for {price} USD"))
    }

    fn reports(&mut self, tick: Tick) -> Result<(Option<Call>, Option<Call>)> {
        if !self.reporting {
            return Ok((None, None));
        }
        let stable_price = self.stable_price;
        Ok((
            self.risky.report(tick.price, tick.timestamp)?,
            self.stable.report(stable_price, tick.timestamp)?,
        ))
    }

    async fn sqrt_price(&self, block: &str) -> Result<U160> {
        let input = Bytes::from(IUniswapV3Pool::slot0Call {}.abi_encode());
        let request = json!([{ "to": self.venue.pool.address, "input": input }, block]);
        let answers = self.chain.batch(vec![("eth_call", request)]).await.wrap_err("read the pool")?;
        let answer = answers.into_iter().next().ok_or_else(|| eyre!("the pool gave no answer"))?;
        let bytes: Bytes = serde_json::from_value(answer).wrap_err("answer of the pool")?;
        Ok(IUniswapV3Pool::slot0Call::abi_decode_returns(&bytes).wrap_err("answer of the pool")?.sqrtPriceX96)
    }

    /// The swap that takes the pool from `current` to `target` and stops there; `None` when it is there.
    fn swap(&self, current: U160, target: U160) -> Option<Call> {
        let (token0, token1) = self.venue.tokens.sorted();
        let (token_in, token_out) = match target.cmp(&current) {
            std::cmp::Ordering::Less => (token0, token1),
            std::cmp::Ordering::Equal => return None,
            std::cmp::Ordering::Greater => (token1, token0),
        };
        let params = ISwapRouter::ExactInputSingleParams {
            tokenIn: token_in,
            tokenOut: token_out,
            fee: U24::from(self.venue.pool.fee),
            recipient: self.arbitrageur.address(),
            deadline: U256::MAX,
            amountIn: U256::from(u128::MAX >> 1),
            amountOutMinimum: U256::ZERO,
            sqrtPriceLimitX96: target,
        };
        Some(call(self.venue.uniswap.router, &ISwapRouter::exactInputSingleCall { params }, SWAP_GAS))
    }
}

/// The oracle's view of one feed.
#[derive(Debug)]
struct Reporter {
    aggregator: Address,
    rule: FeedRule,
    round: U256,
    answer: Decimal,
    updated_at: u64,
}

impl Reporter {
    async fn new(chain: &Chain, feed: Feed, rule: FeedRule) -> Result<Self> {
        let round = chain.read(feed.aggregator, &IFluxAggregator::latestRoundCall {}).await?;
        let data = chain.read(feed.proxy, &AggregatorV3::latestRoundDataCall {}).await?;
        Ok(Self {
            aggregator: feed.aggregator,
            rule,
            round,
            answer: Decimal::try_from_i128_with_scale(i128::try_from(data.answer)?, 8)?,
            updated_at: data.updatedAt.to(),
        })
    }

    /// The report that is due at `timestamp`, if one is.
    fn report(&mut self, price: Decimal, timestamp: u64) -> Result<Option<Call>> {
        let over = timestamp.saturating_sub(self.updated_at) >= self.rule.heartbeat;
        let deviation = price.checked_sub(self.answer).and_then(|moved| moved.abs().checked_div(self.answer));
        if !over && deviation.is_some_and(|deviation| deviation < self.rule.deviation) {
            return Ok(None);
        }
        let submission = feed_answer(price).ok_or_else(|| eyre!("{price} is no answer of a feed"))?;
        self.round = self.round.checked_add(U256::ONE).ok_or_else(|| eyre!("rounds are used up"))?;
        (self.answer, self.updated_at) = (price, timestamp);
        let submit = IFluxAggregator::submitCall { roundId: self.round, submission };
        Ok(Some(call(self.aggregator, &submit, REPORT_GAS)))
    }
}

fn call<C: SolCall>(to: Address, call: &C, gas: u64) -> Call {
    Call { to: to.into(), input: call.abi_encode().into(), gas }
}
