//! The turn of a key: what its next transaction depends on, read while nothing else of the key can move, and the
//! transaction itself.

use alloy::consensus::TxEip1559;
use alloy::primitives::{Address, TxKind, U256};
use tokio::sync::MutexGuard;
use tracing::{Instrument, debug_span};

use super::book::{Filed, Nonce, Sight, inclusion, plain};
use super::engine::Book;
use super::fees::{self, FeeQuote, FeeRequest};
use super::machine::{self, Admission, Ahead, Attempt, Busy, Event, Market, Plan, Slot, admit, bumped};
use super::resolve::standing;
use super::{Engine, ExecutionError, Halt, Outcome, Published, Refusal, Submission};
use crate::chain::{At, ChainError, Endpoint, Header};
use crate::defence::defended;
use crate::failpoint::{self, Moment};
use crate::journal::{
    AttemptKind, AttemptRecord, IntentId, IntentRecord, IntentState, JournalError, Urgency,
};

/// The right to sign one transaction of a key. While it is held nothing else of the key is signed, published or
/// resolved, so what was read on taking it still holds.
///
/// It can be taken while the call is simulated: neither needs the other.
#[derive(Debug)]
pub struct Turn<'a> {
    engine: &'a Engine,
    endpoint: &'a Endpoint,
    head: &'a Header,
    admission: Admission,
    account: Account,
    /// Wei spent or promised within the day, the nonce of this turn left out.
    committed_today: U256,
    book: MutexGuard<'a, Book>,
}

/// What the chain says about the key at the head.
#[derive(Debug)]
struct Account {
    latest: u64,
    pending: u64,
    balance: U256,
    suggested_tip: Option<u128>,
}

