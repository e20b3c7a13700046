//! Prices that cannot be trusted: nothing is planned on them, and what is under way is cancelled.

use alloy::primitives::{Address, B256, Bytes, I256, U256, address, keccak256};
use alloy::providers::Provider;
use alloy::providers::ext::AnvilApi;
use alloy::sol_types::SolValue;
use vault_keeper::journal::IntentState;
use vault_keeper::keeper::Dispatch;
use vault_keeper::protocols::abi::AggregatorV3;
use vault_keeper::stage::interfaces::IFluxAggregator;

use crate::keeper_process::PRICE;
use crate::rig::{Build, Rig};

const SEQUENCER: Address = address!("5e00000000000000000000000000000000005e00");
/// Answers every call with its storage slots 0 to 4: `PUSH1 i SLOAD PUSH1 32·i MSTORE` for each, `PUSH1 160 PUSH0 RETURN`.
fn storage_reader() -> Bytes {
    let load = |i: u8| [0x60, i, 0x54, 0x60, 32 * i, 0x52];
    let code: Vec<u8> = (0..5).flat_map(load).chain([0x60, 160, 0x5f, 0xf3]).collect();
    code.into()
}

/// The uptime feed says `answer` since `started_at`.
async fn sequencer(rig: &Rig, answer: u64, started_at: u64) {
    let provider = rig.scene.stage.chain.provider();
    provider.anvil_set_code(SEQUENCER, storage_reader()).await.unwrap();
    for (slot, value) in [1, answer, started_at, started_at, 1].into_iter().enumerate() {
        let value = B256::from(U256::from(value));
        provider.anvil_set_storage_at(SEQUENCER, U256::from(slot), value).await.unwrap();
    }
    rig.scene.mine(1).await;
}

async fn answer(rig: &Rig) -> (Address, u32, I256) {
    let aggregator = rig.scene.stage.venue.risky_usd.aggregator;
    let chain = &rig.scene.stage.chain;
    let round = chain.read(aggregator, &IFluxAggregator::latestRoundCall {}).await.unwrap();
    let answer = chain.read(aggregator, &AggregatorV3::latestRoundDataCall {}).await.unwrap().answer;
    (aggregator, round.to(), answer)
}

/// The newest answer of the risky feed becomes another, where its aggregator keeps it.
async fn corrupt(rig: &Rig, to: I256) {
    let (aggregator, round, answer) = answer(rig).await;
    let provider = rig.scene.stage.chain.provider();
    for base in 0..64_u64 {
        let slot = U256::from_be_bytes(keccak256((round, U256::from(base)).abi_encode()).0);
        if provider.get_storage_at(aggregator, slot).await.unwrap() == answer.into_raw() {
            provider.anvil_set_storage_at(aggregator, slot, B256::from(to.into_raw())).await.unwrap();
            return rig.scene.mine(1).await;
        }
    }
    panic!("the answer of round {round} is not found");
}

#[tokio::test]
async fn fault_49_a_sequencer_that_is_down_in_grace_or_unknown_and_a_stale_feed() {
    const SEQUENCER: &str = "[feeds.sequencer]\naddress = \"0x5e00000000000000000000000000000000005e00\"\n\
                             grace_seconds = 3_600\n\n[limits.twap]";
    let policy = &[("[limits.twap]", SEQUENCER)];
    let mut rig = Rig::of(Build { policy, ..Build::default() }).await;
    let now = rig.scene.now().await;
    let begun = now - 7_200;
    for (answer, started_at) in [(1, begun), (0, 0), (0, now - 60)] {
        sequencer(&rig, answer, started_at).await;
        assert_eq!(rig.refused().await, "sequencer_down", "{answer} {started_at}");
    }
    sequencer(&rig, 0, begun).await;
    let mut market = rig.scene.stage.market().await.unwrap();
    market.set_reporting(false);
    market.step(rig.scene.tick(PRICE, 4_000).await).await.unwrap();
    assert_eq!(rig.refused().await, "stale_price");
    assert_eq!(rig.entries().await.len(), 0, "nothing was signed");
    rig.scene.price(PRICE, 12).await;
    rig.sent().await;
    rig.mine_and_resolve(2).await;
    rig.assert_executed_once().await;
}

#[tokio::test]
async fn fault_50_a_pool_that_was_moved_within_a_block() {
    let mut rig = Rig::set().await;
    let mut saved = rig.scene.save().await;
    rig.scene.price(PRICE - PRICE / 25, 12).await;
    assert_eq!(rig.refused().await, "price_deviation");
    assert_eq!(rig.entries().await.len(), 0, "nothing was signed");
    rig.scene.restore(&mut saved).await;
    // Where a plan is under way it is cancelled at its nonce.
    rig.sent().await;
    rig.lose_what_waits().await;
    rig.scene.price(PRICE - PRICE / 25, 12).await;
    let dispatch = rig.dispatched().await;
    let Dispatch::Withdrawn { why, .. } = &dispatch else { panic!("{dispatch:?}") };
    assert!(why.contains("its time-weighted average at 3000"), "{why}");
    rig.mine_and_resolve(3).await;
    assert_eq!(rig.state().await, IntentState::Cancelled);
    assert_eq!(rig.scene.deeds().await.rebalanced, 0);
    rig.assert_invariants().await;
}

#[tokio::test]
async fn fault_51_answers_that_are_capped_negative_zero_or_of_other_decimals() {
    let mut rig = Rig::set().await;
    let (_, _, honest) = answer(&rig).await;
    let mut saved = rig.scene.save().await;
    let wad = I256::try_from(10_i128.pow(18)).unwrap();
    for (told, code) in [
        (I256::ZERO, "invalid_price"),
        (-honest, "invalid_price"),
        (honest * wad, "invalid_price"),
        (honest / I256::try_from(10_000_000).unwrap(), "invalid_price"),
    ] {
        corrupt(&rig, told).await;
        assert_eq!(rig.refused().await, code, "{told}");
        assert_eq!(rig.entries().await.len(), 0, "nothing was signed");
        rig.scene.restore(&mut saved).await;
    }
    // Capped by its aggregator it looks fresh: the pool tells otherwise, also by its average.
    let mut market = rig.scene.stage.market().await.unwrap();
    market.set_reporting(false);
    for _ in 0..2 {
        market.step(rig.scene.tick(PRICE - PRICE / 10, 900).await).await.unwrap();
    }
    drop(market);
    assert_eq!(rig.refused().await, "price_deviation");
    assert_eq!(rig.entries().await.len(), 0, "nothing was signed");
}
