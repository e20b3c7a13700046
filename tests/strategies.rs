//! Every example policy kept by the built program on real contracts: it buys toward its target, then holds.
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
#[path = "support/positions.rs"]
mod positions;

use alloy::primitives::U256;
use keeper_process::{Home, PRICE, Scene, number, with};
use positions::written;
use rust_decimal::Decimal;
use serde_json::Value;
use vault_keeper::domain::units::to_raw;
use vault_keeper::stage::account::Actor;
use vault_keeper::stage::deploy::options::open;

alloy::sol! {
    interface IVault {
        function poke() external;
        function rearm(uint256 floorPerShare) external;
    }
}

/// Target and exposure over net asset value, as decided on.
fn weights(printed: &Value) -> (f64, f64) {
    let appraisal = &printed["appraisal"];
    let (price, nav) = (number(&appraisal["price"]), number(&appraisal["nav"]));
    (number(&appraisal["target"]) * price / nav, number(&appraisal["exposure"]) / nav)
}

/// Keeps a vault under the policy until it holds, and returns the last cycle.
async fn kept(scene: &Scene) -> Value {
    let home = Home::new(scene, &scene.stage.chain.endpoint()).await;
    for _ in 0..30 {
        let ended = home.once_mined(scene).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let printed = ended.json();
        if printed["verdict"] == "hold" {
            return printed;
        }
        assert_eq!(printed["dispatch"], "executed", "{printed}");
        assert_eq!(printed["trade"]["sell_risky"], false, "{printed}");
        scene.price(PRICE, 301).await;
    }
    panic!("it never holds");
}

/// The scene's pool moves by 1 % for so many whole units of the asset.
const DEPTH: i64 = 4_000_000;

async fn scene(text: &str) -> Scene {
    Scene::set_for(Decimal::from(DEPTH), text).await
}

#[tokio::test]
async fn every_example_in_the_directory_is_booted_and_its_first_decision_is_executed() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/policies");
    let mut examples = 0;
    for file in std::fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        let scene = scene(&std::fs::read_to_string(&path).unwrap()).await;
        if let Some(book) = scene.book {
            open(&scene.stage, scene.vault, book, &written()).await.unwrap();
            scene.price(PRICE, 60).await;
        }
        let home = Home::new(&scene, &scene.stage.chain.endpoint()).await;
        let ended = home.once_mined(&scene).await;
        let printed = ended.json();
        let done = (&printed["verdict"], &printed["dispatch"], &printed["trade"]["sell_risky"]);
        assert_eq!(done, (&"rebalance".into(), &"executed".into(), &false.into()), "{path:?}: {ended:?}");
        examples += 1;
    }
    assert!(examples >= 6, "{examples}");
}

#[tokio::test]
async fn a_constant_weight_is_bought_and_held() {
    let scene = scene(include_str!("../examples/policies/constant-weight.toml")).await;
    let held = kept(&scene).await;
    let (target, exposure) = weights(&held);
    assert!((target - 0.6).abs() < 1e-6, "{target}");
    assert!((0.5..=0.6).contains(&exposure), "{exposure}");
    assert_eq!(held["reason"]["code"], "within_band", "{held}");
}

#[tokio::test]
async fn a_volatility_target_is_bought_and_held_at_the_estimated_volatility() {
    let scene = scene(include_str!("../examples/policies/volatility-target.toml")).await;
    let held = kept(&scene).await;
    let (target, exposure) = weights(&held);
    let volatility: f64 = held["appraisal"]["volatility"].as_str().unwrap().parse().unwrap();
    assert!((target - (0.3 / volatility).min(1.0)).abs() < 1e-6, "{target} at {volatility}");
    assert!(exposure > 0.0 && exposure <= target, "{exposure} of {target}");
}

#[tokio::test]
async fn a_combination_is_bought_up_to_its_tightest_bound() {
    let scene = scene(include_str!("../examples/policies/combined.toml")).await;
    let held = kept(&scene).await;
    let (target, exposure) = weights(&held);
    assert!((0.3..=0.45 + 1e-9).contains(&target), "{target}");
    assert!(exposure > 0.0 && exposure <= target, "{exposure} of {target}");
}

