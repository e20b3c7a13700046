//! The plan: a decision in the words of the vault. After it nothing is decided; execution may refuse it, never change
//! it.

use alloy::primitives::{Address, B256, U256};
use serde::{Deserialize, Serialize};
use serde_with::{DisplayFromStr, serde_as};

use super::decision::{self, Decision, Verdict};
use super::policy::PublishedPolicy;
use super::snapshot::{Charge, Snapshot};

/// One call of `rebalance`. It is read back from its canonical form.
#[serde_as]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The vault.
    pub vault: Address,
    /// EIP-155 chain id.
    #[serde_as(as = "DisplayFromStr")]
    pub chain_id: u64,
    /// The vault's nonce that this plan uses up.
    #[serde_as(as = "DisplayFromStr")]
    pub nonce: u64,
    /// Policy it follows.
    pub policy_hash: B256,
    /// Decision it carries out.
    pub decision_hash: B256,
    /// Block decided on.
    #[serde_as(as = "DisplayFromStr")]
    pub decision_block: u64,
    /// Its hash.
    pub decision_block_hash: B256,
    /// Block time after which the vault refuses it.
    #[serde_as(as = "DisplayFromStr")]
    pub deadline: u64,
    /// Whether only hard limits and the urgent gas cap apply.
    pub mandatory: bool,
    /// What the chain was reckoned to charge beside gas; absent where it takes nothing.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub charge: Option<Charge>,
    /// The swaps, all in one direction; they succeed or fail together.
    pub swaps: Vec<Swap>,
}

/// One swap of a plan, raw amounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Swap {
    /// The pool.
    pub pool: Address,
    /// The vault's adapter for it.
    pub venue: Address,
    /// Direction.
    pub sell_risky: bool,
    /// Exact amount given.
    pub amount_in: U256,
    /// Exact quote at the decision block.
    pub quoted_out: U256,
    /// Least amount received.
    pub min_amount_out: U256,
}

impl Plan {
    /// The plan of a decision, where it is one to trade; `decision_hash` is that of
    /// [`super::decision::decision_hash`].
    #[must_use]
    pub fn of(
        snapshot: &Snapshot,
        published: &PublishedPolicy,
        decision: &Decision,
        decision_hash: B256,
    ) -> Option<Self> {
        let Verdict::Rebalance { trade, .. } = &decision.verdict else { return None };
        let (block, vault) = (&snapshot.block, &snapshot.vault);
        let policy = published.policy();
        let swaps = u64::try_from(trade.swaps.len()).unwrap_or(u64::MAX);
        Some(Self {
            vault: vault.address,
            chain_id: block.chain_id,
            nonce: vault.next_nonce,
            policy_hash: published.hash(),
            decision_hash,
            decision_block: block.number,
            decision_block_hash: block.hash,
            deadline: block.timestamp.saturating_add(policy.execution.deadline_seconds),
            mandatory: trade.mandatory,
            charge: snapshot.rollup.map(|rollup| rollup.charge(swaps)),
            swaps: trade.swaps.iter().map(|swap| Swap::of(swap, trade.sell_risky)).collect(),
        })
    }
}

impl Swap {
    const fn of(swap: &decision::Swap, sell_risky: bool) -> Self {
        let decision::Swap { pool, venue, amount_in, quoted_out, min_amount_out } = *swap;
        Self { pool, venue, sell_risky, amount_in, quoted_out, min_amount_out }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::canonical;

    #[test]
    fn a_plan_is_read_back_from_its_canonical_form() {
        let swap = Swap {
            pool: Address::repeat_byte(1),
            venue: Address::repeat_byte(2),
            sell_risky: true,
            amount_in: U256::from(7),
            quoted_out: U256::from(9),
            min_amount_out: U256::from(8),
        };
        let charge = Some(Charge { data_fee: U256::from(3), operator_fee: U256::from(1) });
        let plan = Plan {
            vault: Address::repeat_byte(3),
            chain_id: 10,
            nonce: 4,
            policy_hash: B256::repeat_byte(4),
            decision_hash: B256::repeat_byte(5),
            decision_block: 20_000_000,
            decision_block_hash: B256::repeat_byte(6),
            deadline: 1_700_000_000,
            mandatory: false,
            charge,
            swaps: vec![swap],
        };
        let text = canonical::json(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan, "{text}");
    }
}
