//! From a new head to a transaction that the node has accepted, for one vault on loopback, beside a raw fdatasync of
//! the same run, and beside the node's own time: the same requests over a bare connection. Prints the stages; asserts
//! nothing, since the machine may be shared.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a benchmark prints, and stops where it fails"
)]

#[path = "../tests/support/proxy.rs"]
mod proxy;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use alloy::primitives::{Bytes, TxKind, U256};
use proxy::Proxy;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tracing::span::{Attributes, Id};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use vault_keeper::chain::pool::Pool;
use vault_keeper::chain::{Endpoint, SecretUrl, Timeouts};
use vault_keeper::domain::policy::{Policy, PublishedPolicy, TradeTo, Trigger, VenuePolicy};
use vault_keeper::domain::units::Ratio;
use vault_keeper::execution::{ClassPolicy, Engine, FeeCaps, Finality, KeeperKey, Patience, SendingConfig};
use vault_keeper::journal::Journal;
use vault_keeper::keeper::{Dispatch, Hand, Keeper};
use vault_keeper::stage::account::{Actor, Call};
use vault_keeper::stage::artifacts::Artifacts;
use vault_keeper::stage::market::Market;
use vault_keeper::stage::path::Tick;
use vault_keeper::stage::{Stage, StagePlan};

const START: u64 = 1_700_000_000;
const ROUNDS: u64 = 60;
const FLOOR_ROUNDS: u64 = 20;
const GWEI: u128 = 1_000_000_000;

/// The stages in their order. `read`, `rehearse` and `publish` are one round trip each; `account` goes beside `rehearse`.
const STAGES: [&str; 8] = ["read", "decide", "hash", "rehearse", "account", "sign", "commit", "publish"];
/// Those in which the node is waited for, one after the other.
const NODE: [&str; 3] = ["read", "rehearse", "publish"];

type Series = BTreeMap<&'static str, Vec<f64>>;

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
    // One thread, as in the program.
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(measure(spans));
}

async fn measure(spans: Spans) {
    let directory = tempfile::tempdir().unwrap();
    let plan = StagePlan::new(START, Decimal::from(3_000));
    let stage = Stage::set(Artifacts::new(env!("CARGO_MANIFEST_DIR")), &plan).await.unwrap();
    let vault = vault(&stage).await;
    let endpoint = connect(&stage, &stage.chain.endpoint()).await;
    let journal = Arc::new(Journal::open(&directory.path().join("journal.db")).await.unwrap());
    let signer = stage.chain.account(Actor::Keeper).await.unwrap().signer().clone();
    let engine = Engine::new(
        Arc::new(Pool::of_one(endpoint.clone())),
        journal.clone(),
        KeeperKey::from(signer),
        sending(),
    );
    let engine = Arc::new(engine);
    let hand = Hand::Send(engine.clone(), sending());
    let mut keeper = Keeper::new("bench".into(), vault.clone(), endpoint.clone(), journal, hand);
    let mut market = stage.market().await.unwrap();
    let mut raw = File::create(directory.path().join("raw")).unwrap();
    let mut stages = Series::new();
    for round in 0..ROUNDS {
        step(&mut market, round).await;
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
    let node = floor(&stage, &mut market, vault, directory.path()).await;
    report(&stages, &node);
}

/// A block far enough after the last for the vault's cooldown, with a price that asks for a trade.
async fn step(market: &mut Market<'_>, round: u64) {
    let price = Decimal::from(if round.is_multiple_of(2) { 3_000 } else { 2_880 });
    market.step(Tick { timestamp: START + 400 * round, price, base_fee: 20 * GWEI }).await.unwrap();
}

/// The node's own time: what a keeper asks in a dry run, and a transaction as large as its own, each over a connection
/// that does nothing else.
async fn floor(stage: &Stage, market: &mut Market<'_>, vault: Facts, directory: &std::path::Path) -> Series {
    let proxy = Proxy::start(stage.chain.endpoint()).await;
    let endpoint = connect(stage, proxy.url()).await;
    let journal = Arc::new(Journal::open(&directory.join("dry.db")).await.unwrap());
    let mut keeper = Keeper::new("dry".into(), vault, endpoint.clone(), journal, Hand::Dry(sending()));
    let mut sender = stage.chain.account(Actor::Depositor).await.unwrap();
    let mut bare = Bare::connect(&stage.chain.endpoint());
    let mut node = Series::new();
    for round in ROUNDS..ROUNDS + FLOOR_ROUNDS {
        step(market, round).await;
        let header = endpoint.latest_header().await.unwrap();
        proxy.forget();
        let cycle = keeper.cycle(&header).await.unwrap();
        let requests = proxy.requests();
        if !matches!(cycle.dispatch, Dispatch::DryRun { .. }) || requests.len() != 2 {
            continue;
        }
        let to = TxKind::Call(keeper_of(&requests[1]));
        let raw = sender.sign(Call { to, input: Bytes::from(vec![1; 452]), gas: 600_000 }).unwrap();
        let send = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": [raw]});
        for (name, request) in NODE.into_iter().zip([&requests[0], &requests[1], &send]) {
            node.entry(name).or_default().push(bare.time(request));
        }
    }
    node
}

fn keeper_of(rehearsal: &Value) -> alloy::primitives::Address {
    serde_json::from_value(rehearsal["params"][0]["to"].clone()).unwrap()
}

/// One blocking HTTP connection, with nothing between it and the socket.
struct Bare {
    socket: BufReader<TcpStream>,
    host: String,
}

impl Bare {
    fn connect(url: &str) -> Self {
        let host = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let socket = TcpStream::connect(&host).unwrap();
        socket.set_nodelay(true).unwrap();
        Self { socket: BufReader::new(socket), host }
    }

    /// From the request to the last byte of its answer, milliseconds.
    fn time(&mut self, request: &Value) -> f64 {
        let body = serde_json::to_vec(request).unwrap();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.host,
            body.len()
        );
        let message = [head.as_bytes(), &body].concat();
        let began = Instant::now();
        self.socket.get_mut().write_all(&message).unwrap();
        let answer = self.answer();
        let spent = millis(began.elapsed());
        assert!(serde_json::from_slice::<Value>(&answer).unwrap()["result"].is_string());
        spent
    }

    fn answer(&mut self) -> Vec<u8> {
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.socket.read_line(&mut line).unwrap();
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.socket.read_exact(&mut body).unwrap();
        body
    }
}

