#![expect(clippy::arithmetic_side_effects, reason = "test arithmetic within known bounds")]

use std::path::Path;

use super::super::opening::Standing;
use super::super::setting::Feed as Reports;
use super::*;
use crate::config::load_policy;
use crate::domain::decision::decide;
use crate::domain::snapshot::{Guards, Vault};

/// Snapshots with their policies.
fn golden() -> Vec<(String, Snapshot, PublishedPolicy)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden");
    let cases = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let cases = cases.filter(|case| case.is_dir()).map(|case| {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let snapshot = std::fs::read_to_string(case.join("snapshot.json")).unwrap();
        let policy = load_policy(&case.join("policy.json")).unwrap();
        (name, serde_json::from_str(&snapshot).unwrap(), policy)
    });
    cases.collect()
}

fn at(snapshot: &Snapshot, seconds: u64) -> Moment {
    let price = Standing::of(snapshot).price().unwrap();
    Moment {
        time: snapshot.block.timestamp + seconds,
        price,
        reference: price,
        base_fee: snapshot.block.next_base_fee,
    }
}

#[test]
fn a_vault_as_it_stands_is_the_same_world_to_the_last_digit() {
    let cases = golden();
    assert!(cases.len() >= 19, "{}", cases.len());
    let setting = Setting::default();
    for (name, snapshot, published) in cases {
        let start = Start::Vault(Standing::of(&snapshot));
        let mut world = World::open(&setting, &published, &start, &at(&snapshot, 0)).unwrap();
        world.arrive(&at(&snapshot, 0)).unwrap();
        assert_eq!(*world.snapshot(), snapshot, "{name}");
        assert_eq!(decide(world.snapshot(), &published), decide(&snapshot, &published), "{name}");
    }
}

#[test]
fn what_a_vault_tells_of_itself_follows_from_its_ledgers_as_it_told_it() {
    let setting =
        Setting { feed: Reports { heartbeat_seconds: u64::MAX, ..Reports::default() }, ..Setting::default() };
    for (name, snapshot, published) in golden() {
        let start = Start::Vault(Standing::of(&snapshot));
        let mut world = World::open(&setting, &published, &start, &at(&snapshot, 0)).unwrap();
        let before = snapshot.vault.clone();
        // A second later its turnover has leaked, its floor may have grown, and nothing else is other.
        world.arrive(&at(&snapshot, 1)).unwrap();
        let after = &world.snapshot().vault;
        assert!(after.floor >= before.floor && after.floor <= before.floor + U256::from(1_000), "{name}");
        assert!(after.guards.turnover_left >= before.guards.turnover_left, "{name}");
        let guards = Guards { turnover_left: before.guards.turnover_left, ..after.guards.clone() };
        let rest = Vault { floor: before.floor, cash_lock: before.cash_lock, guards, ..after.clone() };
        assert_eq!(rest, before, "{name}");
    }
}
