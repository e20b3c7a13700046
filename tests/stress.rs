//! `keeper stress`: predictions on a vault as it stands, held against the chain, against figures by hand and against themselves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    reason = "a test fails where it stands"
)]

#[path = "support/keeper_process.rs"]
mod keeper_process;
#[path = "support/program.rs"]
mod program;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/rig.rs"]
mod rig;

use std::collections::BTreeMap;
use std::path::Path;

use alloy::primitives::U256;
use keeper_process::{Home, PRICE, number, published};
use program::{Ended, Place};
use rig::{Build, Rig};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use vault_keeper::backtest::past::opening::Standing;
use vault_keeper::backtest::past::strike::Strike;
use vault_keeper::backtest::stress::crash::Crash;
use vault_keeper::backtest::stress::multiplier::largest;
use vault_keeper::backtest::stress::shock::{Falls, Shock};
use vault_keeper::backtest::stress::trial::{Trial, crashed, shocked, standing};
use vault_keeper::backtest::stress::{Deleverage, Found, Subject};
use vault_keeper::domain::decision::{Decision, Verdict, decide};
use vault_keeper::domain::policy::{Policy, PublishedPolicy, VenuePolicy};
use vault_keeper::domain::snapshot::{Pool, Snapshot};
use vault_keeper::domain::units::{Usd, from_raw, to_real};
use vault_keeper::domain::venues::uniswap_v2;
use vault_keeper::reader::{Mode, Reader};

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

/// A vault that holds what its policy wants, with its pool known far below its price.
async fn invested() -> Rig {
    let build = Build { policy: &[("tick_words = 2 ", "tick_words = 8 ")], ..Build::default() };
    let mut rig = Rig::of(build).await;
    for _ in 0..3 {
        rig.sent().await;
        rig.mine_and_resolve(2).await;
        rig.scene.price(PRICE, 301).await;
    }
    rig
}

async fn read(rig: &Rig) -> (Snapshot, PublishedPolicy) {
    let policy = published(&rig.scene.policy);
    let endpoint = rig.pool.reader().unwrap();
    let header = endpoint.latest_header().await.unwrap();
    let reader = Reader::new(Mode::Auto);
    let read = reader.snapshot(endpoint.endpoint(), &header, rig.scene.vault, policy.policy()).await;
    (read.unwrap(), policy)
}

fn subject<'a>(snapshot: &'a Snapshot, published: &'a PublishedPolicy) -> Subject<'a> {
    let deleverage = Deleverage { grace_seconds: 3_600, since: None };
    Subject { standing: Standing::of(snapshot), published, deleverage }
}

/// `keeper stress` on the rig's vault, through its proxy.
async fn stressed(rig: &Rig, policy: &str, more: &[&str]) -> (Ended, Place) {
    let place = Place::empty();
    place.write("policy.toml", policy);
    let (vault, url) = (rig.scene.vault.to_string(), rig.proxies[0].url().to_owned());
    let given = ["stress", "--vault", &vault, "--policy", "policy.toml", "--rpc", &url];
    let given: Vec<String> = given.iter().chain(more).map(|&text| text.to_owned()).collect();
    let run = tokio::task::spawn_blocking(move || {
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        (place.run(&given), place)
    });
    run.await.unwrap()
}

fn trial<'a>(printed: &'a Value, name: &str) -> &'a Value {
    let all = printed["shocks"].as_array().unwrap();
    all.iter().find(|trial| trial["name"] == name).unwrap_or_else(|| panic!("no {name} in {printed}"))
}

fn told(of: &Value) -> Decimal {
    decimal(of.as_str().unwrap())
}

