//! `keeper run --once` on real mainnet state: the real USDC, WETH, Chainlink ETH/USD proxy and Uniswap v3 pool.
//!
//! The slices hold no USDC/USD feed, no old rounds and no pool history: a stand-in aggregator answers 1.00, volatility
//! is fixed, the average-price check is off, and the vault is sized so that its trade stays inside what is known.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails where it stands"
)]

#[path = "support/data.rs"]
mod data;
#[path = "support/keeper_process.rs"]
mod keeper_process;

use std::path::Path;
use std::process::Stdio;

use alloy::primitives::{Address, B256, U256, address, keccak256};
use alloy::providers::Provider;
use alloy::providers::ext::AnvilApi;
use alloy::rpc::types::BlockNumberOrTag;
use keeper_process::until;
use rust_decimal::Decimal;
use serde_json::Value;
use tokio::process::Command;
use vault_keeper::config::load_policy;
use vault_keeper::protocols::abi::RebalancingVault;
use vault_keeper::stage::account::Actor;
use vault_keeper::stage::artifacts::Artifacts;
use vault_keeper::stage::chain::{Chain, Genesis};
use vault_keeper::stage::deploy::Deployer;
use vault_keeper::stage::deploy::chainlink::feed;
use vault_keeper::stage::deploy::vault::{VaultPlan, default_parameters, vault};
use vault_keeper::stage::slice::Slice;

const USDC: Address = address!("A0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48");
const WETH: Address = address!("C02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2");
const ETH_USD: Address = address!("5f4eC3Df9cbd43714FE2740f5E3616155c5b8419");
const FACTORY: Address = address!("1F98431c8aD98523631AE4a59f267346ea31F984");
const POOL: Address = address!("88e6A0c2dDD26FEEb64F039a2c41296FcB3f5640");

/// Whole USDC: three fifths of it are bought, inside the smallest `v3_valid` of the three slices (66,831 USDC).
const CAPITAL: u64 = 100_000;

/// The first block with the instructions that the vault is compiled to. The slice's chain has them at any height; a fork goes
/// by those that mainnet had.
const SHANGHAI: u64 = 17_034_870;

/// The slice's chain with a vault on it, and the files of its keeper.
struct Scene {
    chain: Chain,
    files: tempfile::TempDir,
    vault: Address,
    key: String,
    largest_in: U256,
}

async fn scene(slice: &Slice) -> Scene {
    let artifacts = Artifacts::new(env!("CARGO_MANIFEST_DIR"));
    let chain = Chain::start(&artifacts, &Genesis::of_slice(slice)).await.unwrap();
    complete(&chain).await;
    for actor in [Actor::Owner, Actor::Oracle, Actor::Depositor, Actor::Keeper] {
        chain.endow(chain.address(actor).unwrap(), 100_000).await.unwrap();
    }
    let files = tempfile::tempdir().unwrap();
    let mut owner = Deployer::new(&chain, &artifacts, Actor::Owner).await.unwrap();
    let usdc_usd = feed(&mut owner, "USDC / USD", Decimal::ONE).await.unwrap().proxy;
    let policy = files.path().join("policy.toml");
    std::fs::write(&policy, policy_text(usdc_usd)).unwrap();
    let plan = VaultPlan {
        asset: USDC,
        risky: WETH,
        risky_feed: ETH_USD,
        asset_feed: usdc_usd,
        uniswap_factory: FACTORY,
        pools: vec![POOL],
        policy_hash: load_policy(&policy).unwrap().hash(),
        parameters: default_parameters(),
    };
    let vault = vault(&mut owner, &plan).await.unwrap();
    let mut depositor = Deployer::new(&chain, &artifacts, Actor::Depositor).await.unwrap();
    vault.deposit(&mut depositor, USDC, U256::from(CAPITAL * 1_000_000)).await.unwrap();
    let keeper = files.path().join("keeper.toml");
    std::fs::write(keeper, keeper_text(&chain.endpoint(), vault.address)).unwrap();
    let key = chain.account(Actor::Keeper).await.unwrap().private_key();
    let known = &slice.pools["UNIV3_USDC_WETH_500"]["approx_max_in_token0"];
    let largest_in = known.as_str().unwrap().parse().unwrap();
    Scene { chain, files, vault: vault.address, key, largest_in }
}

