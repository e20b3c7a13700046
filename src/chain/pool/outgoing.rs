//! Signed bytes and the class of endpoints that may have them.

use std::fmt;

use alloy::primitives::{B256, Bytes, keccak256};

/// Bytes that anyone may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicBytes(Bytes);

/// Bytes that only private relays may have. Nothing hands them out again: where a policy lets them become public, it
/// makes [`PublicBytes`] of what the journal holds.
///
/// ```compile_fail,E0308
/// use vault_keeper::chain::pool::{Outgoing, PrivateBytes};
/// fn leaked(bytes: PrivateBytes) -> Outgoing {
///     Outgoing::Public(bytes)
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateBytes {
    bytes: Bytes,
    next_block: u64,
    last_block: Option<u64>,
}

/// A transaction on its way to all endpoints of a class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// To the public endpoints.
    Public(PublicBytes),
    /// To the private relays.
    Private(PrivateBytes),
}

impl PublicBytes {
    /// A signed transaction in its network encoding (EIP-2718).
    #[must_use]
    pub const fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    pub(super) const fn bytes(&self) -> &Bytes {
        &self.0
    }
}

impl PrivateBytes {
    /// A signed transaction in its network encoding (EIP-2718), wanted in `next_block`, or later where a relay keeps it:
    /// those that can be told so forget it after `last_block`.
    #[must_use]
    pub const fn new(bytes: Bytes, next_block: u64, last_block: Option<u64>) -> Self {
        Self { bytes, next_block, last_block }
    }

    pub(super) const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(super) const fn next_block(&self) -> u64 {
        self.next_block
    }

    pub(super) const fn last_block(&self) -> Option<u64> {
        self.last_block
    }
}

impl fmt::Debug for PrivateBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateBytes({})", keccak256(&self.bytes))
    }
}

impl Outgoing {
    /// Hash of the transaction.
    #[must_use]
    pub fn hash(&self) -> B256 {
        match self {
            Self::Public(bytes) => keccak256(bytes.bytes()),
            Self::Private(bytes) => keccak256(bytes.bytes()),
        }
    }
}
