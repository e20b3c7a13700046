//! One path: a decision at every step, its trade booked as quoted, and what was left at the end.

use alloy::primitives::U256;

use super::BacktestError;
use super::contestant::Contestant;
use super::ledger::{ASSET_DECIMALS, Exchange, Ledger, RISKY_DECIMALS};
use super::market::{Market, START};
use super::paths::{Moment, Path};
use super::risk::Sample;
use super::rivals::{Facts, Rule};
use super::scenario::{Scenario, Strategy, Volatility};
use crate::domain::decision::{Appraisal, Decision, Verdict, decide};
use crate::domain::market::Side;
use crate::domain::models::years;
use crate::domain::reason::Reason;
use crate::domain::units::{from_real, to_raw};

/// Rounds in which a vault finds its first target: what it holds is part of its cushion.
const OPENING_ROUNDS: u32 = 3;

/// A drift of less is none, USD.
const DUST: f64 = 1e-3;

/// What is kept back of cash that is all spent, and of a holding that is all sold, so that no rounding overdraws them.
const ROUNDING: f64 = 1e-9;

/// Raw units by which amount and fee of a purchase are rounded up.
const ROUNDED_UP: U256 = U256::from_limbs([2, 0, 0, 0]);

/// A contestant on its way along a path.
struct Course<'a> {
    scenario: &'a Scenario,
    contestant: &'a Contestant,
    number: u64,
    market: Market,
    ledger: Ledger,
    /// `Σ (y·ΔS)²`, USD².
    variation: f64,
}

/// Walks the path of this number.
///
/// The vault starts at its target, which costs it nothing: every contestant would pay the same for it. What it holds at
/// the end is valued at the price, and calls that it has written are settled.
///
/// # Errors
/// A decision is refused, or a number leaves its range.
pub fn walk(
    scenario: &Scenario,
    contestant: &Contestant,
    path: &Path,
    number: u64,
) -> Result<Sample, BacktestError> {
    let floor = scenario.floor(contestant.capital);
    let market = Market::open(scenario, &contestant.published, floor, &path.past)?;
    let ledger = Ledger::new(to_asset(contestant.capital)?, to_risky(0.0)?);
    let mut course = Course { scenario, contestant, number, market, ledger, variation: 0.0 };
    let next = path.moments.iter().skip(1);
    for (step, (moment, next)) in path.moments.iter().zip(next).enumerate() {
        course.arrive(step, moment)?;
        if step == 0 {
            course.open(moment.price)?;
        }
        let drift = course.act(step, moment)?;
        let moved = drift * (next.price - moment.price);
        course.variation += moved * moved;
    }
    course.finish(path)
}

