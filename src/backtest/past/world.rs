//! The facts of a vault in the past, moved along in place: what a decision at a moment sees.

use alloy::primitives::{Address, B256, U256};
use rust_decimal::Decimal;

use super::oracle;
use super::pools::Pools;
use super::protection::{Floor, Turnover};
use super::setting::{Absent, Setting};
use crate::backtest::BacktestError;
use crate::backtest::ledger::{ASSET_DECIMALS, Exchange, RISKY_DECIMALS};
use crate::backtest::market::{ASSET, FEED_DECIMALS, RISKY, feed};
use crate::domain::decision::Swap;
use crate::domain::policy::{ChainKind, PublishedPolicy};
use crate::domain::snapshot::{AllowedPool, Block, Feeds, Guards, Pool, Snapshot, Token, Vault};
use crate::domain::units::{to_raw, to_real};
use crate::stage::deploy::vault::default_parameters;

/// Seconds of a block.
const BLOCK_SECONDS: u64 = 12;

/// A moment of the market.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moment {
    /// Seconds since 1970.
    pub(super) time: u64,
    /// USD per unit.
    pub(super) price: Decimal,
    /// The price that arbitrage brings the pools to.
    pub(super) reference: Decimal,
    /// Wei per gas.
    pub(super) base_fee: u64,
}

/// The world that one policy decides in.
#[derive(Debug, Clone)]
pub(super) struct World<'a> {
    setting: &'a Setting,
    snapshot: Snapshot,
    pools: Pools,
    floor: Floor,
    turnover: Turnover,
    /// Rounds that the feed's history keeps.
    rounds: usize,
    began: u64,
}

/// A swap that was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) exchange: Exchange,
    /// Raw units of the token given that stayed with the pool.
    pub(super) fee: U256,
}

impl<'a> World<'a> {
    /// A vault with `capital` units of the asset and nothing else, at the first moment.
    ///
    /// # Errors
    /// [`BacktestError::Policy`] for one of a rollup; [`BacktestError::Number`] out of range.
    pub(super) fn open(
        setting: &'a Setting,
        published: &PublishedPolicy,
        capital: Decimal,
        first: &Moment,
    ) -> Result<Self, BacktestError> {
        let policy = published.policy();
        if policy.gas.chain != ChainKind::Ethereum {
            let why = "a backtest knows no data fees: gas.chain has to be \"ethereum\"";
            return Err(BacktestError::Policy(why.to_owned()));
        }
        let rounds = policy.volatility.estimator.history().map_or(0, |history| history.rounds);
        let start = (to_real(first.price), first.time);
        let (pools, states) = Pools::open(setting.pools.clone(), policy, start)?;
        let native = policy.feeds.native_usd.as_ref();
        let native_usd = native.map(|native| feed(native, 1)).transpose()?;
        let feeds = Feeds {
            risky_usd: feed(&policy.feeds.risky_usd, 1)?,
            asset_usd: feed(&policy.feeds.asset_usd, 1)?,
            native_usd,
            sequencer: None,
        };
        let block = Block {
            chain_id: policy.chain_id,
            number: 0,
            hash: B256::ZERO,
            timestamp: first.time,
            next_base_fee: 0,
        };
        let vault = vault(published, to_raw(capital, ASSET_DECIMALS)?);
        let times = default_parameters().times;
        let cap = u64::from(default_parameters().shares.turnoverCapBps);
        let mut world = Self {
            setting,
            snapshot: Snapshot { block, vault, feeds, pools: states, options: None, rollup: None },
            pools,
            floor: Floor::begin(policy.floor, u64::from(times.pokeInterval), first.time)?,
            turnover: Turnover::new(cap, first.time),
            rounds: usize::try_from(rounds).unwrap_or(usize::MAX),
            began: first.time,
        };
        world.snapshot.feeds.risky_usd.latest = None;
        world.arrive(first)?;
        Ok(world)
    }

