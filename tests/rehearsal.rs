//! A plan before it is signed, on real contracts: one call with a code override tells what a preview and an estimate of
//! the gas tell, and nothing is asked one after the other that can be asked at once.
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
use std::time::Duration;

use alloy::primitives::{Address, B256, U256};
use keeper_process::{PRICE, Scene, published};
use proxy::{Overrides, Proxy};
use vault_keeper::chain::pool::Pool;
use vault_keeper::chain::{Endpoint, Header, SecretUrl, Timeouts};
use vault_keeper::domain::decision::{decide, decision_hash};
use vault_keeper::domain::plan::Plan;
use vault_keeper::execution::{
    ClassPolicy, Engine, FeeCaps, Finality, Inclusion, KeeperKey, Outcome, Patience, SendingConfig,
};
use vault_keeper::journal::Journal;
use vault_keeper::keeper::rehearsal::{Rehearsal, Rehearsed};
use vault_keeper::keeper::{Dispatch, Hand, Keeper};
use vault_keeper::reader::Reader;
use vault_keeper::stage::account::Actor;

const GWEI: u128 = 1_000_000_000;
/// Everything on top of what the call needs, percent.
const MARGIN: u64 = 20;

/// A stage whose vault wants to trade, and an endpoint that reaches it through a proxy.
struct Play {
    scene: Scene,
    proxy: Proxy,
    endpoint: Arc<Endpoint>,
    directory: tempfile::TempDir,
}

impl Play {
    async fn set() -> Self {
        let scene = Scene::set().await;
        let proxy = Proxy::start(scene.stage.chain.endpoint()).await;
        let timeouts = Timeouts { connect: Duration::from_secs(10), request: Duration::from_secs(30) };
        let url = SecretUrl::parse(proxy.url()).unwrap();
        let endpoint = Endpoint::connect("stage", url, scene.stage.chain.chain_id(), timeouts).await.unwrap();
        Self { scene, proxy, endpoint: Arc::new(endpoint), directory: tempfile::tempdir().unwrap() }
    }

    async fn head(&self) -> Header {
        self.endpoint.latest_header().await.unwrap()
    }

    /// What the keeper wants to do at the head.
    async fn plan(&self) -> Plan {
        let policy = published(&self.scene.policy);
        let (reader, head) = (Reader::default(), self.head().await);
        let snapshot = reader.snapshot(&self.endpoint, &head, self.scene.vault, policy.policy());
        let snapshot = snapshot.await.unwrap();
        let decision = decide(&snapshot, &policy);
        let hash = decision_hash(&snapshot, &policy, &decision).unwrap();
        Plan::of(&snapshot, &policy, &decision, hash).unwrap()
    }

    async fn rehearse(&self, rehearsal: &Rehearsal, plan: &Plan, sender: Address) -> Rehearsed {
        rehearsal.of(&self.endpoint, (plan, sender), &self.head().await, &sending()).await.unwrap()
    }

    /// By one call, and by a preview and an estimate.
    async fn both(&self, plan: &Plan, sender: Address) -> [Rehearsed; 2] {
        self.proxy.forget();
        let overridden = self.rehearse(&Rehearsal::default(), plan, sender).await;
        assert_eq!(self.proxy.methods(), ["eth_getBlockByNumber", "eth_call"]);
        [overridden, self.rehearse(&Rehearsal::plain(), plan, sender).await]
    }

