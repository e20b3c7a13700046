//! One cycle: read one block, decide, act, record. The only place where the parts meet.

mod credulous;
mod dispatch;
mod error;
mod hand;
pub mod rehearsal;
mod stated;

use std::sync::Arc;

use alloy::primitives::{Address, B256, U256};
use tracing::{Instrument, debug_span};

use crate::chain::{ChainError, Endpoint, Header};
use crate::domain::canonical::{self, CanonicalError};
use crate::domain::decision::{Decision, Texts, Verdict, decide};
use crate::domain::merkle;
use crate::domain::plan::Plan;
use crate::domain::policy::PublishedPolicy;
use crate::domain::snapshot::Snapshot;
use crate::execution::{
    DataFee, Engine, ExecutionError, InFlight, Outcome, Preflight, Refusal, Submission, Turn,
};
use crate::journal::{CycleRecord, IntentState, Journal, JournalError, Urgency};
use crate::protocols::ReadError;
use crate::protocols::rollups::{self, Surcharge};
use crate::protocols::vaults::rebalancing_vault;
use crate::reader::Reader;

pub use dispatch::{Dispatch, Execution, wrong_key};
use dispatch::{Stance, not_authorised, refused, settled};
pub use error::CycleError;
pub use hand::{Hand, Hands};
use rehearsal::{Rehearsal, Rehearsed};
use stated::Stated;

/// Keeps one vault.
///
/// Rules it keeps: nothing is decided on anything but the snapshot and the policy; nothing is sent that is not
/// recorded; every cycle that comes to its end tells its leaf for the record of the block, and is recorded in full where it
/// is the first one, acts, would act, or decides otherwise than the last full record says, or the chain has left the block of that.
#[derive(Debug)]
pub struct Keeper {
    /// Name of the vault in the configuration.
    pub name: String,
    vault: Address,
    policies: Vec<PublishedPolicy>,
    endpoint: Arc<Endpoint>,
    reader: Reader,
    rehearsal: Rehearsal,
    journal: Arc<Journal>,
    hands: Hands,
    /// The block of the last full record, and what that says.
    last: Option<(B256, Stated)>,
}

