//! `keeper backtest` as its users run it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails where it stands"
)]

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

/// A folder with prices, and the program in it.
struct Desk(TempDir);

struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Desk {
    /// Hours that rise, crash by a third in two days, and recover a part.
    fn set() -> Self {
        let desk = Self(TempDir::new().unwrap());
        let mut text = "ts,open,high,low,close,volume\n".to_owned();
        let mut open = 2_000.0_f64;
        for hour in 0..480_u32 {
            let drift = match hour {
                0..240 => 0.001,
                240..288 => -0.009,
                _ => 0.0004,
            };
            let close = open * (1.0 + drift + 0.004 * (f64::from(hour) * 0.7).sin());
            let (high, low) = (open.max(close) * 1.002, open.min(close) * 0.998);
            let time = 1_599_998_400 + 3_600 * hour;
            text.push_str(&format!("{time},{open:.2},{high:.2},{low:.2},{close:.2},1\n"));
            open = close;
        }
        desk.write("prices.csv", &text);
        desk
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.0.path().join(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.path().join(name)).unwrap()
    }

    fn run(&self, more: &[&str]) -> Ended {
        let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/policies/cppi.toml");
        let mut program = Command::new(env!("CARGO_BIN_EXE_keeper"));
        program.args(["backtest", "--prices", "prices.csv", "--policy"]).arg(policy).args(more);
        let output = program.current_dir(self.0.path()).env_clear().output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    fn json(&self, more: &[&str]) -> Value {
        let ended = self.run(&[&["--json"], more].concat());
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        serde_json::from_str(&ended.out).unwrap()
    }
}

fn of<'v>(told: &'v Value, entrant: &str) -> &'v Value {
    let all = told["entrants"].as_array().unwrap();
    &all.iter().find(|row| row["entrant"] == entrant).unwrap()["metrics"]
}

#[test]
fn figures_table_page_and_files_tell_the_same() {
    let desk = Desk::set();
    let told = desk.json(&["--capital", "100000", "--out", "result"]);
    let policy = of(&told, "policy");
    assert_eq!((&told["ticks"], &told["from"]), (&1_920.into(), &1_599_998_400.into()));
    assert_eq!(policy["start"], 100_000.0);
    assert_eq!((&policy["floor_breaches"], &policy["cash_lock"]), (&0.into(), &0.0.into()));
    assert!(policy["lowest_cushion"].as_f64().unwrap() > 0.0, "{policy}");
    let rebalances = policy["rebalances"].as_u64().unwrap();
    assert!(rebalances > 3, "{policy}");
    assert_eq!(
        (&of(&told, "cash")["end"], &of(&told, "cash")["total_return"]),
        (&100_000.0.into(), &0.0.into())
    );
    assert_eq!(of(&told, "hold")["rebalances"], 1);

    let trades = desk.read("result/rebalances.csv");
    let reverted = policy["reverted"].as_u64().unwrap();
    assert_eq!(trades.lines().count() as u64, 1 + rebalances + reverted);
    let course = desk.read("result/course.csv");
    assert_eq!(course.lines().count(), 481);
    let last: Vec<&str> = course.lines().last().unwrap().split(',').collect();
    assert_eq!(last[2].parse::<f64>().unwrap(), policy["end"].as_f64().unwrap());
    let figures = desk.run(&["--capital", "100000", "--format", "csv"]).out;
    assert_eq!(figures, desk.read("result/figures.csv"));
    let page = desk.run(&["--capital", "100000", "--format", "html"]).out;
    assert_eq!(page.trim_end(), desk.read("result/report.html").trim_end());
    assert!(page.contains("The floor held.") && page.matches("<figure>").count() == 6, "{}", page.len());
    let table = desk.run(&["--capital", "100000"]).out;
    assert!(table.contains("Lowest cushion") && table.contains("rebalance: worth"), "{table}");
}

#[test]
fn rows_in_any_order_and_any_number_of_threads_give_one_result() {
    let desk = Desk::set();
    let first = desk.run(&["--json", "--threads", "1"]).out;
    assert_eq!(desk.run(&["--json", "--threads", "5"]).out, first);
    let text = desk.read("prices.csv");
    let (head, rows) = text.split_once('\n').unwrap();
    let mut rows: Vec<&str> = rows.lines().collect();
    rows.reverse();
    desk.write("prices.csv", &format!("{head}\n{}\n", rows.join("\n")));
    let mut mixed: Value = serde_json::from_str(&desk.run(&["--json"]).out).unwrap();
    let mut plain: Value = serde_json::from_str(&first).unwrap();
    assert_ne!(mixed["notes"].take(), plain["notes"].take(), "that rows were sorted is told");
    assert_eq!(mixed, plain);
}

#[test]
fn a_part_of_the_time_gas_and_a_setting_are_taken() {
    let desk = Desk::set();
    let part = desk.json(&["--start", "2020-09-15", "--end", "2020-09-20"]);
    assert_eq!((&part["from"], &part["to"]), (&1_600_128_000.into(), &1_600_559_999.into()));
    let gas = |told: &Value| of(told, "policy")["gas"].as_f64().unwrap();
    let plain = desk.json(&[]);
    desk.write("gas.csv", "timestamp,baseFee\n1600000000,40000000000\n");
    let dear = desk.json(&["--gas", "gas.csv"]);
    // 400,000 units at 40 and 1 gwei against 20 and 1, of as many trades or fewer.
    let each = |told: &Value| {
        gas(told)
            / (of(told, "policy")["rebalances"].as_f64().unwrap()
                + of(told, "policy")["reverted"].as_f64().unwrap())
    };
    assert!((1.7..2.2).contains(&(each(&dear) / each(&plain))), "{} {}", each(&dear), each(&plain));
    desk.write("away.toml", "[[outages]]\nof = \"keeper\"\nfrom = \"2020-09-23\"\nto = \"2020-09-26\"\n");
    let away = desk.json(&["--setting", "away.toml"]);
    let lowest = |told: &Value| of(told, "policy")["lowest_cushion"].as_f64().unwrap();
    assert!(lowest(&away) < 0.5 * lowest(&plain), "{} {}", lowest(&away), lowest(&plain));
}

#[test]
fn what_is_wrong_is_told_with_its_place_and_what_to_do() {
    let desk = Desk::set();
    desk.write("bad.csv", "ts,open,high,low,close\n0,1,2,1,1\n60,1,x,1,1\n120,1,2,1,-1\n");
    desk.write("bad.toml", "[pools]\ndeep = 1\n");
    for (more, words) in [
        (vec!["--prices", "nowhere.csv"], "nowhere.csv"),
        (vec!["--prices", "bad.csv"], "line 3"),
        (vec!["--setting", "bad.toml"], "unknown field `deep`"),
        (vec!["--start", "2030-01-01"], "2030"),
        (vec!["--start", "noon"], "expected a time in UTC"),
        (vec!["--capital", "0"], "expected an amount from 1"),
        (vec!["--json", "--format", "html"], "cannot be used with"),
    ] {
        let mut program = Command::new(env!("CARGO_BIN_EXE_keeper"));
        let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/policies/cppi.toml");
        program.args(["backtest", "--policy"]).arg(policy);
        if !more.contains(&"--prices") {
            program.args(["--prices", "prices.csv"]);
        }
        let output = program.args(&more).current_dir(desk.0.path()).env_clear().output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && err.contains(words), "{more:?}: {err}");
    }
}
