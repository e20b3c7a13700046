//! The decision: one pure function of a snapshot and a published policy.
//!
//! Reasons are evaluated in one order. First what makes a decision impossible (see [`super::valuation::value`], then a
//! rollup's data fee, the pool, the exit, the volatility, the option book); then whether a trade is wanted at all
//! (mandate, target, trigger) and can pay, whatever its size; then, only where one is wanted, what may forbid it: no size
//! left within the limits, not worth its cost, pause, a pool moved away from its average, cooldown, gas, too small. A
//! missing exit, volatility or option book is taken at its best first: a sale that is mandatory even so is made.
//!
//! Where a hedge needs a short position, or more than the vault can pay for, what is held is sold and what can be paid for
//! is bought as far as that pays, since each unit brings the delta nearer to its target; then, or where nothing is left
//! that is worth trading, the answer is `needs_borrowing` or `needs_leverage`. A Greek over its bound is the reason to
//! hold where nothing is traded, and is told beside any other reason.

mod appraisal;
mod found;
mod glance;
mod nearly;
mod recorded;
mod sizing;
mod texts;
mod verdict;

use alloy::primitives::{Address, U256};
use serde::{Deserialize, Serialize};
use serde_with::{DisplayFromStr, serde_as};

use super::cost::Costing;
use super::limits::SizeLimit;
use super::market::{Market, Side};
use super::policy::{Policy, PublishedPolicy};
use super::reason::Reason;
use super::snapshot::Snapshot;
use super::strategies::{Strategy, Target};
use super::triggers::Ask;
use super::units::{Real, Units, Usd};
use super::valuation::Valuation;
use super::volatility::Memory;

use found::{Found, Seen};

pub use appraisal::Appraisal;
pub use glance::{Glance, Quiet};
pub use recorded::{Recorded, Version};
pub use texts::{Texts, decision_hash};

/// Version of the canonical form and of the rules behind it; part of every decision hash. Whatever changes the hash of a
/// decision changes it: `tests/decisions/golden.rs` says so where it was forgotten.
pub const DECISION_VERSION: &str = "3";

/// What was decided, and the numbers it was decided on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// What to do, and why.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The numbers; absent where the vault could not be appraised.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub appraisal: Option<Appraisal>,
}

impl Decision {
    /// What people should hear of, whatever the verdict; see [`Appraisal::alerts`].
    pub fn alerts(&self) -> impl Iterator<Item = Reason> + '_ {
        self.appraisal.iter().flat_map(Appraisal::alerts)
    }
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing: no trade is wanted.
    Hold {
        /// Why.
        reason: Reason,
    },
    /// Nothing: no decision is possible, or a wanted trade is forbidden.
    Refuse {
        /// Why.
        reason: Reason,
    },
    /// Trade.
    Rebalance {
        /// Why.
        reason: Reason,
        /// What.
        trade: Trade,
    },
}

/// One trade, sized, in one swap or several.
///
/// Rules it keeps: its amounts are the sums of its swaps'; `fee + impact` is what it loses against the price of the pool
/// that is best for its first unit, `slippage` what it loses against the oracle.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trade {
    /// Whether the risky asset is sold (otherwise it is bought).
    pub sell_risky: bool,
    /// The swaps, one for each pool in use, in the policy's order.
    pub swaps: Vec<Swap>,
    /// Raw units of the token given.
    #[serde_as(as = "DisplayFromStr")]
    pub amount_in: U256,
    /// Exact quote at the block, raw units of the token received.
    #[serde_as(as = "DisplayFromStr")]
    pub quoted_out: U256,
    /// Risky units that change hands.
    pub size: Units,
    /// Units of the asset that change hands.
    pub value: Usd,
    /// What the pools keep as fees, units of the asset.
    pub fee: Usd,
    /// What the pools' prices give way, and what the further pools stand behind the best one, units of the asset.
    pub impact: Usd,
    /// Loss against the oracle, fee and impact in it, units of the asset; negative where the pools pay more.
    pub slippage: Usd,
    /// What the trade brings over the target's residual life, USD.
    pub benefit: Real,
    /// What it costs, USD, times the policy's margin.
    pub cost: Real,
    /// The limit that made it smaller than wanted, if one did.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cut_by: Option<SizeLimit>,
    /// Whether it is made whatever it costs (floor at risk, cash-lock, reserve).
    pub mandatory: bool,
}

/// One swap of a trade.
#[serde_as]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swap {
    /// The pool.
    pub pool: Address,
    /// The vault's adapter for it.
    pub venue: Address,
    /// Raw units of the token given.
    #[serde_as(as = "DisplayFromStr")]
    pub amount_in: U256,
    /// Exact quote at the block, raw units of the token received.
    #[serde_as(as = "DisplayFromStr")]
    pub quoted_out: U256,
    /// Least amount accepted, raw.
    #[serde_as(as = "DisplayFromStr")]
    pub min_amount_out: U256,
}

