//! Option books that roll in a backtest: figures by hand, accounts to the last digit, the book's rules, and a hedge that has no error
//! on the average.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails where it stands"
)]

#[path = "support/frictionless.rs"]
mod free;

use std::path::Path;

use alloy::primitives::I256;
use rust_decimal::Decimal;
use vault_keeper::backtest::BacktestError;
use vault_keeper::backtest::past::metrics::{Gauge, Metrics};
use vault_keeper::backtest::past::opening::{Standing, Start};
use vault_keeper::backtest::past::prices::Tick;
use vault_keeper::backtest::past::rolls::{Roll, Undone};
use vault_keeper::backtest::past::run::{Keeper, Outcome, Past, Step, walk};
use vault_keeper::backtest::past::setting::options::{OptionKind, Options, Position, Side, Size};
use vault_keeper::backtest::past::setting::{Absent, Flow, Outage, Setting};
use vault_keeper::backtest::past::unopened::{Lack, Unopened};
use vault_keeper::backtest::paths::{Process, Span};
use vault_keeper::backtest::stress::shock::Shock;
use vault_keeper::backtest::stress::trial::shocked;
use vault_keeper::backtest::stress::{Deleverage, Subject};
use vault_keeper::config::load_policy;
use vault_keeper::domain::policy::{
    Estimator, FloorPolicy, GapPolicy, ImpliedPolicy, Policy, PublishedPolicy, StrategyPolicy, Trigger,
};
use vault_keeper::domain::snapshot::{OptionLeg, Snapshot};
use vault_keeper::domain::units::{Ratio, Usd, from_real, to_raw, to_real};

const BEGIN: u64 = 1_600_000_000;
const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn ratio(text: &str) -> Ratio {
    text.parse().unwrap()
}

/// The example's hedge at one volatility for every leg, at every chance, whatever it costs.
fn hedge(change: impl FnOnce(&mut Policy)) -> PublishedPolicy {
    let mut policy = load_policy(Path::new("examples/policies/delta-hedge.toml")).unwrap().policy().clone();
    if let StrategyPolicy::DeltaHedge { implied, .. } = &mut policy.strategy {
        *implied = ImpliedPolicy::Estimate;
    }
    policy.volatility.estimator = Estimator::Fixed { annual: ratio("0.8") };
    let zero = Ratio::ZERO;
    policy.gap =
        GapPolicy { quantile: zero, jump: zero, jumps_per_year: zero, floor_weight: zero, ..policy.gap };
    policy.floor = FloorPolicy::Fixed { share: ratio("0.05") };
    policy.reserve.exit_gas_price_wei = 0;
    policy.reserve.feed_deviation_bps = 0;
    policy.trigger = Trigger::Interval { seconds: 1 };
    policy.gas.reference_tip_wei = 0;
    policy.limits.min_trade = Usd::ZERO;
    policy.limits.max_trade = Usd::new(Decimal::from(1_000_000_000));
    policy.limits.twap = None;
    change(&mut policy);
    PublishedPolicy::new(policy).unwrap()
}

/// A call spread that the vault writes on a hundred units, from the money to half above it, for two days at a volatility of 0.8.
fn calls() -> Options {
    Options {
        tenor_days: 2,
        window_seconds: DAY,
        volatility: Some(decimal("0.8")),
        spread: Decimal::ZERO,
        max_age_seconds: 4_500,
        positions: vec![Position {
            kind: OptionKind::Call,
            side: Side::Written,
            strike: Some(Decimal::ONE),
            delta: None,
            limit: Some(decimal("1.5")),
            size: Size::Units(Decimal::ONE_HUNDRED),
        }],
    }
}

/// The world without friction, with these options.
fn frictionless(options: Option<Options>) -> Setting {
    Setting { options, ..free::frictionless() }
}

fn ticks(prices: &[f64], seconds: u64) -> Vec<Tick> {
    let tick = |(at, price): (u64, &f64)| Tick {
        time: BEGIN + seconds * at,
        price: from_real(*price, 8).unwrap(),
        closes: true,
        jumps: true,
    };
    (0..).zip(prices).map(tick).collect()
}

fn million(ticks: &[Tick], setting: &Setting, keeper: &Keeper) -> (Vec<Step>, Outcome, Metrics) {
    let past = Past { ticks, base_fees: &[], setting, start: Start::Capital(Decimal::from(1_000_000)) };
    let (mut steps, mut gauge) = (Vec::new(), Gauge::default());
    let outcome = walk(&past, keeper, |step| {
        gauge.see(step);
        steps.push(*step);
    })
    .unwrap();
    let metrics = gauge.metrics(&outcome);
    (steps, outcome, metrics)
}

