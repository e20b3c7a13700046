//! Where volatility comes from: each estimator through the policy, and what a short or gappy history gives.

use alloy::primitives::I256;
use serde_json::Value;
use vault_keeper::domain::decision::Decision;
use vault_keeper::domain::policy::{Estimator, GarchPolicy, Source};
use vault_keeper::domain::reason::{HistoryFault, Reason};
use vault_keeper::domain::snapshot::{Observations, Pool, Round};

use crate::facts::*;

#[test]
fn volatility_is_the_estimate_over_the_rounds_or_the_floor() {
    let ages = [36_000, 32_100, 29_000, 25_000, 21_400, 17_800, 14_300, 10_000, 7_100, 3_500, 240];
    let cents =
        [190_000, 192_550, 191_125, 196_000, 194_875, 199_050, 197_500, 201_010, 199_500, 200_440, 200_000];
    let rounds: Vec<Round> = ages
        .into_iter()
        .zip(cents)
        .zip(1..)
        .map(|((age, cents), id)| Round {
            id,
            answer: I256::try_from(cents * 1_000_000_i64).unwrap(),
            updated_at: NOW - age,
        })
        .collect();
    let facts = |kept: usize, min_rounds: u32, fallback: Option<&str>| {
        Facts::all_stable().with(|s, p| {
            s.feeds.risky_usd.latest = rounds.last().copied();
            s.feeds.risky_usd.history = rounds[11 - kept..10].to_vec().into();
            let fallback = fallback.map(|text| text.parse().unwrap());
            p.volatility.estimator = Estimator::Ewma {
                half_life_hours: 24,
                rounds: 120,
                min_rounds,
                max_gap_seconds: None,
                fallback,
            };
        })
    };
    let sigma = |facts: Facts| facts.decide().appraisal.map(|a| a.volatility.get());
    // Computed apart, at 30 digits, from weights 2^(−age/24 h) integrated over each interval.
    let found = sigma(facts(11, 11, None)).unwrap();
    assert!((found - 1.240_913_739_530_71).abs() < 1e-13, "{found}");
    assert_eq!(sigma(facts(11, 12, Some("0.9"))), Some(0.9));
    assert_eq!(sigma(facts(11, 12, Some("0.1"))), Some(0.2));
    let refused = |kept, min_rounds| facts(kept, min_rounds, None).decide().verdict.reason().clone();
    assert_eq!(refused(11, 12), Reason::NoVolatility { rounds: 11, needed: 12, fault: None });
    // Seven rounds make no estimate whatever the policy says.
    assert_eq!(refused(7, 2), Reason::NoVolatility { rounds: 7, needed: 8, fault: None });
    // Only the last K count.
    let last = facts(11, 8, None).with(|_, p| {
        let Estimator::Ewma { rounds, .. } = &mut p.volatility.estimator else { panic!() };
        *rounds = 8;
    });
    assert_eq!(sigma(last), sigma(facts(8, 8, None)));
    // A round that is missing, out of order or dated after the block is none.
    let holed = facts(11, 11, None).with(|s, _| {
        let history = s.feeds.risky_usd.history.anew();
        history.insert(4, Round { updated_at: 0, ..rounds[3] });
        history.insert(7, Round { updated_at: NOW - 90_000, ..rounds[3] });
        history.push(Round { updated_at: NOW + 90_000, ..rounds[3] });
    });
    assert_eq!(sigma(holed), Some(found));
}

#[test]
fn volatility_is_never_below_the_policys_floor() {
    let at = |annual: &str, floor: &str| {
        let facts = Facts::all_stable().with(|_, p| {
            p.volatility.estimator = Estimator::Fixed { annual: annual.parse().unwrap() };
            p.volatility.floor = floor.parse().unwrap();
        });
        facts.decide().appraisal.unwrap().volatility.get()
    };
    assert_eq!([at("0.1", "0.2"), at("0.3", "0.2"), at("0", "0")], [0.2, 0.3, 0.0]);
}

