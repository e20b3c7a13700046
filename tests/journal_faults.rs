//! Torn logs, full and failing disks, dropped writers, and two keepers with one key.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "a test fails where it stands"
)]

#[path = "support/records.rs"]
mod records;

use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use records::{CHAIN, attempt, beside, cycle, event, intent, prepared, sender, verified};
use tempfile::TempDir;
use vault_keeper::journal::{AttemptKind, CycleRecord, IntentId, IntentState, Journal, JournalError};

/// The journal that a child of this test writes.
const JOURNAL: &str = "JOURNAL_OF_THE_CHILD";
/// How many writes of the child have to go well.
const MOST: u64 = 400;
/// `SIGXFSZ`: the process has met its limit on the size of files.
const XFSZ: i32 = 25;

/// A journal in which nothing is written back, and its log after each of some commits.
struct Logged {
    log: Vec<u8>,
    file: Vec<u8>,
    /// Bytes of the log after none, one, two … commits of four records.
    ends: Vec<usize>,
    page: usize,
    directory: TempDir,
}

impl Logged {
    async fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("keeper.db");
        // A log of records alone: the tables are in the file.
        Journal::open(&path).await.unwrap().close().await;
        let journal = Journal::open(&path).await.unwrap();
        let log = beside(&path, "-wal");
        let mut ends = vec![0];
        for nonce in 1..=4 {
            prepared(&journal, nonce).await;
            ends.push(usize::try_from(std::fs::metadata(&log).unwrap().len()).unwrap());
        }
        let (log, file) = (std::fs::read(&log).unwrap(), std::fs::read(&path).unwrap());
        let page = 24 + 4_096;
        assert!(ends[1] > page && ends.iter().skip(1).all(|end| (end - 32) % page == 0), "{ends:?}");
        Self { log, file, ends, page, directory }
    }

    /// What a killed process leaves, with this log.
    fn left(&self, log: &[u8]) -> PathBuf {
        let path = self.directory.path().join("left.db");
        std::fs::write(&path, &self.file).unwrap();
        std::fs::write(beside(&path, "-wal"), log).unwrap();
        drop(std::fs::remove_file(beside(&path, "-shm")));
        path
    }

    fn changed(&self, at: usize) -> PathBuf {
        let mut log = self.log.clone();
        log[at] ^= 0x10;
        self.left(&log)
    }
}

/// How many intents are there once it is opened for writing; after that it verifies.
async fn kept(path: &Path) -> Result<usize, JournalError> {
    let journal = Journal::open(path).await?;
    let open = journal.open_intents(CHAIN, sender()).await.unwrap().len();
    journal.close().await;
    assert_eq!(verified(path).await, Ok(4 * u64::try_from(open).unwrap()));
    Ok(open)
}

#[tokio::test]
async fn of_a_log_that_ends_anywhere_every_whole_commit_is_kept_and_nothing_else() {
    let logged = Logged::new().await;
    let whole = |length: usize| logged.ends.iter().skip(1).filter(|end| **end <= length).count();
    let steps = (0..=logged.log.len()).step_by(1_021);
    let edges = logged.ends.iter().flat_map(|end| [end.saturating_sub(1), *end, end + 1]);
    for length in steps.chain(edges).filter(|length| *length <= logged.log.len()) {
        let path = logged.left(&logged.log[..length]);
        assert_eq!(kept(&path).await.unwrap(), whole(length), "a log of {length} bytes");
    }
}

#[tokio::test]
async fn a_last_frame_that_does_not_match_its_checksum_is_a_torn_tail() {
    let logged = Logged::new().await;
    let frame = logged.log.len() - logged.page;
    for at in [frame, frame + 4, frame + 8, frame + 16, frame + 24, frame + 2_000, logged.log.len() - 1] {
        let path = logged.changed(at);
        assert_eq!(kept(&path).await.unwrap(), 3, "byte {at}");
    }
}

#[tokio::test]
async fn what_a_torn_write_left_behind_a_shorter_one_is_no_damage() {
    let logged = Logged::new().await;
    // All frames of the fourth commit but its last, then a shorter commit over the first of them, and killed again.
    let path = logged.left(&logged.log[..logged.log.len() - logged.page]);
    let journal = Journal::open(&path).await.unwrap();
    let third = journal.open_intents(CHAIN, sender()).await.unwrap().pop().unwrap();
    let bump = attempt(&third.record, AttemptKind::Bump, 60);
    journal.record_attempt(third.id, &bump, &event(IntentState::Live)).await.unwrap();
    let log = std::fs::read(beside(&path, "-wal")).unwrap();
    assert_eq!(
        log.len(),
        logged.log.len() - logged.page,
        "it is shorter, and frames of the torn one follow it"
    );
    let (file, again) = (std::fs::read(&path).unwrap(), logged.directory.path().join("again.db"));
    std::fs::write(&again, file).unwrap();
    std::fs::write(beside(&again, "-wal"), log).unwrap();
    let reopened = Journal::open(&again).await.unwrap();
    assert_eq!(reopened.intent(third.id).await.unwrap().unwrap().attempts.len(), 2);
}

