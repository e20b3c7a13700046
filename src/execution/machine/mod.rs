//! What becomes of one nonce of one key: a pure state machine over what is durable and what one look at the chain shows.
//!
//! No clock, no node and no file. [`Slot::apply`] folds what was recorded, [`Slot::next`] says what comes next, and
//! [`tend`] is the loop between the two and a [`World`] that does as it is told: the keeper's real one, or the
//! simulated chain of the tests.
//!
//! ```text
//!     Prepared ──publish──▶ Live               accepted or in doubt; refused by all ⇒ Refused
//!     Live ──aged──▶ Live                       a bump, durable first
//!     Live ──deadline or withdrawn──▶ Live      a cancel, durable first: a transfer of nothing to itself
//!     Live ──own receipt, canonical──▶ Included ──vanished──▶ Live
//!     Included ──deep──▶ Ended(executed | reverted | cancelled)
//!     Live ──consumed deep by another, seen at two heads──▶ Foreign ⇒ halt
//!     any ──undecided for too long──▶ Parked
//! ```

mod admit;
mod fees;
mod next;
mod observe;
mod tend;

use alloy::primitives::{Address, B256};

pub use admit::{Account, Admission, Ahead, Busy, Plan, admit};
pub use fees::{Fees, Limits, Market, bumped};
pub use next::{CANCEL_GAS, Consumption, Look, Mined, Point, Rank, Rules, Signing, Step};
pub use observe::{Node, Witness, observe};
pub use tend::{Tended, World, publish, tend};

use super::{Published, Rejection};
use crate::defence::defended;

/// Everything durable about one nonce.
///
/// Rules it keeps: at least one claim and one attempt; attempts only of claims that are there; nothing follows an end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The nonce.
    pub nonce: u64,
    /// The intents that share it, oldest first. The last one is wanted; the others are overtaken.
    pub claims: Vec<Claim>,
    /// Signed bytes, oldest first.
    pub attempts: Vec<Attempt>,
    /// Where it stands.
    pub phase: Phase,
    /// The head at which the nonce was first seen consumed deep by none of the attempts. Not durable: a restart looks
    /// twice again.
    pub suspected: Option<B256>,
    /// Whether a person asked for a bump at the next look. Not durable: the person may ask again.
    pub hurried: bool,
}

/// An intent that wants the nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The vault it is for.
    pub vault: Address,
    /// Whether it guards a floor: then it takes a nonce over from one that does not.
    pub urgent: bool,
    /// Chain time after which it is not wanted any more, seconds since the Unix epoch.
    pub deadline: u64,
    /// Its gas limit.
    pub gas_limit: u64,
    /// Whether it is not wanted any more.
    pub withdrawn: bool,
}

/// Signed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Hash of the transaction.
    pub hash: B256,
    /// Which claim it is for.
    pub claim: usize,
    /// What it is for.
    pub kind: Kind,
    /// Its fees.
    pub fees: Fees,
    /// Height of the head at which it was signed.
    pub signed_at: u64,
}

/// What an attempt is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The first of its claim.
    Original,
    /// The same call for more.
    Bump,
    /// A transfer of nothing to the key itself, so that the call can never be mined.
    Cancel,
}

/// Where a nonce stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Bytes are durable and have not been handed out.
    Prepared,
    /// All nodes refused its bytes, each time they were handed out. The nonce may be used by another intent.
    Refused(Rejection),
    /// A node has bytes of it, or may have.
    Live,
    /// Undecided for longer than allowed: nothing new is signed, the newest bytes are sent again.
    Parked,
    /// An attempt stands in a canonical block that is not deep enough.
    Included(Mined),
    /// Consumed by a transaction that is not ours. The key is halted.
    Foreign,
    /// An attempt is final.
    Ended(End),
}

/// How a nonce ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// The attempt that was mined.
    pub mined: Mined,
    /// Which claim it was of.
    pub claim: usize,
    /// What that means for the claim. Every other claim is superseded.
    pub fate: Fate,
}

/// What became of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// Its call succeeded.
    Executed,
    /// Its call reverted, and its gas is spent.
    Reverted,
    /// Its cancel was mined in its place.
    Cancelled,
    /// Another claim of the same nonce was mined, or that one's cancel.
    Superseded,
}

/// What happened to a nonce, as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A further intent took the nonce over, with its first attempt.
    Overtaken(Claim, Attempt),
    /// A bump or a cancel was signed.
    Signed(Attempt),
    /// Bytes were handed to nodes.
    Published(Published),
    /// The wanted claim is not wanted any more: its decision has changed, or its call reverts now.
    Withdrawn,
    /// An attempt stands in a canonical block.
    Included(Mined),
    /// Its block left the chain.
    Vanished,
    /// It is undecided for too long.
    Parked,
    /// Its nonce was consumed by another transaction.
    Foreign,
    /// An attempt is final.
    Ended(End),
}

impl Slot {
    /// A nonce whose first bytes have just become durable.
    #[must_use]
    pub fn new(nonce: u64, claim: Claim, attempt: Attempt) -> Self {
        let (claims, attempts) = (vec![claim], vec![attempt]);
        Self { nonce, claims, attempts, phase: Phase::Prepared, suspected: None, hurried: false }
    }

