//! OP-stack: the L1 data fee and the operator fee, by the `GasPriceOracle` predeploy (OP-stack specification, Fjord
//! "Predeploys", Isthmus and Jovian "Operator fee").
//!
//! The decision asks `getL1Fee` for a placeholder's bytes, not `getL1FeeUpperBound` for its length. The latter reverts
//! before Fjord, and takes every byte for one that does not compress, although nearly half of a rebalance are the ABI's
//! zeros: it would price a rebalance at about 1.6 times what any costs, and a band that is wider than it pays. `getL1Fee`
//! is the formula by which the chain charges, whatever upgrade is in force, and the placeholder leaves it nothing to
//! compress but what every rebalance has.

use alloy::primitives::{Address, Bytes, U256, address};
use alloy::sol;
use alloy::sol_types::SolCall;

use super::{Surcharge, both, placeholder, unsigned};
use crate::chain::CallRequest;
use crate::domain::policy::{ChainKind, Policy};
use crate::domain::snapshot::{Charge, Rollup};
use crate::protocols::multicall::{Call, call, decoded};

sol! {
    /// The part of the predeploy that the keeper asks.
    #[derive(Debug)]
    interface GasPriceOracle {
        /// Wei for the data of an unsigned RLP-encoded transaction; the oracle adds its signature itself.
        function getL1Fee(bytes data) external view returns (uint256);
        /// Wei for the operator of a transaction that uses so much gas.
        function getOperatorFee(uint256 gasUsed) external view returns (uint256);
    }
}

/// Where the predeploy stands on every OP-stack chain.
pub const GAS_PRICE_ORACLE: Address = address!("420000000000000000000000000000000000000F");

/// How the data fee of the very transaction is asked for.
pub(super) const SURCHARGE: Surcharge = Surcharge { ask, read: fee, beside_gas: true };

/// The data fee of one swap, of two; then the operator fee of both.
pub(super) fn calls(policy: &Policy) -> Vec<Call> {
    let data = |swaps| l1_fee(unsigned(&placeholder(policy.chain_id, swaps)));
    let operator = |gas: u64| operator_fee(U256::from(gas));
    let gas = &policy.gas;
    let two = gas.rebalance_units.saturating_add(gas.swap_units);
    vec![data(1), data(2), operator(gas.rebalance_units), operator(two)]
}

pub(super) fn facts(answers: &[Option<Bytes>]) -> Option<Rollup> {
    let [data @ .., operator_one, operator_two] = answers else { return None };
    let [data_one, data_two] = data else { return None };
    both(ChainKind::OpStack, |swaps| {
        let (data, operator) = if swaps == 1 { (data_one, operator_one) } else { (data_two, operator_two) };
        let operator_fee = decoded::<GasPriceOracle::getOperatorFeeCall>(operator.as_ref())?;
        Some(Charge { data_fee: decoded::<GasPriceOracle::getL1FeeCall>(data.as_ref())?, operator_fee })
    })
}

/// The call for the operator's fee of a transaction that uses so much gas.
#[must_use]
pub fn operator_fee(gas_used: U256) -> Call {
    call(GAS_PRICE_ORACLE, &GasPriceOracle::getOperatorFeeCall { gasUsed: gas_used })
}

fn l1_fee(data: Bytes) -> Call {
    call(GAS_PRICE_ORACLE, &GasPriceOracle::getL1FeeCall { data })
}

fn ask(transaction: &alloy::consensus::TxEip1559) -> CallRequest {
    let (to, data) = l1_fee(unsigned(transaction));
    CallRequest { from: None, to, data }
}

fn fee(answer: &Bytes) -> Option<U256> {
    GasPriceOracle::getL1FeeCall::abi_decode_returns(answer).ok().filter(|fee| !fee.is_zero())
}

#[cfg(test)]
mod tests {
    use alloy::sol_types::SolValue;

    use super::*;

    fn answers(values: [u64; 4]) -> Vec<Option<Bytes>> {
        values.map(|value| Some(U256::from(value).abi_encode().into())).into()
    }

    #[test]
    fn the_four_answers_are_the_charges_of_one_and_two_swaps() {
        let rollup = facts(&answers([1_000, 1_300, 40, 50])).unwrap();
        assert_eq!(rollup.charge(1).total(), U256::from(1_040));
        assert_eq!(rollup.charge(3), Charge { data_fee: U256::from(1_600), operator_fee: U256::from(60) });
    }

    #[test]
    fn an_operator_may_take_nothing_and_the_data_never_costs_nothing() {
        assert!(facts(&answers([1_000, 1_300, 0, 0])).is_some());
        assert_eq!(facts(&answers([0, 1_300, 0, 0])), None);
        assert_eq!(facts(&answers([1_000, 0, 0, 0])), None);
    }

    #[test]
    fn one_answer_that_is_missing_or_no_number_leaves_nothing() {
        for missing in 0..4 {
            let mut some = answers([1_000, 1_300, 40, 50]);
            some[missing] = None;
            assert_eq!(facts(&some), None, "{missing}");
            // What an account without code answers.
            some[missing] = Some(Bytes::new());
            assert_eq!(facts(&some), None, "{missing}");
        }
        assert_eq!(facts(&answers([1, 2, 3, 4])[..3]), None);
        assert_eq!(facts(&[]), None);
    }
}
