//! From raw facts to prices and net asset value, or to the reason why there is no price: no price, no trade.
//!
//! The checks come in the order of [`value`], which is the order in which reasons are reported.

use alloy::primitives::U256;
use rust_decimal::Decimal;

use super::policy::{FeedPolicy, FeedsPolicy, Policy, PublishedPolicy};
use super::reason::{Disagreement, FeedName, PriceFault, Reason};
use super::snapshot::{Feed, Feeds, Sequencer, Snapshot, Vault};
use super::units::{Checked, NumberError, Price, Ratio, Units, Usd, from_raw, power_of_ten, to_raw};

/// The vault's books by the oracle.
///
/// Rules it keeps: every price passed its feed's checks; `nav = cash + exposure > 0`; price, exposure and net asset
/// value are the vault's own to the last raw unit, rounding included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Valuation {
    /// Price of one risky unit in units of the asset, `S`.
    pub price: Price,
    /// The same as the vault computes with it.
    pub raw_price: RawPrice,
    /// Price of one native coin in units of the asset.
    pub native: Price,
    /// Risky units held, `q`.
    pub held: Units,
    /// Asset held.
    pub cash: Usd,
    /// `E = q·S`, rounded down to raw units.
    pub exposure: Usd,
    /// `V`.
    pub nav: Usd,
    /// Floor of all shares.
    pub floor: Usd,
}

/// Risky and asset amounts, raw, into each other at the oracle's price, with the rounding of the vault's contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawPrice {
    /// Asset per risky, both whole tokens, times 10^18.
    wad: U256,
    /// `10^(18 + risky decimals − asset decimals)`, which takes price and both decimals in one step.
    scale: U256,
}

/// Decimal places of a native coin.
const COIN_PLACES: u8 = 18;

/// Decimal places of a price as the vault holds it.
const WAD_PLACES: u8 = 18;

impl Valuation {
    /// `units` of gas at `price_wei` per gas, in units of the asset.
    ///
    /// # Errors
    /// On overflow.
    pub fn gas_cost(&self, units: u64, price_wei: u64) -> Checked<Usd> {
        self.coins(U256::from(u128::from(units).saturating_mul(u128::from(price_wei))))
    }

    /// `wei` of the native coin in units of the asset.
    ///
    /// # Errors
    /// On overflow.
    pub fn coins(&self, wei: U256) -> Checked<Usd> {
        self.native.value_of(Units::new(from_raw(wei, COIN_PLACES)?))
    }
}

impl RawPrice {
    /// A price of one risky unit in units of the asset, between the raw units of this vault's tokens.
    ///
    /// # Errors
    /// [`NumberError::Amount`] where it does not fit.
    pub fn new(price: Price, vault: &Vault) -> Checked<Self> {
        let places = u32::from(WAD_PLACES)
            .checked_add(u32::from(vault.risky.decimals))
            .and_then(|sum| sum.checked_sub(u32::from(vault.asset.decimals)))
            .ok_or(NumberError::Amount)?;
        let scale = power_of_ten(places).ok_or(NumberError::Amount)?;
        Ok(Self { wad: to_raw(price.get(), WAD_PLACES)?, scale: U256::from(scale) })
    }

    /// Asset units that `risky` units are worth, rounded down.
    ///
    /// # Errors
    /// [`NumberError::Amount`] where it does not fit.
    pub fn to_asset(self, risky: U256) -> Checked<U256> {
        let product = risky.checked_mul(self.wad).ok_or(NumberError::Amount)?;
        // Without the twos in the scale most values fit 128 bits.
        let twos = self.scale.trailing_zeros();
        let short = |number: U256| u128::try_from(number.wrapping_shr(twos)).ok();
        match short(product).zip(short(self.scale)) {
            Some((product, scale)) => product.checked_div(scale).map(U256::from),
            None => product.checked_div(self.scale),
        }
        .ok_or(NumberError::Amount)
    }

    /// Asset units that `risky` units are worth, rounded up.
    ///
    /// # Errors
    /// As [`RawPrice::to_asset`].
    pub fn to_asset_up(self, risky: U256) -> Checked<U256> {
        risky.checked_mul(self.wad).map(|product| product.div_ceil(self.scale)).ok_or(NumberError::Amount)
    }

    /// Risky units that `asset` units are worth, rounded down: the most whose value is at most `asset`.
    ///
    /// # Errors
    /// As [`RawPrice::to_asset`], also where the price is too small to divide by.
    pub fn to_risky(self, asset: U256) -> Checked<U256> {
        let product = asset.checked_mul(self.scale).ok_or(NumberError::Amount)?;
        product.checked_div(self.wad).ok_or(NumberError::Amount)
    }

