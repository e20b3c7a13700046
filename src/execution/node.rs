//! The leased endpoint of a chain as the node that the machine looks through.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use alloy::primitives::{Address, B256};

use super::Finality;
use super::machine::{self, Market, Mined, Point};
use crate::chain::pool::{Lease, Pool};
use crate::chain::{At, ChainError, Endpoint, Header, Receipt};
use crate::defence::defended;
use crate::domain::policy::ChainKind;

/// One key seen through one endpoint.
#[derive(Debug)]
pub(super) struct Node<'a> {
    pub(super) pool: &'a Pool,
    /// Which one is asked.
    pub(super) eye: Eye<'a>,
    pub(super) sender: Address,
    pub(super) finality: Finality,
    /// Tip within the configured bounds, wei per gas.
    pub(super) tip: u128,
    receipts: Mutex<BTreeMap<B256, Receipt>>,
}

/// The endpoint that is asked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Eye<'a> {
    /// The leased one, which is held to what it says.
    Leased(&'a Lease),
    /// A second one, which bears it out.
    Second(&'a Endpoint),
}

impl<'a> Node<'a> {
    pub(super) fn new(
        (pool, eye): (&'a Pool, Eye<'a>),
        sender: Address,
        finality: Finality,
        tip: u128,
    ) -> Self {
        Self { pool, eye, sender, finality, tip, receipts: Mutex::default() }
    }

    fn endpoint(&self) -> &Endpoint {
        match self.eye {
            Eye::Leased(lease) => lease,
            Eye::Second(endpoint) => endpoint,
        }
    }

    /// The receipt of an attempt as it was last told.
    pub(super) fn told(&self, attempt: B256) -> Option<Receipt> {
        self.receipts.lock().unwrap_or_else(PoisonError::into_inner).get(&attempt).cloned()
    }
}

/// What the machine has to know of a receipt.
pub(super) fn mined(receipt: &Receipt) -> Mined {
    Mined {
        attempt: receipt.transaction_hash,
        number: receipt.block_number,
        block: receipt.block_hash,
        success: receipt.success,
    }
}

fn point(header: &Header) -> Point {
    Point { number: header.number, hash: header.hash, time: header.timestamp }
}

/// The newest header that counts as final; `None` on a chain that is shorter than the depth asked for: then nothing is.
///
/// A node that tells no finalized block is asked for one so deep that it is final by any measure of its chain.
async fn final_header(
    endpoint: &Endpoint,
    head: u64,
    finality: Finality,
) -> Result<Option<Header>, ChainError> {
    let depth = match finality {
        Finality::Depth(depth) => depth,
        Finality::Finalized => match endpoint.finalized_header().await {
            Ok(header) => return Ok(Some(header)),
            Err(_) if defended(54) => surely_final(endpoint.kind()),
            Err(_) => 0,
        },
    };
    match head.checked_sub(depth) {
        Some(number) => endpoint.header_by_number(number).await,
        None => Ok(None),
    }
}

/// Blocks on top of one that is final beyond doubt: on Ethereum two epochs are 64, and a finalized block is hardly ever
/// more than 100 deep; a rollup's data is final on Ethereum within half an hour, of which this is twice.
const fn surely_final(kind: ChainKind) -> u64 {
    match kind {
        ChainKind::Ethereum => 128,
        ChainKind::OpStack => 1_800,
        ChainKind::Arbitrum => 14_400,
    }
}

impl machine::Node for Node<'_> {
    type Error = ChainError;

    async fn head(&self) -> Result<(Point, Market), ChainError> {
        let header = self.endpoint().latest_header().await?;
        // Where the head says nothing of the next block's, a bump is the least that replaces.
        let base_fee = header.next_base_fee(self.pool.kind()).unwrap_or_default();
        Ok((point(&header), Market { base_fee, tip: self.tip }))
    }

    async fn block(&self, number: u64) -> Result<Option<Point>, ChainError> {
        Ok(self.endpoint().header_by_number(number).await?.as_ref().map(point))
    }

    async fn deep(&self, head: &Point) -> Result<Option<Point>, ChainError> {
        Ok(final_header(self.endpoint(), head.number, self.finality).await?.as_ref().map(point))
    }

    async fn transactions(&self, block: B256) -> Result<u64, ChainError> {
        self.endpoint().transaction_count(self.sender, At::Hash(block)).await
    }

    async fn receipt(&self, attempt: B256) -> Result<Option<Mined>, ChainError> {
        let receipt = match self.eye {
            Eye::Leased(lease) => self.pool.receipt(lease, attempt).await?,
            Eye::Second(endpoint) => endpoint.receipt(attempt).await?,
        };
        let Some(receipt) = receipt else { return Ok(None) };
        let seen = mined(&receipt);
        self.receipts.lock().unwrap_or_else(PoisonError::into_inner).insert(attempt, receipt);
        Ok(Some(seen))
    }

    async fn contents(&self, number: u64) -> Result<Option<Vec<B256>>, ChainError> {
        Ok(self.endpoint().block_by_number(number).await?.map(|block| block.transactions))
    }
}
