//! `keeper backtest` as its users run it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails where it stands"
)]

use std::collections::BTreeMap;
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
        self.by(Command::new(env!("CARGO_BIN_EXE_keeper")), more)
    }

    fn by(&self, mut program: Command, more: &[&str]) -> Ended {
        let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/policies/cppi.toml");
        let prices = if more.contains(&"--prices") { &[][..] } else { &["--prices", "prices.csv"] };
        program.arg("backtest").args(prices).arg("--policy").arg(policy).args(more);
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

/// The rows of a CSV of numbers by their columns; what is no number is absent.
fn rows(text: &str) -> Vec<BTreeMap<String, Option<f64>>> {
    let (head, rows) = text.split_once('\n').unwrap();
    let row = |row: &str| {
        head.split(',').map(str::to_owned).zip(row.split(',').map(|field| field.parse().ok())).collect()
    };
    rows.lines().map(row).collect()
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
    let last = rows(&course).pop().unwrap();
    for entrant in ["policy", "hold", "cash", "threshold", "daily"] {
        assert_eq!(last[&format!("net_{entrant}")], of(&told, entrant)["end"].as_f64(), "{entrant}");
    }
    let figures = desk.run(&["--capital", "100000", "--format", "csv"]).out;
    assert_eq!(figures, desk.read("result/figures.csv"));
    let page = desk.run(&["--capital", "100000", "--format", "html"]).out;
    assert_eq!(page.trim_end(), desk.read("result/report.html").trim_end());
    assert!(page.contains("lost against the market’s price") && !page.contains("oracle"));
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
    desk.write("bad.toml", "[pools]\ndeep = 1\ndepth = \"-1\"\n[feed]\nheartbeat_seconds = 0\n");
    let mute = |from: &str, to: &str| format!("[[outages]]\nof = \"feed\"\nfrom = {from}\nto = {to}\n");
    let before = mute("2020-01-01", "1599998400");
    desk.write("mute.toml", &format!("{before}{}", mute("1599998400", "2030-01-01")));
    desk.write("late.toml", &format!("{before}{}", mute("1599998401", "1600010000")));
    desk.write("empty.csv", "");
    desk.write("afile", "");
    for (more, words) in [
        (vec!["--prices", "nowhere.csv"], "keeper: nowhere.csv: cannot be read: No such file"),
        (vec!["--prices", "bad.csv"], "keeper: bad.csv: line 3 high `x` is no number"),
        (vec!["--prices", "empty.csv"], "keeper: empty.csv: is empty: expected a line with the names"),
        (
            vec!["--setting", "bad.toml"],
            "keeper: 3 mistakes in the configuration\n  bad.toml:2:1: pools.deep: ",
        ),
        (vec!["--setting", "bad.toml"], "\n  bad.toml:5:21: feed.heartbeat_seconds: expected at least 1"),
        (
            vec!["--setting", "mute.toml"],
            "keeper: outages[1] of the feed, from 2020-09-13 12:00:00 to 2030-01-01 00:00:00 UTC, has the first tick, at \
             2020-09-13 12:00:00 UTC: there is no price to open the vault with. Let its `from` be later than that tick, or its \
             `to` no later\n",
        ),
        (vec!["--start", "2030-01-01"], "keeper: prices.csv: fewer than two bars are wholly between 2030"),
        (vec!["--start", "noon"], "such as 2020-03-12 or 2020-03-12 10:00:00: this is no time since 1970"),
        (vec!["--capital", "0"], "expected an amount from 1"),
        (vec!["--json", "--format", "html"], "cannot be used with"),
        (vec!["--out", "afile"], "keeper: afile is a file: --out takes a directory"),
    ] {
        let ended = desk.run(&more);
        assert!(ended.code == Some(2) && ended.err.contains(words), "{more:?}: {}", ended.err);
    }
    // What ends by the first tick, and what begins after it, are walked.
    let ended = desk.run(&["--end", "2020-09-15", "--setting", "late.toml"]);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    desk.write("flow.toml", "[[flows]]\nat = 2020-09-20\namount = \"-2000000\"\n");
    let ended = desk.run(&["--order", "close", "--setting", "flow.toml"]);
    let words = "at 2020-09-20 00:59:59 UTC: a withdrawal of 2000000 would leave no shares";
    assert!(ended.code == Some(1) && ended.err.contains(words), "{}", ended.err);
}

#[test]
fn the_course_has_accounts_that_add_up_and_the_tracking_error_is_of_steps_with_a_target() {
    let desk = Desk::set();
    // Without a feed the policy refuses after an hour and a half, and nobody knows its target.
    desk.write("mute.toml", "[[outages]]\nof = \"feed\"\nfrom = \"2020-09-20\"\nto = \"2020-09-22\"\n");
    let told = desk.json(&["--order", "close", "--setting", "mute.toml", "--out", "result"]);
    let course = rows(&desk.read("result/course.csv"));
    assert_eq!(course.len(), 480);
    let without = course.iter().filter(|row| row["target"].is_none()).count();
    assert!((40..55).contains(&without), "{without}");
    let (mut squares, mut earned, mut seconds) = (0.0, 0.0, 0.0);
    for pair in course.windows(2) {
        let at = |column: &str| pair[0][column].unwrap();
        let net = at("cash") + at("value") - at("gas");
        let made = at("flows") + at("earned") - at("fees") - at("impact") - at("gas");
        assert!((at("net_policy") - net).abs() < 1e-6 && (net - made).abs() < 1e-6, "{:?}", pair[0]);
        let Some(target) = pair[0]["target"] else { continue };
        let off = (at("value") - target) * (pair[1]["price"].unwrap() / at("price") - 1.0);
        squares += (off / (at("cash") + at("value"))).powi(2);
        earned += off;
        seconds += 3_600.0;
    }
    let figure = |name: &str| of(&told, "policy")[name].as_f64().unwrap();
    let tracking = f64::sqrt(squares / (seconds / 31_536_000.0));
    assert!(
        (figure("tracking_error") / tracking - 1.0).abs() < 1e-9,
        "{tracking} {}",
        figure("tracking_error")
    );
    assert!((figure("hedging_error") / earned - 1.0).abs() < 1e-9, "{earned} {}", figure("hedging_error"));
    assert!(of(&told, "hold")["tracking_error"].is_null() && of(&told, "cash")["hedging_error"].is_null());
}

#[test]
fn figures_have_one_name_unit_and_sign_in_every_format() {
    let desk = Desk::set();
    let told = desk.json(&["--order", "close"]);
    let csv = desk.run(&["--order", "close", "--format", "csv"]).out;
    let figures = told["figures"].as_array().unwrap();
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("figure,name,unit,policy,hold,cash,threshold,daily"));
    let metrics = of(&told, "policy").as_object().unwrap();
    assert_eq!((lines.clone().count(), metrics.len()), (figures.len(), figures.len() + 1));
    for (line, figure) in lines.zip(figures) {
        let text = |key: &str| figure[key].as_str().unwrap();
        let head = format!("{},{},{},", text("id"), text("name"), text("unit"));
        let values: Vec<&str> = line.strip_prefix(&head).unwrap().split(',').collect();
        for (value, entrant) in values.into_iter().zip(["policy", "hold", "cash", "threshold", "daily"]) {
            assert_eq!(value.parse::<f64>().ok(), of(&told, entrant)[text("id")].as_f64(), "{line}");
        }
    }
    assert!(metrics["max_drawdown"].as_f64().unwrap() > 0.0);
    // Of cash nothing moves, so that there is no risk to divide by.
    for name in ["sharpe", "sortino", "calmar"] {
        assert!(of(&told, "cash").get(name).unwrap().is_null(), "{name}");
    }
    let table = desk.run(&["--order", "close"]).out;
    let sharpe = table.lines().find(|line| line.trim_start().starts_with("Sharpe")).unwrap();
    assert_eq!(sharpe.split_whitespace().nth(3), Some("–"), "{sharpe}");
}

