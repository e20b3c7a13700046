//! Price feeds: that they answer, are fresh and believable, and are believed for as long by policy and vault.

use crate::cli::clock::span;
use crate::domain::policy::{FeedPolicy, Policy};
use crate::domain::reason::{FeedName, Reason};
use crate::domain::snapshot::{Feed, Sequencer, Snapshot};
use crate::domain::valuation::dollars;

use super::finding::Finding;

/// Chainlink feeds answer with 8 or 18 decimals; more than this is no price feed.
const MAX_DECIMALS: u8 = 18;

/// Looks at every feed that the policy names.
pub(super) fn check(snapshot: &Snapshot, policy: &Policy) -> Vec<Finding> {
    let (guards, rules, read) = (&snapshot.vault.guards, &policy.feeds, &snapshot.feeds);
    let now = snapshot.block.timestamp;
    let mut findings = Vec::new();
    let vaults = [
        (FeedName::RiskyUsd, &read.risky_usd, &rules.risky_usd, guards.risky_max_age),
        (FeedName::AssetUsd, &read.asset_usd, &rules.asset_usd, guards.asset_max_age),
    ];
    for (name, feed, rule, max_age) in vaults {
        findings.push(answer(name, feed, rule, (now, max_age)));
        findings.extend(decimals(name, feed));
        findings.push(heartbeat(name, max_age_of(rule), max_age));
    }
    if let (Some(feed), Some(rule)) = (&read.native_usd, &rules.native_usd) {
        findings.push(answer(FeedName::NativeUsd, feed, rule, (now, u64::MAX)));
        findings.extend(decimals(FeedName::NativeUsd, feed));
    }
    let grace = rules.sequencer.as_ref().map(|rule| rule.grace_seconds);
    findings.extend(grace.map(|grace| sequencer(read.sequencer, grace, now)));
    findings
}

const fn max_age_of(rule: &FeedPolicy) -> u64 {
    rule.heartbeat_seconds.saturating_add(rule.margin_seconds)
}

/// `clock` is block time and the vault's own bound on the age, as in [`dollars`].
fn answer(name: FeedName, feed: &Feed, rule: &FeedPolicy, clock: (u64, u64)) -> Finding {
    match dollars(feed, rule, name, clock) {
        Ok(price) => {
            let age = clock.0.saturating_sub(feed.latest.map_or(clock.0, |round| round.updated_at));
            Finding::ok("feed", format!("{name} stands at {price}, {} old", span(age)))
        }
        Err(reason @ Reason::StalePrice { .. }) => {
            let remedy = "wait for its next round; where that is always late, correct heartbeat_seconds";
            Finding::error("feed", reason.to_string(), remedy)
        }
        Err(reason) => {
            Finding::error("feed", reason.to_string(), "check the feed's address and bounds in the policy")
        }
    }
}

fn decimals(name: FeedName, feed: &Feed) -> Option<Finding> {
    let odd = feed.latest.is_some() && !(1..=MAX_DECIMALS).contains(&feed.decimals);
    let what = || format!("the {name} feed answers with {} decimals", feed.decimals);
    odd.then(|| Finding::error("feed_decimals", what(), "check that the address is that of a price feed"))
}

/// Seconds up to which policy and vault believe a feed; the smaller one counts.
fn heartbeat(name: FeedName, policy: u64, vault: u64) -> Finding {
    if policy > vault {
        let what = format!("the policy believes {name} for {policy} s, the vault for {vault} s");
        let remedy = "write the vault's heartbeat and margin into the policy: the vault's count";
        return Finding::warning("heartbeat", what, remedy);
    }
    Finding::ok("heartbeat", format!("{name} is believed for {policy} s, by the vault for {vault} s"))
}

fn sequencer(read: Option<Sequencer>, grace: u64, now: u64) -> Finding {
    let remedy = "wait for the sequencer; check feeds.sequencer if this stays";
    let Some(status) = read.and_then(|sequencer| sequencer.status) else {
        return Finding::error("sequencer_up", "the sequencer's feed does not answer", remedy);
    };
    let since = now.saturating_sub(status.started_at);
    if !status.answer.is_zero() || status.started_at == 0 {
        return Finding::error("sequencer_up", "the sequencer is down", remedy);
    }
    if since <= grace {
        let what =
            format!("the sequencer came back {} ago; the grace period is {}", span(since), span(grace));
        return Finding::error("sequencer_up", what, "wait for the end of the grace period");
    }
    Finding::ok("sequencer_up", format!("the sequencer has been up for {}", span(since)))
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, I256};

    use super::super::finding::Level;
    use super::super::fixture;
    use super::*;
    use crate::domain::snapshot::SequencerStatus;

    fn of(check: &str, snapshot: &Snapshot) -> Vec<(Level, String)> {
        let found = super::check(snapshot, fixture::policy().policy());
        found.into_iter().filter(|f| f.check == check).map(|f| (f.level, f.what)).collect()
    }

    #[test]
    fn fresh_feeds_tell_price_and_age() {
        let found = of("feed", &fixture::snapshot());
        assert_eq!(
            found,
            [
                (Level::Ok, "risky/USD stands at 3000, 60 s old".to_owned()),
                (Level::Ok, "asset/USD stands at 1, 60 s old".to_owned()),
            ]
        );
        assert!(of("feed_decimals", &fixture::snapshot()).is_empty());
    }

    #[test]
    fn every_feed_that_is_stale_or_silent_is_an_error() {
        let mut snapshot = fixture::snapshot();
        snapshot.feeds.risky_usd.latest.as_mut().unwrap().updated_at = snapshot.block.timestamp - 3_901;
        snapshot.feeds.asset_usd.latest = None;
        let found = of("feed", &snapshot);
        assert_eq!(
            found,
            [
                (Level::Error, "the risky/USD price is 3901 s old, at most 3900 s are allowed".to_owned()),
                (Level::Error, "the asset/USD price is unusable: the feed does not answer".to_owned()),
            ]
        );
    }

    #[test]
    fn odd_decimals_are_an_error() {
        let mut snapshot = fixture::snapshot();
        snapshot.feeds.asset_usd.decimals = 36;
        assert_eq!(of("feed_decimals", &snapshot).len(), 1);
    }

    #[test]
    fn a_policy_that_is_more_patient_than_its_vault_is_a_warning() {
        assert_eq!(heartbeat(FeedName::RiskyUsd, 3_900, 4_500).level, Level::Ok);
        assert_eq!(heartbeat(FeedName::RiskyUsd, 4_501, 4_500).level, Level::Warning);
        assert!(of("heartbeat", &fixture::snapshot()).iter().all(|(level, _)| *level == Level::Ok));
    }

    #[test]
    fn a_sequencer_must_answer_be_up_and_be_past_its_grace() {
        let read = |answer: i64, started_at| {
            let status = Some(SequencerStatus { answer: I256::try_from(answer).unwrap(), started_at });
            Some(Sequencer { address: Address::ZERO, status })
        };
        let level = |read| sequencer(read, 3_600, 10_000).level;
        assert_eq!(level(None), Level::Error);
        assert_eq!(level(read(1, 100)), Level::Error);
        assert_eq!(level(read(0, 0)), Level::Error);
        assert_eq!(level(read(0, 6_400)), Level::Error);
        assert_eq!(level(read(0, 6_399)), Level::Ok);
    }
}
