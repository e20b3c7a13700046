//! A policy in the past, through the engine of `keeper backtest`: figures by hand, accounts to the last digit, and crashes that were.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails where it stands"
)]

#[path = "support/frictionless.rs"]
mod free;

use std::num::NonZeroUsize;
use std::path::Path;

use free::frictionless;
use rust_decimal::Decimal;
use vault_keeper::backtest::past::contest::{Entrant, contest};
use vault_keeper::backtest::past::opening::Start;
use vault_keeper::backtest::past::prices::Tick;
use vault_keeper::backtest::past::run::{Keeper, Past, Step, walk};
use vault_keeper::backtest::past::setting::{
    Absent, Concentrated, Flow, Gas, Keeper as Reach, Outage, Pools, Setting,
};
use vault_keeper::config::load_policy;
use vault_keeper::domain::policy::{Estimator, GapPolicy, Policy, PublishedPolicy, Trigger};
use vault_keeper::domain::units::{Ratio, Usd};

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn published(change: impl FnOnce(&mut Policy)) -> PublishedPolicy {
    let mut policy = load_policy(Path::new("examples/policies/cppi.toml")).unwrap().policy().clone();
    change(&mut policy);
    PublishedPolicy::new(policy).unwrap()
}

/// Three times the cushion at every step, whatever it costs, and nothing of it costs.
fn textbook() -> PublishedPolicy {
    published(|policy| {
        let zero = Ratio::ZERO;
        policy.gap =
            GapPolicy { quantile: zero, jump: zero, jumps_per_year: zero, floor_weight: zero, ..policy.gap };
        policy.reserve.exit_gas_price_wei = 0;
        policy.reserve.feed_deviation_bps = 0;
        policy.volatility.estimator = Estimator::Fixed { annual: "0.8".parse().unwrap() };
        policy.trigger = Trigger::Interval { seconds: 1 };
        policy.gas.reference_tip_wei = 0;
        policy.limits.min_trade = Usd::ZERO;
        policy.limits.max_trade = Usd::new(Decimal::from(1_000_000_000));
        policy.limits.twap = None;
    })
}

/// An hour apart.
fn ticks(prices: &[&str]) -> Vec<Tick> {
    let tick = |(hour, price): (u64, &&str)| Tick {
        time: 1_600_000_000 + 3_600 * hour,
        price: decimal(price),
        closes: true,
        jumps: true,
    };
    (0..).zip(prices).map(tick).collect()
}

fn walked(ticks: &[Tick], setting: &Setting, policy: PublishedPolicy, capital: u64) -> Vec<Step> {
    let past = Past { ticks, base_fees: &[], setting, start: Start::Capital(Decimal::from(capital)) };
    let mut steps = Vec::new();
    walk(&past, &Keeper::Policy(policy), |step| steps.push(*step)).unwrap();
    steps
}

/// Cushion and exposure after every step, by hand: `C′ = C·(1 + 3·R)` and `E = 3·C`, up to all that there is.
const BY_HAND: [(&str, &str, &str); 10] = [
    ("2000", "200000.000000", "600000.000000"),
    // +10 %: 200,000·1.3
    ("2200", "260000.000000", "780000.000000"),
    // −5 %: 260,000·0.85
    ("2090", "221000.000000", "663000.000000"),
    // −10 %: 221,000·0.7
    ("1881", "154700.000000", "464100.000000"),
    // +19.5/1881: 154,700·(1 + 58.5/1881)
    ("1900.5", "159511.244019", "478533.732057"),
    // +199.5/1900.5: 159,511.244019·(1 + 598.5/1900.5)
    ("2100", "209744.066721", "629232.200164"),
    // −5 %: 209,744.066591·0.85
    ("1995", "178282.456713", "534847.370139"),
    // +20 %: 178,282.456603·1.6
    ("2394", "285251.930741", "855755.792223"),
    // −10 %: 285,251.930564·0.7
    ("2154.6", "199676.351519", "599029.054556"),
    // +214.8/2154.6: 199,676.351395·(1 + 644.4/2154.6)
    ("2369.4", "259395.761580", "778187.284741"),
];

#[test]
fn a_path_of_ten_steps_without_costs_is_that_of_the_textbook_to_the_last_digit_of_it() {
    let prices = BY_HAND.map(|(price, ..)| price);
    let steps = walked(&ticks(&prices), &frictionless(), textbook(), 1_000_000);
    for (done, (step, (price, cushion, exposure))) in (1..).zip(steps.iter().zip(BY_HAND)) {
        let account = step.account;
        // A trade is rounded by the pool to two millionths of a USD at most, and three times that stays in the exposure.
        let rounding = Decimal::new(2, 6) * Decimal::from(done);
        let off = (account.net() - step.floor - decimal(cushion)).abs();
        assert!(off <= rounding, "cushion at {price}: {off} from {cushion}");
        let off = (account.value - decimal(exposure)).abs();
        assert!(off <= Decimal::from(5) * rounding, "exposure at {price}: {off} from {exposure}");
        assert_eq!((account.gas, account.fees), (Decimal::ZERO, Decimal::ZERO));
    }
    assert_eq!(steps.len(), 10);
}

