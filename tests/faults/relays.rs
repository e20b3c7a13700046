//! Private relays that swallow, die or are not seen by the public node.

use std::sync::Arc;

use alloy::primitives::{Bytes, keccak256};
use serde_json::{Value, json};
use vault_keeper::execution::{ClassPolicy, Outcome, Patience, SendingConfig};
use vault_keeper::journal::{AttemptKind, IntentState, SubmissionClass};
use vault_keeper::keeper::Dispatch;

use crate::proxy::{Act, Calls};
use crate::rig::{Build, Rig, sending};

const SEND_PRIVATE: &str = "eth_sendPrivateTransaction";

fn private(class: ClassPolicy) -> Build {
    let patience = Patience { bump_after: 3, ..Patience::default() };
    Build { relays: 1, sending: SendingConfig { class, patience, ..sending() }, ..Build::default() }
}

/// A relay that takes everything and includes nothing.
fn swallows() -> Act {
    Act::Mutate(Arc::new(|request: &Value, answer: &mut Value| {
        let raw: Bytes = serde_json::from_value(request["params"][0]["tx"].clone()).unwrap();
        answer.as_object_mut().unwrap().remove("error");
        answer["result"] = json!(keccak256(raw));
    }))
}

async fn with_a_swallowing_relay(class: ClassPolicy) -> Rig {
    let rig = Rig::of(private(class)).await;
    rig.relays[0].rule(SEND_PRIVATE, Calls::Every, swallows());
    rig
}

/// Bytes that the relay was handed.
fn relayed(rig: &Rig) -> Vec<Bytes> {
    let requests = rig.relays[0].requests().into_iter().filter(|request| request["method"] == SEND_PRIVATE);
    requests.map(|request| serde_json::from_value(request["params"][0]["tx"].clone()).unwrap()).collect()
}

#[tokio::test]
async fn fault_43_a_relay_that_accepts_and_never_includes() {
    let mut rig = with_a_swallowing_relay(ClassPolicy::Private).await;
    let intent = rig.sent().await;
    assert_eq!(rig.state().await, IntentState::Live, "it said that it has it");
    rig.mine_and_resolve(4).await;
    let entry = rig.entry().await;
    let kinds: Vec<_> = entry.attempts.iter().map(|attempt| attempt.kind).collect();
    assert_eq!(kinds, [AttemptKind::Original, AttemptKind::Bump], "more, at the same nonce, in the relay");
    assert!(entry.attempts.iter().all(|a| a.submission == SubmissionClass::Private { public_from: None }));
    let relayed = relayed(&rig);
    assert!(entry.attempts.iter().all(|attempt| relayed.contains(&attempt.raw)));
    assert!(rig.proxies[0].transactions().is_empty(), "nothing of it is public");
    // The deadline: the cancel alone is public.
    rig.mine_and_resolve(9).await;
    let entry = rig.entry().await;
    let cancel = entry.attempts.last().unwrap();
    assert_eq!((cancel.kind, cancel.submission), (AttemptKind::Cancel, SubmissionClass::Public));
    assert!(rig.proxies[0].transactions().iter().all(|raw| *raw == cancel.raw));
    rig.mine_and_resolve(2).await;
    assert_eq!(rig.states(intent).await.last(), Some(&IntentState::Cancelled));
    rig.assert_invariants().await;
}

#[tokio::test]
async fn fault_44_a_relay_that_dies_after_inclusion() {
    let mut rig = with_a_swallowing_relay(ClassPolicy::Private).await;
    let intent = rig.sent().await;
    let raw = rig.entry().await.attempts[0].raw.clone();
    // What its builder does.
    rig.node_takes(&raw).await;
    rig.relays[0].rule("*", Calls::Every, Act::Drop);
    rig.scene.mine(1).await;
    rig.resolve().await.unwrap();
    assert_eq!(rig.state().await, IntentState::Included, "by the public node");
    rig.mine_and_resolve(1).await;
    assert_eq!(rig.hashes(intent).await.len(), 1);
    rig.assert_executed_once().await;
}

#[tokio::test]
async fn fault_45_the_public_pool_does_not_know_a_private_transaction() {
    let mut rig = with_a_swallowing_relay(ClassPolicy::Private).await;
    rig.sent().await;
    assert_eq!(rig.scene.deeds().await.sent, 0, "the node's pending count ignores it");
    // Another vault of the same key plans meanwhile.
    let mut neighbour = rig.neighbour().await;
    let head = rig.head().await;
    let dispatch = neighbour.cycle(&head).await.unwrap().dispatch;
    assert!(matches!(dispatch, Dispatch::Sent { .. }), "{dispatch:?}");
    let slots = rig.journal.open_slots(31_337, rig.sender()).await.unwrap();
    let nonces: Vec<_> = slots.iter().map(|slot| (slot.nonce, slot.intents.len())).collect();
    assert_eq!(nonces, [(0, 1), (1, 1)], "no two share a nonce");
    for slot in &slots {
        rig.node_takes(&slot.intents[0].attempts[0].raw).await;
    }
    rig.scene.mine(2).await;
    let outcomes = rig.resolve().await.unwrap();
    assert!(outcomes.iter().all(|(_, outcome)| matches!(outcome, Outcome::Executed(_))), "{outcomes:?}");
    assert_eq!(outcomes.len(), 2);
}
