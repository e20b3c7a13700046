//! One cycle: read one block, decide, act, record. The only place where the parts meet.

mod dispatch;

use std::sync::Arc;

use alloy::primitives::{Address, B256, Bytes, U256};
use tracing::{Instrument, debug_span};

use crate::chain::{At, CallRequest, ChainError, Endpoint, Header, Simulated};
use crate::domain::canonical::{self, CanonicalError};
use crate::domain::decision::{Decision, Verdict, decide, decision_hash};
use crate::domain::plan::Plan;
use crate::domain::policy::PublishedPolicy;
use crate::domain::snapshot::Snapshot;
use crate::execution::{
    Engine, ExecutionError, Outcome, Preflight, SendingConfig, Simulation, Submission, preflight,
};
use crate::journal::{CycleRecord, IntentId, Journal, JournalError};
use crate::protocols::ReadError;
use crate::protocols::vaults::rebalancing_vault;
use crate::reader::Reader;

pub use dispatch::{Dispatch, Execution, wrong_key};
use dispatch::{not_authorised, refused, settled};

/// Keeps one vault.
///
/// Rules it keeps: nothing is decided on anything but the snapshot and the policy; nothing is sent that is not
/// recorded; every cycle that read its facts leaves one record.
#[derive(Debug)]
pub struct Keeper {
    /// Name of the vault in the configuration.
    pub name: String,
    vault: Address,
    policies: Vec<PublishedPolicy>,
    endpoint: Arc<Endpoint>,
    reader: Reader,
    journal: Arc<Journal>,
    hand: Hand,
    last_reason: Option<String>,
}

/// What a keeper does with a plan.
#[derive(Debug, Clone)]
pub enum Hand {
    /// Simulates it and stops.
    Dry(SendingConfig),
    /// Signs and sends it, and leaves the waiting to the cycles that follow.
    Send(Arc<Engine>, SendingConfig),
    /// Signs, sends and waits for the outcome.
    SendAndWait(Arc<Engine>, SendingConfig),
}

/// What one cycle read, decided and did.
#[derive(Debug, Clone)]
pub struct Cycle {
    /// The facts.
    pub snapshot: Snapshot,
    /// The decision.
    pub decision: Decision,
    /// Its hash.
    pub decision_hash: B256,
    /// Hash of the policy it followed.
    pub policy_hash: B256,
    /// What was done with it.
    pub dispatch: Dispatch,
}

/// Why a cycle did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum CycleError {
    /// The facts could not be read: no snapshot, no decision, no record.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The record failed; nothing was sent that is not recorded.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Sending failed; what was signed is in the journal.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
    /// The simulation could not be run.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A record has no canonical form.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
}

impl CycleError {
    /// Whether the next block may go better without anybody's doing.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        match self {
            Self::Read(_) | Self::Chain(_) | Self::Execution(ExecutionError::Chain(_)) => true,
            Self::Journal(_) | Self::Canonical(_) | Self::Execution(_) => false,
        }
    }

    /// Whether the record failed: then no vault may be kept, since all share it.
    #[must_use]
    pub const fn is_of_the_record(&self) -> bool {
        matches!(self, Self::Journal(_) | Self::Execution(ExecutionError::Journal(_)))
    }
}

/// Reads a snapshot with the policy whose hash the vault stores at that block; with the first one where none fits.
///
/// # Errors
/// [`ReadError`].
pub async fn snapshot_for<'a>(
    reader: &Reader,
    endpoint: &Endpoint,
    header: &Header,
    vault: Address,
    policies: &'a [PublishedPolicy],
) -> Result<(Snapshot, &'a PublishedPolicy), ReadError> {
    let first = policies.first().ok_or(ReadError::NoPolicy(vault))?;
    let snapshot = reader.snapshot(endpoint, header, vault, first.policy()).await?;
    let stored = snapshot.vault.policy_hash;
    match policies.iter().find(|policy| policy.hash() == stored) {
        Some(fitting) if fitting.hash() != first.hash() => {
            let snapshot = reader.snapshot(endpoint, header, vault, fitting.policy()).await?;
            Ok((snapshot, fitting))
        }
        _ => Ok((snapshot, first)),
    }
}

