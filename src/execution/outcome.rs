//! What becomes of a call: expected ends are values, reasons carry their numbers.

use alloy::primitives::{Address, B256, Bytes, Log, U256};

use super::{KeyError, Rejection};
use crate::chain::{ChainError, Receipt};
use crate::journal::{IntentId, IntentState, JournalError};

/// Where a submitted call stands, or why it was not submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Final, and it succeeded.
    Executed(Inclusion),
    /// Final, and it reverted; its gas is spent.
    Reverted(Inclusion),
    /// Final: it was not wanted any more, and its cancel was mined in its place.
    Cancelled(Inclusion),
    /// Final: another intent of the same nonce was mined in its place, or that one's cancel.
    Superseded(Inclusion),
    /// Under way. Ask again with a later head; no new intent from this key until then.
    Pending {
        /// The intent.
        intent: IntentId,
        /// Where it stands.
        state: IntentState,
    },
    /// Held up. The same bytes are sent again with every look at the chain; the operator should know.
    Parked {
        /// The intent.
        intent: IntentId,
        /// What holds it up.
        reason: ParkReason,
    },
    /// Not submitted: nothing was signed and no nonce was taken.
    Refused(Refusal),
}

impl Outcome {
    /// Whether nothing more can become of it.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Executed(_) | Self::Reverted(_) | Self::Cancelled(_) | Self::Superseded(_) => true,
            Self::Pending { .. } | Self::Parked { .. } | Self::Refused(_) => false,
        }
    }

    /// The intent, where something may still become of it.
    #[must_use]
    pub const fn under_way(&self) -> Option<IntentId> {
        match self {
            Self::Pending { intent, .. } | Self::Parked { intent, .. } => Some(*intent),
            Self::Executed(_)
            | Self::Reverted(_)
            | Self::Cancelled(_)
            | Self::Superseded(_)
            | Self::Refused(_) => None,
        }
    }
}

/// Facts of a mined transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inclusion {
    /// The intent.
    pub intent: IntentId,
    /// Hash of the transaction.
    pub transaction_hash: B256,
    /// Height of its block.
    pub block_number: u64,
    /// Hash of its block.
    pub block_hash: B256,
    /// Gas used.
    pub gas_used: u64,
    /// Price paid, wei per gas.
    pub effective_gas_price: u128,
    /// Everything paid, wei.
    pub fee: U256,
    /// Events, in their order.
    pub logs: Vec<Log>,
}

impl Inclusion {
    pub(super) fn new(intent: IntentId, receipt: &Receipt) -> Self {
        Self {
            intent,
            transaction_hash: receipt.transaction_hash,
            block_number: receipt.block_number,
            block_hash: receipt.block_hash,
            gas_used: receipt.gas_used,
            effective_gas_price: receipt.effective_gas_price,
            fee: receipt.fee(),
            logs: receipt.logs.clone(),
        }
    }
}

/// Why an intent is held up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParkReason {
    /// The node refuses the bytes for now.
    #[error("the node refuses it: {0}")]
    Rejected(Rejection),
    /// Not mined after all the looks that the configuration allows to wait for. It stays under way.
    #[error(
        "not seen mined in {polls} looks at the chain; its fee cap may be too low for the market, or the node is down"
    )]
    NotMined {
        /// Looks taken.
        polls: u32,
    },
    /// Nothing is decided of it after all the blocks that the configuration allows.
    #[error(
        "nothing is decided of it for too many blocks: the same bytes are sent again and nothing new is signed; look at \
         its fees and the endpoints, or cancel it"
    )]
    Undecided,
}

/// Which fee cap a transaction would pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeeCap {
    /// Per gas.
    Gas,
    /// Per transaction.
    Transaction,
    /// Per day.
    Day,
}

impl std::fmt::Display for FeeCap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Gas => "gas",
            Self::Transaction => "transaction",
            Self::Day => "day",
        })
    }
}

