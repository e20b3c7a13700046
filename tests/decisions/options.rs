//! The delta hedge of an option book: what is wanted, what cannot be had, and what people are told.

use alloy::primitives::{Address, B256, U256};
use proptest::prelude::*;
use serde_json::Value;
use vault_keeper::domain::canonical;
use vault_keeper::domain::decision::{Decision, Verdict, decide};
use vault_keeper::domain::limits::SizeLimit;
use vault_keeper::domain::models::band::Costs;
use vault_keeper::domain::models::cppi::Holding;
use vault_keeper::domain::models::greeks::{Contract, Greeks, Underlying};
use vault_keeper::domain::models::shortfall::GapRisk;
use vault_keeper::domain::models::tracking::{Appraised, Response, Tracked};
use vault_keeper::domain::options::{Book, ImpliedSource};
use vault_keeper::domain::plan::Plan;
use vault_keeper::domain::policy::{
    BoundPolicy, Estimator, GreekBounds, ImpliedPolicy, MOST_LEGS, Policy, SmileExpiry, SmilePoint,
    StrategyPolicy, Trigger,
};
use vault_keeper::domain::reason::{Disagreement, Greek, ImpliedFault, Reason};
use vault_keeper::domain::snapshot::{ImpliedVolatility, OptionKind, OptionLeg};
use vault_keeper::domain::units::{Ratio, Units, Usd};

use crate::arbitrary::{fixed, realistic};
use crate::facts::*;

use OptionKind::{Call, Put};

const EXAMPLE: &str = include_str!("../../examples/policies/delta-hedge.toml");

fn ratio(text: &str) -> Ratio {
    text.parse().unwrap()
}

/// A volatility of 80 %, so that what is expected can be computed here too.
fn hedge(facts: Facts, legs: Vec<OptionLeg>) -> Facts {
    let fixed = Estimator::Fixed { annual: ratio("0.8") };
    facts.hedging(legs).with(|_, p| p.volatility.estimator = fixed)
}

/// Two hundred calls written at the money, for a month.
fn written() -> Vec<OptionLeg> {
    vec![leg(1, Call, PRICE, 30, "-200")]
}

fn greeks(kind: OptionKind, strike: f64, days: f64, volatility: f64) -> Greeks {
    let underlying = Underlying::Spot { price: 2_000.0, carry: 0.0 };
    Contract { kind, underlying, strike, years: days / 365.0, volatility, rate: 0.0 }.greeks().unwrap()
}

fn book(decision: &Decision) -> &Book {
    decision.appraisal.as_ref().unwrap().options.as_ref().unwrap()
}

fn terms(policy: &mut Policy) -> (&mut Units, &mut ImpliedPolicy, &mut Option<GreekBounds>) {
    let StrategyPolicy::DeltaHedge { target_delta, implied, bounds, .. } = &mut policy.strategy else {
        panic!()
    };
    (target_delta, implied, bounds)
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-12 * expected.abs(), "{found} is not {expected}");
}

#[test]
fn a_long_hedge_works_whole() {
    let mut facts = hedge(Facts::all_stable(), written());
    let decision = facts.decide();
    assert_eq!(decision.verdict.reason().code(), "worth");
    let call = greeks(Call, 2_000.0, 30.0, 0.8);
    let appraisal = decision.appraisal.as_ref().unwrap();
    close(appraisal.target.real(), 200.0 * call.delta);
    close(appraisal.economics.sensitivity.get(), 200.0 * call.gamma);
    let book = book(&decision);
    close(book.delta.get(), -200.0 * call.delta);
    close(book.value.get(), -200.0 * call.price);
    close(book.gamma.get(), -200.0 * call.gamma);
    close(book.vega.get(), -200.0 * call.vega);
    close(book.theta.get(), -200.0 * call.theta);
    // Trades until it stands at the inner edge, and then holds.
    for _ in 0..8 {
        let Verdict::Rebalance { trade, .. } = facts.decide().verdict else { break };
        assert!(!trade.sell_risky && !trade.mandatory);
        facts = facts.after(&trade);
    }
    let held = facts.decide();
    assert_eq!(held.verdict.reason().code(), "within_band");
    let appraisal = held.appraisal.unwrap();
    let (left, inner) = (appraisal.drift.real(), appraisal.economics.inner.get());
    assert!(left < 0.0 && (left + inner).abs() < 0.02 * inner, "{left} {inner}");
    // The price falls, the calls lose delta, and what is too much is sold.
    let fallen = facts.market(price_of(1_700), &Liquidity::default(), false);
    assert!(fallen.trade().sell_risky && fallen.code() == "worth");
}

