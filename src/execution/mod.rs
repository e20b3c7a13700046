//! Getting one planned call on chain at most once; knows no strategy.
//!
//! The nonce is the only mutex a chain gives: an intent keeps its nonce until a canonical block has consumed it. The
//! signed bytes are durable before they leave. A failed call proves nothing; verdicts rest on canonical block hashes.
//!
//! [`machine`] says what comes next for a nonce: the same bytes again, a bump, a cancel, a takeover by an intent that is
//! urgent. The [`Engine`] is its world: it looks through one endpoint of the pool, has a second one bear it out, records,
//! signs and publishes.

mod book;
mod classify;
mod config;
mod data_fee;
mod engine;
mod fees;
mod insist;
pub mod machine;
mod node;
mod outcome;
mod preflight;
mod publish;
mod resolve;
mod runway;
mod signer;
mod tending;
mod turn;
mod undone;

pub use classify::classify;
pub use config::{ClassPolicy, FeeCaps, Finality, Patience, SendingConfig};
pub use data_fee::DataFee;
pub use engine::{Engine, InFlight, Submission};
pub use fees::{FeeQuote, FeeRequest, quote};
pub use insist::{Harmless, InsistError, Insistence};
pub use outcome::{ExecutionError, FeeCap, Halt, Inclusion, Outcome, ParkReason, Refusal};
pub use preflight::{Preflight, RevertDecoder, Simulation, measured, preflight};
pub use publish::{Doubt, Published, Rejection, republish};
pub use runway::Reckoned;
pub use signer::{KeeperKey, KeyError};
pub use turn::Turn;
