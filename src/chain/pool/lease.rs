//! Which endpoint is read.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use super::health::{Board, Tip};
use super::standing::{Change, Standing, State};
use super::{Member, Pool, locked};
use crate::chain::{ChainError, Endpoint, SecretUrl};

/// The endpoint that one verdict is read from.
#[derive(Debug, Clone)]
pub struct Lease {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) place: usize,
    socket: Option<SecretUrl>,
}

impl Lease {
    /// The endpoint, to be kept for longer.
    #[must_use]
    pub const fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// Whether it is the same endpoint.
    #[must_use]
    pub const fn is_of(&self, other: &Self) -> bool {
        self.place == other.place
    }

    /// Where it tells of new blocks by itself.
    pub(in crate::chain) const fn socket(&self) -> Option<&SecretUrl> {
        self.socket.as_ref()
    }
}

impl Deref for Lease {
    type Target = Endpoint;

    fn deref(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl Pool {
    /// The endpoint to read one verdict from: the same as long as it is healthy and answers, otherwise the healthy one
    /// with the highest head.
    ///
    /// # Errors
    /// [`ChainError::WrongChainId`] where the only endpoint serves another chain, [`ChainError::NoVerdict`] where none
    /// is healthy or the head stands still.
    pub fn reader(&self) -> Result<Lease, ChainError> {
        self.take_pulses();
        if self.is_frozen() {
            let reason = "the head stands still; check the endpoints and the chain";
            return Err(ChainError::NoVerdict { reason: reason.to_owned() });
        }
        self.chosen(Standing::is_healthy).ok_or_else(|| self.nobody())
    }

    /// The endpoint to look for new blocks at: that of [`Pool::reader`], and where there is none any that has not lied.
    ///
    /// # Errors
    /// As there.
    pub(in crate::chain) fn scout(&self) -> Result<Lease, ChainError> {
        self.take_pulses();
        let chosen = self.chosen(Standing::is_healthy);
        chosen.or_else(|| self.chosen(|standing| !standing.is_barred())).ok_or_else(|| self.nobody())
    }

    /// Tells the board what the calls since the last look say.
    pub(super) fn take_pulses(&self) {
        let now = self.now();
        let changes: Vec<Change> = {
            let mut board = self.board();
            let members = self.members.iter().enumerate();
            members.flat_map(|(place, member)| member.pulse_changes(&mut board, place, now)).collect()
        };
        self.noted(changes);
    }

    fn chosen(&self, fits: impl Fn(&Standing) -> bool) -> Option<Lease> {
        let board = self.board();
        let mut leased = locked(&self.leased);
        let fitting = |place: &usize| board.standings().get(*place).is_some_and(&fits);
        let answering = |place: &usize| self.members.get(*place).is_some_and(Member::answers);
        let height = |place: &usize| {
            let tip = board.standings().get(*place).and_then(|standing| standing.tip);
            (tip.map_or(0, |tip: Tip| tip.number), std::cmp::Reverse(*place))
        };
        let places = || (0..self.members.len()).filter(fitting);
        let current = leased.filter(fitting);
        let place = current
            .filter(answering)
            .or_else(|| places().filter(answering).max_by_key(height))
            .or(current)
            .or_else(|| places().max_by_key(height))?;
        *leased = Some(place);
        let member = self.members.get(place)?;
        Some(Lease { endpoint: member.endpoint.clone(), place, socket: member.socket.clone() })
    }

    /// Why nobody can be read.
    fn nobody(&self) -> ChainError {
        let standings = self.standings();
        if let [(endpoint, Standing { state: State::Dropped { actual }, .. })] = standings.as_slice() {
            let (endpoint, expected) = (endpoint.clone(), self.chain_id());
            return ChainError::WrongChainId { endpoint, expected, actual: *actual };
        }
        let each: Vec<String> =
            standings.iter().map(|(name, standing)| format!("`{name}` is {}", standing.state)).collect();
        ChainError::NoVerdict { reason: format!("{}; check these nodes, or name others", each.join(", ")) }
    }
}

impl Member {
    /// What its pulse changes on the board.
    fn pulse_changes(&self, board: &mut Board, place: usize, now: Duration) -> Vec<Change> {
        let pulse = self.endpoint.pulse();
        let foreign = pulse.foreign().and_then(|actual| board.foreign(place, actual, now));
        let (failures, reason) = pulse.failures();
        let failed = reason.and_then(|reason| board.failures(place, (failures, &reason), now));
        foreign.into_iter().chain(failed).collect()
    }

    /// Whether its last call did not fail and it does not want to be left alone.
    pub(super) fn answers(&self) -> bool {
        let pulse = self.endpoint.pulse();
        pulse.failures().0 == 0 && pulse.held().is_none()
    }
}
