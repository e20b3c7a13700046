//! What is simulated: a strategy, a market, and what trading costs there.

use alloy::primitives::{Address, address};
use rust_decimal::Decimal;

use super::BacktestError;
use super::paths::{Process, Span};
use crate::domain::models::greeks::{Contract, OptionKind, Underlying};
use crate::domain::models::years;
use crate::domain::policy::{
    Estimator, ExecutionPolicy, FeedPolicy, FloorPolicy, GapPolicy, ImpliedPolicy, Policy, PublishedPolicy,
    RiskPolicy, StrategyPolicy, Trigger, VenuePolicy,
};
use crate::domain::units::{Price, Ratio, Usd, from_real};

/// The policy that every contestant's is made of.
const TEMPLATE: &str = include_str!("../../examples/policies/cppi.toml");

/// The simulated option book.
pub const BOOK: Address = address!("0000000000000000000000000000000000000B00");
/// The simulated pool.
pub const POOL: Address = address!("0000000000000000000000000000000000000A11");
/// The feed of the native coin where gas is stated in USD.
const NATIVE_FEED: Address = address!("000000000000000000000000000000000000FeeD");

/// Gas of a trade where it is stated in USD: 100,000 units at a coin of 1,000 USD make it 10^10 wei to the dollar.
const STATED_UNITS: u64 = 100_000;
/// Price of that coin.
pub const STATED_COIN: u64 = 1_000;
/// Wei per gas of a dollar.
const WEI_PER_USD: f64 = 1e10;
/// Decimal places of what is turned from a model value into a policy's.
const PLACES: u32 = 12;

/// What is simulated.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What the vault should hold.
    pub strategy: Strategy,
    /// How prices move.
    pub process: Process,
    /// From when to when.
    pub span: Span,
    /// Fee of the pool, hundredths of a basis point. The pool is so deep that trades do not move it.
    pub fee_pips: u32,
    /// What gas costs.
    pub gas: Gas,
    /// What is known of volatility.
    pub volatility: Volatility,
}

/// What the vault should hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Strategy {
    /// The hedge of calls that the vault has written at the money and that expire with the path.
    DeltaHedge {
        /// Units that they are on.
        calls: f64,
    },
    /// Constant proportion portfolio insurance with a fixed floor.
    Cppi {
        /// First net asset value, USD.
        capital: f64,
        /// Exposure per unit of cushion.
        multiplier: f64,
        /// Floor over the first net asset value.
        floor: f64,
    },
    /// A constant share of net asset value.
    ConstantWeight {
        /// First net asset value, USD.
        capital: f64,
        /// The share.
        weight: f64,
    },
}

/// What a trade costs in gas.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Gas {
    /// Always this, USD.
    Stated(f64),
    /// The history's gas price, paid in the risky asset.
    Recorded {
        /// Gas of a trade.
        units: u64,
    },
}

/// What a decision knows of volatility.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Volatility {
    /// This.
    Known(f64),
    /// What an exponentially weighted estimate makes of the feed's rounds, one at each step.
    Estimated {
        /// Half-life in hours.
        half_life_hours: u32,
        /// Rounds that it reads.
        rounds: u32,
    },
}

impl Scenario {
    /// Steps before the start that the estimate needs.
    #[must_use]
    pub fn past(volatility: Volatility) -> usize {
        match volatility {
            Volatility::Known(_) => 0,
            Volatility::Estimated { rounds, .. } => usize::try_from(rounds).unwrap_or(usize::MAX),
        }
    }

    /// Years from the start to the end.
    #[must_use]
    pub fn years(&self) -> f64 {
        let steps = u64::try_from(self.span.steps).unwrap_or(u64::MAX);
        years(steps.saturating_mul(self.span.step_seconds))
    }

    /// One of the calls at the start at this volatility.
    #[must_use]
    pub const fn call(&self, price: f64, years: f64, volatility: f64) -> Contract {
        let underlying = Underlying::Spot { price, carry: 0.0 };
        Contract { kind: OptionKind::Call, underlying, strike: self.span.start, years, volatility, rate: 0.0 }
    }

    /// Value of everything written at the start, USD; 0 where nothing is.
    ///
    /// # Errors
    /// A volatility outside the domain of the formula.
    pub fn premium(&self, volatility: f64) -> Result<f64, BacktestError> {
        match self.strategy {
            Strategy::DeltaHedge { calls } => {
                Ok(calls * self.call(self.span.start, self.years(), volatility).greeks()?.price)
            }
            Strategy::Cppi { .. } | Strategy::ConstantWeight { .. } => Ok(0.0),
        }
    }

    /// Floor of the first net asset value `capital`, USD.
    #[must_use]
    pub fn floor(&self, capital: f64) -> f64 {
        match self.strategy {
            Strategy::Cppi { floor, .. } => floor * capital,
            Strategy::DeltaHedge { .. } | Strategy::ConstantWeight { .. } => 0.0,
        }
    }

    /// USD of a trade's gas at these prices.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "gas and its price are far below 2^53")]
    pub fn gas_usd(&self, gas_price: u64, price: f64) -> f64 {
        match self.gas {
            Gas::Stated(usd) => usd,
            Gas::Recorded { units } => units as f64 * gas_price as f64 * 1e-18 * price,
        }
    }

