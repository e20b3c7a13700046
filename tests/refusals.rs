//! What must stop the keeper, with the built program on real contracts: a clear message, the right exit code, nothing
//! sent and nothing lost.
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

use alloy::primitives::{B256, U256, keccak256};
use alloy::providers::Provider;
use alloy::sol_types::{SolCall, SolValue};
use keeper_process::{Deeds, Ended, Home, KEY, NODE, ONCE, PRICE, Scene, published, until, with};
use proxy::{Fault, Proxy, Victim};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use vault_keeper::protocols::abi::AggregatorV3;
use vault_keeper::stage::account::Actor;
use vault_keeper::stage::interfaces::IFluxAggregator;

alloy::sol! {
    interface IVault {
        function pause() external;
        function setPolicyHash(bytes32 policyHash) external;
    }

    interface IPositions {
        function positions(uint256 tokenId) external view returns (uint96 nonce, address operator, address token0, address token1, uint24 fee, int24 tickLower, int24 tickUpper, uint128 liquidity);
        struct DecreaseLiquidityParams {
            uint256 tokenId;
            uint128 liquidity;
            uint256 amount0Min;
            uint256 amount1Min;
            uint256 deadline;
        }
        function decreaseLiquidity(DecreaseLiquidityParams calldata params) external returns (uint256, uint256);
    }
}

/// The call after that which reads the snapshot.
const REHEARSAL: Victim = Victim::Second("eth_call");
/// A cycle without a key or a transaction, which leaves a record.
const DRY: [&str; 4] = ["run", "--once", "--json", "--dry-run"];

async fn act<C: SolCall>(scene: &Scene, actor: Actor, call: &C) {
    scene.stage.act_as(actor).await.unwrap().call(scene.vault, call).await.unwrap();
}

/// What was there before a keeper ran.
struct Before {
    deeds: Deeds,
    cycles: Vec<(String, String)>,
}

impl Before {
    async fn of(scene: &Scene, home: &Home) -> Self {
        Self { deeds: scene.deeds().await, cycles: home.cycles(scene).await }
    }

    /// Asserts that nothing was sent, and that after the earlier records there are just these.
    async fn assert_only_recorded(mut self, scene: &Scene, home: &Home, cycles: &[(&str, &str)]) {
        assert_eq!(scene.deeds().await, self.deeds, "something was sent");
        self.cycles.extend(cycles.iter().map(|(verdict, reason)| (verdict.to_string(), reason.to_string())));
        assert_eq!(home.cycles(scene).await, self.cycles);
        assert_eq!(home.intents(scene).await, [], "no nonce was taken");
    }
}

/// Runs a cycle whose decision refuses with `code`, and returns the reason with its numbers and its words.
async fn refusal(scene: &Scene, home: &Home, code: &str) -> (Value, String) {
    let before = Before::of(scene, home).await;
    let ended = home.once().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let printed = ended.json();
    let found = (&printed["verdict"], &printed["reason"]["code"], &printed["dispatch"]);
    assert_eq!(found, (&json!("refuse"), &json!(code), &json!("nothing")), "{ended:?}");
    let table = home.start(&["run", "--once"]).end().await;
    assert_eq!(table.code, Some(0), "{table:?}");
    let words = table.stdout.lines().find_map(|line| line.trim().strip_prefix("reason")).unwrap().trim();
    before.assert_only_recorded(scene, home, &[("refuse", code), ("refuse", code)]).await;
    (printed["reason"].clone(), words.to_owned())
}

/// Sets the newest answer of the risky feed's aggregator to zero, where it keeps it.
async fn zero_answer(scene: &Scene) {
    let aggregator = scene.stage.venue.risky_usd.aggregator;
    let round = scene.stage.chain.read(aggregator, &IFluxAggregator::latestRoundCall {}).await.unwrap();
    let answer =
        scene.stage.chain.read(aggregator, &AggregatorV3::latestRoundDataCall {}).await.unwrap().answer;
    let provider = scene.stage.chain.provider();
    for base in 0..64 {
        let slot = U256::from_be_bytes(keccak256((round, U256::from(base)).abi_encode()).0);
        if provider.get_storage_at(aggregator, slot).await.unwrap() == answer.into_raw() {
            let zero = json!([aggregator, B256::from(slot), B256::ZERO]);
            scene.stage.chain.batch(vec![("anvil_setStorageAt", zero)]).await.unwrap();
            scene.mine(1).await;
            return;
        }
    }
    panic!("the answer of round {round} is not found");
}

