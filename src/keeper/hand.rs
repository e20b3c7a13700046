//! How far a keeper's hand goes.

use std::sync::Arc;

use alloy::primitives::Address;

use crate::execution::{Engine, ExecutionError, SendingConfig};

/// What a keeper does with a plan.
#[derive(Debug, Clone)]
pub enum Hand {
    /// Simulates it and stops.
    Dry(SendingConfig),
    /// Signs and sends it, and leaves the waiting to the cycles that follow.
    Send(Arc<Engine>, SendingConfig),
    /// Signs, sends and waits for the outcome.
    SendAndWait(Arc<Engine>, SendingConfig),
}

/// The hands of a keeper, one for each key that its vault may obey; at each block it acts with one of them.
#[derive(Debug, Clone)]
pub struct Hands {
    all: Vec<Hand>,
    /// The one in use.
    hand: Hand,
}

impl Hands {
    /// These hands; the first is used until a vault obeys another. Nothing where there is none.
    #[must_use]
    pub fn new(all: Vec<Hand>) -> Option<Self> {
        let hand = all.first()?.clone();
        Some(Self { all, hand })
    }

    /// The one in use.
    pub(super) const fn hand(&self) -> &Hand {
        &self.hand
    }

    /// The accounts that could sign; none where nothing is signed.
    pub(super) fn senders(&self) -> Vec<Address> {
        self.all.iter().filter_map(Hand::sender).collect()
    }

    /// Uses from now on the hand whose key is the one that `vault` has `obeyed`; where that is none of ours, the one in use
    /// stays. What the other keys have under way for it would revert: it is withdrawn, the looks that follow cancel it, and
    /// nothing waits for that, since the vault's own nonce lets one of two calls pass.
    ///
    /// # Errors
    /// The journal.
    pub(super) async fn obey(
        &mut self,
        (vault, time): (Address, u64),
        obeyed: Address,
    ) -> Result<(), ExecutionError> {
        let Some(hand) = fitting(&self.all, Hand::sender, obeyed) else { return Ok(()) };
        let from = self.hand.sender();
        if from != Some(obeyed) {
            tracing::warn!(alert = "signer_changed", ?from, to = %obeyed, "the vault obeys another key of this keeper");
            self.hand = hand.clone();
        }
        for engine in self.engines().filter(|engine| engine.sender() != obeyed) {
            let Some(flight) = engine.in_flight(vault, time).await? else { continue };
            match engine.withdraw(flight.intent, "the vault obeys another key").await {
                // It has just come to its end.
                Ok(()) | Err(ExecutionError::Unknown) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The engines of all keys.
    fn engines(&self) -> impl Iterator<Item = &Engine> {
        self.all.iter().filter_map(Hand::engine)
    }
}

impl From<Hand> for Hands {
    fn from(hand: Hand) -> Self {
        Self { all: vec![hand.clone()], hand }
    }
}

/// The first of `hands` that signs with the account `obeyed`.
fn fitting<T>(hands: &[T], sender: impl Fn(&T) -> Option<Address>, obeyed: Address) -> Option<&T> {
    hands.iter().find(|hand| sender(hand) == Some(obeyed))
}

impl Hand {
    /// The account that signs; nothing where nothing is signed.
    pub(super) fn sender(&self) -> Option<Address> {
        self.engine().map(Engine::sender)
    }

    pub(super) fn engine(&self) -> Option<&Engine> {
        match self {
            Self::Dry(_) => None,
            Self::Send(engine, _) | Self::SendAndWait(engine, _) => Some(engine),
        }
    }

    pub(super) const fn sending(&self) -> &SendingConfig {
        match self {
            Self::Dry(config) | Self::Send(_, config) | Self::SendAndWait(_, config) => config,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Address = Address::repeat_byte(1);
    const NEW: Address = Address::repeat_byte(2);

    #[test]
    fn the_hand_is_the_one_whose_account_the_vault_obeys() {
        let hands = [("dry", None), ("old", Some(OLD)), ("new", Some(NEW))];
        let chosen = |obeyed| fitting(&hands, |hand| hand.1, obeyed).map(|hand| hand.0);
        assert_eq!((chosen(OLD), chosen(NEW)), (Some("old"), Some("new")));
        assert_eq!(chosen(Address::repeat_byte(3)), None);
        assert_eq!(fitting(&hands[..1], |hand| hand.1, Address::ZERO), None);
    }
}