#[tokio::test]
async fn damage_before_the_end_of_the_log_is_found_and_nothing_is_written() {
    let logged = Logged::new().await;
    let last = logged.log.len() - logged.page;
    let mut tried = 0;
    // The header of the log counts too: it holds for all frames.
    for at in (0..last).step_by(211).chain([33, 40, 50, last - 1]) {
        let path = logged.changed(at);
        let before = std::fs::read(beside(&path, "-wal")).unwrap();
        let refused = Journal::open(&path).await.unwrap_err();
        let damaged = matches!(&refused, JournalError::Corrupt { reason, .. } if reason.contains("is damaged at frame"));
        assert!(damaged, "byte {at}: {refused}");
        assert!(refused.to_string().contains("keep the file, restore a copy"), "{refused}");
        assert_eq!(std::fs::read(beside(&path, "-wal")).unwrap(), before, "the evidence stays");
        tried += 1;
    }
    assert!(tried > 100, "{tried}");
    let path = logged.changed(last - 1);
    let fault = verified(&path).await.unwrap_err();
    assert!(fault.what.contains("is damaged at frame"), "{fault}");
}

#[tokio::test]
async fn verifying_while_a_keeper_writes_finds_nothing_wrong() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("keeper.db");
    let journal = Journal::open(&path).await.unwrap();
    let reader = Journal::open_read_only(&path).await.unwrap();
    let write = async {
        for block in 0..300 {
            journal.record_cycle(&cycle(block)).await.unwrap();
        }
    };
    let verify = async {
        let mut seen = Vec::new();
        while seen.last().is_none_or(|records| *records < 300) {
            seen.push(reader.verify().await.unwrap().unwrap().records);
        }
        seen
    };
    let ((), seen) = tokio::join!(write, verify);
    assert!(seen.len() > 2 && seen.is_sorted(), "{seen:?}");
}

/// Polls `write` so often, between polls of everything else, and drops it.
async fn polled(write: impl Future<Output = Result<IntentId, JournalError>>, times: u64) {
    let mut write = Box::pin(write);
    for _ in 0..times {
        if futures_util::poll!(&mut write).is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_write_whose_caller_is_dropped_is_whole_or_absent_and_the_next_one_goes_on() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("keeper.db");
    let journal = Journal::open(&path).await.unwrap();
    for nonce in 1..40 {
        let record = intent(nonce);
        let first = attempt(&record, AttemptKind::Original, 30);
        let cycle = cycle(nonce);
        polled(journal.record_prepared(&cycle, &record, &first), nonce % 8).await;
        // What was begun comes to its end before the next write.
        journal.record_cycle(&cycle).await.unwrap();
        let slot = journal.slot(CHAIN, sender(), nonce).await.unwrap();
        assert!(slot.is_none_or(|slot| slot.intents[0].attempts == [first]));
    }
    assert!(journal.next_nonce(CHAIN, sender()).await.unwrap().is_some(), "some of them were begun");
    journal.close().await;
    verified(&path).await.unwrap();
}

/// Writes until it cannot, then says how often it could, and what the journal said before and after.
#[tokio::test]
async fn child_that_writes_until_it_cannot() {
    #[expect(clippy::disallowed_methods, reason = "what a child of this test is told")]
    let Ok(path) = std::env::var(JOURNAL) else { return };
    let journal = Journal::open(Path::new(&path)).await.unwrap();
    let large = CycleRecord { snapshot_json: Some(format!("\"{}\"", "x".repeat(8_192))), ..cycle(1) };
    for nonce in 0..MOST {
        let record = intent(nonce);
        let first = attempt(&record, AttemptKind::Original, 30);
        let Err(error) = journal.record_prepared(&large, &record, &first).await else { continue };
        let next = journal.record_cycle(&cycle(2)).await.unwrap_err();
        let (io, refused) = (
            matches!(error, JournalError::Io { .. } | JournalError::DiskFull { .. }),
            matches!(next, JournalError::WriteFailed { .. }),
        );
        // The first is the failure itself, the second that it is final, also for what would fit.
        eprintln!("CHILD {nonce} {io} {refused} {}", journal.open_intents(CHAIN, sender()).await.is_ok());
        return;
    }
    eprintln!("CHILD all");
}

/// The child in a shell that sets it up first.
fn child(journal: &Path, set_up: &str) -> Output {
    let test = std::env::current_exe().unwrap();
    let run = format!("{set_up} exec \"$0\" --exact child_that_writes_until_it_cannot --nocapture");
    Command::new("sh").args(["-c", &run]).arg(test).env(JOURNAL, journal).output().unwrap()
}

/// What the child said: how many writes went well, whether the next was a failed one, and the one after it refused.
fn said(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = text.lines().find_map(|line| line.split_once("CHILD "));
    line.map(|(_, said)| said.split(' ').map(str::to_owned).collect()).unwrap_or_default()
}

#[tokio::test]
async fn a_file_system_that_takes_no_more_stops_the_journal_and_loses_nothing() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("keeper.db");
    // Blocks of 512 bytes in sh; the signal is ignored, so that the write returns EFBIG.
    let ended = child(&path, "trap '' XFSZ; ulimit -f 1400;");
    let said = said(&ended);
    assert_eq!(said[1..], ["true", "true", "true"], "{ended:?}");
    let written: usize = said[0].parse().unwrap();
    assert!(written > 5, "{written}");
    let journal = Journal::open(&path).await.unwrap();
    assert_eq!(journal.open_intents(CHAIN, sender()).await.unwrap().len(), written);
    journal
        .append_event(journal.open_intents(CHAIN, sender()).await.unwrap()[0].id, &event(IntentState::Live))
        .await
        .unwrap();
    journal.close().await;
    assert_eq!(verified(&path).await, Ok(4 * u64::try_from(written).unwrap() + 1));
}

