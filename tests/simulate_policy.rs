//! `keeper simulate --policy` as its users run it.
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

use program::{Ended, Place};
use serde_json::Value;
use vault_keeper::backtest::table::{Table, Values};

fn policy() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/policies/cppi.toml").to_str().unwrap().to_owned()
}

fn run(place: &Place, arguments: &str) -> Ended {
    let policy = policy();
    let first = ["simulate", "--policy", &policy];
    place.run(&first.into_iter().chain(arguments.split_whitespace()).collect::<Vec<_>>())
}

fn json(place: &Place, arguments: &str) -> Value {
    let ended = run(place, &format!("--json {arguments}"));
    assert_eq!(ended.code, 0, "{}", ended.err);
    ended.json()
}

fn figures<'v>(told: &'v Value, entrant: &str) -> &'v Value {
    let all = told["entrants"].as_array().unwrap();
    &all.iter().find(|row| row["entrant"] == entrant).unwrap()["figures"]
}

fn real(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

/// Three months in a rough market, in steps of three days: as much as an unoptimised build does in seconds.
const ROUGH: &str = "--model merton --volatility 1.2 --jumps-per-year 12 --jump-mean -0.12 --jump-deviation 0.1 \
                     --days 90 --step-minutes 4320 --paths 120 --seed 7";

#[test]
fn figures_table_page_and_files_tell_the_same() {
    let place = Place::empty();
    let told = json(&place, &format!("{ROUGH} --out result"));
    assert_eq!(
        (&told["paths"], &told["steps"], &told["step_seconds"]),
        (&120.into(), &30.into(), &259_200.into())
    );
    let (own, hold, cash) = (figures(&told, "policy"), figures(&told, "hold"), figures(&told, "cash"));
    // Who only holds loses the floor far more often, and the interval of each is about its share.
    let broken =
        |of: &Value| (real(&of["breach"]["low"]), real(&of["breach"]["value"]), real(&of["breach"]["high"]));
    for (low, share, high) in [broken(own), broken(hold)] {
        assert!(low <= share && share <= high && high - low < 0.2, "{low} {share} {high}");
    }
    assert!(broken(own).2 < broken(hold).0, "{own} {hold}");
    assert_eq!((broken(cash).1, real(&cash["mean_return"]["value"]), real(&cash["cost"])), (0.0, 0.0, 0.0));
    let fell = &hold["shortfall"];
    let (given, expected) = (real(&fell["given"]), real(&fell["expected"]));
    assert!((given * broken(hold).1 - expected).abs() < 1e-6 * expected, "{fell}");
    assert!(real(&fell["deepest"]) >= given && given > 1_000.0, "{fell}");
    for tail in ["tail_95", "tail_99"] {
        assert!(real(&own[tail]["expected_shortfall"]) >= real(&own[tail]["value_at_risk"]), "{own}");
    }

    // Every path of everybody, from which the same follows.
    let read = |name: &str| std::fs::read_to_string(place.path("result").join(name)).unwrap();
    let paths = read("paths.csv");
    let column = |name: &str| paths.lines().next().unwrap().split(',').position(|head| head == name).unwrap();
    let (lowest, end) = (column("lowest_cushion"), column("end"));
    let rows: Vec<Vec<&str>> = paths.lines().skip(1).map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 600);
    let of_policy: Vec<&Vec<&str>> = rows.iter().filter(|row| row[0] == "policy").collect();
    let below = of_policy.iter().filter(|row| row[lowest].parse::<f64>().unwrap() < 0.0).count();
    assert_eq!(f64::from(u32::try_from(below).unwrap()) / 120.0, broken(own).1);
    let mean = of_policy.iter().map(|row| row[end].parse::<f64>().unwrap() / 1e6 - 1.0).sum::<f64>() / 120.0;
    assert!((mean - real(&own["mean_return"]["value"])).abs() < 1e-9, "{mean} {own}");
    let fan = told["fan"].as_array().unwrap();
    assert_eq!((fan.len(), &fan[30]["day"], &fan[0]["p01"]), (31, &90.0.into(), &1e6.into()));
    assert_eq!(read("fan.csv").lines().count(), 32);
    assert_eq!(read("check.csv").lines().count(), 1 + told["check"].as_array().unwrap().len());

    assert_eq!(run(&place, &format!("{ROUGH} --format csv")).out, read("figures.csv"));
    assert!(!read("figures.csv").contains("-0.0,"), "zero has no sign: {}", read("figures.csv"));
    let page = run(&place, &format!("{ROUGH} --format html")).out;
    assert_eq!(page.trim_end(), read("report.html").trim_end());
    assert_eq!(page.matches("<figure>").count(), 3);
    let table = run(&place, "--model merton --days 2 --step-minutes 1440 --paths 100").out;
    let paths = "100 paths of Merton's jump diffusion";
    for words in [paths, "Floor broken at most", "paths that break CPPI with m = 3.00"] {
        assert!(table.contains(words), "{words}: {table}");
    }
}

