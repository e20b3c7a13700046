//! The base fee of the next block, in exact integers.

/// Gas target of a block is its limit divided by this (EIP-1559, `ELASTICITY_MULTIPLIER`).
const ELASTICITY: u32 = 2;
/// Largest relative change of the base fee per block is one over this (EIP-1559, `BASE_FEE_MAX_CHANGE_DENOMINATOR`).
const MAX_CHANGE_DENOMINATOR: u32 = 8;

/// What the base fee of the next block depends on besides that of the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Gas target of a block is its limit divided by this.
    pub elasticity: u32,
    /// Largest relative change per block is one over this.
    pub denominator: u32,
    /// The base fee never falls below this, wei per gas.
    pub least: u64,
}

impl Rule {
    /// The parameters of Ethereum mainnet (EIP-1559).
    pub const ETHEREUM: Self = Self { elasticity: ELASTICITY, denominator: MAX_CHANGE_DENOMINATOR, least: 0 };

    /// The parameters that an OP-stack block states for the next one in its `extraData`: a version byte, denominator and
    /// elasticity as big-endian `u32`, and nothing more (version 0, OP-stack specification, Holocene, "EIP-1559
    /// parameters in block header"); with version 1 a minimum base fee follows as big-endian `u64` (Jovian, "Minimum
    /// base fee in block header"). `None` for anything else: before Holocene a block does not say by which parameters
    /// the next one is priced, and they are not guessed.
    #[must_use]
    pub fn of_op_stack(extra_data: &[u8]) -> Option<Self> {
        let (version, rest) = extra_data.split_first()?;
        let (denominator, rest) = rest.split_first_chunk()?;
        let (elasticity, rest) = rest.split_first_chunk()?;
        let (denominator, elasticity) = (u32::from_be_bytes(*denominator), u32::from_be_bytes(*elasticity));
        let least = match (version, rest) {
            (0, []) => 0,
            (1, rest) => u64::from_be_bytes(rest.try_into().ok()?),
            _ => return None,
        };
        (denominator > 0 && elasticity > 0).then_some(Self { elasticity, denominator, least })
    }

    /// Base fee of the block after one with `base_fee` (wei per gas), `gas_used` and `gas_limit`.
    ///
    /// EIP-1559 (Buterin, Conner, Dudley, Slipper, Norden, Bakhta, 2019). `None` for numbers that no block under the
    /// rule can have: a target below 1, more gas used than the limit, a result beyond 64 bits.
    #[must_use]
    pub fn next_base_fee(&self, base_fee: u64, gas_used: u64, gas_limit: u64) -> Option<u64> {
        let target = gas_limit.checked_div(self.elasticity.into()).filter(|target| *target > 0)?;
        if gas_used > gas_limit {
            return None;
        }
        let change = |distance: u64| {
            let product = u128::from(base_fee).checked_mul(u128::from(distance))?;
            product.checked_div(u128::from(target))?.checked_div(self.denominator.into())
        };
        let next = if gas_used > target {
            // At least one wei, so that a base fee near zero can rise again.
            let rise = change(gas_used.checked_sub(target)?)?.max(1);
            u128::from(base_fee).checked_add(rise)?
        } else {
            u128::from(base_fee).saturating_sub(change(target.checked_sub(gas_used)?)?)
        };
        Some(u64::try_from(next).ok()?.max(self.least))
    }
}

