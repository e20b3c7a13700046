//! The volatility estimate that the policy asks for, from the feed's rounds at the block and nothing else.

use super::models::volatility::{MIN_OBSERVATIONS, Observation, VolatilityError, ewma};
use super::policy::{Estimator, VolatilityPolicy};
use super::reason::Reason;
use super::snapshot::{Feed, Round, Snapshot};
use super::units::{Checked, Ratio, Real, from_raw, to_real};

/// Annualised volatility, never below the policy's floor.
///
/// # Errors
/// [`Reason::NoVolatility`] with too short a history and no fallback, [`Reason::Numbers`] out of range.
pub fn estimate(snapshot: &Snapshot, policy: &VolatilityPolicy) -> Result<Real, Reason> {
    let estimate = match &policy.estimator {
        Estimator::Fixed { annual } => Real::new(annual.real())?,
        Estimator::Ewma { half_life_hours, rounds, min_rounds, fallback } => {
            let now = snapshot.block.timestamp;
            let observations = observations(&snapshot.feeds.risky_usd, *rounds, now)?;
            let usable = u32::try_from(observations.len()).unwrap_or(u32::MAX);
            let needed = u32::try_from(MIN_OBSERVATIONS).unwrap_or(u32::MAX).max(*min_rounds);
            match ewma(&observations, now, (*half_life_hours).into()) {
                Ok(value) if usable >= needed => Real::new(value)?,
                Ok(_) | Err(VolatilityError::TooFew { .. }) => or_fallback(*fallback, usable, needed)?,
                // A fallback is for a short history, not for a policy or a price that no model can take.
                Err(error) => return Err(Reason::Numbers { what: error.to_string() }),
            }
        }
    };
    Ok(if estimate.get() < policy.floor.real() { Real::new(policy.floor.real())? } else { estimate })
}

fn or_fallback(fallback: Option<Ratio>, rounds: u32, needed: u32) -> Result<Real, Reason> {
    match fallback {
        Some(annual) => Ok(Real::new(annual.real())?),
        None => Err(Reason::NoVolatility { rounds, needed }),
    }
}

/// The last `count` usable rounds up to block time `now`, oldest first. Of several with one time the last counts; one
/// that is older than the round before it, or dated after the block, is not usable.
fn observations(feed: &Feed, count: u32, now: u64) -> Checked<Vec<Observation>> {
    let mut observations: Vec<Observation> = Vec::with_capacity(feed.history.len().saturating_add(1));
    let answered = |round: &&Round| (1..=now).contains(&round.updated_at) && round.answer.is_positive();
    for round in feed.history.iter().chain(&feed.latest).filter(answered) {
        let observation = observation(round, feed.decimals)?;
        match observations.last_mut() {
            Some(last) if last.time > observation.time => {}
            Some(last) if last.time == observation.time => *last = observation,
            _ => observations.push(observation),
        }
    }
    let surplus = observations.len().saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
    Ok(observations.split_off(surplus))
}

fn observation(round: &Round, decimals: u8) -> Checked<Observation> {
    let price = to_real(from_raw(round.answer.unsigned_abs(), decimals)?);
    Ok(Observation { time: round.updated_at, price })
}
