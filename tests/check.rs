//! `keeper check` against real contracts: silent about a healthy vault, and complete about a broken one.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails where it stands"
)]

use alloy::primitives::{Address, U256};
use alloy::providers::{Provider, ext::AnvilApi};
use alloy::rpc::types::TransactionRequest;
use alloy::sol;
use alloy::sol_types::{SolCall, SolValue};
use rust_decimal::Decimal;
use vault_keeper::domain::policy::{Policy, PublishedPolicy, VenuePolicy};
use vault_keeper::journal::{AttemptKind, IntentRecord, Journal};
use vault_keeper::stage::account::Actor;
use vault_keeper::stage::artifacts::Artifacts;
use vault_keeper::stage::deploy::vault::Vault;
use vault_keeper::stage::interfaces::IERC20;
use vault_keeper::stage::path::Tick;
use vault_keeper::stage::{Stage, StagePlan};

#[path = "support/program.rs"]
mod program;
#[path = "support/records.rs"]
mod records;

use program::{Ended, Place};

const START: u64 = 1_700_000_000;
const KEEPER: &str = include_str!("../keeper.example.toml");
/// The key of [`Actor::Keeper`], and that of somebody else.
const KEEPER_KEY: &str = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
const OTHER_KEY: &str = "0x0000000000000000000000000000000000000000000000000000000000000001";

sol! {
    interface FeeToken {
        function setCharging(bool on) external;
    }
}

/// A vault of a million dollars on a market that has moved for an hour.
struct Scene {
    stage: Stage,
    policy: Policy,
    vault: Vault,
}

impl Scene {
    async fn set() -> Self {
        let plan = StagePlan::new(START, Decimal::from(3_000));
        let stage = Stage::set(Artifacts::new(env!("CARGO_MANIFEST_DIR")), &plan).await.unwrap();
        let mut policy: Policy = toml::from_str(include_str!("../examples/policies/cppi.toml")).unwrap();
        policy.chain_id = stage.chain.chain_id();
        policy.feeds.risky_usd.address = stage.venue.risky_usd.proxy;
        policy.feeds.asset_usd.address = stage.venue.stable_usd.proxy;
        policy.venues = vec![VenuePolicy::UniswapV3 { pool: stage.venue.pool.address, tick_words: 4 }];
        let hash = PublishedPolicy::new(policy.clone()).unwrap().hash();
        let vault = stage.vault(&stage.vault_plan(hash), Decimal::from(1_000_000)).await.unwrap();
        let mut market = stage.market().await.unwrap();
        for minute in 0_u64..60 {
            let price = Decimal::from(3_000_u64.saturating_add(minute % 2));
            let timestamp = START.saturating_add(minute.saturating_mul(60));
            market.step(Tick { timestamp, price, base_fee: 20_000_000_000 }).await.unwrap();
        }
        drop(market);
        Self { stage, policy, vault }
    }

    fn place(&self, key: &str) -> Place {
        let place = Place::with(KEEPER, &toml::to_string(&self.policy).unwrap());
        place.change("  { url = \"http://127.0.0.1:8545\" }, # an address without one may stand here\n", "");
        place.change("id = 1 ", &format!("id = {} ", self.stage.chain.chain_id()));
        place.change("0x1111111111111111111111111111111111111111", &self.vault.address.to_string());
        place.and_secrets(key, &self.stage.chain.endpoint())
    }

    async fn send_as(&self, from: Address, to: Address, call: impl SolCall) {
        let provider = self.stage.chain.provider();
        provider.anvil_set_balance(from, U256::from(10_u128.pow(18))).await.unwrap();
        provider.anvil_impersonate_account(from).await.unwrap();
        let request = TransactionRequest::default().from(from).to(to).input(call.abi_encode().into());
        let pending = provider.send_transaction(request).await.unwrap();
        self.stage.chain.mine_next().await.unwrap();
        assert!(pending.get_receipt().await.unwrap().status());
    }
}

fn levels(ended: &Ended, check: &str) -> Vec<String> {
    ended.findings(check).into_iter().map(|(level, _)| level).collect()
}