    /// The slot as a new process finds it: whatever was not recorded of a publication may have happened.
    #[must_use]
    pub fn recovered(mut self) -> Self {
        if matches!(self.phase, Phase::Prepared | Phase::Refused(_)) && defended(4) && defended(5) {
            self.phase = Phase::Live;
        }
        if !defended(11) {
            self.forget_bumps();
        }
        self
    }

    /// The first bid taken for the newest: what a restart forgets that keeps fees in memory.
    fn forget_bumps(&mut self) {
        if let Some(first) = self.attempts.first().map(|first| first.fees) {
            self.attempts.iter_mut().for_each(|attempt| attempt.fees = first);
        }
    }

    /// What was recorded becomes the state. Total: what does not fit changes nothing.
    pub fn apply(&mut self, event: &Event) {
        if matches!(self.phase, Phase::Ended(_)) {
            return;
        }
        match event {
            Event::Overtaken(claim, attempt) => {
                self.claims.push(*claim);
                self.attempts.push(*attempt);
                self.unrefused();
                if self.phase == Phase::Parked {
                    self.phase = Phase::Live;
                }
            }
            Event::Signed(attempt) => {
                self.attempts.push(*attempt);
                self.hurried = false;
                self.unrefused();
            }
            Event::Published(published) => self.published(published),
            Event::Withdrawn => {
                if let Some(claim) = self.claims.last_mut() {
                    claim.withdrawn = true;
                }
            }
            Event::Included(mined) => self.phase = Phase::Included(*mined),
            Event::Vanished => self.phase = Phase::Live,
            Event::Parked => self.phase = Phase::Parked,
            Event::Foreign => self.phase = Phase::Foreign,
            Event::Ended(end) => self.phase = Phase::Ended(*end),
        }
    }

    /// What may once have been live never becomes refused again.
    fn published(&mut self, published: &Published) {
        let published = if defended(1) { published } else { &doubted(published) };
        match (self.phase, published) {
            (Phase::Prepared | Phase::Refused(_), Published::Rejected(why)) => {
                self.phase = Phase::Refused(*why)
            }
            (Phase::Prepared | Phase::Refused(_), Published::Accepted | Published::Ambiguous(_)) => {
                self.phase = Phase::Live;
            }
            _ => {}
        }
    }

    /// New bytes may leave before anything is known of them.
    const fn unrefused(&mut self) {
        if matches!(self.phase, Phase::Refused(_)) {
            self.phase = Phase::Prepared;
        }
    }

    /// The newest bytes.
    #[must_use]
    pub fn newest(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// The claim that is wanted, unless it was overtaken or withdrawn since.
    #[must_use]
    pub fn wanted(&self) -> Option<(usize, &Claim)> {
        self.claims.len().checked_sub(1).and_then(|last| self.claims.get(last).map(|claim| (last, claim)))
    }

    /// Whether the newest bytes cancel the wanted claim.
    #[must_use]
    pub fn is_cancelling(&self) -> bool {
        self.newest().is_some_and(|attempt| attempt.kind == Kind::Cancel)
    }

    /// Whether its bytes are, or may be, on their way.
    #[must_use]
    pub const fn is_in_flight(&self) -> bool {
        matches!(self.phase, Phase::Prepared | Phase::Refused(_) | Phase::Live | Phase::Parked)
    }

    /// Whether no node ever took bytes of it and its intent is not wanted any more at this chain time: the next intent takes
    /// the nonce.
    #[must_use]
    pub fn is_free(&self, time: u64) -> bool {
        matches!(self.phase, Phase::Refused(_)) && self.is_unwanted(time)
    }

    /// Whether the wanted claim is not wanted any more at this chain time.
    #[must_use]
    pub fn is_unwanted(&self, time: u64) -> bool {
        self.wanted().is_some_and(|(_, claim)| claim.withdrawn || time > claim.deadline)
    }

    /// What became of each claim; `None` before the end.
    #[must_use]
    pub fn fates(&self) -> Option<Vec<Fate>> {
        let Phase::Ended(end) = self.phase else { return None };
        let fate = |at: usize| if at == end.claim { end.fate } else { Fate::Superseded };
        Some((0..self.claims.len()).map(fate).collect())
    }
}

/// A doubt taken for a refusal: the fault that this engine is there to avoid.
fn doubted(published: &Published) -> Published {
    match published {
        Published::Ambiguous(_) => Published::Rejected(Rejection::Invalid),
        Published::Accepted | Published::Rejected(_) => published.clone(),
    }
}

/// One answer of many: any node that has the bytes has them, any doubt is one, and only what all refuse is refused.
#[must_use]
pub fn joined(answers: impl IntoIterator<Item = Published>) -> Option<Published> {
    let rank = |published: &Published| match published {
        Published::Accepted => 0,
        Published::Ambiguous(_) => 1,
        Published::Rejected(Rejection::InsufficientFunds) => 2,
        Published::Rejected(_) => 3,
    };
    if defended(42) { answers.into_iter().min_by_key(rank) } else { answers.into_iter().max_by_key(rank) }
}
