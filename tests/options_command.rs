//! Option books that roll in `keeper backtest`, `sweep` and `simulate`, as their users run them.
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
use vault_keeper::backtest::past::setting::Setting;

/// A call that is written, and a put that is bought.
const SETTING: &str = r#"
[options]
tenor_days = 2
spread = "0.02"

[[options.positions]]
kind = "call"
side = "written"
strike = "1.05"
limit = "1.5"
size = { nav = "0.3" }

[[options.positions]]
kind = "put"
side = "bought"
delta = "0.25"
size = { units = "20" }
"#;

fn policy(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/policies").join(name).to_str().unwrap().to_owned()
}

/// Nine days of hours around 2,000.
fn desk() -> Place {
    let place = Place::empty();
    let mut text = "ts,open,high,low,close\n".to_owned();
    let mut open = 2_000.0_f64;
    for hour in 0..216_u32 {
        let close = 2_000.0 + 120.0 * (f64::from(hour) * 0.05).sin() + 15.0 * (f64::from(hour) * 0.7).sin();
        let (high, low) = (open.max(close) * 1.002, open.min(close) * 0.998);
        let time = 1_599_998_400 + 3_600 * hour;
        text.push_str(&format!("{time},{open:.2},{high:.2},{low:.2},{close:.2}\n"));
        open = close;
    }
    place.write("prices.csv", &text);
    place.write("setting.toml", SETTING);
    place
}

fn run(place: &Place, arguments: &str) -> Ended {
    let policy = policy("delta-hedge.toml");
    let arguments = arguments.replace("POLICY", &policy);
    place.run(&arguments.split_whitespace().collect::<Vec<_>>())
}

fn real(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
}

#[test]
fn figures_page_and_files_tell_of_every_roll() {
    let place = desk();
    let given = "backtest --prices prices.csv --policy POLICY --setting setting.toml --out result";
    let ended = run(&place, &format!("{given} --json"));
    assert_eq!(ended.code, 0, "{}", ended.err);
    let told = ended.json();
    let row = &told["entrants"][0];
    let (metrics, rolls) = (&row["metrics"], row["options"].as_array().unwrap());
    // Two days, until the feed says more, and a day between two series: three are over within nine days.
    assert_eq!((rolls.len(), &metrics["options"]), (6, &6.into()));
    let sum = |of: &dyn Fn(&Value) -> f64| rolls.iter().map(of).sum::<f64>();
    let near = |figure: &str, value: f64| (real(&metrics[figure]) - value).abs() < 1e-6;
    assert!(near("premiums", sum(&|roll| real(&roll["opened"]["premium"]))), "{row}");
    let settled =
        |roll: &Value| if roll["settled"].is_null() { 0.0 } else { real(&roll["settled"]["payoff"]) };
    assert!(near("payoffs", sum(&settled)), "{row}");
    assert!(near("hedged_profit", real(&metrics["book_profit"]) + real(&metrics["hedge_profit"])), "{row}");
    for pair in rolls.chunks(2) {
        let (call, put) = (&pair[0], &pair[1]);
        let price = real(&call["opened"]["price"]);
        assert!((real(&call["strike"]) / price - 1.05).abs() < 1e-12 && real(&put["strike"]) < price);
        assert!(real(&call["size"]) < 0.0 && real(&call["opened"]["premium"]) > 0.0, "{call}");
        assert!(real(&put["size"]) == 20.0 && real(&put["opened"]["premium"]) < 0.0, "{put}");
    }
    // All of them, whoever keeps the vault; who only holds cash is naked.
    for entrant in told["entrants"].as_array().unwrap() {
        assert_eq!(entrant["metrics"]["options"], 6, "{entrant}");
    }
    assert_eq!(told["entrants"][2]["metrics"]["hedge_profit"], 0.0);

    let read = |name: &str| std::fs::read_to_string(place.path(name)).unwrap();
    let (options, course) = (read("result/options.csv"), read("result/course.csv"));
    assert_eq!(options.lines().count(), 7);
    assert!(
        options.starts_with("number,opened,kind,size,price,strike,limit,expiry,collateral,"),
        "{options}"
    );
    let (head, rows) = course.split_once('\n').unwrap();
    assert!(head.contains(",options,posted,mark,premiums,payoffs,net_policy,"), "{head}");
    let mut posted = 0;
    for row in rows.lines() {
        let of = |name: &str| -> f64 {
            let at = head.split(',').position(|column| column == name).unwrap();
            row.split(',').nth(at).unwrap().parse().unwrap()
        };
        let net = of("cash") + of("value") + of("posted") + of("mark") - of("gas");
        let book = of("premiums") + of("payoffs") + of("mark");
        let made = of("flows") + of("earned") + book - of("fees") - of("impact") - of("gas");
        assert!((of("net_policy") - net).abs() < 1e-6 && (net - made).abs() < 1e-6, "{row}");
        assert!((of("options") - of("posted") - of("mark")).abs() < 1e-6, "{row}");
        posted += usize::from(of("posted") > 0.0 && of("premiums") != 0.0);
    }
    assert!(posted > 100, "{posted}");
    let page = read("result/report.html");
    assert!(page.contains("<h2>Options</h2>") && page.matches("written call</td>").count() == 3);
    let table = run(&place, given).out;
    assert!(table.contains("Premiums") && table.contains("Earned by the book"), "{table}");
}

