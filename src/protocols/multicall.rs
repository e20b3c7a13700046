//! Multicall3: many calls in one, each of which may fail alone; and one call by itself.

use alloy::primitives::{Address, B256, Bytes, address};
use alloy::rpc::types::state::{AccountOverride, StateOverride};
use alloy::sol_types::SolCall;

use super::abi::{IMulticall3, Multicall3};
use crate::chain::{At, CallRequest, ChainError, Endpoint, Simulated};

/// Where Multicall3 lives on nearly every chain.
pub const MULTICALL3: Address = address!("cA11bde05977b3631167028862bE2a173976CA11");

/// One call of a batch: the contract and its calldata.
pub type Call = (Address, Bytes);

/// The calldata of a typed call to `target`.
pub fn call<C: SolCall>(target: Address, call: &C) -> Call {
    (target, call.abi_encode().into())
}

/// Runs `calls` in one `eth_call` on the state of the block `hash`; each answer is its return data, or `None` where
/// that call failed.
///
/// # Errors
/// The failure of the call, and [`ChainError::BadResponse`] where Multicall3 is not deployed or answers otherwise.
pub async fn aggregate(
    endpoint: &Endpoint,
    hash: B256,
    calls: Vec<Call>,
) -> Result<Vec<Option<Bytes>>, ChainError> {
    let expected = calls.len();
    let request = CallRequest { from: None, to: MULTICALL3, data: batch(calls) };
    let answer = endpoint.call(&request, At::Hash(hash)).await?;
    results(&answer, expected).ok_or_else(|| unusable(endpoint, expected))
}

/// Runs `calls` as `caller`, one after the other: for the length of the call it has the code of Multicall3, and what
/// its calls change is forgotten afterwards.
///
/// # Errors
/// As [`aggregate`], and [`ChainError::OverridesRefused`] where the provider takes no code overrides.
pub async fn aggregate_as(
    endpoint: &Endpoint,
    hash: B256,
    caller: Address,
    calls: Vec<Call>,
) -> Result<Vec<Option<Bytes>>, ChainError> {
    let expected = calls.len();
    let code = endpoint.code(MULTICALL3, At::Hash(hash)).await?;
    let account = AccountOverride { code: Some(code), ..AccountOverride::default() };
    let overrides = StateOverride::from_iter([(caller, account)]);
    let request = CallRequest { from: None, to: caller, data: batch(calls) };
    let answer = endpoint.call_with_overrides(&request, At::Hash(hash), &overrides).await?;
    results(&answer, expected).ok_or_else(|| unusable(endpoint, expected))
}

/// One typed call to `target` on the state of the block `hash`; `None` where it reverts or answers something else.
///
/// # Errors
/// The failure of the call.
pub async fn alone<C: SolCall>(
    endpoint: &Endpoint,
    hash: B256,
    target: Address,
    call: &C,
) -> Result<Option<C::Return>, ChainError> {
    let request = CallRequest { from: None, to: target, data: call.abi_encode().into() };
    Ok(match endpoint.call(&request, At::Hash(hash)).await? {
        Simulated::Success(answer) => decoded::<C>(Some(&answer)),
        Simulated::Reverted(_) => None,
    })
}

fn batch(calls: Vec<Call>) -> Bytes {
    let calls = calls
        .into_iter()
        .map(|(target, call_data)| IMulticall3::Call3 { target, allowFailure: true, callData: call_data })
        .collect();
    Multicall3::aggregate3Call { calls }.abi_encode().into()
}

fn results(answer: &Simulated<Bytes>, expected: usize) -> Option<Vec<Option<Bytes>>> {
    let Simulated::Success(answer) = answer else { return None };
    let results = Multicall3::aggregate3Call::abi_decode_returns(answer).ok()?;
    let results: Vec<_> = results.into_iter().map(|r| r.success.then_some(r.returnData)).collect();
    (results.len() == expected).then_some(results)
}

fn unusable(endpoint: &Endpoint, expected: usize) -> ChainError {
    ChainError::BadResponse {
        endpoint: endpoint.name().to_owned(),
        method: "eth_call",
        reason: format!(
            "Multicall3 at {MULTICALL3} did not answer all {expected} calls; it must be deployed there"
        ),
    }
}

/// Decodes the return data of one call of a batch; what does not decode did not answer.
pub fn decoded<C: SolCall>(answer: Option<&Bytes>) -> Option<C::Return> {
    answer.and_then(|data| C::abi_decode_returns(data).ok())
}
