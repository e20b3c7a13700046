//! `keeper journal prove`: that the decision on a vault at a block is in the record of that block.

mod subtree;

use std::path::PathBuf;
use std::process::ExitCode;

use alloy::primitives::{Address, B256};
use clap::Args;
use eyre::WrapErr;
use serde::Serialize;

use super::super::look_back::{Glass, Named, published};
use super::super::output::Row;
use super::super::{Context, Failure, Outcome};
use super::Source;
use crate::domain::merkle::{Proof, Tree, leaf, stored_height};
use crate::journal::{Absence, BlockEntry, Journal, Roster};
use crate::replay::{Subject, Subtree};
use subtree::{made_again, same_version};

/// Proves that the decision on a vault at a block is in the record of that block.
///
/// Where a block has more than 64 leaves, those beside the vault's are decided on again from the chain: that needs a node
/// that still has the state of the block, and the policies that were in force. With --rpc a leaf of which there is no full record is
/// decided on again too, for the hashes that it is made of.
#[derive(Debug, Args)]
pub(super) struct Prove {
    /// Vault: a name of the configuration, or an address with --policy, for which no configuration is needed.
    #[arg(long, value_name = "VAULT")]
    vault: String,
    /// A published policy; where absent those of the configuration. May be given several times: the one whose hash a vault stores
    /// at the block is in force.
    #[arg(long, value_name = "FILE")]
    policy: Vec<PathBuf>,
    /// Vault whose leaf stands beside, a name or an address, where the configuration has it not. May be given several times.
    #[arg(long, value_name = "VAULT")]
    beside: Vec<String>,
    #[command(flatten)]
    glass: Glass,
    /// Block number.
    #[arg(long)]
    block: u64,
    #[command(flatten)]
    source: Source,
}

/// A proof as printed; it is verified.
#[derive(Serialize)]
struct Printed {
    vault: String,
    address: Address,
    block: String,
    block_hash: B256,
    leaf: B256,
    /// Place of the leaf, from 0, and the number of leaves.
    index: String,
    leaves: String,
    /// The missing nodes from the leaf to the root, lowest first.
    path: Vec<B256>,
    root: B256,
    /// Number and hash of the record of the block in the ledger.
    seq: String,
    ledger_hash: B256,
    /// What the leaf is made of beside the vault, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot_hash: Option<B256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision_hash: Option<B256>,
}

/// A vault's leaf, what it is made of where that is known, and the path to the root.
struct Proved {
    leaf: B256,
    made_of: Option<(B256, B256)>,
    path: Vec<B256>,
}

/// Why there is nothing to prove, what says most last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Missing {
    Unseen,
    Left(B256),
    NotKept,
    Absent(Absence),
}

impl Prove {
    pub(super) async fn run(&self, context: &Context) -> Outcome {
        let vaults: Vec<_> = std::iter::once(&self.vault).chain(&self.beside).cloned().collect();
        let named = Named::of(context, &vaults, &published(&self.policy)?)?;
        let vault = named.first()?.clone();
        let journal = self.source.open(context).await?;
        of_chain(&journal, named.chain_id).await?;
        let (block, roster) = self.recorded(&journal, (named.chain_id, vault.vault)).await?;
        let decided: Vec<_> = block.absences.decided(roster.vaults()).copied().collect();
        let index = decided.binary_search(&vault.vault).map_err(|_| damaged(&block))?;
        let stored = match stored_height(block.head.leaves) {
            0 => Some(self.stored(&journal, (&block, index), vault.vault).await?),
            _ => None,
        };
        let proved = match stored {
            // What the leaf is made of is in no record: a node that is named can tell.
            Some(stored) if stored.made_of.is_some() || !self.glass.is_given() => stored,
            Some(_) | None => {
                same_version(&journal, &roster, &block).await?;
                self.recomputed((context, named), &block, (&decided, index)).await?
            }
        };
        let printed = printed(&vault, &block, index, proved)?;
        context.output.print(&printed, rows)?;
        Ok(ExitCode::SUCCESS)
    }

