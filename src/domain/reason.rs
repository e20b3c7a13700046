//! Why a decision is what it is: one typed reason with the numbers behind it.

mod faults;

use alloy::primitives::{Address, B256};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_with::{DisplayFromStr, serde_as};
use thiserror::Error;

use super::policy::ChainKind;
use super::units::{NumberError, Price, Real, Units, Usd};

pub use faults::{Disagreement, FeedName, Greek, HistoryFault, ImpliedFault, PriceFault, PriceReference};

/// One reason. The message is for people; the code (`within_band`, …) and the numbers are the record.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Error)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Reason {
    /// The policy is for another chain.
    #[error("the policy is for chain {policy}, the block is of chain {block}")]
    WrongChain {
        /// Chain id in the policy.
        #[serde_as(as = "DisplayFromStr")]
        policy: u64,
        /// Chain id of the block.
        #[serde_as(as = "DisplayFromStr")]
        block: u64,
    },
    /// The vault's owner approved another policy.
    #[error("the vault's owner approved policy {vault}, this one is {policy}")]
    PolicyMismatch {
        /// Hash of this policy.
        policy: B256,
        /// Hash the vault stores.
        vault: B256,
    },
    /// Policy and vault disagree about a fact both state (a feed, the kind of the floor).
    #[error("policy and vault disagree about {what}")]
    VaultMismatch {
        /// What they disagree about.
        what: Disagreement,
    },
    /// Open option legs: the chain cannot price the vault.
    #[error("the vault is closed until its options settle")]
    EpochOpen,
    /// No shares, or nothing of value.
    #[error("the vault holds nothing")]
    EmptyVault,
    /// The rollup's sequencer is down, says nothing, or came back too recently.
    #[error("the sequencer is down or within its grace period")]
    SequencerDown,
    /// A feed's round is older than its heartbeat allows.
    #[error("the {feed} price is {age} s old, at most {limit} s are allowed")]
    StalePrice {
        /// Which feed.
        feed: FeedName,
        /// Seconds since the round was updated.
        #[serde_as(as = "DisplayFromStr")]
        age: u64,
        /// The stricter of the policy's and the vault's bound.
        #[serde_as(as = "DisplayFromStr")]
        limit: u64,
    },
    /// A feed's answer is no price.
    #[error("the {feed} price is unusable: {why}")]
    InvalidPrice {
        /// Which feed.
        feed: FeedName,
        /// What is wrong with it.
        why: PriceFault,
    },
    /// The vault's asset is off its peg.
    #[error("the vault's asset stands at {} USD, further from 1 than {limit_bps} bps", micros(price.get()))]
    AssetDepegged {
        /// Price of the asset in dollars.
        price: Price,
        /// The bound in basis points.
        #[serde_as(as = "DisplayFromStr")]
        limit_bps: u32,
    },
    /// The vault does not allow the pool that the policy names.
    #[error("the vault does not allow pool {pool}")]
    VenueNotAllowed {
        /// The pool.
        pool: Address,
    },
    /// The pool cannot take the size within what is known of it.
    #[error("pool {pool} has no known liquidity for {size} units")]
    NoLiquidity {
        /// The pool.
        pool: Address,
        /// Units of the risky asset that were asked for.
        size: Units,
    },
    /// The pool's price is too far from the oracle's, or from its own average.
    #[error(
        "pool {pool} stands at {}, {reference} at {}: further apart than {limit_bps} bps",
        micros(spot.get()),
        micros(price.get())
    )]
    PriceDeviation {
        /// The pool.
        pool: Address,
        /// Its spot price.
        spot: Price,
        /// What it was compared with.
        reference: PriceReference,
        /// The price it was compared with.
        price: Price,
        /// The bound in basis points.
        #[serde_as(as = "DisplayFromStr")]
        limit_bps: u32,
    },
    /// The pool cannot say its time-weighted price, which the policy asks for.
    #[error("pool {pool} has no time-weighted price over the policy's window")]
    NoTwap {
        /// The pool.
        pool: Address,
    },
    /// The policy's chain takes a fee for data, and does not say which.
    #[error("chain of kind `{}` does not say what the data of a rebalance costs", chain.name())]
    DataFeeUnknown {
        /// Kind of the chain.
        chain: ChainKind,
    },
    /// Too little history for the volatility estimate, or one with a gap, and no fallback.
    #[error("volatility cannot be estimated: {}", history_fault(*rounds, *needed, fault.as_ref()))]
    NoVolatility {
        /// Usable rounds.
        #[serde_as(as = "DisplayFromStr")]
        rounds: u32,
        /// `K_min` of the policy.
        #[serde_as(as = "DisplayFromStr")]
        needed: u32,
        /// What else is wrong with them; absent where they are too few.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        fault: Option<HistoryFault>,
    },
    /// The option book that the policy hedges does not answer.
    #[error("option book {book} does not answer")]
    NoOptionBook {
        /// The book.
        book: Address,
    },
    /// The option book has more legs than a decision takes.
    #[error("the option book has {legs} legs, at most {most} are decided on")]
    TooManyLegs {
        /// Open legs.
        #[serde_as(as = "DisplayFromStr")]
        legs: u64,
        /// Most that are taken.
        #[serde_as(as = "DisplayFromStr")]
        most: u64,
    },
    /// An option leg has no implied volatility from where the policy takes it.
    #[error("leg {leg} of the option book has no implied volatility: {fault}")]
    NoImpliedVolatility {
        /// Its number in the book.
        #[serde_as(as = "DisplayFromStr")]
        leg: u64,
        /// Why.
        fault: ImpliedFault,
    },
    /// A number left the range in which it means something.
    #[error("the numbers of this vault cannot be computed with: {what}")]
    Numbers {
        /// What happened.
        what: String,
    },

    /// The drift is inside the band: waiting is cheaper.
    #[error("drift {} is inside the band ±{outer}", micros(drift.get()))]
    WithinBand {
        /// Units held less target units, `y`.
        drift: Units,
        /// Inner edge `y₀`, to which a trade would go.
        inner: Real,
        /// Outer edge `Y`, at which a trade pays.
        outer: Real,
    },
    /// A trade would cost more than it brings over the target's residual life.
    #[error("a trade brings {benefit} and costs {cost}")]
    NotWorth {
        /// USD over the residual life.
        benefit: Real,
        /// USD, gas and venue, times the policy's margin.
        cost: Real,
    },
    /// The drift is below the policy's threshold.
    #[error("drift of {drift} of net asset value is below the threshold")]
    BelowThreshold {
        /// Drift over net asset value.
        drift: Real,
    },
    /// The policy's interval has not passed.
    #[error("the next rebalance is due at {due}")]
    NotDue {
        /// Block time from which it is due.
        #[serde_as(as = "DisplayFromStr")]
        due: u64,
    },
    /// No trade is wanted, but a Greek of the option book is over the policy's bound, which no trade of the risky asset
    /// changes.
    #[error("the {greek} of the option book is {value} {}, over the policy's bound of {bound}", greek.unit())]
    GreekBound {
        /// Which; in the units of the policy's bound.
        greek: Greek,
        /// What it is.
        value: Real,
        /// What its magnitude may be.
        bound: Real,
    },
    /// A leg of the option book has expired; until it is settled nobody enters the vault or leaves it at its value.
    #[error(
        "option leg {leg} has expired: settle it by the feed's round that held at its expiry, which anyone may"
    )]
    OptionUnsettled {
        /// Its number in the book.
        #[serde_as(as = "DisplayFromStr")]
        leg: u64,
    },
    /// The vault already holds exactly its target.
    #[error("the vault holds its target")]
    OnTarget,

    /// A sale is wanted, the vault holds nothing to sell, and it cannot borrow.
    #[error("the hedge needs a short position of {} units, which the vault cannot borrow", micros(units.get()))]
    NeedsBorrowing {
        /// Units that it would be short of at its target.
        units: Units,
    },
    /// A purchase is wanted that costs more than the vault has, and it cannot borrow.
    #[error("the hedge needs {} units more than the vault can pay for, and it cannot borrow", micros(units.get()))]
    NeedsLeverage {
        /// Units by which its target is more than all it has would be at the oracle's price.
        units: Units,
    },
    /// A trade is wanted, the vault's cooldown has not passed.
    #[error("the vault's cooldown ends at {until}")]
    Cooldown {
        /// Block time.
        #[serde_as(as = "DisplayFromStr")]
        until: u64,
    },
    /// A buy is wanted, the vault is paused.
    #[error("the vault is paused for buys until {until}")]
    Paused {
        /// Block time.
        #[serde_as(as = "DisplayFromStr")]
        until: u64,
    },
    /// A trade is wanted, gas is over the policy's cap.
    #[error("gas at {price} wei is over the cap of {cap} wei")]
    GasOverCap {
        /// Next base fee plus reference tip, wei per gas.
        #[serde_as(as = "DisplayFromStr")]
        price: u64,
        /// The cap that applies (routine or urgent), wei per gas.
        #[serde_as(as = "DisplayFromStr")]
        cap: u64,
    },
    /// What is wanted is too small to send: a reason to hold. What limits leave of it is: a refusal.
    #[error("a trade of {} is below the smallest of {}", cents(*value), cents(*min))]
    TooSmall {
        /// Its value.
        value: Usd,
        /// The policy's smallest trade, or its gas where that is more and nothing has to be traded.
        min: Usd,
    },
    /// The trade would lose too much against the oracle.
    #[error("the pool pays {out} raw units, the oracle bound is {min}")]
    SlippageOverLimit {
        /// Exact quote, raw units of the token received.
        out: String,
        /// Least the limits allow, raw.
        min: String,
    },

    /// The drift is outside the band and trading pays.
    #[error(
        "waiting costs {excess} USD a year more than trading now; a trade brings {benefit} and costs {cost}"
    )]
    Worth {
        /// USD over the residual life.
        benefit: Real,
        /// USD, gas and venue, times the policy's margin.
        cost: Real,
        /// What waiting costs beyond the optimum, USD per year.
        excess: Real,
    },
    /// Exposure is beyond what a gap allows: the sale is mandatory.
    #[error("exposure {} is over the safe bound {}", cents(*exposure), cents(*bound))]
    FloorAtRisk {
        /// Exposure by the oracle.
        exposure: Usd,
        /// `m_max · C`.
        bound: Usd,
    },
    /// Net asset value stands at or below the floor, or the latch is set: everything is sold and stays so.
    #[error("cash-lock: net asset value {} against a floor of {}", cents(*nav), cents(*floor))]
    CashLock {
        /// Net asset value by the oracle.
        nav: Usd,
        /// The floor.
        floor: Usd,
    },
    /// The reserve for the exit has eaten the cushion.
    #[error("the reserve of {} leaves no cushion over the floor", cents(*reserve))]
    Reserve {
        /// What the last exit would cost.
        reserve: Usd,
    },
    /// The drift is over the policy's threshold.
    #[error("drift of {drift} of net asset value is over the threshold")]
    Threshold {
        /// Drift over net asset value.
        drift: Real,
    },
    /// The policy's interval has passed.
    #[error("due since {due}")]
    Interval {
        /// Block time.
        #[serde_as(as = "DisplayFromStr")]
        due: u64,
    },
}

