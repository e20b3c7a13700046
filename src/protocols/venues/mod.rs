//! Exchanges that a vault trades with.

pub mod uniswap_v2;
pub mod uniswap_v3;
