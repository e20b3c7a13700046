//! How much to trade: the size of least average cost, cut to what policy, vault and pool allow.

use alloy::primitives::U256;
use rust_decimal::Decimal;

use super::super::cost::{Balance, Costing};
use super::super::guards::VaultGuards;
use super::super::limits::{Cut, SizeLimit};
use super::super::market::{Fill, Market, Side};
use super::super::policy::{ExecutionStyle, Policy};
use super::super::reason::Reason;
use super::super::units::{Checked, NumberError, Ratio, Units, Usd, from_raw, from_real, to_raw};
use super::super::valuation::Valuation;
use super::super::venues::search::least_average_cost;
use super::super::venues::split::Part;
use super::{Swap, Trade};

/// Everything a size depends on.
pub(super) struct Sizing<'a> {
    pub(super) policy: &'a Policy,
    pub(super) books: &'a Valuation,
    pub(super) market: &'a Market<'a>,
    pub(super) costing: &'a Costing,
    pub(super) guards: VaultGuards<'a>,
    pub(super) side: Side,
    /// A mandatory sale is cut to what is known of the pool; any other trade beyond it is refused.
    pub(super) mandatory: bool,
}

/// A trade that every limit lets through.
pub(super) struct Sized {
    pub(super) fill: Fill,
    /// Least raw amount out of each of its swaps, at or above the oracle bound of policy and vault.
    pub(super) minimums: Vec<U256>,
    pub(super) cut_by: Option<SizeLimit>,
    /// Whether the vault exempts it from cooldown and turnover.
    pub(super) exempt: bool,
}

/// A fill over a limit: which part of it would just be inside, and which limit it is.
type Excess = (Ratio, SizeLimit);

/// A trade in the oracle's money: what is given, what is received for it and for a little more.
struct Flow {
    given: Usd,
    received: Usd,
    marginal: Ratio,
}

/// Sizes are cut at most this often before the trade is refused.
const MAX_CUTS: u32 = 16;

/// What is kept of a computed cut, so that rounding cannot leave the next fill just outside the same limit.
const CUT_MARGIN: Ratio = Ratio::new(Decimal::from_parts(999_999, 0, 0, false, 6));

/// A half.
const HALF: Ratio = Ratio::new(Decimal::from_parts(5, 0, 0, false, 1));

/// Decimal places of a size found by search.
const SIZE_PLACES: u32 = 18;

/// Decimal places of the part that a cut leaves.
const PART_PLACES: u8 = 18;

