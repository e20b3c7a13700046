//! A call that does no harm twice, sent until it is mined. It needs no journal: where its record is lost, so that another
//! process starts anew, the worst is that the call is made again.
//!
//! Rules it keeps: one nonce for all of its bytes, that of a canonical block; every replacement raises both fees by an
//! eighth at least; no fee over the caps; where the nonce is gone without it, it stops.

use std::sync::Arc;

use alloy::consensus::TxEip1559;
use alloy::primitives::{Address, B256, Bytes, TxKind, U256};

use super::machine::{Fees, Limits, Market, bumped, joined};
use super::publish::meaning;
use super::{Doubt, FeeCaps, KeeperKey, KeyError, Published, Rejection};
use crate::chain::pool::{Answer, Lease, Outgoing, Pool, PublicBytes};
use crate::chain::{At, ChainError, Header, Receipt};

/// Heads at which the nonce must be gone without a receipt of ours before that is believed.
const STABLE: u32 = 3;

/// Least chain time between two bids, seconds: a chain with short blocks takes no notice of a bid any sooner.
const REACTION: u64 = 2;

/// A call to insist on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Harmless {
    /// Contract called.
    pub to: Address,
    /// Calldata.
    pub calldata: Bytes,
    /// Gas limit.
    pub gas_limit: u64,
}

/// Why there is nothing more to be done.
#[derive(Debug, thiserror::Error)]
pub enum InsistError {
    /// A call failed, which proves nothing: look again.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The key cannot sign.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It was mined and reverted.
    #[error("transaction {transaction} was mined in block {block} and reverted")]
    Reverted {
        /// Hash of the transaction.
        transaction: B256,
        /// Height of its block.
        block: u64,
    },
    /// Another transaction took the nonce.
    #[error(
        "nonce {nonce} was taken by a transaction that this command did not send: something else uses the key; see what \
         it did, then run the command again"
    )]
    Foreign {
        /// The nonce.
        nonce: u64,
    },
}

/// Signed bytes of the call.
#[derive(Debug, Clone)]
struct Bid {
    hash: B256,
    raw: Bytes,
    fees: Fees,
    /// Height and time of the head at which it was signed.
    signed_at: (u64, u64),
}

/// The call on its way.
#[derive(Debug)]
pub struct Insistence<'a> {
    pool: &'a Arc<Pool>,
    key: &'a KeeperKey,
    caps: &'a FeeCaps,
    call: Harmless,
    nonce: u64,
    bids: Vec<Bid>,
    /// Heads at which the nonce was gone without a receipt of ours, the last one's height beside.
    gone: (u32, u64),
}

impl<'a> Insistence<'a> {
    /// Takes the nonce that the key has at `head`, which must be canonical; nothing is signed yet.
    ///
    /// # Errors
    /// The failure of the call.
    pub async fn begin(
        pool: &'a Arc<Pool>,
        (key, caps): (&'a KeeperKey, &'a FeeCaps),
        (lease, head): (&Lease, &Header),
        call: Harmless,
    ) -> Result<Self, ChainError> {
        let nonce = lease.transaction_count(key.address(), At::Hash(head.hash)).await?;
        Ok(Self { pool, key, caps, call, nonce, bids: Vec::new(), gone: (0, 0) })
    }

    /// The nonce of all of its transactions.
    #[must_use]
    pub const fn nonce(&self) -> u64 {
        self.nonce
    }

    /// Hashes of what was signed, oldest first.
    pub fn transactions(&self) -> impl ExactSizeIterator<Item = B256> {
        self.bids.iter().map(|bid| bid.hash)
    }

    /// The receipt of the transaction that was mined, where one counts at this moment.
    ///
    /// # Errors
    /// The failure of a call.
    pub async fn receipt(&self, lease: &Lease) -> Result<Option<Receipt>, ChainError> {
        for bid in self.bids.iter().rev() {
            if let Some(receipt) = self.pool.receipt(lease, bid.hash).await? {
                return Ok(Some(receipt));
            }
        }
        Ok(None)
    }

    /// One look at `head`, which must be canonical: sends the bytes again, or more for them where they were not mined, or
    /// finds that the nonce is gone.
    ///
    /// # Errors
    /// [`InsistError::Chain`] where to look again; otherwise that no look will help.
    pub async fn tend(&mut self, lease: &Lease, head: &Header) -> Result<(), InsistError> {
        let count = lease.transaction_count(self.key.address(), At::Hash(head.hash)).await?;
        if count > self.nonce {
            return self.consumed(lease, head).await;
        }
        self.gone = (0, 0);
        let market = self.market(head).await;
        if self.is_due(head) {
            self.sign(head, market).await?;
        }
        let mut published = self.publish().await;
        // Another transaction of this nonce waits there, perhaps one of an earlier run: outbid it at once.
        while published == Published::Ambiguous(Doubt::ReplacementUnderpriced)
            && self.sign(head, market).await?
        {
            published = self.publish().await;
        }
        if let Published::Rejected(rejection @ Rejection::InsufficientFunds) = published {
            let account = self.key.address();
            tracing::error!(%account, nonce = self.nonce, %rejection, "not sent yet");
        }
        Ok(())
    }

