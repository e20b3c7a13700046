//! The examples of the library do what they say. They are built with the tests.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails where it stands"
)]

#[path = "support/program.rs"]
mod program;

use std::path::Path;
use std::process::Command;

use program::Place;
use serde_json::Value;

/// An hour each of a price that swings by a quarter.
fn prices() -> String {
    let mut text = "ts,open,high,low,close,volume\n".to_owned();
    for hour in 0_u32..480 {
        let at = f64::from(hour);
        let price = 2_000.0 + 260.0 * (at / 40.0).sin() + 15.0 * (at * 0.9).cos();
        let opened = 1_700_000_000 + 3_600 * u64::from(hour);
        text.push_str(&format!("{opened},{price:.2},{:.2},{:.2},{price:.2},1\n", price + 4.0, price - 4.0));
    }
    text
}

/// What an example prints.
fn run(place: &Place, name: &str, more: &[&str]) -> String {
    let built = Path::new(env!("CARGO_BIN_EXE_keeper")).parent().unwrap().join("examples").join(name);
    assert!(built.exists(), "{} is not built: cargo build --examples", built.display());
    let ended = Command::new(built).args(more).current_dir(place.path("")).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).unwrap()
}

#[test]
fn a_policy_backtested_with_the_library_comes_to_what_the_command_says() {
    let place = Place::empty();
    place.write("prices.csv", &prices());
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/policies/cppi.toml");
    let told: Value = serde_json::from_str(&run(&place, "backtest_policy", &["prices.csv", policy])).unwrap();
    let command = ["backtest", "--prices", "prices.csv", "--policy", policy, "--order", "close", "--json"];
    let printed = place.run(&command).json();
    let metrics = &printed["entrants"][0]["metrics"];
    assert_eq!(told["steps"], 480);
    assert!(told["rebalances"].as_u64().unwrap() > 2, "{told}");
    for figure in ["end", "rebalances", "gas", "fees", "impact", "lowest_cushion"] {
        assert_eq!(told[figure], metrics[figure], "{figure}");
    }
}

#[test]
fn a_strategy_of_ones_own_is_walked_beside_the_policy() {
    let place = Place::empty();
    place.write("prices.csv", &prices());
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/policies/cppi.toml");
    let told = run(&place, "write_strategy", &["prices.csv", policy]);
    let ends: Vec<&str> =
        told.lines().filter_map(|line| line.split("ends at ").nth(1)?.split(',').next()).collect();
    let [of_policy, own] = ends.as_slice() else { panic!("{told}") };
    assert_ne!(of_policy, own, "{told}");
    assert!(told.starts_with("the policy   ends at "), "{told}");
}
