//! Many paths on all processors, with the same result on any number of them.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::BacktestError;
use super::contestant::Contestant;
use super::course::walk;
use super::risk::{Ensemble, Sample};
use super::scenario::Scenario;

/// A next path that is beyond any count, with room to count on.
const NO_MORE: u64 = u64::MAX >> 1;
/// Paths that a thread takes at once.
const BATCH: u64 = 8;

/// How far a simulation is, and whether it should end.
#[derive(Debug, Default)]
pub struct Watch {
    stop: AtomicBool,
    walked: AtomicU64,
}

impl Watch {
    /// Asks for an end.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Paths walked so far, all contestants together.
    #[must_use]
    pub fn walked(&self) -> u64 {
        self.walked.load(Ordering::Relaxed)
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Which paths, and on how many threads.
#[derive(Debug, Clone, Copy)]
pub struct Paths<'a> {
    /// Seed of all of them.
    pub seed: u64,
    /// The paths 0 to this.
    pub count: u64,
    /// Threads; no part of the result.
    pub threads: NonZeroUsize,
    /// Progress, and the wish to end.
    pub watch: &'a Watch,
}

/// Walks the paths.
///
/// # Errors
/// As [`walk`], of the lowest path that has one; [`BacktestError::Stopped`].
pub fn gather(
    scenario: &Scenario,
    contestant: &Contestant,
    paths: &Paths<'_>,
) -> Result<Ensemble, BacktestError> {
    let samples: Vec<Sample> = each(paths, |number| {
        let path = scenario.process.path(&scenario.span, paths.seed, number);
        walk(scenario, contestant, &path, number)
    })?;
    Ok(Ensemble::of(&samples))
}

/// What `work` makes of each path, in the order of their numbers.
///
/// # Errors
/// As `work`, of the lowest path that has one; [`BacktestError::Stopped`].
pub fn each<T: Send>(
    paths: &Paths<'_>,
    work: impl Fn(u64) -> Result<T, BacktestError> + Sync,
) -> Result<Vec<T>, BacktestError> {
    let next = AtomicU64::new(0);
    let mut done: Vec<Done<T>> = thread::scope(|scope| {
        let worker = || worker(paths, &next, &work);
        let workers: Vec<_> = (0..paths.threads.get()).map(|_| scope.spawn(worker)).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, Vec<Done<T>>>| match worker.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        workers.into_iter().flat_map(join).collect()
    });
    done.sort_unstable_by_key(|(number, _)| *number);
    let all = done.into_iter().map(|(_, made)| made).collect::<Result<_, _>>()?;
    if paths.watch.is_stopped() { Err(BacktestError::Stopped) } else { Ok(all) }
}

/// A path's number and what came of it.
type Done<T> = (u64, Result<T, BacktestError>);

fn worker<T>(
    paths: &Paths<'_>,
    next: &AtomicU64,
    work: &(impl Fn(u64) -> Result<T, BacktestError> + Sync),
) -> Vec<Done<T>> {
    let mut done = Vec::new();
    loop {
        let first = next.fetch_add(BATCH, Ordering::Relaxed);
        if first >= paths.count {
            return done;
        }
        for number in first..first.saturating_add(BATCH).min(paths.count) {
            if paths.watch.is_stopped() {
                return done;
            }
            let made = work(number);
            let failed = made.is_err();
            done.push((number, made));
            paths.watch.walked.fetch_add(1, Ordering::Relaxed);
            if failed {
                // Others go on up to their next batch, so that the lowest failure is among what was walked.
                next.store(NO_MORE, Ordering::Relaxed);
                return done;
            }
        }
    }
}
