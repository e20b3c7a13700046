//! Uniswap v2 pairs as read.

use alloy::primitives::{Log, U256};
use alloy::sol;
use alloy::sol_types::SolEvent;

use crate::domain::snapshot::Pool;
use crate::domain::venues::uniswap_v2;
use crate::protocols::abi::ISnapshotReader;

sol! {
    /// What a pair says of a swap.
    #[derive(Debug)]
    event Swap(
        address indexed sender, uint256 amount0In, uint256 amount1In, uint256 amount0Out, uint256 amount1Out,
        address indexed to
    );
}

/// Raw amount that a pair paid out, by its event of a swap.
pub(super) fn paid_out(log: &Log) -> Option<U256> {
    let swap = Swap::decode_log(log).ok()?;
    Some(swap.amount0Out.max(swap.amount1Out))
}

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
