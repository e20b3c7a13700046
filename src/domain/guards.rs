//! The guards that the vault's contract sets every rebalance, in its own integers and with its own rounding, so that
//! a plan is inside them instead of reverting.

use alloy::primitives::{U256, U512};

use super::limits::SizeLimit;
use super::market::{Fill, Side};
use super::snapshot::{Feeds, Guards, Vault};
use super::units::{Checked, NumberError, Usd, from_raw, to_raw};
use super::valuation::{RawPrice, Valuation, last_price};

/// Basis points in one.
const WHOLE_BPS: u32 = 10_000;

/// Exposure of at most this part of net asset value breaks no bound (`Bound.sol`).
const DUST_DIVISOR: u32 = 10_000;

/// The guards at one block. Amounts are raw units; "asset" those of the vault's asset.
#[derive(Debug, Clone, Copy)]
pub struct VaultGuards<'a> {
    vault: &'a Vault,
    price: RawPrice,
    exposure: U256,
    nav: U256,
}

/// A vault after a trade, raw units of the asset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct After {
    /// Exposure.
    pub exposure: U256,
    /// Net asset value.
    pub nav: U256,
    /// Asset held.
    asset: U256,
}

impl<'a> VaultGuards<'a> {
    /// The guards of `vault`, valued as in `books`.
    ///
    /// # Errors
    /// [`NumberError::Amount`] out of range.
    pub fn new(vault: &'a Vault, books: &Valuation) -> Checked<Self> {
        Self::at(vault, books.raw_price)
    }

    /// The guards of `vault`, valued by the last answers of `feeds`, however old they are.
    ///
    /// # Errors
    /// [`NumberError::Amount`] out of range, or where a feed never answered.
    pub fn by_last_answers(vault: &'a Vault, feeds: &Feeds) -> Checked<Self> {
        Self::at(vault, RawPrice::new(last_price(feeds)?, vault)?)
    }

    fn at(vault: &'a Vault, price: RawPrice) -> Checked<Self> {
        let exposure = price.to_asset(vault.risky_holdings)?;
        let nav = vault.asset_holdings.checked_add(exposure).ok_or(NumberError::Amount)?;
        Ok(Self { vault, price, exposure, nav })
    }

    /// Whether the vault lets a trade pass whatever cooldown and turnover say: a sale while exposure is over the bound.
    ///
    /// # Errors
    /// [`NumberError::Amount`] out of range.
    pub fn exempts(&self, side: Side) -> Checked<bool> {
        let bound = if self.vault.cash_lock { U256::ZERO } else { self.bound(self.nav)? };
        let dust = self.nav.checked_div(U256::from(DUST_DIVISOR)).unwrap_or_default();
        Ok(side == Side::Sell && self.exposure > bound.max(dust))
    }

    /// The most that may be given in one trade, and the limit that says so: holdings, largest call, `max_trade`, and
    /// turnover where it counts.
    ///
    /// # Errors
    /// [`NumberError::Amount`] out of range.
    pub fn most_in(&self, side: Side, max_trade: Usd, exempt: bool) -> Checked<(U256, SizeLimit)> {
        let max_trade = to_raw(max_trade.get(), self.vault.asset.decimals).unwrap_or(U256::MAX);
        let call = share(self.nav, self.limits().max_call_bps, Rounding::Up)?;
        let mut most = match side {
            Side::Sell => (self.vault.risky_holdings, SizeLimit::Holdings),
            Side::Buy => (self.vault.asset_holdings, SizeLimit::Holdings),
        };
        let turnover = if exempt { U256::MAX } else { self.limits().turnover_left };
        let values = [
            (max_trade, SizeLimit::MaxTrade),
            (call, SizeLimit::VaultCall),
            (turnover, SizeLimit::VaultTurnover),
        ];
        for (value, by) in values {
            let amount = match side {
                // Where it does not fit, it does not limit either.
                Side::Sell => self.price.to_risky(value).unwrap_or(U256::MAX),
                Side::Buy => value,
            };
            if amount < most.0 {
                most = (amount, by);
            }
        }
        Ok(most)
    }

