//! What a course comes to: return, risk, floor and cost.
//!
//! Returns are those of net asset value per share less the gas that was paid for it, from the first tick to the end of the first
//! bar, and from the end of one bar to the end of the next, so that deposits and withdrawals are no returns. A year has as many as
//! their number over the years from the first to the last tick. What the option book is worth is a part of it, but not where it is held
//! against the floor, which the vault's contract does without. Definitions stand at each figure.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::account::OptionAccount;
use super::run::{Outcome, Rebalance, Step};
use crate::domain::models::years;
use crate::domain::units::to_real;

/// The figures of one course. Ratios are parts of one; money is in units of the asset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Seconds from the first to the last tick.
    pub seconds: u64,
    /// First net asset value.
    pub start: f64,
    /// Last net asset value, gas taken off.
    pub end: f64,
    /// Deposits less withdrawals after the start.
    pub flows: f64,
    /// `Π(1 + rᵢ) − 1` of the returns `rᵢ` of the bars.
    pub total_return: f64,
    /// `(1 + total_return)^(1/years) − 1`; none below a week, of which no year can be told.
    pub annual_return: Option<f64>,
    /// Standard deviation of `ln(1 + rᵢ)` about their mean, times the root of returns per year.
    pub volatility: f64,
    /// Mean of `rᵢ` over their standard deviation, times the root of returns per year; the riskless rate is that of the asset, zero.
    /// None where they do not differ.
    pub sharpe: Option<f64>,
    /// The same over the root of the mean of `min(rᵢ, 0)²`; none where there was no loss.
    pub sortino: Option<f64>,
    /// Largest fall of value per share from a peak before it, part of the peak; of every tick, not of bars alone.
    pub max_drawdown: f64,
    /// Annual return over the largest drawdown; none where there is no annual return or was no drawdown.
    pub calmar: Option<f64>,
    /// Lowest of net asset value less gas less floor, at any tick.
    pub lowest_cushion: f64,
    /// The same over the floor there.
    pub lowest_cushion_share: f64,
    /// Times that net asset value less gas fell below the floor, each until it was back above it.
    pub floor_breaches: u64,
    /// Deepest that it was below the floor.
    pub breach_depth: f64,
    /// Net asset value less gas less floor at the end.
    pub last_cushion: f64,
    /// Root of the sum of squares of `(exposure − target)·Δp/p` over net asset value, per year: annualised deviation of what not
    /// being on the target earned. Of the time after ticks at which the policy had a target, and a year of that; none where it never
    /// had one.
    pub tracking_error: Option<f64>,
    /// Value traded over mean net asset value, per year. The mean is over time, and before gas.
    pub turnover: f64,
    /// Trades that were carried out.
    pub rebalances: u64,
    /// Those of them that were mandatory.
    pub mandatory: u64,
    /// Transactions that reverted.
    pub reverted: u64,
    /// Gas, USD.
    pub gas: f64,
    /// Fees of pools.
    pub fees: f64,
    /// Depth and lag of pools.
    pub impact: f64,
    /// All three over mean net asset value, per year, basis points.
    pub cost_bps: f64,
    /// Part of the time in cash-lock.
    pub cash_lock: f64,
    /// Sum of `(exposure − target)·Δp/p` over the same ticks as the tracking error: what not being on the target earned.
    pub hedging_error: Option<f64>,
    /// Positions of the option book that were opened. This and what follows is there where the policy hedges a book.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<u64>,
    /// Ticks at which a series was due and was not opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unopened: Option<u64>,
    /// Positions that no answer of the feed settled, so that they were undone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undone: Option<u64>,
    /// Premiums received less those paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub premiums: Option<f64>,
    /// Payoffs received less those owed at settlement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payoffs: Option<f64>,
    /// What the option book has earned: both, and what the open positions are worth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub book_profit: Option<f64>,
    /// What prices did to the risky units, before what trading cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hedge_profit: Option<f64>,
    /// Book and hedge together: what is left of a hedge's error, or of a volatility that was sold too cheap or dear.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hedged_profit: Option<f64>,
}

