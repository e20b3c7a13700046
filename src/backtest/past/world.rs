//! The facts of a vault in the past, moved along in place: what a decision at a moment sees.

mod options;

pub(super) use options::Rolled;

use alloy::primitives::{I256, U256};
use rust_decimal::Decimal;

use super::book::Book;
use super::moment::Moment;
use super::opening::{Opening, Start};
use super::oracle;
use super::pair::Pair;
use super::pools::Pools;
use super::protection::{Floor, Turnover};
use super::setting::{Absent, Setting};
use crate::backtest::BacktestError;
use crate::backtest::ledger::Exchange;
use crate::backtest::market::report;
use crate::domain::decision::Swap;
use crate::domain::policy::{ChainKind, PublishedPolicy};
use crate::domain::snapshot::{Feed, Pool, Snapshot};
use crate::domain::units::{from_raw, product, to_raw};
use crate::domain::valuation::{RawPrice, last_price};

/// Seconds of a block.
const BLOCK_SECONDS: u64 = 12;

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
    /// Number and time of the first block.
    began: (u64, u64),
    at: Moment,
    /// The price that the vault counts with.
    price: RawPrice,
    /// What one of the asset is in USD by its feed.
    asset_usd: Decimal,
    /// The option book, where the policy hedges one.
    book: Option<Box<Book<'a>>>,
}

/// A swap that was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) exchange: Exchange,
    /// Raw units of the token given that stayed with the pool.
    pub(super) fee: U256,
}

impl<'a> World<'a> {
    /// The vault that `start` says, at the first moment.
    ///
    /// # Errors
    /// [`BacktestError::Policy`] for one that is made up on a rollup, whose data fees nobody tells; [`BacktestError::Options`] where
    /// policy and setting do not say the same of options; [`BacktestError::Number`] out of range.
    pub(super) fn open(
        setting: &'a Setting,
        published: &'a PublishedPolicy,
        start: &Start<'_>,
        first: &Moment,
    ) -> Result<Self, BacktestError> {
        let made_up = matches!(start, Start::Capital(_));
        if made_up && published.policy().gas.chain != ChainKind::Ethereum {
            let why = "a backtest knows no data fees: gas.chain has to be \"ethereum\"";
            return Err(BacktestError::Policy(why.to_owned()));
        }
        if made_up || setting.options.is_some() {
            setting.suits(published.policy())?;
        }
        let opening = match start {
            Start::Capital(capital) => Opening::made_up(setting, published, *capital, first)?,
            Start::Vault(standing) => Opening::standing(setting, published, standing)?,
        };
        let Opening { snapshot, pools, floor, turnover, rounds } = opening;
        let began = (snapshot.block.number, snapshot.block.timestamp);
        let price = raw_price(&snapshot)?;
        let asset_usd = answered(&snapshot.feeds.asset_usd)?.normalize();
        let book = Book::open(&snapshot, published, setting.options.as_ref())?.map(Box::new);
        Ok(Self {
            setting,
            snapshot,
            pools,
            floor,
            turnover,
            rounds,
            began,
            at: *first,
            price,
            asset_usd,
            book,
        })
    }

    /// The facts.
    pub(super) const fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The market comes to a moment. Where it is there already, all stands as it is.
    ///
    /// # Errors
    /// [`BacktestError::Number`] out of range.
    pub(super) fn arrive(&mut self, moment: &Moment) -> Result<(), BacktestError> {
        if self.at == *moment {
            return Ok(());
        }
        self.at = *moment;
        let Moment { time, price, reference, base_fee } = *moment;
        let Snapshot { block, feeds, pools, .. } = &mut self.snapshot;
        let (number, began) = self.began;
        let blocks = time.saturating_sub(began).checked_div(BLOCK_SECONDS).unwrap_or_default();
        block.number = number.saturating_add(blocks);
        block.timestamp = time;
        block.next_base_fee = base_fee;
        let mut reported = false;
        if self.setting.is_there(Absent::Feed, time) {
            let usd = product(price, self.asset_usd).ok_or(BacktestError::Number("a price"))?;
            reported = oracle::watch(&mut feeds.risky_usd, &self.setting.feed, (usd, time), self.rounds)?;
        }
        for feed in [Some(&mut feeds.asset_usd), feeds.native_usd.as_mut()].into_iter().flatten() {
            if let Some(round) = &mut feed.latest {
                round.updated_at = time;
            }
        }
        self.pools.follow(pools, (reference, time))?;
        self.follow_options(reported);
        if reported {
            self.price = raw_price(&self.snapshot)?;
        }
        self.settle()
    }

    /// Within one block the price changes by `change`, a part of it, for market, pools and feed at once, and of the pools'
    /// liquidity the part `depth` is left.
    ///
    /// # Errors
    /// [`BacktestError::Number`] out of range, or beyond what is known of a pool.
    pub(super) fn strike(
        &mut self,
        change: Decimal,
        depth: Decimal,
        base_fee: u64,
    ) -> Result<(), BacktestError> {
        let (block, feed) = (&mut self.snapshot.block, &mut self.snapshot.feeds.risky_usd);
        block.number = block.number.saturating_add(1);
        block.timestamp = block.timestamp.saturating_add(BLOCK_SECONDS);
        block.next_base_fee = base_fee;
        let kept = Decimal::ONE.saturating_add(change);
        if !change.is_zero() {
            let answer = feed.latest.ok_or(BacktestError::Number("a price"))?.answer.unsigned_abs();
            let usd = from_raw(answer, feed.decimals)?.checked_mul(kept);
            let usd = usd.ok_or(BacktestError::Number("a price"))?.round_dp(feed.decimals.into());
            let answer = I256::try_from(to_raw(usd, feed.decimals)?);
            let answer = answer.map_err(|_| BacktestError::Number("a price"))?;
            report(feed, self.rounds, answer, block.timestamp);
        }
        self.pools.strike(&mut self.snapshot.pools, (kept, depth), block.timestamp)?;
        self.follow_options(true);
        self.price = raw_price(&self.snapshot)?;
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
        Ok(self.price.to_asset(risky)?)
    }

