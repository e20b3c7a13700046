//! `keeper pause` with the real vault: the guardian's brake holds whatever node and pool do.
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

use alloy::consensus::{SignableTransaction, Transaction, TxEip1559, TxEnvelope};
use alloy::eips::eip2718::{Decodable2718, Encodable2718};
use alloy::primitives::{Address, Bytes, TxKind, U256, keccak256};
use alloy::providers::Provider;
use alloy::providers::ext::AnvilApi;
use alloy::signers::SignerSync;
use keeper_process::{Ended, Home, Scene, until};
use proxy::{Act, Calls, Proxy};
use serde_json::json;
use vault_keeper::stage::account::Actor;

const PAUSE: [&str; 2] = ["pause", "--json"];
const GWEI: u128 = 1_000_000_000;

/// A vault with a guardian in its keeper's configuration, before a proxy.
async fn set() -> (Scene, Home, Proxy) {
    let scene = Scene::set().await;
    let proxy = Proxy::start(scene.stage.chain.endpoint()).await;
    let mut home = Home::new(&scene, proxy.url()).await;
    home.set("GUARDIAN_KEY", &scene.key(Actor::Guardian).await);
    home.set("STRANGER_KEY", &scene.key(Actor::Stranger).await);
    home.configure(
        "[sending]",
        "[[signer]]\nname = \"brake\"\nkey_env = \"GUARDIAN_KEY\"\n\n[[signer]]\nname = \"stranger\"\n\
         key_env = \"STRANGER_KEY\"\n\n[sending]",
    );
    home.configure("signer = \"hot\"\n", "signer = \"hot\"\nguardian = \"brake\"\n");
    (scene, home, proxy)
}

fn guardian(scene: &Scene) -> Address {
    scene.stage.chain.address(Actor::Guardian).unwrap()
}

/// Transactions of the guardian that are mined, and those with what waits.
async fn counts(scene: &Scene) -> (u64, u64) {
    let provider = scene.stage.chain.provider();
    let mined = provider.get_transaction_count(guardian(scene)).await.unwrap();
    (mined, provider.get_transaction_count(guardian(scene)).pending().await.unwrap())
}

async fn until_waiting(scene: &Scene) {
    until("the guardian's transaction waits", async || counts(scene).await == (0, 1)).await;
}

async fn is_paused(scene: &Scene) -> bool {
    scene.state().await.identity.pausedUntil > scene.now().await
}

/// Nonce, fee cap and tip of everything that was handed over, each once.
fn bids(proxy: &Proxy) -> Vec<(u64, u128, u128)> {
    let mut transactions = proxy.transactions();
    transactions.dedup();
    let bid = |raw: &Bytes| {
        let transaction = TxEnvelope::decode_2718(&mut raw.as_ref()).unwrap();
        let tip = transaction.max_priority_fee_per_gas().unwrap();
        (transaction.nonce(), transaction.max_fee_per_gas(), tip)
    };
    transactions.iter().map(bid).collect()
}

fn is_refused(ended: &Ended, words: &str) {
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{ended:?}");
    assert!(ended.message().contains(words), "{words}: {ended:?}");
}

#[tokio::test]
async fn a_guardian_pauses_once_and_the_next_cycle_refuses_to_buy() {
    let (scene, home, proxy) = set().await;
    let pause = home.start(&PAUSE);
    until_waiting(&scene).await;
    scene.mine(1).await;
    let ended = pause.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let until = scene.state().await.identity.pausedUntil;
    let said = ended.json();
    assert_eq!(until, scene.now().await + 86_400);
    assert_eq!(said["vault"], "main");
    assert_eq!(said["paused_until"], until.to_string());
    assert_eq!((&said["already"], &said["nonce"]), (&json!(false), &json!("0")));
    assert_eq!(said["transactions"].as_array().unwrap().len(), 1);
    // Twice the suggested tip of 1 gwei at most, and room for the base fee to double.
    let [(0, cap, tip)] = bids(&proxy)[..] else { panic!("{:?}", bids(&proxy)) };
    assert!(cap >= 35 * GWEI && (1..=5 * GWEI).contains(&tip), "{cap} {tip}");

    let again = home.start(&["pause", "main", "--signer", "brake", "--json"]).end().await;
    assert_eq!((again.code, &again.json()["already"]), (Some(0), &json!(true)), "{again:?}");
    assert_eq!(again.json()["transactions"], json!([]));
    assert_eq!(counts(&scene).await, (1, 1));
    assert!(!home.path("keeper.db").exists(), "it keeps no journal");

    let cycle = home.once().await.json();
    assert_eq!(
        (&cycle["verdict"], &cycle["reason"]["code"]),
        (&json!("refuse"), &json!("paused")),
        "{cycle}"
    );
    assert_eq!(scene.deeds().await, keeper_process::Deeds::NONE);
}

