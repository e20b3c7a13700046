//! The golden decisions: every strategy, verdict and chain, as files with their hashes, for this program and for any other
//! that decides alike; and that nothing but facts and policy has a part in them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use alloy::primitives::{Address, U256};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use vault_keeper::config::load_policy;
use vault_keeper::domain::canonical;
use vault_keeper::domain::decision::{DECISION_VERSION, Recorded, decide};
use vault_keeper::domain::limits::Limits;
use vault_keeper::domain::policy::{ChainKind, Policy, VenuePolicy};
use vault_keeper::domain::snapshot::{AllowedPool, Charge, OptionKind, Pool, Rollup};
use vault_keeper::domain::units::Ratio;
use vault_keeper::domain::venues::{uniswap_v2, uniswap_v3};

use crate::arbitrary::realistic;
use crate::facts::*;
use crate::golden_files::Golden;

/// Rounds before the newest: more than an estimate needs, and a small file.
const ROUNDS: usize = 30;

/// `facts` under the example policy of this name.
fn under(example: &str, facts: Facts) -> Facts {
    let file = format!("{}/examples/policies/{example}.toml", env!("CARGO_MANIFEST_DIR"));
    let policy = load_policy(Path::new(&file)).unwrap().policy().clone();
    facts.with(|_, p| *p = policy)
}

fn cppi(risky: &str, cash: &str) -> Facts {
    under("cppi", Facts::holding(risky, cash))
}

fn on_rollup(facts: Facts, kind: ChainKind) -> Facts {
    let charge = |data: u64, operator: u64| Charge {
        data_fee: U256::from(data) * U256::from(GWEI),
        operator_fee: U256::from(operator) * U256::from(GWEI),
    };
    let operator = if kind == ChainKind::OpStack { 1_000 } else { 0 };
    facts.with(|s, p| {
        s.block.next_base_fee = GWEI / 100;
        s.rollup = Rollup::new(kind, charge(310_000, operator), charge(402_000, operator));
        (p.gas.chain, p.gas.reference_tip_wei) = (kind, GWEI / 1_000);
        (p.reserve.exit_data_fee_wei, p.reserve.exit_gas_price_wei) = (1_000_000 * GWEI, GWEI);
    })
}

/// A 0.30 % pool and a pair beside the 0.05 % pool, and much to sell.
fn split() -> Facts {
    let (tier, pair) = (Address::repeat_byte(0x30), Address::repeat_byte(0x22));
    cppi("2000", "1000000").with(|s, p| {
        s.vault.floor = U256::from(4_500_000_000_000_u64);
        let liquidity = Liquidity { fee: 3_000, spacing: 60, ..Liquidity::of_depth(50) };
        let state = uniswap_v3::Pool { address: tier, ..liquidity.pool(price_of(PRICE), false) };
        let (token0, token1) = (state.token0, state.token1);
        let (reserve0, reserve1) = (16_000_000 * 10_u128.pow(6), 8_000 * 10_u128.pow(18));
        s.pools.push(Pool::UniswapV3 { state, twap: None, observations: None });
        s.pools.push(Pool::UniswapV2 {
            state: uniswap_v2::Pool { address: pair, token0, token1, reserve0, reserve1 },
        });
        for pool in [tier, pair] {
            s.vault.allowed_pools.push(AllowedPool { pool, venue: VENUE });
        }
        p.venues.push(VenuePolicy::UniswapV3 { pool: tier, tick_words: 2 });
        p.venues.push(VenuePolicy::UniswapV2 { pair });
        p.limits.twap = None;
    })
}

