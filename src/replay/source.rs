//! Where facts of the past come from: one endpoint, or several that have to tell the same.

use std::collections::BTreeMap;

use alloy::primitives::{Address, B256, U256};
use eyre::{Result, WrapErr, bail, eyre};
use futures_util::future::try_join_all;

use super::difference::first_difference;
use crate::calibration::operator_fee;
use crate::chain::{ChainError, Endpoint, FullBlock, Header, LogFilter, MinedLog, Receipt, Transaction};
use crate::domain::policy::{ChainKind, PublishedPolicy};
use crate::domain::snapshot::{Snapshot, Vault};
use crate::keeper::snapshot_for;
use crate::protocols::ReadError;
use crate::protocols::abi::RebalancingVault::State;
use crate::protocols::oracles::chainlink;
use crate::protocols::vaults::rebalancing_vault;
use crate::reader::{Mode, Reader};

/// The endpoints that facts are read through.
#[derive(Debug)]
pub struct Source {
    eyes: Vec<Eye>,
}

#[derive(Debug)]
struct Eye {
    endpoint: Endpoint,
    reader: Reader,
}

impl Source {
    /// Reads through `endpoints`, all of which must be of one chain, as `mode` says.
    ///
    /// # Errors
    /// There is none, or they are of different chains.
    pub fn new(endpoints: Vec<Endpoint>, kind: ChainKind, mode: Mode) -> Result<Self> {
        let first = endpoints.first().ok_or_else(|| eyre!("no endpoint is given"))?.chain_id();
        if let Some(other) = endpoints.iter().find(|endpoint| endpoint.chain_id() != first) {
            bail!("{} serves chain {}, the first endpoint chain {first}", other.name(), other.chain_id());
        }
        let eye = |endpoint: Endpoint| Eye { endpoint: endpoint.of_kind(kind), reader: Reader::new(mode) };
        Ok(Self { eyes: endpoints.into_iter().map(eye).collect() })
    }

    /// EIP-155 id of the chain.
    #[must_use]
    pub fn chain_id(&self) -> u64 {
        self.eyes.first().map_or(0, |eye| eye.endpoint.chain_id())
    }

