//! The pure core: from a snapshot and a policy to a decision and a plan.
//!
//! No I/O, clock, environment, logging or randomness. The modules stand in the order of the data; each names only
//! those before it.

pub mod canonical;
pub mod merkle;
pub mod units;

pub mod venues;

pub mod models;

pub mod limits;
pub mod policy;

pub mod snapshot;

pub mod reason;
pub mod valuation;

pub mod gas;

pub mod market;

pub mod guards;

pub mod cushion;
pub mod volatility;

pub mod options;

pub mod strategies;

pub mod cost;
pub mod triggers;

pub mod decision;
pub mod plan;
