//! The built keeper on a rollup: what the chain takes for data decides, is asked again for the very bytes, and is never
//! taken to be nothing. The chain is anvil; what only such a chain has stands in for it at the real addresses.
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
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/rolled.rs"]
mod rolled;

use alloy::consensus::SignableTransaction;
use alloy::primitives::{Bytes, U256};
use alloy::providers::Provider;
use keeper_process::{Deeds, published, with};
use rolled::{BLOCK, HIGH, LOW, Rolled};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use vault_keeper::domain::canonical;
use vault_keeper::domain::policy::ChainKind;
use vault_keeper::domain::snapshot::{Charge, Rollup};
use vault_keeper::protocols::rollups::op_stack::{GAS_PRICE_ORACLE, GasPriceOracle};
use vault_keeper::protocols::rollups::placeholder;
use vault_keeper::reader::Mode;

/// Gas of these bytes as calldata (EIP-2028).
fn calldata_gas(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| if *byte == 0 { 4 } else { 16 }).sum()
}

const KINDS: [ChainKind; 2] = [ChainKind::OpStack, ChainKind::Arbitrum];

#[tokio::test]
async fn a_keeper_acts_where_data_is_cheap_and_holds_where_it_costs_more_than_a_trade_brings() {
    for kind in KINDS {
        let rolled = Rolled::set(kind).await;
        rolled.price(HIGH).await;
        let held = rolled.not_sent(0).await;
        assert_eq!((&held["verdict"], &held["reason"]["code"]), (&json!("hold"), &json!("not_worth")));
        assert_eq!(rolled.decide().await["reason"]["code"], "not_worth");

        rolled.price(LOW).await;
        let decided = rolled.decide().await;
        assert_eq!(decided["verdict"], "rebalance", "{decided}");
        let fee: f64 = decided["appraisal"]["economics"]["data_fee"].as_str().unwrap().parse().unwrap();
        assert!(fee > 0.0 && fee < 0.1, "{fee}");
        let ended = rolled.home.once_mined(&rolled.scene).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert_eq!(rolled.scene.deeds().await, Deeds::ONE, "{ended:?}");
        assert_eq!(ended.json()["decision_hash"], decided["decision_hash"]);
        // The placeholder stood for the very bytes: it costs no less, and at most a sixth more.
        let sent = rolled.home.intents(&rolled.scene).await.remove(0).attempts.remove(0).raw;
        let id = rolled.scene.stage.chain.chain_id();
        let reckoned = calldata_gas(&placeholder(id, 1).encoded_for_signing()) + 68 * 16;
        let exact = calldata_gas(&sent);
        assert!(exact <= reckoned && exact * 7 >= reckoned * 6, "{exact} {reckoned}");
    }
}

#[tokio::test]
async fn a_chain_that_does_not_say_what_data_costs_is_a_typed_refusal() {
    // Nothing there; always reverting; answering without a word.
    let faults = ["0x", "0x60006000fd", "0x00"].map(|code| code.parse::<Bytes>().unwrap());
    for kind in KINDS {
        let rolled = Rolled::set(kind).await;
        let oracle = rolled.oracle();
        let sound = rolled.scene.stage.chain.provider().get_code_at(oracle).await.unwrap();
        for fault in &faults {
            rolled.code(oracle, fault).await;
            let refused = rolled.not_sent(0).await;
            let reason = (&refused["verdict"], &refused["reason"]["code"], &refused["reason"]["chain"]);
            assert_eq!(
                reason,
                (&json!("refuse"), &json!("data_fee_unknown"), &json!(kind.name())),
                "{fault}"
            );
            assert_eq!(rolled.decide().await["reason"]["code"], "data_fee_unknown");
        }
        rolled.code(oracle, &sound).await;
        rolled.price(0).await;
        assert_eq!(rolled.not_sent(0).await["reason"]["code"], "data_fee_unknown");
        rolled.price(LOW).await;
        assert_eq!(rolled.decide().await["verdict"], "rebalance");
    }
}

#[tokio::test]
async fn bytes_whose_data_has_become_dearer_than_the_margin_allows_are_not_signed() {
    for kind in KINDS {
        let rolled = Rolled::set(kind).await;
        // The very bytes cost less than a placeholder: more than the margin of 25 % is lost on them.
        rolled.price_later(LOW * 3).await;
        let refused = rolled.not_sent(1).await;
        assert_eq!(refused["verdict"], "rebalance", "the decision does not change: {refused}");
        let dispatch = (&refused["dispatch"], &refused["code"]);
        assert_eq!(dispatch, (&json!("refused"), &json!("data_fee_over_bound")), "{refused}");
        assert!(refused["message"].as_str().unwrap().starts_with("the data of the transaction costs"));
        assert_eq!(rolled.home.intents(&rolled.scene).await, [], "no nonce was taken");
        // And where it says nothing any more.
        rolled.price_later(0).await;
        assert_eq!(rolled.not_sent(1).await["code"], "data_fee_unknown");
        // A tenth more is within the margin.
        rolled.price_later(LOW / 10 * 11).await;
        let ended = rolled.home.once_mined(&rolled.scene).await;
        assert_eq!(rolled.scene.deeds().await, Deeds::ONE, "{ended:?}");
    }
}

