//! The stage on a real anvil: real contracts, a market that goes where it is told, the same chain every time.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails where it stands"
)]

use std::ops::RangeInclusive;
use std::time::Instant;

use alloy::{
    eips::BlockId,
    primitives::{B256, U256, address, aliases::U24},
    providers::Provider,
    rpc::types::{BlockNumberOrTag, TransactionRequest},
    sol_types::SolCall,
};
use rust_decimal::Decimal;
use uniswap_v3_sdk::utils::get_tick_at_sqrt_ratio;
use vault_keeper::{
    demo::path_from_files,
    protocols::abi::{AggregatorV3, RebalancingVault},
    stage::{
        Stage, StagePlan,
        account::Actor,
        artifacts::Artifacts,
        chain::{Chain, Genesis},
        interfaces::{IERC20, IQuoterV2, ISwapRouter, ISwapRouter::ExactInputSingleParams, IUniswapV3Pool},
        path::{Tick, scenario::Scenario, summary},
        price::feed_answer,
        slice::Slice,
    },
};

#[path = "support/data.rs"]
mod data;

use data::data;

const START: u64 = 1_700_000_000;

fn artifacts() -> Artifacts {
    Artifacts::new(env!("CARGO_MANIFEST_DIR"))
}

fn plan(stable_is_token0: bool) -> StagePlan {
    StagePlan { stable_is_token0, ..StagePlan::new(START, Decimal::from(3_000)) }
}

async fn stage(stable_is_token0: bool) -> Stage {
    Stage::set(artifacts(), &plan(stable_is_token0)).await.unwrap()
}

async fn assert_market_follows(stable_is_token0: bool, steps: usize) {
    let stage = stage(stable_is_token0).await;
    let tokens = stage.venue.tokens;
    assert_eq!(tokens.stable < tokens.weth, stable_is_token0);
    let mut market = stage.market().await.unwrap();
    let path = Scenario::Crash.path(START);
    let every = path.len() / steps;
    let (began, mut blocks, mut reports) = (Instant::now(), 0_u32, 0);
    for tick in path.iter().step_by(every) {
        let step = market.step(*tick).await.unwrap();
        assert_eq!(Some(step.sqrt_price_x96), tokens.pair.sqrt_price_x96(tick.price));
        reports += u32::from(step.risky_reported);
        blocks += 1;
    }
    println!("{:.0} blocks/s over {blocks} blocks", f64::from(blocks) / began.elapsed().as_secs_f64());
    assert!(reports > 50, "{reports} reports");
    let (timestamp, base_fee) = stage.chain.head().await.unwrap();
    let last = path[(path.len() - 1) / every * every];
    assert_eq!((timestamp, base_fee), (last.timestamp, last.base_fee));
    let slot0 = stage.chain.read(stage.venue.pool.address, &IUniswapV3Pool::slot0Call {}).await.unwrap();
    let expected = get_tick_at_sqrt_ratio(tokens.pair.sqrt_price_x96(last.price).unwrap()).unwrap();
    assert!((slot0.tick.as_i32() - expected.as_i32()).abs() <= 1, "{} is not {expected}", slot0.tick);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pool_stands_exactly_at_the_price_of_every_step_with_the_stable_as_token0() {
    assert_market_follows(true, 720).await;
}

#[tokio::test]
async fn the_pool_stands_exactly_at_the_price_of_every_step_with_the_stable_as_token1() {
    assert_market_follows(false, 216).await;
}

#[tokio::test]
async fn the_feed_reports_on_deviation_and_on_heartbeat_and_falls_silent_when_told() {
    let stage = stage(true).await;
    let mut market = stage.market().await.unwrap();
    let feed = stage.venue.risky_usd.proxy;
    let tick = |seconds: u64, cents: i64| Tick {
        timestamp: START + seconds,
        price: Decimal::new(cents, 2),
        base_fee: 20_000_000_000,
    };
    // 0.49 % and then 0.51 % away from 3,000; then an unchanged price until the hour is over.
    let steps = [(60, 301_470, false), (120, 301_530, true), (3_660, 301_530, false), (3_720, 301_530, true)];
    for (seconds, cents, reports) in steps {
        let step = market.step(tick(seconds, cents)).await.unwrap();
        assert_eq!(step.risky_reported, reports, "at {seconds} s");
        let round = stage.chain.read(feed, &AggregatorV3::latestRoundDataCall {}).await.unwrap();
        if reports {
            assert_eq!(round.answer, feed_answer(Decimal::new(cents, 2)).unwrap());
            assert_eq!(round.updatedAt, U256::from(START + seconds));
        }
    }
    market.set_reporting(false);
    market.set_stable_price(Decimal::new(98, 2));
    let step = market.step(tick(20_000, 200_000)).await.unwrap();
    assert!(!step.risky_reported);
    let worth = Decimal::from(2_000).checked_div(Decimal::new(98, 2)).unwrap();
    assert_eq!(Some(step.sqrt_price_x96), stage.venue.tokens.pair.sqrt_price_x96(worth));
    let round = stage.chain.read(feed, &AggregatorV3::latestRoundDataCall {}).await.unwrap();
    assert_eq!(round.updatedAt, U256::from(START + 3_720));
    market.set_reporting(true);
    market.step(tick(20_060, 200_000)).await.unwrap();
    let stable =
        stage.chain.read(stage.venue.stable_usd.proxy, &AggregatorV3::latestRoundDataCall {}).await.unwrap();
    assert_eq!(stable.answer, feed_answer(Decimal::new(98, 2)).unwrap());
}

#[tokio::test]
async fn two_runs_give_the_same_contracts_and_the_same_last_block() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let stage = stage(true).await;
        let mut market = stage.market().await.unwrap();
        for tick in Scenario::Rally.path(START).iter().step_by(40) {
            market.step(*tick).await.unwrap();
        }
        let head =
            stage.chain.provider().get_block_by_number(BlockNumberOrTag::Latest).await.unwrap().unwrap();
        let liquidity =
            stage.chain.read(stage.venue.pool.address, &IUniswapV3Pool::liquidityCall {}).await.unwrap();
        runs.push((stage.venue.pool, stage.venue.tokens, head.header.hash, liquidity));
    }
    assert_eq!(runs[0], runs[1]);
}

