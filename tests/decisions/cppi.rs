//! The target, the reserve, the mandate and the band, in figures computed apart from this code: by hand, in exact
//! fractions for money and at 40 digits for the models.

use alloy::primitives::U256;
use rust_decimal::Decimal;
use vault_keeper::domain::decision::{Appraisal, Decision, Verdict};
use vault_keeper::domain::policy::{Estimator, Policy};
use vault_keeper::domain::reason::Reason;
use vault_keeper::domain::snapshot::Snapshot;

use crate::facts::*;

/// 80 % a year, so that no estimate is in the way.
fn fixed_volatility(_: &mut Snapshot, policy: &mut Policy) {
    policy.volatility.estimator = Estimator::Fixed { annual: "0.8".parse().unwrap() };
}

fn at(price: u64, risky: &str, cash: &str) -> Facts {
    Facts::holding(risky, cash).market(price_of(price), &Liquidity::default(), false).with(fixed_volatility)
}

fn appraisal(facts: &Facts) -> Appraisal {
    facts.decide().appraisal.unwrap()
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-11 * expected, "{found} is not {expected}");
}

/// Penalty, sensitivity, variance rate, inner and outer edge, cost rate; the size the band is made for and what its last
/// unit costs.
fn economics(appraisal: &Appraisal, expected: [f64; 8]) {
    let e = &appraisal.economics;
    let (size, marginal) = (e.size, e.marginal);
    let found = [e.penalty, e.sensitivity, e.variance_rate, e.inner, e.outer, e.cost_rate, size, marginal];
    for (found, expected) in found.into_iter().zip(expected) {
        close(found.get(), expected);
    }
}

#[test]
fn a_fall_that_endangers_the_floor_is_computed_to_the_last_digit() {
    // 400 ether at 1,700 and 200,000 in cash over a floor of 800,000, in a pool of 2·10^19 liquidity at this price.
    let facts = at(1_700, "400", "200000");
    let Decision { verdict: Verdict::Rebalance { reason, trade }, appraisal: Some(a) } = facts.decide()
    else {
        panic!("no trade: {:?}", facts.decide())
    };
    assert_eq!(
        (a.price.to_string(), a.nav.to_string(), a.exposure.to_string()),
        ("1700".into(), "880000".into(), "680000".into())
    );
    let c = a.cushion;
    assert_eq!(
        [c.impact, c.deviation, c.exit_gas, c.reserve, c.net].map(|usd| usd.to_string()),
        ["899.720437", "3400", "340", "4639.720437", "75360.279563"]
    );
    let m = a.multiplier.unwrap();
    assert_eq!(m.effective.to_string(), "3");
    assert_eq!(m.largest_safe.unwrap().to_string(), "7.927120701152");
    assert_eq!(m.bound.unwrap().to_string(), "597390.032168459296156576");
    assert_eq!(
        reason,
        Reason::FloorAtRisk { exposure: a.exposure, bound: "597390.032168459296156576".parse().unwrap() }
    );
    // 3·75,360.279563/1,700, not the bound: a sale just to the bound would be back the next block.
    assert_eq!(a.target.to_string(), "132.988728640588235294");
    assert_eq!(a.drift.to_string(), "267.011271359411764706");
    assert_eq!(trade.amount_in, U256::from(267_011_271_359_411_764_706_u128));
    assert_eq!(trade.quoted_out, U256::from(453_442_725_428_u64));
    // Ten basis points under the quote; the oracle bound of one percent, 449,379,969,699, is below that.
    assert_eq!(trade.swaps[0].min_amount_out, U256::from(452_989_282_703_u64));
    assert!(trade.sell_risky && trade.mandatory && trade.cut_by.is_none());
    assert_eq!((trade.size, trade.value.to_string()), (a.drift, "453442.725428".into()));
    assert_eq!(a.gas_price, 21 * GWEI);
    assert_eq!(a.economics.fixed.to_string(), "14.28");
    assert_eq!(a.economics.proportional.to_string(), "0.85");
    economics(
        &a,
        [
            7.943906132599,
            0.4705882352941,
            409_600.0,
            20.385149758709,
            54.753367610878,
            12_073.598_466_102,
            34.598223115242,
            1.0922402658094,
        ],
    );
    close(trade.benefit.get(), 566_360.938_919_8);
    close(trade.cost.get(), 14.28 + 476.435883);
}

