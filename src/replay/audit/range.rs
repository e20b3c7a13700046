//! The audit of a range of blocks, stretch by stretch: the memory that it takes does not grow with the range.

use alloy::primitives::{Address, B256};
use alloy::sol_types::SolEvent;
use eyre::{Result, WrapErr, bail, eyre};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};

use super::super::{Source, Subject};
use super::action::{action, classify};
use super::episodes::{Done, End, Episodes, State, Step};
use super::other::Other;
use super::walk::{Seen, Walk};
use super::watch::{Sources, Watch};
use super::{Class, Episode, Finding, Found, Question, Wish, WithinGrace, want};
use crate::chain::{Header, MinedLog};
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
    /// The first block after which the vault is there; absent until it was looked for.
    deployed: Option<u64>,
}

/// An audit under way.
#[derive(Debug)]
pub struct Audit<'a> {
    source: &'a Source,
    question: Question,
    subjects: &'a [Subject],
    walks: Vec<(Walk<'a>, Option<Other<'a>>)>,
    progress: Progress,
}

impl<'a> Audit<'a> {
    /// An audit of `subjects`; where `progress` is given it goes on from there. `others` are the same vaults, each with the
    /// policy that the published ones are compared with, or none at all.
    #[must_use]
    pub fn new(
        source: &'a Source,
        question: Question,
        (subjects, others): (&'a [Subject], &'a [Subject]),
        progress: Option<Progress>,
    ) -> Self {
        let others = others.iter().map(Some).chain(std::iter::repeat(None));
        let pairs: Vec<_> = subjects.iter().zip(others).collect();
        let walks = pairs.iter().map(|(subject, other)| {
            let other = other.and_then(|other| Other::new(other, question.reading));
            (Walk::new(subject, question.reading), other)
        });
        let walks = walks.collect();
        let vaults = || pairs.iter().map(|(subject, other)| Vault::new(subject, *other)).collect();
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
    /// A failed read, endpoints that disagree, blocks that do not follow one another. What was found before stays in
    /// [`Self::progress`], from which another audit goes on; this one is at its end.
    pub async fn stretch(&mut self) -> Result<bool> {
        let Question { to, .. } = self.question;
        let from = self.progress.next;
        if from > to {
            return Ok(false);
        }
        let last = to.min(from.saturating_add(STRETCH).saturating_sub(1));
        let headers = headers(self.source, (from, last), self.progress.parent).await?;
        let ends = (headers.first(), headers.last());
        let (Some(first), Some(newest)) = ends else { return Ok(false) };
        self.deployments(first).await?;
        let sources = self.sources(&headers).await?;
        let about = (sources.as_slice(), self.question.reading);
        // Feeds that report elsewhere from the first block on do so without an event.
        let before = self.progress.parent.unwrap_or(first.hash);
        let watch = Watch::over(self.source, before, (first, newest), about).await?;
        let mut progress = self.progress.clone();
        for (at, walks) in self.walks.iter_mut().enumerate() {
            let known = (progress.vaults.get_mut(at), self.subjects.get(at), sources.get(at));
            let (Some(vault), Some(subject), Some((_, sources))) = known else {
                bail!("what was begun was about other vaults");
            };
            let there = vault.there(&headers);
            let before = headers.len().saturating_sub(there.len());
            let before = u64::try_from(before).unwrap_or(u64::MAX);
            vault.found.not_deployed = vault.found.not_deployed.saturating_add(before);
            let (source, question) = (self.source, &self.question);
            let stretch = Stretch { source, question, subject, headers: there, watch: &watch };
            stretch.of(walks, sources, vault).await.wrap_err_with(|| format!("vault {}", subject.name))?;
        }
        progress.parent = headers.last().map(|header| header.hash);
        progress.next = last.saturating_add(1);
        self.progress = progress;
        Ok(last < to)
    }

    /// Looks for the first block of each vault, where that was not done.
    async fn deployments(&mut self, first: &Header) -> Result<()> {
        let to = self.question.to;
        for vault in self.progress.vaults.iter_mut().filter(|vault| vault.deployed.is_none()) {
            let (name, address) = (&vault.found.name, vault.found.vault);
            let deployed = self.source.deployed(address, first, to).await?;
            let deployed = deployed.ok_or_else(|| {
                eyre!(
                    "vault {name}: there is no contract at {address} up to block {to}: is the address right?"
                )
            })?;
            vault.deployed = Some(deployed);
        }
        Ok(())
    }

    /// Each vault with what its facts come from, by its state at the first of `headers` after which it is there; nothing where
    /// there is none.
    async fn sources(&self, headers: &[Header]) -> Result<Vec<(Address, Sources)>> {
        let mut all = Vec::with_capacity(self.subjects.len());
        for ((subject, vault), walks) in self.subjects.iter().zip(&self.progress.vaults).zip(&self.walks) {
            let sources = match vault.there(headers).first() {
                Some(header) => self.sources_at(header, subject, walks).await?,
                None => Sources::default(),
            };
            all.push((subject.vault, sources));
        }
        Ok(all)
    }

    async fn sources_at(
        &self,
        header: &Header,
        subject: &Subject,
        (walk, other): &(Walk<'a>, Option<Other<'a>>),
    ) -> Result<Sources> {
        let facts = self.source.facts(header, subject.vault, &subject.policies).await;
        let (snapshot, _) = facts.wrap_err_with(|| format!("vault {}", subject.name))?;
        let mut sources = walk.sources(&snapshot);
        if let Some(Sources { proxies, contracts }) = other.as_ref().map(|other| other.sources(&snapshot)) {
            sources.proxies.extend(proxies);
            sources.contracts.extend(contracts);
        }
        Ok(sources)
    }

    /// What was found; what is open at the end and past the grace is missed.
    #[must_use]
    pub fn found(&self) -> Vec<Found> {
        let grace = self.question.grace;
        let ended = |vault: &Vault| {
            let mut found = vault.found.clone();
            found.rests(vault.episodes.rest(), grace);
            found.findings.sort_by_key(Finding::block);
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
    /// What happened in it.
    watch: &'s Watch,
}

impl<'a> Stretch<'a, '_> {
    async fn of(
        &self,
        (walk, other): &mut (Walk<'a>, Option<Other<'a>>),
        sources: &Sources,
        vault: &mut Vault,
    ) -> Result<()> {
        let news = self.watch.news(sources);
        let seen = walk.along(self.source, self.headers, &news).await?;
        let wishes = match other {
            Some(other) => other.along(self.source, self.headers, &news).await?,
            None => Vec::new(),
        };
        let logs = self.watch.of(self.subject.vault);
        self.judge((&seen, &wishes), (&logs, other.as_ref()), vault).await?;
        vault.found.reads = vault.found.reads.saturating_add(walk.taken_reads());
        Ok(())
    }

    async fn judge(
        &self,
        (seen, wishes): (&[Seen<'a>], &[Option<Wish>]),
        (logs, other): (&[MinedLog], Option<&Other<'a>>),
        vault: &mut Vault,
    ) -> Result<()> {
        for (at, (seen, header)) in seen.iter().zip(self.headers).enumerate() {
            let number = header.number;
            vault.policy_is(seen, number);
            let mut done = Done::Nothing;
            for mined in logs.iter().filter(|log| log.block_number == number) {
                done = done.max(self.event(mined, other, vault).await?);
            }
            let Judged { state, price, wish } = judged(seen)?;
            vault.compare(number, (state, wish), wishes.get(at));
            let step = Step { number, timestamp: header.timestamp, done, price, state };
            vault.found.count(&step);
            let ended = vault.episodes.step(&step);
            vault.found.ended(ended, self.question.grace);
        }
        Ok(())
    }

    /// Takes in what an event of the vault tells; what the keeper did.
    async fn event(&self, mined: &MinedLog, other: Option<&Other<'a>>, vault: &mut Vault) -> Result<Done> {
        let topic = mined.log.topics().first().copied();
        if topic == Some(Deleveraged::SIGNATURE_HASH) {
            let (block, transaction) = (mined.block_number, mined.transaction_hash);
            vault.found.findings.push(Finding::Deleveraged { block, transaction });
        }
        if topic != Some(Rebalanced::SIGNATURE_HASH) {
            return Ok(Done::Nothing);
        }
        let action = action(mined)?;
        let about = || format!("the action of transaction {}", action.transaction);
        let (class, wish) = classify(self.source, self.subject, &action).await.wrap_err_with(about)?;
        if let (Some(other), Some(beside)) = (other, &mut vault.found.counterfactual) {
            beside.actions.push(other.beside(self.source, &action, wish).await.wrap_err_with(about)?);
        }
        let done = match class {
            Class::ActedAsPolicy | Class::WrongDecisionHash { .. } => {
                Done::AsWanted { sell: action.sell_risky }
            }
            Class::UnexplainedAction { .. } | Class::UnknownPolicy => Done::Otherwise,
        };
        vault.found.findings.push(Finding::Action { action, class });
        Ok(done)
    }
}

/// A block as an audit sees it.
struct Judged {
    state: State,
    /// The price that the policy goes by.
    price: Option<f64>,
    wish: Option<Wish>,
}

/// What the policy in force says.
fn judged(seen: &Seen<'_>) -> Result<Judged> {
    let Some(policy) = seen.policy else {
        return Ok(Judged { state: State::Unknown, price: None, wish: None });
    };
    let decision = decide(&seen.snapshot, policy);
    let state = want::state(&decision, policy.policy()).map_err(|error| eyre!("the reckoning: {error}"))?;
    let wish = Wish::of(&decision);
    Ok(Judged { state, price: decision.appraisal.map(|appraisal| appraisal.price.real()), wish })
}

impl Vault {
    fn new(subject: &Subject, other: Option<&Subject>) -> Self {
        let found = Found {
            name: subject.name.clone(),
            vault: subject.vault,
            held_as_policy: 0,
            wanted: 0,
            unknown: 0,
            not_deployed: 0,
            within_grace: WithinGrace::default(),
            cut_at_start: None,
            cut_at_end: None,
            reads: 0,
            findings: Vec::new(),
            counterfactual: other.and_then(Other::begun),
        };
        Self { found, episodes: Episodes::default(), policy: None, deployed: None }
    }

    /// Those of `headers` after which the vault is there.
    fn there<'h>(&self, headers: &'h [Header]) -> &'h [Header] {
        let from = self.deployed.unwrap_or_default();
        let before = headers.partition_point(|header| header.number < from);
        headers.get(before..).unwrap_or_default()
    }

    /// Holds what both policies want at a block against one another, where the one in force is known.
    fn compare(&mut self, number: u64, (state, wish): (State, Option<Wish>), other: Option<&Option<Wish>>) {
        let Some(beside) = self.found.counterfactual.as_mut().filter(|_| state != State::Unknown) else {
            return;
        };
        if let Some(other) = other {
            beside.step(number, wish, other.clone());
        }
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
        let Some(episode) = episode else { return };
        if episode.blocks_late > grace {
            self.findings.push(Finding::Missed { episode, causes: Vec::new() });
            return;
        }
        if episode.cut {
            self.cut_at_start = Some(episode);
        }
        let within = &mut self.within_grace;
        within.price = within.price.plus(episode.price);
        let counter = if episode.end == End::Acted { &mut within.late } else { &mut within.passed };
        if episode.end != End::Acted || episode.blocks_late > 0 {
            *counter = counter.saturating_add(1);
        }
    }

    /// Takes the episode in that is open where the range ends.
    fn rests(&mut self, episode: Option<Episode>, grace: u64) {
        match episode {
            Some(episode) if episode.blocks_late > grace => self.ended(Some(episode), grace),
            episode => self.cut_at_end = episode,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::audit::Want;

    const GRACE: u64 = 5;

    /// A vault that nobody kept for so many blocks, at which the policy wanted what `wants` says.
    fn unkept(blocks: u64, wants: impl Fn(u64) -> bool) -> Vault {
        let subject = Subject { name: "main".to_owned(), vault: Address::ZERO, policies: Vec::new() };
        let mut vault = Vault::new(&subject, None);
        let want =
            Want { sell: true, mandatory: false, units: 1.0, price: 1.0, waiting: 1.0, shortfall: 0.0 };
        for number in 0..blocks {
            let state = if wants(number) { State::Wants(want) } else { State::Holds };
            let step = Step { number, timestamp: number, done: Done::Nothing, price: None, state };
            vault.found.count(&step);
            let ended = vault.episodes.step(&step);
            vault.found.ended(ended, GRACE);
        }
        vault
    }

    #[test]
    fn what_is_held_of_a_vault_does_not_grow_with_the_blocks_that_nobody_kept_it() {
        // Wanted at every block: one miss, open at the end.
        let vault = unkept(10_000, |_| true);
        assert_eq!((vault.found.findings.len(), vault.found.wanted), (0, 10_000));
        let rest = vault.episodes.rest().unwrap();
        assert_eq!((rest.from, rest.to, rest.blocks_late), (0, 9_999, 9_999));
        // Wanted again and again, and each time for less than the grace: counted, and nothing more.
        let vault = unkept(10_000, |number| number % 4 < 2);
        assert_eq!((vault.found.findings.len(), vault.found.within_grace.passed), (0, 2_500));
        // The room is that of a few blocks, but for the digits of the counters.
        let room = |blocks| serde_json::to_string(&unkept(blocks, |number| number % 4 < 2)).unwrap().len();
        assert!(room(10_002).abs_diff(room(10)) < 40, "{} and {}", room(10_002), room(10));
    }
}
