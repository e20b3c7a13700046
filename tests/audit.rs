//! A scripted history of a market and a keeper, audited and replayed: what was missed is found, and nothing else.
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

use history::{BLOCKS, History};
use rust_decimal::Decimal;
use vault_keeper::replay::audit::{Cause, End, Finding, Found, Reading, Totals};
use vault_keeper::replay::{Anvil, Part, Replay, Replayed, Tally};

#[tokio::test]
async fn a_long_history_is_replayed_equal_and_only_what_was_planted_was_missed() {
    let history = History::lived(BLOCKS).await;
    let mut found = history.audited(Reading::Every).await;
    let totals = found.totals();
    let Totals { acted, missed, unexplained, wrong_hash, .. } = totals;
    assert!(acted >= 30, "{acted}");
    assert_eq!((missed, unexplained, wrong_hash, found.unknown), (3, 0, 0, 0), "{found:?}");
    assert_eq!(found.held_as_policy + found.wanted, BLOCKS);
    assert_eq!(found.reads, BLOCKS);

    found.look_up(&history.rig.journal, 31_337).await.unwrap();
    let why = [Cause::Stopped, Cause::GasCap, Cause::Endpoint];
    let missed = found.findings.iter().filter_map(|finding| match finding {
        Finding::Missed { episode, causes } => Some((episode, causes)),
        Finding::Action { .. } | Finding::PolicyChanged { .. } | Finding::Deleveraged { .. } => None,
    });
    for (((episode, causes), (first, last)), cause) in missed.zip(history.planted).zip(why) {
        assert!((first..=last).contains(&episode.from), "{episode:?} within {first} to {last}");
        // What is decided at the first block after it is in the next one.
        assert_eq!((episode.to, episode.end), (last + 1, End::Acted), "{episode:?}");
        assert_eq!(episode.blocks_late, episode.to - episode.from, "{episode:?}");
        assert_eq!(episode.seconds, (episode.blocks_late + 1) * 100);
        assert_eq!(causes[0].cause, cause, "{causes:?}");
        // At the last one it was decided and sent.
        assert_eq!((causes[0].blocks, causes[1].blocks), (episode.blocks_late, 1), "{causes:?}");
        assert_eq!(causes[1].cause, Cause::InFlight);
    }
    assert!(
        totals.price.waiting_usd > 0.1 && totals.price.shortfall_usd > 0.01 && totals.price.hindsight > 100.0,
        "{totals:?}"
    );

    let quick = history.audited(Reading::Changes).await;
    assert!(quick.reads < BLOCKS - 40, "{} of {BLOCKS} read", quick.reads);
    let plain = history.audited(Reading::Every).await;
    assert_eq!(Found { reads: 0, ..quick }, Found { reads: 0, ..plain });

    let replayed = replayed(&history).await;
    assert_eq!(replayed.faults, [], "{replayed:?}");
    let all = |checked| Tally { checked, equal: checked, orphaned: 0 };
    assert_eq!(replayed.actions, all(acted));
    let outages: u64 = [history.planted[0], history.planted[2]].iter().map(|(from, to)| to - from + 1).sum();
    // One block says why nobody saw those before it.
    assert_eq!((replayed.blocks, replayed.unrecorded), (all(BLOCKS - outages), outages - 1));
    assert_eq!((replayed.decisions.checked, replayed.without_leaf), (replayed.decisions.equal, 1));
    assert!(replayed.decisions.checked > acted, "{:?}", replayed.decisions);
    assert_eq!(replayed.executed.len() as u64, acted);
    for executed in &replayed.executed {
        assert!(executed.differences.is_empty() && executed.left_out.is_empty(), "{executed:?}");
        let explained = executed.explained.as_ref().unwrap();
        let lost = explained.comparison.venue.realised.minus(explained.comparison.venue.predicted).unwrap();
        let parts = explained.price_moved.plus(explained.order_in_block).unwrap();
        assert!((lost.get() - parts.get()).abs() < Decimal::new(1, 9), "{explained:?}");
    }
}

async fn replayed(history: &History) -> Replayed {
    let (source, subject, url) = (history.source().await, history.subject(), history.url());
    let program = history.rig.scene.stage.artifacts.anvil();
    let anvil = Anvil { program: &program, urls: &[&url] };
    let replay = Replay::new(&source, &history.rig.journal, &subject, Some(anvil));
    replay.run(&Part::Heights(0..=history.heights.1), &|| {}).await.unwrap()
}
