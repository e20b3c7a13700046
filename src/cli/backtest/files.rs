//! A backtest as files.

use std::path::Path;

use eyre::{Result, WrapErr};
use rust_decimal::Decimal;

use super::figures::figures as all_figures;
use super::{Tested, options};
use crate::backtest::past::contest::{Entry, Pictured};
use crate::backtest::past::run::{Rebalance, Step};
use crate::backtest::table::{Table, Values};
use crate::domain::units::to_real;
use crate::report::backtest::{Backtest, html};
use crate::report::course::{Contestant, Course, MarketPoint, Outcome, PastPoint, Trade, VaultPoint};

/// Writes everything into a directory.
pub(super) fn write(directory: &Path, tested: &Tested) -> Result<()> {
    let file = |name: &str| directory.join(name);
    let page = page(tested)?;
    let report = file("report.html");
    std::fs::write(&report, page).wrap_err_with(|| format!("{} cannot be written", report.display()))?;
    figures(tested)?.write(&file("figures.csv"))?;
    if let Some(policy) = tested.entries.first() {
        rebalances(&policy.outcome.rebalances)?.write(&file("rebalances.csv"))?;
        if policy.metrics.options.is_some() {
            options::table(&policy.outcome.rolls)?.write(&file("options.csv"))?;
        }
    }
    course_table(&tested.entries)?.write(&file("course.csv"))?;
    Ok(())
}

/// A row for each figure, a column for each of those who take part.
pub(super) fn figures(tested: &Tested) -> Result<Table> {
    let figures = all_figures(&tested.entries);
    let names = figures.iter().map(|figure| Some(figure.name.to_owned())).collect();
    let mut columns = vec![("figure", Values::Texts(names))];
    for (at, entry) in tested.entries.iter().enumerate() {
        let values = figures.iter().map(|figure| figure.values.get(at).copied().flatten());
        columns.push((entry.entrant.name(), Values::reals(values)));
    }
    Ok(Table::of(columns)?)
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

/// The ends of all bars: the policy's vault, and what the others are worth.
fn course_table(entries: &[Entry]) -> Result<Table> {
    let Some((policy, others)) = entries.split_first() else { return Ok(Table::default()) };
    let reals = |of: fn(&Step) -> Decimal| Values::reals(policy.closes.iter().map(|step| to_real(of(step))));
    let mut columns = vec![
        ("time", Values::counts(policy.closes.iter().map(|step| step.tick.time))),
        ("price", reals(|step| step.tick.price)),
        ("policy", reals(|step| step.account.net())),
        ("floor", reals(|step| step.floor)),
        ("exposure", reals(|step| step.account.value)),
        ("target", Values::reals(policy.closes.iter().map(|step| step.aim.map(|aim| aim.target)))),
        ("shares", reals(|step| step.shares)),
    ];
    columns.extend(options::worth(&policy.closes).map(|worth| ("options", worth)));
    columns.extend(others.iter().map(|other| {
        let values = other.closes.iter().map(|step| to_real(step.account.net()));
        (other.entrant.name(), Values::reals(values))
    }));
    Ok(Table::of(columns)?)
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
    let rolls = tested.entries.first().map_or(&[][..], |policy| &policy.outcome.rolls);
    let (options, notes) = (&options::positions(rolls), &tested.notes);
    let backtest = Backtest { course: &course, figures: &figures, reasons: &reasons, options, notes };
    html(&backtest).wrap_err("the report cannot be drawn")
}

fn course(tested: &Tested) -> Course {
    let market = tested
        .entries
        .first()
        .map(|policy| policy.pictured.iter().map(|step| market(tested, step)).collect());
    Course {
        scenario: format!("{} at {}", tested.published.policy().name, tested.name),
        market: market.unwrap_or_default(),
        sampled_from: None,
        contestants: tested.entries.iter().map(contestant).collect(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
fn market(tested: &Tested, pictured: &Pictured) -> MarketPoint {
    let time = pictured.step.tick.time;
    let known = tested.base_fees.partition_point(|fee| fee.timestamp <= time);
    let last = known.checked_sub(1).and_then(|last| tested.base_fees.get(last));
    let wei = last.map_or_else(|| u128::from(tested.setting.gas.base_fee_wei), |fee| fee.wei);
    MarketPoint { time, price: to_real(pictured.step.tick.price), base_fee_gwei: wei as f64 / 1e9 }
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
