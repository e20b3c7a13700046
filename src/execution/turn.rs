//! The turn of a key: what its next transaction depends on, read while nothing else of the key can move, and the
//! transaction itself.

use alloy::consensus::TxEip1559;
use alloy::primitives::{Address, TxKind, U256};
use tokio::sync::MutexGuard;
use tracing::{Instrument, debug_span};

use super::fees::{self, FeeQuote, FeeRequest};
use super::foreign::Consumption;
use super::{Engine, ExecutionError, Halt, Outcome, Refusal, Submission};
use crate::chain::{At, ChainError, Header};
use crate::journal::{AttemptKind, AttemptRecord, IntentEntry, IntentRecord, JournalError, SubmissionClass};

/// Length of the window of the daily cap, seconds of chain time.
const DAY: u64 = 86_400;

/// The right to sign one transaction of a key. While it is held nothing else of the key is signed, published or
/// resolved, so what was read on taking it still holds.
///
/// It can be taken while the call is simulated: neither needs the other.
#[derive(Debug)]
pub struct Turn<'a> {
    engine: &'a Engine,
    head: &'a Header,
    nonce: u64,
    account: Account,
    committed_today: U256,
    _held: MutexGuard<'a, Consumption>,
}

/// What the chain says about the key at the head.
#[derive(Debug)]
struct Account {
    latest: u64,
    pending: u64,
    balance: U256,
    suggested_tip: Option<u128>,
}

/// What the journal says about it.
struct Books {
    open: Option<IntentEntry>,
    next_nonce: Option<u64>,
    committed_today: U256,
}

impl<'a> Turn<'a> {
    /// Asks chain and journal at once; takes no turn where an intent is open, the head is not canonical any more, or
    /// the two disagree on the nonce.
    pub(super) async fn take(
        engine: &'a Engine,
        head: &'a Header,
    ) -> Result<Result<Self, Refusal>, ExecutionError> {
        let held = engine.turn.lock().await;
        let account = engine.account(head).instrument(debug_span!("account"));
        let (books, account) = tokio::join!(engine.books(head), account);
        let books = books?;
        if let Some(open) = books.open {
            engine.halt_if_foreign(&open)?;
            return Ok(Err(Refusal::IntentOpen { intent: open.id, state: open.last_event.state }));
        }
        let Some(account) = account? else { return Ok(Err(Refusal::HeadReplaced)) };
        let nonce = next_nonce(engine.sender(), books.next_nonce, account.latest, account.pending)?;
        let committed_today = books.committed_today;
        Ok(nonce.map(|nonce| Self { engine, head, nonce, account, committed_today, _held: held }))
    }

