//! A healthy vault under the example policy, for tests to break.

use std::path::Path;

use alloy::primitives::{Address, B256, I256, U256, address};

use crate::config::load_policy;
use crate::domain::policy::PublishedPolicy;
use crate::domain::snapshot::{
    AllowedPool, Block, Feed, Feeds, Guards, History, Pool, Round, Snapshot, Token, Twap, Vault,
};
use crate::domain::venues::uniswap_v3::{self, Tick, Window, sqrt_price_at_tick};

const USDC: Address = address!("A0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48");
const WETH: Address = address!("C02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2");
const POOL: Address = address!("88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640");
/// The tick of 3,000 USDC for one WETH.
const TICK: i32 = 196_256;
const NOW: u64 = 1_700_000_000;

/// `examples/policies/cppi.toml`.
pub(super) fn policy() -> PublishedPolicy {
    load_policy(Path::new("examples/policies/cppi.toml")).unwrap()
}

/// 400,000 USDC and 200 WETH at 3,000 over a floor of 800,000, on a pool of constant liquidity.
pub(super) fn snapshot() -> Snapshot {
    let published = policy();
    let feeds = &published.policy().feeds;
    Snapshot {
        block: Block {
            chain_id: 1,
            number: 18_500_000,
            hash: B256::repeat_byte(1),
            timestamp: NOW,
            next_base_fee: 20_000_000_000,
        },
        vault: vault(&published),
        feeds: Feeds {
            risky_usd: feed(feeds.risky_usd.address, 300_000_000_000),
            asset_usd: feed(feeds.asset_usd.address, 100_000_000),
            native_usd: None,
            sequencer: None,
        },
        pools: vec![pool()],
        options: None,
        rollup: None,
    }
}

fn vault(published: &PublishedPolicy) -> Vault {
    let policy = published.policy();
    Vault {
        address: Address::repeat_byte(0x11),
        asset: Token { address: USDC, decimals: 6 },
        risky: Token { address: WETH, decimals: 18 },
        total_supply: U256::from(10).pow(U256::from(18)),
        asset_holdings: U256::from(400_000_000_000_u64),
        risky_holdings: U256::from(200_000_000_000_000_000_000_u128),
        floor: U256::from(800_000_000_000_u64),
        floor_policy: policy.floor,
        cash_lock: false,
        policy_hash: published.hash(),
        keeper: Address::repeat_byte(0x22),
        next_nonce: 1,
        last_rebalance: 0,
        paused_until: 0,
        option_book: None,
        epoch_open: false,
        risky_feed: policy.feeds.risky_usd.address,
        asset_feed: policy.feeds.asset_usd.address,
        guards: guards(),
        allowed_pools: vec![AllowedPool { pool: POOL, venue: Address::repeat_byte(0x33) }],
    }
}

fn guards() -> Guards {
    Guards {
        cooldown: 300,
        max_decision_age: 50,
        max_call_bps: 10_000,
        turnover_left: U256::from(5_000_000_000_000_u64),
        slippage_bps: 100,
        nav_loss_bps: 100,
        cap_bps: 10_000,
        bound_bps: 50_000,
        risky_max_age: 4_500,
        asset_max_age: 90_000,
        peg_bps: 200,
        gas_rebate: U256::ZERO,
    }
}

fn feed(address: Address, answer: i64) -> Feed {
    let latest = Round { id: (1 << 64) | 7, answer: I256::try_from(answer).unwrap(), updated_at: NOW - 60 };
    Feed { address, decimals: 8, latest: Some(latest), history: History::default() }
}

fn pool() -> Pool {
    // Wide and even: a trade of a million dollars moves the price by about a tenth of a percent.
    let liquidity = 30_000_000_000_000_000_000_u128;
    let edge = |index, liquidity_net| Tick { index, liquidity_net, liquidity_gross: liquidity };
    let net = i128::try_from(liquidity).unwrap();
    Pool::UniswapV3 {
        state: uniswap_v3::Pool {
            address: POOL,
            token0: USDC,
            token1: WETH,
            fee: 500,
            tick_spacing: 10,
            sqrt_price_x96: sqrt_price_at_tick(TICK).unwrap(),
            tick: TICK,
            liquidity,
            window: Window { lower: 192_000, upper: 199_679 },
            ticks: vec![edge(193_000, net), edge(199_000, net.saturating_neg())],
        },
        twap: Some(Twap { window_seconds: 600, mean_tick: TICK }),
        observations: None,
    }
}
