//! The keeper ends at each moment between what is durable and what has left, of the first bytes, of a bump and of a
//! cancel; another one starts on what it left.

use alloy::primitives::{B256, Bytes};
use alloy::providers::ext::AnvilApi;
use vault_keeper::failpoint::{Moment, VARIABLE};
use vault_keeper::journal::AttemptKind;

use super::*;

/// In the order in which bytes meet them.
const MOMENTS: [Moment; 4] =
    [Moment::BeforeCommit, Moment::AfterCommit, Moment::BeforeBroadcast, Moment::AfterBroadcast];
/// What a person types to cancel the first intent.
const CANCEL: [&str; 3] = ["tx", "cancel", "1"];

impl Play {
    /// Starts the keeper, which ends itself at this moment of bytes of this kind.
    async fn aborted_at(&mut self, kind: AttemptKind, moment: Moment, arguments: &[&str]) {
        let name = format!("{}.{}", kind.name(), moment.name());
        self.home.set(VARIABLE, &name);
        let ended = self.home.start(arguments).end().await;
        assert_eq!(ended.code, None, "it did not end at {name}: {ended:?}");
        self.home.unset(VARIABLE);
    }

    /// The first bytes are sent, and the keeper is gone before it knows; then the node loses them.
    async fn lost(&mut self) {
        self.aborted_at(AttemptKind::Original, Moment::AfterBroadcast, &ONCE).await;
        self.lose_what_waits().await;
    }

    /// The keeper ends at this moment of such bytes. Before others than the first the node has lost those.
    async fn aborted_in(&mut self, kind: AttemptKind, moment: Moment) {
        match kind {
            AttemptKind::Original => self.aborted_at(kind, moment, &ONCE).await,
            AttemptKind::Cancel => {
                self.lost().await;
                self.aborted_at(kind, moment, &CANCEL).await;
            }
            AttemptKind::Bump => {
                self.lost().await;
                // As long as a bump takes to be due.
                self.scene.mine(3).await;
                self.aborted_at(kind, moment, &ONCE).await;
            }
        }
    }

    async fn lose_what_waits(&self) {
        self.scene.stage.chain.provider().anvil_drop_all_transactions().await.unwrap();
    }

    /// While the keeper is down a miner has these bytes alone.
    async fn mined(&self, raw: &Bytes) {
        self.lose_what_waits().await;
        let pending = self.scene.stage.chain.provider().send_raw_transaction(raw).await.unwrap();
        assert_eq!(*pending.tx_hash(), alloy::primitives::keccak256(raw));
        self.scene.mine(2).await;
    }

    async fn begins_anew(&mut self, saved: &mut serde_json::Value) {
        self.scene.restore(saved).await;
        self.home = Home::new(&self.scene, self.proxy.url()).await;
        self.proxy.forget();
    }

    /// Kinds of the signed bytes of the only intent, and the transaction that decided on it.
    async fn decided(&self) -> (Vec<AttemptKind>, B256) {
        let intent = self.intent().await;
        let by = intent.last_event.detail["transaction"].as_str().unwrap().parse().unwrap();
        (intent.attempts.iter().map(|attempt| attempt.kind).collect(), by)
    }

    /// Asserts I1, I2 and I3: an execution in the journal for each on the chain, no bytes out that are not in the journal,
    /// and of each nonce one transaction mined at most and one intent that took effect; and that the journal is whole.
    async fn assert_invariants(&self) {
        let (deeds, intents) = (self.scene.deeds().await, self.home.intents(&self.scene).await);
        assert_eq!(usize::try_from(deeds.vault_nonce).unwrap(), deeds.rebalanced);
        let executed = intents.iter().filter(|intent| intent.last_event.state == IntentState::Executed);
        assert_eq!(executed.count(), deeds.rebalanced, "{intents:?}");
        let signed: Vec<_> = intents.iter().flat_map(|intent| &intent.attempts).collect();
        for raw in self.proxy.transactions() {
            assert!(signed.iter().any(|attempt| attempt.raw == raw), "not in the journal: {raw}");
        }
        let mut mined = 0;
        for attempt in &signed {
            let provider = self.scene.stage.chain.provider();
            mined += u64::from(provider.get_transaction_receipt(attempt.hash).await.unwrap().is_some());
        }
        assert_eq!(mined, deeds.mined, "all that is mined of the key is in the journal");
        let mut nonces: Vec<_> = intents.iter().map(|intent| intent.record.nonce).collect();
        nonces.dedup();
        assert!(nonces.iter().copied().eq(0..deeds.mined), "no gap: {nonces:?}");
        let journal = self.home.journal().await;
        journal.verify().await.unwrap().unwrap();
        journal.close().await;
    }
}