#[test]
fn written_puts_and_a_target_delta_move_what_is_held() {
    let target = |facts: &Facts| facts.decide().appraisal.unwrap().target.real();
    let call = greeks(Call, 2_000.0, 30.0, 0.8).delta;
    let put = greeks(Put, 1_900.0, 60.0, 0.8).delta;
    let two = hedge(Facts::all_stable(), vec![leg(1, Call, PRICE, 30, "-200"), leg(7, Put, 1_900, 60, "30")]);
    close(target(&two), 200.0 * call - 30.0 * put);
    let aimed = two.clone().with(|_, p| *terms(p).0 = "12.5".parse().unwrap());
    close(target(&aimed), 12.5 + 200.0 * call - 30.0 * put);
    let none = hedge(Facts::all_stable(), Vec::new()).with(|_, p| *terms(p).0 = "12.5".parse().unwrap());
    assert_eq!(none.decide().appraisal.unwrap().target, "12.5".parse().unwrap());
    // It stands still, so there is no band: what pays is made whole.
    assert!((none.trade().size.real() - 12.5).abs() < 1e-9, "{:?}", none.trade());
    assert_eq!(hedge(Facts::all_stable(), Vec::new()).code(), "on_target");
}

/// For the list of all reasons: nothing to sell where a short position is wanted.
pub(crate) fn short() -> Facts {
    hedge(Facts::all_stable(), vec![leg(1, Call, PRICE, 30, "100")])
}

/// For the list of all reasons: more is wanted than the vault can pay for, and it has bought what it can.
pub(crate) fn overlong() -> Facts {
    hedge(Facts::holding("500", "0"), vec![leg(1, Call, PRICE, 30, "-1200")])
}

/// Hedged, with more vega than the policy allows.
pub(crate) fn over_a_bound() -> Facts {
    bounded(hedge(Facts::holding("109", "782000"), written()), "40000", "1", "100000")
}

/// Books that cannot be hedged, each for its own reason.
pub(crate) fn unknown_books() -> Vec<Facts> {
    let silent = short().with(|s, _| s.options = None);
    let large = hedge(Facts::all_stable(), (0..65).map(|id| leg(id, Call, PRICE, 30, "-2")).collect());
    vec![silent, large, from_feed(0, NOW)]
}

#[test]
fn a_short_hedge_needs_borrowing_and_says_how_much() {
    let bought = || vec![leg(1, Call, PRICE, 30, "100")];
    let short = 100.0 * greeks(Call, 2_000.0, 30.0, 0.8).delta;
    let decision = self::short().decide();
    let Verdict::Refuse { reason: Reason::NeedsBorrowing { units } } = decision.verdict else {
        panic!("{:?}", decision.verdict)
    };
    close(units.real(), short);
    assert!(
        decision.verdict.reason().to_string().contains("needs a short position of 54.56"),
        "{}",
        decision.verdict.reason()
    );
    // What is held goes first: each unit of it brings the delta nearer to the target.
    let holding = hedge(Facts::holding("20", "960000"), bought());
    let (decision, trade) = (holding.decide(), holding.trade());
    assert_eq!(decision.verdict.reason().code(), "worth");
    assert!(trade.sell_risky && trade.size.real() == 20.0 && trade.cut_by.is_none(), "{trade:?}");
    let appraisal = decision.appraisal.unwrap();
    close(appraisal.target.real(), -short);
    assert_eq!(appraisal.missing(), Some(Reason::NeedsBorrowing { units }));
    assert_eq!(appraisal.alerts().collect::<Vec<_>>(), [Reason::NeedsBorrowing { units }]);
    // Benefit over the month of the whole drift, not of what is held alone.
    let penalty = 0.5 * (4.0 / 1_000_000.0) * (0.8 * 2_000.0) * (0.8 * 2_000.0);
    let life = 30.0 / 365.0;
    let effective = appraisal.economics.penalty.get();
    assert!(effective >= penalty);
    let saved = effective * life * ((20.0 + short) * (20.0 + short) - short * short);
    assert!((trade.benefit.get() - saved).abs() < 1e-9 * saved, "{} {saved}", trade.benefit);
    assert_eq!(holding.after(&trade).code(), "needs_borrowing");
    // Dust is not worth selling; what is missing is the rest.
    assert_eq!(hedge(Facts::holding("0.000001", "1000000"), bought()).code(), "needs_borrowing");
    // A short position within the band is no trade that is wanted.
    let small = hedge(Facts::all_stable(), vec![leg(1, Call, PRICE, 30, "1")]).decide();
    assert_eq!((small.verdict.reason().code().as_str(), small.alerts().count()), ("within_band", 0));
}

