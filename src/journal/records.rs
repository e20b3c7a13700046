//! The rows of the journal, as the keeper sees them.

use alloy::primitives::{Address, B256, Bytes, U256};
use serde_json::Value;

/// One cycle of one vault: the block that was read, and what was decided on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CycleRecord {
    /// Chain id.
    pub chain_id: u64,
    /// The vault.
    pub vault: Address,
    /// Height of the block that was decided on.
    pub block_number: u64,
    /// Hash of that block.
    pub block_hash: B256,
    /// Time of that block, seconds since the Unix epoch.
    pub block_timestamp: u64,
    /// keccak256 of the canonical policy.
    pub policy_hash: B256,
    /// keccak256 of the canonical snapshot.
    pub snapshot_hash: B256,
    /// The decision hash.
    pub decision_hash: B256,
    /// The kind of decision, say `hold`, `refuse` or `rebalance`.
    pub verdict: String,
    /// Reason code of a decision not to act.
    pub reason: Option<String>,
    /// The decision as canonical JSON.
    pub decision_json: String,
    /// The snapshot as canonical JSON, where it is kept.
    pub snapshot_json: Option<String>,
    /// What was done with the decision in view of what was in flight.
    pub dispatch: Option<String>,
}

/// A cycle as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CycleEntry {
    /// Number of the row; grows with time.
    pub id: i64,
    /// Wall-clock time of the write, seconds since the Unix epoch. For the reader's orientation alone.
    pub recorded_at: i64,
    /// Whether the block is known to have left the canonical chain.
    pub orphaned: bool,
    /// The record.
    pub record: CycleRecord,
}

/// How often one decision was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReasonCount {
    /// The kind of decision.
    pub verdict: String,
    /// Its reason code.
    pub reason: Option<String>,
    /// Number of cycles.
    pub cycles: u64,
    /// Height of the highest block among them.
    pub last_block: u64,
}

/// Number of an intent in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IntentId(pub(super) i64);

impl std::fmt::Display for IntentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One transaction that the keeper sets out to get mined. It carries no ether.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntentRecord {
    /// Chain id, signed into every attempt.
    pub chain_id: u64,
    /// Account that signs.
    pub sender: Address,
    /// Nonce of that account, kept until the chain has consumed it.
    pub nonce: u64,
    /// The vault that it is for.
    pub vault: Address,
    /// The vault's own nonce in the calldata.
    pub vault_nonce: U256,
    /// Contract called.
    pub to: Address,
    /// Calldata.
    pub calldata: Bytes,
    /// Chain time after which the vault refuses it, seconds since the Unix epoch.
    pub deadline: u64,
    /// Gas limit.
    pub gas_limit: u64,
    /// What the plan expects of it, as JSON.
    pub planned_json: String,
}

/// What an attempt is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptKind {
    /// The first signed transaction of an intent.
    Original,
}

impl AttemptKind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Original => "original",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        (name == Self::Original.name()).then_some(Self::Original)
    }
}

/// Signed bytes of an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRecord {
    /// Hash of the transaction.
    pub hash: B256,
    /// The signed transaction in its network encoding (EIP-2718).
    pub raw: Bytes,
    /// Fee cap, wei per gas.
    pub max_fee_per_gas: u128,
    /// Tip cap, wei per gas.
    pub max_priority_fee_per_gas: u128,
    /// What it is for.
    pub kind: AttemptKind,
}

/// Where an intent stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntentState {
    /// Its bytes are durable; no node is known to have taken them.
    Prepared,
    /// Its bytes are, or may be, with a node.
    Live,
    /// Mined in a canonical block that is not yet deep enough.
    Included,
    /// Final: mined deep, and it succeeded.
    Executed,
    /// Final: mined deep, and it reverted.
    Reverted,
    /// Its nonce was consumed by a transaction that this journal does not know. The key is halted.
    Foreign,
    /// Undecided for longer than allowed. Kept alive; no new intents from that key.
    Parked,
}

impl IntentState {
    const ALL: [Self; 7] = [
        Self::Prepared,
        Self::Live,
        Self::Included,
        Self::Executed,
        Self::Reverted,
        Self::Foreign,
        Self::Parked,
    ];

    /// Whether nothing more can become of the intent.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Executed | Self::Reverted)
    }

    /// The name in the journal.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Live => "live",
            Self::Included => "included",
            Self::Executed => "executed",
            Self::Reverted => "reverted",
            Self::Foreign => "foreign",
            Self::Parked => "parked",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// One thing that happened to an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// State from now on.
    pub state: IntentState,
    /// What happened.
    pub detail: Value,
    /// Block that it was seen in.
    pub block_hash: Option<B256>,
    /// Fee paid in wei, for a final state.
    pub fee: Option<U256>,
}

/// An intent as recorded, with its attempts and its last event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntentEntry {
    /// Number of the intent.
    pub id: IntentId,
    /// Hash of the decision that it carries out.
    pub decision_hash: B256,
    /// Height of the block that was decided on: the chain had not consumed the nonce there.
    pub decision_block: u64,
    /// The record.
    pub record: IntentRecord,
    /// Its signed bytes, oldest first; never empty.
    pub attempts: Vec<AttemptRecord>,
    /// The last event, so its state and outcome.
    pub last_event: EventRecord,
    /// Wall-clock time of that event, seconds since the Unix epoch. For the reader's orientation alone.
    pub last_event_at: i64,
}
