//! What is to be known of how the policy kept its vault, before its figures are believed.

use crate::backtest::past::prices::Tick;
use crate::backtest::past::run::Outcome;
use crate::domain::policy::Policy;

/// Of more than one of so many ticks it is told that they were traded at.
const TRADED: u64 = 4;
/// Of more than one of so many decisions it is told that they were refusals.
const REFUSED: u64 = 2;

/// That it mostly refused, and that it came to its target more slowly than it would live.
pub(super) fn notes(outcome: &Outcome, ticks: &[Tick], policy: &Policy) -> Vec<String> {
    refusals(outcome).into_iter().chain(slices(outcome, ticks, policy)).collect()
}

fn refusals(outcome: &Outcome) -> Option<String> {
    let all = outcome.reasons.values().sum::<u64>();
    let refusals = || outcome.reasons.iter().filter(|(reason, _)| reason.starts_with("refuse: "));
    let count = refusals().map(|(_, count)| count).sum::<u64>();
    let (most, _) = refusals().max_by_key(|(_, count)| **count)?;
    let why = most.trim_start_matches("refuse: ");
    (count.saturating_mul(REFUSED) > all).then(|| {
        format!("the policy refused {count} of {all} times, mostly for `{why}`: its figures are those of a vault that was hardly kept")
    })
}

/// A trade is sized as one of several that follow each other at every chance to decide, and here there is one a tick.
fn slices(outcome: &Outcome, ticks: &[Tick], policy: &Policy) -> Option<String> {
    let (first, last) = (ticks.first()?, ticks.last()?);
    let count = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
    let (trades, all) = (count(outcome.rebalances.len()), count(ticks.len()));
    let apart = last.time.saturating_sub(first.time).checked_div(all.saturating_sub(1))?;
    let (live, often) = (policy.execution.monitoring_seconds, trades.saturating_mul(TRADED) > all);
    (often && apart > live).then(|| {
        format!(
            "the policy traded at {trades} of {all} ticks, some {apart} seconds apart: it sizes trades as one that decides again after \
             {live} seconds, so it comes to its target later here than it would live; prices of a shorter step show it better"
        )
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rust_decimal::Decimal;

    use super::*;
    use crate::backtest::past::run::Rebalance;
    use crate::config::load_policy;

    #[test]
    fn a_policy_that_mostly_refuses_is_told() {
        let outcome = |refused: u64| Outcome {
            reasons: [("hold: within_band", 4), ("refuse: stale_price", refused), ("refuse: paused", 1)]
                .map(|(reason, count)| (reason.to_owned(), count))
                .into(),
            ..Outcome::default()
        };
        assert_eq!(refusals(&outcome(3)), None);
        let told = refusals(&outcome(4)).unwrap();
        assert!(told.starts_with("the policy refused 5 of 9 times, mostly for `stale_price`"), "{told}");
        assert_eq!(refusals(&Outcome::default()), None);
    }

    #[test]
    fn a_policy_that_trades_at_every_other_tick_is_told_where_these_are_far_apart() {
        let trade = Rebalance {
            decided: 0,
            included: 12,
            price: Decimal::ONE,
            sell: false,
            reason: "economic".to_owned(),
            mandatory: false,
            value: Decimal::ONE,
            fees: Decimal::ZERO,
            impact: Decimal::ZERO,
            gas: Decimal::ZERO,
            reverted: false,
        };
        let outcome = |trades| Outcome { rebalances: vec![trade.clone(); trades], ..Outcome::default() };
        let ticks = |apart: u64| -> Vec<Tick> {
            let times = (0..9).map(|at: u64| at.saturating_mul(apart));
            times.map(|time| Tick { time, price: Decimal::ONE, closes: true, jumps: false }).collect()
        };
        let policy = load_policy(Path::new("examples/policies/cppi.toml")).unwrap();
        let told = |trades, apart| slices(&outcome(trades), &ticks(apart), policy.policy());
        assert_eq!((told(2, 3_600), told(3, 12), told(0, 3_600)), (None, None, None));
        let note = told(3, 3_600).unwrap();
        let begins = "the policy traded at 3 of 9 ticks, some 3600 seconds apart: it sizes trades as one that decides again after 12";
        assert!(note.starts_with(begins), "{note}");
    }
}