fn bounded(facts: Facts, vega: &str, gamma: &str, theta: &str) -> Facts {
    facts.with(|_, p| {
        let (vega, gamma, theta) = (vega.parse().ok(), gamma.parse().ok(), theta.parse().ok());
        *terms(p).2 = Some(GreekBounds { vega, gamma, theta });
    })
}

#[test]
fn a_long_hedge_over_net_asset_value_buys_what_it_can_and_then_needs_leverage() {
    let written = || vec![leg(1, Call, PRICE, 30, "-1200")];
    let expected = 1_200.0 * greeks(Call, 2_000.0, 30.0, 0.8).delta - 500.0;
    let lacking = |decision: &Decision| match decision.appraisal.as_ref().unwrap().missing() {
        Some(Reason::NeedsLeverage { units }) => units.real(),
        other => panic!("{other:?}"),
    };
    assert!((lacking(&hedge(Facts::all_stable(), written()).decide()) - expected).abs() < 1e-9);
    // Of 655 units a million dollars pay for 500. What can be bought is, in parts, and the rest is told from the start.
    let mut facts = hedge(Facts::all_stable(), written());
    let mut trades = 0;
    let refused = loop {
        let decision = facts.decide();
        let appraisal = decision.appraisal.as_ref().unwrap();
        let rest = appraisal.target.real() - appraisal.nav.real() / 2_000.0;
        assert!((lacking(&decision) - rest).abs() < 1e-9 && rest >= expected - 0.5, "{decision:?}");
        let alerts: Vec<Reason> = decision.alerts().collect();
        assert_eq!(alerts, [appraisal.missing().unwrap()]);
        let Verdict::Rebalance { trade, .. } = &decision.verdict else { break decision };
        assert!(!trade.sell_risky && trades < 100, "{trade:?}");
        (facts, trades) = (facts.after(trade), trades + 1);
    };
    // Less than the smallest trade is left in cash.
    assert!(facts.snapshot.vault.asset_holdings < U256::from(100_000_000), "{:?}", facts.snapshot.vault);
    let Verdict::Refuse { reason } = &refused.verdict else { panic!("{:?}", refused.verdict) };
    assert_eq!(reason.code(), "needs_leverage");
    assert!(trades > 0 && reason.to_string().contains("units more than the vault can pay for"), "{reason}");
    // A price that makes it reachable again ends it.
    assert_eq!(facts.market(price_of(1_700), &Liquidity::default(), false).code(), "worth");
}

#[test]
fn a_vault_at_its_exposure_cap_needs_leverage_too_and_one_that_only_waits_says_for_what() {
    let written = || vec![leg(1, Call, PRICE, 30, "-1200")];
    let at_cap =
        hedge(Facts::holding("450", "100000"), written()).with(|s, _| s.vault.guards.cap_bps = 9_000);
    assert_eq!(at_cap.code(), "needs_leverage");
    let spent = hedge(Facts::holding("450", "100000"), written());
    assert_eq!(spent.trade().cut_by, Some(SizeLimit::Holdings));
    let spent = spent.with(|s, _| s.vault.guards.turnover_left = U256::ZERO);
    assert_eq!((spent.decide().verdict.name(), spent.code()), ("refuse", "too_small".into()));
    // So does one whose turnover is spent while it still holds what it should sell.
    let held = hedge(Facts::holding("20", "960000"), vec![leg(1, Call, PRICE, 30, "100")]);
    let held = held.with(|s, _| s.vault.guards.turnover_left = U256::ZERO);
    assert_eq!((held.decide().verdict.name(), held.code()), ("refuse", "too_small".into()));
}