    /// The newest record of the block in which the vault has a leaf, and its roster.
    async fn recorded(
        &self,
        journal: &Journal,
        (chain_id, vault): (u64, Address),
    ) -> Result<(BlockEntry, Roster), Failure> {
        let mut missing = Missing::Unseen;
        for block in at_height(journal, chain_id, self.block).await?.into_iter().rev() {
            match kept(journal, &block, vault).await? {
                Ok(roster) => return Ok((block, roster)),
                Err(here) => missing = missing.max(here),
            }
        }
        Err(eyre::eyre!(self.not_there(missing)).into())
    }

    fn not_there(&self, missing: Missing) -> String {
        let (vault, block) = (&self.vault, self.block);
        match missing {
            Missing::Unseen => {
                format!("there is no record of block {block}: no keeper with this journal saw it")
            }
            Missing::Left(hash) => {
                format!(
                    "block {block} was seen as {hash} alone, which has left the chain: there is nothing to prove"
                )
            }
            Missing::NotKept => {
                format!("vault `{vault}` was not kept at block {block}: it is not in the roster")
            }
            Missing::Absent(code) => {
                let (name, why) = (code.name(), told(code));
                format!("vault `{vault}` has no leaf at block {block}: `{name}`, {why}")
            }
        }
    }

    /// From the leaves that the record has.
    async fn stored(
        &self,
        journal: &Journal,
        (block, index): (&BlockEntry, usize),
        vault: Address,
    ) -> Result<Proved, Failure> {
        let tree = Tree::over(block.level.clone());
        let (Some(stored), Some(path)) = (block.level.get(index), tree.path(index)) else {
            return Err(damaged(block).into());
        };
        let mut made_of = None;
        let mut after = 0;
        let key = (block.chain_id, vault);
        loop {
            let page = unread(journal.cycles(key, block.number..=block.number, after).await)?;
            let Some(last) = page.last() else { break };
            after = last.id;
            let hashes = page.iter().map(|cycle| (cycle.record.snapshot_hash, cycle.record.decision_hash));
            let of_leaf = |hashes: &(B256, B256)| leaf(vault, hashes.0, hashes.1) == *stored;
            made_of = hashes.rev().find(of_leaf).or(made_of);
        }
        Ok(Proved { leaf: *stored, made_of, path })
    }

    /// From the leaves below one node of the record, which are decided on again.
    async fn recomputed(
        &self,
        (context, named): (&Context, Named),
        block: &BlockEntry,
        (decided, index): (&[Address], usize),
    ) -> Result<Proved, Failure> {
        let subtree = Subtree::of(block, decided, index).ok_or_else(|| damaged(block))?;
        let view = self.glass.view(context, named).await?;
        let leaves = made_again(&view, (block, &subtree)).await?;
        let vault = leaves.get(subtree.place).ok_or_else(|| damaged(block))?;
        let below = Tree::over(leaves.iter().map(|made| made.leaf).collect());
        let above = Tree::over(block.level.clone());
        let paths = below.path(subtree.place).zip(above.path(subtree.number));
        let (below, above) = paths.ok_or_else(|| damaged(block))?;
        Ok(Proved { leaf: vault.leaf, made_of: Some(vault.hashes), path: [below, above].concat() })
    }
}

/// Refuses a journal that has records of other chains alone.
async fn of_chain(journal: &Journal, chain_id: u64) -> Result<(), Failure> {
    let chains = unread(journal.chains().await)?;
    if chains.is_empty() || chains.contains(&chain_id) {
        return Ok(());
    }
    let known: Vec<_> = chains.iter().map(u64::to_string).collect();
    let known = known.join(", ");
    Err(Failure::usage(eyre::eyre!(
        "the policy is for chain {chain_id}, the journal has records of chain {known} alone"
    )))
}

