//! Recorded data for tests: found through `KEEPER_DATA`, and said aloud where it is not.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test finds its data through the environment, says what it leaves out, and may panic"
)]

use std::{
    env,
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
};

/// `path` below the directory that `KEEPER_DATA` names; `None` without one, and then `scripts/test` lists `path` as
/// left out.
///
/// # Panics
/// With `KEEPER_DATA_REQUIRED=1` where `KEEPER_DATA` is not set, and where it is set and has no `path`.
pub(crate) fn data(path: &str) -> Option<PathBuf> {
    let required = env::var_os("KEEPER_DATA_REQUIRED").is_some_and(|value| value == "1");
    let Some(directory) = env::var_os("KEEPER_DATA") else {
        assert!(!required, "KEEPER_DATA is not set, and KEEPER_DATA_REQUIRED=1 asks for {path}");
        leave_out(&format!("{path} (KEEPER_DATA is not set)"));
        return None;
    };
    let found = Path::new(&directory).join(path);
    assert!(found.exists(), "KEEPER_DATA has no {path}");
    Some(found)
}

/// The output of a passing test is not shown, so `scripts/test` names a file for what it shows at the end.
fn leave_out(what: &str) {
    println!("left out: {what}");
    let Some(list) = env::var_os("KEEPER_LEFT_OUT") else { return };
    // One write, so that tests that run at the same time do not mix their lines.
    let written = OpenOptions::new().append(true).create(true).open(&list);
    written
        .and_then(|mut file| file.write_all(format!("{what}\n").as_bytes()))
        .expect("KEEPER_LEFT_OUT is writable");
}