#[tokio::test]
async fn a_healthy_vault_has_nothing_that_stops_its_keeper() {
    let scene = Scene::set().await;
    let ended = scene.place(KEEPER_KEY).run(&["check", "--json"]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{}", ended.out);
    let all = ended.json();
    let of_level = |level: &str| -> Vec<String> {
        let all = all.as_array().unwrap().iter().filter(|finding| finding["level"] == level);
        all.map(|finding| finding["check"].as_str().unwrap().to_owned()).collect()
    };
    // The stage plays in 2023, long before this machine's clock.
    assert_eq!(of_level("warning"), ["head"]);
    let mut fine = of_level("ok");
    fine.sort_unstable();
    fine.dedup();
    let expected = "allowance balance base_fee chain_kind configuration decision_block disk exit fee_caps feed \
                    feed_address finality floor health heartbeat journal keeper key largest_trade nonce oracle policy policy_hash pool pool_allowed \
                    reading reserve sequencer token_balance token_decimals token_transfer vault venue";
    assert_eq!(fine.join(" "), expected);
    // 400,000 gas at 500 gwei and 3,001 dollars; the vault holds no ether yet.
    let reserve =
        "the last exit would cost 600.2 (impact 0, feed 0, gas 600.2) of a cushion of 199399.8 after it";
    assert_eq!(ended.findings("reserve"), [("ok".to_owned(), reserve.to_owned())]);
    let moved: Vec<String> = ended.findings("token_transfer").into_iter().map(|(_, what)| what).collect();
    assert_eq!(
        moved,
        [
            "transfer of the asset token out of the vault moves what it says (simulated)",
            "transferFrom of the asset token out of the vault moves what it says (simulated)",
            "transfer of the risky token out of its pool moves what it says (simulated)",
            "transferFrom of the risky token out of its pool moves what it says (simulated)",
        ]
    );
}

#[tokio::test]
async fn everything_wrong_with_a_vault_is_in_one_list() {
    let scene = Scene::set().await;
    let (stage, vault) = (&scene.stage, scene.vault);
    let (stable, weth) = (stage.venue.tokens.stable, stage.venue.tokens.weth);
    // The stable becomes a token that keeps a hundredth of every transfer.
    let mut owner = stage.act_as(Actor::Owner).await.unwrap();
    let code = stage.artifacts.ours("FeeToken").unwrap().creation_code().unwrap();
    let fee_token = owner.create("FeeToken", code, &U256::from(6).abi_encode()).await.unwrap();
    let provider = stage.chain.provider();
    let code = provider.get_code_at(fee_token).await.unwrap();
    provider.anvil_set_code(stable, code).await.unwrap();
    scene.send_as(owner.address(), stable, FeeToken::setChargingCall { on: true }).await;
    // The vault leaves an allowance behind, and gets a gift.
    let approval = IERC20::approveCall { spender: vault.uniswap_v3_venue, amount: U256::from(5) };
    scene.send_as(vault.address, weth, approval).await;
    stage.chain.deal(weth, vault.address, U256::from(7)).await.unwrap();
    // The feeds fall silent, the policy is another one, and so is the key.
    stage.chain.mine_after(200_000).await.unwrap();
    let place = scene.place(OTHER_KEY);
    let other = Policy { name: "another".to_owned(), ..scene.policy.clone() };
    place.write("examples/policies/cppi.toml", &toml::to_string(&other).unwrap());
    let ended = place.run(&["check", "--json"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    for (check, expected) in [
        ("balance", &["error"][..]),
        ("keeper", &["error"]),
        ("policy", &["error"]),
        ("oracle", &["error"]),
        ("feed", &["error", "error"]),
        ("valuation", &["error"]),
        ("token_transfer", &["error", "error", "ok", "ok"]),
        ("token_balance", &["ok", "warning"]),
        ("allowance", &["ok", "warning"]),
        // What is in order is still told.
        ("feed_address", &["ok", "ok"]),
        ("pool_allowed", &["ok"]),
        ("venue", &["ok"]),
    ] {
        assert_eq!(levels(&ended, check), expected, "{check}: {ended:?}");
    }
    let taxed = &ended.findings("token_transfer")[0].1;
    let amounts =
        "transfer of 500000000000 of the asset token takes 500000000000 from the vault, 495000000000 arrive";
    assert_eq!(taxed, amounts);
}

#[tokio::test]
async fn what_would_wedge_a_keeper_that_can_start_is_a_warning() {
    let scene = Scene::set().await;
    let place = scene.place(KEEPER_KEY);
    // Nobody listens at port 1.
    place.change(
        "{ url_env = \"ETH_RPC_URL\" }, ",
        "{ url_env = \"ETH_RPC_URL\", ws = \"ws://127.0.0.1:1\" }, { url = \"http://127.0.0.1:1\", class = \"private\" }, ",
    );
    let keeper = scene.stage.chain.address(Actor::Keeper).unwrap();
    let journal = Journal::open(&place.path("keeper.db")).await.unwrap();
    for (nonce, sender) in [(0, keeper), (5, records::sender())] {
        let record = IntentRecord { sender, vault: scene.vault.address, ..records::intent(nonce) };
        let first = records::attempt(&record, AttemptKind::Original, 30);
        journal.record_prepared(&records::cycle(nonce), &record, &first).await.unwrap();
    }

    // While a keeper has the journal its own intent is in good hands; that of another key is not.
    let running = place.run(&["check", "--json"]);
    assert_eq!(running.code, 0, "{running:?}");
    assert_eq!(levels(&running, "intents"), ["ok", "warning"]);
    assert_eq!(levels(&running, "records"), ["ok"]);
    journal.close().await;
    let ended = place.run(&["check", "--json"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let other = format!("is under way for {}, which is not the signer's key", records::sender());
    for (check, words) in [
        ("socket", &["the WebSocket of ethereum-1 tells of no blocks: "][..]),
        ("relay", &["the relay ethereum-2 does not answer: "]),
        ("intents", &["intent 1 with nonce 0 is prepared, and no keeper runs that tends it", other.as_str()]),
    ] {
        let found = ended.findings(check);
        assert_eq!(found.len(), words.len(), "{check}: {ended:?}");
        for ((level, what), words) in found.iter().zip(words) {
            assert!(level == "warning" && what.contains(words), "{check}: {level} {what}");
        }
    }
    assert_eq!(
        (levels(&ended, "journal"), levels(&ended, "disk")),
        (vec!["ok".to_owned()], vec!["ok".to_owned()])
    );
}

#[tokio::test]
async fn caps_below_the_market_a_pool_ahead_of_an_empty_journal_and_a_changed_record_are_told() {
    let scene = Scene::set().await;
    let place = scene.place(KEEPER_KEY);
    // The head's base fee is 20 gwei.
    place.change("max_fee_per_gas_wei = 500_000_000_000", "max_fee_per_gas_wei = 15_000_000_000");
    let caps = place.run(&["check", "--json"]);
    assert_eq!(levels(&caps, "fee_caps"), ["warning"], "{caps:?}");
    assert!(caps.findings("fee_caps")[0].1.starts_with("nothing would be sent now: "), "{caps:?}");

    let mut account = scene.stage.chain.account(Actor::Keeper).await.unwrap();
    let to = alloy::primitives::TxKind::Call(Address::repeat_byte(1));
    let call = vault_keeper::stage::account::Call { to, input: Default::default(), gas: 21_000 };
    let raw = account.sign(call).unwrap();
    drop(scene.stage.chain.provider().send_raw_transaction(&raw).await.unwrap());
    let ahead = place.run(&["check", "--json"]);
    let waits = "transactions up to nonce 1 wait that the journal does not know";
    assert_eq!((ahead.code, ahead.findings("nonce")), (1, vec![("error".to_owned(), waits.to_owned())]));

    let path = place.path("keeper.db");
    let journal = Journal::open(&path).await.unwrap();
    journal.record_cycle(&records::cycle(1)).await.unwrap();
    journal.close().await;
    let mut connection = records::raw_connection(&path).await;
    let forge = "DROP TRIGGER cycles_keep; UPDATE cycles SET verdict = 'hold'";
    sqlx::raw_sql(forge).execute(&mut connection).await.unwrap();
    sqlx::Connection::close(connection).await.unwrap();
    let changed = place.run(&["check", "--json"]);
    assert_eq!((changed.code, levels(&changed, "records")), (1, vec!["error".to_owned()]));
    assert!(changed.findings("records")[0].1.contains("record 1 (cycle 1)"), "{changed:?}");
}
