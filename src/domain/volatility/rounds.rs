//! The rounds of a feed as prices at their times.

use crate::domain::models::volatility::{Observation, Window};
use crate::domain::snapshot::{Feed, Round};
use crate::domain::units::{Checked, raw_to_nearest};

/// A feed's usable rounds, oldest first. What is known of them from before is not converted again.
#[derive(Debug, Clone, Default)]
pub(super) struct Rounds {
    decimals: u8,
    /// The feed's rounds where each of them is usable and later than the one before; else none.
    rounds: Window<Round>,
    observations: Window<Observation>,
}

/// Rounds that may have left at the old end since before; where more have, all are converted anew.
const LEFT: usize = 8;

impl Rounds {
    /// The last `count` usable rounds up to block time `now`, oldest first. Of several with one time the last counts; one
    /// that is older than the round before it, or dated after the block, is not usable.
    ///
    /// # Errors
    /// An answer that does not fit a decimal.
    pub(super) fn follow(&mut self, feed: &Feed, count: u32, now: u64) -> Checked<&[Observation]> {
        if !self.go_on(feed, now)? {
            *self = Self::of(feed, now)?;
        }
        let observations = self.observations.as_slice();
        let surplus = observations.len().saturating_sub(usize::try_from(count).unwrap_or(usize::MAX));
        Ok(observations.get(surplus..).unwrap_or_default())
    }

    fn of(feed: &Feed, now: u64) -> Checked<Self> {
        let mut observations: Vec<Observation> = Vec::with_capacity(feed.history.len().saturating_add(1));
        for round in feed.history.iter().chain(&feed.latest).filter(|round| is_usable(round, now)) {
            let observation = observation(round, feed.decimals)?;
            match observations.last_mut() {
                Some(last) if last.time > observation.time => {}
                Some(last) if last.time == observation.time => *last = observation,
                _ => observations.push(observation),
            }
        }
        let mut rounds: Vec<Round> = feed.history.iter().chain(&feed.latest).copied().collect();
        if rounds.len() != observations.len() {
            rounds.clear();
        }
        Ok(Self { decimals: feed.decimals, rounds: rounds.into(), observations: observations.into() })
    }

    /// Whether the feed went on from the known rounds with usable and later ones alone; then it goes on with it.
    fn go_on(&mut self, feed: &Feed, now: u64) -> Checked<bool> {
        let Feed { decimals, history, latest, .. } = feed;
        let first = history.first().or(latest.as_ref());
        let left = self.rounds.as_slice().iter().take(LEFT).position(|known| Some(known) == first);
        let Some(left) = left.filter(|_| self.decimals == *decimals) else { return Ok(false) };
        let known = self.rounds.as_slice().get(left..).unwrap_or_default();
        let (past, newest) = known.split_at_checked(history.len()).unwrap_or((known, &[]));
        let same = history.iter().zip(past).all(are_same) && latest.as_slice().starts_with(newest);
        let mut last = known.last().map_or(0, |round| round.updated_at);
        if !same || last > now {
            return Ok(false);
        }
        let fresh = history.iter().skip(past.len()).chain(latest.iter().skip(newest.len()));
        self.rounds.leave(left);
        self.observations.leave(left);
        for round in fresh {
            if !is_usable(round, now) || round.updated_at <= last {
                return Ok(false);
            }
            last = round.updated_at;
            self.observations.push(observation(round, *decimals)?);
            self.rounds.push(*round);
        }
        Ok(true)
    }
}

/// Whether a round is another, looked at word by word: this is asked of every round again and again.
fn are_same((one, other): (&Round, &Round)) -> bool {
    let answers = one.answer.as_limbs().iter().zip(other.answer.as_limbs());
    let differs =
        answers.fold(one.updated_at ^ other.updated_at, |differs, (one, other)| differs | (one ^ other));
    differs == 0 && one.id == other.id
}

fn is_usable(round: &Round, now: u64) -> bool {
    (1..=now).contains(&round.updated_at) && round.answer.is_positive()
}

fn observation(round: &Round, decimals: u8) -> Checked<Observation> {
    let price = raw_to_nearest(round.answer.unsigned_abs(), decimals)?;
    Ok(Observation { time: round.updated_at, price })
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "test arithmetic within known bounds")]
mod tests {
    use alloy::primitives::{Address, I256};
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

        /// Mostly a feed as it reports, seen through a window that goes on; at times with a round out of order, without a price, of
        /// another answer, or of other decimals.
        #[test]
        fn what_was_known_before_changes_no_price(
            steps in prop::collection::vec((prop_oneof![8 => 1_u64..4_000, 1 => Just(0_u64)], prop_oneof![12 => 1_i64..1_000_000_000_000, 1 => -1_i64..1]), 20..60),
            looks in prop::collection::vec((0_usize..4, 0_u64..6_000, prop_oneof![9 => Just(8_u8), 1 => Just(6_u8)], prop_oneof![9 => Just(0_i64), 1 => Just(7_i64)], prop_oneof![6 => Just(true), 1 => Just(false)]), 1..30),
            (width, count) in (1_usize..16, 1_u32..20),
        ) {
            let mut time = 1_700_000_000;
            let rounds: Vec<Round> = steps.iter().enumerate().map(|(id, (seconds, answer))| {
                time += seconds;
                Round { id: id as u128 + 1, answer: I256::try_from(*answer).unwrap(), updated_at: if *seconds == 0 { time - 50 } else { time } }
            }).collect();
            let (mut known, mut from) = (Rounds::default(), 0);
            for (on, late, decimals, changed, with_latest) in looks {
                from = (from + on).min(rounds.len() - 1);
                let mut seen = rounds[from..(from + width).min(rounds.len())].to_vec();
                let middle = seen.len() / 2;
                seen[middle].answer += I256::try_from(changed).unwrap();
                let now = seen.last().unwrap().updated_at.saturating_sub(1_000) + late;
                let latest = if with_latest { seen.pop() } else { None };
                let feed = Feed { address: Address::ZERO, decimals, latest, history: seen };
                let fresh = Rounds::of(&feed, now).unwrap().observations;
                let fresh = fresh.as_slice();
                let fresh = &fresh[fresh.len().saturating_sub(count as usize)..];
                prop_assert_eq!(known.follow(&feed, count, now).unwrap(), fresh);
            }
        }
    }
}
