//! A local chain with real contracts and a market driven through it: the stage on which `keeper demo` and the
//! end-to-end tests let the keeper act.
//!
//! The chain is anvil, the contracts are the published Uniswap v3, WETH9 and Chainlink ones, read from the npm
//! packages and the compiler's output at run time. Every block's timestamp and base fee is given, every key is a
//! known development key, so one set of inputs gives one chain.

pub mod account;
pub mod artifacts;
pub mod chain;
pub mod deploy;
pub mod interfaces;
pub mod market;
pub mod path;
pub mod price;
pub mod slice;

use alloy::primitives::{Address, B256, U256};
use eyre::{Result, eyre};
use rust_decimal::Decimal;

use account::Actor;
use artifacts::Artifacts;
use chain::{Chain, Genesis};
use deploy::{
    Deployer,
    chainlink::feed,
    tokens::{multicall3, tokens},
    uniswap::{PoolPlan, ladder, pool, uniswap},
    vault::{Vault, VaultPlan, default_parameters, vault},
};
use market::{Market, Venue};

/// Seconds that setting the stage takes at most, one block each: begin that long before the path does.
pub const SETTING_SECONDS: u64 = 600;

/// What the stage is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct StagePlan {
    /// Unix seconds of the first block, at least [`SETTING_SECONDS`] before the market's first step.
    pub timestamp: u64,
    /// Whether the stable has the lower address, which turns the pool's price upside down.
    pub stable_is_token0: bool,
    /// First price of the risky asset in USD.
    pub price: Decimal,
    /// Fee of the pool in hundredths of a basis point: 500 is 0.05 %.
    pub fee: u32,
    /// Stable that moves the pool up by 1 % at the first price, in whole tokens.
    pub depth: Decimal,
    /// Whether earlier states stay readable, at about 0.8 MB of disk per block beyond 500.
    pub history: bool,
}

impl StagePlan {
    /// A pool as deep as mainnet's USDC/WETH 0.05 % pool at times, 10 million USD for 1 %, ready for a market that
    /// begins at `first_step` (unix seconds) and `price` (USD).
    #[must_use]
    pub fn new(first_step: u64, price: Decimal) -> Self {
        Self {
            timestamp: first_step.saturating_sub(SETTING_SECONDS),
            stable_is_token0: true,
            price,
            fee: 500,
            depth: Decimal::from(10_000_000),
            history: false,
        }
    }
}

/// A chain on which a pool and its feeds stand.
#[derive(Debug)]
pub struct Stage {
    /// The chain.
    pub chain: Chain,
    /// Where bytecode comes from.
    pub artifacts: Artifacts,
    /// Tokens, pool and feeds.
    pub venue: Venue,
    /// Multicall3.
    pub multicall3: Address,
}

impl Stage {
    /// Starts the chain and deploys all that a vault needs.
    ///
    /// # Errors
    /// anvil or an artifact is missing, or a transaction fails.
    pub async fn set(artifacts: Artifacts, plan: &StagePlan) -> Result<Self> {
        let genesis = Genesis { history: plan.history, ..Genesis::empty(plan.timestamp) };
        let chain = Chain::start(&artifacts, &genesis).await?;
        let (venue, multicall3) = deploy_all(&chain, &artifacts, plan).await?;
        Ok(Self { chain, artifacts, venue, multicall3 })
    }

    /// The market of this stage.
    ///
    /// # Errors
    /// The chain does not answer.
    pub async fn market(&self) -> Result<Market<'_>> {
        Market::open(&self.chain, self.venue).await
    }

    /// Acts as `actor`, one block per transaction.
    ///
    /// # Errors
    /// The chain does not answer.
    pub async fn act_as(&self, actor: Actor) -> Result<Deployer<'_>> {
        Deployer::new(&self.chain, &self.artifacts, actor).await
    }

    /// What a vault on this stage is made of, with the default parameters.
    #[must_use]
    pub fn vault_plan(&self, policy_hash: B256) -> VaultPlan {
        VaultPlan {
            asset: self.venue.tokens.stable,
            risky: self.venue.tokens.weth,
            risky_feed: self.venue.risky_usd.proxy,
            asset_feed: self.venue.stable_usd.proxy,
            uniswap_factory: self.venue.uniswap.factory,
            pools: vec![self.venue.pool.address],
            policy_hash,
            parameters: default_parameters(),
        }
    }

    /// Lets the owner name another keeper of `vault`.
    ///
    /// # Errors
    /// The transaction fails.
    pub async fn appoint(&self, vault: Address, keeper: Address) -> Result<()> {
        self.act_as(Actor::Owner).await?.call(vault, &interfaces::IVaultOwner::setKeeperCall { keeper }).await
    }

    /// Creates a vault and makes its first deposit of `assets` whole tokens.
    ///
    /// # Errors
    /// A transaction fails, or the amount is negative.
    pub async fn vault(&self, plan: &VaultPlan, assets: Decimal) -> Result<Vault> {
        let vault = vault(&mut self.act_as(Actor::Owner).await?, plan).await?;
        let decimals = self.venue.tokens.pair.stable_decimals;
        let amount: U256 =
            price::raw_units(assets, decimals).ok_or_else(|| eyre!("no deposit of {assets}"))?;
        vault.deposit(&mut self.act_as(Actor::Depositor).await?, plan.asset, amount).await?;
        Ok(vault)
    }
}

async fn deploy_all(chain: &Chain, artifacts: &Artifacts, plan: &StagePlan) -> Result<(Venue, Address)> {
    let mut owner = Deployer::new(chain, artifacts, Actor::Owner).await?;
    let multicall3 = multicall3(&owner).await?;
    let tokens = tokens(&mut owner, plan.stable_is_token0).await?;
    let uniswap = uniswap(&mut owner, tokens.weth).await?;
    let risky_usd = feed(&mut owner, "ETH / USD", plan.price).await?;
    let stable_usd = feed(&mut owner, "USDS / USD", Decimal::ONE).await?;
    let mut provider = Deployer::new(chain, artifacts, Actor::LiquidityProvider).await?;
    let pool_plan = PoolPlan {
        fee: plan.fee,
        price: plan.price,
        ranges: ladder(plan.price, plan.depth),
        observations: 200,
    };
    let pool = pool(&mut provider, &uniswap, &tokens, &pool_plan).await?;
    Ok((Venue { tokens, uniswap, pool, risky_usd, stable_usd }, multicall3))
}
