//! The nonces of a key that have not ended: what the journal holds of each, and the machine's view of it.

use alloy::primitives::Address;
use serde_json::{Value, json};

use super::machine::{Attempt, Claim, Event, Fate, Fees, Kind, Mined, Phase, Slot};
use super::{Doubt, Published, Rejection};
use crate::chain::Receipt;
use crate::journal::{
    AttemptKind, AttemptRecord, ENDED_AT, EventRecord, IntentEntry, IntentId, IntentRecord, IntentState,
    SlotEntry, Urgency,
};

/// A nonce that has not ended.
#[derive(Debug)]
pub(super) struct Nonce {
    pub(super) slot: Slot,
    pub(super) file: File,
}

/// What the journal holds of a nonce.
#[derive(Debug)]
pub(super) struct File {
    /// The intents that share it, in the order of the slot's claims.
    pub(super) intents: Vec<Filed>,
    /// Signed bytes, in the order of the slot's attempts.
    pub(super) attempts: Vec<AttemptRecord>,
    /// Why all endpoints refused the bytes when they were handed out last, if they did. That they may be live is another
    /// matter.
    pub(super) refused: Option<Rejection>,
}

/// An intent and what was last recorded of it.
#[derive(Debug)]
pub(super) struct Filed {
    pub(super) id: IntentId,
    pub(super) record: IntentRecord,
    /// Height of the block that was decided on.
    pub(super) decided_at: u64,
    pub(super) last: EventRecord,
    /// Whether it was found not to be wanted any more when it was read.
    pub(super) withdrawn: bool,
}

/// What an event was seen by.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sight<'a> {
    /// The receipt of the attempt that was seen mined.
    pub(super) receipt: Option<&'a Receipt>,
    /// Time of the head that was looked at, seconds since the Unix epoch.
    pub(super) time: u64,
}

impl Nonce {
    /// A nonce whose first bytes have just become durable.
    pub(super) fn new(filed: Filed, attempt: AttemptRecord) -> Self {
        let slot = Slot::new(filed.record.nonce, claim(&filed), machine_attempt(0, &attempt));
        Self { slot, file: File { intents: vec![filed], attempts: vec![attempt], refused: None } }
    }

    /// The nonce as a new process finds it in the journal; `None` for an entry without signed bytes.
    pub(super) fn recovered(entry: SlotEntry) -> Option<Self> {
        let nonce = entry.nonce;
        let (mut intents, mut attempts, mut machine) = (Vec::new(), Vec::new(), Vec::new());
        for (at, intent) in entry.intents.into_iter().enumerate() {
            machine.extend(intent.attempts.iter().map(|attempt| machine_attempt(at, attempt)));
            let IntentEntry {
                id,
                record,
                decision_block: decided_at,
                attempts: signed,
                last_event: last,
                withdrawn,
                ..
            } = intent;
            attempts.extend(signed);
            intents.push(Filed { id, record, decided_at, last, withdrawn });
        }
        let claims: Vec<Claim> = intents.iter().map(claim).collect();
        let (first, attempt) = (claims.first()?, machine.first()?);
        let mut slot = Slot::new(nonce, *first, *attempt);
        (slot.phase, slot.claims, slot.attempts) = (phase(&intents), claims, machine);
        Some(Self { slot: slot.recovered(), file: File { intents, attempts, refused: None } })
    }

    /// Takes in an intent that took the nonce over, which is durable.
    pub(super) fn overtaken(&mut self, filed: Filed, attempt: AttemptRecord) {
        let signed = machine_attempt(self.file.intents.len(), &attempt);
        self.slot.apply(&Event::Overtaken(claim(&filed), signed));
        self.file.intents.push(filed);
        self.file.attempts.push(attempt);
    }

    /// The intent that is wanted; the others were overtaken.
    pub(super) fn wanted(&self) -> Option<&Filed> {
        self.file.intents.last()
    }

    /// Whether it is under way for this vault at this chain time and not in a block yet.
    pub(super) fn is_for(&self, vault: Address, time: u64) -> bool {
        let under_way = self.slot.is_in_flight() && !self.slot.is_free(time);
        under_way && self.wanted().is_some_and(|wanted| wanted.record.vault == vault)
    }
}