/// What the files were written from: their names, and the facts with their policy.
fn cases() -> Vec<(&'static str, Facts)> {
    let hedge = || Facts::all_stable().hedging(vec![leg(1, OptionKind::Call, PRICE, 30, "-200")]);
    let market =
        |facts: Facts, price: &str| facts.market(price.parse().unwrap(), &Liquidity::of_depth(60), true);
    let mut cases = vec![
        ("cppi-buy", cppi("0", "1000000")),
        ("cppi-hold", cppi("300", "400000")),
        // What is gained within a minute does not pay for gas.
        ("cppi-not-worth", cppi("0", "1000000").with(|_, p| p.risk.horizon_seconds = 60)),
        ("cppi-sell", market(cppi("352.5", "301234.567891"), "1987.65")),
        ("cppi-floor-at-risk", cppi("430", "20000")),
        ("cppi-cash-lock", cppi("100", "590000")),
        ("cppi-on-target", cppi("0", "800100").with(|s, _| s.vault.cash_lock = true)),
        ("cppi-stale-price", cppi("300", "400000").with(|s, _| s.block.timestamp += 4_000)),
        ("cppi-price-deviation", cppi("0", "1000000").oracle("2050")),
        ("cppi-cooldown", cppi("0", "1000000").with(|s, _| s.vault.last_rebalance = NOW - 60)),
        ("cppi-gas-over-cap", cppi("0", "1000000").with(|s, _| s.block.next_base_fee = 400 * GWEI)),
        ("cppi-no-volatility", cppi("0", "1000000").with(|s, p| {
            s.feeds.risky_usd.history.anew().clear();
            p.volatility = toml::from_str("floor = \"0.2\"\n[estimator]\nkind = \"ewma\"\nhalf_life_hours = 24\nrounds = 120\nmin_rounds = 24\n").unwrap();
        })),
        ("cppi-on-op-stack", on_rollup(cppi("0", "1000000"), ChainKind::OpStack)),
        ("cppi-on-arbitrum", on_rollup(cppi("0", "1000000"), ChainKind::Arbitrum)),
        ("cppi-over-three-pools", split()),
        ("tipp-sell", under("tipp", Facts::holding("400", "200000"))),
        ("combined-buy", under("combined", Facts::all_stable())),
        ("constant-weight-buy", under("constant-weight", Facts::all_stable())),
        ("constant-weight-sell", under("constant-weight", Facts::holding("450", "100000"))),
        ("volatility-target-buy", under("volatility-target", Facts::all_stable())),
        ("delta-hedge-buy", under("delta-hedge", hedge())),
    ];
    for (_, facts) in &mut cases {
        let history = facts.snapshot.feeds.risky_usd.history.anew();
        let more = history.len().saturating_sub(ROUNDS);
        history.drain(..more);
    }
    cases
}

/// Writes all files anew: `cargo nextest run --test decisions golden::write --run-ignored only`. Where that changes one
/// of them, `DECISION_VERSION` has to change with it.
#[test]
#[ignore = "it writes the files that the other tests read"]
fn write() {
    for (name, facts) in cases() {
        Golden::named(name).record(&facts.published());
    }
}

/// How many decisions `scripts/verify.py` takes again beside the golden ones.
const VARIED: usize = 200;

