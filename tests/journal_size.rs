//! How much room the journal takes on a day of 10,000 vaults. `docs/journal.md` and `docs/performance.md` have the figures.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails where it stands"
)]

#[path = "support/facts.rs"]
mod facts;
#[path = "support/records.rs"]
mod records;

use std::path::Path;

use alloy::primitives::{Address, I256, U256, keccak256};
use facts::{Facts, GWEI, Liquidity};
use records::{begun, block, verified};
use rust_decimal::Decimal;
use tempfile::TempDir;
use vault_keeper::domain::decision::{Texts, Verdict, decide};
use vault_keeper::domain::snapshot::{Round, Snapshot};
use vault_keeper::journal::{BlockRecord, CycleRecord, Journal, Roster, Standing, Urgency};

/// Blocks of a day on Ethereum.
const BLOCKS_PER_DAY: u64 = 7_200;
/// Vaults of a keeper with many.
const VAULTS: u64 = 10_000;
/// What a day may take, bytes.
const PROMISED: u64 = 50_000_000;

/// So many vaults, ascending.
fn vaults(count: u64) -> Vec<Address> {
    (0..count).map(|at| Address::left_padding_from(&(at + 1).to_be_bytes())).collect()
}

fn decided(vault: Address) -> Standing {
    Ok(keccak256(vault))
}

/// The size of the file after `write`, in bytes.
async fn size_after(path: &Path, write: impl AsyncFnOnce(&Journal)) -> u64 {
    let journal = Journal::open(path).await.unwrap();
    write(&journal).await;
    journal.close().await;
    std::fs::metadata(path).unwrap().len()
}

/// Bytes that each of many blocks with so many stored nodes takes.
async fn bytes_a_block(nodes: u64) -> u64 {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("keeper.db");
    let blocks = 1_000_u64;
    let mut roster: Option<Roster> = None;
    let empty = size_after(&path, async |journal| roster = Some(begun(journal, vaults(nodes)).await)).await;
    let roster = roster.unwrap();
    let full = size_after(&path, async |journal| {
        for number in 1..=blocks {
            // Hashes come in no order.
            let hash = keccak256(number.to_be_bytes());
            let record = BlockRecord { hash, ..block(number, &roster, decided) };
            journal.record_block(&roster, &record).await.unwrap();
        }
    });
    (full.await - empty) / blocks
}

#[tokio::test]
async fn over_many_blocks_a_record_takes_its_level_its_place_in_the_ledger_and_its_indices() {
    // As many nodes as are stored of 10,000 leaves, and the most there are.
    for (nodes, expected) in [(40, 2_174), (64, 4_231)] {
        let each = bytes_a_block(nodes).await;
        assert_eq!(each, expected, "{nodes} nodes");
        assert!(each * BLOCKS_PER_DAY < PROMISED);
    }
}

/// What is alike for all vaults of a block.
struct Head {
    number: u64,
    gas_gwei: u64,
    /// The price of the risky asset, cents.
    price: u64,
}

/// A number below `below` that is another for each vault and each use.
fn drawn(vault: u64, what: &str, below: u64) -> u64 {
    let hash = keccak256(format!("{vault} {what}"));
    u64::from_be_bytes(hash[..8].try_into().unwrap()) % below
}

/// A vault with address, policy, holdings and history of its own, 500,000 to 5,000,000 dollars, that holds too much at 1,980
/// dollars.
fn vault_at(vault: u64, head: &Head) -> Facts {
    let value = 500_000 + drawn(vault, "value", 4_500_000);
    let mut facts = Facts::all_stable().market(
        Decimal::from(head.price) / Decimal::from(100),
        &Liquidity::default(),
        false,
    );
    let micro = drawn(vault, "cash", 1_000_000);
    let risky = Decimal::from(value * 37 / 100) / Decimal::from(2_000)
        + Decimal::new(i64::try_from(drawn(vault, "risky", 1_000_000_000)).unwrap(), 18);
    facts.hold(&risky.to_string(), &format!("{}.{micro:06}", value * 63 / 100));
    let (snapshot, policy) = (&mut facts.snapshot, &mut facts.policy);
    policy.name = format!("vault {vault}");
    let of = &mut snapshot.vault;
    of.address = Address::from_slice(&keccak256(vault.to_be_bytes())[..20]);
    of.floor = U256::from(value) * U256::from(900_000);
    of.total_supply = U256::from(drawn(vault, "supply", u64::MAX));
    of.next_nonce = drawn(vault, "nonce", 500);
    of.last_rebalance = facts::NOW - 3_600 - drawn(vault, "last", 200_000);
    of.guards.turnover_left = U256::from(value) * U256::from(1_000_000 - drawn(vault, "turnover", 100_000));
    at(snapshot, head);
    facts
}

/// Moves the facts to a block: 12 seconds each, a round of the feed an hour.
fn at(snapshot: &mut Snapshot, head: &Head) {
    let since = head.number - snapshot.block.number;
    snapshot.block.number = head.number;
    snapshot.block.hash = keccak256(head.number.to_be_bytes());
    snapshot.block.timestamp += since * 12;
    snapshot.block.next_base_fee = head.gas_gwei * GWEI;
    let newest = since / 300;
    let feed = &mut snapshot.feeds.risky_usd;
    feed.history =
        (newest..newest + 60).map(|number| round(number, 197_000 + drawn(number, "price", 2_000))).collect();
    feed.latest = Some(round(newest + 60, head.price));
}

