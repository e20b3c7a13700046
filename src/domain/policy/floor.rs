//! The floor the policy agreed to.

use serde::{Deserialize, Serialize};

use super::rules::Rules;
use crate::domain::units::Ratio;

/// How the floor per share moves; kept on chain, repeated here so that a difference is a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum FloorPolicy {
    /// Stays where it was set.
    Fixed {
        /// Share of the first net asset value per share.
        share: Ratio,
    },
    /// Grows like a bond.
    Accruing {
        /// Share of the first net asset value per share.
        share: Ratio,
        /// Growth per year (0.03 is 3 %).
        rate: Ratio,
    },
    /// Follows the peak of net asset value per share (TIPP; Estep and Kritzman 1988).
    Ratchet {
        /// Share of the first net asset value per share.
        share: Ratio,
        /// Share of the peak below which the floor never stands.
        peak_share: Ratio,
    },
}

pub(super) fn floor(rules: &mut Rules, floor: &FloorPolicy) {
    match *floor {
        FloorPolicy::Fixed { share } => rules.inner_share("floor.share", share),
        FloorPolicy::Accruing { share, rate } => {
            rules.inner_share("floor.share", share);
            let fits = rate >= Ratio::ZERO && rate <= Ratio::ONE;
            rules.require(fits, "floor.rate", "expected a rate per year from 0 to 1 (0.03 is 3 %)");
        }
        FloorPolicy::Ratchet { share, peak_share } => {
            rules.inner_share("floor.share", share);
            rules.inner_share("floor.peak_share", peak_share);
        }
    }
}