/// A way that a seed makes, with bars of four ticks, and a jump now and then.
fn wandering(seed: u64, bars: u64) -> Vec<Tick> {
    let mut state = seed;
    let mut draw = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(state >> 33).unwrap() % 2_001 - 1_000
    };
    let mut price = decimal("2000");
    let mut tick = |at: u64| {
        let jump = if at % 97 == 96 { 80 } else { 8 };
        price = (price * (Decimal::from(100_000 + draw() * jump / 10) / Decimal::from(100_000)))
            .round_dp(8)
            .max(decimal("150"));
        Tick { time: 1_600_000_000 + 900 * at, price, closes: at % 4 == 3, jumps: at % 4 == 3 }
    };
    (0..4 * bars).map(&mut tick).collect()
}

/// Everything costs, comes late, is out for a while, and people come and go.
fn rough() -> Setting {
    let at = |hours: u64| 1_600_000_000 + 3_600 * hours;
    Setting {
        outages: vec![
            Outage { of: Absent::Keeper, from: at(40), to: at(46) },
            Outage { of: Absent::Feed, from: at(70), to: at(73) },
        ],
        flows: vec![
            Flow { at: at(20), amount: decimal("250000.5") },
            Flow { at: at(90), amount: decimal("-700000") },
            Flow { at: at(60), amount: decimal("-123.456789") },
        ],
        pools: Pools {
            concentrated: Some(Concentrated { within_bps: 500, beyond: decimal("0.1") }),
            ..Pools::default()
        },
        ..Setting::default()
    }
}

#[test]
fn accounts_add_up_to_the_last_digit_at_every_step_whatever_happens() {
    for seed in 1..=8 {
        let ticks = wandering(seed, 120);
        let steps = walked(&ticks, &rough(), published(|policy| policy.limits.twap = None), 1_000_000);
        for step in &steps {
            let account = step.account;
            assert_eq!(account.net(), account.cash + account.value - account.gas, "{account:?}");
            let made = account.flows + account.earned - account.fees - account.impact - account.gas;
            assert_eq!(account.net(), made, "{account:?}");
            assert_eq!(account.value, (account.units * step.tick.price).round_dp(18), "{account:?}");
            assert!(account.cash >= Decimal::ZERO && account.units >= Decimal::ZERO, "{account:?}");
        }
        let last = steps.last().unwrap().account;
        assert!(last.gas > Decimal::ZERO && last.fees > Decimal::ZERO, "{last:?}");
        // A deposit came in whole; withdrawals went out whole, the larger one in part in kind, at the price of the feed.
        let flows = decimal("1000000") + decimal("250000.5") - decimal("700000") - decimal("123.456789");
        assert!((last.flows - flows).abs() < decimal("3500"), "{}", last.flows);
    }
}

#[test]
fn a_result_is_that_of_any_number_of_threads() {
    let ticks = wandering(3, 100);
    let (setting, policy) = (rough(), published(|_| ()));
    let past = Past {
        ticks: &ticks,
        base_fees: &[],
        setting: &setting,
        start: Start::Capital(Decimal::from(500_000)),
    };
    let on = |threads| contest(&past, &policy, &Entrant::ALL, NonZeroUsize::new(threads).unwrap()).unwrap();
    let one = on(1);
    assert_eq!(on(2), one);
    assert_eq!(on(7), one);
    assert_eq!(one.iter().map(|entry| entry.entrant).collect::<Vec<_>>(), Entrant::ALL);
}

#[test]
fn who_is_absent_decides_nothing_and_what_the_feed_does_not_tell_nobody_sees() {
    // The price falls by 8 % in an hour, while the keeper is away for three.
    let prices = ["2000", "2000", "2000", "1840", "1840", "1840", "1840"];
    let ticks = ticks(&prices);
    let outage = |of| Outage { of, from: ticks[3].time, to: ticks[5].time + 1 };
    let trades = |setting: &Setting| {
        let past =
            Past { ticks: &ticks, base_fees: &[], setting, start: Start::Capital(Decimal::from(1_000_000)) };
        let outcome = walk(&past, &Keeper::Policy(textbook()), |_| {}).unwrap();
        (outcome.rebalances.iter().map(|one| one.decided - ticks[0].time).collect::<Vec<_>>(), outcome.absent)
    };
    let calm = frictionless();
    assert_eq!(trades(&calm).0[..2], [0, 3 * 3_600]);
    let away = Setting { outages: vec![outage(Absent::Keeper)], ..calm.clone() };
    let (when, absent) = trades(&away);
    assert_eq!((when[1], absent), (6 * 3_600, 3));
    // Without a new round the price of before stands, until it is too old for the policy and the vault.
    let silent = Setting { outages: vec![outage(Absent::Feed)], ..calm };
    assert_eq!(trades(&silent), (vec![0, 6 * 3_600], 0));
}

#[test]
fn a_transaction_that_comes_too_late_reverts_and_costs_its_gas() {
    let ticks = ticks(&["2000", "2000", "1700", "1700", "1700"]);
    let late = |seconds| {
        let setting =
            Setting { keeper: Reach { inclusion_seconds: seconds }, gas: Gas::default(), ..frictionless() };
        let past = Past {
            ticks: &ticks,
            base_fees: &[],
            setting: &setting,
            start: Start::Capital(Decimal::from(1_000_000)),
        };
        walk(&past, &Keeper::Policy(textbook()), |_| {}).unwrap().rebalances
    };
    // The first one is decided at the first price, and included after the second.
    let (soon, too_late) = (late(12), late(121));
    assert!(!soon[0].reverted && soon[0].included == ticks[0].time + 12, "{soon:?}");
    assert!(too_late.iter().all(|one| one.reverted && one.value.is_zero()), "{too_late:?}");
    // 400,000 units at 20 gwei and 2,000 USD.
    assert_eq!((soon[0].gas, too_late[0].gas), (decimal("16"), decimal("16")));
}
