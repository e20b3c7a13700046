//! `keeper simulate`: contestants at equal risk, with the figures of a fixed seed.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails where it stands; its figures are within known bounds"
)]

#[path = "support/program.rs"]
mod program;

use program::{Ended, Place};
use serde_json::Value;

fn simulate(arguments: &[&str]) -> Ended {
    Place::empty().run(&[&["simulate", "--compare"], arguments].concat())
}

/// A figure of the row of `kind`.
fn figure(result: &Value, kind: &str, path: &str) -> f64 {
    let rows = result["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["kind"] == kind).unwrap();
    row.pointer(path).and_then(Value::as_f64).unwrap()
}

/// A week of a hedge in steps of four hours: as much as an unoptimised build does in seconds.
const HEDGE: &str = "--strategy delta-hedge --days 7 --step-minutes 240 --gas-usd 5 --fee-bps 10 --paths 200 \
                     --tuning-paths 50 --seed 7 --risk-share 0.3";

#[test]
fn a_hedge_costs_less_by_the_economic_trigger_than_by_any_threshold() {
    let arguments: Vec<&str> = HEDGE.split_whitespace().chain(["--json"]).collect();
    let ended = simulate(&arguments);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let result = ended.json();
    // 30 % of what a thousand calls for a week are worth at the money: 4,417.54 USD.
    assert!((result["risk"].as_f64().unwrap() - 0.3 * 4_417.541).abs() < 0.01, "{result:#}");
    let own = |path: &str| figure(&result, "economic", path);
    assert!((0.65..0.76).contains(&own("/to_best_threshold/value")), "{result:#}");
    assert!(
        own("/to_best_threshold/high") < 0.85 && (60.0..73.0).contains(&own("/cost/value")),
        "{result:#}"
    );
    assert!(figure(&result, "whalley_wilmott", "/to_threshold/value") > 1.1, "{result:#}");
}

#[test]
fn the_table_names_every_contestant_and_what_it_was_tuned_to() {
    let arguments = "--strategy constant-weight --days 15 --step-minutes 240 --capital 1e8";
    let arguments: Vec<&str> =
        arguments.split_whitespace().chain(["--paths", "100", "--tuning-paths", "10"]).collect();
    let ended = simulate(&arguments);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.starts_with("at a risk of "), "{}", ended.out);
    for name in [
        "time",
        "threshold to target",
        "threshold to edge",
        "Whalley-Wilmott",
        "Zakamouline",
        "economic (ours)",
    ] {
        assert!(ended.out.contains(name), "{name}: {}", ended.out);
    }
    assert!(ended.out.contains("per USD") && ended.out.contains("% of NAV"), "{}", ended.out);
}

#[test]
fn where_somebody_pays_nothing_there_is_nothing_to_compare() {
    let arguments = "--strategy constant-weight --days 2 --step-minutes 240 --paths 100 --tuning-paths 10";
    let ended = simulate(&arguments.split_whitespace().collect::<Vec<_>>());
    assert_eq!(ended.code, 1, "{}", ended.out);
    assert!(ended.err.contains("pays nothing on these paths"), "{}", ended.err);
}

#[test]
fn what_cannot_be_simulated_is_wrong_usage_and_says_what_to_do() {
    let wrong = |arguments: &[&str]| {
        let ended = simulate(arguments);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{arguments:?}: {}", ended.err);
        ended.err
    };
    assert!(wrong(&["--model", "bootstrap"]).contains("--prices"));
    assert!(wrong(&["--model", "bootstrap", "--prices", "none.csv"]).contains("none.csv"));
    assert!(wrong(&["--model", "merton", "--jumps-per-year", "400"]).contains("--volatility"));
    assert!(wrong(&["--strategy", "constant-weight", "--weight", "1.5"]).contains("strategy.weight"));
    assert!(wrong(&["--gas-usd", "-1"]).contains("at least 0"));
    for paths in ["10", "1000001"] {
        let words = format!("--paths: expected 100 to 1000000 with --compare, and this is {paths}");
        assert!(wrong(&["--paths", paths]).contains(&words), "{paths}");
    }
    assert!(wrong(&["--threads", "0"]).contains("--threads"));
    let without = Place::empty().run(&["simulate"]);
    assert_eq!(without.code, 2);
    assert!(without.err.contains("<--policy <FILE>|--compare>"), "{}", without.err);
    for (arguments, words) in [
        (
            "--weight 0.4",
            "--weight is taken by --strategy constant-weight, and this is delta-hedge: leave --weight out",
        ),
        ("--capital 5e6", "--capital is taken by --strategy cppi, constant-weight, and this is delta-hedge"),
        (
            "--strategy cppi --calls 10 --risk-share 0.1",
            "leave --calls out; --risk-share is taken by --strategy delta-hedge",
        ),
        (
            "--strategy constant-weight --multiplier 3 --floor 0.9",
            "leave --multiplier out; --floor is taken by --strategy cppi",
        ),
        (
            "--half-life-hours 24 --rounds 100",
            "leave --half-life-hours out; --rounds is taken by --model bootstrap",
        ),
        ("--jumps-per-year 4", "--jumps-per-year is taken by --model merton, and this is gbm"),
        ("--gas-units 50000", "--gas-prices"),
    ] {
        let told = wrong(&arguments.split_whitespace().collect::<Vec<_>>());
        assert!(told.contains(words), "{arguments}: {told}");
    }
}