#[test]
fn without_a_loss_there_is_a_sharpe_and_no_sortino() {
    let desk = Desk::set();
    let mut text = "ts,close\n".to_owned();
    let mut price = 2_000.0;
    for hour in 0..200_u32 {
        price *= if hour % 2 == 0 { 1.01 } else { 1.005 };
        text.push_str(&format!("{},{price:.2}\n", 1_599_998_400 + 3_600 * hour));
    }
    desk.write("rising.csv", &text);
    let told = desk.json(&["--prices", "rising.csv", "--order", "close"]);
    let hold = of(&told, "hold");
    assert!(hold["sharpe"].as_f64().unwrap() > 10.0 && hold["sortino"].is_null(), "{hold}");
}

#[test]
fn every_tick_is_decided_under_way_or_absent() {
    let desk = Desk::set();
    desk.write(
        "slow.toml",
        "[keeper]\ninclusion_seconds = 100\n[[outages]]\nof = \"keeper\"\nfrom = \"2020-09-20 00:00:00\"\n\
         to = \"2020-09-20 06:00:00\"\n",
    );
    // Ticks of a bar are twenty minutes apart, and the next bar opens a second after the last of them.
    let slow = desk.json(&["--setting", "slow.toml"]);
    let counts = |told: &Value| {
        let row = &told["entrants"][0];
        let decided: u64 =
            row["reasons"].as_object().unwrap().values().map(|times| times.as_u64().unwrap()).sum();
        (decided, row["under_way"].as_u64().unwrap(), row["absent"].as_u64().unwrap())
    };
    let sent = |told: &Value| {
        let figure = |name: &str| of(told, "policy")[name].as_u64().unwrap();
        figure("rebalances") + figure("reverted")
    };
    let (decided, under_way, absent) = counts(&slow);
    assert_eq!((decided + under_way + absent, absent), (1_920, 24));
    assert!(under_way < sent(&slow), "{under_way}");
    // In bars of two minutes two more ticks come before it is included.
    let text: String = desk.read("prices.csv").lines().skip(1).enumerate().fold(
        "ts,open,high,low,close,volume\n".to_owned(),
        |text, (minute, row)| {
            let (_, rest) = row.split_once(',').unwrap();
            format!("{text}{},{rest}\n", 1_600_560_000 + 120 * minute)
        },
    );
    desk.write("prices.csv", &text);
    let quick = desk.json(&["--setting", "slow.toml"]);
    let (decided, under_way, absent) = counts(&quick);
    assert_eq!((decided + under_way + absent, absent), (1_920, 720));
    assert!(under_way > sent(&quick) && under_way <= 4 * sent(&quick), "{under_way}");
    let said = format!(
        "Ticks not decided anew: {under_way} with a transaction under way, 720 with the keeper absent."
    );
    let table = desk.run(&["--setting", "slow.toml"]).out;
    assert!(table.contains(" UTC, 1920 ticks\n") && table.contains(&said), "{table}");
    let page = desk.run(&["--setting", "slow.toml", "--format", "html"]).out;
    let decisions =
        format!("{}{:03} decisions of the policy", if decided >= 1_000 { "1," } else { "" }, decided % 1_000);
    assert!(page.contains(&said) && page.contains(&decisions), "{decisions}");
}

