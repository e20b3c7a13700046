//! The option book of the world: it settles what has expired, and rolls into the next series.

use alloy::primitives::U256;
use rust_decimal::Decimal;

use super::World;
use crate::backtest::BacktestError;
use crate::backtest::past::book::{Book, End, Marked, Position, Series, WAD_PLACES};
use crate::backtest::past::rolls::{Opened, Roll, Settled};
use crate::backtest::past::unopened::Unopened;
use crate::domain::snapshot::{OptionLeg, Vault};
use crate::domain::units::from_raw;

/// What came of looking for a series to open.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::backtest::past) enum Rolled {
    /// It is not the time for one.
    Nothing,
    /// There would be one, and the vault or the book does not open it.
    Refused(Unopened),
    /// These were opened.
    Opened(Vec<Roll>),
}

/// A position that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::backtest::past) struct Ended {
    pub(in crate::backtest::past) number: u64,
    /// What the vault had laid into the book for it.
    pub(in crate::backtest::past) posted: Decimal,
    pub(in crate::backtest::past) settled: Settled,
}

impl<'a> World<'a> {
    /// Whether the policy hedges an option book.
    pub(in crate::backtest::past) const fn has_book(&self) -> bool {
        self.book.is_some()
    }

    /// From now on sizes of what is held are those of these positions, where they were opened at the same time.
    pub(in crate::backtest::past) fn size_by(&mut self, rolls: &'a [Roll]) {
        if let Some(book) = &mut self.book {
            book.sized_by = Some(rolls);
        }
    }

    /// What is open.
    ///
    /// # Errors
    /// [`BacktestError::Number`] out of range.
    pub(in crate::backtest::past) fn positions(&self) -> Result<Vec<Roll>, BacktestError> {
        let positions = self.book.iter().flat_map(|book| &book.positions);
        positions.map(|position| roll(position, &self.snapshot.vault, None)).collect()
    }

    /// What the open positions are worth at the market's `price`.
    ///
    /// # Errors
    /// [`BacktestError::Number`] out of range, or a model's.
    pub(in crate::backtest::past) fn mark_options(
        &mut self,
        price: Decimal,
    ) -> Result<Marked, BacktestError> {
        self.book.as_mut().map_or(Ok(Marked::default()), |book| book.mark(&self.snapshot, price))
    }

    /// What the feed says up to an expiry may settle there, and a feed of volatilities is never silent.
    pub(super) fn follow_options(&mut self, reported: bool) {
        let Some(book) = &mut self.book else { return };
        let time = self.snapshot.block.timestamp;
        let latest = self.snapshot.feeds.risky_usd.latest.filter(|_| reported);
        for position in &mut book.positions {
            position.held = latest.filter(|round| round.updated_at <= position.expiry()).or(position.held);
        }
        let known = book.positions.iter_mut().flat_map(Position::legs_mut).map(|valued| &mut valued.leg);
        let seen = self.snapshot.options.iter_mut().flat_map(|options| &mut options.legs);
        for implied in known.chain(seen).filter_map(|leg| leg.implied.as_mut()) {
            implied.updated_at = time;
        }
    }

    /// Settles every position that has expired and whose price is known, as anybody may in the book, or undoes it.
    ///
    /// # Errors
    /// [`BacktestError::Owed`] where a vault as it stands owes more than it has idle for a call without a limit;
    /// [`BacktestError::Number`] out of range.
    pub(in crate::backtest::past) fn settle_options(&mut self) -> Result<Vec<Ended>, BacktestError> {
        let mut ended = Vec::new();
        let Some(mut book) = self.book.take_if(|book| !book.positions.is_empty()) else { return Ok(ended) };
        let mut open = Vec::with_capacity(book.positions.len());
        for position in std::mem::take(&mut book.positions) {
            match self.end(&book, &position)? {
                End::Open => open.push(position),
                end @ (End::Settled(_) | End::Undone(_)) => ended.push(self.ended(&book, &position, end)?),
            }
        }
        book.positions = open;
        let time = self.snapshot.block.timestamp;
        if !ended.is_empty() && book.positions.is_empty() {
            (book.closed_at, self.snapshot.vault.epoch_open) = (Some(time), false);
        }
        self.book = Some(book);
        if !ended.is_empty() {
            self.settle()?;
        }
        Ok(ended)
    }

    fn end(&self, book: &Book<'_>, position: &Position) -> Result<End, BacktestError> {
        let feed = &self.snapshot.feeds.risky_usd;
        let Some(latest) = &feed.latest else { return Ok(End::Open) };
        position.end((latest, feed.decimals), book.max_age(), self.snapshot.block.timestamp)
    }

    /// The vault gets its part, and the legs are gone.
    fn ended(&mut self, book: &Book<'_>, position: &Position, end: End) -> Result<Ended, BacktestError> {
        let out = || BacktestError::Number("a payoff");
        let (price, owed, undone) = match end {
            End::Settled(price) => (price, position.payoff(price, book.scale).ok_or_else(out)?, None),
            End::Undone(why) => (U256::ZERO, position.premium.unwrap_or_default(), Some(why)),
            End::Open => (U256::ZERO, U256::ZERO, None),
        };
        let vault = &mut self.snapshot.vault;
        let written = position.is_written();
        let (given, taken) = if written { (position.collateral, owed) } else { (owed, U256::ZERO) };
        let held = vault.asset_holdings.checked_add(given).ok_or_else(out)?;
        vault.asset_holdings = held.checked_sub(taken).ok_or(BacktestError::Owed(position.number))?;
        let places = vault.asset.decimals;
        if let Some(options) = &mut self.snapshot.options {
            options.legs.retain(|leg| !position.legs().any(|valued| valued.leg.id == leg.id));
        }
        let owed = from_raw(owed, places)?;
        let payoff = if written { Decimal::ZERO.saturating_sub(owed) } else { owed };
        let (at, price) = (self.snapshot.block.timestamp, from_raw(price, WAD_PLACES)?);
        let settled = Settled { at, price, payoff, undone };
        Ok(Ended { number: position.number, posted: from_raw(position.posted(), places)?, settled })
    }

