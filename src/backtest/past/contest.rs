//! The policy beside what else could have been done on the same way: holding its first target, cash, a threshold, every day.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rust_decimal::Decimal;
use serde::Serialize;

use super::metrics::{Gauge, Metrics};
use super::rolls::Roll;
use super::run::{Keeper, Outcome, Past, Step, walk_banded};
use super::setting::Setting;
use super::setting::options::Options;
use crate::backtest::BacktestError;
use crate::domain::policy::{GapPolicy, PublishedPolicy, TradeTo, Trigger};
use crate::domain::units::{Ratio, Usd};

/// Steps of a course that are kept for a picture.
const PICTURED: usize = 8_192;

/// Largest trade of those who stand beside the policy, units of the asset.
const MOST: Decimal = Decimal::from_parts(1_000_000_000, 0, 0, false, 0);

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Entrant {
    /// The policy.
    Policy,
    /// Buys the policy's first target, and nothing after it.
    Hold,
    /// Stays in the asset; with an option book it has that without its hedge.
    Cash,
    /// Back to the policy's target whenever it is 5 % of net asset value away, whatever it costs, without a price for gaps.
    Threshold,
    /// Back to the policy's target every day, without a price for gaps.
    Daily,
}

/// One of them, and how it came through.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Who.
    pub entrant: Entrant,
    /// The figures.
    pub metrics: Metrics,
    /// The trades, and why what was done.
    pub outcome: Outcome,
    /// The course, thinned out for a picture: the first and the last step of all, and of steps that follow one another the last, and
    /// the one with the lowest cushion.
    pub pictured: Vec<Pictured>,
    /// The ends of all bars.
    pub closes: Vec<Step>,
}

/// A step of a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pictured {
    /// The step.
    pub step: Step,
    /// How far value per share is below its peak there, as a part of it.
    pub drawdown: f64,
}

impl Entrant {
    /// All of them, the policy first.
    pub const ALL: [Self; 5] = [Self::Policy, Self::Hold, Self::Cash, Self::Threshold, Self::Daily];

    /// For people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Hold => "hold",
            Self::Cash => "cash",
            Self::Threshold => "threshold 5 %",
            Self::Daily => "daily",
        }
    }

    /// In files.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Hold => "hold",
            Self::Cash => "cash",
            Self::Threshold => "threshold",
            Self::Daily => "daily",
        }
    }

    /// Who keeps a vault of this policy so.
    ///
    /// # Errors
    /// [`BacktestError::Policy`] where a changed policy has no canonical form.
    pub fn keeper(self, published: &PublishedPolicy) -> Result<Keeper, BacktestError> {
        let trigger = match self {
            Self::Policy => return Ok(Keeper::Policy(published.clone())),
            Self::Cash => return Ok(Keeper::Cash(published.clone())),
            Self::Hold | Self::Threshold => {
                Trigger::Threshold { fraction: Ratio::from_bps(500), to: TradeTo::Target }
            }
            Self::Daily => Trigger::Interval { seconds: 86_400 },
        };
        let mut policy = published.policy().clone();
        policy.trigger = trigger;
        policy.name = self.name().to_owned();
        // Whatever it takes: what the vault itself bounds is all that bounds them.
        policy.limits.max_trade = Usd::new(MOST);
        if self == Self::Hold {
            return Ok(Keeper::Hold(PublishedPolicy::new(policy)?));
        }
        let zero = Ratio::ZERO;
        policy.gap = GapPolicy { quantile: zero, jump: zero, floor_weight: zero, ..policy.gap };
        Ok(Keeper::Policy(PublishedPolicy::new(policy)?))
    }

    /// The same of those who take part beside the policy, of whose book these are the `rolls`.
    ///
    /// # Errors
    /// As [`Entrant::keeper`].
    pub(in crate::backtest) fn beside(
        self,
        published: &PublishedPolicy,
        rolls: &[Roll],
    ) -> Result<Keeper, BacktestError> {
        match self {
            Self::Cash => Ok(Keeper::Naked(published.clone(), rolls.to_vec())),
            Self::Policy | Self::Hold | Self::Threshold | Self::Daily => self.keeper(published),
        }
    }

    /// Whether it has to know what the policy's book has opened.
    pub(in crate::backtest) fn follows(self, setting: &Setting) -> bool {
        self == Self::Cash && setting.options.as_ref().is_some_and(Options::are_of_holdings)
    }
}

