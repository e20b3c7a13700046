//! Actions executed again on a fork of their block's parent: why they brought other than was predicted, by Uniswap's own
//! quoter; and what a fork is told when it comes out otherwise, or cannot take what came before.
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
#[path = "support/rig.rs"]
mod rig;
#[path = "support/story.rs"]
mod story;

use std::sync::Arc;

use alloy::consensus::proofs::calculate_transaction_root;
use alloy::consensus::{SignableTransaction, TxEip4844, TxEip4844WithSidecar, TxEnvelope};
use alloy::eips::eip2718::Encodable2718;
use alloy::eips::eip4844::{Blob, BlobTransactionSidecar, Bytes48};
use alloy::primitives::aliases::{U24, U160};
use alloy::primitives::{Address, Bytes, U256};
use alloy::providers::Provider;
use alloy::rpc::types::Transaction;
use alloy::rpc::types::TransactionRequest;
use alloy::signers::SignerSync;
use alloy::sol_types::SolCall;
use keeper_process::PRICE;
use proxy::{Act, Calls, Proxy};
use rig::{GWEI, Rig};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use story::{source_of, subject, told};
use vault_keeper::domain::plan::Plan;
use vault_keeper::protocols::abi::AggregatorV3;
use vault_keeper::protocols::abi::RebalancingVault::Rebalanced;
use vault_keeper::replay::{Anvil, Executed, Explained, Part, Replay, Replayed};
use vault_keeper::stage::Stage;
use vault_keeper::stage::account::{Account, Actor, Call};
use vault_keeper::stage::interfaces::{IERC20, IQuoterV2, ISwapRouter};

/// Raw units of the asset that a stranger's swap moves the pool by some basis points with: less than a plan tolerates.
const NUDGE: u64 = 300_000_000_000;

/// Someone who trades on the vault's pool.
struct Stranger {
    account: Account,
    /// Token given and token received.
    tokens: (Address, Address),
    amount: U256,
}

impl Stranger {
    /// Trades in the direction in which the vault will: it takes what the vault wants.
    async fn before(rig: &Rig, sells: bool) -> Self {
        let stage = &rig.scene.stage;
        let (stable, weth) = (stage.venue.tokens.stable, stage.venue.tokens.weth);
        let nudge = U256::from(NUDGE);
        let (tokens, amount) = if sells {
            // As much by the market's price: 18 decimals against 6.
            ((weth, stable), nudge * U256::from(10_u64.pow(12)) / U256::from(PRICE))
        } else {
            ((stable, weth), nudge)
        };
        let mut hand = stage.act_as(Actor::Stranger).await.unwrap();
        stage.chain.deal(tokens.0, hand.address(), amount).await.unwrap();
        let approve = IERC20::approveCall { spender: stage.venue.uniswap.router, amount };
        hand.call(tokens.0, &approve).await.unwrap();
        let account = stage.chain.account(Actor::Stranger).await.unwrap();
        Self { account, tokens, amount }
    }

    /// The signed swap.
    fn swap(&mut self, stage: &Stage) -> Bytes {
        let params = ISwapRouter::ExactInputSingleParams {
            tokenIn: self.tokens.0,
            tokenOut: self.tokens.1,
            fee: U24::from(stage.venue.pool.fee),
            recipient: self.account.address(),
            deadline: U256::MAX,
            amountIn: self.amount,
            amountOutMinimum: U256::ZERO,
            sqrtPriceLimitX96: U160::ZERO,
        };
        let input = ISwapRouter::exactInputSingleCall { params }.abi_encode().into();
        self.account.sign(Call { to: stage.venue.uniswap.router.into(), input, gas: 1_000_000 }).unwrap()
    }
}

/// What the pool pays at the block of a height, by Uniswap's QuoterV2.
async fn quoted(stage: &Stage, (given, received): (Address, Address), amount: U256, height: u64) -> U256 {
    let params = IQuoterV2::QuoteExactInputSingleParams {
        tokenIn: given,
        tokenOut: received,
        amountIn: amount,
        fee: U24::from(stage.venue.pool.fee),
        sqrtPriceLimitX96: U160::ZERO,
    };
    at(stage, stage.venue.uniswap.quoter, &IQuoterV2::quoteExactInputSingleCall { params }, height)
        .await
        .amountOut
}

/// What the feed of the risky asset answers at the block of a height, USD.
async fn price(stage: &Stage, height: u64) -> Decimal {
    let call = AggregatorV3::latestRoundDataCall {};
    let answer = at(stage, stage.venue.risky_usd.proxy, &call, height).await.answer;
    Decimal::from_i128_with_scale(answer.try_into().unwrap(), 8)
}

async fn at<C: SolCall>(stage: &Stage, contract: Address, call: &C, height: u64) -> C::Return {
    let request = TransactionRequest::default().to(contract).input(call.abi_encode().into());
    let answer = stage.chain.provider().call(request).number(height).await.unwrap();
    C::abi_decode_returns(&answer).unwrap()
}

