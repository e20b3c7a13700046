//! Every reason there is, from a realistic vault, with its figures; and the order in which they are looked for.

use std::collections::BTreeSet;

use alloy::primitives::{Address, B256, I256, U256};
use vault_keeper::domain::decision::{Decision, Verdict, decide};
use vault_keeper::domain::policy::{
    ChainKind, Estimator, FeedPolicy, FloorPolicy, Policy, SequencerPolicy, TradeTo, Trigger,
};
use vault_keeper::domain::reason::{Disagreement, FeedName, PriceFault, PriceReference, Reason};
use vault_keeper::domain::snapshot::{Pool, Sequencer, SequencerStatus, Snapshot};

use crate::facts::*;

/// What is decided where the published facts are changed once more, behind the owner's back.
fn tampered(facts: &Facts, change: impl FnOnce(&mut Snapshot)) -> Decision {
    let (mut snapshot, published) = facts.published();
    change(&mut snapshot);
    decide(&snapshot, &published)
}

fn reason(facts: &Facts) -> Reason {
    facts.decide().verdict.reason().clone()
}

fn refusal(change: impl FnOnce(&mut Snapshot, &mut Policy)) -> Reason {
    match Facts::all_stable().with(change).decide() {
        Decision { verdict: Verdict::Refuse { reason }, appraisal: None } => reason,
        other => panic!("no refusal before the appraisal: {other:?}"),
    }
}

fn risky(snapshot: &mut Snapshot) -> &mut vault_keeper::domain::snapshot::Round {
    snapshot.feeds.risky_usd.latest.as_mut().unwrap()
}

fn asset(snapshot: &mut Snapshot) -> &mut vault_keeper::domain::snapshot::Round {
    snapshot.feeds.asset_usd.latest.as_mut().unwrap()
}

fn dollars(cents: i64) -> I256 {
    I256::try_from(cents * 1_000_000).unwrap()
}

fn with_sequencer(snapshot: &mut Snapshot, policy: &mut Policy, answer: i64, started_at: u64) {
    let address = Address::repeat_byte(0x5e);
    policy.feeds.sequencer = Some(SequencerPolicy { address, grace_seconds: 3_600 });
    let status = Some(SequencerStatus { answer: I256::try_from(answer).unwrap(), started_at });
    snapshot.feeds.sequencer = Some(Sequencer { address, status });
}

/// A vault a little over its target, so that the economic trigger holds.
fn near_target() -> Facts {
    Facts::holding("299.4", "401200")
}

fn on_target() -> Facts {
    // The pool pays more than the oracle says and the feed is taken to be exact: the exit costs its gas alone, and
    // 3·(1,000,000 − 800,000 − 400)/2,000 is what is held.
    let mut facts = near_target().market(price_of(2_010), &Liquidity::default(), false).oracle("2000");
    facts.policy.reserve.feed_deviation_bps = 0;
    facts
}

fn small_vault() -> Facts {
    // 8,000 dollars over a floor of 6,400; the exit costs 0.4 dollars at one gwei.
    Facts::all_stable().with(|s, p| {
        s.vault.asset_holdings = U256::from(8_000_000_000_u64);
        s.vault.floor = U256::from(6_400_000_000_u64);
        p.reserve.exit_gas_price_wei = GWEI / 2;
    })
}

fn threshold(fraction: &str, to: TradeTo) -> Trigger {
    Trigger::Threshold { fraction: fraction.parse().unwrap(), to }
}

#[test]
fn what_makes_a_decision_impossible_is_named_with_its_figures() {
    assert_eq!(refusal(|s, _| s.block.chain_id = 10), Reason::WrongChain { policy: 1, block: 10 });
    let stranger = B256::repeat_byte(7);
    let (_, published) = Facts::all_stable().published();
    assert_eq!(
        *tampered(&Facts::all_stable(), |s| s.vault.policy_hash = stranger).verdict.reason(),
        Reason::PolicyMismatch { policy: published.hash(), vault: stranger }
    );
    assert_eq!(refusal(|s, _| s.vault.epoch_open = true), Reason::EpochOpen);
    assert_eq!(refusal(|s, _| s.vault.total_supply = U256::ZERO), Reason::EmptyVault);
    assert_eq!(refusal(|s, _| s.vault.asset_holdings = U256::ZERO), Reason::EmptyVault);
    let pool = Facts::all_stable().pool().address;
    assert_eq!(refusal(|s, _| s.vault.allowed_pools.clear()), Reason::VenueNotAllowed { pool });
    let short = |s: &mut Snapshot, p: &mut Policy| {
        s.feeds.risky_usd.history.anew().drain(..50);
        let Estimator::Ewma { fallback, .. } = &mut p.volatility.estimator else { panic!("not the default") };
        *fallback = None;
    };
    assert_eq!(refusal(short), Reason::NoVolatility { rounds: 11, needed: 24, fault: None });
    let huge = |s: &mut Snapshot, _: &mut Policy| s.vault.risky_holdings = U256::MAX >> 1;
    assert_eq!(refusal(huge), Reason::Numbers { what: "a token amount is negative or too large".into() });
}

