//! When to act: what a target, its economics and the policy's trigger together ask for.

use super::cost::Economics;
use super::policy::{TradeTo, Trigger};
use super::reason::Reason;
use super::strategies::{Position, Target};
use super::units::{Ratio, Real, Units, from_real};

/// What is asked of the market.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// Nothing, and why.
    Hold(Reason),
    /// A trade towards the target.
    Trade {
        /// Most units to trade.
        size: Units,
        /// What decides whether it is made.
        motive: Motive,
    },
}

/// Why a trade is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Motive {
    /// It has to be made: only hard limits and the urgent gas cap still apply.
    Mandatory(Reason),
    /// It is made if it pays, in the size of least average cost.
    Economic,
    /// A rule asks for it, whatever it costs.
    Rule(Reason),
}

/// Block times a trigger looks at.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// Time of the block.
    pub now: u64,
    /// Time of the vault's last rebalance, 0 where there was none.
    pub last_rebalance: u64,
}

/// Asks for a trade or gives the reason for none. `drift` is units held less target units.
///
/// # Errors
/// [`Reason::Numbers`] out of range.
pub fn ask(
    position: &Position<'_>,
    target: &Target,
    economics: &Economics,
    trigger: &Trigger,
    clock: Clock,
) -> Result<Ask, Reason> {
    let drift = position.books.held.minus(target.units)?;
    let size = drift.abs();
    if let Some(reason) = &target.mandate {
        return Ok(mandatory(drift, reason.clone()));
    }
    if size == Units::ZERO {
        return Ok(Ask::Hold(Reason::OnTarget));
    }
    Question { position, drift, economics, clock, scale: Ratio::ONE }.put(trigger)
}

/// What a trigger is asked about.
#[derive(Clone, Copy)]
struct Question<'a> {
    position: &'a Position<'a>,
    drift: Units,
    economics: &'a Economics,
    clock: Clock,
    /// `σ₀/σ`, 1 outside a `volatility_scaled`.
    scale: Ratio,
}

impl Question<'_> {
    fn put(self, trigger: &Trigger) -> Result<Ask, Reason> {
        match trigger {
            Trigger::Economic => economic(self.drift, self.economics),
            Trigger::Threshold { fraction, to } => {
                let fraction = fraction.times(self.scale)?.at_most(Ratio::ONE);
                threshold(self.position, self.drift, fraction, *to)
            }
            Trigger::Interval { seconds } => {
                let seconds = scaled(*seconds, self.scale)?;
                Ok(interval(self.drift.abs(), seconds, self.clock))
            }
            Trigger::Any { of } => any(self.put_all(of)?),
            Trigger::All { of } => all(self.put_all(of)?),
            Trigger::VolatilityScaled { reference, trigger } => {
                let volatility = Ratio::new(from_real(self.position.volatility.get(), SCALE_PLACES)?);
                // Without any volatility the scale has no end.
                let largest = Ratio::new(LARGEST_SCALE.into());
                let scale = if volatility > Ratio::ZERO { reference.over(volatility)? } else { largest };
                Self { scale: scale.at_most(largest), ..self }.put(trigger)
            }
        }
    }

    fn put_all(self, triggers: &[Trigger]) -> Result<Vec<Ask>, Reason> {
        triggers.iter().map(|trigger| self.put(trigger)).collect()
    }
}

/// Largest factor on thresholds and intervals.
const LARGEST_SCALE: u32 = 1_000_000;

/// Decimal places of the volatility they are scaled with.
const SCALE_PLACES: u32 = 12;

/// `seconds·scale²`, rounded down, at least one.
fn scaled(seconds: u64, scale: Ratio) -> Result<u64, Reason> {
    use rust_decimal::prelude::ToPrimitive;
    let exact = Ratio::new(seconds.into()).times(scale)?.times(scale)?.get();
    Ok(exact.trunc().to_u64().unwrap_or(u64::MAX).max(1))
}

/// The largest trade that one of them asks for, by a rule before `economic`; else the first reason for none.
fn any(asks: Vec<Ask>) -> Result<Ask, Reason> {
    let rank = |ask: &Ask| match ask {
        Ask::Hold(_) => (0, Units::ZERO),
        Ask::Trade { size, motive: Motive::Economic } => (1, *size),
        Ask::Trade { size, .. } => (2, *size),
    };
    chosen(asks.into_iter().reduce(|best, ask| if rank(&ask) > rank(&best) { ask } else { best }))
}

/// The smallest trade, where all of them ask for one; it has to pay where that is what one of them asks. Else the first
/// reason for none.
fn all(asks: Vec<Ask>) -> Result<Ask, Reason> {
    chosen(asks.into_iter().reduce(|so_far, ask| match (so_far, ask) {
        (Ask::Trade { size, motive }, Ask::Trade { size: other, motive: second }) => {
            let motive = if second == Motive::Economic { second } else { motive };
            Ask::Trade { size: size.at_most(other), motive }
        }
        (hold @ Ask::Hold(_), _) | (_, hold) => hold,
    }))
}

/// A policy names at least one trigger.
fn chosen(ask: Option<Ask>) -> Result<Ask, Reason> {
    ask.ok_or_else(|| Reason::Numbers { what: "the policy combines no triggers".into() })
}

/// A mandate only ever sells; with nothing to sell it is the reason to hold.
fn mandatory(drift: Units, reason: Reason) -> Ask {
    if drift > Units::ZERO {
        Ask::Trade { size: drift, motive: Motive::Mandatory(reason) }
    } else {
        Ask::Hold(reason)
    }
}

fn economic(drift: Units, economics: &Economics) -> Result<Ask, Reason> {
    let (inner, outer) = (economics.inner, economics.outer);
    let size = drift.abs();
    if size.real() < outer.get() {
        return Ok(Ask::Hold(Reason::WithinBand { drift, inner, outer }));
    }
    let inner = Units::new(from_real(inner.get(), INNER_PLACES)?);
    Ok(Ask::Trade { size: size.minus(inner)?.or_zero(), motive: Motive::Economic })
}

/// Decimal places of the inner edge as a trade's end.
const INNER_PLACES: u32 = 18;

fn threshold(position: &Position<'_>, drift: Units, fraction: Ratio, to: TradeTo) -> Result<Ask, Reason> {
    let books = position.books;
    let share = books.price.value_of(drift.abs())?.over(books.nav)?;
    let shown = Real::new(share.real())?;
    if share < fraction {
        return Ok(Ask::Hold(Reason::BelowThreshold { drift: shown }));
    }
    let kept = match to {
        TradeTo::Target => Units::ZERO,
        TradeTo::Edge => books.price.units_for(books.nav.times(fraction)?)?,
    };
    let size = drift.abs().minus(kept)?.or_zero();
    Ok(Ask::Trade { size, motive: Motive::Rule(Reason::Threshold { drift: shown }) })
}

fn interval(size: Units, seconds: u64, clock: Clock) -> Ask {
    let due = if clock.last_rebalance == 0 { 0 } else { clock.last_rebalance.saturating_add(seconds) };
    if clock.now < due {
        return Ask::Hold(Reason::NotDue { due });
    }
    Ask::Trade { size, motive: Motive::Rule(Reason::Interval { due }) }
}

impl Motive {
    /// Whether only hard limits still apply.
    #[must_use]
    pub const fn is_mandatory(&self) -> bool {
        matches!(self, Self::Mandatory(_))
    }
}
