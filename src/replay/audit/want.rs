//! What a decision says about a block, in the numbers of an audit.

use super::episodes::{State, Want};
use crate::domain::decision::{Appraisal, Decision, Trade, Verdict};
use crate::domain::models::band::residual_gain;
use crate::domain::models::shortfall::GapRisk;
use crate::domain::models::tracking::penalty;
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
    let (drift, size) = (appraisal.drift.real().abs(), trade.size.real());
    let (price, volatility) = (appraisal.price.real(), appraisal.volatility.get());
    let penalty = penalty(policy.risk.aversion.real(), appraisal.nav.real(), volatility * price)?;
    let waiting = residual_gain(penalty, drift, drift - size, 1.0)?;
    let gap = GapRisk {
        jump_rate: policy.gap.jumps_per_year.real(),
        jump_mean: policy.gap.jump_mean.real(),
        volatility,
        interval: years(policy.gap.outage_seconds),
    };
    let (cushion, held) = (appraisal.cushion.net.real(), appraisal.held.real());
    let left = if trade.sell_risky { held - size } else { held + size };
    let shortfall = |units: f64| gap.shortfall_rate((units * price).max(0.0), cushion);
    Ok(Want {
        sell: trade.sell_risky,
        mandatory: trade.mandatory,
        units: size,
        price,
        waiting: waiting.max(0.0),
        shortfall: (shortfall(held)? - shortfall(left)?).max(0.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_policy;
    use crate::domain::decision::decide;
    use crate::domain::snapshot::Snapshot;

    fn golden(name: &str) -> Want {
        let folder =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden").join(name);
        let policy = load_policy(&folder.join("policy.json")).unwrap();
        let facts = std::fs::read_to_string(folder.join("snapshot.json")).unwrap();
        let facts: Snapshot = serde_json::from_str(&facts).unwrap();
        match state(&decide(&facts, &policy), policy.policy()).unwrap() {
            State::Wants(want) => want,
            other @ (State::Holds | State::Unknown) => unreachable!("{other:?}"),
        }
    }

    /// By Python's `math`, from the numbers of the decision and the formulas alone.
    #[test]
    fn what_waiting_costs_is_what_the_trade_would_take_away() {
        let Want { sell, units, waiting, shortfall, .. } = golden("cppi-sell");
        assert_eq!((sell, units), (true, 38.316_326_399_443_4));
        assert!((waiting - 10_269.708_855_463_401).abs() < 1e-7, "{waiting}");
        assert!((shortfall - 2_810.229_010_045_146).abs() < 1e-7, "{shortfall}");
        // Who buys takes exposure on: waiting does no harm to the floor.
        let Want { sell, waiting, shortfall, .. } = golden("constant-weight-buy");
        assert!(!sell && waiting > 0.0 && shortfall == 0.0, "{waiting} {shortfall}");
    }
}
