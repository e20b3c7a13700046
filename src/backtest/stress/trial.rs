//! A shock or a crash befalls a vault, and the keeper's own decision walks it until nothing is wanted any more.

use std::ops::ControlFlow;

use rust_decimal::Decimal;
use serde::Serialize;

use super::account::Stand;
use super::crash::Crash;
use super::guard::{Act, Watch};
use super::shock::Shock;
use super::{BLOCK_SECONDS, Subject};
use crate::backtest::BacktestError;
use crate::backtest::past::opening::{Standing, Start};
use crate::backtest::past::prices::Tick;
use crate::backtest::past::run::{Keeper, Outcome, Past, Sight, watch};
use crate::backtest::past::setting::{Outage, Setting};
use crate::backtest::past::strike::Strike;
use crate::domain::decision::{Decision, Verdict};
use crate::domain::limits::SizeLimit;
use crate::domain::units::{Ratio, Real, Units, Usd, to_real};

/// What came of it; money in units of the asset.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trial {
    /// What it is called.
    pub name: String,
    /// The market's price at `after`.
    pub price: Decimal,
    /// Before anything happened.
    pub before: Stand,
    /// When it had happened and nobody had acted yet; of a crash at its lowest price.
    pub after: Stand,
    /// When nothing was wanted any more, or time was up; of a crash at its end.
    pub end: Stand,
    /// Lowest net value less floor.
    pub lowest_cushion: Decimal,
    /// How deep net value fell below the floor; zero where the floor held.
    pub shortfall: Decimal,
    /// The same as a part of the floor.
    pub shortfall_share: f64,
    /// What is decided at `after`; absent of a crash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decided>,
    /// The guards that acted, in the order in which they did.
    pub guards: Vec<Act>,
    /// Trades that were carried out.
    pub transactions: u64,
    /// Transactions that reverted.
    pub reverted: u64,
    /// Seconds from the beginning until nothing was wanted and nothing under way; absent where that did not come within a day,
    /// and of a crash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_to_rest: Option<u64>,
    /// Gas of all transactions.
    pub gas: Decimal,
    /// What stayed with pools.
    pub fees: Decimal,
    /// What trades got less than the market's price beside the fee.
    pub impact: Decimal,
}

/// A decision in short.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decided {
    /// `hold`, `refuse` or `rebalance`.
    pub verdict: &'static str,
    /// Code of the reason.
    pub code: String,
    /// The reason, for people.
    pub reason: String,
    /// Annualised volatility reckoned with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volatility: Option<Real>,
    /// `m_max` at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub largest_safe_multiplier: Option<Ratio>,
    /// The trade, where one is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trade: Option<Traded>,
}

/// A trade in short.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Traded {
    /// Whether risky is sold.
    pub sell: bool,
    /// Risky units.
    pub units: Units,
    /// Units of the asset.
    pub value: Usd,
    /// What it costs with gas, fee and impact, times the policy's margin.
    pub cost: Real,
    /// Whether it is made whatever it costs.
    pub mandatory: bool,
    /// The limit that made it smaller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut_by: Option<SizeLimit>,
}

impl Trial {
    /// Whether net value was never below the floor.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.shortfall.is_zero()
    }
}

/// Where the vault stands before anything happens.
///
/// # Errors
/// [`BacktestError::Number`] out of range.
pub fn standing(subject: &Subject<'_>) -> Result<Stand, BacktestError> {
    let snapshot = subject.standing.snapshot;
    let setting = subject.setting(snapshot.block.next_base_fee, Vec::new());
    let tick = Tick { time: snapshot.block.timestamp, price: subject.price()?, closes: true, jumps: true };
    let start = Start::Vault(subject.standing);
    let past = Past { ticks: &[tick], base_fees: &[], setting: &setting, start };
    let mut stand = Stand::default();
    watch(&past, &Keeper::Cash(subject.published.clone()), |sight| {
        stand = Stand::of(sight.step);
        ControlFlow::Break(())
    })?;
    Ok(stand)
}

