//! A list that goes on at one end and is left behind at the other.

/// Entries in order. Those that are left behind are moved away now and then, not each time.
#[derive(Debug, Clone)]
pub struct Window<T> {
    entries: Vec<T>,
    /// How many of them are left behind.
    left: usize,
}

impl<T> Default for Window<T> {
    fn default() -> Self {
        Self { entries: Vec::new(), left: 0 }
    }
}

impl<T> From<Vec<T>> for Window<T> {
    fn from(entries: Vec<T>) -> Self {
        Self { entries, left: 0 }
    }
}

impl<T> Window<T> {
    /// What is in it.
    #[must_use]
    pub fn as_slice(&self) -> &[T] {
        self.entries.get(self.left..).unwrap_or_default()
    }

    /// All that is in it, to be changed in any way.
    pub fn entries(&mut self) -> &mut Vec<T> {
        self.entries.drain(..self.left);
        self.left = 0;
        &mut self.entries
    }

    /// Adds one at the new end.
    pub fn push(&mut self, entry: T) {
        self.entries.push(entry);
    }

    /// Leaves the first `count` behind, or all.
    pub fn leave(&mut self, count: usize) {
        self.left = self.left.saturating_add(count).min(self.entries.len());
        if self.left > self.entries.len().saturating_sub(self.left) {
            self.entries.drain(..self.left);
            self.left = 0;
        }
    }

    /// Keeps the first `count` and drops the others.
    pub fn truncate(&mut self, count: usize) {
        self.entries.truncate(self.left.saturating_add(count));
        self.leave(0);
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "test arithmetic within known bounds")]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_holds_what_a_queue_holds(steps in prop::collection::vec((0_usize..6, 0_usize..9, 0_usize..40), 0..60)) {
            let (mut window, mut queue) = (Window::default(), VecDeque::new());
            for (number, (pushed, left, kept)) in steps.into_iter().enumerate() {
                for entry in 0..pushed {
                    window.push((number, entry));
                    queue.push_back((number, entry));
                }
                window.leave(left);
                queue.drain(..left.min(queue.len()));
                if kept < 5 {
                    window.truncate(kept);
                    queue.truncate(kept);
                }
                prop_assert_eq!(window.as_slice(), queue.make_contiguous());
                prop_assert!(window.entries.len() <= 2 * queue.len().max(1));
            }
        }
    }
}
