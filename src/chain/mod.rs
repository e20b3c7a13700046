//! The endpoints of a chain, read and written through typed calls; knows no protocol.
//!
//! Every read names the block it is made at. Every call has a time-out and a bounded answer. A failure says what
//! the operator can do about it and is never evidence of anything on the chain.

mod backoff;
mod credentials;
mod endpoint;
mod error;
pub mod fees;
mod header;
mod heads;
mod logs;
pub mod pool;
mod pulse;
mod receipt;
mod request;
mod said;
mod transaction;
mod transport;

pub use credentials::Credentials;
pub use endpoint::{Endpoint, Timeouts};
pub use error::ChainError;
pub use header::{Block, Header};
pub use heads::{HeadEvent, HeadTimes, Heads, NewHead, next_head, try_socket};
pub use receipt::Receipt;
pub use request::{At, CallRequest, LogFilter, MinedLog, Simulated};
pub use said::shown;
pub use transaction::{FullBlock, Transaction, Unsigned};
pub use transport::SecretUrl;
