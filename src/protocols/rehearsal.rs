//! The exact call of a plan, run by a node before it is signed: our `Rehearsal` contract, put at the keeper's own address
//! by code override and never deployed. One `eth_call` tells whether the call succeeds, which guard refuses it where it
//! does not, and the gas that it uses; estimating gas instead makes a node run the call many times over.

use alloy::primitives::{Address, Bytes};
use alloy::rpc::types::state::{AccountOverride, StateOverride};
use alloy::sol_types::SolCall;

use super::abi::{IRehearsal, Rehearsal};
use super::vaults::rebalancing_vault;
use crate::chain::{At, CallRequest, ChainError, Endpoint, Simulated};
use crate::domain::plan::Plan;

/// How the call of a plan went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsed {
    /// The gas that the call used, without the base of a transaction and its calldata and without refunds; or the data
    /// that it reverted with.
    pub call: Simulated<u64>,
    /// What `previewRebalance` answers. It runs the guards of the call itself, so it is asked where the call fails.
    pub preview: Option<Simulated<Bytes>>,
}

/// Runs the call of `plan` from `keeper` on the state `at`.
///
/// # Errors
/// [`ChainError::OverridesRefused`] where the provider does not take code overrides (also when it ignores them), or the
/// failure of the call.
pub async fn rehearse(
    endpoint: &Endpoint,
    keeper: Address,
    plan: &Plan,
    at: At,
) -> Result<Rehearsed, ChainError> {
    let call = Rehearsal::rehearseCall {
        vault: plan.vault,
        call: rebalancing_vault::rebalance(plan),
        preview: rebalancing_vault::preview(plan),
    };
    // The sender stays open: the vault sees the account that is called, which is the keeper's.
    let request = CallRequest { from: None, to: keeper, data: call.abi_encode().into() };
    let code =
        AccountOverride { code: Some(Rehearsal::DEPLOYED_BYTECODE.clone()), ..AccountOverride::default() };
    let overrides = StateOverride::from_iter([(keeper, code)]);
    let answer = match endpoint.call_with_overrides(&request, at, &overrides).await? {
        Simulated::Success(answer) => Rehearsal::rehearseCall::abi_decode_returns(&answer).ok(),
        Simulated::Reverted(_) => None,
    };
    answer.and_then(rehearsed).ok_or_else(|| ChainError::OverridesRefused {
        endpoint: endpoint.name().to_owned(),
        message: "it ignores them, or gives too little gas".to_owned(),
    })
}

/// `None` for an amount of gas that no block has.
fn rehearsed(answer: IRehearsal::Rehearsed) -> Option<Rehearsed> {
    let preview = (!answer.ok).then(|| simulated(answer.previewed, answer.preview));
    let call = if answer.ok {
        Simulated::Success(answer.gasUsed.try_into().ok()?)
    } else {
        Simulated::Reverted(answer.result)
    };
    Some(Rehearsed { call, preview })
}

const fn simulated(ok: bool, data: Bytes) -> Simulated<Bytes> {
    if ok { Simulated::Success(data) } else { Simulated::Reverted(data) }
}
