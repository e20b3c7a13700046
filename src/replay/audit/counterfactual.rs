//! What another policy would have done at each block of the history that was.
//!
//! Its trades are not carried out: at every block it sees the vault as it was kept by the published policy, so that this is a
//! comparison of single decisions and no backtest.

use alloy::primitives::{B256, U256};
use serde::{Deserialize, Serialize};
use serde_with::{DisplayFromStr, serde_as};

use super::Action;
use crate::domain::decision::{Decision, Verdict};

/// A trade that a policy wants.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wish {
    /// Whether the risky asset is to be sold.
    pub sell: bool,
    /// Raw units of the token given.
    #[serde_as(as = "DisplayFromStr")]
    pub amount_in: U256,
    /// Units of the risky asset.
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
            amount_in: trade.amount_in,
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
    /// How alike what was done and what the other policy wants are.
    pub likeness: Likeness,
    /// What the published policy wanted; absent where it wanted nothing, or is not known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub published: Option<Wish>,
    /// What the other one wants.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub other: Option<Wish>,
}

impl Beside {
    /// An action beside what both policies want.
    #[must_use]
    pub fn of(action: &Action, published: Option<Wish>, other: Option<Wish>) -> Self {
        let likeness = match &other {
            None => Likeness::Nothing,
            Some(other) if other.sell != action.sell_risky => Likeness::OtherDirection,
            Some(other) if other.amount_in != action.amount_in => Likeness::OtherSize,
            Some(_) => Likeness::Same,
        };
        let Action { transaction, decision_block, .. } = *action;
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

/// Actions of which the other policy makes the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Alike {
    /// How many.
    pub actions: u64,
    /// What the published policy wanted there; less than all of them where it did not want some.
    pub done: Sum,
    /// What the other one wants there.
    pub instead: Sum,
}

/// Actions by what the other policy makes of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct ByLikeness {
    /// [`Likeness::Same`].
    pub same: Alike,
    /// [`Likeness::OtherSize`].
    pub other_size: Alike,
    /// [`Likeness::OtherDirection`].
    pub other_direction: Alike,
    /// [`Likeness::Nothing`].
    pub nothing: Alike,
}

/// What a counterfactual comes to. Of each divergence the trades of its first block count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// What the published policy wanted where the other did not.
    pub published_alone: Sum,
    /// What the other one wanted where the published one did not.
    pub other_alone: Sum,
    /// What was done, as far as the published policy wanted it.
    pub done: Sum,
    /// What the other policy makes of what was done.
    pub instead: Sum,
    /// The same by how alike they are.
    pub by_likeness: ByLikeness,
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
        for Beside { published, other, likeness, .. } in &self.actions {
            comparison.done.add(published.as_ref());
            comparison.instead.add(other.as_ref());
            let alike = comparison.by_likeness.of(*likeness);
            alike.actions = alike.actions.saturating_add(1);
            alike.done.add(published.as_ref());
            alike.instead.add(other.as_ref());
        }
        comparison
    }
}

