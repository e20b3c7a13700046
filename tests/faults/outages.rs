//! Nodes that are away, clocks that jump, and finality that is not told.

use std::sync::{Arc, Mutex};

use alloy::providers::Provider;
use alloy::providers::ext::AnvilApi;
use serde_json::{Value, json};
use vault_keeper::execution::{Finality, Outcome, SendingConfig};
use vault_keeper::journal::{AttemptKind, IntentState};

use crate::keeper_process::PRICE;
use crate::proxy::{Act, Calls};
use crate::rig::{Build, Heard, Rig, sending};
use IntentState::{Cancelled, Cancelling, Executed, Included, Live, Prepared};

#[tokio::test]
async fn fault_41_every_endpoint_away_until_the_deadline_has_passed() {
    let mut rig = Rig::of(Build { endpoints: 2, ..Build::default() }).await;
    let intent = rig.sent().await;
    rig.lose_what_waits().await;
    for proxy in &rig.proxies {
        proxy.rule("*", Calls::Every, Act::Drop);
    }
    let handed = rig.handed_over().len();
    for _ in 0..12 {
        rig.scene.mine(1).await;
        rig.resolve().await.unwrap_err();
    }
    assert_eq!(rig.states(intent).await, [Prepared, Live], "no answer is no evidence");
    for proxy in &rig.proxies {
        proxy.obey();
    }
    while rig.pool.reader().is_err() || rig.resolve().await.is_err() {
        rig.pool.look().await;
    }
    let deadline = rig.entry().await.record.deadline;
    assert!(rig.scene.now().await > deadline);
    assert_eq!(rig.states(intent).await.last(), Some(&Cancelling), "cancelled, and not executed late");
    assert!(rig.handed_over().len() > handed);
    rig.mine_and_resolve(3).await;
    assert_eq!(rig.states(intent).await.last(), Some(&Cancelled));
    assert_eq!(rig.scene.deeds().await.rebalanced, 0);
    rig.assert_invariants().await;
}

#[tokio::test]
async fn fault_48_the_time_of_a_block_jumps_and_this_machines_clock_does_not_matter() {
    // The chain's clock stands at 2023: by this machine's every deadline is long past.
    let mut rig = Rig::set().await;
    let intent = rig.sent().await;
    rig.lose_what_waits().await;
    rig.mine_and_resolve(1).await;
    assert_eq!(rig.states(intent).await.last(), Some(&Live), "sent again, within its deadline");
    rig.mine_and_resolve(2).await;
    rig.assert_executed_once().await;

    // An hour within one block.
    rig.scene.price(PRICE, 301).await;
    let late = rig.sent().await;
    rig.lose_what_waits().await;
    rig.scene.stage.chain.mine_after(3_600).await.unwrap();
    rig.resolve().await.unwrap();
    assert_eq!(rig.states(late).await.last(), Some(&Cancelling));
    rig.mine_and_resolve(3).await;
    assert_eq!(rig.states(late).await.last(), Some(&Cancelled));
    assert_eq!(rig.scene.deeds().await.rebalanced, 1);
    rig.assert_invariants().await;
}

/// What the node answers to a question for its finalized block.
#[derive(Clone)]
enum Finalised {
    Unknown,
    Block(Value),
}

fn about_finality(told: Arc<Mutex<Finalised>>) -> Act {
    Act::Mutate(Arc::new(move |request: &Value, answer: &mut Value| {
        if request["params"][0] != "finalized" {
            return;
        }
        match &*told.lock().unwrap() {
            Finalised::Unknown => {
                answer.as_object_mut().unwrap().remove("result");
                answer["error"] = json!({ "code": -39_001, "message": "Unknown block" });
            }
            Finalised::Block(block) => answer["result"] = block.clone(),
        }
    }))
}

/// A block as the node tells it.
async fn told(rig: &Rig, number: u64) -> Value {
    let provider = rig.scene.stage.chain.provider();
    let params = (format!("0x{number:x}"), false);
    provider.raw_request("eth_getBlockByNumber".into(), params).await.unwrap()
}

#[tokio::test]
async fn fault_54_the_finalized_block_is_not_told_or_falls_back() {
    let heard = Heard::listen();
    let finality = Finality::Finalized;
    let mut rig =
        Rig::of(Build { sending: SendingConfig { finality, ..sending() }, ..Build::default() }).await;
    let finalised = Arc::new(Mutex::new(Finalised::Unknown));
    rig.proxies[0].rule("eth_getBlockByNumber", Calls::Every, about_finality(finalised.clone()));
    let intent = rig.sent().await;
    rig.mine_and_resolve(2).await;
    assert_eq!(rig.states(intent).await.last(), Some(&Included), "nothing is final of which nobody says so");
    // 126 blocks on top, then 128.
    rig.scene.stage.chain.provider().anvil_mine(Some(125), None).await.unwrap();
    rig.resolve().await.unwrap();
    assert_eq!(rig.states(intent).await.last(), Some(&Included));
    rig.mine_and_resolve(2).await;
    assert_eq!(rig.states(intent).await.last(), Some(&Executed));
    assert!(!heard.text().contains("finality_regressed"));

    rig.scene.price(PRICE, 400).await;
    let second = rig.sent().await;
    let head = rig.head().await.number;
    *finalised.lock().unwrap() = Finalised::Block(told(&rig, head).await);
    rig.mine_and_resolve(2).await;
    assert_eq!(rig.states(second).await.last(), Some(&Included), "its block is above the finalized one");
    // Lower than before: nothing is undone, nothing new ends, and people are told.
    *finalised.lock().unwrap() = Finalised::Block(told(&rig, head - 100).await);
    let outcomes = rig.resolve().await.unwrap();
    assert_eq!(outcomes, [(second, Outcome::Pending { intent: second, state: Included })]);
    assert_eq!(rig.states(intent).await.last(), Some(&Executed));
    assert!(heard.text().contains("alert=\"finality_regressed\""), "{}", heard.text());
    *finalised.lock().unwrap() = Finalised::Block(told(&rig, head + 2).await);
    rig.resolve().await.unwrap();
    assert_eq!(rig.states(second).await.last(), Some(&Executed));
    let kinds: Vec<_> = rig.entry().await.attempts.iter().map(|attempt| attempt.kind).collect();
    assert_eq!(kinds, [AttemptKind::Original]);
    rig.assert_invariants().await;
}
