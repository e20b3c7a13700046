//! Nodes that see different things, or say what is not so.

use alloy::primitives::B256;
use serde_json::json;
use vault_keeper::execution::{ExecutionError, Halt};
use vault_keeper::journal::IntentState;
use vault_keeper::keeper::CycleError;

use crate::proxy::{Act, Calls};
use crate::rig::{Build, Heard, Rig};
use IntentState::{Executed, Included, Live, Prepared};

const SEND: &str = "eth_sendRawTransaction";
const RECEIPT: &str = "eth_getTransactionReceipt";
const BLOCK: &str = "eth_getBlockByNumber";

async fn two() -> Rig {
    Rig::of(Build { endpoints: 2, ..Build::default() }).await
}

fn standings(rig: &Rig) -> Vec<&'static str> {
    rig.pool.standings().iter().map(|(_, standing)| standing.state.name()).collect()
}

/// Place of the endpoint that is read.
fn leased(rig: &Rig) -> usize {
    usize::from(rig.pool.reader().unwrap().name() == "b")
}

#[tokio::test]
async fn fault_27_receipts_from_one_node_and_a_nonce_from_another() {
    let mut rig = two().await;
    let intent = rig.sent().await;
    let (reader, other) = (leased(&rig), 1 - leased(&rig));
    // The one that is read knows that the nonce is consumed, and no receipt.
    rig.proxies[reader].rule(RECEIPT, Calls::Every, Act::result(serde_json::Value::Null));
    for _ in 0..5 {
        rig.mine_and_resolve(1).await;
        assert_eq!(rig.states(intent).await, [Prepared, Live], "neither replaced nor foreign");
    }
    rig.proxies[reader].obey();
    // It knows the receipt, and the other has not heard of the block.
    rig.proxies[other].rule(BLOCK, Calls::Every, Act::result(serde_json::Value::Null));
    rig.resolve().await.unwrap();
    assert_eq!(rig.states(intent).await, [Prepared, Live], "nobody bears it out");
    rig.proxies[other].obey();
    rig.mine_and_resolve(1).await;
    assert_eq!(rig.states(intent).await, [Prepared, Live, Included, Executed]);
    rig.assert_executed_once().await;
}

#[tokio::test]
async fn fault_28_a_wrong_hash_is_tracked_by_the_own_one() {
    let mut rig = two().await;
    let wrong = B256::repeat_byte(9);
    for proxy in &rig.proxies {
        proxy.rule(SEND, Calls::First(1), Act::result(json!(wrong)));
    }
    let intent = rig.sent().await;
    let event = rig.entry().await.last_event;
    assert_eq!((event.state, &event.detail["returned"]), (Live, &json!(wrong)), "it may be live");
    assert_eq!(standings(&rig), ["quarantined", "quarantined"]);
    rig.scene.mine(2).await;
    // Both are back: the one has to bear out what the other says.
    while standings(&rig) != ["healthy", "healthy"] {
        rig.pool.look().await;
    }
    rig.resolve().await.unwrap();
    rig.mine_and_resolve(1).await;
    assert_eq!(rig.hashes(intent).await.len(), 1);
    rig.assert_executed_once().await;
}

#[tokio::test]
async fn fault_29_a_receipt_of_a_block_that_nobody_has() {
    let mut rig = two().await;
    let intent = rig.sent().await;
    let reader = leased(&rig);
    let forged = "0x1111111111111111111111111111111111111111111111111111111111111111";
    rig.proxies[reader].rule(RECEIPT, Calls::Every, Act::field("blockHash", forged));
    rig.scene.mine(2).await;
    rig.resolve().await.unwrap();
    assert_eq!(rig.states(intent).await, [Prepared, Live], "it does not count");
    assert_eq!(standings(&rig)[reader], "quarantined");
    assert_eq!(leased(&rig), 1 - reader, "the other is read");
    rig.proxies[reader].obey();
    while standings(&rig) != ["healthy", "healthy"] {
        rig.pool.look().await;
    }
    rig.mine_and_resolve(1).await;
    assert_eq!(rig.states(intent).await, [Prepared, Live, Included, Executed]);
    rig.assert_executed_once().await;
}

#[tokio::test]
async fn fault_42_one_node_has_it_and_the_others_say_that_its_nonce_is_too_low() {
    let mut rig = Rig::of(Build { endpoints: 3, ..Build::default() }).await;
    for proxy in &rig.proxies[..2] {
        proxy.rule(SEND, Calls::Every, Act::Error(-32_000, "nonce too low: next nonce 1, tx nonce 0"));
    }
    let intent = rig.sent().await;
    assert_eq!(rig.entry().await.last_event.detail, json!({ "publish": "accepted" }));
    rig.mine_and_resolve(2).await;
    assert_eq!(rig.states(intent).await, [Prepared, Live, Included, Executed]);
    rig.assert_executed_once().await;
}

#[tokio::test]
async fn one_node_that_makes_up_pending_transactions_costs_its_blocks_and_no_vault() {
    let heard = Heard::listen();
    let mut rig = Rig::set().await;
    let made_up = Act::Mutate(std::sync::Arc::new(|request, answer| {
        if request["params"][1] == "pending" {
            answer["result"] = json!("0x5");
        }
    }));
    rig.proxies[0].rule("eth_getTransactionCount", Calls::Every, made_up);
    for _ in 0..2 {
        let error = rig.cycle().await.unwrap_err();
        assert!(
            matches!(
                &error,
                CycleError::Execution(ExecutionError::Halted(Halt::PoolAhead { pending: 5, .. }))
            ),
            "{error:?}"
        );
        assert!(error.is_passing(), "the vault is kept, and asked about again");
        rig.scene.mine(1).await;
    }
    assert!(heard.text().contains("alert=\"nonce_ahead\""), "{}", heard.text());
    assert_eq!(rig.entries().await.len(), 0, "nothing was signed");
    rig.proxies[0].obey();
    rig.sent().await;
    rig.mine_and_resolve(2).await;
    rig.assert_executed_once().await;
}
