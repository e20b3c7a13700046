//! The vaults of one chain, kept block by block.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::{Address, B256};

use super::crew::Crew;
use super::early::Early;
use super::left::Left;
use super::sighting::Sighting;
use super::watch::{Watch, tell};
use super::{Failure, alert, log};
use crate::chain::pool::{Lease, Pool};
use crate::chain::{ChainError, HeadEvent, HeadTimes, Header, Heads, NewHead};
use crate::execution::{Engine, ExecutionError, Outcome as Sent, Reckoned};
use crate::journal::{Absence, IntentId, Journal, JournalError, Orphaned, Roster};
use crate::keeper::{self, Cycle, CycleError, Keeper};

/// Shortest pause after a failed look at a chain.
const MIN_RETRY: Duration = Duration::from_millis(500);

/// Pause between two looks for what people ask.
const HEARING: Duration = Duration::from_secs(1);

/// All vaults of one chain, which share its endpoints and its heads.
pub(super) struct Chain {
    pub(super) name: String,
    pub(super) pool: Arc<Pool>,
    pub(super) times: HeadTimes,
    /// Between two looks at all endpoints.
    pub(super) look: Duration,
    pub(super) journal: Arc<Journal>,
    pub(super) crew: Crew,
    /// The endpoint that is read.
    pub(super) lease: Lease,
    pub(super) keepers: Vec<Keeper>,
    /// The vaults that this process keeps, those that it has given up among them.
    pub(super) roster: Roster,
    /// Which records of blocks may have left the chain.
    pub(super) left: Left,
    /// Whether no endpoint told of a new head when it was due, since the last one.
    pub(super) unheard: bool,
    /// What one rebalance needs at most.
    pub(super) reckoned: Reckoned,
    /// Vaults that are known to obey another key, and whose.
    pub(super) strange: BTreeMap<String, Address>,
}

impl Chain {
    /// Takes up what an earlier process left before anything is planned.
    pub(super) async fn recover(&self) -> Result<(), Failure> {
        for engine in self.crew.engines() {
            match engine.recover().await {
                Ok(outcomes) => report(&outcomes),
                Err(error @ ExecutionError::Journal(_)) => return Err(eyre::Report::from(error).into()),
                // The other keys have done nothing wrong, and every block asks again.
                Err(error) => {
                    let (sender, alert) = (engine.sender(), "not_recovered");
                    tracing::error!(%sender, alert, %error, "what an earlier run sent cannot be resolved");
                }
            }
        }
        Ok(())
    }

    /// One cycle for each vault at the block of `header`, in their order, which is recorded when this returns.
    ///
    /// # Errors
    /// Where the endpoints do not agree on the block, and where the record fails.
    pub(super) async fn once(&mut self, header: &Header) -> eyre::Result<Vec<Result<Cycle, CycleError>>> {
        if let Err(error) = self.pool.agree(&self.lease, header).await {
            self.no_verdict(header).await?;
            return Err(eyre::Report::new(error).wrap_err("there is no verdict on the newest block"));
        }
        let (mut seen, mut cycles) = (Sighting::of(&self.roster, Absence::GivenUp), Vec::new());
        let mut early = Early::at(self.times);
        for keeper in &mut self.keepers {
            let cycle = early.cycle(keeper, header).await;
            seen.note(keeper, &cycle);
            match cycle {
                Err(error) if error.is_of_the_record() => return Err(of(keeper, error)),
                other => cycles.push(other),
            }
        }
        drop(self.left.mark(&self.journal, (&self.pool, &self.lease), (header, &[])).await?);
        seen.record(&self.journal, &self.roster, header).await?;
        Ok(cycles)
    }

    /// Records a block on which nothing is decided.
    async fn no_verdict(&self, header: &Header) -> Result<(), JournalError> {
        Sighting::of(&self.roster, Absence::NoVerdict).record(&self.journal, &self.roster, header).await
    }