/// A round of the feed, one an hour, at a price in cents and a part of a cent; the last of the head 18,573,000 is number 60.
fn round(number: u64, cents: u64) -> Round {
    let part = drawn(number, "part", 1_000_000);
    Round {
        id: (5_u128 << 64) + 900 + u128::from(number),
        answer: I256::try_from(cents * 1_000_000 + part).unwrap(),
        updated_at: facts::NOW - 61 * 3_600 + number * 3_600 + drawn(number, "second", 3_500),
    }
}

/// The full record of a vault at a head.
fn record(vault: u64, head: &Head) -> CycleRecord {
    let (snapshot, policy) = vault_at(vault, head).published();
    let decision = decide(&snapshot, &policy);
    let texts = Texts::of(&snapshot, &decision).unwrap();
    let decision_hash = texts.hash(policy.hash()).unwrap();
    let trades = matches!(decision.verdict, Verdict::Rebalance { .. });
    CycleRecord {
        chain_id: 1,
        vault: snapshot.vault.address,
        block_number: snapshot.block.number,
        block_hash: snapshot.block.hash,
        block_timestamp: snapshot.block.timestamp,
        policy_hash: policy.hash(),
        snapshot_hash: keccak256(texts.snapshot.as_bytes()),
        decision_hash,
        verdict: decision.verdict.name().to_owned(),
        reason: Some(decision.verdict.reason().code()),
        decision_json: texts.decision,
        snapshot_json: Some(texts.snapshot),
        dispatch: Some(if trades { "in_flight" } else { "nothing" }.to_owned()),
        urgency: Urgency::Routine,
    }
}

/// Bytes of the file and of the texts that each of these records takes, which are read back and verified.
async fn bytes_a_record(records: &[CycleRecord]) -> (u64, u64) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("keeper.db");
    let empty = size_after(&path, async |_| {}).await;
    let full = size_after(&path, async |journal| {
        for record in records {
            journal.record_cycle(record).await.unwrap();
        }
    })
    .await;
    let count = u64::try_from(records.len()).unwrap();
    assert_eq!(verified(&path).await, Ok(count));
    let journal = Journal::open_read_only(&path).await.unwrap();
    for record in records.iter().step_by(97) {
        let read = journal.cycles((1, record.vault), record.block_number..=record.block_number, 0).await;
        assert_eq!(read.unwrap().iter().map(|entry| &entry.record).collect::<Vec<_>>(), [record]);
    }
    let texts = records
        .iter()
        .map(|record| record.decision_json.len() + record.snapshot_json.as_ref().unwrap().len());
    ((full - empty) / count, u64::try_from(texts.sum::<usize>()).unwrap() / count)
}

/// A head a third of an hour of blocks after the one before, at which gas stops a purchase or a sale or does not.
fn head(number: u64, stopped: bool) -> Head {
    Head { number, gas_gwei: if stopped { 150 } else { 20 }, price: 198_000 - number % 50 * 13 }
}

/// Bytes of the day with so many bytes for each of two full records of every vault.
const fn day(each: u64) -> u64 {
    2_174 * BLOCKS_PER_DAY + each * 2 * VAULTS
}

#[tokio::test]
async fn a_day_on_which_gas_stops_all_of_10_000_vaults_and_lets_them_go_takes_less_than_50_megabytes() {
    // So many of them, which are like the others.
    let sample = 500;
    let at = |head: Head| (0..sample).map(|vault| record(vault, &head)).collect::<Vec<_>>();
    let (there, back) = (at(head(18_573_000, true)), at(head(18_574_000, false)));
    for (records, code) in [(&there, "gas_over_cap"), (&back, "worth")] {
        assert!(records.iter().all(|record| record.reason.as_deref() == Some(code)), "{code}");
    }
    let (each, texts) = bytes_a_record(&[there, back].concat()).await;
    assert!((1_100..1_200).contains(&each), "{each} bytes a record, whose texts have {texts}");
    assert!((8_700..8_800).contains(&texts), "{texts} bytes of texts");
    assert!(day(each) < PROMISED, "{} bytes a day", day(each));
}

#[tokio::test]
async fn it_does_where_each_vault_stops_and_goes_at_a_block_of_its_own() {
    let records: Vec<_> =
        (0..1_000).map(|at| record(at / 2, &head(18_573_000 + at * 7, at % 2 == 0))).collect();
    let (each, _) = bytes_a_record(&records).await;
    assert!((1_150..1_250).contains(&each), "{each} bytes a record");
    assert!(day(each) < PROMISED, "{} bytes a day", day(each));
}

#[tokio::test]
async fn a_record_that_shares_its_facts_with_none_before_it_takes_twice_as_much() {
    let strange = |at: u64| {
        let record = record(at, &head(18_573_000 + at * 700, false));
        let feed =
            |text: String| text.replace("5f4ec3df9cbd43714fe2740f5e3616155c5b8419", &format!("{at:040}"));
        CycleRecord { snapshot_json: record.snapshot_json.map(feed), ..record }
    };
    let (each, _) = bytes_a_record(&(0..300).map(strange).collect::<Vec<_>>()).await;
    assert!((2_200..2_400).contains(&each), "{each} bytes a record");
}