#[test]
fn a_feed_that_stands_still_gives_the_floor() {
    let facts = Facts::all_stable().with(|s, _| {
        let answer = s.feeds.risky_usd.latest.unwrap().answer;
        s.feeds.risky_usd.history.anew().iter_mut().for_each(|round| round.answer = answer);
    });
    assert_eq!(facts.decide().appraisal.unwrap().volatility.get(), 0.2);
}

/// The vault of all stable under `estimator`, after 60 rounds of about an hour before the newest.
fn under(estimator: &Estimator) -> Facts {
    Facts::all_stable().with(|_, p| {
        p.volatility.estimator = estimator.clone();
        p.volatility.floor = "0".parse().unwrap();
    })
}

fn sigma(facts: &Facts) -> f64 {
    facts.decide().appraisal.unwrap().volatility.get()
}

/// `no_volatility` of the estimator, from what is left of the rounds after `change`.
fn refused(estimator: &Estimator, change: impl FnOnce(&mut Vec<Round>)) -> Reason {
    let facts = under(estimator).with(|s, _| change(s.feeds.risky_usd.history.anew()));
    let reason = facts.decide().verdict.reason().clone();
    assert_eq!(reason.code(), "no_volatility");
    reason
}

fn realised(max_gap_seconds: Option<u64>) -> Estimator {
    let (rounds, min_rounds, fallback) = (120, 24, None);
    Estimator::Realised { window_hours: 24, rounds, min_rounds, max_gap_seconds, fallback }
}

fn garch(step_seconds: u32, horizon_steps: u32, parameters: GarchPolicy) -> Estimator {
    let (rounds, min_rounds, max_gap_seconds, fallback) = (120, 24, Some(4_780), None);
    Estimator::Garch11 {
        step_seconds,
        horizon_steps,
        parameters,
        rounds,
        min_rounds,
        max_gap_seconds,
        fallback,
    }
}

fn stated() -> GarchPolicy {
    let [long_run, alpha, beta] = ["0.7", "0.1", "0.85"].map(|text| text.parse().unwrap());
    GarchPolicy::Stated { long_run, alpha, beta }
}

fn har(period_seconds: u32, medium: u32, long: u32) -> Estimator {
    let (rounds, min_rounds, max_gap_seconds, fallback) = (120, 24, Some(4_780), None);
    Estimator::Har { period_seconds, medium, long, rounds, min_rounds, max_gap_seconds, fallback }
}

#[test]
fn each_estimator_has_the_figure_that_was_computed_apart() {
    // By another program: the fit by exhaustive search, the regression by normal equations in fractions.
    for (estimator, expected, error) in [
        (realised(Some(4_780)), 0.713_093_159_861, 1e-10),
        (garch(3_600, 24, stated()), 0.691_614_850_675, 1e-10),
        (garch(1_200, 72, GarchPolicy::Fitted), 0.670_738_358, 1e-4),
        (har(5_400, 2, 6), 0.714_610_935_255, 1e-9),
    ] {
        let found = sigma(&under(&estimator));
        assert!((found / expected - 1.0).abs() < error, "{found} is not {expected}: {estimator:?}");
    }
}

#[test]
fn a_gap_over_the_policys_bound_is_named_with_both_figures() {
    let gap = |seconds, limit| Some(HistoryFault::Gap { seconds, limit });
    // The longest time between two of these rounds is 4,780 seconds, and it lies in the last day.
    let ewma = |max_gap_seconds| {
        let (rounds, min_rounds, fallback) = (120, 24, None);
        Estimator::Ewma { half_life_hours: 24, rounds, min_rounds, max_gap_seconds, fallback }
    };
    assert!(sigma(&under(&ewma(Some(4_780)))) > 0.5);
    let refusal = |rounds, fault| Reason::NoVolatility { rounds, needed: 24, fault };
    assert_eq!(refused(&ewma(Some(4_779)), |_| ()), refusal(61, gap(4_780, 4_779)));
    assert_eq!(refused(&realised(Some(4_779)), |_| ()), refusal(26, gap(4_780, 4_779)));
    // A round less is a longer gap; where it is older than the window it does not matter to the window.
    let holed = |history: &mut Vec<Round>| {
        history.remove(20);
    };
    let Reason::NoVolatility { fault: Some(HistoryFault::Gap { seconds, limit: 4_780 }), .. } =
        refused(&har(5_400, 2, 6), holed)
    else {
        panic!("no gap")
    };
    assert!((4_800..9_600).contains(&seconds), "{seconds}");
    let window = under(&realised(Some(4_780))).with(|s, _| holed(s.feeds.risky_usd.history.anew()));
    assert_eq!(sigma(&window), sigma(&under(&realised(None))));
    let text = refused(&ewma(Some(4_779)), |_| ()).to_string();
    assert_eq!(
        text,
        "volatility cannot be estimated: a gap of 4780 s between two rounds, at most 4779 s are allowed"
    );
}

