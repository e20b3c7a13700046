//! What another policy would have done at each block of the history that was.
//!
//! Its trades are not carried out: at every block it sees the vault as it was kept by the published policy, so that this is a
//! comparison of single decisions and no backtest.

use alloy::primitives::B256;
use serde::{Deserialize, Serialize};

use crate::domain::decision::{Decision, Verdict};

/// A trade that a policy wants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wish {
    /// Whether the risky asset is to be sold.
    pub sell: bool,
    /// Units of it.
    pub units: f64,
    /// What they are worth, units of the vault's asset.
    pub value: f64,
    /// What the trade costs by the policy's own reckoning, USD.
    pub cost_usd: f64,
    /// What it brings by that, USD.
    pub benefit_usd: f64,
    /// Why it is wanted.
    pub reason: String,
}

impl Wish {
    /// What a decision wants, if it wants a trade.
    #[must_use]
    pub fn of(decision: &Decision) -> Option<Self> {
        let Verdict::Rebalance { reason, trade } = &decision.verdict else { return None };
        Some(Self {
            sell: trade.sell_risky,
            units: trade.size.real(),
            value: trade.value.real(),
            cost_usd: trade.cost.get(),
            benefit_usd: trade.benefit.get(),
            reason: reason.code(),
        })
    }
}

/// Blocks that follow one another and at which the policies want different things: one a trade and the other none, or trades
/// in other directions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Divergence {
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
    /// What the published policy wants at the first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub published: Option<Wish>,
    /// What the other one wants there.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub other: Option<Wish>,
}

/// What the other policy makes of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Likeness {
    /// The same trade.
    Same,
    /// A trade of another size in the same direction.
    OtherSize,
    /// A trade in the other direction.
    OtherDirection,
    /// None.
    Nothing,
}

/// An action beside what the other policy decides at the block that it was decided on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Beside {
    /// The action's transaction.
    pub transaction: B256,
    /// Height of the block that it was decided on.
    pub decision_block: u64,
    /// How alike they are.
    pub likeness: Likeness,
    /// What the published policy wanted; absent where it wanted nothing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub published: Option<Wish>,
    /// What the other one wants.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub other: Option<Wish>,
}

impl Beside {
    /// An action beside the other policy's wish.
    #[must_use]
    pub fn of(
        (transaction, decision_block): (B256, u64),
        published: Option<Wish>,
        other: Option<Wish>,
    ) -> Self {
        let likeness = match (&published, &other) {
            (_, None) => Likeness::Nothing,
            (None, Some(_)) => Likeness::OtherSize,
            (Some(a), Some(b)) if a.sell != b.sell => Likeness::OtherDirection,
            (Some(a), Some(b)) if a.units.total_cmp(&b.units).is_ne() => Likeness::OtherSize,
            (Some(_), Some(_)) => Likeness::Same,
        };
        Self { transaction, decision_block, likeness, published, other }
    }
}

/// Another policy beside the published one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Counterfactual {
    /// Its name.
    pub policy: String,
    /// Its hash.
    pub policy_hash: B256,
    /// Where they differ, in the order of the blocks.
    pub divergences: Vec<Divergence>,
    /// Every action beside what it decides.
    pub actions: Vec<Beside>,
}

/// Sums over wishes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Sum {
    /// How many.
    pub trades: u64,
    /// What they cost, USD.
    pub cost_usd: f64,
    /// What they bring, USD.
    pub benefit_usd: f64,
}

/// What a counterfactual comes to. Of each divergence the trades of its first block count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// What the published policy wanted where the other did not.
    pub published_alone: Sum,
    /// What the other one wanted where the published one did not.
    pub other_alone: Sum,
    /// What was done.
    pub done: Sum,
    /// What the other policy makes of what was done.
    pub instead: Sum,
}

impl Counterfactual {
    /// Nothing seen yet.
    #[must_use]
    pub const fn new(policy: String, policy_hash: B256) -> Self {
        Self { policy, policy_hash, divergences: Vec::new(), actions: Vec::new() }
    }

    /// Takes the next block in.
    pub fn step(&mut self, number: u64, published: Option<Wish>, other: Option<Wish>) {
        let side = |wish: &Option<Wish>| wish.as_ref().map(|wish| wish.sell);
        let sides = (side(&published), side(&other));
        if sides.0 == sides.1 {
            return;
        }
        let before = number.saturating_sub(1);
        let goes_on =
            |run: &&mut Divergence| run.to == before && (side(&run.published), side(&run.other)) == sides;
        match self.divergences.last_mut().filter(goes_on) {
            Some(run) => run.to = number,
            None => self.divergences.push(Divergence { from: number, to: number, published, other }),
        }
    }

    /// What it comes to.
    #[must_use]
    pub fn comparison(&self) -> Comparison {
        let mut comparison = Comparison::default();
        for Divergence { published, other, .. } in &self.divergences {
            comparison.published_alone.add(published.as_ref());
            comparison.other_alone.add(other.as_ref());
        }
        for Beside { published, other, .. } in &self.actions {
            comparison.done.add(published.as_ref());
            comparison.instead.add(other.as_ref());
        }
        comparison
    }
}

impl Sum {
    fn add(&mut self, wish: Option<&Wish>) {
        let Some(wish) = wish else { return };
        self.trades = self.trades.saturating_add(1);
        self.cost_usd += wish.cost_usd;
        self.benefit_usd += wish.benefit_usd;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(sell: bool, units: f64) -> Option<Wish> {
        let reason = "worth".to_owned();
        Some(Wish { sell, units, value: units * 10.0, cost_usd: 1.0, benefit_usd: units, reason })
    }

    #[test]
    fn blocks_at_which_the_same_is_wanted_otherwise_are_one_divergence() {
        let mut beside = Counterfactual::new("other".to_owned(), B256::ZERO);
        for (number, published, other) in [
            (1, None, None),
            (2, wish(true, 1.0), None),
            (3, wish(true, 2.0), None),
            (4, wish(true, 3.0), wish(true, 9.0)),
            (5, wish(true, 4.0), None),
            (6, None, wish(false, 5.0)),
            (7, wish(true, 6.0), wish(false, 7.0)),
            (9, wish(true, 6.0), wish(false, 7.0)),
        ] {
            beside.step(number, published, other);
        }
        let runs: Vec<_> = beside.divergences.iter().map(|run| (run.from, run.to)).collect();
        assert_eq!(runs, [(2, 3), (5, 5), (6, 6), (7, 7), (9, 9)]);
        let Comparison { published_alone, other_alone, .. } = beside.comparison();
        assert_eq!(published_alone, Sum { trades: 4, cost_usd: 4.0, benefit_usd: 17.0 });
        assert_eq!(other_alone, Sum { trades: 3, cost_usd: 3.0, benefit_usd: 19.0 });
    }

    #[test]
    fn an_action_is_held_against_the_other_policys_wish_by_side_and_size() {
        let like = |published, other| Beside::of((B256::ZERO, 1), published, other).likeness;
        assert_eq!(like(wish(true, 1.0), wish(true, 1.0)), Likeness::Same);
        assert_eq!(like(wish(true, 1.0), wish(true, 2.0)), Likeness::OtherSize);
        assert_eq!(like(wish(true, 1.0), wish(false, 1.0)), Likeness::OtherDirection);
        assert_eq!(like(wish(true, 1.0), None), Likeness::Nothing);
    }
}
