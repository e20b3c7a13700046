//! How a chain charges for a transaction.

use serde::{Deserialize, Serialize};

/// How a chain's base fee moves, and what it charges beside gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum ChainKind {
    /// Ethereum and chains like it: base fee by EIP-1559, nothing beside gas.
    #[default]
    Ethereum,
    /// An OP-stack rollup from Holocene on: base fee by the parameters in its own headers, an L1 data fee and an
    /// operator fee beside gas.
    OpStack,
    /// An Arbitrum rollup (Nitro): base fee as its blocks state it, the L1 data fee bought as gas.
    Arbitrum,
}

impl ChainKind {
    /// What is not said is not part of the hash either.
    pub(super) const fn is_ethereum(&self) -> bool {
        matches!(self, Self::Ethereum)
    }

    /// Whether it charges for the data of a transaction apart.
    #[must_use]
    pub const fn is_rollup(self) -> bool {
        !self.is_ethereum()
    }

    /// The word for it in a configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ethereum => "ethereum",
            Self::OpStack => "op_stack",
            Self::Arbitrum => "arbitrum",
        }
    }
}
