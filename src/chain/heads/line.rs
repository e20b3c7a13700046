//! The newest part of the chain as it was last known, and how a new head changes it. Pure.

use std::collections::VecDeque;

use alloy::primitives::B256;

use super::NewHead;
use crate::chain::Header;

/// Headers that are remembered: as deep as a reorganisation is followed.
const REMEMBERED: usize = 256;

/// Headers, each the parent of the next, the newest last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Line(VecDeque<Header>);

/// Where a header stands to the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It is the newest one.
    Tip,
    /// It is an earlier one.
    Earlier,
    /// It is not in it.
    Outside,
}

impl Line {
    /// The newest header.
    pub(super) fn tip(&self) -> Option<&Header> {
        self.0.back()
    }

    pub(super) fn place(&self, header: &Header) -> Place {
        match self.position(header.hash) {
            None => Place::Outside,
            Some(position) if position.checked_add(1) == Some(self.0.len()) => Place::Tip,
            Some(_) => Place::Earlier,
        }
    }

    /// The parent that has to be fetched to join `oldest` to the line; nothing where it is joined, or where no parent can
    /// be in it any more.
    pub(super) fn missing_parent(&self, oldest: &Header) -> Option<B256> {
        let first = self.0.front()?;
        let joined = self.position(oldest.hash).or_else(|| self.position(oldest.parent_hash)).is_some();
        (!joined && oldest.number > first.number).then_some(oldest.parent_hash)
    }

    /// Takes a head and its ancestors, the newest first, as far back as they were fetched.
    pub(super) fn take(&mut self, walked: Vec<Header>) -> Option<NewHead> {
        let header = walked.first()?.clone();
        let oldest = walked.last()?.clone();
        let previous = self.0.back().cloned();
        let at = self.position(oldest.hash);
        let kept = at.or_else(|| self.position(oldest.parent_hash)).and_then(|at| at.checked_add(1));
        // Where it is not joined, only what has a successor at its height is known to have left.
        let left: Vec<Header> = match kept {
            Some(kept) => self.0.split_off(kept).into(),
            None => {
                let gone = std::mem::take(&mut self.0);
                gone.into_iter().filter(|gone| gone.number >= oldest.number).collect()
            }
        };
        let fresh = walked.into_iter().rev().skip(usize::from(at.is_some()));
        let fresh: Vec<Header> = fresh.collect();
        self.0.extend(fresh.iter().cloned());
        while self.0.len() > REMEMBERED {
            self.0.pop_front();
        }
        let between: Vec<Header> = fresh.into_iter().filter(|fresh| fresh.hash != header.hash).collect();
        let replaced_previous =
            previous.as_ref().is_some_and(|previous| left.iter().any(|gone| gone.hash == previous.hash));
        let skipped = match (&previous, kept) {
            (Some(previous), None) => oldest.number.saturating_sub(previous.number).saturating_sub(1),
            (_, Some(_)) | (None, None) => 0,
        };
        let joined = kept.is_some();
        Some(NewHead { header, between, skipped, left, replaced_previous, joined })
    }

    fn position(&self, hash: B256) -> Option<usize> {
        self.0.iter().position(|known| known.hash == hash)
    }
}

#[cfg(test)]
mod tests;
