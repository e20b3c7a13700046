//! A stress for people.

use rust_decimal::Decimal;

use super::super::output::{Row, grid, table};
use super::{Multiplier, Printed};
use crate::backtest::stress::Found;
use crate::backtest::stress::trial::{Decided, Trial};
use crate::domain::units::{Ratio, to_real};
use crate::report::number;

/// Columns of a trial.
pub(super) const COLUMNS: [&str; 9] = [
    "what happens",
    "floor",
    "price",
    "net after",
    "cushion after",
    "lowest cushion",
    "transactions",
    "at rest after",
    "cost",
];

pub(super) fn text(printed: &Printed) -> String {
    let mut parts = vec![verdict(printed), table(stands(printed))];
    for (title, trials) in [("shocks", &printed.shocks), ("crashes", &printed.crashes)] {
        if !trials.is_empty() {
            parts.push(format!("{title}\n{}", grid(&COLUMNS, trials.iter().map(row).collect())));
            parts.push(grid(
                &["what happens", "the keeper, and the guards"],
                trials.iter().map(told).collect(),
            ));
        }
    }
    parts.extend(printed.notes.iter().cloned());
    parts.join("\n\n")
}

/// Whether the floor holds, in a sentence.
pub(super) fn verdict(printed: &Printed) -> String {
    let all = printed.shocks.iter().chain(&printed.crashes);
    let broken: Vec<&Trial> = all.clone().filter(|trial| !trial.holds()).collect();
    let count = all.count();
    let Some(worst) = broken.iter().max_by_key(|trial| trial.shortfall) else {
        return format!("The floor holds in all {count}.");
    };
    let names: Vec<&str> = broken.iter().map(|trial| trial.name.as_str()).collect();
    format!(
        "The floor would break in {} of {count} ({}), at the worst by {}, {} % of it.",
        broken.len(),
        names.join("; "),
        usd(worst.shortfall),
        number(100.0 * worst.shortfall_share, 2),
    )
}

/// The vault as it stands, and the multipliers.
pub(super) fn stands(printed: &Printed) -> Vec<Row> {
    let Printed { stand, decision, .. } = printed;
    let Multiplier { policy, effective, by_formula, by_search } = &printed.multiplier;
    let ratio = |value: &Option<Ratio>| value.map_or_else(|| "–".to_owned(), |value| number(value.real(), 2));
    vec![
        ("vault", printed.vault.to_string()),
        ("block", printed.block.to_string()),
        ("policy", format!("{} {}", printed.policy, printed.policy_hash)),
        ("price", usd(printed.price)),
        ("net asset value", usd(stand.net)),
        ("exposure", usd(stand.exposure)),
        ("floor", usd(stand.floor)),
        ("cushion", usd(stand.cushion)),
        ("decided now", said(decision)),
        ("multiplier of the policy", ratio(policy)),
        ("multiplier in force", ratio(effective)),
        ("largest safe, by the formula", ratio(by_formula)),
        ("largest safe, by search", by_search.as_ref().map_or_else(|| "–".to_owned(), found)),
    ]
}

fn found(found: &Found) -> String {
    let shown = |value: &Ratio| number(value.real(), 2);
    match found {
        Found::Largest { multiplier, breaks } => {
            format!("{} (a hundredth more breaks the floor in: {breaks})", shown(multiplier))
        }
        Found::Beyond(most) => {
            format!("over {}: the policy's bound on a gap or its cap holds less", shown(most))
        }
        Found::None { least, breaks } => format!("none from {} on (breaks in: {breaks})", shown(least)),
    }
}

/// A trial under [`COLUMNS`].
pub(super) fn row(trial: &Trial) -> Vec<String> {
    let rest = trial.seconds_to_rest.map_or_else(|| "–".to_owned(), |seconds| format!("{seconds} s"));
    let transactions = match trial.reverted {
        0 => trial.transactions.to_string(),
        reverted => format!("{} and {reverted} reverted", trial.transactions),
    };
    let floor = if trial.holds() {
        "holds".to_owned()
    } else {
        format!("broken by {} ({} %)", usd(trial.shortfall), number(100.0 * trial.shortfall_share, 2))
    };
    let cost = trial.gas.saturating_add(trial.fees).saturating_add(trial.impact);
    vec![
        trial.name.clone(),
        floor,
        usd(trial.price),
        usd(trial.after.net),
        usd(trial.after.cushion),
        usd(trial.lowest_cushion),
        transactions,
        rest,
        usd(cost),
    ]
}

/// What the keeper decides, and which guards act, in the order of time.
pub(super) fn told(trial: &Trial) -> Vec<String> {
    let decided = trial.decision.iter().map(said);
    let acts =
        trial.guards.iter().map(|act| format!("after {} s {}: {}", act.after_seconds, act.guard, act.what));
    let mut all: Vec<String> = decided.chain(acts).collect();
    if trial.guards.is_empty() {
        all.push("no guard acts".to_owned());
    }
    vec![trial.name.clone(), all.join("\n")]
}

fn said(decided: &Decided) -> String {
    let Some(trade) = &decided.trade else {
        return format!("{} ({}): {}", decided.verdict, decided.code, decided.reason);
    };
    let verb = if trade.sell { "sells" } else { "buys" };
    format!(
        "{verb} {} units for {}, which costs {} ({})",
        number(trade.units.real(), 6),
        number(trade.value.real(), 2),
        number(trade.cost.get(), 2),
        decided.code
    )
}

fn usd(value: Decimal) -> String {
    number(to_real(value), 2)
}
