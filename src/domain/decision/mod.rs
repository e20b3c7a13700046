//! The decision: one pure function of a snapshot and a published policy.
//!
//! Reasons are evaluated in one order. First what makes a decision impossible (see [`super::valuation::value`], then a
//! rollup's data fee, the pool, the exit, the volatility, the option book); then whether a trade is wanted at all
//! (mandate, target, trigger); then, only where one is wanted, what may forbid it: no size left within the limits, not
//! worth its cost, pause, a pool moved away from its average, cooldown, gas, too small. A missing exit, volatility or
//! option book is taken at its best first: a sale that is mandatory even so is made.
//!
//! Where a hedge needs a short position, what is held is sold as far as that pays, since each unit brings the delta
//! nearer to its target; then, or where nothing is left that is worth selling, the answer is `needs_borrowing`. A Greek
//! over its bound is the reason to hold where nothing is traded, and is told beside any other reason.

mod appraisal;
mod sizing;
mod texts;

use alloy::primitives::{Address, U256};
use serde::{Deserialize, Serialize};
use serde_with::{DisplayFromStr, serde_as};

use super::cost::{Balance, Costing};
use super::cushion::Cushion;
use super::guards::VaultGuards;
use super::limits::SizeLimit;
use super::market::{Market, Side};
use super::options::{self, Book};
use super::policy::{Policy, PublishedPolicy};
use super::reason::Reason;
use super::snapshot::Snapshot;
use super::strategies::{self, Position, Target};
use super::triggers::{Ask, Clock, Motive, ask};
use super::units::{Real, Units, Usd};
use super::valuation::{Valuation, value};
use super::volatility::estimate;

pub use appraisal::Appraisal;
use sizing::{Sized, Sizing};
pub use texts::{Texts, decision_hash};

/// Version of the canonical form and of the rules behind it; part of every decision hash.
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
    match appraise(snapshot, published) {
        Err(reason) => Decision { verdict: Verdict::Refuse { reason }, appraisal: None },
        Ok(case) => {
            let verdict = case.verdict().unwrap_or_else(|reason| Verdict::Refuse { reason });
            Decision { verdict, appraisal: Some(case.appraisal) }
        }
    }
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

fn appraise<'a>(snapshot: &'a Snapshot, published: &'a PublishedPolicy) -> Result<Case<'a>, Reason> {
    let policy = published.policy();
    let books = value(snapshot, published)?;
    let market = Market::open(snapshot, policy, &books)?;
    let (cushion, unquoted) = Cushion::measure(&books, &market, policy)?;
    let (volatility, unestimated) = known_volatility(snapshot, policy)?;
    let (options, unvalued) = known_options(snapshot, published, &books, volatility);
    let (cash_lock, book) = (snapshot.vault.cash_lock, options.as_ref());
    let position = Position { books: &books, cushion: &cushion, cash_lock, volatility, options: book };
    let target = strategies::target(&position, policy)?;
    // What is missing was taken at its best: a sale that even so is mandatory is certain, anything else is not.
    if let Some(missing) = unquoted.or(unestimated).or(unvalued).filter(|_| target.mandate.is_none()) {
        return Err(missing);
    }
    let costing = Costing::of(&position, &target, &market, policy)?;
    let clock = Clock { now: snapshot.block.timestamp, last_rebalance: snapshot.vault.last_rebalance };
    let ask = ask(&position, &target, &costing.economics, &policy.trigger, clock)?;
    let appraisal = Appraisal {
        price: books.price,
        pool_price: market.mid(side(&books, &target)),
        left_out: market.left_out().to_vec(),
        nav: books.nav,
        exposure: books.exposure,
        floor: books.floor,
        cushion,
        volatility,
        multiplier: target.multiplier,
        held: books.held,
        target: target.units,
        drift: books.held.minus(target.units)?,
        gas_price: market.sending().price,
        economics: costing.economics,
        options,
    };
    Ok(Case { snapshot, policy, books, market, target, costing, ask, appraisal })
}

