//! The delta hedge of an option book by the built program on real contracts: from the opening to the settlement.
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

use alloy::primitives::{Address, I256, U256};
use alloy::providers::Provider;
use alloy::rpc::types::Filter;
use alloy::sol_types::SolEvent;
use keeper_process::{Home, PRICE, Scene, number};
use rust_decimal::Decimal;
use serde_json::Value;
use vault_keeper::protocols::abi::RebalancingVault::Rebalanced;
use vault_keeper::stage::account::Actor;
use vault_keeper::stage::deploy::options::{Position, name_book, open, settle};
use vault_keeper::stage::deploy::vault::Vault;

const POLICY: &str = include_str!("../examples/policies/delta-hedge.toml");
/// The scene's pool moves by 1 % for so many whole units of the asset.
const DEPTH: i64 = 4_000_000;
/// Unix seconds.
const EXPIRY: u64 = 1_700_000_000 + 14 * 86_400;

fn wad(whole: u64) -> U256 {
    U256::from(whole) * U256::from(10).pow(U256::from(18))
}

fn dollars(whole: u64) -> U256 {
    U256::from(whole) * U256::from(1_000_000)
}

/// Calls on 100 coins from 3,000 up to 6,000, which the vault has written for 16,000 dollars.
fn written() -> Position {
    let size = -I256::from_raw(wad(100));
    let (strike, limit, premium) = (wad(3_000), wad(6_000), dollars(16_000));
    Position { is_call: true, strike, limit, size, premium, expiry: EXPIRY }
}

/// The newest trade of the vault.
async fn traded(scene: &Scene) -> Rebalanced {
    let filter = Filter::new().address(scene.vault).event_signature(Rebalanced::SIGNATURE_HASH).from_block(0);
    let logs = scene.stage.chain.provider().get_logs(&filter).await.unwrap();
    Rebalanced::decode_log(&logs.last().unwrap().inner).unwrap().data
}

/// One cycle that must trade, with executed amounts equal to the quote.
async fn trades(home: &Home, scene: &Scene) -> Value {
    let ended = home.once_mined(scene).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let printed = ended.json();
    assert_eq!(printed["dispatch"], "executed", "{printed}");
    let (trade, event) = (&printed["trade"], traded(scene).await);
    assert_eq!(trade["amount_in"].as_str().unwrap(), event.amountIn.to_string());
    assert_eq!(trade["quoted_out"].as_str().unwrap(), event.amountOut.to_string());
    printed
}

async fn holds(home: &Home, scene: &Scene) -> Value {
    let ended = home.once_mined(scene).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let printed = ended.json();
    assert_eq!(printed["verdict"], "hold", "{printed}");
    printed
}

/// Whether the holding is inside the band, with a tenth of the coins as the most that is left open: convex impact ends a
/// trade before the inner edge.
fn is_hedged(printed: &Value, net: f64) -> bool {
    let outer = number(&printed["appraisal"]["economics"]["outer"]);
    printed["reason"]["code"] == "within_band" && net.abs() < outer && net.abs() < 10.0
}

/// Raw units of the risky asset that are nothing: a billionth of a coin, far below the smallest trade.
const DUST: u64 = 1_000_000_000;

/// Sells in parts, as large as costs least per unit, until nothing is left.
async fn sells_the_rest(home: &Home, scene: &Scene) {
    for _ in 0..10 {
        let sold = trades(home, scene).await;
        assert_eq!(sold["trade"]["sell_risky"], true, "{sold}");
        scene.price(3_550, 301).await;
        if scene.holding().await < U256::from(DUST) {
            let printed = home.once_mined(scene).await.json();
            assert_eq!(printed["dispatch"], "nothing", "{printed}");
            return;
        }
    }
    panic!("something is always left");
}

/// Delta of book and holding together, and of the book alone, in units.
fn deltas(printed: &Value) -> (f64, f64) {
    let appraisal = &printed["appraisal"];
    let book = number(&appraisal["options"]["delta"]);
    (number(&appraisal["held"]) + book, book)
}

