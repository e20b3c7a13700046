//! The journal: that it can be written, by nobody else, and what it still has under way.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::path::Path;

use alloy::primitives::Address;

use crate::journal::{IntentEntry, IntentState, Journal, JournalError};

use super::finding::Finding;

const REMEDY: &str = "check `journal.path` in keeper.toml";

/// Opens the journal for reading, and tries whether it could be written.
pub(super) async fn check(path: &Path) -> (Option<Journal>, Vec<Finding>) {
    if let Err(error) = writable(path) {
        let what = format!("{} cannot be written: {error}", path.display());
        return (None, vec![Finding::error("journal", what, "give this user the right to write there")]);
    }
    if !path.exists() {
        let what = format!("{} is not there yet; `keeper run` creates it", path.display());
        return (None, vec![Finding::ok("journal", what)]);
    }
    match Journal::open_read_only(path).await {
        Ok(journal) => {
            let finding = writer(path).await;
            (Some(journal), vec![finding])
        }
        Err(error) => (None, vec![unopened(&error)]),
    }
}

/// SQLite keeps its log beside the file, so the directory must be writable too.
fn writable(path: &Path) -> std::io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    drop(tempfile::tempfile_in(directory.unwrap_or_else(|| Path::new(".")))?);
    if path.exists() {
        drop(OpenOptions::new().append(true).open(path)?);
    }
    Ok(())
}

fn unopened(error: &JournalError) -> Finding {
    if matches!(error, JournalError::SchemaOlder { .. }) {
        let remedy = "start `keeper run`: it brings the journal up to date";
        return Finding::warning("journal", error.to_string(), remedy);
    }
    Finding::error("journal", error.to_string(), REMEDY)
}

/// Takes the writer's place for a moment.
async fn writer(path: &Path) -> Finding {
    let shown = path.display();
    match Journal::open(path).await {
        Ok(journal) => {
            journal.close().await;
            Finding::ok("journal", format!("{shown} opens and can be written"))
        }
        Err(JournalError::InUse { holder, .. }) => {
            Finding::ok("journal", format!("{shown} opens; {holder} writes it, so a keeper is running"))
        }
        Err(error) => Finding::error("journal", error.to_string(), REMEDY),
    }
}

/// What the journal has under way for a vault.
pub(super) async fn unsettled(journal: Option<&Journal>, vault: Address) -> Vec<Finding> {
    let Some(journal) = journal else { return Vec::new() };
    match journal.unsettled(vault).await {
        Ok(open) if open.is_empty() => vec![Finding::ok("intents", "nothing it sent is unsettled")],
        Ok(open) => {
            let one = |open: &IntentEntry| under_way(open.id, open.record.nonce, open.last_event.state);
            open.iter().map(one).collect()
        }
        Err(error) => vec![Finding::error("intents", error.to_string(), REMEDY)],
    }
}

fn under_way(id: impl Display, nonce: u64, state: IntentState) -> Finding {
    let what = format!("intent {id} with nonce {nonce} is {}", state.name());
    match state {
        IntentState::Foreign => {
            let remedy =
                "the key stays halted: find out who else has it, then use a new key and a new journal";
            Finding::error("intents", what, remedy)
        }
        IntentState::Parked => {
            let remedy =
                "look at its attempts with `keeper status`; nothing new is signed until it is settled";
            Finding::warning("intents", what, remedy)
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
        let (journal, findings) = check(&path).await;
        assert!(journal.is_none() && !path.exists());
        assert_eq!(findings[0].level, Level::Ok);
        assert!(findings[0].what.ends_with("is not there yet; `keeper run` creates it"));

        Journal::open(&path).await.unwrap().close().await;
        let (journal, findings) = check(&path).await;
        assert!(findings[0].what.ends_with("opens and can be written"), "{findings:?}");
        let unsettled = unsettled(journal.as_ref(), Address::ZERO).await;
        assert_eq!(unsettled, [Finding::ok("intents", "nothing it sent is unsettled")]);

        let held = Journal::open(&path).await.unwrap();
        let (journal, findings) = check(&path).await;
        assert!(journal.is_some());
        let holder = format!("process {} writes it, so a keeper is running", std::process::id());
        assert!(findings[0].what.ends_with(&holder), "{findings:?}");
        drop(held);
    }

    #[tokio::test]
    async fn a_journal_that_is_none_or_nowhere_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keeper.db");
        std::fs::write(&path, "not a database, but long enough to be taken for the header of one").unwrap();
        let (journal, findings) = check(&path).await;
        assert!(journal.is_none());
        assert_eq!(findings[0].level, Level::Error);
        let (_, findings) = check(&directory.path().join("nowhere/keeper.db")).await;
        assert_eq!(findings[0].level, Level::Error);
        assert!(findings[0].what.contains("cannot be written"), "{findings:?}");
    }

    #[test]
    fn an_intent_under_way_is_in_order_until_it_is_parked_or_its_nonce_is_lost() {
        let level = |state| under_way(3, 7, state).level;
        assert_eq!(level(IntentState::Live), Level::Ok);
        assert_eq!(level(IntentState::Parked), Level::Warning);
        assert_eq!(level(IntentState::Foreign), Level::Error);
        assert_eq!(under_way(3, 7, IntentState::Parked).what, "intent 3 with nonce 7 is parked");
    }

    #[test]
    fn an_older_schema_is_brought_up_to_date_by_the_keeper() {
        let older = JournalError::SchemaOlder { path: "keeper.db".into(), found: 0, known: 1 };
        assert_eq!(unopened(&older).level, Level::Warning);
        let newer = JournalError::SchemaNewer { path: "keeper.db".into(), found: 2, known: 1 };
        assert_eq!(unopened(&newer).level, Level::Error);
    }
}
