//! What the pure core decides, and why.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    clippy::cast_precision_loss,
    reason = "a test fails where it stands, and its figures are small"
)]

#[path = "support/facts.rs"]
mod facts;

#[path = "decisions/reasons.rs"]
mod reasons;

#[path = "decisions/cppi.rs"]
mod cppi;

#[path = "decisions/triggers.rs"]
mod triggers;

#[path = "decisions/pools.rs"]
mod pools;
#[path = "decisions/volatility.rs"]
mod volatility;

#[path = "decisions/glance.rs"]
mod glance;

#[path = "decisions/slices.rs"]
mod slices;

#[path = "decisions/record.rs"]
mod record;

#[path = "support/golden.rs"]
mod golden_files;

#[path = "decisions/golden.rs"]
mod golden;

#[path = "decisions/urgency.rs"]
mod urgency;

#[path = "decisions/strategies.rs"]
mod strategies;

#[path = "decisions/options.rs"]
mod options;

#[path = "support/arbitrary.rs"]
mod arbitrary;

#[path = "decisions/contract.rs"]
mod contract;

#[path = "decisions/properties.rs"]
mod properties;

#[path = "decisions/progress.rs"]
mod progress;

#[path = "decisions/rollups.rs"]
mod rollups;