#[tokio::test]
async fn a_quote_equals_the_swap_and_a_waiting_transaction_goes_before_the_arbitrageur() {
    let stage = stage(true).await;
    let mut market = stage.market().await.unwrap();
    let (stable, weth, fee) = (stage.venue.tokens.stable, stage.venue.tokens.weth, U24::from(500));
    let amount = U256::from(1_000_000_000_000_u64);
    let params = IQuoterV2::QuoteExactInputSingleParams {
        tokenIn: stable,
        tokenOut: weth,
        amountIn: amount,
        fee,
        sqrtPriceLimitX96: Default::default(),
    };
    let quote = IQuoterV2::quoteExactInputSingleCall { params };
    let quote = stage.chain.read(stage.venue.uniswap.quoter, &quote).await.unwrap();

    let mut stranger = stage.act_as(Actor::Stranger).await.unwrap();
    stage.chain.deal(stable, stranger.address(), amount).await.unwrap();
    let router = stage.venue.uniswap.router;
    stranger.call(stable, &IERC20::approveCall { spender: router, amount }).await.unwrap();
    let mut account = stage.chain.account(Actor::Stranger).await.unwrap();
    let params = ExactInputSingleParams {
        tokenIn: stable,
        tokenOut: weth,
        fee,
        recipient: account.address(),
        deadline: U256::MAX,
        amountIn: amount,
        amountOutMinimum: U256::ZERO,
        sqrtPriceLimitX96: Default::default(),
    };
    let input = ISwapRouter::exactInputSingleCall { params }.abi_encode().into();
    let call = vault_keeper::stage::account::Call { to: router.into(), input, gas: 1_000_000 };
    let raw = account.sign(call).unwrap();
    let _hash = stage.chain.provider().send_raw_transaction(&raw).await.unwrap();

    let price = Decimal::from(3_000);
    let tick = Tick { timestamp: START, price, base_fee: 50_000_000_000 };
    let step = market.step(tick).await.unwrap();
    assert!(step.swapped, "the stranger moved the price");
    assert_eq!(Some(step.sqrt_price_x96), stage.venue.tokens.pair.sqrt_price_x96(price));
    let bought = stage.chain.read(weth, &IERC20::balanceOfCall { owner: account.address() }).await.unwrap();
    assert_eq!(bought, quote.amountOut);
    // One million at 3,000 with 0.05 % fee and 0.05 % impact.
    let expected = 1e6 / 3_000.0 * 0.9990;
    assert!((f64::from(quote.amountOut) / 1e18 - expected).abs() < 0.05, "{}", quote.amountOut);
}

