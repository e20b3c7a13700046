//! What an intent that is not final waits for, and what a person can do.

use crate::journal::{IntentEntry, IntentState};

/// What is awaited, and what helps.
pub(super) struct Standing {
    pub(super) waits_for: &'static str,
    pub(super) what_to_do: String,
}

/// Nothing for an intent that is final.
pub(super) fn of(entry: &IntentEntry) -> Option<Standing> {
    let id = entry.id;
    let hash = entry.attempts.last().map(|attempt| attempt.hash.to_string()).unwrap_or_default();
    let faster = format!("`keeper tx speed-up {id}` bids more");
    let (waits_for, what_to_do) = match entry.last_event.state {
        IntentState::Prepared => (
            "a node that takes its bytes: none is known to have them",
            format!("start the keeper, or `keeper tx publish {hash}`; where they bid too little, {faster}"),
        ),
        IntentState::Live => (
            "a block with one of its transactions",
            format!(
                "wait; {faster}, `keeper tx cancel {id}` gives it up, `keeper tx publish {hash}` sends it again"
            ),
        ),
        IntentState::Cancelling => (
            "a block with its cancel, or with the call where that is faster",
            format!("wait; {faster}, `keeper tx publish {hash}` sends the newest bytes again"),
        ),
        IntentState::Included => ("its block to be final", "wait: it is mined".to_owned()),
        IntentState::Parked => (
            "a block with one of its transactions, for longer than is allowed; its key signs nothing new",
            format!(
                "`keeper check` shows how the endpoints stand; {faster}, `keeper tx cancel {id}` gives it up"
            ),
        ),
        IntentState::Foreign => (
            "nothing: its nonce was taken by a transaction that the journal does not know, and its key is halted",
            "find out who else has the key; then use a new key and a new journal".to_owned(),
        ),
        IntentState::Executed | IntentState::Reverted | IntentState::Cancelled | IntentState::Superseded => {
            return None;
        }
    };
    Some(Standing { waits_for, what_to_do })
}
