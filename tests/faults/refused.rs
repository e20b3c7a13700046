//! What a node refuses to take, and what the chain refuses to carry out.

use alloy::consensus::Transaction;
use alloy::primitives::{Bytes, U256, bytes};
use alloy::providers::Provider;
use alloy::providers::ext::AnvilApi;
use alloy::rpc::types::TransactionRequest;
use vault_keeper::execution::{Finality, Outcome, ParkReason, Patience, Rejection, SendingConfig};
use vault_keeper::journal::{IntentId, IntentState, Urgency};
use vault_keeper::keeper::Dispatch;

use crate::geth::decoded;
use crate::keeper_process::Deeds;
use crate::proxy::{Act, Calls};
use crate::rig::{Build, Heard, Rig, sending, while_on_its_way};

/// Code that reverts without a word.
const REVERT: Bytes = bytes!("5f5ffd");
/// Code that never ends.
const LOOP: Bytes = bytes!("5b5f56");

/// The node has no use for the bytes, for this reason, and took none of them.
fn held(intent: IntentId, why: Rejection) -> [(IntentId, Outcome); 1] {
    [(intent, Outcome::Parked { intent, reason: ParkReason::Rejected(why) })]
}

impl Rig {
    /// Puts code in the place of the venue that the vault trades through; what was there.
    async fn venue_code(&self, code: Bytes) -> Bytes {
        let venue = self.scene.state().await.pools[0].venue;
        let provider = self.scene.stage.chain.provider();
        let old = provider.get_code_at(venue).await.unwrap();
        provider.anvil_set_code(venue, code).await.unwrap();
        old
    }

    /// Asserts that a cycle finds that its call reverts, and signs nothing.
    async fn assert_refused_for_a_revert(&mut self) {
        let intents = self.entries().await.len();
        let dispatch = self.dispatched().await;
        let Dispatch::Refused { code, message } = &dispatch else { panic!("{dispatch:?}") };
        assert_eq!(*code, "simulation_reverted");
        assert!(message.starts_with("the call reverts: "), "{message}");
        assert_eq!(self.entries().await.len(), intents);
    }
}

#[tokio::test]
async fn fault_33_an_account_without_funds_holds_its_nonce_and_goes_on_with_the_same_bytes_once_refilled() {
    let heard = Heard::listen();
    let mut rig = Rig::set().await;
    rig.balance(0).await;
    // It was there when it was looked at.
    rig.proxies[0].rule("eth_getBalance", Calls::Every, Act::result("0xde0b6b3a7640000".into()));
    let intent = rig.sent().await;
    rig.proxies[0].obey();
    for looks in 1..=3 {
        assert_eq!(rig.state().await, IntentState::Prepared);
        assert_eq!(heard.alerts("insufficient_funds"), looks);
        assert_eq!(rig.resolve().await.unwrap(), held(intent, Rejection::InsufficientFunds));
        rig.scene.mine(1).await;
        let dispatch = rig.dispatched().await;
        assert!(matches!(dispatch, Dispatch::InFlight { .. }), "{dispatch:?}");
    }
    rig.balance(10).await;
    rig.resolve().await.unwrap();
    rig.mine_and_resolve(2).await;
    let entry = rig.entry().await;
    assert_eq!((rig.entries().await.len(), entry.record.nonce, entry.attempts.len()), (1, 0, 1));
    assert_eq!(rig.handed_over(), vec![entry.attempts[0].raw.clone(); 5]);
    assert_eq!(rig.scene.deeds().await, Deeds::ONE, "no gap");
    rig.assert_executed_once().await;
}

#[tokio::test]
async fn what_no_node_took_until_its_deadline_leaves_its_nonce_to_the_next_plan() {
    let mut rig = Rig::set().await;
    rig.proxies[0].rule("eth_sendRawTransaction", Calls::Every, Act::Error(-32_003, "Insufficient funds"));
    let intent = rig.sent().await;
    assert_eq!(rig.state().await, IntentState::Prepared);
    rig.mine_and_resolve(9).await;
    assert!(matches!(rig.dispatched().await, Dispatch::InFlight { .. }), "within its deadline it waits");
    rig.mine_and_resolve(3).await;
    assert!(rig.scene.now().await > rig.entry().await.record.deadline);
    assert_eq!(rig.hashes(intent).await.len(), 1, "no cancel of what nobody has");
    rig.proxies[0].obey();
    let next = rig.sent().await;
    assert_ne!(next, intent);
    rig.mine_and_resolve(3).await;
    let ends: Vec<_> = rig.entries().await.iter().map(|e| (e.record.nonce, e.last_event.state)).collect();
    assert_eq!(ends, [(0, IntentState::Superseded), (0, IntentState::Executed)]);
    assert_eq!(rig.scene.deeds().await, Deeds::ONE);
    rig.assert_invariants().await;
}

