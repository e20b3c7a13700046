//! What is told of a chain's endpoints and heads while the keeper runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::chain::pool::{Notice, Pool, State};

/// Looks at all endpoints of a chain at intervals; ends when dropped.
pub(super) struct Watch(JoinHandle<()>);

impl Watch {
    pub(super) fn over(chain: String, pool: Arc<Pool>, interval: Duration) -> Self {
        Self(tokio::spawn(async move {
            loop {
                tokio::time::sleep(interval).await;
                pool.look().await;
                tell(&chain, &pool.take_notices());
            }
        }))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One event for each change, named by its state: `endpoint_lagging` and so on.
pub(super) fn tell(chain: &str, notices: &[Notice]) {
    for Notice { endpoint, from, to, returns_in } in notices {
        let (alert, returns_in) = (to.alert(), returns_in.map(|returns| returns.as_secs()));
        match to {
            State::Healthy => tracing::info!(chain, endpoint, alert, from, "the endpoint is healthy again"),
            State::Quarantined(_) | State::Dropped { .. } => {
                tracing::error!(chain, endpoint, alert, from, returns_in, "the endpoint is {to}");
            }
            State::Lagging { .. } | State::Disagreeing { .. } | State::Unreachable { .. } => {
                tracing::warn!(chain, endpoint, alert, from, "the endpoint is {to}");
            }
        }
    }
}
