//! Rebalances of the built keeper over a Uniswap v3 pool and a v2 pair, and what `keeper status --calibration` says of
//! them, held against the receipts of the chain.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::too_many_arguments,
    reason = "a test fails where it stands, and its figures are small"
)]

#[path = "support/keeper_process.rs"]
mod keeper_process;
#[path = "support/proxy.rs"]
mod proxy;

use alloy::primitives::{Address, B256, U256};
use alloy::providers::Provider;
use alloy::rpc::types::{Filter, TransactionReceipt};
use alloy::sol_types::{SolCall, SolEvent, SolValue};
use keeper_process::{Home, ONCE, PRICE, Scene, number, published, with};
use proxy::Proxy;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use vault_keeper::chain::fees::next_base_fee;
use vault_keeper::protocols::abi::RebalancingVault;
use vault_keeper::stage::account::{Actor, Call};
use vault_keeper::stage::deploy::uniswap_v2::pair;
use vault_keeper::stage::interfaces::{IERC20, IUniswapV2Pair, IVaultOwner};

alloy::sol! {
    interface IPair {
        event Swap(address indexed sender, uint256 amount0In, uint256 amount1In, uint256 amount0Out, uint256 amount1Out, address indexed to);
    }
}

const POLICY: &str = include_str!("../examples/policies/cppi.toml");
/// Units of the asset that move the v3 pool by 1 %: a trade of a hundred thousand dollars is worth a second pool.
const DEPTH: i64 = 400_000;
/// What the policy reckons with.
const REBALANCE_UNITS: f64 = 400_000.0;
/// Its tip, wei per gas.
const TIP: f64 = 1e9;

/// A vault with a history of its own: a buy in two swaps, before one of which a trader got; then a sale and a buy in one.
struct History {
    scene: Scene,
    proxy: Proxy,
    home: Home,
    pair: Address,
}

impl History {
    async fn set() -> Self {
        // As much as it can at once, whatever it costs.
        let threshold = "[trigger]\nkind = \"threshold\"\nfraction = \"0.01\"\nto = \"target\"";
        let policy = with(POLICY, "[trigger]\nkind = \"economic\"", threshold);
        let scene = Scene::set_for(Decimal::from(DEPTH), &policy).await;
        let pair = second_pool(&scene).await;
        let proxy = Proxy::start(scene.stage.chain.endpoint()).await;
        let home = Home::new(&scene, proxy.url()).await;
        let both = format!("{}\n[[venues]]\nkind = \"uniswap_v2\"\npair = \"{pair}\"\n", scene.policy);
        home.write("both.toml", &both);
        home.configure("policies = [\"cppi.toml\"]", "policies = [\"cppi.toml\", \"both.toml\"]");
        let history = Self { scene, proxy, home, pair };
        history.approve(&both).await;
        history.donated().await;
        history.approve(&history.scene.policy).await;
        for (number, price) in [(2, PRICE * 9 / 10), (3, PRICE)] {
            // Twice, so that the pool's average follows.
            history.scene.price(price, 700).await;
            history.scene.price(price, 700).await;
            history.rebalance(number).await;
        }
        history
    }

    async fn approve(&self, policy: &str) {
        self.scene.approve(policy).await;
        self.scene.stage.chain.mine_after(301).await.unwrap();
    }

    async fn rebalance(&self, number: usize) {
        let ended = self.home.once_mined(&self.scene).await;
        assert_eq!(self.scene.deeds().await.rebalanced, number, "{ended:?}");
    }

    /// A rebalance into whose block somebody gets before it, who makes the pair dearer by a twentieth of a percent.
    async fn donated(&self) {
        let stage = &self.scene.stage;
        let stable = stage.venue.tokens.stable;
        let mut trader = stage.chain.account(Actor::Arbitrageur).await.unwrap();
        let reserve = stage.chain.read(stable, &IERC20::balanceOfCall { owner: self.pair }).await.unwrap();
        stage.chain.deal(stable, trader.address(), reserve).await.unwrap();
        let gift = IERC20::transferCall { to: self.pair, amount: reserve / U256::from(2_000) };
        let calls = [
            Call { to: stable.into(), input: gift.abi_encode().into(), gas: 200_000 },
            Call {
                to: self.pair.into(),
                input: IUniswapV2Pair::syncCall {}.abi_encode().into(),
                gas: 200_000,
            },
        ];
        for call in calls {
            let raw = trader.sign(call).unwrap();
            stage.chain.batch(vec![("eth_sendRawTransaction", json!([raw]))]).await.unwrap();
        }
        let keeper = self.home.start(&ONCE);
        self.scene.until_sent().await;
        self.scene.mine(2).await;
        let ended = keeper.end().await;
        assert_eq!(self.scene.deeds().await.rebalanced, 1, "{ended:?}");
    }