impl<'a> Turn<'a> {
    /// Asks chain and journal at once; takes no turn where no nonce is free for it, the head is not canonical any more, or
    /// the two disagree on the nonce.
    pub(super) async fn take(
        engine: &'a Engine,
        (endpoint, head): (&'a Endpoint, &'a Header),
        vault: Address,
        urgency: Urgency,
    ) -> Result<Result<Self, Refusal>, ExecutionError> {
        let book = engine.opened().await?;
        if let Some(undone) = &book.undone {
            return Err(undone.clone().into());
        }
        let account = engine.account(endpoint, head).instrument(debug_span!("account"));
        let next = engine.journal.next_nonce(engine.pool.chain_id(), engine.sender());
        let (next, account, cooled) = tokio::join!(next, account, engine.cooled_at(vault));
        let (next, Some(account), cooled) = (next?, account?, cooled?) else {
            return Ok(Err(Refusal::HeadReplaced));
        };
        let plan = Plan { vault, urgent: urgency == Urgency::Urgent };
        let admission = match engine.admitted(&plan, &book, next, (&account, head))? {
            Ok(admission) => admission,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let Some(until) = cooled.filter(|until| head.number < *until && urgency == Urgency::Routine) {
            return Ok(Err(Refusal::CoolingDown { until }));
        }
        let nonce = admission.nonce();
        let committed_today = engine.committed(head.timestamp, Some(nonce)).await?;
        Ok(Ok(Self { engine, endpoint, head, admission, account, committed_today, book }))
    }

    /// Signs the call, makes it durable and publishes it: [`Outcome::Pending`], [`Outcome::Parked`] when all endpoints
    /// refuse the bytes for now, or [`Outcome::Refused`] without any trace.
    ///
    /// # Errors
    /// A failure of journal or key, or of the node where it is asked for the data fee of a rollup. In all of them nothing
    /// was sent that the journal does not hold, and without [`ExecutionError::Journal`] nothing at all.
    pub async fn submit(self, submission: &Submission) -> Result<Outcome, ExecutionError> {
        let fees = match self.unfit(submission).map_or_else(|| self.fees(submission), Err) {
            Ok(fees) => fees,
            Err(refusal) => return Ok(Outcome::Refused(refusal)),
        };
        let transaction = self.transaction(submission, fees);
        if let Some(data_fee) = &submission.preflight.data_fee {
            let checked = data_fee.check(self.endpoint, &transaction);
            if let Err(refusal) = checked.instrument(debug_span!("data_fee")).await? {
                return Ok(Outcome::Refused(refusal));
            }
        }
        let mut attempt = self
            .engine
            .signed(transaction, AttemptKind::Original, self.head.number)
            .instrument(debug_span!("sign"))
            .await?;
        attempt.submission = self.engine.config.submission(self.head.number);
        self.durable(submission, attempt).await
    }

    /// One commit, then the bytes leave.
    async fn durable(
        self,
        submission: &Submission,
        attempt: AttemptRecord,
    ) -> Result<Outcome, ExecutionError> {
        let Self { engine, head, admission, mut book, .. } = self;
        let intent = engine.intent(submission, admission.nonce());
        // Thrown away where this does not come to its end.
        let mut open = book.taken();
        let commit = async {
            let (journal, cycle) = (&engine.journal, &submission.cycle);
            match admission {
                Admission::Next { .. } => journal.record_prepared(cycle, &intent, &attempt).await,
                Admission::Takeover { .. } => journal.record_takeover(cycle, &intent, &attempt).await,
            }
        };
        if !defended(3) {
            engine.publish(&attempt, (head.number, true)).await;
        }
        failpoint::reached(attempt.kind.name(), Moment::BeforeCommit);
        let committed = commit.instrument(debug_span!("commit")).await;
        if committed.is_err() && !defended(8) {
            engine.publish(&attempt, (head.number, true)).await;
        }
        let id = committed?;
        failpoint::reached(attempt.kind.name(), Moment::AfterCommit);
        let last = plain(IntentState::Prepared, serde_json::Value::Null);
        let filed =
            Filed { id, record: intent, decided_at: submission.cycle.block_number, last, withdrawn: false };
        let published =
            engine.publish(&attempt, (head.number, true)).instrument(debug_span!("publish")).await;
        let at = place(&mut open, &admission, filed, attempt);
        let outcome = match open.get_mut(at) {
            None => Outcome::Pending { intent: id, state: IntentState::Prepared },
            Some(nonce) => engine.published(nonce, id, published).await?,
        };
        book.open = Some(open);
        Ok(outcome)
    }

    fn unfit(&self, submission: &Submission) -> Option<Refusal> {
        let (simulated, signer) = (submission.preflight.from, self.engine.sender());
        if simulated != signer {
            return Some(Refusal::OtherSender { simulated, signer });
        }
        let (deadline, chain_time) = (submission.deadline, self.head.timestamp);
        (deadline <= chain_time).then_some(Refusal::DeadlinePassed { deadline, chain_time })
    }

    fn fees(&self, submission: &Submission) -> Result<FeeQuote, Refusal> {
        let next_base_fee = self.head.next_base_fee(self.endpoint.kind()).ok_or(Refusal::NoBaseFee)?;
        let gas_limit = submission.preflight.gas_limit;
        let (suggested_tip, balance) = (self.account.suggested_tip, self.account.balance);
        let beside_gas = submission.preflight.data_fee.map_or(U256::ZERO, |fee| fee.beside_gas);
        let request = FeeRequest {
            next_base_fee,
            suggested_tip,
            gas_limit,
            beside_gas,
            committed_today: self.committed_today,
        };
        let fees = match self.admission {
            Admission::Next { .. } => fees::quote(&request, &self.engine.config.fees)?,
            Admission::Takeover { nonce, over } => self.outbidding(nonce, &over, &request)?,
        };
        let for_gas = U256::from(fees.max_fee_per_gas).saturating_mul(U256::from(gas_limit));
        let needed = for_gas.saturating_add(beside_gas);
        self.engine.warn_of_the_runway(needed, balance);
        if needed > balance { Err(Refusal::InsufficientFunds { needed, balance }) } else { Ok(fees) }
    }

    fn outbidding(&self, nonce: u64, over: &Attempt, request: &FeeRequest) -> Result<FeeQuote, Refusal> {
        let caps = &self.engine.config.fees;
        let mut limits = caps.calls(self.committed_today);
        limits.in_all = limits.in_all.saturating_sub(request.beside_gas);
        let market = Market { base_fee: request.next_base_fee, tip: caps.tip(request.suggested_tip) };
        let fees = bumped(over.fees, market, limits.per_gas(request.gas_limit));
        let fees = fees.ok_or(Refusal::Outbid { nonce, held: over.fees.cap })?;
        Ok(FeeQuote { max_fee_per_gas: fees.cap, max_priority_fee_per_gas: fees.tip })
    }

    fn transaction(&self, submission: &Submission, fees: FeeQuote) -> TxEip1559 {
        TxEip1559 {
            chain_id: self.engine.pool.chain_id(),
            nonce: self.admission.nonce(),
            gas_limit: submission.preflight.gas_limit,
            max_fee_per_gas: fees.max_fee_per_gas,
            max_priority_fee_per_gas: fees.max_priority_fee_per_gas,
            to: TxKind::Call(submission.preflight.to),
            value: U256::ZERO,
            access_list: alloy::eips::eip2930::AccessList::default(),
            input: submission.preflight.calldata.clone(),
        }
    }
}

/// Enters an intent that has just become durable among the open ones; its place there.
fn place(open: &mut Vec<Nonce>, admission: &Admission, filed: Filed, attempt: AttemptRecord) -> usize {
    if let Admission::Takeover { nonce, .. } = admission
        && let Some(at) = open.iter().position(|other| other.slot.nonce == *nonce)
    {
        if let Some(other) = open.get_mut(at) {
            other.overtaken(filed, attempt);
        }
        return at;
    }
    open.push(Nonce::new(filed, attempt));
    open.len().saturating_sub(1)
}

impl Engine {
    fn intent(&self, submission: &Submission, nonce: u64) -> IntentRecord {
        IntentRecord {
            chain_id: self.pool.chain_id(),
            sender: self.sender(),
            nonce,
            vault: submission.cycle.vault,
            vault_nonce: submission.vault_nonce,
            to: submission.preflight.to,
            calldata: submission.preflight.calldata.clone(),
            deadline: submission.deadline,
            gas_limit: submission.preflight.gas_limit,
            planned_json: submission.planned_json.clone(),
            urgency: submission.cycle.urgency,
        }
    }

