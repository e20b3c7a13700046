//! The published policy: everything besides the snapshot that a decision may read.
//!
//! A policy is written in TOML, hashed in its canonical form, and approved by the vault's owner through that hash.
//! Secrets, endpoints and paths have no place in it.

mod chain;
mod execution;
mod feeds;
mod floor;
mod hedge;
mod limits;
mod risk;
mod rules;
mod strategy;
mod trigger;
mod venues;
mod volatility;

use alloy::primitives::{Address, B256};
use serde::{Deserialize, Serialize};

use super::canonical::{self, CanonicalError};
use super::limits::Limits;
use super::models::smile::Smile;
use super::units::Ratio;
use rules::Rules;

pub use chain::ChainKind;
pub use execution::{ExecutionPolicy, ExecutionStyle, GasPolicy};
pub use feeds::{FeedPolicy, FeedsPolicy, SequencerPolicy};
pub use floor::FloorPolicy;
pub use hedge::{GreekBounds, HedgePolicy, ImpliedPolicy, MOST_LEGS, SmileExpiry, SmilePoint};
pub use risk::{GapPolicy, ReservePolicy, RiskPolicy};
pub use rules::Violation;
pub(crate) use strategy::default_vol_of_vol;
pub use strategy::{BoundPolicy, StrategyPolicy};
pub use trigger::{TradeTo, Trigger};
pub use venues::{MOST_VENUES, VenuePolicy};
pub use volatility::{Estimator, GarchPolicy, History, Source, VolatilityPolicy};

/// One policy for one vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// A name for people; part of the hash.
    pub name: String,
    /// The chain this policy is for (EIP-155).
    pub chain_id: u64,
    /// What the vault should hold.
    pub strategy: StrategyPolicy,
    /// The floor the vault keeps on chain; the policy states what its owner agreed to.
    pub floor: FloorPolicy,
    /// The owner's attitude to risk.
    #[serde(default)]
    pub risk: RiskPolicy,
    /// What happens between two chances to act.
    #[serde(default)]
    pub gap: GapPolicy,
    /// What the last exit may cost.
    pub reserve: ReservePolicy,
    /// Where volatility comes from.
    pub volatility: VolatilityPolicy,
    /// When to act.
    #[serde(default)]
    pub trigger: Trigger,
    /// What gas costs a decision.
    pub gas: GasPolicy,
    /// The feeds, as the chain knows them.
    pub feeds: FeedsPolicy,
    /// The pools to trade with.
    pub venues: Vec<VenuePolicy>,
    /// What no strategy may pass.
    pub limits: Limits,
    /// How a plan is carried out.
    #[serde(default)]
    pub execution: ExecutionPolicy,
}

impl Policy {
    /// The option book that it hedges, where it hedges one.
    #[must_use]
    pub fn option_book(&self) -> Option<Address> {
        self.strategy.hedge().map(|hedge| hedge.book)
    }

    /// The contract that it takes implied volatilities from, where it takes them from one.
    #[must_use]
    pub fn volatility_feed(&self) -> Option<Address> {
        match self.strategy.hedge()?.implied {
            ImpliedPolicy::Feed { address, .. } => Some(*address),
            ImpliedPolicy::Smile { .. } | ImpliedPolicy::Estimate => None,
        }
    }

    /// Every rule that the policy breaks beyond its types, in the order of its keys; empty for a valid policy. Rules
    /// that need a vault, a chain or a market belong to `keeper check`.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        let mut rules = Rules::default();
        let printable = !self.name.trim().is_empty() && !self.name.chars().any(char::is_control);
        rules.require(
            printable && self.name.len() <= 64,
            "name",
            "expected 1 to 64 characters, no control characters among them",
        );
        rules.positive("chain_id", self.chain_id);
        strategy::strategy(&mut rules, &self.strategy);
        floor::floor(&mut rules, &self.floor);
        risk::risk(&mut rules, &self.risk);
        risk::gap(&mut rules, &self.gap);
        risk::reserve(&mut rules, &self.reserve, self.gas.chain);
        volatility::volatility(&mut rules, &self.volatility);
        trigger::trigger(&mut rules, &self.trigger);
        execution::gas(&mut rules, &self.gas, &self.limits);
        feeds::feeds(&mut rules, &self.feeds);
        venues::venues(&mut rules, &self.venues);
        limits::limits(&mut rules, &self.limits);
        execution::execution(&mut rules, &self.execution);
        rules.broken
    }
}

/// A policy together with the hash its owner approved: what a decision takes.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedPolicy {
    policy: Policy,
    hash: B256,
    smile: Option<Smile>,
}

/// Its smile is made of finite numbers.
impl Eq for PublishedPolicy {}

impl PublishedPolicy {
    /// Hashes the canonical form and draws the smile once.
    ///
    /// # Errors
    /// [`CanonicalError`]; a policy read from TOML always has a canonical form.
    pub fn new(policy: Policy) -> Result<Self, CanonicalError> {
        let hash = canonical::hash(&policy)?;
        let smile = policy.strategy.hedge().and_then(|hedge| hedge.implied.smile()).and_then(Result::ok);
        Ok(Self { policy, hash, smile })
    }

    /// The policy.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Keccak-256 of its canonical form.
    #[must_use]
    pub const fn hash(&self) -> B256 {
        self.hash
    }

    /// The smile that it states for implied volatilities; absent also where that has arbitrage, which is a violation.
    #[must_use]
    pub const fn smile(&self) -> Option<&Smile> {
        self.smile.as_ref()
    }
}

/// `mantissa / 10^places`.
fn ratio(mantissa: i64, places: u32) -> Ratio {
    Ratio::new(rust_decimal::Decimal::new(mantissa, places))
}

#[cfg(test)]
mod tests;
