//! What was sent, executed again and held against the chain; and why it brought other than was predicted.

use std::path::Path;

use alloy::primitives::{B256, U256};
use eyre::{Result, WrapErr, eyre};
use serde::{Deserialize, Serialize, Serializer};

use super::fork::{Fork, LeftOut};
use super::source::disagreement;
use super::{Recomputed, Source, Subject, first_difference};
use crate::calibration::{self, Comparison, Decided, comparison, worth};
use crate::chain::{FullBlock, Receipt};
use crate::domain::decision::{Trade, Verdict};
use crate::domain::policy::PublishedPolicy;
use crate::domain::snapshot::{Pool, Snapshot};
use crate::domain::units::Usd;
use crate::domain::valuation::value;
use crate::protocols::vaults::rebalancing_vault;
use crate::protocols::venues::paid_out;

/// How blocks are executed again.
#[derive(Debug, Clone, Copy)]
pub struct Anvil<'a> {
    /// Its program.
    pub program: &'a Path,
    /// The endpoints of the source, in its order. It reads the first one; another where it comes out otherwise than the
    /// chain, to tell whether the state is to blame.
    pub urls: &'a [&'a str],
}

/// A transaction that was executed again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Executed {
    /// Its hash.
    pub transaction: B256,
    /// Height of its block.
    pub block: u64,
    /// Where the fork came out otherwise than the chain; empty where it did not.
    pub differences: Vec<String>,
    /// Transactions of the block that the fork did not take.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub left_out: Vec<LeftOut>,
    /// Predicted against realised; absent where it reverted, or did something else.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub explained: Option<Explained>,
}

/// Why a rebalance brought other than was predicted, in units of the vault's asset at the prices of the decision. What is
/// lost is positive.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// The whole comparison.
    #[serde(flatten)]
    pub comparison: Comparison,
    /// What the pools' prices moved from the decision's block to the parent of its own.
    #[serde(serialize_with = "money")]
    pub price_moved: Usd,
    /// What transactions before it in its own block took.
    #[serde(serialize_with = "money")]
    pub order_in_block: Usd,
    /// What gas cost more than predicted.
    #[serde(serialize_with = "money")]
    pub gas_over_prediction: Usd,
}

fn money<S: Serializer>(value: &Usd, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&value.get().round_dp(6).normalize())
}

/// Executes the block of a transaction again and compares: receipt, events and the vault after the block.
///
/// # Errors
/// A failed read; a fork that does not start or answer; endpoints on whose states it comes out differently.
pub async fn execute(
    source: &Source,
    anvil: Anvil<'_>,
    subject: &Subject,
    receipt: &Receipt,
) -> Result<Executed> {
    let block = source.block(receipt.block_hash).await?;
    let mut endpoints = source.names().zip(anvil.urls);
    let (name, url) = endpoints.next().ok_or_else(|| eyre!("no endpoint is given"))?;
    let once = Once { source, program: anvil.program, subject, block: &block, receipt };
    let executed = once.on(url).await?;
    if !executed.differences.is_empty() {
        for (other, url) in endpoints {
            let again = once.on(url).await?;
            if let Some(odd) = odd(&executed.differences, &again.differences) {
                let what = format!("the state before block {}: executed on it, {odd}", executed.block);
                return Err(disagreement((name, other), &what));
            }
        }
    }
    Ok(executed)
}

/// The first one that only one of both has.
fn odd<'d>(first: &'d [String], second: &'d [String]) -> Option<&'d String> {
    let only = |one: &'d [String], other: &[String]| one.iter().find(|what| !other.contains(what));
    only(first, second).or_else(|| only(second, first))
}

/// A block to be executed again, and the transaction in it that is looked at.
struct Once<'a> {
    source: &'a Source,
    program: &'a Path,
    subject: &'a Subject,
    block: &'a FullBlock,
    receipt: &'a Receipt,
}

impl Once<'_> {
    /// Executes it on the state that the endpoint at `url` tells.
    async fn on(&self, url: &str) -> Result<Executed> {
        let Self { source, program, subject, block, receipt } = *self;
        let parent = block.header.number.checked_sub(1);
        let parent = parent.ok_or_else(|| eyre!("the first block has no parent"))?;
        let fork = Fork::at(program, url, parent).await?;
        let left_out = fork.execute(block).await?;
        let mut differences = Vec::new();
        match fork.receipt(receipt.transaction_hash).await {
            Ok(again) => differences.extend(between(receipt, &again)),
            Err(error) => differences.push(format!("{error:#}")),
        }
        differences.extend(vaults(source, &fork, block, subject).await?);
        let (transaction, block) = (receipt.transaction_hash, receipt.block_number);
        Ok(Executed { transaction, block, differences, left_out, explained: None })
    }
}

