//! The leaves below one recorded node, decided on again from the chain.

use alloy::primitives::B256;
use eyre::WrapErr;

use super::super::super::Failure;
use super::super::super::look_back::View;
use crate::domain::decision::DECISION_VERSION;
use crate::journal::{BlockEntry, Journal, Roster};
use crate::replay::{Made, Subtree, decided_again, node_over};

/// Whether this program decides as the one did that recorded the block.
///
/// # Errors
/// Where it does not, or the journal cannot be read.
pub(super) async fn same_version(journal: &Journal, roster: &Roster, block: &BlockEntry) -> eyre::Result<()> {
    let read = async {
        let Some(roster) = journal.roster(roster.id()).await? else { return Ok(None) };
        let runs = journal.runs(roster.run.saturating_sub(1)).await?;
        Ok::<_, crate::journal::JournalError>(runs.into_iter().next().map(|run| run.record))
    };
    let Some(run) = read.await.wrap_err("the journal cannot be read")? else { return Ok(()) };
    if run.decision_version == DECISION_VERSION {
        return Ok(());
    }
    let (block, version, program) = (block.number, &run.decision_version, &run.program_version);
    Err(eyre::eyre!(
        "block {block} was decided on by version {version} of the decision, and this program has version \
         {DECISION_VERSION}: use keeper {program}"
    ))
}

/// Reads and decides on all vaults of `subtree` at the block, which must hash to its node.
///
/// # Errors
/// [`Failure::Usage`] for a vault that nothing is known of, [`Failure::Failed`] where one cannot be read or they hash to another
/// node.
pub(super) async fn made_again(
    view: &View,
    (block, subtree): (&BlockEntry, &Subtree<'_>),
) -> Result<Vec<Made>, Failure> {
    let (number, hash) = (block.number, block.hash);
    let subjects = subtree.subjects(|vault| view.beside.subject(vault)).map_err(|vault| {
        Failure::usage(eyre::eyre!(
            "the leaf of vault {vault} stands beside that of this vault at block {number}, and it is not in the \
             configuration: add it with the policy of that block, or name it with --beside and its policy with --policy"
        ))
    })?;
    let header = view.source.header_by_hash(hash).await?;
    let header = header.ok_or_else(|| {
        eyre::eyre!("the node does not know block {number} ({hash}): ask one that has the state of it")
    })?;
    let made = decided_again(&view.source, &header, &subjects, subtree.node).await?;
    compared(block, subtree, node_over(&made))?;
    Ok(made)
}

/// Refuses leaves whose node is not the one that is recorded.
fn compared(block: &BlockEntry, subtree: &Subtree<'_>, again: B256) -> eyre::Result<()> {
    if again == subtree.node {
        return Ok(());
    }
    let (number, vaults, node) = (block.number, subtree.vaults.len(), subtree.node);
    Err(eyre::eyre!(
        "what is decided on {vaults} vaults at block {number} again hashes to {again}, and {node} is recorded: the \
         configuration must have the policies of that block; where it has, the record is not what the chain says"
    ))
}
