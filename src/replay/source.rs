//! Where facts of the past come from: one endpoint, or several that have to tell the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy::primitives::{Address, B256, U256};
use eyre::{Result, WrapErr, bail, eyre};
use futures_util::future::try_join_all;
use serde::Serialize;

use super::difference::first_difference;
use crate::calibration::operator_fee;
use crate::chain::{At, ChainError, Endpoint, FullBlock, Header, LogFilter, MinedLog, Receipt, Transaction};
use crate::domain::policy::{ChainKind, PublishedPolicy};
use crate::domain::snapshot::{Snapshot, Vault};
use crate::keeper::snapshot_for;
use crate::protocols::ReadError;
use crate::protocols::abi::RebalancingVault::State;
use crate::protocols::oracles::chainlink;
use crate::protocols::vaults::rebalancing_vault::{self, Terms};
use crate::reader::{Mode, Reader};

/// The endpoints that facts are read through.
#[derive(Debug)]
pub struct Source {
    eyes: Vec<Eye>,
}

#[derive(Debug)]
struct Eye {
    endpoint: Arc<Endpoint>,
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
        let eye = |endpoint: Endpoint| Eye {
            endpoint: Arc::new(endpoint.of_kind(kind)),
            reader: Reader::new(mode),
        };
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
        self.header_if_any(number).await?.ok_or_else(|| lacks(&self.names().collect::<Vec<_>>(), number))
    }

    /// The header at this height; `None` where no endpoint has any.
    ///
    /// # Errors
    /// A failed call, a height that one endpoint has and another does not, endpoints that tell different headers.
    pub async fn header_if_any(&self, number: u64) -> Result<Option<Header>> {
        let asked = self.eyes.iter().map(|eye| eye.endpoint.header_by_number(number));
        let told = try_join_all(asked).await.wrap_err_with(|| format!("block {number}"))?;
        let without = self.names().zip(&told).filter(|(_, header)| header.is_none());
        let without: Vec<_> = without.map(|(name, _)| name).collect();
        if !without.is_empty() && without.len() < told.len() {
            return Err(lacks(&without, number));
        }
        self.agreed(told, |_, _| format!("block {number}"))
    }

    /// The header of this hash, canonical or not; `None` where no endpoint knows it.
    ///
    /// # Errors
    /// A failed call, endpoints of which one knows it and another does not.
    pub async fn header_by_hash(&self, hash: B256) -> Result<Option<Header>> {
        let asked = self.eyes.iter().map(|eye| eye.endpoint.header_by_hash(hash));
        let told = try_join_all(asked).await.wrap_err_with(|| format!("block {hash}"))?;
        self.agreed(told, |_, _| format!("block {hash}"))
    }

    /// Height of the newest block that all endpoints have.
    ///
    /// # Errors
    /// A failed call.
    pub async fn height(&self) -> Result<u64> {
        let heads = try_join_all(self.eyes.iter().map(|eye| eye.endpoint.latest_header())).await?;
        heads.iter().map(|head| head.number).min().ok_or_else(|| eyre!("no endpoint is given"))
    }

    /// The newest header that all endpoints have.
    ///
    /// # Errors
    /// As [`Source::header`].
    pub async fn newest(&self) -> Result<Header> {
        match self.eyes.as_slice() {
            [alone] => Ok(alone.endpoint.latest_header().await?),
            _ => self.header(self.height().await?).await,
        }
    }

    /// The first of the blocks from that of `first` to `to` after which there is a contract at `account`; `None` where there is
    /// none after the last. A contract that is there stays.
    ///
    /// # Errors
    /// A failed call, endpoints that tell different code.
    pub async fn deployed(&self, account: Address, first: &Header, to: u64) -> Result<Option<u64>> {
        let from = first.number;
        if self.has_code(account, first).await? {
            return Ok(Some(from));
        }
        if !self.has_code(account, &self.header(to).await?).await? {
            return Ok(None);
        }
        let (mut without, mut with) = (from, to);
        while with.saturating_sub(without) > 1 {
            let middle = without.midpoint(with);
            if self.has_code(account, &self.header(middle).await?).await? {
                with = middle;
            } else {
                without = middle;
            }
        }
        Ok(Some(with))
    }

    async fn has_code(&self, account: Address, header: &Header) -> Result<bool> {
        let Header { number, hash, .. } = *header;
        let asked = async |eye: &Eye| {
            let code = eye.endpoint.code(account, At::Hash(hash)).await;
            code.map_err(|error| {
                told(&eye.endpoint, &format!("the code at {account} after block {number}"), error.into())
            })
        };
        let told = try_join_all(self.eyes.iter().map(asked)).await?;
        let code = self.agreed(told, |_, _| format!("the code of {account} at block {number}"))?;
        Ok(!code.is_empty())
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
            read.map_err(|error| told(&eye.endpoint, &format!("the facts of block {height}"), error))
        };
        let told = try_join_all(self.eyes.iter().map(read)).await?;
        // By the same facts the same policy is in force.
        let (facts, in_force): (Vec<_>, Vec<_>) = told.into_iter().unzip();
        let facts = self.agreed(facts, |_, _| format!("the facts of {vault} at block {height}"))?;
        let policy = in_force.into_iter().next().ok_or_else(|| eyre!("no endpoint is given"))?;
        Ok((facts, policy))
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
        self.agreed(told, |first, second| {
            let height = first_odd(first, second).unwrap_or(from);
            format!("the events of block {height}, among those of blocks {from} to {to}")
        })
    }

    /// A mined transaction, whose bytes and signature are checked, with its receipt; `None` where no endpoint knows it.
    ///
    /// # Errors
    /// A failed call, endpoints that tell different receipts, or of which one knows none.
    pub async fn transaction(&self, hash: B256) -> Result<Option<(Transaction, Receipt)>> {
        let asked = async |eye: &Eye| {
            let (transaction, receipt) =
                tokio::try_join!(eye.endpoint.transaction(hash), eye.endpoint.receipt(hash))?;
            Ok::<_, ChainError>(transaction.zip(receipt))
        };
        let told = try_join_all(self.eyes.iter().map(asked)).await;
        let told = told.wrap_err_with(|| format!("transaction {hash}"))?;
        self.agreed(told, |_, _| format!("transaction {hash}"))
    }

    /// A block with its transactions, whose bytes and signatures are checked.
    ///
    /// # Errors
    /// A failed call, a block that is not there, endpoints that tell different transactions.
    pub async fn block(&self, hash: B256) -> Result<FullBlock> {
        let asked = async |eye: &Eye| {
            let block = eye.endpoint.full_block(hash).await.wrap_err_with(|| format!("block {hash}"))?;
            block.ok_or_else(|| eyre!("{} has no block {hash}", eye.endpoint.name()))
        };
        let told = try_join_all(self.eyes.iter().map(asked)).await?;
        self.agreed(told, |_, _| format!("the transactions of block {hash}"))
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
        self.agreed(told, |_, _| format!("vault {vault} after block {hash}"))
    }

    /// Parameters and timers of a vault that no decision reads, after the block of this hash.
    ///
    /// # Errors
    /// As [`Source::vault`].
    pub async fn terms(&self, hash: B256, vault: Address) -> Result<Terms> {
        let asked = async |eye: &Eye| rebalancing_vault::state(&eye.endpoint, hash, vault).await;
        let told = try_join_all(self.eyes.iter().map(asked)).await?;
        let terms = |state: Option<State>| Some(rebalancing_vault::terms(&state?));
        let told: Option<Vec<_>> = told.into_iter().map(terms).collect();
        let told = told.ok_or_else(|| eyre!("there is no vault at {vault} after block {hash}"))?;
        self.agreed(told, |_, _| format!("the parameters of vault {vault} after block {hash}"))
    }

    /// What the operator of an OP-stack chain took for a transaction, wei; nothing elsewhere, `None` where the chain does not
    /// say it.
    ///
    /// # Errors
    /// A failed call, endpoints that tell different fees.
    pub async fn operator_fee(&self, policy: &PublishedPolicy, receipt: &Receipt) -> Result<Option<U256>> {
        let asked = self.eyes.iter().map(|eye| operator_fee(&eye.endpoint, policy, receipt));
        let told = try_join_all(asked).await?;
        self.agreed(told, |_, _| format!("the operator's fee of transaction {}", receipt.transaction_hash))
    }

    /// Where the feed behind each proxy reports to at the block of this hash; `None` for one that does not say.
    ///
    /// # Errors
    /// A failed call, endpoints that tell different ones.
    pub async fn aggregators(&self, hash: B256, proxies: &[Address]) -> Result<Vec<Option<Address>>> {
        let asked = async |eye: &Eye| {
            let asked = proxies.iter().map(|proxy| chainlink::aggregator(&eye.endpoint, hash, *proxy));
            try_join_all(asked).await
        };
        let told = try_join_all(self.eyes.iter().map(asked)).await?;
        self.agreed(told, |_, _| format!("where the feeds report to after block {hash}"))
    }

    /// What the endpoints are called in messages, in their order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.eyes.iter().map(|eye| eye.endpoint.name())
    }

    /// What all tell; where two do not, `about` names it, and the first difference follows.
    fn agreed<T>(&self, told: Vec<T>, about: impl Fn(&T, &T) -> String) -> Result<T>
    where
        T: PartialEq + Serialize,
    {
        let (mut told, mut names) = (told.into_iter(), self.names());
        let (Some(first), Some(name)) = (told.next(), names.next()) else { bail!("no endpoint is given") };
        for (other, theirs) in told.zip(names) {
            if first != other {
                let json = |told: &T| serde_json::to_value(told).unwrap_or_default();
                let difference = first_difference(&json(&first), &json(&other));
                let shown = difference.map(|difference| format!(": {difference}")).unwrap_or_default();
                let about = about(&first, &other);
                return Err(disagreement((name, theirs), &format!("{about}{shown}")));
            }
        }
        Ok(first)
    }
}

fn lacks(names: &[&str], number: u64) -> eyre::Report {
    eyre!("{} has no block {number}", names.join(", "))
}

/// Two endpoints of which one lies.
pub(super) fn disagreement((first, second): (&str, &str), what: &str) -> eyre::Report {
    eyre!("{first} and {second} disagree on {what}: one of them lies, or they are of two chains")
}

/// Height of the block of the first event that is not the same.
fn first_odd(first: &[MinedLog], second: &[MinedLog]) -> Option<u64> {
    let odd = (0..first.len().max(second.len())).find(|i| first.get(*i) != second.get(*i))?;
    let heights = [first, second].map(|logs| logs.get(odd).map(|log| log.block_number));
    heights.into_iter().flatten().min()
}

fn told(endpoint: &Endpoint, what: &str, error: ReadError) -> eyre::Report {
    let name = endpoint.name();
    let lacks = matches!(&error, ReadError::Chain(ChainError::Rpc { .. }));
    let advice = if lacks { ": does it keep the states of old blocks? an archive node does" } else { "" };
    eyre!(error).wrap_err(format!("{what} cannot be read through {name}{advice}"))
}
