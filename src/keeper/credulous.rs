//! The facts as a keeper would take them that does not look twice: what the checks of the decision are there against, for
//! the tests that show that each is missed.

use alloy::primitives::I256;

use crate::defence::defended;
use crate::domain::policy::{FeedPolicy, Policy};
use crate::domain::snapshot::{Feed, Pool, Round, SequencerStatus, Snapshot};
use crate::domain::units::to_raw;

/// The facts as they are, unless a defence against made-up prices is switched off.
pub(super) fn facts(mut snapshot: Snapshot, policy: &Policy) -> Snapshot {
    if !defended(49) {
        unaged(&mut snapshot);
    }
    if !defended(50) {
        snapshot.pools.iter_mut().for_each(unaveraged);
    }
    if !defended(51) {
        plausible(&mut snapshot.feeds.risky_usd, &policy.feeds.risky_usd);
        plausible(&mut snapshot.feeds.asset_usd, &policy.feeds.asset_usd);
    }
    snapshot
}

/// Every price is of now, and the sequencer was never down.
fn unaged(snapshot: &mut Snapshot) {
    let now = snapshot.block.timestamp;
    let feeds = &mut snapshot.feeds;
    for round in
        [&mut feeds.risky_usd, &mut feeds.asset_usd].into_iter().filter_map(|feed| feed.latest.as_mut())
    {
        round.updated_at = now;
    }
    if let Some(sequencer) = &mut feeds.sequencer {
        sequencer.status = Some(SequencerStatus { answer: I256::ZERO, started_at: 1 });
    }
}

/// The price of now is the average.
fn unaveraged(pool: &mut Pool) {
    if let Pool::UniswapV3 { state, twap: Some(twap), .. } = pool {
        twap.mean_tick = state.tick;
    }
}

/// What is out of bounds is at them.
fn plausible(feed: &mut Feed, policy: &FeedPolicy) {
    let raw = |bound| to_raw(bound, feed.decimals).ok().and_then(|raw| I256::try_from(raw).ok());
    let bounds = (raw(policy.min.get()), raw(policy.max.get()));
    if let (Some(Round { answer, .. }), (Some(min), Some(max))) = (&mut feed.latest, bounds) {
        *answer = (*answer).max(min).min(max);
    }
}
