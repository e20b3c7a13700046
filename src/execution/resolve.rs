//! What became of open nonces: one round of looks, and what the machine does with each.

use super::book::{Filed, Nonce, withdrawn};
use super::engine::Book;
use super::machine::{Event, Phase, Rank, Tended, tend};
use super::tending::{Round, Tending};
use super::{Engine, ExecutionError, Halt, Inclusion, Outcome, ParkReason};
use crate::chain::Receipt;
use crate::journal::{IntentId, IntentState, JournalError, Request};

/// Outcomes of intents by their number.
type Outcomes = Vec<(IntentId, Outcome)>;

impl Engine {
    /// Takes up what an earlier process left, before anything is planned: whatever may have left is looked for and sent
    /// again.
    ///
    /// # Errors
    /// As [`Engine::resolve`].
    pub async fn recover(&self) -> Result<Outcomes, ExecutionError> {
        self.check_ended().await?;
        self.resolve().await
    }

    /// Looks once at every open nonce of the key and returns where each intent stands. What is not seen in a canonical
    /// block is sent again, raised or cancelled.
    ///
    /// # Errors
    /// [`ExecutionError::Halted`] once a nonce is proven to be consumed by someone else; a failure of node or journal,
    /// which says nothing about the intents.
    pub async fn resolve(&self) -> Result<Outcomes, ExecutionError> {
        let mut book = self.opened().await?;
        if book.open.iter().flatten().next().is_none() {
            return Ok(std::mem::take(&mut book.untold));
        }
        if let Some(halt) = self.halted(&book) {
            return Err(halt.into());
        }
        let lease = self.pool.reader()?;
        lease.verify_chain_id().await?;
        let (second, head) = (self.pool.second(&lease), lease.latest_header().await?);
        let signs_nothing = book.undone.is_some();
        let tip = self.config.fees.tip(self.pool.suggested_tip().await.ok());
        self.round(&mut book, &Round { engine: self, lease: &lease, second, head, tip, signs_nothing }).await
    }

    /// Says that an intent is not wanted any more: the next look cancels it at its nonce. Nothing where it is withdrawn or
    /// in a block already.
    ///
    /// # Errors
    /// [`ExecutionError::Unknown`] for an intent that is not open, or was overtaken by another; a failure of the journal.
    pub async fn withdraw(&self, intent: IntentId, why: &str) -> Result<(), ExecutionError> {
        let mut book = self.opened().await?;
        let mut open = book.taken();
        let found = open.iter_mut().find(|nonce| nonce.wanted().is_some_and(|wanted| wanted.id == intent));
        let outcome = match found {
            None => Err(ExecutionError::Unknown),
            Some(nonce) => self.withdrawn(nonce, why).await.map_err(ExecutionError::from),
        };
        // After a failed record nothing that is held in memory counts.
        book.open = (!matches!(outcome, Err(ExecutionError::Journal(_)))).then_some(open);
        outcome
    }