#[tokio::test]
async fn fault_33_an_account_that_is_known_to_be_empty_signs_nothing_and_takes_no_nonce() {
    let heard = Heard::listen();
    let mut rig =
        Rig::of(Build { sending: SendingConfig { runway: 3, ..sending() }, ..Build::default() }).await;
    rig.balance(0).await;
    let dispatch = rig.dispatched().await;
    assert!(matches!(dispatch, Dispatch::Refused { code: "insufficient_funds", .. }), "{dispatch:?}");
    assert_eq!((rig.entries().await.len(), heard.alerts("runway")), (0, 1));
    rig.balance(10).await;
    rig.sent().await;
    rig.mine_and_resolve(2).await;
    assert_eq!((rig.entry().await.record.nonce, rig.scene.deeds().await), (0, Deeds::ONE));
    rig.assert_executed_once().await;
}

#[tokio::test]
async fn fault_34_a_call_whose_gas_cannot_be_estimated_is_refused_by_its_reason_and_takes_no_nonce() {
    let mut rig = Rig::set().await;
    let venue = rig.venue_code(REVERT).await;
    for _ in 0..2 {
        rig.assert_refused_for_a_revert().await;
        rig.scene.mine(1).await;
    }
    assert_eq!((rig.handed_over().len(), rig.scene.deeds().await), (0, Deeds::NONE));
    rig.venue_code(venue).await;
    rig.sent().await;
    assert_eq!(rig.entry().await.record.nonce, 0);
    rig.mine_and_resolve(2).await;
    rig.assert_executed_once().await;
}

#[tokio::test]
async fn fault_35_a_mined_revert_is_final_at_its_depth_alone_and_not_tried_again_blindly() {
    let (finality, patience) = (Finality::Depth(3), Patience { cool_down: 6, ..Patience::default() });
    let sending = SendingConfig { finality, patience, ..sending() };
    let mut rig = Rig::of(Build { sending, ..Build::default() }).await;
    let intent = rig.sent().await;
    let venue = rig.venue_code(REVERT).await;
    for _ in 0..3 {
        rig.mine_and_resolve(1).await;
        assert_eq!(rig.state().await, IntentState::Included, "not deep enough");
        // The vault is free to plan again, and the plan is rehearsed.
        rig.assert_refused_for_a_revert().await;
    }
    rig.scene.mine(1).await;
    let told = rig.resolve().await.unwrap();
    let [(told, Outcome::Reverted(inclusion))] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((*told, inclusion.transaction_hash), (intent, rig.hashes(intent).await[0]));
    let states = [IntentState::Prepared, IntentState::Live, IntentState::Included, IntentState::Reverted];
    assert_eq!(rig.states(intent).await, states);
    assert_eq!(rig.entry().await.last_event.fee, Some(inclusion.fee), "its gas is spent");
    rig.assert_refused_for_a_revert().await;
    assert_eq!(rig.scene.deeds().await, Deeds { mined: 1, sent: 1, ..Deeds::NONE });
    // Once the cause is gone a new plan is a new intent at the next nonce, but not at once.
    rig.venue_code(venue).await;
    let until = inclusion.block_number + 6;
    for _ in rig.head().await.number..until {
        let dispatch = rig.dispatched().await;
        let Dispatch::Refused { code: "cooling_down", message } = dispatch else { panic!("{dispatch:?}") };
        assert!(message.ends_with(&format!("before block {until}")), "{message}");
        rig.scene.mine(1).await;
    }
    rig.sent().await;
    assert_eq!(rig.entry().await.record.nonce, 1);
    rig.mine_and_resolve(4).await;
    rig.assert_executed_once().await;
}

#[tokio::test]
async fn fault_35_a_floor_at_risk_does_not_wait_for_a_revert_to_cool_down() {
    let mut rig = Rig::set().await;
    rig.invest_and_rise().await;
    rig.sent().await;
    let venue = rig.venue_code(REVERT).await;
    rig.mine_and_resolve(2).await;
    assert_eq!(rig.state().await, IntentState::Reverted);
    rig.venue_code(venue).await;
    let dispatch = rig.dispatched().await;
    assert!(matches!(dispatch, Dispatch::Refused { code: "cooling_down", .. }), "{dispatch:?}");
    rig.scene.price(2_200, 60).await;
    rig.sent().await;
    assert_eq!(rig.entry().await.record.urgency, Urgency::Urgent);
    rig.mine_and_resolve(2).await;
    assert_eq!((rig.state().await, rig.scene.deeds().await.rebalanced), (IntentState::Executed, 4));
    rig.assert_invariants().await;
}