    /// Opens the next series at the market's `price`, where it is the time for it and the vault's contract would: with a fresh feed,
    /// not in cash-lock, out of what is idle, and with the exposure within cap and bound of what is left.
    ///
    /// # Errors
    /// [`BacktestError::Number`] out of range, or a model's.
    pub(in crate::backtest::past) fn roll(&mut self, price: Decimal) -> Result<Rolled, BacktestError> {
        let Some(book) = &mut self.book else { return Ok(Rolled::Nothing) };
        let time = self.snapshot.block.timestamp;
        let Some(terms) = book.terms.filter(|_| book.positions.is_empty()) else {
            return Ok(Rolled::Nothing);
        };
        if book.closed_at.is_some_and(|closed| time < closed.saturating_add(terms.window_seconds)) {
            return Ok(Rolled::Nothing);
        }
        let series = match book.series(&self.snapshot, price)? {
            Ok(series) => series,
            Err(unopened) => return Ok(Rolled::Refused(unopened)),
        };
        if let Some(refused) = self.refused(&series)? {
            return Ok(Rolled::Refused(refused));
        }
        self.opened(series, price).map(Rolled::Opened)
    }

    /// Why the vault's contract would not open a series.
    fn refused(&self, series: &Series) -> Result<Option<Unopened>, BacktestError> {
        let Vault { guards, cash_lock, asset_holdings, risky_holdings, floor, .. } = &self.snapshot.vault;
        let time = self.snapshot.block.timestamp;
        let latest = self.snapshot.feeds.risky_usd.latest;
        let Some(left) = asset_holdings.checked_sub(cost(series)) else {
            return Ok(Some(Unopened::TooLittleAsset));
        };
        let exposure = self.worth(*risky_holdings)?;
        let nav = left.saturating_add(exposure);
        let cushion = nav.saturating_sub(*floor);
        let part = |whole: U256, bps: u32| {
            whole.saturating_mul(U256::from(bps)).checked_div(U256::from(10_000)).unwrap_or_default()
        };
        let most = part(nav, guards.cap_bps).min(part(cushion, guards.bound_bps));
        let fresh = latest.is_some_and(|round| time.saturating_sub(round.updated_at) <= guards.risky_max_age);
        let checks = [
            (!fresh, Unopened::StalePrice),
            (*cash_lock, Unopened::CashLock),
            (cushion.is_zero(), Unopened::Floor),
            (exposure > most, Unopened::Exposure),
        ];
        Ok(checks.into_iter().find(|(fails, _)| *fails).map(|(_, name)| name))
    }

    fn opened(&mut self, series: Series, price: Decimal) -> Result<Vec<Roll>, BacktestError> {
        let cost = cost(&series);
        let vault = &mut self.snapshot.vault;
        vault.asset_holdings = vault.asset_holdings.saturating_sub(cost);
        vault.epoch_open = true;
        let (at, places) = (self.snapshot.block.timestamp, self.snapshot.vault.asset.decimals);
        let mut rolls = Vec::with_capacity(series.len());
        for (position, volatility) in series {
            let paid = from_raw(position.premium.unwrap_or_default(), places)?;
            let premium = if position.is_written() { paid } else { Decimal::ZERO.saturating_sub(paid) };
            let opened = Opened { at, price, volatility, premium };
            rolls.push(roll(&position, &self.snapshot.vault, Some(opened))?);
            if let Some(options) = &mut self.snapshot.options {
                options.legs.extend(position.legs().map(|valued| valued.leg));
            }
            if let Some(book) = &mut self.book {
                book.next = book.next.max(position.number.saturating_add(1));
                book.positions.push(position);
            }
        }
        self.settle()?;
        Ok(rolls)
    }
}

/// What it takes from the vault to open a series.
fn cost(series: &Series) -> U256 {
    series.iter().fold(U256::ZERO, |cost, (position, _)| cost.saturating_add(position.cost()))
}

fn roll(position: &Position, vault: &Vault, opened: Option<Opened>) -> Result<Roll, BacktestError> {
    let OptionLeg { kind, strike, size, expiry, .. } = position.leg.leg;
    let units = from_raw(size.unsigned_abs(), vault.risky.decimals)?;
    let limit = position.beyond.map(|beyond| from_raw(beyond.leg.strike, WAD_PLACES)).transpose()?;
    Ok(Roll {
        number: position.number,
        kind,
        size: if position.is_written() { Decimal::ZERO.saturating_sub(units) } else { units },
        strike: from_raw(strike, WAD_PLACES)?,
        limit,
        expiry,
        collateral: from_raw(position.collateral, vault.asset.decimals)?,
        opened,
        settled: None,
    })
}
