//! The rows of the journal, as the keeper sees them.

use alloy::primitives::{Address, B256, Bytes, U256};
use serde_json::Value;

/// The full record of one cycle of one vault: the block that was read, and what was decided on it.
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
    /// Whether it guards a floor.
    pub urgency: Urgency,
}

/// Whether a decision can wait for what is in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Urgency {
    /// It can.
    #[default]
    Routine,
    /// A floor is at risk: its intent may take the nonce of another over.
    Urgent,
}

impl Urgency {
    /// That of a trade: a mandatory one guards a floor.
    #[must_use]
    pub const fn of(mandatory: bool) -> Self {
        if mandatory { Self::Urgent } else { Self::Routine }
    }

    /// The name in the journal.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Routine => "routine",
            Self::Urgent => "urgent",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::Routine, Self::Urgent].into_iter().find(|urgency| urgency.name() == name)
    }
}

/// A cycle as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CycleEntry {
    /// Number of the row; grows with time.
    pub id: i64,
    /// Its number in the ledger.
    pub seq: i64,
    /// Wall-clock time of the write, seconds since the Unix epoch. For the reader's orientation alone.
    pub recorded_at: i64,
    /// Whether the block is known to have left the canonical chain.
    pub orphaned: bool,
    /// The record.
    pub record: CycleRecord,
}

/// What was marked as orphaned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Orphaned {
    /// Number of full records of cycles.
    pub cycles: u64,
    /// Number of records of blocks.
    pub blocks: u64,
}

/// How often one decision was taken, by full records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReasonCount {
    /// The kind of decision.
    pub verdict: String,
    /// Its reason code.
    pub reason: Option<String>,
    /// Number of full records.
    pub cycles: u64,
    /// Height of the highest block among them.
    pub last_block: u64,
}

/// Number of an intent in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IntentId(pub(super) i64);

impl From<i64> for IntentId {
    fn from(number: i64) -> Self {
        Self(number)
    }
}

impl From<IntentId> for i64 {
    fn from(id: IntentId) -> Self {
        id.0
    }
}

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
    /// Whether it guards a floor.
    pub urgency: Urgency,
}

/// What an attempt is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptKind {
    /// The first signed transaction of an intent.
    Original,
    /// The same call for more.
    Bump,
    /// A transfer of nothing to the key itself, so that the call can never be mined.
    Cancel,
}

impl AttemptKind {
    const ALL: [Self; 3] = [Self::Original, Self::Bump, Self::Cancel];

    /// The name in the journal.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Original => "original",
            Self::Bump => "bump",
            Self::Cancel => "cancel",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// How signed bytes may leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubmissionClass {
    /// To any endpoint.
    Public,
    /// To private endpoints alone.
    Private {
        /// Height from which the same bytes may go to any; never when absent.
        public_from: Option<u64>,
    },
}

impl SubmissionClass {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private { .. } => "private",
        }
    }

    pub(super) const fn public_from(self) -> Option<u64> {
        match self {
            Self::Public => None,
            Self::Private { public_from } => public_from,
        }
    }

    pub(super) fn from_parts(name: &str, public_from: Option<u64>) -> Option<Self> {
        match (name, public_from) {
            ("public", None) => Some(Self::Public),
            ("private", public_from) => Some(Self::Private { public_from }),
            _ => None,
        }
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
    /// How it may leave.
    pub submission: SubmissionClass,
    /// Height of the head at which it was signed.
    pub signed_at: u64,
    /// Gas limit, where it is not the intent's: a cancel needs 21,000.
    pub gas_limit: Option<u64>,
    /// Recipient, where it is not the intent's: a cancel goes to its own sender, without calldata.
    pub to: Option<Address>,
}

/// Where an intent stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntentState {
    /// Its bytes are durable; no node is known to have taken them.
    Prepared,
    /// Its bytes are, or may be, with a node.
    Live,
    /// Not wanted any more: a cancel of its nonce is durable, and either may be mined.
    Cancelling,
    /// Mined in a canonical block that is not yet deep enough.
    Included,
    /// Final: mined deep, and it succeeded.
    Executed,
    /// Final: mined deep, and it reverted.
    Reverted,
    /// Final: its cancel was mined deep in its place.
    Cancelled,
    /// Final: another intent of its nonce, or that one's cancel, was mined deep.
    Superseded,
    /// Its nonce was consumed by a transaction that this journal does not know. The key is halted.
    Foreign,
    /// Undecided for longer than allowed. Kept alive; no new intents from that key.
    Parked,
}

impl IntentState {
    const ALL: [Self; 10] = [
        Self::Prepared,
        Self::Live,
        Self::Cancelling,
        Self::Included,
        Self::Executed,
        Self::Reverted,
        Self::Cancelled,
        Self::Superseded,
        Self::Foreign,
        Self::Parked,
    ];

    /// Whether nothing more can become of the intent.
    #[must_use]
    pub const fn is_final(self) -> bool {
        self.took_effect() || matches!(self, Self::Superseded)
    }

    /// Whether a transaction of the intent is mined for good: of one intent per nonce at most.
    #[must_use]
    pub const fn took_effect(self) -> bool {
        matches!(self, Self::Executed | Self::Reverted | Self::Cancelled)
    }

    /// The name in the journal.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Live => "live",
            Self::Cancelling => "cancelling",
            Self::Included => "included",
            Self::Executed => "executed",
            Self::Reverted => "reverted",
            Self::Cancelled => "cancelled",
            Self::Superseded => "superseded",
            Self::Foreign => "foreign",
            Self::Parked => "parked",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// The field of an end's detail with the chain time at which it was seen, seconds since the Unix epoch.
pub const ENDED_AT: &str = "ended_at";

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
    /// Whether it was ever cancelling: whatever came after, it is not wanted.
    pub withdrawn: bool,
}

/// All that is recorded of one nonce of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotEntry {
    /// The nonce.
    pub nonce: u64,
    /// The intents that share it, oldest first; never empty. The last one is wanted, it took the nonce over from those
    /// before it.
    pub intents: Vec<IntentEntry>,
}