    async fn consumed(&mut self, lease: &Lease, head: &Header) -> Result<(), InsistError> {
        if let Some(receipt) = self.receipt(lease).await? {
            let (transaction, block) = (receipt.transaction_hash, receipt.block_number);
            return if receipt.success { Ok(()) } else { Err(InsistError::Reverted { transaction, block }) };
        }
        let (seen, last) = self.gone;
        if head.number > last {
            self.gone = (seen.saturating_add(1), head.number);
        }
        if self.gone.0 >= STABLE { Err(InsistError::Foreign { nonce: self.nonce }) } else { Ok(()) }
    }

    /// What the next block asks for, with twice the tip that is suggested.
    async fn market(&self, head: &Header) -> Option<Market> {
        let suggested = self.pool.suggested_tip().await.ok();
        let tip = self.caps.tip(suggested.map(|tip| tip.saturating_mul(2)));
        head.next_base_fee(self.pool.kind()).map(|base_fee| Market { base_fee, tip })
    }

    /// Whether the newest bytes had a block to be mined in and were not.
    fn is_due(&self, head: &Header) -> bool {
        self.bids.last().is_none_or(|bid| {
            let (number, timestamp) = bid.signed_at;
            head.number > number && head.timestamp >= timestamp.saturating_add(REACTION)
        })
    }

    /// Signs for more than before, where the caps allow it. Whether there are new bytes.
    async fn sign(&mut self, head: &Header, market: Option<Market>) -> Result<bool, KeyError> {
        let Some(fees) = market.and_then(|market| self.fees(market)) else {
            let why = if market.is_some() { "its bid is at the caps" } else { "the head says no base fee" };
            tracing::warn!(nonce = self.nonce, "the same bytes again: {why}");
            return Ok(false);
        };
        let transaction = TxEip1559 {
            chain_id: self.pool.chain_id(),
            nonce: self.nonce,
            gas_limit: self.call.gas_limit,
            max_fee_per_gas: fees.cap,
            max_priority_fee_per_gas: fees.tip,
            to: TxKind::Call(self.call.to),
            value: U256::ZERO,
            access_list: alloy::eips::eip2930::AccessList::default(),
            input: self.call.calldata.clone(),
        };
        let (hash, raw) = self.key.sign(transaction).await?;
        tracing::info!(nonce = self.nonce, %hash, fee_cap = fees.cap, tip = fees.tip, "signed");
        self.bids.push(Bid { hash, raw, fees, signed_at: (head.number, head.timestamp) });
        Ok(true)
    }

    fn fees(&self, market: Market) -> Option<Fees> {
        let limits = Limits { per_gas: self.caps.max_fee_per_gas, in_all: self.caps.max_per_transaction };
        let most = limits.per_gas(self.call.gas_limit);
        match self.bids.last() {
            Some(bid) => bumped(bid.fees, market, most),
            None => Some(first(market, most)),
        }
    }

    async fn publish(&self) -> Published {
        let none = || Published::unclear("nothing is signed yet");
        let Some(bid) = self.bids.last() else { return none() };
        let outgoing = Outgoing::Public(PublicBytes::new(bid.raw.clone()));
        let answers = self.pool.broadcast(&outgoing, |_: &Answer| false).await;
        for answer in &answers {
            let (endpoint, said) = (&answer.endpoint, meaning(answer, bid.hash));
            tracing::info!(nonce = self.nonce, hash = %bid.hash, endpoint, "{said}");
        }
        joined(answers.iter().map(|answer| meaning(answer, bid.hash))).unwrap_or_else(none)
    }
}

/// A comfortable bid, or what the caps leave of it: then it waits until the market comes down.
fn first(market: Market, most: u128) -> Fees {
    let Fees { cap, tip } = market.bid();
    let cap = cap.min(most);
    Fees { cap, tip: tip.min(cap) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bid_is_comfortable_and_never_over_the_caps() {
        let market = Market { base_fee: 20, tip: 4 };
        assert_eq!(first(market, 100), Fees { cap: 44, tip: 4 });
        assert_eq!(first(market, 15), Fees { cap: 15, tip: 4 });
        assert_eq!(first(market, 3), Fees { cap: 3, tip: 3 });
    }
}
