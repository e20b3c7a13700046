//! The base fee of the next block, in exact integers.

/// Gas target of a block is its limit divided by this (EIP-1559, `ELASTICITY_MULTIPLIER`).
const ELASTICITY: u64 = 2;
/// Largest relative change of the base fee per block is one over this (EIP-1559, `BASE_FEE_MAX_CHANGE_DENOMINATOR`).
const MAX_CHANGE_DENOMINATOR: u128 = 8;

/// Base fee of the block after one with `base_fee` (wei per gas), `gas_used` and `gas_limit`.
///
/// EIP-1559 (Buterin, Conner, Dudley, Slipper, Norden, Bakhta, 2019), with the parameters of Ethereum mainnet. `None`
/// for numbers that no block under these rules can have: a limit below 2, more gas used than the limit, a result
/// beyond 64 bits.
#[must_use]
pub fn next_base_fee(base_fee: u64, gas_used: u64, gas_limit: u64) -> Option<u64> {
    let target = gas_limit.checked_div(ELASTICITY).filter(|target| *target > 0)?;
    if gas_used > gas_limit {
        return None;
    }
    let change = |distance: u64| {
        let product = u128::from(base_fee).checked_mul(u128::from(distance))?;
        product.checked_div(u128::from(target))?.checked_div(MAX_CHANGE_DENOMINATOR)
    };
    let next = if gas_used > target {
        // At least one wei, so that a base fee near zero can rise again.
        let rise = change(gas_used.checked_sub(target)?)?.max(1);
        u128::from(base_fee).checked_add(rise)?
    } else {
        u128::from(base_fee).checked_sub(change(target.checked_sub(gas_used)?)?)?
    };
    u64::try_from(next).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_reference_client_are_met() {
        // go-ethereum, consensus/misc/eip1559, TestCalcBaseFee: limit 20 M, base fee 1 gwei.
        assert_eq!(next_base_fee(1_000_000_000, 10_000_000, 20_000_000), Some(1_000_000_000));
        assert_eq!(next_base_fee(1_000_000_000, 9_000_000, 20_000_000), Some(987_500_000));
        assert_eq!(next_base_fee(1_000_000_000, 11_000_000, 20_000_000), Some(1_012_500_000));
    }

    #[test]
    fn a_full_block_raises_by_an_eighth_and_an_empty_one_lowers_by_an_eighth() {
        assert_eq!(next_base_fee(8_000, 30_000_000, 30_000_000), Some(9_000));
        assert_eq!(next_base_fee(8_000, 0, 30_000_000), Some(7_000));
    }

    #[test]
    fn a_base_fee_near_zero_still_rises_by_one_wei() {
        assert_eq!(next_base_fee(0, 15_000_001, 30_000_000), Some(1));
        assert_eq!(next_base_fee(7, 30_000_000, 30_000_000), Some(8));
        assert_eq!(next_base_fee(7, 0, 30_000_000), Some(7));
    }

    #[test]
    fn an_odd_limit_rounds_the_target_down() {
        assert_eq!(next_base_fee(1_000, 3, 7), Some(1_000));
        assert_eq!(next_base_fee(1_000, 7, 7), Some(1_166));
    }

    #[test]
    fn numbers_that_no_block_can_have_give_no_base_fee() {
        assert_eq!(next_base_fee(1, 0, 0), None);
        assert_eq!(next_base_fee(1, 0, 1), None);
        assert_eq!(next_base_fee(1, 31, 30), None);
        assert_eq!(next_base_fee(u64::MAX, 30, 30), None);
    }
}
