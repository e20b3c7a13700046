//! A replay for people.

use alloy::primitives::Address;

use super::super::output::{grid, table};
use super::Printed;
use crate::replay::{Executed, Explained, Replayed, Tally};

/// The columns of what was executed again.
pub(super) const EXECUTED: [&str; 9] = [
    "block",
    "transaction",
    "again",
    "value",
    "venue (predicted, taken)",
    "price moved",
    "order in the block",
    "gas over the prediction",
    "gas (predicted, used)",
];

/// The whole.
pub(super) fn text(printed: &Printed) -> String {
    if let Some(broken) = &printed.broken {
        return format!("{broken}\nNothing in it was replayed: see `keeper journal verify`.");
    }
    let vaults: Vec<_> = printed.vaults.iter().map(vault).collect();
    let verdict = if printed.equal { "everything is equal" } else { "not everything is equal" };
    let (nothing, beyond) = (nothing_compared(printed), beyond(printed));
    let (records, later, vaults) = (&printed.records, later(printed), vaults.join("\n\n"));
    format!("{records} records, verified{later}\n\n{vaults}\n\n{verdict}{nothing}{beyond}")
}

/// The records that are not of this replay, as the end of a sentence; empty where there are none.
pub(super) fn later(printed: &Printed) -> String {
    let later = printed.later.as_ref();
    later.map_or_else(String::new, |later| {
        format!("; {later} that were written since the checkpoint was begun are not looked at: replay them without it")
    })
}

/// How many records the verdict is not about, as the end of a sentence; empty where there are none.
pub(super) fn beyond(printed: &Printed) -> String {
    let later = printed.later.as_ref();
    later.map_or_else(String::new, |later| format!("; {later} later records were not looked at"))
}

/// The vaults of which nothing was compared, as the end of a sentence; empty where there are none.
pub(super) fn nothing_compared(printed: &Printed) -> String {
    let without = printed.vaults.iter().filter(|vault| vault.is_empty());
    let told = without.map(|vault| {
        format!("; of {} nothing was compared: the journal has no decision on it in these blocks", vault.name)
    });
    told.collect()
}

fn vault(vault: &Replayed) -> String {
    let mut text = table(rows(vault));
    if !vault.executed.is_empty() {
        text.push_str("\n\n");
        text.push_str(&grid(&EXECUTED, vault.executed.iter().map(executed).collect()));
    }
    for fault in &vault.faults {
        text.push_str(&format!("\n  {fault}"));
    }
    if vault.further_faults > 0 {
        text.push_str(&format!("\n  and {} more", vault.further_faults));
    }
    text
}

/// The figures of a vault.
pub(super) fn rows(vault: &Replayed) -> Vec<(&'static str, String)> {
    let faults = u64::try_from(vault.faults.len()).unwrap_or(u64::MAX).saturating_add(vault.further_faults);
    let mut rows = vec![
        ("vault", format!("{} ({})", vault.name, vault.vault)),
        ("decisions", tally(&vault.decisions)),
        ("blocks", tally(&vault.blocks)),
        ("blocks without a decision on it", vault.without_leaf.to_string()),
        ("heights without any record between them", vault.unrecorded.to_string()),
    ];
    rows.extend(vault.missing.map(|missing| ("blocks not checked", not_checked(vault.not_checked, missing))));
    rows.extend([
        ("actions", tally(&vault.actions)),
        ("intents still open, nothing of them on the chain", vault.open.to_string()),
        ("executed again", vault.executed.len().to_string()),
        ("faults", faults.to_string()),
    ]);
    rows
}

/// What is missing to check the blocks that were not.
fn not_checked(blocks: u64, missing: Address) -> String {
    format!(
        "{blocks}: a block holds the decisions on several vaults under one hash there, and the policies of {missing} are not \
         given: replay with a configuration that has it, or name it too, with --vault {missing}"
    )
}

fn tally(tally: &Tally) -> String {
    let Tally { checked, equal, orphaned } = tally;
    match orphaned {
        0 => format!("{equal} of {checked} equal"),
        orphaned => format!("{equal} of {checked} equal, {orphaned} on blocks that left the chain"),
    }
}

/// One transaction that was executed again; money in units of the vault's asset, what is lost is positive.
pub(super) fn executed(executed: &Executed) -> Vec<String> {
    let again = match (executed.differences.len(), executed.left_out.len()) {
        (0, 0) => "equal".to_owned(),
        (0, left) => format!("equal without {left} transactions"),
        (differences, _) => format!("{differences} differences"),
    };
    let mut row = vec![executed.block.to_string(), executed.transaction.to_string(), again];
    row.extend(executed.explained.as_ref().map_or_else(|| vec![String::new(); 6], explained));
    row
}

fn explained(explained: &Explained) -> Vec<String> {
    let money = |value: crate::domain::units::Usd| format!("{:.2}", value.get().round_dp(2));
    let (gas, venue) = (explained.comparison.gas_units, explained.comparison.venue);
    vec![
        money(explained.comparison.value),
        format!("{}, {}", money(venue.predicted), money(venue.realised)),
        money(explained.price_moved),
        money(explained.order_in_block),
        money(explained.gas_over_prediction),
        format!("{}, {}", gas.predicted, gas.realised),
    ]
}
