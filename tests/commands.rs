//! The program as a person or a script meets it: what it prints, and with which code it ends.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails where it stands"
)]

use std::path::{Path, PathBuf};

use alloy::node_bindings::{Anvil, AnvilInstance};
use alloy::primitives::{Address, B256, Bytes, U256};
use serde_json::{Value, json};
use vault_keeper::journal::{
    AttemptKind, AttemptRecord, CycleRecord, EventRecord, IntentRecord, IntentState, Journal,
    SubmissionClass, Urgency,
};

#[path = "support/program.rs"]
mod program;
#[path = "support/records.rs"]
mod records;

use program::Place;

const KEEPER: &str = include_str!("../keeper.example.toml");
const POLICY: &str = include_str!("../examples/policies/cppi.toml");
/// The vault of the example configuration.
const VAULT: Address = Address::repeat_byte(0x11);
/// The first account of every development chain.
const SECRET: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

/// An address where nothing is.
const ADDRESS: &str = "0x2222222222222222222222222222222222222222";

/// Nobody listens at port 1.
const NOBODY: &str = "http://127.0.0.1:1/secret-path";

/// The example configuration and policy.
fn example() -> Place {
    let place = Place::with(KEEPER, POLICY);
    place.change("http://127.0.0.1:8545", "http://127.0.0.1:1");
    place
}

fn anvil() -> AnvilInstance {
    let installed =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil");
    Anvil::at(if installed.exists() { installed } else { PathBuf::from("anvil") }).spawn()
}

fn line_of(text: &str, part: &str) -> usize {
    text.lines().position(|line| line.contains(part)).unwrap() + 1
}

#[test]
fn the_band_has_the_figures_of_the_model() {
    let arguments =
        ["band", "--variance-rate", "1", "--penalty", "1", "--fixed", "0.02", "--proportional", "0.05"];
    let ended = Place::empty().run(&[&arguments[..], &["--json"]].concat());
    let band = ended.json();
    for (key, expected) in [("inner", 0.1389), ("outer", 0.6686), ("cost_rate", 0.1864)] {
        let found = band[key].as_f64().unwrap();
        assert!((found - expected).abs() < 5e-5, "{key} is {found}, not {expected}");
    }
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    let table = Place::empty().run(&arguments);
    assert!(table.out.contains("trade at (units)") && table.out.contains("0.6685931168"), "{table:?}");
}

#[test]
fn every_command_shows_an_example_of_its_use() {
    let help = Place::empty().run(&["--help"]).out;
    let listed = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let names: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let commands: Vec<&&str> = names.iter().filter(|name| **name != "help").collect();
    for known in ["band", "check", "decide", "greeks", "quote", "run", "snapshot", "status"] {
        assert!(commands.contains(&&known), "{known} is not in {commands:?}");
    }
    for command in commands {
        let ended = Place::empty().run(&[command, "--help"]);
        assert_eq!(ended.code, 0);
        let example = format!("\n  keeper {command}");
        assert!(ended.out.contains("Example") && ended.out.contains(&example), "{command}: {}", ended.out);
    }
}

#[test]
fn wrong_usage_ends_with_2_before_anything_is_read() {
    for arguments in [
        &["band", "--no-such-option"][..],
        &["band", "--variance-rate", "1"],
        &["quote", "--rpc", "http://127.0.0.1:1", "--pool", "0x12"],
        &[
            "quote",
            "--rpc",
            "http://127.0.0.1:1",
            "--pool",
            ADDRESS,
            "--token-in",
            ADDRESS,
            "--amount-in",
            "0",
        ],
        &["demo", "--capital", "0"],
        &["demo", "--capital", "-1"],
        &["decide"],
        &["status", "-n", "0"],
        &["no-such-command"],
        &[],
    ] {
        let ended = Place::empty().run(arguments);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{arguments:?}: {ended:?}");
        assert!(ended.err.contains("--help"), "{arguments:?}: {ended:?}");
    }
    let impossible =
        ["band", "--variance-rate=-1", "--penalty", "1", "--fixed", "0.02", "--proportional", "0.05"];
    let ended = Place::empty().run(&impossible);
    assert_eq!(ended.code, 2);
    assert!(ended.err.starts_with("keeper: "), "{ended:?}");
}

