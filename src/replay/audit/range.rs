//! The audit of a range of blocks, stretch by stretch: the memory that it takes does not grow with the range.

use std::collections::BTreeSet;

use alloy::primitives::{Address, B256};
use alloy::sol_types::SolEvent;
use eyre::{Result, WrapErr, bail, eyre};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use super::super::{Source, Subject};
use super::action::{action, classify};
use super::episodes::{Episodes, State, Step};
use super::walk::{News, Reading, Seen, Walk};
use super::{Episode, Finding, Found, Question, want};
use crate::chain::{Header, LogFilter, MinedLog};
use crate::domain::decision::decide;
use crate::protocols::abi::RebalancingVault::Deleveraged;
use crate::protocols::vaults::rebalancing_vault::Rebalanced;

/// Blocks in one stretch, and in one request for events.
const STRETCH: u64 = 256;

/// Headers that are asked for at once.
const HEADERS: usize = 16;

/// How far an audit has come: what it goes on from after an interruption.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The next block.
    pub next: u64,
    /// Hash of the block before it; absent at the beginning.
    pub parent: Option<B256>,
    /// What was found so far, vault by vault.
    pub vaults: Vec<Vault>,
}

/// How far it has come with one vault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vault {
    /// What was found.
    pub found: Found,
    episodes: Episodes,
    /// Hash of the policy at the last block.
    policy: Option<B256>,
}

/// An audit under way.
#[derive(Debug)]
pub struct Audit<'a> {
    source: &'a Source,
    question: Question,
    subjects: &'a [Subject],
    walks: Vec<Walk<'a>>,
    progress: Progress,
}

impl<'a> Audit<'a> {
    /// An audit of `subjects`; where `progress` is given it goes on from there.
    #[must_use]
    pub fn new(
        source: &'a Source,
        question: Question,
        subjects: &'a [Subject],
        progress: Option<Progress>,
    ) -> Self {
        let walks = subjects.iter().map(|subject| Walk::new(subject, question.reading)).collect();
        let vaults = || subjects.iter().map(Vault::new).collect();
        let begin = || Progress { next: question.from, parent: None, vaults: vaults() };
        Self { source, question, subjects, walks, progress: progress.unwrap_or_else(begin) }
    }

    /// How far it has come.
    #[must_use]
    pub const fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Goes on for a stretch; whether there is more.
    ///
    /// # Errors
    /// A failed read, endpoints that disagree, blocks that do not follow one another. What was found before stays, and the
    /// same stretch can be tried again.
    pub async fn stretch(&mut self) -> Result<bool> {
        let Question { to, .. } = self.question;
        let from = self.progress.next;
        if from > to {
            return Ok(false);
        }
        let last = to.min(from.saturating_add(STRETCH).saturating_sub(1));
        let headers = headers(self.source, (from, last), self.progress.parent).await?;
        let mut progress = self.progress.clone();
        for (at, walk) in self.walks.iter_mut().enumerate() {
            let (Some(vault), Some(subject)) = (progress.vaults.get_mut(at), self.subjects.get(at)) else {
                bail!("what was begun was about other vaults");
            };
            let stretch =
                Stretch { source: self.source, question: &self.question, subject, headers: &headers };
            stretch.of(walk, vault).await.wrap_err_with(|| format!("vault {}", subject.name))?;
        }
        progress.parent = headers.last().map(|header| header.hash);
        progress.next = last.saturating_add(1);
        self.progress = progress;
        Ok(last < to)
    }

    /// What was found; what is open at the end and past the grace is missed.
    #[must_use]
    pub fn found(&self) -> Vec<Found> {
        let grace = self.question.grace;
        let ended = |vault: &Vault| {
            let mut found = vault.found.clone();
            found.ended(vault.episodes.rest(), grace);
            found
        };
        self.progress.vaults.iter().map(ended).collect()
    }
}

/// The headers of a range, each the child of the one before.
async fn headers(source: &Source, (from, to): (u64, u64), parent: Option<B256>) -> Result<Vec<Header>> {
    let asked = stream::iter(from..=to).map(|number| source.header(number));
    let headers: Vec<Header> = asked.buffered(HEADERS).try_collect().await?;
    let parents = parent.into_iter().chain(headers.iter().map(|header| header.hash));
    let children = headers.iter().skip(usize::from(parent.is_none()));
    for (child, parent) in children.zip(parents) {
        if child.parent_hash != parent {
            let number = child.number;
            bail!(
                "block {number} is not the child of the one before it: the chain was reorganised, or the node lies; audit what is final"
            );
        }
    }
    Ok(headers)
}

/// Blocks that follow one another, for one vault.
struct Stretch<'a, 's> {
    source: &'s Source,
    question: &'s Question,
    subject: &'a Subject,
    headers: &'s [Header],
}

