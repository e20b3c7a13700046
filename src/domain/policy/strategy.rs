//! What the vault should hold.

use alloy::primitives::Address;
use serde::{Deserialize, Serialize};

use super::hedge::{GreekBounds, HedgePolicy, ImpliedPolicy, hedge, is_zero_ratio, is_zero_units};
use super::ratio;
use super::rules::Rules;
use crate::domain::units::{Ratio, Units};

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
    /// A constant share of net asset value (constant mix; Perold and Sharpe 1988).
    ConstantWeight {
        /// Exposure as a share of net asset value, in (0, 1].
        weight: Ratio,
    },
    /// The share of net asset value whose volatility is constant (Moreira and Muir 2017).
    VolatilityTarget {
        /// Annualised volatility of the vault that is aimed at (0.20 is 20 %).
        annual: Ratio,
        /// Largest exposure as a share of net asset value, in (0, 1].
        cap: Ratio,
        /// Annualised volatility of the logarithm of the volatility estimate: how fast the target moves by itself.
        #[serde(default = "default_vol_of_vol")]
        vol_of_vol: Ratio,
    },
    /// What makes the delta of the vault's option book and of its holding together the target.
    DeltaHedge {
        /// The book that settles with the vault, an `IOptionBook`.
        book: Address,
        /// Delta of book and holding together that is aimed at, in units of the risky asset.
        #[serde(skip_serializing_if = "is_zero_units", default)]
        target_delta: Units,
        /// Riskless rate per year, continuously compounded.
        #[serde(skip_serializing_if = "is_zero_ratio", default)]
        rate: Ratio,
        /// What holding the risky asset earns per year, continuously compounded.
        #[serde(skip_serializing_if = "is_zero_ratio", default)]
        carry: Ratio,
        /// Where the volatility of a leg comes from.
        implied: ImpliedPolicy,
        /// What the book's Greeks may reach before people are told; absent is no bound.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        bounds: Option<GreekBounds>,
    },
    /// One strategy within bounds, each of which can only take risk away.
    Combined {
        /// What is wanted; not itself a combination.
        primary: Box<Self>,
        /// What bounds it.
        bounds: Vec<BoundPolicy>,
    },
}

impl StrategyPolicy {
    /// The terms of a delta hedge, where it is one or has one as its primary.
    #[must_use]
    pub fn hedge(&self) -> Option<HedgePolicy<'_>> {
        match self {
            Self::DeltaHedge { book, target_delta, rate, carry, implied, bounds } => Some(HedgePolicy {
                book: *book,
                target_delta: *target_delta,
                rate: *rate,
                carry: *carry,
                implied,
                bounds: bounds.as_ref(),
            }),
            Self::Combined { primary, .. } => primary.hedge(),
            Self::Cppi { .. } | Self::ConstantWeight { .. } | Self::VolatilityTarget { .. } => None,
        }
    }
}

/// A bound on exposure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum BoundPolicy {
    /// A multiple of the cushion: CPPI as a bound.
    Cushion {
        /// Exposure per unit of cushion (above 1).
        multiplier: Ratio,
    },
    /// The share of net asset value whose volatility is this.
    Volatility {
        /// Largest annualised volatility of the vault (0.20 is 20 %).
        annual: Ratio,
    },
    /// A share of net asset value.
    Weight {
        /// Largest exposure as a share of net asset value, in (0, 1].
        most: Ratio,
    },
}

/// An estimate with a half-life of days moves by about its own size in a year.
pub(crate) fn default_vol_of_vol() -> Ratio {
    ratio(1, 0)
}

/// Most bounds of one combination.
const MOST_BOUNDS: usize = 8;

pub(super) fn strategy(rules: &mut Rules, strategy: &StrategyPolicy) {
    plain(rules, "strategy", strategy);
    let StrategyPolicy::Combined { primary, bounds } = strategy else { return };
    let nested = matches!(**primary, StrategyPolicy::Combined { .. });
    rules.require(!nested, "strategy.primary", "expected a strategy that is not itself combined");
    if !nested {
        plain(rules, "strategy.primary", primary);
    }
    let count = (1..=MOST_BOUNDS).contains(&bounds.len());
    rules.require(count, "strategy.bounds", "expected 1 to 8 bounds");
    for (i, bound) in bounds.iter().enumerate() {
        let path = |key: &str| format!("strategy.bounds[{i}].{key}");
        match bound {
            BoundPolicy::Cushion { multiplier } => multiplied(rules, &path("multiplier"), *multiplier),
            BoundPolicy::Volatility { annual } => aimed_at(rules, &path("annual"), *annual),
            BoundPolicy::Weight { most } => share(rules, &path("most"), *most),
        }
    }
}

fn plain(rules: &mut Rules, path: &str, strategy: &StrategyPolicy) {
    match strategy {
        StrategyPolicy::Cppi { multiplier, cap } => {
            multiplied(rules, &format!("{path}.multiplier"), *multiplier);
            share(rules, &format!("{path}.cap"), *cap);
        }
        StrategyPolicy::ConstantWeight { weight } => share(rules, &format!("{path}.weight"), *weight),
        StrategyPolicy::VolatilityTarget { annual, cap, vol_of_vol } => {
            aimed_at(rules, &format!("{path}.annual"), *annual);
            share(rules, &format!("{path}.cap"), *cap);
            rules.annual_volatility(&format!("{path}.vol_of_vol"), *vol_of_vol);
        }
        StrategyPolicy::DeltaHedge { .. } => {
            if let Some(terms) = strategy.hedge() {
                hedge(rules, path, &terms);
            }
        }
        StrategyPolicy::Combined { .. } => {}
    }
}

fn multiplied(rules: &mut Rules, path: &str, multiplier: Ratio) {
    rules.require(multiplier > Ratio::ONE, path, "expected a number above 1");
}

fn aimed_at(rules: &mut Rules, path: &str, annual: Ratio) {
    rules.require(annual > Ratio::ZERO, path, "expected an annualised volatility above 0 (0.20 is 20 %)");
    rules.annual_volatility(path, annual);
}

fn share(rules: &mut Rules, path: &str, share: Ratio) {
    let fits = share > Ratio::ZERO && share <= Ratio::ONE;
    rules.require(fits, path, "expected a share above 0 and at most 1: the vault cannot borrow");
}
