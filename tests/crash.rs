//! `kill -9` at every moment of a cycle: after the restart there is exactly one execution.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails where it stands"
)]

#[cfg(feature = "failpoints")]
#[path = "crash/failpoints.rs"]
mod failpoints;
#[path = "support/keeper_process.rs"]
mod keeper_process;
#[path = "support/proxy.rs"]
mod proxy;

use alloy::primitives::U256;
use alloy::providers::Provider;
use alloy::rpc::types::TransactionReceipt;
use keeper_process::{Deeds, Ended, Home, ONCE, PRICE, Scene, published, until};
use proxy::{Fault, Proxy, Victim};
use vault_keeper::journal::{IntentEntry, IntentState};
use vault_keeper::protocols::vaults::rebalancing_vault::rebalanced;

const SEND: Victim = Victim::Method("eth_sendRawTransaction");
/// The call after that which reads the snapshot: the last question before the transaction is signed and committed.
const REHEARSAL: Victim = Victim::Second("eth_call");
/// One of the questions that go with it.
const WHILE_REHEARSED: Victim = Victim::Method("eth_maxPriorityFeePerGas");

/// One keeper before a stage of its own, with a proxy between them.
struct Play {
    scene: Scene,
    proxy: Proxy,
    home: Home,
}

impl Play {
    async fn set() -> Self {
        let scene = Scene::set().await;
        let proxy = Proxy::start(scene.stage.chain.endpoint()).await;
        let home = Home::new(&scene, proxy.url()).await;
        Self { scene, proxy, home }
    }

    /// Starts a cycle and kills it the moment the fault strikes.
    async fn killed_at(&self, victim: Victim, fault: Fault) {
        let struck = self.proxy.plan(victim, fault);
        let keeper = self.home.start(&ONCE);
        struck.happens().await;
        keeper.kill().await;
    }

    /// The only intent of the journal.
    async fn intent(&self) -> IntentEntry {
        let mut intents = self.home.intents(&self.scene).await;
        assert_eq!(intents.len(), 1, "{intents:?}");
        intents.remove(0)
    }

    async fn states(&self) -> Vec<IntentState> {
        let intent = self.intent().await.id;
        let journal = self.home.journal().await;
        let events = journal.events(intent).await.unwrap();
        journal.close().await;
        events.into_iter().map(|event| event.state).collect()
    }

    /// Runs one cycle after the restart, and says what was done with its decision.
    async fn restarted(&self, dispatch: &str) -> Ended {
        let ended = self.home.once().await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(ended.json()["dispatch"], dispatch, "{ended:?}");
        ended
    }

    /// Asserts that the bytes of the journal, and no others, were sent, mined and executed, once.
    async fn assert_executed_once(&self) {
        assert_eq!(self.scene.deeds().await, Deeds::ONE);
        let intent = self.intent().await;
        assert_eq!(intent.last_event.state, IntentState::Executed, "{intent:?}");
        assert_eq!((intent.record.nonce, intent.record.vault_nonce), (0, U256::ZERO));
        assert_eq!(intent.attempts.len(), 1, "one signature");
        let sent = self.proxy.transactions();
        assert!(
            sent.iter().all(|raw| *raw == intent.attempts[0].raw),
            "other bytes than those of the journal"
        );
        let provider = self.scene.stage.chain.provider();
        let receipt = provider.get_transaction_receipt(intent.attempts[0].hash).await.unwrap().unwrap();
        assert!(receipt.status());
        assert!(self.scene.holding().await > U256::ZERO);
        self.assert_recorded(&intent, &receipt).await;
    }

    /// Asserts that what the vault tells of the execution is what the journal holds.
    async fn assert_recorded(&self, intent: &IntentEntry, receipt: &TransactionReceipt) {
        let logs: Vec<_> = receipt.logs().iter().map(|log| log.inner.clone()).collect();
        let event = rebalanced(self.scene.vault, &logs).expect("the vault tells of the rebalance");
        let journal = self.home.journal().await;
        let cycles = journal.recent_cycles(self.scene.vault, 1_000).await.unwrap();
        journal.close().await;
        assert_eq!(
            (event.decisionHash, event.decisionBlock, U256::from(event.nonce)),
            (intent.decision_hash, intent.decision_block, intent.record.vault_nonce)
        );
        // After a restart at the same block the same was decided, and recorded, once more.
        let mut decided: Vec<_> = cycles.into_iter().map(|cycle| cycle.record).collect();
        decided.retain(|record| record.decision_hash == event.decisionHash);
        assert!(!decided.is_empty(), "no record has the hash on chain");
        for record in decided {
            assert_eq!((event.policyHash, event.decisionBlock), (record.policy_hash, record.block_number));
            assert_eq!((record.verdict.as_str(), record.vault), ("rebalance", self.scene.vault));
        }
        assert_eq!(event.policyHash, published(&self.scene.policy).hash());
    }
}

