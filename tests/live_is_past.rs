//! Live equals past: what a keeper decided live on a chain, with real contracts and a market that was driven through them, the
//! backtest decides at the same prices.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails where it stands"
)]

#[path = "support/keeper_process.rs"]
mod keeper_process;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/rig.rs"]
mod rig;

use std::ops::ControlFlow;

use keeper_process::published;
use rig::{Build, Rig};
use rust_decimal::Decimal;
use vault_keeper::backtest::past::opening::{Standing, Start};
use vault_keeper::backtest::past::prices::Tick;
use vault_keeper::backtest::past::run::{Keeper, Past, watch};
use vault_keeper::backtest::past::setting::{Arbitrage, Pools, Setting};
use vault_keeper::domain::decision::{Decision, Verdict, decision_hash};
use vault_keeper::domain::snapshot::{Feeds, Pool, Snapshot};
use vault_keeper::domain::venues::uniswap_v3;
use vault_keeper::keeper::{Cycle, Dispatch};
use vault_keeper::stage::path;
use vault_keeper::stage::path::files::BaseFee;

/// Steps of the market, five minutes apart.
const STEPS: u32 = 200;

/// A price that goes up and down, and falls by a fifth within half an hour.
fn prices() -> Vec<Decimal> {
    let mut price = 3_000.0_f64;
    let steps = (0..STEPS).map(|step| {
        let at = f64::from(step);
        let crash = if (90..96).contains(&step) { -0.03 } else { 0.0 };
        price *= 1.0 + 0.012 * (at * 0.2).sin() + 0.004 * (at * 0.37).cos() + crash;
        Decimal::try_from(price).unwrap().round_dp(2)
    });
    steps.collect()
}

/// Drives the market through the chain; the keeper acts on every block, and what it sends is in the next one.
async fn lived(rig: &mut Rig) -> Vec<(Decimal, Cycle)> {
    let mut market = rig.scene.stage.market().await.unwrap();
    let (mut time, mut cycles) = (rig.scene.now().await, Vec::new());
    for (step, price) in (0_u32..).zip(prices()) {
        time += 300;
        let base_fee = u128::from(12 + step % 7) * rig::GWEI;
        market.step(path::Tick { timestamp: time, price, base_fee }).await.unwrap();
        let head = rig.pool.reader().unwrap().latest_header().await.unwrap();
        let cycle = rig.keeper.cycle(&head).await.unwrap();
        if matches!(cycle.dispatch, Dispatch::Sent { .. }) {
            rig.scene.stage.chain.mine(time + 12, base_fee).await.unwrap();
            rig.engine.resolve().await.unwrap();
        }
        cycles.push((price, cycle));
    }
    cycles
}

/// Facts and decision of every step of the same market in the past, from the first block on.
fn walked(rig: &Rig, live: &[(Decimal, Cycle)]) -> Vec<(Snapshot, Decision)> {
    let time = |cycle: &Cycle| cycle.snapshot.block.timestamp;
    let tick = |(price, cycle): &(Decimal, Cycle)| Tick {
        time: time(cycle),
        price: *price,
        closes: true,
        jumps: true,
    };
    let fee = |(_, cycle): &(Decimal, Cycle)| BaseFee {
        timestamp: time(cycle),
        wei: cycle.snapshot.block.next_base_fee.into(),
    };
    let (ticks, base_fees): (Vec<_>, Vec<_>) = live.iter().map(|step| (tick(step), fee(step))).unzip();
    let setting = Setting {
        pools: Pools { arbitrage: Arbitrage::Exact, arbitrage_seconds: 0, ..Pools::default() },
        ..Setting::default()
    };
    let start = Start::Vault(Standing::of(&live[0].1.snapshot));
    let past = Past { ticks: &ticks, base_fees: &base_fees, setting: &setting, start };
    let mut steps = Vec::new();
    let keeper = Keeper::Policy(published(&rig.scene.policy));
    watch(&past, &keeper, |sight| {
        steps.push((sight.snapshot.clone(), sight.decision.unwrap().clone()));
        ControlFlow::Continue(())
    })
    .unwrap();
    steps
}

/// The facts of the past with what only a chain has: number and hash of its block, when the feed of the asset last reported, and
/// the ticks of the pool that are read around where it stands now.
fn at_block(past: &Snapshot, live: &Snapshot) -> Snapshot {
    let mut facts = past.clone();
    facts.block = live.block.clone();
    facts.feeds = Feeds { asset_usd: live.feeds.asset_usd.clone(), ..facts.feeds };
    let (Pool::UniswapV3 { state, .. }, Pool::UniswapV3 { state: read, .. }) =
        (&mut facts.pools[0], &live.pools[0])
    else {
        panic!("v3 pools");
    };
    let both = state.window.lower.max(read.window.lower)..=state.window.upper.min(read.window.upper);
    let known = |ticks: &[uniswap_v3::Tick]| -> Vec<_> {
        ticks.iter().filter(|tick| both.contains(&tick.index)).copied().collect()
    };
    assert_eq!(known(&state.ticks), known(&read.ticks));
    assert!(known(&state.ticks).len() >= 4, "{both:?}");
    (state.window, state.ticks) = (read.window, read.ticks.clone());
    facts
}

#[tokio::test]
async fn what_was_decided_live_is_decided_in_the_past_with_the_same_hash() {
    let build = Build {
        policy: &[("tick_words = 2 ", "tick_words = 8 "), ("\naversion = \"4\"", "\naversion = \"20\"")],
        ..Build::default()
    };
    let mut rig = Rig::of(build).await;
    let live = lived(&mut rig).await;
    let past = walked(&rig, &live);
    let policy = published(&rig.scene.policy);
    assert_eq!(past.len(), live.len());
    for (step, ((_, live), (facts, decision))) in live.iter().zip(&past).enumerate() {
        assert_eq!(*decision, live.decision, "step {step}");
        assert_eq!(at_block(facts, &live.snapshot), live.snapshot, "step {step}");
        assert_eq!(
            decision_hash(&live.snapshot, &policy, decision).unwrap(),
            live.decision_hash,
            "step {step}"
        );
    }
    let sold = |(_, decision): &&(Snapshot, Decision)| matches!(&decision.verdict, Verdict::Rebalance { trade, .. } if trade.sell_risky);
    let traded = past.iter().filter(|(_, decision)| matches!(decision.verdict, Verdict::Rebalance { .. }));
    assert_eq!((traded.count(), past.iter().filter(sold).count()), (11, 4), "trades, and sales among them");
}
