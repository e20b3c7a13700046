//! Combinations on all processors, with the same results on any number of them.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::origin::Shared;
use super::outcome::{Done, Outcome};
use super::plan::{Cell, Plan};
use crate::backtest::past::metrics::{Gauge, Metrics};
use crate::backtest::past::opening::Start;
use crate::backtest::past::run::{Keeper, Past, walk};

/// The wish to end: what is under way is finished, and nothing begun.
#[derive(Debug, Default)]
pub struct Halt(AtomicBool);

impl Halt {
    /// Asks for an end.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked for one.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is to be done, and on how many threads.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    /// All combinations.
    pub plan: &'a Plan,
    /// Prices and base fees, read once for all of them.
    pub shared: Shared<'a>,
    /// The numbers of those that are to be walked.
    pub left: &'a [usize],
    /// Threads; no part of the result.
    pub threads: NonZeroUsize,
    /// The wish to end.
    pub halt: &'a Halt,
}

/// Walks what is left, and hands over what is done, several at a time where more has been done meanwhile, in any order.
///
/// # Errors
/// That of `keep`, after which nothing more is begun.
pub fn run<E>(work: &Work<'_>, mut keep: impl FnMut(Vec<Done>) -> Result<(), E>) -> Result<(), E> {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (sender, receiver) = channel();
        for _ in 0..work.threads.get().min(work.left.len()) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || walk_on(work, next, &sender));
        }
        drop(sender);
        let kept = hand_over(&receiver, &mut keep);
        if kept.is_err() {
            work.halt.ask();
        }
        kept
    })
}

fn hand_over<E>(done: &Receiver<Done>, keep: &mut impl FnMut(Vec<Done>) -> Result<(), E>) -> Result<(), E> {
    while let Ok(first) = done.recv() {
        keep(std::iter::once(first).chain(done.try_iter()).collect())?;
    }
    Ok(())
}

fn walk_on(work: &Work<'_>, next: &AtomicUsize, done: &Sender<Done>) {
    while !work.halt.is_asked() {
        let at = next.fetch_add(1, Ordering::Relaxed);
        let Some(number) = work.left.get(at).copied() else { return };
        let Ok(cell) = work.plan.cell(number) else { continue };
        // Nobody listens any more once something could not be kept.
        if done.send((number, walked(&cell, work.shared))).is_err() {
            return;
        }
    }
}

/// One policy through one past; what it cannot walk through is an outcome like another.
fn walked(cell: &Cell<'_>, shared: Shared<'_>) -> Outcome {
    let ticks = shared.ticks.get(cell.period).map(Vec::as_slice).unwrap_or_default();
    let start = Start::Capital(cell.capital);
    let past = Past { ticks, base_fees: shared.base_fees, setting: cell.setting, start };
    let mut gauge = Gauge::default();
    match walk(&past, &Keeper::Policy(cell.policy.clone()), |step| gauge.see(step)) {
        Ok(outcome) => told(gauge.metrics(&outcome)),
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

/// Figures that are no numbers could not be kept.
fn told(metrics: Metrics) -> Outcome {
    match metrics.strange() {
        Some(name) => Outcome::Failed(format!("{name} is no number")),
        None => Outcome::Walked(Box::new(metrics)),
    }
}