    /// The facts.
    pub(super) const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The market comes to a moment.
    ///
    /// # Errors
    /// [`BacktestError::Number`] out of range.
    pub(super) fn arrive(&mut self, moment: &Moment) -> Result<(), BacktestError> {
        let Moment { time, price, reference, base_fee } = *moment;
        let Snapshot { block, feeds, pools, .. } = &mut self.snapshot;
        block.number =
            time.saturating_sub(self.began).checked_div(BLOCK_SECONDS).unwrap_or_default().saturating_add(1);
        block.timestamp = time;
        block.next_base_fee = base_fee;
        if self.setting.is_there(Absent::Feed, time) {
            oracle::watch(&mut feeds.risky_usd, &self.setting.feed, (price, time), self.rounds)?;
        }
        for (feed, price) in [
            (Some(&mut feeds.asset_usd), Decimal::ONE),
            (feeds.native_usd.as_mut(), self.setting.gas.native_usd),
        ] {
            if let Some(round) = feed.and_then(|feed| feed.latest.as_mut()) {
                let answer = to_raw(price, FEED_DECIMALS)?;
                round.answer = answer.try_into().map_err(|_| BacktestError::Number("a price"))?;
                round.updated_at = time;
            }
        }
        self.pools.follow(pools, (to_real(reference), time))?;
        self.settle()
    }

    /// What the vault says of itself follows from its holdings, the feed and the time.
    fn settle(&mut self) -> Result<(), BacktestError> {
        let time = self.snapshot.block.timestamp;
        let nav = self.nav()?;
        let supply = self.snapshot.vault.total_supply;
        if !supply.is_zero() {
            self.floor.poke((nav, supply), time)?;
        }
        let vault = &mut self.snapshot.vault;
        vault.floor = self.floor.of(supply, time)?;
        vault.cash_lock = self.floor.locked;
        vault.guards.turnover_left = self.turnover.left(nav, time);
        Ok(())
    }

    /// Net asset value by the feed, raw units of the asset, as the vault rounds it.
    fn nav(&self) -> Result<U256, BacktestError> {
        let vault = &self.snapshot.vault;
        let exposure = self.worth(vault.risky_holdings)?;
        vault.asset_holdings.checked_add(exposure).ok_or(BacktestError::Number("net asset value"))
    }

    /// Raw risky units in raw units of the asset by the feed.
    fn worth(&self, risky: U256) -> Result<U256, BacktestError> {
        let answer = self.snapshot.feeds.risky_usd.latest.map(|round| round.answer.unsigned_abs());
        let whole = answer.and_then(|answer| risky.checked_mul(answer));
        let scale = U256::from(10)
            .pow(U256::from(RISKY_DECIMALS.saturating_add(FEED_DECIMALS).saturating_sub(ASSET_DECIMALS)));
        whole.and_then(|whole| whole.checked_div(scale)).ok_or(BacktestError::Number("exposure"))
    }

    /// Carries the swaps of one decision out at the moment that the world is at. `None` where a pool gives less than was asked
    /// for at least, or the vault does not allow so little: then nothing has changed.
    ///
    /// # Errors
    /// [`BacktestError::Number`] out of range.
    pub(super) fn carry_out(
        &mut self,
        sell: bool,
        swaps: &[Swap],
    ) -> Result<Option<Vec<Done>>, BacktestError> {
        let (mut pools, mut done) = (self.snapshot.pools.clone(), Vec::with_capacity(swaps.len()));
        let (mut asset, mut risky) = (self.snapshot.vault.asset_holdings, self.snapshot.vault.risky_holdings);
        let mut value = U256::ZERO;
        for swap in swaps {
            let pool = pools.iter_mut().find(|pool| pool.address() == swap.pool);
            let Some(made) = pool.and_then(|pool| swapped(pool, sell, swap.amount_in)) else {
                return Ok(None);
            };
            if made.exchange.amount_out < swap.min_amount_out || self.is_too_little(sell, swap)? {
                return Ok(None);
            }
            let (given, taken) = if sell { (&mut risky, &mut asset) } else { (&mut asset, &mut risky) };
            let Some(left) = given.checked_sub(swap.amount_in) else { return Ok(None) };
            (*given, *taken) = (left, taken.saturating_add(made.exchange.amount_out));
            value = value.saturating_add(if sell { self.worth(swap.amount_in)? } else { swap.amount_in });
            done.push(made);
        }
        let (nav, time) = (self.nav()?, self.snapshot.block.timestamp);
        self.turnover.add(value, nav, time);
        self.snapshot.pools = pools;
        let vault = &mut self.snapshot.vault;
        (vault.asset_holdings, vault.risky_holdings) = (asset, risky);
        vault.next_nonce = vault.next_nonce.saturating_add(1);
        vault.last_rebalance = time;
        self.settle()?;
        Ok(Some(done))
    }

