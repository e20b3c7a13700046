//! A scripted history of a market and a keeper, audited: what was missed is found, and nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails where it stands"
)]

#[path = "support/history.rs"]
mod history;
#[path = "support/keeper_process.rs"]
mod keeper_process;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/rig.rs"]
mod rig;

use history::History;
use vault_keeper::replay::audit::{Class, End, Found, Reading};
use vault_keeper::replay::{Anvil, execute, explain, recompute};

#[tokio::test]
async fn a_long_history_is_audited_and_only_what_was_planted_is_found() {
    let history = History::lived().await;
    let found = history.audited(Reading::Every).await;
    let totals = found.totals();
    println!("{totals:?}");
    for (action, class) in found.actions() {
        assert_eq!(*class, Class::ActedAsPolicy, "{action:?}");
    }
    let missed: Vec<_> = found.missed().map(|episode| (episode.from, episode.to, episode.end)).collect();
    assert_eq!(missed.len(), 3, "{missed:?} {:?}", history.planted);
    let started = std::time::Instant::now();
    let quick = history.audited(Reading::Changes).await;
    println!("{:?} {}", started.elapsed(), quick.reads);
    assert_eq!(Found { reads: 0, ..quick }, Found { reads: 0, ..found.clone() });
    let source = history.source().await;
    let subject = history.subject();
    let program = history.rig.scene.stage.artifacts.anvil();
    let url = history.rig.scene.stage.chain.endpoint();
    for (action, _) in found.actions().step_by(20) {
        let (_, receipt) = source.transaction(action.transaction).await.unwrap();
        let anvil = Anvil { program: &program, url: &url };
        let executed = execute(&source, anvil, &subject, &receipt).await.unwrap();
        assert_eq!((executed.differences.len(), executed.left_out.len()), (0, 0), "{executed:?}");
        let header = source.header(action.decision_block).await.unwrap();
        let recomputed = recompute(&source, &header, &subject).await.unwrap();
        let explained = explain(&source, &subject, &recomputed, &receipt).await.unwrap().unwrap();
        println!("{}", serde_json::to_string(&explained).unwrap());
    }
    assert!(matches!(found.missed().next().unwrap().end, End::Acted));
}
