//! How long an endpoint that limits its callers is left alone: exponentially longer, spread by jitter, never less than
//! it asks for. Pure: what is random about it follows from a seed.

use std::time::Duration;

/// Pause after the first refusal.
const BASE: Duration = Duration::from_millis(250);
/// Longest pause that is not asked for.
const MOST: Duration = Duration::from_secs(30);
/// Longest pause that is granted, whatever is asked for.
const MOST_GRANTED: Duration = Duration::from_secs(3_600);

/// The pauses of one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Backoff {
    /// Refusals since the last answer.
    refusals: u32,
    random: u64,
}

impl Backoff {
    /// Pauses that follow from `seed`.
    pub(super) const fn seeded(seed: u64) -> Self {
        Self { refusals: 0, random: seed }
    }

    /// An answer came: the next pause is a first one.
    pub(super) const fn over(&mut self) {
        self.refusals = 0;
    }

    /// Pause after one more refusal: half of a span that doubles, and a random part of its other half; where the endpoint
    /// says how long, that much and up to a tenth more, so that those it turned away do not all return at once.
    pub(super) fn refused(&mut self, retry_after: Option<Duration>) -> Duration {
        let doubled = BASE.saturating_mul(2_u32.saturating_pow(self.refusals)).min(MOST);
        self.refusals = self.refusals.saturating_add(1);
        match retry_after {
            None => half(doubled).saturating_add(self.part_of(half(doubled))),
            Some(asked) => {
                let granted = asked.min(MOST_GRANTED);
                let spread = granted.checked_div(10).unwrap_or_default();
                granted.saturating_add(self.part_of(spread))
            }
        }
    }

    /// A random part of `span`.
    fn part_of(&mut self, span: Duration) -> Duration {
        let thousandths = u32::try_from(self.next() % 1_001).unwrap_or_default();
        span.saturating_mul(thousandths).checked_div(1_000).unwrap_or_default()
    }

    /// `SplitMix64` (Steele, Lea, Flood, 2014).
    const fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

fn half(span: Duration) -> Duration {
    span.checked_div(2).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_pauses_and_another_others() {
        let pauses = |seed| {
            let mut backoff = Backoff::seeded(seed);
            [(); 4].map(|()| backoff.refused(None))
        };
        assert_eq!(pauses(7), pauses(7));
        assert_ne!(pauses(7), pauses(8));
    }

    proptest! {
        #[test]
        fn pauses_double_within_their_bounds_and_start_again_after_an_answer(seed: u64) {
            let mut backoff = Backoff::seeded(seed);
            for refusal in 0..40 {
                let span = BASE.saturating_mul(2_u32.saturating_pow(refusal)).min(MOST);
                let pause = backoff.refused(None);
                prop_assert!(pause >= half(span) && pause <= span, "{pause:?}");
            }
            backoff.over();
            prop_assert!(backoff.refused(None) <= BASE);
        }

        #[test]
        fn what_is_asked_for_is_granted_and_at_most_a_tenth_more(seed: u64, seconds in 0_u64..10_000) {
            let asked = Duration::from_secs(seconds);
            let pause = Backoff::seeded(seed).refused(Some(asked));
            let granted = asked.min(MOST_GRANTED);
            prop_assert!(pause >= granted && pause <= granted.mul_f64(1.1001), "{pause:?}");
        }
    }
}
