//! Handing a transaction to all endpoints of its class.

use std::sync::Arc;

use alloy::primitives::B256;
use tokio::sync::mpsc;

use super::outgoing::{Outgoing, PrivateBytes, PublicBytes};
use super::standing::Lie;
use super::{Pool, State};
use crate::chain::ChainError;
use crate::defence::defended;

/// What one endpoint answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Name of the endpoint.
    pub endpoint: String,
    /// The hash that it answered, or its failure, which says nothing about whether the bytes are live.
    pub result: Result<B256, ChainError>,
}

/// Answers as they come.
type Answers = mpsc::UnboundedSender<Answer>;

impl Pool {
    /// Hands the bytes to every usable endpoint of their class at once, and returns the answers as they came: all, or
    /// those up to the first that is `enough`. The others are handed the bytes all the same, also where the caller is
    /// dropped.
    ///
    /// Usable is whoever did not lie, serves the chain, and answered lately; a node that is late or disagrees still
    /// passes transactions on. One that answers another hash than that of the bytes is quarantined.
    pub async fn broadcast(
        self: &Arc<Self>,
        outgoing: &Outgoing,
        enough: impl Fn(&Answer) -> bool,
    ) -> Vec<Answer> {
        let (sender, mut answers) = mpsc::unbounded_channel();
        match outgoing {
            Outgoing::Public(bytes) => self.publish(bytes, outgoing.hash(), &sender),
            Outgoing::Private(bytes) => self.hand_over(bytes, &sender),
        }
        drop(sender);
        let mut all = Vec::new();
        while let Some(answer) = answers.recv().await {
            let done = enough(&answer);
            all.push(answer);
            if done {
                break;
            }
        }
        self.take_pulses();
        all
    }

    fn publish(self: &Arc<Self>, bytes: &PublicBytes, hash: B256, answers: &Answers) {
        self.take_pulses();
        for place in self.usable() {
            tokio::spawn(self.clone().handed(place, bytes.clone(), hash, answers.clone()));
        }
    }

    async fn handed(self: Arc<Self>, place: usize, bytes: PublicBytes, hash: B256, answers: Answers) {
        let Some(member) = self.members.get(place) else { return };
        let result = member.endpoint.send_raw_transaction(bytes.bytes()).await;
        match result {
            Ok(returned) if returned != hash && defended(28) => self.lied(place, Lie::WrongHash { returned }),
            Ok(_) | Err(_) => {}
        }
        told(&answers, Answer { endpoint: member.endpoint.name().to_owned(), result });
    }

    fn hand_over(self: &Arc<Self>, bytes: &PrivateBytes, answers: &Answers) {
        for at in 0..self.relays.len() {
            tokio::spawn(self.clone().relayed(at, bytes.clone(), answers.clone()));
        }
    }

    async fn relayed(self: Arc<Self>, at: usize, bytes: PrivateBytes, answers: Answers) {
        let relay = self.relays.get(at).filter(|relay| relay.foreign().is_none());
        let Some(relay) = relay else { return };
        let result = relay.send(&bytes).await;
        told(&answers, Answer { endpoint: relay.name().to_owned(), result });
    }

    /// Places of the public endpoints that may be written to; those that did not answer only where no other is left.
    fn usable(&self) -> Vec<usize> {
        let board = self.board();
        let free = || {
            let standings = board.standings().iter().enumerate();
            standings.filter(|(_, standing)| !standing.is_barred())
        };
        let silent = |state: &State| matches!(state, State::Unreachable { .. });
        let answering: Vec<usize> =
            free().filter(|(_, standing)| !silent(&standing.state)).map(|(place, _)| place).collect();
        if answering.is_empty() { free().map(|(place, _)| place).collect() } else { answering }
    }
}

/// Nobody may be listening any more.
fn told(answers: &Answers, answer: Answer) {
    tracing::debug!(endpoint = %answer.endpoint, result = ?answer.result, "handed over");
    drop(answers.send(answer));
}
