//! The endpoints of a chain before nodes that lag, fork, lie, fall silent and limit their callers. Numbers in names are
//! those of the fault scenarios.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails where it stands"
)]

#[path = "support/proxy.rs"]
mod proxy;

use std::sync::Arc;
use std::time::{Duration, Instant};

use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy::eips::Encodable2718;
use alloy::node_bindings::{Anvil, AnvilInstance};
use alloy::primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use alloy::providers::ext::AnvilApi;
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::types::anvil::{ReorgOptions, TransactionData};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use proxy::{Act, Calls, Frames, Proxy};
use serde_json::{Value, json};
use vault_keeper::chain::pool::health::Rules;
use vault_keeper::chain::pool::{
    Answer, Lease, Outgoing, Pool, PoolConfig, PrivateBytes, PublicBytes, RelayMethod, RelaySeat, Seat, State,
};
use vault_keeper::chain::{
    At, ChainError, Credentials, HeadEvent, HeadTimes, Heads, NewHead, Receipt, SecretUrl, Timeouts,
};
use vault_keeper::domain::policy::ChainKind;
use vault_keeper::stage::artifacts::Artifacts;

const CHAIN: u64 = 31_337;
const BLOCK: &str = "eth_getBlockByNumber";
const SEND: &str = "eth_sendRawTransaction";
/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A node that mines when told to.
struct Node {
    instance: AnvilInstance,
    provider: DynProvider,
}

impl Node {
    fn start() -> Self {
        let program = Artifacts::new(env!("CARGO_MANIFEST_DIR")).anvil();
        let arguments = ["--no-mining", "--timestamp", "1700000000"];
        let instance = Anvil::at(program).args(arguments).try_spawn().unwrap();
        let provider = ProviderBuilder::new()
            .disable_recommended_fillers()
            .connect_http(instance.endpoint_url())
            .erased();
        Self { instance, provider }
    }

    async fn mine(&self, blocks: u64) {
        self.provider.anvil_mine(Some(blocks), None).await.unwrap();
    }

    async fn head(&self) -> u64 {
        self.provider.get_block_number().await.unwrap()
    }

    /// Signed bytes of its first account, and their hash.
    fn signed(&self, nonce: u64) -> (Bytes, B256) {
        let key: PrivateKeySigner = self.instance.keys()[0].clone().into();
        let transaction = TxEip1559 {
            chain_id: CHAIN,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: 100_000_000_000,
            max_priority_fee_per_gas: 1_000_000_000,
            to: TxKind::Call(Address::repeat_byte(7)),
            value: U256::from(1),
            ..TxEip1559::default()
        };
        let signature = key.sign_hash_sync(&transaction.signature_hash()).unwrap();
        let envelope = TxEnvelope::from(transaction.into_signed(signature));
        (envelope.encoded_2718().into(), *envelope.tx_hash())
    }

    async fn proxies<const N: usize>(&self) -> [Proxy; N] {
        let url = self.instance.endpoint();
        let mut proxies = Vec::new();
        for _ in 0..N {
            proxies.push(Proxy::start(url.clone()).await);
        }
        proxies.try_into().unwrap()
    }
}

fn config() -> PoolConfig {
    let time = Duration::from_secs(5);
    PoolConfig {
        chain_id: CHAIN,
        kind: ChainKind::Ethereum,
        timeouts: Timeouts { connect: time, request: time },
        send: time,
        rules: Rules { agreement_depth: Some(0), quarantine: Duration::from_millis(300), ..Rules::default() },
    }
}

/// `a`, `b` and so on.
fn seats<'a>(proxies: impl IntoIterator<Item = &'a Proxy>) -> Vec<Seat> {
    let seat = |(proxy, name): (&Proxy, &str)| Seat {
        name: name.to_owned(),
        url: SecretUrl::parse(proxy.url()).unwrap(),
        socket: None,
    };
    proxies.into_iter().zip(["a", "b", "c"]).map(seat).collect()
}

fn relay(proxy: &Proxy, method: RelayMethod, credentials: Option<Credentials>) -> RelaySeat {
    let url = SecretUrl::parse(proxy.url()).unwrap();
    RelaySeat { name: "relay".to_owned(), url, method, credentials }
}

async fn pool<'a>(proxies: impl IntoIterator<Item = &'a Proxy>) -> Arc<Pool> {
    Arc::new(Pool::open(config(), seats(proxies), Vec::new()).await.unwrap())
}

/// All answers, by the name of the endpoint.
async fn broadcast(pool: &Arc<Pool>, outgoing: &Outgoing) -> Vec<Answer> {
    let mut answers = pool.broadcast(outgoing, |_| false).await;
    answers.sort_by(|a, b| a.endpoint.cmp(&b.endpoint));
    answers
}

