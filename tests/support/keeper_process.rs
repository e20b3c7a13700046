//! The built `keeper` before a stage: its files, its process, and what it left on the chain and in the journal.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use alloy::primitives::{Address, U256};
use alloy::providers::Provider;
use alloy::rpc::types::Filter;
use alloy::sol_types::SolEvent;
use rust_decimal::Decimal;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use vault_keeper::config::load_policy;
use vault_keeper::domain::policy::{FloorPolicy, PublishedPolicy};
use vault_keeper::domain::units::{Ratio, to_raw};
use vault_keeper::journal::{BlockEntry, IntentEntry, Journal};
use vault_keeper::protocols::abi::RebalancingVault::{self, FloorKind, Parameters, State};
use vault_keeper::stage::account::Actor;
use vault_keeper::stage::artifacts::Artifacts;
use vault_keeper::stage::deploy::options;
use vault_keeper::stage::interfaces::IVaultOwner;
use vault_keeper::stage::path::Tick;
use vault_keeper::stage::{Stage, StagePlan};

/// Unix seconds of the market's first step.
const START: u64 = 1_700_000_000;
/// Seconds after that of the scene's first block: by then the pool knows its average price.
const SETTLED: u64 = 300;
/// Price of the risky asset at the start, USD.
pub(crate) const PRICE: i64 = 3_000;
/// Wei per gas.
const BASE_FEE: u128 = 20_000_000_000;
/// Whole tokens in the vault.
const CAPITAL: i64 = 1_000_000;
/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);
/// Environment variable that holds the key.
pub(crate) const KEY: &str = "KEEPER_PRIVATE_KEY";
/// Environment variable that holds the address of the node.
pub(crate) const NODE: &str = "NODE_URL";

/// A stage with a vault that holds its asset alone, so that its keeper wants to buy.
pub(crate) struct Scene {
    pub(crate) stage: Stage,
    pub(crate) vault: Address,
    /// The policy that the vault's owner approved, as a file.
    pub(crate) policy: String,
    /// Account of the keeper.
    pub(crate) keeper: Address,
    /// The option book, where the policy names one.
    pub(crate) book: Option<Address>,
}

/// What the keeper has done on the chain so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deeds {
    /// Transactions of its key that are mined.
    pub(crate) mined: u64,
    /// Transactions of its key that are mined or wait.
    pub(crate) sent: u64,
    /// The nonce that the vault expects next.
    pub(crate) vault_nonce: u64,
    /// `Rebalanced` events of the vault.
    pub(crate) rebalanced: usize,
}

impl Deeds {
    /// Of a keeper that never sent anything.
    pub(crate) const NONE: Self = Self { mined: 0, sent: 0, vault_nonce: 0, rebalanced: 0 };
    /// Of a keeper whose only transaction was executed.
    pub(crate) const ONE: Self = Self { mined: 1, sent: 1, vault_nonce: 1, rebalanced: 1 };
}

impl Scene {
    /// Sets the stage, which takes a second.
    pub(crate) async fn set() -> Self {
        Self::set_with(StagePlan::new(START, Decimal::from(PRICE)).depth).await
    }

    /// Sets the stage with the policy in which each text is in place of another.
    pub(crate) async fn set_changed(changes: &[(&str, &str)]) -> Self {
        let depth = StagePlan::new(START, Decimal::from(PRICE)).depth;
        let policy = changes.iter().fold(DEFAULT_POLICY.to_owned(), |text, (from, to)| with(&text, from, to));
        Self::set_for(depth, &policy).await
    }

    /// Sets the stage with a pool that so many whole units of the asset move by 1 %.
    pub(crate) async fn set_with(depth: Decimal) -> Self {
        Self::set_for(depth, DEFAULT_POLICY).await
    }

    /// Sets the stage with a vault for the policy in `text`, its floor included.
    pub(crate) async fn set_for(depth: Decimal, text: &str) -> Self {
        Self::set_on(Artifacts::new(env!("CARGO_MANIFEST_DIR")), depth, text).await
    }