impl File {
    /// Where a claim stands outside a block.
    pub(super) fn standing(slot: &Slot) -> IntentState {
        let withdrawn = slot.wanted().is_some_and(|(_, claim)| claim.withdrawn);
        match slot.phase {
            Phase::Parked => IntentState::Parked,
            Phase::Foreign => IntentState::Foreign,
            _ if withdrawn || slot.is_cancelling() => IntentState::Cancelling,
            Phase::Prepared | Phase::Refused(_) => IntentState::Prepared,
            Phase::Live | Phase::Included(_) | Phase::Ended(_) => IntentState::Live,
        }
    }

    /// What an event is for the intents that it is about. Empty for one that is recorded elsewhere, and for one that
    /// repeats what was recorded last.
    pub(super) fn records(
        &self,
        slot: &Slot,
        event: &Event,
        sight: Sight<'_>,
    ) -> Vec<(IntentId, EventRecord)> {
        let wanted = self.intents.len().saturating_sub(1);
        let about = match event {
            Event::Overtaken(..) | Event::Signed(_) => return Vec::new(),
            Event::Ended(_) => return self.ends(slot, event, sight),
            Event::Published(published) => (wanted, after(slot, published)),
            Event::Withdrawn => (wanted, withdrawn("its call reverts on the newest block")),
            Event::Parked => {
                (wanted, plain(IntentState::Parked, json!({ "parked": "undecided for too long" })))
            }
            Event::Foreign => {
                (wanted, plain(IntentState::Foreign, json!({ "foreign": slot.nonce.to_string() })))
            }
            Event::Included(mined) => (self.claim_of(slot, mined), seen(IntentState::Included, mined, sight)),
            Event::Vanished => match slot.phase {
                Phase::Included(mined) => (self.claim_of(slot, &mined), vanished(slot, &mined)),
                Phase::Prepared
                | Phase::Refused(_)
                | Phase::Live
                | Phase::Parked
                | Phase::Foreign
                | Phase::Ended(_) => return Vec::new(),
            },
        };
        let (at, record) = about;
        let filed = self.intents.get(at).filter(|filed| !repeats(&filed.last, &record));
        filed.map(|filed| (filed.id, record)).into_iter().collect()
    }

    /// Takes in what was recorded.
    pub(super) fn recorded(&mut self, records: Vec<(IntentId, EventRecord)>) {
        for (id, record) in records {
            if let Some(filed) = self.intents.iter_mut().find(|filed| filed.id == id) {
                filed.last = record;
            }
        }
    }

    fn claim_of(&self, slot: &Slot, mined: &Mined) -> usize {
        let attempt = slot.attempts.iter().find(|attempt| attempt.hash == mined.attempt);
        attempt.map_or(self.intents.len().saturating_sub(1), |attempt| attempt.claim)
    }

    /// One of the intents took effect, the others are superseded.
    fn ends(&self, slot: &Slot, event: &Event, sight: Sight<'_>) -> Vec<(IntentId, EventRecord)> {
        let mut ended = slot.clone();
        ended.apply(event);
        let (Some(fates), Event::Ended(end)) = (ended.fates(), event) else { return Vec::new() };
        let record = |fate| match fate {
            Fate::Superseded => plain(IntentState::Superseded, json!({ "by": end.mined.attempt })),
            Fate::Executed => seen(IntentState::Executed, &end.mined, sight),
            Fate::Reverted => seen(IntentState::Reverted, &end.mined, sight),
            Fate::Cancelled => seen(IntentState::Cancelled, &end.mined, sight),
        };
        self.intents.iter().zip(fates).map(|(filed, fate)| (filed.id, record(fate))).collect()
    }
}

fn claim(filed: &Filed) -> Claim {
    let IntentRecord { vault, deadline, gas_limit, urgency, .. } = filed.record;
    Claim { vault, urgent: urgency == Urgency::Urgent, deadline, gas_limit, withdrawn: filed.withdrawn }
}