#[tokio::test]
async fn a_floor_that_follows_the_peak_rises_with_it_and_the_exposure_falls() {
    let scene = scene(include_str!("../examples/policies/tipp.toml")).await;
    let before = kept(&scene).await;
    let floor = |printed: &Value| number(&printed["appraisal"]["floor"]);
    assert!((floor(&before) / 750_000.0 - 1.0).abs() < 0.01, "{before}");
    // The peak is the lower of two looks an hour apart.
    for _ in 0..2 {
        scene.price(3_600, 3_601).await;
        let mut anyone = scene.stage.act_as(Actor::Stranger).await.unwrap();
        anyone.call(scene.vault, &IVault::pokeCall {}).await.unwrap();
    }
    let home = Home::new(&scene, &scene.stage.chain.endpoint()).await;
    let after = home.start(&["run", "--once", "--json", "--dry-run"]).end().await.json();
    let (nav, risen) = (number(&after["appraisal"]["nav"]), floor(&after));
    assert!(risen > 1.05 * floor(&before), "{risen}");
    assert!((risen / nav - 0.75).abs() < 0.005, "{risen} of {nav}");
}

const CPPI: &str = include_str!("../examples/policies/cppi.toml");

fn floor_of(printed: &Value) -> f64 {
    number(&printed["appraisal"]["floor"])
}

#[tokio::test]
async fn a_floor_that_accrues_rises_with_time_and_risk_is_sold_for_it() {
    let accruing = "kind = \"accruing\"\nrate = \"0.50\"";
    let scene = scene(&with(CPPI, "kind = \"fixed\"", accruing)).await;
    let before = kept(&scene).await;
    // Sixty days, at half of the first floor a year.
    const DAY: u64 = 86_400;
    for _ in 0..60 {
        scene.price(PRICE, DAY).await;
    }
    let home = Home::new(&scene, &scene.stage.chain.endpoint()).await;
    let after = home.once_mined(&scene).await.json();
    let first = 0.8 * number(&before["appraisal"]["nav"]);
    let accrued = floor_of(&after) - floor_of(&before);
    let expected = first * 0.5 * 60.0 / 365.0;
    assert!((accrued / expected - 1.0).abs() < 0.01, "{accrued} is not {expected}");
    assert_eq!(
        (&after["verdict"], &after["trade"]["sell_risky"]),
        (&"rebalance".into(), &true.into()),
        "{after}"
    );
    assert_eq!(after["dispatch"], "executed", "{after}");
}

#[tokio::test]
async fn a_broken_floor_locks_the_vault_until_its_owner_arms_it_again() {
    let scene = scene(CPPI).await;
    kept(&scene).await;
    // Three times the cushion in ether, and ether loses two fifths in one step: no keeper could act in between.
    scene.price(PRICE * 3 / 5, 13).await;
    let mut anyone = scene.stage.act_as(Actor::Stranger).await.unwrap();
    anyone.call(scene.vault, &IVault::pokeCall {}).await.unwrap();
    let home = Home::new(&scene, &scene.stage.chain.endpoint()).await;
    let sale = home.once_mined(&scene).await.json();
    assert_eq!(sale["reason"]["code"], "cash_lock", "{sale}");
    assert_eq!(
        (&sale["trade"]["mandatory"], &sale["dispatch"]),
        (&true.into(), &"executed".into()),
        "{sale}"
    );
    assert_eq!(scene.holding().await, U256::ZERO);
    // Locked it buys nothing back, whatever the price does.
    scene.price(PRICE, 301).await;
    let locked = home.once_mined(&scene).await.json();
    assert_eq!(
        (&locked["verdict"], &locked["reason"]["code"]),
        (&"hold".into(), &"cash_lock".into()),
        "{locked}"
    );
    // The owner sets a floor of nine tenths of what is left; once the pool's average has caught up the keeper begins anew.
    let nav = number(&locked["appraisal"]["nav"]);
    // Per share as of the first, of which a million were bought.
    let floor = to_raw(Decimal::try_from(0.9 * nav / 1e6).unwrap(), 18).unwrap();
    let mut owner = scene.stage.act_as(Actor::Owner).await.unwrap();
    owner.call(scene.vault, &IVault::rearmCall { floorPerShare: floor }).await.unwrap();
    for _ in 0..3 {
        scene.price(PRICE, 1_000).await;
    }
    let armed = kept(&scene).await;
    assert!((floor_of(&armed) / (0.9 * nav) - 1.0).abs() < 0.01, "{armed}");
    let (target, exposure) = weights(&armed);
    assert!((0.25..0.3).contains(&target) && exposure > 0.2, "{target} {exposure}");
}
