//! Past rebalances read from the chain.

use alloy::primitives::{B256, U256};
use alloy::sol_types::{SolEvent, SolValue};
use eyre::{Result, WrapErr};

use super::{Compared, Comparison, Pair, Past, Range, Source, Subject, SwapComparison, Unknown};
use crate::chain::{At, CallRequest, ChainError, Endpoint, LogFilter, MinedLog, Receipt, Simulated};
use crate::domain::decision::{Decision, Texts, Trade, Verdict, decide};
use crate::domain::gas::Sending;
use crate::domain::policy::{ChainKind, PublishedPolicy};
use crate::domain::snapshot::Snapshot;
use crate::domain::units::{Ratio, Units, Usd, from_raw};
use crate::domain::valuation::{Valuation, value};
use crate::protocols::ReadError;
use crate::protocols::rollups::op_stack;
use crate::protocols::vaults::rebalancing_vault::Rebalanced;
use crate::protocols::venues::paid_out;
use crate::reader::Reader;

/// The facts and the decision behind an event.
pub(crate) struct Decided {
    pub(crate) source: Source,
    pub(crate) snapshot: Snapshot,
    pub(crate) trade: Trade,
}

/// Every rebalance of the vault in `range`, oldest first, compared with its decision where that is known.
///
/// # Errors
/// A failure of the node or of the journal.
pub async fn past(subject: &Subject<'_>, range: Range) -> Result<Vec<Past>> {
    let reader = Reader::default();
    let Range { from, to } = range;
    let filter =
        LogFilter { addresses: vec![subject.vault], event: Some(Rebalanced::SIGNATURE_HASH), from, to };
    let logs = subject.endpoint.all_logs(&filter).await;
    let mut all = Vec::new();
    for mined in logs.wrap_err_with(|| format!("events of blocks {from} to {to}"))? {
        all.push(one(subject, &reader, &mined).await?);
    }
    Ok(all)
}

/// The rebalance of one event.
async fn one(subject: &Subject<'_>, reader: &Reader, mined: &MinedLog) -> Result<Past> {
    let hash = mined.transaction_hash;
    let event = Rebalanced::decode_log(&mined.log);
    let event = event.wrap_err_with(|| format!("the event of {hash} is not that of a RebalancingVault"))?;
    let receipt = subject.endpoint.receipt(hash).await.wrap_err_with(|| format!("receipt of {hash}"))?;
    let compared = match receipt {
        None => Err(Unknown::Receipt),
        Some(receipt) => compare(subject, reader, &event, &receipt).await?,
    };
    let compared = match compared {
        Ok(comparison) => Compared::Known(Box::new(comparison)),
        Err(why) => Compared::Unknown { why },
    };
    Ok(Past {
        block: mined.block_number,
        transaction: hash,
        decision_block: event.decisionBlock,
        decision_hash: event.decisionHash,
        compared,
    })
}

async fn compare(
    subject: &Subject<'_>,
    reader: &Reader,
    event: &Rebalanced,
    receipt: &Receipt,
) -> Result<Result<Comparison, Unknown>> {
    let Some(policy) = subject.policies.iter().find(|policy| policy.hash() == event.policyHash) else {
        return Ok(Err(Unknown::Policy));
    };
    let decided = match decided(subject, reader, event, policy).await? {
        Ok(decided) => decided,
        Err(why) => return Ok(Err(why)),
    };
    let Some(operator_fee) = operator_fee(subject.endpoint, policy, receipt).await? else {
        return Ok(Err(Unknown::Receipt));
    };
    let known = comparison(&decided, policy, receipt, operator_fee.saturating_add(receipt.l1_fee));
    Ok(known.ok_or(Unknown::Receipt))
}

/// Takes the decision behind `event` again, or finds it in the journal.
async fn decided(
    subject: &Subject<'_>,
    reader: &Reader,
    event: &Rebalanced,
    policy: &PublishedPolicy,
) -> Result<Result<Decided, Unknown>> {
    let endpoint = subject.endpoint;
    let header = endpoint.header_by_number(event.decisionBlock).await.wrap_err("the decision's block")?;
    let snapshot = match &header {
        None => None,
        Some(header) => {
            let read = reader.snapshot(endpoint, header, subject.vault, policy.policy()).await;
            known(read).wrap_err("the decision's block")?
        }
    };
    let found = match snapshot {
        Some(snapshot) => (Source::Chain, snapshot),
        None => match recorded(subject, event.decisionHash).await? {
            Some(snapshot) => (Source::Journal, snapshot),
            None => return Ok(Err(Unknown::State)),
        },
    };
    let (source, snapshot) = found;
    let decision = decide(&snapshot, policy);
    let hash = Texts::of(&snapshot, &decision)?.hash(policy.hash())?;
    let Decision { verdict: Verdict::Rebalance { trade, .. }, .. } = decision else {
        return Ok(Err(Unknown::OtherDecision));
    };
    let same = hash == event.decisionHash;
    Ok(if same { Ok(Decided { source, snapshot, trade }) } else { Err(Unknown::OtherDecision) })
}