    /// Sets the stage on the chain of another program than anvil, with the default policy.
    pub(crate) async fn set_on_node(program: &str) -> Self {
        let artifacts = Artifacts::new(env!("CARGO_MANIFEST_DIR")).on(program);
        Self::set_on(artifacts, StagePlan::new(START, Decimal::from(PRICE)).depth, DEFAULT_POLICY).await
    }

    async fn set_on(artifacts: Artifacts, depth: Decimal, text: &str) -> Self {
        let plan = StagePlan { history: true, depth, ..StagePlan::new(START, Decimal::from(PRICE)) };
        let stage = Stage::set(artifacts, &plan).await.unwrap();
        let mut policy = staged(&stage, text);
        let hedges = policy.contains(BOOK);
        let book = if hedges { Some(options::book(&stage).await.unwrap()) } else { None };
        if let Some(book) = book {
            policy = with(&policy, BOOK, &book.to_string());
        }
        let published = published(&policy);
        let mut plan = stage.vault_plan(published.hash());
        floor(&mut plan.parameters, published.policy().floor);
        let vault = stage.vault(&plan, Decimal::from(CAPITAL)).await.unwrap().address;
        if let Some(book) = book {
            options::name_book(&stage, vault, book).await.unwrap();
        }
        let keeper = stage.chain.address(Actor::Keeper).unwrap();
        let scene = Self { stage, vault, policy, keeper, book };
        scene.stage.market().await.unwrap().step(tick(START + SETTLED, PRICE)).await.unwrap();
        scene
    }

    /// The private key of `actor`.
    pub(crate) async fn key(&self, actor: Actor) -> String {
        self.stage.chain.account(actor).await.unwrap().private_key()
    }

    /// A step of the market `seconds` after the head to `price` USD, which the feeds report where their rules say so.
    pub(crate) async fn price(&self, price: i64, seconds: u64) {
        let mut market = self.stage.market().await.unwrap();
        market.step(self.tick(price, seconds).await).await.unwrap();
    }

    /// A step of the market at `timestamp` to `price` USD.
    pub(crate) async fn price_at(&self, price: i64, timestamp: u64) {
        self.stage.market().await.unwrap().step(tick(timestamp, price)).await.unwrap();
    }

    /// Block time of the head, unix seconds.
    pub(crate) async fn now(&self) -> u64 {
        self.stage.chain.head().await.unwrap().0
    }

    /// The vault's owner approves `policy`.
    pub(crate) async fn approve(&self, policy: &str) {
        let mut owner = self.stage.act_as(Actor::Owner).await.unwrap();
        let approve = IVaultOwner::setPolicyHashCall { policyHash: published(policy).hash() };
        owner.call(self.vault, &approve).await.unwrap();
    }

    /// The vault as its contract tells of it.
    pub(crate) async fn state(&self) -> State {
        self.stage.chain.read(self.vault, &RebalancingVault::stateCall {}).await.unwrap()
    }

    /// A tick `seconds` after the head.
    pub(crate) async fn tick(&self, price: i64, seconds: u64) -> Tick {
        tick(self.now().await + seconds, price)
    }

    /// Mines as many blocks, 12 seconds apart.
    pub(crate) async fn mine(&self, blocks: u32) {
        for _ in 0..blocks {
            self.stage.chain.mine_after(12).await.unwrap();
        }
    }

    pub(crate) async fn deeds(&self) -> Deeds {
        self.deeds_of(self.vault).await
    }

    /// The deeds for this vault; the transactions are those of the key in all.
    pub(crate) async fn deeds_of(&self, vault: Address) -> Deeds {
        let provider = self.stage.chain.provider();
        let state = self.stage.chain.read(vault, &RebalancingVault::stateCall {}).await.unwrap();
        let filter = Filter::new()
            .address(vault)
            .event_signature(RebalancingVault::Rebalanced::SIGNATURE_HASH)
            .from_block(0);
        Deeds {
            mined: provider.get_transaction_count(self.keeper).await.unwrap(),
            sent: provider.get_transaction_count(self.keeper).pending().await.unwrap(),
            vault_nonce: state.books.nextNonce,
            rebalanced: provider.get_logs(&filter).await.unwrap().len(),
        }
    }

