//! Arbitrum (Nitro): the L1 data fee, by the `ArbGasInfo` and `NodeInterface` precompiles (Arbitrum documentation, "How to
//! estimate gas" and "L1 pricing"; their behaviour as in Nitro's `precompiles/ArbGasInfo.go` and
//! `arbos/l1pricing/l1pricing.go`).
//!
//! Arbitrum prices the bytes of a signed transaction after compression, at 16 units for each, and sells the fee as gas at
//! the base fee. How well a transaction compresses only a node says, through `NodeInterface`, which answers calls from
//! outside alone and so cannot be read together with the other facts. So the decision prices all bytes of the placeholder
//! as bytes that do not compress, padded as `NodeInterface` does: an upper bound. The very bytes are priced by
//! `NodeInterface` before they are sent.

use alloy::consensus::TxEip1559;
use alloy::primitives::{Address, Bytes, U256, address};
use alloy::sol;
use alloy::sol_types::SolCall;

use super::{Surcharge, both, placeholder, unsigned};
use crate::chain::CallRequest;
use crate::domain::policy::{ChainKind, Policy};
use crate::domain::snapshot::{Charge, Rollup};
use crate::protocols::multicall::{Call, call, decoded};

sol! {
    /// The part of the precompile that the keeper asks.
    #[derive(Debug)]
    interface ArbGasInfo {
        /// Wei per L2 transaction, per byte of L1 calldata, per storage slot, and per gas: base, congestion, both.
        function getPricesInWei()
            external view returns (uint256, uint256, uint256, uint256, uint256, uint256);
        /// Wei per unit of L1 calldata, of which a byte is 16.
        function getL1BaseFeeEstimate() external view returns (uint256);
    }

    /// The part of the virtual contract that the keeper asks.
    #[derive(Debug)]
    interface NodeInterface {
        /// Gas that buys the L1 part of such a call, the base fee, and wei per unit of L1 calldata.
        function gasEstimateL1Component(address to, bool contractCreation, bytes data)
            external payable returns (uint64, uint256, uint256);
    }
}

/// Where the precompile stands on every Arbitrum chain.
pub const ARB_GAS_INFO: Address = address!("000000000000000000000000000000000000006C");

/// Where the virtual contract answers on every Arbitrum chain.
pub const NODE_INTERFACE: Address = address!("00000000000000000000000000000000000000C8");

/// How the data fee of the very transaction is asked for.
pub(super) const SURCHARGE: Surcharge = Surcharge { ask, read: fee, beside_gas: false };

/// Units of L1 calldata in a byte (EIP-2028).
const UNITS_PER_BYTE: u64 = 16;

/// Bytes that a signature adds to an unsigned transaction: two words with their lengths, and the parity.
const SIGNATURE_BYTES: usize = 67;

/// Bytes that Nitro adds to what it estimates, which may come out a little longer.
const PADDING_BYTES: usize = 16;

/// And its factor on their units, in basis points.
const PADDED_BPS: u64 = 10_100;

pub(super) fn calls() -> Vec<Call> {
    vec![
        call(ARB_GAS_INFO, &ArbGasInfo::getPricesInWeiCall {}),
        call(ARB_GAS_INFO, &ArbGasInfo::getL1BaseFeeEstimateCall {}),
    ]
}

pub(super) fn facts(policy: &Policy, answers: &[Option<Bytes>]) -> Option<Rollup> {
    let [prices, estimate] = answers else { return None };
    let per_byte = decoded::<ArbGasInfo::getPricesInWeiCall>(prices.as_ref())?._1;
    let per_unit = decoded::<ArbGasInfo::getL1BaseFeeEstimateCall>(estimate.as_ref())?;
    // Both come from one number of ArbOS. Where they disagree one of them means something else than is known here.
    if per_unit.checked_mul(U256::from(UNITS_PER_BYTE))? != per_byte {
        return None;
    }
    both(ChainKind::Arbitrum, |swaps| {
        let data_fee = per_unit.checked_mul(U256::from(units(policy.chain_id, swaps)?))?;
        Some(Charge { data_fee, operator_fee: U256::ZERO })
    })
}

