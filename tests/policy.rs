//! `keeper policy`: hashes, canonical forms and differences of files, and what a vault followed when.
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
#[path = "support/program.rs"]
mod program;
#[path = "support/proxy.rs"]
mod proxy;

use std::sync::Arc;

use alloy::primitives::{Address, B256, keccak256};
use keeper_process::{Home, Scene, published, with};
use program::{Ended, Place};
use proxy::{Act, Calls, Proxy};
use serde_json::{Value, json};
use vault_keeper::chain::{Endpoint, SecretUrl, Timeouts};
use vault_keeper::protocols::vaults::policy_history::{HistoryError, Origin, PolicyHistory};

const CPPI: &str = include_str!("../examples/policies/cppi.toml");

/// The example policies, by the names of their files.
fn examples() -> Vec<(String, String)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/policies");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let named = |path: &std::path::PathBuf| {
        (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(path).unwrap())
    };
    files.iter().map(named).collect()
}

/// `keeper policy` in a directory with these files.
fn policy(files: &[(&str, &str)], arguments: &[&str]) -> Ended {
    let place = Place::empty();
    files.iter().for_each(|(name, text)| place.write(name, text));
    place.run(&[&["policy"], arguments].concat())
}

#[test]
fn a_policy_is_shown_as_the_bytes_that_are_hashed_and_is_read_from_them_again() {
    let examples = examples();
    assert_eq!(examples.len(), 6);
    for (file, text) in &examples {
        let place = Place::empty();
        place.write(file, text);
        let shown = place.run(&["policy", "show", file]);
        assert_eq!((shown.code, shown.err.as_str()), (0, ""), "{shown:?}");
        let hash = keccak256(shown.out.as_bytes());
        assert_eq!(hash, published(text).hash(), "{file}");
        place.write("shown.json", &shown.out);
        let hashes = place.run(&["policy", "hash", file, "shown.json"]);
        let name = published(text).policy().name.clone();
        assert_eq!(hashes.out, format!("{hash}  {name}  {file}\n{hash}  {name}  shown.json\n"));
        assert_eq!(place.run(&["policy", "show", "shown.json"]).out, shown.out, "{file}");
        assert_eq!(place.run(&["policy", "show", "--json", "shown.json"]).out, shown.out, "{file}");
    }
}

#[test]
fn hashes_are_printed_as_json_too() {
    let ended = policy(&[("a.toml", CPPI)], &["hash", "a.toml", "--json"]);
    let expected = json!([{ "hash": published(CPPI).hash(), "name": "cppi-80-3x", "file": "a.toml" }]);
    assert_eq!((ended.code, ended.json()), (0, expected));
}

#[test]
fn a_published_policy_decides_like_its_file() {
    let place = Place::empty();
    place.write("snapshot.json", include_str!("fixtures/snapshot.json"));
    place.write("policy.toml", include_str!("fixtures/policy.toml"));
    place.write("policy.json", &place.run(&["policy", "show", "policy.toml"]).out);
    let decided = |policy| {
        let arguments = ["decide", "--snapshot", "snapshot.json", "--json", "--policy", policy];
        place.run(&arguments).json()
    };
    assert_eq!(decided("policy.json"), decided("policy.toml"));
    assert_eq!(
        decided("policy.json")["decision_hash"],
        include_str!("fixtures/decision_hash.txt").trim_end()
    );
}

#[test]
fn two_policies_differ_where_their_values_do() {
    let other = with(
        &with(CPPI, "jump = \"0.10\" ", "jump = \"0.15\" "),
        "[execution]",
        "[execution]\nstyle = { kind = \"twap\", slices = 4, interval_seconds = 3_600 }",
    );
    let other = format!(
        "{other}\n[[venues]]\nkind = \"uniswap_v2\"\npair = \"0x2222222222222222222222222222222222222222\"\n"
    );
    let files = [("a.toml", CPPI), ("b.toml", other.as_str())];
    let ended = policy(&files, &["diff", "a.toml", "b.toml"]);
    let lines = "execution.style.interval_seconds: (not stated) -> 3600\n\
        execution.style.kind: (not stated) -> twap\n\
        execution.style.slices: (not stated) -> 4\n\
        gap.jump: 0.1 -> 0.15\n\
        venues[1].kind: (not stated) -> uniswap_v2\n\
        venues[1].pair: (not stated) -> 0x2222222222222222222222222222222222222222\n";
    assert_eq!((ended.code, ended.out.as_str(), ended.err.as_str()), (1, lines, ""));
    let ended = policy(&files, &["diff", "b.toml", "a.toml", "--json"]);
    let json = ended.json();
    assert_eq!(
        (ended.code, json["same"].as_bool(), json["same_text"].as_bool()),
        (1, Some(false), Some(false))
    );
    assert_eq!(json["differences"][3], json!({ "path": "gap.jump", "a": "0.15", "b": "0.1" }));
    assert_eq!(json["differences"][4], json!({ "path": "venues[1].kind", "a": "uniswap_v2" }));
    assert_eq!((&json["a"], &json["b"]), (&json!(published(&other).hash()), &json!(published(CPPI).hash())));
}

