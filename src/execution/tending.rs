//! One nonce under the machine's care: the real world of [`machine::tend`].

use alloy::consensus::TxEip1559;
use alloy::primitives::{Address, Bytes, TxKind, U256};
use serde_json::json;

use super::book::{File, Nonce, Sight, machine_attempt, plain};
use super::machine::{
    Attempt, CANCEL_GAS, Consumption, Event, Kind, Look, Point, Rules, Signing, Slot, Witness, World, observe,
};
use super::node::{Eye, Node};
use super::{Engine, ExecutionError, Published};
use crate::chain::pool::{Lease, Second};
use crate::chain::{At, CallRequest, ChainError, Header, Receipt, Simulated};
use crate::defence::defended;
use crate::domain::plan::Plan;
use crate::domain::policy::ChainKind;
use crate::failpoint::{self, Moment};
use crate::journal::{AttemptKind, AttemptRecord, IntentRecord, IntentState, SubmissionClass};

/// What a turn of all nonces of a key has in common.
#[derive(Debug)]
pub(super) struct Round<'a> {
    pub(super) engine: &'a Engine,
    pub(super) lease: &'a Lease,
    pub(super) second: Second,
    /// The newest header when the round began.
    pub(super) head: Header,
    /// Tip within the configured bounds, wei per gas.
    pub(super) tip: u128,
    /// Whether nothing may be signed: what ended was undone.
    pub(super) signs_nothing: bool,
}

/// One nonce in it.
#[derive(Debug)]
pub(super) struct Tending<'a> {
    pub(super) round: &'a Round<'a>,
    pub(super) file: &'a mut File,
    /// Whether the call was run on the head of the last look and did not revert.
    pub(super) vetted: bool,
    /// The receipt of the attempt that the last look saw mined.
    pub(super) receipt: Option<Receipt>,
    /// Time of the head of the last look.
    pub(super) time: u64,
}

impl Round<'_> {
    fn node<'b>(&'b self, eye: Eye<'b>) -> Node<'b> {
        let Engine { pool, config, .. } = self.engine;
        Node::new((pool, eye), self.engine.sender(), config.finality, self.tip)
    }

    async fn look(&self, slot: &Slot) -> Result<Option<(Look, Option<Receipt>)>, ChainError> {
        let node = self.node(Eye::Leased(self.lease));
        let looked = match &self.second {
            Second::Endpoint(second) => {
                let second = self.node(Eye::Second(second));
                observe(&node, Witness::Node(&second), slot).await?
            }
            Second::Silent => observe(&node, Witness::Missing, slot).await?,
            Second::Needless => observe(&node, Witness::Needless, slot).await?,
        };
        let Some(mut look) = looked else { return Ok(None) };
        if let Some(deep) = look.deep {
            self.engine.finalised(deep.number);
        }
        let receipt = look.mined.and_then(|mined| node.told(mined.attempt));
        if let Some(receipt) = &receipt {
            look.witnessed &= self.engine.pool.is_borne_out(self.lease, receipt).await?;
        }
        Ok(Some((look, receipt)))
    }

    /// Patience and limits for one nonce.
    pub(super) async fn rules(&self, nonce: &Nonce) -> Result<Rules, ExecutionError> {
        let committed = self.engine.committed(self.head.timestamp, Some(nonce.slot.nonce)).await?;
        let beside = nonce.wanted().map(|wanted| self.beside_gas(&wanted.record)).unwrap_or_default();
        Ok(self.engine.config.rules(committed, beside))
    }

    /// What an intent was reckoned to cost beside its gas, wei: the data fee of a rollup that takes one apart.
    fn beside_gas(&self, record: &IntentRecord) -> U256 {
        if self.engine.pool.kind() != ChainKind::OpStack {
            return U256::ZERO;
        }
        let plan: Option<Plan> = serde_json::from_str(&record.planned_json).ok();
        plan.and_then(|plan| plan.charge).unwrap_or_default().total()
    }
}

