//! The health of a chain's endpoints, as a pure function of what they answered and when.
//!
//! Rules it keeps: an endpoint that served another chain never comes back; one that lied stays away for its whole
//! quarantine, longer each time; nobody is believed against a majority, and of two that differ neither; every change
//! is returned once.

use std::collections::BTreeMap;
use std::time::Duration;

use alloy::primitives::B256;

use super::standing::{Change, Lie, Standing, State};
use crate::defence::defended;

/// What makes an endpoint healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Blocks that an endpoint may be behind the best.
    pub max_lag: u64,
    /// Blocks below the lowest head at which the endpoints must agree on the hash; absent is 0 for one and 1 for several.
    pub agreement_depth: Option<u64>,
    /// Failed calls in a row after which an endpoint is unreachable.
    pub failures: u32,
    /// Good looks in a row after which one that lagged or disagreed is healthy again.
    pub good_looks: u32,
    /// How long an endpoint that lied stays away the first time; each time twice as long.
    pub quarantine: Duration,
    /// The longest it stays away.
    pub longest_quarantine: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            max_lag: 3,
            agreement_depth: None,
            failures: 3,
            good_looks: 2,
            quarantine: Duration::from_secs(600),
            longest_quarantine: Duration::from_secs(86_400),
        }
    }
}

/// The newest block of an endpoint, as it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// Height.
    pub number: u64,
    /// Hash.
    pub hash: B256,
    /// Block time, seconds since the Unix epoch.
    pub timestamp: u64,
}

/// What one endpoint answered in one look at all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// Nothing usable, and why.
    Silent(String),
    /// The id of another chain.
    Foreign(u64),
    /// Its head, and its hash at the common height; absent where it did not say.
    Seen(Tip, Option<B256>),
    /// It was not asked: it limits its callers.
    Spared,
}

/// The endpoints of one chain, by their place in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Board {
    rules: Rules,
    standings: Vec<Standing>,
}

/// What a look says of an endpoint that answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finding {
    Good,
    Unsure,
    Behind(u64),
    Apart(u64),
}

impl Board {
    /// Endpoints that were verified when they were connected, or why not.
    #[must_use]
    pub fn new(rules: Rules, connected: Vec<Result<(), String>>) -> Self {
        Self { rules, standings: connected.into_iter().map(Standing::at_start).collect() }
    }

    /// The standing of each.
    #[must_use]
    pub fn standings(&self) -> &[Standing] {
        &self.standings
    }

    /// Blocks below the lowest head at which all must agree.
    #[must_use]
    pub fn depth(&self) -> u64 {
        let several = self.standings.len() > 1;
        self.rules.agreement_depth.unwrap_or(u64::from(several))
    }

    /// The height at which those that are not left behind are compared: the agreed depth below the lowest of them.
    #[must_use]
    pub fn common_height(&self, tips: &[Option<Tip>]) -> Option<u64> {
        let numbers: Vec<u64> = self.believed(tips).map(|tip| tip.number).collect();
        let best = best(&numbers)?;
        let near = numbers.into_iter().filter(|number| best.saturating_sub(*number) <= self.rules.max_lag);
        Some(near.min()?.saturating_sub(self.depth()))
    }

    /// Takes a look at all endpoints, made at `now` with hashes at `height`.
    pub fn look(&mut self, now: Duration, height: u64, looks: &[Look]) -> Vec<Change> {
        let findings = self.findings(height, looks);
        let mut changes = Vec::new();
        for (place, (look, finding)) in looks.iter().zip(findings).enumerate() {
            let change = match look {
                Look::Silent(reason) => self.failed(place, reason, now),
                Look::Foreign(actual) => self.foreign(place, *actual, now),
                Look::Spared => None,
                Look::Seen(tip, _) => self.seen(place, *tip, finding, now),
            };
            changes.extend(change);
        }
        changes
    }

    /// A call failed.
    pub fn failed(&mut self, place: usize, reason: &str, now: Duration) -> Option<Change> {
        let limit = self.rules.failures;
        let standing = self.standings.get_mut(place)?;
        standing.good_looks = 0;
        standing.failures = standing.failures.saturating_add(1);
        let (failures, held) = (standing.failures, standing.is_barred());
        if failures < limit || held {
            return None;
        }
        standing.becomes(place, State::Unreachable { reason: reason.to_owned() }, now)
    }

    /// This many calls in a row failed until now, the last of all for this reason.
    pub fn failures(&mut self, place: usize, last: (u32, &str), now: Duration) -> Option<Change> {
        let (failures, reason) = last;
        let known = self.standings.get_mut(place)?;
        if failures == 0 {
            known.failures = 0;
        }
        if failures <= known.failures {
            return None;
        }
        known.failures = failures.saturating_sub(1);
        self.failed(place, reason, now)
    }

    /// It serves another chain.
    pub fn foreign(&mut self, place: usize, actual: u64, now: Duration) -> Option<Change> {
        self.standings.get_mut(place)?.becomes(place, State::Dropped { actual }, now)
    }

