//! Bumps, cancels and takeovers, each until it is final.

use alloy::primitives::U256;
use vault_keeper::chain::Header;
use vault_keeper::execution::{ClassPolicy, Outcome, ParkReason, Patience, Reckoned, SendingConfig};
use vault_keeper::journal::{AttemptKind, EventRecord, IntentState, SubmissionClass, Urgency};
use vault_keeper::keeper::Dispatch;

use crate::keeper_process::PRICE;
use crate::proxy::{Act, Calls};
use crate::rig::{Build, GWEI, Heard, Rig, sending};

/// Bids more after each block.
fn hasty() -> Build {
    let patience = Patience { bump_after: 1, ..Patience::default() };
    Build { sending: SendingConfig { patience, ..sending() }, ..Build::default() }
}

#[tokio::test]
async fn what_is_not_mined_is_bid_more_for_within_the_caps_and_executed_once() {
    let mut rig = Rig::of(hasty()).await;
    let intent = rig.sent().await;
    for bumps in 1..=3 {
        let attempts = rig.hashes(intent).await.len();
        assert_eq!(attempts, bumps);
        // A block without it: the node lost it for a moment.
        rig.lose_what_waits().await;
        rig.mine_and_resolve(1).await;
    }
    let entry = rig.entry().await;
    let kinds: Vec<_> = entry.attempts.iter().map(|attempt| attempt.kind).collect();
    assert_eq!(kinds, [AttemptKind::Original, AttemptKind::Bump, AttemptKind::Bump, AttemptKind::Bump]);
    for pair in entry.attempts.windows(2) {
        let eighth = |fee: u128| fee + fee.div_ceil(8);
        assert!(pair[1].max_fee_per_gas >= eighth(pair[0].max_fee_per_gas), "{pair:?}");
        assert!(pair[1].max_priority_fee_per_gas >= eighth(pair[0].max_priority_fee_per_gas), "{pair:?}");
        assert!(pair[1].max_fee_per_gas <= 500 * GWEI);
    }
    rig.mine_and_resolve(3).await;
    rig.assert_executed_once().await;
    assert_eq!(rig.scene.deeds().await.mined, 1);
}

#[tokio::test]
async fn a_plan_that_is_not_wanted_any_more_is_cancelled_at_its_nonce() {
    let mut rig = Rig::set().await;
    let intent = rig.sent().await;
    // The market turns: what was to be bought is to be sold now.
    rig.lose_what_waits().await;
    rig.scene.price(PRICE / 2, 12).await;
    let dispatch = rig.dispatched().await;
    assert!(matches!(&dispatch, Dispatch::Withdrawn { .. }), "{dispatch:?}");
    let entry = rig.entry().await;
    assert_eq!(entry.last_event.state, IntentState::Cancelling);
    let cancel = entry.attempts.last().unwrap();
    assert_eq!(
        (cancel.kind, cancel.to, cancel.gas_limit),
        (AttemptKind::Cancel, Some(rig.sender()), Some(21_000))
    );
    rig.mine_and_resolve(3).await;
    assert_eq!(rig.state().await, IntentState::Cancelled);
    let told = rig.states(intent).await;
    assert_eq!(told.last(), Some(&IntentState::Cancelled), "{told:?}");
    assert_eq!(rig.scene.deeds().await.rebalanced, 0);
    rig.assert_invariants().await;
}

#[tokio::test]
async fn a_call_that_reverts_on_the_newest_block_is_cancelled() {
    let mut rig = Rig::set().await;
    rig.sent().await;
    rig.lose_what_waits().await;
    rig.pause().await;
    rig.resolve().await.unwrap();
    assert_eq!(rig.state().await, IntentState::Cancelling);
    rig.mine_and_resolve(3).await;
    assert_eq!(rig.state().await, IntentState::Cancelled);
    rig.assert_invariants().await;
}

#[tokio::test]
async fn private_bytes_become_public_at_their_height_and_no_earlier() {
    let class = ClassPolicy::PrivateThenPublic { blocks: 3 };
    let mut rig =
        Rig::of(Build { relays: 1, sending: SendingConfig { class, ..sending() }, ..Build::default() }).await;
    // A relay that takes everything and includes nothing.
    let act = crate::proxy::Act::Error(-32_601, "swallowed");
    rig.relays[0].rule("eth_sendPrivateTransaction", crate::proxy::Calls::Every, act);
    let intent = rig.sent().await;
    let at = rig.head().await.number;
    let entry = rig.entry().await;
    assert_eq!(entry.attempts[0].submission, SubmissionClass::Private { public_from: Some(at + 3) });
    for _ in 0..2 {
        rig.mine_and_resolve(1).await;
        assert!(rig.proxies[0].transactions().is_empty(), "public too early");
    }
    assert_eq!(rig.hashes(intent).await.len(), 1);
    rig.mine_and_resolve(1).await;
    assert!(!rig.proxies[0].transactions().is_empty(), "public at its height");
    rig.mine_and_resolve(3).await;
    rig.assert_executed_once().await;
    let outcome = rig.resolve().await.unwrap();
    assert_eq!(outcome, Vec::<(_, Outcome)>::new());
}

