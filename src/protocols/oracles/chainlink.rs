//! Chainlink feeds behind their proxies.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256};

use crate::chain::{ChainError, Endpoint};
use crate::domain::snapshot::{Feed, History, Round, Sequencer, SequencerStatus};
use crate::protocols::abi::ISnapshotReader;
use crate::protocols::multicall::alone;

alloy::sol! {
    interface IAggregatorProxy {
        /// The contract that oracles report to in the proxy's present phase, which emits the events.
        function aggregator() external view returns (address);
    }
}

/// A round this old at the block it was read at will not be changed by a reorganisation.
const SETTLED_SECONDS: u64 = 3_600;

/// Rounds that need not be read again, by feed and id. A round never changes once it is settled.
///
/// Rules it keeps: what was kept for one reading is not lost to another one of fewer rounds or of an older block, so that
/// all who read through it share it; of each feed it keeps at most twice the rounds of the longest history asked for.
#[derive(Debug, Default, Clone)]
pub struct RoundCache(BTreeMap<Address, Kept>);

#[derive(Debug, Default, Clone)]
struct Kept {
    rounds: BTreeMap<u128, Round>,
    /// Rounds of the longest history that was asked for.
    longest: usize,
}

/// What is known of a feed before it is read: an unbroken run of rounds, which is the reader's own, whatever becomes of the
/// cache until the answer comes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct KnownRounds(BTreeMap<u128, Round>);

impl RoundCache {
    /// The newest unbroken run of at most `count` rounds of `feed` that were settled by block time `now`.
    #[must_use]
    pub fn known(&self, feed: Address, count: u16, now: u64) -> KnownRounds {
        let kept = self.0.get(&feed).into_iter().flat_map(|kept| kept.rounds.iter().rev());
        let mut run = BTreeMap::new();
        for (id, round) in kept.skip_while(|(_, round)| !is_settled(round, now)).take(count.into()) {
            let follows = run.first_key_value().is_none_or(|(first, _)| id.checked_add(1) == Some(*first));
            if !follows || !is_settled(round, now) {
                break;
            }
            run.insert(*id, *round);
        }
        KnownRounds(run)
    }

    /// Keeps what of `feed`, whose history is one of `count` rounds, is settled by block time `now`.
    pub fn keep(&mut self, feed: &Feed, count: u16, now: u64) {
        let kept = self.0.entry(feed.address).or_default();
        kept.longest = kept.longest.max(count.into());
        kept.rounds.extend(
            feed.history.iter().filter(|round| is_settled(round, now)).map(|round| (round.id, *round)),
        );
        while kept.rounds.len() > kept.longest.saturating_mul(2) {
            kept.rounds.pop_first();
        }
    }
}

impl KnownRounds {
    /// The first and the last id; absent where nothing is known.
    #[must_use]
    pub fn ends(&self) -> Option<(u128, u128)> {
        let (first, last) = (self.0.first_key_value()?, self.0.last_key_value()?);
        Some((*first.0, *last.0))
    }

    /// The feed as read without these, its history of at most `count` rounds completed from them.
    #[must_use]
    pub fn complete(&self, feed: &ISnapshotReader::Feed, count: u16) -> Feed {
        let latest = newest(feed).latest;
        let reached = latest.map(|latest| self.0.range(earliest(latest.id, count)..latest.id));
        let mut history: BTreeMap<u128, Round> =
            reached.into_iter().flatten().map(|(id, round)| (*id, *round)).collect();
        history.extend(feed.previous.iter().map(round).filter(|r| r.updated_at > 0).map(|r| (r.id, r)));
        Feed { address: feed.feed, decimals: feed.decimals, latest, history: history.into_values().collect() }
    }
}

const fn is_settled(round: &Round, now: u64) -> bool {
    round.updated_at.saturating_add(SETTLED_SECONDS) <= now
}

/// The first of `count` rounds before `latest` in its phase (the upper 16 bits of an id), whose rounds begin at 1.
fn earliest(latest: u128, count: u16) -> u128 {
    let phase_start = (latest >> 64) << 64 | 1;
    latest.saturating_sub(u128::from(count)).max(phase_start)
}

fn round(round: &ISnapshotReader::Round) -> Round {
    Round { id: round.roundId.to(), answer: round.answer, updated_at: round.updatedAt }
}

/// The contract behind the proxy of a feed, on the state of the block `hash`; `None` where it does not say.
///
/// # Errors
/// The failure of the call.
pub async fn aggregator(
    endpoint: &Endpoint,
    hash: B256,
    proxy: Address,
) -> Result<Option<Address>, ChainError> {
    let answer = alone(endpoint, hash, proxy, &IAggregatorProxy::aggregatorCall {}).await?;
    Ok(answer.filter(|aggregator| !aggregator.is_zero()))
}