/// A vault and the policies held for it.
type Facts = (alloy::primitives::Address, Vec<PublishedPolicy>);

async fn vault(stage: &Stage) -> Facts {
    let mut policy: Policy = toml::from_str(include_str!("../examples/policies/cppi.toml")).unwrap();
    policy.chain_id = stage.chain.chain_id();
    policy.feeds.risky_usd.address = stage.venue.risky_usd.proxy;
    policy.feeds.asset_usd.address = stage.venue.stable_usd.proxy;
    policy.venues = vec![VenuePolicy::UniswapV3 { pool: stage.venue.pool.address, tick_words: 2 }];
    policy.limits.twap = None;
    policy.trigger = Trigger::Threshold { fraction: Ratio::from_bps(50), to: TradeTo::Target };
    let published = PublishedPolicy::new(policy).unwrap();
    let vault = stage.vault(&stage.vault_plan(published.hash()), Decimal::from(1_000_000)).await.unwrap();
    (vault.address, vec![published])
}

async fn connect(stage: &Stage, url: &str) -> Arc<Endpoint> {
    let timeouts = Timeouts { connect: Duration::from_secs(10), request: Duration::from_secs(30) };
    let url = SecretUrl::parse(url).unwrap();
    Arc::new(Endpoint::connect("stage", url, stage.chain.chain_id(), timeouts).await.unwrap())
}

fn sending() -> SendingConfig {
    SendingConfig {
        fees: FeeCaps {
            max_fee_per_gas: 1_000 * GWEI,
            min_tip: GWEI,
            max_tip: 2 * GWEI,
            max_per_transaction: U256::MAX,
            max_per_day: U256::MAX,
            max_cancel_fee_per_gas: 10_000_000_000_000,
        },
        gas_margin_bps: 2_500,
        max_gas_limit: 5_000_000,
        data_fee_margin_bps: 2_500,
        finality: Finality::Depth(0),
        patience: Patience::default(),
        class: ClassPolicy::Public,
        runway: 0,
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

fn report(stages: &Series, node: &Series) {
    let count = stages["total"].len();
    println!("head to accepted transaction, {count} transactions, milliseconds");
    println!("{:<16}{:>10}{:>10}{:>10}{:>14}", "stage", "min", "median", "max", "node alone");
    for name in STAGES.iter().chain(&["total", "raw fdatasync"]) {
        let values = sorted(&stages[name]);
        let alone = node.get(name).map(|alone| format!("{:>14.3}", median(alone))).unwrap_or_default();
        println!("{name:<16}{:>10.3}{:>10.3}{:>10.3}{alone}", values[0], median(&values), values[count - 1]);
    }
    let less = |names: &[&str]| {
        let left =
            |round: usize| stages["total"][round] - names.iter().map(|name| stages[name][round]).sum::<f64>();
        median(&(0..count).map(left).collect::<Vec<_>>())
    };
    let own = less(&["read", "rehearse", "publish", "commit"]);
    let over = less(&["raw fdatasync"]);
    let alone: f64 = node.values().map(|alone| median(alone)).sum();
    println!("our own time (without the node and the commit): {own:.3} ms at the median, wanted at most 2");
    println!("total over a raw fdatasync: {over:.3} ms at the median, wanted at most 3");
    println!("the node alone, over a bare connection: {alone:.3} ms of it");
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values
}

fn median(values: &[f64]) -> f64 {
    sorted(values)[values.len() / 2]
}
