//! The keeper before several endpoints of one chain.
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
#[path = "support/proxy.rs"]
mod proxy;

use std::sync::Arc;

use alloy::primitives::Bytes;
use alloy::sol_types::SolCall;
use keeper_process::{Deeds, Home, NODE, ONCE, Scene, until};
use proxy::{Act, Calls, Proxy};
use serde_json::json;
use vault_keeper::journal::{Absence, IntentState};
use vault_keeper::protocols::abi::SnapshotReader::readCall;

const BLOCK: &str = "eth_getBlockByNumber";

/// A keeper with two endpoints, `stage-1` and `stage-2`, at one node.
struct Play {
    scene: Scene,
    proxies: [Proxy; 2],
    home: Home,
}

impl Play {
    async fn set() -> Self {
        let scene = Scene::set().await;
        let url = scene.stage.chain.endpoint();
        let proxies = [Proxy::start(url.clone()).await, Proxy::start(url).await];
        let home = Home::new(&scene, proxies[0].url()).await;
        let health = "interval_ms = 10, agreement_depth = 0, good_looks = 2, max_lag_blocks = 1";
        let both = format!(
            "endpoints = [{{ url_env = \"{NODE}\" }}, {{ url = \"{}\" }}]\nhealth = {{ {health} }}",
            proxies[1].url()
        );
        home.configure(&format!("endpoints = [{{ url_env = \"{NODE}\" }}]"), &both);
        Self { scene, proxies, home }
    }
}

#[tokio::test]
async fn fault_25_a_node_that_falls_behind_is_left_and_the_plan_goes_to_all_that_are_usable() {
    let play = Play::set().await;
    let [first, second] = &play.proxies;
    let keeper = play.home.start(&["run"]);
    play.scene.until_sent().await;
    until("both have the bytes", async || {
        !first.transactions().is_empty() && first.transactions().first() == second.transactions().first()
    })
    .await;
    first.rule(BLOCK, Calls::Every, Act::Replay);
    play.scene.mine(5).await;
    let state = async || play.home.intents(&play.scene).await[0].last_event.state;
    until("the plan is in a block", async || state().await == IntentState::Included).await;
    assert_eq!(play.scene.deeds().await, Deeds::ONE);
    // It is five blocks deep, and nobody bears that out until the other node is back.
    first.obey();
    until("the plan is executed", async || {
        play.scene.mine(1).await;
        state().await == IntentState::Executed
    })
    .await;
    let ended = keeper.terminate().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for alert in ["alert=\"endpoint_lagging\"", "alert=\"endpoint_changed\""] {
        assert!(ended.stderr.contains(alert), "{alert}: {}", ended.stderr);
    }
    assert_eq!(play.scene.deeds().await, Deeds::ONE);
}

#[tokio::test]
async fn fault_39_a_node_that_dies_in_a_cycle_is_left_in_the_same_cycle() {
    let play = Play::set().await;
    let [first, second] = &play.proxies;
    first.rule("eth_call", Calls::Every, Act::Raw(502, "", "<html>Bad Gateway</html>".to_owned()));
    let keeper = play.home.start(&["run"]);
    // No block is mined meanwhile.
    play.scene.until_sent().await;
    until("both have the bytes", async || {
        !first.transactions().is_empty() && first.transactions().first() == second.transactions().first()
    })
    .await;
    let ended = keeper.terminate().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("no facts; asking another endpoint"), "{}", ended.stderr);
    assert_eq!(play.home.cycles(&play.scene).await.len(), 1);
}

#[tokio::test]
async fn fault_53_nodes_that_disagree_stop_a_cycle_before_anything_is_decided() {
    let play = Play::set().await;
    let other = "0x2222222222222222222222222222222222222222222222222222222222222222";
    play.proxies[1].rule(BLOCK, Calls::Every, Act::field("hash", other));
    let ended = play.home.start(&ONCE).end().await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    assert!(ended.message().contains("no endpoint gives a verdict"), "{ended:?}");
    assert!(ended.message().contains("`stage-2` is disagreeing"), "{ended:?}");
    assert_eq!(play.scene.deeds().await, Deeds::NONE);
    assert_eq!(play.home.cycles(&play.scene).await, []);
    assert_eq!(play.home.blocks(&play.scene).await, [], "there is no head that is known to be one");
}

#[tokio::test]
async fn a_head_without_a_verdict_is_recorded_as_one_on_which_nothing_was_decided() {
    let play = Play::set().await;
    let absent = async || {
        let blocks = play.home.blocks(&play.scene).await.into_iter();
        blocks.map(|block| (block.head.leaves, block.absences.of(play.scene.vault))).collect::<Vec<_>>()
    };
    let once = play.home.start(&["run", "--once", "--dry-run"]).end().await;
    assert_eq!((once.code, absent().await), (Some(0), vec![(1, None)]), "{once:?}");
    let keeper = play.home.start(&["run", "--dry-run"]);
    until("a head is decided on", async || absent().await == [(1, None), (1, None)]).await;
    let other = "0x2222222222222222222222222222222222222222222222222222222222222222";
    play.proxies[1].rule(BLOCK, Calls::Every, Act::field("hash", other));
    play.scene.mine(1).await;
    until("one is not", async || absent().await.contains(&(0, Some(Absence::NoVerdict)))).await;
    let ended = keeper.terminate().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("no_verdict"), "{ended:?}");
    assert_eq!(play.home.cycles(&play.scene).await.len(), 2);
}

