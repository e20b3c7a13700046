//! What must be sold is sold as far as it can be, whatever else is unknown; and no small part locks the whole.

use vault_keeper::domain::decision::Verdict;
use vault_keeper::domain::limits::SizeLimit;
use vault_keeper::domain::policy::Estimator;
use vault_keeper::domain::reason::Reason;
use vault_keeper::domain::units::Usd;

use crate::facts::*;

fn forgetful(facts: Facts) -> Facts {
    facts.with(|s, p| {
        s.feeds.risky_usd.history.anew().clear();
        let Estimator::Ewma { fallback, .. } = &mut p.volatility.estimator else { panic!("not the default") };
        *fallback = None;
    })
}

/// So much ether that the pool's known range cannot take all of it.
fn stuck(units: &str, cash: &str) -> Facts {
    let facts = Facts::holding(units, cash).market(price_of(2_000), &Liquidity::of_depth(1), true);
    facts.with(|s, p| {
        s.vault.guards.slippage_bps = 5_000;
        s.vault.guards.nav_loss_bps = 5_000;
        s.vault.guards.max_call_bps = 10_000;
        p.limits.max_slippage_bps = 5_000;
        p.limits.max_trade = "100000000".parse().unwrap();
    })
}

#[test]
fn a_locked_vault_sells_what_is_known_of_the_pool() {
    let locked = |facts: Facts| facts.with(|s, _| s.vault.cash_lock = true);
    let trade = locked(stuck("352.5", "300000")).trade();
    assert!(trade.sell_risky && trade.mandatory);
    assert_eq!(trade.cut_by, Some(SizeLimit::KnownLiquidity));
    assert!((10.0..350.0).contains(&trade.size.real()), "{}", trade.size);
    // Sold piece by piece, the whole of what the range takes.
    let after = locked(stuck("352.5", "300000")).after(&trade).decide();
    assert!(matches!(after.verdict, Verdict::Refuse { .. }), "{:?}", after.verdict);
    assert_eq!(locked(stuck("352.5", "300000")).code(), "cash_lock");
}

#[test]
fn a_position_at_risk_is_cut_though_its_exit_cannot_be_quoted() {
    // Even an exit without any cost leaves too little cushion for such an exposure.
    let at_risk =
        stuck("500", "0").with(|s, _| s.vault.floor = alloy::primitives::U256::from(850_000_000_000_u64));
    assert_eq!(at_risk.code(), "floor_at_risk");
    assert_eq!(at_risk.trade().cut_by, Some(SizeLimit::KnownLiquidity));
    // Where it is not certain, nothing is decided on what is not known.
    assert_eq!(stuck("352.5", "300000").code(), "no_liquidity");
}

#[test]
fn a_mandatory_sale_does_not_wait_for_a_volatility() {
    let locked = forgetful(Facts::holding("352.5", "300000").with(|s, _| s.vault.cash_lock = true));
    assert_eq!(locked.code(), "cash_lock");
    assert!(locked.trade().mandatory);
    let at_risk = Facts::holding("500", "0")
        .with(|s, _| s.vault.floor = alloy::primitives::U256::from(900_000_000_000_u64));
    assert_eq!(forgetful(at_risk).code(), "floor_at_risk");
    assert_eq!(forgetful(Facts::all_stable()).code(), "no_volatility");
}

#[test]
fn a_part_smaller_than_the_smallest_trade_does_not_lock_the_whole() {
    let free = Facts::all_stable();
    let part = free.trade();
    assert_eq!(part.cut_by, None, "it is convex impact that makes it small");
    let above = |min: Usd| free.clone().with(|_, p| p.limits.min_trade = min);
    let min = part.value.times("1.2".parse().unwrap()).unwrap();
    let wanted = free.decide().appraisal.unwrap().drift.abs();
    assert!(wanted.real() * 2_000.0 > min.real(), "more is wanted");
    assert_eq!(above(min).trade(), part);
    let refused = above("999000".parse().unwrap()).decide();
    assert!(matches!(refused.verdict.reason(), Reason::TooSmall { .. }), "{refused:?}");
    // What a limit left over is judged by itself.
    let cut = above(min).with(|_, p| p.limits.max_trade = "1000".parse().unwrap());
    assert_eq!(cut.code(), "too_small");
}

#[test]
fn gas_for_nothing_does_not_lock_a_vault() {
    let free = Facts::all_stable().with(|s, p| {
        s.block.next_base_fee = 7;
        p.gas.reference_tip_wei = 0;
    });
    assert_eq!(free.code(), "worth");
}
