//! The volatility that the built program decides on, from the rounds of a feed and from a pool's observations, held
//! against estimates from what the test itself reads of the contracts.
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
#[path = "support/rounds.rs"]
mod rounds;

use keeper_process::{Home, PRICE, Scene, number, with_sections};
use rounds::rounds;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use vault_keeper::domain::models::volatility::{
    Garch, GarchParameters, Har, MIN_FIT_STEPS, MIN_ROWS, Observation, garch11, har, widest_gap,
};
use vault_keeper::stage::path::Tick;

alloy::sol! {
    interface IPool {
        function observe(uint32[] calldata secondsAgos) external view returns (int56[] memory tickCumulatives, uint160[] memory secondsPerLiquidityCumulativeX128s);
    }
}

const POLICY: &str = include_str!("../examples/policies/constant-weight.toml");
/// Rounds that the policies read.
const ROUNDS: usize = 130;
/// Steps of the pool that they read, and seconds of one.
const STEPS: usize = 105;
const STEP: u64 = 3_600;
const HAR: Har = Har { period_seconds: 7_200, medium: 4, long: 12 };
const FITTED: Garch = Garch { step_seconds: STEP, horizon_steps: 24, parameters: GarchParameters::Fitted };

/// The example under this estimator, with the keys that all of them share.
fn policy(scene: &Scene, source: &str, estimator: &str, history: &str) -> String {
    let volatility =
        format!("[volatility]\nfloor = \"0.01\"\n{source}\nestimator = {{ {estimator}, {history} }}\n");
    with_sections(&scene.policy, &volatility)
}

/// `rounds` read, of which `least` must be there.
fn history(rounds: usize, least: usize) -> String {
    format!("rounds = {rounds}, min_rounds = {least}")
}

const POOL: &str = "source = { kind = \"pool\", step_seconds = 3_600 }";
const EWMA: &str = "kind = \"ewma\", half_life_hours = 24";
const REALISED: &str = "kind = \"realised\", window_hours = 48";
const GARCH: &str = "kind = \"garch11\", step_seconds = 3_600, horizon_steps = 24";
const HAR_RV: &str = "kind = \"har\", period_seconds = 7_200, medium = 4, long = 12";

fn fitted() -> String {
    format!("{GARCH}, parameters = {{ kind = \"fitted\" }}")
}

fn stated() -> String {
    let parameters = "kind = \"stated\", long_run = \"0.7\", alpha = \"0.1\", beta = \"0.85\"";
    format!("{GARCH}, parameters = {{ {parameters} }}")
}

/// Every estimator as a policy names it.
fn estimators() -> [String; 5] {
    [EWMA.to_owned(), REALISED.to_owned(), stated(), fitted(), HAR_RV.to_owned()]
}

/// What is decided under `policy`, and the time of its block.
async fn decided(scene: &Scene, policy: &str) -> (Value, u64) {
    let home = Home::new(scene, &scene.stage.chain.endpoint()).await;
    home.adopt(scene, policy).await;
    let ended = home.start(&["run", "--once", "--json", "--dry-run"]).end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    (ended.json(), scene.now().await)
}