#[tokio::test]
async fn a_key_that_may_not_pause_and_a_keepers_key_are_refused_and_send_nothing() {
    let (scene, home, proxy) = set().await;
    let with = async |signer: &str| home.start(&["pause", "--signer", signer]).end().await;
    let (guardian, stranger) = (guardian(&scene), scene.stage.chain.address(Actor::Stranger).unwrap());
    let ended = with("stranger").await;
    is_refused(&ended, &format!("{stranger} may not pause it: its guardian is {guardian}, its owner "));
    is_refused(&with("hot").await, "is a keeper's key (signer `hot` keeps vault `main`)");
    is_refused(&with("nobody").await, "there is no signer `nobody` in the configuration; it has: hot, brake");
    // The chain knows what the configuration does not say.
    scene.stage.appoint(scene.vault, guardian).await.unwrap();
    is_refused(&with("brake").await, "is a keeper's key (it is the keeper of vault `main` on the chain)");
    home.configure("guardian = \"brake\"\n", "");
    is_refused(&home.start(&PAUSE).end().await, "vault `main` has no `guardian` in the configuration");
    assert_eq!((proxy.transactions(), is_paused(&scene).await), (vec![], false));
}

#[tokio::test]
async fn a_check_says_before_it_matters_whether_the_guardians_key_may_pause_and_can_pay() {
    let (scene, home, _proxy) = set().await;
    let levels = async || {
        let found = home.start(&["check", "--json"]).end().await.json();
        let of_guardian = |line: &&serde_json::Value| line["about"] == "guardian of main";
        let level =
            |line: &serde_json::Value| format!("{}: {}", line["check"], line["level"]).replace('"', "");
        found.as_array().unwrap().iter().filter(of_guardian).map(level).collect::<Vec<_>>()
    };
    assert_eq!(levels().await, ["guardian: ok", "guardian_balance: ok"]);
    let provider = scene.stage.chain.provider();
    provider.anvil_set_balance(guardian(&scene), U256::from(1)).await.unwrap();
    scene.mine(1).await;
    assert_eq!(levels().await, ["guardian: ok", "guardian_balance: warning"]);
    home.configure("guardian = \"brake\"\n", "guardian = \"stranger\"\n");
    assert_eq!(levels().await, ["guardian: warning", "guardian_balance: ok"]);
}

#[tokio::test]
async fn a_key_that_the_journal_has_transactions_of_is_refused() {
    let (scene, home, proxy) = set().await;
    assert_eq!(home.once_mined(&scene).await.json()["dispatch"], "executed");
    // The key is now under the guardian's name alone.
    let other = scene.stage.chain.address(Actor::Stranger).unwrap();
    scene.stage.appoint(scene.vault, other).await.unwrap();
    home.configure("key_env = \"KEEPER_PRIVATE_KEY\"", "key_env = \"STRANGER_KEY\"");
    home.configure("key_env = \"GUARDIAN_KEY\"", "key_env = \"KEEPER_PRIVATE_KEY\"");
    proxy.forget_requests();
    is_refused(&home.start(&PAUSE).end().await, "is a keeper's key (the journal has transactions of it)");
    assert_eq!(proxy.requests(), Vec::<serde_json::Value>::new());
}

