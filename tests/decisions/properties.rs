//! What holds for every vault and every policy.

use std::collections::BTreeSet;

use alloy::primitives::{B256, U256};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use rust_decimal::Decimal;
use vault_keeper::domain::canonical;
use vault_keeper::domain::decision::{Decider, Decision, Swap, Trade, Verdict, decide};
use vault_keeper::domain::market::{Market, Side};
use vault_keeper::domain::plan::Plan;
use vault_keeper::domain::policy::{Policy, Trigger};
use vault_keeper::domain::snapshot::{Round, Snapshot};
use vault_keeper::domain::units::{Ratio, Units, Usd, from_real};
use vault_keeper::domain::valuation::value;
use vault_keeper::domain::venues::search::least_average_cost;

use crate::arbitrary::{fixed, hostile, realistic};
use crate::contract;
use crate::facts::*;

fn traded(decision: &Decision) -> Option<&Trade> {
    match &decision.verdict {
        Verdict::Rebalance { trade, .. } => Some(trade),
        Verdict::Hold { .. } | Verdict::Refuse { .. } => None,
    }
}

/// Raw risky units after what was decided.
fn risky_after(facts: &Facts, decision: &Decision) -> U256 {
    let held = facts.snapshot.vault.risky_holdings;
    match traded(decision) {
        Some(trade) if trade.sell_risky => held - trade.amount_in,
        Some(trade) => held + trade.quoted_out,
        None => held,
    }
}