impl<'a> Stretch<'a, '_> {
    async fn of(&self, walk: &mut Walk<'a>, vault: &mut Vault) -> Result<()> {
        let (Some(first), Some(last)) = (self.headers.first(), self.headers.last()) else { return Ok(()) };
        let (snapshot, _) = self.source.facts(first, self.subject.vault, &self.subject.policies).await?;
        let (proxies, contracts) = walk.contracts(&snapshot);
        let (before, after) = tokio::try_join!(
            self.source.aggregators(first.hash, &proxies),
            self.source.aggregators(last.hash, &proxies)
        )?;
        let known = before.filter(|before| after.as_ref() == Some(before));
        let watched = match (&known, self.question.reading) {
            (Some(aggregators), Reading::Changes) => [contracts, aggregators.clone()].concat(),
            (_, Reading::Every) | (None, Reading::Changes) => vec![self.subject.vault],
        };
        let logs = self.logs(watched, (first.number, last.number)).await?;
        let heights = logs.iter().map(|log| log.block_number).collect();
        let news = News { heights, unknown: known.is_none() || self.question.reading == Reading::Every };
        let seen = walk.along(self.source, self.headers, &news).await?;
        let ours: Vec<_> = logs.into_iter().filter(|log| log.log.address == self.subject.vault).collect();
        self.judge(&seen, &ours, vault).await?;
        vault.found.reads = walk.reads;
        Ok(())
    }

    async fn logs(&self, addresses: Vec<Address>, (from, to): (u64, u64)) -> Result<Vec<MinedLog>> {
        self.source.logs(&LogFilter { addresses, event: None, from, to }).await
    }

    async fn judge(&self, seen: &[Seen<'a>], logs: &[MinedLog], vault: &mut Vault) -> Result<()> {
        let acted: BTreeSet<u64> =
            events(logs, Rebalanced::SIGNATURE_HASH).map(|log| log.block_number).collect();
        for (seen, header) in seen.iter().zip(self.headers) {
            vault.policy_is(seen, header.number);
            for mined in logs.iter().filter(|log| log.block_number == header.number) {
                let found = self.event(mined).await?;
                vault.found.findings.extend(found);
            }
            let (state, price) = judged(seen)?;
            let step = Step {
                number: header.number,
                timestamp: header.timestamp,
                acted: acted.contains(&header.number),
                price,
                state,
            };
            vault.found.count(&step);
            let ended = vault.episodes.step(&step);
            vault.found.ended(ended, self.question.grace);
        }
        Ok(())
    }

    async fn event(&self, mined: &MinedLog) -> Result<Option<Finding>> {
        let topic = mined.log.topics().first().copied();
        if topic == Some(Deleveraged::SIGNATURE_HASH) {
            let (block, transaction) = (mined.block_number, mined.transaction_hash);
            return Ok(Some(Finding::Deleveraged { block, transaction }));
        }
        if topic != Some(Rebalanced::SIGNATURE_HASH) {
            return Ok(None);
        }
        let action = action(mined)?;
        let class = classify(self.source, self.subject, &action).await;
        let class = class.wrap_err_with(|| format!("the action of transaction {}", action.transaction))?;
        Ok(Some(Finding::Action { action, class }))
    }
}

fn events(logs: &[MinedLog], event: B256) -> impl Iterator<Item = &MinedLog> {
    logs.iter().filter(move |log| log.log.topics().first() == Some(&event))
}

/// What the policy in force says, and the price that it goes by.
fn judged(seen: &Seen<'_>) -> Result<(State, Option<f64>)> {
    let Some(policy) = seen.policy else { return Ok((State::Unknown, None)) };
    let decision = decide(&seen.snapshot, policy);
    let state = want::state(&decision, policy.policy()).map_err(|error| eyre!("the reckoning: {error}"))?;
    Ok((state, decision.appraisal.map(|appraisal| appraisal.price.real())))
}

impl Vault {
    fn new(subject: &Subject) -> Self {
        let found = Found {
            name: subject.name.clone(),
            vault: subject.vault,
            held_as_policy: 0,
            wanted: 0,
            unknown: 0,
            passed: 0,
            reads: 0,
            findings: Vec::new(),
        };
        Self { found, episodes: Episodes::default(), policy: None }
    }

    /// Takes note of the policy in force.
    fn policy_is(&mut self, seen: &Seen<'_>, block: u64) {
        let policy_hash = seen.snapshot.vault.policy_hash;
        let (before, known) = (self.policy.replace(policy_hash), seen.policy.is_some());
        if before.map_or(!known, |before| before != policy_hash) {
            self.found.findings.push(Finding::PolicyChanged { block, policy_hash, known });
        }
    }
}

impl Found {
    fn count(&mut self, step: &Step) {
        let counter = match step.state {
            State::Holds => &mut self.held_as_policy,
            State::Wants(_) => &mut self.wanted,
            State::Unknown => &mut self.unknown,
        };
        *counter = counter.saturating_add(1);
    }

    /// Takes an episode in that has ended.
    fn ended(&mut self, episode: Option<Episode>, grace: u64) {
        match episode {
            Some(episode) if episode.blocks_late > grace => {
                self.findings.push(Finding::Missed { episode, causes: Vec::new() });
            }
            Some(episode) if episode.end != super::End::Acted => self.passed = self.passed.saturating_add(1),
            Some(_) | None => {}
        }
    }
}
