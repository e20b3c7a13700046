//! One policy on its way through the past: it decides at every tick, what it decides is included a little later, and every step is
//! booked.

mod include;
mod look;
mod options;
mod reasons;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use rust_decimal::Decimal;

pub use look::Aim;
use look::Look;
use reasons::Reasons;

use super::account::Account;
use super::moment::Moment;
use super::opening::Start;
use super::prices::{Tick, Way};
use super::rolls::Roll;
use super::setting::{Absent, Flow, Setting};
use super::unopened::Unopened;
use super::world::World;
use crate::backtest::BacktestError;
use crate::domain::decision::{Decider, Decision, Trade, Verdict};
use crate::domain::policy::PublishedPolicy;
use crate::domain::snapshot::Snapshot;
use crate::domain::strategies::Strategy;
use crate::domain::units::from_raw;
use crate::stage::path::files::BaseFee;

/// What is walked through.
#[derive(Debug)]
pub struct Past<'a> {
    /// The prices, in the order in which they came.
    pub ticks: &'a [Tick],
    /// Base fees, in the order of time; where there is none yet, or at all, that of the setting stands.
    pub base_fees: &'a [BaseFee],
    /// The world.
    pub setting: &'a Setting,
    /// What it begins with.
    pub start: Start<'a>,
}

/// Who keeps the vault.
#[derive(Debug, Clone)]
pub enum Keeper {
    /// This policy.
    Policy(PublishedPolicy),
    /// This policy with a strategy of one's own in the place of the one that it names.
    Own(PublishedPolicy, Arc<dyn Strategy>),
    /// Buys this policy's first target, and nothing after it.
    Hold(PublishedPolicy),
    /// Nobody: all stays in the asset.
    Cash(PublishedPolicy),
    /// The same, with sizes of what is held being of what the vault held that opened these positions at the same time.
    Naked(PublishedPolicy, Vec<Roll>),
}

/// The vault at a tick, units of the asset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// The tick.
    pub tick: Tick,
    /// The books after whatever was done at it.
    pub account: Account,
    /// Shares.
    pub shares: Decimal,
    /// Floor of all shares.
    pub floor: Decimal,
    /// Whether the vault is in cash-lock.
    pub locked: bool,
    /// What the policy aims at, where it could say.
    pub aim: Option<Aim>,
}

/// A trade that was decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Rebalance {
    /// When it was decided, seconds since 1970.
    pub decided: u64,
    /// When it was included.
    pub included: u64,
    /// Market's price there.
    pub price: Decimal,
    /// Whether risky was sold.
    pub sell: bool,
    /// Code of the reason.
    pub reason: String,
    /// Whether it was made whatever it cost.
    pub mandatory: bool,
    /// Value that changed hands; zero where it reverted.
    pub value: Decimal,
    /// Fees, impact and gas.
    pub fees: Decimal,
    /// What it got less than the market's price beside the fee.
    pub impact: Decimal,
    /// Gas.
    pub gas: Decimal,
    /// Whether the pool no longer gave what was asked for at least, so that gas was paid for nothing.
    pub reverted: bool,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// Every trade.
    pub rebalances: Vec<Rebalance>,
    /// How often each reason was given, `verdict: code`, of all that was decided.
    pub reasons: BTreeMap<String, u64>,
    /// Ticks at which nothing was decided anew, since a transaction was under way.
    pub under_way: u64,
    /// Ticks at which nobody decided, since the keeper was not there.
    pub absent: u64,
    /// Deposits and withdrawals that waited for an open option book to the end, and were not made.
    pub waiting: u64,
    /// Every position of the option book, in the order in which they were opened.
    pub rolls: Vec<Roll>,
    /// Ticks at which a series was to be opened and was not, by the reason.
    pub unrolled: BTreeMap<Unopened, u64>,
}

/// Walks `keeper` through the `past`; `seen` is told of every step, without its band.
///
/// # Errors
/// A number leaves its range, or the policy is of a rollup.
pub fn walk(past: &Past<'_>, keeper: &Keeper, seen: impl FnMut(&Step)) -> Result<Outcome, BacktestError> {
    walk_banded(past, keeper, |_| false, seen)
}

