//! `keeper sweep` as its users run it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails where it stands"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Twelve policies in four worlds.
const GRID: &str = "capital = [\"100000\", \"10000000\"]\n[policy]\n\"strategy.multiplier\" = [\"2\", \"3\", \"4\"]\n\
                    \"risk.aversion\" = { from = \"1\", to = \"16\", steps = 4, scale = \"log\" }\n\
                    [setting]\n\"pools.depth\" = [\"500000\", \"2000000\"]\n";
const CELLS: usize = 48;
/// Everything that does not depend on how it came about.
const RESULTS: [&str; 3] = ["results.csv", "results.parquet", "report.html"];

/// A folder with prices and grids, and the program in it.
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
        let mut text = "ts,open,high,low,close\n".to_owned();
        let mut open = 2_000.0_f64;
        for hour in 0..96_u32 {
            let drift = if (40..64).contains(&hour) { -0.009 } else { 0.001 };
            let close = open * (1.0 + drift + 0.004 * (f64::from(hour) * 0.7).sin());
            let (high, low) = (open.max(close) * 1.002, open.min(close) * 0.998);
            let time = 1_599_998_400 + 3_600 * hour;
            text.push_str(&format!("{time},{open:.2},{high:.2},{low:.2},{close:.2}\n"));
            open = close;
        }
        desk.write("prices.csv", &text);
        desk.write("grid.toml", GRID);
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/policies/cppi.toml");
        let mut command = Command::new(program);
        if program == "sh" {
            // The writer learns of what does not fit, and is not ended for it.
            let script = "trap '' XFSZ; ulimit -f \"$1\"; shift; exec \"$0\" \"$@\"";
            command.args(["-c", script, env!("CARGO_BIN_EXE_keeper"), "20"]);
        }
        command.args(arguments).args(["--order", "close", "--policy"]).arg(policy);
        command.current_dir(self.0.path()).env_clear().env("PATH", "/usr/bin:/bin");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        ended(self.command(env!("CARGO_BIN_EXE_keeper"), arguments).output().unwrap())
    }

    fn sweep(&self, out: &str, more: &[&str]) -> Ended {
        self.run(&[&["sweep", "--prices", "prices.csv", "--grid", "grid.toml", "--out", out], more].concat())
    }

    fn start(&self, program: &str, out: &str) -> Child {
        let arguments =
            ["sweep", "--prices", "prices.csv", "--grid", "grid.toml", "--threads", "1", "--out", out];
        self.command(program, &arguments).spawn().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let ended = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        serde_json::from_str(&ended.out).unwrap()
    }

    fn lines(&self, out: &str) -> usize {
        let text = std::fs::read_to_string(self.path(out).join("cells.jsonl")).unwrap_or_default();
        text.matches('\n').count()
    }

    /// Waits until so many combinations are kept.
    fn wait(&self, out: &str, child: &mut Child, cells: usize) {
        while self.lines(out) <= cells {
            assert!(child.try_wait().unwrap().is_none(), "it ended with {} lines", self.lines(out));
            std::thread::yield_now();
        }
    }

    fn bytes(&self, out: &str) -> Vec<Vec<u8>> {
        RESULTS.iter().map(|name| std::fs::read(self.path(out).join(name)).unwrap()).collect()
    }

    /// The rows of results.csv, by the names of their columns; no value of these grids has a comma.
    fn rows(&self, out: &str) -> Vec<BTreeMap<String, String>> {
        let text = self.read(&format!("{out}/results.csv"));
        let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
        let head = lines.next().unwrap();
        lines.map(|row| head.iter().cloned().zip(row).collect()).collect()
    }
}

fn ended(output: Output) -> Ended {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

fn real(row: &BTreeMap<String, String>, name: &str) -> f64 {
    row[name].parse().unwrap_or_else(|_| panic!("{name} of {row:?}"))
}

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-9 * one.abs().max(other.abs())
}