    /// Amounts of asset and of risky, raw, in whole tokens.
    ///
    /// # Errors
    /// [`BacktestError::Number`] out of range.
    pub(super) fn whole(&self, (asset, risky): (U256, U256)) -> Result<(Decimal, Decimal), BacktestError> {
        let vault = &self.snapshot.vault;
        Ok((from_raw(asset, vault.asset.decimals)?, from_raw(risky, vault.risky.decimals)?))
    }

    /// What the vault holds of both, in whole tokens.
    ///
    /// # Errors
    /// As [`World::whole`].
    pub(super) fn held(&self) -> Result<(Decimal, Decimal), BacktestError> {
        let vault = &self.snapshot.vault;
        self.whole((vault.asset_holdings, vault.risky_holdings))
    }

    /// What the chain takes for the data of a rebalance in so many swaps, wei, as it was read.
    pub(super) fn data_fee(&self, swaps: u64) -> U256 {
        self.snapshot.rollup.map_or(U256::ZERO, |rollup| rollup.charge(swaps).total())
    }

    /// USD of a native coin, where it has a feed of its own.
    ///
    /// # Errors
    /// [`BacktestError::Number`] where that never answered.
    pub(super) fn native_usd(&self) -> Result<Option<Decimal>, BacktestError> {
        self.snapshot.feeds.native_usd.as_ref().map(answered).transpose()
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
        let (first, mut total) = (Pair::of(&self.snapshot.vault).risky_is_token0, U256::ZERO);
        for swap in swaps {
            let pool = pools.iter_mut().find(|pool| pool.address() == swap.pool);
            let Some(made) = pool.and_then(|pool| swapped(pool, (sell, first), swap.amount_in)) else {
                return Ok(None);
            };
            if made.exchange.amount_out < swap.min_amount_out || self.is_too_little(sell, swap)? {
                return Ok(None);
            }
            let (given, taken) = if sell { (&mut risky, &mut asset) } else { (&mut asset, &mut risky) };
            let Some(left) = given.checked_sub(swap.amount_in) else { return Ok(None) };
            (*given, *taken) = (left, taken.saturating_add(made.exchange.amount_out));
            total = total.saturating_add(swap.amount_in);
            done.push(made);
        }
        let (nav, time) = (self.nav()?, self.snapshot.block.timestamp);
        self.turnover.add(if sell { self.price.to_asset_up(total)? } else { total }, nav, time);
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
        let fair = if sell {
            self.price.to_asset_up(swap.amount_in)?
        } else {
            self.price.to_risky_up(swap.amount_in)?
        };
        let kept = U256::from(10_000_u32.saturating_sub(self.snapshot.vault.guards.slippage_bps));
        Ok(swap.min_amount_out < fair.saturating_mul(kept).div_ceil(U256::from(10_000)))
    }

    /// Somebody brings `amount` units of the asset, or takes them where negative, as far as the vault has them idle; the rest in
    /// kind. What came in of asset and of risky units.
    ///
    /// # Errors
    /// [`BacktestError::Number`] out of range.
    pub(super) fn flow(&mut self, amount: Decimal) -> Result<(U256, U256, bool), BacktestError> {
        let before = (self.nav()?, self.snapshot.vault.total_supply);
        let raw = to_raw(amount.abs(), self.snapshot.vault.asset.decimals)?;
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
            let shares = shares_of(taken).ok_or(BacktestError::Number("shares"))?;
            if shares >= supply {
                return Err(BacktestError::Emptied(amount.abs()));
            }
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

/// What a feed answered last.
fn answered(feed: &Feed) -> Result<Decimal, BacktestError> {
    let round = feed.latest.filter(|round| round.answer.is_positive());
    let answer = round.ok_or(BacktestError::Number("a price"))?.answer.unsigned_abs();
    Ok(from_raw(answer, feed.decimals)?)
}

fn raw_price(snapshot: &Snapshot) -> Result<RawPrice, BacktestError> {
    Ok(RawPrice::new(last_price(&snapshot.feeds)?, &snapshot.vault)?)
}

/// Swaps in a pool, which moves; nothing where it cannot. Whether risky is given, and whether it is the first token.
fn swapped(pool: &mut Pool, (sell, first): (bool, bool), amount_in: U256) -> Option<Done> {
    let zero_for_one = sell == first;
    let exchange = |amount_out| Exchange { sell_risky: sell, amount_in, amount_out };
    match pool {
        Pool::UniswapV3 { state, .. } => {
            let quote = state.quote_exact_in(zero_for_one, amount_in).ok()?;
            state.tick = quote.tick_after();
            state.sqrt_price_x96 = quote.sqrt_price_after;
            state.liquidity = quote.liquidity_after;
            Some(Done { exchange: exchange(quote.amount_out), fee: quote.fee })
        }
        Pool::UniswapV2 { state } => {
            let quote = state.quoter().ok()?.quote_exact_in(zero_for_one, amount_in).ok()?;
            (state.reserve0, state.reserve1) = (quote.reserve0_after, quote.reserve1_after);
            let fee =
                amount_in.saturating_mul(U256::from(3)).checked_div(U256::from(1_000)).unwrap_or_default();
            Some(Done { exchange: exchange(quote.amount_out), fee })
        }
    }
}

#[cfg(test)]
mod tests;
