//! Whether a key may take on a new intent, and at which nonce.

use alloy::primitives::Address;

use super::{Attempt, Phase, Slot};
use crate::defence::defended;

/// A new intent, before anything is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// The vault it is for.
    pub vault: Address,
    /// Whether it guards a floor.
    pub urgent: bool,
}

/// What a node tells of the key's account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Time of the head, seconds since the Unix epoch.
    pub time: u64,
    /// Transactions at the head.
    pub latest: u64,
    /// Transactions with the node's pool.
    pub pending: u64,
}

/// Where a new intent goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// To the next nonce.
    Next {
        /// The nonce.
        nonce: u64,
    },
    /// To a nonce that another intent holds, over whose newest bytes it has to bid.
    Takeover {
        /// The nonce.
        nonce: u64,
        /// The newest bytes.
        over: Attempt,
    },
}

impl Admission {
    /// The nonce to sign with.
    #[must_use]
    pub const fn nonce(&self) -> u64 {
        match self {
            Self::Next { nonce } | Self::Takeover { nonce, .. } => *nonce,
        }
    }
}

/// Why a key takes on nothing now; the next block may go better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Busy {
    /// The vault's last intent is not in a block yet.
    InFlight {
        /// Its nonce.
        nonce: u64,
    },
    /// As many nonces are under way as may be.
    Full {
        /// How many.
        in_flight: usize,
    },
    /// An intent is undecided for longer than allowed.
    Parked {
        /// Its nonce.
        nonce: u64,
    },
    /// The node shows another number of transactions than what is known to be mined: it lags, or its receipts do.
    Unsettled {
        /// Transactions that are known to be mined.
        known: u64,
        /// Transactions that the node shows.
        latest: u64,
    },
}

/// The chain knows more of the key than the journal: someone else has it, or the journal is old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ahead {
    /// A nonce was consumed by a transaction that is not ours.
    Foreign {
        /// The nonce.
        nonce: u64,
    },
    /// The chain has transactions that the journal does not know.
    Chain {
        /// Next nonce by the journal.
        journal: u64,
        /// Next nonce by the chain.
        latest: u64,
    },
    /// The node holds pending transactions that the journal does not know.
    Pool {
        /// Next nonce by the journal, or by the chain where the journal is empty.
        journal: u64,
        /// Next nonce with the node's pool.
        pending: u64,
    },
}

/// Admits `plan` to a key whose `open` nonces have not ended, ascending, and whose next nonce by the journal is `next`;
/// `None` for a key that the journal does not know.
///
/// A nonce that no node ever took bytes of, and whose intent is not wanted any more, is taken over by the next intent,
/// and so is the nonce of a vault's routine intent by an urgent one of the same vault.
///
/// # Errors
/// [`Ahead`]: then the key must sign nothing until its operator has looked.
pub fn admit(
    plan: &Plan,
    open: &[Slot],
    next: Option<u64>,
    account: Account,
    most_in_flight: usize,
) -> Result<Result<Admission, Busy>, Ahead> {
    let next = if defended(45) { next.unwrap_or(account.latest) } else { account.pending };
    if let Some(slot) = open.iter().find(|slot| slot.phase == Phase::Foreign) {
        return Err(Ahead::Foreign { nonce: slot.nonce });
    }
    if account.pending > next && !defended(55) {
        return Ok(Ok(Admission::Next { nonce: account.pending }));
    }
    if account.latest > next {
        return Err(Ahead::Chain { journal: next, latest: account.latest });
    }
    if account.pending > next {
        return Err(Ahead::Pool { journal: next, pending: account.pending });
    }
    Ok(place(plan, open, next, account, most_in_flight))
}

fn place(
    plan: &Plan,
    open: &[Slot],
    next: u64,
    account: Account,
    most_in_flight: usize,
) -> Result<Admission, Busy> {
    let in_flight = || open.iter().filter(|slot| slot.is_in_flight());
    let known = in_flight().map(|slot| slot.nonce).min().unwrap_or(next);
    if account.latest != known {
        return Err(Busy::Unsettled { known, latest: account.latest });
    }
    let free = in_flight().find(|slot| slot.is_free(account.time));
    let is_own = |slot: &&Slot| slot.wanted().is_some_and(|(_, claim)| claim.vault == plan.vault);
    let own = in_flight().filter(|slot| !slot.is_free(account.time)).find(is_own);
    let over = match own {
        Some(slot) => Some(slot).filter(|slot| plan.urgent && is_routine(slot)),
        None => free,
    };
    if let Some((nonce, over)) = over.and_then(|slot| Some((slot.nonce, *slot.newest()?))) {
        return Ok(Admission::Takeover { nonce, over });
    }
    if let Some(slot) = in_flight().find(|slot| slot.phase == Phase::Parked) {
        return Err(Busy::Parked { nonce: slot.nonce });
    }
    if let Some(slot) = own {
        return Err(Busy::InFlight { nonce: slot.nonce });
    }
    let in_flight = in_flight().count();
    if in_flight >= most_in_flight {
        Err(Busy::Full { in_flight })
    } else {
        Ok(Admission::Next { nonce: next })
    }
}

fn is_routine(slot: &Slot) -> bool {
    slot.wanted().is_some_and(|(_, claim)| !claim.urgent || claim.withdrawn)
}