    /// It said what cannot be true.
    pub fn lied(&mut self, place: usize, lie: Lie, now: Duration) -> Option<Change> {
        let Rules { quarantine, longest_quarantine, .. } = self.rules;
        let standing = self.standings.get_mut(place)?;
        if matches!(standing.state, State::Dropped { .. }) {
            return None;
        }
        let times = 2_u32.saturating_pow(standing.lies);
        standing.lies = standing.lies.saturating_add(1);
        let until = now.saturating_add(quarantine.saturating_mul(times).min(longest_quarantine));
        let until = standing.returns_at.map_or(until, |earlier| earlier.max(until));
        let change = standing.becomes(place, State::Quarantined(lie), now);
        standing.returns_at = Some(until);
        change
    }

    fn seen(&mut self, place: usize, tip: Tip, finding: Finding, now: Duration) -> Option<Change> {
        let needed = self.rules.good_looks;
        let standing = self.standings.get_mut(place)?;
        standing.failures = 0;
        standing.tip = Some(tip);
        let stays_away = standing.returns_at.is_some_and(|returns| now < returns);
        if stays_away || matches!(standing.state, State::Dropped { .. }) {
            return None;
        }
        match finding {
            Finding::Behind(blocks) => standing.becomes(place, State::Lagging { blocks }, now),
            Finding::Apart(height) => standing.becomes(place, State::Disagreeing { height }, now),
            Finding::Unsure => None,
            Finding::Good => {
                standing.good_looks = standing.good_looks.saturating_add(1);
                let at_once = !matches!(standing.state, State::Lagging { .. } | State::Disagreeing { .. });
                let returns = at_once || standing.good_looks >= needed;
                if returns { standing.becomes(place, State::Healthy, now) } else { None }
            }
        }
    }

    fn findings(&self, height: u64, looks: &[Look]) -> Vec<Finding> {
        let tips: Vec<Option<Tip>> = looks.iter().map(Look::tip).collect();
        let numbers: Vec<u64> = self.believed(&tips).map(|tip| tip.number).collect();
        let best = best(&numbers).unwrap_or_default();
        let lag = |look: &Look| look.tip().map_or(0, |tip| best.saturating_sub(tip.number));
        let votes: Vec<Option<B256>> = looks
            .iter()
            .zip(&self.standings)
            .map(|(look, standing)| {
                look.hash().filter(|_| lag(look) <= self.rules.max_lag && !standing.is_barred())
            })
            .collect();
        let believed = majority(votes.iter().flatten().copied());
        let finding = |(look, standing): (&Look, &Standing)| match (lag(look), look.hash()) {
            (blocks, _) if blocks > self.rules.max_lag && defended(25) => Finding::Behind(blocks),
            (_, None) => Finding::Unsure,
            // Nobody else votes: one that comes back from its quarantine is as good as the only one there is.
            (_, Some(_)) if votes.iter().flatten().next().is_none() => Finding::Good,
            (_, Some(hash)) if believed == Some(hash) => Finding::Good,
            (_, Some(_)) if standing.is_barred() && believed.is_none() => Finding::Unsure,
            (_, Some(_)) => Finding::Apart(height),
        };
        looks.iter().zip(&self.standings).map(finding).collect()
    }

    /// The heads of those that have not lied.
    fn believed<'a>(&'a self, tips: &'a [Option<Tip>]) -> impl Iterator<Item = Tip> + 'a {
        let free = tips.iter().zip(&self.standings).filter(|(_, standing)| !standing.is_barred());
        free.filter_map(|(tip, _)| *tip)
    }
}

impl Look {
    const fn tip(&self) -> Option<Tip> {
        match self {
            Self::Seen(tip, _) => Some(*tip),
            Self::Silent(_) | Self::Foreign(_) | Self::Spared => None,
        }
    }

    const fn hash(&self) -> Option<B256> {
        match self {
            Self::Seen(_, hash) => *hash,
            Self::Silent(_) | Self::Foreign(_) | Self::Spared => None,
        }
    }
}

/// The height that counts as the head: of three or more the second highest, so that one alone cannot make all others
/// late by a height that nobody else has; otherwise the highest.
fn best(numbers: &[u64]) -> Option<u64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    let place = usize::from(sorted.len() >= 3);
    sorted.get(place).copied()
}

/// The hash that all say, or that more than half of at least three say.
#[must_use]
pub fn majority(hashes: impl Iterator<Item = B256>) -> Option<B256> {
    let mut counts: BTreeMap<B256, usize> = BTreeMap::new();
    for hash in hashes {
        let count = counts.entry(hash).or_default();
        *count = count.saturating_add(1);
    }
    let all: usize = counts.values().sum();
    let (hash, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    (count.saturating_mul(2) > all).then_some(hash)
}

#[cfg(test)]
mod tests;