#[test]
fn a_drift_inside_the_band_is_held_with_both_edges() {
    // On the risky side the price of the gap raises the penalty tenfold and narrows the band.
    let over = at(2_000, "299.4", "401200");
    let a = appraisal(&over);
    assert_eq!(a.cushion.net.to_string(), "195906.384708");
    assert_eq!(a.target.to_string(), "293.859577062");
    economics(
        &a,
        [
            52.86160167773,
            0.2994,
            229_479.321_6,
            7.3094531297309,
            29.010920448874,
            19_706.674_336_577,
            21.873626258553,
            1.1954337349523,
        ],
    );
    let Reason::WithinBand { drift, inner, outer } = over.decide().verdict.reason().clone() else { panic!() };
    assert_eq!(
        (drift.to_string(), inner, outer),
        ("5.540422938".into(), a.economics.inner, a.economics.outer)
    );
    // On the other side it is plain risk aversion: ½·4/10^6·0.8²·2,000².
    let under = appraisal(&at(2_000, "250", "500000"));
    assert_eq!(under.drift.to_string(), "-44.856390305");
    // A unit bought costs mid/(1 − fee).
    close(under.economics.proportional.real(), 1.000_500_250_125_062_5);
    economics(
        &under,
        [
            5.12,
            0.25,
            160_000.0,
            20.273689538631,
            49.907700973053,
            6_336.023_901_671_8,
            32.256007314237,
            1.2891823078056,
        ],
    );
}

#[test]
fn near_full_investment_the_sensitivity_is_averaged_over_the_kink() {
    // C = 392,200 stands just below C_k = cap·(floor + reserve)/(m − cap) = 403,900.
    let a = appraisal(&at(2_000, "550", "100000"));
    assert_eq!(a.drift.to_string(), "-38.300285858");
    economics(
        &a,
        [
            4.266666666667,
            0.4340832502856,
            482_376.366_537,
            31.407395407168,
            71.106349532289,
            11_831.752_767_937,
            39.948557705565,
            1.3580376636835,
        ],
    );
}

#[test]
fn exposure_is_the_multiplier_times_the_cushion_and_never_more_than_the_cap() {
    let target = |multiplier: &str, cap: &str| {
        appraisal(&Facts::all_stable().cppi(multiplier, cap)).target.to_string()
    };
    // The cushion of a vault in cash is 200,000 less 400 for the gas of the exit.
    assert_eq!(target("3", "1"), "299.4");
    assert_eq!(target("2", "1"), "199.6");
    assert_eq!(target("3", "0.5"), "250");
    assert_eq!(target("3", "0.5988"), "299.4");
    assert_eq!(target("6", "1"), "500");
}

#[test]
fn a_gap_that_the_cushion_would_not_survive_lowers_the_multiplier() {
    let safe = |annual: &str, hours: u64| {
        let facts = Facts::all_stable().cppi("6", "1").with(|s, p| {
            s.vault.floor = U256::from(950_000_000_000_u64);
            p.volatility.estimator = Estimator::Fixed { annual: annual.parse().unwrap() };
            p.gap.outage_seconds = hours * 3_600;
        });
        let a = appraisal(&facts);
        let m = a.multiplier.unwrap();
        (m.largest_safe.unwrap().to_string(), m.effective.to_string(), a.target.to_string())
    };
    // 1/(1 − exp(−3.1·σ·√τ) + 0.1), four fifths of it, and that times 49,600/2,000.
    assert_eq!(safe("0.8", 1), ("7.927120701152".into(), "6".into(), "148.8".into()));
    assert_eq!(
        safe("0.8", 24),
        ("4.509848197842".into(), "3.6078785582736".into(), "89.47538824518528".into())
    );
    assert_eq!(
        safe("2", 24),
        ("2.651621035437".into(), "2.1212968283496".into(), "52.60816134307008".into())
    );
    let off = Facts::all_stable().with(|_, p| {
        p.gap.quantile = "0".parse().unwrap();
        p.gap.jump = "0".parse().unwrap();
    });
    let m = appraisal(&off).multiplier.unwrap();
    assert_eq!((m.effective.to_string(), m.largest_safe, m.bound), ("3".into(), None, None));
}

