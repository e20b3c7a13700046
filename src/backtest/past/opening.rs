//! What a vault begins with: made up of nothing but asset, or as it stands on its chain.

use alloy::primitives::{Address, B256, U256};
use rust_decimal::Decimal;

use super::moment::Moment;
use super::oracle;
use super::pair::Pair;
use super::pools::Pools;
use super::protection::{Floor, Turnover};
use super::setting::Setting;
use crate::backtest::BacktestError;
use crate::backtest::ledger::{ASSET_DECIMALS, RISKY_DECIMALS};
use crate::backtest::market::{ASSET, FEED_DECIMALS, RISKY, feed};
use crate::domain::policy::{Policy, PublishedPolicy, Source};
use crate::domain::snapshot::{AllowedPool, Block, Feed, Feeds, Guards, OptionBook, Snapshot, Token, Vault};
use crate::domain::units::{to_raw, to_real};
use crate::domain::valuation::{RawPrice, last_price};
use crate::stage::deploy::vault::default_parameters;

/// What is walked from.
#[derive(Debug, Clone, Copy)]
pub enum Start<'a> {
    /// A vault that is made up: so many units of the asset, one share each, with the bounds that a vault has by default.
    Capital(Decimal),
    /// A vault as it stands, at the time of its block.
    Vault(Standing<'a>),
}

/// A vault as it stands, with what its snapshot has no room for. Where its price and time are those of the first tick, the first
/// decision is that on the snapshot itself.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// The facts. Pools have to be known as far as the price goes.
    pub snapshot: &'a Snapshot,
    /// Cap of the turnover of a day, basis points of net asset value.
    pub turnover_cap_bps: u32,
    /// Seconds between two sights of a peak.
    pub poke_interval: u64,
}

impl<'a> Standing<'a> {
    /// With the parameters that a vault is deployed with by default.
    #[must_use]
    pub fn of(snapshot: &'a Snapshot) -> Self {
        let parameters = default_parameters();
        Self {
            snapshot,
            turnover_cap_bps: parameters.shares.turnoverCapBps,
            poke_interval: parameters.times.pokeInterval.into(),
        }
    }

    /// Price of one risky unit in units of the asset, by the last answers of the feeds.
    ///
    /// # Errors
    /// [`BacktestError::Number`] where a feed never answered.
    pub fn price(&self) -> Result<Decimal, BacktestError> {
        Ok(last_price(&self.snapshot.feeds)?.get())
    }
}

/// The parts of a world at its first moment.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) snapshot: Snapshot,
    pub(super) pools: Pools,
    pub(super) floor: Floor,
    pub(super) turnover: Turnover,
    /// Rounds that the feed's history keeps.
    pub(super) rounds: usize,
}

impl Opening {
    /// A vault with `capital` units of the asset and nothing else.
    ///
    /// # Errors
    /// [`BacktestError::Number`] out of range; [`BacktestError::Priceless`].
    pub(super) fn made_up(
        setting: &Setting,
        published: &PublishedPolicy,
        capital: Decimal,
        first: &Moment,
    ) -> Result<Self, BacktestError> {
        let policy = published.policy();
        let mut vault = vault(published, to_raw(capital, ASSET_DECIMALS)?);
        let start = (to_real(first.price), first.time);
        let (pools, states) = Pools::made_up(setting.pools.clone(), Pair::of(&vault), policy, start)?;
        let rounds = policy.volatility.estimator.history().map_or(0, |history| history.rounds);
        let rounds = usize::try_from(rounds).unwrap_or(usize::MAX);
        let parameters = default_parameters();
        let floor = Floor::begin(policy.floor, parameters.times.pokeInterval.into(), first.time)?;
        let turnover = Turnover::new(parameters.shares.turnoverCapBps.into(), first.time);
        vault.floor = floor.of(vault.total_supply, first.time)?;
        vault.guards.turnover_left = turnover.left(vault.asset_holdings, first.time);
        let block = Block {
            chain_id: policy.chain_id,
            number: 1,
            hash: B256::ZERO,
            timestamp: first.time,
            next_base_fee: first.base_fee,
        };
        let mut feeds = feeds(setting, policy, first.time)?;
        setting.opens_at(first.time)?;
        oracle::watch(&mut feeds.risky_usd, &setting.feed, (first.price, first.time), rounds)?;
        let options = policy.option_book().map(|address| OptionBook { address, legs: Vec::new() });
        let snapshot = Snapshot { block, vault, feeds, pools: states, options, rollup: None };
        Ok(Self { snapshot, pools, floor, turnover, rounds })
    }