/// A day of the path by hand: price, then cash, risky units, what lies in the book, what the book is worth beyond it, and net value
/// after the hedge. Of the formulas of Black, Scholes and Merton with a rate of 4 % and a carry of 3 %, in another program.
type Day = (f64, f64, f64, u32, f64, f64);

const BY_HAND: [Day; 8] = [
    (2_000.0, 802_309.755_1, 51.209_547_12, 100_000, -4_728.849_369, 1_000_000.0),
    (2_100.0, 724_573.886_5, 88.226_627_42, 100_000, -10_520.716_780, 999_329.087_302),
    // The expiry: 200 in the money, times a hundred. Its price is known with the feed's next answer.
    (2_200.0, 918_672.466_8, 0.0, 100_000, -20_000.0, 998_672.466_823),
    (2_150.0, 998_672.466_8, 0.0, 0, 0.0, 998_672.466_823),
    // A day later the second series.
    (2_000.0, 800_982.221_9, 51.209_547_12, 100_000, -4_728.849_369, 998_672.466_823),
    (1_900.0, 876_542.446_8, 11.441_007_72, 100_000, -435.488_684, 997_844.872_796),
    (1_800.0, 897_136.260_7, 0.0, 100_000, 0.0, 997_136.260_708),
    (1_850.0, 997_136.260_7, 0.0, 0, 0.0, 997_136.260_708),
];

#[test]
fn two_rolls_by_hand() {
    let prices = BY_HAND.map(|(price, ..)| price);
    let (steps, outcome, metrics) =
        million(&ticks(&prices, DAY), &frictionless(Some(calls())), &Keeper::Policy(hedge(|_| ())));
    assert_eq!(steps.len(), BY_HAND.len());
    for (step, (price, cash, units, posted, mark, net)) in steps.iter().zip(BY_HAND) {
        let (account, options) = (step.account, step.account.options.unwrap());
        let near = |value: Decimal, by_hand: f64| (to_real(value) - by_hand).abs() < 2e-4;
        assert!(near(account.cash, cash) && near(account.units, units), "{price}: {account:?}");
        assert!(near(options.mark, mark) && near(account.net(), net), "{price}: {account:?}");
        assert_eq!(options.posted, Decimal::from(posted), "{price}");
    }
    assert_eq!(outcome.unrolled.len(), 0, "{:?}", outcome.unrolled);
    let [first, second] = outcome.rolls.as_slice() else { panic!("{:?}", outcome.rolls) };
    for (roll, day) in [(first, 0), (second, 4)] {
        assert_eq!((roll.size, roll.strike), (Decimal::from(-100), Decimal::from(2_000)));
        assert_eq!((roll.limit, roll.collateral), (Some(decimal("3000")), decimal("100000")));
        assert_eq!(roll.expiry, BEGIN + (day + 2) * DAY);
        let opened = roll.opened.unwrap();
        assert_eq!((opened.at, opened.price), (BEGIN + day * DAY, decimal("2000")));
        // Rounded down to the asset's six places.
        assert_eq!((opened.premium, opened.volatility), (decimal("4728.849369"), 0.8));
    }
    let settled = [first, second].map(|roll| roll.settled.unwrap());
    assert_eq!(settled.map(|settled| settled.at), [BEGIN + 3 * DAY, BEGIN + 7 * DAY]);
    assert_eq!(settled.map(|settled| settled.price), [decimal("2200"), decimal("1800")]);
    assert_eq!(settled.map(|settled| settled.payoff), [decimal("-20000"), Decimal::ZERO]);
    // 2 · 4,728.849369 − 20,000, and 7,678.561970 of the hedge.
    let near = |value: Option<f64>, by_hand: f64| (value.unwrap() - by_hand).abs() < 2e-4;
    assert!(near(metrics.premiums, 9_457.698_738) && near(metrics.payoffs, -20_000.0), "{metrics:?}");
    assert!(near(metrics.book_profit, -10_542.301_262), "{metrics:?}");
    assert!(near(metrics.hedge_profit, 7_678.561_970) && near(metrics.hedged_profit, -2_863.739_292));
    assert_eq!(metrics.options, Some(2));
}