/// One amount less another, whole units.
fn less(first: U256, second: U256, decimals: u32) -> Decimal {
    let whole = |raw: U256| Decimal::from_i128_with_scale(raw.try_into().unwrap(), decimals);
    whole(first) - whole(second)
}

/// What replaying the keeper's journal tells, where the node at `url` has the chain.
async fn replayed_by(rig: &Rig, url: &str) -> Replayed {
    replay(rig, url).await.unwrap()
}

async fn replay(rig: &Rig, url: &str) -> eyre::Result<Replayed> {
    let (source, subject) = (source_of(url).await, subject(rig, &rig.scene.policy));
    let program = rig.scene.stage.artifacts.anvil();
    let anvil = Anvil { program: &program, urls: &[url] };
    let part = Part::Heights(0..=u64::MAX);
    Replay::new(&source, &rig.journal, &subject, Some(anvil)).run(&part, &|| {}).await
}

/// What the last action of the keeper comes to when it is executed again, which must be what it came to.
async fn again(rig: &Rig) -> Executed {
    let replayed = replayed_by(rig, &rig.scene.stage.chain.endpoint()).await;
    assert_eq!(replayed.faults, [], "{replayed:?}");
    let executed = replayed.executed.last().unwrap().clone();
    assert_eq!((executed.differences.len(), executed.left_out.len()), (0, 0), "{executed:?}");
    executed
}

/// Asserts what both parts of the loss are: by the quoter at the block decided on, at the parent, and what was paid.
async fn assert_split(rig: &Rig, parts: (bool, bool)) -> Explained {
    let (stage, executed, entry) = (&rig.scene.stage, again(rig).await, rig.entry().await);
    let plan: Plan = serde_json::from_str(&entry.record.planned_json).unwrap();
    let [swap] = &plan.swaps[..] else { panic!("{plan:?}") };
    let (stable, weth) = (stage.venue.tokens.stable, stage.venue.tokens.weth);
    let tokens = if swap.sell_risky { (weth, stable) } else { (stable, weth) };
    let (decided, parent) = (plan.decision_block, executed.block - 1);
    let then = quoted(stage, tokens, swap.amount_in, decided).await;
    let before = quoted(stage, tokens, swap.amount_in, parent).await;
    let receipt =
        stage.chain.provider().get_transaction_receipt(executed.transaction).await.unwrap().unwrap();
    let paid = receipt.decoded_log::<Rebalanced>().unwrap().amountOut;
    // What a unit received is worth: the asset itself, or the risky one by the feed at the block decided on.
    let (decimals, worth) = match swap.sell_risky {
        true => (6, Decimal::ONE),
        false => (18, price(stage, decided).await),
    };
    let moved = less(then, before, decimals) * worth;
    let order = less(before, paid, decimals) * worth;
    assert_eq!((!moved.is_zero(), !order.is_zero()), parts, "{moved} and {order}");
    let explained = executed.explained.unwrap();
    assert_eq!((explained.price_moved.get(), explained.order_in_block.get()), (moved, order));
    let venue = &explained.comparison.venue;
    assert_eq!(venue.realised.get() - venue.predicted.get(), moved + order);
    explained
}

#[tokio::test]
async fn what_a_strangers_swap_before_the_action_in_its_own_block_took_is_order_in_the_block() {
    let mut rig = Rig::set().await;
    let mut stranger = Stranger::before(&rig, false).await;
    let raw = stranger.swap(&rig.scene.stage);
    let _ = rig.scene.stage.chain.provider().send_raw_transaction(&raw).await.unwrap();
    rig.sent().await;
    rig.mine_and_resolve(2).await;
    rig.assert_executed_once().await;
    let explained = assert_split(&rig, (false, true)).await;
    assert!(explained.order_in_block.get() > Decimal::TEN, "{explained:?}");
}

#[tokio::test]
async fn what_a_strangers_swap_in_a_block_before_that_of_the_action_took_is_a_price_that_moved() {
    let mut rig = Rig::set().await;
    for _ in 0..3 {
        rig.sent().await;
        rig.mine_and_resolve(2).await;
        rig.scene.price(PRICE, 301).await;
    }
    // The price falls by a tenth: the vault has to sell.
    for _ in 0..2 {
        rig.scene.price(PRICE - 300, 901).await;
    }
    let mut stranger = Stranger::before(&rig, true).await;
    rig.sent().await;
    let held_up = rig.entry().await.attempts[0].raw.clone();
    rig.lose_what_waits().await;
    let swap = stranger.swap(&rig.scene.stage);
    assert!(rig.scene.stage.chain.execute(&swap).await.unwrap().status());
    rig.node_takes(&held_up).await;
    rig.mine_and_resolve(2).await;
    let explained = assert_split(&rig, (true, false)).await;
    assert!(explained.price_moved.get() > Decimal::TEN, "{explained:?}");
}