/// Base fee of the block after one with `base_fee` (wei per gas), `gas_used` and `gas_limit`, as on Ethereum mainnet.
///
/// As [`Rule::next_base_fee`].
#[must_use]
pub fn next_base_fee(base_fee: u64, gas_used: u64, gas_limit: u64) -> Option<u64> {
    Rule::ETHEREUM.next_base_fee(base_fee, gas_used, gas_limit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    /// `version`, `denominator`, `elasticity` and what follows.
    fn extra(version: u8, denominator: u32, elasticity: u32, rest: &[u8]) -> Vec<u8> {
        [&[version][..], &denominator.to_be_bytes(), &elasticity.to_be_bytes(), rest].concat()
    }

    #[test]
    fn an_op_stack_block_states_its_own_parameters() {
        // The Canyon parameters of OP mainnet, 250 and 6, as Holocene writes them.
        let canyon = [0, 0, 0, 0, 250, 0, 0, 0, 6];
        assert_eq!(extra(0, 250, 6, &[]), canyon);
        let rule = Rule { elasticity: 6, denominator: 250, least: 0 };
        assert_eq!(Rule::of_op_stack(&canyon), Some(rule));
        // Jovian: the same with a minimum of 5 million wei, which Base set.
        let jovian = extra(1, 250, 6, &5_000_000_u64.to_be_bytes());
        assert_eq!(jovian.len(), 17);
        assert_eq!(Rule::of_op_stack(&jovian), Some(Rule { least: 5_000_000, ..rule }));
    }

    #[test]
    fn what_is_neither_holocene_nor_jovian_says_nothing() {
        let minimum = 0_u64.to_be_bytes();
        let wrong = [
            vec![],
            extra(0, 250, 6, &[0]),
            extra(0, 250, 6, &minimum),
            extra(1, 250, 6, &[]),
            extra(1, 250, 6, &minimum[1..]),
            extra(1, 250, 6, &[minimum, minimum].concat()),
            extra(2, 250, 6, &minimum),
            extra(0, 0, 6, &[]),
            extra(0, 250, 0, &[]),
            extra(0, 250, 6, &[])[..8].to_vec(),
            b"beaver".to_vec(),
        ];
        for data in wrong {
            assert_eq!(Rule::of_op_stack(&data), None, "{data:?}");
        }
    }

    #[test]
    fn an_op_stack_block_is_priced_by_what_it_states() {
        let rule = |denominator, elasticity| Rule { elasticity, denominator, least: 0 };
        // 30 M limit, elasticity 6: a target of 5 M. Twice the target is one 250th more.
        assert_eq!(rule(250, 6).next_base_fee(1_000_000_000, 10_000_000, 30_000_000), Some(1_004_000_000));
        // A full block: five targets above, 5/250 more; an empty one: 1/250 less.
        assert_eq!(rule(250, 6).next_base_fee(1_000_000_000, 30_000_000, 30_000_000), Some(1_020_000_000));
        assert_eq!(rule(250, 6).next_base_fee(1_000_000_000, 0, 30_000_000), Some(996_000_000));
        // Denominator 8 and elasticity 2 over a target of 15 M: 10⁹·5/15/8 more, 10⁹·10/15/8 less.
        assert_eq!(rule(8, 2).next_base_fee(1_000_000_000, 20_000_000, 30_000_000), Some(1_041_666_666));
        assert_eq!(rule(8, 2).next_base_fee(1_000_000_000, 5_000_000, 30_000_000), Some(916_666_667));
        // A denominator of 1 may take all.
        assert_eq!(rule(1, 1).next_base_fee(7, 0, 30_000_000), Some(0));
    }

    #[test]
    fn a_minimum_base_fee_holds_in_every_direction() {
        let rule = Rule { elasticity: 6, denominator: 250, least: 5_000_000 };
        assert_eq!(rule.next_base_fee(5_000_000, 0, 30_000_000), Some(5_000_000));
        assert_eq!(rule.next_base_fee(1_000_000, 30_000_000, 30_000_000), Some(5_000_000));
        assert_eq!(rule.next_base_fee(6_000_000, 0, 30_000_000), Some(5_976_000));
    }

    proptest! {
        #[test]
        fn no_base_fee_of_a_rule_is_below_its_minimum(
            (denominator, elasticity) in (1u32.., 1u32..64), least: u64, base_fee: u64, used in 0u64..60_000_000
        ) {
            let rule = Rule { elasticity, denominator, least };
            if let Some(next) = rule.next_base_fee(base_fee, used, 60_000_000) {
                prop_assert!(next >= least);
            }
        }

        #[test]
        fn no_extra_data_makes_a_rule_panic(data in prop::collection::vec(any::<u8>(), 0..40)) {
            let rule = Rule::of_op_stack(&data);
            prop_assert!(rule.is_none_or(|rule| rule.denominator > 0 && rule.elasticity > 0));
        }
    }
}
