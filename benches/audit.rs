//! How many blocks an audit of one vault takes in a second, on a local node, and what it asks for: a history of 2,000 blocks
//! with a swap in most of them. Both ways of reading, twice each, the memory that the process took beside them.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark fails where it stands, and prints"
)]

#[path = "../tests/support/history.rs"]
mod history;
#[path = "../tests/support/keeper_process.rs"]
mod keeper_process;
#[path = "../tests/support/proxy.rs"]
mod proxy;
#[path = "../tests/support/rig.rs"]
mod rig;

use std::time::Instant;

use history::{History, source};
use proxy::Proxy;
use vault_keeper::reader::Mode;
use vault_keeper::replay::audit::Reading;

const BLOCKS: u64 = 2_000;

fn main() {
    // `cargo test` runs it too; there it has nothing to say.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    tokio::runtime::Runtime::new().unwrap().block_on(measure());
}

async fn measure() {
    let history = History::lived(BLOCKS).await;
    println!("{BLOCKS} blocks lived, {} MB", memory());
    for reading in [Reading::Every, Reading::Changes] {
        for run in ["first", "second"] {
            let started = Instant::now();
            let found = history.audited_by(&history.source().await, reading).await.unwrap();
            let seconds = started.elapsed().as_secs_f64();
            let each = found.held_as_policy as f64 + found.wanted as f64;
            println!(
                "{reading:?}, {run}: {:.0} blocks/s, {} of them read, {} actions, {} MB",
                each / seconds,
                found.reads,
                found.totals().acted,
                memory()
            );
        }
    }
    // Apart, since the proxy keeps all that it is asked.
    for reading in [Reading::Every, Reading::Changes] {
        let node = Proxy::start(history.url()).await;
        let found = history.audited_by(&source(&[("node", node.url())], Mode::Auto).await, reading).await;
        let (actions, requests) = (found.unwrap().totals().acted, node.methods().len());
        let each = requests as f64 / BLOCKS as f64;
        println!("{reading:?}: {each:.2} requests a block, {requests} in all with {actions} actions");
    }
}

/// The most memory that the process has taken, MB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1_024
}
