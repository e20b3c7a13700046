//! Futures that are dropped at every point at which they wait: what they left is taken up by the next call.

use std::pin::Pin;
use std::task::{Context, Poll};

use serde_json::Value;
use tempfile::TempDir;
use vault_keeper::chain::{At, Header, Simulated};
use vault_keeper::execution::{Patience, SendingConfig, Simulation, Submission, measured};
use vault_keeper::journal::{AttemptKind, IntentState, Urgency};

use crate::rig::{Build, Rig, copied, sending};

/// A future that is dropped after so many polls.
struct Polled<F> {
    future: Pin<Box<F>>,
    left: usize,
}

impl<F: Future> Future for Polled<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.left -= 1;
        match self.future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Polls `future` at most so often, then drops it; its output where that was enough.
async fn polled<F: Future>(future: F, times: usize) -> Option<F::Output> {
    Polled { future: Box::pin(future), left: times }.await
}

/// A chain and a journal to which every drop goes back.
struct Start {
    chain: Value,
    journal: TempDir,
}

impl Start {
    async fn here(rig: &Rig) -> Self {
        Self { chain: rig.scene.save().await, journal: rig.image() }
    }

    async fn again(&mut self, rig: Rig) -> Rig {
        rig.scene.restore(&mut self.chain).await;
        rig.proxies.iter().for_each(crate::proxy::Proxy::forget);
        rig.restart_on(Some(copied(&self.journal))).await
    }
}

/// Drops `step` at each of its polls in turn, every time from the same start, and goes on with `then` until it once comes
/// to its end. How often it was dropped.
async fn dropped_everywhere(mut rig: Rig, step: impl AsyncFn(&Rig), then: impl AsyncFn(&Rig)) -> usize {
    let mut start = Start::here(&rig).await;
    for polls in 1.. {
        rig = start.again(rig).await;
        let ended = polled(step(&rig), polls).await.is_some();
        then(&rig).await;
        if ended {
            return polls - 1;
        }
    }
    unreachable!()
}

/// The plan of the newest cycle as it was submitted, and the head that it was made at; then the chain and the journal are
/// again as before.
async fn planned(mut rig: Rig) -> (Rig, Submission, Header) {
    let mut start = Start::here(&rig).await;
    let head = rig.head().await;
    rig.sent().await;
    let record = rig.entry().await.record;
    let cycle = rig.journal.recent_cycles(rig.scene.vault, 1).await.unwrap().remove(0).record;
    let simulation = Simulation {
        from: rig.sender(),
        to: record.to,
        calldata: record.calldata.clone(),
        at: At::Hash(head.hash),
        block_gas_limit: head.gas_limit,
        decode: |_| None,
    };
    let preflight = measured(&simulation, Simulated::Success(record.gas_limit), &sending()).unwrap();
    let submission = Submission {
        cycle,
        preflight,
        vault_nonce: record.vault_nonce,
        deadline: record.deadline,
        planned_json: record.planned_json,
    };
    (start.again(rig).await, submission, head)
}

/// A rig with an intent that the node has lost, and with a bump due at the next look.
async fn aged() -> Rig {
    let patience = Patience { bump_after: 1, ..Patience::default() };
    let mut rig =
        Rig::of(Build { sending: SendingConfig { patience, ..sending() }, ..Build::default() }).await;
    rig.sent().await;
    rig.lose_what_waits().await;
    rig.scene.mine(1).await;
    rig
}

async fn kinds(rig: &Rig) -> Vec<AttemptKind> {
    rig.entries().await.iter().flat_map(|entry| entry.attempts.iter().map(|attempt| attempt.kind)).collect()
}

/// Mines until all is final.
async fn finished(rig: &Rig) {
    rig.mine_and_resolve(3).await;
    assert_eq!(rig.resolve().await.unwrap(), [], "something is left");
}