/// What the walk refuses.
fn refused(setting: &Setting, policy: &PublishedPolicy) -> String {
    let ticks = ticks(&[2_000.0, 2_000.0], HOUR);
    let past =
        Past { ticks: &ticks, base_fees: &[], setting, start: Start::Capital(Decimal::from(1_000_000)) };
    match walk(&past, &Keeper::Policy(policy.clone()), |_| {}) {
        Err(BacktestError::Options(why)) => why.to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_policy_with_a_book_needs_options_and_options_need_a_policy_with_a_book() {
    let why = refused(&frictionless(None), &hedge(|_| ()));
    assert!(why.contains("give one that has [options]") && why.contains("[[options.positions]]"), "{why}");
    let cppi = load_policy(Path::new("examples/policies/cppi.toml")).unwrap();
    let why = refused(&frictionless(Some(calls())), &cppi);
    assert!(why.contains("take them out of the setting"), "{why}");
    let fed = hedge(|policy| {
        let StrategyPolicy::DeltaHedge { implied, book, .. } = &mut policy.strategy else { panic!() };
        *implied = ImpliedPolicy::Feed { address: *book, max_age_seconds: 60 };
    });
    let unstated = Options { volatility: None, ..calls() };
    let why = refused(&frictionless(Some(unstated)), &fed);
    assert!(why.contains("options.volatility"), "{why}");
    // Where it is stated, the feed answers it at every block, and the book is the same as by hand.
    let prices = BY_HAND.map(|(price, ..)| price);
    let (steps, ..) = million(&ticks(&prices, DAY), &frictionless(Some(calls())), &Keeper::Policy(fed));
    for (step, (_, _, units, _, mark, _)) in steps.iter().zip(BY_HAND) {
        assert!((to_real(step.account.units) - units).abs() < 1e-6, "{step:?}");
        assert!((to_real(step.account.options.unwrap().mark) - mark).abs() < 1e-5, "{step:?}");
    }
}

#[test]
fn premiums_have_a_spread_against_the_vault_and_strikes_may_come_from_a_delta() {
    let prices = [2_000.0; 3];
    let opened = |options: Options| {
        let (_, outcome, _) =
            million(&ticks(&prices, HOUR), &frictionless(Some(options)), &Keeper::Policy(hedge(|_| ())));
        outcome.rolls.into_iter().map(|roll| (roll.strike, roll.opened.unwrap())).collect::<Vec<_>>()
    };
    let side = |side, spread: &str| {
        let position = Position { side, ..calls().positions[0] };
        let options = Options { spread: decimal(spread), positions: vec![position], ..calls() };
        opened(options)[0].1
    };
    let (written, bought) = (side(Side::Written, "0.05"), side(Side::Bought, "0.05"));
    assert!((written.volatility - 0.75).abs() < 1e-12 && (bought.volatility - 0.85).abs() < 1e-12);
    // 100 calls at 0.75, and at 0.85, rounded up.
    assert_eq!(written.premium, decimal("4433.717289"));
    assert_eq!(bought.premium, decimal("-5023.965295"));
    // N⁻¹(0.25·e^(0.03·2/365)) = −0.6743604…; of a put on the other side of the forward.
    let by_delta = |kind, limit: Option<&str>| {
        let limit = limit.map(decimal);
        let position =
            Position { kind, limit, strike: None, delta: Some(decimal("0.25")), ..calls().positions[0] };
        opened(Options { positions: vec![position], ..calls() })[0].0
    };
    assert_eq!(by_delta(OptionKind::Call, Some("1.5")), decimal("2085.25284845"));
    assert_eq!(by_delta(OptionKind::Put, None), decimal("1925.18233231"));
}

#[test]
fn a_size_is_a_part_of_net_asset_value_or_of_what_is_held() {
    let prices = [2_000.0, 2_000.0, 2_000.0, 2_000.0];
    let put = Position {
        kind: OptionKind::Put,
        side: Side::Bought,
        strike: Some(decimal("0.9")),
        limit: None,
        size: Size::Nav(decimal("0.5")),
        ..calls().positions[0]
    };
    let held = Position { size: Size::Held(decimal("0.5")), ..calls().positions[0] };
    let options = Options { positions: vec![put], ..calls() };
    let (steps, outcome, _) =
        million(&ticks(&prices, HOUR), &frictionless(Some(options)), &Keeper::Policy(hedge(|_| ())));
    let roll = &outcome.rolls[0];
    // Half of a million at 2,000; what the one who writes it can owe is the strike, and the vault pays the premium alone.
    assert_eq!((roll.size, roll.limit, roll.collateral), (decimal("250"), None, decimal("450000")));
    let options = steps[0].account.options.unwrap();
    assert_eq!((options.posted, options.premiums), (Decimal::ZERO, roll.opened.unwrap().premium));
    let paid = decimal("1000000") + options.premiums - steps[0].account.value;
    assert!((steps[0].account.cash - paid).abs() < decimal("0.000001"), "{paid}");
    // Nothing is held at first, and a hedge of nothing buys nothing: there is never anything to write on.
    let options = Options { positions: vec![held], ..calls() };
    let (_, outcome, _) =
        million(&ticks(&prices, HOUR), &frictionless(Some(options)), &Keeper::Policy(hedge(|_| ())));
    let no_size = Unopened::Terms { position: 0, lack: Lack::Size };
    assert_eq!((outcome.rolls.len(), outcome.unrolled[&no_size]), (0, 4));
}

#[test]
fn a_position_that_has_no_terms_is_named_with_what_it_lacks() {
    let unrolled = |options: Options, policy: PublishedPolicy| {
        let ticks = ticks(&[2_000.0, 2_000.0], HOUR);
        let (_, outcome, _) = million(&ticks, &frictionless(Some(options)), &Keeper::Policy(policy));
        assert_eq!(outcome.rolls, []);
        outcome.unrolled.into_iter().collect::<Vec<_>>()
    };
    let second = |change: &dyn Fn(&mut Position)| {
        let mut position = calls().positions[0];
        change(&mut position);
        Options { positions: vec![calls().positions[0], position], ..calls() }
    };
    let lacks = |lack| vec![(Unopened::Terms { position: 1, lack }, 2)];
    let delta = |position: &mut Position, delta: &str, limit: &str| {
        (position.strike, position.delta) = (None, Some(decimal(delta)));
        position.limit = Some(decimal(limit));
    };
    // Less than one of the smallest units.
    let nothing = second(&|position| position.size = Size::Units(decimal("0.0000000000000000001")));
    assert_eq!(unrolled(nothing, hedge(|_| ())), lacks(Lack::Size));
    let beyond = second(&|position| delta(position, "0.01", "1.01"));
    assert_eq!(unrolled(beyond, hedge(|_| ())), lacks(Lack::Limit));
    // 0.99999·e^(0.03·2/365) is more than one.
    let none = second(&|position| delta(position, "0.99999", "1.5"));
    assert_eq!(unrolled(none, hedge(|_| ())), lacks(Lack::Strike));
    // No estimate is to be had of two rounds, where the setting states none.
    let options = Options { volatility: None, ..calls() };
    let (max_gap_seconds, fallback) = (None, None);
    let ewma = Estimator::Ewma { half_life_hours: 24, rounds: 48, min_rounds: 8, max_gap_seconds, fallback };
    let estimated = hedge(|policy| policy.volatility.estimator = ewma);
    let volatility = Unopened::Terms { position: 0, lack: Lack::Volatility };
    assert_eq!(unrolled(options.clone(), estimated), [(volatility, 2)]);
    // A spread of all that the model says, 0.8, leaves nothing to write at; one that is a little less does, and so does buying.
    let at = |spread: &str| Options { spread: decimal(spread), ..options.clone() };
    let left = Unopened::Terms { position: 0, lack: Lack::Spread };
    assert_eq!(unrolled(at("0.8"), hedge(|_| ())), [(left, 2)]);
    assert_eq!(left.to_string(), "options.positions[0]: no_volatility_left");
    let bought = Position { side: Side::Bought, ..calls().positions[0] };
    for (options, volatility) in [(at("0.79"), 0.01), (Options { positions: vec![bought], ..at("0.8") }, 1.6)]
    {
        let ticks = ticks(&[2_000.0, 2_000.0], HOUR);
        let (_, outcome, _) = million(&ticks, &frictionless(Some(options)), &Keeper::Policy(hedge(|_| ())));
        assert!((outcome.rolls[0].opened.unwrap().volatility - volatility).abs() < 1e-12, "{outcome:?}");
    }
}

#[test]
fn the_vault_opens_no_more_than_its_contract_lets_it() {
    let spread = |size: &str, limit: &str| {
        let limit = Some(decimal(limit));
        let position = Position { limit, size: Size::Units(decimal(size)), ..calls().positions[0] };
        Options { positions: vec![position], ..calls() }
    };
    let unrolled = |options: Options| {
        let ticks = ticks(&[2_000.0, 2_000.0], HOUR);
        million(&ticks, &frictionless(Some(options)), &Keeper::Policy(hedge(|_| ()))).1
    };
    // A collateral of 1,100,000 less some 52,000 of premium; and of 1,000,000 less 47,000, over a floor of 50,000.
    assert_eq!(unrolled(spread("1100", "1.5")).unrolled[&Unopened::TooLittleAsset], 2);
    assert_eq!(unrolled(spread("1000", "1.5")).unrolled[&Unopened::Floor], 2);
    assert_eq!(unrolled(spread("900", "1.5")).rolls.len(), 1);
}

#[test]
fn who_comes_or_goes_waits_until_nothing_is_open() {
    let prices = BY_HAND.map(|(price, ..)| price);
    let flows = vec![Flow { at: BEGIN + DAY, amount: decimal("1000") }];
    let setting = Setting { flows, ..frictionless(Some(calls())) };
    let (steps, outcome, _) = million(&ticks(&prices, DAY), &setting, &Keeper::Policy(hedge(|_| ())));
    let (_, cut, _) = million(&ticks(&prices[..3], DAY), &setting, &Keeper::Policy(hedge(|_| ())));
    assert_eq!((outcome.waiting, cut.waiting), (0, 1));
    let flows: Vec<_> = steps.iter().map(|step| step.account.flows - decimal("1000000")).collect();
    let (zero, thousand) = (Decimal::ZERO, Decimal::ONE_THOUSAND);
    assert_eq!(flows, [zero, zero, zero, thousand, thousand, thousand, thousand, thousand]);
}

#[test]
fn what_no_answer_settles_is_undone_after_a_week() {
    let prices = [2_000.0; 12];
    let silent = Outage { of: Absent::Feed, from: BEGIN + DAY, to: BEGIN + 4 * DAY };
    let setting = Setting { outages: vec![silent], ..frictionless(Some(calls())) };
    let (steps, outcome, metrics) = million(&ticks(&prices, DAY), &setting, &Keeper::Policy(hedge(|_| ())));
    // The last answer before the expiry was two days old.
    let settled = outcome.rolls[0].settled.unwrap();
    assert_eq!((settled.undone, settled.at), (Some(Undone::StaleAnswer), BEGIN + 9 * DAY));
    assert_eq!(metrics.undone, Some(1));
    assert_eq!((settled.price, settled.payoff), (Decimal::ZERO, decimal("-4728.849369")));
    // That it will be undone is certain from the expiry on.
    let earned: Vec<_> = steps.iter().map(|step| step.account.options.unwrap().earned()).collect();
    assert!(earned[1] > Decimal::ZERO && earned[2..9].iter().all(Decimal::is_zero), "{earned:?}");
    assert_eq!(earned[9], Decimal::ZERO);
    assert_eq!((outcome.rolls.len(), metrics.options), (2, Some(2)));
}

#[test]
fn what_no_later_answer_settles_is_undone_after_a_week_though_the_feed_stays_silent() {
    let prices = [2_200.0; 14];
    let silent = |days: u64| {
        let outage = Outage { of: Absent::Feed, from: BEGIN + 2 * DAY + 1, to: BEGIN + days * DAY };
        let setting = Setting { outages: vec![outage], ..frictionless(Some(calls())) };
        let (_, outcome, metrics) = million(&ticks(&prices, DAY), &setting, &Keeper::Cash(hedge(|_| ())));
        (outcome, metrics)
    };
    // The last answer is that of the expiry itself, and for a week nothing shows that none was between.
    let (outcome, metrics) = silent(12);
    let settled = outcome.rolls[0].settled.unwrap();
    assert_eq!((settled.undone, settled.at), (Some(Undone::NoAnswer), BEGIN + 9 * DAY));
    let premium = outcome.rolls[0].opened.unwrap().premium;
    assert_eq!((settled.price, settled.payoff), (Decimal::ZERO, -premium));
    // On the tenth and the eleventh day the vault opens nothing by so old an answer, on the twelfth the feed is back.
    assert_eq!(outcome.unrolled.into_iter().collect::<Vec<_>>(), [(Unopened::StalePrice, 2)]);
    assert_eq!(outcome.rolls[1].opened.unwrap().at, BEGIN + 12 * DAY);
    assert_eq!((metrics.undone, metrics.options), (Some(1), Some(2)));
    // A later answer within the week settles it by the one of the expiry.
    let (outcome, metrics) = silent(8);
    let settled = outcome.rolls[0].settled.unwrap();
    assert_eq!((settled.undone, settled.at, settled.price), (None, BEGIN + 8 * DAY, decimal("2200")));
    assert_eq!(metrics.undone, Some(0));
}

/// A path of `days` in steps of `seconds` with a volatility of 0.8 and a drift a year.
fn wandering(seed: u64, (days, seconds): (u64, u64), drift: f64) -> Vec<Tick> {
    let steps = usize::try_from(days * DAY / seconds).unwrap();
    let span = Span { start: 2_000.0, before: 0, steps, step_seconds: seconds };
    let path = Process::Gbm { volatility: 0.8 }.path(&span, seed, 1);
    let step = f64::from(u32::try_from(seconds).unwrap()) * drift / (365.0 * 86_400.0);
    let grown = (0_u32..).zip(&path.moments).map(|(at, moment)| moment.price * (step * f64::from(at)).exp());
    ticks(&grown.collect::<Vec<_>>(), seconds)
}

/// Everything costs and comes late, the feed is out for some hours, and people come and go; a day's series, one after another.
fn rough(silent: u64) -> Setting {
    let position = |kind, side, (delta, limit): (&str, &str), size: &str| Position {
        kind,
        side,
        strike: None,
        delta: Some(decimal(delta)),
        limit: Some(decimal(limit)),
        size: Size::Nav(decimal(size)),
    };
    let options = Options {
        tenor_days: 1,
        window_seconds: 0,
        spread: decimal("0.02"),
        volatility: None,
        positions: vec![
            position(OptionKind::Call, Side::Written, ("0.3", "1.2"), "0.4"),
            position(OptionKind::Put, Side::Written, ("0.3", "0.9"), "0.3"),
            position(OptionKind::Put, Side::Bought, ("0.45", "0"), "0.2"),
        ],
        ..calls()
    };
    let at = |hours: u64| BEGIN + HOUR * hours;
    Setting {
        outages: vec![Outage { of: Absent::Feed, from: at(40), to: at(40 + silent) }],
        flows: vec![
            Flow { at: at(20), amount: decimal("250000.5") },
            Flow { at: at(60), amount: decimal("-123.456789") },
        ],
        options: Some(options),
        ..Setting::default()
    }
}

#[test]
fn accounts_add_up_to_the_last_digit_at_every_step_through_every_roll() {
    for seed in 1..=6 {
        // An answer of long before the second expiry does not settle it.
        let undone = seed % 2 == 0;
        let ticks = wandering(seed, (11, 1_200), 0.0);
        let policy = hedge(|policy| policy.trigger = Trigger::Interval { seconds: HOUR });
        let (steps, outcome, _) =
            million(&ticks, &rough(if undone { 10 } else { 6 }), &Keeper::Policy(policy));
        for step in &steps {
            let (account, options) = (step.account, step.account.options.unwrap());
            let worth = options.posted + options.mark;
            assert_eq!(account.net(), account.cash + account.value + worth - account.gas, "{account:?}");
            let earned = options.premiums + options.payoffs + options.mark;
            let made = account.flows + account.earned + earned - account.fees - account.impact - account.gas;
            assert_eq!(account.net(), made, "{account:?}");
            assert!(account.cash >= Decimal::ZERO && account.units >= Decimal::ZERO, "{account:?}");
            // The same from the positions one by one.
            let now = step.tick.time;
            let opened = |roll: &&_| by_then(roll, now).0;
            let rolls = || outcome.rolls.iter().filter(opened);
            let premiums: Decimal = rolls().map(|roll| roll.opened.unwrap().premium).sum();
            let payoffs: Decimal = rolls().filter_map(|roll| by_then(roll, now).1).sum();
            let written = rolls().filter(|roll| by_then(roll, now).1.is_none() && roll.size < Decimal::ZERO);
            let posted: Decimal = written.map(|roll| roll.collateral).sum();
            assert_eq!((options.premiums, options.payoffs, options.posted), (premiums, payoffs, posted));
        }
        // Of three positions each: nine days of one after another, or three of them and a week of waiting.
        let series = outcome.rolls.len() / 3;
        assert!(if undone { series == 4 } else { series >= 9 }, "{series} {:?}", outcome.unrolled);
        let settled: Vec<_> = outcome.rolls.iter().filter_map(|roll| roll.settled).collect();
        assert_eq!(
            settled.iter().filter(|settled| settled.undone.is_some()).count(),
            if undone { 3 } else { 0 }
        );
        assert!(settled.iter().any(|settled| settled.payoff > Decimal::ZERO));
        assert!(settled.iter().any(|settled| settled.undone.is_none() && settled.payoff < Decimal::ZERO));
    }
}

/// Whether a position was opened by `now`, and what it came to if it had ended.
fn by_then(roll: &Roll, now: u64) -> (bool, Option<Decimal>) {
    let settled = roll.settled.filter(|settled| settled.at <= now);
    (roll.opened.is_some_and(|opened| opened.at <= now), settled.map(|settled| settled.payoff))
}

/// Mean and standard error.
fn mean(values: &[f64]) -> (f64, f64) {
    let count = f64::from(u32::try_from(values.len()).unwrap());
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0) / count).sqrt())
}

