//! Whatever is changed in a journal, on the chain by hand, or in what an auditor is given is found, each with a message of
//! its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails where it stands"
)]

#[path = "support/keeper_process.rs"]
mod keeper_process;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/rig.rs"]
mod rig;
#[path = "support/story.rs"]
mod story;

use std::collections::BTreeMap;

use alloy::consensus::{Transaction, TxEnvelope};
use alloy::eips::eip2718::Decodable2718;
use alloy::primitives::{B256, U256};
use alloy::sol_types::SolCall;
use keeper_process::{PRICE, published, with};
use rig::Rig;
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use story::{Story, block, lived, replayed, run, source, subject, told};
use vault_keeper::domain::plan::{Plan, Swap};
use vault_keeper::journal::{
    Absence, AttemptKind, AttemptRecord, BlockRecord, CycleRecord, EventRecord, IntentEntry, IntentRecord,
    IntentState, Journal, SubmissionClass, Urgency,
};
use vault_keeper::keeper::Dispatch;
use vault_keeper::protocols::abi::RebalancingVault::rebalanceCall;
use vault_keeper::protocols::vaults::rebalancing_vault;
use vault_keeper::replay::audit::{Audit, Class, Found, Question, Reading};
use vault_keeper::replay::{Part, Recomputed, Replay, Replayed, recompute};
use vault_keeper::stage::account::{Actor, Call};

#[tokio::test]
async fn a_record_that_says_otherwise_than_the_chain_is_found_by_what_it_says() {
    let rig = lived().await;
    let story = async || Story::of(&rig).await;
    let told = async |story: Story| story.told(&rig).await;
    let (names, _) = told(story().await).await;
    assert_eq!(names, Vec::<String>::new());
    let first = story().await.cycles[0].clone();
    let block = first.block_number;
    let facts = first.snapshot_json.clone().unwrap();

    let mut changed = story().await;
    changed.cycles[0].snapshot_json = Some(with(&facts, "\"cash_lock\":false", "\"cash_lock\":true"));
    let (names, words) = told(changed).await;
    assert_eq!(names, ["facts"]);
    assert!(words.ends_with("first at vault.cash_lock: true against false"), "{words}");

    let mut changed = story().await;
    (changed.cycles[0].snapshot_json, changed.cycles[0].snapshot_hash) = (None, B256::repeat_byte(9));
    let (names, words) = told(changed).await;
    assert_eq!(names, ["facts_hash"]);
    assert!(words.starts_with(&format!("block {block}: the recorded facts hash to 0x0909")), "{words}");

    let mut changed = story().await;
    let mandatory = ("\"mandatory\":false", "\"mandatory\":true");
    changed.cycles[0].decision_json = with(&first.decision_json, mandatory.0, mandatory.1);
    let (names, words) = told(changed).await;
    assert_eq!(names, ["decision"]);
    assert!(words.ends_with("first at trade.mandatory: true against false"), "{words}");

    let mut changed = story().await;
    changed.cycles[0].decision_hash = B256::repeat_byte(8);
    let (names, words) = told(changed).await;
    assert_eq!(names, ["decision_hash", "event"]);
    assert!(words.contains("the recorded decision hash is 0x0808"), "{words}");
}