    /// What the command prints of the vault.
    async fn calibration(&self) -> Value {
        let ended = self.home.start(&["status", "--calibration", "--json"]).end().await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.json()[0].clone()
    }

    /// Wei per gas that the block after this one costs.
    async fn next_base_fee(&self, number: u64) -> f64 {
        let block = self.scene.stage.chain.provider().get_block(number.into()).await.unwrap().unwrap();
        let header = &block.header;
        let base_fee = header.base_fee_per_gas.unwrap();
        next_base_fee(base_fee, header.gas_used, header.gas_limit).unwrap() as f64
    }

    /// Receipts of all rebalances, oldest first.
    async fn receipts(&self) -> Vec<TransactionReceipt> {
        let provider = self.scene.stage.chain.provider();
        let signature = RebalancingVault::Rebalanced::SIGNATURE_HASH;
        let filter = Filter::new().address(self.scene.vault).event_signature(signature).from_block(0);
        let mut receipts = Vec::new();
        for log in provider.get_logs(&filter).await.unwrap() {
            let hash: B256 = log.transaction_hash.unwrap();
            receipts.push(provider.get_transaction_receipt(hash).await.unwrap().unwrap());
        }
        receipts
    }
}

/// A pair beside the pool, which the vault allows.
async fn second_pool(scene: &Scene) -> Address {
    let mut provider = scene.stage.act_as(Actor::LiquidityProvider).await.unwrap();
    let tokens = scene.stage.venue.tokens;
    let pair = pair(&mut provider, &tokens, Decimal::from(PRICE), Decimal::from(10_000)).await.unwrap();
    let mut owner = scene.stage.act_as(Actor::Owner).await.unwrap();
    let venue = owner.create_ours("UniswapV2Venue", &pair.factory.abi_encode()).await.unwrap();
    owner.call(scene.vault, &IVaultOwner::allowPoolCall { pool: pair.address, venue }).await.unwrap();
    pair.address
}

fn mean(sample: &[f64]) -> f64 {
    sample.iter().sum::<f64>() / sample.len() as f64
}

fn deviation(sample: &[f64]) -> f64 {
    let squares: f64 = sample.iter().map(|one| (one - mean(sample)).powi(2)).sum();
    (squares / (sample.len() as f64 - 1.0)).sqrt()
}