#[test]
fn every_model_is_checked_and_believed_and_threads_are_no_part_of_it() {
    let place = Place::empty();
    place.write("prices.csv", &prices(400));
    let common = "--paths 100 --seed";
    for (model, rows, of_step) in [
        (
            "--model gbm --volatility 0.9 --drift 0.2 --step-minutes 1440 --days 10",
            8,
            "mean return of a step",
        ),
        ("--model merton --step-minutes 1440 --days 10", 8, "variance of ln S_T/S_0"),
        ("--model heston --xi 2 --rho -0.7 --v0 0.9 --step-minutes 1440 --days 10", 4, "mean of v_T"),
        (
            "--model bootstrap --prices prices.csv --block-hours 48 --days 2",
            4,
            "mean of the sum of squared log returns",
        ),
    ] {
        let told = run(&place, &format!("--json {model} {common} 3 --threads 1"));
        assert_eq!(told.code, 0, "{}", told.err);
        assert_eq!(run(&place, &format!("--json {model} {common} 3 --threads 3")).out, told.out, "{model}");
        let told = told.json();
        let check = told["check"].as_array().unwrap();
        assert_eq!(check.len(), rows, "{check:#?}");
        for row in check {
            assert!(real(&row["standard_errors"]).abs() <= 3.0, "{model}: {row}");
        }
        let found = check.iter().any(|row| row["name"] == of_step);
        assert!(found, "{of_step}: {check:#?}");
    }
    let seeded = |seed| json(&place, &format!("--step-minutes 1440 --days 5 {common} {seed}"));
    let (third, fourth) = (seeded(3), seeded(4));
    assert_ne!(figures(&third, "policy"), figures(&fourth, "policy"));
}

/// Rows of four hours, whose price swings.
fn price(row: u32) -> f64 {
    let at = f64::from(row);
    2_000.0 * (1.0 + 0.12 * (at * 0.11).sin() + 0.03 * (at * 1.7).sin())
}

fn prices(rows: u32) -> String {
    let line = |row: u32| {
        let (close, time) = (price(row), 1_600_000_000 + 14_400 * row);
        format!("{time},{close:.2},{close:.2},{close:.2},{close:.2}\n")
    };
    format!("ts,open,high,low,close\n{}", (0..rows).map(line).collect::<String>())
}

#[test]
fn a_history_may_be_of_any_form_and_step_and_brings_its_gas() {
    let place = Place::empty();
    place.write("prices.csv", &prices(300));
    let closes = || (0..300).map(|row| (price(row) * 100.0).round() / 100.0);
    let times = (0..300_u64).map(|row| 1_600_000_000 + 14_400 * row);
    Table::of([("time", Values::counts(times)), ("close", Values::reals(closes()))])
        .unwrap()
        .write(&place.path("prices.parquet"))
        .unwrap();
    let common = "--model bootstrap --block-hours 40 --days 5 --paths 100";
    let csv = json(&place, &format!("{common} --prices prices.csv"));
    let parquet = json(&place, &format!("{common} --prices prices.parquet"));
    assert_eq!((&csv["step_seconds"], &csv["steps"]), (&14_400.into(), &30.into()));
    assert_eq!(csv, parquet);
    // 400,000 units at 200 and 1 gwei against 20 and 1: ten times the gas, and fewer trades for it.
    place.write("gas.csv", "timestamp,baseFee\n1599990000,200000000000\n");
    let dear = json(&place, &format!("{common} --prices prices.csv --gas gas.csv"));
    let trades = |told: &Value| real(&figures(told, "policy")["rebalances"]);
    let cost = |told: &Value| real(&figures(told, "daily")["cost"]);
    assert!(trades(&dear) < trades(&csv), "{} {}", trades(&dear), trades(&csv));
    assert!(cost(&dear) > cost(&csv) + 2_000.0, "{} {}", cost(&dear), cost(&csv));
}

