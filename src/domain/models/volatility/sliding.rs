//! Values worked out of keys in a row that slides: those that a call before has worked out are kept.

use std::collections::VecDeque;

/// Keys that may have left at the old end between two calls; where more have, all is worked out anew.
const LEFT: usize = 8;

/// What is known of the keys of the call before, oldest first. Whatever it holds, [`Sliding::over`] gives the same values.
#[derive(Debug, Clone)]
pub struct Sliding<K, V> {
    known: VecDeque<(K, V)>,
}

impl<K, V> Default for Sliding<K, V> {
    fn default() -> Self {
        Self { known: VecDeque::new() }
    }
}

impl<K: PartialEq, V> Sliding<K, V> {
    /// The values of `keys`, oldest first: each is what `work` makes of its key, with the value of the key before it at hand.
    pub fn over(
        &mut self,
        keys: impl IntoIterator<Item = K>,
        work: impl Fn(&K, Option<&V>) -> V,
    ) -> impl DoubleEndedIterator<Item = &V> + ExactSizeIterator {
        let mut count: usize = 0;
        for key in keys {
            if count == 0 {
                let left = self.known.iter().take(LEFT).position(|(known, _)| *known == key);
                self.known.drain(..left.unwrap_or(self.known.len()));
            }
            if self.known.get(count).is_none_or(|(known, _)| *known != key) {
                let before = count.checked_sub(1).and_then(|before| self.known.get(before));
                let value = work(&key, before.map(|(_, value)| value));
                match self.known.get_mut(count) {
                    Some(other) => *other = (key, value),
                    None => self.known.push_back((key, value)),
                }
            }
            count = count.saturating_add(1);
        }
        self.known.truncate(count);
        self.known.iter().map(|(_, value)| value)
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "test arithmetic within known bounds")]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    fn squares(sliding: &mut Sliding<i64, i64>, keys: &[i64], worked: &Cell<usize>) -> Vec<i64> {
        let work = |key: &i64, _: Option<&i64>| {
            worked.set(worked.get() + 1);
            key * key
        };
        sliding.over(keys.iter().copied(), work).copied().collect()
    }

    #[test]
    fn what_slid_by_a_step_is_worked_out_once() {
        let (mut sliding, worked) = (Sliding::default(), Cell::new(0));
        assert_eq!(squares(&mut sliding, &[1, 2, 3, 4], &worked), [1, 4, 9, 16]);
        assert_eq!(squares(&mut sliding, &[2, 3, 4, 5], &worked), [4, 9, 16, 25]);
        assert_eq!(squares(&mut sliding, &[2, 3, 4, 5], &worked), [4, 9, 16, 25]);
        assert_eq!(worked.get(), 5);
        assert_eq!(squares(&mut sliding, &[2, 9, 4], &worked), [4, 81, 16]);
        assert_eq!(worked.get(), 6);
        assert!(squares(&mut sliding, &[], &worked).is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_came_before_the_values_are_those_of_the_keys(rows in prop::collection::vec(prop::collection::vec(0_i64..6, 0..12), 1..8)) {
            let mut sliding = Sliding::default();
            for keys in rows {
                let expected: Vec<_> = keys.iter().map(|key| key * key).collect();
                prop_assert_eq!(squares(&mut sliding, &keys, &Cell::new(0)), expected);
            }
        }
    }
}