#[test]
fn what_is_missing_for_a_hedge_is_no_reason_where_it_is_not_worth_a_trade() {
    let lasting = |seconds| {
        let legs = vec![OptionLeg { expiry: NOW + seconds, ..leg(1, Call, 1_950, 0, "-1200") }];
        hedge(Facts::holding("500", "0"), legs).code()
    };
    assert_eq!((lasting(60).as_str(), lasting(30 * 86_400).as_str()), ("not_worth", "needs_leverage"));
    // An interval asks whatever it costs, but not for less than the smallest trade: 99 dollars short, or too much.
    for (held, cash, aim) in [("0", "1000000", "-0.0495"), ("500", "0", "500.0495")] {
        let facts = hedge(Facts::holding(held, cash), Vec::new()).with(|_, p| {
            *terms(p).0 = aim.parse().unwrap();
            p.trigger = Trigger::Interval { seconds: 3_600 };
        });
        let decision = facts.decide();
        let Verdict::Hold { reason: Reason::TooSmall { value, min } } = &decision.verdict else {
            panic!("{aim}: {:?}", decision.verdict)
        };
        assert_eq!((value.to_string().as_str(), min.to_string().as_str()), ("99", "100"));
        assert!(decision.appraisal.unwrap().missing().is_some());
    }
}

#[test]
fn a_greek_over_its_bound_is_the_reason_to_hold_and_is_told_beside_a_trade() {
    let call = greeks(Call, 2_000.0, 30.0, 0.8);
    // Nearly hedged.
    let held = || hedge(Facts::holding("109", "782000"), written());
    assert_eq!(held().code(), "within_band");
    assert_eq!(bounded(held(), "1000000", "1", "10000000").code(), "within_band");
    let decision = over_a_bound().decide();
    let Verdict::Hold { reason: Reason::GreekBound { greek: Greek::Vega, value, bound } } = decision.verdict
    else {
        panic!("{:?}", decision.verdict)
    };
    close(value.get(), -200.0 * call.vega);
    assert_eq!(bound.get(), 40_000.0);
    let greeks_over = |decision: &Decision| -> Vec<Greek> {
        let of = |reason: &Reason| match reason {
            Reason::GreekBound { greek, .. } => *greek,
            other => panic!("{other:?}"),
        };
        book(decision).crossed.iter().map(of).collect()
    };
    assert_eq!(greeks_over(&decision), [Greek::Vega, Greek::Theta]);
    let decision = bounded(hedge(Facts::all_stable(), written()), "", "0.001", "").decide();
    assert_eq!(decision.verdict.reason().code(), "worth");
    assert_eq!(greeks_over(&decision), [Greek::Gamma]);
    assert_eq!(decision.appraisal.unwrap().alerts().count(), 1);
    // A latch is more than a bound.
    let locked = held().with(|s, _| (s.vault.cash_lock, s.vault.risky_holdings) = (true, U256::ZERO));
    assert_eq!(bounded(locked, "40000", "", "").code(), "cash_lock");
}

#[test]
fn an_expired_leg_is_worth_what_it_pays_and_moves_nothing() {
    let mut legs = written();
    legs.push(leg(2, Call, 1_900, 0, "-10"));
    let facts = hedge(Facts::all_stable(), legs);
    let decision = facts.decide();
    let alone = hedge(Facts::all_stable(), written()).decide();
    assert_eq!(decision.appraisal.as_ref().unwrap().target, alone.appraisal.as_ref().unwrap().target);
    let [open, expired] = book(&decision).legs[..] else { panic!() };
    assert!(open.open.is_some() && expired.open.is_none());
    close(expired.value.get(), -1_000.0);
    close(book(&decision).value.get(), book(&alone).value.get() - 1_000.0);
    // At the round that stood when it expired, not at today's price.
    let round = facts.snapshot.feeds.risky_usd.history[50];
    let earlier =
        facts.clone().with(|s, _| s.options.as_mut().unwrap().legs[1].expiry = round.updated_at + 1);
    let price = f64::from(u32::try_from(round.answer.unsigned_abs().to::<u64>() / 100).unwrap()) / 1e6;
    let value = book(&earlier.decide()).legs[1].value.get();
    assert!((value + 10.0 * (price - 1_900.0).max(0.0)).abs() < 1e-4, "{value} {price}");
    // Long before what is known, at today's.
    let ancient = facts.with(|s, _| s.options.as_mut().unwrap().legs[1].expiry = 1);
    close(book(&ancient.decide()).legs[1].value.get(), -1_000.0);
}

