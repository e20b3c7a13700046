//! The vault's owner changes to another key of the keeper: no block passes without a keeper, and nothing is done twice.

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

use std::sync::Arc;

use alloy::primitives::Address;
use alloy::signers::local::PrivateKeySigner;
use keeper_process::{Deeds, Home, Scene, published};
use rig::{Heard, Rig, sending};
use vault_keeper::execution::{Engine, KeeperKey};
use vault_keeper::journal::IntentState;
use vault_keeper::keeper::{Dispatch, Hand, Hands, Keeper};
use vault_keeper::stage::account::Actor;

/// A rig whose keeper has two keys: the one that the vault obeys at first, and the next one.
struct Rotation {
    rig: Rig,
    next: Arc<Engine>,
}

impl Rotation {
    async fn set() -> Self {
        let mut rig = Rig::set().await;
        let key: PrivateKeySigner = rig.scene.key(Actor::Stranger).await.parse().unwrap();
        let next = Engine::new(rig.pool.clone(), rig.journal.clone(), KeeperKey::from(key), sending());
        let next = Arc::new(next);
        let hands = [&rig.engine, &next].map(|engine| Hand::Send(engine.clone(), sending()));
        let endpoint = rig.pool.reader().unwrap().endpoint().clone();
        let facts = (rig.scene.vault, vec![published(&rig.scene.policy)]);
        let hands = Hands::new(hands.into()).unwrap();
        rig.keeper = Keeper::new("main".to_owned(), facts, endpoint, rig.journal.clone(), hands);
        Self { rig, next }
    }

    async fn appoint(&self, keeper: Address) {
        self.rig.scene.stage.appoint(self.rig.scene.vault, keeper).await.unwrap();
    }

    /// Blocks, each looked at by both keys as the daemon does.
    async fn blocks(&self, blocks: u32) {
        for _ in 0..blocks {
            self.rig.scene.mine(1).await;
            self.rig.resolve().await.unwrap();
            self.next.resolve().await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_key_that_the_vault_obeys_at_the_block_signs() {
    let mut play = Rotation::set().await;
    let (old, next) = (play.rig.sender(), play.next.sender());
    assert_eq!(play.rig.keeper.senders(), [old, next]);
    let heard = Heard::listen();
    play.appoint(next).await;
    let Dispatch::Sent { held_up: None, .. } = play.rig.dispatched().await else {
        panic!("nothing was sent")
    };
    assert!(heard.text().contains(&format!("to={next}")), "{}", heard.text());
    play.blocks(2).await;
    let entry = play.rig.entry().await;
    assert_eq!((entry.record.sender, entry.last_event.state), (next, IntentState::Executed));
    // Back again, and nothing has to be started anew.
    play.appoint(old).await;
    for _ in 0..3 {
        play.rig.scene.price(2_500, 1_000).await;
    }
    let cycle = play.rig.cycle().await.unwrap();
    assert!(
        matches!(cycle.dispatch, Dispatch::Sent { .. }),
        "{:?} {:?}",
        cycle.decision.verdict,
        cycle.dispatch
    );
    assert_eq!(play.rig.entry().await.record.sender, old);
}

#[tokio::test]
async fn what_the_old_key_has_under_way_is_cancelled_by_it_while_the_next_one_acts_at_once() {
    let mut play = Rotation::set().await;
    let (old, next) = (play.rig.sender(), play.next.sender());
    let first = play.rig.sent().await;
    // It was accepted and gets into no block before the owner changes over.
    play.rig.lose_what_waits().await;
    play.appoint(next).await;
    let second = play.rig.sent().await;
    assert_ne!(first, second);
    assert_eq!(play.rig.entry().await.record.sender, next);
    // Withdrawn once, not at every block.
    play.rig.cycle().await.unwrap();
    play.blocks(3).await;
    let entries = play.rig.entries().await;
    let ended = entries.iter().map(|entry| (entry.record.sender, entry.last_event.state)).collect::<Vec<_>>();
    assert_eq!(ended, [(old, IntentState::Cancelled), (next, IntentState::Executed)]);
    let deeds = play.rig.scene.deeds().await;
    // The old key's one transaction is the cancel.
    assert_eq!((deeds.mined, deeds.vault_nonce, deeds.rebalanced), (1, 1, 1));
    play.rig.journal.verify().await.unwrap().unwrap();
}

#[tokio::test]
async fn a_vault_that_obeys_neither_key_is_told_of_with_both() {
    let mut play = Rotation::set().await;
    let (old, next) = (play.rig.sender(), play.next.sender());
    let stranger = Address::repeat_byte(0x77);
    play.appoint(stranger).await;
    let Dispatch::Refused { code, message } = play.rig.dispatched().await else { panic!("not refused") };
    assert_eq!(code, "not_authorised");
    assert_eq!(
        message,
        format!(
            "the vault's keeper is {stranger}, the keys here are {old}, {next}: let the owner call setKeeper"
        )
    );
    assert!(play.rig.entries().await.is_empty());
}

#[tokio::test]
async fn the_program_signs_with_whichever_of_its_signers_the_vault_obeys() {
    let mut scene = Scene::set().await;
    let mut home = Home::new(&scene, scene.stage.chain.endpoint().as_str()).await;
    home.configure("signer = \"hot\"", "signers = [\"hot\", \"next\", \"twin\"]");
    let signer = |name: &str| format!("[[signer]]\nname = \"{name}\"\nkey_env = \"NEXT_KEY\"\n");
    home.configure("[sending]", &format!("{}\n{}\n[sending]", signer("next"), signer("twin")));
    let secret = scene.key(Actor::Stranger).await;
    home.set("NEXT_KEY", &secret);
    let next = secret.parse::<PrivateKeySigner>().unwrap().address();
    scene.stage.appoint(scene.vault, next).await.unwrap();
    scene.keeper = next;

    let findings = home.start(&["check", "--json"]).end().await.json();
    let of = |check: &str| {
        let all = findings.as_array().unwrap().iter().filter(|finding| finding["check"] == check);
        all.map(|finding| finding["what"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of("keeper"), [format!("{next}, one of its 3 signers, is the vault's keeper")]);
    let accounts: Vec<_> = of("key").iter().map(|what| what.contains(&next.to_string())).collect();
    assert_eq!(accounts, [false, true, true]);

    let ended = home.once_mined(&scene).await;
    assert_eq!((ended.code, scene.deeds().await), (Some(0), Deeds::ONE), "{ended:?}");
}