/// Nothing where the node answers, but has no such state; how it says so is its own affair.
fn known(read: Result<Snapshot, ReadError>) -> Result<Option<Snapshot>, ReadError> {
    match read {
        Ok(snapshot) => Ok(Some(snapshot)),
        Err(ReadError::Chain(
            error @ (ChainError::BadUrl { .. }
            | ChainError::Timeout { .. }
            | ChainError::Connection { .. }
            | ChainError::Http { .. }
            | ChainError::WrongChainId { .. }),
        )) => Err(error.into()),
        Err(error @ ReadError::OtherKind { .. }) => Err(error),
        Err(_) => Ok(None),
    }
}

/// The facts of a decision as the journal keeps them.
async fn recorded(subject: &Subject<'_>, decision_hash: B256) -> Result<Option<Snapshot>> {
    let Some(journal) = subject.journal else { return Ok(None) };
    let cycle = journal.cycle_of(subject.vault, decision_hash).await.wrap_err("the journal")?;
    let text = cycle.and_then(|cycle| cycle.record.snapshot_json);
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// What the operator of an OP-stack chain took for the transaction, which its receipt does not say; `None` where the
/// chain does not say it either.
pub(crate) async fn operator_fee(
    endpoint: &Endpoint,
    policy: &PublishedPolicy,
    receipt: &Receipt,
) -> Result<Option<U256>> {
    if policy.policy().gas.chain != ChainKind::OpStack {
        return Ok(Some(U256::ZERO));
    }
    let (to, data) = op_stack::operator_fee(U256::from(receipt.gas_used));
    let request = CallRequest { from: None, to, data };
    let answer = endpoint.call(&request, At::Hash(receipt.block_hash)).await;
    Ok(match answer.wrap_err("the operator's fee")? {
        Simulated::Success(answer) => U256::abi_decode(&answer).ok(),
        Simulated::Reverted(_) => None,
    })
}

/// `None` where the receipt does not hold the swaps, or a number does not fit.
pub(crate) fn comparison(
    decided: &Decided,
    published: &PublishedPolicy,
    receipt: &Receipt,
    beside_gas: U256,
) -> Option<Comparison> {
    let Decided { source, snapshot, trade } = decided;
    let policy = published.policy();
    let books = value(snapshot, published).ok()?;
    let sending = Sending::at(snapshot, policy, &books).ok()?;
    let swaps = trade.swaps.iter().map(|swap| {
        let pool = snapshot.pools.iter().find(|pool| pool.address() == swap.pool)?;
        let paid = paid_out(pool, &receipt.logs)?;
        let worth = |raw| worth(snapshot, &books, trade.sell_risky, raw);
        let quoted = worth(swap.quoted_out)?;
        Some(SwapComparison { pool: swap.pool, quoted, shortfall: quoted.minus(worth(paid)?).ok()? })
    });
    let swaps = swaps.collect::<Option<Vec<_>>>()?;
    let further = u64::try_from(swaps.len()).ok()?.saturating_sub(1);
    let units = policy.gas.rebalance_units.saturating_add(further.saturating_mul(policy.gas.swap_units));
    let gas = sending.rebalance.plus(sending.further_swap.times(Ratio::new(further.into())).ok()?).ok()?;
    let paid = U256::from(receipt.gas_used).saturating_mul(U256::from(receipt.effective_gas_price));
    let lost = swaps.iter().try_fold(Usd::ZERO, |sum, swap| sum.plus(swap.shortfall)).ok()?;
    let venue = trade.fee.plus(trade.impact).ok()?;
    Some(Comparison {
        source: *source,
        value: trade.value,
        gas_units: Pair {
            predicted: units,
            realised: receipt.gas_used.saturating_sub(receipt.gas_used_for_l1),
        },
        gas: Pair { predicted: gas, realised: books.coins(paid.saturating_add(beside_gas)).ok()? },
        venue: Pair { predicted: venue, realised: venue.plus(lost).ok()? },
        swaps,
    })
}

/// What a raw amount of the token received is worth by the oracle.
pub(crate) fn worth(snapshot: &Snapshot, books: &Valuation, sale: bool, raw: U256) -> Option<Usd> {
    let vault = &snapshot.vault;
    if sale {
        from_raw(raw, vault.asset.decimals).ok().map(Usd::new)
    } else {
        books.price.value_of(Units::new(from_raw(raw, vault.risky.decimals).ok()?)).ok()
    }
}