impl World for Tending<'_> {
    type Error = ExecutionError;

    async fn look(&mut self, slot: &Slot) -> Result<Option<Look>, ExecutionError> {
        if !defended(44) && self.waits_for_a_relay().await {
            return Ok(None);
        }
        let Some((mut look, receipt)) = self.round.look(slot).await? else { return Ok(None) };
        (self.receipt, self.time) = (receipt, look.head.time);
        look.head.time = chain_time(look.head.time);
        let open = look.mined.is_none() && look.consumed == Consumption::No;
        if open && !slot.is_unwanted(look.head.time) && !slot.is_cancelling() {
            look.reverts = self.reverts(look.head).await;
        }
        Ok(Some(look))
    }

    async fn record(&mut self, slot: &Slot, event: &Event) -> Result<(), ExecutionError> {
        let sight = Sight { receipt: self.receipt.as_ref(), time: self.time };
        let records = self.file.records(slot, event, sight);
        let events: Vec<_> = records.iter().map(|(id, record)| (*id, record)).collect();
        if !events.is_empty() {
            self.round.engine.journal.append_events(&events).await?;
        }
        self.file.recorded(records);
        Ok(())
    }

    async fn sign(
        &mut self,
        slot: &Slot,
        look: &Look,
        signing: Signing,
    ) -> Result<Option<Attempt>, ExecutionError> {
        let engine = self.round.engine;
        if self.round.signs_nothing {
            return Ok(None);
        }
        let Some(filed) = self.file.intents.get(signing.claim) else { return Err(ExecutionError::Unknown) };
        let transaction = transaction(slot, &filed.record, &signing, engine.sender());
        let kind = attempt_kind(signing.kind);
        let mut attempt = match engine.signed(transaction, kind, look.head.number).await {
            Ok(attempt) => attempt,
            Err(ExecutionError::Key(error)) => {
                tracing::error!(alert = "signer", nonce = slot.nonce, %error, "nothing is raised or cancelled at this block");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let state = match signing.kind {
            Kind::Cancel => {
                (attempt.gas_limit, attempt.to) = (Some(CANCEL_GAS), Some(engine.sender()));
                IntentState::Cancelling
            }
            Kind::Original | Kind::Bump => {
                attempt.submission = self.class(slot, signing.claim);
                File::standing(slot)
            }
        };
        let event = plain(state, json!({ "signed": kind.name(), "attempt": attempt.hash }));
        failpoint::reached(kind.name(), Moment::BeforeCommit);
        engine.journal.record_attempt(filed.id, &attempt, &event).await?;
        failpoint::reached(kind.name(), Moment::AfterCommit);
        let id = filed.id;
        self.file.recorded(vec![(id, event)]);
        let signed = machine_attempt(signing.claim, &attempt);
        self.file.attempts.push(attempt);
        tracing::info!(intent = %id, nonce = slot.nonce, kind = kind.name(), hash = %signed.hash, "signed");
        Ok(Some(signed))
    }

    async fn publish(&mut self, slot: &Slot, look: &Look) -> Published {
        let newest =
            slot.newest().and_then(|newest| self.file.attempts.iter().find(|a| a.hash == newest.hash));
        let published = match newest {
            Some(attempt) => self.round.engine.publish(attempt, (look.head.number, self.vetted)).await,
            None => Published::unclear("no signed bytes"),
        };
        self.file.refused = published.refusal();
        published
    }

    fn held(&mut self, slot: &Slot) {
        let newest = slot.newest();
        let cap = newest.map(|newest| newest.fees.cap);
        tracing::error!(
            alert = "fee_cap", nonce = slot.nonce, sender = %self.round.engine.sender(), cap,
            "a higher bid is due and no cap allows it: the same bytes are sent again; raise the caps, or cancel"
        );
    }
}

impl Tending<'_> {
    /// Whether the call of the wanted intent reverts at the end of the block `head`. Where no answer says so it does not.
    async fn reverts(&mut self, head: Point) -> bool {
        let Some(wanted) = self.file.intents.last() else { return false };
        // The vault compares the hash of the decision block, which is known from the next block on.
        if head.number <= wanted.decided_at {
            self.vetted = head.number == wanted.decided_at;
            return false;
        }
        let (from, record) = (Some(self.round.engine.sender()), &wanted.record);
        let call = CallRequest { from, to: record.to, data: record.calldata.clone() };
        // Not on the pending state: the transaction itself may be part of that.
        match self.round.lease.call(&call, At::Hash(head.hash)).await {
            Ok(Simulated::Success(_)) => {
                self.vetted = true;
                false
            }
            Ok(Simulated::Reverted(data)) => {
                tracing::warn!(intent = %wanted.id, %data, "its call reverts now");
                true
            }
            Err(error) => {
                tracing::warn!(intent = %wanted.id, %error, "its call was not simulated again");
                false
            }
        }
    }

    /// Whether the newest bytes are private and a relay does not answer: no reason not to look for them on the chain.
    async fn waits_for_a_relay(&self) -> bool {
        let newest = self.file.attempts.last().map(|newest| newest.submission);
        let private = matches!(newest, Some(SubmissionClass::Private { .. }));
        private && self.round.engine.pool.ask_relays().await.iter().any(|(_, answer)| answer.is_err())
    }

    /// A bump may leave as its first bytes may.
    fn class(&self, slot: &Slot, claim: usize) -> SubmissionClass {
        let first = slot.attempts.iter().position(|attempt| attempt.claim == claim);
        let first = first.and_then(|first| self.file.attempts.get(first));
        first.map_or(SubmissionClass::Private { public_from: None }, |first| first.submission)
    }
}

/// The time that deadlines are held against: the chain's, and never this machine's.
fn chain_time(head: u64) -> u64 {
    #[expect(clippy::disallowed_methods, reason = "what the defence is against")]
    let here = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    if defended(48) { head } else { here().as_secs() }
}

fn transaction(slot: &Slot, record: &IntentRecord, signing: &Signing, sender: Address) -> TxEip1559 {
    let (to, gas_limit, input) = match signing.kind {
        Kind::Cancel => (sender, CANCEL_GAS, Bytes::new()),
        Kind::Original | Kind::Bump => (record.to, record.gas_limit, record.calldata.clone()),
    };
    TxEip1559 {
        chain_id: record.chain_id,
        nonce: slot.nonce,
        gas_limit,
        max_fee_per_gas: signing.fees.cap,
        max_priority_fee_per_gas: signing.fees.tip,
        to: TxKind::Call(to),
        value: U256::ZERO,
        access_list: alloy::eips::eip2930::AccessList::default(),
        input,
    }
}

const fn attempt_kind(kind: Kind) -> AttemptKind {
    match kind {
        Kind::Original => AttemptKind::Original,
        Kind::Bump => AttemptKind::Bump,
        Kind::Cancel => AttemptKind::Cancel,
    }
}

impl Engine {
    /// Signs a transaction that anyone may see; nothing of it is durable yet.
    pub(super) async fn signed(
        &self,
        transaction: TxEip1559,
        kind: AttemptKind,
        signed_at: u64,
    ) -> Result<AttemptRecord, ExecutionError> {
        let TxEip1559 { max_fee_per_gas, max_priority_fee_per_gas, .. } = transaction;
        let (hash, raw) = self.key.sign(transaction).await?;
        Ok(AttemptRecord {
            hash,
            raw,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            kind,
            submission: SubmissionClass::Public,
            signed_at,
            gas_limit: None,
            to: None,
        })
    }
}