#[tokio::test]
async fn a_record_of_another_vault_policy_version_block_or_end_is_found_by_what_it_says() {
    let rig = lived().await;
    let story = async || Story::of(&rig).await;
    let told = async |story: Story| story.told(&rig).await;
    let first = story().await.cycles[0].clone();
    let block = first.block_number;
    let facts = first.snapshot_json.clone().unwrap();

    let mut changed = story().await;
    let address = rig.scene.vault.to_string().to_lowercase();
    let other = facts.replacen(&address, "0x00000000000000000000000000000000000000bb", 1);
    assert_ne!(other, facts);
    changed.cycles[0].snapshot_json = Some(other);
    let (names, words) = told(changed).await;
    assert_eq!(names, ["other_vault"]);
    assert!(words.ends_with("its facts are of 0x00000000000000000000000000000000000000bb"), "{words}");

    let mut changed = story().await;
    changed.cycles[0].policy_hash = B256::repeat_byte(7);
    let (names, words) = told(changed).await;
    assert_eq!(names, ["unknown_policy"]);
    assert!(words.contains("0x0707") && words.contains("its file was changed, or it is missing"), "{words}");

    // Of two that are given the vault stored the other one.
    let other = with(&rig.scene.policy, "aversion = \"4\"", "aversion = \"5\"");
    let (stored, by) = (published(&rig.scene.policy), published(&other));
    let mut changed = story().await;
    changed.cycles[0].policy_hash = by.hash();
    let (_directory, journal) = changed.written(rig.scene.vault).await;
    let mut both = subject(&rig, &rig.scene.policy);
    both.policies.push(by.clone());
    let source = source(&rig).await;
    let replay = Replay::new(&source, &journal, &both, None);
    let (names, words) = self::told(&replay.run(&Part::Heights(0..=u64::MAX), &|| {}).await.unwrap());
    assert_eq!(names, ["other_policy"]);
    let expected =
        format!("block {block}: decided by policy {}, the vault stored {}", by.hash(), stored.hash());
    assert_eq!(words, expected);

    let mut changed = story().await;
    changed.runs = vec![run("2")];
    let (names, words) = told(changed).await;
    assert!(names.len() >= 7 && names.iter().all(|name| name == "other_version"), "{names:?}");
    assert!(words.contains("version 2 of the decision") && words.contains("has version 3"), "{words}");

    let mut changed = story().await;
    changed.cycles[0].block_hash = B256::repeat_byte(6);
    let (names, words) = told(changed).await;
    assert_eq!(names, ["other_block", "no_full_record"]);
    assert!(words.starts_with(&format!("block {block}: decided on 0x0606")), "{words}");

    let mut changed = story().await;
    changed.blocks[2].vaults = BTreeMap::from([(rig.scene.vault, Ok(B256::repeat_byte(5)))]);
    let (names, words) = told(changed).await;
    assert_eq!(names, ["leaf"]);
    assert!(words.contains("the leaf of the vault is 0x0505"), "{words}");

    let mut changed = story().await;
    changed.intents[0].last_event.state = IntentState::Reverted;
    let (names, words) = told(changed).await;
    assert_eq!(names, ["outcome"]);
    assert!(words.ends_with("the journal has it as reverted, on the chain it succeeded"), "{words}");

    let mut changed = story().await;
    changed.intents.clear();
    let (names, words) = told(changed).await;
    assert_eq!(names, ["not_recorded"]);
    assert!(words.ends_with("rebalanced the vault, and the journal does not know it"), "{words}");
}

#[tokio::test]
async fn heights_that_the_chain_does_not_have_end_nothing_and_all_other_records_are_told_of() {
    let rig = lived().await;
    let mut changed = Story::of(&rig).await;
    let above = rig.head().await.number + 1_000;
    (changed.cycles[0].block_number, changed.blocks[2].number) = (above, above);
    let hash = changed.cycles[0].block_hash;
    let replayed = changed.replayed(&rig).await;
    let (names, words) = told(&replayed);
    assert_eq!(names, ["no_such_block", "no_such_block", "event", "asked"]);
    assert!(
        words.starts_with(&format!("block {above}: decided on {hash}, and the chain has no block")),
        "{words}"
    );
    assert_eq!((replayed.blocks.checked, replayed.blocks.equal), (6, 5));
}

