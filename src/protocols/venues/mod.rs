//! Exchanges that a vault trades with.

pub mod uniswap_v2;
pub mod uniswap_v3;

use alloy::primitives::{Log, U256};

use crate::domain::snapshot::Pool;

/// Raw amount that `pool` paid out by its only swap among `logs`; `None` where there is none, or more than one.
#[must_use]
pub fn paid_out(pool: &Pool, logs: &[Log]) -> Option<U256> {
    let read = match pool {
        Pool::UniswapV3 { .. } => uniswap_v3::paid_out,
        Pool::UniswapV2 { .. } => uniswap_v2::paid_out,
    };
    let mut paid = logs.iter().filter(|log| log.address == pool.address()).filter_map(read);
    paid.next().filter(|_| paid.next().is_none())
}
