//! What a rollup charges beside gas, in a decision; and the margin on all costs.

use alloy::primitives::U256;
use proptest::prelude::*;
use rust_decimal::Decimal;
use vault_keeper::domain::decision::{Appraisal, Verdict};
use vault_keeper::domain::policy::{ChainKind, TradeTo, Trigger};
use vault_keeper::domain::reason::Reason;
use vault_keeper::domain::snapshot::{Charge, Rollup};
use vault_keeper::domain::units::{Ratio, Usd};

use crate::arbitrary::{fixed, realistic};
use crate::facts::*;

/// 10^12 wei, which at 2,000 dollars are 0.2 cents.
const MICRO: u64 = 1_000_000_000_000;

fn charge(data_fee: u64, operator_fee: u64) -> Charge {
    Charge { data_fee: U256::from(data_fee), operator_fee: U256::from(operator_fee) }
}

/// The same facts on a rollup that charges `one` for one swap, and half of it more for each further.
fn on_rollup(facts: Facts, kind: ChainKind, one: u64) -> Facts {
    facts.with(|s, p| {
        s.rollup = Rollup::new(kind, charge(one, 0), charge(one + one / 2, 0));
        (p.gas.chain, p.reserve.exit_data_fee_wei) = (kind, 1);
    })
}

fn appraisal(facts: &Facts) -> Appraisal {
    facts.decide().appraisal.unwrap_or_else(|| panic!("{:?}", facts.decide()))
}

/// A vault that holds `percent` less than its target, where gas costs next to nothing.
fn short_by(percent: i64) -> Facts {
    let short = appraisal(&Facts::all_stable()).target.get() * Decimal::new(100 - percent, 2);
    let cash = Decimal::from(1_000_000) - short * Decimal::from(PRICE);
    let facts = Facts::holding(&short.round_dp(9).to_string(), &cash.round_dp(6).to_string());
    facts.with(|s, p| (s.block.next_base_fee, p.gas.reference_tip_wei) = (1_000_000, 0))
}

fn usd(text: &str) -> Usd {
    text.parse().unwrap()
}

#[test]
fn the_charge_of_a_rollup_is_part_of_the_fixed_cost_and_recorded_apart() {
    let plain = appraisal(&Facts::all_stable()).economics;
    assert_eq!(plain.data_fee, None);
    let recorded = serde_json::to_value(plain).unwrap();
    assert!(recorded.get("data_fee").is_none(), "{recorded}");
    let facts = on_rollup(Facts::all_stable(), ChainKind::OpStack, 0).with(|s, _| {
        s.rollup = Rollup::new(ChainKind::OpStack, charge(3 * MICRO, MICRO), charge(4 * MICRO, MICRO));
    });
    let economics = appraisal(&facts).economics;
    // 4·10^12 wei at 2,000 dollars.
    assert_eq!(economics.data_fee, Some(usd("0.008")));
    assert_eq!(economics.fixed, plain.fixed.plus(usd("0.008")).unwrap());
    assert_eq!(serde_json::to_value(economics).unwrap()["data_fee"], "0.008");
}

#[test]
fn a_high_data_fee_holds_a_trade_that_a_low_one_lets_pass() {
    for kind in [ChainKind::OpStack, ChainKind::Arbitrum] {
        let low = on_rollup(short_by(13), kind, MICRO);
        assert_eq!(low.code(), "worth", "{:?}", low.decide());
        // A tenth of an ether: 200 dollars.
        let high = on_rollup(short_by(13), kind, 100_000 * MICRO);
        assert_eq!(high.code(), "within_band", "{:?}", high.decide());
        assert!(appraisal(&high).economics.outer > appraisal(&low).economics.outer);
    }
}

#[test]
fn a_charge_that_is_missing_unsound_or_of_another_kind_is_a_refusal() {
    let unknown = |chain| Reason::DataFeeUnknown { chain };
    for kind in [ChainKind::OpStack, ChainKind::Arbitrum] {
        let sound = || on_rollup(Facts::all_stable(), kind, MICRO);
        let refused = |rollup| {
            let decision = sound().with(|s, _| s.rollup = rollup).decide();
            assert!(decision.appraisal.is_none());
            decision.verdict
        };
        let other = if kind == ChainKind::OpStack { ChainKind::Arbitrum } else { ChainKind::OpStack };
        let wrong = [
            None,
            Some(Rollup { kind, one_swap: charge(0, 5), two_swaps: charge(0, 5) }),
            Some(Rollup { kind, one_swap: charge(2, 0), two_swaps: charge(1, 0) }),
            Some(Rollup { kind: other, one_swap: charge(1, 0), two_swaps: charge(2, 0) }),
        ];
        for rollup in wrong {
            assert_eq!(refused(rollup), Verdict::Refuse { reason: unknown(kind) }, "{rollup:?}");
        }
    }
}

#[test]
fn not_even_a_sale_that_must_be_made_goes_without_knowing_the_data_fee() {
    let facts = Facts::holding("10", "780000");
    assert_eq!(facts.code(), "cash_lock");
    let blind = on_rollup(facts, ChainKind::OpStack, MICRO).with(|s, _| s.rollup = None);
    assert_eq!(blind.decide().verdict.reason(), &Reason::DataFeeUnknown { chain: ChainKind::OpStack });
}

