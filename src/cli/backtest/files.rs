//! A backtest as files.

use std::path::Path;

use eyre::{Result, WrapErr};
use rust_decimal::Decimal;

use super::figures::{Definition, defined, figures as all_figures};
use super::{Tested, options};
use crate::backtest::past::contest::{Entry, Pictured};
use crate::backtest::past::prices::Tick;
use crate::backtest::past::run::{Rebalance, Step};
use crate::backtest::table::{Files, Table, Values};
use crate::domain::units::to_real;
use crate::report::backtest::{Backtest, Undecided, html};
use crate::report::course::{Contestant, Course, MarketPoint, Outcome, PastPoint, Trade, VaultPoint};

/// Writes everything into a directory; where something cannot be written, what was there is as it was.
pub(super) fn write(directory: &Path, tested: &Tested) -> Result<()> {
    let mut files = Files::default();
    files.text(&directory.join("report.html"), &page(tested)?)?;
    files.table(&directory.join("figures.csv"), &figures(tested)?)?;
    if let Some(policy) = tested.entries.first() {
        files.table(&directory.join("rebalances.csv"), &rebalances(&policy.outcome.rebalances)?)?;
        let options = directory.join("options.csv");
        match policy.metrics.options {
            Some(_) => files.table(&options, &options::table(&policy.outcome.rolls)?)?,
            None => files.absent(&options),
        }
    }
    files.table(&directory.join("course.csv"), &course_table(&tested.entries)?)?;
    Ok(files.put()?)
}

/// A row for each figure, by the names of `--json`, a column for each of those who take part.
pub(super) fn figures(tested: &Tested) -> Result<Table> {
    let texts = |of: fn(&Definition) -> &'static str| {
        Values::texts(defined(&tested.entries).map(|definition| of(definition).to_owned()))
    };
    let mut columns =
        vec![("figure", texts(|(id, ..)| id)), ("name", texts(|(_, name, ..)| name)), ("unit", texts(unit))];
    for entry in &tested.entries {
        let values = defined(&tested.entries).map(|(.., of)| of(&entry.metrics));
        columns.push((entry.entrant.id(), Values::reals(values)));
    }
    Ok(Table::of(columns)?)
}

const fn unit((_, _, _, unit, _): &Definition) -> &'static str {
    unit.name()
}

fn rebalances(rebalances: &[Rebalance]) -> Result<Table> {
    let reals = |of: fn(&Rebalance) -> Decimal| Values::reals(rebalances.iter().map(|one| to_real(of(one))));
    Ok(Table::of([
        ("decided", Values::counts(rebalances.iter().map(|one| one.decided))),
        ("included", Values::counts(rebalances.iter().map(|one| one.included))),
        ("reason", Values::texts(rebalances.iter().map(|one| one.reason.clone()))),
        ("sell", Values::flags(rebalances.iter().map(|one| one.sell))),
        ("mandatory", Values::flags(rebalances.iter().map(|one| one.mandatory))),
        ("reverted", Values::flags(rebalances.iter().map(|one| one.reverted))),
        ("price", reals(|one| one.price)),
        ("value", reals(|one| one.value)),
        ("fees", reals(|one| one.fees)),
        ("impact", reals(|one| one.impact)),
        ("gas", reals(|one| one.gas)),
    ])?)
}

/// The ends of all bars: the policy's vault, and what those of all are worth.
fn course_table(entries: &[Entry]) -> Result<Table> {
    let Some(policy) = entries.first() else { return Ok(Table::default()) };
    let closes = || policy.closes.iter();
    let reals = |of: fn(&Step) -> Decimal| Values::reals(closes().map(|step| to_real(of(step))));
    let column = |name: &str, values: Values| (name.to_owned(), values);
    let mut columns = vec![
        column("time", Values::counts(closes().map(|step| step.tick.time))),
        column("price", reals(|step| step.tick.price)),
        column("cash", reals(|step| step.account.cash)),
        column("value", reals(|step| step.account.value)),
        column("flows", reals(|step| step.account.flows)),
        column("earned", reals(|step| step.account.earned)),
        column("fees", reals(|step| step.account.fees)),
        column("impact", reals(|step| step.account.impact)),
        column("gas", reals(|step| step.account.gas)),
        column("floor", reals(|step| step.floor)),
        column("shares", reals(|step| step.shares)),
        column("target", Values::reals(closes().map(|step| step.aim.map(|aim| aim.target)))),
        column("band", Values::reals(closes().map(|step| step.aim.and_then(|aim| aim.band)))),
        column("cash_lock", Values::flags(closes().map(|step| step.locked))),
    ];
    columns.extend(options::accounts(&policy.closes));
    columns.extend(entries.iter().map(|entry| {
        let values = entry.closes.iter().map(|step| to_real(step.account.net()));
        (format!("net_{}", entry.entrant.id()), Values::reals(values))
    }));
    Ok(Table::of(columns)?)
}

