//! The option book of a backtest: as a table, for the page, and for people.

use std::collections::BTreeMap;

use eyre::Result;
use rust_decimal::Decimal;

use super::super::output::grid;
use crate::backtest::past::account::OptionAccount;
use crate::backtest::past::rolls::{Opened, Roll, Settled, Undone};
use crate::backtest::past::run::{Outcome, Step};
use crate::backtest::past::setting::options::OptionKind;
use crate::backtest::past::unopened::Unopened;
use crate::backtest::table::{Table, Values};
use crate::domain::units::to_real;
use crate::report::options::{NotOpened, Position};
use crate::stage::path::time::utc;

/// Undone positions that are shown; of more the number is.
const MOST_UNDONE: usize = 10;

/// A row for each position, from its opening to its settlement.
pub(super) fn table(rolls: &[Roll]) -> Result<Table> {
    let reals = |of: fn(&Roll) -> Decimal| Values::reals(rolls.iter().map(|roll| to_real(of(roll))));
    let opened =
        |of: fn(&Opened) -> f64| Values::reals(rolls.iter().map(|roll| roll.opened.as_ref().map(of)));
    let settled = |of: fn(&Settled) -> Decimal| {
        Values::reals(rolls.iter().map(|roll| roll.settled.as_ref().map(|settled| to_real(of(settled)))))
    };
    Ok(Table::of([
        ("number", Values::counts(rolls.iter().map(|roll| roll.number))),
        ("opened", Values::counts(rolls.iter().map(|roll| roll.opened.map(|opened| opened.at)))),
        ("kind", Values::texts(rolls.iter().map(|roll| kind(roll).to_owned()))),
        ("size", reals(|roll| roll.size)),
        ("price", opened(|opened| to_real(opened.price))),
        ("strike", reals(|roll| roll.strike)),
        ("limit", Values::reals(rolls.iter().map(|roll| roll.limit.map(to_real)))),
        ("expiry", Values::counts(rolls.iter().map(|roll| roll.expiry))),
        ("collateral", reals(|roll| roll.collateral)),
        ("volatility", opened(|opened| opened.volatility)),
        ("premium", opened(|opened| to_real(opened.premium))),
        ("settled", Values::counts(rolls.iter().map(|roll| roll.settled.map(|settled| settled.at)))),
        ("settlement_price", settled(|settled| settled.price)),
        ("payoff", settled(|settled| settled.payoff)),
        ("undone", Values::texts(rolls.iter().map(|roll| roll.undone().map(|why| why.code().to_owned())))),
    ])?)
}

/// The books of the option book at the ends of bars: what it is worth, and what that and its profit are made of; nothing without one.
pub(super) fn accounts(closes: &[Step]) -> Vec<(String, Values)> {
    let of = |part: fn(&OptionAccount) -> Decimal| {
        Values::reals(
            closes.iter().map(|step| step.account.options.as_ref().map(|options| to_real(part(options)))),
        )
    };
    let columns = [
        ("options", of(OptionAccount::worth)),
        ("posted", of(|options| options.posted)),
        ("mark", of(|options| options.mark)),
        ("premiums", of(|options| options.premiums)),
        ("payoffs", of(|options| options.payoffs)),
    ];
    let there = closes.first().is_some_and(|step| step.account.options.is_some());
    columns.into_iter().filter(|_| there).map(|(name, values)| (name.to_owned(), values)).collect()
}

/// For the page.
pub(super) fn positions(rolls: &[Roll]) -> Vec<Position> {
    let position = |roll: &Roll| Position {
        what: roll.what(),
        units: to_real(roll.size.abs()),
        strike: to_real(roll.strike),
        limit: roll.limit.map(to_real),
        opened: roll.opened.map(|opened| opened.at),
        premium: roll.opened.map(|opened| to_real(opened.premium)),
        expiry: roll.expiry,
        settled: roll.settled.map(|settled| (to_real(settled.price), to_real(settled.payoff))),
        undone: roll.undone().map(Undone::why),
    };
    rolls.iter().map(position).collect()
}

/// Why series were not opened that were due, and how often; nothing where all were.
pub(in crate::cli) fn unrolled(unrolled: &BTreeMap<Unopened, u64>) -> Option<String> {
    let row = |(unopened, times): (&Unopened, &u64)| {
        vec![unopened.to_string(), unopened.why().to_owned(), times.to_string()]
    };
    let rows: Vec<Vec<String>> = unrolled.iter().map(row).collect();
    (!rows.is_empty()).then(|| grid(&["no options opened", "why", "times"], rows))
}

/// The same for the page.
pub(in crate::cli) fn unopened(unrolled: &BTreeMap<Unopened, u64>) -> Vec<NotOpened> {
    let row = |(unopened, times): (&Unopened, &u64)| NotOpened {
        code: unopened.to_string(),
        times: *times,
        why: unopened.why(),
    };
    unrolled.iter().map(row).collect()
}

/// The positions that were undone, and why; nothing where none was.
pub(super) fn undone(outcome: &Outcome) -> Option<String> {
    let undone: Vec<(&Roll, Undone)> =
        outcome.rolls.iter().filter_map(|roll| Some((roll, roll.undone()?))).collect();
    let row = |&(roll, why): &(&Roll, Undone)| {
        let Roll { number, expiry, .. } = roll;
        vec![format!("{number}, {}", roll.what()), utc(*expiry), why.why().to_owned()]
    };
    let shown = undone.iter().take(MOST_UNDONE).map(row).collect();
    let more = undone.len().saturating_sub(MOST_UNDONE);
    let rest = if more > 0 { format!("\nand {more} more, which --format json has") } else { String::new() };
    let columns = ["option undone", "expiry, UTC", "why"];
    (!undone.is_empty()).then(|| format!("{}{rest}", grid(&columns, shown)))
}

/// What is to be known of the policy's walk to a time: who waited for open options, and what of those was undone or not settled.
pub(super) fn notes(outcome: &Outcome, last: u64) -> Vec<String> {
    let count = |so: &dyn Fn(&Roll) -> bool| outcome.rolls.iter().filter(|roll| so(roll)).count();
    let undone = |why| (count(&|roll| roll.undone() == Some(why)), "options were undone", why.why());
    let waiting = usize::try_from(outcome.waiting).unwrap_or(usize::MAX);
    let notes = [
        (waiting, "deposits and withdrawals waited for open options to the end", "they were not made"),
        undone(Undone::StaleAnswer),
        undone(Undone::NoAnswer),
        (
            count(&|roll| roll.expiry <= last && roll.settled.is_none()),
            "options have expired and are not settled",
            "the feed's next answer would settle them, and the prices are over",
        ),
    ];
    let told = notes.into_iter().filter(|(count, ..)| *count > 0);
    told.map(|(count, what, why)| format!("{count} {what}: {why}")).collect()
}

const fn kind(roll: &Roll) -> &'static str {
    match roll.kind {
        OptionKind::Call => "call",
        OptionKind::Put => "put",
    }
}
