//! What the positions of a book are worth at the market's price.

use alloy::primitives::U256;
use rust_decimal::Decimal;

use super::{Book, Position, price};
use crate::backtest::BacktestError;
use crate::domain::models::hedge::Spot;
use crate::domain::options::{implied, terms};
use crate::domain::policy::{ImpliedPolicy, PublishedPolicy};
use crate::domain::snapshot::{OptionLeg, Snapshot};
use crate::domain::units::{Real, from_raw, from_real, to_real};
use crate::domain::volatility::estimate_remembering;

/// What the positions of a book are worth to the vault, units of the asset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::backtest::past) struct Marked {
    /// What the vault has laid into the book.
    pub(in crate::backtest::past) posted: Decimal,
    /// What they are worth beyond that; below 0 where the vault owes.
    pub(in crate::backtest::past) mark: Decimal,
}

impl Book<'_> {
    /// What it is worth at the market's price by the policy's own model, to the asset's places; where that has no volatility for a
    /// leg, by the one that it had last. What has expired is worth what the feed said last up to the expiry, or, where that was too
    /// old to settle it, what each side will get back.
    ///
    /// # Errors
    /// [`BacktestError::Number`] out of range, or a model's.
    pub(in crate::backtest::past) fn mark(
        &mut self,
        snapshot: &Snapshot,
        market: Decimal,
    ) -> Result<Marked, BacktestError> {
        if self.positions.is_empty() {
            return Ok(Marked::default());
        }
        let (now, places) = (snapshot.block.timestamp, snapshot.vault.asset.decimals);
        let (spot, estimate) = (self.spot(market), self.estimate(snapshot));
        let (mut marked, mut open) = (Marked::default(), 0.0);
        let settles = (self.max_age(), self.scale);
        for position in &mut self.positions {
            marked.posted = marked.posted.saturating_add(from_raw(position.posted(), places)?);
            if position.expiry() <= now {
                let worth = expired(position, snapshot, settles)?;
                marked.mark = marked.mark.saturating_add(worth);
                continue;
            }
            for valued in position.legs_mut() {
                let known = model(snapshot, self.published, &valued.leg, (&spot, estimate));
                valued.volatility = known.or(valued.volatility);
                open += value(snapshot, &valued.leg, &spot, valued.volatility.unwrap_or(0.0))?;
            }
        }
        marked.mark = marked.mark.saturating_add(from_real(open, places.into())?);
        Ok(marked)
    }

    /// The market, with the policy's rate and carry.
    pub(super) fn spot(&self, market: Decimal) -> Spot {
        let hedge = self.published.policy().strategy.hedge();
        let (rate, carry) = hedge.map_or((0.0, 0.0), |hedge| (hedge.rate.real(), hedge.carry.real()));
        Spot { price: to_real(market), rate, carry }
    }

    /// The policy's estimate of the risky asset's volatility, where its model needs one; absent where there is none.
    pub(super) fn estimate(&mut self, snapshot: &Snapshot) -> Option<Real> {
        let policy = self.published.policy();
        if policy.strategy.hedge().is_some_and(|hedge| *hedge.implied == ImpliedPolicy::Estimate) {
            estimate_remembering(snapshot, &policy.volatility, &mut self.memory).ok()
        } else {
            Real::new(0.0).ok()
        }
    }
}

/// What a position that has expired is worth to the vault beyond its collateral.
fn expired(
    position: &Position,
    snapshot: &Snapshot,
    (max_age, scale): (u64, U256),
) -> Result<Decimal, BacktestError> {
    let feed = &snapshot.feeds.risky_usd;
    let round = position.held.or(feed.latest).ok_or(BacktestError::Number("a price"))?;
    let owed = if position.expiry().saturating_sub(round.updated_at) <= max_age {
        position.payoff(price(&round, feed.decimals)?, scale).ok_or(BacktestError::Number("a payoff"))?
    } else {
        position.premium.unwrap_or_default()
    };
    let owed = from_raw(owed, snapshot.vault.asset.decimals)?;
    Ok(if position.is_written() { Decimal::ZERO.saturating_sub(owed) } else { owed })
}

/// The volatility that the policy's model has for a leg.
pub(super) fn model(
    snapshot: &Snapshot,
    published: &PublishedPolicy,
    leg: &OptionLeg,
    (spot, estimate): (&Spot, Option<Real>),
) -> Option<f64> {
    let price = Real::new(spot.price).ok()?;
    let volatility = implied(snapshot, published, leg, (price, estimate?)).ok()??;
    Some(volatility.get())
}

/// What a leg is worth to the vault, units of the asset.
pub(super) fn value(
    snapshot: &Snapshot,
    leg: &OptionLeg,
    spot: &Spot,
    volatility: f64,
) -> Result<f64, BacktestError> {
    Ok(spot.total(&terms(snapshot, leg)?, volatility)?.value)
}
