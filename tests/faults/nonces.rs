//! Nonces that are consumed, missing or lost, and who did it.

use std::sync::Arc;

use alloy::consensus::{SignableTransaction, Transaction, TxEip1559, TxEnvelope};
use alloy::eips::eip2718::Encodable2718;
use alloy::primitives::TxKind;
use alloy::providers::Provider;
use alloy::providers::ext::AnvilApi;
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use vault_keeper::execution::{ExecutionError, Finality, Halt, Outcome, Patience, SendingConfig};
use vault_keeper::journal::{AttemptKind, IntentState};
use vault_keeper::keeper::{CycleError, Dispatch};
use vault_keeper::stage::account::Actor;

use crate::geth::transaction;
use crate::keeper_process::Deeds;
use crate::proxy::{Act, Calls};
use crate::rig::{Build, GWEI, Heard, Rig, SEND, sending, while_on_its_way};

const RECEIPT: &str = "eth_getTransactionReceipt";

#[tokio::test]
async fn fault_13_nonce_too_low_while_the_own_receipt_lags_is_waited_out() {
    let mut rig = Rig::set().await;
    let intent = rig.sent().await;
    rig.proxies[0].rule(RECEIPT, Calls::Every, Act::result(serde_json::Value::Null));
    // Sent again with the look, and mined before that arrives.
    while_on_its_way(&rig.proxies[0], rig.resolve(), rig.scene.mine(1)).await.unwrap();
    assert_eq!(rig.publications(intent).await, ["accepted", "nonce_too_low"]);
    for _ in 0..4 {
        rig.mine_and_resolve(1).await;
        assert_eq!(rig.state().await, IntentState::Live);
    }
    // What was planned is done, so nothing is wanted any more: neither that nor anything else is signed.
    let dispatch = rig.dispatched().await;
    assert!(matches!(dispatch, Dispatch::Withdrawn { .. }), "{dispatch:?}");
    rig.mine_and_resolve(1).await;
    assert_eq!((rig.handed_over().len(), rig.hashes(intent).await.len()), (2, 1));
    rig.proxies[0].obey();
    rig.resolve().await.unwrap();
    let waited = [IntentState::Prepared, IntentState::Live, IntentState::Live, IntentState::Cancelling];
    let ended = [IntentState::Included, IntentState::Executed];
    assert_eq!(rig.states(intent).await, [&waited[..], &ended[..]].concat());
    assert_eq!((rig.entries().await.len(), rig.scene.deeds().await), (1, Deeds::ONE));
    rig.assert_executed_once().await;
}

/// A transfer of nothing that someone else signed with the keeper's key, at this nonce.
async fn foreign(rig: &Rig, nonce: u64) -> Vec<u8> {
    let signer: PrivateKeySigner = rig.scene.key(Actor::Keeper).await.parse().unwrap();
    let transfer = TxEip1559 {
        chain_id: rig.scene.stage.chain.chain_id(),
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 100 * GWEI,
        max_priority_fee_per_gas: GWEI,
        to: TxKind::Call(rig.sender()),
        ..TxEip1559::default()
    };
    let signature = signer.sign_hash_sync(&transfer.signature_hash()).unwrap();
    TxEnvelope::from(transfer.into_signed(signature)).encoded_2718()
}

#[tokio::test]
async fn fault_14_a_nonce_consumed_by_someone_else_halts_the_key_after_two_looks_at_its_depth() {
    let heard = Heard::listen();
    let finality = Finality::Depth(3);
    let mut rig =
        Rig::of(Build { sending: SendingConfig { finality, ..sending() }, ..Build::default() }).await;
    let intent = rig.sent().await;
    let provider = rig.scene.stage.chain.provider();
    provider.anvil_drop_all_transactions().await.unwrap();
    let stranger = foreign(&rig, 0).await;
    drop(provider.send_raw_transaction(&stranger).await.unwrap());
    // In a block, not deep; then deep and seen once, by two looks at one head.
    rig.mine_and_resolve(4).await;
    rig.resolve().await.unwrap();
    assert_eq!(rig.state().await, IntentState::Live, "nobody is accused yet");
    assert_eq!(heard.alerts("foreign_nonce"), 0);
    rig.scene.mine(1).await;
    let halt = Halt::ForeignNonce { sender: rig.sender(), nonce: 0, intent };
    for _ in 0..2 {
        let halted = rig.resolve().await.unwrap_err();
        assert!(matches!(&halted, ExecutionError::Halted(why) if *why == halt), "{halted}");
        let cycle = rig.cycle().await.unwrap_err();
        assert!(
            matches!(&cycle, CycleError::Execution(ExecutionError::Halted(why)) if *why == halt),
            "{cycle}"
        );
    }
    assert_eq!(heard.alerts("foreign_nonce"), 4, "with every look and every cycle");
    let states = [IntentState::Prepared, IntentState::Live, IntentState::Foreign];
    assert_eq!(rig.states(intent).await, states);
    assert_eq!((rig.entries().await.len(), rig.hashes(intent).await.len()), (1, 1), "nothing new is signed");
    assert_eq!(rig.handed_over().len(), 1, "and nothing sent again");
    assert_eq!(rig.scene.deeds().await, Deeds { mined: 1, sent: 1, ..Deeds::NONE });
    rig.assert_invariants().await;
}