impl Metrics {
    /// The name of a figure that is there and is no finite number, if there is one.
    #[must_use]
    pub fn strange(&self) -> Option<String> {
        let there = |figure: Option<f64>| Some(figure.unwrap_or_default());
        let filled = Self {
            annual_return: there(self.annual_return),
            sharpe: there(self.sharpe),
            sortino: there(self.sortino),
            calmar: there(self.calmar),
            tracking_error: there(self.tracking_error),
            hedging_error: there(self.hedging_error),
            options: Some(0),
            unopened: Some(0),
            undone: Some(0),
            premiums: there(self.premiums),
            payoffs: there(self.payoffs),
            book_profit: there(self.book_profit),
            hedge_profit: there(self.hedge_profit),
            hedged_profit: there(self.hedged_profit),
            ..*self
        };
        // What is no finite number has no form in JSON.
        let told = serde_json::to_value(filled).unwrap_or_default();
        let figures = told.as_object()?;
        figures.iter().find(|(_, figure)| figure.is_null()).map(|(name, _)| name.clone())
    }
}

/// Gathers figures step by step; its memory does not grow with them.
#[derive(Debug, Clone, Default)]
pub struct Gauge {
    first: Option<Step>,
    last: Option<Step>,
    /// Net asset value, value of what is held, and the market's price at the last step.
    stood: (f64, f64, f64),
    /// Value per share at the end of the last bar.
    closed: Option<f64>,
    grown: Moments,
    returns: Moments,
    downside: f64,
    product: f64,
    peak: f64,
    drawdown: f64,
    max_drawdown: f64,
    lowest: Option<(f64, f64)>,
    below: bool,
    breaches: u64,
    depth: f64,
    drift: f64,
    hedging: f64,
    /// Years after ticks with a target.
    aimed: f64,
    locked: u64,
    /// Net asset value times seconds.
    standing: f64,
}

/// Sums of powers.
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean: f64,
    /// Sum of squares about the mean (Welford 1962).
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let off = value - self.mean;
        self.mean += off / self.count;
        self.squares += off * (value - self.mean);
    }

    fn deviation(&self) -> f64 {
        if self.count > 1.0 { libm::sqrt(self.squares / (self.count - 1.0)) } else { 0.0 }
    }
}

impl Gauge {
    /// Takes the next step in.
    pub fn see(&mut self, step: &Step) {
        let account = &step.account;
        let nav = account.nav();
        let stands = (to_real(nav), to_real(account.value), to_real(step.tick.price));
        let net = to_real(nav.saturating_sub(account.gas));
        let floor = to_real(step.floor);
        let share = net / to_real(step.shares).max(f64::MIN_POSITIVE);
        let share = if step.shares.is_zero() { 0.0 } else { share };
        if let Some(last) = self.last {
            self.pass(&last, step.tick.time, stands.2);
        } else {
            (self.first, self.closed, self.product, self.peak) = (Some(*step), Some(share), 1.0, share);
        }
        self.peak = self.peak.max(share);
        self.drawdown = if self.peak > 0.0 { 1.0 - share / self.peak } else { 0.0 };
        self.max_drawdown = self.max_drawdown.max(self.drawdown);
        let cushion = if step.account.options.is_some() { to_real(step.account.counted_net()) } else { net };
        self.hold_against_floor(cushion - floor, floor);
        if step.tick.closes {
            self.close(share);
        }
        (self.last, self.stood) = (Some(*step), stands);
    }

    /// How far value per share is below its peak, as a part of it.
    #[must_use]
    pub const fn drawdown(&self) -> f64 {
        self.drawdown
    }

    /// Lets the time from one step to the next pass.
    fn pass(&mut self, last: &Step, time: u64, price: f64) {
        let seconds = time.saturating_sub(last.tick.time);
        let passed = years(seconds);
        let (nav, value, last_price) = self.stood;
        self.standing += nav * passed;
        if last.locked {
            self.locked = self.locked.saturating_add(seconds);
        }
        let Some(aim) = last.aim else { return };
        self.aimed += passed;
        let off = (value - aim.target) * (price / last_price - 1.0);
        self.hedging += off;
        let part = off / nav.max(1.0);
        self.drift += part * part;
    }

    fn hold_against_floor(&mut self, cushion: f64, floor: f64) {
        if self.lowest.is_none_or(|(lowest, _)| cushion < lowest) {
            self.lowest = Some((cushion, if floor > 0.0 { cushion / floor } else { 0.0 }));
        }
        let below = cushion < 0.0;
        if below && !self.below {
            self.breaches = self.breaches.saturating_add(1);
        }
        if below {
            self.depth = self.depth.max(-cushion);
        }
        self.below = below;
    }