#[test]
fn what_was_undone_and_what_was_not_opened_is_told_with_the_reason() {
    let place = desk();
    // A day's series from noon to noon, and a feed that is silent from shortly before the first expiry, or after it, to the end.
    let setting = |from: &str| {
        let outage = format!("[[outages]]\nof = \"feed\"\nfrom = 2020-09-14 {from}\nto = 2020-09-30\n");
        let daily = SETTING.replacen("tenor_days = 2", "tenor_days = 1\nwindow_seconds = 0", 1);
        place.write("silent.toml", &format!("{outage}{daily}"));
    };
    let given = "backtest --prices prices.csv --policy POLICY --setting silent.toml";
    let read = |name: &str| std::fs::read_to_string(place.path(name)).unwrap();
    for (from, code, why) in [
        (
            "10:00:00",
            "stale_answer",
            "the feed's last answer up to the expiry was older than options.max_age_seconds",
        ),
        ("12:30:00", "no_answer", "the feed did not answer for a week after the expiry"),
    ] {
        setting(from);
        let ended = run(&place, &format!("{given} --json --out result"));
        let told = ended.json();
        let row = &told["entrants"][0];
        assert_eq!((&row["metrics"]["options"], &row["metrics"]["undone"]), (&2.into(), &2.into()), "{row}");
        // Undone at noon of the 21st, and due from then to the last of the prices, at every hour four times.
        assert_eq!(row["unrolled"], serde_json::json!({ "stale_price": 96 }));
        assert_eq!(
            (&row["metrics"]["unopened"], &row["options"][0]["settled"]["undone"]),
            (&96.into(), &code.into())
        );
        let notes = told["notes"].as_array().unwrap();
        assert!(notes.contains(&format!("2 options were undone: {why}").into()), "{notes:?}");
        let options = read("result/options.csv");
        assert_eq!(
            options.lines().filter(|line| line.ends_with(&format!(",{code}"))).count(),
            2,
            "{options}"
        );
        let page = read("result/report.html");
        let escaped = why.replace('\'', "&#39;");
        assert!(page.contains(&format!(" 2 undone: {escaped}.")), "{page}");
        let unopened = "<code>stale_price</code></td><td class=\"left\">the feed&#39;s answer is too old for the vault</td><td>96</td>";
        assert!(page.contains(unopened), "{page}");
        let table = run(&place, given).out;
        let line = |words: &[&str]| table.lines().any(|line| words.iter().all(|word| line.contains(word)));
        assert!(
            line(&["1, written call", "2020-09-14 12:00:00", why]) && line(&["2, bought put", why]),
            "{table}"
        );
        assert!(line(&["stale_price", "too old for the vault", "96"]), "{table}");
        assert!(line(&["Options undone", "2"]), "{table}");
    }
    // Prices that end before the week is over.
    let ended = run(&place, &format!("{given} --end 2020-09-18 --json")).json();
    let note = "2 options have expired and are not settled: the feed's next answer would settle them, and the prices are over";
    assert!(ended["notes"].as_array().unwrap().contains(&note.into()), "{}", ended["notes"]);
}

