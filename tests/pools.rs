//! A vault with two Uniswap v3 fee tiers and a v2 pair, all real contracts: one transaction swaps on all of them, and
//! what it brings is what the plan quoted, to the wei.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails where it stands"
)]

use std::time::Duration;

use alloy::eips::BlockId;
use alloy::primitives::{Address, U256};
use alloy::providers::Provider;
use alloy::sol_types::{SolCall, SolValue};
use rust_decimal::Decimal;
use serde_json::json;
use vault_keeper::chain::{Endpoint, SecretUrl, Timeouts};
use vault_keeper::domain::decision::{Decision, decide, decision_hash};
use vault_keeper::domain::plan::Plan;
use vault_keeper::domain::policy::{
    Estimator, GasPolicy, Policy, PublishedPolicy, StrategyPolicy, TradeTo, Trigger, VenuePolicy,
};
use vault_keeper::domain::snapshot::{Pool, Snapshot};
use vault_keeper::protocols::abi::RebalancingVault;
use vault_keeper::protocols::vaults::rebalancing_vault;
use vault_keeper::reader::Reader;
use vault_keeper::stage::account::Actor;
use vault_keeper::stage::artifacts::Artifacts;
use vault_keeper::stage::deploy::uniswap::{PoolPlan, ladder, pool};
use vault_keeper::stage::deploy::uniswap_v2::pair;
use vault_keeper::stage::interfaces::IVaultOwner;
use vault_keeper::stage::path::Tick;
use vault_keeper::stage::{Stage, StagePlan};

const START: u64 = 1_700_000_000;
const PRICE: u64 = 3_000;

/// A stage whose three pools the vault allows.
struct Scene {
    stage: Stage,
    endpoint: Endpoint,
    vault: Address,
    policy: PublishedPolicy,
    pools: [Address; 3],
}

/// Sixty percent ether, bought at once.
fn policy(stage: &Stage, pools: [Address; 3]) -> Policy {
    let mut policy: Policy = toml::from_str(include_str!("../examples/policies/cppi.toml")).unwrap();
    policy.chain_id = stage.chain.chain_id();
    policy.strategy = StrategyPolicy::ConstantWeight { weight: "0.6".parse().unwrap() };
    policy.trigger = Trigger::Threshold { fraction: "0.01".parse().unwrap(), to: TradeTo::Target };
    policy.volatility.estimator = Estimator::Fixed { annual: "0.8".parse().unwrap() };
    policy.limits.twap = None;
    policy.feeds.risky_usd.address = stage.venue.risky_usd.proxy;
    policy.feeds.asset_usd.address = stage.venue.stable_usd.proxy;
    let [main, tier, pair] = pools;
    policy.venues = vec![
        VenuePolicy::UniswapV3 { pool: main, tick_words: 2 },
        VenuePolicy::UniswapV3 { pool: tier, tick_words: 2 },
        VenuePolicy::UniswapV2 { pair },
    ];
    policy
}

impl Scene {
    async fn set(stable_is_token0: bool) -> Self {
        let price = Decimal::from(PRICE);
        let depth = Decimal::from(400_000);
        let plan = StagePlan { stable_is_token0, depth, ..StagePlan::new(START, price) };
        let stage = Stage::set(Artifacts::new(env!("CARGO_MANIFEST_DIR")), &plan).await.unwrap();
        let mut provider = stage.act_as(Actor::LiquidityProvider).await.unwrap();
        let tokens = stage.venue.tokens;
        let tier = PoolPlan { fee: 3_000, price, ranges: ladder(price, depth), observations: 50 };
        let tier = pool(&mut provider, &stage.venue.uniswap, &tokens, &tier).await.unwrap().address;
        let pair = pair(&mut provider, &tokens, price, Decimal::from(10_000)).await.unwrap();
        let pools = [stage.venue.pool.address, tier, pair.address];
        let policy = PublishedPolicy::new(policy(&stage, pools)).unwrap();
        let mut plan = stage.vault_plan(policy.hash());
        plan.pools = vec![stage.venue.pool.address, tier];
        let vault = stage.vault(&plan, Decimal::from(1_000_000)).await.unwrap().address;
        let mut owner = stage.act_as(Actor::Owner).await.unwrap();
        let venue = owner.create_ours("UniswapV2Venue", &pair.factory.abi_encode()).await.unwrap();
        owner.call(vault, &IVaultOwner::allowPoolCall { pool: pair.address, venue }).await.unwrap();
        let tick = Tick { timestamp: START, price, base_fee: 1_000_000_000 };
        stage.market().await.unwrap().step(tick).await.unwrap();
        let timeouts = Timeouts { connect: Duration::from_secs(10), request: Duration::from_secs(30) };
        let url = SecretUrl::parse(&stage.chain.endpoint()).unwrap();
        let endpoint = Endpoint::connect("stage", url, stage.chain.chain_id(), timeouts).await.unwrap();
        Self { stage, endpoint, vault, policy, pools }
    }

