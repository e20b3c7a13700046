//! The world that the soak plays in, and what must hold in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use alloy::primitives::{B256, Bytes, U256};
use alloy::providers::Provider;
use alloy::providers::ext::AnvilApi;
use alloy::rpc::types::anvil::ReorgOptions;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use vault_keeper::journal::{AttemptKind, IntentEntry, IntentState, Journal, SubmissionClass};
use vault_keeper::stage::path::Tick;

use crate::keeper_process::{Home, KeeperProcess, NODE, PRICE, Scene};
use crate::proxy::{Act, Calls, Proxy};

/// Blocks on top of one that is final.
pub(crate) const FINALITY: u64 = 3;
const SEND: &str = "eth_sendRawTransaction";
const RECEIPT: &str = "eth_getTransactionReceipt";
const BLOCK: &str = "eth_getBlockByNumber";
const LOG: &str = "keeper.log";
const GWEI: u128 = 1_000_000_000;
/// Caps of the keeper's configuration, wei per gas.
const CAP: u128 = 500 * GWEI;
const CANCEL_CAP: u128 = 1_000 * GWEI;

/// What the one endpoint that lies makes up.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lie {
    WrongHash,
    ForgedReceipt,
    NoReceipts,
    AlreadyKnown,
}

pub(crate) struct World {
    scene: Scene,
    home: Home,
    keeper: Option<KeeperProcess>,
    proxies: Vec<Proxy>,
    relay: Option<Proxy>,
    /// The highest head so far: no block below it by more than the finality ever leaves the chain.
    highest: u64,
    /// Bytes that anyone was handed, and the first head at which a public endpoint was.
    seen: BTreeMap<Bytes, Option<u64>>,
    kills: u32,
    starts: u32,
    reorganisations: u32,
}

/// What happened.
pub(crate) struct Summary {
    executed: usize,
    states: BTreeMap<&'static str, usize>,
    attempts: BTreeMap<&'static str, usize>,
    kills: u32,
    starts: u32,
    reorganisations: u32,
}

impl World {
    /// A keeper that runs; where `private` its bytes go to a relay first.
    pub(crate) async fn set(private: bool) -> Self {
        let scene = Scene::set().await;
        let url = scene.stage.chain.endpoint();
        let mut proxies = Vec::new();
        for _ in 0..3 {
            proxies.push(Proxy::start(url.clone()).await);
        }
        let relay = if private { Some(Proxy::start(url).await) } else { None };
        let home = Home::new(&scene, proxies[0].url()).await;
        configure(&home, &proxies, relay.as_ref());
        let highest = scene.stage.chain.provider().get_block_number().await.unwrap();
        let mut world = Self {
            scene,
            home,
            keeper: None,
            proxies,
            relay,
            highest,
            seen: BTreeMap::new(),
            kills: 0,
            starts: 0,
            reorganisations: 0,
        };
        world.supervise();
        world
    }

    /// Starts the keeper where none runs, as a service manager does.
    pub(crate) fn supervise(&mut self) {
        if self.keeper.as_mut().is_none_or(KeeperProcess::has_ended) {
            self.keeper = Some(self.home.start_logging(LOG, &["run"]));
            self.starts += 1;
        }
    }

