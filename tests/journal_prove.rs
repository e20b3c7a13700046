//! `keeper journal prove`, and what a keeper that runs leaves of heads at which it does nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails where it stands"
)]

#[path = "support/golden.rs"]
mod golden;
#[path = "support/keeper_process.rs"]
mod keeper_process;
#[path = "support/program.rs"]
mod program;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/records.rs"]
mod records;

use std::collections::BTreeSet;

use alloy::primitives::{Address, B256, keccak256};
use alloy::providers::Provider;
use alloy::providers::ext::AnvilApi;
use alloy::rpc::types::anvil::ReorgOptions;
use golden::Golden;
use keeper_process::{Ended, Home, NODE, ONCE, PRICE, Scene, published, until, with};
use program::Place;
use proxy::{Act, Calls, Proxy};
use records::{VAULT, block, cycle, run};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use vault_keeper::domain::decision::DECISION_VERSION;
use vault_keeper::domain::merkle::{Proof, TreeHead, leaf};
use vault_keeper::journal::{
    Absence, AttemptKind, CycleRecord, IntentState, Journal, Roster, RunRecord, Standing,
};

const KEEPER: &str = include_str!("../keeper.example.toml");
const POLICY: &str = include_str!("../examples/policies/cppi.toml");

/// A configuration with one vault on Ethereum, and a journal of a process that keeps it beside `others`.
async fn written(others: impl IntoIterator<Item = Address>) -> (Place, Journal, Roster) {
    let place = Place::with(KEEPER, POLICY);
    place.change("0x1111111111111111111111111111111111111111", &VAULT.to_string());
    let journal = Journal::open(&place.path("keeper.db")).await.unwrap();
    journal.record_run(&run()).await.unwrap();
    let roster = journal.record_roster(1, others.into_iter().chain([VAULT])).await.unwrap();
    (place, journal, roster)
}

fn prove(place: &Place, block: u64) -> program::Ended {
    place.run(&["journal", "prove", "--vault", "eth-cppi", "--block", &block.to_string(), "--json"])
}

/// Asserts that what was printed proves its leaf, and returns that.
fn proved(printed: &Value) -> B256 {
    let text = |name: &str| printed[name].as_str().unwrap().to_owned();
    let hash = |name: &str| text(name).parse::<B256>().unwrap();
    let path = printed["path"].as_array().unwrap();
    let path = path.iter().map(|node| node.as_str().unwrap().parse().unwrap()).collect();
    let leaves = text("leaves").parse().unwrap();
    let proof = Proof { index: text("index").parse().unwrap(), leaves, path };
    assert!(proof.verify(hash("leaf"), &TreeHead { leaves, root: hash("root") }), "{printed}");
    if printed.get("snapshot_hash").is_some() {
        let address = text("address").parse().unwrap();
        assert_eq!(leaf(address, hash("snapshot_hash"), hash("decision_hash")), hash("leaf"));
    }
    hash("leaf")
}

fn decided(vault: Address) -> Standing {
    Ok(keccak256(vault))
}

