//! The largest multiplier with which no shock and no crash breaks the floor.

use rust_decimal::Decimal;
use serde::Serialize;

use super::Subject;
use super::crash::Crash;
use super::shock::Shock;
use super::trial::{crashed, shocked};
use crate::backtest::BacktestError;
use crate::backtest::past::opening::Standing;
use crate::domain::decision::decide;
use crate::domain::policy::{PublishedPolicy, StrategyPolicy};
use crate::domain::snapshot::Snapshot;
use crate::domain::units::{Ratio, to_raw};
use crate::domain::valuation::{RawPrice, last_price};

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// With this one the floor holds in all, and with a hundredth more it breaks in what is named.
    Largest {
        /// The multiplier.
        multiplier: Ratio,
        /// What breaks the floor first.
        breaks: String,
    },
    /// Even with this one it holds: the policy's own bound on what a gap allows, or its cap, holds less.
    Beyond(Ratio),
    /// Even with this one, the least, it breaks in what is named.
    None {
        /// The least multiplier.
        least: Ratio,
        /// What breaks the floor.
        breaks: String,
    },
}

/// Hundredths between which it is searched.
const REACH: (i64, i64) = (101, 2_000);
/// A target depends a little on what is held, since that has to be sold again.
const SETTLINGS: u32 = 8;

/// Searches it, everything else as it stands: with every multiplier the vault is taken to hold what the policy aims at with it,
/// at the price of now and for nothing, before anything happens. `None` where the strategy has no multiplier of its own.
///
/// # Errors
/// As [`shocked`]; [`BacktestError::Refused`] where the vault cannot be appraised.
pub fn largest(
    subject: &Subject<'_>,
    shocks: &[Shock],
    crashes: &[Crash],
) -> Result<Option<Found>, BacktestError> {
    let mut shocks: Vec<&Shock> = shocks.iter().collect();
    shocks.sort_by_key(|shock| shock.price);
    let search = Search { subject, shocks, crashes };
    let (mut holds, mut breaks) = REACH;
    let Some(published) = with(subject.published, holds)? else { return Ok(None) };
    if let Some(name) = search.broken(&published)? {
        return Ok(Some(Found::None { least: hundredths(holds), breaks: name }));
    }
    let Some(mut first) = search.broken_by(breaks)? else {
        return Ok(Some(Found::Beyond(hundredths(breaks))));
    };
    while breaks.saturating_sub(holds) > 1 {
        let middle = holds.midpoint(breaks);
        match search.broken_by(middle)? {
            Some(name) => (breaks, first) = (middle, name),
            None => holds = middle,
        }
    }
    Ok(Some(Found::Largest { multiplier: hundredths(holds), breaks: first }))
}

struct Search<'a> {
    subject: &'a Subject<'a>,
    /// The deepest falls first.
    shocks: Vec<&'a Shock>,
    crashes: &'a [Crash],
}

impl Search<'_> {
    fn broken_by(&self, multiplier: i64) -> Result<Option<String>, BacktestError> {
        match with(self.subject.published, multiplier)? {
            Some(published) => self.broken(&published),
            None => Ok(None),
        }
    }

    /// What breaks the floor of a vault that this policy keeps, if anything does.
    fn broken(&self, published: &PublishedPolicy) -> Result<Option<String>, BacktestError> {
        let snapshot = on_target(self.subject.standing.snapshot, published)?;
        let standing = Standing { snapshot: &snapshot, ..self.subject.standing };
        let subject = Subject { standing, published, ..*self.subject };
        for shock in &self.shocks {
            if !shocked(&subject, shock)?.holds() {
                return Ok(Some(shock.name.clone()));
            }
        }
        for crash in self.crashes {
            if !crashed(&subject, crash)?.holds() {
                return Ok(Some(crash.name.clone()));
            }
        }
        Ok(None)
    }
}

fn hundredths(multiplier: i64) -> Ratio {
    Ratio::new(Decimal::new(multiplier, 2).normalize())
}

/// The policy with another multiplier, in hundredths; `None` where it has none.
fn with(published: &PublishedPolicy, multiplier: i64) -> Result<Option<PublishedPolicy>, BacktestError> {
    let mut policy = published.policy().clone();
    let Some(own) = multiplier_of(&mut policy.strategy) else { return Ok(None) };
    *own = hundredths(multiplier);
    Ok(Some(PublishedPolicy::new(policy)?))
}

fn multiplier_of(strategy: &mut StrategyPolicy) -> Option<&mut Ratio> {
    match strategy {
        StrategyPolicy::Cppi { multiplier, .. } => Some(multiplier),
        StrategyPolicy::Combined { primary, .. } => multiplier_of(primary),
        StrategyPolicy::ConstantWeight { .. }
        | StrategyPolicy::VolatilityTarget { .. }
        | StrategyPolicy::DeltaHedge { .. } => None,
    }
}

/// The vault as it stands, but with what the policy aims at, exchanged at the feeds' price for nothing.
fn on_target(snapshot: &Snapshot, published: &PublishedPolicy) -> Result<Snapshot, BacktestError> {
    let mut snapshot = snapshot.clone();
    snapshot.vault.policy_hash = published.hash();
    let price = RawPrice::new(last_price(&snapshot.feeds)?, &snapshot.vault)?;
    for _ in 0..SETTLINGS {
        let decision = decide(&snapshot, published);
        let Some(appraisal) = decision.appraisal else {
            let reason = Box::new(decision.verdict.reason().clone());
            return Err(BacktestError::Refused { path: 0, step: 0, reason });
        };
        let vault = &mut snapshot.vault;
        let nav = vault.asset_holdings.saturating_add(price.to_asset(vault.risky_holdings)?);
        let units = appraisal.target.get().max(Decimal::ZERO);
        let risky = to_raw(units, vault.risky.decimals)?;
        let settled = risky == vault.risky_holdings;
        vault.risky_holdings = risky;
        vault.asset_holdings = nav.saturating_sub(price.to_asset(risky)?);
        if settled {
            break;
        }
    }
    Ok(snapshot)
}
