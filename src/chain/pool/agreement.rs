//! Whether the endpoints agree on the block that a verdict is about to be made at.

use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::B256;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::timeout;

use super::fees::is_suspicious;
use super::health::majority;
use super::standing::{Lie, State};
use super::{Lease, Pool};
use crate::chain::{ChainError, Endpoint, Header};
use crate::defence::defended;

/// How long the others have to object.
const TIME_TO_OBJECT: Duration = Duration::from_secs(1);

/// The voice of one that tells the same block otherwise: no block has this hash.
const OBJECTION: B256 = B256::ZERO;

/// What another endpoint says.
struct Voice {
    place: usize,
    /// Its hash at the height of agreement.
    hash: Option<B256>,
    /// Its own account of the block, where that is another than ours.
    contradiction: Option<Header>,
}

impl Pool {
    /// Whether a verdict may be made at `header`, which `lease` told: the others have the same block at the depth of
    /// agreement below it, and tell the same of this one. Whoever does not answer in time does not object.
    ///
    /// # Errors
    /// [`ChainError::NoVerdict`] where they disagree, otherwise the failure of a call to the leased endpoint.
    pub async fn agree(&self, lease: &Lease, header: &Header) -> Result<(), ChainError> {
        let others = self.others(lease);
        if others.is_empty() || !defended(53) {
            return Ok(());
        }
        let depth = self.board().depth();
        let height = header.number.saturating_sub(depth);
        let own = self.own_hash(lease, header, height).await?;
        let (enough, mut hashes) = (others.len().saturating_add(1), vec![own]);
        let mut voices: FuturesUnordered<_> =
            others.iter().map(|(place, endpoint)| voice((*place, endpoint), header, height)).collect();
        while let Some(voice) = voices.next().await {
            match &voice.contradiction {
                None => hashes.extend(voice.hash),
                Some(theirs) => {
                    let lied = self.settle(lease, header, (voice.place, theirs)).await?;
                    hashes.extend((!lied).then_some(OBJECTION));
                }
            }
            let agreeing = hashes.iter().filter(|hash| **hash == own).count();
            if agreeing.saturating_mul(2) > enough {
                return Ok(());
            }
        }
        if majority(hashes.into_iter()) == Some(own) { Ok(()) } else { Err(apart(lease, height)) }
    }

    async fn own_hash(&self, lease: &Lease, header: &Header, height: u64) -> Result<B256, ChainError> {
        if height == header.number {
            return Ok(header.hash);
        }
        if height.checked_add(1) == Some(header.number) {
            return Ok(header.parent_hash);
        }
        let known = lease.header_by_number(height).await?;
        known.map(|known| known.hash).ok_or_else(|| apart(lease, height))
    }

    /// Two accounts of one block: the one with a base fee that its parent does not allow is a lie. Whether it is theirs;
    /// where both could be true the other endpoints decide.
    ///
    /// # Errors
    /// [`ChainError::NoVerdict`] where it is ours.
    async fn settle(
        &self,
        lease: &Lease,
        ours: &Header,
        (place, theirs): (usize, &Header),
    ) -> Result<bool, ChainError> {
        let Some(parent) = lease.header_by_hash(ours.parent_hash).await? else { return Ok(false) };
        let strange = |header| is_suspicious(header, &parent, self.config.kind);
        match (strange(ours), strange(theirs)) {
            (true, false) => {
                self.lied(lease.place, strange_fee(ours));
                let (name, number) = (lease.name(), ours.number);
                let reason = format!(
                    "`{name}` told a base fee of block {number} that cannot be; another is read next"
                );
                Err(ChainError::NoVerdict { reason })
            }
            (false, true) => {
                self.lied(place, strange_fee(theirs));
                Ok(true)
            }
            (true, true) | (false, false) => Ok(false),
        }
    }

    /// The other endpoints whose word counts.
    pub(super) fn others(&self, lease: &Lease) -> Vec<(usize, Arc<Endpoint>)> {
        let board = self.board();
        let counts = |state: &State| matches!(state, State::Healthy | State::Disagreeing { .. });
        self.members
            .iter()
            .zip(board.standings())
            .enumerate()
            .filter(|(place, (_, standing))| *place != lease.place && counts(&standing.state))
            .map(|(place, (member, _))| (place, member.endpoint.clone()))
            .collect()
    }
}

async fn voice((place, endpoint): (usize, &Endpoint), header: &Header, height: u64) -> Voice {
    let asked =
        async { tokio::join!(endpoint.header_by_number(height), endpoint.header_by_hash(header.hash)) };
    let Ok((at, twin)) = timeout(TIME_TO_OBJECT, asked).await else {
        return Voice { place, hash: None, contradiction: None };
    };
    let hash = at.ok().flatten().map(|at| at.hash);
    let contradiction = twin.ok().flatten().filter(|twin| !is_same(twin, header));
    Voice { place, hash, contradiction }
}

/// Whether two accounts of a block say the same of what every node tells.
fn is_same(a: &Header, b: &Header) -> bool {
    let facts = |header: &Header| {
        let Header { number, parent_hash, timestamp, gas_limit, gas_used, base_fee_per_gas, .. } = header;
        (*number, *parent_hash, *timestamp, *gas_limit, *gas_used, *base_fee_per_gas)
    };
    facts(a) == facts(b)
}

fn strange_fee(header: &Header) -> Lie {
    let Header { number, base_fee_per_gas, .. } = header;
    let fee = base_fee_per_gas.unwrap_or_default();
    let reason = format!(
        "base fee {fee} of block {number}, ten times what its parent allows and other than the others say"
    );
    Lie::ImpossibleHeader { reason }
}

fn apart(lease: &Lease, height: u64) -> ChainError {
    let name = lease.name();
    ChainError::NoVerdict {
        reason: format!(
            "the endpoints disagree on block {height}, `{name}` is not borne out; wait until they agree, or check them"
        ),
    }
}
