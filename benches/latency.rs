//! From a new head to a transaction that the node has accepted, for one vault on loopback, beside a raw fdatasync of
//! the same run. Prints the stages; asserts nothing, since the machine may be shared.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a benchmark prints, and stops where it fails"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use alloy::primitives::U256;
use rust_decimal::Decimal;
use tracing::span::{Attributes, Id};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use vault_keeper::chain::{Endpoint, SecretUrl, Timeouts};
use vault_keeper::domain::policy::{Policy, PublishedPolicy, TradeTo, Trigger, VenuePolicy};
use vault_keeper::domain::units::Ratio;
use vault_keeper::execution::{Engine, FeeCaps, Finality, KeeperKey, SendingConfig};
use vault_keeper::journal::Journal;
use vault_keeper::keeper::{Dispatch, Hand, Keeper};
use vault_keeper::stage::account::Actor;
use vault_keeper::stage::artifacts::Artifacts;
use vault_keeper::stage::path::Tick;
use vault_keeper::stage::{Stage, StagePlan};

const START: u64 = 1_700_000_000;
const ROUNDS: u64 = 60;
const GWEI: u128 = 1_000_000_000;

/// The stages in their order; `read`, `rehearse` and `publish` are one round trip each, `account` is another.
const STAGES: [&str; 8] = ["read", "decide", "hash", "rehearse", "account", "sign", "commit", "publish"];

/// Durations of closed spans by name, and when the last of them closed.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Closed>>);