#[tokio::test]
async fn fault_15_the_lowest_of_two_nonces_that_vanished_is_sent_again_and_raised_alone() {
    let patience = Patience { bump_after: 2, ..Patience::default() };
    let mut rig =
        Rig::of(Build { sending: SendingConfig { patience, ..sending() }, ..Build::default() }).await;
    let mut other = rig.neighbour().await;
    let vault = rig.neighbours[0];
    let first = rig.sent().await;
    let head = rig.head().await;
    let dispatch = other.cycle(&head).await.unwrap().dispatch;
    assert!(matches!(dispatch, Dispatch::Sent { .. }), "{dispatch:?}");
    let second = rig.entries_of(vault).await[0].id;
    // As clients do that keep no queue: the second is too high once the first is gone.
    let too_high = |request: &serde_json::Value| {
        (transaction(request).nonce() == 1).then_some((-32_000, "nonce too high"))
    };
    rig.proxies[0].rule(SEND, Calls::First(2), Act::Judge(Arc::new(too_high)));
    let provider = rig.scene.stage.chain.provider();
    let lost = rig.hashes(first).await[0];
    provider.anvil_drop_transaction(lost).await.unwrap().expect("it was there");
    rig.mine_and_resolve(1).await;
    assert_eq!(rig.publications(first).await, ["accepted"]);
    assert_eq!(rig.publications(second).await, ["accepted", "nonce_too_high"]);
    let sent = rig.handed_over();
    assert_eq!(sent.len(), 4);
    assert_eq!((&sent[2], &sent[3]), (&sent[0], &sent[1]), "the same bytes, the lowest first");
    // Lost once more, until a bump is due.
    provider.anvil_drop_transaction(lost).await.unwrap().expect("it was there");
    rig.mine_and_resolve(1).await;
    assert_eq!((rig.hashes(first).await.len(), rig.hashes(second).await.len()), (2, 1));
    assert_eq!(rig.entry().await.attempts[1].kind, AttemptKind::Bump);
    rig.mine_and_resolve(2).await;
    for (intent, vault, nonce) in [(first, rig.scene.vault, 0), (second, vault, 1)] {
        let entry = rig.entries_of(vault).await.pop().unwrap();
        assert_eq!((entry.id, entry.record.nonce), (intent, nonce));
        assert_eq!(entry.last_event.state, IntentState::Executed);
        assert_eq!(rig.scene.deeds_of(vault).await, Deeds { mined: 2, sent: 2, ..Deeds::ONE });
    }
    rig.assert_invariants().await;
}

#[tokio::test]
async fn fault_16_bytes_that_the_node_dropped_are_sent_again_as_they_were_with_the_next_look() {
    let mut rig = Rig::set().await;
    let intent = rig.sent().await;
    let provider = rig.scene.stage.chain.provider();
    for (lost, all) in [(1, false), (2, true)] {
        let hash = rig.hashes(intent).await[0];
        if all {
            provider.anvil_drop_all_transactions().await.unwrap();
        } else {
            provider.anvil_drop_transaction(hash).await.unwrap().expect("it was there");
        }
        assert_eq!(rig.scene.deeds().await, Deeds::NONE);
        let outcome = Outcome::Pending { intent, state: IntentState::Live };
        assert_eq!(rig.resolve().await.unwrap(), [(intent, outcome)]);
        assert_eq!(rig.scene.deeds().await, Deeds { sent: 1, ..Deeds::NONE });
        let raw = rig.entry().await.attempts[0].raw.clone();
        assert_eq!(rig.handed_over(), vec![raw; 1 + lost]);
    }
    rig.mine_and_resolve(2).await;
    assert_eq!((rig.hashes(intent).await.len(), rig.scene.deeds().await), (1, Deeds::ONE));
    rig.assert_executed_once().await;
}