#[test]
fn vault_and_policy_must_agree_on_feeds_and_floor() {
    let facts = Facts::all_stable();
    let other = Address::repeat_byte(0x0f);
    let decided =
        |change: fn(&mut Snapshot, Address)| tampered(&facts, |s| change(s, other)).verdict.reason().clone();
    let mismatch = |what| Reason::VaultMismatch { what };
    assert_eq!(decided(|s, a| s.vault.risky_feed = a), mismatch(Disagreement::RiskyFeed));
    assert_eq!(decided(|s, a| s.vault.asset_feed = a), mismatch(Disagreement::AssetFeed));
    assert_eq!(
        decided(|s, _| s.vault.floor_policy = FloorPolicy::Fixed { share: "0.81".parse().unwrap() }),
        mismatch(Disagreement::Floor)
    );
}

#[test]
fn the_three_floor_policies_agree_with_themselves_and_with_nothing_else() {
    let ratio = |text: &str| text.parse().unwrap();
    let floors = [
        FloorPolicy::Fixed { share: ratio("0.8") },
        FloorPolicy::Accruing { share: ratio("0.8"), rate: ratio("0.03") },
        FloorPolicy::Accruing { share: ratio("0.8"), rate: ratio("0.04") },
        FloorPolicy::Ratchet { share: ratio("0.8"), peak_share: ratio("0.8") },
    ];
    for (i, stated) in floors.into_iter().enumerate() {
        for (j, kept) in floors.into_iter().enumerate() {
            let facts = Facts::all_stable().with(|_, p| p.floor = stated);
            let code = tampered(&facts, |s| s.vault.floor_policy = kept).verdict.reason().code();
            assert_eq!(code, if i == j { "worth" } else { "vault_mismatch" }, "{stated:?} against {kept:?}");
        }
    }
}

#[test]
fn a_sequencer_that_is_down_unknown_or_just_back_stops_everything() {
    let down = Reason::SequencerDown;
    assert_eq!(refusal(|s, p| with_sequencer(s, p, 1, NOW - 9_000)), down);
    assert_eq!(refusal(|s, p| with_sequencer(s, p, 0, 0)), down);
    assert_eq!(refusal(|s, p| with_sequencer(s, p, 0, NOW + 1)), down);
    assert_eq!(refusal(|s, p| with_sequencer(s, p, 0, NOW - 3_600)), down);
    let gone = |s: &mut Snapshot, p: &mut Policy| {
        with_sequencer(s, p, 0, NOW - 9_000);
        s.feeds.sequencer.as_mut().unwrap().status = None;
    };
    assert_eq!(refusal(gone), down);
    let other = |s: &mut Snapshot, p: &mut Policy| {
        with_sequencer(s, p, 0, NOW - 9_000);
        s.feeds.sequencer.as_mut().unwrap().address = Address::ZERO;
    };
    assert_eq!(refusal(other), down);
    let up = Facts::all_stable().with(|s, p| with_sequencer(s, p, 0, NOW - 3_601));
    assert_eq!(up.code(), "worth");
}

#[test]
fn a_stale_price_is_none_by_the_stricter_of_policy_and_vault() {
    let stale = |feed, age, limit| Reason::StalePrice { feed, age, limit };
    let at = |age: u64| move |s: &mut Snapshot, _: &mut Policy| risky(s).updated_at = NOW - age;
    assert_eq!(refusal(at(3_901)), stale(FeedName::RiskyUsd, 3_901, 3_900));
    assert_eq!(Facts::all_stable().with(at(3_900)).code(), "worth");
    let vault = |s: &mut Snapshot, _: &mut Policy| s.vault.guards.risky_max_age = 200;
    assert_eq!(refusal(vault), stale(FeedName::RiskyUsd, 240, 200));
    let old = |s: &mut Snapshot, _: &mut Policy| asset(s).updated_at = NOW - 90_001;
    assert_eq!(refusal(old), stale(FeedName::AssetUsd, 90_001, 90_000));
}

