//! What comes next for one nonce.

use alloy::primitives::B256;

use crate::defence::defended;
use crate::execution::Rejection;

use super::{Attempt, End, Event, Fate, Fees, Kind, Limits, Market, Phase, Slot, bumped};

/// What one look from one node at one canonical head shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// The head.
    pub head: Point,
    /// The newest block that counts as final; `None` where none does yet.
    pub deep: Option<Point>,
    /// Whether the nonce is consumed.
    pub consumed: Consumption,
    /// The own attempt that stands in a canonical block.
    pub mined: Option<Mined>,
    /// What the next block asks for.
    pub market: Market,
    /// Whether the wanted call, run on the head, reverts; false where that was not asked.
    pub reverts: bool,
    /// Whether a second node says the same, where there is more than one: without it nothing ends and nobody is accused.
    pub witnessed: bool,
}

/// A canonical block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// Its height.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Its time, seconds since the Unix epoch.
    pub time: u64,
}

/// An own attempt in a canonical block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mined {
    /// The attempt.
    pub attempt: B256,
    /// Height of its block.
    pub number: u64,
    /// Hash of its block.
    pub block: B256,
    /// Whether it succeeded.
    pub success: bool,
}

/// Whether a nonce is consumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consumption {
    /// Not at the head.
    No,
    /// At the head, and not yet deep.
    Shallow,
    /// At the newest final block. Whether the block that consumed it holds none of the attempts, where that is known.
    Deep {
        /// It holds none of them.
        foreign: Option<bool>,
    },
}

/// Patience and limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Blocks after which bytes that are not mined are raised.
    pub bump_after: u64,
    /// Most signatures of one nonce, cancels left out.
    pub most_attempts: usize,
    /// Blocks after its first signature at which a nonce that nothing is decided of is parked.
    pub park_after: u64,
    /// What calls may bid.
    pub calls: Limits,
    /// What cancels may bid; a cancel costs a fraction of a call.
    pub cancels: Limits,
}

/// Gas of a transfer.
pub const CANCEL_GAS: u64 = 21_000;

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing until the next look.
    Wait,
    /// Record this, then ask again.
    Note(Event),
    /// Remember that a foreign transaction is suspected at this head; look again at another.
    Suspect(B256),
    /// Send the newest bytes again.
    Publish {
        /// Whether a bump is due and no cap allows one: somebody should know.
        held: bool,
    },
    /// Sign, record, then send.
    Sign(Signing),
    /// The key must sign nothing more.
    Halt,
}

/// What to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signing {
    /// What for.
    pub kind: Kind,
    /// For which claim.
    pub claim: usize,
    /// At which fees.
    pub fees: Fees,
}

/// Blocks since an attempt was signed; none where the chain is shorter than it was then.
fn age(attempt: &Attempt, head: u64) -> u64 {
    if defended(21) { head.saturating_sub(attempt.signed_at) } else { head.wrapping_sub(attempt.signed_at) }
}

impl Slot {
    /// What comes next. `lowest` says whether no lower nonce is open: a node takes the others only after it, so only the
    /// lowest is raised.
    #[must_use]
    pub fn next(&self, look: &Look, rules: &Rules, lowest: bool) -> Step {
        match (self.phase, look.mined) {
            (Phase::Ended(_), _) => Step::Wait,
            (Phase::Foreign, _) => Step::Halt,
            (Phase::Prepared, None) if !defended(4) => Step::Wait,
            (Phase::Prepared, Some(_)) if !defended(5) => Step::Publish { held: false },
            (_, Some(mined)) => self.mined(mined, look),
            (Phase::Included(_), None) if defended(20) => Step::Note(Event::Vanished),
            (Phase::Included(_), None) => Step::Wait,
            (Phase::Refused(_), None) if !defended(33) => Step::Wait,
            (Phase::Prepared | Phase::Refused(_) | Phase::Live | Phase::Parked, None) => {
                match look.consumed {
                    Consumption::No => self.unmined(look, rules, lowest),
                    // Most likely by one of ours, whose receipt this node does not have yet.
                    Consumption::Shallow | Consumption::Deep { foreign: Some(false) } => Step::Wait,
                    Consumption::Deep { foreign } => self.consumed(look, foreign),
                }
            }
        }
    }

