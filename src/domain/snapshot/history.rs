//! Earlier rounds of a feed, and whether they are those that were seen before, gone on.

use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Round;
use crate::domain::models::volatility::Window;

/// Earlier rounds of a feed, oldest first.
///
/// Rules it keeps: one history only goes on, by rounds that come at its new end and others that leave at its old one; what is changed
/// otherwise, or copied, is another history. So who has seen one knows what is left of that without a look at each round.
#[derive(Debug, Default)]
pub struct History {
    rounds: Window<Round>,
    /// How many have left.
    left: usize,
    /// The same place in memory for one history alone, for as long as anybody who has seen it keeps it.
    line: Arc<()>,
}

/// What was seen of a history.
#[derive(Debug, Clone, Default)]
pub struct Sight {
    line: Option<Arc<()>>,
    /// How many had left.
    left: usize,
    /// How many were there.
    count: usize,
}

impl History {
    /// Adds a round at the new end.
    pub fn push(&mut self, round: Round) {
        self.rounds.push(round);
    }

    /// Leaves the oldest round behind, if there is one.
    pub fn leave_oldest(&mut self) {
        self.left = self.left.saturating_add(usize::from(!self.is_empty()));
        self.rounds.leave(1);
    }

    /// All rounds, to be changed in any way: from then on it is another history.
    pub fn anew(&mut self) -> &mut Vec<Round> {
        self.line = Arc::default();
        self.rounds.entries()
    }

    /// Of the rounds that were seen, how many have left and how many are still there: the first ones. `None` where another history was
    /// seen.
    #[must_use]
    pub fn since(&self, sight: &Sight) -> Option<(usize, usize)> {
        let same = sight.line.as_ref().is_some_and(|line| Arc::ptr_eq(line, &self.line));
        let left = self.left.saturating_sub(sight.left).min(sight.count);
        same.then(|| (left, sight.count.saturating_sub(left)))
    }
}

impl Sight {
    /// Sees what is there now.
    pub fn see(&mut self, history: &History) {
        if history.since(self).is_none() {
            self.line = Some(Arc::clone(&history.line));
        }
        (self.left, self.count) = (history.left, history.len());
    }
}

impl Deref for History {
    type Target = [Round];

    fn deref(&self) -> &[Round] {
        self.rounds.as_slice()
    }
}

impl<'a> IntoIterator for &'a History {
    type Item = &'a Round;
    type IntoIter = std::slice::Iter<'a, Round>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl From<Vec<Round>> for History {
    fn from(rounds: Vec<Round>) -> Self {
        Self { rounds: rounds.into(), ..Self::default() }
    }
}

impl FromIterator<Round> for History {
    fn from_iter<I: IntoIterator<Item = Round>>(rounds: I) -> Self {
        Vec::from_iter(rounds).into()
    }
}

impl Clone for History {
    fn clone(&self) -> Self {
        self.to_vec().into()
    }
}

impl PartialEq for History {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for History {}

impl Serialize for History {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for History {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "test arithmetic within known bounds")]
mod tests {
    use alloy::primitives::I256;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    fn round(id: u64) -> Round {
        Round { id: id.into(), answer: I256::ONE, updated_at: id }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

        /// What is said to be still there of what was seen is there, and nothing is said of another history.
        #[test]
        fn what_was_seen_and_is_still_there_is_told(
            steps in prop::collection::vec((0_usize..4, 0_usize..5, 0_u8..24), 1..40),
        ) {
            let (mut history, mut sight, mut seen) = (History::default(), Sight::default(), Vec::new());
            let (mut next, mut same) = (0, false);
            for (come, go, other) in steps {
                for _ in 0..come {
                    next += 1;
                    history.push(round(next));
                }
                (0..go).for_each(|_| history.leave_oldest());
                if other == 0 {
                    (history, same) = (history.clone(), false);
                } else if other == 1 {
                    history.anew().iter_mut().for_each(|round| round.updated_at += 1);
                    same = false;
                }
                match history.since(&sight) {
                    Some((left, there)) => {
                        prop_assert!(same && left + there == seen.len());
                        prop_assert_eq!(&seen[left..], &history[..there]);
                    }
                    None => prop_assert!(!same),
                }
                if other < 18 {
                    sight.see(&history);
                    (seen, same) = (history.to_vec(), true);
                }
            }
        }
    }

    #[test]
    fn a_copy_that_goes_on_otherwise_is_another_history() {
        let (mut history, mut sight) = (History::from(vec![round(1), round(2)]), Sight::default());
        sight.see(&history);
        let mut copy = history.clone();
        copy.push(round(7));
        history.push(round(3));
        assert_eq!((history.since(&sight), copy.since(&sight)), (Some((0, 2)), None));
        assert!(history != copy && copy == History::from_iter([round(1), round(2), round(7)]));
    }
}