#[test]
fn without_a_book_nothing_of_options_is_told() {
    let place = desk();
    let cppi = policy("cppi.toml");
    let ended = place.run(&["backtest", "--prices", "prices.csv", "--policy", &cppi, "--out", "result"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(!ended.out.contains("Premiums"), "{}", ended.out);
    assert!(!place.path("result/options.csv").exists());
    let page = std::fs::read_to_string(place.path("result/report.html")).unwrap();
    assert!(!page.contains("<h2>Options</h2>"));
}

#[test]
fn every_command_says_at_once_what_is_missing_or_too_much() {
    let place = desk();
    place.write(
        "grid.toml",
        "capital = [\"100000\"]\n[setting]\n\"pools.depth\" = [\"500000\", \"2000000\"]\n",
    );
    let walks = [
        "backtest --prices prices.csv",
        "sweep --prices prices.csv --grid grid.toml --out swept",
        "simulate",
    ];
    for walk in walks {
        let ended = run(&place, &format!("{walk} --policy POLICY"));
        assert_eq!(ended.code, 2, "{walk}: {}", ended.err);
        assert!(ended.err.contains("give one that has [options]"), "{walk}: {}", ended.err);
        let cppi = format!("{walk} --setting setting.toml --policy {}", policy("cppi.toml"));
        let ended = place.run(&cppi.split_whitespace().collect::<Vec<_>>());
        assert_eq!(ended.code, 2, "{walk}: {}", ended.err);
        assert!(ended.err.contains("take them out of the setting"), "{walk}: {}", ended.err);
    }
}

#[test]
fn a_sweep_varies_the_terms_and_a_simulation_walks_them() {
    let place = desk();
    place.write(
        "grid.toml",
        "[setting]\n\"options.tenor_days\" = [2, 4]\n\"options.spread\" = [\"0\", \"0.1\"]\n",
    );
    let swept =
        "sweep --prices prices.csv --grid grid.toml --out swept --policy POLICY --setting setting.toml";
    let ended = run(&place, swept);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let results = std::fs::read_to_string(place.path("swept/results.csv")).unwrap();
    let mut rows = results.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = rows.next().unwrap();
    let column = |name: &str| head.iter().position(|column| *column == name).unwrap();
    let came: Vec<(f64, f64)> = rows
        .map(|row| (row[column("options")].parse().unwrap(), row[column("premiums")].parse().unwrap()))
        .collect();
    let opened: Vec<f64> = came.iter().map(|(opened, _)| *opened).collect();
    assert_eq!(opened, [6.0, 6.0, 4.0, 4.0]);
    // A wider spread is less of premiums.
    assert!(came[0].1 > came[1].1 + 1_000.0 && came[2].1 > came[3].1 + 1_000.0, "{came:?}");

    let given = "simulate --policy POLICY --setting setting.toml --days 6 --step-minutes 720 --paths 100 --seed 3 --json";
    let ended = run(&place, given);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let told = ended.json();
    let of = |entrant: &str| {
        let all = told["entrants"].as_array().unwrap();
        all.iter().find(|row| row["entrant"] == entrant).unwrap()["figures"].clone()
    };
    // Some 135,000 of collateral are away from a cushion of 800,000 on every path; who holds cash is short of calls.
    for entrant in ["policy", "cash"] {
        let highest = real(&of(entrant)["lowest_cushion"]["p99"]);
        assert!(highest > 640_000.0 && highest < 680_000.0, "{entrant}: {highest}");
    }
    assert!(real(&of("cash")["max_drawdown"]["p95"]) > 0.002, "{}", of("cash"));
    // Two days of one series, twelve hours until the feed says more, and a day until the next: two of them, of two positions.
    let series = of("policy")["series"].clone();
    assert_eq!(
        (&series["options"], &series["unopened"], &series["undone"]),
        (&4.0.into(), &0.0.into(), &0.0.into())
    );
    assert_eq!((&series["never"]["value"], &told["unrolled"]), (&0.0.into(), &Value::Null));
}

#[test]
fn the_naked_book_has_what_the_policy_has_opened_where_sizes_are_of_what_is_held() {
    let place = desk();
    let holding = std::fs::read_to_string(policy("delta-hedge.toml")).unwrap();
    place.write("holding.toml", &holding.replacen("target_delta = \"0\" ", "target_delta = \"100\" ", 1));
    place.write("held.toml", &SETTING.replacen("{ nav = \"0.3\" }", "{ held = \"0.5\" }", 1));
    let given = "backtest --prices prices.csv --policy holding.toml --setting held.toml --json";
    let told = run(&place, given).json();
    let of = |entrant: &str| {
        let all = told["entrants"].as_array().unwrap();
        all.iter().find(|row| row["entrant"] == entrant).unwrap().clone()
    };
    let (policy, cash) = (of("policy"), of("cash"));
    // At the first tick nothing is held: the policy's vault opens at the second one, and the naked one with it.
    let opened = policy["options"][0]["opened"]["at"].as_u64().unwrap();
    assert_eq!(opened, told["from"].as_u64().unwrap() + 1_199);
    assert!(policy["options"].as_array().unwrap().len() >= 4, "{policy}");
    assert_eq!(policy["options"], cash["options"]);
    assert!((real(&cash["options"][2]["size"]) + 50.0).abs() < 0.1, "{cash}");
    let (earned, alone) = (&policy["metrics"]["book_profit"], &cash["metrics"]);
    assert_eq!(
        (&alone["book_profit"], &alone["hedged_profit"], &alone["hedge_profit"]),
        (earned, earned, &0.0.into())
    );
    assert!(
        (real(&alone["end"]) - 1_000_000.0 - real(earned)).abs() < 1e-6 && real(earned) != 0.0,
        "{alone}"
    );
    assert!(real(&alone["volatility"]) > 0.0 && policy["metrics"]["hedge_profit"] != 0.0, "{alone}");
    // On every path of a simulation as well.
    let given = "simulate --policy holding.toml --setting held.toml --days 6 --step-minutes 720 --paths 100 --seed 3 --json";
    let told = run(&place, given).json();
    let all = told["entrants"].as_array().unwrap();
    let series = |entrant: &str| {
        all.iter().find(|row| row["entrant"] == entrant).unwrap()["figures"]["series"].clone()
    };
    assert_eq!((&series("policy")["never"]["value"], series("cash")), (&0.0.into(), series("policy")));
}

#[test]
fn a_simulation_tells_of_series_that_never_opened_and_why() {
    let place = desk();
    // Nothing is held at first, and without a book to hedge nothing is bought.
    place.write("held.toml", &SETTING.replacen("{ nav = \"0.3\" }", "{ held = \"0.3\" }", 1));
    let given = "simulate --policy POLICY --setting held.toml --days 6 --step-minutes 720 --paths 100 --seed 3 --out result";
    let told = run(&place, &format!("{given} --json")).json();
    let series = &told["entrants"][0]["figures"]["series"];
    // The first step and twelve after it.
    assert_eq!((&series["options"], &series["unopened"]), (&0.0.into(), &13.0.into()));
    assert_eq!((&series["never"]["value"], &series["undone"]), (&1.0.into(), &0.0.into()));
    assert_eq!(told["unrolled"], serde_json::json!({ "options.positions[0]: no_size": 1_300 }));
    let read = |name: &str| std::fs::read_to_string(place.path(name)).unwrap();
    let paths = read("result/paths.csv");
    assert!(paths.lines().next().unwrap().ends_with(",cash_lock,options,unopened,undone"), "{paths}");
    assert!(paths.lines().nth(1).unwrap().ends_with(",0,13,0"), "{paths}");
    let page = read("result/report.html");
    let row = "<code>options.positions[0]: no_size</code></td><td class=\"left\">its size is nothing, of what the vault has</td>\
               <td>1,300</td>";
    assert!(page.contains(row) && page.contains("Never opened"), "{page}");
    let table = run(&place, given).out;
    let line = |words: &[&str]| table.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(
        line(&["options.positions[0]: no_size", "1300"]) && line(&["Never opened", "100.00 %"]),
        "{table}"
    );
}

#[test]
fn what_cannot_be_in_a_setting_is_named() {
    let place = Place::empty();
    let told = |from: &str, to: &str| {
        place.write("wrong.toml", &SETTING.replacen(from, to, 1));
        format!("{:#}", Setting::read(&place.path("wrong.toml")).unwrap_err())
    };
    assert!(Setting::read(&desk().path("setting.toml")).is_ok());
    // The document's own is one.
    let document = std::fs::read_to_string("docs/backtest.md").unwrap();
    let from = document.find("    [options]").unwrap();
    let lines = document[from..].lines().take_while(|line| line.is_empty() || line.starts_with("    "));
    place.write("document.toml", &lines.collect::<Vec<_>>().join("\n"));
    let options = Setting::read(&place.path("document.toml")).unwrap().options.unwrap();
    assert_eq!((options.tenor_days, options.window_seconds, options.positions.len()), (28, 86_400, 1));
    for (from, to, words) in [
        ("tenor_days = 2", "tenor_days = 93", "options.tenor_days: expected 1 to 92 days"),
        ("tenor_days = 2", "tenor_days = 2\nvolatility = \"0\"", "options.volatility: expected"),
        (
            "spread = \"0.02\"",
            "spread = \"0.5\"\nvolatility = \"0.5\"",
            "options.spread: expected a part of the volatility",
        ),
        ("spread = \"0.02\"", "spread = \"1\"", "options.spread: expected a part of the volatility"),
        (
            "strike = \"1.05\"",
            "strike = \"1.05\"\ndelta = \"0.3\"",
            "[0].delta: expected either `strike` or `delta`",
        ),
        ("strike = \"1.05\"", "", "options.positions[0].delta: expected either `strike` or `delta`"),
        ("strike = \"1.05\"", "strike = \"0\"", "options.positions[0].strike: expected"),
        (
            "limit = \"1.5\"",
            "limit = \"1.05\"",
            "options.positions[0].limit: expected where the payoff of a call",
        ),
        ("limit = \"1.5\"", "", "options.positions[0].limit: expected where the payoff of a call"),
        ("delta = \"0.25\"", "delta = \"1\"", "options.positions[1].delta: expected a magnitude"),
        (
            "delta = \"0.25\"",
            "strike = \"0.9\"\nlimit = \"0.9\"",
            "[1].limit: expected where the payoff of a put",
        ),
        ("{ nav = \"0.3\" }", "{ nav = \"0\" }", "options.positions[0].size: expected an amount above 0"),
        ("{ nav = \"0.3\" }", "{ all = \"1\" }", "size: expected one of `nav`, `held` and `units`"),
        ("side = \"written\"", "side = \"sold\"", "options.positions[0].side: is"),
        ("tenor_days = 2", "tenor_days = 2\nroll = true", "options.roll: unknown key"),
    ] {
        let told = told(from, to);
        assert!(told.contains(words), "{to}: {told}");
    }
    let still = told("spread = \"0.02\"", "volatility = \"0\"");
    assert!(still.contains("options.volatility: expected") && !still.contains("options.spread"), "{still}");
    let none = "[options]\ntenor_days = 7\npositions = []";
    place.write("wrong.toml", none);
    let told = format!("{:#}", Setting::read(&place.path("wrong.toml")).unwrap_err());
    assert!(told.contains("options.positions: expected 1 to 32 positions"), "{told}");
}

#[test]
fn whatever_else_is_wrong_in_a_setting_is_told_beside_it_and_nothing_that_only_follows_from_it() {
    let place = Place::empty();
    let all = SETTING
        .replacen("tenor_days = 2", "tenor_days = 93", 1)
        .replacen("strike = \"1.05\"", "strike = 1.05", 1)
        .replacen("nav = \"0.3\"", "nav = \"0\"", 1)
        .replacen("delta = \"0.25\"", "strike = \"0\"\nlimit = \"-1\"", 1)
        .replacen("units = \"20\"", "units = \"-20\"", 1);
    place.write("wrong.toml", &format!("{all}\n[pools]\nfee_pips = true\n"));
    let told = format!("{:#}", Setting::read(&place.path("wrong.toml")).unwrap_err());
    let keys: Vec<&str> = told.lines().filter_map(|line| line.trim().split(": ").nth(1)).collect();
    let position = |number: u32, key: &str| format!("options.positions[{number}].{key}");
    let expected = [
        "options.tenor_days".to_owned(),
        position(0, "strike"),
        position(0, "size"),
        position(1, "strike"),
        position(1, "limit"),
        position(1, "size"),
        "pools.fee_pips".to_owned(),
    ];
    assert_eq!(keys, expected, "{told}");
}
