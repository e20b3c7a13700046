//! Fees of bumps and cancels: never what a node's replacement rule refuses, never over a cap.

use alloy::primitives::U256;

use crate::defence::defended;

/// What a transaction bids, wei per gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fees {
    /// Fee cap, base fee and tip together.
    pub cap: u128,
    /// Tip; never above the fee cap.
    pub tip: u128,
}

/// What the next block asks for, wei per gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Market {
    /// Its base fee.
    pub base_fee: u64,
    /// Tip within the configured bounds.
    pub tip: u128,
}

/// What may be bid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most per gas.
    pub per_gas: u128,
    /// Most for the whole transaction, wei: what caps per transaction and per day leave.
    pub in_all: U256,
}

/// A bump raises both fields by an eighth: geth, Erigon, Nethermind, Besu and reth ask for a tenth.
const EIGHTH: u128 = 8;

impl Market {
    /// A comfortable bid: it stays includable through five full blocks.
    #[must_use]
    pub fn bid(self) -> Fees {
        let cap = u128::from(self.base_fee).saturating_mul(2).saturating_add(self.tip);
        Fees { cap, tip: self.tip }
    }
}

impl Limits {
    /// Most per gas for a transaction of this gas limit.
    #[must_use]
    pub fn per_gas(&self, gas_limit: u64) -> u128 {
        let share = self.in_all.checked_div(U256::from(gas_limit)).unwrap_or_default();
        self.per_gas.min(share.saturating_to())
    }
}

/// The least bid that replaces `old` everywhere and that the market takes: each field at least
/// `max(⌈1.125·old⌉, old + 1, market)`. `None` where that passes `most`: then nothing is signed.
///
/// A comfortable bid gives way to `most` where a smaller one still replaces `old`.
#[must_use]
pub fn bumped(old: Fees, market: Market, most: u128) -> Option<Fees> {
    let raised = |fee: u128| fee.checked_add(if defended(12) { fee.div_ceil(EIGHTH).max(1) } else { 1 });
    let wanted = if defended(18) { market.bid() } else { Fees { cap: 0, tip: 0 } };
    let tip = raised(old.tip)?.max(wanted.tip);
    let least = raised(old.cap)?.max(tip);
    if least > most && defended(17) {
        return None;
    }
    Some(Fees { cap: least.max(wanted.cap.min(most)), tip })
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "test arithmetic within known bounds")]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    /// geth: a replacement's fields are above the old ones, and at least a tenth above them, rounded down.
    fn geth_takes(old: Fees, new: Fees) -> bool {
        let tenth = |fee: u128| (U256::from(fee) * U256::from(110_u8)) / U256::from(100_u8);
        let above = |new: u128, old: u128| new > old && U256::from(new) >= tenth(old);
        above(new.cap, old.cap) && above(new.tip, old.tip)
    }

    /// Fees of every length, the corners of their range among them.
    fn fee() -> impl Strategy<Value = u128> {
        prop_oneof![
            Just(0_u128),
            Just(1),
            Just(u128::MAX / 2),
            Just(u128::MAX),
            (any::<u128>(), 0_u32..128).prop_map(|(fee, shift)| fee >> shift),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn fault_12_every_bump_passes_the_rule_of_geth_on_both_fields(
            (first, second) in (fee(), fee()), base_fee: u64, tip in fee(), most in fee(),
        ) {
            let old = Fees { cap: first.max(second), tip: first.min(second) };
            let market = Market { base_fee, tip };
            match bumped(old, market, most) {
                Some(new) => {
                    prop_assert!(geth_takes(old, new), "{old:?} {new:?}");
                    prop_assert!(new.tip <= new.cap && new.cap <= most, "{new:?} {most}");
                    prop_assert!(new.tip >= tip, "{new:?}");
                    let comfortable = market.bid().cap;
                    prop_assert!(new.cap >= comfortable.min(most), "{new:?} {comfortable}");
                }
                // A bid that replaces it is over the cap, or is none of a u128.
                None => {
                    let eighth = |fee: u128| U256::from(fee) + U256::from(fee.div_ceil(8).max(1));
                    let least = eighth(old.cap).max(eighth(old.tip)).max(U256::from(tip));
                    prop_assert!(least > U256::from(most), "{old:?} {most}");
                }
            }
        }
    }

    #[test]
    fn a_bump_is_an_eighth_or_the_market() {
        let old = Fees { cap: 100, tip: 8 };
        let calm = Market { base_fee: 10, tip: 2 };
        assert_eq!(bumped(old, calm, 1_000), Some(Fees { cap: 113, tip: 9 }));
        let hot = Market { base_fee: 200, tip: 20 };
        assert_eq!(bumped(old, hot, 1_000), Some(Fees { cap: 420, tip: 20 }));
        // Not comfortable any more, but more than before.
        assert_eq!(bumped(old, hot, 300), Some(Fees { cap: 300, tip: 20 }));
        assert_eq!(bumped(old, hot, 112), None);
    }

    #[test]
    fn a_transaction_of_much_gas_may_bid_less_per_gas() {
        let limits = Limits { per_gas: 100, in_all: U256::from(1_000_000) };
        assert_eq!((limits.per_gas(1_000), limits.per_gas(20_000)), (100, 50));
        assert_eq!(limits.per_gas(0), 0);
    }
}