#[tokio::test]
async fn the_caps_of_the_sender_count_a_data_fee_that_is_taken_beside_gas() {
    let rolled = Rolled::set(ChainKind::OpStack).await;
    // Two coins for data, one is allowed for a transaction; the trade is worth more.
    let placeholder = placeholder(rolled.scene.stage.chain.chain_id(), 1).encoded_for_signing();
    rolled.price(2_000_000_000_000_000_000 / (calldata_gas(&placeholder) + 68 * 16)).await;
    let refused = rolled.not_sent(1).await;
    assert_eq!((&refused["verdict"], &refused["code"]), (&json!("rebalance"), &json!("fee_over_cap")));
    assert!(refused["message"].as_str().unwrap().contains("the cap per transaction leaves 0"), "{refused}");
}

#[tokio::test]
async fn both_readers_give_the_charge_that_the_chain_itself_answers() {
    let rolled = Rolled::set(ChainKind::OpStack).await;
    // An operator that takes 0.03 wei per gas and 7 wei.
    rolled.store(1, 3).await;
    rolled.store(2, 7).await;
    rolled.scene.mine(1).await;
    let (packed, batched) = (rolled.snapshot(Mode::Override).await, rolled.snapshot(Mode::Multicall).await);
    assert_eq!(canonical::hash(&packed).unwrap(), canonical::hash(&batched).unwrap());
    let id = rolled.scene.stage.chain.chain_id();
    let mut charges = Vec::new();
    for (swaps, gas_used) in
        [(1, 400_000), (2, 400_000 + published(&rolled.scene.policy).policy().gas.swap_units)]
    {
        let data = placeholder(id, swaps).encoded_for_signing().into();
        let chain = &rolled.scene.stage.chain;
        let data_fee = chain.read(GAS_PRICE_ORACLE, &GasPriceOracle::getL1FeeCall { data }).await.unwrap();
        let call = GasPriceOracle::getOperatorFeeCall { gasUsed: U256::from(gas_used) };
        let operator_fee = chain.read(GAS_PRICE_ORACLE, &call).await.unwrap();
        assert_eq!(operator_fee, U256::from(gas_used * 300 + 7));
        charges.push(Charge { data_fee, operator_fee });
    }
    assert_eq!(packed.rollup, Rollup::new(ChainKind::OpStack, charges[0], charges[1]));
    // Per byte of a swap: 87 zeros of the ABI and 73 that are none.
    let more = charges[1].data_fee - charges[0].data_fee;
    assert_eq!(more, U256::from((87 * 4 + 73 * 16) * LOW));

    let rolled = Rolled::set(ChainKind::Arbitrum).await;
    let (packed, batched) = (rolled.snapshot(Mode::Override).await, rolled.snapshot(Mode::Multicall).await);
    assert_eq!(canonical::hash(&packed).unwrap(), canonical::hash(&batched).unwrap());
    let charge = packed.rollup.unwrap().charge(1);
    // 511 bytes unsigned, 67 of a signature, 16 of padding, at 16 units each, and 1 %.
    let units: u64 = (511_u64 + 67 + 16) * 16;
    assert_eq!(charge.data_fee, U256::from((units * 101).div_ceil(100) * LOW));
    assert_eq!(charge.operator_fee, U256::ZERO);
}

#[tokio::test]
async fn an_op_stack_chain_whose_headers_say_nothing_is_not_read_as_if_it_were_ethereum() {
    let rolled = Rolled::set(ChainKind::OpStack).await;
    rolled.proxy.dress(BLOCK, "extraData", "0x");
    let ended = rolled.home.once().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("an OP-stack chain must have Holocene"), "{ended:?}");
    assert_eq!(rolled.scene.deeds().await, Deeds::NONE);
}

#[tokio::test]
async fn a_policy_for_another_kind_of_chain_is_named_with_its_key() {
    let rolled = Rolled::set(ChainKind::OpStack).await;
    rolled.home.configure("kind = \"op_stack\"", "kind = \"arbitrum\"");
    let ended = rolled.home.once().await;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let expected =
        "vault[0].policies[0]: has gas.chain `op_stack`; expected `arbitrum`, the kind of the vault's chain";
    assert!(ended.stderr.contains(expected), "{}", ended.stderr);
}

/// Level and words of each finding of one check.
async fn found(rolled: &Rolled, check: &str) -> Vec<(String, String)> {
    let ended = rolled.home.start(&["check", "--json"]).end().await;
    let all = ended.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of_check = all.as_array().unwrap().iter().filter(|finding| finding["check"] == check);
    of_check.map(|finding| (text(&finding["level"]), text(&finding["what"]))).collect()
}