/// Lets a shock befall the vault.
///
/// # Errors
/// [`BacktestError::Number`] out of range, or where the price goes beyond what is known of a pool.
pub fn shocked(subject: &Subject<'_>, shock: &Shock) -> Result<Trial, BacktestError> {
    let Standing { snapshot, .. } = subject.standing;
    let base_fee = snapshot.block.next_base_fee.saturating_mul(shock.gas);
    let price = if shock.away.is_some() { Decimal::ZERO } else { shock.price };
    let strike = Strike { price, depth: shock.depth, base_fee };
    let at_once = shock.away.is_none() || shock.gas != 1 || shock.depth != Decimal::ONE;
    let struck =
        if at_once { subject.standing.struck(subject.published, &strike)? } else { snapshot.clone() };
    let standing = Standing { snapshot: &struck, ..subject.standing };
    let (began, first) = (struck.block.timestamp, standing.price()?);
    let away = shock.away.map_or(0, |away| away.seconds);
    let gone = |away: super::shock::Away| Outage {
        of: away.who,
        from: began,
        to: began.saturating_add(away.seconds),
    };
    let setting = subject.setting(base_fee, shock.away.map(gone).into_iter().collect());
    let last = if away == 0 { first } else { moved(first, shock.price)? };
    let ticks = ticks(began, (first, last), away);
    let walked =
        Walked { ticks: &ticks, setting: &setting, standing, after: After::At(began.saturating_add(away)) };
    walked.trial(subject, shock.name.clone())
}

/// Lets a crash befall the vault, from its current price on.
///
/// # Errors
/// As [`shocked`].
pub fn crashed(subject: &Subject<'_>, crash: &Crash) -> Result<Trial, BacktestError> {
    let block = &subject.standing.snapshot.block;
    let ticks = crash.from(subject.price()?, block.timestamp)?;
    let lowest = ticks.iter().min_by_key(|tick| tick.price).map_or(0, |tick| tick.time);
    let setting = subject.setting(block.next_base_fee, Vec::new());
    let standing = subject.standing;
    let walked = Walked { ticks: &ticks, setting: &setting, standing, after: After::Through(lowest) };
    walked.trial(subject, crash.name.clone())
}

/// When a vault is looked at, and when the walk ends.
#[derive(Debug, Clone, Copy)]
enum After {
    /// At this time, and the walk ends where nothing is wanted any more after it.
    At(u64),
    /// At this time, and the walk goes to its end.
    Through(u64),
}

/// A way to walk.
struct Walked<'a> {
    ticks: &'a [Tick],
    setting: &'a Setting,
    standing: Standing<'a>,
    after: After,
}

impl Walked<'_> {
    fn trial(&self, subject: &Subject<'_>, name: String) -> Result<Trial, BacktestError> {
        let start = Start::Vault(self.standing);
        let past = Past { ticks: self.ticks, base_fees: &[], setting: self.setting, start };
        let mut eye = Eye::new(self, subject);
        let outcome = watch(&past, &Keeper::Policy(subject.published.clone()), |sight| eye.see(sight))?;
        Ok(eye.trial(name, standing(subject)?, &outcome))
    }
}

/// What is kept of a walk.
struct Eye {
    began: u64,
    after: After,
    watch: Watch,
    seen: Option<(Stand, Decimal, Option<Decided>)>,
    end: Stand,
    /// The lowest cushion, and the floor there.
    lowest: Option<(Decimal, Decimal)>,
    costs: (Decimal, Decimal, Decimal),
    rested: Option<u64>,
}

impl Eye {
    fn new(walked: &Walked<'_>, subject: &Subject<'_>) -> Self {
        let began = walked.standing.snapshot.block.timestamp;
        Self {
            began,
            after: walked.after,
            watch: Watch::new(began, subject.deleverage),
            seen: None,
            end: Stand::default(),
            lowest: None,
            costs: (Decimal::ZERO, Decimal::ZERO, Decimal::ZERO),
            rested: None,
        }
    }