    pub(crate) async fn kill(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            keeper.kill().await;
            self.kills += 1;
        }
    }

    /// The price moves, and stays for long enough that the pool's average knows of it.
    pub(crate) async fn trade(&mut self, dice: u64) {
        let price = Decimal::from(PRICE) * Decimal::from(80 + 5 * dice) / Decimal::from(100);
        for _ in 0..2 {
            if let Ok(mut market) = self.scene.stage.market().await {
                let timestamp = self.scene.now().await + 700;
                // It may fail where the chain has just lost what the market relied on.
                let _ = market.step(Tick { timestamp, price, base_fee: 20 * GWEI }).await;
            }
        }
        self.grown().await;
    }

    pub(crate) async fn mine(&mut self) {
        self.scene.mine(1).await;
        self.grown().await;
    }

    /// The next block asks for so many gwei.
    pub(crate) async fn base_fee(&mut self, gwei: u64) {
        let fee = U256::from(u128::from(gwei) * GWEI);
        self.scene.stage.chain.batch(vec![("anvil_setNextBlockBaseFeePerGas", json!([fee]))]).await.unwrap();
        self.mine().await;
    }

    async fn grown(&mut self) {
        self.highest = self.highest.max(self.head().await);
    }

    async fn head(&self) -> u64 {
        self.scene.stage.chain.provider().get_block_number().await.unwrap()
    }

    /// How deep a reorganisation may be that undoes nothing final.
    async fn reach(&self, depth: u64) -> u64 {
        (self.head().await + FINALITY).saturating_sub(self.highest).min(depth)
    }

    pub(crate) async fn reorganise(&mut self, depth: u64) {
        let depth = self.reach(depth).await;
        if depth > 0 {
            let options = ReorgOptions { depth, tx_block_pairs: Vec::new() };
            self.scene.stage.chain.provider().anvil_reorg(options).await.unwrap();
            self.reorganisations += 1;
        }
    }

    pub(crate) async fn shrink(&mut self, depth: u64) {
        let depth = self.reach(depth).await;
        if depth > 0 {
            self.scene.stage.chain.provider().anvil_rollback(Some(depth)).await.unwrap();
            self.reorganisations += 1;
        }
    }

    pub(crate) async fn lose(&mut self) {
        self.scene.stage.chain.provider().anvil_drop_all_transactions().await.unwrap();
    }

    pub(crate) async fn balance(&mut self, ether: u64) {
        let wei = U256::from(ether) * U256::from(10_u64.pow(18));
        self.scene.stage.chain.provider().anvil_set_balance(self.scene.keeper, wei).await.unwrap();
    }

    /// One of the endpoints fails in one of several ways, or the relay.
    pub(crate) fn fail(&self, which: u64, how: u64) {
        let which = usize::try_from(which).unwrap();
        let proxy = &self.proxies[which];
        match how {
            0 => proxy.rule("*", Calls::Every, Act::Drop),
            1 => proxy.rule(SEND, Calls::Every, Act::DropAfterForwarding),
            2 => proxy.rule(SEND, Calls::Every, Act::Error(-32_000, "internal error")),
            3 => proxy.rule("eth_call", Calls::Every, Act::Raw(429, "Retry-After: 1\r\n", String::new())),
            4 => proxy.rule(BLOCK, Calls::Every, Act::Replay),
            5 => proxy.rule("*", Calls::First(3), Act::Raw(502, "", "<html>".to_owned())),
            _ => match &self.relay {
                Some(relay) => relay.rule("*", Calls::Every, Act::Drop),
                None => proxy.rule(SEND, Calls::Every, Act::Hang),
            },
        }
    }

    /// The first endpoint lies.
    pub(crate) fn lie(&self, lie: Lie) {
        const MADE_UP: &str = "0x7777777777777777777777777777777777777777777777777777777777777777";
        let proxy = &self.proxies[0];
        match lie {
            Lie::WrongHash => proxy.rule(SEND, Calls::Every, Act::result(json!(MADE_UP))),
            Lie::ForgedReceipt => proxy.rule(RECEIPT, Calls::Every, Act::field("blockHash", MADE_UP)),
            Lie::NoReceipts => proxy.rule(RECEIPT, Calls::Every, Act::result(Value::Null)),
            Lie::AlreadyKnown => proxy.rule(SEND, Calls::Every, Act::Error(-32_000, "already known")),
        }
    }

    pub(crate) fn heal(&self, which: u64) {
        self.proxies[usize::try_from(which).unwrap()].obey();
        if let Some(relay) = &self.relay {
            relay.obey();
        }
    }

    /// Ends all that goes wrong, and waits until everything has come to its end.
    pub(crate) async fn come_to_rest(&mut self) {
        for which in 0..3 {
            self.heal(which);
        }
        self.balance(1_000).await;
        self.supervise();
        let began = std::time::Instant::now();
        loop {
            self.mine().await;
            self.supervise();
            let open = self.intents().await.iter().any(|entry| !entry.last_event.state.is_final());
            if !open || began.elapsed().as_secs() > 60 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        if let Some(keeper) = self.keeper.take() {
            // It may plan again at any block; what it sent by then has to end as well.
            keeper.kill().await;
        }
    }

    async fn intents(&self) -> Vec<IntentEntry> {
        if self.home.path("keeper.db").exists() { self.home.intents(&self.scene).await } else { Vec::new() }
    }

    /// I1 to I3 and I6 to I9 as far as they can be told while everything goes on.
    pub(crate) async fn assert_sound(&mut self, when: &str) {
        let head = self.head().await;
        for bytes in self.relay.iter().flat_map(Proxy::take_transactions) {
            self.seen.entry(bytes).or_default();
        }
        for bytes in self.proxies.iter().flat_map(Proxy::take_transactions) {
            self.seen.entry(bytes).or_default().get_or_insert(head);
        }
        let intents = self.intents().await;
        let signed: BTreeMap<&Bytes, _> =
            intents.iter().flat_map(|entry| entry.attempts.iter().map(|a| (&a.raw, a))).collect();
        for (bytes, public) in &self.seen {
            let attempt = signed.get(bytes).unwrap_or_else(|| panic!("{when}: not in the journal: {bytes}"));
            if let (SubmissionClass::Private { public_from }, Some(at)) = (attempt.submission, public) {
                let from = public_from.unwrap_or(u64::MAX);
                assert!(*at >= from, "{when}: public at {at}, private until {from}");
            }
            let cap = if attempt.kind == AttemptKind::Cancel { CANCEL_CAP } else { CAP };
            assert!(attempt.max_fee_per_gas <= cap, "{when}: {attempt:?}");
        }
        self.assert_ends(&intents, when).await;
    }

    /// At most one intent of a nonce took effect, and what did is on the chain in the block that the journal says.
    async fn assert_ends(&self, intents: &[IntentEntry], when: &str) {
        let mut took_effect = BTreeSet::new();
        let provider = self.scene.stage.chain.provider();
        for entry in intents.iter().filter(|entry| entry.last_event.state.took_effect()) {
            assert!(took_effect.insert(entry.record.nonce), "{when}: twice at nonce {}", entry.record.nonce);
            let hash: B256 = entry.last_event.detail["transaction"].as_str().unwrap().parse().unwrap();
            let receipt = provider.get_transaction_receipt(hash).await.unwrap();
            let receipt = receipt.unwrap_or_else(|| panic!("{when}: undone: {entry:?}"));
            assert_eq!(receipt.block_hash, entry.last_event.block_hash, "{when}: {entry:?}");
            let executed = entry.last_event.state == IntentState::Executed;
            let cancel = entry.attempts.iter().any(|a| a.hash == hash && a.kind == AttemptKind::Cancel);
            assert_eq!(receipt.status() && !cancel, executed, "{when}: {entry:?}");
        }
    }

    /// I4 and I5, and that chain, vault and journal agree.
    pub(crate) async fn assert_settled(&self, when: &str) -> Summary {
        let (intents, deeds) = (self.intents().await, self.scene.deeds().await);
        let of = |state| intents.iter().filter(|entry| entry.last_event.state == state).count();
        let open: Vec<_> = intents.iter().filter(|entry| !entry.last_event.state.is_final()).collect();
        assert!(open.is_empty(), "{when}: not final: {open:?}\n{}", self.last_words());
        let executed = of(IntentState::Executed);
        assert_eq!(
            (deeds.rebalanced, usize::try_from(deeds.vault_nonce).unwrap()),
            (executed, executed),
            "{when}"
        );
        let next = intents.iter().map(|entry| entry.record.nonce + 1).max().unwrap_or_default();
        assert_eq!((deeds.mined, deeds.sent), (next, next), "{when}: no gap, and nothing more is under way");
        assert!(executed > 0, "{when}: nothing was ever executed\n{}", self.last_words());
        assert!(!self.log().contains("this key sends no more"), "{when}: halted\n{}", self.last_words());
        let journal: Journal = self.home.journal().await;
        journal.verify().await.unwrap().unwrap();
        journal.close().await;
        let (mut states, mut attempts) = (BTreeMap::new(), BTreeMap::new());
        for entry in &intents {
            *states.entry(entry.last_event.state.name()).or_default() += 1;
            for attempt in &entry.attempts {
                *attempts.entry(attempt.kind.name()).or_default() += 1;
            }
        }
        let Self { kills, starts, reorganisations, .. } = *self;
        Summary { executed, states, attempts, kills, starts, reorganisations }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.home.path(LOG)).unwrap_or_default()
    }

    fn last_words(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { executed, states, attempts, kills, starts, reorganisations } = self;
        write!(
            f,
            "{executed} executed; intents {states:?}; signatures {attempts:?}; {kills} kills, {starts} starts, \
             {reorganisations} reorganisations; no violation"
        )
    }
}

fn configure(home: &Home, proxies: &[Proxy], relay: Option<&Proxy>) {
    let mut seats = vec![format!("{{ url_env = \"{NODE}\" }}")];
    seats.extend(proxies[1..].iter().map(|proxy| format!("{{ url = \"{}\" }}", proxy.url())));
    seats.extend(relay.map(|relay| {
        format!("{{ url = \"{}\", class = \"private\", method = \"eth_sendRawTransaction\" }}", relay.url())
    }));
    let health = "interval_ms = 50, good_looks = 1, max_lag_blocks = 1, quarantine_seconds = 1";
    let endpoints = format!("endpoints = [{}]\nhealth = {{ {health} }}", seats.join(", "));
    home.configure(&format!("endpoints = [{{ url_env = \"{NODE}\" }}]"), &endpoints);
    home.configure("finality = { depth = 1 }", &format!("finality = {{ depth = {FINALITY} }}"));
    home.configure("request_timeout_ms = 5_000", "request_timeout_ms = 500\nsend_timeout_ms = 500");
    let class = match relay {
        Some(_) => "submission = { private_then_public_blocks = 2 }",
        None => "submission = \"public\"",
    };
    home.configure("[sending]", &format!("[sending]\nbump_after_seconds = 24\n{class}"));
}
