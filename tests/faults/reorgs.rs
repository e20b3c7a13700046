//! Blocks that leave the chain, with and without the keeper's transaction.

use alloy::providers::ext::AnvilApi;
use alloy::rpc::types::anvil::{ReorgOptions, TransactionData};
use vault_keeper::execution::{ExecutionError, Finality, Halt, Outcome, Patience, SendingConfig};
use vault_keeper::journal::{IntentEntry, IntentState};
use vault_keeper::keeper::CycleError;

use crate::rig::{Build, Rig, sending};
use IntentState::{Cancelled, Cancelling, Executed, Included, Live, Prepared, Reverted};

/// Final with so many blocks on top.
fn deep(depth: u64) -> Build {
    Build { sending: SendingConfig { finality: Finality::Depth(depth), ..sending() }, ..Build::default() }
}

async fn reorganise(rig: &Rig, depth: u64, kept: Vec<(TransactionData, u64)>) {
    let options = ReorgOptions { depth, tx_block_pairs: kept };
    rig.scene.stage.chain.provider().anvil_reorg(options).await.unwrap();
}

async fn canonical(rig: &Rig, number: u64) -> alloy::primitives::B256 {
    rig.pool.reader().unwrap().header_by_number(number).await.unwrap().unwrap().hash
}

/// Block and hash that an intent is recorded in.
fn recorded_in(entry: &IntentEntry) -> (u64, alloy::primitives::B256) {
    let number = entry.last_event.detail["block_number"].as_str().unwrap().parse().unwrap();
    (number, entry.last_event.block_hash.unwrap())
}

#[tokio::test]
async fn fault_19_reorg_with_the_transaction_in_another_block() {
    let mut rig = Rig::of(deep(3)).await;
    let intent = rig.sent().await;
    rig.mine_and_resolve(1).await;
    let first = recorded_in(&rig.entry().await);
    let raw = rig.entry().await.attempts[0].raw.clone();
    reorganise(&rig, 1, vec![(TransactionData::Raw(raw), 0)]).await;
    rig.resolve().await.unwrap();
    let second = recorded_in(&rig.entry().await);
    assert_eq!(second.1, canonical(&rig, second.0).await);
    assert_ne!(first.1, second.1, "the same height, another block");
    rig.mine_and_resolve(4).await;
    assert_eq!(rig.states(intent).await, [Prepared, Live, Included, Included, Executed]);
    assert_eq!(recorded_in(&rig.entry().await), second);
    rig.assert_executed_once().await;
}

#[tokio::test]
async fn fault_20_equal_height_reorg_with_the_transaction_lost() {
    for depth in 1..=2 {
        let mut rig = Rig::of(deep(3)).await;
        let intent = rig.sent().await;
        rig.mine_and_resolve(u32::try_from(depth).unwrap()).await;
        let (head, sent) = (rig.head().await, rig.handed_over().len());
        reorganise(&rig, depth, Vec::new()).await;
        let after = rig.head().await;
        assert_eq!(after.number, head.number, "equal height");
        assert_ne!(after.hash, head.hash);
        assert_eq!(rig.scene.deeds().await.sent, 0, "the transaction is lost");
        rig.resolve().await.unwrap();
        assert_eq!(rig.state().await, Live);
        assert_eq!(rig.handed_over().len(), sent + 1, "the same bytes again");
        assert_eq!(rig.scene.deeds().await.sent, 1);
        rig.mine_and_resolve(4).await;
        assert_eq!(rig.states(intent).await, [Prepared, Live, Included, Live, Live, Included, Executed]);
        assert_eq!(rig.hashes(intent).await.len(), 1);
        rig.assert_executed_once().await;
    }
}

#[tokio::test]
async fn fault_21_the_chain_becomes_shorter_than_where_it_was_signed() {
    let mut build = deep(3);
    build.sending.patience.cool_down = 0;
    let mut rig = Rig::of(build).await;
    let mut saved = rig.scene.save().await;
    rig.scene.mine(3).await;
    let intent = rig.sent().await;
    let signed_at = rig.entry().await.attempts[0].signed_at;
    rig.scene.restore(&mut saved).await;
    assert_eq!(rig.head().await.number, signed_at - 3, "below the block that it was signed at");
    let outcome = rig.resolve().await.unwrap();
    assert_eq!(outcome.len(), 1);
    // Neither raised nor parked for an age below zero. The block that was decided on is gone: the vault refuses it.
    assert_eq!((rig.state().await, rig.hashes(intent).await.len()), (Live, 1));
    rig.mine_and_resolve(2).await;
    assert_eq!(rig.states(intent).await.last(), Some(&Included));
    rig.mine_and_resolve(3).await;
    assert_eq!(rig.states(intent).await.last(), Some(&Reverted));
    assert_eq!(rig.scene.deeds().await.rebalanced, 0);
    // The key goes on.
    rig.sent().await;
    rig.mine_and_resolve(5).await;
    rig.assert_executed_once().await;
}

