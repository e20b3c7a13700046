//! Which guard acted, and when: of the vault, of its keeper's policy, and what is open to anyone.

use serde::Serialize;

use super::Deleverage;
use crate::backtest::past::run::Sight;
use crate::domain::decision::Verdict;
use crate::domain::guards::VaultGuards;
use crate::domain::market::Side;
use crate::domain::snapshot::Snapshot;
use crate::domain::units::Checked;

/// A guard that acted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Act {
    /// Seconds from the shock to the first time.
    pub after_seconds: u64,
    /// Its name: the code of a reason, a limit that cut a trade, `cash_lock`, `bound`, `deleverage`, `pause` or `reverted`.
    pub guard: String,
    /// What it did, for people.
    pub what: String,
}

/// Notes which guards act, each once.
#[derive(Debug)]
pub(super) struct Watch {
    began: u64,
    deleverage: Deleverage,
    /// Since when exposure has been over the vault's bound.
    over_bound: Option<u64>,
    pub(super) acts: Vec<Act>,
}

impl Watch {
    pub(super) const fn new(began: u64, deleverage: Deleverage) -> Self {
        Self { began, deleverage, over_bound: deleverage.since, acts: Vec::new() }
    }

    pub(super) fn see(&mut self, sight: &Sight<'_>) {
        let now = sight.step.tick.time;
        if let Some(decision) = sight.decision {
            self.decided(&decision.verdict, now);
        }
        let vault = &sight.snapshot.vault;
        if vault.cash_lock {
            self.note(now, "cash_lock", "the vault latches: it holds nothing until its owner re-arms it");
        }
        if now < vault.paused_until {
            self.note(now, "pause", "the vault is paused: it refuses to buy");
        }
        let over = over_bound(sight.snapshot).unwrap_or(false);
        self.over_bound = if over { self.over_bound.or(Some(now)) } else { None };
        let Some(since) = self.over_bound else { return };
        let bound = f64::from(vault.guards.bound_bps) / 1e4;
        self.note(
            now,
            "bound",
            &format!(
                "exposure is over {bound} times the cushion: sales pass whatever cooldown and turnover say"
            ),
        );
        if now >= since.saturating_add(self.deleverage.grace_seconds) {
            self.note(now, "deleverage", "exposure was over the bound for so long that anyone may sell it");
        }
    }

    /// A transaction that was included, and did nothing.
    pub(super) fn reverted(&mut self, at: u64) {
        self.note(at, "reverted", "a pool no longer gave the least that was asked for, or it came too late");
    }

    fn decided(&mut self, verdict: &Verdict, now: u64) {
        match verdict {
            Verdict::Hold { .. } => {}
            Verdict::Refuse { reason } => {
                self.note(now, &reason.code(), &format!("the keeper refuses: {reason}"));
            }
            Verdict::Rebalance { reason, trade } => {
                if trade.mandatory {
                    self.note(now, &reason.code(), &format!("the keeper sells whatever it costs: {reason}"));
                }
                if let Some(by) = trade.cut_by {
                    self.note(
                        now,
                        by.name(),
                        &format!("a trade is cut to {} units of the asset", trade.value),
                    );
                }
            }
        }
    }

    fn note(&mut self, now: u64, guard: &str, what: &str) {
        if self.acts.iter().any(|act| act.guard == guard) {
            return;
        }
        let after_seconds = now.saturating_sub(self.began);
        self.acts.push(Act { after_seconds, guard: guard.to_owned(), what: what.to_owned() });
    }
}

/// Whether exposure is over the vault's bound on its cushion, by the feeds' last answers.
fn over_bound(snapshot: &Snapshot) -> Checked<bool> {
    VaultGuards::by_last_answers(&snapshot.vault, &snapshot.feeds)?.exempts(Side::Sell)
}
