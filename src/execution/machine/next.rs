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

/// Where a nonce stands among those of its key that are under way. A node takes the others only after the first, so only
/// that is raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// No other is under way.
    Alone,
    /// Others wait behind it.
    First,
    /// It waits behind another.
    Behind,
}

impl Rank {
    /// That of the slot at this place among all of its key, ascending.
    pub fn of<'a>(slots: impl Iterator<Item = &'a Slot>, at: usize) -> Self {
        let others: Vec<usize> = slots
            .enumerate()
            .filter(|(place, slot)| *place != at && slot.is_in_flight())
            .map(|(place, _)| place)
            .collect();
        match others.first() {
            None => Self::Alone,
            Some(first) if *first < at => Self::Behind,
            Some(_) => Self::First,
        }
    }
}

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
    /// What comes next for a nonce of this rank.
    #[must_use]
    pub fn next(&self, look: &Look, rules: &Rules, rank: Rank) -> Step {
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
                    Consumption::No => self.unmined(look, rules, rank),
                    // By nobody that can be told, for too long.
                    _ if self.is_overdue(look, rules) => Step::Note(Event::Parked),
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

    /// Whether nothing is decided of it for too long: since the first bytes of the wanted claim.
    fn is_overdue(&self, look: &Look, rules: &Rules) -> bool {
        let wanted = self.claims.len().saturating_sub(1);
        let first = self.attempts.iter().find(|attempt| attempt.claim == wanted);
        self.phase != Phase::Parked
            && first.is_some_and(|first| age(first, look.head.number) >= rules.park_after)
    }

    fn unmined(&self, look: &Look, rules: &Rules, rank: Rank) -> Step {
        let (Some((at, _)), Some(newest)) = (self.wanted(), self.newest()) else { return Step::Wait };
        let unwanted = self.is_unwanted(look.head.time);
        if look.reverts && !unwanted && newest.kind != Kind::Cancel && defended(23) {
            return Step::Note(Event::Withdrawn);
        }
        if unwanted && matches!(self.phase, Phase::Refused(_)) && rank != Rank::First {
            // No node has a byte of it, and nobody waits for it: the next intent takes the nonce.
            return Step::Wait;
        }
        if unwanted && newest.kind != Kind::Cancel && defended(41) {
            return self.cancel(newest, at, look, rules);
        }
        let age = |attempt: &Attempt| age(attempt, look.head.number);
        if self.is_overdue(look, rules) {
            return Step::Note(Event::Parked);
        }
        let raisable =
            matches!(self.phase, Phase::Prepared | Phase::Live | Phase::Refused(Rejection::Underpriced))
                || (self.phase == Phase::Parked && (self.hurried || newest.kind == Kind::Cancel));
        let due = self.hurried || age(newest) >= rules.bump_after;
        if raisable && (rank != Rank::Behind || !defended(15)) && due {
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
        let own = |attempt: &&Attempt| attempt.claim == claim && attempt.kind != Kind::Cancel;
        let signed = self.attempts.iter().filter(own).count();
        let spent = kind == Kind::Bump && signed >= rules.most_attempts && !self.hurried;
        match bumped(newest.fees, look.market, most).filter(|_| !spent) {
            Some(fees) => Step::Sign(Signing { kind, claim, fees }),
            None => Step::Publish { held: true },
        }
    }
}