#[test]
fn a_policy_that_refuses_or_comes_to_its_target_late_is_told_so() {
    let desk = Desk::set();
    let rows = (0..30).map(|hour| format!("{},0.002,0.002,0.002,0.002,1\n", 1_599_998_400 + 3_600 * hour));
    desk.write("dust.csv", &format!("ts,open,high,low,close,volume\n{}", rows.collect::<String>()));
    let begins = |told: &Value, with: &str| {
        told["notes"].as_array().unwrap().iter().any(|note| note.as_str().unwrap().starts_with(with))
    };
    let dust = desk.json(&["--prices", "dust.csv", "--order", "close"]);
    let refused = "the policy refused 30 of 30 times, mostly for `invalid_price`";
    assert!(begins(&dust, refused), "{}", dust["notes"]);
    let large = desk.json(&["--capital", "1000000000", "--order", "close"]);
    assert!(begins(&large, "the policy traded at "), "{}", large["notes"]);
    let plain = desk.json(&["--order", "close"]);
    assert!(!begins(&plain, "the policy "), "{}", plain["notes"]);
}

#[test]
fn what_stands_beside_the_prices_and_is_not_of_them_is_told_or_refused() {
    let desk = Desk::set();
    desk.write("twice.csv", "timestamp,basefee_gwei\n1600005000,40\n1600600000,25.5\n1600005000,41\n");
    let ended = desk.run(&["--gas", "twice.csv"]);
    let why = "twice.csv: line 4 has another base fee of the time of line 2";
    assert!(ended.code == Some(2) && ended.err.contains(why), "{}", ended.err);
    desk.write("gas.csv", "timestamp,basefee_gwei\n1600005000,40\n1600600000,25.5\n");
    let told = desk.json(&["--order", "close", "--gas", "gas.csv"]);
    let notes = told["notes"].as_array().unwrap();
    assert_eq!(notes[0], "gas.csv: base fees are 25.50 to 40.00 gwei, their median is 32.75");
    assert_eq!(
        notes[1],
        "gas.csv: base fees begin at 2020-09-13 13:50:00 UTC: before it 20.00 gwei of the setting stand"
    );
    assert_eq!(notes[2], "gas.csv: base fees end at 2020-09-20 11:06:40 UTC: after it 25.50 gwei stand");
    desk.write("other.csv", "timestamp,basefee_gwei\n1400000000,40\n1400600000,25.5\n");
    desk.write("unit.csv", "timestamp,baseFee\n1600000000,40\n1600600000,25\n");
    for (file, words) in [
        (
            "other.csv",
            "keeper: other.csv: its base fees are from 2014-05-13 16:53:20 to 2014-05-20 15:33:20 UTC, the prices",
        ),
        ("unit.csv", "keeper: unit.csv: the median of its base fees is 3.2e-8 gwei, which is no base fee"),
    ] {
        let ended = desk.run(&["--gas", file]);
        assert!(ended.code == Some(2) && ended.err.contains(words), "{}", ended.err);
    }
    desk.write(
        "early.toml",
        "[[outages]]\nof = \"keeper\"\nfrom = \"2020-01-01\"\nto = \"2020-01-02\"\n[[flows]]\nat = \"2020-01-01\"\n\
         amount = \"5\"\n",
    );
    let (early, plain) =
        (desk.json(&["--order", "close", "--setting", "early.toml"]), desk.json(&["--order", "close"]));
    assert_eq!(early["entrants"], plain["entrants"], "neither is taken for one of the beginning");
    let notes: Vec<&str> =
        early["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap()).collect();
    assert!(
        notes.len() == 2
            && notes[0].starts_with(
                "outages[0] of the keeper, from 2020-01-01 00:00:00 to 2020-01-02 00:00:00 UTC, is not used"
            )
            && notes[1].starts_with("flows[0] of 5, at 2020-01-01 00:00:00 UTC, is not used"),
        "{notes:?}"
    );
}

#[test]
fn where_a_file_does_not_fit_on_the_disk_all_that_was_there_stays() {
    let desk = Desk::set();
    std::fs::create_dir(desk.0.path().join("result")).unwrap();
    let names = ["course.csv", "figures.csv", "rebalances.csv", "report.html"];
    for name in names {
        desk.write(&format!("result/{name}"), "of before");
    }
    // 40 blocks of 512 bytes hold the figures, and not the course or the page.
    let mut limited = Command::new("/bin/sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 40; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_keeper")]);
    let ended = desk.by(limited, &["--order", "close", "--out", "result"]);
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    assert!(ended.err.contains("result/report.html cannot be written: File too large"), "{}", ended.err);
    let there = std::fs::read_dir(desk.0.path().join("result")).unwrap();
    let mut there: Vec<String> =
        there.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    there.sort();
    assert_eq!(there, names);
    assert!(names.iter().all(|name| desk.read(&format!("result/{name}")) == "of before"));
    assert_eq!(desk.run(&["--order", "close", "--out", "result"]).code, Some(0));
    assert!(names.iter().all(|name| desk.read(&format!("result/{name}")).len() > 500));
}

