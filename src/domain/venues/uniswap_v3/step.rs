//! One step of a swap at constant liquidity: `SwapMath.computeSwapStep` with the rounding of `SqrtPriceMath` and
//! `FullMath` (Uniswap v3 core). The crate `uniswap-v3-sdk` has the same; this one divides once where that reduces
//! three times, and a decision is quotes above all. The tests hold it to the crate's.

use alloy::primitives::ruint::UintTryFrom;
use alloy::primitives::{U256, U512};

use super::PIPS;

/// Bits behind the point of a price.
const PRICE_BITS: usize = 96;
/// The largest price, and the largest amount that may be shifted by [`PRICE_BITS`].
const U96_MAX: U256 = U256::from_limbs([u64::MAX, u32::MAX as u64, 0, 0]);
const U160_MAX: U256 = U256::from_limbs([u64::MAX, u64::MAX, u32::MAX as u64, 0]);
const WHOLE: U256 = U256::from_limbs([PIPS as u64, 0, 0, 0]);

/// What is left of a swap.
#[derive(Debug, Clone, Copy)]
pub(super) enum Remaining {
    /// To give, raw units, fee included.
    In(U256),
    /// To receive, raw units.
    Out(U256),
}

impl Remaining {
    /// The amount, raw units.
    pub(super) const fn left(self) -> U256 {
        match self {
            Self::In(left) | Self::Out(left) => left,
        }
    }
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// Square root price afterwards, times 2^96.
    pub(super) sqrt_price: U256,
    /// Raw units in, fee left out.
    pub(super) amount_in: U256,
    /// Raw units out.
    pub(super) amount_out: U256,
    /// Raw units of fee.
    pub(super) fee: U256,
}

/// A stretch of constant liquidity from the price to `target`, square roots times 2^96.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stretch {
    pub(super) sqrt_price: U256,
    pub(super) target: U256,
    pub(super) liquidity: u128,
    /// Hundredths of a basis point, below [`PIPS`].
    pub(super) fee: u32,
}

#[derive(Clone, Copy)]
enum Round {
    Down,
    Up,
}

impl Stretch {
    /// The step towards the target, or as far as `remaining` reaches; `None` where an amount or a price leaves the
    /// pool's integers, or a price is zero.
    pub(super) fn step(&self, remaining: Remaining) -> Option<Step> {
        let fee = U256::from(self.fee);
        let kept = WHOLE.checked_sub(fee)?;
        match remaining {
            Remaining::In(given) => {
                let less_fee = mul_div(given, kept, WHOLE, Round::Down)?;
                if let Some(inside) = self.inside(given, less_fee) {
                    return Some(inside);
                }
                let whole = self.amount_in(self.target)?;
                let (sqrt_price, amount_in) = if less_fee >= whole {
                    (self.target, whole)
                } else {
                    (self.price_after_input(less_fee)?, less_fee)
                };
                let fee = if less_fee >= whole {
                    mul_div(amount_in, fee, kept, Round::Up)?
                } else {
                    given.checked_sub(amount_in)?
                };
                Some(Step { sqrt_price, amount_in, amount_out: self.amount_out(sqrt_price)?, fee })
            }
            Remaining::Out(wanted) => {
                let whole = self.amount_out(self.target)?;
                let (sqrt_price, amount_out) = if wanted >= whole {
                    (self.target, whole)
                } else {
                    (self.price_after_output(wanted)?, wanted)
                };
                let amount_in = self.amount_in(sqrt_price)?;
                let fee = mul_div(amount_in, fee, kept, Round::Up)?;
                Some(Step { sqrt_price, amount_in, amount_out, fee })
            }
        }
    }

    /// The step that ends before the target, without a look at what would reach it: an amount that does so also does after
    /// the rounding of the price, as long as the price is exact but for that.
    fn inside(&self, given: U256, less_fee: U256) -> Option<Step> {
        let sqrt_price = self.price_after_input(less_fee).filter(|_| less_fee <= U96_MAX)?;
        let before = if self.falls() { sqrt_price > self.target } else { sqrt_price < self.target };
        let amount_out = if before { self.amount_out(sqrt_price)? } else { return None };
        Some(Step { sqrt_price, amount_in: less_fee, amount_out, fee: given.checked_sub(less_fee)? })
    }

