//! From raw facts to prices and net asset value, or to the reason why there is no price: no price, no trade.
//!
//! The checks come in the order of [`value`], which is the order in which reasons are reported.

use rust_decimal::Decimal;

use super::policy::{FeedPolicy, FeedsPolicy, Policy, PublishedPolicy};
use super::reason::{Disagreement, FeedName, PriceFault, Reason};
use super::snapshot::{Feed, Sequencer, Snapshot, Vault};
use super::units::{Checked, NumberError, Price, Ratio, Units, Usd, from_raw};

/// The vault's books by the oracle.
///
/// Rules it keeps: every price passed its feed's checks; `nav = cash + exposure > 0`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Valuation {
    /// Price of one risky unit in units of the asset, `S`.
    pub price: Price,
    /// Price of one native coin in units of the asset.
    pub native: Price,
    /// Risky units held, `q`.
    pub held: Units,
    /// Asset held.
    pub cash: Usd,
    /// `E = q·S`.
    pub exposure: Usd,
    /// `V`.
    pub nav: Usd,
    /// Floor of all shares.
    pub floor: Usd,
}

/// Values the vault, or says why it cannot be valued.
///
/// # Errors
/// The first reason that applies, in this order: wrong chain, policy mismatch, vault mismatch, open epoch, sequencer,
/// risky feed, asset feed, peg, native feed, empty vault, numbers out of range.
pub fn value(snapshot: &Snapshot, published: &PublishedPolicy) -> Result<Valuation, Reason> {
    let policy = published.policy();
    identity(snapshot, published)?;
    agreement(&snapshot.vault, policy)?;
    if snapshot.vault.epoch_open {
        return Err(Reason::EpochOpen);
    }
    let prices = prices(snapshot, policy)?;
    books(&snapshot.vault, prices)
}

/// `S` and the native price.
#[derive(Clone, Copy)]
struct Prices {
    risky: Price,
    native: Price,
}

fn identity(snapshot: &Snapshot, published: &PublishedPolicy) -> Result<(), Reason> {
    let (policy, block) = (published.policy().chain_id, snapshot.block.chain_id);
    if policy != block {
        return Err(Reason::WrongChain { policy, block });
    }
    let (policy, vault) = (published.hash(), snapshot.vault.policy_hash);
    if policy != vault {
        return Err(Reason::PolicyMismatch { policy, vault });
    }
    Ok(())
}

fn agreement(vault: &Vault, policy: &Policy) -> Result<(), Reason> {
    let disagreements = [
        (policy.feeds.risky_usd.address != vault.risky_feed, Disagreement::RiskyFeed),
        (policy.feeds.asset_usd.address != vault.asset_feed, Disagreement::AssetFeed),
        (policy.floor != vault.floor_policy, Disagreement::Floor),
    ];
    match disagreements.into_iter().find(|(differs, _)| *differs) {
        Some((_, what)) => Err(Reason::VaultMismatch { what }),
        None => Ok(()),
    }
}

fn prices(snapshot: &Snapshot, policy: &Policy) -> Result<Prices, Reason> {
    let (now, guards) = (snapshot.block.timestamp, &snapshot.vault.guards);
    let (feeds, rules) = (&snapshot.feeds, &policy.feeds);
    sequencer(feeds.sequencer.as_ref(), rules, now)?;
    let risky = dollars(&feeds.risky_usd, &rules.risky_usd, FeedName::RiskyUsd, (now, guards.risky_max_age))?;
    let asset = dollars(&feeds.asset_usd, &rules.asset_usd, FeedName::AssetUsd, (now, guards.asset_max_age))?;
    pegged(asset, policy.limits.max_depeg_bps.min(guards.peg_bps))?;
    let native = match (&feeds.native_usd, &rules.native_usd) {
        (_, None) => risky,
        (Some(feed), Some(rule)) => dollars(feed, rule, FeedName::NativeUsd, (now, u64::MAX))?,
        (None, Some(_)) => return Err(missing(FeedName::NativeUsd)),
    };
    Ok(Prices { risky: in_asset(risky, asset)?, native: in_asset(native, asset)? })
}

fn sequencer(status: Option<&Sequencer>, rules: &FeedsPolicy, now: u64) -> Result<(), Reason> {
    let Some(rule) = &rules.sequencer else { return Ok(()) };
    let up = status.and_then(|s| s.status).is_some_and(|s| {
        s.answer.is_zero() && s.started_at > 0 && now.saturating_sub(s.started_at) > rule.grace_seconds
    });
    if up { Ok(()) } else { Err(Reason::SequencerDown) }
}

/// A checked price in dollars; `clock` is block time and the vault's own bound on the age, in seconds.
///
/// # Errors
/// [`Reason::InvalidPrice`] or [`Reason::StalePrice`].
pub fn dollars(feed: &Feed, rule: &FeedPolicy, name: FeedName, clock: (u64, u64)) -> Result<Price, Reason> {
    let (now, max_age) = clock;
    let invalid = |why| Reason::InvalidPrice { feed: name, why };
    let round = feed.latest.filter(|r| r.updated_at > 0 && r.id > 0).ok_or_else(|| missing(name))?;
    if feed.address != rule.address {
        return Err(missing(name));
    }
    if !round.answer.is_positive() {
        return Err(invalid(PriceFault::NotPositive));
    }
    let age = now.checked_sub(round.updated_at).ok_or_else(|| invalid(PriceFault::FromTheFuture))?;
    let limit = rule.heartbeat_seconds.saturating_add(rule.margin_seconds).min(max_age);
    if age > limit {
        return Err(Reason::StalePrice { feed: name, age, limit });
    }
    let price = from_raw(round.answer.unsigned_abs(), feed.decimals)
        .map(Price::new)
        .map_err(|_| invalid(PriceFault::OutOfBounds))?;
    if price < rule.min || price > rule.max {
        return Err(invalid(PriceFault::OutOfBounds));
    }
    Ok(price)
}

const fn missing(feed: FeedName) -> Reason {
    Reason::InvalidPrice { feed, why: PriceFault::Missing }
}

fn pegged(asset: Price, limit_bps: u32) -> Result<(), Reason> {
    let distance = Ratio::new(asset.minus(Price::new(Decimal::ONE))?.abs().get());
    if distance > Ratio::from_bps(limit_bps) {
        return Err(Reason::AssetDepegged { price: asset, limit_bps });
    }
    Ok(())
}

fn in_asset(dollars: Price, asset: Price) -> Checked<Price> {
    let price = Price::new(dollars.over(asset)?.get());
    if price > Price::ZERO { Ok(price) } else { Err(NumberError::Overflow) }
}

fn books(vault: &Vault, prices: Prices) -> Result<Valuation, Reason> {
    let held = Units::new(from_raw(vault.risky_holdings, vault.risky.decimals)?);
    let cash = Usd::new(from_raw(vault.asset_holdings, vault.asset.decimals)?);
    let floor = Usd::new(from_raw(vault.floor, vault.asset.decimals)?);
    let exposure = prices.risky.value_of(held)?;
    let nav = cash.plus(exposure)?;
    if vault.total_supply.is_zero() || nav <= Usd::ZERO {
        return Err(Reason::EmptyVault);
    }
    Ok(Valuation { price: prices.risky, native: prices.native, held, cash, exposure, nav, floor })
}
