//! Why something was missed, by the keeper's journal, over more blocks than are held at once.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test fails where it stands")]

#[path = "support/records.rs"]
mod records;

use records::{CHAIN, VAULT, begun, block, cycle};
use tempfile::TempDir;
use vault_keeper::journal::{Absence, CycleRecord, Journal, Roster, Standing};
use vault_keeper::replay::audit::{Cause, Caused, Done, Episodes, State, Step, Want, causes};

/// The blocks of an episode from the first to the last, with what the journal says of them.
async fn told(journal: &Journal, (from, to): (u64, u64)) -> Vec<(Cause, u64)> {
    let want = Want { sell: true, mandatory: false, units: 1.0, price: 1.0, waiting: 0.0, shortfall: 0.0 };
    let mut episodes = Episodes::default();
    for number in [from, to] {
        let state = State::Wants(want);
        episodes.step(&Step { number, timestamp: number, done: Done::Nothing, price: None, state });
    }
    let episode = episodes.rest().unwrap();
    assert_eq!((episode.from, episode.to), (from, to));
    let causes = causes(journal, (CHAIN, VAULT), &episode).await.unwrap();
    causes.into_iter().map(|Caused { cause, blocks }| (cause, blocks)).collect()
}

async fn seen(journal: &Journal, roster: &Roster, number: u64, standing: Standing) {
    journal.record_block(roster, &block(number, roster, |_| standing)).await.unwrap();
}

#[tokio::test]
async fn every_block_of_a_long_miss_has_its_cause() {
    let directory = TempDir::new().unwrap();
    let journal = Journal::open(&directory.path().join("keeper.db")).await.unwrap();
    let leaf = Ok(cycle(1).decision_hash);
    let roster = begun(&journal, [VAULT]).await;
    seen(&journal, &roster, 1_000, leaf).await;
    seen(&journal, &roster, 20_000, Err(Absence::Unread)).await;
    let roster = begun(&journal, [VAULT]).await;
    seen(&journal, &roster, 40_000, leaf).await;
    let refused = r#"{"code":"fee_over_cap","dispatch":"refused"}"#.to_owned();
    let capped = CycleRecord { dispatch: Some(refused), ..cycle(40_000) };
    journal.record_cycle(&capped).await.unwrap();
    seen(&journal, &roster, 40_001, Err(Absence::GivenUp)).await;

    // One process went on over it and heard nothing.
    assert_eq!(told(&journal, (1_001, 19_999)).await, [(Cause::Endpoint, 18_999)]);
    assert_eq!(
        told(&journal, (500, 45_000)).await,
        [
            // None before the first record, none until the second process, none after the last record.
            (Cause::Stopped, 500 + 19_999 + 4_999),
            // Nor was block 20,000 read.
            (Cause::Endpoint, 18_999 + 1),
            (Cause::GivenUp, 1),
            (Cause::GasCap, 1),
            (Cause::DecidedOtherwise, 1),
        ]
    );
    assert_eq!(told(&journal, (40_000, 40_001)).await, [(Cause::GivenUp, 1), (Cause::GasCap, 1)]);
    assert_eq!(told(&journal, (60_000, 60_009)).await, [(Cause::Stopped, 10)]);
    journal.close().await;
}