impl Keeper {
    /// A keeper of `vault` that has seen nothing yet.
    #[must_use]
    pub fn new(
        name: String,
        vault: (Address, Vec<PublishedPolicy>),
        endpoint: Arc<Endpoint>,
        journal: Arc<Journal>,
        hand: Hand,
    ) -> Self {
        let (vault, policies) = vault;
        Self { name, vault, policies, endpoint, reader: Reader::default(), journal, hand, last_reason: None }
    }

    /// The account that signs; absent where nothing is signed.
    #[must_use]
    pub fn sender(&self) -> Option<Address> {
        match &self.hand {
            Hand::Dry(_) => None,
            Hand::Send(engine, _) | Hand::SendAndWait(engine, _) => Some(engine.sender()),
        }
    }

    /// Runs one cycle at the block of `header`.
    ///
    /// # Errors
    /// [`CycleError`]; see [`CycleError::is_passing`].
    pub async fn cycle(&mut self, header: &Header) -> Result<Cycle, CycleError> {
        let read = snapshot_for(&self.reader, &self.endpoint, header, self.vault, &self.policies);
        let (snapshot, policy) = read.instrument(debug_span!("read")).await?;
        let decision = debug_span!("decide").in_scope(|| decide(&snapshot, policy));
        let policy_hash = policy.hash();
        let (decision_hash, plan, record) = debug_span!("hash").in_scope(|| {
            let decision_hash = decision_hash(&snapshot, policy, &decision)?;
            let plan = Plan::of(&snapshot, policy, &decision, decision_hash);
            let record = self.record(&snapshot, policy_hash, &decision, decision_hash)?;
            Ok::<_, CanonicalError>((decision_hash, plan, record))
        })?;
        let dispatch = self.dispatch(plan, record, &snapshot, header).await?;
        self.last_reason = Some(decision.verdict.reason().code());
        Ok(Cycle { snapshot, decision, decision_hash, policy_hash, dispatch })
    }

    /// The record of a cycle. The snapshot itself is kept where the keeper acts or its reason changes; its hash always.
    fn record(
        &self,
        snapshot: &Snapshot,
        policy_hash: B256,
        decision: &Decision,
        decision_hash: B256,
    ) -> Result<CycleRecord, CanonicalError> {
        let reason = decision.verdict.reason().code();
        let acts = matches!(decision.verdict, Verdict::Rebalance { .. });
        let text = canonical::json(snapshot)?;
        let snapshot_hash = alloy::primitives::keccak256(text.as_bytes());
        let keep = acts || self.last_reason.as_ref() != Some(&reason);
        Ok(CycleRecord {
            chain_id: snapshot.block.chain_id,
            vault: self.vault,
            block_number: snapshot.block.number,
            block_hash: snapshot.block.hash,
            block_timestamp: snapshot.block.timestamp,
            policy_hash,
            snapshot_hash,
            decision_hash,
            verdict: decision.verdict.name().to_owned(),
            reason: Some(reason),
            decision_json: canonical::json(decision)?,
            snapshot_json: keep.then_some(text),
            dispatch: None,
        })
    }

    /// Carries a plan as far as the keeper's hand goes, and records the cycle on the way.
    async fn dispatch(
        &self,
        plan: Option<Plan>,
        record: CycleRecord,
        snapshot: &Snapshot,
        header: &Header,
    ) -> Result<Dispatch, CycleError> {
        let Some(plan) = plan else { return self.recorded(record, Dispatch::Nothing).await };
        let sender = match &self.hand {
            Hand::Dry(_) => snapshot.vault.keeper,
            Hand::Send(engine, _) | Hand::SendAndWait(engine, _) => engine.sender(),
        };
        if sender != snapshot.vault.keeper {
            return self.recorded(record, not_authorised(sender, snapshot.vault.keeper)).await;
        }
        if let Some(intent) = self.in_flight(snapshot.block.chain_id, sender).await? {
            return self.recorded(record, Dispatch::InFlight { intent: intent.to_string() }).await;
        }
        match self.rehearse(&plan, sender, header).instrument(debug_span!("rehearse")).await {
            Err(error) => self.failed(record, error.into()).await,
            Ok(Err(refused)) => self.recorded(record, refused).await,
            Ok(Ok(preflight)) => self.send(plan, record, preflight, header).await,
        }
    }

