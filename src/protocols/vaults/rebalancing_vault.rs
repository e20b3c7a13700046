//! `RebalancingVault`: its state as facts, a plan as calldata, its errors and events in words.

use alloy::primitives::{Address, B256, Bytes, Log};
use alloy::sol_types::{SolCall, SolEvent, SolInterface};
use rust_decimal::Decimal;
use serde::Serialize;

use crate::chain::{ChainError, Endpoint, shown};
use crate::domain::plan::Plan;
use crate::domain::policy::FloorPolicy;
use crate::domain::snapshot::{AllowedPool, Guards, Token, Vault};
use crate::domain::units::Ratio;
use crate::protocols::abi::RebalancingVault;
use crate::protocols::multicall::alone;

pub use crate::protocols::abi::RebalancingVault::{PolicyHashChanged, Rebalanced};

/// The answer of `state()` on the state of the block `hash`; `None` where there is no such vault.
///
/// # Errors
/// The failure of the call.
pub async fn state(
    endpoint: &Endpoint,
    hash: B256,
    vault: Address,
) -> Result<Option<RebalancingVault::State>, ChainError> {
    alone(endpoint, hash, vault, &RebalancingVault::stateCall {}).await
}

/// The vault's state as facts of a decision; `None` where a number cannot be a fact (a rate beyond 28 digits).
#[must_use]
pub fn facts(address: Address, state: &RebalancingVault::State) -> Option<Vault> {
    let (identity, books) = (&state.identity, &state.books);
    Some(Vault {
        address,
        asset: Token { address: identity.asset, decimals: identity.assetDecimals },
        risky: Token { address: identity.risky, decimals: identity.riskyDecimals },
        total_supply: books.totalSupply,
        asset_holdings: books.trackedAsset,
        risky_holdings: books.trackedRisky,
        floor: state.floor.assets,
        floor_policy: floor_policy(&state.parameters)?,
        cash_lock: state.floor.cashLock,
        policy_hash: identity.policyHash,
        keeper: identity.keeper,
        next_nonce: books.nextNonce,
        last_rebalance: books.lastRebalanceAt,
        paused_until: identity.pausedUntil,
        option_book: Some(state.optionBook).filter(|book| !book.is_zero()),
        epoch_open: state.epochOpen,
        risky_feed: identity.riskyFeed,
        asset_feed: identity.assetFeed,
        guards: guards(state),
        allowed_pools: state.pools.iter().map(|p| AllowedPool { pool: p.pool, venue: p.venue }).collect(),
    })
}

/// Parameters and timers that no decision reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Terms {
    /// Cap of the turnover of a day, basis points of net asset value.
    pub turnover_cap_bps: u32,
    /// Seconds between two sights of a peak.
    pub poke_interval: u64,
    /// Seconds for which the bound has to be broken before anyone may sell.
    pub deleverage_grace: u64,
    /// Since when it has been, seconds since 1970; absent where it is not.
    pub deleverage_since: Option<u64>,
}

/// These of a vault's state.
#[must_use]
pub fn terms(state: &RebalancingVault::State) -> Terms {
    let (times, shares) = (&state.parameters.times, &state.parameters.shares);
    Terms {
        turnover_cap_bps: shares.turnoverCapBps,
        poke_interval: times.pokeInterval.into(),
        deleverage_grace: times.deleverageGrace.into(),
        deleverage_since: Some(state.deleverageSince).filter(|since| *since > 0),
    }
}

/// Calldata of `pause()`, which the vault's guardian and its owner may call.
#[must_use]
pub fn pause() -> Bytes {
    RebalancingVault::pauseCall {}.abi_encode().into()
}

fn guards(state: &RebalancingVault::State) -> Guards {
    let (times, shares) = (&state.parameters.times, &state.parameters.shares);
    let max_age = |heartbeat: u32, margin: u32| u64::from(heartbeat).saturating_add(u64::from(margin));
    Guards {
        cooldown: u64::from(times.cooldown),
        max_decision_age: u64::from(times.maxDecisionAge),
        max_call_bps: u32::from(shares.maxTradeBps),
        turnover_left: state.books.turnoverCapacity.saturating_sub(state.books.turnoverLevel),
        slippage_bps: u32::from(shares.slippageBps),
        nav_loss_bps: u32::from(shares.navLossBps),
        cap_bps: u32::from(shares.capBps),
        bound_bps: shares.boundBps,
        risky_max_age: max_age(times.riskyHeartbeat, times.riskyHeartbeatMargin),
        asset_max_age: max_age(times.assetHeartbeat, times.assetHeartbeatMargin),
        peg_bps: u32::from(shares.pegBoundBps),
        gas_rebate: state.gasRebate,
    }
}

