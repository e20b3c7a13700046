//! Decisions to hold that are certain before cushion and target are exact: where a drift surely holds whatever these are within their
//! roundings, so does the decision. What is not sure, or not of the plainest kind, is left to be worked out.

use super::super::cost::Priced;
use super::super::cushion::exit_gas;
use super::super::market::Side;
use super::super::models::cppi::Holding;
use super::super::models::tracking::{GapBound, Insured, Leeway, Stand};
use super::super::models::years;
use super::super::policy::{Policy, StrategyPolicy, Trigger};
use super::super::units::{Ratio, Real};
use super::found::Seen;
use super::glance::Quiet;

impl Seen<'_> {
    /// What is sure to hold, where the policy asks for nothing but that a trade pays.
    pub(super) fn quiet(&self) -> Option<Quiet> {
        let policy = self.policy();
        let asks = matches!(policy.trigger, Trigger::Economic) && !self.snapshot.vault.cash_lock;
        if !asks || policy.option_book().is_some() {
            return None;
        }
        let (stand, leeway) = self.stand(policy)?;
        let side = if stand.holding.units > stand.target { Side::Sell } else { Side::Buy };
        let proportional = self.books.price.times(self.market.marginal_cost(side)).ok()?;
        let priced = Priced::at(&stand, (side, proportional), *self.market.sending(), policy);
        let surely = priced.surely(&leeway, &self.market)?;
        Some(Quiet { surely, price: self.books.price, target: Real::new(stand.target).ok()? })
    }

    /// Of constant proportion portfolio insurance that trades with one pool.
    fn stand(&self, policy: &Policy) -> Option<(Stand, Leeway)> {
        let StrategyPolicy::Cppi { multiplier, cap } = &policy.strategy else { return None };
        let Ok((volatility, None)) = &self.volatility else { return None };
        let [_] = self.market.listings() else { return None };
        let (books, reserve, gap) = (&self.books, &policy.reserve, &policy.gap);
        let holding =
            Holding { units: books.held.real(), price: books.price.real(), volatility: volatility.get() };
        let insured = Insured {
            multiplier: multiplier.real(),
            cap: cap.real(),
            holding,
            nav: books.nav.real(),
            exposure: books.exposure.real(),
            floor: books.floor.real(),
            proceeds: self.market.near(Side::Sell)?.proceeds(holding.units)?,
            deviation: Ratio::from_bps(reserve.feed_deviation_bps).real(),
            exit_gas: exit_gas(books, policy, 1).ok()?.real(),
            gap: (gap.quantile != Ratio::ZERO || gap.jump != Ratio::ZERO).then(|| GapBound {
                deviations: gap.quantile.real(),
                interval: years(gap.outage_seconds),
                jump: gap.jump.real(),
                safety: gap.safety.real(),
            }),
        };
        insured.stand()
    }
}
