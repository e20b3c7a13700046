//! Changing one fact or one policy value and deciding again.

use std::str::FromStr;

use alloy::primitives::{I256, U256};
use eyre::{Result, WrapErr, bail, eyre};
use rust_decimal::Decimal;
use serde_json::Value;

use crate::domain::policy::{Estimator, Policy, PublishedPolicy};
use crate::domain::snapshot::{Pool, Snapshot, Twap};
use crate::domain::units::{Ratio, to_raw};
use crate::stage::price::Pair;

/// One gwei in wei.
const GWEI: u32 = 1_000_000_000;

/// A change as written: `KEY=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    key: String,
    value: String,
}

impl FromStr for Change {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = "expected KEY=VALUE, such as price=1800, gas=50, volatility=0.9 or risk.aversion=8";
        let (key, value) = text.split_once('=').ok_or(wrong)?;
        let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
        if key.is_empty() || value.is_empty() { Err(wrong.into()) } else { Ok(Self { key, value }) }
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} = {}", self.key, self.value)
    }
}

/// Snapshot and policy with every change made, as if the vault's owner had approved the policy.
///
/// # Errors
/// A key that is none, a value that does not fit, or a policy that breaks a rule.
pub(super) fn changed(
    snapshot: &Snapshot,
    published: &PublishedPolicy,
    changes: &[Change],
) -> Result<(Snapshot, PublishedPolicy)> {
    let (mut snapshot, mut policy) = (snapshot.clone(), published.policy().clone());
    for change in changes {
        apply(&mut snapshot, &mut policy, change).wrap_err_with(|| format!("--what-if {change}"))?;
    }
    if let Some(violation) = policy.violations().first() {
        bail!("--what-if: {}: {}", violation.path, violation.message);
    }
    let published = PublishedPolicy::new(policy)?;
    snapshot.vault.policy_hash = published.hash();
    Ok((snapshot, published))
}

fn apply(snapshot: &mut Snapshot, policy: &mut Policy, change: &Change) -> Result<()> {
    match change.key.as_str() {
        "price" => price(snapshot, decimal(change)?),
        "gas" => gas(snapshot, decimal(change)?),
        "volatility" => {
            policy.volatility.source = Default::default();
            policy.volatility.estimator = Estimator::Fixed { annual: Ratio::new(decimal(change)?) };
            Ok(())
        }
        _ => leaf(policy, change),
    }
}

fn decimal(change: &Change) -> Result<Decimal> {
    Decimal::from_str_exact(&change.value).map_err(|_| eyre!("expected a decimal number"))
}

/// The risky asset at `price` dollars: the feed says so, its past in proportion, and the pools stand and have stood there.
fn price(snapshot: &mut Snapshot, price: Decimal) -> Result<()> {
    let feed = &mut snapshot.feeds.risky_usd;
    let raw = to_raw(price, feed.decimals).map_err(|_| eyre!("expected a price"))?;
    let latest = feed.latest.as_mut().ok_or_else(|| eyre!("the snapshot has no price to change"))?;
    let (from, to) = (latest.answer, I256::try_from(raw).map_err(|_| eyre!("expected a price"))?);
    latest.answer = to;
    for round in &mut feed.history {
        let scaled = round.answer.checked_mul(to).and_then(|product| product.checked_div(from));
        round.answer = scaled.ok_or_else(|| eyre!("the feed's answer cannot be scaled"))?;
    }
    let (risky, asset) = (&snapshot.vault.risky, &snapshot.vault.asset);
    let pair = Pair {
        stable_is_token0: asset.address < risky.address,
        stable_decimals: asset.decimals,
        risky_decimals: risky.decimals,
    };
    let root = pair.sqrt_price_x96(price).ok_or_else(|| eyre!("expected a price"))?;
    for pool in &mut snapshot.pools {
        let known = || eyre!("the snapshot does not know the pool at such a price");
        match pool {
            Pool::UniswapV3 { state, twap, .. } => {
                *state = state.moved_to(U256::from(root)).ok_or_else(known)?;
                *twap = twap.map(|twap| Twap { mean_tick: state.tick, ..twap });
            }
            Pool::UniswapV2 { state } => *state = state.moved_to(U256::from(root)).ok_or_else(known)?,
        }
    }
    Ok(())
}

/// The next base fee, in gwei.
fn gas(snapshot: &mut Snapshot, gwei: Decimal) -> Result<()> {
    use rust_decimal::prelude::ToPrimitive;
    let wei = gwei.checked_mul(GWEI.into()).and_then(|wei| wei.to_u64());
    snapshot.block.next_base_fee = wei.ok_or_else(|| eyre!("expected gwei"))?;
    Ok(())
}

/// Any value of the policy, by its path in the file.
fn leaf(policy: &mut Policy, change: &Change) -> Result<()> {
    let mut whole = serde_json::to_value(&*policy)?;
    let place = change.key.split('.').try_fold(&mut whole, |place, step| match place {
        Value::Array(elements) => step.parse::<usize>().ok().and_then(|i| elements.get_mut(i)),
        Value::Object(entries) => entries.get_mut(step),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    });
    let place = place.ok_or_else(|| {
        eyre!("no such key: price, gas (gwei), volatility, or the path of a value in the policy, such as limits.max_trade")
    })?;
    *place = match place {
        Value::Number(_) => {
            serde_json::from_str(&change.value.replace('_', "")).wrap_err("expected a number")?
        }
        Value::Bool(_) => serde_json::from_str(&change.value).wrap_err("expected true or false")?,
        Value::String(_) => Value::String(change.value.clone()),
        Value::Null | Value::Array(_) | Value::Object(_) => bail!("is a group of values: name one of them"),
    };
    *policy = serde_json::from_value(whole).wrap_err("the value does not fit")?;
    Ok(())
}
