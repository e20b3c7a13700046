//! The option book: what its legs are worth, how that moves, and which of the policy's bounds it crosses.
//!
//! It is no part of net asset value: the vault's contract cannot price it, and so neither floor nor cushion counts it.

use alloy::primitives::U256;
use serde::{Deserialize, Serialize};
use serde_with::{DisplayFromStr, serde_as};

use super::models::hedge::{self, Spot, Total};
use super::models::smile::Smile;
use super::models::{ModelError, years};
use super::policy::{GreekBounds, HedgePolicy, ImpliedPolicy, MOST_LEGS, PublishedPolicy};
use super::reason::{Greek, ImpliedFault, Reason};
use super::snapshot::{Feed, ImpliedVolatility, OptionLeg, Round, Snapshot};
use super::units::{Checked, Real, Units, raw_to_real};
use super::valuation::Valuation;

/// The option book as valued at the block, all legs together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Book {
    /// Its worth, USD; negative where it is owed.
    pub value: Real,
    /// `Σ nᵢ·Δᵢ`, units.
    pub delta: Real,
    /// `Σ nᵢ·Γᵢ`, units per USD.
    pub gamma: Real,
    /// USD per 1.00 of volatility.
    pub vega: Real,
    /// USD per year that passes.
    pub theta: Real,
    /// Delta of book and holding together that is aimed at.
    pub target_delta: Units,
    /// Its legs, in the order of the book.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub legs: Vec<Leg>,
    /// The bounds of the policy that it crosses, each a [`Reason::GreekBound`].
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub crossed: Vec<Reason>,
}

/// One leg as valued at the block, in the size that the vault has of it.
#[serde_as]
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Leg {
    /// Its number in the book.
    #[serde_as(as = "DisplayFromStr")]
    pub id: u64,
    /// Its worth, USD.
    pub value: Real,
    /// What moves it; absent once it has expired and only waits to be settled.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub open: Option<OpenLeg>,
}

/// What moves the worth of a leg that has not expired.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OpenLeg {
    /// Years to expiry.
    pub years: Real,
    /// Annualised implied volatility.
    pub volatility: Real,
    /// Where that comes from.
    pub source: ImpliedSource,
    /// Units.
    pub delta: Real,
}

/// Where an implied volatility comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImpliedSource {
    /// The policy's volatility feed.
    Feed,
    /// The policy's smile.
    Smile,
    /// The policy's own estimate of the risky asset's volatility.
    Estimate,
}

impl ImpliedSource {
    /// As in the record.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Feed => "feed",
            Self::Smile => "smile",
            Self::Estimate => "estimate",
        }
    }
}

/// Decimal places of a strike and of a volatility feed's answer.
const WAD_PLACES: u8 = 18;

/// The largest volatility that a feed is believed, 1000 % with 18 decimals.
const MOST_VOLATILITY: U256 = U256::from_limbs([10_000_000_000_000_000_000, 0, 0, 0]);

/// What the legs are valued with.
struct Desk<'a> {
    snapshot: &'a Snapshot,
    implied: &'a ImpliedPolicy,
    smile: Option<&'a Smile>,
    /// Annualised, of the risky asset.
    volatility: Real,
    spot: Spot,
}

/// Values the book that the policy hedges; `None` where it hedges none. `volatility` is the policy's estimate.
///
/// # Errors
/// [`Reason::NoOptionBook`], [`Reason::TooManyLegs`], [`Reason::NoImpliedVolatility`] for the first leg without,
/// [`Reason::Numbers`] out of range.
pub fn value(
    snapshot: &Snapshot,
    published: &PublishedPolicy,
    books: &Valuation,
    volatility: Real,
) -> Result<Option<Book>, Reason> {
    let Some(terms) = published.policy().strategy.hedge() else { return Ok(None) };
    let facts = snapshot.options.as_ref().filter(|facts| facts.address == terms.book);
    let facts = facts.ok_or(Reason::NoOptionBook { book: terms.book })?;
    if facts.legs.len() > MOST_LEGS {
        let count = |legs: usize| u64::try_from(legs).unwrap_or(u64::MAX);
        return Err(Reason::TooManyLegs { legs: count(facts.legs.len()), most: count(MOST_LEGS) });
    }
    let HedgePolicy { implied, rate, carry, .. } = terms;
    let spot = Spot { price: books.price.real(), rate: rate.real(), carry: carry.real() };
    let desk = Desk { snapshot, implied, smile: published.smile(), volatility, spot };
    let mut total = Total::default();
    let mut legs = Vec::with_capacity(facts.legs.len());
    for facts in &facts.legs {
        let (leg, of_leg) = desk.leg(facts)?;
        total = total.plus(of_leg).map_err(numbers)?;
        legs.push(leg);
    }
    Ok(Some(book(&total, legs, &terms)?))
}

/// The volatility that the policy's model has for a leg that has not expired at `price`, units of the asset per risky unit, which need
/// not be that of the feed; whether the book has the leg or not. `None` where the policy hedges no book. `volatility` is the policy's
/// estimate.
///
/// # Errors
/// [`Reason::NoImpliedVolatility`], [`Reason::Numbers`] out of range.
pub fn implied(
    snapshot: &Snapshot,
    published: &PublishedPolicy,
    leg: &OptionLeg,
    (price, volatility): (Real, Real),
) -> Result<Option<Real>, Reason> {
    let Some(HedgePolicy { implied, rate, carry, .. }) = published.policy().strategy.hedge() else {
        return Ok(None);
    };
    let spot = Spot { price: price.get(), rate: rate.real(), carry: carry.real() };
    let desk = Desk { snapshot, implied, smile: published.smile(), volatility, spot };
    Ok(Some(desk.implied(leg, &terms(snapshot, leg)?)?.0))
}

