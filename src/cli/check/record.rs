//! The journal: that it can be written, by nobody else, and what it still has under way.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::path::Path;

use alloy::primitives::Address;

use crate::journal::{IntentEntry, IntentState, Journal, JournalError};

use super::finding::Finding;

const REMEDY: &str = "check `journal.path` in the configuration";

/// Room on the disk below which a keeper will soon stop, and below which it cannot begin, bytes: a day of decisions of one
/// vault is some megabytes, and the log takes a few before it is written back.
const LITTLE_ROOM: u64 = 256 << 20;
const NO_ROOM: u64 = 16 << 20;

/// The journal as it was found.
pub(super) struct Found {
    /// Open for reading, where it can be.
    pub(super) journal: Option<Journal>,
    /// Whether a keeper writes it, so that what is under way is tended.
    pub(super) tended: bool,
}

/// Opens the journal for reading, and tries whether it could be written.
pub(super) async fn check(path: &Path) -> (Found, Vec<Finding>) {
    let (journal, mut findings) = opened(path).await;
    findings.extend(room(path));
    let mut tended = false;
    if let Some(journal) = &journal {
        let (running, finding) = writer(path).await;
        tended = running;
        findings.insert(0, finding);
        findings.push(newest(journal).await);
    }
    (Found { journal, tended }, findings)
}

async fn opened(path: &Path) -> (Option<Journal>, Vec<Finding>) {
    if let Err(error) = writable(path) {
        let what = format!("{} cannot be written: {error}", path.display());
        return (None, vec![Finding::error("journal", what, "give this user the right to write there")]);
    }
    if !path.exists() {
        let what = format!("{} is not there yet; `keeper run` creates it", path.display());
        return (None, vec![Finding::ok("journal", what)]);
    }
    match Journal::open_read_only(path).await {
        Ok(journal) => (Some(journal), Vec::new()),
        Err(error) => (None, vec![unopened(&error)]),
    }
}

/// SQLite keeps its log beside the file, so the directory must be writable too.
fn writable(path: &Path) -> std::io::Result<()> {
    drop(tempfile::tempfile_in(directory(path))?);
    if path.exists() {
        drop(OpenOptions::new().append(true).open(path)?);
    }
    Ok(())
}

fn directory(path: &Path) -> &Path {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    directory.unwrap_or_else(|| Path::new("."))
}

/// What the file system of the journal has left for this user; nothing where it does not say.
fn room(path: &Path) -> Option<Finding> {
    let system = rustix::fs::statvfs(directory(path)).ok()?;
    Some(room_of(system.f_bavail.saturating_mul(system.f_frsize)))
}

fn room_of(free: u64) -> Finding {
    let what = format!("its disk has {} MiB left", free >> 20);
    let remedy = "free space: on a full disk the keeper stops, since it sends nothing that it cannot record";
    if free < NO_ROOM {
        Finding::error("disk", what, remedy)
    } else if free < LITTLE_ROOM {
        Finding::warning("disk", what, remedy)
    } else {
        Finding::ok("disk", what)
    }
}

async fn newest(journal: &Journal) -> Finding {
    match journal.check_newest().await {
        Ok(()) => Finding::ok("records", "its newest records are what was written"),
        Err(error) => Finding::error(
            "records",
            error.to_string(),
            "`keeper journal verify` names the first wrong record",
        ),
    }
}

fn unopened(error: &JournalError) -> Finding {
    if matches!(error, JournalError::SchemaOlder { .. }) {
        let remedy = "start `keeper run`: it brings the journal up to date";
        return Finding::warning("journal", error.to_string(), remedy);
    }
    Finding::error("journal", error.to_string(), REMEDY)
}

/// Takes the writer's place for a moment; whether it is taken.
async fn writer(path: &Path) -> (bool, Finding) {
    let shown = path.display();
    match Journal::open(path).await {
        Ok(journal) => {
            journal.close().await;
            (false, Finding::ok("journal", format!("{shown} opens and can be written")))
        }
        Err(JournalError::InUse { holder, .. }) => {
            let what = format!("{shown} opens; {holder} writes it, so a keeper is running");
            (true, Finding::ok("journal", what))
        }
        Err(error) => (false, Finding::error("journal", error.to_string(), REMEDY)),
    }
}

/// What the journal has under way for a vault whose signers have these accounts, as far as they are known.
pub(super) async fn unsettled(found: &Found, vault: Address, signers: &[Address]) -> Vec<Finding> {
    let Some(journal) = &found.journal else { return Vec::new() };
    match journal.unsettled(vault).await {
        Ok(open) if open.is_empty() => vec![Finding::ok("intents", "nothing it sent is unsettled")],
        Ok(open) => {
            let one = |open: &IntentEntry| {
                let (nonce, sender) = (open.record.nonce, open.record.sender);
                if !signers.is_empty() && !signers.contains(&sender) {
                    return orphaned(open.id, nonce, sender);
                }
                under_way(open.id, nonce, (open.last_event.state, found.tended))
            };
            open.iter().map(one).collect()
        }
        Err(error) => vec![Finding::error("intents", error.to_string(), REMEDY)],
    }
}

