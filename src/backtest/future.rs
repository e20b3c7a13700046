//! A policy in bad futures: how likely its floor is to break over generated or resampled prices, how deep, and what it earns and
//! costs, beside what else could have been done on the same paths.
//!
//! Every path is walked as [`past`](super::past) walks recorded prices. What generates them is held against its closed forms in
//! the same run ([`check`]), since a figure is worth what its paths are.

pub mod check;
mod closed;
pub mod fan;
pub mod figures;
pub mod market;
pub mod run;
pub mod statistics;