fn history_fault(rounds: u32, needed: u32, fault: Option<&HistoryFault>) -> String {
    fault.map_or_else(|| format!("{rounds} usable rounds, at least {needed} needed"), ToString::to_string)
}

impl Reason {
    /// The stable name of the reason, as in the record (`within_band`, …).
    #[must_use]
    pub fn code(&self) -> String {
        let code = serde_json::to_value(self).ok().and_then(|v| v.get("code")?.as_str().map(str::to_owned));
        code.unwrap_or_default()
    }
}

/// Money for people, to the cent.
fn cents(value: Usd) -> Decimal {
    value.get().round_dp(2).normalize()
}

/// A price or quantity for people, to six places.
fn micros(value: Decimal) -> Decimal {
    value.round_dp(6).normalize()
}

impl From<NumberError> for Reason {
    fn from(error: NumberError) -> Self {
        Self::Numbers { what: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_reads_in_plain_numbers_and_is_recorded_in_full() {
        let reason = Reason::WithinBand {
            drift: Units::new(Decimal::from_str_exact("-127.837528220977114619").unwrap()),
            inner: Real::new(1.0).unwrap(),
            outer: Real::new(32.699_743_638_8).unwrap(),
        };
        assert_eq!(reason.to_string(), "drift -127.837528 is inside the band ±32.6997");
        let recorded = serde_json::to_value(&reason).unwrap();
        assert_eq!(recorded["drift"], "-127.837528220977114619");
        assert_eq!(recorded["outer"], "3.26997436388e1");
        let bound = Usd::new(Decimal::from_str_exact("1570636.80247693856917824512").unwrap());
        let reason = Reason::FloorAtRisk { exposure: Usd::new(Decimal::from(1_600_000)), bound };
        assert_eq!(reason.to_string(), "exposure 1600000 is over the safe bound 1570636.8");
    }
}