/// Which way the target lies.
fn side(books: &Valuation, target: &Target) -> Side {
    if books.held > target.units { Side::Sell } else { Side::Buy }
}

/// The estimate, or the policy's floor with the reason why there is none.
fn known_volatility(snapshot: &Snapshot, policy: &Policy) -> Result<(Real, Option<Reason>), Reason> {
    match estimate(snapshot, &policy.volatility) {
        Ok(volatility) => Ok((volatility, None)),
        Err(missing @ Reason::NoVolatility { .. }) => {
            Ok((Real::new(policy.volatility.floor.real())?, Some(missing)))
        }
        Err(reason) => Err(reason),
    }
}

/// The option book, or the reason why there is none.
fn known_options(
    snapshot: &Snapshot,
    published: &PublishedPolicy,
    books: &Valuation,
    volatility: Real,
) -> (Option<Book>, Option<Reason>) {
    match options::value(snapshot, published, books, volatility) {
        Ok(book) => (book, None),
        Err(missing) => (None, Some(missing)),
    }
}

impl Case<'_> {
    fn verdict(&self) -> Result<Verdict, Reason> {
        let (size, motive) = match &self.ask {
            Ask::Hold(reason) => return Ok(self.hold(reason.clone())),
            Ask::Trade { size, motive } => (*size, motive),
        };
        let Some(short) = self.appraisal.short() else { return self.traded(size, motive) };
        let held = size.at_most(self.books.held);
        let sale = if held == Units::ZERO { Err(short.clone()) } else { self.traded(held, motive) };
        // What is held is not worth selling: then what is missing is the rest, if that is worth anything.
        let nothing = matches!(
            sale,
            Ok(Verdict::Hold { .. }) | Err(Reason::TooSmall { .. } | Reason::NeedsBorrowing { .. })
        );
        if !nothing {
            return sale;
        }
        let venue = self.costing.economics.proportional.value_of(size)?;
        let Balance { benefit, cost, .. } = self.balance(size, venue)?;
        if matches!(motive, Motive::Economic) && benefit <= cost {
            return Ok(self.hold(Reason::NotWorth { benefit, cost }));
        }
        Err(short)
    }

    /// Holds for `reason`, or for a Greek over its bound unless more is at stake.
    fn hold(&self, reason: Reason) -> Verdict {
        let crossed = self.appraisal.options.iter().flat_map(|book| &book.crossed).next();
        let crossed = crossed.filter(|_| self.target.mandate.is_none()).cloned();
        Verdict::Hold { reason: crossed.unwrap_or(reason) }
    }

    /// What comes of a wish to trade up to `size` units. To hold dust is no refusal: what no pool pays for is not worth
    /// its gas, and what is worth less than its gas is not sold even where it has to be.
    fn traded(&self, size: Units, motive: &Motive) -> Result<Verdict, Reason> {
        let verdict = self.trade_of(size, motive);
        let Err(Reason::TooSmall { .. }) = verdict else { return verdict };
        match motive {
            Motive::Economic => {
                let Balance { benefit, cost, .. } = self.balance(size, Usd::ZERO)?;
                if benefit <= cost { Ok(self.hold(Reason::NotWorth { benefit, cost })) } else { verdict }
            }
            Motive::Mandatory(reason) => {
                let dust = self.books.price.value_of(size)? < self.costing.economics.fixed;
                if dust { Ok(self.hold(reason.clone())) } else { verdict }
            }
            Motive::Rule(_) => verdict,
        }
    }

    fn trade_of(&self, size: Units, motive: &Motive) -> Result<Verdict, Reason> {
        let (limits, vault, mandatory) = (&self.policy.limits, &self.snapshot.vault, motive.is_mandatory());
        let side = side(&self.books, &self.target);
        let slippage_bps = limits.max_slippage_bps.min(vault.guards.slippage_bps);
        let fit = self.market.fit_for(side, slippage_bps, (!mandatory).then_some(limits))?;
        let sizing = Sizing {
            guards: VaultGuards::new(vault, &self.books)?,
            policy: self.policy,
            books: &self.books,
            market: fit.as_ref().unwrap_or(&self.market),
            costing: &self.costing,
            side,
            mandatory,
        };
        let slice = sizing.slice(size)?;
        let best = if *motive == Motive::Economic { sizing.least_average_cost(slice)? } else { slice };
        let sized = sizing.size(best)?;
        let balance = self.balance(sized.fill.units, sizing.venue_cost(&sized.fill)?)?;
        let reason = match motive {
            Motive::Mandatory(reason) | Motive::Rule(reason) => reason.clone(),
            Motive::Economic => match self.unpaid(&sizing, best, &sized, balance)? {
                Some(Balance { benefit, cost, .. }) => {
                    return Ok(self.hold(Reason::NotWorth { benefit, cost }));
                }
                None => {
                    Reason::Worth { benefit: balance.benefit, cost: balance.cost, excess: balance.excess }
                }
            },
        };
        self.permitted(&sizing, size, &sized)?;
        Ok(Verdict::Rebalance { reason, trade: sizing.trade(&sized, balance)? })
    }

    /// The balance that does not pay, if there is one: of the trade, or of the `best` size before any limit cut it. A
    /// limit must not turn a vault that holds into one that buys.
    fn unpaid(
        &self,
        sizing: &Sizing<'_>,
        best: Units,
        sized: &Sized,
        balance: Balance,
    ) -> Result<Option<Balance>, Reason> {
        if !balance.pays() || sized.cut_by.is_none() {
            return Ok(Some(balance).filter(|b| !b.pays()));
        }
        match sizing.market.cost(sizing.side, best) {
            Ok(venue) => Ok(Some(self.balance(best, venue)?).filter(|b| !b.pays())),
            // What is not known of the pool is no reason against what is.
            Err(Reason::NoLiquidity { .. }) => Ok(None),
            Err(reason) => Err(reason),
        }
    }

    fn balance(&self, size: Units, venue: Usd) -> Result<Balance, Reason> {
        self.costing.balance(self.appraisal.drift, size, venue)
    }

    /// What may forbid a trade of which `wanted` units are wanted.
    fn permitted(&self, sizing: &Sizing<'_>, wanted: Units, sized: &Sized) -> Result<(), Reason> {
        let (vault, limits, now) = (&self.snapshot.vault, &self.policy.limits, self.snapshot.block.timestamp);
        let mandatory = sizing.mandatory;
        if sizing.side == Side::Buy && now < vault.paused_until {
            return Err(Reason::Paused { until: vault.paused_until });
        }
        if !mandatory {
            sizing.market.steady(limits)?;
        }
        let until = vault.last_rebalance.saturating_add(vault.guards.cooldown);
        if vault.last_rebalance > 0 && now < until && !sized.exempt {
            return Err(Reason::Cooldown { until });
        }
        sizing.due(vault.last_rebalance, now)?;
        let (price, cap) = (
            self.appraisal.gas_price,
            if mandatory { limits.max_urgent_gas_price_wei } else { limits.max_gas_price_wei },
        );
        if price > cap {
            return Err(Reason::GasOverCap { price, cap });
        }
        // A mandatory sale is too small only where its gas costs more than it is worth: dust must not burn gas for ever.
        let fixed = self.costing.economics.fixed;
        let min = if mandatory { limits.min_trade.at_most(fixed) } else { limits.min_trade };
        // A slice made smaller to save impact is a part of what is wanted; what a limit left over is not.
        let whole = self.books.price.value_of(wanted)?;
        let value = if sized.cut_by.is_none() { whole.max(sized.fill.value) } else { sized.fill.value };
        if value < min {
            return Err(Reason::TooSmall { value, min });
        }
        Ok(())
    }
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