/// What the machine has to know of signed bytes of the claim at this place.
pub(super) fn machine_attempt(claim: usize, record: &AttemptRecord) -> Attempt {
    let kind = match record.kind {
        AttemptKind::Original => Kind::Original,
        AttemptKind::Bump => Kind::Bump,
        AttemptKind::Cancel => Kind::Cancel,
    };
    let fees = Fees { cap: record.max_fee_per_gas, tip: record.max_priority_fee_per_gas };
    Attempt { hash: record.hash, claim, kind, fees, signed_at: record.signed_at }
}

fn phase(intents: &[Filed]) -> Phase {
    let find = |state| intents.iter().find(|filed| filed.last.state == state);
    if find(IntentState::Foreign).is_some() {
        return Phase::Foreign;
    }
    if let Some(mined) = find(IntentState::Included).and_then(|filed| inclusion(&filed.last)) {
        return Phase::Included(mined);
    }
    match intents.last().map(|wanted| wanted.last.state) {
        Some(IntentState::Parked) => Phase::Parked,
        Some(IntentState::Prepared) if intents.len() == 1 => Phase::Prepared,
        _ => Phase::Live,
    }
}

/// The block that an event was seen in, read back; `None` where it does not say: then it is looked for again.
pub(super) fn inclusion(event: &EventRecord) -> Option<Mined> {
    let detail = &event.detail;
    Some(Mined {
        attempt: detail.get("transaction")?.as_str()?.parse().ok()?,
        number: detail.get("block_number")?.as_str()?.parse().ok()?,
        block: event.block_hash?,
        success: detail.get("success")?.as_bool()?,
    })
}

fn seen(state: IntentState, mined: &Mined, sight: Sight<'_>) -> EventRecord {
    let mut detail = json!({
        "transaction": mined.attempt,
        "block_number": mined.number.to_string(),
        "success": mined.success,
    });
    if let (Some(receipt), Some(fields)) = (sight.receipt, detail.as_object_mut()) {
        fields.insert("gas_used".to_owned(), receipt.gas_used.to_string().into());
        fields.insert("effective_gas_price".to_owned(), receipt.effective_gas_price.to_string().into());
        if state.is_final() {
            fields.insert(ENDED_AT.to_owned(), sight.time.into());
        }
    }
    let fee = sight.receipt.filter(|_| state.is_final()).map(Receipt::fee);
    EventRecord { state, detail, block_hash: Some(mined.block), fee }
}

fn vanished(slot: &Slot, mined: &Mined) -> EventRecord {
    let mut back = slot.clone();
    back.apply(&Event::Vanished);
    plain(File::standing(&back), json!({ "vanished": mined.block }))
}

/// Where the wanted intent stands after a publication.
fn after(slot: &Slot, published: &Published) -> EventRecord {
    let mut then = slot.clone();
    then.apply(&Event::Published(published.clone()));
    plain(File::standing(&then), publication(published))
}

fn publication(published: &Published) -> Value {
    match published {
        Published::Accepted => json!({ "publish": "accepted" }),
        Published::Rejected(rejection) => json!({ "publish": "rejected", "why": rejection.code() }),
        Published::Ambiguous(Doubt::WrongHash { returned }) => {
            json!({ "publish": "ambiguous", "why": "wrong_hash", "returned": returned })
        }
        Published::Ambiguous(Doubt::Unclear { message }) => {
            json!({ "publish": "ambiguous", "why": "unclear", "message": message })
        }
        Published::Ambiguous(doubt) => json!({ "publish": "ambiguous", "why": doubt.code() }),
    }
}

/// The wanted intent is not wanted any more, and why.
pub(super) fn withdrawn(why: &str) -> EventRecord {
    plain(IntentState::Cancelling, json!({ "withdrawn": why }))
}

pub(super) const fn plain(state: IntentState, detail: Value) -> EventRecord {
    EventRecord { state, detail, block_hash: None, fee: None }
}

/// Whether two events say the same, the words of a node left out, which differ from answer to answer.
fn repeats(last: &EventRecord, event: &EventRecord) -> bool {
    let without_message = |detail: &Value| {
        let mut detail = detail.clone();
        if let Some(fields) = detail.as_object_mut() {
            fields.remove("message");
        }
        detail
    };
    last.state == event.state
        && last.block_hash == event.block_hash
        && without_message(&last.detail) == without_message(&event.detail)
}
