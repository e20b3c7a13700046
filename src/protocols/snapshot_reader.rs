//! Everything in one `eth_call`: our `SnapshotReader` contract, run by code override and never deployed.

use std::sync::LazyLock;

use alloy::primitives::{Address, B256, Bytes, U256, address, aliases::U80};
use alloy::rpc::types::state::{AccountOverride, StateOverride};
use alloy::sol_types::{SolCall, SolValue};

use super::abi::{ISnapshotReader, RebalancingVault, SnapshotReader};
use super::multicall::Call;
use super::{Answer, Ask, FeedAsk, PoolAsk, ReadError};
use crate::chain::{At, CallRequest, ChainError, Endpoint, Simulated};

/// Where the reader's code is put for the length of the call: an address that nobody has.
const READER: Address = address!("00000000000000000000000000006b6565706572");

static OVERRIDES: LazyLock<StateOverride> = LazyLock::new(|| {
    let code = AccountOverride {
        code: Some(SnapshotReader::DEPLOYED_BYTECODE.clone()),
        ..AccountOverride::default()
    };
    StateOverride::from_iter([(READER, code)])
});

/// Reads all of `ask` on the state of the block `hash`.
///
/// # Errors
/// [`ChainError::OverridesRefused`] where the provider does not take code overrides (also when it ignores them),
/// or the failure of the call.
pub async fn read(endpoint: &Endpoint, hash: B256, ask: &Ask) -> Result<Answer, ReadError> {
    Ok(answered(respond(endpoint, hash, ask).await?, ask))
}

/// What `block.number` is inside a call on the state of the block `hash`. On a rollup that need not be its height.
///
/// # Errors
/// As [`read`].
pub async fn block_number(endpoint: &Endpoint, hash: B256) -> Result<U256, ReadError> {
    Ok(respond(endpoint, hash, &Ask::default()).await?.blockNumber)
}

async fn respond(endpoint: &Endpoint, hash: B256, ask: &Ask) -> Result<ISnapshotReader::Response, ReadError> {
    let data = SnapshotReader::readCall { request: request(ask) }.abi_encode().into();
    let request = CallRequest { from: None, to: READER, data };
    let answer = match endpoint.call_with_overrides(&request, At::Hash(hash), &OVERRIDES).await? {
        Simulated::Success(answer) if !answer.is_empty() => answer,
        Simulated::Success(_) => return Err(refused(endpoint, "it ignores them").into()),
        Simulated::Reverted(_) => return Err(refused(endpoint, "the reader reverts on it").into()),
    };
    SnapshotReader::readCall::abi_decode_returns(&answer)
        .map_err(|e| ReadError::Impossible { endpoint: endpoint.name().to_owned(), reason: e.to_string() })
}

fn refused(endpoint: &Endpoint, why: &str) -> ChainError {
    ChainError::OverridesRefused { endpoint: endpoint.name().to_owned(), message: why.to_owned() }
}

fn answered(response: ISnapshotReader::Response, ask: &Ask) -> Answer {
    let vault = state(response.vaultOk, &response.vaultState);
    let sequencer = ask.sequencer.map(|_| response.sequencer);
    let results = response.results.into_iter().map(|result| result.ok.then_some(result.data)).collect();
    Answer { vault, feeds: response.feeds, sequencer, pools: response.pools, pairs: response.pairs, results }
}

fn state(ok: bool, data: &Bytes) -> Option<RebalancingVault::State> {
    if ok { RebalancingVault::State::abi_decode(data).ok() } else { None }
}

fn request(ask: &Ask) -> ISnapshotReader::Request {
    ISnapshotReader::Request {
        vault: ask.vault.unwrap_or_default(),
        keeper: Address::ZERO,
        sequencerUptimeFeed: ask.sequencer.unwrap_or_default(),
        feeds: ask.feeds.iter().map(feed).collect(),
        pools: ask.pools.iter().map(pool).collect(),
        pairs: ask.pairs.clone(),
        calls: ask.calls.iter().map(call).collect(),
    }
}

fn call((target, data): &Call) -> ISnapshotReader::Call {
    ISnapshotReader::Call { target: *target, data: data.clone() }
}

fn feed(ask: &FeedAsk) -> ISnapshotReader::FeedRequest {
    let (from, to) = ask.known.unwrap_or_default();
    ISnapshotReader::FeedRequest {
        feed: ask.feed,
        rounds: ask.rounds,
        knownFrom: round_id(from),
        knownTo: round_id(to),
    }
}

/// A round id as the chain holds it; the upper bits of what never came from a chain are cut off.
pub(super) fn round_id(id: u128) -> U80 {
    U80::from_limbs([
        u64::try_from(id & u128::from(u64::MAX)).unwrap_or_default(),
        u64::try_from((id >> 64) & 0xffff).unwrap_or_default(),
    ])
}

fn pool(ask: &PoolAsk) -> ISnapshotReader::PoolRequest {
    let (step, steps) = ask.grid.map_or((0, 0), |grid| (grid.step_seconds, grid.steps));
    ISnapshotReader::PoolRequest {
        pool: ask.pool,
        words: ask.words,
        twapWindow: ask.twap_window,
        gridStep: step,
        gridSteps: steps,
    }
}
