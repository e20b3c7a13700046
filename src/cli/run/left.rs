//! Heads that the chain left while no keeper was there to see it.

use eyre::{Result, WrapErr};

use crate::chain::Endpoint;
use crate::journal::Journal;

/// Recorded heads that are looked at most: no chain goes back further.
const MOST: u32 = 256;

/// Marks the newest recorded heads that the chain has others in place of, down to the first one that it has. One that the node
/// has nothing in place of may be to come: nothing is said of it. Where the node fails nothing more is marked.
///
/// # Errors
/// What the disk or the file does not allow.
pub(super) async fn mark(journal: &Journal, endpoint: &Endpoint) -> Result<()> {
    let (chain_id, mut below) = (endpoint.chain_id(), u64::MAX);
    for _ in 0..MOST {
        let Some(block) = journal.block_below(chain_id, below).await.wrap_err("the journal")? else { break };
        match endpoint.header_by_number(block.number).await {
            Ok(Some(header)) if header.hash == block.hash => break,
            Ok(Some(_)) => {
                let marked = journal.mark_orphaned(chain_id, block.hash).await.wrap_err("the journal")?;
                tracing::warn!(block = block.number, hash = %block.hash, ?marked, "the chain has left it");
                // Of this height there may be another record.
                below = block.number.saturating_add(1);
            }
            Ok(None) => below = block.number,
            Err(error) => {
                tracing::warn!(block = block.number, %error, "whether the chain has left it is not known");
                break;
            }
        }
    }
    Ok(())
}