    fn see(&mut self, sight: &Sight<'_>) -> ControlFlow<()> {
        let (now, account) = (sight.step.tick.time, &sight.step.account);
        self.watch.see(sight);
        self.end = Stand::of(sight.step);
        self.costs = (account.gas, account.fees, account.impact);
        if self.lowest.is_none_or(|(lowest, _)| self.end.cushion < lowest) {
            self.lowest = Some((self.end.cushion, self.end.floor));
        }
        let (at, ends) = match self.after {
            After::At(at) => (at, true),
            After::Through(at) => (at, false),
        };
        if now >= at && self.seen.is_none() {
            let decided = sight.decision.filter(|_| ends).map(decided);
            self.seen = Some((self.end, sight.step.tick.price, decided));
        }
        let rests = sight.decision.is_some_and(|decision| matches!(decision.verdict, Verdict::Hold { .. }));
        if ends && now >= at && rests && !sight.under_way {
            self.rested = Some(now.saturating_sub(self.began));
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn trial(mut self, name: String, before: Stand, outcome: &Outcome) -> Trial {
        let reverted = outcome.rebalances.iter().filter(|rebalance| rebalance.reverted);
        if let Some(first) = reverted.clone().next() {
            self.watch.reverted(first.included);
        }
        self.watch.acts.sort_by_key(|act| act.after_seconds);
        let (after, price, decision) = self.seen.unwrap_or((self.end, Decimal::ZERO, None));
        let (lowest_cushion, floor) = self.lowest.unwrap_or_default();
        let shortfall = lowest_cushion.min(Decimal::ZERO).abs();
        let shortfall_share = if floor.is_zero() { 0.0 } else { to_real(shortfall) / to_real(floor) };
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let reverted = count(reverted.count());
        let (gas, fees, impact) = self.costs;
        Trial {
            name,
            price,
            before,
            after,
            end: self.end,
            lowest_cushion,
            shortfall,
            shortfall_share,
            decision,
            guards: self.watch.acts,
            transactions: count(outcome.rebalances.len()).saturating_sub(reverted),
            reverted,
            seconds_to_rest: self.rested,
            gas,
            fees,
            impact,
        }
    }
}

/// A decision in short.
#[must_use]
pub fn decided(decision: &Decision) -> Decided {
    let Decision { verdict, appraisal } = decision;
    let appraisal = appraisal.as_ref();
    let trade = match verdict {
        Verdict::Rebalance { trade, .. } => Some(Traded {
            sell: trade.sell_risky,
            units: trade.size,
            value: trade.value,
            cost: trade.cost,
            mandatory: trade.mandatory,
            cut_by: trade.cut_by,
        }),
        Verdict::Hold { .. } | Verdict::Refuse { .. } => None,
    };
    Decided {
        verdict: verdict.name(),
        code: verdict.reason().code(),
        reason: verdict.reason().to_string(),
        volatility: appraisal.map(|appraisal| appraisal.volatility),
        largest_safe_multiplier: appraisal.and_then(|appraisal| appraisal.multiplier?.largest_safe),
        trade,
    }
}

/// Steps of a fall.
const FALLING_STEP: u64 = 60;
/// After it: seconds up to which there is a chance to act so often.
const LOOKS: [(u64, u64); 3] = [(1_800, BLOCK_SECONDS), (21_600, 60), (86_400, 300)];

/// From one price to another in so many seconds, and then a day at it.
fn ticks(began: u64, (first, last): (Decimal, Decimal), falling: u64) -> Vec<Tick> {
    let tick = |time, price| Tick { time, price, closes: false, jumps: false };
    let way = last.saturating_sub(first);
    let fallen = |seconds: u64| {
        let part = Decimal::from(seconds).checked_div(Decimal::from(falling)).unwrap_or(Decimal::ONE);
        first.saturating_add(way.saturating_mul(part).round_dp(PRICE_PLACES))
    };
    let steps = falling.checked_div(FALLING_STEP).unwrap_or_default();
    let mut ticks: Vec<Tick> = (0..steps)
        .map(|step| step.saturating_mul(FALLING_STEP))
        .map(|seconds| tick(began.saturating_add(seconds), fallen(seconds)))
        .collect();
    let (mut seconds, settled) = (0_u64, began.saturating_add(falling));
    for (until, every) in LOOKS {
        while seconds < until {
            ticks.push(tick(settled.saturating_add(seconds), last));
            seconds = seconds.saturating_add(every);
        }
    }
    ticks
}

/// Decimal places of a price on its way.
const PRICE_PLACES: u32 = 8;

/// A price after a change, a part of it.
pub(super) fn moved(price: Decimal, change: Decimal) -> Result<Decimal, BacktestError> {
    let kept = Decimal::ONE.saturating_add(change);
    let moved = price.checked_mul(kept).ok_or(BacktestError::Number("a price"))?;
    Ok(moved.round_dp(PRICE_PLACES))
}