    /// Cycles until `stop`; a failure that may pass by itself is waited out.
    pub(super) async fn keep(mut self, stop: tokio::sync::watch::Receiver<bool>) -> eyre::Result<()> {
        let mut stop = stop;
        let mut heads = Heads::new(self.pool.clone(), self.times);
        let _watch = Watch::over(self.name.clone(), self.pool.clone(), self.look);
        // Its own, so that people are heard however fast or slowly blocks come.
        let mut hearing = tokio::time::interval(HEARING);
        hearing.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let mut next = pin!(heads.next());
            let event = loop {
                tokio::select! {
                    event = &mut next => break event,
                    _ = hearing.tick() => self.hear_people().await?,
                    _ = stop.changed() => return Ok(()),
                }
            };
            self.heard(event).await?;
            tell(&self.name, &self.pool.take_notices());
        }
    }

    async fn heard(&mut self, event: Result<HeadEvent, ChainError>) -> eyre::Result<()> {
        tell(&self.name, &self.pool.take_notices());
        match event {
            Err(error) => {
                self.unheard = true;
                tracing::warn!(chain = %self.name, %error, "no new head");
                tokio::time::sleep(self.times.poll.max(MIN_RETRY)).await;
            }
            Ok(HeadEvent::Frozen(since)) => {
                self.unheard = true;
                let (seconds, alert) = (since.as_secs(), "head_frozen");
                tracing::error!(chain = %self.name, alert, seconds, "the head stands still; no verdicts until it moves");
            }
            Ok(HeadEvent::New(head)) => {
                self.orphan(&head).await?;
                if !head.joined {
                    self.left.doubt();
                }
                self.silence(&head).await?;
                match self.verdict(&head).await {
                    Some(lease) => {
                        self.change_over(lease);
                        self.block(&head).await?;
                    }
                    None => {
                        self.left.doubt();
                        self.no_verdict(&head.header).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Records that for a time no endpoint told of the blocks that passed: of the newest of them, where nothing is known of it.
    async fn silence(&mut self, head: &NewHead) -> Result<(), JournalError> {
        let (unheard, chain_id) = (std::mem::take(&mut self.unheard), self.pool.chain_id());
        let Some(passed) = head.between.last().filter(|_| unheard) else { return Ok(()) };
        let recorded = self.journal.recorded(chain_id, passed.number..=passed.number).await?;
        if recorded.values().flatten().any(|known| known.hash == passed.hash) {
            return Ok(());
        }
        Sighting::of(&self.roster, Absence::Unheard).record(&self.journal, &self.roster, passed).await
    }

    /// The endpoint to read this block from, where the endpoints agree on it.
    async fn verdict(&self, head: &NewHead) -> Option<Lease> {
        match self.agreed(head).await {
            Ok(lease) => Some(lease),
            Err(error) => {
                let block = head.header.number;
                tracing::warn!(chain = %self.name, block, alert = "no_verdict", %error, "no decision");
                None
            }
        }
    }

    async fn agreed(&self, head: &NewHead) -> Result<Lease, ChainError> {
        let lease = match self.pool.reader() {
            Ok(lease) => lease,
            // What is known of them may be old.
            Err(_) => {
                self.pool.look().await;
                self.pool.reader()?
            }
        };
        self.pool.agree(&lease, &head.header).await?;
        Ok(lease)
    }

    /// Works through the endpoint of `lease` from now on.
    fn change_over(&mut self, lease: Lease) {
        if self.lease.is_of(&lease) {
            return;
        }
        let (from, to) = (self.lease.name(), lease.name());
        tracing::warn!(chain = %self.name, alert = "endpoint_changed", from, to, "another endpoint is read");
        self.lease = lease;
    }

    /// Gives a keeper the endpoint that is used now.
    fn equip(&self, keeper: &mut Keeper) {
        let endpoint = self.lease.endpoint();
        if !keeper.reads_through(endpoint) {
            keeper.change_over(endpoint.clone());
        }
    }

    /// One cycle; where the facts cannot be read, once more through another endpoint that can be.
    async fn cycle(
        &mut self,
        keeper: &mut Keeper,
        header: &Header,
        early: &mut Early,
    ) -> Result<Cycle, CycleError> {
        self.equip(keeper);
        let error = match early.cycle(keeper, header).await {
            Err(CycleError::Read(error)) => error,
            other => return other,
        };
        let other = self.pool.reader().ok().filter(|lease| !lease.is_of(&self.lease));
        let Some(other) = other else { return Err(error.into()) };
        tracing::warn!(vault = %keeper.name, %error, "no facts; asking another endpoint");
        self.change_over(other);
        self.equip(keeper);
        keeper.cycle(header).await
    }

    /// Marks what was decided on heads that the chain has left.
    async fn orphan(&mut self, head: &NewHead) -> eyre::Result<()> {
        let mut marked = Orphaned::default();
        for left in &head.left {
            let Orphaned { cycles, blocks } =
                self.journal.mark_orphaned(self.pool.chain_id(), left.hash).await?;
            marked.cycles = marked.cycles.saturating_add(cycles);
            marked.blocks = marked.blocks.saturating_add(blocks);
        }
        if let Some(first) = head.left.first() {
            let (block, blocks) = (first.number, head.left.len());
            tracing::warn!(chain = %self.name, block, blocks, ?marked, "the chain left its last heads");
        }
        self.forget(&head.left.iter().map(|left| left.hash).collect::<Vec<_>>());
        Ok(())
    }

    /// Marks what else has left, and what is back, before anything is decided on the head: where the last full record of a vault has
    /// left there is another one.
    async fn mark(&mut self, head: &NewHead) -> eyre::Result<()> {
        let headers = (&head.header, &head.between[..]);
        let gone = self.left.mark(&self.journal, (&self.pool, &self.lease), headers).await?;
        self.forget(&gone);
        Ok(())
    }

    fn forget(&mut self, left: &[B256]) {
        self.keepers.iter_mut().for_each(|keeper| keeper.chain_left(left));
    }

    async fn block(&mut self, head: &NewHead) -> eyre::Result<()> {
        if head.skipped > 0 {
            tracing::warn!(chain = %self.name, skipped = head.skipped, "blocks passed unseen");
        }
        for engine in self.crew.engines() {
            if !head.left.is_empty() || engine.is_undone().await {
                self.checked(engine).await?;
            }
            self.resolved(engine).await?;
            engine.watch_runway(&self.lease, &head.header, self.reckoned).await;
        }
        self.mark(head).await?;
        let (seen, last) = self.cycles(head).await?;
        seen.record(&self.journal, &self.roster, &head.header).await?;
        last.filter(|_| self.keepers.is_empty()).map_or(Ok(()), Err)
    }

    /// One cycle for each vault; with the failure for which the last one was given up at this head.
    async fn cycles(&mut self, head: &NewHead) -> eyre::Result<(Sighting, Option<eyre::Report>)> {
        let mut seen = Sighting::of(&self.roster, Absence::GivenUp);
        let mut left = Vec::with_capacity(self.keepers.len());
        let (mut last, mut early) = (None, Early::at(self.times));
        for mut keeper in std::mem::take(&mut self.keepers) {
            let cycle = self.cycle(&mut keeper, &head.header, &mut early).await;
            seen.note(&keeper, &cycle);
            match cycle {
                Ok(cycle) => self.concluded(&keeper, &cycle, head),
                Err(error) if error.is_passing() => {
                    tracing::warn!(vault = %keeper.name, %error, "no decision")
                }
                Err(error) if error.is_of_the_record() => return Err(of(&keeper, error)),
                // The other vaults have done nothing wrong.
                Err(error) => {
                    tracing::error!(vault = %keeper.name, %error, "given up until the next start");
                    last = Some(of(&keeper, error));
                    continue;
                }
            }
            left.push(keeper);
        }
        self.keepers = left;
        Ok((seen, last))
    }

    pub(super) async fn resolved(&self, engine: &Engine) -> eyre::Result<()> {
        match engine.resolve().await {
            Ok(outcomes) => report(&outcomes),
            Err(error @ (ExecutionError::Chain(_) | ExecutionError::Key(_))) => {
                tracing::warn!(%error, "what was sent cannot be looked up")
            }
            Err(error @ ExecutionError::Journal(_)) => return Err(error.into()),
            Err(error) => tracing::error!(sender = %engine.sender(), %error, "this key sends no more"),
        }
        Ok(())
    }

    /// Whether what had ended is still on the chain.
    async fn checked(&self, engine: &Engine) -> eyre::Result<()> {
        match engine.check_ended().await {
            Ok(_) => Ok(()),
            Err(error @ ExecutionError::Journal(_)) => Err(error.into()),
            Err(error) => {
                tracing::warn!(chain = %self.name, %error, "what has ended cannot be looked up");
                Ok(())
            }
        }
    }

    fn concluded(&mut self, keeper: &Keeper, cycle: &Cycle, head: &NewHead) {
        self.warn_of_a_wrong_key(keeper, cycle);
        log(&keeper.name, cycle);
        alert(&keeper.name, head.header.number, &cycle.decision);
    }

    /// Says so once for every account that the vault obeys in place of ours.
    fn warn_of_a_wrong_key(&mut self, keeper: &Keeper, cycle: &Cycle) {
        let Some(message) = wrong_key(keeper, cycle) else {
            self.strange.remove(&keeper.name);
            return;
        };
        let obeyed = cycle.snapshot.vault.keeper;
        if self.strange.insert(keeper.name.clone(), obeyed) != Some(obeyed) {
            tracing::error!(vault = %keeper.name, "{message}");
        }
    }
}

/// That the vault obeys none of the keys given, where that is so: then the keeper can decide and never act.
pub(super) fn wrong_key(keeper: &Keeper, cycle: &Cycle) -> Option<String> {
    let (senders, obeyed) = (keeper.senders(), cycle.snapshot.vault.keeper);
    let strange = !senders.is_empty() && !senders.contains(&obeyed);
    strange.then(|| keeper::wrong_key(&senders, obeyed))
}

/// Names the vault whose cycle failed.
pub(super) fn of(keeper: &Keeper, error: CycleError) -> eyre::Report {
    eyre::Report::new(error).wrap_err(format!("vault `{}`", keeper.name))
}

fn report(outcomes: &[(IntentId, Sent)]) {
    for (intent, outcome) in outcomes {
        match outcome {
            Sent::Executed(i) => tracing::info!(%intent, transaction = %i.transaction_hash, "executed"),
            Sent::Reverted(i) => tracing::error!(%intent, transaction = %i.transaction_hash, "reverted"),
            Sent::Cancelled(i) => tracing::info!(%intent, transaction = %i.transaction_hash, "cancelled"),
            Sent::Superseded(i) => tracing::info!(%intent, transaction = %i.transaction_hash, "superseded"),
            Sent::Parked { reason, .. } => tracing::error!(%intent, alert = "parked", %reason, "parked"),
            Sent::Pending { state, .. } => tracing::info!(%intent, state = state.name(), "under way"),
            Sent::Refused(refusal) => tracing::error!(%intent, %refusal, "refused"),
        }
    }
}