    /// Signs the call, makes it durable and publishes it: [`Outcome::Pending`], [`Outcome::Parked`] when the node
    /// refuses the bytes for now, or [`Outcome::Refused`] without any trace.
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
            let checked = data_fee.check(&self.engine.endpoint, &transaction);
            if let Err(refusal) = checked.instrument(debug_span!("data_fee")).await? {
                return Ok(Outcome::Refused(refusal));
            }
        }
        let attempt = debug_span!("sign").in_scope(|| self.signed(transaction))?;
        let intent = self.intent(submission);
        let commit = self.engine.journal.record_prepared(&submission.cycle, &intent, &attempt);
        let id = commit.instrument(debug_span!("commit")).await?;
        self.engine.first_publication(id, &attempt).await
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
        let next_base_fee = self.head.next_base_fee(self.engine.endpoint.kind()).ok_or(Refusal::NoBaseFee)?;
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
        let fees = fees::quote(&request, &self.engine.config.fees)?;
        let for_gas = U256::from(fees.max_fee_per_gas).saturating_mul(U256::from(gas_limit));
        let needed = for_gas.saturating_add(beside_gas);
        if needed > balance { Err(Refusal::InsufficientFunds { needed, balance }) } else { Ok(fees) }
    }

    fn transaction(&self, submission: &Submission, fees: FeeQuote) -> TxEip1559 {
        TxEip1559 {
            chain_id: self.engine.endpoint.chain_id(),
            nonce: self.nonce,
            gas_limit: submission.preflight.gas_limit,
            max_fee_per_gas: fees.max_fee_per_gas,
            max_priority_fee_per_gas: fees.max_priority_fee_per_gas,
            to: TxKind::Call(submission.preflight.to),
            value: U256::ZERO,
            access_list: alloy::eips::eip2930::AccessList::default(),
            input: submission.preflight.calldata.clone(),
        }
    }

    fn signed(&self, transaction: TxEip1559) -> Result<AttemptRecord, ExecutionError> {
        let TxEip1559 { max_fee_per_gas, max_priority_fee_per_gas, .. } = transaction;
        let (hash, raw) = self.engine.key.sign(transaction)?;
        Ok(AttemptRecord {
            hash,
            raw,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            kind: AttemptKind::Original,
            submission: SubmissionClass::Public,
            signed_at: self.head.number,
            gas_limit: None,
            to: None,
        })
    }

    fn intent(&self, submission: &Submission) -> IntentRecord {
        IntentRecord {
            chain_id: self.engine.endpoint.chain_id(),
            sender: self.engine.sender(),
            nonce: self.nonce,
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
}

impl Engine {
    /// Reads the account at the head, and checks that the endpoint still serves this chain and this head. `None` when
    /// the head is no longer canonical.
    async fn account(&self, head: &Header) -> Result<Option<Account>, ChainError> {
        let (endpoint, sender, at) = (&self.endpoint, self.sender(), At::Hash(head.hash));
        let (chain_id, canonical, latest, pending, balance, tip) = tokio::join!(
            endpoint.verify_chain_id(),
            endpoint.header_by_number(head.number),
            endpoint.transaction_count(sender, at),
            endpoint.transaction_count(sender, At::Pending),
            endpoint.balance(sender, at),
            endpoint.suggested_tip(),
        );
        chain_id?;
        // Asked before the reads at the head: they fail when it is gone.
        if canonical?.is_none_or(|canonical| canonical.hash != head.hash) {
            return Ok(None);
        }
        let (latest, pending, balance) = (latest?, pending?, balance?);
        Ok(Some(Account { latest, pending, balance, suggested_tip: tip.ok() }))
    }

    async fn books(&self, head: &Header) -> Result<Books, JournalError> {
        let (chain_id, sender) = (self.endpoint.chain_id(), self.sender());
        let open = self.journal.open_intents(chain_id, sender).await?.into_iter().next();
        let next_nonce = self.journal.next_nonce(chain_id, sender).await?;
        let since = head.timestamp.saturating_sub(DAY);
        let committed_today = self.journal.committed_fees(chain_id, sender, since).await?;
        Ok(Books { open, next_nonce, committed_today })
    }
}

/// The nonce to sign with: the journal's, where chain and pool agree with it. For a key that the journal does not know
/// it is the chain's, if nothing is pending.
fn next_nonce(
    sender: Address,
    journal: Option<u64>,
    latest: u64,
    pending: u64,
) -> Result<Result<u64, Refusal>, Halt> {
    let expected = journal.unwrap_or(latest);
    if latest > expected {
        return Err(Halt::ChainAhead { sender, journal: expected, chain: latest });
    }
    if pending > expected {
        return Err(Halt::PoolAhead { sender, expected, pending });
    }
    if latest < expected {
        return Ok(Err(Refusal::ChainBehind { journal: expected, chain: latest }));
    }
    Ok(Ok(expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENDER: Address = Address::repeat_byte(1);

    #[test]
    fn the_nonce_is_the_journals_when_chain_and_pool_agree() {
        assert_eq!(next_nonce(SENDER, Some(7), 7, 7), Ok(Ok(7)));
        assert_eq!(next_nonce(SENDER, None, 4, 4), Ok(Ok(4)));
    }

    #[test]
    fn a_chain_or_pool_ahead_of_the_journal_halts() {
        let ahead = Halt::ChainAhead { sender: SENDER, journal: 7, chain: 8 };
        assert_eq!(next_nonce(SENDER, Some(7), 8, 8), Err(ahead));
        let pool = Halt::PoolAhead { sender: SENDER, expected: 7, pending: 8 };
        assert_eq!(next_nonce(SENDER, Some(7), 7, 8), Err(pool));
        let lost = Halt::PoolAhead { sender: SENDER, expected: 4, pending: 5 };
        assert_eq!(next_nonce(SENDER, None, 4, 5), Err(lost));
    }

    #[test]
    fn a_chain_behind_the_journal_is_a_lagging_node_and_signs_nothing() {
        let behind = Refusal::ChainBehind { journal: 7, chain: 6 };
        assert_eq!(next_nonce(SENDER, Some(7), 6, 6), Ok(Err(behind)));
    }
}
