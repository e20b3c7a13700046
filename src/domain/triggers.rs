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
    match trigger {
        Trigger::Economic => economic(drift, economics),
        Trigger::Threshold { fraction, to } => threshold(position, drift, *fraction, *to),
        Trigger::Interval { seconds } => Ok(interval(size, *seconds, clock)),
    }
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