/// Empties the slot that the pool writes its next observation to: from zero on that costs more.
async fn let_the_pool_grow(rig: &Rig) {
    /// `observations` of a Uniswap v3 pool.
    const OBSERVATIONS: u64 = 8;
    let pool = rig.scene.stage.venue.pool.address;
    let provider = rig.scene.stage.chain.provider();
    let slot0 = provider.get_storage_at(pool, U256::ZERO).await.unwrap();
    let field = |at: usize| u64::try_from((slot0 >> at) & U256::from(u16::MAX)).unwrap();
    let (index, cardinality) = (field(184), field(200));
    assert!(cardinality > 1, "{slot0:x}");
    let next = U256::from(OBSERVATIONS + (index + 1) % cardinality);
    assert_ne!(provider.get_storage_at(pool, next).await.unwrap(), U256::ZERO);
    provider.anvil_set_storage_at(pool, next, U256::ZERO.into()).await.unwrap();
}

#[tokio::test]
async fn fault_36_the_margin_of_the_gas_limit_holds_what_state_grows_by_before_inclusion() {
    let mut rig = Rig::set().await;
    let intent = rig.sent().await;
    let provider = rig.scene.stage.chain.provider();
    provider.anvil_drop_all_transactions().await.unwrap();
    let record = rig.entry().await.record;
    let call = TransactionRequest::default().from(rig.sender()).to(record.to).input(record.calldata.into());
    let need = async || provider.estimate_gas(call.clone()).pending().await.unwrap();
    let before = need().await;
    let_the_pool_grow(&rig).await;
    let after = need().await;
    rig.resolve().await.unwrap();
    rig.mine_and_resolve(2).await;
    assert_eq!(rig.hashes(intent).await.len(), 1);
    rig.assert_executed_once().await;
    // A slot that is written from zero, and what the gas passed on to get there adds to it.
    assert_eq!(after - before, 17_100);
    let (limit, without_margin) = (record.gas_limit, record.gas_limit * 10_000 / 12_000);
    assert!(without_margin < after && after <= limit, "{without_margin} {after} {limit}");
}

#[tokio::test]
async fn fault_36_what_outgrows_its_gas_limit_reverts_and_no_bump_ever_has_less_gas() {
    let patience = Patience { bump_after: 1, ..Patience::default() };
    let mut rig =
        Rig::of(Build { sending: SendingConfig { patience, ..sending() }, ..Build::default() }).await;
    let intent = rig.sent().await;
    let base_fee = 20 * crate::rig::GWEI;
    for _ in 0..2 {
        rig.mine_without(base_fee).await;
        rig.resolve().await.unwrap();
    }
    rig.venue_code(LOOP).await;
    rig.scene.mine(2).await;
    let told = rig.resolve().await.unwrap();
    let [(_, Outcome::Reverted(inclusion))] = told.as_slice() else { panic!("{told:?}") };
    let entry = rig.entry().await;
    let limits: Vec<_> = entry.attempts.iter().map(|attempt| decoded(&attempt.raw).gas_limit()).collect();
    assert_eq!(limits, [entry.record.gas_limit; 3]);
    assert_eq!(inclusion.transaction_hash, rig.hashes(intent).await[2]);
    assert!(inclusion.gas_used > entry.record.gas_limit * 63 / 64, "{inclusion:?}");
    assert_eq!(rig.state().await, IntentState::Reverted);
    assert_eq!(rig.scene.deeds().await, Deeds { mined: 1, sent: 1, ..Deeds::NONE });
    rig.assert_invariants().await;
}

#[tokio::test]
async fn fault_37_a_block_that_is_too_small_for_the_gas_limit_holds_the_bytes_at_their_nonce() {
    let heard = Heard::listen();
    let mut rig = Rig::set().await;
    let provider = rig.scene.stage.chain.provider();
    let shrink = async { assert!(provider.anvil_set_block_gas_limit(30_000).await.unwrap()) };
    let head = rig.head().await;
    let cycle = while_on_its_way(&rig.proxies[0], rig.keeper.cycle(&head), shrink).await.unwrap();
    assert!(matches!(cycle.dispatch, Dispatch::Sent { held_up: Some(_), .. }), "{:?}", cycle.dispatch);
    let intent = rig.entry().await.id;
    for looks in 1..=2 {
        assert_eq!(rig.state().await, IntentState::Prepared);
        assert_eq!(heard.alerts("gas_limit"), looks);
        assert_eq!(rig.resolve().await.unwrap(), held(intent, Rejection::GasLimit));
    }
    assert_eq!(rig.publications(intent).await, ["gas_limit"], "said at once what it is, and recorded once");
    assert!(provider.anvil_set_block_gas_limit(60_000_000).await.unwrap());
    assert_eq!(rig.scene.deeds().await, Deeds::NONE, "it has none of it");
    rig.resolve().await.unwrap();
    rig.mine_and_resolve(2).await;
    let entry = rig.entry().await;
    assert_eq!((rig.entries().await.len(), entry.record.nonce, entry.attempts.len()), (1, 0, 1));
    assert_eq!(rig.scene.deeds().await, Deeds::ONE);
    rig.assert_executed_once().await;
}