impl ByLikeness {
    const fn of(&mut self, likeness: Likeness) -> &mut Alike {
        match likeness {
            Likeness::Same => &mut self.same,
            Likeness::OtherSize => &mut self.other_size,
            Likeness::OtherDirection => &mut self.other_direction,
            Likeness::Nothing => &mut self.nothing,
        }
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

    fn wish(sell: bool, units: u32) -> Option<Wish> {
        let (reason, amount_in, units) = ("worth".to_owned(), U256::from(units), f64::from(units));
        Some(Wish { sell, amount_in, units, value: units * 10.0, cost_usd: 1.0, benefit_usd: units, reason })
    }

    #[test]
    fn blocks_at_which_the_same_is_wanted_otherwise_are_one_divergence() {
        let mut beside = Counterfactual::new("other".to_owned(), B256::ZERO);
        for (number, published, other) in [
            (1, None, None),
            (2, wish(true, 1), None),
            (3, wish(true, 2), None),
            (4, wish(true, 3), wish(true, 9)),
            (5, wish(true, 4), None),
            (6, None, wish(false, 5)),
            (7, wish(true, 6), wish(false, 7)),
            (9, wish(true, 6), wish(false, 7)),
        ] {
            beside.step(number, published, other);
        }
        let runs: Vec<_> = beside.divergences.iter().map(|run| (run.from, run.to)).collect();
        assert_eq!(runs, [(2, 3), (5, 5), (6, 6), (7, 7), (9, 9)]);
        let Comparison { published_alone, other_alone, .. } = beside.comparison();
        assert_eq!(published_alone, Sum { trades: 4, cost_usd: 4.0, benefit_usd: 17.0 });
        assert_eq!(other_alone, Sum { trades: 3, cost_usd: 3.0, benefit_usd: 19.0 });
    }

    /// An action that gave so many raw units.
    fn action(sell_risky: bool, amount_in: u32) -> Action {
        let (block, decision_block, nonce) = (2, 1, 0);
        let (transaction, decision_hash, policy_hash) = (B256::ZERO, B256::ZERO, B256::ZERO);
        let amount_in = U256::from(amount_in);
        Action {
            block,
            transaction,
            decision_block,
            decision_hash,
            policy_hash,
            nonce,
            sell_risky,
            amount_in,
        }
    }

    #[test]
    fn an_action_is_held_against_the_other_policys_wish_by_side_and_size() {
        let done = action(true, 1);
        let like = |other| Beside::of(&done, wish(true, 1), other).likeness;
        assert_eq!(like(wish(true, 1)), Likeness::Same);
        assert_eq!(like(wish(true, 2)), Likeness::OtherSize);
        assert_eq!(like(wish(false, 1)), Likeness::OtherDirection);
        assert_eq!(like(None), Likeness::Nothing);
        // What was done counts, also where the published policy did not want it.
        assert_eq!(Beside::of(&done, None, wish(true, 1)).likeness, Likeness::Same);
        assert_eq!(Beside::of(&done, None, wish(false, 1)).likeness, Likeness::OtherDirection);
        assert_eq!(Beside::of(&done, wish(true, 2), wish(true, 2)).likeness, Likeness::OtherSize);
    }

    #[test]
    fn actions_are_summed_by_what_the_other_policy_makes_of_them() {
        let mut beside = Counterfactual::new("other".to_owned(), B256::ZERO);
        for (done, published, other) in [
            (action(true, 3), wish(true, 3), wish(true, 3)),
            (action(true, 4), wish(true, 4), wish(true, 9)),
            (action(true, 5), None, wish(true, 7)),
            (action(false, 6), wish(false, 6), wish(true, 8)),
            (action(false, 7), wish(false, 7), None),
        ] {
            beside.actions.push(Beside::of(&done, published, other));
        }
        let sum = |trades: u32, benefit_usd| {
            let cost_usd = f64::from(trades);
            Sum { trades: trades.into(), cost_usd, benefit_usd }
        };
        let Comparison { done, instead, by_likeness, .. } = beside.comparison();
        assert_eq!((done, instead), (sum(4, 20.0), sum(4, 27.0)));
        let alike = |actions, done, instead| Alike { actions, done, instead };
        assert_eq!(
            by_likeness,
            ByLikeness {
                same: alike(1, sum(1, 3.0), sum(1, 3.0)),
                other_size: alike(2, sum(1, 4.0), sum(2, 16.0)),
                other_direction: alike(1, sum(1, 6.0), sum(1, 8.0)),
                nothing: alike(1, sum(1, 7.0), sum(0, 0.0)),
            }
        );
    }

    #[test]
    fn thousands_of_blocks_at_which_the_same_is_wanted_otherwise_take_the_room_of_one() {
        let mut beside = Counterfactual::new("other".to_owned(), B256::ZERO);
        for number in 0..10_000_u64 {
            beside.step(number, None, wish(true, 1));
        }
        let [Divergence { from: 0, to: 9_999, .. }] = beside.divergences.as_slice() else {
            panic!("{:?}", beside.divergences)
        };
    }
}
