//! Observations that are known from one estimate to the next without a look at them.

use super::Observation;

/// Observations from the oldest to the newest, numbered one by one.
#[derive(Debug, Clone, Copy)]
pub struct Series<'a> {
    /// Number of the first. For whoever remembers them an observation keeps its number for as long as it is seen, and no other one
    /// ever has it.
    pub first: u64,
    /// The observations.
    pub observations: &'a [Observation],
}

impl<'a> Series<'a> {
    /// Those that nothing is remembered of.
    #[must_use]
    pub const fn new(observations: &'a [Observation]) -> Self {
        Self { first: 0, observations }
    }

    /// Those that `count` others come before.
    #[must_use]
    pub fn after(self, count: usize) -> Self {
        let observations = self.observations.get(count..).unwrap_or_default();
        Self { first: numbered(self.first, count), observations }
    }

    /// Number of the one after the last.
    #[must_use]
    pub fn end(&self) -> u64 {
        numbered(self.first, self.observations.len())
    }
}

/// Number of the observation that `count` others come before, of which the first has the number `first`.
#[must_use]
pub fn numbered(first: u64, count: usize) -> u64 {
    first.saturating_add(u64::try_from(count).unwrap_or(u64::MAX))
}
