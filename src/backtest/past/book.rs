//! The positions of a vault's option book, as the book's contract keeps them: what lies there for each, what it pays and to whom.

mod mark;
mod series;

use alloy::primitives::{I256, U256};

pub(super) use mark::Marked;
pub(super) use series::Series;

use super::rolls::{Roll, Undone};
use super::setting::options::{MAX_AGE_SECONDS, OptionKind, Options};
use crate::backtest::BacktestError;
use crate::domain::policy::PublishedPolicy;
use crate::domain::snapshot::{OptionLeg, Round, Snapshot, Vault};
use crate::domain::units::{from_raw, to_raw};
use crate::domain::volatility::Memory;

/// Places of a strike and of the price that settles.
pub(super) const WAD_PLACES: u8 = 18;
/// Seconds after its expiry from which on a position that nothing settles is undone.
const UNDO_SECONDS: u64 = 604_800;

/// One option whose payoff stops growing at a limit, which is two legs: that at the strike, and the opposite one at the limit.
///
/// What the short side can owe at most lies in the book from the start. A written call that has no limit, which the reference book
/// does not open and another may, has nothing there: it is paid out of what the vault has idle.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Position {
    /// Its number.
    pub(super) number: u64,
    /// At the strike.
    pub(super) leg: Valued,
    /// At the limit; absent of a put whose limit is 0.
    pub(super) beyond: Option<Valued>,
    /// What lies in the book, raw units of the asset.
    pub(super) collateral: U256,
    /// What the long side has paid, raw units of the asset; unknown of one that the vault stood with.
    pub(super) premium: Option<U256>,
    /// The feed's last round at or before the expiry, so far.
    pub(super) held: Option<Round>,
}

/// A leg with the volatility that it was last valued with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Valued {
    pub(super) leg: OptionLeg,
    pub(super) volatility: Option<f64>,
}

impl Valued {
    pub(super) const fn new(leg: OptionLeg) -> Self {
        Self { leg, volatility: None }
    }
}

/// What a position comes to once it has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The feed's next round is not known yet, or it is too early to undo what none settles.
    Open,
    /// At this price, 18 places.
    Settled(U256),
    /// Each side gets back what it paid.
    Undone(Undone),
}

impl Position {
    pub(super) const fn expiry(&self) -> u64 {
        self.leg.leg.expiry
    }

    /// Whether the vault has written it.
    pub(super) const fn is_written(&self) -> bool {
        self.leg.leg.size.is_negative()
    }

    /// What the vault has laid into the book, its premium aside, raw units of the asset.
    pub(super) const fn posted(&self) -> U256 {
        if self.is_written() { self.collateral } else { U256::ZERO }
    }

    /// What it takes from the vault to open it.
    pub(super) fn cost(&self) -> U256 {
        let premium = self.premium.unwrap_or_default();
        if self.is_written() { self.collateral.saturating_sub(premium) } else { premium }
    }

    pub(super) fn legs(&self) -> impl Iterator<Item = &Valued> {
        std::iter::once(&self.leg).chain(&self.beyond)
    }

    pub(super) fn legs_mut(&mut self) -> impl Iterator<Item = &mut Valued> {
        std::iter::once(&mut self.leg).chain(&mut self.beyond)
    }

    /// From where on its payoff does not grow, as a distance from the strike.
    fn width(&self) -> Option<U256> {
        let strike = self.leg.leg.strike;
        match (&self.beyond, self.leg.leg.kind) {
            (Some(beyond), _) => Some(beyond.leg.strike.abs_diff(strike)),
            (None, OptionKind::Put) => Some(strike),
            (None, OptionKind::Call) => None,
        }
    }

    /// What the short side owes at a price of 18 places, raw units of the asset, rounded down.
    pub(super) fn payoff(&self, price: U256, scale: U256) -> Option<U256> {
        let OptionLeg { kind, strike, size, .. } = self.leg.leg;
        let inside = match kind {
            OptionKind::Call => price.saturating_sub(strike),
            OptionKind::Put => strike.saturating_sub(price),
        };
        let inside = self.width().map_or(inside, |width| inside.min(width));
        size.unsigned_abs().checked_mul(inside)?.checked_div(scale)
    }

    /// The most that the short side can owe, rounded up; nothing where there is no such bound.
    pub(super) fn most(&self, scale: U256) -> Option<U256> {
        let size = self.leg.leg.size.unsigned_abs();
        Some(size.checked_mul(self.width().unwrap_or_default())?.div_ceil(scale))
    }

    /// What the feed's `latest` round makes of it at `time`. An answer settles only where a later one shows that it was the last up to
    /// the expiry: a feed that is silent since then leaves nothing to settle by, however fresh it was.
    pub(super) fn end(
        &self,
        (latest, decimals): (&Round, u8),
        max_age: u64,
        time: u64,
    ) -> Result<End, BacktestError> {
        let expiry = self.expiry();
        let answered = latest.updated_at > expiry;
        let round = self.held.filter(|round| expiry.saturating_sub(round.updated_at) <= max_age);
        match round {
            Some(round) if answered => Ok(End::Settled(price(&round, decimals)?)),
            _ if time < expiry.saturating_add(UNDO_SECONDS) => Ok(End::Open),
            Some(_) => Ok(End::Undone(Undone::NoAnswer)),
            None => Ok(End::Undone(Undone::StaleAnswer)),
        }
    }
}