fn near(a: f64, b: f64, part: f64) -> bool {
    (a - b).abs() <= part * b.abs()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_foretold_of_a_fall_is_what_the_keeper_then_does_on_the_chain() {
    let mut rig = invested().await;
    let before = rig.scene.state().await;
    rig.proxies[0].forget_requests();
    let (ended, _) = stressed(&rig, &rig.scene.policy.clone(), &["--json"]).await;
    let printed = ended.json();

    // It reads and sends nothing.
    let methods = rig.proxies[0].methods();
    let reads = ["eth_chainId", "eth_call", "eth_getBlockByNumber", "eth_getBlockByHash", "eth_blockNumber"];
    assert!(
        !methods.is_empty() && methods.iter().all(|method| reads.contains(&method.as_str())),
        "{methods:?}"
    );
    assert_eq!(rig.scene.state().await.books.nextNonce, before.books.nextNonce);

    // By hand: cash, units at 2,400, less the floor, to the last digit.
    let foretold = trial(&printed, "−20 %");
    let cash = from_raw(before.books.trackedAsset, 6).unwrap();
    let units = from_raw(before.books.trackedRisky, 18).unwrap();
    let floor = from_raw(before.floor.assets, 6).unwrap();
    assert!(units > decimal("150"), "{units}");
    assert_eq!(told(&foretold["price"]), decimal("2400"));
    assert_eq!(told(&foretold["before"]["cushion"]), cash + (units * decimal("3000")).round_dp(18) - floor);
    assert_eq!(told(&foretold["after"]["cushion"]), cash + (units * decimal("2400")).round_dp(18) - floor);
    assert_eq!(told(&foretold["after"]["floor"]), floor);

    // The same fall on the chain: the floor is not at risk yet, and the pool's average has not followed, so nothing is done.
    let mut saved = rig.scene.save().await;
    rig.scene.price(2_400, 12).await;
    let (snapshot, policy) = read(&rig).await;
    let Decision { verdict, appraisal } = decide(&snapshot, &policy);
    assert_eq!((verdict.name(), &*verdict.reason().code()), ("refuse", "price_deviation"));
    let decided = &foretold["decision"];
    assert_eq!((&decided["verdict"], &decided["code"]), (&json!("refuse"), &json!("price_deviation")));
    assert_eq!(decided["reason"], verdict.reason().to_string());
    assert_eq!(number(&decided["volatility"]), appraisal.unwrap().volatility.get());
    assert_eq!(foretold["guards"][0]["guard"], "price_deviation");
    rig.scene.restore(&mut saved).await;

    // Where it is at risk all of that does not matter: the same sale, and the same vault after it.
    let foretold = trial(&printed, "−30 %");
    rig.scene.price(2_100, 12).await;
    let cycle = rig.cycle().await.unwrap();
    let Verdict::Rebalance { reason, trade } = &cycle.decision.verdict else {
        panic!("{:?}", cycle.decision)
    };
    let decided = &foretold["decision"];
    assert_eq!((&decided["verdict"], &decided["code"]), (&json!("rebalance"), &json!("floor_at_risk")));
    assert_eq!((reason.code(), trade.mandatory), ("floor_at_risk".to_owned(), true));
    assert_eq!(decided["trade"]["mandatory"], true);
    assert!(near(number(&decided["trade"]["units"]), trade.size.real(), 1e-9), "{decided} {trade:?}");
    assert!(near(number(&decided["trade"]["value"]), trade.value.real(), 1e-9), "{decided} {trade:?}");
    // Its gas is that of a block later.
    assert!(near(number(&decided["trade"]["cost"]), trade.cost.get(), 0.02), "{decided} {trade:?}");
    rig.mine_and_resolve(2).await;
    let after = rig.scene.state().await.books;
    assert_eq!(after.nextNonce, before.books.nextNonce + 1);
    assert_eq!(foretold["transactions"], 1, "{foretold}");
    let exposure = from_raw(after.trackedRisky, 18).unwrap() * decimal("2100");
    let nav = from_raw(after.trackedAsset, 6).unwrap() + exposure;
    let end = told(&foretold["end"]["net"]) + told(&foretold["gas"]);
    assert!((nav - end).abs() < decimal("0.001"), "{nav} on the chain, {end} foretold");
    assert!(
        (exposure - told(&foretold["end"]["exposure"])).abs() < decimal("0.001"),
        "{exposure} {foretold}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_facts_of_a_shock_are_those_of_the_chain_after_it() {
    let rig = invested().await;
    // Opening it takes blocks of its own.
    let mut market = rig.scene.stage.market().await.unwrap();
    let (now, policy) = read(&rig).await;
    market.step(rig.scene.tick(2_100, 12).await).await.unwrap();
    let (mut read, _) = read(&rig).await;
    let strike = Strike { price: decimal("-0.3"), depth: Decimal::ONE, base_fee: read.block.next_base_fee };
    let mut foretold = Standing::of(&now).struck(&policy, &strike).unwrap();
    foretold.block.hash = read.block.hash;
    // The root of a root is one unit off at most, and what is read of a pool is around its price.
    for (ours, theirs) in foretold.pools.iter_mut().zip(&mut read.pools) {
        let (Pool::UniswapV3 { state: ours, .. }, Pool::UniswapV3 { state: theirs, .. }) = (ours, theirs)
        else {
            panic!("a v3 pool")
        };
        assert!(ours.sqrt_price_x96.abs_diff(theirs.sqrt_price_x96) <= U256::ONE, "{ours:?} {theirs:?}");
        assert_eq!((ours.tick, ours.liquidity), (theirs.tick, theirs.liquidity));
        *ours = theirs.clone();
    }
    // The part of a raw unit that the turnover is beyond what the vault tells of it.
    let (ours, theirs) = (&mut foretold.vault.guards, &read.vault.guards);
    assert!(theirs.turnover_left - ours.turnover_left <= U256::ONE, "{ours:?} {theirs:?}");
    ours.turnover_left = theirs.turnover_left;
    assert_eq!(foretold, read);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fall_breaks_the_floor_where_it_is_deeper_than_the_cushion_for_what_is_held() {
    let rig = invested().await;
    let (snapshot, policy) = read(&rig).await;
    let subject = subject(&snapshot, &policy);
    let now = standing(&subject).unwrap();
    let edge = now.cushion / now.exposure;
    let of = |part: &str| {
        let price = -(edge * decimal(part)).round_dp(6);
        shocked(&subject, &Shock { price, ..Shock::of_price(0) }).unwrap()
    };
    // What is below the floor is what the fall took beyond the cushion, to the feed's last digit, and what selling costs.
    let (above, below) = (of("0.97"), of("1.001"));
    assert!(above.holds() && above.after.cushion > Decimal::ZERO, "{above:?}");
    assert!(!below.holds() && below.after.cushion < Decimal::ZERO, "{below:?}");
    let beyond = now.exposure * (edge * decimal("1.001")).round_dp(6) - now.cushion;
    assert!((below.after.cushion + beyond).abs() < decimal("0.0001"), "{beyond} {below:?}");
    assert!(below.shortfall >= beyond.round_dp(3), "{beyond} {below:?}");
    assert!(below.shortfall < beyond + decimal("3000"), "{beyond} {below:?}");
    let acted: Vec<&str> = below.guards.iter().map(|act| act.guard.as_str()).collect();
    assert!(acted.contains(&"cash_lock") && acted.contains(&"bound"), "{below:?}");
    assert_eq!(below.decision.as_ref().unwrap().code, "cash_lock");
    assert!(below.end.exposure < decimal("1"), "{below:?}");
    assert!(below.seconds_to_rest.unwrap() <= 60, "{below:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_away_while_the_price_falls_acts_when_he_is_back() {
    let rig = invested().await;
    let (snapshot, policy) = read(&rig).await;
    let subject = subject(&snapshot, &policy);
    let falls = Falls { feed: decimal("-0.12"), keeper: decimal("-0.3") };
    let all = Shock::standard(&falls);
    let of = |name: &str| {
        shocked(&subject, all.iter().find(|shock| shock.name.starts_with(name)).unwrap()).unwrap()
    };

    // Nobody decides for six hours; nothing was sold on the way, and then all that has to be.
    let down = of("keeper down");
    let now = standing(&subject).unwrap();
    assert_eq!(down.price, decimal("2100"));
    assert_eq!(down.after.exposure, (now.exposure * decimal("0.7")).round_dp(18));
    assert_eq!(down.after.net, now.net - now.exposure + down.after.exposure);
    assert_eq!(down.decision.as_ref().unwrap().code, "floor_at_risk");
    assert!(down.seconds_to_rest.unwrap() >= 21_600 && down.transactions > 0, "{down:?}");
    // E·(1 − x) = 5·(C − E·x), of 30 % in six hours; the feed tells of it half a hundredth late, and after an hour anyone may.
    let crossing = to_real((now.cushion * decimal("5") - now.exposure) / (now.exposure * decimal("4")));
    let at = |guard: &str| down.guards.iter().find(|act| act.guard == guard).unwrap().after_seconds;
    let late = at("bound") as f64 - crossing / 0.3 * 21_600.0;
    assert!((0.0..=420.0).contains(&late), "{late} {down:?}");
    assert_eq!(at("deleverage"), at("bound") + 3_600);
    let before: Vec<&str> =
        down.guards.iter().filter(|act| act.after_seconds < 21_600).map(|act| &*act.guard).collect();
    assert_eq!(before, ["bound", "deleverage"]);

    // The feed says 3,000 while the pool falls: from 1.5 % on they are too far apart for any trade.
    let stuck = of("feed stuck");
    let deviation = stuck.guards.iter().find(|act| act.guard == "price_deviation").unwrap();
    // 12 % in an hour is 1.5 % in 450 s; the pool follows a block later, and it is looked at every minute.
    assert!((450..=540).contains(&deviation.after_seconds), "{stuck:?}");
    assert!(stuck.holds() && stuck.transactions > 0, "{stuck:?}");

    // Depth and gas alone move no price, and no trade is made for them.
    let (gas, depth) = (of("gas"), of("depth"));
    assert_eq!((gas.after.cushion, depth.after.cushion), (now.cushion, now.cushion));
    assert_eq!((gas.transactions, gas.holds()), (0, true));
    assert!(depth.holds());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_in_cash_lock_is_told_so_and_another_policy_is_refused() {
    let mut rig = invested().await;
    let (ended, place) =
        stressed(&rig, &rig.scene.policy.clone(), &["--out", "result", "--format", "html"]).await;
    assert!(ended.out.contains("</html>") && ended.out.contains("largest safe, by search"), "{ended:?}");
    let page = std::fs::read_to_string(place.path("result/stress.html")).unwrap();
    assert_eq!(page.trim_end(), ended.out.trim_end());
    let written: Value =
        serde_json::from_str(&std::fs::read_to_string(place.path("result/stress.json")).unwrap()).unwrap();
    // Three times the cushion does not survive a fall by half, and the largest that does is about two.
    assert_eq!((ended.code, &written["holds"]), (1, &Value::Bool(false)));
    let largest = &written["multiplier"]["by_search"]["largest"];
    let found = number(&largest["multiplier"]);
    assert!(found > 1.8 && found < 2.1 && largest["breaks"] == "−50 %", "{largest}");

    let other = rig.scene.policy.replace("multiplier = \"3\"", "multiplier = \"2\"");
    let (ended, _) = stressed(&rig, &other, &[]).await;
    assert_eq!(ended.code, 2, "{ended:?}");
    let (approved, given) =
        (published(&rig.scene.policy).hash().to_string(), published(&other).hash().to_string());
    assert!(ended.err.contains(&approved) && ended.err.contains(&given), "{ended:?}");
    assert!(ended.err.contains("--policy"), "{ended:?}");

    // What is configured needs neither; another block is read as it was.
    let home = Home::new(&rig.scene, &rig.scene.stage.chain.endpoint()).await;
    let block = rig.head().await.number - 1;
    let asked = ["--json", "stress", "--vault", "main", "--block", &block.to_string()];
    let printed: Value = serde_json::from_str(&home.start(&asked).end().await.stdout).unwrap();
    assert_eq!((&printed["block"], &printed["policy_hash"]), (&json!(block), &json!(approved)));
    assert!(near(number(&printed["multiplier"]["by_formula"]), 7.927_120_701_152, 1e-9), "{printed}");

    // Half of the price, and its keeper sells into the lock.
    rig.scene.price(PRICE / 2, 12).await;
    rig.sent().await;
    rig.mine_and_resolve(2).await;
    assert!(rig.scene.state().await.floor.cashLock);
    rig.scene.price(PRICE / 2, 301).await;
    let (ended, _) = stressed(&rig, &rig.scene.policy.clone(), &["--json"]).await;
    let printed = ended.json();
    let fall = trial(&printed, "−50 %");
    assert_eq!(ended.code, 1, "{ended:?}");
    assert_eq!(fall["guards"][0]["guard"], "cash_lock", "{fall}");
    assert!(number(&fall["before"]["cushion"]) < 0.0, "{fall}");
    assert_eq!(fall["transactions"], 0, "{fall}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pools_are_known_as_far_as_a_fall_goes_that_is_asked_for_and_one_beyond_all_is_refused() {
    let rig = invested().await;
    let policy = rig.scene.policy.clone();
    let (ended, _) = stressed(&rig, &policy, &["--json", "--fall-feed=-0.9", "--fall-keeper=-0.999"]).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    let printed = ended.json();
    for (name, price) in [("feed stuck for 1 h in a fall", "300"), ("keeper down for 6 h in a fall", "3")] {
        let fall = trial(&printed, name);
        assert_eq!(told(&fall["price"]), decimal(price), "{fall}");
        assert!(number(&fall["after"]["cushion"]) < 0.0, "{fall}");
    }
    assert_eq!(printed["shocks"].as_array().unwrap().len(), 10);
    rig.proxies[0].forget_requests();
    let (ended, _) = stressed(&rig, &policy, &["--fall-keeper=-0.9991"]).await;
    let words = "'--fall-keeper <PART>': expected a part from -0.999 to 0, such as -0.05 for a fall by 5 %";
    assert!(ended.code == 2 && ended.err.contains(words), "{ended:?}");
    assert!(rig.proxies[0].methods().is_empty());
}

/// A fall by 40 % within a day, from 200 on, an hour at a time.
fn march() -> String {
    let mut rows = "unix_time,open,high,low,close\n".to_owned();
    for hour in 0..24 {
        let at = |hours: f64| 200.0 - 80.0 * hours / 24.0;
        let (open, close) = (at(f64::from(hour)), at(f64::from(hour) + 1.0));
        rows += &format!("{},{open:.4},{open:.4},{close:.4},{close:.4}\n", 1_584_000_000 + 3_600 * hour);
    }
    rows
}

/// What it writes stays in `target/tmp/stress`, whose page `scripts/test-browser` looks at.
#[tokio::test(flavor = "multi_thread")]
async fn the_table_that_is_written_and_printed_says_what_the_document_says() {
    let rig = invested().await;
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stress");
    let _ = std::fs::remove_dir_all(&kept);
    let crashes = tempfile::tempdir().unwrap();
    let file = crashes.path().join("march, 2020.csv");
    std::fs::write(&file, march()).unwrap();
    let given = ["--crash", file.to_str().unwrap(), "--out", kept.to_str().unwrap(), "--format", "csv"];
    let (ended, _) = stressed(&rig, &rig.scene.policy.clone(), &given).await;
    let read = |name: &str| std::fs::read_to_string(kept.join(name)).unwrap();
    assert_eq!((ended.code, ended.out), (1, read("stress.csv")));
    let document: Value = serde_json::from_str(&read("stress.json")).unwrap();
    let of = |key: &str| document[key].as_array().unwrap().clone();
    let (shocks, crashes) = (of("shocks"), of("crashes"));
    assert_eq!((shocks.len(), crashes.len()), (10, 1));
    let page = read("stress.html");
    let (name, held) = ("<tr class=\"bad\"><td>−50 %</td><td>broken by ", "<tr><td>−30 %</td><td>holds</td>");
    assert!(page.contains(name) && page.contains(held), "{page}");
    assert_eq!(page.matches("no guard acts").count(), 4, "{page}");

    // Names alone have commas, and are in quotes then.
    let table = read("stress.csv").replace(", ", "; ").replace('"', "");
    let mut lines = table.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().unwrap();
    let kinds = shocks.iter().map(|trial| ("shock", trial)).chain([("crash", &crashes[0])]);
    let rows: Vec<Vec<&str>> = lines.collect();
    assert_eq!(rows.len(), 11);
    for (row, (kind, trial)) in rows.iter().zip(kinds) {
        let row = head.iter().copied().zip(row.iter().copied()).collect();
        assert_says(&row, kind, trial);
    }
}

/// A row of the table by its columns, against the same trial of the document.
fn assert_says(row: &BTreeMap<&str, &str>, kind: &str, trial: &Value) {
    let real = |name: &str| row[name].parse::<f64>().unwrap();
    let money = |value: &Value| to_real(told(value));
    assert_eq!(row["kind"], kind);
    assert_eq!(row["name"].replace("; ", ", "), trial["name"].as_str().unwrap());
    for moment in ["before", "after", "end"] {
        let figures = ["net", "exposure", "floor", "cushion"];
        let [table, document] = [
            figures.map(|figure| real(&format!("{moment}_{figure}"))),
            figures.map(|figure| money(&trial[moment][figure])),
        ];
        assert_eq!(table, document, "{moment}: {row:?}");
    }
    for figure in ["price", "lowest_cushion", "shortfall", "gas", "fees", "impact"] {
        assert_eq!(real(figure), money(&trial[figure]), "{figure}: {row:?}");
    }
    assert_eq!(real("shortfall_share"), trial["shortfall_share"].as_f64().unwrap());
    assert_eq!(row["holds"], told(&trial["shortfall"]).is_zero().to_string());
    for count in ["transactions", "reverted", "seconds_to_rest"] {
        let known = trial.get(count).map(ToString::to_string).unwrap_or_default();
        assert_eq!(row[count], known, "{count}: {row:?}");
    }
    for said in ["verdict", "code"] {
        let decided = trial.get("decision").map_or("", |decision| decision[said].as_str().unwrap());
        assert_eq!(row[said], decided, "{row:?}");
    }
    let act = |act: &Value| format!("{}@{}", act["guard"].as_str().unwrap(), act["after_seconds"]);
    let guards: Vec<String> = trial["guards"].as_array().unwrap().iter().map(act).collect();
    assert_eq!(row["guards"], guards.join(" "));
    let trade = trial.get("decision").and_then(|decision| decision.get("trade"));
    let Some(trade) = trade else { return assert_eq!(row["risky_traded"], "", "{row:?}") };
    let sold = trade["sell"] == true;
    assert_eq!(row["risky_traded"].starts_with('-'), sold, "{row:?}");
    assert!(near(real("risky_traded").abs(), number(&trade["units"]), 1e-12), "{row:?}");
}

/// A vault with a pair, whose asset has so many places; a unit of everything is worth the same.
fn with_places(places: u8, change: impl FnOnce(&mut Policy)) -> (Snapshot, PublishedPolicy) {
    let text = include_str!("fixtures/snapshot.json");
    let mut snapshot: Snapshot = serde_json::from_str(text).unwrap();
    let mut policy = published(include_str!("fixtures/policy.toml")).policy().clone();
    let pair = policy.venues[0].pool();
    policy.venues = vec![VenuePolicy::UniswapV2 { pair }];
    policy.limits.twap = None;
    policy.limits.max_trade = Usd::new(decimal("100000000"));
    change(&mut policy);
    let published = PublishedPolicy::new(policy).unwrap();
    let vault = &mut snapshot.vault;
    let more = 10_u128.pow(u32::from(places - vault.asset.decimals));
    vault.policy_hash = published.hash();
    vault.asset.decimals = places;
    for raw in [
        &mut vault.asset_holdings,
        &mut vault.floor,
        &mut vault.guards.turnover_left,
        &mut vault.guards.gas_rebate,
    ] {
        *raw *= U256::from(more);
    }
    vault.total_supply *= U256::from(more);
    let risky_first = vault.risky.address < vault.asset.address;
    // 100,000 units at 1987.65 on either side.
    let (risky, asset) = (100_000 * 10_u128.pow(18), 198_765_000 * 1_000_000 * more);
    let ((token0, reserve0), (token1, reserve1)) = if risky_first {
        ((vault.risky.address, risky), (vault.asset.address, asset))
    } else {
        ((vault.asset.address, asset), (vault.risky.address, risky))
    };
    let state = uniswap_v2::Pool { address: pair, token0, token1, reserve0, reserve1 };
    snapshot.pools = vec![Pool::UniswapV2 { state }];
    (snapshot, published)
}

#[test]
fn the_places_of_the_tokens_make_no_difference() {
    let ((six, policy), (eighteen, same)) = (with_places(6, |_| {}), with_places(18, |_| {}));
    let of = |snapshot, policy| shocked(&subject(snapshot, policy), &Shock::of_price(-20)).unwrap();
    let (a, b) = (of(&six, &policy), of(&eighteen, &same));
    assert_eq!(a.transactions, b.transactions);
    assert!(a.transactions > 0 && a.guards == b.guards, "{a:?} {b:?}");
    for (a, b) in [
        (a.before.net, b.before.net),
        (a.after.cushion, b.after.cushion),
        (a.lowest_cushion, b.lowest_cushion),
        (a.end.exposure, b.end.exposure),
        (a.fees, b.fees),
    ] {
        assert!((a - b).abs() < decimal("0.001"), "{a} {b}");
    }
}

#[test]
fn a_crash_goes_through_the_vault_from_its_own_price_and_bounds_the_multiplier() {
    let (snapshot, policy) = with_places(6, |_| {});
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("march.csv");
    std::fs::write(&file, march()).unwrap();
    let crash = Crash::read(&file).unwrap();
    let subject = subject(&snapshot, &policy);
    let trial = crashed(&subject, &crash).unwrap();
    assert_eq!(trial.name, "march");
    assert_eq!(trial.price, (subject.price().unwrap() * decimal("0.6")).round_dp(8));
    assert!(trial.holds() && trial.transactions > 1, "{trial:?}");
    assert!(trial.lowest_cushion > Decimal::ZERO && trial.end.exposure < trial.before.exposure, "{trial:?}");

    // A fall by 40 % within a block leaves 1/0.4 of the cushion at most; a slow one leaves time to sell.
    let shock = Shock::of_price(-40);
    let Some(Found::Largest { multiplier, breaks }) =
        largest(&subject, std::slice::from_ref(&shock), &[]).unwrap()
    else {
        panic!("a largest multiplier")
    };
    assert!(multiplier.real() > 2.3 && multiplier.real() < 2.6, "{multiplier}");
    assert_eq!(breaks, "−40 %");
    let slow = largest(&subject, &[], &[crash]).unwrap();
    let beyond = match &slow {
        Some(Found::Largest { multiplier, .. }) => multiplier.real() > 3.0,
        Some(Found::Beyond(_)) => true,
        Some(Found::None { .. }) | None => false,
    };
    assert!(beyond, "{slow:?}");
}

#[test]
fn guards_are_named_with_what_they_leave_of_a_sale() {
    let fall = Shock::of_price(-26);
    let guards = |trial: &Trial| trial.guards.iter().map(|act| act.guard.clone()).collect::<Vec<_>>();

    // Gas over the urgent cap stops even the sale that has to be: nothing is sold all day.
    let (snapshot, policy) = with_places(6, |_| {});
    let dear = shocked(&subject(&snapshot, &policy), &Shock { gas: 100, ..fall.clone() }).unwrap();
    assert_eq!(dear.decision.as_ref().unwrap().code, "gas_over_cap");
    assert_eq!((dear.transactions, dear.seconds_to_rest), (0, None));
    assert_eq!(dear.end.exposure, dear.after.exposure);
    assert!(guards(&dear).contains(&"deleverage".to_owned()), "{dear:?}");

    // A largest trade makes many of one, a block or two apart while the vault's bound is broken.
    let (snapshot, policy) = with_places(6, |policy| policy.limits.max_trade = Usd::new(decimal("50000")));
    let cut = shocked(&subject(&snapshot, &policy), &fall).unwrap();
    let (snapshot, policy) = with_places(6, |_| {});
    let whole = shocked(&subject(&snapshot, &policy), &fall).unwrap();
    assert!(guards(&cut).contains(&"max_trade".to_owned()), "{cut:?}");
    assert!(cut.transactions >= 8 && whole.transactions <= 2, "{cut:?} {whole:?}");
    assert!(cut.seconds_to_rest > whole.seconds_to_rest, "{cut:?} {whole:?}");

    // A pool that is nearly empty gives too little for most of it.
    let thin = Shock { depth: decimal("0.001"), ..fall };
    let thin = shocked(&subject(&snapshot, &policy), &thin).unwrap();
    assert!(guards(&thin).contains(&"slippage".to_owned()), "{thin:?}");
    assert!(thin.transactions > whole.transactions && thin.impact > whole.impact, "{thin:?}");
}
