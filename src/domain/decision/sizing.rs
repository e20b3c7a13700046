//! How much to trade: the size of least average cost, cut to what policy, vault and pool allow.

use alloy::primitives::U256;

use super::super::cost::Costing;
use super::super::limits::{Cut, SizeLimit};
use super::super::market::{Fill, Market, Side};
use super::super::policy::Policy;
use super::super::reason::Reason;
use super::super::snapshot::{Guards, Snapshot};
use super::super::units::{Checked, Ratio, Units, Usd, from_raw, from_real, to_raw};
use super::super::valuation::Valuation;
use super::super::venues::search::least_average_cost;

/// Everything a size depends on.
pub(super) struct Sizing<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) policy: &'a Policy,
    pub(super) books: &'a Valuation,
    pub(super) market: &'a Market<'a>,
    pub(super) costing: &'a Costing,
    pub(super) side: Side,
}

/// A trade that every limit lets through.
pub(super) struct Sized {
    pub(super) fill: Fill,
    /// Least raw amount out, at or above the oracle bound of policy and vault.
    pub(super) min_amount_out: U256,
    pub(super) cut_by: Option<SizeLimit>,
    /// Whether the vault exempts it from cooldown and turnover.
    pub(super) exempt: bool,
}

/// A fill over a limit: by which factor the size must shrink, and which limit it was.
type Excess = (Ratio, SizeLimit);

/// Sizes are cut at most this often before the trade is refused.
const MAX_CUTS: u32 = 8;

/// What is kept of a computed cut, so that rounding cannot put the next fill over the same limit.
const CUT_MARGIN: Ratio = Ratio::new(rust_decimal::Decimal::from_parts(999_999, 0, 0, false, 6));

/// Decimal places of a size found by search.
const SIZE_PLACES: u32 = 18;