#[tokio::test]
async fn fault_31_a_second_endpoint_of_another_chain_refuses_the_start() {
    let play = Play::set().await;
    play.proxies[1].rule("eth_chainId", Calls::Every, Act::result(json!("0x1")));
    let ended = play.home.start(&ONCE).end().await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.message().contains("endpoint `stage-2` serves chain 1"), "{ended:?}");
    assert_eq!(play.scene.deeds().await, Deeds::NONE);
    assert!(play.proxies.iter().all(|proxy| proxy.transactions().is_empty()));
}

#[tokio::test]
async fn a_check_shows_how_each_endpoint_stands() {
    let play = Play::set().await;
    let found = |ended: &keeper_process::Ended| -> Vec<(String, String)> {
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let all = ended.json();
        let of_health = all.as_array().unwrap().iter().filter(|line| line["check"] == "health");
        of_health.map(|line| (text(&line["level"]), text(&line["what"]))).collect()
    };
    let head = play.scene.stage.chain.block_number().await.unwrap();
    let fine = play.home.start(&["check", "--json"]).end().await;
    let healthy = |name| {
        let what = format!("stage-{name} is healthy; its head is block {head}, 0 behind the best");
        ("ok".to_owned(), what)
    };
    assert_eq!(found(&fine), [healthy(1), healthy(2)], "{fine:?}");
    play.proxies[1].rule(BLOCK, Calls::Every, Act::Replay);
    play.scene.mine(4).await;
    let behind = play.home.start(&["check", "--json"]).end().await;
    let found = found(&behind);
    assert_eq!(found[1].0, "warning", "{behind:?}");
    let expected = format!(
        "stage-2 is lagging, 4 blocks behind the others; its head is block {head}, 4 behind the best"
    );
    assert_eq!(found[1].1, expected);
}

/// Answers snapshots as a node does that has not the state of the block yet: there is no vault. All else passes.
fn without_state() -> Act {
    Act::Mutate(Arc::new(|_, answer| {
        let result =
            answer["result"].as_str().and_then(|text| text.parse::<Bytes>().ok()).unwrap_or_default();
        if let Ok(mut response) = readCall::abi_decode_returns(&result) {
            (response.vaultOk, response.vaultState) = (false, Bytes::new());
            answer["result"] = Bytes::from(readCall::abi_encode_returns(&response)).to_string().into();
        }
    }))
}

fn calls(proxy: &Proxy) -> usize {
    proxy.requests().iter().filter(|request| request["method"] == "eth_call").count()
}

#[tokio::test]
async fn a_head_that_is_told_of_before_its_state_is_there_is_looked_at_again() {
    let scene = Scene::set().await;
    let proxy = Proxy::start(scene.stage.chain.endpoint()).await;
    let home = Home::new(&scene, proxy.url()).await;
    // Of each look the snapshot, and whether the vault was there at the block before.
    proxy.rule("eth_call", Calls::First(2 * 3), without_state());
    let ended = home.start(&["run", "--once", "--dry-run", "--json"]).end().await;
    assert_eq!((ended.code, &ended.json()["dispatch"]), (Some(0), &json!("dry_run")), "{ended:?}");
    let said = ended.stderr.matches("does not have its state yet").count();
    assert_eq!((said, home.blocks(&scene).await[0].head.leaves), (3, 1), "{ended:?}");

    // A keeper that goes on needs no other block for it.
    proxy.rule("eth_call", Calls::First(2 * 3), without_state());
    let daemon = home.start(&["run", "--dry-run"]);
    until("the block is recorded", async || home.blocks(&scene).await.len() == 2).await;
    let ended = daemon.terminate().await;
    let seen = home.blocks(&scene).await;
    assert_eq!((ended.code, seen[1].head.leaves, seen[1].number), (Some(0), 1, seen[0].number), "{ended:?}");

    // It is not waited for without end.
    proxy.obey();
    proxy.rule("eth_call", Calls::Every, without_state());
    proxy.forget_requests();
    let ended = home.start(&ONCE).end().await;
    assert_eq!((ended.code, calls(&proxy)), (Some(1), 2 * 11), "{ended:?}");
    let why = format!("does not have its state yet: {} answers state() after the block before", scene.vault);
    assert!(ended.message().contains(&why), "{ended:?}");
    assert_eq!(home.blocks(&scene).await[2].absences.of(scene.vault), Some(Absence::Unread));
}

#[tokio::test]
async fn an_address_where_no_vault_ever_was_ends_a_start_at_once() {
    let scene = Scene::set().await;
    let proxy = Proxy::start(scene.stage.chain.endpoint()).await;
    let home = Home::new(&scene, proxy.url()).await;
    let nowhere = "0x2222222222222222222222222222222222222222";
    home.configure(&scene.vault.to_string(), nowhere);
    let ended = home.start(&ONCE).end().await;
    assert_eq!((ended.code, calls(&proxy)), (Some(1), 2), "{ended:?}");
    let why = format!("{nowhere} does not answer state(): check the vault's address and chain");
    assert!(ended.message().contains(&why), "{ended:?}");
}
