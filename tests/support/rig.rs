//! A keeper in this process before a stage with real contracts, with proxies between: one step at a time.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::Provider;
use alloy::providers::ext::AnvilApi;
use alloy::signers::local::PrivateKeySigner;
use tempfile::TempDir;
use tokio::sync::Semaphore;
use vault_keeper::chain::pool::health::Rules;
use vault_keeper::chain::pool::{Pool, PoolConfig, RelayMethod, RelaySeat, Seat};
use vault_keeper::chain::{Header, SecretUrl, Timeouts};
use vault_keeper::domain::decision::Verdict;
use vault_keeper::domain::policy::ChainKind;
use vault_keeper::execution::{
    ClassPolicy, Engine, ExecutionError, FeeCaps, Finality, KeeperKey, Outcome, Patience, SendingConfig,
};
use vault_keeper::journal::{EventRecord, IntentEntry, IntentId, IntentState, Journal, JournalOptions};
use vault_keeper::keeper::{Cycle, CycleError, Dispatch, Hand, Keeper};
use vault_keeper::stage::account::Actor;

use super::keeper_process::{PRICE, Scene, published, until};
use super::proxy::{Act, Calls, Proxy};

alloy::sol! {
    interface IGuarded {
        function pause() external;
    }
}

/// Hands bytes to a public endpoint.
pub(crate) const SEND: &str = "eth_sendRawTransaction";
/// Wei.
pub(crate) const GWEI: u128 = 1_000_000_000;

/// What a rig is built of.
#[derive(Debug, Clone)]
pub(crate) struct Build {
    /// Public endpoints, each through a proxy of its own.
    pub(crate) endpoints: usize,
    /// Private relays, each through a proxy of its own.
    pub(crate) relays: usize,
    pub(crate) sending: SendingConfig,
    pub(crate) rules: Rules,
    /// What stands in the policy in place of what.
    pub(crate) policy: &'static [(&'static str, &'static str)],
    pub(crate) journal: JournalOptions,
}

impl Default for Build {
    fn default() -> Self {
        let quarantine = Duration::from_millis(50);
        Self {
            endpoints: 1,
            relays: 0,
            sending: sending(),
            rules: Rules { quarantine, good_looks: 1, ..Rules::default() },
            policy: &[],
            journal: JournalOptions::default(),
        }
    }
}

/// The keeper and all that it stands on.
pub(crate) struct Rig {
    pub(crate) scene: Scene,
    pub(crate) proxies: Vec<Proxy>,
    pub(crate) relays: Vec<Proxy>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) keeper: Keeper,
    pub(crate) directory: TempDir,
    /// Vaults beside that of the scene.
    pub(crate) neighbours: Vec<Address>,
    pub(crate) build: Build,
}

/// What is logged on this thread while it lives.
pub(crate) struct Heard(Arc<Mutex<Vec<u8>>>, tracing::subscriber::DefaultGuard);