#[test]
fn what_lasts_a_minute_is_not_worth_a_trade() {
    let lasting = |seconds| {
        let mut legs = vec![leg(1, Call, 1_950, 0, "-200")];
        legs[0].expiry = NOW + seconds;
        hedge(Facts::all_stable(), legs)
    };
    assert_eq!(lasting(60).code(), "not_worth");
    assert_eq!(lasting(30 * 86_400).code(), "worth");
    // Nor is it worth a short position.
    for held in ["0", "0.0005"] {
        let bought = |seconds| {
            let legs = vec![OptionLeg { expiry: NOW + seconds, ..leg(1, Call, 1_950, 0, "100") }];
            hedge(Facts::holding(held, "1000000"), legs).code()
        };
        assert_eq!(
            (bought(60).as_str(), bought(30 * 86_400).as_str()),
            ("not_worth", "needs_borrowing"),
            "{held}"
        );
    }
    // Neither does the next expiry keep what outlives it from being hedged.
    let with_a_small_one = lasting(30 * 86_400).with(|s, _| {
        let small = OptionLeg { id: 2, expiry: NOW + 60, ..leg(2, Call, 1_950, 0, "-1") };
        s.options.as_mut().unwrap().legs.push(small);
    });
    assert_eq!(with_a_small_one.code(), "worth");
}

fn implied_by(facts: Facts, of: ImpliedPolicy) -> Facts {
    facts.with(|_, p| *terms(p).1 = of)
}

fn from_feed(annual: u64, updated_at: u64) -> Facts {
    let feed = ImpliedPolicy::Feed { address: Address::with_last_byte(9), max_age_seconds: 3_600 };
    implied_by(hedge(Facts::all_stable(), written()), feed).with(|s, _| {
        let annual = U256::from(annual) * U256::from(10_u64.pow(16));
        s.options.as_mut().unwrap().legs[0].implied = Some(ImpliedVolatility { annual, updated_at });
    })
}

#[test]
fn an_implied_volatility_comes_from_feed_smile_or_estimate_and_the_record_says_which() {
    let used = |facts: &Facts| {
        let decision = facts.decide();
        let open = book(&decision).legs[0].open.unwrap();
        (open.volatility.get(), open.source, open.delta.get())
    };
    let (volatility, source, delta) = used(&from_feed(65, NOW - 3_600));
    assert_eq!((volatility, source), (0.65, ImpliedSource::Feed));
    close(delta, -200.0 * greeks(Call, 2_000.0, 30.0, 0.65).delta);
    let (volatility, source, _) = used(&hedge(Facts::all_stable(), written()));
    assert_eq!((volatility, source), (0.8, ImpliedSource::Estimate));
    let point = |strike: &str, volatility: &str| SmilePoint {
        delta: None,
        strike: Some(ratio(strike)),
        volatility: ratio(volatility),
    };
    let smile = |days| ImpliedPolicy::Smile {
        expiries: vec![SmileExpiry {
            days,
            points: vec![point("0.9", "0.75"), point("1", "0.7"), point("1.1", "0.72")],
        }],
    };
    let facts = implied_by(hedge(Facts::all_stable(), written()), smile(45));
    let (volatility, source, delta) = used(&facts);
    close(volatility, 0.7);
    assert_eq!(source, ImpliedSource::Smile);
    close(delta, -200.0 * greeks(Call, 2_000.0, 30.0, 0.7).delta);
    let short = implied_by(hedge(Facts::all_stable(), written()), smile(29)).decide();
    let fault = ImpliedFault::BeyondSmile;
    assert_eq!(*short.verdict.reason(), Reason::NoImpliedVolatility { leg: 1, fault });
}

