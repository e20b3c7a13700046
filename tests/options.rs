//! The delta hedge of an option book by the built program on real contracts: from the opening to the settlement.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    reason = "a test fails where it stands"
)]

#[path = "support/keeper_process.rs"]
mod keeper_process;
#[path = "support/positions.rs"]
mod positions;
#[path = "support/rounds.rs"]
mod rounds;

use alloy::primitives::{Address, U256};
use alloy::providers::Provider;
use alloy::rpc::types::Filter;
use alloy::sol_types::SolEvent;
use keeper_process::{Ended, Home, PRICE, Scene, number, with_sections};
use positions::{EXPIRY, dollars, wad, written};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use vault_keeper::protocols::abi::RebalancingVault::Rebalanced;
use vault_keeper::stage::account::Actor;
use vault_keeper::stage::deploy::options::{Position, name_book, open, settle, volatility_feed};
use vault_keeper::stage::deploy::vault::Vault;

alloy::sol! {
    interface IVolatility {
        function set(uint256 strike, uint64 expiry, uint256 annual, uint256 updatedAt) external;
    }
}

const POLICY: &str = include_str!("../examples/policies/delta-hedge.toml");
/// The scene's pool moves by 1 % for so many whole units of the asset.
const DEPTH: i64 = 4_000_000;

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

/// The example's hedge of the scene's book, its legs priced as `implied` says and its Greeks bounded by `bounds`, where
/// the risky asset's own volatility is 80 %.
fn policy(scene: &Scene, implied: &str, bounds: &str) -> String {
    let book = scene.book.unwrap();
    let strategy = format!(
        "[strategy]\nkind = \"delta_hedge\"\nbook = \"{book}\"\nrate = \"{RATE}\"\ncarry = \"{CARRY}\"\n\
         implied = {implied}\n{bounds}\n\
         [volatility]\nestimator = {{ kind = \"fixed\", annual = \"0.8\" }}\n"
    );
    with_sections(&scene.policy, &strategy)
}

const RATE: f64 = 0.04;
const CARRY: f64 = 0.03;
const ESTIMATE: &str = "{ kind = \"estimate\" }";

/// Delta, gamma, vega and theta of one call (Black and Scholes 1973, Merton 1973), in the units of the decision.
fn call(strike: f64, years: f64, volatility: f64) -> [f64; 4] {
    let spot = PRICE as f64;
    let deviation = volatility * years.sqrt();
    let d1 = ((spot / strike).ln() + (CARRY.mul_add(-1.0, RATE) + volatility * volatility / 2.0) * years)
        / deviation;
    let below = |x: f64| 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2);
    let density = (-d1 * d1 / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let (carried, discounted) = ((-CARRY * years).exp(), (-RATE * years).exp());
    let theta = -spot * carried * density * volatility / (2.0 * years.sqrt())
        - RATE * strike * discounted * below(d1 - deviation)
        + CARRY * spot * carried * below(d1);
    [
        carried * below(d1),
        carried * density / (spot * deviation),
        spot * carried * density * years.sqrt(),
        theta,
    ]
}

/// Greeks of the written position at the decision's block.
fn of_written(printed: &Value, volatilities: [f64; 2]) -> [f64; 4] {
    let years = number(&printed["appraisal"]["options"]["legs"][0]["open"]["years"]);
    let (near, far) = (call(3_000.0, years, volatilities[0]), call(6_000.0, years, volatilities[1]));
    std::array::from_fn(|greek| 100.0 * (far[greek] - near[greek]))
}

fn assert_near(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance * expected.abs(), "{what}: {found} is not {expected}");
}

