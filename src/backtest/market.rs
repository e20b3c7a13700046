//! The facts of a simulated vault, moved along a path in place: one pool, feeds that are always fresh, and a vault whose
//! own limits are wide.

use alloy::primitives::{Address, B256, I256, U256, address};

use super::BacktestError;
use super::ledger::{ASSET_DECIMALS, Exchange, Ledger, RISKY_DECIMALS};
use super::paths::Moment;
use super::scenario::{BOOK, POOL, STATED_COIN, Scenario, Strategy};
use crate::domain::decision::Trade;
use crate::domain::market::Side;
use crate::domain::policy::{FeedPolicy, PublishedPolicy};
use crate::domain::snapshot::{
    AllowedPool, Block, Feed, Feeds, Guards, History, OptionBook, OptionKind, OptionLeg, Pool, Round,
    Snapshot, Token, Vault,
};
use crate::domain::units::{from_real, to_raw};
use crate::domain::venues::uniswap_v3::{self, Tick, Window, sqrt_price_at_tick};

/// The risky asset; its address is the lower one, so it is token0.
pub(super) const RISKY: Address = address!("0000000000000000000000000000000000000001");
/// The vault's asset.
pub(super) const ASSET: Address = address!("0000000000000000000000000000000000000002");
/// Time of the start, seconds since 1970.
pub const START: u64 = 1_700_000_000;
/// Decimal places of a feed's answer.
pub(super) const FEED_DECIMALS: u8 = 8;
/// A phase in the upper bits of a round's id, as a proxy has.
const PHASE: u128 = 1 << 64;
/// Last tick of the range on a spacing of ten.
const LAST_TICK: i32 = 887_270;
/// The tick range of the pool's integers.
const WHOLE: Window = Window { lower: -887_272, upper: 887_272 };
/// Tick spacing.
const SPACING: i32 = 10;
/// Liquidity of about 10^13 USD at 100 USD per unit: a trade of a million moves the price by a part in ten million.
const LIQUIDITY: u128 = 1_000_000_000_000_000_000_000_000;
/// As large a bound in basis points as means anything.
const WIDE_BPS: u32 = 1_000_000_000;

/// What decides sees of a simulated vault.
#[derive(Debug, Clone)]
pub struct Market {
    snapshot: Snapshot,
    /// Rounds that the feed's history keeps.
    rounds: usize,
}

impl Market {
    /// The vault before its first decision, with the past that an estimate reads.
    ///
    /// # Errors
    /// [`BacktestError::Number`] for a price, size or floor out of range.
    pub fn open(
        scenario: &Scenario,
        published: &PublishedPolicy,
        floor: f64,
        past: &[Moment],
    ) -> Result<Self, BacktestError> {
        let policy = published.policy();
        let rounds = policy.volatility.estimator.history().map_or(0, |history| history.rounds);
        let rounds = usize::try_from(rounds).unwrap_or(usize::MAX);
        let mut market = Self {
            snapshot: Snapshot {
                block: block(),
                vault: vault(published, floor)?,
                feeds: Feeds {
                    risky_usd: feed(&policy.feeds.risky_usd, 1)?,
                    asset_usd: feed(&policy.feeds.asset_usd, 1)?,
                    native_usd: match &policy.feeds.native_usd {
                        Some(native) => Some(feed(native, STATED_COIN)?),
                        None => None,
                    },
                    sequencer: None,
                },
                pools: vec![pool(scenario.fee_pips)],
                options: None,
                rollup: None,
            },
            rounds,
        };
        market.write_options(scenario)?;
        market.remember(past, scenario.span.step_seconds)?;
        Ok(market)
    }

    /// The facts.
    #[must_use]
    pub const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// A block later at `time`: pool and feeds stand at the moment's price, the block reports `base_fee`.
    ///
    /// # Errors
    /// [`BacktestError::Number`] for a price out of range.
    pub fn advance(&mut self, time: u64, price: f64, base_fee: u64) -> Result<(), BacktestError> {
        let Snapshot { block, feeds, pools, .. } = &mut self.snapshot;
        block.number = block.number.saturating_add(1);
        block.timestamp = time;
        block.next_base_fee = base_fee;
        for feed in [Some(&mut feeds.asset_usd), feeds.native_usd.as_mut()].into_iter().flatten() {
            if let Some(round) = &mut feed.latest {
                round.updated_at = time;
            }
        }
        report(&mut feeds.risky_usd, self.rounds, answer(price)?, time);
        for pool in pools {
            if let Pool::UniswapV3 { state, .. } = pool {
                let moved = state.moved_to(sqrt_price(price)?);
                *state = moved.ok_or(BacktestError::Number("a pool's price"))?;
            }
        }
        Ok(())
    }

