//! The pool a vault trades with, seen from the vault: units of the risky asset against units of its own asset.

use alloy::primitives::{Address, U256};
use rust_decimal::Decimal;

use super::limits::Limits;
use super::policy::{Policy, VenuePolicy};
use super::reason::{PriceReference, Reason};
use super::snapshot::{Pool, Snapshot, Twap};
use super::units::{Checked, Price, Ratio, Units, Usd, from_raw, to_raw};
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
    pool: uniswap_v3::Quoter<'a>,
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
    sqrt_price_after: U256,
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
        let Some(Pool::UniswapV3 { state, twap, .. }) = snapshot.pools.iter().find(|p| p.address() == pool)
        else {
            return Err(dry);
        };
        let (risky, asset) = (&snapshot.vault.risky, &snapshot.vault.asset);
        let risky_is_token0 = state.token0 == risky.address;
        let (token0, token1) = if risky_is_token0 { (risky, asset) } else { (asset, risky) };
        let Ok(quoter) = state.quoter() else { return Err(dry) };
        if (state.token0, state.token1) != (token0.address, token1.address) {
            return Err(dry);
        }
        let mut market = Self {
            venue,
            mid: Price::ZERO,
            pool: quoter,
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
        self.pool.pool().address
    }

    /// Cost per unit of a trade too small to move the price, as a share of the mid price: the pool's fee.
    #[must_use]
    pub fn marginal_cost(&self, side: Side) -> Ratio {
        let fee = Decimal::new(i64::from(self.pool.pool().fee), 6);
        match side {
            Side::Sell => Ratio::new(fee),
            // The fee is taken from what is paid: a unit costs mid/(1 − fee).
            Side::Buy => Ratio::new(fee.checked_div(self.kept()).unwrap_or(fee)),
        }
    }

    /// What a little more given brings where the pool stands at `pool_price`, both valued at the oracle's `price`; at
    /// the spot price, the most that any trade brings.
    ///
    /// # Errors
    /// On overflow or a price of zero.
    pub fn marginal_rate(&self, side: Side, pool_price: Price, price: Price) -> Checked<Ratio> {
        let rate = match side {
            Side::Sell => pool_price.over(price)?,
            Side::Buy => price.over(pool_price)?,
        };
        rate.times(Ratio::new(self.kept()))
    }

    /// What is left of an amount after the pool's fee.
    fn kept(&self) -> Decimal {
        Decimal::ONE.saturating_sub(Decimal::new(i64::from(self.pool.pool().fee), 6))
    }

    /// Raw amount to give so that `size` risky units change hands: of a sale that size itself, rounded down.
    ///
    /// # Errors
    /// [`Reason::NoLiquidity`] beyond what is known of the pool, [`Reason::Numbers`] out of range.
    pub fn amount_in(&self, side: Side, size: Units) -> Result<U256, Reason> {
        let units = to_raw(size.get(), self.risky_decimals)?;
        match side {
            Side::Buy if units.is_zero() => Ok(units),
            Side::Sell => Ok(units),
            Side::Buy => {
                let quote = self.pool.quote_exact_out(!self.risky_is_token0, units);
                quote.map(|q| q.amount_in).map_err(|e| self.refuse(&e, size))
            }
        }
    }

    /// Venue cost of `size` risky units against the pool's own price, fee and impact: one quote.
    ///
    /// # Errors
    /// As [`Market::fill`].
    pub fn cost(&self, side: Side, size: Units) -> Result<Usd, Reason> {
        let amount_in = self.amount_in(side, size)?;
        let value = match side {
            Side::Sell => self.fill(side, amount_in)?.value,
            Side::Buy => Usd::new(from_raw(amount_in, self.asset_decimals)?),
        };
        let worth = self.mid.value_of(size)?;
        Ok(match side {
            Side::Sell => worth.minus(value)?.or_zero(),
            Side::Buy => value.minus(worth)?.or_zero(),
        })
    }

    /// Quotes a trade of `size` risky units: a sale gives exactly that (rounded down to raw units), a buy pays what
    /// just that costs and is quoted again with what it pays.
    ///
    /// # Errors
    /// As [`Market::fill`].
    pub fn quote(&self, side: Side, size: Units) -> Result<Fill, Reason> {
        self.fill(side, self.amount_in(side, size)?)
    }

    /// What giving exactly `amount_in` does.
    ///
    /// # Errors
    /// As [`Market::amount_in`].
    pub fn fill(&self, side: Side, amount_in: U256) -> Result<Fill, Reason> {
        let zero_for_one = self.risky_is_token0 == (side == Side::Sell);
        let quote = self.pool.quote_exact_in(zero_for_one, amount_in);
        let quote = quote.map_err(|e| self.refuse(&e, self.about(side, amount_in)))?;
        let (risky, asset) = match side {
            Side::Sell => (amount_in, quote.amount_out),
            Side::Buy => (quote.amount_out, amount_in),
        };
        Ok(Fill {
            amount_in,
            amount_out: quote.amount_out,
            units: Units::new(from_raw(risky, self.risky_decimals)?),
            value: Usd::new(from_raw(asset, self.asset_decimals)?),
            sqrt_price_after: quote.sqrt_price_after,
        })
    }

    /// The pool's price after `fill`.
    ///
    /// # Errors
    /// [`Reason::Numbers`] where it does not fit a decimal.
    pub fn price_after(&self, fill: &Fill) -> Result<Price, Reason> {
        self.spot(fill.sqrt_price_after)
    }

    /// Most that can be given within what is known of the pool, raw units; `None` where that is nothing.
    #[must_use]
    pub fn known(&self, side: Side) -> Option<U256> {
        self.pool.most_in(self.risky_is_token0 == (side == Side::Sell))
    }

    /// What selling the whole holding would bring.
    ///
    /// # Errors
    /// As [`Market::fill`].
    pub fn proceeds(&self, held: Units) -> Result<Usd, Reason> {
        if held == Units::ZERO {
            return Ok(Usd::ZERO);
        }
        self.quote(Side::Sell, held).map(|fill| fill.value)
    }

    /// Risky units that `amount_in` stands for at the pool's price, to speak of in a refusal.
    fn about(&self, side: Side, amount_in: U256) -> Units {
        let units = match side {
            Side::Sell => from_raw(amount_in, self.risky_decimals).map(Units::new),
            Side::Buy => {
                from_raw(amount_in, self.asset_decimals).and_then(|v| self.mid.units_for(Usd::new(v)))
            }
        };
        units.unwrap_or_default()
    }

    fn refuse(&self, error: &QuoteError, size: Units) -> Reason {
        match error {
            QuoteError::NoLiquidity { .. } => Reason::NoLiquidity { pool: self.pool(), size },
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
        let mean = mean.ok_or(Reason::NoTwap { pool: self.pool() })?;
        self.near(self.spot(mean)?, PriceReference::Twap, rule.max_deviation_bps)
    }

    fn near(&self, price: Price, reference: PriceReference, limit_bps: u32) -> Result<(), Reason> {
        let distance = self.mid.minus(price)?.abs().over(price)?;
        if distance > Ratio::from_bps(limit_bps) {
            let (pool, spot) = (self.pool(), self.mid);
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
}