/// The receipt of a transaction that a second endpoint bears out.
async fn counted(pool: &Pool, lease: &Lease, hash: B256) -> Result<Option<Receipt>, ChainError> {
    let Some(receipt) = pool.receipt(lease, hash).await? else { return Ok(None) };
    Ok(pool.is_borne_out(lease, &receipt).await?.then_some(receipt))
}

fn states(pool: &Pool) -> Vec<&'static str> {
    pool.standings().iter().map(|(_, standing)| standing.state.name()).collect()
}

/// Endpoints and states of the changes since the last call.
fn changes(pool: &Pool) -> Vec<(String, &'static str)> {
    pool.take_notices().into_iter().map(|notice| (notice.endpoint, notice.to.alert())).collect()
}

fn public(bytes: &Bytes) -> Outgoing {
    Outgoing::Public(PublicBytes::new(bytes.clone()))
}

fn is_no_verdict<T: std::fmt::Debug>(answer: &Result<T, ChainError>) {
    assert!(matches!(answer, Err(ChainError::NoVerdict { .. })), "{answer:?}");
}

/// Looks until all states are these.
async fn until_states(pool: &Pool, expected: &[&str]) {
    let start = Instant::now();
    while states(pool) != expected {
        assert!(start.elapsed() < PATIENCE, "{:?} never become {expected:?}", states(pool));
        pool.look().await;
    }
}

async fn event(heads: &mut Heads) -> HeadEvent {
    tokio::time::timeout(PATIENCE, heads.next()).await.expect("no head ever comes").unwrap()
}

async fn new_head(heads: &mut Heads) -> NewHead {
    match event(heads).await {
        HeadEvent::New(head) => *head,
        HeadEvent::Frozen(since) => panic!("frozen for {since:?}"),
    }
}

fn times() -> HeadTimes {
    let long = Duration::from_secs(3_600);
    HeadTimes { poll: Duration::from_millis(5), distrust: long, frozen: long }
}

#[tokio::test]
async fn fault_25_of_three_nodes_one_that_lags_is_out_and_no_verdict_comes_from_it() {
    let node = Node::start();
    let proxies: [Proxy; 3] = node.proxies().await;
    let pool = pool(&proxies).await;
    assert_eq!(pool.reader().unwrap().name(), "a");
    // From now on `a` stays at the block that it told last.
    proxies[0].rule(BLOCK, Calls::Every, Act::Replay);
    node.mine(5).await;
    pool.look().await;
    assert_eq!(states(&pool), ["lagging", "healthy", "healthy"]);
    assert_eq!(changes(&pool), [("a".to_owned(), "endpoint_lagging")]);
    let lease = pool.reader().unwrap();
    assert_eq!(lease.name(), "b");
    let head = lease.latest_header().await.unwrap();
    assert_eq!(head.number, 5);
    proxies[0].forget();
    pool.agree(&lease, &head).await.unwrap();
    assert_eq!(proxies[0].methods(), [] as [&str; 0], "one that lags is not asked");
    // It comes back after two good looks, and the reader stays where it is.
    proxies[0].obey();
    pool.look().await;
    assert_eq!(states(&pool)[0], "lagging");
    pool.look().await;
    assert_eq!(changes(&pool), [("a".to_owned(), "endpoint_healthy")]);
    assert_eq!(pool.reader().unwrap().name(), "b");
}

#[tokio::test]
async fn fault_26_a_frozen_head_is_an_alarm_and_stops_verdicts_until_it_moves() {
    let node = Node::start();
    let [proxy] = node.proxies().await;
    let pool = pool([&proxy]).await;
    let frozen = Duration::from_millis(100);
    let mut heads = Heads::new(pool.clone(), HeadTimes { frozen, ..times() });
    assert_eq!(new_head(&mut heads).await.header.number, 0);
    proxy.rule(BLOCK, Calls::Every, Act::Replay);
    node.mine(3).await;
    match event(&mut heads).await {
        HeadEvent::Frozen(since) => assert!(since >= frozen, "{since:?}"),
        HeadEvent::New(head) => panic!("{head:?}"),
    }
    is_no_verdict(&pool.reader());
    proxy.obey();
    let head = new_head(&mut heads).await;
    assert_eq!((head.header.number, head.between.len(), head.skipped), (3, 2, 0));
    assert_eq!(pool.reader().unwrap().name(), "a");
}

