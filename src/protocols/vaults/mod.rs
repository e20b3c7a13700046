//! Vaults that a keeper may keep.

pub mod policy_history;
pub mod rebalancing_vault;
