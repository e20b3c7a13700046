//! What reasons speak of, by name.

use serde::{Deserialize, Serialize};
use serde_with::{DisplayFromStr, serde_as};
use thiserror::Error;

/// Which feed a reason speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedName {
    /// Risky asset in dollars.
    RiskyUsd,
    /// Vault asset in dollars.
    AssetUsd,
    /// Native coin in dollars.
    NativeUsd,
}

/// What is wrong with a feed's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PriceFault {
    /// The feed does not answer, or its round is missing.
    Missing,
    /// Zero or negative.
    NotPositive,
    /// Updated after the block.
    FromTheFuture,
    /// Outside the policy's bounds.
    OutOfBounds,
}

/// What keeps rounds that are not too few from making an estimate.
#[serde_as]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum HistoryFault {
    /// Two of them lie too far apart.
    #[error("a gap of {seconds} s between two rounds, at most {limit} s are allowed")]
    Gap {
        /// The longest time between two rounds.
        #[serde_as(as = "DisplayFromStr")]
        seconds: u64,
        /// The policy's bound.
        #[serde_as(as = "DisplayFromStr")]
        limit: u64,
    },
    /// They reach over too few steps or periods of the estimator.
    #[error("the rounds cover {found} whole steps, at least {needed} are needed")]
    TooShort {
        /// How many they cover.
        #[serde_as(as = "DisplayFromStr")]
        found: u64,
        /// How many the estimator needs.
        #[serde_as(as = "DisplayFromStr")]
        needed: u64,
    },
    /// The newest lies too far before the block for the estimator's newest step.
    #[error("the newest round is {seconds} s old, at most {limit} s are allowed")]
    TooOld {
        /// Seconds from it to the block.
        #[serde_as(as = "DisplayFromStr")]
        seconds: u64,
        /// Most the estimator takes.
        #[serde_as(as = "DisplayFromStr")]
        limit: u64,
    },
}

/// What a pool's price was compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PriceReference {
    /// The oracle.
    Oracle,
    /// The pool's own time-weighted average.
    Twap,
}

/// What policy and vault state differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disagreement {
    /// The feed of the risky asset.
    RiskyFeed,
    /// The feed of the vault's asset.
    AssetFeed,
    /// How the floor moves.
    Floor,
    /// The option book.
    OptionBook,
}

/// What is wrong with the implied volatility of an option leg.
#[serde_as]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Error)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ImpliedFault {
    /// The feed does not answer for it.
    #[error("the feed does not answer")]
    Missing,
    /// The feed's answer is older than the policy allows.
    #[error("the answer is {age} s old, at most {limit} s are allowed")]
    Stale {
        /// Seconds since it was updated.
        #[serde_as(as = "DisplayFromStr")]
        age: u64,
        /// The policy's bound.
        #[serde_as(as = "DisplayFromStr")]
        limit: u64,
    },
    /// The feed's answer is dated after the block.
    #[error("the answer is dated after the block")]
    FromTheFuture,
    /// The feed's answer is 0, or above 1000 %.
    #[error("the answer is no volatility above 0 and up to 1000 %")]
    OutOfBounds,
    /// It expires after the last expiry of the policy's smile.
    #[error("it expires after the policy's smile ends")]
    BeyondSmile,
}

/// A Greek that a policy can bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Greek {
    /// USD per 1.00 of volatility.
    Vega,
    /// Units per USD.
    Gamma,
    /// USD per year.
    Theta,
}

impl Greek {
    pub(super) const fn unit(self) -> &'static str {
        match self {
            Self::Vega => "USD per 1.00 of volatility",
            Self::Gamma => "units per USD",
            Self::Theta => "USD per year",
        }
    }
}

macro_rules! text_of {
    ($($kind:ident { $($member:ident => $text:literal),* $(,)? })*) => {
        $(impl std::fmt::Display for $kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self { $(Self::$member => $text),* })
            }
        })*
    };
}

text_of! {
    FeedName { RiskyUsd => "risky/USD", AssetUsd => "asset/USD", NativeUsd => "native/USD" }
    PriceFault {
        Missing => "the feed does not answer",
        NotPositive => "it is zero or negative",
        FromTheFuture => "it is dated after the block",
        OutOfBounds => "it is outside the policy's bounds",
    }
    PriceReference { Oracle => "the oracle", Twap => "its time-weighted average" }
    Disagreement {
        RiskyFeed => "the risky feed",
        AssetFeed => "the asset feed",
        Floor => "the floor policy",
        OptionBook => "the option book",
    }
    Greek { Vega => "vega", Gamma => "gamma", Theta => "theta" }
}
