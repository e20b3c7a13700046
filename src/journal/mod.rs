//! The durable record: cycles, intents, signed bytes and what became of them.
//!
//! Rows are added, never changed; triggers of the database refuse anything else. The journal is evidence, never an
//! input to a decision. [`Journal`] hides the database behind it.

mod error;
mod lock;
mod read;
mod records;
mod store;
mod write;

pub use error::JournalError;
pub use records::{
    AttemptKind, AttemptRecord, CycleEntry, CycleRecord, EventRecord, IntentEntry, IntentId, IntentRecord,
    IntentState, ReasonCount,
};
pub use store::{Journal, JournalOptions};
