//! What a record consists of: the one list of columns from which it is written, hashed, verified and exported.

use alloy::primitives::{Address, B256, Bytes, Keccak256};

/// The kinds of records, in the order of their first use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Cycle,
    Intent,
    Attempt,
    Event,
    Orphaned,
    Run,
    Roster,
    Block,
    Returned,
}

/// The columns of the kinds that have many.
const CYCLE: &[&str] = &[
    "id",
    "recorded_at",
    "chain_id",
    "vault",
    "block_number",
    "block_hash",
    "block_timestamp",
    "policy_hash",
    "snapshot_hash",
    "decision_hash",
    "verdict",
    "reason",
    "decision",
    "snapshot",
    "dispatch",
    "urgency",
];
const INTENT: &[&str] = &[
    "id",
    "cycle_id",
    "chain_id",
    "sender",
    "nonce",
    "vault",
    "vault_nonce",
    "recipient",
    "calldata",
    "deadline",
    "gas_limit",
    "planned",
    "urgency",
    "takes_over",
];
const ATTEMPT: &[&str] = &[
    "id",
    "intent_id",
    "hash",
    "raw",
    "max_fee_per_gas",
    "max_priority_fee_per_gas",
    "kind",
    "submission",
    "public_from",
    "signed_at",
    "gas_limit",
    "recipient",
];
const BLOCK: &[&str] = &[
    "id",
    "recorded_at",
    "chain_id",
    "block_number",
    "block_hash",
    "block_timestamp",
    "roster_id",
    "leaves",
    "root",
    "level",
    "absences",
];

impl Kind {
    /// How many there are.
    pub(super) const COUNT: usize = 9;

    pub(super) const ALL: [Self; Self::COUNT] = [
        Self::Cycle,
        Self::Intent,
        Self::Attempt,
        Self::Event,
        Self::Orphaned,
        Self::Run,
        Self::Roster,
        Self::Block,
        Self::Returned,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Cycle => "cycle",
            Self::Intent => "intent",
            Self::Attempt => "attempt",
            Self::Event => "event",
            Self::Orphaned => "orphaned",
            Self::Run => "run",
            Self::Roster => "roster",
            Self::Block => "block",
            Self::Returned => "returned",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    pub(super) const fn table(self) -> &'static str {
        match self {
            Self::Cycle => "cycles",
            Self::Intent => "intents",
            Self::Attempt => "attempts",
            Self::Event => "intent_events",
            Self::Orphaned => "orphans",
            Self::Run => "runs",
            Self::Roster => "rosters",
            Self::Block => "blocks",
            Self::Returned => "returns",
        }
    }

    /// The columns that are hashed, in their order: all but the mark of an orphaned block, which is a record of its own.
    pub(super) const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Cycle => CYCLE,
            Self::Intent => INTENT,
            Self::Attempt => ATTEMPT,
            Self::Event => &["id", "recorded_at", "intent_id", "state", "detail", "block_hash", "fee"],
            Self::Orphaned => &["id", "recorded_at", "chain_id", "block_hash", "last_cycle"],
            Self::Run => &["id", "recorded_at", "program_version", "decision_version"],
            Self::Roster => &["id", "recorded_at", "run_id", "chain_id", "vaults"],
            Self::Block => BLOCK,
            Self::Returned => &["id", "recorded_at", "chain_id", "block_hash", "last_orphan"],
        }
    }

    /// The name of a column outside the database, where `kind` is that of the record.
    pub(super) fn exported(self, column: &'static str) -> &'static str {
        if (self, column) == (Self::Attempt, "kind") { "attempt_kind" } else { column }
    }

    /// Whether a column holds bytes, which are shown in hexadecimal.
    pub(super) fn is_bytes(self, column: &str) -> bool {
        matches!(
            (self, column),
            (Self::Intent, "calldata")
                | (Self::Attempt, "raw")
                | (Self::Roster, "vaults")
                | (Self::Block, "block_hash" | "root" | "level")
        )
    }
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Bytes),
}

