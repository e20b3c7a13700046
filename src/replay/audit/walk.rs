//! The facts of a vault, block after block: read, or known because nothing that they depend on has happened since.
//!
//! Between two blocks of which neither holds an event of a contract that the facts come from, only what moves by itself can
//! differ: time and base fee, which the header tells; a floor that accrues, the data fee of a rollup, averages, option books,
//! the vault's turnover. Where one of these can move every block is read.

use std::collections::BTreeSet;
use std::sync::Arc;

use alloy::primitives::U256;
use eyre::{Result, eyre};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use super::super::{Source, Subject};
use super::watch::Sources;
use crate::chain::Header;
use crate::domain::policy::{self, ChainKind, FloorPolicy, Policy, PublishedPolicy, VenuePolicy};
use crate::domain::snapshot::Snapshot;

/// Reads of facts that are under way at once.
const READS: usize = 8;

/// Which blocks are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// Those before which something happened that the facts depend on; the facts of the others follow.
    #[default]
    Changes,
    /// Every one.
    Every,
}

/// The facts of a vault at one block.
#[derive(Debug, Clone)]
pub(super) struct Seen<'p> {
    pub(super) snapshot: Arc<Snapshot>,
    /// The policy in force; `None` where the vault stores the hash of another.
    pub(super) policy: Option<&'p PublishedPolicy>,
}

/// What happened in a stretch of blocks.
#[derive(Debug, Default)]
pub(super) struct News {
    /// Heights of the blocks that hold an event of a contract that the facts depend on.
    pub(super) heights: BTreeSet<u64>,
    /// Whether that is not known, so that every block counts as one.
    pub(super) unknown: bool,
}

impl News {
    fn has(&self, height: u64) -> bool {
        self.unknown || self.heights.contains(&height)
    }
}

/// The way along the blocks of one vault.
#[derive(Debug)]
pub(super) struct Walk<'p> {
    subject: &'p Subject,
    reading: Reading,
    /// The facts at the last block.
    last: Option<Seen<'p>>,
    /// Whether they follow from those until something happens.
    still: bool,
    /// Time of the last block in which something happened, seconds since the Unix epoch.
    moved_at: Option<u64>,
    /// Blocks whose facts were read.
    pub(super) reads: u64,
}

impl<'p> Walk<'p> {
    pub(super) const fn new(subject: &'p Subject, reading: Reading) -> Self {
        Self { subject, reading, last: None, still: false, moved_at: None, reads: 0 }
    }

    /// What the facts come from, by what is known at `snapshot`.
    pub(super) fn sources(&self, snapshot: &Snapshot) -> Sources {
        let mut proxies = BTreeSet::from([snapshot.vault.risky_feed, snapshot.vault.asset_feed]);
        let mut contracts = BTreeSet::from([self.subject.vault]);
        for policy in self.subject.policies.iter().map(PublishedPolicy::policy) {
            let feeds = &policy.feeds;
            proxies.extend([feeds.risky_usd.address, feeds.asset_usd.address]);
            proxies.extend(feeds.native_usd.as_ref().map(|feed| feed.address));
            proxies.extend(feeds.sequencer.as_ref().map(|sequencer| sequencer.address));
            contracts.extend(policy.venues.iter().map(|venue| match venue {
                VenuePolicy::UniswapV3 { pool, .. } => *pool,
                VenuePolicy::UniswapV2 { pair } => *pair,
            }));
        }
        Sources { proxies, contracts }
    }

