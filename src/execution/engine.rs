//! One key on one chain: from a simulated call to one final outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use alloy::primitives::{Address, Bytes, U256};
use tokio::sync::{Mutex, MutexGuard};

use super::book::Nonce;
use super::{ExecutionError, Halt, KeeperKey, Outcome, ParkReason, Preflight, Refusal, SendingConfig, Turn};
use crate::chain::pool::Pool;
use crate::chain::{Endpoint, Header};
use crate::defence::defended;
use crate::journal::{CycleRecord, IntentId, IntentState, Journal, JournalError, Urgency};

/// Length of the window of the daily cap, seconds of chain time.
const DAY: u64 = 86_400;

/// A simulated call with what the journal records of it.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The cycle that decided on it; recorded in the same commit as the signed bytes.
    pub cycle: CycleRecord,
    /// The call.
    pub preflight: Preflight,
    /// The vault's own nonce in the calldata.
    pub vault_nonce: U256,
    /// Chain time after which the vault refuses it, seconds since the Unix epoch.
    pub deadline: u64,
    /// What the plan expects of it, as JSON.
    pub planned_json: String,
}

/// Sends the intents of one key on one chain: each on one nonce, until that is consumed in a block that is deep.
///
/// It has no counter of its own: the next nonce is the journal's, cross-checked with the chain. A dropped future leaves
/// either no trace or an intent that the next call takes up again: what it holds in memory is thrown away where a turn did
/// not come to its end, and read from the journal anew.
#[derive(Debug)]
pub struct Engine {
    pub(super) pool: Arc<Pool>,
    pub(super) journal: Arc<Journal>,
    pub(super) config: SendingConfig,
    pub(super) key: KeeperKey,
    /// Held while anything is signed, published or resolved.
    pub(super) book: Mutex<Book>,
    /// Height of the highest block that counted as final.
    finalised: AtomicU64,
    /// Chain time from which on the balance is looked at again, seconds since the Unix epoch.
    pub(super) next_runway: AtomicU64,
}

/// What an engine holds in memory of its key.
#[derive(Debug, Default)]
pub(super) struct Book {
    /// The nonces that have not ended, ascending; absent until they are read from the journal.
    pub(super) open: Option<Vec<Nonce>>,
    /// Outcomes that nobody was told yet.
    pub(super) untold: Vec<(IntentId, Outcome)>,
    /// What was final and is not on the chain any more: while it is so nothing is signed.
    pub(super) undone: Option<Halt>,
}

impl Book {
    /// What is open, taken out: until it is put back, what is durable is read from the journal anew.
    pub(super) fn taken(&mut self) -> Vec<Nonce> {
        let open = self.open.take().unwrap_or_default();
        if !defended(47) {
            self.open = Some(Vec::new());
        }
        open
    }
}

/// An intent that is under way and in no block yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    /// The intent.
    pub intent: IntentId,
    /// Where it stands.
    pub state: IntentState,
    /// Whether it guards a floor.
    pub urgency: Urgency,
    /// Its call.
    pub calldata: Bytes,
    /// What the plan expects of it, as JSON.
    pub planned_json: String,
}

impl Engine {
    /// The sender of `key` on the chain of `pool`, recording in `journal`. A key that is for another chain signs nothing.
    #[must_use]
    pub fn new(pool: Arc<Pool>, journal: Arc<Journal>, key: KeeperKey, config: SendingConfig) -> Self {
        let key = key.for_chain(pool.chain_id());
        let (book, finalised, next_runway) = Default::default();
        Self { pool, journal, config, key, book, finalised, next_runway }
    }

    /// Account of the key.
    #[must_use]
    pub const fn sender(&self) -> Address {
        self.key.address()
    }