#[tokio::test]
async fn a_leaf_that_is_stored_is_proved_without_a_network_with_what_it_is_made_of_where_that_is_recorded() {
    let (place, journal, roster) = written([Address::ZERO, Address::repeat_byte(0xff)]).await;
    let record = CycleRecord { chain_id: 1, ..cycle(7) };
    journal.record_cycle(&record).await.unwrap();
    let of_record = leaf(VAULT, record.snapshot_hash, record.decision_hash);
    let standing = |vault| if vault == VAULT { Ok(of_record) } else { decided(vault) };
    let head = journal.record_block(&roster, &block(7, &roster, standing)).await.unwrap();
    journal.record_block(&roster, &block(8, &roster, decided)).await.unwrap();

    let ended = prove(&place, 7);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{ended:?}");
    let printed = ended.json();
    assert_eq!(proved(&printed), of_record);
    let newest = journal.blocks(1, 7..=7, None).await.unwrap().remove(0);
    let expected = json!({
        "vault": "eth-cppi",
        "address": VAULT,
        "block": "7",
        "block_hash": record.block_hash,
        "leaf": of_record,
        "index": "1",
        "leaves": "3",
        "path": printed["path"],
        "root": head.root,
        "seq": "4",
        "ledger_hash": newest.ledger_hash,
        "snapshot_hash": record.snapshot_hash,
        "decision_hash": record.decision_hash,
    });
    assert_eq!(printed, expected);

    let ended = prove(&place, 8);
    assert_eq!(proved(&ended.json()), keccak256(VAULT));
    assert!(ended.json().get("snapshot_hash").is_none(), "it was a leaf alone: {ended:?}");
    // A policy of another chain than the journal's.
    let address = VAULT.to_string();
    let asked = ["journal", "prove", "--vault", &address, "--block", "7", "--policy", "other.toml"];
    place.write("other.toml", &with(POLICY, "chain_id = 1 ", "chain_id = 10 "));
    let other = place.run(&[&asked[..], &["--file", "keeper.db"]].concat());
    let why = "keeper: the policy is for chain 10, the journal has records of chain 1 alone\n";
    assert_eq!((other.code, other.err.as_str()), (2, why));
    // Without a configuration nothing names the journal.
    let nowhere = place.run(&[&["--config", "nowhere.toml"], &asked[..]].concat());
    let why = "keeper: there is no nowhere.toml that names the journal: name the journal with --file, or a configuration \
               with --config\n";
    assert_eq!((nowhere.code, nowhere.err.as_str()), (2, why));
    let table = place.run(&["journal", "prove", "--vault", "eth-cppi", "--block", "7"]);
    for part in ["block hash", "ledger hash", "decision hash", &of_record.to_string()] {
        assert!(table.code == 0 && table.out.contains(part), "{part}: {table:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_proved_is_refused_with_the_reason() {
    let (place, journal, roster) = written([Address::ZERO]).await;
    let absent = |code| move |vault| if vault == VAULT { Err(code) } else { decided(vault) };
    journal.record_block(&roster, &block(7, &roster, absent(Absence::Unread))).await.unwrap();
    journal.record_block(&roster, &block(8, &roster, decided)).await.unwrap();
    journal.mark_orphaned(1, cycle(8).block_hash).await.unwrap();
    journal.record_block(&roster, &block(10, &roster, |_| Err(Absence::NoVerdict))).await.unwrap();
    let others = journal.record_roster(1, [Address::ZERO]).await.unwrap();
    journal.record_block(&others, &block(9, &others, decided)).await.unwrap();
    let said = |block: u64| {
        let ended = prove(&place, block);
        assert_eq!((ended.code, ended.out.as_str()), (1, ""), "{ended:?}");
        ended.err
    };
    for (block, why) in [
        (6, "there is no record of block 6: no keeper with this journal saw it".to_owned()),
        (7, "vault `eth-cppi` has no leaf at block 7: `unread`, its facts could not be read".to_owned()),
        (8, format!("block 8 was seen as {} alone, which has left the chain", cycle(8).block_hash)),
        (9, "vault `eth-cppi` was not kept at block 9: it is not in the roster".to_owned()),
        (10, "vault `eth-cppi` has no leaf at block 10: `no_verdict`, the endpoints disagreed".to_owned()),
    ] {
        let told = said(block);
        assert!(told.contains(&why), "{told}");
    }
    let unknown = place.run(&["journal", "prove", "--vault", "other", "--block", "7"]);
    assert_eq!(unknown.code, 2, "{unknown:?}");

    // The chain is back at block 8, and a later process kept the vault at block 7.
    let again = journal.record_roster(1, [Address::ZERO, VAULT]).await.unwrap();
    for number in [7, 8] {
        journal.record_block(&again, &block(number, &again, decided)).await.unwrap();
        assert_eq!(proved(&prove(&place, number).json()), keccak256(VAULT));
    }
}

#[tokio::test]
async fn processes_rosters_and_blocks_are_exported_with_their_bytes_in_hexadecimal() {
    let (place, journal, roster) = written([Address::ZERO]).await;
    let standing = |vault| if vault == VAULT { decided(vault) } else { Err(Absence::GivenUp) };
    let head = journal.record_block(&roster, &block(7, &roster, standing)).await.unwrap();
    let lines = place.run(&["journal", "export"]);
    let records: Vec<Value> = lines.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<_> = records.iter().map(|record| record["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["run", "roster", "block"]);
    assert_eq!(
        (&records[0]["program_version"], &records[0]["decision_version"]),
        (&json!("1.2.3"), &json!("3"))
    );
    let both = format!("0x{}{}", "00".repeat(20), "aa".repeat(20));
    assert_eq!((&records[1]["run_id"], &records[1]["vaults"]), (&json!("1"), &json!(both)));
    let expected = [
        ("chain_id", json!("1")),
        ("block_number", json!("7")),
        ("block_hash", json!(cycle(7).block_hash)),
        ("block_timestamp", json!("1007")),
        ("roster_id", json!("1")),
        ("leaves", json!("1")),
        ("root", json!(head.root)),
        ("level", json!(keccak256(VAULT))),
        ("absences", json!(format!(r#"[{{"code":"given_up","vault":"{:#x}"}}]"#, Address::ZERO))),
    ];
    for (column, value) in expected {
        assert_eq!(records[2][column], value, "{column}");
    }
    let verified = place.run(&["journal", "verify", "--json"]).json();
    assert_eq!(records[2]["ledger_hash"], verified["hash"]);
    let table = place.run(&["journal", "export", "--format", "csv"]);
    let rows: Vec<_> = table.out.lines().collect();
    assert!(
        rows.len() == 4 && rows[0].ends_with("roster_id,leaves,root,level,absences,last_orphan"),
        "{table:?}"
    );
    assert!(rows[3].contains(&head.root.to_string()), "{table:?}");
}

/// A keeper whose vault holds.
async fn at_rest() -> (Scene, Home) {
    let scene = Scene::set().await;
    let home = Home::new(&scene, &scene.stage.chain.endpoint()).await;
    while home.once_mined(&scene).await.json()["dispatch"] == "executed" {
        scene.price(PRICE, 301).await;
    }
    (scene, home)
}

/// The same, with what stands between it and its node.
async fn at_rest_behind() -> (Scene, Home, Proxy) {
    let (scene, mut home) = at_rest().await;
    let node = Proxy::start(scene.stage.chain.endpoint()).await;
    home.set(NODE, node.url());
    (scene, home, node)
}

async fn prove_at(home: &Home, block: u64) -> Ended {
    home.start(&["journal", "prove", "--vault", "main", "--block", &block.to_string(), "--json"]).end().await
}

/// The hashes of snapshot and decision of `vault` at a block, as other commands tell them.
async fn hashes(home: &Home, vault: &str, block: u64) -> (B256, B256) {
    let block = block.to_string();
    let snapshot = home.start(&["snapshot", "--vault", vault, "--block", &block]).end().await.stdout;
    let decided = home.start(&["decide", "--vault", vault, "--block", &block, "--json"]).end().await.json();
    let decision_hash = decided["decision_hash"].as_str().unwrap().parse().unwrap();
    (keccak256(snapshot.trim_end()), decision_hash)
}

#[tokio::test]
async fn blocks_at_which_nothing_changes_are_leaves_alone_and_each_can_be_proved() {
    let (scene, home) = at_rest().await;
    let (blocks, cycles) = (home.blocks(&scene).await.len(), home.cycles(&scene).await);
    let daemon = home.start(&["run"]);
    for seen in 1..=3 {
        until("the block is recorded", async || home.blocks(&scene).await.len() >= blocks + seen).await;
        scene.mine(1).await;
    }
    until("the last block is recorded", async || home.blocks(&scene).await.len() >= blocks + 4).await;
    let ended = daemon.terminate().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let seen = home.blocks(&scene).await.split_off(blocks);
    assert!(seen.iter().all(|block| block.head.leaves == 1 && !block.orphaned), "{seen:?}");
    let mut expected = cycles.clone();
    expected.push(("hold".to_owned(), cycles.last().unwrap().1.clone()));
    assert_eq!(home.cycles(&scene).await, expected, "the first of the process and no other");

    for (at, block) in seen.iter().enumerate() {
        let (snapshot_hash, decision_hash) = hashes(&home, "main", block.number).await;
        assert_eq!(block.level, [leaf(scene.vault, snapshot_hash, decision_hash)], "block {}", block.number);
        let ended = prove_at(&home, block.number).await;
        assert_eq!(proved(&ended.json()), block.head.root, "{ended:?}");
        assert_eq!(ended.json().get("decision_hash").is_some(), at == 0, "{ended:?}");
        // A node can tell what a leaf is made of that is in no other record.
        let (number, node) = (block.number.to_string(), scene.stage.chain.endpoint());
        let asked = ["journal", "prove", "--vault", "main", "--block", &number, "--json", "--rpc", &node];
        let told = home.start(&asked).end().await.json();
        assert_eq!((proved(&told), &told["path"]), (block.head.root, &json!([])), "{told}");
        assert_eq!(told["decision_hash"], json!(decision_hash), "{told}");
    }
    let journal = home.journal().await;
    assert!(journal.verify().await.unwrap().is_ok());
    let runs = journal.runs(0).await.unwrap();
    let version = (env!("CARGO_PKG_VERSION"), DECISION_VERSION);
    assert!(runs.iter().all(|run| (&*run.record.program_version, &*run.record.decision_version) == version));
    assert_eq!(runs.len(), journal.rosters(scene.stage.chain.chain_id(), 0).await.unwrap().len());
}

#[tokio::test]
async fn a_decision_for_another_reason_is_recorded_in_full_again() {
    let (scene, home) = at_rest().await;
    let before = home.cycles(&scene).await.len();
    let daemon = home.start(&["run", "--dry-run"]);
    until("the first cycle is recorded", async || home.cycles(&scene).await.len() == before + 1).await;
    let blocks = home.blocks(&scene).await.len();
    scene.mine(1).await;
    until("the block is recorded", async || home.blocks(&scene).await.len() > blocks).await;
    // The owner approves a policy that the keeper does not hold.
    let other = with(&scene.policy, "min_trade = \"100\"", "min_trade = \"101\"");
    scene.approve(&other).await;
    until("it is recorded", async || home.cycles(&scene).await.len() == before + 2).await;
    let blocks = home.blocks(&scene).await.len();
    scene.mine(1).await;
    until("the block is recorded", async || home.blocks(&scene).await.len() > blocks).await;
    scene.approve(&scene.policy).await;
    until("it is recorded", async || home.cycles(&scene).await.len() == before + 3).await;
    daemon.terminate().await;
    let told = home.cycles(&scene).await.split_off(before);
    let verdicts: Vec<_> = told.iter().map(|(verdict, reason)| (verdict.as_str(), reason.as_str())).collect();
    assert_eq!(verdicts[1], ("refuse", "policy_mismatch"));
    assert_eq!((verdicts[0], verdicts.len()), (verdicts[2], 3));
    let journal = home.journal().await;
    let full = journal.recent_cycles(scene.vault, 3).await.unwrap();
    assert!(full.iter().all(|cycle| cycle.record.snapshot_json.is_some()));
}

#[tokio::test]
async fn a_vault_that_cannot_be_read_is_absent_from_the_record_of_the_block() {
    let scene = Scene::set().await;
    let proxy = Proxy::start(scene.stage.chain.endpoint()).await;
    let home = Home::new(&scene, proxy.url()).await;
    proxy.rule("eth_call", Calls::Every, Act::Raw(502, "", "<html>Bad Gateway</html>".to_owned()));
    let ended = home.start(&ONCE).end().await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
    let seen = home.blocks(&scene).await;
    assert_eq!((seen.len(), seen[0].head.leaves), (1, 0));
    assert_eq!(seen[0].absences.of(scene.vault), Some(Absence::Unread));
    let status = home.start(&["status", "--json"]).end().await.json();
    assert_eq!(status[0]["seen"]["absent"], "unread", "{status}");
    let ended = prove_at(&home, seen[0].number).await;
    assert!(ended.message().contains("`unread`, its facts could not be read"), "{ended:?}");
}

/// A roster of 64 vaults that are nowhere, and two that are on the stage: theirs are the last leaves of 66, below one node.
struct Pair {
    scene: Scene,
    home: Home,
    second: Address,
    number: u64,
}

const SECOND: &str = "\n[[vault]]\nname = \"second\"\nchain = \"stage\"\naddress = \"VAULT\"\nsigner = \"hot\"\n\
     policies = [\"cppi.toml\"]\n";

impl Pair {
    async fn set() -> Self {
        let scene = Scene::set().await;
        let plan = scene.stage.vault_plan(published(&scene.policy).hash());
        let second = scene.stage.vault(&plan, Decimal::from(1_000_000)).await.unwrap().address;
        let home = Home::new(&scene, &scene.stage.chain.endpoint()).await;
        let number = scene.stage.chain.block_number().await.unwrap();
        scene.mine(2).await;
        Self { scene, home, second, number }
    }

    fn add_second(&self) {
        let text = std::fs::read_to_string(self.home.path("keeper.toml")).unwrap();
        self.home.write("keeper.toml", &(text + &SECOND.replace("VAULT", &self.second.to_string())));
    }

    /// Records the block as a process with this version of the decision would that found these leaves.
    async fn record(&self, version: &str, leaves: [B256; 2]) {
        self.record_after(&[], version, leaves).await;
    }

    /// The same, with full records before it.
    async fn record_after(&self, full: &[CycleRecord], version: &str, leaves: [B256; 2]) {
        let chain = &self.scene.stage.chain;
        let number = self.number.to_string();
        let facts = self.home.start(&["snapshot", "--vault", "main", "--block", &number]).end().await.json();
        let journal = Journal::open(&self.home.path("keeper.db")).await.unwrap();
        let decision_version = version.to_owned();
        journal
            .record_run(&RunRecord { program_version: "9.9.9".to_owned(), decision_version })
            .await
            .unwrap();
        let nowhere = (1..=64_u64).map(|at| Address::left_padding_from(&at.to_be_bytes()));
        let kept = nowhere.chain([self.scene.vault, self.second]);
        let roster = journal.record_roster(chain.chain_id(), kept).await.unwrap();
        let standing = |vault| match vault {
            vault if vault == self.scene.vault => Ok(leaves[0]),
            vault if vault == self.second => Ok(leaves[1]),
            other => decided(other),
        };
        let mut record = block(self.number, &roster, standing);
        record.hash = facts["block"]["hash"].as_str().unwrap().parse().unwrap();
        record.timestamp = facts["block"]["timestamp"].as_str().unwrap().parse().unwrap();
        for cycle in full {
            journal.record_cycle(cycle).await.unwrap();
        }
        journal.record_block(&roster, &record).await.unwrap();
        journal.close().await;
    }

    /// Full records of what is decided on both vaults at the block.
    async fn in_full(&self) -> Vec<CycleRecord> {
        let mut records = Vec::new();
        for (name, vault) in [("main", self.scene.vault), ("second", self.second)] {
            let number = self.number.to_string();
            let asked = ["--vault", name, "--block", &number, "--json"];
            let facts = self.home.start(&[&["snapshot"], &asked[..]].concat()).end().await;
            let decided = self.home.start(&[&["decide"], &asked[..]].concat()).end().await.json();
            let block = facts.json()["block"].take();
            records.push(CycleRecord {
                chain_id: self.scene.stage.chain.chain_id(),
                vault,
                block_number: self.number,
                block_hash: block["hash"].as_str().unwrap().parse().unwrap(),
                block_timestamp: block["timestamp"].as_str().unwrap().parse().unwrap(),
                reason: Some(decided["reason"]["code"].as_str().unwrap().to_owned()),
                snapshot_json: Some(facts.stdout.trim_end().to_owned()),
                ..of_printed(&decided)
            });
        }
        records
    }
}

#[tokio::test]
async fn leaves_below_a_stored_node_are_decided_on_again_and_must_hash_to_it() {
    let pair = Pair::set().await;
    pair.record(DECISION_VERSION, [B256::ZERO, B256::ZERO]).await;
    let beside = prove_at(&pair.home, pair.number).await;
    assert_eq!(beside.code, Some(2), "{beside:?}");
    let missing = format!("vault {} stands beside that of this vault at block {}", pair.second, pair.number);
    assert!(beside.message().contains(&missing), "{beside:?}");

    pair.add_second();
    let other = prove_at(&pair.home, pair.number).await;
    assert_eq!(other.code, Some(1), "{other:?}");
    let differs = format!("on 2 vaults at block {} again hashes to 0x", pair.number);
    assert!(other.message().contains(&differs), "{other:?}");
    assert!(other.message().contains("the configuration must have the policies of that block"), "{other:?}");

    let (first, second) =
        (hashes(&pair.home, "main", pair.number).await, hashes(&pair.home, "second", pair.number).await);
    let leaves = [leaf(pair.scene.vault, first.0, first.1), leaf(pair.second, second.0, second.1)];
    pair.record(DECISION_VERSION, leaves).await;
    let ended = prove_at(&pair.home, pair.number).await;
    let printed = ended.json();
    assert_eq!((proved(&printed), &printed["leaves"]), (leaves[0], &json!("66")), "{ended:?}");
    assert_eq!(printed["decision_hash"], first.1.to_string());
    // One sibling is decided on again, and the last node of all levels but two is promoted.
    assert_eq!(printed["path"].as_array().unwrap().len(), 2, "{printed}");

    // Without a configuration: the vault, the one beside it, and the policy of both.
    let auditor = Auditor::of(&pair.home);
    let (node, second) = (pair.scene.stage.chain.endpoint(), pair.second.to_string());
    let number = pair.number.to_string();
    let asked = ["journal", "prove", "--block", &number, "--file", "keeper.db"];
    let alone = auditor.asks(&pair.scene, &asked, &["--rpc", &node]);
    assert_eq!(alone.code, 2, "{alone:?}");
    assert!(alone.err.contains(&missing) && alone.err.contains("--beside"), "{alone:?}");
    let both = auditor.asks(&pair.scene, &asked, &["--rpc", &node, "--beside", &second]);
    assert_eq!((proved(&both.json()), &both.json()["path"]), (leaves[0], &printed["path"]), "{both:?}");
    let nowhere = auditor.asks(&pair.scene, &asked, &["--beside", &second]);
    assert_eq!((nowhere.code, nowhere.err.as_str()), (2, "keeper: name an endpoint with --rpc\n"));

    pair.record("2", leaves).await;
    let old = prove_at(&pair.home, pair.number).await;
    assert!(
        old.message().contains("by version 2 of the decision") && old.message().contains("use keeper 9.9.9"),
        "{old:?}"
    );
}

/// Someone with a copy of the journal and the published policy, and no configuration.
struct Auditor {
    place: Place,
}

impl Auditor {
    fn of(home: &Home) -> Self {
        let place = Place::empty();
        for file in ["keeper.db", "cppi.toml"] {
            std::fs::copy(home.path(file), place.path(file)).unwrap();
        }
        Self { place }
    }

    /// Runs a command on the vault of the scene, by its address and its policy.
    fn asks(&self, scene: &Scene, command: &[&str], more: &[&str]) -> program::Ended {
        let vault = scene.vault.to_string();
        let ended = self
            .place
            .run(&[command, &["--vault", &vault, "--policy", "cppi.toml", "--json"], more].concat());
        assert!(!self.place.path("keeper.toml").exists());
        ended
    }
}

#[tokio::test]
async fn an_auditor_needs_an_address_a_policy_and_a_node() {
    let (scene, home) = at_rest().await;
    let number = home.blocks(&scene).await.last().unwrap().number;
    let (block, node) = (number.to_string(), scene.stage.chain.endpoint());
    let (snapshot_hash, decision_hash) = hashes(&home, "main", number).await;
    scene.price(PRICE + 100, 301).await;
    let auditor = Auditor::of(&home);

    let snapshot = auditor.asks(&scene, &["snapshot", "--block", &block], &["--rpc", &node]);
    assert_eq!((snapshot.code, keccak256(snapshot.out.trim_end())), (0, snapshot_hash), "{snapshot:?}");
    let decided = auditor.asks(&scene, &["decide", "--block", &block], &["--rpc", &node, "--rpc", &node]);
    assert_eq!((decided.code, &decided.json()["decision_hash"]), (0, &json!(decision_hash)), "{decided:?}");
    // A leaf that is stored needs no node at all.
    let leaf_alone =
        auditor.asks(&scene, &["journal", "prove", "--block", &block, "--file", "keeper.db"], &[]);
    assert_eq!(proved(&leaf_alone.json()), leaf(scene.vault, snapshot_hash, decision_hash), "{leaf_alone:?}");
    // The newest block is another one.
    let newest =
        auditor.asks(&scene, &["snapshot"], &["--rpc", &node, "--rpc", &node, "--reader", "multicall"]);
    let at_the_head = auditor.asks(&scene, &["snapshot"], &["--rpc", &node]);
    assert_eq!((newest.code, &newest.out), (0, &at_the_head.out), "{newest:?}");
    let at_the_head: u64 = newest.json()["block"]["number"].as_str().unwrap().parse().unwrap();
    assert!(at_the_head > number, "{newest:?}");

    let refused = |command: &[&str], more: &[&str], why: &str| {
        let ended = auditor.asks(&scene, command, more);
        assert_eq!((ended.code, ended.out.as_str(), ended.err.as_str()), (2, "", why), "{command:?}");
    };
    for command in ["snapshot", "decide"] {
        refused(&[command], &[], "keeper: name an endpoint with --rpc\n");
        let ended = auditor.asks(&scene, &[command, "--block", "1000000"], &["--rpc", &node]);
        assert_eq!((ended.code, ended.err.as_str()), (1, "keeper: block 1000000 is not on this chain yet\n"));
    }
    let text = std::fs::read_to_string(auditor.place.path("cppi.toml")).unwrap();
    auditor.place.write("cppi.toml", &with(&text, "chain_id = 31337", "chain_id = 1"));
    let other = "keeper: --rpc serves chain 31337, the policy is for chain 1\n";
    refused(&["decide"], &["--rpc", &node], other);
    refused(&["snapshot"], &["--rpc", &node], other);
    let vault = scene.vault.to_string();
    let none = auditor.place.run(&["snapshot", "--vault", &vault, "--rpc", &node]);
    assert_eq!((none.code, none.err.contains("name one with --policy")), (2, true), "{none:?}");
}

async fn replayed(home: &Home, arguments: &[&str]) -> Ended {
    let journal = home.path("keeper.db");
    let begin = ["replay", "--no-execution", "--journal", journal.to_str().unwrap()];
    home.start(&[&begin, arguments].concat()).end().await
}

/// A replay with these arguments names the policies that are missing.
async fn says_what_is_missing(pair: &Pair, alone: &[&str]) {
    let missing = format!(
        "the policies of {0} are not given: replay with a configuration that has it, or name it too, with --vault {0}",
        pair.second
    );
    for format in ["table", "html"] {
        let ended = replayed(&pair.home, &[alone, &["--format", format]].concat()).await;
        let words = ended.stdout.split_whitespace().collect::<Vec<_>>().join(" ").replace(" │ │ ", " ");
        assert!(ended.code == Some(1) && words.contains("not checked"), "{ended:?}");
        assert!(words.replace("│ ", "").contains(&missing) || format == "table", "{words}");
    }
}

#[tokio::test]
async fn a_replay_decides_again_on_all_vaults_under_a_stored_node_or_says_that_it_did_not() {
    let pair = Pair::set().await;
    pair.add_second();
    let (first, second) =
        (hashes(&pair.home, "main", pair.number).await, hashes(&pair.home, "second", pair.number).await);
    let leaves = [leaf(pair.scene.vault, first.0, first.1), leaf(pair.second, second.0, second.1)];
    pair.record(DECISION_VERSION, leaves).await;

    // A purchase was decided on each of them, also on the one whose node was decided on before it.
    let ended = replayed(&pair.home, &["--json"]).await;
    let printed = ended.json();
    for vault in printed["vaults"].as_array().unwrap() {
        let faults: Vec<_> = vault["faults"].as_array().unwrap().iter().collect();
        assert_eq!((ended.code, faults.len()), (Some(1), 1), "{ended:?}");
        let (fault, why) = (&faults[0]["fault"], &faults[0]["why"]);
        assert_eq!((fault, why), (&json!("no_full_record"), &json!("a trade was decided")), "{vault}");
        assert_eq!(vault["blocks"], json!({"checked": 1, "equal": 0, "orphaned": 0}), "{vault}");
    }
    std::fs::remove_file(pair.home.path("keeper.db")).unwrap();
    pair.record_after(&pair.in_full().await, DECISION_VERSION, leaves).await;

    // Both of them are below the node, whichever is asked about.
    for vaults in [&["--vault", "main"][..], &[]] {
        let ended = replayed(&pair.home, &[vaults, &["--json"]].concat()).await;
        let printed = ended.json();
        assert_eq!((ended.code, &printed["equal"]), (Some(0), &json!(true)), "{ended:?}");
        for vault in printed["vaults"].as_array().unwrap() {
            assert_eq!(vault["blocks"], json!({"checked": 1, "equal": 1, "orphaned": 0}), "{vault}");
            assert_eq!((&vault["without_leaf"], &vault["not_checked"]), (&json!(0), &json!(0)), "{vault}");
        }
        assert_eq!(printed["vaults"].as_array().unwrap().len(), if vaults.is_empty() { 2 } else { 1 });
    }

    // Without the policies of the second nothing can be said, which is not that all is well.
    let (policy, node) = (pair.home.path("cppi.toml"), pair.scene.stage.chain.endpoint());
    let vault = pair.scene.vault.to_string();
    let alone = ["--vault", &vault, "--policy", policy.to_str().unwrap(), "--rpc", &node];
    let ended = replayed(&pair.home, &[&alone[..], &["--json"]].concat()).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let told = &ended.json()["vaults"][0];
    assert_eq!(told["blocks"], json!({"checked": 0, "equal": 0, "orphaned": 0}));
    assert_eq!((&told["not_checked"], &told["missing"]), (&json!(1), &json!(pair.second)));
    assert_eq!(told["faults"], json!([]));
    says_what_is_missing(&pair, &alone).await;

    // As is said there.
    let second = pair.second.to_string();
    let ended = replayed(&pair.home, &[&alone[..], &["--vault", &second, "--json"]].concat()).await;
    let told = ended.json();
    assert_eq!((ended.code, &told["equal"]), (Some(0), &json!(true)), "{ended:?}");
    assert_eq!(told["vaults"][0]["blocks"], json!({"checked": 1, "equal": 1, "orphaned": 0}));

    // The decision on the second was another than is recorded.
    pair.record(DECISION_VERSION, [leaves[0], B256::repeat_byte(7)]).await;
    let ended = replayed(&pair.home, &["--vault", "main", "--json"]).await;
    let told = &ended.json()["vaults"][0];
    assert_eq!(
        (ended.code, &told["blocks"]["checked"], &told["blocks"]["equal"]),
        (Some(1), &json!(2), &json!(1))
    );
    let fault = &told["faults"][0];
    assert_eq!((&fault["fault"], &fault["vaults"]), (&json!("node"), &json!(2)), "{ended:?}");
    assert_eq!(fault["block"], json!(pair.number));
}

#[tokio::test]
async fn which_policy_of_several_is_given_first_has_no_part_in_a_stored_node() {
    let mut pair = Pair::set().await;
    pair.add_second();
    // The vault stores the hash of neither policy that the keeper had: it refused, by the one that it had first.
    let other =
        |min: &str| with(&pair.scene.policy, "min_trade = \"100\"", &format!("min_trade = \"{min}\""));
    pair.home.write("other.toml", &other("101"));
    pair.scene.approve(&other("102")).await;
    pair.number = pair.scene.stage.chain.block_number().await.unwrap();
    pair.scene.mine(2).await;
    let orders = ["[\"other.toml\", \"cppi.toml\"]", "[\"cppi.toml\", \"other.toml\"]"];
    let text = std::fs::read_to_string(pair.home.path("keeper.toml")).unwrap();
    let configured = |order| pair.home.write("keeper.toml", &text.replace("[\"cppi.toml\"]", order));
    configured(orders[0]);
    let (first, second) =
        (hashes(&pair.home, "main", pair.number).await, hashes(&pair.home, "second", pair.number).await);
    configured(orders[1]);
    assert_ne!(hashes(&pair.home, "main", pair.number).await, first);
    assert_eq!(hashes(&pair.home, "second", pair.number).await, second);
    let leaves = [leaf(pair.scene.vault, first.0, first.1), leaf(pair.second, second.0, second.1)];
    configured(orders[0]);
    pair.record_after(&pair.in_full().await, DECISION_VERSION, leaves).await;

    for order in orders {
        configured(order);
        // Whichever of the vaults the node is decided on again for.
        for [one, other] in [["main", "second"], ["second", "main"]] {
            let ended = replayed(&pair.home, &["--vault", one, "--vault", other, "--json"]).await;
            let told = ended.json();
            let each = [0, 1].map(|at| (&told["vaults"][at]["faults"], &told["vaults"][at]["blocks"]));
            let expected = (&json!([]), &json!({"checked": 1, "equal": 1, "orphaned": 0}));
            assert_eq!((ended.code, each), (Some(0), [expected; 2]), "{order}: {ended:?}");
        }
        let proof = prove_at(&pair.home, pair.number).await;
        assert_eq!((proved(&proof.json()), proof.code), (leaves[0], Some(0)), "{order}: {proof:?}");
    }
    // What none of the orders makes is a fault still.
    pair.record(DECISION_VERSION, [leaves[0], B256::repeat_byte(7)]).await;
    let ended = replayed(&pair.home, &["--vault", "main", "--json"]).await;
    assert_eq!(ended.json()["vaults"][0]["faults"][0]["fault"], json!("node"), "{ended:?}");
}

/// The full record of a golden decision, as of block 7.
fn of_golden(name: &str) -> CycleRecord {
    let golden = Golden::named(name);
    CycleRecord {
        chain_id: 1,
        snapshot_json: Some(golden.text("snapshot.json").trim_end().to_owned()),
        ..of_printed(&golden.recorded())
    }
}

/// The full record of a decision as `keeper decide` prints it; of block 7, and without its facts.
fn of_printed(printed: &Value) -> CycleRecord {
    let hash = |member: &str| printed[member].as_str().unwrap().parse().unwrap();
    let mut decision = printed.as_object().unwrap().clone();
    decision.retain(|member, _| ["verdict", "reason", "trade", "appraisal"].contains(&member.as_str()));
    CycleRecord {
        policy_hash: hash("policy_hash"),
        snapshot_hash: hash("snapshot_hash"),
        decision_hash: hash("decision_hash"),
        verdict: printed["verdict"].as_str().unwrap().to_owned(),
        decision_json: vault_keeper::domain::canonical::json(&decision).unwrap(),
        snapshot_json: None,
        ..cycle(7)
    }
}

async fn reorganised(scene: &Scene, depth: u64) {
    let options = ReorgOptions { depth, tx_block_pairs: Vec::new() };
    scene.stage.chain.provider().anvil_reorg(options).await.unwrap();
}

/// The keeper runs over as many new blocks, then `then` happens before its eyes.
async fn watched(scene: &Scene, home: &Home, blocks: usize, then: impl AsyncFnOnce()) {
    let before = home.blocks(scene).await.len();
    let daemon = home.start(&["run"]);
    for seen in 1..=blocks {
        until("the head is recorded", async || home.blocks(scene).await.len() >= before + seen).await;
        scene.mine(1).await;
    }
    until("the last head is recorded", async || home.blocks(scene).await.len() > before + blocks).await;
    then().await;
    assert_eq!(daemon.terminate().await.code, Some(0));
}

#[tokio::test]
async fn blocks_that_really_left_the_chain_are_told_as_such_and_are_no_fault() {
    let (scene, home) = at_rest().await;
    let orphaned = async || home.blocks(&scene).await.iter().filter(|block| block.orphaned).count();
    let recorded = async || home.blocks(&scene).await.len();
    watched(&scene, &home, 3, async || {
        let before = recorded().await;
        reorganised(&scene, 2).await;
        until("it sees that they are gone", async || orphaned().await == 2 && recorded().await > before)
            .await;
    })
    .await;
    let all = &["--vault", "main", "--json"];
    let told = replayed(&home, all).await;
    let vault = &told.json()["vaults"][0];
    assert_eq!((told.code, &vault["faults"], &vault["blocks"]["orphaned"]), (Some(0), &json!([]), &json!(2)));
    assert_eq!(vault["blocks"]["equal"], json!(recorded().await - 2), "{told:?}");
    let table = replayed(&home, &["--vault", "main"]).await.stdout;
    assert!(table.contains("equal, 2 on blocks that left the chain"), "{table}");

    // Nobody was there when two more left: the journal cannot know it, and nothing else is said of it.
    watched(&scene, &home, 2, async || {}).await;
    reorganised(&scene, 2).await;
    let told = replayed(&home, all).await;
    let vault = told.json()["vaults"][0].take();
    let faults: Vec<_> = vault["faults"].as_array().unwrap().iter().map(|fault| &fault["fault"]).collect();
    assert_eq!((told.code, &faults[..]), (Some(1), &[&json!("other_block"), &json!("other_block")][..]));
    let table = replayed(&home, &["--vault", "main"]).await.stdout;
    let words =
        "it left that block with no keeper there to see it, which the next start notes, or it never had it";
    assert_eq!(table.matches(words).count(), 2, "{table}");

    // The next keeper looks, and then it is known.
    assert_eq!(home.once().await.code, Some(0));
    assert_eq!(orphaned().await, 4);
    let told = replayed(&home, all).await;
    let vault = &told.json()["vaults"][0];
    assert_eq!((told.code, &vault["faults"], &vault["blocks"]["orphaned"]), (Some(0), &json!([]), &json!(4)));
    let verified = home.start(&["journal", "verify", "--json"]).end().await.json();
    assert_eq!(verified["valid"], json!(true), "{verified}");
}

/// The chain goes back to `saved` and on by other blocks, as many.
async fn instead(scene: &Scene, saved: &mut Value, blocks: u32) {
    scene.restore(saved).await;
    for _ in 0..blocks {
        scene.stage.chain.mine_after(13).await.unwrap();
    }
}

#[tokio::test]
async fn heads_that_left_for_a_chain_that_was_shorter_at_the_start_are_known_once_it_has_grown() {
    let (scene, home) = at_rest().await;
    let orphaned = async || home.blocks(&scene).await.iter().filter(|block| block.orphaned).count();
    let mut fork = scene.save().await;
    watched(&scene, &home, 5, async || {}).await;
    let five = home.blocks(&scene).await.iter().rev().take(5).map(|block| block.number).collect::<Vec<_>>();

    // What is recorded above the head may be to come, as long as what is below is there.
    instead(&scene, &mut fork, 0).await;
    assert_eq!(home.once().await.code, Some(0));
    assert_eq!(orphaned().await, 0);
    // Two of the five heights are there again, as other blocks: then the three above them came after what has left.
    instead(&scene, &mut fork, 2).await;
    assert_eq!(home.once().await.code, Some(0));
    assert_eq!(orphaned().await, 5);
    assert_eq!(whole(&home).await.0, Some(0), "before the chain has grown past them");
    scene.mine(2).await;
    watched(&scene, &home, 1, async || {}).await;
    let left = home.blocks(&scene).await.into_iter().filter(|block| block.orphaned);
    let left: Vec<_> = left.map(|block| block.number).collect();
    assert_eq!(left, five.iter().rev().copied().collect::<Vec<_>>());
    let told = replayed(&home, &["--vault", "main", "--json"]).await;
    let vault = &told.json()["vaults"][0];
    assert_eq!((told.code, &vault["faults"], &vault["blocks"]["orphaned"]), (Some(0), &json!([]), &json!(5)));

    // A keeper that ended between the two leaves a full record and none of the block. Two blocks of one height are known of.
    let number = five[0];
    let journal = Journal::open(&home.path("keeper.db")).await.unwrap();
    journal.record_run(&run()).await.unwrap();
    let roster = journal.record_roster(31_337, [scene.vault]).await.unwrap();
    journal.record_block(&roster, &block(number, &roster, decided)).await.unwrap();
    let record = CycleRecord { vault: scene.vault, ..cycle(number + 1) };
    journal.record_cycle(&record).await.unwrap();
    journal.close().await;
    scene.mine(1).await;
    assert_eq!(home.once().await.code, Some(0));
    assert_eq!(orphaned().await, 6);
    let cycles = home.journal().await.cycles((31_337, scene.vault), 0..=u64::MAX, 0).await.unwrap();
    let gone: Vec<_> =
        cycles.iter().filter(|cycle| cycle.orphaned).map(|cycle| cycle.record.block_hash).collect();
    assert!(gone.contains(&record.block_hash), "{gone:?}");
    let told = replayed(&home, &["--vault", "main", "--json"]).await;
    assert_eq!((told.code, &told.json()["vaults"][0]["faults"]), (Some(0), &json!([])), "{told:?}");
}

/// Faults and the tally of blocks, of a replay of all.
async fn whole(home: &Home) -> (Option<i32>, Value, Value) {
    let told = replayed(home, &["--vault", "main", "--json"]).await;
    let vault = told.json()["vaults"][0].take();
    (told.code, vault["faults"].clone(), vault["blocks"].clone())
}

#[tokio::test]
async fn blocks_that_the_chain_comes_back_to_stand_again() {
    let (scene, home) = at_rest().await;
    // Height and hash of what is recorded, of what is marked or of what is not.
    let recorded = async |left: bool| {
        let blocks = home.blocks(&scene).await.into_iter().filter(|block| block.orphaned == left);
        blocks.map(|block| (block.number, block.hash)).collect::<BTreeSet<_>>()
    };
    let head_recorded = async || {
        let head = scene.stage.chain.block_number().await.unwrap();
        let header = scene.stage.chain.provider().get_block_by_number(head.into()).await.unwrap().unwrap();
        let hash = header.header.hash;
        until("the head is recorded", async || recorded(false).await.contains(&(head, hash))).await;
    };
    let mut fork = scene.save().await;
    let before = recorded(false).await;
    watched(&scene, &home, 3, async || {}).await;
    let first: BTreeSet<_> = recorded(false).await.difference(&before).copied().collect();

    // The keeper is there while the chain leaves the three, and while it comes back to them: blocks of one parent, time and
    // content are one block.
    let daemon = home.start(&["run"]);
    instead(&scene, &mut fork, 4).await;
    head_recorded().await;
    assert_eq!((first.len(), recorded(true).await), (3, first.clone()));
    let other: BTreeSet<_> = recorded(false).await.difference(&before).copied().collect();
    let number = first.first().unwrap().0.to_string();
    let prove = ["journal", "prove", "--vault", "main", "--block", &number];
    scene.restore(&mut fork).await;
    scene.mine(5).await;
    head_recorded().await;
    assert_eq!(daemon.terminate().await.code, Some(0));
    assert_eq!(recorded(true).await, other, "the other branch, and nothing of the first");
    assert!(recorded(false).await.is_superset(&first));
    assert_eq!(home.start(&prove).end().await.code, Some(0));
    let left = json!(other.len());
    let (code, faults, blocks) = whole(&home).await;
    assert_eq!((code, faults, &blocks["orphaned"]), (Some(0), json!([]), &left), "{blocks}");

    // The same with nobody there: until a keeper starts, the journal says that what is on the chain has left it.
    let first: BTreeSet<_> = recorded(false).await.difference(&before).copied().collect();
    instead(&scene, &mut fork, 7).await;
    assert_eq!(home.once().await.code, Some(0));
    assert!(recorded(true).await.is_superset(&first));
    scene.restore(&mut fork).await;
    scene.mine(8).await;
    let (code, faults, _) = whole(&home).await;
    let names: BTreeSet<_> = faults.as_array().unwrap().iter().map(|fault| fault["fault"].as_str()).collect();
    assert_eq!(
        (code, names),
        (Some(1), BTreeSet::from([Some("not_orphaned"), Some("other_block")])),
        "{faults}"
    );
    assert_eq!(home.once().await.code, Some(0));
    assert!(recorded(false).await.is_superset(&first));
    let (code, faults, _) = whole(&home).await;
    assert_eq!((code, faults), (Some(0), json!([])));
    assert_eq!(home.start(&["journal", "verify", "--json"]).end().await.json()["valid"], json!(true));
}

#[tokio::test]
async fn what_is_decided_otherwise_on_a_branch_that_left_is_recorded_in_full_on_the_other_one_too() {
    let (scene, home) = at_rest().await;
    let newest = async || home.blocks(&scene).await.pop().unwrap();
    let head_recorded = async || {
        let head = scene.stage.chain.block_number().await.unwrap();
        until("the head is recorded", async || newest().await.number == head).await;
        newest().await.hash
    };
    let mut fork = scene.save().await;
    let daemon = home.start(&["run"]);
    head_recorded().await;
    // The price is too old from here on: another reason, so a full record.
    scene.stage.chain.mine_after(7_200).await.unwrap();
    let first = head_recorded().await;
    scene.restore(&mut fork).await;
    scene.stage.chain.mine_after(7_201).await.unwrap();
    scene.stage.chain.mine_after(12).await.unwrap();
    head_recorded().await;
    scene.mine(1).await;
    head_recorded().await;
    assert_eq!(daemon.terminate().await.code, Some(0));

    let cycles = home.journal().await.cycles((31_337, scene.vault), 0..=u64::MAX, 0).await.unwrap();
    let stale: Vec<_> = cycles.iter().filter(|cycle| cycle.record.verdict == "refuse").collect();
    let told: Vec<_> = stale.iter().map(|cycle| (cycle.orphaned, &cycle.record.reason)).collect();
    let reason = Some("stale_price".to_owned());
    assert_eq!(told, [(true, &reason), (false, &reason)], "{cycles:?}");
    assert_eq!(stale[0].record.block_hash, first);
    let (code, faults, blocks) = whole(&home).await;
    assert_eq!((code, faults, &blocks["orphaned"]), (Some(0), json!([]), &json!(1)), "{blocks}");
}

#[tokio::test]
async fn a_head_that_is_looked_at_again_is_no_fault_whatever_was_recorded_of_it_before() {
    let (scene, home, node) = at_rest_behind().await;
    let absences = async || {
        let blocks = home.blocks(&scene).await.into_iter();
        blocks.map(|block| block.absences.of(scene.vault)).collect::<Vec<_>>()
    };
    // Nothing can be read at it, then it is decided on by the next process.
    scene.mine(1).await;
    node.rule("eth_call", Calls::Every, Act::Raw(502, "", "<html>Bad Gateway</html>".to_owned()));
    assert_eq!(home.once().await.code, Some(1));
    node.obey();
    assert_eq!(home.once().await.code, Some(0));
    assert_eq!(absences().await.iter().rev().take(2).collect::<Vec<_>>(), [&None, &Some(Absence::Unread)]);

    // No endpoint tells of two blocks; then the chain goes back to the first of them, at which the price is too old.
    let before = home.blocks(&scene).await.len();
    let daemon = home.start(&["run"]);
    until("the head is recorded", async || home.blocks(&scene).await.len() > before).await;
    node.rule("eth_getBlockByNumber", Calls::Every, Act::Drop);
    scene.stage.chain.mine_after(7_200).await.unwrap();
    let mut passed = scene.save().await;
    scene.price(PRICE, 12).await;
    node.obey();
    until("the newest is recorded", async || absences().await.contains(&Some(Absence::Unheard))).await;
    let seen = home.blocks(&scene).await.len();
    scene.restore(&mut passed).await;
    until("the first is decided on", async || home.blocks(&scene).await.len() > seen).await;
    // A process that starts there sees it again, and then what it did not see before, where nothing is too old.
    assert_eq!(daemon.terminate().await.code, Some(0));
    assert_eq!(home.once().await.code, Some(0));
    scene.price(PRICE, 13).await;
    assert_eq!(home.once().await.code, Some(0));
    let (code, faults, _) = whole(&home).await;
    assert_eq!((code, faults), (Some(0), json!([])));
}

#[tokio::test]
async fn a_keeper_that_is_shown_an_old_head_in_between_leaves_no_fault() {
    let (scene, home, node) = at_rest_behind().await;
    let mut first = scene.save().await;
    assert_eq!(home.once().await.code, Some(0));
    let begin = scene.stage.chain.block_number().await.unwrap();
    // The price is too old at the next one.
    scene.stage.chain.mine_after(7_200).await.unwrap();
    assert_eq!(home.once().await.code, Some(0));
    // The first again, as of a node that is behind, and then on over the second, which passes, to one where the price is new.
    scene.restore(&mut first).await;
    let blocks = home.blocks(&scene).await.len();
    let daemon = home.start(&["run"]);
    until("the first is recorded again", async || home.blocks(&scene).await.len() > blocks).await;
    let full = home.cycles(&scene).await.len();
    node.rule("eth_getBlockByNumber", Calls::Every, Act::Drop);
    scene.stage.chain.mine_after(7_200).await.unwrap();
    scene.price(PRICE, 12).await;
    node.obey();
    let newest = async || home.blocks(&scene).await.last().unwrap().number;
    until("the third is recorded", async || newest().await >= begin + 2).await;
    assert_eq!(daemon.terminate().await.code, Some(0));
    let told: Vec<_> = home.blocks(&scene).await.iter().map(|block| (block.number, block.orphaned)).collect();
    assert!(told.contains(&(begin + 1, false)), "{told:?}");
    assert_eq!(home.cycles(&scene).await.len(), full, "a leaf alone: as it was decided at the first");
    let (code, faults, _) = whole(&home).await;
    assert_eq!((code, faults), (Some(0), json!([])));
}

#[tokio::test]
async fn a_transaction_whose_decision_left_with_its_block_is_no_fault() {
    let scene = Scene::set().await;
    let home = Home::new(&scene, &scene.stage.chain.endpoint()).await;
    scene.mine(1).await;
    let daemon = home.start(&["run"]);
    scene.until_sent().await;
    assert_eq!(daemon.terminate().await.code, Some(0));
    // It stays in the pool, and the vault refuses it on the new branch.
    reorganised(&scene, 1).await;
    scene.mine(70).await;
    assert!(home.once().await.code.is_some());
    let told = replayed(&home, &["--vault", "main", "--json"]).await;
    let vault = &told.json()["vaults"][0];
    assert_eq!((told.code, &vault["faults"]), (Some(0), &json!([])), "{told:?}");
    assert_eq!(vault["actions"], json!({"checked": 0, "equal": 0, "orphaned": 1}), "{vault}");
}

#[tokio::test]
async fn nothing_is_marked_where_the_chain_is_another_one_by_the_time_that_is_looked_back_on_it() {
    let (scene, home, node) = at_rest_behind().await;
    scene.mine(1).await;
    // The head is of one branch, what is asked for by height of another.
    let other = |request: &Value, answer: &mut Value| {
        if request["params"][0].as_str().is_some_and(|height| height.starts_with("0x")) {
            answer["result"]["hash"] = json!(B256::repeat_byte(0x22));
        }
    };
    node.rule("eth_getBlockByNumber", Calls::Every, Act::Mutate(std::sync::Arc::new(other)));
    let before = home.blocks(&scene).await.len();
    let ended = home.once().await;
    assert_eq!(home.blocks(&scene).await.len(), before + 1, "{ended:?}");
    assert!(home.blocks(&scene).await.iter().all(|block| !block.orphaned), "{ended:?}");
    assert!(ended.stderr.contains("meanwhile"), "{ended:?}");
    node.obey();
    assert_eq!(home.once().await.code, Some(0));
    let (code, faults, _) = whole(&home).await;
    assert_eq!((code, faults), (Some(0), json!([])));
}

#[tokio::test]
async fn heads_that_left_are_marked_also_where_a_process_before_looked_and_its_node_failed() {
    let (scene, home, node) = at_rest_behind().await;
    let mut fork = scene.save().await;
    let before = home.blocks(&scene).await.len();
    watched(&scene, &home, 2, async || {}).await;
    let mut gone: Vec<_> =
        home.blocks(&scene).await.iter().skip(before).map(|block| (block.number, block.hash)).collect();
    instead(&scene, &mut fork, 5).await;
    let head = scene.stage.chain.block_number().await.unwrap();
    gone.retain(|(number, _)| (head - 4..=head).contains(number));
    assert!(gone.len() >= 2, "{gone:?}");
    let heights: Vec<_> = gone.iter().map(|(number, _)| json!(format!("{number:#x}"))).collect();
    let act = move |request: &Value, answer: &mut Value| {
        if heights.contains(&request["params"][0]) {
            answer["result"] = Value::Null;
        }
    };
    node.rule("eth_getBlockByNumber", Calls::Every, Act::Mutate(std::sync::Arc::new(act)));
    let orphaned = async || {
        let left = home.blocks(&scene).await.into_iter().filter(|block| block.orphaned);
        left.map(|block| (block.number, block.hash)).collect::<Vec<_>>()
    };
    // Two processes record a head each and do not get to know what left.
    for _ in 0..2 {
        let (ended, recorded) = (home.once().await, home.blocks(&scene).await);
        assert_eq!((ended.code, recorded.last().unwrap().head.leaves), (Some(0), 1), "{ended:?}");
        assert_eq!(orphaned().await, []);
        scene.mine(1).await;
    }
    node.obey();
    assert_eq!(home.once().await.code, Some(0));
    assert_eq!(orphaned().await, gone);
}

#[tokio::test]
async fn heads_below_a_gap_that_is_too_wide_to_be_joined_are_asked_for() {
    let (scene, home, node) = at_rest_behind().await;
    let mut fork = scene.save().await;
    let last = home.blocks(&scene).await.last().unwrap().number;
    let before = home.blocks(&scene).await.len();
    let daemon = home.start(&["run"]);
    for seen in 1..=3 {
        until("the head is recorded", async || home.blocks(&scene).await.len() >= before + seen).await;
        scene.mine(1).await;
    }
    until("the last head is recorded", async || home.blocks(&scene).await.len() == before + 4).await;

    // It hears nothing while the chain changes below it and grows by more than is walked.
    node.rule("eth_getBlockByNumber", Calls::Every, Act::Drop);
    instead(&scene, &mut fork, 140).await;
    node.obey();
    let newest = async || home.blocks(&scene).await.last().unwrap().number;
    until("the new head is recorded", async || newest().await == last + 140).await;
    assert_eq!(daemon.terminate().await.code, Some(0));
    // Of the 139 that passed meanwhile the newest says why nobody saw them.
    let passed = home.blocks(&scene).await.into_iter().rev().nth(1).unwrap();
    assert_eq!((passed.number, passed.absences.of(scene.vault)), (last + 139, Some(Absence::Unheard)));
    let left = home.blocks(&scene).await.into_iter().filter(|block| block.orphaned);
    assert_eq!(left.map(|block| block.number).collect::<Vec<_>>(), [last + 1, last + 2, last + 3]);
    let told = replayed(&home, &["--vault", "main", "--json"]).await;
    assert_eq!((told.code, &told.json()["vaults"][0]["faults"]), (Some(0), &json!([])), "{told:?}");
}

/// Writes what another program checks: an export with every kind of record, and the proof of a vault's decision.
#[tokio::test]
#[ignore = "writes files: scripts/test-verify runs it"]
async fn for_another_program() {
    let others = [1, 2, 0xee, 0xff].map(Address::repeat_byte);
    let (place, journal, roster) = written(others).await;
    let record = of_golden("cppi-sell");
    let intent = records::intent(5);
    let first = records::attempt(&intent, AttemptKind::Original, 30);
    let intent = journal.record_prepared(&record, &intent, &first).await.unwrap();
    journal.append_event(intent, &records::event(IntentState::Live)).await.unwrap();
    journal.record_cycle(&of_golden("cppi-hold")).await.unwrap();
    let of_record = leaf(VAULT, record.snapshot_hash, record.decision_hash);
    let standing = |vault| if vault == VAULT { Ok(of_record) } else { decided(vault) };
    journal.record_block(&roster, &block(7, &roster, standing)).await.unwrap();
    let absent = |vault| if vault == VAULT { Err(Absence::Unread) } else { decided(vault) };
    journal.record_block(&roster, &block(8, &roster, absent)).await.unwrap();
    journal.mark_orphaned(1, cycle(8).block_hash).await.unwrap();
    journal.mark_orphaned(1, cycle(7).block_hash).await.unwrap();
    assert!(journal.mark_returned(1, cycle(7).block_hash).await.unwrap());
    journal.close().await;

    let folder = format!("{}/target/verify/journal", env!("CARGO_MANIFEST_DIR"));
    std::fs::create_dir_all(&folder).unwrap();
    for (file, arguments) in [
        ("export.jsonl", &["journal", "export"][..]),
        ("proof.json", &["journal", "prove", "--vault", "eth-cppi", "--block", "7", "--json"]),
        ("verified.json", &["journal", "verify", "--json"]),
    ] {
        let ended = place.run(arguments);
        assert_eq!(ended.code, 0, "{ended:?}");
        std::fs::write(format!("{folder}/{file}"), ended.out).unwrap();
    }
    let (place, journal, roster) = written([]).await;
    journal.record_block(&roster, &block(7, &roster, decided)).await.unwrap();
    let alone = prove(&place, 7);
    assert_eq!((alone.code, &alone.json()["path"]), (0, &json!([])), "{alone:?}");
    std::fs::write(format!("{folder}/alone.json"), alone.out).unwrap();
}
