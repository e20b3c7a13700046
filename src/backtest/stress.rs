//! What would become of a vault as it stands: shocks and crashes through the same `decide` as a live vault.
//!
//! A [`shock::Shock`] or a [`crash::Crash`] befalls a [`Subject`], and a [`trial::Trial`] is what came of it: walked by the
//! keeper's own decision until nothing is wanted any more. [`multiplier`] searches for the largest one that all of them leave
//! the floor whole with.

mod account;
pub mod crash;
pub mod guard;
pub mod multiplier;
pub mod shock;
pub mod trial;

pub use account::Stand;
pub use multiplier::Found;

use rust_decimal::Decimal;

use super::BacktestError;
use super::past::opening::Standing;
use super::past::setting::{Feed, Gas, Keeper, Outage, Pools, Setting};
use crate::domain::policy::PublishedPolicy;

/// A vault as it stands, and who keeps it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The vault.
    pub standing: Standing<'a>,
    /// The policy that its owner approved.
    pub published: &'a PublishedPolicy,
    /// When anyone may sell what is over the vault's bound.
    pub deleverage: Deleverage,
}

/// When `deleverage` is open to anyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deleverage {
    /// Seconds for which the bound has to be broken.
    pub grace_seconds: u64,
    /// Since when it has been, seconds since 1970; absent where it is not.
    pub since: Option<u64>,
}

/// Seconds from a decision to the block that holds its transaction, and after which arbitrage has brought a pool back.
const BLOCK_SECONDS: u64 = 12;

impl Subject<'_> {
    /// The world in which it is walked: the policy's own words on its feed, the gas of now or what the shock makes of it, the
    /// next block for everything.
    fn setting(&self, base_fee_wei: u64, outages: Vec<Outage>) -> Setting {
        let policy = self.published.policy();
        Setting {
            pools: Pools { arbitrage_seconds: BLOCK_SECONDS, ..Pools::default() },
            feed: Feed {
                heartbeat_seconds: policy.feeds.risky_usd.heartbeat_seconds.max(1),
                deviation_bps: policy.reserve.feed_deviation_bps,
            },
            keeper: Keeper { inclusion_seconds: BLOCK_SECONDS },
            gas: Gas { base_fee_wei, ..Gas::default() },
            outages,
            flows: Vec::new(),
            options: None,
        }
    }

    /// Price of one risky unit in units of the asset.
    ///
    /// # Errors
    /// [`BacktestError::Number`] where a feed never answered.
    pub fn price(&self) -> Result<Decimal, BacktestError> {
        self.standing.price()
    }
}
