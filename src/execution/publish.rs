//! Handing bytes to the endpoints of their class, and what their answers mean.

use std::sync::Arc;

use alloy::primitives::B256;

use super::Engine;
use super::classify::classify;
use super::machine::joined;
use crate::chain::ChainError;
use crate::chain::pool::{Answer, Outgoing, Pool, PrivateBytes, PublicBytes};
use crate::defence::defended;
use crate::failpoint::{self, Moment};
use crate::journal::{AttemptRecord, SubmissionClass};

/// What became of one publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Published {
    /// The node has the bytes.
    Accepted,
    /// The bytes may be live.
    Ambiguous(Doubt),
    /// The node did not take the bytes, and says why in words that are known.
    Rejected(Rejection),
}

/// Why it is not known whether bytes are live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// The node has another transaction at this nonce.
    ReplacementUnderpriced,
    /// The nonce is consumed, perhaps by these very bytes.
    NonceTooLow,
    /// The node misses earlier nonces.
    NonceTooHigh,
    /// The node takes nothing of the kind for now: a full pool, a limit on requests, a sync.
    NotNow,
    /// The node answered another hash than that of the bytes.
    WrongHash {
        /// The answered hash.
        returned: B256,
    },
    /// No answer, or one in words that are not known.
    Unclear {
        /// The failure.
        message: String,
    },
}

impl Doubt {
    /// Stable name for records.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ReplacementUnderpriced => "replacement_underpriced",
            Self::NonceTooLow => "nonce_too_low",
            Self::NonceTooHigh => "nonce_too_high",
            Self::NotNow => "not_now",
            Self::WrongHash { .. } => "wrong_hash",
            Self::Unclear { .. } => "unclear",
        }
    }
}

/// Why a node certainly did not take the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The balance of the key does not cover gas limit times fee cap.
    #[error("the key has too little ether; refill it")]
    InsufficientFunds,
    /// The fee cap or the tip is below what the node takes now.
    #[error("its fee cap or tip is below what the node takes now")]
    Underpriced,
    /// The gas limit does not fit the block or the call.
    #[error("its gas limit does not fit")]
    GasLimit,
    /// The node takes no such transaction.
    #[error("the node takes no such transaction (type, chain id, size or signature)")]
    Invalid,
}

impl Rejection {
    /// Stable name for records.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::InsufficientFunds => "insufficient_funds",
            Self::Underpriced => "underpriced",
            Self::GasLimit => "gas_limit",
            Self::Invalid => "invalid",
        }
    }
}

impl Published {
    /// No answer, or none that can be understood.
    pub(super) fn unclear(message: &str) -> Self {
        Self::Ambiguous(Doubt::Unclear { message: message.to_owned() })
    }

    /// Whether a node has the bytes.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        *self == Self::Accepted
    }

    /// Why all endpoints refused it, if they did.
    pub(super) const fn refusal(&self) -> Option<Rejection> {
        match self {
            Self::Rejected(why) => Some(*why),
            Self::Accepted | Self::Ambiguous(_) => None,
        }
    }
}

/// What the answer of one endpoint means for bytes of this hash; total, because no failure here is evidence.
pub(super) fn meaning(answer: &Answer, hash: B256) -> Published {
    match &answer.result {
        Ok(returned) if *returned == hash => Published::Accepted,
        Ok(returned) => Published::Ambiguous(Doubt::WrongHash { returned: *returned }),
        Err(ChainError::Rpc { message, .. }) => classify(message),
        // What other engines take it for.
        Err(_) if !defended(2) => Published::Rejected(Rejection::Invalid),
        Err(error) => Published::unclear(&error.to_string()),
    }
}

/// How bytes of this class leave at this height. Private ones become public at the height that was recorded with them,
/// and only after the call was run once more and did not revert.
pub(super) fn outgoing(attempt: &AttemptRecord, height: u64, vetted: bool) -> Outgoing {
    /// Blocks that a relay keeps a transaction for; it gets it again with every look at the chain.
    const KEPT: u64 = 25;
    let raw = attempt.raw.clone();
    let public = || Outgoing::Public(PublicBytes::new(raw.clone()));
    let private =
        |last| Outgoing::Private(PrivateBytes::new(raw.clone(), height.saturating_add(1), Some(last)));
    match attempt.submission {
        SubmissionClass::Public => public(),
        SubmissionClass::Private { .. } if !defended(43) => public(),
        SubmissionClass::Private { public_from: Some(from) } if height >= from && vetted => public(),
        SubmissionClass::Private { public_from } => {
            let kept = height.saturating_add(KEPT);
            private(public_from.filter(|from| *from > height).map_or(kept, |from| from.min(kept)))
        }
    }
}

impl Engine {
    /// Hands bytes to every endpoint of their class; returns with the first that has them.
    pub(super) async fn publish(&self, attempt: &AttemptRecord, (height, vetted): (u64, bool)) -> Published {
        let outgoing = outgoing(attempt, height, vetted);
        let has = |answer: &Answer| meaning(answer, attempt.hash) == Published::Accepted;
        failpoint::reached(attempt.kind.name(), Moment::BeforeBroadcast);
        let answers = self.pool.broadcast(&outgoing, has).await;
        failpoint::reached(attempt.kind.name(), Moment::AfterBroadcast);
        for answer in &answers {
            told(attempt, answer);
        }
        let published = joined(answers.iter().map(|answer| meaning(answer, attempt.hash)));
        if let Some(why) = published.as_ref().and_then(Published::refusal) {
            let (hash, alert) = (attempt.hash, why.code());
            tracing::error!(%hash, alert, "held at its nonce: {why}");
        }
        published.unwrap_or_else(|| Published::unclear("no endpoint of its class can be written to"))
    }
}

/// Hands the bytes of an attempt to all endpoints of its class at this height, and says what each answered.
pub async fn republish(pool: &Arc<Pool>, attempt: &AttemptRecord, height: u64) -> Vec<(String, Published)> {
    let answers = pool.broadcast(&outgoing(attempt, height, false), |_| false).await;
    answers.into_iter().map(|answer| (answer.endpoint.clone(), meaning(&answer, attempt.hash))).collect()
}

impl std::fmt::Display for Published {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Accepted => f.write_str("has it"),
            Self::Rejected(rejection) => write!(f, "refuses it: {rejection}"),
            Self::Ambiguous(Doubt::Unclear { message }) => write!(f, "unclear: {message}"),
            Self::Ambiguous(doubt) => write!(f, "unclear: {}", doubt.code()),
        }
    }
}

fn told(attempt: &AttemptRecord, answer: &Answer) {
    let (hash, endpoint) = (attempt.hash, &answer.endpoint);
    match meaning(answer, hash) {
        Published::Accepted => tracing::info!(%hash, endpoint, "accepted"),
        Published::Ambiguous(Doubt::WrongHash { returned }) => {
            tracing::error!(%hash, endpoint, %returned, "the node answered a wrong hash");
        }
        Published::Ambiguous(doubt) => tracing::warn!(%hash, endpoint, ?doubt, "possibly live"),
        Published::Rejected(rejection) => {
            tracing::warn!(%hash, endpoint, %rejection, "refused");
        }
    }
}
