//! The faults of `docs/reliability.md` by their numbers, on a real node with real contracts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails where it stands"
)]

#[path = "support/geth.rs"]
mod geth;
#[path = "support/keeper_process.rs"]
mod keeper_process;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/rig.rs"]
mod rig;

#[path = "faults/cancels.rs"]
mod cancels;
#[path = "faults/dropped.rs"]
mod dropped;
#[path = "faults/fees.rs"]
mod fees;
#[path = "faults/journal.rs"]
mod journal;
#[path = "faults/lifecycle.rs"]
mod lifecycle;
#[path = "faults/nonces.rs"]
mod nonces;
#[path = "faults/outages.rs"]
mod outages;
#[path = "faults/prices.rs"]
mod prices;
#[path = "faults/publish.rs"]
mod publish;
#[path = "faults/refused.rs"]
mod refused;
#[path = "faults/relays.rs"]
mod relays;
#[path = "faults/reorgs.rs"]
mod reorgs;
#[path = "faults/views.rs"]
mod views;
