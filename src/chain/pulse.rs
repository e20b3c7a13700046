//! What the calls to one endpoint say about it: failures in a row, whether its chain is certain, and until when it
//! wants to be left alone.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::ChainError;
use super::backoff::Backoff;
use crate::defence::defended;

/// The pulse of one endpoint.
#[derive(Debug)]
pub(super) struct Pulse(Mutex<Beat>);

#[derive(Debug)]
struct Beat {
    failures: u32,
    last_failure: Option<String>,
    /// Nothing but its chain id may be asked before that is known again.
    doubtful: bool,
    foreign: Option<u64>,
    held_until: Option<Instant>,
    backoff: Backoff,
}

impl Pulse {
    /// Of an endpoint that nothing is known of, with pauses of its own.
    pub(super) fn unknown() -> Self {
        let backoff = Backoff::seeded(RandomState::new().hash_one("pauses"));
        let (failures, last_failure, foreign, held_until) = (0, None, None, None);
        Self(Mutex::new(Beat { failures, last_failure, doubtful: true, foreign, held_until, backoff }))
    }

    /// Failures since the last answer, and the last of them for people.
    pub(super) fn failures(&self) -> (u32, Option<String>) {
        let beat = self.beat();
        (beat.failures, beat.last_failure.clone())
    }

    /// The other chain that the endpoint was found to serve.
    pub(super) fn foreign(&self) -> Option<u64> {
        self.beat().foreign
    }

    /// Whether its chain id must be asked before anything else.
    pub(super) fn is_doubtful(&self) -> bool {
        self.beat().doubtful
    }

    /// Its chain id is the right one.
    pub(super) fn verified(&self) {
        self.beat().doubtful = false;
    }

    /// It serves another chain: for good.
    pub(super) fn is_foreign(&self, actual: u64) {
        self.beat().foreign.get_or_insert(actual);
    }

    /// How long it is still left alone.
    pub(super) fn held(&self) -> Option<Duration> {
        let until = self.beat().held_until?;
        let left = until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    /// Takes note of an answer; `retry_after` is what came with a refusal for its quota.
    pub(super) fn note<T>(&self, answer: &Result<T, ChainError>, retry_after: Option<Duration>) {
        let mut beat = self.beat();
        match answer {
            Err(error) if error.is_limit() && defended(38) => {
                let pause = beat.backoff.refused(retry_after);
                let until = Instant::now().checked_add(pause);
                beat.held_until = beat.held_until.max(until);
            }
            Err(error) if error.is_of_endpoint() => {
                beat.failures = beat.failures.saturating_add(1);
                beat.last_failure = Some(error.to_string());
                // Whoever answers next may be another.
                beat.doubtful = true;
            }
            Ok(_) | Err(_) => {
                beat.failures = 0;
                // The answer to a call that was under way when another was refused ends no pause.
                if beat.held_until.is_none_or(|until| until <= Instant::now()) {
                    beat.backoff.over();
                }
            }
        }
    }

    fn beat(&self) -> MutexGuard<'_, Beat> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limited() -> Result<(), ChainError> {
        Err(ChainError::Http { endpoint: "a".to_owned(), method: "eth_call", status: 429 })
    }

    #[tokio::test]
    async fn an_answer_that_was_under_way_ends_no_pause() {
        let pulse = Pulse::unknown();
        assert_eq!(pulse.held(), None);
        pulse.note(&limited(), Some(Duration::from_secs(60)));
        pulse.note(&Ok(()), None);
        assert!(pulse.held().is_some_and(|left| left > Duration::from_secs(30)));
        assert_eq!(pulse.failures(), (0, None));
    }

    #[tokio::test]
    async fn a_failure_puts_the_chain_in_doubt_and_a_refusal_does_not() {
        let pulse = Pulse::unknown();
        pulse.verified();
        let revert = None;
        let refused = ChainError::Rpc {
            endpoint: "a".to_owned(),
            method: "eth_call",
            code: -32000,
            message: "nonce too low".to_owned(),
            revert,
        };
        pulse.note::<()>(&Err(refused), None);
        assert!(!pulse.is_doubtful());
        let late = ChainError::Timeout { endpoint: "a".to_owned(), method: "eth_call" };
        pulse.note::<()>(&Err(late.clone()), None);
        assert!(pulse.is_doubtful());
        assert_eq!(pulse.failures(), (1, Some(late.to_string())));
    }
}