/// Lets everyone walk, on so many threads, which are no part of the result. Who has to know what the policy's book has opened walks
/// after it.
///
/// # Errors
/// As [`walk_banded`], of the first that has one.
pub fn contest(
    past: &Past<'_>,
    published: &PublishedPolicy,
    entrants: &[Entrant],
    threads: NonZeroUsize,
) -> Result<Vec<Entry>, BacktestError> {
    let follows = |entrant: &Entrant| entrants.contains(&Entrant::Policy) && entrant.follows(past.setting);
    let first: Vec<Entrant> = entrants.iter().copied().filter(|entrant| !follows(entrant)).collect();
    let mut entries = all_at_once(past, &first, threads, |entrant| entrant.keeper(published))?;
    let rolls = entries.iter().find(|entry| entry.entrant == Entrant::Policy);
    let rolls = rolls.map(|policy| policy.outcome.rolls.clone()).unwrap_or_default();
    for (at, entrant) in entrants.iter().enumerate().filter(|(_, entrant)| follows(entrant)) {
        entries.insert(at, entered(past, &entrant.beside(published, &rolls)?, *entrant)?);
    }
    Ok(entries)
}

/// Lets these walk, as nobody has to wait for another.
fn all_at_once(
    past: &Past<'_>,
    entrants: &[Entrant],
    threads: NonZeroUsize,
    keeper: impl Fn(Entrant) -> Result<Keeper, BacktestError> + Sync,
) -> Result<Vec<Entry>, BacktestError> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some((at, entrant)) = {
            let at = next.fetch_add(1, Ordering::Relaxed);
            entrants.get(at).map(|entrant| (at, *entrant))
        } {
            done.push((at, keeper(entrant).and_then(|keeper| entered(past, &keeper, entrant))));
        }
        done
    };
    let mut entries: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.get().min(entrants.len())).map(|_| scope.spawn(work)).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, Vec<_>>| match worker.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        workers.into_iter().flat_map(join).collect()
    });
    entries.sort_unstable_by_key(|(at, _)| *at);
    entries.into_iter().map(|(_, entry)| entry).collect()
}

fn entered(past: &Past<'_>, keeper: &Keeper, entrant: Entrant) -> Result<Entry, BacktestError> {
    let (mut gauge, mut picture) = (Gauge::default(), Picture::of(past.ticks.len()));
    let mut closes = Vec::new();
    // A band is told of the policy alone, at the ends of bars and wherever it is drawn for sure.
    let (told, kept) = (entrant == Entrant::Policy, picture.kept);
    let closes_at = |at: usize| past.ticks.get(at).is_some_and(|tick| tick.closes);
    let banded = |at| told && (closes_at(at) || kept.has(at));
    let outcome = walk_banded(past, keeper, banded, |step| {
        gauge.see(step);
        picture.see(Pictured { step: *step, drawdown: gauge.drawdown() });
        if step.tick.closes {
            closes.push(*step);
        }
    })?;
    Ok(Entry { entrant, metrics: gauge.metrics(&outcome), outcome, pictured: picture.steps, closes })
}

/// The steps that a picture has for sure: the first and the last of all, and the last of every so many. The others are without a band.
#[derive(Debug, Clone, Copy)]
struct Kept {
    every: usize,
    last: usize,
}

impl Kept {
    /// Of so many steps.
    fn of(steps: usize) -> Self {
        Self { every: steps.div_ceil(PICTURED / 2).max(1), last: steps.saturating_sub(1) }
    }

    const fn has(self, at: usize) -> bool {
        at == 0 || at == self.last || at.saturating_add(1).is_multiple_of(self.every)
    }
}

/// Thins a course out for a picture: of the steps from one that is kept to the next it keeps the one with the lowest cushion too.
struct Picture {
    kept: Kept,
    seen: usize,
    lowest: Option<(Decimal, Pictured)>,
    steps: Vec<Pictured>,
}

impl Picture {
    fn of(steps: usize) -> Self {
        Self { kept: Kept::of(steps), seen: 0, lowest: None, steps: Vec::new() }
    }

    fn see(&mut self, pictured: Pictured) {
        let Step { account, floor, tick, .. } = pictured.step;
        let cushion = account.counted_net().saturating_sub(floor);
        if self.lowest.is_none_or(|(lowest, _)| cushion < lowest) {
            self.lowest = Some((cushion, pictured));
        }
        let at = self.seen;
        self.seen = at.saturating_add(1);
        if self.kept.has(at) {
            let lowest = self.lowest.take().map(|(_, lowest)| lowest);
            self.steps.extend(lowest.filter(|lowest| lowest.step.tick.time < tick.time));
            self.steps.push(pictured);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_the_first_and_the_last_step_whatever_their_number() {
        for steps in [1, 2, 4_096, 4_097, 8_191, 8_193, 105_479] {
            let kept = Kept::of(steps);
            assert!(kept.has(0) && kept.has(steps - 1), "{steps}");
            let sure = (0..steps).filter(|at| kept.has(*at)).count();
            assert!(sure <= PICTURED / 2 + 2, "{sure} of {steps}");
        }
    }
}
