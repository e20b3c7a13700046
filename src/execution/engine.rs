//! One key on one chain: from a simulated call to durable, published bytes.

use std::sync::Arc;

use alloy::primitives::{Address, U256};
use tokio::sync::Mutex;

use super::foreign::Consumption;
use super::{ExecutionError, KeeperKey, Outcome, ParkReason, Preflight, Refusal, SendingConfig, Turn};
use crate::chain::{Endpoint, Header};
use crate::journal::{CycleRecord, IntentState, Journal};

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

/// Sends the intents of one key on one chain, one at a time.
///
/// It has no counter of its own: the next nonce is the journal's, cross-checked with the chain. A dropped future
/// leaves either no trace or an intent that the next call takes up again.
#[derive(Debug)]
pub struct Engine {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) journal: Arc<Journal>,
    pub(super) config: SendingConfig,
    pub(super) key: KeeperKey,
    /// Held while anything is signed, published or resolved.
    pub(super) turn: Mutex<Consumption>,
}

impl Engine {
    /// The sender of `key` on the chain of `endpoint`, recording in `journal`.
    #[must_use]
    pub fn new(
        endpoint: Arc<Endpoint>,
        journal: Arc<Journal>,
        key: KeeperKey,
        config: SendingConfig,
    ) -> Self {
        Self { endpoint, journal, config, key, turn: Mutex::default() }
    }

    /// Account of the key.
    #[must_use]
    pub const fn sender(&self) -> Address {
        self.key.address()
    }

    /// Takes the turn of the key, and reads at `head`, the newest header known, what signing depends on. A refusal
    /// when the key cannot sign now.
    ///
    /// # Errors
    /// [`ExecutionError::Halted`] when the key must not sign any more; [`ChainError::WrongChainId`] when the endpoint
    /// changed its chain; a failure of node or journal.
    ///
    /// [`ChainError::WrongChainId`]: crate::chain::ChainError::WrongChainId
    pub async fn turn<'a>(&'a self, head: &'a Header) -> Result<Result<Turn<'a>, Refusal>, ExecutionError> {
        Turn::take(self, head).await
    }

    /// Takes the turn of the key and submits: [`Engine::turn`], then [`Turn::submit`].
    ///
    /// # Errors
    /// As these.
    pub async fn submit(&self, submission: &Submission, head: &Header) -> Result<Outcome, ExecutionError> {
        match self.turn(head).await? {
            Ok(turn) => turn.submit(submission).await,
            Err(refusal) => Ok(Outcome::Refused(refusal)),
        }
    }

    /// Waits for the end of what [`Engine::submit`] returned: as many looks at the chain as the configuration allows.
    ///
    /// # Errors
    /// As [`Engine::resolve`]; failed calls to the node are waited out.
    pub async fn conclude(&self, submitted: Outcome) -> Result<Outcome, ExecutionError> {
        match submitted {
            Outcome::Pending { intent, .. } | Outcome::Parked { intent, .. } => self.wait(intent).await,
            settled @ (Outcome::Executed(_) | Outcome::Reverted(_) | Outcome::Refused(_)) => Ok(settled),
        }
    }

    async fn wait(&self, intent: crate::journal::IntentId) -> Result<Outcome, ExecutionError> {
        let mut last = Outcome::Pending { intent, state: IntentState::Live };
        for _ in 0..self.config.max_polls {
            tokio::time::sleep(self.config.poll_interval).await;
            match self.resolve().await {
                Ok(outcomes) => {
                    let own = outcomes.into_iter().find(|(id, _)| *id == intent);
                    last = own.map_or(last, |(_, outcome)| outcome);
                }
                Err(ExecutionError::Chain(error)) => tracing::warn!(%intent, %error, "waiting for the node"),
                Err(error) => return Err(error),
            }
            if matches!(last, Outcome::Executed(_) | Outcome::Reverted(_)) {
                return Ok(last);
            }
        }
        match last {
            Outcome::Pending { state: IntentState::Included, .. } | Outcome::Parked { .. } => Ok(last),
            Outcome::Pending { .. } | Outcome::Executed(_) | Outcome::Reverted(_) | Outcome::Refused(_) => {
                let reason = ParkReason::NotMined { polls: self.config.max_polls };
                self.park(intent, &reason).await?;
                Ok(Outcome::Parked { intent, reason })
            }
        }
    }
}