#[test]
fn a_setting_capital_and_drift_are_taken() {
    let place = Place::empty();
    let common = "--days 20 --step-minutes 1440 --paths 100 --volatility 0.6";
    let plain = json(&place, common);
    let mean = |told: &Value, of: &str| real(&figures(told, of)["mean_return"]["value"]);
    let rising = json(&place, &format!("{common} --drift 2"));
    // Everything that is held earns about e^(2/18) more.
    assert!(mean(&rising, "hold") - mean(&plain, "hold") > 0.05, "{}", mean(&rising, "hold"));
    place.write("away.toml", "[[outages]]\nof = \"keeper\"\nfrom = \"2024-01-01\"\nto = \"2025-01-01\"\n");
    let away = json(&place, &format!("{common} --setting away.toml"));
    assert_eq!(real(&figures(&away, "policy")["rebalances"]), 0.0);
    let small = json(&place, &format!("{common} --capital 50000"));
    assert_eq!(small["fan"][0]["median"], 50_000.0);
    let cost = |told: &Value| real(&figures(told, "policy")["cost_bps"]["value"]);
    assert!(cost(&small) > cost(&plain), "{} {}", cost(&small), cost(&plain));
}

#[test]
fn what_is_wrong_is_told_with_what_to_do() {
    let place = Place::empty();
    place.write("prices.csv", &prices(300));
    place.write("bad.csv", "ts,open,high,low,close\n0,1,2,1,1\n60,1,x,1,1\n");
    place.write("bad.toml", "[pools]\ndeep = 1\n");
    place.write("mute.toml", "[[outages]]\nof = \"feed\"\nfrom = 2020-01-01\nto = 2030-01-01\n");
    place.write("two.csv", &prices(3));
    for (arguments, words) in [
        ("--compare", "cannot be used with"),
        ("--strategy cppi", "cannot be used with"),
        ("--model bootstrap", "--prices"),
        ("--model bootstrap --prices none.csv", "none.csv"),
        ("--model bootstrap --prices bad.csv", "line 3"),
        ("--model bootstrap --prices prices.csv --step-minutes 60", "leave --step-minutes out"),
        ("--prices prices.csv", "--prices is taken by --model bootstrap, and this is gbm"),
        ("--jumps-per-year 4", "--jumps-per-year is taken by --model merton, and this is gbm"),
        ("--model heston --jump-mean 0.1", "--jump-mean is taken by --model merton, and this is heston"),
        ("--model heston --jump-deviation 0.1", "leave --jump-deviation out"),
        ("--model merton --kappa 3", "--kappa is taken by --model heston, and this is merton"),
        ("--xi 1 --rho 0.1", "leave --xi out; --rho is taken by --model heston"),
        ("--v0 0.5", "leave --v0 out"),
        ("--block-hours 48", "--block-hours is taken by --model bootstrap, and this is gbm"),
        (
            "--model bootstrap --prices prices.csv --volatility 0.8",
            "--volatility is taken by --model gbm, merton, heston, and this is bootstrap",
        ),
        ("--model bootstrap --prices prices.csv --drift 0", "leave --drift out"),
        ("--model bootstrap --prices two.csv", "2 returns, and two blocks of 168 h are 84"),
        (
            "--model bootstrap --prices prices.csv --block-hours 600",
            "299 returns, and two blocks of 600 h are 300",
        ),
        (
            "--model bootstrap --prices prices.csv --block-hours 3",
            "shorter than a step of these prices, which is 14400 s",
        ),
        ("--model merton --jump-mean nan", "expected a number"),
        ("--paths 0", "--paths: expected 100 to 100000 with --policy, and this is 0"),
        ("--model merton --jumps-per-year 400", "--volatility"),
        ("--setting bad.toml", "bad.toml:2:1: pools.deep: unknown key"),
        (
            "--setting mute.toml",
            "outages[0] of the feed, from 2020-01-01 00:00:00 to 2030-01-01 00:00:00 UTC, has the first tick",
        ),
        ("--rho 1.5", "correlation from -1 to 1"),
        ("--kappa 0", "above 0"),
        ("--capital 0.5", "from 1 to 1,000,000,000"),
        ("--paths 100001", "--paths: expected 100 to 100000 with --policy, and this is 100001"),
        ("--days 1 --step-minutes 43200", "no step"),
        ("--json --format html", "cannot be used with"),
    ] {
        let ended = run(&place, arguments);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{arguments}: {}", ended.err);
        assert!(ended.err.contains(words), "{arguments}: {}", ended.err);
    }
    let far = run(&place, "--paths 100 --days 2 --step-minutes 1440 --volatility 1e6");
    assert!(far.code == 1 && far.err.contains("a price is out of range: ask for a --price"), "{}", far.err);
    let alone = place.run(&["simulate", "--compare", "--model", "heston"]);
    assert!(alone.code == 2 && alone.err.contains("--policy"), "{}", alone.err);
    let without = place.run(&["simulate", "--compare", "--out", "x"]);
    assert!(without.code == 2 && without.err.contains("cannot be used with"), "{}", without.err);
}