    /// The facts at each of `headers`, which follow one another, where `news` happened.
    ///
    /// # Errors
    /// A failed read.
    pub(super) async fn along(
        &mut self,
        source: &Source,
        headers: &[Header],
        news: &News,
    ) -> Result<Vec<Seen<'p>>> {
        let mut seen = Vec::with_capacity(headers.len());
        for few in headers.chunks(READS) {
            // From the first news on all of them are read.
            let quiet = few.iter().take_while(|header| self.still && !news.has(header.number)).count();
            let (derived, read) = few.split_at_checked(quiet).unwrap_or((few, &[]));
            for header in derived {
                let last = self.last.as_ref().ok_or_else(|| eyre!("no facts to go on from"))?;
                seen.push(last.at(header)?);
            }
            let reading = stream::iter(read).map(|header| self.read(source, header)).buffered(READS);
            let facts: Vec<Seen<'p>> = reading.try_collect().await?;
            self.note(read, &facts, news);
            seen.extend(facts);
        }
        self.last = seen.last().cloned().or_else(|| self.last.take());
        Ok(seen)
    }

    async fn read(&self, source: &Source, header: &Header) -> Result<Seen<'p>> {
        let Subject { vault, policies, .. } = self.subject;
        let (snapshot, policy) = source.facts(header, *vault, policies).await?;
        let policy = Some(policy).filter(|policy| policy.hash() == snapshot.vault.policy_hash);
        Ok(Seen { snapshot: Arc::new(snapshot), policy })
    }

    /// Whether what was read last may be gone on from.
    fn note(&mut self, read: &[Header], facts: &[Seen<'p>], news: &News) {
        self.reads = self.reads.saturating_add(u64::try_from(read.len()).unwrap_or(u64::MAX));
        let Some(first) = read.first() else { return };
        let moved = read.iter().rev().find(|header| news.has(header.number));
        let begun = self.moved_at.unwrap_or(first.timestamp);
        let moved_at = moved.map_or(begun, |header| header.timestamp);
        (self.moved_at, self.still) = (Some(moved_at), false);
        if let ([.., before, _], [.., earlier, later], Some(last)) = (read, facts, read.last()) {
            let window = self.subject.policies.iter().map(|policy| window(policy.policy())).max();
            let averaged = before.timestamp >= moved_at.saturating_add(window.unwrap_or_default());
            self.still = self.reading == Reading::Changes
                && !news.has(last.number)
                && averaged
                && !self.moves_by_itself(&later.snapshot)
                && earlier.is_as(later);
            self.last = Some(later.clone());
        }
    }

    /// Whether a fact may differ from block to block without any event.
    fn moves_by_itself(&self, snapshot: &Snapshot) -> bool {
        let vault = &snapshot.vault;
        let accrues = matches!(vault.floor_policy, FloorPolicy::Accruing { .. });
        // At nothing left the bucket may be over its brim, and seem to stand still while it leaks.
        let overfull = vault.guards.turnover_left == U256::ZERO;
        let policies = self.subject.policies.iter().map(PublishedPolicy::policy);
        let moving = |policy: &Policy| {
            policy.gas.chain != ChainKind::Ethereum
                || policy.option_book().is_some()
                || matches!(policy.volatility.source, policy::Source::Pool { .. })
        };
        accrues || overfull || vault.option_book.is_some() || policies.into_iter().any(moving)
    }
}

/// Seconds for which what happened in a pool moves its average.
fn window(policy: &Policy) -> u64 {
    policy.limits.twap.as_ref().map_or(0, |twap| twap.window_seconds.into())
}

impl Seen<'_> {
    /// The same facts at a later block before which nothing happened.
    fn at(&self, header: &Header) -> Result<Self> {
        let mut snapshot = Snapshot::clone(&self.snapshot);
        // Facts that stand still are those of Ethereum.
        let kind = ChainKind::Ethereum;
        let fee = header.next_base_fee(kind);
        snapshot.block.number = header.number;
        snapshot.block.hash = header.hash;
        snapshot.block.timestamp = header.timestamp;
        snapshot.block.next_base_fee = fee.ok_or_else(|| {
            eyre!("block {}: {}", header.number, header.base_fee_fault(kind).unwrap_or_default())
        })?;
        Ok(Self { snapshot: Arc::new(snapshot), policy: self.policy })
    }

    /// Whether the facts are those of `other`, their blocks left out.
    fn is_as(&self, other: &Self) -> bool {
        let (a, b) = (&self.snapshot, &other.snapshot);
        a.vault == b.vault
            && a.feeds == b.feeds
            && a.pools == b.pools
            && a.options == b.options
            && a.rollup == b.rollup
    }
}
