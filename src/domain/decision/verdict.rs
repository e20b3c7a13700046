//! What comes of a case: to hold, to refuse, or to trade.

use super::super::cost::Balance;
use super::super::guards::VaultGuards;
use super::super::market::Side;
use super::super::reason::Reason;
use super::super::triggers::{Ask, Motive};
use super::super::units::{Units, Usd};
use super::sizing::{Sized, Sizing};
use super::{Case, Verdict, side};

impl Case<'_> {
    pub(super) fn verdict(&self) -> Result<Verdict, Reason> {
        let (size, motive) = match &self.ask {
            Ask::Hold(reason) => return Ok(self.hold(reason.clone())),
            Ask::Trade { size, motive } => (*size, motive),
        };
        let Some(missing) = self.appraisal.missing() else { return self.traded(size, motive) };
        let verdict = self.nearest(size, motive, &missing);
        if self.leaves_nothing(&verdict)? { self.lacking(size, motive, missing) } else { verdict }
    }

    /// As far towards a target that cannot be reached as the vault can go: what it holds is sold, or what its cash pays
    /// for is bought.
    fn nearest(&self, size: Units, motive: &Motive, missing: &Reason) -> Result<Verdict, Reason> {
        match side(&self.books, &self.target) {
            Side::Buy => self.traded(size, motive),
            Side::Sell if self.books.held == Units::ZERO => Err(missing.clone()),
            Side::Sell => self.traded(size.at_most(self.books.held), motive),
        }
    }

    /// Whether a verdict on what can be traded towards such a target means that nothing of it is worth trading. A limit
    /// that leaves too little for now is another matter.
    fn leaves_nothing(&self, verdict: &Result<Verdict, Reason>) -> Result<bool, Reason> {
        match verdict {
            Ok(Verdict::Hold { .. }) | Err(Reason::NeedsBorrowing { .. }) => Ok(true),
            Err(Reason::TooSmall { .. }) => Ok(self.room()? < self.smallest()),
            Ok(Verdict::Refuse { .. } | Verdict::Rebalance { .. }) | Err(_) => Ok(false),
        }
    }

    /// What can be traded towards the target at most, turnover and other limits aside.
    fn room(&self) -> Result<Usd, Reason> {
        match side(&self.books, &self.target) {
            Side::Sell => Ok(self.books.exposure),
            Side::Buy => Ok(VaultGuards::new(&self.snapshot.vault, &self.books)?.room()?),
        }
    }

    /// What the vault lacks is the reason, if trading up to `size` units is worth anything.
    fn lacking(&self, size: Units, motive: &Motive, missing: Reason) -> Result<Verdict, Reason> {
        let venue = self.costing.economics.proportional.value_of(size)?;
        let Balance { benefit, cost, .. } = self.balance(size, venue)?;
        if matches!(motive, Motive::Economic) && benefit <= cost {
            return Ok(self.hold(Reason::NotWorth { benefit, cost }));
        }
        self.small(size)?.map_or(Err(missing), |reason| Ok(self.hold(reason)))
    }

    /// The smallest value that is traded.
    fn smallest(&self) -> Usd {
        self.policy.limits.min_trade.max(self.costing.economics.fixed)
    }

    /// Why `size` units are not traded even if nothing stands in the way, where they are too few.
    fn small(&self, size: Units) -> Result<Option<Reason>, Reason> {
        let (value, min) = (self.books.price.value_of(size)?, self.smallest());
        Ok((value < min).then_some(Reason::TooSmall { value, min }))
    }

    /// Holds for `reason`, or for a Greek over its bound unless more is at stake.
    fn hold(&self, reason: Reason) -> Verdict {
        let crossed = self.appraisal.options.iter().flat_map(|book| &book.crossed).next();
        let crossed = crossed.filter(|_| self.target.mandate.is_none()).cloned();
        Verdict::Hold { reason: crossed.unwrap_or(reason) }
    }

    /// What comes of a wish to trade up to `size` units. To hold dust is no refusal: what no pool pays for is not worth
    /// its gas, what is worth less than its gas is not sold even where it has to be, and where nothing has to be, what is
    /// wanted may be too small. Only what a limit made too small is refused.
    fn traded(&self, size: Units, motive: &Motive) -> Result<Verdict, Reason> {
        if matches!(motive, Motive::Economic)
            && let Some(reason) = self.costing.futile(self.appraisal.drift)?
        {
            return Ok(self.hold(reason));
        }
        let verdict = self.trade_of(size, motive);
        let Err(Reason::TooSmall { .. }) = verdict else { return verdict };
        let held = match motive {
            Motive::Economic => {
                let Balance { benefit, cost, .. } = self.balance(size, Usd::ZERO)?;
                if benefit <= cost { Some(Reason::NotWorth { benefit, cost }) } else { self.small(size)? }
            }
            Motive::Mandatory(reason) => {
                let dust = self.books.price.value_of(size)? < self.costing.economics.fixed;
                dust.then(|| reason.clone())
            }
            Motive::Rule(_) => self.small(size)?,
        };
        held.map_or(verdict, |reason| Ok(self.hold(reason)))
    }

    fn trade_of(&self, size: Units, motive: &Motive) -> Result<Verdict, Reason> {
        let (limits, vault, mandatory) = (&self.policy.limits, &self.snapshot.vault, motive.is_mandatory());
        let side = side(&self.books, &self.target);
        let slippage_bps = limits.max_slippage_bps.min(vault.guards.slippage_bps);
        let fit = self.market.fit_for(side, slippage_bps, (!mandatory).then_some(limits))?;
        let sizing = Sizing {
            guards: VaultGuards::new(vault, &self.books)?,
            policy: self.policy,
            books: &self.books,
            market: fit.as_ref().unwrap_or(&self.market),
            costing: &self.costing,
            side,
            mandatory,
        };
        let slice = sizing.slice(size)?;
        let best = if *motive == Motive::Economic { sizing.least_average_cost(slice)? } else { slice };
        let sized = sizing.size(best)?;
        let balance = self.balance(sized.fill.units, sizing.venue_cost(&sized.fill)?)?;
        let reason = match motive {
            Motive::Mandatory(reason) | Motive::Rule(reason) => reason.clone(),
            Motive::Economic => match self.unpaid(&sizing, best, &sized, balance)? {
                Some(Balance { benefit, cost, .. }) => {
                    return Ok(self.hold(Reason::NotWorth { benefit, cost }));
                }
                None => {
                    Reason::Worth { benefit: balance.benefit, cost: balance.cost, excess: balance.excess }
                }
            },
        };
        self.permitted(&sizing, size, &sized)?;
        Ok(Verdict::Rebalance { reason, trade: sizing.trade(&sized, balance)? })
    }

    /// The balance that does not pay, if there is one: of the trade, or of the `best` size before any limit cut it. A
    /// limit must not turn a vault that holds into one that buys.
    fn unpaid(
        &self,
        sizing: &Sizing<'_>,
        best: Units,
        sized: &Sized,
        balance: Balance,
    ) -> Result<Option<Balance>, Reason> {
        if !balance.pays() || sized.cut_by.is_none() {
            return Ok(Some(balance).filter(|b| !b.pays()));
        }
        match sizing.market.cost(sizing.side, best) {
            Ok(venue) => Ok(Some(self.balance(best, venue)?).filter(|b| !b.pays())),
            // What is not known of the pool is no reason against what is.
            Err(Reason::NoLiquidity { .. }) => Ok(None),
            Err(reason) => Err(reason),
        }
    }

    fn balance(&self, size: Units, venue: Usd) -> Result<Balance, Reason> {
        self.costing.balance(self.appraisal.drift, size, venue)
    }

    /// What may forbid a trade of which `wanted` units are wanted.
    fn permitted(&self, sizing: &Sizing<'_>, wanted: Units, sized: &Sized) -> Result<(), Reason> {
        let (vault, limits, now) = (&self.snapshot.vault, &self.policy.limits, self.snapshot.block.timestamp);
        let mandatory = sizing.mandatory;
        if sizing.side == Side::Buy && now < vault.paused_until {
            return Err(Reason::Paused { until: vault.paused_until });
        }
        if !mandatory {
            sizing.market.steady(limits)?;
        }
        let until = vault.last_rebalance.saturating_add(vault.guards.cooldown);
        if vault.last_rebalance > 0 && now < until && !sized.exempt {
            return Err(Reason::Cooldown { until });
        }
        sizing.due(vault.last_rebalance, now)?;
        let (price, cap) = (
            self.appraisal.gas_price,
            if mandatory { limits.max_urgent_gas_price_wei } else { limits.max_gas_price_wei },
        );
        if price > cap {
            return Err(Reason::GasOverCap { price, cap });
        }
        // A mandatory sale is too small only where its gas costs more than it is worth: dust must not burn gas for ever.
        let fixed = self.costing.economics.fixed;
        let min = if mandatory { limits.min_trade.at_most(fixed) } else { limits.min_trade };
        // A slice made smaller to save impact is a part of what is wanted; what a limit left over is not.
        let whole = self.books.price.value_of(wanted)?;
        let value = if sized.cut_by.is_none() { whole.max(sized.fill.value) } else { sized.fill.value };
        if value < min {
            return Err(Reason::TooSmall { value, min });
        }
        Ok(())
    }
}