    /// Risky units that `asset` units are worth, rounded up.
    ///
    /// # Errors
    /// As [`RawPrice::to_risky`].
    pub fn to_risky_up(self, asset: U256) -> Checked<U256> {
        if self.wad.is_zero() {
            return Err(NumberError::Amount);
        }
        asset.checked_mul(self.scale).map(|product| product.div_ceil(self.wad)).ok_or(NumberError::Amount)
    }
}

/// Values the vault, or says why it cannot be valued.
///
/// # Errors
/// The first reason that applies, in this order: wrong chain, policy mismatch, vault mismatch, open epoch (where
/// the policy does not hedge the options), sequencer, risky feed, asset feed, peg, native feed, empty vault, numbers out of range.
pub fn value(snapshot: &Snapshot, published: &PublishedPolicy) -> Result<Valuation, Reason> {
    let policy = published.policy();
    identity(snapshot, published)?;
    agreement(&snapshot.vault, policy)?;
    // A hedge of the legs is what they are open for.
    if snapshot.vault.epoch_open && policy.option_book().is_none() {
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
        (policy.option_book().is_some_and(|book| vault.option_book != Some(book)), Disagreement::OptionBook),
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
        (_, None) => None,
        (Some(feed), Some(rule)) => Some(dollars(feed, rule, FeedName::NativeUsd, (now, u64::MAX))?),
        (None, Some(_)) => return Err(missing(FeedName::NativeUsd)),
    };
    let risky = in_asset(risky, asset)?;
    Ok(Prices { risky, native: native.map_or(Ok(risky), |native| in_asset(native, asset))? })
}

fn sequencer(status: Option<&Sequencer>, rules: &FeedsPolicy, now: u64) -> Result<(), Reason> {
    let Some(rule) = &rules.sequencer else { return Ok(()) };
    let up = status.filter(|s| s.address == rule.address).and_then(|s| s.status).is_some_and(|s| {
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

/// Price of one risky unit in units of the asset by the last answers of the feeds, however old or far off they are: what a
/// vault is worth by what is known, and no price to trade at.
///
/// # Errors
/// [`NumberError::Amount`] where a feed never answered, or not with a price.
pub fn last_price(feeds: &Feeds) -> Checked<Price> {
    let last = |feed: &Feed| {
        let round = feed.latest.filter(|round| round.answer.is_positive()).ok_or(NumberError::Amount)?;
        from_raw(round.answer.unsigned_abs(), feed.decimals).map(Price::new)
    };
    in_asset(last(&feeds.risky_usd)?, last(&feeds.asset_usd)?)
}

/// The vault's own division: both prices with 18 places, the quotient rounded down at 18 places.
fn in_asset(dollars: Price, asset: Price) -> Checked<Price> {
    let wad = |price: Price| to_raw(price.get(), WAD_PLACES);
    let one = U256::from(1_000_000_000_000_000_000u64);
    let (dollars, asset) = (wad(dollars)?, wad(asset)?);
    // Of an asset that is worth just a dollar nothing is left to divide.
    let quotient = if asset == one {
        dollars
    } else {
        let product = dollars.checked_mul(one).ok_or(NumberError::Overflow)?;
        product.checked_div(asset).ok_or(NumberError::Overflow)?
    };
    let price = Price::new(from_raw(quotient, WAD_PLACES)?);
    if price > Price::ZERO { Ok(price) } else { Err(NumberError::Overflow) }
}

fn books(vault: &Vault, prices: Prices) -> Result<Valuation, Reason> {
    let raw_price = RawPrice::new(prices.risky, vault)?;
    let asset = |raw: U256| from_raw(raw, vault.asset.decimals).map(Usd::new);
    let exposure = raw_price.to_asset(vault.risky_holdings)?;
    let nav = vault.asset_holdings.checked_add(exposure).ok_or(NumberError::Amount)?;
    if vault.total_supply.is_zero() || nav.is_zero() {
        return Err(Reason::EmptyVault);
    }
    Ok(Valuation {
        price: prices.risky,
        raw_price,
        native: prices.native,
        held: Units::new(from_raw(vault.risky_holdings, vault.risky.decimals)?),
        cash: asset(vault.asset_holdings)?,
        exposure: asset(exposure)?,
        nav: asset(nav)?,
        floor: asset(vault.floor)?,
    })
}
