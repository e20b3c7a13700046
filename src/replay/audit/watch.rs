//! What happened in a stretch of blocks, asked once for all vaults.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256};
use eyre::Result;

use super::super::Source;
use super::walk::{News, Reading};
use crate::chain::{Header, LogFilter, MinedLog};

/// The contracts that the facts of one vault come from.
#[derive(Debug, Clone, Default)]
pub(super) struct Sources {
    /// The proxies of its feeds.
    pub(super) proxies: BTreeSet<Address>,
    /// The vault, its pools.
    pub(super) contracts: BTreeSet<Address>,
}

/// The events of a stretch.
#[derive(Debug)]
pub(super) struct Watch {
    reading: Reading,
    /// The contract behind each proxy, where it says and stays the same.
    aggregators: BTreeMap<Address, Address>,
    logs: Vec<MinedLog>,
}

impl Watch {
    /// Over the blocks from `first` to `last`, for all that the `vaults` depend on; `before` is the hash of the block whose facts
    /// are gone on from.
    ///
    /// # Errors
    /// A failed call, endpoints that tell different events.
    pub(super) async fn over(
        source: &Source,
        before: B256,
        (first, last): (&Header, &Header),
        (vaults, reading): (&[(Address, Sources)], Reading),
    ) -> Result<Self> {
        let all = |of: fn(&Sources) -> &BTreeSet<Address>| -> Vec<Address> {
            let all: BTreeSet<_> = vaults.iter().flat_map(|(_, sources)| of(sources)).copied().collect();
            all.into_iter().collect()
        };
        let mut addresses: BTreeSet<Address> = vaults.iter().map(|(vault, _)| *vault).collect();
        let mut aggregators = BTreeMap::new();
        if reading == Reading::Changes {
            let proxies = all(|sources| &sources.proxies);
            let (before, after) = tokio::try_join!(
                source.aggregators(before, &proxies),
                source.aggregators(last.hash, &proxies)
            )?;
            let same =
                before.into_iter().zip(after).map(|(before, after)| before.filter(|_| before == after));
            aggregators
                .extend(proxies.into_iter().zip(same).filter_map(|(proxy, same)| Some((proxy, same?))));
            addresses.extend(all(|sources| &sources.contracts));
            addresses.extend(aggregators.values());
        }
        let (addresses, event) = (addresses.into_iter().collect(), None);
        let (from, to) = (first.number, last.number);
        let logs = source.logs(&LogFilter { addresses, event, from, to }).await?;
        Ok(Self { reading, aggregators, logs })
    }

    /// What happened to the facts that come from `sources`.
    pub(super) fn news(&self, sources: &Sources) -> News {
        let behind: Option<Vec<_>> =
            sources.proxies.iter().map(|proxy| self.aggregators.get(proxy)).collect();
        let Some(behind) = behind.filter(|_| self.reading == Reading::Changes) else {
            return News { heights: BTreeSet::new(), unknown: true };
        };
        let concerns = |log: &&MinedLog| {
            sources.contracts.contains(&log.log.address) || behind.contains(&&log.log.address)
        };
        let heights = self.logs.iter().filter(concerns).map(|log| log.block_number).collect();
        News { heights, unknown: false }
    }

    /// The events of one contract.
    pub(super) fn of(&self, contract: Address) -> Vec<MinedLog> {
        self.logs.iter().filter(|log| log.log.address == contract).cloned().collect()
    }
}