#[tokio::test]
async fn depth_is_the_stable_that_moves_the_price_by_one_percent() {
    let stage = stage(false).await;
    let params = IQuoterV2::QuoteExactInputSingleParams {
        tokenIn: stage.venue.tokens.stable,
        tokenOut: stage.venue.tokens.weth,
        amountIn: U256::from(10_000_000_000_000_u64),
        fee: U24::from(500),
        sqrtPriceLimitX96: Default::default(),
    };
    let quote = IQuoterV2::quoteExactInputSingleCall { params };
    let quote = stage.chain.read(stage.venue.uniswap.quoter, &quote).await.unwrap();
    let before = stage.venue.tokens.pair.sqrt_price_x96(Decimal::from(3_000)).unwrap();
    let moved = (f64::from(quote.sqrtPriceX96After) / f64::from(before)).powi(2) - 1.0;
    assert!((moved - 0.01).abs() < 0.0002, "{moved}");
}

#[tokio::test]
async fn multicall3_answers_at_its_usual_address() {
    let stage = stage(true).await;
    let calls = stage.chain.provider().multicall().get_block_number().get_chain_id().block(BlockId::latest());
    let (block, chain_id) = calls.aggregate().await.unwrap();
    assert_eq!(block.to::<u64>(), stage.chain.block_number().await.unwrap());
    assert_eq!(chain_id.to::<u64>(), 31_337);
}

#[tokio::test]
async fn the_head_and_the_blocks_just_before_it_can_be_read_by_their_hashes_without_history() {
    let stage = stage(true).await;
    let mut market = stage.market().await.unwrap();
    let path = Scenario::Crash.path(START);
    for tick in path.iter().take(300) {
        market.step(*tick).await.unwrap();
    }
    let head = stage.chain.block_number().await.unwrap();
    for back in [0, 1, 50, 100] {
        let number = BlockNumberOrTag::Number(head - back);
        let block = stage.chain.provider().get_block_by_number(number).await.unwrap().unwrap();
        let input = IUniswapV3Pool::slot0Call {}.abi_encode();
        let call = TransactionRequest::default().to(stage.venue.pool.address).input(input.into());
        let answer = stage.chain.provider().call(call).hash_canonical(block.header.hash).await.unwrap();
        let slot0 = IUniswapV3Pool::slot0Call::abi_decode_returns(&answer).unwrap();
        let price = path[299 - usize::try_from(back).unwrap()].price;
        assert_eq!(Some(slot0.sqrtPriceX96), stage.venue.tokens.pair.sqrt_price_x96(price), "{back} back");
    }
}

#[tokio::test]
async fn a_failing_transaction_says_why() {
    let stage = stage(true).await;
    let mut stranger = stage.act_as(Actor::Stranger).await.unwrap();
    let call = IERC20::transferCall { to: stranger.address(), amount: U256::ONE };
    let error = stranger.call(stage.venue.tokens.weth, &call).await.unwrap_err().to_string();
    assert!(error.starts_with("transfer(address,uint256) reverted: "), "{error}");
}