    async fn engine(&self) -> Arc<Engine> {
        let journal = Arc::new(Journal::open(&self.directory.path().join("journal.db")).await.unwrap());
        let signer = self.scene.stage.chain.account(Actor::Keeper).await.unwrap().signer().clone();
        Arc::new(Engine::new(
            Arc::new(Pool::of_one(self.endpoint.clone())),
            journal,
            KeeperKey::from(signer),
            sending(),
        ))
    }
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
        gas_margin_bps: u16::try_from(MARGIN * 100).unwrap(),
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

/// Gas limits with their margin, of a plan that is taken both ways.
fn limits(rehearsed: [Rehearsed; 2]) -> [u64; 2] {
    rehearsed.map(|ready| ready.unwrap().gas_limit())
}

/// Code and words of a refusal.
fn words(rehearsed: Rehearsed) -> (&'static str, String) {
    let refused = rehearsed.unwrap_err();
    let Dispatch::Refused { code, message } = refused else { panic!("not refused: {refused:?}") };
    (code, message)
}

fn executed(mut outcomes: Vec<(vault_keeper::journal::IntentId, Outcome)>) -> Inclusion {
    match outcomes.pop() {
        Some((_, Outcome::Executed(inclusion))) => inclusion,
        other => panic!("not executed: {other:?}"),
    }
}

#[tokio::test]
async fn the_gas_measured_is_what_a_node_estimates_within_a_percent_and_never_less_than_a_receipt_says() {
    let play = Play::set().await;
    let engine = play.engine().await;
    let journal = Arc::new(Journal::open(&play.directory.path().join("cycles.db")).await.unwrap());
    let facts = (play.scene.vault, vec![published(&play.scene.policy)]);
    let hand = Hand::Send(engine.clone(), sending());
    let mut keeper = Keeper::new("vault".into(), facts, play.endpoint.clone(), journal, hand);
    // Buys on untouched slots, sells, buys again on used ones.
    for price in [PRICE, 2_700, 3_300] {
        if price != PRICE {
            // And once more there, so that the pool's average has followed.
            play.scene.price(price, 700).await;
            play.scene.price(price, 700).await;
        }
        let [measured, estimated] = limits(play.both(&play.plan().await, play.scene.keeper).await);
        let cycle = keeper.cycle(&play.head().await).await.unwrap();
        assert!(matches!(cycle.dispatch, Dispatch::Sent { held_up: None, .. }), "{:?}", cycle.dispatch);
        play.scene.mine(1).await;
        let used = executed(engine.resolve().await.unwrap()).gas_used;
        assert!(measured.abs_diff(estimated) * 100 <= estimated, "{measured} {estimated}");
        assert!(measured * 100 >= used * (100 + MARGIN), "{measured} {used}");
    }
}

#[tokio::test]
async fn a_refusal_has_the_same_name_and_the_same_words_either_way() {
    let play = Play::set().await;
    let plan = play.plan().await;
    let keeper = play.scene.keeper;
    let stranger = Address::repeat_byte(0x5a);
    let swap = |change: fn(&mut Plan)| {
        let mut changed = plan.clone();
        change(&mut changed);
        changed
    };
    for (changed, sender, code, guard) in [
        (plan.clone(), stranger, "guard", "NotKeeper"),
        (swap(|p| p.nonce = 7), keeper, "guard", "WrongNonce"),
        (swap(|p| p.policy_hash = B256::ZERO), keeper, "guard", "WrongPolicy"),
        (swap(|p| p.deadline = 1), keeper, "guard", "DeadlinePassed"),
        (swap(|p| p.swaps[0].pool = Address::ZERO), keeper, "guard", "PoolNotAllowed"),
        (swap(|p| p.swaps[0].amount_in = U256::ZERO), keeper, "guard", "EmptySwap"),
        (swap(|p| p.swaps[0].min_amount_out = U256::ZERO), keeper, "guard", "MinAmountOutTooLow"),
        (
            swap(|p| p.swaps[0].min_amount_out = U256::MAX),
            keeper,
            "simulation_reverted",
            "the call reverts: ",
        ),
    ] {
        let [overridden, plain] = play.both(&changed, sender).await.map(words);
        assert_eq!(overridden, plain);
        assert_eq!(overridden.0, code);
        assert!(overridden.1.contains(guard), "{overridden:?}");
    }
    assert!(play.both(&plan, keeper).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn the_hash_of_the_decision_block_is_compared_before_anything_is_signed() {
    let play = Play::set().await;
    let mut plan = play.plan().await;
    plan.decision_block -= 1;
    let (code, message) = words(play.rehearse(&Rehearsal::default(), &plan, play.scene.keeper).await);
    assert_eq!(code, "guard");
    assert!(message.contains("WrongDecisionBlockHash"), "{message}");
}

#[tokio::test]
async fn a_call_that_needs_more_gas_than_allowed_is_refused_either_way() {
    let play = Play::set().await;
    let plan = play.plan().await;
    let config = SendingConfig { max_gas_limit: 100_000, ..sending() };
    for rehearsal in [Rehearsal::default(), Rehearsal::plain()] {
        let head = play.head().await;
        let asked = rehearsal.of(&play.endpoint, (&plan, play.scene.keeper), &head, &config);
        let (code, message) = words(asked.await.unwrap());
        assert_eq!(code, "gas_over_cap");
        assert!(message.ends_with("allowed are 100000"), "{message}");
    }
}

#[tokio::test]
async fn where_overrides_are_refused_or_ignored_a_preview_and_an_estimate_take_over_for_good() {
    let play = Play::set().await;
    let plan = play.plan().await;
    let keeper = play.scene.keeper;
    let wanted = play.rehearse(&Rehearsal::plain(), &plan, keeper).await.unwrap().gas_limit();
    // A refusal is looked into once: it could have been the block that the node does not have.
    for (overrides, first) in [(Overrides::Refused, 3), (Overrides::Ignored, 2)] {
        let rehearsal = Rehearsal::default();
        play.proxy.treat(overrides);
        for calls in [first, 1] {
            play.proxy.forget();
            play.proxy.treat(overrides);
            let ready = play.rehearse(&rehearsal, &plan, keeper).await.unwrap();
            assert_eq!(ready.gas_limit(), wanted);
            let methods = play.proxy.methods();
            let count = |wanted: &str| methods.iter().filter(|method| *method == wanted).count();
            assert_eq!((count("eth_call"), count("eth_estimateGas")), (calls, 1), "{methods:?}");
        }
    }
}

#[tokio::test]
async fn from_head_to_broadcast_a_cycle_waits_for_the_node_three_times() {
    let play = Play::set().await;
    let engine = play.engine().await;
    let journal = Arc::new(Journal::open(&play.directory.path().join("cycles.db")).await.unwrap());
    let facts = (play.scene.vault, vec![published(&play.scene.policy)]);
    let hand = Hand::Send(engine, sending());
    let mut keeper = Keeper::new("vault".into(), facts, play.endpoint.clone(), journal, hand);
    let head = play.head().await;
    play.proxy.forget();
    play.proxy.expect(&[1, 7, 1]);
    let cycle = tokio::time::timeout(Duration::from_secs(30), keeper.cycle(&head)).await;
    let cycle = cycle.expect("what could be asked at once is asked one after the other").unwrap();
    assert!(matches!(cycle.dispatch, Dispatch::Sent { held_up: None, .. }), "{:?}", cycle.dispatch);
    let mut methods = play.proxy.methods();
    methods[1..8].sort();
    assert_eq!(
        methods,
        [
            "eth_call",
            "eth_call",
            "eth_chainId",
            "eth_getBalance",
            "eth_getBlockByNumber",
            "eth_getTransactionCount",
            "eth_getTransactionCount",
            "eth_maxPriorityFeePerGas",
            "eth_sendRawTransaction",
        ]
    );
}