#[test]
fn every_combination_is_the_backtest_of_its_policy_in_its_world() {
    let desk = Desk::set();
    desk.write(
        "grid.toml",
        "capital = [\"100000\"]\n[policy]\nstrategy.multiplier = [\"2\", \"3\"]\n[setting]\npools.depth = [\"500000\", \"2000000\"]\n\
         [[period]]\nname = \"crash\"\nstart = \"2020-09-14\"\nend = \"2020-09-16\"\n[[period]]\nname = \"all\"\nprices = \"prices.csv\"\n",
    );
    let ended = desk.run(&["sweep", "--prices", "prices.csv", "--grid", "grid.toml", "--out", "o"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let rows = desk.rows("o");
    assert_eq!(rows.len(), 8);
    let kept = desk.read("o/cells.jsonl");
    let kept: Vec<Value> = kept.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    // Multiplier 3 in the deep pool: the policy and the setting as they are.
    for (cell, part) in [(6, &["--start", "2020-09-14", "--end", "2020-09-16"][..]), (7, &[])] {
        let arguments = [&["backtest", "--prices", "prices.csv", "--capital", "100000"], part].concat();
        let alone = desk.json(&arguments);
        let line = kept.iter().find(|line| line["cell"] == cell).unwrap();
        let metrics = &alone["entrants"][0]["metrics"];
        assert_eq!(&line["outcome"]["walked"], metrics);
        let row = &rows[cell];
        let values =
            ["policy.strategy.multiplier", "setting.pools.depth", "capital"].map(|name| row[name].as_str());
        assert_eq!(values, ["3", "2000000", "100000"]);
        for name in ["cost_bps", "tracking_error", "max_drawdown", "end", "lowest_cushion"] {
            assert_eq!(real(row, name), metrics[name].as_f64().unwrap(), "{name}");
        }
        assert_eq!(row["rebalances"], metrics["rebalances"].to_string());
        assert_eq!(alone["policy_hash"], row["policy_hash"].as_str());
    }
    assert_eq!([&rows[6]["period"], &rows[7]["period"]], ["crash", "all"]);
    assert_ne!(real(&rows[3], "cost_bps"), real(&rows[7], "cost_bps"));
}

#[test]
fn results_are_the_same_for_any_number_of_threads_and_whatever_ended_the_first_attempts() {
    let desk = Desk::set();
    assert_eq!(desk.sweep("five", &["--threads", "5"]).code, Some(0));
    let whole = desk.bytes("five");
    assert_eq!(desk.rows("five").len(), CELLS);

    let mut child = desk.start(env!("CARGO_BIN_EXE_keeper"), "killed");
    desk.wait("killed", &mut child, 4);
    // SIGKILL: nothing is put in order.
    child.kill().unwrap();
    child.wait().unwrap();
    let done = desk.lines("killed") - 1;
    assert!((4..CELLS).contains(&done), "{done}");
    assert!(!desk.path("killed/results.csv").exists());
    let torn = desk.read("killed/cells.jsonl") + "{\"cell\":47,\"key\":\"0x";
    desk.write("killed/cells.jsonl", &torn);
    let beyond = torn.len() - torn.rfind('\n').unwrap() - 1;

    let mut child = desk.start(env!("CARGO_BIN_EXE_keeper"), "killed");
    desk.wait("killed", &mut child, done + 3);
    let busy = desk.sweep("killed", &[]);
    assert!(busy.code == Some(2) && busy.err.contains("another sweep is writing"), "{}", busy.err);
    let asked = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(asked.success());
    let stopped = ended(child.wait_with_output().unwrap());
    assert_eq!(stopped.code, Some(1), "{}", stopped.err);
    let then = desk.lines("killed") - 1;
    let told = format!("the last {beyond} bytes of cells.jsonl were no whole line");
    assert!(stopped.err.contains(&told), "{}", stopped.err);
    assert!(stopped.err.contains(&format!("{done} combinations are in killed already")), "{}", stopped.err);
    let told = format!("stopped by a signal: {then} combinations are kept and {} are left", CELLS - then);
    assert!(stopped.err.contains(&told), "{}", stopped.err);

    assert_eq!(desk.sweep("killed", &["--threads", "2"]).code, Some(0));
    assert_eq!(desk.lines("killed"), CELLS + 1);
    assert_eq!(desk.bytes("killed"), whole);
    // What is done is not walked again.
    let before = desk.read("killed/cells.jsonl");
    assert_eq!(desk.sweep("killed", &[]).code, Some(0));
    assert_eq!((desk.bytes("killed"), desk.read("killed/cells.jsonl")), (whole, before));
}

#[test]
fn on_a_full_disk_it_says_so_and_loses_nothing() {
    let desk = Desk::set();
    let full = ended(desk.start("sh", "full").wait_with_output().unwrap());
    assert_eq!(full.code, Some(1), "{}", full.err);
    let text = desk.read("full/cells.jsonl");
    let done = desk.lines("full") - 1;
    assert!(text.ends_with('\n') && (3..CELLS).contains(&done), "{done}");
    let told = format!(
        "full/cells.jsonl cannot be written: File too large (os error 27); {done} combinations are kept"
    );
    assert!(full.err.contains(&told), "{}", full.err);
    assert_eq!(desk.sweep("full", &[]).code, Some(0));
    assert!(desk.read("full/cells.jsonl").starts_with(&text));
    assert_eq!(desk.sweep("plain", &[]).code, Some(0));
    assert_eq!(desk.bytes("full"), desk.bytes("plain"));
}

#[test]
fn the_front_is_of_the_policies_that_none_beats_in_the_mean_cost_and_the_highest_risk_of_their_worlds() {
    let desk = Desk::set();
    let arguments = ["sweep", "--prices", "prices.csv", "--grid", "grid.toml", "--out", "o"];
    let told = desk.json(&arguments);
    let rows = desk.rows("o");
    let key = |row: &BTreeMap<String, String>| {
        (row["policy.strategy.multiplier"].clone(), row["policy.risk.aversion"].clone())
    };
    // Of each policy the mean cost and the highest tracking error of its four worlds.
    let mut policies: BTreeMap<(String, String), Vec<(f64, f64)>> = BTreeMap::new();
    for row in &rows {
        policies.entry(key(row)).or_default().push((real(row, "cost_bps"), real(row, "tracking_error")));
    }
    assert_eq!(policies.len(), 12);
    let points: Vec<_> = policies
        .into_iter()
        .map(|(key, worlds)| {
            assert_eq!(worlds.len(), 4);
            let cost = worlds.iter().map(|(cost, _)| cost).sum::<f64>() / 4.0;
            (key, cost, worlds.iter().map(|(_, risk)| *risk).fold(0.0, f64::max))
        })
        .collect();
    let beaten = |cost: f64, risk: f64| {
        points.iter().any(|(_, c, r)| *c <= cost && *r <= risk && (*c < cost || *r < risk))
    };
    let mut front: Vec<_> = points.iter().filter(|(_, cost, risk)| !beaten(*cost, *risk)).collect();
    front.sort_by(|a, b| a.1.total_cmp(&b.1));
    let listed = told["front"].as_array().unwrap();
    assert!(front.len() > 1 && front.len() < 12, "{front:?}");
    assert_eq!(listed.len(), front.len());
    for (listed, ((multiplier, aversion), cost, risk)) in listed.iter().zip(&front) {
        assert_eq!(listed["values"]["policy.strategy.multiplier"], *multiplier);
        let shown: f64 = listed["values"]["policy.risk.aversion"].as_str().unwrap().parse().unwrap();
        assert_eq!(shown, aversion.parse::<f64>().unwrap());
        assert!(
            near(listed["cost_bps"].as_f64().unwrap(), *cost)
                && near(listed["risk"].as_f64().unwrap(), *risk)
        );
    }
}

#[test]
fn the_heat_map_is_that_of_the_results_by_whatever_is_asked_for() {
    let desk = Desk::set();
    let arguments = ["sweep", "--prices", "prices.csv", "--grid", "grid.toml", "--out", "o"];
    let told = desk.json(&arguments);
    let rows = desk.rows("o");
    let kept = desk.read("o/cells.jsonl");
    // Across the parameter with the most values, up the next one, each cell the mean of the other four.
    let map = &told["heat_map"];
    assert_eq!(
        (&map["x"], &map["y"]),
        (&"policy.risk.aversion".into(), &"policy.strategy.multiplier".into())
    );
    for (y, multiplier) in ["2", "3", "4"].into_iter().enumerate() {
        for (x, aversion) in [1.0, 2.51984, 6.34960, 16.0].into_iter().enumerate() {
            let here = |row: &&BTreeMap<String, String>| {
                row["policy.strategy.multiplier"] == multiplier
                    && real(row, "policy.risk.aversion") == aversion
            };
            let costs: Vec<f64> = rows.iter().filter(here).map(|row| real(row, "cost_bps")).collect();
            assert_eq!(costs.len(), 4, "{aversion}");
            let mean = costs.iter().sum::<f64>() / 4.0;
            assert!(near(map["values"][y][x].as_f64().unwrap(), mean));
        }
    }
    let view =
        ["--x", "capital", "--y", "strategy.multiplier", "--figure", "rebalances", "--others", "highest"];
    let fixed = ["--fix", "risk.aversion=16", "--risk", "lowest-cushion"];
    let told = desk.json(&[&arguments[..], &view, &fixed].concat());
    let most = |capital: &str, multiplier: &str| {
        let here = |row: &&BTreeMap<String, String>| {
            row["capital"] == capital
                && row["policy.strategy.multiplier"] == multiplier
                && real(row, "policy.risk.aversion") == 16.0
        };
        rows.iter().filter(here).map(|row| real(row, "rebalances")).fold(0.0, f64::max)
    };
    assert_eq!(told["heat_map"]["values"][2][1], most("10000000", "4"));
    assert_eq!(told["cells"], 12);
    let safest = told["front"].as_array().unwrap().last().unwrap();
    let lowest = rows
        .iter()
        .filter(|row| row["policy.strategy.multiplier"] == "2" && real(row, "policy.risk.aversion") == 16.0);
    let lowest = lowest.map(|row| real(row, "lowest_cushion_share")).fold(f64::INFINITY, f64::min);
    assert_eq!(
        (safest["values"]["policy.strategy.multiplier"].as_str(), &safest["risk"]),
        (Some("2"), &(-lowest).into())
    );
    assert_eq!(desk.read("o/cells.jsonl"), kept, "nothing is walked again");
}

#[test]
fn what_fits_only_into_some_combinations_is_listed_and_the_rest_is_walked() {
    let desk = Desk::set();
    desk.write(
        "grid.toml",
        "[policy]\nlimits.min_trade = [\"100\", \"2000000\"]\nlimits.max_trade = [\"1000000\", \"3000000\"]\n\
         trigger = [{ kind = \"economic\" }, { kind = \"interval\", seconds = 86400 }]\n",
    );
    let ended = desk.sweep("o", &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.out.contains("6 combinations walked"), "{}", ended.out);
    assert_eq!(
        ended.out.matches("without a result: policy.limits.min_trade = 2000000").count(),
        2,
        "{}",
        ended.out
    );
    let csv = desk.read("o/results.csv");
    assert_eq!((csv.matches(",walked,").count(), csv.matches(",impossible,").count()), (6, 2));
    let page = desk.read("o/report.html");
    assert!(page.contains("2 combinations without a result") && page.contains("<h2>Without a result</h2>"));
    // A long value stands at the axis under its number.
    assert!(page.contains("#2 { kind = &quot;interval&quot;, seconds = 86400 }"));
    desk.write("hedge.toml", "[policy]\ngas.chain = [\"op_stack\"]\nreserve.exit_data_fee_wei = [1000]\n");
    let none = desk.run(&["sweep", "--prices", "prices.csv", "--grid", "hedge.toml", "--out", "none"]);
    assert!(
        none.code == Some(1) && none.err.contains("could be walked through these prices"),
        "{}",
        none.err
    );
}

#[test]
fn what_is_wrong_is_told_before_anything_runs() {
    let desk = Desk::set();
    desk.write("wrong.toml", "[policy]\n\"strategy.multiplyer\" = [\"2\"]\n\"gap.jump\" = [\"0.1\", \"1.5\"]\n[setting]\n\"pools.deep\" = [1]\n");
    desk.write("mute.toml", "[[outages]]\nof = \"feed\"\nfrom = 0\nto = 2100-01-01\n");
    let plain = ["--prices", "prices.csv"];
    for (more, words) in [
        (["--grid", "nowhere.toml"], vec!["the grid nowhere.toml cannot be read"]),
        (
            ["--grid", "wrong.toml"],
            vec![
                "3 mistakes in the grid",
                "wrong.toml:2:26: policy.strategy.multiplyer: 2 does not fit: strategy.multiplyer: unknown key",
                "wrong.toml:3:22: policy.gap.jump: 1.5 does not fit: gap.jump: ",
                "wrong.toml:5:17: setting.pools.deep: 1 does not fit: unknown field `deep`",
            ],
        ),
        (
            ["--setting", "mute.toml"],
            vec![
                "outages[0] of the feed, from 1970-01-01 00:00:00 to 2100-01-01",
                "there is no price to open the vault with",
            ],
        ),
        (["--figure", "costs"], vec!["there is no figure costs; there are start, end, flows"]),
        (
            ["--fix=capital=100000", "--fix=capital=10000000"],
            vec!["--fix: capital stands twice: name one of its values"],
        ),
        (["--fix", "capital=5"], vec!["--fix: capital has no value 5; it has 100000, 10000000"]),
        (
            ["--y", "multiplier"],
            vec!["--y: the grid does not vary multiplier; it varies policy.strategy.multiplier"],
        ),
        (["--start", "2030-01-01"], vec!["2030"]),
    ] {
        let grid = if more[0] == "--grid" { vec![] } else { vec!["--grid", "grid.toml"] };
        let ended = desk.run(&[&["sweep", "--out", "o"], &plain[..], &grid, &more].concat());
        assert_eq!(ended.code, Some(2), "{more:?}: {}", ended.err);
        for words in words {
            assert!(ended.err.contains(words), "{more:?}: {}", ended.err);
        }
        assert!(!desk.path("o").exists());
    }
    let ended = desk.run(&["sweep", "--grid", "grid.toml", "--out", "o"]);
    assert!(ended.code == Some(2) && ended.err.contains("--prices is needed"), "{}", ended.err);
    let ended = desk.run(&["sweep", "--prices", "none.csv", "--grid", "grid.toml", "--out", "o"]);
    let told = "keeper: none.csv: cannot be read: No such file";
    assert!(ended.code == Some(2) && ended.err.starts_with(told), "{}", ended.err);
}

#[test]
fn results_of_other_inputs_are_refused_with_what_is_otherwise() {
    let desk = Desk::set();
    desk.write("grid.toml", "[policy]\n\"strategy.multiplier\" = [\"2\", \"3\"]\n");
    assert_eq!(desk.sweep("o", &[]).code, Some(0));
    let kept = desk.read("o/cells.jsonl");
    desk.write("gas.csv", "timestamp,baseFee\n1600000000,40000000000\n");
    desk.write("setting.toml", "[pools]\ndepth = \"500000\"\n");
    desk.write("other.toml", "[policy]\n\"strategy.multiplier\" = [\"2\", \"4\"]\n");
    for (more, what) in [
        (vec!["--gas", "gas.csv"], "gas"),
        (vec!["--setting", "setting.toml"], "setting"),
        (vec!["--capital", "5000", "--end", "2020-09-16"], "capital, prices"),
    ] {
        let ended = desk.sweep("o", &more);
        let told = format!("is of a sweep with other inputs ({what}): name another --out");
        assert!(ended.code == Some(2) && ended.err.contains(&told), "{}", ended.err);
    }
    let ended = desk.run(&["sweep", "--prices", "prices.csv", "--grid", "other.toml", "--out", "o"]);
    assert!(ended.code == Some(2) && ended.err.contains("other inputs (grid)"), "{}", ended.err);
    assert_eq!(desk.read("o/cells.jsonl"), kept);
    // Comments and the layout of the grid are no inputs.
    desk.write("grid.toml", "# the same\n[policy.strategy]\nmultiplier = [ \"2\", \"3\" ]\n");
    assert_eq!(desk.sweep("o", &[]).code, Some(0));
}

#[test]
fn what_is_to_be_known_of_prices_is_told_once_and_of_the_parts_that_were_walked_alone() {
    let desk = Desk::set();
    let text = desk.read("prices.csv");
    // Hour 60 is missing: 2020-09-16 00:00.
    let lines: Vec<&str> =
        text.lines().enumerate().filter(|(at, _)| *at != 61).map(|(_, line)| line).collect();
    desk.write("prices.csv", &lines.join("\n"));
    let period = |name: &str, end: &str| format!("[[period]]\nname = \"{name}\"\nend = {end}\n");
    desk.write("grid.toml", &[period("a", "2020-09-14"), period("b", "2020-09-15")].concat());
    desk.write("whole.toml", &[period("a", "2020-09-17"), period("b", "2020-09-17T12:00:00")].concat());
    for (grid, notes) in [("grid.toml", 0), ("whole.toml", 1)] {
        let told = desk.json(&[
            "sweep",
            "--prices",
            "prices.csv",
            "--grid",
            grid,
            "--out",
            grid.trim_end_matches(".toml"),
        ]);
        let told = told["notes"].as_array().unwrap();
        assert_eq!(told.len(), notes, "{told:?}");
        assert!(told.iter().all(|note| note.as_str().unwrap().contains("missing")), "{told:?}");
    }
}