#[test]
fn a_call_that_is_hedged_at_the_volatility_it_was_sold_at_earns_nothing_and_one_sold_dearer_its_vega() {
    let policy = hedge(|policy| {
        let StrategyPolicy::DeltaHedge { rate, carry, .. } = &mut policy.strategy else { panic!() };
        (*rate, *carry) = (Ratio::ZERO, Ratio::ZERO);
    });
    let sold_at = |volatility: &str| {
        let position = Position { limit: Some(decimal("4")), ..calls().positions[0] };
        let volatility = Some(decimal(volatility));
        frictionless(Some(Options { tenor_days: 7, volatility, positions: vec![position], ..calls() }))
    };
    let (mut hedged, mut naked, mut dearer) = (Vec::new(), Vec::new(), Vec::new());
    for seed in 0..40 {
        // A market that rises by a tenth in a week, of which the hedge is to see nothing.
        let mut ticks = wandering(seed, (7, 2 * HOUR), 5.0);
        ticks.extend(ticks.last().map(|last| Tick { time: last.time + HOUR, ..*last }));
        let came = |setting: &Setting, keeper: &Keeper| million(&ticks, setting, keeper).2;
        hedged.push(came(&sold_at("0.8"), &Keeper::Policy(policy.clone())).hedged_profit.unwrap());
        naked.push(came(&sold_at("0.8"), &Keeper::Cash(policy.clone())).hedged_profit.unwrap());
        dearer.push(came(&sold_at("0.9"), &Keeper::Policy(policy.clone())).hedged_profit.unwrap());
    }
    let ((error, of_error), (loss, of_loss), (gain, of_gain)) = (mean(&hedged), mean(&naked), mean(&dearer));
    let told = format!("{error} ± {of_error}, {loss} ± {of_loss}, {gain} ± {of_gain}");
    assert!(error.abs() < 3.0 * of_error && of_error < 150.0, "{told}");
    assert!(loss < -3.0 * of_loss && of_loss > 6.0 * of_error, "{told}");
    // 100 · 2,000 · √(7/365) · φ(d₁) · 0.1 is 1,103 USD.
    assert!((gain - 1_103.0).abs() < 3.0 * of_gain && gain > 6.0 * of_gain, "{told}");
}