/// What no transaction of the block asked for, so that the slice does not know it: as it is on mainnet.
async fn complete(chain: &Chain) {
    let number = |n: u64| B256::from(U256::from(n));
    // The factory's `getPool[USDC][WETH][500]`, a mapping at slot 5.
    let nested = |key: B256, slot: B256| keccak256([key, slot].concat());
    let pool_slot = nested(number(500), nested(WETH.into_word(), nested(USDC.into_word(), number(5))));
    let slots =
        [(USDC, number(6), number(6)), (WETH, number(2), number(18)), (FACTORY, pool_slot, POOL.into_word())];
    for (account, slot, value) in slots {
        chain.provider().anvil_set_storage_at(account, slot.into(), value).await.unwrap();
    }
}

fn policy_text(usdc_usd: Address) -> String {
    let mut policy: toml::Table = toml::from_str(include_str!("../examples/policies/cppi.toml")).unwrap();
    policy["feeds"]["asset_usd"]["address"] = usdc_usd.to_string().into();
    let fixed = toml::toml! { kind = "fixed" annual = "0.80" };
    policy["volatility"]["estimator"] = fixed.into();
    policy["limits"].as_table_mut().unwrap().remove("twap").unwrap();
    toml::to_string(&policy).unwrap()
}

fn keeper_text(endpoint: &str, vault: Address) -> String {
    format!(
        "[journal]\npath = \"keeper.db\"\n\
         [[chain]]\nname = \"mainnet\"\nid = 1\nkind = \"ethereum\"\nfinality = {{ depth = 1 }}\n\
         poll_interval_ms = 20\nendpoints = [{{ url = \"{endpoint}\" }}]\n\
         [[signer]]\nname = \"hot\"\nkey_env = \"KEEPER_PRIVATE_KEY\"\n\
         [sending]\nmax_fee_per_gas_wei = 500_000_000_000\nmax_priority_fee_wei = 2_000_000_000\n\
         min_priority_fee_wei = 1_000_000_000\nmax_transaction_cost_wei = 250_000_000_000_000_000\n\
         max_daily_cost_wei = 1_000_000_000_000_000_000\n\
         [[vault]]\nname = \"v\"\nchain = \"mainnet\"\naddress = \"{vault}\"\nsigner = \"hot\"\n\
         policies = [\"policy.toml\"]\n"
    )
}

