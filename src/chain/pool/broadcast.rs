//! Handing a transaction to all endpoints of its class.

use alloy::primitives::B256;
use futures_util::future::join_all;

use super::outgoing::{Outgoing, PrivateBytes, PublicBytes};
use super::standing::Lie;
use super::{Pool, Relay, State};
use crate::chain::ChainError;

/// What one endpoint answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Name of the endpoint.
    pub endpoint: String,
    /// The hash that it answered, or its failure, which says nothing about whether the bytes are live.
    pub result: Result<B256, ChainError>,
}

impl Pool {
    /// Hands the bytes to every usable endpoint of their class at once, and keeps every answer, in the order of the
    /// configuration. Usable is whoever did not lie, serves the chain, and answered lately; a node that is late or
    /// disagrees still passes transactions on. One that answers another hash than that of the bytes is quarantined.
    pub async fn broadcast(&self, outgoing: &Outgoing) -> Vec<Answer> {
        match outgoing {
            Outgoing::Public(bytes) => self.publish(bytes, outgoing.hash()).await,
            Outgoing::Private(bytes) => self.hand_over(bytes).await,
        }
    }

    async fn publish(&self, bytes: &PublicBytes, hash: B256) -> Vec<Answer> {
        self.take_pulses();
        let places = self.usable();
        let sending = places.into_iter().filter_map(|place| Some((place, self.members.get(place)?))).map(
            async |(place, member)| {
                let result = member.endpoint.send_raw_transaction(bytes.bytes()).await;
                (place, Answer { endpoint: member.endpoint.name().to_owned(), result })
            },
        );
        let answers = join_all(sending).await;
        for (place, answer) in &answers {
            match answer.result {
                Ok(returned) if returned != hash => self.lied(*place, Lie::WrongHash { returned }),
                Ok(_) | Err(_) => {}
            }
        }
        self.take_pulses();
        answers.into_iter().map(|(_, answer)| answer).collect()
    }

    async fn hand_over(&self, bytes: &PrivateBytes) -> Vec<Answer> {
        let usable = self.relays.iter().filter(|relay| relay.foreign().is_none());
        let sending = usable.map(async |relay: &Relay| Answer {
            endpoint: relay.name().to_owned(),
            result: relay.send(bytes).await,
        });
        join_all(sending).await
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
