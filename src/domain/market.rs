//! The pools a vault trades with, seen from the vault: units of the risky asset against units of its own asset.
//!
//! Every trade goes through all pools at once, split so that it brings the most ([`split`]); one
//! pool is the case of a split with one part. Costs are measured from the mid price of the pool that is best for the
//! side of the trade, so that the first unit costs just that pool's fee.

mod listing;
mod open;

use alloy::primitives::{Address, U256};
use rust_decimal::Decimal;

use super::gas::Sending;
use super::limits::Limits;
use super::reason::Reason;
use super::units::{Checked, Price, Ratio, Units, Usd, fraction, from_raw, to_raw};
use super::venues::curve::{Curve, QuoteError, Standing};
use super::venues::depth::{Depth, Way};
use super::venues::near::Near;
use super::venues::split::{self, Part};

pub use listing::Listing;
use listing::rate;

/// Which way a trade goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Risky asset for the vault's asset.
    Sell,
    /// The vault's asset for risky asset.
    Buy,
}

/// The pools that vault and policy both allow, with believable prices; at least one.
#[derive(Debug, Clone)]
pub struct Market<'a> {
    listings: Vec<Listing>,
    /// In the order of the listings.
    curves: Vec<Curve<'a>>,
    left_out: Vec<Reason>,
    pair: Pair,
    /// Oracle price.
    price: Price,
    /// What sending a trade costs.
    sending: Sending,
}

/// The two tokens of all pools.
#[derive(Debug, Clone, Copy)]
struct Pair {
    risky_is_token0: bool,
    risky_decimals: u8,
    asset_decimals: u8,
}

/// What giving an exact amount does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fill {
    /// Raw units of the token given.
    pub amount_in: U256,
    /// Raw units of the token received.
    pub amount_out: U256,
    /// Risky units that change hands.
    pub units: Units,
    /// Units of the asset that change hands.
    pub value: Usd,
    /// Gas of the swaps after the first, their data on a rollup in it.
    pub further_gas: Usd,
    /// The swaps, in the order of the market's pools.
    pub parts: Vec<Part>,
}