    async fn snapshot(&self) -> Snapshot {
        let header = self.endpoint.latest_header().await.unwrap();
        let reader = Reader::default();
        reader.snapshot(&self.endpoint, &header, self.vault, self.policy.policy()).await.unwrap()
    }

    fn plan(&self, snapshot: &Snapshot) -> (Decision, Plan) {
        let decision = decide(snapshot, &self.policy);
        let hash = decision_hash(snapshot, &self.policy, &decision).unwrap();
        let plan = Plan::of(snapshot, &self.policy, &decision, hash);
        let plan = plan.unwrap_or_else(|| panic!("no trade: {decision:?}"));
        (decision, plan)
    }

    /// The owner wants this weight, and the vault has cooled down.
    async fn approve(&mut self, weight: &str) {
        let mut policy = self.policy.policy().clone();
        policy.strategy = StrategyPolicy::ConstantWeight { weight: weight.parse().unwrap() };
        self.policy = PublishedPolicy::new(policy).unwrap();
        let mut owner = self.stage.act_as(Actor::Owner).await.unwrap();
        let approve = IVaultOwner::setPolicyHashCall { policyHash: self.policy.hash() };
        owner.call(self.vault, &approve).await.unwrap();
        self.stage.chain.mine_after(301).await.unwrap();
    }

    /// One transaction of the keeper.
    async fn execute(&self, plan: &Plan) {
        let call = RebalancingVault::rebalanceCall::abi_decode(&rebalancing_vault::rebalance(plan)).unwrap();
        let mut keeper = self.stage.act_as(Actor::Keeper).await.unwrap();
        keeper.call(self.vault, &call).await.unwrap();
    }
}

/// The pool after a swap as quoted on its state before.
fn after(pool: &Pool, zero_for_one: bool, amount_in: U256, quoted_out: U256) -> Pool {
    let mut pool = pool.clone();
    match &mut pool {
        Pool::UniswapV3 { state, .. } => {
            let quote = state.quote_exact_in(zero_for_one, amount_in).unwrap();
            assert_eq!(quote.amount_out, quoted_out);
            (state.sqrt_price_x96, state.tick) = (quote.sqrt_price_after, quote.tick_after());
            state.liquidity = quote.liquidity_after;
        }
        Pool::UniswapV2 { state } => {
            let quote = state.quoter().unwrap().quote_exact_in(zero_for_one, amount_in).unwrap();
            assert_eq!(quote.amount_out, quoted_out);
            (state.reserve0, state.reserve1) = (quote.reserve0_after, quote.reserve1_after);
        }
    }
    pool
}

fn assert_same(quoted: &Pool, read: &Pool) {
    match (quoted, read) {
        (Pool::UniswapV3 { state: quoted, .. }, Pool::UniswapV3 { state: read, .. }) => assert_eq!(
            (quoted.sqrt_price_x96, quoted.tick, quoted.liquidity),
            (read.sqrt_price_x96, read.tick, read.liquidity)
        ),
        (quoted, read) => assert_eq!(quoted, read),
    }
}

/// Holdings of what a sale gives and of what it brings.
fn holdings(snapshot: &Snapshot, sale: bool) -> (U256, U256) {
    let (risky, asset) = (snapshot.vault.risky_holdings, snapshot.vault.asset_holdings);
    if sale { (risky, asset) } else { (asset, risky) }
}

