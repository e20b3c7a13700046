//! The pool a vault trades with, seen from the vault: units of the risky asset against units of its own asset.

use alloy::primitives::{Address, U256};

use super::limits::Limits;
use super::policy::{Policy, VenuePolicy};
use super::reason::{PriceReference, Reason};
use super::snapshot::{Pool, Snapshot, Twap};
use super::units::{Checked, Price, Ratio, Units, Usd, from_raw, to_raw, to_raw_up};
use super::venues::uniswap_v3::{self, QuoteError};

/// Which way a trade goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Risky asset for the vault's asset.
    Sell,
    /// The vault's asset for risky asset.
    Buy,
}

/// One pool that vault and policy both allow, with a believable price.
#[derive(Debug, Clone, Copy)]
pub struct Market<'a> {
    /// The adapter the vault trades through.
    pub venue: Address,
    /// Spot price in units of the asset per risky unit.
    pub mid: Price,
    pool: &'a uniswap_v3::Pool,
    twap: Option<Twap>,
    risky_is_token0: bool,
    risky_decimals: u8,
    asset_decimals: u8,
}

/// What a swap of an exact amount in does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fill {
    /// Raw units of the token given.
    pub amount_in: U256,
    /// Raw units of the token received.
    pub amount_out: U256,
    /// Risky units that change hands.
    pub units: Units,
    /// Units of the asset that change hands.
    pub value: Usd,
}

impl<'a> Market<'a> {
    /// Opens the policy's pool.
    ///
    /// # Errors
    /// The first of: pool not on the vault's list, no usable state, price too far from the oracle's `price`.
    pub fn open(snapshot: &'a Snapshot, policy: &Policy, price: Price) -> Result<Self, Reason> {
        let Some(VenuePolicy::UniswapV3 { pool: address, .. }) = policy.venues.first() else {
            return Err(Reason::Numbers { what: "the policy names no venue".into() });
        };
        let pool = *address;
        let allowed = snapshot.vault.allowed_pools.iter().find(|p| p.pool == pool);
        let venue = allowed.ok_or(Reason::VenueNotAllowed { pool })?.venue;
        let dry = Reason::NoLiquidity { pool, size: Units::ZERO };
        let Some(Pool::UniswapV3 { state, twap }) = snapshot.pools.iter().find(|p| p.address() == pool)
        else {
            return Err(dry);
        };
        let (risky, asset) = (&snapshot.vault.risky, &snapshot.vault.asset);
        let risky_is_token0 = state.token0 == risky.address;
        let (token0, token1) = if risky_is_token0 { (risky, asset) } else { (asset, risky) };
        if state.validate().is_err() || (state.token0, state.token1) != (token0.address, token1.address) {
            return Err(dry);
        }
        let mut market = Self {
            venue,
            mid: Price::ZERO,
            pool: state,
            twap: *twap,
            risky_is_token0,
            risky_decimals: risky.decimals,
            asset_decimals: asset.decimals,
        };
        market.mid = market.spot(state.sqrt_price_x96)?;
        market.near(price, PriceReference::Oracle, policy.limits.max_price_deviation_bps)?;
        Ok(market)
    }

    /// The pool.
    #[must_use]
    pub const fn pool(&self) -> Address {
        self.pool.address
    }

    /// Cost per unit of a trade too small to move the price, as a share of the mid price: the pool's fee.
    #[must_use]
    pub fn marginal_cost(&self, side: Side) -> Ratio {
        let fee = rust_decimal::Decimal::new(i64::from(self.pool.fee), 6);
        let kept = rust_decimal::Decimal::ONE.saturating_sub(fee);
        match side {
            Side::Sell => Ratio::new(fee),
            // The fee is taken from what is paid: a unit costs mid/(1 − fee).
            Side::Buy => Ratio::new(fee.checked_div(kept).unwrap_or(fee)),
        }
    }

    /// Quotes a trade of `size` risky units: a sale gives exactly that (rounded down to raw units), a buy pays what
    /// just that costs and is quoted again with what it pays.
    ///
    /// # Errors
    /// [`Reason::NoLiquidity`] beyond what is known of the pool, [`Reason::Numbers`] out of range.
    pub fn quote(&self, side: Side, size: Units) -> Result<Fill, Reason> {
        let amount_in = match side {
            Side::Sell => to_raw(size.get(), self.risky_decimals)?,
            Side::Buy => {
                let wanted = to_raw(size.get(), self.risky_decimals)?;
                self.pool
                    .quote_exact_out(!self.risky_is_token0, wanted)
                    .map_err(|e| self.refuse(&e, size))?
                    .amount_in
            }
        };
        self.fill(side, amount_in).map_err(|e| self.refuse(&e, size))?
    }