#[test]
fn what_is_no_price_is_refused_and_says_why() {
    let invalid = |why| Reason::InvalidPrice { feed: FeedName::RiskyUsd, why };
    assert_eq!(refusal(|s, _| s.feeds.risky_usd.latest = None), invalid(PriceFault::Missing));
    assert_eq!(refusal(|s, _| risky(s).id = 0), invalid(PriceFault::Missing));
    assert_eq!(refusal(|s, _| risky(s).updated_at = 0), invalid(PriceFault::Missing));
    assert_eq!(refusal(|s, _| s.feeds.risky_usd.address = Address::ZERO), invalid(PriceFault::Missing));
    assert_eq!(refusal(|s, _| risky(s).answer = I256::ZERO), invalid(PriceFault::NotPositive));
    assert_eq!(refusal(|s, _| risky(s).answer = I256::MINUS_ONE), invalid(PriceFault::NotPositive));
    assert_eq!(refusal(|s, _| risky(s).updated_at = NOW + 1), invalid(PriceFault::FromTheFuture));
    assert_eq!(refusal(|s, _| risky(s).answer = dollars(999)), invalid(PriceFault::OutOfBounds));
    assert_eq!(refusal(|s, _| risky(s).answer = dollars(100_000_001)), invalid(PriceFault::OutOfBounds));
    assert_eq!(refusal(|s, _| risky(s).answer = I256::MAX), invalid(PriceFault::OutOfBounds));
}

#[test]
fn an_asset_off_its_peg_is_a_refusal_and_not_a_price_of_one() {
    let off = |s: &mut Snapshot, _: &mut Policy| asset(s).answer = I256::try_from(97_999_999).unwrap();
    assert_eq!(refusal(off), Reason::AssetDepegged { price: "0.97999999".parse().unwrap(), limit_bps: 200 });
    let stricter = |s: &mut Snapshot, _: &mut Policy| {
        asset(s).answer = I256::try_from(101_000_000).unwrap();
        s.vault.guards.peg_bps = 99;
    };
    assert_eq!(refusal(stricter), Reason::AssetDepegged { price: "1.01".parse().unwrap(), limit_bps: 99 });
    // At 0.98 dollars ether is worth 2,000/0.98 of the asset, rounded down like the vault does; the pool agrees.
    let near = Facts::all_stable().market("2040.816".parse().unwrap(), &Liquidity::default(), false);
    let near = near.oracle("2000").with(|s, _| asset(s).answer = I256::try_from(98_000_000).unwrap());
    assert_eq!(near.decide().appraisal.unwrap().price, "2040.816326530612244897".parse().unwrap());
}

#[test]
fn a_native_coin_of_its_own_feed_must_have_a_price() {
    let native = |s: &mut Snapshot, p: &mut Policy| {
        p.feeds.native_usd =
            Some(FeedPolicy { address: Address::repeat_byte(0x0e), ..p.feeds.risky_usd.clone() });
        let feed = s.feeds.asset_usd.clone();
        s.feeds.native_usd =
            Some(vault_keeper::domain::snapshot::Feed { address: Address::repeat_byte(0x0e), ..feed });
        s.feeds.native_usd.as_mut().unwrap().latest.as_mut().unwrap().answer = dollars(50_000);
    };
    // 400,000 gas at 21 gwei and 500 dollars a coin.
    let facts = Facts::all_stable().with(native);
    assert_eq!(facts.decide().appraisal.unwrap().economics.fixed, "4.2".parse().unwrap());
    let missing = |s: &mut Snapshot, p: &mut Policy| {
        native(s, p);
        s.feeds.native_usd = None;
    };
    let why = PriceFault::Missing;
    assert_eq!(refusal(missing), Reason::InvalidPrice { feed: FeedName::NativeUsd, why });
}