impl Scene {
    /// Runs the program to its end, and mines its transaction until that is final, if there is one.
    async fn keeper_once(&self) -> Value {
        let mut keeper = Command::new(env!("CARGO_BIN_EXE_keeper"))
            .args(["run", "--once", "--json", "--config"])
            .arg(self.files.path().join("keeper.toml"))
            .env("KEEPER_PRIVATE_KEY", &self.key)
            // The key's lock lies there, and another test has the same key.
            .env("XDG_STATE_HOME", self.files.path())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut ended = async || keeper.try_wait().unwrap().is_some();
        until("the keeper ends or sends", async || ended().await || self.waiting().await).await;
        if self.waiting().await {
            // One block that holds it, and one on top.
            for _ in 0..2 {
                self.chain.mine_after(12).await.unwrap();
            }
        }
        let output = keeper.wait_with_output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// What an auditor and the journal say of the blocks from `begun` on.
    async fn assert_looked_back(&self, begun: u64, trades: usize) {
        let newest = self.chain.block_number().await.unwrap();
        let (from, to) = (begun.to_string(), newest.to_string());
        let audit = self.looked_back("audit", &["--from", &from, "--to", &to, "--read", "every"]).await;
        let vault = &audit["vaults"][0];
        assert_eq!((&audit["clean"], &vault["totals"]["acted"]), (&true.into(), &trades.into()), "{audit}");
        assert_eq!(vault["reads"], newest - begun + 1);
        // The block that the slice is of, with a vault on it: decided, and nothing done in it.
        let one = self.looked_back("audit", &["--from", &from, "--to", &from]).await;
        let (wanted, found) = (&one["vaults"][0]["wanted"], &one["vaults"][0]["findings"]);
        assert_eq!((wanted, found), (&1.into(), &Value::Array(Vec::new())), "{one}");

        let anvil = Artifacts::new(env!("CARGO_MANIFEST_DIR")).anvil().display().to_string();
        let execution = if begun < SHANGHAI { vec!["--no-execution"] } else { vec!["--anvil", &anvil] };
        let journal = [&["--journal", "keeper.db"], &execution[..]].concat();
        let replay = self.looked_back("replay", &journal).await;
        let vault = &replay["vaults"][0];
        assert_eq!(
            (&replay["equal"], &vault["actions"]["equal"]),
            (&true.into(), &trades.into()),
            "{replay}"
        );
        assert_eq!(vault["decisions"]["equal"], trades + 1);
        let executed = vault["executed"].as_array().unwrap();
        assert_eq!(executed.len(), if begun < SHANGHAI { 0 } else { trades });
        for executed in executed {
            let explained = &executed["explained"];
            assert_eq!((&explained["price_moved"], &explained["order_in_block"]), (&"0".into(), &"0".into()));
        }
    }

    async fn looked_back(&self, command: &str, more: &[&str]) -> Value {
        let mut program = Command::new(env!("CARGO_BIN_EXE_keeper"));
        program.args([command, "--vault", &self.vault.to_string(), "--policy", "policy.toml", "--json"]);
        program.args(["--rpc", &self.chain.endpoint()]).args(more).current_dir(self.files.path());
        let output = program.output().await.unwrap();
        let told = |bytes| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{} {}", told(&output.stdout), told(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    async fn waiting(&self) -> bool {
        let pending = self.chain.provider().get_block_by_number(BlockNumberOrTag::Pending).await.unwrap();
        pending.is_some_and(|block| !block.transactions.is_empty())
    }

    async fn holdings(&self) -> (U256, U256) {
        let state = self.chain.read(self.vault, &RebalancingVault::stateCall {}).await.unwrap();
        (state.books.trackedAsset, state.books.trackedRisky)
    }
}

fn amount(value: &Value) -> U256 {
    value.as_str().unwrap().parse().unwrap()
}

/// Keeps a vault in cash until it holds, in as many trades as are stated: the first takes most of the way, and where
/// impact counts another the rest of what is worth it.
async fn assert_kept(block: u64, data: &Path, trades: usize) {
    let scene = scene(&Slice::read(data, block).unwrap()).await;
    let begun = scene.chain.block_number().await.unwrap();
    let mut held = (U256::from(CAPITAL * 1_000_000), U256::ZERO);
    for number in 0..trades {
        assert_eq!(scene.holdings().await, held);
        let cycle = scene.keeper_once().await;
        let said = (&cycle["verdict"], &cycle["reason"]["code"], &cycle["dispatch"]);
        assert_eq!(said, (&"rebalance".into(), &"worth".into(), &"executed".into()), "{cycle}");
        let (trade, paid) = (&cycle["trade"], amount(&cycle["amount_in"]));
        assert_eq!(
            (paid, amount(&cycle["amount_out"])),
            (amount(&trade["amount_in"]), amount(&trade["quoted_out"]))
        );
        assert!(paid <= scene.largest_in);
        held = (held.0 - paid, held.1 + amount(&cycle["amount_out"]));
        // Towards three times the cushion of 20 %, less the reserve.
        let percent = paid.to::<u64>() / (CAPITAL * 10_000);
        assert!(if number == 0 { (40..60).contains(&percent) } else { percent < 10 }, "{number}: {percent}");
        scene.chain.mine_after(301).await.unwrap();
    }
    let last = scene.keeper_once().await;
    assert_eq!(
        (&last["verdict"], &last["reason"]["code"]),
        (&"hold".into(), &"within_band".into()),
        "{last}"
    );
    assert_eq!(last["dispatch"], "nothing");
    assert_eq!(scene.holdings().await, held);
    scene.assert_looked_back(begun, trades).await;
}

#[tokio::test]
async fn a_vault_is_kept_on_the_mainnet_of_24_march_2024() {
    let Some(data) = data::data("mainnet") else { return };
    assert_kept(19_505_152, &data, 1).await;
}

#[tokio::test]
async fn a_vault_is_kept_on_the_mainnet_of_23_march_2024() {
    let Some(data) = data::data("mainnet") else { return };
    assert_kept(19_498_855, &data, 1).await;
}

#[tokio::test]
async fn a_vault_is_kept_on_the_mainnet_of_the_merge() {
    let Some(data) = data::data("mainnet") else { return };
    assert_kept(15_538_827, &data, 2).await;
}
