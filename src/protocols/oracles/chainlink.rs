//! Chainlink feeds behind their proxies.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256};

use crate::chain::{ChainError, Endpoint};
use crate::domain::snapshot::{Feed, Round, Sequencer, SequencerStatus};
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
#[derive(Debug, Default, Clone)]
pub struct RoundCache(BTreeMap<Address, BTreeMap<u128, Round>>);

impl RoundCache {
    /// The newest unbroken run of known rounds of `feed`: first and last id.
    #[must_use]
    pub fn known(&self, feed: Address) -> Option<(u128, u128)> {
        let rounds = self.0.get(&feed)?;
        let mut ids = rounds.keys().rev().copied();
        let last = ids.next()?;
        let mut first = last;
        for id in ids {
            if first.checked_sub(1) != Some(id) {
                break;
            }
            first = id;
        }
        Some((first, last))
    }

    /// The feed as read, its history completed from what is known; what is settled by block time `now` is kept, at
    /// most `count` rounds.
    #[must_use]
    pub fn complete(&mut self, feed: &ISnapshotReader::Feed, count: u16, now: u64) -> Feed {
        let latest = newest(feed).latest;
        let known = self.0.entry(feed.feed).or_default();
        let mut history: BTreeMap<u128, Round> = match latest {
            Some(latest) => {
                known.range(earliest(latest.id, count)..latest.id).map(|(id, r)| (*id, *r)).collect()
            }
            None => BTreeMap::new(),
        };
        history.extend(feed.previous.iter().map(round).filter(|r| r.updated_at > 0).map(|r| (r.id, r)));
        *known = history
            .iter()
            .filter(|(_, r)| r.updated_at.saturating_add(SETTLED_SECONDS) <= now)
            .map(|(id, r)| (*id, *r))
            .collect();
        Feed { address: feed.feed, decimals: feed.decimals, latest, history: history.into_values().collect() }
    }
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
    Feed { address: feed.feed, decimals: feed.decimals, latest, history: Vec::new() }
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

    #[test]
    fn settled_rounds_are_kept_and_complete_the_next_reading() {
        let mut cache = RoundCache::default();
        let now = 100_000;
        let first = feed(
            (PHASE + 4, now),
            &[(PHASE + 3, now - 10), (PHASE + 2, now - 4_000), (PHASE + 1, now - 9_000)],
        );
        let whole = cache.complete(&first, 3, now);
        assert_eq!(whole.history.iter().map(|r| r.id - PHASE).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(cache.known(Address::ZERO), Some((PHASE + 1, PHASE + 2)));
        let next = feed((PHASE + 5, now + 12), &[(PHASE + 4, now), (PHASE + 3, now - 10)]);
        let completed = cache.complete(&next, 3, now + 12);
        assert_eq!(completed.history.iter().map(|r| r.id - PHASE).collect::<Vec<_>>(), [2, 3, 4]);
    }

    #[test]
    fn a_missing_round_is_no_price() {
        let mut cache = RoundCache::default();
        let whole = cache.complete(&feed((PHASE + 3, 50), &[(PHASE + 2, 0), (PHASE + 1, 20)]), 10, 50);
        assert_eq!(whole.history.iter().map(|r| r.id - PHASE).collect::<Vec<_>>(), [1]);
        assert_eq!(cache.complete(&feed((PHASE + 3, 0), &[]), 10, 60).latest, None);
    }

    #[test]
    fn history_ends_at_the_start_of_the_phase() {
        assert_eq!(earliest(PHASE + 4, 2), PHASE + 2);
        assert_eq!(earliest(PHASE + 4, 50), PHASE + 1);
    }
}
