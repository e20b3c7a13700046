//! How many blocks an audit of one vault takes in a second, on a local node, and what it asks for: a history of 2,000 blocks in
//! most of which somebody trades. The built program audits a quarter of it and the whole, in both ways of reading, twice each;
//! beside that its processor time, the most memory that it took, and its requests.

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

#[path = "../tests/support/desk.rs"]
mod desk;
#[path = "../tests/support/history.rs"]
mod history;
#[path = "../tests/support/keeper_process.rs"]
mod keeper_process;
#[path = "../tests/support/proxy.rs"]
mod proxy;
#[path = "../tests/support/rig.rs"]
mod rig;

use std::time::{Duration, Instant};

use desk::{Desk, Ended, ended};
use proxy::Proxy;

const BLOCKS: u64 = 2_000;

/// Between two looks at what the program has taken.
const LOOK: Duration = Duration::from_millis(2);

fn main() {
    // `cargo test` runs it too; there it has nothing to say.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    tokio::runtime::Runtime::new().unwrap().block_on(measure());
}

async fn measure() {
    let desk = Desk::set(BLOCKS).await;
    println!("| read | blocks | run | blocks/s | blocks read | actions | processor, s | most memory, MB |");
    println!("|---|---|---|---|---|---|---|---|");
    for read in ["every", "changes"] {
        for blocks in [BLOCKS / 4, BLOCKS] {
            for run in ["first", "second"] {
                row(&desk, read, blocks, run).await;
            }
        }
    }
    // Apart, since the proxy takes time.
    for read in ["every", "changes"] {
        requests(&desk, read).await;
    }
}

async fn row(desk: &Desk, read: &str, blocks: u64, run: &str) {
    let started = Instant::now();
    let (audit, taken) = audit(desk, &desk.history.url(), read, blocks).await;
    let seconds = started.elapsed().as_secs_f64();
    let vault = audit.json()["vaults"][0].take();
    let (speed, Taken { processor, memory }) = (blocks as f64 / seconds, taken);
    let (reads, acted) = (&vault["reads"], &vault["totals"]["acted"]);
    println!("| {read} | {blocks} | {run} | {speed:.0} | {reads} | {acted} | {processor:.2} | {memory} |");
}

/// What the program asks for.
async fn requests(desk: &Desk, read: &str) {
    let node = Proxy::start(desk.history.url()).await;
    audit(desk, node.url(), read, BLOCKS).await;
    let methods = node.methods();
    let of = |name: &str| methods.iter().filter(|method| *method == name).count();
    println!(
        "{read}: {:.2} requests a block: {} in all, {} for headers, {} for states, {} for events",
        methods.len() as f64 / BLOCKS as f64,
        methods.len(),
        of("eth_getBlockByNumber"),
        of("eth_call"),
        of("eth_getLogs"),
    );
}

async fn audit(desk: &Desk, url: &str, read: &str, blocks: u64) -> (Ended, Taken) {
    let first = desk.history.heights.0;
    let (from, to) = (first.to_string(), (first + blocks - 1).to_string());
    let arguments = ["--from", &from, "--to", &to, "--read", read, "--json"];
    let child = desk.command("audit", url, &arguments).spawn().unwrap();
    let (id, mut taken) = (child.id().unwrap(), Taken::default());
    let mut output = std::pin::pin!(child.wait_with_output());
    loop {
        tokio::select! {
            output = &mut output => return (ended(output.unwrap()), taken),
            () = tokio::time::sleep(LOOK) => taken = Taken::by(id).unwrap_or(taken),
        }
    }
}

/// What a process has taken.
#[derive(Debug, Clone, Copy, Default)]
struct Taken {
    /// Time on a processor, seconds.
    processor: f64,
    /// The most memory, MB.
    memory: u64,
}

impl Taken {
    /// As Linux tells; nothing elsewhere, or once the process has ended.
    fn by(id: u32) -> Option<Self> {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let memory = most.trim().trim_end_matches(" kB").parse::<u64>().ok()? / 1_024;
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // Of the members after the name the twelfth and the thirteenth, in hundredths of a second.
        let members: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
        let ticks = |at: usize| members.get(at)?.parse::<f64>().ok();
        Some(Self { processor: (ticks(11)? + ticks(12)?) / 100.0, memory })
    }
}
