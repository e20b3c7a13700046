//! Vaults, pools and policies as they may well be, and as nobody would want them to be.
#![allow(unreachable_pub, reason = "included by more than one program")]

use alloy::primitives::{I256, U256};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rust_decimal::Decimal;
use serde_json::Value;
use vault_keeper::domain::policy::{Estimator, Policy, TradeTo, Trigger};
use vault_keeper::domain::snapshot::Snapshot;
use vault_keeper::domain::units::{Ratio, Usd, to_raw};

use crate::facts::*;

/// The same cases in every run.
pub fn fixed(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(1986),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn ratio(percent: u32) -> Ratio {
    Ratio::new(Decimal::new(i64::from(percent), 2))
}

/// A market: price in cents, depth of the pool in percent of the default, which token comes first, how far the pool
/// stands from the feed in basis points.
fn market() -> impl Strategy<Value = (i64, u32, bool, i64)> {
    (
        20_000..500_000_i64,
        prop_oneof![1..40_u32, 40..500_u32],
        any::<bool>(),
        prop_oneof![-8..8_i64, -120..120_i64],
    )
}

/// A vault: net asset value in dollars on a logarithmic scale, exposed and floored parts of it in basis points.
fn vault() -> impl Strategy<Value = (u64, u64, u64)> {
    (
        (13..24_u32, 100..200_u64).prop_map(|(bits, part)| (part << bits) / 100),
        0..10_000_u64,
        3_000..10_100_u64,
    )
}

/// A policy: multiplier and cap in percent, volatility in percent, gas in gwei, trigger.
fn policy() -> impl Strategy<Value = (u32, u32, u32, u64, Trigger)> {
    let trigger = prop_oneof![
        3 => Just(Trigger::Economic),
        1 => (1..2_000_i64, any::<bool>()).prop_map(|(bps, edge)| Trigger::Threshold {
            fraction: Ratio::new(Decimal::new(bps, 4)),
            to: if edge { TradeTo::Edge } else { TradeTo::Target },
        }),
        1 => (1..100_000_u64).prop_map(|seconds| Trigger::Interval { seconds }),
    ];
    (110..800_u32, 20..=100_u32, 10..300_u32, 0..95_u64, trigger)
}

/// The vault's guards and the policy's limits: call, slippage, loss of value, cap, bound (basis points), turnover as a
/// part of net asset value in basis points, largest trade in dollars.
fn bounds() -> impl Strategy<Value = (u32, u32, u32, u32, u32, u64, u64)> {
    (
        prop_oneof![Just(10_000), 100..=10_000_u32],
        prop_oneof![6..30_u32, 30..500_u32],
        prop_oneof![1..5_u32, 5..500_u32],
        1_000..=10_000_u32,
        10_000..200_000_u32,
        prop_oneof![Just(20_000_u64), 1..10_000_u64],
        prop_oneof![Just(10_000_000_u64), 1_000..200_000_u64],
    )
}

/// Facts as they may well be.
pub fn realistic() -> impl Strategy<Value = Facts> {
    (market(), vault(), policy(), bounds()).prop_map(|(market, vault, policy, bounds)| {
        let (cents, depth, risky_is_token0, apart) = market;
        let (nav, exposed, floored) = vault;
        let (multiplier, cap, annual, gwei, trigger) = policy;
        let price = Decimal::new(cents, 2);
        let pool_price = price * (Decimal::ONE + Decimal::new(apart, 4));
        let mut facts = Facts::all_stable().market(pool_price, &Liquidity::of_depth(depth), risky_is_token0);
        facts = facts.oracle(&price.to_string());
        let snapshot = &mut facts.snapshot;
        let exposure = nav * exposed / 10_000;
        snapshot.vault.risky_holdings = to_raw(Decimal::from(exposure) / price, 18).expect("it fits");
        snapshot.vault.asset_holdings = U256::from((nav - exposure) * 1_000_000 + 123_457);
        snapshot.vault.floor = U256::from(nav * floored * 100);
        snapshot.block.next_base_fee = gwei * GWEI + 7;
        snapshot.vault.guards.max_call_bps = bounds.0;
        snapshot.vault.guards.slippage_bps = bounds.1;
        snapshot.vault.guards.nav_loss_bps = bounds.2;
        snapshot.vault.guards.cap_bps = bounds.3;
        snapshot.vault.guards.bound_bps = bounds.4;
        snapshot.vault.guards.gas_rebate = U256::from(gwei % 2 * 30_000_000);
        snapshot.vault.guards.turnover_left = U256::from(nav * bounds.5 * 100);
        let policy = &mut facts.policy;
        policy.limits.max_trade = Usd::new(Decimal::from(bounds.6));
        policy.limits.max_slippage_bps = 500;
        policy.limits.twap = None;
        policy.trigger = trigger;
        policy.volatility.estimator = Estimator::Fixed { annual: ratio(annual) };
        policy.reserve.exit_gas_price_wei = 20 * GWEI;
        facts.cppi(&ratio(multiplier).to_string(), &ratio(cap).to_string())
    })
}

const NASTY: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "7",
    "60",
    "255",
    "10000",
    "10001",
    "1000000",
    "-887272",
    "887272",
    "2147483647",
    "-2147483648",
    "4294967295",
    "18446744073709551615",
    "79228162514264337593543950335",
    "-79228162514264337593543950335",
    "340282366920938463463374607431768211455",
    "-170141183460469231731687303715884105728",
    "4295128739",
    "1461446703485210103287273052203988822378723970342",
    "57896044618658097711785492504343953926634992332820282019728792003956564819967",
    "-57896044618658097711785492504343953926634992332820282019728792003956564819968",
    "115792089237316195423570985008687907853269984665640564039457584007913129639935",
    "0.0000000000000000000000000001",
    "-0.5",
    "0.999999999999999999",
    "0x0000000000000000000000000000000000000000",
];