/// Takes all liquidity out of the pool.
async fn drain(scene: &Scene) {
    let positions = scene.stage.venue.uniswap.positions;
    let mut provider = scene.stage.act_as(Actor::LiquidityProvider).await.unwrap();
    for id in 1.. {
        let call = IPositions::positionsCall { tokenId: U256::from(id) };
        let Ok(position) = scene.stage.chain.read(positions, &call).await else { break };
        let params = IPositions::DecreaseLiquidityParams {
            tokenId: U256::from(id),
            liquidity: position.liquidity,
            amount0Min: U256::ZERO,
            amount1Min: U256::ZERO,
            deadline: U256::MAX,
        };
        provider.call(positions, &IPositions::decreaseLiquidityCall { params }).await.unwrap();
    }
}

#[tokio::test]
async fn a_feed_that_cannot_be_trusted_is_a_typed_refusal() {
    let scene = Scene::set().await;
    let mut saved = scene.save().await;
    let home = Home::new(&scene, &scene.stage.chain.endpoint()).await;
    home.start(&DRY).end().await;

    let mut market = scene.stage.market().await.unwrap();
    market.set_reporting(false);
    market.step(scene.tick(PRICE, 4_000).await).await.unwrap();
    let (reason, words) = refusal(&scene, &home, "stale_price").await;
    assert_eq!((&reason["feed"], &reason["limit"]), (&json!("risky_usd"), &json!("3900")));
    let age: u64 = reason["age"].as_str().unwrap().parse().unwrap();
    assert!((4_000..6_000).contains(&age), "{age}");
    assert_eq!(words, format!("the risky/USD price is {age} s old, at most 3900 s are allowed"));

    scene.restore(&mut saved).await;
    zero_answer(&scene).await;
    let (reason, words) = refusal(&scene, &home, "invalid_price").await;
    assert_eq!((&reason["feed"], &reason["why"]), (&json!("risky_usd"), &json!("not_positive")));
    assert_eq!(words, "the risky/USD price is unusable: it is zero or negative");

    scene.restore(&mut saved).await;
    let mut market = scene.stage.market().await.unwrap();
    market.set_stable_price(Decimal::new(97, 2));
    market.step(scene.tick(PRICE, 12).await).await.unwrap();
    let (reason, words) = refusal(&scene, &home, "asset_depegged").await;
    assert_eq!((&reason["price"], &reason["limit_bps"]), (&json!("0.97"), &json!("200")));
    assert_eq!(words, "the vault's asset stands at 0.97 USD, further from 1 than 200 bps");
}

#[tokio::test]
async fn a_pool_that_cannot_be_traded_with_is_a_typed_refusal() {
    let scene = Scene::set().await;
    let mut saved = scene.save().await;
    let home = Home::new(&scene, &scene.stage.chain.endpoint()).await;
    home.start(&DRY).end().await;

    let mut market = scene.stage.market().await.unwrap();
    market.set_reporting(false);
    market.step(scene.tick(3_100, 12).await).await.unwrap();
    let (reason, words) = refusal(&scene, &home, "price_deviation").await;
    assert_eq!((&reason["reference"], &reason["price"]), (&json!("oracle"), &json!("3000")));
    let pool = scene.stage.venue.pool.address;
    assert!(words.starts_with(&format!("pool {pool} stands at 3100")), "{words}");
    assert!(words.ends_with("the oracle at 3000: further apart than 150 bps"), "{words}");

    scene.restore(&mut saved).await;
    drain(&scene).await;
    let (reason, words) = refusal(&scene, &home, "no_liquidity").await;
    assert_eq!(reason["pool"], json!(pool.to_string().to_lowercase()));
    assert!(words.starts_with(&format!("pool {pool} has no known liquidity for ")), "{words}");
}

#[tokio::test]
async fn a_trade_beyond_the_ticks_that_are_read_is_a_typed_refusal() {
    let scene = Scene::set_with(Decimal::from(10_000)).await;
    let home = Home::new(&scene, &scene.stage.chain.endpoint()).await;
    home.start(&DRY).end().await;
    let (reason, words) = refusal(&scene, &home, "no_liquidity").await;
    assert_eq!(reason["size"], json!("199.399999999"));
    let pool = scene.stage.venue.pool.address;
    assert_eq!(words, format!("pool {pool} has no known liquidity for 199.399999999 units"));
}