#[tokio::test]
async fn killed_between_commit_and_broadcast_the_stored_bytes_are_sent_after_the_restart_and_executed_once() {
    let play = Play::set().await;
    play.killed_at(SEND, Fault::Swallow).await;
    assert_eq!(play.scene.deeds().await, Deeds::NONE, "nothing reached the node");
    assert_eq!(play.states().await, [IntentState::Prepared]);
    let stored = play.intent().await.attempts[0].raw.clone();

    // Killed again while it takes up what it left.
    play.killed_at(SEND, Fault::Swallow).await;
    play.restarted("in_flight").await;
    assert_eq!(play.proxy.transactions(), vec![stored; 3], "swallowed twice, then sent");
    assert_eq!(play.scene.deeds().await, Deeds { sent: 1, ..Deeds::NONE });
    play.scene.mine(2).await;
    play.restarted("nothing").await;
    play.assert_executed_once().await;
}

#[tokio::test]
async fn killed_after_the_broadcast_the_own_transaction_is_found_whether_it_was_mined_meanwhile_or_not() {
    use IntentState::{Executed, Included, Live, Prepared};
    let mut play = Play::set().await;
    let mut saved = play.scene.save().await;

    play.killed_at(SEND, Fault::Lose).await;
    assert_eq!(play.states().await, [Prepared], "the answer was never seen");
    assert_eq!(play.scene.deeds().await, Deeds { sent: 1, ..Deeds::NONE });
    play.scene.mine(2).await;
    play.restarted("nothing").await;
    assert_eq!(play.states().await, [Prepared, Included, Executed]);
    play.assert_executed_once().await;

    play.scene.restore(&mut saved).await;
    play.home = Home::new(&play.scene, play.proxy.url()).await;
    play.proxy.forget();
    play.killed_at(SEND, Fault::Lose).await;
    play.restarted("in_flight").await;
    play.scene.mine(2).await;
    play.restarted("nothing").await;
    assert_eq!(play.states().await, [Prepared, Live, Included, Executed]);
    play.assert_executed_once().await;
}

#[tokio::test]
async fn killed_with_its_transaction_in_a_block_that_is_not_final_it_is_final_after_the_restart() {
    use IntentState::{Executed, Included, Live, Prepared};
    let play = Play::set().await;
    let keeper = play.home.start(&ONCE);
    play.scene.until_sent().await;
    play.scene.mine(1).await;
    until("the inclusion is recorded", async || play.states().await.contains(&Included)).await;
    keeper.kill().await;
    play.scene.mine(1).await;
    play.restarted("nothing").await;
    assert_eq!(play.states().await, [Prepared, Live, Included, Executed]);
    play.assert_executed_once().await;
}

#[tokio::test]
async fn killed_before_the_commit_there_is_no_trace_and_the_next_cycle_plans_freely() {
    let play = Play::set().await;
    for victim in [REHEARSAL, WHILE_REHEARSED] {
        play.killed_at(victim, Fault::Lose).await;
        assert_eq!(play.scene.deeds().await, Deeds::NONE);
        assert_eq!(play.home.intents(&play.scene).await, []);
        assert_eq!(play.home.cycles(&play.scene).await, []);
    }
    // Another block: what is planned now is not what was planned then.
    play.scene.mine(1).await;
    let ended = play.home.once_mined(&play.scene).await;
    assert_eq!(ended.json()["dispatch"], "executed", "{ended:?}");
    play.assert_executed_once().await;
}

#[tokio::test]
async fn killed_at_any_request_of_a_cycle_there_is_one_execution_in_the_end() {
    let mut play = Play::set().await;
    let mut saved = play.scene.save().await;
    // The cycle sends with one of the first 15 requests; those after it look for the receipt.
    for number in 0..20 {
        play.killed_at(Victim::Number(number), Fault::Lose).await;
        for _ in 0..2 {
            let ended = play.home.once_mined(&play.scene).await;
            assert_eq!(ended.code, Some(0), "killed at request {number}: {ended:?}");
        }
        play.assert_executed_once().await;
        play.scene.restore(&mut saved).await;
        play.home = Home::new(&play.scene, play.proxy.url()).await;
        play.proxy.forget();
    }
}