#[test]
fn a_chain_that_is_no_rollup_takes_no_notice_of_a_charge() {
    let plain = Facts::all_stable();
    let charged = Facts::all_stable().with(|s, _| {
        s.rollup = Rollup::new(ChainKind::OpStack, charge(MICRO, 0), charge(MICRO, 0));
    });
    assert_eq!(plain.decide(), charged.decide());
}

#[test]
fn the_exit_reserve_keeps_the_policys_constant_and_not_the_fee_of_the_block() {
    let reserve = |wei: u64, fee: u64| {
        let facts = on_rollup(Facts::all_stable(), ChainKind::OpStack, fee);
        appraisal(&facts.with(|_, p| p.reserve.exit_data_fee_wei = wei)).cushion.exit_gas
    };
    let plain = appraisal(&Facts::all_stable()).cushion.exit_gas;
    assert_eq!(reserve(1_000 * MICRO, MICRO), plain.plus(usd("2")).unwrap());
    // A spike of the data fee moves no target: the reserve neither locks nor flaps.
    assert_eq!(reserve(1_000 * MICRO, 1_000_000 * MICRO), reserve(1_000 * MICRO, MICRO));
}

proptest! {
    #![proptest_config(fixed(300))]

    #[test]
    fn a_dearer_data_fee_widens_the_band_and_never_makes_a_vault_trade(
        facts in realistic(), one in 1..10_000_u64, more in 1..1_000_000_u64,
    ) {
        let facts = facts.with(|_, p| p.trigger = Trigger::Economic);
        let at = |fee| on_rollup(facts.clone(), ChainKind::OpStack, fee * MICRO).decide();
        let (cheap, dear) = (at(one), at(one + more));
        let (Some(a), Some(b)) = (&cheap.appraisal, &dear.appraisal) else { return Ok(()) };
        prop_assert!(b.economics.fixed > a.economics.fixed);
        prop_assert!(b.economics.outer >= a.economics.outer);
        prop_assert_eq!(a.target, b.target);
        if cheap.verdict.name() == "hold" {
            prop_assert!(dear.verdict.name() != "rebalance", "{:#?} {:#?}", cheap.verdict, dear.verdict);
        }
    }

    #[test]
    fn a_larger_margin_never_makes_a_vault_act_that_held(
        facts in realistic(), first in 100..1_000_i64, more in 1..500_i64,
    ) {
        let at = |percent: i64| {
            facts.clone().with(|_, p| {
                p.trigger = Trigger::Economic;
                p.execution.cost_margin = Ratio::new(Decimal::new(percent.min(1_000), 2));
            }).decide()
        };
        let (narrow, wide) = (at(first), at(first + more));
        let (Some(a), Some(b)) = (&narrow.appraisal, &wide.appraisal) else { return Ok(()) };
        prop_assert!(b.economics.outer >= a.economics.outer);
        // What is traded, where it is, does not depend on the margin.
        prop_assert_eq!(b.economics.inner, a.economics.inner);
        prop_assert_eq!(b.target, a.target);
        if narrow.verdict.name() != "rebalance" {
            prop_assert!(wide.verdict.name() != "rebalance", "{:#?} {:#?}", narrow.verdict, wide.verdict);
        }
    }
}

proptest! {
    #![proptest_config(fixed(300))]

    #[test]
    fn no_charge_makes_a_decision_panic_or_cost_nothing(
        facts in realistic(), fees in prop::array::uniform4(prop::array::uniform4(any::<u64>())), bits in 0..256_usize,
    ) {
        let [one, two, operator, more] = fees.map(|limbs| U256::from_limbs(limbs) >> bits);
        let facts = on_rollup(facts, ChainKind::OpStack, 1).with(|s, _| {
            s.rollup = Some(Rollup {
                kind: ChainKind::OpStack,
                one_swap: Charge { data_fee: one, operator_fee: operator },
                two_swaps: Charge { data_fee: two, operator_fee: more },
            });
        });
        if let Some(appraisal) = facts.decide().appraisal {
            prop_assert!(!one.is_zero() && two >= one && more >= operator);
            prop_assert!(appraisal.economics.data_fee.is_some());
        }
    }
}

#[test]
fn a_margin_widens_the_band_and_raises_what_a_trade_has_to_bring() {
    let with = |margin: &str| short_by(20).with(|_, p| p.execution.cost_margin = margin.parse().unwrap());
    let (plain, wider) = (appraisal(&with("1")).economics, appraisal(&with("2")).economics);
    assert!(wider.outer > plain.outer);
    let cost = |margin| with(margin).trade().cost.get();
    assert!((cost("2") / cost("1") - 2.0).abs() < 1e-9, "{} {}", cost("2"), cost("1"));
    assert_eq!(with("2").trade().size, with("1").trade().size);
    // A rule that does not ask for costs is left alone.
    let ruled = |margin| {
        let fraction = "0.01".parse().unwrap();
        with(margin).with(|_, p| p.trigger = Trigger::Threshold { fraction, to: TradeTo::Target })
    };
    assert_eq!(ruled("10").code(), "threshold");
}