#[tokio::test]
async fn a_pause_stops_a_buy_and_never_a_mandatory_sale() {
    let scene = Scene::set().await;
    let home = Home::new(&scene, &scene.stage.chain.endpoint()).await;
    home.start(&DRY).end().await;
    act(&scene, Actor::Guardian, &IVault::pauseCall {}).await;
    let (paused_at, _) = scene.stage.chain.head().await.unwrap();
    let (reason, words) = refusal(&scene, &home, "paused").await;
    assert_eq!(reason["until"], json!((paused_at + 86_400).to_string()));
    assert_eq!(words, format!("the vault is paused for buys until {}", paused_at + 86_400));

    scene.price(PRICE, 86_401).await;
    for bought in 1..=3 {
        let ended = home.once_mined(&scene).await;
        assert_eq!(ended.json()["dispatch"], "executed", "{ended:?}");
        assert_eq!(scene.deeds().await.rebalanced, bought);
        scene.price(PRICE, 301).await;
    }
    act(&scene, Actor::Guardian, &IVault::pauseCall {}).await;
    let held = scene.holding().await;
    scene.price(2_200, 60).await;
    let ended = home.once_mined(&scene).await;
    let printed = ended.json();
    assert_eq!(printed["dispatch"], "executed", "{ended:?}");
    assert_eq!(printed["reason"]["code"], "floor_at_risk", "{ended:?}");
    assert_eq!(
        (&printed["trade"]["sell_risky"], &printed["trade"]["mandatory"]),
        (&json!(true), &json!(true))
    );
    assert!(scene.holding().await < held);
    assert_eq!(scene.deeds().await, Deeds { mined: 4, sent: 4, vault_nonce: 4, rebalanced: 4 });
}

#[tokio::test]
async fn the_policy_is_the_one_whose_hash_the_vault_stores_or_none() {
    let scene = Scene::set().await;
    let home = Home::new(&scene, &scene.stage.chain.endpoint()).await;
    home.start(&DRY).end().await;
    let next = with(&scene.policy, "multiplier = \"3\"", "multiplier = \"2\"");
    let (old_hash, next_hash) = (published(&scene.policy).hash(), published(&next).hash());
    act(&scene, Actor::Owner, &IVault::setPolicyHashCall { policyHash: next_hash }).await;
    let (reason, words) = refusal(&scene, &home, "policy_mismatch").await;
    assert_eq!(reason["policy"], json!(old_hash));
    assert_eq!(reason["vault"], json!(next_hash));
    assert_eq!(words, format!("the vault's owner approved policy {next_hash}, this one is {old_hash}"));

    home.write("next.toml", &next);
    home.configure("[\"cppi.toml\"]", "[\"cppi.toml\", \"next.toml\"]");
    for (approved, multiplier) in [(next_hash, "2"), (old_hash, "3")] {
        act(&scene, Actor::Owner, &IVault::setPolicyHashCall { policyHash: approved }).await;
        let printed = home.start(&DRY).end().await.json();
        assert_eq!(printed["policy_hash"], json!(approved));
        assert_eq!((&printed["verdict"], &printed["dispatch"]), (&json!("rebalance"), &json!("dry_run")));
        assert_eq!(printed["appraisal"]["multiplier"]["effective"], json!(multiplier));
    }
    assert_eq!(scene.deeds().await, Deeds::NONE);
}

/// Runs a cycle that must not even begin, and returns how it ended.
async fn stopped(scene: &Scene, home: &Home, code: i32) -> Ended {
    let before = Before::of(scene, home).await;
    let ended = home.once().await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{ended:?}");
    before.assert_only_recorded(scene, home, &[]).await;
    ended
}