#[test]
fn a_pool_that_cannot_be_believed_is_not_traded_with() {
    let address = Facts::all_stable().pool().address;
    let dry = |size: &str| Reason::NoLiquidity { pool: address, size: size.parse().unwrap() };
    assert_eq!(refusal(|s, _| s.pools.clear()), dry("0"));
    let foreign = |s: &mut Snapshot, _: &mut Policy| s.vault.risky.address = Address::repeat_byte(1);
    assert_eq!(refusal(foreign), dry("0"));
    let broken = Facts::all_stable().with(|s, _| {
        let Some(Pool::UniswapV3 { state, .. }) = s.pools.first_mut() else { panic!("no pool") };
        state.tick += 1;
    });
    assert_eq!(reason(&broken), dry("0"));
    // Far more than the known ticks can take: what the exit costs cannot be said.
    assert_eq!(reason(&Facts::holding("100000", "0")), dry("100000"));
    let spot = "2000".parse().unwrap();
    let apart = |reference, price: &str, limit_bps| {
        let price = price.parse().unwrap();
        Reason::PriceDeviation { pool: address, spot, reference, price, limit_bps }
    };
    assert_eq!(reason(&Facts::all_stable().oracle("1970.4")), apart(PriceReference::Oracle, "1970.4", 150));
    // Within the distance allowed it is believed, and found too dear.
    assert_eq!(Facts::all_stable().oracle("1970.5").code(), "slippage_over_limit");
    let late = Facts::all_stable().with(|s, _| {
        let Some(Pool::UniswapV3 { twap: Some(twap), .. }) = s.pools.first_mut() else {
            panic!("no average")
        };
        twap.mean_tick += 400;
    });
    // 1.0001^−(tick + 400) in dollars; USDC is token0.
    let Reason::PriceDeviation { reference, price, limit_bps, .. } = reason(&late) else {
        panic!("{late:?}")
    };
    assert_eq!((reference, limit_bps), (PriceReference::Twap, 300));
    assert!((price.real() / (2_000.0 * 1.0001_f64.powi(-400)) - 1.0).abs() < 1e-4, "{price}");
    let none = |s: &mut Snapshot, _: &mut Policy| {
        let Some(Pool::UniswapV3 { twap, .. }) = s.pools.first_mut() else { panic!("no pool") };
        *twap = None;
    };
    assert_eq!(reason(&Facts::all_stable().with(none)), Reason::NoTwap { pool: address });
    assert_eq!(Facts::all_stable().with(none).with(|_, p| p.limits.twap = None).code(), "worth");
    let window = |_: &mut Snapshot, p: &mut Policy| p.limits.twap.as_mut().unwrap().window_seconds = 601;
    assert_eq!(reason(&Facts::all_stable().with(window)), Reason::NoTwap { pool: address });
    // In a crash the average lags: a sale that must be made does not wait for it.
    let fallen = Facts::holding("400", "200000").market(price_of(1_600), &Liquidity::default(), true);
    assert_eq!(fallen.with(none).code(), "floor_at_risk");
}

/// A case for each reason that needs an appraisal, and whether it is a hold, a refusal or a trade.
fn appraised() -> Vec<(&'static str, &'static str, Facts)> {
    let ruled = |trigger| near_target().with(|_, p| p.trigger = trigger);
    let acted = |facts: Facts| facts.with(|s, _| s.vault.last_rebalance = NOW - 200);
    vec![
        ("hold", "within_band", near_target()),
        ("hold", "on_target", on_target()),
        ("hold", "not_worth", small_vault().with(|_, p| p.risk.horizon_seconds = 3_600)),
        ("hold", "below_threshold", ruled(threshold("0.05", TradeTo::Target))),
        ("hold", "greek_bound", crate::options::over_a_bound()),
        ("refuse", "needs_borrowing", crate::options::short()),
        ("refuse", "needs_leverage", crate::options::overlong()),
        ("hold", "not_due", acted(ruled(Trigger::Interval { seconds: 86_400 }))),
        ("hold", "cash_lock", Facts::all_stable().with(|s, _| s.vault.cash_lock = true)),
        ("hold", "reserve", Facts::all_stable().with(|s, _| s.vault.floor = U256::from(999_600_000_000_u64))),
        ("refuse", "cooldown", acted(Facts::all_stable())),
        ("refuse", "paused", Facts::all_stable().with(|s, _| s.vault.paused_until = NOW + 1)),
        ("refuse", "gas_over_cap", Facts::all_stable().with(|s, _| s.block.next_base_fee = 99 * GWEI + 1)),
        ("hold", "too_small", small_vault().with(|_, p| p.limits.min_trade = "5000".parse().unwrap())),
        ("refuse", "too_small", Facts::all_stable().with(|s, _| s.vault.guards.turnover_left = U256::ZERO)),
        ("refuse", "slippage_over_limit", Facts::all_stable().with(|_, p| p.limits.max_slippage_bps = 5)),
        ("rebalance", "worth", Facts::all_stable()),
        (
            "rebalance",
            "floor_at_risk",
            Facts::holding("500", "0").with(|s, _| s.vault.floor = U256::from(900_000_000_000_u64)),
        ),
        ("rebalance", "cash_lock", Facts::holding("10", "780000")),
        ("rebalance", "reserve", Facts::holding("10", "780500")),
        ("rebalance", "threshold", ruled(threshold("0.01", TradeTo::Target))),
        ("rebalance", "interval", ruled(Trigger::Interval { seconds: 86_400 })),
    ]
}