#[tokio::test]
async fn a_process_that_is_killed_within_a_write_leaves_whole_records() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("keeper.db");
    let ended = child(&path, "ulimit -c 0; ulimit -f 1400;");
    assert_eq!(ended.status.signal(), Some(XFSZ), "{ended:?}");
    let written = kept(&path).await.unwrap();
    assert!(written > 5, "{written}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_failed_fsync_stops_the_journal() {
    let directory = TempDir::new().unwrap();
    let (source, shim) = (directory.path().join("shim.c"), directory.path().join("shim.so"));
    // Fails once, as a kernel reports a failed write-back: the next call would succeed.
    std::fs::write(
        &source,
        "#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <errno.h>\nstatic int calls;\n\
         static int call(const char *name, int file) {\n  if (++calls == 40) { errno = EIO; return -1; }\n  \
         return ((int (*)(int))dlsym(RTLD_NEXT, name))(file);\n}\n\
         int fdatasync(int file) { return call(\"fdatasync\", file); }\n\
         int fsync(int file) { return call(\"fsync\", file); }\n",
    )
    .unwrap();
    let compiled =
        Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&shim).arg(&source).arg("-ldl").status();
    assert!(compiled.unwrap().success(), "a C compiler is among the requirements");
    let path = directory.path().join("keeper.db");
    let ended = child(&path, &format!("export LD_PRELOAD={};", shim.display()));
    let said = said(&ended);
    assert_eq!(said[1..], ["true", "true", "true"], "{ended:?}");
    let told: usize = said[0].parse().unwrap();
    let found = kept(&path).await.unwrap();
    // The bytes of the failed commit may be there: they were never handed out, and are sent first after a restart.
    assert!(told > 5 && (told..=told + 1).contains(&found), "{told} {found}");
}

#[tokio::test]
async fn one_key_has_one_writer_whatever_its_journal() {
    let (here, there, state) = (TempDir::new().unwrap(), TempDir::new().unwrap(), TempDir::new().unwrap());
    let first = Journal::open(&here.path().join("a.db")).await.unwrap();
    let beside = Journal::open(&here.path().join("b.db")).await.unwrap();
    let elsewhere = Journal::open(&there.path().join("c.db")).await.unwrap();
    let known = [state.path().join("vault-keeper/keys")];
    first.claim(CHAIN, sender(), &known).unwrap();
    first.claim(CHAIN, sender(), &known).unwrap();
    let holder = format!("process {}", std::process::id());
    for (second, directories) in [(&beside, &[][..]), (&elsewhere, &known[..])] {
        let refused = second.claim(CHAIN, sender(), directories).unwrap_err();
        assert!(
            matches!(&refused, JournalError::KeyInUse { holder: named, .. } if *named == holder),
            "{refused}"
        );
        assert!(refused.to_string().contains("one key has one writer"), "{refused}");
    }
    // Another chain, another key, or a directory that nobody else looks into.
    elsewhere.claim(CHAIN + 1, sender(), &known).unwrap();
    elsewhere.claim(CHAIN, records::VAULT, &known).unwrap();
    elsewhere.claim(CHAIN, sender(), &[]).unwrap();
    first.close().await;
    beside.claim(CHAIN, sender(), &known).unwrap();
}