impl Sizing<'_> {
    /// Cuts a trade of `wanted` units to what every limit allows.
    ///
    /// The limits do not know each other: each has one largest size, whatever the others allow, so that tightening one
    /// can never make the trade larger.
    ///
    /// # Errors
    /// [`Reason::TooSmall`] where limits leave nothing, [`Reason::SlippageOverLimit`] where no size is within the
    /// oracle bound, [`Reason::NoLiquidity`] beyond what is known of the pool.
    pub(super) fn size(&self, wanted: Units) -> Result<Sized, Reason> {
        let exempt = self.guards.exempts(self.side)?;
        let mut cut = self.within_knowledge(self.within_holdings(wanted, exempt)?, wanted)?;
        for _ in 0..MAX_CUTS {
            if cut.amount.is_zero() {
                break;
            }
            let fill = self.market.fill(self.side, cut.amount).map_err(|reason| of_size(reason, wanted))?;
            match self.excess(&fill)? {
                None => return Ok(self.sized(fill, cut.by, exempt)?),
                Some((kept, by)) => {
                    cut = Cut { amount: part(cut.amount, kept.times(CUT_MARGIN)?)?, by: Some(by) }
                }
            }
        }
        Err(Reason::TooSmall { value: Usd::ZERO, min: self.policy.limits.min_trade })
    }

    /// The size of least average cost up to `most` units; `most` where nothing is known of the cost. It does not know
    /// the limits either: they cut what it finds.
    pub(super) fn least_average_cost(&self, most: Units) -> Result<Units, Reason> {
        let fixed = self.costing.economics.fixed.real();
        let cost = |size| {
            let size = Units::new(from_real(size, SIZE_PLACES).ok()?);
            self.market.cost(self.side, size).ok().map(Usd::real)
        };
        match least_average_cost(fixed, most.real(), cost) {
            Some(search) => Ok(Units::new(from_real(search.size, SIZE_PLACES)?).at_most(most)),
            None => Ok(most),
        }
    }

    /// What of a routine trade of `wanted` units goes at once.
    pub(super) fn slice(&self, wanted: Units) -> Checked<Units> {
        match self.policy.execution.style {
            ExecutionStyle::Twap { slices, .. } if !self.mandatory => {
                let part = Decimal::ONE.checked_div(slices.into()).ok_or(NumberError::Overflow)?;
                wanted.times(Ratio::new(part))
            }
            ExecutionStyle::Twap { .. } | ExecutionStyle::Once => Ok(wanted),
        }
    }

    /// Whether a slice may follow the rebalance at `last` already.
    pub(super) fn due(&self, last: u64, now: u64) -> Result<(), Reason> {
        match self.policy.execution.style {
            ExecutionStyle::Twap { interval_seconds, .. } if !self.mandatory && last > 0 => {
                let due = last.saturating_add(interval_seconds);
                if now < due { Err(Reason::NotDue { due }) } else { Ok(()) }
            }
            ExecutionStyle::Twap { .. } | ExecutionStyle::Once => Ok(()),
        }
    }

    fn sized(&self, fill: Fill, cut_by: Option<SizeLimit>, exempt: bool) -> Checked<Sized> {
        let tolerance = self.policy.execution.tolerance_bps;
        let minimum = |part: &Part| {
            Ok(tolerated(part.swap.amount_out, tolerance).max(self.least_out(part.swap.amount_in)?))
        };
        let minimums = fill.parts.iter().map(minimum).collect::<Checked<_>>()?;
        Ok(Sized { fill, minimums, cut_by, exempt })
    }

    /// What the pools take for `fill` against the best pool's price, and the gas of its further swaps.
    pub(super) fn venue_cost(&self, fill: &Fill) -> Checked<Usd> {
        let lost = fill.loss(self.side, self.market.mid(self.side))?;
        lost.or_zero().plus(fill.further_gas)
    }

    /// The trade in the words of the record.
    pub(super) fn trade(&self, sized: &Sized, balance: Balance) -> Checked<Trade> {
        let fill = &sized.fill;
        let fee = self.market.fees(self.side, fill)?;
        let swaps = fill.parts.iter().zip(&sized.minimums).filter_map(|(part, minimum)| {
            let listing = self.market.listings().get(part.pool)?;
            let (amount_in, quoted_out) = (part.swap.amount_in, part.swap.amount_out);
            let (pool, venue) = (listing.pool, listing.venue);
            Some(Swap { pool, venue, amount_in, quoted_out, min_amount_out: *minimum })
        });
        Ok(Trade {
            sell_risky: self.side == Side::Sell,
            swaps: swaps.collect(),
            amount_in: fill.amount_in,
            quoted_out: fill.amount_out,
            size: fill.units,
            value: fill.value,
            fee,
            impact: fill.loss(self.side, self.market.mid(self.side))?.minus(fee)?,
            slippage: fill.loss(self.side, self.books.price)?,
            benefit: balance.benefit,
            cost: balance.cost,
            cut_by: sized.cut_by,
            mandatory: self.mandatory,
        })
    }

    /// The amount to give for `size` units, cut by the limits on what is given.
    fn within_holdings(&self, size: Units, exempt: bool) -> Result<Cut, Reason> {
        let (most, by) = self.guards.most_in(self.side, self.policy.limits.max_trade, exempt)?;
        match self.market.amount_in(self.side, size) {
            Ok(amount) => Ok(Cut::whole(amount).to(most, by)),
            // More than is known of the pool, but perhaps not with what may be given.
            Err(Reason::NoLiquidity { .. }) => Ok(Cut { amount: most, by: Some(by) }),
            Err(reason) => Err(reason),
        }
    }

    fn within_knowledge(&self, cut: Cut, wanted: Units) -> Result<Cut, Reason> {
        if !self.mandatory {
            return Ok(cut);
        }
        match self.market.known(self.side) {
            Some(known) => Ok(cut.to(known, SizeLimit::KnownLiquidity)),
            None => Err(Reason::NoLiquidity { pool: self.market.pool(), size: wanted }),
        }
    }

    /// The limit that `fill` has to shrink most for, if it is over any. The vault's integers say whether it is over
    /// one; by how much to shrink is a matter of decimals.
    fn excess(&self, fill: &Fill) -> Result<Option<Excess>, Reason> {
        let slipping = self.slipping(fill)?;
        let after = self.guards.after(self.side, fill)?;
        let loses = self.guards.loses_too_much(after)?;
        let (over_cap, over_bound) = match self.side {
            Side::Sell => (false, false),
            Side::Buy => self.guards.exceeded(after)?,
        };
        if slipping.is_empty() && !(loses || over_cap || over_bound) {
            return Ok(None);
        }
        let flow = self.flow((fill.units, fill.value), self.market.rate_after(self.side, fill)?)?;
        let mut kept: Vec<Excess> = Vec::with_capacity(4);
        for (part, least) in slipping {
            kept.push((self.within_slippage(part, least)?, SizeLimit::Slippage));
        }
        if loses {
            kept.push((self.within_loss(&flow)?, SizeLimit::VaultLoss));
        }
        if over_cap {
            kept.push((self.within_cap(&flow)?, SizeLimit::VaultExposure));
        }
        if over_bound {
            kept.push((self.within_bound(&flow)?, SizeLimit::VaultExposure));
        }
        Ok(kept.into_iter().min_by_key(|(part, _)| *part))
    }

    /// The swaps that pay less than the oracle bound, which holds for each of them, and what they would have to pay.
    fn slipping<'f>(&self, fill: &'f Fill) -> Checked<Vec<(&'f Part, U256)>> {
        let least = |part: &'f Part| Ok((part, self.least_out(part.swap.amount_in)?));
        let all: Vec<_> = fill.parts.iter().map(least).collect::<Checked<_>>()?;
        Ok(all.into_iter().filter(|(part, least)| part.swap.amount_out < *least).collect())
    }

    /// `received ≥ (1 − b)·given` of one swap, whose share in the trade is taken as it is. Where even the first unit
    /// loses too much there is no size.
    fn within_slippage(&self, part: &Part, least: U256) -> Result<Ratio, Reason> {
        let kept = Ratio::ONE.minus(Ratio::from_bps(self.slippage_bps()))?;
        if self.market.first_rate(self.side)? <= kept {
            let out = part.swap.amount_out.to_string();
            return Err(Reason::SlippageOverLimit { out, min: least.to_string() });
        }
        let amounts = self.market.amounts(self.side, part.swap.amount_in, part.swap.amount_out)?;
        let flow = &self.flow(amounts, self.market.part_rate(self.side, part)?)?;
        let room = flow.received.minus(flow.given.times(kept)?)?;
        Ok(newton(flow, room, flow.marginal.minus(kept)?)?)
    }

    /// `given − received ≤ L`.
    fn within_loss(&self, flow: &Flow) -> Checked<Ratio> {
        let allowed = self.books.nav.times(Ratio::from_bps(self.guards.limits().nav_loss_bps))?;
        let room = allowed.minus(flow.given)?.plus(flow.received)?;
        newton(flow, room, flow.marginal.minus(Ratio::ONE)?)
    }

    /// `E + received ≤ k·(V − given + received − floor)`, `k` the vault's bound; gas that may be paid back counted as
    /// gone.
    fn within_bound(&self, flow: &Flow) -> Checked<Ratio> {
        let bound = Ratio::from_bps(self.guards.limits().bound_bps);
        let cushion = self.books.nav.minus(self.rebate()?)?.minus(self.books.floor)?;
        let after = cushion.minus(flow.given)?.plus(flow.received)?.times(bound)?;
        let room = after.minus(self.books.exposure)?.minus(flow.received)?;
        let slope = bound.minus(Ratio::ONE)?.times(flow.marginal)?.minus(bound)?;
        newton(flow, room, slope)
    }

    /// `E + received ≤ cap·(V − given + received)`: nearly a straight line, and the chord stays on the outer side.
    fn within_cap(&self, flow: &Flow) -> Checked<Ratio> {
        let cap = Ratio::from_bps(self.guards.limits().cap_bps);
        let nav = self.books.nav.minus(self.rebate()?)?;
        let before = nav.times(cap)?.minus(self.books.exposure)?;
        let after = nav.minus(flow.given)?.plus(flow.received)?.times(cap)?;
        let after = after.minus(self.books.exposure)?.minus(flow.received)?;
        let fall = before.minus(after)?;
        if before <= Usd::ZERO || fall <= Usd::ZERO { Ok(Ratio::ZERO) } else { before.over(fall) }
    }

    fn flow(&self, (units, value): (Units, Usd), marginal: Ratio) -> Checked<Flow> {
        let risky = self.books.price.value_of(units)?;
        let (given, received) = match self.side {
            Side::Sell => (risky, value),
            Side::Buy => (value, risky),
        };
        Ok(Flow { given, received, marginal })
    }

    fn least_out(&self, amount_in: U256) -> Checked<U256> {
        self.guards.least_out(self.side, amount_in, self.slippage_bps())
    }

    fn slippage_bps(&self) -> u32 {
        self.policy.limits.max_slippage_bps.min(self.guards.limits().slippage_bps)
    }

    fn rebate(&self) -> Checked<Usd> {
        from_raw(self.guards.limits().gas_rebate, self.guards.asset_decimals()).map(Usd::new)
    }
}

/// Which part of a trade is left by one step of Newton's method towards `room = 0`, where `room` is negative and
/// changes by `slope` for each dollar given. The room is concave in what is given, because impact is convex: so the
/// steps come down to the limit from outside, and end at the same size wherever they began.
fn newton(flow: &Flow, room: Usd, slope: Ratio) -> Checked<Ratio> {
    if slope >= Ratio::ZERO {
        return Ok(HALF);
    }
    let gone = room.over(flow.given)?.over(slope)?;
    Ok(Ratio::ONE.minus(gone)?.or_zero())
}

/// `kept` of `amount`, rounded down.
fn part(amount: U256, kept: Ratio) -> Checked<U256> {
    let product = amount.checked_mul(to_raw(kept.get(), PART_PLACES)?).ok_or(NumberError::Amount)?;
    product.checked_div(to_raw(Decimal::ONE, PART_PLACES)?).ok_or(NumberError::Amount)
}

/// A lack of liquidity speaks of the size that was wanted, not of the amount it was cut to.
fn of_size(reason: Reason, size: Units) -> Reason {
    if let Reason::NoLiquidity { pool, .. } = reason { Reason::NoLiquidity { pool, size } } else { reason }
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
