//! Events of any number of blocks, whatever a node lets one request ask for.

use super::{ChainError, Endpoint, LogFilter, MinedLog};

impl Endpoint {
    /// Mined events in the order of the chain, as [`Endpoint::logs`], over any number of blocks: they are asked for in
    /// one request, and in ever fewer blocks where the node refuses so many at once.
    ///
    /// # Errors
    /// The failure of a call that asked for a single block, or that fewer blocks would not mend.
    pub async fn all_logs(&self, filter: &LogFilter) -> Result<Vec<MinedLog>, ChainError> {
        let mut all = Vec::new();
        let mut most = u64::MAX;
        let mut next = Some(filter.from);
        while let Some(from) = next.filter(|from| *from <= filter.to) {
            let to = filter.to.min(from.saturating_add(most.saturating_sub(1)));
            match self.logs(&LogFilter { from, to, ..filter.clone() }).await {
                Ok(logs) => {
                    all.extend(logs);
                    next = to.checked_add(1);
                }
                Err(error) if to > from && may_be_too_much(&error) => {
                    most = to.saturating_sub(from).div_ceil(2);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }
}

/// Whether fewer blocks might be answered: providers say that there were too many in words and codes of their own, or
/// give up.
fn may_be_too_much(error: &ChainError) -> bool {
    match error {
        ChainError::Rpc { revert: None, .. }
        | ChainError::Http { .. }
        | ChainError::Timeout { .. }
        | ChainError::BadResponse { .. } => !error.is_limit(),
        ChainError::Rpc { revert: Some(_), .. }
        | ChainError::BadUrl { .. }
        | ChainError::Connection { .. }
        | ChainError::OverridesRefused { .. }
        | ChainError::WrongChainId { .. }
        | ChainError::RateLimited { .. }
        | ChainError::NoVerdict { .. } => false,
    }
}