impl Sizing<'_> {
    /// Sizes a trade of at most `wanted` units; `economic` looks for the size of least average cost first.
    ///
    /// # Errors
    /// [`Reason::TooSmall`] where limits leave nothing, [`Reason::SlippageOverLimit`] where no size is within the
    /// oracle bound, [`Reason::NoLiquidity`] beyond what is known of the pool.
    pub(super) fn size(&self, wanted: Units, economic: bool) -> Result<Sized, Reason> {
        let exempt = self.exempt()?;
        let mut cut = self.cheap_cuts(wanted, exempt)?;
        if economic {
            cut.size = self.least_average_cost(cut.size)?;
        }
        for _ in 0..MAX_CUTS {
            if self.is_nothing(cut.size)? {
                return Err(self.too_small(Usd::ZERO));
            }
            let fill = self.market.quote(self.side, cut.size)?;
            match self.excess(&fill, exempt)? {
                None => return self.sized(fill, cut.by, exempt),
                Some((factor, by)) => {
                    cut = Cut { size: cut.size.times(factor)?.times(CUT_MARGIN)?, by: Some(by) }
                }
            }
        }
        Err(self.too_small(Usd::ZERO))
    }

    fn sized(&self, fill: Fill, cut_by: Option<SizeLimit>, exempt: bool) -> Result<Sized, Reason> {
        let least = self.oracle_minimum(&fill)?;
        if fill.amount_out < least {
            return Err(Reason::SlippageOverLimit {
                out: fill.amount_out.to_string(),
                min: least.to_string(),
            });
        }
        let tolerated = tolerated(fill.amount_out, self.policy.execution.tolerance_bps);
        Ok(Sized { fill, min_amount_out: tolerated.max(least), cut_by, exempt })
    }

    /// Whether the vault exempts a sale from cooldown and turnover: exposure over its bound on the cushion.
    fn exempt(&self) -> Checked<bool> {
        if self.side == Side::Buy {
            return Ok(false);
        }
        let cushion = self.books.nav.minus(self.books.floor)?.or_zero();
        let locked = self.snapshot.vault.cash_lock;
        let bound = cushion.times(Ratio::from_bps(self.guards().bound_bps))?;
        Ok(self.books.exposure > if locked { Usd::ZERO } else { bound })
    }

    /// Limits that need no quote, at the oracle's price.
    fn cheap_cuts(&self, wanted: Units, exempt: bool) -> Result<Cut, Reason> {
        let price = self.books.price;
        let cut = Cut::whole(wanted)
            .to(price.units_for(self.policy.limits.max_trade)?, SizeLimit::MaxTrade)
            .to(price.units_for(self.call_limit()?)?, SizeLimit::VaultCall);
        let cut = match self.side {
            Side::Sell => cut.to(self.books.held, SizeLimit::Holdings),
            Side::Buy => cut.to(price.units_for(self.books.cash)?, SizeLimit::Holdings),
        };
        if exempt {
            Ok(cut)
        } else {
            Ok(cut.to(price.units_for(self.turnover_left()?)?, SizeLimit::VaultTurnover))
        }
    }

    /// The limit a fill is furthest over, if it is over one.
    fn excess(&self, fill: &Fill, exempt: bool) -> Result<Option<Excess>, Reason> {
        let value = match self.side {
            Side::Sell => self.books.price.value_of(fill.units)?,
            Side::Buy => fill.value,
        };
        let mut caps = vec![
            (self.policy.limits.max_trade, SizeLimit::MaxTrade),
            (self.call_limit()?, SizeLimit::VaultCall),
        ];
        if !exempt {
            caps.push((self.turnover_left()?, SizeLimit::VaultTurnover));
        }
        if self.side == Side::Buy {
            caps.push((self.books.cash, SizeLimit::Holdings));
        }
        for (cap, by) in caps {
            if value > cap {
                return Ok(Some((cap.over(value)?, by)));
            }
        }
        if let Some(excess) = self.exposure_excess(fill)? {
            return Ok(Some(excess));
        }
        self.loss_excess(fill, value)
    }

    /// After a buy the vault allows `E ≤ min(cap·V, bound·C)`.
    fn exposure_excess(&self, fill: &Fill) -> Checked<Option<Excess>> {
        if self.side == Side::Sell {
            return Ok(None);
        }
        let (books, guards) = (self.books, self.guards());
        let bought = books.price.value_of(fill.units)?;
        let nav = books.nav.minus(fill.loss(self.side, books.price)?)?;
        let capped = nav.times(Ratio::from_bps(guards.cap_bps))?;
        let bounded = nav.minus(books.floor)?.or_zero().times(Ratio::from_bps(guards.bound_bps))?;
        let room = capped.at_most(bounded).minus(books.exposure)?.or_zero();
        if bought > room { Ok(Some((room.over(bought)?, SizeLimit::VaultExposure))) } else { Ok(None) }
    }

    /// Loss against the oracle per trade and of net asset value. Impact grows with the size, so a smaller trade loses
    /// a smaller share; where even the fee alone is too much there is no size.
    fn loss_excess(&self, fill: &Fill, value: Usd) -> Result<Option<Excess>, Reason> {
        let loss = fill.loss(self.side, self.books.price)?;
        let of_nav = self.books.nav.times(Ratio::from_bps(self.guards().nav_loss_bps))?;
        if loss > of_nav {
            return Ok(Some((of_nav.over(loss)?, SizeLimit::VaultLoss)));
        }
        let share = loss.over(value)?;
        let bound = Ratio::from_bps(self.slippage_bps());
        if share <= bound {
            return Ok(None);
        }
        let smallest = self.smallest_loss()?;
        if smallest >= bound {
            let min = self.oracle_minimum(fill)?.to_string();
            return Err(Reason::SlippageOverLimit { out: fill.amount_out.to_string(), min });
        }
        let factor = bound.minus(smallest)?.over(share.minus(smallest)?)?;
        Ok(Some((factor, SizeLimit::Slippage)))
    }

    /// Loss per value of a trade too small to move the pool: distance to the oracle and fee.
    fn smallest_loss(&self) -> Checked<Ratio> {
        let (mid, price) = (self.market.mid, self.books.price);
        let distance = match self.side {
            Side::Sell => price.minus(mid)?.over(price)?,
            Side::Buy => mid.minus(price)?.over(mid)?,
        };
        distance.plus(self.market.marginal_cost(self.side))
    }

    fn least_average_cost(&self, most: Units) -> Result<Units, Reason> {
        if most == Units::ZERO {
            return Ok(most);
        }
        let fixed = self.costing.economics.fixed.real();
        let cost = |size| {
            let size = Units::new(from_real(size, SIZE_PLACES).ok()?);
            let fill = self.market.quote(self.side, size).ok()?;
            fill.loss(self.side, self.market.mid).ok().map(|loss| loss.or_zero().real())
        };
        let found = least_average_cost(fixed, most.real(), cost);
        match found {
            Some(search) => Ok(Units::new(from_real(search.size, SIZE_PLACES)?).at_most(most)),
            None => Err(Reason::NoLiquidity { pool: self.market.pool(), size: most }),
        }
    }

    fn is_nothing(&self, size: Units) -> Checked<bool> {
        Ok(to_raw(size.get(), self.snapshot.vault.risky.decimals)?.is_zero())
    }

    fn too_small(&self, value: Usd) -> Reason {
        Reason::TooSmall { value, min: self.policy.limits.min_trade }
    }

    fn oracle_minimum(&self, fill: &Fill) -> Checked<U256> {
        let decimals = match self.side {
            Side::Sell => self.snapshot.vault.asset.decimals,
            Side::Buy => self.snapshot.vault.risky.decimals,
        };
        fill.oracle_minimum(self.side, self.books.price, self.slippage_bps(), decimals)
    }

    fn slippage_bps(&self) -> u32 {
        self.policy.limits.max_slippage_bps.min(self.guards().slippage_bps)
    }

    fn call_limit(&self) -> Checked<Usd> {
        self.books.nav.times(Ratio::from_bps(self.guards().max_call_bps))
    }

    fn turnover_left(&self) -> Checked<Usd> {
        from_raw(self.guards().turnover_left, self.snapshot.vault.asset.decimals).map(Usd::new)
    }

    const fn guards(&self) -> &Guards {
        &self.snapshot.vault.guards
    }
}

/// A quote less the tolerance, rounded up.
fn tolerated(quoted: U256, tolerance_bps: u32) -> U256 {
    let whole = U256::from(10_000u32);
    let kept = U256::from(10_000u32.saturating_sub(tolerance_bps));
    // Below 2^243 exact; a larger quote is kept whole, which only makes the minimum stricter.
    match quoted.checked_mul(kept) {
        Some(product) => product.div_ceil(whole),
        None => quoted,
    }
}
