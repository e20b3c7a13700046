//! `keeper tx list` and `keeper tx show`: what a person in charge reads at night, of a journal that is written meanwhile.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails where it stands"
)]

#[path = "support/program.rs"]
mod program;
#[path = "support/records.rs"]
mod records;

use alloy::primitives::U256;
use program::Place;
use records::{attempt, cycle, event, intent, prepared, sender, taken_over, urgent};
use serde_json::{Value, json};
use vault_keeper::journal::{
    AttemptKind, AttemptRecord, EventRecord, IntentId, IntentState, Journal, SubmissionClass,
};

const KEEPER: &str = include_str!("../keeper.example.toml");
const POLICY: &str = include_str!("../examples/policies/cppi.toml");
const GWEI: u128 = 1_000_000_000;

/// A journal of a keeper that still writes it: nonce 5 was taken over, and ended; 6 is being cancelled after a bump, 7
/// waits at a relay.
async fn written() -> (Place, Journal) {
    let place = Place::with(KEEPER, POLICY);
    place.change("0x1111111111111111111111111111111111111111", &records::VAULT.to_string());
    let journal = Journal::open(&place.path("keeper.db")).await.unwrap();
    let routine = prepared(&journal, 5).await;
    let over = taken_over(&journal, 5).await;
    let fee = Some(U256::from(6_240));
    let (executed, superseded) =
        (EventRecord { fee, ..event(IntentState::Executed) }, event(IntentState::Superseded));
    journal.append_events(&[(over, &executed), (routine, &superseded)]).await.unwrap();
    let open = prepared(&journal, 6).await;
    bid(&journal, open, (AttemptKind::Bump, 40 * GWEI), IntentState::Live).await;
    bid(&journal, open, (AttemptKind::Cancel, 50 * GWEI + 1), IntentState::Cancelling).await;
    let record = intent(7);
    let private = SubmissionClass::Private { public_from: Some(32) };
    let first = AttemptRecord { submission: private, ..attempt(&record, AttemptKind::Original, 30 * GWEI) };
    let third = journal.record_prepared(&cycle(19), &record, &first).await.unwrap();
    journal.append_event(third, &event(IntentState::Live)).await.unwrap();
    (place, journal)
}

async fn bid(journal: &Journal, of: IntentId, (kind, cap): (AttemptKind, u128), state: IntentState) {
    journal.record_attempt(of, &attempt(&intent(6), kind, cap), &event(state)).await.unwrap();
}