/// An intent of a key that none of the vault's signers has any more: nobody bids for it or cancels it.
fn orphaned(id: impl Display, nonce: u64, sender: Address) -> Finding {
    let what =
        format!("intent {id} with nonce {nonce} is under way for {sender}, which is not the signer's key");
    Finding::warning("intents", what, "let a keeper with that key settle it before the key is given up")
}

fn under_way(id: impl Display, nonce: u64, (state, tended): (IntentState, bool)) -> Finding {
    let what = format!("intent {id} with nonce {nonce} is {}", state.name());
    match state {
        IntentState::Foreign => {
            let remedy =
                "the key stays halted: find out who else has it, then use a new key and a new journal";
            Finding::error("intents", what, remedy)
        }
        IntentState::Parked => {
            let remedy =
                "look at its attempts with `keeper tx show`; nothing new is signed until it is settled";
            Finding::warning("intents", what, remedy)
        }
        IntentState::Prepared | IntentState::Live | IntentState::Cancelling if !tended => {
            let what = format!("{what}, and no keeper runs that tends it");
            Finding::warning(
                "intents",
                what,
                "start `keeper run`; `keeper tx list --open` shows what it waits for",
            )
        }
        IntentState::Prepared
        | IntentState::Live
        | IntentState::Cancelling
        | IntentState::Included
        | IntentState::Executed
        | IntentState::Reverted
        | IntentState::Cancelled
        | IntentState::Superseded => {
            Finding::ok("intents", format!("{what}; it is settled before anything new"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    #[tokio::test]
    async fn a_journal_is_absent_then_free_then_held() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keeper.db");
        let (found, findings) = check(&path).await;
        assert!(found.journal.is_none() && !path.exists());
        assert_eq!(findings[0].level, Level::Ok);
        assert!(findings[0].what.ends_with("is not there yet; `keeper run` creates it"));

        Journal::open(&path).await.unwrap().close().await;
        let (found, findings) = check(&path).await;
        assert!(findings[0].what.ends_with("opens and can be written") && !found.tended, "{findings:?}");
        assert_eq!(findings[2], Finding::ok("records", "its newest records are what was written"));
        let unsettled = unsettled(&found, Address::ZERO, &[]).await;
        assert_eq!(unsettled, [Finding::ok("intents", "nothing it sent is unsettled")]);

        let held = Journal::open(&path).await.unwrap();
        let (found, findings) = check(&path).await;
        assert!(found.journal.is_some() && found.tended);
        let holder = format!("process {} writes it, so a keeper is running", std::process::id());
        assert!(findings[0].what.ends_with(&holder), "{findings:?}");
        drop(held);
    }

    #[tokio::test]
    async fn a_journal_that_is_none_or_nowhere_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keeper.db");
        std::fs::write(&path, "not a database, but long enough to be taken for the header of one").unwrap();
        let (found, findings) = check(&path).await;
        assert!(found.journal.is_none());
        assert_eq!(findings[0].level, Level::Error);
        let (_, findings) = check(&directory.path().join("nowhere/keeper.db")).await;
        assert_eq!(findings[0].level, Level::Error);
        assert!(findings[0].what.contains("cannot be written"), "{findings:?}");
    }

    #[test]
    fn an_intent_under_way_is_in_order_until_it_is_parked_or_its_nonce_is_lost() {
        let level = |state| under_way(3, 7, (state, true)).level;
        assert_eq!(level(IntentState::Live), Level::Ok);
        let alone = under_way(3, 7, (IntentState::Live, false));
        assert_eq!(
            (alone.level, alone.what.as_str()),
            (Level::Warning, "intent 3 with nonce 7 is live, and no keeper runs that tends it")
        );
        assert_eq!(under_way(3, 7, (IntentState::Included, false)).level, Level::Ok);
        assert_eq!(orphaned(3, 7, Address::ZERO).level, Level::Warning);
        assert_eq!(level(IntentState::Parked), Level::Warning);
        assert_eq!(level(IntentState::Foreign), Level::Error);
        assert_eq!(under_way(3, 7, (IntentState::Parked, true)).what, "intent 3 with nonce 7 is parked");
    }

    #[test]
    fn a_disk_that_is_nearly_full_is_told_before_it_is_full() {
        assert_eq!(room_of(LITTLE_ROOM).level, Level::Ok);
        let little = room_of(LITTLE_ROOM - 1);
        assert_eq!((little.level, little.what.as_str()), (Level::Warning, "its disk has 255 MiB left"));
        assert_eq!(room_of(NO_ROOM - 1).level, Level::Error);
    }

    #[test]
    fn an_older_schema_is_brought_up_to_date_by_the_keeper() {
        let older = JournalError::SchemaOlder { path: "keeper.db".into(), found: 0, known: 1 };
        assert_eq!(unopened(&older).level, Level::Warning);
        let newer = JournalError::SchemaNewer { path: "keeper.db".into(), found: 2, known: 1 };
        assert_eq!(unopened(&newer).level, Level::Error);
    }
}
