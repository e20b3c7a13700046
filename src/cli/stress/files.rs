//! A stress as files.

use std::path::Path;

use eyre::{Result, WrapErr};
use rust_decimal::Decimal;

use super::{Printed, html};
use crate::backtest::stress::Stand;
use crate::backtest::stress::trial::{Decided, Trial};
use crate::backtest::table::{Files, Table, Values};
use crate::domain::units::to_real;

/// Writes everything into a directory; each file is there whole or as it was.
pub(super) fn write(directory: &Path, printed: &Printed) -> Result<()> {
    let json = serde_json::to_string(printed).wrap_err("the result has no JSON form")?;
    let mut files = Files::default();
    files.text(&directory.join("stress.html"), &html::html(printed)?)?;
    files.text(&directory.join("stress.json"), &json)?;
    files.table(&directory.join("stress.csv"), &trials(printed)?)?;
    Ok(files.put()?)
}

/// A row for each shock, and then for each crash.
pub(super) fn trials(printed: &Printed) -> Result<Table> {
    let shocks = printed.shocks.iter().map(|trial| ("shock", trial));
    let all: Vec<(&str, &Trial)> =
        shocks.chain(printed.crashes.iter().map(|trial| ("crash", trial))).collect();
    let every = || all.iter().map(|(_, trial)| *trial);
    let texts = |of: fn(&Trial) -> Option<String>| Values::texts(every().map(of));
    let money = |of: fn(&Trial) -> Decimal| Values::reals(every().map(|trial| to_real(of(trial))));
    let counts = |of: fn(&Trial) -> Option<u64>| Values::counts(every().map(of));
    let mut columns = vec![
        ("kind".to_owned(), Values::texts(all.iter().map(|(kind, _)| (*kind).to_owned()))),
        ("name".to_owned(), texts(|trial| Some(trial.name.clone()))),
        ("holds".to_owned(), Values::flags(every().map(Trial::holds))),
        ("price".to_owned(), money(|trial| trial.price)),
    ];
    for (moment, at) in MOMENTS {
        let part = |of: fn(&Stand) -> Decimal| Values::reals(every().map(|trial| to_real(of(at(trial)))));
        columns.push((format!("{moment}_net"), part(|stand| stand.net)));
        columns.push((format!("{moment}_exposure"), part(|stand| stand.exposure)));
        columns.push((format!("{moment}_floor"), part(|stand| stand.floor)));
        columns.push((format!("{moment}_cushion"), part(|stand| stand.cushion)));
    }
    let rest = [
        ("lowest_cushion", money(|trial| trial.lowest_cushion)),
        ("shortfall", money(|trial| trial.shortfall)),
        ("shortfall_share", Values::reals(every().map(|trial| trial.shortfall_share))),
        ("verdict", texts(|trial| decided(trial, |decided| decided.verdict.to_owned()))),
        ("code", texts(|trial| decided(trial, |decided| decided.code.clone()))),
        ("risky_traded", Values::reals(every().map(traded))),
        ("guards", texts(|trial| Some(guards(trial)))),
        ("transactions", counts(|trial| Some(trial.transactions))),
        ("reverted", counts(|trial| Some(trial.reverted))),
        ("seconds_to_rest", counts(|trial| trial.seconds_to_rest)),
        ("gas", money(|trial| trial.gas)),
        ("fees", money(|trial| trial.fees)),
        ("impact", money(|trial| trial.impact)),
    ];
    columns.extend(rest.map(|(name, values)| (name.to_owned(), values)));
    Ok(Table::of(columns)?)
}

/// A moment of a trial, and where the vault stood then.
type Moment = (&'static str, fn(&Trial) -> &Stand);

const MOMENTS: [Moment; 3] =
    [("before", |trial| &trial.before), ("after", |trial| &trial.after), ("end", |trial| &trial.end)];

fn decided(trial: &Trial, of: fn(&Decided) -> String) -> Option<String> {
    trial.decision.as_ref().map(of)
}

/// Risky units that are decided on, below zero where they are sold.
fn traded(trial: &Trial) -> Option<f64> {
    let trade = trial.decision.as_ref()?.trade.as_ref()?;
    let units = trade.units.real();
    Some(if trade.sell { -units } else { units })
}

/// The guards that act by their names, each with the seconds until it does.
fn guards(trial: &Trial) -> String {
    let acts = trial.guards.iter().map(|act| format!("{}@{}", act.guard, act.after_seconds));
    acts.collect::<Vec<_>>().join(" ")
}