/// The keeper trades on all three pools, and vault and pools stand where the plan says.
async fn assert_executed_as_quoted(scene: &Scene, sale: bool, zero_for_one: bool) {
    let before = scene.snapshot().await;
    let (decision, plan) = scene.plan(&before);
    assert!(decision.appraisal.unwrap().left_out.is_empty());
    let used: Vec<_> = plan.swaps.iter().map(|swap| (swap.pool, swap.sell_risky)).collect();
    assert_eq!(used, scene.pools.map(|pool| (pool, sale)));
    scene.execute(&plan).await;
    let now = scene.snapshot().await;
    let sum = |amount: fn(&vault_keeper::domain::plan::Swap) -> U256| {
        plan.swaps.iter().map(amount).fold(U256::ZERO, |sum, amount| sum + amount)
    };
    let (had, have) = (holdings(&before, sale), holdings(&now, sale));
    assert_eq!(had.0 - have.0, sum(|swap| swap.amount_in));
    assert_eq!(have.1 - had.1, sum(|swap| swap.quoted_out));
    for ((swap, pool), read) in plan.swaps.iter().zip(&before.pools).zip(&now.pools) {
        assert_same(&after(pool, zero_for_one, swap.amount_in, swap.quoted_out), read);
    }
    assert_eq!(now.vault.next_nonce, before.vault.next_nonce + 1);
}

/// A purchase of 60 %, and a sale down to 20 % once the owner approved that.
async fn assert_both_ways(stable_is_token0: bool) {
    let mut scene = Scene::set(stable_is_token0).await;
    assert_executed_as_quoted(&scene, false, stable_is_token0).await;
    scene.approve("0.2").await;
    assert_executed_as_quoted(&scene, true, !stable_is_token0).await;
}

#[tokio::test]
async fn one_transaction_swaps_on_three_pools_as_quoted_with_the_stable_first() {
    assert_both_ways(true).await;
}

#[tokio::test]
async fn one_transaction_swaps_on_three_pools_as_quoted_with_the_stable_last() {
    assert_both_ways(false).await;
}

/// Gas of one transaction that makes these swaps of `plan` and no others, on the state as it is; nothing remains of it.
async fn gas(scene: &Scene, plan: &Plan, pools: &[Address]) -> u64 {
    let chain = &scene.stage.chain;
    let saved = chain.batch(vec![("evm_snapshot", json!([]))]).await.unwrap().remove(0);
    let swaps = plan.swaps.iter().filter(|swap| pools.contains(&swap.pool)).cloned().collect();
    scene.execute(&Plan { swaps, ..plan.clone() }).await;
    let block = chain.provider().get_block(BlockId::latest()).await.unwrap().unwrap();
    let hash = block.transactions.hashes().next().unwrap();
    let receipt = chain.provider().get_transaction_receipt(hash).await.unwrap().unwrap();
    chain.batch(vec![("evm_revert", json!([saved]))]).await.unwrap();
    receipt.gas_used
}

/// What one swap and each further one use, of a vault that trades for the first time and of one that has traded.
#[tokio::test]
async fn a_further_swap_uses_no_more_gas_than_is_reckoned_with_where_a_policy_does_not_say() {
    let mut scene = Scene::set(true).await;
    let [main, tier, pair] = scene.pools;
    let swap_units = scene.policy.policy().gas.swap_units;
    assert_eq!(swap_units, GasPolicy::default_swap_units());
    let mut most = 0;
    for traded in [false, true] {
        if traded {
            let (_, plan) = scene.plan(&scene.snapshot().await);
            scene.execute(&plan).await;
            scene.approve("0.2").await;
        }
        let (_, plan) = scene.plan(&scene.snapshot().await);
        let one = gas(&scene, &plan, &[main]).await;
        let all = gas(&scene, &plan, &[main, tier, pair]).await;
        let further =
            [gas(&scene, &plan, &[main, tier]).await - one, gas(&scene, &plan, &[main, pair]).await - one];
        assert!((250_000..330_000).contains(&one), "{one}");
        let figures = further.map(|units| (75_000..=swap_units).contains(&units));
        assert_eq!(figures, [true, true], "{further:?}");
        // Swaps do not know each other.
        assert!(all.abs_diff(one + further[0] + further[1]) < 10_000, "{all} {one} {further:?}");
        most = most.max(further[0]).max(further[1]);
    }
    // What is reckoned with is what the dearest of them used.
    assert!(swap_units - most < 5_000, "{most}");
}