    async fn in_flight(&self, chain_id: u64, sender: Address) -> Result<Option<IntentId>, JournalError> {
        if matches!(self.hand, Hand::Dry(_)) {
            return Ok(None);
        }
        Ok(self.journal.open_intents(chain_id, sender).await?.first().map(|open| open.id))
    }

    /// Asks the vault which guard would refuse, and runs the exact call.
    async fn rehearse(
        &self,
        plan: &Plan,
        from: Address,
        header: &Header,
    ) -> Result<Result<Preflight, Dispatch>, ChainError> {
        let preview =
            CallRequest { from: Some(from), to: plan.vault, data: rebalancing_vault::preview(plan) };
        let simulation = Simulation {
            from,
            to: plan.vault,
            calldata: rebalancing_vault::rebalance(plan),
            at: At::Pending,
            block_gas_limit: header.gas_limit,
            decode: |data| Some(rebalancing_vault::refusal(&Bytes::copy_from_slice(data))),
        };
        let (previewed, simulated) = tokio::try_join!(
            self.endpoint.call(&preview, At::Hash(plan.decision_block_hash)),
            preflight(&self.endpoint, &simulation, self.hand.sending()),
        )?;
        Ok(match (guard(&previewed), simulated) {
            (Some(message), _) => Err(Dispatch::Refused { code: "guard", message }),
            (None, Err(refusal)) => Err(refused(&refusal)),
            (None, Ok(preflight)) => Ok(preflight),
        })
    }

    async fn send(
        &self,
        plan: Plan,
        cycle: CycleRecord,
        preflight: Preflight,
        header: &Header,
    ) -> Result<Dispatch, CycleError> {
        let (engine, wait) = match &self.hand {
            Hand::Dry(_) => {
                let gas_limit = preflight.gas_limit();
                return self.recorded(cycle, Dispatch::DryRun { gas_limit }).await;
            }
            Hand::Send(engine, _) => (engine, false),
            Hand::SendAndWait(engine, _) => (engine, true),
        };
        let submission = Submission {
            cycle: cycle.clone(),
            preflight,
            vault_nonce: U256::from(plan.nonce),
            deadline: plan.deadline,
            planned_json: canonical::json(&plan)?,
        };
        let outcome = match engine.submit(&submission, header).await {
            // The engine records the cycle with the signed bytes. Where it fails before, the record is ours.
            Err(error) if !matches!(error, ExecutionError::Journal(_)) => {
                return self.failed(cycle, error.into()).await;
            }
            submitted => submitted?,
        };
        let outcome = if wait { engine.conclude(outcome).await? } else { outcome };
        match &outcome {
            Outcome::Refused(refusal) => self.recorded(cycle, refused(refusal)).await,
            Outcome::Executed(_)
            | Outcome::Reverted(_)
            | Outcome::Pending { .. }
            | Outcome::Parked { .. } => Ok(settled(&outcome, self.vault)),
        }
    }

    /// Records a cycle whose plan was not signed for `error`, which it returns.
    async fn failed(&self, cycle: CycleRecord, error: CycleError) -> Result<Dispatch, CycleError> {
        self.recorded(cycle, Dispatch::Failed { message: error.to_string() }).await?;
        Err(error)
    }

    async fn recorded(&self, mut cycle: CycleRecord, dispatch: Dispatch) -> Result<Dispatch, CycleError> {
        if !matches!(dispatch, Dispatch::Nothing) {
            cycle.dispatch = Some(canonical::json(&dispatch)?);
        }
        self.journal.record_cycle(&cycle).await?;
        Ok(dispatch)
    }
}

impl Hand {
    const fn sending(&self) -> &SendingConfig {
        match self {
            Self::Dry(config) | Self::Send(_, config) | Self::SendAndWait(_, config) => config,
        }
    }
}

/// The guard that would refuse, if one would.
fn guard(previewed: &Simulated<Bytes>) -> Option<String> {
    match previewed {
        Simulated::Success(answer) => match rebalancing_vault::previewed(answer) {
            Some(verdict) => verdict.err(),
            None => {
                Some("the vault's previewRebalance answers something else: is it a RebalancingVault?".into())
            }
        },
        Simulated::Reverted(data) => Some(rebalancing_vault::refusal(data)),
    }
}