    /// [`Engine::withdraw`], then a look at once, which cancels it. What else that look shows the next one tells.
    ///
    /// # Errors
    /// As [`Engine::withdraw`]; a node or a signer that does not answer is asked again at the next look.
    pub async fn cancel(&self, intent: IntentId, why: &str) -> Result<(), ExecutionError> {
        match self.withdraw(intent, why).await {
            // It has ended meanwhile.
            Err(ExecutionError::Unknown) => return Ok(()),
            withdrawn => withdrawn?,
        }
        match self.resolve().await {
            Ok(outcomes) => {
                let news = outcomes.into_iter().filter(|(_, outcome)| outcome.is_final());
                self.book.lock().await.untold.extend(news);
                Ok(())
            }
            Err(error @ (ExecutionError::Chain(_) | ExecutionError::Key(_))) => {
                tracing::warn!(%intent, %error, "not cancelled yet");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Asks for a higher bid at the next look, where it is the lowest nonce under way.
    ///
    /// # Errors
    /// [`ExecutionError::Unknown`] for an intent that is not open, or was overtaken by another; a failure of the journal.
    pub async fn hurry(&self, intent: IntentId) -> Result<(), ExecutionError> {
        let mut book = self.opened().await?;
        let mut open = book.open.iter_mut().flatten();
        let found = open.find(|nonce| nonce.wanted().is_some_and(|wanted| wanted.id == intent));
        found.map(|nonce| nonce.slot.hurried = true).ok_or(ExecutionError::Unknown)
    }

    /// Takes in what a person asks for; the next look does it.
    ///
    /// # Errors
    /// [`ExecutionError::Unknown`] for an intent that is not open, or was overtaken by another; a failure of the journal.
    pub async fn asked(&self, request: &Request) -> Result<(), ExecutionError> {
        match *request {
            Request::Cancel { intent } => self.withdraw(intent.into(), "a person asked for it").await,
            Request::SpeedUp { intent } => self.hurry(intent.into()).await,
        }
    }

    /// A nonce that someone else consumed stays a halt, also after a restart: nothing of the key is signed or sent.
    pub(super) fn halted(&self, book: &Book) -> Option<Halt> {
        let foreign = book.open.iter().flatten().find(|nonce| nonce.slot.phase == Phase::Foreign);
        foreign.map(|nonce| self.foreign(nonce))
    }

    async fn round(&self, book: &mut Book, round: &Round<'_>) -> Result<Outcomes, ExecutionError> {
        // Thrown away where this does not come to its end.
        let mut open = book.taken();
        let (mut outcomes, mut failed) = (std::mem::take(&mut book.untold), None);
        for at in 0..open.len() {
            let rank = Rank::of(open.iter().map(|nonce| &nonce.slot), at);
            let Some(nonce) = open.get_mut(at) else { break };
            match self.tended(nonce, round, rank).await {
                Ok(told) => outcomes.extend(told),
                Err(error @ (ExecutionError::Chain(_) | ExecutionError::Key(_))) => {
                    tracing::warn!(nonce = nonce.slot.nonce, %error, "not resolved now");
                    failed = failed.or(Some(error));
                }
                Err(error @ ExecutionError::Halted(_)) => {
                    failed = Some(error);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        open.retain(|nonce| !matches!(nonce.slot.phase, Phase::Ended(_)));
        book.open = Some(open);
        match failed {
            None => Ok(outcomes),
            Some(error) => {
                book.untold = outcomes.into_iter().filter(|(_, outcome)| outcome.is_final()).collect();
                Err(error)
            }
        }
    }

    async fn tended(
        &self,
        nonce: &mut Nonce,
        round: &Round<'_>,
        rank: Rank,
    ) -> Result<Outcomes, ExecutionError> {
        let rules = round.rules(nonce).await?;
        let Nonce { slot, file } = nonce;
        let mut world = Tending { round, file, vetted: false, receipt: None, time: 0 };
        let tended = tend(&mut world, slot, &rules, rank).await?;
        let receipt = world.receipt.take();
        if tended == Tended::Halted || slot.phase == Phase::Foreign {
            return Err(self.foreign(nonce).into());
        }
        Ok(outcomes(nonce, receipt.as_ref()))
    }

    async fn withdrawn(&self, nonce: &mut Nonce, why: &str) -> Result<(), JournalError> {
        let Some(wanted) = nonce.wanted() else { return Ok(()) };
        if !nonce.slot.is_in_flight() || nonce.slot.wanted().is_some_and(|(_, claim)| claim.withdrawn) {
            return Ok(());
        }
        tracing::info!(intent = %wanted.id, why, "withdrawn");
        let (id, event) = (wanted.id, withdrawn(why));
        self.journal.append_event(id, &event).await?;
        nonce.file.recorded(vec![(id, event)]);
        nonce.slot.apply(&Event::Withdrawn);
        Ok(())
    }
}

/// Where the intents of a nonce stand: the wanted one while it is open, all once it has ended.
fn outcomes(nonce: &Nonce, receipt: Option<&Receipt>) -> Outcomes {
    let filed = &nonce.file.intents;
    let (Phase::Ended(_), Some(receipt)) = (nonce.slot.phase, receipt) else {
        return filed.last().map(|wanted| (wanted.id, standing(nonce, wanted))).into_iter().collect();
    };
    let ended = |id, state| {
        let inclusion = Inclusion::new(id, receipt);
        match state {
            IntentState::Executed => Outcome::Executed(inclusion),
            IntentState::Reverted => Outcome::Reverted(inclusion),
            IntentState::Cancelled => Outcome::Cancelled(inclusion),
            IntentState::Superseded
            | IntentState::Prepared
            | IntentState::Live
            | IntentState::Cancelling
            | IntentState::Included
            | IntentState::Foreign
            | IntentState::Parked => Outcome::Superseded(inclusion),
        }
    };
    filed.iter().map(|filed| (filed.id, ended(filed.id, filed.last.state))).collect()
}

/// Where an open intent stands.
pub(super) fn standing(nonce: &Nonce, wanted: &Filed) -> Outcome {
    let (intent, refused) = (wanted.id, nonce.file.refused);
    match (nonce.slot.phase, refused) {
        (Phase::Parked, _) => Outcome::Parked { intent, reason: ParkReason::Undecided },
        (Phase::Prepared | Phase::Refused(_) | Phase::Live, Some(why)) => {
            Outcome::Parked { intent, reason: ParkReason::Rejected(why) }
        }
        _ => Outcome::Pending { intent, state: wanted.last.state },
    }
}