#[test]
fn what_is_decided_on_an_appraisal_has_its_verdict_and_reason() {
    for (verdict, code, facts) in appraised() {
        let decision = facts.decide();
        let found = (decision.verdict.name(), decision.verdict.reason().code());
        assert_eq!(found, (verdict, code.to_owned()), "{:#?}", decision.verdict);
        assert!(decision.appraisal.is_some());
        assert!(!decision.verdict.reason().to_string().is_empty());
    }
}

/// Every code; a reason that is added has to be added here, or this does not compile.
fn code_of(reason: &Reason) -> &'static str {
    match reason {
        Reason::WrongChain { .. } => "wrong_chain",
        Reason::PolicyMismatch { .. } => "policy_mismatch",
        Reason::VaultMismatch { .. } => "vault_mismatch",
        Reason::EpochOpen => "epoch_open",
        Reason::EmptyVault => "empty_vault",
        Reason::SequencerDown => "sequencer_down",
        Reason::StalePrice { .. } => "stale_price",
        Reason::InvalidPrice { .. } => "invalid_price",
        Reason::AssetDepegged { .. } => "asset_depegged",
        Reason::VenueNotAllowed { .. } => "venue_not_allowed",
        Reason::NoLiquidity { .. } => "no_liquidity",
        Reason::PriceDeviation { .. } => "price_deviation",
        Reason::NoTwap { .. } => "no_twap",
        Reason::DataFeeUnknown { .. } => "data_fee_unknown",
        Reason::NoVolatility { .. } => "no_volatility",
        Reason::NoOptionBook { .. } => "no_option_book",
        Reason::TooManyLegs { .. } => "too_many_legs",
        Reason::NoImpliedVolatility { .. } => "no_implied_volatility",
        Reason::Numbers { .. } => "numbers",
        Reason::WithinBand { .. } => "within_band",
        Reason::NotWorth { .. } => "not_worth",
        Reason::BelowThreshold { .. } => "below_threshold",
        Reason::NotDue { .. } => "not_due",
        Reason::GreekBound { .. } => "greek_bound",
        Reason::OptionUnsettled { .. } => "option_unsettled",
        Reason::OnTarget => "on_target",
        Reason::NeedsBorrowing { .. } => "needs_borrowing",
        Reason::NeedsLeverage { .. } => "needs_leverage",
        Reason::Cooldown { .. } => "cooldown",
        Reason::Paused { .. } => "paused",
        Reason::GasOverCap { .. } => "gas_over_cap",
        Reason::TooSmall { .. } => "too_small",
        Reason::SlippageOverLimit { .. } => "slippage_over_limit",
        Reason::Worth { .. } => "worth",
        Reason::FloorAtRisk { .. } => "floor_at_risk",
        Reason::CashLock { .. } => "cash_lock",
        Reason::Reserve { .. } => "reserve",
        Reason::Threshold { .. } => "threshold",
        Reason::Interval { .. } => "interval",
    }
}

