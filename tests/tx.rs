//! `keeper tx`: what a person does with transactions that are under way, beside a keeper that runs or without one.
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
use alloy::providers::ext::AnvilApi;
use alloy::signers::local::PrivateKeySigner;
use keeper_process::{Deeds, Ended, Home, KEY, Scene, until};
use serde_json::json;
use vault_keeper::journal::{AttemptKind, IntentEntry, IntentState, Request, Requests};
use vault_keeper::stage::account::Actor;

/// A keeper whose transaction waits, and that has ended.
async fn waiting() -> (Scene, Home) {
    let scene = Scene::set().await;
    let home = Home::new(&scene, &scene.stage.chain.endpoint()).await;
    home.configure("poll_interval_ms = 10", "poll_interval_ms = 1");
    let ended = home.once().await;
    assert_eq!(ended.json()["dispatch"], "sent", "{ended:?}");
    (scene, home)
}

async fn tx(home: &Home, arguments: &[&str]) -> Ended {
    home.start(&[&["tx"], arguments, &["--json"]].concat()).end().await
}

async fn entry(scene: &Scene, home: &Home) -> IntentEntry {
    home.intents(scene).await.remove(0)
}

fn kinds(entry: &IntentEntry) -> Vec<AttemptKind> {
    entry.attempts.iter().map(|attempt| attempt.kind).collect()
}