    /// Token0 is given where the price falls.
    fn falls(&self) -> bool {
        self.sqrt_price >= self.target
    }

    fn amount_in(&self, to: U256) -> Option<U256> {
        if self.falls() { self.amount0(to, Round::Up) } else { self.amount1(to, Round::Up) }
    }

    fn amount_out(&self, to: U256) -> Option<U256> {
        if self.falls() { self.amount1(to, Round::Down) } else { self.amount0(to, Round::Down) }
    }

    /// `L·2^96·(√b − √a)/√b/√a`, each quotient rounded.
    fn amount0(&self, to: U256, round: Round) -> Option<U256> {
        let (low, high) = (self.sqrt_price.min(to), self.sqrt_price.max(to));
        let over_high = mul_div(self.scaled_liquidity(), high.checked_sub(low)?, high, round)?;
        divide(over_high, low, round)
    }

    /// `L·(√b − √a)/2^96`.
    fn amount1(&self, to: U256, round: Round) -> Option<U256> {
        let way = self.sqrt_price.abs_diff(to);
        let one = U256::ONE.wrapping_shl(PRICE_BITS);
        let Some(product) = U256::from(self.liquidity).checked_mul(way) else {
            return mul_div(U256::from(self.liquidity), way, one, round);
        };
        let whole = product.wrapping_shr(PRICE_BITS);
        match round {
            Round::Up if whole.wrapping_shl(PRICE_BITS) != product => whole.checked_add(U256::ONE),
            Round::Up | Round::Down => Some(whole),
        }
    }

    fn price_after_input(&self, amount: U256) -> Option<U256> {
        self.has_liquidity()?;
        if !self.falls() {
            let price = self.sqrt_price.checked_add(self.price_per_liquidity(amount, Round::Down)?)?;
            return Some(price).filter(|price| *price <= U160_MAX);
        }
        if amount.is_zero() {
            return Some(self.sqrt_price);
        }
        let liquidity = self.scaled_liquidity();
        let exact = amount.checked_mul(self.sqrt_price).and_then(|product| liquidity.checked_add(product));
        match exact {
            Some(denominator) => mul_div(liquidity, self.sqrt_price, denominator, Round::Up),
            // What the pool does where the exact denominator does not fit.
            None => {
                let denominator = liquidity.checked_div(self.sqrt_price)?.checked_add(amount)?;
                divide(liquidity, denominator, Round::Up)
            }
        }
    }

    fn price_after_output(&self, amount: U256) -> Option<U256> {
        self.has_liquidity()?;
        if self.falls() {
            let price = self.sqrt_price.checked_sub(self.price_per_liquidity(amount, Round::Up)?)?;
            return Some(price).filter(|price| !price.is_zero());
        }
        let liquidity = self.scaled_liquidity();
        let denominator = liquidity.checked_sub(amount.checked_mul(self.sqrt_price)?)?;
        let price = mul_div(liquidity, self.sqrt_price, denominator, Round::Up)?;
        Some(price).filter(|price| *price <= U160_MAX)
    }

    /// By how much `amount` of token1 moves the price.
    fn price_per_liquidity(&self, amount: U256, round: Round) -> Option<U256> {
        let liquidity = U256::from(self.liquidity);
        if amount <= U160_MAX {
            divide(amount.wrapping_shl(PRICE_BITS), liquidity, round)
        } else {
            mul_div(amount, U256::ONE.wrapping_shl(PRICE_BITS), liquidity, round)
        }
    }

    fn scaled_liquidity(&self) -> U256 {
        U256::from(self.liquidity).wrapping_shl(PRICE_BITS)
    }

    fn has_liquidity(&self) -> Option<()> {
        (self.liquidity > 0 && !self.sqrt_price.is_zero()).then_some(())
    }
}