fn assert_near(found: &Value, expected: f64) {
    let found = number(found);
    assert!((found - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{found} is not {expected}");
}

#[tokio::test]
async fn predicted_gas_and_venue_costs_are_held_against_receipts() {
    let history = History::set().await;
    let receipts = history.receipts().await;
    let calibration = history.calibration().await;
    let counts = ["rebalances", "from_chain", "from_journal", "unknown"].map(|key| &calibration[key]);
    assert_eq!(counts, [&json!(3), &json!(3), &json!(0), &json!(0)]);
    let past = calibration["past"].as_array().unwrap();
    let swaps: Vec<usize> = past.iter().map(|one| one["swaps"].as_array().unwrap().len()).collect();
    assert_eq!(swaps, [2, 1, 1]);

    // Gas, in units and in money at the price of each decision's block.
    let swap_units = published(&history.scene.policy).policy().gas.swap_units as f64;
    let predicted = [REBALANCE_UNITS + swap_units, REBALANCE_UNITS, REBALANCE_UNITS];
    let used: Vec<f64> = receipts.iter().map(|receipt| receipt.gas_used as f64).collect();
    let excess: Vec<f64> = used.iter().zip(predicted).map(|(used, predicted)| used - predicted).collect();
    let gas = &calibration["gas"];
    assert_eq!(gas["count"], 3);
    assert_near(&gas["predicted_units"], mean(&predicted));
    assert_near(&gas["realised_units"], mean(&used));
    assert_near(&gas["units"]["bias"], mean(&excess));
    assert_near(&gas["units"]["spread"], deviation(&excess));
    let price = PRICE as f64;
    let prices = [price, 0.9 * price, price];
    let mut dollars = Vec::new();
    for i in 0..3 {
        let paid = used[i] * receipts[i].effective_gas_price as f64;
        let reckoned = history.next_base_fee(past[i]["decision_block"].as_u64().unwrap()).await + TIP;
        dollars.push((paid - predicted[i] * reckoned) / 1e18 * prices[i]);
    }
    assert_near(&gas["usd"]["bias"], mean(&dollars));
    assert_near(&gas["usd"]["spread"], deviation(&dollars));

    // The v3 pool paid what was quoted; the pair, which a trader had moved, paid less.
    let venues = calibration["venues"].as_array().unwrap();
    let venue = |pool: Address| venues.iter().find(|venue| venue["pool"] == json!(pool)).unwrap();
    let v3 = venue(history.scene.stage.venue.pool.address);
    assert_eq!((&v3["count"], number(&v3["usd"]["bias"])), (&json!(3), 0.0));
    let v2 = venue(history.pair);
    assert_eq!(v2["count"], 1);
    let swap = past[0]["swaps"].as_array().unwrap().iter().find(|swap| swap["pool"] == json!(history.pair));
    let quoted = number(&swap.unwrap()["quoted"]);
    let mut logs = receipts[0].logs().iter().filter(|log| log.address() == history.pair);
    let paid = logs.find_map(|log| IPair::Swap::decode_log(&log.inner).ok()).unwrap();
    let paid: f64 = paid.amount0Out.max(paid.amount1Out).to_string().parse().unwrap();
    let short = quoted - paid / 1e18 * price;
    assert!(short > 0.0);
    assert_near(&v2["usd"]["bias"], short);
    assert_near(&v2["bps"]["bias"], short / quoted * 10_000.0);
    // A twentieth of a percent, a little less for the impact that it leaves.
    assert!((4.0..=5.0).contains(&number(&v2["bps"]["bias"])), "{v2}");

    // The larger of two rebalances in one swap, and what the other used on top of their mean.
    let [several, sale, buy] = [0, 1, 2].map(|i| receipts[i].gas_used);
    let suggested = &calibration["suggested"];
    assert_eq!(suggested["rebalance_units"], sale.max(buy));
    assert_eq!(suggested["swap_units"], several - (sale + buy) / 2);
}

#[tokio::test]
async fn the_journal_stands_in_where_the_node_has_lost_the_state_and_nothing_does_without_it() {
    let history = History::set().await;
    let known = history.calibration().await;
    history.proxy.prune();
    let from_journal = history.calibration().await;
    assert_eq!((&from_journal["from_chain"], &from_journal["from_journal"]), (&json!(0), &json!(3)));
    for figures in ["gas", "venues", "suggested"] {
        assert_eq!(from_journal[figures], known[figures], "{figures}");
    }
    assert!(from_journal["past"].as_array().unwrap().iter().all(|one| one["source"] == "journal"));

    // Without the journal nothing tells what was decided.
    std::fs::rename(history.home.path("keeper.db"), history.home.path("elsewhere.db")).unwrap();
    for beside in ["keeper.db-wal", "keeper.db-shm"] {
        let _ = std::fs::remove_file(history.home.path(beside));
    }
    let unknown = history.calibration().await;
    assert_eq!((&unknown["unknown"], &unknown["gas"]), (&json!(3), &Value::Null));
    assert!(unknown["past"].as_array().unwrap().iter().all(|one| one["why"] == "state"));

    // And a policy that is not held predicts nothing.
    history.home.configure("policies = [\"cppi.toml\", \"both.toml\"]", "policies = [\"both.toml\"]");
    let other = history.calibration().await;
    let why: Vec<&Value> = other["past"].as_array().unwrap().iter().map(|one| &one["why"]).collect();
    assert_eq!(why, [&json!("state"), &json!("policy"), &json!("policy")]);
}

#[tokio::test]
async fn a_range_of_blocks_holds_its_own_rebalances_and_a_table_shows_them() {
    let history = History::set().await;
    let blocks: Vec<u64> =
        history.receipts().await.iter().map(|receipt| receipt.block_number.unwrap()).collect();
    let ended = async |arguments: &[&str]| {
        let all = [&["status", "--calibration"], arguments].concat();
        history.home.start(&all).end().await
    };
    let (first, last) = (blocks[0].to_string(), blocks[1].to_string());
    let found = ended(&["--json", "--from", &first, "--to", &last]).await.json()[0].clone();
    assert_eq!(
        (&found["rebalances"], &found["from"], &found["to"]),
        (&json!(2), &json!(first), &json!(last))
    );
    let table = ended(&["--from", &first, "--to", &last]).await.stdout;
    for shown in
        ["2 rebalances: 2 compared on the chain", "gas (units)", &history.pair.to_string(), "gas.swap_units"]
    {
        let absent = shown == "gas.swap_units" && !table.contains("gas.rebalance_units");
        assert!(table.contains(shown) || absent, "{shown}: {table}");
    }
    let wrong = ended(&["--from", "9", "--to", "7"]).await;
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
    assert!(wrong.message().contains("--from 9 is after --to 7"), "{wrong:?}");
    assert_eq!(history.home.start(&["status", "--blocks", "5"]).end().await.code, Some(2));
}
