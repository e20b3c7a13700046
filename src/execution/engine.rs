//! One key on one chain: from a simulated call to durable, published bytes.

use std::sync::Arc;

use alloy::consensus::TxEip1559;
use alloy::primitives::{Address, TxKind, U256};
use tokio::sync::Mutex;
use tracing::{Instrument, debug_span};

use super::fees::{self, FeeQuote, FeeRequest};
use super::foreign::Consumption;
use super::{ExecutionError, Halt, KeeperKey, Outcome, ParkReason, Preflight, Refusal, SendingConfig};
use crate::chain::{At, ChainError, Endpoint, Header};
use crate::journal::{AttemptKind, AttemptRecord, CycleRecord, IntentRecord, IntentState, Journal};

/// Length of the window of the daily cap, seconds of chain time.
const DAY: u64 = 86_400;

/// A simulated call with what the journal records of it.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    key: KeeperKey,
    /// Held while anything is signed, published or resolved.
    pub(super) turn: Mutex<Consumption>,
}

/// What the chain says about the key at the head.
struct Account {
    latest: u64,
    pending: u64,
    balance: U256,
    suggested_tip: Option<u128>,
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

    /// Signs the call, makes it durable and publishes it: [`Outcome::Pending`], [`Outcome::Parked`] when the node
    /// refuses the bytes for now, or [`Outcome::Refused`] without any trace. `head` is the newest header known.
    ///
    /// # Errors
    /// [`ExecutionError::Halted`] when the key must not sign any more; [`ChainError::WrongChainId`] when the endpoint
    /// changed its chain; a failure of node, journal or key. In all of them nothing was sent that the journal does not
    /// hold, and without [`ExecutionError::Journal`] nothing at all.
    pub async fn submit(&self, submission: &Submission, head: &Header) -> Result<Outcome, ExecutionError> {
        let _turn = self.turn.lock().await;
        if let Some(refusal) = self.unfit(submission, head).await? {
            return Ok(Outcome::Refused(refusal));
        }
        let Some(account) = self.account(head).instrument(debug_span!("account")).await? else {
            return Ok(Outcome::Refused(Refusal::HeadReplaced));
        };
        let nonce = match self.next_nonce(&account).await? {
            Ok(nonce) => nonce,
            Err(refusal) => return Ok(Outcome::Refused(refusal)),
        };
        let fees = match self.fees(submission, head, &account).await? {
            Ok(fees) => fees,
            Err(refusal) => return Ok(Outcome::Refused(refusal)),
        };
        let attempt = debug_span!("sign").in_scope(|| self.signed(submission, nonce, fees))?;
        let intent = self.intent(submission, nonce);
        let commit = self.journal.record_prepared(&submission.cycle, &intent, &attempt);
        let id = commit.instrument(debug_span!("commit")).await?;
        self.first_publication(id, &attempt).await
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

    async fn unfit(&self, submission: &Submission, head: &Header) -> Result<Option<Refusal>, ExecutionError> {
        let (simulated, signer) = (submission.preflight.from, self.sender());
        if simulated != signer {
            return Ok(Some(Refusal::OtherSender { simulated, signer }));
        }
        let (deadline, chain_time) = (submission.deadline, head.timestamp);
        if deadline <= chain_time {
            return Ok(Some(Refusal::DeadlinePassed { deadline, chain_time }));
        }
        let open = self.journal.open_intents(self.endpoint.chain_id(), signer).await?;
        let Some(open) = open.first() else { return Ok(None) };
        self.halt_if_foreign(open)?;
        Ok(Some(Refusal::IntentOpen { intent: open.id, state: open.last_event.state }))
    }

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

    async fn next_nonce(&self, account: &Account) -> Result<Result<u64, Refusal>, ExecutionError> {
        let journal = self.journal.next_nonce(self.endpoint.chain_id(), self.sender()).await?;
        Ok(next_nonce(self.sender(), journal, account.latest, account.pending)?)
    }

    async fn fees(
        &self,
        submission: &Submission,
        head: &Header,
        account: &Account,
    ) -> Result<Result<FeeQuote, Refusal>, ExecutionError> {
        let Some(next_base_fee) = head.next_base_fee() else { return Ok(Err(Refusal::NoBaseFee)) };
        let since = head.timestamp.saturating_sub(DAY);
        let committed_today =
            self.journal.committed_fees(self.endpoint.chain_id(), self.sender(), since).await?;
        let gas_limit = submission.preflight.gas_limit;
        let suggested_tip = account.suggested_tip;
        let request = FeeRequest { next_base_fee, suggested_tip, gas_limit, committed_today };
        Ok(fees::quote(&request, &self.config.fees).and_then(|fees| {
            let needed = U256::from(fees.max_fee_per_gas).saturating_mul(U256::from(gas_limit));
            let balance = account.balance;
            if needed > balance { Err(Refusal::InsufficientFunds { needed, balance }) } else { Ok(fees) }
        }))
    }

    fn signed(
        &self,
        submission: &Submission,
        nonce: u64,
        fees: FeeQuote,
    ) -> Result<AttemptRecord, ExecutionError> {
        let FeeQuote { max_fee_per_gas, max_priority_fee_per_gas } = fees;
        let transaction = TxEip1559 {
            chain_id: self.endpoint.chain_id(),
            nonce,
            gas_limit: submission.preflight.gas_limit,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            to: TxKind::Call(submission.preflight.to),
            value: U256::ZERO,
            access_list: alloy::eips::eip2930::AccessList::default(),
            input: submission.preflight.calldata.clone(),
        };
        let (hash, raw) = self.key.sign(transaction)?;
        let kind = AttemptKind::Original;
        Ok(AttemptRecord { hash, raw, max_fee_per_gas, max_priority_fee_per_gas, kind })
    }

    fn intent(&self, submission: &Submission, nonce: u64) -> IntentRecord {
        IntentRecord {
            chain_id: self.endpoint.chain_id(),
            sender: self.sender(),
            nonce,
            vault: submission.cycle.vault,
            vault_nonce: submission.vault_nonce,
            to: submission.preflight.to,
            calldata: submission.preflight.calldata.clone(),
            deadline: submission.deadline,
            gas_limit: submission.preflight.gas_limit,
            planned_json: submission.planned_json.clone(),
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