    /// The least that must be received for `amount_in` at a loss of at most `loss_bps` against the oracle.
    ///
    /// # Errors
    /// [`NumberError::Amount`] out of range.
    pub fn least_out(&self, side: Side, amount_in: U256, loss_bps: u32) -> Checked<U256> {
        let fair = match side {
            Side::Sell => self.price.to_asset_up(amount_in)?,
            Side::Buy => self.price.to_risky_up(amount_in)?,
        };
        share(fair, WHOLE_BPS.saturating_sub(loss_bps), Rounding::Up)
    }

    /// The vault after `fill`.
    ///
    /// # Errors
    /// [`NumberError::Amount`] where the vault cannot give that much.
    pub fn after(&self, side: Side, fill: &Fill) -> Checked<After> {
        let (asset, risky) = (self.vault.asset_holdings, self.vault.risky_holdings);
        let (asset, risky) = match side {
            Side::Sell => (asset.checked_add(fill.amount_out), risky.checked_sub(fill.amount_in)),
            Side::Buy => (asset.checked_sub(fill.amount_in), risky.checked_add(fill.amount_out)),
        };
        let (asset, risky) = (asset.ok_or(NumberError::Amount)?, risky.ok_or(NumberError::Amount)?);
        let exposure = self.price.to_asset(risky)?;
        let nav = asset.checked_add(exposure).ok_or(NumberError::Amount)?;
        Ok(After { exposure, nav, asset })
    }

    /// Whether a trade loses more net asset value than one call may.
    ///
    /// # Errors
    /// [`NumberError::Amount`] out of range.
    pub fn loses_too_much(&self, after: After) -> Checked<bool> {
        let allowed = share(self.nav, self.limits().nav_loss_bps, Rounding::Down)?;
        Ok(after.nav.saturating_add(allowed) < self.nav)
    }

    /// Whether exposure after a buy is over the vault's cap, and whether it is over its bound on the cushion. Gas is
    /// paid back before the vault looks, out of the asset it holds.
    ///
    /// # Errors
    /// [`NumberError::Amount`] out of range.
    pub fn exceeded(&self, after: After) -> Checked<(bool, bool)> {
        let nav = after.nav.saturating_sub(self.limits().gas_rebate.min(after.asset));
        let cap = share(nav, self.limits().cap_bps, Rounding::Down)?;
        Ok((after.exposure > cap, after.exposure > self.bound(nav)?))
    }

    /// What may be bought at most before cap or bound on the cushion is reached or the asset is spent, its gas paid back,
    /// units of the asset.
    ///
    /// # Errors
    /// [`NumberError::Amount`] out of range.
    pub fn room(&self) -> Checked<Usd> {
        let rebate = self.limits().gas_rebate.min(self.vault.asset_holdings);
        let nav = self.nav.saturating_sub(rebate);
        let most = share(nav, self.limits().cap_bps, Rounding::Down)?.min(self.bound(nav)?);
        let room = most.saturating_sub(self.exposure).min(self.vault.asset_holdings);
        from_raw(room, self.vault.asset.decimals).map(Usd::new)
    }

    /// The bounds themselves.
    #[must_use]
    pub const fn limits(&self) -> &'a Guards {
        &self.vault.guards
    }

    /// Decimal places of the vault's asset.
    #[must_use]
    pub const fn asset_decimals(&self) -> u8 {
        self.vault.asset.decimals
    }

    fn bound(&self, nav: U256) -> Checked<U256> {
        share(nav.saturating_sub(self.vault.floor), self.limits().bound_bps, Rounding::Down)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rounding {
    Down,
    Up,
}

/// `bps` of `amount`.
fn share(amount: U256, bps: u32, rounding: Rounding) -> Checked<U256> {
    let product = U512::from(amount).checked_mul(U512::from(bps)).ok_or(NumberError::Amount)?;
    let whole = U512::from(WHOLE_BPS);
    let quotient = match rounding {
        Rounding::Down => product.checked_div(whole).ok_or(NumberError::Amount)?,
        Rounding::Up => product.div_ceil(whole),
    };
    U256::checked_from_limbs_slice(quotient.as_limbs()).ok_or(NumberError::Amount)
}