/// Five days of a price that moves up to 1.5 percent every twenty minutes to an hour.
async fn five_days(scene: &Scene) {
    let mut market = scene.stage.market().await.unwrap();
    let (mut timestamp, mut price, mut random) = (scene.now().await, Decimal::from(PRICE), 7_u64);
    let mut next = |below: u64| {
        // The generator of Knuth's MMIX, its high bits.
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let end = timestamp + 5 * 86_400;
    while timestamp < end {
        timestamp += 1_200 + next(2_400);
        price *= Decimal::ONE + Decimal::new(i64::try_from(next(301)).unwrap() - 150, 4);
        let tick = Tick { timestamp, price: price.round_dp(2), base_fee: 20_000_000_000 };
        market.step(tick).await.unwrap();
    }
}

/// Prices whose logarithm is the pool's mean tick over each step, stretched for what means lose of a variance (Working
/// 1960).
async fn means(scene: &Scene, now: u64) -> Vec<Observation> {
    let points = u32::try_from(STEPS).unwrap();
    let asked = (0..=points).rev().map(|back| back * u32::try_from(STEP).unwrap()).collect();
    let pool = scene.stage.venue.pool.address;
    let told = scene.stage.chain.read(pool, &IPool::observeCall { secondsAgos: asked }).await.unwrap();
    let sums: Vec<f64> = told.tickCumulatives.iter().map(|sum| sum.to_string().parse().unwrap()).collect();
    let mean = |at: usize| (sums[at + 1] - sums[at]) / STEP as f64;
    let price = |at: usize| ((mean(at) - mean(0)) * 1.0001_f64.ln() * 1.5_f64.sqrt()).exp();
    let time = |at: usize| now - (STEPS - 1 - at) as u64 * STEP;
    (0..STEPS).map(|at| Observation { time: time(at), price: price(at) }).collect()
}

/// What each of [`estimators`] makes of these observations at `now`.
fn estimates(of: &[Observation], now: u64) -> [f64; 5] {
    [
        rounds::ewma(of, now, 24.0),
        rounds::realised(of, now, 48.0),
        rounds::garch(of, now, (STEP, 24), (0.7, 0.1, 0.85)),
        garch11(of, now, &FITTED).unwrap(),
        har(of, now, &HAR).unwrap(),
    ]
}

fn assert_near(printed: &Value, expected: f64, what: &str) {
    let found = number(&printed["appraisal"]["volatility"]);
    assert!((found / expected - 1.0).abs() < 1e-9, "{what}: {found} is not {expected}");
}

#[tokio::test]
async fn each_estimate_is_that_of_the_feeds_rounds_or_of_the_pools_observations() {
    let scene = Scene::set_for(Decimal::from(4_000_000), POLICY).await;
    five_days(&scene).await;
    let rounds = rounds(&scene.stage).await;
    assert!(rounds.len() > ROUNDS, "{}", rounds.len());
    let last = &rounds[rounds.len() - ROUNDS..];
    for (at, estimator) in estimators().iter().enumerate() {
        let (printed, now) = decided(&scene, &policy(&scene, "", estimator, &history(ROUNDS, 24))).await;
        assert_near(&printed, estimates(last, now)[at], estimator);
        let (printed, now) = decided(&scene, &policy(&scene, POOL, estimator, &history(STEPS, 24))).await;
        assert_near(&printed, estimates(&means(&scene, now).await, now)[at], estimator);
    }
}

/// Why there is no estimate under this policy; with a fallback beside it, that is what is decided on.
async fn refused(scene: &Scene, policy_of: impl Fn(&str) -> String) -> Value {
    let (printed, _) = decided(scene, &policy_of("")).await;
    let code = (&printed["verdict"], &printed["reason"]["code"]);
    assert_eq!(code, (&json!("refuse"), &json!("no_volatility")), "{printed}");
    let (fallen_back, _) = decided(scene, &policy_of(", fallback = \"0.9\"")).await;
    let known = (&fallen_back["verdict"], &fallen_back["appraisal"]["volatility"]);
    assert_eq!(known, (&json!("rebalance"), &json!("9e-1")), "{fallen_back}");
    printed["reason"].clone()
}

#[tokio::test]
async fn a_history_that_is_too_short_or_has_a_gap_is_a_typed_refusal_or_the_stated_fallback() {
    let scene = Scene::set_for(Decimal::from(4_000_000), POLICY).await;
    let reason = |rounds: usize, fault: Value| {
        let mut reason = json!({ "code": "no_volatility", "rounds": rounds.to_string(), "needed": "24" });
        if !fault.is_null() {
            reason["fault"] = fault;
        }
        reason
    };
    // A feed with one round, and a pool that was not there yet when its first step began.
    assert_eq!(rounds(&scene.stage).await.len(), 1);
    for estimator in estimators() {
        for (source, known) in [("", 1), (POOL, 0)] {
            let of = |more: &str| policy(&scene, source, &estimator, &(history(STEPS, 24) + more));
            assert_eq!(refused(&scene, of).await, reason(known, Value::Null), "{estimator}");
        }
    }

    // Enough rounds, but over fewer steps than a fit or a regression needs; and with a gap for any estimator.
    five_days(&scene).await;
    const READ: usize = 60;
    let all = rounds(&scene.stage).await;
    let seconds = widest_gap(&all[all.len() - READ..]).to_string();
    let gap = json!({ "kind": "gap", "seconds": seconds, "limit": "1800" });
    for estimator in [stated(), EWMA.to_owned()] {
        let of = |more: &str| {
            policy(&scene, "", &estimator, &format!("{}, max_gap_seconds = 1_800{more}", history(READ, 24)))
        };
        assert_eq!(refused(&scene, of).await, reason(READ, gap.clone()), "{estimator}");
    }
    for (estimator, needed, step) in
        [(fitted(), MIN_FIT_STEPS, STEP), (HAR_RV.to_owned(), HAR.long + MIN_ROWS, HAR.period_seconds)]
    {
        let of = |more: &str| policy(&scene, "", &estimator, &(history(READ, 24) + more));
        let reason = refused(&scene, of).await;
        let fault = &reason["fault"];
        let kind = (&fault["kind"], &fault["needed"]);
        assert_eq!(kind, (&json!("too_short"), &json!(needed.to_string())), "{reason}");
        // Whole steps since the oldest round that is read.
        let reached = (scene.now().await - all[all.len() - READ].time) / step;
        assert!(
            (reached - 1..=reached).contains(&fault["found"].as_str().unwrap().parse().unwrap()),
            "{reason}"
        );
    }
}