    /// Requests that were sent to all endpoints so far, by their method.
    #[must_use]
    pub fn requests(&self) -> BTreeMap<&'static str, u64> {
        let mut all = BTreeMap::<_, u64>::new();
        for (method, sent) in self.eyes.iter().flat_map(|eye| eye.endpoint.requests()) {
            let count = all.entry(method).or_default();
            *count = count.saturating_add(sent);
        }
        all
    }

    /// The header at this height.
    ///
    /// # Errors
    /// A failed call, a height that is not there, endpoints that tell different headers.
    pub async fn header(&self, number: u64) -> Result<Header> {
        let asked = async |eye: &Eye| {
            let header = eye.endpoint.header_by_number(number).await;
            let header = header.wrap_err_with(|| format!("block {number}"))?;
            header.ok_or_else(|| eyre!("{} has no block {number}", eye.endpoint.name()))
        };
        let told = try_join_all(self.eyes.iter().map(asked)).await?;
        self.agreed(told, |first, second| {
            (first != second).then(|| format!("block {number}: hash {} against {}", first.hash, second.hash))
        })
    }

    /// Height of the newest block that all endpoints have.
    ///
    /// # Errors
    /// A failed call.
    pub async fn height(&self) -> Result<u64> {
        let heads = try_join_all(self.eyes.iter().map(|eye| eye.endpoint.latest_header())).await?;
        heads.iter().map(|head| head.number).min().ok_or_else(|| eyre!("no endpoint is given"))
    }

    /// The facts of a vault at the block of `header`, with the policy among `policies` whose hash it stores there; with the
    /// first one where it stores none of them.
    ///
    /// # Errors
    /// A failed read, endpoints that tell different facts.
    pub async fn facts<'p>(
        &self,
        header: &Header,
        vault: Address,
        policies: &'p [PublishedPolicy],
    ) -> Result<(Snapshot, &'p PublishedPolicy)> {
        let height = header.number;
        let read = async |eye: &Eye| {
            let read = snapshot_for(&eye.reader, &eye.endpoint, header, vault, policies).await;
            read.map_err(|error| told(&eye.endpoint, height, error))
        };
        let told = try_join_all(self.eyes.iter().map(read)).await?;
        self.agreed(told, |(first, _), (second, _)| {
            if first == second {
                return None;
            }
            let json = |facts: &Snapshot| serde_json::to_value(facts).unwrap_or_default();
            let difference = first_difference(&json(first), &json(second))?;
            Some(format!("the facts of {vault} at block {height}: {difference}"))
        })
    }

    /// Events in the order of the chain.
    ///
    /// # Errors
    /// A failed call, endpoints that tell different events.
    pub async fn logs(&self, filter: &LogFilter) -> Result<Vec<MinedLog>> {
        let (from, to) = (filter.from, filter.to);
        let asked = async |eye: &Eye| eye.endpoint.all_logs(filter).await;
        let told = try_join_all(self.eyes.iter().map(asked)).await;
        let told = told.wrap_err_with(|| format!("events of blocks {from} to {to}"))?;
        self.agreed(told, |first: &Vec<MinedLog>, second: &Vec<MinedLog>| {
            let (odd, height) = first_odd(first, second)?;
            Some(format!("the events of block {height}: event {odd} of those from {from} to {to}"))
        })
    }

    /// A mined transaction, whose bytes and signature are checked, with its receipt; `None` where an endpoint knows none.
    ///
    /// # Errors
    /// A failed call, endpoints that tell different receipts.
    pub async fn transaction(&self, hash: B256) -> Result<Option<(Transaction, Receipt)>> {
        let asked = async |eye: &Eye| {
            let (transaction, receipt) =
                tokio::try_join!(eye.endpoint.transaction(hash), eye.endpoint.receipt(hash))?;
            Ok::<_, ChainError>(transaction.zip(receipt))
        };
        let told = try_join_all(self.eyes.iter().map(asked)).await;
        let told = told.wrap_err_with(|| format!("transaction {hash}"))?;
        let Some(found) = told.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
        self.agreed(found, |first, second| (first != second).then(|| format!("transaction {hash}"))).map(Some)
    }

    /// A block with its transactions, whose bytes and signatures are checked.
    ///
    /// # Errors
    /// A failed call, a transaction of an unknown type, a block that is not there.
    pub async fn block(&self, hash: B256) -> Result<FullBlock> {
        let eye = self.first()?;
        let block = eye.endpoint.full_block(hash).await.wrap_err_with(|| format!("block {hash}"))?;
        block.ok_or_else(|| eyre!("{} has no block {hash}", eye.endpoint.name()))
    }

    /// What a vault says of itself after the block of this hash.
    ///
    /// # Errors
    /// A failed call, an address without a vault, endpoints that tell different states.
    pub async fn vault(&self, hash: B256, vault: Address) -> Result<Vault> {
        let asked = async |eye: &Eye| rebalancing_vault::state(&eye.endpoint, hash, vault).await;
        let told = try_join_all(self.eyes.iter().map(asked)).await?;
        let facts = |state: Option<State>| rebalancing_vault::facts(vault, &state?);
        let told: Option<Vec<_>> = told.into_iter().map(facts).collect();
        let told = told.ok_or_else(|| eyre!("there is no vault at {vault} after block {hash}"))?;
        self.agreed(told, |first, second| {
            (first != second).then(|| format!("vault {vault} after block {hash}"))
        })
    }

    /// What the operator of an OP-stack chain took for a transaction, wei; nothing elsewhere, `None` where the chain does not
    /// say it.
    ///
    /// # Errors
    /// A failed call.
    pub async fn operator_fee(&self, policy: &PublishedPolicy, receipt: &Receipt) -> Result<Option<U256>> {
        operator_fee(&self.first()?.endpoint, policy, receipt).await
    }

    /// Where the feed behind each proxy reports to at the block of this hash; `None` for one that does not say.
    ///
    /// # Errors
    /// A failed call.
    pub async fn aggregators(&self, hash: B256, proxies: &[Address]) -> Result<Vec<Option<Address>>> {
        let endpoint = &self.first()?.endpoint;
        Ok(try_join_all(proxies.iter().map(|proxy| chainlink::aggregator(endpoint, hash, *proxy))).await?)
    }

    fn first(&self) -> Result<&Eye> {
        self.eyes.first().ok_or_else(|| eyre!("no endpoint is given"))
    }

    /// What all tell, where `difference` finds none between the first one and any other.
    fn agreed<T>(&self, told: Vec<T>, difference: impl Fn(&T, &T) -> Option<String>) -> Result<T> {
        let mut told = told.into_iter();
        let first = told.next().ok_or_else(|| eyre!("no endpoint is given"))?;
        for (other, eye) in told.zip(self.eyes.iter().skip(1)) {
            if let Some(difference) = difference(&first, &other) {
                let (ours, theirs) = (self.first()?.endpoint.name(), eye.endpoint.name());
                bail!(
                    "{ours} and {theirs} disagree on {difference}: one of them lies, or they are of two chains"
                );
            }
        }
        Ok(first)
    }
}

/// The first event that is not the same, from 0, and the height of its block.
fn first_odd(first: &[MinedLog], second: &[MinedLog]) -> Option<(usize, u64)> {
    let odd = (0..first.len().max(second.len())).find(|i| first.get(*i) != second.get(*i))?;
    let log = first.get(odd).or_else(|| second.get(odd))?;
    Some((odd, log.block_number))
}

fn told(endpoint: &Endpoint, height: u64, error: ReadError) -> eyre::Report {
    let name = endpoint.name();
    let lacks = matches!(&error, ReadError::Chain(ChainError::Rpc { .. }));
    let advice = if lacks { ": does it keep the states of old blocks? an archive node does" } else { "" };
    eyre!(error).wrap_err(format!("the facts of block {height} cannot be read through {name}{advice}"))
}