impl Market<'_> {
    /// The pools in use, in the policy's order.
    #[must_use]
    pub fn listings(&self) -> &[Listing] {
        &self.listings
    }

    /// Why other pools of the policy are not in use; each reason names its pool.
    #[must_use]
    pub fn left_out(&self) -> &[Reason] {
        &self.left_out
    }

    /// What sending a trade costs at the block.
    #[must_use]
    pub const fn sending(&self) -> &Sending {
        &self.sending
    }

    /// The first pool, which speaks for all of them in a refusal.
    #[must_use]
    pub fn pool(&self) -> Address {
        self.curves.first().map_or(Address::ZERO, Curve::address)
    }

    /// Price of the pool that pays most for the first unit, its fee paid.
    #[must_use]
    pub fn mid(&self, side: Side) -> Price {
        self.best(side).map_or(Price::ZERO, |listing| listing.mid)
    }

    fn best(&self, side: Side) -> Option<&Listing> {
        if let [only] = self.listings.as_slice() {
            return Some(only);
        }
        let rate =
            |listing: &&Listing| rate(side, (listing.mid, listing.kept), self.price).unwrap_or_default();
        // Of equals the first in the policy's order.
        self.listings.iter().rev().max_by_key(rate)
    }

    /// Cost per unit of a trade too small to move the price, as a share of the mid price: the best pool's fee.
    #[must_use]
    pub fn marginal_cost(&self, side: Side) -> Ratio {
        let kept = self.best(side).map_or(Decimal::ONE, |listing| listing.kept);
        let fee = Decimal::ONE.saturating_sub(kept);
        match side {
            Side::Sell => Ratio::new(fee),
            // The fee is taken from what is paid: a unit costs mid/(1 − fee).
            Side::Buy => Ratio::new(fraction(fee, kept).unwrap_or(fee)),
        }
    }

    /// What the first unit given brings, both valued by the oracle: the most that any trade brings.
    ///
    /// # Errors
    /// On overflow or a price of zero.
    pub fn first_rate(&self, side: Side) -> Checked<Ratio> {
        self.best(side).map_or(Ok(Ratio::ZERO), |listing| rate(side, (listing.mid, listing.kept), self.price))
    }

    /// What a little more given after `fill` brings, both valued by the oracle.
    ///
    /// # Errors
    /// [`Reason::Numbers`] where a price does not fit a decimal.
    pub fn rate_after(&self, side: Side, fill: &Fill) -> Result<Ratio, Reason> {
        fill.parts.iter().try_fold(Ratio::ZERO, |most, part| Ok(most.max(self.part_rate(side, part)?)))
    }

    /// The same of one part.
    ///
    /// # Errors
    /// As [`Market::rate_after`].
    pub fn part_rate(&self, side: Side, part: &Part) -> Result<Ratio, Reason> {
        let kept = self.listings.get(part.pool).map_or(Decimal::ONE, |listing| listing.kept);
        Ok(rate(side, (self.pair.spot(&part.swap.after)?, kept), self.price)?)
    }

    /// Raw amount to give so that `size` risky units change hands: of a sale that size itself, rounded down.
    ///
    /// # Errors
    /// [`Reason::NoLiquidity`] beyond what is known of the pools, [`Reason::Numbers`] out of range.
    pub fn amount_in(&self, side: Side, size: Units) -> Result<U256, Reason> {
        let units = to_raw(size.get(), self.pair.risky_decimals)?;
        match side {
            Side::Buy if units.is_zero() => Ok(units),
            Side::Sell => Ok(units),
            Side::Buy => {
                let per_swap = self.per_swap(Side::Sell)?;
                split::amount_in_for(&self.curves, self.zero_for_one(side), units, per_swap)
                    .map_err(|e| refuse(&e, size))
            }
        }
    }

    /// Venue cost of `size` risky units against the best pool's own price: fees, impact and the gas of further swaps.
    ///
    /// # Errors
    /// As [`Market::fill`].
    pub fn cost(&self, side: Side, size: Units) -> Result<Usd, Reason> {
        let amount_in = self.amount_in(side, size)?;
        let (value, gas) = match side {
            Side::Buy if self.curves.len() == 1 => {
                (Usd::new(from_raw(amount_in, self.pair.asset_decimals)?), Usd::ZERO)
            }
            Side::Buy | Side::Sell => {
                let fill = self.fill(side, amount_in)?;
                (fill.value, fill.further_gas)
            }
        };
        let worth = self.mid(side).value_of(size)?;
        let lost = match side {
            Side::Sell => worth.minus(value)?.or_zero(),
            Side::Buy => value.minus(worth)?.or_zero(),
        };
        Ok(lost.plus(gas)?)
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
        let per_swap = self.per_swap(side)?;
        let split = split::split_exact_in(&self.curves, self.zero_for_one(side), amount_in, per_swap)
            .map_err(|e| refuse(&e, self.about(side, amount_in)))?;
        let (units, value) = self.amounts(side, amount_in, split.amount_out)?;
        let further = Ratio::new(split.parts.len().saturating_sub(1).into());
        Ok(Fill {
            amount_in,
            amount_out: split.amount_out,
            units,
            value,
            further_gas: self.sending.further_swap.times(further)?,
            parts: split.parts,
        })
    }

    /// Risky units and units of the asset that change hands, of raw amounts given and received.
    ///
    /// # Errors
    /// On overflow.
    pub fn amounts(&self, side: Side, amount_in: U256, amount_out: U256) -> Checked<(Units, Usd)> {
        let (risky, asset) = match side {
            Side::Sell => (amount_in, amount_out),
            Side::Buy => (amount_out, amount_in),
        };
        let units = Units::new(from_raw(risky, self.pair.risky_decimals)?);
        Ok((units, Usd::new(from_raw(asset, self.pair.asset_decimals)?)))
    }

    /// Gas of a further swap in raw units of the token that `side` receives; one pool has no further swap.
    fn per_swap(&self, side: Side) -> Checked<U256> {
        match side {
            _ if self.curves.len() < 2 => Ok(U256::ZERO),
            Side::Sell => to_raw(self.sending.further_swap.get(), self.pair.asset_decimals),
            Side::Buy => {
                to_raw(self.price.units_for(self.sending.further_swap)?.get(), self.pair.risky_decimals)
            }
        }
    }

    /// How far the pools' prices give way to a trade; `None` where nothing is known of them.
    #[must_use]
    pub fn depth(&self, side: Side) -> Option<Depth<'_>> {
        Depth::of(&self.curves, self.way(side), self.sending.further_swap.real())
    }

    /// How far the best pool's price gives way to a small trade; `None` where a pool has no liquidity at its price.
    #[must_use]
    pub fn near(&self, side: Side) -> Option<Near> {
        Near::of(&self.curves, self.way(side), self.sending.further_swap.real())
    }

    fn way(&self, side: Side) -> Way {
        Way {
            zero_for_one: self.zero_for_one(side),
            sell: side == Side::Sell,
            decimals: (self.pair.risky_decimals, self.pair.asset_decimals),
        }
    }

    /// Most that can be given within what is known of all pools, raw units; `None` where that is nothing.
    #[must_use]
    pub fn known(&self, side: Side) -> Option<U256> {
        split::most_in(&self.curves, self.zero_for_one(side))
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

    /// What the pools keep as their fees of `fill`, in units of the asset at the best pool's price.
    ///
    /// # Errors
    /// On overflow.
    pub fn fees(&self, side: Side, fill: &Fill) -> Checked<Usd> {
        fill.parts.iter().try_fold(Usd::ZERO, |sum, part| {
            let kept = self.listings.get(part.pool).map_or(Decimal::ONE, |listing| listing.kept);
            let fee = Ratio::new(Decimal::ONE.saturating_sub(kept));
            let given = part.swap.amount_in;
            let given = match side {
                Side::Sell => {
                    self.mid(side).value_of(Units::new(from_raw(given, self.pair.risky_decimals)?))?
                }
                Side::Buy => Usd::new(from_raw(given, self.pair.asset_decimals)?),
            };
            sum.plus(given.times(fee)?)
        })
    }

    const fn zero_for_one(&self, side: Side) -> bool {
        match side {
            Side::Sell => self.pair.risky_is_token0,
            Side::Buy => !self.pair.risky_is_token0,
        }
    }

    /// Risky units that `amount_in` stands for at the best pool's price, to speak of in a refusal.
    fn about(&self, side: Side, amount_in: U256) -> Units {
        let units = match side {
            Side::Sell => from_raw(amount_in, self.pair.risky_decimals).map(Units::new),
            Side::Buy => from_raw(amount_in, self.pair.asset_decimals)
                .and_then(|value| self.mid(side).units_for(Usd::new(value))),
        };
        units.unwrap_or_default()
    }

    /// Compares the pools with their own averages, where the policy asks for it. Not a question for a mandatory sale:
    /// in a crash an average lags, and the oracle bounds what a moved pool can cost.
    ///
    /// # Errors
    /// [`Reason::NoTwap`], or [`Reason::PriceDeviation`] where a pool was just moved: that of the first.
    pub fn steady(&self, limits: &Limits) -> Result<(), Reason> {
        self.listings.iter().try_for_each(|listing| listing.steady(&self.pair, limits))
    }

    /// The market without the pools that a trade on `side` cannot use: those whose first unit already loses more than
    /// `slippage_bps` against the oracle, since the vault bounds every swap, and for a `routine` trade those that are
    /// not steady. `None` where all may be used, or none: then their reasons are the trade's.
    ///
    /// # Errors
    /// On overflow.
    pub fn fit_for(&self, side: Side, slippage_bps: u32, routine: Option<&Limits>) -> Checked<Option<Self>> {
        if self.listings.len() < 2 {
            return Ok(None);
        }
        let least = Ratio::ONE.minus(Ratio::from_bps(slippage_bps))?;
        let fits = |listing: &Listing| {
            let pays = rate(side, (listing.mid, listing.kept), self.price)? > least;
            Ok(pays && routine.is_none_or(|limits| listing.steady(&self.pair, limits).is_ok()))
        };
        let kept: Vec<bool> = self.listings.iter().map(fits).collect::<Checked<_>>()?;
        if kept.iter().all(|fits| *fits) || !kept.contains(&true) {
            return Ok(None);
        }
        let mut fit = self.clone();
        let mut keep = kept.iter();
        fit.listings.retain(|_| keep.next().is_some_and(|fits| *fits));
        let mut keep = kept.iter();
        fit.curves.retain(|_| keep.next().is_some_and(|fits| *fits));
        Ok(Some(fit))
    }
}

fn refuse(error: &QuoteError, size: Units) -> Reason {
    match *error {
        QuoteError::NoLiquidity { pool } => Reason::NoLiquidity { pool, size },
        QuoteError::NoPool | QuoteError::UniswapV2(_) | QuoteError::UniswapV3(_) => {
            Reason::Numbers { what: error.to_string() }
        }
    }
}

impl Pair {
    fn spot(&self, standing: &Standing) -> Result<Price, Reason> {
        let decimals = (self.risky_decimals, self.asset_decimals);
        standing
            .mid_price(self.risky_is_token0, decimals)
            .map(Price::new)
            .ok_or_else(|| Reason::Numbers { what: "the pool's price does not fit a decimal".into() })
    }
}

impl Fill {
    /// How many swaps it is.
    #[must_use]
    pub fn swaps(&self) -> u64 {
        u64::try_from(self.parts.len()).unwrap_or(u64::MAX)
    }

    /// Loss against `price` in units of the asset: what was given less what was received. Negative where the pools pay
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
