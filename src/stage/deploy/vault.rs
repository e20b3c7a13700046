//! The vault: its contracts, its pools, its first deposit.

use alloy::{
    primitives::{Address, B256, U256},
    sol_types::SolValue,
};
use eyre::Result;

use super::Deployer;
use crate::{
    protocols::abi::RebalancingVault::{self, Amounts, FloorKind, Parameters, Shares, Times},
    stage::{
        account::Actor,
        interfaces::{IERC20, IERC4626, IVaultOwner},
    },
};

/// What a vault is made of, its roles apart: they are those of [`Actor`].
#[derive(Clone, Debug)]
pub struct VaultPlan {
    /// The vault's asset.
    pub asset: Address,
    /// Its risky token, the wrapped native coin.
    pub risky: Address,
    /// Proxy of the risky/USD feed.
    pub risky_feed: Address,
    /// Proxy of the asset/USD feed.
    pub asset_feed: Address,
    /// The factory of the pools.
    pub uniswap_factory: Address,
    /// Uniswap v3 pools it may trade on.
    pub pools: Vec<Address>,
    /// Hash of the policy its owner approves.
    pub policy_hash: B256,
    /// Its parameters to begin with.
    pub parameters: Parameters,
}

/// A vault that stands on a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vault {
    /// The vault.
    pub address: Address,
    /// The adapter through which it trades on Uniswap v3.
    pub uniswap_v3_venue: Address,
}

/// Creates the venue and the vault as the vault's owner, then allows its pools.
///
/// # Errors
/// An artifact is missing or a transaction fails.
pub async fn vault(owner: &mut Deployer<'_>, plan: &VaultPlan) -> Result<Vault> {
    let venue = owner.create_ours("UniswapV3Venue", &plan.uniswap_factory.abi_encode()).await?;
    let deployment = deployment(owner, plan)?.abi_encode();
    let address = owner.create_ours("RebalancingVault", &deployment).await?;
    for &pool in &plan.pools {
        owner.call(address, &IVaultOwner::allowPoolCall { pool, venue }).await?;
    }
    Ok(Vault { address, uniswap_v3_venue: venue })
}

fn deployment(owner: &Deployer<'_>, plan: &VaultPlan) -> Result<RebalancingVault::Deployment> {
    Ok(RebalancingVault::Deployment {
        name: "Vault Share".to_owned(),
        symbol: "VS".to_owned(),
        asset: plan.asset,
        risky: plan.risky,
        riskyFeed: plan.risky_feed,
        assetFeed: plan.asset_feed,
        sequencerUptimeFeed: Address::ZERO,
        riskyIsNative: true,
        owner: owner.address(),
        keeper: owner.chain.address(Actor::Keeper)?,
        guardian: owner.chain.address(Actor::Guardian)?,
        policyHash: plan.policy_hash,
        parameters: plan.parameters.clone(),
    })
}

impl Vault {
    /// Gives [`Actor::Depositor`] `assets` raw units of the asset and deposits them.
    ///
    /// # Errors
    /// The vault refuses the deposit.
    pub async fn deposit(&self, depositor: &mut Deployer<'_>, asset: Address, assets: U256) -> Result<()> {
        let receiver = depositor.address();
        depositor.chain.deal(asset, receiver, assets).await?;
        depositor.call(asset, &IERC20::approveCall { spender: self.address, amount: assets }).await?;
        depositor.call(self.address, &IERC4626::depositCall { assets, receiver }).await
    }
}

/// Parameters that go with the default policy: a floor of 80 % of the first NAV per share, multiplier 3 (so that
/// the bound of 5 leaves room for what happens between two blocks), and Chainlink's heartbeats on mainnet.
#[must_use]
pub fn default_parameters() -> Parameters {
    const WAD: u128 = 1_000_000_000_000_000_000;
    let amounts = Amounts {
        minPrice: WAD,
        maxPrice: WAD.saturating_mul(1_000_000),
        rewardCap: 100_000_000,
        rebateCap: 0,
        accrualRate: 0,
    };
    let times = Times {
        riskyHeartbeat: 3_600,
        riskyHeartbeatMargin: 900,
        assetHeartbeat: 86_400,
        assetHeartbeatMargin: 3_600,
        sequencerGrace: 0,
        cooldown: 300,
        twapWindow: 1_800,
        deleverageGrace: 3_600,
        deleverageWidening: 3_600,
        pokeInterval: 3_600,
        pauseDuration: 86_400,
        maxDecisionAge: 50,
    };
    let shares = Shares {
        turnoverCapBps: 50_000,
        boundBps: 50_000,
        pegBoundBps: 200,
        feedDeviationBps: 75,
        maxTradeBps: 10_000,
        slippageBps: 100,
        degradedSlippageBps: 500,
        navLossBps: 100,
        capBps: 10_000,
        entryFeeBps: 10,
        exitFeeBps: 10,
        deleverageStartSlippageBps: 100,
        deleverageMaxSlippageBps: 500,
        rewardBps: 20,
        initialFloorBps: 8_000,
        ratchetShareBps: 0,
    };
    Parameters { amounts, times, shares, floorKind: FloorKind::Fixed }
}