#[tokio::test]
async fn a_floor_at_risk_takes_the_nonce_of_a_routine_plan_over() {
    let mut rig = Rig::set().await;
    rig.invest_and_rise().await;
    let routine = rig.sent().await;
    rig.lose_what_waits().await;
    rig.scene.price(2_200, 60).await;
    let dispatch = rig.dispatched().await;
    assert!(matches!(dispatch, Dispatch::Sent { .. }), "{dispatch:?}");
    let entries = rig.entries().await;
    let [.., first, second] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!(first.id, routine);
    assert_eq!((first.record.nonce, second.record.nonce), (3, 3));
    assert_eq!((first.record.urgency, second.record.urgency), (Urgency::Routine, Urgency::Urgent));
    assert!(second.attempts[0].max_fee_per_gas > first.attempts[0].max_fee_per_gas);
    rig.mine_and_resolve(3).await;
    let states: Vec<_> = rig.entries().await[3..].iter().map(|entry| entry.last_event.state).collect();
    assert_eq!(states, [IntentState::Superseded, IntentState::Executed]);
    rig.assert_invariants().await;
}

#[tokio::test]
async fn what_nothing_is_decided_of_for_too_long_is_parked_and_kept_alive() {
    let patience = Patience { park_after: 2, ..Patience::default() };
    let mut rig =
        Rig::of(Build { sending: SendingConfig { patience, ..sending() }, ..Build::default() }).await;
    let mut neighbour = rig.neighbour().await;
    let intent = rig.sent().await;
    for _ in 0..2 {
        rig.lose_what_waits().await;
        rig.mine_and_resolve(1).await;
    }
    assert_eq!(rig.state().await, IntentState::Parked);
    let outcomes = rig.resolve().await.unwrap();
    assert_eq!(outcomes, [(intent, Outcome::Parked { intent, reason: ParkReason::Undecided })]);
    // Nothing new is signed with the key, for whatever vault.
    let head = rig.head().await;
    let dispatch = neighbour.cycle(&head).await.unwrap().dispatch;
    let Dispatch::Refused { code: "intent_open", message } = &dispatch else { panic!("{dispatch:?}") };
    assert_eq!(message, "intent 1 of this key is still parked");
    drop(neighbour);
    // Its bytes are sent again, and it is found after a restart.
    let mut rig = rig.restart().await;
    rig.resolve().await.unwrap();
    assert_eq!(rig.scene.deeds().await.sent, 1);
    rig.mine_and_resolve(3).await;
    rig.assert_executed_once().await;
    assert!(matches!(rig.dispatched().await, Dispatch::Nothing), "the key is free again");
}

#[tokio::test]
async fn a_balance_for_few_more_transactions_is_told() {
    let heard = Heard::listen();
    let mut rig =
        Rig::of(Build { sending: SendingConfig { runway: 1_000, ..sending() }, ..Build::default() }).await;
    rig.balance(1).await;
    rig.sent().await;
    assert!(heard.text().contains("alert=\"runway\""), "{}", heard.text());
    rig.mine_and_resolve(2).await;
    rig.assert_executed_once().await;
}

#[tokio::test]
async fn a_balance_for_few_transactions_is_told_every_ten_minutes_without_a_plan() {
    let heard = Heard::listen();
    let rig =
        Rig::of(Build { sending: SendingConfig { runway: 1_000, ..sending() }, ..Build::default() }).await;
    rig.balance(1).await;
    let lease = rig.pool.reader().unwrap();
    let reckoned = Reckoned { gas: 400_000, beside_gas: U256::ZERO };
    let head = rig.head().await;
    for (after, alerts) in [(0, 1), (599, 1), (600, 2), (1_000, 2)] {
        let head = Header { timestamp: head.timestamp + after, ..head.clone() };
        rig.engine.watch_runway(&lease, &head, reckoned).await;
        assert_eq!(heard.alerts("runway"), alerts, "{after}");
    }
    rig.balance(1_000).await;
    let head = rig.head().await;
    let head = Header { timestamp: head.timestamp + 3_600, ..head };
    rig.engine.watch_runway(&lease, &head, reckoned).await;
    assert_eq!(heard.alerts("runway"), 2, "good for more now");
}

