//! Nodes that lie in one answer: beside an honest one they are found, whatever the lie is about; alone where a journal says
//! otherwise.
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
use std::sync::atomic::{AtomicBool, Ordering};

use alloy::primitives::{Address, B256, U256, hex};
use alloy::sol_types::SolCall;
use desk::{Desk, Ended};
use keeper_process::PRICE;
use proxy::{Act, Calls, Proxy};
use serde_json::{Value, json};
use vault_keeper::protocols::abi::RebalancingVault::stateCall;

/// Blocks with a handful of rebalances and nothing planted.
const SHORT: u64 = 45;

/// One answer that is not true: of the first request of a method that fits.
struct Lie {
    method: &'static str,
    act: Act,
}

impl Lie {
    fn of<F, C>(method: &'static str, fits: F, change: C) -> Self
    where
        F: Fn(&Value) -> bool + Send + Sync + 'static,
        C: Fn(&mut Value) + Send + Sync + 'static,
    {
        let told = AtomicBool::new(false);
        let act = Act::Mutate(Arc::new(move |request, answer| {
            if fits(&request["params"]) && !told.swap(true, Ordering::SeqCst) {
                change(&mut answer["result"]);
            }
        }));
        Self { method, act }
    }

    /// Another value in a field of the header at a height.
    fn header(height: u64, field: &'static str, value: Value) -> Self {
        let at = format!("{height:#x}");
        Self::of(
            "eth_getBlockByNumber",
            move |params| params[0] == at.as_str(),
            move |block| block[field] = value.clone(),
        )
    }

    /// Another price of the feed in the facts at a block.
    fn price(block: B256) -> Self {
        let hash = block.to_string();
        Self::of(
            "eth_call",
            move |params| params[1]["blockHash"] == hash.as_str() && !params[2].is_null(),
            another_price,
        )
    }

    /// Another word in the answer to a call of one function.
    fn call(selector: [u8; 4], word: usize) -> Self {
        let data = hex::encode_prefixed(selector);
        let fits = move |params: &Value| {
            let input = params[0]["input"].as_str().or(params[0]["data"].as_str());
            input.is_some_and(|input| input.starts_with(&data))
        };
        Self::of("eth_call", fits, move |answer| {
            let mut words = words(answer);
            let odd = U256::from_str_radix(&words[word], 16).unwrap() ^ U256::ONE;
            words[word] = format!("{odd:064x}");
            *answer = format!("0x{}", words.concat()).into();
        })
    }

    /// Half the number in a storage slot of a contract.
    fn storage(contract: Address, slot: u64) -> Self {
        let fits = move |params: &Value| {
            let of = |at: usize| params[at].as_str().unwrap_or_default().to_lowercase();
            of(0) == contract.to_string().to_lowercase() && of(1).parse::<U256>() == Ok(U256::from(slot))
        };
        Self::of("eth_getStorageAt", fits, |answer| {
            let half = answer.as_str().unwrap().parse::<U256>().unwrap() / U256::from(2);
            *answer = format!("{half:#066x}").into();
        })
    }

    /// Another value in a field of the first of these.
    fn first(method: &'static str, field: &'static str, value: Value) -> Self {
        Self::of(method, |_| true, move |answer| answer[field] = value.clone())
    }

    fn whole(method: &'static str, value: Value) -> Self {
        Self::of(method, |_| true, move |answer| *answer = value.clone())
    }

    /// A node that tells it beside the truth.
    async fn told(self, honest: &str) -> Proxy {
        let node = Proxy::start(honest.to_owned()).await;
        node.rule(self.method, Calls::Every, self.act);
        node
    }
}

fn words(answer: &Value) -> Vec<String> {
    let text = answer.as_str().unwrap().trim_start_matches("0x");
    text.as_bytes().chunks(64).map(|word| String::from_utf8(word.to_vec()).unwrap()).collect()
}

fn another_price(answer: &mut Value) {
    let mut words = words(answer);
    let price = |word: &String| {
        let value = U256::from_str_radix(word, 16).unwrap_or_default();
        (U256::from(PRICE * 90_000_000)..U256::from(PRICE * 110_000_000)).contains(&value)
    };
    let place = words.iter().position(price).unwrap();
    let value = U256::from_str_radix(&words[place], 16).unwrap() + U256::from(100_000_000);
    words[place] = format!("{value:064x}");
    *answer = format!("0x{}", words.concat()).into();
}

/// A desk with a journal, the last action of the keeper, and what is looked at.
struct Case {
    desk: Desk,
    /// Height and hash of the block that it was decided on.
    decided: (u64, B256),
    transaction: String,
    pool: Address,
}

impl Case {
    async fn set() -> Self {
        let desk = Desk::set(SHORT).await;
        let audit =
            desk.run("audit", &["--from", &desk.history.heights.0.to_string(), "--json"]).await.json();
        let actions = audit["vaults"][0]["findings"].as_array().unwrap();
        let action = actions.last().unwrap();
        let height = action["decision_block"].as_u64().unwrap();
        let source = desk.history.source().await;
        let hash = source.header(height).await.unwrap().hash;
        let policy: toml::Table = toml::from_str(&desk.history.rig.scene.policy).unwrap();
        let pool = policy["venues"][0]["pool"].as_str().unwrap().parse().unwrap();
        let transaction = action["transaction"].as_str().unwrap().to_owned();
        Self { desk, decided: (height, hash), transaction, pool }
    }

