//! A policy in the past: what it would have decided at recorded prices, what that would have cost, and what others would have had.
//!
//! The decision is that of the keeper, on facts that are made from prices and a [`setting::Setting`]: a feed that reports with its
//! heartbeat and deviation, pools that trades move and arbitrage brings back, a vault with the floor, cash-lock and guards of its
//! contract, gas, a delay until inclusion, outages, deposits and withdrawals.

pub mod account;
pub mod beside;
mod book;
pub mod contest;
pub mod metrics;
mod moment;
pub mod opening;
mod oracle;
mod pair;
mod pools;
pub mod prices;
mod protection;
pub mod rolls;
pub mod run;
pub mod setting;
pub mod strike;
mod struck;
pub mod unopened;
mod world;