    /// A vault as it stands.
    ///
    /// # Errors
    /// [`BacktestError::Number`] out of range.
    pub(super) fn standing(
        setting: &Setting,
        published: &PublishedPolicy,
        standing: &Standing<'_>,
    ) -> Result<Self, BacktestError> {
        let Standing { snapshot, turnover_cap_bps, poke_interval } = *standing;
        let (vault, time) = (&snapshot.vault, snapshot.block.timestamp);
        let exposure = RawPrice::new(last_price(&snapshot.feeds)?, vault)?.to_asset(vault.risky_holdings)?;
        let nav = vault.asset_holdings.saturating_add(exposure);
        let volatility = &published.policy().volatility;
        let rounds = match volatility.source {
            Source::Feed => volatility.estimator.history().map_or(0, |history| history.rounds),
            Source::Pool { .. } => 0,
        };
        Ok(Self {
            pools: Pools::standing(&setting.pools, Pair::of(vault), &snapshot.pools, time),
            floor: Floor::standing(vault, nav, poke_interval, time)?,
            turnover: Turnover::standing(vault.guards.turnover_left, nav, turnover_cap_bps.into(), time),
            rounds: usize::try_from(rounds).unwrap_or(usize::MAX),
            snapshot: snapshot.clone(),
        })
    }
}

/// Feeds of which that of the risky asset never reported.
fn feeds(setting: &Setting, policy: &Policy, time: u64) -> Result<Feeds, BacktestError> {
    let fresh = |mut feed: Feed, price: Decimal| {
        let answer = to_raw(price, FEED_DECIMALS)?;
        if let Some(round) = &mut feed.latest {
            round.answer = answer.try_into().map_err(|_| BacktestError::Number("a price"))?;
            round.updated_at = time;
        }
        Ok::<_, BacktestError>(feed)
    };
    let mut risky_usd = feed(&policy.feeds.risky_usd, 1)?;
    risky_usd.latest = None;
    let native = policy.feeds.native_usd.as_ref();
    let native = native.map(|native| fresh(feed(native, 1)?, setting.gas.native_usd));
    Ok(Feeds {
        risky_usd,
        asset_usd: fresh(feed(&policy.feeds.asset_usd, 1)?, Decimal::ONE)?,
        native_usd: native.transpose()?,
        sequencer: None,
    })
}

fn vault(published: &PublishedPolicy, capital: U256) -> Vault {
    let policy = published.policy();
    let venue = Address::with_last_byte(5);
    let pools = policy.venues.iter().map(|venue| venue.pool());
    Vault {
        address: Address::with_last_byte(3),
        asset: Token { address: ASSET, decimals: ASSET_DECIMALS },
        risky: Token { address: RISKY, decimals: RISKY_DECIMALS },
        total_supply: capital,
        asset_holdings: capital,
        risky_holdings: U256::ZERO,
        floor: U256::ZERO,
        floor_policy: policy.floor,
        cash_lock: false,
        policy_hash: published.hash(),
        keeper: Address::with_last_byte(4),
        next_nonce: 0,
        last_rebalance: 0,
        paused_until: 0,
        option_book: policy.option_book(),
        epoch_open: false,
        risky_feed: policy.feeds.risky_usd.address,
        asset_feed: policy.feeds.asset_usd.address,
        guards: guards(),
        allowed_pools: pools.map(|pool| AllowedPool { pool, venue }).collect(),
    }
}

/// The bounds of a vault as it is deployed where nothing else is said.
fn guards() -> Guards {
    let parameters = default_parameters();
    let (times, shares) = (parameters.times, parameters.shares);
    let age = |heartbeat: u32, margin: u32| u64::from(heartbeat).saturating_add(margin.into());
    Guards {
        cooldown: times.cooldown.into(),
        max_decision_age: times.maxDecisionAge.into(),
        max_call_bps: shares.maxTradeBps.into(),
        turnover_left: U256::ZERO,
        slippage_bps: shares.slippageBps.into(),
        nav_loss_bps: shares.navLossBps.into(),
        cap_bps: shares.capBps.into(),
        bound_bps: shares.boundBps,
        risky_max_age: age(times.riskyHeartbeat, times.riskyHeartbeatMargin),
        asset_max_age: age(times.assetHeartbeat, times.assetHeartbeatMargin),
        peg_bps: shares.pegBoundBps.into(),
        gas_rebate: U256::ZERO,
    }
}
