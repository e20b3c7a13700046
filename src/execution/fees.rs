//! Fees of a transaction (EIP-1559) under the caps.

use alloy::primitives::U256;

use super::{FeeCap, FeeCaps, Refusal};

/// What the fees of one transaction depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeeRequest {
    /// Base fee of the next block, wei per gas.
    pub next_base_fee: u64,
    /// Tip that a node suggests, wei per gas, if it does.
    pub suggested_tip: Option<u128>,
    /// Gas limit of the transaction.
    pub gas_limit: u64,
    /// What it costs on top of its gas, wei: the data fee of a rollup that takes one apart.
    pub beside_gas: U256,
    /// Wei already spent or promised within the day.
    pub committed_today: U256,
}

/// Fees to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeeQuote {
    /// Fee cap, wei per gas; never below the next base fee and the tip.
    pub max_fee_per_gas: u128,
    /// Tip cap, wei per gas; never above the fee cap.
    pub max_priority_fee_per_gas: u128,
}

/// The fees for one transaction: a cap of twice the next base fee and the tip, which stays includable through five
/// full blocks, or less where a limit asks for less.
///
/// # Errors
/// [`Refusal::FeeOverCap`] when a limit leaves less than the next block costs.
pub fn quote(request: &FeeRequest, caps: &FeeCaps) -> Result<FeeQuote, Refusal> {
    let tip = caps.tip(request.suggested_tip);
    let base_fee = U256::from(request.next_base_fee);
    let needed = base_fee.saturating_add(U256::from(tip));
    let per_gas = |amount: U256| {
        let for_gas = amount.saturating_sub(request.beside_gas);
        for_gas.checked_div(U256::from(request.gas_limit)).unwrap_or_default()
    };
    let limits = [
        (FeeCap::Gas, U256::from(caps.max_fee_per_gas)),
        (FeeCap::Transaction, per_gas(caps.max_per_transaction)),
        (FeeCap::Day, per_gas(caps.max_per_day.saturating_sub(request.committed_today))),
    ];
    let comfortable = needed.saturating_add(base_fee);
    let max_fee = limits.into_iter().try_fold(comfortable, |fee, (cap, allowed)| {
        if needed > allowed {
            Err(Refusal::FeeOverCap { cap, needed, allowed })
        } else {
            Ok(fee.min(allowed))
        }
    })?;
    // The first limit is a u128, so the least of them is one.
    let max_fee_per_gas = max_fee.saturating_to();
    Ok(FeeQuote { max_fee_per_gas, max_priority_fee_per_gas: tip })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GWEI: u64 = 1_000_000_000;

    fn caps() -> FeeCaps {
        FeeCaps {
            max_fee_per_gas: 100 * u128::from(GWEI),
            min_tip: 1,
            max_tip: 5 * u128::from(GWEI),
            max_per_transaction: U256::from(20_000_000_000_000_000_u64),
            max_per_day: U256::from(50_000_000_000_000_000_u64),
            max_cancel_fee_per_gas: 200 * u128::from(GWEI),
        }
    }

    fn request(base_fee: u64) -> FeeRequest {
        FeeRequest {
            next_base_fee: base_fee,
            suggested_tip: Some(u128::from(GWEI)),
            gas_limit: 200_000,
            beside_gas: U256::ZERO,
            committed_today: U256::ZERO,
        }
    }

    #[test]
    fn the_cap_is_twice_the_base_fee_and_the_tip() {
        let quote = quote(&request(10 * GWEI), &caps()).unwrap();
        assert_eq!(quote.max_fee_per_gas, 21 * u128::from(GWEI));
        assert_eq!(quote.max_priority_fee_per_gas, u128::from(GWEI));
    }

    #[test]
    fn the_cap_shrinks_to_the_tightest_limit_that_still_fits() {
        assert_eq!(quote(&request(60 * GWEI), &caps()).unwrap().max_fee_per_gas, 100 * u128::from(GWEI));
        let large = FeeRequest { gas_limit: 1_000_000, ..request(15 * GWEI) };
        assert_eq!(quote(&large, &caps()).unwrap().max_fee_per_gas, 20 * u128::from(GWEI));
    }

    #[test]
    fn each_cap_refuses_by_name_with_its_numbers() {
        let over = quote(&request(100 * GWEI), &caps()).unwrap_err();
        let (needed, allowed) = (U256::from(101 * GWEI), U256::from(100 * GWEI));
        assert_eq!(over, Refusal::FeeOverCap { cap: FeeCap::Gas, needed, allowed });
        let large = FeeRequest { gas_limit: 1_000_000, ..request(20 * GWEI) };
        let over = quote(&large, &caps()).unwrap_err();
        assert!(matches!(over, Refusal::FeeOverCap { cap: FeeCap::Transaction, .. }), "{over}");
        let spent = FeeRequest { committed_today: U256::from(49_999_999_999_999_999_u64), ..request(GWEI) };
        let over = quote(&spent, &caps()).unwrap_err();
        let none = FeeCap::Day;
        assert_eq!(
            over,
            Refusal::FeeOverCap { cap: none, needed: U256::from(2 * GWEI), allowed: U256::ZERO }
        );
    }

    #[test]
    fn a_data_fee_counts_towards_the_caps_of_transaction_and_day() {
        // 20 million gwei per transaction: 100 gwei per gas without a data fee, 40 with one of 12 million gwei.
        let with = |gwei: u64| {
            let beside_gas = U256::from(gwei) * U256::from(GWEI);
            quote(&FeeRequest { beside_gas, ..request(30 * GWEI) }, &caps())
        };
        assert_eq!(with(0).unwrap().max_fee_per_gas, 61 * u128::from(GWEI));
        assert_eq!(with(12_000_000).unwrap().max_fee_per_gas, 40 * u128::from(GWEI));
        let (needed, allowed) = (U256::from(31 * GWEI), U256::from(30 * GWEI));
        let over = Refusal::FeeOverCap { cap: FeeCap::Transaction, needed, allowed };
        assert_eq!(with(14_000_000), Err(over));
        let daily = FeeCaps { max_per_transaction: U256::MAX, ..caps() };
        let beside_gas = U256::from(44_000_000) * U256::from(GWEI);
        let over = quote(&FeeRequest { beside_gas, ..request(30 * GWEI) }, &daily).unwrap_err();
        assert_eq!(over, Refusal::FeeOverCap { cap: FeeCap::Day, needed, allowed });
        // More than the cap alone.
        assert!(with(u64::MAX).is_err());
    }

    #[test]
    fn a_suggested_tip_is_held_between_floor_and_cap() {
        let tip = |suggested_tip| {
            let request = FeeRequest { suggested_tip, ..request(GWEI) };
            quote(&request, &caps()).unwrap().max_priority_fee_per_gas
        };
        assert_eq!(tip(None), 1);
        assert_eq!(tip(Some(0)), 1);
        assert_eq!(tip(Some(u128::MAX)), 5 * u128::from(GWEI));
    }

    #[test]
    fn a_lying_base_fee_is_refused_without_overflow() {
        let lie = FeeRequest { next_base_fee: u64::MAX, suggested_tip: Some(u128::MAX), ..request(0) };
        assert!(quote(&lie, &caps()).is_err());
        let unlimited = FeeCaps { max_fee_per_gas: u128::MAX, max_tip: u128::MAX, ..caps() };
        assert!(quote(&lie, &unlimited).is_err());
    }
}