/// What `keeper check` says of the options, and of the epoch.
async fn checked(home: &Home) -> Vec<(String, String)> {
    let lines = home.start(&["check", "--json"]).end().await.json();
    let found = lines.as_array().unwrap().iter().map(|line| {
        let text = |key: &str| line[key].as_str().unwrap().to_owned();
        (text("check"), text("level"))
    });
    found.filter(|(check, _)| check.starts_with("option") || check == "epoch").collect()
}

fn findings(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(check, level)| ((*check).to_owned(), (*level).to_owned())).collect()
}

#[tokio::test]
async fn check_says_what_would_stop_a_hedge() {
    let scene = Scene::set_for(Decimal::from(DEPTH), POLICY).await;
    let home = Home::new(&scene, &scene.stage.chain.endpoint()).await;
    let well = [("option_feed", "ok"), ("option_book", "ok"), ("option_legs", "ok")];
    assert_eq!(checked(&home).await, findings(&well));

    let id = open(&scene.stage, scene.vault, scene.book.unwrap(), &written()).await.unwrap();
    let is_open = [("epoch", "ok"), well[0], well[1], well[2]];
    assert_eq!(checked(&home).await, findings(&is_open));

    let now = scene.now().await;
    scene.price(PRICE, EXPIRY - 60 - now).await;
    scene.price(PRICE, 3_700).await;
    let waiting = [is_open[0], well[0], well[1], well[2], ("option_settlement", "warning")];
    assert_eq!(checked(&home).await, findings(&waiting));

    settle(&scene.stage, scene.book.unwrap(), id).await.unwrap();
    assert_eq!(checked(&home).await, findings(&well));
    name_book(&scene.stage, scene.vault, Address::ZERO).await.unwrap();
    assert_eq!(
        checked(&home).await,
        findings(&[well[0], ("option_book", "error"), ("option_legs", "error")])
    );
}

#[tokio::test]
async fn a_short_call_book_is_hedged_from_the_opening_to_the_settlement() {
    let scene = Scene::set_for(Decimal::from(DEPTH), POLICY).await;
    let book = scene.book.unwrap();
    let id = open(&scene.stage, scene.vault, book, &written()).await.unwrap();
    let opened = scene.state().await;
    assert!(opened.epochOpen);
    assert_eq!(opened.books.trackedAsset, dollars(716_000), "300,000 of collateral, 16,000 of it premium");
    scene.price(PRICE, 60).await;
    let home = Home::new(&scene, &scene.stage.chain.endpoint()).await;

    let printed = trades(&home, &scene).await;
    assert_eq!(printed["trade"]["sell_risky"], false);
    scene.price(PRICE, 301).await;
    let held = holds(&home, &scene).await;
    let (net, of_book) = deltas(&held);
    assert!((-60.0..-40.0).contains(&of_book), "{of_book}");
    assert!(is_hedged(&held, net), "{held}");

    // The price rises by a fifth, and the pool's average follows.
    for price in [3_100, 3_200, 3_300, 3_400, 3_500, 3_600, 3_600] {
        scene.price(price, 901).await;
    }
    let again = trades(&home, &scene).await;
    assert_eq!(again["trade"]["sell_risky"], false);
    scene.price(3_600, 301).await;
    let held = holds(&home, &scene).await;
    let (net, higher) = deltas(&held);
    assert!((-95.0..-80.0).contains(&higher), "{higher}");
    assert!(is_hedged(&held, net), "{held}");

    // Expiry at 3,500: the feed answers before it and again after it.
    let now = scene.now().await;
    scene.price(3_500, EXPIRY - 600 - now).await;
    scene.price(3_550, 4_000).await;
    let before = scene.state().await;
    assert!(before.epochOpen);
    settle(&scene.stage, book, id).await.unwrap();
    let after = scene.state().await;
    assert!(!after.epochOpen);
    let paid = after.books.trackedAsset - before.books.trackedAsset;
    assert_eq!(paid, dollars(250_000), "the collateral less 500 for each of 100 coins");

    sells_the_rest(&home, &scene).await;
    let vault = Vault { address: scene.vault, uniswap_v3_venue: Address::ZERO };
    let mut depositor = scene.stage.act_as(Actor::Depositor).await.unwrap();
    vault.deposit(&mut depositor, scene.stage.venue.tokens.stable, dollars(1_000)).await.unwrap();
}