#[tokio::test]
async fn what_is_configured_wrongly_ends_with_2_and_says_what_to_do() {
    let scene = Scene::set().await;
    let endpoint = scene.stage.chain.endpoint();
    let mut home = Home::new(&scene, &endpoint).await;
    home.start(&DRY).end().await;
    let (id, right) = (scene.stage.chain.chain_id(), scene.key(Actor::Keeper).await);

    home.configure(&format!("id = {id}"), "id = 1");
    home.write("cppi.toml", &with(&scene.policy, &format!("chain_id = {id} "), "chain_id = 1 "));
    let ended = stopped(&scene, &home, 2).await;
    let expected = "keeper: endpoint `stage-1` serves chain 31337, the configuration says 1; nothing is signed for it: \
                    correct its URL or the chain id";
    assert_eq!(ended.message(), expected);
    home.configure("id = 1", &format!("id = {id}"));
    home.write("cppi.toml", &scene.policy);

    for (variable, wanted_by) in [(KEY, "signer `hot`"), (NODE, "chain `stage`")] {
        home.unset(variable);
        let ended = stopped(&scene, &home, 2).await;
        assert!(
            ended
                .message()
                .starts_with(&format!("keeper: {variable} is not set, and {wanted_by} needs it: ")),
            "{ended:?}"
        );
        home.set(KEY, &right);
        home.set(NODE, &endpoint);
    }
    let broken = right.replace("0x", "0y");
    home.set(KEY, &broken);
    let ended = stopped(&scene, &home, 2).await;
    assert!(ended.message().ends_with("expected a private key of 64 hexadecimal digits"), "{ended:?}");
    assert!(!ended.stderr.contains(&broken[2..]), "the secret is shown");
    home.set(KEY, &right);

    home.configure("kind = \"ethereum\"", "kind = \"etherium\"");
    home.configure("max_priority_fee_wei = 5_000_000_000", "max_priority_fee_wei = \"5 gwei\"");
    home.configure("signer = \"hot\"", "signer = \"cold\"");
    let ended = stopped(&scene, &home, 2).await;
    let text = std::fs::read_to_string(home.path("keeper.toml")).unwrap();
    assert!(ended.stderr.starts_with("keeper: 3 mistakes in the configuration\n"), "{ended:?}");
    for (part, key) in [
        ("etherium", "chain[0].kind"),
        ("5 gwei", "sending.max_priority_fee_wei"),
        ("cold", "vault[0].signer"),
    ] {
        let line = text.lines().position(|line| line.contains(part)).unwrap() + 1;
        let place = format!("keeper.toml:{line}:");
        let found = ended.stderr.lines().find(|said| said.contains(&place));
        assert!(found.is_some_and(|said| said.contains(&format!(": {key}: "))), "{place} {key}: {ended:?}");
    }
}

#[tokio::test]
async fn a_key_that_is_not_the_keepers_signs_nothing() {
    let scene = Scene::set().await;
    let mut home = Home::new(&scene, &scene.stage.chain.endpoint()).await;
    home.start(&DRY).end().await;
    let key = scene.key(Actor::Stranger).await;
    home.set(KEY, &key);
    let before = Before::of(&scene, &home).await;
    let ended = home.once().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let printed = ended.json();
    assert_eq!((&printed["verdict"], &printed["dispatch"]), (&json!("rebalance"), &json!("refused")));
    assert_eq!(printed["code"], "not_authorised");
    let stranger = scene.stage.chain.address(Actor::Stranger).unwrap();
    let message = format!(
        "the vault's keeper is {}, this key is {stranger}: let the owner call setKeeper",
        scene.keeper
    );
    assert_eq!(printed["message"], json!(message));
    before.assert_only_recorded(&scene, &home, &[("rebalance", "worth")]).await;
    let provider = scene.stage.chain.provider();
    assert_eq!(provider.get_transaction_count(stranger).pending().await.unwrap(), 0);
    assert_eq!(ended.message(), format!("keeper: vault `main`: {message}"));
    for file in ["keeper.db", "keeper.toml"] {
        assert!(!keeper_process::holds(&home.path(file), &key[2..]), "the key is in {file}");
    }
    assert!(!ended.stderr.contains(&key[2..]) && !ended.stdout.contains(&key[2..]));
}

