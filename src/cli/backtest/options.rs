//! The option book of a backtest: as a table, for the page, and for people.

use eyre::Result;
use rust_decimal::Decimal;

use super::super::output::grid;
use crate::backtest::past::rolls::{Opened, Roll, Settled};
use crate::backtest::past::run::{Outcome, Step};
use crate::backtest::past::setting::options::OptionKind;
use crate::backtest::table::{Table, Values};
use crate::domain::units::to_real;
use crate::report::options::Position;

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
        (
            "undone",
            Values::flags(rolls.iter().map(|roll| roll.settled.is_some_and(|settled| settled.undone))),
        ),
    ])?)
}

/// What the book is worth at the ends of bars, with what lies in it; nothing without a book.
pub(super) fn worth(closes: &[Step]) -> Option<Values> {
    closes.first()?.account.options?;
    let worth = |step: &Step| step.account.options.map(|options| to_real(options.worth()));
    Some(Values::reals(closes.iter().map(worth)))
}

/// For the page.
pub(super) fn positions(rolls: &[Roll]) -> Vec<Position> {
    let position = |roll: &Roll| Position {
        what: format!("{} {}", if roll.size.is_sign_negative() { "written" } else { "bought" }, kind(roll)),
        units: to_real(roll.size.abs()),
        strike: to_real(roll.strike),
        limit: roll.limit.map(to_real),
        opened: roll.opened.map(|opened| opened.at),
        premium: roll.opened.map(|opened| to_real(opened.premium)),
        expiry: roll.expiry,
        settled: roll.settled.map(|settled| (to_real(settled.price), to_real(settled.payoff))),
        undone: roll.settled.is_some_and(|settled| settled.undone),
    };
    rolls.iter().map(position).collect()
}

/// Why series were not opened that were due, and at how many ticks; nothing where all were.
pub(super) fn unrolled(outcome: &Outcome) -> Option<String> {
    let rows: Vec<Vec<String>> =
        outcome.unrolled.iter().map(|(why, ticks)| vec![(*why).to_owned(), ticks.to_string()]).collect();
    (!rows.is_empty()).then(|| grid(&["no options opened", "ticks"], rows))
}

const fn kind(roll: &Roll) -> &'static str {
    match roll.kind {
        OptionKind::Call => "call",
        OptionKind::Put => "put",
    }
}
