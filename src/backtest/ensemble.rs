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
    let next = AtomicU64::new(0);
    let mut walked: Vec<Walked> = thread::scope(|scope| {
        let work = || worker(scenario, contestant, paths, &next);
        let workers: Vec<_> = (0..paths.threads.get()).map(|_| scope.spawn(work)).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, Vec<Walked>>| match worker.join() {
            Ok(walked) => walked,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        workers.into_iter().flat_map(join).collect()
    });
    walked.sort_unstable_by_key(|(number, _)| *number);
    let samples: Vec<Sample> = walked.into_iter().map(|(_, sample)| sample).collect::<Result<_, _>>()?;
    if paths.watch.is_stopped() { Err(BacktestError::Stopped) } else { Ok(Ensemble::of(&samples)) }
}

/// A path's number and what it brought.
type Walked = (u64, Result<Sample, BacktestError>);

fn worker(scenario: &Scenario, contestant: &Contestant, paths: &Paths<'_>, next: &AtomicU64) -> Vec<Walked> {
    let mut walked = Vec::new();
    loop {
        let first = next.fetch_add(BATCH, Ordering::Relaxed);
        if first >= paths.count {
            return walked;
        }
        for number in first..first.saturating_add(BATCH).min(paths.count) {
            if paths.watch.is_stopped() {
                return walked;
            }
            let path = scenario.process.path(&scenario.span, paths.seed, number);
            let sample = walk(scenario, contestant, &path, number);
            let failed = sample.is_err();
            walked.push((number, sample));
            paths.watch.walked.fetch_add(1, Ordering::Relaxed);
            if failed {
                // Others go on up to their next batch, so that the lowest failure is among what was walked.
                next.store(NO_MORE, Ordering::Relaxed);
                return walked;
            }
        }
    }
}