/// Where the policy did not decide anew.
pub(super) const fn undecided(policy: &Entry) -> Undecided {
    Undecided { under_way: policy.outcome.under_way, absent: policy.outcome.absent }
}

/// One page.
pub(super) fn page(tested: &Tested) -> Result<String> {
    let course = course(tested);
    let mut reasons: Vec<(String, u64)> = tested
        .entries
        .first()
        .map(|policy| policy.outcome.reasons.clone().into_iter().collect())
        .unwrap_or_default();
    reasons.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    let figures = all_figures(&tested.entries);
    let undecided = tested.entries.first().map_or(Undecided { under_way: 0, absent: 0 }, undecided);
    let rolls = tested.entries.first().map_or(&[][..], |policy| &policy.outcome.rolls);
    let unopened = tested.entries.first().map(|policy| options::unopened(&policy.outcome.unrolled));
    let backtest = Backtest {
        course: &course,
        figures: &figures,
        reasons: &reasons,
        undecided,
        options: &options::positions(rolls),
        unopened: &unopened.unwrap_or_default(),
        notes: &tested.notes,
    };
    html(&backtest).wrap_err("the report cannot be drawn")
}

fn course(tested: &Tested) -> Course {
    Course {
        scenario: format!("{} at {}", tested.published.policy().name, tested.name),
        // All of it: what is said of prices is not that of the steps which a picture keeps.
        market: tested.ticks.iter().map(|tick| market(tested, tick)).collect(),
        sampled_from: None,
        contestants: tested.entries.iter().map(contestant).collect(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
fn market(tested: &Tested, &Tick { time, price, .. }: &Tick) -> MarketPoint {
    let known = tested.base_fees.partition_point(|fee| fee.timestamp <= time);
    let last = known.checked_sub(1).and_then(|last| tested.base_fees.get(last));
    let wei = last.map_or_else(|| u128::from(tested.setting.gas.base_fee_wei), |fee| fee.wei);
    MarketPoint { time, price: to_real(price), base_fee_gwei: wei as f64 / 1e9 }
}

fn contestant(entry: &Entry) -> Contestant {
    let metrics = &entry.metrics;
    // Not every step has a band of its own; until the next one that has, the last one stands.
    let mut last = None;
    let point = |Pictured { step, drawdown }: &Pictured| VaultPoint {
        time: step.tick.time,
        nav: to_real(step.account.net()),
        floor: to_real(step.floor),
        exposure: to_real(step.account.value),
        target: step.aim.map(|aim| aim.target),
        band: step.aim.and_then(|aim| {
            last = aim.band.or(last);
            last
        }),
        past: Some(PastPoint {
            drawdown: *drawdown,
            gas: to_real(step.account.gas),
            fees: to_real(step.account.fees),
            impact: to_real(step.account.impact),
        }),
    };
    let done = entry.outcome.rebalances.iter().filter(|one| !one.reverted);
    let trades = done.map(|one| Trade {
        time: one.included,
        price: to_real(one.price),
        sell: one.sell,
        value: to_real(one.value),
        reason: one.reason.clone(),
        gas: to_real(one.gas),
        nav_lost: to_real(one.fees) + to_real(one.impact),
    });
    Contestant {
        name: entry.entrant.name().to_owned(),
        points: entry.pictured.iter().map(point).collect(),
        trades: trades.collect(),
        result: Outcome {
            start: metrics.start,
            end: metrics.end,
            floor: entry.closes.last().map_or(0.0, |step| to_real(step.floor)),
            lowest_cushion: metrics.lowest_cushion,
            rebalances: usize::try_from(metrics.rebalances).unwrap_or(usize::MAX),
            gas: metrics.gas,
            nav_lost: metrics.fees + metrics.impact,
            reverted: usize::try_from(metrics.reverted).unwrap_or(usize::MAX),
        },
    }
}
