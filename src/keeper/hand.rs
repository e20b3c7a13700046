//! How far a keeper's hand goes.

use std::sync::Arc;

use crate::execution::{Engine, SendingConfig};

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

impl Hand {
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