/// `a·b/denominator` without a product that overflows; `None` where the quotient does, or the denominator is zero.
fn mul_div(a: U256, b: U256, denominator: U256, round: Round) -> Option<U256> {
    if let Some(product) = a.checked_mul(b) {
        return divide(product, denominator, round);
    }
    if denominator.is_zero() {
        return None;
    }
    let product: U512 = a.widening_mul(b);
    let (quotient, rest) = product.div_rem(U512::from(denominator));
    let quotient = U256::uint_try_from(quotient).ok()?;
    rounded(quotient, rest.is_zero(), round)
}

fn divide(numerator: U256, denominator: U256, round: Round) -> Option<U256> {
    if denominator.is_zero() {
        return None;
    }
    let (quotient, rest) = numerator.div_rem(denominator);
    rounded(quotient, rest.is_zero(), round)
}

fn rounded(quotient: U256, exact: bool, round: Round) -> Option<U256> {
    match round {
        Round::Up if !exact => quotient.checked_add(U256::ONE),
        Round::Up | Round::Down => Some(quotient),
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::aliases::U24;
    use alloy::primitives::{I256, U160};
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;
    use uniswap_v3_sdk::prelude::{MAX_SQRT_RATIO, MIN_SQRT_RATIO, compute_swap_step};

    use super::*;

    /// Any number of up to so many bits, each length as likely.
    fn of_bits(most: usize) -> impl Strategy<Value = U256> {
        (any::<[u64; 4]>(), 0..=most).prop_map(|(limbs, bits)| {
            if bits == 0 {
                U256::ZERO
            } else {
                U256::from_limbs(limbs).wrapping_shr(256_usize.saturating_sub(bits))
            }
        })
    }

    fn price() -> impl Strategy<Value = U256> {
        let (least, most) = (U256::from(MIN_SQRT_RATIO), U256::from(MAX_SQRT_RATIO));
        of_bits(160).prop_map(move |price| price.clamp(least, most))
    }

    /// A price near the first, as a step usually goes, or anywhere.
    fn target() -> impl Strategy<Value = (Option<(bool, u32)>, U256)> {
        (proptest::option::of((any::<bool>(), 1_u32..1_000_000)), price())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20_000, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_step_is_that_of_the_crate_to_the_last_unit(
            sqrt_price in price(), (near, far) in target(), liquidity in of_bits(128),
            amount in of_bits(255), exact_in: bool, fee in 0_u32..PIPS,
        ) {
            let target = near.map_or(far, |(up, part)| {
                let way = sqrt_price.wrapping_shr(20).wrapping_mul(U256::from(part)).wrapping_shr(10);
                if up { sqrt_price.saturating_add(way) } else { sqrt_price.saturating_sub(way) }
            });
            let target = target.clamp(U256::from(MIN_SQRT_RATIO), U256::from(MAX_SQRT_RATIO));
            let liquidity: u128 = liquidity.saturating_to();
            let stretch = Stretch { sqrt_price, target, liquidity, fee };
            let (remaining, signed) = if exact_in {
                (Remaining::In(amount), I256::from_raw(amount))
            } else {
                (Remaining::Out(amount), I256::from_raw(amount).wrapping_neg())
            };
            prop_assume!(exact_in || !amount.is_zero());
            let theirs = compute_swap_step::<160, 3>(
                U160::saturating_from(sqrt_price), U160::saturating_from(target), liquidity, signed, U24::from(fee),
            );
            let theirs = theirs.ok().map(|(sqrt_price, amount_in, amount_out, fee)| {
                Step { sqrt_price: U256::from(sqrt_price), amount_in, amount_out, fee }
            });
            prop_assert_eq!(stretch.step(remaining), theirs);
        }

        #[test]
        fn a_quotient_is_that_of_whole_numbers(a in of_bits(256), b in of_bits(256), denominator in of_bits(256)) {
            let product: U512 = a.widening_mul(b);
            let by = |round| mul_div(a, b, denominator, round).map(U512::from);
            let wide = U512::from(denominator);
            let fits = |quotient: &U512| *quotient <= U512::from(U256::MAX);
            prop_assert_eq!(by(Round::Down), product.checked_div(wide).filter(fits));
            let up = (!wide.is_zero()).then(|| product.div_ceil(wide));
            prop_assert_eq!(by(Round::Up), up.filter(fits));
        }
    }
}
