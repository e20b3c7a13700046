//! The durable record: cycles, intents, signed bytes and what became of them.
//!
//! Rows are added, never changed; triggers of the database refuse anything else, and a ledger chains all of them by their
//! hashes (`docs/journal.md`). After a write that failed none follows until the journal is opened again. The journal is evidence, never an
//! input to a decision. [`Journal`] hides the database behind it.

mod audit;
mod content;
mod error;
mod heads;
mod ledger;
mod lock;
mod packing;
mod read;
mod recorded;
mod records;
mod requests;
mod review;
mod rules;
mod signed;
mod slots;
mod store;
mod transactions;
mod wal;
mod write;
mod writer;

pub use audit::{Fault, Verified};
pub use error::JournalError;
pub use heads::{Absence, Absences, BlockRecord, Roster, RunRecord, Standing};
pub use ledger::LedgerEntry;
pub use recorded::{FullRecord, Recorded};
pub use records::{
    AttemptKind, AttemptRecord, CycleEntry, CycleRecord, ENDED_AT, EventRecord, IntentEntry, IntentId,
    IntentRecord, IntentState, Orphaned, ReasonCount, SlotEntry, SubmissionClass, Urgency,
};
pub use requests::{Lying, Request, Requests};
pub use review::{BlockEntry, RosterEntry, RunEntry};
pub use store::{Journal, JournalOptions};
pub use transactions::IntentFilter;