    fn close(&mut self, share: f64) {
        let Some(before) = self.closed.replace(share).filter(|before| *before > 0.0) else { return };
        let earned = share / before - 1.0;
        self.product *= 1.0 + earned;
        self.returns.add(earned);
        self.grown.add(libm::log1p(earned.max(-1.0 + f64::EPSILON)));
        let loss = earned.min(0.0);
        self.downside += loss * loss;
    }

    /// What it comes to.
    #[must_use]
    pub fn metrics(&self, outcome: &Outcome) -> Metrics {
        let (Some(first), Some(last)) = (self.first, self.last) else { return Metrics::default() };
        let seconds = last.tick.time.saturating_sub(first.tick.time);
        let whole = years(seconds);
        let per_year = if whole > 0.0 { self.returns.count / whole } else { 0.0 };
        let total_return = self.product - 1.0;
        let annual_return =
            (seconds >= WEEK).then(|| libm::expm1(libm::log1p(total_return.max(-1.0)) / whole));
        let account = last.account;
        let book =
            |of: &dyn Fn(&OptionAccount) -> Decimal| account.options.map(|options| to_real(of(&options)));
        let costs = to_real(account.costs());
        let mean_nav = if whole > 0.0 { self.standing / whole } else { to_real(account.nav()) };
        let (lowest_cushion, lowest_cushion_share) = self.lowest.unwrap_or_default();
        let over = |value: f64, by: f64| if by > 0.0 { value / by } else { 0.0 };
        let downside = libm::sqrt(over(self.downside, self.returns.count));
        let count = |of: fn(&Rebalance) -> bool| counted(&outcome.rebalances, of);
        let start = to_real(first.account.flows);
        Metrics {
            seconds,
            start,
            end: to_real(account.net()),
            flows: to_real(account.flows.saturating_sub(first.account.flows)),
            total_return,
            annual_return,
            volatility: self.grown.deviation() * libm::sqrt(per_year),
            sharpe: self.reward(self.returns.deviation(), per_year),
            sortino: self.reward(downside, per_year),
            max_drawdown: self.max_drawdown,
            calmar: annual_return
                .filter(|_| self.max_drawdown > 0.0)
                .map(|annual| annual / self.max_drawdown),
            lowest_cushion,
            lowest_cushion_share,
            floor_breaches: self.breaches,
            breach_depth: self.depth,
            last_cushion: to_real(account.counted_net().saturating_sub(last.floor)),
            tracking_error: (self.aimed > 0.0).then(|| libm::sqrt(self.drift / self.aimed)),
            turnover: over(over(to_real(account.turnover), mean_nav), whole),
            rebalances: count(|rebalance| !rebalance.reverted),
            mandatory: count(|rebalance| !rebalance.reverted && rebalance.mandatory),
            reverted: count(|rebalance| rebalance.reverted),
            gas: to_real(account.gas),
            fees: to_real(account.fees),
            impact: to_real(account.impact),
            cost_bps: 1e4 * over(over(costs, mean_nav), whole),
            cash_lock: over(years(self.locked), whole),
            hedging_error: (self.aimed > 0.0).then_some(self.hedging),
            options: account.options.map(|_| counted(&outcome.rolls, |roll| roll.opened.is_some())),
            unopened: account.options.map(|_| outcome.unrolled.values().sum()),
            undone: account.options.map(|_| counted(&outcome.rolls, |roll| roll.undone().is_some())),
            premiums: book(&|options| options.premiums),
            payoffs: book(&|options| options.payoffs),
            book_profit: book(&|options| options.earned()),
            hedge_profit: book(&|_| account.earned),
            hedged_profit: book(&|options| options.earned().saturating_add(account.earned)),
        }
    }

    /// Mean return over a risk of as many of them a year; none where there is no risk.
    fn reward(&self, risk: f64, per_year: f64) -> Option<f64> {
        (risk > 0.0).then(|| self.returns.mean / risk * libm::sqrt(per_year))
    }
}

/// How many are so.
fn counted<T>(all: &[T], so: fn(&T) -> bool) -> u64 {
    u64::try_from(all.iter().filter(|one| so(one)).count()).unwrap_or(u64::MAX)
}

/// Seconds of a week.
const WEEK: u64 = 604_800;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_that_is_not_there_is_none_that_is_no_number() {
        assert_eq!(Metrics::default().strange(), None);
        let of = |metrics: Metrics| metrics.strange().unwrap();
        assert_eq!(of(Metrics { sortino: Some(f64::INFINITY), ..Metrics::default() }), "sortino");
        assert_eq!(of(Metrics { impact: f64::NAN, ..Metrics::default() }), "impact");
    }
}