#[test]
fn a_missing_configuration_says_where_to_get_one() {
    for command in [&["check"][..], &["status"], &["run"], &["snapshot", "--vault", "eth-cppi"]] {
        let ended = Place::empty().run(command);
        assert_eq!(
            (ended.code, ended.err.as_str()),
            (
                2,
                "keeper: there is no file keeper.toml: copy keeper.example.toml to keeper.toml, or name another with \
             --config\n"
            )
        );
    }
    // Where a vault may be named without one, that is said too.
    let ended = Place::empty().run(&["stress", "--policy", "cppi.toml", "--rpc", "http://127.0.0.1:1"]);
    assert!(ended.code == 2 && ended.err.contains("there is no file cppi.toml"), "{ended:?}");
    let ended = Place::empty().run(&["stress"]);
    assert_eq!(
        (ended.code, ended.err.as_str()),
        (
            2,
            "keeper: no vault is named: name its address with --vault, its policy with --policy and a node with --rpc; or for vaults \
             of a configuration: there is no file keeper.toml: copy keeper.example.toml to keeper.toml, or name another with --config\n"
        )
    );
    let elsewhere = Place::empty().run(&["check", "--config", "other/keeper.toml"]);
    assert!(elsewhere.err.starts_with("keeper: there is no file other/keeper.toml: "), "{elsewhere:?}");
}

#[test]
fn every_mistake_of_a_configuration_is_named_with_its_line() {
    let place = example();
    place.change("id = 1 ", "id = \"one\" ");
    place.change("poll_interval_ms", "pol_interval_ms");
    place.change("signer = \"hot\"", "signer = \"cold\"");
    let text = std::fs::read_to_string(place.path("keeper.toml")).unwrap();
    let expected = [
        ("id = \"one\"", "chain[0].id"),
        ("pol_interval_ms", "chain[0].pol_interval_ms"),
        ("signer = \"cold\"", "vault[0].signer"),
    ];
    for command in [&["check"][..], &["status"], &["run", "--once"]] {
        let ended = place.run(command);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{ended:?}");
        assert!(ended.err.starts_with("keeper: 3 mistakes in the configuration\n"), "{ended:?}");
        for (part, key) in expected {
            let line = line_of(&text, part);
            let placed = ended.err.lines().any(|shown| {
                shown.starts_with(&format!("  keeper.toml:{line}:")) && shown.contains(&format!(": {key}: "))
            });
            assert!(placed, "{key} at line {line} is not in:\n{}", ended.err);
        }
    }
}

#[test]
fn an_unknown_vault_ends_with_2_and_the_names_there_are() {
    let place = example().and_secrets(SECRET, "http://127.0.0.1:1");
    for command in ["check", "status", "run", "snapshot", "decide"] {
        let ended = place.run(&[command, "--vault", "btc"]);
        assert_eq!(
            (ended.code, ended.err.as_str()),
            (2, "keeper: there is no vault `btc` in the configuration; it has: eth-cppi\n")
        );
    }
}