    /// Risky units that the vault holds.
    pub(crate) async fn holding(&self) -> U256 {
        self.state().await.books.trackedRisky
    }

    /// Waits until the node holds a transaction of the keeper that is not mined.
    pub(crate) async fn until_sent(&self) {
        until("the keeper's transaction arrives", async || self.is_waiting().await).await;
    }

    async fn is_waiting(&self) -> bool {
        let provider = self.stage.chain.provider();
        let mined = provider.get_transaction_count(self.keeper).await.unwrap();
        provider.get_transaction_count(self.keeper).pending().await.unwrap() > mined
    }

    /// Remembers the chain as it is.
    pub(crate) async fn save(&self) -> Value {
        self.stage.chain.batch(vec![("evm_snapshot", serde_json::json!([]))]).await.unwrap().remove(0)
    }

    /// Takes the chain back to what [`Self::save`] remembered, which is remembered again.
    pub(crate) async fn restore(&self, saved: &mut Value) {
        for (method, parameters) in
            [("anvil_dropAllTransactions", serde_json::json!([])), ("evm_revert", serde_json::json!([saved]))]
        {
            self.stage.chain.batch(vec![(method, parameters)]).await.unwrap();
        }
        *saved = self.save().await;
    }
}

/// The option book of the example policies.
const BOOK: &str = "0x00000000000000000000000000000000000B00c5";
/// The default policy.
const DEFAULT_POLICY: &str = include_str!("../../examples/policies/cppi.toml");

/// The floor that a policy states, as a vault is deployed with it.
fn floor(parameters: &mut Parameters, floor: FloorPolicy) {
    let bps = |share: Ratio| u16::try_from((share.get() * Decimal::from(10_000)).trunc().mantissa()).unwrap();
    let (share, kind) = match floor {
        FloorPolicy::Fixed { share } => (share, FloorKind::Fixed),
        FloorPolicy::Accruing { share, rate } => {
            parameters.amounts.accrualRate = u64::try_from(to_raw(rate.get(), 18).unwrap()).unwrap();
            (share, FloorKind::Accruing)
        }
        FloorPolicy::Ratchet { share, peak_share } => {
            parameters.shares.ratchetShareBps = bps(peak_share);
            (share, FloorKind::Ratchet)
        }
    };
    parameters.shares.initialFloorBps = bps(share);
    parameters.floorKind = kind;
}

/// The policy in `text` on this stage.
fn staged(stage: &Stage, text: &str) -> String {
    let mut text = text.to_owned();
    for (from, to) in [
        ("chain_id = 1 ", format!("chain_id = {} ", stage.chain.chain_id())),
        ("0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419", stage.venue.risky_usd.proxy.to_string()),
        ("0x8fFfFfd4AfB6115b954Bd326cbe7B4BA576818f6", stage.venue.stable_usd.proxy.to_string()),
        ("0x88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640", stage.venue.pool.address.to_string()),
    ] {
        text = with(&text, from, &to);
    }
    text
}

/// `text` with `to` in place of `from`, which must be there once.
pub(crate) fn with(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "`{from}` must be in the text once");
    text.replacen(from, to, 1)
}

/// `policy` with every section of `sections` in place of its own.
pub(crate) fn with_sections(policy: &str, sections: &str) -> String {
    let mut document: toml::Table = toml::from_str(policy).unwrap();
    document.extend(toml::from_str::<toml::Table>(sections).unwrap());
    toml::to_string(&document).unwrap()
}

/// A number as decisions print it.
pub(crate) fn number(value: &Value) -> f64 {
    let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
    number.unwrap_or_else(|| panic!("{value} is no number"))
}

/// The policy in the text of a file.
pub(crate) fn published(text: &str) -> PublishedPolicy {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("policy.toml");
    std::fs::write(&file, text).unwrap();
    load_policy(&file).unwrap()
}

