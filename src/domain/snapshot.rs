//! Every fact a decision may use, read at one block hash.
//!
//! A snapshot is evidence: two readers of the same block must produce the same bytes. It holds no endpoint, no
//! timing and nothing that a later block could change.

mod history;
mod options;
mod rollup;

use alloy::primitives::{Address, B256, I256, U256};
use serde::{Deserialize, Serialize};
use serde_with::{DisplayFromStr, serde_as};

use super::policy::FloorPolicy;
use super::venues::{uniswap_v2, uniswap_v3};

pub use history::{History, Sight};
pub use options::{ImpliedVolatility, OptionBook, OptionKind, OptionLeg};
pub use rollup::{Charge, Rollup};

/// All facts of one decision.
///
/// Rules it keeps: everything comes from the block in `block`; integers are raw chain values; a part that the chain
/// does not answer for is absent, never zero.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// The block.
    pub block: Block,
    /// The vault's own account of itself.
    pub vault: Vault,
    /// The price feeds that the policy names.
    pub feeds: Feeds,
    /// The pools that the policy names, in its order; one that does not answer is left out.
    pub pools: Vec<Pool>,
    /// The option book that the policy names; absent where it names none, or it does not answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub options: Option<OptionBook>,
    /// What the chain charges beside gas; absent where the policy's chain is no rollup, or it does not answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rollup: Option<Rollup>,
}

/// The block at which everything was read.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// EIP-155 chain id.
    #[serde_as(as = "DisplayFromStr")]
    pub chain_id: u64,
    /// Height.
    #[serde_as(as = "DisplayFromStr")]
    pub number: u64,
    /// Hash.
    pub hash: B256,
    /// Seconds since 1970.
    #[serde_as(as = "DisplayFromStr")]
    pub timestamp: u64,
    /// Base fee of the next block in wei per gas, as the kind of the policy's chain derives it from this block.
    #[serde_as(as = "DisplayFromStr")]
    pub next_base_fee: u64,
}

/// A token of the vault.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Contract.
    pub address: Address,
    /// Decimal places.
    #[serde_as(as = "DisplayFromStr")]
    pub decimals: u8,
}

/// What the vault says of itself in `state()`.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vault {
    /// Contract.
    pub address: Address,
    /// The stable asset deposits are made in.
    pub asset: Token,
    /// The risky asset.
    pub risky: Token,
    /// Shares, raw.
    #[serde_as(as = "DisplayFromStr")]
    pub total_supply: U256,
    /// Tracked holding of the asset, raw.
    #[serde_as(as = "DisplayFromStr")]
    pub asset_holdings: U256,
    /// Tracked holding of the risky asset, raw.
    #[serde_as(as = "DisplayFromStr")]
    pub risky_holdings: U256,
    /// Floor of all shares together at this block, raw units of the asset, rounded up.
    #[serde_as(as = "DisplayFromStr")]
    pub floor: U256,
    /// How the floor moves.
    pub floor_policy: FloorPolicy,
    /// The latch of the cash-lock.
    pub cash_lock: bool,
    /// Hash of the policy that the owner approved.
    pub policy_hash: B256,
    /// Who may rebalance.
    pub keeper: Address,
    /// Nonce of the next rebalance.
    #[serde_as(as = "DisplayFromStr")]
    pub next_nonce: u64,
    /// Time of the last rebalance, 0 where there was none.
    #[serde_as(as = "DisplayFromStr")]
    pub last_rebalance: u64,
    /// Buys are refused up to this time.
    #[serde_as(as = "DisplayFromStr")]
    pub paused_until: u64,
    /// The option book that settles with the vault, where it has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub option_book: Option<Address>,
    /// Whether open option legs close the vault until settlement.
    pub epoch_open: bool,
    /// The feed of the risky asset that the vault itself trusts.
    pub risky_feed: Address,
    /// The feed of its asset that the vault itself trusts.
    pub asset_feed: Address,
    /// The bounds it sets its keeper.
    pub guards: Guards,
    /// The pools it allows.
    pub allowed_pools: Vec<AllowedPool>,
}