#[test]
fn a_missing_secret_names_its_variable() {
    let place = example();
    let ended = place.run(&["run", "--once"]);
    assert_eq!(ended.code, 2);
    assert!(
        ended.err.starts_with("keeper: KEEPER_PRIVATE_KEY is not set, and signer `hot` needs it"),
        "{ended:?}"
    );
    let ended = place.run(&["snapshot", "--vault", "eth-cppi"]);
    assert_eq!(ended.code, 2);
    assert!(
        ended.err.starts_with("keeper: ETH_RPC_URL is not set, and chain `ethereum` needs it"),
        "{ended:?}"
    );
    // A check goes on and lists both.
    let ended = place.run(&["check", "--json"]);
    assert_eq!(ended.code, 1);
    let error = |text: &str| ("error".to_owned(), text.to_owned());
    assert_eq!(ended.findings("key"), [error("KEEPER_PRIVATE_KEY is not set, and signer `hot` needs it")]);
    assert_eq!(ended.findings("endpoint")[0], error("ETH_RPC_URL is not set, and chain `ethereum` needs it"));
}

#[test]
fn a_node_that_is_down_is_a_failure_without_its_address() {
    let place = example().and_secrets(SECRET, NOBODY);
    place.change("  { url = \"http://127.0.0.1:1\" },", "");
    let ended = place.run(&["snapshot", "--vault", "eth-cppi"]);
    assert_eq!((ended.code, ended.out.as_str()), (1, ""));
    let said = "keeper: no endpoint of chain `ethereum` can be used: endpoint `ethereum-1` cannot be reached";
    assert!(ended.err.contains(said), "{ended:?}");
    let quote = ["quote", "--amount-in", "1", "--pool", "0x1111111111111111111111111111111111111111"];
    let token = ["--token-in", "0x2222222222222222222222222222222222222222"];
    let quoted = place.run(&[&quote[..], &token, &["--rpc", NOBODY]].concat());
    assert_eq!(quoted.code, 1);
    assert!(
        quoted.err.starts_with("keeper: the endpoint cannot be used: endpoint `--rpc` cannot be reached")
    );
    let checked = place.run(&["check", "--json"]);
    assert_eq!(checked.code, 1);
    let levels: Vec<String> = checked.findings("endpoint").into_iter().map(|(level, _)| level).collect();
    assert_eq!(levels, ["warning", "error"]);
    for ended in [ended, quoted, checked] {
        assert!(!format!("{ended:?}").contains("secret-path"), "{ended:?}");
    }
}

#[test]
fn a_node_of_another_chain_ends_with_2_and_is_an_error_of_the_check() {
    let anvil = anvil();
    let place = example().and_secrets(SECRET, &anvil.endpoint());
    let ended = place.run(&["snapshot", "--vault", "eth-cppi"]);
    assert_eq!(ended.code, 2);
    let said = "endpoint `ethereum-1` serves chain 31337, the configuration says 1";
    assert!(ended.err.contains(said), "{ended:?}");
    let ended = place.run(&["check", "--json"]);
    assert_eq!(ended.code, 1);
    let found = ended.findings("chain_id");
    assert_eq!(found.len(), 1);
    assert!(found[0].0 == "error" && found[0].1.starts_with(said), "{found:?}");
}

#[test]
fn a_check_goes_on_past_a_vault_that_is_not_there() {
    let anvil = anvil();
    let place = example().and_secrets(SECRET, &anvil.endpoint());
    place.change("id = 1 ", "id = 31_337 ");
    let policy = POLICY.replacen("chain_id = 1 ", "chain_id = 31_337 ", 1);
    place.write("examples/policies/cppi.toml", &policy);
    let ended = place.run(&["check", "--json"]);
    assert_eq!(ended.code, 1);
    let levels =
        |check: &str| -> Vec<String> { ended.findings(check).into_iter().map(|(level, _)| level).collect() };
    let as_they_should_be =
        ["configuration", "journal", "key", "head", "base_fee", "finality", "reading", "nonce", "balance"];
    for check in as_they_should_be {
        assert_eq!(levels(check), ["ok"], "{check}: {ended:?}");
    }
    // The second endpoint of the example, which nobody needs where the first one answers.
    assert_eq!(levels("endpoint"), ["warning"]);
    let missing = format!("{VAULT} has no code on this chain");
    assert_eq!(ended.findings("vault"), [("error".to_owned(), missing)]);
    // Anvil's first account has 10,000 ether; a rebalance of 400,000 gas and a fifth locks up 0.24 at the caps.
    let balance = &ended.findings("balance")[0].1;
    assert!(balance.starts_with("its balance of 10000 ether pays for "), "{balance}");
    assert!(balance.ends_with(" and 41666 at the caps"), "{balance}");
    let table = place.run(&["check"]);
    assert_eq!(table.code, 1);
    assert!(table.out.ends_with("the keeper cannot work: 1 errors, 1 warnings\n"), "{}", table.out);
}

