//! The volatility estimate that the policy asks for, from its source at the block and nothing else.

mod rounds;

use super::models::volatility::{
    Garch, GarchParameters, Har, Intervals, MIN_OBSERVATIONS, Observation, Series, VolatilityError,
    ewma_remembering, garch11, har, of_means, realised, widest_gap,
};
use super::policy::{Estimator, GarchPolicy, History, Source, VolatilityPolicy};
use super::reason::{HistoryFault, Reason};
use super::snapshot::{Pool, Snapshot};
use super::units::Real;

use rounds::Rounds;

/// What is known of the feed's past from the estimate before.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    rounds: Rounds,
    intervals: Intervals,
}

/// Annualised volatility, never below the policy's floor.
///
/// # Errors
/// [`Reason::NoVolatility`] with too short or too gappy a history and no fallback, [`Reason::Numbers`] out of range.
pub fn estimate(snapshot: &Snapshot, policy: &VolatilityPolicy) -> Result<Real, Reason> {
    estimate_remembering(snapshot, policy, &mut Memory::default())
}

/// [`estimate`], where what is known of a feed's rounds from the estimate before is not worked out again. It is the same whatever was
/// known.
///
/// # Errors
/// As [`estimate`].
pub fn estimate_remembering(
    snapshot: &Snapshot,
    policy: &VolatilityPolicy,
    memory: &mut Memory,
) -> Result<Real, Reason> {
    let estimate = match policy.estimator.history() {
        Some(history) => from_history(snapshot, policy, history, memory)?,
        None => {
            model(&policy.estimator, Series::new(&[]), (snapshot.block.timestamp, 0), &mut memory.intervals)?
        }
    };
    Ok(if estimate.get() < policy.floor.real() { Real::new(policy.floor.real())? } else { estimate })
}

/// The estimate, or the fallback where the history is at fault.
fn from_history(
    snapshot: &Snapshot,
    policy: &VolatilityPolicy,
    history: History,
    memory: &mut Memory,
) -> Result<Real, Reason> {
    let VolatilityPolicy { source, estimator, .. } = policy;
    let (now, Memory { rounds, intervals }) = (snapshot.block.timestamp, memory);
    let means;
    let series = match source {
        Source::Feed => rounds.follow(&snapshot.feeds.risky_usd, history.rounds, now)?,
        Source::Pool { .. } => {
            let known = snapshot.pools.iter().find_map(Pool::observations);
            means = known
                .map_or_else(Vec::new, |means| of_means(&means.tick_cumulatives, now, means.step_seconds));
            *intervals = Intervals::default();
            Series::new(&means)
        }
    };
    let series = reached(series, estimator, now);
    let needed = u32::try_from(MIN_OBSERVATIONS).unwrap_or(u32::MAX).max(history.min_rounds);
    let sound = sound(series.observations, history, needed);
    let estimate = sound.and_then(|()| model(estimator, series, (now, needed), intervals));
    match (estimate, history.fallback) {
        (Err(Reason::NoVolatility { .. }), Some(annual)) => Ok(Real::new(annual.real())?),
        (other, _) => other,
    }
}

/// The observations that `estimator` reaches back to: those inside a window and the one before it.
fn reached<'a>(series: Series<'a>, estimator: &Estimator, now: u64) -> Series<'a> {
    let seconds = match estimator {
        Estimator::Realised { window_hours, .. } => hours(*window_hours),
        Estimator::Fixed { .. }
        | Estimator::Ewma { .. }
        | Estimator::Garch11 { .. }
        | Estimator::Har { .. } => {
            return series;
        }
    };
    let start = now.saturating_sub(seconds);
    let before = series.observations.iter().take_while(|observation| observation.time <= start).count();
    series.after(before.saturating_sub(1))
}

/// Whether the observations are many and close enough together.
fn sound(observations: &[Observation], history: History, needed: u32) -> Result<(), Reason> {
    if observations.len() < usize::try_from(needed).unwrap_or(usize::MAX) {
        return Err(missing(observations, needed, None));
    }
    let Some(limit) = history.max_gap_seconds else { return Ok(()) };
    let seconds = widest_gap(observations);
    if seconds > limit {
        return Err(missing(observations, needed, Some(HistoryFault::Gap { seconds, limit })));
    }
    Ok(())
}

fn missing(observations: &[Observation], needed: u32, fault: Option<HistoryFault>) -> Reason {
    let rounds = u32::try_from(observations.len()).unwrap_or(u32::MAX);
    Reason::NoVolatility { rounds, needed, fault }
}

/// What the policy's model says at `now`, where it says that so many observations are needed.
fn model(
    estimator: &Estimator,
    series: Series<'_>,
    (now, needed): (u64, u32),
    intervals: &mut Intervals,
) -> Result<Real, Reason> {
    let observations = series.observations;
    let count = |periods: u32| usize::try_from(periods).unwrap_or(usize::MAX);
    let annual = match estimator {
        Estimator::Fixed { annual } => Ok(annual.real()),
        Estimator::Ewma { half_life_hours, .. } => {
            ewma_remembering(series, now, (*half_life_hours).into(), intervals)
        }
        Estimator::Realised { window_hours, .. } => realised(observations, now, hours(*window_hours)),
        Estimator::Garch11 { step_seconds, horizon_steps, parameters, .. } => {
            let (step_seconds, horizon_steps) = (u64::from(*step_seconds), *horizon_steps);
            let parameters = known(parameters);
            garch11(observations, now, &Garch { step_seconds, horizon_steps, parameters })
        }
        Estimator::Har { period_seconds, medium, long, .. } => {
            let period_seconds = u64::from(*period_seconds);
            har(observations, now, &Har { period_seconds, medium: count(*medium), long: count(*long) })
        }
    };
    let annual = annual.map_err(|error| reason(&error, |fault| missing(observations, needed, fault)))?;
    Ok(Real::new(annual)?)
}

fn known(parameters: &GarchPolicy) -> GarchParameters {
    match parameters {
        GarchPolicy::Fitted => GarchParameters::Fitted,
        GarchPolicy::Stated { long_run, alpha, beta } => {
            GarchParameters::Stated { long_run: long_run.real(), alpha: alpha.real(), beta: beta.real() }
        }
    }
}

/// A fallback is for a history, not for a policy or a price that no model can take.
fn reason(error: &VolatilityError, missing: impl FnOnce(Option<HistoryFault>) -> Reason) -> Reason {
    let steps = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    match *error {
        VolatilityError::TooFew { .. } => missing(None),
        VolatilityError::TooShort { found, needed } => {
            missing(Some(HistoryFault::TooShort { found: steps(found), needed: steps(needed) }))
        }
        VolatilityError::TooOld { seconds, limit } => missing(Some(HistoryFault::TooOld { seconds, limit })),
        VolatilityError::Unordered { .. }
        | VolatilityError::AfterBlock { .. }
        | VolatilityError::BadPrice { .. }
        | VolatilityError::BadHalfLife { .. }
        | VolatilityError::BadParameter { .. } => Reason::Numbers { what: error.to_string() },
    }
}

fn hours(count: u32) -> u64 {
    u64::from(count).saturating_mul(3_600)
}
