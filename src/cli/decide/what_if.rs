//! Changing one fact or one policy value and deciding again.

use std::str::FromStr;

use alloy::primitives::{I256, U256};
use eyre::{Result, WrapErr, bail, eyre};
use rust_decimal::Decimal;

use crate::config::{Amendment, KeyPath, Mistake, amended_policy};
use crate::domain::policy::{ImpliedPolicy, Policy, PublishedPolicy};
use crate::domain::snapshot::{Pool, Snapshot, Twap};
use crate::domain::units::to_raw;
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

/// What is decided on once every change is made.
pub(super) struct Changed {
    pub(super) snapshot: Snapshot,
    /// As if the vault's owner had approved it.
    pub(super) policy: PublishedPolicy,
    /// What a person might not expect of the changes.
    pub(super) notes: Vec<String>,
}

/// Snapshot and policy with every change made.
///
/// # Errors
/// A key that is none or is given twice, a value that does not fit, or rules that the policy breaks, all of them.
pub(super) fn changed(
    snapshot: &Snapshot,
    published: &PublishedPolicy,
    changes: &[Change],
) -> Result<Changed> {
    let mut snapshot = snapshot.clone();
    let mut amendments: Vec<Amendment> = Vec::new();
    for (place, change) in changes.iter().enumerate() {
        if changes.iter().take(place).any(|before| before.key == change.key) {
            bail!("--what-if {}: is given twice", change.key);
        }
        let more = apply(&mut snapshot, change).wrap_err_with(|| format!("--what-if {change}"))?;
        for Amendment { path, .. } in &more {
            if let Some(other) = amendments.iter().find(|before| before.path.overlaps(path)) {
                bail!("--what-if {}: {path} is given twice: with {} too", change.key, other.path);
            }
        }
        amendments.extend(more);
    }
    let policy = amended_policy(published.policy(), &amendments).map_err(|mistakes| wrong(&mistakes))?;
    snapshot.vault.policy_hash = policy.hash();
    let notes = notes(policy.policy(), &amendments);
    Ok(Changed { snapshot, policy, notes })
}

/// Makes a change of the snapshot, or says what it is in the policy.
fn apply(snapshot: &mut Snapshot, change: &Change) -> Result<Vec<Amendment>> {
    match change.key.as_str() {
        "price" => price(snapshot, decimal(change)?).map(|()| Vec::new()),
        "gas" => gas(snapshot, decimal(change)?).map(|()| Vec::new()),
        "volatility" => {
            let estimator = format!("{{ kind = \"fixed\", annual = \"{}\" }}", decimal(change)?);
            let source = "{ kind = \"feed\" }".to_owned();
            Ok(vec![amendment("volatility.estimator", estimator)?, amendment("volatility.source", source)?])
        }
        path => Ok(vec![amendment(path, change.value.clone())?]),
    }
}

fn amendment(path: &str, value: String) -> Result<Amendment> {
    Ok(Amendment { path: path.parse::<KeyPath>().map_err(|why| eyre!("{why}"))?, value })
}

/// What is wrong with the policy, by key.
fn wrong(mistakes: &[Mistake]) -> eyre::Report {
    let of = |Mistake { key, message, .. }: &Mistake| format!("--what-if: {key}: {message}");
    let mut lines: Vec<String> = mistakes.iter().map(of).collect();
    if mistakes.iter().any(|mistake| mistake.message.starts_with("unknown key")) {
        lines.push(
            "a key is price (USD), gas (gwei), volatility, or the path of a value in the policy, such as limits.max_trade"
                .into(),
        );
    }
    eyre!("{}", lines.join("\n"))
}

/// Where a hedge takes its legs' volatility from elsewhere, a change of the policy's own does not reach them.
fn notes(policy: &Policy, amendments: &[Amendment]) -> Vec<String> {
    let moved = amendments.iter().any(|amendment| amendment.path.starts_with("volatility"));
    let implied = policy.strategy.hedge().map(|hedge| hedge.implied).filter(|_| moved);
    let from = match implied {
        Some(ImpliedPolicy::Smile { .. }) => "the policy's smile",
        Some(ImpliedPolicy::Feed { .. }) => "the volatility feed",
        Some(ImpliedPolicy::Estimate) | None => return Vec::new(),
    };
    vec![format!("the option legs do not follow the volatility: theirs comes from {from}, as it is")]
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
    for round in feed.history.anew() {
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