#[tokio::test]
async fn an_endpoint_that_is_down_at_first_is_tried_until_it_answers() {
    let (scene, home, proxy) = set().await;
    proxy.rule("*", Calls::Every, Act::Drop);
    let gave_up = home.start(&["pause", "--give-up-after", "1"]).end().await;
    assert_eq!(gave_up.code, Some(1), "{gave_up:?}");
    assert!(gave_up.message().contains("does not read paused after 1 s"), "{gave_up:?}");
    proxy.forget_requests();
    let pause = home.start(&PAUSE);
    until("it has asked three times", async || proxy.requests().len() >= 3).await;
    assert_eq!(proxy.transactions(), Vec::<Bytes>::new());
    proxy.obey();
    until_waiting(&scene).await;
    scene.mine(1).await;
    let ended = pause.end().await;
    assert_eq!((ended.code, &ended.json()["already"]), (Some(0), &json!(false)), "{ended:?}");
    assert!(is_paused(&scene).await);
}

#[tokio::test]
async fn one_endpoint_that_swallows_stops_nothing_where_another_sends() {
    let (scene, mut home, proxy) = set().await;
    let other = Proxy::start(scene.stage.chain.endpoint()).await;
    home.configure("{ url_env = \"NODE_URL\" }", "{ url_env = \"NODE_URL\" }, { url_env = \"OTHER_URL\" }");
    home.set("OTHER_URL", other.url());
    home.configure("request_timeout_ms = 5_000", "request_timeout_ms = 500\nsend_timeout_ms = 500");
    proxy.rule("eth_sendRawTransaction", Calls::Every, Act::Hang);
    let pause = home.start(&PAUSE);
    until_waiting(&scene).await;
    scene.mine(1).await;
    assert_eq!(pause.end().await.code, Some(0));
    assert!(!proxy.transactions().is_empty(), "both were handed it");
    assert!(is_paused(&scene).await);
}

#[tokio::test]
async fn what_is_not_mined_is_bid_more_for_at_the_same_nonce_and_within_the_caps() {
    let (scene, home, proxy) = set().await;
    proxy.rule("eth_sendRawTransaction", Calls::Every, Act::Error(-32_000, "txpool is full"));
    let pause = home.start(&PAUSE);
    for signed in 0..3 {
        until("it bids more", async || bids(&proxy).len() > signed).await;
        // A block passes without it.
        scene.mine(1).await;
    }
    proxy.obey();
    until_waiting(&scene).await;
    scene.mine(1).await;
    let ended = pause.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let bids = bids(&proxy);
    assert!(bids.iter().all(|(nonce, cap, _)| *nonce == 0 && *cap <= 500 * GWEI), "{bids:?}");
    for pair in bids.windows(2) {
        let [(_, old_cap, old_tip), (_, cap, tip)] = *pair else { panic!() };
        assert!(cap * 8 >= old_cap * 9 && tip * 8 >= old_tip * 9, "{bids:?}");
    }
    assert_eq!(ended.json()["transactions"].as_array().unwrap().len(), bids.len());
    assert_eq!(counts(&scene).await, (1, 1));
}

#[tokio::test]
async fn at_the_caps_the_same_bytes_go_out_again_until_the_market_comes_down() {
    let (scene, home, proxy) = set().await;
    home.configure("max_fee_per_gas_wei = 500_000_000_000", "max_fee_per_gas_wei = 30_000_000_000");
    let now = scene.now().await;
    scene.stage.chain.mine(now + 12, 90 * GWEI).await.unwrap();
    let pause = home.start(&PAUSE);
    until("it is handed over twice", async || proxy.transactions().len() >= 2).await;
    scene.stage.chain.mine(now + 24, 90 * GWEI).await.unwrap();
    let seen = proxy.transactions().len();
    until("it is handed over again", async || proxy.transactions().len() > seen + 1).await;
    let [(0, cap, _)] = bids(&proxy)[..] else { panic!("{:?}", bids(&proxy)) };
    assert_eq!(cap, 30 * GWEI);
    scene.stage.chain.mine(now + 36, 20 * GWEI).await.unwrap();
    until_waiting(&scene).await;
    scene.stage.chain.mine(now + 48, 20 * GWEI).await.unwrap();
    assert_eq!(pause.end().await.code, Some(0));
    assert!(is_paused(&scene).await);
}

