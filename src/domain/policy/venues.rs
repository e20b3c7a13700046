//! The pools to trade with.

use alloy::primitives::Address;
use serde::{Deserialize, Serialize};

use super::rules::Rules;

/// Most bitmap words on each side of the price; 256 tick spacings each, so this covers any pool.
const MOST_TICK_WORDS: u16 = 256;

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
}

pub(super) fn venues(rules: &mut Rules, venues: &[VenuePolicy]) {
    rules.require(
        venues.len() == 1,
        "venues",
        "expected exactly one venue: this version trades with one pool",
    );
    for (i, venue) in venues.iter().enumerate() {
        match venue {
            VenuePolicy::UniswapV3 { pool, tick_words } => {
                rules.address(&format!("venues[{i}].pool"), *pool);
                let fits = (1..=MOST_TICK_WORDS).contains(tick_words);
                rules.require(fits, &format!("venues[{i}].tick_words"), "expected 1 to 256 words");
            }
        }
    }
}
