//! One intent on a real node: mined once whatever happens to it on the way.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails where it stands"
)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use alloy::network::TransactionBuilder;
use alloy::node_bindings::{Anvil, AnvilInstance};
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::providers::ext::AnvilApi;
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::types::TransactionRequest;
use alloy::rpc::types::anvil::ReorgOptions;
use alloy::signers::local::PrivateKeySigner;
use axum::Router;
use axum::routing::post;
use serde_json::{Value, json};
use tempfile::TempDir;
use vault_keeper::chain::pool::health::Rules;
use vault_keeper::chain::pool::{Pool, PoolConfig, Seat};
use vault_keeper::chain::{At, ChainError, Endpoint, Header, SecretUrl, Timeouts, next_head};
use vault_keeper::domain::policy::ChainKind;
use vault_keeper::execution::{
    ClassPolicy, Engine, ExecutionError, FeeCap, FeeCaps, Finality, Halt, Inclusion, KeeperKey, Outcome,
    ParkReason, Patience, Preflight, Refusal, Rejection, SendingConfig, Simulation, Submission, preflight,
};
use vault_keeper::journal::{CycleRecord, IntentId, IntentState, Journal, Urgency};

const CHAIN_ID: u64 = 31_337;
/// Adds one to its storage slot 0: `PUSH0 SLOAD PUSH1 1 ADD PUSH0 SSTORE STOP`.
const COUNTER_CODE: [u8; 8] = [0x5f, 0x54, 0x60, 0x01, 0x01, 0x5f, 0x55, 0x00];
/// Reverts with the four bytes `deadbeef`.
const REVERTING_CODE: [u8; 12] = [0x63, 0xde, 0xad, 0xbe, 0xef, 0x5f, 0x52, 0x60, 0x04, 0x60, 0x1c, 0xfd];
const COUNTER: Address = Address::repeat_byte(0xc0);
/// First account of anvil's mnemonic.
const SECRET: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const ETHER: u64 = 1_000_000_000_000_000_000;

/// A local chain that mines when told to, with the counter on it.
struct Chain {
    provider: DynProvider,
    url: String,
    dir: TempDir,
    _anvil: AnvilInstance,
}

impl Chain {
    async fn start() -> Self {
        Self::start_with(&["--no-mining", "--order", "fifo"]).await
    }

    async fn start_with(arguments: &[&str]) -> Self {
        let anvil = Anvil::at(anvil_path()).args(arguments).spawn();
        let provider = ProviderBuilder::new().connect_http(anvil.endpoint_url()).erased();
        provider.anvil_set_code(COUNTER, COUNTER_CODE.into()).await.unwrap();
        provider.anvil_mine(Some(2), None).await.unwrap();
        Self { provider, url: anvil.endpoint(), dir: TempDir::new().unwrap(), _anvil: anvil }
    }

    async fn mine(&self, blocks: u64) {
        for _ in 0..blocks {
            self.provider.evm_mine(None).await.unwrap();
        }
    }

    async fn count(&self) -> U256 {
        self.provider.get_storage_at(COUNTER, U256::ZERO).await.unwrap()
    }

    async fn journal(&self, name: &str) -> Arc<Journal> {
        Arc::new(Journal::open(&self.dir.path().join(name)).await.unwrap())
    }

    async fn keeper(&self, name: &str) -> Keeper {
        Keeper::new(&self.url, self.journal(name).await, config()).await
    }

    /// Someone else's use of the key.
    async fn foreign_transaction(&self, nonce: u64) -> B256 {
        let request = TransactionRequest::default()
            .with_from(key().address())
            .with_to(Address::repeat_byte(9))
            .with_value(U256::from(1))
            .with_nonce(nonce);
        *self.provider.send_transaction(request).await.unwrap().tx_hash()
    }
}

fn anvil_path() -> PathBuf {
    let installed =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil");
    if installed.exists() { installed } else { PathBuf::from("anvil") }
}

fn key() -> KeeperKey {
    KeeperKey::from(SECRET.parse::<PrivateKeySigner>().unwrap())
}