#[test]
fn what_is_written_differently_and_means_the_same_is_the_same_policy() {
    let other = with(CPPI, "jump = \"0.10\" ", "jump = \"0.1\" # the same\n");
    let files = [("a.toml", CPPI), ("b.toml", other.as_str())];
    let hash = published(CPPI).hash();
    let same = policy(&files, &["diff", "a.toml", "a.toml"]);
    assert_eq!((same.code, same.out), (0, format!("the same policy, {hash}\n")));
    let written = policy(&files, &["diff", "a.toml", "b.toml"]);
    let said = format!("the same policy, {hash}, though the two files are written differently\n");
    assert_eq!((written.code, written.out), (0, said));
    let json = policy(&files, &["diff", "a.toml", "b.toml", "--json"]).json();
    assert_eq!((json["same"].as_bool(), json["same_text"].as_bool()), (Some(true), Some(false)));
    assert_eq!(json["differences"], json!([]));
}

#[test]
fn a_file_that_is_no_policy_ends_with_2_and_its_place() {
    let wrong = with(CPPI, "jump = \"0.10\" ", "jump = 0.10 ");
    let files = [("a.toml", CPPI), ("b.toml", wrong.as_str()), ("c.json", "{\"name\":}")];
    for arguments in [&["hash", "a.toml", "b.toml"][..], &["show", "b.toml"], &["diff", "a.toml", "b.toml"]] {
        let ended = policy(&files, arguments);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{ended:?}");
        assert!(ended.err.contains("b.toml:30:8: gap.jump: is a float"), "{ended:?}");
    }
    let ended = policy(&files, &["show", "c.json"]);
    assert!(ended.code == 2 && ended.err.contains("c.json:1:9: not JSON"), "{ended:?}");
    let ended = policy(&files, &["show", "d.json"]);
    assert!(ended.code == 2 && ended.err.contains("there is no file d.json"), "{ended:?}");
}

/// A vault whose owner approved a second policy and then the first again.
struct Approvals {
    scene: Scene,
    proxy: Proxy,
    home: Home,
    /// Blocks of the approvals.
    blocks: [u64; 2],
    /// The first policy and the second.
    hashes: [B256; 2],
    second: String,
}

impl Approvals {
    async fn set() -> Self {
        let scene = Scene::set().await;
        let second = with(&scene.policy, "name = \"cppi-80-3x\"", "name = \"other\"");
        let mut blocks = [0; 2];
        for (block, policy) in blocks.iter_mut().zip([&second, &scene.policy]) {
            scene.mine(20).await;
            scene.approve(policy).await;
            *block = head(&scene).await;
        }
        scene.mine(20).await;
        let proxy = Proxy::start(scene.stage.chain.endpoint()).await;
        let home = Home::new(&scene, proxy.url()).await;
        let hashes = [published(&scene.policy).hash(), published(&second).hash()];
        Self { scene, proxy, home, blocks, hashes, second }
    }

    async fn printed(&self, arguments: &[&str]) -> Value {
        let command = ["policy", "history", "--vault", "main", "--json"];
        let ended = self.home.start(&[&command, arguments].concat()).end().await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.json()
    }

    async fn read(&self, from: u64, to: u64) -> Result<PolicyHistory, HistoryError> {
        PolicyHistory::read(&self.endpoint().await, self.scene.vault, (from, to)).await
    }

    async fn endpoint(&self) -> Endpoint {
        let time = std::time::Duration::from_secs(10);
        let url = SecretUrl::parse(self.proxy.url()).unwrap();
        Endpoint::discover("proxy", url, Timeouts { connect: time, request: time }).await.unwrap()
    }

    /// How many requests for events were made.
    fn asked(&self) -> usize {
        self.proxy.methods().iter().filter(|method| *method == "eth_getLogs").count()
    }
}

async fn head(scene: &Scene) -> u64 {
    use alloy::providers::Provider;
    scene.stage.chain.provider().get_block_number().await.unwrap()
}