#[derive(Default)]
struct Closed {
    spent: BTreeMap<&'static str, Duration>,
    last: Option<Instant>,
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> tracing_subscriber::Layer<S> for Spans {
    fn on_new_span(&self, _: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        context.span(id).unwrap().extensions_mut().insert(Instant::now());
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let span = context.span(&id).unwrap();
        let began = *span.extensions().get::<Instant>().unwrap();
        let mut spans = self.0.lock().unwrap();
        *spans.spent.entry(span.name()).or_default() += began.elapsed();
        spans.last = Some(Instant::now());
    }
}

fn main() {
    let spans = Spans::default();
    let filter =
        tracing_subscriber::filter::Targets::new().with_target("vault_keeper", tracing::Level::DEBUG);
    let subscriber = tracing_subscriber::registry().with(spans.clone()).with(filter);
    tracing::subscriber::set_global_default(subscriber).unwrap();
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(measure(spans));
}

async fn measure(spans: Spans) {
    let directory = tempfile::tempdir().unwrap();
    let plan = StagePlan::new(START, Decimal::from(3_000));
    let stage = Stage::set(Artifacts::new(env!("CARGO_MANIFEST_DIR")), &plan).await.unwrap();
    let (endpoint, mut keeper, engine) = keeper(&stage, directory.path()).await;
    let mut market = stage.market().await.unwrap();
    let mut raw = File::create(directory.path().join("raw")).unwrap();
    let mut stages: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    for round in 0..ROUNDS {
        // Far enough apart for the vault's cooldown, and each time enough for a trade.
        let price = Decimal::from(if round % 2 == 0 { 3_000 } else { 2_880 });
        market.step(Tick { timestamp: START + 400 * round, price, base_fee: 20 * GWEI }).await.unwrap();
        let header = endpoint.latest_header().await.unwrap();
        *spans.0.lock().unwrap() = Default::default();
        let began = Instant::now();
        let cycle = keeper.cycle(&header).await.unwrap();
        if matches!(cycle.dispatch, Dispatch::Sent { .. }) {
            let closed = spans.0.lock().unwrap();
            for (name, spent) in &closed.spent {
                stages.entry(name).or_default().push(millis(*spent));
            }
            // The last span is `publish`: the record of the acceptance comes after it and delays nothing.
            stages.entry("total").or_default().push(millis(closed.last.unwrap() - began));
            stages.entry("raw fdatasync").or_default().push(raw_fdatasync(&mut raw));
        }
        stage.chain.mine(START + 400 * round + 12, 20 * GWEI).await.unwrap();
        engine.resolve().await.unwrap();
    }
    report(&stages);
}

async fn keeper(stage: &Stage, directory: &std::path::Path) -> (Arc<Endpoint>, Keeper, Arc<Engine>) {
    let mut policy: Policy = toml::from_str(include_str!("../examples/policies/cppi.toml")).unwrap();
    policy.chain_id = stage.chain.chain_id();
    policy.feeds.risky_usd.address = stage.venue.risky_usd.proxy;
    policy.feeds.asset_usd.address = stage.venue.stable_usd.proxy;
    policy.venues = vec![VenuePolicy::UniswapV3 { pool: stage.venue.pool.address, tick_words: 2 }];
    policy.limits.twap = None;
    policy.trigger = Trigger::Threshold { fraction: Ratio::from_bps(50), to: TradeTo::Target };
    let published = PublishedPolicy::new(policy).unwrap();
    let vault = stage.vault(&stage.vault_plan(published.hash()), Decimal::from(1_000_000)).await.unwrap();
    let timeouts = Timeouts { connect: Duration::from_secs(10), request: Duration::from_secs(30) };
    let url = SecretUrl::parse(&stage.chain.endpoint()).unwrap();
    let endpoint = Arc::new(Endpoint::connect("stage", url, stage.chain.chain_id(), timeouts).await.unwrap());
    let journal = Arc::new(Journal::open(&directory.join("journal.db")).await.unwrap());
    let signer = stage.chain.account(Actor::Keeper).await.unwrap().signer().clone();
    let sending = sending();
    let engine = Engine::new(endpoint.clone(), journal.clone(), KeeperKey::from(signer), sending.clone());
    let engine = Arc::new(engine);
    let hand = Hand::Send(engine.clone(), sending);
    let facts = (vault.address, vec![published]);
    (endpoint.clone(), Keeper::new("bench".into(), facts, endpoint, journal, hand), engine)
}

fn sending() -> SendingConfig {
    SendingConfig {
        fees: FeeCaps {
            max_fee_per_gas: 1_000 * GWEI,
            min_tip: GWEI,
            max_tip: 2 * GWEI,
            max_per_transaction: U256::MAX,
            max_per_day: U256::MAX,
        },
        gas_margin_bps: 2_500,
        max_gas_limit: 5_000_000,
        finality: Finality::Depth(0),
        poll_interval: Duration::ZERO,
        max_polls: 1,
    }
}

/// One page appended and forced to the disk, milliseconds.
fn raw_fdatasync(file: &mut File) -> f64 {
    let began = Instant::now();
    file.write_all(&[7; 4096]).unwrap();
    file.sync_data().unwrap();
    millis(began.elapsed())
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn report(stages: &BTreeMap<&'static str, Vec<f64>>) {
    let count = stages["total"].len();
    println!("head to accepted transaction, {count} transactions, milliseconds");
    println!("{:<16}{:>10}{:>10}{:>10}", "stage", "min", "median", "max");
    for name in STAGES.iter().chain(&["total", "raw fdatasync"]) {
        let mut values = stages[name].clone();
        values.sort_by(f64::total_cmp);
        println!("{name:<16}{:>10.3}{:>10.3}{:>10.3}", values[0], values[count / 2], values[count - 1]);
    }
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[count / 2]
    };
    let less = |names: &[&str]| {
        let left =
            |round: usize| stages["total"][round] - names.iter().map(|name| stages[name][round]).sum::<f64>();
        median((0..count).map(left).collect())
    };
    println!(
        "our own time (without the node and the commit): {:.3} ms at the median",
        less(&["read", "rehearse", "account", "publish", "commit"])
    );
    println!("total over a raw fdatasync: {:.3} ms at the median", less(&["raw fdatasync"]));
}
