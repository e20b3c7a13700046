//! What a node answers to bytes, and what of it is evidence.

use vault_keeper::journal::{IntentId, IntentState};
use vault_keeper::keeper::Dispatch;

use crate::keeper_process::Deeds;
use crate::proxy::{Act, Calls};
use crate::rig::{Rig, SEND};

/// Asserts that the only bytes ever signed were handed over so many times, at nonce 0, and executed.
async fn assert_same_bytes_executed(rig: &Rig, intent: IntentId, handed_over: usize) {
    let entry = rig.entry().await;
    assert_eq!((entry.id, entry.record.nonce, entry.attempts.len()), (intent, 0, 1));
    assert_eq!(rig.handed_over(), vec![entry.attempts[0].raw.clone(); handed_over]);
    assert_eq!(rig.scene.deeds().await, Deeds::ONE);
    rig.assert_executed_once().await;
}

/// Asserts that a cycle plans nothing new while the intent is in doubt.
async fn assert_nonce_committed(rig: &mut Rig, intent: IntentId) {
    let dispatch = rig.dispatched().await;
    assert!(
        matches!(&dispatch, Dispatch::InFlight { intent: id } if *id == intent.to_string()),
        "{dispatch:?}"
    );
    assert_eq!(rig.entries().await.len(), 1);
}

#[tokio::test]
async fn fault_01_an_answer_that_is_lost_after_the_node_took_the_bytes_leaves_them_live_at_their_nonce() {
    let mut rig = Rig::set().await;
    rig.proxies[0].rule(SEND, Calls::Nth(0), Act::DropAfterForwarding);
    let intent = rig.sent().await;
    assert_eq!(rig.states(intent).await, [IntentState::Prepared, IntentState::Live]);
    assert_eq!(rig.publications(intent).await, ["unclear"]);
    assert_eq!(rig.scene.deeds().await, Deeds { sent: 1, ..Deeds::NONE }, "the node has it all the same");
    assert_nonce_committed(&mut rig, intent).await;
    rig.resolve().await.unwrap();
    assert_eq!(rig.publications(intent).await, ["unclear", "accepted"], "already imported");
    rig.mine_and_resolve(2).await;
    assert_same_bytes_executed(&rig, intent, 2).await;
}

#[tokio::test]
async fn fault_02_a_send_that_times_out_before_the_node_sees_it_is_repeated_with_the_same_bytes() {
    let mut rig = Rig::set().await;
    rig.proxies[0].rule(SEND, Calls::Nth(0), Act::Hang);
    let intent = rig.sent().await;
    assert_eq!(rig.states(intent).await, [IntentState::Prepared, IntentState::Live]);
    assert_eq!(rig.publications(intent).await, ["unclear"]);
    assert_eq!(rig.scene.deeds().await, Deeds::NONE, "the node never saw it");
    assert_nonce_committed(&mut rig, intent).await;
    rig.resolve().await.unwrap();
    assert_eq!(rig.publications(intent).await, ["unclear", "accepted"]);
    rig.mine_and_resolve(2).await;
    assert_same_bytes_executed(&rig, intent, 2).await;
}

/// Codes and words of clients and providers for bytes that they have.
const KNOWN: [(i64, &str); 12] = [
    (-32_000, "already known"),
    (-32_000, "ALREADY_EXISTS: already known"),
    (-32_003, "transaction already imported"),
    (-32_000, "transaction already imported"),
    (-32_010, "AlreadyKnown"),
    (-32_000, "AlreadyKnown"),
    (-32_000, "Known transaction"),
    (-32_000, "known transaction: 0x5f1a"),
    (-32_000, "existing tx with same hash"),
    (-32_010, "Transaction with the same hash was already imported."),
    (-32_000, "transaction is already in the system"),
    (-32_603, "tx already in mempool"),
];

#[tokio::test]
async fn fault_10_bytes_that_a_node_knows_already_are_accepted_in_every_dialect() {
    let mut rig = Rig::set().await;
    rig.proxies[0].rule(SEND, Calls::Nth(0), Act::worded(KNOWN[0].0, KNOWN[0].1));
    let intent = rig.sent().await;
    assert_eq!(rig.states(intent).await, [IntentState::Prepared, IntentState::Live]);
    let mut expected = vec!["accepted"];
    assert_eq!(rig.publications(intent).await, expected);
    for (code, words) in KNOWN {
        // A doubt before each, so that none hides behind the last.
        for (code, words) in [(-32_603, "internal error"), (code, words)] {
            rig.proxies[0].obey();
            rig.proxies[0].rule(SEND, Calls::Every, Act::worded(code, words));
            rig.resolve().await.unwrap();
        }
        expected.extend(["unclear", "accepted"]);
        assert_eq!(rig.publications(intent).await, expected, "{code} {words}");
    }
    rig.proxies[0].obey();
    rig.mine_and_resolve(2).await;
    assert_same_bytes_executed(&rig, intent, 1 + 2 * KNOWN.len()).await;
}