#[tokio::test]
async fn fault_27_a_split_view_of_receipt_and_nonce_is_never_put_together() {
    let node = Node::start();
    let proxies: [Proxy; 2] = node.proxies().await;
    let pool = pool(&proxies).await;
    let (bytes, hash) = node.signed(0);
    broadcast(&pool, &public(&bytes)).await;
    node.mine(1).await;
    // `a` has no receipts; both know that the nonce is taken.
    proxies[0].rule("eth_getTransactionReceipt", Calls::Every, Act::result(Value::Null));
    let lease = pool.reader().unwrap();
    let head = lease.latest_header().await.unwrap();
    proxies[1].forget();
    assert_eq!(counted(&pool, &lease, hash).await.unwrap(), None);
    let account = node.instance.addresses()[0];
    assert_eq!(lease.transaction_count(account, At::Hash(head.hash)).await.unwrap(), 1);
    assert_eq!(proxies[1].methods(), [] as [&str; 0], "all that was read comes from one endpoint");
    // Read through `b` the receipt is there, and does not count before a second one tells it.
    proxies[0].rule(BLOCK, Calls::Nth(0), Act::Drop);
    lease.latest_header().await.unwrap_err();
    let lease = pool.reader().unwrap();
    assert_eq!(lease.name(), "b");
    assert_eq!(counted(&pool, &lease, hash).await.unwrap(), None);
    proxies[0].obey();
    let receipt = counted(&pool, &lease, hash).await.unwrap().unwrap();
    assert_eq!((receipt.block_number, receipt.success), (1, true));
    assert_eq!(states(&pool), ["healthy", "healthy"]);
}

#[tokio::test]
async fn fault_28_a_node_that_answers_another_hash_is_quarantined_and_returns_when_its_time_is_over() {
    let node = Node::start();
    let proxies: [Proxy; 2] = node.proxies().await;
    let pool = pool(&proxies).await;
    let (bytes, hash) = node.signed(0);
    let wrong = B256::repeat_byte(9);
    proxies[0].rule(SEND, Calls::Every, Act::result(json!(wrong)));
    let answers = broadcast(&pool, &public(&bytes)).await;
    assert_eq!(answers[0], Answer { endpoint: "a".to_owned(), result: Ok(wrong) });
    assert_eq!(answers.len(), 2);
    assert_eq!(states(&pool), ["quarantined", "healthy"]);
    let notice = &pool.take_notices()[0];
    assert!(notice.returns_in.is_some_and(|returns| returns <= Duration::from_millis(300)), "{notice:?}");
    assert!(notice.to.to_string().contains(&wrong.to_string()), "{notice:?}");
    assert_eq!(pool.reader().unwrap().name(), "b");
    let again = broadcast(&pool, &public(&bytes)).await;
    assert_eq!(again.len(), 1, "nothing goes to it: {again:?}");
    until_states(&pool, &["healthy", "healthy"]).await;
    assert_ne!(hash, wrong);
}

#[tokio::test]
async fn fault_29_a_forged_receipt_is_ignored_and_its_teller_quarantined() {
    let node = Node::start();
    let proxies: [Proxy; 2] = node.proxies().await;
    let pool = pool(&proxies).await;
    let (bytes, hash) = node.signed(0);
    broadcast(&pool, &public(&bytes)).await;
    node.mine(1).await;
    let lease = pool.reader().unwrap();
    let forged = "0x1111111111111111111111111111111111111111111111111111111111111111";
    proxies[0].rule("eth_getTransactionReceipt", Calls::Nth(0), Act::field("blockHash", forged));
    assert_eq!(counted(&pool, &lease, hash).await.unwrap(), None);
    assert_eq!(states(&pool), ["quarantined", "healthy"]);
    // In the right block and with another outcome it is no lie that can be told apart: it does not count.
    until_states(&pool, &["healthy", "healthy"]).await;
    let lease = pool.reader().unwrap();
    let leased = usize::from(lease.name() == "b");
    proxies[leased].rule("eth_getTransactionReceipt", Calls::Every, Act::field("status", "0x0"));
    is_no_verdict(&counted(&pool, &lease, hash).await);
}