fn floor_policy(p: &RebalancingVault::Parameters) -> Option<FloorPolicy> {
    let share = Ratio::from_bps(u32::from(p.shares.initialFloorBps));
    Some(match p.floorKind {
        RebalancingVault::FloorKind::Fixed => FloorPolicy::Fixed { share },
        RebalancingVault::FloorKind::Accruing => FloorPolicy::Accruing {
            share,
            rate: Ratio::new(Decimal::try_from_i128_with_scale(i128::from(p.amounts.accrualRate), 18).ok()?),
        },
        RebalancingVault::FloorKind::Ratchet => {
            FloorPolicy::Ratchet { share, peak_share: Ratio::from_bps(u32::from(p.shares.ratchetShareBps)) }
        }
        RebalancingVault::FloorKind::__Invalid => return None,
    })
}

/// The calldata of `rebalance` for `plan`.
#[must_use]
pub fn rebalance(plan: &Plan) -> Bytes {
    RebalancingVault::rebalanceCall { r: order(plan) }.abi_encode().into()
}

/// The calldata of `previewRebalance` for `plan`.
#[must_use]
pub fn preview(plan: &Plan) -> Bytes {
    RebalancingVault::previewRebalanceCall { r: order(plan) }.abi_encode().into()
}

/// What `previewRebalance` answered: nothing, or the guard that would refuse; `None` where it cannot be decoded.
#[must_use]
pub fn previewed(answer: &Bytes) -> Option<Result<(), String>> {
    let preview = RebalancingVault::previewRebalanceCall::abi_decode_returns(answer).ok()?;
    Some(if preview.ok { Ok(()) } else { Err(refusal(&preview.data)) })
}

/// A revert of the vault in words: the guard's error with its arguments, as [`shown`].
#[must_use]
pub fn refusal(data: &Bytes) -> String {
    let words = match RebalancingVault::RebalancingVaultErrors::abi_decode(data) {
        Ok(error) => format!("{error:?}"),
        Err(_) => {
            alloy::sol_types::decode_revert_reason(data).unwrap_or_else(|| format!("revert data {data}"))
        }
    };
    shown(&words)
}

/// The vault's `Rebalanced` event among the logs of a receipt.
#[must_use]
pub fn rebalanced(vault: Address, logs: &[Log]) -> Option<Rebalanced> {
    logs.iter()
        .filter(|log| log.address == vault)
        .find_map(|log| Rebalanced::decode_log(log).ok().map(|l| l.data))
}

fn order(plan: &Plan) -> RebalancingVault::Rebalance {
    let swaps = plan.swaps.iter().map(|swap| RebalancingVault::Swap {
        pool: swap.pool,
        venue: swap.venue,
        sellRisky: swap.sell_risky,
        amountIn: swap.amount_in,
        minAmountOut: swap.min_amount_out,
    });
    RebalancingVault::Rebalance {
        nonce: plan.nonce,
        policyHash: plan.policy_hash,
        decisionHash: plan.decision_hash,
        decisionBlock: plan.decision_block,
        decisionBlockHash: plan.decision_block_hash,
        deadline: plan.deadline,
        swaps: swaps.collect(),
    }
}

#[cfg(test)]
mod tests {
    use alloy::sol_types::{Revert, SolError};

    use super::*;

    #[test]
    fn a_revert_in_words_is_one_short_line() {
        let words = |text: &str| refusal(&Revert::from(text).abi_encode().into());
        assert_eq!(words("too late"), "revert: too late");
        assert_eq!(words("\u{1b}[2J\nok"), "revert: \\u{1b}[2J\\nok");
        assert_eq!(words(&"x".repeat(9_000)).chars().count(), 500);
        assert_eq!(refusal(&vec![0xab; 9_000].into()).chars().count(), 500);
    }
}
