//! Looking back through other nodes: forks, nodes that lie, nodes that stop; and the built program doing it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails where it stands"
)]

#[path = "support/desk.rs"]
mod desk;
#[path = "support/history.rs"]
mod history;
#[path = "support/keeper_process.rs"]
mod keeper_process;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/rig.rs"]
mod rig;

use std::sync::Arc;

use alloy::node_bindings::Anvil;
use alloy::primitives::{Address, B256, U256};
use alloy::providers::ext::AnvilApi;
use alloy::providers::{Provider, ProviderBuilder};
use desk::{Desk, Ended, ended};
use history::{History, begins, source};
use keeper_process::{PRICE, published, until, with};
use proxy::{Act, Calls, Proxy};
use rust_decimal::Decimal;
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::Semaphore;
use vault_keeper::journal::BlockRecord;
use vault_keeper::reader::Mode;
use vault_keeper::replay::Subject;
use vault_keeper::replay::audit::{Audit, Found, Question, Reading};
use vault_keeper::stage::account::Actor;
use vault_keeper::stage::deploy::chainlink;

/// Blocks with a handful of rebalances and nothing planted.
const SHORT: u64 = 45;

#[tokio::test]
async fn both_ways_of_reading_give_the_same_facts_at_every_block() {
    let history = History::lived(SHORT).await;
    let policies = [published(&history.rig.scene.policy)];
    let url = history.url();
    let by = async |mode| source(&[("archive", &url)], mode).await;
    let (one_call, many) = (by(Mode::Override).await, by(Mode::Multicall).await);
    for number in history.heights.0..=history.heights.1 {
        let header = one_call.header(number).await.unwrap();
        let facts = one_call.facts(&header, history.rig.scene.vault, &policies).await.unwrap().0;
        assert_eq!(facts, many.facts(&header, history.rig.scene.vault, &policies).await.unwrap().0);
    }
}

#[tokio::test]
async fn a_fork_that_takes_no_overrides_before_its_beginning_tells_the_same() {
    let history = History::lived(SHORT).await;
    let middle = (history.heights.0 + history.heights.1) / 2;
    let anvil = Anvil::at(history.rig.scene.stage.artifacts.anvil())
        .fork(history.url())
        .fork_block_number(history.heights.1)
        .args(["--no-storage-caching", "--no-mining"])
        .spawn();
    let fork = || async { source(&[("fork", &anvil.endpoint())], Mode::Auto).await };
    // What the reader has to get over: before the fork there are no overrides, at it there are.
    let strict = source(&[("fork", &anvil.endpoint())], Mode::Override).await;
    let policies = [published(&history.rig.scene.policy)];
    for (number, taken) in [(middle, false), (history.heights.1, true)] {
        let header = strict.header(number).await.unwrap();
        let read = strict.facts(&header, history.rig.scene.vault, &policies).await;
        let told = read.map_or_else(|error| format!("{error:#}"), |_| String::new());
        assert_eq!(told.is_empty(), taken, "{number}: {told}");
        let advised = told.contains("does not accept state overrides") && told.contains("`--reader auto`");
        assert!(taken || (advised && !told.contains("archive node")), "{told}");
    }
    for reading in [Reading::Every, Reading::Changes] {
        let archive = history.audited(reading).await;
        assert!(archive.is_clean() && archive.totals().acted >= 4, "{archive:?}");
        assert_eq!(history.audited_by(&fork().await, reading).await.unwrap(), archive);
    }
    let replayed = history.replayed_by(&fork().await).await.unwrap();
    assert_eq!((replayed.faults.len(), replayed.blocks.equal), (0, SHORT), "{replayed:?}");
}

/// Another price in an answer that holds one.
fn another_price(answer: &mut Value) {
    let Some(text) = answer["result"].as_str().and_then(|text| text.strip_prefix("0x")) else { return };
    let mut words: Vec<String> =
        text.as_bytes().chunks(64).map(|word| String::from_utf8(word.to_vec()).unwrap()).collect();
    let price = |word: &String| {
        let value = U256::from_str_radix(word, 16).unwrap();
        (U256::from(200_000_000_000_u64)..U256::from(400_000_000_000_u64)).contains(&value)
    };
    let Some(place) = words.iter().position(price) else { return };
    let value = U256::from_str_radix(&words[place], 16).unwrap() + U256::from(100_000_000);
    words[place] = format!("{value:064x}");
    answer["result"] = format!("0x{}", words.concat()).into();
}

