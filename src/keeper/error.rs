//! Why a cycle did not come to its end, and what that means for the vaults.

use crate::chain::ChainError;
use crate::domain::canonical::CanonicalError;
use crate::execution::ExecutionError;
use crate::journal::{Absence, JournalError};
use crate::protocols::ReadError;

/// Why a cycle did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum CycleError {
    /// The facts could not be read: no snapshot, no decision, no record.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The record failed; nothing was sent that is not recorded.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Sending failed; what was signed is in the journal.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
    /// The simulation could not be run.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A record has no canonical form.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
}

impl CycleError {
    /// Whether the next block may go better without anybody's doing.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Read(_) | Self::Chain(_) => true,
            // A key that is elsewhere may be away for a while, and a halted one signs nothing: it is asked again with each
            // block, and the vault may obey another one by then.
            Self::Execution(
                ExecutionError::Chain(_) | ExecutionError::Key(_) | ExecutionError::Halted(_),
            ) => true,
            Self::Journal(_) | Self::Canonical(_) | Self::Execution(_) => false,
        }
    }

    /// Whether the record failed: then no vault may be kept, since all share it.
    #[must_use]
    pub const fn is_of_the_record(&self) -> bool {
        matches!(self, Self::Journal(_) | Self::Execution(ExecutionError::Journal(_)))
    }

    /// Stable name of what failed.
    #[must_use]
    pub const fn part(&self) -> &'static str {
        match self {
            Self::Read(_) | Self::Chain(_) | Self::Execution(ExecutionError::Chain(_)) => "node",
            Self::Execution(ExecutionError::Key(_) | ExecutionError::Halted(_)) => "key",
            Self::Execution(ExecutionError::Unknown) => "intent",
            Self::Journal(_) | Self::Canonical(_) | Self::Execution(ExecutionError::Journal(_)) => "record",
        }
    }

    /// What the record of the block says of the vault instead of a leaf.
    #[must_use]
    pub const fn absence(&self) -> Absence {
        match self {
            Self::Read(_) => Absence::Unread,
            Self::Chain(_) | Self::Execution(_) | Self::Journal(_) | Self::Canonical(_) => {
                if self.is_passing() { Absence::Failed } else { Absence::GivenUp }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Address;

    use super::*;
    use crate::execution::{Halt, KeyError};

    #[test]
    fn the_record_of_a_block_tells_what_cannot_be_read_from_what_fails_and_what_is_given_up() {
        let unread = CycleError::Read(ReadError::NoPolicy(Address::ZERO));
        let halt = Halt::ChainAhead { sender: Address::ZERO, journal: 1, chain: 2 };
        let failed = CycleError::Execution(ExecutionError::Halted(halt));
        let given_up = CycleError::Canonical(CanonicalError::NotCanonical("a float".into()));
        assert_eq!(unread.absence(), Absence::Unread);
        assert_eq!((failed.is_passing(), failed.absence()), (true, Absence::Failed));
        assert_eq!((given_up.is_passing(), given_up.absence()), (false, Absence::GivenUp));
    }

    #[test]
    fn a_key_that_could_not_sign_is_told_from_a_node_that_failed() {
        let node = || ChainError::NoVerdict { reason: "`a` is disagreeing".into() };
        let halt = Halt::ChainAhead { sender: Address::ZERO, journal: 1, chain: 2 };
        let key = KeyError::Failed { address: Address::ZERO, reason: "locked".into() };
        let parts: [(CycleError, _); 5] = [
            (node().into(), "node"),
            (ExecutionError::Chain(node()).into(), "node"),
            (ExecutionError::Halted(halt).into(), "key"),
            (ExecutionError::Key(key).into(), "key"),
            (CanonicalError::NotCanonical("a float".into()).into(), "record"),
        ];
        for (error, part) in parts {
            assert_eq!(error.part(), part, "{error}");
        }
    }
}