/// Decides. Total: any snapshot and policy give a decision.
#[must_use]
pub fn decide(snapshot: &Snapshot, published: &PublishedPolicy) -> Decision {
    Decider::new(published).decide(snapshot)
}

/// Decides again and again under one policy: what a decision works out of the feed's past the next one, which sees nearly the same,
/// does not work out again. No decision depends on those before it: each is that of [`decide`].
#[derive(Debug)]
pub struct Decider<'a> {
    published: &'a PublishedPolicy,
    /// In the place of the policy's own.
    strategy: Option<&'a dyn Strategy>,
    memory: Memory,
}

impl<'a> Decider<'a> {
    /// By the policy alone.
    #[must_use]
    pub fn new(published: &'a PublishedPolicy) -> Self {
        Self { published, strategy: None, memory: Memory::default() }
    }

    /// By another strategy in the place of that of the policy, everything else of which holds as it is: floor, gap, trigger, costs,
    /// limits. For trying out what no policy can name yet; a keeper decides by [`decide`] alone, since nobody could recompute
    /// anything else.
    #[must_use]
    pub fn by(published: &'a PublishedPolicy, strategy: &'a dyn Strategy) -> Self {
        Self { strategy: Some(strategy), ..Self::new(published) }
    }

    /// Decides on a snapshot.
    pub fn decide(&mut self, snapshot: &Snapshot) -> Decision {
        match self.see(snapshot) {
            Err(reason) => refused(reason),
            Ok(seen) => self.decided(seen),
        }
    }

    /// The same decision, where that surely holds only what it comes to: then its band is not solved for, and neither are cushion and
    /// target where they are near enough without.
    pub fn glance(&mut self, snapshot: &Snapshot) -> Glance {
        let seen = match self.see(snapshot) {
            Err(reason) => return Glance::Decided(Box::new(refused(reason))),
            Ok(seen) => seen,
        };
        if let Some(quiet) = self.quiet(&seen) {
            return Glance::Quiet(quiet);
        }
        match seen.find(self.strategy()) {
            Err(reason) => Glance::Decided(Box::new(refused(reason))),
            Ok(found) => {
                found.quiet().map_or_else(|| Glance::Decided(Box::new(found.decided())), Glance::Quiet)
            }
        }
    }

    /// The decision, and what it comes to at a glance where that needs no exact target.
    pub fn decide_at_a_glance(&mut self, snapshot: &Snapshot) -> (Decision, Option<Quiet>) {
        match self.see(snapshot) {
            Err(reason) => (refused(reason), None),
            Ok(seen) => {
                let quiet = self.quiet(&seen);
                (self.decided(seen), quiet)
            }
        }
    }

    fn see<'s>(&mut self, snapshot: &'s Snapshot) -> Result<Seen<'s>, Reason>
    where
        'a: 's,
    {
        Seen::of(snapshot, self.published, &mut self.memory)
    }

    /// What is sure without an exact target, by the policy's own strategy.
    fn quiet(&self, seen: &Seen<'_>) -> Option<Quiet> {
        if self.strategy.is_some() { None } else { seen.quiet() }
    }

    fn decided(&self, seen: Seen<'_>) -> Decision {
        seen.find(self.strategy()).map_or_else(refused, Found::decided)
    }

    fn strategy(&self) -> &'a dyn Strategy {
        self.strategy.unwrap_or(&self.published.policy().strategy)
    }
}

/// No decision is possible.
const fn refused(reason: Reason) -> Decision {
    Decision { verdict: Verdict::Refuse { reason }, appraisal: None }
}

/// Everything known once the vault is appraised.
struct Case<'a> {
    snapshot: &'a Snapshot,
    policy: &'a Policy,
    books: Valuation,
    market: Market<'a>,
    target: Target,
    costing: Costing,
    ask: Ask,
    appraisal: Appraisal,
}

/// Which way the target lies.
fn side(books: &Valuation, target: &Target) -> Side {
    if books.held > target.units { Side::Sell } else { Side::Buy }
}

impl Verdict {
    /// `hold`, `refuse` or `rebalance`, as in the record.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Hold { .. } => "hold",
            Self::Refuse { .. } => "refuse",
            Self::Rebalance { .. } => "rebalance",
        }
    }

    /// The reason, whatever the verdict.
    #[must_use]
    pub const fn reason(&self) -> &Reason {
        match self {
            Self::Hold { reason } | Self::Refuse { reason } | Self::Rebalance { reason, .. } => reason,
        }
    }
}