/// The records of all blocks of this height, in the order of their writing: as many as were seen there.
async fn at_height(journal: &Journal, chain_id: u64, number: u64) -> eyre::Result<Vec<BlockEntry>> {
    let mut blocks: Vec<BlockEntry> = Vec::new();
    loop {
        let page =
            unread(journal.blocks(chain_id, number..=number, blocks.last().map(BlockEntry::place)).await)?;
        if page.is_empty() {
            return Ok(blocks);
        }
        blocks.extend(page);
    }
}

/// The roster of a block in which the vault has a leaf.
async fn kept(
    journal: &Journal,
    block: &BlockEntry,
    vault: Address,
) -> eyre::Result<Result<Roster, Missing>> {
    if block.orphaned {
        return Ok(Err(Missing::Left(block.hash)));
    }
    let roster = unread(journal.roster(block.roster).await)?.ok_or_else(|| damaged(block))?.roster;
    if roster.vaults().binary_search(&vault).is_err() {
        return Ok(Err(Missing::NotKept));
    }
    Ok(block.absences.of(vault).map_or(Ok(roster), |code| Err(Missing::Absent(code))))
}

fn printed(vault: &Subject, block: &BlockEntry, index: usize, proved: Proved) -> eyre::Result<Printed> {
    let index = u64::try_from(index).wrap_err("the place of the leaf")?;
    let proof = Proof { index, leaves: block.head.leaves, path: proved.path };
    if !proof.verify(proved.leaf, &block.head) {
        return Err(damaged(block));
    }
    Ok(Printed {
        vault: vault.name.clone(),
        address: vault.vault,
        block: block.number.to_string(),
        block_hash: block.hash,
        leaf: proved.leaf,
        index: proof.index.to_string(),
        leaves: proof.leaves.to_string(),
        path: proof.path,
        root: block.head.root,
        seq: block.seq.to_string(),
        ledger_hash: block.ledger_hash,
        snapshot_hash: proved.made_of.map(|(snapshot, _)| snapshot),
        decision_hash: proved.made_of.map(|(_, decision)| decision),
    })
}

fn unread<T>(read: Result<T, crate::journal::JournalError>) -> eyre::Result<T> {
    read.wrap_err("the journal cannot be read")
}

fn damaged(block: &BlockEntry) -> eyre::Report {
    let (seq, number) = (block.seq, block.number);
    eyre::eyre!("record {seq}, of block {number}, is not what was written: `keeper journal verify` says more")
}

const fn told(absence: Absence) -> &'static str {
    match absence {
        Absence::NoVerdict => "the endpoints disagreed on the block or none could be read",
        Absence::Unheard => "no endpoint told of it in time",
        Absence::Unread => "its facts could not be read",
        Absence::Failed => "its cycle failed, and where it had decided there is a full record",
        Absence::GivenUp => "it was given up until the next start",
        Absence::KeyHeld => "the process did not start, since another one held its key",
    }
}

fn rows(printed: &Printed) -> Vec<Row> {
    let mut rows = vec![
        ("vault", format!("{} ({})", printed.vault, printed.address)),
        ("block", printed.block.clone()),
        ("block hash", printed.block_hash.to_string()),
        ("leaf", printed.leaf.to_string()),
        ("index", printed.index.clone()),
        ("leaves", printed.leaves.clone()),
    ];
    rows.extend(printed.path.iter().map(|node| ("path", node.to_string())));
    rows.extend([
        ("root", printed.root.to_string()),
        ("ledger record", printed.seq.clone()),
        ("ledger hash", printed.ledger_hash.to_string()),
    ]);
    let made_of = [("snapshot hash", printed.snapshot_hash), ("decision hash", printed.decision_hash)];
    rows.extend(made_of.into_iter().filter_map(|(name, hash)| Some((name, hash?.to_string()))));
    rows
}