#[tokio::test]
async fn a_decision_to_trade_without_its_full_record_and_a_block_that_is_left_out_are_seen() {
    let rig = lived().await;
    let mut changed = Story::of(&rig).await;
    let block = changed.cycles[0].block_number;
    changed.cycles.remove(0);
    changed.intents.clear();
    let (names, words) = changed.told(&rig).await;
    assert_eq!(names, ["no_full_record", "not_recorded"]);
    assert!(
        words.starts_with(&format!("block {block}: by the record of the block a trade was decided")),
        "{words}"
    );
    // What is decided otherwise than before has one as well: here after the purchase.
    let mut changed = Story::of(&rig).await;
    let held = changed.cycles.iter().position(|cycle| cycle.verdict != "rebalance").unwrap();
    let block = changed.cycles.remove(held).block_number;
    let (names, words) = changed.told(&rig).await;
    assert_eq!(names, ["no_full_record"]);
    assert!(
        words.starts_with(&format!("block {block}: by the record of the block it was decided otherwise")),
        "{words}"
    );
    let mut changed = Story::of(&rig).await;
    assert_eq!(changed.replayed(&rig).await.unrecorded, 0);
    changed.blocks.remove(2);
    let replayed = changed.replayed(&rig).await;
    assert_eq!((replayed.faults.len(), replayed.unrecorded), (0, 1), "{replayed:?}");
}