#[tokio::test]
async fn killed_until_the_deadline_has_passed_its_nonce_is_cancelled_and_only_a_new_plan_is_executed() {
    let play = Play::set().await;
    play.killed_at(SEND, Fault::Swallow).await;
    play.scene.price(PRICE, 121).await;
    assert!(play.intent().await.record.deadline < play.scene.stage.chain.head().await.unwrap().0);
    play.restarted("in_flight").await;
    play.scene.mine(2).await;
    assert_eq!(play.scene.deeds().await, Deeds { mined: 1, sent: 1, ..Deeds::NONE }, "the cancel was mined");

    let ended = play.home.once_mined(&play.scene).await;
    assert_eq!(ended.json()["dispatch"], "executed", "{ended:?}");
    assert_eq!(play.scene.deeds().await, Deeds { mined: 2, sent: 2, vault_nonce: 1, rebalanced: 1 });
    let intents = play.home.intents(&play.scene).await;
    let told: Vec<_> = intents.iter().map(|i| (i.record.nonce, i.last_event.state)).collect();
    assert_eq!(told, [(0, IntentState::Cancelled), (1, IntentState::Executed)]);
}

#[tokio::test]
async fn a_transaction_that_is_not_mined_in_time_ends_a_cycle_with_1_and_is_found_later() {
    let play = Play::set().await;
    play.home.configure("poll_interval_ms = 10", "poll_interval_ms = 1");
    let ended = play.home.once().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let printed = ended.json();
    assert_eq!(printed["dispatch"], "sent");
    let held_up = printed["held_up"].as_str().unwrap();
    assert!(
        held_up.starts_with("not seen mined in 600 looks at the chain; its fee cap may be too low"),
        "{held_up}"
    );
    assert_eq!(play.intent().await.last_event.state, IntentState::Live);
    play.restarted("in_flight").await;
    play.scene.mine(2).await;
    play.restarted("nothing").await;
    play.assert_executed_once().await;
}

#[tokio::test]
async fn a_daemon_that_is_killed_and_started_again_executes_once_and_ends_well_when_told_to() {
    let play = Play::set().await;
    let struck = play.proxy.plan(SEND, Fault::Lose);
    let keeper = play.home.start(&["run"]);
    struck.happens().await;
    keeper.kill().await;

    let keeper = play.home.start(&["run"]);
    play.scene.mine(2).await;
    until("the intent is executed", async || play.intent().await.last_event.state == IntentState::Executed)
        .await;
    play.scene.mine(3).await;
    let head = play.scene.stage.chain.block_number().await.unwrap();
    until("the daemon has seen the newest block", async || {
        play.home.blocks(&play.scene).await.last().is_some_and(|block| block.number == head)
    })
    .await;
    let ended = keeper.terminate().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!play.home.path("keeper.db-wal").exists(), "the journal is whole in its file");
    play.assert_executed_once().await;
}

#[tokio::test]
async fn an_answer_that_is_lost_or_a_request_that_never_arrives_leaves_one_nonce_and_one_execution() {
    let mut play = Play::set().await;
    let mut saved = play.scene.save().await;
    for fault in [Fault::Lose, Fault::Swallow] {
        play.home.configure("request_timeout_ms = 5_000", "request_timeout_ms = 400");
        let struck = play.proxy.plan(SEND, fault);
        let keeper = play.home.start(&ONCE);
        struck.happens().await;
        assert_eq!(play.scene.deeds().await.sent, u64::from(fault == Fault::Lose));
        until("the same bytes are sent again", async || play.proxy.transactions().len() > 1).await;
        play.scene.until_sent().await;
        play.scene.mine(2).await;
        let ended = keeper.end().await;
        assert_eq!(ended.json()["dispatch"], "executed", "{ended:?}");
        play.assert_executed_once().await;
        let journal = play.home.journal().await;
        let doubt = &journal.events(play.intent().await.id).await.unwrap()[1];
        assert_eq!(doubt.state, IntentState::Live);
        assert_eq!(
            (&doubt.detail["publish"], &doubt.detail["why"]),
            (&"ambiguous".into(), &"unclear".into())
        );
        play.scene.restore(&mut saved).await;
        play.home = Home::new(&play.scene, play.proxy.url()).await;
        play.proxy.forget();
    }
}