/// The turn of the key, a refusal to sign now, or why neither is known.
type TakenTurn<'a> = Result<Result<Turn<'a>, Refusal>, ExecutionError>;

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
    /// What the record of the block holds of it: [`merkle::leaf`].
    pub leaf: B256,
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
        hands: impl Into<Hands>,
    ) -> Self {
        let (vault, policies) = vault;
        Self {
            name,
            vault,
            policies,
            endpoint,
            reader: Reader::default(),
            rehearsal: Rehearsal::default(),
            journal,
            hands: hands.into(),
            last: None,
        }
    }

    /// The vault that it keeps.
    #[must_use]
    pub const fn vault(&self) -> Address {
        self.vault
    }

    /// Whether it reads through this endpoint.
    #[must_use]
    pub fn reads_through(&self, endpoint: &Arc<Endpoint>) -> bool {
        Arc::ptr_eq(&self.endpoint, endpoint)
    }

    /// From now on reads through `endpoint`, another one of the same chain.
    pub fn change_over(&mut self, endpoint: Arc<Endpoint>) {
        self.endpoint = endpoint;
        // What the other endpoint can do is not known.
        self.reader = Reader::default();
        self.rehearsal = Rehearsal::default();
    }

    /// The chain has left these blocks: where the last full record is of one of them it counts no more.
    pub fn chain_left(&mut self, blocks: &[B256]) {
        drop(self.last.take_if(|(block, _)| blocks.contains(block)));
    }

    /// The accounts that could sign, by the order of their signers; none where nothing is signed.
    #[must_use]
    pub fn senders(&self) -> Vec<Address> {
        self.hands.senders()
    }

    /// Runs one cycle at the block of `header`.
    ///
    /// # Errors
    /// [`CycleError`]; see [`CycleError::is_passing`].
    pub async fn cycle(&mut self, header: &Header) -> Result<Cycle, CycleError> {
        let read = snapshot_for(&self.reader, &self.endpoint, header, self.vault, &self.policies);
        let (snapshot, policy) = match read.instrument(debug_span!("read")).await {
            Err(ReadError::NotAVault(_)) => return Err(self.no_vault(header).await.into()),
            read => read?,
        };
        self.hands.obey((self.vault, header.timestamp), snapshot.vault.keeper).await?;
        let in_flight = self.in_flight(header.timestamp).await?;
        let snapshot = credulous::facts(snapshot, policy.policy());
        let decision = debug_span!("decide").in_scope(|| decide(&snapshot, policy));
        let policy_hash = policy.hash();
        let (decision_hash, plan, record) = debug_span!("hash").in_scope(|| {
            let texts = Texts::of(&snapshot, &decision)?;
            let decision_hash = texts.hash(policy_hash)?;
            let plan = Plan::of(&snapshot, policy, &decision, decision_hash);
            let record = self.record((&snapshot, &decision), texts, policy_hash, decision_hash);
            Ok::<_, CanonicalError>((decision_hash, plan, record))
        })?;
        let leaf = merkle::leaf(self.vault, record.snapshot_hash, decision_hash);
        let stated = Stated::by(&record);
        // What fails on its way may have been recorded: then the next cycle is.
        let before = self.last.take().filter(|(_, said)| *said == stated);
        let acts = matches!(decision.verdict, Verdict::Rebalance { .. });
        let dispatch =
            match (plan, in_flight.map(|flight| (Stance::towards(&flight, &decision.verdict), flight))) {
                (_, Some((Stance::Withdraw(why), flight))) => self.withdraw(record, &flight, why).await?,
                (Some(_), Some((Stance::Keep, flight))) => {
                    self.recorded(record, Dispatch::InFlight { intent: flight.intent.to_string() }).await?
                }
                (None, _) if before.is_some() && !acts => Dispatch::Nothing,
                (None, _) => self.recorded(record, Dispatch::Nothing).await?,
                (Some(plan), _) => self.dispatch(plan, record, &snapshot, header).await?,
            };
        self.last = before.or(Some((snapshot.block.hash, stated)));
        Ok(Cycle { snapshot, decision, decision_hash, policy_hash, dispatch, leaf })
    }

    /// Why there is no vault after the block of `header`: the node may have told of it before it had its state.
    async fn no_vault(&self, header: &Header) -> ReadError {
        let vault = self.vault;
        match rebalancing_vault::state(&self.endpoint, header.parent_hash, vault).await {
            Ok(Some(_)) => ReadError::NoStateYet {
                endpoint: self.endpoint.name().to_owned(),
                block: header.number,
                vault,
            },
            Ok(None) | Err(_) => ReadError::NotAVault(vault),
        }
    }

    /// The full record of a cycle.
    fn record(
        &self,
        (snapshot, decision): (&Snapshot, &Decision),
        texts: Texts,
        policy_hash: B256,
        decision_hash: B256,
    ) -> CycleRecord {
        let mandatory = matches!(&decision.verdict, Verdict::Rebalance { trade, .. } if trade.mandatory);
        CycleRecord {
            chain_id: snapshot.block.chain_id,
            vault: self.vault,
            block_number: snapshot.block.number,
            block_hash: snapshot.block.hash,
            block_timestamp: snapshot.block.timestamp,
            policy_hash,
            snapshot_hash: alloy::primitives::keccak256(texts.snapshot.as_bytes()),
            decision_hash,
            verdict: decision.verdict.name().to_owned(),
            reason: Some(decision.verdict.reason().code()),
            decision_json: texts.decision,
            snapshot_json: Some(texts.snapshot),
            dispatch: None,
            urgency: Urgency::of(mandatory),
        }
    }

    /// Carries a plan as far as the keeper's hand goes, and records the cycle on the way.
    async fn dispatch(
        &self,
        plan: Plan,
        record: CycleRecord,
        snapshot: &Snapshot,
        header: &Header,
    ) -> Result<Dispatch, CycleError> {
        let sender = self.hands.hand().engine().map_or(snapshot.vault.keeper, Engine::sender);
        if sender != snapshot.vault.keeper {
            let stranger = not_authorised(&self.senders(), snapshot.vault.keeper);
            return self.recorded(record, stranger).await;
        }
        let (rehearsed, turn) = self.prepared(&plan, sender, header).await;
        // A key that must not sign is worth more attention than a call that would revert, which may come of it.
        let turn = match turn {
            Some(Err(error @ ExecutionError::Halted(_))) => return self.unsent(record, error).await,
            other => other,
        };
        let preflight = match rehearsed {
            Err(error) => return self.failed(record, error.into()).await,
            Ok(Err(refused)) => return self.recorded(record, refused).await,
            Ok(Ok(preflight)) => preflight.with_data_fee(self.data_fee(&plan)),
        };
        match turn {
            None => self.recorded(record, Dispatch::DryRun { gas_limit: preflight.gas_limit() }).await,
            Some(Err(error)) => self.unsent(record, error).await,
            Some(Ok(Err(refusal))) => self.recorded(record, refused(&refusal)).await,
            Some(Ok(Ok(turn))) => self.send(plan, record, preflight, turn).await,
        }
    }

    /// The intent of this vault that is under way and in no block yet.
    async fn in_flight(&self, time: u64) -> Result<Option<InFlight>, JournalError> {
        match self.hands.hand().engine() {
            None => Ok(None),
            Some(engine) => engine.in_flight(self.vault, time).await,
        }
    }

    /// Records a cycle whose decision the intent under way does not carry out any more, and cancels that.
    async fn withdraw(
        &self,
        record: CycleRecord,
        flight: &InFlight,
        why: String,
    ) -> Result<Dispatch, CycleError> {
        let dispatch = Dispatch::Withdrawn { intent: flight.intent.to_string(), why: why.clone() };
        let dispatch = self.recorded(record, dispatch).await?;
        if let Some(engine) = self.hands.hand().engine() {
            engine.cancel(flight.intent, &why).await?;
        }
        if let Hand::SendAndWait(engine, _) = self.hands.hand() {
            let state = IntentState::Cancelling;
            let outcome = engine.conclude(Outcome::Pending { intent: flight.intent, state }).await?;
            return Ok(settled(&outcome, self.vault));
        }
        Ok(dispatch)
    }

    /// Rehearses the plan, and takes the turn of the key meanwhile: neither needs the other, signing needs both.
    async fn prepared<'a>(
        &'a self,
        plan: &Plan,
        sender: Address,
        header: &'a Header,
    ) -> (Result<Rehearsed, ChainError>, Option<TakenTurn<'a>>) {
        let rehearsal =
            self.rehearsal.of(&self.endpoint, (plan, sender), header, self.hands.hand().sending());
        let turn = async {
            match self.hands.hand().engine() {
                None => None,
                Some(engine) => {
                    let urgency = Urgency::of(plan.mandatory);
                    Some(engine.turn((&self.endpoint, header), plan.vault, urgency).await)
                }
            }
        };
        tokio::join!(rehearsal.instrument(debug_span!("rehearse")), turn)
    }

    /// What the chain takes for the data of `plan`, and how it is asked for the very bytes.
    fn data_fee(&self, plan: &Plan) -> Option<DataFee> {
        let Surcharge { ask, read, beside_gas } = rollups::surcharge(self.endpoint.kind())?;
        // A plan without a charge is one for another kind of chain: then no data fee is within the bound.
        let charge = plan.charge.unwrap_or_default();
        let beside_gas = if beside_gas { charge.total() } else { U256::ZERO };
        Some(DataFee {
            beside_gas,
            most: self.hands.hand().sending().most_data_fee(charge.data_fee),
            ask,
            read,
        })
    }

    async fn send(
        &self,
        plan: Plan,
        cycle: CycleRecord,
        preflight: Preflight,
        turn: Turn<'_>,
    ) -> Result<Dispatch, CycleError> {
        let submission = Submission {
            cycle: cycle.clone(),
            preflight,
            vault_nonce: U256::from(plan.nonce),
            deadline: plan.deadline,
            planned_json: canonical::json(&plan)?,
        };
        let outcome = match turn.submit(&submission).await {
            Err(error) => return self.unsent(cycle, error).await,
            Ok(outcome) => outcome,
        };
        let outcome = match self.hands.hand() {
            Hand::SendAndWait(engine, _) => engine.conclude(outcome).await?,
            Hand::Send(..) | Hand::Dry(_) => outcome,
        };
        match &outcome {
            Outcome::Refused(refusal) => self.recorded(cycle, refused(refusal)).await,
            Outcome::Executed(_)
            | Outcome::Reverted(_)
            | Outcome::Cancelled(_)
            | Outcome::Superseded(_)
            | Outcome::Pending { .. }
            | Outcome::Parked { .. } => Ok(settled(&outcome, self.vault)),
        }
    }

    /// Nothing of this cycle was sent, unless the journal says so: it records a cycle together with its signed bytes.
    /// Where it did not come to that, the record is made here.
    async fn unsent(&self, cycle: CycleRecord, error: ExecutionError) -> Result<Dispatch, CycleError> {
        if matches!(error, ExecutionError::Journal(_)) {
            return Err(error.into());
        }
        self.failed(cycle, error.into()).await
    }

    /// Records a cycle whose plan was not signed for `error`, which it returns.
    async fn failed(&self, cycle: CycleRecord, error: CycleError) -> Result<Dispatch, CycleError> {
        let failed = Dispatch::Failed { code: error.part(), message: error.to_string() };
        self.recorded(cycle, failed).await?;
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