/// Units of L1 calldata of a placeholder.
fn units(chain_id: u64, swaps: u32) -> Option<u64> {
    let unsigned = unsigned(&placeholder(chain_id, swaps)).len();
    let bytes = unsigned.checked_add(SIGNATURE_BYTES)?.checked_add(PADDING_BYTES)?;
    let units = u64::try_from(bytes).ok()?.checked_mul(UNITS_PER_BYTE)?;
    Some(units.checked_mul(PADDED_BPS)?.div_ceil(10_000))
}

fn ask(transaction: &TxEip1559) -> CallRequest {
    let call = NodeInterface::gasEstimateL1ComponentCall {
        to: transaction.to.to().copied().unwrap_or_default(),
        contractCreation: false,
        data: transaction.input.clone(),
    };
    CallRequest { from: None, to: NODE_INTERFACE, data: call.abi_encode().into() }
}

/// Gas for L1 at the base fee.
fn fee(answer: &Bytes) -> Option<U256> {
    let estimate = NodeInterface::gasEstimateL1ComponentCall::abi_decode_returns(answer).ok()?;
    U256::from(estimate._0).checked_mul(estimate._1).filter(|fee| !fee.is_zero())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use alloy::sol_types::SolValue;

    use super::*;
    use crate::config::load_policy;

    fn policy() -> Policy {
        load_policy(Path::new("examples/policies/cppi.toml")).unwrap().policy().clone()
    }

    fn answers(per_byte: u64, per_unit: u64) -> [Option<Bytes>; 2] {
        let prices = [0, per_byte, 0, 0, 0, 0].map(U256::from);
        [Some(prices.abi_encode().into()), Some(U256::from(per_unit).abi_encode().into())]
    }

    #[test]
    fn all_bytes_of_a_placeholder_are_priced_and_padded_as_a_node_does() {
        // 509 unsigned bytes on chain 1, 67 of signature, 16 of padding: 592 bytes of 16 units, and 1 % more.
        assert_eq!(unsigned(&placeholder(1, 1)).len(), 509);
        assert_eq!(units(1, 1), Some(9_567));
        // 160 bytes more: 2,560 units, and 1 %.
        assert_eq!(units(1, 2), Some(12_153));
        let rollup = facts(&policy(), &answers(16_000, 1_000)).unwrap();
        assert_eq!(rollup.charge(1).data_fee, U256::from(9_567_000));
        assert_eq!(rollup.charge(2).total(), U256::from(12_153_000));
    }

    #[test]
    fn prices_that_disagree_are_missing_or_zero_leave_nothing() {
        let facts = |answers: &[Option<Bytes>]| super::facts(&policy(), answers);
        assert_eq!(facts(&answers(16_000, 999)), None);
        assert_eq!(facts(&answers(0, 0)), None);
        let [prices, estimate] = answers(16_000, 1_000);
        assert_eq!(facts(&[prices.clone(), None]), None);
        assert_eq!(facts(&[None, estimate.clone()]), None);
        assert_eq!(facts(&[prices.clone(), Some(Bytes::new())]), None);
        assert_eq!(facts(&[prices]), None);
    }

    #[test]
    fn what_a_node_estimates_is_gas_for_l1_at_the_base_fee() {
        let answer = |gas: u64, base_fee: u64| {
            fee(&(U256::from(gas), U256::from(base_fee), U256::from(7)).abi_encode().into())
        };
        assert_eq!(answer(5_000, 10_000_000), Some(U256::from(50_000_000_000_u64)));
        assert_eq!(answer(0, 10_000_000), None);
        assert_eq!(fee(&Bytes::new()), None);
    }
}