    /// Records what the first publication of an intent came to.
    async fn published(
        &self,
        nonce: &mut Nonce,
        intent: IntentId,
        published: Published,
    ) -> Result<Outcome, JournalError> {
        let event = Event::Published(published.clone());
        let records = nonce.file.records(&nonce.slot, &event, Sight::default());
        for (id, record) in &records {
            self.journal.append_event(*id, record).await?;
        }
        nonce.file.recorded(records);
        nonce.slot.apply(&event);
        nonce.file.refused = published.refusal();
        let pending = Outcome::Pending { intent, state: IntentState::Prepared };
        Ok(nonce.wanted().map_or(pending, |wanted| standing(nonce, wanted)))
    }

    /// The height from which on `vault` may send what is routine, where its last transaction was mined and reverted: what
    /// passed its simulation and reverted all the same would do so with every block.
    async fn cooled_at(&self, vault: Address) -> Result<Option<u64>, JournalError> {
        if !defended(35) {
            return Ok(None);
        }
        let last = self.journal.intents(vault, 1).await?.pop();
        let mined = last.and_then(|last| inclusion(&last.last_event)).filter(|mined| !mined.success);
        Ok(mined.map(|mined| mined.number.saturating_add(self.config.patience.cool_down)))
    }

    fn admitted(
        &self,
        plan: &Plan,
        book: &Book,
        next: Option<u64>,
        (account, head): (&Account, &Header),
    ) -> Result<Result<Admission, Refusal>, Halt> {
        let slots: Vec<Slot> = book.open.iter().flatten().map(|nonce| nonce.slot.clone()).collect();
        let Account { latest, pending, .. } = *account;
        let seen = machine::Account { time: head.timestamp, latest, pending };
        match admit(plan, &slots, next, seen, self.config.patience.most_in_flight) {
            Ok(Ok(admission)) => Ok(Ok(admission)),
            Ok(Err(busy)) => Ok(Err(refusal(book, busy))),
            Err(ahead) => Err(self.halt(book, ahead)),
        }
    }

    fn halt(&self, book: &Book, ahead: Ahead) -> Halt {
        let sender = self.sender();
        let halt = match ahead {
            Ahead::Chain { journal, latest } => Halt::ChainAhead { sender, journal, chain: latest },
            Ahead::Pool { journal, pending } => Halt::PoolAhead { sender, expected: journal, pending },
            Ahead::Foreign { nonce } => {
                let chain = nonce.saturating_add(1);
                return self.halted(book).unwrap_or(Halt::ChainAhead { sender, journal: nonce, chain });
            }
        };
        tracing::error!(alert = "nonce_ahead", %sender, "nothing is signed: {halt}");
        halt
    }

    /// Reads the account at the head, and checks that the endpoint still serves this chain and this head. `None` when
    /// the head is no longer canonical.
    async fn account(&self, endpoint: &Endpoint, head: &Header) -> Result<Option<Account>, ChainError> {
        let (sender, at) = (self.sender(), At::Hash(head.hash));
        let (chain_id, canonical, latest, pending, balance, tip) = tokio::join!(
            endpoint.verify_chain_id(),
            endpoint.header_by_number(head.number),
            endpoint.transaction_count(sender, at),
            endpoint.transaction_count(sender, At::Pending),
            endpoint.balance(sender, at),
            self.pool.suggested_tip(),
        );
        chain_id?;
        // Asked before the reads at the head: they fail when it is gone.
        if canonical?.is_none_or(|canonical| canonical.hash != head.hash) {
            return Ok(None);
        }
        let (latest, pending, balance) = (latest?, pending?, balance?);
        Ok(Some(Account { latest, pending, balance, suggested_tip: tip.ok() }))
    }
}

/// Why a key takes on nothing now, in the words of the intents.
fn refusal(book: &Book, busy: Busy) -> Refusal {
    match busy {
        Busy::Full { in_flight } => Refusal::TooManyInFlight { in_flight },
        Busy::Unsettled { known, latest } => Refusal::Unsettled { known, latest },
        Busy::InFlight { nonce } | Busy::Parked { nonce } => {
            let open = book.open.iter().flatten().find(|open| open.slot.nonce == nonce);
            let wanted = open.and_then(|open| open.wanted());
            wanted.map_or(Refusal::Unsettled { known: nonce, latest: nonce }, |wanted| Refusal::IntentOpen {
                intent: wanted.id,
                state: wanted.last.state,
            })
        }
    }
}