#[tokio::test]
async fn fault_22_reorg_makes_an_older_attempt_win() {
    let mut build = deep(2);
    build.sending.patience = Patience { bump_after: 1, ..Patience::default() };
    let mut rig = Rig::of(build).await;
    let intent = rig.sent().await;
    rig.lose_what_waits().await;
    rig.mine_and_resolve(1).await;
    let [original, bump] = rig.hashes(intent).await[..] else { panic!("not bumped") };
    rig.mine_and_resolve(1).await;
    assert_eq!(rig.entry().await.last_event.detail["transaction"], bump.to_string());
    // Cancelled by hand meanwhile, which is too late: the bump is in a block.
    reorganise(&rig, 1, Vec::new()).await;
    rig.engine.withdraw(intent, "a test").await.unwrap();
    assert_eq!(rig.state().await, Included, "too late to withdraw");
    rig.lose_what_waits().await;
    let raw = rig.entry().await.attempts[0].raw.clone();
    rig.node_takes(&raw).await;
    rig.scene.mine(1).await;
    rig.resolve().await.unwrap();
    let entry = rig.entry().await;
    assert_eq!(entry.last_event.detail["transaction"], original.to_string(), "whose receipt it is");
    rig.mine_and_resolve(3).await;
    let entry = rig.entry().await;
    assert_eq!((entry.last_event.state, entry.attempts.len()), (Executed, 2));
    assert_eq!(entry.last_event.detail["transaction"], original.to_string());
    rig.assert_executed_once().await;
}

#[tokio::test]
async fn fault_22_reorg_makes_the_call_win_over_its_cancel() {
    let mut rig = Rig::of(deep(2)).await;
    let intent = rig.sent().await;
    rig.lose_what_waits().await;
    rig.engine.cancel(intent, "a test").await.unwrap();
    rig.mine_and_resolve(1).await;
    let [call, cancel] = rig.hashes(intent).await[..] else { panic!("not cancelled") };
    assert_eq!(rig.entry().await.last_event.detail["transaction"], cancel.to_string());
    reorganise(&rig, 1, Vec::new()).await;
    let raw = rig.entry().await.attempts[0].raw.clone();
    rig.node_takes(&raw).await;
    rig.mine_and_resolve(4).await;
    let entry = rig.entry().await;
    assert_eq!(entry.last_event.detail["transaction"], call.to_string());
    assert_eq!(entry.last_event.state, Executed, "and not cancelled, though the cancel came last");
    rig.assert_executed_once().await;
}

#[tokio::test]
async fn fault_23_reorg_takes_away_what_the_call_relies_on() {
    let mut rig = Rig::of(deep(3)).await;
    let intent = rig.sent().await;
    rig.mine_and_resolve(1).await;
    assert_eq!(rig.state().await, Included);
    reorganise(&rig, 1, Vec::new()).await;
    rig.pause().await;
    rig.resolve().await.unwrap();
    assert_eq!(
        rig.states(intent).await,
        [Prepared, Live, Included, Live, Cancelling, Cancelling, Cancelling]
    );
    let fees = rig.journal.committed_fees(31_337, rig.sender(), 0, None).await.unwrap();
    rig.mine_and_resolve(5).await;
    let entry = rig.entry().await;
    assert_eq!(entry.last_event.state, Cancelled);
    let paid = entry.last_event.fee.unwrap();
    assert!(paid <= fees, "{paid} of at most {fees}");
    assert_eq!(rig.scene.deeds().await.rebalanced, 0);
    rig.assert_invariants().await;
}

#[tokio::test]
async fn fault_24_reorg_deeper_than_what_counts_as_final() {
    let mut rig = Rig::of(deep(1)).await;
    rig.sent().await;
    rig.mine_and_resolve(3).await;
    assert_eq!(rig.state().await, Executed);
    let (executed, handed) = (rig.entry().await, rig.handed_over().len());
    assert_eq!(rig.engine.check_ended().await.unwrap(), None);
    reorganise(&rig, 3, Vec::new()).await;
    let halt = rig.engine.check_ended().await.unwrap().expect("it is undone");
    let transaction = executed.attempts[0].hash;
    let (number, _) = recorded_in(&executed);
    let undone =
        Halt::Undone { sender: rig.sender(), nonce: 0, intent: executed.id, block: number, transaction };
    assert_eq!(halt, undone);
    // Parked: nothing is signed, nothing is sent again by itself, the record stays.
    for _ in 0..3 {
        rig.scene.mine(1).await;
        let outcomes = rig.resolve().await.unwrap();
        assert_eq!(outcomes, Vec::<(_, Outcome)>::new());
        let error = rig.cycle().await.unwrap_err();
        assert!(
            matches!(&error, CycleError::Execution(ExecutionError::Halted(Halt::Undone { .. }))),
            "{error:?}"
        );
    }
    assert_eq!((rig.entries().await.len(), rig.handed_over().len()), (1, handed));
    assert_eq!(rig.scene.deeds().await.sent, 0);
    // Found again after a restart, until a transaction of the nonce is in a block.
    let mut rig = rig.restart().await;
    rig.engine.recover().await.unwrap();
    assert!(rig.engine.is_undone().await);
    let raw = executed.attempts[0].raw.clone();
    rig.node_takes(&raw).await;
    rig.scene.mine(2).await;
    assert_eq!(rig.engine.check_ended().await.unwrap(), None);
    assert!(!matches!(rig.cycle().await, Err(CycleError::Execution(_))), "the key signs again");
}