type Tightening = (&'static str, fn(&mut Snapshot, &mut Policy, u32));

/// `percent` of a number.
fn of(percent: u32, number: u32) -> u32 {
    number * percent / 100
}

/// Every limit of policy and vault, taken to a share of what it was.
const LIMITS: &[Tightening] = &[
    ("max_trade", |_, p, k| {
        p.limits.max_trade = Usd::new(p.limits.max_trade.get() * Decimal::new(i64::from(k), 2));
    }),
    ("min_trade", |_, p, k| p.limits.min_trade = Usd::new(Decimal::from(100_000) / Decimal::from(k + 1))),
    ("max_slippage", |_, p, k| p.limits.max_slippage_bps = of(k, p.limits.max_slippage_bps)),
    ("max_price_deviation", |_, p, k| {
        p.limits.max_price_deviation_bps = of(k, p.limits.max_price_deviation_bps);
    }),
    ("max_depeg", |_, p, k| p.limits.max_depeg_bps = of(k, p.limits.max_depeg_bps)),
    ("max_gas_price", |_, p, k| p.limits.max_gas_price_wei = p.limits.max_gas_price_wei / 100 * u64::from(k)),
    ("max_urgent_gas_price", |_, p, k| {
        p.limits.max_urgent_gas_price_wei = p.limits.max_urgent_gas_price_wei / 1_000 * u64::from(k);
    }),
    ("vault's call", |s, _, k| s.vault.guards.max_call_bps = of(k, s.vault.guards.max_call_bps)),
    ("vault's turnover", |s, _, k| {
        s.vault.guards.turnover_left = s.vault.guards.turnover_left * U256::from(k) / U256::from(100);
    }),
    ("vault's slippage", |s, _, k| s.vault.guards.slippage_bps = of(k, s.vault.guards.slippage_bps)),
    ("vault's loss", |s, _, k| s.vault.guards.nav_loss_bps = of(k, s.vault.guards.nav_loss_bps)),
    ("vault's cap", |s, _, k| s.vault.guards.cap_bps = of(k, s.vault.guards.cap_bps)),
    ("vault's bound", |s, _, k| s.vault.guards.bound_bps = of(k, s.vault.guards.bound_bps)),
    ("vault's cooldown", |s, _, k| s.vault.last_rebalance = NOW - u64::from(3 * k)),
    ("pause", |s, _, k| s.vault.paused_until = NOW + 50 - u64::from(k)),
];

proptest! {
    #![proptest_config(fixed(1_500))]

    #[test]
    fn the_vault_accepts_every_trade_that_is_planned(facts in realistic()) {
        let (snapshot, published) = facts.published();
        let decision = decide(&snapshot, &published);
        let Some(trade) = traded(&decision) else { return Ok(()) };
        let least = if trade.sell_risky { U256::ZERO } else { U256::ONE };
        prop_assert!(trade.swaps.iter().all(|s| s.min_amount_out <= s.quoted_out) && trade.amount_in >= least);
        // As quoted, with no gas paid back and with all that may be.
        for rebate in [U256::ZERO, snapshot.vault.guards.gas_rebate] {
            let said = contract::rebalance(&snapshot, trade, trade.quoted_out, rebate);
            prop_assert!(said.is_ok(), "{said:?}: {decision:#?}");
        }
        prop_assert!(!trade.mandatory || trade.sell_risky, "a mandate only sells");
        let quoted = facts.after(trade);
        prop_assert_eq!(risky_after(&facts, &decision), quoted.snapshot.vault.risky_holdings);
        // At or above both bounds on the loss, and within the tolerance of the quote.
        let tolerated = |s: &Swap| s.min_amount_out >= s.quoted_out * U256::from(9_990) / U256::from(10_000);
        prop_assert!(trade.swaps.iter().all(tolerated));
    }

    #[test]
    fn a_trade_goes_towards_the_target_and_not_beyond(facts in realistic()) {
        let decision = facts.decide();
        let Some(trade) = traded(&decision) else { return Ok(()) };
        let a = decision.appraisal.as_ref().unwrap();
        prop_assert_eq!(trade.sell_risky, a.held > a.target);
        // What is paid is rounded up to a raw unit of the asset at each tick passed, and buys a little more.
        let unit = Decimal::new(20, 6) / a.pool_price.get();
        prop_assert!(trade.size.get() <= a.drift.abs().get() + unit, "{} of {}", trade.size, a.drift);
    }
}

proptest! {
    #![proptest_config(fixed(600))]

    #[test]
    fn no_limit_adds_risk_or_turns_a_trade_around(facts in realistic(), percent in 0..100_u32) {
        let loose = facts.decide();
        let before = facts.snapshot.vault.risky_holdings;
        let wanted = before.max(risky_after(&facts, &loose));
        // A cut ends within a millionth of its limit.
        let slack = risky_after(&facts, &loose).abs_diff(before) / U256::from(400_000);
        for (name, tighten) in LIMITS {
            let tight = facts.clone().with(|s, p| tighten(s, p, percent));
            let decision = tight.decide();
            // A trade too large for what is known of the pool is no judgement on its risk.
            if loose.verdict.reason().code() == "no_liquidity" {
                continue;
            }
            prop_assert!(
                risky_after(&tight, &decision) <= wanted + slack,
                "{name} at {percent} %: {:#?} after {:#?}", decision.verdict, loose.verdict
            );
            if let (Some(tight), Some(loose)) = (traded(&decision), traded(&loose)) {
                prop_assert_eq!(tight.sell_risky, loose.sell_risky, "{} turned the trade around", name);
            }
        }
    }

    #[test]
    fn dearer_gas_widens_the_band_and_never_makes_a_vault_trade(facts in realistic(), more in 1..300_u64) {
        let facts = facts.with(|_, p| {
            p.trigger = Trigger::Economic;
            p.limits.max_gas_price_wei = u64::MAX;
        });
        let dear = facts.clone().with(|s, _| s.block.next_base_fee += more * GWEI);
        let (cheap, dear) = (facts.decide(), dear.decide());
        let (Some(a), Some(b)) = (&cheap.appraisal, &dear.appraisal) else { return Ok(()) };
        prop_assert!(b.economics.fixed > a.economics.fixed);
        prop_assert_eq!(a.target, b.target, "gas moves no target");
        prop_assert!(b.economics.outer >= a.economics.outer, "{:?} {:?}", a.economics, b.economics);
        if cheap.verdict.name() == "hold" {
            prop_assert!(traded(&dear).is_none(), "{:#?} {:#?}", cheap.verdict, dear.verdict);
        }
    }

    #[test]
    fn a_size_is_found_with_at_most_twelve_quotes(facts in realistic()) {
        let (snapshot, published) = facts.published();
        let books = value(&snapshot, &published).unwrap();
        let Ok(market) = Market::open(&snapshot, published.policy(), &books) else { return Ok(()) };
        for side in [Side::Sell, Side::Buy] {
            let mut quotes = 0;
            let most = books.price.units_for(books.nav).unwrap();
            let search = least_average_cost(16.8, most.real(), |size| {
                quotes += 1;
                let size = Units::new(from_real(size, 18).ok()?);
                market.cost(side, size).ok().map(Usd::real)
            });
            prop_assert!(quotes <= 12, "{quotes}");
            prop_assert!(search.is_none_or(|found| found.size > 0.0 && found.size <= most.real()));
        }
    }

    #[test]
    fn a_poorer_vault_has_a_lower_target(facts in realistic(), lost in 1..1_000_u64) {
        let poorer = facts.clone().with(|s, _| {
            let cash = &mut s.vault.asset_holdings;
            *cash = cash.saturating_sub(U256::from(lost * 1_000_000));
        });
        let (Some(a), Some(b)) = (facts.decide().appraisal, poorer.decide().appraisal) else { return Ok(()) };
        prop_assert!(b.target <= a.target && b.cushion.net <= a.cushion.net);
    }

    #[test]
    fn a_deeper_pool_costs_less_to_leave_and_allows_a_higher_target(
        facts in realistic(), depth in 5..400_u32, more in 1..400_u32,
    ) {
        let price = facts.decide().appraisal.map(|a| a.price.get());
        let Some(price) = price else { return Ok(()) };
        let at = |percent| {
            let order = facts.pool().token0 == facts.snapshot.vault.risky.address;
            facts.clone().market(price, &Liquidity::of_depth(percent), order)
        };
        let (shallow, deep) = (at(depth).decide(), at(depth + more).decide());
        let (Some(a), Some(b)) = (&shallow.appraisal, &deep.appraisal) else { return Ok(()) };
        prop_assert!(b.cushion.impact <= a.cushion.impact);
        prop_assert!(b.target >= a.target);
    }

    #[test]
    fn the_target_is_the_multiplier_times_the_cushion_within_every_bound(facts in realistic()) {
        let decision = facts.decide();
        let Some(a) = &decision.appraisal else { return Ok(()) };
        let m = a.multiplier.unwrap();
        let largest = m.largest_safe.unwrap().times(facts.policy.gap.safety).unwrap();
        prop_assert!(m.effective <= largest && m.effective.get() > Decimal::ZERO);
        let exposure = a.price.value_of(a.target).unwrap();
        let wanted = a.cushion.net.or_zero().times(m.effective).unwrap();
        let dust = Usd::new(Decimal::new(1, 9));
        prop_assert!(exposure <= wanted.plus(dust).unwrap());
        prop_assert!(exposure <= a.nav.plus(dust).unwrap());
        prop_assert_eq!(a.nav.minus(a.floor).unwrap().minus(a.cushion.reserve).unwrap(), a.cushion.net);
        prop_assert_eq!(a.drift, a.held.minus(a.target).unwrap());
        prop_assert!(a.economics.outer >= a.economics.inner && a.economics.inner.get() >= 0.0);
        if a.exposure > m.bound.unwrap() && a.held.get() > Decimal::ZERO {
            let sells = traded(&decision).is_none_or(|trade| trade.sell_risky && trade.mandatory);
            prop_assert!(sells && decision.verdict.name() != "hold", "{:?}", decision.verdict);
        }
        prop_assert!(facts.snapshot.vault.floor.is_zero() || a.nav > a.floor || a.target.get() == Decimal::ZERO);
    }
}

proptest! {
    #![proptest_config(fixed(1_500))]

    #[test]
    fn no_facts_whatever_make_a_decision_panic(facts in hostile()) {
        let (snapshot, published) = facts.published();
        let decision = decide(&snapshot, &published);
        prop_assert!(!decision.verdict.reason().to_string().is_empty());
        prop_assert!(canonical::json(&decision).is_ok());
        let plan = Plan::of(&snapshot, &published, &decision, B256::ZERO);
        prop_assert_eq!(plan.is_some(), traded(&decision).is_some());
        if let Some(trade) = traded(&decision) {
            let vault = &snapshot.vault;
            let held = if trade.sell_risky { vault.risky_holdings } else { vault.asset_holdings };
            prop_assert!(trade.amount_in <= held && trade.swaps.iter().all(|s| s.min_amount_out <= s.quoted_out));
        }
    }
}

#[test]
fn the_facts_reach_every_part_of_a_decision() {
    let mut runner = TestRunner::new(fixed(1));
    let mut found = BTreeSet::new();
    for _ in 0..1_500 {
        let decision = realistic().new_tree(&mut runner).unwrap().current().decide();
        found.insert(decision.verdict.reason().code());
        found.extend(traded(&decision).and_then(|trade| trade.cut_by).map(|by| format!("{by:?}")));
    }
    for _ in 0..300 {
        found.insert(hostile().new_tree(&mut runner).unwrap().current().code());
    }
    for part in [
        "numbers",
        "invalid_price",
        "cash_lock",
        "floor_at_risk",
        "reserve",
        "within_band",
        "not_worth",
        "worth",
        "threshold",
        "below_threshold",
        "interval",
        "too_small",
        "no_liquidity",
        "slippage_over_limit",
        "MaxTrade",
        "VaultCall",
        "VaultTurnover",
        "VaultExposure",
        "VaultLoss",
        "Slippage",
    ] {
        assert!(found.contains(part), "{part} is not among {found:?}");
    }
}

#[test]
fn a_ratio_of_zero_anywhere_is_no_division_by_zero() {
    let zero = Ratio::ZERO;
    let facts = Facts::holding("300", "400000").with(|_, p| {
        p.risk.aversion = zero;
        p.gap.jumps_per_year = zero;
        p.gap.floor_weight = zero;
        p.gap.jump_mean = zero;
    });
    assert_eq!(facts.code(), "not_worth");
}

/// Time passes, and the feed reports a price that is so many basis points away, or nothing.
fn moved(snapshot: &mut Snapshot, (seconds, bps): (u64, Option<i32>)) {
    let now = snapshot.block.timestamp + seconds;
    snapshot.block.timestamp = now;
    let feed = &mut snapshot.feeds.risky_usd;
    if let (Some(bps), Some(last)) = (bps, feed.latest) {
        let answer = last.answer + last.answer * alloy::primitives::I256::try_from(bps).unwrap() / I10000;
        feed.latest = Some(Round { id: last.id + 1, answer, updated_at: now });
        feed.history.push(last);
        if feed.history.len() > 40 {
            feed.history.leave_oldest();
        }
    }
}

const I10000: alloy::primitives::I256 =
    alloy::primitives::I256::from_raw(U256::from_limbs([10_000, 0, 0, 0]));

proptest! {
    #![proptest_config(fixed(400))]

    #[test]
    fn who_decides_again_and_again_decides_as_if_it_were_the_first_time(
        facts in prop_oneof![realistic(), hostile()],
        moves in prop::collection::vec((0_u64..4_000, prop::option::of(-400_i32..400)), 1..12),
    ) {
        let (mut snapshot, published) = facts.published();
        let mut decider = Decider::new(&published);
        for way in moves {
            prop_assert_eq!(decider.decide(&snapshot), decide(&snapshot, &published));
            moved(&mut snapshot, way);
        }
    }
}