#[tokio::test]
async fn what_was_withdrawn_and_then_parked_is_cancelled_after_a_restart() {
    let patience = Patience { park_after: 2, ..Patience::default() };
    let mut rig =
        Rig::of(Build { sending: SendingConfig { patience, ..sending() }, ..Build::default() }).await;
    let intent = rig.sent().await;
    rig.engine.withdraw(intent, "a test").await.unwrap();
    let detail = serde_json::json!({ "parked": "undecided for too long" });
    let parked = EventRecord { state: IntentState::Parked, detail, block_hash: None, fee: None };
    rig.journal.append_event(intent, &parked).await.unwrap();
    let rig = rig.restart().await;
    rig.lose_what_waits().await;
    rig.resolve().await.unwrap();
    let kinds: Vec<_> = rig.entry().await.attempts.iter().map(|attempt| attempt.kind).collect();
    assert_eq!(kinds, [AttemptKind::Original, AttemptKind::Cancel]);
}

#[tokio::test]
async fn a_takeover_is_as_patient_as_if_it_were_alone() {
    let patience = Patience { bump_after: 1, most_attempts: 2, park_after: 6, ..Patience::default() };
    let mut rig =
        Rig::of(Build { sending: SendingConfig { patience, ..sending() }, ..Build::default() }).await;
    rig.invest_and_rise().await;
    // The routine intent uses up its signatures, and is parked.
    let routine = rig.sent().await;
    for _ in 0..6 {
        rig.lose_what_waits().await;
        rig.mine_and_resolve(1).await;
    }
    assert_eq!((rig.state().await, rig.hashes(routine).await.len()), (IntentState::Parked, 2));
    rig.lose_what_waits().await;
    rig.scene.price(2_200, 12).await;
    let urgent = rig.sent().await;
    assert_ne!(urgent, routine, "it takes over also what is parked");
    rig.lose_what_waits().await;
    rig.mine_and_resolve(1).await;
    assert_eq!(rig.hashes(urgent).await.len(), 2, "and is raised all the same");
    assert_eq!(rig.state().await, IntentState::Live);
    rig.mine_and_resolve(3).await;
    assert_eq!(rig.state().await, IntentState::Executed);
    rig.assert_invariants().await;
}

#[tokio::test]
async fn a_nonce_that_no_node_took_does_not_hold_up_those_behind_it() {
    let mut rig = Rig::set().await;
    let mut neighbour = rig.neighbour().await;
    rig.proxies[0].rule("eth_sendRawTransaction", Calls::First(1), Act::Error(-32_003, "Insufficient funds"));
    let refused = rig.sent().await;
    // It is refused with every look, and the other vault's waits behind it.
    rig.proxies[0].rule("eth_sendRawTransaction", Calls::Every, Act::Error(-32_003, "Insufficient funds"));
    let head = rig.head().await;
    neighbour.cycle(&head).await.unwrap();
    rig.mine_and_resolve(8).await;
    assert_eq!(rig.hashes(refused).await.len(), 1);
    rig.mine_and_resolve(4).await;
    // Nobody plans anew after its deadline: its nonce is filled by a cancel.
    assert_eq!(rig.hashes(refused).await.len(), 2);
    rig.proxies[0].obey();
    rig.mine_and_resolve(4).await;
    let slots = rig.journal.slot(31_337, rig.sender(), 0).await.unwrap().unwrap();
    assert_eq!(slots.intents[0].last_event.state, IntentState::Cancelled);
    // The one behind is free as well by now: the next plan takes it.
    let head = rig.head().await;
    neighbour.cycle(&head).await.unwrap();
    rig.mine_and_resolve(3).await;
    let behind = rig.journal.slot(31_337, rig.sender(), 1).await.unwrap().unwrap();
    let states: Vec<_> = behind.intents.iter().map(|intent| intent.last_event.state).collect();
    assert_eq!(states, [IntentState::Superseded, IntentState::Executed]);
}

#[tokio::test]
async fn a_trade_that_goes_the_other_way_now_withdraws_the_one_under_way() {
    let mut rig = Rig::set().await;
    rig.invest_and_rise().await;
    let purchase = rig.sent().await;
    rig.lose_what_waits().await;
    rig.scene.price(PRICE - 420, 301).await;
    rig.scene.price(PRICE - 420, 3_600).await;
    rig.lose_what_waits().await;
    let cycle = rig.cycle().await.unwrap();
    let Dispatch::Withdrawn { intent, why } = &cycle.dispatch else {
        panic!("{:?} {:?}", cycle.decision.verdict, cycle.dispatch)
    };
    assert_eq!((intent, why.as_str()), (&purchase.to_string(), "the trade goes the other way now"));
}
