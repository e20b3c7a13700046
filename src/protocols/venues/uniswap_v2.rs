//! Uniswap v2 pairs as read.

use crate::domain::snapshot::Pool;
use crate::domain::venues::uniswap_v2;
use crate::protocols::abi::ISnapshotReader;

/// The pair's state as a fact; `None` where it could not be read.
#[must_use]
pub fn facts(pair: &ISnapshotReader::Pair) -> Option<Pool> {
    let state = uniswap_v2::Pool {
        address: pair.pair,
        token0: pair.token0,
        token1: pair.token1,
        reserve0: pair.reserve0.to(),
        reserve1: pair.reserve1.to(),
    };
    pair.ok.then_some(Pool::UniswapV2 { state })
}
