//! The keeper from block to executed rebalance on a node that is not anvil: Hardhat's, which `scripts/test-compat` installs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails where it stands"
)]

#[path = "support/keeper_process.rs"]
mod keeper_process;

use alloy::primitives::U256;
use alloy::providers::Provider;
use keeper_process::{Deeds, Home, Scene};
use serde_json::json;
use vault_keeper::journal::IntentState;

/// Hardhat's node with anvil's arguments.
const HARDHAT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tools/compat/node");

#[tokio::test]
#[ignore = "needs Hardhat, which scripts/test-compat installs and runs this with"]
async fn on_hardhat_a_rebalance_is_executed_the_next_refused_and_on_target_it_holds() {
    let scene = Scene::set_on_node(HARDHAT).await;
    let client = scene.stage.chain.provider().get_client_version().await.unwrap();
    assert!(client.starts_with("HardhatNetwork/"), "{client}");
    let home = Home::new(&scene, &scene.stage.chain.endpoint()).await;

    let first = home.once_mined(&scene).await;
    assert_eq!(first.code, Some(0), "{first:?}");
    let executed = first.json();
    assert_eq!((&executed["verdict"], &executed["dispatch"]), (&json!("rebalance"), &json!("executed")));
    assert_eq!(scene.deeds().await, Deeds::ONE);
    // What the vault got is what was quoted, to the wei.
    let holding = scene.holding().await;
    let quoted: U256 = executed["trade"]["swaps"][0]["quoted_out"].as_str().unwrap().parse().unwrap();
    assert_eq!(holding, quoted, "{executed}");

    // A block later the vault is still cooling down.
    scene.price(3_001, 12).await;
    let refused = home.once_mined(&scene).await;
    assert_eq!((refused.code, &refused.json()["verdict"]), (Some(0), &json!("refuse")), "{refused:?}");
    assert_eq!(refused.json()["reason"]["code"], "cooldown");
    assert_eq!(scene.deeds().await, Deeds::ONE);

    // Three trades of 70.3 units at most, and it is where it wants to be.
    for expected in ["rebalance", "rebalance", "hold"] {
        scene.price(3_001, 1_200).await;
        let ended = home.once_mined(&scene).await;
        assert_eq!((ended.code, &ended.json()["verdict"]), (Some(0), &json!(expected)), "{ended:?}");
    }
    let deeds = scene.deeds().await;
    assert_eq!(deeds, Deeds { mined: 3, sent: 3, vault_nonce: 3, rebalanced: 3 });
    let verdicts: Vec<String> = home.cycles(&scene).await.into_iter().map(|(verdict, _)| verdict).collect();
    assert_eq!(verdicts, ["rebalance", "refuse", "rebalance", "rebalance", "hold"]);
    let intents = home.intents(&scene).await;
    let ended = intents.iter().map(|intent| (intent.last_event.state, intent.attempts.len()));
    assert_eq!(ended.collect::<Vec<_>>(), [(IntentState::Executed, 1); 3]);
}