/// A jump on every second path a year, and hardly anything else that moves: a hundred paths of two days have none, so that they
/// rise by what jumps would take.
#[test]
fn paths_that_are_not_what_their_model_says_are_told_nothing_of_and_end_in_a_code_of_their_own() {
    let place = Place::empty();
    let rare = "--model merton --volatility 0.4245 --jumps-per-year 0.5 --jump-mean -0.6 --jump-deviation 0 --days 2 \
                --step-minutes 1440 --paths 100 --seed 2 --out result";
    for format in ["table", "json", "csv", "html"] {
        let ended = run(&place, &format!("{rare} --format {format}"));
        assert_eq!((ended.code, ended.out.as_str()), (3, ""), "{}", ended.err);
        for words in
            ["mean return of a step: 0.00057", "0 in closed form, 10.8 standard errors", "more --paths"]
        {
            assert!(ended.err.contains(words), "{words}: {}", ended.err);
        }
    }
    assert_eq!(std::fs::read_dir(place.path("result")).unwrap().count(), 0);
}

/// Of the first 120 seeds the only one by which chance takes a figure so far.
#[test]
fn what_is_more_than_three_standard_errors_off_is_marked_in_table_page_csv_and_json() {
    let place = Place::empty();
    let given = "--model gbm --days 2 --step-minutes 1440 --paths 100 --seed 105";
    let told = json(&place, &format!("{given} --out result"));
    let check = told["check"].as_array().unwrap();
    let read = |name: &str| std::fs::read_to_string(place.path("result").join(name)).unwrap();
    let (csv, page, table) = (read("check.csv"), read("report.html"), run(&place, given).out);
    assert!(csv.starts_with("figure,simulated,closed_form,standard_errors,chance,without_pause\n"), "{csv}");
    for (row, line) in check.iter().zip(csv.lines().skip(1)) {
        let marked = real(&row["standard_errors"]).abs() > 3.0;
        assert_eq!((row["chance"].is_null(), line.ends_with(",,")), (!marked, !marked), "{row} {line}");
    }
    let marked: Vec<&Value> = check.iter().filter(|row| !row["chance"].is_null()).collect();
    assert_eq!((marked.len(), check.len()), (3, 8), "{check:#?}");
    assert!((real(&marked[0]["standard_errors"]) + 3.191).abs() < 1e-3, "{}", marked[0]);
    assert!((real(&marked[0]["chance"]) - 0.001_417).abs() < 1e-6, "{}", marked[0]);
    assert!(page.contains("<td class=\"bad\">−3.19 (one in 706)</td>"), "{page}");
    assert!(
        table.contains(" -3.19 (one in 706)")
            && table.contains("\n3 of 8 are more than 3 standard errors off"),
        "{table}"
    );
}

#[test]
fn a_block_is_told_by_the_hours_that_it_has() {
    let place = Place::empty();
    place.write("prices.csv", &prices(60));
    let told = |hours: &str| {
        json(
            &place,
            &format!("--model bootstrap --prices prices.csv --days 1 --paths 100 --block-hours {hours}"),
        )
    };
    // Rows are four hours apart.
    assert_eq!(told("10")["model"], "blocks of 8 hours of prices");
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_is_answered_in_the_middle_of_it_and_of_a_path_that_takes_minutes() {
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    let place = Place::empty();
    let mut keeper = Command::new(env!("CARGO_BIN_EXE_keeper"));
    keeper.args([
        "simulate",
        "--policy",
        &policy(),
        "--paths",
        "100",
        "--days",
        "730",
        "--step-minutes",
        "1",
    ]);
    let mut keeper =
        keeper.current_dir(place.path("")).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Until it listens: the bit of SIGTERM among the signals that are caught.
    let listens = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", keeper.id())).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
        u64::from_str_radix(caught.trim(), 16).unwrap() & (1 << 14) != 0
    };
    while !listens() {
        std::thread::yield_now();
    }
    let asked = Command::new("kill").args(["-TERM", &keeper.id().to_string()]).status().unwrap();
    assert!(asked.success());
    let asked = Instant::now();
    while keeper.try_wait().unwrap().is_none() {
        if asked.elapsed() > Duration::from_secs(30) {
            keeper.kill().unwrap();
            panic!("it goes on");
        }
        std::thread::yield_now();
    }
    let ended = keeper.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(
        ended.status.code() == Some(1) && said.contains("stopped by a signal"),
        "{:?} {said}",
        ended.status
    );
    assert!(ended.stdout.is_empty());
}
