//! What rollups charge for the data of a transaction, read from their own contracts: one file each.
//!
//! A decision is taken before there are bytes to price, so it reckons with [`placeholder`]s of a fixed length. The very
//! bytes are priced again before they are sent, as [`surcharge`] says.

pub mod arbitrum;
pub mod op_stack;

use alloy::consensus::{SignableTransaction, TxEip1559};
use alloy::eips::eip2930::AccessList;
use alloy::primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use alloy::sol_types::SolCall;

use super::abi::RebalancingVault;
use super::multicall::Call;
use crate::chain::CallRequest;
use crate::domain::policy::{ChainKind, Policy};
use crate::domain::snapshot::{Charge, Rollup};

/// What a kind of chain has at a fixed address and no other.
pub const MARKS: [(ChainKind, Address); 2] =
    [(ChainKind::OpStack, op_stack::GAS_PRICE_ORACLE), (ChainKind::Arbitrum, arbitrum::ARB_GAS_INFO)];

/// The calls whose answers [`facts`] and [`taken_for_ethereum`] read.
#[must_use]
pub fn calls(policy: &Policy) -> Vec<Call> {
    match policy.gas.chain {
        // Any call will do: without code nothing answers, with code something does or fails.
        ChainKind::Ethereum => MARKS.iter().map(|(_, mark)| (*mark, Bytes::new())).collect(),
        ChainKind::OpStack => op_stack::calls(policy),
        ChainKind::Arbitrum => arbitrum::calls(),
    }
}

/// What the chain charges, by its `answers` to [`calls`]; `None` where it is no rollup or one of them says nothing
/// usable.
#[must_use]
pub fn facts(policy: &Policy, answers: &[Option<Bytes>]) -> Option<Rollup> {
    match policy.gas.chain {
        ChainKind::Ethereum => None,
        ChainKind::OpStack => op_stack::facts(answers),
        ChainKind::Arbitrum => arbitrum::facts(policy, answers),
    }
}

/// The kind of rollup that the policy takes for Ethereum, if the `answers` to [`calls`] say that it is one: its data fee
/// would be left out.
#[must_use]
pub fn taken_for_ethereum(policy: &Policy, answers: &[Option<Bytes>]) -> Option<ChainKind> {
    if policy.gas.chain.is_rollup() {
        return None;
    }
    let silent = |answer: &Option<Bytes>| answer.as_ref().is_some_and(|data| data.is_empty());
    MARKS.iter().zip(answers).find(|(_, answer)| !silent(answer)).map(|((kind, _), _)| *kind)
}

/// How the fee for the data of the very transaction is asked for before it is signed.
#[derive(Debug, Clone, Copy)]
pub struct Surcharge {
    /// The call that asks for it.
    pub ask: fn(&TxEip1559) -> CallRequest,
    /// Wei, of its answer; `None` where that is no fee.
    pub read: fn(&Bytes) -> Option<U256>,
    /// Whether the chain takes it beside gas, so that gas limit times price does not hold it.
    pub beside_gas: bool,
}

/// That of a chain of `kind`; `None` where it has none.
#[must_use]
pub fn surcharge(kind: ChainKind) -> Option<Surcharge> {
    match kind {
        ChainKind::Ethereum => None,
        ChainKind::OpStack => Some(op_stack::SURCHARGE),
        ChainKind::Arbitrum => Some(arbitrum::SURCHARGE),
    }
}

/// The charge for both placeholders, as `charge` says for the number of swaps.
fn both(kind: ChainKind, charge: impl Fn(u32) -> Option<Charge>) -> Option<Rollup> {
    Rollup::new(kind, charge(1)?, charge(2)?)
}

/// An unsigned rebalance in `swaps` swaps as every keeper would send it, with bytes that do not compress wherever a real
/// one says something: so it is as long as any real one, and costs no less than one. Zeros stand only where the ABI
/// itself puts them: an amount is taken to fill 16 of its 32 bytes, and numbers of the transaction as many as they ever
/// do.
#[must_use]
pub fn placeholder(chain_id: u64, swaps: u32) -> TxEip1559 {
    let mut noise = Noise(B256::ZERO);
    let call = RebalancingVault::rebalanceCall { r: order(&mut noise, swaps) };
    TxEip1559 {
        chain_id,
        nonce: noise.number() >> 40,
        gas_limit: noise.number() >> 40,
        max_fee_per_gas: u128::from(noise.number()),
        max_priority_fee_per_gas: u128::from(noise.number()),
        to: TxKind::Call(noise.address()),
        value: U256::ZERO,
        access_list: AccessList::default(),
        input: call.abi_encode().into(),
    }
}

/// The unsigned bytes of a transaction, as an OP-stack oracle wants them.
fn unsigned(transaction: &TxEip1559) -> Bytes {
    transaction.encoded_for_signing().into()
}

fn order(noise: &mut Noise, swaps: u32) -> RebalancingVault::Rebalance {
    let swaps = (0..swaps).map(|_| RebalancingVault::Swap {
        pool: noise.address(),
        venue: noise.address(),
        sellRisky: true,
        amountIn: noise.amount(),
        minAmountOut: noise.amount(),
    });
    let swaps = swaps.collect();
    RebalancingVault::Rebalance {
        nonce: noise.number() >> 32,
        policyHash: noise.word(),
        decisionHash: noise.word(),
        decisionBlock: noise.number() >> 24,
        decisionBlockHash: noise.word(),
        deadline: noise.number() >> 24,
        swaps,
    }
}

/// Bytes that nothing compresses and that are always the same: a chain of hashes, no byte of which is zero.
struct Noise(B256);

impl Noise {
    fn word(&mut self) -> B256 {
        self.0 = keccak256(self.0);
        B256::from(self.0.0.map(|byte| byte.max(1)))
    }

    fn address(&mut self) -> Address {
        Address::from_word(self.word())
    }

    fn amount(&mut self) -> U256 {
        U256::from_be_bytes(self.word().0).wrapping_shr(128)
    }

    fn number(&mut self) -> u64 {
        U256::from_be_bytes(self.word().0).wrapping_shr(192).saturating_to()
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "test arithmetic within known bounds")]
mod tests {
    use super::*;

    /// Selector, offset, seven words of a rebalance, length of the swaps, five words of each.
    fn calldata(swaps: usize) -> usize {
        4 + 32 * (1 + 7 + 1 + 5 * swaps)
    }

    #[test]
    fn a_placeholder_is_as_long_as_a_rebalance_and_always_the_same() {
        for (swaps, length) in [(1, 452), (2, 612), (8, 1_572)] {
            let placeholder = placeholder(10, swaps);
            assert_eq!(placeholder.input.len(), length);
            assert_eq!(placeholder.input.len(), calldata(usize::try_from(swaps).unwrap()));
            assert_eq!(unsigned(&placeholder), unsigned(&super::placeholder(10, swaps)));
        }
    }

    #[test]
    fn a_placeholder_is_noise_where_a_rebalance_says_something() {
        let one = unsigned(&placeholder(42_161, 1));
        let zeros = one.iter().filter(|byte| **byte == 0).count();
        // Two offsets and a length, four numbers of 4 or 5 bytes; of a swap 12 bytes before each address, 31 before the
        // direction, 16 before each amount.
        let of_swap = 12 + 12 + 31 + 16 + 16;
        assert_eq!((one.len(), zeros), (511, 3 * 31 + 28 + 2 * 27 + of_swap));
        let two = unsigned(&placeholder(42_161, 2));
        let more = two.iter().filter(|byte| **byte == 0).count() - zeros;
        assert_eq!((two.len() - one.len(), more), (160, of_swap));
    }
}