/// What a round answers, 18 places, a dollar counting as a unit of the asset.
pub(super) fn price(round: &Round, decimals: u8) -> Result<U256, BacktestError> {
    Ok(to_raw(from_raw(round.answer.unsigned_abs(), decimals)?, WAD_PLACES)?)
}

/// The book of one vault.
#[derive(Debug, Clone)]
pub(super) struct Book<'a> {
    pub(super) published: &'a PublishedPolicy,
    /// What it rolls into; nothing where it runs out.
    pub(super) terms: Option<&'a Options>,
    /// The open ones.
    pub(super) positions: Vec<Position>,
    /// Number of the next.
    pub(super) next: u64,
    /// When the last series ended.
    pub(super) closed_at: Option<u64>,
    /// Positions of another vault's book, whose sizes stand where one is of what is held.
    pub(super) sized_by: Option<&'a [Roll]>,
    /// `10^(18 + risky decimals − asset decimals)`.
    pub(super) scale: U256,
    /// What an estimate before this one has worked out.
    pub(super) memory: Memory,
}

impl<'a> Book<'a> {
    /// That of the vault as it stands, for a policy that hedges one; a vault that is made up has an empty one.
    ///
    /// # Errors
    /// [`BacktestError::Number`] out of range.
    pub(super) fn open(
        snapshot: &Snapshot,
        published: &'a PublishedPolicy,
        terms: Option<&'a Options>,
    ) -> Result<Option<Self>, BacktestError> {
        if published.policy().option_book().is_none() {
            return Ok(None);
        }
        let scale = scale(&snapshot.vault)?;
        let legs = snapshot.options.as_ref().map_or(&[][..], |book| book.legs.as_slice());
        let positions = standing(legs, snapshot, scale)?;
        let next =
            positions.iter().map(|position| position.number).max().map_or(1, |last| last.saturating_add(1));
        let (closed_at, sized_by, memory) = (None, None, Memory::default());
        Ok(Some(Self { published, terms, positions, next, closed_at, sized_by, scale, memory }))
    }

    /// Age in seconds up to which the feed's answer at an expiry settles.
    pub(super) fn max_age(&self) -> u64 {
        self.terms.map_or(MAX_AGE_SECONDS, |terms| terms.max_age_seconds)
    }
}

/// Asset and risky units into each other by a price of 18 places.
fn scale(vault: &Vault) -> Result<U256, BacktestError> {
    let places = 18_u32.saturating_add(vault.risky.decimals.into()).checked_sub(vault.asset.decimals.into());
    let scale = places.and_then(|places| 10_u128.checked_pow(places));
    scale.map(U256::from).ok_or(BacktestError::Number("the decimals of a token"))
}

/// The positions that legs are of: those of the reference book have the numbers 2n and 2n + 1.
fn standing(legs: &[OptionLeg], snapshot: &Snapshot, scale: U256) -> Result<Vec<Position>, BacktestError> {
    let feed = &snapshot.feeds.risky_usd;
    let mut positions: Vec<Position> = Vec::with_capacity(legs.len());
    for leg in legs {
        let number = leg.id.checked_div(2).unwrap_or_default();
        let first =
            positions.iter_mut().find(|first| first.number == number && is_beyond(&first.leg.leg, leg));
        if let Some(first) = first.filter(|first| first.beyond.is_none()) {
            first.beyond = Some(Valued::new(*leg));
            continue;
        }
        let by = |round: &&Round| round.updated_at <= leg.expiry && round.answer.is_positive();
        let held = feed.history.iter().chain(&feed.latest).rev().find(by).or(feed.latest.as_ref()).copied();
        let leg = Valued::new(*leg);
        let (collateral, premium, beyond) = (U256::ZERO, None, None);
        positions.push(Position { number, leg, beyond, collateral, premium, held });
    }
    for position in &mut positions {
        position.collateral =
            position.most(scale).ok_or(BacktestError::Number("the collateral of an option"))?;
    }
    Ok(positions)
}

/// Whether a leg is what lets the payoff of another stop growing.
fn is_beyond(first: &OptionLeg, second: &OptionLeg) -> bool {
    let opposite = first.size.checked_neg() == Some(second.size);
    let further = match first.kind {
        OptionKind::Call => second.strike > first.strike,
        OptionKind::Put => second.strike < first.strike,
    };
    first.kind == second.kind && first.expiry == second.expiry && opposite && further
}

/// A size of the vault's side.
pub(super) fn signed(size: U256, written: bool) -> Option<I256> {
    let size = I256::try_from(size).ok()?;
    if written { size.checked_neg() } else { Some(size) }
}
