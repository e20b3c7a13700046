//! Price oracles.

pub mod chainlink;
