//! The pools to trade with.

use alloy::primitives::Address;
use serde::{Deserialize, Serialize};

use super::rules::Rules;

/// Most bitmap words on each side of the price; 256 tick spacings each, so this covers any pool.
const MOST_TICK_WORDS: u16 = 256;

/// Most pools that one policy trades with.
pub const MOST_VENUES: usize = 8;

/// One pool the policy trades with; the vault must allow it too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum VenuePolicy {
    /// A Uniswap v3 pool.
    UniswapV3 {
        /// The pool's address.
        pool: Address,
        /// Words of the tick bitmap (256 tick spacings each) read on each side of the price.
        tick_words: u16,
    },
    /// A Uniswap v2 pair.
    UniswapV2 {
        /// The pair's address.
        pair: Address,
    },
}

impl VenuePolicy {
    /// The pool's address, whatever its kind.
    #[must_use]
    pub const fn pool(&self) -> Address {
        match self {
            Self::UniswapV3 { pool, .. } => *pool,
            Self::UniswapV2 { pair } => *pair,
        }
    }

    /// The key that holds it.
    const fn key(&self) -> &'static str {
        match self {
            Self::UniswapV3 { .. } => "pool",
            Self::UniswapV2 { .. } => "pair",
        }
    }
}

pub(super) fn venues(rules: &mut Rules, venues: &[VenuePolicy]) {
    rules.require((1..=MOST_VENUES).contains(&venues.len()), "venues", "expected 1 to 8 pools");
    for (i, venue) in venues.iter().enumerate() {
        let key = format!("venues[{i}].{}", venue.key());
        rules.address(&key, venue.pool());
        let new = venues.iter().take(i).all(|earlier| earlier.pool() != venue.pool());
        rules.require(new, &key, "expected each pool once");
        match venue {
            VenuePolicy::UniswapV3 { tick_words, .. } => {
                let fits = (1..=MOST_TICK_WORDS).contains(tick_words);
                rules.require(fits, &format!("venues[{i}].tick_words"), "expected 1 to 256 words");
            }
            VenuePolicy::UniswapV2 { .. } => {}
        }
    }
}