    /// Wei per gas that a block reports at the history's `gas_price`.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, and what is no price is refused by the decision"
    )]
    pub const fn base_fee(&self, gas_price: u64) -> u64 {
        match self.gas {
            Gas::Stated(usd) => (usd * WEI_PER_USD) as u64,
            Gas::Recorded { .. } => gas_price,
        }
    }

    /// The policy of a vault that trades by `trigger` with this relative risk aversion. Its limits are wide and it
    /// prices no gap: what is compared is when and how far to trade.
    ///
    /// # Errors
    /// [`BacktestError::Policy`] where nobody could publish it.
    pub fn policy(&self, trigger: Trigger, aversion: f64) -> Result<PublishedPolicy, BacktestError> {
        let parsed: Result<Policy, _> = toml::from_str(TEMPLATE);
        let mut policy = parsed.map_err(|error| BacktestError::Policy(error.to_string()))?;
        policy.name = "simulated".into();
        policy.strategy = self.strategy_policy()?;
        policy.floor = FloorPolicy::Fixed { share: ratio(self.floor_share())? };
        policy.risk = RiskPolicy { aversion: ratio(aversion)?, ..policy.risk };
        let zero = Ratio::ZERO;
        policy.gap =
            GapPolicy { quantile: zero, jump: zero, jumps_per_year: zero, floor_weight: zero, ..policy.gap };
        policy.reserve.exit_gas_price_wei = 1;
        policy.reserve.feed_deviation_bps = 0;
        policy.volatility.estimator = self.estimator()?;
        policy.trigger = trigger;
        policy.venues = vec![VenuePolicy::UniswapV3 { pool: POOL, tick_words: 1 }];
        policy.execution = ExecutionPolicy { monitoring_seconds: self.span.step_seconds, ..policy.execution };
        self.widen(&mut policy)?;
        // A hedge's absolute risk aversion is free, see `Kind::enter`.
        let free = matches!(self.strategy, Strategy::DeltaHedge { .. }).then_some("risk.aversion");
        let broken = policy.violations().into_iter().filter(|broken| Some(broken.path.as_str()) != free);
        let broken: Vec<String> =
            broken.map(|broken| format!("{}: {}", broken.path, broken.message)).collect();
        if !broken.is_empty() {
            return Err(BacktestError::Policy(broken.join("; ")));
        }
        Ok(PublishedPolicy::new(policy)?)
    }

    fn strategy_policy(&self) -> Result<StrategyPolicy, BacktestError> {
        Ok(match self.strategy {
            Strategy::DeltaHedge { .. } => StrategyPolicy::DeltaHedge {
                book: BOOK,
                target_delta: crate::domain::units::Units::ZERO,
                rate: Ratio::ZERO,
                carry: Ratio::ZERO,
                implied: ImpliedPolicy::Estimate,
                bounds: None,
            },
            Strategy::Cppi { multiplier, .. } => {
                StrategyPolicy::Cppi { multiplier: ratio(multiplier)?, cap: Ratio::ONE }
            }
            Strategy::ConstantWeight { weight, .. } => {
                StrategyPolicy::ConstantWeight { weight: ratio(weight)? }
            }
        })
    }

    /// A share that a policy accepts; where there is no floor, the vault's own is 0 all the same.
    const fn floor_share(&self) -> f64 {
        match self.strategy {
            Strategy::Cppi { floor, .. } => floor,
            Strategy::DeltaHedge { .. } | Strategy::ConstantWeight { .. } => 0.01,
        }
    }

    fn estimator(&self) -> Result<Estimator, BacktestError> {
        Ok(match self.volatility {
            Volatility::Known(annual) => Estimator::Fixed { annual: ratio(annual)? },
            Volatility::Estimated { half_life_hours, rounds } => Estimator::Ewma {
                half_life_hours,
                rounds,
                min_rounds: rounds.min(24),
                max_gap_seconds: None,
                fallback: None,
            },
        })
    }

    /// Limits that limit nothing, and gas as the scenario has it.
    fn widen(&self, policy: &mut Policy) -> Result<(), BacktestError> {
        let limits = &mut policy.limits;
        limits.max_trade = Usd::new(Decimal::from(1_000_000_000_000_u64));
        limits.min_trade = Usd::ZERO;
        limits.max_slippage_bps = 10_000;
        limits.max_gas_price_wei = u64::MAX;
        limits.max_urgent_gas_price_wei = u64::MAX;
        limits.twap = None;
        policy.feeds.risky_usd.min = price(Decimal::new(1, 6));
        policy.feeds.risky_usd.max = price(Decimal::from(1_000_000_000));
        policy.gas.reference_tip_wei = 0;
        policy.gas.rebalance_units = match self.gas {
            Gas::Stated(_) => {
                policy.feeds.native_usd =
                    Some(FeedPolicy { address: NATIVE_FEED, ..policy.feeds.risky_usd.clone() });
                STATED_UNITS
            }
            Gas::Recorded { units } => units,
        };
        if let Gas::Stated(usd) = self.gas
            && !(0.0..1e8).contains(&usd)
        {
            return Err(BacktestError::Policy("expected gas from 0 to 100,000,000 USD".into()));
        }
        Ok(())
    }
}

const fn price(value: Decimal) -> Price {
    Price::new(value)
}

/// A model value as a policy states it.
///
/// # Errors
/// [`BacktestError::Number`] out of range.
pub(super) fn ratio(value: f64) -> Result<Ratio, BacktestError> {
    Ok(Ratio::new(from_real(value, PLACES)?))
}
