//! The pure core: from a snapshot and a policy to a decision and a plan.
//!
//! No I/O, clock, environment, logging or randomness. The modules stand in the order of the data; each names only
//! those before it.

pub mod canonical;
pub mod units;

pub mod limits;
pub mod policy;
pub mod policy_rules;

pub mod venues;

pub mod models;
