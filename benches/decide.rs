//! Time to decide: goals 3 µs to hold inside the band, 60 µs to size a trade on one pool and
//! 100 µs on four, 8 and 70 µs with a book of 20 option legs; canonical form and hash on their own.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a measurement of nothing is worth nothing"
)]

#[path = "../tests/support/facts.rs"]
mod facts;

use std::hint::black_box;

use alloy::primitives::Address;
use criterion::{Criterion, criterion_group, criterion_main};
use vault_keeper::domain::canonical;
use vault_keeper::domain::decision::{decide, decision_hash};
use vault_keeper::domain::policy::{Estimator, GarchPolicy, Policy, StrategyPolicy, VenuePolicy};
use vault_keeper::domain::snapshot::{AllowedPool, OptionKind, Pool, Round, Twap};
use vault_keeper::domain::venues::{uniswap_v2, uniswap_v3};
use vault_keeper::domain::volatility::estimate;

use facts::{Facts, Liquidity, PRICE, VENUE, leg, price_of};

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
        ("hold, four pools", "within_band", four_pools(Facts::holding("299.4", "401200"))),
        ("size a sale, four pools", "worth", four_pools(Facts::holding("600", "300000"))),
        ("size a purchase, four pools", "worth", four_pools(Facts::holding("150", "700000"))),
        ("hold, book of 20 legs", "within_band", hedged()),
        ("size a hedge, book of 20 legs", "worth", hedging(Facts::all_stable())),
    ]
}

/// Hedges ten written calls and ten written puts of three expiries, valued by the smile of the example.
fn hedging(facts: Facts) -> Facts {
    let example: Policy =
        toml::from_str(include_str!("../examples/policies/delta-hedge.toml")).expect("the example is valid");
    let legs = (0..20_u64).map(|id| {
        let call = id % 2 == 0;
        let (kind, strike, size) =
            if call { (OptionKind::Call, 2_000, "-40") } else { (OptionKind::Put, 1_700, "-10") };
        leg(id, kind, strike + 20 * id, 10 + 40 * (id % 3), size)
    });
    fixed_volatility(facts.hedging(legs.collect())).with(|_, policy| {
        policy.strategy = example.strategy;
        // What holds for a bound that is crossed is measured no differently, but has another name.
        let StrategyPolicy::DeltaHedge { bounds, .. } = &mut policy.strategy else { panic!("it hedges") };
        *bounds = None;
    })
}

/// The same where the vault holds its target.
fn hedged() -> Facts {
    let target = hedging(Facts::all_stable()).decide().appraisal.expect("an appraisal").target;
    hedging(Facts::holding(&target.get().round_dp(1).to_string(), "800000"))
}

/// Beside the 0.05 % pool one of 0.30 %, one of 1 % and a pair of 8,000 ether.
fn four_pools(facts: Facts) -> Facts {
    fixed_volatility(facts).with(|snapshot, policy| {
        let mut list = |address: Address, pool: Pool, venue: VenuePolicy| {
            snapshot.pools.push(pool);
            snapshot.vault.allowed_pools.push(AllowedPool { pool: address, venue: VENUE });
            policy.venues.push(venue);
        };
        let template = Liquidity::default().pool(price_of(PRICE), false);
        for (last, fee, spacing) in [(1, 3_000, 60), (2, 10_000, 200)] {
            let address = Address::with_last_byte(last);
            let liquidity = Liquidity { fee, spacing, ..Liquidity::of_depth(50) };
            let state = uniswap_v3::Pool { address, ..liquidity.pool(price_of(PRICE), false) };
            let twap = Some(Twap { window_seconds: 600, mean_tick: state.tick });
            let venue = VenuePolicy::UniswapV3 { pool: address, tick_words: 2 };
            list(address, Pool::UniswapV3 { state, twap, observations: None }, venue);
        }
        let address = Address::with_last_byte(3);
        let state = uniswap_v2::Pool {
            address,
            token0: template.token0,
            token1: template.token1,
            reserve0: 8_000 * u128::from(PRICE) * 10_u128.pow(6),
            reserve1: 8_000 * 10_u128.pow(18),
        };
        list(address, Pool::UniswapV2 { state }, VenuePolicy::UniswapV2 { pair: address });
    })
}

fn deciding(criterion: &mut Criterion) {
    for (name, code, facts) in cases() {
        assert_eq!(facts.code(), code, "{name}");
        let (snapshot, policy) = facts.published();
        criterion.bench_function(&format!("decide/{name}"), |b| {
            b.iter(|| decide(black_box(&snapshot), black_box(&policy)));
        });
    }
}

/// A thousand rounds, about 41 days: the sixty of the facts again and again.
fn long_history() -> Facts {
    Facts::all_stable().with(|snapshot, _| {
        let feed = &mut snapshot.feeds.risky_usd;
        let sixty = feed.history.clone();
        for back in 1..17_u64 {
            let older =
                sixty.iter().map(|round| Round { updated_at: round.updated_at - back * 216_000, ..*round });
            feed.history.anew().splice(0..0, older.collect::<Vec<_>>());
        }
    })
}

fn estimating(criterion: &mut Criterion) {
    let (rounds, min_rounds, max_gap_seconds, fallback) = (1_000, 24, Some(86_400), None);
    let garch = |parameters| {
        let (step_seconds, horizon_steps) = (3_600, 24);
        Estimator::Garch11 {
            step_seconds,
            horizon_steps,
            parameters,
            rounds,
            min_rounds,
            max_gap_seconds,
            fallback,
        }
    };
    let ratio = |text: &str| text.parse().expect("a ratio");
    let stated = GarchPolicy::Stated { long_run: ratio("0.7"), alpha: ratio("0.1"), beta: ratio("0.85") };
    let cases = [
        ("ewma", Estimator::Ewma { half_life_hours: 24, rounds, min_rounds, max_gap_seconds, fallback }),
        (
            "realised",
            Estimator::Realised { window_hours: 168, rounds, min_rounds, max_gap_seconds, fallback },
        ),
        ("garch11 stated", garch(stated)),
        ("garch11 fitted", garch(GarchPolicy::Fitted)),
        (
            "har",
            Estimator::Har {
                period_seconds: 21_600,
                medium: 4,
                long: 28,
                rounds,
                min_rounds,
                max_gap_seconds,
                fallback,
            },
        ),
    ];
    let (snapshot, policy) = Facts::all_stable().published();
    criterion.bench_function("volatility/ewma of 61 rounds", |b| {
        b.iter(|| estimate(black_box(&snapshot), &policy.policy().volatility));
    });
    for (name, estimator) in cases {
        let facts = long_history().with(|_, policy| policy.volatility.estimator = estimator);
        assert!(estimate(&facts.snapshot, &facts.policy.volatility).is_ok(), "{name}");
        criterion.bench_function(&format!("volatility/{name} of 1000 rounds"), |b| {
            b.iter(|| estimate(black_box(&facts.snapshot), &facts.policy.volatility));
        });
    }
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

criterion_group!(benches, deciding, estimating, hashing);
criterion_main!(benches);
