//! Records of a journal, signed as a keeper signs them, and the database seen from outside.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::{Path, PathBuf};

use alloy::consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy::eips::eip2718::Encodable2718;
use alloy::primitives::{Address, B256, Bytes, TxKind, U256};
use alloy::signers::SignerSync;
use alloy::signers::local::PrivateKeySigner;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use vault_keeper::journal::{
    AttemptKind, AttemptRecord, BlockRecord, CycleRecord, EventRecord, Fault, IntentId, IntentRecord,
    IntentState, Journal, Roster, RunRecord, Standing, SubmissionClass, Urgency,
};

pub(crate) const CHAIN: u64 = 31_337;
pub(crate) const VAULT: Address = Address::repeat_byte(0xaa);
pub(crate) const CANCEL_GAS: u64 = 21_000;

/// The private key of [`key`].
pub(crate) const SECRET: &str = "0x0707070707070707070707070707070707070707070707070707070707070707";

pub(crate) fn key() -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).unwrap()
}

pub(crate) fn sender() -> Address {
    key().address()
}

pub(crate) fn cycle(block: u64) -> CycleRecord {
    CycleRecord {
        chain_id: CHAIN,
        vault: VAULT,
        block_number: block,
        block_hash: B256::from(U256::from(block)),
        block_timestamp: 1_000 + block,
        policy_hash: B256::repeat_byte(1),
        snapshot_hash: B256::repeat_byte(2),
        decision_hash: B256::from(U256::from(block)),
        verdict: "rebalance".to_owned(),
        reason: None,
        decision_json: r#"{"sell":"1"}"#.to_owned(),
        snapshot_json: Some(r#"{"block":"1"}"#.to_owned()),
        dispatch: None,
        urgency: Urgency::Routine,
    }
}

pub(crate) fn intent(nonce: u64) -> IntentRecord {
    IntentRecord {
        chain_id: CHAIN,
        sender: sender(),
        nonce,
        vault: VAULT,
        vault_nonce: U256::from(nonce),
        to: VAULT,
        calldata: Bytes::from(vec![1, 2, 3]),
        deadline: 2_000,
        gas_limit: 100_000,
        planned_json: "{}".to_owned(),
        urgency: Urgency::Routine,
    }
}

pub(crate) fn urgent(nonce: u64) -> IntentRecord {
    IntentRecord { urgency: Urgency::Urgent, calldata: Bytes::from(vec![9]), ..intent(nonce) }
}

/// What `kind` of attempt of `intent` is signed with, at this fee cap.
pub(crate) fn transaction(intent: &IntentRecord, kind: AttemptKind, cap: u128) -> TxEip1559 {
    let cancel = kind == AttemptKind::Cancel;
    TxEip1559 {
        chain_id: intent.chain_id,
        nonce: intent.nonce,
        gas_limit: if cancel { CANCEL_GAS } else { intent.gas_limit },
        max_fee_per_gas: cap,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(if cancel { intent.sender } else { intent.to }),
        value: U256::ZERO,
        access_list: alloy::eips::eip2930::AccessList::default(),
        input: if cancel { Bytes::new() } else { intent.calldata.clone() },
    }
}

/// The signed transaction: its hash and its bytes.
pub(crate) fn signed(transaction: TxEip1559) -> (B256, Bytes) {
    let signature = key().sign_hash_sync(&transaction.signature_hash()).unwrap();
    let envelope = TxEnvelope::Eip1559(transaction.into_signed(signature));
    (*envelope.tx_hash(), envelope.encoded_2718().into())
}

pub(crate) fn attempt(intent: &IntentRecord, kind: AttemptKind, cap: u128) -> AttemptRecord {
    let (hash, raw) = signed(transaction(intent, kind, cap));
    let cancel = kind == AttemptKind::Cancel;
    AttemptRecord {
        hash,
        raw,
        max_fee_per_gas: cap,
        max_priority_fee_per_gas: 1,
        kind,
        submission: SubmissionClass::Public,
        signed_at: 7,
        gas_limit: cancel.then_some(CANCEL_GAS),
        to: cancel.then_some(intent.sender),
    }
}

pub(crate) fn event(state: IntentState) -> EventRecord {
    EventRecord { state, detail: serde_json::json!({"why": "test"}), block_hash: None, fee: None }
}

pub(crate) async fn prepared(journal: &Journal, nonce: u64) -> IntentId {
    let intent = intent(nonce);
    let first = attempt(&intent, AttemptKind::Original, 30);
    journal.record_prepared(&cycle(nonce), &intent, &first).await.unwrap()
}

pub(crate) async fn taken_over(journal: &Journal, nonce: u64) -> IntentId {
    let intent = urgent(nonce);
    let first = attempt(&intent, AttemptKind::Original, 60);
    let cycle = CycleRecord { urgency: Urgency::Urgent, ..cycle(nonce + 100) };
    journal.record_takeover(&cycle, &intent, &first).await.unwrap()
}

pub(crate) fn run() -> RunRecord {
    RunRecord { program_version: "1.2.3".to_owned(), decision_version: "3".to_owned() }
}

/// A process that keeps these vaults.
pub(crate) async fn begun(journal: &Journal, vaults: impl IntoIterator<Item = Address>) -> Roster {
    journal.record_run(&run()).await.unwrap();
    journal.record_roster(CHAIN, vaults).await.unwrap()
}

/// The block that [`cycle`] decides on, at which all vaults of `roster` stand so.
pub(crate) fn block(number: u64, roster: &Roster, standing: impl Fn(Address) -> Standing) -> BlockRecord {
    let CycleRecord { block_hash, block_timestamp, .. } = cycle(number);
    let vaults = roster.vaults().iter().map(|vault| (*vault, standing(*vault)));
    BlockRecord { number, hash: block_hash, timestamp: block_timestamp, vaults: vaults.collect() }
}

/// The file beside the journal at `path` with this ending.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}{ending}", path.display()))
}

pub(crate) async fn raw_connection(path: &Path) -> SqliteConnection {
    SqliteConnection::connect_with(
        &SqliteConnectOptions::new().filename(path).create_if_missing(true).foreign_keys(false),
    )
    .await
    .unwrap()
}

pub(crate) async fn verified(path: &Path) -> Result<u64, Fault> {
    let journal = Journal::open_read_only(path).await.unwrap();
    let found = journal.verify().await.unwrap();
    journal.close().await;
    found.map(|verified| verified.records)
}
