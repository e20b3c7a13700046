//! An audit for people.

use super::super::output::{grid, table};
use super::{Printed, PrintedVault};
use crate::replay::audit::{
    Action, Alike, Beside, ByLikeness, Cause, Caused, Class, Comparison, Counterfactual, End, Episode,
    Finding, Likeness, Price, Sum, Wish,
};

/// The whole.
pub(super) fn text(printed: &Printed) -> String {
    let vaults = printed.vaults.iter().map(vault);
    vaults.chain([printed.requests.text()]).collect::<Vec<_>>().join("\n\n")
}

fn vault(vault: &PrintedVault) -> String {
    let PrintedVault { found, totals, .. } = vault;
    let rows = table(vec![
        ("vault", format!("{} ({})", found.name, found.vault)),
        ("held as the policy says", format!("{} blocks", found.held_as_policy)),
        ("a trade was wanted", format!("{} blocks", found.wanted)),
        ("policy not known", format!("{} blocks", found.unknown)),
        ("vault not deployed yet", format!("{} blocks", found.not_deployed)),
        ("acted as the policy says", totals.acted.to_string()),
        ("late within the grace", totals.late.to_string()),
        ("missed", totals.missed.to_string()),
        ("unexplained", totals.unexplained.to_string()),
        ("of a policy that is not known", totals.unknown_policy.to_string()),
        ("wrong decision hash", totals.wrong_hash.to_string()),
        ("wanted for a moment alone", found.within_grace.passed.to_string()),
        ("waiting cost (USD)", format!("{:.2}", totals.price.waiting_usd)),
        ("expected shortfall of the floor (USD)", format!("{:.4}", totals.price.shortfall_usd)),
        ("in hindsight (asset)", format!("{:.2}", totals.price.hindsight)),
        ("blocks read", found.reads.to_string()),
    ]);
    let mut parts = vec![rows];
    parts.extend(found.cut_at_start.as_ref().map(|Episode { from, blocks_late, .. }| {
        format!(
            "At {from}, where the range begins, a trade was wanted already, and {blocks_late} blocks late or more: audit from \
             further back to see how late."
        )
    }));
    parts.extend(found.cut_at_end.as_ref().map(|Episode { from, to, .. }| {
        format!("Since {from} a trade is wanted, and not made yet at {to}, where the range ends: within the grace until there.")
    }));
    if !found.findings.is_empty() {
        let findings = found.findings.iter().map(finding).collect();
        parts.push(grid(&["block", "finding", "what"], findings));
    }
    if let (Some(beside), Some(comparison)) = (&found.counterfactual, &vault.comparison) {
        parts.push(counterfactual(beside, comparison));
    }
    parts.join("\n\n")
}

fn finding(finding: &Finding) -> Vec<String> {
    match finding {
        Finding::Action { action, class } => of_action(action, class),
        Finding::Missed { episode, causes } => {
            vec![episode.from.to_string(), "missed".to_owned(), missed(episode, causes)]
        }
        Finding::PolicyChanged { block, policy_hash, known } => {
            let known = if *known { "" } else { ", which is not given: name its file with --policy" };
            vec![block.to_string(), "policy changed".to_owned(), format!("now {policy_hash}{known}")]
        }
        Finding::Deleveraged { block, transaction } => {
            vec![block.to_string(), "deleveraged".to_owned(), format!("by anyone, in {transaction}")]
        }
    }
}

fn of_action(action: &Action, class: &Class) -> Vec<String> {
    let Action { block, transaction, decision_block, decision_hash, .. } = action;
    let (name, what) = match class {
        Class::ActedAsPolicy => ("acted as policy", format!("decided at {decision_block}, in {transaction}")),
        Class::WrongDecisionHash { expected } => (
            "wrong decision hash",
            format!(
                "{transaction} says {decision_hash}, the decision of block {decision_block} is {expected}"
            ),
        ),
        Class::UnexplainedAction { why } => ("unexplained", format!("{transaction}: {why}")),
        Class::UnknownPolicy => ("policy not known", format!("{transaction} follows {}", action.policy_hash)),
    };
    vec![block.to_string(), name.to_owned(), what]
}

