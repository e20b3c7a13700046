//! How one endpoint stands, why, since when, and when it may return.

use std::fmt;
use std::time::Duration;

use alloy::primitives::B256;

use super::health::Tip;

/// What an endpoint said that cannot be true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lie {
    /// It answered another hash than that of the bytes it was sent.
    WrongHash {
        /// The answered hash.
        returned: B256,
    },
    /// It told a receipt from a block that it does not know itself, or that others tell otherwise.
    ForgedReceipt {
        /// The transaction.
        transaction: B256,
    },
    /// It told a header that no block of the chain can have.
    ImpossibleHeader {
        /// What is impossible about it.
        reason: String,
    },
}

/// How an endpoint stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It may be read and written.
    Healthy,
    /// It is behind the others.
    Lagging {
        /// By how many blocks.
        blocks: u64,
    },
    /// It has another block than the others.
    Disagreeing {
        /// At this height.
        height: u64,
    },
    /// It does not answer.
    Unreachable {
        /// The last failure.
        reason: String,
    },
    /// It lied.
    Quarantined(Lie),
    /// It serves another chain: it never comes back.
    Dropped {
        /// The id that it answered.
        actual: u64,
    },
}

/// An endpoint's standing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// How it stands.
    pub state: State,
    /// Since when, from the start of the pool.
    pub since: Duration,
    /// When it may return at the earliest, from the start of the pool; absent where that depends on what it answers.
    pub returns_at: Option<Duration>,
    /// Its newest block at the last look.
    pub tip: Option<Tip>,
    /// Failed calls in a row.
    pub failures: u32,
    /// Good looks in a row.
    pub good_looks: u32,
    /// How often it lied.
    pub lies: u32,
}

/// A change of an endpoint's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Place of the endpoint.
    pub place: usize,
    /// Name of the state before.
    pub from: &'static str,
    /// The state now.
    pub to: State,
}

impl State {
    /// Stable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Lagging { .. } => "lagging",
            Self::Disagreeing { .. } => "disagreeing",
            Self::Unreachable { .. } => "unreachable",
            Self::Quarantined(_) => "quarantined",
            Self::Dropped { .. } => "dropped",
        }
    }

    /// Stable name of the alert that a change to it is.
    #[must_use]
    pub const fn alert(&self) -> &'static str {
        match self {
            Self::Healthy => "endpoint_healthy",
            Self::Lagging { .. } => "endpoint_lagging",
            Self::Disagreeing { .. } => "endpoint_disagreeing",
            Self::Unreachable { .. } => "endpoint_unreachable",
            Self::Quarantined(_) => "endpoint_quarantined",
            Self::Dropped { .. } => "endpoint_dropped",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Healthy => write!(f, "healthy"),
            Self::Lagging { blocks } => write!(f, "lagging, {blocks} blocks behind the others"),
            Self::Disagreeing { height } => {
                write!(f, "disagreeing, it has another block {height} than the others")
            }
            Self::Unreachable { reason } => write!(f, "unreachable: {reason}"),
            Self::Quarantined(lie) => write!(f, "quarantined, {lie}"),
            Self::Dropped { actual } => write!(f, "dropped, it serves chain {actual}"),
        }
    }
}

impl fmt::Display for Lie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongHash { returned } => {
                write!(f, "it answered hash {returned} to bytes of another")
            }
            Self::ForgedReceipt { transaction } => {
                write!(f, "it told a receipt of {transaction} that is not on the chain")
            }
            Self::ImpossibleHeader { reason } => write!(f, "it told a header that cannot be: {reason}"),
        }
    }
}

impl Standing {
    pub(super) fn at_start(connected: Result<(), String>) -> Self {
        let state = connected.map_or_else(|reason| State::Unreachable { reason }, |()| State::Healthy);
        let (since, returns_at, tip) = (Duration::ZERO, None, None);
        Self { state, since, returns_at, tip, failures: 0, good_looks: 0, lies: 0 }
    }

    /// Whether it may be read and written.
    #[must_use]
    pub const fn is_healthy(&self) -> bool {
        matches!(self.state, State::Healthy)
    }

    /// Whether nothing that it says counts.
    #[must_use]
    pub const fn is_barred(&self) -> bool {
        matches!(self.state, State::Quarantined(_) | State::Dropped { .. })
    }

    /// Takes the state; a change of it where its name is another.
    pub(super) fn becomes(&mut self, place: usize, to: State, now: Duration) -> Option<Change> {
        let from = self.state.name();
        // Nothing follows after another chain.
        if matches!(self.state, State::Dropped { .. }) {
            return None;
        }
        self.state = to.clone();
        self.returns_at = None;
        if from == to.name() {
            return None;
        }
        self.since = now;
        self.good_looks = 0;
        Some(Change { place, from, to })
    }
}
