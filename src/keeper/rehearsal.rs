//! A plan before it is signed: whether the vault takes the exact call, and the gas that it needs.

use std::sync::atomic::{AtomicBool, Ordering};

use alloy::primitives::{Address, Bytes};

use super::dispatch::{Dispatch, refused};
use crate::chain::{At, CallRequest, ChainError, Endpoint, Header, Simulated};
use crate::domain::plan::Plan;
use crate::domain::policy::ChainKind;
use crate::execution::{Preflight, Refusal, SendingConfig, Simulation, measured, preflight};
use crate::protocols::rehearsal::rehearse;
use crate::protocols::vaults::rebalancing_vault;

/// A plan that is submitted, or why it is not.
pub type Rehearsed = Result<Preflight, Dispatch>;

/// Rehearses plans through one endpoint: in one call with a code override, from the first refusal of overrides on by a
/// preview and an estimate of the gas. Both run the exact call on the state that the next block starts from.
#[derive(Debug, Default)]
pub struct Rehearsal {
    plain: AtomicBool,
}

impl Rehearsal {
    /// One that never asks for an override.
    #[must_use]
    pub const fn plain() -> Self {
        Self { plain: AtomicBool::new(true) }
    }

    /// Runs the call of `plan` from `sender`. The inner result is a refusal where a guard refuses, the call reverts or
    /// needs more gas than `config` or the block of `header` allows.
    ///
    /// # Errors
    /// A failure of the node.
    pub async fn of(
        &self,
        endpoint: &Endpoint,
        (plan, sender): (&Plan, Address),
        header: &Header,
        config: &SendingConfig,
    ) -> Result<Rehearsed, ChainError> {
        let simulation = simulation(plan, sender, header);
        // Arbitrum sells the data fee as gas, which an estimate holds and the gas used inside a call does not.
        let measurable = endpoint.kind() != ChainKind::Arbitrum;
        if measurable && !self.plain.load(Ordering::Relaxed) {
            match overridden(endpoint, plan, &simulation, config).await {
                Err(ChainError::OverridesRefused { message, .. }) => {
                    tracing::info!(endpoint = endpoint.name(), %message, "no code overrides: estimating gas");
                    self.plain.store(true, Ordering::Relaxed);
                }
                other => return other,
            }
        }
        previewed(endpoint, plan, &simulation, config).await
    }
}

/// `blockhash` of the decision block, which the vault compares, is known in the next block alone: [`At::Pending`].
fn simulation(plan: &Plan, from: Address, header: &Header) -> Simulation {
    Simulation {
        from,
        to: plan.vault,
        calldata: rebalancing_vault::rebalance(plan),
        at: At::Pending,
        block_gas_limit: header.gas_limit,
        decode: |data| Some(rebalancing_vault::refusal(&Bytes::copy_from_slice(data))),
    }
}

async fn overridden(
    endpoint: &Endpoint,
    plan: &Plan,
    simulation: &Simulation,
    config: &SendingConfig,
) -> Result<Rehearsed, ChainError> {
    let rehearsed = rehearse(endpoint, simulation.from, plan, simulation.at).await?;
    let guard = rehearsed.preview.as_ref().and_then(guard);
    Ok(judged(guard, measured(simulation, rehearsed.call, config)))
}

async fn previewed(
    endpoint: &Endpoint,
    plan: &Plan,
    simulation: &Simulation,
    config: &SendingConfig,
) -> Result<Rehearsed, ChainError> {
    let preview =
        CallRequest { from: Some(simulation.from), to: plan.vault, data: rebalancing_vault::preview(plan) };
    let (preview, simulated) = tokio::try_join!(
        endpoint.call(&preview, At::Hash(plan.decision_block_hash)),
        preflight(endpoint, simulation, config),
    )?;
    Ok(judged(guard(&preview), simulated))
}

/// A guard by its name comes before what else stands in the way.
fn judged(guard: Option<String>, simulated: Result<Preflight, Refusal>) -> Rehearsed {
    match guard {
        Some(message) => Err(Dispatch::Refused { code: "guard", message }),
        None => simulated.map_err(|refusal| refused(&refusal)),
    }
}

/// The guard that would refuse, if one would.
fn guard(previewed: &Simulated<Bytes>) -> Option<String> {
    match previewed {
        Simulated::Success(answer) => match rebalancing_vault::previewed(answer) {
            Some(verdict) => verdict.err(),
            None => {
                Some("the vault's previewRebalance answers something else: is it a RebalancingVault?".into())
            }
        },
        Simulated::Reverted(data) => Some(rebalancing_vault::refusal(data)),
    }
}