#[test]
fn a_feed_that_is_silent_stale_or_absurd_is_a_refusal() {
    let fault = |facts: Facts| match facts.decide().verdict {
        Verdict::Refuse { reason: Reason::NoImpliedVolatility { leg: 1, fault } } => fault,
        other => panic!("{other:?}"),
    };
    assert_eq!(fault(from_feed(65, NOW - 3_601)), ImpliedFault::Stale { age: 3_601, limit: 3_600 });
    assert_eq!(fault(from_feed(65, NOW + 1)), ImpliedFault::FromTheFuture);
    assert_eq!(fault(from_feed(65, 0)), ImpliedFault::Missing);
    assert_eq!(fault(from_feed(0, NOW)), ImpliedFault::OutOfBounds);
    assert_eq!(fault(from_feed(1_001, NOW)), ImpliedFault::OutOfBounds);
    assert_eq!(from_feed(1_000, NOW).decide().verdict.name(), "rebalance");
    let silent = from_feed(65, NOW).with(|s, _| s.options.as_mut().unwrap().legs[0].implied = None);
    assert_eq!(fault(silent), ImpliedFault::Missing);
    // An expired leg needs none.
    let expired = from_feed(65, NOW).with(|s, _| {
        let leg = &mut s.options.as_mut().unwrap().legs[0];
        (leg.implied, leg.expiry) = (None, NOW);
    });
    assert_eq!(expired.code(), "on_target");
}

#[test]
fn a_book_that_is_absent_another_or_too_large_is_a_refusal() {
    let facts = hedge(Facts::all_stable(), written());
    let refusal = |facts: Facts| match facts.decide().verdict {
        Verdict::Refuse { reason } => reason,
        other => panic!("{other:?}"),
    };
    let silent = facts.clone().with(|s, _| s.options = None);
    assert_eq!(refusal(silent), Reason::NoOptionBook { book: BOOK });
    let foreign = facts.clone().with(|s, _| s.options.as_mut().unwrap().address = Address::with_last_byte(3));
    assert_eq!(refusal(foreign), Reason::NoOptionBook { book: BOOK });
    for other in [None, Some(Address::with_last_byte(3))] {
        let what = Disagreement::OptionBook;
        assert_eq!(
            refusal(facts.clone().with(|s, _| s.vault.option_book = other)),
            Reason::VaultMismatch { what }
        );
    }
    let many = |count: u64| {
        hedge(Facts::all_stable(), (0..count).map(|id| leg(id, Call, PRICE, 30, "-2")).collect())
    };
    assert_eq!(many(64).decide().verdict.name(), "rebalance");
    assert_eq!(refusal(many(65)), Reason::TooManyLegs { legs: 65, most: 64 });
    assert_eq!(MOST_LEGS, 64);
    // Another strategy does not hedge them, and stays closed.
    let open = facts.with(|_, p| p.strategy = StrategyPolicy::ConstantWeight { weight: ratio("0.5") });
    assert_eq!(refusal(open), Reason::EpochOpen);
}

#[test]
fn what_must_be_sold_is_sold_whatever_the_book_says() {
    let silent = |facts: Facts| hedge(facts, written()).with(|s, _| s.options = None);
    let locked = silent(Facts::holding("50", "90000"));
    assert_eq!(locked.code(), "cash_lock");
    assert_eq!(locked.trade().size.real(), 50.0);
    let thin = |facts: Facts| facts.with(|s, _| s.vault.floor = U256::from(740_000_000_000_u64));
    let risky = thin(silent(Facts::holding("400", "20000")));
    assert_eq!(risky.code(), "floor_at_risk");
    // A book that is known and wants less has its way: it is bounds first, then the hedge within them.
    let known = thin(hedge(Facts::holding("400", "20000"), written()));
    let (unknown, known) = (risky.decide().appraisal.unwrap(), known.decide().appraisal.unwrap());
    assert!(known.target < unknown.target && unknown.target < unknown.held, "{known:?} {unknown:?}");
    assert!(unknown.options.is_none());
}

#[test]
fn other_strategies_record_nothing_of_options() {
    let recorded = |facts: Facts| canonical::json(&facts.decide()).unwrap();
    assert!(!recorded(Facts::all_stable()).contains("options"));
    let text = recorded(hedge(Facts::all_stable(), written()));
    let read: Decision = serde_json::from_str(&text).unwrap();
    assert_eq!(canonical::json(&read).unwrap(), text);
    let value: Value = serde_json::from_str(&text).unwrap();
    let leg = &value["appraisal"]["options"]["legs"][0];
    assert_eq!(leg["id"], "1");
    assert_eq!(leg["open"]["source"], "estimate");
    assert_eq!(leg["open"]["volatility"], "8e-1");
}

/// The example's policy over the feeds and pools of the facts, with the book that it names.
fn example(facts: Facts) -> Facts {
    let example: Policy = toml::from_str(EXAMPLE).unwrap();
    assert_eq!(example.violations(), []);
    facts.hedging(written()).with(|_, p| {
        let (feeds, venues) = (p.feeds.clone(), p.venues.clone());
        *p = Policy { feeds, venues, ..example };
    })
}

