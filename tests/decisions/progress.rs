//! A vault that should act does, until there is nothing left to do; and what stopped it once does not stop it for ever.

use alloy::primitives::U256;
use proptest::prelude::*;
use rust_decimal::Decimal;
use vault_keeper::domain::decision::{Decision, Verdict};
use vault_keeper::domain::policy::{Estimator, Policy, TradeTo, Trigger};
use vault_keeper::domain::reason::Reason;
use vault_keeper::domain::snapshot::Snapshot;
use vault_keeper::domain::units::{Ratio, Usd, to_raw};

use crate::arbitrary::fixed;
use crate::facts::*;

/// Trades until the vault holds; the decision it holds on and the trades made.
fn settled(mut facts: Facts, most: usize) -> (Decision, usize) {
    for trades in 0..=most {
        let decision = facts.decide();
        let Verdict::Rebalance { trade, .. } = &decision.verdict else { return (decision, trades) };
        facts = facts.after(trade);
    }
    panic!("still trading after {most} trades")
}

/// No bound on what a trade may do to the pool: convex impact alone decides on its size.
fn unbounded(snapshot: &mut Snapshot, policy: &mut Policy) {
    policy.limits.max_slippage_bps = 5_000;
    policy.limits.max_price_deviation_bps = 5_000;
    policy.limits.twap = None;
    policy.limits.max_trade = Usd::new(Decimal::from(1_000_000_000));
    policy.limits.min_trade = Usd::ZERO;
    policy.limits.max_gas_price_wei = u64::MAX;
    policy.limits.max_urgent_gas_price_wei = u64::MAX;
    let guards = &mut snapshot.vault.guards;
    (guards.slippage_bps, guards.nav_loss_bps) = (5_000, 5_000);
    guards.turnover_left = U256::MAX >> 8;
}

fn sigma(annual: &str) -> impl FnOnce(&mut Snapshot, &mut Policy) {
    let annual = annual.parse().unwrap();
    move |_, policy| policy.volatility.estimator = Estimator::Fixed { annual }
}

#[test]
fn a_vault_all_in_stable_acts_on_its_first_decision_and_arrives() {
    for risky_is_token0 in [false, true] {
        let facts = Facts::all_stable().market(price_of(2_000), &Liquidity::default(), risky_is_token0);
        assert_eq!(facts.code(), "worth");
        let (decision, trades) = settled(facts, 50);
        assert_eq!(decision.verdict.reason().code(), "within_band");
        let a = decision.appraisal.unwrap();
        // A fifth at a time; each costs gas, and impact that grows with its square.
        assert!((4..=8).contains(&trades), "{trades}");
        // Of a target of 590,000; the rest of the way is inside the band.
        assert!(a.exposure.real() > 480_000.0, "{}", a.exposure);
    }
}

#[test]
fn under_every_trigger_the_first_decision_acts() {
    let edge = Trigger::Threshold { fraction: "0.05".parse().unwrap(), to: TradeTo::Edge };
    for (trigger, code) in [(edge, "threshold"), (Trigger::Interval { seconds: 86_400 }, "interval")] {
        let facts = Facts::all_stable().with(|_, p| p.trigger = trigger).with(unbounded);
        assert_eq!(facts.code(), code);
        let held = facts.after(&facts.trade()).decide();
        assert_eq!(held.verdict.name(), "hold", "{:?}", held.verdict);
    }
}

proptest! {
    #![proptest_config(fixed(150))]

    /// From three times the outer edge on either side, alone with its pool.
    #[test]
    fn a_drift_of_three_bands_is_worked_off_in_finitely_many_trades(
        depth in 3..400_u32, gwei in 1..200_u64, thousands in 100..5_000_u64, annual in 30..200_i64,
        over in any::<bool>(), risky_is_token0 in any::<bool>(),
    ) {
        let nav = thousands * 1_000;
        let at = |exposure: f64| {
            let exposure = Decimal::from_f64_retain(exposure).unwrap().round_dp(6);
            Facts::all_stable()
                .market(price_of(2_000), &Liquidity::of_depth(depth), risky_is_token0)
                .with(unbounded)
                .with(|s, p| {
                    s.block.next_base_fee = gwei * GWEI;
                    s.vault.floor = U256::from(nav * 800_000);
                    s.vault.risky_holdings = to_raw(exposure / Decimal::from(2_000), 18).unwrap();
                    s.vault.asset_holdings = to_raw(Decimal::from(nav) - exposure, 6).unwrap();
                    p.reserve.exit_gas_price_wei = 5 * GWEI;
                    p.volatility.estimator = Estimator::Fixed { annual: Ratio::new(Decimal::new(annual, 2)) };
                })
        };
        // The edge moves with what is held: found by stepping outwards from the target.
        let side = if over { 1.0 } else { -1.0 };
        let target = nav as f64 * 0.6;
        let outwards = (1..=60).map(|step| target + side * target * f64::from(step) / 60.0);
        let started = outwards.filter(|exposure| *exposure <= nav as f64).map(at).find(|facts| {
            let Some(a) = facts.decide().appraisal else { return false };
            a.drift.real().abs() >= 3.0 * a.economics.outer.get() && (a.drift.real() > 0.0) == over
        });
        prop_assume!(started.is_some());
        let facts = started.unwrap();
        let first = facts.decide();
        prop_assert!(matches!(first.verdict, Verdict::Rebalance { .. }), "{:#?}", first.verdict);
        let (decision, trades) = settled(facts, 300);
        let a = decision.appraisal.unwrap();
        prop_assert!(
            a.drift.real().abs() < a.economics.outer.get(),
            "{:?} after {trades}: {:?}", decision.verdict, a.economics
        );
    }
}

