//! Contracts we know: how to read their state and how to encode calls to them. One file each.
//!
//! Two readers ask for the same facts and must give the same [`Answer`]: [`snapshot_reader`] in one call through a
//! code override, [`batch_reader`] in two through Multicall3.

pub mod abi;
pub mod batch_reader;
pub mod erc20;
pub mod multicall;
pub mod options;
pub mod oracles;
pub mod rehearsal;
pub mod rollups;
pub mod snapshot_reader;
pub mod vaults;
pub mod venues;

use alloy::primitives::{Address, Bytes};

use self::abi::{ISnapshotReader, RebalancingVault};
use self::multicall::Call;
use crate::chain::ChainError;
use crate::domain::policy::ChainKind;

/// What to read at one block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ask {
    /// The vault, where one is asked about.
    pub vault: Option<Address>,
    /// Price feeds.
    pub feeds: Vec<FeedAsk>,
    /// A rollup's sequencer feed.
    pub sequencer: Option<Address>,
    /// Uniswap v3 pools.
    pub pools: Vec<PoolAsk>,
    /// Uniswap v2 pairs.
    pub pairs: Vec<Address>,
    /// Other calls.
    pub calls: Vec<Call>,
    /// The vault's options.
    pub options: Option<OptionsAsk>,
}

/// An option book and what to ask about its legs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionsAsk {
    /// The book.
    pub book: Address,
    /// The contract that says their implied volatilities, where one does.
    pub volatility_feed: Option<Address>,
}

/// A feed and how much of its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedAsk {
    /// The proxy.
    pub feed: Address,
    /// Rounds before the newest to look at.
    pub rounds: u16,
    /// First and last id of the rounds that are known already and need not be read.
    pub known: Option<(u128, u128)>,
}

/// A pool and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolAsk {
    /// The pool.
    pub pool: Address,
    /// Words of the tick bitmap on each side of the current one.
    pub words: u16,
    /// Seconds of the time-weighted price, 0 for none.
    pub twap_window: u32,
    /// Its observations on a grid that ends at the block, where they are asked for.
    pub grid: Option<Grid>,
}

/// Points at which a pool's observations are read, the last of them the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Seconds between two points.
    pub step_seconds: u32,
    /// Steps between the first point and the block.
    pub steps: u16,
}

impl Grid {
    /// Seconds before the block of every point, oldest first.
    fn seconds_ago(self) -> Vec<u32> {
        (0..=self.steps).rev().map(|back| self.step_seconds.saturating_mul(back.into())).collect()
    }
}

/// What both readers answer; a part that could not be read has `ok` false.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The vault's `state()`, where it answered.
    pub vault: Option<RebalancingVault::State>,
    /// One for each feed asked for.
    pub feeds: Vec<ISnapshotReader::Feed>,
    /// The sequencer feed, where one was asked for.
    pub sequencer: Option<ISnapshotReader::Feed>,
    /// One for each pool asked for.
    pub pools: Vec<ISnapshotReader::Pool>,
    /// One for each pair asked for.
    pub pairs: Vec<ISnapshotReader::Pair>,
    /// What each other call returned; nothing where it failed.
    pub results: Vec<Option<Bytes>>,
    /// The option book, where one was asked for.
    pub options: Option<ISnapshotReader::OptionBook>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The endpoint failed.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// There is no vault of ours at the address.
    #[error("{0} does not answer state(): check the vault's address and chain in the configuration")]
    NotAVault(Address),
    /// The endpoint told of the block before it had its state: after the block before, the vault answers.
    #[error(
        "endpoint `{endpoint}` tells of block {block} and does not have its state yet: {vault} answers state() after the \
         block before, and not after this one"
    )]
    NoStateYet {
        /// Name of the endpoint.
        endpoint: String,
        /// Height of the block.
        block: u64,
        /// The vault.
        vault: Address,
    },
    /// There is no Uniswap v3 pool at the address.
    #[error("{0} does not answer as a Uniswap v3 pool: check its address and chain")]
    NotAPool(Address),
    /// There is no policy to read the facts for.
    #[error("no policy is held for vault {0}: name one in the configuration")]
    NoPolicy(Address),
    /// The policy is for a chain that charges otherwise.
    #[error(
        "the chain is of kind `{}`, the policy's gas.chain is `{}`: correct one of them",
        chain.name(),
        policy.name()
    )]
    OtherKind {
        /// Of the chain, by the configuration or by what it has.
        chain: ChainKind,
        /// Of the policy.
        policy: ChainKind,
    },
    /// The chain answered something that cannot be a fact.
    #[error("endpoint `{endpoint}` gave an impossible answer: {reason}")]
    Impossible {
        /// Name of the endpoint.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
}