#[test]
fn a_history_too_short_for_a_model_is_refused_with_what_it_covers() {
    let short = |found, needed| Some(HistoryFault::TooShort { found, needed });
    let few = |rounds| Reason::NoVolatility { rounds, needed: 24, fault: None };
    for estimator in
        [realised(None), garch(3_600, 24, stated()), garch(1_200, 1, GarchPolicy::Fitted), har(5_400, 2, 6)]
    {
        assert_eq!(refused(&estimator, |history| drop(history.drain(..38))), few(23), "{estimator:?}");
    }
    // Rounds before the window do not count towards those needed, but for the one that began before it.
    let old = |history: &mut Vec<Round>| history.iter_mut().for_each(|round| round.updated_at -= 86_400);
    assert_eq!(refused(&realised(None), old), few(2));
    let of = |fault| Reason::NoVolatility { rounds: 61, needed: 24, fault };
    assert_eq!(refused(&garch(3_600, 24, GarchPolicy::Fitted), |_| ()), of(short(59, 100)));
    assert_eq!(refused(&har(5_400, 2, 20), |_| ()), of(short(39, 40)));
}

#[test]
fn a_newest_round_too_old_for_the_newest_period_is_refused() {
    // Half of a period of ten minutes is five; the newest round is four minutes old.
    let late = under(&har(600, 2, 6)).with(|s, _| {
        let feed = &mut s.feeds.risky_usd;
        feed.history.anew().iter_mut().chain(&mut feed.latest).for_each(|round| round.updated_at -= 61);
    });
    let reason = late.decide().verdict.reason().clone();
    let fault = Some(HistoryFault::TooOld { seconds: 301, limit: 300 });
    assert_eq!(reason, Reason::NoVolatility { rounds: 61, needed: 24, fault });
}

#[test]
fn the_fallback_stands_in_for_every_fault_of_the_history() {
    let with_fallback = |mut estimator: Estimator| {
        let (Estimator::Ewma { fallback, .. }
        | Estimator::Realised { fallback, .. }
        | Estimator::Garch11 { fallback, .. }
        | Estimator::Har { fallback, .. }) = &mut estimator
        else {
            panic!("no fallback")
        };
        *fallback = Some("0.91".parse().unwrap());
        under(&estimator)
    };
    for estimator in
        [realised(Some(4_779)), garch(3_600, 1, GarchPolicy::Fitted), har(5_400, 2, 20), har(600, 2, 365)]
    {
        assert_eq!(sigma(&with_fallback(estimator)), 0.91);
    }
    let empty =
        with_fallback(garch(3_600, 24, stated())).with(|s, _| s.feeds.risky_usd.history.anew().clear());
    assert_eq!(sigma(&empty), 0.91);
}

/// A day of half-hourly means of a pool, after which the estimate reads nothing of the feed.
fn of_pool(tick_cumulatives: Option<Vec<i64>>) -> Facts {
    let (rounds, min_rounds, max_gap_seconds, fallback) = (48, 24, None, None);
    let estimator = Estimator::Realised { window_hours: 24, rounds, min_rounds, max_gap_seconds, fallback };
    under(&estimator).with(|s, p| {
        p.volatility.source = Source::Pool { step_seconds: 1_800 };
        s.feeds.risky_usd.history.anew().clear();
        let Some(Pool::UniswapV3 { observations, .. }) = s.pools.first_mut() else { panic!("no pool") };
        *observations =
            tick_cumulatives.map(|tick_cumulatives| Observations { step_seconds: 1_800, tick_cumulatives });
    })
}