    /// The vault holds what the ledger says.
    pub const fn hold(&mut self, ledger: &Ledger) {
        self.snapshot.vault.asset_holdings = ledger.asset;
        self.snapshot.vault.risky_holdings = ledger.risky;
    }

    /// The vault rebalanced in this block.
    pub const fn rebalanced(&mut self) {
        let vault = &mut self.snapshot.vault;
        vault.next_nonce = vault.next_nonce.saturating_add(1);
        vault.last_rebalance = self.snapshot.block.timestamp;
    }

    /// What the pool gives for `size` units sold, or for what that many units cost; `None` for dust that buys nothing.
    ///
    /// # Errors
    /// [`BacktestError::Number`] for a size out of range.
    pub fn quote(&self, side: Side, size: f64) -> Result<Option<Exchange>, BacktestError> {
        let Some(Pool::UniswapV3 { state, .. }) = self.snapshot.pools.first() else {
            return Err(BacktestError::Number("the list of pools"));
        };
        let raw = to_raw(from_real(size, u32::from(RISKY_DECIMALS))?, RISKY_DECIMALS)?;
        let sell_risky = side == Side::Sell;
        let quote = match side {
            _ if raw.is_zero() => return Ok(None),
            Side::Sell => state.quote_exact_in(true, raw),
            Side::Buy => state.quote_exact_out(false, raw),
        };
        let quote = quote.map_err(|_| BacktestError::Number("the size of a trade"))?;
        let exchange = Exchange { sell_risky, amount_in: quote.amount_in, amount_out: quote.amount_out };
        Ok(Some(exchange).filter(|exchange| !exchange.amount_out.is_zero()))
    }

    /// The calls that the vault has written, in its book.
    fn write_options(&mut self, scenario: &Scenario) -> Result<(), BacktestError> {
        let Strategy::DeltaHedge { calls } = scenario.strategy else { return Ok(()) };
        let raw = |value: f64| -> Result<U256, BacktestError> { Ok(to_raw(from_real(value, 18)?, 18)?) };
        let size = I256::try_from(raw(calls)?).map_err(|_| BacktestError::Number("the size of a leg"))?;
        let steps = u64::try_from(scenario.span.steps).unwrap_or(u64::MAX);
        let leg = OptionLeg {
            id: 0,
            kind: OptionKind::Call,
            strike: raw(scenario.span.start)?,
            expiry: START.saturating_add(steps.saturating_mul(scenario.span.step_seconds)),
            size: size.wrapping_neg(),
            implied: None,
        };
        self.snapshot.options = Some(OptionBook { address: BOOK, legs: vec![leg] });
        self.snapshot.vault.option_book = Some(BOOK);
        self.snapshot.vault.epoch_open = true;
        Ok(())
    }

    /// Reports the past, a round to a step, up to the step before the start.
    fn remember(&mut self, past: &[Moment], step_seconds: u64) -> Result<(), BacktestError> {
        let mut back = u64::try_from(past.len()).unwrap_or(u64::MAX);
        for moment in past {
            let time = START.saturating_sub(back.saturating_mul(step_seconds));
            report(&mut self.snapshot.feeds.risky_usd, self.rounds, answer(moment.price)?, time);
            back = back.saturating_sub(1);
        }
        Ok(())
    }
}

impl From<&Trade> for Exchange {
    fn from(trade: &Trade) -> Self {
        Self { sell_risky: trade.sell_risky, amount_in: trade.amount_in, amount_out: trade.quoted_out }
    }
}