async fn level(rolled: &Rolled, check: &str) -> Vec<String> {
    found(rolled, check).await.into_iter().map(|(level, _)| level).collect()
}

#[tokio::test]
async fn a_check_says_what_data_costs_and_whether_the_vault_can_be_kept_there() {
    for kind in KINDS {
        let rolled = Rolled::set(kind).await;
        assert_eq!(level(&rolled, "chain_kind").await, ["ok"]);
        assert_eq!(level(&rolled, "base_fee").await, ["ok"]);
        assert_eq!(level(&rolled, "decision_block").await, ["ok"]);
        let [(level_now, what)] = found(&rolled, "data_fee").await.try_into().unwrap();
        assert_eq!(level_now, "ok");
        assert!(what.ends_with("now, the reserve keeps 3"), "{what}");
        // A thousandth of a coin is kept for an exit; now its data costs more.
        rolled.price(LOW * 1_000).await;
        assert_eq!(level(&rolled, "data_fee").await, ["warning"]);
        rolled.price(0).await;
        assert_eq!(level(&rolled, "data_fee").await, ["error"]);
        rolled.code(rolled.oracle(), &Bytes::new()).await;
        assert_eq!(level(&rolled, "chain_kind").await, ["error"]);
    }
}

#[tokio::test]
async fn a_vault_whose_guard_sees_the_blocks_of_another_chain_is_refused_by_the_check() {
    let rolled = Rolled::set(ChainKind::Arbitrum).await;
    // The node says another height than contracts see, as an Arbitrum node does.
    rolled.proxy.dress(BLOCK, "number", "0x17d78400");
    let [(level, what)] = found(&rolled, "decision_block").await.try_into().unwrap();
    assert_eq!(level, "error");
    assert!(
        what.contains("at height 400000000: the vault holds the decision's block against that"),
        "{what}"
    );
}

#[tokio::test]
async fn a_rollup_that_is_taken_for_ethereum_is_found_by_the_check() {
    let rolled = Rolled::set(ChainKind::OpStack).await;
    rolled.home.configure("kind = \"op_stack\"", "kind = \"ethereum\"");
    let plain = with(&rolled.scene.policy, "chain = \"op_stack\"\n", "");
    rolled.home.write("cppi.toml", &with(&plain, "exit_data_fee_wei = 1_000_000_000_000_000\n", ""));
    let [(level, what)] = found(&rolled, "chain_kind").await.try_into().unwrap();
    assert_eq!(level, "error");
    assert!(what.contains("is configured as `ethereum`, but has at 0x4200"), "{what}");
    // Nor is it kept: not even under a policy that its owner approved.
    let plain = std::fs::read_to_string(rolled.home.path("cppi.toml")).unwrap();
    rolled.scene.approve(&plain).await;
    let ended = rolled.home.once_mined(&rolled.scene).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let said = "the chain is of kind `op_stack`, the policy's gas.chain is `ethereum`";
    assert!(ended.stderr.contains(said), "{ended:?}");
    assert_eq!(rolled.scene.deeds().await, Deeds::NONE);
    // A policy of the right kind is no way around the configuration.
    rolled.home.write("rollup.toml", &rolled.scene.policy);
    let ended = rolled.home.start(&["decide", "--vault", "main", "--policy", "rollup.toml"]).end().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("the chain is of kind `ethereum`, the policy's gas.chain is `op_stack`"));
}

#[tokio::test]
async fn calibration_counts_what_an_op_stack_chain_took_beside_gas() {
    let rolled = Rolled::set(ChainKind::OpStack).await;
    // An operator that takes 10,000 gwei of each transaction.
    rolled.store(2, 10_000_000_000_000).await;
    rolled.scene.mine(1).await;
    let decided = rolled.decide().await;
    let ended = rolled.home.once_mined(&rolled.scene).await;
    assert_eq!(rolled.scene.deeds().await, Deeds::ONE, "{ended:?}");
    // 20,000 gwei for data, as such a chain says in a receipt.
    rolled.proxy.dress("eth_getTransactionReceipt", "l1Fee", "0x12309ce54000");
    let ended = rolled.home.start(&["status", "--calibration", "--json"]).end().await;
    let past = ended.json()[0]["past"][0].clone();
    let done = rolled.scene.stage.chain.provider();
    let hash = past["transaction"].as_str().unwrap().parse().unwrap();
    let receipt = done.get_transaction_receipt(hash).await.unwrap().unwrap();
    let wei = u128::from(receipt.gas_used) * receipt.effective_gas_price + 30_000_000_000_000;
    let realised: Decimal = past["gas"]["realised"].as_str().unwrap().parse().unwrap();
    assert_eq!(
        realised,
        (Decimal::from(wei) * Decimal::from(3_000) / Decimal::from(10_u64.pow(18))).normalize()
    );
    let fixed = decided["appraisal"]["economics"]["fixed"].as_str().unwrap();
    assert_eq!(past["gas"]["predicted"], fixed);
}