fn tick(timestamp: u64, price: i64) -> Tick {
    Tick { timestamp, price: Decimal::from(price), base_fee: BASE_FEE }
}

/// Waits until `holds`, and fails where it takes too long.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "waited too long until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The files and the environment of one keeper.
pub(crate) struct Home {
    directory: TempDir,
    environment: Vec<(String, String)>,
}

impl Home {
    /// A keeper of the scene's vault, with the key that may, before the node at `url`.
    pub(crate) async fn new(scene: &Scene, url: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let key = scene.key(Actor::Keeper).await;
        let environment = vec![(KEY.to_owned(), key), (NODE.to_owned(), url.to_owned())];
        let home = Self { directory, environment };
        home.write("keeper.toml", &configuration(scene));
        home.write("cppi.toml", &scene.policy);
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// The vault's owner approves `policy`, and the keeper holds it alone.
    pub(crate) async fn adopt(&self, scene: &Scene, policy: &str) {
        self.write("cppi.toml", policy);
        scene.approve(policy).await;
    }

    /// Changes `keeper.toml` in one place.
    pub(crate) fn configure(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path("keeper.toml")).unwrap();
        self.write("keeper.toml", &with(&text, from, to));
    }

    /// Sets an environment variable in place of what it was.
    pub(crate) fn set(&mut self, variable: &str, value: &str) {
        self.unset(variable);
        self.environment.push((variable.to_owned(), value.to_owned()));
    }

    pub(crate) fn unset(&mut self, variable: &str) {
        self.environment.retain(|(name, _)| name != variable);
    }

    /// Starts the keeper with these arguments.
    pub(crate) fn start(&self, arguments: &[&str]) -> KeeperProcess {
        self.start_as(Command::new(env!("CARGO_BIN_EXE_keeper")), arguments)
    }

    /// Starts the keeper as a shell that can write no file beyond `blocks` of 512 bytes.
    pub(crate) fn start_with_little_room(&self, blocks: u64, arguments: &[&str]) -> KeeperProcess {
        let mut shell = Command::new("sh");
        // Without the trap the system would end the process before it learns of the failed write.
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_keeper")]);
        self.start_as(shell, arguments)
    }

    /// Starts the keeper with these arguments; what it says is added to the file `log`.
    pub(crate) fn start_logging(&self, log: &str, arguments: &[&str]) -> KeeperProcess {
        let open = || std::fs::OpenOptions::new().create(true).append(true).open(self.path(log)).unwrap();
        let mut command = self.command(Command::new(env!("CARGO_BIN_EXE_keeper")), arguments);
        KeeperProcess(command.stdout(Stdio::null()).stderr(open()).spawn().unwrap())
    }