#[tokio::test]
async fn fault_03_crash_before_the_commit_leaves_no_trace_and_the_next_plan_is_free() {
    let mut play = Play::set().await;
    play.aborted_at(AttemptKind::Original, Moment::BeforeCommit, &ONCE).await;
    assert_eq!(play.proxy.transactions(), Vec::<Bytes>::new());
    assert_eq!(play.scene.deeds().await, Deeds::NONE);
    assert_eq!(play.home.intents(&play.scene).await, []);
    assert_eq!(play.home.cycles(&play.scene).await, []);
    play.scene.mine(1).await;
    let ended = play.home.once_mined(&play.scene).await;
    assert_eq!(ended.json()["dispatch"], "executed", "{ended:?}");
    play.assert_executed_once().await;
    play.assert_invariants().await;
}

#[tokio::test]
async fn fault_04_crash_between_commit_and_broadcast_and_the_stored_bytes_are_sent_first() {
    use IntentState::{Executed, Included, Live, Prepared};
    let mut play = Play::set().await;
    let mut saved = play.scene.save().await;
    for moment in [Moment::AfterCommit, Moment::BeforeBroadcast] {
        play.aborted_at(AttemptKind::Original, moment, &ONCE).await;
        assert_eq!(play.states().await, [Prepared]);
        assert_eq!(play.scene.deeds().await, Deeds::NONE);
        assert_eq!(play.proxy.transactions(), Vec::<Bytes>::new());
        let stored = play.intent().await.attempts[0].raw.clone();
        play.restarted("in_flight").await;
        assert_eq!(play.proxy.transactions(), [stored]);
        play.scene.mine(2).await;
        play.restarted("nothing").await;
        assert_eq!(play.states().await, [Prepared, Live, Included, Executed]);
        play.assert_executed_once().await;
        play.assert_invariants().await;
        play.begins_anew(&mut saved).await;
    }
}

#[tokio::test]
async fn fault_04_crash_between_commit_and_broadcast_until_the_deadline_has_passed_and_its_nonce_is_cancelled()
 {
    let mut play = Play::set().await;
    play.aborted_at(AttemptKind::Original, Moment::AfterCommit, &ONCE).await;
    play.scene.price(PRICE, 121).await;
    assert!(play.intent().await.record.deadline < play.scene.now().await);
    play.restarted("in_flight").await;
    let intent = play.intent().await;
    let [original, cancel] = intent.attempts.as_slice() else { panic!("{intent:?}") };
    assert_eq!((original.kind, cancel.kind), (AttemptKind::Original, AttemptKind::Cancel));
    assert_eq!(play.proxy.transactions(), vec![cancel.raw.clone()], "what is too late is not sent");
    play.scene.mine(2).await;
    let ended = play.home.once_mined(&play.scene).await;
    assert_eq!(ended.json()["dispatch"], "executed", "{ended:?}");
    let intents = play.home.intents(&play.scene).await;
    let told: Vec<_> = intents.iter().map(|i| (i.record.nonce, i.last_event.state)).collect();
    assert_eq!(told, [(0, IntentState::Cancelled), (1, IntentState::Executed)]);
    play.assert_invariants().await;
}

#[tokio::test]
async fn fault_05_crash_after_the_broadcast_and_the_receipt_is_found_by_the_stored_hash() {
    use IntentState::{Executed, Included, Prepared};
    let mut play = Play::set().await;
    play.aborted_at(AttemptKind::Original, Moment::AfterBroadcast, &ONCE).await;
    assert_eq!(play.states().await, [Prepared], "nothing of the answer is recorded");
    assert_eq!(play.scene.deeds().await, Deeds { sent: 1, ..Deeds::NONE });
    play.scene.mine(2).await;
    play.restarted("nothing").await;
    assert_eq!(play.proxy.transactions().len(), 1, "no second submission");
    assert_eq!(play.states().await, [Prepared, Included, Executed]);
    play.assert_executed_once().await;
    play.assert_invariants().await;
}

