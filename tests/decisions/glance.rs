//! What is only glanced at is what would have been decided.

use std::cell::Cell;

use alloy::primitives::U256;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use rust_decimal::Decimal;
use vault_keeper::domain::decision::{Decider, Glance, Verdict, decide};
use vault_keeper::domain::models::tracking::Surely;
use vault_keeper::domain::policy::Trigger;
use vault_keeper::domain::units::Ratio;

use crate::arbitrary::realistic;
use crate::facts::*;

/// Glances at facts, and holds that against the decision. What was sure, if it was, and whether without an exact target.
fn glanced(facts: &Facts) -> Option<(Surely, bool)> {
    let (snapshot, published) = facts.published();
    let (decided, near) = Decider::new(&published).decide_at_a_glance(&snapshot);
    assert_eq!(decided, decide(&snapshot, &published));
    let glance = Decider::new(&published).glance(&snapshot);
    assert!(near.is_none_or(|quiet| glance == Glance::Quiet(quiet)), "{near:?} {glance:?}");
    match glance {
        Glance::Decided(full) => {
            assert_eq!(*full, decided);
            None
        }
        Glance::Quiet(quiet) => {
            let appraisal = decided.appraisal.unwrap();
            assert!(matches!(decided.verdict, Verdict::Hold { .. }), "{:?}", decided.verdict);
            assert_eq!(decided.verdict.reason().code(), quiet.code());
            assert_eq!(appraisal.price, quiet.price);
            let (target, held) = (appraisal.target.real(), appraisal.held.real());
            assert!((quiet.target.get() - target).abs() <= 1e-8 * target.max(held), "{quiet:?} {target}");
            Some((quiet.surely, near.is_some()))
        }
    }
}

#[test]
fn whatever_the_facts_a_glance_is_the_decision() {
    let (inside, futile, full, near_enough) =
        (Cell::new(0_u32), Cell::new(0_u32), Cell::new(0_u32), Cell::new(0_u32));
    let config = ProptestConfig {
        cases: 3_000,
        rng_seed: RngSeed::Fixed(1),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    // Nearer to the target than facts at random are, since what lies far from it is traded.
    let near = prop_oneof![Just(None), (0_u64..2_000).prop_map(Some), (0_u64..40).prop_map(Some)];
    let near =
        (realistic(), near, (1_u32..4, any::<bool>(), prop::sample::select(vec![60_u64, 3_600, 31_536_000])));
    let checked = TestRunner::new(config).run(&near, |(facts, near, (margin, rich, horizon))| {
        let facts = facts.with(|s, p| {
            if rich {
                s.vault.floor /= U256::from(20);
            }
            (p.trigger, p.risk.horizon_seconds) = (Trigger::Economic, horizon);
            p.execution.cost_margin = Ratio::new(Decimal::from(margin));
        });
        let facts = match (near, facts.decide().appraisal) {
            (Some(parts), Some(appraisal)) => facts.with(|s, _| {
                let target = appraisal.target.get().max(Decimal::ZERO) * Decimal::from(10_u64.pow(9));
                let raw = U256::from(u128::try_from(target.trunc()).unwrap_or_default())
                    * U256::from(10_u64.pow(9));
                s.vault.risky_holdings = raw + raw * U256::from(parts) / U256::from(1_000_000);
            }),
            _ => facts,
        };
        let glanced = glanced(&facts);
        near_enough.set(near_enough.get() + u32::from(glanced.is_some_and(|(_, near)| near)));
        let count = match glanced {
            Some((Surely::Inside, _)) => &inside,
            Some((Surely::Futile, _)) => &futile,
            None => &full,
        };
        count.set(count.get() + 1);
        Ok(())
    });
    checked.unwrap();
    let counts = (inside.get(), futile.get(), full.get(), near_enough.get());
    assert!(counts.0 > 200 && counts.1 > 20 && counts.2 > 200 && counts.3 > 200, "{counts:?}");
}