fn missed(episode: &Episode, causes: &[Caused]) -> String {
    let end = match episode.end {
        End::Acted => "acted late",
        End::ActedOtherwise => "what was done was not what was wanted, and ended it",
        End::Passed => "nobody acted, until it was not wanted any more",
        End::PolicyChanged => "nobody acted, until another policy came into force",
        End::Open => "nobody has acted yet",
    };
    let urgent = if episode.mandatory { ", the floor at risk" } else { "" };
    let causes: Vec<_> =
        causes.iter().map(|caused| format!("{} ({} blocks)", cause(&caused.cause), caused.blocks)).collect();
    let why = if causes.is_empty() { String::new() } else { format!("; {}", causes.join(", ")) };
    let Episode { from, to, blocks_late, price, .. } = episode;
    let Price { waiting_usd, shortfall_usd, hindsight } = price;
    let least = if episode.cut { "at least " } else { "" };
    format!(
        "{least}{blocks_late} blocks late{urgent}: {end} (wanted from {from} to {to}); waiting {waiting_usd:.2} USD, shortfall \
         {shortfall_usd:.4} USD, in hindsight {hindsight:.2}{why}"
    )
}

fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Stopped => "no keeper ran",
        Cause::NotKept => "the keeper that ran did not keep the vault",
        Cause::LeaseLost => "the keeper's start was refused: another process held its key",
        Cause::Silent => "the journal ends before: no keeper ran, or it heard of no block",
        Cause::Endpoint => "no endpoint told of the block",
        Cause::Passed => "it passed between two looks for a head",
        Cause::GivenUp => "the vault was given up",
        Cause::GasCap => "gas over the sender's caps",
        Cause::InFlight => "a transaction under way",
        Cause::Key => "the key was halted, or could not sign",
        Cause::Refused { code } => return format!("refused: {code}"),
        Cause::DryRun => "a dry run",
        Cause::DecidedOtherwise => "the keeper decided otherwise",
        Cause::Unknown => "the journal does not say",
    }
    .to_owned()
}

fn counterfactual(beside: &Counterfactual, comparison: &Comparison) -> String {
    let Comparison { published_alone, other_alone, done, instead, by_likeness } = comparison;
    let ByLikeness { same, other_size, other_direction, nothing } = by_likeness;
    let rows = table(vec![
        ("beside it", format!("{} ({})", beside.policy, beside.policy_hash)),
        ("wanted by the published policy alone", sum(published_alone)),
        ("wanted by the other alone", sum(other_alone)),
        ("done, as the published policy wanted", sum(done)),
        ("decided by the other in place of that", sum(instead)),
        ("done and decided alike", alike(same)),
        ("decided in another size", alike(other_size)),
        ("decided in the other direction", alike(other_direction)),
        ("done where the other does nothing", alike(nothing)),
    ]);
    let runs = beside.divergences.iter().map(|run| {
        let blocks = format!("{} to {}", run.from, run.to);
        vec![blocks, wish(run.published.as_ref()), wish(run.other.as_ref())]
    });
    let actions = beside.actions.iter().map(|action| {
        let Beside { decision_block, published, other, likeness, .. } = action;
        let other = wish(other.as_ref());
        vec![decision_block.to_string(), wish(published.as_ref()), other, like(*likeness).to_owned()]
    });
    let (runs, actions): (Vec<_>, Vec<_>) = (runs.collect(), actions.collect());
    let mut parts = vec![rows];
    if !runs.is_empty() {
        parts.push(grid(&["wanted otherwise", "published", "other"], runs));
    }
    if !actions.is_empty() {
        parts.push(grid(&["action decided at", "published", "other", "is"], actions));
    }
    parts.join("\n\n")
}

fn sum(sum: &Sum) -> String {
    let Sum { trades, cost_usd, benefit_usd } = sum;
    format!("{trades} trades that cost {cost_usd:.2} USD and bring {benefit_usd:.2} USD")
}

fn alike(alike: &Alike) -> String {
    let Alike { actions, done, instead } = alike;
    if *actions == 0 {
        return "0 actions".to_owned();
    }
    format!("{actions} actions: {}; in place of them {}", sum(done), sum(instead))
}

const fn like(likeness: Likeness) -> &'static str {
    match likeness {
        Likeness::Same => "the same",
        Likeness::OtherSize => "another size",
        Likeness::OtherDirection => "the other direction",
        Likeness::Nothing => "nothing",
    }
}

fn wish(wish: Option<&Wish>) -> String {
    let Some(Wish { sell, value, cost_usd, benefit_usd, reason, .. }) = wish else {
        return "nothing".to_owned();
    };
    let side = if *sell { "sell" } else { "buy" };
    format!("{side} {value:.0} ({reason}; costs {cost_usd:.2}, brings {benefit_usd:.2} USD)")
}