/// Puts `value` in place of the leaf that `pick` points at.
fn poison(whole: &mut Value, pick: usize, value: &str) {
    let mut paths = Vec::new();
    crate::record::leaves(whole, "", &mut paths);
    let path = &paths[pick % paths.len()];
    let leaf = whole.pointer_mut(path).expect("the path of a leaf");
    *leaf = match leaf {
        Value::Bool(truth) => Value::Bool(!*truth),
        Value::Number(_) => value.parse::<u64>().map_or(Value::from(0), Value::from),
        _ => Value::from(value),
    };
}

/// Doubles, drops or swaps elements of the arrays, so that nothing is as long or as ordered as it should be.
fn disorder(snapshot: &mut Snapshot, how: u8) {
    let rounds = snapshot.feeds.risky_usd.history.anew();
    match how % 8 {
        0 => rounds.reverse(),
        1 => rounds.truncate(usize::from(how % 12)),
        2 => rounds.extend(rounds.clone()),
        3 => snapshot.pools.extend(snapshot.pools.clone()),
        4 => snapshot.vault.allowed_pools.extend(snapshot.vault.allowed_pools.clone()),
        5 => rounds.iter_mut().for_each(|round| round.answer = I256::MAX),
        _ => {}
    }
}

/// Facts as nobody would want them: up to five leaves of the snapshot and three of the policy replaced by something
/// that still has their form, arrays in disorder.
pub fn hostile() -> impl Strategy<Value = Facts> {
    let poisons = |most| prop::collection::vec((any::<usize>(), prop::sample::select(NASTY)), 0..most);
    (poisons(6), poisons(4), any::<u8>(), realistic()).prop_filter_map(
        "not of the form of facts",
        |(of_snapshot, of_policy, how, facts)| {
            let mut facts = facts;
            facts.snapshot.feeds.risky_usd.history.anew().truncate(10);
            let mut snapshot = serde_json::to_value(&facts.snapshot).expect("facts are JSON");
            let mut policy = serde_json::to_value(&facts.policy).expect("a policy is JSON");
            // One by one: what has no meaning in its place is left as it was.
            for (pick, value) in of_snapshot {
                let before = snapshot.clone();
                poison(&mut snapshot, pick, value);
                if serde_json::from_value::<Snapshot>(snapshot.clone()).is_err() {
                    snapshot = before;
                }
            }
            for (pick, value) in of_policy {
                let before = policy.clone();
                poison(&mut policy, pick, value);
                if serde_json::from_value::<Policy>(policy.clone()).is_err() {
                    policy = before;
                }
            }
            let mut snapshot: Snapshot = serde_json::from_value(snapshot).ok()?;
            let policy: Policy = serde_json::from_value(policy).ok()?;
            disorder(&mut snapshot, how);
            Some(agreeing(snapshot, policy))
        },
    )
}

/// Lets identities agree, so that poison is not turned away at the door.
fn agreeing(mut snapshot: Snapshot, policy: Policy) -> Facts {
    snapshot.block.chain_id = policy.chain_id;
    snapshot.vault.risky_feed = policy.feeds.risky_usd.address;
    snapshot.vault.asset_feed = policy.feeds.asset_usd.address;
    snapshot.feeds.risky_usd.address = policy.feeds.risky_usd.address;
    snapshot.feeds.asset_usd.address = policy.feeds.asset_usd.address;
    Facts { snapshot, policy }
}