/// Why a call is not submitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The call reverts.
    #[error("the call reverts: {}", reason.clone().unwrap_or_else(|| format!("{data}")))]
    SimulationReverted {
        /// Revert data.
        data: Bytes,
        /// The data in words, when it was recognised.
        reason: Option<String>,
    },
    /// It needs more gas than the configuration or the block allows.
    #[error("it needs a gas limit of {needed}, allowed are {allowed}")]
    GasOverCap {
        /// Gas limit with margin.
        needed: u64,
        /// Most allowed.
        allowed: u64,
    },
    /// Being included in the next block would cost more than a cap allows.
    #[error("the next block needs {needed} wei per gas, the cap per {cap} leaves {allowed}")]
    FeeOverCap {
        /// The cap.
        cap: FeeCap,
        /// Next base fee and tip, wei per gas.
        needed: U256,
        /// What the cap leaves, wei per gas.
        allowed: U256,
    },
    /// The head has no base fee, or one that breaks EIP-1559.
    #[error("the head has no usable base fee (EIP-1559)")]
    NoBaseFee,
    /// The data of the very bytes costs more than was reckoned with, and than the margin on top allows.
    #[error("the data of the transaction costs {fee} wei, reckoned with were at most {most}")]
    DataFeeOverBound {
        /// Wei, of the bytes that would be signed.
        fee: U256,
        /// Most allowed, wei.
        most: U256,
    },
    /// The chain does not say what the data of the very bytes costs.
    #[error("the chain does not say what the data of the transaction costs")]
    DataFeeUnknown,
    /// The vault would refuse it for its deadline.
    #[error("its deadline {deadline} is not after the chain time {chain_time}")]
    DeadlinePassed {
        /// Deadline, seconds since the Unix epoch.
        deadline: u64,
        /// Time of the head, seconds since the Unix epoch.
        chain_time: u64,
    },
    /// Another intent of this key is not final.
    #[error("intent {intent} of this key is still {}", state.name())]
    IntentOpen {
        /// The open intent.
        intent: IntentId,
        /// Where it stands.
        state: IntentState,
    },
    /// The head that was decided on is no longer canonical.
    #[error("the head it was planned on is no longer canonical")]
    HeadReplaced,
    /// As many nonces of this key are under way as may be.
    #[error("{in_flight} intents of this key are under way, as many as may be")]
    TooManyInFlight {
        /// How many.
        in_flight: usize,
    },
    /// The node shows another number of transactions of this key than are accounted for.
    #[error(
        "the node shows {latest} transactions of this key, {known} are accounted for: it lags behind, or a receipt is \
         not there yet"
    )]
    Unsettled {
        /// Transactions that are known to be mined.
        known: u64,
        /// Transactions that the node shows.
        latest: u64,
    },
    /// The last transaction for this vault was mined and reverted.
    #[error("its last transaction reverted: nothing routine is sent before block {until}")]
    CoolingDown {
        /// Height from which on it may go on.
        until: u64,
    },
    /// The nonce to take over is held by bytes that cannot be outbid within the caps.
    #[error(
        "nonce {nonce} is held by bytes whose fee cap of {held} wei per gas cannot be outbid within the caps"
    )]
    Outbid {
        /// The nonce.
        nonce: u64,
        /// Fee cap of the newest bytes there, wei per gas.
        held: u128,
    },
    /// The key cannot pay for it.
    #[error("the key holds {balance} wei, the transaction may cost {needed}: refill it")]
    InsufficientFunds {
        /// Most it may cost, wei.
        needed: U256,
        /// Balance, wei.
        balance: U256,
    },
    /// It was simulated from another account than the one that signs.
    #[error("it was simulated from {simulated}, but {signer} signs")]
    OtherSender {
        /// Account of the simulation.
        simulated: Address,
        /// Account of the key.
        signer: Address,
    },
}

impl Refusal {
    /// Stable name for records and JSON.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::SimulationReverted { .. } => "simulation_reverted",
            Self::GasOverCap { .. } => "gas_over_cap",
            Self::FeeOverCap { .. } => "fee_over_cap",
            Self::NoBaseFee => "no_base_fee",
            Self::DataFeeOverBound { .. } => "data_fee_over_bound",
            Self::DataFeeUnknown => "data_fee_unknown",
            Self::DeadlinePassed { .. } => "deadline_passed",
            Self::IntentOpen { .. } => "intent_open",
            Self::HeadReplaced => "head_replaced",
            Self::TooManyInFlight { .. } => "too_many_in_flight",
            Self::Unsettled { .. } => "unsettled",
            Self::CoolingDown { .. } => "cooling_down",
            Self::Outbid { .. } => "outbid",
            Self::InsufficientFunds { .. } => "insufficient_funds",
            Self::OtherSender { .. } => "other_sender",
        }
    }
}

/// Why a key must not sign anything more before its operator has looked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// The chain has transactions of this key that the journal does not know.
    #[error(
        "the chain has {chain} transactions of {sender}, the journal {journal}: the key was used elsewhere or the \
         journal is old. Find the other user of the key, or the newest journal"
    )]
    ChainAhead {
        /// The key's account.
        sender: Address,
        /// Next nonce by the journal.
        journal: u64,
        /// Next nonce by the chain.
        chain: u64,
    },
    /// The node has pending transactions of this key that the journal does not know.
    #[error(
        "the node holds pending transactions of {sender} up to nonce {pending}, the next by the journal is {expected}: \
         the key is used elsewhere or the journal was lost. Wait until none is pending, then start again"
    )]
    PoolAhead {
        /// The key's account.
        sender: Address,
        /// Next nonce by the journal, or by the chain where the journal is empty.
        expected: u64,
        /// Next nonce with the node's pool.
        pending: u64,
    },
    /// A transaction that the journal does not know has consumed the nonce of an intent.
    #[error(
        "nonce {nonce} of {sender} was consumed by a transaction that this keeper did not send (intent {intent}): \
         someone else has the key. Replace the key"
    )]
    ForeignNonce {
        /// The key's account.
        sender: Address,
        /// The nonce.
        nonce: u64,
        /// The intent that can never be mined.
        intent: IntentId,
    },
    /// A reorganisation deeper than the configured finality took a final transaction off the chain.
    #[error(
        "the chain left block {block}, in which intent {intent} was final (nonce {nonce} of {sender}): a reorganisation \
         deeper than the configured finality. Nothing is signed until its transaction is in a block again; to hand its \
         bytes over once more: keeper tx publish {transaction}"
    )]
    Undone {
        /// The key's account.
        sender: Address,
        /// The nonce.
        nonce: u64,
        /// The intent.
        intent: IntentId,
        /// Height of the block that it was final in.
        block: u64,
        /// The transaction.
        transaction: B256,
    },
}

/// A failure of execution. It never means that a transaction is not live.
#[derive(Debug, thiserror::Error)]
pub enum ExecutionError {
    /// The node.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The record. Nothing that it should have recorded was sent.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The key is halted.
    #[error("halted: {0}")]
    Halted(Halt),
    /// What is asked for is not under way.
    #[error("it is not under way: the intent is final, or there is none")]
    Unknown,
}

// Not as its source: it says all there is to say.
impl From<Halt> for ExecutionError {
    fn from(halt: Halt) -> Self {
        Self::Halted(halt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_key_is_halted_is_said_once() {
        let halt = Halt::ChainAhead { sender: Address::ZERO, journal: 3, chain: 5 };
        let (why, error) = (halt.to_string(), eyre::Report::from(ExecutionError::from(halt)));
        assert_eq!(format!("{error:#}"), format!("halted: {why}"));
    }
}