#[test]
fn the_example_hedges_a_written_call_at_its_smile() {
    let decision = example(Facts::all_stable()).decide();
    assert_eq!(decision.verdict.reason().code(), "worth");
    let open = book(&decision).legs[0].open.unwrap();
    assert_eq!(open.source, ImpliedSource::Smile);
    // At the forward, a little to the side of the puts from the point at a delta of a half.
    assert!((open.volatility.get() - 0.683_490_6).abs() < 1e-6, "{open:?}");
    let trade = example(Facts::all_stable()).trade();
    // Part of it now: impact makes that cheaper on average.
    assert!(!trade.sell_risky && (20.0..108.0).contains(&trade.size.real()), "{trade:?}");
}

fn appraised(costs: Costs, gamma: f64, life: Option<f64>) -> Appraised {
    let tracked = Tracked {
        response: Response::Hedge { gamma, life },
        cushion: 4.0,
        holding: Holding { units: 0.0, price: 100.0, volatility: 0.7 },
        target: -1.0,
        costs,
        nav: 4.0,
        aversion: 4.0,
        horizon: 1.0,
        interval: 0.0,
        gap: GapRisk { jump_rate: 0.0, jump_mean: 0.0, volatility: 0.7, interval: 1e-4 },
        floor_weight: 5.0,
    };
    tracked.appraise(None).unwrap()
}

#[test]
fn the_band_of_a_hedge_is_that_of_whalley_and_wilmott_and_of_the_fixed_cost() {
    let free = appraised(Costs { fixed: 0.0, proportional: 1.0 }, 0.02, None);
    assert!(
        (free.outer - 0.084_343_266_530_2).abs() < 1e-12 && (free.inner - free.outer).abs() < 1e-12,
        "{free:?}"
    );
    let fixed = appraised(Costs { fixed: 1.0, proportional: 0.0 }, 0.02, None);
    assert!((fixed.outer - 0.263_214_802_590).abs() < 1e-11 && fixed.inner < 1e-12, "{fixed:?}");
}

#[test]
fn a_better_hedge_pays_until_the_legs_expire_and_never_longer_than_the_horizon() {
    let gain = |life| appraised(Costs { fixed: 1.0, proportional: 1.0 }, 0.02, life).gain(2.0, 1.0).unwrap();
    let penalty = 0.5 * 0.7 * 0.7 * 100.0 * 100.0;
    close(gain(None), 3.0 * penalty);
    close(gain(Some(0.25)), 0.75 * penalty);
    close(gain(Some(9.0)), 3.0 * penalty);
}

fn any_leg() -> impl Strategy<Value = OptionLeg> {
    let days = prop_oneof![1 => Just(0_u64), 6 => 1..400_u64];
    (any::<bool>(), 1..4_000_u64, days, -50_000..50_000_i64).prop_map(|(call, strike, days, size)| {
        let kind = if call { Call } else { Put };
        leg(strike, kind, strike, days, &format!("{}", rust_decimal::Decimal::new(size, 2)))
    })
}

fn any_bound() -> impl Strategy<Value = BoundPolicy> {
    let share = |k: u32| Ratio::from_bps(k);
    prop_oneof![
        (10_001..80_000_u32).prop_map(move |k| BoundPolicy::Cushion { multiplier: share(k) }),
        (1..20_000_u32).prop_map(move |k| BoundPolicy::Volatility { annual: share(k) }),
        (1..10_000_u32).prop_map(move |k| BoundPolicy::Weight { most: share(k) }),
    ]
}

/// Realistic facts with a book; vault, market and policy keep what they are but for the floor.
fn hedged() -> impl Strategy<Value = Facts> {
    (realistic(), prop::collection::vec(any_leg(), 0..24)).prop_map(|(facts, legs)| {
        let floor = facts.snapshot.vault.floor;
        facts.hedging(legs).with(|s, _| s.vault.floor = floor)
    })
}