/// What the log calls for attention to, by code.
fn alerts(ended: &Ended) -> Vec<&str> {
    ended.stderr.split("alert=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[tokio::test]
async fn a_hedge_that_needs_a_short_sells_what_is_held_and_says_how_much_it_cannot_borrow() {
    let scene = Scene::set_for(Decimal::from(DEPTH), POLICY).await;
    let home = Home::new(&scene, &scene.stage.chain.endpoint()).await;
    home.adopt(&scene, &policy(&scene, ESTIMATE, "")).await;
    open(&scene.stage, scene.vault, scene.book.unwrap(), &written()).await.unwrap();
    scene.price(PRICE, 60).await;
    let bought = home.once_mined(&scene).await;
    assert_eq!((&bought.json()["dispatch"], alerts(&bought)), (&json!("executed"), Vec::new()), "{bought:?}");

    // The same calls bought twice over: of the whole book the vault is now long.
    let back = Position { size: -(written().size + written().size), premium: dollars(32_000), ..written() };
    open(&scene.stage, scene.vault, scene.book.unwrap(), &back).await.unwrap();
    let mut sold = 0.0;
    let refused = loop {
        scene.price(PRICE, 301).await;
        let ended = home.once_mined(&scene).await;
        let printed = ended.json();
        assert_eq!((ended.code, alerts(&ended)), (Some(0), vec!["needs_borrowing"]), "{ended:?}");
        if printed["verdict"] != "rebalance" {
            break printed;
        }
        assert_eq!(
            (&printed["dispatch"], &printed["trade"]["sell_risky"]),
            (&json!("executed"), &json!(true))
        );
        sold += number(&printed["trade"]["size"]);
    };
    assert_near(sold, number(&bought.json()["trade"]["size"]), 1e-6, "sold");
    assert_eq!(
        (&refused["verdict"], &refused["dispatch"]),
        (&json!("refuse"), &json!("nothing")),
        "{refused}"
    );
    // Long 200 calls, short 100 of them: what is missing is what 100 of them move with the price.
    let [short, ..] = of_written(&refused, [0.8; 2]);
    assert_eq!(refused["reason"]["code"], "needs_borrowing");
    assert_near(number(&refused["reason"]["units"]), -short, 1e-9, "units");
    let status = home.start(&["status", "--json"]).end().await.json();
    let told = status[0]["cycles"][0]["alerts"][0].as_str().unwrap();
    assert!(told.starts_with("the hedge needs a short position of 5"), "{told}");
}

#[tokio::test]
async fn a_greek_over_its_bound_is_told_while_the_delta_is_traded_and_then_is_the_reason() {
    let scene = Scene::set_for(Decimal::from(DEPTH), POLICY).await;
    open(&scene.stage, scene.vault, scene.book.unwrap(), &written()).await.unwrap();
    scene.price(PRICE, 60).await;
    let home = Home::new(&scene, &scene.stage.chain.endpoint()).await;
    let bounds = [("gamma", "0.001"), ("vega", "1000"), ("theta", "1000")];
    let all: Vec<String> = bounds.iter().map(|(greek, bound)| format!("{greek} = \"{bound}\"")).collect();
    home.adopt(&scene, &policy(&scene, ESTIMATE, &format!("bounds = {{ {} }}", all.join(", ")))).await;
    let traded = home.once_mined(&scene).await;
    assert_eq!(traded.json()["dispatch"], "executed", "{traded:?}");
    assert_eq!(alerts(&traded), ["greek_bound"; 3]);

    scene.price(PRICE, 301).await;
    for (at, (greek, bound)) in (1..).zip(bounds) {
        home.adopt(&scene, &policy(&scene, ESTIMATE, &format!("bounds = {{ {greek} = \"{bound}\" }}"))).await;
        let ended = home.once_mined(&scene).await;
        let (held, reason) = (ended.json(), ended.json()["reason"].clone());
        assert_eq!((&held["verdict"], alerts(&ended)), (&json!("hold"), vec!["greek_bound"]), "{ended:?}");
        assert_eq!((&reason["code"], &reason["greek"]), (&json!("greek_bound"), &json!(greek)), "{held}");
        assert_near(number(&reason["bound"]), bound.parse().unwrap(), 1e-12, "bound");
        let [expected, found] = [of_written(&held, [0.8; 2])[at], number(&reason["value"])];
        assert_near(found, expected, 1e-9, greek);
    }
    // Within its bounds the book is nothing to speak of.
    home.adopt(&scene, &policy(&scene, ESTIMATE, "bounds = { vega = \"60000\" }")).await;
    let ended = home.once_mined(&scene).await;
    assert_eq!((&ended.json()["reason"]["code"], alerts(&ended)), (&json!("within_band"), Vec::new()));
}

#[tokio::test]
async fn a_hedge_within_a_bound_is_bought_up_to_the_bound() {
    let scene = Scene::set_for(Decimal::from(DEPTH), POLICY).await;
    open(&scene.stage, scene.vault, scene.book.unwrap(), &written()).await.unwrap();
    scene.price(PRICE, 60).await;
    let home = Home::new(&scene, &scene.stage.chain.endpoint()).await;
    let hedge: toml::Table = toml::from_str(&policy(&scene, ESTIMATE, "")).unwrap();
    let combined = format!(
        "[strategy]\nkind = \"combined\"\nprimary = {}\nbounds = [{{ kind = \"weight\", most = \"0.10\" }}]\n",
        hedge["strategy"]
    );
    home.adopt(&scene, &with_sections(&policy(&scene, ESTIMATE, ""), &combined)).await;
    let printed = trades(&home, &scene).await;
    let figure = |key: &str| number(&printed["appraisal"][key]);
    let [delta, ..] = of_written(&printed, [0.8; 2]);
    assert_near(number(&printed["appraisal"]["options"]["delta"]), delta, 1e-9, "delta");
    // A tenth of 716,000 dollars are fewer coins than the hedge wants.
    assert_near(figure("target"), 0.1 * figure("nav") / PRICE as f64, 1e-9, "target");
    assert!(figure("target") < 0.5 * -delta, "{printed}");
    // A raw unit of the asset is 3e-10 coins.
    assert_near(number(&printed["trade"]["size"]), figure("target"), 1e-9, "size");
}

/// The volatility feed says `annual`, 18 decimals, of a strike since `updated_at`.
async fn answer(scene: &Scene, feed: Address, strike: U256, annual: U256, updated_at: u64) {
    let set = IVolatility::setCall { strike, expiry: EXPIRY, annual, updatedAt: U256::from(updated_at) };
    scene.stage.act_as(Actor::Stranger).await.unwrap().call(feed, &set).await.unwrap();
}

#[tokio::test]
async fn legs_are_priced_by_a_volatility_feed_or_the_estimate_and_an_answer_that_is_none_is_refused() {
    const MAX_AGE: u64 = 3_600;
    let scene = Scene::set_for(Decimal::from(DEPTH), POLICY).await;
    let feed = volatility_feed(&scene.stage).await.unwrap();
    open(&scene.stage, scene.vault, scene.book.unwrap(), &written()).await.unwrap();
    scene.price(PRICE, 60).await;
    let home = Home::new(&scene, &scene.stage.chain.endpoint()).await;
    let implied = format!("{{ kind = \"feed\", address = \"{feed}\", max_age_seconds = {MAX_AGE} }}");
    home.adopt(&scene, &policy(&scene, &implied, "")).await;
    let percent = |share: u64| wad(share) / U256::from(100);
    let now = scene.now().await;

    // The feed answers for both strikes but the one that a fault is about.
    let (near, far) = (wad(3_000), wad(6_000));
    answer(&scene, feed, far, percent(90), now).await;
    let refused = async || {
        let ended = home.once_mined(&scene).await;
        let printed = ended.json();
        assert_eq!(
            (&printed["verdict"], &printed["reason"]["code"]),
            (&json!("refuse"), &json!("no_implied_volatility"))
        );
        printed["reason"]["fault"].clone()
    };
    assert_eq!(refused().await, json!({ "kind": "missing" }));
    for (annual, updated_at, kind) in [
        (U256::ZERO, now, "out_of_bounds"),
        (percent(1_001), now, "out_of_bounds"),
        (percent(60), now + 1_000, "from_the_future"),
    ] {
        answer(&scene, feed, near, annual, updated_at).await;
        assert_eq!(refused().await, json!({ "kind": kind }));
    }
    answer(&scene, feed, near, percent(60), now - MAX_AGE).await;
    let age = scene.now().await - (now - MAX_AGE);
    assert_eq!(
        refused().await,
        json!({ "kind": "stale", "age": age.to_string(), "limit": MAX_AGE.to_string() })
    );

    answer(&scene, feed, near, percent(60), now).await;
    let printed = trades(&home, &scene).await;
    let leg = |at: usize| &printed["appraisal"]["options"]["legs"][at]["open"];
    for (at, volatility) in [(0, 0.6), (1, 0.9)] {
        assert_eq!((&leg(at)["source"], number(&leg(at)["volatility"])), (&json!("feed"), volatility));
    }
    let [delta, ..] = of_written(&printed, [0.6, 0.9]);
    assert_near(number(&printed["appraisal"]["target"]), -delta, 1e-9, "target");

    // Without a feed both legs have the policy's own estimate, whatever the feed says.
    for price in [3_020, 3_000, 3_030, 2_990, 3_020, 3_000, 3_020, PRICE] {
        scene.price(price, 901).await;
    }
    let estimated = policy(&scene, ESTIMATE, "");
    let realised =
        "[volatility]\nestimator = { kind = \"realised\", window_hours = 2, rounds = 20, min_rounds = 8 }\n";
    home.adopt(&scene, &with_sections(&estimated, realised)).await;
    let printed = home.start(&["run", "--once", "--json", "--dry-run"]).end().await.json();
    let realised = rounds::realised(&rounds::rounds(&scene.stage).await, scene.now().await, 2.0);
    for leg in printed["appraisal"]["options"]["legs"].as_array().unwrap() {
        assert_eq!(leg["open"]["source"], "estimate");
        assert_near(number(&leg["open"]["volatility"]), realised, 1e-9, "volatility");
    }
    let [delta, ..] = of_written(&printed, [realised; 2]);
    assert_near(number(&printed["appraisal"]["target"]), -delta, 1e-9, "target");
}