impl Course<'_> {
    fn arrive(&mut self, step: usize, moment: &Moment) -> Result<(), BacktestError> {
        let step = u64::try_from(step).unwrap_or(u64::MAX);
        let time = START.saturating_add(step.saturating_mul(self.scenario.span.step_seconds));
        self.market.advance(time, moment.price, self.scenario.base_fee(moment.gas_price))
    }

    /// Takes the first target at the price.
    fn open(&mut self, price: f64) -> Result<(), BacktestError> {
        for _ in 0..OPENING_ROUNDS {
            self.market.hold(&self.ledger);
            let target = self.appraised(0)?.1.target.real();
            let cash = to_asset(self.contestant.capital - target * price)?;
            self.ledger = Ledger::new(cash, to_risky(target)?);
        }
        Ok(())
    }

    /// A verdict with its numbers; only a vault that could not be appraised has none.
    fn appraised(&self, step: usize) -> Result<(Verdict, Appraisal), BacktestError> {
        let Decision { verdict, appraisal } = decide(self.market.snapshot(), &self.contestant.published);
        match appraisal {
            Some(appraisal) => Ok((verdict, appraisal)),
            None => Err(self.refused(step, verdict.reason())),
        }
    }

    fn refused(&self, step: usize, reason: &Reason) -> BacktestError {
        BacktestError::Refused { path: self.number, step, reason: Box::new(reason.clone()) }
    }

    /// Decides and books; the drift from the target that is left, units.
    fn act(&mut self, step: usize, moment: &Moment) -> Result<f64, BacktestError> {
        self.market.hold(&self.ledger);
        let (verdict, appraisal) = self.appraised(step)?;
        let exchange = match self.contestant.rival {
            Some((rule, aversion)) => self.rival_trade(rule, aversion, &appraisal, step)?,
            None => self.own_trade(&verdict, &appraisal, step)?,
        };
        if let Some(exchange) = exchange {
            let gas = self.scenario.gas_usd(moment.gas_price, moment.price);
            self.ledger.book(&exchange, moment.price, gas)?;
            self.market.rebalanced();
        }
        Ok(self.ledger.units()? - appraisal.target.real())
    }

    /// What the verdict trades. A refusal ends the simulation, but for dust; so does a hedge that a limit cut, since its
    /// capital is not meant to count. A vault that is all invested may well lack the fee of its last purchase.
    fn own_trade(
        &self,
        verdict: &Verdict,
        appraisal: &Appraisal,
        step: usize,
    ) -> Result<Option<Exchange>, BacktestError> {
        let hedges = matches!(self.scenario.strategy, Strategy::DeltaHedge { .. });
        match verdict {
            Verdict::Rebalance { trade, .. } if hedges && trade.cut_by.is_some() => {
                Err(BacktestError::Overdrawn)
            }
            Verdict::Rebalance { trade, .. } => Ok(Some(Exchange::from(trade))),
            Verdict::Hold { .. } => Ok(None),
            Verdict::Refuse { reason: Reason::TooSmall { .. } }
                if appraisal.drift.abs().real() * appraisal.price.real() < DUST =>
            {
                Ok(None)
            }
            Verdict::Refuse { reason } => Err(self.refused(step, reason)),
        }
    }

    fn rival_trade(
        &self,
        rule: Rule,
        aversion: f64,
        appraisal: &Appraisal,
        step: usize,
    ) -> Result<Option<Exchange>, BacktestError> {
        let left = u64::try_from(self.scenario.span.steps.saturating_sub(step)).unwrap_or(u64::MAX);
        let price = appraisal.price.real();
        let facts = Facts {
            price,
            volatility: appraisal.volatility.get(),
            sensitivity: appraisal.economics.sensitivity.get(),
            proportional: appraisal.economics.proportional.real() / price,
            // Constant relative risk aversion, as the keeper's.
            aversion: aversion * self.contestant.capital / appraisal.nav.real(),
            years: years(left.saturating_mul(self.scenario.span.step_seconds)),
            target: appraisal.target.real(),
        };
        let wanted = rule.band(&facts, self.scenario)?.trade(appraisal.held.real());
        let held = appraisal.held.real();
        if wanted > 0.0 {
            self.bought(wanted)
        } else if wanted < 0.0 && held > 0.0 {
            self.market.quote(Side::Sell, (-wanted).min(held * (1.0 - ROUNDING)))
        } else {
            Ok(None)
        }
    }

    /// A purchase of `wanted` units, or of what the cash pays for: a target at the cap asks for all of it. A hedge's capital
    /// is not meant to count, so there nothing is cut and too little of it is told.
    fn bought(&self, wanted: f64) -> Result<Option<Exchange>, BacktestError> {
        let whole = self.market.quote(Side::Buy, wanted)?;
        let hedges = matches!(self.scenario.strategy, Strategy::DeltaHedge { .. });
        let over = whole.filter(|exchange| !hedges && exchange.amount_in > self.ledger.asset);
        let Some(Exchange { amount_in, .. }) = over else { return Ok(whole) };
        // Costs are convex: a part of the size costs no more than that part, but for the raw units that rounding takes.
        let part = f64::from(self.ledger.asset.saturating_sub(ROUNDED_UP)) / f64::from(amount_in);
        let paid = self.market.quote(Side::Buy, wanted * part * (1.0 - ROUNDING))?;
        Ok(paid.filter(|exchange| exchange.amount_in <= self.ledger.asset))
    }

    fn finish(self, path: &Path) -> Result<Sample, BacktestError> {
        let price = path.moments.last().map_or(self.scenario.span.start, |moment| moment.price);
        let written = match self.scenario.strategy {
            Strategy::DeltaHedge { calls } => {
                let payoff = calls * (price - self.scenario.span.start).max(0.0);
                self.scenario.premium(self.premium_volatility(path))? - payoff
            }
            Strategy::Cppi { .. } | Strategy::ConstantWeight { .. } => 0.0,
        };
        let Self { ledger, contestant, variation, .. } = self;
        Ok(Sample {
            cost: ledger.cost(),
            gas: ledger.gas,
            profit: ledger.value(price)? - contestant.capital - ledger.gas + written,
            variation,
            trades: f64::from(ledger.trades),
        })
    }

    /// Calls are written at the volatility that is known, or at that of the rounds before the start.
    fn premium_volatility(&self, path: &Path) -> f64 {
        match self.scenario.volatility {
            Volatility::Known(annual) => annual,
            Volatility::Estimated { .. } => {
                path.trailing_volatility(path.past.len(), self.scenario.span.step_seconds)
            }
        }
    }
}

fn to_asset(usd: f64) -> Result<U256, BacktestError> {
    Ok(to_raw(from_real(usd, u32::from(ASSET_DECIMALS))?, ASSET_DECIMALS)?)
}

fn to_risky(units: f64) -> Result<U256, BacktestError> {
    Ok(to_raw(from_real(units, u32::from(RISKY_DECIMALS))?, RISKY_DECIMALS)?)
}

#[cfg(test)]
mod tests;
