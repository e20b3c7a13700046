//! The examples of the library do what they say.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails where it stands"
)]

#[path = "../examples/backtest_policy.rs"]
#[allow(dead_code, reason = "its main")]
mod backtest_policy;
#[path = "support/program.rs"]
mod program;
#[path = "../examples/write_strategy.rs"]
#[allow(dead_code, reason = "its main")]
mod write_strategy;

use std::path::Path;

use program::Place;

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

#[test]
fn a_policy_backtested_with_the_library_comes_to_what_the_command_says() {
    let place = Place::empty();
    place.write("prices.csv", &prices());
    let policy = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/policies/cppi.toml");
    let told = backtest_policy::walked(&place.path("prices.csv"), Path::new(policy), None).unwrap();
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
    let [(_, of_policy), (_, own)] =
        write_strategy::compared(&place.path("prices.csv"), Path::new(policy)).unwrap();
    let printed = place.run(&["backtest", "--prices", "prices.csv", "--policy", policy, "--json"]).json();
    assert_eq!(printed["entrants"][0]["metrics"]["end"], of_policy.end);
    assert!(own.rebalances > 2 && own.end != of_policy.end, "{own:?}");
    assert!(own.lowest_cushion > 0.0, "{own:?}");
}
