//! Getting one planned call on chain at most once; knows no strategy.
//!
//! The nonce is the only mutex a chain gives: an intent keeps its nonce until a canonical block has consumed it. The
//! signed bytes are durable before they leave. A failed call proves nothing; verdicts rest on canonical block hashes.
//!
//! [`machine`] says what comes next for a nonce: bumps, cancels, takeovers. The [`Engine`] does not follow it yet: there
//! an intent has one attempt, and when its fee cap is passed by the market, the same bytes are sent again until they fit or
//! the operator steps in.

mod classify;
mod config;
mod data_fee;
mod engine;
mod fees;
mod foreign;
pub mod machine;
mod outcome;
mod preflight;
mod publish;
mod resolve;
mod signer;
mod turn;

pub use classify::classify;
pub use config::{FeeCaps, Finality, SendingConfig};
pub use data_fee::DataFee;
pub use engine::{Engine, Submission};
pub use fees::{FeeQuote, FeeRequest, quote};
pub use outcome::{ExecutionError, FeeCap, Halt, Inclusion, Outcome, ParkReason, Refusal};
pub use preflight::{Preflight, RevertDecoder, Simulation, measured, preflight};
pub use publish::{Doubt, Published, Rejection};
pub use signer::{KeeperKey, KeyError};
pub use turn::Turn;
