//! Exact arithmetic of the pools that a vault may trade with.

pub mod curve;
pub mod depth;
pub mod near;
pub mod search;
pub mod split;
pub mod stretch;
pub mod uniswap_v2;
pub mod uniswap_v3;