/// Faults from the one looked at first to the one looked at last; each is undone by leaving it out.
type Fault = (&'static str, fn(&mut Snapshot, &mut Policy));

const BEFORE_THE_APPRAISAL: &[Fault] = &[
    ("wrong_chain", |s, _| s.block.chain_id = 10),
    ("policy_mismatch", |s, _| s.vault.policy_hash = B256::ZERO),
    ("vault_mismatch", |s, _| s.vault.risky_feed = Address::ZERO),
    ("vault_mismatch", |s, _| s.vault.asset_feed = Address::ZERO),
    ("vault_mismatch", |s, _| s.vault.floor_policy = FloorPolicy::Fixed { share: "0.1".parse().unwrap() }),
    ("epoch_open", |s, _| s.vault.epoch_open = true),
    ("sequencer_down", |s, p| with_sequencer(s, p, 1, NOW)),
    ("invalid_price", |s, _| risky(s).answer = I256::ZERO),
    ("stale_price", |s, _| risky(s).updated_at = 1),
    ("invalid_price", |s, _| risky(s).answer = dollars(1)),
    ("invalid_price", |s, _| asset(s).id = 0),
    ("asset_depegged", |s, _| asset(s).answer = dollars(90)),
    ("invalid_price", |s, p| {
        p.feeds.native_usd = Some(p.feeds.risky_usd.clone()).inspect(|_| s.feeds.native_usd = None)
    }),
    ("empty_vault", |s, _| s.vault.total_supply = U256::ZERO),
    ("data_fee_unknown", |_, p| (p.gas.chain, p.reserve.exit_data_fee_wei) = (ChainKind::OpStack, 1)),
    ("venue_not_allowed", |s, _| s.vault.allowed_pools.clear()),
    ("price_deviation", |s, _| risky(s).answer = dollars(210_000)),
    ("no_liquidity", |s, _| s.vault.risky_holdings = U256::from(10_u64.pow(18)) * U256::from(200_000)),
    ("no_volatility", |s, p| {
        s.feeds.risky_usd.history.anew().clear();
        let Estimator::Ewma { fallback, .. } = &mut p.volatility.estimator else { panic!("not the default") };
        *fallback = None;
    }),
];

const AFTER_IT: &[Fault] = &[
    ("not_worth", |_, p| p.risk.horizon_seconds = 1),
    ("slippage_over_limit", |_, p| p.limits.max_slippage_bps = 1),
    ("paused", |s, _| s.vault.paused_until = NOW + 50),
    ("no_twap", |_, p| p.limits.twap.as_mut().unwrap().window_seconds = 7),
    ("price_deviation", |_, p| p.limits.twap.as_mut().unwrap().max_deviation_bps = 0),
    ("cooldown", |s, _| s.vault.last_rebalance = NOW - 1),
    ("gas_over_cap", |s, _| s.block.next_base_fee = 400 * GWEI),
    ("too_small", |_, p| p.limits.min_trade = "900000".parse().unwrap()),
];

fn in_order(faults: &[Fault], soundly: &str) {
    for first in 0..=faults.len() {
        let mut facts = Facts::all_stable();
        for (_, fault) in faults[first..].iter().rev() {
            fault(&mut facts.snapshot, &mut facts.policy);
        }
        let decision = tampered(&facts, |s| {
            // Publishing undid the faults in what is published.
            let published = |code: &str| matches!(code, "policy_mismatch" | "vault_mismatch");
            let undone = faults[first..].iter().rev().filter(|(code, _)| published(code));
            undone.for_each(|(_, fault)| fault(s, &mut facts.policy.clone()));
        });
        let expected = faults.get(first).map_or(soundly, |(code, _)| code);
        assert_eq!(decision.verdict.reason().code(), expected, "fault {first}");
    }
}

#[test]
fn of_several_reasons_the_first_in_the_documented_order_is_given() {
    in_order(BEFORE_THE_APPRAISAL, "worth");
    in_order(AFTER_IT, "worth");
}

#[test]
fn every_reason_there_is_has_a_case_in_this_file() {
    let faults = BEFORE_THE_APPRAISAL.iter().chain(AFTER_IT);
    let mut found: BTreeSet<&str> = faults.map(|(code, _)| *code).collect();
    for (_, _, facts) in appraised() {
        found.insert(code_of(facts.decide().verdict.reason()));
    }
    found.insert(code_of(&refusal(|s, _| s.vault.risky_holdings = U256::MAX >> 1)));
    for facts in crate::options::unknown_books() {
        let decision = facts.decide();
        assert!(decision.appraisal.is_none());
        found.insert(code_of(decision.verdict.reason()));
    }
    // What is only ever told beside a verdict.
    found.insert(code_of(&Reason::OptionUnsettled { leg: 0 }));
    let declared = include_str!("../../src/domain/reason.rs");
    let start = declared.find("pub enum Reason {").unwrap();
    let variants =
        declared[start..].split("\n}\n").next().unwrap().lines().filter(|line| {
            line.starts_with("    ") && line[4..].starts_with(|c: char| c.is_ascii_uppercase())
        });
    assert_eq!(variants.count(), found.len(), "{found:?}");
}