#[tokio::test]
async fn a_transaction_that_waits_at_the_nonce_is_outbid() {
    let (scene, home, proxy) = set().await;
    let account = scene.stage.chain.account(Actor::Guardian).await.unwrap();
    let transfer = TxEip1559 {
        chain_id: scene.stage.chain.chain_id(),
        nonce: 0,
        gas_limit: 21_000,
        max_fee_per_gas: 100 * GWEI,
        max_priority_fee_per_gas: 4 * GWEI,
        to: TxKind::Call(scene.keeper),
        value: U256::ONE,
        ..TxEip1559::default()
    };
    let signature = account.signer().sign_hash_sync(&transfer.signature_hash()).unwrap();
    let raw = TxEnvelope::from(transfer.into_signed(signature)).encoded_2718();
    drop(scene.stage.chain.provider().send_raw_transaction(&raw).await.unwrap());
    proxy.rule(
        "eth_sendRawTransaction",
        Calls::First(3),
        Act::Error(-32_000, "replacement transaction underpriced"),
    );
    let pause = home.start(&PAUSE);
    until("it outbids", async || bids(&proxy).len() >= 4).await;
    until("the node has it instead", async || {
        let hash = keccak256(proxy.transactions().last().unwrap());
        scene.stage.chain.provider().get_transaction_by_hash(hash).await.unwrap().is_some()
    })
    .await;
    scene.mine(1).await;
    let ended = pause.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(bids(&proxy).iter().all(|(nonce, ..)| *nonce == 0));
    assert_eq!((counts(&scene).await, is_paused(&scene).await), ((1, 1), true));
}

#[tokio::test]
async fn a_nonce_that_something_else_takes_ends_it_without_another() {
    let (scene, home, proxy) = set().await;
    proxy.rule("eth_sendRawTransaction", Calls::Every, Act::Error(-32_000, "nonce too low"));
    let pause = home.start(&PAUSE);
    until("it sends", async || !proxy.transactions().is_empty()).await;
    let mut account = scene.stage.chain.account(Actor::Guardian).await.unwrap();
    let to = TxKind::Call(scene.keeper);
    let call = vault_keeper::stage::account::Call { to, input: Bytes::new(), gas: 21_000 };
    scene.stage.chain.execute(&account.sign(call).unwrap()).await.unwrap();
    for _ in 0..2 {
        let seen = proxy.requests().len();
        until("it looks at the block", async || {
            let requests = proxy.requests();
            requests[seen..].iter().filter(|r| r["method"] == "eth_getTransactionCount").count() > 1
        })
        .await;
        scene.mine(1).await;
    }
    let ended = pause.end().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.message().contains("nonce 0 was taken by a transaction that this command did not send"),
        "{ended:?}"
    );
    assert!(bids(&proxy).iter().all(|(nonce, ..)| *nonce == 0));
    assert!(!is_paused(&scene).await);
}

/// An earlier run that was killed left its bytes with the node: the next one goes on at their nonce.
#[tokio::test]
async fn a_second_run_goes_on_at_the_nonce_of_one_that_was_killed() {
    let (scene, home, proxy) = set().await;
    let pause = home.start(&PAUSE);
    until_waiting(&scene).await;
    pause.kill().await;
    let seen = proxy.transactions().len();
    let pause = home.start(&PAUSE);
    until("the second run sends", async || proxy.transactions().len() > seen).await;
    scene.mine(1).await;
    let ended = pause.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(bids(&proxy).iter().all(|(nonce, ..)| *nonce == 0));
    assert_eq!((counts(&scene).await, is_paused(&scene).await), ((1, 1), true));
}
