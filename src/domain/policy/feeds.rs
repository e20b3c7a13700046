//! The feeds, as the chain knows them.

use alloy::primitives::Address;
use serde::{Deserialize, Serialize};

use super::rules::Rules;
use crate::domain::units::Price;

/// The feeds, as the chain knows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedsPolicy {
    /// Price of the risky asset in dollars.
    pub risky_usd: FeedPolicy,
    /// Price of the vault's asset in dollars.
    pub asset_usd: FeedPolicy,
    /// Price of the native coin in dollars; absent where the risky asset is the wrapped native coin.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub native_usd: Option<FeedPolicy>,
    /// On rollups: the sequencer's uptime feed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sequencer: Option<SequencerPolicy>,
}

/// One Chainlink-style feed and what it must satisfy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedPolicy {
    /// The proxy's address.
    pub address: Address,
    /// Seconds after which the feed promises a new round.
    pub heartbeat_seconds: u64,
    /// Seconds of grace on top of the heartbeat.
    pub margin_seconds: u64,
    /// Lowest price believed, in dollars.
    pub min: Price,
    /// Highest price believed, in dollars.
    pub max: Price,
}

/// A rollup's sequencer feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SequencerPolicy {
    /// The feed's address.
    pub address: Address,
    /// Seconds to wait after the sequencer came back.
    pub grace_seconds: u64,
}

pub(super) fn feeds(rules: &mut Rules, feeds: &FeedsPolicy) {
    feed(rules, "feeds.risky_usd", &feeds.risky_usd);
    feed(rules, "feeds.asset_usd", &feeds.asset_usd);
    rules.compare(
        feeds.risky_usd.address != feeds.asset_usd.address,
        "feeds.asset_usd.address",
        "feeds.risky_usd.address",
        "expected another feed than `feeds.risky_usd`",
    );
    if let Some(native) = &feeds.native_usd {
        feed(rules, "feeds.native_usd", native);
    }
    if let Some(sequencer) = &feeds.sequencer {
        rules.address("feeds.sequencer.address", sequencer.address);
        rules.positive("feeds.sequencer.grace_seconds", sequencer.grace_seconds);
    }
}

fn feed(rules: &mut Rules, path: &str, feed: &FeedPolicy) {
    rules.address(&format!("{path}.address"), feed.address);
    rules.positive(&format!("{path}.heartbeat_seconds"), feed.heartbeat_seconds);
    let (min, max) = (format!("{path}.min"), format!("{path}.max"));
    rules.require(feed.min > Price::ZERO, &min, "expected a price above 0");
    rules.compare(feed.min < feed.max, &max, &min, "expected a price above `min`");
}