#[tokio::test]
async fn the_chain_and_its_files_are_gone_when_it_is_dropped() {
    let chain = Chain::start(&artifacts(), &Genesis::empty(START)).await.unwrap();
    let endpoint = chain.endpoint();
    let states = chain.states().to_owned();
    assert!(states.is_dir());
    drop(chain);
    assert!(!states.exists());
    let port = endpoint.rsplit(':').next().unwrap().trim_end_matches('/').parse::<u16>().unwrap();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[tokio::test]
async fn a_vault_stands_on_the_stage_with_its_first_deposit() {
    let stage = stage(true).await;
    let policy_hash = B256::repeat_byte(7);
    let vault = stage.vault(&stage.vault_plan(policy_hash), Decimal::from(1_000_000)).await.unwrap();
    let state = stage.chain.read(vault.address, &RebalancingVault::stateCall {}).await.unwrap();
    assert_eq!(state.books.trackedAsset, U256::from(1_000_000_000_000_u64));
    assert_eq!(state.books.nav, state.books.trackedAsset);
    assert_eq!(state.books.price, U256::from(3_000) * U256::from(10).pow(U256::from(18)));
    assert_eq!(state.identity.policyHash, policy_hash);
    assert_eq!(state.identity.keeper, stage.chain.address(Actor::Keeper).unwrap());
    // 80 % of the deposit, rounded up.
    let floor = state.floor.assets.to::<u64>();
    assert!((800_000_000_000..=800_000_000_001).contains(&floor), "{floor}");
    assert_eq!(state.pools.len(), 1);
    assert_eq!(state.pools[0].pool, stage.venue.pool.address);
    assert_eq!(state.pools[0].riskyIsToken0, !stage.venue.tokens.pair.stable_is_token0);
}

#[tokio::test]
async fn a_slice_of_mainnet_has_the_pool_of_its_manifest() {
    let Some(mainnet) = data("mainnet") else { return };
    let slice = Slice::read(&mainnet, 19_505_152).unwrap();
    assert_eq!((slice.timestamp, slice.base_fee), (1_711_292_411, 17_478_000_000));
    let chain = Chain::start(&artifacts(), &Genesis::of_slice(&slice)).await.unwrap();
    assert_eq!(chain.head().await.unwrap(), (slice.timestamp, slice.base_fee));
    assert_eq!(chain.block_number().await.unwrap(), slice.block);
    assert_eq!(chain.provider().get_chain_id().await.unwrap(), 1);
    let pool = address!("88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640");
    let slot0 = chain.read(pool, &IUniswapV3Pool::slot0Call {}).await.unwrap();
    let liquidity = chain.read(pool, &IUniswapV3Pool::liquidityCall {}).await.unwrap();
    let known = &slice.pools["UNIV3_USDC_WETH_500"];
    assert_eq!(Some(i64::from(slot0.tick.as_i32())), known["tick"].as_i64());
    assert_eq!(Some(liquidity.to_string().as_str()), known["L"].as_str());
}

/// Prices of the recorded markets are far from either end.
const BELIEVED: RangeInclusive<Decimal> = Decimal::TEN..=Decimal::from_parts(1_000_000, 0, 0, false, 0);

#[test]
fn sampling_the_may_2021_crash_takes_real_closes_and_hides_only_what_lies_between_them() {
    let Some(prices) = data("prices/eth_usdt_1m_2021-05_crash.csv") else { return };
    let Some(gas) = data("gas/eth_daily_gas_price_wei_2015_2023.csv") else { return };
    let sampled = path_from_files(&prices, Some(&gas), 2_160, &BELIEVED).unwrap().ticks;
    let whole = path_from_files(&prices, Some(&gas), usize::MAX, &BELIEVED).unwrap().ticks;
    assert_eq!((whole.len(), sampled.len()), (43_199, 2_058));
    assert!(sampled.windows(2).all(|pair| pair[1].timestamp - pair[0].timestamp == 1_260));
    assert!(sampled.iter().all(|tick| whole.contains(tick)));
    // The minutes of 19 May fell by 30 % within an hour; closes 21 minutes apart saw 20 % of it.
    let (sampled, whole) = (summary(&sampled).unwrap(), summary(&whole).unwrap());
    assert!((whole.worst_hour - -0.2979).abs() < 1e-4, "{whole:?}");
    assert!((sampled.worst_hour - -0.1953).abs() < 1e-4, "{sampled:?}");
    assert!((sampled.final_return - whole.final_return).abs() < 0.001);
}

#[test]
fn every_price_and_gas_file_of_the_data_is_read() {
    let (Some(prices), Some(recorded_gas)) = (data("prices"), data("gas")) else { return };
    let gas =
        ["mainnet_headers.csv", "basefee_21527387_340_blocks.csv", "eth_daily_gas_price_wei_2015_2023.csv"];
    let mut prices: Vec<_> = std::fs::read_dir(prices).unwrap().map(|entry| entry.unwrap().path()).collect();
    prices.sort();
    assert_eq!(prices.len(), 7);
    for (prices, gas) in prices.iter().zip(gas.iter().cycle()) {
        let path = path_from_files(prices, Some(&recorded_gas.join(gas)), 500, &BELIEVED).unwrap().ticks;
        assert!(path.len() > 250 && path.len() <= 500, "{}: {}", prices.display(), path.len());
        assert!(path.iter().all(|tick| tick.base_fee > 0 && tick.base_fee < 2_000_000_000_000));
    }
}