    fn honest(&self) -> String {
        self.desk.history.url()
    }

    fn vault(&self) -> String {
        self.desk.history.rig.scene.vault.to_string()
    }

    /// Looks at everything through `nodes`.
    async fn through(&self, command: &str, nodes: &[&str], more: &[&str]) -> Ended {
        let (from, to) = self.desk.history.heights;
        let (from, to) = (from.to_string(), to.to_string());
        let rig = &self.desk.history.rig;
        let journal = rig.directory.path().join("keeper.db").display().to_string();
        let anvil = rig.scene.stage.artifacts.anvil().display().to_string();
        let mut arguments = match command {
            "audit" => vec!["--from", &from, "--to", &to],
            _ => vec!["--journal", &journal, "--anvil", &anvil],
        };
        arguments.extend(nodes[1..].iter().flat_map(|node| ["--rpc", *node]));
        arguments.extend(more);
        self.desk.run_through(nodes[0], command, &arguments).await
    }

    /// What the program says where the second node tells `lie`.
    async fn found(&self, command: &str, lie: Lie) -> String {
        let honest = self.honest();
        let liar = lie.told(&honest).await;
        let ended = self.through(command, &[&honest, liar.url()], &[]).await;
        assert_eq!((ended.code, ended.out.as_str()), (1, ""), "{}", ended.err);
        ended.err
    }
}

#[tokio::test]
async fn two_honest_nodes_tell_what_one_tells_and_one_of_another_chain_is_refused() {
    let case = Case::set().await;
    let honest = case.honest();
    let second = Proxy::start(honest.clone()).await;
    for (command, more) in [("audit", &["--json"][..]), ("replay", &["--json", "--no-execution"])] {
        let one = case.through(command, &[&honest], more).await;
        let two = case.through(command, &[&honest, second.url()], more).await;
        assert_eq!((one.code, two.code), (0, 0), "{} {}", one.err, two.err);
        let (mut one, mut two) = (one.json(), two.json());
        let total = |told: &mut Value| {
            told.as_object_mut()
                .unwrap()
                .remove("requests")
                .map(|requests| requests["total"].as_u64().unwrap())
        };
        let requests = (total(&mut one), total(&mut two));
        assert_eq!(requests.1, requests.0.map(|total| 2 * total), "each is asked everything");
        assert_eq!(one, two);
        assert!(second.methods().len() > 45, "the second one was asked");
        second.forget_requests();
    }
    second.rule("eth_chainId", Calls::Every, Act::result("0x1".into()));
    let other = case.through("audit", &[&honest, second.url()], &[]).await;
    let words = "--rpc 2 serves chain 1, the policy is for chain 31337";
    assert!(other.code == 2 && other.err.contains(words), "{}", other.err);
    let nobody = Address::repeat_byte(0x77).to_string();
    let nobody = case.through("audit", &[&honest], &["--vault", &nobody]).await;
    assert!(nobody.code == 1 && nobody.err.contains("there is no contract at"), "{}", nobody.err);
}

#[tokio::test]
async fn an_audit_finds_any_answer_that_two_nodes_give_differently() {
    let case = Case::set().await;
    let ((height, hash), transaction, vault) = (case.decided, &case.transaction, case.vault());
    let aggregator = [0x24, 0x5a, 0x7b, 0xfc];
    let cases = [
        (Lie::header(height, "gasUsed", json!("0x5208")), format!("block {height}: gasUsed: 0x")),
        (Lie::price(hash), format!("the facts of {vault} at block {height}: feeds.risky_usd.")),
        (Lie::call(aggregator, 0), "where the feeds report to after block 0x".to_owned()),
        (Lie::whole("eth_getLogs", json!([])), "the events of block ".to_owned()),
        (
            Lie::first("eth_getTransactionReceipt", "status", json!("0x0")),
            "success: true against false".to_owned(),
        ),
        (Lie::whole("eth_getTransactionReceipt", Value::Null), " against nothing".to_owned()),
    ];
    for (lie, words) in cases {
        let method = lie.method;
        let told = case.found("audit", lie).await;
        assert!(
            told.contains("--rpc 1 and --rpc 2 disagree on ") && told.contains(&words),
            "{method}: {told}"
        );
    }
    // What is signed nobody can change: the liar alone is named.
    let of = transaction.clone();
    let input = Lie::of(
        "eth_getTransactionByHash",
        move |params| params[0] == of.as_str(),
        |transaction| {
            transaction["input"] = "0x".into();
        },
    );
    let told = case.found("audit", input).await;
    let words = format!("the bytes of transaction {transaction} have another hash");
    assert!(told.contains("--rpc 2") && told.contains(&words), "{told}");
}

#[tokio::test]
async fn a_replay_finds_any_answer_that_two_nodes_give_differently() {
    let case = Case::set().await;
    let ((height, hash), vault) = (case.decided, case.vault());
    let dropped = Lie::of(
        "eth_getBlockByHash",
        |params| params[1] == true,
        |block| {
            block["transactions"].as_array_mut().unwrap().pop();
        },
    );
    let cases = [
        (Lie::header(height, "timestamp", json!("0x1")), format!("block {height}: timestamp: ")),
        (Lie::price(hash), format!("the facts of {vault} at block {height}: feeds.risky_usd.")),
        (Lie::first("eth_getTransactionReceipt", "gasUsed", json!("0x5208")), " against 21000".to_owned()),
        (Lie::call(stateCall::SELECTOR, 12), format!("vault {vault} after block 0x")),
        (Lie::whole("eth_getLogs", json!([])), "the events of block ".to_owned()),
    ];
    for (lie, words) in cases {
        let method = lie.method;
        let told = case.found("replay", lie).await;
        assert!(
            told.contains("--rpc 1 and --rpc 2 disagree on ") && told.contains(&words),
            "{method}: {told}"
        );
    }
    // A block has a root over its transactions: who leaves one out is found alone.
    let liar = dropped.told(&case.honest()).await;
    let told = case.through("replay", &[liar.url()], &[]).await;
    assert!(told.code == 1 && told.err.contains("are not those of its transactions root"), "{}", told.err);
    // The state that transactions are executed on comes from the first node.
    let (honest, liar) = (case.honest(), Lie::storage(case.pool, 4).told(&case.honest()).await);
    let told = case.through("replay", &[liar.url(), &honest], &[]).await;
    let words = "--rpc 1 and --rpc 2 disagree on the state before block ";
    assert!(told.code == 1 && told.err.contains(words), "{} {}", told.out, told.err);
    assert!(told.err.contains("executed on it, gas used: "), "{}", told.err);
}

#[tokio::test]
async fn alone_a_liar_is_found_by_what_the_journal_says() {
    let case = Case::set().await;
    let (height, hash) = case.decided;
    let foreign = Lie::of(
        "eth_getLogs",
        |_| true,
        |logs| {
            logs[0]["transactionHash"] = B256::repeat_byte(0x66).to_string().into();
        },
    );
    let storage = Lie::storage(case.pool, 4);
    let cases = [
        (Lie::header(height, "hash", json!(B256::repeat_byte(0x66))), "the chain has 0x6666", false),
        (Lie::header(height, "timestamp", json!("0x1")), "first at block.timestamp: ", false),
        (Lie::price(hash), "first at feeds.risky_usd.", false),
        (Lie::whole("eth_getTransactionReceipt", Value::Null), "the chain does not have it", false),
        (Lie::first("eth_getTransactionReceipt", "status", json!("0x0")), "on the chain it reverted", false),
        (foreign, "rebalanced the vault, and the journal does not know it", false),
        (storage, "executed again: the vault after block 51: guards.turnover_left: ", true),
    ];
    for (lie, words, execution) in cases {
        let method = lie.method;
        let liar = lie.told(&case.honest()).await;
        let more: &[&str] = if execution { &[] } else { &["--no-execution"] };
        let told = case.through("replay", &[liar.url()], more).await;
        assert!(told.code == 1 && told.out.contains(words), "{method}: {} {}", told.out, told.err);
        assert!(told.out.contains("not everything is equal"), "{}", told.out);
    }
}

/// One more transaction at the beginning of a block.
fn put_in(entry: Value) -> Act {
    Act::Mutate(Arc::new(move |request, answer| {
        let whole = request["params"][1] == true;
        let transactions = answer["result"]["transactions"].as_array_mut().filter(|_| whole);
        transactions.into_iter().for_each(|transactions| transactions.insert(0, entry.clone()));
    }))
}

#[tokio::test]
async fn what_a_rollup_put_into_a_block_by_itself_is_left_out_and_told() {
    let case = Case::set().await;
    let node = Proxy::start(case.honest()).await;
    let hash = B256::repeat_byte(0x7e);
    let entry = json!({ "type": "0x7e", "hash": hash, "from": Address::ZERO, "sourceHash": B256::ZERO });
    node.rule("eth_getBlockByHash", Calls::Every, put_in(entry.clone()));
    let told = case.through("replay", &[node.url()], &["--json"]).await;
    assert_eq!(told.code, 0, "{} {}", told.out, told.err);
    let executed = told.json()["vaults"][0]["executed"].take();
    for executed in executed.as_array().unwrap() {
        assert_eq!(executed["differences"], json!([]));
        let [left] = &executed["left_out"].as_array().unwrap()[..] else { panic!("{executed}") };
        assert_eq!(left["transaction"], json!(hash));
        let why = "the chain put it in by itself, as type 0x7e, and nobody can send it";
        assert_eq!(left["why"], why);
    }
    // What is of a type that accounts sign has to be one.
    node.obey();
    let mut broken = entry;
    broken["type"] = "0x2".into();
    node.rule("eth_getBlockByHash", Calls::Every, put_in(broken));
    let told = case.through("replay", &[node.url()], &[]).await;
    let words = format!("transaction {hash} is no transaction of type 2");
    assert!(told.code == 1 && told.err.contains(&words), "{}", told.err);
}
