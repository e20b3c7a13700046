//! A cancel and what it cancels race for one nonce.

use alloy::primitives::B256;
use vault_keeper::journal::{AttemptKind, IntentId, IntentState};

use crate::rig::Rig;

/// An intent whose cancel waits in the pool in its place: the intent, and the hashes of both.
async fn cancelling(rig: &mut Rig) -> (IntentId, B256, B256) {
    let intent = rig.sent().await;
    rig.engine.cancel(intent, "a person asked for it").await.unwrap();
    let entry = rig.entry().await;
    assert_eq!(entry.last_event.state, IntentState::Cancelling);
    let [original, cancel] = entry.attempts.as_slice() else { panic!("{entry:?}") };
    assert_eq!((original.kind, cancel.kind), (AttemptKind::Original, AttemptKind::Cancel));
    assert!(cancel.max_fee_per_gas > original.max_fee_per_gas);
    (intent, original.hash, cancel.hash)
}

/// The transaction that decided.
async fn decided_by(rig: &Rig) -> String {
    rig.entry().await.last_event.detail["transaction"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn fault_46_a_cancel_that_loses_the_race_has_cancelled_nothing() {
    use IntentState::{Cancelling, Executed, Included};
    let mut rig = Rig::set().await;
    let (intent, original, _) = cancelling(&mut rig).await;
    // A miner that never heard of the cancel.
    rig.lose_what_waits().await;
    rig.node_takes(&rig.entry().await.attempts[0].raw).await;
    rig.mine_and_resolve(2).await;
    let states = rig.states(intent).await;
    assert_eq!(states[states.len() - 3..], [Cancelling, Included, Executed], "{states:?}");
    assert_eq!(decided_by(&rig).await, original.to_string());
    rig.assert_executed_once().await;
    assert_eq!(rig.scene.deeds().await.mined, 1);
    assert_eq!(rig.resolve().await.unwrap(), [], "nothing is left of it");
}

#[tokio::test]
async fn fault_46_a_cancel_that_wins_the_race_leaves_nothing_of_the_original() {
    let mut rig = Rig::set().await;
    let (_, _, cancel) = cancelling(&mut rig).await;
    rig.mine_and_resolve(2).await;
    assert_eq!(rig.state().await, IntentState::Cancelled);
    assert_eq!(decided_by(&rig).await, cancel.to_string());
    let deeds = rig.scene.deeds().await;
    assert_eq!((deeds.mined, deeds.sent, deeds.rebalanced), (1, 1, 0));
    rig.assert_invariants().await;
    // The next plan goes on at the next nonce.
    rig.sent().await;
    rig.mine_and_resolve(2).await;
    let entry = rig.entry().await;
    assert_eq!((entry.record.nonce, entry.last_event.state), (1, IntentState::Executed));
    rig.assert_invariants().await;
}
