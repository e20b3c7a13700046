//! What can be wrong with a record, each with a name of its own.

use std::borrow::Cow;

use alloy::primitives::{Address, B256};
use serde::{Deserialize, Serialize};

use super::Difference;

/// The record of a number in the ledger, before what is wrong with it.
fn numbered(seq: Option<i64>) -> String {
    seq.map(|seq| format!("record {seq}: ")).unwrap_or_default()
}

/// A place at which a journal and the chain do not say the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Fault {
    /// The journal is not what was written.
    #[error("the journal is not what was written: {}{what}", numbered(*seq))]
    Journal {
        /// Number of the record in the ledger, where it is one.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        seq: Option<i64>,
        /// What is wrong.
        what: String,
    },
    /// The process that decided was of another version of the decision.
    #[error(
        "record {seq} was decided by version {recorded} of the decision (program {program}), this program has version {ours}: \
         replay it with a program of that version"
    )]
    OtherVersion {
        /// Number of the record in the ledger.
        seq: i64,
        /// Version of the decision.
        recorded: String,
        /// Version of the program.
        program: String,
        /// Version of the decision of this program.
        ours: Cow<'static, str>,
    },
    /// The block of a decision is not on the chain, and the journal does not know it.
    #[error(
        "block {block}: decided on {recorded}, the chain has {chain}: it left that block with no keeper there to see it, which the next \
         start notes, or it never had it"
    )]
    OtherBlock {
        /// Height.
        block: u64,
        /// Hash of the block that was decided on.
        recorded: B256,
        /// Hash of the block of that height.
        chain: B256,
    },
    /// The chain has no block of the height of a decision.
    #[error(
        "block {block}: decided on {recorded}, and the chain has no block of this height: it was never there, or the node is \
         behind the keeper's"
    )]
    NoSuchBlock {
        /// Height.
        block: u64,
        /// Hash of the block that was decided on.
        recorded: B256,
    },
    /// A block that the journal says has left the chain is on it.
    #[error(
        "block {block}: the journal says that {recorded} left the chain, and it is there: the chain came back to it with no keeper there \
         to see it, which the next start notes, or it never left"
    )]
    NotOrphaned {
        /// Height.
        block: u64,
        /// Its hash.
        recorded: B256,
    },
    /// What the journal says in words of a decision is not what it says.
    #[error(
        "block {block}: {what} is {recorded} in the journal, by the decision and its block it is {}",
        if recomputed.is_empty() { "nothing" } else { recomputed }
    )]
    Column {
        /// Height.
        block: u64,
        /// Which column.
        what: Cow<'static, str>,
        /// As recorded.
        recorded: String,
        /// As it should be.
        recomputed: String,
    },
    /// The record of a block says that nothing was decided on the vault, and there is a full record of it.
    #[error(
        "block {block}: the record of the block has no decision on the vault ({absence}), a full record has one"
    )]
    Absent {
        /// Height.
        block: u64,
        /// Why there is none, by the record.
        absence: Cow<'static, str>,
    },
    /// The record of a block has a decision to trade, or another one than the block before, and there is no full record of it.
    #[error("block {block}: by the record of the block {why}, and there is no full record of that")]
    NoFullRecord {
        /// Height.
        block: u64,
        /// Why there has to be one.
        why: Cow<'static, str>,
    },
    /// The policy that was decided by is not given.
    #[error(
        "block {block}: decided by policy {recorded}, which none of the given ones is: its file was changed, or it is missing"
    )]
    UnknownPolicy {
        /// Height.
        block: u64,
        /// Hash of the policy.
        recorded: B256,
    },
    /// The vault stores the hash of another policy than was decided by.
    #[error("block {block}: decided by policy {recorded}, the vault stored {stored}")]
    OtherPolicy {
        /// Height.
        block: u64,
        /// Hash of the policy that was decided by.
        recorded: B256,
        /// Hash that the vault stored there.
        stored: B256,
    },
    /// The facts are those of another vault.
    #[error("block {block}: the record is about {vault}, its facts are of {of}")]
    OtherVault {
        /// Height.
        block: u64,
        /// The vault of the record.
        vault: Address,
        /// The vault of its facts.
        of: Address,
    },
    /// The facts are not those of the chain.
    #[error("block {block}: the recorded facts are not those of the chain, first at {difference}")]
    Facts {
        /// Height.
        block: u64,
        /// Recorded against read.
        difference: Difference,
    },
    /// The hash of the facts is not that of the facts of the chain.
    #[error("block {block}: the recorded facts hash to {recorded}, those of the chain to {read}")]
    FactsHash {
        /// Height.
        block: u64,
        /// As recorded.
        recorded: B256,
        /// Of what was read.
        read: B256,
    },
    /// The decision is another.
    #[error("block {block}: the recorded decision is not that of facts and policy, first at {difference}")]
    Decision {
        /// Height.
        block: u64,
        /// Recorded against decided again.
        difference: Difference,
    },
    /// The hash of the decision is another.
    #[error("block {block}: the recorded decision hash is {recorded}, it should be {recomputed}")]
    DecisionHash {
        /// Height.
        block: u64,
        /// As recorded.
        recorded: B256,
        /// As it should be.
        recomputed: B256,
    },
    /// What the record of a block holds of the vault's decision is another.
    #[error("block {block}: the leaf of the vault is {recorded}, facts and policy make it {recomputed}")]
    Leaf {
        /// Height.
        block: u64,
        /// As recorded.
        recorded: B256,
        /// As it should be.
        recomputed: B256,
    },
    /// What the record of a block holds of the decisions on several vaults together is another.
    #[error(
        "block {block}: the node over the decisions on {vaults} vaults, this one among them, is {recorded}, facts and policies \
         make it {recomputed}: what is recorded of one of them at least is not what was to be decided"
    )]
    Node {
        /// Height.
        block: u64,
        /// How many they are.
        vaults: usize,
        /// As recorded.
        recorded: B256,
        /// As it should be.
        recomputed: B256,
    },
    /// The event of an action says otherwise than the record of it.
    #[error("transaction {transaction}: {what} is {recorded} in the journal, {chain} in the vault's event")]
    Event {
        /// The transaction.
        transaction: B256,
        /// What differs.
        what: Cow<'static, str>,
        /// As recorded.
        recorded: String,
        /// As the vault emitted it.
        chain: String,
    },
    /// An intent that ended on the chain has no such transaction there.
    #[error("transaction {transaction}: the journal has it as {state}, {chain}")]
    Outcome {
        /// The transaction.
        transaction: B256,
        /// As recorded.
        state: Cow<'static, str>,
        /// What the chain says.
        chain: String,
    },
    /// The chain holds an action that the journal does not know.
    #[error(
        "block {block}: transaction {transaction} rebalanced the vault, and the journal does not know it"
    )]
    NotRecorded {
        /// Height.
        block: u64,
        /// The transaction.
        transaction: B256,
    },
    /// A transaction asks for something else than its decision says.
    #[error("transaction {transaction}: {what}")]
    Asked {
        /// The transaction.
        transaction: B256,
        /// What differs.
        what: String,
    },
    /// A transaction came out otherwise when it was executed again.
    #[error("transaction {transaction}, executed again: {what}")]
    Execution {
        /// The transaction.
        transaction: B256,
        /// What differs.
        what: String,
    },
}