#[test]
fn the_reserve_is_what_the_pool_would_keep_to_the_last_unit() {
    let facts = at(2_000, "300", "400000");
    let sold =
        facts.pool().quote_exact_in(false, U256::from(300_000_000_000_000_000_000_u128)).unwrap().amount_out;
    let kept = U256::from(600_000_000_000_u64) - sold;
    let impact = appraisal(&facts).cushion.impact;
    assert_eq!(impact.get() * Decimal::from(1_000_000), Decimal::from(kept.to::<u64>()));
    // A thinner pool keeps more, a pool above the oracle keeps nothing and gives nothing either.
    let thin = at(2_000, "300", "400000").market(price_of(2_000), &Liquidity::of_depth(25), true);
    assert!(appraisal(&thin).cushion.impact > impact);
    let above =
        at(2_000, "300", "400000").market(price_of(2_010), &Liquidity::default(), true).oracle("2000");
    assert_eq!(appraisal(&above).cushion.impact.to_string(), "0");
}

#[test]
fn the_mandate_begins_just_over_the_bound_and_ends_at_the_target() {
    // A vault whose largest safe multiplier is that of the policy: the bound stands close above the target.
    let facts = |held: &str| {
        at(2_000, held, "0").with(|s, p| {
            s.vault.asset_holdings = U256::from(300_000_000_000_u64);
            p.gap.outage_seconds = 86_400;
        })
    };
    let bound = |held: &str| appraisal(&facts(held)).multiplier.unwrap().bound.unwrap();
    let (inside, outside) = ("324.2", "324");
    let exposure = |held: &str| appraisal(&facts(held)).exposure;
    assert!(
        exposure(inside) <= bound(inside) && exposure(outside) > bound(outside),
        "{} {}",
        bound(inside),
        bound(outside)
    );
    assert_ne!(facts(inside).code(), "floor_at_risk");
    assert_eq!(facts(outside).code(), "floor_at_risk");
    let trade = facts(outside).trade();
    let a = appraisal(&facts(outside));
    assert_eq!(trade.size, a.drift);
    assert!(a.target < a.held);
}

#[test]
fn cash_lock_and_reserve_sell_everything_and_then_hold() {
    let locked = |s: &mut Snapshot, _: &mut Policy| s.vault.cash_lock = true;
    for facts in [
        Facts::holding("10", "980000").with(locked),
        Facts::holding("10", "780000"),
        Facts::holding("10", "780400"),
    ] {
        let trade = facts.trade();
        assert_eq!(trade.amount_in, facts.snapshot.vault.risky_holdings);
        assert!(trade.sell_risky && trade.mandatory);
        let after = facts.after(&trade).decide();
        assert_eq!(after.verdict.name(), "hold", "{:?}", after.verdict);
        assert_eq!(after.verdict.reason().code(), facts.code());
    }
    // Dust is not sold at a loss, and to hold it is no refusal.
    for dust in ["0.000000000000000001", "0.0001"] {
        let decision = Facts::holding(dust, "700000").with(locked).decide();
        let found = (decision.verdict.name(), decision.verdict.reason().code());
        assert_eq!(found, ("hold", "cash_lock".to_owned()), "{dust}");
    }
    // One raw unit over the floor is no lock; the reserve alone takes the target to zero.
    let raw = |cash: u64| Facts::all_stable().with(|s, _| s.vault.asset_holdings = U256::from(cash)).code();
    assert_eq!(raw(800_000_000_000), "cash_lock");
    assert_eq!(raw(800_000_000_001), "reserve");
    assert_eq!(raw(800_400_000_000), "reserve");
    assert_eq!(raw(800_400_000_001), "not_worth");
}

#[test]
fn the_vaults_own_rounding_decides_what_stands_at_the_floor() {
    // 0.0000000009 ether are worth 1.8 raw units of USDC; the vault counts one.
    let facts =
        |floor: u64| Facts::holding("0.0000000009", "800000").with(|s, _| s.vault.floor = U256::from(floor));
    let a = appraisal(&facts(800_000_000_001));
    assert_eq!((a.nav.to_string(), a.exposure.to_string()), ("800000.000001".into(), "0.000001".into()));
    assert!(matches!(
        facts(800_000_000_001).decide().verdict.reason(),
        Reason::CashLock { .. } | Reason::TooSmall { .. }
    ));
    assert_eq!(facts(800_000_000_000).decide().appraisal.unwrap().cushion.net.to_string(), "-399.999999005");
}
