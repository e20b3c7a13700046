//! What a rollup charges for a rebalance beside its gas.

use alloy::primitives::U256;
use serde::{Deserialize, Serialize};
use serde_with::{DisplayFromStr, serde_as};

use crate::domain::policy::ChainKind;

/// What a rollup charges beside gas, as its own contracts answer at the block for placeholder transactions of a fixed
/// length: a rebalance in one swap and one in two.
///
/// Rules it keeps: it is there only where every contract asked answered, and then both data fees are above zero and
/// neither charge falls with the second swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollup {
    /// How the charges were computed.
    pub kind: ChainKind,
    /// For one swap.
    pub one_swap: Charge,
    /// For two swaps.
    pub two_swaps: Charge,
}

/// What one transaction costs beside its gas, wei of the native coin.
#[serde_as]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct Charge {
    /// For its bytes on the chain below.
    #[serde_as(as = "DisplayFromStr")]
    pub data_fee: U256,
    /// For the operator, by the gas that the policy reckons with; zero where the operator takes none.
    #[serde_as(as = "DisplayFromStr")]
    pub operator_fee: U256,
}

impl Rollup {
    /// The charges of `kind` for one swap and for two; `None` where they break the rules.
    #[must_use]
    pub fn new(kind: ChainKind, one_swap: Charge, two_swaps: Charge) -> Option<Self> {
        let grows =
            two_swaps.data_fee >= one_swap.data_fee && two_swaps.operator_fee >= one_swap.operator_fee;
        (!one_swap.data_fee.is_zero() && grows).then_some(Self { kind, one_swap, two_swaps })
    }

    /// Whether these are charges of `kind` that keep the rules.
    #[must_use]
    pub fn is_sound(&self, kind: ChainKind) -> bool {
        self.kind == kind && Self::new(kind, self.one_swap, self.two_swaps).is_some()
    }

    /// The charge for a rebalance in `swaps` swaps: each further one adds what the second did.
    #[must_use]
    pub fn charge(&self, swaps: u64) -> Charge {
        let further = U256::from(swaps.saturating_sub(1));
        let grown =
            |one: U256, two: U256| one.saturating_add(two.saturating_sub(one).saturating_mul(further));
        Charge {
            data_fee: grown(self.one_swap.data_fee, self.two_swaps.data_fee),
            operator_fee: grown(self.one_swap.operator_fee, self.two_swaps.operator_fee),
        }
    }
}

impl Charge {
    /// Both together, wei.
    #[must_use]
    pub const fn total(&self) -> U256 {
        self.data_fee.saturating_add(self.operator_fee)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn charge(data_fee: u64, operator_fee: u64) -> Charge {
        Charge { data_fee: U256::from(data_fee), operator_fee: U256::from(operator_fee) }
    }

    #[test]
    fn each_further_swap_adds_what_the_second_did() {
        let rollup = Rollup::new(ChainKind::OpStack, charge(100, 7), charge(130, 9)).unwrap();
        assert_eq!(rollup.charge(1), charge(100, 7));
        assert_eq!(rollup.charge(2), charge(130, 9));
        assert_eq!(rollup.charge(5), charge(220, 15));
        assert_eq!(rollup.charge(5).total(), U256::from(235));
    }

    #[test]
    fn a_data_fee_of_zero_or_one_that_falls_is_no_charge() {
        let new = |one, two| Rollup::new(ChainKind::Arbitrum, one, two);
        assert_eq!(new(charge(0, 0), charge(1, 0)), None);
        assert_eq!(new(charge(2, 0), charge(1, 0)), None);
        assert_eq!(new(charge(1, 1), charge(1, 0)), None);
        assert!(new(charge(1, 0), charge(1, 0)).is_some());
    }

    #[test]
    fn charges_of_another_kind_are_not_sound() {
        let rollup = Rollup::new(ChainKind::OpStack, charge(1, 0), charge(2, 0)).unwrap();
        assert!(rollup.is_sound(ChainKind::OpStack) && !rollup.is_sound(ChainKind::Arbitrum));
    }

    proptest! {
        #[test]
        fn a_charge_never_falls_with_another_swap(one: u64, more: u32, operator: u32, swaps in 1u64..64) {
            let two = charge(one.saturating_add(u64::from(more)), u64::from(operator));
            let rollup = Rollup { kind: ChainKind::OpStack, one_swap: charge(one, 0), two_swaps: two };
            prop_assert!(rollup.charge(swaps.saturating_add(1)).total() >= rollup.charge(swaps).total());
        }
    }
}