/// The bounds a vault sets its keeper, read so that a plan stays inside instead of reverting.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guards {
    /// Seconds between two rebalances.
    #[serde_as(as = "DisplayFromStr")]
    pub cooldown: u64,
    /// Oldest decision block accepted, in blocks.
    #[serde_as(as = "DisplayFromStr")]
    pub max_decision_age: u64,
    /// Largest value of one call, basis points of net asset value.
    #[serde_as(as = "DisplayFromStr")]
    pub max_call_bps: u32,
    /// What is left of the turnover bucket at this block, raw units of the asset.
    #[serde_as(as = "DisplayFromStr")]
    pub turnover_left: U256,
    /// Largest loss of a swap against the oracle in basis points.
    #[serde_as(as = "DisplayFromStr")]
    pub slippage_bps: u32,
    /// Largest loss of net asset value in one call in basis points.
    #[serde_as(as = "DisplayFromStr")]
    pub nav_loss_bps: u32,
    /// Largest exposure after a buy, basis points of net asset value.
    #[serde_as(as = "DisplayFromStr")]
    pub cap_bps: u32,
    /// Largest exposure per unit of cushion, in 1/10,000; above it a sale is always allowed.
    #[serde_as(as = "DisplayFromStr")]
    pub bound_bps: u32,
    /// Age in seconds up to which the vault believes the risky feed.
    #[serde_as(as = "DisplayFromStr")]
    pub risky_max_age: u64,
    /// Age in seconds up to which the vault believes the asset feed.
    #[serde_as(as = "DisplayFromStr")]
    pub asset_max_age: u64,
    /// Largest distance of the asset from one dollar in basis points.
    #[serde_as(as = "DisplayFromStr")]
    pub peg_bps: u32,
    /// Most gas that one rebalance pays back to its keeper, raw units of the asset.
    #[serde_as(as = "DisplayFromStr")]
    pub gas_rebate: U256,
}

/// A pool on the vault's list and the adapter it trades through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AllowedPool {
    /// The pool.
    pub pool: Address,
    /// The venue adapter.
    pub venue: Address,
}

/// The feeds that the policy names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feeds {
    /// Risky asset in dollars, with its history for the volatility estimate.
    pub risky_usd: Feed,
    /// Asset in dollars.
    pub asset_usd: Feed,
    /// Native coin in dollars, where the policy names a feed of its own for it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub native_usd: Option<Feed>,
    /// The rollup's sequencer, where the policy names one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sequencer: Option<Sequencer>,
}

/// A Chainlink-style feed.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feed {
    /// The proxy.
    pub address: Address,
    /// Decimal places of an answer.
    #[serde_as(as = "DisplayFromStr")]
    pub decimals: u8,
    /// The latest round; absent where the feed does not answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub latest: Option<Round>,
    /// Earlier rounds of the same phase that exist, oldest first, as many as the policy asks for.
    pub history: History,
}

/// One round of a feed, as answered.
#[serde_as]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Round {
    /// The proxy's round id (phase in the upper bits).
    #[serde_as(as = "DisplayFromStr")]
    pub id: u128,
    /// The answer, raw.
    #[serde_as(as = "DisplayFromStr")]
    pub answer: I256,
    /// When it was updated, seconds since 1970.
    #[serde_as(as = "DisplayFromStr")]
    pub updated_at: u64,
}

/// A rollup's sequencer uptime feed.
#[serde_as]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequencer {
    /// The feed.
    pub address: Address,
    /// Its latest state; absent where the feed does not answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<SequencerStatus>,
}

/// What a sequencer feed answered.
#[serde_as]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SequencerStatus {
    /// 0 is up, anything else is down.
    #[serde_as(as = "DisplayFromStr")]
    pub answer: I256,
    /// When this state began; 0 is no state at all.
    #[serde_as(as = "DisplayFromStr")]
    pub started_at: u64,
}

/// A pool's exact state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Pool {
    /// A Uniswap v3 pool.
    UniswapV3 {
        /// Price, liquidity and the ticks around the price.
        state: uniswap_v3::Pool,
        /// Its time-weighted price, where the policy asks for one and the pool can answer.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        twap: Option<Twap>,
        /// Its observations, where the policy estimates volatility from them and the pool looks back so far.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        observations: Option<Observations>,
    },
    /// A Uniswap v2 pair.
    UniswapV2 {
        /// Its reserves.
        state: uniswap_v2::Pool,
    },
}

/// A pool's time-weighted average price.
#[serde_as]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Twap {
    /// Seconds averaged.
    #[serde_as(as = "DisplayFromStr")]
    pub window_seconds: u32,
    /// Mean tick, rounded towards minus infinity as the pool's own libraries do.
    #[serde_as(as = "DisplayFromStr")]
    pub mean_tick: i32,
}

/// A pool's observations at the points of a regular grid whose last is the block.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Observations {
    /// Seconds between two points.
    #[serde_as(as = "DisplayFromStr")]
    pub step_seconds: u32,
    /// Tick times seconds since the pool began, at every point, oldest first.
    #[serde_as(as = "Vec<DisplayFromStr>")]
    pub tick_cumulatives: Vec<i64>,
}

impl Pool {
    /// Its observations, where they were asked for and it has them.
    #[must_use]
    pub const fn observations(&self) -> Option<&Observations> {
        match self {
            Self::UniswapV3 { observations, .. } => observations.as_ref(),
            Self::UniswapV2 { .. } => None,
        }
    }

    /// The pool's address.
    #[must_use]
    pub const fn address(&self) -> Address {
        match self {
            Self::UniswapV3 { state, .. } => state.address,
            Self::UniswapV2 { state } => state.address,
        }
    }
}