/// The same, with the bands of the ticks that `banded` asks for by their numbers.
///
/// # Errors
/// As [`walk`].
pub fn walk_banded(
    past: &Past<'_>,
    keeper: &Keeper,
    banded: impl Fn(usize) -> bool,
    mut seen: impl FnMut(&Step),
) -> Result<Outcome, BacktestError> {
    go(past, keeper, banded, |sight| {
        seen(sight.step);
        ControlFlow::Continue(())
    })
}

/// What is seen of a step beside its books.
#[derive(Debug, Clone, Copy)]
pub struct Sight<'a> {
    /// The step.
    pub step: &'a Step,
    /// What was decided; absent where nobody did, or it was only glanced at.
    pub decision: Option<&'a Decision>,
    /// Whether a transaction is under way.
    pub under_way: bool,
    /// The facts after it.
    pub snapshot: &'a Snapshot,
}

/// The same, until who is told has seen enough.
///
/// # Errors
/// As [`walk`].
pub fn watch(
    past: &Past<'_>,
    keeper: &Keeper,
    seen: impl FnMut(&Sight<'_>) -> ControlFlow<()>,
) -> Result<Outcome, BacktestError> {
    go(past, keeper, |_| true, seen)
}

/// Walks on; ticks that are not asked for in `full` are only glanced at.
fn go(
    past: &Past<'_>,
    keeper: &Keeper,
    full: impl Fn(usize) -> bool,
    mut seen: impl FnMut(&Sight<'_>) -> ControlFlow<()>,
) -> Result<Outcome, BacktestError> {
    let Some(first) = past.ticks.first() else { return Ok(Outcome::default()) };
    let mut walk = Walk::begin(past, keeper, *first)?;
    for (at, tick) in past.ticks.iter().enumerate() {
        let came = walk.come_to(*tick, at > 0);
        let look = came.and_then(|()| walk.decide(*tick, full(at))).map_err(|error| error.at(tick.time))?;
        // Who buys once and holds aims at nothing.
        let aim = look.as_ref().filter(|_| !matches!(keeper, Keeper::Hold(_))).and_then(Look::aim);
        let step = walk.seen(*tick, aim)?;
        let (under_way, snapshot) = (walk.sent.is_some(), walk.world.snapshot());
        let decision = look.as_ref().and_then(Look::decision);
        let sight = Sight { step: &step, decision, under_way, snapshot };
        if seen(&sight).is_break() {
            break;
        }
    }
    let waiting = walk.flows.iter().filter(|flow| past.ticks.last().is_some_and(|last| flow.at <= last.time));
    let waiting = u64::try_from(waiting.count()).unwrap_or(u64::MAX);
    Ok(Outcome { reasons: walk.reasons.named(), waiting, ..walk.outcome })
}

struct Walk<'a> {
    past: &'a Past<'a>,
    keeper: &'a Keeper,
    decider: Decider<'a>,
    world: World<'a>,
    way: Way,
    account: Account,
    /// What was sent and is not included yet.
    sent: Option<Sent>,
    /// Flows that are not made yet, by time; those from before the first tick are none.
    flows: Vec<Flow>,
    /// Whether nobody trades any more.
    rests: bool,
    reasons: Reasons,
    outcome: Outcome,
}

struct Sent {
    decided: u64,
    due: u64,
    reason: String,
    trade: Trade,
}

impl<'a> Walk<'a> {
    fn begin(past: &'a Past<'a>, keeper: &'a Keeper, first: Tick) -> Result<Self, BacktestError> {
        let (published, rests) = match keeper {
            Keeper::Policy(published) | Keeper::Own(published, _) | Keeper::Hold(published) => {
                (published, false)
            }
            Keeper::Cash(published) | Keeper::Naked(published, _) => (published, true),
        };
        let reach = past.setting.pools.arbitrage_seconds.max(past.setting.keeper.inclusion_seconds);
        let mut flows = past.setting.flows.clone();
        flows.retain(|flow| flow.at >= first.time);
        flows.sort_by_key(|flow| std::cmp::Reverse(flow.at));
        let mut walk = Self {
            past,
            keeper,
            decider: match keeper {
                Keeper::Own(published, strategy) => Decider::by(published, strategy.as_ref()),
                Keeper::Policy(_) | Keeper::Hold(_) | Keeper::Cash(_) | Keeper::Naked(..) => {
                    Decider::new(published)
                }
            },
            world: World::open(
                past.setting,
                published,
                &past.start,
                &Moment {
                    time: first.time,
                    price: first.price,
                    reference: first.price,
                    base_fee: base_fee(past, first.time),
                },
            )?,
            way: Way::at(first, reach),
            account: Account::default(),
            sent: None,
            flows,
            rests,
            reasons: Reasons::default(),
            outcome: Outcome::default(),
        };
        if let Keeper::Naked(_, rolls) = keeper {
            walk.world.size_by(rolls);
        }
        let held = walk.world.held()?;
        walk.account.flow(held, first.price)?;
        walk.bring_options(first.price)?;
        Ok(walk)
    }

    fn published(&self) -> &'a PublishedPolicy {
        match self.keeper {
            Keeper::Policy(published)
            | Keeper::Own(published, _)
            | Keeper::Hold(published)
            | Keeper::Cash(published)
            | Keeper::Naked(published, _) => published,
        }
    }

    /// Comes to a tick: what is due is included first, and what is brought and taken is booked.
    fn come_to(&mut self, tick: Tick, moved: bool) -> Result<(), BacktestError> {
        if moved {
            self.way.go(tick);
        }
        if let Some(sent) = self.sent.take_if(|sent| sent.due <= tick.time) {
            self.include(sent)?;
        }
        self.arrive(tick.time)?;
        self.account.mark(tick.price)?;
        self.settle_options()?;
        // With open options nobody enters or leaves.
        while !self.world.snapshot().vault.epoch_open
            && let Some(flow) = self.flows.pop_if(|flow| flow.at <= tick.time)
        {
            self.flow(flow, tick.price)?;
        }
        self.roll(tick.price)?;
        Ok(())
    }

    fn arrive(&mut self, time: u64) -> Result<Decimal, BacktestError> {
        let lag = self.past.setting.pools.arbitrage_seconds;
        let price = self.way.price(time);
        let reference = self.way.price(time.saturating_sub(lag));
        self.world.arrive(&Moment { time, price, reference, base_fee: base_fee(self.past, time) })?;
        Ok(price)
    }

    /// Decides, in `full` or at a glance, and sends what comes of it.
    fn decide(&mut self, tick: Tick, full: bool) -> Result<Option<Look>, BacktestError> {
        if !self.past.setting.is_there(Absent::Keeper, tick.time) {
            self.outcome.absent = self.outcome.absent.saturating_add(1);
            return Ok(None);
        }
        if self.rests {
            return Ok(None);
        }
        let look = Look::of(&mut self.decider, self.world.snapshot(), full);
        match (&look, &self.sent) {
            (_, Some(_)) => self.outcome.under_way = self.outcome.under_way.saturating_add(1),
            (Look::Decided(decision, _), None) => self.act(tick, decision)?,
            (Look::Glanced(quiet), None) => self.reasons.count_quiet(quiet),
        }
        Ok(Some(look))
    }

    fn act(&mut self, tick: Tick, decision: &Decision) -> Result<(), BacktestError> {
        self.reasons.count(&decision.verdict);
        if let Verdict::Rebalance { reason, trade } = &decision.verdict {
            let due = tick.time.saturating_add(self.past.setting.keeper.inclusion_seconds);
            let sent = Sent { decided: tick.time, due, reason: reason.code(), trade: trade.clone() };
            // Who has no delay is included at the same price.
            if due <= tick.time {
                self.include(sent)?;
                self.account.mark(tick.price)?;
            } else {
                self.sent = Some(sent);
            }
        }
        Ok(())
    }

    fn seen(&self, tick: Tick, aim: Option<Aim>) -> Result<Step, BacktestError> {
        let vault = &self.world.snapshot().vault;
        Ok(Step {
            tick,
            account: self.account,
            shares: from_raw(vault.total_supply, vault.asset.decimals)?,
            floor: from_raw(vault.floor, vault.asset.decimals)?,
            locked: vault.cash_lock,
            aim,
        })
    }
}

/// Wei per gas at a time: the last one of the file before it, or that of the setting.
fn base_fee(past: &Past<'_>, time: u64) -> u64 {
    let known = past.base_fees.partition_point(|fee| fee.timestamp <= time);
    let last = known.checked_sub(1).and_then(|last| past.base_fees.get(last));
    last.map_or(past.setting.gas.base_fee_wei, |fee| u64::try_from(fee.wei).unwrap_or(u64::MAX))
}