fn config() -> SendingConfig {
    SendingConfig {
        fees: FeeCaps {
            max_fee_per_gas: 100_000_000_000,
            min_tip: 1_000_000_000,
            max_tip: 2_000_000_000,
            max_per_transaction: U256::from(ETHER),
            max_per_day: U256::from(ETHER),
            max_cancel_fee_per_gas: 10_000_000_000_000,
        },
        gas_margin_bps: 2_000,
        max_gas_limit: 1_000_000,
        data_fee_margin_bps: 2_500,
        finality: Finality::Depth(2),
        patience: Patience::default(),
        class: ClassPolicy::Public,
        runway: 0,
        poll_interval: Duration::ZERO,
        max_polls: 3,
    }
}

fn pool_config() -> PoolConfig {
    let (connect, request) = (Duration::from_secs(5), Duration::from_secs(5));
    PoolConfig {
        chain_id: CHAIN_ID,
        kind: ChainKind::Ethereum,
        timeouts: Timeouts { connect, request },
        send: request,
        rules: Rules { quarantine: Duration::from_millis(20), ..Rules::default() },
    }
}

/// An engine with the parts that a test looks at.
struct Keeper {
    engine: Arc<Engine>,
    pool: Arc<Pool>,
    journal: Arc<Journal>,
    endpoint: Arc<Endpoint>,
    config: SendingConfig,
}

impl Keeper {
    async fn new(url: &str, journal: Arc<Journal>, config: SendingConfig) -> Self {
        let seat = Seat { name: "local".into(), url: SecretUrl::parse(url).unwrap(), socket: None };
        let pool = Arc::new(Pool::open(pool_config(), vec![seat], Vec::new()).await.unwrap());
        let endpoint = pool.reader().unwrap().endpoint().clone();
        let engine = Arc::new(Engine::new(pool.clone(), journal.clone(), key(), config.clone()));
        Self { engine, pool, journal, endpoint, config }
    }