impl Heard {
    pub(crate) fn listen() -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let writer = Writer(lines.clone());
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
        Self(lines, tracing::subscriber::set_default(subscriber.finish()))
    }

    /// How often this alert was raised so far.
    pub(crate) fn alerts(&self, name: &str) -> usize {
        self.text().matches(&format!("alert=\"{name}\"")).count()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[derive(Clone)]
struct Writer(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Final at once where nothing else is said, and more patient than a test.
pub(crate) fn sending() -> SendingConfig {
    SendingConfig {
        fees: FeeCaps {
            max_fee_per_gas: 500 * GWEI,
            min_tip: GWEI / 100,
            max_tip: 5 * GWEI,
            max_per_transaction: U256::from(10_u64.pow(18)),
            max_per_day: U256::from(5 * 10_u64.pow(18)),
            max_cancel_fee_per_gas: 1_000 * GWEI,
        },
        gas_margin_bps: 2_000,
        max_gas_limit: 15_000_000,
        data_fee_margin_bps: 2_500,
        finality: Finality::Depth(1),
        patience: Patience::default(),
        class: ClassPolicy::Public,
        runway: 0,
        poll_interval: Duration::ZERO,
        max_polls: 1,
    }
}

impl Rig {
    pub(crate) async fn set() -> Self {
        Self::of(Build::default()).await
    }

    pub(crate) async fn of(build: Build) -> Self {
        let scene = Scene::set_changed(build.policy).await;
        let node = scene.stage.chain.endpoint();
        let (mut proxies, mut relays) = (Vec::new(), Vec::new());
        for _ in 0..build.endpoints {
            proxies.push(Proxy::start(node.clone()).await);
        }
        for _ in 0..build.relays {
            relays.push(Proxy::start(node.clone()).await);
        }
        let directory = tempfile::tempdir().unwrap();
        let (pool, journal, engine, keeper) = assemble(&scene, (&proxies, &relays), &directory, &build).await;
        let neighbours = Vec::new();
        Self { scene, proxies, relays, pool, journal, engine, keeper, directory, neighbours, build }
    }

    /// The process ends and another one starts on the same journal.
    pub(crate) async fn restart(self) -> Self {
        self.restart_on(None).await
    }

    /// The process ends and another one starts on the journal in `other`, if that is given.
    pub(crate) async fn restart_on(self, other: Option<TempDir>) -> Self {
        let Self { scene, proxies, relays, directory, neighbours, build, pool, journal, engine, keeper } =
            self;
        drop((keeper, engine, pool));
        // Nobody else may still hold it, or the lock is not free.
        Arc::into_inner(journal).expect("the journal is still in use").close().await;
        let directory = other.unwrap_or(directory);
        let (pool, journal, engine, keeper) = assemble(&scene, (&proxies, &relays), &directory, &build).await;
        Self { scene, proxies, relays, pool, journal, engine, keeper, directory, neighbours, build }
    }

    /// A copy of the journal's files as they are now: a backup, or what a process that is killed leaves.
    pub(crate) fn image(&self) -> TempDir {
        copied(&self.directory)
    }

    /// A keeper with the same key and a journal of its own in `directory`.
    pub(crate) async fn twin(&self, directory: &TempDir) -> (Arc<Engine>, Keeper) {
        let (_, _, engine, keeper) =
            assemble(&self.scene, (&self.proxies, &self.relays), directory, &self.build).await;
        (engine, keeper)
    }

    /// The newest header by the endpoint that is read.
    pub(crate) async fn head(&self) -> Header {
        self.pool.reader().unwrap().latest_header().await.unwrap()
    }

    /// One cycle at the newest head.
    pub(crate) async fn cycle(&mut self) -> Result<Cycle, CycleError> {
        let head = self.head().await;
        self.keeper.cycle(&head).await
    }

    /// What one cycle did.
    pub(crate) async fn dispatched(&mut self) -> Dispatch {
        self.cycle().await.unwrap().dispatch
    }

    /// One cycle that sends.
    pub(crate) async fn sent(&mut self) -> IntentId {
        let dispatch = self.dispatched().await;
        assert!(matches!(dispatch, Dispatch::Sent { .. }), "{dispatch:?}");
        self.entry().await.id
    }

    /// The price rises, long enough ago for the pool's average to know of it: more is wanted.
    pub(crate) async fn rise(&self) {
        for seconds in [301, 3_600] {
            self.scene.price(PRICE + 900, seconds).await;
        }
    }

    /// The vault buys what it wants, and the price rises: a fall would be a risk to the floor.
    pub(crate) async fn invest_and_rise(&mut self) {
        for _ in 0..3 {
            self.sent().await;
            self.mine_and_resolve(2).await;
            self.scene.price(PRICE, 301).await;
        }
        self.rise().await;
    }

    /// One look at everything that is open.
    pub(crate) async fn resolve(&self) -> Result<Vec<(IntentId, Outcome)>, ExecutionError> {
        self.engine.resolve().await
    }

    /// One look after each of so many blocks.
    pub(crate) async fn mine_and_resolve(&self, blocks: u32) {
        for _ in 0..blocks {
            self.scene.mine(1).await;
            self.resolve().await.unwrap();
        }
    }

    /// One cycle that refuses to plan; the code of its reason.
    pub(crate) async fn refused(&mut self) -> String {
        let cycle = self.cycle().await.unwrap();
        assert!(matches!(cycle.decision.verdict, Verdict::Refuse { .. }), "{:?}", cycle.decision.verdict);
        cycle.decision.verdict.reason().code()
    }

    /// The node loses what waits, and nobody is told.
    pub(crate) async fn lose_what_waits(&self) {
        self.scene.stage.chain.provider().anvil_drop_all_transactions().await.unwrap();
    }

    /// A block at this base fee, wei per gas.
    pub(crate) async fn mine_at(&self, base_fee: u128) {
        self.scene.stage.chain.mine(self.scene.now().await + 12, base_fee).await.unwrap();
    }

    /// A block at this base fee, wei per gas, without the transactions that wait: whoever keeps them lost them.
    pub(crate) async fn mine_without(&self, base_fee: u128) {
        self.lose_what_waits().await;
        self.mine_at(base_fee).await;
    }

    /// All intents, oldest first.
    pub(crate) async fn entries(&self) -> Vec<IntentEntry> {
        self.entries_of(self.scene.vault).await
    }

    /// All intents for a vault, oldest first.
    pub(crate) async fn entries_of(&self, vault: Address) -> Vec<IntentEntry> {
        let mut entries = self.journal.intents(vault, 1_000).await.unwrap();
        entries.reverse();
        entries
    }

    /// The newest intent.
    pub(crate) async fn entry(&self) -> IntentEntry {
        self.entries().await.pop().expect("an intent")
    }

    /// Where the newest intent stands.
    pub(crate) async fn state(&self) -> IntentState {
        self.entry().await.last_event.state
    }

    /// Every state of an intent in turn.
    pub(crate) async fn states(&self, intent: IntentId) -> Vec<IntentState> {
        self.journal.events(intent).await.unwrap().into_iter().map(|event| event.state).collect()
    }

    /// What came of the publications of an intent in turn, in the words of the record; what repeats is recorded once.
    pub(crate) async fn publications(&self, intent: IntentId) -> Vec<String> {
        let events = self.journal.events(intent).await.unwrap();
        let told = |event: EventRecord| {
            let published = event.detail.get("publish")?.as_str()?;
            Some(event.detail.get("why").and_then(|why| why.as_str()).unwrap_or(published).to_owned())
        };
        events.into_iter().filter_map(told).collect()
    }

    /// Hashes of the signed bytes of an intent, oldest first.
    pub(crate) async fn hashes(&self, intent: IntentId) -> Vec<B256> {
        let entry = self.journal.intent(intent).await.unwrap().unwrap();
        entry.attempts.iter().map(|attempt| attempt.hash).collect()
    }

    /// All bytes that any endpoint or relay was handed.
    pub(crate) fn handed_over(&self) -> Vec<Bytes> {
        self.proxies.iter().chain(&self.relays).flat_map(Proxy::transactions).collect()
    }

    /// Asserts I1 (an execution in the journal for each on the chain, and one at most for an intent), I2 (all bytes that
    /// left are in the journal) and I3 (one intent at most of a nonce took effect), and that the journal is whole.
    pub(crate) async fn assert_invariants(&self) {
        let mut entries = Vec::new();
        for vault in [self.scene.vault].iter().chain(&self.neighbours) {
            let (deeds, of_vault) = (self.scene.deeds_of(*vault).await, self.entries_of(*vault).await);
            let executed = |entry: &&IntentEntry| entry.last_event.state == IntentState::Executed;
            assert_eq!(
                usize::try_from(deeds.vault_nonce).unwrap(),
                deeds.rebalanced,
                "one for each nonce of the vault"
            );
            assert!(of_vault.iter().filter(executed).count() <= deeds.rebalanced, "{of_vault:?}");
            entries.extend(of_vault);
        }
        let signed: Vec<Bytes> =
            entries.iter().flat_map(|entry| entry.attempts.iter().map(|a| a.raw.clone())).collect();
        for bytes in self.handed_over() {
            assert!(signed.contains(&bytes), "bytes that are not in the journal: {bytes}");
        }
        let mut nonces = BTreeMap::<u64, usize>::new();
        for entry in &entries {
            *nonces.entry(entry.record.nonce).or_default() +=
                usize::from(entry.last_event.state.took_effect());
            let hashes = entry.attempts.iter().map(|attempt| attempt.hash);
            let provider = self.scene.stage.chain.provider();
            let mut mined = 0;
            for hash in hashes {
                mined += usize::from(provider.get_transaction_receipt(hash).await.unwrap().is_some());
            }
            assert!(mined <= 1, "{mined} attempts of intent {} are mined", entry.id);
        }
        assert!(nonces.values().all(|took_effect| *took_effect <= 1), "{nonces:?}");
        self.journal.verify().await.unwrap().unwrap();
    }

    /// Asserts that the plan was executed once, by the journal and on the chain, and nothing else.
    pub(crate) async fn assert_executed_once(&self) {
        assert_eq!(self.state().await, IntentState::Executed);
        assert_eq!(self.scene.deeds().await.rebalanced, 1);
        self.assert_invariants().await;
    }

    /// The key holds so much ether from now on.
    pub(crate) async fn balance(&self, ether: u64) {
        let wei = U256::from(ether) * U256::from(10_u64.pow(18));
        self.scene.stage.chain.provider().anvil_set_balance(self.sender(), wei).await.unwrap();
        self.scene.mine(1).await;
    }

    /// The node takes signed bytes past the keeper.
    pub(crate) async fn node_takes(&self, raw: &Bytes) {
        let pending = self.scene.stage.chain.provider().send_raw_transaction(raw).await.unwrap();
        assert_eq!(*pending.tx_hash(), alloy::primitives::keccak256(raw));
    }

    /// A keeper of another vault, with the same key.
    pub(crate) async fn neighbour(&mut self) -> Keeper {
        let policy = published(&self.scene.policy);
        let plan = self.scene.stage.vault_plan(policy.hash());
        let vault = self.scene.stage.vault(&plan, 1_000_000.into()).await.unwrap().address;
        self.neighbours.push(vault);
        let hand = Hand::Send(self.engine.clone(), self.build.sending.clone());
        let endpoint = self.pool.reader().unwrap().endpoint().clone();
        Keeper::new("other".to_owned(), (vault, vec![policy]), endpoint, self.journal.clone(), hand)
    }

    /// The guardian pauses the vault.
    pub(crate) async fn pause(&self) {
        let mut guardian = self.scene.stage.act_as(Actor::Guardian).await.unwrap();
        guardian.call(self.scene.vault, &IGuarded::pauseCall {}).await.unwrap();
    }

    /// Account of the key.
    pub(crate) fn sender(&self) -> Address {
        self.engine.sender()
    }
}

/// Does `sending`, and `meanwhile` while its first bytes are on their way through the proxy.
pub(crate) async fn while_on_its_way<T>(
    proxy: &Proxy,
    sending: impl Future<Output = T>,
    meanwhile: impl Future<Output = ()>,
) -> T {
    let (gate, before) = (Arc::new(Semaphore::new(0)), proxy.transactions().len());
    proxy.rule(SEND, Calls::Nth(0), Act::Delay(gate.clone()));
    let meanwhile = async {
        until("bytes are on their way", async || proxy.transactions().len() > before).await;
        meanwhile.await;
        gate.add_permits(1);
    };
    tokio::join!(sending, meanwhile).0
}

/// A copy of the files of the journal in `directory`.
pub(crate) fn copied(directory: &TempDir) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for name in ["keeper.db", "keeper.db-wal"] {
        let from = directory.path().join(name);
        if from.exists() {
            std::fs::copy(from, copy.path().join(name)).unwrap();
        }
    }
    copy
}

async fn assemble(
    scene: &Scene,
    (proxies, relays): (&[Proxy], &[Proxy]),
    directory: &TempDir,
    build: &Build,
) -> (Arc<Pool>, Arc<Journal>, Arc<Engine>, Keeper) {
    let pool = Arc::new(pool(scene, (proxies, relays), build).await);
    let journal = Journal::open_with(&directory.path().join("keeper.db"), build.journal).await.unwrap();
    let journal = Arc::new(journal);
    let key: PrivateKeySigner = scene.key(Actor::Keeper).await.parse().unwrap();
    let key = KeeperKey::from(key);
    let engine = Arc::new(Engine::new(pool.clone(), journal.clone(), key, build.sending.clone()));
    let endpoint = pool.reader().unwrap().endpoint().clone();
    let hand = Hand::Send(engine.clone(), build.sending.clone());
    let facts = (scene.vault, vec![published(&scene.policy)]);
    let keeper = Keeper::new("main".to_owned(), facts, endpoint, journal.clone(), hand);
    (pool, journal, engine, keeper)
}

async fn pool(scene: &Scene, (proxies, relays): (&[Proxy], &[Proxy]), build: &Build) -> Pool {
    let time = Duration::from_millis(1_000);
    let config = PoolConfig {
        chain_id: scene.stage.chain.chain_id(),
        kind: ChainKind::Ethereum,
        timeouts: Timeouts { connect: time, request: time },
        send: time,
        rules: build.rules,
    };
    let url = |proxy: &Proxy| SecretUrl::parse(proxy.url()).unwrap();
    let name = |at: usize| char::from(b'a' + u8::try_from(at).unwrap()).to_string();
    let seats = proxies.iter().enumerate();
    let seats = seats.map(|(at, proxy)| Seat { name: name(at), url: url(proxy), socket: None }).collect();
    let relays = relays.iter().enumerate().map(|(at, proxy)| RelaySeat {
        name: format!("relay-{}", name(at)),
        url: url(proxy),
        method: RelayMethod::Private,
        credentials: None,
    });
    Pool::open(config, seats, relays.collect()).await.unwrap()
}