#[tokio::test]
async fn a_node_that_lies_in_one_answer_is_found_beside_an_honest_one() {
    let history = History::lived(SHORT).await;
    let honest = history.url();
    let price = || Act::Mutate(Arc::new(|_, answer: &mut Value| another_price(answer)));
    let cases: [(&'static str, Calls, Act, &str); 6] = [
        ("eth_getBlockByNumber", Calls::Nth(9), Act::field("gasUsed", "0x5208"), "disagree on block "),
        ("eth_call", Calls::Nth(20), price(), "disagree on the facts of "),
        (
            "eth_getLogs",
            Calls::Nth(0),
            Act::result(serde_json::json!([])),
            "disagree on the events of block ",
        ),
        (
            "eth_getTransactionReceipt",
            Calls::Nth(1),
            Act::field("gasUsed", "0x5208"),
            "disagree on transaction ",
        ),
        ("eth_getTransactionByHash", Calls::Nth(1), Act::field("input", "0x"), "have another hash"),
        ("eth_getTransactionReceipt", Calls::Nth(2), Act::result(Value::Null), "disagree on transaction "),
    ];
    for (method, calls, act, words) in cases {
        let liar = Proxy::start(honest.clone()).await;
        let both = source(&[("archive", &honest), ("liar", liar.url())], Mode::Auto).await;
        liar.rule(method, calls, act);
        let told = history.audited_by(&both, Reading::Every).await.unwrap_err();
        let told = format!("{told:#}");
        assert!(told.contains(words), "{method}: {told}");
        assert!(!words.starts_with("disagree") || told.contains("archive and liar"), "{told}");
        liar.obey();
        let clean = history.audited_by(&both, Reading::Every).await.unwrap();
        assert!(clean.is_clean(), "{clean:?}");
    }
    // Alone it is found by what the journal says.
    let liar = Proxy::start(honest.clone()).await;
    let alone = source(&[("liar", liar.url())], Mode::Auto).await;
    liar.rule("eth_call", Calls::Nth(3), price());
    let faults = history.replayed_by(&alone).await.unwrap().faults;
    assert!((1..=2).contains(&faults.len()), "{faults:?}");
    assert!(faults[0].to_string().contains("the recorded facts are not those of the chain"), "{}", faults[0]);
}

alloy::sol! {
    interface IProxyOwner {
        function proposeAggregator(address aggregator) external;
        function confirmAggregator(address aggregator) external;
    }
}

#[tokio::test]
async fn a_feed_that_reports_elsewhere_from_the_first_block_of_a_stretch_on_is_read_anew() {
    let mut history = History::lived(1).await;
    history.rig.neighbour().await;
    let vault = history.rig.neighbours[0];
    let stage = &history.rig.scene.stage;
    // Not so long that its feeds grow old, and the pool's average has passed.
    for _ in 0..270 {
        stage.chain.mine_after(6).await.unwrap();
    }
    let mut owner = stage.act_as(Actor::Owner).await.unwrap();
    let feed = chainlink::feed(&mut owner, "ETH / USD", Decimal::from(PRICE + 400)).await.unwrap();
    let (proxy, aggregator) = (stage.venue.risky_usd.proxy, feed.aggregator);
    owner.call(proxy, &IProxyOwner::proposeAggregatorCall { aggregator }).await.unwrap();
    owner.call(proxy, &IProxyOwner::confirmAggregatorCall { aggregator }).await.unwrap();
    let changed = stage.chain.block_number().await.unwrap();
    history.rig.scene.mine(5).await;
    let source = history.source().await;
    let policies = vec![published(&history.rig.scene.policy)];
    let subjects = [Subject { name: "vault".to_owned(), vault, policies }];
    let audited = async |reading| {
        let question = Question { from: changed - 256, to: changed + 5, grace: 5, reading };
        let mut audit = Audit::new(&source, question, (&subjects, &[]), None);
        while audit.stretch().await.unwrap() {}
        audit.found().remove(0)
    };
    let (every, changes) = (audited(Reading::Every).await, audited(Reading::Changes).await);
    assert!(changes.reads < 256, "{}", changes.reads);
    // At the new price, of which the pool knows nothing, no trade is wanted any more.
    assert_eq!((every.wanted, every.held_as_policy), (256, 6), "{every:?}");
    assert_eq!(Found { reads: 0, ..changes }, Found { reads: 0, ..every });
}

#[tokio::test]
async fn vaults_that_are_audited_together_share_headers_events_and_feeds() {
    let mut history = History::lived(1).await;
    // Three that have never traded: nothing of theirs moves by itself once the average has passed.
    for _ in 0..3 {
        history.rig.neighbour().await;
    }
    let vaults = history.rig.neighbours.clone();
    let from = history.rig.scene.stage.chain.block_number().await.unwrap();
    history.rig.scene.mine(100).await;
    let policies = vec![published(&history.rig.scene.policy)];
    let subject = |vault| Subject { name: "vault".to_owned(), vault, policies: policies.clone() };
    let question = Question { from, to: from + 99, grace: 5, reading: Reading::Changes };
    let asked = async |vaults: &[Address]| {
        let node = Proxy::start(history.url()).await;
        let source = source(&[("node", node.url())], Mode::Auto).await;
        let subjects: Vec<_> = vaults.iter().copied().map(subject).collect();
        let mut audit = Audit::new(&source, question, (&subjects, &[]), None);
        while audit.stretch().await.unwrap() {}
        let methods = node.methods();
        let requests = source.requests();
        assert_eq!(requests.values().sum::<u64>(), methods.len() as u64, "{requests:?}");
        let count = |of: &str| methods.iter().filter(|method| *method == of).count() as u64;
        let counts = ["eth_getBlockByNumber", "eth_getLogs", "eth_call"].map(count);
        assert_eq!(["eth_getBlockByNumber", "eth_getLogs", "eth_call"].map(|of| requests[of]), counts);
        (audit.found(), counts)
    };
    let (all, together) = asked(&vaults).await;
    let mut calls = 0;
    for (at, vault) in vaults.iter().enumerate() {
        let (found, alone) = asked(&[*vault]).await;
        assert_eq!(found[0], all[at]);
        assert!((50..70).contains(&all[at].reads), "{}", all[at].reads);
        // The facts that are read, those at the first block to know whom to watch, and of two feeds the contract behind each
        // at both ends.
        assert_eq!(alone, [100, 1, all[at].reads + 1 + 4]);
        calls += alone[2];
    }
    // One way along the headers, one request for the events, one look behind each feed.
    assert_eq!(together, [100, 1, calls - 8]);
}

#[tokio::test]
async fn the_program_audits_without_any_record_and_says_what_is_wrong_with_what_it_is_given() {
    let desk = Desk::set(SHORT).await;
    let (first, last) = desk.history.heights;
    let range = ["--from", &first.to_string(), "--to", &last.to_string()];
    let audit = async |more: &[&str]| desk.run("audit", &[&range[..], more].concat()).await;
    let told = audit(&["--json", "--read", "every"]).await;
    assert_eq!(told.code, 0, "{}{}", told.out, told.err);
    let json = told.json();
    assert_eq!((&json["clean"], &json["vaults"][0]["reads"]), (&true.into(), &SHORT.into()));
    let acted = json["vaults"][0]["totals"]["acted"].as_u64().unwrap();
    let asked = |method: &str| json["requests"]["methods"][method].as_u64().unwrap();
    // Of each action the block it was decided on, its facts, the transaction and the receipt; and the newest block.
    assert_eq!(asked("eth_getBlockByNumber"), SHORT + acted + 1, "{}", json["requests"]);
    assert_eq!(asked("eth_call"), SHORT + acted + 1);
    assert_eq!(["eth_getTransactionByHash", "eth_getTransactionReceipt"].map(asked), [acted; 2]);
    assert_eq!((asked("eth_getLogs"), &json["requests"]["blocks"]), (1, &SHORT.into()));
    let table = audit(&[]).await;
    assert!(table.out.contains("acted as the policy says") && table.code == 0, "{}", table.out);
    assert!(table.out.contains(&format!(" requests over {SHORT} blocks, ")), "{}", table.out);
    assert_eq!(table.out.matches("acted as policy").count() as u64, acted);

    let other = with(&desk.history.rig.scene.policy, "aversion = \"4\"", "aversion = \"5\"");
    std::fs::write(desk.path("other.toml"), other).unwrap();
    let unknown = audit(&["--policy", "other.toml"]).await;
    assert!(unknown.code == 1 && unknown.out.contains("which is not given: name its file with --policy"));
    // A published policy is as good as the file that it was written in.
    let shown = Command::new(env!("CARGO_BIN_EXE_keeper"))
        .args(["policy", "show", "policy.toml"])
        .current_dir(desk.directory.path())
        .output();
    std::fs::write(desk.path("published.json"), shown.await.unwrap().stdout).unwrap();
    assert_eq!(audit(&["--policy", "published.json"]).await.code, 0);

    let elsewhere = with(&desk.history.rig.scene.policy, "chain_id = 31337", "chain_id = 1");
    std::fs::write(desk.path("elsewhere.toml"), elsewhere).unwrap();
    for (more, words) in [
        (vec!["--policy", "elsewhere.toml"], "--rpc serves chain 31337, the policy is for chain 1"),
        (vec!["--policy", "nowhere.toml"], "there is no file nowhere.toml"),
        (vec!["--journal", "nowhere.db"], "there is no journal nowhere.db"),
        (vec!["--rpc", "ftp://x"], "scheme `ftp` is not http or https"),
    ] {
        let told = audit(&more).await;
        assert!(told.code == 2 && told.err.contains(words), "{more:?}: {} {}", told.code, told.err);
    }
    let beyond = desk.run("audit", &["--from", "1", "--to", "1000000"]).await;
    assert!(beyond.code == 2 && beyond.err.contains("there are no such blocks"), "{}", beyond.err);
    let before = desk.run("audit", &["--from", "0", "--to", "3"]).await;
    assert!(before.code == 1 && before.err.contains("there is no contract at"), "{}", before.err);
    let pruned = Proxy::start(desk.history.url()).await;
    pruned.prune();
    let told = desk.run_through(pruned.url(), "audit", &range).await;
    assert!(told.code == 1 && told.err.contains("an archive node does"), "{}", told.err);
}

#[tokio::test]
async fn another_policy_is_held_beside_the_published_one_block_by_block() {
    let desk = Desk::set(SHORT).await;
    let (first, last) = desk.history.heights;
    let range = ["--from", &first.to_string(), "--to", &last.to_string(), "--read", "every"];
    let audit = async |more: &[&str]| desk.run("audit", &[&range[..], more].concat()).await;
    let beside = async |other: &str| {
        let told = audit(&["--counterfactual", other, "--json"]).await;
        assert_eq!(told.code, 0, "{}{}", told.out, told.err);
        told.json()["vaults"][0].take()
    };
    // The same policy differs nowhere.
    let same = beside("policy.toml").await;
    let comparison = &same["comparison"];
    assert_eq!(same["counterfactual"]["divergences"], serde_json::json!([]));
    assert_eq!(
        (&comparison["done"], &comparison["other_alone"]["trades"]),
        (&comparison["instead"], &0.into())
    );
    let acted = same["totals"]["acted"].as_u64().unwrap();
    assert_eq!(comparison["done"]["trades"].as_u64(), Some(acted));

    // One that waits for more of a drift makes the first purchase alike, and of the others none.
    let patient = with(&desk.history.rig.scene.policy, "fraction = \"0.02\"", "fraction = \"0.2\"");
    std::fs::write(desk.path("patient.toml"), patient).unwrap();
    let vault = beside("patient.toml").await;
    let likeness: Vec<_> = vault["counterfactual"]["actions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|action| &action["likeness"])
        .collect();
    assert_eq!((likeness.len() as u64, likeness[0]), (acted, &"same".into()), "{vault}");
    assert!(likeness[1..].iter().all(|likeness| *likeness == "nothing"), "{likeness:?}");
    let runs = vault["counterfactual"]["divergences"].as_array().unwrap();
    assert_eq!(runs.len() as u64, acted - 1, "each was wanted by the published policy for a block");
    for (run, action) in runs.iter().zip(&vault["counterfactual"]["actions"].as_array().unwrap()[1..]) {
        assert_eq!((&run["from"], &run["to"]), (&action["decision_block"], &run["from"]));
        assert_eq!((&run["published"], &run["other"]), (&action["published"], &Value::Null));
    }
    let (done, alone) = (&vault["comparison"]["done"], &vault["comparison"]["published_alone"]);
    let cost = |sum: &Value| sum["cost_usd"].as_f64().unwrap();
    let first = vault["counterfactual"]["actions"][0]["published"]["cost_usd"].as_f64().unwrap();
    assert!((cost(done) - cost(alone) - first).abs() < 1e-9 && first > 100.0, "{done} {alone} {first}");
    let by_likeness = &vault["comparison"]["by_likeness"];
    assert_eq!(
        ["same", "other_size", "other_direction", "nothing"]
            .map(|kind| by_likeness[kind]["actions"].as_u64()),
        [Some(1), Some(0), Some(0), Some(acted - 1)]
    );
    assert_eq!(
        (&by_likeness["same"]["done"], cost(&by_likeness["same"]["instead"])),
        (&vault["comparison"]["instead"], first)
    );
    assert_eq!(&by_likeness["nothing"]["done"], alone);
    let table = audit(&["--counterfactual", "patient.toml"]).await.out;
    for words in
        ["wanted by the published policy alone", "done and decided alike", "action decided at", "the same"]
    {
        assert!(table.contains(words), "{table}");
    }
}

#[tokio::test]
async fn what_was_done_is_held_against_the_other_policy_also_where_the_one_in_force_is_not_known() {
    let desk = Desk::set(SHORT).await;
    let (first, last) = desk.history.heights;
    let range = ["--from", &first.to_string(), "--to", &last.to_string(), "--read", "every"];
    let audit = async |more: &[&str]| desk.run("audit", &[&range[..], more].concat()).await;
    let patient = with(&desk.history.rig.scene.policy, "fraction = \"0.02\"", "fraction = \"0.2\"");
    std::fs::write(desk.path("patient.toml"), patient).unwrap();
    // Nothing is said of what the policy in force wants.
    let told = audit(&["--policy", "patient.toml", "--counterfactual", "policy.toml", "--json"]).await;
    let vault = told.json()["vaults"][0].take();
    assert_eq!((told.code, &vault["unknown"]), (1, &SHORT.into()));
    assert_eq!(vault["counterfactual"]["divergences"], serde_json::json!([]));
    let same = &vault["comparison"]["by_likeness"]["same"];
    // What cannot be judged is told apart from what can, and is not as it should be.
    let acted = vault["totals"]["unknown_policy"].as_u64().unwrap();
    assert!(acted >= 4 && vault["totals"]["unexplained"] == 0, "{vault}");
    assert_eq!(
        (&same["actions"], &same["done"]["trades"], &same["instead"]["trades"]),
        (&acted.into(), &0.into(), &acted.into())
    );
    // However many blocks it is in force: one finding beside the actions.
    assert_eq!(vault["findings"].as_array().unwrap().len() as u64, acted + 1);
    let elsewhere = with(&desk.history.rig.scene.policy, "chain_id = 31337", "chain_id = 1");
    std::fs::write(desk.path("elsewhere.toml"), elsewhere).unwrap();
    let refused = audit(&["--counterfactual", "elsewhere.toml"]).await;
    assert!(
        refused.code == 2 && refused.err.contains("elsewhere.toml is for another chain"),
        "{}",
        refused.err
    );
}

/// The parts of what was lost are those of the whole, to the millionth.
fn assert_adds_up(explained: &Value) {
    let money = |value: &Value| value.as_str().unwrap().parse::<Decimal>().unwrap();
    let lost = |pair: &str| money(&explained[pair]["realised"]) - money(&explained[pair]["predicted"]);
    let parts = money(&explained["price_moved"]) + money(&explained["order_in_block"]);
    for (lost, parts) in [(lost("venue"), parts), (lost("gas"), money(&explained["gas_over_prediction"]))] {
        assert!((lost - parts).abs() <= Decimal::new(2, 6), "{explained}");
    }
}

/// Asserts that a page is whole, needs no network, and tells of every action of the vault.
fn assert_page(page: &str, vault: &Value) {
    for part in ["<!DOCTYPE html>", "Everything is equal.", "order in the block", "</html>"] {
        assert_eq!(page.matches(part).count(), 1, "{part}");
    }
    for link in ["http:", "https:", "src=", "href=", "url("] {
        assert!(!page.contains(link), "{link}: it needs no network");
    }
    for tag in ["section", "table", "tr", "td", "div"] {
        let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    for executed in vault["executed"].as_array().unwrap() {
        assert!(page.contains(executed["transaction"].as_str().unwrap()));
        let venue = &executed["explained"]["venue"];
        let [predicted, taken] = ["predicted", "realised"].map(|side| {
            let value: Decimal = venue[side].as_str().unwrap().parse().unwrap();
            assert!(value > Decimal::ZERO, "{venue}");
            format!("{:.2}", value.round_dp(2))
        });
        assert!(page.contains(&format!("<td>{predicted}, {taken}</td>")), "{venue}");
        assert_adds_up(&executed["explained"]);
    }
}

#[tokio::test]
async fn the_program_replays_a_journal_in_tables_json_and_a_page() {
    let desk = Desk::set(SHORT).await;
    let journal = desk.history.rig.directory.path().join("keeper.db").display().to_string();
    let anvil = desk.history.rig.scene.stage.artifacts.anvil().display().to_string();
    let replay = async |more: &[&str]| {
        desk.run("replay", &[&["--journal", &journal, "--anvil", &anvil][..], more].concat()).await
    };
    let told = replay(&["--json"]).await;
    assert_eq!(told.code, 0, "{}{}", told.out, told.err);
    let json = told.json();
    let vault = &json["vaults"][0];
    let acted = vault["actions"]["equal"].as_u64().unwrap();
    assert!(acted >= 4 && json["equal"] == true, "{json}");
    assert_eq!(vault["executed"].as_array().unwrap().len() as u64, acted);
    assert_eq!((&vault["blocks"]["equal"], &vault["faults"]), (&SHORT.into(), &serde_json::json!([])));
    let table = replay(&["--no-execution"]).await;
    assert!(table.out.contains("everything is equal") && table.code == 0, "{}", table.out);

    let page = replay(&["--format", "html"]).await.out;
    assert_page(&page, vault);

    // One decision alone, by the hash that the vault emitted.
    let audit = ["--from", &desk.history.heights.0.to_string(), "--json"];
    let audit = desk.run("audit", &audit).await.json();
    let hash = audit["vaults"][0]["findings"][0]["decision_hash"].as_str().unwrap().to_owned();
    let one = replay(&["--decision", &hash, "--json"]).await.json();
    let (decisions, actions) = (&one["vaults"][0]["decisions"], &one["vaults"][0]["actions"]);
    assert_eq!((&decisions["equal"], &actions["equal"]), (&1.into(), &1.into()), "{one}");
    let none = replay(&["--decision", &hash.replace("0x", "0x00")[..66]]).await;
    let words = none.err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(none.code == 2 && words.contains("has no full record of a decision 0x00"), "{words}");
    assert!(
        words.contains("is there as a leaf alone") && words.contains("replay its block with --from N --to N"),
        "{words}"
    );
    // It is found by itself which of several vaults it is of.
    let other = format!("{:#x}", Address::repeat_byte(9));
    let among = replay(&["--vault", &other, "--decision", &hash, "--json"]).await;
    assert_eq!((among.code, &among.json()["vaults"]), (0, &one["vaults"]), "{}", among.err);
    // Before anything is read.
    let missing = ["--journal", &journal, "--anvil", "/nowhere/anvil"];
    let told = desk.run_through("http://127.0.0.1:1", "replay", &missing).await;
    assert!(told.code == 2 && told.err.contains("name anvil's program with --anvil"), "{}", told.err);
    let told = desk.run("replay", &[&missing[..], &["--no-execution"]].concat()).await;
    assert_eq!(told.code, 0, "{}", told.err);
    let told = replay(&["--no-execution", "--from", "0", "--to", "1"]).await;
    assert!(
        told.code == 1 && told.out.contains("nothing was compared: the journal has no decision on it"),
        "{}",
        told.out
    );

    let other = with(&desk.history.rig.scene.policy, "aversion = \"4\"", "aversion = \"5\"");
    std::fs::write(desk.path("other.toml"), other).unwrap();
    let told = replay(&["--policy", "other.toml", "--no-execution", "--format", "html"]).await;
    assert_eq!(told.code, 1);
    assert!(told.out.contains("Not everything is equal.") && told.out.contains("its file was changed"));
}

#[tokio::test]
async fn an_audit_that_is_interrupted_goes_on_where_it_was() {
    let desk = Desk::set(300).await;
    let (first, last) = desk.history.heights;
    let (from, to) = (first.to_string(), last.to_string());
    let arguments = ["--from", &from, "--to", &to, "--checkpoint", "at.json", "--json"];
    let whole = desk.run("audit", &arguments).await;
    std::fs::remove_file(desk.path("at.json")).unwrap();

    // The second stretch of blocks never comes.
    let node = Proxy::start(desk.history.url()).await;
    node.rule("eth_getBlockByNumber", Calls::First(280), Act::Delay(Arc::new(Semaphore::new(1_000))));
    node.rule("eth_getBlockByNumber", Calls::Every, Act::Hang);
    let running = desk.command("audit", node.url(), &arguments).spawn().unwrap();
    until("the first stretch is noted", async || desk.path("at.json").exists()).await;
    let sent = std::process::Command::new("kill").args(["-INT", &running.id().unwrap().to_string()]).status();
    assert!(sent.unwrap().success());
    let told = ended(running.wait_with_output().await.unwrap());
    let stopped = format!("stopped at block {}: the same command goes on from there", first + 256);
    assert!(told.code == 1 && told.err.contains(&stopped), "{} {}", told.code, told.err);

    node.obey();
    node.forget_requests();
    let again = desk.run_through(node.url(), "audit", &arguments).await;
    let headers = node.methods().iter().filter(|method| *method == "eth_getBlockByNumber").count();
    assert!((44..100).contains(&headers), "{headers} headers for the rest");
    let found = |ended: &Ended| -> Found {
        let mut found = ended.json()["vaults"][0].take();
        found["reads"] = 0.into();
        serde_json::from_value(found).unwrap()
    };
    assert_eq!(found(&again), found(&whole));

    // Without a last block it is that of the checkpoint.
    let to_the_same = ["--from", &from, "--checkpoint", "at.json", "--json"];
    let same = desk.run_through(node.url(), "audit", &to_the_same).await;
    assert_eq!((found(&same), &same.json()["to"]), (found(&whole), &last.into()));
    let other = desk.run("audit", &[&arguments[..], &["--grace", "1"]].concat()).await;
    assert!(other.code == 2 && other.err.contains("at.json is of another audit"), "{}", other.err);
    let other = desk.run("audit", &[&arguments[..], &["--counterfactual", "policy.toml"]].concat()).await;
    assert!(other.code == 2 && other.err.contains("at.json is of another audit"), "{}", other.err);
    // What another node tells is another audit, also beside the same one.
    let archive = desk.history.url();
    for (url, more, why) in [
        (archive.as_str(), &[][..], "through other endpoints"),
        (node.url(), &["--rpc", &archive], "through other endpoints"),
        (node.url(), &["--reader", "multicall"], "by another --reader"),
    ] {
        let other = desk.run_through(url, "audit", &[&arguments[..], more].concat()).await;
        let why = format!("at.json is of another audit, {why}: name another file");
        let words = other.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(other.code == 2 && words.contains(&why), "{words}");
    }
    let noted = std::fs::read_to_string(desk.path("at.json")).unwrap();
    assert!(!noted.contains("http") && noted.contains("\"through\""), "{noted}");
    std::fs::write(desk.path("at.json"), "{\"about\":").unwrap();
    let torn = desk.run("audit", &arguments).await;
    assert!(torn.code == 2 && torn.err.contains("at.json is no checkpoint of an audit"), "{}", torn.err);
}

/// How a transaction is asked for that a record of an action names.
const ASKED: &str = "eth_getTransactionByHash";

/// A replay that is interrupted before it is told of the third action; `each` takes so many requests.
async fn interrupted(desk: &Desk, node: &Proxy, arguments: &[&str], each: usize) {
    node.rule(ASKED, Calls::First(2 * each), Act::Delay(Arc::new(Semaphore::new(1_000))));
    node.rule(ASKED, Calls::Every, Act::Hang);
    let running = desk.command("replay", node.url(), arguments).spawn().unwrap();
    until("two actions are noted", async || {
        let text = std::fs::read(desk.path("at.json")).unwrap_or_default();
        let noted: Value = serde_json::from_slice(&text).unwrap_or_default();
        noted["progress"]["under_way"]["replayed"]["executed"].as_array().is_some_and(|done| done.len() == 2)
    })
    .await;
    let sent = std::process::Command::new("kill").args(["-INT", &running.id().unwrap().to_string()]).status();
    assert!(sent.unwrap().success());
    let told = ended(running.wait_with_output().await.unwrap());
    assert!(told.code == 1 && told.err.contains("the same command goes on from there"), "{}", told.err);
    assert!(told.err.contains("stopped at record "), "{}", told.err);
    node.obey();
    node.forget_requests();
}

/// The keeper goes on, and says of a block of the history a decision that none is: three records.
async fn written_later(desk: &Desk) {
    let rig = &desk.history.rig;
    let (roster, head) = (begins(&rig.journal, rig.scene.vault).await, rig.head().await);
    let vaults = [(rig.scene.vault, Ok(B256::repeat_byte(9)))].into();
    let (number, hash, timestamp) = (desk.history.heights.1, head.hash, head.timestamp);
    rig.journal.record_block(&roster, &BlockRecord { number, hash, timestamp, vaults }).await.unwrap();
}

#[tokio::test]
async fn an_interrupted_replay_goes_on_and_comes_to_the_same_also_where_the_journal_grew() {
    let desk = Desk::set(SHORT).await;
    let journal = desk.history.rig.directory.path().join("keeper.db").display().to_string();
    let anvil = desk.history.rig.scene.stage.artifacts.anvil().display().to_string();
    let arguments = ["--journal", &journal, "--anvil", &anvil, "--checkpoint", "at.json", "--json"];
    let count = |node: &Proxy| node.methods().iter().filter(|method| *method == ASKED).count();
    let node = Proxy::start(desk.history.url()).await;
    let whole = desk.run_through(node.url(), "replay", &arguments).await;
    let actions = whole.json()["vaults"][0]["executed"].as_array().unwrap().len();
    assert!(whole.code == 0 && actions >= 4, "{}{}", whole.out, whole.err);
    let (each, all) = (count(&node) / actions, count(&node));
    assert_eq!(each * actions, all);
    // Of what is done all is there.
    let again = desk.run_through(node.url(), "replay", &arguments).await;
    assert_eq!((again.code, again.json()), (0, whole.json()));
    std::fs::remove_file(desk.path("at.json")).unwrap();
    let table = desk.run("replay", &arguments[..4]).await.out;
    assert!(table.contains(" 0.00 "), "{table}");

    interrupted(&desk, &node, &arguments, each).await;
    written_later(&desk).await;
    let rest = desk.run_through(node.url(), "replay", &arguments).await;
    let mut told = rest.json();
    assert_eq!(told.as_object_mut().unwrap().remove("later"), Some("3".into()));
    assert_eq!((rest.code, told), (0, whole.json()), "{}", rest.err);
    assert_eq!(count(&node), all - 2 * each);

    // What was noted reads as what was not.
    let noted = desk.run_through(node.url(), "replay", &arguments[..6]).await.out;
    let later =
        "; 3 that were written since the checkpoint was begun are not looked at: replay them without it";
    assert!(noted.ends_with("everything is equal; 3 later records were not looked at\n"), "{noted}");
    assert_eq!(with(&with(&noted, later, ""), "; 3 later records were not looked at", ""), table);
    let page = [&arguments[..6], &["--format", "html"]].concat();
    let page = desk.run_through(node.url(), "replay", &page).await.out;
    assert!(page.contains("Everything is equal; 3 later records were not looked at.<"), "{page}");
    let anew = desk.run("replay", &["--journal", &journal, "--no-execution"]).await;
    assert!(anew.code == 1 && anew.out.contains("not everything is equal"), "{}", anew.out);
}

#[tokio::test]
async fn a_checkpoint_of_another_replay_is_refused_with_what_differs() {
    let desk = Desk::set(1).await;
    let journal = desk.history.rig.directory.path().join("keeper.db").display().to_string();
    let arguments = ["--journal", &journal, "--checkpoint", "at.json", "--no-execution"];
    let refused = async |arguments: &[&str], why: &str| {
        let other = desk.run("replay", arguments).await;
        let why = format!("at.json is of another replay, {why}: name another file, or remove it");
        let words = other.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(other.code == 2 && words.contains(&why), "{words}");
    };
    desk.run("replay", &arguments).await;
    let anvil = desk.history.rig.scene.stage.artifacts.anvil().display().to_string();
    let executed = [&arguments[..4], &["--anvil", &anvil]].concat();
    refused(&executed, "with or without --no-execution otherwise than asked for now").await;
    refused(&[&arguments[..], &["--from", "1"]].concat(), "of another range or decision").await;
    let other = Proxy::start(desk.history.url()).await;
    refused(&[&arguments[..], &["--rpc", other.url()]].concat(), "through other endpoints").await;
    refused(&[&arguments[..], &["--reader", "override"]].concat(), "by another --reader").await;
    let nobody = format!("{:#x}", Address::repeat_byte(9));
    refused(&[&arguments[..], &["--vault", &nobody]].concat(), "of other vaults, or by other policies").await;
    let other = desk.run("audit", &["--from", "9", "--checkpoint", "at.json"]).await;
    assert!(other.code == 2 && other.err.contains("at.json is no checkpoint of an audit"), "{}", other.err);

    // The same program by another name executes what nobody has compared.
    let link = desk.path("other-anvil").display().to_string();
    std::os::unix::fs::symlink(&anvil, &link).unwrap();
    let by = |program| [&arguments[..2], &["--checkpoint", "executed.json", "--anvil", program]].concat();
    desk.run("replay", &by(&anvil)).await;
    let other = desk.run("replay", &by(&link)).await;
    let why = "executed.json is of another replay, by another --anvil: name another file";
    let words = other.err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(other.code == 2 && words.contains(why), "{words}");

    let text = std::fs::read_to_string(desk.path("at.json")).unwrap();
    let mut noted: Value = serde_json::from_str(&text).unwrap();
    noted["about"]["records"]["hash"] = B256::repeat_byte(9).to_string().into();
    std::fs::write(desk.path("at.json"), noted.to_string()).unwrap();
    let count = noted["about"]["records"]["count"].clone();
    let why = format!("of a journal that begins with {count} records which this one does not begin with");
    refused(&arguments, &why).await;
    written_later(&desk).await;
    refused(&arguments, &why).await;
    // Of a journal with more records than this one has.
    noted["about"]["records"]["count"] = 1_000_000.into();
    std::fs::write(desk.path("at.json"), noted.to_string()).unwrap();
    refused(&arguments, &why.replace(&count.to_string(), "1000000")).await;
}

#[tokio::test]
async fn a_node_without_old_states_is_told_what_it_lacks() {
    let desk = Desk::set(1).await;
    let program = desk.history.rig.scene.stage.artifacts.anvil();
    let node = Anvil::at(program).arg("--prune-history").spawn();
    let provider = ProviderBuilder::new().connect_http(node.endpoint_url());
    provider.anvil_mine(Some(50), None).await.unwrap();
    let told = desk.run_through(&node.endpoint(), "audit", &["--from", "5", "--to", "6"]).await;
    let words = "after block 5 cannot be read through --rpc: does it keep the states of old blocks? an archive node does";
    assert!(told.code == 1 && told.err.contains(words), "{} {}", told.code, told.err);
}

#[tokio::test]
async fn blocks_before_the_vault_was_deployed_are_counted_and_an_address_without_one_is_told() {
    let desk = Desk::set(3).await;
    let (first, last) = desk.history.heights;
    let to = last.to_string();
    let whole = desk.run("audit", &["--from", "0", "--to", &to, "--json"]).await.json();
    let vault = &whole["vaults"][0];
    let (before, held) = (&vault["not_deployed"], &vault["held_as_policy"]);
    let (before, held) = (before.as_u64().unwrap(), held.as_u64().unwrap());
    assert!(before > 10 && before < first && held > 0, "{whole}");
    let count = |name: &str| vault[name].as_u64().unwrap();
    assert_eq!(before + held + count("wanted") + count("unknown"), last + 1, "{whole}");
    let provider = ProviderBuilder::new().connect_http(desk.history.url().parse().unwrap());
    for (height, there) in [(before, true), (before - 1, false)] {
        let code = provider.get_code_at(desk.history.rig.scene.vault).number(height).await.unwrap();
        assert_eq!(!code.is_empty(), there, "block {height}");
    }

    let nobody = "0x00000000000000000000000000000000000000aa";
    let told = desk.run("audit", &["--vault", nobody, "--from", "0", "--to", &to]).await;
    let words =
        format!("there is no contract at 0x00000000000000000000000000000000000000AA up to block {to}");
    assert!(told.code == 1 && told.err.contains(&words), "{} {}", told.code, told.err);
    let vault = desk.history.rig.scene.vault.to_string();
    let twice = desk.run("audit", &["--vault", &vault, "--from", "0", "--to", &to]).await;
    assert!(twice.code == 2 && twice.err.contains("is named twice"), "{}", twice.err);
    let small = vault.to_lowercase();
    let twice = desk.run("audit", &["--vault", &small, "--from", "0", "--to", &to]).await;
    let words = format!("vault {small} is named twice: {vault} is the same");
    assert!(twice.code == 2 && twice.err.contains(&words), "{}", twice.err);
    let both = desk.run("replay", &["--journal", "none.db", "--json", "--format", "html"]).await;
    assert!(both.code == 2 && both.err.contains("cannot be used with"), "{}", both.err);
}