/// Writes decisions of the default policy on realistic facts, the same in every run, for `scripts/test-verify`.
#[test]
#[ignore = "it writes the files that scripts/test-verify reads"]
fn varied() {
    let default = cppi("0", "1000000").policy;
    let mut runner =
        TestRunner::new_with_rng(ProptestConfig::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    for number in 0..VARIED {
        let facts = realistic().new_tree(&mut runner).unwrap().current().with(|s, p| {
            // What is decided by is the default; how much and within what varies.
            let limits = Limits { twap: default.limits.twap.clone(), ..p.limits.clone() };
            let strategy = p.strategy.clone();
            *p = Policy { limits, strategy, ..default.clone() };
            let rounds = s.feeds.risky_usd.history.anew();
            let kept = rounds.len().saturating_sub(number % 45);
            rounds.drain(..rounds.len() - kept);
            p.execution.cost_margin =
                Ratio::new(Decimal::new(100 + i64::try_from(number % 3).unwrap() * 25, 2));
        });
        Golden::under("target/verify/cases", format!("{number:03}")).record(&facts.published());
    }
}

/// As it is written, where model values have their twelve digits.
fn told(recorded: &Recorded) -> Value {
    serde_json::to_value(recorded).unwrap()
}

/// What is decided on the golden facts now, held against what was decided then.
fn check(golden: &Golden) -> Result<Recorded, String> {
    let (snapshot, policy) = (golden.snapshot(), golden.policy());
    let recorded = Recorded::of(&snapshot, &policy, decide(&snapshot, &policy)).unwrap();
    let (then, now) = (golden.recorded(), told(&recorded));
    if then == now {
        return Ok(recorded);
    }
    let version = then["decision_version"].as_str().unwrap();
    let what = if version == DECISION_VERSION {
        "this decision has another hash than before under the same version: bump DECISION_VERSION".to_owned()
    } else {
        format!("it was recorded under version {version}: write the golden decisions anew")
    };
    Err(format!("{}: {what}\n  then {then}\n  now  {now}", golden.name))
}

#[test]
fn every_golden_decision_comes_out_as_it_was_recorded() {
    let all = Golden::all();
    let wrong: Vec<_> = all.iter().filter_map(|golden| check(golden).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for golden in &all {
        // What is committed is what is hashed, and reads back as itself.
        for file in ["snapshot.json", "policy.json"] {
            let value: Value = serde_json::from_str(&golden.text(file)).unwrap();
            assert_eq!(golden.text(file), format!("{}\n", canonical::json(&value).unwrap()));
        }
        let read: Recorded = serde_json::from_value(golden.recorded()).unwrap();
        assert_eq!(told(&read), golden.recorded(), "{}", golden.name);
    }
}

#[test]
fn the_golden_decisions_are_of_every_strategy_verdict_and_chain() {
    let verdicts = cases().into_iter().map(|(name, _)| {
        let decision = check(&Golden::named(name)).unwrap().decision;
        (name, decision.verdict.name(), decision.verdict.reason().code())
    });
    let verdicts: Vec<_> = verdicts.collect();
    let seen: Vec<_> =
        verdicts.iter().map(|(name, verdict, code)| (*name, *verdict, code.as_str())).collect();
    assert_eq!(
        seen,
        [
            ("cppi-buy", "rebalance", "worth"),
            ("cppi-hold", "hold", "within_band"),
            ("cppi-not-worth", "hold", "not_worth"),
            ("cppi-sell", "rebalance", "worth"),
            ("cppi-floor-at-risk", "rebalance", "floor_at_risk"),
            ("cppi-cash-lock", "rebalance", "cash_lock"),
            ("cppi-on-target", "hold", "cash_lock"),
            ("cppi-stale-price", "refuse", "stale_price"),
            ("cppi-price-deviation", "refuse", "price_deviation"),
            ("cppi-cooldown", "refuse", "cooldown"),
            ("cppi-gas-over-cap", "refuse", "gas_over_cap"),
            ("cppi-no-volatility", "refuse", "no_volatility"),
            ("cppi-on-op-stack", "rebalance", "worth"),
            ("cppi-on-arbitrum", "rebalance", "worth"),
            ("cppi-over-three-pools", "rebalance", "floor_at_risk"),
            ("tipp-sell", "rebalance", "worth"),
            ("combined-buy", "rebalance", "worth"),
            ("constant-weight-buy", "rebalance", "worth"),
            ("constant-weight-sell", "rebalance", "worth"),
            ("volatility-target-buy", "rebalance", "threshold"),
            ("delta-hedge-buy", "rebalance", "worth"),
        ]
    );
    let names: BTreeSet<_> = verdicts.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(names, Golden::all().into_iter().map(|golden| golden.name).collect());
    let approved: BTreeSet<_> = Golden::all().iter().map(|golden| golden.policy().hash()).collect();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/policies");
    for example in std::fs::read_dir(examples).unwrap() {
        let path = example.unwrap().path();
        let hash = load_policy(&path).unwrap().hash();
        assert!(approved.contains(&hash), "no golden decision is of {}: write them anew", path.display());
    }
}

#[test]
fn the_golden_facts_are_what_the_cases_say() {
    for (name, facts) in cases() {
        let (golden, (snapshot, policy)) = (Golden::named(name), facts.published());
        assert_eq!(golden.snapshot(), snapshot, "{name}");
        assert_eq!(golden.policy(), policy, "{name}");
    }
}

#[test]
fn a_golden_decision_of_another_version_is_refused_by_its_version() {
    let mut recorded = Golden::named("cppi-hold").recorded();
    recorded["decision_version"] = "2".into();
    let refused = serde_json::from_value::<Recorded>(recorded).unwrap_err().to_string();
    assert!(refused.contains("decision version \"2\""), "{refused}");
}

#[test]
fn threads_have_no_part_in_a_decision() {
    let all = Golden::all();
    let decided = || all.iter().map(|golden| check(golden).unwrap().decision_hash).collect::<Vec<_>>();
    let alone = decided();
    for threads in [2, 8] {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(decided)).collect();
            for thread in threads {
                assert_eq!(thread.join().unwrap(), alone);
            }
        });
    }
}

