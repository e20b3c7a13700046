//! What the vault should hold.

use serde::{Deserialize, Serialize};

use super::rules::Rules;
use crate::domain::units::Ratio;

/// What the vault should hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum StrategyPolicy {
    /// Constant proportion portfolio insurance (Black and Jones 1987, Perold 1986).
    Cppi {
        /// Exposure per unit of cushion (above 1).
        multiplier: Ratio,
        /// Largest exposure as a share of net asset value, in (0, 1] (the vault cannot borrow).
        cap: Ratio,
    },
}

pub(super) fn strategy(rules: &mut Rules, strategy: &StrategyPolicy) {
    match strategy {
        StrategyPolicy::Cppi { multiplier, cap } => {
            rules.require(*multiplier > Ratio::ONE, "strategy.multiplier", "expected a number above 1");
            let cap_fits = *cap > Ratio::ZERO && *cap <= Ratio::ONE;
            rules.require(
                cap_fits,
                "strategy.cap",
                "expected a share above 0 and at most 1: the vault cannot borrow",
            );
        }
    }
}