#[tokio::test]
async fn without_a_keeper_a_transaction_is_sped_up_and_cancelled_by_hand() {
    use AttemptKind::{Bump, Cancel, Original};
    let (scene, home) = waiting().await;
    let ended = tx(&home, &["speed-up", "1"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let said =
        json!({ "intent": "1", "nonce": "0", "done": true, "state": "live", "attempts": 2, "signed": 1 });
    assert_eq!(ended.json(), said);
    let ended = tx(&home, &["cancel", "1"]).await;
    assert_eq!((&ended.json()["state"], ended.code), (&json!("cancelling"), Some(0)));
    assert_eq!(kinds(&entry(&scene, &home).await), [Original, Bump, Cancel]);
    let status = home.start(&["status", "--json"]).end().await.json();
    let attempts = status[0]["open"][0]["attempts"].as_array().unwrap().clone();
    assert_eq!(attempts[2]["gas_limit"], "21000", "a cancel has its own");
    assert!(attempts[..2].iter().all(|attempt| attempt["gas_limit"] == status[0]["open"][0]["gas_limit"]));
    scene.mine(2).await;
    home.end_mined(home.start(&keeper_process::ONCE), &scene).await;
    assert_eq!(entry(&scene, &home).await.last_event.state, IntentState::Cancelled);
    assert_eq!(scene.deeds().await.rebalanced, 1, "planned anew");

    for (arguments, said) in [
        (["cancel", "1"], "intent 1 is final: cancelled"),
        (["speed-up", "9"], "there is no intent 9 in the journal"),
        (["publish", &alloy::primitives::B256::ZERO.to_string()], "the journal has no transaction 0x00"),
    ] {
        let ended = tx(&home, &arguments).await;
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.message().contains(said), "{ended:?}");
    }
}

#[tokio::test]
async fn a_bid_at_its_cap_is_not_sped_up_and_that_is_said() {
    let (scene, home) = waiting().await;
    let bid = entry(&scene, &home).await.attempts[0].max_fee_per_gas;
    home.configure("max_fee_per_gas_wei = 500_000_000_000", &format!("max_fee_per_gas_wei = {bid}"));
    let ended = tx(&home, &["speed-up", "1"]).await;
    assert_eq!((&ended.json()["signed"], ended.code), (&json!(0), Some(1)), "{ended:?}");
    assert!(ended.stderr.contains("alert=\"fee_cap\""), "{ended:?}");
    assert_eq!(kinds(&entry(&scene, &home).await), [AttemptKind::Original]);
    let told = home.start(&["tx", "speed-up", "1"]).end().await;
    assert!(told.stdout.contains("it is live; nothing was signed, what was said above is why"), "{told:?}");
}

#[tokio::test]
async fn a_keeper_that_runs_is_asked_and_does_it_whether_blocks_come_or_not() {
    let scene = Scene::set().await;
    let home = Home::new(&scene, &scene.stage.chain.endpoint()).await;
    let keeper = home.start(&["run"]);
    scene.until_sent().await;
    until("it is live", async || entry(&scene, &home).await.last_event.state == IntentState::Live).await;
    scene.stage.chain.provider().anvil_drop_all_transactions().await.unwrap();
    let ended = tx(&home, &["cancel", "1"]).await;
    assert_eq!((&ended.json()["done"], ended.code), (&json!(false), Some(0)));
    until("its cancel is signed", async || kinds(&entry(&scene, &home).await).contains(&AttemptKind::Cancel))
        .await;
    scene.until_sent().await;
    scene.mine(1).await;
    until("it is in a block", async || entry(&scene, &home).await.last_event.state == IntentState::Included)
        .await;
    let ended = keeper.terminate().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(scene.deeds().await.rebalanced, 0);
}

#[tokio::test]
async fn a_keeper_is_asked_on_a_chain_whose_blocks_come_faster_than_it_listens() {
    let (scene, home) = waiting().await;
    let requests = Requests::beside(&home.path("keeper.db"), scene.stage.chain.chain_id());
    let keeper = home.start(&["run"]);
    until("it decides", async || home.blocks(&scene).await.len() > 1).await;
    requests.leave(&Request::SpeedUp { intent: 99 }).unwrap();
    until("it is heard between the blocks", async || {
        scene.mine(1).await;
        requests.lying().unwrap().is_empty()
    })
    .await;
    let ended = keeper.terminate().await;
    assert!(ended.stderr.contains("asked for, and not in this journal"), "{ended:?}");
}

#[tokio::test]
async fn bytes_of_the_journal_are_handed_over_again() {
    let (scene, home) = waiting().await;
    scene.stage.chain.provider().anvil_drop_all_transactions().await.unwrap();
    assert_eq!(scene.deeds().await, Deeds::NONE);
    let hash = entry(&scene, &home).await.attempts[0].hash.to_string();
    let ended = tx(&home, &["publish", &hash]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.json()["answers"], json!([["stage-1", "has it"]]));
    assert_eq!(scene.deeds().await, Deeds { sent: 1, ..Deeds::NONE });
}

#[tokio::test]
async fn a_keeper_is_asked_beside_its_journal_whatever_link_leads_there_and_no_dry_run_takes_it() {
    let (scene, home) = waiting().await;
    std::fs::create_dir(home.path("real")).unwrap();
    std::fs::rename(home.path("keeper.db"), home.path("real/keeper.db")).unwrap();
    std::os::unix::fs::symlink(home.path("real/keeper.db"), home.path("keeper.db")).unwrap();
    let dry = home.start(&["run", "--dry-run"]);
    until("it decides", async || home.blocks(&scene).await.len() > 1).await;
    let ended = tx(&home, &["cancel", "1"]).await;
    assert_eq!((&ended.json()["done"], ended.code), (&json!(false), Some(0)), "{ended:?}");
    let blocks = home.blocks(&scene).await.len();
    scene.stage.chain.provider().anvil_drop_all_transactions().await.unwrap();
    scene.mine(1).await;
    until("it decides again", async || home.blocks(&scene).await.len() > blocks).await;
    dry.terminate().await;
    // The keeper that has the key does it.
    let keeper = home.start(&["run"]);
    let cancelled = async || kinds(&entry(&scene, &home).await).contains(&AttemptKind::Cancel);
    until("its cancel is signed", async || cancelled().await).await;
    keeper.terminate().await;
}

#[tokio::test]
async fn what_is_about_another_key_is_left_for_the_keeper_that_has_it() {
    let (scene, mut home) = waiting().await;
    scene.stage.chain.provider().anvil_drop_all_transactions().await.unwrap();
    let key = scene.key(Actor::Stranger).await;
    let account = key.parse::<PrivateKeySigner>().unwrap().address();
    scene.stage.chain.provider().anvil_set_balance(account, U256::from(1_000_000)).await.unwrap();
    scene.mine(1).await;
    home.set(KEY, &key);
    let stranger = home.start(&["run"]);
    until("it decides", async || home.blocks(&scene).await.len() > 1).await;
    let requests = Requests::beside(&home.path("keeper.db"), scene.stage.chain.chain_id());
    for intent in [1, 99] {
        requests.leave(&Request::Cancel { intent }).unwrap();
    }
    until("it has heard", async || requests.lying().unwrap().len() < 2).await;
    let left = requests.lying().unwrap().remove(0).request;
    assert_eq!(left, Request::Cancel { intent: 1 });
    let ended = stranger.terminate().await;
    assert!(ended.stderr.contains("asked for, and not in this journal"), "{ended:?}");
    // Told although nothing was planned.
    assert!(ended.stderr.contains("alert=\"runway\""), "{ended:?}");
    assert_eq!(kinds(&entry(&scene, &home).await), [AttemptKind::Original]);

    home.set(KEY, &scene.key(Actor::Keeper).await);
    let keeper = home.start(&["run"]);
    until("it is done", async || requests.lying().unwrap().is_empty()).await;
    keeper.terminate().await;
    assert_eq!(kinds(&entry(&scene, &home).await), [AttemptKind::Original, AttemptKind::Cancel]);
}