/// Where two receipts of one transaction differ.
fn between(chain: &Receipt, fork: &Receipt) -> Vec<String> {
    let mut differences = Vec::new();
    let mut compare = |what: &str, chain: String, fork: String| {
        if chain != fork {
            differences.push(format!("{what}: {chain} on the chain, {fork} on the fork"));
        }
    };
    compare("success", chain.success.to_string(), fork.success.to_string());
    compare("gas used", chain.gas_used.to_string(), fork.gas_used.to_string());
    let prices = (chain.effective_gas_price, fork.effective_gas_price);
    compare("price of gas", prices.0.to_string(), prices.1.to_string());
    compare("number of events", chain.logs.len().to_string(), fork.logs.len().to_string());
    let odd = chain.logs.iter().zip(&fork.logs).position(|(chain, fork)| chain != fork);
    if let Some(odd) = odd {
        differences.push(format!("event {odd} differs"));
    }
    differences
}

/// Where the vault differs after the block.
async fn vaults(
    source: &Source,
    fork: &Fork,
    block: &FullBlock,
    subject: &Subject,
) -> Result<Option<String>> {
    let vault = subject.vault;
    let chain = source.vault(block.header.hash, vault).await?;
    let head = fork.endpoint().latest_header().await.wrap_err("the fork")?;
    let again = rebalancing_vault::state(fork.endpoint(), head.hash, vault).await.wrap_err("the fork")?;
    let again = again.and_then(|state| rebalancing_vault::facts(vault, &state));
    let again = again.ok_or_else(|| eyre!("the fork has no vault at {vault}"))?;
    let difference = first_difference(&serde_json::to_value(&chain)?, &serde_json::to_value(&again)?);
    Ok(difference.map(|difference| format!("the vault after block {}: {difference}", block.header.number)))
}

/// Why a rebalance that succeeded brought other than `recomputed` predicted; `None` where it reverted, or its receipt does not
/// hold the swaps that were decided on.
///
/// # Errors
/// A failed read.
pub async fn explain(
    source: &Source,
    subject: &Subject,
    recomputed: &Recomputed,
    receipt: &Receipt,
) -> Result<Option<Explained>> {
    let policy = subject.policies.iter().find(|policy| policy.hash() == recomputed.policy_hash);
    let (Some(policy), Verdict::Rebalance { trade, .. }, true) =
        (policy, &recomputed.decision.verdict, receipt.success)
    else {
        return Ok(None);
    };
    let Some(operator_fee) = source.operator_fee(policy, receipt).await? else { return Ok(None) };
    let decided = Decided {
        source: calibration::Source::Chain,
        snapshot: recomputed.snapshot.clone(),
        trade: trade.clone(),
    };
    let beside_gas = operator_fee.saturating_add(receipt.l1_fee);
    let Some(comparison) = comparison(&decided, policy, receipt, beside_gas) else { return Ok(None) };
    let parent = source.header(receipt.block_number.saturating_sub(1)).await?;
    let (before, _) = source.facts(&parent, subject.vault, &subject.policies).await?;
    Ok(split(&decided, policy, &before, receipt).and_then(|(price_moved, order_in_block)| {
        let gas_over_prediction = comparison.gas.realised.minus(comparison.gas.predicted).ok()?;
        Some(Explained { comparison, price_moved, order_in_block, gas_over_prediction })
    }))
}

/// What was lost to prices that moved before the block, and to what came first in it.
fn split(
    decided: &Decided,
    policy: &PublishedPolicy,
    before: &Snapshot,
    receipt: &Receipt,
) -> Option<(Usd, Usd)> {
    let Decided { snapshot, trade, .. } = decided;
    let books = value(snapshot, policy).ok()?;
    let worth = |raw| worth(snapshot, &books, trade.sell_risky, raw);
    let (mut moved, mut order) = (Usd::ZERO, Usd::ZERO);
    for swap in &trade.swaps {
        let pool = before.pools.iter().find(|pool| pool.address() == swap.pool)?;
        let then = worth(quoted(pool, snapshot, trade, swap.amount_in)?)?;
        moved = moved.plus(worth(swap.quoted_out)?.minus(then).ok()?).ok()?;
        order = order.plus(then.minus(worth(paid_out(pool, &receipt.logs)?)?).ok()?).ok()?;
    }
    Some((moved, order))
}

/// What `pool` pays.
fn quoted(pool: &Pool, snapshot: &Snapshot, trade: &Trade, amount_in: U256) -> Option<U256> {
    let risky = snapshot.vault.risky.address;
    match pool {
        Pool::UniswapV3 { state, .. } => {
            let zero_for_one = (state.token0 == risky) == trade.sell_risky;
            state.quote_exact_in(zero_for_one, amount_in).ok().map(|swap| swap.amount_out)
        }
        Pool::UniswapV2 { state } => {
            let zero_for_one = (state.token0 == risky) == trade.sell_risky;
            state.quoter().ok()?.quote_exact_in(zero_for_one, amount_in).ok().map(|swap| swap.amount_out)
        }
    }
}