/// A vault as it stands whose book has a written call of these legs.
fn standing(legs: &[(u64, &str, i64)]) -> (Snapshot, PublishedPolicy) {
    let root = Path::new("tests/fixtures/golden/delta-hedge-buy");
    let text = std::fs::read_to_string(root.join("snapshot.json")).unwrap();
    let mut snapshot: Snapshot = serde_json::from_str(&text).unwrap();
    let options = snapshot.options.as_mut().unwrap();
    let leg = options.legs[0];
    let unit = I256::try_from(10_u64.pow(18)).unwrap();
    let made = |&(id, strike, size): &(u64, &str, i64)| OptionLeg {
        id,
        strike: to_raw(decimal(strike), 18).unwrap(),
        size: I256::try_from(size).unwrap() * unit,
        expiry: snapshot.block.timestamp + 2 * DAY,
        ..leg
    };
    options.legs = legs.iter().map(made).collect();
    (snapshot, load_policy(&root.join("policy.json")).unwrap())
}

fn from(snapshot: &Snapshot, policy: &PublishedPolicy, setting: &Setting) -> (Vec<Step>, Outcome) {
    let standing = Standing::of(snapshot);
    let (price, begin) = (standing.price().unwrap(), snapshot.block.timestamp);
    // At 3 % more from the second hour on.
    let tick = |hour: u64| Tick {
        time: begin + HOUR * hour,
        price: if hour > 1 { price * decimal("1.03") } else { price },
        closes: true,
        jumps: true,
    };
    let ticks: Vec<Tick> = (0..80).map(tick).collect();
    let past = Past { ticks: &ticks, base_fees: &[], setting, start: Start::Vault(standing) };
    let mut steps = Vec::new();
    let outcome = walk(&past, &Keeper::Cash(policy.clone()), |step| steps.push(*step)).unwrap();
    (steps, outcome)
}

