//! Time-weighted execution: slices that depend on nothing but the block.

use vault_keeper::domain::decision::Verdict;
use vault_keeper::domain::policy::{ExecutionStyle, Trigger};
use vault_keeper::domain::reason::Reason;

use crate::facts::*;

fn in_slices(facts: Facts, slices: u32, interval_seconds: u64) -> Facts {
    facts.with(|_, policy| policy.execution.style = ExecutionStyle::Twap { slices, interval_seconds })
}

/// A drift of about 100 ether under a trigger that asks for all of it.
fn wanted() -> Facts {
    Facts::holding("200", "600000").with(|_, policy| policy.trigger = Trigger::Interval { seconds: 60 })
}

#[test]
fn each_slice_is_a_part_of_the_drift_at_its_own_block() {
    let mut facts = in_slices(wanted(), 4, 3_600);
    let mut last = f64::INFINITY;
    for _ in 0..5 {
        let drift = facts.decide().appraisal.unwrap().drift.abs().real();
        let trade = facts.trade();
        assert!((trade.size.real() / (drift / 4.0) - 1.0).abs() < 1e-6, "{} of {drift}", trade.size);
        assert!(trade.size.real() < last && trade.cut_by.is_none());
        last = trade.size.real();
        facts = facts.after(&trade);
        facts.pass(3_600);
    }
}

#[test]
fn a_slice_waits_for_its_interval_after_the_last_rebalance() {
    let facts = in_slices(wanted(), 4, 3_600);
    let mut next = facts.after(&facts.trade());
    let due = next.snapshot.vault.last_rebalance + 3_600;
    assert!(
        matches!(next.decide().verdict, Verdict::Refuse { reason: Reason::NotDue { due: d } } if d == due)
    );
    next.pass(due - next.snapshot.block.timestamp);
    assert!(matches!(next.decide().verdict, Verdict::Rebalance { .. }));
}

#[test]
fn a_mandatory_sale_is_never_sliced() {
    let fallen = || Facts::holding("400", "200000").market(price_of(1_700), &Liquidity::default(), false);
    let mut sliced = in_slices(fallen(), 10, 86_400);
    sliced.snapshot.vault.last_rebalance = NOW - 600;
    let (one, other) = (fallen().trade(), sliced.trade());
    assert!(other.mandatory);
    assert_eq!((one.amount_in, one.swaps), (other.amount_in, other.swaps));
}

#[test]
fn under_the_economic_trigger_each_slice_pays_for_itself() {
    let sale = || Facts::holding("380", "240000");
    let (whole, slice) = (sale().trade(), in_slices(sale(), 2, 60).trade());
    assert!(slice.size < whole.size && slice.benefit > slice.cost);
}

#[test]
fn the_style_is_part_of_the_policys_hash_only_where_it_is_said() {
    let hash = |facts: Facts| facts.published().1.hash();
    let once = wanted().with(|_, policy| policy.execution.style = ExecutionStyle::Once);
    assert_eq!(hash(once), hash(wanted()));
    assert_ne!(hash(in_slices(wanted(), 4, 60)), hash(wanted()));
}
