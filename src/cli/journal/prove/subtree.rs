//! The leaves below one recorded node, decided on again from the chain.

use alloy::primitives::{Address, B256, keccak256};
use eyre::WrapErr;

use super::super::super::connect::connect;
use super::super::super::{Context, Failure};
use crate::chain::{Endpoint, Header};
use crate::config::{Config, VaultConfig};
use crate::domain::decision::{DECISION_VERSION, Texts, decide};
use crate::domain::merkle::{leaf, stored_height};
use crate::journal::{BlockEntry, Journal, Roster};
use crate::keeper::snapshot_for;
use crate::reader::Reader;

/// The leaves below one node of the level that is stored.
pub(super) struct Subtree<'a> {
    block: &'a BlockEntry,
    vaults: &'a [Address],
    number: usize,
    place: usize,
    node: B256,
}

/// A leaf, and the hashes of snapshot and decision that it is made of.
pub(super) struct Made {
    pub(super) leaf: B256,
    pub(super) hashes: (B256, B256),
}

impl<'a> Subtree<'a> {
    /// That of the leaf at `index`, where `decided` are the vaults of all leaves; `None` where the record does not have it.
    pub(super) fn of(block: &'a BlockEntry, decided: &'a [Address], index: usize) -> Option<Self> {
        let height = stored_height(block.head.leaves);
        let size = 1_usize.checked_shl(height)?;
        let number = index.checked_div(size)?;
        let vaults = decided.chunks(size).nth(number)?;
        let (place, node) = (index.checked_rem(size)?, *block.level.get(number)?);
        Some(Self { block, vaults, number, place, node })
    }

    /// Place of its node in the level.
    pub(super) const fn number(&self) -> usize {
        self.number
    }

    /// Place of the leaf in it.
    pub(super) const fn place(&self) -> usize {
        self.place
    }

    /// Whether this program decides as the one did that recorded the block.
    ///
    /// # Errors
    /// Where it does not, or the journal cannot be read.
    pub(super) async fn same_version(&self, journal: &Journal, roster: &Roster) -> eyre::Result<()> {
        let read = async {
            let Some(roster) = journal.roster(roster.id()).await? else { return Ok(None) };
            let runs = journal.runs(roster.run.saturating_sub(1)).await?;
            Ok::<_, crate::journal::JournalError>(runs.into_iter().next().map(|run| run.record))
        };
        let Some(run) = read.await.wrap_err("the journal cannot be read")? else { return Ok(()) };
        if run.decision_version == DECISION_VERSION {
            return Ok(());
        }
        let (block, version, program) = (self.block.number, &run.decision_version, &run.program_version);
        Err(eyre::eyre!(
            "block {block} was decided on by version {version} of the decision, and this program has version \
             {DECISION_VERSION}: use keeper {program}"
        ))
    }

    /// Reads and decides on all of its vaults at the block.
    ///
    /// # Errors
    /// [`Failure::Usage`] for a vault that is not in the configuration, [`Failure::Failed`] where one cannot be read.
    pub(super) async fn decided_again(
        &self,
        context: &Context,
        config: &Config,
    ) -> Result<Vec<Made>, Failure> {
        let (chain, number) = (self.block.chain_id, self.block.number);
        let mut vaults = Vec::with_capacity(self.vaults.len());
        for address in self.vaults {
            let here = |vault: &&VaultConfig| vault.address == *address && vault.chain.id == chain;
            let vault = config.vaults.iter().find(here).ok_or_else(|| {
                Failure::usage(eyre::eyre!(
                    "the leaf of vault {address} stands beside that of this vault at block {number}, and it is not in the \
                     configuration: add it with the policy of that block"
                ))
            })?;
            vaults.push(vault);
        }
        let Some(first) = vaults.first() else { return Ok(Vec::new()) };
        let endpoint = connect(&first.chain, &context.environment).await?;
        let header = self.header(&endpoint).await?;
        let (reader, mut made) = (Reader::default(), Vec::with_capacity(vaults.len()));
        for vault in vaults {
            made.push(made_at(&reader, &endpoint, &header, vault).await?);
        }
        Ok(made)
    }

    async fn header(&self, endpoint: &Endpoint) -> eyre::Result<Header> {
        let (number, hash) = (self.block.number, self.block.hash);
        let header = endpoint.header_by_hash(hash).await;
        let header = header.wrap_err_with(|| format!("block {number} cannot be read"))?;
        header.ok_or_else(|| {
            eyre::eyre!("the node does not know block {number} ({hash}): ask one that has the state of it")
        })
    }

    /// Refuses leaves whose root is not the node that is recorded.
    pub(super) fn compared(&self, root: B256) -> eyre::Result<()> {
        if root == self.node {
            return Ok(());
        }
        let (number, vaults, node) = (self.block.number, self.vaults.len(), self.node);
        Err(eyre::eyre!(
            "what is decided on {vaults} vaults at block {number} again hashes to {root}, and {node} is recorded: the \
             configuration must have the policies of that block; where it has, the record is not what the chain says"
        ))
    }
}

async fn made_at(
    reader: &Reader,
    endpoint: &Endpoint,
    header: &Header,
    vault: &VaultConfig,
) -> eyre::Result<Made> {
    let read = snapshot_for(reader, endpoint, header, vault.address, &vault.policies).await;
    let (snapshot, policy) =
        read.wrap_err_with(|| format!("vault `{}` cannot be read at block {}", vault.name, header.number))?;
    let decision = decide(&snapshot, policy);
    let texts = Texts::of(&snapshot, &decision).wrap_err("the decision")?;
    let decision_hash = texts.hash(policy.hash()).wrap_err("the decision")?;
    let snapshot_hash = keccak256(texts.snapshot.as_bytes());
    let leaf = leaf(vault.address, snapshot_hash, decision_hash);
    Ok(Made { leaf, hashes: (snapshot_hash, decision_hash) })
}