/// A feed of which only the newest round counts.
#[must_use]
pub fn newest(feed: &ISnapshotReader::Feed) -> Feed {
    let latest = feed.ok.then(|| round(&feed.latest)).filter(|r| r.updated_at > 0);
    Feed { address: feed.feed, decimals: feed.decimals, latest, history: History::default() }
}

/// A sequencer uptime feed as read.
#[must_use]
pub fn sequencer(feed: &ISnapshotReader::Feed) -> Sequencer {
    let status = SequencerStatus { answer: feed.latest.answer, started_at: feed.latest.startedAt };
    Sequencer { address: feed.feed, status: feed.ok.then_some(status) }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{I256, aliases::U80};

    use super::*;

    const PHASE: u128 = 5 << 64;

    fn raw(id: u128, updated_at: u64) -> ISnapshotReader::Round {
        ISnapshotReader::Round {
            roundId: U80::from(id),
            answer: I256::try_from(id & 0xff).unwrap(),
            startedAt: updated_at,
            updatedAt: updated_at,
        }
    }

    fn feed(latest: (u128, u64), previous: &[(u128, u64)]) -> ISnapshotReader::Feed {
        ISnapshotReader::Feed {
            ok: true,
            feed: Address::ZERO,
            decimals: 8,
            phaseId: 5,
            latest: raw(latest.0, latest.1),
            previous: previous.iter().map(|(id, at)| raw(*id, *at)).collect(),
        }
    }

    /// Reads a feed with a history of `count` rounds through the cache, as a reader does.
    fn read(
        cache: &mut RoundCache,
        feed: &ISnapshotReader::Feed,
        (count, now): (u16, u64),
    ) -> (Option<(u128, u128)>, Vec<u128>) {
        let known = cache.known(feed.feed, count, now);
        let whole = known.complete(feed, count);
        cache.keep(&whole, count, now);
        let phase = |id: u128| id.saturating_sub(PHASE);
        let known = known.ends().map(|(first, last)| (phase(first), phase(last)));
        (known, whole.history.iter().map(|round| phase(round.id)).collect())
    }

    #[test]
    fn settled_rounds_are_kept_and_complete_the_next_reading() {
        let mut cache = RoundCache::default();
        let now = 100_000;
        let first = feed(
            (PHASE + 4, now),
            &[(PHASE + 3, now - 10), (PHASE + 2, now - 4_000), (PHASE + 1, now - 9_000)],
        );
        assert_eq!(read(&mut cache, &first, (3, now)), (None, vec![1, 2, 3]));
        let next = feed((PHASE + 5, now + 12), &[(PHASE + 4, now), (PHASE + 3, now - 10)]);
        assert_eq!(read(&mut cache, &next, (3, now + 12)), (Some((1, 2)), vec![2, 3, 4]));
    }

    #[test]
    fn a_missing_round_is_no_price() {
        let mut cache = RoundCache::default();
        let broken = feed((PHASE + 3, 5_050), &[(PHASE + 2, 0), (PHASE + 1, 20)]);
        assert_eq!(read(&mut cache, &broken, (10, 5_050)), (None, vec![1]));
        let gone = feed((PHASE + 3, 0), &[]);
        assert_eq!(cache.known(Address::ZERO, 10, 5_060).complete(&gone, 10).latest, None);
    }

    #[test]
    fn a_reading_takes_no_round_from_another() {
        let mut cache = RoundCache::default();
        let rounds: Vec<_> = (1..=9).map(|id| (PHASE + u128::from(id), id * 1_000)).collect();
        let now = 20_000;
        let whole = feed((PHASE + 10, now), &rounds);
        assert_eq!(read(&mut cache, &whole, (9, now)).0, None);
        // One of fewer rounds asks for none of them again, and leaves the others.
        assert_eq!(read(&mut cache, &feed((PHASE + 10, now), &[]), (2, now)), (Some((8, 9)), vec![8, 9]));
        // One of an older block takes only what was settled there.
        let older = feed((PHASE + 7, 7_000), &rounds[3..6]);
        let (known, history) = read(&mut cache, &older, (9, 7_000));
        assert_eq!((known, history), (Some((1, 3)), vec![1, 2, 3, 4, 5, 6]));
        assert_eq!(cache.known(Address::ZERO, 9, now).ends(), Some((PHASE + 1, PHASE + 9)));
    }

    #[test]
    fn what_is_kept_does_not_grow_with_the_rounds() {
        let mut cache = RoundCache::default();
        for id in 1..10_000_u64 {
            let now = id * 10_000;
            let one = feed((PHASE + u128::from(id) + 1, now), &[(PHASE + u128::from(id), now - 5_000)]);
            read(&mut cache, &one, (4, now));
        }
        assert_eq!(cache.0[&Address::ZERO].rounds.len(), 8);
    }

    #[test]
    fn history_ends_at_the_start_of_the_phase() {
        assert_eq!(earliest(PHASE + 4, 2), PHASE + 2);
        assert_eq!(earliest(PHASE + 4, 50), PHASE + 1);
    }
}
