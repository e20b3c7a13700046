//! What a decision says about a block, in the numbers of an audit.

use super::episodes::{State, Want};
use crate::domain::decision::{Appraisal, Decision, Trade, Verdict};
use crate::domain::models::shortfall::GapRisk;
use crate::domain::models::{ModelError, years};
use crate::domain::policy::Policy;

/// Whether and how much the policy wants to trade.
///
/// # Errors
/// Numbers beyond the range of `f64`, which a decision to trade does not have.
pub(super) fn state(decision: &Decision, policy: &Policy) -> Result<State, ModelError> {
    let (Verdict::Rebalance { trade, .. }, Some(appraisal)) = (&decision.verdict, &decision.appraisal) else {
        return Ok(State::Holds);
    };
    Ok(State::Wants(want(trade, appraisal, policy)?))
}

fn want(trade: &Trade, appraisal: &Appraisal, policy: &Policy) -> Result<Want, ModelError> {
    let (economics, drift) = (&appraisal.economics, appraisal.drift.real());
    // `c·y²`, less what the best policy costs in any case (model of the no-trade band).
    let waiting = economics.penalty.get() * drift * drift - economics.cost_rate.get();
    let gap = GapRisk {
        jump_rate: policy.gap.jumps_per_year.real(),
        jump_mean: policy.gap.jump_mean.real(),
        volatility: appraisal.volatility.get(),
        interval: years(policy.gap.outage_seconds),
    };
    let (cushion, price) = (appraisal.cushion.net.real(), appraisal.price.real());
    let target = (appraisal.target.real() * price).max(0.0);
    let held = gap.shortfall_rate(appraisal.exposure.real().max(0.0), cushion)?;
    let shortfall = held - gap.shortfall_rate(target, cushion)?;
    Ok(Want {
        sell: trade.sell_risky,
        mandatory: trade.mandatory,
        units: trade.size.real(),
        price,
        waiting: waiting.max(0.0),
        shortfall: shortfall.max(0.0),
    })
}
