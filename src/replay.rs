//! Looking back: what was decided and done, recomputed from the chain by whoever has an archive node and the published
//! policy.
//!
//! Nothing here is read from a keeper, unless its own record is what is looked into. A fact comes from every endpoint that
//! is given, and one that two of them tell otherwise ends the work: one of them lies, or they are of two chains.

pub mod audit;
mod compared;
mod difference;
mod execution;
mod fault;
mod fork;
mod fulls;
mod outcome;
mod recompute;
mod record;
mod replayed;
mod source;
mod subtree;
mod whole;

pub use difference::{Difference, first_difference};
pub use execution::{Anvil, Executed, Explained, execute, explain};
pub use fault::Fault;
pub use fork::{Fork, LeftOut, check_anvil};
pub use recompute::{Recomputed, Subject, recompute};
pub use record::{Held, Records, Tally};
pub use replayed::{Progress, Replayed};
pub use source::Source;
pub use subtree::{Beside, Made, Subtree, decided_again, node_over};
pub use whole::{Part, Replay};