#[tokio::test]
async fn fault_30_fees_that_one_node_makes_up_are_refused_against_the_others() {
    let node = Node::start();
    let proxies: [Proxy; 3] = node.proxies().await;
    node.mine(3).await;
    let pool = pool(&proxies).await;
    // A base fee a million times the true one, of a block that the others know.
    proxies[0].rule(BLOCK, Calls::Nth(0), Act::field("baseFeePerGas", "0xde0b6b3a7640000"));
    let lease = pool.reader().unwrap();
    let head = lease.latest_header().await.unwrap();
    assert_eq!(head.base_fee_per_gas, Some(1_000_000_000_000_000_000));
    is_no_verdict(&pool.agree(&lease, &head).await);
    assert_eq!(states(&pool), ["quarantined", "healthy", "healthy"]);
    let lease = pool.reader().unwrap();
    assert_eq!(lease.name(), "b");
    let head = lease.latest_header().await.unwrap();
    assert!(head.base_fee_per_gas.unwrap() <= 1_000_000_000);
    pool.agree(&lease, &head).await.unwrap();
    // Tips: none, zero, beyond all bounds; what an honest one says is taken.
    let tip = "eth_maxPriorityFeePerGas";
    let honest = lease.suggested_tip().await.unwrap();
    for lie in
        [json!(null), json!("0x0"), json!("0xffffffffffffffffffffffffffffffff"), json!({ "reward": [] })]
    {
        proxies[1].obey();
        proxies[1].rule(tip, Calls::Every, Act::result(lie.clone()));
        assert!(pool.suggested_tip().await.unwrap() <= honest.max(1), "{lie}");
    }
}

#[tokio::test]
async fn fault_31_a_chain_id_that_does_not_fit_refuses_to_start_whichever_endpoint_has_it() {
    let node = Node::start();
    let proxies: [Proxy; 3] = node.proxies().await;
    for (wrong, name) in proxies.iter().zip(["a", "b", "relay"]) {
        wrong.rule("eth_chainId", Calls::Every, Act::result(json!("0x1")));
        let relays = vec![relay(&proxies[2], RelayMethod::Private, None)];
        let refused = Pool::open(config(), seats(&proxies[..2]), relays).await.unwrap_err();
        let expected = ChainError::WrongChainId { endpoint: name.to_owned(), expected: CHAIN, actual: 1 };
        assert_eq!(refused, expected);
        assert!(wrong.methods().iter().all(|method| method == "eth_chainId"), "nothing else is asked");
        wrong.obey();
    }
}

#[tokio::test]
async fn fault_32_a_chain_id_that_changes_drops_the_endpoint_for_good() {
    let (node, other) = (Node::start(), Node::start());
    let [first] = node.proxies().await;
    let [second] = other.proxies().await;
    let pool = pool([&first, &second]).await;
    assert_eq!(pool.reader().unwrap().name(), "a");
    node.provider.anvil_set_chain_id(5).await.unwrap();
    pool.look().await;
    assert_eq!(states(&pool), ["dropped", "healthy"]);
    assert_eq!(changes(&pool), [("a".to_owned(), "endpoint_dropped")]);
    assert_eq!(pool.reader().unwrap().name(), "b");
    // It serves the right one again, and is not believed.
    node.provider.anvil_set_chain_id(CHAIN).await.unwrap();
    pool.look().await;
    assert_eq!(states(&pool), ["dropped", "healthy"]);
    first.forget();
    let (bytes, hash) = other.signed(0);
    let answers = broadcast(&pool, &public(&bytes)).await;
    assert_eq!(answers, [Answer { endpoint: "b".to_owned(), result: Ok(hash) }]);
    assert_eq!(first.methods(), [] as [&str; 0]);
}

#[tokio::test]
async fn fault_32_after_a_broken_connection_nothing_is_asked_or_sent_before_the_chain_id() {
    let node = Node::start();
    let [proxy] = node.proxies().await;
    let pool = pool([&proxy]).await;
    let lease = pool.reader().unwrap();
    proxy.rule(BLOCK, Calls::Nth(0), Act::Drop);
    lease.latest_header().await.unwrap_err();
    // Whoever answers now is another.
    proxy.rule("eth_chainId", Calls::Every, Act::result(json!("0x5")));
    proxy.forget_requests();
    let (bytes, _) = node.signed(0);
    let wrong = ChainError::WrongChainId { endpoint: "a".to_owned(), expected: CHAIN, actual: 5 };
    let answers = broadcast(&pool, &public(&bytes)).await;
    assert_eq!(answers[0].result, Err(wrong.clone()));
    assert_eq!(proxy.methods(), ["eth_chainId"]);
    assert_eq!(proxy.transactions(), [] as [Bytes; 0]);
    assert_eq!(pool.reader().unwrap_err(), wrong);
    assert_eq!(lease.latest_header().await.unwrap_err(), wrong);
}