#[test]
fn page_json_and_csv_of_a_course_that_is_thinned_out_have_one_last_price() {
    let desk = Desk::set();
    // More ticks than a picture has, an odd number of them, with the highest price at one and the lowest at the last.
    let mut text = "ts,close\n".to_owned();
    for row in 0..4_099_u32 {
        let price = match row {
            1_000 => 2_100.25,
            4_098 => 1_234.5,
            _ => 2_000.0 + f64::from(row % 40),
        };
        text.push_str(&format!("{},{price}\n", 1_599_998_400 + 300 * row));
    }
    desk.write("long.csv", &text);
    let given = ["--prices", "long.csv", "--order", "close", "--out", "result"];
    let told = desk.json(&given);
    let course = rows(&desk.read("result/course.csv"));
    let (first, last) = (&course[0], course.last().unwrap());
    assert_eq!((&told["ticks"], course.len()), (&4_099.into(), 4_099));
    assert_eq!(
        (&told["to"], last["time"], last["price"]),
        (&1_601_228_099.into(), Some(1.601_228_099e9), Some(1_234.5))
    );
    assert_eq!((told["from"].as_f64(), first["price"]), (first["time"], Some(2_000.0)));
    let page = desk.read("result/report.html");
    let said = "From 2020-09-13 12:04 to 2020-09-27 17:34 UTC the price of the risky asset went from 2,000.00 to \
                1,234.50&#160;USD (−38.28&#160;%), between 1,234.50 and 2,100.25&#160;USD. ";
    assert!(page.contains(said), "{}", page.split("</p>").nth(1).unwrap());
    assert_eq!(last["net_policy"], of(&told, "policy")["end"].as_f64());
}