    fn start_as(&self, command: Command, arguments: &[&str]) -> KeeperProcess {
        let mut command = self.command(command, arguments);
        KeeperProcess(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn command(&self, mut command: Command, arguments: &[&str]) -> Command {
        #[expect(clippy::disallowed_methods, reason = "the switch is no configuration")]
        let off = std::env::var("KEEPER_DEFENCE_OFF");
        command
            .args(arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            // A defence that is off is off there too.
            .envs(off.map(|off| ("KEEPER_DEFENCE_OFF", off)))
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Runs one cycle to its end; nothing is mined meanwhile.
    pub(crate) async fn once(&self) -> Ended {
        self.start(&ONCE).end().await
    }

    /// Runs one cycle to its end, and mines its transaction until that is final, if there is one.
    pub(crate) async fn once_mined(&self, scene: &Scene) -> Ended {
        self.end_mined(self.start(&ONCE), scene).await
    }

    /// Waits for the end of a keeper, and mines every transaction of it until that is final.
    pub(crate) async fn end_mined(&self, mut keeper: KeeperProcess, scene: &Scene) -> Ended {
        until("the keeper ends", async || {
            if scene.is_waiting().await {
                scene.mine(2).await;
            }
            keeper.has_ended()
        })
        .await;
        keeper.end().await
    }

    pub(crate) async fn journal(&self) -> Journal {
        Journal::open_read_only(&self.path("keeper.db")).await.unwrap()
    }

    /// Every head that was recorded, by height, those of one height in the order of their writing.
    pub(crate) async fn blocks(&self, scene: &Scene) -> Vec<BlockEntry> {
        if !self.path("keeper.db").exists() {
            return Vec::new();
        }
        let journal = self.journal().await;
        let chain = scene.stage.chain.chain_id();
        let (mut blocks, mut page) = (Vec::new(), journal.blocks(chain, 0..=u64::MAX, None).await.unwrap());
        while let Some(last) = page.last() {
            let next = journal.blocks(chain, 0..=u64::MAX, Some(last.place())).await.unwrap();
            blocks.extend(std::mem::replace(&mut page, next));
        }
        journal.close().await;
        blocks
    }

    /// Verdict and reason of every full record, oldest first.
    pub(crate) async fn cycles(&self, scene: &Scene) -> Vec<(String, String)> {
        if !self.path("keeper.db").exists() {
            return Vec::new();
        }
        let journal = self.journal().await;
        let mut cycles = journal.recent_cycles(scene.vault, 1_000).await.unwrap();
        journal.close().await;
        cycles.reverse();
        cycles.into_iter().map(|c| (c.record.verdict, c.record.reason.unwrap_or_default())).collect()
    }

    /// All intents, oldest first.
    pub(crate) async fn intents(&self, scene: &Scene) -> Vec<IntentEntry> {
        let journal = self.journal().await;
        let mut intents = journal.intents(scene.vault, 1_000).await.unwrap();
        journal.close().await;
        intents.reverse();
        intents
    }
}

/// One cycle, as JSON.
pub(crate) const ONCE: [&str; 3] = ["run", "--once", "--json"];

fn configuration(scene: &Scene) -> String {
    let (chain_id, vault) = (scene.stage.chain.chain_id(), scene.vault);
    format!(
        r#"[journal]
path = "keeper.db"

[[chain]]
name = "stage"
id = {chain_id}
kind = "ethereum"
finality = {{ depth = 1 }}
poll_interval_ms = 10
request_timeout_ms = 5_000
endpoints = [{{ url_env = "{NODE}" }}]

[[signer]]
name = "hot"
key_env = "{KEY}"

[sending]
max_fee_per_gas_wei = 500_000_000_000
max_priority_fee_wei = 5_000_000_000
min_priority_fee_wei = 10_000_000
max_transaction_cost_wei = 1_000_000_000_000_000_000
max_daily_cost_wei = 5_000_000_000_000_000_000

[[vault]]
name = "main"
chain = "stage"
address = "{vault}"
signer = "hot"
policies = ["cppi.toml"]
"#
    )
}

/// A running keeper; killed when dropped.
pub(crate) struct KeeperProcess(Child);

/// How a keeper ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Exit code; absent where a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl KeeperProcess {
    /// Number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.0.id().unwrap()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }

    /// Waits for its end, and fails where it takes too long.
    pub(crate) async fn end(self) -> Ended {
        let output = tokio::time::timeout(PATIENCE, self.0.wait_with_output()).await;
        let output = output.expect("the keeper does not end").unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        assert!(!output.stderr.contains(&b'\x1b'), "colours where there is no terminal");
        Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Ends it with SIGKILL, which it cannot notice.
    pub(crate) async fn kill(mut self) {
        self.0.kill().await.unwrap();
    }

    /// Asks it to end, as service managers do.
    pub(crate) async fn terminate(self) -> Ended {
        let sent = std::process::Command::new("kill").arg(self.id().to_string()).status().unwrap();
        assert!(sent.success());
        self.end().await
    }
}

impl Ended {
    /// What it printed.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Its last words.
    pub(crate) fn message(&self) -> &str {
        self.stderr.lines().last().unwrap_or_default()
    }
}

/// Whether `path` holds `text` anywhere.
pub(crate) fn holds(path: &Path, text: &str) -> bool {
    std::fs::read(path).unwrap().windows(text.len()).any(|window| window == text.as_bytes())
}