#[tokio::test]
async fn fault_38_a_node_that_limits_its_callers_is_left_alone_and_another_is_asked_meanwhile() {
    let node = Node::start();
    let proxies: [Proxy; 2] = node.proxies().await;
    let pool = pool(&proxies).await;
    let lease = pool.reader().unwrap();
    proxies[0].rule("*", Calls::First(1), Act::Raw(429, "Retry-After: 30\r\n", String::new()));
    let limited = lease.latest_header().await.unwrap_err();
    assert!(limited.is_limit(), "{limited}");
    proxies[0].forget_requests();
    let start = Instant::now();
    let refused = lease.latest_header().await.unwrap_err();
    let ChainError::RateLimited { wait, .. } = refused else { panic!("{refused}") };
    assert!(wait > Duration::from_secs(29) && wait <= Duration::from_secs(33), "{wait:?}");
    assert_eq!(pool.reader().unwrap().name(), "b");
    pool.look().await;
    assert_eq!(proxies[0].methods(), [] as [&str; 0], "it is left alone");
    assert!(start.elapsed() < Duration::from_secs(5), "nobody waits for it");
    assert_eq!(states(&pool), ["healthy", "healthy"], "a limit is no failure");
}

#[tokio::test]
async fn fault_38_the_only_node_is_waited_for_within_the_time_of_the_call_and_no_longer() {
    let node = Node::start();
    let [proxy] = node.proxies().await;
    let pool = pool([&proxy]).await;
    let lease = pool.reader().unwrap();
    // Two refusals in the words of JSON-RPC, and the third time it answers.
    proxy.rule(BLOCK, Calls::First(2), Act::Error(-32005, "limit exceeded"));
    assert_eq!(lease.latest_header().await.unwrap().number, 0);
    assert_eq!(proxy.methods().iter().filter(|method| *method == BLOCK).count(), 3);
    // What it asks for is waited for.
    proxy.obey();
    proxy.rule(BLOCK, Calls::First(1), Act::Raw(429, "Retry-After: 1\r\n", String::new()));
    let start = Instant::now();
    lease.latest_header().await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));
    // A pause that is longer than the time of the call is not: the call ends at once.
    proxy.obey();
    proxy.rule(BLOCK, Calls::Every, Act::Raw(429, "Retry-After: 60\r\n", String::new()));
    let start = Instant::now();
    assert!(lease.latest_header().await.unwrap_err().is_limit());
    assert!(matches!(lease.latest_header().await, Err(ChainError::RateLimited { .. })));
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn fault_39_garbage_is_a_typed_error_of_its_endpoint_and_the_other_one_is_used() {
    let node = Node::start();
    let proxies: [Proxy; 2] = node.proxies().await;
    let pool = pool(&proxies).await;
    let (bytes, hash) = node.signed(0);
    let page = "<html>Bad Gateway</html>".to_owned();
    let garbage = [
        Act::Raw(502, "", page),
        Act::Raw(200, "", r#"{"jsonrpc":"2.0","id":"#.to_owned()),
        Act::Raw(200, "", r#"{"jsonrpc":"2.0","id":999999,"result":"0x1"}"#.to_owned()),
        Act::Flood(200 * 1024 * 1024),
        Act::result(Value::Null),
    ];
    for (number, act) in garbage.into_iter().enumerate() {
        let lease = pool.reader().unwrap();
        let leased = usize::from(lease.name() == "b");
        proxies[leased].rule(BLOCK, Calls::Every, act.clone());
        proxies[leased].rule(SEND, Calls::Every, act);
        let error = lease.latest_header().await.unwrap_err();
        match number {
            0 => assert!(matches!(error, ChainError::Http { status: 502, .. }), "{error}"),
            3 => assert!(error.to_string().contains("it is larger than 32 MiB"), "{error}"),
            _ => assert!(matches!(error, ChainError::BadResponse { .. }), "{number}: {error}"),
        }
        assert!(!pool.reader().unwrap().is_of(&lease), "the other one is read");
        let answers = broadcast(&pool, &public(&bytes)).await;
        assert!(answers[leased].result.as_ref().unwrap_err().is_of_endpoint(), "{answers:?}");
        let other = &answers[1 - leased].result;
        // The second time the node knows the bytes.
        assert!(*other == Ok(hash) || matches!(other, Err(ChainError::Rpc { .. })), "{answers:?}");
        proxies[leased].obey();
        until_states(&pool, &["healthy", "healthy"]).await;
        lease.latest_header().await.unwrap();
    }
}

#[tokio::test]
async fn fault_40_a_node_that_never_answers_costs_its_time_out_and_heads_go_on() {
    let node = Node::start();
    let proxies: [Proxy; 2] = node.proxies().await;
    let (read, send) = (Duration::from_millis(200), Duration::from_millis(900));
    let timeouts = Timeouts { connect: read, request: read };
    let config = PoolConfig { timeouts, send, ..config() };
    let pool = Arc::new(Pool::open(config, seats(&proxies), Vec::new()).await.unwrap());
    let mut heads = Heads::new(pool.clone(), times());
    assert_eq!(new_head(&mut heads).await.header.number, 0);
    let lease = pool.reader().unwrap();
    proxies[0].rule(BLOCK, Calls::Every, Act::Hang);
    proxies[0].rule(SEND, Calls::Every, Act::Hang);
    let (bytes, hash) = node.signed(0);
    let start = Instant::now();
    let answers = broadcast(&pool, &public(&bytes)).await;
    assert!(matches!(answers[0].result, Err(ChainError::Timeout { method: SEND, .. })), "{answers:?}");
    assert_eq!(answers[1].result, Ok(hash));
    assert!(start.elapsed() >= send, "sending has a time-out of its own");
    let start = Instant::now();
    assert!(matches!(lease.latest_header().await, Err(ChainError::Timeout { .. })));
    assert!(start.elapsed() >= read && start.elapsed() < send, "{:?}", start.elapsed());
    // The loop lives: the next head comes from the other one.
    node.mine(1).await;
    assert_eq!(new_head(&mut heads).await.header.number, 1);
    assert_eq!(pool.reader().unwrap().name(), "b");
    until_states(&pool, &["unreachable", "healthy"]).await;
    assert_eq!(changes(&pool), [("a".to_owned(), "endpoint_unreachable")]);
}

#[tokio::test]
async fn fault_42_success_on_one_and_errors_on_others_are_all_kept() {
    let node = Node::start();
    let proxies: [Proxy; 3] = node.proxies().await;
    let pool = pool(&proxies).await;
    for refusing in &proxies[1..] {
        refusing.rule(SEND, Calls::Every, Act::Error(-32000, "nonce too low"));
    }
    let (bytes, hash) = node.signed(0);
    let answers = broadcast(&pool, &public(&bytes)).await;
    let names: Vec<&str> = answers.iter().map(|answer| answer.endpoint.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(answers[0].result, Ok(hash));
    for answer in &answers[1..] {
        let refused = answer.result.as_ref().unwrap_err();
        assert!(
            matches!(refused, ChainError::Rpc { message, .. } if message == "nonce too low"),
            "{refused}"
        );
    }
    assert_eq!(states(&pool), ["healthy"; 3], "a refusal is no failure of the node");
    assert!(proxies.iter().all(|proxy| proxy.transactions() == [bytes.clone()]));
}

fn with_socket(proxy: &Proxy) -> Vec<Seat> {
    let mut seats = seats([proxy]);
    seats[0].socket = Some(SecretUrl::parse_socket(&proxy.socket_url()).unwrap());
    seats
}

/// Waits until so many sockets were opened and the newest one stands: a block that is mined is told by it.
async fn subscribed(node: &Node, proxy: &Proxy, heads: &mut Heads, sockets: usize) {
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < PATIENCE, "the subscription never stands");
        let asked = proxy.methods().len();
        node.mine(1).await;
        new_head(heads).await;
        if proxy.sockets() >= sockets && proxy.methods().len() == asked {
            return;
        }
    }
}

#[tokio::test]
async fn fault_52_a_subscription_that_skips_blocks_or_dies_silently_loses_no_block() {
    let node = Node::start();
    let [proxy] = node.proxies().await;
    let pool = Arc::new(Pool::open(config(), with_socket(&proxy), Vec::new()).await.unwrap());
    let distrust = Duration::from_millis(400);
    let mut heads = Heads::new(pool.clone(), HeadTimes { distrust, ..times() });
    new_head(&mut heads).await;
    subscribed(&node, &proxy, &mut heads, 1).await;
    // Two blocks are not told, the third is: both come by its parents.
    let before = node.head().await;
    proxy.frames(Frames::Skip(2));
    node.mine(3).await;
    let head = new_head(&mut heads).await;
    assert_eq!(head.header.number, before + 3);
    let between: Vec<u64> = head.between.iter().map(|header| header.number).collect();
    assert_eq!((between, head.skipped), (vec![before + 1, before + 2], 0));
    // Nothing is told any more and the connection stays: the head is found by asking, the subscription taken out anew.
    proxy.frames(Frames::Stop);
    node.mine(1).await;
    let start = Instant::now();
    let head = new_head(&mut heads).await;
    assert_eq!((head.header.number, head.between.len()), (before + 4, 0));
    assert!(start.elapsed() < PATIENCE);
    proxy.frames(Frames::Pass);
    subscribed(&node, &proxy, &mut heads, 2).await;
    assert!(proxy.sockets() >= 2);
}

#[tokio::test]
async fn fault_52_a_subscription_that_breaks_is_replaced_by_asking_at_once_and_taken_out_anew() {
    let node = Node::start();
    let [proxy] = node.proxies().await;
    let pool = Arc::new(Pool::open(config(), with_socket(&proxy), Vec::new()).await.unwrap());
    // Without the breaking nobody would ask for an hour.
    let mut heads = Heads::new(pool.clone(), times());
    new_head(&mut heads).await;
    subscribed(&node, &proxy, &mut heads, 1).await;
    let before = node.head().await;
    proxy.frames(Frames::Cut);
    node.mine(1).await;
    assert_eq!(new_head(&mut heads).await.header.number, before + 1);
    proxy.frames(Frames::Pass);
    subscribed(&node, &proxy, &mut heads, 2).await;
}

#[tokio::test]
async fn fault_32_a_socket_of_another_chain_is_not_listened_to() {
    let (node, other) = (Node::start(), Node::start());
    other.provider.anvil_set_chain_id(5).await.unwrap();
    let [proxy] = node.proxies().await;
    let [foreign] = other.proxies().await;
    let mut seats = seats([&proxy]);
    seats[0].socket = Some(SecretUrl::parse_socket(&foreign.socket_url()).unwrap());
    let pool = Arc::new(Pool::open(config(), seats, Vec::new()).await.unwrap());
    let mut heads = Heads::new(pool, times());
    let start = Instant::now();
    // Long enough for many reconnections, were there any.
    while foreign.sockets() == 0 || start.elapsed() < Duration::from_secs(1) {
        assert!(start.elapsed() < PATIENCE, "the socket is never tried");
        other.mine(1).await;
        node.mine(1).await;
        let head = new_head(&mut heads).await;
        assert_eq!(head.header.number, node.head().await, "it comes by asking");
        assert_eq!(head.left, []);
    }
    assert_eq!(foreign.sockets(), 1);
}

#[tokio::test]
async fn fault_53_two_nodes_with_different_blocks_at_one_height_give_no_verdict_until_they_agree() {
    let (node, other) = (Node::start(), Node::start());
    let [first] = node.proxies().await;
    let [second] = other.proxies().await;
    let pool = pool([&first, &second]).await;
    let common =
        (node.provider.anvil_snapshot().await.unwrap(), other.provider.anvil_snapshot().await.unwrap());
    node.provider.anvil_set_next_block_timestamp(1_700_000_100).await.unwrap();
    other.provider.anvil_set_next_block_timestamp(1_700_000_200).await.unwrap();
    node.mine(1).await;
    other.mine(1).await;
    // Before any look, at the block itself.
    let lease = pool.reader().unwrap();
    let head = lease.latest_header().await.unwrap();
    is_no_verdict(&pool.agree(&lease, &head).await);
    pool.look().await;
    assert_eq!(states(&pool), ["disagreeing", "disagreeing"]);
    let alerts = changes(&pool);
    assert_eq!(alerts, ["a", "b"].map(|name| (name.to_owned(), "endpoint_disagreeing")));
    is_no_verdict(&pool.reader());
    // Both go back to where they agreed.
    assert!(node.provider.anvil_revert(common.0).await.unwrap());
    assert!(other.provider.anvil_revert(common.1).await.unwrap());
    until_states(&pool, &["healthy", "healthy"]).await;
    let lease = pool.reader().unwrap();
    pool.agree(&lease, &lease.latest_header().await.unwrap()).await.unwrap();
}

#[tokio::test]
async fn of_three_nodes_the_two_that_agree_give_the_verdict() {
    let (node, other) = (Node::start(), Node::start());
    let [first, second]: [Proxy; 2] = node.proxies().await;
    let [third] = other.proxies().await;
    let pool = pool([&third, &first, &second]).await;
    node.provider.anvil_set_next_block_timestamp(1_700_000_100).await.unwrap();
    other.provider.anvil_set_next_block_timestamp(1_700_000_200).await.unwrap();
    node.mine(1).await;
    other.mine(1).await;
    let lease = pool.reader().unwrap();
    assert_eq!(lease.name(), "a");
    is_no_verdict(&pool.agree(&lease, &lease.latest_header().await.unwrap()).await);
    pool.look().await;
    assert_eq!(states(&pool), ["disagreeing", "healthy", "healthy"]);
    let lease = pool.reader().unwrap();
    assert_eq!(lease.name(), "b");
    pool.agree(&lease, &lease.latest_header().await.unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_reorganisation_names_the_heads_that_left_at_equal_and_at_lower_height() {
    let node = Node::start();
    let [proxy] = node.proxies().await;
    let pool = pool([&proxy]).await;
    let mut heads = Heads::new(pool, times());
    new_head(&mut heads).await;
    node.mine(5).await;
    let head = new_head(&mut heads).await;
    assert_eq!((head.header.number, head.between.len(), head.replaced_previous), (5, 4, false));
    let lost = [&head.between[2..], &[head.header]].concat();
    let none: Vec<(TransactionData, u64)> = Vec::new();
    node.provider.anvil_reorg(ReorgOptions { depth: 3, tx_block_pairs: none }).await.unwrap();
    let head = new_head(&mut heads).await;
    assert_eq!((head.header.number, head.replaced_previous, head.between.len()), (5, true, 2));
    assert_ne!(head.header.hash, lost[2].hash);
    assert_eq!(head.left, lost);
    let top = head.header;
    node.provider.anvil_rollback(Some(2)).await.unwrap();
    let head = new_head(&mut heads).await;
    assert_eq!((head.header.number, head.replaced_previous, head.left.len()), (3, true, 2));
    assert_eq!(head.left[1], top);
}

#[tokio::test]
async fn private_bytes_reach_relays_alone_signed_and_in_their_own_words() {
    let node = Node::start();
    let [open, first, second, third]: [Proxy; 4] = node.proxies().await;
    let key: PrivateKeySigner = format!("{:064x}", 7).parse().unwrap();
    let credentials = Some(Credentials::new(key.clone()));
    let (bytes, hash) = node.signed(0);
    first.rule("eth_sendPrivateTransaction", Calls::Every, Act::result(json!(hash)));
    let relays = vec![
        relay(&first, RelayMethod::Private, credentials),
        RelaySeat { name: "quiet".to_owned(), ..relay(&second, RelayMethod::Raw, None) },
        RelaySeat { name: "bundles".to_owned(), ..relay(&third, RelayMethod::Bundle, None) },
    ];
    third.rule("eth_sendBundle", Calls::Every, Act::result(json!({ "bundleHash": B256::repeat_byte(3) })));
    let pool = Arc::new(Pool::open(config(), seats([&open]), relays).await.unwrap());
    let private = Outgoing::Private(PrivateBytes::new(bytes.clone(), 7, Some(25)));
    let answers = broadcast(&pool, &private).await;
    assert_eq!(answers.iter().map(|a| a.result.clone()).collect::<Vec<_>>(), [Ok(hash), Ok(hash), Ok(hash)]);
    assert_eq!(open.transactions(), [] as [Bytes; 0], "the public endpoint has not seen them");
    assert_eq!((first.transactions(), second.transactions()), (vec![bytes.clone()], vec![bytes.clone()]));
    let request = first.requests().pop().unwrap();
    assert_eq!(request["params"], json!([{ "tx": bytes, "maxBlockNumber": "0x19" }]));
    let request = third.requests().pop().unwrap();
    assert_eq!(request["params"], json!([{ "txs": [bytes], "blockNumber": "0x7" }]));
    // The relay can tell who asked.
    let signed = first.signatures().pop().unwrap();
    let (account, signature) = signed.split_once(':').unwrap();
    assert_eq!(account, key.address().to_string());
    let signature: Signature = signature.parse().unwrap();
    let message = keccak256(first.bodies().pop().unwrap()).to_string();
    assert_eq!(signature.recover_address_from_msg(message.as_bytes()).unwrap(), key.address());
    assert_eq!(second.signatures(), [] as [&str; 0]);
    // Public bytes go the other way.
    broadcast(&pool, &public(&node.signed(1).0)).await;
    assert_eq!(open.transactions().len(), 1);
    assert_eq!((first.transactions().len(), second.transactions().len()), (1, 1));
    assert!(!format!("{private:?}").contains(&bytes.to_string()[4..20]));
}

#[tokio::test]
async fn a_relay_that_answers_no_questions_is_taken_and_one_node_down_does_not_stop_the_start() {
    let node = Node::start();
    let [up, down, quiet]: [Proxy; 3] = node.proxies().await;
    quiet.rule("eth_chainId", Calls::Every, Act::Error(-32601, "method not found"));
    down.rule("*", Calls::Every, Act::Drop);
    let relays = vec![relay(&quiet, RelayMethod::Raw, None)];
    let pool = Arc::new(Pool::open(config(), seats([&down, &up]), relays).await.unwrap());
    assert_eq!(states(&pool), ["unreachable", "healthy"]);
    assert_eq!(pool.reader().unwrap().name(), "b");
    let (bytes, hash) = node.signed(0);
    let answers = broadcast(&pool, &Outgoing::Private(PrivateBytes::new(bytes, 1, None))).await;
    assert_eq!(answers[0].result, Ok(hash));
    down.obey();
    pool.look().await;
    assert_eq!(states(&pool), ["healthy", "healthy"]);
    assert!(matches!(pool.standings()[0].1.state, State::Healthy));
}
