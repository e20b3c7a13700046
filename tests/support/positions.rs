//! Positions of an option book on the scene of `keeper_process`.
#![allow(dead_code, reason = "each test file uses its own part")]

use alloy::primitives::{I256, U256};
use vault_keeper::stage::deploy::options::Position;

/// Unix seconds.
pub(crate) const EXPIRY: u64 = 1_700_000_000 + 14 * 86_400;

/// Whole units with 18 decimals.
pub(crate) fn wad(whole: u64) -> U256 {
    U256::from(whole) * U256::from(10).pow(U256::from(18))
}

/// Whole units of the vault's asset, raw.
pub(crate) fn dollars(whole: u64) -> U256 {
    U256::from(whole) * U256::from(1_000_000)
}

/// Calls on 100 coins from 3,000 up to 6,000, which the vault has written for 16,000 dollars.
pub(crate) fn written() -> Position {
    let size = -I256::from_raw(wad(100));
    let (strike, limit, premium) = (wad(3_000), wad(6_000), dollars(16_000));
    Position { is_call: true, strike, limit, size, premium, expiry: EXPIRY }
}