/// A new latest round; the one before it becomes history where an estimate asks for one.
pub(super) fn report(feed: &mut Feed, rounds: usize, answer: I256, time: u64) {
    let next = feed.latest.map_or(PHASE, |round| round.id.saturating_add(1));
    let latest = Round { id: next, answer, updated_at: time };
    let before = feed.latest.replace(latest);
    if rounds > 1
        && let Some(before) = before.filter(|round| round.updated_at > 0 && round.updated_at < time)
    {
        if feed.history.len().saturating_add(1) >= rounds {
            feed.history.leave_oldest();
        }
        feed.history.push(before);
    }
}

fn answer(price: f64) -> Result<I256, BacktestError> {
    let raw = to_raw(from_real(price, u32::from(FEED_DECIMALS))?, FEED_DECIMALS)?;
    I256::try_from(raw).map_err(|_| BacktestError::Number("a price"))
}

/// Square root of raw asset per raw risky, times 2^96.
pub(super) fn sqrt_price(price: f64) -> Result<U256, BacktestError> {
    // 10^(6 − 18) raw units, so the root is 10^−6 of that of the price.
    let root = libm::ldexp(libm::sqrt(price) * 1e-6, 96);
    Ok(to_raw(from_real(root, 0)?, 0)?)
}

fn pool(fee: u32) -> Pool {
    let depth = LIQUIDITY.cast_signed();
    let tick = |index, liquidity_net| Tick { index, liquidity_net, liquidity_gross: LIQUIDITY };
    let state = uniswap_v3::Pool {
        address: POOL,
        token0: RISKY,
        token1: ASSET,
        fee,
        tick_spacing: SPACING,
        sqrt_price_x96: sqrt_price_at_tick(0).unwrap_or_default(),
        tick: 0,
        liquidity: LIQUIDITY,
        window: WHOLE,
        ticks: vec![tick(-LAST_TICK, depth), tick(LAST_TICK, depth.wrapping_neg())],
    };
    Pool::UniswapV3 { state, twap: None, observations: None }
}

const fn block() -> Block {
    Block { chain_id: 1, number: 0, hash: B256::ZERO, timestamp: START, next_base_fee: 0 }
}

/// A feed that answered `price` USD before anything began.
pub(super) fn feed(policy: &FeedPolicy, price: u64) -> Result<Feed, BacktestError> {
    let raw = U256::from(price).checked_mul(U256::from(100_000_000_u64));
    let answer = raw.and_then(|raw| I256::try_from(raw).ok()).ok_or(BacktestError::Number("a price"))?;
    let latest = Some(Round { id: PHASE, answer, updated_at: 0 });
    Ok(Feed { address: policy.address, decimals: FEED_DECIMALS, latest, history: History::default() })
}

fn vault(published: &PublishedPolicy, floor: f64) -> Result<Vault, BacktestError> {
    let policy = published.policy();
    Ok(Vault {
        address: Address::with_last_byte(3),
        asset: Token { address: ASSET, decimals: ASSET_DECIMALS },
        risky: Token { address: RISKY, decimals: RISKY_DECIMALS },
        total_supply: U256::ONE,
        asset_holdings: U256::ZERO,
        risky_holdings: U256::ZERO,
        floor: to_raw(from_real(floor, u32::from(ASSET_DECIMALS))?, ASSET_DECIMALS)?,
        floor_policy: policy.floor,
        cash_lock: false,
        policy_hash: published.hash(),
        keeper: Address::with_last_byte(4),
        next_nonce: 0,
        last_rebalance: START,
        paused_until: 0,
        option_book: None,
        epoch_open: false,
        risky_feed: policy.feeds.risky_usd.address,
        asset_feed: policy.feeds.asset_usd.address,
        guards: guards(),
        allowed_pools: vec![AllowedPool { pool: POOL, venue: Address::with_last_byte(5) }],
    })
}

fn guards() -> Guards {
    Guards {
        cooldown: 0,
        max_decision_age: u64::MAX,
        max_call_bps: WIDE_BPS,
        turnover_left: U256::from(u128::MAX),
        slippage_bps: 10_000,
        nav_loss_bps: 10_000,
        cap_bps: WIDE_BPS,
        bound_bps: WIDE_BPS,
        risky_max_age: u64::MAX,
        asset_max_age: u64::MAX,
        peg_bps: 10_000,
        gas_rebate: U256::ZERO,
    }
}