/// A node that answers for so many blocks at once, in the words of a provider.
fn at_most(blocks: u64) -> Act {
    let number =
        |value: &Value| u64::from_str_radix(value.as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
    Act::Judge(Arc::new(move |request| {
        let filter = &request["params"][0];
        let width = number(&filter["toBlock"]) - number(&filter["fromBlock"]) + 1;
        (width > blocks).then_some((-32_600, "query exceeds max block range"))
    }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_of_a_vault_is_its_deployment_and_every_approval() {
    let approvals = Approvals::set().await;
    let ([first, second], [set, back]) = (approvals.hashes, approvals.blocks);
    approvals.home.write("other.toml", &approvals.second);
    let whole = approvals.printed(&[]).await;
    let policies = whole["policies"].as_array().unwrap();
    let told = |entry: &Value| (entry["origin"].clone(), entry["hash"].clone(), entry["policy"].clone());
    assert_eq!(
        policies.iter().map(told).collect::<Vec<_>>(),
        [
            (json!("deployed"), json!(first), json!("cppi-80-3x")),
            (json!("set"), json!(second), Value::Null),
            (json!("set"), json!(first), json!("cppi-80-3x")),
        ]
    );
    assert_eq!(
        (&policies[1]["block"], &policies[2]["block"]),
        (&json!(set.to_string()), &json!(back.to_string()))
    );
    assert_ne!(policies[1]["transaction"], policies[2]["transaction"]);
    approvals.home.configure("policies = [\"cppi.toml\"]", "policies = [\"cppi.toml\", \"other.toml\"]");
    let (from, to) = ((set - 3).to_string(), (set + 3).to_string());
    let part = approvals.printed(&["--from", &from, "--to", &to]).await;
    assert_eq!((&part["from"], &part["to"]), (&json!(from), &json!(to)));
    let policies = part["policies"].as_array().unwrap();
    assert_eq!(
        policies.iter().map(told).collect::<Vec<_>>(),
        [(json!("before"), json!(first), json!("cppi-80-3x")), (json!("set"), json!(second), json!("other")),]
    );
    let time = approvals.scene.stage.chain.head().await.unwrap().0;
    let set_at: u64 = policies[1]["time"].as_str().unwrap().parse().unwrap();
    assert!(set_at < time && set_at > time - 1_000);
    let command = ["policy", "history", "--vault", "main", "--from", &to];
    let table = approvals.home.start(&command).end().await;
    assert!(table.stdout.contains("other") && table.stdout.contains("2023-11-14 22:"), "{table:?}");
    let (vault, url) = (approvals.scene.vault.to_string(), approvals.scene.stage.chain.endpoint());
    let known = ["policy", "history", "--vault", &vault, "--rpc", &url, "--policy", "other.toml"];
    let table = approvals.home.start(&known).end().await;
    assert!(table.stdout.contains("other") && table.stdout.contains("(not given)"), "{table:?}");
    let lacks = approvals.home.start(&known[..4]).end().await;
    assert!(lacks.code == Some(2) && lacks.stderr.contains("name an endpoint with --rpc"), "{lacks:?}");
    let none = approvals
        .home
        .start(&["policy", "history", "--vault", "main", "--from", "9", "--to", "8"])
        .end()
        .await;
    assert_eq!(none.code, Some(2), "{none:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_every_height_the_history_says_what_the_vault_stores() {
    let approvals = Approvals::set().await;
    let newest = head(&approvals.scene).await;
    let history = approvals.read(0, newest).await.unwrap();
    assert_eq!(history.entries()[0].origin, Origin::Deployed);
    let deployed = history.entries()[0].block;
    assert_eq!(history.in_force(deployed - 1), None);
    for height in deployed..=newest {
        let one = approvals.read(height, height).await.unwrap();
        assert_eq!(history.in_force(height), Some(one.entries()[0].hash), "{height}");
        assert_eq!(one.entries().len(), 1);
    }
    let missing = approvals.read(0, deployed - 1).await.unwrap_err();
    assert_eq!(missing, HistoryError::NotAVault(approvals.scene.vault, deployed - 1));
    assert_eq!(approvals.read(0, newest + 1).await.unwrap_err(), HistoryError::NoBlock(newest + 1));
    let endpoint = approvals.endpoint().await;
    let nobody = PolicyHistory::read(&endpoint, Address::repeat_byte(9), (0, newest)).await.unwrap_err();
    assert!(matches!(nobody, HistoryError::NotAVault(..)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_answers_for_few_blocks_is_asked_for_few() {
    let approvals = Approvals::set().await;
    let newest = head(&approvals.scene).await;
    let whole = approvals.read(0, newest).await.unwrap();
    assert_eq!(approvals.asked(), 1);
    approvals.proxy.rule("eth_getLogs", Calls::Every, at_most(7));
    assert_eq!(approvals.read(0, newest).await.unwrap(), whole);
    let width = newest - whole.entries()[0].block;
    let most = usize::try_from(width / 4 + 10).unwrap();
    assert!((10..most).contains(&approvals.asked()), "{} requests over {width} blocks", approvals.asked());
    approvals.proxy.obey();
    approvals.proxy.rule("eth_getLogs", Calls::Every, at_most(0));
    let refused = approvals.read(0, newest).await.unwrap_err();
    assert!(refused.to_string().contains("query exceeds max block range"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_leaves_an_approval_out_is_found_out() {
    let approvals = Approvals::set().await;
    let [_, back] = approvals.blocks;
    approvals.proxy.rule("eth_getLogs", Calls::Every, Act::result(json!([])));
    let left_out = approvals.read(back - 1, back).await.unwrap_err();
    let [first, second] = approvals.hashes;
    assert_eq!(left_out, HistoryError::Incomplete { block: back, told: second, stored: first });
    approvals.proxy.rule("eth_call", Calls::Every, Act::Error(-32_000, "missing trie node"));
    let pruned = approvals.read(0, back).await.unwrap_err();
    assert!(
        pruned.to_string().contains("begin at one of those, or use a node that keeps them all"),
        "{pruned}"
    );
}