    /// Waits for the end of a quarantine.
    async fn forgiven(&self) {
        while self.pool.reader().is_err() {
            self.pool.look().await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn head(&self) -> Header {
        self.endpoint.latest_header().await.unwrap()
    }

    async fn preflight(&self, head: &Header) -> Result<Preflight, Refusal> {
        let simulation = Simulation {
            from: key().address(),
            to: COUNTER,
            calldata: Bytes::from(vec![1, 2, 3, 4]),
            at: At::Hash(head.hash),
            block_gas_limit: head.gas_limit,
            decode: |data| (data == [0xde, 0xad, 0xbe, 0xef]).then(|| "Beef()".to_owned()),
        };
        preflight(&self.endpoint, &simulation, &self.config).await.unwrap()
    }

    async fn submission(&self) -> (Submission, Header) {
        let head = self.head().await;
        let preflight = self.preflight(&head).await.unwrap();
        let submission = Submission {
            cycle: cycle(&head),
            preflight,
            vault_nonce: U256::from(1),
            deadline: head.timestamp + 600,
            planned_json: "{}".to_owned(),
        };
        (submission, head)
    }

    async fn submit(&self) -> Result<Outcome, ExecutionError> {
        let (submission, head) = self.submission().await;
        self.engine.submit(&submission, &head).await
    }

    /// Submits and asserts that it is live.
    async fn submitted(&self) -> IntentId {
        let outcome = self.submit().await.unwrap();
        let Outcome::Pending { intent, state: IntentState::Live } = outcome else {
            panic!("not live: {outcome:?}")
        };
        intent
    }

    async fn resolve(&self) -> Outcome {
        one(self.engine.resolve().await.unwrap())
    }

    async fn recover(&self) -> Outcome {
        one(self.engine.recover().await.unwrap())
    }

    async fn states(&self, intent: IntentId) -> Vec<IntentState> {
        self.journal.events(intent).await.unwrap().into_iter().map(|event| event.state).collect()
    }

    async fn hash(&self, intent: IntentId) -> B256 {
        self.journal.intent(intent).await.unwrap().unwrap().attempts[0].hash
    }

    async fn used_no_nonce(&self) -> bool {
        self.journal.next_nonce(CHAIN_ID, key().address()).await.unwrap().is_none()
    }
}

fn one(mut outcomes: Vec<(IntentId, Outcome)>) -> Outcome {
    assert_eq!(outcomes.len(), 1, "{outcomes:?}");
    outcomes.pop().unwrap().1
}

fn executed(outcome: Outcome) -> Inclusion {
    let Outcome::Executed(inclusion) = outcome else { panic!("not executed: {outcome:?}") };
    inclusion
}

fn is_pending(outcome: &Outcome, expected: IntentState) -> bool {
    matches!(outcome, Outcome::Pending { state, .. } if *state == expected)
}

async fn connect(url: &str, chain_id: u64) -> Result<Endpoint, ChainError> {
    let timeouts = Timeouts { connect: Duration::from_secs(5), request: Duration::from_secs(5) };
    Endpoint::connect("local", SecretUrl::parse(url).unwrap(), chain_id, timeouts).await
}

fn cycle(head: &Header) -> CycleRecord {
    CycleRecord {
        chain_id: CHAIN_ID,
        vault: COUNTER,
        block_number: head.number,
        block_hash: head.hash,
        block_timestamp: head.timestamp,
        policy_hash: B256::repeat_byte(1),
        snapshot_hash: B256::repeat_byte(2),
        decision_hash: B256::repeat_byte(3),
        verdict: "rebalance".to_owned(),
        reason: None,
        decision_json: "{}".to_owned(),
        snapshot_json: None,
        dispatch: None,
        urgency: Urgency::Routine,
    }
}

#[tokio::test]
async fn a_call_is_durable_live_included_and_final_in_turn() {
    use IntentState::{Executed, Included, Live, Prepared};
    let chain = Chain::start().await;
    let keeper = chain.keeper("a.db").await;
    let intent = keeper.submitted().await;
    chain.mine(1).await;
    assert!(is_pending(&keeper.resolve().await, Included));
    chain.mine(1).await;
    assert!(is_pending(&keeper.resolve().await, Included), "one block on top is not yet final");
    chain.mine(1).await;
    let inclusion = executed(keeper.resolve().await);

    assert_eq!(chain.count().await, U256::from(1));
    assert_eq!(inclusion.transaction_hash, keeper.hash(intent).await);
    let receipt = chain.provider.get_transaction_receipt(inclusion.transaction_hash).await.unwrap().unwrap();
    assert_eq!((inclusion.gas_used, inclusion.block_hash), (receipt.gas_used, receipt.block_hash.unwrap()));
    let fee = U256::from(u128::from(receipt.gas_used) * receipt.effective_gas_price);
    assert_eq!(inclusion.fee, fee);
    assert_eq!(keeper.journal.committed_fees(CHAIN_ID, key().address(), 0, None).await.unwrap(), fee);
    assert_eq!(keeper.states(intent).await, [Prepared, Live, Included, Executed]);
    assert_eq!(keeper.engine.resolve().await.unwrap(), vec![], "nothing is open any more");

    keeper.submitted().await;
    let open = keeper.journal.open_intents(CHAIN_ID, key().address()).await.unwrap();
    assert_eq!(open[0].record.nonce, 1, "the next intent has the next nonce");
}

#[tokio::test]
async fn conclude_waits_for_the_outcome_on_any_task() {
    let chain = Chain::start_with(&[]).await;
    let config = SendingConfig { finality: Finality::Depth(0), max_polls: 10_000, ..config() };
    let keeper = Keeper::new(&chain.url, chain.journal("a.db").await, config).await;
    let (submission, head) = keeper.submission().await;
    let engine = keeper.engine.clone();
    let outcome = tokio::spawn(async move {
        let submitted = engine.submit(&submission, &head).await.unwrap();
        engine.conclude(submitted).await
    })
    .await
    .unwrap();
    assert_eq!(executed(outcome.unwrap()).block_number, 3);
    assert_eq!(chain.count().await, U256::from(1));
}

#[tokio::test]
async fn an_intent_that_is_not_mined_in_time_stays_under_way_and_its_vault_waits() {
    let chain = Chain::start().await;
    let keeper = chain.keeper("a.db").await;
    let submitted = keeper.submit().await.unwrap();
    let outcome = keeper.engine.conclude(submitted).await.unwrap();
    let Outcome::Parked { intent, reason: ParkReason::NotMined { polls: 3 } } = outcome else {
        panic!("not parked: {outcome:?}")
    };
    let refused = keeper.submit().await.unwrap();
    let open = Refusal::IntentOpen { intent, state: IntentState::Live };
    assert_eq!(refused, Outcome::Refused(open));
    chain.mine(3).await;
    executed(keeper.resolve().await);
    assert_eq!(chain.count().await, U256::from(1));
}

#[tokio::test]
async fn looking_again_sends_the_same_bytes_and_records_nothing_twice() {
    let chain = Chain::start().await;
    let keeper = chain.keeper("a.db").await;
    let intent = keeper.submitted().await;
    for _ in 0..3 {
        assert!(is_pending(&keeper.resolve().await, IntentState::Live));
    }
    assert_eq!(keeper.states(intent).await, [IntentState::Prepared, IntentState::Live]);
    let pending = chain.provider.get_transaction_count(key().address()).pending().await.unwrap();
    assert_eq!(pending, 1, "one transaction in the pool");
}

#[tokio::test]
async fn a_dropped_transaction_is_sent_again_and_included_once() {
    let chain = Chain::start().await;
    let keeper = chain.keeper("a.db").await;
    let hash = keeper.hash(keeper.submitted().await).await;
    chain.provider.anvil_drop_transaction(hash).await.unwrap();
    chain.mine(1).await;
    assert_eq!(chain.count().await, U256::ZERO);
    assert!(is_pending(&keeper.resolve().await, IntentState::Live));
    chain.mine(3).await;
    assert_eq!(executed(keeper.resolve().await).transaction_hash, hash);
    assert_eq!(chain.count().await, U256::from(1));
}

#[tokio::test]
async fn a_reorg_takes_an_inclusion_back_and_the_same_bytes_are_included_again() {
    use IntentState::{Executed, Included, Live, Prepared};
    let chain = Chain::start().await;
    let keeper = chain.keeper("a.db").await;
    let intent = keeper.submitted().await;
    chain.mine(1).await;
    assert!(is_pending(&keeper.resolve().await, Included));
    let before = keeper.head().await;
    chain.provider.anvil_reorg(ReorgOptions { depth: 1, tx_block_pairs: vec![] }).await.unwrap();
    let replaced = next_head(&keeper.endpoint, Some(&before), Duration::ZERO).await.unwrap();
    assert_eq!((replaced.header.number, replaced.replaced_previous), (before.number, true));
    assert_eq!(chain.count().await, U256::ZERO);

    assert!(is_pending(&keeper.resolve().await, Live));
    chain.mine(1).await;
    assert!(is_pending(&keeper.resolve().await, Included));
    chain.mine(2).await;
    let inclusion = executed(keeper.resolve().await);
    assert_eq!(inclusion.block_number, before.number + 1);
    assert_eq!(keeper.states(intent).await, [Prepared, Live, Included, Live, Live, Included, Executed]);
    assert_eq!(chain.count().await, U256::from(1));
}

/// What a crash between the durable write and the broadcast leaves behind: a journal with a prepared intent.
async fn journal_after_a_crash(chain: &Chain, keeper: &Keeper, intent: IntentId) -> Keeper {
    let entry = keeper.journal.intent(intent).await.unwrap().unwrap();
    let journal = chain.journal("crashed.db").await;
    let head = keeper.head().await;
    journal.record_prepared(&cycle(&head), &entry.record, &entry.attempts[0]).await.unwrap();
    Arc::into_inner(journal).unwrap().close().await;
    chain.keeper("crashed.db").await
}

#[tokio::test]
async fn a_crash_before_the_broadcast_ends_in_one_execution_of_the_stored_bytes() {
    let chain = Chain::start().await;
    let first = chain.keeper("a.db").await;
    let intent = first.submitted().await;
    let hash = first.hash(intent).await;
    chain.provider.anvil_drop_transaction(hash).await.unwrap();
    let restarted = journal_after_a_crash(&chain, &first, intent).await;

    let refused = restarted.submit().await.unwrap();
    assert!(matches!(refused, Outcome::Refused(Refusal::IntentOpen { state: IntentState::Prepared, .. })));
    assert!(is_pending(&restarted.recover().await, IntentState::Live));
    chain.mine(3).await;
    assert_eq!(executed(restarted.resolve().await).transaction_hash, hash);
    assert_eq!(chain.count().await, U256::from(1));
}

#[tokio::test]
async fn a_crash_after_the_broadcast_finds_the_own_transaction_behind_nonce_too_low() {
    let chain = Chain::start().await;
    let first = chain.keeper("a.db").await;
    let intent = first.submitted().await;
    let restarted = journal_after_a_crash(&chain, &first, intent).await;
    chain.mine(1).await;
    assert!(is_pending(&restarted.recover().await, IntentState::Included));
    chain.mine(2).await;
    assert_eq!(executed(restarted.recover().await).transaction_hash, first.hash(intent).await);
    assert_eq!(chain.count().await, U256::from(1));
}

#[tokio::test]
async fn a_nonce_consumed_by_someone_else_halts_after_two_deep_observations() {
    let chain = Chain::start().await;
    let keeper = chain.keeper("a.db").await;
    let intent = keeper.submitted().await;
    chain.provider.anvil_drop_transaction(keeper.hash(intent).await).await.unwrap();
    chain.foreign_transaction(0).await;
    chain.mine(1).await;
    for _ in 0..2 {
        assert!(is_pending(&keeper.resolve().await, IntentState::Live), "not deep: no verdict");
    }
    chain.mine(2).await;
    for _ in 0..2 {
        assert!(is_pending(&keeper.resolve().await, IntentState::Live), "one head: no verdict");
    }
    chain.mine(1).await;
    let halt = Halt::ForeignNonce { sender: key().address(), nonce: 0, intent };
    let halted = |error| matches!(error, ExecutionError::Halted(found) if found == halt);
    assert!(halted(keeper.engine.resolve().await.unwrap_err()));

    assert!(halted(keeper.submit().await.unwrap_err()), "nothing more is signed");
    assert!(halted(keeper.engine.recover().await.unwrap_err()), "nor after a restart");
    assert_eq!(*keeper.states(intent).await.last().unwrap(), IntentState::Foreign);
    assert_eq!(chain.count().await, U256::ZERO);
}

#[tokio::test]
async fn a_chain_ahead_of_the_journal_halts_before_a_signature() {
    let chain = Chain::start().await;
    let keeper = chain.keeper("a.db").await;
    keeper.submitted().await;
    chain.mine(3).await;
    executed(keeper.resolve().await);
    chain.foreign_transaction(1).await;
    chain.mine(1).await;
    let error = keeper.submit().await.unwrap_err();
    let ahead = Halt::ChainAhead { sender: key().address(), journal: 1, chain: 2 };
    assert!(matches!(&error, ExecutionError::Halted(halt) if *halt == ahead), "{error}");
    assert_eq!(keeper.journal.next_nonce(CHAIN_ID, key().address()).await.unwrap(), Some(1));
}

#[tokio::test]
async fn a_lost_journal_with_a_live_transaction_halts_before_a_signature() {
    let chain = Chain::start().await;
    chain.keeper("lost.db").await.submitted().await;
    let keeper = chain.keeper("empty.db").await;
    let error = keeper.submit().await.unwrap_err();
    let ahead = Halt::PoolAhead { sender: key().address(), expected: 0, pending: 1 };
    assert!(matches!(&error, ExecutionError::Halted(halt) if *halt == ahead), "{error}");
    assert!(keeper.used_no_nonce().await);
}

#[tokio::test]
async fn another_chain_is_refused_before_a_signature() {
    let chain = Chain::start().await;
    let wrong = connect(&chain.url, 1).await.unwrap_err();
    assert!(matches!(wrong, ChainError::WrongChainId { expected: 1, actual: CHAIN_ID, .. }), "{wrong}");

    let keeper = chain.keeper("a.db").await;
    let (submission, head) = keeper.submission().await;
    chain.provider.anvil_set_chain_id(5).await.unwrap();
    let error = keeper.engine.submit(&submission, &head).await.unwrap_err();
    assert!(matches!(&error, ExecutionError::Chain(ChainError::WrongChainId { actual: 5, .. })), "{error}");
    assert!(keeper.used_no_nonce().await);
}

#[tokio::test]
async fn an_empty_account_holds_the_same_nonce_until_it_is_refilled() {
    let chain = Chain::start().await;
    let keeper = chain.keeper("a.db").await;
    let intent = keeper.submitted().await;
    chain.provider.anvil_drop_transaction(keeper.hash(intent).await).await.unwrap();
    chain.provider.anvil_set_balance(key().address(), U256::ZERO).await.unwrap();
    let reason = ParkReason::Rejected(Rejection::InsufficientFunds);
    for _ in 0..2 {
        assert_eq!(keeper.resolve().await, Outcome::Parked { intent, reason: reason.clone() });
    }
    chain.provider.anvil_set_balance(key().address(), U256::from(ETHER)).await.unwrap();
    assert!(is_pending(&keeper.resolve().await, IntentState::Live));
    chain.mine(3).await;
    executed(keeper.resolve().await);
    assert_eq!(chain.count().await, U256::from(1));
}

#[tokio::test]
async fn an_account_that_cannot_pay_signs_nothing() {
    let chain = Chain::start().await;
    let keeper = chain.keeper("a.db").await;
    chain.provider.anvil_set_balance(key().address(), U256::from(1)).await.unwrap();
    chain.mine(1).await;
    let refused = keeper.submit().await.unwrap();
    assert!(
        matches!(&refused, Outcome::Refused(Refusal::InsufficientFunds { balance, .. }) if *balance == U256::from(1)),
        "{refused:?}"
    );
    assert!(keeper.used_no_nonce().await);
}

#[tokio::test]
async fn a_mined_revert_is_final_only_at_depth_and_its_fee_counts() {
    let chain = Chain::start().await;
    let keeper = chain.keeper("a.db").await;
    let intent = keeper.submitted().await;
    chain.provider.anvil_set_code(COUNTER, REVERTING_CODE.into()).await.unwrap();
    chain.mine(1).await;
    assert!(is_pending(&keeper.resolve().await, IntentState::Included));
    chain.mine(2).await;
    let Outcome::Reverted(inclusion) = keeper.resolve().await else { panic!("not reverted") };
    assert!(inclusion.fee > U256::ZERO);
    let last = keeper.journal.intent(intent).await.unwrap().unwrap().last_event;
    assert_eq!((last.state, last.fee), (IntentState::Reverted, Some(inclusion.fee)));
}

#[tokio::test]
async fn a_call_that_reverts_is_refused_with_the_contracts_words() {
    let chain = Chain::start().await;
    let keeper = chain.keeper("a.db").await;
    let ready = keeper.preflight(&keeper.head().await).await.unwrap();
    let estimate = chain
        .provider
        .estimate_gas(
            TransactionRequest::default()
                .with_from(key().address())
                .with_to(COUNTER)
                .with_input(Bytes::from(vec![1, 2, 3, 4])),
        )
        .await
        .unwrap();
    assert_eq!(ready.gas_limit(), (estimate * 12).div_ceil(10));

    chain.provider.anvil_set_code(COUNTER, REVERTING_CODE.into()).await.unwrap();
    chain.mine(1).await;
    let refused = keeper.preflight(&keeper.head().await).await.unwrap_err();
    let data = Bytes::from(vec![0xde, 0xad, 0xbe, 0xef]);
    assert_eq!(refused, Refusal::SimulationReverted { data, reason: Some("Beef()".to_owned()) });
}

#[tokio::test]
async fn a_call_that_names_the_newest_block_hash_is_simulated_in_the_next_block() {
    /// Reverts unless `blockhash` of its argument is known.
    const CODE: [u8; 11] = [0x5f, 0x35, 0x40, 0x60, 0x09, 0x57, 0x5f, 0x5f, 0xfd, 0x5b, 0x00];
    let chain = Chain::start().await;
    let keeper = chain.keeper("a.db").await;
    chain.provider.anvil_set_code(COUNTER, CODE.into()).await.unwrap();
    chain.mine(1).await;
    let head = keeper.head().await;
    let simulate = async |at| {
        let simulation = Simulation {
            from: key().address(),
            to: COUNTER,
            calldata: U256::from(head.number).to_be_bytes::<32>().into(),
            at,
            block_gas_limit: head.gas_limit,
            decode: |_| None,
        };
        preflight(&keeper.endpoint, &simulation, &keeper.config).await.unwrap()
    };
    assert!(simulate(At::Pending).await.is_ok());
    let at_the_head = simulate(At::Hash(head.hash)).await;
    assert_eq!(at_the_head.unwrap_err(), Refusal::SimulationReverted { data: Bytes::new(), reason: None });
}

#[tokio::test]
async fn what_does_not_fit_is_refused_by_name_and_leaves_no_trace() {
    let chain = Chain::start().await;
    let keeper = chain.keeper("a.db").await;
    let (submission, head) = keeper.submission().await;
    let submit = async |keeper: &Keeper, submission: &Submission, head: &Header| {
        let outcome = keeper.engine.submit(submission, head).await.unwrap();
        let Outcome::Refused(refusal) = outcome else { panic!("not refused: {outcome:?}") };
        refusal
    };

    let late = Submission { deadline: head.timestamp, ..submission.clone() };
    let refusal = submit(&keeper, &late, &head).await;
    assert_eq!(refusal, Refusal::DeadlinePassed { deadline: head.timestamp, chain_time: head.timestamp });

    let gone = Header { hash: B256::repeat_byte(1), ..head.clone() };
    assert_eq!(submit(&keeper, &submission, &gone).await, Refusal::HeadReplaced);

    let journal = keeper.journal.clone();
    for (caps, cap) in [
        (FeeCaps { max_fee_per_gas: 1_000_000_000, ..config().fees }, FeeCap::Gas),
        (FeeCaps { max_per_transaction: U256::from(1), ..config().fees }, FeeCap::Transaction),
        (FeeCaps { max_per_day: U256::from(1), ..config().fees }, FeeCap::Day),
    ] {
        let config = SendingConfig { fees: caps, ..config() };
        let capped = Keeper::new(&chain.url, journal.clone(), config).await;
        let refusal = submit(&capped, &submission, &head).await;
        assert!(matches!(&refusal, Refusal::FeeOverCap { cap: found, .. } if *found == cap), "{refusal}");
    }
    assert!(keeper.used_no_nonce().await);
}

/// What a proxy before the node does to its answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Nothing.
    None,
    /// Forwards a transaction and loses the answer.
    LoseSendAnswer,
    /// Answers another hash than that of the transaction.
    WrongHash,
    /// Knows no receipts.
    NoReceipts,
    /// Tells receipts of a block that is not on the chain.
    ForgedReceipts,
}

/// A keeper whose node answers through a proxy with a fault that the test switches.
async fn keeper_behind_a_proxy(chain: &Chain) -> (Keeper, Arc<Mutex<Fault>>) {
    let fault = Arc::new(Mutex::new(Fault::None));
    let (switch, node, client) = (fault.clone(), chain.url.clone(), reqwest::Client::new());
    let handler = async move |axum::Json(request): axum::Json<Value>| {
        let sent = client.post(&node).json(&request).send().await.unwrap();
        let mut answer: Value = serde_json::from_slice(&sent.bytes().await.unwrap()).unwrap();
        let fault = *switch.lock().unwrap();
        match (request["method"].as_str().unwrap(), fault) {
            ("eth_sendRawTransaction", Fault::LoseSendAnswer) => return "lost".to_owned(),
            ("eth_sendRawTransaction", Fault::WrongHash) => answer["result"] = json!(B256::repeat_byte(7)),
            ("eth_getTransactionReceipt", Fault::NoReceipts) => answer["result"] = Value::Null,
            ("eth_getTransactionReceipt", Fault::ForgedReceipts) if answer["result"].is_object() => {
                answer["result"]["blockHash"] = json!(B256::repeat_byte(7));
            }
            _ => {}
        }
        answer.to_string()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/", post(handler));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (Keeper::new(&url, chain.journal("proxied.db").await, config()).await, fault)
}

#[tokio::test]
async fn a_lost_answer_or_a_wrong_hash_leaves_one_live_transaction_on_one_nonce() {
    for fault in [Fault::LoseSendAnswer, Fault::WrongHash] {
        let chain = Chain::start().await;
        let (keeper, switch) = keeper_behind_a_proxy(&chain).await;
        *switch.lock().unwrap() = fault;
        let intent = keeper.submitted().await;
        let doubt = keeper.journal.events(intent).await.unwrap().pop().unwrap().detail;
        assert_eq!(doubt["publish"], "ambiguous");
        *switch.lock().unwrap() = Fault::None;
        if fault == Fault::WrongHash {
            assert!(keeper.pool.reader().is_err(), "whoever lies is left alone for a while");
            keeper.forgiven().await;
        }
        assert!(is_pending(&keeper.resolve().await, IntentState::Live), "already known is acceptance");
        assert_eq!(keeper.journal.events(intent).await.unwrap().pop().unwrap().detail["publish"], "accepted");
        chain.mine(3).await;
        executed(keeper.resolve().await);
        assert_eq!(chain.count().await, U256::from(1));
    }
}

#[tokio::test]
async fn lagging_receipts_of_an_own_transaction_never_look_like_a_foreign_one() {
    let chain = Chain::start().await;
    let (keeper, switch) = keeper_behind_a_proxy(&chain).await;
    let intent = keeper.submitted().await;
    *switch.lock().unwrap() = Fault::NoReceipts;
    for _ in 0..8 {
        chain.mine(1).await;
        assert!(is_pending(&keeper.resolve().await, IntentState::Live));
    }
    let refused = keeper.submit().await.unwrap();
    assert_eq!(refused, Outcome::Refused(Refusal::Unsettled { known: 0, latest: 1 }));
    *switch.lock().unwrap() = Fault::None;
    assert_eq!(executed(keeper.resolve().await).transaction_hash, keeper.hash(intent).await);
    assert_eq!(chain.count().await, U256::from(1));
}

#[tokio::test]
async fn a_receipt_of_a_block_that_is_not_on_the_chain_does_not_count() {
    let chain = Chain::start().await;
    let (keeper, switch) = keeper_behind_a_proxy(&chain).await;
    keeper.submitted().await;
    *switch.lock().unwrap() = Fault::ForgedReceipts;
    chain.mine(3).await;
    assert!(is_pending(&keeper.resolve().await, IntentState::Live));
    assert!(keeper.pool.reader().is_err(), "whoever lies is left alone for a while");
    *switch.lock().unwrap() = Fault::None;
    keeper.forgiven().await;
    executed(keeper.resolve().await);
}

#[tokio::test]
async fn the_next_base_fee_of_each_header_is_that_of_the_next_block() {
    let chain = Chain::start().await;
    let keeper = chain.keeper("a.db").await;
    keeper.submitted().await;
    for _ in 0..5 {
        let predicted = keeper.head().await.next_base_fee(ChainKind::Ethereum);
        chain.mine(1).await;
        assert_eq!(keeper.head().await.base_fee_per_gas, predicted);
    }
}