    /// What selling the whole holding would bring.
    ///
    /// # Errors
    /// As [`Market::quote`].
    pub fn proceeds(&self, held: Units) -> Result<Usd, Reason> {
        if held == Units::ZERO { Ok(Usd::ZERO) } else { self.quote(Side::Sell, held).map(|fill| fill.value) }
    }

    fn fill(&self, side: Side, amount_in: U256) -> Result<Result<Fill, Reason>, QuoteError> {
        let zero_for_one = self.risky_is_token0 == (side == Side::Sell);
        let quote = self.pool.quote_exact_in(zero_for_one, amount_in)?;
        Ok(self.in_units(side, amount_in, quote.amount_out).map_err(Reason::from))
    }

    fn in_units(&self, side: Side, amount_in: U256, amount_out: U256) -> Checked<Fill> {
        let (risky, asset) = match side {
            Side::Sell => (amount_in, amount_out),
            Side::Buy => (amount_out, amount_in),
        };
        let units = Units::new(from_raw(risky, self.risky_decimals)?);
        let value = Usd::new(from_raw(asset, self.asset_decimals)?);
        Ok(Fill { amount_in, amount_out, units, value })
    }

    fn refuse(&self, error: &QuoteError, size: Units) -> Reason {
        match error {
            QuoteError::NoLiquidity { .. } => Reason::NoLiquidity { pool: self.pool.address, size },
            QuoteError::ZeroAmount | QuoteError::AmountTooLarge | QuoteError::InvalidPool { .. } => {
                Reason::Numbers { what: error.to_string() }
            }
        }
    }

    /// Compares the spot price with the pool's own average, where the policy asks for it. Not a question for a
    /// mandatory sale: in a crash the average lags, and the oracle bounds what a moved pool can cost.
    ///
    /// # Errors
    /// [`Reason::NoTwap`], or [`Reason::PriceDeviation`] where the pool was just moved.
    pub fn steady(&self, limits: &Limits) -> Result<(), Reason> {
        let Some(rule) = &limits.twap else { return Ok(()) };
        let twap = self.twap.filter(|t| t.window_seconds == rule.window_seconds);
        let mean = twap.and_then(|t| uniswap_v3::sqrt_price_at_tick(t.mean_tick));
        let mean = mean.ok_or(Reason::NoTwap { pool: self.pool.address })?;
        self.near(self.spot(mean)?, PriceReference::Twap, rule.max_deviation_bps)
    }

    fn near(&self, price: Price, reference: PriceReference, limit_bps: u32) -> Result<(), Reason> {
        let distance = self.mid.minus(price)?.abs().over(price)?;
        if distance > Ratio::from_bps(limit_bps) {
            let (pool, spot) = (self.pool.address, self.mid);
            return Err(Reason::PriceDeviation { pool, spot, reference, price, limit_bps });
        }
        Ok(())
    }

    fn spot(&self, sqrt_price_x96: U256) -> Result<Price, Reason> {
        let decimals = (self.risky_decimals, self.asset_decimals);
        uniswap_v3::mid_price(sqrt_price_x96, self.risky_is_token0, decimals)
            .map(Price::new)
            .ok_or_else(|| Reason::Numbers { what: "the pool's price does not fit a decimal".into() })
    }
}

impl Fill {
    /// Loss against `price` in units of the asset: what was given less what was received. Negative where the pool pays
    /// more than the price.
    ///
    /// # Errors
    /// On overflow.
    pub fn loss(&self, side: Side, price: Price) -> Checked<Usd> {
        let worth = price.value_of(self.units)?;
        match side {
            Side::Sell => worth.minus(self.value),
            Side::Buy => self.value.minus(worth),
        }
    }

    /// Least raw amount out whose loss against `price` is at most `loss_bps` of what is given, rounded up.
    ///
    /// # Errors
    /// On overflow.
    pub fn oracle_minimum(&self, side: Side, price: Price, loss_bps: u32, out_decimals: u8) -> Checked<U256> {
        let kept = Ratio::new(Ratio::ONE.minus(Ratio::from_bps(loss_bps))?.get());
        let fair = match side {
            Side::Sell => price.value_of(self.units)?.times(kept)?.get(),
            Side::Buy => price.units_for(self.value)?.times(kept)?.get(),
        };
        // One raw unit more: the vault may round its price and its division the other way.
        to_raw_up(fair, out_decimals)?.checked_add(U256::ONE).ok_or(super::units::NumberError::Amount)
    }
}
