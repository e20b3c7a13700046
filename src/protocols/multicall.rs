//! Multicall3: many reads in one call, each of which may fail alone.

use alloy::primitives::{Address, B256, Bytes, address};
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
    let calls = calls
        .into_iter()
        .map(|(target, call_data)| IMulticall3::Call3 { target, allowFailure: true, callData: call_data })
        .collect();
    let data = Multicall3::aggregate3Call { calls }.abi_encode().into();
    let request = CallRequest { from: None, to: MULTICALL3, data };
    let unusable = || ChainError::BadResponse {
        endpoint: endpoint.name().to_owned(),
        method: "eth_call",
        reason: format!(
            "Multicall3 at {MULTICALL3} did not answer all {expected} calls; it must be deployed there"
        ),
    };
    let Simulated::Success(answer) = endpoint.call(&request, At::Hash(hash)).await? else {
        return Err(unusable());
    };
    let results = Multicall3::aggregate3Call::abi_decode_returns(&answer).map_err(|_| unusable())?;
    if results.len() != expected {
        return Err(unusable());
    }
    Ok(results.into_iter().map(|r| r.success.then_some(r.returnData)).collect())
}

/// Decodes the return data of one call of a batch; what does not decode did not answer.
pub fn decoded<C: SolCall>(answer: Option<&Bytes>) -> Option<C::Return> {
    answer.and_then(|data| C::abi_decode_returns(data).ok())
}