/// What a column will hold.
#[derive(Debug, Clone)]
pub(super) enum Field {
    Value(Value),
    /// Number of the newest record of a kind, in this very commit.
    Newest(Kind),
    /// Time of the commit.
    Now,
}

/// A record to be written, without its number.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) kind: Kind,
    pub(super) fields: Vec<Field>,
}

impl From<Value> for Field {
    fn from(value: Value) -> Self {
        Self::Value(value)
    }
}

impl From<i64> for Field {
    fn from(value: i64) -> Self {
        Value::Integer(value).into()
    }
}

impl From<Option<i64>> for Field {
    fn from(value: Option<i64>) -> Self {
        value.map_or(Value::Null, Value::Integer).into()
    }
}

impl From<String> for Field {
    fn from(text: String) -> Self {
        Value::Text(text).into()
    }
}

impl From<&str> for Field {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<Option<String>> for Field {
    fn from(text: Option<String>) -> Self {
        text.map_or(Value::Null, Value::Text).into()
    }
}

impl From<Bytes> for Field {
    fn from(bytes: Bytes) -> Self {
        Value::Bytes(bytes).into()
    }
}

impl From<&Address> for Field {
    fn from(address: &Address) -> Self {
        address_text(address).into()
    }
}

impl From<&B256> for Field {
    fn from(hash: &B256) -> Self {
        hash_text(hash).into()
    }
}

/// Lower case, so that one address has one spelling.
pub(super) fn address_text(address: &Address) -> String {
    format!("{address:#x}")
}

pub(super) fn hash_text(hash: &B256) -> String {
    format!("{hash:#x}")
}

/// The hash of a record: keccak256 of the hash before it and of its content (docs/journal.md).
#[derive(Debug)]
pub(super) struct Digest(Keccak256);

impl Digest {
    pub(super) fn new(previous: B256, seq: i64, kind: Kind) -> Self {
        let mut digest = Self(Keccak256::new());
        digest.0.update(previous);
        digest.add(Some(seq.to_string().as_bytes()));
        digest.add(Some(kind.name().as_bytes()));
        digest
    }

    /// One column: `-` where it is null, otherwise its length in bytes, a colon and the bytes.
    pub(super) fn add(&mut self, column: Option<&[u8]>) {
        match column {
            None => self.0.update(b"-"),
            Some(bytes) => {
                self.0.update(format!("{}:", bytes.len()).as_bytes());
                self.0.update(bytes);
            }
        }
    }

    pub(super) fn add_value(&mut self, value: &Value) {
        match value {
            Value::Null => self.add(None),
            Value::Integer(integer) => self.add(Some(integer.to_string().as_bytes())),
            Value::Text(text) => self.add(Some(text.as_bytes())),
            Value::Bytes(bytes) => self.add(Some(bytes)),
        }
    }

    pub(super) fn finish(self) -> B256 {
        self.0.finalize()
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::keccak256;

    use super::*;

    #[test]
    fn the_hash_of_a_record_is_that_of_the_documented_bytes() {
        let mut digest = Digest::new(B256::repeat_byte(1), 12, Kind::Event);
        for value in [Value::Integer(-7), Value::Null, Value::Text("é".into()), Value::Bytes([0, 58].into())]
        {
            digest.add_value(&value);
        }
        let mut bytes = vec![1; 32];
        bytes.extend(b"2:125:event2:-7-2:\xc3\xa92:\x00:");
        assert_eq!(digest.finish(), keccak256(bytes));
    }

    #[test]
    fn no_two_contents_are_one_text() {
        let hash = |columns: &[Option<&[u8]>]| {
            let mut digest = Digest::new(B256::ZERO, 1, Kind::Cycle);
            columns.iter().for_each(|column| digest.add(*column));
            digest.finish()
        };
        assert_ne!(hash(&[Some(b"-")]), hash(&[None]));
        assert_ne!(hash(&[Some(b"1:a")]), hash(&[Some(b"1"), Some(b"a")]));
        assert_ne!(hash(&[Some(b""), None]), hash(&[None, Some(b"")]));
    }
}
