//! The rounds of a feed as prices at their times.

use crate::domain::models::volatility::{Observation, Series, Window, numbered};
use crate::domain::snapshot::{Feed, Round, Sight};
use crate::domain::units::{Checked, raw_to_nearest};

/// A feed's usable rounds, oldest first. What is known of them from before is not converted again.
#[derive(Debug, Clone, Default)]
pub(super) struct Rounds {
    decimals: u8,
    /// The feed's rounds where each of them is usable and later than the one before; else none.
    rounds: Window<Round>,
    observations: Window<Observation>,
    /// Number of the first observation (see [`Series`]).
    first: u64,
    /// The history that the rounds are of, but for the latest.
    history: Sight,
}

/// Rounds that may have left at the old end since before; where more have, all are converted anew.
const LEFT: usize = 8;

impl Rounds {
    /// The last `count` usable rounds up to block time `now`, oldest first. Of several with one time the last counts; one
    /// that is older than the round before it, or dated after the block, is not usable.
    ///
    /// # Errors
    /// An answer that does not fit a decimal.
    pub(super) fn follow(&mut self, feed: &Feed, count: u32, now: u64) -> Checked<Series<'_>> {
        if !self.go_on(feed, now)? {
            *self = Self::of(feed, now, self.series().end())?;
        }
        self.history.see(&feed.history);
        let series = self.series();
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        Ok(series.after(series.observations.len().saturating_sub(count)))
    }

    fn series(&self) -> Series<'_> {
        Series { first: self.first, observations: self.observations.as_slice() }
    }

    /// With numbers from `first` on.
    fn of(feed: &Feed, now: u64, first: u64) -> Checked<Self> {
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
        let (rounds, observations) = (rounds.into(), observations.into());
        Ok(Self { decimals: feed.decimals, rounds, observations, first, history: Sight::default() })
    }

    /// Whether the feed went on from the known rounds with usable and later ones alone; then it goes on with it.
    fn go_on(&mut self, feed: &Feed, now: u64) -> Checked<bool> {
        let Feed { decimals, history, latest, .. } = feed;
        let first = history.first().or(latest.as_ref());
        let left = self.rounds.as_slice().iter().take(LEFT).position(|known| Some(known) == first);
        let Some(left) = left.filter(|_| self.decimals == *decimals) else { return Ok(false) };
        let known = self.rounds.as_slice().get(left..).unwrap_or_default();
        let (past, newest) = known.split_at_checked(history.len()).unwrap_or((known, &[]));
        // Of a history that went on the rounds that were seen are those that are known.
        let seen = history.since(&self.history).filter(|(gone, _)| *gone == left).map_or(0, |(_, seen)| seen);
        let same = history.iter().zip(past).skip(seen).all(are_same) && latest.as_slice().starts_with(newest);
        let mut last = known.last().map_or(0, |round| round.updated_at);
        if !same || last > now {
            return Ok(false);
        }
        let fresh = history.iter().skip(past.len()).chain(latest.iter().skip(newest.len()));
        self.rounds.leave(left);
        self.observations.leave(left);
        self.first = numbered(self.first, left);
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
    use std::collections::BTreeMap;

    use alloy::primitives::{Address, I256};
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;
    use crate::domain::models::volatility::{Intervals, ewma, ewma_remembering};
    use crate::domain::snapshot::History;

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
            let (mut known, mut from, mut all) = (Rounds::default(), 0, BTreeMap::<u64, Observation>::new());
            for (on, late, decimals, changed, with_latest) in looks {
                from = (from + on).min(rounds.len() - 1);
                let mut seen = rounds[from..(from + width).min(rounds.len())].to_vec();
                let middle = seen.len() / 2;
                seen[middle].answer += I256::try_from(changed).unwrap();
                let now = seen.last().unwrap().updated_at.saturating_sub(1_000) + late;
                let latest = if with_latest { seen.pop() } else { None };
                let feed = Feed { address: Address::ZERO, decimals, latest, history: seen.into() };
                let fresh = Rounds::of(&feed, now, 0).unwrap().observations;
                let fresh = fresh.as_slice();
                let fresh = &fresh[fresh.len().saturating_sub(count as usize)..];
                let series = known.follow(&feed, count, now).unwrap();
                prop_assert_eq!(series.observations, fresh);
                for (number, observation) in (series.first..).zip(series.observations) {
                    prop_assert_eq!(all.entry(number).or_insert(*observation), observation);
                }
            }
        }

        /// One history that goes on, round by round: at times with a round out of order, without a price, or repeated; at times it is
        /// changed, copied, or nothing happens but time.
        #[test]
        fn a_history_that_goes_on_gives_the_prices_that_it_gives_at_once(
            steps in prop::collection::vec((0_u8..40, prop_oneof![8 => 1_u64..4_000, 1 => Just(0_u64)], prop_oneof![16 => 1_i64..1_000_000_000_000, 1 => -1_i64..1], 0_usize..3), 20..120),
            (width, count) in (1_usize..16, 1_u32..20),
        ) {
            let mut feed = Feed { address: Address::ZERO, decimals: 8, latest: None, history: History::default() };
            let (mut known, mut intervals, mut now) = (Rounds::default(), Intervals::default(), 1_700_000_000);
            for (number, (what, seconds, answer, gone)) in steps.into_iter().enumerate() {
                now += seconds;
                let updated_at = if seconds == 0 { now - 50 } else { now };
                let round = Round { id: number as u128 + 1, answer: I256::try_from(answer).unwrap(), updated_at };
                match what {
                    0 => feed = feed.clone(),
                    1 => feed.history.anew().iter_mut().take(1).for_each(|round| round.answer += I256::ONE),
                    2 => feed.latest = None,
                    3 => feed.decimals = 14 - feed.decimals,
                    4..8 => {}
                    _ => {
                        if let Some(before) = feed.latest.replace(round) {
                            feed.history.push(before);
                        }
                    }
                }
                while feed.history.len() > width {
                    feed.history.leave_oldest();
                }
                (0..gone / 2).for_each(|_| feed.history.leave_oldest());
                let fresh = Rounds::of(&feed, now, 0).unwrap();
                let fresh = fresh.series().observations;
                let fresh = &fresh[fresh.len().saturating_sub(count as usize)..];
                let series = known.follow(&feed, count, now).unwrap();
                prop_assert_eq!(series.observations, fresh);
                prop_assert_eq!(ewma_remembering(series, now, 24.0, &mut intervals), ewma(fresh, now, 24.0));
            }
        }
    }
}