fn cycle(block: u64, verdict: &str, reason: &str) -> CycleRecord {
    CycleRecord {
        chain_id: 1,
        vault: VAULT,
        block_number: block,
        block_hash: B256::from(U256::from(block)),
        block_timestamp: 1_000 + block,
        policy_hash: B256::repeat_byte(1),
        snapshot_hash: B256::repeat_byte(2),
        decision_hash: B256::from(U256::from(block)),
        verdict: verdict.to_owned(),
        reason: Some(reason.to_owned()),
        decision_json: json!({"verdict": verdict, "reason": {"code": "on_target"}}).to_string(),
        snapshot_json: None,
        dispatch: None,
        urgency: Urgency::Routine,
    }
}

fn intent(nonce: u64) -> IntentRecord {
    IntentRecord {
        chain_id: 1,
        sender: Address::repeat_byte(0xbb),
        nonce,
        vault: VAULT,
        vault_nonce: U256::ONE,
        to: VAULT,
        calldata: Bytes::new(),
        deadline: 2_000,
        gas_limit: 480_000,
        planned_json: "{}".to_owned(),
        urgency: Urgency::Routine,
    }
}

fn attempt(byte: u8) -> AttemptRecord {
    AttemptRecord {
        hash: B256::repeat_byte(byte),
        raw: Bytes::from(vec![2]),
        max_fee_per_gas: 41_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        kind: AttemptKind::Original,
        submission: SubmissionClass::Public,
        signed_at: 102,
        gas_limit: None,
        to: None,
    }
}

/// Two cycles that wait, one whose transaction is final, and one whose transaction is under way.
async fn recorded(journal: &Journal) {
    journal.record_cycle(&cycle(100, "hold", "within_band")).await.unwrap();
    journal.record_cycle(&cycle(101, "hold", "within_band")).await.unwrap();
    let worth = |block| cycle(block, "rebalance", "worth");
    let first = journal.record_prepared(&worth(102), &intent(7), &attempt(0xaa)).await.unwrap();
    let executed = EventRecord {
        state: IntentState::Executed,
        detail: json!({"transaction": B256::repeat_byte(0xaa), "block_number": "103", "gas_used": "312000"}),
        block_hash: Some(B256::repeat_byte(3)),
        fee: Some(U256::from(6_552_000_000_000_000_u64)),
    };
    journal.append_event(first, &executed).await.unwrap();
    journal.record_prepared(&worth(104), &intent(8), &attempt(0xab)).await.unwrap();
}

#[tokio::test]
async fn a_journal_that_another_process_writes_can_be_read_and_not_run() {
    let place = example().and_secrets(SECRET, NOBODY);
    let journal = Journal::open(&place.path("keeper.db")).await.unwrap();
    recorded(&journal).await;
    let holder = format!("process {}", std::process::id());
    let ended = place.run(&["run", "--once"]);
    assert_eq!((ended.code, ended.out.as_str()), (2, ""));
    let in_use = format!("keeper.db is in use by {holder}; one key has one writer");
    assert!(ended.err.contains(&in_use), "{ended:?}");
    let checked = place.run(&["check", "--json"]).findings("journal");
    assert_eq!(checked.len(), 1);
    let running = format!("opens; {holder} writes it, so a keeper is running");
    assert!(checked[0].0 == "ok" && checked[0].1.ends_with(&running), "{checked:?}");
    assert_eq!(place.run(&["status"]).code, 0);
}

