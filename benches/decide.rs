//! Time to decide: goals 3 µs to hold inside the band, 60 µs to size a trade; canonical form and hash on their own.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a measurement of nothing is worth nothing"
)]

#[path = "../tests/support/facts.rs"]
mod facts;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use vault_keeper::domain::canonical;
use vault_keeper::domain::decision::{decide, decision_hash};
use vault_keeper::domain::policy::Estimator;
use vault_keeper::domain::volatility::estimate;

use facts::{Facts, Liquidity, price_of};

/// 80 % a year, so that the estimate over the feed's rounds is not measured with the rest.
fn fixed_volatility(facts: Facts) -> Facts {
    facts.with(|_, policy| {
        policy.volatility.estimator = Estimator::Fixed { annual: "0.8".parse().expect("a ratio") };
    })
}

fn cases() -> Vec<(&'static str, &'static str, Facts)> {
    let fallen = Facts::holding("400", "200000").market(price_of(1_700), &Liquidity::default(), false);
    vec![
        ("hold inside the band", "within_band", fixed_volatility(Facts::holding("299.4", "401200"))),
        ("hold, volatility of 61 rounds", "within_band", Facts::holding("299.4", "401200")),
        ("size a sale", "worth", fixed_volatility(Facts::holding("380", "240000"))),
        ("size a purchase", "worth", fixed_volatility(Facts::holding("150", "700000"))),
        ("mandatory sale", "floor_at_risk", fixed_volatility(fallen)),
    ]
}

fn deciding(criterion: &mut Criterion) {
    for (name, code, facts) in cases() {
        assert_eq!(facts.code(), code, "{name}");
        let (snapshot, policy) = facts.published();
        criterion.bench_function(&format!("decide/{name}"), |b| {
            b.iter(|| decide(black_box(&snapshot), black_box(&policy)));
        });
    }
    let (snapshot, policy) = Facts::all_stable().published();
    criterion.bench_function("decide/volatility of 61 rounds alone", |b| {
        b.iter(|| estimate(black_box(&snapshot), &policy.policy().volatility));
    });
}

fn hashing(criterion: &mut Criterion) {
    let (snapshot, policy) = Facts::holding("380", "240000").published();
    let decision = decide(&snapshot, &policy);
    let bytes = canonical::json(&snapshot).expect("a canonical form").len();
    criterion.bench_function(&format!("hash/canonical form of a snapshot of {bytes} bytes"), |b| {
        b.iter(|| canonical::json(black_box(&snapshot)));
    });
    criterion.bench_function("hash/decision hash", |b| {
        b.iter(|| decision_hash(black_box(&snapshot), &policy, black_box(&decision)));
    });
}

criterion_group!(benches, deciding, hashing);
criterion_main!(benches);