proptest! {
    #![proptest_config(fixed(500))]

    #[test]
    fn a_hedge_makes_the_delta_of_book_and_holding_its_target_or_is_bounded(facts in hedged()) {
        let Some(appraisal) = facts.decide().appraisal else { return Ok(()) };
        let book = appraisal.options.as_ref().unwrap();
        let total = appraisal.target.real() + book.delta.get();
        let most = appraisal.multiplier.unwrap().effective.real() * appraisal.cushion.net.real().max(0.0);
        let exposed = appraisal.target.real() * appraisal.price.real();
        let neutral = total.abs() <= 1e-9 * (1.0 + book.delta.get().abs());
        let bounded = exposed >= most - 1e-6 * (1.0 + most) && total < 0.0;
        let locked = appraisal.cushion.net <= Usd::ZERO && appraisal.target == Units::ZERO;
        prop_assert!(neutral || bounded || locked, "{appraisal:?}");
    }

    #[test]
    fn adding_a_bound_to_a_hedge_never_raises_exposure(
        facts in hedged(),
        bounds in prop::collection::vec(any_bound(), 1..4),
        more in any_bound(),
    ) {
        let primary = facts.policy.strategy.clone();
        let within = |bounds: Vec<BoundPolicy>| {
            let strategy = StrategyPolicy::Combined { primary: Box::new(primary.clone()), bounds };
            let decision = facts.clone().with(|_, p| p.strategy = strategy).decide();
            decision.appraisal.map(|a| a.target)
        };
        let alone = facts.decide().appraisal.map(|a| a.target);
        let (bounded, tighter) = (within(bounds.clone()), within([bounds, vec![more]].concat()));
        let magnitude = |units: Option<Units>| units.map(Units::abs);
        prop_assert!(magnitude(bounded) <= magnitude(alone), "{bounded:?} {alone:?}");
        prop_assert!(magnitude(tighter) <= magnitude(bounded), "{tighter:?} {bounded:?}");
    }

    #[test]
    fn a_hedge_trades_towards_its_target_and_never_beyond_it(facts in hedged()) {
        let decision = facts.decide();
        let Verdict::Rebalance { trade, .. } = &decision.verdict else { return Ok(()) };
        let appraisal = decision.appraisal.as_ref().unwrap();
        prop_assert_eq!(trade.sell_risky, appraisal.drift > Units::ZERO);
        prop_assert!(trade.size.real() <= appraisal.drift.real().abs() * (1.0 + 1e-9));
        prop_assert!(!trade.sell_risky || trade.size <= appraisal.held);
    }

    #[test]
    fn no_legs_whatever_make_a_decision_panic(
        facts in hedged(), strike in any::<u64>(), shift in 0..256_usize, size in any::<[u8; 32]>(), expiry in any::<u64>(),
        annual in any::<[u8; 32]>(), updated_at in any::<u64>(), from_feed in any::<bool>(),
    ) {
        let feed = ImpliedPolicy::Feed { address: Address::with_last_byte(9), max_age_seconds: u64::MAX };
        let facts = facts.with(|s, p| {
            let size = alloy::primitives::I256::from_be_bytes(size).asr(shift);
            let implied = Some(ImpliedVolatility { annual: U256::from_be_bytes(annual), updated_at });
            let strike = U256::from(strike) << shift;
            s.options.as_mut().unwrap().legs.push(OptionLeg { id: 0, kind: Put, strike, expiry, size, implied });
            if from_feed {
                *terms(p).1 = feed;
            }
        });
        let (snapshot, published) = facts.published();
        let decision = decide(&snapshot, &published);
        prop_assert!(canonical::json(&decision).is_ok() && !decision.verdict.reason().to_string().is_empty());
        let plan = Plan::of(&snapshot, &published, &decision, B256::ZERO);
        prop_assert_eq!(plan.is_some(), decision.verdict.name() == "rebalance");
    }
}

#[test]
fn dust_that_is_left_of_a_hedge_is_held_and_not_refused_for_ever() {
    // 133 wei bring no unit of the asset at all.
    let left = hedge(Facts::holding("0.000000000000000133", "1000000"), Vec::new());
    assert_eq!((left.decide().verdict.name(), left.code()), ("hold", "not_worth".into()));
}

#[test]
fn a_leg_that_waits_to_be_settled_is_an_alert() {
    let mut legs = vec![leg(4, Call, 1_950, 20, "-200"), leg(5, Call, 2_100, 20, "200")];
    legs[1].expiry = NOW;
    let decision = hedge(Facts::all_stable(), legs).decide();
    let alerts: Vec<Reason> = decision.alerts().collect();
    assert_eq!(alerts, [Reason::OptionUnsettled { leg: 5 }]);
}