#[test]
fn returns_are_from_the_first_tick_to_the_end_of_a_bar_and_from_there_to_the_next() {
    let desk = Desk::set();
    for order in ["olhc", "close"] {
        let told = desk.json(&["--order", order, "--out", "result"]);
        let course = rows(&desk.read("result/course.csv"));
        let policy = of(&told, "policy");
        let figure = |name: &str| policy[name].as_f64().unwrap();
        let ends = course.iter().map(|row| row["net_policy"].unwrap() / row["shares"].unwrap());
        let shares: Vec<f64> =
            std::iter::once(figure("start") / course[0]["shares"].unwrap()).chain(ends).collect();
        let returns: Vec<f64> = shares.windows(2).map(|pair| pair[1] / pair[0] - 1.0).collect();
        assert_eq!((returns.len(), returns[0] == 0.0), (480, order == "close"), "{order}");
        let count = 480.0;
        let yearly = f64::sqrt(count / (figure("seconds") / 31_536_000.0));
        let mean = |values: &[f64]| values.iter().sum::<f64>() / count;
        let deviation = |values: &[f64]| {
            let squares = values.iter().map(|value| (value - mean(values)).powi(2)).sum::<f64>();
            f64::sqrt(squares / (count - 1.0))
        };
        let logs: Vec<f64> = returns.iter().map(|earned| earned.ln_1p()).collect();
        for (name, expected) in [
            ("volatility", deviation(&logs) * yearly),
            ("sharpe", mean(&returns) / deviation(&returns) * yearly),
        ] {
            assert!((figure(name) / expected - 1.0).abs() < 1e-6, "{order} {name}: {expected} {policy}");
        }
    }
}