#[tokio::test]
async fn a_wrong_key_is_told_while_nothing_is_to_be_signed() {
    let scene = Scene::set().await;
    let mut home = Home::new(&scene, &scene.stage.chain.endpoint()).await;
    while home.once_mined(&scene).await.json()["dispatch"] == "executed" {
        scene.price(PRICE, 301).await;
    }
    home.set(KEY, &scene.key(Actor::Stranger).await);
    let stranger = scene.stage.chain.address(Actor::Stranger).unwrap();
    let wrong = format!("the vault's keeper is {}, this key is {stranger}", scene.keeper);
    let ended = home.once().await;
    assert_eq!((ended.code, &ended.json()["verdict"]), (Some(1), &json!("hold")), "{ended:?}");
    assert!(ended.message().starts_with(&format!("keeper: vault `main`: {wrong}")), "{ended:?}");

    let seen = home.blocks(&scene).await.len();
    let daemon = home.start(&["run"]);
    for blocks in 1..=3 {
        scene.mine(1).await;
        until("the block is decided on", async || home.blocks(&scene).await.len() >= seen + blocks).await;
    }
    let ended = daemon.terminate().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.stderr.matches(&wrong).count(), 1, "once for all cycles: {ended:?}");
    assert!(ended.stderr.lines().any(|line| line.contains("ERROR") && line.contains(&wrong)), "{ended:?}");
}

#[tokio::test]
async fn a_node_that_is_down_or_dies_on_the_way_ends_a_cycle_with_1_and_never_the_daemon() {
    let scene = Scene::set().await;
    let proxy = Proxy::start(scene.stage.chain.endpoint()).await;
    let mut home = Home::new(&scene, proxy.url()).await;
    home.start(&DRY).end().await;

    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    home.set(NODE, &format!("http://{closed}/v2/a-secret-of-the-provider"));
    let ended = stopped(&scene, &home, 1).await;
    let message = ended.message();
    assert!(
        message.starts_with(
            "keeper: no endpoint of chain `stage` can be used: endpoint `stage-1` cannot be reached for eth_chainId"
        ),
        "{ended:?}"
    );
    assert!(message.ends_with("check that the node is up and its URL"), "{ended:?}");
    assert!(!ended.stderr.contains("a-secret"), "{ended:?}");

    home.set(NODE, proxy.url());
    for (victim, recorded) in [
        (Victim::Method("eth_getBlockByNumber"), false),
        (Victim::Method("eth_call"), false),
        (REHEARSAL, true),
        (Victim::Method("eth_getBalance"), true),
    ] {
        let before = Before::of(&scene, &home).await;
        let _struck = proxy.plan(victim, Fault::Die);
        let ended = home.once().await;
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{victim:?}: {ended:?}");
        assert!(ended.message().contains("endpoint `stage-1` cannot be reached for eth_"), "{ended:?}");
        proxy.heal();
        let cycles: &[_] = if recorded { &[("rebalance", "worth")] } else { &[] };
        before.assert_only_recorded(&scene, &home, cycles).await;
    }

    let struck = proxy.plan(Victim::Method("eth_call"), Fault::Die);
    let daemon = home.start(&["run"]);
    struck.happens().await;
    proxy.heal();
    scene.mine(1).await;
    scene.until_sent().await;
    scene.mine(2).await;
    until("the plan is executed", async || home.intents(&scene).await[0].last_event.state.is_final()).await;
    assert_eq!(daemon.terminate().await.code, Some(0));
    assert_eq!(scene.deeds().await, Deeds::ONE);
}

#[tokio::test]
async fn a_header_that_cannot_be_ends_a_cycle_with_1_and_never_the_daemon() {
    let scene = Scene::set().await;
    let proxy = Proxy::start(scene.stage.chain.endpoint()).await;
    let home = Home::new(&scene, proxy.url()).await;
    home.start(&DRY).end().await;
    let head = Victim::Method("eth_getBlockByNumber");
    let no_time = "18446744073709551615 is no height or time of a block";
    for (field, value, words) in [
        ("timestamp", "0xffffffffffffffff", no_time),
        ("number", "0xffffffffffffffff", no_time),
        ("gasLimit", "0x0", "the header breaks the rules of EIP-1559: gas limit 0, gas used "),
    ] {
        let _struck = proxy.plan(head, Fault::Lie(field, value));
        let ended = stopped(&scene, &home, 1).await;
        assert!(ended.message().contains("endpoint `stage-1` gave an "), "{ended:?}");
        assert!(ended.message().contains(words), "{ended:?}");
    }

    let struck = proxy.plan(head, Fault::Lie("timestamp", "0xffffffffffffffff"));
    let daemon = home.start(&["run"]);
    struck.happens().await;
    scene.until_sent().await;
    scene.mine(2).await;
    until("the plan is executed", async || home.intents(&scene).await[0].last_event.state.is_final()).await;
    let ended = daemon.terminate().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("no new head") && ended.stderr.contains(no_time), "{ended:?}");
    assert_eq!(scene.deeds().await, Deeds::ONE);
}