#[test]
fn the_book_of_a_vault_as_it_stands_runs_out_and_rolls_only_where_the_setting_says_so() {
    let (snapshot, policy) = standing(&[(2, "2000", -10), (3, "2500", 10)]);
    let (steps, outcome) = from(&snapshot, &policy, &Setting::default());
    let first = steps[0].account;
    // What it stands with came in with it: collateral of 10 · 500, and what it owes.
    let options = first.options.unwrap();
    assert_eq!((options.posted, options.earned()), (decimal("5000"), Decimal::ZERO));
    assert!(options.mark < Decimal::ZERO && options.mark == options.brought, "{options:?}");
    assert_eq!(first.flows, first.cash + first.value + options.posted + options.mark);
    let [roll] = outcome.rolls.as_slice() else { panic!("{:?}", outcome.rolls) };
    assert_eq!((roll.number, roll.opened, roll.limit), (1, None, Some(decimal("2500"))));
    let settled = roll.settled.unwrap();
    assert_eq!(settled.payoff, decimal("-10") * (settled.price - decimal("2000")).max(Decimal::ZERO));
    assert!(settled.price > decimal("2000") && settled.at > roll.expiry, "{settled:?}");
    let last = steps.last().unwrap().account;
    let options = last.options.unwrap();
    assert_eq!(
        (options.posted, options.mark, options.payoffs),
        (Decimal::ZERO, Decimal::ZERO, settled.payoff)
    );
    assert_eq!(last.cash, first.cash + decimal("5000") + settled.payoff);
    for step in &steps {
        let account = step.account;
        let made = account.flows + account.earned + account.options.unwrap().earned();
        assert_eq!(account.net(), made - account.fees - account.impact - account.gas);
    }
    // The next series a day later.
    let rolling = Setting { options: Some(calls()), ..Setting::default() };
    let (_, outcome) = from(&snapshot, &policy, &rolling);
    assert_eq!(outcome.rolls.iter().map(|roll| roll.number).collect::<Vec<_>>(), [1, 2]);
    let at = outcome.rolls[1].opened.unwrap().at;
    assert_eq!(at, outcome.rolls[0].settled.unwrap().at + DAY);
}

