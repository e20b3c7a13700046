//! Several intents may share a nonce, of which one takes effect; the journal refuses whatever breaks that.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails where it stands"
)]

#[path = "support/records.rs"]
mod records;

use alloy::primitives::U256;
use records::{CHAIN, attempt, cycle, event, intent, prepared, sender, taken_over, urgent, verified};
use tempfile::TempDir;
use vault_keeper::journal::{
    AttemptKind, AttemptRecord, ENDED_AT, EventRecord, IntentId, IntentState, Journal, JournalError,
    SlotEntry, SubmissionClass, Urgency,
};

fn is_open(slot: &SlotEntry) -> bool {
    slot.intents.iter().any(|intent| !intent.last_event.state.is_final())
}

struct Place {
    directory: TempDir,
    journal: Journal,
}

impl Place {
    async fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let journal = Journal::open(&directory.path().join("keeper.db")).await.unwrap();
        Self { directory, journal }
    }

    /// Closes the journal and verifies it.
    async fn verified(self) -> u64 {
        self.journal.close().await;
        verified(&self.directory.path().join("keeper.db")).await.unwrap()
    }

    async fn refuses(&self, intent: IntentId, state: IntentState, why: &str) {
        let refused = self.journal.append_event(intent, &event(state)).await.unwrap_err();
        assert!(
            matches!(&refused, JournalError::Refused { reason, .. } if reason.contains(why)),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn a_bump_and_a_cancel_are_durable_with_what_they_make_of_their_intent() {
    let place = Place::new().await;
    let id = prepared(&place.journal, 5).await;
    let record = intent(5);
    let bump = AttemptRecord {
        submission: SubmissionClass::Private { public_from: Some(12) },
        signed_at: 9,
        ..attempt(&record, AttemptKind::Bump, 40)
    };
    let cancel = AttemptRecord {
        submission: SubmissionClass::Private { public_from: None },
        ..attempt(&record, AttemptKind::Cancel, 50)
    };
    place.journal.record_attempt(id, &bump, &event(IntentState::Live)).await.unwrap();
    place.journal.record_attempt(id, &cancel, &event(IntentState::Cancelling)).await.unwrap();
    let entry = place.journal.intent(id).await.unwrap().unwrap();
    assert_eq!(entry.attempts, [attempt(&record, AttemptKind::Original, 30), bump, cancel]);
    assert_eq!((entry.attempts[2].gas_limit, entry.attempts[2].to), (Some(21_000), Some(sender())));
    assert_eq!(entry.last_event.state, IntentState::Cancelling);

    let again = attempt(&record, AttemptKind::Original, 70);
    let second = place.journal.record_attempt(id, &again, &event(IntentState::Live)).await.unwrap_err();
    assert!(
        matches!(&second, JournalError::Refused { reason, .. } if reason.contains("original")),
        "{second}"
    );
    place.journal.append_event(id, &event(IntentState::Cancelled)).await.unwrap();
    let late = attempt(&record, AttemptKind::Bump, 80);
    let late = place.journal.record_attempt(id, &late, &event(IntentState::Live)).await.unwrap_err();
    assert!(matches!(&late, JournalError::Refused { reason, .. } if reason.contains("final")), "{late}");
    assert_eq!(place.journal.open_slots(CHAIN, sender()).await.unwrap(), []);
    // A cycle, an intent, three attempts, four events.
    assert_eq!(place.verified().await, 9);
}

#[tokio::test]
async fn an_urgent_intent_takes_an_open_nonce_over_and_a_slot_tells_of_both() {
    let place = Place::new().await;
    let routine = prepared(&place.journal, 5).await;
    let urgent_id = taken_over(&place.journal, 5).await;
    let other = prepared(&place.journal, 6).await;
    let slot = place.journal.slot(CHAIN, sender(), 5).await.unwrap().unwrap();
    let told: Vec<_> =
        slot.intents.iter().map(|intent| (intent.id, intent.record.urgency, intent.attempts.len())).collect();
    assert_eq!(told, [(routine, Urgency::Routine, 1), (urgent_id, Urgency::Urgent, 1)]);
    assert_eq!(slot.intents[1].record, urgent(5));
    let open = place.journal.open_slots(CHAIN, sender()).await.unwrap();
    assert_eq!(open.iter().map(|slot| slot.nonce).collect::<Vec<_>>(), [5, 6]);
    assert_eq!((&open[0], open[1].intents[0].id), (&slot, other));
    assert_eq!(place.journal.slot(CHAIN, sender(), 7).await.unwrap(), None);
    assert_eq!(
        place.journal.recent_cycles(records::VAULT, 2).await.unwrap()[1].record.urgency,
        Urgency::Urgent
    );
    assert_eq!(place.journal.next_nonce(CHAIN, sender()).await.unwrap(), Some(7));

    // A slot of which one intent is final and another open is told whole.
    place.journal.append_event(routine, &event(IntentState::Superseded)).await.unwrap();
    let open = place.journal.open_slots(CHAIN, sender()).await.unwrap();
    assert_eq!((open[0].intents.len(), is_open(&open[0])), (2, true));
}

#[tokio::test]
async fn of_the_intents_of_a_nonce_one_takes_effect() {
    for (first, second) in [
        (IntentState::Executed, IntentState::Executed),
        (IntentState::Executed, IntentState::Cancelled),
        (IntentState::Cancelled, IntentState::Reverted),
        (IntentState::Reverted, IntentState::Executed),
    ] {
        let place = Place::new().await;
        let routine = prepared(&place.journal, 5).await;
        let urgent = taken_over(&place.journal, 5).await;
        place.journal.append_event(routine, &event(first)).await.unwrap();
        place.refuses(urgent, second, "taken effect").await;
        place.journal.append_event(urgent, &event(IntentState::Superseded)).await.unwrap();
        place.refuses(urgent, IntentState::Live, "final").await;
        let slot = place.journal.slot(CHAIN, sender(), 5).await.unwrap().unwrap();
        assert!(!is_open(&slot));
        assert_eq!(place.verified().await, 10);
    }
}

#[tokio::test]
async fn an_intent_is_superseded_only_by_another_that_takes_effect_or_still_can() {
    let place = Place::new().await;
    let alone = prepared(&place.journal, 5).await;
    place.refuses(alone, IntentState::Superseded, "no other intent").await;
    let urgent = taken_over(&place.journal, 5).await;
    place.journal.append_event(alone, &event(IntentState::Superseded)).await.unwrap();
    place.refuses(urgent, IntentState::Superseded, "no other intent").await;
    place.journal.append_event(urgent, &event(IntentState::Executed)).await.unwrap();
    assert_eq!(place.verified().await, 10);
}

#[tokio::test]
async fn the_end_of_a_nonce_is_recorded_whole_or_not_at_all() {
    let place = Place::new().await;
    let routine = prepared(&place.journal, 5).await;
    let urgent = taken_over(&place.journal, 5).await;
    let (executed, superseded) = (event(IntentState::Executed), event(IntentState::Superseded));
    let both = [(urgent, &executed), (routine, &executed)];
    let refused = place.journal.append_events(&both).await.unwrap_err();
    assert!(matches!(refused, JournalError::Refused { .. }), "{refused}");
    let slot = place.journal.slot(CHAIN, sender(), 5).await.unwrap().unwrap();
    assert!(slot.intents.iter().all(|intent| intent.last_event.state == IntentState::Prepared));
    place.journal.append_events(&[(urgent, &executed), (routine, &superseded)]).await.unwrap();
    assert_eq!(place.journal.open_slots(CHAIN, sender()).await.unwrap(), []);
    assert_eq!(place.verified().await, 10);
}

#[tokio::test]
async fn a_nonce_is_taken_over_only_while_it_is_open_and_nonces_rise() {
    let place = Place::new().await;
    let takeover = async |nonce, cap| {
        let record = urgent(nonce);
        let first = attempt(&record, AttemptKind::Original, cap);
        place.journal.record_takeover(&cycle(nonce), &record, &first).await
    };
    let fresh = takeover(5, 90).await.unwrap_err();
    assert!(
        matches!(&fresh, JournalError::Refused { reason, .. } if reason.contains("no intent has")),
        "{fresh}"
    );
    let first = prepared(&place.journal, 5).await;
    prepared(&place.journal, 7).await;
    // Nonces with an open intent are shared also below the highest; others are not used any more.
    takeover(5, 91).await.unwrap();
    let low = intent(6);
    let low = place.journal.record_prepared(&cycle(6), &low, &attempt(&low, AttemptKind::Original, 30)).await;
    let low = low.unwrap_err();
    assert!(
        matches!(&low, JournalError::Refused { reason, .. } if reason.contains("below the highest")),
        "{low}"
    );
    let held = intent(7);
    let held =
        place.journal.record_prepared(&cycle(8), &held, &attempt(&held, AttemptKind::Original, 31)).await;
    assert!(
        matches!(held.unwrap_err(), JournalError::Refused { .. }),
        "a held nonce is taken over or not at all"
    );
    place.journal.append_event(first, &event(IntentState::Superseded)).await.unwrap();
    let decided = takeover(5, 92).await.unwrap_err();
    assert!(
        matches!(&decided, JournalError::Refused { reason, .. } if reason.contains("open nonce")),
        "{decided}"
    );
    assert_eq!(place.verified().await, 13);
}

#[tokio::test]
async fn a_nonce_costs_its_highest_cap_until_the_fee_of_one_attempt_is_known() {
    let place = Place::new().await;
    let fees = async |since| place.journal.committed_fees(CHAIN, sender(), since, None).await.unwrap();
    let routine = prepared(&place.journal, 5).await;
    assert_eq!(fees(0).await, U256::from(30 * 100_000));
    let bump = attempt(&intent(5), AttemptKind::Bump, 45);
    place.journal.record_attempt(routine, &bump, &event(IntentState::Live)).await.unwrap();
    assert_eq!(fees(0).await, U256::from(45 * 100_000), "one of the two is mined");
    // The gas of a cancel is its own: 21,000 at 200 is less.
    let cancel = attempt(&intent(5), AttemptKind::Cancel, 200);
    place.journal.record_attempt(routine, &cancel, &event(IntentState::Cancelling)).await.unwrap();
    assert_eq!(fees(0).await, U256::from(45 * 100_000));
    let urgent = taken_over(&place.journal, 5).await;
    assert_eq!(fees(0).await, U256::from(60 * 100_000));
    // Decided at 1,005 and 1,105.
    // It is open, so it may still cost, whenever it was decided on.
    assert_eq!((fees(1_105).await, fees(1_106).await), (U256::from(60 * 100_000), U256::from(60 * 100_000)));
    prepared(&place.journal, 6).await;
    assert_eq!(fees(0).await, U256::from(90 * 100_000));
    let paid = EventRecord { fee: Some(U256::from(77)), ..event(IntentState::Executed) };
    let superseded = event(IntentState::Superseded);
    place.journal.append_events(&[(urgent, &paid), (routine, &superseded)]).await.unwrap();
    assert_eq!(fees(0).await, U256::from(77 + 30 * 100_000));
    // What has ended counts within the day of its decision, at 1,005 and 1,105, where nothing says when it ended.
    assert_eq!(fees(1_106).await, U256::from(30 * 100_000));
}

#[tokio::test]
async fn what_was_paid_counts_within_the_day_of_its_end_however_long_it_was_under_way() {
    let place = Place::new().await;
    let fees = async |since| place.journal.committed_fees(CHAIN, sender(), since, None).await.unwrap();
    let routine = prepared(&place.journal, 5).await;
    let ended = EventRecord {
        fee: Some(U256::from(77)),
        detail: serde_json::json!({ ENDED_AT: 90_000 }),
        ..event(IntentState::Executed)
    };
    place.journal.append_event(routine, &ended).await.unwrap();
    assert_eq!((fees(90_000).await, fees(90_001).await), (U256::from(77), U256::ZERO), "decided at 1,005");
}

#[tokio::test]
async fn what_was_ever_cancelling_is_read_back_as_not_wanted() {
    use IntentState::{Cancelling, Included, Live, Parked};
    let place = Place::new().await;
    for (nonce, states, withdrawn) in [
        (5, vec![Live, Parked], false),
        (6, vec![Cancelling, Parked], true),
        (7, vec![Live, Cancelling, Included, Live], true),
    ] {
        let intent = prepared(&place.journal, nonce).await;
        for state in states {
            place.journal.append_event(intent, &event(state)).await.unwrap();
        }
        let slot = place.journal.slot(CHAIN, sender(), nonce).await.unwrap().unwrap();
        assert_eq!(slot.intents[0].withdrawn, withdrawn, "{nonce}");
    }
}