#[tokio::test]
async fn the_status_tells_what_was_decided_how_often_and_what_became_of_it() {
    // No secret and no network.
    let place = example();
    let journal = Journal::open(&place.path("keeper.db")).await.unwrap();
    recorded(&journal).await;
    let ended = place.run(&["status", "--json", "-n", "3"]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    let all = ended.json();
    let vault = &all[0];
    assert_eq!((&vault["vault"], &vault["chain"]), (&json!("eth-cppi"), &json!("ethereum")));
    let blocks: Vec<_> = vault["cycles"].as_array().unwrap().iter().map(|c| &c["block"]).collect();
    assert_eq!(blocks, ["104", "102", "101"]);
    assert_eq!(
        (&vault["cycles"][2]["verdict"], &vault["cycles"][2]["code"], &vault["cycles"][2]["reason"]),
        (&json!("hold"), &json!("within_band"), &json!("the vault holds its target"))
    );
    assert_eq!(
        vault["reasons"],
        json!([
            {"verdict": "rebalance", "code": "worth", "cycles": 2, "last_block": "104"},
            {"verdict": "hold", "code": "within_band", "cycles": 2, "last_block": "101"},
        ])
    );
    let open = vault["open"].as_array().unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!((&open[0]["state"], &open[0]["nonce"]), (&json!("prepared"), &json!("8")));
    assert_eq!(
        open[0]["attempts"],
        json!([{
            "hash": B256::repeat_byte(0xab),
            "max_fee_per_gas": "41000000000",
            "max_priority_fee_per_gas": "1000000000",
            "gas_limit": "480000",
        }])
    );
    let transactions = vault["transactions"].as_array().unwrap();
    let outcome = &transactions[1];
    assert_eq!((transactions.len(), &transactions[0]["intent"]), (2, &open[0]["intent"]));
    assert_eq!((&outcome["state"], &outcome["fee_wei"]), (&json!("executed"), &json!("6552000000000000")));
    assert_eq!(outcome["last_event"]["gas_used"], "312000");
    let table = place.run(&["status"]);
    assert_eq!(table.code, 0);
    for part in ["eth-cppi (0x1111", "within_band", "intent 1: executed", "6552000000000000"] {
        assert!(table.out.contains(part), "{part} is not in:\n{}", table.out);
    }
}

#[tokio::test]
async fn the_status_of_an_empty_journal_says_that_nothing_was_recorded() {
    let place = example();
    let ended = place.run(&["status"]);
    assert_eq!(
        (ended.code, ended.err.as_str()),
        (1, "keeper: there is no journal keeper.db yet: `keeper run` creates it\n")
    );
    Journal::open(&place.path("keeper.db")).await.unwrap().close().await;
    let ended = place.run(&["status"]);
    assert_eq!(ended.code, 0);
    assert!(ended.out.contains("no cycle recorded yet"), "{ended:?}");
    let json = place.run(&["status", "--json"]).json();
    for list in ["cycles", "reasons", "open", "transactions"] {
        assert_eq!(json[0][list], json!([]));
    }
}

/// The signed bytes of an intent whose records verify.
fn truly_signed(nonce: u64) -> (IntentRecord, AttemptRecord) {
    let intent = IntentRecord { sender: records::sender(), ..intent(nonce) };
    let attempt = records::attempt(&intent, AttemptKind::Original, 41);
    (intent, attempt)
}

#[tokio::test]
async fn a_journal_is_verified_and_exported_while_it_is_written() {
    let place = example();
    let journal = Journal::open(&place.path("keeper.db")).await.unwrap();
    journal.record_cycle(&cycle(100, "hold", "within_band")).await.unwrap();
    let (intent, attempt) = truly_signed(7);
    journal.record_prepared(&cycle(101, "rebalance", "worth"), &intent, &attempt).await.unwrap();

    let verified = place.run(&["journal", "verify", "--json"]);
    assert_eq!(
        (verified.code, &verified.json()["valid"], &verified.json()["records"]),
        (0, &json!(true), &json!("5"))
    );
    let lines = place.run(&["journal", "export"]);
    assert_eq!(lines.code, 0);
    let records: Vec<Value> = lines.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<_> = records.iter().map(|record| record["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["cycle", "cycle", "intent", "attempt", "event"]);
    assert_eq!(records.last().unwrap()["ledger_hash"], verified.json()["hash"]);
    let signed = &records[3];
    assert_eq!((&signed["seq"], &signed["attempt_kind"]), (&json!("4"), &json!("original")));
    assert_eq!((&signed["raw"], &signed["public_from"]), (&json!(attempt.raw.to_string()), &Value::Null));

    let table = place.path("journal.csv");
    let arguments = ["journal", "export", "--format", "csv", "--from", "3", "--out", table.to_str().unwrap()];
    assert_eq!(place.run(&arguments).code, 0);
    let mut reader = csv::Reader::from_path(&table).unwrap();
    let headings = reader.headers().unwrap().clone();
    assert_eq!(headings.iter().take(4).collect::<Vec<_>>(), ["seq", "kind", "ledger_hash", "id"]);
    let rows: Vec<_> = reader.records().map(|row| row.unwrap()).collect();
    let at = |name: &str| headings.iter().position(|heading| heading == name).unwrap();
    assert_eq!(rows.iter().map(|row| &row[1]).collect::<Vec<_>>(), ["intent", "attempt", "event"]);
    assert_eq!((&rows[0][at("nonce")], &rows[1][at("hash")]), ("7", attempt.hash.to_string().as_str()));
    let again = place.run(&arguments);
    assert_eq!(again.code, 1, "a file that is there is kept");
    journal.record_cycle(&cycle(102, "hold", "within_band")).await.unwrap();
}

#[tokio::test]
async fn a_journal_that_was_changed_fails_and_names_the_record() {
    let place = example();
    let path = place.path("keeper.db");
    let journal = Journal::open(&path).await.unwrap();
    // These bytes are no transaction.
    journal.record_prepared(&cycle(101, "rebalance", "worth"), &intent(7), &attempt(0xaa)).await.unwrap();
    journal.close().await;
    let ended = place.run(&["journal", "verify"]);
    assert_eq!(ended.code, 1);
    for part in ["attempt 1", "its bytes do not hash to its hash", "no transaction of its keys is pending"] {
        assert!(ended.out.contains(part), "{part}: {}", ended.out);
    }
    let told = place.run(&["journal", "verify", "--json", "--file", path.to_str().unwrap()]).json();
    assert_eq!(
        (&told["valid"], &told["seq"], &told["record"]),
        (&json!(false), &json!("3"), &json!("attempt 1"))
    );
    let none = place.run(&["journal", "verify", "--file", "nowhere.db"]);
    assert_eq!(none.code, 2);
    assert!(none.err.contains("there is no journal nowhere.db"), "{}", none.err);
}

#[tokio::test]
async fn a_key_that_another_journal_writes_for_is_refused_at_the_start() {
    let (mut place, state) = (example().and_secrets(records::SECRET, NOBODY), example());
    place.environment.push(("XDG_STATE_HOME", state.path("").display().to_string()));
    let journal = Journal::open(&state.path("other.db")).await.unwrap();
    journal.claim(1, records::sender(), &[state.path("vault-keeper/keys")]).unwrap();
    let ended = place.run(&["run", "--once"]);
    assert_eq!(ended.code, 2);
    let in_use = format!("key {} of chain 1 is in use by process {}", records::sender(), std::process::id());
    assert!(ended.err.contains(&in_use), "{}", ended.err);
    // A dry run signs nothing.
    assert!(!place.run(&["run", "--once", "--dry-run"]).err.contains("in use"));
}
