//! What people ask of the keeper of a chain: to cancel, or to bid more.

use super::chain::Chain;
use crate::execution::{Engine, ExecutionError};
use crate::journal::{Lying, Request};

impl Chain {
    /// Does what people ask for. What is about a key that is not here is left for the keeper that has it.
    pub(super) async fn hear_people(&self) -> eyre::Result<()> {
        if self.crew.engines().next().is_none() {
            // A dry run has no key to do it with.
            return Ok(());
        }
        let lying = match self.journal.requests(self.pool.chain_id()).lying() {
            Ok(lying) => lying,
            Err(error) => {
                tracing::error!(chain = %self.name, %error, "requests cannot be read; check the journal's directory");
                return Ok(());
            }
        };
        for lying in lying {
            let intent = lying.request.intent();
            if let Err(error) = self.answer(lying).await? {
                tracing::error!(%intent, %error, "a request cannot be removed from the journal's directory: remove it");
            }
        }
        Ok(())
    }

    /// Does what is asked for and removes the request, where that is possible. A cancel is removed when it is done: it may be done
    /// twice. A higher bid may not, so it is removed first; a person can ask again.
    async fn answer(&self, lying: Lying) -> eyre::Result<std::io::Result<()>> {
        let request = lying.request.clone();
        let intent = self.journal.intent(request.intent()).await?;
        let Some(sender) = intent.map(|intent| intent.record.sender) else {
            tracing::error!(?request, "asked for, and not in this journal");
            return Ok(lying.remove());
        };
        let Some(engine) = self.crew.engines().find(|engine| engine.sender() == sender) else {
            return Ok(Ok(()));
        };
        match request {
            Request::Cancel { .. } => {
                self.act(engine, &request).await?;
                Ok(lying.remove())
            }
            Request::SpeedUp { .. } => match lying.remove() {
                Ok(()) => self.act(engine, &request).await.map(Ok),
                Err(error) => Ok(Err(error)),
            },
        }
    }

    async fn act(&self, engine: &Engine, request: &Request) -> eyre::Result<()> {
        match engine.asked(request).await {
            Ok(()) => tracing::info!(?request, "a person asked for it"),
            Err(error @ ExecutionError::Journal(_)) => return Err(error.into()),
            Err(error) => tracing::error!(?request, %error, "asked for, and not done"),
        }
        self.resolved(engine).await
    }
}