#[tokio::test]
async fn fault_47_a_submission_that_is_dropped_anywhere_leaves_no_gap_and_is_executed_once() {
    let (rig, submission, head) = planned(Rig::set().await).await;
    let submit = async |rig: &Rig| drop(rig.engine.submit(&submission, &head).await.unwrap());
    let drops = dropped_everywhere(rig, submit, async |rig| {
        rig.resolve().await.unwrap();
        if rig.engine.in_flight(rig.scene.vault, 0).await.unwrap().is_none() {
            submit(rig).await;
        }
        finished(rig).await;
        let entries = rig.entries().await;
        assert_eq!(entries.len(), 1, "{entries:?}");
        assert_eq!((entries[0].record.nonce, entries[0].attempts.len()), (0, 1));
        rig.assert_executed_once().await;
    })
    .await;
    assert!(drops >= 5, "{drops}");
}

#[tokio::test]
async fn fault_47_a_takeover_that_is_dropped_anywhere_leaves_one_nonce_and_one_execution() {
    let (mut rig, mut submission, head) = planned(Rig::set().await).await;
    rig.sent().await;
    rig.lose_what_waits().await;
    submission.cycle.urgency = Urgency::Urgent;
    let take_over = async |rig: &Rig| drop(rig.engine.submit(&submission, &head).await.unwrap());
    let drops = dropped_everywhere(rig, take_over, async |rig| {
        let flight = rig.engine.in_flight(rig.scene.vault, 0).await.unwrap().unwrap();
        if flight.urgency == Urgency::Routine {
            take_over(rig).await;
        }
        finished(rig).await;
        let entries = rig.entries().await;
        let told: Vec<_> = entries.iter().map(|e| (e.record.nonce, e.last_event.state)).collect();
        assert_eq!(told, [(0, IntentState::Superseded), (0, IntentState::Executed)]);
        assert_eq!(kinds(rig).await, [AttemptKind::Original; 2]);
        rig.assert_executed_once().await;
    })
    .await;
    assert!(drops >= 5, "{drops}");
}

#[tokio::test]
async fn fault_47_a_look_with_a_bump_due_that_is_dropped_anywhere_signs_one_and_is_executed_once() {
    let look = async |rig: &Rig| drop(rig.resolve().await.unwrap());
    let drops = dropped_everywhere(aged().await, look, async |rig| {
        look(rig).await;
        assert_eq!(kinds(rig).await, [AttemptKind::Original, AttemptKind::Bump]);
        finished(rig).await;
        rig.assert_executed_once().await;
        assert_eq!(rig.scene.deeds().await.mined, 1);
    })
    .await;
    assert!(drops >= 8, "{drops}");
}

#[tokio::test]
async fn fault_47_a_cancel_that_is_dropped_anywhere_signs_one_and_nothing_is_executed() {
    let cancel = async |rig: &Rig| {
        let intent = rig.entry().await.id;
        rig.engine.cancel(intent, "a person asked for it").await.unwrap();
    };
    let drops = dropped_everywhere(aged().await, cancel, async |rig| {
        cancel(rig).await;
        assert_eq!(kinds(rig).await, [AttemptKind::Original, AttemptKind::Cancel]);
        finished(rig).await;
        assert_eq!(rig.state().await, IntentState::Cancelled);
        let deeds = rig.scene.deeds().await;
        assert_eq!((deeds.mined, deeds.sent, deeds.rebalanced), (1, 1, 0));
        rig.assert_invariants().await;
    })
    .await;
    assert!(drops >= 8, "{drops}");
}

#[tokio::test]
async fn fault_47_a_withdrawal_that_is_dropped_anywhere_is_recorded_once_and_cancels_at_the_next_look() {
    let withdraw = async |rig: &Rig| {
        let intent = rig.entry().await.id;
        rig.engine.withdraw(intent, "no trade is wanted any more").await.unwrap();
    };
    let drops = dropped_everywhere(aged().await, withdraw, async |rig| {
        withdraw(rig).await;
        let intent = rig.entry().await.id;
        let told = rig.states(intent).await;
        let withdrawn = told.iter().filter(|state| **state == IntentState::Cancelling).count();
        assert_eq!(withdrawn, 1, "{told:?}");
        finished(rig).await;
        assert_eq!(rig.state().await, IntentState::Cancelled);
        assert_eq!(kinds(rig).await, [AttemptKind::Original, AttemptKind::Cancel]);
        rig.assert_invariants().await;
    })
    .await;
    assert!(drops >= 2, "{drops}");
}