/// A leg in the terms of its model, at the time of the block.
///
/// # Errors
/// A number out of range.
pub fn terms(snapshot: &Snapshot, facts: &OptionLeg) -> Checked<hedge::Leg> {
    let OptionLeg { kind, strike, expiry, size, .. } = *facts;
    let size_of = raw_to_real(size.unsigned_abs(), snapshot.vault.risky.decimals)?;
    Ok(hedge::Leg {
        kind,
        strike: raw_to_real(strike, WAD_PLACES)?,
        years: years(expiry.saturating_sub(snapshot.block.timestamp)),
        size: if size.is_negative() { -size_of } else { size_of },
    })
}

fn book(total: &Total, legs: Vec<Leg>, terms: &HedgePolicy<'_>) -> Checked<Book> {
    let mut book = Book {
        value: Real::new(total.value)?,
        delta: Real::new(total.delta)?,
        gamma: Real::new(total.gamma)?,
        vega: Real::new(total.vega)?,
        theta: Real::new(total.theta)?,
        target_delta: terms.target_delta,
        legs,
        crossed: Vec::new(),
    };
    if let Some(bounds) = terms.bounds {
        book.crossed = crossed(&book, bounds)?;
    }
    Ok(book)
}

/// The bounds that the book's Greeks are over, by their magnitude.
fn crossed(book: &Book, bounds: &GreekBounds) -> Checked<Vec<Reason>> {
    let stated = [
        (Greek::Vega, book.vega, bounds.vega.map(|bound| bound.real())),
        (Greek::Gamma, book.gamma, bounds.gamma.map(|bound| bound.real())),
        (Greek::Theta, book.theta, bounds.theta.map(|bound| bound.real())),
    ];
    let mut crossed = Vec::new();
    for (greek, value, bound) in stated {
        if let Some(bound) = bound.filter(|bound| value.get().abs() > *bound) {
            crossed.push(Reason::GreekBound { greek, value, bound: Real::new(bound)? });
        }
    }
    Ok(crossed)
}

impl Desk<'_> {
    /// One leg, as recorded and as it adds to the whole.
    fn leg(&self, facts: &OptionLeg) -> Result<(Leg, Total), Reason> {
        let leg = terms(self.snapshot, facts)?;
        if facts.expiry <= self.snapshot.block.timestamp {
            let price = self.price_at(facts.expiry)?;
            let total = Total { value: leg.payoff(price.get()).map_err(numbers)?, ..Total::default() };
            return Ok((Leg { id: facts.id, value: Real::new(total.value)?, open: None }, total));
        }
        let (volatility, source) = self.implied(facts, &leg)?;
        let total = self.spot.total(&leg, volatility.get()).map_err(numbers)?;
        let (years, delta) = (Real::new(leg.years)?, Real::new(total.delta)?);
        let open = Some(OpenLeg { years, volatility, source, delta });
        Ok((Leg { id: facts.id, value: Real::new(total.value)?, open }, total))
    }

    fn implied(&self, facts: &OptionLeg, leg: &hedge::Leg) -> Result<(Real, ImpliedSource), Reason> {
        let missing = |fault| Reason::NoImpliedVolatility { leg: facts.id, fault };
        match self.implied {
            ImpliedPolicy::Feed { max_age_seconds, .. } => {
                let now = self.snapshot.block.timestamp;
                let answer = answered(facts.implied.as_ref(), now, *max_age_seconds).map_err(missing)?;
                Ok((Real::new(raw_to_real(answer, WAD_PLACES)?)?, ImpliedSource::Feed))
            }
            ImpliedPolicy::Smile { .. } => {
                let unsound = || Reason::Numbers { what: "the policy's smile has arbitrage".into() };
                let smile = self.smile.ok_or_else(unsound)?;
                let moneyness = self.spot.log_moneyness(leg).map_err(numbers)?;
                let volatility = smile.volatility(moneyness, leg.years).map_err(numbers)?;
                let volatility = volatility.ok_or_else(|| missing(ImpliedFault::BeyondSmile))?;
                Ok((Real::new(volatility)?, ImpliedSource::Smile))
            }
            ImpliedPolicy::Estimate => Ok((self.volatility, ImpliedSource::Estimate)),
        }
    }

    /// The price at which a leg that expired at `expiry` is settled: what the feed said then, a dollar counting as a unit
    /// of the asset, or what it says now where its known rounds do not reach back so far.
    fn price_at(&self, expiry: u64) -> Checked<Real> {
        let Feed { latest, history, decimals, .. } = &self.snapshot.feeds.risky_usd;
        let held = |round: &&Round| (1..=expiry).contains(&round.updated_at) && round.answer.is_positive();
        match history.iter().chain(latest).rev().find(held).or(latest.as_ref()) {
            Some(round) => Real::new(raw_to_real(round.answer.unsigned_abs(), *decimals)?),
            None => Real::new(self.spot.price),
        }
    }
}

/// What the volatility feed says of a leg, 18 decimals.
fn answered(
    answer: Option<&ImpliedVolatility>,
    now: u64,
    max_age_seconds: u64,
) -> Result<U256, ImpliedFault> {
    let answer = answer.filter(|answer| answer.updated_at > 0).ok_or(ImpliedFault::Missing)?;
    let age = now.checked_sub(answer.updated_at).ok_or(ImpliedFault::FromTheFuture)?;
    if age > max_age_seconds {
        return Err(ImpliedFault::Stale { age, limit: max_age_seconds });
    }
    let believed = !answer.annual.is_zero() && answer.annual <= MOST_VOLATILITY;
    if believed { Ok(answer.annual) } else { Err(ImpliedFault::OutOfBounds) }
}

fn numbers(error: ModelError) -> Reason {
    Reason::Numbers { what: error.to_string() }
}