/// `value` as JSON with the members of every object in another order, and with room between them.
fn shuffled(value: &Value, state: &mut u64) -> String {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            for last in (1..members.len()).rev() {
                *state =
                    state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                members.swap(last, usize::try_from(*state >> 33).unwrap() % (last + 1));
            }
            let members: Vec<_> = members
                .into_iter()
                .map(|(key, value)| {
                    format!("\n\t{} :  {}", Value::from(key.as_str()), shuffled(value, state))
                })
                .collect();
            format!("{{{} \r\n}}", members.join(" ,"))
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| shuffled(item, state)).collect();
            format!("[ {} ]", items.join(",\n"))
        }
        other => other.to_string(),
    }
}

#[test]
fn the_order_of_members_has_no_part_in_a_decision() {
    for golden in Golden::all() {
        let expected = check(&golden).unwrap();
        let folder = tempfile::tempdir().unwrap();
        for round in 0..5 {
            let text = |file| shuffled(&serde_json::from_str(&golden.text(file)).unwrap(), &mut (round + 7));
            let snapshot = serde_json::from_str(&text("snapshot.json")).unwrap();
            let file = folder.path().join("policy.json");
            std::fs::write(&file, text("policy.json")).unwrap();
            let policy = load_policy(&file).unwrap();
            let recorded = Recorded::of(&snapshot, &policy, decide(&snapshot, &policy)).unwrap();
            assert_eq!(recorded, expected, "{}", golden.name);
        }
    }
}

/// The policy of a TOML file with tables and keys in the reverse order.
fn reversed(table: &toml::Table) -> String {
    fn inline(value: &toml::Value) -> String {
        match value {
            toml::Value::Table(table) => {
                let members: Vec<_> =
                    table.iter().rev().map(|(key, value)| format!("{key} = {}", inline(value))).collect();
                format!("{{ {} }}", members.join(", "))
            }
            toml::Value::Array(items) => {
                format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", "))
            }
            other => other.to_string(),
        }
    }
    table.iter().rev().map(|(key, value)| format!("{key} = {}\n", inline(value))).collect()
}

#[test]
fn the_order_of_keys_and_tables_has_no_part_in_the_hash_of_a_policy() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/policies");
    let folder = tempfile::tempdir().unwrap();
    for example in std::fs::read_dir(examples).unwrap() {
        let path = example.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let other = reversed(&text.parse().unwrap());
        assert!(other.find("venues").unwrap() < other.find("chain_id").unwrap());
        let file = folder.path().join("policy.toml");
        std::fs::write(&file, other).unwrap();
        assert_eq!(load_policy(&file).unwrap(), load_policy(&path).unwrap(), "{}", path.display());
    }
}

/// What the program prints of a golden decision in these surroundings.
fn printed(golden: &Golden, folder: &Path, surroundings: &[(&str, &str)]) -> Map<String, Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_keeper"))
        .args(["decide", "--json", "--snapshot"])
        .arg(golden.path("snapshot.json"))
        .arg("--policy")
        .arg(golden.path("policy.json"))
        .current_dir(folder)
        .env_clear()
        .envs(surroundings.iter().copied())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}: {output:?}", golden.name);
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn neither_locale_nor_time_zone_nor_place_has_a_part_in_a_decision() {
    let folder = tempfile::tempdir().unwrap();
    let places: [PathBuf; 2] = [folder.path().to_owned(), env!("CARGO_MANIFEST_DIR").into()];
    for golden in Golden::all() {
        let plain = printed(&golden, &places[0], &[]);
        let recorded: Recorded = serde_json::from_value(Value::Object(plain.clone())).unwrap();
        assert_eq!(told(&recorded), golden.recorded(), "{}", golden.name);
        for (locale, zone, place) in [
            ("de_DE.UTF-8", "Asia/Kathmandu", &places[0]),
            ("tr_TR.UTF-8", "America/St_Johns", &places[1]),
            ("C", "UTC", &places[0]),
        ] {
            let surroundings = [("LC_ALL", locale), ("LANG", locale), ("TZ", zone)];
            assert_eq!(printed(&golden, place, &surroundings), plain, "{} in {locale}", golden.name);
        }
    }
}