#[test]
fn a_written_call_without_a_limit_is_paid_out_of_what_is_idle() {
    let (snapshot, policy) = standing(&[(1, "2000", -10)]);
    let (steps, outcome) = from(&snapshot, &policy, &Setting::default());
    let settled = outcome.rolls[0].settled.unwrap();
    assert_eq!(settled.payoff, decimal("-10") * (settled.price - decimal("2000")));
    assert_eq!(steps[79].account.cash, steps[0].account.cash + settled.payoff);
    assert_eq!(outcome.rolls[0].collateral, Decimal::ZERO);
}

#[test]
fn a_shock_counts_no_option_and_the_hedge_follows_it() {
    let (mut snapshot, policy) = standing(&[(2, "2000", -200), (3, "2800", 200)]);
    for leg in &mut snapshot.options.as_mut().unwrap().legs {
        leg.expiry += 26 * DAY;
    }
    let deleverage = Deleverage { grace_seconds: 3_600, since: None };
    let subject = Subject { standing: Standing::of(&snapshot), published: &policy, deleverage };
    let units = |percent| {
        let trial = shocked(&subject, &Shock::of_price(percent)).unwrap();
        assert_eq!((trial.before.net, trial.after.net), (decimal("1000000"), decimal("1000000")));
        assert!(trial.holds(), "{trial:?}");
        let decided = trial.decision.unwrap();
        let trade = decided.trade.unwrap_or_else(|| panic!("{}: {}", decided.code, decided.reason));
        assert!(!trade.sell, "{trade:?}");
        trade.units.real()
    };
    // Two hundred calls at the money have a delta of some hundred less what those at the limit take, of which the trade stops at the
    // near edge of the band; below the money it is less.
    let (at, below) = (units(0), units(-2));
    assert!((50.0..110.0).contains(&at) && (5.0..30.0).contains(&(at - below)), "{at} {below}");
}