fn column<'a>(list: &'a Value, name: &str) -> Vec<&'a str> {
    list.as_array().unwrap().iter().map(|entry| entry[name].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_list_has_the_newest_first_and_open_ones_say_what_they_wait_for() {
    let (place, _writer) = written().await;
    let all = place.run(&["tx", "list", "--json"]);
    assert_eq!((all.code, all.err.as_str()), (0, ""), "{all:?}");
    let all = all.json();
    assert_eq!(column(&all, "intent"), ["4", "3", "2", "1"]);
    assert_eq!(column(&all, "nonce"), ["7", "6", "5", "5"]);
    assert_eq!(column(&all, "state"), ["live", "cancelling", "executed", "superseded"]);
    assert_eq!(column(&all, "urgency"), ["routine", "routine", "urgent", "routine"]);
    assert_eq!(column(&all, "vault"), ["eth-cppi"; 4]);
    // Signed at block 7; a takeover was decided at block 105.
    assert_eq!(column(&all, "age_blocks"), ["98"; 4]);
    assert!(column(&all, "age_seconds").iter().all(|age| age.parse::<u64>().unwrap() < 600));
    assert_eq!(all[0]["waits_for"], "a block with one of its transactions");
    assert_eq!((&all[2]["waits_for"], &all[2]["what_to_do"]), (&Value::Null, &Value::Null));

    let open = place.run(&["tx", "list", "--open", "--json"]).json();
    assert_eq!(column(&open, "intent"), ["4", "3"]);
    let one = place.run(&["tx", "list", "--vault", "eth-cppi", "-n", "1", "--json"]).json();
    assert_eq!(column(&one, "intent"), ["4"]);
    let table = place.run(&["tx", "list", "--open"]).out;
    assert!(
        table.contains("original, bump, cancel") && table.contains("50.000000001 / 0.000000001"),
        "{table}"
    );
    assert!(table.contains("intent 3 waits for a block with its cancel, or with the call"), "{table}");
    assert!(table.contains("private, public from block 32"), "{table}");
}

#[tokio::test]
async fn one_transaction_is_found_by_its_intent_its_nonce_and_any_of_its_hashes() {
    let (place, _writer) = written().await;
    let shown = |which: &str| place.run(&["tx", "show", which, "--json"]).json();
    let of = &shown("3")[0];
    let attempts = [
        attempt(&intent(6), AttemptKind::Original, 30),
        attempt(&intent(6), AttemptKind::Bump, 40 * GWEI),
        attempt(&intent(6), AttemptKind::Cancel, 50 * GWEI + 1),
    ];
    let cancel = json!({
        "kind": "cancel", "hash": attempts[2].hash, "max_fee_gwei": "50.000000001", "tip_gwei": "0.000000001",
        "gas_limit": "21000", "class": "public", "signed_at_block": "7",
    });
    assert_eq!(of["attempts"][2], cancel);
    assert_eq!(
        (&of["attempts"][1]["max_fee_gwei"], &of["attempts"][1]["gas_limit"]),
        (&json!("40"), &json!("100000"))
    );
    assert_eq!((&of["sender"], &of["deadline"]), (&json!(sender()), &json!("2000")));
    assert_eq!(column(&of["events"], "state"), ["prepared", "live", "cancelling"]);
    assert!(of["events"][0]["recorded_at"].as_i64().unwrap() > 1_700_000_000);
    assert!(
        of["what_to_do"].as_str().unwrap().contains(&format!("`keeper tx publish {}`", attempts[2].hash))
    );
    for attempt in &attempts {
        assert_eq!(column(&shown(&attempt.hash.to_string()), "intent"), ["3"]);
    }
    // Both intents of a nonce that was taken over.
    let shared = shown("nonce:5");
    assert_eq!(column(&shared, "intent"), ["1", "2"]);
    assert_eq!(shared[0]["shares_nonce_with"], json!(["2"]));
    assert_eq!(shared[1]["attempts"][0]["hash"], json!(attempt(&urgent(5), AttemptKind::Original, 60).hash));
    assert_eq!(shared[1]["events"][1]["fee_wei"], "6240");
    let table = place.run(&["tx", "show", "nonce:5"]).out;
    assert!(table.contains("shares its nonce with") && table.contains("superseded"), "{table}");
    let table = place.run(&["tx", "show", "4"]).out;
    assert!(table.contains("waits for") && table.contains("`keeper tx speed-up 4` bids more"), "{table}");
}

#[tokio::test]
async fn what_is_not_there_is_said_and_nothing_is_created() {
    let (place, writer) = written().await;
    let zero = alloy::primitives::B256::ZERO.to_string();
    for (which, said) in [
        ("9", "there is no intent 9 in the journal; `keeper tx list` shows what there is"),
        ("nonce:9", "no intent in the journal has nonce 9"),
        (&zero, "the journal has no transaction 0x0000"),
        ("nonce:x", "expected the number of an intent, nonce:NUMBER, or a hash"),
        ("0x12", "expected the number of an intent, nonce:NUMBER, or a hash"),
    ] {
        let ended = place.run(&["tx", "show", which]);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{ended:?}");
        assert!(ended.err.contains(said), "{said}: {ended:?}");
    }
    let ended = place.run(&["tx", "list", "--vault", "nobody"]);
    assert_eq!(ended.code, 2, "{ended:?}");
    // The keeper writes on.
    prepared(&writer, 8).await;
    assert_eq!(column(&place.run(&["tx", "list", "-n", "1", "--json"]).json(), "nonce"), ["8"]);

    let empty = Place::with(KEEPER, POLICY);
    for arguments in [&["tx", "list"][..], &["tx", "show", "1"]] {
        let ended = empty.run(arguments);
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(
            ended.err.contains("there is no journal keeper.db yet: `keeper run` creates it"),
            "{ended:?}"
        );
    }
    assert!(!empty.path("keeper.db").exists());
}