#[tokio::test]
async fn a_vault_that_fails_does_not_take_its_neighbours_turn() {
    let scene = Scene::set().await;
    let home = Home::new(&scene, &scene.stage.chain.endpoint()).await;
    let text = std::fs::read_to_string(home.path("keeper.toml")).unwrap();
    let vault = &text[text.find("[[vault]]").unwrap()..];
    let nobody = scene.stage.chain.address(Actor::Stranger).unwrap().to_string();
    let ghost = with(&with(vault, "\"main\"", "\"ghost\""), &scene.vault.to_string(), &nobody);
    home.configure(vault, &format!("{ghost}\n{vault}"));
    let ended = home.once_mined(&scene).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert_eq!((&ended.json()["vault"], &ended.json()["dispatch"]), (&json!("main"), &json!("executed")));
    assert!(ended.message().starts_with("keeper: vault `ghost`: "), "{ended:?}");
    assert_eq!(scene.deeds().await, Deeds::ONE);
}

#[tokio::test]
async fn a_journal_in_use_by_another_keeper_is_left_alone() {
    let scene = Scene::set().await;
    let home = Home::new(&scene, &scene.stage.chain.endpoint()).await;
    let first = home.start(&["run"]);
    scene.until_sent().await;
    let before = scene.deeds().await;
    let second = home.once().await;
    assert_eq!((second.code, second.stdout.as_str()), (Some(2), ""), "{second:?}");
    let message = second.message();
    assert!(message.contains(&format!("keeper.db is in use by process {}", first.id())), "{second:?}");
    assert!(message.contains("one key has one writer: stop that process"), "{second:?}");
    assert_eq!(scene.deeds().await, before);
    assert_eq!(home.cycles(&scene).await, [("rebalance".to_owned(), "worth".to_owned())]);
    scene.mine(2).await;
    until("the plan is executed", async || home.intents(&scene).await[0].last_event.state.is_final()).await;
    assert_eq!(first.terminate().await.code, Some(0));
    assert_eq!(scene.deeds().await, Deeds::ONE);
}

#[tokio::test]
async fn on_a_full_disk_nothing_leaves_that_is_not_recorded_and_no_record_is_lost() {
    let scene = Scene::set().await;
    let mut saved = scene.save().await;
    let proxy = Proxy::start(scene.stage.chain.endpoint()).await;
    let (mut unsent, mut sent, mut room) = (0, 0, 54);
    // From too little to open the journal to enough for a whole cycle, by pages of 4 KiB.
    loop {
        let home = Home::new(&scene, proxy.url()).await;
        home.start(&DRY).end().await;
        let earlier = home.cycles(&scene).await;
        proxy.forget();
        let ended = home.end_mined(home.start_with_little_room(room, &ONCE), &scene).await;
        let transactions = proxy.transactions();
        let intents = home.intents(&scene).await;
        assert!(home.cycles(&scene).await.starts_with(&earlier), "a record is lost with {room} blocks");
        for raw in &transactions {
            assert_eq!(*raw, intents[0].attempts[0].raw, "sent and not recorded with {room} blocks");
        }
        if ended.code == Some(0) {
            assert_eq!(ended.json()["dispatch"], "executed", "{ended:?}");
            break;
        }
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{room} blocks: {ended:?}");
        let message = ended.message();
        assert!(
            message.starts_with("keeper: ") && message.contains("keeper.db could not be read or written"),
            "{ended:?}"
        );
        assert!(
            message.contains("nothing was sent that is not recorded: check the disk, and any limit"),
            "{ended:?}"
        );
        if transactions.is_empty() {
            unsent += 1
        } else {
            sent += 1
        }

        // With room again it goes on where it stood.
        for _ in 0..2 {
            let ended = home.once_mined(&scene).await;
            assert_eq!(ended.code, Some(0), "after {room} blocks: {ended:?}");
        }
        assert_eq!(scene.deeds().await, Deeds::ONE, "after {room} blocks");
        scene.restore(&mut saved).await;
        room += 8;
    }
    assert!(unsent > 0 && sent > 0, "{unsent} failed before the commit, {sent} after it");
}