#[tokio::test]
async fn fault_06_crash_around_a_bump_and_whichever_is_mined_meanwhile_is_the_one() {
    let mut play = Play::set().await;
    let mut saved = play.scene.save().await;
    // Which of the attempts a miner takes while the keeper is down.
    for (moment, winner) in [
        (Moment::AfterCommit, 0),
        (Moment::BeforeBroadcast, 0),
        (Moment::AfterBroadcast, 0),
        (Moment::AfterBroadcast, 1),
    ] {
        play.aborted_in(AttemptKind::Bump, moment).await;
        let sent = play.proxy.transactions().len();
        assert_eq!(sent, if moment == Moment::AfterBroadcast { 2 } else { 1 });
        let attempt = play.intent().await.attempts[winner].clone();
        play.mined(&attempt.raw).await;
        play.restarted("nothing").await;
        assert_eq!(play.proxy.transactions().len(), sent, "nothing is sent again");
        let (kinds, by) = play.decided().await;
        assert_eq!(kinds, [AttemptKind::Original, AttemptKind::Bump], "{moment:?}");
        assert_eq!(by, attempt.hash, "{moment:?} {winner}");
        assert_eq!(play.intent().await.last_event.state, IntentState::Executed);
        assert_eq!(play.scene.deeds().await, Deeds::ONE);
        play.assert_invariants().await;
        play.begins_anew(&mut saved).await;
    }
}

#[tokio::test]
async fn fault_07_crash_during_a_cancel_whose_original_was_mined_and_the_intent_is_executed() {
    let mut play = Play::set().await;
    let mut saved = play.scene.save().await;
    for moment in MOMENTS {
        play.aborted_in(AttemptKind::Cancel, moment).await;
        assert_eq!(play.intent().await.last_event.state, IntentState::Cancelling);
        let original = play.intent().await.attempts[0].clone();
        play.mined(&original.raw).await;
        play.restarted("nothing").await;
        assert_eq!(play.intent().await.last_event.state, IntentState::Executed, "{moment:?}");
        assert_eq!(play.decided().await.1, original.hash);
        assert_eq!(play.scene.deeds().await, Deeds::ONE);
        play.assert_invariants().await;
        play.begins_anew(&mut saved).await;
    }
}

/// Asserts that the keeper, started again, brings what was left to its end: the first plan where that is still wanted, and
/// what takes its place where it was cancelled.
async fn ends_well(play: &mut Play, kind: AttemptKind, moment: Moment) {
    use AttemptKind::{Bump, Cancel, Original};
    play.aborted_in(kind, moment).await;
    for _ in 0..3 {
        let ended = play.home.once_mined(&play.scene).await;
        assert_eq!(ended.code, Some(0), "{kind:?} {moment:?}: {ended:?}");
    }
    let intents = play.home.intents(&play.scene).await;
    let told: Vec<_> = intents.iter().map(|i| (i.record.nonce, i.last_event.state)).collect();
    let expected: &[_] = match kind {
        Original | Bump => &[(0, IntentState::Executed)],
        Cancel => &[(0, IntentState::Cancelled), (1, IntentState::Executed)],
    };
    assert_eq!(told, expected, "{kind:?} {moment:?}");
    let signed: Vec<_> = intents[0].attempts.iter().map(|attempt| attempt.kind).collect();
    let expected: &[_] = if kind == Original { &[Original] } else { &[Original, kind] };
    assert_eq!(signed, expected, "{kind:?} {moment:?}");
    play.assert_invariants().await;
}

#[tokio::test]
async fn a_crash_at_every_moment_of_first_bytes_bumps_and_cancels_leaves_what_the_next_keeper_ends_well() {
    let mut play = Play::set().await;
    let mut saved = play.scene.save().await;
    for kind in [AttemptKind::Original, AttemptKind::Bump, AttemptKind::Cancel] {
        for moment in MOMENTS {
            ends_well(&mut play, kind, moment).await;
            play.begins_anew(&mut saved).await;
        }
    }
}