    fn mined(&self, mined: Mined, look: &Look) -> Step {
        let noted = if defended(19) {
            self.phase == Phase::Included(mined)
        } else {
            matches!(self.phase, Phase::Included(_))
        };
        if !noted {
            return Step::Note(Event::Included(mined));
        }
        if !defended(35) {
            return self.end(mined);
        }
        if !look.witnessed || look.deep.is_none_or(|deep| mined.number > deep.number) {
            return Step::Wait;
        }
        self.end(mined)
    }

    fn end(&self, mined: Mined) -> Step {
        let won = |attempt: &&Attempt| attempt.hash == mined.attempt;
        let attempt = if defended(22) { self.attempts.iter().find(won) } else { self.newest() };
        let Some(attempt) = attempt else { return Step::Wait };
        let fate = match (attempt.kind, mined.success) {
            (Kind::Cancel, _) => Fate::Cancelled,
            _ if self.is_cancelling() && !defended(7) => Fate::Cancelled,
            (Kind::Original | Kind::Bump, true) => Fate::Executed,
            (Kind::Original | Kind::Bump, false) => Fate::Reverted,
        };
        Step::Note(Event::Ended(End { mined, claim: attempt.claim, fate }))
    }

    /// Two observations at different heads, and a block that was looked into, before anybody is accused.
    fn consumed(&self, look: &Look, foreign: Option<bool>) -> Step {
        if !defended(13) {
            return Step::Note(Event::Foreign);
        }
        if !defended(14) {
            return Step::Publish { held: false };
        }
        match (self.suspected, foreign) {
            (Some(first), Some(true)) if look.witnessed && first != look.head.hash => {
                Step::Note(Event::Foreign)
            }
            (None, _) => Step::Suspect(look.head.hash),
            (Some(_), _) => Step::Wait,
        }
    }

    fn unmined(&self, look: &Look, rules: &Rules, lowest: bool) -> Step {
        let (Some((at, _)), Some(newest)) = (self.wanted(), self.newest()) else { return Step::Wait };
        let unwanted = self.is_unwanted(look.head.time);
        if look.reverts && !unwanted && newest.kind != Kind::Cancel && defended(23) {
            return Step::Note(Event::Withdrawn);
        }
        if unwanted && matches!(self.phase, Phase::Refused(_)) {
            // No node has a byte of it: the next intent takes the nonce.
            return Step::Wait;
        }
        if unwanted && newest.kind != Kind::Cancel && defended(41) {
            return self.cancel(newest, at, look, rules);
        }
        let first = self.attempts.first().unwrap_or(newest);
        let age = |attempt: &Attempt| age(attempt, look.head.number);
        if self.phase != Phase::Parked && age(first) >= rules.park_after {
            return Step::Note(Event::Parked);
        }
        let raisable =
            matches!(self.phase, Phase::Prepared | Phase::Live | Phase::Refused(Rejection::Underpriced))
                || (self.hurried && self.phase == Phase::Parked);
        let due = self.hurried || age(newest) >= rules.bump_after;
        if raisable && (lowest || !defended(15)) && due {
            return self.bump(newest, at, look, rules);
        }
        if defended(16) { Step::Publish { held: false } } else { Step::Wait }
    }

    fn cancel(&self, newest: &Attempt, claim: usize, look: &Look, rules: &Rules) -> Step {
        match bumped(newest.fees, look.market, rules.cancels.per_gas(CANCEL_GAS)) {
            Some(fees) => Step::Sign(Signing { kind: Kind::Cancel, claim, fees }),
            None => Step::Publish { held: true },
        }
    }

    fn bump(&self, newest: &Attempt, claim: usize, look: &Look, rules: &Rules) -> Step {
        let gas_limit = self.claims.get(claim).map_or(u64::MAX, |claim| claim.gas_limit);
        let (kind, most) = match newest.kind {
            Kind::Cancel => (Kind::Cancel, rules.cancels.per_gas(CANCEL_GAS)),
            Kind::Original | Kind::Bump => (Kind::Bump, rules.calls.per_gas(gas_limit)),
        };
        let signed = self.attempts.iter().filter(|attempt| attempt.kind != Kind::Cancel).count();
        let spent = kind == Kind::Bump && signed >= rules.most_attempts && !self.hurried;
        match bumped(newest.fees, look.market, most).filter(|_| !spent) {
            Some(fees) => Step::Sign(Signing { kind, claim, fees }),
            None => Step::Publish { held: true },
        }
    }
}
