//! `keeper demo` as a person starts it: refused at once where it cannot end well, and gone without a trace when stopped.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails where it stands"
)]

use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};

#[path = "support/keeper_process.rs"]
mod keeper_process;
#[path = "support/program.rs"]
mod program;

use keeper_process::until;
use program::Place;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A market of one close a minute.
fn prices(closes: &[&str]) -> String {
    let mut text = "ts,open,high,low,close,volume\n".to_owned();
    for (minute, close) in (0_u64..).zip(closes) {
        let opened = minute.saturating_mul(60).saturating_add(1_700_000_000);
        text.push_str(&format!("{opened},{close},{close},{close},{close},1\n"));
    }
    text
}

#[test]
fn what_cannot_end_well_is_refused_before_anything_is_started() {
    let place = Place::empty();
    let start = Instant::now();
    for report in ["/nonexistent/x.html", "nowhere/x.html", "."] {
        let ended = place.run(&["demo", "--root", ROOT, "--report", report]);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{ended:?}");
        assert!(
            ended.err.starts_with(&format!("keeper: the report {report} cannot be written: ")),
            "{ended:?}"
        );
    }
    place.write("low.csv", &prices(&["2000", "9.99", "2000", "1000000.01"]));
    let ended = place.run(&["demo", "--root", ROOT, "--prices", "low.csv"]);
    let said = "keeper: low.csv: the bar of 2023-11-14 22:14:20 UTC closes at 9.99, vault and feed believe 10 to 1000000 \
                USD; the bar of 2023-11-14 22:16:20 UTC closes at 1000000.01, vault and feed believe 10 to 1000000 USD\n";
    assert_eq!((ended.code, ended.out.as_str(), ended.err.as_str()), (2, "", said));
    assert!(!place.path("demo-report.html").exists());
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn a_short_market_is_driven_to_its_end_and_told() {
    let place = Place::empty();
    let closes: Vec<String> =
        (0..24_u32).map(|minute| 2_000_u32.saturating_sub(minute).to_string()).collect();
    let closes: Vec<&str> = closes.iter().map(String::as_str).collect();
    place.write("short.csv", &prices(&closes));
    let ended = place.run(&["demo", "--root", ROOT, "--prices", "short.csv", "--steps", "8"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    for part in ["keeper", "hold", "threshold 5 %", "daily", "NAV lost USD", "sampled to 6 steps of 24 rows"]
    {
        assert!(ended.out.contains(part), "{part} is not in\n{}", ended.out);
    }
    assert!(ended.out.ends_with("report: demo-report.html\n"), "{}", ended.out);
    let page = std::fs::read_to_string(place.path("demo-report.html")).unwrap();
    assert!(page.contains("<h1>short</h1>") && page.contains("sampled to 6 steps of 24 rows"));

    // Too little to trade with: nothing but zeros.
    let tiny = ["demo", "--root", ROOT, "--prices", "short.csv", "--steps", "3", "--capital", "1"];
    let ended = place.run(&tiny);
    assert_eq!(ended.code, 0, "{ended:?}");
    for wrong in ["-0.00", "−0.00", "NaN"] {
        assert!(!ended.out.contains(wrong), "{wrong} is in\n{}", ended.out);
    }
}

#[test]
fn a_report_that_cannot_be_written_in_the_end_does_not_take_the_summary_with_it() {
    let place = Place::empty();
    place.write("short.csv", &prices(&["2000", "1990", "1980"]));
    // It can be opened, and takes no byte.
    let arguments = ["demo", "--root", ROOT, "--prices", "short.csv", "--report", "/dev/full"];
    for (json, shown) in [(&[][..], "lowest cushion"), (&["--json"], "\"lowest_cushion\":")] {
        let ended = place.run(&[&arguments, json].concat());
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.out.contains(shown) && !ended.out.contains("report:"), "{ended:?}");
        let said = "keeper: the report /dev/full cannot be written: No space left on device";
        assert!(ended.err.contains(said), "{ended:?}");
    }
}

/// The processes that `parent` started.
fn children(parent: u32) -> Vec<u32> {
    let listed = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let threads = std::fs::read_dir(format!("/proc/{parent}/task"));
    let of_thread = |path: std::path::PathBuf| std::fs::read_to_string(path.join("children")).ok();
    let others = threads.into_iter().flatten().filter_map(|thread| of_thread(thread.ok()?.path()));
    let text: Vec<String> = listed.into_iter().chain(others).collect();
    text.iter().flat_map(|text| text.split_whitespace()).filter_map(|id| id.parse().ok()).collect()
}

fn is_alive(process: u32) -> bool {
    std::fs::metadata(format!("/proc/{process}")).is_ok()
}

fn demo(place: &Place) -> Child {
    Command::new(env!("CARGO_BIN_EXE_keeper"))
        .args(["demo", "--root", ROOT])
        .current_dir(place.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn a_demo_that_is_stopped_takes_its_chain_with_it() {
    for signal in ["-TERM", "-INT"] {
        let place = Place::empty();
        let demo = demo(&place);
        let id = demo.id().unwrap();
        until("the chain is started", async || !children(id).is_empty()).await;
        let chain = children(id);
        let sent = std::process::Command::new("kill").args([signal, &id.to_string()]).status().unwrap();
        assert!(sent.success());
        let ended =
            tokio::time::timeout(PATIENCE, demo.wait_with_output()).await.expect("it does not end").unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{said}");
        assert!(said.ends_with("keeper: stopped by a signal, and its chain with it\n"), "{said}");
        until("the chain is gone", async || !chain.iter().any(|process| is_alive(*process))).await;
        assert!(!place.path("demo-report.html").exists());
    }
}
