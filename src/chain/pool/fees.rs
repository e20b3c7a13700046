//! Fees that are too strange to be believed of one endpoint alone.

use super::Pool;
use crate::chain::{ChainError, Header};
use crate::defence::defended;
use crate::domain::policy::ChainKind;
use futures_util::future::join_all;

/// How many times what the parent allows, or what the others say, a fee may be.
const OUTLIER: u128 = 10;

/// Whether the base fee of `header` is more than ten times what its `parent` allows by EIP-1559, or absent where the
/// parent has one.
#[must_use]
pub fn is_suspicious(header: &Header, parent: &Header, kind: ChainKind) -> bool {
    let Some(allowed) = parent.next_base_fee(kind).filter(|_| defended(30)) else { return false };
    let most = u128::from(allowed.max(1)).saturating_mul(OUTLIER);
    header.base_fee_per_gas.is_none_or(|fee| u128::from(fee) > most)
}

/// The tip to go by of those that several endpoints suggest, wei per gas: the lower median, after zeros and what is
/// more than ten times the median of all are left out; zero only where all say so. `None` of nothing.
#[must_use]
pub fn plausible_tip(tips: &[u128]) -> Option<u128> {
    let some: Vec<u128> = tips.iter().copied().filter(|tip| *tip > 0).collect();
    if some.is_empty() {
        return tips.first().copied();
    }
    let most = lower_median(&some)?.saturating_mul(OUTLIER);
    let plausible: Vec<u128> = some.into_iter().filter(|tip| *tip <= most).collect();
    lower_median(&plausible)
}

fn lower_median(values: &[u128]) -> Option<u128> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let middle = sorted.len().saturating_sub(1).checked_div(2)?;
    sorted.get(middle).copied()
}

impl Pool {
    /// The tip that the healthy endpoints suggest, wei per gas: [`plausible_tip`] of theirs. A hint for sending, never a
    /// fact.
    ///
    /// # Errors
    /// The first failure where none answers; [`ChainError::NoVerdict`] where none is healthy.
    pub async fn suggested_tip(&self) -> Result<u128, ChainError> {
        let lease = self.reader()?;
        let others = self.others(&lease);
        let (own, others) = tokio::join!(
            lease.suggested_tip(),
            join_all(others.iter().map(|(_, endpoint)| endpoint.suggested_tip()))
        );
        let tips: Vec<u128> =
            own.iter().copied().chain(others.iter().filter_map(|tip| tip.as_ref().ok().copied())).collect();
        plausible_tip(&tips).map_or(own, Ok)
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{B256, Bytes};
    use proptest::prelude::*;

    use super::*;

    fn header(gas_used: u64, base_fee_per_gas: Option<u64>) -> Header {
        Header {
            number: 1,
            hash: B256::ZERO,
            parent_hash: B256::ZERO,
            timestamp: 1,
            gas_limit: 30_000_000,
            gas_used,
            base_fee_per_gas,
            blob_gas_used: None,
            extra_data: Bytes::new(),
        }
    }

    #[test]
    fn a_base_fee_beyond_ten_times_what_the_parent_allows_is_suspicious() {
        // A full parent at 8,000 allows 9,000.
        let parent = header(30_000_000, Some(8_000));
        for (fee, suspicious) in
            [(Some(9_000), false), (Some(90_000), false), (Some(90_001), true), (None, true)]
        {
            assert_eq!(is_suspicious(&header(0, fee), &parent, ChainKind::Ethereum), suspicious, "{fee:?}");
        }
        // Of a parent that says nothing nothing follows.
        assert!(!is_suspicious(&header(0, Some(u64::MAX)), &header(0, None), ChainKind::Ethereum));
    }

    #[test]
    fn a_tip_of_zero_and_one_that_is_ten_times_the_others_are_left_out() {
        assert_eq!(plausible_tip(&[]), None);
        assert_eq!(plausible_tip(&[0, 0]), Some(0));
        assert_eq!(plausible_tip(&[0, 7]), Some(7));
        assert_eq!(plausible_tip(&[5, 7]), Some(5));
        assert_eq!(plausible_tip(&[u128::MAX, 5, 7]), Some(5));
        assert_eq!(plausible_tip(&[5_000, 5, 7, 9]), Some(7));
        assert_eq!(plausible_tip(&[u128::MAX]), Some(u128::MAX));
    }

    proptest! {
        #[test]
        fn one_liar_among_three_moves_the_tip_no_further_than_an_honest_one(lie: u128, a in 1_u128..1_000, b in 1_u128..1_000) {
            let tip = plausible_tip(&[lie, a, b]).unwrap();
            prop_assert!(tip <= a.max(b), "{tip}");
        }
    }
}