/// The block of the action as the node tells it with its transactions, changed, and with the root that the change makes.
fn whole(change: impl Fn(&mut Vec<Value>) + Send + Sync + 'static) -> Act {
    Act::Mutate(Arc::new(move |request, answer| {
        if request["params"][1] == true {
            let block = &mut answer["result"];
            change(block["transactions"].as_array_mut().unwrap());
            let told: Vec<Transaction> = serde_json::from_value(block["transactions"].clone()).unwrap();
            let envelopes: Vec<TxEnvelope> = told.into_iter().map(|told| told.inner.into_inner()).collect();
            block["transactionsRoot"] = json!(calculate_transaction_root(&envelopes));
        }
    }))
}

#[tokio::test]
async fn an_action_that_comes_out_otherwise_without_what_came_before_it_is_a_fault_by_its_first_difference() {
    let mut rig = Rig::set().await;
    let mut stranger = Stranger::before(&rig, false).await;
    let raw = stranger.swap(&rig.scene.stage);
    let first = *rig.scene.stage.chain.provider().send_raw_transaction(&raw).await.unwrap().tx_hash();
    rig.sent().await;
    rig.mine_and_resolve(2).await;
    assert_eq!(again(&rig).await.differences, Vec::<String>::new());

    let node = Proxy::start(rig.scene.stage.chain.endpoint()).await;
    let dropped = whole(move |transactions| {
        assert_eq!(transactions.remove(0)["hash"], json!(first));
    });
    node.rule("eth_getBlockByHash", Calls::Every, dropped);
    let replayed = replayed_by(&rig, node.url()).await;
    let (names, _) = told(&replayed);
    assert_eq!(names, ["execution"; 3]);
    let provider = rig.scene.stage.chain.provider();
    let hash = rig.entry().await.attempts[0].hash;
    let receipt = provider.get_transaction_receipt(hash).await.unwrap().unwrap();
    // The first event that says how much the pool pays.
    let paid = |log: &alloy::rpc::types::Log| log.address() == rig.scene.stage.venue.tokens.weth;
    let paid = receipt.logs().iter().position(paid).unwrap();
    let height = receipt.block_number.unwrap();
    let beginnings = [
        format!("gas used: {} on the chain, ", receipt.gas_used),
        format!("event {paid} differs"),
        format!("the vault after block {height}: guards.turnover_left: "),
    ];
    for (fault, beginning) in replayed.faults.iter().zip(beginnings) {
        let words = fault.to_string();
        let expected = format!("transaction {hash}, executed again: {beginning}");
        assert!(words.starts_with(&expected), "{words}");
    }
    // A transaction that came before cannot be told in other bytes.
    node.obey();
    let rewritten = whole(|transactions| transactions[0]["input"] = "0x".into());
    node.rule("eth_getBlockByHash", Calls::Every, rewritten);
    let refused = format!("{:#}", replay(&rig, node.url()).await.unwrap_err());
    assert!(refused.contains(&format!("the bytes of transaction {first} have another hash")), "{refused}");
}

/// A transaction of `account` with one blob, all of it zeros: commitment and proof are the point at infinity.
fn blob(account: &Account) -> Bytes {
    let infinity = Bytes48::from({
        let mut bytes = [0; 48];
        bytes[0] = 0xc0;
        bytes
    });
    let sidecar = BlobTransactionSidecar::new(vec![Blob::ZERO], vec![infinity], vec![infinity]);
    let tx = TxEip4844 {
        chain_id: 31_337,
        nonce: account.nonce(),
        gas_limit: 21_000,
        max_fee_per_gas: 500 * GWEI,
        to: account.address(),
        blob_versioned_hashes: sidecar.versioned_hashes().collect(),
        max_fee_per_blob_gas: 500 * GWEI,
        ..TxEip4844::default()
    };
    let signed = TxEip4844WithSidecar::from_tx_and_sidecar(tx, sidecar);
    let signature = account.signer().sign_hash_sync(&signed.signature_hash()).unwrap();
    TxEnvelope::Eip4844(signed.into_signed(signature).convert()).encoded_2718().into()
}

#[tokio::test]
async fn what_came_before_and_cannot_be_sent_again_is_left_out_and_told() {
    let mut rig = Rig::set().await;
    let stranger = rig.scene.stage.chain.account(Actor::Stranger).await.unwrap();
    let raw = blob(&stranger);
    let hash = *rig.scene.stage.chain.provider().send_raw_transaction(&raw).await.unwrap().tx_hash();
    rig.sent().await;
    rig.mine_and_resolve(2).await;
    rig.assert_executed_once().await;
    let replayed = replayed_by(&rig, &rig.scene.stage.chain.endpoint()).await;
    assert_eq!(replayed.faults, []);
    let [executed] = &replayed.executed[..] else { panic!("{replayed:?}") };
    assert_eq!((executed.differences.len(), executed.explained.is_some()), (0, true), "{executed:?}");
    let [left_out] = &executed.left_out[..] else { panic!("{executed:?}") };
    assert_eq!(left_out.transaction, hash);
    assert!(left_out.why.starts_with("eth_sendRawTransaction: "), "{}", left_out.why);
    assert!(left_out.why.contains("without sidecar"), "{}", left_out.why);
}