#[test]
fn a_pools_own_means_are_stretched_to_the_volatility_of_its_price() {
    // Means that go up and down by 30 ticks: 48 of them have 47 returns within 23.5 hours.
    let mut cumulatives = vec![-9_000_000_000];
    for step in 0..48 {
        let mean = 200_000 + if step % 2 == 0 { 15 } else { -15 };
        cumulatives.push(cumulatives[step] + mean * 1_800);
    }
    let found = sigma(&of_pool(Some(cumulatives.clone())));
    let per_step = 30.0 * 1.0001_f64.ln() * 1.5_f64.sqrt();
    let expected = per_step * (2.0 * 8_760.0_f64).sqrt();
    assert!((found / expected - 1.0).abs() < 1e-9, "{found} is not {expected}");
    // Both are facts, and told apart.
    let other = of_pool(Some(cumulatives.iter().map(|sum| sum + 1).collect()));
    assert_ne!(other.decision_hash(), of_pool(Some(cumulatives)).decision_hash());
}

#[test]
fn a_pool_that_does_not_look_back_so_far_is_no_estimate() {
    let reason = of_pool(None).decide().verdict.reason().clone();
    assert_eq!(reason, Reason::NoVolatility { rounds: 0, needed: 24, fault: None });
}

#[test]
fn a_refusal_read_back_is_the_refusal() {
    for fault in [
        None,
        Some(HistoryFault::Gap { seconds: 4_780, limit: u64::MAX }),
        Some(HistoryFault::TooShort { found: 59, needed: 100 }),
        Some(HistoryFault::TooOld { seconds: 301, limit: 300 }),
    ] {
        let reason = Reason::NoVolatility { rounds: 61, needed: 24, fault };
        let written = serde_json::to_value(&reason).unwrap();
        assert_eq!(written.get("fault").is_some(), fault.is_some());
        assert_eq!(serde_json::from_value::<Reason>(written).unwrap(), reason);
    }
}

#[test]
fn no_leaf_of_any_estimator_is_ignored() {
    let estimators = [
        realised(Some(9_999)),
        garch(3_600, 24, stated()),
        garch(1_200, 72, GarchPolicy::Fitted),
        har(5_400, 2, 6),
    ];
    for estimator in estimators {
        let facts = under(&estimator);
        let written = serde_json::to_value(&facts.policy).unwrap();
        let mut paths = Vec::new();
        crate::record::leaves(&written["volatility"]["estimator"], "/volatility/estimator", &mut paths);
        let (decision, hash): (Decision, _) = (facts.decide(), facts.decision_hash());
        for path in paths.iter().filter(|path| !path.ends_with("/kind")) {
            let mut changed = written.clone();
            let leaf = changed.pointer_mut(path).unwrap();
            *leaf = match &*leaf {
                Value::Number(number) => Value::from(number.as_u64().unwrap() + 1),
                other => Value::from(format!("{}1", other.as_str().unwrap())),
            };
            let other = facts.clone().with(|_, p| *p = serde_json::from_value(changed).unwrap());
            assert_ne!(other.decision_hash(), hash, "{path}");
            // What is an upper or lower bound of the history changes no figure here; the rest does.
            let bound = ["rounds", "min_rounds", "max_gap_seconds"].iter().any(|key| path.ends_with(key));
            assert_eq!(other.decide().appraisal == decision.appraisal, bound, "{path}");
        }
        let stranger = |mut value: Value, path: &str| {
            value
                .pointer_mut(path)
                .unwrap()
                .as_object_mut()
                .unwrap()
                .insert("stranger".into(), Value::from("1"));
            serde_json::from_value::<vault_keeper::domain::policy::Policy>(value).is_err()
        };
        assert!(stranger(written.clone(), "/volatility/estimator"));
        let parameters = "/volatility/estimator/parameters";
        let stated = written.pointer(&format!("{parameters}/alpha")).is_some();
        assert!(!stated || stranger(written, parameters));
    }
}
