//! Vaults that a keeper may keep.

pub mod rebalancing_vault;