#[test]
fn a_tiny_vault_waits_until_it_is_worth_a_transaction() {
    // 900 dollars over a floor of 720; the exit is reckoned at a thousandth of a gwei.
    let tiny = |cash: u64| {
        Facts::all_stable().with(sigma("0.8")).with(|s, p| {
            s.vault.asset_holdings = U256::from(cash * 1_000_000);
            s.vault.floor = U256::from(cash * 800_000);
            p.reserve.exit_gas_price_wei = 1_000_000;
        })
    };
    // Worth it over a year, but below the smallest trade.
    assert_eq!(tiny(150).with(|_, p| p.risk.aversion = "20".parse().unwrap()).code(), "too_small");
    // c·y²: ½·4/20·0.64·2,000²·0.006² = 9.2 dollars for 16.8 of gas.
    let Reason::NotWorth { benefit, cost } = tiny(20).decide().verdict.reason().clone() else {
        panic!("{:?}", tiny(20).decide())
    };
    assert!((9.0..9.3).contains(&benefit.get()) && (cost.get() - 16.8).abs() < 1e-9, "{benefit} {cost}");
    // Gas falls to a tenth: the very next decision acts.
    let cheaper = tiny(20).with(|s, p| {
        s.block.next_base_fee = GWEI;
        p.limits.min_trade = Usd::ZERO;
    });
    assert_eq!(cheaper.code(), "worth");
}

#[test]
fn a_gas_spike_stops_a_trade_and_its_end_lets_it_pass() {
    let mut facts = Facts::all_stable().with(|s, _| s.block.next_base_fee = 100 * GWEI);
    assert_eq!(*facts.decide().verdict.reason(), Reason::GasOverCap { price: 101 * GWEI, cap: 100 * GWEI });
    facts.pass(12);
    facts.snapshot.block.next_base_fee = 99 * GWEI;
    assert_eq!(facts.code(), "worth");
}

#[test]
fn a_gas_spike_stops_no_mandatory_sale_below_the_urgent_cap() {
    let fallen = |gwei: u64| {
        let facts = Facts::holding("400", "200000").market(price_of(1_600), &Liquidity::default(), true);
        facts.with(|s, _| s.block.next_base_fee = gwei * GWEI)
    };
    assert_eq!(fallen(400).code(), "floor_at_risk");
    assert_eq!(
        *fallen(500).decide().verdict.reason(),
        Reason::GasOverCap { price: 501 * GWEI, cap: 500 * GWEI }
    );
    // Nor does it move the target: the reserve is reckoned at a constant price.
    let target = |gwei| fallen(gwei).decide().appraisal.unwrap().target;
    assert_eq!(target(1), target(500));
}

#[test]
fn without_volatility_nothing_is_worth_it_until_there_is_some() {
    let still = Facts::all_stable().with(sigma("0")).with(|_, p| p.volatility.floor = Ratio::ZERO);
    let Reason::NotWorth { benefit, cost } = still.decide().verdict.reason().clone() else {
        panic!("{:?}", still.decide())
    };
    assert!(benefit.get() == 0.0 && (cost.get() - 16.8).abs() < 1e-9);
    assert_eq!(still.with(sigma("0.8")).code(), "worth");
    // On the risky side the floor has its price all the same.
    let over = Facts::holding("400", "200000").with(sigma("0")).with(|_, p| p.volatility.floor = Ratio::ZERO);
    assert_eq!(over.code(), "worth");
}

#[test]
fn every_other_obstacle_passes_too() {
    type Obstacle = (&'static str, fn(&mut Snapshot), fn(&mut Snapshot));
    let obstacles: [Obstacle; 5] = [
        ("cooldown", |s| s.vault.last_rebalance = NOW - 299, |s| s.block.timestamp += 1),
        ("paused", |s| s.vault.paused_until = NOW + 12, |s| s.block.timestamp += 12),
        ("stale_price", |s| s.block.timestamp += 3_700, |s| s.block.timestamp -= 3_700),
        (
            "too_small",
            |s| s.vault.guards.turnover_left = U256::from(99_999_999),
            |s| {
                s.vault.guards.turnover_left = U256::from(100_000_001);
            },
        ),
        (
            "reserve",
            |s| s.vault.floor = U256::from(999_700_000_000_u64),
            |s| {
                s.vault.floor = U256::from(800_000_000_000_u64);
            },
        ),
    ];
    for (code, put, taken) in obstacles {
        let mut facts = Facts::all_stable();
        put(&mut facts.snapshot);
        assert_eq!(facts.code(), code);
        taken(&mut facts.snapshot);
        assert_eq!(facts.code(), "worth", "after {code}");
    }
}

#[test]
fn a_sale_that_limits_cut_goes_on_as_soon_as_it_may() {
    // 114,000 dollars to sell, 50,000 a call, 300 seconds apart.
    let facts = Facts::holding("400", "200000").with(|_, p| {
        p.limits.max_trade = "50000".parse().unwrap();
        p.trigger = Trigger::Threshold { fraction: "0.001".parse().unwrap(), to: TradeTo::Target };
    });
    let (decision, trades) = settled(facts, 10);
    assert_eq!((decision.verdict.reason().code().as_str(), trades), ("below_threshold", 5));
}
