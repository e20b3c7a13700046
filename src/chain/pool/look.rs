//! One look at all endpoints: their chain, their heads, and whether they agree.

use alloy::primitives::B256;
use futures_util::future::join_all;

use super::health::{Look, Tip};
use super::standing::Lie;
use super::{Member, Pool};
use crate::chain::{ChainError, Header};
use crate::domain::policy::ChainKind;

/// What an endpoint answered first.
enum First {
    Head(Tip),
    Impossible(String),
    Spared,
    Failed(ChainError),
}

impl Pool {
    /// Looks at every endpoint that was not dropped: verifies its chain id, takes its head, and compares its hash with
    /// those of the others at a height that all have. What changed is in [`Pool::take_notices`].
    pub async fn look(&self) {
        self.take_pulses();
        let firsts = join_all(self.members.iter().map(|member| member.first(self.config.kind))).await;
        let tips: Vec<Option<Tip>> = firsts.iter().map(First::tip).collect();
        let height = self.board().common_height(&tips).unwrap_or_default();
        let hashes = self.members.iter().zip(&tips).map(|(member, tip)| member.hash_at(*tip, height));
        let hashes = join_all(hashes).await;
        let looks: Vec<Look> = firsts.iter().zip(hashes).map(|(first, hash)| first.with(hash)).collect();
        let changes = self.board().look(self.now(), height, &looks);
        self.noted(changes);
        for (place, first) in firsts.into_iter().enumerate() {
            if let First::Impossible(reason) = first {
                self.lied(place, Lie::ImpossibleHeader { reason });
            }
        }
    }
}

impl Member {
    async fn first(&self, kind: ChainKind) -> First {
        let pulse = self.endpoint.pulse();
        if pulse.held().is_some() {
            return First::Spared;
        }
        let head = async {
            self.endpoint.verify_chain_id().await?;
            self.endpoint.latest_header().await
        };
        match head.await {
            Err(error) => First::Failed(error),
            Ok(header) => match impossible(&header, kind) {
                Some(reason) => First::Impossible(reason),
                None => {
                    let Header { number, hash, timestamp, .. } = header;
                    First::Head(Tip { number, hash, timestamp })
                }
            },
        }
    }

    /// Its hash at `height`, where it says one.
    async fn hash_at(&self, tip: Option<Tip>, height: u64) -> Option<B256> {
        let tip = tip.filter(|tip| tip.number >= height)?;
        if tip.number == height {
            return Some(tip.hash);
        }
        Some(self.endpoint.header_by_number(height).await.ok()??.hash)
    }
}

/// Why no block can have this header.
fn impossible(header: &Header, kind: ChainKind) -> Option<String> {
    header.base_fee_per_gas?;
    if header.gas_used > header.gas_limit {
        return header.base_fee_fault(kind);
    }
    None
}

impl First {
    const fn tip(&self) -> Option<Tip> {
        match self {
            Self::Head(tip) => Some(*tip),
            Self::Impossible(_) | Self::Spared | Self::Failed(_) => None,
        }
    }

    fn with(&self, hash: Option<B256>) -> Look {
        match self {
            Self::Head(tip) => Look::Seen(*tip, hash),
            Self::Spared | Self::Impossible(_) => Look::Spared,
            Self::Failed(ChainError::WrongChainId { actual, .. }) => Look::Foreign(*actual),
            Self::Failed(error) if error.is_limit() => Look::Spared,
            Self::Failed(error) => Look::Silent(error.to_string()),
        }
    }
}