    /// Whether the vault's own bound against the feed of now refuses the least that a swap would take.
    fn is_too_little(&self, sell: bool, swap: &Swap) -> Result<bool, BacktestError> {
        let (given, least) = if sell {
            (self.worth(swap.amount_in)?, swap.min_amount_out)
        } else {
            (swap.amount_in, self.worth(swap.min_amount_out)?)
        };
        let kept = U256::from(10_000_u32.saturating_sub(self.snapshot.vault.guards.slippage_bps));
        let bound = given.saturating_mul(kept).div_ceil(U256::from(10_000));
        Ok(least.saturating_add(U256::from(1)) < bound)
    }

    /// Somebody brings `amount` units of the asset, or takes them where negative, as far as the vault has them idle; the rest in
    /// kind. What came in of asset and of risky units.
    ///
    /// # Errors
    /// [`BacktestError::Number`] out of range.
    pub(super) fn flow(&mut self, amount: Decimal) -> Result<(U256, U256, bool), BacktestError> {
        let before = (self.nav()?, self.snapshot.vault.total_supply);
        let raw = to_raw(amount.abs(), ASSET_DECIMALS)?;
        let comes = amount.is_sign_positive();
        let fee_bps = U256::from(if comes { ENTRY_FEE_BPS } else { EXIT_FEE_BPS });
        let (nav, supply) = before;
        let shares_of = |worth: U256| worth.checked_mul(supply).and_then(|worth| worth.checked_div(nav));
        let vault = &mut self.snapshot.vault;
        let (asset, mut risky);
        if comes {
            let kept = raw.saturating_mul(fee_bps).div_ceil(U256::from(10_000).saturating_add(fee_bps));
            let shares = shares_of(raw.saturating_sub(kept)).ok_or(BacktestError::Number("shares"))?;
            vault.total_supply = supply.saturating_add(shares);
            vault.asset_holdings = vault.asset_holdings.saturating_add(raw);
            (asset, risky) = (raw, U256::ZERO);
        } else {
            let taken =
                raw.saturating_mul(U256::from(10_000)).div_ceil(U256::from(10_000).saturating_sub(fee_bps));
            let shares = shares_of(taken).ok_or(BacktestError::Number("shares"))?.min(supply);
            let idle = vault.asset_holdings.min(raw);
            let left = raw.saturating_sub(idle);
            // What idle asset does not cover is paid in kind, and then there is nothing else left.
            let exposure = nav.saturating_sub(vault.asset_holdings).max(U256::ONE);
            asset = idle;
            risky = vault.risky_holdings.saturating_mul(left).checked_div(exposure).unwrap_or_default();
            risky = risky.min(vault.risky_holdings);
            vault.total_supply = supply.saturating_sub(shares);
            vault.asset_holdings = vault.asset_holdings.saturating_sub(asset);
            vault.risky_holdings = vault.risky_holdings.saturating_sub(risky);
        }
        let after = (self.nav()?, self.snapshot.vault.total_supply);
        self.floor.follow(before, after)?;
        self.settle()?;
        Ok((asset, risky, comes))
    }
}

/// What entering and leaving costs, which stays with those who are in the vault: as its contract has it by default.
const ENTRY_FEE_BPS: u32 = 10;
const EXIT_FEE_BPS: u32 = 10;

/// Swaps in a pool, which moves; nothing where it cannot.
fn swapped(pool: &mut Pool, sell: bool, amount_in: U256) -> Option<Done> {
    let exchange = |amount_out| Exchange { sell_risky: sell, amount_in, amount_out };
    match pool {
        Pool::UniswapV3 { state, .. } => {
            let quote = state.quote_exact_in(sell, amount_in).ok()?;
            state.tick = quote.tick_after();
            state.sqrt_price_x96 = quote.sqrt_price_after;
            state.liquidity = quote.liquidity_after;
            Some(Done { exchange: exchange(quote.amount_out), fee: quote.fee })
        }
        Pool::UniswapV2 { state } => {
            let quote = state.quoter().ok()?.quote_exact_in(sell, amount_in).ok()?;
            (state.reserve0, state.reserve1) = (quote.reserve0_after, quote.reserve1_after);
            let fee =
                amount_in.saturating_mul(U256::from(3)).checked_div(U256::from(1_000)).unwrap_or_default();
            Some(Done { exchange: exchange(quote.amount_out), fee })
        }
    }
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
        option_book: None,
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