    /// Takes the turn of the key for an intent of `vault`, and reads at `head`, the newest header known, through
    /// `endpoint` what signing depends on. A refusal when the key cannot sign now.
    ///
    /// # Errors
    /// [`ExecutionError::Halted`] when the key must not sign any more; [`ChainError::WrongChainId`] when the endpoint
    /// changed its chain; a failure of node or journal.
    ///
    /// [`ChainError::WrongChainId`]: crate::chain::ChainError::WrongChainId
    pub async fn turn<'a>(
        &'a self,
        (endpoint, head): (&'a Endpoint, &'a Header),
        vault: Address,
        urgency: Urgency,
    ) -> Result<Result<Turn<'a>, Refusal>, ExecutionError> {
        Turn::take(self, (endpoint, head), vault, urgency).await
    }

    /// Takes the turn of the key and submits: [`Engine::turn`], then [`Turn::submit`].
    ///
    /// # Errors
    /// As these.
    pub async fn submit(&self, submission: &Submission, head: &Header) -> Result<Outcome, ExecutionError> {
        let lease = self.pool.reader()?;
        let CycleRecord { vault, urgency, .. } = submission.cycle;
        match self.turn((&lease, head), vault, urgency).await? {
            Ok(turn) => turn.submit(submission).await,
            Err(refusal) => Ok(Outcome::Refused(refusal)),
        }
    }

    /// The intent for `vault` that is under way at this chain time and in no block yet, if there is one. One that no node
    /// ever took and that is not wanted any more is none: its nonce is for the next intent.
    ///
    /// # Errors
    /// A failure of the journal.
    pub async fn in_flight(&self, vault: Address, time: u64) -> Result<Option<InFlight>, JournalError> {
        let book = self.opened().await?;
        let nonce = book.open.iter().flatten().find(|nonce| nonce.is_for(vault, time));
        Ok(nonce.and_then(|nonce| nonce.wanted()).map(|wanted| InFlight {
            intent: wanted.id,
            state: wanted.last.state,
            urgency: wanted.record.urgency,
            calldata: wanted.record.calldata.clone(),
            planned_json: wanted.record.planned_json.clone(),
        }))
    }

    /// Waits for the end of what [`Engine::submit`] returned: as many looks at the chain as the configuration allows.
    ///
    /// # Errors
    /// As [`Engine::resolve`]; failed calls to node and signer are waited out.
    pub async fn conclude(&self, submitted: Outcome) -> Result<Outcome, ExecutionError> {
        match submitted.under_way() {
            Some(intent) => self.wait(intent).await,
            None => Ok(submitted),
        }
    }

    async fn wait(&self, intent: IntentId) -> Result<Outcome, ExecutionError> {
        let mut last = Outcome::Pending { intent, state: IntentState::Live };
        for _ in 0..self.config.max_polls {
            tokio::time::sleep(self.config.poll_interval).await;
            match self.resolve().await {
                Ok(outcomes) => {
                    let own = outcomes.into_iter().find(|(id, _)| *id == intent);
                    last = own.map_or(last, |(_, outcome)| outcome);
                }
                Err(error @ (ExecutionError::Chain(_) | ExecutionError::Key(_))) => {
                    tracing::warn!(%intent, %error, "waiting for node and signer");
                }
                Err(error) => return Err(error),
            }
            if last.is_final() {
                return Ok(last);
            }
        }
        Ok(match last {
            Outcome::Pending { state: IntentState::Included, .. } | Outcome::Parked { .. } => last,
            Outcome::Executed(_)
            | Outcome::Reverted(_)
            | Outcome::Cancelled(_)
            | Outcome::Superseded(_)
            | Outcome::Pending { .. }
            | Outcome::Refused(_) => {
                Outcome::Parked { intent, reason: ParkReason::NotMined { polls: self.config.max_polls } }
            }
        })
    }

    /// The book, with what the journal holds.
    pub(super) async fn opened(&self) -> Result<MutexGuard<'_, Book>, JournalError> {
        let mut book = self.book.lock().await;
        if book.open.is_none() {
            self.journal.settled().await?;
            let slots = self.journal.open_slots(self.pool.chain_id(), self.sender()).await?;
            book.open = Some(slots.into_iter().filter_map(Nonce::recovered).collect());
        }
        Ok(book)
    }

    /// Wei spent or promised within the day before this chain time, `except` for one nonce.
    pub(super) async fn committed(&self, time: u64, except: Option<u64>) -> Result<U256, JournalError> {
        let since = time.saturating_sub(DAY);
        self.journal.committed_fees(self.pool.chain_id(), self.sender(), since, except).await
    }

    /// Takes in up to which height the chain counts as final now. What ended stays ended: people are told where it is lower
    /// than it was.
    pub(super) fn finalised(&self, height: u64) {
        let before = self.finalised.fetch_max(height, Ordering::Relaxed);
        if height < before {
            let (alert, sender) = ("finality_regressed", self.sender());
            tracing::error!(alert, %sender, height, before, "the finalized block is below the one told before: check the node");
        }
    }

    /// The halt of the key for a nonce that someone else consumed, which people are told of.
    pub(super) fn foreign(&self, nonce: &Nonce) -> Halt {
        let intent = nonce.wanted().map_or_else(|| IntentId::from(0), |wanted| wanted.id);
        let (sender, nonce) = (self.sender(), nonce.slot.nonce);
        let halt = Halt::ForeignNonce { sender, nonce, intent };
        tracing::error!(alert = "foreign_nonce", %sender, nonce, %intent, "halted: {halt}");
        halt
    }
}