#[tokio::test]
async fn what_hides_or_rewords_a_record_is_found_as_well() {
    let rig = lived().await;
    let story = async || Story::of(&rig).await;
    let block = story().await.cycles[0].block_number;

    let mut changed = story().await;
    changed.cycles[0].verdict = "hold".to_owned();
    let (names, words) = changed.told(&rig).await;
    assert_eq!(names, ["column"]);
    assert!(
        words.ends_with("the verdict is hold in the journal, by the decision and its block it is rebalance")
    );

    let mut changed = story().await;
    changed.cycles[0].urgency = Urgency::Urgent;
    let (names, words) = changed.told(&rig).await;
    assert_eq!(names, ["column"]);
    assert!(
        words.ends_with("the urgency is urgent in the journal, by the decision and its block it is routine"),
        "{words}"
    );

    // With a decision not to trade nothing was done, but that what is under way can be withdrawn.
    let held = story().await.cycles.iter().position(|cycle| cycle.verdict != "rebalance").unwrap();
    for (dispatch, expected) in [
        (r#"{"dispatch":"dry_run","gas_limit":"300000"}"#, vec!["column"]),
        (r#"{"dispatch":"withdrawn","intent":"1","why":"the price is back"}"#, vec![]),
    ] {
        let mut changed = story().await;
        changed.cycles[held].dispatch = Some(dispatch.to_owned());
        let (names, words) = changed.told(&rig).await;
        assert_eq!(names, expected);
        let told =
            "what was done with it is dry_run in the journal, by the decision and its block it is nothing";
        assert!(names.is_empty() || words.ends_with(told), "{words}");
    }

    let mut changed = story().await;
    changed.blocks[0].vaults = BTreeMap::from([(rig.scene.vault, Err(Absence::Unread))]);
    let (names, words) = changed.told(&rig).await;
    assert_eq!(names, ["absent"]);
    assert!(words.contains("has no decision on the vault (unread), a full record has one"), "{words}");

    // A mark that the block has left the chain hides nothing.
    let mut changed = story().await;
    changed.cycles[0].decision_hash = B256::repeat_byte(8);
    let hash = changed.cycles[0].block_hash;
    let (_directory, journal) = changed.written(rig.scene.vault).await;
    journal.mark_orphaned(31_337, hash).await.unwrap();
    let (names, words) = told(&replayed(&rig, &journal, &rig.scene.policy).await);
    assert_eq!(names, ["not_orphaned", "decision_hash", "not_orphaned", "event"]);
    assert!(
        words.starts_with(&format!(
            "block {block}: the journal says that {hash} left the chain, and it is there"
        )),
        "{words}"
    );

    // An intent that the journal has not seen the end of is held against the chain all the same.
    let mut changed = story().await;
    changed.intents[0].last_event.state = IntentState::Live;
    changed.cycles[0].decision_hash = B256::repeat_byte(8);
    let (names, _) = changed.told(&rig).await;
    assert_eq!(names, ["decision_hash", "event"]);

    // Nothing that was looked at is nothing that is equal.
    let (source, subject) = (source(&rig).await, subject(&rig, &rig.scene.policy));
    let replay = Replay::new(&source, &rig.journal, &subject, None);
    let replayed = replay.run(&Part::Heights(5_000..=6_000), &|| {}).await.unwrap();
    assert!(replayed.faults.is_empty() && !replayed.is_equal());
}

#[tokio::test]
async fn an_intent_without_an_end_is_counted_until_the_chain_has_it_and_is_an_action_then() {
    let mut rig = Rig::set().await;
    assert!(matches!(rig.cycle().await.unwrap().dispatch, Dispatch::Sent { .. }));
    let tally = async |rig: &Rig| {
        let held = replayed(rig, &rig.journal, &rig.scene.policy).await;
        (held.open, held.actions.checked, held.actions.equal, told(&held).0)
    };
    assert_eq!(tally(&rig).await, (1, 0, 0, vec![]));
    rig.scene.mine(1).await;
    assert_eq!(tally(&rig).await, (0, 1, 1, vec![]), "the journal has it as sent");
}

#[tokio::test]
async fn a_deadline_that_the_journal_has_otherwise_than_the_call_is_found() {
    let rig = lived().await;
    let mut changed = Story::of(&rig).await;
    changed.intents[0].record.deadline += 1;
    let (names, words) = changed.told(&rig).await;
    assert_eq!(names, ["asked"]);
    assert!(
        words.contains(": its deadline is 17") && words.contains(" in the journal, decided 17"),
        "{words}"
    );
}

#[tokio::test]
async fn an_action_that_the_journal_has_as_cancelled_or_ends_before_is_found() {
    let rig = lived().await;
    let story = async || Story::of(&rig).await;

    let mut changed = story().await;
    changed.intents[0].last_event.state = IntentState::Cancelled;
    let (names, words) = changed.told(&rig).await;
    assert_eq!(names, ["outcome"]);
    assert!(words.ends_with("the journal has it as cancelled, on the chain it succeeded"), "{words}");

    // A journal whose end was cut off before the action that is asked about.
    let mut changed = story().await;
    changed.intents.clear();
    changed.cycles.truncate(1);
    changed.blocks.truncate(1);
    let (names, words) = changed.told(&rig).await;
    assert_eq!(names, ["not_recorded"], "{words}");
}

#[tokio::test]
async fn a_policy_file_that_was_changed_is_another_policy() {
    let rig = lived().await;
    let changed = with(&rig.scene.policy, "aversion = \"4\"", "aversion = \"5\"");
    let (names, _) = told(&replayed(&rig, &rig.journal, &changed).await);
    assert!(names.len() >= 2 && names.contains(&"unknown_policy".to_owned()), "{names:?}");
    let found = audited(&rig, &changed).await;
    assert!(!found.is_clean());
    assert_eq!((found.unknown, found.held_as_policy, found.wanted), (7, 0, 0), "{found:?}");
    let classes: Vec<_> = found.actions().map(|(_, class)| class.clone()).collect();
    assert_eq!(classes, [Class::UnknownPolicy]);
}

#[tokio::test]
async fn a_keeper_without_the_policy_that_its_vault_stores_is_replayed_whatever_policies_are_given_first() {
    let mut rig = lived().await;
    let changed = |to: &str| with(&rig.scene.policy, "aversion = \"4\"", to);
    let [approved, given] = [changed("aversion = \"5\""), changed("aversion = \"6\"")];
    rig.scene.approve(&approved).await;
    let roster = rig.journal.record_roster(31_337, [rig.scene.vault]).await.unwrap();
    for _ in 0..3 {
        assert!(matches!(block(&mut rig, &roster).await, Dispatch::Nothing));
    }
    let (source, mut subject) = (source(&rig).await, subject(&rig, &given));
    subject.policies.push(published(&rig.scene.policy));
    let part = Part::Heights(0..=u64::MAX);
    let replayed = Replay::new(&source, &rig.journal, &subject, None).run(&part, &|| {}).await.unwrap();
    assert_eq!((told(&replayed).0, replayed.blocks.equal), (vec![], 9), "{replayed:?}");
}

async fn audited(rig: &Rig, policy: &str) -> Found {
    let (source, subjects) = (source(rig).await, [subject(rig, policy)]);
    let from = Story::of(rig).await.cycles[0].block_number;
    let to = source.height().await.unwrap();
    let question = Question { from, to, grace: 5, reading: Reading::Every };
    let mut audit = Audit::new(&source, question, (&subjects, &[]), None);
    while audit.stretch().await.unwrap() {}
    audit.found().remove(0)
}

#[tokio::test]
async fn what_is_sent_by_hand_with_the_keepers_key_is_named_for_what_it_is() {
    let rig = lived().await;
    let clean = audited(&rig, &rig.scene.policy).await;
    assert!(clean.is_clean(), "{clean:?}");
    assert_eq!(clean.totals().acted, 1);

    // The policy wants a purchase: it is made with another hash.
    rig.rise().await;
    let forged = by_hand(&rig, |plan| plan.decision_hash = B256::repeat_byte(1)).await;
    // And again, of half the size.
    rig.scene.price(PRICE, 301).await;
    rig.scene.price(PRICE + 1_200, 301).await;
    rig.scene.price(PRICE + 1_200, 3_600).await;
    let half = by_hand(&rig, |plan| {
        for swap in &mut plan.swaps {
            (swap.amount_in, swap.min_amount_out) =
                (swap.amount_in / U256::from(2), swap.min_amount_out / U256::from(2));
        }
    })
    .await;
    let found = audited(&rig, &rig.scene.policy).await;
    let classes: Vec<_> = found.actions().skip(1).map(|(_, class)| class.clone()).collect();
    assert_eq!(classes[0], Class::WrongDecisionHash { expected: forged });
    let Class::UnexplainedAction { why } = &classes[1] else { panic!("{classes:?} {half}") };
    assert!(why.starts_with("swap 0: asked to buy ") && why.contains("decided to buy "), "{why}");
    assert_eq!(classes.len(), 2);
    let (names, _) = told(&replayed_all(&rig).await);
    assert_eq!(names, ["not_recorded", "not_recorded"]);

    // Where the policy holds nothing explains an action, whatever plan it repeats.
    rig.scene.mine(30).await;
    let repeated = plan_of(&rig).await.expect("the other half");
    by_hand(&rig, |plan| plan.deadline += 86_400).await;
    rig.scene.mine(30).await;
    assert_eq!(plan_of(&rig).await, None, "the policy holds");
    let head = rig.head().await;
    let swaps = repeated.swaps.into_iter().map(|swap| Swap {
        amount_in: swap.amount_in / U256::from(100),
        min_amount_out: swap.min_amount_out / U256::from(100),
        ..swap
    });
    let plan = Plan {
        nonce: repeated.nonce + 1,
        decision_block: head.number,
        decision_block_hash: head.hash,
        deadline: head.timestamp + 120,
        swaps: swaps.collect(),
        ..repeated
    };
    send(&rig, &plan).await;
    let found = audited(&rig, &rig.scene.policy).await;
    let classes: Vec<_> = found.actions().skip(3).map(|(_, class)| class.clone()).collect();
    // The third is what the policy says, but that it may be mined a day longer.
    let Class::UnexplainedAction { why } = &classes[0] else { panic!("{classes:?}") };
    assert!(why.starts_with("the deadline asked is 17") && why.contains(", decided 17"), "{why}");
    let Class::UnexplainedAction { why } = &classes[1] else { panic!("{classes:?}") };
    assert!(why.starts_with(&format!("at block {} the policy holds: ", head.number)), "{why}");
    let (names, _) = told(&replayed_all(&rig).await);
    assert_eq!(names, vec!["not_recorded"; 4]);
}

#[tokio::test]
async fn an_intent_that_asked_for_other_swaps_than_its_decision_is_found_though_all_hashes_are_right() {
    let rig = lived().await;
    rig.rise().await;
    let decided = decided(&rig).await;
    let plan = decided.plan.clone().expect("a trade is wanted");
    let [swap] = &plan.swaps[..] else { panic!("{plan:?}") };
    let two = U256::from(2);
    let half =
        Swap { amount_in: swap.amount_in / two, min_amount_out: swap.min_amount_out / two, ..swap.clone() };
    let asked = Plan { swaps: vec![half.clone()], ..plan.clone() };

    let mut story = Story::of(&rig).await;
    let intent = signed_by_hand(&rig, &asked).await;
    // Whether the record says what was sent or what was decided.
    for planned in [&asked, &plan] {
        let mut told = intent.clone();
        told.record.planned_json = serde_json::to_string(planned).unwrap();
        story.cycles.insert(1, full(&decided));
        story.intents.push(told);
        let (names, words) = story.told(&rig).await;
        assert_eq!(names, ["asked"]);
        let expected = format!(
            "transaction {}: swap 0: asked to buy {} through {} for {} at least, decided to buy {} through {pool} for {}",
            intent.attempts[0].hash,
            half.amount_in,
            half.pool,
            half.min_amount_out,
            swap.amount_in,
            swap.min_amount_out,
            pool = swap.pool,
        );
        assert_eq!(words, expected);
        story.cycles.remove(1);
        story.intents.pop();
    }
}

/// The full record of a decision.
fn full(decided: &Recomputed) -> CycleRecord {
    let (block, verdict) = (&decided.snapshot.block, &decided.decision.verdict);
    CycleRecord {
        chain_id: block.chain_id,
        vault: decided.snapshot.vault.address,
        block_number: block.number,
        block_hash: block.hash,
        block_timestamp: block.timestamp,
        policy_hash: decided.policy_hash,
        snapshot_hash: decided.snapshot_hash,
        decision_hash: decided.decision_hash,
        verdict: verdict.name().to_owned(),
        reason: Some(verdict.reason().code()),
        decision_json: decided.texts.decision.clone(),
        snapshot_json: Some(decided.texts.snapshot.clone()),
        dispatch: None,
        urgency: Urgency::Routine,
    }
}

/// The keeper's account carries out a plan, outside of the keeper; as a journal would have it.
async fn signed_by_hand(rig: &Rig, plan: &Plan) -> IntentEntry {
    const GAS: u64 = 2_000_000;
    let calldata = rebalancing_vault::rebalance(plan);
    let mut account = rig.scene.stage.chain.account(Actor::Keeper).await.unwrap();
    let (sender, nonce) = (account.address(), account.nonce());
    let raw = account.sign(Call { to: plan.vault.into(), input: calldata.clone(), gas: GAS }).unwrap();
    let receipt = rig.scene.stage.chain.execute(&raw).await.unwrap();
    assert!(receipt.status());
    let hash = receipt.transaction_hash;
    let envelope = TxEnvelope::decode_2718(&mut raw.as_ref()).unwrap();
    let record = IntentRecord {
        chain_id: 31_337,
        sender,
        nonce,
        vault: plan.vault,
        vault_nonce: U256::from(plan.nonce),
        to: plan.vault,
        calldata,
        deadline: plan.deadline,
        gas_limit: GAS,
        planned_json: String::new(),
        urgency: Urgency::Routine,
    };
    let attempt = AttemptRecord {
        hash,
        raw,
        max_fee_per_gas: envelope.max_fee_per_gas(),
        max_priority_fee_per_gas: 0,
        kind: AttemptKind::Original,
        submission: SubmissionClass::Public,
        signed_at: 7,
        gas_limit: None,
        to: None,
    };
    let mut entry = rig.entry().await;
    let ended = EventRecord {
        detail: serde_json::json!({ "transaction": hash }),
        block_hash: receipt.block_hash,
        fee: Some(U256::from(receipt.gas_used) * U256::from(receipt.effective_gas_price)),
        ..entry.last_event
    };
    entry.decision_hash = plan.decision_hash;
    entry.decision_block = plan.decision_block;
    IntentEntry { record, attempts: vec![attempt], last_event: ended, ..entry }
}

/// What the policy decides at the newest block.
async fn decided(rig: &Rig) -> Recomputed {
    let source = source(rig).await;
    let head = source.header(source.height().await.unwrap()).await.unwrap();
    recompute(&source, &head, &subject(rig, &rig.scene.policy)).await.unwrap()
}

/// What the policy would send at the newest block.
async fn plan_of(rig: &Rig) -> Option<Plan> {
    decided(rig).await.plan
}

async fn send(rig: &Rig, plan: &Plan) {
    let call = rebalanceCall::abi_decode(&rebalancing_vault::rebalance(plan)).unwrap();
    let mut hand = rig.scene.stage.act_as(Actor::Keeper).await.unwrap();
    hand.call(rig.scene.vault, &call).await.unwrap();
}

/// As far as the chain is, whatever the journal has.
async fn replayed_all(rig: &Rig) -> Replayed {
    let story = Story::of(rig).await;
    let (_directory, journal) = story.written(rig.scene.vault).await;
    let head = rig.head().await;
    let roster = journal.record_roster(31_337, [rig.scene.vault]).await.unwrap();
    let vaults = BTreeMap::from([(rig.scene.vault, Err(Absence::Unread))]);
    let (number, hash, timestamp) = (head.number, head.hash, head.timestamp);
    journal.record_block(&roster, &BlockRecord { number, hash, timestamp, vaults }).await.unwrap();
    replayed(rig, &journal, &rig.scene.policy).await
}

/// The keeper's account carries out the plan of the newest block with a change; the hash that its decision has.
async fn by_hand(rig: &Rig, change: impl Fn(&mut Plan)) -> B256 {
    let mut plan = plan_of(rig).await.expect("a trade is wanted");
    let hash = plan.decision_hash;
    change(&mut plan);
    send(rig, &plan).await;
    hash
}

#[tokio::test]
async fn a_changed_byte_a_removed_and_a_moved_record_are_told_apart_by_the_ledger() {
    let rig = lived().await;
    let story = Story::of(&rig).await;
    let mut words = Vec::new();
    for statements in [
        "DROP TRIGGER cycles_keep; UPDATE cycles SET decision_hash = replace(decision_hash, '1', '2') WHERE id = 1",
        "DROP TRIGGER ledger_stay; DELETE FROM ledger WHERE seq = 4",
        "DROP TRIGGER ledger_keep; UPDATE ledger SET record = 3 - record WHERE kind = 'block' AND record < 3",
    ] {
        let (directory, journal) = story.written(rig.scene.vault).await;
        journal.close().await;
        let path = directory.path().join("keeper.db");
        let options = SqliteConnectOptions::new().filename(&path);
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let journal = Journal::open_read_only(&path).await.unwrap();
        words.push(journal.verify().await.unwrap().unwrap_err().to_string());
    }
    assert_eq!(
        words,
        [
            "record 3 (cycle 1): its hash is not that of its content and the hash before it",
            "record 4: it is missing",
            "record 8 (block 2): block 1 should stand here",
        ]
    );
}
